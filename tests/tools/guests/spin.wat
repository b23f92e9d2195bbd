;; SPDX-License-Identifier: Apache-2.0
(module (func $spin (loop $on (br $on))) (func (export "_start") (call $spin)))
