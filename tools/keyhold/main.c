/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - finds the command and runs it. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/remote.h"
#include "tools/keyhold/say.h"

#ifndef KEYHOLD_VERSION
#error "the build says which version this is"
#endif

/* Eight lines, three of them examples: a test counts them. */
static const char nothing_said[] =
	"Keyhold runs a WebAssembly program that nobody trusts: it can use the keys, the gas\n"
	"and the memory you hand it, and nothing else. It stops exactly there, and can go on.\n"
	"  keyhold hello.wasm                                 its streams are yours, nothing more\n"
	"  keyhold run --dir data:ro --gas 5G --report r.json job.wasm ARGS..\n"
	"  keyhold run --gas 1M --snapshot-on gas=- job.wasm | keyhold resume --gas +1G -\n"
	"Commands: run, resume, template, exec, replay, inspect, doctor, completion, help.\n"
	"All options of a command: keyhold help run. What a program wants: keyhold inspect FILE.\n"
	"What this machine allows, and what to do about the rest: keyhold doctor.\n";

int
command_version(int argc, char **argv)
{
	struct options options;
	const int status = command_begin(COMMAND_VERSION, argc, argv, &options);

	if (status >= 0)
		return status;
	if (options_has(&options, OPTION_JSON))
		printf("{\"v\":1,\"version\":\"%s\"}\n", KEYHOLD_VERSION);
	else
		printf("keyhold %s\n", KEYHOLD_VERSION);
	options_done(&options);
	return command_end(0);
}

int
command_help(int argc, char **argv)
{
	const int command = argc ? command_find(argv[0]) : -1;

	if (argc && command < 0) {
		say_error("no command \"%s\"; they are listed by: keyhold help", argv[0]);
		return EXIT_USAGE;
	}
	if (command >= 0)
		help_command(stdout, (enum command)command);
	else
		help_print(stdout);
	return command_end(0);
}

static bool
ends_in(const char *text, const char *end)
{
	const size_t bytes = strlen(text), end_bytes = strlen(end);

	return bytes >= end_bytes && !strcmp(text + bytes - end_bytes, end);
}

static int
unknown_command(const char *text)
{
	const char *near = command_near(text);

	if (near)
		say_error("no command \"%s\"; did you mean %s?", text, near);
	else if (!access(text, F_OK))
		say_error("no command \"%s\"; to run that file: keyhold run %s", text, text);
	else
		say_error("no command \"%s\"; they are listed by: keyhold help", text);
	return EXIT_USAGE;
}

static int
dispatch(enum command command, int argc, char **argv)
{
	switch (command) {
	case COMMAND_RUN:
		return command_run(argc, argv);
	case COMMAND_RESUME:
		return command_resume(argc, argv);
	case COMMAND_TEMPLATE:
		return command_template(argc, argv);
	case COMMAND_EXEC:
		return command_exec(argc, argv);
	case COMMAND_REPLAY:
		return command_replay(argc, argv);
	case COMMAND_INSPECT:
		return command_inspect(argc, argv);
	case COMMAND_PS:
	case COMMAND_TREE:
	case COMMAND_TOP:
	case COMMAND_KEYS:
	case COMMAND_GRANT:
	case COMMAND_REVOKE:
	case COMMAND_LIMIT:
	case COMMAND_FREEZE:
	case COMMAND_THAW:
	case COMMAND_SNAPSHOT:
	case COMMAND_RESTORE:
	case COMMAND_END:
	case COMMAND_WHY:
		return command_remote(command, argc, argv);
	case COMMAND_DOCTOR:
		return command_doctor(argc, argv);
	case COMMAND_COMPLETION:
		return command_completion(argc, argv);
	case COMMAND_VERSION:
		return command_version(argc, argv);
	case COMMAND_HELP:
		return command_help(argc, argv);
	case COMMAND_COUNT:
		break;
	}
	return EXIT_FAULT;
}

/* Three descriptors are always open: a later open must not become the guest's
 * standard stream because ours was closed. */
static bool
streams_are_open(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int
main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";
	int command;

	if (!strcmp(first, WORKER_WORD))
		return worker_main(argc > 2 ? argv[2] : NULL);
	if (!streams_are_open())
		return EXIT_FAULT;
	if (argc < 2) {
		fputs(nothing_said, stdout);
		return command_end(0);
	}
	if (!strcmp(first, "--help") || !strcmp(first, "-h"))
		return command_help(0, argv + 2);
	if (!strcmp(first, "--version"))
		return command_version(0, argv + argc);
	command = command_find(first);
	if (command >= 0)
		return dispatch((enum command)command, argc - 2, argv + 2);
	if (ends_in(first, ".khi"))
		return command_resume(argc - 1, argv + 1);
	if (ends_in(first, ".wasm") || ends_in(first, ".wat") || option_like(COMMAND_RUN, first))
		return command_run(argc - 1, argv + 1);
	return unknown_command(first);
}
