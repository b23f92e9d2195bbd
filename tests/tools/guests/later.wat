;; SPDX-License-Identifier: Apache-2.0
;; later: draws 8 random bytes, says "ready", calls its export `work`, which writes
;; its last argument (asked for only then), a random byte as a letter and what
;; standard input has; ends with the number of arguments.
(module
	(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
	(import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read"
		(func $fd_read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_write"
		(func $fd_write (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 16) "ready\n")
	(func $write (param $at i32) (param $bytes i32)
		(i32.store (i32.const 0) (local.get $at))
		(i32.store (i32.const 4) (local.get $bytes))
		(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
	(func $length (param $at i32) (result i32) (local $n i32)
		(block $end
			(loop $next
				(br_if $end (i32.eqz (i32.load8_u (i32.add (local.get $at) (local.get $n)))))
				(local.set $n (i32.add (local.get $n) (i32.const 1)))
				(br $next)))
		(local.get $n))
	(func $work (export "work") (result i32) (local $count i32) (local $last i32)
		(drop (call $args_sizes_get (i32.const 32) (i32.const 36)))
		(local.set $count (i32.load (i32.const 32)))
		(drop (call $args_get (i32.const 256) (i32.const 1024)))
		(local.set $last
			(i32.load offset=252 (i32.shl (local.get $count) (i32.const 2))))
		(call $write (local.get $last) (call $length (local.get $last)))
		(drop (call $random_get (i32.const 40) (i32.const 1)))
		(i32.store8 (i32.const 40)
			(i32.add (i32.const 65) (i32.and (i32.load8_u (i32.const 40)) (i32.const 15))))
		(call $write (i32.const 40) (i32.const 1))
		(i32.store (i32.const 0) (i32.const 4096))
		(i32.store (i32.const 4) (i32.const 4096))
		(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
		(call $write (i32.const 4096) (i32.load (i32.const 8)))
		(local.get $count))
	(func (export "_start")
		(drop (call $random_get (i32.const 48) (i32.const 8)))
		(call $write (i32.const 16) (i32.const 6))
		(call $proc_exit (call $work))))
