/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_place.c - where a guest's path leads: beneath which key, or nowhere.
 *
 * A path under a directory's descriptor goes to the device as it is: only the
 * device can follow links. A path under the synthetic root is walked here:
 *
 *     net/api            a name                  -> the key itself
 *     data/a/../b        the name "data"         -> "a/../b" beneath its key
 *     data/../net        leaves "data" again     -> the synthetic "net"
 *     a/b                no such name, but a key is mounted at "." -> "a/b" beneath it
 *     ../x               leaves the root         -> ENOTCAPABLE
 *
 * Inside a key `..` is kept for the device, so that it is taken after links;
 * only one that leaves the key by its letters is taken here. */
#include "caps/wasi.h"

/* One component at a time; false at the end. Empty ones and "." are skipped. */
static bool
component(struct path *left, struct path *ret_name)
{
	while (left->bytes) {
		uint32_t bytes = 0;

		while (bytes < left->bytes && left->text[bytes] != '/')
			bytes++;
		*ret_name = (struct path){left->text, bytes};
		left->text += bytes + (bytes < left->bytes);
		left->bytes -= bytes + (bytes < left->bytes);
		if (bytes && !(bytes == 1 && ret_name->text[0] == '.'))
			return true;
	}
	return false;
}

static bool
is_up(struct path name)
{
	return name.bytes == 2 && name.text[0] == '.' && name.text[1] == '.';
}

/* A path being built; at most WASI_PATH_MAX bytes. */
struct built {
	char *text;
	uint32_t bytes;
};

static bool
push(struct built *built, struct path name)
{
	const uint32_t more = name.bytes + (built->bytes != 0);

	if (more > WASI_PATH_MAX - built->bytes)
		return false;
	if (built->bytes)
		built->text[built->bytes++] = '/';
	if (name.bytes)
		memcpy(built->text + built->bytes, name.text, name.bytes);
	built->bytes += name.bytes;
	return true;
}

static void
pop(struct built *built)
{
	while (built->bytes && built->text[built->bytes - 1] != '/')
		built->bytes--;
	if (built->bytes)
		built->bytes--;
}

bool
path_normal(const char *path, char *to, uint32_t *ret_bytes)
{
	struct path left = {path, (uint32_t)strlen(path)}, name;
	struct built built = {to, 0};

	while (component(&left, &name)) {
		if (is_up(name)) {
			if (!built.bytes)
				return false;
			pop(&built);
		} else if (!push(&built, name)) {
			return false;
		}
	}
	*ret_bytes = built.bytes;
	return true;
}

bool
path_join(struct path top, struct path path, char *to, uint32_t *ret_bytes)
{
	static const struct path here = {".", 1};
	struct built built = {to, 0};
	struct path name;

	while (component(&top, &name))
		if (!push(&built, name))
			return false;
	while (component(&path, &name))
		if (!push(&built, name))
			return false;
	if (!built.bytes)
		(void)push(&built, here);
	*ret_bytes = built.bytes;
	return true;
}

/* How much of the path a name covers: its own length, or -1. */
static int64_t
covers(const struct wasi_name *name, const struct built *path)
{
	const uint32_t bytes = name->path_bytes;

	if (bytes > path->bytes || (bytes && memcmp(name->path, path->text, bytes)))
		return -1;
	if (bytes && bytes < path->bytes && path->text[bytes] != '/')
		return -1;
	return bytes;
}

static const struct wasi_name *
longest_name(const struct wasi *wasi, const struct built *path)
{
	const struct wasi_name *best = NULL;
	int64_t best_bytes = -1;

	for (uint32_t i = 0; i < wasi->names_count; i++) {
		const int64_t bytes = covers(&wasi->names[i], path);

		if (bytes > best_bytes) {
			best = &wasi->names[i];
			best_bytes = bytes;
		}
	}
	return best;
}

/* Is it the beginning of some name: a synthetic directory? */
static bool
is_synthetic(const struct wasi *wasi, const struct built *path)
{
	if (!path->bytes)
		return true;
	for (uint32_t i = 0; i < wasi->names_count; i++) {
		const struct wasi_name *name = &wasi->names[i];

		if (name->path_bytes > path->bytes && name->path[path->bytes] == '/' &&
			!memcmp(name->path, path->text, path->bytes))
			return true;
	}
	return false;
}

