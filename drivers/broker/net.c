/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/broker/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

_Static_assert((int)RULE_TCP == (int)BROKER_TCP && (int)RULE_UDP == (int)BROKER_UDP &&
		       (int)RULE_LISTEN == (int)BROKER_LISTEN &&
		       (int)RULE_UNIX == (int)BROKER_UNIX && (int)RULE_RESOLVE == (int)BROKER_RESOLVE,
	"broker.h does not show rule.h");

/* --- made and unmade --------------------------------------------------------------- */

static int
net_begin(struct broker *broker, struct report *report)
{
	struct net *net;

	if (broker->net)
		return 0;
	net = calloc(1, sizeof *net);
	if (!net)
		return -ENOMEM;
	net->broker = broker;
	net->limit_ms = NET_LIMIT_MS;
	net->dials = calloc(WIRE_DIALS, sizeof *net->dials);
	net->seen = calloc(NET_SEEN, sizeof *net->seen);
	net->events = epoll_create1(EPOLL_CLOEXEC);
	broker->net = net;
	if (net->dials && net->seen && net->events >= 0)
		return 0;
	report_say(report, UINT64_MAX, "preparing networks: %s", strerror(errno));
	net_end(broker);
	return -ENOMEM;
}

void
net_end(struct broker *broker)
{
	struct net *net = broker->net;

	if (!net)
		return;
	for (uint32_t i = 0; net->dials && i < net->dials_fresh; i++)
		for (uint32_t t = 0; net->dials[i].state != DIAL_FREE && t < NET_TRIES; t++)
			if (net->dials[i].tries[t] >= 0)
				(void)close(net->dials[i].tries[t]);
	for (uint32_t i = 0; net->dials && i < net->dials_fresh; i++)
		net->dials[i].state = DIAL_FREE; /* late answers of c-ares find nobody */
	names_end(net);
	if (net->events >= 0)
		(void)close(net->events);
	free(net->dials);
	free(net->seen);
	free(net);
	broker->net = NULL;
}

int
broker_pin(struct broker *broker, const char *text, struct report *report)
{
	const char *equals = strchr(text, '=');
	const int error = net_begin(broker, report);
	struct net *net = broker->net;
	struct seen pin;
	size_t bytes;

	if (error)
		return error;
	if (!equals || !rule_name(text, (size_t)(equals - text), pin.name)) {
		report_say(report, UINT64_MAX, "\"%s\": write NAME=ADDRESS, as db.example.com=192.0.2.1",
			text);
		return -EINVAL;
	}
	equals++;
	bytes = strlen(equals);
	if (bytes > 2 && equals[0] == '[' && equals[bytes - 1] == ']') {
		equals++;
		bytes -= 2;
	}
	if (!address_read(equals, bytes, &pin.address)) {
		report_say(report, UINT64_MAX, "\"%s\" is no address: write 192.0.2.1 or 2001:db8::1",
			equals);
		return -EINVAL;
	}
	if (address_special(&pin.address).class == ADDRESS_METADATA) {
		report_say(report, UINT64_MAX, "%s is %s, which no key opens", equals,
			address_special(&pin.address).words);
		return -EINVAL;
	}
	if (net->pins_count == NET_PINS) {
		report_say(report, UINT64_MAX, "more than %d addresses of names", NET_PINS);
		return -ENOSPC;
	}
	net->pins[net->pins_count++] = pin;
	return 0;
}

int
broker_name_servers(struct broker *broker, const char *text, struct report *report)
{
	const int error = net_begin(broker, report);

	if (error)
		return error;
	if (strlen(text) >= sizeof broker->net->servers) {
		report_say(report, UINT64_MAX, "too long a list of name servers");
		return -EINVAL;
	}
	(void)strcpy(broker->net->servers, text);
	return 0;
}

/* --- grants ------------------------------------------------------------------------- */

static int
rule_of(struct broker *broker, const struct broker_address *address, struct report *report,
	struct rule **ret_rule)
{
	struct rule *rule = malloc(sizeof *rule);
	int error = rule ? net_begin(broker, report) : -ENOMEM;

	if (!error)
		error = rule_read((enum rule_kind)address->kind, address->pattern, report, rule);
	if (error) {
		free(rule);
		return error;
	}
	*ret_rule = rule;
	return 0;
}

/* Now, not when the first name is asked for: the walls may be up then. */
static int
resolver_begin(struct broker *broker, struct report *report)
{
	const int error = names_begin(broker->net);

	if (error)
		report_say(report, UINT64_MAX, "preparing to resolve names: %s", strerror(-error));
	return error;
}

int
broker_networks(struct broker *broker, struct report *report)
{
	int error = net_begin(broker, report);

	if (!error)
		error = resolver_begin(broker, report);
	if (!error)
		keep_begin(broker);
	return error;
}

