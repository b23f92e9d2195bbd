/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "drivers/flight.h"
#include "kernel/base/bytes.h"
#include "kernel/base/fits.h"
#include "kernel/base/must.h"

/* --- struct device --------------------------------------------------------------- */

static uint32_t
piece_bytes(const struct device_request *request)
{
	const uint32_t most = DEVICE_PIECE_BYTES;

	switch (request->op) {
	case DEVICE_WRITE:
		return request->data_bytes < most ? request->data_bytes : most;
	case DEVICE_POLL:
		return request->data_bytes;
	case DEVICE_READ:
	case DEVICE_LIST:
	case DEVICE_ENTROPY:
	case DEVICE_RESOLVE:
		return request->bytes < most ? request->bytes : most;
	case DEVICE_READLINK:
		return request->bytes < DEVICE_PATH_MAX ? request->bytes : DEVICE_PATH_MAX;
	default:
		return 0;
	}
}

/* How many there are; -1: too many, or no list of them. */
static int32_t
polls_count(const struct device_request *request)
{
	const uint32_t count = request->data_bytes / (uint32_t)sizeof(struct device_poll);

	if (count > DEVICE_POLLS_MAX || request->data_bytes % sizeof(struct device_poll))
		return -1;
	return (int32_t)count;
}

/* What can be said before anything is sent: 0, or -device_error. */
static int
request_check(struct client *client, const struct device_request *request)
{
	const struct handle *handle = client_handle(client, request->handle);

	if (request->op == DEVICE_CLOCK || request->op == DEVICE_ENTROPY ||
		request->op == DEVICE_SLEEP)
		return 0;
	if (request->op == DEVICE_POLL)
		return polls_count(request) < 0 ? -DEVICE_EINVAL : 0;
	if (request->path_bytes > DEVICE_PATH_MAX || request->path2_bytes > DEVICE_PATH_MAX)
		return -DEVICE_ENAMETOOLONG;
	if (!handle || handle->closing)
		return -DEVICE_EBADF;
	if (handle->cut && request->op != DEVICE_CLOSE)
		return -DEVICE_EREVOKED;
	if (request->op == DEVICE_ACCEPT && !(handle->mode & WIRE_MODE_LISTENER))
		return -DEVICE_ENOTSUP;
	if (!io_op(request->op))
		return 0;
	if (handle->mode & (WIRE_MODE_RULE | WIRE_MODE_LISTENER))
		return -DEVICE_ENOTSUP; /* a listener is in its slot to be polled */
	if (handle->mode & WIRE_MODE_DIRECTORY)
		return request->op == DEVICE_SYNC ? 0 : -DEVICE_EISDIR;
	if (request->op == DEVICE_READ && !(handle->mode & WIRE_MODE_READ))
		return -DEVICE_EBADF;
	if ((request->op == DEVICE_WRITE || request->op == DEVICE_ALLOCATE) &&
		!(handle->mode & WIRE_MODE_WRITE))
		return -DEVICE_EBADF;
	if (request->op == DEVICE_SHUTDOWN &&
		!(request->flags & (DEVICE_SHUT_READ | DEVICE_SHUT_WRITE)))
		return -DEVICE_EINVAL;
	if (request->op == DEVICE_READ || request->op == DEVICE_WRITE) {
		if (request->offset == DEVICE_STREAM)
			return 0;
		if (!(handle->mode & WIRE_MODE_REGULAR))
			return -DEVICE_ESPIPE;
	}
	return request->offset > INT64_MAX || request->length > INT64_MAX ? -DEVICE_EINVAL : 0;
}

/* What the ring cannot do: what needs a name, what has no slot, and what this
 * kernel's ring lacks. */
static bool
by_broker(const struct client *client, const struct device_request *request)
{
	if (client->ringless)
		return true;
	if (request->op == DEVICE_POLL || request->op == DEVICE_SLEEP)
		return false;
	if (!io_op(request->op) ||
		(request->op == DEVICE_TRUNCATE && !(client->start->ops >> RING_FTRUNCATE & 1)))
		return true;
	return request->handle < client->handles_count &&
	       client->handles[request->handle].mode & (WIRE_MODE_DIRECTORY | WIRE_MODE_BROKERED);
}

