/* SPDX-License-Identifier: Apache-2.0 */
/* Names that lead elsewhere the second time. In a network of its own a toy name
 * server answers what each step says; whoever must not be reached counts. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/broker/net.h"
#include "tests/drivers/side.h"

#define PUBLIC "93.184.215.14"
#define OTHER "93.184.215.15" /* there, but nobody listens */
#define METADATA "169.254.169.254"

enum { PORT = 8080, DNS_PORT = 5300, ANSWERS_MAX = 8 };

static struct side side;

/* Shared with the name server. */
static struct script {
	_Atomic int silent;
	_Atomic uint32_t queries;
	char answers[ANSWERS_MAX][48]; /* addresses; those with a colon are AAAA */
	_Atomic uint32_t count;
	char last[256]; /* the name that was asked for last */
} *script;

static pid_t server;

static struct {
	const char *at;
	int stream, datagram;
} others[] = {{"127.0.0.1", -1, -1}, {METADATA, -1, -1}, {PUBLIC, -1, -1}};

static struct {
	uint32_t count;
	char why[WIRE_WORDS_BYTES];
} told;

static void
on_refused(void *user, uint32_t grant_id, enum device_op op, const char *path, size_t path_bytes,
	enum device_error error, const char *why)
{
	(void)user, (void)grant_id, (void)op, (void)path, (void)path_bytes, (void)error;
	told.count++;
	(void)snprintf(told.why, sizeof told.why, "%s", why ? why : "");
}

static const struct broker_hooks hooks = {.refused = on_refused};

/* --- the name server ---------------------------------------------------------------- */

/* Reads the question's name; where it ends. */
static size_t
question(const uint8_t *at, size_t bytes, char *name)
{
	size_t i = 12, to = 0;

	while (i < bytes && at[i]) {
		if (to)
			name[to++] = '.';
		for (uint8_t n = at[i++]; n && i < bytes && to < 250; n--)
			name[to++] = (char)at[i++];
	}
	name[to] = '\0';
	return i + 1;
}

static size_t
answer(uint8_t *at, size_t bytes)
{
	char name[256];
	const size_t end = question(at, bytes, name);
	const uint16_t type = (uint16_t)(at[end] << 8 | at[end + 1]);
	size_t to = end + 4;

	script->queries++;
	memcpy(script->last, name, sizeof name);
	at[2] = 0x81;
	at[3] = 0x80;
	memset(at + 6, 0, 6); /* answers, authorities, additions */
	for (uint32_t i = 0; i < script->count; i++) {
		const bool six = strchr(script->answers[i], ':') != NULL;

		if (type != (six ? 28 : 1))
			continue;
		at[7]++;
		memcpy(at + to, (const uint8_t[]){0xc0, 12, 0, six ? 28 : 1, 0, 1, 0, 0, 0, 0, 0,
					 six ? 16 : 4},
			12);
		to += 12;
		(void)inet_pton(six ? AF_INET6 : AF_INET, script->answers[i], at + to);
		to += six ? 16 : 4;
	}
	return to;
}

static void
serve_names(int fd)
{
	uint8_t message[1500];
	struct sockaddr_in from;

	for (;;) {
		socklen_t bytes = sizeof from;
		const ssize_t got =
			recvfrom(fd, message, 512, 0, (struct sockaddr *)&from, &bytes);

		if (got >= 17 && !script->silent)
			(void)sendto(fd, message, answer(message, (size_t)got), 0,
				(struct sockaddr *)&from, bytes);
	}
}

static int
open_at(const char *address, int type, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, address, &at.sin_addr);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0, "%s: %s", address,
		strerror(errno));
	if (type == SOCK_STREAM)
		cr_assert_eq(listen(fd, 16), 0);
	return fd;
}

/* --- a network of its own ------------------------------------------------------------- */

