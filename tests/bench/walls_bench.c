/* SPDX-License-Identifier: Apache-2.0 */
/* walls_bench.c - what filter and fence cost: the same requests by a worker with its
 * seccomp filter on a ring that is fenced, through a broker with its filter, and by one
 * without any of them; and the same with the broker's Landlock besides. Processes of their
 * own, as in a run; no guest, so that nothing hides the price. By turns, before what else
 * the machine does where that may be; medians, and of the ratios.
 *
 *   reads   4 KiB of page cache, 32 in flight         the ring alone
 *   copy    64 KiB read and written, one at a time    the ring alone
 *   echo    64 bytes to a native peer and back        the ring alone, TCP
 *   opens   a file opened and closed, 32 in flight    the broker
 *
 * The kernel is not told of the restrictions where there is to be no fence: `syscall` is
 * wrapped when this is linked. There is no such switch in Keyhold.
 *
 * usage: walls_bench [ROUNDS] */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/client.h"
#include "sandbox/broker_walls.h"
#include "sandbox/walls_internal.h"
#include "tests/bench/median.h"

enum { ROUNDS_MAX = 101, PAGE = 4096, PAGES = 4096, PIECE = 64 << 10, AT_ONCE = 32 };
enum row { READS, COPY, ECHO, OPENS, ROWS };
enum walls { NONE, FILTERS, ALL, WALLS }; /* none; filters and fence; Landlock besides */

static const struct {
	const char *name;
	uint32_t count;
} rows[ROWS] = {{"reads", 100000}, {"copy", 6000}, {"echo", 10000}, {"opens", 10000}};

static struct broker *broker;
static uint32_t dir, from, to, rule;
static int dir_fd;
static char pattern[64];
static enum walls walled;
static double (*rates)[ROWS]; /* shared; what the worker measured */

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "walls_bench: %s: %s\n", what, why);
	exit(1);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long
__wrap_syscall(long number, ...)
{
	long a[6]; /* those that were not given are rubbish, and the kernel looks at none of them */
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (walled == NONE && number == SYS_io_uring_register && (int)a[1] == IORING_REGISTER_RESTRICTIONS)
		return 0;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- the worker ------------------------------------------------------------------------- */

/* One after the other. */
static int64_t
ask(struct device *device, struct device_request request)
{
	struct device_completion done;
	static uint64_t id = UINT64_C(1) << 40;

	request.id = ++id;
	while (device->submit(device, &request))
		;
	do
		while (!device->reap(device, true, &done))
			;
	while (done.id != id);
	if (done.data_bytes)
		device->done(device, done.id);
	if (done.result < 0)
		fail("a request", "failed");
	return done.result;
}

static void
reads(struct device *device, uint32_t count)
{
	struct device_request request = {.op = DEVICE_READ, .handle = from, .bytes = PAGE};
	uint64_t x = 88172645463325252u;
	uint32_t sent = 0, come = 0;

	while (come < count) {
		struct device_completion done;

		while (sent < count && sent - come < AT_ONCE) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			request.offset = x % PAGES * PAGE;
			request.id = ++sent;
			while (device->submit(device, &request))
				;
		}
		if (!device->reap(device, true, &done))
			continue;
		if (done.result != PAGE)
			fail("reads", "a short one");
		device->done(device, done.id);
		come++;
	}
}

static void
copy(struct device *device, uint32_t count)
{
	static uint8_t bytes[PIECE];

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t at = i % 256 * (uint64_t)PIECE;

		(void)ask(device, (struct device_request){
			.op = DEVICE_READ, .handle = from, .offset = at, .bytes = PIECE});
		(void)ask(device, (struct device_request){.op = DEVICE_WRITE, .handle = to, .offset = at,
			.data = bytes, .data_bytes = PIECE});
	}
}

