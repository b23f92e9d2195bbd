/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_setup.c - what a domain begins with: descriptors 0 to 2, mounts, words. */
#include "caps/wasi.h"

#include <errno.h>

bool
wasi_make(struct domain *domain)
{
	struct caps_state *state = caps_state(domain->world);
	struct wasi *wasi;

	if (!state || !bank_take(&domain->bank, heap_cost(sizeof *wasi)))
		return false;
	wasi = heap_take(state->heap, sizeof *wasi);
	if (!wasi) {
		bank_give(&domain->bank, heap_cost(sizeof *wasi));
		return false;
	}
	*wasi = (struct wasi){.domain = domain,
		.state = state,
		.charged = heap_cost(sizeof *wasi),
		.openings = OPENING_NOT,
		.clock_slot = WASI_NO_SLOT,
		.entropy_slot = WASI_NO_SLOT};
	domain->personality = wasi;
	return true;
}

uint32_t *
opening_list(struct domain *payer)
{
	if (!wasi_of(payer) && !wasi_make(payer))
		return NULL;
	return &wasi_of(payer)->openings;
}

uint64_t
wasi_opened(const struct domain *domain)
{
	const struct wasi *wasi = wasi_of(domain);

	return wasi ? openings_cost(wasi->state, wasi->openings) : 0;
}

void
wasi_end(struct domain *domain)
{
	struct wasi *wasi = wasi_of(domain);
	struct caps_state *state;
	uint64_t rest;

	if (!wasi)
		return;
	state = wasi->state;
	for (uint32_t i = 0; i < wasi->fds_count; i++)
		if (wasi->fds[i].what != FD_CLOSED)
			fd_drop(wasi, &wasi->fds[i]);
	while (wasi->openings != OPENING_NOT) /* of keys that are nobody's now */
		opening_end(state, wasi->openings);
	for (uint32_t i = 0; i < wasi->names_count; i++)
		wasi_give(wasi, wasi->names[i].path, wasi->names[i].path_bytes);
	wasi_give(wasi, wasi->names, wasi->names_count * sizeof *wasi->names);
	wasi_give(wasi, wasi->fds, wasi->fds_count * sizeof *wasi->fds);
	wasi_give(wasi, wasi->args.bytes, wasi->args.used);
	wasi_give(wasi, wasi->env.bytes, wasi->env.used);
	wasi_give(wasi, wasi->inodes.at, wasi->inodes.room * sizeof *wasi->inodes.at);
	wasi_give(wasi, wasi->whys, WASI_WHY_MAX * sizeof *wasi->whys);
	rest = wasi->charged;
	heap_give(state->heap, wasi, sizeof *wasi);
	bank_give(&domain->bank, rest);
	domain->personality = NULL;
}

static int
setup_no_space(struct report *report, const char *what)
{
	report_say(report, UINT64_MAX, "the storage limit does not hold the program's %s; raise --mem",
		what);
	return -ENOSPC;
}

static int
strings_set(struct wasi *wasi, struct strings *to, const char *const *from, uint32_t count,
	const char *what, struct report *report)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		bytes += strlen(from[i]) + 1;
	if (bytes > INT32_MAX || (bytes && !(to->bytes = wasi_take(wasi, bytes))))
		return setup_no_space(report, what);
	to->used = (uint32_t)bytes;
	to->count = count;
	bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(to->bytes + bytes, from[i], strlen(from[i]) + 1);
		bytes += strlen(from[i]) + 1;
	}
	return 0;
}

/* --- names ------------------------------------------------------------------------ */

static const struct wasi_name *
name_at(const struct wasi *wasi, const char *path, uint32_t path_bytes)
{
	for (uint32_t i = 0; i < wasi->names_count; i++)
		if (wasi->names[i].path_bytes == path_bytes &&
			(!path_bytes || !memcmp(wasi->names[i].path, path, path_bytes)))
			return &wasi->names[i];
	return NULL;
}

