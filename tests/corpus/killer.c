/* SPDX-License-Identifier: Apache-2.0 */
/* killer N COMMAND.. - runs the command and kills it (SIGKILL) at its N-th system
 * call: before the kernel does it. Prints how many there were, and exits 0 when it
 * ended by itself, 9 when it was killed. What it makes by clone is not followed, and
 * dies with it as it would. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	const long last = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	const pid_t child = argc > 2 ? fork() : -1;
	long stops = 0;
	int status, signal_in = 0;

	if (child < 0) {
		(void)fprintf(stderr, "usage: killer N COMMAND..\n");
		return 64;
	}
	if (child == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)execv(argv[2], argv + 2);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return 1;
	(void)ptrace(PTRACE_SETOPTIONS, child, NULL,
		(void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, child, NULL, (void *)(long)signal_in) < 0)
			return 1;
		if (waitpid(child, &status, 0) != child)
			return 1;
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		signal_in = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (signal_in)
			continue;
		if (++stops % 2 == 1 && (stops + 1) / 2 == last) {
			(void)kill(child, SIGKILL);
			(void)waitpid(child, &status, 0);
			return 9;
		}
	}
	(void)printf("%ld\n", (stops + 1) / 2);
	return 0;
}
