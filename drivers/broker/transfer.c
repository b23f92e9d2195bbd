/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c - reads and writes that the broker performs itself, to and from
 * the staging pieces: files whose slot would let a fallen worker do more than
 * was granted. An append-only file is one: a write in the ring may say
 * RWF_NOAPPEND, and truncation asks only for write access. */
#include <errno.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/errors.h"

static int64_t
answer(ssize_t result)
{
	return result < 0 ? -(int64_t)device_error_of(errno) : result;
}

static uint8_t *
piece_of(const struct broker *broker, const struct wire_request *request)
{
	return broker->shared + broker->layout.staging_at + request->piece;
}

static int64_t
transfer_read(struct broker *broker, const struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes)
{
	uint8_t *to = piece_of(broker, request);
	ssize_t got;

	if (!(handle->mode & WIRE_MODE_READ))
		return -DEVICE_EBADF;
	if (request->offset == DEVICE_STREAM)
		got = read(handle->fd, to, request->bytes);
	else if (request->offset > INT64_MAX)
		return -DEVICE_EINVAL;
	else
		got = pread(handle->fd, to, request->bytes, (off_t)request->offset);
	if (got > 0)
		*ret_bytes = (uint32_t)got;
	return answer(got);
}

static int64_t
transfer_write(struct broker *broker, const struct broker_handle *handle,
	const struct wire_request *request)
{
	if (!(handle->mode & WIRE_MODE_WRITE))
		return -DEVICE_EBADF;
	/* O_APPEND on the descriptor says where, whatever the request does. */
	return answer(write(handle->fd, piece_of(broker, request), request->bytes));
}

int64_t
transfer_serve(struct broker *broker, const struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes)
{
	if (!(handle->mode & WIRE_MODE_BROKERED))
		return -DEVICE_EBADF;
	switch (request->op) {
	case DEVICE_READ:
		return transfer_read(broker, handle, request, ret_bytes);
	case DEVICE_WRITE:
		return transfer_write(broker, handle, request);
	case DEVICE_SYNC:
		return answer(request->flags & DEVICE_DATA_ONLY ? fdatasync(handle->fd)
								: fsync(handle->fd));
	default: /* truncate, allocate: more than appending */
		return -DEVICE_ECAPABILITY;
	}
}
