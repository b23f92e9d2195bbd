;; SPDX-License-Identifier: Apache-2.0
;; Host calls that wait for the device: numbers are written in decimal.
(module
  (import "test" "print" (func $print (param i32 i32)))
  (import "test" "count" (func $count (result i64)))
  (memory 1)
  (data (i32.const 0) "\n")
  (func $decimal (param $x i64) (local $at i32)
    (local.set $at (i32.const 64))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48)
        (i32.wrap_i64 (i64.rem_u (local.get $x) (i64.const 10)))))
      (local.set $x (i64.div_u (local.get $x) (i64.const 10)))
      (br_if $next (i64.ne (local.get $x) (i64.const 0))))
    (call $print (local.get $at) (i32.sub (i32.const 64) (local.get $at)))
    (call $print (i32.const 0) (i32.const 1)))
  (func (export "run") (result i64) (local $x i64)
    (local.set $x (i64.const 1))
    (loop $next
      (call $decimal (local.get $x))
      (local.set $x (i64.add (i64.add (local.get $x) (i64.shr_u (local.get $x)
        (i64.const 1))) (call $count)))
      (br_if $next (i64.lt_u (local.get $x) (i64.const 0x100000000000000))))
    (call $count)))
