/* SPDX-License-Identifier: Apache-2.0 */
/* closed.c - the script fails closed: what cannot be raised, or does not hold,
 * is an error that names the wall, and never a worker with a hole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/host_facts.h"
#include "sandbox/probe.h"
#include "tests/sandbox/wall_helper.h"

struct seen {
	int early, late;
	struct walls_state state;
	struct report report;
};

enum trick {
	BORN_OUTSIDE, /* without the namespaces of its tier */
	TWO_THREADS,
	IN_THE_BROKER,
	BROKER_GONE,
	BROKER_ENDED, /* where only its pidfd can tell */
	NOT_FENCED,
	NOT_ENABLED,
};

static void *
sleeper(void *arg)
{
	(void)pause();
	return arg;
}

static int
cannot_enable(void *arg)
{
	(void)arg;
	return -EBADFD;
}

/* A ring without restrictions, where the fenced one belongs. */
static int
open_unfenced(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED};
	const int fd = (int)syscall(SYS_io_uring_setup, 8, &params);

	return fd < 0 || (fd != WALLS_RING_FD && dup2(fd, WALLS_RING_FD) < 0) ? -errno : 0;
}

/* The pidfd of a process that has ended. */
static int
pidfd_of_the_dead(void)
{
	const pid_t pid = fork();
	int fd;

	if (pid == 0)
		_exit(0);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	(void)waitpid(pid, NULL, 0);
	return fd;
}

static _Noreturn void
child(struct walls_plan plan, enum trick trick, struct seen *seen)
{
	struct probe_ring ring = {.fd = WALLS_RING_FD};
	pthread_t thread;

	report_clear(&seen->report);
	/* The number of a process that lives, but is not the parent. */
	if (trick == BROKER_GONE)
		plan.broker = getpid() + 1;
	if (trick == BROKER_ENDED)
		plan.broker_fd = pidfd_of_the_dead();
	if (trick == IN_THE_BROKER)
		plan.broker = getpid();
	if (trick == TWO_THREADS)
		(void)pthread_create(&thread, NULL, sleeper, NULL);
	if ((trick == NOT_FENCED ? open_unfenced() : probe_ring_for(plan.tier, &ring)) < 0)
		_exit(1);
	seen->early = walls_enter_early(&plan, &seen->state, &seen->report);
	if (seen->early == 0)
		seen->late = walls_enter_late(&plan,
			trick == NOT_ENABLED ? cannot_enable : probe_ring_enable, &ring,
			&seen->state, &seen->report);
	_exit(0);
}

