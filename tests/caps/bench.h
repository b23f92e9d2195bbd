/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - WASI without an engine: one domain, its memory, a device in memory.
 *
 * Implements the few functions of kernel/world.h that caps call, so a test calls
 * imports as a guest would, sees each request, and may stop a call anywhere.
 *
 * Use      bench_open(&b); bench_root(&b, "data", KIND_directory, ...); ...
 *          bench_setup(&b, &config); cr_assert_eq(bench_call(&b, "fd_close", 3), 0);
 *          bench_close(&b) checks that nothing was left over. */
#pragma once

#include <criterion/criterion.h>

#include "caps/wasi.h"
#include "caps/wasi_abi.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"

enum { BENCH_MEMORY = 1 << 21, BENCH_ROOTS = 16 };

struct world { /* the bench's own: kernel/world_state.h is another */
	struct bench *bench;
	struct heap heap;
	struct grants grants;
	void *caps;
};

struct bench {
	struct fake_host host;
	struct fake_device device;
	struct world world;
	struct domain domain;
	struct caps_root roots[BENCH_ROOTS]; /* to add again in another world */
	uint32_t roots_count;
	uint8_t *memory;
	uint64_t gas, gas_limit; /* used by calls; 0: no limit */
	uint64_t request_id;
	bool completed;
	enum call_end end; /* of the last run */
	uint32_t code;     /* CALL_EXIT */
	uint64_t stops;    /* with stop_everywhere calls are stopped at their requests: the
	                      image is written and read in a new world; counts how often */
	bool stop_everywhere;
	uint64_t quiet; /* so many requests are let through before the next stop */
	uint64_t requests; /* sent */
};

void bench_open(struct bench *b);
void bench_close(struct bench *b);

struct key bench_root(struct bench *b, struct caps_root root);
/* A directory of the device's with all rights, mounted at `path`. */
struct key bench_dir(struct bench *b, uint32_t node, const char *name, uint32_t rights);
struct key bench_stream(struct bench *b, uint32_t handle, const char *name, uint32_t rights,
	uint32_t flags);
void bench_setup(struct bench *b, const struct wasi_config *config);
/* The usual one: streams on `in`, `out`, `err` (handles); a directory at "/data";
 * virtual clock, seed 1. */
struct bench_usual {
	uint32_t in, out, err, top;
};
struct bench_usual bench_usual(struct bench *b);

/* `name` is an import's, or "NAME SIGNATURE" where there are several of a name.
 * The errno; arguments as 64-bit slots, ended by nothing: as many as the signature has. */
#define bench_call(b, name, ...) bench_call_with(b, name, (const uint64_t[]){__VA_ARGS__, 0})
uint32_t bench_call_with(struct bench *b, const char *name, const uint64_t *args);
/* One run of the call, not waited for: b->end. */
void bench_run_once(struct bench *b, const char *name, const uint64_t *args);
bool bench_complete(struct bench *b); /* takes the completion, if there is one */

/* The image of the domain, and the domain again from it, in a new world. */
void bench_freeze_thaw(struct bench *b);
uint64_t bench_image(struct bench *b, uint8_t *to, uint64_t room);

/* Guest memory. */
uint32_t bench_text(struct bench *b, uint32_t at, const char *text); /* its length */
uint64_t bench_word(struct bench *b, uint32_t at, unsigned width);
void bench_put(struct bench *b, uint32_t at, uint64_t value, unsigned width);
void bench_vector(struct bench *b, uint32_t at, uint32_t index, uint32_t to, uint32_t bytes);

/* path_open under `fd`; the new descriptor, or -errno. */
int bench_open_path(struct bench *b, uint32_t fd, const char *path, uint32_t oflags, uint64_t rights,
	uint32_t fdflags);
/* The whole of an open file, read from where it stands. Terminated. */
const char *bench_read(struct bench *b, uint32_t fd);
uint32_t bench_write(struct bench *b, uint32_t fd, const char *text); /* errno */

#define ALL_RIGHTS ((UINT64_C(1) << R_COUNT) - 1)
#define RW         (RIGHT_BIT(R_FD_READ) | RIGHT_BIT(R_FD_WRITE) | RIGHT_BIT(R_FD_SEEK) | \
	RIGHT_BIT(R_FD_TELL) | RIGHT_BIT(R_FD_FILESTAT_GET) | RIGHT_BIT(R_FD_FDSTAT_SET_FLAGS) | \
	RIGHT_BIT(R_FD_FILESTAT_SET_SIZE) | RIGHT_BIT(R_FD_ALLOCATE) | RIGHT_BIT(R_FD_SYNC) | \
	RIGHT_BIT(R_FD_DATASYNC) | RIGHT_BIT(R_FD_ADVISE) | RIGHT_BIT(R_FD_FILESTAT_SET_TIMES) | \
	RIGHT_BIT(R_POLL_FD_READWRITE))
#define R_ONLY (RW & ~(RIGHT_BIT(R_FD_WRITE) | RIGHT_BIT(R_FD_FILESTAT_SET_SIZE) | \
	RIGHT_BIT(R_FD_ALLOCATE)))
