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

/* What the eventfd of the broker is written with. Its address goes into ring
 * entries, so it outlives every client. */
static const uint64_t one = 1;

/* --- flights ------------------------------------------------------------------ */

uint64_t
flight_user(const struct client *client, const struct flight *flight, uint32_t part)
{
	return (uint64_t)part << 48 | (uint64_t)flight->generation << 16 |
	       (uint64_t)(flight - client->flights);
}

uint8_t *
flight_data(const struct client *client, const struct flight *flight)
{
	return client->staging_base + flight->piece + flight->data_at;
}

struct device_poll *
flight_polls(const struct client *client, const struct flight *flight)
{
	return (struct device_poll *)(void *)(client->staging_base + flight->piece + POLL_LIST_AT);
}

static struct flight **
bucket_of(struct client *client, uint64_t id)
{
	return &client->buckets[id % FLIGHTS];
}

static struct flight *
flight_find(struct client *client, uint64_t id)
{
	struct flight *flight = *bucket_of(client, id);

	while (flight && flight->id != id)
		flight = flight->bucket;
	return flight;
}

static struct flight *
flight_take(struct client *client, const struct device_request *request)
{
	struct flight *flight = client->free;
	const uint32_t generation = flight->generation + 1;
	struct flight **bucket = bucket_of(client, request->id);

	client->free = flight->next;
	*flight = (struct flight){
		.id = request->id,
		.bucket = *bucket,
		.generation = generation,
		.op = request->op,
		.flags = request->flags,
		.handle = request->handle,
		.offset = request->offset,
		.length = request->length,
		.timeout_ns = request->timeout_ns,
		.piece = FLIGHT_NONE,
		.timeout = {.tv_sec = (long long)(request->timeout_ns / 1000000000),
			.tv_nsec = (long long)(request->timeout_ns % 1000000000)},
		.answer.id = request->id,
	};
	*bucket = flight;
	return flight;
}

static void
flight_free(struct client *client, struct flight *flight)
{
	struct flight **at = bucket_of(client, flight->id);

	while (*at != flight)
		at = &(*at)->bucket;
	*at = flight->bucket;
	if (flight->piece != FLIGHT_NONE)
		staging_give(&client->staging, flight->piece);
	flight->piece = FLIGHT_NONE;
	flight->state = FLIGHT_FREE;
	flight->next = client->free;
	client->free = flight;
}

void
flight_finish(struct client *client, struct flight *flight, int64_t result)
{
	must(FLIGHT1, flight->outstanding == 0);
	flight->answer.result = result;
	if (flight->op == DEVICE_READ && result > 0)
		flight->answer.data_bytes = (uint32_t)result;
	flight->state = FLIGHT_FINISHED;
	flight->next = NULL;
	if (client->last)
		client->last->next = flight;
	else
		client->first = flight;
	client->last = flight;
}

static void
cancel_part(struct client *client, const struct flight *flight, uint32_t part)
{
	struct io_uring_sqe *entry = ring_entry(&client->ring, RING_ASYNC_CANCEL, 0,
		(uint64_t)PART_IGNORE << 48);

	entry->addr = flight_user(client, flight, part);
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void
flight_stop(struct client *client, struct flight *flight)
{
	const struct device_poll *list;

	flight->stopping = true;
	if (flight->op != DEVICE_POLL) {
		cancel_part(client, flight, PART_IO);
		return;
	}
	list = flight_polls(client, flight);
	for (uint32_t i = 0; i < flight->polls; i++)
		if (!list[i].ready)
			cancel_part(client, flight, i);
	if (flight->timeout_ns != 0 && flight->timeout_ns != DEVICE_FOREVER)
		cancel_part(client, flight, PART_TIMER);
}

/* --- handles ------------------------------------------------------------------ */

struct handle *
client_handle(struct client *client, uint32_t number)
{
	if (number >= client->handles_count || !client->handles[number].mode)
		return NULL;
	return &client->handles[number];
}

/* --- to the broker ------------------------------------------------------------ */

static bool
message_room(const struct client *client)
{
	return client->requests_put - atomic_load_explicit(&client->start->at.requests_got,
					      memory_order_acquire) <
	       WIRE_REQUESTS;
}

static struct wire_request *
message_begin(struct client *client, enum wire_request_kind kind)
{
	struct wire_request *message =
		&client->requests[client->requests_put & (WIRE_REQUESTS - 1)];

	memset(message, 0, offsetof(struct wire_request, text));
	message->kind = kind;
	return message;
}

static void
message_send(struct client *client)
{
	client->requests_put++;
	atomic_store_explicit(&client->start->at.requests_put, client->requests_put,
		memory_order_release);
	client->wake_due = true;
}

/* Queues what must go out with the next entering of the kernel. */
static void
flush_prepare(struct client *client)
{
	struct io_uring_sqe *entry;

	if (!client->listening) {
		entry = ring_entry(&client->ring, RING_POLL_ADD, WIRE_SLOT_WORKER,
			(uint64_t)PART_WAKE << 48);
		entry->poll32_events = 1; /* POLLIN */
		entry->len = IORING_POLL_ADD_MULTI;
		client->listening = true;
	}
	if (client->wake_due) {
		entry = ring_entry(&client->ring, RING_WRITE, WIRE_SLOT_BROKER,
			(uint64_t)PART_IGNORE << 48);
		entry->addr = (uint64_t)(uintptr_t)&one;
		entry->len = sizeof one;
		entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
		client->wake_due = false;
	}
}

static void
flush(struct client *client, enum ring_wait wait)
{
	int error;

	flush_prepare(client);
	error = ring_enter(&client->ring, wait);
	if (error)
		client->failed = error;
}

static void
broker_start(struct client *client, struct flight *flight, const struct device_request *request)
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
	message_send(client);
}

