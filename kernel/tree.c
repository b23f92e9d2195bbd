/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/world_state.h"

/* --- stops as answers ---------------------------------------------------------------- */

void
stop_message(const struct domain *domain, struct stop stop, struct message *ret_message)
{
	struct frame_view frame;

	*ret_message = (struct message){.words = {stop.reason}};
	switch (stop.reason) {
	case STOP_RETURNED:
		ret_message->words[1] = stop.code;
		break;
	case STOP_YIELDED:
	case STOP_CALLED:
		ret_message->words[1] = stop.word;
		break;
	case STOP_OUT_OF_GAS:
	case STOP_OUT_OF_STORAGE:
		ret_message->words[2] = stop.need;
		break;
	case STOP_TRAP:
		ret_message->words[1] = stop.trap;
		if (store_frame(domain->store, 0, &frame))
			ret_message->words[2] = frame.offset;
		break;
	default:
		break;
	}
}

/* The run that drives `child` answers; the child stands as it stands. */
void
tree_answer_run(struct domain *child, struct stop stop)
{
	struct domain *runner = child->runner;
	struct message message;

	must(RUN1, runner->runs == child);
	child->poll = false;
	stop_message(child, stop, &message);
	gate_answer(runner, GATE_OK, &message);
}

/* An export that was invoked and returned: its results are the words. */
static void
answer_invoke(struct domain *domain, struct stop stop)
{
	struct domain *runner = domain->runner;
	const struct exec_result *result = &domain->pending;
	struct message message = {0};
	uint32_t rc = GATE_GONE;

	if (stop.reason == STOP_RETURNED && domain->entered && result->type) {
		rc = GATE_OK;
		for (uint32_t i = 0; i < result->type->results && i < MESSAGE_WORDS; i++)
			message.words[i] = result->slots[i];
	}
	gate_answer(runner, rc, &message);
}

void
tree_stopped(struct domain *domain)
{
	const struct stop stop = domain->stop;

	if (stop_is_final(&stop))
		gate_abandon(domain);
	if (!domain->runner)
		return;
	if (domain->runner->wait != WAIT_INVOKE)
		tree_answer_run(domain, stop);
	else if (stop_is_final(&stop))
		answer_invoke(domain, stop);
}

/* --- running ----------------------------------------------------------------------------- */

static void
drive(struct invocation *inv, struct domain *child, uint8_t wait)
{
	struct domain *runner = inv->domain;

	queue_drop(runner);
	runner->state = DOMAIN_CALLING;
	runner->wait = wait;
	runner->runs = child;
	child->runner = runner;
	gate_wait_under(runner, &inv->key);
}

/* At the end, so that they go on in the order they were held. */
void
tree_hold(struct domain *domain, struct domain *leaf)
{
	struct domain **at = &domain->leaf;

	while (*at)
		at = &(*at)->leaf_next;
	*at = leaf;
	leaf->leaf_next = NULL;
	leaf->leaf_of = domain;
	leaf->held = true;
	if (domain->world->edge)
		edge_holds(domain, leaf);
}

void
tree_unhold(struct domain *leaf)
{
	struct domain **at = &leaf->leaf_of->leaf;

	if (leaf->world->edge)
		edge_unholds(leaf->leaf_of, leaf);
	while (*at != leaf)
		at = &(*at)->leaf_next;
	*at = leaf->leaf_next;
	leaf->leaf_next = leaf->leaf_of = NULL;
	leaf->held = false;
}

void
domain_hold(struct domain *domain)
{
	for (struct domain *at = domain; at; at = domain_walk(at, domain)) {
		if (at->state != DOMAIN_READY)
			continue;
		queue_drop(at);
		at->state = DOMAIN_STOPPED;
		at->stop = (struct stop){.reason = STOP_WAITING};
		if (at != domain && !at->held)
			tree_hold(domain, at);
	}
}

/* The strand below goes on from where it was left. */
void
tree_go_on(struct domain *child)
{
	struct meter *dry = child->dry;

	child->dry = NULL;
	child->interrupted = false;
	while (child->leaf) {
		struct domain *leaf = child->leaf;

		tree_unhold(leaf);
		if (leaf->state == DOMAIN_STOPPED)
			domain_ready(leaf);
	}
	if (dry) {
		dry->asked_by = NULL;
		tree_unpark(dry);
	}
	domain_start(child);
}

enum { STRAND_LOOK = 64 };

/* Is the runner at the end of the strand that `child` drives? Then running it
 * would wait for itself. A strand that was left standing has nobody running at
 * its end; of another one that is too long to look along, yes is a fair answer. */
