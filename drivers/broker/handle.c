/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
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
uint8_t
handle_mode(const struct broker *broker, uint8_t mode)
{
	return broker->ringless && !(mode & WIRE_MODE_DIRECTORY) ? WIRE_MODE_BROKERED : 0;
}

bool
handle_left(const struct broker *broker)
{
	return broker->handle_free || broker->handle_fresh < broker->handles_count;
}

int
handle_open(struct broker *broker, int fd, uint8_t mode, uint32_t rights, uint32_t grant)
{
	const uint32_t number = broker->handle_free ? broker->handle_free : broker->handle_fresh;
	struct broker_handle *handle;
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
	handle = &broker->handles[number];
	if (broker->handle_free)
		broker->handle_free = handle->next;
	else
		broker->handle_fresh++;
	*handle = (struct broker_handle){.fd = fd,
		.state = HANDLE_OPEN,
		.mode = mode,
		.slotted = slotted,
		.rights = rights,
		.grant = grant};
	broker->grants[grant].counts.handles++;
	return (int)number;
}

void
handle_close(struct broker *broker, uint32_t number)
{
	struct broker_handle *handle = &broker->handles[number];

	if (handle->state == HANDLE_OPEN) {
		waits_end(broker, number, DEVICE_ECANCELED);
		if (handle->slotted)
			(void)slot_set(broker, number, -1);
		(void)close(handle->fd);
		broker->grants[handle->grant].counts.handles--;
	}
	broker_listing_free(broker, handle->listing);
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
