/* SPDX-License-Identifier: Apache-2.0 */
/* cold.c - memories put away as lists of pages, and brought back.
 *
 *            store_cool, store_clone              reading an image
 *   HOT  --------------------------->  COLD  <---------------------
 *   base, reserved                     base NULL
 *   list: what it was filled    <-----  list: what is in it
 *   from and others still hold   store_warm
 *
 * A memory that warmed keeps the list while somebody else holds it or pages of
 * it: when it cools, a page that is still equal is shared again instead of
 * stored again, so a copy that ran a little stays a copy in most of its pages.
 * Pages nobody else holds are dropped at once; they would be stored twice. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/host.h"
#include "kernel/wasm/store.h"

/* --- pages ---------------------------------------------------------------------- */

bool
page_is_zero(const uint8_t *page)
{
	uint64_t words[8], any = 0;

	for (uint32_t i = 0; i < HOST_PAGE_BYTES && !any; i += sizeof words) {
		memcpy(words, page + i, sizeof words);
		for (uint32_t k = 0; k < 8; k++)
			any |= words[k];
	}
	return !any;
}

const uint8_t *
memory_page(const struct store *store, const struct memory *memory, uint64_t page)
{
	const struct pagelist *list = memory->list;

	if (memory->base) {
		const uint8_t *at = memory->base + page * HOST_PAGE_BYTES;

		return page_is_zero(at) ? NULL : at;
	}
	if (!list || page >= list->count || !list->page[page])
		return NULL;
	return pages_at(store->pages, list->page[page]);
}

static uint64_t
list_bytes(uint32_t count)
{
	return sizeof(struct pagelist) + count * sizeof(uint32_t);
}

struct pagelist *
pagelist_new(struct store *store, uint32_t count)
{
	struct pagelist *list = heap_take(store->heap, list_bytes(count));

	if (!list)
		return NULL;
	list->holders = 1;
	list->count = count;
	return list;
}

void
pagelist_drop(struct store *store, struct pagelist *list)
{
	if (!list || --list->holders)
		return;
	for (uint32_t i = 0; i < list->count; i++)
		if (list->page[i])
			pages_drop(store->pages, list->page[i]);
	heap_give(store->heap, list, list_bytes(list->count));
}

/* --- cooling ---------------------------------------------------------------------- */

static uint32_t
pages_filled(const struct store *store, const struct memory *memory)
{
	uint32_t count = (uint32_t)(memory->bytes / HOST_PAGE_BYTES);

	while (count && !memory_page(store, memory, count - 1))
		count--;
	return count;
}

/* Of the store's pages, one with what is at this place of a hot memory. */
static int
page_keep(struct store *store, const struct memory *memory, uint32_t index, uint32_t *ret_page)
{
	struct pagelist *list = memory->list;
	const uint32_t was = list && index < list->count ? list->page[index] : 0;
	const uint8_t *at = memory->base + (uint64_t)index * HOST_PAGE_BYTES;

	if (was && !memcmp(at, pages_at(store->pages, was), HOST_PAGE_BYTES)) {
		pages_share(store->pages, was);
		*ret_page = was;
		return 0;
	}
	if (was && list->holders == 1) { /* never again: makes room for what is taken now */
		pages_drop(store->pages, was);
		list->page[index] = 0;
	}
	if (page_is_zero(at))
		return 0;
	*ret_page = pages_take(store->pages, at);
	return *ret_page ? 0 : -ENOMEM;
}

static bool
lists_equal(const struct pagelist *a, const struct pagelist *b)
{
	return a && b && a->count == b->count &&
		!memcmp(a->page, b->page, a->count * sizeof *a->page);
}

/* *ret_list: NULL if all is zero. */
static int
list_make(struct store *store, const struct memory *memory, struct pagelist **ret_list)
{
	const uint32_t count = pages_filled(store, memory);
	struct pagelist *list = NULL;

	if (count) {
		list = pagelist_new(store, count);
		if (!list)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		const int why = page_keep(store, memory, i, &list->page[i]);

		if (why) {
			pagelist_drop(store, list);
			return why;
		}
	}
	*ret_list = list;
	return 0;
}

static int
memory_cool(struct store *store, struct memory *memory)
{
	struct host *host = store->heap->host;
	struct pagelist *list;
	int why;

	if (!memory->base)
		return 0;
	why = list_make(store, memory, &list);
	if (why)
		return why;
	if (lists_equal(list, memory->list)) { /* as it was: others may hold that one */
		pagelist_drop(store, list);
	} else {
		pagelist_drop(store, memory->list);
		memory->list = list;
	}
	host->release(host, memory->base, memory->reserved);
	memory->base = NULL;
	memory->reserved = 0;
	return 0;
}

int
store_cool(struct store *store)
{
	int why = 0;

	if (!store->pages)
		return store->memories.count ? -ENOMEM : 0;
	for (uint32_t i = 0; i < store->memories.count && !why; i++)
		why = memory_cool(store, store->memories.at[i]);
	return why;
}

/* --- warming ---------------------------------------------------------------------- */

