/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_file.c - bytes in and out of descriptors, and where they stand.
 *
 * Long transfers go in pieces; domain->progress says how many bytes are done,
 * and the descriptor's offset moves when the whole call does. A call is charged
 * for each 128 KiB it begins of what the guest asked for: so its gas depends on
 * what was asked and got, never on how the outside cut it.
 *
 * A read of a stream that is not live fills its buffers or meets the end, as
 * one of a file does: a pipe and a file with the same bytes are the same run.
 * Once met, the end stays: a terminal would go on after it. */
#include "caps/wasi.h"
#include "caps/wasi_vectors.h"

/* --- reading ---------------------------------------------------------------------- */

static enum rc
order_read(struct wasi *wasi, const struct wasi_fd *fd, const struct key *key, uint64_t offset,
	uint32_t bytes, struct device_request *ret_request)
{
	const bool now = fd->flags & FDFLAG_NONBLOCK && stream_is_live(wasi->state, key);

	if (key->kind == KIND_stream)
		return stream_read(wasi->state, key, bytes, now ? DEVICE_NONBLOCK : 0, ret_request);
	if (key->kind == KIND_entropy)
		return entropy_ask(wasi->state, key, bytes, ret_request);
	return file_read(wasi->state, key, offset, bytes, ret_request);
}

static enum call_end
read_done(struct call *call, struct wasi_fd *fd, uint32_t result_at, bool own)
{
	const uint64_t done = call->domain->progress;

	if (own)
		fd->offset += done;
	store_word(call_mem(call, result_at, 4), done, 4);
	return answer(call, WASI_ESUCCESS);
}

/* A key to seeded bytes in the place of a stream: no request is needed. */
static enum call_end
read_drawn(struct call *call, struct wasi *wasi, const struct key *key,
	const struct vectors *vectors)
{
	const uint64_t done = call->domain->progress;
	const uint32_t bytes =
		(uint32_t)min_u64(piece_bytes(vectors, done), bytes_left_of(wasi, key));

	bytes_passed(wasi, key, bytes);
	entropy_draw(wasi->state, key, wasi->drawn, wasi->state->piece, bytes);
	vectors_copy(vectors, COPY_TO_GUEST, done, wasi->state->piece, bytes);
	wasi->drawn += bytes;
	call->domain->progress += bytes;
	return CALL_DONE;
}

static enum call_end
read_pieces(struct call *call, struct wasi *wasi, struct wasi_fd *fd,
	const struct vectors *vectors, uint64_t offset, uint32_t result_at, bool own)
{
	const struct key *key = fd_key(wasi, fd);
	uint64_t *done = progress(call, vectors->bytes);
	bool real = true;

	for (;;) {
		struct device_request request;
		const enum rc rc = order_read(wasi, fd, key, offset + *done,
			piece_bytes(vectors, *done), &request);

		if (rc)
			return refuse(call, wasi, rc, key, (struct path){0}, "the key is not for reading");
		if (call->completion) {
			const int64_t result = call->completion->result;
			const uint64_t got = min_u64(bytes_left_of(wasi, key),
				min_u64(call->completion->data_bytes, request.bytes));

			if (result < 0 && *done)
				return read_done(call, fd, result_at, own);
			if (result < 0)
				return device_answer(call, wasi, result, key, (struct path){0});
			/* The device's buffer is only read, but the copy goes both ways. */
			vectors_copy(vectors, COPY_TO_GUEST, *done,
				(uint8_t *)(uintptr_t)call->completion->data, got);
			*done += got;
			bytes_passed(wasi, key, got);
			fd_root(wasi, fd)->counts.read += got;
			call_consume(call);
			if (!got && key->kind == KIND_stream && !stream_is_live(wasi->state, key))
				fd->offset = STREAM_ENDED;
			if (!got || stream_is_live(wasi->state, key))
				return read_done(call, fd, result_at, own);
		}
		if (*done == vectors->bytes || (fd->what == FD_STREAM && fd->offset == STREAM_ENDED))
			return read_done(call, fd, result_at, own);
		if (!bytes_left_of(wasi, key))
			return *done ? read_done(call, fd, result_at, own)
				     : refuse(call, wasi, RC_REVOKED, key, (struct path){0}, "");
		if (!charge_transfer(call, vectors, *done))
			return CALL_DRY;
		if (key->kind == KIND_entropy)
			(void)entropy_check(wasi->state, key, &real);
		if (real) {
			(void)order_read(wasi, fd, key, offset + *done, piece_bytes(vectors, *done),
				&request);
			request.bytes = (uint32_t)min_u64(request.bytes, bytes_left_of(wasi, key));
			return call_submit(call, &request);
		}
		(void)read_drawn(call, wasi, key, vectors);
	}
}

