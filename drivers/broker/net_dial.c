/* SPDX-License-Identifier: Apache-2.0 */
/* net_dial.c - connections being made, and names being asked for. Its picture
 * is in net.h; each dial is one request of the worker that is answered later. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "drivers/broker/net.h"
#include "kernel/base/fits.h"
#include "kernel/base/must.h"

enum { UNIX_AGAIN_MS = 10 };
#define MS UINT64_C(1000000)

void
reply_words(struct wire_reply *reply, const char *words)
{
	(void)snprintf(reply->words, sizeof reply->words, "%s", words);
	reply->words_bytes = (uint32_t)strlen(reply->words);
}

/* --- taken and answered ------------------------------------------------------------ */

static struct dial *
dial_take(struct ask *ask)
{
	struct net *net = ask->broker->net;
	struct dial *dial;
	uint32_t generation;

	if (net->dials_free) {
		dial = &net->dials[net->dials_free - 1];
		net->dials_free = dial->next;
	} else if (net->dials_fresh < WIRE_DIALS) {
		dial = &net->dials[net->dials_fresh++];
	} else {
		return NULL;
	}
	generation = dial->generation + 1;
	*dial = (struct dial){.state = DIAL_RESOLVING,
		.generation = generation,
		.op = (enum device_op)ask->request->op,
		.tag = ask->request->tag,
		.handle = ask->request->handle,
		.grant = ask->handle->grant,
		.piece = ask->request->piece,
		.bytes = ask->request->bytes,
		.tries = {-1, -1, -1, -1},
		.deadline_ns = broker_now_ns() + net->limit_ms * MS};
	if (ask->path[0])
		(void)snprintf(dial->asked, sizeof dial->asked, "%s", ask->path);
	else /* the only one that the rule names */
		rule_say(ask->handle->rule, dial->asked);
	net->dials_used++;
	return dial;
}

/* The one place where a dial ends. */
static void
dial_answer(struct net *net, struct dial *dial, struct wire_reply *reply)
{
	struct broker *broker = net->broker;

	must(NET3, dial->state != DIAL_FREE);
	for (uint32_t i = 0; i < NET_TRIES; i++)
		if (dial->tries[i] >= 0)
			(void)close(dial->tries[i]);
	if (dial->counted)
		broker->grants[dial->grant].counts.conns--;
	dial->state = DIAL_FREE;
	dial->generation++;
	dial->next = net->dials_free;
	net->dials_free = (uint32_t)(dial - net->dials) + 1;
	net->dials_used--;
	reply->kind = WIRE_ANSWER;
	reply->tag = dial->tag;
	net->wake_due = true;
	if (broker->start && !broker->exited)
		answer_send(broker, reply);
}

static void
dial_fail(struct net *net, struct dial *dial, enum device_error error, const char *why)
{
	struct wire_reply reply = {.result = -(int64_t)error};

	if (why)
		reply_words(&reply, why);
	dial_answer(net, dial, &reply);
}

/* --- connecting ------------------------------------------------------------------------ */

static const struct rule *
dial_rule(const struct net *net, const struct dial *dial)
{
	return net->broker->handles[dial->handle].rule;
}

/* Takes the descriptor of the try that won. */
static void
dial_made(struct net *net, struct dial *dial, int fd)
{
	struct broker *broker = net->broker;
	struct grant *grant = &broker->grants[dial->grant];
	struct wire_reply reply = {0};
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof peer;
	int number;

	if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0)
		address_say_sock(&peer, bytes, reply.words, sizeof reply.words);
	if (dial_rule(net, dial)->kind == RULE_UNIX)
		(void)snprintf(reply.words, sizeof reply.words, "unix:%.*s",
			(int)(sizeof reply.words - sizeof "unix:"), dial_rule(net, dial)->name);
	reply.words_bytes = (uint32_t)strlen(reply.words);
	number = net_adopt(broker, fd, dial->grant);
	if (number < 0) {
		dial_fail(net, dial, device_error_of(-number), NULL);
		return;
	}
	dial->counted = false; /* from here on its handle's */
	grant->counts.opens++;
	reply.result = number;
	reply.mode = broker->handles[number].mode;
	dial_answer(net, dial, &reply);
}

