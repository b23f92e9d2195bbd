/* SPDX-License-Identifier: Apache-2.0 */
/* alone.c - each wall with the others down: what it stops by itself.
 *
 * Defence in depth is only that if each layer holds; behind all walls the filter
 * hides the rest. So a child raises one wall (and what it needs), then tries. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/probe_ring.h"
#include "sandbox/walls_internal.h"
#include "tests/sandbox/wall_helper.h"

enum { FAILED_TO_RAISE = 250, LEAKED_FD = 77, FAR = 64 << 20 };

/* What the helper prepared outside, for the child to reach for. */
static struct {
	const struct helper *helper;
	int shm_key;
	char host_name[65];
	char secret[64]; /* a file only its owner may read */
	char abstract[32];
	int root_dir;
	int passing[2]; /* a socket pair with a descriptor in flight */
	struct probe_ring ring;
} outside;

static int
reach(long got)
{
	return got < 0 ? errno : 0;
}

/* --- raising ----------------------------------------------------------------- */

static int
raise_namespaces(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	return walls_namespaces(plan, state, report);
}

static int
raise_namespaces_no_caps(
	const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	const int rc = walls_namespaces(plan, state, report);

	return rc == 0 ? walls_drop_caps(state, report) : rc;
}

static int
raise_root(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	const int rc = walls_namespaces(plan, state, report);

	return rc == 0 ? walls_root_empty(state, report) : rc;
}

static int
raise_no_new_privs(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	(void)plan;
	return walls_no_new_privs(state, report);
}

static int
raise_landlock(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	const int rc = raise_no_new_privs(plan, state, report);

	return rc == 0 ? walls_landlock(state, report) : rc;
}

static int
raise_caps(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	(void)plan;
	return walls_drop_caps(state, report);
}

static int
raise_dumpable(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	(void)plan;
	return walls_not_dumpable(state, report);
}

static int
raise_fds(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	if (dup2(STDIN_FILENO, LEAKED_FD) < 0)
		return -errno;
	return walls_close_fds(plan, true, state, report);
}

static int
raise_nofile(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	const int rc = raise_caps(plan, state, report);

	return rc == 0 ? walls_no_descriptors(state, report) : rc;
}

static int
raise_memory(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	state->memory_bytes = walls_address_space();
	return walls_memory_fixed(plan, state, report);
}

static int
raise_fence(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	(void)plan;
	(void)state;
	(void)report;
	return probe_ring_enable(&outside.ring);
}

static int
raise_filter(const struct walls_plan *plan, struct walls_state *state, struct report *report)
{
	const int rc = raise_no_new_privs(plan, state, report);

	return rc == 0 ? walls_seccomp(plan, state, report) : rc;
}

/* --- trying ------------------------------------------------------------------ */

static int
open_passwd(void)
{
	return reach(open("/etc/passwd", O_RDONLY));
}

static int
open_upwards(void)
{
	return reach(open("../../../../../etc/passwd", O_RDONLY));
}

static int
open_proc_mem(void)
{
	return reach(open("/proc/self/mem", O_RDWR));
}

static int
open_proc_one(void)
{
	char path[40];

	(void)snprintf(path, sizeof path, "/proc/%d/root/etc", (int)outside.helper->plan.broker);
	return reach(open(path, O_RDONLY));
}

static int
open_beneath_old_dir(void)
{
	return reach(openat(outside.root_dir, "etc/passwd", O_RDONLY));
}

static int
open_secret(void)
{
	return reach(open(outside.secret, O_RDONLY));
}

static int
write_secret(void)
{
	return reach(open(outside.secret, O_WRONLY | O_TRUNC));
}

static int
remove_secret(void)
{
	return reach(unlink(outside.secret));
}

static int
make_directory(void)
{
	return reach(mkdir("/keyhold-was-here", 0700));
}

static int
signal_broker(void)
{
	return reach(kill(outside.helper->plan.broker, 0));
}

