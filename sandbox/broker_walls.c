/* SPDX-License-Identifier: Apache-2.0 */
/* broker_walls.c - the broker's own walls.
 *
 * The worker is born before they are up, so it inherits none: its own are
 * narrower. Landlock here knows no scope for signals, because the worker, being
 * older than the ruleset, would be outside; the filter names the one process that
 * may be ended. */
#include "sandbox/broker_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/walls_internal.h"

/* Of the kernel's <linux/landlock.h>; Debian's ends at ABI 2. */
struct ruleset {
	uint64_t fs, net, scoped;
};
struct rule_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

enum { RULE_BENEATH = 1, NET_BIND = 1, NET_CONNECT = 2, SCOPE_ABSTRACT = 1 };
enum { /* rights of the file system */
	FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4, FS_REMOVE_FILE = 1 << 5, FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8, FS_MAKE_SOCK = 1 << 9, FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11, FS_MAKE_SYM = 1 << 12, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,

	FS_NEVER = FS_EXECUTE | FS_MAKE_CHAR | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK |
		   FS_IOCTL_DEV, /* what no grant needs */
	FS_READS = FS_READ_FILE | FS_READ_DIR,
	FS_CHANGES = FS_WRITE_FILE | FS_TRUNCATE | FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE_FILE |
		     FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SYM | FS_REFER,
	FS_NAMES = FS_REMOVE_FILE | FS_MAKE_REG,
};

static const struct {
	const char *name, *stops;
} walls_of_broker[BROKER_WALL_COUNT] = {
#define BROKER_WALL(name, stops) [BROKER_WALL_##name] = {#name, stops},
#include "sandbox/broker_walls.def"
#undef BROKER_WALL
};

static const struct sock_filter filter[] = {
#define FILTER(code, jt, jf, k) {(code), (jt), (jf), (k)},
#include "sandbox/broker_filter.inc"
#undef FILTER
};

const char *
broker_wall_name(enum broker_wall wall)
{
	return walls_of_broker[wall].name;
}

const char *
broker_wall_stops(enum broker_wall wall)
{
	return walls_of_broker[wall].stops;
}

static int
failed(struct report *report, enum broker_wall wall, const char *what)
{
	const int error = errno;

	report_say(report, UINT64_MAX, "the broker's wall %s: %s: %s", broker_wall_name(wall), what,
		strerror(error));
	return error ? -error : -EIO;
}

static int
leaks(struct report *report, enum broker_wall wall, const char *tried)
{
	report_say(report, UINT64_MAX, "the broker's wall %s does not hold: %s went through",
		broker_wall_name(wall), tried);
	return -ENOTRECOVERABLE;
}

/* --- Landlock ------------------------------------------------------------------ */

static uint64_t
rights_known(int abi)
{
	uint64_t fs = (1u << 13) - 1;

	fs |= abi >= 2 ? FS_REFER : 0;
	fs |= abi >= 3 ? FS_TRUNCATE : 0;
	fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
	return fs;
}

int
broker_walls_begin(struct broker_walls *walls, const struct broker_walls_config *config,
	struct report *report)
{
	struct ruleset rules = {0};
	size_t bytes;

	*walls = (struct broker_walls){.ruleset = -1, .abi = walls_landlock_abi()};
	/* Before ABI 2 every move between directories would be refused, for good. */
	if (walls->abi < 2)
		return 0;
	rules.fs = rights_known(walls->abi) & (config->live ? (uint64_t)FS_NEVER : UINT64_MAX);
	if (walls->abi >= 4 && !config->live && !config->networks)
		rules.net = NET_BIND | NET_CONNECT;
	if (walls->abi >= 6)
		rules.scoped = SCOPE_ABSTRACT;
	bytes = walls->abi >= 6 ? sizeof rules : walls->abi >= 4 ? 16 : 8;
	walls->fs = rules.fs;
	walls->all = config->live;
	walls->ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
	return walls->ruleset < 0 ? failed(report, BROKER_WALL_landlock, "making the ruleset") : 0;
}

/* At its end a sanitized program looks for leaks: it reads its own /proc, and a child
 * of its own traces it. */
static int
leaks_looked_for(struct broker_walls *walls, struct report *report)
{
	const int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (proc < 0)
		return 0;
	rc = broker_walls_root(walls, proc, BROKER_REACH_READ, report);
	(void)close(proc);
	return rc;
}

static bool
is_whole(int fd)
{
	struct stat here, root;

	return fstat(fd, &here) == 0 && stat("/", &root) == 0 && here.st_dev == root.st_dev &&
	       here.st_ino == root.st_ino;
}

int
broker_walls_root(struct broker_walls *walls, int fd, uint32_t reach, struct report *report)
{
	struct rule_beneath rule = {.parent = fd};

	if (walls->ruleset < 0)
		return 0;
	rule.allowed |= reach & BROKER_REACH_READ ? (uint64_t)FS_READS : 0;
	rule.allowed |= reach & BROKER_REACH_WRITE ? (uint64_t)FS_CHANGES : 0;
	rule.allowed |= reach & BROKER_REACH_FILE ? (uint64_t)FS_READ_FILE : 0;
	rule.allowed |= reach & BROKER_REACH_NAMES ? (uint64_t)FS_NAMES : 0;
	rule.allowed &= walls->fs;
	if (!rule.allowed)
		return 0;
	walls->all = walls->all || (rule.allowed & FS_READ_DIR && is_whole(fd));
	if (syscall(SYS_landlock_add_rule, walls->ruleset, RULE_BENEATH, &rule, 0) < 0)
		return failed(report, BROKER_WALL_landlock, "a rule for a granted directory");
	return 0;
}

