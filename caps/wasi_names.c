/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_names.c - calls that make, move and remove names, as orders on a
 * directory's key. Those that take a last name away first look whose it is, so
 * that its number is not told of another file later (wasi_stat.c). */
#include "caps/wasi_names.h"

bool
charge_path(struct call *call, uint64_t bytes)
{
	return charge(call, PRICE_REQUEST + PRICE_NAME_BYTE * bytes);
}

struct key *
key_of(struct wasi *wasi, const struct place *place)
{
	return &wasi->domain->slots[place->slot];
}

bool
change_place(struct call *call, struct wasi *wasi, uint32_t fd, enum wasi_right right, uint32_t at,
	uint32_t bytes, enum makes makes, struct place *ret_place, enum call_end *ret_end)
{
	if (!place_find(call, wasi, fd, RIGHT_BIT(right), at, bytes, ret_place, ret_end))
		return false;
	if (ret_place->kind == PLACE_BENEATH)
		return true;
	if (ret_place->kind == PLACE_MISSING && (makes == NAME_IS_THERE || !ret_place->in_synthetic))
		*ret_end = place_missing(call, wasi, ret_place);
	else
		*ret_end = place_fixed(call, wasi, ret_place);
	return false;
}

enum call_end
not_for_writing(struct call *call, struct wasi *wasi, enum rc rc, const struct place *place)
{
	return refuse(call, wasi, rc, key_of(wasi, place), place->path,
		rc == RC_VOID ? "the descriptor has no key" : "the key is not for writing");
}

bool
asked(struct call *call, struct wasi *wasi, struct device_request *request,
	const struct place *place, enum call_end *ret_end)
{
	if (!call->completion) {
		*ret_end = call_submit(call, request);
		return false;
	}
	if (call->completion->result >= 0)
		return true;
	*ret_end = device_answer(call, wasi, call->completion->result, key_of(wasi, place), place->path);
	return false;
}

/* Looks at what a name means and takes the answer, or goes without one. False:
 * return *ret_end. */
static bool
looked_at(struct call *call, struct wasi *wasi, const struct place *place, struct path path,
	uint32_t flags, struct device_stat *ret_stat, enum call_end *ret_end)
{
	struct device_request request;

	*ret_stat = (struct device_stat){0};
	if (directory_stat_at(wasi->state, key_of(wasi, place), path, flags, &request) != RC_OK)
		return true;
	if (!call->completion) {
		*ret_end = call_submit(call, &request);
		return false;
	}
	if (call->completion->result >= 0)
		*ret_stat = call->completion->stat;
	call_consume(call);
	return true;
}

static bool
looked(struct call *call, struct wasi *wasi, const struct place *place, uint32_t flags,
	struct device_stat *ret_stat, enum call_end *ret_end)
{
	return looked_at(call, wasi, place, place->path, flags, ret_stat, ret_end);
}

/* "a/b" of "a/b/c/"; "." of "c". */
static struct path
parent_of(struct path path)
{
	while (path.bytes && path.text[path.bytes - 1] == '/')
		path.bytes--;
	while (path.bytes && path.text[path.bytes - 1] != '/')
		path.bytes--;
	while (path.bytes && path.text[path.bytes - 1] == '/')
		path.bytes--;
	return path.bytes ? path : (struct path){".", 1};
}

bool
parent_looked(struct call *call, struct wasi *wasi, const struct place *place, uint32_t stage,
	unsigned word, enum call_end *ret_end)
{
	const struct path parent = parent_of(place->path);
	struct opening *o = opening_of(wasi->state, key_of(wasi, place));
	const bool itself = parent.bytes == 1 && parent.text[0] == '.';
	struct device_stat stat;

	if (wasi->stage != stage)
		return true;
	if (!o || key_of(wasi, place)->rights & RIGHT_times) {
		wasi->words[word] = 0;
	} else if (itself && o->inode) {
		wasi->words[word] = o->inode;
	} else {
		if (!looked_at(call, wasi, place, parent, DEVICE_FOLLOW, &stat, ret_end))
			return false;
		wasi->words[word] = stat.inode;
		if (itself)
			o->inode = stat.inode;
	}
	wasi->stage++;
	return true;
}

void
parent_changed(struct call *call, struct wasi *wasi, const struct place *place, unsigned word)
{
	if (wasi->words[word])
		inode_touch(call, wasi, key_of(wasi, place), wasi->words[word], FSTFLAG_MTIM_NOW, 0, 0);
}

/* Its number means nothing any more once this name is gone. */
static bool
is_last_name(const struct device_stat *stat)
{
	return stat->inode && (stat->type == DEVICE_TYPE_DIRECTORY || stat->links <= 1);
}

static uint32_t
root_index(struct wasi *wasi, const struct key *key)
{
	return opening_of(wasi->state, key)->root;
}

