/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Names of more than 63 bytes are cut in front: the end of a path tells more. */
static char *
name_of(const struct keyspec *spec)
{
	const char *name = keyspec_name(spec);
	const size_t bytes = strlen(name);

	return strdup(bytes > 63 ? name + bytes - 63 : name);
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

static enum start_role
role_of(enum keyspec_kind kind)
{
	switch (kind) {
	case KEYSPEC_DIR:
	case KEYSPEC_FILE:
		return ROLE_MOUNT;
	case KEYSPEC_CLOCK:
		return ROLE_CLOCK;
	case KEYSPEC_RANDOM:
	case KEYSPEC_COUNT:
		break;
	}
	return ROLE_ENTROPY;
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
	key->spec = *spec;
	key->role = role_of(spec->kind);
	key->name = name_of(spec);
	key->text = keyspec_text(spec);
	if (!key->name || !key->text)
		return no_memory();
	if (spec->kind == KEYSPEC_CLOCK && spec->real)
		launch->clock_real = true;
	for (uint32_t i = 0; i + 1 < launch->keys_count; i++) {
		const struct launch_key *other = &launch->keys[i];

		if (!strcmp(other->name, key->name) ||
			(key->role != ROLE_MOUNT && other->role == key->role)) {
			say_error("two keys are called %s: %s and %s", key->name, other->text, key->text);
			say_more("name one of them: --key NAME=%s", key->text);
			return EXIT_USAGE;
		}
	}
	return 0;
}

/* --clock X is --key clock:X, --random X is --key random:X. */
static int
parse_found(const struct option_found *found, struct report *report, struct keyspec *ret_spec)
{
	char *text = NULL;
	int r;

	if (found->option == OPTION_DIR)
		return keyspec_from_dir(found->value, report, ret_spec);
	if (found->option == OPTION_KEY)
		return keyspec_parse(found->value, report, ret_spec);
	if (asprintf(&text, "%s:%s", option_rows[found->option].text, found->value) < 0)
		return -ENOMEM;
	r = keyspec_parse(text, report, ret_spec);
	free(text);
	return r;
}

/* A limit that nothing enforces would be a lie. */
static int
check_limits(const struct launch_key *key)
{
	if (key->spec.uses == KEYSPEC_NO_LIMIT && key->spec.bytes == KEYSPEC_NO_LIMIT &&
		key->spec.for_ns == KEYSPEC_NO_LIMIT)
		return 0;
	say_error("key %s: uses=, bytes= and for= are not enforced in this build, so they are refused",
		key->name);
	say_more("leave them out, or bound the whole run: --gas, --mem, --timeout");
	return EXIT_USAGE;
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

		if (found->option != OPTION_DIR && found->option != OPTION_KEY &&
			found->option != OPTION_CLOCK && found->option != OPTION_RANDOM)
			continue;
		if (parse_found(found, &report, &spec)) {
			say_error("%s", report.text[0] ? report.text : "no memory");
			return EXIT_USAGE;
		}
		r = add_spec(launch, &spec);
		if (!r)
			r = check_limits(&launch->keys[launch->keys_count - 1]);
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

static int
no_file(const struct launch_key *key, const char *host, int error)
{
	say_error("%s: %s (key %s, %s)", host, strerror(error), key->name, key->text);
	return EXIT_NO_FILE;
}

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
	return fd < 0 ? no_file(key, streams[i].name, errno) : 0;
}

static int
open_dir(struct launch_key *key)
{
	key->fd = open(key->spec.value, O_PATH | O_DIRECTORY | O_CLOEXEC);
	key->type = DEVICE_TYPE_DIRECTORY;
	return key->fd < 0 ? no_file(key, key->spec.value, errno) : 0;
}

static int
open_file(struct launch_key *key)
{
	const uint32_t rights = key->spec.rights;
	const int flags = rights & KEYSPEC_APPEND ? O_WRONLY | O_APPEND
	                : rights & KEYSPEC_WRITE  ? O_RDWR
	                                          : O_RDONLY;
	struct report report = {.offset = UINT64_MAX};
	struct stat stat;

	/* A FIFO without a peer must not hold us up. */
	if (file_open(key->spec.value, flags | O_NONBLOCK, &report, &key->fd)) {
		say_error("%s (key %s, %s)", report.text, key->name, key->text);
		if (rights & KEYSPEC_WRITE && access(key->spec.value, F_OK) && !file_is_stream(key->spec.value))
			say_more("a file key names a file that is there; make it first: touch %s",
				key->spec.value);
		return EXIT_NO_FILE;
	}
	if (fstat(key->fd, &stat))
		return no_file(key, key->spec.value, errno);
	if (S_ISDIR(stat.st_mode)) {
		say_error("%s is a directory: give it as dir:%s", key->spec.value, key->spec.value);
		return EXIT_NO_FILE;
	}
	key->type = S_ISREG(stat.st_mode) && !file_is_stream(key->spec.value) ? DEVICE_TYPE_FILE
	                                                                      : DEVICE_TYPE_UNKNOWN;
	return 0;
}

int
keys_open(struct launch *launch)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < launch->keys_count; i++) {
		struct launch_key *key = &launch->keys[i];

		if (key->is_stream)
			r = open_stream(launch, key);
		else if (key->spec.kind == KEYSPEC_DIR)
			r = open_dir(key);
		else if (key->spec.kind == KEYSPEC_FILE)
			r = open_file(key);
	}
	return r;
}

