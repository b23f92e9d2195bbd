/* SPDX-License-Identifier: Apache-2.0 */
/* waits.c - asks whose answer must wait for something.
 *
 * The broker has one thread and never blocks in what a worker asked. An ask that
 * cannot be answered now is kept here; the loop polls what all of them wait for,
 * each file once however many ask, and what has become ready is tried again.
 * Without io_uring all reading, writing, polling and sleeping goes through here.
 *
 * Who closes or cuts a handle ends what waits for it first (WAIT2), so an answer
 * never comes from a file that took the number since; and `polled` is of this
 * turn and this open file only, so nothing is tried on a file nobody looked at. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/broker/impl.h"
#include "drivers/broker/net.h"
#include "drivers/errors.h"
#include "drivers/ready.h"
#include "kernel/base/bytes.h"
#include "kernel/base/fits.h"
#include "kernel/base/must.h"

enum { POLLED_ALWAYS = POLLERR | POLLHUP | POLLNVAL };

int
waits_make(struct broker *broker)
{
	const size_t files = POLLED_FIXED + broker->handles_count;

	broker->waits = calloc(WIRE_ASKS, sizeof *broker->waits);
	broker->polled = calloc(files, sizeof *broker->polled);
	broker->polled_handles = calloc(files, sizeof *broker->polled_handles);
	return broker->waits && broker->polled && broker->polled_handles ? 0 : -ENOMEM;
}

void
waits_free(struct broker *broker)
{
	for (uint32_t i = 0; i < broker->waits_count; i++)
		free(broker->waits[i].polls);
	free(broker->waits);
	free(broker->polled);
	free(broker->polled_handles);
}

/* Drops those that were answered, keeps the order of the others. */
static void
tidy(struct broker *broker)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < broker->waits_count; i++)
		if (broker->waits[i].op)
			broker->waits[kept++] = broker->waits[i];
	broker->waits_count = kept;
}

static void
answer(struct broker *broker, struct wait *wait, int64_t result, uint32_t data_bytes)
{
	const struct wire_reply reply = {
		.kind = WIRE_ANSWER, .tag = wait->tag, .result = result, .data_bytes = data_bytes};

	free(wait->polls);
	wait->polls = NULL;
	wait->op = 0;
	answer_send(broker, &reply);
	worker_wake(broker);
}

/* A place for an ask, filled with what it says; NULL: it has too many. */
static struct wait *
wait_begin(struct broker *broker, const struct wire_request *request)
{
	struct wait *wait;

	if (broker->waits_count == WIRE_ASKS)
		tidy(broker);
	if (broker->waits_count == WIRE_ASKS) {
		broker->broken = "more requests at once than may wait";
		return NULL;
	}
	wait = &broker->waits[broker->waits_count++];
	*wait = (struct wait){.tag = request->tag,
		.op = request->op,
		.handle = request->handle,
		.flags = request->flags,
		.piece = request->piece,
		.bytes = request->bytes,
		.offset = request->offset,
		.until_ns = DEVICE_FOREVER};
	return wait;
}

/* --- reads and writes -------------------------------------------------------------- */

int64_t
waits_transfer(struct broker *broker, struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes)
{
	const int64_t result = transfer_serve(broker, handle, request, ret_bytes);
	const bool moves = request->op == DEVICE_READ || request->op == DEVICE_WRITE;
	struct wait *wait;

	if (result != -DEVICE_EAGAIN || !moves || request->flags & DEVICE_NONBLOCK)
		return result;
	wait = wait_begin(broker, request);
	if (!wait)
		return result;
	wait->events = request->op == DEVICE_READ ? POLLIN : POLLOUT;
	return ASK_LATER;
}

static void
transfer_again(struct broker *broker, struct wait *wait)
{
	const struct broker_handle *handle = &broker->handles[wait->handle];
	struct wire_request *request = &broker->again;
	uint32_t bytes = 0;
	int64_t result;

	request->op = wait->op;
	request->flags = wait->flags;
	request->piece = wait->piece;
	request->bytes = wait->bytes;
	request->offset = wait->offset;
	result = transfer_serve(broker, handle, request, &bytes);
	if (result != -DEVICE_EAGAIN)
		answer(broker, wait, result, bytes);
}

/* --- accepts ------------------------------------------------------------------------ */

int64_t
waits_accept(struct broker *broker, const struct wire_request *request)
{
	struct wait *wait = wait_begin(broker, request);

	if (!wait)
		return -DEVICE_EAGAIN;
	wait->events = POLLIN;
	return ASK_LATER;
}

