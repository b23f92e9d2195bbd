/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h - the page store: immutable 4 KiB pages, each held by so many.
 *
 * Owns     the pages that host.h maps, how many hold each, and which are free.
 * Callers  kernel/wasm (cold memories), whoever keeps bytes in pages.
 * Never    looks for equal pages, writes one that is held, or waits. Zero pages
 *          are not stored: index 0 stands for them all, and for "no page".
 * Grows    in steps, as far as the host has pages. A chunk that nobody holds a
 *          page of any more is the host's again, but for a few pages: a call of
 *          the host each time would cost more than they do.
 *
 * PAGES1   a page is held by somebody or in the list of free ones.
 * PAGES2   only a page that is held is read, shared or dropped.
 * PAGES3   when the store ends, nobody holds a page. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/must.h"
#include "kernel/host.h"

struct heap;

enum { PAGES_CHUNK = 1024, PAGES_KEPT = 64 };
#define PAGES_FREE UINT32_C(0x80000000)

struct pages_chunk {
	uint32_t *holders; /* of each page; PAGES_FREE | the next free one */
	uint32_t used, written; /* pages held; pages written since the host had it whole */
};

struct pages {
	struct heap *heap;
	uint8_t *base;          /* of page 0, which is never used */
	struct pages_chunk *chunk;
	uint32_t chunks, chunks_room;
	uint32_t room;          /* pages that the host has given, page 0 with them */
	uint32_t fresh;         /* this one and those above it were never used */
	uint32_t free;          /* 0: none */
	uint32_t used;
	uint64_t fail_after;    /* tests: the n-th take fails; 0 = never */
};

void pages_init(struct pages *pages, struct heap *heap);
void pages_done(struct pages *pages);

/* A page with these 4,096 bytes, held once; 0: there is no more. */
uint32_t pages_take(struct pages *pages, const void *bytes);
/* The last to drop it frees it. Not of index 0. */
void pages_drop(struct pages *pages, uint32_t page);
/* Counts what is held and what is free; must() on a fault. */
void pages_check(const struct pages *pages);

static inline uint32_t *
pages_held(const struct pages *pages, uint32_t page)
{
	must(PAGES2, page && page < pages->fresh);
	return &pages->chunk[page / PAGES_CHUNK].holders[page % PAGES_CHUNK];
}

static inline uint32_t
pages_holders(const struct pages *pages, uint32_t page)
{
	const uint32_t holders = *pages_held(pages, page);

	must(PAGES2, !(holders & PAGES_FREE));
	return holders;
}

/* Held once more. */
static inline void
pages_share(struct pages *pages, uint32_t page)
{
	must(PAGES2, pages_holders(pages, page) + 1 < PAGES_FREE);
	++*pages_held(pages, page);
}

static inline const uint8_t *
pages_at(const struct pages *pages, uint32_t page)
{
	(void)pages_holders(pages, page);
	return pages->base + (uint64_t)page * HOST_PAGE_BYTES;
}
