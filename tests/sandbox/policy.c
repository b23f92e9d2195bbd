/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - runs policy.tests. The filter only sees numbers, so arguments need
 * not make sense: they must merely not be refused for another reason. */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/must.h"
#include "sandbox/probe.h"
#include "tests/sandbox/wall_helper.h"

enum {
	WORDS_MAX = 9,
	ARGS_MAX = 6,
	ALLOWED = 1 << 20,
	CRASHED,
	X32 = 0x40000000,
	BUF_BYTES = 4 << 12
};

struct row {
	char *call;
	char *args[ARGS_MAX];
	int verdict; /* -signal, errno, ALLOWED */
	uint8_t *buf;
};

static const struct {
	const char *name;
	int ended;
} endings[] = {
	{"ALLOW", ALLOWED},
	{"CRASH", CRASHED},
	{"SIGSYS", -SIGSYS},
	{"SIGABRT", -SIGABRT},
	{"SIGSEGV", -SIGSEGV},
	{"SIGILL", -SIGILL},
	{"SIGKILL", -SIGKILL},
	{"ENOMEM", ENOMEM},
	{"EBADF", EBADF},
	{"EINVAL", EINVAL},
	{"EACCES", EACCES},
	{"EPERM", EPERM},
	{"ENOENT", ENOENT},
	{"EROFS", EROFS},
	{"EMFILE", EMFILE},
	{"ENOSPC", ENOSPC},
	{"ESRCH", ESRCH},
	{"ENETUNREACH", ENETUNREACH},
	{"went through", 0},
};

const char *
helper_ended(int ended)
{
	static char text[32];

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (endings[i].ended == ended)
			return endings[i].name;
	(void)snprintf(text, sizeof text, "%s %d", ended < 0 ? "signal" : "errno", abs(ended));
	return text;
}

static bool
verdict_parse(const char *word, int *ret_ended)
{
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if (strcmp(endings[i].name, word) == 0) {
			*ret_ended = endings[i].ended;
			return true;
		}
	return false;
}

static long
argument(const struct row *row, unsigned int which)
{
	const char *word = row->args[which];

	if (!word || strcmp(word, "-") == 0)
		return 0;
	if (strcmp(word, "BUF") == 0)
		return (long)row->buf;
	if (strcmp(word, "PID") == 0)
		return getpid();
	if (strcmp(word, "TID") == 0)
		return syscall(SYS_gettid);
	if (strcmp(word, "PPID") == 0)
		return 2; /* not ourselves, who are 1 in T0; getppid() is not allowed */
	return (long)strtoull(word, NULL, 0);
}

static long
int80(long call, const long *args)
{
	long got;

	__asm__ volatile("int $0x80"
			 : "=a"(got)
			 : "a"(call), "b"(args[0]), "c"(args[1]), "d"(args[2])
			 : "memory", "r8", "r9", "r10", "r11");
	return got;
}

static int
do_thing(const char *name, uint8_t *buf)
{
	if (strcmp(name, "abort") == 0)
		abort();
	if (strcmp(name, "must") == 0)
		must(TEST1, buf == NULL);
	if (strcmp(name, "corrupt_heap") == 0) {
		void *volatile block = buf + 16;

		free(block);
	}
	if (strcmp(name, "null_read") == 0)
		return *(volatile int *)(uintptr_t)atoi("8");
	if (strcmp(name, "write_code") == 0)
		*(volatile char *)(uintptr_t)&policy_run = 0;
	if (strcmp(name, "run_data") == 0)
		((void (*)(void))(uintptr_t)buf)();
	if (strcmp(name, "trap") == 0)
		__builtin_trap();
	if (strcmp(name, "touch_reserved") == 0) {
		memset(buf, 1, BUF_BYTES);
		return madvise(buf, BUF_BYTES, MADV_DONTNEED) < 0 ? errno : buf[0] ? EINVAL : 0;
	}
	if (strcmp(name, "vdso_clock") == 0) {
		struct timespec now;

		return clock_gettime(CLOCK_MONOTONIC, &now) < 0 ? errno : 0;
	}
	return 0;
}

static int
call_number(const char *name, uint32_t arch)
{
	if (name[0] == '-' || (name[0] >= '0' && name[0] <= '9'))
		return atoi(name);
	return seccomp_syscall_resolve_name_arch(arch, name);
}

