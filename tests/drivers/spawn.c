/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c - real workers, made and ended in every way; a TAP program of its own,
 * because a worker is this very executable again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/broker/broker.h"
#include "drivers/broker/impl.h"
#include "drivers/flight.h"
#include "tests/support/fds.h"

/* --- the worker's side -------------------------------------------------------------- */

static struct client *client;
static struct device *device;
static uint64_t next_id;

static struct device_completion
ask(struct device_request request)
{
	struct device_completion done = {0};

	request.id = ++next_id;
	if (device->submit(device, &request) || !device->reap(device, true, &done))
		_exit(99);
	return done;
}

/* Copies the first stream to the second until it ends. */
static void
worker_copy(const struct wire_grant *grants)
{
	for (;;) {
		const struct device_completion in = ask((struct device_request){.op = DEVICE_READ,
			.handle = grants[0].handle,
			.offset = DEVICE_STREAM,
			.bytes = 1000});

		if (in.result <= 0)
			return;
		(void)ask((struct device_request){.op = DEVICE_WRITE,
			.handle = grants[1].handle,
			.offset = DEVICE_STREAM,
			.data = in.data,
			.data_bytes = in.data_bytes});
		device->done(device, in.id);
	}
}

extern char **environ;

static int
worker_surroundings(void)
{
	char text[8] = "";

	if (fds_open() != WIRE_FD_PASSED + 1)
		return 1;
	if (environ[0])
		return 2;
	if (getsid(0) != getpid())
		return 3;
	if (client_passed(client, 0) != WIRE_FD_PASSED || client_passed(client, 1) != -EBADF)
		return 4;
	if (pread(WIRE_FD_PASSED, text, sizeof text, 0) != 7 || memcmp(text, "passed\n", 7) != 0)
		return 5;
	if (fcntl(2, F_GETFL) < 0 || isatty(2))
		return 6;
	return 0;
}

static void
wake_broker(void)
{
	static const uint64_t one = 1;
	struct io_uring_sqe *entry;

	if (client->ringless) {
		if (write(WIRE_FD_RING, &one, sizeof one) < 0)
			_exit(96);
		return;
	}
	entry = ring_entry(&client->ring, RING_WRITE, WIRE_SLOT_BROKER, 0);
	entry->addr = (uint64_t)(uintptr_t)&one;
	entry->len = sizeof one;
	if (ring_enter(&client->ring, RING_WAIT_ONE))
		_exit(96);
}

/* Breaks the protocol and waits for the end. */
static void
worker_break(const char *how)
{
	struct wire_start *start = client->start;
	uint32_t put = client->requests_put;

	if (strcmp(how, "position") == 0)
		atomic_store(&start->at.requests_put, 1000000);
	if (strcmp(how, "flood") == 0) /* asks and asks, and never takes a reply */
		for (int i = 0; i < WIRE_REPLIES + 1; i++) {
			client->requests[put % WIRE_REQUESTS].kind = WIRE_DEVICE;
			client->requests[put % WIRE_REQUESTS].op = DEVICE_CLOCK;
			atomic_store(&start->at.requests_put, ++put);
			wake_broker();
			while (atomic_load(&start->at.requests_got) != put)
				(void)sched_yield();
		}
	wake_broker();
	(void)pause();
}

