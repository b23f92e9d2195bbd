/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_fds.c - descriptor numbers over slots; the calls that are about nothing else. */
#include "caps/wasi.h"

#include "kernel/base/must.h"

static const struct key no_key;

struct wasi_fd *
fd_at(struct wasi *wasi, uint32_t number)
{
	struct wasi_fd *fd = number < wasi->fds_count ? &wasi->fds[number] : NULL;

	return fd && fd->what != FD_CLOSED ? fd : NULL;
}

const struct key *
fd_key(struct wasi *wasi, const struct wasi_fd *fd)
{
	return fd->slot == WASI_NO_SLOT ? &no_key : &wasi->domain->slots[fd->slot];
}

struct root *
fd_root(struct wasi *wasi, const struct wasi_fd *fd)
{
	const struct opening *o = opening_of(wasi->state, fd_key(wasi, fd));

	return o ? root_at(wasi->state, o->root) : NULL;
}

int32_t
fd_free(struct wasi *wasi)
{
	const uint32_t more = wasi->fds_count ? 2 * wasi->fds_count : 16;
	struct wasi_fd *fds;

	for (; wasi->fds_low < wasi->fds_count; wasi->fds_low++)
		if (wasi->fds[wasi->fds_low].what == FD_CLOSED)
			return (int32_t)wasi->fds_low;
	if (more > WASI_FDS_MAX)
		return -1;
	fds = wasi_resize(wasi, wasi->fds, wasi->fds_count * sizeof *fds, more * sizeof *fds);
	if (!fds)
		return -1;
	wasi->fds = fds;
	wasi->fds_count = more;
	return (int32_t)(more == 16 ? 0 : more / 2);
}

bool
fd_room(struct wasi *wasi, uint64_t path_bytes)
{
	struct domain *domain = wasi->domain;
	uint64_t bytes = heap_cost(sizeof(struct opening)) + heap_cost(path_bytes);
	uint32_t slot = 0;

	while (slot < domain->slots_count && !key_is_void(&domain->slots[slot]))
		slot++;
	if (slot == domain->slots_count) /* the kernel doubles them */
		bytes += heap_cost((2 * (uint64_t)domain->slots_count + 8) * sizeof *domain->slots);
	wasi->need = bytes;
	return bank_room(&domain->bank) >= bytes;
}

int32_t
fd_over_key(struct wasi *wasi, const struct key *key, enum wasi_what what)
{
	const int32_t number = fd_free(wasi);
	const int slot = number < 0 ? -1 : domain_slot(wasi->domain, key);

	if (slot < 0)
		return -1;
	wasi->fds[number] = (struct wasi_fd){.what = (uint8_t)what,
		.slot = slot,
		.base = rights_base(what, key->rights),
		.inheriting = rights_inheriting(what)};
	return number;
}

void
listing_free(struct wasi *wasi, struct wasi_fd *fd)
{
	if (!fd->listing)
		return;
	wasi_give(wasi, fd->listing->bytes, fd->listing->room);
	wasi_give(wasi, fd->listing, sizeof *fd->listing);
	fd->listing = NULL;
}

void
slot_clear(struct wasi *wasi, int32_t slot)
{
	struct key *key = &wasi->domain->slots[slot];
	const struct opening *o = opening_kept(wasi->state, key);

	if (o && o->payer == wasi->domain) {
		const uint32_t root = o->root;
		const uint64_t inode = o->inode;

		opening_end(wasi->state, key->object);
		inode_closed(wasi, root, inode);
	}
	*key = no_key;
}

void
fd_drop(struct wasi *wasi, struct wasi_fd *fd)
{
	listing_free(wasi, fd);
	peeked_free(wasi, fd);
	wasi_give(wasi, fd->name, fd->name_bytes);
	wasi->fds_low = (uint32_t)min_u64(wasi->fds_low, (uint64_t)(fd - wasi->fds));
	if (fd->slot != WASI_NO_SLOT)
		slot_clear(wasi, fd->slot);
	*fd = (struct wasi_fd){.what = FD_CLOSED, .slot = WASI_NO_SLOT};
}

