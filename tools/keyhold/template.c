/* SPDX-License-Identifier: Apache-2.0 */
/* template.c - `template` and `exec`: images under names, to start copies from.
 *
 * A template is NAME.khi in one folder: what --templates names, else
 * $KEYHOLD_TEMPLATES, else keyhold/templates in $XDG_DATA_HOME or ~/.local/share. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"

enum { NAME_MAX_BYTES = 64 };

static const char ending[] = ".khi";

/* Letters, digits, '.', '_' and '-', and no '.' in front. */
static bool
is_name(const char *name)
{
	const size_t bytes = strlen(name);

	return bytes && bytes <= NAME_MAX_BYTES && name[0] != '.' && name[0] != '-' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == bytes;
}

/* Caller frees; NULL: words said. */
static char *
folder(const struct options *options)
{
	const char *given = options_value(options, OPTION_TEMPLATES);
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int r = 0;

	if (!given || !given[0])
		given = getenv("KEYHOLD_TEMPLATES");
	if (given && given[0])
		path = strdup(given);
	else if (data && data[0] == '/')
		r = asprintf(&path, "%s/keyhold/templates", data);
	else if (home && home[0])
		r = asprintf(&path, "%s/.local/share/keyhold/templates", home);
	else
		say_error("no folder for templates: HOME is not set; name one: --templates DIR");
	if (r < 0)
		return NULL;
	return path;
}

/* The file of a template; caller frees; NULL: words said. */
static char *
file_of(const struct options *options, const char *name)
{
	char *in, *path = NULL;

	if (!is_name(name)) {
		say_error("template %s: a name has at most %d letters, digits, . _ -, and begins with neither . nor -",
			name, NAME_MAX_BYTES);
		return NULL;
	}
	in = folder(options);
	if (in && asprintf(&path, "%s/%s%s", in, name, ending) < 0)
		path = NULL;
	free(in);
	return path;
}

/* Each part that is not there yet. */
static int
make_folders(char *path)
{
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		if (mkdir(path, 0777) && errno != EEXIST) {
			say_error("%s: %s", path, strerror(errno));
			*at = '/';
			return EXIT_NO_FILE;
		}
		*at = '/';
	}
	return 0;
}

static int
make(struct options *options)
{
	const char *name = options->rest_count > 1 ? options->rest[1] : NULL;
	char *path;
	int status;

	if (options->rest_count < 3) {
		say_error("template make what? keyhold template make NAME FILE --until stdin|export:F|call:N");
		return EXIT_USAGE;
	}
	if (!options_has(options, OPTION_UNTIL_TEMPLATE)) {
		say_error("template make %s: of where? say --until stdin, export:F or call:N", name);
		return EXIT_USAGE;
	}
	path = file_of(options, name);
	if (!path)
		return EXIT_USAGE;
	options->rest += 2;
	options->rest_count -= 2;
	options->keep = path;
	status = make_folders(path);
	if (!status)
		status = launch(options, 0);
	free(path);
	return status;
}

int
template_verdict(const struct launch *launch, int status)
{
	const struct record *record = launch->record;
	const char *until = options_value(launch->options, OPTION_UNTIL_TEMPLATE);
	const char *keep = launch->options->keep, *name = strrchr(keep, '/') + 1;
	const int bytes = (int)(strlen(name) - strlen(ending));
	char gas[UNITS_TEXT_MAX], size[UNITS_TEXT_MAX], took[UNITS_TEXT_MAX];

	if (!record || record->end == RECORD_REFUSED)
		return status;
	if (record->image == IMAGE_WRITTEN && record->end == RECORD_UNTIL) {
		say("template %.*s: %s bytes, taken after %s gas and %s", bytes, name,
			units_group(record->image_bytes, size),
			units_group(record->gas_guest + record->gas_host, gas),
			units_say_duration(launch->run_ns / 1000000 * 1000000, took));
		say_more("start  keyhold exec %.*s", bytes, name);
		return 0;
	}
	say_error("template %.*s was not made: %s ended before --until %s", bytes, name, launch->program,
		until);
	return status ? status : EXIT_DATA;
}