/* The walk: `whole` is the path from the top by its letters; `name` is what
 * covers it, `rest` what the device is asked for beneath that, `depth` how far
 * below it `rest` is by its letters. */
struct walk {
	struct wasi *wasi;
	struct built whole, rest;
	const struct wasi_name *name;
	uint32_t depth;
};

/* Looks again at what covers `whole`; true if that is another name than before. */
static bool
cover(struct walk *walk)
{
	const struct wasi_name *name = longest_name(walk->wasi, &walk->whole);

	if (name == walk->name)
		return false;
	walk->name = name;
	walk->rest.bytes = walk->depth = 0;
	if (!name)
		return true;

	struct path left = {walk->whole.text + name->path_bytes,
		walk->whole.bytes - name->path_bytes};
	struct path part;

	while (component(&left, &part)) {
		(void)push(&walk->rest, part); /* shorter than `whole`, which fits */
		walk->depth++;
	}
	return true;
}

static enum wasi_errno
step(struct walk *walk, struct path name)
{
	if (is_up(name)) {
		const bool synthetic = is_synthetic(walk->wasi, &walk->whole);

		if (!walk->whole.bytes)
			return WASI_ENOTCAPABLE;
		pop(&walk->whole);
		if (cover(walk) || !walk->name)
			return WASI_ESUCCESS;
		walk->depth--;
		if (synthetic) { /* it need not be there for the device */
			pop(&walk->rest);
			return WASI_ESUCCESS;
		}
		return push(&walk->rest, name) ? WASI_ESUCCESS : WASI_ENAMETOOLONG;
	}
	if (!push(&walk->whole, name))
		return WASI_ENAMETOOLONG;
	if (cover(walk) || !walk->name)
		return WASI_ESUCCESS;
	walk->depth++;
	return push(&walk->rest, name) ? WASI_ESUCCESS : WASI_ENAMETOOLONG;
}

static enum wasi_errno
place_in(struct walk *walk, struct place *place)
{
	const struct key *key = walk->name ? &walk->wasi->domain->slots[walk->name->slot] : NULL;
	const bool is_key = key && key->kind != KIND_directory && !key_is_void(key) &&
		!key_is_hole(walk->wasi->state, key);

	place->slot = WASI_NO_SLOT;
	if (!walk->name || (!walk->name->path_bytes && walk->whole.bytes &&
				   is_synthetic(walk->wasi, &walk->whole))) {
		place->kind = is_synthetic(walk->wasi, &walk->whole) ? PLACE_SYNTHETIC : PLACE_MISSING;
		memcpy(place->buffer, walk->whole.text, walk->whole.bytes);
		place->path = (struct path){place->buffer, walk->whole.bytes};
		pop(&walk->whole);
		place->in_synthetic = is_synthetic(walk->wasi, &walk->whole);
		return WASI_ESUCCESS;
	}
	place->slot = walk->name->slot;
	if (is_key && (walk->rest.bytes || place->slash))
		return WASI_ENOTDIR;
	if (is_key) {
		place->kind = PLACE_KEY;
		memcpy(place->buffer, walk->whole.text, walk->whole.bytes);
		place->path = (struct path){place->buffer, walk->whole.bytes};
		return WASI_ESUCCESS;
	}
	place->kind = PLACE_BENEATH;
	if (!walk->rest.bytes)
		walk->rest.text[walk->rest.bytes++] = '.';
	else if (place->slash)
		walk->rest.text[walk->rest.bytes++] = '/';
	if (walk->rest.bytes > WASI_PATH_MAX)
		return WASI_ENAMETOOLONG;
	memcpy(place->buffer, walk->rest.text, walk->rest.bytes);
	place->path = (struct path){place->buffer, walk->rest.bytes};
	return WASI_ESUCCESS;
}

