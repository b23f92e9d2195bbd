;; SPDX-License-Identifier: Apache-2.0
(module
  (memory (export "memory") 1 2)
  (data (i32.const 8) "seed")
  (func (export "sum") (param i32) (result i32) (local i32)
    (loop $next
      (local.set 1 (i32.add (local.get 1) (i32.load8_u (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get 0) (i32.const 40))))
    (i32.store (i32.const 100) (local.get 1))
    (local.get 1)))
