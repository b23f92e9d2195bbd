/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_stat.c - what guests learn of a file besides its bytes.
 *
 * The same directory on another file system looks the same: `dev` is the root
 * key's number; `ino` is a number given at first sight, per domain, and taken
 * away when the last name goes (file systems differ in when they use a number
 * again); directories have size 0 and one link; times are 0, or what the domain
 * itself made them on its own clock, unless the key has the right `times`. */
#include "caps/wasi.h"

static uint64_t
hash(uint32_t root, uint64_t inode)
{
	uint64_t h = (inode ^ (uint64_t)root << 32) * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 29;
}

/* Its place, or the free one where it would be put; NULL when the table is empty. */
static struct inode *
place_of(const struct inodes *inodes, uint32_t root, uint64_t inode)
{
	uint64_t at = hash(root, inode);

	if (!inodes->room)
		return NULL;
	for (;; at++) {
		struct inode *entry = &inodes->at[at & (inodes->room - 1)];

		if (!entry->inode || (entry->inode == inode && entry->root == root))
			return entry;
	}
}

struct inode *
inode_find(struct wasi *wasi, uint32_t root, uint64_t inode)
{
	struct inode *entry = place_of(&wasi->inodes, root, inode);

	return entry && entry->inode ? entry : NULL;
}

static bool
inodes_grow(struct wasi *wasi)
{
	struct inodes *inodes = &wasi->inodes;
	struct inodes bigger = *inodes;

	bigger.room = inodes->room ? 2 * inodes->room : INODES_FIRST;
	bigger.at = wasi_take(wasi, bigger.room * sizeof *bigger.at);
	if (!bigger.at)
		return false;
	for (uint64_t i = 0; i < inodes->room; i++)
		if (inodes->at[i].inode)
			*place_of(&bigger, inodes->at[i].root, inodes->at[i].inode) = inodes->at[i];
	wasi_give(wasi, inodes->at, inodes->room * sizeof *inodes->at);
	*inodes = bigger;
	return true;
}

static struct inode *
inode_make(struct wasi *wasi, uint32_t root, uint64_t inode)
{
	struct inodes *inodes = &wasi->inodes;
	struct inode *entry = inode_find(wasi, root, inode);

	if (entry || !inode)
		return entry;
	if (4 * (inodes->count + 1) > 3 * inodes->room && !inodes_grow(wasi))
		return NULL;
	entry = place_of(inodes, root, inode);
	*entry = (struct inode){.inode = inode, .root = root, .number = ++inodes->next};
	inodes->count++;
	return entry;
}

bool
inode_restore(struct wasi *wasi, const struct inode *from)
{
	const uint64_t next = wasi->inodes.next;
	struct inode *entry = inode_make(wasi, from->root, from->inode);

	wasi->inodes.next = next;
	if (entry)
		*entry = *from;
	return entry;
}

uint64_t
inode_number(struct wasi *wasi, uint32_t root, uint64_t inode)
{
	const struct inode *entry = inode_make(wasi, root, inode);

	return entry ? entry->number : 0;
}

/* Takes an entry out and moves up those that were put past it. */
static void
inode_remove(struct inodes *inodes, struct inode *entry)
{
	uint64_t hole = (uint64_t)(entry - inodes->at), at = hole;

	inodes->count--;
	for (;;) {
		struct inode *next;
		uint64_t home;

		at = (at + 1) & (inodes->room - 1);
		next = &inodes->at[at];
		if (!next->inode)
			break;
		home = hash(next->root, next->inode) & (inodes->room - 1);
		if (((at - home) & (inodes->room - 1)) < ((at - hole) & (inodes->room - 1)))
			continue; /* it is at or after its home past the hole */
		inodes->at[hole] = *next;
		hole = at;
	}
	inodes->at[hole] = (struct inode){0};
}

static bool
is_open(const struct wasi *wasi, uint32_t root, uint64_t inode)
{
	for (uint32_t i = 0; i < wasi->fds_count; i++) {
		const struct wasi_fd *fd = &wasi->fds[i];
		const struct opening *o = fd->what == FD_CLOSED || fd->slot == WASI_NO_SLOT
			? NULL
			: opening_of(wasi->state, &wasi->domain->slots[fd->slot]);

		if (o && o->root == root && o->inode == inode)
			return true;
	}
	return false;
}

