/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/drivers/side.h"

static struct side side;

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(client, .fini = finish, .timeout = 30);

static uint32_t
open_file(const char *name, uint32_t flags)
{
	const int64_t handle = side_try(&side, name, flags);

	cr_assert_gt(handle, 0, "%s: %lld", name, (long long)handle);
	return (uint32_t)handle;
}

static uint64_t
begin_read(uint32_t handle, uint32_t flags)
{
	return side_submit(&side, (struct device_request){.op = DEVICE_READ,
					  .handle = handle,
					  .flags = flags,
					  .offset = DEVICE_STREAM,
					  .bytes = 64});
}

/* Nothing has come yet, and what is queued has gone out. */
static void
assert_waits(void)
{
	struct device_completion done;

	cr_assert_not(side.device->reap(side.device, false, &done));
}

Test(client, a_file_is_read_and_written_at_offsets)
{
	uint32_t file;

	side_open(&side);
	side_file(&side, "a", "hello");
	file = open_file("a", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	cr_assert_eq(side_write(&side, file, 5, " world"), 6);
	cr_assert_eq(side_read(&side, file, 0, 100), 11);
	cr_assert_eq(memcmp(side.data, "hello world", 11), 0);
	cr_assert_eq(side_read(&side, file, 6, 3), 3);
	cr_assert_eq(memcmp(side.data, "wor", 3), 0);
	cr_assert_eq(side_read(&side, file, 11, 3), 0, "the end");
	cr_assert_eq(side_read(&side, file, UINT64_MAX - 1, 3), -DEVICE_EINVAL);
}

Test(client, a_stream_position_moves_with_each_read)
{
	uint32_t file;

	side_open(&side);
	side_file(&side, "a", "abcdef");
	file = open_file("a", DEVICE_FOR_READ);
	cr_assert_eq(side_read(&side, file, DEVICE_STREAM, 4), 4);
	cr_assert_eq(side_read(&side, file, DEVICE_STREAM, 4), 2);
	cr_assert_eq(memcmp(side.data, "ef", 2), 0);
}

Test(client, appending_goes_to_the_end_whatever_the_offset)
{
	uint32_t file;

	side_open(&side);
	side_file(&side, "a", "abc");
	file = open_file("a", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_WRITE,
					    .flags = DEVICE_APPENDING,
					    .handle = file,
					    .offset = 0,
					    .data = (const uint8_t *)"de",
					    .data_bytes = 2})
			     .result,
		2);
	cr_assert_eq(side_read(&side, file, 0, 10), 5);
	cr_assert_eq(memcmp(side.data, "abcde", 5), 0);
}

/* One entry of a worker that does not keep to the rules. */
static int32_t
raw(enum ring_op op, uint32_t slot, const void *data, uint32_t bytes, uint32_t flags)
{
	struct io_uring_sqe *entry;
	uint64_t user;
	uint32_t more;
	int32_t result;

	if (side_is_ringless())
		return -EBADF; /* it has no other way to the file than asking */
	entry = ring_entry(&side.client->ring, op, slot, 0);
	entry->addr = (uint64_t)(uintptr_t)data;
	entry->len = bytes;
	entry->rw_flags = (__u32)flags;
	cr_assert_eq(ring_enter(&side.client->ring, RING_WAIT_ONE), 0);
	cr_assert(ring_take(&side.client->ring, &user, &result, &more));
	return result;
}

