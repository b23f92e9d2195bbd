;; SPDX-License-Identifier: Apache-2.0
;; The preload of ping.wat: each round goes back to the other instance.
(module
  (type $f (func (param i32 i64) (result i64)))
  (memory 1)
  (table (export "table") 3 funcref)
  (elem (i32.const 0) $pong)
  (func $pong (export "pong") (param $n i32) (param $x i64) (result i64)
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (local.get $x)))
    (if (result i64) (i32.eqz (local.get $n))
      (then (local.get $x))
      (else
        (i64.add (i64.load (i32.const 0))
          (call_indirect (type $f) (i32.sub (local.get $n) (i32.const 1))
            (i64.mul (local.get $x) (i64.const 3)) (i32.const 1)))))))
