/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_open.c - path_open: a new descriptor, over a key derived from another.
 *
 * A file that may have to be made is first opened as if it were there: so a key
 * that is not for writing still opens what exists, and the domain knows what it
 * made itself (those files have its own times; wasi_stat.c). */
#include "caps/wasi.h"

enum open_stage { OPEN_THERE, OPEN_PARENT, OPEN_MAKE, OPEN_EITHER };
enum { WORD_PARENT }; /* of wasi->words: the directory's inode */

struct open {
	const struct wasi_fd *directory;
	struct place *place;
	uint32_t oflags, fdflags;
	uint64_t base, inheriting; /* WASI's rights it will have at most */
	uint32_t flags;            /* the device's */
	uint32_t result_at;
};

#define NEEDS_WRITE RIGHT_BIT(R_FD_WRITE)
#define LIKES_WRITE (RIGHT_BIT(R_FD_ALLOCATE) | RIGHT_BIT(R_FD_FILESTAT_SET_SIZE))
#define NEEDS_READ  (RIGHT_BIT(R_FD_READ) | RIGHT_BIT(R_FD_READDIR))

/* How to open it for these rights under this key. A key that only appends gives
 * descriptors that only append, asked for or not. */
static void
open_flags(struct open *open, const struct key *key, uint32_t dirflags)
{
	const bool may_write = key->rights & RIGHT_write;
	bool write = open->base & NEEDS_WRITE || open->oflags & OFLAG_TRUNC;

	if (open->base & LIKES_WRITE && !write) {
		if (may_write)
			write = true;
		else
			open->base &= ~LIKES_WRITE; /* nobody who only wants to read loses by it */
	}
	open->flags = dirflags & LOOKUP_FOLLOW ? DEVICE_FOLLOW : 0;
	if (open->base & NEEDS_READ || !write)
		open->flags |= DEVICE_FOR_READ;
	if (write)
		open->flags |= DEVICE_FOR_WRITE;
	if (write && !may_write && key->rights & RIGHT_append) {
		open->flags |= DEVICE_APPENDING;
		open->fdflags |= FDFLAG_APPEND;
	}
	if (open->oflags & OFLAG_DIRECTORY)
		open->flags |= DEVICE_DIRECTORY;
	if (open->oflags & OFLAG_TRUNC)
		open->flags |= DEVICE_TRUNC;
}

static enum call_end
open_done(struct call *call, struct wasi *wasi, const struct open *open, int32_t number)
{
	struct wasi_fd *fd = &wasi->fds[number];

	fd->flags = (uint16_t)open->fdflags;
	fd->base &= open->base;
	fd->inheriting = open->inheriting;
	store_word(call_mem(call, open->result_at, 4), (uint32_t)number, 4);
	return answer(call, WASI_ESUCCESS);
}

/* --- beneath a directory's key --------------------------------------------------------- */

/* What the device opened becomes an opening, a key in a slot, a descriptor; -1:
 * no space for them, and it is closed again. (There was before the request went
 * out; somebody else under the same bank took it.) */
static int32_t
open_keep(struct wasi *wasi, const struct open *open, const struct device_completion *completion)
{
	const struct key *key = &wasi->domain->slots[open->place->slot];
	const struct opening *parent = opening_of(wasi->state, key);
	const bool directory = completion->stat.type == DEVICE_TYPE_DIRECTORY;
	char path[WASI_PATH_MAX];
	struct opening like = {
		.root = parent->root,
		.kind = directory ? KIND_directory : KIND_file,
		.type = completion->stat.type,
		.handle = (uint32_t)completion->result,
		.mode = (open->flags & ~(uint32_t)DEVICE_TRUNC) | (directory ? DEVICE_DIRECTORY : 0),
		.inode = completion->stat.inode,
		.path = path,
		.payer = wasi->domain,
	};
	struct device_request close = {.op = DEVICE_CLOSE, .handle = like.handle};
	struct key opened = *key;
	int32_t number;

	opened.object = path_join((struct path){parent->path, parent->path_bytes}, open->place->path,
				path, &like.path_bytes)
		? opening_new(wasi->state, &like, key)
		: UINT32_MAX;
	if (opened.object == UINT32_MAX) {
		world_submit_detached(wasi->state->world, &close);
		return -1;
	}
	opened.kind = like.kind;
	opened.generation = wasi->state->openings[opened.object].generation;
	if (!directory)
		opened.rights = directory_opened_rights(key, open->flags);
	number = fd_over_key(wasi, &opened, directory ? FD_DIRECTORY : FD_FILE);
	if (number < 0)
		opening_end(wasi->state, opened.object);
	return number;
}

