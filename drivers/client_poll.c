/* SPDX-License-Identifier: Apache-2.0 */
/* client_poll.c - DEVICE_POLL: one request, many handles, one completion.
 *
 * A direction of a handle that somebody waits for has a *watch*: one POLL_ADD, in
 * the ring until it fires. A poll that is answered leaves its watches armed, so
 * who polls ten thousand handles again and again enters the ring once for each
 * that fired, not for each that it names. It stays level-triggered: a watch that
 * is armed and has not fired is not ready; one that fired is gone, and the next
 * poll that names it arms it anew, which fires at once if it is still so.
 *
 *      (none) --- a poll names it ---> armed --- fires, or the handle ends ---> (none)
 *
 * A poll with a limit has a TIMEOUT. One that must be over at once has a *mark*: a
 * cancellation of nothing, put behind what the poll armed. The ring takes entries
 * in their order and runs what was pending before it answers, so when the mark
 * is back, and what came with it is read, each handle was asked.
 *
 * WATCH1   armed bits are the POLL_ADDs in the ring; each counts in `busy`.
 * WATCH2   what fired is told to all polls that wait, in the drain it came in,
 *          and to none that begins later. */
#include <string.h>

#include "drivers/flight.h"
#include "drivers/ready.h"
#include "kernel/base/must.h"

/* --- watches --------------------------------------------------------------------------- */

static uint64_t
watch_user(uint32_t handle, enum watch_way watch)
{
	return (uint64_t)PART_WATCH << 48 | (uint64_t)watch << 32 | handle;
}

static void
watch_arm(struct client *client, uint32_t number, enum watch_way watch)
{
	struct handle *handle = &client->handles[number];
	struct io_uring_sqe *entry;

	if (handle->armed >> watch & 1)
		return;
	entry = ring_entry(&client->ring, RING_POLL_ADD, number, watch_user(number, watch));
	entry->poll32_events = watch == WATCH_READ ? POLLIN : POLLOUT;
	handle->armed |= (uint8_t)(1u << watch);
	handle->busy++;
}

void
watch_fired(struct client *client, uint64_t user, int32_t result)
{
	const uint32_t number = (uint32_t)user;
	const uint8_t bit = (uint8_t)(1u << (user >> 32 & 1));
	struct handle *handle = &client->handles[number];

	must(WATCH1, number < client->handles_count && handle->armed & bit);
	handle->armed &= (uint8_t)~bit;
	client_unuse(client, number);
	if (!handle->fired_of) {
		handle->fired = 0;
		handle->next_fired = client->fired;
		client->fired = number;
	}
	handle->fired_of |= bit;
	/* An error: cut, closed, or a file that cannot be polled. */
	handle->fired |= result > 0 ? ready_of(result) : READY_ERROR;
	client->polls_due = true;
}

void
watches_end(struct client *client, uint32_t number)
{
	const struct handle *handle = &client->handles[number];

	for (enum watch_way watch = 0; watch < WATCHES; watch++)
		if (handle->armed >> watch & 1)
			cancel_user(client, watch_user(number, watch));
}

/* --- polls ------------------------------------------------------------------------------- */

/* What needs no asking: directories, address rules and what is not open are an error, a file
 * that the broker reads never waits. 0: to be asked; a file that was cut then
 * answers -EBADF or -ECANCELED from the ring. */
static uint8_t
ready_at_once(struct client *client, const struct device_poll *poll)
{
	const struct handle *handle = client_handle(client, poll->handle);

	if (!handle || handle->cut || handle->closing ||
		handle->mode & (WIRE_MODE_DIRECTORY | WIRE_MODE_RULE))
		return READY_ERROR;
	return handle->mode & WIRE_MODE_BROKERED ? poll->want & (READY_READ | READY_WRITE) : 0;
}

static void
polls_add(struct client *client, struct flight *flight)
{
	flight->next_poll = NULL;
	flight->previous_poll = client->polls_last;
	if (client->polls_last)
		client->polls_last->next_poll = flight;
	else
		client->polls = flight;
	client->polls_last = flight;
}