enum wasi_errno
place_walk(struct wasi *wasi, struct path from, struct path path, struct place *ret_place)
{
	char whole[WASI_PATH_MAX], rest[WASI_PATH_MAX + 2];
	struct walk walk = {.wasi = wasi, .whole = {whole, 0}, .rest = {rest, 0}};
	struct path name;

	(void)push(&walk.whole, from);
	(void)cover(&walk);
	while (component(&path, &name)) {
		const enum wasi_errno error = step(&walk, name);

		if (error)
			return error;
	}
	return place_in(&walk, ret_place);
}

static enum call_end
refuse_path(struct call *call, struct wasi *wasi, const struct wasi_fd *fd, struct path path,
	const char *why)
{
	struct root *root = fd_root(wasi, fd);
	const int32_t synthetic = root ? 0 : root_synthetic(wasi->state);

	if (!root && synthetic >= 0)
		root = root_at(wasi->state, (uint32_t)synthetic);
	if (root)
		root->counts.denied++;
	wasi->denied = true;
	why_say(wasi, WASI_ENOTCAPABLE, fd_key(wasi, fd), path, why,
		"--dir HOST::GUEST with the directory of ", path);
	return answer(call, WASI_ENOTCAPABLE);
}

bool
place_find(struct call *call, struct wasi *wasi, uint32_t fd_number, uint64_t right, uint32_t at,
	uint32_t bytes, struct place *ret_place, enum call_end *ret_end)
{
	const struct wasi_fd *fd = fd_at(wasi, fd_number);
	const char *text = (const char *)call_mem(call, at, bytes);
	const struct path path = {text, bytes};
	enum wasi_errno error = WASI_ESUCCESS;

	*ret_end = CALL_DONE;
	if (!fd)
		error = WASI_EBADF;
	else if (fd->what != FD_DIRECTORY && fd->what != FD_SYNTHETIC)
		error = WASI_ENOTDIR;
	else if (!text)
		error = WASI_EFAULT;
	else if (bytes > WASI_PATH_MAX)
		error = WASI_ENAMETOOLONG;
	else if (!bytes)
		error = WASI_ENOENT;
	else if (memchr(text, 0, bytes))
		error = WASI_EINVAL;
	else if ((fd->base & right) != right)
		error = WASI_ENOTCAPABLE;
	if (error) {
		*ret_end = answer(call, error);
		return false;
	}
	if (text[0] == '/') {
		*ret_end = refuse_path(call, wasi, fd, path,
			"a path under a descriptor is relative; this one begins with /");
		return false;
	}
	ret_place->slash = text[bytes - 1] == '/';
	if (fd->what == FD_DIRECTORY) {
		ret_place->kind = PLACE_BENEATH;
		ret_place->slot = fd->slot;
		ret_place->path = path;
		return slot_ready(call, wasi, fd->slot, ret_end);
	}
	error = place_walk(wasi, fd->preopen ? (struct path){"", 0}
					      : (struct path){fd->name, fd->name_bytes},
		path, ret_place);
	if (error == WASI_ENOTCAPABLE)
		*ret_end = refuse_path(call, wasi, fd, path, "the path leaves the root");
	else if (error)
		*ret_end = answer(call, error);
	else
		return slot_ready(call, wasi, ret_place->slot, ret_end);
	return false;
}

static struct root *
synthetic_root(struct wasi *wasi)
{
	const int32_t index = root_synthetic(wasi->state);

	return index < 0 ? NULL : root_at(wasi->state, (uint32_t)index);
}

enum call_end
place_missing(struct call *call, struct wasi *wasi, const struct place *place)
{
	struct root *root = synthetic_root(wasi);

	if (root)
		root->counts.missing++;
	why_say(wasi, WASI_ENOENT, &(struct key){0}, place->path, "no key has this name here",
		"--dir HOST::/", place->path);
	return answer(call, WASI_ENOENT);
}

enum call_end
place_fixed(struct call *call, struct wasi *wasi, const struct place *place)
{
	struct root *root = synthetic_root(wasi);

	if (root)
		root->counts.denied++;
	wasi->denied = true;
	why_say(wasi, WASI_ENOTCAPABLE, &(struct key){0}, place->path,
		"it is a name of a key, or would be: nothing can be made, moved or removed there",
		"--dir HOST::/", place->path);
	return answer(call, WASI_ENOTCAPABLE);
}
