/* SPDX-License-Identifier: Apache-2.0 */
/* kind_directory.c - orders on a key to a directory, with paths beneath it.
 *
 * Rights  read: list, look, open for reading; write: everything that changes
 *         names or contents; append: open for writing at the end.
 * Never   decides where a path leads: the device walks it beneath the handle and
 *         answers DEVICE_ECAPABILITY when it would leave. */
#include "caps/state.h"

static enum rc
use(struct caps_state *state, const struct key *key, uint32_t rights, enum device_op op,
	struct path path, struct device_request *ret_request)
{
	struct opening *o;
	const enum rc rc = key_use(state, key, KIND_directory, rights, &o);

	if (rc == RC_OK)
		*ret_request = (struct device_request){
			.op = op, .handle = o->handle, .path = path.text, .path_bytes = path.bytes};
	return rc;
}

static const struct path here = {".", 1};

static uint32_t
rights_to_open(const struct key *key, uint32_t flags)
{
	uint32_t rights = flags & DEVICE_FOR_READ ? RIGHT_read : 0;

	if (flags & (DEVICE_CREATE | DEVICE_TRUNC))
		rights |= RIGHT_write;
	if (flags & DEVICE_FOR_WRITE)
		rights |= flags & DEVICE_APPENDING && key->rights & RIGHT_append ? RIGHT_append
										 : RIGHT_write;
	return rights;
}

enum rc
directory_open(struct caps_state *state, const struct key *key, struct path path,
	uint32_t flags, struct device_request *ret_request)
{
	const enum rc rc =
		use(state, key, rights_to_open(key, flags), DEVICE_OPEN, path, ret_request);

	if (rc == RC_OK)
		ret_request->flags = flags;
	return rc;
}

uint32_t
directory_opened_rights(const struct key *key, uint32_t flags)
{
	uint32_t rights = key->rights;

	if (!(flags & DEVICE_FOR_READ))
		rights &= ~(uint32_t)RIGHT_read;
	if (!(flags & DEVICE_FOR_WRITE))
		rights &= ~(uint32_t)RIGHT_append;
	return rights; /* write stays: time stamps and sizes are the handle's mode's affair */
}

enum rc
directory_list(struct caps_state *state, const struct key *key, uint64_t first,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_read, DEVICE_LIST, (struct path){0}, ret_request);

	if (rc == RC_OK) {
		ret_request->offset = first;
		ret_request->bytes = DEVICE_PIECE_BYTES;
	}
	return rc;
}

enum rc
directory_stat(struct caps_state *state, const struct key *key, struct device_request *ret_request)
{
	return use(state, key, 0, DEVICE_STAT_AT, here, ret_request);
}

enum rc
directory_sync(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request)
{
	const enum rc rc = use(state, key, 0, DEVICE_SYNC, (struct path){0}, ret_request);

	if (rc == RC_OK)
		ret_request->flags = flags & DEVICE_DATA_ONLY;
	return rc;
}

enum rc
directory_stat_at(struct caps_state *state, const struct key *key, struct path path,
	uint32_t flags, struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_read, DEVICE_STAT_AT, path, ret_request);

	if (rc == RC_OK)
		ret_request->flags = flags & DEVICE_FOLLOW;
	return rc;
}

enum rc
directory_times(struct caps_state *state, const struct key *key, struct path path,
	uint32_t flags, uint64_t access_ns, uint64_t modify_ns, struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_write, DEVICE_TIMES_AT, path, ret_request);

	if (rc == RC_OK) {
		ret_request->flags = flags;
		ret_request->access_ns = access_ns;
		ret_request->modify_ns = modify_ns;
	}
	return rc;
}

enum rc
directory_readlink(struct caps_state *state, const struct key *key, struct path path,
	uint32_t bytes, struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_read, DEVICE_READLINK, path, ret_request);

	if (rc == RC_OK)
		ret_request->bytes = bytes;
	return rc;
}

enum rc
directory_change(struct caps_state *state, const struct key *key, enum device_op op,
	struct path path, struct device_request *ret_request)
{
	return use(state, key, RIGHT_write, op, path, ret_request);
}

enum rc
directory_symlink(struct caps_state *state, const struct key *key, struct path path,
	struct path says, struct device_request *ret_request)
{
	const enum rc rc = use(state, key, RIGHT_write, DEVICE_SYMLINK, path, ret_request);

	if (rc == RC_OK) {
		ret_request->path2 = says.text;
		ret_request->path2_bytes = says.bytes;
	}
	return rc;
}

enum rc
directory_two(struct caps_state *state, enum device_op op, const struct key *from,
	struct path path, const struct key *to, struct path path2, struct device_request *ret_request)
{
	struct device_request second;
	enum rc rc = use(state, to, RIGHT_write, op, path2, &second);

	if (rc == RC_OK)
		rc = use(state, from, RIGHT_write, op, path, ret_request);
	if (rc != RC_OK)
		return rc;
	if (opening_of(state, from)->root != opening_of(state, to)->root)
		return RC_BAD_WORD;
	ret_request->handle2 = second.handle;
	ret_request->path2 = second.path;
	ret_request->path2_bytes = second.path_bytes;
	return RC_OK;
}
