/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/drivers/side.h"

static struct side side;

static void
begin(void)
{
	side_begin(&side);
}

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(revoke, .init = begin, .fini = finish, .timeout = 60);

static uint64_t
begin_read(uint32_t handle)
{
	struct device_completion done;
	const uint64_t id = side_submit(&side, (struct device_request){.op = DEVICE_READ,
						       .handle = handle,
						       .offset = DEVICE_STREAM,
						       .bytes = 64});

	cr_assert_not(side.device->reap(side.device, false, &done), "it waits");
	return id;
}

/* Fills the staging memory, so that any byte delivered late shows. */
static void
canary_set(void)
{
	memset(side.client->staging_base, 0x5a, STAGING_BYTES);
}

static void
canary_check(void)
{
	for (uint32_t i = 0; i < STAGING_BYTES; i++)
		cr_assert_eq(side.client->staging_base[i], 0x5a, "byte %u was delivered", i);
}

Test(revoke, a_pipe_read_in_flight_ends_and_takes_nothing)
{
	int ends[2];
	char text[8] = "";
	uint32_t in;
	uint64_t id;

	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	in = side_grant(&side, dup(ends[0]), BROKER_READ);
	side_ready(&side);
	canary_set();
	id = begin_read(in);
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	cr_assert_eq(write(ends[1], "late", 4), 4);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	cr_assert_eq(side_read(&side, in, DEVICE_STREAM, 4), -DEVICE_EREVOKED);
	canary_check();
	cr_assert_eq(read(ends[0], text, 8), 4, "all of it is still in the pipe");
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* The worker has not been told, and knows nothing but its empty slot. */
Test(revoke, holds_without_the_worker)
{
	int ends[2];
	struct io_uring_sqe *entry;
	uint32_t in, flags;
	uint64_t user;
	int32_t result;
	uint8_t byte = 0;

	side_needs_ring();
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "secret", 6), 6);
	in = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	entry = ring_entry(&side.client->ring, RING_READ, in, 0);
	entry->addr = (uint64_t)(uintptr_t)&byte;
	entry->len = 1;
	cr_assert_eq(ring_enter(&side.client->ring, RING_WAIT_ONE), 0);
	cr_assert(ring_take(&side.client->ring, &user, &result, &flags));
	cr_assert_eq(result, -EBADF);
	cr_assert_eq(byte, 0);
	(void)close(ends[1]);
}

Test(revoke, many_reads_in_flight_all_end)
{
	enum { MANY = 20 };
	int ends[2];
	uint32_t in;
	uint64_t ids[MANY];

	cr_assert_eq(pipe(ends), 0);
	in = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	canary_set();
	for (int i = 0; i < MANY; i++)
		ids[i] = begin_read(in);
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	(void)close(ends[1]);
	for (int i = 0; i < MANY; i++) {
		struct device_completion done;

		while (!side.device->reap(side.device, false, &done))
			side_move(&side);
		cr_assert(done.id >= ids[0] && done.id <= ids[MANY - 1]);
		cr_assert_eq(done.result, -DEVICE_EREVOKED);
	}
	canary_check();
}