Test(client, an_append_only_grant_appends_and_does_nothing_else)
{
	enum { NOAPPEND = 0x20 };
	struct device_request request = {.op = DEVICE_TRUNCATE, .offset = 1};
	struct broker_grant grant;

	side_begin(&side);
	side_file(&side, "log", "abc");
	cr_assert_eq(broker_grant_file(side.broker, openat(side.path_fd, "log", O_RDWR),
			     BROKER_READ | BROKER_APPEND, &side.report, &grant),
		0);
	side_ready(&side);
	cr_assert_eq(side_write(&side, grant.handle, 0, "XY"), 2);
	request.handle = grant.handle;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ECAPABILITY);
	request = (struct device_request){
		.op = DEVICE_ALLOCATE, .handle = grant.handle, .length = 9};
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ECAPABILITY);
	request.op = DEVICE_SYNC;
	cr_assert_eq(side_go(&side, request).result, 0);
	cr_assert_eq(raw(RING_WRITE, grant.handle, "!", 1, NOAPPEND), -EBADF);
	cr_assert_eq(raw(RING_FTRUNCATE, grant.handle, NULL, 0, 0), -EBADF);
	cr_assert_eq(side_read(&side, grant.handle, 0, 10), 5);
	cr_assert_eq(memcmp(side.data, "abcXY", 5), 0);
	cr_assert_eq(side_read(&side, grant.handle, DEVICE_STREAM, 10), 0, "at the end it wrote");
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	cr_assert_eq(side_read(&side, grant.handle, 0, 10), -DEVICE_EREVOKED);
}

Test(client, what_was_opened_for_more_is_granted_with_less)
{
	char byte = 'x';
	struct broker_grant grant;
	int main_fd, fd;
	uint32_t in, out;

	side_begin(&side);
	side_file(&side, "f", "text");
	cr_assert_eq(broker_grant_file(side.broker, openat(side.path_fd, "f", O_RDWR), BROKER_READ,
			     &side.report, &grant),
		0);
	cr_assert_eq(openpty(&main_fd, &fd, NULL, NULL, NULL), 0);
	in = side_grant(&side, dup(fd), BROKER_READ);
	out = side_grant(&side, fd, BROKER_WRITE);
	side_ready(&side);
	cr_assert_eq(write(main_fd, "typed\n", 6), 6);
	cr_assert_eq(raw(RING_WRITE, grant.handle, &byte, 1, 0), -EBADF);
	cr_assert_eq(raw(RING_WRITE, in, &byte, 1, 0), -EBADF);
	cr_assert_eq(raw(RING_READ, out, &byte, 1, 0), -EBADF);
	cr_assert_eq(side_read(&side, in, DEVICE_STREAM, 10), 6);
	cr_assert_eq(side_write(&side, out, DEVICE_STREAM, "shown"), 5);
	(void)close(main_fd);
}

Test(client, a_file_is_truncated_allocated_and_synced)
{
	uint32_t file;

	side_open(&side);
	side_file(&side, "a", "hello");
	file = open_file("a", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_TRUNCATE, .handle = file,
					    .offset = 2})
			     .result,
		0);
	cr_assert_eq(side_read(&side, file, 0, 10), 2);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_ALLOCATE, .handle = file,
					    .offset = 0, .length = 9000})
			     .result,
		0);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_STAT, .handle = file})
			     .stat.bytes,
		9000);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_SYNC, .handle = file})
			     .result,
		0);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_SYNC, .handle = file,
					    .flags = DEVICE_DATA_ONLY})
			     .result,
		0);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_SYNC, .handle = side.dir})
			     .result,
		0, "a directory");
}

