/* SPDX-License-Identifier: Apache-2.0 */
/* What a module is stored in, and what is asked of it after it was loaded. */
#include "kernel/wasm/module.h"

#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/base/fits.h"
#include "kernel/wasm/code.h"
#include "kernel/wasm/decode.h"
#include "kernel/wasm/leb.h"

/* A block of the heap that is cut into pieces; pieces are never given back alone. */
struct pool {
	struct pool *next;
	uint64_t bytes, used; /* of the block, this header included */
};

enum { POOL_BYTES = 4 << 10, PIECE_ALIGN = 8 };

void *
module_take(struct module *module, uint64_t bytes)
{
	struct pool *pool = module->pools;
	uint64_t block = POOL_BYTES;
	void *piece;

	if (bytes > UINT64_MAX / 2)
		return NULL;
	bytes = round_up(max_u64(bytes, 1), PIECE_ALIGN);
	if (!pool || pool->bytes - pool->used < bytes) {
		if (bytes > POOL_BYTES / 4)
			block = sizeof *pool + bytes;
		pool = heap_take(module->heap, block);
		if (!pool)
			return NULL;
		*pool = (struct pool){.bytes = block, .used = sizeof *pool};
		module->pool_bytes += heap_cost(block);
		if (block != POOL_BYTES && module->pools) { /* full: keep cutting the one in front */
			pool->next = module->pools->next;
			module->pools->next = pool;
		} else {
			pool->next = module->pools;
			module->pools = pool;
		}
	}
	piece = (uint8_t *)pool + pool->used;
	pool->used += bytes;
	return piece;
}

void
module_free(struct module *module)
{
	struct heap *heap;

	if (!module)
		return;
	heap = module->heap;
	if (module->code)
		lower_close(module);
	for (uint32_t i = 0; i < module->types_booked; i++)
		typebook_drop(module->book, module->types[i].id);
	while (module->pools) {
		struct pool *pool = module->pools;

		module->pools = pool->next;
		heap_give(heap, pool, pool->bytes);
	}
	heap_give(heap, module, sizeof *module);
}

const uint8_t *
module_hash(struct module *module)
{
	if (!module->hashed) {
		blake2b_256(module->bytes, module->bytes_count, module->hash);
		module->hashed = true;
	}
	return module->hash;
}

int
names_compare(struct name a, struct name b)
{
	if (a.bytes != b.bytes)
		return a.bytes < b.bytes ? -1 : 1;
	return a.bytes ? memcmp(a.text, b.text, a.bytes) : 0;
}

static int
export_compare(const struct module *module, uint32_t a, uint32_t b)
{
	return names_compare(module->exports[a].name, module->exports[b].name);
}

/* Restores the heap order below `at`: the largest is on top. */
static void
sift(const struct module *module, uint32_t *sorted, uint32_t at, uint32_t count)
{
	for (;;) {
		uint32_t child = 2 * at + 1, kept;

		if (child >= count)
			return;
		if (child + 1 < count && export_compare(module, sorted[child], sorted[child + 1]) < 0)
			child++;
		if (export_compare(module, sorted[at], sorted[child]) >= 0)
			return;
		kept = sorted[at];
		sorted[at] = sorted[child];
		sorted[child] = kept;
		at = child;
	}
}

/* Heap sort: in place, and n log n whatever the names are. */
void
module_sort_exports(struct module *module)
{
	uint32_t *sorted = module->exports_sorted;
	const uint32_t count = module->exports_count;

	for (uint32_t i = 0; i < count; i++)
		sorted[i] = i;
	for (uint32_t i = count / 2; i-- > 0;)
		sift(module, sorted, i, count);
	for (uint32_t n = count; n > 1; n--) {
		const uint32_t largest = sorted[0];

		sorted[0] = sorted[n - 1];
		sorted[n - 1] = largest;
		sift(module, sorted, 0, n - 1);
	}
}

const struct export *
module_export(const struct module *module, const char *name, size_t bytes)
{
	uint32_t low = 0, high = module->exports_count;
	struct name wanted;

	if (bytes > UINT32_MAX)
		return NULL;
	wanted = (struct name){.text = name, .bytes = (uint32_t)bytes};
	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		const struct export *export = &module->exports[module->exports_sorted[middle]];
		const int order = names_compare(wanted, export->name);

		if (order == 0)
			return export;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* The name section was checked by names_read() when the module was loaded. */
static bool
name_in_section(const struct module *module, uint32_t func, struct name *ret_name)
{
	const uint8_t *at = module->bytes + module->names_at;
	uint32_t count;

	if (!module->names_bytes)
		return false;
	count = leb_u32_checked(&at);
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t index = leb_u32_checked(&at);
		const uint32_t bytes = leb_u32_checked(&at);

		if (index == func) {
			*ret_name = (struct name){.text = (const char *)at, .bytes = bytes};
			return true;
		}
		if (index > func)
			return false;
		at += bytes;
	}
	return false;
}

struct name
module_func_name(const struct module *module, uint32_t func)
{
	struct name name = {.text = "", .bytes = 0};

	if (name_in_section(module, func, &name))
		return name;
	for (uint32_t i = 0; i < module->exports_count; i++) {
		const struct export *export = &module->exports[i];

		if (export->kind == EXTERN_FUNC && export->index == func)
			return export->name;
	}
	return name;
}