/* In the child, behind the walls. Names were resolved before (libseccomp may
 * allocate); here is only what the filter sees. */
struct prepared {
	const struct row *row;
	int number;
	bool int80;
};

static int
try_row(struct probe_ring *ring, void *arg)
{
	const struct prepared *p = arg;
	const struct row *row = p->row;
	long a[ARGS_MAX], got;

	(void)ring;
	if (strncmp(row->call, "do:", 3) == 0)
		return do_thing(row->call + 3, row->buf);
	for (unsigned int i = 0; i < ARGS_MAX; i++)
		a[i] = argument(row, i);
	if (p->int80)
		return int80(p->number, a) < 0 ? EINVAL : 0;
	got = syscall(p->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return got < 0 ? errno : 0;
}

static bool
prepare(const struct row *row, struct prepared *ret_prepared)
{
	*ret_prepared = (struct prepared){.row = row};
	if (strncmp(row->call, "do:", 3) == 0)
		return true;
	ret_prepared->int80 = strncmp(row->call, "int80:", 6) == 0;
	if (ret_prepared->int80)
		ret_prepared->number = call_number(row->call + 6, SCMP_ARCH_X86);
	else if (strncmp(row->call, "x32:", 4) == 0)
		ret_prepared->number = call_number(row->call + 4, SCMP_ARCH_X86_64) | X32;
	else
		ret_prepared->number = call_number(row->call, SCMP_ARCH_NATIVE);
	return ret_prepared->number != __NR_SCMP_ERROR || strcmp(row->call, "-1") == 0;
}

static void
run_row(struct helper *h, const struct row *row, const char *line)
{
	struct prepared p;
	struct report report;
	char why[REPORT_BYTES_MAX + 64];
	int ended = 0, rc;
	bool ok;

	report_clear(&report);
	if (!prepare(row, &p)) {
		helper_ok(h, false, "no such call", "%s", line);
		return;
	}
	rc = walls_probe_run(&h->plan, try_row, &p, NULL, &ended, &report);
	if (rc < 0) {
		helper_ok(h, false, report.text, "%s", line);
		return;
	}
	ok = row->verdict == ALLOWED   ? ended >= 0
	     : row->verdict == CRASHED ? ended == (h->plan.tier == WALLS_T0 ? -SIGSEGV : -SIGABRT)
				       : ended == row->verdict;
	(void)snprintf(why, sizeof why, "it ended: %s", helper_ended(ended));
	if (p.int80 && ended == -SIGSEGV)
		helper_skip(h, "this kernel has no 32-bit calls", "%s", line);
	else
		helper_ok(h, ok, why, "%s", line);
}

static bool
row_parse(char *line, struct row *row)
{
	char *words[WORDS_MAX], *save = NULL;
	unsigned int count = 0;

	for (char *w = strtok_r(line, " \t\n", &save); w && count < WORDS_MAX;
		w = strtok_r(NULL, " \t\n", &save))
		words[count++] = w;
	if (count < 3 || count > 2 + ARGS_MAX)
		return false;
	row->call = words[0];
	for (unsigned int i = 0; i < ARGS_MAX; i++)
		row->args[i] = i + 2 < count ? words[i + 1] : NULL;
	return verdict_parse(words[count - 1], &row->verdict);
}

/* "ring: .." and "T2: .." are rows of those filters only. */
static bool
row_is_ours(const struct helper *h, char *line, char **ret_row)
{
	const bool ringless = h->plan.tier == WALLS_T2;
	const bool of_ring = strncmp(line, "ring: ", 6) == 0;
	const bool of_ringless = strncmp(line, "T2: ", 4) == 0;

	*ret_row = line + (of_ring ? 6 : of_ringless ? 4 : 0);
	return !(of_ring && ringless) && !(of_ringless && !ringless);
}

void
policy_run(struct helper *h, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[200], name[220], *text;
	struct row row = {0};

	row.buf = mmap(NULL, BUF_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!file || row.buf == MAP_FAILED) {
		helper_ok(h, false, path, "policy.tests can be read");
		return;
	}
	while (fgets(line, sizeof line, file)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(name, sizeof name, "policy: %s", line);
		if (!row_is_ours(h, line, &text))
			continue;
		if (row_parse(text, &row))
			run_row(h, &row, name);
		else
			helper_ok(h, false, "not a row", "%s", name);
	}
	(void)fclose(file);
}
