/* SPDX-License-Identifier: Apache-2.0 */
/* order_device.c - orders on files, streams, clocks and generators through the
 * gate. kind_*.c check the rights and make the request; it is sent under the key
 * that was invoked, so a cut wakes who waits, and the order runs again from its
 * top when the completion is there.
 *
 * domain->progress: in the low half how many bytes of a long write are done, in
 * the high one opening_ready()'s word. */
#include "caps/order_device.h"

#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/prices.h"

struct caps_state *
device_state(struct invocation *inv)
{
	return caps_state(inv->world);
}

bool
device_ready(struct invocation *inv, enum order_end *ret_end)
{
	struct caps_state *state = device_state(inv);
	uint64_t *progress = &inv->domain->progress;
	uint32_t asked = (uint32_t)(*progress >> 32);
	enum call_end end;
	bool ready;

	inv->call->under = &inv->key;
	if (!opening_of(state, &inv->key))
		return true; /* the order will say that it is void */
	if (!gate_charge(inv, 2 * PRICE_REQUEST)) {
		*ret_end = ORDER_DRY_GAS;
		return false;
	}
	ready = opening_ready(inv->call, state, &inv->key, &asked, &end);
	*progress = (uint64_t)asked << 32 | (uint32_t)*progress;
	*ret_end = ORDER_WAIT;
	return ready || end == CALL_DONE;
}

bool
device_ready_for(struct invocation *inv, uint32_t name_bytes, enum order_end *ret_end)
{
	if (!gate_charge(inv, 2 * PRICE_REQUEST + (uint64_t)PRICE_NAME_BYTE * name_bytes)) {
		*ret_end = ORDER_DRY_GAS;
		return false;
	}
	return device_ready(inv, ret_end);
}

enum order_end
device_ask(struct invocation *inv, struct device_request *request, uint64_t copied)
{
	if (!gate_charge(inv, 2 * PRICE_REQUEST + price_copy(copied)))
		return ORDER_DRY_GAS;
	inv->call->under = &inv->key;
	(void)call_submit(inv->call, request);
	return ORDER_WAIT;
}

enum order_end
device_refused(struct invocation *inv, int64_t result)
{
	if (result == -DEVICE_EREVOKED)
		return gate_rc(inv, RC_REVOKED);
	inv->out.words[0] = (uint64_t)-result;
	return gate_rc(inv, RC_OUTSIDE);
}

bool
device_came(struct invocation *inv, enum rc rc, struct device_request *request,
	enum order_end *ret_end)
{
	if (rc != RC_OK)
		*ret_end = gate_rc(inv, rc);
	else if (!inv->call->completion)
		*ret_end = device_ask(inv, request, 0);
	else if (inv->call->completion->result < 0)
		*ret_end = device_refused(inv, inv->call->completion->result);
	else
		return true;
	return false;
}

enum order_end
device_done(struct invocation *inv, enum rc rc, struct device_request *request)
{
	enum order_end end;

	return device_came(inv, rc, request, &end) ? gate_rc(inv, RC_OK) : end;
}

struct caps_counts *
device_counts(struct invocation *inv)
{
	struct caps_state *state = device_state(inv);

	return &root_at(state, opening_of(state, &inv->key)->root)->counts;
}

/* --- bytes ---------------------------------------------------------------------------- */

/* How many of `bytes` the key's grants still let through. */
static uint64_t
let_through(struct invocation *inv, uint64_t bytes)
{
	return min_u64(bytes, grant_bytes_left(world_grants(inv->world), inv->key.grant));
}

static enum order_end
answer_read(struct invocation *inv)
{
	const struct device_completion *completion = inv->call->completion;
	uint64_t got;

	if (completion->result < 0)
		return device_refused(inv, completion->result);
	got = let_through(inv, completion->data_bytes);
	grant_count_bytes(world_grants(inv->world), inv->key.grant, got);
	device_counts(inv)->read += got;
	return answer_text(inv, completion->data, got);
}

/* The request that `rc` came with, or the answer to it. `asked`: bytes. */
static enum order_end
read_with(struct invocation *inv, enum rc rc, uint64_t asked, struct device_request *request)
{
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (inv->call->completion)
		return answer_read(inv);
	request->bytes = (uint32_t)let_through(inv, asked);
	if (asked && !request->bytes)
		return gate_rc(inv, RC_REVOKED);
	return device_ask(inv, request, asked);
}

static uint32_t
written(const struct invocation *inv)
{
	return (uint32_t)inv->domain->progress;
}

/* What came of the last piece. false: the order is over, *ret_end. */
static bool
write_goes_on(struct invocation *inv, enum order_end *ret_end)
{
	const int64_t result = inv->call->completion ? inv->call->completion->result : 0;

	if (result > 0) {
		const uint64_t put = min_u64((uint64_t)result, inv->in.text_bytes - written(inv));

		inv->domain->progress += put;
		device_counts(inv)->written += put;
	}
	if (inv->call->completion && result <= 0) {
		*ret_end = written(inv) ? answer_word(inv, written(inv))
					: device_refused(inv, result ? result : -DEVICE_EIO);
		return false;
	}
	if (inv->call->completion)
		call_consume(inv->call);
	*ret_end = answer_word(inv, written(inv));
	return written(inv) < inv->in.text_bytes;
}

/* What is left of the text goes with the request that `rc` came with. */
static enum order_end
write_with(struct invocation *inv, enum rc rc, struct device_request *request)
{
	enum order_end end;

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (!write_goes_on(inv, &end))
		return end;
	request->data = inv->in.text + written(inv);
	request->data_bytes = inv->in.text_bytes - written(inv);
	return device_ask(inv, request, inv->in.text_bytes);
}

/* --- files ------------------------------------------------------------------------------ */