static int
trace_broker(void)
{
	return reach(
		syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, outside.helper->plan.broker, 0, 0));
}

static int
inet(int type, bool connecting, in_port_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	const int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		return errno;
	return reach(connecting ? connect(fd, (const struct sockaddr *)&to, sizeof to)
				: bind(fd, (const struct sockaddr *)&to, sizeof to));
}

static int
connect_udp(void)
{
	return inet(SOCK_DGRAM, true, 9);
}

static int
connect_tcp(void)
{
	return inet(SOCK_STREAM, true, 9);
}

static int
bind_tcp(void)
{
	return inet(SOCK_STREAM, false, 40404);
}

static int
connect_abstract(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const size_t bytes = strlen(outside.abstract);
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(to.sun_path + 1, outside.abstract, bytes);
	if (fd < 0)
		return errno;
	return reach(connect(fd, (const struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + bytes)));
}

static int
find_shared_memory(void)
{
	return reach(shmget(outside.shm_key, 0, 0));
}

static int
learn_host_name(void)
{
	char name[65] = "";

	if (gethostname(name, sizeof name) < 0)
		return errno;
	return strcmp(name, "keyhold") == 0 ? ENOENT : 0;
}

static int
learn_cgroup(void)
{
	char text[4096];
	const int fd = open("/proc/self/cgroup", O_RDONLY);
	const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (got < 0)
		return errno;
	text[got] = '\0';
	/* Lines are ID:CONTROLLERS:PATH; from inside every path is the root. */
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strcmp(strrchr(line, ':'), ":/") != 0)
			return 0;
	return ENOENT;
}

static int
mount_here(void)
{
	return reach(mount("none", "/", "tmpfs", 0, NULL));
}

static int
enter_another_net(void)
{
	return reach(unshare(CLONE_NEWNET));
}

static int
another_userns(void)
{
	return reach(unshare(CLONE_NEWUSER));
}

static int
become_root(void)
{
	return reach(setresuid(0, 0, 0)) ? EPERM : 0; /* or EINVAL: no such id inside */
}