static int
worker(const char *mode)
{
	struct report report;
	struct device_completion none;
	const struct wire_grant *grants;
	size_t bytes;
	uint32_t count;

	report_clear(&report);
	if (client_open(WIRE_FD_RING, WIRE_FD_SHARED, &report, &client))
		return 98;
	if (strcmp(mode, "unwalled") == 0) {
		for (int i = 0; i < WIRE_REQUESTS + 5; i++)
			client_log(client, BROKER_LOG_ERROR, "no walls", 8);
		return 4;
	}
	if (client_enable(client, &report))
		return 98;
	device = client_device(client);
	grants = client_grants(client, &count);
	if (strcmp(mode, "early") == 0)
		return 3;
	client_ready(client);
	if (strcmp(mode, "copy") == 0) {
		client_log(client, BROKER_LOG_WARNING, "copying", 7);
		worker_copy(grants);
		(void)client_end(client, "record", 6);
		return 7;
	}
	if (strcmp(mode, "surroundings") == 0)
		return worker_surroundings();
	if (strcmp(mode, "words") == 0)
		return memcmp(client_words(client, &bytes), "the words", 9) != 0 || bytes != 9;
	if (strcmp(mode, "crash") == 0) {
		client_trail(client, "last\nwords", 10);
		abort();
	}
	if (strcmp(mode, "sigsys") == 0)
		(void)raise(SIGSYS);
	if (strcmp(mode, "logs") == 0) {
		static char line[WIRE_TEXT_BYTES + 9];

		memset(line, 'l', sizeof line);
		for (int i = 0; i < 4 * WIRE_REQUESTS; i++)
			client_log(client, BROKER_LOG_NOTE, line, sizeof line);
		return 0;
	}
	if (strcmp(mode, "poke") == 0) {
		if (device->reap(device, true, &none) || client_poked(client) != 5)
			return 1;
		(void)client_end(client, NULL, 0);
		return 0;
	}
	if (strcmp(mode, "read") == 0) {
		client_log(client, BROKER_LOG_NOTE, "reading", 7); /* in the enter that begins it */
		return ask((struct device_request){.op = DEVICE_READ, .handle = grants[0].handle,
			       .offset = DEVICE_STREAM, .bytes = 8}).result == -DEVICE_EREVOKED;
	}
	if (strcmp(mode, "spin") == 0)
		for (volatile int i = 0;; i++) {
		}
	if (strcmp(mode, "work") == 0)
		for (;;)
			(void)client_poked(client);
	if (strcmp(mode, "wait") == 0)
		(void)ask((struct device_request){.op = DEVICE_SLEEP, .timeout_ns = DEVICE_FOREVER});
	worker_break(mode);
	return 97;
}

/* --- the broker's side ------------------------------------------------------------------ */

static int tests, failures;

__attribute__((format(printf, 2, 3))) static void
check(bool good, const char *format, ...)
{
	va_list args;

	tests++;
	if (!good)
		failures++;
	printf("%s %d - ", good ? "ok" : "not ok", tests);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)putchar('\n');
}

static struct report report;
static struct broker *broker;
static int fds_before, logs, readies;
static size_t log_bytes;

static void
hook_log(void *user, enum broker_log_level level, const char *text, size_t bytes)
{
	(void)user;
	(void)level;
	(void)text;
	logs++;
	log_bytes = bytes;
}

static void
hook_ready(void *user)
{
	(void)user;
	readies++;
}

static const struct broker_hooks hooks = {.log = hook_log, .ready = hook_ready};

/* KEYHOLD_TIER=T2: as where there is no io_uring. */
static bool
ringless(void)
{
	const char *tier = getenv("KEYHOLD_TIER");

	return tier && strcmp(tier, "T2") == 0;
}

static void
begin(void)
{
	const struct broker_config config = {
		.handles_max = 16, .store_bytes = 1 << 20, .ringless = ringless()};

	logs = readies = 0;
	report_clear(&report);
	fds_before = fds_open();
	if (broker_new(&config, &report, &broker)) {
		printf("1..0 # SKIP %s\n", report.text);
		exit(0);
	}
}

static int
spawn(const char *mode)
{
	const char *const argv[] = {"worker", mode, NULL};
	const struct broker_spawn how = {.argv = argv};

	return broker_spawn(broker, &how, &report);
}

static struct broker_outcome
serve(void)
{
	struct broker_outcome outcome = {0};

	if (broker_serve(broker, &hooks, &outcome))
		outcome.code = -1;
	return outcome;
}

static void
end(const char *name)
{
	broker_free(broker);
	check(fds_open() == fds_before, "%s leaves no descriptor", name);
}

static struct broker_outcome
run(const char *mode)
{
	begin();
	if (spawn(mode)) {
		printf("Bail out! %s\n", report.text);
		exit(1);
	}
	return serve();
}