/* --- making ------------------------------------------------------------------------ */

enum call_end
made(struct call *call, struct wasi *wasi, const struct place *place, uint32_t flags,
	uint32_t fstflags, uint64_t access_ns, uint64_t modify_ns)
{
	struct device_stat stat;
	enum call_end end;

	if (key_of(wasi, place)->rights & RIGHT_times)
		return answer(call, WASI_ESUCCESS);
	if (!looked(call, wasi, place, flags, &stat, &end))
		return end;
	if (stat.inode)
		inode_touch(call, wasi, key_of(wasi, place), stat.inode, fstflags, access_ns, modify_ns);
	return answer(call, WASI_ESUCCESS);
}

enum { WORD_GOES, WORD_PARENT, WORD_OTHER_PARENT }; /* of wasi->words */

static enum call_end
make_name(struct call *call, struct wasi *wasi, const struct place *place,
	struct device_request *request)
{
	enum call_end end;

	if (!parent_looked(call, wasi, place, MAKE_PARENT, WORD_PARENT, &end))
		return end;
	if (wasi->stage == MAKE_ASK) {
		if (!asked(call, wasi, request, place, &end))
			return end;
		call_consume(call);
		parent_changed(call, wasi, place, WORD_PARENT);
		wasi->stage = MAKE_LOOK;
	}
	return made(call, wasi, place, 0, FSTFLAG_ATIM_NOW | FSTFLAG_MTIM_NOW, 0, 0);
}

enum call_end
wasi_path_create_directory(struct call *call, struct wasi *wasi)
{
	struct device_request request;
	struct place place;
	enum call_end end;
	enum rc rc;

	if (!charge_path(call, arg(call, 2)))
		return CALL_DRY;
	if (!change_place(call, wasi, arg(call, 0), R_PATH_CREATE_DIRECTORY, arg(call, 1), arg(call, 2),
		    NAME_IS_MADE, &place, &end))
		return end;
	rc = directory_change(wasi->state, key_of(wasi, &place), DEVICE_MKDIR, place.path, &request);
	if (rc)
		return not_for_writing(call, wasi, rc, &place);
	return make_name(call, wasi, &place, &request);
}

enum call_end
wasi_path_symlink(struct call *call, struct wasi *wasi)
{
	const struct path says = {(const char *)call_mem(call, arg(call, 0), arg(call, 1)), arg(call, 1)};
	struct device_request request;
	struct place place;
	enum call_end end;
	enum rc rc;

	if (!charge_path(call, (uint64_t)arg(call, 1) + arg(call, 4)))
		return CALL_DRY;
	if (!change_place(call, wasi, arg(call, 2), R_PATH_SYMLINK, arg(call, 3), arg(call, 4),
		    NAME_IS_MADE, &place, &end))
		return end;
	if (!says.text)
		return answer(call, WASI_EFAULT);
	if (!says.bytes)
		return answer(call, WASI_ENOENT);
	if (says.bytes > WASI_PATH_MAX)
		return answer(call, WASI_ENAMETOOLONG);
	if (memchr(says.text, 0, says.bytes))
		return answer(call, WASI_EINVAL);
	if (says.text[0] == '/')
		return refuse(call, wasi, RC_OK, key_of(wasi, &place), says,
			"a link says a relative path; this one begins with /");
	rc = directory_symlink(wasi->state, key_of(wasi, &place), place.path, says, &request);
	if (rc)
		return not_for_writing(call, wasi, rc, &place);
	return make_name(call, wasi, &place, &request);
}

enum call_end
wasi_path_link(struct call *call, struct wasi *wasi)
{
	struct place from, to;
	struct device_request request;
	enum call_end end;
	enum rc rc;

	if (!charge_path(call, (uint64_t)arg(call, 3) + arg(call, 6)))
		return CALL_DRY;
	if (arg(call, 1)) /* a link to what a link says: refused, as by other hosts */
		return answer(call, WASI_EINVAL);
	if (!change_place(call, wasi, arg(call, 0), R_PATH_LINK_SOURCE, arg(call, 2), arg(call, 3),
		    NAME_IS_THERE, &from, &end) ||
		!change_place(call, wasi, arg(call, 4), R_PATH_LINK_TARGET, arg(call, 5), arg(call, 6),
			NAME_IS_MADE, &to, &end))
		return end;
	rc = directory_two(wasi->state, DEVICE_LINK, key_of(wasi, &from), from.path, key_of(wasi, &to),
		to.path, &request);
	if (rc == RC_BAD_WORD)
		return answer(call, WASI_EXDEV);
	if (rc)
		return not_for_writing(call, wasi, rc, &to);
	if (!parent_looked(call, wasi, &to, MAKE_PARENT, WORD_PARENT, &end))
		return end;
	if (!asked(call, wasi, &request, &to, &end))
		return end;
	parent_changed(call, wasi, &to, WORD_PARENT);
	return answer(call, WASI_ESUCCESS);
}

