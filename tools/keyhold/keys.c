/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/fits.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"

static const struct {
	const char *name;
	enum option option;
	int fd, flags;
} streams[3] = {
	{"stdin", OPTION_STDIN, STDIN_FILENO, O_RDONLY},
	{"stdout", OPTION_STDOUT, STDOUT_FILENO, O_WRONLY | O_CREAT | O_TRUNC},
	{"stderr", OPTION_STDERR, STDERR_FILENO, O_WRONLY | O_CREAT | O_TRUNC},
};

_Static_assert((int)KEYS_MAX < (int)RECORD_KEYS_MAX, "and the synthetic root is one more");

/* --- options -> keys ------------------------------------------------------- */

static struct launch_key *
key_add(struct launch *launch)
{
	struct launch_key *key = &launch->keys[launch->keys_count];

	if (launch->keys_count == KEYS_MAX)
		return NULL;
	*key = (struct launch_key){.fd = -1};
	launch->keys_count++;
	return key;
}

static int
no_memory(void)
{
	say_error("no memory");
	return EXIT_FAULT;
}

static int
add_stream(struct launch *launch, unsigned i)
{
	const char *value = options_value(launch->options, streams[i].option);
	struct launch_key *key = key_add(launch);
	char *text = NULL;

	if (!key)
		return EXIT_USAGE;
	key->is_stream = true;
	key->role = ROLE_STDIN + i;
	key->name = strdup(streams[i].name);
	key->spec.value = value ? strdup(value) : NULL;
	if (value ? asprintf(&text, "file:%s", value) < 0 : asprintf(&text, "fd:%u", i) < 0)
		return no_memory();
	key->text = text;
	return key->name ? 0 : no_memory();
}

/* Takes the spec. */
static int
add_spec(struct launch *launch, struct keyspec *spec)
{
	struct launch_key *key = key_add(launch);

	if (!key) {
		keyspec_done(spec);
		say_error("more than %d keys", KEYS_MAX);
		return EXIT_USAGE;
	}
	if (hostkey_init(key, spec))
		return no_memory();
	if (key->spec.kind == KEYSPEC_CLOCK && key->spec.real)
		launch->clock_real = true;
	for (uint32_t i = 0; i + 1 < launch->keys_count; i++) {
		const struct launch_key *other = &launch->keys[i];

		if (!strcmp(other->name, key->name) ||
			(key->role != ROLE_MOUNT && key->role != ROLE_NET && other->role == key->role)) {
			say_error("two keys are called %s: %s and %s", key->name, other->text, key->text);
			say_more("name one of them: --key NAME=%s", key->text);
			return EXIT_USAGE;
		}
	}
	return 0;
}

/* --clock X is --key clock:X, and so are --random and --listen; --connect X is
 * --key tcp:X. */
static int
parse_found(const struct option_found *found, struct report *report, struct keyspec *ret_spec)
{
	char *text = NULL;
	int r;

	if (found->option == OPTION_DIR)
		return keyspec_from_dir(found->value, report, ret_spec);
	if (found->option == OPTION_KEY)
		return keyspec_parse(found->value, report, ret_spec);
	if (asprintf(&text, "%s:%s",
		    found->option == OPTION_CONNECT ? "tcp" : option_rows[found->option].text,
		    found->value) < 0)
		return -ENOMEM;
	r = keyspec_parse(text, report, ret_spec);
	free(text);
	return r;
}

static int
add_default(struct launch *launch, enum start_role role, const char *text)
{
	struct report report = {.offset = UINT64_MAX};
	struct keyspec spec;

	for (uint32_t i = 0; i < launch->keys_count; i++)
		if (launch->keys[i].role == role)
			return 0;
	if (keyspec_parse(text, &report, &spec))
		return no_memory();
	return add_spec(launch, &spec);
}

/* Copies of one image must not draw the same numbers. The report names the seed, so
 * that one of them can be had again. */
static int
add_fresh_seed(struct launch *launch)
{
	char text[40];
	uint32_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		say_error("no random seed from this machine: give one: --random seed=N");
		return EXIT_FAULT;
	}
	snprintf(text, sizeof(text), "random:seed=%u", seed);
	return add_default(launch, ROLE_ENTROPY, text);
}

static bool
is_key(enum option option)
{
	return option == OPTION_DIR || option == OPTION_KEY || option == OPTION_CLOCK ||
		option == OPTION_RANDOM || option == OPTION_CONNECT || option == OPTION_LISTEN;
}

int
keys_read(struct launch *launch)
{
	const struct options *options = launch->options;
	int r = 0;

	for (unsigned i = 0; !r && i < 3; i++)
		r = add_stream(launch, i);
	for (uint32_t i = 0; !r && i < options->count; i++) {
		const struct option_found *found = &options->found[i];
		struct report report = {.offset = UINT64_MAX};
		struct keyspec spec;

		if (!is_key(found->option))
			continue;
		if (parse_found(found, &report, &spec)) {
			say_error("%s", report.text[0] ? report.text : "no memory");
			return EXIT_USAGE;
		}
		r = add_spec(launch, &spec);
	}
	/* An image brings its own virtual clock and seed; a real one is a key. */
	if (!r && !(launch->start.flags & START_RESUME))
		r = add_default(launch, ROLE_CLOCK, "clock:virtual");
	if (!r && launch->start.flags & START_EXEC)
		r = add_fresh_seed(launch);
	else if (!r && !(launch->start.flags & START_RESUME))
		r = add_default(launch, ROLE_ENTROPY, "random:seed=0");
	return r;
}

