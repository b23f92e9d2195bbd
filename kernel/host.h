/* SPDX-License-Identifier: Apache-2.0 */
/* host.h - the few things the kernel asks of its platform.
 *
 * The kernel makes no system call; these functions are its whole world below.
 * drivers/host_linux.c has them on mmap (one arena reserved before the walls go
 * up, one memfd of pages); tests/support has them on malloc; wasm32 and the
 * arm64 program on static memory.
 *
 * Hot memory is contiguous and writable: what a running domain uses. Cold
 * memory is a list of immutable 4 KiB pages in one page store. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HOST_PAGE_BYTES = 4096 };

struct host {
	/* Address space of `bytes` (a multiple of 4 KiB), reading as zero, usable at
	 * once, backed when touched. NULL when there is no more. */
	void *(*reserve)(struct host *host, uint64_t bytes);
	/* Gives a whole reservation back. */
	void (*release)(struct host *host, void *base, uint64_t bytes);
	/* Drops the contents of part of one: it reads as zero again, and its
	 * storage is the host's again. 4 KiB aligned. Of the page store's pages too:
	 * what these read as afterwards is nobody's business. */
	void (*discard)(struct host *host, void *base, uint64_t bytes);
	/* The page store: `count` pages, mapped once for good; NULL if too many. Asked
	 * again for more it answers the same address. */
	uint8_t *(*pages)(struct host *host, uint64_t count);
	/* Makes the `count` pages at hot `base`, which read as zero, read as the
	 * store's pages page[0..count); number 0 stands for zeros. The caller keeps
	 * none of these pages for `base`: it may drop them next. */
	void (*fill)(struct host *host, uint8_t *base, const uint32_t *page, uint32_t count);
};