static struct seen
play(struct walls_plan plan, enum trick trick)
{
	struct seen *shared = mmap(
		NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct seen seen = {.early = -1, .late = -1};
	int status;
	pid_t pid;

	if (shared == MAP_FAILED)
		return seen;
	*shared = seen;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(plan, trick, shared);
	(void)waitpid(pid, &status, 0);
	seen = *shared;
	(void)munmap(shared, sizeof *shared);
	return seen;
}

static void
expect(struct helper *h, const struct walls_plan *plan, enum trick trick, bool early, int rc,
	const char *words, const char *name)
{
	const struct seen seen = play(*plan, trick);
	const int got = early ? seen.early : seen.late;
	char why[REPORT_BYTES_MAX + 64];

	(void)snprintf(
		why, sizeof why, "early %d, late %d: %s", seen.early, seen.late, seen.report.text);
	helper_ok(h, got == rc && strstr(seen.report.text, words), why, "closed: %s", name);
}

static int
put(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const size_t bytes = strlen(text);
	const bool done = fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes;

	if (fd >= 0)
		(void)close(fd);
	return done ? 0 : -errno;
}

static int
nothing(struct probe_ring *ring, void *arg)
{
	(void)ring;
	(void)arg;
	return 0;
}

/* A host that forbids user namespaces to an ordinary user: one of our own with
 * none allowed below it, and no capability left in it. */
static int
enter_forbidding_host(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	const unsigned int uid = geteuid(), gid = getegid();
	char map[40];
	int rc;

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	rc = put("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof map, "%u %u 1", gid, gid);
	rc = rc ? rc : put("/proc/self/gid_map", map);
	(void)snprintf(map, sizeof map, "%u %u 1", uid, uid);
	rc = rc ? rc : put("/proc/self/uid_map", map);
	rc = rc ? rc : put("/proc/sys/user/max_user_namespaces", "0");
	return rc ? rc : syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

/* The broker's loop, on such a host: 0 when it ends at T1 and says so. */
static int
lower_on_forbidding_host(void)
{
	struct walls_plan plan;
	struct walls_state state;
	struct report report;
	struct host_facts facts;
	int rc, ended = 1;

	if (enter_forbidding_host() < 0)
		return 77;
	report_clear(&report);
	if (walls_plan_init(&plan, "T0", &report) < 0 || plan.root)
		return 1;
	rc = walls_probe_run(&plan, nothing, NULL, &state, &ended, &report);
	if (rc == 0 || walls_plan_lower(&plan, rc) || !report.text[0])
		return 2; /* demanded, so it must fail, with words */
	if (walls_plan_init(&plan, NULL, &report) < 0)
		return 3;
	rc = walls_probe_run(&plan, nothing, NULL, &state, &ended, &report);
	if (rc == 0 || !walls_plan_lower(&plan, rc))
		return 4;
	report_clear(&report);
	rc = walls_probe_run(&plan, nothing, NULL, &state, &ended, &report);
	if (rc < 0 || ended != 0 || state.tier != WALLS_T1 || state.up[WALL_userns])
		return 5;
	host_facts_find(&facts);
	return facts.any && facts.tier == WALLS_T1 && facts.why_not[WALLS_T0].text[0] ? 0 : 6;
}

/* A host that refuses one call that the namespaces need, as containers' default
 * profiles do: T1 with every claim withdrawn, or an error where T0 is demanded. */
static int
lower_where_refused(const char *call)
{
	const int number = seccomp_syscall_resolve_name(call);
	const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct walls_plan plan;
	struct walls_state state;
	struct report report;
	int ended = 1;

	if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_load(filter) < 0)
		return 77;
	seccomp_release(filter);
	report_clear(&report);
	if (walls_plan_init(&plan, "T0", &report) < 0)
		return 1;
	if (walls_probe_run(&plan, nothing, NULL, &state, &ended, &report) == 0 || !report.text[0])
		return 2;
	report_clear(&report);
	if (walls_plan_init(&plan, NULL, &report) < 0)
		return 3;
	if (walls_probe_run(&plan, nothing, NULL, &state, &ended, &report) < 0 || ended != 0)
		return 4;
	for (unsigned int i = 0; i < WALL_COUNT; i++)
		if (!walls_wall_in((enum wall)i, WALLS_T1) && state.up[i])
			return 5;
	return state.tier == WALLS_T1 && state.up[WALL_seccomp] ? 0 : 6;
}

static void
refused_run(struct helper *h)
{
	static const char *const calls[] = {
		"unshare", "mount", "fsopen", "move_mount", "pivot_root", "umount2", "sethostname"};

	for (size_t i = 0; i < sizeof calls / sizeof *calls && h->plan.tier == WALLS_T0; i++) {
		char why[24];
		int status = 0;
		pid_t pid;

		(void)fflush(stdout);
		pid = fork();
		if (pid == 0)
			_exit(lower_where_refused(calls[i]));
		(void)waitpid(pid, &status, 0);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		(void)snprintf(why, sizeof why, "step %d", status);
		helper_ok(h, status == 0, why,
			"closed: a host that refuses %s gives T1, or an error", calls[i]);
	}
}

static void
forbidden_run(struct helper *h)
{
	const char *name = "closed: a host without user namespaces gives T1, and says why";
	char why[24];
	int status = 0;
	pid_t pid;

	if (h->plan.root) {
		helper_skip(h, "root needs no user namespace", "%s", name);
		return;
	}
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(lower_on_forbidding_host());
	(void)waitpid(pid, &status, 0);
	status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	(void)snprintf(why, sizeof why, "step %d", status);
	if (status == 77)
		helper_skip(h, "such a host cannot be made here", "%s", name);
	else
		helper_ok(h, status == 0, why, "%s", name);
}

static void
surroundings_run(struct helper *h, const struct walls_plan *forced)
{
	expect(h, forced, TWO_THREADS, true, -ENOTRECOVERABLE, "wall process", "a second thread");
	expect(h, forced, IN_THE_BROKER, true, -ENOTRECOVERABLE, "wall process",
		"called in the broker itself");
	expect(h, forced, BROKER_GONE, true, -ESRCH, "the broker is gone",
		"the broker died before");
	expect(h, forced, BROKER_ENDED, true, -ESRCH, "the broker is gone",
		"the broker died before, and cannot be named");
}

void
closed_run(struct helper *h)
{
	struct walls_plan forced = h->plan, best = h->plan;
	struct seen seen;

	/* fork() gave none of the namespaces that T0 is born into; an ordinary user
	 * may then not enter the others either. */
	if (h->plan.tier == WALLS_T2) {
		surroundings_run(h, &forced);
		return;
	}
	forced.tier = forced.tier_least = WALLS_T0;
	forced.own_namespaces = best.own_namespaces = true;
	expect(h, &forced, BORN_OUTSIDE, true, -EPERM,
		geteuid() == 0 ? "tier T0 was demanded" : "wall mntns",
		"T0 demanded, born without namespaces");
	best.tier = WALLS_T0;
	best.tier_least = WALLS_T1;
	seen = play(best, BORN_OUTSIDE);
	helper_ok(h,
		seen.early == 0 && seen.late == 0 && seen.state.tier == WALLS_T1 &&
			!seen.state.up[WALL_pidns] && seen.state.up[WALL_seccomp],
		seen.report.text,
		"closed: the best is T1, and says so, when born without namespaces");

	forced.tier = forced.tier_least = WALLS_T1;
	forced.own_namespaces = false;
	surroundings_run(h, &forced);
	expect(h, &forced, NOT_FENCED, false, -ENOTRECOVERABLE, "wall ring_fenced",
		"a ring without a fence");
	forbidden_run(h);
	refused_run(h);
	expect(h, &forced, NOT_ENABLED, false, -EBADFD, "wall ring_fenced",
		"a ring that cannot be enabled");
}