static enum call_end
read_call(struct call *call, struct wasi *wasi, uint32_t result_index, bool own)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	const uint32_t result_at = arg(call, result_index);
	struct vectors vectors;
	enum wasi_errno error;
	enum call_end end;

	if (!fd)
		return answer(call, WASI_EBADF);
	if (fd->what == FD_DIRECTORY || fd->what == FD_SYNTHETIC)
		return answer(call, WASI_EISDIR);
	if (!own && fd_flows(fd))
		return answer(call, WASI_ESPIPE);
	if (fd_is_socket(fd))
		return sock_receive(call, wasi, result_index);
	if (!(fd->base & RIGHT_BIT(R_FD_READ)) || (!own && !(fd->base & RIGHT_BIT(R_FD_SEEK))))
		return answer(call, WASI_ENOTCAPABLE);
	error = vectors_check(call, arg(call, 1), arg(call, 2), result_at, &vectors);
	if (error)
		return answer(call, error);

	const uint64_t offset = own ? fd->offset : arg64(call, 3);

	if (!span_fits(offset, vectors.bytes, INT64_MAX))
		return answer(call, WASI_EINVAL);
	if (!slot_ready(call, wasi, fd->slot, &end))
		return end;
	return read_pieces(call, wasi, fd, &vectors, offset, result_at, own && fd->what == FD_FILE);
}

enum call_end
wasi_fd_read(struct call *call, struct wasi *wasi)
{
	return read_call(call, wasi, 3, true);
}

enum call_end
wasi_fd_pread(struct call *call, struct wasi *wasi)
{
	return read_call(call, wasi, 4, false);
}

/* --- writing ------------------------------------------------------------------------ */

/* Stages of a write: where the end is (append), the pieces, what syncs them. */
enum write_stage { WRITE_FIRST, WRITE_PIECES, WRITE_SYNC };

struct write {
	struct wasi_fd *fd;
	const struct key *key;
	struct vectors vectors;
	uint64_t offset; /* where it begins, unless at the end */
	uint32_t result_at;
	bool own, append; /* moves the descriptor's offset; at the file's end */
};

static enum call_end
write_refused(struct call *call, struct wasi *wasi, enum rc rc, const struct key *key)
{
	return refuse(call, wasi, rc, key, (struct path){0}, "the key is not for writing");
}

static enum call_end
write_done(struct call *call, struct wasi *wasi, const struct write *write)
{
	const uint64_t done = call->domain->progress;
	const struct opening *o = opening_of(wasi->state, write->key);

	if (write->own)
		write->fd->offset = (write->append ? wasi->words[0] : write->offset) + done;
	if (done && write->fd->what == FD_FILE)
		inode_touch(call, wasi, write->key, o->inode, FSTFLAG_MTIM_NOW, 0, 0);
	store_word(call_mem(call, write->result_at, 4), done, 4);
	return answer(call, WASI_ESUCCESS);
}

static enum call_end
write_sync(struct call *call, struct wasi *wasi, const struct write *write)
{
	struct device_request request;
	enum rc rc;

	if (write->fd->what != FD_FILE || !(write->fd->flags & (FDFLAG_SYNC | FDFLAG_DSYNC)) ||
		!call->domain->progress)
		return write_done(call, wasi, write);
	rc = file_sync(wasi->state, write->key,
		write->fd->flags & FDFLAG_SYNC ? 0 : DEVICE_DATA_ONLY, &request);
	if (rc)
		return write_refused(call, wasi, rc, write->key);
	wasi->stage = WRITE_SYNC;
	if (!call->completion)
		return call_submit(call, &request);
	if (call->completion->result < 0)
		return device_answer(call, wasi, call->completion->result, write->key, (struct path){0});
	return write_done(call, wasi, write);
}

/* Where the file ends now; the handle itself may not be one that appends. */
static enum call_end
write_end_of_file(struct call *call, struct wasi *wasi, const struct write *write)
{
	struct device_request request;
	const enum rc rc = file_stat(wasi->state, write->key, &request);

	if (rc)
		return write_refused(call, wasi, rc, write->key);
	if (!call->completion)
		return call_submit(call, &request);
	if (call->completion->result < 0)
		return device_answer(call, wasi, call->completion->result, write->key, (struct path){0});
	wasi->words[0] = call->completion->stat.bytes;
	wasi->stage = WRITE_PIECES;
	call_consume(call);
	return CALL_DONE;
}

