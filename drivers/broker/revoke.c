/* SPDX-License-Identifier: Apache-2.0 */
/* revoke.c - the broker cut: nothing that was opened under a root grant
 * delivers another byte, without the worker's help.
 *
 * The order matters, each other one leaks:
 *   1. the slot is emptied, so nothing new begins;
 *   2. what runs is cancelled by *our descriptor*: by slot would find nothing
 *      any more, or, before 1, a file that was put there since;
 *   3. sockets are shut down, which wakes what no cancel reaches;
 *   4. what still runs is cancelled again for a second, then the worker ends.
 * What the broker itself reads and writes needs none of it: nothing runs while
 * this does, and who waits is answered.
 * Source: design.md section 8, containment.md 2.3; run on Linux 6.18. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/broker/net.h"

/* How many requests on the file were still there: those that were cancelled
 * now, and those that a thread of the ring is in the middle of. With CANCEL_ALL
 * the call returns at once, whatever its timeout, so asking again is ours. */
static int
cancel_all(struct broker *broker, int fd)
{
	struct io_uring_sync_cancel_reg cancel;
	long found;

	memset(&cancel, 0, sizeof cancel);
	cancel.fd = fd;
	cancel.flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	found = syscall(
		SYS_io_uring_register, broker->ring_fd, IORING_REGISTER_SYNC_CANCEL, &cancel, 1);
	if (found >= 0)
		return (int)found;
	return errno == ENOENT ? 0 : 1;
}

static void
slots_empty(struct broker *broker, uint32_t grant)
{
	for (uint32_t i = WIRE_SLOT_FIRST; i < broker->handles_count; i++) {
		struct broker_handle *handle = &broker->handles[i];

		if (handle->state == HANDLE_OPEN && handle->grant == grant && handle->slotted) {
			(void)slot_set(broker, i, -1);
			handle->slotted = false;
		}
	}
}

static void
pause_briefly(void)
{
	const struct timespec briefly = {.tv_nsec = 200000};

	(void)nanosleep(&briefly, NULL);
}

/* Steps 2 to 4 for one file: false when something could not be stopped. */
static bool
fd_stop(struct broker *broker, int fd, uint64_t until_ns)
{
	struct stat stat;

	if (cancel_all(broker, fd) == 0)
		return true;
	if (fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode))
		(void)shutdown(fd, SHUT_RDWR);
	while (cancel_all(broker, fd) != 0) {
		if (broker_now_ns() >= until_ns)
			return false;
		pause_briefly();
	}
	return true;
}

/* A file that cannot be had as a descriptor cannot be stopped either. */
static bool
handle_stop(struct broker *broker, uint32_t number, uint64_t until_ns)
{
	const int fd = handle_fd(broker, number);
	const bool stopped = fd >= 0 && fd_stop(broker, fd, until_ns);

	if (fd >= 0)
		handle_fd_back(broker, number, fd);
	return stopped;
}

static void
handle_cut(struct broker *broker, uint32_t number)
{
	struct broker_handle *handle = &broker->handles[number];
	const struct wire_reply reply = {.kind = WIRE_CUT, .tag = number};

	waits_end(broker, number, DEVICE_EREVOKED);
	handle_let_go(broker, number);
	*handle = (struct broker_handle){
		.fd = -1, .state = HANDLE_CUT, .grant = handle->grant, .mode = handle->mode};
	/* Only a hint: without it the worker finds the slot empty. */
	if (broker->start)
		(void)reply_send(broker, &reply);
}

int
broker_revoke(struct broker *broker, uint32_t grant_id)
{
	struct grant *const named = grant_named(broker, grant_id);
	const uint32_t grant = named ? (uint32_t)(named - broker->grants) : 0;
	const uint64_t until_ns = broker_now_ns() + REVOKE_LIMIT_MS * UINT64_C(1000000);
	bool stopped = true;

	if (!named || named->cut)
		return -ENOENT;
	named->cut = true;
	slots_empty(broker, grant);
	net_cut(broker, grant);
	for (uint32_t i = WIRE_SLOT_FIRST; i < broker->handles_count; i++) {
		const struct broker_handle *handle = &broker->handles[i];

		if (handle->state != HANDLE_OPEN || handle->grant != grant)
			continue;
		if (!(handle->mode & (WIRE_MODE_DIRECTORY | WIRE_MODE_BROKERED | WIRE_MODE_RULE)))
			stopped = handle_stop(broker, i, until_ns) && stopped;
		handle_cut(broker, i);
	}
	if (broker->start)
		worker_wake(broker);
	if (stopped)
		return 0;
	broker->cut_failed = true;
	broker_kill(broker);
	return -ETIME;
}
