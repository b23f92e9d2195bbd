/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_seek.c - where a descriptor stands, how long its file is, what is synced. */
#include "caps/wasi.h"

#include "kernel/base/fits.h"

/* The file descriptor in argument 0, with WASI's right; else an errno. */
static enum wasi_errno
file_arg(struct call *call, struct wasi *wasi, uint64_t right, struct wasi_fd **ret_fd)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));

	if (!fd)
		return WASI_EBADF;
	if (fd->what == FD_DIRECTORY || fd->what == FD_SYNTHETIC)
		return WASI_EISDIR;
	if (fd_flows(fd))
		return WASI_ESPIPE;
	if ((fd->base & right) != right)
		return WASI_ENOTCAPABLE;
	*ret_fd = fd;
	return WASI_ESUCCESS;
}

/* One request, and only whether it went well matters. */
static enum call_end
simple(struct call *call, struct wasi *wasi, enum rc rc, const struct key *key,
	struct device_request *request, const char *need)
{
	if (rc)
		return refuse(call, wasi, rc, key, (struct path){0}, need);
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	if (!call->completion)
		return call_submit(call, request);
	if (call->completion->result < 0)
		return device_answer(call, wasi, call->completion->result, key, (struct path){0});
	return answer(call, WASI_ESUCCESS);
}

/* --- position -------------------------------------------------------------------- */

static bool
moved(uint64_t from, int64_t by, uint64_t *ret_to)
{
	int64_t to;

	if (from > INT64_MAX || __builtin_add_overflow((int64_t)from, by, &to) || to < 0)
		return false;
	*ret_to = (uint64_t)to;
	return true;
}

static enum call_end
seek_to(struct call *call, struct wasi_fd *fd, uint64_t from, int64_t by)
{
	uint64_t to;

	if (!moved(from, by, &to))
		return answer(call, WASI_EINVAL);
	fd->offset = to;
	store_word(call_mem(call, arg(call, 3), 8), to, 8);
	return answer(call, WASI_ESUCCESS);
}

static enum call_end
seek_from_end(struct call *call, struct wasi *wasi, struct wasi_fd *fd, int64_t by)
{
	const struct key *key = fd_key(wasi, fd);
	struct device_request request;
	enum call_end end;
	enum rc rc;

	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	rc = file_stat(wasi->state, key, &request);
	if (!device_answered(call, wasi, rc, &request, key, (struct path){0},
		    "the descriptor has no key", &end))
		return end;
	return seek_to(call, fd, call->completion->stat.bytes, by);
}

enum call_end
wasi_fd_seek(struct call *call, struct wasi *wasi)
{
	const int64_t by = (int64_t)arg64(call, 1);
	const uint32_t whence = arg(call, 2);
	const uint64_t right = RIGHT_BIT(!by && whence == WHENCE_CUR ? R_FD_TELL : R_FD_SEEK);
	struct wasi_fd *fd = NULL;
	enum wasi_errno error = file_arg(call, wasi, right, &fd);

	if (error == WASI_ENOTCAPABLE && right == RIGHT_BIT(R_FD_TELL))
		error = file_arg(call, wasi, RIGHT_BIT(R_FD_SEEK), &fd);
	if (error)
		return answer(call, error);
	if (whence > WHENCE_END)
		return answer(call, WASI_EINVAL);
	if (!call_mem(call, arg(call, 3), 8))
		return answer(call, WASI_EFAULT);
	if (whence == WHENCE_END)
		return seek_from_end(call, wasi, fd, by);
	return seek_to(call, fd, whence == WHENCE_SET ? 0 : fd->offset, by);
}

enum call_end
wasi_fd_tell(struct call *call, struct wasi *wasi)
{
	uint8_t *to = call_mem(call, arg(call, 1), 8);
	struct wasi_fd *fd = NULL;
	const enum wasi_errno error = file_arg(call, wasi, RIGHT_BIT(R_FD_TELL), &fd);

	if (error)
		return answer(call, error);
	if (!to)
		return answer(call, WASI_EFAULT);
	store_word(to, fd->offset, 8);
	return answer(call, WASI_ESUCCESS);
}

