/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h - the worker's ring: fill entries, enter once, read what came.
 *
 * Owns     the mapping of a ring that the broker made.
 * Does     one io_uring_enter for all entries filled since the last, together
 *          with the wait for completions.
 * Callers  client.c; broker/ and tests for their own rings.
 * Never    registers anything: after ring_enable() the worker has no
 *          io_uring_register.
 *
 * RING1    an entry's opcode is a row of uring_ops.def and its descriptor a
 *          slot: the fence refuses anything else.
 *
 * Source   io_uring(7); containment.md sections 2 and 5.1. */
#pragma once

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>

#include "drivers/wire.h"
#include "kernel/base/report.h"

enum ring_op {
#define URING_OP(name, number, reason) RING_##name = (number),
#include "drivers/uring_ops.def"
#undef URING_OP
};

/* RWF_* of the kernel, which <linux/fs.h> has only beside much else. */
enum { RING_RWF_APPEND = 0x10, RING_RWF_NOWAIT = 0x08 };

struct ring {
	int fd;
	void *map, *sqes_map;
	size_t map_bytes, sqes_bytes;
	_Atomic uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail;
	uint32_t *sq_array;
	uint32_t sq_mask, cq_mask, sq_entries;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint32_t tail;   /* ours: entries filled */
	uint32_t queued; /* filled and not yet taken by the kernel */
	uint64_t enters; /* how often the kernel was entered: for tests and benchmarks */
};

int ring_map(struct ring *ring, int fd, const struct wire_ring *shape, struct report *report);
void ring_unmap(struct ring *ring);
int ring_enable(struct ring *ring); /* io_uring_register(ENABLE_RINGS); once */

/* The next entry, zeroed but for opcode, slot, user data and FIXED_FILE. Enters
 * without waiting when the queue is full. Never NULL. */
struct io_uring_sqe *ring_entry(struct ring *ring, enum ring_op op, uint32_t slot, uint64_t user);

enum ring_wait { RING_GO_ON, RING_WAIT_ONE };
/* Hands over what is queued; waits for a completion if asked. 0 or -errno. */
int ring_enter(struct ring *ring, enum ring_wait wait);
/* Is there work that only entering the kernel moves on? */
bool ring_due(const struct ring *ring);
/* Has a completion come, or work that makes one? Reads shared memory only. */
bool ring_stirs(const struct ring *ring);
/* The oldest completion, taken off the queue; false when there is none. */
bool ring_take(struct ring *ring, uint64_t *ret_user, int32_t *ret_result, uint32_t *ret_flags);