static void
test_copy(void)
{
	struct broker_grant grant;
	struct broker_outcome outcome;
	char text[16] = "";
	int in[2], out[2];

	begin();
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		exit(1);
	(void)broker_grant_stream(broker, in[0], BROKER_READ, &report, &grant);
	(void)broker_grant_stream(broker, out[1], BROKER_WRITE, &report, &grant);
	(void)!write(in[1], "through both", 12);
	(void)close(in[1]);
	(void)spawn("copy");
	outcome = serve();
	check(outcome.end == BROKER_EXITED && outcome.code == 7, "its own exit code");
	check(read(out[0], text, sizeof text) == 12 && memcmp(text, "through both", 12) == 0,
		"reads one stream and writes another");
	check(logs == 1 && log_bytes == 7, "what it logs is heard");
	check(readies == 1 && outcome.ready, "it says when its walls are up");
	check(outcome.recorded && outcome.record_bytes == 6 &&
			memcmp(outcome.record, "record", 6) == 0,
		"its result record arrives");
	(void)close(out[0]);
	end("a worker that ends");
}

static void
test_ends(void)
{
	struct broker_outcome outcome = run("early");

	check(outcome.end == BROKER_EXITED && outcome.code == 3 && !outcome.ready && !outcome.recorded,
		"an end before READY is told");
	end("an early end");

	outcome = run("unwalled");
	check(outcome.code == 4 && logs == WIRE_REQUESTS && log_bytes == 8,
		"what it says before its walls are up is heard at its end");
	end("an end without walls");

	outcome = run("crash");
	check(outcome.end == BROKER_KILLED && outcome.signal == SIGABRT, "a crash is told");
	check(strcmp(outcome.trail, "last words") == 0, "with its last words, in one line");
	end("a crash");

	outcome = run("sigsys");
	check(outcome.end == BROKER_KILLED && outcome.signal == SIGSYS, "SIGSYS is told");
	end("a forbidden call");

	outcome = run("logs");
	check(outcome.code == 0 && logs == 4 * WIRE_REQUESTS && log_bytes == WIRE_TEXT_BYTES,
		"four rings full of logs all arrive, cut to fit");
	end("logs");
}

static void
test_protocol(void)
{
	struct broker_outcome outcome = run("position");

	check(outcome.end == BROKER_PROTOCOL && outcome.why, "a position out of the ring: %s",
		outcome.why ? outcome.why : "nothing");
	end("a wrong position");
	outcome = run("flood");
	check(outcome.end == BROKER_PROTOCOL && outcome.why, "a flood without taking replies: %s",
		outcome.why ? outcome.why : "nothing");
	end("a flood");
}

static void
test_surroundings(void)
{
	struct broker_outcome outcome;
	FILE *file = tmpfile();

	begin();
	(void)fputs("passed\n", file);
	(void)fflush(file);
	check(broker_pass(broker, dup(fileno(file))) == 0, "the first passed descriptor is 0");
	(void)spawn("surroundings");
	outcome = serve();
	check(outcome.end == BROKER_EXITED && outcome.code == 0,
		"only its descriptors, no environment, a session of its own (%d)", outcome.code);
	end("a passed descriptor");
	(void)fclose(file);

	begin();
	(void)broker_words(broker, "the words", 9);
	(void)spawn("words");
	check(serve().code == 0, "it has the tools' words");
	end("words");
}

static void
poke(void *arg)
{
	char byte;

	(void)!read(*(int *)arg, &byte, 1);
	broker_unwatch(broker, *(int *)arg);
	check(broker_poke(broker, 5) == 0, "a watcher pokes");
}

static void
test_poke(void)
{
	struct broker_outcome outcome;
	int ends[2];

	begin();
	if (pipe2(ends, O_CLOEXEC))
		exit(1);
	(void)!write(ends[1], "x", 1);
	(void)broker_watch(broker, ends[0], poke, &ends[0]);
	(void)spawn("poke");
	outcome = serve();
	check(outcome.end == BROKER_EXITED && outcome.code == 0 && outcome.recorded &&
			outcome.record_bytes == 0,
		"a poke is seen in a wait (%d)", outcome.code);
	(void)close(ends[0]);
	(void)close(ends[1]);
	end("a poke");
}

