/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - a server of one loop over poll(): for wasm32-wasi, where descriptor 3
 * is the listener, and for the host, to compare with.
 *
 * usage: server echo|sink|source [PORT]
 *   echo    each byte goes back
 *   sink    takes all, and at the end tells how many bytes there were, 8 bytes
 *   source  the first 8 bytes say how many it sends
 * The PORT is the host's: there it listens on 127.0.0.1. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifndef __wasi__
#include <arpa/inet.h>
#include <signal.h>
#endif

enum { CONNS_MAX = 16000, ROOM = 64 << 10 };

struct conn {
	char *pending; /* what could not be sent yet */
	uint32_t at, end;
	uint64_t count; /* sink: taken; source: still to send */
};

static struct pollfd fds[1 + CONNS_MAX];
static struct conn conns[1 + CONNS_MAX];
static nfds_t used = 1;
static char buffer[ROOM];
static char mode;

static int
listener(int argc, char **argv)
{
#ifdef __wasi__
	(void)argc;
	(void)argv;
	return 3;
#else
	const struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argc > 2 ? argv[2] : "0")),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	signal(SIGPIPE, SIG_IGN);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
		perror("listen");
		exit(1);
	}
	return fd;
#endif
}

static void
accept_all(void)
{
	while (used <= CONNS_MAX) {
		const int fd = accept(fds[0].fd, NULL, NULL);

		if (fd < 0)
			return;
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		fds[used] = (struct pollfd){.fd = fd, .events = POLLIN};
		conns[used++] = (struct conn){0};
	}
}

static void
end(nfds_t i)
{
	close(fds[i].fd);
	free(conns[i].pending);
	used--;
	fds[i] = fds[used];
	conns[i] = conns[used];
}

/* False: the connection is over. */
static int
put(nfds_t i, const char *bytes, uint32_t count)
{
	struct conn *conn = &conns[i];
	ssize_t sent = send(fds[i].fd, bytes, count, 0);

	if (sent < 0 && errno != EAGAIN)
		return 0;
	sent = sent < 0 ? 0 : sent;
	if ((uint32_t)sent == count)
		return 1;
	if (!conn->pending && !(conn->pending = malloc(ROOM)))
		return 0;
	memmove(conn->pending, bytes + sent, count - (uint32_t)sent);
	conn->at = 0;
	conn->end = count - (uint32_t)sent;
	fds[i].events = POLLOUT; /* until they read, we do not */
	return 1;
}

static int
flush(nfds_t i)
{
	struct conn *conn = &conns[i];
	const uint32_t at = conn->at, left = conn->end - at;

	if (mode == 'r') { /* source */
		while (conn->count) {
			const uint32_t piece = conn->count < ROOM ? (uint32_t)conn->count : ROOM;
			const ssize_t sent = send(fds[i].fd, buffer, piece, 0);

			if (sent < 0)
				return errno == EAGAIN;
			conn->count -= (uint64_t)sent;
			if ((uint32_t)sent < piece)
				return 1;
		}
		fds[i].events = POLLIN;
		return 1;
	}
	conn->end = 0;
	fds[i].events = POLLIN;
	return put(i, conn->pending + at, left);
}

static int
take(nfds_t i)
{
	const ssize_t got = recv(fds[i].fd, buffer, sizeof buffer, 0);

	if (got < 0)
		return errno == EAGAIN;
	if (mode == 's') { /* sink */
		conns[i].count += (uint64_t)got;
		return got || (put(i, (const char *)&conns[i].count, 8), 0);
	}
	if (!got)
		return 0;
	if (mode == 'e')
		return put(i, buffer, (uint32_t)got);
	memcpy(&conns[i].count, buffer, sizeof conns[i].count);
	fds[i].events = POLLOUT;
	return 1;
}

int
main(int argc, char **argv)
{
	mode = argc > 1 && !strcmp(argv[1], "sink") ? 's' : argc > 1 && !strcmp(argv[1], "source") ? 'r' : 'e';
	fds[0] = (struct pollfd){.fd = listener(argc, argv), .events = POLLIN};
	(void)fcntl(fds[0].fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		if (poll(fds, used, -1) < 0) {
			perror("poll");
			return 1;
		}
		for (nfds_t i = used; i-- > 1;) {
			if (!fds[i].revents)
				continue;
			if (!(fds[i].events & POLLOUT ? flush(i) : take(i)))
				end(i);
		}
		if (fds[0].revents)
			accept_all();
	}
}
