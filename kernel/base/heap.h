/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h - the kernel's own memory: size classes over reservations of host.h.
 *
 * Owns     chunks reserved from the host, and a free list per size class.
 * Callers  everything in kernel/ and caps/ that stores; no other allocator is
 *          used there. Whoever stores for a guest charges a bank first.
 * Classes  powers of two and the halves between them, from 16 bytes to 64 KiB;
 *          larger blocks are reservations of their own.
 * Never    fails by half: NULL means nothing changed. Blocks are zeroed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct host;

enum { HEAP_CLASSES = 26, HEAP_CHUNK_BYTES = 1 << 20, HEAP_BLOCK_MAX = 1 << 16 };

struct heap {
	struct host *host;
	void *free[HEAP_CLASSES];
	uint8_t *at, *end;    /* the chunk being cut */
	void *chunks;         /* all chunks, linked through their first word */
	uint64_t bytes_used;  /* in blocks handed out, after rounding */
	uint64_t fail_after;  /* tests: the n-th take fails; 0 = never */
};

void heap_init(struct heap *heap, struct host *host);
void heap_done(struct heap *heap); /* large blocks must have been given back */
void *heap_take(struct heap *heap, uint64_t bytes);
void heap_give(struct heap *heap, void *block, uint64_t bytes); /* NULL is fine */
/* A block of `to` bytes with the first min(from, to) bytes of the old; NULL leaves the old. */
void *heap_resize(struct heap *heap, void *block, uint64_t from, uint64_t to);
/* What a block of so many bytes really takes: what a bank is charged. */
uint64_t heap_cost(uint64_t bytes);
