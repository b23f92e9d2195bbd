/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - entish build | check | cost | fmt | repl. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/entish/files.h"
#include "tools/entish/repl.h"

enum { EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_NO_FILE = 66, EXIT_OUTPUT = 74 };

static const char help[] =
	"entish - the language in which a call can be a sandbox\n"
	"\n"
	"usage: entish build FILE.et [-o FILE.wasm]   a module that `keyhold run` runs\n"
	"       entish check FILE.et..                what is wrong with it\n"
	"       entish cost FILE.et                   the gas of each line, and how many\n"
	"                                             functions of the runtime it calls\n"
	"       entish repl                           a program that grows line by line\n"
	"       entish fmt [--check] FILE.et..        the same text with our spaces, in place\n"
	"\n"
	"`keyhold run FILE.et ARGS` compiles and runs at once. FILE.et may be `-`, for\n"
	"standard input; what is built or formatted then goes to standard output.\n";

struct task {
	const char *file;
	struct entish *entish;
	struct entish_input input;
};

static int
begin(struct task *task, const char *file)
{
	const struct entish_text text = entish_read(strcmp(file, "-") ? file : "/dev/stdin");

	*task = (struct task){.file = file};
	if (!text.text) {
		fprintf(stderr, "entish: %s: %s\n", file, strerror(errno));
		return EXIT_NO_FILE;
	}
	task->entish = entish_new();
	task->input = (struct entish_input){.name = file, .source = text, .import = entish_beside,
		.context = strdup(file)};
	if (task->entish && task->input.context)
		return 0;
	fprintf(stderr, "entish: no memory\n");
	return EXIT_OUTPUT;
}

static void
end(struct task *task)
{
	entish_free(task->entish);
	free(task->input.context);
	free((char *)(uintptr_t)task->input.source.text);
}

static int
write_to(const char *file, const uint8_t *bytes, size_t count)
{
	FILE *to = strcmp(file, "-") ? fopen(file, "wbe") : stdout;

	if (!to || fwrite(bytes, 1, count, to) != count || (to == stdout ? fflush(to) : fclose(to))) {
		fprintf(stderr, "entish: %s: %s\n", file, strerror(errno));
		return EXIT_OUTPUT;
	}
	return 0;
}

static int
build(const char *file, const char *to)
{
	struct task task;
	const uint8_t *module;
	char name[4096];
	size_t bytes;
	int r = begin(&task, file);

	if (!r && !entish_compile(task.entish, &task.input)) {
		fputs(entish_words(task.entish), stderr);
		r = EXIT_DATA;
	}
	if (!r) {
		const size_t stem = strlen(file) > 3 && !strcmp(file + strlen(file) - 3, ".et")
			? strlen(file) - 3 : strlen(file);

		if (!to && strcmp(file, "-")) {
			snprintf(name, sizeof name, "%.*s.wasm", (int)stem, file);
			to = name;
		}
		module = entish_module(task.entish, &bytes);
		r = write_to(to ? to : "-", module, bytes);
	}
	end(&task);
	return r;
}

static int
check_one(const char *file)
{
	struct task task;
	int r = begin(&task, file);

	if (!r && !entish_compile(task.entish, &task.input)) {
		fputs(entish_words(task.entish), stderr);
		r = EXIT_DATA;
	}
	end(&task);
	return r;
}

static int
cost(const char *file)
{
	struct task task;
	int r = begin(&task, file);

	if (!r && !entish_cost(task.entish, &task.input))
		r = EXIT_DATA;
	if (task.entish)
		fputs(entish_words(task.entish), r ? stderr : stdout);
	end(&task);
	return r;
}

static int
format_one(const char *file, bool only_check)
{
	struct task task;
	const uint8_t *text;
	size_t bytes;
	int r = begin(&task, file);

	if (!r && !entish_format(task.entish, &task.input)) {
		fputs(entish_words(task.entish), stderr);
		r = EXIT_DATA;
	}
	if (!r) {
		text = entish_module(task.entish, &bytes);
		if (bytes == task.input.source.bytes && !memcmp(text, task.input.source.text, bytes) &&
			strcmp(file, "-")) {
			r = 0;
		} else if (only_check) {
			fprintf(stderr, "entish: %s is not formatted; entish fmt does it\n", file);
			r = 1;
		} else {
			r = write_to(file, text, bytes);
		}
	}
	end(&task);
	return r;
}

int
main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	int worst = 0, first = 2;
	bool only_check;

	if (!strcmp(command, "help") || !strcmp(command, "--help")) {
		fputs(help, stdout);
		return 0;
	}
	if (!strcmp(command, "build") && (argc == 3 || (argc == 5 && !strcmp(argv[3], "-o"))))
		return build(argv[2], argc == 5 ? argv[4] : NULL);
	if (!strcmp(command, "repl") && argc == 2)
		return repl();
	if (!strcmp(command, "cost") && argc == 3)
		return cost(argv[2]);
	only_check = argc > 2 && !strcmp(argv[2], "--check") && !strcmp(command, "fmt");
	first += only_check;
	if (argc > first && (!strcmp(command, "check") || !strcmp(command, "fmt"))) {
		for (int i = first; i < argc; i++) {
			const int r = *command == 'c' ? check_one(argv[i]) : format_one(argv[i], only_check);

			worst = r > worst ? r : worst;
		}
		return worst;
	}
	fputs(help, stderr);
	return EXIT_USAGE;
}
