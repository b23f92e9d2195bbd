/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_image.c - a domain's WASI as bytes, and back.
 *
 *   u32 version, u32 stage, u64 words[3]
 *   strings arguments, strings environment: u32 count, text
 *   u8 bit 0: it asked for its arguments; bit 1: there is room for refusals, which
 *                    are not here: they are told where they happened
 *   u32 clock slot, u32 entropy slot (2^32 - 1: none), u64 jumped, u64 drawn
 *   u32 names;       each: text path, u32 slot
 *   u32 descriptors; each: u8 what and, unless closed, u8 preopen, u16 flags,
 *                    u32 slot, u64 base, u64 inheriting, u64 offset, text name,
 *                    u8 listing and, if 1, u8 complete, u64 asked, u64 room,
 *                    text records
 *   u64 next number, u64 room, u32 roots: text name each, u64 files: in the order
 *                    of their numbers: u32 root, u64 inode, u8 doomed, u64 number,
 *                    3 times
 *
 * Rooms are there so that a domain holds the same storage as before.
 *
 * A text is u32 bytes and the bytes. Keys are in the domain's slots, which the
 * kernel writes. Reading is total: what is read is checked as a guest's
 * arguments are, and whatever passes gives a personality whose calls are safe. */
#include "caps/wasi.h"

#include <errno.h>

enum { VERSION = 2 };

/* --- writing -------------------------------------------------------------------- */

static void
write_strings(struct sink *sink, const struct strings *strings)
{
	sink_u32(sink, strings->count);
	sink_text(sink, strings->bytes, strings->used);
}

static void
write_fd(struct sink *sink, const struct wasi_fd *fd)
{
	sink_u8(sink, fd->what);
	if (fd->what == FD_CLOSED)
		return;
	sink_u8(sink, fd->preopen);
	sink_u16(sink, fd->flags);
	sink_u32(sink, (uint32_t)fd->slot);
	sink_u64(sink, fd->base);
	sink_u64(sink, fd->inheriting);
	sink_u64(sink, fd->offset);
	sink_text(sink, fd->name, fd->name_bytes);
	sink_u8(sink, fd->listing != NULL);
	if (!fd->listing)
		return;
	sink_u8(sink, fd->listing->complete);
	sink_u64(sink, fd->listing->asked);
	sink_u64(sink, fd->listing->room);
	sink_text(sink, fd->listing->bytes, (uint32_t)fd->listing->used);
}

/* The entries in use, by their numbers: a heap sort, as there may be many. */
static void
sift(const struct inode **at, uint64_t top, uint64_t count)
{
	for (uint64_t child; (child = 2 * top + 1) < count; top = child) {
		const struct inode *swap = at[top];

		if (child + 1 < count && at[child + 1]->number > at[child]->number)
			child++;
		if (at[child]->number <= swap->number)
			return;
		at[top] = at[child];
		at[child] = swap;
	}
}

static void
sort(const struct inode **at, uint64_t count)
{
	for (uint64_t i = count / 2; i-- > 0;)
		sift(at, i, count);
	for (uint64_t i = count; i-- > 1;) {
		const struct inode *last = at[i];

		at[i] = at[0];
		at[0] = last;
		sift(at, 0, i);
	}
}

/* `order[root]` is 1 + its place in the image's list of roots. */
static void
write_files(struct wasi *wasi, struct sink *sink, const struct inode **at, uint32_t *order)
{
	const struct inodes *inodes = &wasi->inodes;
	uint64_t count = 0;
	uint32_t roots = 0;

	for (uint64_t i = 0; i < inodes->room; i++)
		if (inodes->at[i].inode)
			at[count++] = &inodes->at[i];
	sort(at, count);
	for (uint64_t i = 0; i < count; i++)
		if (!order[at[i]->root])
			order[at[i]->root] = ++roots;
	sink_u32(sink, roots);
	for (uint32_t place = 1; place <= roots; place++)
		for (uint32_t i = 0; i < wasi->state->roots_count; i++)
			if (order[i] == place)
				sink_text(sink, wasi->state->roots[i].name,
					(uint32_t)strlen(wasi->state->roots[i].name));
	sink_u64(sink, count);
	for (uint64_t i = 0; i < count; i++) {
		sink_u32(sink, order[at[i]->root] - 1);
		sink_u64(sink, at[i]->inode);
		sink_u8(sink, at[i]->doomed);
		sink_u64(sink, at[i]->number);
		sink_u64(sink, at[i]->access_ns);
		sink_u64(sink, at[i]->modify_ns);
		sink_u64(sink, at[i]->change_ns);
	}
}

