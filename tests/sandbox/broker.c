/* SPDX-License-Identifier: Apache-2.0 */
/* broker.c - the broker's own walls. Each attempt runs in a child behind them and
 * is judged by how it ended; once as we are and, if we are root, once as nobody. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "sandbox/broker_walls.h"

enum { NOBODY = 65534, NOT_RAISED = 99, WENT_THROUGH = 0 };

static char path[] = "/tmp/keyhold-broker-XXXXXX";
static int dir_fd;
static pid_t worker; /* sleeps, to be signalled */

static void
file_make(const char *name)
{
	const int fd = openat(dir_fd, name, O_CREAT | O_WRONLY, 0666);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fchmod(fd, 0666), 0);
	(void)!write(fd, "text", 4);
	(void)close(fd);
}

static void
begin(void)
{
	cr_assert_not_null(mkdtemp(path));
	cr_assert_eq(chmod(path, 0777), 0);
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir_fd, 0);
	file_make("f");
	cr_assert_eq(mkdirat(dir_fd, "d", 0777), 0);
	cr_assert_eq(fchmodat(dir_fd, "d", 0777, 0), 0);
	worker = fork();
	if (worker == 0)
		for (;;)
			(void)pause();
}

static void
finish(void)
{
	char command[64];

	(void)kill(worker, SIGKILL);
	(void)waitpid(worker, NULL, 0);
	(void)snprintf(command, sizeof command, "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

TestSuite(broker_walls, .init = begin, .fini = finish, .timeout = 60);

struct how {
	struct broker_walls_config config;
	uint32_t reach; /* of the directory; 0: none */
	bool as_nobody;
};

/* How fn ended behind the walls: 0, an errno, or -signal. */
static int
behind(const struct how *how, int (*fn)(void))
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		struct broker_walls walls;
		struct broker_walls_state state;
		struct report report;

		report_clear(&report);
		if (how->as_nobody && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
					      setresuid(NOBODY, NOBODY, NOBODY)))
			_exit(NOT_RAISED);
		if (broker_walls_begin(&walls, &how->config, &report) ||
			(how->reach && broker_walls_root(&walls, dir_fd, how->reach, &report)) ||
			broker_walls_enter(&walls, &how->config, worker, &state, &report)) {
			(void)fprintf(stderr, "%s\n", report.text);
			_exit(NOT_RAISED);
		}
		_exit(fn());
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
ends(struct how how, int (*fn)(void), int wanted, const char *what)
{
	int ended = behind(&how, fn);

	cr_expect_eq(ended, wanted, "%s: ended %d, not %d", what, ended, wanted);
	if (geteuid() != 0)
		return;
	how.as_nobody = true;
	ended = behind(&how, fn);
	cr_expect_eq(ended, wanted, "%s as nobody: ended %d, not %d", what, ended, wanted);
}

static int
errno_of(long result)
{
	return result < 0 ? errno : WENT_THROUGH;
}

static int
abi(void)
{
	struct broker_walls_state state;
	struct report report;

	report_clear(&report);
	cr_assert_eq(broker_walls_probe(&state, &report), 0, "%s", report.text);
	return state.landlock_abi;
}

static void
needs_landlock(int least)
{
	if (abi() < least)
		cr_skip_test("this kernel's Landlock is older");
}

Test(broker_walls, stand_on_this_host)
{
	struct broker_walls_state state;
	struct report report;

	report_clear(&report);
	cr_assert_eq(broker_walls_probe(&state, &report), 0, "%s", report.text);
	for (unsigned i = 0; i < BROKER_WALL_COUNT; i++)
		if (i == BROKER_WALL_landlock)
			cr_expect_eq(state.up[i], state.landlock_abi >= 2);
		else if ((i == BROKER_WALL_seccomp || i == BROKER_WALL_not_dumpable) && WALLS_SANITIZED)
			cr_expect_not(state.up[i], "sanitizers do as they like");
		else
			cr_expect(state.up[i], "%s", broker_wall_name((enum broker_wall)i));
}

/* --- paths -------------------------------------------------------------------- */

static int open_passwd(void) { return errno_of(open("/etc/passwd", O_RDONLY)); }
static int open_root(void) { return errno_of(open("/", O_RDONLY | O_DIRECTORY)); }
static int open_above(void) { return errno_of(openat(dir_fd, "../..", O_RDONLY | O_DIRECTORY)); }
static int read_inside(void) { return errno_of(openat(dir_fd, "f", O_RDONLY)); }
static int list_inside(void) { return errno_of(openat(dir_fd, "d", O_RDONLY | O_DIRECTORY)); }
static int write_inside(void) { return errno_of(openat(dir_fd, "f", O_WRONLY)); }
static int truncate_inside(void) { return errno_of(openat(dir_fd, "f", O_WRONLY | O_TRUNC)); }
static int make_inside(void) { return errno_of(openat(dir_fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0666)); }
static int rename_inside(void) { return errno_of(renameat(dir_fd, "f", dir_fd, "g")); }
static int rename_back(void) { return errno_of(renameat(dir_fd, "g", dir_fd, "f")); }
static int move_down(void) { return errno_of(renameat(dir_fd, "f", dir_fd, "d/f")); }
static int move_up(void) { return errno_of(renameat(dir_fd, "d/f", dir_fd, "f")); }
static int unlink_new(void) { return errno_of(unlinkat(dir_fd, "new", 0)); }
static int make_directory(void) { return errno_of(mkdirat(dir_fd, "dd", 0777)); }
static int remove_directory(void) { return errno_of(unlinkat(dir_fd, "dd", AT_REMOVEDIR)); }
static int
read_by_path(void)
{
	char at[64];

	(void)snprintf(at, sizeof at, "%s/f", path);
	return errno_of(open(at, O_RDONLY));
}
static int list_by_path(void) { return errno_of(open(path, O_RDONLY | O_DIRECTORY)); }
static int link_outside(void) { return errno_of(linkat(AT_FDCWD, "/etc/passwd", dir_fd, "stolen", 0)); }

Test(broker_walls, leave_nothing_in_reach_by_themselves)
{
	const struct how how = {0};

	needs_landlock(2);
	ends(how, open_passwd, EACCES, "a file outside");
	ends(how, open_root, EACCES, "the root");
	ends(how, read_inside, EACCES, "a directory opened before, without a rule");
	ends(how, make_inside, EACCES, "making a file");
}

Test(broker_walls, leave_a_read_only_grant_to_be_read)
{
	const struct how how = {.reach = BROKER_REACH_READ};

	needs_landlock(3);
	ends(how, read_inside, 0, "reading");
	ends(how, list_inside, 0, "listing");
	ends(how, open_passwd, EACCES, "a file outside");
	ends(how, open_above, EACCES, "going up");
	ends(how, write_inside, EACCES, "writing");
	ends(how, truncate_inside, EACCES, "truncating");
	ends(how, make_inside, EACCES, "making");
	ends(how, make_directory, EACCES, "making a directory");
	ends(how, rename_inside, EACCES, "renaming");
}

Test(broker_walls, leave_a_grant_to_be_changed)
{
	const struct how how = {.reach = BROKER_REACH_READ | BROKER_REACH_WRITE};

	needs_landlock(3);
	for (int i = 0; i < 2; i++) { /* `ends` runs each twice, where we are root */
		struct how as = how;

		as.as_nobody = i;
		if (i && geteuid() != 0)
			break;
		cr_expect_eq(behind(&as, write_inside), 0);
		cr_expect_eq(behind(&as, truncate_inside), 0);
		cr_expect_eq(behind(&as, make_inside), 0);
		cr_expect_eq(behind(&as, unlink_new), 0);
		cr_expect_eq(behind(&as, rename_inside), 0);
		cr_expect_eq(behind(&as, rename_back), 0);
		cr_expect_eq(behind(&as, move_down), 0, "between directories");
		cr_expect_eq(behind(&as, move_up), 0);
		cr_expect_eq(behind(&as, make_directory), 0);
		cr_expect_eq(behind(&as, remove_directory), 0);
		cr_expect_neq(behind(&as, link_outside), 0, "a link to a file outside");
	}
}

Test(broker_walls, leave_names_to_be_given_and_no_more)
{
	const struct how how = {.reach = BROKER_REACH_NAMES};

	needs_landlock(3);
	ends(how, read_inside, EACCES, "reading");
	ends(how, write_inside, EACCES, "writing what is there");
	ends(how, list_inside, EACCES, "listing");
	ends(how, make_directory, EACCES, "making a directory");
	cr_expect_eq(behind(&how, rename_inside), 0, "a new name");
	cr_expect_eq(behind(&how, rename_back), 0);
}

Test(broker_walls, leave_one_file_to_be_read)
{
	const int directory = dir_fd, file = openat(dir_fd, "f", O_PATH | O_CLOEXEC);
	const struct how how = {.reach = BROKER_REACH_FILE};

	needs_landlock(3);
	dir_fd = file; /* what the rule is for; the tries name the directory by its path */
	ends(how, read_by_path, 0, "the file");
	ends(how, list_by_path, EACCES, "what it lies in");
	dir_fd = directory;
	(void)close(file);
}

Test(broker_walls, give_way_to_what_may_be_granted_later)
{
	const struct how how = {.config = {.live = true}};

	ends(how, open_passwd, 0, "a file that control may be asked for");
}

/* --- networks ------------------------------------------------------------------- */

static int
connect_loopback(void)
{
	const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1),
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : errno_of(connect(fd, (const struct sockaddr *)&to, sizeof to));
}