static enum rc
order_write(struct wasi *wasi, const struct write *write, uint64_t done, const uint8_t *data,
	uint32_t bytes, struct device_request *ret_request)
{
	if (write->key->kind == KIND_socket)
		return socket_write(wasi->state, write->key, data, bytes,
			write->fd->flags & FDFLAG_NONBLOCK ? DEVICE_NONBLOCK : 0, ret_request);
	if (write->key->kind == KIND_stream)
		return stream_write(wasi->state, write->key, data, bytes, ret_request);
	return file_write(wasi->state, write->key, write->append ? FILE_APPEND : FILE_AT,
		(write->append ? wasi->words[0] : write->offset) + done, data, bytes, ret_request);
}

static enum call_end
write_pieces(struct call *call, struct wasi *wasi, const struct write *write)
{
	uint64_t *done = progress(call, write->vectors.bytes);
	struct device_request request;
	enum rc rc = order_write(wasi, write, *done, NULL, 0, &request);
	uint32_t bytes;

	if (rc)
		return write_refused(call, wasi, rc, write->key);
	if (call->completion) {
		const int64_t result = call->completion->result;

		if (result < 0 && !*done)
			return device_answer(call, wasi, result, write->key, (struct path){0});
		if (result > 0) {
			const uint64_t put =
				min_u64((uint64_t)result, piece_bytes(&write->vectors, *done));

			*done += put;
			bytes_passed(wasi, write->key, put);
			fd_root(wasi, write->fd)->counts.written += put;
		}
		call_consume(call);
		if (result <= 0)
			return write_sync(call, wasi, write);
	}
	if (*done == write->vectors.bytes)
		return write_sync(call, wasi, write);
	if (!bytes_left_of(wasi, write->key))
		return *done ? write_sync(call, wasi, write)
			     : write_refused(call, wasi, RC_REVOKED, write->key);
	if (!charge_transfer(call, &write->vectors, *done))
		return CALL_DRY;
	bytes = (uint32_t)min_u64(
		piece_bytes(&write->vectors, *done), bytes_left_of(wasi, write->key));
	(void)order_write(wasi, write, *done, vectors_gather(&write->vectors, wasi, *done, bytes), bytes,
		&request);
	return call_submit(call, &request);
}

static enum call_end
write_call(struct call *call, struct wasi *wasi, struct write *write)
{
	enum call_end end;

	if (!slot_ready(call, wasi, write->fd->slot, &end))
		return end;
	if (wasi->stage == WRITE_FIRST && write->append && write->vectors.bytes) {
		if (!charge_transfer(call, &write->vectors, 0))
			return CALL_DRY;
		end = write_end_of_file(call, wasi, write);
		if (wasi->stage == WRITE_FIRST)
			return end;
	}
	if (write->append && !span_fits(wasi->words[0], write->vectors.bytes, INT64_MAX))
		return answer(call, WASI_EFBIG);
	return wasi->stage == WRITE_SYNC ? write_sync(call, wasi, write)
					 : write_pieces(call, wasi, write);
}

enum call_end
write_begin(struct call *call, struct wasi *wasi, uint32_t result_index, bool own)
{
	struct write write = {.fd = fd_at(wasi, arg(call, 0)), .result_at = arg(call, result_index)};
	const struct wasi_fd *fd = write.fd;
	enum wasi_errno error;

	if (!fd)
		return answer(call, WASI_EBADF);
	if (fd->what == FD_DIRECTORY || fd->what == FD_SYNTHETIC)
		return answer(call, WASI_EISDIR);
	if (!own && fd_flows(fd))
		return answer(call, WASI_ESPIPE);
	if (fd->what == FD_LISTENER || fd->what == FD_UNBOUND)
		return answer(call, WASI_ENOTCONN);
	if (!(fd->base & RIGHT_BIT(R_FD_WRITE)) || (!own && !(fd->base & RIGHT_BIT(R_FD_SEEK))))
		return answer(call, WASI_ENOTCAPABLE);
	error = vectors_check(call, arg(call, 1), arg(call, 2), write.result_at, &write.vectors);
	if (error)
		return answer(call, error);
	write.key = fd_key(wasi, fd);
	write.own = own && fd->what == FD_FILE;
	write.append = write.own && fd->flags & FDFLAG_APPEND;
	write.offset = own ? fd->offset : arg64(call, 3);
	if (!span_fits(write.offset, write.vectors.bytes, INT64_MAX))
		return answer(call, own ? WASI_EFBIG : WASI_EINVAL);
	return write_call(call, wasi, &write);
}

enum call_end
wasi_fd_write(struct call *call, struct wasi *wasi)
{
	return write_begin(call, wasi, 3, true);
}

enum call_end
wasi_fd_pwrite(struct call *call, struct wasi *wasi)
{
	return write_begin(call, wasi, 4, false);
}