static int
name_add(struct wasi *wasi, const char *path, uint32_t path_bytes, const struct key *key)
{
	struct wasi_name *names, *name;
	char *copy = NULL;
	int slot;

	if (wasi->names_count == WASI_NAMES_MAX)
		return -ENOSPC;
	if (path_bytes && !(copy = wasi_take(wasi, path_bytes)))
		return -ENOSPC;
	names = wasi_resize(wasi, wasi->names, wasi->names_count * sizeof *names,
		(wasi->names_count + 1) * sizeof *names);
	if (names)
		wasi->names = names;
	slot = names ? domain_slot(wasi->domain, key) : -ENOSPC;
	if (names)
		wasi->names_count++; /* its slot is void until it has one */
	if (slot < 0) {
		wasi_give(wasi, copy, path_bytes);
		if (names)
			names[--wasi->names_count] = (struct wasi_name){0};
		return slot;
	}
	name = &wasi->names[wasi->names_count - 1];
	*name = (struct wasi_name){.path = copy, .path_bytes = path_bytes, .slot = slot};
	if (path_bytes)
		memcpy(copy, path, path_bytes);
	return 0;
}

static bool
is_cut(const struct wasi *wasi, int32_t slot)
{
	const struct key *key = &wasi->domain->slots[slot];

	return slot != WASI_NO_SLOT && !key_is_void(key) &&
		!key_alive(world_grants(wasi->domain->world), key);
}

/* A name whose key was cut, and mounts there, mean another key from now on. False:
 * there is none such. */
static bool
name_renew(struct wasi *wasi, const char *path, uint32_t path_bytes, const struct key *key)
{
	const struct wasi_name *name = name_at(wasi, path, path_bytes);
	char normal[WASI_PATH_MAX], text[WASI_PATH_MAX];
	uint32_t bytes;

	if (!name)
		return false;
	wasi->domain->slots[name->slot] = *key;
	for (uint32_t i = 0; i < wasi->fds_count; i++) {
		const struct wasi_fd *fd = &wasi->fds[i];

		if (!fd->preopen || fd->what != FD_DIRECTORY || fd->name_bytes >= sizeof text ||
			key->kind != KIND_directory || !is_cut(wasi, fd->slot))
			continue;
		memcpy(text, fd->name, fd->name_bytes);
		text[fd->name_bytes] = 0;
		if (path_normal(text, normal, &bytes) && bytes == path_bytes &&
			!memcmp(normal, path, bytes))
			wasi->domain->slots[fd->slot] = *key;
	}
	return true;
}

static int
name_check(struct wasi *wasi, const char *path, const struct key *key, char *normal,
	uint32_t *ret_bytes, struct report *report)
{
	if (!path_normal(path, normal, ret_bytes)) {
		report_say(report, UINT64_MAX, "the guest's path %.120s leaves the root or is longer than %d",
			path, WASI_PATH_MAX);
		return -EINVAL;
	}
	if (!*ret_bytes && key->kind != KIND_directory) {
		report_say(report, UINT64_MAX, "only a directory can be mounted at %.120s", path);
		return -EINVAL;
	}
	if (name_at(wasi, normal, *ret_bytes) && !is_cut(wasi, name_at(wasi, normal, *ret_bytes)->slot)) {
		report_say(report, UINT64_MAX, "two keys have the guest's path %.120s", path);
		return -EINVAL;
	}
	return 0;
}

int
caps_wasi_name(struct domain *domain, const struct key *key, const char *path,
	struct report *report)
{
	struct wasi *wasi = wasi_of(domain);
	char normal[WASI_PATH_MAX];
	uint32_t bytes;
	int error = name_check(wasi, path, key, normal, &bytes, report);

	if (!error && !name_renew(wasi, normal, bytes, key))
		error = name_add(wasi, normal, bytes, key);
	if (error == -ENOSPC)
		(void)setup_no_space(report, "names");
	return error;
}

static bool
has_root(const struct wasi *wasi)
{
	for (uint32_t i = 0; i < wasi->fds_count; i++)
		if (wasi->fds[i].preopen && wasi->fds[i].what == FD_SYNTHETIC)
			return true;
	return false;
}

bool
caps_wasi_is_set(const struct domain *domain)
{
	const struct wasi *wasi = wasi_of(domain);

	return wasi && wasi->fds_count;
}

