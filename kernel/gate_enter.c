/* SPDX-License-Identifier: Apache-2.0 */
/* gate_enter.c - a message is let in: by start keys, for keepers; who stands outside
 * of a busy domain, and what becomes of all of them when one ends. */
#include "kernel/gate.h"

#include "kernel/edge.h"
#include "kernel/gate_inside.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

/* --- letting in ------------------------------------------------------------------------------ */

/* The next one that waits outside runs its call again. */
void
gate_admit_next(struct domain *callee)
{
	struct domain *next = callee->callers.head;

	if (callee->state != DOMAIN_AVAILABLE || callee->entering || !next)
		return;
	callee->entering = next;
	domain_ready(next);
}

static void
enqueue(struct domain *caller, struct domain *callee)
{
	queue_drop(caller);
	caller->state = DOMAIN_QUEUED;
	caller->callee = callee;
	queue_add(&callee->callers, caller);
}

static bool
is_over(const struct domain *domain)
{
	return domain->state == DOMAIN_STOPPED &&
		(domain->stop.reason == STOP_TRAP || domain->stop.reason == STOP_RETURNED ||
			domain->stop.reason == STOP_ENDED);
}

/* true: it may put its message down now. Else it is in the queue. */
static bool
may_enter(struct domain *caller, struct domain *callee)
{
	if (callee->entering == caller)
		callee->entering = NULL;
	else if (callee->state != DOMAIN_AVAILABLE || callee->entering) {
		enqueue(caller, callee);
		return false;
	}
	caller->callee = NULL;
	if (callee->state == DOMAIN_AVAILABLE)
		return true;
	enqueue(caller, callee);
	return false;
}

/* The caller now waits for a reply, and the key to answer it is made. */
static struct key
wait_for_reply(struct domain *caller, uint8_t wait, const struct key *through)
{
	struct key resume = domain_key(caller, KEY_RESUME);

	queue_drop(caller);
	caller->state = DOMAIN_CALLING;
	caller->wait = wait;
	resume.badge = caller->calls;
	gate_wait_under(caller, through);
	return resume;
}

struct key
gate_wait_reply(struct domain *caller, uint8_t wait, const struct key *through)
{
	return wait_for_reply(caller, wait, through);
}

/* The callee goes on with the message, behind its reply_wait. */
static void
let_in(struct domain *callee, uint32_t order, const struct message *message)
{
	queue_drop(callee);
	callee->state = DOMAIN_STOPPED; /* until it is woken */
	if (!domain_pending(callee)) {
		gate_no_memory(callee);
		return;
	}
	letter_deliver(callee, (uint32_t)callee->pending.slots[1], message);
	gate_call_over(callee, order);
	tree_wake(callee);
}

static void
serve(struct domain *callee, struct domain *caller)
{
	if (callee->serving)
		callee->serving->served = NULL;
	callee->serving = caller;
	caller->served = callee;
}

/* Resume keys move: they leave the slot they are sent from. */
static void
take_moved(struct invocation *inv)
{
	static const struct key nothing;

	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		if (inv->in.keys[i].kind == KEY_RESUME)
			inv->domain->slots[inv->send_slots[i]] = nothing;
}

/* --- start keys ----------------------------------------------------------------------------- */

enum order_end
gate_enter(struct invocation *inv)
{
	struct domain *callee = domain_of(inv->world, &inv->key), *caller = inv->domain;

	if (!callee || callee == caller)
		return gate_rc(inv, callee ? GATE_BUSY : GATE_VOID);
	if (inv->key.rights)
		return tree_invoke(inv, callee, (uint32_t)inv->key.rights - 1);
	if (is_over(callee))
		return gate_rc(inv, GATE_GONE);
	if (!may_enter(caller, callee))
		return ORDER_STALLED;
	take_moved(inv);
	inv->in.badge = inv->key.badge;
	if (inv->form == GATE_CALL) {
		inv->in.keys[3] = wait_for_reply(caller, WAIT_REPLY, &inv->key);
		serve(callee, caller);
		let_in(callee, inv->order, &inv->in);
		return ORDER_STALLED;
	}
	let_in(callee, inv->order, &inv->in);
	return gate_rc(inv, GATE_OK);
}

/* Answers the caller that the resume key stands for; with `call`, waits itself
 * for whoever is handed its own resume key. */
enum order_end
gate_reply(struct invocation *inv)
{
	static const struct key nothing;
	struct domain *caller = resume_caller(inv->world, &inv->key);
	uint32_t rc = inv->order;

	if (inv->slot >= 0)
		inv->domain->slots[inv->slot] = nothing;
	if (!caller)
		return gate_rc(inv, GATE_VOID);
	take_moved(inv);
	inv->in.badge = 0;
	if (inv->form == GATE_CALL) {
		inv->in.keys[3] = wait_for_reply(inv->domain, WAIT_REPLY, &inv->key);
		serve(caller, inv->domain);
		gate_answer(caller, rc, &inv->in);
		return ORDER_STALLED;
	}
	gate_answer(caller, rc, &inv->in);
	return gate_rc(inv, GATE_OK);
}

/* --- keepers ------------------------------------------------------------------------------------ */

static bool
call_keeper(struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message)
{
	struct domain *keeper = key->kind == KEY_START ? domain_of(domain->world, key) : NULL;
	struct message to = *message;

	if (!keeper || keeper == domain || key->rights || is_over(keeper) ||
		key_usable(domain->world, key, message->text_bytes) != GATE_OK)
		return false;
	if (!may_enter(domain, keeper))
		return true; /* asked again when its turn comes */
	to.badge = key->badge;
	to.keys[3] = wait_for_reply(domain, domain->wait, key);
	serve(keeper, domain);
	let_in(keeper, order, &to);
	return true;
}

bool
gate_call_keeper(struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message)
{
	return domain->world->edge ? edge_asks_keeper(domain, key, order, message, call_keeper)
				   : call_keeper(domain, key, order, message);
}

/* --- ends ----------------------------------------------------------------------------------------- */

void
gate_abandon(struct domain *domain)
{
	while (domain->callers.head)
		domain_ready(domain->callers.head);
	domain->entering = NULL;
	for (uint32_t i = 0; i < domain->slots_count; i++) {
		const struct key key = domain->slots[i];

		if (key.kind != KEY_RESUME)
			continue;
		domain->slots[i] = (struct key){0};
		gate_lost(domain->world, &key);
	}
}

void
gate_forget(struct domain *domain)
{
	struct domain *callee = domain->callee;

	gate_abandon(domain);
	gate_wait_over(domain);
	gate_lost_drop(domain);
	if (domain->serving)
		domain->serving->served = NULL;
	domain->serving = NULL;
	domain->callee = NULL;
	queue_drop(domain);
	if (callee && callee->entering == domain) {
		callee->entering = NULL;
		gate_admit_next(callee);
	}
}

uint32_t
gate_cut(struct world *world, uint32_t grant)
{
	static const struct message nothing;
	struct grants *grants = &world->grants;
	struct domain *next;
	uint32_t woken = 0;

	for (struct domain *at = grants->at[grants->at[grant].root].waiters; at; at = next) {
		next = at->wait_next;
		if (grant_alive(grants, at->wait_grant, at->wait_grant_generation))
			continue;
		woken++;
		if (at->state == DOMAIN_WAITING)
			request_revoked(at);
		else
			gate_answer(at, GATE_REVOKED, &nothing);
	}
	return woken;
}
