/* SPDX-License-Identifier: Apache-2.0 */
/* closed.c - the script fails closed: what cannot be raised, or does not hold,
 * is an error that names the wall, and never a worker with a hole. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/probe_ring.h"
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

static _Noreturn void
child(struct walls_plan plan, enum trick trick, struct seen *seen)
{
	struct probe_ring ring = {.fd = WALLS_RING_FD};
	pthread_t thread;

	report_clear(&seen->report);
	/* The number of a process that lives, but is not the parent. */
	if (trick == BROKER_GONE)
		plan.broker = getpid() + 1;
	if (trick == IN_THE_BROKER)
		plan.broker = getpid();
	if (trick == TWO_THREADS)
		(void)pthread_create(&thread, NULL, sleeper, NULL);
	if ((trick == NOT_FENCED ? open_unfenced() : probe_ring_open(&ring)) < 0)
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

void
closed_run(struct helper *h)
{
	struct walls_plan forced = h->plan, best = h->plan;
	struct seen seen;

	/* fork() gave none of the namespaces that T0 is born into; an ordinary user
	 * may then not enter the others either. */
	forced.tier = forced.tier_least = WALLS_T0;
	expect(h, &forced, BORN_OUTSIDE, true, -EPERM,
		h->plan.root ? "tier T0 was demanded" : "wall mntns",
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
	expect(h, &forced, TWO_THREADS, true, -ENOTRECOVERABLE, "wall process", "a second thread");
	expect(h, &forced, IN_THE_BROKER, true, -ENOTRECOVERABLE, "wall process",
		"called in the broker itself");
	expect(h, &forced, BROKER_GONE, true, -ESRCH, "the broker is gone",
		"the broker died before");
	expect(h, &forced, NOT_FENCED, false, -ENOTRECOVERABLE, "wall ring_fenced",
		"a ring without a fence");
	expect(h, &forced, NOT_ENABLED, false, -EBADFD, "wall ring_fenced",
		"a ring that cannot be enabled");
}
