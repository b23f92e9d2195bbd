/* SPDX-License-Identifier: Apache-2.0 */
/* client_broker.c - messages to the broker and from it, and the one entering of
 * the kernel that carries all of it. */
#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "drivers/flight.h"
#include "kernel/base/must.h"

/* What the eventfd of the broker is written with. Its address goes into ring
 * entries, so it outlives every client. */
static const uint64_t one = 1;

/* Together some 20 ms. */
enum { ROOM_TRIES = 20, NAP_NS = 1000000 };

bool
message_room(const struct client *client)
{
	return client->requests_put -
		       atomic_load_explicit(&client->start->at.requests_got, memory_order_acquire) <
	       WIRE_REQUESTS;
}

struct wire_request *
message_begin(struct client *client, enum wire_request_kind kind)
{
	struct wire_request *message =
		&client->requests[client->requests_put & (WIRE_REQUESTS - 1)];

	memset(message, 0, offsetof(struct wire_request, text));
	message->kind = kind;
	return message;
}

void
message_send(struct client *client)
{
	client->requests_put++;
	atomic_store_explicit(
		&client->start->at.requests_put, client->requests_put, memory_order_release);
	client->wake_due = true;
}

/* Queues what must go out with the next entering of the kernel. */
static void
flush_prepare(struct client *client)
{
	struct io_uring_sqe *entry;

	if (!client->listening) {
		entry = ring_entry(
			&client->ring, RING_POLL_ADD, WIRE_SLOT_WORKER, (uint64_t)PART_WAKE << 48);
		entry->poll32_events = 1; /* POLLIN */
		entry->len = IORING_POLL_ADD_MULTI;
		client->listening = true;
	}
	if (client->wake_due) {
		entry = ring_entry(
			&client->ring, RING_WRITE, WIRE_SLOT_BROKER, (uint64_t)PART_IGNORE << 48);
		entry->addr = (uint64_t)(uintptr_t)&one;
		entry->len = sizeof one;
		entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
		client->wake_due = false;
	}
}

/* Ringless: what must go out goes. */
static void
knock(struct client *client)
{
	if (!client->wake_due)
		return;
	client->wake_due = false;
	/* EAGAIN: the counter is full, so the broker is awake. */
	must(RING2, write(client->door_fd, &one, sizeof one) > 0 || errno == EAGAIN);
}

