;; SPDX-License-Identifier: Apache-2.0
;; Calls through a table that changes under way; references as values.
(module
  (type $op (func (param i64 i64) (result i64)))
  (table $t 8 funcref)
  (elem (i32.const 0) $add $sub $mul $mix)
  (elem declare func $last)
  (func $add (type $op) (i64.add (local.get 0) (local.get 1)))
  (func $sub (type $op) (i64.sub (local.get 0) (local.get 1)))
  (func $mul (type $op) (i64.mul (local.get 0) (i64.or (local.get 1) (i64.const 1))))
  (func $mix (type $op)
    (call_indirect (type $op) (local.get 0) (local.get 1)
      (i32.and (i32.wrap_i64 (local.get 1)) (i32.const 1))))
  (func $last (type $op) (i64.rotl (local.get 0) (local.get 1)))
  (func (export "run") (result i64) (local $n i32) (local $a i64) (local $f funcref)
    (local.set $a (i64.const 1))
    (loop $next
      (local.set $a
        (call_indirect (type $op) (local.get $a) (i64.extend_i32_u (local.get $n))
          (i32.rem_u (local.get $n) (i32.const 4))))
      (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 50)))
        (then
          (local.set $f (table.get $t (i32.const 1)))
          (table.set $t (i32.const 1) (table.get $t (i32.const 2)))
          (table.set $t (i32.const 2) (select (result funcref) (ref.func $last) (local.get $f)
            (ref.is_null (table.get $t (i32.const 7)))))
          (table.set $t (i32.const 7) (local.get $f))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 500))))
    (local.get $a)))
