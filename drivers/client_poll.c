/* SPDX-License-Identifier: Apache-2.0 */
/* client_poll.c - DEVICE_POLL: one request, many files, one completion.
 *
 * Each file is a POLL_ADD, the limit is a TIMEOUT. The first that comes in
 * stops the others, and the request is finished when all have answered: what
 * became ready meanwhile is told as well. A limit of zero stops them at once,
 * which asks each file exactly once. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "drivers/errors.h"
#include "drivers/flight.h"

enum { READY_READ = 1, READY_WRITE = 2, READY_ERROR = 4, READY_HANGUP = 8 };

static uint8_t
ready_of(int32_t events)
{
	return (uint8_t)((events & POLLIN ? READY_READ : 0) | (events & POLLOUT ? READY_WRITE : 0) |
			 (events & (POLLERR | POLLNVAL) ? READY_ERROR : 0) |
			 (events & POLLHUP ? READY_HANGUP : 0));
}

static void
add(struct client *client, struct flight *flight, uint32_t i, const struct device_poll *poll)
{
	struct io_uring_sqe *entry = ring_entry(
		&client->ring, RING_POLL_ADD, poll->handle, flight_user(client, flight, i));

	entry->poll32_events = (poll->want & READY_READ ? (uint32_t)POLLIN : 0u) |
			       (poll->want & READY_WRITE ? (uint32_t)POLLOUT : 0u);
	client->handles[poll->handle].busy++;
	flight->outstanding++;
}

/* What needs no asking: directories, address rules and what is not open are an error, a file
 * that the broker reads never waits. 0: to be asked; a file that was cut then
 * answers -EBADF or -ECANCELED from the ring. */
static uint8_t
ready_at_once(struct client *client, const struct device_poll *poll)
{
	const struct handle *handle = client_handle(client, poll->handle);

	if (!handle || handle->cut ||
		handle->mode & (WIRE_MODE_DIRECTORY | WIRE_MODE_RULE))
		return READY_ERROR;
	return handle->mode & WIRE_MODE_BROKERED ? poll->want & (READY_READ | READY_WRITE) : 0;
}

static void
finish(struct client *client, struct flight *flight)
{
	const struct device_poll *list = flight_polls(client, flight);
	int64_t ready = 0;

	for (uint32_t i = 0; i < flight->polls; i++)
		ready += list[i].ready != 0;
	flight->answer.data_bytes = flight->bytes;
	flight_finish(client, flight, ready == 0 && flight->cancelled ? -DEVICE_ECANCELED : ready);
}

void
poll_start(struct client *client, struct flight *flight)
{
	struct device_poll *list = flight_polls(client, flight);
	bool stop = flight->timeout_ns == 0;

	flight->state = FLIGHT_RING;
	for (uint32_t i = 0; i < flight->polls; i++) {
		list[i].ready = ready_at_once(client, &list[i]);
		list[i].readable = 0;
		if (list[i].ready)
			stop = true;
		else
			add(client, flight, i, &list[i]);
	}
	if (!stop && flight->timeout_ns != DEVICE_FOREVER) {
		struct io_uring_sqe *entry = ring_entry(
			&client->ring, RING_TIMEOUT, 0, flight_user(client, flight, PART_TIMER));

		entry->addr = (uint64_t)(uintptr_t)&flight->timeout;
		entry->len = 1;
		flight->outstanding++;
	}
	if (flight->outstanding == 0) /* nothing to wait for: all answered above, or a limit of 0 */
		finish(client, flight);
	else if (stop)
		flight_stop(client, flight);
}

void
poll_done(struct client *client, struct flight *flight, uint32_t part, int32_t result)
{
	struct device_poll *list = flight_polls(client, flight);

	if (part < flight->polls) {
		client_unuse(client, list[part].handle);
		if (result > 0)
			list[part].ready = ready_of(result);
		else if (result != -ECANCELED || !flight->stopping)
			list[part].ready = READY_ERROR; /* cut, or the file cannot be polled */
	}
	if (flight->outstanding == 0)
		finish(client, flight);
	else if (!flight->stopping)
		flight_stop(client, flight);
}
