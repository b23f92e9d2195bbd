/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/gate.h"

#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/prices.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

/* --- slots and keys ----------------------------------------------------------------- */

struct key
slot_key(const struct domain *domain, uint32_t slot)
{
	return slot < domain->slots_count ? domain->slots[slot] : (struct key){0};
}

void
slot_put(struct domain *domain, uint32_t slot, const struct key *key)
{
	const struct key old = domain->slots[slot];

	domain->slots[slot] = *key;
	if (old.kind == KEY_RESUME)
		gate_lost(domain->world, &old);
}

struct key
domain_key(const struct domain *domain, uint8_t kind)
{
	return (struct key){
		.kind = kind,
		.object = domain->id,
		.generation = domain->generation,
		.grant = GRANT_NONE,
	};
}

struct domain *
domain_of(struct world *world, const struct key *key)
{
	struct domain *domain = world_domain(world, key->object);

	return domain && domain->generation == key->generation ? domain : NULL;
}

enum gate_rc
key_usable(struct world *world, const struct key *key, uint64_t bytes)
{
	if (key->kind == KEY_VOID)
		return GATE_VOID;
	if (key->grant == GRANT_NONE)
		return GATE_OK;
	if (!grant_alive(&world->grants, key->grant, key->grant_generation))
		return GATE_REVOKED;
	return grant_use(&world->grants, key->grant, bytes, world->clock.now) ? GATE_OK
									      : GATE_REVOKED;
}

/* --- messages in guest memory ----------------------------------------------------------- */

struct letter { /* a message as the guest wrote it */
	struct message message;
	uint32_t text, room_at, room, rc;
	int32_t keys[MESSAGE_KEYS], slots[MESSAGE_KEYS];
};

enum { AT_BADGE = 32, AT_TEXT = 40, AT_GOT = 56 };

static bool
letter_read(struct call *call, uint32_t at, struct letter *ret)
{
	const uint8_t *bytes = call_mem(call, at, MESSAGE_BYTES);
	struct bytes_in in;

	if (!bytes)
		return false;
	in = bytes_in(bytes, MESSAGE_BYTES);
	*ret = (struct letter){0};
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		ret->message.words[i] = bytes_u64(&in);
	(void)bytes_u64(&in);
	ret->text = bytes_u32(&in);
	ret->message.text_bytes = bytes_u32(&in);
	ret->room_at = bytes_u32(&in);
	ret->room = bytes_u32(&in);
	(void)bytes_u32(&in);
	ret->rc = bytes_u32(&in);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		ret->keys[i] = (int32_t)bytes_u32(&in);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		ret->slots[i] = (int32_t)bytes_u32(&in);
	ret->message.text = call_mem(call, ret->text, ret->message.text_bytes);
	return ret->message.text && ret->message.text_bytes <= MESSAGE_TEXT_MAX;
}

/* Whatever comes later can be put down without asking: slots exist, and the
 * buffer lies in memory, which never shrinks. */
static enum gate_rc
letter_ready(struct call *call, const struct letter *letter)
{
	uint32_t slots = 0;

	if (!call_mem(call, letter->room_at, letter->room))
		return GATE_BAD_WORD;
	for (unsigned i = 0; i < MESSAGE_KEYS; i++) {
		if (letter->slots[i] < -1 || letter->slots[i] >= SLOTS_MAX)
			return GATE_BAD_WORD;
		slots = letter->slots[i] >= (int32_t)slots ? (uint32_t)letter->slots[i] + 1 : slots;
	}
	return domain_slots_room(call->domain, slots) ? GATE_NO_SPACE : GATE_OK;
}

