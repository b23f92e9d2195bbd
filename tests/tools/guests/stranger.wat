;; SPDX-License-Identifier: Apache-2.0
;; Imports what nobody serves; "call" calls it, "_start" does not.
(module
	(import "env" "nobody" (func $nobody (param i32)))
	(func (export "_start"))
	(func (export "call") (call $nobody (i32.const 1))))
