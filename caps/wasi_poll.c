/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_poll.c - poll_oneoff: sleeps, and waits for streams.
 *
 *   nothing but clocks, virtual    the clock jumps, at once
 *   nothing but clocks, real       one DEVICE_SLEEP
 *   a live stream, a connection or one DEVICE_POLL with a timeout: a real wait, its
 *   a listener among them          outcome an input; the virtual clock jumps if
 *                                  time ran out
 *   files, streams not live        ready at once, whatever is behind them
 *
 * On a real clock, times given absolutely are compared with what the device
 * says now, asked first and kept in wasi->words. */
#include "caps/wasi.h"

enum poll_stage { POLL_REAL_NOW, POLL_MONOTONIC_NOW, POLL_WAIT };

enum fate { FATE_WAITS, FATE_NOW };

struct sub {
	uint64_t userdata;
	uint64_t after_ns; /* clocks: from now */
	uint64_t bytes;    /* of the event */
	uint16_t error, flags;
	uint8_t type;      /* enum wasi_eventtype */
	uint8_t fate;      /* enum fate */
	bool live;         /* a stream the device is asked about */
	uint32_t handle;
};

enum { SUBS_FEW = 64 }; /* more of them lie in the domain's bank while the call runs */

struct poll {
	struct sub *subs;
	uint32_t count, live_count;
	uint64_t least_ns; /* of the clocks; DEVICE_FOREVER: none */
	bool any_now, real;
};

/* --- what each subscription comes to ------------------------------------------------- */

static uint8_t *
sub_memory(struct call *call, uint32_t index)
{
	return call_mem(call, arg(call, 0) + (uint64_t)index * SUBSCRIPTION_BYTES,
		SUBSCRIPTION_BYTES);
}

static uint64_t
clock_now(struct call *call, const struct wasi *wasi, const struct poll *poll, uint32_t id)
{
	return poll->real ? wasi->words[id == CLOCKID_MONOTONIC] : clock_virtual(call, wasi);
}

static void
now_with(struct sub *sub, enum wasi_errno error)
{
	sub->fate = FATE_NOW;
	sub->error = (uint16_t)error;
}

static void
clock_sub(struct call *call, struct wasi *wasi, struct poll *poll, struct sub *sub,
	const uint8_t *from)
{
	static const struct key none;
	const struct key *key =
		wasi->clock_slot == WASI_NO_SLOT ? &none : &wasi->domain->slots[wasi->clock_slot];
	const uint32_t id = (uint32_t)load_word(from + 16, 4);
	const uint64_t timeout = load_word(from + 24, 8), flags = load_word(from + 40, 2);
	const enum rc rc = clock_check(wasi->state, key, RIGHT_sleep, &poll->real);

	if (id > CLOCKID_MONOTONIC || flags > 1) {
		now_with(sub, id == CLOCKID_PROCESS || id == CLOCKID_THREAD ? WASI_ENOTSUP : WASI_EINVAL);
		return;
	}
	if (rc) {
		(void)refuse(call, wasi, rc, key, (struct path){0},
			"no clock that lets it sleep was given; --clock virtual or --clock real gives one");
		now_with(sub, WASI_ENOTCAPABLE);
		return;
	}
	sub->after_ns = timeout;
	if (flags & 1) {
		const uint64_t now = clock_now(call, wasi, poll, id);

		sub->after_ns = timeout > now ? timeout - now : 0;
	}
	poll->least_ns = min_u64(poll->least_ns, sub->after_ns);
	if (!sub->after_ns)
		now_with(sub, WASI_ESUCCESS);
}

/* A connection; or a listener, which can be read from when somebody is there. */
static void
socket_sub(struct call *call, struct wasi *wasi, struct sub *sub, const struct wasi_fd *fd)
{
	const bool read = sub->type == EVENT_READ;
	enum rc rc;

	if (fd->what == FD_UNBOUND) {
		now_with(sub, WASI_ENOTCONN);
		return;
	}
	if (read && fd->peeked && fd->peeked->at < fd->peeked->end) {
		now_with(sub, WASI_ESUCCESS);
		sub->bytes = fd->peeked->end - fd->peeked->at;
		return;
	}
	rc = network_poll(wasi->state, fd_key(wasi, fd), read ? 1 : 2, &sub->handle);
	sub->live = rc == RC_OK;
	if (rc == RC_GONE) /* the connection was not brought by an image: reading will say so */
		now_with(sub, WASI_ESUCCESS);
	else if (rc) {
		(void)refuse(call, wasi, rc, fd_key(wasi, fd), (struct path){0},
			"the key is not for this");
		now_with(sub, WASI_ENOTCAPABLE);
	}
}

