/* SPDX-License-Identifier: Apache-2.0 */
/* kind_file.c - orders on a key to one regular file.
 *
 * Rights  read: bytes and what it is; write: bytes anywhere, its size, its time
 *         stamps; append: bytes at the end, nothing else. The handle's own mode
 *         is a second wall behind these. */
#include "caps/state.h"

static enum rc
use(struct caps_state *state, const struct key *key, uint32_t rights, enum device_op op,
	struct device_request *ret_request)
{
	struct opening *o;
	const enum rc rc = key_use(state, key, KIND_file, rights, &o);

	if (rc == RC_OK)
		*ret_request = (struct device_request){.op = op, .handle = o->handle};
	return rc;
}

enum rc
file_read(struct caps_state *state, const struct key *key, uint64_t offset, uint32_t bytes,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_read, DEVICE_READ, ret_request);

	if (rc == RC_OK) {
		ret_request->offset = offset;
		ret_request->bytes = bytes;
	}
	return rc;
}

enum rc
file_write(struct caps_state *state, const struct key *key, enum file_where where,
	uint64_t offset, const uint8_t *data, uint32_t bytes, struct device_request *ret_request)
{
	const bool may_append = where == FILE_APPEND && key->rights & RIGHT_append;
	const enum rc rc = use(state, key, may_append ? RIGHT_append : RIGHT_write, DEVICE_WRITE,
		ret_request);

	if (rc == RC_OK) {
		ret_request->offset = offset;
		ret_request->flags = where == FILE_APPEND ? DEVICE_APPENDING : 0;
		ret_request->data = data;
		ret_request->data_bytes = bytes;
	}
	return rc;
}

enum rc
file_sync(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, 0, DEVICE_SYNC, ret_request);

	if (rc == RC_OK)
		ret_request->flags = flags & DEVICE_DATA_ONLY;
	return rc;
}

enum rc
file_resize(struct caps_state *state, const struct key *key, uint64_t bytes,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_write, DEVICE_TRUNCATE, ret_request);

	if (rc == RC_OK)
		ret_request->offset = bytes;
	return rc;
}

enum rc
file_allocate(struct caps_state *state, const struct key *key, uint64_t offset,
	uint64_t bytes, struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_write, DEVICE_ALLOCATE, ret_request);

	if (rc == RC_OK) {
		ret_request->offset = offset;
		ret_request->length = bytes;
	}
	return rc;
}

enum rc
file_stat(struct caps_state *state, const struct key *key, struct device_request *ret_request)
{
	return use(state, key, 0, DEVICE_STAT, ret_request);
}

enum rc
file_times(struct caps_state *state, const struct key *key, uint32_t flags,
	uint64_t access_ns, uint64_t modify_ns, struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_write, DEVICE_TIMES, ret_request);

	if (rc == RC_OK) {
		ret_request->flags = flags;
		ret_request->access_ns = access_ns;
		ret_request->modify_ns = modify_ns;
	}
	return rc;
}
