/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - the other end of tests/net/server.c, and what makes its life hard.
 *
 * usage: client PORT WHAT ...
 *   echo CONNS SECONDS BYTES   as many round trips as go; prints rounds a second
 *   hold CONNS                 opens all, then one round trip over each; prints seconds
 *   slow SLOW FAST SECONDS     SLOW send a byte a second, FAST go round and round:
 *                              prints p50 and p99 of the fast, microseconds
 *   sink BYTES, source BYTES   prints MB a second
 *   reset                      sends much and resets; then one round trip elsewhere
 *   never                      one that never reads while it sends; round trips elsewhere
 * Exit 0: all that came was what was sent. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BYTES_MAX = 64 << 10, SAMPLES_MAX = 4 << 20, WAIT_SECONDS = 15 };

struct conn {
	int fd;
	double sent;
	uint32_t got;
};

static uint16_t port;
static char out[BYTES_MAX], in[BYTES_MAX];

static double
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
dial(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct timeval limit = {.tv_sec = WAIT_SECONDS};
	const double until = now() + WAIT_SECONDS;
	const int on = 1;
	int fd;

	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			fail("socket");
		if (!connect(fd, (const struct sockaddr *)&address, sizeof address))
			break;
		if (now() > until)
			fail("connect");
		close(fd);
		usleep(20000); /* the server begins, or its queue is full */
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return fd;
}

static void
put(int fd, const void *bytes, size_t count)
{
	for (size_t at = 0; at < count;) {
		const ssize_t sent = send(fd, (const char *)bytes + at, count - at, MSG_NOSIGNAL);

		if (sent <= 0)
			fail("send");
		at += (size_t)sent;
	}
}

static void
get(int fd, void *bytes, size_t count)
{
	for (size_t at = 0; at < count;) {
		const ssize_t got = recv(fd, (char *)bytes + at, count - at, 0);

		if (got <= 0)
			fail("recv");
		at += (size_t)got;
	}
}

static void
round_trip(int fd, uint32_t bytes)
{
	put(fd, out, bytes);
	get(fd, in, bytes);
	if (memcmp(in, out, bytes))
		fail("other bytes came back");
}

static int
compare(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void
watch(int epoll, struct conn *conn)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

	conn->fd = dial();
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, conn->fd, &event))
		fail("epoll_ctl");
}

/* Round trips over all of `conns` for so long; their times in `samples`; how many. */
static uint64_t
rounds(struct conn *conns, int count, int slow, double seconds, uint32_t bytes, float *samples)
{
	const int epoll = epoll_create1(0);
	const double begin = now();
	struct epoll_event events[256];
	struct conn *drips = calloc((size_t)slow + 1, sizeof *drips);
	double drip = begin;
	uint64_t done = 0;
	int next = 0;

	for (int i = 0; i < count; i++)
		watch(epoll, &conns[i]);
	for (int i = 0; i < slow; i++)
		drips[i].fd = dial();
	const double start = now();

	drip = start;
	for (int i = 0; i < count; i++) {
		conns[i].sent = now();
		put(conns[i].fd, out, bytes);
	}
	while (now() < start + seconds) {
		const int ready = epoll_wait(epoll, events, 256, 5);

		for (; slow && now() > drip; drip += 1.0 / slow) {
			put(drips[next].fd, "x", 1);
			(void)recv(drips[next].fd, in, sizeof in, MSG_DONTWAIT);
			next = (next + 1) % slow;
		}
		for (int i = 0; i < ready; i++) {
			struct conn *conn = events[i].data.ptr;
			const ssize_t got = recv(conn->fd, in, bytes - conn->got, 0);

			if (got <= 0)
				fail("recv");
			conn->got += (uint32_t)got;
			if (conn->got < bytes)
				continue;
			if (done < SAMPLES_MAX)
				samples[done] = (float)(now() - conn->sent);
			done++;
			conn->got = 0;
			conn->sent = now();
			put(conn->fd, out, bytes);
		}
	}
	qsort(samples, done < SAMPLES_MAX ? done : SAMPLES_MAX, sizeof *samples, compare);
	return done;
}

