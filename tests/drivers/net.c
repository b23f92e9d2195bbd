/* SPDX-License-Identifier: Apache-2.0 */
/* Connections made and accepted by the broker, read and written on the ring. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "drivers/broker/net.h"
#include "tests/drivers/side.h"

enum { PATTERN_BYTES = 64 };

static struct side side;

static struct {
	uint32_t count;
	enum device_op op;
	enum device_error error;
	char path[256], why[WIRE_WORDS_BYTES];
} told;

static void
on_refused(void *user, uint32_t grant_id, enum device_op op, const char *path, size_t path_bytes,
	enum device_error error, const char *why)
{
	(void)user;
	(void)grant_id;
	told.count++;
	told.op = op;
	told.error = error;
	(void)snprintf(told.path, sizeof told.path, "%.*s", (int)path_bytes, path);
	(void)snprintf(told.why, sizeof told.why, "%s", why ? why : "");
}

static const struct broker_hooks hooks = {.refused = on_refused};

static void
begin(void)
{
	side_begin(&side);
	side_grant_dir(&side, BROKER_READ | BROKER_WRITE);
	side.broker->hooks = &hooks;
	memset(&told, 0, sizeof told);
}

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(net, .init = begin, .fini = finish, .timeout = 120);

static uint32_t
grant_some(const struct broker_address *address)
{
	struct broker_grant grant;

	cr_assert_eq(broker_grant_address(side.broker, address, &side.report, &grant), 0, "%s",
		side.report.text);
	return grant.handle;
}

static uint32_t
grant(enum broker_net kind, const char *pattern)
{
	return grant_some(&(struct broker_address){.kind = kind, .pattern = pattern});
}

static uint32_t
grant_listener(const char *pattern, uint32_t conns_max, char address[DEVICE_ADDRESS_BYTES])
{
	const struct broker_address at = {
		.kind = BROKER_LISTEN, .pattern = pattern, .conns_max = conns_max};
	struct broker_grant made;

	cr_assert_eq(broker_grant_listener(side.broker, &at, &side.report, &made, address), 0, "%s",
		side.report.text);
	return made.handle;
}

static struct device_completion
ask(enum device_op op, uint32_t handle, uint32_t flags, const char *path)
{
	return side_go(&side, (struct device_request){.op = op,
				      .handle = handle,
				      .flags = flags,
				      .path = path,
				      .bytes = op == DEVICE_RESOLVE ? 4096 : 0,
				      .path_bytes = (uint32_t)strlen(path)});
}

static const char *
words(const struct device_completion *done)
{
	static char text[WIRE_WORDS_BYTES + 1];

	memcpy(text, side.data, done->data_bytes);
	text[done->data_bytes] = '\0';
	return text;
}

/* A listener of the test's own: its descriptor, and its address as a key says it. */
static int
listen_here(int type, char ret_pattern[PATTERN_BYTES])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t bytes = sizeof at;
	const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	if (type == SOCK_STREAM)
		cr_assert_eq(listen(fd, 128), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
	(void)snprintf(ret_pattern, PATTERN_BYTES, "127.0.0.1:%u", ntohs(at.sin_port));
	return fd;
}

static int
dial_here(const char *address)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const unsigned port = (unsigned)atoi(strrchr(address, ':') + 1);

	at.sin_port = htons((uint16_t)port);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0, "%s", strerror(errno));
	return fd;
}

Test(net, a_connection_is_made_and_speaks_both_ways)
{
	char pattern[PATTERN_BYTES], text[64];
	struct device_completion done;
	const int listener = listen_here(SOCK_STREAM, pattern);
	uint32_t rule, handle;
	int peer;

	rule = grant(BROKER_TCP, pattern);
	side_ready(&side);
	done = ask(DEVICE_CONNECT, rule, 0, pattern);
	cr_assert_gt(done.result, 0, "%lld %s", (long long)done.result, words(&done));
	cr_assert_str_eq(words(&done), pattern);
	handle = (uint32_t)done.result;
	peer = accept(listener, NULL, NULL);
	cr_assert_eq(side_write(&side, handle, DEVICE_STREAM, "hello"), 5);
	cr_assert_eq(read(peer, text, sizeof text), 5);
	cr_assert_eq(write(peer, "yes", 3), 3);
	cr_assert_eq(side_read(&side, handle, DEVICE_STREAM, 100), 3);
	cr_assert_eq(memcmp(side.data, "yes", 3), 0);
	done = ask(DEVICE_ADDRESS, handle, DEVICE_PEER, "");
	cr_assert_str_eq(words(&done), pattern);
	done = ask(DEVICE_ADDRESS, handle, 0, "");
	cr_assert(!strncmp(words(&done), "127.0.0.1:", 10) && strcmp(words(&done), pattern));
	/* Without a path: the only one it names. */
	done = ask(DEVICE_CONNECT, rule, 0, "");
	cr_assert_gt(done.result, 0);
	cr_assert_eq(side.broker->grants[1].counts.conns, 2);
	cr_assert_eq(ask(DEVICE_CLOSE, (uint32_t)done.result, 0, "").result, 0);
	cr_assert_eq(ask(DEVICE_CLOSE, handle, 0, "").result, 0);
	cr_assert_eq(side.broker->grants[1].counts.conns, 0);
	cr_assert_eq(side.broker->grants[1].counts.conns_most, 2);
	cr_assert_eq(side.broker->grants[1].counts.conns_made, 2);
	cr_assert_eq(side.broker->grants[1].counts.conns_refused, 0);
	cr_assert_eq(read(peer, text, sizeof text), 0, "the peer hears that it was closed");
	cr_assert_eq(told.count, 0);
	(void)close(peer);
	(void)close(listener);
}

