/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces.c - who the worker is, and the empty world it lives in.
 *
 * Two ways lead to the same place (docs/decisions/ has the record):
 *
 *  the user   born with CLONE_NEWUSER | CLONE_NEWPID, its id mapped to 0 before
 *             exec (an unmapped id would lose the capabilities of the new
 *             namespace at exec), the other namespaces by unshare().
 *  root       born with CLONE_NEWPID; becomes nobody for good, keeping its
 *             capabilities across the change; then a user namespace owned by
 *             nobody together with the others. So a worker of root's is nothing
 *             outside even if every other wall falls.
 *
 * The capabilities last until walls_drop_caps(). */
#include "sandbox/walls_internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	NAMESPACES_LATER =
		CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
};

/* "INSIDE OUTSIDE 1" without stdio: runs between clone and exec too. */
static size_t
map_line(char *line, uint32_t inside, uint32_t outside)
{
	const uint32_t numbers[3] = {inside, outside, 1};
	size_t at = 0;

	for (unsigned int i = 0; i < 3; i++) {
		char digits[10];
		unsigned int count = 0;
		uint32_t n = numbers[i];

		do {
			digits[count++] = (char)('0' + n % 10);
			n /= 10;
		} while (n);
		if (i)
			line[at++] = ' ';
		while (count)
			line[at++] = digits[--count];
	}
	return at;
}

static int
write_file(const char *path, const char *text, size_t bytes)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t got;
	int rc = 0;

	if (fd < 0)
		return -errno;
	got = write(fd, text, bytes);
	if (got < 0)
		rc = -errno;
	else if ((size_t)got != bytes)
		rc = -EIO;
	(void)close(fd);
	return rc;
}

static int
map_ids(uint32_t inside, uint32_t uid, uint32_t gid)
{
	char line[40];
	int rc;

	/* Without this an unprivileged map of groups is refused; and nobody can
	 * shed a group that denies. Kernels before 3.19 lack the file: not ours. */
	rc = write_file("/proc/self/setgroups", "deny", 4);
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", line, map_line(line, inside, gid));
	if (rc == 0)
		rc = write_file("/proc/self/uid_map", line, map_line(line, inside, uid));
	return rc;
}

int
walls_before_exec(void *arg)
{
	const struct walls_plan *plan = arg;

	/* The worker never outlives its broker. Again later: changing users clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (!plan->own_namespaces || plan->root)
		return 0;
	/* A broker that is not dumpable bears a child whose /proc is root's. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return -errno;
	return map_ids(0, plan->uid, plan->gid);
}

static int
become_nobody(bool keep_caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	if (keep_caps && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(WALLS_NOBODY, WALLS_NOBODY, WALLS_NOBODY) < 0 ||
		setresuid(WALLS_NOBODY, WALLS_NOBODY, WALLS_NOBODY) < 0)
		return -errno;
	/* A change of users makes /proc/self root's own; the id maps are there. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return -errno;
	if (!keep_caps)
		return 0;

	if (syscall(SYS_capget, &head, caps) < 0)
		return -errno;
	caps[0].effective = caps[0].permitted;
	caps[1].effective = caps[1].permitted;
	if (syscall(SYS_capset, &head, caps) < 0)
		return -errno;
	return prctl(PR_SET_KEEPCAPS, 0) < 0 ? -errno : 0;
}

static bool
is_root_outside(const struct walls_plan *plan)
{
	return plan->root && geteuid() == 0;
}

/* Where user namespaces are switched off, root's own capabilities still make
 * the others; then only the userns flag stays down. */
static int
unshare_as_nobody(void)
{
	if (unshare(CLONE_NEWUSER | NAMESPACES_LATER) == 0)
		return map_ids(WALLS_NOBODY, WALLS_NOBODY, WALLS_NOBODY);
	if (errno != EPERM && errno != ENOSPC && errno != EINVAL && errno != EUSERS)
		return -errno;
	return unshare(NAMESPACES_LATER) == 0 ? 0 : -errno;
}

static void
note_namespaces(const struct walls_plan *plan, struct walls_state *state)
{
	static const enum wall walls[WALLS_NAMESPACES] = {[NS_USER] = WALL_userns,
		[NS_PID] = WALL_pidns,
		[NS_MNT] = WALL_mntns,
		[NS_NET] = WALL_netns,
		[NS_IPC] = WALL_ipcns,
		[NS_UTS] = WALL_utsns,
		[NS_CGROUP] = WALL_cgroupns};

	for (unsigned int i = 0; i < WALLS_NAMESPACES; i++) {
		const uint64_t own = walls_namespace_number(i);

		state->up[walls[i]] = own && plan->namespaces[i] && own != plan->namespaces[i];
	}
}

/* No user namespace inside this one: there the dropped capabilities would come
 * back, over nothing of ours, but with more of the kernel in reach. */
static int
try_userns(struct report *report)
{
	const int rc = write_file("/proc/sys/user/max_user_namespaces", "0", 1);

	if (rc < 0) {
		errno = -rc;
		return walls_failed(report, WALL_userns, "forbidding more user namespaces");
	}
	if (unshare(CLONE_NEWUSER) == 0 || errno != ENOSPC)
		return walls_leaks(report, WALL_userns, "making another user namespace", errno);
	return 0;
}

/* Numbers that differ are not enough: what a namespace is for must fail too. */
static int
try_namespaces(struct walls_state *state, struct report *report)
{
	const struct sockaddr_in loopback = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	int fd, rc = state->up[WALL_userns] ? try_userns(report) : 0;

	if (rc < 0)
		return rc;
	if (state->up[WALL_pidns] && getppid() != 0)
		return walls_leaks(report, WALL_pidns, "naming the parent process", 0);
	if (state->up[WALL_utsns] && sethostname("keyhold", 7) < 0)
		return walls_failed(report, WALL_utsns, "setting its own host name");
	if (!state->up[WALL_netns])
		return 0;

	/* Only looks for a route; nothing is sent. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : walls_failed(report, WALL_netns, "socket");
	rc = connect(fd, (const struct sockaddr *)&loopback, sizeof loopback) < 0 ? errno : 0;
	(void)close(fd);
	return rc == ENETUNREACH ? 0 : walls_leaks(report, WALL_netns, "reaching loopback", rc);
}

int
walls_namespaces(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	int rc = 0;

	if (is_root_outside(plan)) {
		rc = become_nobody(plan->own_namespaces);
		if (rc < 0) {
			errno = -rc;
			(void)walls_failed(report, WALL_nobody, "becoming nobody");
			return -ENOTRECOVERABLE; /* in no tier does root stay */
		}
	}

	if (!plan->own_namespaces)
		return 0;
	rc = plan->root ? unshare_as_nobody() : unshare(NAMESPACES_LATER) < 0 ? -errno : 0;
	if (rc < 0) {
		errno = -rc;
		return walls_failed(report, WALL_mntns, "entering namespaces (tier T0)");
	}
	note_namespaces(plan, state);
	return try_namespaces(state, report);
}

