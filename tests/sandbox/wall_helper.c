/* SPDX-License-Identifier: Apache-2.0 */
/* wall_helper TIER USER policy.tests
 *
 * TIER is T0, T1 or T2; USER is root (skipped by name where we are not), user (65534
 * where we are root: by exec, as a shell's setpriv would), or mapped: a user who
 * is root only inside a user namespace of his own, as in rootless containers. */
#include "tests/sandbox/wall_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/probe.h"

enum { SHARED_FD = 4, NOBODY = 65534 };

/* What the worker of the exec test and its helper share. */
struct shared {
	struct walls_plan plan;
	struct walls_state state;
	struct report report;
	struct probe_ring ring;
	int rc;
	_Atomic int up;
};

__attribute__((format(printf, 4, 0))) static void
say(struct helper *h, bool ok, const char *after, const char *format, va_list args)
{
	char name[240];

	(void)vsnprintf(name, sizeof name, format, args);
	for (char *c = name; *c; c++) /* TAP reads # as a directive */
		if (*c == '#')
			*c = '.';
	(void)printf("%sok %u - %s%s\n", ok ? "" : "not ", ++h->count, name, after);
}

void
helper_ok(struct helper *h, bool ok, const char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(h, ok, "", format, args);
	va_end(args);
	if (!ok)
		(void)printf("# %s\n", why);
}

void
helper_skip(struct helper *h, const char *why, const char *format, ...)
{
	char after[160];
	va_list args;

	(void)snprintf(after, sizeof after, " # SKIP %s", why);
	va_start(args, format);
	say(h, true, after, format, args);
	va_end(args);
}

/* --- the whole way, as the broker goes it: clone, exec, enter ------------------- */

static struct shared *
shared_map(int fd)
{
	void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* The worker's main: waits behind its walls to be looked at and killed. */
static int
worker(void)
{
	struct shared *shared = shared_map(SHARED_FD);

	if (!shared)
		return 1;
	report_clear(&shared->report);
	shared->rc = probe_ring_map(&shared->ring);
	if (shared->rc == 0)
		shared->rc = walls_enter_early(&shared->plan, &shared->state, &shared->report);
	if (shared->rc == 0)
		shared->rc = walls_enter_late(&shared->plan, probe_ring_enable, &shared->ring,
			&shared->state, &shared->report);
	if (shared->rc < 0)
		_exit(1);
	atomic_store(&shared->up, 1);
	for (;;)
		if (shared->ring.none)
			(void)syscall(SYS_futex, &shared->up, FUTEX_WAIT, 1, NULL, NULL, 0);
		else
			(void)syscall(SYS_io_uring_enter, WALLS_RING_FD, 0, 1,
				IORING_ENTER_GETEVENTS, NULL, 0);
}

static pid_t
spawn(struct shared *shared, int shared_fd)
{
	char *argv[] = {(char *)(uintptr_t) "wall_helper", (char *)(uintptr_t) "--worker", NULL};
	char *none[] = {NULL};
	long pid;

	pid = syscall(SYS_clone, walls_clone_flags(&shared->plan) | SIGCHLD, 0, 0, 0, 0);
	if (pid != 0)
		return (pid_t)pid;
	if (dup2(shared_fd, SHARED_FD) < 0 || probe_ring_for(shared->plan.tier, &shared->ring) < 0 ||
		walls_before_exec(&shared->plan) < 0)
		_exit(2);
	(void)execve("/proc/self/exe", argv, none);
	_exit(3);
}

/* Spins rather than sleeps: it is up within milliseconds, or it has ended. */
static bool
wait_up(struct shared *shared, pid_t pid)
{
	int status;

	while (!atomic_load(&shared->up)) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return false;
		(void)sched_yield();
	}
	return true;
}

/* A line of /proc/PID/status, as others see the worker. */
static bool
status_says(pid_t pid, const char *field, const char *value)
{
	const size_t bytes = strlen(field);
	char path[64], line[256];
	bool same = false;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, field, bytes) == 0 && line[bytes] == ':')
			same = strncmp(line + bytes + strspn(line + bytes, ":\t "), value,
				       strlen(value)) == 0;
	if (file)
		(void)fclose(file);
	return same;
}