static void
fd_sub(struct call *call, struct wasi *wasi, struct sub *sub, const uint8_t *from)
{
	const struct wasi_fd *fd = fd_at(wasi, (uint32_t)load_word(from + 16, 4));
	const struct key *key = fd ? fd_key(wasi, fd) : NULL;
	const bool read = sub->type == EVENT_READ;
	struct opening *o;
	enum rc rc;

	if (!fd || fd->what == FD_DIRECTORY || fd->what == FD_SYNTHETIC) {
		now_with(sub, WASI_EBADF);
		return;
	}
	if (!(fd->base & RIGHT_BIT(R_POLL_FD_READWRITE)) ||
		!(fd->base & RIGHT_BIT(read ? R_FD_READ : R_FD_WRITE))) {
		now_with(sub, WASI_ENOTCAPABLE);
		return;
	}
	sub->bytes = 1;
	if (fd_is_socket(fd)) {
		socket_sub(call, wasi, sub, fd);
		return;
	}
	if (fd->what != FD_STREAM || key->kind != KIND_stream) {
		now_with(sub, WASI_ESUCCESS);
		return;
	}
	rc = key_use(wasi->state, key, KIND_stream, read ? RIGHT_read : RIGHT_write, &o);
	if (rc) {
		(void)refuse(call, wasi, rc, key, (struct path){0}, "the key is not for this");
		now_with(sub, WASI_ENOTCAPABLE);
		return;
	}
	sub->live = stream_is_live(wasi->state, key);
	sub->handle = o->handle;
	if (!sub->live)
		now_with(sub, WASI_ESUCCESS);
}

static enum wasi_errno
poll_read(struct call *call, struct wasi *wasi, struct poll *poll)
{
	poll->least_ns = DEVICE_FOREVER;
	for (uint32_t i = 0; i < poll->count; i++) {
		const uint8_t *from = sub_memory(call, i);
		struct sub *sub = &poll->subs[i];

		*sub = (struct sub){.userdata = load_word(from, 8), .type = from[8]};
		if (sub->type == EVENT_CLOCK)
			clock_sub(call, wasi, poll, sub, from);
		else if (sub->type == EVENT_READ || sub->type == EVENT_WRITE)
			fd_sub(call, wasi, sub, from);
		else
			return WASI_EINVAL;
		poll->any_now |= sub->fate == FATE_NOW;
		poll->live_count += sub->live;
	}
	return WASI_ESUCCESS;
}

/* --- the real clock's now -------------------------------------------------------------- */

static bool
wants_now(struct call *call, uint32_t count, enum wasi_clockid id)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *from = sub_memory(call, i);

		if (from[8] == EVENT_CLOCK && load_word(from + 16, 4) == id && from[40] & 1)
			return true;
	}
	return false;
}

/* False: return *ret_end. */
static bool
ask_now(struct call *call, struct wasi *wasi, uint32_t count, enum call_end *ret_end)
{
	static const struct key none;
	const struct key *key =
		wasi->clock_slot == WASI_NO_SLOT ? &none : &wasi->domain->slots[wasi->clock_slot];
	bool real;

	if (clock_check(wasi->state, key, RIGHT_read, &real) != RC_OK || !real)
		wasi->stage = POLL_WAIT;
	for (; wasi->stage < POLL_WAIT; wasi->stage++) {
		struct device_request request;

		if (!wants_now(call, count, (enum wasi_clockid)wasi->stage))
			continue;
		(void)clock_ask(wasi->state, key,
			wasi->stage == POLL_REAL_NOW ? DEVICE_CLOCK_REAL : 0, &request);
		if (!call->completion) {
			*ret_end = call_submit(call, &request);
			return false;
		}
		wasi->words[wasi->stage] = call->completion->now_ns;
		call_consume(call);
	}
	return true;
}

/* --- waiting ------------------------------------------------------------------------------ */

/* A long list needs a long piece, which the bank pays for. */
static bool
list_room(struct wasi *wasi, const struct poll *poll)
{
	const uint64_t bytes = poll->live_count * sizeof(struct device_poll);

	wasi->need = bytes > DOMAIN_STAGING_BYTES ? bytes - DOMAIN_STAGING_BYTES : 0;
	return bank_room(&wasi->domain->bank) >= wasi->need;
}

static enum call_end
submit_poll(struct call *call, struct wasi *wasi, const struct poll *poll)
{
	struct device_request request = {.op = DEVICE_POLL,
		.data = wasi->state->piece,
		.timeout_ns = poll->any_now ? 0 : poll->least_ns};

	for (uint32_t i = 0; i < poll->count; i++) {
		const struct device_poll one = {.handle = poll->subs[i].handle,
			.want = poll->subs[i].type == EVENT_READ ? 1 : 2};

		if (!poll->subs[i].live)
			continue;
		memcpy(wasi->state->piece + request.data_bytes, &one, sizeof one);
		request.data_bytes += (uint32_t)sizeof one;
	}
	return call_submit(call, &request);
}

