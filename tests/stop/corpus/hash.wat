;; SPDX-License-Identifier: Apache-2.0
;; Rounds of a hash over words: rotations, choice, majority; locals kept long.
(module
  (memory 1)
  (global $k (mut i32) (i32.const 0x428a2f98))
  (func $round (param $a i32) (param $b i32) (param $c i32) (param $w i32) (result i32)
    (i32.add
      (i32.xor (i32.and (local.get $a) (local.get $b))
        (i32.and (i32.xor (local.get $a) (i32.const -1)) (local.get $c)))
      (i32.add (i32.xor (i32.rotr (local.get $a) (i32.const 6)) (i32.rotr (local.get $a)
        (i32.const 11))) (i32.add (local.get $w) (global.get $k)))))
  (func (export "run") (result i32 i32 i32) (local $a i32) (local $b i32) (local $c i32)
    (local $t i32) (local $i i32) (local $n i32)
    (local.set $a (i32.const 0x6a09e667))
    (local.set $b (i32.const 0xbb67ae85))
    (local.set $c (i32.const 0x3c6ef372))
    (loop $block
      (local.set $i (i32.const 0))
      (loop $next
        (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.add (i32.mul (local.get $i)
          (i32.const 0x9e3779b9)) (i32.load (i32.shl (local.get $i) (i32.const 2)))))
        (local.set $t (call $round (local.get $a) (local.get $b) (local.get $c)
          (i32.load (i32.shl (local.get $i) (i32.const 2)))))
        (local.set $c (local.get $b))
        (local.set $b (local.get $a))
        (local.set $a (local.get $t))
        (global.set $k (i32.rotl (i32.xor (global.get $k) (local.get $t)) (i32.const 5)))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (i32.const 64))))
      (br_if $block (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
        (i32.const 12))))
    (local.get $a) (local.get $b) (local.get $c)))
