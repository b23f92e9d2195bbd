;; SPDX-License-Identifier: Apache-2.0
;; dial NAME: opens NAME below descriptor 3 and reads until the end (status 0) or
;; until it may no more (42). 76 and the like: the errno of the open. With a further
;; argument it then waits until its own input ends.
(module
	(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
	(import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open"
		(func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 512) "\40\02\00\00\40\00\00\00")
	(func $length (param $at i32) (result i32) (local $n i32)
		(block $end
			(loop $next
				(br_if $end (i32.eqz (i32.load8_u (i32.add (local.get $at) (local.get $n)))))
				(local.set $n (i32.add (local.get $n) (i32.const 1)))
				(br $next)))
		(local.get $n))
	(func $done (param $status i32)
		(drop (call $args_sizes_get (i32.const 540) (i32.const 544)))
		(if (i32.gt_u (i32.load (i32.const 540)) (i32.const 2))
			(then (drop (call $fd_read (i32.const 0) (i32.const 512) (i32.const 1) (i32.const 524)))))
		(call $proc_exit (local.get $status)))
	(func (export "_start") (local $path i32) (local $errno i32)
		(drop (call $args_get (i32.const 0) (i32.const 1024)))
		(local.set $path (i32.load (i32.const 4)))
		(local.set $errno (call $path_open (i32.const 3) (i32.const 0) (local.get $path)
			(call $length (local.get $path)) (i32.const 0) (i64.const 66) (i64.const 0)
			(i32.const 0) (i32.const 520)))
		(if (local.get $errno) (then (call $proc_exit (local.get $errno))))
		(loop $next
			(if (call $fd_read (i32.load (i32.const 520)) (i32.const 512) (i32.const 1)
					(i32.const 524))
				(then (call $done (i32.const 42))))
			(br_if $next (i32.load (i32.const 524))))
		(call $done (i32.const 0))))