static void
look_from_outside(struct helper *h, pid_t pid, const struct shared *shared)
{
	char path[64];
	int open_fds = 0;

	helper_ok(h, status_says(pid, "Seccomp", "2"), "no", "seen: a filter is loaded");
	helper_ok(h, status_says(pid, "NoNewPrivs", "1"), "no", "seen: no new privileges");
	helper_ok(h,
		status_says(pid, "CapEff", "0000000000000000") &&
			status_says(pid, "CapPrm", "0000000000000000"),
		"no", "seen: no capability");
	if (h->plan.tier == WALLS_T0)
		helper_ok(h, status_says(pid, "CapBnd", "0000000000000000"), "no",
			"seen: an empty bounding set");
	helper_ok(h, status_says(pid, "Threads", "1"), "no", "seen: one thread");
	helper_ok(h, status_says(pid, "Uid", "0\t") == (geteuid() == 0 && !h->plan.root),
		"another user", "seen: never root, unless root in name only");
	/* In T0 the user owns the worker's namespace, and so may. */
	if (geteuid() != 0 && !h->plan.own_namespaces) {
		(void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
		helper_ok(h, open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES,
			"its memory opened", "seen: its own user cannot read its memory");
	}
	if (!h->plan.root)
		return;
	for (int fd = 0; fd < 2048; fd++) {
		(void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
		if (readlink(path, (char[8]){0}, 8) >= 0)
			open_fds += fd == WALLS_RING_FD ? 1 : 100;
	}
	helper_ok(h, open_fds == 1, "others are open", "seen: the ring is its only descriptor");
	(void)shared;
}

static void
exec_run(struct helper *h)
{
	const int fd = memfd_create("shared", 0);
	struct shared *shared;
	pid_t pid;
	int status;

	if (fd < 0 || ftruncate(fd, sizeof *shared) < 0 || !(shared = shared_map(fd))) {
		helper_ok(h, false, strerror(errno), "exec: shared memory");
		return;
	}
	shared->plan = h->plan;
	(void)walls_plan_keep(&shared->plan, SHARED_FD);
	pid = spawn(shared, fd);
	helper_ok(h, pid > 0 && wait_up(shared, pid), shared->report.text,
		"exec: a worker stands behind its walls");
	if (atomic_load(&shared->up)) {
		for (unsigned int i = 0; i < WALL_COUNT; i++) {
			const enum wall wall = (enum wall)i;
			const char *name = walls_wall_name(wall);

			if (!walls_wall_in(wall, h->plan.tier))
				helper_ok(h, !shared->state.up[i], "it claims so",
					"exec: no %s in %s", name, walls_tier_name(h->plan.tier));
			else if (wall == WALL_memory_fixed && h->plan.memory_free)
				helper_skip(h, "sanitizers need address space", "exec: %s", name);
			else if (wall == WALL_landlock && h->state.landlock_abi == 0)
				helper_skip(h, "this kernel has no Landlock", "exec: %s", name);
			else if (wall == WALL_nobody && geteuid() == 0 && !h->plan.root)
				helper_ok(h, !shared->state.up[i], "it claims so",
					"exec: %s is down for root in name only", name);
			else if (wall == WALL_userns && h->plan.root && !h->state.up[WALL_userns])
				helper_skip(
					h, "user namespaces are switched off", "exec: %s", name);
			else
				helper_ok(h, shared->state.up[i], "it is down", "exec: %s", name);
		}
		look_from_outside(h, pid, shared);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
	}
	(void)munmap(shared, sizeof *shared);
	(void)close(fd);
}

/* A broker that is killed takes its worker with it. */
static void
orphan_run(struct helper *h)
{
	const int fd = memfd_create("shared", 0);
	struct shared *shared;
	int status = 0, ended = 0;
	pid_t broker, got;

	if (fd < 0 || ftruncate(fd, sizeof *shared) < 0 || !(shared = shared_map(fd)))
		return;
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)fflush(stdout);
	broker = fork();
	if (broker == 0) {
		shared->plan = h->plan;
		shared->plan.broker = getpid();
		(void)walls_plan_keep(&shared->plan, SHARED_FD);
		got = spawn(shared, fd);
		if (got > 0 && wait_up(shared, got))
			(void)kill(getpid(), SIGKILL);
		_exit(1);
	}
	(void)waitpid(broker, &ended, 0);
	got = waitpid(-1, &status, __WALL); /* ours now: we are the reaper */
	helper_ok(h,
		WIFSIGNALED(ended) && got > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		shared->report.text, "exec: the worker ends with its broker");
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
	(void)munmap(shared, sizeof *shared);
	(void)close(fd);
}

static void
attempts_run(struct helper *h)
{
	for (size_t i = 0; i < walls_attempts_count(); i++) {
		struct walls_attempt attempt = {.name = "?"};
		struct report report;
		char why[REPORT_BYTES_MAX + 32];
		int rc;

		report_clear(&report);
		rc = walls_probe(&h->plan, i, &attempt, &report);
		(void)snprintf(
			why, sizeof why, "%s", rc < 0 ? report.text : helper_ended(attempt.ended));
		helper_ok(h, rc == 0 && attempt.held, why, "attempt: %s", attempt.name);
	}
}

/* --- who and where ----------------------------------------------------------------- */

static int
nothing(struct probe_ring *ring, void *arg)
{
	(void)ring;
	(void)arg;
	return 0;
}

/* "0 UID 1": root in name. */
static int
write_map(const char *path, unsigned int outside)
{
	char line[32];
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const int bytes = snprintf(line, sizeof line, "0 %u 1", outside);
	const bool done = fd >= 0 && write(fd, line, (size_t)bytes) == bytes;

	if (fd >= 0)
		(void)close(fd);
	return done ? 0 : -1;
}

static int
again_as_mapped(char **argv)
{
	const unsigned int uid = geteuid(), gid = getegid();
	const int deny = unshare(CLONE_NEWUSER) < 0 ? -1 : open("/proc/self/setgroups", O_WRONLY);

	if (deny < 0 || write(deny, "deny", 4) != 4 || write_map("/proc/self/gid_map", gid) < 0 ||
		write_map("/proc/self/uid_map", uid) < 0) {
		(void)printf("1..0 # SKIP no user namespace is to be had: %s\n", strerror(errno));
		return 0;
	}
	(void)close(deny);
	argv[2] = (char *)(uintptr_t) "as-is";
	(void)execv("/proc/self/exe", argv);
	return 1;
}

/* By exec, so that nothing of root's process is left in it. */
static int
again_as_user(char **argv)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0) {
		(void)printf("1..0 # SKIP root without the right to become another user\n");
		return 0;
	}
	(void)execv("/proc/self/exe", argv);
	(void)printf(
		"1..0 # SKIP the program cannot be read by another user: %s\n", strerror(errno));
	return 0;
}