static struct grant
grant_as(const struct broker_address *address)
{
	return (struct grant){
		.wire = {.rights = BROKER_READ | BROKER_WRITE, .type = DEVICE_TYPE_SOCKET},
		.allow_private = address->allow_private,
		.conns_max = address->conns_max,
	};
}

int
broker_grant_address(struct broker *broker, const struct broker_address *address,
	struct report *report, struct broker_grant *ret_grant)
{
	const struct grant as = grant_as(address);
	struct grant before;
	struct rule *rule;
	int index, error = rule_of(broker, address, report, &rule);

	if (error)
		return error;
	if (rule->kind == RULE_LISTEN) {
		free(rule);
		return -EINVAL;
	}
	if (rule_needs_names(rule)) {
		error = resolver_begin(broker, report);
		if (error) {
			free(rule);
			return error;
		}
	}
	index = grant_begin(broker, &as, report, &before);
	if (index < 0) {
		free(rule);
		return index;
	}
	keep_begin(broker);
	return grant_end(broker, index,
		handle_open_rule(broker, rule, BROKER_READ | BROKER_WRITE, (uint32_t)index), &before,
		report, ret_grant);
}

static int
listen_at(const struct rule *rule, char ret_text[DEVICE_ADDRESS_BYTES])
{
	static const int on = 1, off;
	const bool any = rule->host == RULE_ANY;
	struct address address = rule->address;
	struct sockaddr_storage sock;
	socklen_t bytes;
	int fd;

	address.six |= any; /* "*": [::] hears IPv4 as well, where there is IPv6 */
	fd = socket(address.six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 && any && errno == EAFNOSUPPORT) {
		address.six = false;
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	if (fd < 0)
		return -errno;
	bytes = address_to_sock(&address, rule->port_first, &sock);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (address.six)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &off : &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&sock, bytes) < 0 || listen(fd, BACKLOG) < 0) {
		const int error = errno;

		(void)close(fd);
		return -error;
	}
	bytes = sizeof sock;
	if (getsockname(fd, (struct sockaddr *)&sock, &bytes) == 0)
		address_say_sock(&sock, bytes, ret_text, DEVICE_ADDRESS_BYTES);
	return fd;
}

static int
listen_said(const struct rule *rule, const char *pattern, struct report *report,
	char ret_text[DEVICE_ADDRESS_BYTES])
{
	const int fd = listen_at(rule, ret_text);

	if (fd < 0)
		report_say(report, UINT64_MAX, "listening at %s: %s", pattern,
			fd == -EADDRINUSE ? "the port is taken; stop who has it, or choose another"
			: fd == -EACCES   ? "ports below 1024 are for root; choose another"
			: fd == -EADDRNOTAVAIL
				? "this machine has no such address; 127.0.0.1, [::1] and * always do"
				: strerror(-fd));
	return fd;
}

int
broker_listen(const char *pattern, struct report *report, int *ret_fd)
{
	char text[DEVICE_ADDRESS_BYTES];
	struct rule rule;
	int fd = rule_read(RULE_LISTEN, pattern, report, &rule);

	if (!fd)
		fd = listen_said(&rule, pattern, report, text);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* Does it listen, for TCP, where the rule says? */
static bool
listens_there(int fd, const struct rule *rule)
{
	struct sockaddr_storage sock = {0};
	socklen_t bytes = sizeof sock, one = sizeof(int);
	struct address address;
	uint16_t port;
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &one) < 0 || !listens ||
		getsockname(fd, (struct sockaddr *)&sock, &bytes) < 0 ||
		!address_of_sock(&sock, &address, &port))
		return false;
	return (!rule->port_first || port == rule->port_first) &&
	       (rule->host == RULE_ANY || address_equal(&address, &rule->address));
}

/* Takes fd and the rule. */
static int
grant_listening(struct broker *broker, int fd, struct rule *rule,
	const struct broker_address *address, struct report *report, struct broker_grant *ret_grant)
{
	const struct grant as = grant_as(address);
	struct grant before;
	int number, index = grant_begin(broker, &as, report, &before);
	if (index < 0) {
		(void)close(fd);
		free(rule);
		return index;
	}
	keep_begin(broker);
	number = handle_open(broker, fd, WIRE_MODE_LISTENER | WIRE_MODE_SOCKET,
		BROKER_READ | BROKER_WRITE, (uint32_t)index);
	if (number >= 0)
		broker->handles[number].rule = rule;
	else
		free(rule);
	return grant_end(broker, index, number, &before, report, ret_grant);
}

int
broker_grant_listener(struct broker *broker, const struct broker_address *address,
	struct report *report, struct broker_grant *ret_grant, char ret_address[DEVICE_ADDRESS_BYTES])
{
	char text[DEVICE_ADDRESS_BYTES] = "";
	struct rule *rule;
	int fd, error = rule_of(broker, address, report, &rule);