Test(revoke, a_terminal_read_in_flight_ends)
{
	int main_fd, fd;
	uint32_t tty;
	uint64_t id;

	cr_assert_eq(openpty(&main_fd, &fd, NULL, NULL, NULL), 0);
	tty = side_grant(&side, fd, BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	canary_set();
	id = begin_read(tty);
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	(void)!write(main_fd, "late\n", 5);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	canary_check();
	(void)close(main_fd);
}

Test(revoke, a_socket_is_shut_and_its_read_ends)
{
	int ends[2];
	char byte;
	uint32_t socket;
	uint64_t id;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	socket = side_grant(&side, ends[0], BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	canary_set();
	id = begin_read(socket);
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	(void)send(ends[1], "late", 4, MSG_NOSIGNAL);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	cr_assert_eq(side_write(&side, socket, DEVICE_STREAM, "x"), -DEVICE_EREVOKED);
	cr_assert_leq(recv(ends[1], &byte, 1, MSG_DONTWAIT), 0, "nothing was written");
	canary_check();
	(void)close(ends[1]);
}

Test(revoke, a_poll_in_flight_wakes)
{
	struct device_poll poll = {.want = 1};
	struct device_completion done;
	int ends[2];
	uint64_t id;

	cr_assert_eq(pipe(ends), 0);
	poll.handle = side_grant(&side, ends[0], BROKER_READ);
	side_ready(&side);
	id = side_submit(&side, (struct device_request){.op = DEVICE_POLL,
					.timeout_ns = DEVICE_FOREVER,
					.data = (const uint8_t *)&poll,
					.data_bytes = sizeof poll});
	cr_assert_not(side.device->reap(side.device, false, &done));
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	done = side_wait(&side, id);
	cr_assert_eq(done.result, 1);
	memcpy(&poll, done.data, sizeof poll);
	cr_assert_eq(poll.ready, 4);
	(void)close(ends[1]);
}

Test(revoke, everything_opened_under_the_grant_goes_and_nothing_else)
{
	struct broker_counts counts;
	uint32_t first, second, dir, other;
	int64_t handle;

	side_grant_dir(&side, BROKER_READ | BROKER_WRITE);
	other = side.dir;
	side_grant_dir(&side, BROKER_READ | BROKER_WRITE);
	side_ready(&side);
	side_file(&side, "f", "text");
	cr_assert_eq(mkdirat(side.path_fd, "d", 0777), 0);
	first = (uint32_t)side_try(&side, "f", DEVICE_FOR_READ);
	dir = (uint32_t)side_try(&side, "d", DEVICE_FOR_READ);
	side.dir = other;
	second = (uint32_t)side_try(&side, "f", DEVICE_FOR_READ);
	cr_assert_eq(broker_revoke(side.broker, 2), 0);
	cr_assert_eq(broker_revoke(side.broker, 2), -ENOENT, "once");
	cr_assert_eq(broker_revoke(side.broker, 3), -ENOENT);
	cr_assert_eq(broker_revoke(side.broker, 0), -ENOENT);
	cr_assert(broker_counts(side.broker, 2, &counts));
	cr_assert_eq(counts.handles, 0);
	cr_assert_eq(side_read(&side, first, 0, 4), -DEVICE_EREVOKED);
	cr_assert_eq(side_read(&side, second, 0, 4), 4);
	side.dir = dir;
	cr_assert_eq(side_try(&side, "f", DEVICE_FOR_READ), -DEVICE_EREVOKED);
	side.dir = other;

	/* The number means nothing new until the worker has given it up. */
	for (int i = 0; i < 40; i++) {
		handle = side_try(&side, "f", DEVICE_FOR_READ);
		cr_assert_gt(handle, 0);
		cr_assert(handle != first && handle != dir);
	}
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_CLOSE, .handle = first})
			     .result,
		0);
	cr_assert_eq(side_try(&side, "f", DEVICE_FOR_READ), first);
}

/* A worker that was not told of the cut, because it takes no replies. */
Test(revoke, the_broker_refuses_a_cut_directory_itself)
{
	struct device_completion done;
	uint64_t id;

	side_grant_dir(&side, BROKER_READ);
	side_ready(&side);
	id = side_submit(&side, (struct device_request){.op = DEVICE_STAT_AT, .handle = side.dir,
					.path = ".", .path_bytes = 1});
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	done = side_wait(&side, id);
	cr_assert_eq(done.result, -DEVICE_EREVOKED);
}

/* --- a file whose reads take as long as we like -------------------------------------------
 *
 * A file system in user space: the read is then in the ring's own thread, in
 * the middle of the kernel. */

enum slow { SLOW_UNTIL_ASKED, SLOW_FOR_EVER };

static void
fuse_reply(int fd, uint64_t unique, int error, const void *data, size_t bytes)
{
	uint8_t out[1024] = {0};
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof header + bytes), .error = error, .unique = unique};

	memcpy(out, &header, sizeof header);
	if (bytes)
		memcpy(out + sizeof header, data, bytes);
	(void)!write(fd, out, header.len);
}

static struct fuse_attr
fuse_attr(uint64_t node)
{
	return (struct fuse_attr){.ino = node,
		.size = 4096,
		.nlink = 1,
		.mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0644};
}