static void
write_inodes(struct wasi *wasi, struct sink *sink)
{
	struct heap *heap = wasi->state->heap;
	const uint64_t at_bytes = (wasi->inodes.count + 1) * sizeof(struct inode *);
	const uint64_t order_bytes = (wasi->state->roots_count + 1) * sizeof(uint32_t);
	const struct inode **at = heap_take(heap, at_bytes);
	uint32_t *order = heap_take(heap, order_bytes);

	sink_u64(sink, wasi->inodes.next);
	sink_u64(sink, wasi->inodes.room);
	if (at && order)
		write_files(wasi, sink, at, order);
	else if (!sink->failed)
		sink->failed = -ENOMEM;
	heap_give(heap, at, at_bytes);
	heap_give(heap, order, order_bytes);
}

void
wasi_image_write(struct domain *domain, struct sink *sink)
{
	struct wasi *wasi = wasi_of(domain);

	sink_u32(sink, VERSION);
	sink_u32(sink, wasi->stage);
	for (unsigned i = 0; i < WASI_WORDS; i++)
		sink_u64(sink, wasi->words[i]);
	write_strings(sink, &wasi->args);
	write_strings(sink, &wasi->env);
	sink_u8(sink, (uint8_t)(wasi->args_seen | (wasi->whys ? 2 : 0)));
	sink_u32(sink, (uint32_t)wasi->clock_slot);
	sink_u32(sink, (uint32_t)wasi->entropy_slot);
	sink_u64(sink, wasi->jumped_ns);
	sink_u64(sink, wasi->drawn);
	sink_u32(sink, wasi->names_count);
	for (uint32_t i = 0; i < wasi->names_count; i++) {
		sink_text(sink, wasi->names[i].path, wasi->names[i].path_bytes);
		sink_u32(sink, (uint32_t)wasi->names[i].slot);
	}
	sink_u32(sink, wasi->fds_count);
	for (uint32_t i = 0; i < wasi->fds_count; i++)
		write_fd(sink, &wasi->fds[i]);
	write_inodes(wasi, sink);
}

/* --- reading ----------------------------------------------------------------------- */

struct reading {
	struct wasi *wasi;
	struct bytes_in *in;
	struct report *report;
};

static int
bad(struct reading *r, const char *what)
{
	report_say(r->report, bytes_offset(r->in), "the image's WASI part: %s", what);
	return -EINVAL;
}

static int
full(struct reading *r)
{
	report_say(r->report, bytes_offset(r->in),
		"the image's WASI part: the storage limit does not hold it");
	return -ENOSPC;
}

/* A copy of a text, charged to the domain; NULL for an empty one. */
static int
read_text(struct reading *r, uint32_t bytes_max, char **ret_text, uint32_t *ret_bytes)
{
	uint32_t bytes;
	const uint8_t *text = bytes_text(r->in, &bytes);

	if (!text || bytes > bytes_max)
		return bad(r, "a text is longer than allowed or than the image");
	*ret_text = bytes ? wasi_take(r->wasi, bytes) : NULL;
	if (bytes && !*ret_text)
		return full(r);
	if (bytes)
		memcpy(*ret_text, text, bytes);
	*ret_bytes = bytes;
	return 0;
}

static int
read_strings(struct reading *r, struct strings *strings)
{
	const uint32_t count = bytes_u32(r->in);
	uint32_t ends = 0;
	const int error = read_text(r, INT32_MAX, &strings->bytes, &strings->used);

	if (error)
		return error;
	for (uint32_t i = 0; i < strings->used; i++)
		ends += !strings->bytes[i];
	if (ends != count || (strings->used && strings->bytes[strings->used - 1]))
		return bad(r, "arguments or environment are not so many strings");
	strings->count = count;
	return 0;
}

static bool
slot_fits(struct reading *r, int32_t slot)
{
	return slot >= 0 && (uint32_t)slot < r->wasi->domain->slots_count;
}

