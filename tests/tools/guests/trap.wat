;; SPDX-License-Identifier: Apache-2.0
(module
	(func $inner (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
	(func $outer (drop (call $inner (i32.const 0))))
	(func (export "_start") (call $outer)))
