;; SPDX-License-Identifier: Apache-2.0
;; Writes lines with the log key of its kit (slot 4): a plain one, one that orders
;; a terminal about; then spins, so that there is a place to stop; then a last one.
(module
  (import "keyhold" "call" (func $call (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "hello")
  (data (i32.const 1040) "red \1b[31m")
  (data (i32.const 1056) "done")
  (func $log (param $at i32) (param $bytes i32)
    ;; struct kh_message of caps/guest.h: text, text_bytes; no keys
    (i32.store (i32.const 40) (local.get $at))
    (i32.store (i32.const 44) (local.get $bytes))
    (i64.store (i32.const 64) (i64.const -1))
    (i64.store (i32.const 72) (i64.const -1))
    (i64.store (i32.const 80) (i64.const -1))
    (i64.store (i32.const 88) (i64.const -1))
    (if (call $call (i32.const 4) (i32.const 1) (i32.const 0))
      (then (call $exit (i32.const 9)))))
  (func (export "_start") (local $i i32)
    (call $log (i32.const 1024) (i32.const 5))
    (call $log (i32.const 1040) (i32.const 9))
    (loop $more
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 100000))))
    (call $log (i32.const 1056) (i32.const 4))))
