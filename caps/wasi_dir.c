/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_dir.c - fd_readdir: a directory's names, read once, in the order of their
 * bytes, kept for the descriptor until it is read from the start again.
 *
 * A cookie is the index of the next entry. ".." has the inode 0 ("unknown"):
 * what lies above is none of the guest's business, nor what file system it is on. */
#include "caps/wasi.h"

enum { RECORD_BYTES = 13 }; /* number u64, type u8, name_bytes u32; then the name */

static bool
listing_add(struct wasi *wasi, struct listing *listing, uint64_t number, uint8_t type,
	struct path name)
{
	const uint64_t need = listing->used + RECORD_BYTES + name.bytes;

	if (need > listing->room) {
		const uint64_t room = max_u64(2 * listing->room, need + 240);
		uint8_t *bytes = wasi_resize(wasi, listing->bytes, listing->room, room);

		if (!bytes)
			return false;
		listing->bytes = bytes;
		listing->room = room;
	}
	store_word(listing->bytes + listing->used, number, 8);
	listing->bytes[listing->used + 8] = type;
	store_word(listing->bytes + listing->used + 9, name.bytes, 4);
	memcpy(listing->bytes + listing->used + RECORD_BYTES, name.text, name.bytes);
	listing->used = need;
	listing->count++;
	return true;
}

static void
listing_rewind(struct listing *listing)
{
	listing->last_at = 0;
	listing->last_index = 0;
}

