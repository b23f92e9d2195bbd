/* SPDX-License-Identifier: Apache-2.0 */
/* client_io.c - operations on slots: read, write, sync, truncate, sleep. */
#include <errno.h>
#include <poll.h>

#include "drivers/errors.h"
#include "drivers/flight.h"
#include "kernel/base/must.h"

bool
io_op(enum device_op op)
{
	return op <= DEVICE_SHUTDOWN;
}

static void
enter_wait(struct client *client, struct flight *flight, enum flight_phase phase)
{
	struct io_uring_sqe *entry;

	flight->phase = phase;
	flight->outstanding++;
	entry = ring_entry(
		&client->ring, RING_POLL_ADD, flight->handle, flight_user(client, flight, PART_IO));
	entry->poll32_events = flight->op == DEVICE_READ ? POLLIN : POLLOUT;
}

static void
enter_transfer(struct client *client, struct flight *flight)
{
	const uint16_t mode = client->handles[flight->handle].mode;
	struct io_uring_sqe *entry =
		ring_entry(&client->ring, flight->op == DEVICE_READ ? RING_READ : RING_WRITE,
			flight->handle, flight_user(client, flight, PART_IO));

	entry->addr = (uint64_t)(uintptr_t)flight_data(client, flight);
	entry->len = flight->bytes;
	entry->off = flight->offset; /* DEVICE_STREAM is the ring's own -1 */
	if (mode & WIRE_MODE_SLOW)
		entry->flags |= IOSQE_ASYNC;
	if (flight->op == DEVICE_WRITE && mode & WIRE_MODE_REGULAR &&
		flight->flags & DEVICE_APPENDING)
		entry->rw_flags = RING_RWF_APPEND;
	if (flight->phase == PHASE_NOW)
		entry->rw_flags = RING_RWF_NOWAIT;
}

static void
enter_other(struct client *client, struct flight *flight)
{
	const uint64_t user = flight_user(client, flight, PART_IO);
	const uint32_t slot = flight->handle;
	struct io_uring_sqe *entry;

	switch (flight->op) {
	case DEVICE_SYNC:
		entry = ring_entry(&client->ring, RING_FSYNC, slot, user);
		entry->fsync_flags = flight->flags & DEVICE_DATA_ONLY ? IORING_FSYNC_DATASYNC : 0;
		return;
	case DEVICE_TRUNCATE:
		entry = ring_entry(&client->ring, RING_FTRUNCATE, slot, user);
		entry->off = flight->offset;
		return;
	case DEVICE_ALLOCATE:
		entry = ring_entry(&client->ring, RING_FALLOCATE, slot, user);
		entry->off = flight->offset;
		entry->addr = flight->length;
		return;
	case DEVICE_SHUTDOWN:
		entry = ring_entry(&client->ring, RING_SHUTDOWN, slot, user);
		/* SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2; submit() saw that one is asked. */
		entry->len = (flight->flags & DEVICE_SHUT_READ ? 1u : 0u) +
			     (flight->flags & DEVICE_SHUT_WRITE ? 2u : 0u) - 1u;
		return;
	default: /* DEVICE_SLEEP; the rest never comes here */
		entry = ring_entry(&client->ring, RING_TIMEOUT, 0, user);
		entry->addr = (uint64_t)(uintptr_t)&flight->timeout;
		entry->len = 1;
	}
}

static void
enter_io(struct client *client, struct flight *flight, enum flight_phase phase)
{
	flight->phase = phase;
	flight->outstanding++;
	if (flight->op == DEVICE_READ || flight->op == DEVICE_WRITE)
		enter_transfer(client, flight);
	else
		enter_other(client, flight);
}

/* Ready at once or not at all: a poll, and behind it its cancellation. */
static void
enter_probe(struct client *client, struct flight *flight)
{
	enter_wait(client, flight, PHASE_PROBE);
	flight_stop(client, flight);
}

void
io_start(struct client *client, struct flight *flight)
{
	const uint16_t mode =
		flight->handle < client->handles_count ? client->handles[flight->handle].mode : 0;

	flight->state = FLIGHT_RING;
	if (flight->op != DEVICE_SLEEP)
		client->handles[flight->handle].busy++;
	if (!(flight->flags & DEVICE_NONBLOCK) || mode & WIRE_MODE_REGULAR ||
		(flight->op != DEVICE_READ && flight->op != DEVICE_WRITE))
		enter_io(client, flight, PHASE_IO);
	else if (mode & WIRE_MODE_SOCKET) /* one entry, where a probe and its read are three */
		enter_io(client, flight, PHASE_NOW);
	else
		enter_probe(client, flight);
}

/* What the ring's answer means here. */
static int64_t
io_result(struct client *client, const struct flight *flight, int32_t result)
{
	if (result >= 0)
		return result;
	if (flight->op == DEVICE_SLEEP && result == -ETIME)
		return 0;
	/* The mode was checked at submit, so an empty slot is a cut. */
	if (result == -EBADF && client->handles[flight->handle].mode)
		return -DEVICE_EREVOKED;
	if (result == -ECANCELED || result == -EINTR)
		return flight->cancelled || flight->op == DEVICE_SLEEP ? -DEVICE_ECANCELED
								       : -DEVICE_EREVOKED;
	return -(int64_t)device_error_of(-result);
}

/* The next entry of the flight, if this answer asks for one. */
static bool
io_again(struct client *client, struct flight *flight, int32_t result)
{
	const bool transfer = flight->op == DEVICE_READ || flight->op == DEVICE_WRITE;

	if (flight->cancelled)
		return false;
	if (flight->phase == PHASE_NOW && result == -EOPNOTSUPP) { /* an older kernel's sockets */
		enter_probe(client, flight);
		return true;
	}
	if ((flight->phase == PHASE_PROBE || flight->phase == PHASE_WAIT) && result > 0) {
		flight->stopping = false;
		enter_io(client, flight, PHASE_IO);
		return true;
	}
	/* Nobody asked: the kernel's own doing, as a terminal's write that had to wait
	 * may end. Where it was the broker's cut, the slot is empty when tried again. */
	if (flight->phase == PHASE_IO && result == -EINTR && flight->op != DEVICE_SLEEP &&
		!client->handles[flight->handle].cut) {
		enter_io(client, flight, PHASE_IO);
		return true;
	}
	/* A terminal or another file opened O_NONBLOCK by whoever gave it. */
	if (flight->phase == PHASE_IO && result == -EAGAIN && transfer &&
		!(flight->flags & DEVICE_NONBLOCK)) {
		enter_wait(client, flight, PHASE_WAIT);
		return true;
	}
	return false;
}

void
io_done(struct client *client, struct flight *flight, uint32_t part, int32_t result)
{
	(void)part;
	if (io_again(client, flight, result))
		return;
	if (flight->op != DEVICE_SLEEP)
		client_unuse(client, flight->handle);
	if (flight->phase == PHASE_PROBE && result == -ECANCELED && !flight->cancelled &&
		!client->handles[flight->handle].cut)
		flight_finish(client, flight, -DEVICE_EAGAIN);
	else
		flight_finish(client, flight, io_result(client, flight, result));
}