enum order_end
order_file_read(struct invocation *inv)
{
	const uint64_t at = inv->in.words[0], bytes = inv->in.words[1];
	struct device_request request;
	enum order_end end;

	if (bytes > MESSAGE_TEXT_MAX || !span_fits(at, bytes, INT64_MAX))
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	return read_with(inv,
		file_read(device_state(inv), &inv->key, at, (uint32_t)bytes, &request), bytes,
		&request);
}

enum order_end
order_file_write(struct invocation *inv)
{
	const uint64_t at = inv->in.words[0];
	const bool append = at == UINT64_MAX;
	struct device_request request;
	enum order_end end;
	enum rc rc;

	if (!append && !span_fits(at, inv->in.text_bytes, INT64_MAX))
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	rc = file_write(device_state(inv), &inv->key, append ? FILE_APPEND : FILE_AT, 0, NULL, 0,
		&request);
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (!write_goes_on(inv, &end))
		return end;
	request.offset = append ? 0 : at + written(inv);
	request.data = inv->in.text + written(inv);
	request.data_bytes = inv->in.text_bytes - written(inv);
	return device_ask(inv, &request, inv->in.text_bytes);
}

enum order_end
order_file_size(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;

	if (!device_ready(inv, &end))
		return end;
	end = device_done(inv, file_stat(device_state(inv), &inv->key, &request), &request);
	if (end == ORDER_DONE && inv->rc == RC_OK)
		inv->out.words[0] = inv->call->completion->stat.bytes;
	return end;
}

enum order_end
order_file_resize(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;

	if (inv->in.words[0] > INT64_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	return device_done(inv,
		file_resize(device_state(inv), &inv->key, inv->in.words[0], &request), &request);
}

/* What the host opened is the host's to close. */
enum order_end
device_close(struct invocation *inv)
{
	struct caps_state *state = device_state(inv);
	const struct opening *o = opening_of(state, &inv->key);

	if (!o)
		return gate_rc(inv, RC_VOID);
	if (!o->payer)
		return gate_rc(inv, RC_NO_RIGHT);
	opening_end(state, inv->key.object);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_file_end(struct invocation *inv)
{
	return device_close(inv);
}

/* --- streams ------------------------------------------------------------------------------ */

enum order_end
order_stream_read(struct invocation *inv)
{
	const uint64_t bytes = inv->in.words[0];
	struct device_request request;
	enum order_end end;

	if (bytes > MESSAGE_TEXT_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	return read_with(inv,
		stream_read(device_state(inv), &inv->key, (uint32_t)bytes, 0, &request), bytes,
		&request);
}

enum order_end
order_stream_write(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	enum rc rc;

	if (!device_ready(inv, &end))
		return end;
	rc = stream_write(device_state(inv), &inv->key, NULL, 0, &request);
	return write_with(inv, rc, &request);
}

/* --- connections -------------------------------------------------------------------------- */

enum order_end
order_socket_read(struct invocation *inv)
{
	const uint64_t bytes = inv->in.words[0];
	struct device_request request;
	enum order_end end;

	if (bytes > MESSAGE_TEXT_MAX || inv->in.words[1] > 1)
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	return read_with(inv,
		socket_read(device_state(inv), &inv->key, (uint32_t)bytes,
			inv->in.words[1] ? DEVICE_NONBLOCK : 0, &request),
		bytes, &request);
}

enum order_end
order_socket_write(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	enum rc rc;

	if (!device_ready(inv, &end))
		return end;
	rc = socket_write(device_state(inv), &inv->key, NULL, 0, 0, &request);
	return write_with(inv, rc, &request);
}

/* --- clocks and generators -------------------------------------------------------------- */

enum order_end
order_clock_now(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	bool real;
	const enum rc rc = clock_check(device_state(inv), &inv->key, RIGHT_read, &real);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (!real)
		return answer_word(inv, clock_virtual(inv->call, wasi_of(inv->domain)));
	end = device_done(inv,
		clock_ask(device_state(inv), &inv->key, DEVICE_CLOCK_REAL, &request), &request);
	if (end == ORDER_DONE && inv->rc == RC_OK)
		inv->out.words[0] = inv->call->completion->now_ns;
	return end;
}

enum order_end
order_clock_sleep(struct invocation *inv)
{
	struct wasi *wasi = wasi_of(inv->domain);
	const uint64_t ns = inv->in.words[0];
	struct device_request request;
	bool real;
	const enum rc rc = clock_check(device_state(inv), &inv->key, RIGHT_sleep, &real);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (ns > INT64_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (real)
		return device_done(inv, clock_sleep(device_state(inv), &inv->key, ns, &request),
			&request);
	wasi->jumped_ns = add_saturating(wasi->jumped_ns, ns);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_entropy_draw(struct invocation *inv)
{
	struct caps_state *state = device_state(inv);
	struct wasi *wasi = wasi_of(inv->domain);
	const uint64_t bytes = inv->in.words[0];
	uint8_t *text = text_kept(inv->world);
	struct device_request request;
	bool real;
	const enum rc rc = entropy_check(state, &inv->key, &real);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (bytes > MESSAGE_TEXT_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (real)
		return read_with(inv, entropy_ask(state, &inv->key, (uint32_t)bytes, &request), bytes,
			&request);
	if (!gate_charge(inv, 16 * price_copy(bytes)))
		return ORDER_DRY_GAS;
	if (let_through(inv, bytes) < bytes)
		return gate_rc(inv, RC_REVOKED);
	grant_count_bytes(world_grants(inv->world), inv->key.grant, bytes);
	entropy_draw(state, &inv->key, wasi->drawn, text, bytes);
	wasi->drawn += bytes;
	device_counts(inv)->read += bytes;
	return answer_text(inv, text, bytes);
}
