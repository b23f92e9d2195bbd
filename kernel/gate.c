/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - the imports call, send, reply_wait and yield: from a letter in a guest to
 * an order on a key, and its end. */
#include "kernel/gate.h"

#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/gate_inside.h"
#include "kernel/prices.h"
#include "kernel/world_state.h"

/* --- the imports ------------------------------------------------------------------------------------ */

static enum call_end
ended(struct invocation *inv, enum order_end end, uint32_t at, uint32_t result)
{
	struct domain *domain = inv->domain;

	switch (end) {
	case ORDER_DONE:
		if (inv->form == GATE_CALL)
			letter_deliver(domain, at, &inv->out);
		inv->call->slots[0] = result;
		return CALL_DONE;
	case ORDER_WAIT:
		return CALL_WAIT;
	case ORDER_DRY_GAS:
		return CALL_DRY;
	case ORDER_FULL:
		return CALL_FULL;
	case ORDER_STALLED:
		return CALL_STALLED;
	case ORDER_GONE:
		return CALL_GONE;
	case ORDER_AGAIN:
		return CALL_AGAIN;
	}
	must(GATE4, false);
	return CALL_TRAP;
}

static enum gate_rc
gather(struct invocation *inv, const struct letter *letter)
{
	for (unsigned i = 0; i < MESSAGE_KEYS; i++) {
		const int32_t slot = letter->keys[i];

		if (slot < -1 || slot >= SLOTS_MAX)
			return GATE_BAD_WORD;
		inv->send_slots[i] = slot;
		if (slot >= 0)
			inv->in.keys[i] = slot_key(inv->domain, (uint32_t)slot);
		/* One key cannot move to two places. */
		for (unsigned j = 0; j < i && inv->in.keys[i].kind == KEY_RESUME; j++)
			if (letter->keys[j] == slot)
				return GATE_BAD_WORD;
		if (inv->in.keys[i].kind == KEY_RESUME && slot == inv->slot)
			return GATE_BAD_WORD;
	}
	/* The fourth place is the resume key's. */
	return inv->form == GATE_CALL && !key_is_void(&inv->in.keys[3]) ? GATE_BAD_WORD : GATE_OK;
}

/* Uses are counted once for a call that runs several times. */
static enum gate_rc
use(struct invocation *inv)
{
	enum gate_rc rc;

	if (inv->domain->counted)
		return inv->key.grant == GRANT_NONE ||
				grant_alive(&inv->world->grants, inv->key.grant,
					inv->key.grant_generation)
			? GATE_OK
			: GATE_REVOKED;
	rc = key_usable(inv->world, &inv->key, inv->in.text_bytes);
	inv->domain->counted = rc == GATE_OK;
	return rc;
}

/* What an invocation costs whatever it does: copies are paid for both ways. */
static uint64_t
price_of(const struct invocation *inv, const struct letter *letter)
{
	const struct grants *grants = &inv->world->grants;
	const uint64_t depth = inv->key.grant < grants->count ? grants->at[inv->key.grant].depth : 0;

	return PRICE_HOST_CALL + PRICE_GATE + PRICE_GRANT_DEPTH * depth +
		price_copy(letter->message.text_bytes) + price_copy(letter->room);
}

static enum order_end
serve_order(struct invocation *inv)
{
	const struct caps *caps = inv->world->config.caps;
	const enum gate_rc rc = use(inv);

	if (rc != GATE_OK)
		return gate_rc(inv, rc);
	if (!caps || !caps->invoke)
		return gate_rc(inv, GATE_WRONG_KIND);
	inv->admitted = true;
	return caps->invoke(inv);
}

static enum order_end
perform(struct invocation *inv)
{
	return inv->world->edge ? edge_perform(inv, serve_order) : serve_order(inv);
}

/* Slot -1 is always there: the domain's own slots. */
static struct key
called_key(const struct domain *domain, int32_t slot)
{
	if (slot == GATE_SLOTS)
		return domain_key(domain, KEY_SLOTS);
	return slot < 0 ? (struct key){0} : slot_key(domain, (uint32_t)slot);
}

static void
begin(struct invocation *inv, struct call *call, enum gate_form form, int32_t slot)
{
	*inv = (struct invocation){.call = call, .world = call->world, .domain = call->domain,
		.form = form, .slot = slot, .key = called_key(call->domain, slot)};
}