void
inode_forget(struct wasi *wasi, uint32_t root, uint64_t inode)
{
	struct inode *entry = inode_find(wasi, root, inode);

	if (!entry)
		return;
	if (is_open(wasi, root, inode))
		entry->doomed = true;
	else
		inode_remove(&wasi->inodes, entry);
}

void
inode_closed(struct wasi *wasi, uint32_t root, uint64_t inode)
{
	struct inode *entry = inode ? inode_find(wasi, root, inode) : NULL;

	if (entry && entry->doomed && !is_open(wasi, root, inode))
		inode_remove(&wasi->inodes, entry);
}

void
inode_touch(struct call *call, struct wasi *wasi, const struct key *key, uint64_t inode,
	uint32_t fstflags, uint64_t access_ns, uint64_t modify_ns)
{
	const uint64_t now = clock_virtual(call, wasi);
	struct inode *entry;

	if (key->rights & RIGHT_times)
		return;
	entry = inode_make(wasi, opening_of(wasi->state, key)->root, inode);
	if (!entry)
		return; /* no space: its times go on reading 0 */
	entry->change_ns = now;
	if (fstflags & FSTFLAG_ATIM)
		entry->access_ns = access_ns;
	if (fstflags & FSTFLAG_ATIM_NOW)
		entry->access_ns = now;
	if (fstflags & FSTFLAG_MTIM)
		entry->modify_ns = modify_ns;
	if (fstflags & FSTFLAG_MTIM_NOW)
		entry->modify_ns = now;
}

uint8_t
filetype_of(uint8_t device_type)
{
	static const uint8_t types[] = {
		[DEVICE_TYPE_UNKNOWN] = FILETYPE_UNKNOWN,
		[DEVICE_TYPE_FILE] = FILETYPE_REGULAR,
		[DEVICE_TYPE_DIRECTORY] = FILETYPE_DIRECTORY,
		[DEVICE_TYPE_SYMLINK] = FILETYPE_SYMLINK,
		[DEVICE_TYPE_CHARACTER] = FILETYPE_CHARACTER,
		[DEVICE_TYPE_BLOCK] = FILETYPE_BLOCK,
		[DEVICE_TYPE_SOCKET] = FILETYPE_SOCKET_STREAM,
		[DEVICE_TYPE_FIFO] = FILETYPE_UNKNOWN,
	};

	return device_type < sizeof types ? types[device_type] : FILETYPE_UNKNOWN;
}

static void
put_filestat(uint8_t *to, uint64_t dev, uint64_t number, const struct device_stat *stat)
{
	const bool directory = stat->type == DEVICE_TYPE_DIRECTORY;

	memset(to, 0, FILESTAT_BYTES);
	store_word(to, dev, 8);
	store_word(to + 8, number, 8);
	to[16] = filetype_of(stat->type);
	store_word(to + 24, directory ? 1 : stat->links, 8);
	store_word(to + 32, directory ? 0 : stat->bytes, 8);
	store_word(to + 40, stat->access_ns, 8);
	store_word(to + 48, stat->modify_ns, 8);
	store_word(to + 56, stat->change_ns, 8);
}

static bool
stat_put(struct wasi *wasi, const struct key *key, const struct device_stat *stat, uint8_t *to)
{
	const struct opening *o = opening_of(wasi->state, key);
	const struct inode *entry = inode_make(wasi, o->root, stat->inode);
	struct device_stat seen = *stat;

	if (!entry && stat->inode)
		return false;
	if (!(key->rights & RIGHT_times)) {
		seen.access_ns = entry ? entry->access_ns : 0;
		seen.modify_ns = entry ? entry->modify_ns : 0;
		seen.change_ns = entry ? entry->change_ns : 0;
	}
	put_filestat(to, root_at(wasi->state, o->root)->number, entry ? entry->number : 0, &seen);
	return true;
}

enum call_end
stat_answer(struct call *call, struct wasi *wasi, const struct key *key,
	const struct device_stat *stat, uint8_t *to)
{
	return stat_put(wasi, key, stat, to) ? answer(call, WASI_ESUCCESS) : no_space(call, wasi);
}

