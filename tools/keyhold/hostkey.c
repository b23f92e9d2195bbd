/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/keyhold/files.h"

enum { GAS_OF_NS = 10 }; /* design.md section 7 */

static enum start_role
role_of(enum keyspec_kind kind)
{
	switch (kind) {
	case KEYSPEC_DIR:
	case KEYSPEC_FILE:
		return ROLE_MOUNT;
	case KEYSPEC_CLOCK:
		return ROLE_CLOCK;
	case KEYSPEC_TCP:
	case KEYSPEC_UDP:
	case KEYSPEC_LISTEN:
	case KEYSPEC_UNIX:
	case KEYSPEC_RESOLVE:
		return ROLE_NET;
	case KEYSPEC_RANDOM:
	case KEYSPEC_COUNT:
		break;
	}
	return ROLE_ENTROPY;
}

/* Names of more than 63 bytes are cut in front: the end of a path tells more. */
static char *
name_of(const struct keyspec *spec)
{
	const char *name = keyspec_name(spec);
	const size_t bytes = strlen(name);

	return strdup(bytes > 63 ? name + bytes - 63 : name);
}

int
hostkey_init(struct launch_key *key, struct keyspec *spec)
{
	*key = (struct launch_key){.spec = *spec, .role = role_of(spec->kind), .fd = -1,
		.name = name_of(spec), .text = keyspec_text(spec)};
	return key->name && key->text ? 0 : -ENOMEM;
}

/* --- the host's side ----------------------------------------------------------- */

static int
failed(const struct launch_key *key, int error, struct report *report)
{
	report_say(report, UINT64_MAX, "%s: %s (key %s, %s)", key->spec.value, strerror(error), key->name,
		key->text);
	return -error;
}

static int
open_dir(struct launch_key *key, struct report *report)
{
	key->fd = open(key->spec.value, O_PATH | O_DIRECTORY | O_CLOEXEC);
	key->type = DEVICE_TYPE_DIRECTORY;
	return key->fd < 0 ? failed(key, errno, report) : 0;
}

/* What was opened, by whomever, is what the spec says. */
static int
look(struct launch_key *key, struct report *report)
{
	const bool stream = key->spec.kind == KEYSPEC_FILE && file_is_stream(key->spec.value);
	struct stat stat;

	if (fstat(key->fd, &stat))
		return failed(key, errno, report);
	if (S_ISDIR(stat.st_mode) != (key->spec.kind == KEYSPEC_DIR)) {
		if (S_ISDIR(stat.st_mode))
			report_say(report, UINT64_MAX, "%s is a directory: give it as dir:%s", key->spec.value,
				key->spec.value);
		else
			(void)failed(key, ENOTDIR, report);
		return -EISDIR;
	}
	key->type = S_ISDIR(stat.st_mode) ? DEVICE_TYPE_DIRECTORY
		: S_ISREG(stat.st_mode) && !stream ? DEVICE_TYPE_FILE : DEVICE_TYPE_UNKNOWN;
	return 0;
}

static int
open_file(struct launch_key *key, struct report *report)
{
	const uint32_t rights = key->spec.rights;
	const int flags = rights & KEYSPEC_APPEND ? O_WRONLY | O_APPEND
	                : rights & KEYSPEC_WRITE  ? O_RDWR
	                                          : O_RDONLY;
	const char *host = key->spec.value;
	struct report why = {.offset = UINT64_MAX};
	int r;

	/* A FIFO without a peer must not hold us up. */
	r = file_open(host, flags | O_NONBLOCK, &why, &key->fd);
	if (r && rights & KEYSPEC_WRITE && access(host, F_OK) && !file_is_stream(host))
		report_say(report, UINT64_MAX, "%s (key %s, %s)\na file key names a file that is there; make "
			"it first: touch %s", why.text, key->name, key->text, host);
	else if (r)
		report_say(report, UINT64_MAX, "%s (key %s, %s)", why.text, key->name, key->text);
	return r ? r : look(key, report);
}

int
hostkey_open(struct launch_key *key, struct report *report)
{
	switch (key->spec.kind) {
	case KEYSPEC_DIR:
		return open_dir(key, report);
	case KEYSPEC_FILE:
		return open_file(key, report);
	case KEYSPEC_CLOCK:
	case KEYSPEC_RANDOM:
	case KEYSPEC_TCP: /* the broker does it, when it grants and when it is used */
	case KEYSPEC_UDP:
	case KEYSPEC_LISTEN:
	case KEYSPEC_UNIX:
	case KEYSPEC_RESOLVE:
	case KEYSPEC_COUNT:
		break;
	}
	return 0;
}

int
hostkey_adopt(struct launch_key *key, int fd, struct report *report)
{
	key->fd = fd;
	return key->role == ROLE_NET ? 0 : look(key, report); /* a listener: the broker looks */
}