/* Before Linux 6.9 the ring has no truncation. */
Test(client, the_broker_truncates_where_the_ring_cannot)
{
	struct device_request request = {.op = DEVICE_TRUNCATE, .offset = 2};

	side_open(&side);
	side_file(&side, "a", "hello");
	side.client->start->ops &= ~(UINT64_C(1) << RING_FTRUNCATE);
	request.handle = open_file("a", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	cr_assert_eq(side_go(&side, request).result, 0);
	cr_assert_eq(side_read(&side, request.handle, 0, 10), 2);
	request.handle = open_file("a", DEVICE_FOR_READ);
	cr_assert_eq(side_go(&side, request).result, -DEVICE_EINVAL);
}

Test(client, the_file_size_limit_is_an_answer)
{
	const struct rlimit limit = {4096, RLIM_INFINITY};
	uint32_t file;

	side_open(&side);
	side_file(&side, "a", "");
	file = open_file("a", DEVICE_FOR_WRITE);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(side_write(&side, file, 4094, "abcd"), 2, "up to the limit");
	cr_assert_eq(side_write(&side, file, 4096, "abcd"), -DEVICE_EFBIG);
}

Test(client, modes_are_kept_apart)
{
	uint32_t file;

	side_open(&side);
	side_file(&side, "a", "hello");
	file = open_file("a", DEVICE_FOR_READ);
	cr_assert_eq(side_write(&side, file, 0, "x"), -DEVICE_EBADF);
	file = open_file("a", DEVICE_FOR_WRITE);
	cr_assert_eq(side_read(&side, file, 0, 1), -DEVICE_EBADF);
	cr_assert_eq(side_read(&side, side.dir, 0, 1), -DEVICE_EISDIR);
	cr_assert_eq(side_read(&side, 63, 0, 1), -DEVICE_EBADF);
	cr_assert_eq(side_read(&side, UINT32_MAX, 0, 1), -DEVICE_EBADF);
	cr_assert_eq(side_read(&side, WIRE_SLOT_BROKER, 0, 8), -DEVICE_EBADF);
}

Test(client, a_pipe_is_read_when_it_is_written)
{
	int ends[2];
	uint32_t in;
	uint64_t id;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	in = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	id = begin_read(in, 0);
	assert_waits();
	cr_assert_eq(write(ends[1], "abc", 3), 3);
	cr_assert_eq(side_wait(&side, id).result, 3);
	cr_assert_eq(memcmp(side.data, "abc", 3), 0);
	cr_assert_eq(side_read(&side, in, 0, 1), -DEVICE_ESPIPE);
	(void)close(ends[1]);
	cr_assert_eq(side_read(&side, in, DEVICE_STREAM, 10), 0, "the end");
}

Test(client, a_pipe_nobody_reads_is_an_answer)
{
	int ends[2];
	uint32_t out;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	out = side_grant(&side, ends[1], BROKER_WRITE);
	side_ready(&side);
	cr_assert_eq(side_write(&side, out, DEVICE_STREAM, "abc"), 3);
	(void)close(ends[0]);
	cr_assert_eq(side_write(&side, out, DEVICE_STREAM, "abc"), -DEVICE_EPIPE);
}

Test(client, a_full_pipe_takes_what_it_can)
{
	static uint8_t much[DEVICE_PIECE_BYTES];
	struct device_request request = {.op = DEVICE_WRITE, .offset = DEVICE_STREAM,
		.data = much, .data_bytes = sizeof much};
	int ends[2];
	uint64_t id;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	request.handle = side_grant(&side, ends[1], BROKER_WRITE);
	side_ready(&side);
	cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, 65536), 65536);
	cr_assert_eq(side_go(&side, request).result, 65536, "a part, told");
	id = side_submit(&side, request);
	assert_waits();
	cr_assert_eq(read(ends[0], much, 65536), 65536);
	cr_assert_gt(side_wait(&side, id).result, 0);
	(void)close(ends[0]);
}

/* Whoever granted it may have opened it O_NONBLOCK: a wait is still a wait. */
Test(client, a_nonblocking_pipe_waits_all_the_same)
{
	int ends[2];
	uint64_t id;

	side_begin(&side);
	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	side.dir = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	id = begin_read(side.dir, 0);
	assert_waits();
	cr_assert_eq(write(ends[1], "abc", 3), 3);
	cr_assert_eq(side_wait(&side, id).result, 3);
	(void)close(ends[1]);
}