static void
take_polled(const struct device_completion *completion, struct poll *poll)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < poll->count; i++) {
		struct sub *sub = &poll->subs[i];
		struct device_poll one;

		if (!sub->live || at + sizeof one > completion->data_bytes)
			continue;
		memcpy(&one, completion->data + at, sizeof one);
		at += sizeof one;
		if (!one.ready)
			continue;
		now_with(sub, WASI_ESUCCESS);
		sub->bytes = one.readable;
		sub->flags = one.ready & 8 ? 1 : 0;
		poll->any_now = true;
	}
}

/* The time of the nearest clock has come. */
static void
time_ran_out(struct wasi *wasi, struct poll *poll)
{
	if (!poll->real)
		wasi->jumped_ns = add_saturating(wasi->jumped_ns, poll->least_ns);
	for (uint32_t i = 0; i < poll->count; i++)
		if (poll->subs[i].type == EVENT_CLOCK && poll->subs[i].fate == FATE_WAITS &&
			poll->subs[i].after_ns <= poll->least_ns)
			now_with(&poll->subs[i], WASI_ESUCCESS);
}

/* False: return *ret_end. */
static bool
poll_wait(struct call *call, struct wasi *wasi, struct poll *poll, enum call_end *ret_end)
{
	struct device_request request = {.op = DEVICE_SLEEP, .timeout_ns = poll->least_ns};

	if (poll->live_count) {
		if (!call->completion) {
			*ret_end = list_room(wasi, poll) ? submit_poll(call, wasi, poll)
							 : no_space(call, wasi);
			return false;
		}
		if (call->completion->result < 0) {
			*ret_end = answer(call, errno_of_device(call->completion->result));
			return false;
		}
		take_polled(call->completion, poll);
		call_consume(call);
		if (!poll->any_now)
			time_ran_out(wasi, poll);
		return true;
	}
	if (poll->any_now)
		return true;
	if (poll->real && !call->completion) {
		*ret_end = call_submit(call, &request);
		return false;
	}
	time_ran_out(wasi, poll);
	return true;
}

static enum call_end
poll_put(struct call *call, const struct poll *poll)
{
	uint32_t events = 0;

	for (uint32_t i = 0; i < poll->count; i++) {
		const struct sub *sub = &poll->subs[i];
		uint8_t event[EVENT_BYTES] = {0};

		if (sub->fate != FATE_NOW)
			continue;
		store_word(event, sub->userdata, 8);
		store_word(event + 8, sub->error, 2);
		event[10] = sub->type;
		if (sub->type != EVENT_CLOCK && !sub->error) {
			store_word(event + 16, sub->bytes, 8);
			store_word(event + 24, sub->flags, 2);
		}
		memcpy(call_mem(call, arg(call, 1) + (uint64_t)events * EVENT_BYTES, EVENT_BYTES), event,
			EVENT_BYTES);
		events++;
	}
	store_word(call_mem(call, arg(call, 3), 4), events, 4);
	return answer(call, WASI_ESUCCESS);
}

static enum call_end
poll_with(struct call *call, struct wasi *wasi, struct sub *subs)
{
	struct poll poll = {.count = arg(call, 2), .subs = subs};
	const enum wasi_errno error = poll_read(call, wasi, &poll);
	enum call_end end;

	if (error)
		return answer(call, error);
	if (!poll_wait(call, wasi, &poll, &end))
		return end;
	return poll_put(call, &poll);
}

enum call_end
wasi_poll_oneoff(struct call *call, struct wasi *wasi)
{
	const uint32_t count = arg(call, 2);
	const uint64_t bytes = (uint64_t)count * sizeof(struct sub);
	struct sub few[SUBS_FEW], *many;
	enum call_end end;

	if (!count || count > WASI_POLLS_MAX)
		return answer(call, WASI_EINVAL);
	if (!call_mem(call, arg(call, 0), (uint64_t)count * SUBSCRIPTION_BYTES) ||
		!call_mem(call, arg(call, 1), (uint64_t)count * EVENT_BYTES) ||
		!call_mem(call, arg(call, 3), 4))
		return answer(call, WASI_EFAULT);
	if (!charge(call, PRICE_REQUEST + price_copy((uint64_t)count * (SUBSCRIPTION_BYTES + EVENT_BYTES))))
		return CALL_DRY;
	if (!ask_now(call, wasi, count, &end))
		return end;
	if (count <= SUBS_FEW)
		return poll_with(call, wasi, few);
	many = wasi_take(wasi, bytes);
	if (!many)
		return no_space(call, wasi);
	end = poll_with(call, wasi, many);
	wasi_give(wasi, many, bytes);
	return end;
}
