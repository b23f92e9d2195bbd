/* SPDX-License-Identifier: Apache-2.0 */
/* edge_record.c - a run is watched: what comes into one subtree is written down.
 *
 *   nothing yet --the domain exists and one in it is about to step--> image, what it
 *   holds of the outside, who runs it --> records ... --> END
 *
 * A record stands before what it does, so that what that does in turn stands
 * behind it; only OUT stands behind, for it has the answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/edge_in.h"
#include "kernel/journal.h"

/* --- finding it ------------------------------------------------------------------- */

/* One part of a name: its text, and which of those that have it. */
static const char *
part_of(const char *name, uint32_t *ret_bytes, uint32_t *ret_index)
{
	const char *end = name, *mark = NULL;

	*ret_index = 1;
	for (; *end && *end != '/'; end++)
		if (*end == '#')
			mark = end;
	*ret_bytes = (uint32_t)((mark ? mark : end) - name);
	if (mark)
		*ret_index = 0;
	for (const char *at = mark ? mark + 1 : end; at < end && *at >= '0' && *at <= '9'; at++)
		*ret_index = *ret_index > 1000000 ? *ret_index : *ret_index * 10 + (uint32_t)(*at - '0');
	return *end ? end + 1 : end;
}

static bool
is_named(const struct domain *domain, const char *text, uint32_t bytes)
{
	return strlen(domain->name) == bytes && !memcmp(domain->name, text, bytes);
}

/* Who is called so; NULL while there is none. */
static struct domain *
find(struct world *world, const char *name)
{
	struct domain *at = NULL, *found = NULL;
	const char *rest = name;
	uint32_t bytes, index;

	while (*rest) {
		const char *text = rest;

		rest = part_of(rest, &bytes, &index);
		found = NULL;
		for (uint32_t id = 0; !at && !found && id < world_domains(world); id++) {
			struct domain *root = world_domain(world, id);

			if (root && !root->parent && is_named(root, text, bytes) && !--index)
				found = root;
		}
		for (struct domain *below = at ? at->first : NULL; below && !found; below = below->next)
			if (is_named(below, text, bytes) && !--index)
				found = below;
		if (!found)
			return NULL;
		at = found;
	}
	return found;
}

/* --- records -------------------------------------------------------------------------- */

static bool
records(const struct edge *edge)
{
	return !edge->again && edge->top && !edge->over;
}

static void
crossed(struct edge *edge, const char *what)
{
	report_say(&edge->crossed, UINT64_MAX,
		"%s: %s, at gas %llu, step %llu of it: a journal of one subtree does not hold that",
		edge->name, what,
		(unsigned long long)line_used(&edge->world->clock, &edge->top->meter.line),
		(unsigned long long)edge->seq);
	edge->over = true;
	bank_watch(&edge->top->bank, NULL);
}

static struct sink *
record(struct edge *edge, enum edge_record type)
{
	struct sink *sink = &edge->out.sink;

	sink_u8(sink, (uint8_t)type);
	sink_u64(sink, line_used(&edge->world->clock, &edge->top->meter.line));
	sink_u64(sink, edge->seq);
	return sink;
}

static void
record_ordinal(struct edge *edge, struct sink *sink, const struct domain *domain)
{
	const struct edge_outer outer = {
		.id = domain->id, .generation = domain->generation, .kind = KEY_DOMAIN};

	sink_u32(sink, edge_outer(edge, &outer));
}

/* --- how it begins ---------------------------------------------------------------------- */

/* An image has no key to what is outside of it: these are said beside it. */
static uint32_t
put_outward(struct edge *edge, struct sink *sink, uint32_t place, uint32_t slot, const struct key *key)
{
	if (key->kind == KEY_VOID ||
		(edge_side(edge, key) != SIDE_OUT && !edge_is_fixed(key->kind) &&
			(key->grant == GRANT_NONE || !edge->world->grants.at[key->grant].depth)))
		return 0;
	if (sink) {
		sink_u32(sink, place);
		sink_u32(sink, slot);
		edge_put_key(edge, sink, key);
	}
	return 1;
}

