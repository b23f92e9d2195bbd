/* SPDX-License-Identifier: Apache-2.0 */
/* fence.c - the worker's ring and what it is restricted to.
 *
 * Restrictions see an operation and its flags, never its arguments. That is
 * enough, because FIXED_FILE is required: every operation that names a path or
 * a descriptor fails, and what remains acts on slots that the broker filled.
 * Not SINGLE_ISSUER and not DEFER_TASKRUN: the broker could then neither fill
 * slots nor cancel. Order: files, limits, restrictions; the worker enables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drivers/broker/impl.h"

enum { SQ_ENTRIES = 256, CQ_ENTRIES = 2048, WQ_BOUNDED = 4, WQ_UNBOUNDED = 16 };

static const struct {
	uint8_t number;
	const char *name;
} ops[] = {
#define URING_OP(name, number, reason) {number, #name},
#include "drivers/uring_ops.def"
#undef URING_OP
};
enum { OPS = sizeof ops / sizeof ops[0] };

enum {
	FLAGS_ALLOWED = 0
#define URING_OP(name, number, reason)
#define URING_FLAG(flag, reason) | (flag)
#include "drivers/uring_ops.def"
#undef URING_OP
};

/* An older kernel lacks it; the broker then truncates. */
enum { OP_FTRUNCATE = 55 };

static int
ring_register(int fd, unsigned what, void *arg, unsigned count)
{
	const long done = syscall(SYS_io_uring_register, fd, what, arg, count);

	return done < 0 ? -errno : (int)done;
}

static int
probe(struct broker *broker, struct report *report)
{
	enum { PROBES = 256 };
	struct io_uring_probe *found =
		calloc(1, sizeof *found + PROBES * sizeof(struct io_uring_probe_op));
	int error;

	if (!found)
		return -ENOMEM;
	error = ring_register(broker->ring_fd, IORING_REGISTER_PROBE, found, PROBES);
	for (size_t i = 0; !error && i < OPS; i++) {
		if (ops[i].number <= found->last_op &&
			found->ops[ops[i].number].flags & IO_URING_OP_SUPPORTED) {
			broker->ops |= UINT64_C(1) << ops[i].number;
		} else if (ops[i].number != OP_FTRUNCATE) {
			report_say(report, UINT64_MAX,
				"this kernel's io_uring lacks %s; Linux 6.1 or later has it",
				ops[i].name);
			error = -ENOSYS;
		}
	}
	free(found);
	return error;
}

static int
restrict_all(struct broker *broker)
{
	/* What the broker does through its own descriptor once the ring is enabled;
	 * the worker's seccomp filter has no io_uring_register at all. */
	static const uint8_t registers[] = {
		IORING_REGISTER_FILES_UPDATE, IORING_REGISTER_SYNC_CANCEL};
	struct io_uring_restriction rows[OPS + 4];
	unsigned count = 0;

	memset(rows, 0, sizeof rows);
	for (size_t i = 0; i < OPS; i++) {
		if (!(broker->ops >> ops[i].number & 1))
			continue;
		rows[count].opcode = IORING_RESTRICTION_SQE_OP;
		rows[count++].sqe_op = ops[i].number;
	}
	for (size_t i = 0; i < sizeof registers; i++) {
		rows[count].opcode = IORING_RESTRICTION_REGISTER_OP;
		rows[count++].register_op = registers[i];
	}
	rows[count].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	rows[count++].sqe_flags = IOSQE_FIXED_FILE;
	rows[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rows[count++].sqe_flags = FLAGS_ALLOWED;
	return ring_register(broker->ring_fd, IORING_REGISTER_RESTRICTIONS, rows, count);
}

static int
table_make(struct broker *broker, uint32_t handles_count)
{
	struct io_uring_rsrc_register files = {
		.nr = handles_count, .flags = IORING_RSRC_REGISTER_SPARSE};
	uint32_t workers[2] = {WQ_BOUNDED, WQ_UNBOUNDED};
	int error = ring_register(broker->ring_fd, IORING_REGISTER_FILES2, &files, sizeof files);

	if (!error)
		error = ring_register(
			broker->ring_fd, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
	return error;
}

int
fence_make(struct broker *broker, uint32_t handles_count, struct report *report)
{
	int error;

	broker->ring = (struct io_uring_params){
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
			 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = CQ_ENTRIES};
	broker->ring_fd = (int)syscall(SYS_io_uring_setup, SQ_ENTRIES, &broker->ring);
	if (broker->ring_fd < 0) {
		error = errno;
		report_say(report, UINT64_MAX,
			"no io_uring here (%s): see sysctl kernel.io_uring_disabled and the "
			"container's seccomp profile",
			strerror(error));
		return -error;
	}
	error = probe(broker, report);
	if (error)
		return error;
	error = table_make(broker, handles_count);
	if (!error)
		error = restrict_all(broker);
	if (error)
		report_say(report, UINT64_MAX, "fencing the ring: %s", strerror(-error));
	return error;
}
