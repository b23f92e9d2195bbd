/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/commands.h"

#include <errno.h>
#include <string.h>

#include "tools/keyhold/say.h"

int
command_begin(enum command command, int argc, char **argv, struct options *ret_options)
{
	struct report report = {.offset = UINT64_MAX};
	const int r = options_parse(command, argc, argv, &report, ret_options);

	if (r) {
		say_error("%s", r == -ENOMEM ? "no memory" : report.text);
		return r == -ENOMEM ? EXIT_FAULT : EXIT_USAGE;
	}
	if (options_has(ret_options, OPTION_HELP)) {
		help_command(stdout, command);
		options_done(ret_options);
		return command_end(0);
	}
	if (ret_options->rest_count && !strcmp(command_rows[command].usage, "[options]")) {
		say_error("%s takes options only, not \"%s\"; see: keyhold help %s",
			command_rows[command].text, ret_options->rest[0], command_rows[command].text);
		options_done(ret_options);
		return EXIT_USAGE;
	}
	return -1;
}

int
command_end(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (errno != EPIPE) /* nobody listens any more: nobody to tell */
		say_error("standard output: %s", strerror(errno));
	return status ? status : EXIT_IO;
}
