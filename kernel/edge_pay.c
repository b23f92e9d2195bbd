/* SPDX-License-Identifier: Apache-2.0 */
/* edge_pay.c - who pays for a subtree from outside: banks, meters and purses above
 * it, as they were met. Recording and having it again, side by side.
 *
 * Banks    each time one inside asks for room, those above are asked too; only a
 *          refusal is a record. It is found again by when it was (gas, step) and
 *          which of the questions of that moment it answered.
 * Meters   a dry one ends a step sooner than the subtree alone would. How much was
 *          left is known only then, so that record is put before the step's others;
 *          what came of it (stopped, parked, a keeper asked) stands where it was.
 * Purses   the same, but that nobody waits for one. */
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/edge_in.h"
#include "kernel/tree.h"

enum { ABOVE_BYTES = 33, DRY_BYTES = 19 };

/* What the stand-in of an outside purse has, when that is not said. */
#define PURSE_PLENTY (UINT64_MAX >> 16)

/* --- banks ---------------------------------------------------------------------- */

static uint32_t
question(struct edge *edge)
{
	const uint64_t used = line_used(&edge->world->clock, &edge->top->meter.line);

	if (edge->asked.used != used || edge->asked.seq != edge->seq)
		edge->asked = (struct edge_asked){used, edge->seq, 0};
	return ++edge->asked.count;
}

static uint64_t
refused_recorded(struct edge *edge, uint64_t room, uint64_t bytes)
{
	struct sink *sink;
	uint32_t count;

	if (!edge_records(edge))
		return room;
	count = question(edge);
	if (room >= bytes)
		return room;
	if (!edge->inside) {
		edge_crossed(edge, "something outside that its bank pays for found a bank above it full");
		return room;
	}
	sink = edge_record(edge, EDGE_REFUSED);
	sink_u32(sink, count);
	sink_u64(sink, bytes);
	sink_u64(sink, room);
	return room;
}

static uint64_t
refused_again(struct edge *edge, uint64_t bytes)
{
	struct edge_entry entry;
	uint64_t wanted, room;
	const uint32_t count = question(edge);

	if (edge->frozen || edge->over || !edge_peek(edge, &entry) || entry.type != EDGE_REFUSED ||
		entry.seq != edge->seq || entry.used != edge->asked.used)
		return UINT64_MAX;
	if (bytes_u32(&entry.in) != count)
		return UINT64_MAX;
	wanted = bytes_u64(&entry.in);
	room = bytes_u64(&entry.in);
	if (entry.in.bad || wanted != bytes || room >= bytes) {
		edge_diverge(edge, "it asks for other storage than a bank above it refused");
		return UINT64_MAX;
	}
	edge->in = entry.in;
	return room;
}

static uint64_t
banks_above(struct bank_watch *watch, uint64_t room, uint64_t bytes)
{
	struct edge *edge = (struct edge *)(void *)((uint8_t *)watch - offsetof(struct edge, banks));

	return edge->again ? refused_again(edge, bytes) : refused_recorded(edge, room, bytes);
}

void
edge_watch_banks(struct edge *edge)
{
	edge->banks.above = banks_above;
	bank_watch(&edge->top->bank, &edge->banks);
}

void
edge_unwatch_banks(struct edge *edge)
{
	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top))
		if (at->bank.watch == &edge->banks)
			bank_watch(&at->bank, NULL);
}

/* Its bank may be below one outside that is not above the top's. */
void
edge_makes(struct domain *domain)
{
	struct edge *edge = domain->world->edge;
	const struct bank *bank = &domain->bank;

	if (edge->over || !edge->top || !edge_is_in(edge, domain))
		return;
	while (bank && !bank->watch)
		bank = bank->superior;
	if (!bank)
		bank_watch(&domain->bank, &edge->banks);
}

/* --- payers that stand in --------------------------------------------------------------- */

bool
edge_is_payer(uint8_t kind)
{
	return kind == KEY_BANK || kind == KEY_METER || kind == KEY_PURSE;
}

static uint64_t
payer_bytes(uint8_t kind)
{
	return kind == KEY_BANK	   ? sizeof(struct bank)
		: kind == KEY_METER ? sizeof(struct meter)
				    : sizeof(struct purse);
}

static bool purse_holds(struct edge *edge, struct purse *purse, uint64_t balance);