static enum call_end
open_came(struct call *call, struct wasi *wasi, const struct open *open)
{
	const struct device_completion *completion = call->completion;
	const int32_t number = open_keep(wasi, open, completion);

	if (number < 0) /* never stops: the file may have been made by now */
		return answer(call, WASI_ENOMEM);
	if (wasi->stage == OPEN_MAKE)
		parent_changed(call, wasi, open->place, WORD_PARENT);
	if (wasi->stage == OPEN_MAKE || open->oflags & OFLAG_TRUNC)
		inode_touch(call, wasi, fd_key(wasi, &wasi->fds[number]), completion->stat.inode,
			FSTFLAG_MTIM_NOW | (wasi->stage == OPEN_MAKE ? FSTFLAG_ATIM_NOW : 0), 0, 0);
	return open_done(call, wasi, open, number);
}

/* What to try next after this error; false: it is the answer. */
static bool
open_next_stage(struct wasi *wasi, const struct open *open, int64_t result)
{
	if (!(open->oflags & OFLAG_CREAT))
		return false;
	if (wasi->stage == OPEN_THERE && result == -DEVICE_ENOENT) {
		wasi->stage = OPEN_PARENT;
		return true;
	}
	if (wasi->stage == OPEN_MAKE && result == -DEVICE_EEXIST && !(open->oflags & OFLAG_EXCL)) {
		wasi->stage = OPEN_EITHER; /* a link that leads nowhere; or somebody was faster */
		return true;
	}
	return false;
}

static enum call_end
open_beneath(struct call *call, struct wasi *wasi, struct open *open)
{
	const struct key *key = &wasi->domain->slots[open->place->slot];
	const char *need = open->flags & DEVICE_FOR_WRITE ? "the key is not for writing"
							  : "the key is not for reading";

	if (open->oflags & OFLAG_CREAT && open->oflags & OFLAG_EXCL && wasi->stage == OPEN_THERE)
		wasi->stage = OPEN_PARENT;
	for (;;) {
		uint32_t flags = open->flags;
		struct device_request request;
		enum call_end end;
		int64_t result;
		enum rc rc;

		if (!parent_looked(call, wasi, open->place, OPEN_PARENT, WORD_PARENT, &end))
			return end;
		if (wasi->stage != OPEN_THERE)
			flags |= DEVICE_CREATE;
		if (wasi->stage == OPEN_MAKE)
			flags |= DEVICE_EXCLUSIVE;
		rc = directory_open(wasi->state, key, open->place->path, flags, &request);
		if (rc)
			return refuse(call, wasi, rc, key, open->place->path,
				flags & DEVICE_CREATE ? "the key is not for writing" : need);
		if (!call->completion)
			return call_submit(call, &request);
		result = call->completion->result;
		if (result >= 0)
			return open_came(call, wasi, open);
		if (!open_next_stage(wasi, open, result))
			return device_answer(call, wasi, result, key, open->place->path);
		call_consume(call);
	}
}

/* --- a key with a name of its own ---------------------------------------------------- */

static enum call_end
open_key_over(struct call *call, struct wasi *wasi, const struct open *open, const struct key *key)
{
	const struct key copy = *key; /* the slots may move */
	const int32_t number =
		fd_over_key(wasi, &copy, key->kind == KIND_file ? FD_FILE : FD_STREAM);

	return number < 0 ? no_space(call, wasi) : open_done(call, wasi, open, number);
}

/* A rule that names one address is dialled; at a listener, the next who connects. */
static enum call_end
open_network(struct call *call, struct wasi *wasi, struct open *open, const struct key *key)
{
	struct device_request request;
	enum call_end end;
	enum rc rc;
	int32_t number;

	rc = key->kind == KIND_listener
		? listener_accept(wasi->state, key,
			  open->fdflags & FDFLAG_NONBLOCK ? DEVICE_NONBLOCK : 0, &request)
		: socket_connect(wasi->state, key, (struct path){"", 0}, &request);
	if (!device_answered(call, wasi, rc, &request, key, open->place->path,
		    "the key is not for this", &end))
		return end;
	number = sock_keep(wasi, key, call->completion);
	return number < 0 ? answer(call, WASI_ENOMEM) : open_done(call, wasi, open, number);
}

static bool
is_network(struct wasi *wasi, const struct key *key)
{
	const struct opening *o = opening_of(wasi->state, key);

	return key->kind == KIND_listener || (o && o->kind == KIND_socket && !socket_is_connection(o));
}

static enum call_end
open_key(struct call *call, struct wasi *wasi, struct open *open)
{
	const struct key *key = &wasi->domain->slots[open->place->slot];
	const bool append = open->fdflags & FDFLAG_APPEND && key->rights & RIGHT_append;
	struct device_request request;
	enum call_end end;
	struct opening *o;
	enum rc rc;

	if (key->kind != KIND_file && key->kind != KIND_stream && key->kind != KIND_entropy &&
		!is_network(wasi, key))
		return answer(call, WASI_ENOTSUP);
	if (open->oflags & OFLAG_DIRECTORY)
		return answer(call, WASI_ENOTDIR);
	if (open->oflags & OFLAG_CREAT && open->oflags & OFLAG_EXCL)
		return answer(call, WASI_EEXIST);
	if (is_network(wasi, key))
		return open_network(call, wasi, open, key);
	rc = key_use(wasi->state, key, key->kind,
		(open->base & RIGHT_BIT(R_FD_READ) ? RIGHT_read : 0) |
			(open->flags & DEVICE_FOR_WRITE ? (append ? RIGHT_append : RIGHT_write) : 0),
		&o);
	if (rc)
		return refuse(call, wasi, rc, key, open->place->path,
			open->flags & DEVICE_FOR_WRITE ? "the key is not for writing"
						       : "the key is not for reading");
	if (!(open->oflags & OFLAG_TRUNC) || key->kind != KIND_file)
		return open_key_over(call, wasi, open, key);
	rc = file_resize(wasi->state, key, 0, &request);
	if (!device_answered(call, wasi, rc, &request, key, open->place->path,
		    "the key is not for writing", &end))
		return end;
	return open_key_over(call, wasi, open, key);
}