static int
device_submit(struct device *device, const struct device_request *request)
{
	struct client *client = (struct client *)(void *)device;
	const bool brokered = by_broker(client, request);
	const int refused = request_check(client, request);
	const uint32_t bytes = piece_bytes(request);
	uint32_t piece = FLIGHT_NONE;
	struct flight *flight;

	client_beat(client);
	if (!flight_left(client))
		return -DEVICE_EAGAIN;
	if (!refused && brokered && request->op != DEVICE_CLOSE && !message_room_soon(client))
		return -DEVICE_EAGAIN;
	if (!refused && dials(request->op) && client->dialing >= WIRE_DIALS)
		return -DEVICE_EAGAIN;
	if (!refused && bytes && !staging_take(&client->staging, bytes, &piece))
		return -DEVICE_EAGAIN;

	flight = flight_take(client, request);
	flight->piece = piece;
	flight->bytes = bytes;
	if (refused) {
		flight_finish(client, flight, refused);
		return 0;
	}
	if (request->op == DEVICE_WRITE || request->op == DEVICE_POLL)
		if (bytes)
			memcpy(flight_data(client, flight), request->data, bytes);
	if (request->op == DEVICE_CLOSE) {
		brokered_close(client, flight);
		brokered_move(client);
	} else if (request->op == DEVICE_ACCEPT && !client->ringless &&
		   !(request->flags & DEVICE_NONBLOCK)) {
		accept_start(client, flight);
	} else if (brokered) {
		brokered_start(client, flight, request);
	} else if (request->op == DEVICE_POLL) {
		flight->polls = (uint32_t)polls_count(request);
		poll_start(client, flight);
	} else {
		io_start(client, flight);
	}
	return 0;
}

static void
device_cancel(struct device *device, uint64_t id)
{
	struct client *client = (struct client *)(void *)device;
	struct flight *flight = flight_find(client, id);

	if (!flight || flight->cancelled)
		return;
	switch (flight->state) {
	case FLIGHT_BROKER:
		flight->cancelled = flight->cancel_due = true;
		client->cancels_due++;
		brokered_move(client);
		return;
	case FLIGHT_RING:
		flight->cancelled = true;
		if (!flight->stopping)
			flight_stop(client, flight);
		return;
	case FLIGHT_HELD: /* an accept; a close is not to be stopped */
		flight->cancelled = true;
		return;
	case FLIGHT_FREE:
	case FLIGHT_FINISHED: /* what is finished is finished */
	case FLIGHT_TAKEN:
		return;
	}
}

static bool
finished_take(struct client *client, struct device_completion *ret_completion)
{
	struct flight *flight = client->first;

	if (!flight)
		return false;
	client->first = flight->next;
	if (!client->first)
		client->last = NULL;
	flight->state = FLIGHT_TAKEN;
	*ret_completion = flight->answer;
	if (flight->answer.data_bytes)
		ret_completion->data = flight_data(client, flight);
	else
		flight_free(client, flight);
	return true;
}

static bool
device_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct client *client = (struct client *)(void *)device;
	bool entered = false;

	client_beat(client);
	for (;;) {
		client_drain(client);
		brokered_move(client);
		if (finished_take(client, ret_completion))
			return true;
		if (client->poke_new) {
			/* A glance does not use it up: the wait that follows must see it. */
			if (wait)
				client->poke_new = false;
			return false;
		}
		if (!wait) {
			if (entered || !client_due(client))
				return false;
			client_flush(client, RING_GO_ON);
		} else {
			client_wait(client);
		}
		entered = true;
	}
}

static void
device_done(struct device *device, uint64_t id)
{
	struct client *client = (struct client *)(void *)device;
	struct flight *flight = flight_find(client, id);

	if (flight && flight->state == FLIGHT_TAKEN)
		flight_free(client, flight);
}

/* --- open, enable, end -------------------------------------------------------------- */