/* --- list, remove ------------------------------------------------------------------ */

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_template(const struct dirent *entry)
{
	const size_t bytes = strlen(entry->d_name);

	return bytes > sizeof(ending) - 1 && entry->d_name[0] != '.' &&
		!strcmp(entry->d_name + bytes - (sizeof(ending) - 1), ending);
}

static void
list_one(const char *in, const char *file, json_t *json)
{
	char name[NAME_MAX_BYTES + 1], size[UNITS_TEXT_MAX], *path = NULL;
	struct stat stat_now;

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - (sizeof(ending) - 1)), file);
	if (asprintf(&path, "%s/%s", in, file) < 0)
		return;
	if (!stat(path, &stat_now) && S_ISREG(stat_now.st_mode) && json)
		json_array_append_new(json, json_pack("{s:s, s:s, s:I}", "name", name, "file", path, "bytes",
			(json_int_t)stat_now.st_size));
	else if (!stat(path, &stat_now) && S_ISREG(stat_now.st_mode))
		printf("%-24s %s bytes\n", name, units_group((uint64_t)stat_now.st_size, size));
	free(path);
}

static int
list(const struct options *options)
{
	json_t *json = options_has(options, OPTION_JSON) ? json_array() : NULL;
	struct dirent **found = NULL;
	char *in = folder(options);
	int count;

	if (!in)
		return EXIT_USAGE;
	count = scandir(in, &found, is_template, by_name);
	if (count < 0 && errno != ENOENT) {
		say_error("%s: %s", in, strerror(errno));
		free(in);
		json_decref(json);
		return EXIT_NO_FILE;
	}
	for (int i = 0; i < count; i++) {
		list_one(in, found[i]->d_name, json);
		free(found[i]);
	}
	if (json) {
		json_t *all = json_pack("{s:i, s:o}", "v", 1, "templates", json);

		json_dumpf(all, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
		json_decref(all);
	}
	free(found);
	free(in);
	return command_end(0);
}

static int
missing(const char *name, const char *path)
{
	say_error("no template %s: %s: %s", name, path, strerror(errno));
	say_more("make   keyhold template make %s FILE --until stdin; they are listed by: keyhold template list",
		name);
	return EXIT_NO_FILE;
}

static int
remove_one(const struct options *options)
{
	const char *name = options->rest[1];
	char *path = options->rest_count == 2 ? file_of(options, name) : NULL;
	int status = 0;

	if (options->rest_count != 2)
		say_error("template remove which? keyhold template remove NAME");
	if (!path)
		return EXIT_USAGE;
	if (unlink(path))
		status = missing(name, path);
	free(path);
	return status;
}

int
command_template(int argc, char **argv)
{
	struct options options;
	int status = command_begin(COMMAND_TEMPLATE, argc, argv, &options);
	const char *verb;

	if (status >= 0)
		return status;
	verb = options.rest_count ? options.rest[0] : "";
	if (!strcmp(verb, "make"))
		status = make(&options);
	else if (!strcmp(verb, "list") && options.rest_count == 1)
		status = list(&options);
	else if (!strcmp(verb, "remove"))
		status = remove_one(&options);
	else {
		say_error("template what? keyhold template make NAME FILE --until WHERE, list, or remove NAME");
		status = EXIT_USAGE;
	}
	options_done(&options);
	return status;
}

int
command_exec(int argc, char **argv)
{
	struct options options;
	int status = command_begin(COMMAND_EXEC, argc, argv, &options);
	const char *name;
	char *path;

	if (status >= 0)
		return status;
	name = options.rest_count ? options.rest[0] : NULL;
	path = name ? file_of(&options, name) : NULL;
	if (!name)
		say_error("exec what? keyhold exec NAME [-- ARGS..]; templates are listed by: keyhold template list");
	if (!path)
		status = EXIT_USAGE;
	else if (access(path, R_OK))
		status = missing(name, path);
	else {
		options.rest[0] = path;
		status = launch(&options, START_RESUME | START_EXEC);
		options.rest[0] = (char *)(uintptr_t)name;
	}
	free(path);
	options_done(&options);
	return status;
}