int
main(int argc, char **argv)
{
	static struct helper h;
	struct report report;
	int ended = 0, rc, hold;

	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return worker();
	if (argc != 4) {
		(void)fprintf(stderr, "usage: wall_helper T0|T1|T2 root|user|mapped policy.tests\n");
		return 64;
	}
	if (strcmp(argv[2], "root") == 0 && geteuid() != 0) {
		(void)printf("1..0 # SKIP not root\n");
		return 0;
	}
	if (strcmp(argv[2], "as-is") != 0 && strcmp(argv[2], "root") != 0 && geteuid() == 0)
		return again_as_user(argv);
	if (strcmp(argv[2], "mapped") == 0)
		return again_as_mapped(argv);

	/* The ring's number stays ours: probes put their rings there. */
	hold = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (hold < 0 || (hold != WALLS_RING_FD && dup2(hold, WALLS_RING_FD) < 0))
		return 1;
	report_clear(&report);
	if (walls_plan_init(&h.plan, argv[1], &report) < 0) {
		(void)fprintf(stderr, "%s\n", report.text);
		return 64;
	}
	/* As where T2 is needed: such hosts refuse both. */
	h.plan.own_namespaces = h.plan.tier == WALLS_T0;
	h.sanitized = h.plan.memory_free;
	rc = walls_probe_run(&h.plan, nothing, NULL, &h.state, &ended, &report);
	if (rc < 0 && rc != -ENOTRECOVERABLE && h.plan.tier == WALLS_T0) {
		/* Hosts exist that forbid it, and then it must say so cleanly. */
		(void)printf("1..0 # SKIP tier T0 is not to be had here: %s\n", report.text);
		return 0;
	}
	helper_ok(&h, rc == 0 && ended == 0 && h.state.tier == h.plan.tier, report.text,
		"the walls of %s can be raised", argv[1]);
	if (rc == 0) {
		exec_run(&h);
		orphan_run(&h);
		alone_run(&h);
		closed_run(&h);
		if (h.plan.tier == WALLS_T2)
			helper_skip(&h, "by design: T2 has no ring", "ring");
		else
			ring_run(&h);
		if (h.sanitized) {
			helper_skip(&h, "the sanitizers' own calls are allowed too", "policy");
		} else {
			attempts_run(&h);
			policy_run(&h, argv[3]);
		}
	}
	(void)printf("1..%u\n", h.count);
	return 0;
}
