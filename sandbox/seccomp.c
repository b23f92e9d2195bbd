/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.c - the last wall: the filter that filter_gen made from syscalls.def. */
#include "sandbox/walls_internal.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/filter_pid.h"

static_assert(WALLS_RING_FD == 3, "syscalls.def is made for descriptor 3 (filter_gen.c)");

#define FILTER(code, jt, jf, k) {(code), (jt), (jf), (k)},
static const struct sock_filter with_ring[] = {
#include "sandbox/walls_filter.inc"
};
static const struct sock_filter ringless[] = { /* T2 */
#include "sandbox/walls_filter_ringless.inc"
};
#undef FILTER

enum {
	WITH_RING = sizeof with_ring / sizeof *with_ring,
	RINGLESS = sizeof ringless / sizeof *ringless,
	FILTER_MAX = 1024
};

static_assert(WITH_RING > 0 && WITH_RING <= FILTER_MAX, "BPF_MAXINSNS is 4096");
static_assert(RINGLESS > 0 && RINGLESS <= FILTER_MAX, "BPF_MAXINSNS is 4096");

int
walls_filter_load(const struct sock_filter *filter, unsigned int count, pid_t worker, int keep_fd)
{
	struct sock_filter code[FILTER_MAX];
	const struct sock_fprog program = {.len = (unsigned short)count, .filter = code};
	const uint32_t pid = (uint32_t)getpid();

	if (count > FILTER_MAX)
		return -E2BIG;
	memcpy(code, filter, count * sizeof *code);
	for (unsigned int i = 0; i < count; i++)
		if (code[i].k == FILTER_OWN_PID)
			code[i].k = pid;
		else if (code[i].k == FILTER_WORKER_PID)
			code[i].k = (uint32_t)worker;
		else if (code[i].k == FILTER_KEEP_FD && keep_fd > 0) /* else no descriptor fits */
			code[i].k = (uint32_t)keep_fd;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int
walls_seccomp(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	const bool ring = plan->tier != WALLS_T2;
	const unsigned int count = ring ? WITH_RING : RINGLESS;

	if (walls_filter_load(ring ? with_ring : ringless, count, 0, 0) < 0)
		return walls_failed(report, WALL_seccomp, "loading the filter");

	/* Without a filter brk answers an address. The rows that kill are tried in
	 * throw-away processes (probe.c). */
	if (syscall(SYS_brk, 0) != -1 || errno != ENOMEM)
		return walls_leaks(report, WALL_seccomp, "asking for memory", 0);
	state->filter_instructions = count;
	state->up[WALL_seccomp] = true;
	return 0;
}