static int
listen_loopback(void)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(47613)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : errno_of(bind(fd, (const struct sockaddr *)&at, sizeof at));
}

Test(broker_walls, leave_no_port_where_no_address_is_granted)
{
	const struct how none = {0}, some = {.config = {.networks = true}};

	needs_landlock(4);
	ends(none, connect_loopback, EACCES, "connecting");
	ends(none, listen_loopback, EACCES, "listening");
	ends(some, connect_loopback, ECONNREFUSED, "connecting, with an address granted");
	ends(some, listen_loopback, 0, "listening, with an address granted");
}

/* --- system calls ------------------------------------------------------------------ */

static int execute(void) { return errno_of(execl("/bin/true", "true", NULL)); }
static int bear(void) { return errno_of(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
static int thread(void) { return errno_of(syscall(SYS_clone3, NULL, 0)); }
static int trace(void) { return errno_of(ptrace(PTRACE_ATTACH, worker, NULL, NULL)); }
static int look_into(void) { return errno_of(syscall(SYS_process_vm_readv, worker, NULL, 0, NULL, 0, 0)); }
static int take_descriptor(void) { return errno_of(syscall(SYS_pidfd_getfd, 0, 0, 0)); }
static int signal_parent(void) { return errno_of(kill(getppid(), 0)); }
static int signal_worker(void) { return errno_of(kill(worker, SIGTERM)); }
static int signal_all(void) { return errno_of(kill(-1, SIGKILL)); }
static int enter_namespace(void) { return errno_of(unshare(CLONE_NEWUSER)); }
static int mount_over(void) { return errno_of(syscall(SYS_mount, "a", "/", "tmpfs", 0, 0)); }
static int change_root(void) { return errno_of(syscall(SYS_chroot, "/")); }
static int make_ring(void) { return errno_of(syscall(SYS_io_uring_setup, 1, NULL)); }
static int enter_ring(void) { return errno_of(syscall(SYS_io_uring_enter, 3, 0, 0, 0, NULL, 0)); }
static int enable_ring(void) { return errno_of(syscall(SYS_io_uring_register, 3, 12, NULL, 0)); }
static int other_socket(void) { return errno_of(socket(AF_NETLINK, SOCK_RAW, 0)); }
static int become(void) { return errno_of(setuid(0)); }
static int set_limit(void) { struct rlimit l = {0}; return errno_of(setrlimit(RLIMIT_NOFILE, &l)); }
static int push_input(void) { return errno_of(ioctl(0, TIOCSTI, "x")); }
static int make_node(void) { return errno_of(mknodat(dir_fd, "n", S_IFIFO | 0666, 0)); }
static int change_mode(void) { return errno_of(fchmodat(dir_fd, "f", 0, 0)); }
static int load_filter(void) { return errno_of(syscall(SYS_bpf, 0, NULL, 0)); }
static int keys(void) { return errno_of(syscall(SYS_keyctl, 0, 0)); }
static int bind_to_other(void) { return errno_of(prctl(PR_SET_DUMPABLE, 1)); }
static int
run_data(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? errno
		       : 0;
}
static int
code_anew(void)
{
	static char page[8192];

	return errno_of(
		mprotect((void *)((uintptr_t)page & ~4095ul), 4096, PROT_READ | PROT_EXEC));
}
static int make_timer(void) { return errno_of(syscall(SYS_timerfd_create, 1, 0)); }
static int end_worker(void) { return errno_of(kill(worker, SIGKILL)); }
static int fault(void) { abort(); }

Test(broker_walls, end_a_broker_that_does_what_no_broker_does)
{
	static const struct {
		int (*fn)(void);
		const char *what;
	} tries[] = {{execute, "running a program"}, {bear, "making a process"},
		{thread, "making a thread"}, {trace, "tracing its worker"},
		{look_into, "reading the worker's memory"}, {take_descriptor, "taking a descriptor"},
		{signal_parent, "signalling its parent"}, {signal_worker, "signalling its worker otherwise"},
		{signal_all, "ending all"}, {enter_namespace, "a user namespace"},
		{mount_over, "mounting"}, {change_root, "changing the root"}, {make_ring, "a ring"},
		{enter_ring, "entering the worker's ring"}, {enable_ring, "enabling a ring"},
		{other_socket, "a socket of another family"}, {become, "becoming root"},
		{set_limit, "changing a limit"}, {push_input, "pushing input into a terminal"},
		{make_node, "making a FIFO"}, {change_mode, "changing a mode"},
		{load_filter, "bpf"}, {keys, "the kernel's keys"}, {bind_to_other, "prctl"},
		{make_timer, "a timer with a descriptor"},
		{run_data, "executable memory"}, {code_anew, "making memory executable"}};

	if (WALLS_SANITIZED)
		cr_skip_test("sanitizers do as they like");
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
		ends((struct how){.config = {.live = true, .networks = true}}, tries[i].fn, -SIGSYS,
			tries[i].what);
}

Test(broker_walls, let_its_worker_be_ended_and_its_own_fault_be_told)
{
	const struct how how = {0};

	cr_expect_eq(behind(&how, fault), -SIGABRT);
	cr_expect_eq(behind(&how, end_worker), 0);
}