static int
read_head(struct reading *r)
{
	struct wasi *wasi = r->wasi;
	uint8_t seen;
	int error;

	if (bytes_u32(r->in) != VERSION)
		return bad(r, "a version this program does not know");
	wasi->stage = bytes_u32(r->in);
	for (unsigned i = 0; i < WASI_WORDS; i++)
		wasi->words[i] = bytes_u64(r->in);
	error = read_strings(r, &wasi->args);
	if (!error)
		error = read_strings(r, &wasi->env);
	if (error)
		return error;
	seen = bytes_u8(r->in);
	if (seen > 3)
		return bad(r, "truth values that are neither 0 nor 1");
	wasi->args_seen = seen & 1;
	if (seen & 2 && !why_room(wasi))
		return full(r);
	wasi->clock_slot = (int32_t)bytes_u32(r->in);
	wasi->entropy_slot = (int32_t)bytes_u32(r->in);
	wasi->jumped_ns = bytes_u64(r->in);
	wasi->drawn = bytes_u64(r->in);
	if ((wasi->clock_slot != WASI_NO_SLOT && !slot_fits(r, wasi->clock_slot)) ||
		(wasi->entropy_slot != WASI_NO_SLOT && !slot_fits(r, wasi->entropy_slot)))
		return bad(r, "a clock or generator in no slot");
	return 0;
}

static int
read_names(struct reading *r)
{
	struct wasi *wasi = r->wasi;
	const uint32_t count = bytes_u32(r->in);

	if (count > WASI_NAMES_MAX)
		return bad(r, "too many names");
	wasi->names = count ? wasi_take(wasi, count * sizeof *wasi->names) : NULL;
	if (count && !wasi->names)
		return full(r);
	wasi->names_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct wasi_name *name = &wasi->names[i];
		const int error = read_text(r, WASI_PATH_MAX, &name->path, &name->path_bytes);

		if (error)
			return error;
		name->slot = (int32_t)bytes_u32(r->in);
		if (r->in->bad || !slot_fits(r, name->slot))
			return bad(r, "a name in no slot");
	}
	return 0;
}

static int
read_listing(struct reading *r, struct wasi_fd *fd)
{
	struct listing *listing = wasi_take(r->wasi, sizeof *listing);
	const uint8_t *text;
	uint32_t used;
	uint64_t at = 0, room;

	if (!listing)
		return full(r);
	fd->listing = listing;
	listing->complete = bytes_u8(r->in);
	listing->asked = bytes_u64(r->in);
	room = bytes_u64(r->in);
	text = bytes_text(r->in, &used);
	if (!text || room < used || (!room && used))
		return bad(r, "a listing that is longer than its room");
	listing->bytes = room ? wasi_take(r->wasi, room) : NULL;
	if (room && !listing->bytes)
		return full(r);
	listing->room = room;
	listing->used = used;
	if (used)
		memcpy(listing->bytes, text, used);
	while (at < used) {
		uint64_t name_bytes;

		if (used - at < 13)
			return bad(r, "a listing ends in the middle of an entry");
		name_bytes = load_word(listing->bytes + at + 9, 4);
		if (name_bytes > used - at - 13)
			return bad(r, "a listing ends in the middle of a name");
		if (!listing->complete) {
			listing->last_at = at;
			listing->last_index = (uint32_t)name_bytes;
		}
		at += 13 + name_bytes;
		listing->count++;
	}
	return 0;
}

static int
read_fd(struct reading *r, struct wasi_fd *fd)
{
	int error;

	fd->slot = WASI_NO_SLOT;
	const uint8_t what = bytes_u8(r->in);

	if (what == FD_CLOSED)
		return 0;
	if (what > FD_UNBOUND)
		return bad(r, "a descriptor of no known sort");
	fd->what = what;
	fd->preopen = bytes_u8(r->in) & 1;
	fd->flags = bytes_u16(r->in) & FDFLAG_ALL;
	const int32_t slot = (int32_t)bytes_u32(r->in);
	fd->base = bytes_u64(r->in) & rights_base((enum wasi_what)what, UINT32_MAX);
	fd->inheriting = bytes_u64(r->in) & rights_inheriting(FD_DIRECTORY);
	fd->offset = bytes_u64(r->in);
	if (r->in->bad || fd->offset > INT64_MAX ||
		(what == FD_SYNTHETIC || what == FD_UNBOUND ? slot != WASI_NO_SLOT
							    : !slot_fits(r, slot)))
		return bad(r, "a descriptor without a slot, or past the end of all files");
	fd->slot = slot;
	error = read_text(r, WASI_PATH_MAX, &fd->name, &fd->name_bytes);
	if (error)
		return error;
	if (bytes_u8(r->in) != 1)
		return 0;
	return what == FD_DIRECTORY || what == FD_SYNTHETIC
		? read_listing(r, fd)
		: bad(r, "a listing of what is no directory");
}