/* What connect() came to: 0 made, -EINPROGRESS, -errno. */
static int
try_open(const struct rule *rule, const struct address *address, uint16_t port, int *ret_fd)
{
	struct sockaddr_storage sock = {0};
	struct sockaddr_un *path = (struct sockaddr_un *)(void *)&sock;
	const bool is_unix = rule->kind == RULE_UNIX;
	struct pollfd ready = {.events = POLLOUT};
	socklen_t bytes, error_bytes = sizeof(int);
	int fd, error = 0;

	if (is_unix) {
		path->sun_family = AF_UNIX;
		memcpy(path->sun_path, rule->name,
			min_u64(strlen(rule->name), sizeof path->sun_path - 1));
		bytes = sizeof *path;
	} else {
		bytes = address_to_sock(address, port, &sock);
	}
	fd = socket(sock.ss_family,
		(rule->kind == RULE_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sock, bytes) < 0)
		error = errno;
	ready.fd = fd;
	/* On this machine it is often there by now. */
	if (error == EINPROGRESS && poll(&ready, 1, 0) > 0) {
		error = EIO;
		(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
	}
	if (error && error != EINPROGRESS) {
		(void)close(fd);
		return -error;
	}
	*ret_fd = fd;
	return -error;
}

static uint64_t
event_data(const struct net *net, const struct dial *dial, uint32_t try)
{
	return (uint64_t)(dial->generation & 0x7fffffff) << 32 | try << 16 |
	       (uint64_t)(dial - net->dials);
}

static uint32_t
tries_running(const struct dial *dial)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < NET_TRIES; i++)
		count += dial->tries[i] >= 0;
	return count;
}

/* Goes on with the next addresses until one is under way. The dial may be
 * answered when this returns. */
static void
dial_next(struct net *net, struct dial *dial)
{
	const struct rule *rule = dial_rule(net, dial);

	while (dial->at < dial->count && tries_running(dial) < NET_TRIES) {
		struct epoll_event event = {.events = EPOLLOUT};
		uint32_t place = 0;
		int fd = -1;
		const int error = try_open(
			rule, &dial->addresses[dial->at++], dial->target.port, &fd);

		if (error == 0) {
			dial_made(net, dial, fd);
			return;
		}
		if (error == -EAGAIN && rule->kind == RULE_UNIX) { /* its queue is full */
			dial->at--;
			dial->step_ns = broker_now_ns() + UNIX_AGAIN_MS * MS;
			return;
		}
		if (error != -EINPROGRESS) {
			dial->error = -error;
			continue;
		}
		while (dial->tries[place] >= 0)
			place++;
		event.data.u64 = event_data(net, dial, place);
		if (epoll_ctl(net->events, EPOLL_CTL_ADD, fd, &event) < 0) {
			dial->error = errno;
			(void)close(fd);
			continue;
		}
		dial->tries[place] = fd;
		dial->step_ns = broker_now_ns() + NET_STEP_MS * MS;
		return;
	}
	dial->step_ns = UINT64_MAX;
	if (tries_running(dial) == 0)
		dial_fail(net, dial, device_error_of(dial->error), NULL);
}

static void
dial_begin(struct net *net, struct dial *dial)
{
	struct grant *grant = &net->broker->grants[dial->grant];
	char why[WIRE_WORDS_BYTES];

	if (net_is_full(grant)) {
		net_full_tell(net->broker, dial->grant, dial->op, dial->asked, why);
		dial_fail(net, dial, DEVICE_EMFILE, why);
		return;
	}
	net_count(grant);
	dial->counted = true;
	dial->state = DIAL_CONNECTING;
	dial_next(net, dial);
}

/* Of the addresses that came, those that may be reached; each other is told. */
static void
dial_checked(struct net *net, struct dial *dial, const struct address *addresses, uint32_t count)
{
	struct grant *grant = &net->broker->grants[dial->grant];
	char why[WIRE_WORDS_BYTES], first[WIRE_WORDS_BYTES] = "";

	for (uint32_t i = 0; i < count && dial->count < NET_ADDRESSES; i++) {
		if (net_check(net, grant, dial_rule(net, dial), &dial->target, &addresses[i], why)) {
			dial->addresses[dial->count++] = addresses[i];
			continue;
		}
		refusal_tell(
			net->broker, dial->grant, dial->op, dial->asked, DEVICE_ECAPABILITY, why);
		if (!first[0])
			memcpy(first, why, sizeof first);
	}
	if (dial->count) {
		dial_begin(net, dial);
	} else {
		grant->counts.conns_refused++;
		dial_fail(net, dial, DEVICE_ECAPABILITY, first);
	}
}

static void
addresses_list(struct net *net, struct dial *dial, const struct address *addresses, uint32_t count)
{
	struct wire_reply reply = {0};
	uint8_t *piece = net->broker->shared + net->broker->layout.staging_at + dial->piece;
	char text[ADDRESS_TEXT_MAX];

	for (uint32_t i = 0; i < count; i++) {
		uint32_t bytes;

		address_say(&addresses[i], -1, text, sizeof text - 1);
		(void)strcat(text, "\n");
		bytes = (uint32_t)strlen(text);
		if (bytes > dial->bytes - reply.data_bytes)
			break;
		memcpy(piece + reply.data_bytes, text, bytes);
		reply.data_bytes += bytes;
		reply.result++;
	}
	dial_answer(net, dial, &reply);
}

