/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c - the worker begins: a fresh image of the same program.
 *
 * Between clone and exec only raw system calls: the child is a copy of a
 * process that may hold locks. It dies with the broker, has a session of its
 * own (a ^C at the terminal is the broker's to hear), no environment, and the
 * descriptors of wire.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/broker/impl.h"

enum { FD_HIGH = 64, FD_COUNT = WIRE_FD_PASSED + WIRE_PASSED_MAX };

/* Puts fds[i] at number i; -1 leaves it closed. All are lifted out of the way
 * first, so no order of numbers can overwrite one that is still needed. */
static int
fds_place(int *fds, int count)
{
	for (int i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_HIGH);
		if (fds[i] < 0)
			return -errno;
	}
	for (int i = 0; i < count; i++) {
		if (fds[i] < 0)
			(void)close(i);
		else if (dup2(fds[i], i) < 0)
			return -errno;
	}
	return 0;
}

static int
child_prepare(const struct broker_spawn *spawn)
{
	sigset_t none;

	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	(void)setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return spawn->before_exec ? spawn->before_exec(spawn->arg) : 0;
}

/* What the child could not do arrives as an errno through a pipe that a
 * successful exec closes. */
_Noreturn static void
child_fail(int status_fd, int error)
{
	(void)!write(status_fd, &error, sizeof error);
	_exit(127);
}

_Noreturn static void
child(struct broker *broker, const struct broker_spawn *spawn, int exe_fd, int self_fd,
	int status_fd)
{
	static char *const no_environment[] = {NULL};
	const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[FD_COUNT + 2];
	int error = child_prepare(spawn);
	const int count = WIRE_FD_PASSED + (int)broker->passed_count;

	if (error)
		child_fail(status_fd, error);
	fds[0] = fds[1] = null_fd;
	fds[2] = spawn->keep_stderr ? 2 : null_fd;
	fds[WIRE_FD_RING] = broker->ringless ? broker->broker_event : broker->ring_fd;
	fds[WIRE_FD_SHARED] = broker->shared_fd;
	fds[WIRE_FD_STORE] = broker->store_fd;
	fds[WIRE_FD_BROKER] = self_fd;
	for (uint32_t i = 0; i < broker->passed_count; i++)
		fds[WIRE_FD_PASSED + i] = broker->passed[i];
	/* These two close on exec, and are lifted together with the rest. */
	exe_fd = fcntl(exe_fd, F_DUPFD_CLOEXEC, FD_HIGH);
	status_fd = fcntl(status_fd, F_DUPFD_CLOEXEC, FD_HIGH);
	error = fds_place(fds, count);
	if (error)
		child_fail(status_fd, error);
	if (syscall(SYS_close_range, (unsigned)count, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		child_fail(status_fd, -errno);
	(void)syscall(SYS_execveat, exe_fd, "", spawn->argv, no_environment, AT_EMPTY_PATH);
	child_fail(status_fd, -errno);
}

static int
clone_worker(struct broker *broker, uint64_t flags)
{
	/* Not clone3, which containers' filters answer with ENOSYS. The pidfd comes
	 * where the parent's copy of the thread id would. */
	const long pid = syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL, &broker->pid_fd, NULL, NULL);

	return pid < 0 ? -errno : (int)pid;
}

/* 0 when exec was reached; else what the child says failed. */
static int
status_read(int fd)
{
	int error = 0;
	ssize_t got;

	do
		got = read(fd, &error, sizeof error);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof error ? error : 0;
}

static int
spawn_with(struct broker *broker, const struct broker_spawn *spawn, int exe_fd, int self_fd,
	struct report *report)
{
	int status[2];
	int pid, error;

	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	pid = clone_worker(broker, spawn->clone_flags);
	if (pid == 0)
		child(broker, spawn, exe_fd, self_fd, status[1]);
	(void)close(status[1]);
	error = pid < 0 ? pid : status_read(status[0]);
	(void)close(status[0]);
	if (!error) {
		broker->worker = pid;
		return 0;
	}
	report_say(report, UINT64_MAX, "starting the worker: %s", strerror(-error));
	if (pid > 0) { /* it has failed, or is about to: so that spawning can be tried again */
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		(void)close(broker->pid_fd);
		broker->pid_fd = -1;
	}
	return error;
}

int
broker_spawn(struct broker *broker, const struct broker_spawn *spawn, struct report *report)
{
	int exe_fd, self_fd, error;

	if (broker->worker)
		return -EEXIST;
	error = broker->shared ? 0 : shared_make(broker, report);
	if (error)
		return error;
	exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (exe_fd < 0) {
		report_say(report, UINT64_MAX, "opening this program again: %s; is /proc mounted?",
			strerror(errno));
		return -errno;
	}
	self_fd = (int)syscall(SYS_pidfd_open, getpid(), 0); /* close-on-exec */
	error = self_fd < 0 ? -errno : spawn_with(broker, spawn, exe_fd, self_fd, report);
	(void)close(self_fd);
	(void)close(exe_fd);
	if (error)
		return error;
	/* The worker has its own by now. */
	for (uint32_t i = 0; i < broker->passed_count; i++)
		(void)close(broker->passed[i]);
	broker->passed_count = 0;
	return 0;
}