	if (error)
		return error;
	fd = rule->kind == RULE_LISTEN ? listen_said(rule, address->pattern, report, text) : -EINVAL;
	if (fd < 0) {
		free(rule);
		return fd;
	}
	error = grant_listening(broker, fd, rule, address, report, ret_grant);
	if (!error && ret_address)
		memcpy(ret_address, text, sizeof text);
	return error;
}

int
broker_grant_listening(struct broker *broker, int fd, const struct broker_address *address,
	struct report *report, struct broker_grant *ret_grant)
{
	struct rule *rule = NULL;
	int error = rule_of(broker, address, report, &rule);

	if (!error && (rule->kind != RULE_LISTEN || !listens_there(fd, rule))) {
		report_say(report, UINT64_MAX, "the descriptor is no socket that listens at %s",
			address->pattern);
		free(rule);
		error = -EINVAL;
	}
	if (!error && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		error = -errno;
		free(rule);
	}
	if (error) {
		(void)close(fd);
		return error;
	}
	return grant_listening(broker, fd, rule, address, report, ret_grant);
}

/* --- operations ------------------------------------------------------------------------ */

static int64_t
refuse(struct ask *ask, enum device_error error, const char *why)
{
	if (why) /* cut to fit, and the precision says so */
		(void)snprintf(ask->why, sizeof ask->why, "%.*s", (int)sizeof ask->why - 1, why);
	return -(int64_t)error;
}

int64_t
net_connect(struct ask *ask)
{
	const struct rule *rule = ask->handle->rule;
	struct rule_target target = {0};
	char own[RULE_TEXT_MAX + 8];

	if (!(ask->handle->mode & WIRE_MODE_RULE) || rule->kind == RULE_RESOLVE)
		return -DEVICE_ENOTSUP;
	if (rule->kind == RULE_UNIX) {
		(void)snprintf(own, sizeof own, "unix:%s", rule->name);
		if (ask->path[0] && strcmp(ask->path, own) != 0)
			return refuse(ask, DEVICE_ECAPABILITY, "the key is for one socket, by the path it says");
		return dial_connect(ask, &target);
	}
	if (!rule_target(rule, ask->path, &target)) {
		if (ask->path[0])
			return refuse(ask, DEVICE_EINVAL, "it is not HOST:PORT");
		return refuse(ask, DEVICE_EINVAL, "the key allows more than one address: say which");
	}
	if (!net_allows(ask->broker->net, rule, &target, ask->why))
		return -DEVICE_ECAPABILITY;
	return dial_connect(ask, &target);
}

int64_t
net_resolve(struct ask *ask)
{
	const struct rule *rule = ask->handle->rule;
	char name[RULE_NAME_MAX + 1], allowed[RULE_TEXT_MAX];

	if (!(ask->handle->mode & WIRE_MODE_RULE) || rule->kind == RULE_UNIX)
		return -DEVICE_ENOTSUP;
	if (!ask->path[0] && rule->host == RULE_NAME)
		(void)strcpy(name, rule->name);
	else if (!rule_name(ask->path, strlen(ask->path), name))
		return refuse(ask, DEVICE_EINVAL, "it is not a name");
	if (!rule_allows_name(rule, name)) {
		rule_say(rule, allowed);
		(void)snprintf(ask->why, sizeof ask->why, "the key allows %.150s", allowed);
		return -DEVICE_ECAPABILITY;
	}
	return dial_resolve(ask, name);
}

bool
net_is_full(const struct grant *grant)
{
	return grant->conns_max && grant->counts.conns >= grant->conns_max;
}

void
net_full_tell(struct broker *broker, uint32_t index, enum device_op op, const char *path,
	char why[WIRE_WORDS_BYTES])
{
	struct grant *grant = &broker->grants[index];

	(void)snprintf(why, WIRE_WORDS_BYTES, "conns=%u: so many connections are open under the key",
		grant->conns_max);
	grant->counts.conns_refused++;
	refusal_tell(broker, index, op, path, DEVICE_EMFILE, why);
}

void
net_count(struct grant *grant)
{
	grant->counts.conns++;
	if (grant->counts.conns > grant->counts.conns_most)
		grant->counts.conns_most = grant->counts.conns;
}

int
net_adopt(struct broker *broker, int fd, uint32_t grant)
{
	static const int on = 1;
	const int flags = fcntl(fd, F_GETFL);
	struct broker_handle *handle;
	int number;

	/* Guests have no way to ask for it, and their orders are small. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* The ring waits by itself for a file that may block, at no further entry. */
	if (flags & O_NONBLOCK)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	number = handle_open(broker, fd, WIRE_MODE_READ | WIRE_MODE_WRITE | WIRE_MODE_SOCKET,
		broker->grants[grant].wire.rights, grant);
	if (number < 0)
		return number;
	handle = &broker->handles[number];
	handle->conn = true;
	broker->grants[grant].counts.conns_made++;
	if (broker->keep && keep_put(broker, (uint32_t)number, fd) == 0) {
		(void)close(fd);
		handle->fd = -1;
		handle->kept = true;
	}
	return number;
}

