/* SPDX-License-Identifier: Apache-2.0 */
/* house.h - a world over kernel/ and caps/ in which a guest of tests/guests makes
 * its own children. No Criterion: benches use it too.
 *
 * Use      house_open(&h, EXECUTOR_FAST, NULL); house_root(&h, "nest.wasm", GAS_NO_LIMIT);
 *          house_task(&h, (struct house_task){.depth = 3});
 *          house_go(&h, 0) == STOP_YIELDED; h.root->stop.word; house_close(&h);
 * Errors   words on stderr, exit 1. */
#pragma once

#include "caps/caps.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"

struct house_task { /* as tests/guests/house.h has it */
	uint64_t role, depth, count, word;
};

struct house {
	struct fake_host fake;
	struct fake_device device;
	struct world *world;
	struct domain *root;
	uint8_t *bytes; /* of the guest */
	size_t bytes_count;
	char name[64];
	const struct caps *caps; /* NULL: caps_all */
	struct device *outside;  /* NULL: the fake one */
	bool (*poked)(void *user);
	void *user;
	uint64_t slice;
	uint64_t bank_bytes; /* of the first; 0: no limit */
};

void house_open(struct house *house, enum executor executor, struct host *host); /* NULL: a fake one */
/* The first domain: kit in its slots, its own module's bytes where it loads them. */
void house_root(struct house *house, const char *path, uint64_t gas);
/* Another module's bytes, where these exports of it say that it wants them and their number. */
void house_module(struct house *house, const char *at, const char *bytes_at, const char *path);
void house_task(struct house *house, struct house_task task);
/* Until the first stops: why. */
enum stop_reason house_go(struct house *house, uint64_t word);
/* Calls an export of the first that takes nothing: its result. */
uint64_t house_ask(struct house *house, const char *name);
void house_close(struct house *house);
/* "nest.wasm, 2237 bytes": what is printed beside each figure. */
const char *house_words(const struct house *house);
_Noreturn void house_fail(const char *what, const char *why);
uint8_t *house_file(const char *path, size_t *ret_bytes);