/* What only this memory holds goes; the rest may be shared again. */
static void
list_thin(struct store *store, struct memory *memory)
{
	struct pagelist *list = memory->list;
	bool any = list->holders > 1;

	for (uint32_t i = 0; i < list->count && list->holders == 1; i++) {
		if (!list->page[i])
			continue;
		if (pages_holders(store->pages, list->page[i]) > 1) {
			any = true;
			continue;
		}
		pages_drop(store->pages, list->page[i]);
		list->page[i] = 0;
	}
	if (any)
		return;
	pagelist_drop(store, list);
	memory->list = NULL;
}

int
memory_warm(struct store *store, struct memory *memory)
{
	const uint64_t bytes = max_u64(memory->bytes, MEMORY_RESERVED_MIN);
	struct host *host = store->heap->host;

	if (memory->base)
		return 0;
	memory->base = host->reserve(host, bytes);
	if (!memory->base)
		return -ENOMEM;
	memory->reserved = bytes;
	if (memory->list) {
		host->fill(host, memory->base, memory->list->page, memory->list->count);
		list_thin(store, memory);
	}
	return 0;
}

int
store_warm(struct store *store)
{
	int why = 0;

	for (uint32_t i = 0; i < store->memories.count && !why; i++)
		why = memory_warm(store, store->memories.at[i]);
	return why;
}

bool
store_is_cold(const struct store *store)
{
	for (uint32_t i = 0; i < store->memories.count; i++)
		if (!((const struct memory *)store->memories.at[i])->base)
			return true;
	return false;
}

/* --- reading and writing where it lies ---------------------------------------------- */

/* A list that nobody else holds, of `count` pages at least, with the same pages. */
static struct pagelist *
list_own(struct store *store, const struct pagelist *from, uint32_t count)
{
	struct pagelist *list =
		pagelist_new(store, from && from->count > count ? from->count : count);

	for (uint32_t i = 0; list && from && i < from->count; i++) {
		list->page[i] = from->page[i];
		if (list->page[i])
			pages_share(store->pages, list->page[i]);
	}
	return list;
}

/* One page of a list of our own, some bytes of it changed. */
static int
page_write(struct store *store, uint32_t *page, uint64_t offset, const uint8_t *from, uint64_t bytes)
{
	uint8_t whole[HOST_PAGE_BYTES] = {0};
	uint32_t now = 0;

	if (*page)
		memcpy(whole, pages_at(store->pages, *page), HOST_PAGE_BYTES);
	memcpy(whole + offset, from, bytes);
	if (!page_is_zero(whole)) {
		now = pages_take(store->pages, whole);
		if (!now)
			return -ENOMEM;
	}
	if (*page)
		pages_drop(store->pages, *page);
	*page = now;
	return 0;
}

static int
list_write(struct store *store, struct pagelist *list, uint64_t at, const uint8_t *from,
	uint64_t bytes)
{
	int why = 0;

	while (bytes && !why) {
		const uint64_t offset = at % HOST_PAGE_BYTES;
		const uint64_t part = min_u64(bytes, HOST_PAGE_BYTES - offset);

		why = page_write(store, &list->page[at / HOST_PAGE_BYTES], offset, from, part);
		at += part;
		from += part;
		bytes -= part;
	}
	return why;
}

int
store_mem_write(struct store *store, uint32_t index, uint64_t at, const void *from, uint64_t bytes)
{
	const struct instance *instance = store_instance(store, index);
	struct memory *memory = instance ? instance->memory : NULL;
	struct pagelist *list;
	int why;

	if (!memory || !span_fits(at, bytes, memory->bytes))
		return -EFAULT;
	if (!bytes)
		return 0;
	if (memory->base) {
		memmove(memory->base + at, from, bytes); /* which may be its own */
		return 0;
	}
	list = list_own(store, memory->list, (uint32_t)((at + bytes - 1) / HOST_PAGE_BYTES) + 1);
	if (!list)
		return -ENOMEM;
	why = list_write(store, list, at, from, bytes);
	if (why) {
		pagelist_drop(store, list);
		return why;
	}
	pagelist_drop(store, memory->list);
	memory->list = list;
	return 0;
}

bool
store_mem_read(struct store *store, uint32_t index, uint64_t at, void *to, uint64_t bytes)
{
	const struct instance *instance = store_instance(store, index);
	const struct memory *memory = instance ? instance->memory : NULL;
	uint8_t *out = to;

	if (!memory || !span_fits(at, bytes, memory->bytes))
		return false;
	if (memory->base) {
		memcpy(out, memory->base + at, bytes);
		return true;
	}
	while (bytes) {
		const uint64_t offset = at % HOST_PAGE_BYTES;
		const uint64_t part = min_u64(bytes, HOST_PAGE_BYTES - offset);
		const uint8_t *page = memory_page(store, memory, at / HOST_PAGE_BYTES);

		if (page)
			memcpy(out, page + offset, part);
		else
			memset(out, 0, part);
		at += part;
		out += part;
		bytes -= part;
	}
	return true;
}