static bool
address_add(int fd, const char *name, const char *address)
{
	struct ifreq request;
	struct sockaddr_in *at = (struct sockaddr_in *)(void *)&request.ifr_addr;

	memset(&request, 0, sizeof request);
	(void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (address) {
		at->sin_family = AF_INET;
		(void)inet_pton(AF_INET, address, &at->sin_addr);
		return ioctl(fd, SIOCSIFADDR, &request) == 0;
	}
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static bool
network_of_its_own(void)
{
	bool done;
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	done = address_add(fd, "lo", NULL) && address_add(fd, "lo:1", PUBLIC) &&
	       address_add(fd, "lo:2", METADATA) && address_add(fd, "lo:3", OTHER);
	(void)close(fd);
	return done;
}

static void
begin(void)
{
	char servers[64];
	int fd;

	if (!network_of_its_own())
		cr_skip_test("%sno network namespace can be made here: %s",
			geteuid() ? "not root, and " : "", strerror(errno));
	script = mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = open_at("127.0.0.1", SOCK_DGRAM, DNS_PORT);
	server = fork();
	if (!server)
		serve_names(fd);
	(void)close(fd);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		others[i].stream = open_at(others[i].at, SOCK_STREAM, PORT);
		others[i].datagram = open_at(others[i].at, SOCK_DGRAM, PORT);
	}
	side_begin(&side);
	side.broker->hooks = &hooks;
	(void)snprintf(servers, sizeof servers, "127.0.0.1:%d", DNS_PORT);
	cr_assert_eq(broker_name_servers(side.broker, servers, &side.report), 0);
}

static void
finish(void)
{
	if (!side.broker)
		return;
	side_close(&side);
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
}

TestSuite(names, .init = begin, .fini = finish, .timeout = 120);

static uint32_t
grant(enum broker_net kind, const char *pattern, bool allow_private)
{
	const struct broker_address address = {
		.kind = kind, .pattern = pattern, .allow_private = allow_private};
	struct broker_grant made;

	cr_assert_eq(broker_grant_address(side.broker, &address, &side.report, &made), 0, "%s",
		side.report.text);
	return made.handle;
}

static void
says(const char *first, const char *second)
{
	script->count = 0;
	(void)strcpy(script->answers[0], first);
	if (second)
		(void)strcpy(script->answers[1], second);
	script->count = second ? 2 : *first != '\0';
}

static uint64_t
submit(enum device_op op, uint32_t handle, const char *path)
{
	return side_submit(&side, (struct device_request){.op = op,
					  .handle = handle,
					  .path = path,
					  .bytes = op == DEVICE_RESOLVE ? 4096 : 0,
					  .path_bytes = (uint32_t)strlen(path)});
}

static int64_t
dial(uint32_t handle, const char *path)
{
	const struct device_completion done = side_wait(&side, submit(DEVICE_CONNECT, handle, path));

	side.data[done.data_bytes] = '\0';
	return done.result;
}

/* How many came to that address: connections and datagrams. */
static uint32_t
came(size_t i)
{
	uint32_t count = 0;
	char data[16];
	int fd;

	(void)fcntl(others[i].stream, F_SETFL, O_NONBLOCK);
	while ((fd = accept(others[i].stream, NULL, NULL)) >= 0) {
		(void)close(fd);
		count++;
	}
	while (recv(others[i].datagram, data, sizeof data, MSG_DONTWAIT) >= 0)
		count++;
	return count;
}

Test(names, what_was_public_is_loopback_the_second_time)
{
	static const struct {
		const char *address, *is, *name; /* name: what a key could say; NULL: none can */
	} turns[] = {
		{"127.0.0.1", "127.0.0.1, which is loopback", "127.0.0.1:8080"},
		{METADATA, "169.254.169.254, which is the metadata service of clouds", NULL},
		{"::ffff:127.0.0.1", "127.0.0.1, which is loopback", "127.0.0.1:8080"},
		{"::1", "::1, which is loopback", "[::1]:8080"},
		{"::ffff:169.254.169.254",
			"169.254.169.254, which is the metadata service of clouds", NULL},
		{"64:ff9b::7f00:1", "64:ff9b::7f00:1, which is loopback", "[64:ff9b::7f00:1]:8080"},
		{"0.0.0.0", "0.0.0.0, which is \"this network\" (RFC 791)", "0.0.0.0:8080"},
		{"10.1.2.3", "10.1.2.3, which is private (RFC 1918)", "10.1.2.3:8080"},
		{"fe80::1", "fe80::1, which is link-local", "[fe80::1]:8080"},
	};
	static const struct {
		enum broker_net kind;
		const char *text;
	} kinds[] = {{BROKER_TCP, "tcp"}, {BROKER_UDP, "udp"}};
	char why[WIRE_WORDS_BYTES + 64];
	uint32_t rules[2][2], refused = 0;

	for (int k = 0; k < 2; k++) {
		rules[k][0] = grant(kinds[k].kind, "rebind.example.com:8080", false);
		rules[k][1] = grant(kinds[k].kind, "*:*", false);
	}
	side_ready(&side);
	for (int k = 0; k < 2; k++)
		for (int r = 0; r < 2; r++) {
			int64_t handle;

			says(PUBLIC, NULL);
			handle = dial(rules[k][r], "rebind.example.com:8080");
			cr_assert_gt(handle, 0, "%lld %s", (long long)handle, (char *)side.data);
			cr_assert_str_eq((char *)side.data, PUBLIC ":8080");
			cr_assert_eq(side_write(&side, (uint32_t)handle, DEVICE_STREAM, "x"), 1);
			for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
				says(turns[i].address, NULL);
				cr_assert_eq(dial(rules[k][r], "rebind.example.com:8080"),
					-DEVICE_ECAPABILITY, "%s", turns[i].address);
				cr_assert_eq(told.count, ++refused);
				(void)snprintf(why, sizeof why, "it resolves to %s%s%s%s%s", turns[i].is,
					turns[i].name ? "; name it itself: " : ", which no key opens",
					turns[i].name ? kinds[k].text : "", turns[i].name ? ":" : "",
					turns[i].name ? turns[i].name : "");
				cr_assert_str_eq(told.why, why);
				cr_assert_str_eq((char *)side.data, why, "the guest may know why, too");
			}
		}
	cr_assert_eq(came(0), 0, "loopback");
	cr_assert_eq(came(1), 0, "metadata");
	cr_assert_eq(came(2), 4, "two connections and two datagrams");
	cr_assert_eq(side.broker->grants[0].counts.denied, sizeof turns / sizeof turns[0]);
}