static int
undo_no_new_privs(void)
{
	return reach(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static int
change_root(void)
{
	return reach(chroot("/"));
}

static int
use_leaked(void)
{
	return reach(fcntl(LEAKED_FD, F_GETFD));
}

static int
use_stdin(void)
{
	return reach(fcntl(STDIN_FILENO, F_GETFD));
}

static int
copy_descriptor(void)
{
	return reach(dup(WALLS_RING_FD));
}

static int
make_socket(void)
{
	return reach(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
make_pipe(void)
{
	int ends[2];

	return reach(pipe(ends));
}

static int
raise_limit(void)
{
	const struct rlimit more = {64, 64};

	return reach(setrlimit(RLIMIT_NOFILE, &more));
}

/* A descriptor that is sent does not arrive; the message says it was cut. */
static int
receive_descriptor(void)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec io = {&byte, 1};
	struct msghdr message = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof room};

	if (recvmsg(outside.passing[0], &message, 0) < 0)
		return errno;
	return (message.msg_flags & MSG_CTRUNC) && !CMSG_FIRSTHDR(&message) ? EMFILE : 0;
}

static int
run_program(void)
{
	char *none[] = {NULL};

	return reach(execve("/bin/true", none, none));
}

static int
take_memory(void)
{
	return mmap(NULL, FAR, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? errno
		       : 0;
}

static int
ring_socket(void)
{
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM};

	return -probe_ring_do(&outside.ring, &sqe);
}

static int
ring_open(void)
{
	const struct io_uring_sqe sqe = {.opcode = IORING_OP_OPENAT,
		.flags = IOSQE_FIXED_FILE,
		.fd = AT_FDCWD,
		.addr = (uintptr_t) "/etc/passwd"};

	return -probe_ring_do(&outside.ring, &sqe);
}

static int
ring_plain(void)
{
	char byte = 0;
	const struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE, .fd = STDOUT_FILENO, .addr = (uintptr_t)&byte, .len = 1};

	return -probe_ring_do(&outside.ring, &sqe);
}

/* --- the table ----------------------------------------------------------------- */

enum who { ANYONE, ONLY_ROOT, ONLY_USER };

static const struct alone {
	enum wall wall;
	const char *name;
	int (*raise)(const struct walls_plan *, struct walls_state *, struct report *);
	int (*attempt)(void);
	int must_end;
	enum who who;
	int landlock_abi; /* least that stops it */
} rows[] = {
	{WALL_nobody, "become root again", raise_namespaces_no_caps, become_root, EPERM, ONLY_ROOT,
		0},
	{WALL_nobody, "read root's file", raise_namespaces_no_caps, open_secret, EACCES, ONLY_ROOT,
		0},
	{WALL_userns, "make another user namespace", raise_namespaces, another_userns, ENOSPC,
		ANYONE, 0},
	{WALL_pidns, "signal the broker", raise_namespaces, signal_broker, ESRCH, ANYONE, 0},
	{WALL_pidns, "trace the broker", raise_namespaces, trace_broker, ESRCH, ANYONE, 0},
	{WALL_mntns, "leave a mount behind", raise_namespaces, mount_here, 0, ANYONE, 0},
	{WALL_netns, "reach loopback", raise_namespaces, connect_udp, ENETUNREACH, ANYONE, 0},
	{WALL_netns, "connect an abstract socket", raise_namespaces, connect_abstract, ECONNREFUSED,
		ANYONE, 0},
	{WALL_ipcns, "find shared memory", raise_namespaces, find_shared_memory, ENOENT, ANYONE, 0},
	{WALL_utsns, "learn the host's name", raise_namespaces, learn_host_name, ENOENT, ANYONE, 0},
	{WALL_cgroupns, "learn its control group", raise_namespaces, learn_cgroup, ENOENT, ANYONE,
		0},
	{WALL_root_empty, "open a path", raise_root, open_passwd, ENOENT, ANYONE, 0},
	{WALL_root_empty, "open upwards", raise_root, open_upwards, ENOENT, ANYONE, 0},
	{WALL_root_empty, "open /proc/self/mem", raise_root, open_proc_mem, ENOENT, ANYONE, 0},
	{WALL_root_empty, "open the broker's root", raise_root, open_proc_one, ENOENT, ANYONE, 0},
	{WALL_root_empty, "make a directory", raise_root, make_directory, EROFS, ANYONE, 0},
	{WALL_no_new_privs, "ask for new privileges again", raise_no_new_privs, undo_no_new_privs,
		EINVAL, ANYONE, 0},
	{WALL_landlock, "open a path", raise_landlock, open_passwd, EACCES, ANYONE, 1},
	{WALL_landlock, "open beneath an old directory", raise_landlock, open_beneath_old_dir,
		EACCES, ANYONE, 1},
	{WALL_landlock, "truncate its own file", raise_landlock, write_secret, EACCES, ANYONE, 1},
	{WALL_landlock, "remove its own file", raise_landlock, remove_secret, EACCES, ANYONE, 1},
	{WALL_landlock, "make a directory", raise_landlock, make_directory, EACCES, ANYONE, 1},
	{WALL_landlock, "connect TCP", raise_landlock, connect_tcp, EACCES, ANYONE, 4},
	{WALL_landlock, "bind TCP", raise_landlock, bind_tcp, EACCES, ANYONE, 4},
	{WALL_landlock, "connect an abstract socket", raise_landlock, connect_abstract, EPERM,
		ANYONE, 6},
	{WALL_landlock, "signal the broker", raise_landlock, signal_broker, EPERM, ANYONE, 6},
	{WALL_landlock, "trace the broker", raise_landlock, trace_broker, EPERM, ANYONE, 1},
	{WALL_caps_dropped, "mount", raise_namespaces_no_caps, mount_here, EPERM, ANYONE, 0},
	{WALL_caps_dropped, "enter another network", raise_namespaces_no_caps, enter_another_net,
		EPERM, ANYONE, 0},
	{WALL_caps_dropped, "change the root", raise_caps, change_root, EPERM, ANYONE, 0},
	{WALL_not_dumpable, "open its own memory as a file", raise_dumpable, open_proc_mem, EACCES,
		ONLY_USER, 0},
	{WALL_fds_closed, "use a descriptor that leaked in", raise_fds, use_leaked, EBADF, ANYONE,
		0},
	{WALL_fds_closed, "use standard input", raise_fds, use_stdin, EBADF, ANYONE, 0},
	{WALL_nofile_zero, "open a path", raise_nofile, open_passwd, EMFILE, ANYONE, 0},
	{WALL_nofile_zero, "copy a descriptor", raise_nofile, copy_descriptor, EMFILE, ANYONE, 0},
	{WALL_nofile_zero, "make a socket", raise_nofile, make_socket, EMFILE, ANYONE, 0},
	{WALL_nofile_zero, "make a pipe", raise_nofile, make_pipe, EMFILE, ANYONE, 0},
	{WALL_nofile_zero, "receive a descriptor", raise_nofile, receive_descriptor, EMFILE, ANYONE,
		0},
	{WALL_nofile_zero, "raise the limit", raise_nofile, raise_limit, EPERM, ANYONE, 0},
	{WALL_memory_fixed, "take more memory", raise_memory, take_memory, ENOMEM, ANYONE, 0},
	{WALL_ring_fenced, "make a socket by the ring", raise_fence, ring_socket, EACCES, ANYONE,
		0},
	{WALL_ring_fenced, "open by the ring", raise_fence, ring_open, EACCES, ANYONE, 0},
	{WALL_ring_fenced, "write a plain descriptor by the ring", raise_fence, ring_plain, EACCES,
		ANYONE, 0},
	{WALL_seccomp, "run a program", raise_filter, run_program, -SIGSYS, ANYONE, 0},
	{WALL_seccomp, "make a socket", raise_filter, make_socket, -SIGSYS, ANYONE, 0},
};

static bool
wants_world(const struct alone *row)
{
	return row->raise == raise_namespaces || row->raise == raise_namespaces_no_caps ||
	       row->raise == raise_root;
}

static _Noreturn void
child(const struct helper *h, const struct alone *row)
{
	struct walls_plan plan = h->plan;
	struct walls_state state = {0};
	struct report report;
	int rc;

	report_clear(&report);
	rc = wants_world(row) ? walls_before_exec(&plan) : 0;
	if (rc == 0 && row->wall == WALL_ring_fenced)
		rc = probe_ring_open(&outside.ring);
	else if (rc == 0 && fcntl(WALLS_RING_FD, F_GETFD) < 0)
		rc = dup2(STDIN_FILENO, WALLS_RING_FD) < 0 ? -errno : 0;
	if (rc == 0)
		rc = row->raise(&plan, &state, &report);
	if (rc < 0) {
		(void)fprintf(stderr, "# %s\n", report.text[0] ? report.text : strerror(-rc));
		_exit(FAILED_TO_RAISE);
	}
	_exit(row->attempt());
}

static bool
suits(const struct helper *h, const struct alone *row, const char **ret_why)
{
	*ret_why = NULL;
	if (!walls_wall_in(row->wall, h->plan.tier) ||
		(!walls_wall_in(row->wall, WALLS_T1) && !h->state.up[row->wall]))
		*ret_why = "not in this tier";
	/* Capabilities inside namespaces: there is no such thing to try in T1. */
	else if (h->plan.tier != WALLS_T0 && row->raise == raise_namespaces_no_caps &&
		 row->wall == WALL_caps_dropped)
		*ret_why = "not in this tier";
	else if (row->who == ONLY_ROOT && !h->plan.root)
		*ret_why = "only root can lose it";
	else if (row->who == ONLY_USER && geteuid() == 0)
		*ret_why = "root passes it by a capability that another wall takes";
	else if (row->landlock_abi > h->state.landlock_abi)
		*ret_why = "this kernel's Landlock is older";
	else if (row->wall == WALL_memory_fixed && h->plan.memory_free)
		*ret_why = "sanitizers need address space";
	return !*ret_why;
}

static int
listen_abstract(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(
		outside.abstract, sizeof outside.abstract, "keyhold-walls-%d", (int)getpid());
	memcpy(at.sun_path + 1, outside.abstract, strlen(outside.abstract));
	if (fd < 0 ||
		bind(fd, (const struct sockaddr *)&at,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				    strlen(outside.abstract))) < 0 ||
		listen(fd, 1) < 0)
		return -errno;
	return fd;
}

