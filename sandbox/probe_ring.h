/* SPDX-License-Identifier: Apache-2.0 */
/* probe_ring.h - a small fenced ring, to try walls with when no broker is there.
 *
 * Fenced from the same table as the real one (drivers/uring_ops.def), so what
 * the doctor and the tests find holds for it. Slot 0 is an eventfd.
 *
 * Errors   0 or -errno. */
#pragma once

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/walls.h"

struct probe_ring {
	int fd;
	bool none; /* T2: an eventfd is in its place, and nothing here works */
	uint8_t *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
};

/* Made, fenced, not yet enabled; then moved to WALLS_RING_FD, whatever was there. */
int probe_ring_open(struct probe_ring *ring);
/* The same, or in T2 the door of a worker without a ring. */
int probe_ring_for(enum walls_tier tier, struct probe_ring *ring);
/* Maps the ring again, in a program that inherited it (`params` and `fd` are set). */
int probe_ring_map(struct probe_ring *ring);
int probe_ring_enable(void *ring);
/* One operation: its result (-errno), or why it could not be submitted. Nothing
 * but io_uring_enter is called. */
int probe_ring_do(struct probe_ring *ring, const struct io_uring_sqe *sqe);
/* Does this kernel know every operation of uring_ops.def? The first it does not
 * know, or -1. Asks a ring that is not enabled yet. */
int probe_ring_lacks(const struct probe_ring *ring);
