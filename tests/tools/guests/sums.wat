;; SPDX-License-Identifier: Apache-2.0
(module
	(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
	(func (export "add64") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
	(func (export "half") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
	(func (export "third") (param f64) (result f64) (f64.div (local.get 0) (f64.const 3)))
	(func (export "two") (result i32 f64) (i32.const -1) (f64.const 0.1))
	(func (export "nothing")))
