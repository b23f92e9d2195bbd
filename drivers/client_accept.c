/* SPDX-License-Identifier: Apache-2.0 */
/* client_accept.c - DEVICE_ACCEPT that waits.
 *
 * ACCEPT is not among the ring's operations (it could ask for more than a slot),
 * so the broker accepts. But it must not wait for us: we poll the listener's
 * slot, and ask the broker when somebody is there. A wait is then cancelled, and
 * cut, as a read is. */
#include <errno.h>
#include <poll.h>

#include "drivers/errors.h"
#include "drivers/flight.h"

void
accept_start(struct client *client, struct flight *flight)
{
	struct io_uring_sqe *entry;

	flight->state = FLIGHT_RING;
	flight->stopping = false;
	flight->outstanding++;
	client->handles[flight->handle].busy++;
	entry = ring_entry(
		&client->ring, RING_POLL_ADD, flight->handle, flight_user(client, flight, PART_IO));
	entry->poll32_events = POLLIN;
}

void
accept_done(struct client *client, struct flight *flight, int32_t result)
{
	const bool cut = client->handles[flight->handle].cut;

	client_unuse(client, flight->handle);
	if (flight->cancelled) {
		flight_finish(client, flight, -DEVICE_ECANCELED);
	} else if (result < 0 || cut) {
		/* The slot was empty, or its request cancelled by the broker. */
		flight_finish(client, flight,
			cut || result == -EBADF || result == -ECANCELED || result == -EINTR
				? -DEVICE_EREVOKED
				: -(int64_t)device_error_of(-result));
	} else {
		flight->state = FLIGHT_HELD;
		flight->next = client->held;
		client->held = flight;
	}
}

void
accept_again(struct client *client, struct flight *flight)
{
	const struct handle *handle = &client->handles[flight->handle];

	if (handle->cut)
		flight_finish(client, flight, -DEVICE_EREVOKED);
	else if (flight->cancelled || handle->closing || !handle->mode)
		flight_finish(client, flight, -DEVICE_ECANCELED);
	else
		accept_start(client, flight);
}
