/* SPDX-License-Identifier: Apache-2.0 */
/* enter.c - the script: each wall in turn, each tried before the next.
 *
 * The order is not free. The id maps and the address space are read from /proc,
 * so before the root goes; Landlock needs no_new_privs; the ring is enabled when
 * no descriptor can be made any more, because until then its register calls
 * are open; the filter is last, because everything above needs calls that it
 * forbids. */
#include "sandbox/walls_internal.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int
walls_failed(struct report *report, enum wall wall, const char *what)
{
	const int error = errno;

	report_say(report, UINT64_MAX, "wall %s: %s: %s", walls_wall_name(wall), what,
		strerror(error));
	return error ? -error : -EIO;
}

int
walls_leaks(struct report *report, enum wall wall, const char *tried, int error)
{
	if (error)
		report_say(report, UINT64_MAX,
			"wall %s: %s was refused for a reason it should not have: %s",
			walls_wall_name(wall), tried, strerror(error));
	else
		report_say(report, UINT64_MAX, "wall %s does not hold: %s went through",
			walls_wall_name(wall), tried);
	return -ENOTRECOVERABLE;
}

/* The wall `process` is the exec that came before us; what can be seen of it is
 * that we are not the broker and have no thread but this. */
static int
begin(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	struct stat tasks;

	memset(state, 0, sizeof *state);
	state->tier = plan->tier == WALLS_T2 ? WALLS_T2 : WALLS_T1;
	if (getpid() == plan->broker && walls_namespace_number(NS_PID) == plan->namespaces[NS_PID])
		return walls_leaks(
			report, WALL_process, "raising the worker's walls in the broker", 0);
	if (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink != 3)
		return walls_leaks(report, WALL_process, "keeping a second thread", 0);
	state->up[WALL_process] = true;
	state->memory_bytes = walls_address_space();
	return 0;
}

/* In a pid namespace the parent cannot be named: there its pidfd tells. */
static bool
broker_lives(const struct walls_plan *plan)
{
	struct pollfd gone = {.fd = plan->broker_fd, .events = POLLIN};
	const pid_t parent = getppid(); /* 0: outside our pid namespace */

	return (parent == 0 || parent == plan->broker) && poll(&gone, 1, 0) == 0;
}

/* Asked for again: a change of users clears it, and a broker that ended before
 * or between sends nothing, so it is looked at once afterwards. */
static int
die_with_broker(const struct walls_plan *plan, struct report *report)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return walls_failed(report, WALL_process, "asking to end with the broker");
	if (!broker_lives(plan)) {
		report_say(report, UINT64_MAX, "wall process: the broker is gone");
		return -ESRCH;
	}
	return 0;
}

static bool
namespaces_full(const struct walls_plan *plan, const struct walls_state *state)
{
	for (unsigned int i = 0; i < WALL_COUNT; i++) {
		/* Root needs no user namespace to have the others. */
		if (i == WALL_userns && plan->root)
			continue;
		if (!walls_wall_in((enum wall)i, WALLS_T1) && i != WALL_root_empty && !state->up[i])
			return false;
	}
	return true;
}

static void
claim_no_namespaces(struct walls_state *state)
{
	for (unsigned int i = 0; i < WALL_COUNT; i++)
		if (!walls_wall_in((enum wall)i, WALLS_T1))
			state->up[i] = false;
}

/* The namespaces, and the empty root where there is a mount namespace to have
 * it in; says which tier that is. Some hosts grant a user namespace and then
 * refuse what it is for: that is T1 too, and nothing half-done is claimed. */
static int
enter_world(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	struct report why;
	int rc;

	report_clear(&why);
	rc = walls_namespaces(plan, state, &why);
	if (rc == 0 && !plan->own_namespaces)
		return 0;
	if (rc == 0 && state->up[WALL_mntns])
		rc = walls_root_empty(state, &why);
	if (rc == 0 && namespaces_full(plan, state) && state->up[WALL_root_empty]) {
		state->tier = plan->tier;
		return 0;
	}
	if (plan->tier_least != WALLS_T0 && rc != -ENOTRECOVERABLE) {
		if (rc < 0)
			claim_no_namespaces(state);
		return 0;
	}
	report_say(report, UINT64_MAX, "%s",
		why.text[0] ? why.text
			    : "walls: tier T0 was demanded, and a namespace is missing; `keyhold "
			      "doctor` tells which");
	return rc < 0 ? rc : -EPERM;
}

int
walls_enter_early(
	const struct walls_plan *plan, struct walls_state *ret_state, struct report *report)
{
	struct walls_state *state = ret_state;
	int rc;

	rc = begin(plan, state, report);
	if (rc == 0)
		rc = enter_world(plan, state, report);
	if (rc == 0)
		rc = walls_no_new_privs(state, report);
	if (rc == 0)
		rc = walls_landlock(state, report);
	if (rc == 0)
		rc = walls_drop_caps(state, report);
	if (rc == 0)
		rc = walls_stay_nobody(plan, state, report);
	if (rc == 0)
		rc = walls_not_dumpable(state, report);
	if (rc == 0)
		rc = die_with_broker(plan, report);
	if (rc == 0)
		rc = walls_close_fds(plan, false, state, report);
	return rc;
}

/* The fence is the broker's work; here it is tried from the inside. Before it
 * is enabled a ring takes every register call, so a fenced one says EACCES. */
static int
try_fence(struct walls_state *state, struct report *report)
{
	struct io_uring_probe probe = {0};
	const long rc =
		syscall(SYS_io_uring_register, WALLS_RING_FD, IORING_REGISTER_PROBE, &probe, 0);

	if (rc == 0 || errno != EACCES)
		return walls_leaks(
			report, WALL_ring_fenced, "registering at the ring", rc == 0 ? 0 : errno);
	state->up[WALL_ring_fenced] = true;
	return 0;
}

int
walls_enter_late(const struct walls_plan *plan, int (*enable)(void *arg), void *arg,
	struct walls_state *state, struct report *report)
{
	int rc;

	rc = walls_close_fds(plan, true, state, report);
	if (rc == 0)
		rc = walls_no_descriptors(state, report);
	if (rc == 0)
		rc = walls_small_limits(plan, report);
	if (rc == 0)
		rc = walls_memory_fixed(plan, state, report);
	if (rc == 0 && enable) {
		rc = enable(arg);
		if (rc < 0)
			report_say(report, UINT64_MAX,
				"wall ring_fenced: the ring cannot be enabled: %s", strerror(-rc));
		if (rc == 0 && plan->tier != WALLS_T2)
			rc = try_fence(state, report);
	}
	return rc == 0 ? walls_seccomp(plan, state, report) : rc;
}
