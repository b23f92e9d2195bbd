/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - the broker's loop. Every message is copied out of shared memory
 * before it is looked at, and every number in the copy is checked. */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/broker/net.h"
#include "drivers/staging.h"
#include "kernel/base/fits.h"

/* --- to the worker ---------------------------------------------------------------- */

void
worker_wake(struct broker *broker)
{
	const uint64_t one = 1;

	if (broker->ringless) {
		atomic_fetch_add_explicit(&broker->start->at.turns, 1, memory_order_release);
		(void)syscall(SYS_futex, &broker->start->at.turns, FUTEX_WAKE, 1, NULL, NULL, 0);
		return;
	}
	/* EAGAIN: the worker filled its own counter, so it is readable. */
	(void)!write(broker->worker_event, &one, sizeof one);
}

/* Answers always find room: what nobody asked for takes half at most. */
int
reply_send(struct broker *broker, const struct wire_reply *reply)
{
	const uint32_t room = reply->kind == WIRE_ANSWER ? WIRE_REPLIES : WIRE_REPLIES - WIRE_ASKS;
	const uint32_t got =
		atomic_load_explicit(&broker->start->at.replies_got, memory_order_acquire);
	uint8_t *at = broker->shared + broker->layout.replies_at +
		      (broker->replies_put & (WIRE_REPLIES - 1)) * sizeof *reply;

	if (broker->replies_put - got > WIRE_REPLIES) {
		broker->broken = "it took more replies than there were";
		return -EPROTO;
	}
	if (broker->replies_put - got >= room)
		return -EAGAIN;
	memcpy(at, reply, sizeof *reply);
	broker->replies_put++;
	atomic_store_explicit(
		&broker->start->at.replies_put, broker->replies_put, memory_order_release);
	return 0;
}

void
answer_send(struct broker *broker, const struct wire_reply *reply)
{
	if (reply_send(broker, reply) == -EAGAIN)
		broker->broken = "more requests than it takes replies for";
}

int
broker_poke(struct broker *broker, uint32_t bits)
{
	const struct wire_reply reply = {.kind = WIRE_POKE, .tag = bits};
	int error;

	if (!broker->start)
		return -ESRCH;
	error = reply_send(broker, &reply);
	if (!error)
		worker_wake(broker);
	return error;
}

void
broker_kill(struct broker *broker)
{
	/* Not yet waited for, so the number is still its own. */
	if (broker->worker && !broker->exited)
		(void)kill(broker->worker, SIGKILL);
}

/* --- from the worker ---------------------------------------------------------------- */

/* Besides the named ones, what is done to a directory or a brokered file. */
static bool
op_is_ours(const struct broker *broker, uint32_t op)
{
	if (op == DEVICE_POLL || op == DEVICE_SLEEP || op == DEVICE_SHUTDOWN)
		return broker->ringless;
	return op >= DEVICE_READ && op < DEVICE_OP_COUNT;
}

static void
device_take(struct broker *broker, const struct wire_request *request)
{
	static char path[DEVICE_PATH_MAX + 1], path2[DEVICE_PATH_MAX + 1];
	struct wire_reply reply = {.kind = WIRE_ANSWER, .tag = request->tag};
	bool nul;

	if (!op_is_ours(broker, request->op)) {
		broker->broken = "an operation that is not the broker's";
		return;
	}
	if (request->bytes && (request->bytes > WIRE_LARGE_BYTES ||
				      !span_fits(request->piece, request->bytes, STAGING_BYTES))) {
		broker->broken = "a piece outside the staging arena";
		return;
	}
	memcpy(path, request->text, request->path_bytes);
	memcpy(path2, request->text + request->path_bytes, request->path2_bytes);
	path[request->path_bytes] = path2[request->path2_bytes] = '\0';
	nul = memchr(path, '\0', request->path_bytes) || memchr(path2, '\0', request->path2_bytes);
	if (nul)
		reply.result = -DEVICE_EINVAL;
	else
		files_serve(broker, request, path, path2, &reply);
	if (reply.result == ASK_LATER)
		return;
	answer_send(broker, &reply);
}

static void
end_take(struct broker *broker, uint64_t bytes)
{
	if (bytes > WIRE_RECORD_BYTES) {
		broker->broken = "a result record that is too long";
		return;
	}
	free(broker->record);
	broker->record = malloc(bytes ? bytes : 1);
	if (!broker->record)
		return;
	memcpy(broker->record, broker->shared + broker->layout.record_at, bytes);
	broker->record_bytes = bytes;
	broker->recorded = true;
}

