/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - `run`, `resume` and `replay`: the same launch, from a module, an image or
 * a recording. */
#include "tools/keyhold/commands.h"
#include "tools/keyhold/launch.h"

static int
command(enum command which, uint32_t flags, int argc, char **argv)
{
	struct options options;
	int status = command_begin(which, argc, argv, &options);

	if (status >= 0)
		return status;
	status = launch(&options, flags);
	options_done(&options);
	return status;
}

int
command_run(int argc, char **argv)
{
	return command(COMMAND_RUN, 0, argc, argv);
}

int
command_resume(int argc, char **argv)
{
	return command(COMMAND_RESUME, START_RESUME, argc, argv);
}

int
command_replay(int argc, char **argv)
{
	return command(COMMAND_REPLAY, START_REPLAY, argc, argv);
}