/* They have all there is; what they had not is in the journal. */
uint32_t
edge_payer_new(struct edge *edge, uint8_t kind)
{
	struct world *world = edge->world;
	const uint32_t index = object_new(world, kind, &world->bank, payer_bytes(kind));
	void *body = index == OBJECT_NONE ? NULL : object_at(world, index)->body;

	if (!body)
		return OBJECT_NONE;
	if (kind == KEY_BANK) {
		bank_init(body, &world->bank, BANK_NO_LIMIT);
		((struct bank *)body)->object = index;
	} else if (kind == KEY_METER) {
		meter_init(body, &world->meter.line);
		line_limit(&world->clock, &((struct meter *)body)->line, GAS_NO_LIMIT);
		((struct meter *)body)->object = index;
	} else {
		purse_init(body, &world->mint, NULL);
		((struct purse *)body)->object = index;
		(void)purse_holds(edge, body, PURSE_PLENTY);
	}
	return index;
}

/* --- who pays beside the line --------------------------------------------------------- */

static bool
is_outside(struct edge *edge, const struct purse *purse)
{
	const struct object *object = purse ? object_at(edge->world, purse->object) : NULL;

	if (edge->again && purse == &edge->purse)
		return true;
	return purse && purse != &edge->world->void_purse && object &&
		!edge_is_in(edge, edge_owner(object));
}

/* An image has no money: what its purses hold, and whom one outside pays for. */
static uint32_t
put_purses(struct edge *edge, struct sink *sink, const struct image_out *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < out->objects_count; i++) {
		const struct object *object = object_at(edge->world, out->objects[i]);

		if (object->kind != KEY_PURSE)
			continue;
		count++;
		sink_u32(sink, i);
		sink_u64(sink, ((const struct purse *)object->body)->balance);
	}
	return count;
}

static uint32_t
put_payers(struct edge *edge, struct sink *sink)
{
	uint32_t place = 0, count = 0;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top), place++) {
		if (!at->purse || !is_outside(edge, at->purse))
			continue;
		count++;
		sink_u32(sink, place);
	}
	return count;
}

static int
nothing_put(struct sink *sink, const void *data, size_t bytes)
{
	(void)sink;
	(void)data;
	(void)bytes;
	return 0;
}

void
edge_put_purses(struct edge *edge, struct sink *sink, const struct image_out *out)
{
	struct sink counted = {.put = nothing_put};

	sink_u32(sink, put_purses(edge, &counted, out));
	(void)put_purses(edge, sink, out);
	sink_u32(sink, put_payers(edge, &counted));
	(void)put_payers(edge, sink);
}

/* Money comes into a world alone with it, and goes when a record says so. */
static bool
purse_holds(struct edge *edge, struct purse *purse, uint64_t balance)
{
	struct mint *mint = &edge->world->mint;
	uint64_t minted = mint->minted - purse->balance;

	if (!add_fits(&minted, minted, balance))
		return false;
	mint->minted = minted;
	purse->balance = balance;
	return true;
}

bool
edge_get_purses(struct edge *edge)
{
	struct bytes_in *in = &edge->in;

	purse_init(&edge->purse, &edge->world->mint, NULL);
	edge->purse.object = OBJECT_NONE;
	(void)purse_holds(edge, &edge->purse, PURSE_PLENTY);
	for (uint32_t left = bytes_u32(in); left && !in->bad; left--) {
		const uint32_t object = edge_object_at(edge, bytes_u32(in));
		const uint64_t balance = bytes_u64(in);

		if (in->bad || object == EDGE_NOWHERE || object_at(edge->world, object)->kind != KEY_PURSE ||
			!purse_holds(edge, object_at(edge->world, object)->body, balance))
			return false;
	}
	for (uint32_t left = bytes_u32(in); left && !in->bad; left--) {
		struct domain *domain = edge_domain_at(edge, bytes_u32(in));

		if (in->bad || !domain)
			return false;
		domain_pay_with(domain, &edge->purse);
	}
	return !in->bad;
}

/* --- a dry one, recorded ---------------------------------------------------------------- */

/* In front of what the step has recorded: what there was when it began. */
static void
put_above(struct edge *edge, uint64_t room, uint64_t balance)
{
	struct sink *sink = &edge->out.sink;
	const uint64_t count = edge->out.count, behind = count - edge->step.at;
	uint8_t above[ABOVE_BYTES];

	sink_u8(sink, EDGE_ABOVE);
	sink_u64(sink, edge->step.used);
	sink_u64(sink, edge->seq - 1);
	sink_u64(sink, room);
	sink_u64(sink, balance);
	if (sink->failed)
		return;
	for (unsigned i = 0; i < EDGE_TYPES; i++)
		edge->last[i] += edge->last[i] >= edge->step.at ? ABOVE_BYTES : 0;
	edge->records[EDGE_ABOVE]++;
	edge->last[EDGE_ABOVE] = edge->step.at;
	memcpy(above, edge->out.at + count, sizeof above);
	memmove(edge->out.at + edge->step.at + sizeof above, edge->out.at + edge->step.at, behind);
	memcpy(edge->out.at + edge->step.at, above, sizeof above);
}