static bool
ends_in(const struct domain *child, const struct domain *runner)
{
	const struct domain *at = child->leaf || child->dry ? NULL : child;

	for (unsigned i = 0; at && i < STRAND_LOOK; i++) {
		if (at == runner)
			return true;
		at = at->runs ? at->runs : at->served;
	}
	return at != NULL;
}

enum order_end
tree_run(struct invocation *inv, struct domain *child, uint64_t word, uint32_t flags)
{
	if (child == inv->domain || child->runner || child->state == DOMAIN_READY ||
		ends_in(child, inv->domain))
		return gate_rc(inv, GATE_BUSY);
	if (child->state == DOMAIN_STOPPED && stop_is_final(&child->stop) && !child->has_entry) {
		stop_message(child, child->stop, &inv->out);
		return gate_rc(inv, GATE_OK);
	}
	child->word_in = word;
	if (flags & RUN_DETACH || inv->form != GATE_CALL) { /* nobody waits for the answer */
		tree_go_on(child);
		return gate_rc(inv, GATE_OK);
	}
	drive(inv, child, WAIT_RUN);
	child->poll = flags & RUN_POLL;
	tree_go_on(child);
	if (child->runner && child->poll && child->state == DOMAIN_WAITING)
		tree_waits(child);
	return ORDER_STALLED;
}

enum order_end
tree_invoke(struct invocation *inv, struct domain *child, uint32_t func)
{
	const struct module *module = store_instance(child->store, child->instance)->module;
	int error;

	if (child == inv->domain || child->runner || child->state != DOMAIN_STOPPED ||
		!store_idle(child->store))
		return gate_rc(inv, GATE_BUSY);
	if (func >= module->func_imports + module->funcs_count ||
		module_functype(module, func)->params > MESSAGE_WORDS)
		return gate_rc(inv, GATE_BAD_WORD);
	error = domain_entry(child, func, inv->in.words, module_functype(module, func)->params);
	if (error)
		return gate_rc(inv, error == -EBUSY ? GATE_BUSY
				    : error == -EINVAL ? GATE_BAD_WORD
						       : GATE_NO_SPACE);
	if (inv->form != GATE_CALL) {
		tree_go_on(child);
		return gate_rc(inv, GATE_OK);
	}
	drive(inv, child, WAIT_INVOKE);
	tree_go_on(child);
	return ORDER_STALLED;
}

void
tree_wake(struct domain *domain)
{
	if (!domain->held) {
		domain_ready(domain);
		return;
	}
	if (domain->world->edge)
		edge_wakes(domain);
	queue_drop(domain);
	domain->state = DOMAIN_STOPPED;
	domain->stop = (struct stop){.reason = STOP_WAITING};
}

/* --- waiting -------------------------------------------------------------------------------- */

void
tree_waits(struct domain *domain)
{
	struct domain *at = domain;

	while (at->runner && !at->poll)
		at = at->runner;
	if (!at->runner)
		return;
	tree_hold(at, domain);
	tree_answer_run(at, (struct stop){.reason = STOP_WAITING});
}

static const char *
other(const struct domain *domain)
{
	return domain && domain->name[0] ? domain->name : "another";
}

static int
wait_line(const struct domain *at, char *text, size_t bytes)
{
	const char *name = at->name[0] ? at->name : "one";

	switch (at->state) {
	case DOMAIN_AVAILABLE:
		return snprintf(text, bytes, "%s: to be called\n", name);
	case DOMAIN_QUEUED:
		return snprintf(text, bytes, "%s: to enter %s\n", name, other(at->callee));
	case DOMAIN_PARKED:
		return snprintf(text, bytes, "%s: for gas\n", name);
	case DOMAIN_WAITING:
		return snprintf(text, bytes, "%s: for a device\n", name);
	case DOMAIN_CALLING:
		if (at->runs)
			return snprintf(text, bytes, "%s: for %s, which it runs\n", name, other(at->runs));
		return snprintf(text, bytes, "%s: for %s to answer\n", name, other(at->served));
	default:
		return 0;
	}
}

uint32_t
domain_waits(struct domain *domain, char *text, uint32_t bytes)
{
	uint32_t used = 0;

	for (struct domain *at = domain; at; at = domain_walk(at, domain)) {
		const int line = wait_line(at, text + used, bytes - used);

		if (line < 0 || (uint32_t)line >= bytes - used)
			break; /* the rest would not fit */
		used += (uint32_t)line;
	}
	return used;
}

/* With who waits for whom. */
static void
answer_waiting(struct domain *child)
{
	struct world *world = child->world;
	struct domain *runner = child->runner;
	struct message message = {.words = {STOP_WAITING}, .text = (const uint8_t *)world->words};

	child->poll = false;
	message.text_bytes = domain_waits(child, world->words, sizeof world->words);
	gate_answer(runner, GATE_OK, &message);
}

