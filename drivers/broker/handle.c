/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/broker/net.h"
#include "kernel/base/must.h"

int
slot_set(struct broker *broker, uint32_t slot, int fd)
{
	int32_t fds[1] = {fd};
	struct io_uring_files_update update = {.offset = slot, .fds = (uint64_t)(uintptr_t)fds};
	const long done = syscall(
		SYS_io_uring_register, broker->ring_fd, IORING_REGISTER_FILES_UPDATE, &update, 1);

	return done < 0 ? -errno : 0;
}

static void
handle_give(struct broker *broker, uint32_t number)
{
	broker->handles[number] = (struct broker_handle){.fd = -1, .next = broker->handle_free};
	broker->handle_free = number;
}

/* What more there is to say of a handle: without a ring all but directories
 * are read and written by the broker. */
uint16_t
handle_mode(const struct broker *broker, uint16_t mode)
{
	return broker->ringless && !(mode & WIRE_MODE_DIRECTORY) ? WIRE_MODE_BROKERED : 0;
}

bool
handle_left(const struct broker *broker)
{
	return broker->handle_free || broker->handle_fresh < broker->handles_count;
}

/* A free number; the caller saw that there is one. */
static uint32_t
number_next(const struct broker *broker)
{
	return broker->handle_free ? broker->handle_free : broker->handle_fresh;
}

static void
number_take(struct broker *broker, uint32_t number, const struct broker_handle *handle)
{
	if (broker->handle_free)
		broker->handle_free = broker->handles[number].next;
	else
		broker->handle_fresh++;
	broker->handles[number] = *handle;
	broker->grants[handle->grant].counts.handles++;
}

int
handle_open(struct broker *broker, int fd, uint16_t mode, uint32_t rights, uint32_t grant)
{
	const uint32_t number = number_next(broker);
	bool slotted;
	int error = handle_left(broker) ? 0 : -EMFILE;

	mode |= handle_mode(broker, mode);
	slotted = !(mode & (WIRE_MODE_DIRECTORY | WIRE_MODE_BROKERED));

	must(HANDLE3, (rights & ~broker->grants[grant].wire.rights) == 0);
	if (!error && slotted)
		error = slot_set(broker, number, fd);
	if (error) {
		(void)close(fd);
		return error;
	}
	number_take(broker, number,
		&(struct broker_handle){.fd = fd,
			.state = HANDLE_OPEN,
			.mode = mode,
			.slotted = slotted,
			.rights = rights,
			.grant = grant});
	return (int)number;
}

int
handle_open_rule(struct broker *broker, struct rule *rule, uint32_t rights, uint32_t grant)
{
	const uint32_t number = number_next(broker);

	must(HANDLE3, (rights & ~broker->grants[grant].wire.rights) == 0);
	if (!handle_left(broker)) {
		free(rule);
		return -EMFILE;
	}
	number_take(broker, number,
		&(struct broker_handle){.fd = -1,
			.state = HANDLE_OPEN,
			.mode = WIRE_MODE_RULE,
			.rights = rights,
			.grant = grant,
			.rule = rule});
	return (int)number;
}

int
handle_fd(struct broker *broker, uint32_t number)
{
	const struct broker_handle *handle = &broker->handles[number];

	if (handle->kept)
		return keep_get(broker, number);
	return handle->fd >= 0 ? handle->fd : -EBADF;
}

void
handle_fd_back(struct broker *broker, uint32_t number, int fd)
{
	if (broker->handles[number].kept)
		(void)close(fd);
}

void
handle_let_go(struct broker *broker, uint32_t number)
{
	struct broker_handle *handle = &broker->handles[number];
	struct grant *grant = &broker->grants[handle->grant];

	if (handle->kept)
		(void)keep_put(broker, number, -1);
	if (handle->fd >= 0)
		(void)close(handle->fd);
	if (handle->conn)
		grant->counts.conns--;
	grant->counts.handles--;
	free(handle->rule);
	broker_listing_free(broker, handle->listing);
}

void
handle_close(struct broker *broker, uint32_t number)
{
	struct broker_handle *handle = &broker->handles[number];

	if (handle->state == HANDLE_OPEN) {
		waits_end(broker, number, DEVICE_ECANCELED);
		if (handle->mode & WIRE_MODE_RULE)
			net_close(broker, number);
		if (handle->slotted)
			(void)slot_set(broker, number, -1);
		handle_let_go(broker, number);
	}
	handle_give(broker, number);
}

struct broker_handle *
handle_get(struct broker *broker, uint32_t number, int *ret_error)
{
	struct broker_handle *handle;

	*ret_error = DEVICE_EBADF;
	if (number < WIRE_SLOT_FIRST || number >= broker->handles_count)
		return NULL;
	handle = &broker->handles[number];
	if (handle->state == HANDLE_CUT)
		*ret_error = DEVICE_EREVOKED;
	return handle->state == HANDLE_OPEN ? handle : NULL;
}
