/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - files that are open here without a descriptor.
 *
 * The broker must be able to cancel and shut down what it gave (revoke.c), so it
 * keeps each file it put into a slot. Ten thousand connections would be ten
 * thousand descriptors; so there is a second ring, ours alone and never shown to
 * the worker, which only has a table of files: a socket goes into the slot of
 * the same number there, and its descriptor is closed. FIXED_FD_INSTALL (Linux
 * 6.8) makes it a descriptor again, for as long as a cut or a question needs it.
 * Where that is missing, descriptors are kept. The ring can do that one thing.
 *
 * KEEP1  a slot of the keep ring is filled exactly while its handle says `kept`. */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/broker/impl.h"

enum { OP_FIXED_FD_INSTALL = 54, KEEP_ENTRIES = 4 };

struct keep {
	struct io_uring ring;
};

static bool
can_install(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	const bool can = probe && probe->last_op >= OP_FIXED_FD_INSTALL &&
			 probe->ops[OP_FIXED_FD_INSTALL].flags & IO_URING_OP_SUPPORTED;

	free(probe);
	return can;
}

/* A fallen broker must not get by this ring what its filter keeps from it. */
static int
restrict_all(struct io_uring *ring)
{
	struct io_uring_restriction rows[] = {
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = OP_FIXED_FD_INSTALL},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE},
		{.opcode = IORING_RESTRICTION_REGISTER_OP,
			.register_op = IORING_REGISTER_FILES_UPDATE},
	};
	const int error = io_uring_register_restrictions(ring, rows, 3);

	return error < 0 ? error : io_uring_enable_rings(ring);
}

void
keep_begin(struct broker *broker)
{
	struct keep *keep;

	if (broker->keep_tried)
		return;
	broker->keep_tried = true;
	if (broker->ringless)
		return; /* the broker reads and writes, by the descriptor */
	keep = calloc(1, sizeof *keep);
	if (!keep)
		return;
	if (io_uring_queue_init(KEEP_ENTRIES, &keep->ring, IORING_SETUP_R_DISABLED) < 0) {
		free(keep);
		return;
	}
	if (!can_install(&keep->ring) ||
		io_uring_register_files_sparse(&keep->ring, broker->handles_count) < 0 ||
		restrict_all(&keep->ring) < 0) {
		io_uring_queue_exit(&keep->ring);
		free(keep);
		return;
	}
	broker->keep = keep;
}

int
broker_keep_fd(const struct broker *broker)
{
	return broker->keep ? broker->keep->ring.ring_fd : 0;
}

void
keep_end(struct broker *broker)
{
	if (!broker->keep)
		return;
	io_uring_queue_exit(&broker->keep->ring);
	free(broker->keep);
	broker->keep = NULL;
}

int
keep_put(struct broker *broker, uint32_t number, int fd)
{
	const int done = io_uring_register_files_update(&broker->keep->ring, number, &fd, 1);

	return done < 0 ? done : 0;
}

int
keep_get(struct broker *broker, uint32_t number)
{
	struct io_uring *ring = &broker->keep->ring;
	struct io_uring_sqe *entry = io_uring_get_sqe(ring);
	struct io_uring_cqe *done;
	int result;

	if (!entry)
		return -EAGAIN;
	memset(entry, 0, sizeof *entry);
	entry->opcode = OP_FIXED_FD_INSTALL; /* close-on-exec unless asked otherwise */
	entry->flags = IOSQE_FIXED_FILE;
	entry->fd = (int)number;
	result = io_uring_submit_and_wait(ring, 1);
	if (result < 0)
		return result;
	result = io_uring_wait_cqe(ring, &done);
	if (result < 0)
		return result;
	result = done->res;
	io_uring_cqe_seen(ring, done);
	return result;
}
