/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/host_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/probe.h"
#include "sandbox/walls_internal.h"

/* A setting of the host: its number, or -1. */
static int
setting(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	return atoi(text);
}

static uint64_t
soft_limit(__rlimit_resource_t what)
{
	struct rlimit limit;

	return getrlimit(what, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX
									      : limit.rlim_cur;
}

/* In a child, because the probe puts its ring where the worker's would be. */
static void
find_uring(struct host_facts *facts)
{
	int32_t *told = mmap(
		NULL, 2 * sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	facts->uring_disabled = setting("/proc/sys/kernel/io_uring_disabled");
	facts->uring_error = ENOMEM;
	facts->uring_lacks = -1;
	if (told == MAP_FAILED)
		return;
	told[0] = ECHILD;
	told[1] = -1;
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		struct probe_ring ring;

		told[0] = -probe_ring_open(&ring);
		if (told[0] == 0)
			told[1] = probe_ring_lacks(&ring);
		_exit(0);
	}
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	facts->uring_error = told[0];
	facts->uring_lacks = told[1];
	(void)munmap(told, 2 * sizeof *told);
}

static int
nothing(struct probe_ring *ring, void *arg)
{
	(void)ring;
	(void)arg;
	return 0;
}

static bool
find_tier(struct host_facts *facts, enum walls_tier tier)
{
	struct report *why = &facts->why_not[tier];
	struct walls_state state;
	struct walls_plan plan;
	int ended, rc;

	if (walls_plan_init(&plan, walls_tier_name(tier), why) < 0)
		return false;
	rc = walls_probe_run(&plan, nothing, NULL, &state, &ended, why);
	if (rc < 0 && tier == WALLS_T2 && walls_plan_lower(&plan, rc)) {
		report_clear(why);
		rc = walls_probe_run(&plan, nothing, NULL, &state, &ended, why);
	}
	if (rc < 0 || ended != 0) {
		report_say(why, UINT64_MAX, "the walls do not let a worker end well");
		return false;
	}
	if (!facts->any) {
		facts->any = true;
		facts->tier = tier;
		facts->walls = state;
	}
	return true;
}

void
host_facts_find(struct host_facts *facts)
{
	const uint32_t kill_process = SECCOMP_RET_KILL_PROCESS;
	struct utsname name;

	memset(facts, 0, sizeof *facts);
	for (unsigned int i = 0; i <= WALLS_T2; i++)
		report_clear(&facts->why_not[i]);
	if (uname(&name) == 0) {
		(void)snprintf(facts->kernel, sizeof facts->kernel, "%s", name.release);
		(void)snprintf(facts->machine, sizeof facts->machine, "%s", name.machine);
	}
	facts->root = geteuid() == 0;
	facts->landlock_abi = walls_landlock_abi();
	facts->seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill_process) == 0;
	facts->memlock_bytes = soft_limit(RLIMIT_MEMLOCK);
	facts->descriptors_max = soft_limit(RLIMIT_NOFILE);
	find_uring(facts);
	for (unsigned int tier = WALLS_T0; tier <= WALLS_T2; tier++)
		(void)find_tier(facts, (enum walls_tier)tier);
}

struct advisor {
	struct host_advice *to;
	size_t count;
};

static void
advise(struct advisor *advisor, bool when, const char *what, const char *remedy)
{
	if (when && advisor->count < HOST_ADVICE_MAX)
		advisor->to[advisor->count++] = (struct host_advice){what, remedy};
}

static void
advise_uring(const struct host_facts *facts, struct advisor *to)
{
	const bool missing = facts->uring_error != 0;
	const bool setting_on = facts->uring_disabled == 1 || facts->uring_disabled == 2;

	advise(to, missing && setting_on, "io_uring is switched off on this host",
		"as root: sysctl -w kernel.io_uring_disabled=0");
	advise(to, missing && facts->uring_error == ENOSYS, "this kernel has no io_uring",
		"a kernel with CONFIG_IO_URING, 6.1 or later");
	advise(to, missing && !setting_on && facts->uring_error != ENOSYS,
		"io_uring is refused, as containers' default system-call filters do",
		"a seccomp profile for the container that allows io_uring_setup, io_uring_enter "
		"and "
		"io_uring_register");
	advise(to, missing && !facts->why_not[WALLS_T2].text[0], "programs run without io_uring, slower",
		"keyhold run --accept-tier T2 ..");
	advise(to, facts->uring_lacks >= 0 && facts->uring_lacks != 55, /* FTRUNCATE: the broker */
		"this kernel's io_uring lacks operations that are needed", "Linux 6.1 or later");
}

static void
advise_namespaces(const struct host_facts *facts, struct advisor *to)
{
	const bool missing = facts->why_not[WALLS_T0].text[0] && facts->uring_error == 0;
	const bool no_clone = setting("/proc/sys/kernel/unprivileged_userns_clone") == 0;
	const bool none_left = setting("/proc/sys/user/max_user_namespaces") == 0;
	const bool apparmor =
		setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1;

	advise(to, missing && !facts->root && no_clone,
		"user namespaces are for root only (tier T0 needs them)",
		"as root: sysctl -w kernel.unprivileged_userns_clone=1");
	advise(to, (missing || (facts->root && !facts->walls.up[WALL_userns])) && none_left,
		"no user namespace may be made (tier T0 needs one)",
		"as root: sysctl -w user.max_user_namespaces=10000");
	advise(to, missing && !facts->root && apparmor,
		"AppArmor keeps namespaces from ordinary users (tier T0 needs them)",
		"an AppArmor profile for keyhold with `userns,`, or as root: "
		"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
	advise(to, missing && !no_clone && !none_left && !apparmor,
		"namespaces are refused here, as in most containers (tier T0 needs them)",
		"a seccomp profile that allows clone, unshare, mount and pivot_root; or accept "
		"tier T1");
}

size_t
host_facts_advise(const struct host_facts *facts, struct host_advice ret_advice[HOST_ADVICE_MAX])
{
	struct advisor to = {.to = ret_advice};

	advise(&to, !facts->seccomp, "this kernel cannot kill a process from a filter",
		"a kernel with CONFIG_SECCOMP_FILTER, 4.14 or later");
	advise_uring(facts, &to);
	advise_namespaces(facts, &to);
	advise(&to, facts->landlock_abi == 0,
		"this kernel has no Landlock, or it is not switched on",
		"Linux 5.13 or later with landlock in its `lsm=` list");
	advise(&to, facts->landlock_abi > 0 && facts->landlock_abi < 6,
		"this kernel's Landlock knows neither signals nor abstract sockets",
		"Linux 6.12 or later; other walls stop these too");
	return to.count;
}
