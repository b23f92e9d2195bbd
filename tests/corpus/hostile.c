/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/corpus/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "drivers/errors.h"

void __wrap_guest_run(struct worker *worker);

static uint8_t buf[2 * 4096] __attribute__((aligned(4096)));
#define BUF ((long)(uintptr_t)buf)

/* --- what it says ------------------------------------------------------------------- */

void
hostile_wrong(struct hostile *h, const char *format, ...)
{
	va_list args;

	if (h->said[0])
		return;
	va_start(args, format);
	(void)vsnprintf(h->said, sizeof h->said, format, args);
	va_end(args);
}

void
hostile_say(struct hostile *h, const char *format, ...)
{
	struct wire_request message = {.kind = WIRE_LOG};
	va_list args;
	int bytes;

	va_start(args, format);
	bytes = vsnprintf(message.text, 500, format, args);
	va_end(args);
	message.path_bytes = bytes < 500 ? (uint32_t)bytes : 499;
	hostile_put(h, &message);
	hostile_knock(h);
}

struct timespec
hostile_now(void) /* the vdso tells it */
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now;
}

/* --- messages ------------------------------------------------------------------------ */

static struct wire_positions *
at(struct hostile *h)
{
	return &h->client->start->at;
}

/* Waits for room: the broker never refuses to look. */
void
hostile_put(struct hostile *h, const struct wire_request *request)
{
	struct client *client = h->client;

	while (!message_room(client))
		hostile_knock(h);
	client->requests[client->requests_put & (WIRE_REQUESTS - 1)] = *request;
	message_send(client);
}

void
hostile_knock(struct hostile *h)
{
	client_flush(h->client, RING_GO_ON);
}

bool
hostile_answer(struct hostile *h, struct wire_reply *ret_reply)
{
	struct client *client = h->client;
	uint64_t user;
	int32_t result;
	uint32_t flags;

	if (client->ringless)
		client->turns_seen = atomic_load(&at(h)->turns);
	else
		while (ring_take(&client->ring, &user, &result, &flags))
			if (user >> 48 == PART_WAKE && !(flags & IORING_CQE_F_MORE))
				client->listening = false;
	while (client->replies_got != atomic_load(&at(h)->replies_put)) {
		*ret_reply = client->replies[client->replies_got & (WIRE_REPLIES - 1)];
		atomic_store(&at(h)->replies_got, ++client->replies_got);
		if (ret_reply->kind == WIRE_POKE)
			client->pokes |= ret_reply->tag;
		if (ret_reply->kind == WIRE_ANSWER)
			return true;
	}
	return false;
}

struct wire_reply
hostile_ask(struct hostile *h, const struct wire_request *request)
{
	struct wire_request message = *request;
	struct wire_reply reply;

	message.tag = ++h->tag;
	hostile_put(h, &message);
	for (;;) {
		while (hostile_answer(h, &reply))
			if (reply.tag == message.tag)
				return reply;
		client_flush(h->client, RING_WAIT_ONE);
	}
}

/* Never sleeps: what was done to the ring may have eaten the wake-ups. */
void
hostile_broker_lives(struct hostile *h)
{
	struct wire_request clock = {.kind = WIRE_DEVICE, .op = DEVICE_CLOCK, .tag = ++h->tag};
	const struct timespec begin = hostile_now();
	struct wire_reply reply;

	hostile_put(h, &clock);
	while (hostile_now().tv_sec - begin.tv_sec < 10) {
		h->client->wake_due = true;
		h->client->listening = true; /* nobody listens; ask() does again */
		hostile_knock(h);
		for (int i = 0; i < 1000; i++)
			while (hostile_answer(h, &reply))
				if (reply.tag == clock.tag) {
					h->client->listening = false;
					return;
				}
	}
	hostile_wrong(h, "the broker does not answer");
}

void
hostile_wait_to_be_seen(struct hostile *h, const char *word)
{
	struct wire_reply reply;

	hostile_say(h, "%s", word);
	while (!h->client->pokes) {
		(void)hostile_answer(h, &reply);
		if (!h->client->pokes)
			client_flush(h->client, RING_WAIT_ONE);
	}
}

struct wire_request
hostile_request(enum device_op op, uint32_t handle, const char *path, uint32_t flags)
{
	struct wire_request request = {
		.kind = WIRE_DEVICE, .op = op, .flags = flags, .handle = handle, .handle2 = handle};

	request.path_bytes = path ? (uint32_t)strnlen(path, DEVICE_PATH_MAX) : 0;
	if (path)
		memcpy(request.text, path, request.path_bytes);
	return request;
}

int64_t
hostile_open(struct hostile *h, uint32_t handle, const char *path, uint32_t flags)
{
	const struct wire_request request = hostile_request(DEVICE_OPEN, handle, path, flags);

	return hostile_ask(h, &request).result;
}

