;; SPDX-License-Identifier: Apache-2.0
;; Ends by an exit, deep in calls.
(module
  (import "test" "exit" (func $exit (param i32)))
  (import "test" "print" (func $print (param i32 i32)))
  (memory 1)
  (data (i32.const 0) "bye")
  (func $down (param $n i32)
    (if (i32.eqz (local.get $n))
      (then (call $print (i32.const 0) (i32.const 3)) (call $exit (i32.const 9))))
    (i32.store (i32.shl (local.get $n) (i32.const 2)) (local.get $n))
    (call $down (i32.sub (local.get $n) (i32.const 1)))
    (unreachable))
  (func (export "run") (call $down (i32.const 400))))