/* These are called again and again while the loop turns, and wait for what
 * /proc says of the worker: once its log is here and it sleeps, it reads. */
static int cut_result;

static bool
worker_is(char wanted)
{
	char path[64], state = 0;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)broker_worker(broker));
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d %*s %c", &state) != 1)
		state = 0;
	if (file)
		(void)fclose(file);
	return state == wanted;
}

static void
cut(void *arg)
{
	broker_unwatch(broker, *(int *)arg);
	cut_result = broker_revoke(broker, 1);
}

static void
cut_when_reading(void *arg)
{
	if (logs && worker_is('S'))
		cut(arg);
}

/* Stopped, it cannot do its part in the end of its own request. */
static void
cut_when_stopped(void *arg)
{
	if (logs && worker_is('S'))
		(void)kill(broker_worker(broker), SIGSTOP);
	if (worker_is('T')) {
		cut(arg);
		if (ringless()) /* nothing of it is elsewhere than at the broker */
			(void)kill(broker_worker(broker), SIGCONT);
	}
}

static struct broker_outcome
run_cut(void (*when)(void *arg))
{
	struct broker_grant grant;
	struct broker_outcome outcome;
	int in[2], always[2];

	begin();
	if (pipe2(in, O_CLOEXEC) || pipe2(always, O_CLOEXEC) || write(always[1], "x", 1) != 1)
		exit(1);
	(void)broker_grant_stream(broker, in[0], BROKER_READ, &report, &grant);
	(void)broker_watch(broker, always[0], when, &always[0]);
	(void)spawn("read");
	outcome = serve();
	(void)close(in[1]);
	(void)close(always[0]);
	(void)close(always[1]);
	return outcome;
}

static void
test_cut(void)
{
	struct broker_outcome outcome = run_cut(cut_when_reading);

	check(cut_result == 0 && outcome.end == BROKER_EXITED && outcome.code == 1,
		"a read in flight in another process is cut");
	end("a cut");
	outcome = run_cut(cut_when_stopped);
	if (ringless())
		check(cut_result == 0 && outcome.end == BROKER_EXITED && outcome.code == 1,
			"a worker that is stopped is cut all the same");
	else
		check(cut_result == -ETIME && outcome.end == BROKER_CUT,
			"a worker whose read does not end is ended");
	end("an ended worker");
}

static void
test_deadline(void)
{
	struct broker_outcome outcome;

	begin();
	(void)spawn("wait");
	broker_deadline(broker, broker_now_ns() + 30000000);
	outcome = serve();
	check(outcome.end == BROKER_TIMED_OUT, "the deadline passes");
	check(kill(broker_worker(broker), 0) == 0, "and the worker lives on");
	broker_deadline(broker, 0);
	broker_kill(broker);
	outcome = serve();
	check(outcome.end == BROKER_KILLED && outcome.signal == SIGKILL, "until it is killed");
	check(broker_serve(broker, &hooks, &outcome) == -ESRCH, "which happens once");
	end("a deadline");

	begin();
	(void)spawn("wait");
	end("freeing a broker whose worker lives");
	check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no child is left");
}

static void
test_deaf(void)
{
	struct broker_outcome outcome;
	struct rlimit limit, low;

	begin();
	(void)spawn("wait");
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	low = (struct rlimit){.rlim_cur = 4, .rlim_max = limit.rlim_max};
	check(setrlimit(RLIMIT_NOFILE, &low) == 0, "a limit is lowered");
	outcome = serve();
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	check(outcome.end == BROKER_DEAF && !outcome.why,
		"a broker that may not wait any more ends its worker, and does not blame it");
	end("a broker that is deaf");
}

static struct broker_outcome
run_watched(const char *mode, uint64_t limit_ns)
{
	begin();
	(void)spawn(mode);
	broker_watchdog(broker, limit_ns);
	broker_deadline(broker, broker_now_ns() + 600000000);
	return serve();
}

