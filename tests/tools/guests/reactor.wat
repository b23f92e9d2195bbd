;; SPDX-License-Identifier: Apache-2.0
;; A reactor: "get" is 7 only after "_initialize".
(module
	(global $at (mut i32) (i32.const 0))
	(func (export "_initialize") (global.set $at (i32.const 7)))
	(func (export "get") (result i32) (global.get $at)))
