;; SPDX-License-Identifier: Apache-2.0
;; A machine of states: br_table with and without a value, and its default.
(module
  (func $pick (param $s i32) (result i32)
    (block $d (result i32)
      (block $c (result i32)
        (block $b (result i32)
          (block $a (result i32)
            (br_table $a $b $c $d (i32.mul (local.get $s) (i32.const 7)) (local.get $s)))
          (i32.add (i32.const 1)))
        (i32.xor (i32.const 0x55)))
      (i32.mul (i32.const 3))))
  (func (export "run") (result i64) (local $s i32) (local $n i32) (local $acc i64)
    (loop $next
      (block $done
        (block $three
          (block $two
            (block $one
              (block $zero
                (br_table $zero $one $two $three $done
                  (i32.rem_u (local.get $s) (i32.const 6))))
              (local.set $s (i32.add (local.get $s) (i32.const 5)))
              (br $done))
            (local.set $s (i32.xor (local.get $s) (i32.const 0x1f)))
            (br $done))
          (local.set $s (call $pick (i32.and (local.get $s) (i32.const 7))))
          (br $done))
        (local.set $s (i32.shr_u (local.get $s) (i32.const 1))))
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (local.set $acc (i64.add (i64.mul (local.get $acc) (i64.const 31))
        (i64.extend_i32_u (local.get $s))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 400))))
    (local.get $acc)))