/* Where the machine is busy the worker's own time is what counts, so the last
 * three may not be seen long enough to fail, and the first may be late. */
static void
test_watchdog(void)
{
	struct broker_outcome outcome;
	uint64_t begun = broker_now_ns();

	begin();
	(void)spawn("spin");
	broker_watchdog(broker, 100000000);
	outcome = serve();
	check(outcome.end == BROKER_STUCK && outcome.ready, "a worker that spins is ended");
	check(broker_now_ns() - begun >= 100000000, "not before its time (%llu ms)",
		(unsigned long long)(broker_now_ns() - begun) / 1000000);
	end("a worker that spins");

	outcome = run_watched("work", 50000000);
	check(outcome.end == BROKER_TIMED_OUT, "one that works for longer is not");
	end("a worker that works");
	outcome = run_watched("wait", 50000000);
	check(outcome.end == BROKER_TIMED_OUT, "nor is one that waits");
	end("a worker that waits");
	outcome = run_watched("spin", 0);
	check(outcome.end == BROKER_TIMED_OUT, "nor any where nobody watches");
	end("a worker nobody watches");
}

static int
fails(void *arg)
{
	return *(int *)arg;
}

static void
test_failure(void)
{
	const char *const argv[] = {"worker", "early", NULL};
	int error = -ENOTTY;
	struct broker_spawn how = {.argv = argv, .before_exec = fails, .arg = &error};

	begin();
	check(broker_spawn(broker, &how, &report) == -ENOTTY, "what fails before exec is told");
	check(strstr(report.text, strerror(ENOTTY)) != NULL, "in words");
	how.before_exec = NULL;
	check(broker_spawn(broker, &how, &report) == 0 && serve().code == 3,
		"and it can be tried again");
	end("a failed start");
}

static void
test_namespaces(void)
{
	const char *const argv[] = {"worker", "wait", NULL};
	const struct broker_spawn how = {.argv = argv, .clone_flags = CLONE_NEWUSER | CLONE_NEWPID};
	char ours[64] = "", theirs[64] = "", path[64];
	int error;

	begin();
	error = broker_spawn(broker, &how, &report);
	if (error == -EPERM || error == -ENOSPC) {
		printf("ok %d - born into its namespaces # SKIP no user namespaces\n", ++tests);
	} else {
		(void)!readlink("/proc/self/ns/pid", ours, sizeof ours - 1);
		(void)snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)broker_worker(broker));
		(void)!readlink(path, theirs, sizeof theirs - 1);
		check(!error && theirs[0] && strcmp(ours, theirs) != 0, "born into its namespaces");
	}
	end("namespaces");
}

/* The worker's slot is what keeps the pipe's writing end open at last. */
static void
test_orphan(void)
{
	struct broker_grant grant;
	struct pollfd wait = {.events = POLLIN};
	int ends[2];
	pid_t middle;

	if (pipe2(ends, O_CLOEXEC))
		exit(1);
	middle = fork();
	if (middle == 0) {
		struct broker_outcome outcome;

		begin();
		(void)broker_grant_stream(broker, ends[1], BROKER_WRITE, &report, &grant);
		(void)spawn("wait");
		(void)broker_serve(broker, NULL, &outcome);
		_exit(0);
	}
	(void)close(ends[1]);
	wait.fd = ends[0];
	check(poll(&wait, 1, 200) == 0, "the worker runs");
	(void)kill(middle, SIGKILL);
	(void)waitpid(middle, NULL, 0);
	check(poll(&wait, 1, 10000) == 1 && wait.revents & POLLHUP, "a worker dies with its broker");
	(void)close(ends[0]);
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		return worker(argv[1]);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	test_copy();
	test_ends();
	test_protocol();
	test_surroundings();
	test_poke();
	test_cut();
	test_deadline();
	test_deaf();
	test_watchdog();
	test_failure();
	test_namespaces();
	test_orphan();
	printf("1..%d\n", tests);
	return failures != 0;
}
