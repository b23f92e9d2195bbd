;; SPDX-License-Identifier: Apache-2.0
(module
  (import "keyhold" "try" (func $try (param i32 i32 i32) (result i32)))
  (import "keyhold" "throw" (func $throw))
  (table 1 funcref)
  (elem (i32.const 0) $risky)
  (func $risky (param i32 i32)
    (if (i32.eqz (local.get 0)) (then (call $throw)))
    (call $risky (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
  (func (export "caught") (result i32)
    (call $try (i32.const 0) (i32.const 9) (i32.const 1))))
