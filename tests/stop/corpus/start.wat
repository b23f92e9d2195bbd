;; SPDX-License-Identifier: Apache-2.0
;; Everything before the entry: active segments, a start function that loops.
(module
  (import "test" "print" (func $print (param i32 i32)))
  (memory 4)
  (table 3000 funcref)
  (global $n (mut i32) (i32.const 0))
  (global $base i32 (i32.const 40))
  (data (i32.const 10) "ten")
  (data (i32.const 40) "forty")
  (data (i32.const 200000) "far")
  (elem (i32.const 2990) $start $start $start)
  (func $start
    (loop $next
      (i32.store8 (i32.add (global.get $n) (i32.const 1000)) (i32.load8_u (i32.add
        (i32.rem_u (global.get $n) (i32.const 5)) (global.get $base))))
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (global.get $n) (i32.const 700))))
    (call $print (i32.const 1000) (i32.const 20)))
  (start $start)
  (func (export "run") (result i32) (local $i i32)
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.load8_u (i32.add (local.get $i)
        (i32.const 1000)))))
      (i32.store8 (local.get $i) (i32.const 1))
      (global.set $n (i32.sub (global.get $n) (i32.const 1)))
      (br_if $next (global.get $n)))
    (call $print (i32.const 200000) (i32.const 3))
    (local.get $i)))
