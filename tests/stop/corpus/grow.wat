;; SPDX-License-Identifier: Apache-2.0
;; Memory grows under way, past what its type allows; every new page is written.
(module
  (memory 1 9)
  (func $touch (param $page i32) (result i32) (local $at i32) (local $end i32) (local $s i32)
    (local.set $at (i32.mul (local.get $page) (i32.const 65536)))
    (local.set $end (i32.add (local.get $at) (i32.const 65536)))
    (loop $next
      (i32.store (local.get $at) (i32.add (local.get $at) (i32.const 1)))
      (local.set $s (i32.add (local.get $s) (i32.load8_s (local.get $at))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 512)))
        (local.get $end))))
    (local.get $s))
  (func (export "run") (result i32 i32) (local $n i32) (local $s i32) (local $was i32)
    (local $bad i32)
    (loop $next
      (local.set $s (i32.add (local.get $s) (call $touch (local.get $n))))
      (local.set $was (memory.grow (i32.const 1)))
      (local.set $bad (i32.add (local.get $bad) (i32.eq (local.get $was) (i32.const -1))))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 9))))
    (local.set $bad (i32.add (local.get $bad) (i32.eq (memory.grow (i32.const 100))
      (i32.const -1))))
    (local.get $s) (i32.add (i32.mul (local.get $bad) (i32.const 1000)) (memory.size))))