/* Outermost: a run whose runner nobody runs. Places in order, so it is the same
 * each time. */
bool
tree_quiesce(struct world *world)
{
	bool told = false;

	for (uint32_t id = 0; id < world->places_count; id++) {
		struct domain *runner = world->places[id].domain;

		if (!runner || runner->wait != WAIT_RUN || runner->runner ||
			runner->state != DOMAIN_CALLING || runner->interrupted)
			continue;
		answer_waiting(runner->runs);
		told = true;
	}
	return told;
}

/* --- dry lines ------------------------------------------------------------------------------- */

void
tree_unpark(struct meter *meter)
{
	meter->told = false;
	while (meter->parked.head)
		tree_wake(meter->parked.head);
}

static void
park(struct domain *domain, struct meter *meter)
{
	queue_drop(domain);
	domain->state = DOMAIN_PARKED;
	queue_add(&meter->parked, domain);
}

/* Who drives it: the run, or whoever it serves. */
static struct domain *
outward(const struct domain *domain)
{
	return domain->runner ? domain->runner : domain->serving;
}

/* The innermost run of a strand whose runner is not at or below the line; else
 * the outermost domain, and false. */
static bool
find_run(struct domain *domain, const struct line *line, struct domain **ret_child)
{
	struct domain *at = domain, *next;

	for (;; at = next) {
		if (at->runner && at->runner->wait == WAIT_RUN &&
			!line_is_below(&at->runner->meter.line, line)) {
			*ret_child = at;
			return true;
		}
		next = outward(at);
		if (!next)
			break;
	}
	*ret_child = at;
	return false;
}

/* The run, or the host, hears of it. */
static void
tell_run(struct domain *domain, struct meter *meter, uint64_t need)
{
	const struct stop stop = {.reason = STOP_OUT_OF_GAS, .need = need};
	struct domain *child;
	const bool found = find_run(domain, &meter->line, &child);

	if (child == domain) {
		meter->told = false;
		domain_stop(domain, stop);
		return;
	}
	park(domain, meter);
	child->dry = meter;
	meter->asked_by = child;
	if (found) {
		tree_answer_run(child, stop);
		return;
	}
	child->interrupted = true;
	child->stop = stop;
}

static bool
tell_keeper(struct domain *domain, struct meter *meter, uint64_t need)
{
	struct world *world = domain->world;
	struct message message = {.words = {need}};
	const struct domain *keeper = meter->keeper.kind == KEY_START
		? domain_of(world, &meter->keeper)
		: NULL;

	if (!keeper || line_is_below(&keeper->meter.line, &meter->line) ||
		meter->object == OBJECT_NONE)
		return false;
	message.keys[0] = object_key(world, meter->object, UINT32_MAX);
	domain->wait = WAIT_DRY;
	domain->stop.need = need;
	domain->asks = meter;
	meter->asker = domain;
	if (gate_call_keeper(domain, &meter->keeper, ORDER_DRY, &message))
		return true;
	domain->wait = WAIT_NOTHING;
	domain->asks = NULL;
	meter->asker = NULL;
	return false;
}

/* No line is dry: the purse is. Its owner is whoever runs the domain. */
static void
purse_dry(struct domain *domain, uint64_t need)
{
	domain_stop(domain, (struct stop){.reason = STOP_OUT_OF_GAS, .need = need});
}

static void
meter_dry(struct domain *domain, struct meter *meter, uint64_t need)
{
	if (meter->told) {
		park(domain, meter);
		return;
	}
	meter->told = true;
	if (!tell_keeper(domain, meter, need))
		tell_run(domain, meter, need);
}

void
tree_dry(struct domain *domain, uint64_t need)
{
	const struct edge *edge = domain->world->edge;
	struct line *line = line_dry(&domain->world->clock, need);

	if (edge && edge_dry(domain, line, need, true))
		return;
	if (line)
		meter_dry(domain, meter_of(line), need);
	else
		purse_dry(domain, need);
	if (edge)
		edge_dried(domain);
}

static void
not_refuelled(struct domain *domain, struct meter *meter)
{
	const struct edge *edge = domain->world->edge;

	if (edge && edge_dry(domain, &meter->line, domain->stop.need, false))
		return;
	tell_run(domain, meter, domain->stop.need);
	if (edge)
		edge_dried(domain);
}