static int
send_descriptor(int to, int fd)
{
	char byte = 'x';
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec io = {&byte, 1};
	struct msghdr message = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof room};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	return sendmsg(to, &message, 0) < 0 ? -errno : 0;
}

static int
prepare(const struct helper *h)
{
	int fd;

	outside.helper = h;
	outside.shm_key = 0x4b000000 | getpid();
	(void)gethostname(outside.host_name, sizeof outside.host_name - 1);
	(void)snprintf(outside.secret, sizeof outside.secret, "/tmp/keyhold-walls-XXXXXX");
	fd = mkstemp(outside.secret); /* mode 0600 */
	if (fd < 0 || write(fd, "secret", 6) != 6 || close(fd) < 0)
		return -errno;
	outside.root_dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (outside.root_dir < 0 || shmget(outside.shm_key, 4096, IPC_CREAT | 0600) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM, 0, outside.passing) < 0)
		return -errno;
	return listen_abstract();
}

static void
run_row(struct helper *h, const struct alone *row)
{
	const char *why;
	const char *wall = walls_wall_name(row->wall);
	int status = 0;
	long pid;

	if (!suits(h, row, &why)) {
		helper_skip(h, why, "alone: %s: %s", wall, row->name);
		return;
	}
	if (row->attempt == receive_descriptor)
		(void)send_descriptor(outside.passing[1], STDIN_FILENO);
	(void)fflush(stdout);
	pid = syscall(SYS_clone, (wants_world(row) ? walls_clone_flags(&h->plan) : 0) | SIGCHLD, 0,
		0, 0, 0);
	if (pid == 0)
		child(h, row);
	if (pid < 0 || waitpid((pid_t)pid, &status, 0) < 0) {
		helper_ok(h, false, strerror(errno), "alone: %s: %s", wall, row->name);
		return;
	}
	status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	helper_ok(h, status == row->must_end,
		status == FAILED_TO_RAISE ? "the wall could not be raised" : helper_ended(status),
		"alone: %s: %s", wall, row->name);
}

void
alone_run(struct helper *h)
{
	char name[65] = "";
	struct stat st;
	const int rc = prepare(h);

	if (rc < 0) {
		helper_ok(h, false, strerror(-rc), "alone: preparing what to reach for");
		return;
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		run_row(h, &rows[i]);

	(void)gethostname(name, sizeof name - 1);
	helper_ok(h, strcmp(name, outside.host_name) == 0, name, "alone: the host kept its name");
	helper_ok(h, stat(outside.secret, &st) == 0 && st.st_size == 6, "it is gone, or empty",
		"alone: the file outside is whole");
	helper_ok(h, stat("/proc/self", &st) == 0, "it is gone", "alone: the host kept its mounts");
	(void)unlink(outside.secret);
	(void)shmctl(shmget(outside.shm_key, 0, 0), IPC_RMID, NULL);
	(void)close(rc);
}
