/* SPDX-License-Identifier: Apache-2.0 */
/* The arena's allocator. Extents of 4 KiB pages, free ones in lists by size,
 * neighbours found through tags at both ends of each extent, as Knuth's
 * boundary tags (TAOCP 2.5), but beside the arena: a free page is never touched.
 *
 *   size[p]  for the first and the last page of an extent: its pages, and
 *            FREE in the top bit
 *   next[p], previous[p]  for the first page of a free extent: its list
 *
 * Lists are an eighth of a power of two wide. The own list is searched for the
 * best fit, then the first of the next that is not empty: if any free extent is
 * large enough, one is found.
 *
 * ARENA1  no two free extents touch.
 * ARENA2  free pages read as zero: a release discards before it frees. */
#include "drivers/host_linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"

#define FREE	UINT32_C(0x80000000)
#define NO_PAGE UINT32_MAX
enum { BINS = 32 * 8, ARENA_SHARE = 16 };
static const uint64_t arena_max = UINT64_C(4) << 40; /* 2^30 pages: tags are 31 bits */

struct arena {
	struct host host; /* first */
	uint8_t *base;
	uint32_t pages, pages_reserved;
	uint32_t *size, *next, *previous;
	uint32_t bins[BINS];
	uint64_t used_bins[BINS / 64]; /* which are not empty */
	uint8_t *store;
	uint64_t store_bytes;
};

/* --- lists of free extents ---------------------------------------------------------- */

static uint32_t
bin_of(uint32_t pages)
{
	const uint32_t log = 31u - (uint32_t)__builtin_clz(pages);

	if (log < 3)
		return pages; /* 1..7 */
	return (log - 2) * 8 + (pages >> (log - 3) & 7);
}

static void
free_push(struct arena *arena, uint32_t first, uint32_t pages)
{
	const uint32_t bin = bin_of(pages);

	arena->size[first] = arena->size[first + pages - 1] = pages | FREE;
	arena->next[first] = arena->bins[bin];
	arena->previous[first] = NO_PAGE;
	if (arena->bins[bin] != NO_PAGE)
		arena->previous[arena->bins[bin]] = first;
	arena->bins[bin] = first;
	arena->used_bins[bin / 64] |= UINT64_C(1) << bin % 64;
}

static void
free_pull(struct arena *arena, uint32_t first)
{
	const uint32_t bin = bin_of(arena->size[first] & ~FREE);
	const uint32_t next = arena->next[first], previous = arena->previous[first];

	if (previous != NO_PAGE)
		arena->next[previous] = next;
	else
		arena->bins[bin] = next;
	if (next != NO_PAGE)
		arena->previous[next] = previous;
	if (arena->bins[bin] == NO_PAGE)
		arena->used_bins[bin / 64] &= ~(UINT64_C(1) << bin % 64);
}

static uint32_t
free_find(const struct arena *arena, uint32_t pages)
{
	const uint32_t bin = bin_of(pages);
	uint32_t best = NO_PAGE;

	for (uint32_t at = arena->bins[bin]; at != NO_PAGE; at = arena->next[at]) {
		if (arena->size[at] >= (pages | FREE) &&
			(best == NO_PAGE || arena->size[at] < arena->size[best]))
			best = at;
		if (best != NO_PAGE && arena->size[best] == (pages | FREE))
			break;
	}
	if (best != NO_PAGE)
		return best;
	for (uint32_t i = (bin + 1) / 64; i < BINS / 64; i++) {
		uint64_t used = arena->used_bins[i];

		if (i == (bin + 1) / 64)
			used &= UINT64_MAX << (bin + 1) % 64;
		if (used)
			return arena->bins[i * 64 + (uint32_t)__builtin_ctzll(used)];
	}
	return NO_PAGE;
}

/* --- struct host ----------------------------------------------------------------------- */