int
caps_wasi_finds(struct domain *domain, const char *path, struct report *report)
{
	struct wasi *wasi = wasi_of(domain);
	const struct key any = {.kind = KIND_directory};
	char normal[WASI_PATH_MAX];
	uint32_t bytes;
	const int error = name_check(wasi, path, &any, normal, &bytes, report);

	if (error || name_at(wasi, normal, bytes) || (bytes && has_root(wasi)))
		return error;
	report_say(report, UINT64_MAX, "%s", bytes
		? "it has no / in which its keys are found by their names (--no-root, or / is a mount)"
		: "nothing can be mounted at / while it runs");
	return -EINVAL;
}

/* --- descriptors -------------------------------------------------------------------- */

static int
fd_named(struct wasi *wasi, int32_t number, const char *name)
{
	struct wasi_fd *fd;
	const uint32_t bytes = (uint32_t)strlen(name);

	if (number < 0)
		return -ENOSPC;
	fd = &wasi->fds[number];
	fd->name = wasi_take(wasi, bytes);
	if (!fd->name)
		return -ENOSPC;
	memcpy(fd->name, name, bytes);
	fd->name_bytes = bytes;
	fd->preopen = true;
	return 0;
}

/* Descriptor `number` exactly, so that a void key leaves its number closed. */
static int
stream_set(struct wasi *wasi, uint32_t number, const struct key *key, struct report *report)
{
	int slot;

	if (key->kind != KIND_stream) {
		report_say(report, UINT64_MAX, "descriptor %u wants a stream", number);
		return -EINVAL;
	}
	slot = domain_slot(wasi->domain, key);
	if (slot < 0)
		return slot;
	wasi->fds[number] = (struct wasi_fd){
		.what = FD_STREAM, .slot = slot, .base = rights_base(FD_STREAM, key->rights)};
	return 0;
}

/* Where programs that accept look for it: descriptors from 3 on. */
static int
listener_set(struct wasi *wasi, const struct key *key)
{
	int32_t number;

	if (key->kind != KIND_listener)
		return 0;
	number = fd_over_key(wasi, key, FD_LISTENER);
	if (number < 0)
		return -ENOSPC;
	wasi->fds[number].preopen = true;
	return 0;
}

static int
mount_set(struct wasi *wasi, const struct wasi_mount *mount, struct report *report, bool *ret_top)
{
	char normal[WASI_PATH_MAX];
	uint32_t bytes;
	int error = name_check(wasi, mount->path, &mount->key, normal, &bytes, report);

	if (!error)
		error = name_add(wasi, normal, bytes, &mount->key);
	*ret_top |= !bytes && mount->path[0] == '/';
	if (!error && mount->key.kind == KIND_directory)
		error = fd_named(wasi, fd_over_key(wasi, &mount->key, FD_DIRECTORY),
			mount->path[0] ? mount->path : ".");
	return error;
}

static int
root_set(struct wasi *wasi)
{
	const int32_t number = root_synthetic(wasi->state) < 0 ? -1 : fd_free(wasi);

	if (number < 0)
		return -ENOSPC;
	wasi->fds[number] = (struct wasi_fd){.what = FD_SYNTHETIC,
		.slot = WASI_NO_SLOT,
		.base = rights_base(FD_SYNTHETIC, 0),
		.inheriting = rights_inheriting(FD_SYNTHETIC)};
	return fd_named(wasi, number, "/");
}

static int
keys_set(struct wasi *wasi, const struct wasi_config *config, struct report *report)
{
	bool top = config->no_root;
	int error = fd_free(wasi) < 0 ? -ENOSPC : 0;

	for (uint32_t i = 0; i < 3 && !error; i++)
		if (!key_is_void(&config->streams[i]))
			error = stream_set(wasi, i, &config->streams[i], report);
	/* Closed ones keep their numbers while mounts take theirs from 3 on. */
	for (uint32_t i = 0; i < 3 && !error; i++)
		if (key_is_void(&config->streams[i]))
			wasi->fds[i].what = FD_SYNTHETIC;
	for (uint32_t i = 0; i < config->keys_count && !error; i++)
		error = listener_set(wasi, &config->keys[i].key);
	for (uint32_t i = 0; i < config->mounts_count && !error; i++)
		error = mount_set(wasi, &config->mounts[i], report, &top);
	for (uint32_t i = 0; i < config->keys_count && !error; i++)
		error = caps_wasi_name(wasi->domain, &config->keys[i].key, config->keys[i].name, report);
	if (!error && !top)
		error = root_set(wasi);
	for (uint32_t i = 0; i < 3 && wasi->fds; i++)
		if (key_is_void(&config->streams[i]))
			wasi->fds[i] = (struct wasi_fd){.what = FD_CLOSED, .slot = WASI_NO_SLOT};
	wasi->fds_low = 0;
	return error;
}

