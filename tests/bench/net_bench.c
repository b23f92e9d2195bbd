/* SPDX-License-Identifier: Apache-2.0 */
/* net_bench.c - opens and connections per second through the broker, against the
 * same done by this process itself. By turns; medians. Broker, worker and the
 * peer that accepts are processes of their own, as they are in a run.
 *
 * usage: net_bench [COUNT [ROUNDS]] */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/client.h"
#include "tests/bench/median.h"

enum { ROUNDS_MAX = 101, AT_ONCE = 32 };

static struct broker *broker;
static struct sockaddr_in peer = {.sin_family = AF_INET};
static char pattern[64];
static uint32_t rule, dir;
static int dir_fd;

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "net_bench: %s: %s\n", what, why);
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Who accepts, and closes when the other side has. */
static pid_t
peer_begin(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t bytes = sizeof peer;
	pid_t pid;

	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&peer, sizeof peer) || listen(fd, 4096) ||
		getsockname(fd, (struct sockaddr *)&peer, &bytes))
		fail("peer", "cannot listen");
	pid = fork();
	if (!pid)
		for (;;)
			(void)close(accept(fd, NULL, NULL));
	(void)close(fd);
	(void)snprintf(pattern, sizeof pattern, "127.0.0.1:%u", ntohs(peer.sin_port));
	return pid;
}

/* --- by this process itself ------------------------------------------------------------ */

/* A reset instead of a wait: no port is kept. */
static void
connect_close(void)
{
	const struct linger reset = {.l_onoff = 1};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&peer, sizeof peer))
		fail("connect", "failed");
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	(void)close(fd);
}

static void
open_close(void)
{
	const int fd = openat(dir_fd, "f", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("openat", "failed");
	(void)close(fd);
}

static double
native(void (*once)(void), uint32_t count)
{
	const uint64_t start = now_ns();

	for (uint32_t i = 0; i < count; i++)
		once();
	return count * 1e9 / (double)(now_ns() - start);
}

/* --- through the broker ------------------------------------------------------------------ */

/* `at_once` in flight; each result is closed. */
static double
brokered(struct device *device, enum device_op op, uint32_t count, uint32_t at_once)
{
	const bool opens = op == DEVICE_OPEN;
	const struct device_request request = {.op = op,
		.handle = opens ? dir : rule,
		.flags = opens ? DEVICE_FOR_READ : 0,
		.path = opens ? "f" : pattern,
		.path_bytes = opens ? 1 : (uint32_t)strlen(pattern)};
	struct device_request next = request;
	static uint64_t id;
	uint32_t sent = 0, closed = 0, flying = 0;
	const uint64_t start = now_ns();

	while (closed < count) {
		struct device_completion done;

		while (sent < count && flying < at_once) {
			next.id = ++id << 1;
			if (device->submit(device, &next))
				break;
			sent++, flying++;
		}
		if (!device->reap(device, true, &done))
			continue;
		if (done.id & 1) {
			closed++, flying--;
		} else {
			const struct device_request close = {
				.op = DEVICE_CLOSE, .handle = (uint32_t)done.result, .id = done.id | 1};

			if (done.result <= 0)
				fail(opens ? "DEVICE_OPEN" : "DEVICE_CONNECT", "failed");
			if (done.data_bytes)
				device->done(device, done.id);
			while (device->submit(device, &close))
				;
		}
	}
	return count * 1e9 / (double)(now_ns() - start);
}

static void
measure(struct device *device, const char *name, enum device_op op, void (*once)(void),
	uint32_t count, int rounds)
{
	static double itself[ROUNDS_MAX], one[ROUNDS_MAX], many[ROUNDS_MAX];
	double all, single, several;

	for (int i = 0; i < rounds; i++) {
		itself[i] = native(once, count);
		one[i] = brokered(device, op, count, 1);
		many[i] = brokered(device, op, count, AT_ONCE);
	}
	all = median(itself, rounds);
	single = median(one, rounds);
	several = median(many, rounds);
	printf("%s native %.0f broker %.0f broker%d %.0f ratio %.3f ratio%d %.3f\n", name, all, single,
		AT_ONCE, several, single / all, AT_ONCE, several / all);
	(void)fflush(stdout);
}

static int
worker(uint32_t count, int rounds)
{
	struct client *client;
	struct report report;

	report_clear(&report);
	if (client_open(broker->ring_fd, broker->shared_fd, &report, &client) ||
		client_enable(client, &report))
		fail("worker", report.text);
	measure(client_device(client), "opens", DEVICE_OPEN, open_close, count, rounds);
	measure(client_device(client), "connects", DEVICE_CONNECT, connect_close, count, rounds);
	return 0;
}

int
main(int argc, char **argv)
{
	const uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1000;
	const int rounds = argc > 2 ? atoi(argv[2]) : 7;
	const struct broker_config config = {.handles_max = 1024};
	const struct broker_address address = {.kind = BROKER_TCP, .pattern = pattern};
	char path[] = "/tmp/keyhold-net.XXXXXX", command[64];
	struct broker_grant granted;
	struct report report;
	pid_t other, pid;
	int status = 0, file;

	if (!count || rounds < 1 || rounds > ROUNDS_MAX)
		fail("usage", "net_bench [COUNT [ROUNDS]]");
	report_clear(&report);
	other = peer_begin();
	if (!mkdtemp(path))
		fail(path, "cannot be made");
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(dir_fd, "f", O_CREAT | O_WRONLY, 0600);
	(void)close(file);
	if (broker_new(&config, &report, &broker) ||
		broker_grant_dir(broker, dup(dir_fd), BROKER_READ, &report, &granted))
		fail("broker", report.text);
	dir = granted.handle;
	if (broker_grant_address(broker, &address, &report, &granted))
		fail("rule", report.text);
	rule = granted.handle;
	if (shared_make(broker, &report))
		fail("broker", report.text);
	pid = fork();
	if (!pid)
		_exit(worker(count, rounds));
	while (!waitpid(pid, &status, WNOHANG))
		(void)broker_turn(broker, 50);
	(void)kill(other, SIGKILL);
	(void)snprintf(command, sizeof command, "rm -rf %s", path);
	(void)!system(command);
	broker_free(broker);
	return status != 0;
}