static void
accept_again(struct broker *broker, struct wait *wait)
{
	struct wire_reply reply = {.kind = WIRE_ANSWER, .tag = wait->tag};

	net_accept_now(broker, wait->handle, &reply);
	if (reply.result == -DEVICE_EAGAIN)
		return;
	wait->op = 0;
	answer_send(broker, &reply);
	worker_wake(broker);
}

/* --- polls ----------------------------------------------------------------------------- */

static int16_t
events_of(uint8_t want)
{
	return (int16_t)((want & READY_READ ? POLLIN : 0) | (want & READY_WRITE ? POLLOUT : 0));
}

/* NULL: there is nothing to poll. */
static struct broker_handle *
polled_handle(struct broker *broker, uint32_t number)
{
	int error;
	struct broker_handle *handle = handle_get(broker, number, &error);

	return handle && !(handle->mode & WIRE_MODE_DIRECTORY) ? handle : NULL;
}

/* Tells the worker, in its piece, who is ready; how many are. */
static int64_t
polls_tell(const struct broker *broker, const struct wait *wait)
{
	uint8_t *at = broker->shared + broker->layout.staging_at + wait->piece;
	int64_t ready = 0;

	for (uint32_t i = 0; i < wait->polls_count; i++)
		ready += wait->polls[i].ready != 0;
	memcpy(at, wait->polls, wait->polls_count * sizeof *wait->polls);
	return ready;
}

/* What is not open, and directories, are an error at once. */
static void
polls_ask(struct broker *broker, struct wait *wait)
{
	struct pollfd fds[DEVICE_POLLS_MAX];
	const uint32_t count = wait->polls_count;
	int found;

	for (uint32_t i = 0; i < count; i++) {
		const struct broker_handle *handle = polled_handle(broker, wait->polls[i].handle);

		fds[i] = (struct pollfd){
			.fd = handle ? handle->fd : -1, .events = events_of(wait->polls[i].want)};
	}
	found = poll(fds, count, 0);
	for (uint32_t i = 0; i < count; i++) {
		wait->polls[i].ready =
			fds[i].fd < 0 || found < 0 ? READY_ERROR : ready_of(fds[i].revents);
		wait->polls[i].readable = 0;
	}
}

static void
polls_answer(struct broker *broker, struct wait *wait)
{
	const int64_t ready = polls_tell(broker, wait);

	answer(broker, wait, ready, wait->bytes);
}

/* Our own copy of the list, which the worker may write to all the time. */
static int64_t
polls_copy(struct broker *broker, struct wait *wait)
{
	const uint8_t *at = broker->shared + broker->layout.staging_at + wait->piece;
	const uint32_t count = wait->bytes / (uint32_t)sizeof(struct device_poll);

	if (count > DEVICE_POLLS_MAX || wait->bytes % sizeof(struct device_poll))
		return -DEVICE_EINVAL;
	wait->polls = calloc(count ? count : 1, sizeof *wait->polls);
	if (!wait->polls)
		return -DEVICE_ENOMEM;
	memcpy(wait->polls, at, count * sizeof *wait->polls);
	wait->polls_count = count;
	return 0;
}

int64_t
waits_poll(struct broker *broker, const struct wire_request *request, uint32_t *ret_bytes)
{
	struct wait *wait = wait_begin(broker, request);
	int64_t result;

	if (!wait)
		return -DEVICE_EAGAIN;
	result = polls_copy(broker, wait);
	if (!result) {
		polls_ask(broker, wait);
		result = polls_tell(broker, wait);
		if (!result && wait->polls_count && request->timeout_ns) {
			if (request->timeout_ns != DEVICE_FOREVER)
				wait->until_ns = add_saturating(broker_now_ns(), request->timeout_ns);
			return ASK_LATER;
		}
		*ret_bytes = wait->bytes;
	}
	free(wait->polls);
	broker->waits_count--; /* it was the last */
	return result;
}

int64_t
waits_sleep(struct broker *broker, const struct wire_request *request)
{
	struct wait *wait = wait_begin(broker, request);

	if (!wait)
		return -DEVICE_EAGAIN;
	if (request->timeout_ns != DEVICE_FOREVER)
		wait->until_ns = add_saturating(broker_now_ns(), request->timeout_ns);
	return ASK_LATER;
}

/* --- ended early ---------------------------------------------------------------------- */