void
broker_walls_done(struct broker_walls *walls)
{
	if (walls->ruleset >= 0)
		(void)close(walls->ruleset);
	walls->ruleset = -1;
}

/* The root's names, unless they are granted; making a device, in any case. */
static int
landlock_raise(struct broker_walls *walls, struct broker_walls_state *state, struct report *report)
{
	int fd;

	state->landlock_abi = walls->abi;
	if (walls->ruleset < 0)
		return 0;
	if (syscall(SYS_landlock_restrict_self, walls->ruleset, 0) < 0)
		return failed(report, BROKER_WALL_landlock, "restricting itself");
	fd = walls->all ? -1 : open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)close(fd);
		return leaks(report, BROKER_WALL_landlock, "reading the root");
	}
	if (!walls->all && errno != EACCES)
		return failed(report, BROKER_WALL_landlock, "trying to read the root");
	state->up[BROKER_WALL_landlock] = true;
	return 0;
}

/* --- privileges ----------------------------------------------------------------- */

/* What root as a user of files does by right: reads and writes any, owns what it
 * makes, ends a worker that became nobody, listens at low ports. */
static const uint32_t kept_caps = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH |
				  1u << CAP_FOWNER | 1u << CAP_FSETID | 1u << CAP_KILL |
				  1u << CAP_NET_BIND_SERVICE;

static int
caps_drop(struct broker_walls_state *state, struct report *report)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0};

	if (syscall(SYS_capget, &head, caps) < 0)
		return failed(report, BROKER_WALL_few_caps, "capget");
	caps[0].effective &= kept_caps;
	caps[0].permitted &= kept_caps;
	caps[1].effective = caps[1].permitted = 0;
	caps[0].inheritable = caps[1].inheritable = 0;
	if (syscall(SYS_capset, &head, caps) < 0)
		return failed(report, BROKER_WALL_few_caps, "capset");
	if (sethostname("x", 1) == 0 || errno != EPERM)
		return leaks(report, BROKER_WALL_few_caps, "setting the host's name");
	state->up[BROKER_WALL_few_caps] = true;
	return 0;
}

static int
dump_refuse(struct broker_walls_state *state, struct report *report)
{
	const struct rlimit none = {0};

	if (WALLS_SANITIZED)
		return 0;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return failed(report, BROKER_WALL_not_dumpable, "asking for it");
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return leaks(report, BROKER_WALL_not_dumpable, "being traced");
	state->up[BROKER_WALL_not_dumpable] = true;
	return 0;
}

static int
filter_raise(
	pid_t worker, int keep_fd, struct broker_walls_state *state, struct report *report)
{
	if (WALLS_SANITIZED) /* their runtime does what it likes */
		return 0;
	if (walls_filter_load(filter, sizeof filter / sizeof *filter, worker, keep_fd) < 0)
		return failed(report, BROKER_WALL_seccomp, "loading the filter");
	if (memfd_create("probe", MFD_CLOEXEC) >= 0 || errno != EPERM)
		return leaks(report, BROKER_WALL_seccomp, "making memory with a descriptor");
	state->up[BROKER_WALL_seccomp] = true;
	state->filter_instructions = sizeof filter / sizeof *filter;
	return 0;
}

int
broker_walls_enter(struct broker_walls *walls, const struct broker_walls_config *config,
	pid_t worker, struct broker_walls_state *ret_state, struct report *report)
{
	struct broker_walls_state *state = ret_state;
	int rc = WALLS_SANITIZED ? leaks_looked_for(walls, report) : 0;

	*state = (struct broker_walls_state){.live = config->live};
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = failed(report, BROKER_WALL_no_new_privs, "prctl");
	else if (rc == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		rc = leaks(report, BROKER_WALL_no_new_privs, "asking for new privileges");
	else if (rc == 0)
		state->up[BROKER_WALL_no_new_privs] = true;
	if (rc == 0)
		rc = caps_drop(state, report);
	if (rc == 0)
		rc = landlock_raise(walls, state, report);
	broker_walls_done(walls);
	if (rc == 0)
		rc = dump_refuse(state, report);
	return rc == 0 ? filter_raise(worker, config->keep_fd, state, report) : rc;
}

/* --- what this host has ------------------------------------------------------------ */

struct told {
	int rc;
	struct broker_walls_state state;
	struct report report;
};

static _Noreturn void
probe_child(struct told *told)
{
	const struct broker_walls_config config = {0};
	struct broker_walls walls;

	report_clear(&told->report);
	told->rc = broker_walls_begin(&walls, &config, &told->report);
	if (told->rc == 0)
		told->rc = broker_walls_enter(&walls, &config, 1, &told->state, &told->report);
	_exit(0);
}

int
broker_walls_probe(struct broker_walls_state *ret_state, struct report *report)
{
	struct told *told =
		mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0, rc;
	pid_t pid;

	if (told == MAP_FAILED)
		return -errno;
	told->rc = -ECHILD;
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		probe_child(told);
	rc = pid < 0 ? -errno : 0;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc == 0)
		rc = !WIFEXITED(status) ? -ECHILD : told->rc;
	if (rc < 0)
		report_say(report, UINT64_MAX, "%s",
			told->report.text[0] ? told->report.text
					     : "the broker's walls: the child died in between");
	*ret_state = told->state;
	(void)munmap(told, sizeof *told);
	return rc;
}