_Noreturn static void
fuse_serve(int fd, enum slow slow, int began_fd)
{
	static uint8_t in[1 << 18];

	for (;;) {
		struct fuse_in_header header;
		const ssize_t got = read(fd, in, sizeof in);

		if (got < (ssize_t)sizeof header)
			_exit(0);
		memcpy(&header, in, sizeof header);
		if (header.opcode == FUSE_INIT) {
			const struct fuse_init_out init = {
				.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};

			fuse_reply(fd, header.unique, 0, &init, sizeof init);
		} else if (header.opcode == FUSE_LOOKUP) {
			const struct fuse_entry_out entry = {
				.nodeid = 2, .attr_valid = 100, .attr = fuse_attr(2)};

			fuse_reply(fd, header.unique, 0, &entry, sizeof entry);
		} else if (header.opcode == FUSE_GETATTR) {
			const struct fuse_attr_out attr = {
				.attr_valid = 100, .attr = fuse_attr(header.nodeid)};

			fuse_reply(fd, header.unique, 0, &attr, sizeof attr);
		} else if (header.opcode == FUSE_OPEN) {
			const struct fuse_open_out open = {.open_flags = FOPEN_DIRECT_IO};

			fuse_reply(fd, header.unique, 0, &open, sizeof open);
		} else if (header.opcode == FUSE_READ) {
			(void)!write(began_fd, "r", 1);
		} else if (header.opcode == FUSE_INTERRUPT && slow == SLOW_UNTIL_ASKED) {
			struct fuse_interrupt_in interrupt;

			memcpy(&interrupt, in + sizeof header, sizeof interrupt);
			fuse_reply(fd, interrupt.unique, -EINTR, NULL, 0);
		} else if (header.opcode != FUSE_FORGET && header.opcode != FUSE_INTERRUPT &&
			   header.opcode != FUSE_RELEASE) {
			fuse_reply(fd, header.unique, -ENOSYS, NULL, 0);
		}
	}
}

/* Mounts it over side.path, for this process alone; its server, or a skip. */
static pid_t
fuse_begin(enum slow slow, int *ret_began)
{
	char options[64];
	int began[2];
	const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	pid_t server;

	if (side_is_ringless())
		cr_skip_test("by design: on T2 the broker itself waits for such a file");
	(void)snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("slow", side.path, "fuse", 0, options) < 0)
		cr_skip_test("no file system in user space: %s", strerror(errno));
	cr_assert_eq(pipe(began), 0);
	server = fork();
	if (server == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Only what it needs: an open ring here would outlive the test's. */
		(void)dup2(began[1], 0);
		(void)dup2(fd, 1);
		(void)syscall(SYS_close_range, 2u, ~0u, 0);
		fuse_serve(1, slow, 0);
	}
	(void)close(began[1]);
	(void)close(fd);
	*ret_began = began[0];
	return server;
}

static void
fuse_end(pid_t server, int began)
{
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	(void)close(began);
	(void)close(side.path_fd);
	cr_assert_eq(umount2(side.path, MNT_DETACH), 0);
	side.path_fd = open(side.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static uint64_t
slow_read(int began)
{
	struct device_completion done;
	char byte;
	uint64_t id;
	int64_t file;

	/* What lies under the mount was opened before it. */
	(void)close(side.path_fd);
	side.path_fd = open(side.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(side.path_fd, 0);
	side_grant_dir(&side, BROKER_READ);
	side_ready(&side);
	file = side_try(&side, "slow", DEVICE_FOR_READ);
	cr_assert_gt(file, 0, "%lld", (long long)file);
	canary_set();
	id = side_submit(&side,
		(struct device_request){.op = DEVICE_READ, .handle = (uint32_t)file, .bytes = 64});
	cr_assert_not(side.device->reap(side.device, false, &done));
	cr_assert_eq(read(began, &byte, 1), 1, "it is being read");
	return id;
}

/* As the broker does it: from another process than the one that reads. (The
 * kernel overlooks a running read of the asking process itself.) */
static int
revoke_apart(void)
{
	const pid_t broker = fork();
	int status;

	if (broker == 0)
		_exit(-broker_revoke(side.broker, 1));
	cr_assert_eq(waitpid(broker, &status, 0), broker);
	cr_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

Test(revoke, a_file_read_inside_the_kernel_is_interrupted)
{
	int began;
	const pid_t server = fuse_begin(SLOW_UNTIL_ASKED, &began);
	const uint64_t id = slow_read(began);

	cr_assert_eq(revoke_apart(), 0);
	cr_assert_eq(side_wait(&side, id).result, -DEVICE_EREVOKED);
	canary_check();
	fuse_end(server, began);
}

Test(revoke, what_cannot_be_stopped_in_a_second_ends_the_worker)
{
	int began;
	const pid_t server = fuse_begin(SLOW_FOR_EVER, &began);
	struct timespec start, end;
	int64_t ms;

	(void)slow_read(began);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	cr_assert_eq(revoke_apart(), -ETIME);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	cr_assert(ms >= REVOKE_LIMIT_MS - 1 && ms < 4 * REVOKE_LIMIT_MS, "%lld ms", (long long)ms);
	fuse_end(server, began);
}
