/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - what each subcommand does: one function each, in its own file.
 * Gets what follows its name; returns the exit status. */
#pragma once

#include "tools/keyhold/options.h"

int command_run(int argc, char **argv);
int command_resume(int argc, char **argv);
int command_template(int argc, char **argv);
int command_exec(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_completion(int argc, char **argv);
int command_version(int argc, char **argv);
int command_help(int argc, char **argv);

/* The first argument of a worker: this program again, behind the walls. The
 * second is the tier it was born into. */
#define WORKER_WORD "(keyhold worker)"
int worker_main(const char *tier);

/* options_parse() with its message said; --help answered. Returns -1 to go on,
 * else the exit status. */
int command_begin(enum command command, int argc, char **argv, struct options *ret_options);
/* Closes standard output: data that did not arrive is a failure. */
int command_end(int status);
