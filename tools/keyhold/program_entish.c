/* SPDX-License-Identifier: Apache-2.0 */
/* program_entish.c - FILE.et -> the module it means.
 *
 * A source is as hostile as a module. It is compiled by a child that is thrown away:
 * it may use so much memory and processor time, and gives back bytes in a memfd and
 * words on stderr. What it gives back is loaded like any module, behind the walls.
 * docs/decisions/0050-entish-sources-are-compiled-in-a-child.md */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/entish/files.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"

enum { COMPILE_SECONDS = 20 };

static _Noreturn void
compile(const char *file, int to)
{
	const struct rlimit memory = {(rlim_t)ENTISH_BYTES_MAX * 2, (rlim_t)ENTISH_BYTES_MAX * 2};
	const struct rlimit seconds = {COMPILE_SECONDS, COMPILE_SECONDS};
	struct entish_input input = {.name = file, .import = entish_beside};
	struct entish *e;
	const uint8_t *module;
	size_t bytes;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!WALLS_SANITIZED) /* they reserve as they go */
		(void)setrlimit(RLIMIT_DATA, &memory);
	(void)setrlimit(RLIMIT_CPU, &seconds);
	input.source = entish_read(file);
	input.context = strdup(file);
	e = entish_new();
	if (!input.source.text) {
		say_error("%s: %s", file, strerror(errno));
		_exit(EXIT_NO_FILE);
	}
	if (!e || !input.context)
		_exit(EXIT_FAULT);
	if (!entish_compile(e, &input)) {
		fputs(entish_words(e), stderr);
		_exit(EXIT_DATA);
	}
	module = entish_module(e, &bytes);
	_exit(write_all(to, module, bytes) ? EXIT_FAULT : 0);
}

int
program_entish(const char *file, int *ret_fd)
{
	const int out = memfd_create("program", MFD_CLOEXEC);
	int status;
	pid_t child;

	child = out < 0 ? -1 : fork();
	if (child < 0) {
		say_error("%s: %s", file, strerror(errno));
		return EXIT_NO_FILE;
	}
	if (!child)
		compile(file, out);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		*ret_fd = out;
		return 0;
	}
	(void)close(out);
	if (WIFSIGNALED(status))
		say_error("%s: the compiler was ended by signal %d (it has %d seconds and %d MiB)", file,
			WTERMSIG(status), COMPILE_SECONDS, ENTISH_BYTES_MAX >> 19);
	return WIFEXITED(status) && WEXITSTATUS(status) != EXIT_FAULT ? WEXITSTATUS(status) : EXIT_DATA;
}