Test(net, what_the_key_does_not_allow_is_refused_in_words)
{
	char pattern[PATTERN_BYTES], other[64];
	struct device_completion done;
	const int listener = listen_here(SOCK_STREAM, pattern);
	uint32_t rule, any;

	(void)snprintf(other, sizeof other, "127.0.0.2%s", strchr(pattern, ':'));
	rule = grant(BROKER_TCP, pattern);
	any = grant(BROKER_TCP, "*:*");
	side_ready(&side);
	done = ask(DEVICE_CONNECT, rule, 0, "127.0.0.1:1");
	cr_assert_eq(done.result, -DEVICE_ECAPABILITY);
	cr_assert_eq(ask(DEVICE_CONNECT, rule, 0, other).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(told.count, 2);
	cr_assert_not_null(strstr(told.why, pattern), "%s", told.why);
	cr_assert_str_eq(told.path, other);
	done = ask(DEVICE_CONNECT, rule, 0, "localhost:80");
	cr_assert_eq(done.result, -DEVICE_ECAPABILITY);
	/* A star is not this machine. */
	done = ask(DEVICE_CONNECT, any, 0, pattern);
	cr_assert_eq(done.result, -DEVICE_ECAPABILITY);
	(void)snprintf(other, sizeof other, "127.0.0.1 is loopback; name it itself: tcp:%s", pattern);
	cr_assert_str_eq(words(&done), other);
	cr_assert_str_eq(told.why, other);
	cr_assert_eq(ask(DEVICE_CONNECT, any, 0, "localhost:80").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(ask(DEVICE_CONNECT, any, 0, "").result, -DEVICE_EINVAL);
	cr_assert_eq(ask(DEVICE_CONNECT, any, 0, "nothing").result, -DEVICE_EINVAL);
	cr_assert_eq(ask(DEVICE_CONNECT, any, 0, "127.1:80").result, -DEVICE_EINVAL);
	cr_assert_eq(ask(DEVICE_CONNECT, any, 0, "0x7f000001:80").result, -DEVICE_EINVAL);
	cr_assert_eq(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
	cr_assert_eq(accept(listener, NULL, NULL), -1, "nobody came");
	cr_assert_eq(side.broker->grants[2].counts.conns, 0);
	cr_assert_eq(side.broker->grants[1].counts.conns_refused, 3);
	cr_assert_eq(side.broker->grants[2].counts.conns_refused, 6, "what is no address, too");
	cr_assert_eq(side.broker->grants[2].counts.conns_made, 0);
	(void)close(listener);
}

Test(net, nobody_there_is_an_ordinary_error)
{
	char pattern[PATTERN_BYTES];
	const int listener = listen_here(SOCK_STREAM, pattern);
	uint32_t rule;

	(void)close(listener);
	rule = grant(BROKER_TCP, pattern);
	side_ready(&side);
	cr_assert_eq(ask(DEVICE_CONNECT, rule, 0, "").result, -DEVICE_ECONNREFUSED);
	cr_assert_eq(told.count, 0, "that is no refusal of ours");
	cr_assert_eq(side.broker->grants[1].counts.conns, 0);
}

Test(net, datagrams_go_to_the_one_address_and_nowhere_else)
{
	char pattern[PATTERN_BYTES], text[64];
	struct device_completion done;
	const int other = listen_here(SOCK_DGRAM, pattern);
	uint32_t rule, handle;

	rule = grant(BROKER_UDP, pattern);
	side_ready(&side);
	done = ask(DEVICE_CONNECT, rule, 0, pattern);
	cr_assert_gt(done.result, 0);
	handle = (uint32_t)done.result;
	cr_assert_eq(side_write(&side, handle, DEVICE_STREAM, "ping"), 4);
	cr_assert_eq(read(other, text, sizeof text), 4);
	(void)close(other);
}

Test(net, a_unix_socket_is_reached_by_the_path_of_its_key_only)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char pattern[128], other[160];
	struct device_completion done;
	const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t rule;
	int peer;

	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s/sock", side.path);
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	cr_assert_eq(listen(listener, 8), 0);
	rule = grant(BROKER_UNIX, at.sun_path);
	side_ready(&side);
	(void)snprintf(pattern, sizeof pattern, "unix:%s", at.sun_path);
	(void)snprintf(other, sizeof other, "unix:%s2", at.sun_path);
	cr_assert_eq(ask(DEVICE_CONNECT, rule, 0, other).result, -DEVICE_ECAPABILITY);
	done = ask(DEVICE_CONNECT, rule, 0, pattern);
	cr_assert_gt(done.result, 0);
	cr_assert_str_eq(words(&done), pattern);
	peer = accept(listener, NULL, NULL);
	cr_assert_eq(side_write(&side, (uint32_t)done.result, DEVICE_STREAM, "x"), 1);
	(void)close(peer);
	(void)close(listener);
}

Test(net, connections_are_accepted)
{
	char address[DEVICE_ADDRESS_BYTES], text[16];
	struct device_completion done;
	struct sockaddr_in at;
	socklen_t bytes = sizeof at;
	uint32_t listener, handle;
	uint64_t waits;
	int peer;

	listener = grant_listener("127.0.0.1:0", 0, address);
	side_ready(&side);
	cr_assert_eq(ask(DEVICE_ACCEPT, listener, DEVICE_NONBLOCK, "").result, -DEVICE_EAGAIN);
	done = ask(DEVICE_ADDRESS, listener, 0, "");
	cr_assert_str_eq(words(&done), address);
	/* One that waits, until somebody comes. */
	waits = side_submit(&side, (struct device_request){.op = DEVICE_ACCEPT, .handle = listener});
	for (int i = 0; i < 3; i++)
		cr_assert_not(side.device->reap(side.device, false, &done));
	peer = dial_here(address);
	done = side_wait(&side, waits);
	cr_assert_gt(done.result, 0);
	cr_assert_eq(getsockname(peer, (struct sockaddr *)&at, &bytes), 0);
	(void)snprintf(text, sizeof text, ":%u", ntohs(at.sin_port));
	cr_assert_not_null(strstr(words(&done), text));
	handle = (uint32_t)done.result;
	cr_assert_eq(write(peer, "abc", 3), 3);
	cr_assert_eq(side_read(&side, handle, DEVICE_STREAM, 10), 3);
	/* No slot of a listener is read, written or shut. */
	cr_assert_eq(side_read(&side, listener, DEVICE_STREAM, 1), -DEVICE_ENOTSUP);
	cr_assert_eq(side_write(&side, listener, DEVICE_STREAM, "x"), -DEVICE_ENOTSUP);
	cr_assert_eq(ask(DEVICE_SHUTDOWN, listener, DEVICE_SHUT_READ, "").result, -DEVICE_ENOTSUP);
	cr_assert_eq(ask(DEVICE_SHUTDOWN, handle, DEVICE_SHUT_WRITE, "").result, 0);
	cr_assert_eq(read(peer, text, sizeof text), 0);
	(void)close(peer);
}

Test(net, a_wait_for_a_connection_is_cancelled_closed_and_cut)
{
	char address[DEVICE_ADDRESS_BYTES];
	struct device_completion done;
	uint32_t listener, second;
	uint64_t id;

	listener = grant_listener("127.0.0.1:0", 0, address);
	second = grant_listener("127.0.0.1:0", 0, address);
	side_ready(&side);
	id = side_submit(&side, (struct device_request){.op = DEVICE_ACCEPT, .handle = listener});
	cr_assert_not(side.device->reap(side.device, false, &done));
	side.device->cancel(side.device, id);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	id = side_submit(&side, (struct device_request){.op = DEVICE_ACCEPT, .handle = listener});
	cr_assert_not(side.device->reap(side.device, false, &done));
	cr_assert_eq(broker_revoke(side.broker, 2), 0);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	cr_assert_eq(ask(DEVICE_ACCEPT, listener, 0, "").result, -DEVICE_EREVOKED);
	cr_assert_eq(ask(DEVICE_CLOSE, listener, 0, "").result, 0);
	cr_assert_eq(ask(DEVICE_ACCEPT, second, DEVICE_NONBLOCK, "").result, -DEVICE_EAGAIN);
}

Test(net, a_cut_ends_what_was_connected_and_accepted)
{
	char address[DEVICE_ADDRESS_BYTES], pattern[PATTERN_BYTES], text[8];
	struct device_completion done;
	const int other = listen_here(SOCK_STREAM, pattern);
	uint32_t listener, rule, made, taken;
	uint64_t id;
	int dialled, peer;

	rule = grant(BROKER_TCP, pattern);
	listener = grant_listener("127.0.0.1:0", 0, address);
	side_ready(&side);
	made = (uint32_t)ask(DEVICE_CONNECT, rule, 0, "").result;
	peer = accept(other, NULL, NULL);
	dialled = dial_here(address);
	taken = (uint32_t)ask(DEVICE_ACCEPT, listener, 0, "").result;
	id = side_submit(&side, (struct device_request){
					.op = DEVICE_READ, .handle = made, .offset = DEVICE_STREAM, .bytes = 10});
	cr_assert_not(side.device->reap(side.device, false, &done));
	cr_assert_eq(broker_revoke(side.broker, 2), 0);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	cr_assert_eq(read(peer, text, 1), 0, "it is closed at the other end");
	cr_assert_eq(side_write(&side, made, DEVICE_STREAM, "x"), -DEVICE_EREVOKED);
	cr_assert_eq(ask(DEVICE_CONNECT, rule, 0, "").result, -DEVICE_EREVOKED);
	cr_assert_eq(side_write(&side, taken, DEVICE_STREAM, "x"), 1, "the other key lives");
	cr_assert_eq(broker_revoke(side.broker, 3), 0);
	cr_assert_eq(read(dialled, text, 8), 1);
	cr_assert_leq(read(dialled, text, 8), 0);
	cr_assert_eq(side.broker->grants[1].counts.conns + side.broker->grants[2].counts.conns, 0);
	(void)close(peer);
	(void)close(dialled);
	(void)close(other);
}

Test(net, connections_at_once_are_bounded)
{
	char address[DEVICE_ADDRESS_BYTES], pattern[PATTERN_BYTES];
	const int other = listen_here(SOCK_STREAM, pattern);
	uint32_t listener, rule, made[2];
	int peers[2];

	rule = grant_some(&(struct broker_address){
		.kind = BROKER_TCP, .pattern = pattern, .conns_max = 2});
	listener = grant_listener("127.0.0.1:0", 1, address);
	side_ready(&side);
	for (int i = 0; i < 2; i++)
		made[i] = (uint32_t)ask(DEVICE_CONNECT, rule, 0, "").result;
	cr_assert_eq(ask(DEVICE_CONNECT, rule, 0, "").result, -DEVICE_EMFILE);
	cr_assert_eq(told.count, 1);
	cr_assert_not_null(strstr(told.why, "conns=2"));
	cr_assert_eq(ask(DEVICE_CLOSE, made[0], 0, "").result, 0);
	cr_assert_gt(ask(DEVICE_CONNECT, rule, 0, "").result, 0);
	for (int i = 0; i < 2; i++)
		peers[i] = dial_here(address);
	cr_assert_gt(ask(DEVICE_ACCEPT, listener, 0, "").result, 0);
	cr_assert_eq(ask(DEVICE_ACCEPT, listener, 0, "").result, -DEVICE_EMFILE);
	cr_assert_eq(ask(DEVICE_ACCEPT, listener, DEVICE_NONBLOCK, "").result, -DEVICE_EMFILE);
	for (int i = 0; i < 2; i++)
		(void)close(peers[i]);
	(void)close(other);
}

Test(net, polls_see_listeners_and_connections)
{
	char address[DEVICE_ADDRESS_BYTES];
	struct device_poll polls[2];
	struct device_completion done;
	const uint32_t listener = grant_listener("127.0.0.1:0", 0, address);
	const uint32_t rule = grant(BROKER_TCP, "*:*");
	int peer;

	side_ready(&side);
	polls[0] = (struct device_poll){.handle = listener, .want = 1};
	polls[1] = (struct device_poll){.handle = rule, .want = 1};
	done = side_go(&side, (struct device_request){.op = DEVICE_POLL,
				      .data = (const uint8_t *)polls,
				      .data_bytes = sizeof *polls});
	cr_assert_eq(done.result, 0, "nobody is there");
	peer = dial_here(address);
	done = side_go(&side, (struct device_request){.op = DEVICE_POLL,
				      .data = (const uint8_t *)polls,
				      .data_bytes = sizeof *polls,
				      .timeout_ns = DEVICE_FOREVER});
	cr_assert_eq(done.result, 1);
	done = side_go(&side, (struct device_request){.op = DEVICE_POLL,
				      .data = (const uint8_t *)polls,
				      .data_bytes = sizeof polls,
				      .timeout_ns = DEVICE_FOREVER});
	memcpy(polls, side.data, sizeof polls);
	cr_assert_eq(polls[1].ready, 4, "a rule is nothing to wait for");
	(void)close(peer);
}

Test(net, a_rule_is_narrowed_and_never_widened)
{
	char pattern[PATTERN_BYTES];
	struct device_completion done;
	const int other = listen_here(SOCK_STREAM, pattern);
	const uint32_t rule = grant(BROKER_TCP, "127.0.0.0/8:1-65535");
	const uint32_t any = grant(BROKER_TCP, "*:*");
	uint32_t narrow;

	side_ready(&side);
	done = ask(DEVICE_NARROW, rule, 0, pattern);
	cr_assert_gt(done.result, 0);
	narrow = (uint32_t)done.result;
	cr_assert_eq(ask(DEVICE_NARROW, narrow, 0, "127.0.0.0/8:*").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(ask(DEVICE_NARROW, narrow, 0, "127.0.0.1:*").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(ask(DEVICE_NARROW, narrow, 0, "what is this").result, -DEVICE_EINVAL);
	cr_assert_eq(ask(DEVICE_NARROW, any, 0, pattern).result, -DEVICE_ECAPABILITY,
		"a star does not name loopback");
	cr_assert_eq(ask(DEVICE_NARROW, any, 0, "localhost:80").result, -DEVICE_ECAPABILITY);
	cr_assert_gt(ask(DEVICE_NARROW, any, 0, "example.com:443").result, 0);
	cr_assert_eq(ask(DEVICE_CONNECT, narrow, 0, "127.0.0.2:1").result, -DEVICE_ECAPABILITY);
	cr_assert_gt(ask(DEVICE_CONNECT, narrow, 0, "").result, 0);
	cr_assert_eq(ask(DEVICE_NARROW, side.dir, 0, pattern).result, -DEVICE_ENOTSUP);
	(void)close(other);
}

Test(net, a_name_that_is_pinned_needs_no_name_server)
{
	char address[PATTERN_BYTES], pattern[64];
	struct device_completion done;
	const int other = listen_here(SOCK_STREAM, address);
	uint32_t rule, resolver;

	(void)snprintf(pattern, sizeof pattern, "db.example.com%s", strchr(address, ':'));
	cr_assert_eq(broker_pin(side.broker, "DB.example.com.=127.0.0.1", &side.report), 0);
	cr_assert_eq(broker_pin(side.broker, "x=169.254.169.254", &side.report), -EINVAL);
	report_clear(&side.report);
	rule = grant(BROKER_TCP, pattern);
	resolver = grant(BROKER_RESOLVE, "*.example.com");
	side_ready(&side);
	cr_assert_gt(ask(DEVICE_CONNECT, rule, 0, "").result, 0);
	(void)snprintf(pattern, sizeof pattern, "Db.Example.COM.%s", strchr(address, ':'));
	cr_assert_gt(ask(DEVICE_CONNECT, rule, 0, pattern).result, 0);
	done = ask(DEVICE_RESOLVE, resolver, 0, "db.example.com");
	cr_assert_eq(done.result, 1);
	cr_assert_str_eq(words(&done), "127.0.0.1\n");
	/* Who resolves first and connects to the address may. */
	cr_assert_gt(ask(DEVICE_CONNECT, rule, 0, address).result, 0);
	cr_assert_eq(ask(DEVICE_RESOLVE, resolver, 0, "example.org").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(ask(DEVICE_CONNECT, resolver, 0, address).result, -DEVICE_ENOTSUP);
	(void)close(other);
}

Test(net, a_deadline_is_a_cut)
{
	char address[DEVICE_ADDRESS_BYTES];
	const uint32_t listener = grant_listener("127.0.0.1:0", 0, address);
	uint64_t id;

	side_ready(&side);
	cr_assert_eq(broker_expire(side.broker, 2, broker_now_ns() + 50000000), 0);
	id = side_submit(&side, (struct device_request){.op = DEVICE_ACCEPT, .handle = listener});
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	cr_assert_eq(broker_expire(side.broker, 2, 1), -ENOENT);
	cr_assert(side.broker->grants[1].cut);
}
