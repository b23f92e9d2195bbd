;; SPDX-License-Identifier: Apache-2.0
;; open PATH [w|c|a]: opens PATH below descriptor 3 for reading, for both, to be
;; made, or for appending; ends with the errno.
(module
	(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
	(import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open"
		(func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(func $length (param $at i32) (result i32) (local $n i32)
		(block $end
			(loop $next
				(br_if $end (i32.eqz (i32.load8_u (i32.add (local.get $at) (local.get $n)))))
				(local.set $n (i32.add (local.get $n) (i32.const 1)))
				(br $next)))
		(local.get $n))
	(func (export "_start") (local $path i32) (local $mode i32)
		(drop (call $args_get (i32.const 0) (i32.const 1024)))
		(local.set $path (i32.load (i32.const 4)))
		(if (i32.load (i32.const 8))
			(then (local.set $mode (i32.load8_u (i32.load (i32.const 8))))))
		(call $proc_exit
			(call $path_open (i32.const 3) (i32.const 1) (local.get $path)
				(call $length (local.get $path))
				(select (i32.const 1) (i32.const 0) (i32.eq (local.get $mode) (i32.const 99)))
				(select (i64.const 2)
					(select (i64.const 64) (i64.const 66) (i32.eq (local.get $mode) (i32.const 97)))
					(i32.eqz (local.get $mode)))
				(i64.const 0) (i32.eq (local.get $mode) (i32.const 97)) (i32.const 512)))))
