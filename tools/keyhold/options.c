/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IN(NAME) (1u << COMMAND_##NAME)
#define IN_RUNS  (IN(RUN) | IN(RESUME) | IN(TEMPLATE) | IN(EXEC))
#define IN_REMOTE \
	(IN(PS) | IN(TREE) | IN(TOP) | IN(KEYS) | IN(GRANT) | IN(REVOKE) | IN(LIMIT) | IN(FREEZE) | \
		IN(THAW) | IN(SNAPSHOT) | IN(RESTORE) | IN(END) | IN(WHY))
#define IN_ALL   ((1u << COMMAND_COUNT) - 1)
#define MANY     OPTION_MANY
#define ALIAS    OPTION_ALIAS
#define HIDDEN   OPTION_HIDDEN

const struct command_row command_rows[COMMAND_COUNT] = {
#define COMMAND(NAME, text, usage, summary) {text, usage, summary},
#define OPTION(NAME, text, value, commands, flags, group, summary)
#include "tools/keyhold/commands.def"
#undef COMMAND
#undef OPTION
};

const struct option_row option_rows[OPTION_COUNT] = {
#define COMMAND(NAME, text, usage, summary)
#define OPTION(NAME, text, value, commands, flags, group, summary) \
	{text, value, commands, flags, group, summary},
#include "tools/keyhold/commands.def"
#undef COMMAND
#undef OPTION
};

/* How many letters to insert, drop, change or swap with the next to make b of a;
 * words longer than a row are far from everything. */
static unsigned
distance(const char *a, size_t a_bytes, const char *b)
{
	enum { ROW = 32 };
	const size_t b_bytes = strlen(b);
	unsigned rows[3][ROW]; /* the last, the one before, this one: in turn */

	if (b_bytes >= ROW || a_bytes >= ROW)
		return ROW;
	for (unsigned j = 0; j <= b_bytes; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_bytes; i++) {
		const unsigned *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
		unsigned *row = rows[i % 3];

		row[0] = i;
		for (unsigned j = 1; j <= b_bytes; j++) {
			row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < row[j])
				row[j] = last[j] + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[a_bytes % 3][b_bytes];
}

/* A third of the word may be wrong; short words must be nearly right. */
static bool
is_near(unsigned letters, size_t bytes)
{
	return letters <= 1 + bytes / 4;
}

int
command_find(const char *text)
{
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(command_rows[i].text, text))
			return i;
	return -1;
}

const char *
command_near(const char *text)
{
	const char *nearest = NULL;
	unsigned least = UINT32_MAX;

	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const unsigned letters = distance(text, strlen(text), command_rows[i].text);

		if (letters < least) {
			least = letters;
			nearest = command_rows[i].text;
		}
	}
	return is_near(least, strlen(text)) ? nearest : NULL;
}

static bool
serves(const struct option_row *row, enum command command)
{
	return row->commands >> command & 1;
}

static int
find(enum command command, const char *text, size_t bytes)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (serves(&option_rows[i], command) && strlen(option_rows[i].text) == bytes &&
			!strncmp(option_rows[i].text, text, bytes))
			return i;
	return -1;
}

static int
unknown(enum command command, const char *text, size_t bytes, struct report *report)
{
	const char *name = command_rows[command].text, *nearest = NULL;
	unsigned least = UINT32_MAX;

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		const unsigned letters = distance(text, bytes, row->text);

		if (serves(row, command) && !(row->flags & OPTION_HIDDEN) && letters < least) {
			least = letters;
			nearest = row->text;
		}
	}
	if (nearest && is_near(least, bytes))
		report_say(report, UINT64_MAX, "%s has no option --%.*s; did you mean --%s?", name,
			(int)bytes, text, nearest);
	else
		report_say(report, UINT64_MAX, "%s has no option --%.*s; see: keyhold help %s", name,
			(int)bytes, text, name);
	return -EINVAL;
}

/* One option at argv[*at]; moves past it and its value. */
static int
take(struct options *options, char **argv, int *at, struct report *report)
{
	const char *text = argv[*at] + 2, *equals = strchr(text, '=');
	const size_t bytes = equals ? (size_t)(equals - text) : strlen(text);
	int option = find(options->command, text, bytes);
	const struct option_row *row;
	const char *value = equals ? equals + 1 : NULL;

	if (option < 0)
		return unknown(options->command, text, bytes, report);
	if (option_rows[option].flags & OPTION_ALIAS)
		option--;
	row = &option_rows[option];
	if (!row->value && value) {
		report_say(report, UINT64_MAX, "--%.*s takes no value", (int)bytes, text);
		return -EINVAL;
	}
	if (row->value && !value)
		value = argv[++*at];
	if (row->value && !value) {
		report_say(report, UINT64_MAX, "--%.*s needs a value: --%.*s %s", (int)bytes, text,
			(int)bytes, text, row->value);
		return -EINVAL;
	}
	if (!(row->flags & OPTION_MANY) && options_has(options, (enum option)option)) {
		report_say(report, UINT64_MAX, "--%s is given twice", row->text);
		return -EINVAL;
	}
	options->found[options->count++] =
		(struct option_found){.option = (enum option)option, .value = value ? value : ""};
	++*at;
	return 0;
}