static void
try_terminal(int flags)
{
	int main_fd, fd;
	uint32_t tty;
	uint64_t id;

	side_begin(&side);
	cr_assert_eq(openpty(&main_fd, &fd, NULL, NULL, NULL), 0);
	cr_assert_eq(fcntl(fd, F_SETFL, O_RDWR | flags), 0);
	tty = side_grant(&side, fd, BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	id = begin_read(tty, 0);
	assert_waits();
	cr_assert_eq(write(main_fd, "line\n", 5), 5);
	cr_assert_eq(side_wait(&side, id).result, 5);
	cr_assert_eq(memcmp(side.data, "line\n", 5), 0);
	cr_assert_eq(side_write(&side, tty, DEVICE_STREAM, "out"), 3);
	id = begin_read(tty, 0);
	assert_waits();
	side.device->cancel(side.device, id);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	id = begin_read(tty, DEVICE_NONBLOCK);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EAGAIN);
	(void)close(main_fd);
}

Test(client, a_terminal_is_read_by_lines)
{
	try_terminal(0);
}

Test(client, a_nonblocking_terminal_is_the_same)
{
	try_terminal(O_NONBLOCK);
}

Test(client, dev_null_is_empty_and_takes_all)
{
	uint32_t null;

	side_begin(&side);
	null = side_grant(&side, open("/dev/null", O_RDWR), BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	cr_assert_eq(side_read(&side, null, DEVICE_STREAM, 10), 0);
	cr_assert_eq(side_write(&side, null, DEVICE_STREAM, "abc"), 3);
}

Test(client, nonblock_reads_what_is_there_or_says_again)
{
	int ends[2];
	uint32_t in;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	in = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	cr_assert_eq(side_wait(&side, begin_read(in, DEVICE_NONBLOCK)).result, -DEVICE_EAGAIN);
	cr_assert_eq(write(ends[1], "abc", 3), 3);
	cr_assert_eq(side_wait(&side, begin_read(in, DEVICE_NONBLOCK)).result, 3);
	(void)close(ends[1]);
	cr_assert_eq(side_wait(&side, begin_read(in, DEVICE_NONBLOCK)).result, 0, "the end");
}

Test(client, a_cancelled_read_ends_and_takes_no_data)
{
	int ends[2];
	char byte;
	uint32_t in;
	uint64_t id;

	side_begin(&side);
	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	in = side_grant(&side, dup(ends[0]), BROKER_READ);
	side_ready(&side);
	id = begin_read(in, 0);
	assert_waits();
	side.device->cancel(side.device, id);
	side.device->cancel(side.device, id);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	side.device->cancel(side.device, id); /* of what is gone: nothing */
	cr_assert_eq(write(ends[1], "a", 1), 1);
	assert_waits();
	cr_assert_eq(read(ends[0], &byte, 1), 1, "still in the pipe");
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

Test(client, a_sleep_lasts_and_can_be_cancelled)
{
	const uint64_t start = now_ms();
	uint64_t id;

	side_open(&side);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_SLEEP,
					    .timeout_ns = 20000000})
			     .result,
		0);
	cr_assert_geq(now_ms() - start, 20);
	id = side_submit(
		&side, (struct device_request){.op = DEVICE_SLEEP, .timeout_ns = DEVICE_FOREVER});
	assert_waits();
	side.device->cancel(side.device, id);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_SLEEP}).result, 0);
}

static struct device_request
poll_request(const struct device_poll *list, uint32_t count, uint64_t timeout_ns)
{
	static uint8_t data[(DEVICE_POLLS_MAX + 1) * sizeof(struct device_poll)];

	memcpy(data, list, count * sizeof *list);
	return (struct device_request){.op = DEVICE_POLL,
		.timeout_ns = timeout_ns,
		.data = data,
		.data_bytes = count * (uint32_t)sizeof *list};
}

static struct device_poll
polled(uint32_t i)
{
	struct device_poll poll;

	memcpy(&poll, side.data + i * sizeof poll, sizeof poll);
	return poll;
}

