/* SPDX-License-Identifier: Apache-2.0 */
#include "caps/wasi.h"

#include <string.h>

#include "kernel/base/must.h"

enum {
#define WASI(name, sig, key, right) CALL_##name,
#include "caps/wasi.def"
#undef WASI
#define EDGE(function, name, sig, key, right) CALL_EDGE_##function,
#include "caps/wasi_edge.def"
#undef EDGE
	CALL_COUNT
};

const char *
wasi_name(int call_number)
{
	static const char *const names[CALL_COUNT] = {
#define WASI(name, sig, key, right) #name,
#include "caps/wasi.def"
#undef WASI
#define EDGE(function, name, sig, key, right) #name,
#include "caps/wasi_edge.def"
#undef EDGE
	};

	return names[call_number];
}

struct wasi *
wasi_of(const struct domain *domain)
{
	return domain->personality;
}

/* --- the frame of a call ------------------------------------------------------- */

enum { DENIED_CODE = 77, WHY_WORDS = 128 };

/* A call that is over starts the next one with nothing in mind. */
static enum call_end
ended(struct call *call, struct wasi *wasi, enum call_end end)
{
	if (end == CALL_WAIT || end == CALL_DRY || end == CALL_FULL)
		return end;
	wasi->stage = 0;
	memset(wasi->words, 0, sizeof wasi->words);
	wasi->asked = 0;
	if (wasi->denied && wasi->stop_on_denied) {
		wasi->denied_end = true;
		call->code = DENIED_CODE;
		return CALL_EXIT;
	}
	return end;
}

static enum call_end
run(struct call *call, int number, enum call_end (*body)(struct call *, struct wasi *))
{
	struct wasi *wasi = wasi_of(call->domain);

	enum call_end end;

	wasi->call_number = number;
	wasi->denied = false;
	wasi->state->call = call;
	end = body(call, wasi);
	wasi->state->call = NULL;
	return ended(call, wasi, end);
}

