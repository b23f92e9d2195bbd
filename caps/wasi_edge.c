/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_edge.c - WasmEdge's socket imports as orders on keys.
 *
 * Its guests name addresses; ours hold keys. sock_connect() tries the rules among
 * the domain's keys in the order of their slots, until one allows the address;
 * sock_listen() looks for a listener whose address is the one bound to. So they
 * reach what they were given, and nothing more: no key, no connection.
 *
 *   sock_open -> FD_UNBOUND -> sock_connect -> FD_SOCKET
 *                           -> sock_bind, sock_listen -> FD_LISTENER
 *
 * wasi->words[0] is the slot being tried. */
#include "caps/wasi_edge.h"

int32_t
edge_key(struct wasi *wasi, uint32_t from, uint32_t kinds)
{
	const struct domain *domain = wasi->domain;

	for (uint32_t i = from; i < domain->slots_count; i++) {
		const struct key *key = &domain->slots[i];
		const struct opening *o =
			kinds >> key->kind & 1 ? opening_of(wasi->state, key) : NULL;

		if (o && !socket_is_connection(o))
			return (int32_t)i;
	}
	return -1;
}

enum call_end
edge_refuse(struct call *call, struct wasi *wasi, struct path what, const char *why,
	const char *allow)
{
	const int32_t synthetic = root_synthetic(wasi->state);

	if (synthetic >= 0)
		root_at(wasi->state, (uint32_t)synthetic)->counts.denied++;
	wasi->denied = true;
	why_say(wasi, WASI_ENOTCAPABLE, &(struct key){0}, what, why, allow, what);
	return answer(call, WASI_ENOTCAPABLE);
}

/* A socket of the guest's, or the errno. */
static enum wasi_errno
socket_at(struct call *call, struct wasi *wasi, struct wasi_fd **ret)
{
	struct wasi_fd *fd = fd_at(wasi, arg(call, 0));

	*ret = fd;
	if (!fd || fd->what == FD_DIRECTORY || fd->what == FD_SYNTHETIC)
		return WASI_EBADF;
	return fd_is_socket(fd) ? WASI_ESUCCESS : WASI_ENOTSOCK;
}

static uint32_t
type_of(struct wasi *wasi, const struct wasi_fd *fd)
{
	return fd_filetype(wasi, fd) == FILETYPE_SOCKET_DGRAM ? EDGE_DATAGRAM : EDGE_STREAM;
}

/* --- opening ------------------------------------------------------------------------------- */

