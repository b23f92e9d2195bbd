/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - steps: who runs, for how much, and what it stopped for.
 *
 *             domain_start              picked, slice over
 *   STOPPED ---------------> READY <-----------------------.
 *      ^                      |  ^  \______________________/
 *      |   returned, trap,    |  |
 *      |   dry, yielded ...   |  | completion
 *      +----------------------+  |
 *                             |  |
 *                             `-> WAITING (a request in flight, or stalled: the
 *                                          device was full)
 *
 * A slice is gas, not time. It is charged to the domain and not to the turn: a
 * domain that waits or stops goes on in the same slice, so that an image taken
 * anywhere changes nothing about who runs when. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

void
domain_ready(struct domain *domain)
{
	if (domain->world->edge && edge_ready(domain))
		return;
	queue_drop(domain);
	domain->state = DOMAIN_READY;
	queue_ready(domain);
}

void
domain_stop(struct domain *domain, struct stop stop)
{
	queue_drop(domain);
	domain->state = DOMAIN_STOPPED;
	domain->stop = stop;
	tree_stopped(domain);
}

bool
stop_is_final(const struct stop *stop)
{
	return stop->reason == STOP_TRAP || stop->reason == STOP_RETURNED ||
		stop->reason == STOP_ENDED;
}

void
domain_finish(struct domain *domain, struct stop stop)
{
	domain->slice_left = 0;
	domain_stop(domain, stop);
}

/* --- completions --------------------------------------------------------------- */

/* A piece of the device is free again: those that could not submit try again,
 * in the order they came. */
static void
wake_stalled(struct world *world)
{
	if (!world->requests.roomier)
		return;
	world->requests.roomier = false;
	requests_retry(&world->requests);
	while (world->stalled.head)
		domain_ready(world->stalled.head);
}

static void
completed(struct domain *owner, const struct device_completion *completion)
{
	must(WORLD4, owner->state == DOMAIN_WAITING && owner->request == completion->id);
	owner->request = 0;
	owner->completed = true;
	owner->completion = *completion;
	gate_wait_end(owner);
	tree_wake(owner);
}

bool
world_take_completion(struct world *world, bool wait)
{
	struct device_completion completion;
	struct domain *owner;

	if (!requests_reap(&world->requests, wait, &owner, &completion))
		return false;
	if (owner && world->edge) {
		edge_completes(owner, &completion);
		const bool before = edge_enters(owner);

		completed(owner, &completion);
		edge_leave(world, before);
	} else if (owner) {
		completed(owner, &completion);
	}
	wake_stalled(world);
	return true;
}

/* --- what a run came to ---------------------------------------------------------- */

static bool
is_warm(struct domain *domain)
{
	return !store_is_cold(domain->store) || !store_warm(domain->store);
}

/* Its memories cannot be had: it stops before anything happened. */
static void
stop_cold(struct domain *domain)
{
	domain_stop(domain,
		(struct stop){.reason = STOP_OUT_OF_STORAGE, .need = HOST_PAGE_BYTES});
}

/* Does it go on in this slice? */
static bool
answer_call(struct domain *domain)
{
	struct stop stop = {0};

	switch (call_run(domain)) {
	case CALL_DONE:
		store_host_done(domain->store);
		return true;
	case CALL_WAIT:
		queue_drop(domain);
		domain->state = DOMAIN_WAITING;
		if (!domain->request)
			queue_add(&domain->world->stalled, domain);
		tree_waits(domain);
		return false;
	case CALL_STALLED:
	case CALL_GONE:
		return false;
	case CALL_AGAIN:
		domain_ready(domain); /* behind the others */
		return false;
	case CALL_DRY:
		tree_dry(domain, domain->stop.need);
		return false;
	case CALL_FULL:
		tree_full(domain, domain->stop.need);
		return false;
	case CALL_TRAP:
		store_host_trap(domain->store, domain->stop.trap);
		tree_trapped(domain, domain->stop.trap);
		return false;
	case CALL_EXIT:
		store_unwind(domain->store);
		domain_forget_entry(domain);
		domain->entered = false;
		domain->inits_begun = store_instances(domain->store);
		stop = (struct stop){.reason = STOP_RETURNED, .code = domain->stop.code};
		domain_finish(domain, stop);
		return false;
	case CALL_YIELD:
		stop = (struct stop){.reason = STOP_YIELDED, .word = domain->stop.word};
		domain_stop(domain, stop);
		return false;
	}
	must(WORLD6, false);
	return false;
}

/* How much one run of the engine may use. */
static uint64_t
room_of(const struct domain *domain)
{
	const uint64_t room = min_u64(line_room(&domain->world->clock), domain->slice_left);

	return domain->purse ? min_u64(room, domain->purse->balance) : room;
}

/* L5, L6: it is dry only when a line has no room; else the next slice is one
 * that can hold the step. */
static bool
answer_gas(struct domain *domain, uint64_t need)
{
	struct world *world = domain->world;

	if (need <= room_of(domain))
		return true; /* the last run was given less than there is: run_with_rent() */
	if (line_dry(&world->clock, need) || (domain->purse && domain->purse->balance < need)) {
		tree_dry(domain, need);
		return false;
	}
	domain->slice_left = max_u64(world->config.slice, need);
	domain_ready(domain);
	return false;
}

static bool
answer(struct domain *domain)
{
	const struct exec_result *result = &domain->pending;

	switch (result->end) {
	case EXEC_RETURNED:
		return true; /* begin() knows what is next */
	case EXEC_HOST:
		return answer_call(domain);
	case EXEC_OUT_OF_GAS:
	case EXEC_GROW:
		return answer_gas(domain, result->need);
	case EXEC_STORAGE:
		tree_full(domain, result->need);
		return false;
	case EXEC_TRAP:
		tree_trapped(domain, result->trap);
		return false;
	case EXEC_STEPPED:
		domain_stop(domain, (struct stop){.reason = STOP_STEPPED});
		return false;
	}
	must(WORLD6, false);
	return false;
}

/* --- steps ---------------------------------------------------------------------- */

static bool
begin_entry(struct domain *domain)
{
	const int error = store_begin_call(domain->store, domain->instance, domain->entry_func,
		domain->entry_args);

	if (error == -ENOSPC || error == -ENOMEM) {
		domain_stop(domain, (struct stop){.reason = STOP_OUT_OF_STORAGE,
					    .need = HOST_PAGE_BYTES});
		return false;
	}
	domain_forget_entry(domain);
	if (error) {
		domain_finish(domain, (struct stop){.reason = STOP_TRAP, .trap = TRAP_STACK});
		return false;
	}
	domain->entered = true;
	return true;
}

/* Puts what is next on an idle store. false: it stopped. */
static bool
begin(struct domain *domain)
{
	if (domain->inits_begun < store_instances(domain->store)) {
		store_begin_init(domain->store, domain->inits_begun++);
		return true;
	}
	if (domain->has_entry)
		return begin_entry(domain);
	domain_finish(domain, (struct stop){.reason = STOP_RETURNED});
	return false;
}

static void
run_engine(struct domain *domain, uint64_t room)
{
	store_run(domain->store, room, &domain->pending);
	line_spend(&domain->world->clock, domain->pending.used);
	if (domain->purse)
		purse_spend(domain->purse, domain->pending.used);
	domain->gas_guest = add_saturating(domain->gas_guest, domain->pending.used);
	domain->slice_left -= domain->pending.used;
}

/* L8: with rent a page costs from the block after the one that made it, so a run
 * ends where pages are made, and the next one's room is reckoned at the new rate. */
static void
run_with_rent(struct domain *domain)
{
	struct meter *meter = &domain->meter;

	store_grow_alone(domain->store, meter->rent != 0);
	run_engine(domain, room_of(domain));
	if (domain->pending.end == EXEC_GROW && domain->pending.need <= room_of(domain))
		run_engine(domain, domain->pending.need);
	if (meter->rent)
		meter_rate(&domain->world->clock, meter);
}

/* Address space is short: one after the other of those that sleep gives up its own
 * until there is enough. A hand goes round, so whoever was cooled longest ago is the
 * next. Only here, where a step begins and nobody holds a place in a memory; nobody
 * can tell but by the time it takes. */
static bool
make_room(struct domain *domain)
{
	struct world *world = domain->world;

	for (uint32_t i = 0; i < world->places_count; i++) {
		struct domain *at = world_domain(world, world->cool_at++ % world->places_count);

		if (!at || at == domain || at->state == DOMAIN_READY || !at->store ||
			store_is_cold(at->store))
			continue;
		if (!store_cool(at->store) && is_warm(domain))
			return true;
	}
	return false;
}

static bool
run_once(struct domain *domain)
{
	if (!is_warm(domain) && !make_room(domain)) {
		stop_cold(domain);
		return false;
	}
	if (domain->wait != WAIT_NOTHING && domain->wait != WAIT_IMPORT) {
		tree_ask_again(domain);
		if (domain->state != DOMAIN_READY)
			return false;
	}
	domain->wait = WAIT_NOTHING;
	if (domain->completed) /* the store stands at the call still */
		return answer_call(domain);
	if (store_idle(domain->store) && !begin(domain))
		return false;
	run_with_rent(domain);
	return answer(domain);
}

static void
step(struct world *world, struct domain *domain)
{
	world->steps++;
	line_switch(&world->clock, &domain->meter.line);
	if (!domain->slice_left)
		domain->slice_left = world->config.slice;
	world->busy++;
	while (run_once(domain))
		;
	world->busy--;
	gate_settle(world);
	if (world->closing)
		world_close_piece(world);
	wake_stalled(world);
}

void
world_step_closing(struct world *world)
{
	world->steps++;
	world_close_piece(world);
}

void
world_step(struct world *world, struct domain *domain)
{
	must(WORLD2, domain->state == DOMAIN_READY);
	if (world->edge) {
		const bool before = edge_step(domain);

		step(world, domain);
		edge_leave(world, before);
	} else {
		step(world, domain);
	}
}

static bool
is_poked(const struct world *world)
{
	return world->config.poked && world->config.poked(world->config.user);
}

static bool
has_stopped(const struct domain *domain)
{
	return domain->state == DOMAIN_STOPPED || domain->interrupted;
}

/* Nothing is ready and nothing can come: the outermost runs hear of it, or, where
 * there is none, the host. */
static void
stand_still(struct world *world, struct domain *domain)
{
	if (!tree_quiesce(world)) {
		domain->interrupted = true;
		domain->stop = (struct stop){.reason = STOP_WAITING};
	}
	gate_settle(world);
}

enum { TURN_MAX = 64 };

/* The device is asked once for each turn of those that are ready: what they send
 * goes out together, and whoever is woken comes after them in any case. */
static bool
ask_device(struct world *world)
{
	uint64_t turn = 0;
	bool any = false;

	if (world->ready.head && world->steps < world->ask_at)
		return false;
	while (world_take_completion(world, false))
		any = true;
	for (const struct domain *at = world->ready.head; at && turn < TURN_MAX; at = at->queue_next)
		turn++;
	world->ask_at = world->steps + turn;
	return any;
}

enum domain_state
world_run(struct world *world, struct domain *domain, bool wait)
{
	while (!has_stopped(domain) && !is_poked(world)) {
		wake_stalled(world);
		/* A journal may have an order between what came and the next step. */
		if (ask_device(world) && is_poked(world))
			break;
		if (world->ready.head)
			world_step(world, world->ready.head);
		else if (world->closing)
			world_step_closing(world);
		else if (world_is_paused(world))
			break;
		else if (!world->requests.in_flight)
			stand_still(world, domain);
		else if (!wait || !world_take_completion(world, true))
			break;
	}
	return has_stopped(domain) ? DOMAIN_STOPPED : domain->state;
}

/* --- holding ---------------------------------------------------------------------- */

bool
world_is_paused(const struct world *world)
{
	return world->paused.head && !world->ready.head && !world->closing &&
		!world->requests.in_flight;
}

static void
pause_set(struct domain *domain, bool paused)
{
	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		at->paused = paused;
}

/* From one queue to the other, in the order they stand. */
static void
move_marked(struct queue *from, bool paused)
{
	struct domain *next;

	for (struct domain *at = from->head; at; at = next) {
		next = at->queue_next;
		if (at->paused != paused)
			continue;
		queue_drop(at);
		queue_ready(at);
	}
}

void
domain_pause(struct domain *domain)
{
	pause_set(domain, true);
	move_marked(&domain->world->ready, true);
}

void
domain_resume(struct domain *domain)
{
	pause_set(domain, false);
	move_marked(&domain->world->paused, false);
}

void
world_order(struct world *world)
{
	if (world->edge)
		edge_ordered(world->edge);
}

void
world_ordered(struct world *world)
{
	gate_settle(world);
	world->ask_at = world->steps;
}

/* --- freezing ------------------------------------------------------------------- */

enum { QUIESCE_TRIES = 1 << 16 };

/* Cancelled in time: as if it had not been asked. Else it is carried out, and
 * may ask for more. */
static void
quiesce_call(struct domain *domain)
{
	struct world *world = domain->world;

	if (domain->completion.result == -DEVICE_ECANCELED) {
		call_rewind(domain);
		return;
	}
	line_switch(&world->clock, &domain->meter.line);
	if (is_warm(domain))
		(void)answer_call(domain);
	else
		stop_cold(domain);
}

static void
quiesce(struct domain *domain)
{
	if (domain->completed) /* ready: its answer came, and it has not looked yet */
		quiesce_call(domain);
	for (int tries = 0; domain->state == DOMAIN_WAITING && tries < QUIESCE_TRIES; tries++) {
		if (!domain->request) { /* stalled: nothing was taken */
			domain_ready(domain);
			return;
		}
		requests_cancel(&domain->world->requests, domain->request);
		(void)world_take_completion(domain->world, true);
		if (domain->completed)
			quiesce_call(domain);
	}
}

void
domain_quiesce(struct domain *domain)
{
	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		quiesce(at);
}
