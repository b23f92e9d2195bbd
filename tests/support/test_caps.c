/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test_caps.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/prices.h"

/* --- the personality: counts of calls and bytes ------------------------------------------- */

struct state {
	uint64_t calls, taken;
};

static const struct test_user *
user_of(struct call *call)
{
	return world_config(call->world)->user;
}

static enum call_end
fault(struct call *call)
{
	call->trap = TRAP_ARGUMENT;
	return CALL_TRAP;
}

/* progress: bytes written so far. */
static enum call_end
run_print(struct call *call)
{
	const uint64_t at = (uint32_t)call->slots[0], bytes = (uint32_t)call->slots[1];
	struct domain *domain = call->domain;
	const uint8_t *from = call_mem(call, at, bytes);
	struct device_request request = {.op = DEVICE_WRITE, .handle = user_of(call)->out,
		.offset = DEVICE_STREAM};

	if (!from || domain->progress > bytes)
		return fault(call);
	if (!call_charge(call, PRICE_HOST_CALL + PRICE_REQUEST + price_copy(bytes)))
		return CALL_DRY;
	if (call->completion) {
		if (call->completion->result <= 0)
			return fault(call);
		domain->progress += (uint64_t)call->completion->result;
		call_consume(call);
	}
	if (domain->progress >= bytes)
		return CALL_DONE;
	request.data = from + domain->progress;
	request.data_bytes = (uint32_t)min_u64(bytes - domain->progress, DEVICE_PIECE_BYTES);
	return call_submit(call, &request);
}

static enum call_end
run_read(struct call *call)
{
	const uint64_t at = (uint32_t)call->slots[0], bytes = (uint32_t)call->slots[1];
	uint8_t *to = call_mem(call, at, bytes);
	struct device_request request = {.op = DEVICE_READ, .handle = user_of(call)->in,
		.offset = DEVICE_STREAM};

	if (!to)
		return fault(call);
	request.bytes = (uint32_t)min_u64(bytes, DEVICE_PIECE_BYTES);
	if (!call_charge(call, PRICE_HOST_CALL + PRICE_REQUEST + price_copy(bytes)))
		return CALL_DRY;
	if (!call->completion)
		return call_submit(call, &request);
	if (call->completion->result < 0 || call->completion->data_bytes > bytes) {
		call->slots[0] = (uint32_t)call->completion->result;
		return CALL_DONE;
	}
	memcpy(to, call->completion->data, call->completion->data_bytes);
	call->slots[0] = call->completion->data_bytes;
	return CALL_DONE;
}

static enum call_end
run_sum(struct call *call)
{
	double f64;
	float f32;
	uint32_t bits;

	memcpy(&f64, &call->slots[1], sizeof f64);
	bits = (uint32_t)call->slots[3];
	memcpy(&f32, &bits, sizeof f32);
	call->slots[0] += (uint64_t)(int64_t)f64 + (uint32_t)call->slots[2] +
		(uint64_t)(int64_t)f32;
	return CALL_DONE;
}

static enum call_end
run_fill(struct call *call)
{
	const uint64_t at = (uint32_t)call->slots[0], bytes = (uint32_t)call->slots[1];
	struct domain *domain = call->domain;
	uint8_t *to = call_mem(call, at, bytes);

	if (!to || domain->progress > bytes)
		return fault(call);
	while (domain->progress < bytes) {
		const uint64_t piece = min_u64(bytes - domain->progress, 1024);

		if (!call_charge(call,
			    PRICE_HOST_CALL + price_copy(domain->progress) + price_copy(piece)))
			return CALL_DRY;
		memset(to + domain->progress, (int)call->slots[2], piece);
		domain->progress += piece;
	}
	return CALL_DONE;
}

static enum call_end
run_used(struct call *call)
{
	call->slots[0] = call_used(call);
	return CALL_DONE;
}

static enum call_end
run_take(struct call *call)
{
	struct state *state = call->domain->personality;
	const bool taken = call_take(call, call->slots[0]);

	state->taken += taken ? call->slots[0] : 0;
	if (!taken && call->domain->stop_when_dry)
		return CALL_FULL;
	call->slots[0] = taken;
	return CALL_DONE;
}

static enum call_end
run_many(struct call *call)
{
	call->slots[0] = 7;
	call->slots[1] = UINT64_C(0x123456789abcdef);
	return CALL_DONE;
}