enum call_end
edge_sock_open(struct call *call, struct wasi *wasi)
{
	const uint32_t family = arg(call, 0), type = arg(call, 1);
	uint8_t *to = call_mem(call, arg(call, 2), 4);
	enum call_end end;
	int32_t number;

	if (family != EDGE_INET4 && family != EDGE_INET6)
		return answer(call, WASI_EAFNOSUPPORT);
	if (type > EDGE_STREAM)
		return answer(call, WASI_EINVAL);
	if (!to)
		return answer(call, WASI_EFAULT);
	if (!charge(call, 0))
		return CALL_DRY;
	if (!sock_room(call, wasi, &end))
		return end;
	number = fd_free(wasi);
	wasi->fds[number] = (struct wasi_fd){.what = FD_UNBOUND,
		.slot = WASI_NO_SLOT,
		.base = rights_base(FD_UNBOUND, UINT32_MAX),
		.offset = family | (uint64_t)type << 8};
	store_word(to, (uint32_t)number, 4);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
edge_sock_bind(struct call *call, struct wasi *wasi)
{
	struct edge_address address;
	struct wasi_fd *fd;
	enum wasi_errno error = socket_at(call, wasi, &fd);
	char text[DEVICE_ADDRESS_BYTES];
	uint32_t bytes;
	char *name;

	if (!error && (fd->what != FD_UNBOUND || fd->name))
		error = WASI_EINVAL;
	if (!error)
		error = edge_load(call, arg(call, 1), arg(call, 2), &address);
	if (error)
		return answer(call, error);
	if (!charge(call, 0))
		return CALL_DRY;
	bytes = edge_say(&address, text);
	name = wasi_take(wasi, bytes);
	if (!name)
		return no_space(call, wasi);
	memcpy(name, text, bytes);
	fd->name = name;
	fd->name_bytes = bytes;
	return answer(call, WASI_ESUCCESS);
}

/* --- connecting -------------------------------------------------------------------------------- */

/* The descriptor is over this key from now on. false: no room for it. */
static bool
becomes(struct wasi *wasi, uint32_t number, const struct key *key, enum wasi_what what)
{
	const int slot = domain_slot(wasi->domain, key);
	struct wasi_fd *fd = &wasi->fds[number];

	if (slot < 0)
		return false;
	wasi_give(wasi, fd->name, fd->name_bytes);
	*fd = (struct wasi_fd){.what = (uint8_t)what,
		.flags = fd->flags,
		.slot = slot,
		.base = rights_base(what, key->rights)};
	return true;
}

static enum call_end
connected(struct call *call, struct wasi *wasi, const struct key *rule)
{
	const struct key made = connection_key(wasi->state, rule, call->completion, wasi->domain);

	if (key_is_void(&made))
		return answer(call, WASI_ENOMEM);
	if (!becomes(wasi, arg(call, 0), &made, FD_SOCKET)) {
		opening_end(wasi->state, made.object);
		return answer(call, WASI_ENOMEM);
	}
	return answer(call, WASI_ESUCCESS);
}

static bool
rule_may(struct wasi *wasi, const struct key *key, const struct wasi_fd *fd)
{
	const uint32_t type = (uint32_t)(fd->offset >> 8);

	return type == EDGE_TYPE_ANY || key_is_datagram(wasi, key) == (type == EDGE_DATAGRAM);
}

static enum call_end
connect_to(struct call *call, struct wasi *wasi, const struct wasi_fd *fd,
	const struct edge_address *address)
{
	char text[DEVICE_ADDRESS_BYTES];
	const struct path to = {text, edge_say(address, text)};
	enum call_end end;

	if (!charge(call, PRICE_REQUEST + (uint64_t)PRICE_NAME_BYTE * to.bytes))
		return CALL_DRY;
	if (!fd_room(wasi, DEVICE_ADDRESS_BYTES))
		return no_space(call, wasi);
	for (;; wasi->words[0]++) {
		const int32_t slot = edge_key(wasi, (uint32_t)wasi->words[0], 1u << KIND_socket);
		const struct key *key = slot < 0 ? NULL : &wasi->domain->slots[slot];
		struct device_request request;

		if (!key)
			return edge_refuse(call, wasi, to, "no key allows this address", "--connect ");
		wasi->words[0] = (uint64_t)slot;
		if (!rule_may(wasi, key, fd))
			continue;
		if (!slot_ready(call, wasi, slot, &end))
			return end;
		if (socket_connect(wasi->state, key, to, &request) != RC_OK)
			continue;
		if (!call->completion)
			return call_submit(call, &request);
		if (call->completion->result >= 0)
			return connected(call, wasi, key);
		if (call->completion->result != -DEVICE_ECAPABILITY)
			return device_answer(call, wasi, call->completion->result, key, to);
		call_consume(call);
	}
}

enum call_end
edge_sock_connect(struct call *call, struct wasi *wasi)
{
	struct edge_address address;
	struct wasi_fd *fd;
	enum wasi_errno error = socket_at(call, wasi, &fd);

	if (!error && fd->what != FD_UNBOUND)
		error = WASI_EISCONN;
	if (!error)
		error = edge_load(call, arg(call, 1), arg(call, 2), &address);
	return error ? answer(call, error) : connect_to(call, wasi, fd, &address);
}

/* --- listening ---------------------------------------------------------------------------------- */

static bool
is_zero(const uint8_t *bytes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (bytes[i])
			return false;
	return true;
}

/* A guest that binds to every address, or any port, is content with less. */
static bool
listens_as(const struct edge_address *asked, const struct edge_address *is)
{
	return (!asked->port || asked->port == is->port) &&
		(is_zero(asked->bytes, 16) ||
			(asked->family == is->family && !memcmp(asked->bytes, is->bytes, 16)));
}

enum call_end
edge_sock_listen(struct call *call, struct wasi *wasi)
{
	struct wasi_fd *fd;
	const enum wasi_errno error = socket_at(call, wasi, &fd);
	struct edge_address asked = {0}, is;

	if (error)
		return answer(call, error);
	if (fd->what != FD_UNBOUND)
		return answer(call, fd->what == FD_LISTENER ? WASI_ESUCCESS : WASI_EINVAL);
	if (fd->name)
		(void)edge_read((struct path){fd->name, fd->name_bytes}, true, &asked);
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	for (;; wasi->words[0]++) {
		const int32_t slot = edge_key(wasi, (uint32_t)wasi->words[0], 1u << KIND_listener);
		const struct key *key = slot < 0 ? NULL : &wasi->domain->slots[slot];
		struct device_request request;
		struct key copy;

		if (!key)
			return edge_refuse(call, wasi, (struct path){fd->name, fd->name_bytes},
				"no key listens at this address", "--listen ");
		wasi->words[0] = (uint64_t)slot;
		if (network_address(wasi->state, key, 0, &request) != RC_OK)
			continue;
		if (!call->completion)
			return call_submit(call, &request);
		const bool same = call->completion->result >= 0 &&
			edge_read((struct path){(const char *)call->completion->data,
					  call->completion->data_bytes},
				true, &is) &&
			listens_as(&asked, &is);

		call_consume(call);
		if (!same)
			continue;
		copy = *key;
		return becomes(wasi, arg(call, 0), &copy, FD_LISTENER) ? answer(call, WASI_ESUCCESS)
									: no_space(call, wasi);
	}
}

enum call_end
edge_sock_accept(struct call *call, struct wasi *wasi)
{
	return sock_accept_at(call, wasi, 0, arg(call, 1));
}

/* --- with an address ------------------------------------------------------------------------------ */

/* The other end's, as it was when the connection was made. */
static bool
peer_of(struct wasi *wasi, const struct wasi_fd *fd, struct edge_address *ret)
{
	const struct opening *o = opening_of(wasi->state, fd_key(wasi, fd));

	return o && socket_is_connection(o) && edge_read((struct path){o->path, o->path_bytes}, true, ret);
}

static enum call_end
receive_from(struct call *call, struct wasi *wasi, uint32_t port_at, uint32_t result_at,
	uint32_t flags_at)
{
	struct edge_address peer = {.family = EDGE_INET4};
	struct wasi_fd *fd;
	enum wasi_errno error = socket_at(call, wasi, &fd);

	if (!error && fd->what != FD_SOCKET)
		error = WASI_ENOTCONN;
	if (!error && peer_of(wasi, fd, &peer))
		error = edge_store(call, arg(call, 3), &peer, 0, port_at);
	if (error)
		return answer(call, error);
	return sock_receive_from(call, wasi, arg(call, 4), result_at, flags_at);
}

enum call_end
edge_sock_recv_from(struct call *call, struct wasi *wasi)
{
	return receive_from(call, wasi, 0, arg(call, 5), arg(call, 6));
}

enum call_end
edge_sock_recv_from_2(struct call *call, struct wasi *wasi)
{
	return receive_from(call, wasi, arg(call, 5), arg(call, 6), arg(call, 7));
}

/* Datagrams go over a connection to where they are sent, made when it is another one. */
enum call_end
edge_sock_send_to(struct call *call, struct wasi *wasi)
{
	struct edge_address to, peer;
	struct wasi_fd *fd;
	enum wasi_errno error = socket_at(call, wasi, &fd);
	enum call_end end;

	if (!error)
		error = edge_load(call, arg(call, 3), arg(call, 4), &to);
	if (!error && (arg(call, 5) || fd->what == FD_LISTENER))
		error = WASI_EINVAL;
	if (error)
		return answer(call, error);
	if (fd->what == FD_SOCKET && type_of(wasi, fd) == EDGE_DATAGRAM &&
		!(peer_of(wasi, fd, &peer) && edge_same(&peer, &to))) {
		peeked_free(wasi, fd);
		slot_clear(wasi, fd->slot);
		fd->what = FD_UNBOUND;
		fd->slot = WASI_NO_SLOT;
		fd->offset = to.family | (uint64_t)EDGE_DATAGRAM << 8;
	}
	if (fd->what == FD_UNBOUND) {
		if (type_of(wasi, fd) != EDGE_DATAGRAM)
			return answer(call, WASI_ENOTCONN);
		end = connect_to(call, wasi, fd, &to);
		if (end != CALL_DONE || wasi->fds[arg(call, 0)].what != FD_SOCKET)
			return end;
		call_consume(call);
		wasi->words[0] = 0;
	}
	return write_begin(call, wasi, 6, true);
}

static enum call_end
put_address(struct call *call, struct wasi *wasi, uint32_t flags, uint32_t type_at, uint32_t port_at)
{
	struct edge_address address = {0};
	struct device_request request;
	struct wasi_fd *fd;
	enum wasi_errno error = socket_at(call, wasi, &fd);
	enum rc rc;

	if (!error && flags & DEVICE_PEER && fd->what != FD_SOCKET)
		error = WASI_ENOTCONN;
	if (error)
		return answer(call, error);
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	if (fd->what == FD_UNBOUND) {
		address.family = (uint8_t)fd->offset;
		if (fd->name)
			(void)edge_read((struct path){fd->name, fd->name_bytes}, true, &address);
		return answer(call, edge_store(call, arg(call, 1), &address, type_at, port_at));
	}
	rc = network_address(wasi->state, fd_key(wasi, fd), flags, &request);
	if (rc)
		return refuse(call, wasi, rc, fd_key(wasi, fd), (struct path){0},
			"the descriptor has no key");
	if (!call->completion)
		return call_submit(call, &request);
	if (call->completion->result < 0)
		return answer(call, errno_of_device(call->completion->result));
	if (!edge_read((struct path){(const char *)call->completion->data,
			       call->completion->data_bytes},
		    true, &address))
		return answer(call, WASI_EAFNOSUPPORT);
	return answer(call, edge_store(call, arg(call, 1), &address, type_at, port_at));
}

enum call_end
edge_sock_getlocaladdr(struct call *call, struct wasi *wasi)
{
	return put_address(call, wasi, 0, arg(call, 2), arg(call, 3));
}

enum call_end
edge_sock_getlocaladdr_2(struct call *call, struct wasi *wasi)
{
	return put_address(call, wasi, 0, 0, arg(call, 2));
}

enum call_end
edge_sock_getpeeraddr(struct call *call, struct wasi *wasi)
{
	return put_address(call, wasi, DEVICE_PEER, arg(call, 2), arg(call, 3));
}

enum call_end
edge_sock_getpeeraddr_2(struct call *call, struct wasi *wasi)
{
	return put_address(call, wasi, DEVICE_PEER, 0, arg(call, 2));
}

/* --- options ------------------------------------------------------------------------------------------ */

enum option { OPTION_REUSEADDR, OPTION_TYPE, OPTION_ERROR, OPTION_DONTROUTE, OPTION_BROADCAST,
	OPTION_SNDBUF, OPTION_RCVBUF, OPTION_KEEPALIVE, OPTION_OOBINLINE, OPTION_LINGER,
	OPTION_RCVLOWAT, OPTION_RCVTIMEO, OPTION_SNDTIMEO, OPTION_ACCEPTCONN };

/* What changes nothing that a guest could see may be set; a limit that would not be
 * kept is refused. */
enum call_end
edge_sock_setsockopt(struct call *call, struct wasi *wasi)
{
	const uint32_t allowed = 1u << OPTION_REUSEADDR | 1u << OPTION_SNDBUF | 1u << OPTION_RCVBUF |
		1u << OPTION_KEEPALIVE | 1u << OPTION_BROADCAST;
	const uint32_t name = arg(call, 2);
	struct wasi_fd *fd;
	const enum wasi_errno error = socket_at(call, wasi, &fd);

	if (error)
		return answer(call, error);
	if (!call_mem(call, arg(call, 3), arg(call, 4)))
		return answer(call, WASI_EFAULT);
	if (arg(call, 1) || name > OPTION_ACCEPTCONN || !(allowed >> name & 1))
		return answer(call, WASI_ENOPROTOOPT);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
edge_sock_getsockopt(struct call *call, struct wasi *wasi)
{
	const uint32_t name = arg(call, 2);
	uint8_t *size = call_mem(call, arg(call, 4), 4);
	uint8_t *to = call_mem(call, arg(call, 3), 4);
	struct wasi_fd *fd;
	const enum wasi_errno error = socket_at(call, wasi, &fd);
	uint32_t value;

	if (error)
		return answer(call, error);
	if (!size || !to)
		return answer(call, WASI_EFAULT);
	if (load_word(size, 4) < 4)
		return answer(call, WASI_EINVAL);
	if (arg(call, 1) ||
		(name != OPTION_TYPE && name != OPTION_ERROR && name != OPTION_ACCEPTCONN))
		return answer(call, WASI_ENOPROTOOPT);
	value = name == OPTION_TYPE ? type_of(wasi, fd) : 0;
	if (name == OPTION_ACCEPTCONN)
		value = fd->what == FD_LISTENER;
	store_word(to, value, 4);
	store_word(size, 4, 4);
	return answer(call, WASI_ESUCCESS);
}
