;; SPDX-License-Identifier: Apache-2.0
;; Quicksort by recursion over numbers in memory, then a check.
(module
  (memory (export "memory") 1)
  (func $at (param i32) (result i32) (i32.load (i32.shl (local.get 0) (i32.const 2))))
  (func $sort (param $lo i32) (param $hi i32) (local $i i32) (local $j i32) (local $p i32)
    (local $t i32)
    (if (i32.ge_s (local.get $lo) (local.get $hi)) (then (return)))
    (local.set $p (call $at (i32.shr_u (i32.add (local.get $lo) (local.get $hi)) (i32.const 1))))
    (local.set $i (local.get $lo))
    (local.set $j (local.get $hi))
    (block $out
      (loop $next
        (loop $up
          (if (i32.lt_u (call $at (local.get $i)) (local.get $p))
            (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $up))))
        (loop $down
          (if (i32.gt_u (call $at (local.get $j)) (local.get $p))
            (then (local.set $j (i32.sub (local.get $j) (i32.const 1))) (br $down))))
        (br_if $out (i32.gt_s (local.get $i) (local.get $j)))
        (local.set $t (call $at (local.get $i)))
        (i32.store (i32.shl (local.get $i) (i32.const 2)) (call $at (local.get $j)))
        (i32.store (i32.shl (local.get $j) (i32.const 2)) (local.get $t))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $j (i32.sub (local.get $j) (i32.const 1)))
        (br_if $next (i32.le_s (local.get $i) (local.get $j)))))
    (call $sort (local.get $lo) (local.get $j))
    (call $sort (local.get $i) (local.get $hi)))
  (func (export "run") (result i32) (local $i i32) (local $x i32) (local $bad i32)
    (loop $fill
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1103515245)) (i32.const 12345)))
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.shr_u (local.get $x) (i32.const 3)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 64))))
    (call $sort (i32.const 0) (i32.const 63))
    (local.set $i (i32.const 1))
    (loop $check
      (local.set $bad (i32.add (local.get $bad) (i32.gt_u
        (call $at (i32.sub (local.get $i) (i32.const 1))) (call $at (local.get $i)))))
      (br_if $check (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 64))))
    (local.get $bad)))
