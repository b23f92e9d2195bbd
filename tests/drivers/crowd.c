/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand connections at once, made by another process: the broker has no
 * descriptor for each, and can still end each. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drivers/broker/net.h"
#include "tests/drivers/side.h"
#include "tests/support/fds.h"

enum { CROWD = 10000, SPARE = 200 };

static struct side side;

/* How many this machine lets one process have, up to CROWD. */
static uint32_t
crowd_size(void)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_cur > CROWD + SPARE ? CROWD : (uint32_t)limit.rlim_cur - SPARE;
}

/* The other process: so many connections, each of which says one byte and waits
 * for the answer; then all must be ended from the other side. */
static int
crowd(uint16_t port, uint32_t count, int told)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)},
		.sin_port = htons(port)};
	int *fds = calloc(count, sizeof *fds);
	char byte = 'x';

	for (uint32_t i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&at, sizeof at) < 0)
			return 1;
	}
	for (uint32_t i = 0; i < count; i += 100)
		if (write(fds[i], &byte, 1) != 1 || read(fds[i], &byte, 1) != 1)
			return 2;
	if (write(told, &byte, 1) != 1)
		return 3;
	for (uint32_t i = 0; i < count; i++)
		if (read(fds[i], &byte, 1) > 0)
			return 4;
	return 0;
}

static uint64_t
now_us(void)
{
	return broker_now_ns() / 1000;
}

Test(crowd, ten_thousand_connections_and_no_descriptor_for_each, .timeout = 300)
{
	const uint32_t count = crowd_size();
	const struct broker_address at = {.kind = BROKER_LISTEN, .pattern = "127.0.0.1:0"};
	char address[DEVICE_ADDRESS_BYTES];
	struct broker_grant grant;
	uint32_t *handles = calloc(count, sizeof *handles);
	uint64_t began, took, cut;
	int told[2], status, fds;
	pid_t other;

	side_begin_with(&side, count + 64);
	cr_assert_eq(broker_grant_listener(side.broker, &at, &side.report, &grant, address), 0, "%s",
		side.report.text);
	cr_assert_eq(pipe(told), 0);
	side_ready(&side);
	fds = fds_open();
	other = fork();
	if (!other)
		_exit(crowd((uint16_t)atoi(strrchr(address, ':') + 1), count, told[1]));
	began = now_us();
	for (uint32_t i = 0; i < count; i++) {
		struct device_request accept = {.op = DEVICE_ACCEPT,
			.handle = grant.handle,
			.flags = DEVICE_NONBLOCK};
		struct device_completion done = side_go(&side, accept);

		if (done.result == -DEVICE_EAGAIN) {
			accept.flags = 0;
			done = side_go(&side, accept);
		}

		cr_assert_gt(done.result, 0, "the %u. of %u: %lld", i + 1, count,
			(long long)done.result);
		handles[i] = (uint32_t)done.result;
	}
	took = now_us() - began;
	cr_assert_eq(side.broker->grants[0].counts.conns, count);
	if (side.broker->keep)
		cr_assert_leq(fds_open(), fds + 8, "%d descriptors for %u connections",
			fds_open() - fds, count);
	for (uint32_t i = 0; i < count; i += 100) {
		cr_assert_eq(side_read(&side, handles[i], DEVICE_STREAM, 1), 1);
		cr_assert_eq(side_write(&side, handles[i], DEVICE_STREAM, "y"), 1);
	}
	cr_assert_eq(read(told[0], address, 1), 1);
	cut = now_us();
	cr_assert_eq(broker_revoke(side.broker, grant.id), 0);
	cut = now_us() - cut;
	cr_assert_eq(side.broker->grants[0].counts.conns, 0);
	cr_assert_eq(waitpid(other, &status, 0), other);
	cr_assert_eq(status, 0, "the other process: %x", status);
	cr_log_info("%u connections: %llu us each to accept, %llu us to cut them all", count,
		(unsigned long long)(took / count), (unsigned long long)cut);
	free(handles);
	(void)close(told[0]);
	(void)close(told[1]);
	side_close(&side);
}