static void *
arena_reserve(struct host *host, uint64_t bytes)
{
	struct arena *arena = (struct arena *)(void *)host;
	const uint64_t wanted = bytes / HOST_PAGE_BYTES;
	uint32_t first, pages, rest;

	if (wanted == 0 || wanted > arena->pages)
		return NULL;
	pages = (uint32_t)wanted;
	first = free_find(arena, pages);
	if (first == NO_PAGE)
		return NULL;
	rest = (arena->size[first] & ~FREE) - pages;
	free_pull(arena, first);
	arena->size[first] = arena->size[first + pages - 1] = pages;
	if (rest)
		free_push(arena, first + pages, rest);
	arena->pages_reserved += pages;
	return arena->base + (uint64_t)first * HOST_PAGE_BYTES;
}

static void
arena_discard(struct host *host, void *base, uint64_t bytes)
{
	(void)host;
	if (!bytes || madvise(base, bytes, MADV_DONTNEED) == 0)
		return;
	/* The filter or the kernel refused: the promise is kept the slow way. */
	memset(base, 0, bytes);
}

static void
arena_release(struct host *host, void *base, uint64_t bytes)
{
	struct arena *arena = (struct arena *)(void *)host;
	uint32_t first, pages = (uint32_t)(bytes / HOST_PAGE_BYTES);

	if (!base)
		return;
	first = (uint32_t)((uint64_t)((uint8_t *)base - arena->base) / HOST_PAGE_BYTES);
	must(ARENA3, first < arena->pages && arena->size[first] == pages);
	arena_discard(host, base, bytes);
	arena->pages_reserved -= pages;
	if (first + pages < arena->pages && arena->size[first + pages] & FREE) {
		const uint32_t more = arena->size[first + pages] & ~FREE;

		free_pull(arena, first + pages);
		pages += more;
	}
	if (first > 0 && arena->size[first - 1] & FREE) {
		const uint32_t more = arena->size[first - 1] & ~FREE;

		first -= more;
		free_pull(arena, first);
		pages += more;
	}
	free_push(arena, first, pages);
}

static uint8_t *
arena_pages(struct host *host, uint64_t count)
{
	const struct arena *arena = (const struct arena *)(const void *)host;

	return count <= arena->store_bytes / HOST_PAGE_BYTES ? arena->store : NULL;
}

static void
arena_fill(struct host *host, uint8_t *base, const uint32_t *page, uint32_t count)
{
	const struct arena *arena = (const struct arena *)(const void *)host;

	for (uint32_t i = 0; i < count;) {
		uint32_t run = 1;

		if (!page[i]) {
			i++;
			continue;
		}
		while (i + run < count && page[i + run] == page[i] + run)
			run++;
		memcpy(base + (uint64_t)i * HOST_PAGE_BYTES,
			arena->store + (uint64_t)page[i] * HOST_PAGE_BYTES,
			(uint64_t)run * HOST_PAGE_BYTES);
		i += run;
	}
}

/* --- open, close -------------------------------------------------------------------------- */

