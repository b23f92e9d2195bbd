;; SPDX-License-Identifier: Apache-2.0
;; preload: lib
;; Two instances over one memory, table and global; calls go both ways, and
;; through one another's functions in the table.
(module
  (import "lib" "memory" (memory 1))
  (import "lib" "table" (table 4 funcref))
  (import "lib" "calls" (global $calls (mut i64)))
  (import "lib" "apply" (func $apply (param i32 i64 i32) (result i64)))
  (import "lib" "poke" (func $poke (param i32 i64)))
  (type $f (func (param i64) (result i64)))
  (elem (i32.const 1) $mine $back)
  (func $mine (param i64) (result i64)
    (global.set $calls (i64.add (global.get $calls) (i64.const 100)))
    (i64.xor (i64.rotl (local.get 0) (i64.const 3)) (i64.load (i32.const 8))))
  (func $back (param i64) (result i64)
    (call $apply (i32.const 1) (local.get 0) (i32.const 2)))
  (func (export "run") (result i64 i64) (local $n i32) (local $s i64)
    (loop $next
      (call $poke (i32.const 8) (i64.extend_i32_u (local.get $n)))
      (local.set $s (call $apply (i32.rem_u (local.get $n) (i32.const 3)) (local.get $s)
        (i32.const 4)))
      (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 90))))
    (local.get $s) (global.get $calls)))
