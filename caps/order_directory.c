/* SPDX-License-Identifier: Apache-2.0 */
/* order_directory.c - orders on a directory through the gate: a path beneath it
 * becomes a key to what lies there. */
#include "caps/order_device.h"
#include "kernel/prices.h"

/* As guests say it (caps/guest.h), and the device's flag. */
enum open_flag {
	OPEN_READ = 1 << 0, OPEN_WRITE = 1 << 1, OPEN_CREATE = 1 << 2, OPEN_EXCLUSIVE = 1 << 3,
	OPEN_TRUNCATE = 1 << 4, OPEN_DIRECTORY = 1 << 5, OPEN_APPEND = 1 << 6, OPEN_FOLLOW = 1 << 7,
	OPEN_ALL = (1 << 8) - 1,
};

static uint32_t
device_flags(uint64_t flags)
{
	static const uint32_t to[] = {DEVICE_FOR_READ, DEVICE_FOR_WRITE, DEVICE_CREATE,
		DEVICE_EXCLUSIVE, DEVICE_TRUNC, DEVICE_DIRECTORY, DEVICE_APPENDING, DEVICE_FOLLOW};
	uint32_t all = 0;

	for (unsigned i = 0; i < sizeof to / sizeof *to; i++)
		if (flags & (UINT64_C(1) << i))
			all |= to[i];
	return all;
}

/* The message's text as a path: relative, without a zero byte. */
static enum rc
path_sent(struct invocation *inv, struct path *ret)
{
	*ret = (struct path){(const char *)inv->in.text, inv->in.text_bytes};
	if (!ret->bytes || ret->bytes > DEVICE_PATH_MAX || ret->text[0] == '/' ||
		memchr(ret->text, 0, ret->bytes))
		return RC_BAD_WORD;
	return RC_OK;
}

/* The path, and the directory is open; else *ret_end. */
static bool
begin(struct invocation *inv, struct path *ret_path, enum order_end *ret_end)
{
	const enum rc rc = path_sent(inv, ret_path);

	if (rc != RC_OK) {
		*ret_end = gate_rc(inv, rc);
		return false;
	}
	return device_ready_for(inv, ret_path->bytes, ret_end);
}

/* --- opening -------------------------------------------------------------------------- */

/* What was opened becomes an opening that the invoker pays for, and a key under
 * the directory's own grant. */
static enum order_end
opened(struct invocation *inv, struct path path, uint32_t flags)
{
	struct caps_state *state = device_state(inv);
	const struct device_completion *completion = inv->call->completion;
	const struct opening *parent = opening_of(state, &inv->key);
	const bool directory = completion->stat.type == DEVICE_TYPE_DIRECTORY;
	char whole[WASI_PATH_MAX];
	struct opening like = {
		.root = parent->root,
		.kind = directory ? KIND_directory : KIND_file,
		.type = completion->stat.type,
		.handle = (uint32_t)completion->result,
		.mode = (flags & ~(uint32_t)(DEVICE_TRUNC | DEVICE_CREATE | DEVICE_EXCLUSIVE)) |
			(directory ? DEVICE_DIRECTORY : 0),
		.inode = completion->stat.inode,
		.path = whole,
		.payer = inv->domain,
	};
	struct device_request close = {.op = DEVICE_CLOSE, .handle = like.handle};
	struct key key = inv->key;

	key.object = path_join((struct path){parent->path, parent->path_bytes}, path, whole,
			     &like.path_bytes)
		? opening_new(state, &like, &inv->key)
		: UINT32_MAX;
	if (key.object == UINT32_MAX) {
		world_submit_detached(inv->world, &close);
		return gate_rc(inv, RC_NO_SPACE);
	}
	key.kind = like.kind;
	key.generation = state->openings[key.object].generation;
	if (!directory)
		key.rights = directory_opened_rights(&inv->key, flags);
	key.rights |= RIGHT_end; /* who opened it may close it */
	return answer_key(inv, key);
}

enum order_end
order_directory_open(struct invocation *inv)
{
	const uint32_t flags = device_flags(inv->in.words[0]);
	struct device_request request;
	struct path path;
	enum order_end end;

	if (inv->in.words[0] & ~(uint64_t)OPEN_ALL || !(flags & (DEVICE_FOR_READ | DEVICE_FOR_WRITE)))
		return gate_rc(inv, RC_BAD_WORD);
	if (!begin(inv, &path, &end))
		return end;
	if (!device_came(inv, directory_open(device_state(inv), &inv->key, path, flags, &request), &request,
		    &end))
		return end;
	return opened(inv, path, flags);
}

/* --- names ------------------------------------------------------------------------------ */

/* The names of the device's records, "." and ".." left out. */
static uint32_t
names_of(const struct device_completion *completion, uint8_t *to)
{
	const uint8_t *at = completion->data, *end = at + completion->data_bytes;
	uint32_t bytes = 0;

	while (end - at >= DEVICE_ENTRY_BYTES) {
		const uint32_t name_bytes = (uint32_t)load_word(at + 8, 4);
		const char *name = (const char *)at + DEVICE_ENTRY_BYTES;

		if (name_bytes > (uint64_t)(end - at) - DEVICE_ENTRY_BYTES)
			break;
		at += DEVICE_ENTRY_BYTES + name_bytes;
		if ((name_bytes == 1 && name[0] == '.') ||
			(name_bytes == 2 && name[0] == '.' && name[1] == '.'))
			continue;
		memcpy(to + bytes, name, name_bytes);
		to[bytes + name_bytes] = 0;
		bytes += name_bytes + 1;
	}
	return bytes;
}

enum order_end
order_directory_list(struct invocation *inv)
{
	uint8_t *text = text_kept(inv->world);
	struct device_request request;
	enum order_end end;
	enum rc rc;

	if (!gate_charge(inv, 2 * PRICE_REQUEST + price_copy(MESSAGE_TEXT_MAX)))
		return ORDER_DRY_GAS;
	if (!device_ready(inv, &end))
		return end;
	rc = directory_list(device_state(inv), &inv->key, inv->in.words[0], &request);
	request.bytes = MESSAGE_TEXT_MAX; /* a name in a record is longer than in the text */
	if (!device_came(inv, rc, &request, &end))
		return end;
	inv->out.words[0] = (uint64_t)inv->call->completion->result;
	return answer_text(inv, text, names_of(inv->call->completion, text));
}

enum order_end
order_directory_stat(struct invocation *inv)
{
	struct device_request request;
	struct path path;
	enum order_end end;

	if (!begin(inv, &path, &end))
		return end;
	if (!device_came(inv, directory_stat_at(device_state(inv), &inv->key, path, 0, &request), &request,
		    &end))
		return end;
	inv->out.words[0] = inv->call->completion->stat.type;
	inv->out.words[1] = inv->call->completion->stat.bytes;
	return gate_rc(inv, RC_OK);
}

static enum order_end
change(struct invocation *inv, enum device_op op)
{
	struct device_request request;
	struct path path;
	enum order_end end;

	if (!begin(inv, &path, &end))
		return end;
	return device_done(inv, directory_change(device_state(inv), &inv->key, op, path, &request),
		&request);
}

enum order_end
order_directory_unlink(struct invocation *inv)
{
	return change(inv, DEVICE_UNLINK);
}

enum order_end
order_directory_mkdir(struct invocation *inv)
{
	return change(inv, DEVICE_MKDIR);
}

enum order_end
order_directory_end(struct invocation *inv)
{
	return device_close(inv);
}
