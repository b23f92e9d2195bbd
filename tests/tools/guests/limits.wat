;; SPDX-License-Identifier: Apache-2.0
;; limits: opens f below descriptor 3 and reads its first 10 bytes, again and
;; again: at most 200 times, or, with an argument, until it may no more. The
;; status is how often it could.
(module
	(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
	(import "wasi_snapshot_preview1" "args_sizes_get"
		(func $args_sizes_get (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open"
		(func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_pread"
		(func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 0) "f")
	(data (i32.const 16) "\40\00\00\00\0a\00\00\00")
	(func (export "_start") (local $count i32)
		(drop (call $args_sizes_get (i32.const 32) (i32.const 36)))
		(if (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
				(i64.const 6) (i64.const 0) (i32.const 0) (i32.const 24))
			(then (call $proc_exit (i32.const 255))))
		(loop $next
			(if (call $fd_pread (i32.load (i32.const 24)) (i32.const 16) (i32.const 1) (i64.const 0)
					(i32.const 28))
				(then (call $proc_exit
					(select (i32.const 42) (local.get $count)
						(i32.gt_u (i32.load (i32.const 32)) (i32.const 1))))))
			(if (i32.ne (i32.load (i32.const 28)) (i32.const 10))
				(then (call $proc_exit (i32.add (i32.const 100) (local.get $count)))))
			(local.set $count (i32.add (local.get $count) (i32.const 1)))
			(br_if $next (i32.gt_u (i32.load (i32.const 32)) (i32.const 1)))
			(br_if $next (i32.lt_u (local.get $count) (i32.const 200))))
		(call $proc_exit (local.get $count))))
