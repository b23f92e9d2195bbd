;; SPDX-License-Identifier: Apache-2.0
;; Nested loops, early exits, a mix of both conditions of br_if.
(module
  (func (export "run") (result i64) (local $i i32) (local $j i32) (local $h i64)
    (local.set $h (i64.const 0x9e3779b97f4a7c15))
    (block $out
      (loop $outer
        (br_if $out (i32.ge_u (local.get $i) (i32.const 60)))
        (local.set $j (i32.const 0))
        (block $skip
          (loop $inner
            (local.set $h
              (i64.xor
                (i64.rotl (local.get $h) (i64.extend_i32_u (local.get $j)))
                (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 0x100000001b3))))
            (br_if $skip (i64.eq (i64.rem_u (local.get $h) (i64.const 37)) (i64.const 5)))
            (local.set $j (i32.add (local.get $j) (i32.const 1)))
            (br_if $inner (i32.lt_u (local.get $j) (i32.const 25)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $outer)))
    (local.get $h)))