void
edge_dry_recorded(struct edge *edge, struct domain *domain, struct line *line, uint64_t need,
	bool step)
{
	struct clock_gas *clock = &edge->world->clock;
	const struct line *above = edge->top ? edge->top->meter.line.superior : NULL;
	struct sink *sink;

	if (!edge_records(edge) || !edge_is_in(edge, domain) || edge->dry_at)
		return;
	if (!line) {
		if (is_outside(edge, domain->purse))
			put_above(edge, GAS_NO_LIMIT, domain->purse->balance + (clock->now - edge->step.now));
		return;
	}
	if (line_is_below(line, &edge->top->meter.line))
		return;
	if (step && (!above || !above->active)) {
		edge_crossed(edge, "a line of its own that is not below its meter is dry");
		return;
	}
	if (step)
		put_above(edge, above->due_below - edge->step.now, UINT64_MAX);
	sink = edge_record(edge, EDGE_DRY);
	sink_u64(sink, need);
	edge->dry_at = edge->out.count;
	edge->dry_meter = meter_of(line);
	edge->dry_told = step && edge->dry_meter->told;
	for (unsigned i = 0; i < DRY_BYTES; i++)
		sink_u8(sink, 0);
}

void
edge_dried(struct domain *domain)
{
	struct edge *edge = domain->world->edge;
	const struct meter *meter = edge->dry_meter;
	struct edge_bytes patch;
	struct domain *child = NULL;
	const struct edge_outer keeper = {.kind = KEY_DOMAIN,
		.id = domain->callee ? domain->callee->id : 0,
		.generation = domain->callee ? domain->callee->generation : 0};

	if (edge->again || !edge->dry_at)
		return;
	if (!edge->over && !edge->out.sink.failed) {
		if (domain->state == DOMAIN_PARKED && !edge->dry_told)
			child = meter->asked_by;
		edge_bytes_init(&patch, edge->heap);
		sink_u8(&patch.sink, (uint8_t)domain->state);
		sink_u8(&patch.sink, child && !child->interrupted);
		sink_u32(&patch.sink, child && edge_is_in(edge, child) ? edge_domain_place(edge, child)
								   : EDGE_NOWHERE);
		sink_u32(&patch.sink, domain->state == DOMAIN_QUEUED ? edge_outer(edge, &keeper) : EDGE_NOWHERE);
		sink_u64(&patch.sink, domain->stop.need);
		sink_u8(&patch.sink, domain->wait);
		if (patch.count == DRY_BYTES)
			memcpy(edge->out.at + edge->dry_at, patch.at, DRY_BYTES);
		edge_bytes_free(&patch);
		if (domain->state == DOMAIN_QUEUED && edge_is_in(edge, domain->callee))
			edge_crossed(edge, "one inside of it keeps a meter above it");
	}
	edge->dry_at = 0;
}

/* --- and had again ------------------------------------------------------------------------ */

/* As much as there was then; --until may be sooner. */
bool
edge_above_again(struct edge *edge, struct edge_entry *entry)
{
	struct clock_gas *clock = &edge->world->clock;
	const uint64_t room = bytes_u64(&entry->in), balance = bytes_u64(&entry->in);
	const uint64_t left = line_left(clock, &edge->meter.line);
	const struct domain *next = edge->world->ready.head;

	if (entry->in.bad || edge->above)
		return false;
	edge->in = entry->in;
	if (balance != UINT64_MAX) {
		edge->poor = next ? next->purse : NULL;
		if (!edge->poor || !is_outside(edge, edge->poor) || balance > PURSE_PLENTY ||
			!purse_holds(edge, edge->poor, balance))
			return false;
	}
	if (room < left) {
		edge->above = true;
		edge->above_room = room;
		edge->until_left = left;
		line_limit(clock, &edge->meter.line, room);
	}
	return true;
}

