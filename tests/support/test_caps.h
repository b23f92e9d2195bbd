/* SPDX-License-Identifier: Apache-2.0 */
/* test_caps.h - a few imports, two kinds and a personality for the kernel's own
 * tests: everything that struct caps can ask of the kernel, and no WASI.
 *
 *   module "test"
 *   print(at, bytes)          to the world's output stream, in pieces
 *   read(at, bytes) -> got    from its input stream
 *   sum(i64, f64, i32, f32) -> i64   every type there is; no device
 *   fill(at, bytes, value)    a long call: 1 KiB at a time, each charged
 *   used() -> i64             what its line used
 *   take(i64) -> i32          storage for the domain: 1, or 0
 *   many() -> i32 i64         two results
 *   count() -> i64            calls so far: the personality's state
 *   yield(i64) -> i64         stops; goes on with the next number up
 *   sleep(ns)                 a wait of real time
 *   exit(code)
 *   trap()
 *
 * world_config.user is a struct test_user. */
#pragma once

#include "kernel/world.h"

struct test_user {
	uint32_t in, out; /* handles of streams */
	uint64_t poke_after; /* the n-th question whether the world was poked says yes; 0: none */
};

enum { TEST_KIND_VOID, TEST_KIND_NUMBER, TEST_KIND_HOLE, TEST_KIND_COUNT };

extern const struct caps test_caps;
bool test_poked(void *user);