Test(names, of_several_addresses_those_that_may_be_reached_are_tried)
{
	const uint32_t rule = grant(BROKER_TCP, "mixed.example.com:8080", false);

	side_ready(&side);
	says("127.0.0.1", PUBLIC);
	cr_assert_gt(dial(rule, ""), 0);
	cr_assert_str_eq((char *)side.data, PUBLIC ":8080");
	cr_assert_eq(told.count, 1, "the other one is told");
	says(OTHER, PUBLIC); /* the first refuses, so the second is taken */
	cr_assert_gt(dial(rule, ""), 0);
	says("198.41.0.4", PUBLIC); /* the first has no route */
	cr_assert_gt(dial(rule, ""), 0);
	says(OTHER, NULL);
	cr_assert_eq(dial(rule, ""), -DEVICE_ECONNREFUSED);
	cr_assert_eq(came(0), 0);
	cr_assert_eq(came(2), 3);
}

Test(names, with_leave_a_name_may_be_private_but_never_metadata)
{
	const uint32_t rule = grant(BROKER_TCP, "inside.example.com:8080", true);

	side_ready(&side);
	says("127.0.0.1", NULL);
	cr_assert_gt(dial(rule, ""), 0);
	says(METADATA, NULL);
	cr_assert_eq(dial(rule, ""), -DEVICE_ECAPABILITY);
	cr_assert_eq(came(0), 1);
	cr_assert_eq(came(1), 0);
}