static uint32_t
put_outward_keys(struct edge *edge, struct sink *sink)
{
	uint32_t place = 0, count = 0;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top), place++) {
		for (uint32_t i = 0; i < at->slots_count; i++)
			count += put_outward(edge, sink, place, i, &at->slots[i]);
		count += put_outward(edge, sink, place, EDGE_SLOT_KEEPER, &at->keeper);
		count += put_outward(edge, sink, place, EDGE_SLOT_METER_KEEPER, &at->meter.keeper);
	}
	return count;
}

static uint32_t
put_runners(struct edge *edge, struct sink *sink)
{
	uint32_t place = 0, count = 0;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top), place++) {
		if (!at->runner || edge_is_in(edge, at->runner))
			continue;
		count++;
		if (!sink)
			continue;
		sink_u32(sink, place);
		record_ordinal(edge, sink, at->runner);
		sink_u8(sink, at->runner->wait);
		sink_u32(sink, at->runner->calls);
	}
	return count;
}

/* Who called one of them before it ran: in the order they wait. */
static uint32_t
put_callers(struct edge *edge, struct sink *sink)
{
	uint32_t place = 0, count = 0;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top), place++) {
		for (struct domain *caller = at->callers.head; caller; caller = caller->queue_next) {
			count++;
			if (!sink)
				continue;
			sink_u32(sink, place);
			record_ordinal(edge, sink, caller);
		}
	}
	return count;
}

/* What this cannot say yet. NULL: nothing. */
static const char *
unsaid(struct edge *edge)
{
	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top)) {
		if (at->purse)
			return "a purse pays for it";
		if (at->entering || at->callee || at->serving || at->served || at->dry || at->held)
			return "it began with a call in flight";
	}
	return NULL;
}

static void
begin(struct edge *edge)
{
	struct sink *sink = &edge->out.sink;
	struct edge_bytes image;
	int error;

	if (unsaid(edge)) {
		crossed(edge, unsaid(edge));
		return;
	}
	edge_bytes_init(&image, edge->heap);
	error = image_write(edge->world, edge->top, &image.sink, false);
	if (error) {
		crossed(edge, "it is in the middle of something of the device's");
	} else {
		sink_put(sink, edge_magic, sizeof edge_magic);
		sink_u32(sink, EDGE_VERSION);
		sink_u32(sink, 0);
		sink_u64(sink, image.count);
		sink_u64(sink, 0);
		sink_put(sink, image.at, image.count);
		sink_u32(sink, put_outward_keys(edge, NULL));
		(void)put_outward_keys(edge, sink);
		sink_u32(sink, put_runners(edge, NULL));
		(void)put_runners(edge, sink);
		sink_u32(sink, put_callers(edge, NULL));
		(void)put_callers(edge, sink);
	}
	edge_bytes_free(&image);
	if (!edge->over)
		bank_watch(&edge->top->bank, &edge->refusals);
}

/* --- steps --------------------------------------------------------------------------------- */

void
edge_watch(struct edge *edge, struct world *world, struct heap *heap, const char *name)
{
	*edge = (struct edge){.world = world, .heap = heap, .name = name};
	edge_bytes_init(&edge->out, heap);
	world->edge = edge;
}

bool
edge_step(struct domain *domain)
{
	struct edge *edge = domain->world->edge;
	const bool before = edge->inside;

	if (!edge->again && !edge->top && !edge->over) {
		edge->top = find(domain->world, edge->name);
		if (edge->top && !edge_is_in(edge, domain))
			edge->top = NULL; /* outside makes it ready still */
		if (edge->top)
			begin(edge);
	}
	edge->inside = edge_is_in(edge, domain);
	edge->seq += edge->inside;
	return before;
}

/* --- what comes in --------------------------------------------------------------------------- */

static bool
has_end(enum order_end end)
{
	return end == ORDER_DRY_GAS || end == ORDER_FULL || end == ORDER_WAIT;
}