static void *
space(uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void
unspace(void *at, uint64_t bytes)
{
	if (at)
		(void)munmap(at, bytes);
}

static uint64_t
tags_bytes(uint32_t pages)
{
	return round_up((uint64_t)pages * sizeof(uint32_t), HOST_PAGE_BYTES);
}

static bool
arena_map(struct arena *arena, uint64_t bytes)
{
	const uint32_t pages = (uint32_t)(bytes / HOST_PAGE_BYTES);
	const uint64_t tags = tags_bytes(pages);

	arena->pages = pages;
	arena->base = space(bytes);
	arena->size = arena->base ? space(tags) : NULL;
	arena->next = arena->size ? space(tags) : NULL;
	arena->previous = arena->next ? space(tags) : NULL;
	if (arena->previous)
		return true;
	unspace(arena->base, bytes);
	unspace(arena->size, tags);
	unspace(arena->next, tags);
	arena->base = NULL;
	arena->size = arena->next = arena->previous = NULL;
	return false;
}

static int
arena_make(struct arena *arena, const struct host_linux_config *config, struct report *report)
{
	const uint64_t least =
		round_up(min_u64(config->bank_bytes, arena_max / 2), HOST_PAGE_BYTES);
	uint64_t bytes = config->arena_bytes;

	if (!bytes)
		bytes = mul_saturating(config->bank_bytes, ARENA_SHARE);
	bytes = min_u64(bytes, arena_max) & ~(uint64_t)(HOST_PAGE_BYTES - 1);
	bytes = max_u64(bytes, HOST_PAGE_BYTES);
	while (!arena_map(arena, bytes)) {
		if (bytes / 2 < least || bytes / 2 < HOST_PAGE_BYTES) {
			report_say(report, UINT64_MAX,
				"no address space for %llu MiB of storage: see ulimit -v and "
				"vm.overcommit_memory, or lower --mem",
				(unsigned long long)(least >> 20));
			return -ENOMEM;
		}
		bytes = (bytes / 2) & ~(uint64_t)(HOST_PAGE_BYTES - 1);
	}
	/* A huge page would make storage resident that no bank paid for. */
	(void)madvise(arena->base, bytes, MADV_NOHUGEPAGE);
	for (uint32_t i = 0; i < BINS; i++)
		arena->bins[i] = NO_PAGE;
	free_push(arena, 0, arena->pages);
	return 0;
}

static int
store_map(struct arena *arena, const struct host_linux_config *config, struct report *report)
{
	const int flags = config->store_fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
					       : MAP_SHARED | MAP_NORESERVE;
	void *store;

	if (!config->store_bytes)
		return 0;
	store = mmap(NULL, config->store_bytes, PROT_READ | PROT_WRITE, flags, config->store_fd, 0);
	if (store == MAP_FAILED && config->store_fd < 0)
		return 0; /* nothing is ever cold */
	if (store == MAP_FAILED) {
		report_say(report, UINT64_MAX, "mapping the page store: %s", strerror(errno));
		return -errno;
	}
	(void)madvise(store, config->store_bytes, MADV_NOHUGEPAGE); /* as for the arena */
	arena->store = store;
	arena->store_bytes = config->store_bytes;
	return 0;
}

int
host_linux_open(const struct host_linux_config *config, struct report *report,
	struct host **ret_host, uint64_t *ret_arena_bytes)
{
	struct arena *arena = calloc(1, sizeof *arena);
	int error;

	if (!arena)
		return -ENOMEM;
	arena->host = (struct host){.reserve = arena_reserve,
		.release = arena_release,
		.discard = arena_discard,
		.pages = arena_pages,
		.fill = arena_fill};
	error = arena_make(arena, config, report);
	if (!error)
		error = store_map(arena, config, report);
	if (error) {
		host_linux_close(&arena->host);
		return error;
	}
	*ret_arena_bytes = (uint64_t)arena->pages * HOST_PAGE_BYTES;
	*ret_host = &arena->host;
	return 0;
}

void
host_linux_close(struct host *host)
{
	struct arena *arena = (struct arena *)(void *)host;

	if (!arena)
		return;
	if (arena->base) {
		const uint64_t tags = tags_bytes(arena->pages);

		unspace(arena->base, (uint64_t)arena->pages * HOST_PAGE_BYTES);
		unspace(arena->size, tags);
		unspace(arena->next, tags);
		unspace(arena->previous, tags);
	}
	unspace(arena->store, arena->store_bytes);
	free(arena);
}

void
host_linux_counts(const struct host *host, struct host_linux_counts *ret_counts)
{
	const struct arena *arena = (const struct arena *)(const void *)host;
	uint32_t largest = 0;

	for (uint32_t bin = BINS; bin-- > 0 && !largest;)
		for (uint32_t at = arena->bins[bin]; at != NO_PAGE; at = arena->next[at])
			if ((arena->size[at] & ~FREE) > largest)
				largest = arena->size[at] & ~FREE;
	*ret_counts =
		(struct host_linux_counts){.arena_bytes = (uint64_t)arena->pages * HOST_PAGE_BYTES,
			.reserved_bytes = (uint64_t)arena->pages_reserved * HOST_PAGE_BYTES,
			.largest_free_bytes = (uint64_t)largest * HOST_PAGE_BYTES};
}