/* The keeper of the meter it found dry has answered. */
void
tree_keeper_said(struct domain *domain, bool refuelled)
{
	struct meter *meter = domain->asks;

	domain->asks = NULL;
	if (meter)
		meter->asker = NULL;
	if (!refuelled && meter) {
		not_refuelled(domain, meter);
		return;
	}
	if (meter)
		tree_unpark(meter);
	tree_wake(domain);
}

static void
ask_dry_again(struct domain *domain, struct meter *meter)
{
	const struct edge *edge = domain->world->edge;

	if (edge && edge_dry(domain, &meter->line, domain->stop.need, false))
		return;
	if (!tell_keeper(domain, meter, domain->stop.need))
		tree_keeper_said(domain, false);
	if (edge)
		edge_dried(domain);
}

/* Its keeper was busy, and may be free now. */
void
tree_ask_again(struct domain *domain)
{
	const enum domain_wait wait = (enum domain_wait)domain->wait;
	struct meter *meter = domain->asks;

	domain->wait = WAIT_NOTHING;
	if (wait == WAIT_STORAGE)
		tree_full(domain, domain->stop.need);
	else if (wait == WAIT_FAULT)
		tree_trapped(domain, domain->stop.trap);
	else if (wait == WAIT_DRY && meter)
		ask_dry_again(domain, meter);
}

/* --- storage and traps ---------------------------------------------------------------------- */

static bool
ask_keeper(struct domain *domain, enum domain_wait wait, uint32_t order, struct message *message)
{
	message->keys[0] = domain_key(domain, KEY_DOMAIN);
	domain->wait = (uint8_t)wait;
	if (gate_call_keeper(domain, &domain->keeper, order, message))
		return true;
	domain->wait = WAIT_NOTHING;
	return false;
}

void
tree_full(struct domain *domain, uint64_t need)
{
	struct message message = {.words = {need}};

	domain->stop.need = need;
	if (ask_keeper(domain, WAIT_STORAGE, ORDER_STORAGE, &message))
		return;
	domain_stop(domain, (struct stop){.reason = STOP_OUT_OF_STORAGE, .need = need});
}

void
tree_trapped(struct domain *domain, enum trap trap)
{
	const struct stop stop = {.reason = STOP_TRAP, .trap = trap};
	struct message message;

	stop_message(domain, stop, &message);
	domain->stop.trap = trap;
	if (ask_keeper(domain, WAIT_FAULT, ORDER_FAULT, &message))
		return;
	domain_finish(domain, stop);
}

/* An import that nobody serves: the keeper, else the run, else a trap. */
enum call_end
tree_import(struct call *call, uint32_t index, const uint8_t *args, uint32_t bytes)
{
	struct domain *domain = call->domain;
	struct message message = {.words = {index}, .text = args, .text_bytes = bytes};

	message.keys[0] = domain_key(domain, KEY_VIEW);
	message.keys[0].badge = domain->calls;
	domain->wait = WAIT_IMPORT;
	if (gate_call_keeper(domain, &domain->keeper, ORDER_IMPORT, &message))
		return CALL_STALLED;
	domain->wait = WAIT_NOTHING;
	if (domain->runner && domain->runner->wait == WAIT_RUN) {
		domain_stop(domain, (struct stop){.reason = STOP_CALLED, .word = index});
		return CALL_STALLED;
	}
	call->trap = TRAP_IMPORT;
	return CALL_TRAP;
}

/* --- ends ------------------------------------------------------------------------------------- */

void
tree_forget(struct domain *domain)
{
	static const struct message nothing;
	struct domain *runner = domain->runner;

	if (runner)
		gate_answer(runner, GATE_GONE, &nothing);
	while (domain->leaf)
		tree_unhold(domain->leaf);
	if (domain->leaf_of)
		tree_unhold(domain);
	if (domain->asks) {
		domain->asks->asker = NULL;
		tree_unpark(domain->asks);
	}
	if (domain->dry) {
		domain->dry->asked_by = NULL;
		tree_unpark(domain->dry);
	}
}

void
meter_init(struct meter *meter, struct line *superior)
{
	*meter = (struct meter){.object = OBJECT_NONE};
	line_init(&meter->line, superior);
}

void
meter_rate(struct clock_gas *clock, struct meter *meter)
{
	const uint64_t pages = meter->owner ? store_pages(meter->owner->store) : 0;
	const uint64_t rate = 1 + meter->rent * pages;

	if (rate != meter->line.rate)
		line_rate(clock, &meter->line, rate);
}

void
meter_end(struct meter *meter)
{
	if (meter->asked_by)
		meter->asked_by->dry = NULL;
	if (meter->asker)
		meter->asker->asks = NULL;
	meter->asked_by = meter->asker = NULL;
	tree_unpark(meter);
}
