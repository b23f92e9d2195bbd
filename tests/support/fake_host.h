/* SPDX-License-Identifier: Apache-2.0 */
/* fake_host.h - struct host on malloc and mmap, counted, failing when told.
 *
 * Owns     every reservation handed out (so a test can ask that none is left)
 *          and the page store.
 * Runs     on Linux of any kind of processor, under sanitizers too. */
#pragma once

#include <stdint.h>

#include "kernel/host.h"

enum { FAKE_STORE_PAGES = 1 << 18 };

struct fake_host {
	struct host host; /* first: what the kernel sees */
	uint64_t reserved;      /* bytes, now */
	uint64_t reservations;  /* now */
	uint64_t reserved_max;  /* refuses past this; 0: no limit */
	uint64_t fail_after;    /* the n-th reserve from now fails; 0: never */
	uint8_t *store;         /* pages(): address space of `store_pages`, at the first call */
	uint64_t store_pages;
	uint64_t store_discarded; /* bytes of it, so far */
	uint64_t store_pages_max; /* what it will be; 0: FAKE_STORE_PAGES, 1: no store */
};

void fake_host_init(struct fake_host *fake);
void fake_host_done(struct fake_host *fake); /* the page store; reservations are the caller's */