static enum call_end
invoke(struct call *call, enum gate_form form)
{
	const uint32_t at = (uint32_t)call->slots[2];
	struct invocation inv;
	struct letter letter;
	enum gate_rc rc;

	begin(&inv, call, form, (int32_t)call->slots[0]);
	inv.order = (uint32_t)call->slots[1];
	if (!letter_read(call, at, &letter)) {
		call->slots[0] = GATE_BAD_WORD;
		return CALL_DONE;
	}
	if (!call_charge(call, price_of(&inv, &letter)))
		return CALL_DRY;
	call->charged_before = price_of(&inv, &letter);
	inv.in = letter.message;
	rc = gather(&inv, &letter);
	if (rc == GATE_OK)
		rc = letter_ready(call, &letter);
	if (rc != GATE_OK) {
		call->slots[0] = rc;
		return CALL_DONE;
	}
	const enum order_end end = perform(&inv);

	return ended(&inv, end, at, inv.rc);
}

static enum call_end
call_import(struct call *call)
{
	return invoke(call, GATE_CALL);
}

static enum call_end
send_import(struct call *call)
{
	return invoke(call, GATE_SEND);
}

static enum call_end
argument_trap(struct call *call)
{
	call->trap = TRAP_ARGUMENT;
	return CALL_TRAP;
}

enum { REPLY_DONE = -1 };

/* Replies, once, and then stands available. progress: the order's own, in the
 * place of the reply, until it is done. */
static enum call_end
reply_wait_import(struct call *call)
{
	const uint32_t at = (uint32_t)call->slots[1];
	struct domain *domain = call->domain;
	struct invocation inv;
	struct letter letter;

	begin(&inv, call, GATE_REPLY, (int32_t)call->slots[0]);
	if (!letter_read(call, at, &letter))
		return argument_trap(call);
	if (!call_charge(call, price_of(&inv, &letter)))
		return CALL_DRY;
	call->charged_before = price_of(&inv, &letter);
	inv.in = letter.message;
	inv.order = letter.rc;
	if (letter_ready(call, &letter) != GATE_OK || gather(&inv, &letter) != GATE_OK)
		return argument_trap(call);
	if (domain->progress != (uint64_t)REPLY_DONE && !key_is_void(&inv.key)) {
		const enum order_end end = perform(&inv);

		if (end != ORDER_DONE)
			return ended(&inv, end, at, 0);
		call_consume(call); /* the order's: what comes next is a message */
	}
	domain->progress = (uint64_t)REPLY_DONE;
	domain->counted = false;
	queue_drop(domain);
	domain->state = DOMAIN_AVAILABLE;
	gate_admit_next(domain);
	return CALL_STALLED;
}

/* progress: it has stopped; this is the run that goes on. */
static enum call_end
yield_import(struct call *call)
{
	if (!call->domain->progress) {
		call->domain->progress = 1;
		call->word = call->slots[0];
		return CALL_YIELD;
	}
	call->slots[0] = call->domain->word_in;
	call->domain->word_in = 0;
	return CALL_DONE;
}

const struct import_def gate_imports[] = {
	[GATE_IMPORT_CALL] = {"keyhold", "call", "iii:i", call_import},
	[GATE_IMPORT_SEND] = {"keyhold", "send", "iii:i", send_import},
	[GATE_IMPORT_REPLY_WAIT] = {"keyhold", "reply_wait", "ii:i", reply_wait_import},
	[GATE_IMPORT_YIELD] = {"keyhold", "yield", "I:I", yield_import},
	[GATE_IMPORT_YIELD + 1] = {0},
};

/* --- orders that end things ----------------------------------------------------------------------- */

/* After such an order the invoker may be among what ended; and if it lives, its
 * line has to run again. */
static enum order_end
survived(struct world *world, struct invocation *inv, uint32_t id, uint32_t generation)
{
	struct domain *domain = world_domain(world, id);

	if (!domain || domain->generation != generation || domain->stop.reason == STOP_ENDED)
		return ORDER_GONE;
	line_switch(&world->clock, &domain->meter.line);
	return gate_rc(inv, GATE_OK);
}

/* One that the host made stays for it to look at. */
static void
end_domain(struct domain *domain)
{
	if (domain->parent) {
		domain_end(domain);
		return;
	}
	while (domain->first)
		domain_end(domain->first);
	domain_finish(domain, (struct stop){.reason = STOP_ENDED});
}

enum order_end
domain_end_by(struct invocation *inv, struct domain *domain)
{
	struct world *world = inv->world;
	const uint32_t id = inv->domain->id, generation = inv->domain->generation;

	end_domain(domain);
	return survived(world, inv, id, generation);
}

enum order_end
bank_end_by(struct invocation *inv, struct bank *bank)
{
	struct world *world = inv->world;
	const uint32_t id = inv->domain->id, generation = inv->domain->generation;

	if (bank->owner)
		end_domain(bank->owner);
	else
		object_end(world, bank->object);
	return survived(world, inv, id, generation);
}

void
world_bank_done(struct world *world, struct bank *bank)
{
	bank_clear(world, bank);
	bank_done(bank);
}
