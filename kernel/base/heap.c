/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/heap.h"

#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/host.h"

/* Class 2k holds blocks of 16 << k bytes, class 2k + 1 of 24 << k. */
static uint64_t
class_bytes(unsigned class)
{
	return (class & 1 ? (uint64_t)24 : (uint64_t)16) << (class / 2);
}

static unsigned
class_of(uint64_t bytes)
{
	unsigned log;

	if (bytes <= 16)
		return 0;
	log = 63u - (unsigned)__builtin_clzll(bytes - 1); /* 2^log < bytes <= 2^(log + 1) */
	return bytes <= UINT64_C(3) << (log - 1) ? 2 * (log - 4) + 1 : 2 * (log - 3);
}

_Static_assert(HEAP_CLASSES == 2 * 12 + 2, "16 << 12 is HEAP_BLOCK_MAX");

uint64_t
heap_cost(uint64_t bytes)
{
	if (bytes > HEAP_BLOCK_MAX)
		return round_up(bytes, HOST_PAGE_BYTES);
	return class_bytes(class_of(bytes));
}

void
heap_init(struct heap *heap, struct host *host)
{
	*heap = (struct heap){.host = host};
}

void
heap_done(struct heap *heap)
{
	while (heap->chunks) {
		void *chunk = heap->chunks;

		memcpy(&heap->chunks, chunk, sizeof heap->chunks);
		heap->host->release(heap->host, chunk, HEAP_CHUNK_BYTES);
	}
	heap_init(heap, heap->host);
}

static bool
chunk_add(struct heap *heap)
{
	uint8_t *chunk = heap->host->reserve(heap->host, HEAP_CHUNK_BYTES);

	if (!chunk)
		return false;
	memcpy(chunk, &heap->chunks, sizeof heap->chunks);
	heap->chunks = chunk;
	heap->at = chunk + 64; /* keeps blocks aligned to a cache line where they can be */
	heap->end = chunk + HEAP_CHUNK_BYTES;
	return true;
}

void *
heap_take(struct heap *heap, uint64_t bytes)
{
	const uint64_t cost = heap_cost(bytes);
	unsigned class;
	void *block;

	if (heap->fail_after && --heap->fail_after == 0)
		return NULL;
	if (bytes > HEAP_BLOCK_MAX) {
		if (bytes > UINT64_MAX / 2)
			return NULL;
		block = heap->host->reserve(heap->host, cost);
		if (block)
			heap->bytes_used += cost;
		return block;
	}
	class = class_of(bytes);
	if (heap->free[class]) {
		block = heap->free[class];
		memcpy(&heap->free[class], block, sizeof block);
		memset(block, 0, cost);
	} else {
		if ((uint64_t)(heap->end - heap->at) < cost && !chunk_add(heap))
			return NULL;
		block = heap->at; /* fresh from the host: reads as zero */
		heap->at += cost;
	}
	heap->bytes_used += cost;
	return block;
}

void
heap_give(struct heap *heap, void *block, uint64_t bytes)
{
	const uint64_t cost = heap_cost(bytes);

	if (!block)
		return;
	must(HEAP1, heap->bytes_used >= cost);
	heap->bytes_used -= cost;
	if (bytes > HEAP_BLOCK_MAX) {
		heap->host->release(heap->host, block, cost);
		return;
	}
	memcpy(block, &heap->free[class_of(bytes)], sizeof block);
	heap->free[class_of(bytes)] = block;
}

void *
heap_resize(struct heap *heap, void *block, uint64_t from, uint64_t to)
{
	void *moved;

	if (block && heap_cost(from) == heap_cost(to)) {
		if (to > from)
			memset((uint8_t *)block + from, 0, to - from);
		return block;
	}
	moved = heap_take(heap, to);
	if (!moved)
		return NULL;
	if (block)
		memcpy(moved, block, min_u64(from, to));
	heap_give(heap, block, from);
	return moved;
}
