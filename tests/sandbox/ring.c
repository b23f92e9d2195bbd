/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c - the fence, from behind the walls: every operation there may be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/probe.h"
#include "tests/sandbox/wall_helper.h"

enum { OPS = 256, FLAGS = 128 }; /* each combination of IOSQE_* (7 bits in 6.1's header) */

static bool
is_listed(unsigned int op)
{
	static const unsigned int listed[] = {
#define URING_OP(name, number, reason) number,
#include "drivers/uring_ops.def"
#undef URING_OP
	};

	for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
		if (listed[i] == op)
			return true;
	return false;
}

/* Operations not listed, fixed and plain: each refused. EINVAL: this kernel has
 * no such operation. */
static int
try_unlisted(struct probe_ring *ring, void *arg)
{
	(void)arg;
	for (unsigned int op = 0; op < OPS; op++) {
		if (is_listed(op))
			continue;
		for (unsigned int fixed = 0; fixed < 2; fixed++) {
			const struct io_uring_sqe sqe = {
				.opcode = (uint8_t)op,
				.flags = fixed ? IOSQE_FIXED_FILE : 0,
				.fd = fixed ? 0 : WALLS_RING_FD,
			};
			const int got = probe_ring_do(ring, &sqe);

			if (got != -EACCES && got != -EINVAL)
				return got < 0 ? -got : 1;
		}
	}
	return 0;
}

/* Listed ones without FIXED_FILE, and with each set of flags that holds one that
 * is not allowed: refused before they look at anything (EOPNOTSUPP: by the
 * operation itself, which takes no buffer group, before the fence is asked). */
static int
try_flags(struct probe_ring *ring, void *arg)
{
	const unsigned int allowed = IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_ASYNC |
		IOSQE_CQE_SKIP_SUCCESS;

	(void)arg;
	for (unsigned int op = 0; op < OPS; op++) {
		if (!is_listed(op))
			continue;
		for (unsigned int flags = 0; flags < FLAGS; flags++) {
			const struct io_uring_sqe sqe = {
				.opcode = (uint8_t)op, .flags = (uint8_t)flags};
			int got;

			if ((flags & IOSQE_FIXED_FILE) && !(flags & ~allowed))
				continue;
			got = probe_ring_do(ring, &sqe);
			if (got != -EACCES && got != -EINVAL && got != -EOPNOTSUPP)
				return got < 0 ? -got : 1;
		}
	}
	return 0;
}

/* The door itself is open: a write to slot 0 arrives, a read gives it back. */
static int
try_door(struct probe_ring *ring, void *arg)
{
	uint64_t value = 7;
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE,
		.flags = IOSQE_FIXED_FILE,
		.addr = (uintptr_t)&value,
		.len = sizeof value,
	};
	int got;

	(void)arg;
	got = probe_ring_do(ring, &sqe);
	if (got != sizeof value)
		return got < 0 ? -got : EIO;
	value = 0;
	sqe.opcode = IORING_OP_READ;
	got = probe_ring_do(ring, &sqe);
	return got < 0 ? -got : got == sizeof value && value == 7 ? 0 : EIO;
}

/* 10^5 operations and a completion queue nobody empties in between. */
static int
try_flood(struct probe_ring *ring, void *arg)
{
	const struct io_uring_sqe sqe = {.opcode = IORING_OP_NOP, .flags = IOSQE_FIXED_FILE};

	(void)arg;
	for (unsigned int i = 0; i < 20000; i++) {
		const int got = probe_ring_do(ring, &sqe);

		if (got != 0)
			return got < 0 ? -got : 1;
	}
	return 0;
}

void
ring_run(struct helper *h)
{
	static const struct {
		const char *name;
		int (*fn)(struct probe_ring *ring, void *arg);
	} tests[] = {
		{"a listed operation on a slot runs", try_door},
		{"every operation not listed is refused, fixed and plain", try_unlisted},
		{"every listed one is refused with a flag that is not allowed", try_flags},
		{"a flood of operations stays operations", try_flood},
	};

	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		struct report report;
		int ended = 0, rc;

		report_clear(&report);
		rc = walls_probe_run(&h->plan, tests[i].fn, NULL, NULL, &ended, &report);
		helper_ok(h, rc == 0 && ended == 0, rc < 0 ? report.text : helper_ended(ended),
			"ring: %s", tests[i].name);
	}
}