static void
put_u32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static void
put_u64(uint8_t *to, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static int32_t
get_i32(const uint8_t *from)
{
	return (int32_t)((uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
		(uint32_t)from[3] << 24);
}

/* A sleeper is written to where it lies; only without a page is it woken for it. */
static void
put_down(struct domain *domain, uint32_t at, const void *from, uint64_t bytes)
{
	const uint32_t instance = domain->pending.instance;

	if (store_mem_write(domain->store, instance, at, from, bytes))
		must(GATE4, !store_warm(domain->store) &&
				    !store_mem_write(domain->store, instance, at, from, bytes));
}

/* Into the domain that stands in its call with its letter at `at`. A resume key
 * that finds no slot is lost, so its caller wakes. */
static void
deliver(struct domain *domain, uint32_t at, const struct message *message)
{
	uint8_t letter[MESSAGE_BYTES];
	uint32_t room, room_at;

	must(GATE4, store_mem_read(domain->store, domain->pending.instance, at, letter, sizeof letter));
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		put_u64(letter + 8 * i, message->words[i]);
	put_u64(letter + AT_BADGE, message->badge);
	room_at = (uint32_t)get_i32(letter + 48);
	room = (uint32_t)min_u64((uint32_t)get_i32(letter + 52), message->text_bytes);
	put_u32(letter + AT_GOT, message->text_bytes);
	put_down(domain, at, letter, sizeof letter);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++) {
		const int32_t slot = get_i32(letter + 80 + 4 * i);

		if (slot >= 0)
			slot_put(domain, (uint32_t)slot, &message->keys[i]);
		else if (message->keys[i].kind == KEY_RESUME)
			gate_lost(domain->world, &message->keys[i]);
	}
	if (room)
		put_down(domain, room_at, message->text, room);
}

/* --- answering --------------------------------------------------------------------------- */

uint8_t *
gate_mem(struct invocation *inv, uint64_t at, uint64_t bytes)
{
	if (inv->world->edge)
		edge_touches(inv->world);
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
static void
wait_over(struct domain *caller)
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
static void
call_over(struct domain *domain, uint64_t result)
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
		if (narrow && get_i32(bytes + 8 * i + 4) != 0)
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
static void
no_memory(struct domain *domain)
{
	store_host_trap(domain->store, TRAP_ARGUMENT);
	domain->charged = domain->progress = 0;
	domain_finish(domain, (struct stop){.reason = STOP_TRAP, .trap = TRAP_ARGUMENT});
}

void
gate_over(struct domain *caller)
{
	wait_over(caller);
}

static void
answer(struct domain *caller, uint32_t rc, const struct message *message)
{
	const uint8_t wait = caller->wait;

	wait_over(caller);
	if (wait <= WAIT_IMPORT && !domain_pending(caller)) {
		no_memory(caller);
		return;
	}
	switch (wait) {
	case WAIT_REPLY:
	case WAIT_RUN:
	case WAIT_INVOKE:
		deliver(caller, (uint32_t)caller->pending.slots[2], message);
		call_over(caller, rc);
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
		answer(caller, rc, message);
		return;
	}
	if (edge_answer(caller, rc, message))
		return;
	before = edge_enters(caller);
	answer(caller, rc, message);
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

static void
lost_drop(struct domain *domain)
{
	struct domain **at = &domain->world->lost;

	while (domain->lost && *at != domain)
		at = &(*at)->lost_next;
	if (domain->lost)
		*at = domain->lost_next;
	domain->lost = false;
}

/* --- letting in ------------------------------------------------------------------------------ */

/* The next one that waits outside runs its call again. */
static void
admit_next(struct domain *callee)
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
		no_memory(callee);
		return;
	}
	deliver(callee, (uint32_t)callee->pending.slots[1], message);
	call_over(callee, order);
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

bool
gate_call_keeper(struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message)
{
	struct domain *keeper = key->kind == KEY_START ? domain_of(domain->world, key) : NULL;
	struct message to = *message;

	if (domain->world->edge)
		edge_asks_keeper(domain, key);
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
	wait_over(domain);
	lost_drop(domain);
	if (domain->serving)
		domain->serving->served = NULL;
	domain->serving = NULL;
	domain->callee = NULL;
	queue_drop(domain);
	if (callee && callee->entering == domain) {
		callee->entering = NULL;
		admit_next(callee);
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

/* --- the imports ------------------------------------------------------------------------------------ */

static enum call_end
ended(struct invocation *inv, enum order_end end, uint32_t at, uint32_t result)
{
	struct domain *domain = inv->domain;

	switch (end) {
	case ORDER_DONE:
		if (inv->form == GATE_CALL)
			deliver(domain, at, &inv->out);
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
	admit_next(domain);
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
	{"keyhold", "call", "iii:i", call_import},
	{"keyhold", "send", "iii:i", send_import},
	{"keyhold", "reply_wait", "ii:i", reply_wait_import},
	{"keyhold", "yield", "I:I", yield_import},
	{0},
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