/* Only when the capabilities are gone: with them root could come back. */
int
walls_stay_nobody(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	if (plan->root) {
		if (setresuid(0, 0, 0) == 0)
			return walls_leaks(report, WALL_nobody, "becoming root again", 0);
		if (errno != EPERM && errno != EINVAL) /* EINVAL: no such id in here */
			return walls_leaks(report, WALL_nobody, "becoming root again", errno);
	}
	/* Root in name only keeps its user, and whose that is outside cannot be told. */
	state->up[WALL_nobody] = plan->root || plan->uid != 0;
	return 0;
}

static int
try_root_empty(struct report *report)
{
	const int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat here, above;
	char entries[256];
	long got, at, names = 0;

	if (fd < 0)
		return walls_failed(report, WALL_root_empty, "opening the new root");
	got = syscall(SYS_getdents64, fd, entries, sizeof entries);
	(void)close(fd);
	if (got < 0)
		return walls_failed(report, WALL_root_empty, "listing the new root");
	for (at = 0; at < got; names++) {
		unsigned short record;

		/* struct linux_dirent64: u64 ino, s64 off, u16 record bytes. */
		memcpy(&record, entries + at + 16, sizeof record);
		at += record;
	}
	if (names != 2) /* . and .. */
		return walls_leaks(report, WALL_root_empty, "finding a name in the root", 0);
	if (mkdir("/x", 0700) == 0 || errno != EROFS)
		return walls_leaks(report, WALL_root_empty, "making a directory", errno);
	if (stat("/", &here) < 0 || stat("/..", &above) < 0)
		return walls_failed(report, WALL_root_empty, "looking at the new root");
	if (here.st_dev != above.st_dev || here.st_ino != above.st_ino)
		return walls_leaks(report, WALL_root_empty, "going up from the root", 0);
	return 0;
}

static int
set_option(int fs, unsigned int how, const char *name, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, how, name, value, 0);
}

/* A file system nobody else can see, mounted over the root, then made the root;
 * what was the root hangs under it for a moment and is let go. */
static int
enter_empty_root(const char **ret_step)
{
	const unsigned long attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					 MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME;
	const int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int mount_fd, rc;

	*ret_step = "opening a tmpfs";
	if (fs < 0)
		return -errno;
	*ret_step = "making a tmpfs";
	rc = set_option(fs, FSCONFIG_SET_STRING, "size", "4096") < 0 ||
			     set_option(fs, FSCONFIG_SET_STRING, "mode", "0555") < 0 ||
			     set_option(fs, FSCONFIG_SET_FLAG, "ro", NULL) < 0 ||
			     set_option(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0
		     ? -errno
		     : 0;
	mount_fd = rc < 0 ? -1 : (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
	if (rc == 0 && mount_fd < 0)
		rc = -errno;
	(void)close(fs);
	if (rc < 0)
		return rc;

	*ret_step = "making the empty directory the root";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
		fchdir(mount_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		rc = -errno;
	(void)close(mount_fd);
	return rc;
}

int
walls_root_empty(struct walls_state *state, struct report *report)
{
	const char *step;
	int rc = enter_empty_root(&step);

	if (rc < 0) {
		errno = -rc;
		return walls_failed(report, WALL_root_empty, step);
	}
	rc = try_root_empty(report);
	if (rc == 0)
		state->up[WALL_root_empty] = true;
	return rc;
}