void
waits_cancel(struct broker *broker, uint32_t tag)
{
	for (uint32_t i = 0; i < broker->waits_count; i++)
		if (broker->waits[i].op && broker->waits[i].tag == tag) {
			answer(broker, &broker->waits[i], -DEVICE_ECANCELED, 0);
			return;
		}
}

static bool
polls_name(const struct wait *wait, uint32_t number)
{
	for (uint32_t i = 0; i < wait->polls_count; i++)
		if (wait->polls[i].handle == number)
			return true;
	return false;
}

void
waits_end(struct broker *broker, uint32_t number, enum device_error error)
{
	for (uint32_t i = 0; i < broker->waits_count; i++) {
		struct wait *wait = &broker->waits[i];

		if (wait->op == DEVICE_POLL && polls_name(wait, number)) {
			/* A poll of several goes on to tell which it was that ended. */
			polls_ask(broker, wait);
			for (uint32_t k = 0; k < wait->polls_count; k++)
				if (wait->polls[k].handle == number)
					wait->polls[k].ready = READY_ERROR;
			polls_answer(broker, wait);
		} else if (wait->op && wait->events && wait->handle == number) {
			answer(broker, wait, -(int64_t)error, 0);
		}
	}
	broker->handles[number].polled = 0;
}

/* --- one turn ------------------------------------------------------------------------- */

static uint32_t
watch_handle(struct broker *broker, uint32_t count, uint32_t number, int16_t events)
{
	struct broker_handle *handle = polled_handle(broker, number);

	if (!handle)
		return count;
	if (!handle->polled) {
		broker->polled[count] = (struct pollfd){.fd = handle->fd};
		broker->polled_handles[count] = number;
		handle->polled = ++count;
	}
	broker->polled[handle->polled - 1].events |= events;
	return count;
}

uint32_t
waits_watch(struct broker *broker, uint64_t *wait_ns)
{
	uint64_t until_ns = DEVICE_FOREVER;
	uint32_t count = POLLED_FIXED;

	tidy(broker);
	for (uint32_t i = 0; i < broker->waits_count; i++) {
		const struct wait *wait = &broker->waits[i];

		until_ns = min_u64(until_ns, wait->until_ns);
		if (wait->events)
			count = watch_handle(broker, count, wait->handle, wait->events);
		for (uint32_t k = 0; k < wait->polls_count; k++)
			count = watch_handle(broker, count, wait->polls[k].handle,
				events_of(wait->polls[k].want));
	}
	if (until_ns != DEVICE_FOREVER) {
		const uint64_t now = broker_now_ns();

		*wait_ns = min_u64(*wait_ns, until_ns > now ? until_ns - now : 0);
	}
	return count;
}

/* What the poll of this turn said of a file; 0 when it was not looked at. */
static int16_t
seen(const struct broker *broker, uint32_t number, int16_t events)
{
	const uint32_t polled = broker->handles[number].polled;

	return polled ? (int16_t)(broker->polled[polled - 1].revents & (events | POLLED_ALWAYS))
		      : 0;
}

static bool
polls_stir(const struct broker *broker, const struct wait *wait)
{
	for (uint32_t i = 0; i < wait->polls_count; i++)
		if (wait->polls[i].handle < broker->handles_count &&
			seen(broker, wait->polls[i].handle, events_of(wait->polls[i].want)))
			return true;
	return false;
}

static void
wait_serve(struct broker *broker, struct wait *wait, uint64_t now)
{
	const bool late = wait->until_ns <= now;

	if (wait->op == DEVICE_POLL) {
		if (!late && !polls_stir(broker, wait))
			return;
		polls_ask(broker, wait);
		if (late || polls_tell(broker, wait) > 0)
			polls_answer(broker, wait);
	} else if (wait->events) {
		if (!seen(broker, wait->handle, wait->events))
			return;
		if (wait->op == DEVICE_ACCEPT)
			accept_again(broker, wait);
		else
			transfer_again(broker, wait);
	} else if (late) {
		answer(broker, wait, 0, 0); /* it slept */
	}
}

void
waits_serve(struct broker *broker, uint32_t count)
{
	const uint64_t now = broker->waits_count ? broker_now_ns() : 0;

	for (uint32_t i = 0; i < broker->waits_count && !broker->broken; i++)
		if (broker->waits[i].op)
			wait_serve(broker, &broker->waits[i], now);
	for (uint32_t i = POLLED_FIXED; i < count; i++)
		broker->handles[broker->polled_handles[i]].polled = 0;
}
