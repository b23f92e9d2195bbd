/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/probe_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/walls.h"

enum { ENTRIES = 8, SLOTS = 4, OPS_ASKED = 256 };

static const uint8_t listed[] = {
#define URING_OP(name, number, reason) number,
#include "drivers/uring_ops.def"
#undef URING_OP
};

enum {
	FLAGS_ALLOWED = 0
#define URING_OP(name, number, reason)
#define URING_FLAG(flag, reason) | (flag)
#include "drivers/uring_ops.def"
#undef URING_OP
};

static int
ring_register(int fd, unsigned int what, void *arg, unsigned int count)
{
	return syscall(SYS_io_uring_register, fd, what, arg, count) < 0 ? -errno : 0;
}

static int
fence(int fd)
{
	struct io_uring_restriction rows[sizeof listed + 3];
	unsigned int count = 0;

	memset(rows, 0, sizeof rows);
	for (size_t i = 0; i < sizeof listed; i++) {
		rows[count].opcode = IORING_RESTRICTION_SQE_OP;
		rows[count++].sqe_op = listed[i];
	}
	rows[count].opcode = IORING_RESTRICTION_REGISTER_OP;
	rows[count++].register_op = IORING_REGISTER_ENABLE_RINGS;
	rows[count].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	rows[count++].sqe_flags = IOSQE_FIXED_FILE;
	rows[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rows[count++].sqe_flags = FLAGS_ALLOWED;
	return ring_register(fd, IORING_REGISTER_RESTRICTIONS, rows, count);
}

static int
slots(int fd)
{
	int files[SLOTS] = {-1, -1, -1, -1};
	int rc;

	files[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (files[0] < 0)
		return -errno;
	rc = ring_register(fd, IORING_REGISTER_FILES, files, SLOTS);
	(void)close(files[0]);
	return rc;
}

int
probe_ring_map(struct probe_ring *ring)
{
	const struct io_uring_params *p = &ring->params;
	const size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	const size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	void *at;

	if (ring->none)
		return 0;
	if (!(p->features & IORING_FEAT_SINGLE_MMAP))
		return -ENOSYS;
	at = mmap(NULL, sq > cq ? sq : cq, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
		IORING_OFF_SQ_RING);
	if (at == MAP_FAILED)
		return -errno;
	ring->rings = at;
	at = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
		MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (at == MAP_FAILED)
		return -errno;
	ring->sqes = at;
	return 0;
}

int
probe_ring_open(struct probe_ring *ring)
{
	int rc;

	memset(ring, 0, sizeof *ring);
	ring->params.flags = IORING_SETUP_R_DISABLED;
	ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring->params);
	if (ring->fd < 0)
		return -errno;
	rc = probe_ring_map(ring);
	if (rc == 0)
		rc = slots(ring->fd);
	if (rc == 0)
		rc = fence(ring->fd);
	if (rc == 0 && ring->fd != WALLS_RING_FD) {
		rc = dup2(ring->fd, WALLS_RING_FD) < 0 ? -errno : 0;
		(void)close(ring->fd);
		ring->fd = WALLS_RING_FD;
	}
	return rc;
}

static int
open_none(struct probe_ring *ring)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	memset(ring, 0, sizeof *ring);
	ring->none = true;
	ring->fd = WALLS_RING_FD;
	if (fd < 0 || (fd != WALLS_RING_FD && dup2(fd, WALLS_RING_FD) < 0))
		return -errno;
	if (fd != WALLS_RING_FD)
		(void)close(fd);
	return 0;
}

int
probe_ring_for(enum walls_tier tier, struct probe_ring *ring)
{
	return tier == WALLS_T2 ? open_none(ring) : probe_ring_open(ring);
}

int
probe_ring_enable(void *arg)
{
	const struct probe_ring *ring = arg;

	if (ring->none)
		return 0;
	return ring_register(ring->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static _Atomic uint32_t *
word(const struct probe_ring *ring, uint32_t at)
{
	return (_Atomic uint32_t *)(void *)(ring->rings + at);
}

int
probe_ring_do(struct probe_ring *ring, const struct io_uring_sqe *sqe)
{
	const struct io_uring_params *p = &ring->params;
	const struct io_uring_cqe *cqes;
	uint32_t tail, head, at;
	int result;

	if (ring->none) /* what it would come to */
		return syscall(SYS_io_uring_enter, ring->fd, 1, 1, 0, NULL, 0) < 0 ? -errno : 0;
	tail = *word(ring, p->sq_off.tail);
	head = *word(ring, p->cq_off.head);
	at = tail & (p->sq_entries - 1);
	cqes = (const void *)(ring->rings + p->cq_off.cqes);
	ring->sqes[at] = *sqe;
	*word(ring, p->sq_off.array + at * 4) = at;
	*word(ring, p->sq_off.tail) = tail + 1;
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (*word(ring, p->cq_off.tail) == head)
		return -EAGAIN; /* nothing came: as good as refused, and told apart */
	result = cqes[head & (p->cq_entries - 1)].res;
	*word(ring, p->cq_off.head) = head + 1;
	return result;
}

int
probe_ring_lacks(const struct probe_ring *ring)
{
	_Alignas(struct io_uring_probe) uint8_t
		bytes[sizeof(struct io_uring_probe) + OPS_ASKED * sizeof(struct io_uring_probe_op)];
	struct io_uring_probe *asked = (void *)bytes;

	memset(bytes, 0, sizeof bytes);
	if (ring_register(ring->fd, IORING_REGISTER_PROBE, asked, OPS_ASKED) < 0)
		return listed[0];
	for (size_t i = 0; i < sizeof listed; i++)
		if (listed[i] > asked->last_op ||
			!(asked->ops[listed[i]].flags & IO_URING_OP_SUPPORTED))
			return listed[i];
	return -1;
}