int
hostkey_send(struct launch_key *key, struct report *report)
{
	if (key->spec.kind == KEYSPEC_LISTEN)
		return broker_listen(key->spec.value, report, &key->fd);
	return key->role == ROLE_MOUNT ? hostkey_open(key, report) : 0;
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
guest_rights(const struct launch_key *key, uint32_t how)
{
	uint32_t rights = 0;

	if (key->role == ROLE_CLOCK)
		return RIGHT_read | RIGHT_sleep;
	if (key->role == ROLE_ENTROPY || key->role == ROLE_STDIN)
		return RIGHT_read;
	if (key->is_stream)
		return RIGHT_write;
	if (key->role == ROLE_NET)
		return key->spec.kind == KEYSPEC_RESOLVE ? RIGHT_read
			: RIGHT_read | RIGHT_write | RIGHT_make;
	if (key->spec.rights & KEYSPEC_READ)
		rights |= RIGHT_read;
	if (key->spec.rights & KEYSPEC_APPEND)
		rights |= key->type == DEVICE_TYPE_FILE ? RIGHT_append : RIGHT_write;
	else if (key->spec.rights & KEYSPEC_WRITE)
		rights |= RIGHT_write | RIGHT_append;
	if (how & HOSTKEY_TIMES && key->type != DEVICE_TYPE_UNKNOWN)
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
	case KEYSPEC_TCP:
	case KEYSPEC_UDP:
	case KEYSPEC_UNIX:
		return KIND_socket;
	case KEYSPEC_LISTEN:
		return KIND_listener;
	case KEYSPEC_RESOLVE:
		return KIND_resolver;
	case KEYSPEC_RANDOM:
	case KEYSPEC_COUNT:
		break;
	}
	return KIND_entropy;
}

static uint32_t
guest_flags(const struct launch_key *key, uint32_t how)
{
	if (!key->is_stream && key->spec.kind == KEYSPEC_UDP)
		return CAPS_DATAGRAM;
	if (!key->is_stream)
		return key->spec.real ? CAPS_REAL : 0;
	return how & HOSTKEY_TTY ? CAPS_TTY : how & HOSTKEY_LIVE ? CAPS_LIVE : 0;
}

static int
grant_network(struct broker *broker, struct launch_key *key, uint32_t how,
	struct report *report, struct broker_grant *ret_grant)
{
	static const enum broker_net kinds[KEYSPEC_COUNT] = {[KEYSPEC_TCP] = BROKER_TCP,
		[KEYSPEC_UDP] = BROKER_UDP, [KEYSPEC_LISTEN] = BROKER_LISTEN,
		[KEYSPEC_UNIX] = BROKER_UNIX, [KEYSPEC_RESOLVE] = BROKER_RESOLVE};
	const struct broker_address address = {
		.kind = kinds[key->spec.kind],
		.pattern = key->spec.value,
		.conns_max = key->spec.conns,
		.allow_private = how & HOSTKEY_PRIVATE,
	};

	if (key->fd >= 0) { /* adopted */
		const int fd = key->fd;

		key->fd = -1;
		return broker_grant_listening(broker, fd, &address, report, ret_grant);
	}
	if (key->spec.kind == KEYSPEC_LISTEN)
		return broker_grant_listener(broker, &address, report, ret_grant, NULL);
	return broker_grant_address(broker, &address, report, ret_grant);
}

static int
grant(struct broker *broker, struct launch_key *key, uint32_t how, struct report *report,
	struct broker_grant *ret_grant)
{
	const uint32_t rights = broker_rights(key);
	const int fd = key->fd;

	*ret_grant = (struct broker_grant){0};
	if (key->role == ROLE_NET)
		return grant_network(broker, key, how, report, ret_grant);
	if (fd < 0)
		return 0;
	key->fd = -1; /* the broker takes it, also when it fails */
	switch (guest_kind(key)) {
	case KIND_directory:
		return broker_grant_dir(broker, fd, rights, report, ret_grant);
	case KIND_file:
		return broker_grant_file(broker, fd, rights, report, ret_grant);
	default:
		return broker_grant_stream(broker, fd, rights, report, ret_grant);
	}
}

/* Of a key to nothing (a stream of its own has a value only) none. */
static struct grant_limits
limits_of(const struct launch_key *key)
{
	const struct keyspec *spec = &key->spec;

	if (key->is_stream)
		return (struct grant_limits){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	return (struct grant_limits){.uses = spec->uses, .bytes = spec->bytes, .rate = spec->rate,
		.gas = spec->for_ns > UINT64_MAX / GAS_OF_NS ? UINT64_MAX : spec->for_ns * GAS_OF_NS};
}

int
hostkey_grant(struct broker *broker, struct launch_key *key, uint32_t how, struct report *report,
	struct start_root *ret_root)
{
	struct broker_grant granted;
	const int r = grant(broker, key, how, report, &granted);

	if (r)
		return r;
	*ret_root = (struct start_root){
		.root = {.name = key->name, .spec = key->text, .kind = guest_kind(key),
			.rights = guest_rights(key, how), .flags = guest_flags(key, how),
			.handle = granted.handle, .number = granted.id, .seed = key->spec.seed},
		.role = key->role,
		.path = key->role == ROLE_MOUNT || key->role == ROLE_NET
			? keyspec_guest_path(&key->spec) : NULL,
		.limits = limits_of(key),
	};
	ret_root->root.limits = &ret_root->limits;
	return 0;
}

void
hostkey_done(struct launch_key *key)
{
	if (key->fd >= 0)
		(void)close(key->fd);
	keyspec_done(&key->spec);
	free(key->name);
	free(key->text);
	*key = (struct launch_key){.fd = -1};
}