Test(client, a_poll_tells_who_is_ready_and_cancels_the_rest)
{
	struct device_poll list[2] = {{.want = 1}, {.want = 1}};
	int a[2], b[2];
	uint64_t id;

	side_begin(&side);
	cr_assert(pipe(a) == 0 && pipe(b) == 0);
	list[0].handle = side_grant(&side, a[0], BROKER_READ);
	list[1].handle = side_grant(&side, b[0], BROKER_READ);
	side_ready(&side);
	cr_assert_eq(side_go(&side, poll_request(list, 2, 0)).result, 0, "asked once");
	cr_assert_eq(side_go(&side, poll_request(list, 2, 5000000)).result, 0, "the limit");
	id = side_submit(&side, poll_request(list, 2, DEVICE_FOREVER));
	assert_waits();
	cr_assert_eq(write(b[1], "x", 1), 1);
	cr_assert_eq(side_wait(&side, id).result, 1);
	cr_assert_eq(polled(0).ready, 0);
	cr_assert_eq(polled(1).ready, 1);
	cr_assert_eq(polled(1).handle, list[1].handle);
	(void)close(a[1]);
	cr_assert_eq(side_go(&side, poll_request(list, 2, DEVICE_FOREVER)).result, 2);
	cr_assert_eq(polled(0).ready, 8, "hung up");
	(void)close(b[1]);
}

