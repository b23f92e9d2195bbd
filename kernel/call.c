/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - one import call: from EXEC_HOST to its answer.
 *
 *   run -> DONE                        answered
 *   run -> WAIT, submit ... completion -> run again from the top -> DONE
 *   run -> DRY, FULL, YIELD  ... started again -> run again from the top
 *
 * What is kept between two runs of one call is `progress` (how much of a long
 * one is committed) and `charged`, so that running again costs nothing twice. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/prices.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

uint8_t *
call_mem(struct call *call, uint64_t at, uint64_t bytes)
{
	return store_mem_at(call->domain->store, call->instance, at, bytes);
}

bool
call_charge(struct call *call, uint64_t gas_total)
{
	struct domain *domain = call->domain;
	struct clock_gas *clock = &call->world->clock;
	uint64_t gas;

	if (gas_total <= domain->charged)
		return true;
	gas = gas_total - domain->charged;
	must(WORLD3, clock->running == &domain->meter.line);
	if (gas > line_room(clock) || (domain->purse && gas > domain->purse->balance)) {
		domain->stop.need = gas;
		return false;
	}
	line_spend(clock, gas);
	if (domain->purse)
		purse_spend(domain->purse, gas);
	domain->charged = gas_total;
	domain->gas_host = add_saturating(domain->gas_host, gas);
	domain->slice_left -= min_u64(domain->slice_left, gas);
	return true;
}

bool
call_take(struct call *call, uint64_t bytes)
{
	if (bank_take(&call->domain->bank, bytes))
		return true;
	call->domain->stop.need = bytes;
	return false;
}

uint64_t
call_used(struct call *call)
{
	return line_used(&call->world->clock, &call->domain->meter.line);
}

static bool
can_be_cut(enum device_op op)
{
	return op == DEVICE_READ || op == DEVICE_WRITE || op == DEVICE_LIST || op == DEVICE_ENTROPY;
}

/* Pays for the piece; cuts it down to what the bank has room for. A poll cannot be
 * cut: whoever asks has seen that there is room. */
static void
stage(struct domain *domain, struct device_request *request)
{
	const uint32_t bytes = request->bytes > request->data_bytes ? request->bytes
								    : request->data_bytes;
	uint64_t more = bytes > DOMAIN_STAGING_BYTES ? bytes - DOMAIN_STAGING_BYTES : 0;

	must(CALL1, bytes <= DEVICE_PIECE_BYTES);
	if (more && can_be_cut(request->op)) {
		more = min_u64(more, bank_room(&domain->bank));
		request->bytes = (uint32_t)min_u64(request->bytes, DOMAIN_STAGING_BYTES + more);
		request->data_bytes =
			(uint32_t)min_u64(request->data_bytes, DOMAIN_STAGING_BYTES + more);
	}
	must(CALL1, more == 0 || can_be_cut(request->op) || request->op == DEVICE_POLL);
	must(CALL1, bank_take(&domain->bank, more));
	domain->staging = more;
}

static void
unstage(struct domain *domain)
{
	bank_give(&domain->bank, domain->staging);
	domain->staging = 0;
}

/* The device is full and nothing of ours is in flight that could make room: the
 * request ends as if the device had said so. */
static void
refuse(struct domain *domain)
{
	domain->completed = true;
	domain->completion = (struct device_completion){.result = -DEVICE_ENOMEM};
}

enum call_end
call_submit(struct call *call, struct device_request *request)
{
	struct domain *domain = call->domain;
	struct requests *requests = &call->world->requests;
	bool again;
	int error;

	must(CALL2, !domain->request && !domain->completed);
	stage(domain, request);
	again = call->world->edge && edge_refuses(domain, request);
	error = again ? -EAGAIN : requests_submit(requests, domain, request);
	if (error) {
		unstage(domain);
	} else {
		domain->request = request->id;
		if (call->under)
			gate_wait_under(domain, call->under);
	}
	if (error == -ENOMEM || (error && !again && !requests->in_flight && !requests->undone))
		refuse(domain);
	if (call->world->edge)
		edge_submits(domain, request, error);
	return CALL_WAIT;
}

void
call_consume(struct call *call)
{
	struct domain *domain = call->domain;

	call->completion = NULL;
	call_rewind(domain);
}

void
call_rewind(struct domain *domain)
{
	if (!domain->completed)
		return;
	domain->completed = false;
	unstage(domain);
	if (domain->completion.id)
		requests_release(&domain->world->requests, domain->completion.id);
	domain->completion = (struct device_completion){0};
}

/* An import that is nobody's: its arguments travel as 8-byte values. */
static enum call_end
unserved(struct domain *domain, struct call *call)
{
	uint8_t args[8 * PARAMS_MAX];

	for (uint32_t i = 0; i < 8u * call->type->params; i++)
		args[i] = (uint8_t)(call->slots[i / 8] >> (8 * (i % 8)));
	return tree_import(call, domain->pending.import, args, 8u * call->type->params);
}

static enum call_end
run(struct domain *domain, struct call *call)
{
	const struct world *world = domain->world;

	if (!call_charge(call, PRICE_HOST_CALL))
		return CALL_DRY;
	if (domain->pending.host >= world->imports_count)
		return unserved(domain, call);
	return world->imports[domain->pending.host]->run(call);
}

/* Only a call that is over loses its progress. */
static bool
is_over(enum call_end end)
{
	switch (end) {
	case CALL_DONE:
	case CALL_TRAP:
	case CALL_EXIT:
		return true;
	case CALL_WAIT:
	case CALL_DRY:
	case CALL_YIELD:
	case CALL_FULL:
	case CALL_AGAIN:
	case CALL_STALLED:
	case CALL_GONE:
		break;
	}
	return false;
}

enum call_end
call_run(struct domain *domain)
{
	const struct exec_result *pending = &domain->pending;
	struct call call = {
		.world = domain->world,
		.domain = domain,
		.instance = pending->instance,
		.type = pending->type,
		.slots = pending->slots,
	};
	enum call_end end;

	do {
		call.completion = domain->completed ? &domain->completion : NULL;
		end = run(domain, &call);
	} while (end == CALL_WAIT && domain->completed);
	if (end == CALL_GONE || end == CALL_STALLED)
		return end; /* it may be no more, or its stop be told already */
	domain->stop.trap = call.trap;
	domain->stop.code = call.code;
	domain->stop.word = call.word;
	if (is_over(end)) {
		call_rewind(domain);
		domain->charged = domain->progress = 0;
		domain->counted = false;
	}
	return end;
}

/* The store stands at the call still: asked again, it says the same. */
bool
domain_pending(struct domain *domain)
{
	if (store_is_cold(domain->store) && store_warm(domain->store))
		return false;
	if (domain->pending.end == EXEC_HOST && domain->pending.slots)
		return true;
	store_run(domain->store, 0, &domain->pending);
	must(GATE4, domain->pending.end == EXEC_HOST && domain->pending.used == 0);
	return true;
}

void
request_revoked(struct domain *domain)
{
	struct world *world = domain->world;
	struct requests *requests = &world->requests;
	const bool before = world->edge && edge_revokes(domain);

	gate_wait_end(domain);
	requests_orphan(requests, domain->request);
	requests_cancel(requests, domain->request);
	domain->request = 0;
	domain->completed = true;
	domain->completion = (struct device_completion){.result = -DEVICE_EREVOKED};
	tree_wake(domain);
	if (world->edge)
		edge_leave(world, before);
}