/* The step it was for is over. */
void
edge_above_over(struct edge *edge)
{
	struct clock_gas *clock = &edge->world->clock;
	uint64_t left = edge->until_left;

	if (edge->poor)
		(void)purse_holds(edge, edge->poor, PURSE_PLENTY);
	if (edge->above && left != GAS_NO_LIMIT)
		left -= edge->above_room - line_left(clock, &edge->meter.line);
	if (edge->above)
		line_limit(clock, &edge->meter.line, left);
	edge->poor = NULL;
	edge->above = false;
}

static void
parked(struct edge *edge, struct domain *domain, struct domain *child, bool found, uint64_t need)
{
	const struct stop stop = {.reason = STOP_OUT_OF_GAS, .need = need};

	queue_drop(domain);
	domain->state = DOMAIN_PARKED;
	queue_add(&edge->meter.parked, domain);
	if (!child)
		return;
	if (edge->meter.asked_by)
		edge->meter.asked_by->dry = NULL;
	child->dry = &edge->meter;
	edge->meter.asked_by = child;
	if (found) {
		tree_answer_run(child, stop);
		return;
	}
	child->interrupted = true;
	child->stop = stop;
}

static void
asks(struct edge *edge, struct domain *domain, struct domain *keeper)
{
	static const struct key through = {.grant = GRANT_NONE};

	if (edge->meter.asker)
		edge->meter.asker->asks = NULL;
	edge->meter.asker = domain;
	domain->asks = &edge->meter;
	domain->wait = WAIT_DRY;
	if (!keeper) {
		(void)gate_wait_reply(domain, WAIT_DRY, &through);
		return;
	}
	queue_drop(domain);
	domain->state = DOMAIN_QUEUED;
	domain->callee = keeper;
	queue_add(&keeper->callers, domain);
}

static bool
dry_again(struct edge *edge, struct domain *domain, struct edge_entry *entry, uint64_t need)
{
	struct bytes_in *in = &entry->in;
	const uint64_t needed = bytes_u64(in);
	const uint8_t state = bytes_u8(in);
	const bool found = bytes_u8(in);
	const uint32_t place = bytes_u32(in);
	struct domain *child = place == EDGE_NOWHERE ? NULL : edge_domain_at(edge, place);
	const struct bytes_in at = *in;
	const uint32_t ordinal = bytes_u32(in);
	struct domain *keeper = NULL;
	const uint64_t stop_need = bytes_u64(in);
	const uint8_t wait = bytes_u8(in);
	struct bytes_in name = at;

	if (in->bad || needed != need || (place != EDGE_NOWHERE && !child) ||
		(child && found && (!child->runner || child->runner->wait != WAIT_RUN)))
		return false;
	if (ordinal != EDGE_NOWHERE && !(keeper = edge_get_stand_in(edge, &name)))
		return false;
	edge->in = *in;
	if (domain->asks)
		domain->asks->asker = NULL;
	domain->asks = NULL;
	domain->stop.need = stop_need;
	if (state == DOMAIN_CALLING || (state == DOMAIN_QUEUED && keeper)) {
		if (wait != WAIT_DRY)
			return false;
		asks(edge, domain, state == DOMAIN_QUEUED ? keeper : NULL);
	} else if (state == DOMAIN_PARKED) {
		domain->wait = WAIT_NOTHING;
		parked(edge, domain, child, found, need);
	} else if (state == DOMAIN_STOPPED) {
		domain->wait = WAIT_NOTHING;
		domain_stop(domain, (struct stop){.reason = STOP_OUT_OF_GAS, .need = need});
	} else {
		return state == DOMAIN_READY && domain->state == DOMAIN_READY;
	}
	return true;
}

bool
edge_dry_again(struct edge *edge, struct domain *domain, const struct line *line, uint64_t need,
	bool step)
{
	struct edge_entry entry;

	if (line != &edge->meter.line || edge->frozen)
		return false;
	if (step && !edge->above) {
		edge->reached = true;
		domain_ready(domain);
		return true;
	}
	if (step)
		edge_above_over(edge);
	if (!edge_expect(edge, EDGE_DRY, "it finds a meter above it dry that was not then", &entry)) {
		domain_stop(domain, (struct stop){.reason = STOP_OUT_OF_GAS, .need = need});
	} else if (!dry_again(edge, domain, &entry, need)) {
		edge_diverge(edge, "what came of a dry meter above does not fit it");
		if (domain->state == DOMAIN_READY)
			domain_stop(domain, (struct stop){.reason = STOP_OUT_OF_GAS, .need = need});
	}
	return true;
}