static enum order_end
from_outside(struct edge *edge, struct invocation *inv, enum order_end (*serve)(struct invocation *))
{
	const uint64_t before = edge->out.count;
	const uint32_t known = edge->outers_count;
	struct sink *sink = record(edge, EDGE_ORDER);
	enum order_end end;

	record_ordinal(edge, sink, inv->domain);
	sink_u32(sink, inv->domain->calls);
	sink_u64(sink, inv->domain->progress);
	sink_u8(sink, (uint8_t)inv->form);
	sink_u32(sink, inv->order);
	edge_put_key(edge, sink, &inv->key);
	edge_put_message(edge, sink, &inv->in);
	edge->inside = edge->crossing = true;
	end = serve(inv);
	edge->inside = edge->crossing = false;
	if (edge->refusals)
		edge_banks(edge);
	if (edge->over)
		return end;
	if (has_end(end)) { /* nothing changed: it comes again */
		edge->out.count = before;
		edge->outers_count = known;
	} else if (end == ORDER_DONE) {
		uint8_t hash[32];

		edge_hash_message(edge, &inv->rc, 1, &inv->out, hash);
		sink_put(record(edge, EDGE_LEFT), hash, sizeof hash);
	}
	return end;
}

static enum order_end
to_outside(struct edge *edge, struct invocation *inv, enum order_end (*serve)(struct invocation *))
{
	struct domain *domain = inv->domain;
	const uint32_t numbers[] = {inv->form, inv->order, inv->key.kind, inv->key.rights};
	const uint64_t before = edge->out.count;
	const struct key key = inv->key;
	uint8_t hash[32], moved = 0;
	enum order_end end;
	struct sink *sink;

	edge_hash_message(edge, numbers, 4, &inv->in, hash);
	edge->inside = false;
	edge->crossing = true;
	end = serve(inv);
	edge->crossing = false;
	edge->inside = true;
	if (edge->over)
		return end;
	if (end == ORDER_GONE || end == ORDER_AGAIN || end == ORDER_WAIT || edge->out.count != before) {
		crossed(edge, "an order of its own on something outside came back into it");
		return end;
	}
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		if (inv->in.keys[i].kind == KEY_RESUME && inv->send_slots[i] >= 0)
			moved |= key_is_void(&domain->slots[inv->send_slots[i]]) ? 1u << i : 0;
	sink = record(edge, EDGE_OUT);
	edge_put_key(edge, sink, &key);
	sink_put(sink, hash, sizeof hash);
	sink_u8(sink, (uint8_t)end);
	sink_u8(sink, (uint8_t)domain->state);
	sink_u8(sink, domain->wait);
	sink_u8(sink, (uint8_t)(moved | domain->counted << 7));
	sink_u64(sink, domain->charged);
	sink_u64(sink, domain->stop.need);
	sink_u32(sink, inv->rc);
	edge_put_message(edge, sink, &inv->out);
	return end;
}

enum order_end
edge_perform_recorded(struct edge *edge, struct invocation *inv,
	enum order_end (*serve)(struct invocation *))
{
	const bool inside = edge->inside;
	const enum edge_side side = edge_side(edge, &inv->key);

	if (!records(edge) || side == SIDE_NONE || (side == SIDE_IN) == inside)
		return serve(inv);
	return inside ? to_outside(edge, inv, serve) : from_outside(edge, inv, serve);
}

/* Told what it waited for, or telling. What follows from it is inside. */
void
edge_answer_recorded(struct edge *edge, struct domain *caller, uint32_t rc,
	const struct message *message)
{
	uint8_t hash[32];
	struct sink *sink;

	if (!records(edge))
		return;
	if (edge_is_in(edge, caller) && !edge->inside) {
		sink = record(edge, EDGE_ANSWER);
		sink_u32(sink, edge_domain_place(edge, caller));
		sink_u32(sink, rc);
		edge_put_message(edge, sink, message);
	} else if (edge->inside && !edge_is_in(edge, caller)) {
		edge_hash_message(edge, &rc, 1, message, hash);
		sink_put(record(edge, EDGE_LEFT), hash, sizeof hash);
	} else if (!edge->inside && caller->runs && edge_is_in(edge, caller->runs)) {
		sink_u32(record(edge, EDGE_RETURN), edge_domain_place(edge, caller->runs));
	}
}

void
edge_ready_recorded(struct edge *edge, struct domain *domain)
{
	if (!records(edge) || edge->inside || !edge_is_in(edge, domain))
		return;
	if (domain->completed)
		crossed(edge, "a key that it waited under was taken back outside");
	else
		sink_u32(record(edge, EDGE_WAKE), edge_domain_place(edge, domain));
}

