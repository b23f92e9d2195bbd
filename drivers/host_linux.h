/* SPDX-License-Identifier: Apache-2.0 */
/* host_linux.h - struct host on one arena and one page store, mapped before
 * the walls go up; afterwards only madvise(MADV_DONTNEED) is called.
 *
 * The arena is address space without storage (private, anonymous, no reserve):
 * at least 16 times the root bank, so that fragmentation never decides whether
 * memory grows. Where the system allows less, it is halved down to the bank
 * itself, and `ret_bytes` says what was got. */
#pragma once

#include <stdint.h>

#include "kernel/base/report.h"
#include "kernel/host.h"

struct host_linux_config {
	uint64_t bank_bytes;  /* the root bank's limit */
	uint64_t arena_bytes; /* 0: from bank_bytes */
	int store_fd;         /* the page store's memfd, borrowed, whose pages are never given
	                         back; -1: anonymous memory, which may be refused: no store */
	uint64_t store_bytes; /* 0: no store */
};

int host_linux_open(const struct host_linux_config *config, struct report *report,
	struct host **ret_host, uint64_t *ret_arena_bytes);
void host_linux_close(struct host *host);

struct host_linux_counts {
	uint64_t arena_bytes, reserved_bytes, largest_free_bytes;
};
void host_linux_counts(const struct host *host, struct host_linux_counts *ret_counts);
