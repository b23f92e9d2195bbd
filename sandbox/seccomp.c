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

static const struct sock_filter filter[] = {
#define FILTER(code, jt, jf, k) {(code), (jt), (jf), (k)},
#include "sandbox/walls_filter.inc"
#undef FILTER
};

enum { FILTER_COUNT = sizeof filter / sizeof *filter };

static_assert(FILTER_COUNT > 0 && FILTER_COUNT <= 4096, "BPF_MAXINSNS");

int
walls_seccomp(struct walls_state *state, struct report *report)
{
	struct sock_filter code[FILTER_COUNT];
	const struct sock_fprog program = {.len = FILTER_COUNT, .filter = code};
	const uint32_t pid = (uint32_t)getpid();

	memcpy(code, filter, sizeof code);
	for (unsigned int i = 0; i < FILTER_COUNT; i++)
		if (code[i].k == FILTER_OWN_PID)
			code[i].k = pid;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return walls_failed(report, WALL_seccomp, "loading the filter");

	/* Without a filter brk answers an address. The rows that kill are tried in
	 * throw-away processes (probe.c). */
	if (syscall(SYS_brk, 0) != -1 || errno != ENOMEM)
		return walls_leaks(report, WALL_seccomp, "asking for memory", 0);
	state->filter_instructions = FILTER_COUNT;
	state->up[WALL_seccomp] = true;
	return 0;
}