Test(names, no_name_that_no_key_allows_is_asked_for)
{
	const uint32_t rule = grant(BROKER_TCP, "*.example.com:8080", false);
	const uint32_t range = grant(BROKER_TCP, "93.184.215.0/24:*", false);
	const uint32_t resolver = grant(BROKER_RESOLVE, "example.org", false);
	char text[64];
	uint32_t asked;

	side_ready(&side);
	says(PUBLIC, NULL);
	cr_assert_eq(dial(rule, "secret.example.net:8080"), -DEVICE_ECAPABILITY);
	cr_assert_eq(dial(rule, "example.com:8080"), -DEVICE_ECAPABILITY, "it is not below itself");
	cr_assert_eq(dial(rule, "a.example.com:8081"), -DEVICE_ECAPABILITY, "the port is wrong");
	cr_assert_eq(dial(range, "secret.example.net:8080"), -DEVICE_ECAPABILITY);
	cr_assert_eq(side_wait(&side, submit(DEVICE_RESOLVE, resolver, "secret.example.net")).result,
		-DEVICE_ECAPABILITY);
	cr_assert_eq(dial(rule, "localhost:8080"), -DEVICE_ECAPABILITY);
	cr_assert_eq(script->queries, 0);
	/* An address is let in once a name of the key was resolved to it. */
	cr_assert_eq(dial(rule, PUBLIC ":8080"), -DEVICE_ECAPABILITY);
	cr_assert_gt(dial(rule, "a.example.com:8080"), 0);
	cr_assert_str_eq(script->last, "a.example.com");
	asked = script->queries;
	cr_assert_gt(dial(rule, PUBLIC ":8080"), 0);
	cr_assert_gt(dial(range, PUBLIC ":8080"), 0);
	cr_assert_eq(script->queries, asked);
	/* And a resolver tells what it was told. */
	says(PUBLIC, "2001:4860:4860::8888");
	cr_assert_eq(side_wait(&side, submit(DEVICE_RESOLVE, resolver, "")).result, 2);
	memcpy(text, side.data, sizeof text);
	cr_assert_not_null(strstr(text, PUBLIC "\n"));
	cr_assert_not_null(strstr(text, "2001:4860:4860::8888\n"));
}

Test(names, a_name_server_that_says_nothing_holds_nobody_up)
{
	const uint32_t rule = grant(BROKER_TCP, "slow.example.com:8080", false);
	const uint32_t second = grant(BROKER_TCP, "slow.example.com:8080", false);
	const uint32_t third = grant(BROKER_TCP, "*:*", false);
	uint64_t id, other;

	side_grant_dir(&side, BROKER_READ);
	side_file(&side, "f", "text");
	side_ready(&side);
	script->silent = 1;
	id = submit(DEVICE_CONNECT, rule, "");
	side_move(&side);
	cr_assert_gt(side_wait(&side, side_submit(&side, (struct device_request){.op = DEVICE_OPEN,
						.handle = side.dir,
						.flags = DEVICE_FOR_READ,
						.path = "f",
						.path_bytes = 1}))
			     .result,
		0, "files go on");
	side.device->cancel(side.device, id);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	/* One whose key is cut, one whose rule is closed, one that waits too long. */
	id = submit(DEVICE_CONNECT, second, "");
	side.device->reap(side.device, false, &(struct device_completion){0});
	side_move(&side);
	cr_assert_eq(broker_revoke(side.broker, 2), 0);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	id = submit(DEVICE_CONNECT, third, "slow.example.com:80");
	side.device->reap(side.device, false, &(struct device_completion){0});
	side_move(&side);
	other = side_submit(&side, (struct device_request){.op = DEVICE_CLOSE, .handle = third});
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	cr_assert_eq(side_wait(&side, other).result, 0);
	side.broker->net->limit_ms = 200;
	cr_assert_eq(dial(rule, ""), -DEVICE_ETIMEDOUT);
	cr_assert_eq(side.broker->grants[0].counts.conns, 0);
	script->silent = 0;
	says("", NULL);
	side.broker->net->limit_ms = 5000;
	cr_assert_eq(dial(rule, ""), -DEVICE_ENONAME, "a name without an address");
}