/* A close goes out when nothing in the ring names the handle any more: a slot
 * that is filled anew must not be read by an old entry. */
static void
close_send(struct client *client, struct flight *flight)
{
	const struct device_request request = {.op = DEVICE_CLOSE, .handle = flight->handle};

	broker_start(client, flight, &request);
}

void
client_unuse(struct client *client, uint32_t number)
{
	struct handle *handle = &client->handles[number];

	must(FLIGHT2, handle->busy > 0);
	handle->busy--;
}

static bool
flight_names(const struct client *client, const struct flight *flight, uint32_t number)
{
	const struct device_poll *list;

	if (flight->state != FLIGHT_RING || flight->op == DEVICE_SLEEP)
		return false;
	if (flight->op != DEVICE_POLL)
		return flight->handle == number;
	list = flight_polls(client, flight);
	for (uint32_t i = 0; i < flight->polls; i++)
		if (list[i].handle == number)
			return true;
	return false;
}

static void
close_begin(struct client *client, struct flight *flight)
{
	struct handle *handle = &client->handles[flight->handle];

	if (handle->closing) { /* closed twice */
		flight_finish(client, flight, -DEVICE_EBADF);
		return;
	}
	handle->closing = flight;
	flight->state = FLIGHT_HELD;
	flight->next = client->held;
	client->held = flight;
	for (uint32_t i = 0; handle->busy && i < FLIGHTS; i++) {
		struct flight *other = &client->flights[i];

		if (flight_names(client, other, flight->handle) && !other->cancelled) {
			other->cancelled = true;
			flight_stop(client, other);
		}
	}
}

/* Sends the closes whose handle has become idle, as far as there is room. */
static void
closes_move(struct client *client)
{
	struct flight **at = &client->held;

	while (*at) {
		struct flight *flight = *at;

		if (client->handles[flight->handle].busy || client->brokered >= WIRE_REQUESTS ||
			!message_room(client)) {
			at = &flight->next;
			continue;
		}
		*at = flight->next;
		close_send(client, flight);
	}
}

/* --- from the broker ----------------------------------------------------------- */

static void
answer_take(struct client *client, const struct wire_reply *reply)
{
	struct flight *flight = &client->flights[reply->tag % FLIGHTS];

	must(WIRE1, flight->state == FLIGHT_BROKER);
	client->brokered--;
	if (flight->op == DEVICE_OPEN && reply->result > 0 &&
		reply->result < (int64_t)client->handles_count)
		client->handles[reply->result] = (struct handle){.mode = (uint8_t)reply->mode};
	if (flight->op == DEVICE_CLOSE)
		client->handles[flight->handle] = (struct handle){0};
	flight->answer.stat = reply->stat;
	flight->answer.now_ns = reply->now_ns;
	flight->answer.data_bytes = reply->data_bytes;
	flight_finish(client, flight, reply->result);
}

static void
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
		} else if (reply->kind == WIRE_CUT && client_handle(client, reply->tag)) {
			client->handles[reply->tag].cut = true;
		}
		client->replies_got++;
		atomic_store_explicit(&client->start->at.replies_got, client->replies_got,
			memory_order_release);
	}
}

static void
completion_take(struct client *client, uint64_t user, int32_t result, uint32_t flags)
{
	const uint32_t part = (uint32_t)(user >> 48);
	struct flight *flight = &client->flights[(uint16_t)user % FLIGHTS];

	if (part == PART_IGNORE)
		return;
	if (part == PART_WAKE) {
		if (!(flags & IORING_CQE_F_MORE))
			client->listening = false;
		return;
	}
	must(FLIGHT1, flight->state == FLIGHT_RING && flight->outstanding > 0 &&
			      flight->generation == (uint32_t)(user >> 16));
	flight->outstanding--;
	if (flight->op == DEVICE_POLL)
		poll_done(client, flight, part, result);
	else
		io_done(client, flight, part, result);
}