static int
compare(struct path a, struct path b)
{
	const int order = memcmp(a.text, b.text, (size_t)min_u64(a.bytes, b.bytes));

	return order ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static bool
is(struct path name, const char *text)
{
	return name.bytes == strlen(text) && !memcmp(name.text, text, name.bytes);
}

/* --- from the device -------------------------------------------------------------- */

/* One piece of the device's answer; false: no space. Names that come twice
 * (the directory changed between two pieces) are taken once. */
static bool
take_piece(struct wasi *wasi, struct listing *listing, uint32_t root,
	const struct device_completion *completion)
{
	struct bytes_in in = bytes_in(completion->data, completion->data_bytes);

	for (int64_t i = 0; i < completion->result; i++) {
		const uint64_t inode = bytes_u64(&in);
		const uint32_t name_bytes = bytes_u32(&in);
		const uint8_t type = bytes_u8(&in);
		const uint8_t *text = bytes_take(&in, name_bytes);
		const struct path name = {(const char *)text, name_bytes};
		uint64_t number = 0, at = listing->used;

		if (!text)
			return true; /* a device that cannot count: what was whole is kept */
		listing->asked++;
		if (listing->count) {
			const char *before = (const char *)listing->bytes + listing->last_at + RECORD_BYTES;

			if (compare(name, (struct path){before, listing->last_index}) <= 0)
				continue;
		}
		if (!is(name, "..")) {
			number = inode_number(wasi, root, inode);
			if (!number && inode)
				return false;
		}
		if (!listing_add(wasi, listing, number, filetype_of(type), name))
			return false;
		listing->last_at = at;
		listing->last_index = name_bytes;
	}
	return true;
}

enum list_stage { LIST_FIRST, LIST_ON };

/* Reads on until the listing is complete. False: return *ret_end. */
static bool
list_device(struct call *call, struct wasi *wasi, struct wasi_fd *fd, enum call_end *ret_end)
{
	const struct key *key = fd_key(wasi, fd);
	struct listing *listing = fd->listing;

	while (!listing->complete) {
		struct device_request request;
		const enum rc rc = directory_list(wasi->state, key, listing->asked, &request);

		if (rc) {
			*ret_end = refuse(call, wasi, rc, key, (struct path){0}, "the key is not for reading");
			return false;
		}
		if (!call->completion) {
			*ret_end = call_submit(call, &request);
			return false;
		}
		if (call->completion->result < 0) {
			*ret_end = device_answer(call, wasi, call->completion->result, key,
				(struct path){0});
			return false;
		}
		listing->complete = call->completion->result == 0;
		if (!take_piece(wasi, listing, opening_of(wasi->state, key)->root, call->completion)) {
			listing_free(wasi, fd);
			call_consume(call);
			wasi->stage = LIST_FIRST; /* with more room it is read from the start */
			*ret_end = no_space(call, wasi);
			return false;
		}
		call_consume(call);
	}
	listing_rewind(listing);
	return true;
}

/* --- the synthetic root -------------------------------------------------------------- */

/* The part of a key's name that is an entry of the synthetic directory. */
static bool
entry_of(const struct wasi_name *name, struct path directory, struct path *ret_entry, bool *ret_last)
{
	const uint32_t skip = directory.bytes ? directory.bytes + 1 : 0;
	uint32_t bytes = 0;

	if (name->path_bytes <= skip)
		return false;
	if (skip && (memcmp(name->path, directory.text, directory.bytes) || name->path[skip - 1] != '/'))
		return false;
	while (skip + bytes < name->path_bytes && name->path[skip + bytes] != '/')
		bytes++;
	*ret_entry = (struct path){name->path + skip, bytes};
	*ret_last = skip + bytes == name->path_bytes;
	return true;
}

static uint8_t
entry_type(struct wasi *wasi, const struct wasi_name *name, bool last)
{
	const struct key *key = &wasi->domain->slots[name->slot];

	if (!last || key->kind == KIND_directory)
		return FILETYPE_DIRECTORY;
	return key->kind == KIND_file ? FILETYPE_REGULAR : FILETYPE_UNKNOWN;
}

/* The next entry after `last` in the order of bytes. Names are few: each step looks
 * at all of them. */
static bool
next_entry(struct wasi *wasi, struct path directory, struct path last, struct path *ret_entry,
	uint8_t *ret_type)
{
	bool found = false;

	for (uint32_t i = 0; i < wasi->names_count; i++) {
		struct path entry;
		bool is_last;

		if (!entry_of(&wasi->names[i], directory, &entry, &is_last) || compare(entry, last) <= 0)
			continue;
		if (found && compare(entry, *ret_entry) > 0)
			continue;
		if (!found || compare(entry, *ret_entry) < 0 || !is_last)
			*ret_type = entry_type(wasi, &wasi->names[i], is_last);
		*ret_entry = entry;
		found = true;
	}
	return found;
}

static bool
list_names(struct wasi *wasi, struct wasi_fd *fd)
{
	const struct path directory =
		fd->preopen ? (struct path){"", 0} : (struct path){fd->name, fd->name_bytes};
	struct path entry, last = {"", 0};
	uint8_t self[FILESTAT_BYTES], type = FILETYPE_UNKNOWN;

	stat_put_synthetic(directory, self);
	if (!listing_add(wasi, fd->listing, load_word(self + 8, 8), FILETYPE_DIRECTORY,
		    (struct path){".", 1}) ||
		!listing_add(wasi, fd->listing, 0, FILETYPE_DIRECTORY, (struct path){"..", 2}))
		return false;
	while (next_entry(wasi, directory, last, &entry, &type)) {
		if (!listing_add(wasi, fd->listing, 0, type, entry))
			return false;
		last = entry;
	}
	fd->listing->complete = true;
	return true;
}

/* --- the call ------------------------------------------------------------------------- */

static uint64_t
record_bytes(const struct listing *listing, uint64_t at)
{
	return RECORD_BYTES + load_word(listing->bytes + at + 9, 4);
}

/* Where record `index` begins; the last place looked at is remembered. */
static uint64_t
record_at(struct listing *listing, uint64_t index)
{
	if (index < listing->last_index)
		listing_rewind(listing);
	while (listing->last_index < index) {
		listing->last_at += record_bytes(listing, listing->last_at);
		listing->last_index++;
	}
	return listing->last_at;
}

static uint64_t
put_record(const struct listing *listing, uint64_t at, uint64_t next, uint8_t *to, uint64_t room)
{
	const uint64_t name_bytes = record_bytes(listing, at) - RECORD_BYTES;
	uint8_t head[DIRENT_BYTES] = {0};
	const uint64_t head_bytes = min_u64(room, DIRENT_BYTES);
	const uint64_t tail_bytes = min_u64(room - head_bytes, name_bytes);

	store_word(head, next, 8);
	store_word(head + 8, load_word(listing->bytes + at, 8), 8);
	store_word(head + 16, name_bytes, 4);
	head[20] = listing->bytes[at + 8];
	memcpy(to, head, (size_t)head_bytes);
	memcpy(to + head_bytes, listing->bytes + at + RECORD_BYTES, (size_t)tail_bytes);
	return head_bytes + tail_bytes;
}

static enum call_end
list_put(struct call *call, struct listing *listing, uint64_t cookie, uint8_t *to, uint64_t room,
	uint8_t *result)
{
	uint64_t used = 0;

	while (cookie < listing->count && used < room) {
		const uint64_t at = record_at(listing, cookie);

		cookie++;
		used += put_record(listing, at, cookie, to + used, room - used);
	}
	store_word(result, used, 4);
	return answer(call, WASI_ESUCCESS);
}

/* False: no space. Only the call's first run begins a listing anew. */
static bool
list_begin(struct wasi *wasi, struct wasi_fd *fd, uint64_t cookie)
{
	if (!fd->listing ||
		(wasi->stage == LIST_FIRST && (!cookie || !fd->listing->complete))) {
		listing_free(wasi, fd);
		fd->listing = wasi_take(wasi, sizeof *fd->listing);
		if (!fd->listing)
			return false;
	}
	wasi->stage = LIST_ON;
	if (fd->what == FD_SYNTHETIC && !fd->listing->complete)
		return list_names(wasi, fd);
	return true;
}

enum call_end
wasi_fd_readdir(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	const uint32_t room = arg(call, 2);
	uint8_t *to = call_mem(call, arg(call, 1), room), *result = call_mem(call, arg(call, 4), 4);
	enum call_end end;

	if (!fd)
		return answer(call, WASI_EBADF);
	if (fd->what != FD_DIRECTORY && fd->what != FD_SYNTHETIC)
		return answer(call, WASI_ENOTDIR);
	if (!(fd->base & RIGHT_BIT(R_FD_READDIR)))
		return answer(call, WASI_ENOTCAPABLE);
	if (!to || !result)
		return answer(call, WASI_EFAULT);
	if (!charge(call, PRICE_REQUEST + price_copy(room)))
		return CALL_DRY;
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	if (!list_begin(wasi, fd, arg64(call, 3))) {
		listing_free(wasi, fd);
		wasi->stage = LIST_FIRST;
		return no_space(call, wasi);
	}
	if (!list_device(call, wasi, fd, &end))
		return end;
	return list_put(call, fd->listing, arg64(call, 3), to, room, result);
}