uint8_t
fd_filetype(struct wasi *wasi, const struct wasi_fd *fd)
{
	switch ((enum wasi_what)fd->what) {
	case FD_STREAM:
		return stream_is_tty(wasi->state, fd_key(wasi, fd)) ? FILETYPE_CHARACTER
								      : FILETYPE_UNKNOWN;
	case FD_FILE:
		return FILETYPE_REGULAR;
	case FD_SOCKET:
	case FD_LISTENER:
		return key_is_datagram(wasi, fd_key(wasi, fd)) ? FILETYPE_SOCKET_DGRAM
							       : FILETYPE_SOCKET_STREAM;
	case FD_UNBOUND:
		return fd->offset >> 8 == 1 ? FILETYPE_SOCKET_DGRAM : FILETYPE_SOCKET_STREAM;
	case FD_DIRECTORY:
	case FD_SYNTHETIC:
		return FILETYPE_DIRECTORY;
	case FD_CLOSED:
		break;
	}
	return FILETYPE_UNKNOWN;
}

bool
slot_ready(struct call *call, struct wasi *wasi, int32_t slot, enum call_end *ret_end)
{
	const struct key *key = slot == WASI_NO_SLOT ? &no_key : &wasi->domain->slots[slot];

	if (!opening_of(wasi->state, key))
		return true; /* the order will answer RC_VOID */
	return opening_ready(call, wasi->state, key, &wasi->asked, ret_end) ||
		*ret_end == CALL_DONE;
}

/* --- WASI's rights ---------------------------------------------------------------- */

#define STREAM_RIGHTS \
	(RIGHT_BIT(R_FD_FILESTAT_GET) | RIGHT_BIT(R_POLL_FD_READWRITE) | \
		RIGHT_BIT(R_FD_FDSTAT_SET_FLAGS))
#define FILE_RIGHTS \
	(RIGHT_BIT(R_FD_DATASYNC) | RIGHT_BIT(R_FD_READ) | RIGHT_BIT(R_FD_SEEK) | \
		RIGHT_BIT(R_FD_FDSTAT_SET_FLAGS) | RIGHT_BIT(R_FD_SYNC) | RIGHT_BIT(R_FD_TELL) | \
		RIGHT_BIT(R_FD_WRITE) | RIGHT_BIT(R_FD_ADVISE) | RIGHT_BIT(R_FD_ALLOCATE) | \
		RIGHT_BIT(R_FD_FILESTAT_GET) | RIGHT_BIT(R_FD_FILESTAT_SET_SIZE) | \
		RIGHT_BIT(R_FD_FILESTAT_SET_TIMES) | RIGHT_BIT(R_POLL_FD_READWRITE))
#define DIRECTORY_RIGHTS \
	(RIGHT_BIT(R_FD_FDSTAT_SET_FLAGS) | RIGHT_BIT(R_FD_SYNC) | RIGHT_BIT(R_FD_DATASYNC) | \
		RIGHT_BIT(R_FD_ADVISE) | RIGHT_BIT(R_PATH_CREATE_DIRECTORY) | \
		RIGHT_BIT(R_PATH_CREATE_FILE) | RIGHT_BIT(R_PATH_LINK_SOURCE) | \
		RIGHT_BIT(R_PATH_LINK_TARGET) | RIGHT_BIT(R_PATH_OPEN) | RIGHT_BIT(R_FD_READDIR) | \
		RIGHT_BIT(R_PATH_READLINK) | RIGHT_BIT(R_PATH_RENAME_SOURCE) | \
		RIGHT_BIT(R_PATH_RENAME_TARGET) | RIGHT_BIT(R_PATH_FILESTAT_GET) | \
		RIGHT_BIT(R_PATH_FILESTAT_SET_SIZE) | RIGHT_BIT(R_PATH_FILESTAT_SET_TIMES) | \
		RIGHT_BIT(R_FD_FILESTAT_GET) | RIGHT_BIT(R_FD_FILESTAT_SET_TIMES) | \
		RIGHT_BIT(R_PATH_SYMLINK) | RIGHT_BIT(R_PATH_REMOVE_DIRECTORY) | \
		RIGHT_BIT(R_PATH_UNLINK_FILE))

/* What descriptors of this sort can ever have. A directory shows them all even
 * when its key has fewer: a program then asks, the key refuses, and the refusal
 * is counted and explained, where it would else quietly get less. */