int64_t
hostile_close(struct hostile *h, uint32_t handle)
{
	const struct wire_request request = hostile_request(DEVICE_CLOSE, handle, NULL, 0);

	return hostile_ask(h, &request).result;
}

uint8_t *
hostile_piece(struct hostile *h)
{
	return h->client->staging_base;
}

static int64_t
transfer(struct hostile *h, enum device_op op, uint32_t handle, uint64_t offset, uint32_t bytes)
{
	struct io_uring_sqe entry = {.opcode = op == DEVICE_READ ? RING_READ : RING_WRITE,
		.flags = IOSQE_FIXED_FILE,
		.fd = (int32_t)handle,
		.off = offset,
		.addr = (uint64_t)(uintptr_t)hostile_piece(h),
		.len = bytes};
	struct wire_request request = hostile_request(op, handle, NULL, 0);
	int got;

	if (!h->client->ringless) {
		got = hostile_entry(h, &entry);
		return got < 0 ? -(int64_t)device_error_of(-got) : got;
	}
	request.offset = offset;
	request.bytes = bytes;
	return hostile_ask(h, &request).result;
}

int64_t
hostile_read(struct hostile *h, uint32_t handle, uint64_t offset, uint32_t bytes)
{
	return transfer(h, DEVICE_READ, handle, offset, bytes);
}

int64_t
hostile_write(struct hostile *h, uint32_t handle, uint64_t offset, const char *text)
{
	const size_t bytes = strlen(text);

	memcpy(hostile_piece(h), text, bytes);
	return transfer(h, DEVICE_WRITE, handle, offset, (uint32_t)bytes);
}

uint32_t
hostile_dir(struct hostile *h, uint32_t n)
{
	for (uint32_t i = 0; i < h->grants_count; i++)
		if (h->grants[i].type == DEVICE_TYPE_DIRECTORY && n-- == 0)
			return h->grants[i].handle;
	hostile_wrong(h, "it was not given the directory");
	return UINT32_MAX;
}

uint32_t
hostile_stream(struct hostile *h, uint32_t n)
{
	for (uint32_t i = 0; i < h->worker->start.roots_count; i++)
		if (h->worker->start.roots[i].role == (enum start_role)n)
			return h->worker->start.roots[i].root.handle;
	hostile_wrong(h, "it was not given stream %u", n);
	return UINT32_MAX;
}

/* --- the ring -------------------------------------------------------------------------- */

long
hostile_enter(uint32_t submit, uint32_t wait)
{
	const long done = syscall(SYS_io_uring_enter, WALLS_RING_FD, submit, wait,
		IORING_ENTER_GETEVENTS, NULL, 0);

	return done < 0 ? -errno : done;
}

int
hostile_entry(struct hostile *h, const struct io_uring_sqe *entry)
{
	struct ring *ring = &h->client->ring;
	static uint32_t serial;
	const uint64_t mine = (uint64_t)PART_IGNORE << 48 | ++serial;
	struct io_uring_sqe *filled = ring_entry(ring, RING_NOP, 0, 0);
	uint64_t user;
	int32_t result;
	uint32_t flags;

	*filled = *entry;
	filled->user_data = mine;
	for (int tries = 0; tries < 1000; tries++) {
		if (ring_enter(ring, RING_WAIT_ONE))
			return -ENOTRECOVERABLE;
		while (ring_take(ring, &user, &result, &flags)) {
			if (user == mine)
				return result;
			if (user >> 48 == PART_WAKE && !(flags & IORING_CQE_F_MORE))
				h->client->listening = false;
		}
	}
	return -ETIME;
}

/* --- the payloads ------------------------------------------------------------------------ */

#define CALL(number, name, end, ...)                                                               \
	if (strcmp(payload, "call:" name) == 0) {                                                  \
		errno = 0;                                                                         \
		hostile_wrong(h, "it came back: %ld, %s", syscall(__VA_ARGS__), strerror(errno));  \
		return;                                                                            \
	}
#define DO(number, name, end, function, needs)                                                     \
	if (strcmp(payload, name) == 0) {                                                          \
		function(h);                                                                       \
		return;                                                                            \
	}

static void
run(struct hostile *h, const char *payload)
{
#include "tests/corpus/hostile.def"
	hostile_wrong(h, "no payload \"%s\"", payload);
}
#undef CALL
#undef DO

/* Where keyhold runs a guest. All walls are up. */
void
__wrap_guest_run(struct worker *worker)
{
	static struct hostile hostile;
	struct hostile *h = &hostile;
	const struct start *start = &worker->start;

	h->worker = worker;
	h->client = worker->client;
	h->grants = client_grants(h->client, &h->grants_count);
	h->tag = 1u << 16;
	h->arg = start->args_count > 2 ? start->args[2] : "";
	run(h, start->args_count > 1 ? start->args[1] : "");
	worker->record.end = RECORD_EXIT;
	worker->record.code = h->said[0] ? 1 : 0;
	if (h->said[0])
		hostile_say(h, "WRONG: %s", h->said);
}
