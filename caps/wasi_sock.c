/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_sock.c - sockets of preview 1: connections are accepted at descriptors that
 * were there from the start, received from, sent to, shut down.
 *
 * A read takes what is there, or waits for the next that comes. RECV_PEEK keeps
 * what it took in a buffer of the descriptor's, which the next read empties: the
 * ring can only READ. A datagram is read whole, so what of it did not fit can be
 * told (RECV_DATA_TRUNCATED) and is dropped. */
#include "caps/wasi_edge.h"
#include "caps/wasi_vectors.h"

enum { RECV_PEEK = 1, RECV_WAITALL = 2, RECV_TRUNCATED = 1, SHUT_READ = 1, SHUT_WRITE = 2,
	DATAGRAM_BYTES = 64 << 10 };

bool
key_is_datagram(struct wasi *wasi, const struct key *key)
{
	const struct opening *o = opening_of(wasi->state, key);

	return o && root_at(wasi->state, o->root)->flags & CAPS_DATAGRAM;
}

void
peeked_free(struct wasi *wasi, struct wasi_fd *fd)
{
	wasi_give(wasi, fd->peeked, sizeof *fd->peeked);
	fd->peeked = NULL;
}

/* --- accepting ------------------------------------------------------------------------ */

int32_t
sock_keep(struct wasi *wasi, const struct key *key, const struct device_completion *completion)
{
	const struct key made = connection_key(wasi->state, key, completion, wasi->domain);
	int32_t number;

	if (key_is_void(&made))
		return -1;
	number = fd_over_key(wasi, &made, FD_SOCKET);
	if (number < 0)
		opening_end(wasi->state, made.object);
	return number;
}

bool
sock_room(struct call *call, struct wasi *wasi, enum call_end *ret_end)
{
	if (fd_free(wasi) < 0)
		*ret_end = wasi->fds_count == WASI_FDS_MAX ? answer(call, WASI_EMFILE)
							   : no_space(call, wasi);
	else if (!fd_room(wasi, DEVICE_ADDRESS_BYTES))
		*ret_end = no_space(call, wasi);
	else
		return true;
	return false;
}

static enum call_end
not_a_socket(struct call *call, const struct wasi_fd *fd)
{
	const bool open = fd && fd->what != FD_DIRECTORY && fd->what != FD_SYNTHETIC;

	return answer(call, open ? WASI_ENOTSOCK : WASI_EBADF);
}