static int
slot_set(struct wasi *wasi, const struct key *key, int32_t *ret_slot)
{
	int slot;

	if (key_is_void(key))
		return 0;
	slot = domain_slot(wasi->domain, key);
	if (slot < 0)
		return slot;
	*ret_slot = slot;
	return 0;
}

int
caps_wasi_setup(struct domain *domain, const struct wasi_config *config, struct report *report)
{
	struct wasi *wasi = wasi_of(domain);
	int error = strings_set(wasi, &wasi->args, config->args, config->args_count, "arguments", report);

	if (!error)
		error = strings_set(wasi, &wasi->env, config->env, config->env_count, "environment",
			report);
	if (!error)
		error = slot_set(wasi, &config->clock, &wasi->clock_slot);
	if (!error)
		error = slot_set(wasi, &config->entropy, &wasi->entropy_slot);
	if (!error)
		error = keys_set(wasi, config, report);
	if (error == -ENOSPC)
		(void)setup_no_space(report, "keys");
	wasi->stop_on_denied = config->stop_on_denied;
	return error;
}

int
caps_wasi_args(struct domain *domain, const char *const *args, uint32_t count, struct report *report)
{
	struct wasi *wasi = wasi_of(domain);
	struct strings old = wasi->args;
	const char **all;
	int error;

	if (wasi->args_seen) {
		report_say(report, UINT64_MAX, "it has asked for its arguments already, so others would not "
			"reach it");
		return -EBUSY;
	}
	all = heap_take(wasi->state->heap, ((uint64_t)count + 1) * sizeof *all);
	if (!all)
		return -ENOMEM;
	all[0] = old.count ? old.bytes : "";
	for (uint32_t i = 0; i < count; i++)
		all[i + 1] = args[i];
	error = strings_set(wasi, &wasi->args, all, count + 1, "arguments", report);
	heap_give(wasi->state->heap, all, ((uint64_t)count + 1) * sizeof *all);
	if (error)
		wasi->args = old;
	else
		wasi_give(wasi, old.bytes, old.used);
	return error;
}

bool
caps_denied_end(const struct domain *domain)
{
	const struct wasi *wasi = wasi_of(domain);

	return wasi && wasi->denied_end;
}

/* --- slots by name -------------------------------------------------------------------- */

static int32_t
find_usual(const struct wasi *wasi, const char *name)
{
	static const char *const streams[] = {"stdin", "stdout", "stderr"};

	for (uint32_t i = 0; i < 3 && i < wasi->fds_count; i++)
		if (!strcmp(name, streams[i]) && wasi->fds[i].what == FD_STREAM)
			return wasi->fds[i].slot;
	if (!strcmp(name, "clock"))
		return wasi->clock_slot;
	return strcmp(name, "entropy") ? WASI_NO_SLOT : wasi->entropy_slot;
}

int32_t
wasi_find(const struct wasi *wasi, const char *name, uint32_t bytes)
{
	char text[WASI_PATH_MAX], normal[WASI_PATH_MAX];
	const struct wasi_name *found;
	uint32_t normal_bytes;

	memcpy(text, name, bytes);
	text[bytes] = 0;
	if (memchr(name, 0, bytes) || !path_normal(text, normal, &normal_bytes))
		return WASI_NO_SLOT;
	found = name_at(wasi, normal, normal_bytes);
	return found ? found->slot : find_usual(wasi, text);
}

uint32_t
wasi_names(const struct wasi *wasi)
{
	return wasi->names_count;
}