/* --- taking away --------------------------------------------------------------------- */

enum remove_stage { REMOVE_PARENT, REMOVE_LOOK, REMOVE_ASK };

static enum call_end
remove_name(struct call *call, struct wasi *wasi, enum device_op op, enum wasi_right right)
{
	struct device_request request;
	struct place place;
	enum call_end end;
	enum rc rc;

	if (!charge_path(call, arg(call, 2)))
		return CALL_DRY;
	if (!change_place(call, wasi, arg(call, 0), right, arg(call, 1), arg(call, 2), NAME_IS_THERE,
		    &place, &end))
		return end;
	rc = directory_change(wasi->state, key_of(wasi, &place), op, place.path, &request);
	if (rc)
		return not_for_writing(call, wasi, rc, &place);
	if (!parent_looked(call, wasi, &place, REMOVE_PARENT, WORD_PARENT, &end))
		return end;
	if (wasi->stage == REMOVE_LOOK && wasi->inodes.count) {
		struct device_stat stat;

		if (!looked(call, wasi, &place, 0, &stat, &end))
			return end;
		wasi->words[WORD_GOES] = is_last_name(&stat) ? stat.inode : 0;
	}
	wasi->stage = REMOVE_ASK;
	if (!asked(call, wasi, &request, &place, &end))
		return end;
	parent_changed(call, wasi, &place, WORD_PARENT);
	inode_forget(wasi, root_index(wasi, key_of(wasi, &place)), wasi->words[WORD_GOES]);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_path_unlink_file(struct call *call, struct wasi *wasi)
{
	return remove_name(call, wasi, DEVICE_UNLINK, R_PATH_UNLINK_FILE);
}

enum call_end
wasi_path_remove_directory(struct call *call, struct wasi *wasi)
{
	return remove_name(call, wasi, DEVICE_RMDIR, R_PATH_REMOVE_DIRECTORY);
}

enum rename_stage { RENAME_PARENT, RENAME_OTHER_PARENT, RENAME_LOOK_TO, RENAME_LOOK_FROM, RENAME_ASK };

/* Whose last name the move would take: words[0]. False: return *ret_end. */
static bool
rename_looked(struct call *call, struct wasi *wasi, const struct place *from,
	const struct place *to, enum call_end *ret_end)
{
	struct device_stat stat;

	if (!parent_looked(call, wasi, from, RENAME_PARENT, WORD_PARENT, ret_end) ||
		!parent_looked(call, wasi, to, RENAME_OTHER_PARENT, WORD_OTHER_PARENT, ret_end))
		return false;
	if (wasi->stage == RENAME_LOOK_TO && wasi->inodes.count) {
		if (!looked(call, wasi, to, 0, &stat, ret_end))
			return false;
		wasi->words[WORD_GOES] = is_last_name(&stat) ? stat.inode : 0;
		wasi->stage = RENAME_LOOK_FROM;
	}
	if (wasi->stage == RENAME_LOOK_FROM && wasi->words[WORD_GOES]) {
		if (!looked(call, wasi, from, 0, &stat, ret_end))
			return false;
		if (stat.inode == wasi->words[WORD_GOES]) /* onto itself: nothing goes */
			wasi->words[WORD_GOES] = 0;
	}
	wasi->stage = RENAME_ASK;
	return true;
}

enum call_end
wasi_path_rename(struct call *call, struct wasi *wasi)
{
	struct place from, to;
	struct device_request request;
	enum call_end end;
	enum rc rc;

	if (!charge_path(call, (uint64_t)arg(call, 2) + arg(call, 5)))
		return CALL_DRY;
	if (!change_place(call, wasi, arg(call, 0), R_PATH_RENAME_SOURCE, arg(call, 1), arg(call, 2),
		    NAME_IS_THERE, &from, &end) ||
		!change_place(call, wasi, arg(call, 3), R_PATH_RENAME_TARGET, arg(call, 4), arg(call, 5),
			NAME_IS_MADE, &to, &end))
		return end;
	rc = directory_two(wasi->state, DEVICE_RENAME, key_of(wasi, &from), from.path,
		key_of(wasi, &to), to.path, &request);
	if (rc == RC_BAD_WORD)
		return answer(call, WASI_EXDEV);
	if (rc)
		return not_for_writing(call, wasi, rc, &to);
	if (!rename_looked(call, wasi, &from, &to, &end))
		return end;
	if (!asked(call, wasi, &request, &from, &end))
		return end;
	parent_changed(call, wasi, &from, WORD_PARENT);
	parent_changed(call, wasi, &to, WORD_OTHER_PARENT);
	inode_forget(wasi, root_index(wasi, key_of(wasi, &to)), wasi->words[WORD_GOES]);
	return answer(call, WASI_ESUCCESS);
}