uint64_t
rights_base(enum wasi_what what, uint32_t key_rights)
{
	switch (what) {
	case FD_STREAM:
		return STREAM_RIGHTS | (key_rights & RIGHT_read ? RIGHT_BIT(R_FD_READ) : 0) |
			(key_rights & (RIGHT_write | RIGHT_append) ? RIGHT_BIT(R_FD_WRITE) : 0);
	case FD_SOCKET:
	case FD_UNBOUND:
		return STREAM_RIGHTS | RIGHT_BIT(R_SOCK_SHUTDOWN) |
			(key_rights & RIGHT_read ? RIGHT_BIT(R_FD_READ) : 0) |
			(key_rights & RIGHT_write ? RIGHT_BIT(R_FD_WRITE) : 0);
	case FD_LISTENER: /* ready to be read from: somebody is there to accept */
		return STREAM_RIGHTS | RIGHT_BIT(R_FD_READ) | RIGHT_BIT(R_SOCK_ACCEPT);
	case FD_FILE:
		return FILE_RIGHTS;
	case FD_DIRECTORY:
	case FD_SYNTHETIC:
		return DIRECTORY_RIGHTS;
	case FD_CLOSED:
		break;
	}
	return 0;
}

uint64_t
rights_inheriting(enum wasi_what what)
{
	return what == FD_DIRECTORY || what == FD_SYNTHETIC ? DIRECTORY_RIGHTS | FILE_RIGHTS : 0;
}

/* --- calls -------------------------------------------------------------------------- */

enum call_end
wasi_fd_close(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));

	if (!fd)
		return answer(call, WASI_EBADF);
	fd_drop(wasi, fd);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_fd_renumber(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *from = fd_at(wasi, arg(call, 0)), *to = fd_at(wasi, arg(call, 1));

	if (!from || !to)
		return answer(call, WASI_EBADF);
	if (from == to)
		return answer(call, WASI_ESUCCESS);
	fd_drop(wasi, to);
	*to = *from;
	*from = (struct wasi_fd){.what = FD_CLOSED, .slot = WASI_NO_SLOT};
	wasi->fds_low = (uint32_t)min_u64(wasi->fds_low, (uint64_t)(from - wasi->fds));
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_fd_fdstat_get(struct call *call, struct wasi *wasi)
{
	const struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	uint8_t *to = call_mem(call, arg(call, 1), FDSTAT_BYTES);

	if (!fd)
		return answer(call, WASI_EBADF);
	if (!to)
		return answer(call, WASI_EFAULT);
	memset(to, 0, FDSTAT_BYTES);
	to[0] = fd_filetype(wasi, fd);
	store_word(to + 2, fd->flags, 2);
	store_word(to + 8, fd->base, 8);
	store_word(to + 16, fd->inheriting, 8);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_fd_fdstat_set_flags(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	const uint32_t flags = arg(call, 1);

	if (!fd)
		return answer(call, WASI_EBADF);
	if (flags & ~(uint32_t)FDFLAG_ALL)
		return answer(call, WASI_EINVAL);
	if (!(fd->base & RIGHT_BIT(R_FD_FDSTAT_SET_FLAGS)))
		return answer(call, WASI_ENOTCAPABLE);
	fd->flags = (uint16_t)flags;
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_fd_fdstat_set_rights(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	const uint64_t base = arg64(call, 1), inheriting = arg64(call, 2);

	if (!fd)
		return answer(call, WASI_EBADF);
	if (base & ~fd->base || inheriting & ~fd->inheriting)
		return answer(call, WASI_ENOTCAPABLE);
	fd->base = base;
	fd->inheriting = inheriting;
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_fd_prestat_get(struct call *call, struct wasi *wasi)
{
	const struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	uint8_t *to = call_mem(call, arg(call, 1), PRESTAT_BYTES);

	if (!fd || !fd->preopen)
		return answer(call, WASI_EBADF);
	if (!to)
		return answer(call, WASI_EFAULT);
	memset(to, 0, PRESTAT_BYTES); /* tag 0: a directory */
	to[0] = fd->what == FD_LISTENER; /* any other tag: C libraries look on at the next number */
	store_word(to + 4, fd->name_bytes, 4);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_fd_prestat_dir_name(struct call *call, struct wasi *wasi)
{
	const struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	uint8_t *to;

	if (!fd || !fd->preopen)
		return answer(call, WASI_EBADF);
	if (fd->what == FD_LISTENER)
		return answer(call, WASI_ENOTDIR);
	if (arg(call, 2) < fd->name_bytes)
		return answer(call, WASI_ENAMETOOLONG);
	to = call_mem(call, arg(call, 1), fd->name_bytes);
	if (!to)
		return answer(call, WASI_EFAULT);
	if (!charge(call, price_copy(fd->name_bytes)))
		return CALL_DRY;
	memcpy(to, fd->name, fd->name_bytes);
	return answer(call, WASI_ESUCCESS);
}
