/* SPDX-License-Identifier: Apache-2.0 */
/* kind_stream.c - orders on a key to a stream the host gave: pipe, terminal, file.
 *
 * A stream has no position and no size that its holder can learn, whatever is
 * behind it: so a run does not depend on what was attached. A live stream gives
 * what is there; any other fills the reader's buffer or ends (docs/decisions). */
#include "caps/state.h"

static enum rc
use(struct caps_state *state, const struct key *key, uint32_t rights, enum device_op op,
	struct device_request *ret_request)
{
	struct opening *o;
	const enum rc rc = key_use(state, key, KIND_stream, rights, &o);

	if (rc == RC_OK)
		*ret_request = (struct device_request){
			.op = op, .handle = o->handle, .offset = DEVICE_STREAM};
	return rc;
}

enum rc
stream_read(struct caps_state *state, const struct key *key, uint32_t bytes, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_read, DEVICE_READ, ret_request);

	if (rc == RC_OK) {
		ret_request->bytes = bytes;
		ret_request->flags = flags & DEVICE_NONBLOCK;
	}
	return rc;
}

enum rc
stream_write(struct caps_state *state, const struct key *key, const uint8_t *data, uint32_t bytes,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_write, DEVICE_WRITE, ret_request);

	if (rc == RC_OK) {
		ret_request->data = data;
		ret_request->data_bytes = bytes;
	}
	return rc;
}

static uint32_t
flags_of(struct caps_state *state, const struct key *key)
{
	const struct opening *o = opening_of(state, key);

	return o ? root_at(state, o->root)->flags : 0;
}

bool
stream_is_live(struct caps_state *state, const struct key *key)
{
	return key->kind == KIND_socket || flags_of(state, key) & CAPS_LIVE;
}

bool
stream_is_tty(struct caps_state *state, const struct key *key)
{
	return flags_of(state, key) & CAPS_TTY;
}
