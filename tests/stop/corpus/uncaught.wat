;; SPDX-License-Identifier: Apache-2.0
;; Ends in a throw that nobody tries, below frames and after a try is over.
(module
  (import "keyhold" "try" (func $try (param i32 i32 i32) (result i32)))
  (import "keyhold" "throw" (func $throw))
  (table 1 funcref)
  (elem (i32.const 0) $spin)
  (func $spin (param $a i32) (param $b i32)
    (loop $next (br_if $next (local.tee $a (i32.sub (local.get $a) (i32.const 1))))))
  (func $down (param $n i32)
    (drop (call $try (i32.const 0) (i32.const 30) (i32.const 0)))
    (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1)))))
    (call $throw))
  (func (export "run") (call $down (i32.const 40))))