Test(client, a_poll_of_files_and_nonsense_answers_at_once)
{
	struct device_poll list[3] = {{.want = 3}, {.handle = 60, .want = 1}, {.want = 1}};

	side_open(&side);
	side_file(&side, "a", "");
	list[0].handle = open_file("a", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	list[2].handle = side.dir;
	cr_assert_eq(side_go(&side, poll_request(list, 3, DEVICE_FOREVER)).result, 3);
	cr_assert_eq(polled(0).ready, 3);
	cr_assert_eq(polled(1).ready, 4);
	cr_assert_eq(polled(2).ready, 4);
	cr_assert_eq(side_go(&side, poll_request(list, 1, 0)).result, 1);
}

Test(client, a_poll_is_cancelled)
{
	struct device_poll list[1] = {{.want = 1}};
	int ends[2];
	uint64_t id;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	list[0].handle = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	id = side_submit(&side, poll_request(list, 1, UINT64_C(1) << 50));
	assert_waits();
	side.device->cancel(side.device, id);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	(void)close(ends[1]);
}

/* Who polls again enters the ring for what fired, and for nothing else. */
Test(client, a_watch_stays_armed_and_is_armed_anew_when_it_fired)
{
	enum { PIPES = 40 };
	struct device_poll list[PIPES];
	int ends[PIPES][2];
	uint64_t id, close_id;
	char byte;

	side_begin(&side);
	for (int i = 0; i < PIPES; i++) {
		cr_assert_eq(pipe(ends[i]), 0);
		list[i] = (struct device_poll){
			.handle = side_grant(&side, ends[i][0], BROKER_READ), .want = 1};
	}
	side_ready(&side);
	cr_assert_eq(side_go(&side, poll_request(list, PIPES, 0)).result, 0);
	for (int round = 0; round < 3; round++) {
		id = side_submit(&side, poll_request(list, PIPES, DEVICE_FOREVER));
		cr_assert_leq(side.client->ring.queued, round ? 2 : 1, "nothing is armed twice");
		assert_waits();
		cr_assert_eq(write(ends[7][1], "x", 1), 1);
		cr_assert_eq(side_wait(&side, id).result, 1);
		cr_assert_eq(polled(7).ready, 1);
		cr_assert_eq(side_go(&side, poll_request(list, PIPES, DEVICE_FOREVER)).result, 1,
			"it is still so");
		cr_assert_eq(read(ends[7][0], &byte, 1), 1);
		cr_assert_eq(side_go(&side, poll_request(list, PIPES, 0)).result, 0);
	}
	id = side_submit(&side, poll_request(list, PIPES, DEVICE_FOREVER));
	assert_waits();
	close_id = side_submit(&side,
		(struct device_request){.op = DEVICE_CLOSE, .handle = list[3].handle});
	cr_assert_eq(side_wait(&side, id).result, 1);
	cr_assert_eq(polled(3).ready, 4, "closed while it was waited for");
	cr_assert_eq(side_wait(&side, close_id).result, 0);
	for (int i = 0; i < PIPES; i++)
		(void)close(ends[i][1]);
}

/* Now or never on a socket: one entry each, nothing is armed. */
Test(client, a_socket_is_read_and_written_at_once_or_not_at_all)
{
	struct device_request read_it = {.op = DEVICE_READ, .offset = DEVICE_STREAM,
		.flags = DEVICE_NONBLOCK, .bytes = 4096};
	struct device_request write_it = {.op = DEVICE_WRITE, .offset = DEVICE_STREAM,
		.flags = DEVICE_NONBLOCK};
	static uint8_t much[DEVICE_PIECE_BYTES];
	int64_t sent = 0, put;
	int ends[2];

	side_begin(&side);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	read_it.handle = write_it.handle = side_grant(&side, ends[0], BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	cr_assert_eq(side_go(&side, read_it).result, -DEVICE_EAGAIN);
	cr_assert_eq(write(ends[1], "hello", 5), 5);
	cr_assert_eq(side_go(&side, read_it).result, 5);
	cr_assert_eq(side_go(&side, read_it).result, -DEVICE_EAGAIN);
	write_it.data = much;
	write_it.data_bytes = sizeof much;
	while ((put = side_go(&side, write_it).result) > 0)
		sent += put;
	cr_assert_eq(put, -DEVICE_EAGAIN, "its buffer is full");
	cr_assert_gt(sent, 0);
	(void)close(ends[1]);
	cr_assert_eq(side_go(&side, write_it).result, -DEVICE_EPIPE);
}

/* Two polls wait for one handle, in two directions: each hears of its own. */
Test(client, polls_share_a_watch)
{
	struct device_poll read_it[1] = {{.want = 1}}, both[1] = {{.want = 3}};
	uint64_t first, second;
	int ends[2];

	side_begin(&side);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	read_it[0].handle = both[0].handle = side_grant(&side, ends[0], BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	first = side_submit(&side, poll_request(read_it, 1, DEVICE_FOREVER));
	second = side_submit(&side, poll_request(read_it, 1, DEVICE_FOREVER));
	assert_waits();
	cr_assert_eq(side_go(&side, poll_request(both, 1, DEVICE_FOREVER)).result, 1);
	cr_assert_eq(polled(0).ready, 2, "it can be written to");
	assert_waits();
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(side_wait(&side, first).result, 1);
	cr_assert_eq(side_wait(&side, second).result, 1);
	(void)close(ends[1]);
}

Test(client, a_poll_may_name_as_many_as_the_seam_says)
{
	struct device_poll list[DEVICE_POLLS_MAX + 1];
	struct device_request request;
	int ends[2];
	uint32_t in;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	in = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	for (int i = 0; i <= DEVICE_POLLS_MAX; i++)
		list[i] = (struct device_poll){.handle = in, .want = 1};
	cr_assert_eq(side_go(&side, poll_request(list, DEVICE_POLLS_MAX, 1000000)).result, 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(side_go(&side, poll_request(list, DEVICE_POLLS_MAX, 1000000)).result,
		DEVICE_POLLS_MAX);
	cr_assert_eq(side_go(&side, poll_request(list, DEVICE_POLLS_MAX + 1, 0)).result,
		-DEVICE_EINVAL);
	request = poll_request(list, 3, 0);
	request.data_bytes--;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_EINVAL);
	(void)close(ends[1]);
}

Test(client, a_closed_handle_first_loses_what_is_in_flight)
{
	int ends[2];
	uint32_t in;
	uint64_t id, close_id;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	in = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	id = begin_read(in, 0);
	assert_waits();
	close_id = side_submit(&side, (struct device_request){.op = DEVICE_CLOSE, .handle = in});
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_ECANCELED);
	cr_assert_eq(side_wait(&side, close_id).result, 0);
	cr_assert_eq(side_read(&side, in, DEVICE_STREAM, 1), -DEVICE_EBADF);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_CLOSE, .handle = in}).result,
		-DEVICE_EBADF);
	(void)close(ends[1]);
}