static void
echo(int count, int slow, double seconds, uint32_t bytes)
{
	struct conn *conns = calloc((size_t)count, sizeof *conns);
	float *samples = malloc(SAMPLES_MAX * sizeof *samples);
	const uint64_t done = rounds(conns, count, slow, seconds, bytes, samples);
	const uint64_t kept = done < SAMPLES_MAX ? done : SAMPLES_MAX;

	if (!kept)
		fail("no round trip");
	printf("%.0f a second, p50 %.0f us, p99 %.0f us\n", (double)done / seconds,
		(double)samples[kept / 2] * 1e6, (double)samples[kept * 99 / 100] * 1e6);
}

static void
hold(int count)
{
	int *fds = calloc((size_t)count, sizeof *fds);
	double begin = now(), opened;

	for (int i = 0; i < count; i++)
		fds[i] = dial();
	opened = now() - begin;
	round_trip(fds[count - 1], 1); /* all before it are accepted then */
	begin = now();
	for (int i = 0; i < count; i++)
		put(fds[i], out, 16);
	for (int i = 0; i < count; i++) {
		get(fds[i], in, 16);
		if (memcmp(in, out, 16))
			fail("other bytes came back");
	}
	printf("%d open in %.2f s, a round trip over each in %.2f s\n", count, opened, now() - begin);
}

static void
sink(uint64_t bytes)
{
	const int fd = dial();
	const double begin = now();
	uint64_t told;

	for (uint64_t at = 0; at < bytes; at += BYTES_MAX)
		put(fd, out, BYTES_MAX);
	shutdown(fd, SHUT_WR);
	get(fd, &told, sizeof told);
	if (told != bytes)
		fail("it got another number of bytes");
	printf("%.0f MB a second\n", (double)bytes / 1e6 / (now() - begin));
}

static void
source(uint64_t bytes)
{
	const int fd = dial();
	const double begin = now();

	put(fd, &bytes, sizeof bytes);
	for (uint64_t at = 0; at < bytes;) {
		const ssize_t got = recv(fd, in, sizeof in, 0);

		if (got <= 0)
			fail("recv");
		at += (uint64_t)got;
	}
	printf("%.0f MB a second\n", (double)bytes / 1e6 / (now() - begin));
}

static void
reset(void)
{
	const struct linger none = {.l_onoff = 1};

	for (int i = 0; i < 50; i++) {
		const int fd = dial();

		(void)send(fd, out, BYTES_MAX, MSG_DONTWAIT);
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
		close(fd);
	}
	round_trip(dial(), 1000);
}

static void
never(void)
{
	const int fd = dial(), other = dial();
	uint64_t sent = 0;

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	for (double until = now() + 1; now() < until;) {
		const ssize_t put_now = send(fd, out, BYTES_MAX, MSG_NOSIGNAL);

		sent += put_now > 0 ? (uint64_t)put_now : 0;
		round_trip(other, 100);
	}
	printf("%.1f MB taken of one that never reads\n", (double)sent / 1e6);
	if (sent > 64 << 20)
		fail("more than buffers hold");
}

int
main(int argc, char **argv)
{
	struct rlimit limit;
	const char *what = argc > 2 ? argv[2] : "";
	const uint64_t a = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	const uint64_t b = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	const uint64_t c = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;

	port = (uint16_t)atoi(argc > 1 ? argv[1] : "0");
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (char)(i * 7 + i / 251);
	if (!strcmp(what, "echo"))
		echo((int)a, 0, (double)b, c ? (uint32_t)c : 64);
	else if (!strcmp(what, "hold"))
		hold((int)a);
	else if (!strcmp(what, "slow"))
		echo((int)b, (int)a, (double)c, 64);
	else if (!strcmp(what, "sink"))
		sink(a / BYTES_MAX * BYTES_MAX);
	else if (!strcmp(what, "source"))
		source(a);
	else if (!strcmp(what, "reset"))
		reset();
	else if (!strcmp(what, "never"))
		never();
	else
		return 64;
	return 0;
}
