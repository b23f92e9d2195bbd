;; SPDX-License-Identifier: Apache-2.0
;; Writes "tick 0\n" to "tick 9\n", with work between.
(module
	(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 0) "\10\00\00\00\07\00\00\00")
	(data (i32.const 16) "tick 0\n")
	(func $work (param $n i32) (result i32) (local $sum i32)
		(loop $on
			(local.set $sum (i32.add (local.get $sum) (local.get $n)))
			(br_if $on (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
		(local.get $sum))
	(func (export "_start") (local $i i32)
		(loop $on
			(i32.store8 (i32.const 21) (i32.add (i32.const 48) (local.get $i)))
			(i32.store (i32.const 1024) (call $work (i32.const 1000)))
			(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
			(br_if $on (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
				(i32.const 10))))))
