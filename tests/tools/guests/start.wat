;; SPDX-License-Identifier: Apache-2.0
;; The start function is the whole program; it works for a while.
(module
	(global $sum (export "sum") (mut i32) (i32.const 0))
	(func $begin (local $n i32)
		(local.set $n (i32.const 1000))
		(loop $on
			(global.set $sum (i32.add (global.get $sum) (local.get $n)))
			(br_if $on (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
	(start $begin))