Test(client, what_is_submitted_leaves_in_one_enter)
{
	struct device_completion done;
	uint32_t file;
	uint64_t enters;

	side_needs_ring();
	side_open(&side);
	side_file(&side, "a", "hello");
	file = open_file("a", DEVICE_FOR_READ);
	enters = side.client->ring.enters;
	for (int i = 0; i < 16; i++)
		(void)side_submit(&side, (struct device_request){.op = DEVICE_READ,
						 .handle = file, .bytes = 5});
	for (int i = 0; i < 16; i++) {
		cr_assert(side.device->reap(side.device, true, &done));
		cr_assert_eq(done.result, 5);
		side.device->done(side.device, done.id);
	}
	cr_assert_eq(side.client->ring.enters, enters + 1);
}

/* A wait that is watched enters the kernel twice: to hand over, and to sleep. */
Test(client, waits_in_vain_are_soon_not_watched)
{
	enum { WAITS = 8 };
	uint64_t enters;

	side_needs_ring();
	side_open(&side);
	side.client->watch_misses = side.client->watch_pass = 0;
	enters = side.client->ring.enters;
	for (int i = 0; i < WAITS; i++) {
		struct device_completion done;
		const uint64_t id = side_submit(
			&side, (struct device_request){.op = DEVICE_SLEEP, .timeout_ns = 60000000});

		cr_assert(side.device->reap(side.device, true, &done));
		cr_assert_eq(done.id, id);
		side.device->done(side.device, id);
	}
	enters = side.client->ring.enters - enters;
	cr_assert_geq(enters, WAITS + 3, "%llu: the first is watched, then the third, the seventh",
		(unsigned long long)enters);
	cr_assert_lt(enters, WAITS + 6, "%llu", (unsigned long long)enters);
	cr_assert_geq(side.client->watch_misses, 3);
}

Test(client, a_watch_that_helped_makes_the_next_begin_at_once)
{
	struct device_completion done;
	uint32_t stream;
	int fds[2];

	side_needs_ring();
	side_begin(&side);
	cr_assert_eq(pipe(fds), 0);
	stream = side_grant(&side, fds[0], BROKER_READ);
	side_ready(&side);
	side.client->watch_misses = 8;
	side.client->watch_pass = 0;
	cr_assert_eq(write(fds[1], "x", 1), 1);
	(void)begin_read(stream, 0);
	cr_assert(side.device->reap(side.device, true, &done));
	cr_assert_eq(done.result, 1);
	side.device->done(side.device, done.id);
	cr_assert_eq(side.client->watch_misses, 0);
	cr_assert_eq(side.client->watch_pass, 0);
	(void)close(fds[1]);
}

Test(client, no_piece_means_again_and_nothing_taken)
{
	struct device_request request = {.op = DEVICE_READ, .offset = DEVICE_STREAM,
		.bytes = DEVICE_PIECE_BYTES};
	int ends[2], taken = 0;

	side_begin(&side);
	cr_assert_eq(pipe(ends), 0);
	request.handle = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	while (request.id = ++side.id, side.device->submit(side.device, &request) == 0)
		taken++;
	cr_assert_eq(taken, WIRE_LARGES);
	cr_assert_eq(side.device->submit(side.device, &request), -DEVICE_EAGAIN);
	assert_waits();
	side.device->cancel(side.device, 1);
	cr_assert_eq(side_wait(&side, 1).result, -DEVICE_ECANCELED);
	cr_assert_eq(side.device->submit(side.device, &request), 0);
	(void)close(ends[1]);
}

