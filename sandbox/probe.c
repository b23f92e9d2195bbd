/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KILLED = -SIGSYS,
	OP_FIXED_FD_INSTALL = 54, /* Debian's header ends at 48 */
	ARGS_MAX = 6,
};

struct attempt {
	const char *name;
	int must_end;
	bool is_ring;
	long call[1 + ARGS_MAX];
	struct io_uring_sqe sqe;
};

/* What the child leaves behind: shared memory, since it has no descriptor. */
struct told {
	bool up;
	int rc;
	struct walls_state state;
	struct report report;
};

static _Noreturn void
child(const struct walls_plan *plan, int (*fn)(struct probe_ring *, void *), void *arg,
	struct told *told)
{
	struct walls_plan mine = *plan;
	struct probe_ring ring;
	int ended = 0;

	report_clear(&told->report);
	told->rc = walls_before_exec(&mine);
	if (told->rc < 0)
		report_say(&told->report, UINT64_MAX, "walls: writing the id maps: %s",
			strerror(-told->rc));
	if (told->rc == 0)
		told->rc = probe_ring_for(mine.tier, &ring);
	if (told->rc < 0)
		report_say(&told->report, UINT64_MAX, "walls: making a fenced ring: %s",
			strerror(-told->rc));
	if (told->rc == 0)
		told->rc = walls_enter_early(&mine, &told->state, &told->report);
	if (told->rc == 0)
		told->rc = walls_enter_late(
			&mine, probe_ring_enable, &ring, &told->state, &told->report);
	if (told->rc == 0) {
		told->up = true;
		ended = fn(&ring, arg);
	}
	_exit(ended & 0xff);
}

static int
wait_for(pid_t pid, int *ret_ended)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_ended = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

int
walls_probe_run(const struct walls_plan *plan, int (*fn)(struct probe_ring *ring, void *arg),
	void *arg, struct walls_state *ret_state, int *ret_ended, struct report *report)
{
	struct told *told =
		mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long pid;
	int rc, ended = 0;

	if (told == MAP_FAILED)
		return -errno;
	pid = syscall(SYS_clone, walls_clone_flags(plan) | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		child(plan, fn, arg, told);
	rc = pid < 0 ? -errno : wait_for((pid_t)pid, &ended);
	if (pid < 0)
		report_say(report, UINT64_MAX, "walls: making a process for tier %s: %s",
			walls_tier_name(plan->tier), strerror(-rc));
	if (rc == 0 && !told->up) {
		rc = told->rc ? told->rc : -ECHILD;
		report_say(report, told->report.offset, "%s",
			told->report.text[0] ? told->report.text
					     : "walls: the child died in between");
	}
	if (ret_state)
		*ret_state = told->state;
	if (rc == 0)
		*ret_ended = ended;
	(void)munmap(told, sizeof *told);
	return rc;
}

static int
try_attempt(struct probe_ring *ring, void *arg)
{
	const struct attempt *a = arg;
	long got;

	if (a->is_ring) {
		const int result = probe_ring_do(ring, &a->sqe);

		return result < 0 ? -result : 0;
	}
	got = syscall(
		a->call[0], a->call[1], a->call[2], a->call[3], a->call[4], a->call[5], a->call[6]);
	return got < 0 ? errno : 0;
}

static const struct attempt attempts[] = {
#define CALL(name, verdict, ...) {name, verdict, false, {__VA_ARGS__}, {0}},
#define RING(name, verdict, ...) {name, verdict, true, {0}, {__VA_ARGS__}},
#include "sandbox/attempts.def"
#undef CALL
#undef RING
};

size_t
walls_attempts_count(void)
{
	return sizeof attempts / sizeof *attempts;
}

int
walls_probe(const struct walls_plan *plan, size_t index, struct walls_attempt *ret_attempt,
	struct report *report)
{
	struct attempt a = attempts[index];
	int ended, rc;

	if (a.is_ring && plan->tier == WALLS_T2)
		a.must_end = KILLED; /* there is none to enter */

	rc = walls_probe_run(plan, try_attempt, &a, NULL, &ended, report);
	if (rc < 0)
		return rc;
	*ret_attempt = (struct walls_attempt){
		.name = a.name,
		.held = ended == a.must_end,
		.ended = ended,
		.must_end = a.must_end,
	};
	return 0;
}
