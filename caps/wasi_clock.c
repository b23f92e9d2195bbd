/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_clock.c - telling the time, random bytes.
 *
 * The virtual clock is the domain's own line: 10 gas are a nanosecond, and what
 * pure sleeps skipped is added. It begins at 0, which is also 1970. The two
 * clocks of processor time are always virtual and skip nothing. */
#include "caps/wasi.h"

static uint64_t
used_ns(struct call *call)
{
	return call_used(call) / WASI_GAS_PER_NS;
}

uint64_t
clock_virtual(struct call *call, const struct wasi *wasi)
{
	return add_saturating(used_ns(call), wasi->jumped_ns);
}

static const struct key *
slot_key(const struct wasi *wasi, int32_t slot)
{
	static const struct key none;

	return slot == WASI_NO_SLOT ? &none : &wasi->domain->slots[slot];
}

static enum call_end
no_clock(struct call *call, struct wasi *wasi, enum rc rc, const struct key *key)
{
	return refuse(call, wasi, rc, key, (struct path){0},
		"no clock was given; --clock virtual or --clock real gives one");
}

enum call_end
wasi_clock_res_get(struct call *call, struct wasi *wasi)
{
	const struct key *key = slot_key(wasi, wasi->clock_slot);
	uint8_t *to = call_mem(call, arg(call, 1), 8);
	bool real;
	enum rc rc;

	if (arg(call, 0) > CLOCKID_THREAD)
		return answer(call, WASI_EINVAL);
	if (!to)
		return answer(call, WASI_EFAULT);
	rc = clock_check(wasi->state, key, RIGHT_read, &real);
	if (rc)
		return no_clock(call, wasi, rc, key);
	store_word(to, 1, 8);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_clock_time_get(struct call *call, struct wasi *wasi)
{
	const struct key *key = slot_key(wasi, wasi->clock_slot);
	const uint32_t id = arg(call, 0);
	uint8_t *to = call_mem(call, arg(call, 2), 8);
	struct device_request request;
	bool real;
	enum rc rc;

	if (id > CLOCKID_THREAD)
		return answer(call, WASI_EINVAL);
	if (!to)
		return answer(call, WASI_EFAULT);
	rc = clock_check(wasi->state, key, RIGHT_read, &real);
	if (rc)
		return no_clock(call, wasi, rc, key);
	if (id == CLOCKID_PROCESS || id == CLOCKID_THREAD) {
		store_word(to, used_ns(call), 8);
		return answer(call, WASI_ESUCCESS);
	}
	if (!real) {
		store_word(to, clock_virtual(call, wasi), 8);
		return answer(call, WASI_ESUCCESS);
	}
	if (!charge(call, PRICE_REQUEST))
		return CALL_DRY;
	(void)clock_ask(wasi->state, key, id == CLOCKID_REALTIME ? DEVICE_CLOCK_REAL : 0, &request);
	if (!call->completion)
		return call_submit(call, &request);
	if (call->completion->result < 0)
		return answer(call, errno_of_device(call->completion->result));
	store_word(to, call->completion->now_ns, 8);
	return answer(call, WASI_ESUCCESS);
}

/* --- random ---------------------------------------------------------------------------- */

static enum call_end
random_real(struct call *call, struct wasi *wasi, const struct key *key, uint32_t at, uint32_t bytes)
{
	uint64_t *done = progress(call, bytes);
	struct device_request request;

	if (call->completion) {
		const uint64_t got = min_u64(call->completion->data_bytes, bytes - *done);

		if (call->completion->result <= 0)
			return answer(call, WASI_EIO);
		memcpy(call_mem(call, at + *done, got), call->completion->data, (size_t)got);
		*done += got;
		call_consume(call);
	}
	if (*done == bytes)
		return answer(call, WASI_ESUCCESS);
	(void)entropy_ask(wasi->state, key, (uint32_t)min_u64(bytes - *done, DEVICE_PIECE_BYTES),
		&request);
	return call_submit(call, &request);
}

enum call_end
wasi_random_get(struct call *call, struct wasi *wasi)
{
	const struct key *key = slot_key(wasi, wasi->entropy_slot);
	const uint32_t at = arg(call, 0), bytes = arg(call, 1);
	struct root *root;
	bool real;
	enum rc rc;

	if (!call_mem(call, at, bytes))
		return answer(call, WASI_EFAULT);
	rc = entropy_check(wasi->state, key, &real);
	if (rc)
		return refuse(call, wasi, rc, key, (struct path){0},
			"no generator was given; --random seed=N or --random real gives one");
	if (!charge(call, PRICE_REQUEST + 16 * price_copy(bytes)))
		return CALL_DRY;
	root = root_at(wasi->state, opening_of(wasi->state, key)->root);
	if (real) {
		const enum call_end end = random_real(call, wasi, key, at, bytes);

		if (end == CALL_DONE && call->slots[0] == WASI_ESUCCESS)
			root->counts.read += bytes;
		return end;
	}
	entropy_draw(wasi->state, key, wasi->drawn, call_mem(call, at, bytes), bytes);
	wasi->drawn += bytes;
	root->counts.read += bytes;
	return answer(call, WASI_ESUCCESS);
}