/* --- size --------------------------------------------------------------------------- */

enum call_end
wasi_fd_filestat_set_size(struct call *call, struct wasi *wasi)
{
	const uint64_t bytes = arg64(call, 1);
	struct device_request request;
	struct wasi_fd *fd = NULL;
	const struct key *key;
	enum call_end end;
	const enum wasi_errno error =
		file_arg(call, wasi, RIGHT_BIT(R_FD_FILESTAT_SET_SIZE), &fd);

	if (error)
		return answer(call, error == WASI_ESPIPE ? WASI_EINVAL : error);
	if (bytes > INT64_MAX)
		return answer(call, WASI_EINVAL);
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	key = fd_key(wasi, fd);
	end = simple(call, wasi, file_resize(wasi->state, key, bytes, &request), key, &request,
		"the key is not for writing");
	if (end == CALL_DONE && call->slots[0] == WASI_ESUCCESS)
		inode_touch(call, wasi, key, opening_of(wasi->state, key)->inode, FSTFLAG_MTIM_NOW, 0,
			0);
	return end;
}

enum call_end
wasi_fd_allocate(struct call *call, struct wasi *wasi)
{
	const uint64_t offset = arg64(call, 1), bytes = arg64(call, 2);
	struct device_request request;
	struct wasi_fd *fd = NULL;
	const struct key *key;
	enum call_end end;
	const enum wasi_errno error = file_arg(call, wasi, RIGHT_BIT(R_FD_ALLOCATE), &fd);

	if (error)
		return answer(call, error);
	if (!bytes)
		return answer(call, WASI_EINVAL);
	if (!span_fits(offset, bytes, INT64_MAX))
		return answer(call, WASI_EFBIG);
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	key = fd_key(wasi, fd);
	return simple(call, wasi, file_allocate(wasi->state, key, offset, bytes, &request), key, &request,
		"the key is not for writing");
}

enum call_end
wasi_fd_advise(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd = NULL;
	const enum wasi_errno error = file_arg(call, wasi, RIGHT_BIT(R_FD_ADVISE), &fd);

	/* Taken and not passed on: what a guest means to read is its own affair. */
	if (error)
		return answer(call, error == WASI_EISDIR ? WASI_EBADF : error);
	if (arg(call, 3) > 5 || !span_fits(arg64(call, 1), arg64(call, 2), INT64_MAX))
		return answer(call, WASI_EINVAL);
	return answer(call, WASI_ESUCCESS);
}

/* --- durability ------------------------------------------------------------------------ */

static enum call_end
sync_call(struct call *call, struct wasi *wasi, uint64_t right, uint32_t flags)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	struct device_request request;
	const struct key *key;
	enum call_end end;

	if (!fd)
		return answer(call, WASI_EBADF);
	if (fd_flows(fd) || fd->what == FD_SYNTHETIC)
		return answer(call, WASI_ESUCCESS); /* nothing of theirs is held back */
	if (!(fd->base & right))
		return answer(call, WASI_ENOTCAPABLE);
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	key = fd_key(wasi, fd);
	return simple(call, wasi,
		fd->what == FD_DIRECTORY ? directory_sync(wasi->state, key, flags, &request)
					 : file_sync(wasi->state, key, flags, &request),
		key, &request, "the descriptor has no key");
}

enum call_end
wasi_fd_sync(struct call *call, struct wasi *wasi)
{
	return sync_call(call, wasi, RIGHT_BIT(R_FD_SYNC), 0);
}

enum call_end
wasi_fd_datasync(struct call *call, struct wasi *wasi)
{
	return sync_call(call, wasi, RIGHT_BIT(R_FD_DATASYNC), DEVICE_DATA_ONLY);
}
