/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/must.h"

int
ring_map(struct ring *ring, int fd, const struct wire_ring *shape, struct report *report)
{
	const size_t sq_bytes = shape->sq_array + shape->sq_entries * sizeof(uint32_t);
	const size_t cq_bytes = shape->cq_cqes + shape->cq_entries * sizeof(struct io_uring_cqe);
	const size_t sqes_bytes = shape->sq_entries * sizeof(struct io_uring_sqe);
	const size_t bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	uint8_t *map, *sqes;

	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	if (map == MAP_FAILED) {
		report_say(report, UINT64_MAX, "mapping the ring: %s", strerror(errno));
		return -errno;
	}
	sqes = mmap(NULL, sqes_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	if (sqes == MAP_FAILED) {
		const int error = errno;

		report_say(report, UINT64_MAX, "mapping the ring's entries: %s", strerror(error));
		(void)munmap(map, bytes);
		return -error;
	}
	*ring = (struct ring){
		.fd = fd,
		.map = map,
		.map_bytes = bytes,
		.sqes_map = sqes,
		.sqes_bytes = sqes_bytes,
		.sq_head = (_Atomic uint32_t *)(void *)(map + shape->sq_head),
		.sq_tail = (_Atomic uint32_t *)(void *)(map + shape->sq_tail),
		.sq_flags = (_Atomic uint32_t *)(void *)(map + shape->sq_flags),
		.cq_head = (_Atomic uint32_t *)(void *)(map + shape->cq_head),
		.cq_tail = (_Atomic uint32_t *)(void *)(map + shape->cq_tail),
		.sq_array = (uint32_t *)(void *)(map + shape->sq_array),
		.sq_mask = *(uint32_t *)(void *)(map + shape->sq_mask),
		.cq_mask = *(uint32_t *)(void *)(map + shape->cq_mask),
		.sq_entries = shape->sq_entries,
		.sqes = (struct io_uring_sqe *)(void *)sqes,
		.cqes = (struct io_uring_cqe *)(void *)(map + shape->cq_cqes),
	};
	ring->tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed);
	/* The array stays the identity: entry i is in place i. */
	for (uint32_t i = 0; i < ring->sq_entries; i++)
		ring->sq_array[i] = i;
	return 0;
}

void
ring_unmap(struct ring *ring)
{
	if (ring->map)
		(void)munmap(ring->map, ring->map_bytes);
	if (ring->sqes_map)
		(void)munmap(ring->sqes_map, ring->sqes_bytes);
	ring->map = ring->sqes_map = NULL;
}

int
ring_enable(struct ring *ring)
{
	const long done =
		syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	return done < 0 ? -errno : 0;
}

int
ring_enter(struct ring *ring, enum ring_wait wait)
{
	for (;;) {
		const long done = syscall(SYS_io_uring_enter, ring->fd, ring->queued,
			wait == RING_WAIT_ONE ? 1 : 0, IORING_ENTER_GETEVENTS, NULL, 0);

		ring->enters++;
		if (done >= 0) {
			ring->queued -=
				(uint32_t)done < ring->queued ? (uint32_t)done : ring->queued;
			/* All were taken, or the wait must not begin yet: a signal or a
			 * shortage cut the batch short. */
			if (!ring->queued || wait == RING_GO_ON)
				return 0;
			continue;
		}
		if (errno == EINTR)
			continue;
		/* EAGAIN: no memory for a request now; EBUSY: completions must be taken
		 * first. Both pass. */
		if (errno == EAGAIN || errno == EBUSY)
			return 0;
		return -errno;
	}
}

struct io_uring_sqe *
ring_entry(struct ring *ring, enum ring_op op, uint32_t slot, uint64_t user)
{
	struct io_uring_sqe *entry;

	while (ring->tail - atomic_load_explicit(ring->sq_head, memory_order_acquire) >=
		ring->sq_entries)
		must(RING1, ring_enter(ring, RING_GO_ON) == 0);
	entry = &ring->sqes[ring->tail & ring->sq_mask];
	memset(entry, 0, sizeof *entry);
	entry->opcode = (uint8_t)op;
	entry->fd = (int32_t)slot;
	entry->flags = IOSQE_FIXED_FILE;
	entry->user_data = user;
	ring->tail++;
	ring->queued++;
	/* The kernel reads entries only in ring_enter(), which this same thread
	 * calls, so the entry may be filled after the tail has moved. */
	atomic_store_explicit(ring->sq_tail, ring->tail, memory_order_release);
	return entry;
}

bool
ring_due(const struct ring *ring)
{
	return ring->queued || (atomic_load_explicit(ring->sq_flags, memory_order_relaxed) &
				       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

bool
ring_stirs(const struct ring *ring)
{
	return atomic_load_explicit(ring->cq_tail, memory_order_relaxed) !=
		       atomic_load_explicit(ring->cq_head, memory_order_relaxed) ||
	       atomic_load_explicit(ring->sq_flags, memory_order_relaxed) &
		       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool
ring_take(struct ring *ring, uint64_t *ret_user, int32_t *ret_result, uint32_t *ret_flags)
{
	const uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
	const struct io_uring_cqe *done;

	if (head == atomic_load_explicit(ring->cq_tail, memory_order_acquire))
		return false;
	done = &ring->cqes[head & ring->cq_mask];
	*ret_user = done->user_data;
	*ret_result = done->res;
	*ret_flags = done->flags;
	atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
	return true;
}
