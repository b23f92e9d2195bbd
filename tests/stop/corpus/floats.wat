;; SPDX-License-Identifier: Apache-2.0
;; Floats to the last bit: NaNs, roundings, conversions, a small Mandelbrot set.
(module
  (func $point (param $x f64) (param $y f64) (result i32) (local $a f64) (local $b f64)
    (local $n i32) (local $t f64)
    (block $out
      (loop $next
        (local.set $t (f64.add (f64.sub (f64.mul (local.get $a) (local.get $a))
          (f64.mul (local.get $b) (local.get $b))) (local.get $x)))
        (local.set $b (f64.add (f64.mul (f64.mul (f64.const 2) (local.get $a)) (local.get $b))
          (local.get $y)))
        (local.set $a (local.get $t))
        (br_if $out (f64.gt (f64.add (f64.mul (local.get $a) (local.get $a))
          (f64.mul (local.get $b) (local.get $b))) (f64.const 4)))
        (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1)))
          (i32.const 20)))))
    (local.get $n))
  (func $odd (param f64) (result i64) (local f32)
    (local.set 1 (f32.demote_f64 (local.get 0)))
    (i64.xor (i64.reinterpret_f64 (f64.nearest (f64.sqrt (local.get 0))))
      (i64.add (i64.trunc_sat_f64_s (f64.div (local.get 0) (f64.const 0)))
        (i64.add (i64.extend_i32_u (i32.reinterpret_f32 (f32.sub (local.get 1)
            (f32.div (local.get 1) (f32.const 0)))))
          (i64.add (i64.reinterpret_f64 (f64.min (local.get 0) (f64.const nan)))
            (i64.add (i64.reinterpret_f64 (f64.copysign (f64.floor (local.get 0)) (f64.const -1)))
              (i64.extend_i32_u (i32.trunc_sat_f32_u (f32.ceil (local.get 1))))))))))
  (func (export "run") (result i64 f64 f32) (local $i i32) (local $h i64) (local $x f64)
    (loop $next
      (local.set $h (i64.add (i64.mul (local.get $h) (i64.const 33)) (i64.extend_i32_u
        (call $point
          (f64.sub (f64.div (f64.convert_i32_s (i32.rem_s (local.get $i) (i32.const 16)))
            (f64.const 5)) (f64.const 2.2))
          (f64.sub (f64.div (f64.convert_i32_s (i32.div_s (local.get $i) (i32.const 16)))
            (f64.const 4)) (f64.const 1.1))))))
      (local.set $x (f64.sub (f64.mul (local.get $x) (f64.const -1.25)) (f64.const 0.1)))
      (local.set $h (i64.xor (local.get $h) (call $odd (local.get $x))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 144))))
    (local.get $h) (local.get $x) (f32.demote_f64 (local.get $x))))
