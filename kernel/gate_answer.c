/* SPDX-License-Identifier: Apache-2.0 */
/* gate_answer.c - a domain that waits is answered: by a key, a run, a keeper, or by
 * nobody, when its resume key is gone. */
#include "kernel/gate.h"

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/gate_inside.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

/* --- answering --------------------------------------------------------------------------- */

uint8_t *
gate_mem(struct invocation *inv, uint64_t at, uint64_t bytes)
{
	if (inv->world->edge)
		return edge_gate_mem(inv, at, bytes);
	return call_mem(inv->call, at, bytes);
}

enum order_end
gate_rc(struct invocation *inv, uint32_t rc)
{
	inv->rc = rc;
	return ORDER_DONE;
}

bool
gate_charge(struct invocation *inv, uint64_t gas)
{
	return call_charge(inv->call, add_saturating(gas, inv->call->charged_before));
}

void
gate_wait_end(struct domain *domain)
{
	struct grants *grants = &domain->world->grants;

	if (domain->wait_grant == GRANT_NONE)
		return;
	if (domain->wait_next)
		domain->wait_next->wait_prev = domain->wait_prev;
	if (domain->wait_prev)
		domain->wait_prev->wait_next = domain->wait_next;
	else
		grants->at[grants->at[domain->wait_grant].root].waiters = domain->wait_next;
	domain->wait_grant = GRANT_NONE;
	domain->wait_next = domain->wait_prev = NULL;
}

/* No longer under the grant it waited under, nor served or driving. */
void
gate_wait_over(struct domain *caller)
{
	gate_wait_end(caller);
	if (caller->served) {
		caller->served->serving = NULL;
		caller->served = NULL;
	}
	if (caller->runs) {
		caller->runs->runner = NULL;
		caller->runs->poll = false;
		caller->runs = NULL;
	}
	caller->wait = WAIT_NOTHING;
	caller->calls++;
}

void
gate_wait_under(struct domain *domain, const struct key *key)
{
	struct grants *grants = &domain->world->grants;
	struct domain **waiters;

	if (key->grant == GRANT_NONE)
		return;
	must(GATE1, domain->wait_grant == GRANT_NONE);
	waiters = &grants->at[grants->at[key->grant].root].waiters;
	domain->wait_grant = key->grant;
	domain->wait_grant_generation = key->grant_generation;
	domain->wait_next = *waiters;
	if (*waiters)
		(*waiters)->wait_prev = domain;
	*waiters = domain;
}


/* The call it stands in is over, with this in its result. */
void
gate_call_over(struct domain *domain, uint64_t result)
{
	domain->pending.slots[0] = result;
	domain->charged = domain->progress = 0;
	domain->counted = false;
	store_host_done(domain->store);
}

bool
results_fit(const struct functype *type, const uint8_t *bytes, uint32_t count)
{
	const uint8_t *vals = type->vals + type->params;

	if (count != 8u * type->results)
		return false;
	for (uint32_t i = 0; i < type->results; i++) {
		const bool narrow = vals[i] == VAL_I32 || vals[i] == VAL_F32;

		if (vals[i] == VAL_FUNCREF || vals[i] == VAL_EXTERNREF)
			return false;
		if (narrow && letter_i32(bytes + 8 * i + 4) != 0)
			return false;
	}
	return true;
}

/* An import that the keeper answered: its results, checked against the type. */
static void
import_answered(struct domain *domain, uint32_t rc, const struct message *message)
{
	struct bytes_in in = bytes_in(message->text, message->text_bytes);
	const struct functype *type = domain->pending.type;

	if (rc != GATE_OK || !results_fit(type, message->text, message->text_bytes)) {
		store_host_trap(domain->store, TRAP_IMPORT);
		domain->charged = domain->progress = 0;
		tree_trapped(domain, TRAP_IMPORT);
		return;
	}
	for (uint32_t i = 0; i < type->results; i++)
		domain->pending.slots[i] = bytes_u64(&in);
	domain->charged = domain->progress = 0;
	store_host_done(domain->store);
	tree_wake(domain);
}

