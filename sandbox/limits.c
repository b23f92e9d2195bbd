/* SPDX-License-Identifier: Apache-2.0 */
/* limits.c - privileges and limits of the process itself. */
#include "sandbox/walls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/fits.h"

enum { STACK_BYTES = 8 << 20, SLACK_BYTES = 1 << 20 };

int
walls_no_new_privs(struct walls_state *state, struct report *report)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return walls_failed(report, WALL_no_new_privs, "prctl");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return walls_leaks(report, WALL_no_new_privs, "asking for new privileges", 0);
	state->up[WALL_no_new_privs] = true;
	return 0;
}

/* Without CAP_SETPCAP (T1, an ordinary user) the bounding set stays; with
 * no_new_privs and no file capabilities in reach it bounds nothing. */
static int
drop_bounding(void)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL || (errno == EPERM && cap == 0))
			return 0; /* past the last one, or not ours to drop */
		return -errno;
	}
	return 0;
}

int
walls_drop_caps(struct walls_state *state, struct report *report)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0};

	if (drop_bounding() < 0)
		return walls_failed(report, WALL_caps_dropped, "emptying the bounding set");
	/* Ambient ones go with the inheritable. */
	if (syscall(SYS_capset, &head, caps) < 0)
		return walls_failed(report, WALL_caps_dropped, "capset");
	memset(caps, 0xff, sizeof caps);
	if (syscall(SYS_capget, &head, caps) < 0)
		return walls_failed(report, WALL_caps_dropped, "capget");
	if (caps[0].effective | caps[0].permitted | caps[0].inheritable | caps[1].effective |
		caps[1].permitted | caps[1].inheritable)
		return walls_leaks(report, WALL_caps_dropped, "keeping a capability", 0);
	if (sethostname("x", 1) == 0 || errno != EPERM)
		return walls_leaks(report, WALL_caps_dropped, "setting the host name", errno);
	state->up[WALL_caps_dropped] = true;
	return 0;
}

int
walls_not_dumpable(struct walls_state *state, struct report *report)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return walls_failed(report, WALL_not_dumpable, "prctl");
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return walls_leaks(report, WALL_not_dumpable, "being traced", 0);
	state->up[WALL_not_dumpable] = true;
	return 0;
}

static int
set_limit(__rlimit_resource_t what, uint64_t value)
{
	const struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
	struct rlimit old;

	/* A hard limit that is lower already stays: it may not be raised. */
	if (getrlimit(what, &old) == 0 && old.rlim_max < value)
		return setrlimit(what, &(struct rlimit){old.rlim_max, old.rlim_max});
	return setrlimit(what, &limit);
}

int
walls_no_descriptors(struct walls_state *state, struct report *report)
{
	int fd;

	if (set_limit(RLIMIT_NOFILE, 0) < 0)
		return walls_failed(report, WALL_nofile_zero, "setrlimit");
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd >= 0 || errno != EMFILE)
		return walls_leaks(
			report, WALL_nofile_zero, "making a descriptor", fd >= 0 ? 0 : errno);
	state->up[WALL_nofile_zero] = true;
	return 0;
}

int
walls_small_limits(const struct walls_plan *plan, struct report *report)
{
	if (set_limit(RLIMIT_CORE, 0) < 0)
		return walls_failed(report, WALL_not_dumpable, "RLIMIT_CORE");
	if (plan->fsize_bytes != UINT64_MAX && set_limit(RLIMIT_FSIZE, plan->fsize_bytes) < 0)
		return walls_failed(report, WALL_nofile_zero, "RLIMIT_FSIZE");
	return 0;
}

uint64_t
walls_address_space(void)
{
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t got;
	uint64_t bytes;

	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	/* The first number: total program size in pages. */
	return mul_fits(&bytes, strtoull(text, NULL, 10), (uint64_t)sysconf(_SC_PAGESIZE)) ? bytes
											   : 0;
}

int
walls_memory_fixed(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	struct rlimit stack;
	uint64_t limit = STACK_BYTES;
	void *more;

	if (plan->memory_free || state->memory_bytes == 0)
		return 0;
	/* The stack counts when it grows, so its whole room is left. */
	if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < limit)
		limit = stack.rlim_cur;
	limit = add_saturating(limit, add_saturating(state->memory_bytes, plan->later_bytes));
	limit = add_saturating(limit, SLACK_BYTES);
	state->memory_bytes = limit;
	if (set_limit(RLIMIT_AS, limit) < 0)
		return walls_failed(report, WALL_memory_fixed, "setrlimit");
	more = mmap(NULL, STACK_BYTES + 2 * SLACK_BYTES, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (more != MAP_FAILED || errno != ENOMEM)
		return walls_leaks(report, WALL_memory_fixed, "reserving more memory",
			more != MAP_FAILED ? 0 : errno);
	state->up[WALL_memory_fixed] = true;
	return 0;
}