Test(client, too_many_requests_means_again)
{
	struct device_request request = {.op = DEVICE_SLEEP, .timeout_ns = DEVICE_FOREVER};
	int taken = 0;

	side_open(&side);
	while (request.id = ++side.id, side.device->submit(side.device, &request) == 0)
		taken++;
	if (side_is_ringless()) { /* here nobody takes messages before we let it */
		cr_assert_eq(taken, WIRE_REQUESTS);
		while (assert_waits(), side_move(&side), taken < FLIGHTS) {
			request.id = (uint64_t)++taken;
			cr_assert_eq(side.device->submit(side.device, &request), 0);
		}
		side.id = (uint64_t)taken;
	}
	cr_assert_eq(taken, FLIGHTS);
	request.op = DEVICE_CLOCK;
	side.device->cancel(side.device, 1);
	cr_assert_eq(side_wait(&side, 1).result, -DEVICE_ECANCELED);
	for (uint64_t i = 2; i < WIRE_REQUESTS + 2; i++) {
		side.device->cancel(side.device, i);
		cr_assert_eq(side_wait(&side, i).result, -DEVICE_ECANCELED);
	}
	for (int i = 0; i < WIRE_REQUESTS; i++) {
		request.id = ++side.id;
		cr_assert_eq(side.device->submit(side.device, &request), 0);
	}
	request.id = ++side.id;
	cr_assert_eq(side.device->submit(side.device, &request), -DEVICE_EAGAIN, "the ring is full");
	for (int i = WIRE_REQUESTS; i > 0; i--)
		cr_assert_eq(side_wait(&side, side.id - (uint64_t)i).result, 0);
}

Test(client, a_glance_does_not_use_a_poke_up)
{
	struct device_completion none;

	side_open(&side);
	cr_assert_eq(broker_poke(side.broker, 1), 0);
	cr_assert_not(side.device->reap(side.device, false, &none));
	cr_assert_not(side.device->reap(side.device, true, &none), "and the wait ends at once");
	cr_assert_eq(client_poked(side.client), 1);
}

Test(client, a_poke_ends_the_wait_once)
{
	struct device_completion done;

	side_open(&side);
	cr_assert_eq(broker_poke(side.broker, 2), 0);
	cr_assert_eq(broker_poke(side.broker, 4), 0);
	cr_assert_not(side.device->reap(side.device, true, &done), "no wait");
	cr_assert_eq(client_poked(side.client), 6);
	cr_assert_eq(client_poked(side.client), 0);
}

Test(client, clock_and_entropy_come_from_the_broker)
{
	struct device_completion first, second;
	uint8_t bytes[32];

	side_open(&side);
	first = side_go(&side, (struct device_request){.op = DEVICE_CLOCK});
	second = side_go(&side, (struct device_request){.op = DEVICE_CLOCK});
	cr_assert_geq(second.now_ns, first.now_ns);
	first = side_go(
		&side, (struct device_request){.op = DEVICE_CLOCK, .flags = DEVICE_CLOCK_REAL});
	cr_assert_leq(llabs((long long)(first.now_ns / 1000000000) - (long long)time(NULL)), 1);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_ENTROPY, .bytes = 32}).result,
		32);
	memcpy(bytes, side.data, 32);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_ENTROPY, .bytes = 32}).result,
		32);
	cr_assert_neq(memcmp(bytes, side.data, 32), 0);
}

Test(client, sockets_are_written_and_shut)
{
	int ends[2];
	char text[4];
	uint32_t socket;

	side_begin(&side);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	socket = side_grant(&side, ends[0], BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	cr_assert_eq(side_write(&side, socket, DEVICE_STREAM, "abc"), 3);
	cr_assert_eq(read(ends[1], text, 4), 3);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_SHUTDOWN, .handle = socket,
					    .flags = DEVICE_SHUT_WRITE})
			     .result,
		0);
	cr_assert_eq(read(ends[1], text, 4), 0, "the end");
	cr_assert_eq(side_write(&side, socket, DEVICE_STREAM, "abc"), -DEVICE_EPIPE);
	(void)close(ends[1]);
}
