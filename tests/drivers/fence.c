/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of a worker, tried without the client that keeps to the rules. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/drivers/side.h"

static struct side side;

static void
begin(void)
{
	side_needs_ring();
	side_open(&side);
}

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(fence, .init = begin, .fini = finish, .timeout = 60);

/* One raw entry, and its answer. */
static int32_t
try_entry(const struct io_uring_sqe *from)
{
	struct ring *ring = &side.client->ring;
	struct io_uring_sqe *entry = ring_entry(ring, RING_NOP, 0, 0);
	uint64_t user;
	uint32_t flags;
	int32_t result;

	*entry = *from;
	entry->user_data = 77;
	cr_assert_eq(ring_enter(ring, RING_WAIT_ONE), 0);
	do
		cr_assert(ring_take(ring, &user, &result, &flags));
	while (user != 77);
	return result;
}

/* Refused by the fence, or by the kernel before it comes to the fence. */
static bool
refused(int32_t result)
{
	return result == -EACCES || result == -EINVAL || result == -EOPNOTSUPP;
}

static const unsigned good_flags =
	IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS;

static bool
listed(unsigned number)
{
	switch (number) {
#define URING_OP(name, value, reason) case value:
#include "drivers/uring_ops.def"
#undef URING_OP
		return true;
	default:
		return false;
	}
}

Test(fence, every_operation_that_is_not_listed_is_refused)
{
	for (unsigned number = 0; number < 256; number++) {
		for (unsigned flags = 0; flags < 256; flags++) {
			const struct io_uring_sqe entry = {
				.opcode = (uint8_t)number, .flags = (uint8_t)flags, .fd = -1};
			const int32_t result = listed(number) ? -EACCES : try_entry(&entry);

			cr_assert(refused(result), "%u with flags %x: %d", number, flags, result);
			/* With flags that are allowed, the kernel does come to the fence. */
			if (number < IORING_OP_LAST && !(flags & ~good_flags))
				cr_assert_eq(result, -EACCES, "%u with flags %x", number, flags);
		}
	}
}

Test(fence, listed_operations_take_a_slot_and_nothing_else)
{
	const int fd = open("/dev/null", O_RDWR);
	int32_t result;

	for (unsigned number = 0; number < 64; number++) {
		for (unsigned flags = 0; flags < 256; flags++) {
			const struct io_uring_sqe entry = {
				.opcode = (uint8_t)number, .flags = (uint8_t)flags, .fd = fd};

			if (!listed(number) || (flags & IOSQE_FIXED_FILE &&
						       !(flags & ~good_flags)))
				continue;
			result = try_entry(&entry);
			cr_assert(refused(result), "%u with flags %x: %d", number, flags, result);
			/* What differs from a good one by the slot alone is the fence's. */
			if (!(flags & ~good_flags))
				cr_assert_eq(result, -EACCES, "%u with flags %x", number, flags);
		}
	}
	(void)close(fd);
}

Test(fence, an_empty_slot_is_no_file)
{
	uint8_t byte;
	const struct io_uring_sqe entry = {.opcode = RING_READ, .flags = IOSQE_FIXED_FILE,
		.fd = 20, .addr = (uint64_t)(uintptr_t)&byte, .len = 1};

	cr_assert_eq(try_entry(&entry), -EBADF);
}

Test(fence, every_row_runs_on_a_slot)
{
	struct { long long seconds, nanoseconds; } soon = {0, 1};
	uint8_t byte = 'x';
	int64_t file;

	side_file(&side, "a", "hello");
	file = side_try(&side, "a", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	cr_assert_gt(file, 0);
#define URING_OP(name, value, reason) \
	do { \
		struct io_uring_sqe entry = {.opcode = value, .flags = IOSQE_FIXED_FILE, \
			.fd = (int32_t)file, .addr = (uint64_t)(uintptr_t)&byte, .len = 1}; \
		int32_t result; \
		if ((value) == RING_FSYNC || (value) == RING_POLL_ADD || (value) == RING_FTRUNCATE || \
			(value) == RING_NOP || (value) == RING_ASYNC_CANCEL || (value) == RING_SHUTDOWN) \
			entry.addr = entry.len = 0; \
		if ((value) == RING_FALLOCATE) \
			entry.addr = 1, entry.len = 0; \
		if ((value) == RING_TIMEOUT || (value) == RING_LINK_TIMEOUT) \
			entry.addr = (uint64_t)(uintptr_t)&soon; \
		if ((value) == RING_POLL_ADD) \
			entry.poll32_events = 1; \
		result = try_entry(&entry); \
		/* A link of one, nothing to cancel, no socket: past the fence. */ \
		cr_assert_neq(result, -EACCES, #name); \
		cr_assert_neq(result, -EBADF, #name); \
		if ((value) != RING_LINK_TIMEOUT) \
			cr_assert_neq(result, -EINVAL, #name); \
	} while (0);
#include "drivers/uring_ops.def"
#undef URING_OP
}

Test(fence, a_personality_cannot_be_put_on)
{
	const struct io_uring_sqe entry = {
		.opcode = RING_NOP, .flags = IOSQE_FIXED_FILE, .personality = 1};

	cr_assert_eq(try_entry(&entry), -EINVAL);
}

Test(fence, what_is_fenced_cannot_be_opened_again)
{
	struct io_uring_restriction row = {
		.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_OPENAT};
	const unsigned others[] = {IORING_REGISTER_BUFFERS, IORING_REGISTER_EVENTFD,
		IORING_REGISTER_PERSONALITY, IORING_REGISTER_PROBE, IORING_REGISTER_PBUF_RING};

	cr_assert_eq(syscall(SYS_io_uring_register, side.broker->ring_fd,
			     IORING_REGISTER_RESTRICTIONS, &row, 1),
		-1);
	cr_assert_eq(errno, EACCES);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		cr_assert_eq(syscall(SYS_io_uring_register, side.broker->ring_fd, others[i], NULL, 0),
			-1);
		cr_assert_eq(errno, EACCES, "%u", others[i]);
	}
	cr_assert_eq(ring_enable(&side.client->ring), -EACCES, "once");
}

Test(fence, nothing_runs_before_the_ring_is_enabled)
{
	struct broker *broker;
	const struct broker_config config = {.handles_max = 16};

	cr_assert_eq(broker_new(&config, &side.report, &broker), 0);
	cr_assert_eq(syscall(SYS_io_uring_enter, broker->ring_fd, 0, 0, 0, NULL, 0), -1);
	cr_assert_eq(errno, EBADFD);
	broker_free(broker);
}
