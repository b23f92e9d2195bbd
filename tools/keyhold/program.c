/* SPDX-License-Identifier: Apache-2.0 */
/* program.c - FILE -> a descriptor whose bytes the worker reads before its walls. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"

extern char **environ;

static int
failed(const char *file, int error)
{
	say_error("%s: %s", file, strerror(error));
	return EXIT_NO_FILE;
}

/* A pipe, a socket, a terminal: copied whole, since the worker wants its size. */
static int
copied(const char *file, int from, int *ret_fd)
{
	char piece[1 << 16];
	int to = memfd_create("program", MFD_CLOEXEC), r = 0;

	if (to < 0)
		return failed(file, errno);
	while (!r) {
		const ssize_t n = read(from, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		if (!n)
			break;
		r = n < 0 ? -errno : write_all(to, piece, (size_t)n);
	}
	if (r) {
		(void)close(to);
		return failed(file, -r);
	}
	*ret_fd = to;
	return 0;
}

/* Text to bytes by wabt's tool, if it is here; its own words go to stderr. */
static int
from_text(const char *file, int *ret_fd)
{
	char to[40], from[4096];
	const char *const argv[] = {"wat2wasm", "--enable-all", from, "-o", to, NULL};
	const int out = memfd_create("program", 0);
	int status, r;
	pid_t child;

	if (out < 0)
		return failed(file, errno);
	snprintf(to, sizeof(to), "/dev/fd/%d", out);
	snprintf(from, sizeof(from), "%s%s", file[0] == '-' ? "./" : "", file);
	r = posix_spawnp(&child, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r == ENOENT) {
		say_error("%s: a text module needs wat2wasm (package wabt), which is not here", file);
		say_more("install it, or give the .wasm");
		(void)close(out);
		return EXIT_DATA;
	}
	if (r)
		return failed(argv[0], r);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		say_error("%s: wat2wasm refused it; its words are above", file);
		(void)close(out);
		return EXIT_DATA;
	}
	(void)fcntl(out, F_SETFD, FD_CLOEXEC);
	*ret_fd = out;
	return 0;
}

static bool
ends(const char *file, const char *with)
{
	const size_t bytes = strlen(file), end = strlen(with);

	return bytes > end && !strcmp(file + bytes - end, with);
}

int
program_open(const char *file, int *ret_fd)
{
	struct report report = {.offset = UINT64_MAX};
	struct stat stat;
	int fd, r;

	if (ends(file, ".wat") && !access(file, R_OK))
		return from_text(file, ret_fd);
	if (ends(file, ".et") && !access(file, R_OK))
		return program_entish(file, ret_fd);
	if (file_open(file, O_RDONLY, &report, &fd)) {
		say_error("%s", report.text);
		return EXIT_NO_FILE;
	}
	if (fstat(fd, &stat) || S_ISDIR(stat.st_mode)) {
		say_error("%s is a directory: a module or an image is a file", file);
		(void)close(fd);
		return EXIT_NO_FILE;
	}
	if (S_ISREG(stat.st_mode)) {
		*ret_fd = fd;
		return 0;
	}
	if (isatty(fd)) {
		say_error("%s is a terminal: nothing to read there", file);
		(void)close(fd);
		return EXIT_USAGE;
	}
	r = copied(file, fd, ret_fd);
	(void)close(fd);
	return r;
}