enum call_end
sock_accept_at(struct call *call, struct wasi *wasi, uint32_t fdflags, uint32_t result_at)
{
	const struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	struct device_request request;
	const struct key *key;
	enum call_end end;
	int32_t number;
	enum rc rc;

	if (!fd || !fd_is_socket(fd))
		return not_a_socket(call, fd);
	if (fd->what != FD_LISTENER || fdflags & ~(uint32_t)FDFLAG_NONBLOCK)
		return answer(call, WASI_EINVAL);
	if (!call_mem(call, result_at, 4))
		return answer(call, WASI_EFAULT);
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	if (!sock_room(call, wasi, &end))
		return end;
	key = fd_key(wasi, fd = fd_at(wasi, arg(call, 0)));
	rc = listener_accept(wasi->state, key, fd->flags & FDFLAG_NONBLOCK ? DEVICE_NONBLOCK : 0,
		&request);
	if (!device_answered(call, wasi, rc, &request, key, (struct path){0},
		    "the key is not for accepting", &end))
		return end;
	number = sock_keep(wasi, key, call->completion);
	if (number < 0)
		return answer(call, WASI_ENOMEM);
	wasi->fds[number].flags = (uint16_t)fdflags;
	store_word(call_mem(call, result_at, 4), (uint32_t)number, 4);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_sock_accept(struct call *call, struct wasi *wasi)
{
	return sock_accept_at(call, wasi, arg(call, 1), arg(call, 2));
}

/* --- receiving ------------------------------------------------------------------------- */

struct receive {
	struct call *call;
	struct wasi *wasi;
	struct wasi_fd *fd;
	const struct key *key;
	struct vectors vectors;
	uint32_t flags, result_at, flags_at; /* flags_at: 0 where no flags are told */
	bool told;      /* flags are */
	bool truncated; /* a datagram did not fit */
};

static enum call_end
received(const struct receive *r)
{
	store_word(call_mem(r->call, r->result_at, 4), r->call->domain->progress, 4);
	if (r->told)
		store_word(call_mem(r->call, r->flags_at, 2), r->truncated ? RECV_TRUNCATED : 0, 2);
	return answer(r->call, WASI_ESUCCESS);
}

/* What an earlier look left, to the guest. */
static void
take_peeked(struct receive *r, uint64_t *done)
{
	struct peeked *peeked = r->fd->peeked;
	const uint64_t here = min_u64(r->vectors.bytes - *done, peeked->end - peeked->at);

	vectors_copy(&r->vectors, COPY_TO_GUEST, *done, peeked->bytes + peeked->at, here);
	*done += here;
	if (r->flags & RECV_PEEK)
		return;
	peeked->at += (uint32_t)here;
	if (key_is_datagram(r->wasi, r->key)) {
		r->truncated = peeked->at < peeked->end;
		peeked->at = peeked->end;
	}
}

/* What came, to the guest or first into the buffer; how much of it goes on. */
static void
take_come(struct receive *r, uint64_t *done)
{
	const struct device_completion *completion = r->call->completion;
	uint64_t got = min_u64(bytes_left_of(r->wasi, r->key), completion->data_bytes);

	bytes_passed(r->wasi, r->key, got);
	fd_root(r->wasi, r->fd)->counts.read += got;
	if (r->flags & RECV_PEEK) {
		got = min_u64(got, PEEK_BYTES);
		r->fd->peeked->at = 0;
		r->fd->peeked->end = (uint32_t)got;
		if (got)
			memcpy(r->fd->peeked->bytes, completion->data, (size_t)got);
		take_peeked(r, done);
		return;
	}
	r->truncated = got > r->vectors.bytes - *done;
	got = min_u64(got, r->vectors.bytes - *done);
	/* The device's buffer is only read, but the copy goes both ways. */
	vectors_copy(&r->vectors, COPY_TO_GUEST, *done, (uint8_t *)(uintptr_t)completion->data, got);
	*done += got;
}

static uint32_t
bytes_to_ask(const struct receive *r, uint64_t done)
{
	if (key_is_datagram(r->wasi, r->key))
		return DATAGRAM_BYTES;
	return r->flags & RECV_PEEK ? PEEK_BYTES : piece_bytes(&r->vectors, done);
}

static enum call_end
receive(struct receive *r)
{
	struct wasi *wasi = r->wasi;
	struct call *call = r->call;
	uint64_t *done = progress(call, r->vectors.bytes);
	const bool all = r->flags & RECV_WAITALL && !(r->flags & RECV_PEEK);
	struct device_request request;
	enum rc rc;

	for (;;) {
		rc = socket_read(wasi->state, r->key, bytes_to_ask(r, *done),
			r->fd->flags & FDFLAG_NONBLOCK ? DEVICE_NONBLOCK : 0, &request);
		if (rc)
			return refuse(call, wasi, rc, r->key, (struct path){0},
				"the key is not for reading");
		if (call->completion) {
			const int64_t result = call->completion->result;

			if (result < 0 && *done)
				return received(r);
			if (result < 0)
				return device_answer(call, wasi, result, r->key, (struct path){0});
			take_come(r, done);
			call_consume(call);
			if (!result || !all)
				return received(r);
		} else if (r->fd->peeked && r->fd->peeked->at < r->fd->peeked->end) {
			take_peeked(r, done);
			if (!all)
				return received(r);
		}
		if (*done == r->vectors.bytes)
			return received(r);
		if (!bytes_left_of(wasi, r->key))
			return *done ? received(r)
				     : refuse(call, wasi, RC_REVOKED, r->key, (struct path){0}, "");
		if (!charge_transfer(call, &r->vectors, *done))
			return CALL_DRY;
		request.bytes = (uint32_t)min_u64(bytes_to_ask(r, *done), bytes_left_of(wasi, r->key));
		return call_submit(call, &request);
	}
}

static enum call_end
receive_begin(struct receive *r)
{
	struct wasi *wasi = r->wasi;
	struct call *call = r->call;
	enum wasi_errno error;

	r->fd = fd_at(wasi, arg(call, 0));
	if (!r->fd || !fd_is_socket(r->fd))
		return not_a_socket(call, r->fd);
	if (r->fd->what != FD_SOCKET)
		return answer(call, WASI_ENOTCONN);
	if (!(r->fd->base & RIGHT_BIT(R_FD_READ)))
		return answer(call, WASI_ENOTCAPABLE);
	if (r->flags & ~(uint32_t)(RECV_PEEK | RECV_WAITALL))
		return answer(call, WASI_EINVAL);
	error = vectors_check(call, arg(call, 1), arg(call, 2), r->result_at, &r->vectors);
	if (!error && r->told && !call_mem(call, r->flags_at, 2))
		error = WASI_EFAULT;
	if (error)
		return answer(call, error);
	if (r->flags & RECV_PEEK && !r->fd->peeked &&
		!(r->fd->peeked = wasi_take(wasi, sizeof *r->fd->peeked)))
		return no_space(call, wasi);
	if (!charge(call, 0))
		return CALL_DRY;
	r->key = fd_key(wasi, r->fd);
	return receive(r);
}

enum call_end
sock_receive(struct call *call, struct wasi *wasi, uint32_t result_index)
{
	struct receive r = {.call = call, .wasi = wasi, .result_at = arg(call, result_index)};

	return receive_begin(&r);
}

enum call_end
sock_receive_from(struct call *call, struct wasi *wasi, uint32_t flags, uint32_t result_at,
	uint32_t flags_at)
{
	struct receive r = {.call = call, .wasi = wasi, .flags = flags, .result_at = result_at,
		.flags_at = flags_at, .told = true};

	return receive_begin(&r);
}

enum call_end
wasi_sock_recv(struct call *call, struct wasi *wasi)
{
	return sock_receive_from(call, wasi, arg(call, 3), arg(call, 4), arg(call, 5));
}

/* --- sending, and the end ------------------------------------------------------------------ */

enum call_end
wasi_sock_send(struct call *call, struct wasi *wasi)
{
	const struct wasi_fd *fd = fd_at(wasi, arg(call, 0));

	if (!fd || !fd_is_socket(fd))
		return not_a_socket(call, fd);
	if (arg(call, 3))
		return answer(call, WASI_EINVAL);
	return write_begin(call, wasi, 4, true);
}

enum call_end
wasi_sock_shutdown(struct call *call, struct wasi *wasi)
{
	const struct wasi_fd *fd = fd_at(wasi, arg(call, 0));
	const uint32_t ways = arg(call, 1);
	struct device_request request;
	enum call_end end;
	const struct key *key;
	enum rc rc;

	if (!fd || !fd_is_socket(fd))
		return not_a_socket(call, fd);
	if (!ways || ways & ~(uint32_t)(SHUT_READ | SHUT_WRITE))
		return answer(call, WASI_EINVAL);
	if (fd->what != FD_SOCKET)
		return answer(call, WASI_ENOTCONN);
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	key = fd_key(wasi, fd);
	rc = socket_shutdown(wasi->state, key,
		(ways & SHUT_READ ? DEVICE_SHUT_READ : 0) |
			(ways & SHUT_WRITE ? DEVICE_SHUT_WRITE : 0),
		&request);
	if (!device_answered(call, wasi, rc, &request, key, (struct path){0},
		    "the descriptor has no key", &end))
		return end;
	return answer(call, WASI_ESUCCESS);
}
