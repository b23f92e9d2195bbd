/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - subcommands and options, as commands.def lists them.
 *
 * Does     finds a command; splits its arguments into options and the rest;
 *          prints help; suggests the nearest word for a wrong one.
 * Callers  main.c, completion.c, every command.
 * Never    opens, prints to a stream it was not given, or exits.
 * Errors   -EINVAL, words in the report.
 *
 * Long options only, `--name=value` or `--name value`; "--" ends them, and so
 * does the first argument that is none. What follows belongs to the guest. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "kernel/base/report.h"

enum command {
#define COMMAND(NAME, text, usage, summary) COMMAND_##NAME,
#define OPTION(NAME, text, value, commands, flags, group, summary)
#include "tools/keyhold/commands.def"
#undef COMMAND
#undef OPTION
	COMMAND_COUNT
};

enum option {
#define COMMAND(NAME, text, usage, summary)
#define OPTION(NAME, text, value, commands, flags, group, summary) OPTION_##NAME,
#include "tools/keyhold/commands.def"
#undef COMMAND
#undef OPTION
	OPTION_COUNT
};

enum option_flag { OPTION_MANY = 1 << 0, OPTION_ALIAS = 1 << 1, OPTION_HIDDEN = 1 << 2 };

struct command_row {
	const char *text, *usage, *summary;
};

struct option_row {
	const char *text, *value; /* value: NULL if it takes none */
	uint32_t commands;        /* bit per enum command */
	uint32_t flags;           /* enum option_flag */
	const char *group, *summary;
};

extern const struct command_row command_rows[COMMAND_COUNT];
extern const struct option_row option_rows[OPTION_COUNT];

struct option_found {
	enum option option; /* never an alias */
	const char *value;  /* "" if it takes none */
};

struct options {
	enum command command;
	struct option_found *found; /* in the order given */
	uint32_t count;
	const char *keep;  /* template make: the file its image goes to; NULL: none */
	char **rest; /* NULL-terminated; a part of argv */
	int rest_count;
};

/* argv begins after the command's name and is NULL-terminated. */
int options_parse(enum command command, int argc, char **argv, struct report *report,
	struct options *ret_options);
void options_done(struct options *options);

/* The value given last, NULL if it was not given. */
const char *options_value(const struct options *options, enum option option);
bool options_has(const struct options *options, enum option option);

/* The command of that name; -1 if there is none. */
int command_find(const char *text);
/* The nearest command's name, NULL when none is near. */
const char *command_near(const char *text);
/* Which of ours this argument looks like ("--gas", "--gas=5"); NULL: none. */
const struct option_row *option_like(enum command command, const char *text);

void help_print(FILE *out);                           /* all commands */
void help_command(FILE *out, enum command command);   /* one, with its options */
