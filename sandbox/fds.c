/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/walls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CANARY_FD = 1000 };

static bool
stays(const struct walls_plan *plan, bool ring_only, int fd)
{
	if (fd == WALLS_RING_FD || (fd == STDERR_FILENO && plan->keep_stderr))
		return true;
	for (uint32_t i = 0; !ring_only && i < plan->keep_count; i++)
		if (plan->keep[i] == fd)
			return true;
	return false;
}

/* The lowest descriptor at or above `from` that stays; INT_MAX when none does. */
static int
next_that_stays(const struct walls_plan *plan, bool ring_only, int from)
{
	int next = INT_MAX;

	if (from <= WALLS_RING_FD)
		next = WALLS_RING_FD;
	if (plan->keep_stderr && from <= STDERR_FILENO)
		next = STDERR_FILENO;
	for (uint32_t i = 0; !ring_only && i < plan->keep_count; i++)
		if (plan->keep[i] >= from && plan->keep[i] < next)
			next = plan->keep[i];
	return next;
}

int
walls_close_fds(const struct walls_plan *plan, bool ring_only, struct walls_state *state,
	struct report *report)
{
	int from = 0, canary;

	/* A descriptor nobody listed, far from the others, so that a range cut
	 * short shows. Where the limit is lower it lands as high as it can. */
	canary = fcntl(WALLS_RING_FD, F_DUPFD_CLOEXEC, CANARY_FD);
	if (canary < 0)
		canary = fcntl(WALLS_RING_FD, F_DUPFD_CLOEXEC, 0);

	while (from < INT_MAX) {
		const int next = next_that_stays(plan, ring_only, from);
		const unsigned int last = next == INT_MAX ? ~0u : (unsigned int)next - 1;

		if (next > from && syscall(SYS_close_range, from, last, 0) < 0)
			return walls_failed(report, WALL_fds_closed, "close_range");
		from = next == INT_MAX ? INT_MAX : next + 1;
	}
	if (canary >= 0 && !stays(plan, ring_only, canary) && fcntl(canary, F_GETFD) >= 0)
		return walls_leaks(report, WALL_fds_closed, "using a descriptor not listed", 0);
	state->up[WALL_fds_closed] = true;
	return 0;
}