/* --- grants ------------------------------------------------------------------------ */

static uint32_t
broker_rights(const struct launch_key *key)
{
	if (key->is_stream)
		return key->role == ROLE_STDIN ? BROKER_READ : BROKER_WRITE;
	return (key->spec.rights & KEYSPEC_READ ? BROKER_READ : 0) |
	       (key->spec.rights & KEYSPEC_WRITE ? BROKER_WRITE : 0) |
	       (key->spec.rights & KEYSPEC_APPEND ? BROKER_APPEND : 0);
}

static uint32_t
guest_rights(const struct launch *launch, const struct launch_key *key)
{
	uint32_t rights = 0;

	if (key->role == ROLE_CLOCK)
		return RIGHT_read | RIGHT_sleep;
	if (key->role == ROLE_ENTROPY || key->role == ROLE_STDIN)
		return RIGHT_read;
	if (key->is_stream)
		return RIGHT_write;
	if (key->spec.rights & KEYSPEC_READ)
		rights |= RIGHT_read;
	if (key->spec.rights & KEYSPEC_APPEND)
		rights |= key->type == DEVICE_TYPE_FILE ? RIGHT_append : RIGHT_write;
	else if (key->spec.rights & KEYSPEC_WRITE)
		rights |= RIGHT_write | RIGHT_append;
	if (launch->clock_real && key->type != DEVICE_TYPE_UNKNOWN)
		rights |= RIGHT_times;
	return rights;
}

static enum kind_id
guest_kind(const struct launch_key *key)
{
	if (key->is_stream)
		return KIND_stream;
	switch (key->spec.kind) {
	case KEYSPEC_DIR:
		return KIND_directory;
	case KEYSPEC_FILE:
		return key->type == DEVICE_TYPE_FILE ? KIND_file : KIND_stream;
	case KEYSPEC_CLOCK:
		return KIND_clock;
	case KEYSPEC_RANDOM:
	case KEYSPEC_COUNT:
		break;
	}
	return KIND_entropy;
}

static int
grant(struct launch *launch, struct launch_key *key, struct broker_grant *ret_grant)
{
	const uint32_t rights = broker_rights(key);
	const int fd = key->fd;

	*ret_grant = (struct broker_grant){0};
	if (fd < 0)
		return 0;
	key->fd = -1; /* the broker takes it, also when it fails */
	switch (guest_kind(key)) {
	case KIND_directory:
		return broker_grant_dir(launch->broker, fd, rights, &launch->report, ret_grant);
	case KIND_file:
		return broker_grant_file(launch->broker, fd, rights, &launch->report, ret_grant);
	default:
		return broker_grant_stream(launch->broker, fd, rights, &launch->report, ret_grant);
	}
}

int
keys_grant(struct launch *launch)
{
	const bool tty = options_has(launch->options, OPTION_TTY);
	const bool live = options_has(launch->options, OPTION_LIVE);

	for (uint32_t i = 0; i < launch->keys_count; i++) {
		struct launch_key *key = &launch->keys[i];
		struct broker_grant granted;

		if (grant(launch, key, &granted)) {
			say_error("key %s, %s: %s", key->name, key->text, launch->report.text);
			return EXIT_NO_KEY;
		}
		launch->roots[i] = (struct start_root){
			.root = {.name = key->name, .spec = key->text, .kind = guest_kind(key),
				.rights = guest_rights(launch, key),
				.flags = key->is_stream ? (tty ? CAPS_TTY : live ? CAPS_LIVE : 0)
				                        : key->spec.real ? CAPS_REAL : 0,
				.handle = granted.handle, .number = granted.id, .seed = key->spec.seed},
			.role = key->role,
			.path = key->role == ROLE_MOUNT ? keyspec_guest_path(&key->spec) : NULL,
		};
	}
	launch->start.roots = launch->roots;
	launch->start.roots_count = launch->keys_count;
	return 0;
}

void
keys_done(struct launch *launch)
{
	for (uint32_t i = 0; i < launch->keys_count; i++) {
		struct launch_key *key = &launch->keys[i];

		if (key->fd >= 0)
			(void)close(key->fd);
		keyspec_done(&key->spec);
		free(key->name);
		free(key->text);
	}
	launch->keys_count = 0;
}