/* progress: whether it has stopped already. */
static enum call_end
run_yield(struct call *call)
{
	if (!call->domain->progress) {
		call->domain->progress = 1;
		call->word = call->slots[0];
		return CALL_YIELD;
	}
	call->slots[0]++;
	return CALL_DONE;
}

static enum call_end
run_sleep(struct call *call)
{
	struct device_request request = {.op = DEVICE_SLEEP, .timeout_ns = call->slots[0]};

	if (!call_charge(call, PRICE_HOST_CALL + PRICE_REQUEST))
		return CALL_DRY;
	return call->completion ? CALL_DONE : call_submit(call, &request);
}

static enum call_end
run_exit(struct call *call)
{
	call->code = (uint32_t)call->slots[0];
	return CALL_EXIT;
}

static enum call_end
run_trap(struct call *call)
{
	return fault(call);
}

static enum call_end
run_count(struct call *call)
{
	struct state *state = call->domain->personality;

	call->slots[0] = ++state->calls;
	return CALL_DONE;
}

static bool
state_make(struct domain *domain)
{
	if (!bank_take(&domain->bank, heap_cost(sizeof(struct state))))
		return false;
	domain->personality = heap_take(world_heap(domain->world), sizeof(struct state));
	return domain->personality != NULL;
}

static void
state_end(struct domain *domain)
{
	heap_give(world_heap(domain->world), domain->personality, sizeof(struct state));
}

static void
state_write(struct domain *domain, struct sink *sink)
{
	const struct state *state = domain->personality;

	sink_u64(sink, state->calls);
	sink_u64(sink, state->taken);
}

static int
state_read(struct domain *domain, struct bytes_in *in, struct report *report)
{
	struct state *state = domain->personality;

	state->calls = bytes_u64(in);
	state->taken = bytes_u64(in);
	if (!in->bad && bank_take(&domain->bank, state->taken))
		return 0;
	report_say(report, bytes_offset(in), "image: counts that are not there or not paid for");
	return -EINVAL;
}

/* --- kinds: a number is its badge; a hole is never bound --------------------------- */

static void
number_write(struct world *world, const struct key *key, struct sink *sink)
{
	(void)world;
	sink_u64(sink, key->badge);
	sink_u32(sink, key->rights);
}

static bool
number_bind(struct world *world, struct domain *domain, struct bytes_in *in, struct key *ret_key)
{
	(void)world;
	(void)domain;
	*ret_key = (struct key){.kind = TEST_KIND_NUMBER, .grant = GRANT_NONE};
	ret_key->badge = bytes_u64(in);
	ret_key->rights = bytes_u32(in);
	return true;
}

static bool
hole_bind(struct world *world, struct domain *domain, struct bytes_in *in, struct key *ret_key)
{
	(void)world;
	(void)domain;
	(void)in;
	(void)ret_key;
	return false;
}

static const struct kind kinds[TEST_KIND_COUNT] = {
	[TEST_KIND_VOID] = {.name = "void"},
	[TEST_KIND_NUMBER] = {.name = "number", .image_write = number_write,
		.image_bind = number_bind},
	[TEST_KIND_HOLE] = {.name = "hole", .image_write = number_write, .image_bind = hole_bind},
};

static const struct import_def imports[] = {
	{"test", "print", "ii:", run_print},
	{"test", "read", "ii:i", run_read},
	{"test", "sum", "IFif:I", run_sum},
	{"test", "fill", "iii:", run_fill},
	{"test", "used", ":I", run_used},
	{"test", "take", "I:i", run_take},
	{"test", "many", ":iI", run_many},
	{"test", "count", ":I", run_count},
	{"test", "yield", "I:I", run_yield},
	{"test", "sleep", "I:", run_sleep},
	{"test", "exit", "i:", run_exit},
	{"test", "trap", ":", run_trap},
	{0},
};

static const struct import_def *const tables[] = {imports, NULL};

static const struct personality personality = {
	.make = state_make,
	.end = state_end,
	.image_write = state_write,
	.image_read = state_read,
};

const struct caps test_caps = {
	.kinds = kinds,
	.kinds_count = TEST_KIND_COUNT,
	.import_tables = tables,
	.personality = &personality,
};

bool
test_poked(void *user)
{
	struct test_user *test = user;

	return test->poke_after && --test->poke_after == 0;
}
