/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c - reads and writes that the broker performs itself, to and from
 * the staging pieces.
 *
 * With a ring these are files whose slot would let a fallen worker do more than
 * was granted: an append-only file (a write in the ring may say RWF_NOAPPEND,
 * and truncation asks only for write access). Without one it is everything.
 *
 * A stream is never waited for here: -DEVICE_EAGAIN, and waits.c tries again. The
 * open file is its giver's too, so O_NONBLOCK is not set on it; each call says
 * for itself that it must not wait, as its kind of file allows. A regular file
 * may take as long as its disk does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
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

static bool
appends_only(const struct broker_handle *handle)
{
	return handle->rights & BROKER_APPEND && !(handle->rights & BROKER_WRITE);
}

/* Neither a socket nor one that can be asked not to wait (a terminal of an old
 * kernel, some devices): only what a look says will go at once. */
static ssize_t
stream_plain(int fd, struct iovec *piece, bool writes)
{
	struct pollfd look = {.fd = fd, .events = writes ? POLLOUT : POLLIN};

	if (poll(&look, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (!writes)
		return read(fd, piece->iov_base, piece->iov_len);
	return write(fd, piece->iov_base, piece->iov_len < PIPE_BUF ? piece->iov_len : PIPE_BUF);
}

static ssize_t
stream(const struct broker_handle *handle, uint8_t *at, uint32_t bytes, bool writes)
{
	struct iovec piece = {.iov_base = at, .iov_len = bytes};
	ssize_t done;

	if (handle->mode & WIRE_MODE_SOCKET)
		return writes ? send(handle->fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL)
			      : recv(handle->fd, at, bytes, MSG_DONTWAIT);
	done = writes ? pwritev2(handle->fd, &piece, 1, -1, RWF_NOWAIT)
		      : preadv2(handle->fd, &piece, 1, -1, RWF_NOWAIT);
	if (done < 0 && (errno == EOPNOTSUPP || errno == ESPIPE || errno == EINVAL))
		done = stream_plain(handle->fd, &piece, writes);
	return done;
}

static bool
offset_is_good(const struct wire_request *request)
{
	return request->offset == DEVICE_STREAM || request->offset <= INT64_MAX;
}

static int64_t
transfer_read(struct broker *broker, const struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes)
{
	uint8_t *to = piece_of(broker, request);
	ssize_t got;

	if (!(handle->mode & WIRE_MODE_READ))
		return -DEVICE_EBADF;
	if (!offset_is_good(request))
		return -DEVICE_EINVAL;
	if (!(handle->mode & WIRE_MODE_REGULAR))
		got = stream(handle, to, request->bytes, false);
	else if (request->offset == DEVICE_STREAM)
		got = read(handle->fd, to, request->bytes);
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
	uint8_t *from = piece_of(broker, request);
	const struct iovec piece = {.iov_base = from, .iov_len = request->bytes};

	if (!(handle->mode & WIRE_MODE_WRITE))
		return -DEVICE_EBADF;
	if (!offset_is_good(request))
		return -DEVICE_EINVAL;
	if (!(handle->mode & WIRE_MODE_REGULAR))
		return answer(stream(handle, from, request->bytes, true));
	/* O_APPEND on the descriptor says where, whatever the request does. */
	if (appends_only(handle))
		return answer(write(handle->fd, from, request->bytes));
	return answer(pwritev2(handle->fd, &piece, 1,
		request->offset == DEVICE_STREAM ? -1 : (off_t)request->offset,
		request->flags & DEVICE_APPENDING ? RWF_APPEND : 0));
}

static int64_t
transfer_allocate(const struct broker_handle *handle, const struct wire_request *request)
{
	if (!(handle->mode & WIRE_MODE_WRITE))
		return -DEVICE_EBADF;
	if (request->offset > INT64_MAX || request->length > INT64_MAX)
		return -DEVICE_EINVAL;
	return answer(fallocate(handle->fd, 0, (off_t)request->offset, (off_t)request->length));
}

static int64_t
transfer_shutdown(const struct broker_handle *handle, const struct wire_request *request)
{
	const bool reads = request->flags & DEVICE_SHUT_READ;

	if (!(request->flags & (DEVICE_SHUT_READ | DEVICE_SHUT_WRITE)))
		return -DEVICE_EINVAL;
	if (!(request->flags & DEVICE_SHUT_WRITE))
		return answer(shutdown(handle->fd, SHUT_RD));
	return answer(shutdown(handle->fd, reads ? SHUT_RDWR : SHUT_WR));
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
	default:
		break;
	}
	if (appends_only(handle)) /* truncate, allocate: more than appending */
		return -DEVICE_ECAPABILITY;
	switch (request->op) {
	case DEVICE_TRUNCATE:
		if (!(handle->mode & WIRE_MODE_REGULAR) || request->offset > INT64_MAX)
			return -DEVICE_EINVAL;
		return answer(ftruncate(handle->fd, (off_t)request->offset));
	case DEVICE_ALLOCATE:
		return transfer_allocate(handle, request);
	default: /* DEVICE_SHUTDOWN */
		return transfer_shutdown(handle, request);
	}
}