static int
read_fds(struct reading *r)
{
	struct wasi *wasi = r->wasi;
	const uint32_t count = bytes_u32(r->in);

	if (count > WASI_FDS_MAX || (count && (count < 16 || count & (count - 1))))
		return bad(r, "a number of descriptors that is none of ours");
	wasi->fds = count ? wasi_take(wasi, count * sizeof *wasi->fds) : NULL;
	if (count && !wasi->fds)
		return full(r);
	wasi->fds_count = count;
	for (uint32_t i = 0; i < count; i++) {
		const int error = read_fd(r, &wasi->fds[i]);

		if (error)
			return error;
	}
	return 0;
}

/* The root's index here of each root in the image's list; -1: neither given here
 * nor a hole. */
static int
read_roots(struct reading *r, int32_t *roots, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bytes;
		const char *name = (const char *)bytes_text(r->in, &bytes);

		if (!name)
			return bad(r, "it ends among the names of roots");
		roots[i] = root_find(r->wasi->state, name, bytes);
		if (roots[i] < 0)
			roots[i] = root_find_missing(r->wasi->state, name, bytes);
	}
	return 0;
}

static int
read_files(struct reading *r, const int32_t *roots, uint32_t roots_count)
{
	struct wasi *wasi = r->wasi;
	const uint64_t count = bytes_u64(r->in);
	uint64_t last = 0;

	for (uint64_t i = 0; i < count; i++) {
		const uint32_t root = bytes_u32(r->in);
		struct inode file = {.inode = bytes_u64(r->in)};

		file.doomed = bytes_u8(r->in) & 1;
		file.number = bytes_u64(r->in);
		file.access_ns = bytes_u64(r->in);
		file.modify_ns = bytes_u64(r->in);
		file.change_ns = bytes_u64(r->in);
		if (r->in->bad || root >= roots_count || !file.inode || file.number <= last ||
			file.number > wasi->inodes.next)
			return bad(r, "a file's number is out of order, or of no root");
		last = file.number;
		if (roots[root] < 0)
			continue; /* what it was is not here */
		file.root = (uint32_t)roots[root];
		if (inode_find(wasi, file.root, file.inode))
			return bad(r, "a file has two numbers");
		if (!inode_restore(wasi, &file))
			return full(r);
	}
	return 0;
}

/* The table, empty, with the room it had. */
static int
read_room(struct reading *r)
{
	struct inodes *inodes = &r->wasi->inodes;
	const uint64_t room = bytes_u64(r->in);

	if (r->in->bad || room & (room - 1) || (room && room < INODES_FIRST) || room > UINT32_MAX)
		return bad(r, "a table of files with a room that is none of ours");
	inodes->at = room ? wasi_take(r->wasi, room * sizeof *inodes->at) : NULL;
	if (room && !inodes->at)
		return full(r);
	inodes->room = room;
	return 0;
}

static int
read_inodes(struct reading *r)
{
	struct heap *heap = r->wasi->state->heap;
	uint32_t count;
	int32_t *roots;
	int error;

	r->wasi->inodes.next = bytes_u64(r->in);
	error = read_room(r);
	if (error)
		return error;
	count = bytes_u32(r->in);
	if (r->in->bad || count > CAPS_ROOTS_MAX)
		return bad(r, "too many roots");
	roots = heap_take(heap, (count + 1) * sizeof *roots);
	if (!roots)
		return -ENOMEM;
	error = read_roots(r, roots, count);
	if (!error)
		error = read_files(r, roots, count);
	heap_give(heap, roots, (count + 1) * sizeof *roots);
	return error;
}

int
wasi_image_read(struct domain *domain, struct bytes_in *in, struct report *report)
{
	struct reading r = {.wasi = wasi_of(domain), .in = in, .report = report};
	int error;

	if (!r.wasi && !wasi_make(domain))
		return -ENOSPC;
	r.wasi = wasi_of(domain);
	error = read_head(&r);
	if (!error)
		error = read_names(&r);
	if (!error)
		error = read_fds(&r);
	if (!error)
		error = read_inodes(&r);
	if (!error && in->bad)
		error = bad(&r, "it ends too early");
	return error; /* what was made is the domain's, and goes with it */
}