static void
echo(struct device *device, uint32_t count)
{
	static uint8_t bytes[64];
	const uint32_t handle = (uint32_t)ask(device, (struct device_request){.op = DEVICE_CONNECT,
		.handle = rule, .path = pattern, .path_bytes = (uint32_t)strlen(pattern)});

	for (uint32_t i = 0; i < count; i++) {
		(void)ask(device, (struct device_request){.op = DEVICE_WRITE, .handle = handle,
			.offset = DEVICE_STREAM, .data = bytes, .data_bytes = sizeof bytes});
		(void)ask(device, (struct device_request){.op = DEVICE_READ, .handle = handle,
			.offset = DEVICE_STREAM, .bytes = sizeof bytes});
	}
	(void)ask(device, (struct device_request){.op = DEVICE_CLOSE, .handle = handle});
}

static void
opens(struct device *device, uint32_t count)
{
	struct device_request request = {.op = DEVICE_OPEN, .handle = dir, .flags = DEVICE_FOR_READ,
		.path = "from", .path_bytes = 4};
	uint32_t sent = 0, closed = 0;

	while (closed < count) {
		struct device_completion done;

		while (sent < count && sent - closed < AT_ONCE) {
			request.id = (uint64_t)(sent + 1) << 1;
			if (device->submit(device, &request))
				break;
			sent++;
		}
		if (!device->reap(device, true, &done))
			continue;
		if (done.id & 1) {
			closed++;
			continue;
		}
		if (done.result <= 0)
			fail("opens", "failed");
		while (device->submit(device, &(struct device_request){.op = DEVICE_CLOSE,
			.handle = (uint32_t)done.result, .id = done.id | 1}))
			;
	}
}

static void
filter_worker(void)
{
	const struct walls_plan plan = {.tier = WALLS_T1};
	struct walls_state state = {0};
	struct report report;

	report_clear(&report);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || walls_seccomp(&plan, &state, &report))
		fail("the worker's filter", report.text);
}

static void
worker(void)
{
	static void (*const runs[ROWS])(struct device *, uint32_t) = {reads, copy, echo, opens};
	struct client *client;
	struct report report;

	report_clear(&report);
	/* The filter knows one descriptor. */
	if (dup2(broker->ring_fd, WALLS_RING_FD) < 0 ||
		client_open(WALLS_RING_FD, broker->shared_fd, &report, &client) ||
		client_enable(client, &report))
		fail("worker", report.text);
	if (walled != NONE)
		filter_worker();
	for (int row = 0; row < ROWS; row++) {
		const uint64_t start = now_ns();

		runs[row](client_device(client), rows[row].count);
		(*rates)[row] = rows[row].count * 1e9 / (double)(now_ns() - start);
	}
	_exit(0);
}

/* --- the broker --------------------------------------------------------------------------- */

static void
grant(void)
{
	const struct broker_config config = {.handles_max = 1024};
	const struct broker_address address = {.kind = BROKER_TCP, .pattern = pattern};
	struct broker_grant granted[4];
	struct report report;

	report_clear(&report);
	if (broker_new(&config, &report, &broker) ||
		broker_grant_dir(broker, dup(dir_fd), BROKER_READ, &report, &granted[0]) ||
		broker_grant_file(broker, openat(dir_fd, "from", O_RDONLY | O_CLOEXEC), BROKER_READ, &report,
			&granted[1]) ||
		broker_grant_file(broker, openat(dir_fd, "to", O_RDWR | O_CLOEXEC), BROKER_READ | BROKER_WRITE,
			&report, &granted[2]) ||
		broker_grant_address(broker, &address, &report, &granted[3]) ||
		shared_make(broker, &report))
		fail("broker", report.text);
	dir = granted[0].handle;
	from = granted[1].handle;
	to = granted[2].handle;
	rule = granted[3].handle;
}

static void
enclose(pid_t pid)
{
	const struct broker_walls_config config = {
		.networks = true, .keep_fd = broker_keep_fd(broker)};
	struct broker_walls_state state;
	struct broker_walls walls = {.ruleset = -1};
	struct report report;

	report_clear(&report);
	if ((walled == ALL && (broker_walls_begin(&walls, &config, &report) ||
		broker_walls_root(&walls, dir_fd, BROKER_REACH_READ, &report))) ||
		broker_walls_enter(&walls, &config, pid, &state, &report))
		fail("the broker's walls", report.text);
	if (!state.up[BROKER_WALL_seccomp])
		fail("the broker's walls", "no filter in this build");
}