/* The host cannot even hold what it has paid for: it ends where it stands. */
void
gate_no_memory(struct domain *domain)
{
	store_host_trap(domain->store, TRAP_ARGUMENT);
	domain->charged = domain->progress = 0;
	domain_finish(domain, (struct stop){.reason = STOP_TRAP, .trap = TRAP_ARGUMENT});
}

void
gate_over(struct domain *caller)
{
	gate_wait_over(caller);
}

void
gate_say(struct domain *caller, uint32_t rc, const struct message *message)
{
	const uint8_t wait = caller->wait;

	gate_wait_over(caller);
	if (wait <= WAIT_IMPORT && !domain_pending(caller)) {
		gate_no_memory(caller);
		return;
	}
	switch (wait) {
	case WAIT_REPLY:
	case WAIT_RUN:
	case WAIT_INVOKE:
		letter_deliver(caller, (uint32_t)caller->pending.slots[2], message);
		gate_call_over(caller, rc);
		tree_wake(caller);
		return;
	case WAIT_IMPORT:
		import_answered(caller, rc, message);
		return;
	case WAIT_DRY:
		tree_keeper_said(caller, rc == GATE_OK);
		return;
	case WAIT_STORAGE:
		if (rc == GATE_OK)
			tree_wake(caller);
		else
			domain_stop(caller, (struct stop){.reason = STOP_OUT_OF_STORAGE,
						    .need = caller->stop.need});
		return;
	case WAIT_FAULT:
		domain_finish(caller, (struct stop){.reason = STOP_TRAP, .trap = caller->stop.trap});
		return;
	default:
		must(GATE1, false);
	}
}

void
gate_answer(struct domain *caller, uint32_t rc, const struct message *message)
{
	struct world *world = caller->world;
	bool before;

	must(GATE1, caller->state == DOMAIN_CALLING);
	if (!world->edge) {
		gate_say(caller, rc, message);
		return;
	}
	if (edge_answer(caller, rc, message))
		return;
	before = edge_enters(caller);
	gate_say(caller, rc, message);
	edge_leave(world, before);
}

struct domain *
resume_caller(struct world *world, const struct key *key)
{
	struct domain *caller = domain_of(world, key);

	return caller && caller->state == DOMAIN_CALLING && caller->calls == key->badge ? caller
											: NULL;
}

/* --- views ------------------------------------------------------------------------------- */

struct domain *
view_caller(struct world *world, const struct key *key)
{
	struct domain *caller = resume_caller(world, key); /* the same count of calls */

	return caller && caller->wait == WAIT_IMPORT ? caller : NULL;
}

uint64_t
view_bytes(struct domain *caller)
{
	const struct instance *instance;

	if (!domain_pending(caller))
		return 0;
	instance = store_instance(caller->store, caller->pending.instance);
	return instance->memory ? instance->memory->bytes : 0;
}

uint8_t *
view_mem(struct domain *caller, uint64_t at, uint64_t bytes)
{
	if (!domain_pending(caller))
		return NULL;
	return store_mem_at(caller->store, caller->pending.instance, at, bytes);
}

/* --- callers that nobody will answer --------------------------------------------------------- */

/* Told later, one after the other: an answer may throw away a key that another
 * waits for, and so on, as far down as guests like. */
void
gate_lost(struct world *world, const struct key *key)
{
	struct domain *caller = resume_caller(world, key);

	if (!caller || caller->lost)
		return;
	caller->lost = true;
	caller->lost_calls = caller->calls;
	caller->lost_next = world->lost;
	world->lost = caller;
}

void
gate_settle(struct world *world)
{
	static const struct message nothing;

	while (world->lost) {
		struct domain *caller = world->lost;

		world->lost = caller->lost_next;
		caller->lost = false;
		caller->lost_next = NULL;
		if (caller->state == DOMAIN_CALLING && caller->calls == caller->lost_calls)
			gate_answer(caller, GATE_GONE, &nothing);
	}
}

void
gate_lost_drop(struct domain *domain)
{
	struct domain **at = &domain->world->lost;

	while (domain->lost && *at != domain)
		at = &(*at)->lost_next;
	if (domain->lost)
		*at = domain->lost_next;
	domain->lost = false;
}