void
stat_put_synthetic(struct path path, uint8_t *to)
{
	const struct device_stat stat = {.type = DEVICE_TYPE_DIRECTORY};
	uint64_t number = UINT64_C(0xcbf29ce484222325); /* FNV-1a of its path */

	for (uint32_t i = 0; i < path.bytes; i++)
		number = (number ^ (uint8_t)path.text[i]) * UINT64_C(0x100000001b3);
	put_filestat(to, 0, number, &stat);
}

bool
times_flags(uint32_t fstflags, uint32_t *ret_flags)
{
	static const uint32_t map[4] = {
		DEVICE_SET_ACCESS, DEVICE_ACCESS_NOW, DEVICE_SET_MODIFY, DEVICE_MODIFY_NOW};
	uint32_t flags = 0;

	if (fstflags & ~(uint32_t)FSTFLAG_ALL || (fstflags & 3) == 3 || (fstflags & 12) == 12)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (fstflags & 1u << i)
			flags |= map[i];
	*ret_flags = flags;
	return true;
}

/* --- calls on descriptors ----------------------------------------------------------- */

static void
put_stream(struct wasi *wasi, const struct wasi_fd *fd, uint8_t *to)
{
	const struct root *root = fd_root(wasi, fd);
	const struct device_stat stat = {.links = 1,
		.type = stream_is_tty(wasi->state, fd_key(wasi, fd)) ? DEVICE_TYPE_CHARACTER
								       : DEVICE_TYPE_UNKNOWN};

	put_filestat(to, root ? root->number : 0, 1, &stat);
	if (fd_is_socket(fd))
		to[16] = fd_filetype(wasi, fd);
}

enum call_end
wasi_fd_filestat_get(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	uint8_t *to = call_mem(call, arg(call, 1), FILESTAT_BYTES);
	const struct key *key = fd ? fd_key(wasi, fd) : NULL;
	struct device_request request;
	enum call_end end;
	enum rc rc;

	if (!fd)
		return answer(call, WASI_EBADF);
	if (!(fd->base & RIGHT_BIT(R_FD_FILESTAT_GET)))
		return answer(call, WASI_ENOTCAPABLE);
	if (!to)
		return answer(call, WASI_EFAULT);
	if (fd->what == FD_SYNTHETIC || fd_flows(fd)) {
		if (fd_flows(fd))
			put_stream(wasi, fd, to);
		else
			stat_put_synthetic(fd->preopen ? (struct path){"", 0}
						       : (struct path){fd->name, fd->name_bytes},
				to);
		return answer(call, WASI_ESUCCESS);
	}
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	rc = fd->what == FD_FILE ? file_stat(wasi->state, key, &request)
				 : directory_stat(wasi->state, key, &request);
	if (!device_answered(call, wasi, rc, &request, key, (struct path){0},
		    "the descriptor has no key", &end))
		return end;
	return stat_answer(call, wasi, key, &call->completion->stat, to);
}

enum call_end
wasi_fd_filestat_set_times(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	const struct key *key = fd ? fd_key(wasi, fd) : NULL;
	const uint64_t access_ns = arg64(call, 1), modify_ns = arg64(call, 2);
	struct device_request request;
	enum call_end end;
	uint32_t flags;
	enum rc rc;

	if (!fd)
		return answer(call, WASI_EBADF);
	if (!times_flags(arg(call, 3), &flags))
		return answer(call, WASI_EINVAL);
	if (!(fd->base & RIGHT_BIT(R_FD_FILESTAT_SET_TIMES)) || fd->what == FD_SYNTHETIC ||
		fd_flows(fd))
		return answer(call, WASI_ENOTCAPABLE);
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	rc = fd->what == FD_FILE
		? file_times(wasi->state, key, flags, access_ns, modify_ns, &request)
		: directory_times(wasi->state, key, (struct path){".", 1}, flags, access_ns, modify_ns,
			  &request);
	if (!device_answered(call, wasi, rc, &request, key, (struct path){0},
		    "the key is not for writing", &end))
		return end;
	inode_touch(call, wasi, key, opening_of(wasi->state, key)->inode, arg(call, 3), access_ns,
		modify_ns);
	return answer(call, WASI_ESUCCESS);
}