static void
polls_drop(struct client *client, struct flight *flight)
{
	if (flight->next_poll)
		flight->next_poll->previous_poll = flight->previous_poll;
	else
		client->polls_last = flight->previous_poll;
	if (flight->previous_poll)
		flight->previous_poll->next_poll = flight->next_poll;
	else
		client->polls = flight->next_poll;
}

static void
mark(struct client *client, const struct flight *flight)
{
	struct io_uring_sqe *entry = ring_entry(&client->ring, RING_ASYNC_CANCEL, 0,
		flight_user(client, flight, PART_MARK));

	entry->addr = UINT64_MAX; /* nobody's */
}

void
poll_start(struct client *client, struct flight *flight)
{
	struct device_poll *list = flight_polls(client, flight);
	bool now = flight->timeout_ns == 0 || !flight->polls;

	flight->state = FLIGHT_RING;
	for (uint32_t i = 0; i < flight->polls; i++) {
		list[i].ready = ready_at_once(client, &list[i]);
		list[i].readable = 0;
		now |= list[i].ready != 0;
		for (enum watch_way watch = 0; !list[i].ready && watch < WATCHES; watch++)
			if (list[i].want >> watch & 1)
				watch_arm(client, list[i].handle, watch);
	}
	polls_add(client, flight);
	if (now) {
		flight->outstanding++;
		mark(client, flight);
	} else if (flight->timeout_ns != DEVICE_FOREVER) {
		struct io_uring_sqe *entry = ring_entry(
			&client->ring, RING_TIMEOUT, 0, flight_user(client, flight, PART_TIMER));

		entry->addr = (uint64_t)(uintptr_t)&flight->timeout;
		entry->len = 1;
		flight->outstanding++;
	}
}

void
poll_time(struct client *client, struct flight *flight)
{
	flight->told = true;
	client->polls_due = true;
}

void
poll_cancel(struct client *client, struct flight *flight)
{
	if (flight->outstanding && flight->timeout_ns && flight->timeout_ns != DEVICE_FOREVER)
		cancel_user(client, flight_user(client, flight, PART_TIMER));
	flight->told = true;
	client->polls_due = true;
}

/* Puts down what fired of its list. */
static void
gather(struct client *client, struct flight *flight)
{
	struct device_poll *list = flight_polls(client, flight);

	for (uint32_t i = 0; i < flight->polls; i++) {
		const struct handle *handle = list[i].handle < client->handles_count
			? &client->handles[list[i].handle] : NULL;

		if (!handle || list[i].ready || !(handle->fired_of & list[i].want))
			continue;
		list[i].ready = handle->fired &
			(list[i].want | READY_ERROR | READY_HANGUP);
		flight->told |= list[i].ready != 0;
	}
}

static void
finish(struct client *client, struct flight *flight)
{
	const struct device_poll *list = flight_polls(client, flight);
	int64_t ready = 0;

	for (uint32_t i = 0; i < flight->polls; i++)
		ready += list[i].ready != 0;
	polls_drop(client, flight);
	flight->answer.data_bytes = flight->bytes;
	flight_finish(client, flight, ready == 0 && flight->cancelled ? -DEVICE_ECANCELED : ready);
}

static void
fired_forget(struct client *client)
{
	while (client->fired) {
		struct handle *handle = &client->handles[client->fired];

		client->fired = handle->next_fired;
		handle->fired_of = handle->fired = 0;
	}
}

void
poll_settle(struct client *client)
{
	struct flight *next;

	if (!client->polls_due)
		return;
	client->polls_due = false;
	for (struct flight *flight = client->polls; flight; flight = next) {
		next = flight->next_poll;
		if (client->fired)
			gather(client, flight);
		if (!flight->told)
			continue;
		if (flight->outstanding && !flight->stopping) {
			flight->stopping = true;
			poll_cancel(client, flight);
			client->polls_due = false;
		}
		if (!flight->outstanding)
			finish(client, flight);
	}
	fired_forget(client);
}