int
options_parse(enum command command, int argc, char **argv, struct report *report,
	struct options *ret_options)
{
	struct options options = {.command = command};
	int at = 0, operands = 0, r = 0;

	options.found = calloc((size_t)argc + 1, sizeof(*options.found));
	if (!options.found)
		return -ENOMEM;
	while (!r && at < argc) {
		if (argv[at][0] != '-' || !argv[at][1]) {
			if (command == COMMAND_RUN)
				break; /* what follows FILE is the guest's */
			argv[operands++] = argv[at++];
		} else if (!strcmp(argv[at], "--")) {
			at++;
			break;
		} else if (!strcmp(argv[at], "-h")) {
			options.found[options.count++] = (struct option_found){OPTION_HELP, ""};
			at++;
		} else if (argv[at][1] == '-') {
			r = take(&options, argv, &at, report);
		} else {
			report_say(report, UINT64_MAX, "no option %s; options are long: keyhold help %s",
				argv[at], command_rows[command].text);
			r = -EINVAL;
		}
	}
	if (r) {
		options_done(&options);
		return r;
	}
	/* Operands found so far go before the rest; there is room, for they came
	 * from before it. */
	memmove(argv + at - operands, argv, (size_t)operands * sizeof(*argv));
	options.rest = argv + at - operands;
	options.rest_count = argc - at + operands;
	*ret_options = options;
	return 0;
}

void
options_done(struct options *options)
{
	free(options->found);
	*options = (struct options){0};
}

const char *
options_value(const struct options *options, enum option option)
{
	for (uint32_t i = options->count; i > 0; i--)
		if (options->found[i - 1].option == option)
			return options->found[i - 1].value;
	return NULL;
}

bool
options_has(const struct options *options, enum option option)
{
	return options_value(options, option) != NULL;
}

const struct option_row *
option_like(enum command command, const char *text)
{
	int option;

	if (strncmp(text, "--", 2))
		return NULL;
	option = find(command, text + 2, strcspn(text + 2, "="));
	return option < 0 || option_rows[option].flags & OPTION_HIDDEN ? NULL : &option_rows[option];
}

void
help_print(FILE *out)
{
	fputs("usage: keyhold COMMAND [options] ..\n\nCommands\n", out);
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-11s %s\n", command_rows[i].text, command_rows[i].summary);
	fputs("\n`keyhold FILE.wasm` is `keyhold run FILE.wasm`. Options of a command: keyhold help COMMAND\n", out);
}

/* The summary, wrapped at 80 columns below its option. */
static void
wrapped(FILE *out, const char *text)
{
	enum { INDENT = 8, WIDTH = 80 };
	size_t column = 0;

	while (*text) {
		const size_t word = strcspn(text, " ");

		if (!column || column + 1 + word > WIDTH) {
			fprintf(out, "%s%*s", column ? "\n" : "", INDENT, "");
			column = INDENT;
		} else {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, word, out);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void
help_command(FILE *out, enum command command)
{
	const struct command_row *row = &command_rows[command];
	const char *group = "";

	fprintf(out, "usage: keyhold %s %s\n%s\n", row->text, row->usage, row->summary);
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *option = &option_rows[i];

		if (!serves(option, command) || option->flags & OPTION_HIDDEN)
			continue;
		if (strcmp(group, option->group))
			fprintf(out, "\n%s\n", group = option->group);
		fprintf(out, "  --%s%s%s\n", option->text, option->value ? " " : "",
			option->value ? option->value : "");
		wrapped(out, option->summary);
	}
	if (command == COMMAND_RUN)
		fputs("\nOptions stand before FILE; what follows it is the guest's.\n", out);
	if (command == COMMAND_RUN || command == COMMAND_RESUME)
		fputs("\nFiles may be - or fd:N. With an image on standard output (gas=-) the guest's\n"
		      "output goes to standard error. Exit status: the guest's own; 134 trap, 152 out\n"
		      "of gas, 137 out of storage or killed, 124 --timeout, 77 a key is missing or was\n"
		      "denied, 64 usage, 65 bad module or image, 66 no such file, 70 our own fault, 74\n"
		      "a report or an image could not be written.\n",
			out);
}
