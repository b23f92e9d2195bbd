;; SPDX-License-Identifier: Apache-2.0
;; preload: pong
;; Two instances that recurse through one another, a hundred link frames deep,
;; each with a memory of its own; and tries across them.
(module
  (import "pong" "table" (table 3 funcref))
  (import "pong" "pong" (func $pong (param i32 i64) (result i64)))
  (import "keyhold" "try" (func $try (param i32 i32 i32) (result i32)))
  (import "keyhold" "throw" (func $throw))
  (memory 1)
  (elem (i32.const 1) $ping $thrower)
  (global $armed (mut i32) (i32.const 0))
  (func $ping (param $n i32) (param $x i64) (result i64)
    (i64.store (i32.const 8) (i64.sub (i64.load (i32.const 8)) (local.get $x)))
    (if (i32.eq (local.get $n) (global.get $armed)) (then (call $throw)))
    (if (result i64) (i32.eqz (local.get $n))
      (then (i64.load (i32.const 8)))
      (else (i64.xor (i64.load (i32.const 8))
        (call $pong (i32.sub (local.get $n) (i32.const 1)) (i64.add (local.get $x)
          (i64.const 1)))))))
  (func $thrower (param i32 i32)
    (drop (call $ping (local.get 0) (i64.extend_i32_u (local.get 1)))))
  (func (export "run") (result i64 i32) (local $n i32) (local $s i64)
    (global.set $armed (i32.const -1))
    (loop $next
      (local.set $s (i64.add (local.get $s) (call $ping (i32.add (local.get $n) (i32.const 40))
        (i64.extend_i32_u (local.get $n)))))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 8))))
    (global.set $armed (i32.const 6))
    (local.get $s)
    (i32.add (call $try (i32.const 2) (i32.const 20) (i32.const 1))
      (call $try (i32.const 2) (i32.const 5) (i32.const 1)))))