static void
message_take(struct broker *broker, const struct wire_request *message)
{
	const struct broker_hooks *hooks = broker->hooks;

	switch (message->kind) {
	case WIRE_DEVICE:
		/* What a worker wanted that has since died is not done. */
		if (!broker->exited)
			device_take(broker, message);
		return;
	case WIRE_CANCEL:
		waits_cancel(broker, message->tag);
		net_cancel(broker, message->tag);
		return;
	case WIRE_LOG:
		if (hooks && hooks->log)
			hooks->log(hooks->user,
				message->flags <= BROKER_LOG_GUEST
					? (enum broker_log_level)message->flags
					: BROKER_LOG_ERROR,
				message->text, message->path_bytes);
		return;
	case WIRE_END:
		end_take(broker, message->length);
		return;
	case WIRE_OBEYED:
		obeyed_take(broker, message);
		return;
	case WIRE_READY:
		broker->ready = true;
		if (hooks && hooks->ready)
			hooks->ready(hooks->user);
		return;
	default:
		broker->broken = "a message of an unknown kind";
	}
}

/* Copies message `position` to ours. The fence keeps the compiler from reading
 * the shared one again after the check. */
static bool
message_copy(struct broker *broker, uint32_t position)
{
	struct wire_request *message = &broker->message;
	const uint8_t *at = broker->shared + broker->layout.requests_at +
			    (position & (WIRE_REQUESTS - 1)) * sizeof *message;
	const size_t head = offsetof(struct wire_request, text);
	const uint32_t path_max =
		WIRE_TEXT_BYTES; /* of a log line; a path's own limit comes below */

	memcpy(message, at, head);
	__asm__ volatile("" ::: "memory");
	if (message->path_bytes > path_max ||
		message->path2_bytes > path_max - message->path_bytes ||
		(message->kind == WIRE_DEVICE && (message->path_bytes > DEVICE_PATH_MAX ||
							 message->path2_bytes > DEVICE_PATH_MAX))) {
		broker->broken = "a text that is longer than its message";
		return false;
	}
	memcpy(message->text, at + head, message->path_bytes + message->path2_bytes);
	return true;
}

void
requests_take(struct broker *broker)
{
	const uint32_t put =
		atomic_load_explicit(&broker->start->at.requests_put, memory_order_acquire);
	const bool any = put != broker->requests_got;

	if (put - broker->requests_got > WIRE_REQUESTS) {
		broker->broken = "a position outside the ring of requests";
		return;
	}
	while (broker->requests_got != put && !broker->broken) {
		const bool good = message_copy(broker, broker->requests_got);

		broker->requests_got++;
		atomic_store_explicit(&broker->start->at.requests_got, broker->requests_got,
			memory_order_release);
		if (good)
			message_take(broker, &broker->message);
	}
	/* Also when there was no reply: a full ring has room again. */
	if (any)
		worker_wake(broker);
}

/* --- the loop -------------------------------------------------------------------------- */

static void
event_drain(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof count);
}

uint64_t
broker_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The earliest time at which something is to be done; UINT64_MAX: none. */
static uint64_t
next_ns(const struct broker *broker)
{
	uint64_t next = broker->net ? net_next_ns(broker) : UINT64_MAX;

	next = min_u64(next, watchdog_next_ns(broker));
	for (uint32_t i = 0; broker->deadlines && i < broker->grants_count; i++)
		if (broker->grants[i].deadline_ns && !broker->grants[i].cut)
			next = min_u64(next, broker->grants[i].deadline_ns);
	return next;
}

static uint64_t
turn_limit(const struct broker *broker, uint64_t left_ns)
{
	const uint64_t next = next_ns(broker);
	const uint64_t now = next == UINT64_MAX ? 0 : broker_now_ns();

	if (next == UINT64_MAX)
		return left_ns;
	return min_u64(left_ns, next > now ? next - now : 0);
}

/* What a key was given for is over: a broker cut. */
static void
grants_expire(struct broker *broker)
{
	const struct broker_hooks *hooks = broker->hooks;
	const uint64_t now = broker_now_ns();

	for (uint32_t i = 0; i < broker->grants_count; i++) {
		struct grant *grant = &broker->grants[i];

		if (!grant->deadline_ns || grant->cut || grant->deadline_ns > now)
			continue;
		(void)broker_revoke(broker, grant->wire.id);
		if (hooks && hooks->expired)
			hooks->expired(hooks->user, grant->wire.id);
	}
}