static int
shared_map(struct client *client, int fd, struct report *report)
{
	struct stat stat;
	struct wire_start *start;

	if (fstat(fd, &stat) < 0 || stat.st_size < (off_t)sizeof *start) {
		report_say(report, UINT64_MAX, "no shared memory from the broker on descriptor %d",
			fd);
		return -EBADF;
	}
	client->shared_bytes = (uint64_t)stat.st_size;
	client->shared =
		mmap(NULL, client->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (client->shared == MAP_FAILED) {
		client->shared = NULL;
		report_say(report, UINT64_MAX, "mapping shared memory: %s", strerror(errno));
		return -errno;
	}
	start = (struct wire_start *)(void *)client->shared;
	if (start->magic != WIRE_MAGIC || start->version != WIRE_VERSION ||
		start->bytes != client->shared_bytes) {
		report_say(report, UINT64_MAX, "the broker is another version of this program");
		return -EPROTO;
	}
	client->start = start;
	client->ringless = start->ringless;
	client->requests = (struct wire_request *)(void *)(client->shared + start->requests_at);
	client->replies = (struct wire_reply *)(void *)(client->shared + start->replies_at);
	client->staging_base = client->shared + start->staging_at;
	return 0;
}

static int
tables_make(struct client *client)
{
	uint32_t count;
	const struct wire_grant *grants = client_grants(client, &count);

	client->handles_count = client->start->handles_count;
	client->flights = calloc(FLIGHTS, sizeof *client->flights);
	client->handles = calloc(client->handles_count, sizeof *client->handles);
	if (!client->flights || !client->handles)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		client->handles[grants[i].handle].mode = (uint16_t)grants[i].mode;
	return 0;
}

int
client_open(int ring_fd, int shared_fd, struct report *report, struct client **ret_client)
{
	struct client *client = calloc(1, sizeof *client);
	int error;

	if (!client)
		return -ENOMEM;
	client->device = (struct device){.submit = device_submit,
		.cancel = device_cancel,
		.reap = device_reap,
		.done = device_done};
	staging_init(&client->staging);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	error = shared_map(client, shared_fd, report);
	if (!error)
		error = tables_make(client);
	client->door_fd = ring_fd;
	if (!error && !client->ringless)
		error = ring_map(&client->ring, ring_fd, &client->start->ring, report);
	if (error) {
		client_free(client);
		return error;
	}
	*ret_client = client;
	return 0;
}

void
client_free(struct client *client)
{
	if (!client)
		return;
	ring_unmap(&client->ring);
	if (client->shared)
		(void)munmap(client->shared, client->shared_bytes);
	free(client->flights);
	free(client->handles);
	free(client);
}

const uint8_t *
client_words(const struct client *client, size_t *ret_bytes)
{
	*ret_bytes = client->start->words_bytes;
	return client->shared + client->start->words_at;
}

const struct wire_grant *
client_grants(const struct client *client, uint32_t *ret_count)
{
	*ret_count = client->start->grants_count;
	return (const struct wire_grant *)(const void *)(client->shared + client->start->grants_at);
}

int
client_passed(const struct client *client, uint32_t index)
{
	return index < client->start->passed_count ? WIRE_FD_PASSED + (int)index : -EBADF;
}

uint64_t
client_store_bytes(const struct client *client)
{
	return client->start->store_bytes;
}

int
client_enable(struct client *client, struct report *report)
{
	const int error = client->ringless ? 0 : ring_enable(&client->ring);

	if (error)
		report_say(report, UINT64_MAX, "enabling the ring: %s", strerror(-error));
	client->enabled = !error;
	return error;
}

struct device *
client_device(struct client *client)
{
	return &client->device;
}

/* --- other messages ------------------------------------------------------------------ */

/* The broker wakes us whenever it has taken messages, so room comes; but not
 * before the ring is enabled. */
static bool
message_wait(struct client *client)
{
	for (;;) {
		client_drain(client);
		if (message_room(client))
			return true;
		if (!client->enabled)
			return false;
		client_flush(client, RING_WAIT_ONE);
	}
}

void
client_ready(struct client *client)
{
	if (!message_wait(client))
		return;
	(void)message_begin(client, WIRE_READY);
	message_send(client);
	client_flush(client, RING_GO_ON);
}

void
client_log(struct client *client, uint32_t level, const char *text, size_t bytes)
{
	struct wire_request *message;

	if (!message_wait(client))
		return;
	message = message_begin(client, WIRE_LOG);
	message->flags = level;
	message->path_bytes = (uint32_t)min_u64(bytes, WIRE_TEXT_BYTES);
	memcpy(message->text, text, message->path_bytes);
	message_send(client);
	client_flush(client, RING_GO_ON);
}

void
client_trail(struct client *client, const char *text, size_t bytes)
{
	uint8_t *trail = client->shared + client->start->trail_at;
	const size_t room = WIRE_TRAIL_BYTES - client->trail_used;
	const size_t count = bytes < room ? bytes : room;

	memcpy(trail + client->trail_used, text, count);
	client->trail_used += (uint32_t)count;
}

int
client_end(struct client *client, const void *record, size_t bytes)
{
	struct wire_request *message;

	if (bytes > WIRE_RECORD_BYTES)
		return -E2BIG;
	if (!message_wait(client))
		return -EAGAIN;
	if (bytes)
		memcpy(client->shared + client->start->record_at, record, bytes);
	message = message_begin(client, WIRE_END);
	message->length = bytes;
	message_send(client);
	client_flush(client, RING_GO_ON);
	return 0;
}

const uint8_t *
client_order(struct client *client, uint32_t *ret_bytes)
{
	replies_take(client);
	*ret_bytes = client->order_bytes;
	return client->order_out ? client->shared + client->start->order_at : NULL;
}

void
client_obeyed(struct client *client, const void *answer, uint32_t bytes)
{
	struct wire_request *message;

	must(WIRE2, client->order_out && bytes <= WIRE_OBEYED_BYTES);
	client->order_out = false;
	if (bytes)
		memcpy(client->shared + client->start->obeyed_at, answer, bytes);
	if (!message_wait(client))
		return;
	message = message_begin(client, WIRE_OBEYED);
	message->tag = client->order;
	message->length = bytes;
	message_send(client);
	client_flush(client, RING_GO_ON);
}

uint32_t
client_poked(struct client *client)
{
	uint32_t pokes;

	client_beat(client);
	replies_take(client); /* a guest that asks for nothing never reaps */
	pokes = client->pokes;
	client->pokes = 0;
	client->poke_new = false;
	return pokes;
}
