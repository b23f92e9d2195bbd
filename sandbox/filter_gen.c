/* SPDX-License-Identifier: Apache-2.0 */
/* filter_gen - makes the worker's two filters from syscalls.def, and the broker's
 * from broker_syscalls.def, when Keyhold is built.
 *
 * Runs on the building machine only. Prints rows FILTER(code, jt, jf, k) for
 * seccomp.c, which puts numbers in place of OWN_PID, WORKER_PID and KEEP_FD: all that
 * is not known before. Why not at every start: docs/decisions/. */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/filter_pid.h"

enum {
	RING_FD = 3, DOOR_FD = 3, /* WALLS_RING_FD; seccomp.c asserts it */
	MADVISE_DONTNEED = 4,
	FUTEX_WAIT_SHARED = 0,
	SIGNAL_ABRT = SIGABRT,
	OWN_PID = FILTER_OWN_PID,
	WORKER_PID = FILTER_WORKER_PID,
	KEEP_FD = FILTER_KEEP_FD,
	SIGNAL_KILL = SIGKILL,
	REGISTER_FILES_UPDATE = 6,
	REGISTER_SYNC_CANCEL = 24,
	FAMILY_UNIX = AF_UNIX,
	FAMILY_INET = AF_INET,
	FAMILY_INET6 = AF_INET6,
	TERMINAL_GETS = TCGETS,
	TERMINAL_SIZE = TIOCGWINSZ,
	E_NOMEM = ENOMEM,
	E_BADF = EBADF,
	E_INVAL = EINVAL,
	E_NOENT = ENOENT,
	E_PERM = EPERM,
};

enum where { WHERE_RING = 1, WHERE_RINGLESS = 2 }; /* in which of the two filters */

struct row {
	const char *name;
	unsigned int where;
	uint32_t action;
	unsigned int tests_count;
	struct scmp_arg_cmp tests[6];
};

#define COUNT(...) (sizeof((struct scmp_arg_cmp[]){__VA_ARGS__}) / sizeof(struct scmp_arg_cmp))
#define TESTS(...)                                                                                 \
	COUNT(__VA_ARGS__),                                                                        \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define ANY
#define IS(n, value)                                                                               \
	{                                                                                          \
		(n), SCMP_CMP_EQ, (uint64_t)(value), 0                                             \
	}
#define BITS(n, mask)                                                                              \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, ~(uint64_t)(mask), 0                                      \
	}
#define BOTH				  (WHERE_RING | WHERE_RINGLESS)
#define ALLOW(call, when, reason)	  {#call, BOTH, SCMP_ACT_ALLOW, TESTS when},
#define ALLOW_RING(call, when, reason)	  {#call, WHERE_RING, SCMP_ACT_ALLOW, TESTS when},
#define ALLOW_RINGLESS(call, when, reason) {#call, WHERE_RINGLESS, SCMP_ACT_ALLOW, TESTS when},
#define REFUSE(call, error, when, reason) {#call, BOTH, SCMP_ACT_ERRNO(error), TESTS when},

static const struct row strict[] = {
#include "sandbox/syscalls.def"
};

static const struct row broker[] = {
#include "sandbox/broker_syscalls.def"
};

static const struct row sanitized[] = {
#include "sandbox/syscalls_sanitized.def"
};

static void
demand(int rc, const char *what, const char *which)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "filter_gen: %s %s: %s\n", what, which, strerror(-rc));
	exit(1);
}

static bool
is_named(const struct row *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

static void
add_rows(scmp_filter_ctx filter, const struct row *rows, size_t count, enum where where,
	bool loosened)
{
	for (size_t i = 0; i < count; i++) {
		const int call = seccomp_syscall_resolve_name(rows[i].name);

		if (!(rows[i].where & where))
			continue;
		/* A looser row takes the place of the strict one, but for the way out. */
		if (loosened && rows[i].where == BOTH &&
			is_named(sanitized, sizeof sanitized / sizeof *sanitized, rows[i].name))
			continue;
		demand(call == __NR_SCMP_ERROR ? -ENOSYS : 0, "no such call:", rows[i].name);
		demand(seccomp_rule_add_exact_array(
			       filter, rows[i].action, call, rows[i].tests_count, rows[i].tests),
			"row of", rows[i].name);
	}
}

static void
print_filter(const struct sock_filter *code, size_t count)
{
	size_t pids = 0;

	for (size_t i = 0; i < count; i++) {
		pids += code[i].k == FILTER_OWN_PID;
		printf("FILTER(0x%02x, %u, %u, 0x%08x)\n", (unsigned)code[i].code,
			(unsigned)code[i].jt, (unsigned)code[i].jf, code[i].k);
	}
	demand(pids == 1 ? 0 : -EILSEQ, "one place for", "OWN_PID");
}

int
main(int argc, char **argv)
{
	const bool loosened = argc > 1 && strcmp(argv[1], "sanitized") == 0;
	const enum where where =
		argc > 2 && strcmp(argv[2], "ringless") == 0 ? WHERE_RINGLESS : WHERE_RING;
	const bool of_broker = argc > 2 && strcmp(argv[2], "broker") == 0;
	const int fd = memfd_create("filter", 0);
	static struct sock_filter code[4096];
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	ssize_t got;

	demand(fd < 0 ? -errno : 0, "memfd", "");
	demand(filter ? 0 : -ENOMEM, "seccomp_init", "");
	/* By default a call of another kind kills the thread, not the process. */
	demand(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
		"attribute", "bad architecture");
	demand(seccomp_syscall_priority(filter,
		       where == WHERE_RING ? SCMP_SYS(io_uring_enter) : SCMP_SYS(futex), 255),
		"priority of", "the way out");
	demand(seccomp_syscall_priority(filter, SCMP_SYS(madvise), 254), "priority of", "madvise");
	if (of_broker) {
		add_rows(filter, broker, sizeof broker / sizeof *broker, where, false);
	} else {
		add_rows(filter, strict, sizeof strict / sizeof *strict, where, loosened);
		if (loosened)
			add_rows(filter, sanitized, sizeof sanitized / sizeof *sanitized, where,
				false);
	}
	demand(seccomp_export_bpf(filter, fd), "export", "");

	demand(lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0, "seek", "");
	got = read(fd, code, sizeof code);
	demand(got <= 0 || (size_t)got == sizeof code ? -EFBIG : 0, "reading", "the filter");
	printf("/* Made by filter_gen. */\n");
	print_filter(code, (size_t)got / sizeof *code);
	seccomp_release(filter);
	return 0;
}
