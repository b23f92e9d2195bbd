/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/pages.h"

#include <stddef.h>
#include <string.h>

#include "kernel/base/heap.h"

enum { CHUNKS_FIRST = 8, CHUNK_BYTES = PAGES_CHUNK * sizeof(uint32_t) };

void
pages_init(struct pages *pages, struct heap *heap)
{
	*pages = (struct pages){.heap = heap, .fresh = 1};
}

void
pages_done(struct pages *pages)
{
	must(PAGES3, !pages->used);
	for (uint32_t i = 0; i < pages->chunks; i++)
		heap_give(pages->heap, pages->chunk[i].holders, CHUNK_BYTES);
	heap_give(pages->heap, pages->chunk, pages->chunks_room * sizeof *pages->chunk);
	pages_init(pages, pages->heap);
}

static bool
chunk_add(struct pages *pages)
{
	uint32_t *holders;

	if (pages->chunks == pages->chunks_room) {
		const uint32_t is = pages->chunks_room, room = is ? is * 2 : CHUNKS_FIRST;
		struct pages_chunk *chunk = heap_resize(pages->heap, pages->chunk,
			is * sizeof *chunk, room * sizeof *chunk);

		if (!chunk)
			return false;
		pages->chunk = chunk;
		pages->chunks_room = room;
	}
	holders = heap_take(pages->heap, CHUNK_BYTES);
	if (!holders)
		return false;
	pages->chunk[pages->chunks++] = (struct pages_chunk){.holders = holders};
	return true;
}

/* More pages from the host: a chunk, or as much of one as it has. */
static bool
grow(struct pages *pages)
{
	struct host *host = pages->heap->host;
	uint32_t step = PAGES_CHUNK - pages->room % PAGES_CHUNK;

	if (pages->room > PAGES_FREE - PAGES_CHUNK)
		return false;
	if (pages->room == pages->chunks * PAGES_CHUNK && !chunk_add(pages))
		return false;
	for (; step; step /= 2) {
		uint8_t *base = host->pages(host, (uint64_t)pages->room + step);

		if (!base)
			continue;
		must(PAGES1, !pages->base || pages->base == base);
		pages->base = base;
		pages->room += step;
		return pages->room > pages->fresh;
	}
	return false;
}

uint32_t
pages_take(struct pages *pages, const void *bytes)
{
	uint32_t page = pages->free;

	if (pages->fail_after && --pages->fail_after == 0)
		return 0;
	if (page) {
		const uint32_t next = *pages_held(pages, page);

		must(PAGES1, next & PAGES_FREE);
		pages->free = next & ~PAGES_FREE;
	} else {
		if (pages->fresh >= pages->room && !grow(pages))
			return 0;
		page = pages->fresh++;
	}
	*pages_held(pages, page) = 1;
	pages->used++;
	pages->chunk[page / PAGES_CHUNK].used++;
	pages->chunk[page / PAGES_CHUNK].written++;
	memcpy(pages->base + (uint64_t)page * HOST_PAGE_BYTES, bytes, HOST_PAGE_BYTES);
	return page;
}

/* What is in it means nothing; its pages stay in the list of free ones. */
static void
chunk_discard(struct pages *pages, uint32_t first)
{
	const uint32_t end = first + PAGES_CHUNK < pages->room ? first + PAGES_CHUNK : pages->room;
	struct host *host = pages->heap->host;

	host->discard(host, pages->base + (uint64_t)first * HOST_PAGE_BYTES,
		(uint64_t)(end - first) * HOST_PAGE_BYTES);
}

void
pages_drop(struct pages *pages, uint32_t page)
{
	uint32_t *holders = pages_held(pages, page);
	struct pages_chunk *chunk = &pages->chunk[page / PAGES_CHUNK];

	must(PAGES2, !(*holders & PAGES_FREE));
	if (--*holders)
		return;
	*holders = PAGES_FREE | pages->free;
	pages->free = page;
	pages->used--;
	if (--chunk->used || chunk->written < PAGES_KEPT)
		return;
	chunk->written = 0;
	chunk_discard(pages, page / PAGES_CHUNK * PAGES_CHUNK);
}

void
pages_check(const struct pages *pages)
{
	uint32_t used = 0, free = 0, by_chunk = 0;

	for (uint32_t page = 1; page < pages->fresh; page++)
		used += !(*pages_held(pages, page) & PAGES_FREE);
	for (uint32_t page = pages->free; page; free++) {
		const uint32_t next = *pages_held(pages, page);

		must(PAGES1, next & PAGES_FREE && free < pages->fresh);
		page = next & ~PAGES_FREE;
	}
	for (uint32_t i = 0; i < pages->chunks; i++)
		by_chunk += pages->chunk[i].used;
	must(PAGES1, used == by_chunk && used == pages->used && used + free + 1 == pages->fresh);
}
