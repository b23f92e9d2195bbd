;; SPDX-License-Identifier: Apache-2.0
;; keys: writes its clock's reading and eight random bytes to descriptor 1, raw.
(module
	(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "clock_time_get"
		(func $clock_time_get (param i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 0) "\10\00\00\00\10\00\00\00")
	(func (export "_start")
		(drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 16)))
		(drop (call $random_get (i32.const 24) (i32.const 8)))
		(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