void
dial_resolved(struct net *net, struct dial *dial, const struct address *addresses, uint32_t count,
	enum device_error error, const char *why)
{
	if (error) {
		refusal_tell(net->broker, dial->grant, dial->op, dial->asked, error, why);
		dial_fail(net, dial, error, why);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		names_saw(net, dial->target.name, &addresses[i]);
	if (dial->op == DEVICE_RESOLVE)
		addresses_list(net, dial, addresses, count);
	else
		dial_checked(net, dial, addresses, count);
}

int64_t
dial_connect(struct ask *ask, const struct rule_target *target)
{
	struct net *net = ask->broker->net;
	struct dial *dial;

	if (!handle_left(ask->broker))
		return -DEVICE_EMFILE;
	dial = dial_take(ask);
	if (!dial)
		return -DEVICE_EAGAIN;
	dial->target = *target;
	if (ask->handle->rule->kind == RULE_UNIX) {
		dial->count = 1;
		dial_begin(net, dial);
	} else if (target->is_name) {
		names_ask(net, dial);
	} else {
		dial_checked(net, dial, &target->address, 1);
	}
	return ASK_LATER;
}

int64_t
dial_resolve(struct ask *ask, const char *name)
{
	struct dial *dial = dial_take(ask);

	if (!dial)
		return -DEVICE_EAGAIN;
	dial->target.is_name = true;
	(void)strcpy(dial->target.name, name);
	names_ask(ask->broker->net, dial);
	return ASK_LATER;
}

/* --- given up -------------------------------------------------------------------------- */

void
net_cancel(struct broker *broker, uint32_t tag)
{
	struct net *net = broker->net;

	for (uint32_t i = 0; net && i < net->dials_fresh; i++)
		if (net->dials[i].state != DIAL_FREE && net->dials[i].tag == tag)
			dial_fail(net, &net->dials[i], DEVICE_ECANCELED, NULL);
}

void
net_close(struct broker *broker, uint32_t handle)
{
	struct net *net = broker->net;

	for (uint32_t i = 0; net && net->dials_used && i < net->dials_fresh; i++)
		if (net->dials[i].state != DIAL_FREE && net->dials[i].handle == handle)
			dial_fail(net, &net->dials[i], DEVICE_ECANCELED, NULL);
}

void
net_cut(struct broker *broker, uint32_t grant)
{
	struct net *net = broker->net;

	for (uint32_t i = 0; net && net->dials_used && i < net->dials_fresh; i++)
		if (net->dials[i].state != DIAL_FREE && net->dials[i].grant == grant)
			dial_fail(net, &net->dials[i], DEVICE_EREVOKED, NULL);
}

/* --- the loop ---------------------------------------------------------------------------- */

int
net_events_fd(const struct broker *broker)
{
	return broker->net->events;
}

uint64_t
net_next_ns(const struct broker *broker)
{
	const struct net *net = broker->net;
	uint64_t next = names_next_ns(net);

	for (uint32_t i = 0; net->dials_used && i < net->dials_fresh; i++) {
		const struct dial *dial = &net->dials[i];

		if (dial->state == DIAL_FREE)
			continue;
		next = min_u64(next, dial->deadline_ns);
		if (dial->state == DIAL_CONNECTING)
			next = min_u64(next, dial->step_ns);
	}
	return next;
}

static void
try_event(struct net *net, uint64_t data)
{
	struct dial *dial = &net->dials[(uint16_t)data];
	const uint32_t place = (uint16_t)(data >> 16);
	socklen_t bytes = sizeof(int);
	int fd, error = EIO;

	if (dial->state != DIAL_CONNECTING || (dial->generation & 0x7fffffff) != data >> 32)
		return; /* of a dial that was answered meanwhile */
	fd = dial->tries[place];
	if (fd < 0)
		return;
	dial->tries[place] = -1;
	(void)epoll_ctl(net->events, EPOLL_CTL_DEL, fd, NULL);
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
	if (!error) {
		dial_made(net, dial, fd);
		return;
	}
	(void)close(fd);
	dial->error = error;
	dial_next(net, dial);
}

static void
dials_time(struct net *net)
{
	const uint64_t now = net->dials_used ? broker_now_ns() : 0;

	for (uint32_t i = 0; net->dials_used && i < net->dials_fresh; i++) {
		struct dial *dial = &net->dials[i];

		if (dial->state == DIAL_FREE)
			continue;
		if (dial->deadline_ns <= now)
			dial_fail(net, dial, DEVICE_ETIMEDOUT, NULL);
		else if (dial->state == DIAL_CONNECTING && dial->step_ns <= now)
			dial_next(net, dial);
	}
}

void
net_turn(struct broker *broker)
{
	enum { EVENTS = 64 };
	struct net *net = broker->net;
	struct epoll_event events[EVENTS];
	const int count = epoll_wait(net->events, events, EVENTS, 0);

	for (int i = 0; i < count; i++) {
		if (events[i].data.u64 & NET_EVENT_NAMES)
			names_event(net, events[i].data.u64, events[i].events);
		else
			try_event(net, events[i].data.u64);
	}
	names_turn(net);
	dials_time(net);
	if (net->wake_due && broker->start)
		worker_wake(broker);
	net->wake_due = false;
}