static enum call_end
open_synthetic(struct call *call, struct wasi *wasi, const struct open *open)
{
	const struct path path = open->place->path;
	const int32_t number = fd_free(wasi);
	char *name;

	if (open->oflags & OFLAG_CREAT && open->oflags & OFLAG_EXCL)
		return answer(call, WASI_EEXIST);
	if (open->flags & DEVICE_FOR_WRITE)
		return answer(call, WASI_EISDIR);
	name = path.bytes && number >= 0 ? wasi_take(wasi, path.bytes) : NULL;
	if (number < 0 || (path.bytes && !name))
		return no_space(call, wasi);
	if (name)
		memcpy(name, path.text, path.bytes);
	wasi->fds[number] = (struct wasi_fd){.what = FD_SYNTHETIC,
		.slot = WASI_NO_SLOT,
		.base = rights_base(FD_SYNTHETIC, 0),
		.name = name,
		.name_bytes = path.bytes};
	return open_done(call, wasi, open, number);
}

/* --- the call ---------------------------------------------------------------------------- */

static enum wasi_errno
open_check(struct call *call, const struct open *open, uint32_t dirflags)
{
	if (dirflags & ~(uint32_t)LOOKUP_FOLLOW || open->oflags & ~(uint32_t)OFLAG_ALL ||
		open->fdflags & ~(uint32_t)FDFLAG_ALL)
		return WASI_EINVAL;
	if (open->oflags & OFLAG_CREAT && open->oflags & OFLAG_DIRECTORY)
		return WASI_EINVAL;
	if (!call_mem(call, open->result_at, 4))
		return WASI_EFAULT;
	return WASI_ESUCCESS;
}

static enum call_end
open_at(struct call *call, struct wasi *wasi, struct open *open, uint32_t dirflags)
{
	static const struct key none;
	const struct place *place = open->place;

	open_flags(open, place->slot == WASI_NO_SLOT ? &none : &wasi->domain->slots[place->slot],
		dirflags);
	switch (place->kind) {
	case PLACE_BENEATH:
		return open_beneath(call, wasi, open);
	case PLACE_KEY:
		return open_key(call, wasi, open);
	case PLACE_SYNTHETIC:
		return open_synthetic(call, wasi, open);
	case PLACE_MISSING:
		break;
	}
	if (open->oflags & OFLAG_CREAT && place->in_synthetic)
		return place_fixed(call, wasi, place);
	return place_missing(call, wasi, place);
}

enum call_end
wasi_path_open(struct call *call, struct wasi *wasi)
{
	const uint32_t dirflags = arg(call, 1);
	struct place place;
	struct open open = {.directory = fd_at(wasi, arg(call, 0)),
		.place = &place,
		.oflags = arg(call, 4),
		.fdflags = arg(call, 7),
		.result_at = arg(call, 8)};
	uint64_t right = RIGHT_BIT(R_PATH_OPEN);
	enum wasi_errno error = open_check(call, &open, dirflags);
	enum call_end end;

	if (open.oflags & OFLAG_CREAT)
		right |= RIGHT_BIT(R_PATH_CREATE_FILE);
	if (open.oflags & OFLAG_TRUNC)
		right |= RIGHT_BIT(R_PATH_FILESTAT_SET_SIZE);
	if (!charge(call, PRICE_REQUEST + (uint64_t)PRICE_NAME_BYTE * arg(call, 3)))
		return CALL_DRY;
	if (!place_find(call, wasi, arg(call, 0), right, arg(call, 2), arg(call, 3), &place, &end))
		return end;
	if (error)
		return answer(call, error);
	/* More than the directory passes on is not given, and not an error: programs
	 * ask for all there is. */
	open.base = arg64(call, 5) & open.directory->inheriting;
	open.inheriting = arg64(call, 6) & open.directory->inheriting;
	if (fd_free(wasi) < 0)
		return wasi->fds_count == WASI_FDS_MAX ? answer(call, WASI_EMFILE)
						       : no_space(call, wasi);
	if (!fd_room(wasi, WASI_PATH_MAX))
		return no_space(call, wasi);
	return open_at(call, wasi, &open, dirflags);
}