static void
drain(struct client *client)
{
	uint64_t user;
	int32_t result;
	uint32_t flags;

	while (ring_take(&client->ring, &user, &result, &flags))
		completion_take(client, user, result, flags);
	replies_take(client);
}

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
		return request->bytes < most ? request->bytes : most;
	case DEVICE_READLINK:
		return request->bytes < DEVICE_PATH_MAX ? request->bytes : DEVICE_PATH_MAX;
	default:
		return 0;
	}
}

/* The u32 before the list of polls; -1 when the list is not as long as it says. */
static int32_t
polls_count(const struct device_request *request)
{
	struct bytes_in in = bytes_in(request->data, request->data_bytes);
	const uint32_t count = bytes_u32(&in);

	if (in.bad || count > DEVICE_POLLS_MAX || bytes_left(&in) != count * sizeof(struct device_poll))
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
	if (!io_op(request->op))
		return 0;
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
	const uint32_t data_at = request->op == DEVICE_POLL ? POLL_COUNT_AT : 0;
	uint32_t piece = FLIGHT_NONE;
	struct flight *flight;

	if (!client->free)
		return -DEVICE_EAGAIN;
	if (!refused && brokered && request->op != DEVICE_CLOSE &&
		(client->brokered >= WIRE_REQUESTS || !message_room(client)))
		return -DEVICE_EAGAIN;
	if (!refused && bytes && !staging_take(&client->staging, bytes + data_at, &piece))
		return -DEVICE_EAGAIN;

	flight = flight_take(client, request);
	flight->piece = piece;
	flight->data_at = data_at;
	flight->bytes = bytes;
	if (refused) {
		flight_finish(client, flight, refused);
		return 0;
	}
	if (request->op == DEVICE_WRITE || request->op == DEVICE_POLL)
		if (bytes)
			memcpy(flight_data(client, flight), request->data, bytes);
	if (request->op == DEVICE_CLOSE) {
		close_begin(client, flight);
		closes_move(client);
	} else if (brokered) {
		broker_start(client, flight, request);
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

	if (!flight || flight->cancelled || flight->state != FLIGHT_RING)
		return; /* the broker answers soon; what is finished is finished */
	flight->cancelled = true;
	if (!flight->stopping)
		flight_stop(client, flight);
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

	for (;;) {
		drain(client);
		closes_move(client);
		if (finished_take(client, ret_completion))
			return true;
		if (client->poke_new || client->failed) {
			client->poke_new = false;
			return false;
		}
		if (!wait) {
			if (entered || !(client->wake_due || ring_due(&client->ring)))
				return false;
			flush(client, RING_GO_ON);
		} else {
			flush(client, RING_WAIT_ONE);
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
	client->shared = mmap(NULL, client->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
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
	for (uint32_t i = FLIGHTS; i-- > 0;) {
		client->flights[i].piece = FLIGHT_NONE;
		client->flights[i].next = client->free;
		client->free = &client->flights[i];
	}
	for (uint32_t i = 0; i < count; i++)
		client->handles[grants[i].handle].mode = (uint8_t)grants[i].mode;
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
	if (!error)
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
	const int error = ring_enable(&client->ring);

	if (error)
		report_say(report, UINT64_MAX, "enabling the ring: %s", strerror(-error));
	return error;
}

struct device *
client_device(struct client *client)
{
	return &client->device;
}

/* --- other messages ------------------------------------------------------------------ */

/* The broker wakes us whenever it has taken messages, so room comes. */
static bool
message_wait(struct client *client)
{
	for (;;) {
		drain(client);
		if (message_room(client))
			return true;
		if (client->failed)
			return false;
		flush(client, RING_WAIT_ONE);
	}
}

void
client_ready(struct client *client)
{
	if (!message_wait(client))
		return;
	(void)message_begin(client, WIRE_READY);
	message_send(client);
	flush(client, RING_GO_ON);
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
	flush(client, RING_GO_ON);
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
		return client->failed;
	if (bytes)
		memcpy(client->shared + client->start->record_at, record, bytes);
	message = message_begin(client, WIRE_END);
	message->length = bytes;
	message_send(client);
	flush(client, RING_GO_ON);
	return client->failed;
}

uint32_t
client_poked(struct client *client)
{
	uint32_t pokes;

	replies_take(client); /* a guest that asks for nothing never reaps */
	pokes = client->pokes;
	client->pokes = 0;
	client->poke_new = false;
	return pokes;
}
