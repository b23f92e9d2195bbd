;; SPDX-License-Identifier: Apache-2.0
;; Work in pieces: fill, copy, init and drop of memory and tables, both ways over
;; overlaps, longer than one piece of 64 KiB.
(module
  (memory 8)
  (data $d "0123456789abcdefghijklmnopqrstuvwxyz")
  (table $t 2000 4000 funcref)
  (table $u 100 externref)
  (elem $e func $run $run $run)
  (func $sum (result i64) (local $at i32) (local $s i64)
    (loop $next
      (local.set $s (i64.add (i64.rotl (local.get $s) (i64.const 7)) (i64.load (local.get $at))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096)))
        (i32.const 520000))))
    (local.get $s))
  (func $run (export "run") (result i64) (local $n i32) (local $s i64)
    (memory.init $d (i32.const 10) (i32.const 0) (i32.const 36))
    (loop $next
      (memory.fill (i32.const 100) (i32.add (local.get $n) (i32.const 65)) (i32.const 200000))
      (memory.copy (i32.const 300000) (i32.const 50) (i32.const 200000))
      (memory.copy (i32.const 290000) (i32.const 300000) (i32.const 150000))
      (memory.copy (i32.const 310000) (i32.const 290000) (i32.const 140000))
      (memory.init $d (i32.mul (local.get $n) (i32.const 5000)) (i32.const 3)
        (i32.add (local.get $n) (i32.const 1)))
      (table.init $t $e (i32.mul (local.get $n) (i32.const 20)) (i32.const 0) (i32.const 3))
      (table.copy $t $t (i32.const 900) (i32.const 0) (i32.const 700))
      (table.fill $t (i32.const 1700) (ref.func $run) (local.get $n))
      (local.set $s (i64.add (local.get $s) (call $sum)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 9))))
    (data.drop $d)
    (elem.drop $e)
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (table.grow $t (ref.func $run) (i32.const 1500)))
    (drop (table.grow $t (ref.null func) (i32.const 1000)))
    (drop (table.grow $u (ref.null extern) (i32.const 10)))
    (i64.add (local.get $s) (i64.extend_i32_u
      (i32.add (table.size $t) (i32.mul (table.size $u) (i32.const 10000)))))))