/* Until the broker has turned since we last looked, or the time is over. */
static void
sleep_on(struct client *client, const struct timespec *time)
{
	const long done = syscall(SYS_futex, &client->start->at.turns, FUTEX_WAIT,
		client->turns_seen, time, NULL, 0);

	must(RING2, done == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
}

static void
client_nap(struct client *client)
{
	const struct timespec time = {.tv_nsec = NAP_NS};

	knock(client);
	sleep_on(client, &time);
}

/* Waits as asked; while it does, the watchdog does not count. */
static void
cross(struct client *client, enum ring_wait wait)
{
	if (!client->ringless) {
		flush_prepare(client);
		/* Without the ring there is no way out, not even to say so: the trail. */
		must(RING2, ring_enter(&client->ring, wait) == 0);
		return;
	}
	knock(client);
	if (wait == RING_WAIT_ONE)
		sleep_on(client, NULL);
}

void
client_flush(struct client *client, enum ring_wait wait)
{
	_Atomic uint32_t *waiting = &client->start->at.waiting;

	/* What is said before the walls are up is heard when the worker ends. */
	if (!client->enabled)
		return;
	if (wait == RING_WAIT_ONE)
		atomic_store_explicit(waiting, 1, memory_order_relaxed);
	cross(client, wait);
	if (wait == RING_WAIT_ONE)
		atomic_store_explicit(waiting, 0, memory_order_relaxed);
}

bool
message_room_soon(struct client *client)
{
	for (uint32_t tries = 0; client->ringless && client->enabled && tries < ROOM_TRIES; tries++) {
		client_drain(client);
		if (message_room(client))
			return true;
		client_nap(client);
	}
	return message_room(client);
}

bool
dials(enum device_op op)
{
	return op == DEVICE_CONNECT || op == DEVICE_RESOLVE;
}

void
brokered_start(struct client *client, struct flight *flight, const struct device_request *request)
{
	struct wire_request *message = message_begin(client, WIRE_DEVICE);

	message->tag = (uint32_t)(flight - client->flights);
	message->op = request->op;
	message->flags = request->flags;
	message->handle = request->handle;
	message->handle2 = request->handle2;
	message->offset = request->offset;
	message->length = request->length;
	message->access_ns = request->access_ns;
	message->modify_ns = request->modify_ns;
	message->timeout_ns = request->timeout_ns;
	message->piece = flight->piece;
	message->bytes = flight->bytes;
	message->path_bytes = request->path_bytes;
	message->path2_bytes = request->path2_bytes;
	if (request->path_bytes)
		memcpy(message->text, request->path, request->path_bytes);
	if (request->path2_bytes)
		memcpy(message->text + request->path_bytes, request->path2, request->path2_bytes);
	flight->state = FLIGHT_BROKER;
	client->brokered++;
	client->dialing += dials(flight->op);
	message_send(client);
}

/* A close, or an accept. A close goes out when nothing in the ring names the handle any more: a slot
 * that is filled anew must not be read by an old entry. */
static void
held_send(struct client *client, struct flight *flight)
{
	const struct device_request request = {.op = flight->op, .handle = flight->handle};

	brokered_start(client, flight, &request);
}

void
brokered_close(struct client *client, struct flight *flight)
{
	struct handle *handle = &client->handles[flight->handle];

	if (handle->closing) { /* closed twice */
		flight_finish(client, flight, -DEVICE_EBADF);
		return;
	}
	handle->closing = flight;
	brokered_move(client); /* accepts that were held for it end, before its number is free */
	flight->state = FLIGHT_HELD;
	flight->next = client->held;
	client->held = flight;
	for (uint32_t i = 0; handle->busy && i < FLIGHTS; i++) {
		struct flight *other = &client->flights[i];

		if (flight_names(other, flight->handle) && !other->cancelled) {
			other->cancelled = true;
			flight_stop(client, other);
		}
	}
	watches_end(client, flight->handle);
}

/* An accept may only go out for the listener that it was polled on. */
static bool
accept_stale(const struct client *client, const struct flight *flight)
{
	const struct handle *handle = &client->handles[flight->handle];

	return flight->cancelled || handle->closing || handle->cut;
}

static void
cancels_send(struct client *client)
{
	for (uint32_t i = 0; client->cancels_due && i < FLIGHTS && message_room(client); i++) {
		struct flight *flight = &client->flights[i];

		if (!flight->cancel_due)
			continue;
		flight->cancel_due = false;
		client->cancels_due--;
		message_begin(client, WIRE_CANCEL)->tag = i;
		message_send(client);
	}
}

/* Sends what waits, as far as there is room: cancels, closes whose handle has
 * become idle, accepts. */
void
brokered_move(struct client *client)
{
	struct flight **at = &client->held;

	cancels_send(client);
	while (*at) {
		struct flight *flight = *at;
		const bool accepts = flight->op == DEVICE_ACCEPT;
		const bool stale = accepts && accept_stale(client, flight);

		if (!stale && ((!accepts && client->handles[flight->handle].busy) ||
				      !message_room(client))) {
			at = &flight->next;
			continue;
		}
		*at = flight->next;
		if (stale)
			flight_finish(client, flight,
				client->handles[flight->handle].cut && !flight->cancelled
					? -DEVICE_EREVOKED
					: -DEVICE_ECANCELED);
		else
			held_send(client, flight);
	}
}

static bool
opens(enum device_op op)
{
	return op == DEVICE_OPEN || op == DEVICE_CONNECT || op == DEVICE_ACCEPT ||
	       op == DEVICE_NARROW;
}

/* Some answers are a few words, and need no piece. */
static void
words_take(struct flight *flight, const struct wire_reply *reply)
{
	if (flight->piece != FLIGHT_NONE || !reply->words_bytes ||
		reply->words_bytes > sizeof flight->words)
		return;
	memcpy(flight->words, reply->words, reply->words_bytes);
	flight->answer.data_bytes = reply->words_bytes;
}

static void
answer_take(struct client *client, const struct wire_reply *reply)
{
	struct flight *flight = &client->flights[reply->tag % FLIGHTS];

	must(WIRE1, flight->state == FLIGHT_BROKER);
	client->brokered--;
	if (flight->cancel_due) { /* too late for it */
		flight->cancel_due = false;
		client->cancels_due--;
	}
	client->dialing -= dials(flight->op);
	if (opens(flight->op) && reply->result > 0 &&
		reply->result < (int64_t)client->handles_count)
		client->handles[reply->result] = (struct handle){.mode = (uint16_t)reply->mode};
	if (flight->op == DEVICE_CLOSE)
		client->handles[flight->handle] = (struct handle){0};
	if (flight->op == DEVICE_ACCEPT && reply->result == -DEVICE_EAGAIN &&
		!(flight->flags & DEVICE_NONBLOCK)) {
		accept_again(client, flight);
		return;
	}
	flight->answer.stat = reply->stat;
	flight->answer.now_ns = reply->now_ns;
	flight->answer.data_bytes = reply->data_bytes;
	words_take(flight, reply);
	flight_finish(client, flight, reply->result);
}

void
replies_take(struct client *client)
{
	const uint32_t put =
		atomic_load_explicit(&client->start->at.replies_put, memory_order_acquire);

	while (client->replies_got != put) {
		const struct wire_reply *reply =
			&client->replies[client->replies_got & (WIRE_REPLIES - 1)];

		if (reply->kind == WIRE_ANSWER) {
			answer_take(client, reply);
		} else if (reply->kind == WIRE_POKE) {
			client->pokes |= reply->tag;
			client->poke_new = true;
		} else if (reply->kind == WIRE_ORDER) {
			client->order = reply->tag;
			client->order_bytes = reply->data_bytes;
			client->order_out = true;
			client->poke_new = true;
		} else if (reply->kind == WIRE_GRANTED && reply->tag < client->handles_count) {
			client->handles[reply->tag] = (struct handle){.mode = (uint16_t)reply->mode};
		} else if (reply->kind == WIRE_CUT && client_handle(client, reply->tag)) {
			client->handles[reply->tag].cut = true;
		}
		client->replies_got++;
		atomic_store_explicit(
			&client->start->at.replies_got, client->replies_got, memory_order_release);
	}
}

static void
completion_take(struct client *client, uint64_t user, int32_t result, uint32_t flags)
{
	const uint32_t part = (uint32_t)(user >> 48);
	struct flight *flight = &client->flights[(uint16_t)user % FLIGHTS];

	if (part == PART_IGNORE)
		return;
	if (part == PART_WATCH) {
		watch_fired(client, user, result);
		return;
	}
	if (part == PART_WAKE) {
		if (!(flags & IORING_CQE_F_MORE))
			client->listening = false;
		return;
	}
	must(FLIGHT1, flight->state == FLIGHT_RING && flight->outstanding > 0 &&
			      flight->generation == (uint32_t)(user >> 16));
	flight->outstanding--;
	if (flight->op == DEVICE_POLL)
		poll_time(client, flight);
	else if (flight->op == DEVICE_ACCEPT)
		accept_done(client, flight, result);
	else
		io_done(client, flight, part, result);
}

static void
completions_take(struct client *client)
{
	uint64_t user;
	int32_t result;
	uint32_t flags;

	while (ring_take(&client->ring, &user, &result, &flags))
		completion_take(client, user, result, flags);
}

void
client_drain(struct client *client)
{
	if (client->ringless)
		client->turns_seen = atomic_load_explicit(
			&client->start->at.turns, memory_order_acquire);
	else
		completions_take(client);
	/* A poll that is about to end is first asked for whole: what it armed goes out. */
	if (client->polls_due && client->ring.queued) {
		client_flush(client, RING_GO_ON);
		completions_take(client);
	}
	poll_settle(client);
	replies_take(client);
}