bool
broker_turn(struct broker *broker, int timeout_ms)
{
	struct pollfd *fds = broker->polled;
	struct watch watches[WATCHES_MAX];
	const uint32_t count = broker->watches_count;
	uint64_t left_ns = timeout_ms < 0 ? UINT64_MAX : (uint64_t)timeout_ms * 1000000;
	struct timespec left;
	uint32_t all;

	/* A copy, since a watcher may unwatch. */
	memcpy(watches, broker->watches, sizeof watches);
	fds[0] = (struct pollfd){.fd = broker->broker_event, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = broker->pid_fd, .events = POLLIN}; /* -1 is passed over */
	fds[2] = (struct pollfd){
		.fd = broker->net ? net_events_fd(broker) : -1, .events = POLLIN};
	for (uint32_t i = 0; i < WATCHES_MAX; i++)
		fds[3 + i] = (struct pollfd){
			.fd = i < count ? watches[i].fd : -1, .events = POLLIN};
	all = waits_watch(broker, &left_ns);
	left_ns = turn_limit(broker, left_ns);
	left = (struct timespec){.tv_sec = (time_t)(left_ns / 1000000000),
		.tv_nsec = (long)(left_ns % 1000000000)};
	if (ppoll(fds, all, left_ns == UINT64_MAX ? NULL : &left, NULL) < 0) {
		/* Somebody lowered our limit beneath us. Deaf we would spin for ever. */
		broker->deaf |= errno == EINVAL;
		for (uint32_t i = 0; i < all; i++)
			fds[i].revents = 0;
	}
	if (fds[0].revents) {
		event_drain(broker->broker_event);
		requests_take(broker);
	}
	for (uint32_t i = 0; i < count; i++)
		if (fds[3 + i].revents)
			watches[i].fn(watches[i].arg);
	waits_serve(broker, all);
	if (broker->net)
		net_turn(broker);
	if (broker->deadlines)
		grants_expire(broker);
	watchdog_turn(broker);
	return !fds[1].revents;
}

/* Milliseconds until the deadline, rounded up; -1: none. */
static int
deadline_left(const struct broker *broker)
{
	uint64_t now, left;

	if (!broker->deadline_ns)
		return -1;
	now = broker_now_ns();
	left = broker->deadline_ns > now ? broker->deadline_ns - now : 0;
	return (int)min_u64((left + 999999) / 1000000, INT32_MAX);
}

static void
trail_copy(const struct broker *broker, char *out, size_t bytes)
{
	const uint8_t *trail = broker->shared + broker->layout.trail_at;
	size_t i;

	for (i = 0; i + 1 < bytes && i < WIRE_TRAIL_BYTES; i++) {
		const uint8_t c = ((const volatile uint8_t *)trail)[i];

		if (!c)
			break;
		out[i] = c >= ' ' && c < 127 ? (char)c : ' ';
	}
	out[i] = '\0';
}

static void
worker_wait(struct broker *broker, struct broker_outcome *ret_outcome)
{
	int status = 0;

	while (waitpid(broker->worker, &status, 0) < 0 && errno == EINTR)
		;
	broker->exited = true;
	if (WIFSIGNALED(status)) {
		ret_outcome->end = BROKER_KILLED;
		ret_outcome->signal = WTERMSIG(status);
	} else {
		ret_outcome->end = BROKER_EXITED;
		ret_outcome->code = WEXITSTATUS(status);
	}
}

int
broker_serve(
	struct broker *broker, const struct broker_hooks *hooks, struct broker_outcome *ret_outcome)
{
	struct broker_outcome outcome = {.end = BROKER_TIMED_OUT};

	if (!broker->worker || broker->exited)
		return -ESRCH;
	broker->hooks = hooks;
	for (;;) {
		const int left = deadline_left(broker);
		const bool lives = left != 0 && broker_turn(broker, left);

		if (broker->broken || broker->deaf || broker->cut_failed || broker->stuck)
			broker_kill(broker);
		else if (left == 0)
			break;
		else if (lives)
			continue;
		worker_wait(broker, &outcome);
		/* The last words: logs and the result, no requests. */
		if (!broker->broken)
			requests_take(broker);
		if (broker->broken)
			outcome.end = BROKER_PROTOCOL;
		else if (broker->deaf)
			outcome.end = BROKER_DEAF;
		else if (broker->cut_failed)
			outcome.end = BROKER_CUT;
		else if (broker->stuck)
			outcome.end = BROKER_STUCK;
		break;
	}
	outcome.ready = broker->ready;
	outcome.recorded = broker->recorded;
	outcome.record = broker->record;
	outcome.record_bytes = broker->record_bytes;
	outcome.why = broker->broken;
	trail_copy(broker, outcome.trail, sizeof outcome.trail);
	broker->hooks = NULL;
	*ret_outcome = outcome;
	return 0;
}
