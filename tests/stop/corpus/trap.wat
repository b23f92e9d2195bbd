;; SPDX-License-Identifier: Apache-2.0
;; Ends in a division by zero, in the middle of a block and of calls.
(module
  (memory 1)
  (func $divide (param $a i32) (param $b i32) (result i32) (local $t i32)
    (local.set $t (i32.add (local.get $a) (i32.const 7)))
    (i32.store (i32.const 4) (local.get $t))
    (i32.add (i32.const 1) (i32.div_u (local.get $t) (local.get $b))))
  (func $down (param $n i32) (param $k i32) (result i32)
    (i32.add (local.get $n)
      (if (result i32) (local.get $n)
        (then (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $k)))
        (else (call $divide (local.get $k) (i32.sub (i32.const 25) (local.get $k)))))))
  (func (export "run") (result i32) (local $k i32) (local $s i32)
    (loop $next
      (local.set $s (i32.add (local.get $s) (call $down (i32.const 20) (local.get $k))))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (br $next))
    (unreachable)))
