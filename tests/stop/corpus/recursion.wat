;; SPDX-License-Identifier: Apache-2.0
;; Deep and wide: Ackermann's function grows the stack, fib goes up and down.
(module
  (func $ack (param $m i32) (param $n i32) (result i32)
    (if (result i32) (i32.eqz (local.get $m))
      (then (i32.add (local.get $n) (i32.const 1)))
      (else
        (if (result i32) (i32.eqz (local.get $n))
          (then (call $ack (i32.sub (local.get $m) (i32.const 1)) (i32.const 1)))
          (else
            (call $ack (i32.sub (local.get $m) (i32.const 1))
              (call $ack (local.get $m) (i32.sub (local.get $n) (i32.const 1)))))))))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else
        (i32.add
          (call $fib (i32.sub (local.get 0) (i32.const 1)))
          (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func $down (param $n i32) (result i64) (local i64 i64 i64)
    (local.set 1 (i64.extend_i32_u (local.get $n)))
    (if (result i64) (local.get $n)
      (then (i64.add (local.get 1) (call $down (i32.sub (local.get $n) (i32.const 1)))))
      (else (i64.const 0))))
  (func (export "run") (result i32 i32 i64 i64)
    (call $ack (i32.const 2) (i32.const 8))
    (call $fib (i32.const 11))
    (call $down (i32.const 300))
    (call $down (i32.const 10))))
