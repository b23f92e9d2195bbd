;; SPDX-License-Identifier: Apache-2.0
;; Host calls of every shape: all types in, several results out, long ones, one
;; that yields, one that asks what was used.
(module
  (import "test" "sum" (func $sum (param i64 f64 i32 f32) (result i64)))
  (import "test" "many" (func $many (result i32 i64)))
  (import "test" "fill" (func $fill (param i32 i32 i32)))
  (import "test" "yield" (func $yield (param i64) (result i64)))
  (import "test" "used" (func $used (result i64)))
  (import "test" "take" (func $take (param i64) (result i32)))
  (type $sum (func (param i64 f64 i32 f32) (result i64)))
  (memory 1)
  (table 1 funcref)
  (elem (i32.const 0) $sum)
  (func (export "run") (result i64) (local $n i32) (local $s i64) (local $m i64)
    (local $k i32)
    (loop $next
      (call $many)
      (local.set $m)
      (local.set $k)
      (local.set $s (i64.add (local.get $s) (i64.add (local.get $m) (i64.extend_i32_u
        (local.get $k)))))
      (local.set $s (call $sum (local.get $s) (f64.const 1.5) (local.get $n) (f32.const -2)))
      (local.set $s (call_indirect (type $sum) (local.get $s) (f64.const 2.5) (local.get $n)
        (f32.const 3) (i32.const 0)))
      (call $fill (i32.mul (local.get $n) (i32.const 100)) (i32.const 3000) (local.get $n))
      (local.set $s (i64.add (local.get $s) (call $yield (local.get $s))))
      (local.set $s (i64.xor (local.get $s) (call $used)))
      (local.set $s (i64.add (local.get $s) (i64.extend_i32_u (call $take (i64.const 100)))))
      (local.set $s (i64.add (local.get $s) (i64.load (i32.mul (local.get $n) (i32.const 110)))))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 130))))
    (local.get $s)))
