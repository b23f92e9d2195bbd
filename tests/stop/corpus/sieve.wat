;; SPDX-License-Identifier: Apache-2.0
;; The primes below 1,500, a byte each.
(module
  (memory 1)
  (func (export "run") (result i32) (local $i i32) (local $j i32) (local $count i32)
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u offset=64 (local.get $i)))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (local.set $j (i32.mul (local.get $i) (local.get $i)))
          (block $out
            (loop $strike
              (br_if $out (i32.ge_u (local.get $j) (i32.const 1500)))
              (i32.store8 offset=64 (local.get $j) (i32.const 1))
              (local.set $j (i32.add (local.get $j) (local.get $i)))
              (br $strike)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 1500))))
    (local.get $count)))