void
edge_completes(struct domain *owner, const struct device_completion *completion)
{
	struct edge *edge = owner->world->edge;
	struct sink *sink;

	if (!records(edge) || !edge_is_in(edge, owner))
		return;
	sink = record(edge, EDGE_COMPLETION);
	sink_u32(sink, edge_domain_place(edge, owner));
	journal_put_completion(sink, completion);
}

void
edge_submits_recorded(struct edge *edge, struct domain *domain,
	const struct device_request *request, int error)
{
	struct sink *sink;
	uint8_t hash[32];

	if (!records(edge) || !edge_is_in(edge, domain))
		return;
	edge_hash_request(request, hash);
	sink = record(edge, EDGE_REQUEST);
	sink_put(sink, hash, sizeof hash);
	sink_u8(sink, error != 0);
	if (domain->completed)
		crossed(edge, "the device had no room for a request of it");
}

void
edge_dry_recorded(struct edge *edge, struct domain *domain, const struct line *line)
{
	if (records(edge) && line && edge_is_in(edge, domain) &&
		!line_is_below(line, &edge->top->meter.line))
		crossed(edge, "a meter above it had no more gas");
}

/* --- what no record can hold, and the end ------------------------------------------------------ */

static void
end(struct edge *edge)
{
	struct sink *sink;
	uint8_t hash[32] = {0};
	const int error = edge_image_hash(edge, hash);

	sink = record(edge, EDGE_END);
	sink_u8(sink, error == 0);
	sink_put(sink, hash, sizeof hash);
	edge->over = true;
	bank_watch(&edge->top->bank, NULL);
}

static bool
is_below(const struct domain *domain, const struct domain *above)
{
	while (domain && domain != above)
		domain = domain->parent;
	return domain;
}

/* A domain is to go, with all below it; or it goes. */
void
edge_ends(struct domain *domain)
{
	struct edge *edge = domain->world->edge;

	if (!records(edge))
		return;
	if (is_below(edge->top, domain))
		end(edge);
	else if (edge_is_in(edge, domain) && !edge->inside)
		crossed(edge, "what it is made of was ended from outside");
	else if (!edge_is_in(edge, domain) &&
		((domain->callee && edge_is_in(edge, domain->callee)) ||
			(domain->served && edge_is_in(edge, domain->served))))
		crossed(edge, "a caller outside ended while it waited for it");
}

void
edge_banks(struct edge *edge)
{
	if (records(edge))
		crossed(edge, "a bank above it had no room for it");
}

/* An order across the edge reaches into its caller's memory. */
void
edge_touches(struct world *world)
{
	if (records(world->edge) && world->edge->crossing)
		crossed(world->edge, "an order between its memory and something across its edge");
}

void
edge_ordered(struct edge *edge)
{
	if (records(edge))
		crossed(edge, "the run was told through its control to do something");
}

void
edge_asks_keeper(struct domain *domain, const struct key *keeper)
{
	struct edge *edge = domain->world->edge;

	if (records(edge) && keeper->kind == KEY_START &&
		edge_is_in(edge, domain) != (edge_side(edge, keeper) == SIDE_IN))
		crossed(edge, "a keeper was asked across its edge");
}

void
edge_holds(struct domain *domain, const struct domain *leaf)
{
	struct edge *edge = domain->world->edge;

	if (records(edge) && edge_is_in(edge, leaf) != edge_is_in(edge, domain))
		crossed(edge, "a run outside returned while it waited");
}

int
edge_finish(struct edge *edge, struct report *report)
{
	uint8_t hash[32];

	if (records(edge))
		end(edge);
	if (edge->crossed.text[0]) {
		report_say(report, UINT64_MAX, "%s", edge->crossed.text);
		return -EINVAL;
	}
	if (!edge->out.count) {
		report_say(report, UINT64_MAX, "no domain %s made a step in it", edge->name);
		return -ENOENT;
	}
	if (!edge->out.sink.failed) {
		blake2b_256(edge->out.at, edge->out.count, hash);
		sink_put(&edge->out.sink, hash, sizeof hash);
	}
	if (edge->out.sink.failed)
		report_say(report, UINT64_MAX, "no memory for the journal of %s", edge->name);
	return edge->out.sink.failed;
}
