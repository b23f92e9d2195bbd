/* SPDX-License-Identifier: Apache-2.0 */
/* repl.c - a program that grows line by line.
 *
 * What was entered so far is a program; an entry makes it longer, and the longer one
 * is compiled and run from its beginning by `keyhold run`. Runs are deterministic, so
 * the first bytes of its output are those that were shown before, and only the rest is
 * shown. An entry that does not compile or does not run to its end is forgotten. */
#include "tools/entish/repl.h"

#include <editline/readline.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/entish/files.h"

enum { TEXT_MAX = 1 << 20 };

struct session {
	char *kept, *tried; /* programs */
	size_t shown;       /* bytes of output */
	bool terminal;
};

/* A line without its end; NULL at the end. To be freed. */
static char *
read_entry_line(const struct session *s, const char *prompt)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (s->terminal) {
		line = readline(prompt);
		if (line && *line)
			add_history(line);
		return line;
	}
	n = getline(&line, &room, stdin);
	if (n < 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\n")] = 0;
	return line;
}

/* A line that opens a block goes on to the next empty one. */
static char *
read_entry(const struct session *s)
{
	char *entry = read_entry_line(s, "> "), *line, *both;

	if (!entry || !*entry || entry[strlen(entry) - 1] != ':')
		return entry;
	while ((line = read_entry_line(s, ". ")) && *line) {
		if (asprintf(&both, "%s\n%s", entry, line) < 0)
			both = NULL;
		free(entry);
		free(line);
		entry = both;
		if (!entry)
			return NULL;
	}
	free(line);
	return entry;
}

/* keyhold lies beside us, or on the path. */
static const char *
keyhold_path(char *path, size_t room)
{
	const ssize_t n = readlink("/proc/self/exe", path, room - 32);
	static const char *const places[] = {"keyhold", "../keyhold/keyhold"};
	char *end;

	path[n < 0 ? 0 : n] = 0;
	end = strrchr(path, '/');
	for (int i = 0; end && i < 2; i++) {
		strcpy(end + 1, places[i]);
		if (!access(path, X_OK))
			return path;
	}
	return "keyhold";
}

/* Runs the module, shows what is new; false: it did not end by itself with 0. */
static bool
run(struct session *s, const uint8_t *module, size_t bytes)
{
	char piece[4096], path[4200], program[40];
	const int fd = memfd_create("program", 0);
	size_t seen = 0;
	int ends[2], status;
	ssize_t n;
	pid_t child;

	if (fd < 0 || write(fd, module, bytes) != (ssize_t)bytes || pipe(ends))
		return false;
	snprintf(program, sizeof program, "/dev/fd/%d", fd);
	child = fork();
	if (!child) {
		const int none = open("/dev/null", O_RDONLY);

		(void)dup2(none, 0);
		(void)dup2(ends[1], 1);
		(void)close(ends[0]);
		(void)close(ends[1]);
		execlp(keyhold_path(path, sizeof path), "keyhold", "run", "--quiet", program, NULL);
		fprintf(stderr, "entish: keyhold: %s\n", strerror(errno));
		_exit(127);
	}
	(void)close(ends[1]);
	(void)close(fd);
	while ((n = read(ends[0], piece, sizeof piece)) > 0) {
		const size_t skip = seen >= s->shown ? 0 : s->shown - seen;

		if ((size_t)n > skip)
			(void)fwrite(piece + skip, 1, (size_t)n - skip, stdout);
		seen += (size_t)n;
	}
	(void)fflush(stdout);
	(void)close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		return false;
	s->shown = seen;
	return true;
}

/* The kept program and the entry; `show`: its value. Keeps it if all is well. */
static bool
try_entry(struct session *s, const char *entry, bool show, bool complain)
{
	struct entish *e = entish_new();
	char here[] = "./entered";
	struct entish_input input = {.name = "entered", .import = entish_beside, .context = here};
	const uint8_t *module;
	size_t bytes;
	bool fine;
	const int n = snprintf(s->tried, TEXT_MAX, show ? "%sprint(%s)\n" : "%s%s\n", s->kept, entry);

	input.source = (struct entish_text){s->tried, n < TEXT_MAX ? (size_t)n : TEXT_MAX - 1};
	fine = e && n < TEXT_MAX && entish_compile(e, &input);
	if (!fine && complain && e)
		fputs(n < TEXT_MAX ? entish_words(e) : "all entries together have at most 1 MiB\n", stderr);
	if (fine) {
		module = entish_module(e, &bytes);
		if (run(s, module, bytes)) {
			char *kept = s->kept;

			s->kept = s->tried;
			s->tried = kept;
		}
	}
	entish_free(e);
	return fine;
}

/* A definition alone is nothing to run: a statement that does nothing comes with it. */
static bool
is_definition(struct session *s, const char *entry)
{
	char *both;

	if (strncmp(entry, "def ", 4) && strncmp(entry, "typ ", 4) && strncmp(entry, "import ", 7))
		return false;
	if (asprintf(&both, "%s\npass", entry) < 0)
		return false;
	(void)try_entry(s, both, false, true);
	free(both);
	return true;
}

int
repl(void)
{
	struct session s = {.kept = calloc(1, TEXT_MAX), .tried = calloc(1, TEXT_MAX),
		.terminal = isatty(0) && isatty(1)};
	char *entry;

	while (s.kept && s.tried && (entry = read_entry(&s))) {
		if (*entry && !is_definition(&s, entry) && !try_entry(&s, entry, true, false))
			(void)try_entry(&s, entry, false, true);
		free(entry);
	}
	if (s.terminal)
		putchar('\n');
	free(s.kept);
	free(s.tried);
	return 0;
}
