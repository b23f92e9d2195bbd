/* SPDX-License-Identifier: Apache-2.0 */
/* kind_socket.c - orders on networks: address rules, connections, listeners,
 * resolvers.
 *
 * A socket key has one of two shapes. A *rule* names addresses, and only makes
 * connections to them; a *connection* is a live stream with another end. What
 * an opening's `type` says tells them apart: a connection is DEVICE_TYPE_SOCKET.
 *
 * Rights  make: connect under a rule, narrow it, ask it for addresses; accept at
 *         a listener. read and write pass on to the connections that come of
 *         it. read of a resolver: ask it.
 *
 * A connection has its peer's address as path: so it is below its root, ends
 * with a cut, and an image can say whom it was with. It is never opened again:
 * after a thaw it answers ECONNRESET, as one whose peer is gone. A rule that was
 * narrowed has its pattern as path, and is narrowed again. */
#include "caps/state.h"

#include <string.h>

#include "kernel/base/fits.h"

bool
socket_is_connection(const struct opening *o)
{
	return o->kind == KIND_socket && o->type == DEVICE_TYPE_SOCKET;
}

static enum rc
use(struct caps_state *state, const struct key *key, enum kind_id kind, uint32_t rights,
	enum device_op op, struct device_request *ret_request)
{
	struct opening *o;
	const enum rc rc = key_use(state, key, kind, rights, &o);

	if (rc == RC_OK)
		*ret_request = (struct device_request){
			.op = op, .handle = o->handle, .offset = DEVICE_STREAM};
	return rc;
}

/* Of the shape that the order is for. */
static enum rc
use_shape(struct caps_state *state, const struct key *key, bool connection, uint32_t rights,
	enum device_op op, struct device_request *ret_request)
{
	const struct opening *o = opening_of(state, key);

	if (o && o->kind == KIND_socket && socket_is_connection(o) != connection)
		return RC_WRONG_KIND;
	return use(state, key, KIND_socket, rights, op, ret_request);
}

static enum rc
with_path(enum rc rc, struct path path, struct device_request *ret_request)
{
	if (rc == RC_OK) {
		ret_request->path = path.text;
		ret_request->path_bytes = path.bytes;
	}
	return rc;
}

/* --- rules --------------------------------------------------------------------------- */

enum rc
socket_connect(struct caps_state *state, const struct key *key, struct path to,
	struct device_request *ret_request)
{
	return with_path(use_shape(state, key, false, RIGHT_make, DEVICE_CONNECT, ret_request), to,
		ret_request);
}

enum rc
socket_narrow(struct caps_state *state, const struct key *key, struct path pattern,
	struct device_request *ret_request)
{
	return with_path(use_shape(state, key, false, RIGHT_make, DEVICE_NARROW, ret_request),
		pattern, ret_request);
}

enum rc
network_resolve(struct caps_state *state, const struct key *key, struct path name,
	struct device_request *ret_request)
{
	const enum rc rc = key->kind == KIND_resolver
		? use(state, key, KIND_resolver, RIGHT_read, DEVICE_RESOLVE, ret_request)
		: use_shape(state, key, false, RIGHT_make, DEVICE_RESOLVE, ret_request);

	if (rc == RC_OK)
		ret_request->bytes = NETWORK_ADDRESSES_BYTES;
	return with_path(rc, name, ret_request);
}

/* --- listeners ------------------------------------------------------------------------ */

enum rc
listener_accept(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, KIND_listener, RIGHT_make, DEVICE_ACCEPT, ret_request);

	if (rc == RC_OK)
		ret_request->flags = flags & DEVICE_NONBLOCK;
	return rc;
}

/* --- connections ------------------------------------------------------------------------ */

enum rc
socket_read(struct caps_state *state, const struct key *key, uint32_t bytes, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = use_shape(state, key, true, RIGHT_read, DEVICE_READ, ret_request);

	if (rc == RC_OK) {
		ret_request->bytes = bytes;
		ret_request->flags = flags & DEVICE_NONBLOCK;
	}
	return rc;
}

enum rc
socket_write(struct caps_state *state, const struct key *key, const uint8_t *data, uint32_t bytes,
	uint32_t flags, struct device_request *ret_request)
{
	const enum rc rc = use_shape(state, key, true, RIGHT_write, DEVICE_WRITE, ret_request);

	if (rc == RC_OK) {
		ret_request->data = data;
		ret_request->data_bytes = bytes;
		ret_request->flags = flags & DEVICE_NONBLOCK;
	}
	return rc;
}

enum rc
socket_shutdown(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = use_shape(state, key, true, 0, DEVICE_SHUTDOWN, ret_request);

	if (rc == RC_OK)
		ret_request->flags = flags;
	return rc;
}

enum rc
network_address(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = key->kind == KIND_listener
		? use(state, key, KIND_listener, 0, DEVICE_ADDRESS, ret_request)
		: use_shape(state, key, true, 0, DEVICE_ADDRESS, ret_request);

	if (rc == RC_OK) {
		ret_request->flags = flags & DEVICE_PEER;
		ret_request->bytes = DEVICE_ADDRESS_BYTES;
	}
	return rc;
}

enum rc
network_poll(struct caps_state *state, const struct key *key, uint8_t want, uint32_t *ret_handle)
{
	const bool listens = key->kind == KIND_listener;
	struct device_request request;
	const enum rc rc = listens
		? use(state, key, KIND_listener, RIGHT_make, DEVICE_POLL, &request)
		: use_shape(state, key, true, want & 1 ? RIGHT_read : RIGHT_write, DEVICE_POLL,
			  &request);

	if (rc == RC_OK)
		*ret_handle = request.handle;
	return rc;
}

/* --- what came of it -------------------------------------------------------------------- */

/* A handle that a rule or listener gave, as an opening below the same root and a
 * key under the same grant; a void key: no space, and the handle is closed. */
static struct key
below(struct caps_state *state, const struct key *key, uint32_t handle, uint8_t type,
	uint32_t rights, struct path path, struct domain *payer)
{
	const struct opening *parent = opening_of(state, key);
	const struct opening like = {.root = parent->root,
		.kind = KIND_socket,
		.type = type,
		.handle = handle,
		.path = (char *)(uintptr_t)path.text,
		.path_bytes = path.bytes,
		.payer = payer};
	struct device_request close = {.op = DEVICE_CLOSE, .handle = handle};
	struct key made = *key;

	made.object = opening_new(state, &like, key);
	if (made.object == UINT32_MAX) {
		world_submit_detached(state->world, &close);
		return (struct key){0};
	}
	made.kind = KIND_socket;
	made.generation = state->openings[made.object].generation;
	made.rights = rights;
	return made;
}

struct key
connection_key(struct caps_state *state, const struct key *key,
	const struct device_completion *completion, struct domain *payer)
{
	const struct path peer = {(const char *)completion->data,
		(uint32_t)min_u64(completion->data_bytes, DEVICE_ADDRESS_BYTES)};
	static const struct path nobody = {"?", 1}; /* a unix socket's peer has no name */

	return below(state, key, (uint32_t)completion->result, DEVICE_TYPE_SOCKET,
		(key->rights & (RIGHT_read | RIGHT_write)) | RIGHT_end, peer.bytes ? peer : nobody,
		payer);
}

struct key
narrowed_key(struct caps_state *state, const struct key *key,
	const struct device_completion *completion, struct path pattern, struct domain *payer)
{
	return below(state, key, (uint32_t)completion->result, DEVICE_TYPE_UNKNOWN,
		key->rights | RIGHT_end, pattern, payer);
}
