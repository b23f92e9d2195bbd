;; SPDX-License-Identifier: Apache-2.0
;; Ends outside its memory, in the middle of a copy; before, all edges are met.
(module
  (memory 2)
  (func $edge (param $at i32) (result i64)
    (i64.add (i64.load8_u (i32.sub (local.get $at) (i32.const 1)))
      (i64.add (i64.load16_u (i32.sub (local.get $at) (i32.const 2)))
        (i64.add (i64.load32_u offset=1 (i32.sub (local.get $at) (i32.const 5)))
          (i64.load offset=65536 (i32.sub (local.get $at) (i32.const 65544)))))))
  (func (export "run") (result i64) (local $n i32) (local $s i64)
    (loop $next
      (i64.store (i32.sub (i32.const 131072) (i32.const 8)) (i64.extend_i32_u (local.get $n)))
      (local.set $s (i64.add (local.get $s) (call $edge (i32.const 131072))))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 400))))
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072))
    (memory.copy (i32.const 1000) (i32.const 0) (i32.const 131072))
    (local.get $s)))