#define WASI(name, sig, key, right) \
	static enum call_end run_##name(struct call *call) \
	{ \
		return run(call, CALL_##name, wasi_##name); \
	}
#include "caps/wasi.def"
#undef WASI

#define EDGE(function, name, sig, key, right) \
	static enum call_end run_edge_##function(struct call *call) \
	{ \
		return run(call, CALL_EDGE_##function, edge_##function); \
	}
#include "caps/wasi_edge.def"
#undef EDGE

static const struct import_def wasi_preview1[] = {
#define WASI(name, sig, key, right) {"wasi_snapshot_preview1", #name, sig, run_##name},
#include "caps/wasi.def"
#undef WASI
	{0},
};

static const struct import_def wasi_edge[] = {
#define EDGE(function, name, sig, key, right) \
	{"wasi_snapshot_preview1", #name, sig, run_edge_##function},
#include "caps/wasi_edge.def"
#undef EDGE
	{0},
};

const struct import_def *const wasi_import_tables[] = {wasi_preview1, wasi_edge, NULL};

const struct personality wasi_personality = {
	.make = wasi_make,
	.end = wasi_end,
	.image_write = wasi_image_write,
	.image_read = wasi_image_read,
	.opened = wasi_opened,
};

/* --- answers ------------------------------------------------------------------------ */

enum call_end
answer(struct call *call, enum wasi_errno error)
{
	call->slots[0] = error;
	return CALL_DONE;
}

uint64_t *
progress(struct call *call, uint64_t bytes)
{
	uint64_t *done = &call->domain->progress;

	*done = min_u64(*done, bytes);
	return done;
}

enum call_end
no_space(struct call *call, struct wasi *wasi)
{
	if (!call->domain->stop_when_dry)
		return answer(call, WASI_ENOMEM);
	call->domain->stop.need = wasi->need;
	return CALL_FULL;
}

bool
charge(struct call *call, uint64_t more)
{
	return call_charge(call, add_saturating(PRICE_HOST_CALL, more));
}

enum wasi_errno
errno_of_device(int64_t result)
{
	static const uint8_t map[DEVICE_ERROR_COUNT] = {
		[DEVICE_OK] = WASI_ESUCCESS, [DEVICE_EPERM] = WASI_EPERM,
		[DEVICE_ENOENT] = WASI_ENOENT, [DEVICE_EIO] = WASI_EIO, [DEVICE_EBADF] = WASI_EBADF,
		[DEVICE_EAGAIN] = WASI_EAGAIN, [DEVICE_ENOMEM] = WASI_ENOMEM,
		[DEVICE_EACCES] = WASI_EACCES, [DEVICE_EBUSY] = WASI_EBUSY,
		[DEVICE_EEXIST] = WASI_EEXIST, [DEVICE_EXDEV] = WASI_EXDEV,
		[DEVICE_ENOTDIR] = WASI_ENOTDIR, [DEVICE_EISDIR] = WASI_EISDIR,
		[DEVICE_EINVAL] = WASI_EINVAL, [DEVICE_ENFILE] = WASI_ENFILE,
		[DEVICE_EMFILE] = WASI_EMFILE, [DEVICE_EFBIG] = WASI_EFBIG,
		[DEVICE_ENOSPC] = WASI_ENOSPC, [DEVICE_ESPIPE] = WASI_ESPIPE,
		[DEVICE_EROFS] = WASI_EROFS, [DEVICE_EMLINK] = WASI_EMLINK,
		[DEVICE_EPIPE] = WASI_EPIPE, [DEVICE_ENAMETOOLONG] = WASI_ENAMETOOLONG,
		[DEVICE_ENOTEMPTY] = WASI_ENOTEMPTY, [DEVICE_ELOOP] = WASI_ELOOP,
		[DEVICE_EOVERFLOW] = WASI_EOVERFLOW, [DEVICE_ENOTSUP] = WASI_ENOTSUP,
		[DEVICE_ECANCELED] = WASI_ECANCELED, [DEVICE_ETIMEDOUT] = WASI_ETIMEDOUT,
		[DEVICE_ECONNRESET] = WASI_ECONNRESET, [DEVICE_ENOTCONN] = WASI_ENOTCONN,
		[DEVICE_EDQUOT] = WASI_EDQUOT, [DEVICE_ETXTBSY] = WASI_ETXTBSY,
		[DEVICE_EREVOKED] = WASI_ENOTCAPABLE, [DEVICE_ECAPABILITY] = WASI_ENOTCAPABLE,
		[DEVICE_EUNSUITABLE] = WASI_ENOTCAPABLE, [DEVICE_ECONNREFUSED] = WASI_ECONNREFUSED,
		[DEVICE_ECONNABORTED] = WASI_ECONNABORTED, [DEVICE_EHOSTUNREACH] = WASI_EHOSTUNREACH,
		[DEVICE_ENETUNREACH] = WASI_ENETUNREACH, [DEVICE_EADDRINUSE] = WASI_EADDRINUSE,
		[DEVICE_EADDRNOTAVAIL] = WASI_EADDRNOTAVAIL, [DEVICE_ENONAME] = WASI_ENOENT,
	};

	if (result >= 0)
		return WASI_ESUCCESS;
	return result > -DEVICE_ERROR_COUNT ? (enum wasi_errno)map[-result] : WASI_EIO;
}

static struct root *
root_of(struct wasi *wasi, const struct key *key)
{
	const struct opening *o = opening_of(wasi->state, key);

	return o ? root_at(wasi->state, o->root) : NULL;
}

/* What to give so that it is allowed: the place under the guest's name of the key. */
enum call_end
refuse(struct call *call, struct wasi *wasi, enum rc rc, const struct key *key, struct path path,
	const char *need)
{
	struct root *root = root_of(wasi, key);
	const struct opening *o = opening_of(wasi->state, key);
	const struct path spec = {root ? root->spec : "", root ? (uint32_t)strlen(root->spec) : 0};

	if (rc == RC_GONE && o && o->state == OPENING_GONE) {
		why_say(wasi, errno_of_device(-(int64_t)o->error), key, (struct path){o->path, o->path_bytes},
			"it was open when the image was made and cannot be opened again here",
			o->kind == KIND_socket ? "connect again under "
					       : "resume with the same file in place under ",
			spec);
		return answer(call, errno_of_device(-(int64_t)o->error));
	}
	wasi->denied = true;
	if (root)
		root->counts.denied++;
	if (rc == RC_NO_RIGHT)
		why_say(wasi, WASI_ENOTCAPABLE, key, path, need, "give more than ", spec);
	else if (rc == RC_REVOKED)
		why_say(wasi, WASI_ENOTCAPABLE, key, path, why_revoked(wasi, key), "grant anew: ", spec);
	else
		why_say(wasi, WASI_ENOTCAPABLE, key, path, need, "", (struct path){"", 0});
	return answer(call, WASI_ENOTCAPABLE);
}

/* Why the broker refused an address, if it said so. */
static bool
words_of(const struct call *call, char to[static WHY_WORDS])
{
	const struct device_completion *completion = call->completion;
	const uint64_t bytes = completion ? min_u64(completion->data_bytes, WHY_WORDS - 1) : 0;

	if (bytes)
		memcpy(to, completion->data, (size_t)bytes);
	to[bytes] = 0;
	return bytes;
}

enum call_end
device_answer(struct call *call, struct wasi *wasi, int64_t result, const struct key *key,
	struct path path)
{
	const enum wasi_errno error = errno_of_device(result);
	char words[WHY_WORDS];
	struct root *root = root_of(wasi, key);
	const struct path spec = {root ? root->spec : "", root ? (uint32_t)strlen(root->spec) : 0};

	if (result == -DEVICE_ENOENT && root)
		root->counts.missing++;
	if (error != WASI_ENOTCAPABLE)
		return answer(call, error);
	wasi->denied = true;
	if (root)
		root->counts.denied++;
	if (result == -DEVICE_ECAPABILITY && (key->kind == KIND_socket || key->kind == KIND_resolver))
		why_say(wasi, error, key, path,
			words_of(call, words) ? words : "the key does not allow this address",
			"give a key that allows it, beside ", spec);
	else if (result == -DEVICE_ECAPABILITY)
		why_say(wasi, error, key, path, "the path leads out of what the key gives",
			"grant the directory it leads to: --dir HOST::GUEST, beside ", spec);
	else if (result == -DEVICE_EREVOKED)
		why_say(wasi, error, key, path, "the key was revoked", "grant anew: ", spec);
	else
		why_say(wasi, error, key, path, "it is neither a regular file nor a directory",
			"pass it as a stream, for example --stdin FILE", (struct path){"", 0});
	return answer(call, error);
}

bool
device_answered(struct call *call, struct wasi *wasi, enum rc rc,
	struct device_request *request, const struct key *key, struct path path,
	const char *need, enum call_end *ret_end)
{
	if (rc)
		*ret_end = refuse(call, wasi, rc, key, path, need);
	else if (!call->completion)
		*ret_end = call_submit(call, request);
	else if (call->completion->result < 0)
		*ret_end = device_answer(call, wasi, call->completion->result, key, path);
	else
		return true;
	return false;
}

/* --- the domain's storage -------------------------------------------------------------- */

void *
wasi_take(struct wasi *wasi, uint64_t bytes)
{
	const uint64_t cost = heap_cost(bytes);
	void *block;

	wasi->need = cost;
	if (!bank_take(&wasi->domain->bank, cost))
		return NULL;
	block = heap_take(wasi->state->heap, bytes);
	if (!block) {
		bank_give(&wasi->domain->bank, cost);
		return NULL;
	}
	wasi->charged += cost;
	return block;
}

void
wasi_give(struct wasi *wasi, void *block, uint64_t bytes)
{
	if (!block)
		return;
	heap_give(wasi->state->heap, block, bytes);
	bank_give(&wasi->domain->bank, heap_cost(bytes));
	must(WASI2, wasi->charged >= heap_cost(bytes));
	wasi->charged -= heap_cost(bytes);
}

void *
wasi_resize(struct wasi *wasi, void *block, uint64_t from, uint64_t to)
{
	void *moved = wasi_take(wasi, to);

	if (!moved)
		return NULL;
	if (block)
		memcpy(moved, block, (size_t)min_u64(from, to));
	wasi_give(wasi, block, from);
	return moved;
}
