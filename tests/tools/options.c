/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* argv's strings are the process's own to change, so its type has no const. */
#define PARSE(command, ...)                                           \
	parse(command, (const char *[]){__VA_ARGS__, NULL},           \
		sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static struct options options;
static struct report report;

static int
parse(enum command command, const char **words, size_t argc)
{
	static char *argv[16];

	memcpy(argv, words, (argc + 1) * sizeof(*argv));
	report_clear(&report);
	options = (struct options){0};
	return options_parse(command, (int)argc, argv, &report, &options);
}

#define REFUSED(words, command, ...)                                \
	do {                                                        \
		cr_assert_eq(PARSE(command, __VA_ARGS__), -EINVAL); \
		cr_assert_str_eq(report.text, words);               \
		cr_assert_null(options.found);                      \
	} while (0)

Test(options, values_stand_after_a_space_or_an_equals_sign)
{
	cr_assert_eq(PARSE(COMMAND_RUN, "--gas", "5M", "--mem=64M", "--tty", "a.wasm", "--gas"), 0);
	cr_assert_str_eq(options_value(&options, OPTION_GAS), "5M");
	cr_assert_str_eq(options_value(&options, OPTION_MEM), "64M");
	cr_assert(options_has(&options, OPTION_TTY));
	cr_assert_not(options_has(&options, OPTION_STRICT));
	cr_assert_eq(options.rest_count, 2);
	cr_assert_str_eq(options.rest[1], "--gas");
	options_done(&options);
}

Test(options, an_alias_is_the_option_it_stands_for)
{
	cr_assert_eq(PARSE(COMMAND_RUN, "--fuel=7", "a.wasm"), 0);
	cr_assert_str_eq(options_value(&options, OPTION_GAS), "7");
	options_done(&options);
	cr_assert_eq(PARSE(COMMAND_RESUME, "--fuel", "+7", "a.khi"), 0);
	cr_assert_str_eq(options_value(&options, OPTION_GAS_MORE), "+7");
	options_done(&options);
	REFUSED("--gas is given twice", COMMAND_RUN, "--gas", "1", "--fuel", "2", "a.wasm");
}

Test(options, those_that_may_be_repeated_keep_their_order)
{
	cr_assert_eq(PARSE(COMMAND_RUN, "--dir", "a", "--key=clock:real", "--dir", "b", "x.wasm"), 0);
	cr_assert_eq(options.count, 3);
	cr_assert_str_eq(options.found[0].value, "a");
	cr_assert_eq(options.found[1].option, OPTION_KEY);
	cr_assert_str_eq(options.found[2].value, "b");
	options_done(&options);
}

Test(options, two_dashes_end_them_and_one_dash_is_a_file)
{
	cr_assert_eq(PARSE(COMMAND_RUN, "--tty", "--", "--gas"), 0);
	cr_assert_eq(options.rest_count, 1);
	options_done(&options);
	cr_assert_eq(PARSE(COMMAND_RESUME, "-", "--tty"), 0);
	cr_assert_str_eq(options.rest[0], "-");
	options_done(&options);
}

Test(options, behind_an_image_they_are_still_ours)
{
	cr_assert_eq(PARSE(COMMAND_RESUME, "a.khi", "--gas", "+7", "--dir=d", "--", "--mem"), 0);
	cr_assert_str_eq(options_value(&options, OPTION_GAS_MORE), "+7");
	cr_assert_str_eq(options_value(&options, OPTION_DIR), "d");
	cr_assert_eq(options.rest_count, 2);
	cr_assert_str_eq(options.rest[0], "a.khi");
	cr_assert_str_eq(options.rest[1], "--mem");
	cr_assert_null(options.rest[2]);
	options_done(&options);
}

Test(options, a_wrong_one_is_told_with_the_nearest)
{
	REFUSED("run has no option --gsa; did you mean --gas?", COMMAND_RUN, "--gsa=5", "a.wasm");
	REFUSED("run has no option --snapshoton; did you mean --snapshot-on?", COMMAND_RUN,
		"--snapshoton", "gas=x");
	REFUSED("run has no option --utterly-else; see: keyhold help run", COMMAND_RUN, "--utterly-else");
	REFUSED("inspect has no option --gas; see: keyhold help inspect", COMMAND_INSPECT, "--gas", "1");
	REFUSED("no option -v; options are long: keyhold help run", COMMAND_RUN, "-v");
}

Test(options, values_are_needed_or_refused)
{
	REFUSED("--gas needs a value: --gas N", COMMAND_RUN, "--gas");
	REFUSED("--tty takes no value", COMMAND_RUN, "--tty=yes", "a.wasm");
}

Test(options, hidden_ones_work_and_are_never_shown)
{
	char text[16384] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	help_command(out, COMMAND_RUN);
	fclose(out);
	cr_assert_null(strstr(text, "--executor"));
	cr_assert_not_null(strstr(text, "--snapshot-on WHEN=FILE"));
	cr_assert_eq(PARSE(COMMAND_RUN, "--executor", "switch", "a.wasm"), 0);
	options_done(&options);
	cr_assert_null(option_like(COMMAND_RUN, "--executor"));
	cr_assert_not_null(option_like(COMMAND_RUN, "--gas=5"));
	cr_assert_null(option_like(COMMAND_RUN, "-gas"));
}

Test(options, commands_are_found_and_suggested)
{
	cr_assert_eq(command_find("resume"), COMMAND_RESUME);
	cr_assert_eq(command_find("Resume"), -1);
	cr_assert_str_eq(command_near("rnu"), "run");
	cr_assert_str_eq(command_near("inspct"), "inspect");
	cr_assert_null(command_near("frobnicate"));
	cr_assert_null(command_near("a-very-long-word-that-is-longer-than-a-row-of-the-table"));
}