/* What only this connection met; the listener is well. */
static bool
passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO ||
	       error == ENETDOWN || error == EHOSTDOWN || error == EHOSTUNREACH ||
	       error == ENETUNREACH || error == ENOPROTOOPT || error == ENONET || error == EPERM;
}

static void
accept_one(struct broker *broker, const struct broker_handle *handle, struct wire_reply *reply)
{
	struct grant *grant = &broker->grants[handle->grant];
	struct sockaddr_storage peer;
	socklen_t bytes = sizeof peer;
	const int fd = accept4(handle->fd, (struct sockaddr *)&peer, &bytes, SOCK_CLOEXEC);
	int number;

	if (fd < 0) {
		reply->result = passing(errno) ? -(int64_t)DEVICE_EAGAIN : ask_answer(-1);
		return;
	}
	number = net_adopt(broker, fd, handle->grant);
	if (number < 0) {
		reply->result = -(int64_t)device_error_of(-number);
		return;
	}
	grant->counts.opens++;
	net_count(grant);
	address_say_sock(&peer, bytes, reply->words, sizeof reply->words);
	reply->words_bytes = (uint32_t)strlen(reply->words);
	reply->mode = broker->handles[number].mode;
	reply->result = number;
}

void
net_accept_now(struct broker *broker, uint32_t number, struct wire_reply *reply)
{
	const struct broker_handle *handle = &broker->handles[number];
	char why[WIRE_WORDS_BYTES], at[RULE_TEXT_MAX];

	reply->result = -DEVICE_EMFILE; /* it stays in the queue */
	if (net_is_full(&broker->grants[handle->grant])) {
		rule_say(handle->rule, at);
		net_full_tell(broker, handle->grant, DEVICE_ACCEPT, at, why);
		reply_words(reply, why);
	} else if (handle_left(broker)) {
		accept_one(broker, handle, reply);
	}
}

int64_t
net_accept(struct ask *ask)
{
	if (!(ask->handle->mode & WIRE_MODE_LISTENER))
		return -DEVICE_ENOTSUP;
	net_accept_now(ask->broker, ask->request->handle, ask->reply);
	if (ask->broker->ringless && ask->reply->result == -DEVICE_EAGAIN &&
		!(ask->request->flags & DEVICE_NONBLOCK))
		return waits_accept(ask->broker, ask->request);
	return ask->reply->result;
}

int64_t
net_address(struct ask *ask)
{
	const uint32_t number = ask->request->handle;
	const int fd = handle_fd(ask->broker, number);
	struct sockaddr_storage sock;
	socklen_t bytes = sizeof sock;
	int error = 0;

	if (fd < 0)
		return -DEVICE_ENOTSUP;
	if ((ask->request->flags & DEVICE_PEER
			    ? getpeername(fd, (struct sockaddr *)&sock, &bytes)
			    : getsockname(fd, (struct sockaddr *)&sock, &bytes)) < 0)
		error = errno == ENOTSOCK ? DEVICE_ENOTSUP : (int)device_error_of(errno);
	handle_fd_back(ask->broker, number, fd);
	if (error)
		return -error;
	address_say_sock(&sock, bytes, ask->reply->words, sizeof ask->reply->words);
	ask->reply->words_bytes = (uint32_t)strlen(ask->reply->words);
	return 0;
}

int64_t
net_narrow(struct ask *ask)
{
	const struct rule *outer = ask->handle->rule;
	struct rule *inner;
	struct report report;
	int number;

	if (!(ask->handle->mode & WIRE_MODE_RULE))
		return -DEVICE_ENOTSUP;
	inner = malloc(sizeof *inner);
	if (!inner)
		return -DEVICE_ENOMEM;
	report_clear(&report);
	if (rule_read(outer->kind, ask->path, &report, inner)) {
		free(inner);
		return refuse(ask, DEVICE_EINVAL, report.text);
	}
	if (!rule_narrower(inner, outer)) {
		char allowed[RULE_TEXT_MAX];

		free(inner);
		rule_say(outer, allowed);
		(void)snprintf(ask->why, sizeof ask->why, "it would allow more than %.150s", allowed);
		return -DEVICE_ECAPABILITY;
	}
	number = handle_open_rule(ask->broker, inner, ask->handle->rights, ask->handle->grant);
	if (number < 0)
		return -(int64_t)device_error_of(-number);
	ask->reply->mode = WIRE_MODE_RULE;
	return number;
}
