;; SPDX-License-Identifier: Apache-2.0
;; The preload of linked.wat: a memory, a table, a global and functions of it.
(module
  (memory (export "memory") 1 4)
  (table (export "table") 8 funcref)
  (global $calls (export "calls") (mut i64) (i64.const 0))
  (type $f (func (param i64) (result i64)))
  (elem (i32.const 0) $own)
  (func $own (param i64) (result i64)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (i64.add (local.get 0) (i64.load (i32.const 8))))
  (func (export "apply") (param $which i32) (param $x i64) (param $n i32) (result i64)
    (loop $next
      (local.set $x (call_indirect (type $f) (local.get $x) (local.get $which)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))
  (func (export "poke") (param i32 i64)
    (i64.store (local.get 0) (local.get 1)))
  (func $start
    (i64.store (i32.const 8) (i64.const 1000)))
  (start $start))
