;; SPDX-License-Identifier: Apache-2.0
;; Grows by a page at a time until it is told no; how many pages it then has.
(module
	(memory (export "memory") 1)
	(func (export "grow") (result i32)
		(loop $on (br_if $on (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
		(memory.size)))