/* --- the host's side ----------------------------------------------------------- */

bool
keys_image_on_stdout(const struct launch *launch)
{
	for (unsigned i = 0; i < WHEN_COUNT; i++)
		if (launch->images[i].name && !strcmp(launch->images[i].name, "-"))
			return true;
	return launch->tape.name && !strcmp(launch->tape.name, "-");
}

static int
open_stream(struct launch *launch, struct launch_key *key)
{
	const unsigned i = key->role - ROLE_STDIN;
	struct report report = {.offset = UINT64_MAX};
	int fd = streams[i].fd;

	if (key->spec.value) {
		if (!file_open(key->spec.value, streams[i].flags, &report, &key->fd))
			return 0;
		say_error("--%s: %s", streams[i].name, report.text);
		return EXIT_NO_FILE;
	}
	/* What carries an image is not the guest's: its output goes to standard
	 * error, its input is empty. */
	if (i == 1 && keys_image_on_stdout(launch))
		fd = STDERR_FILENO;
	if (i == 0 && !strcmp(launch->file, "-"))
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	else
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	key->fd = fd;
	if (fd >= 0)
		return 0;
	say_error("%s: %s (key %s, %s)", streams[i].name, strerror(errno), key->name, key->text);
	return EXIT_NO_FILE;
}

/* The report's lines: what was wrong, and below it what to do. */
static int
no_file(const struct report *report)
{
	const char *more = strchr(report->text, '\n');

	say_error("%.*s", more ? (int)(more - report->text) : (int)strlen(report->text), report->text);
	if (more)
		say_more("%s", more + 1);
	return EXIT_NO_FILE;
}

int
keys_open(struct launch *launch)
{
	struct report report;
	int r = 0;

	for (uint32_t i = 0; !r && i < launch->keys_count; i++) {
		struct launch_key *key = &launch->keys[i];

		report_clear(&report);
		if (key->is_stream)
			r = open_stream(launch, key);
		else if (hostkey_open(key, &report))
			r = no_file(&report);
	}
	return r;
}

/* --- grants ------------------------------------------------------------------------ */

/* --resolve NAME=ADDRESS, and, for tests, who else is asked for names. */
static int
names_given(struct launch *launch)
{
	const struct options *options = launch->options;
	int r = 0;

	for (uint32_t i = 0; !r && i < options->count; i++) {
		const struct option_found *found = &options->found[i];

		if (found->option == OPTION_RESOLVE)
			r = broker_pin(launch->broker, found->value, &launch->report);
		else if (found->option == OPTION_NAME_SERVER)
			r = broker_name_servers(launch->broker, found->value, &launch->report);
		if (r)
			say_error("--%s %s: %s", option_rows[found->option].text, found->value,
				launch->report.text);
	}
	return r ? EXIT_USAGE : 0;
}

/* for=, in real time: a cut by the broker. What the guest's own clock says is the
 * kernel's. */
static void
expire(struct launch *launch, const struct launch_key *key, uint32_t grant)
{
	struct timespec now;

	if (key->is_stream || !grant || key->spec.for_ns == KEYSPEC_NO_LIMIT)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	launch->start.flags |= START_CONTROL; /* its world's cut is an order */
	(void)broker_expire(launch->broker, grant,
		add_saturating((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
			key->spec.for_ns));
}

int
keys_grant(struct launch *launch)
{
	const uint32_t how = (options_has(launch->options, OPTION_TTY) ? HOSTKEY_TTY : 0) |
		(options_has(launch->options, OPTION_LIVE) ? HOSTKEY_LIVE : 0) |
		(launch->clock_real ? HOSTKEY_TIMES : 0) |
		(options_has(launch->options, OPTION_ALLOW_PRIVATE) ? HOSTKEY_PRIVATE : 0);
	const int r = names_given(launch);

	if (r)
		return r;
	for (uint32_t i = 0; i < launch->keys_count; i++) {
		struct launch_key *key = &launch->keys[i];

		if (hostkey_grant(launch->broker, key, how, &launch->report, &launch->roots[i])) {
			say_error("key %s, %s: %s", key->name, key->text, launch->report.text);
			return EXIT_NO_KEY;
		}
		ledger_key(&launch->ledger, key->name, launch->roots[i].root.number,
			!key->is_stream && keyspec_is_network(&key->spec));
		expire(launch, key, launch->roots[i].root.number);
	}
	launch->start.roots = launch->roots;
	launch->start.roots_count = launch->keys_count;
	return 0;
}

void
keys_done(struct launch *launch)
{
	for (uint32_t i = 0; i < launch->keys_count; i++)
		hostkey_done(&launch->keys[i]);
	launch->keys_count = 0;
}