static void
round_of(enum walls walls, double ret_rates[ROWS])
{
	const pid_t pid = fork();
	int status;

	walled = walls;
	if (!pid) {
		pid_t of;

		grant();
		of = fork();
		if (!of)
			worker();
		if (walled != NONE)
			enclose(of);
		while (!waitpid(of, &status, WNOHANG))
			(void)broker_turn(broker, 50);
		_exit(status != 0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fail(walls ? "with walls" : "without walls", "a process ended badly");
	memcpy(ret_rates, *rates, sizeof *rates);
}

/* --- around it ------------------------------------------------------------------------------ */

static pid_t
peer_begin(void)
{
	static const int on = 1;
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof name;
	pid_t pid;

	if (bind(fd, (struct sockaddr *)&name, sizeof name) || listen(fd, 16) ||
		getsockname(fd, (struct sockaddr *)&name, &bytes))
		fail("peer", "cannot listen");
	(void)snprintf(pattern, sizeof pattern, "127.0.0.1:%u", ntohs(name.sin_port));
	pid = fork();
	while (!pid) {
		const int one = accept(fd, NULL, NULL);
		uint8_t piece[256];
		ssize_t n;

		(void)setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		while ((n = read(one, piece, sizeof piece)) > 0 && write(one, piece, (size_t)n) == n)
			;
		(void)close(one);
	}
	(void)close(fd);
	return pid;
}

static void
make_files(void)
{
	static uint8_t piece[1 << 20];
	const int fds[] = {openat(dir_fd, "from", O_CREAT | O_WRONLY, 0600),
		openat(dir_fd, "to", O_CREAT | O_WRONLY, 0600)};

	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < PAGES * PAGE / (int)sizeof piece; j++)
			if (write(fds[i], piece, sizeof piece) != (ssize_t)sizeof piece)
				fail("files", "cannot be written");
		(void)close(fds[i]);
	}
}

int
main(int argc, char **argv)
{
	static double rate[WALLS][ROWS][ROUNDS_MAX], ratio[WALLS][ROWS][ROUNDS_MAX];
	const int rounds = argc > 1 ? atoi(argv[1]) : 21;
	char path[] = "/tmp/keyhold-walls.XXXXXX";
	const struct sched_param first = {.sched_priority = 10};
	pid_t peer;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		fail("usage", "walls_bench [ROUNDS]");
	rates = mmap(NULL, sizeof *rates, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rates == MAP_FAILED || !mkdtemp(path))
		fail(path, "cannot be made");
	(void)sched_setscheduler(0, SCHED_FIFO, &first);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	peer = peer_begin();
	make_files();
	for (int i = 0; i < rounds; i++) {
		double one[WALLS][ROWS];

		for (int turn = 0; turn < WALLS; turn++)
			round_of((enum walls)((turn + i) % WALLS), one[(turn + i) % WALLS]);
		for (int of = 0; of < WALLS; of++)
			for (int row = 0; row < ROWS; row++) {
				rate[of][row][i] = one[of][row];
				ratio[of][row][i] = one[of][row] / one[NONE][row];
			}
	}
	for (int row = 0; row < ROWS; row++)
		printf("%s none %.0f filters %.0f all %.0f ratio %.3f ratio-all %.3f\n", rows[row].name,
			median(rate[NONE][row], rounds), median(rate[FILTERS][row], rounds),
			median(rate[ALL][row], rounds), median(ratio[FILTERS][row], rounds),
			median(ratio[ALL][row], rounds));
	(void)kill(peer, SIGKILL);
	(void)unlinkat(dir_fd, "from", 0);
	(void)unlinkat(dir_fd, "to", 0);
	(void)rmdir(path);
	return 0;
}
