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

bool
edge_records(const struct edge *edge)
{
	return !edge->again && edge->top && !edge->over;
}

void
edge_crossed(struct edge *edge, const char *what)
{
	report_say(&edge->crossed, UINT64_MAX,
		"%s: %s, at gas %llu, step %llu of it: a journal of one subtree does not hold that",
		edge->name, what,
		(unsigned long long)line_used(&edge->world->clock, &edge->top->meter.line),
		(unsigned long long)edge->seq);
	edge->over = true;
	edge_unwatch_banks(edge);
}

static uint64_t
used_now(const struct edge *edge)
{
	return line_used(&edge->world->clock, &edge->top->meter.line);
}

static struct sink *
record_of(struct edge *edge, enum edge_record type, uint64_t used)
{
	struct sink *sink = &edge->out.sink;

	edge->records[type]++;
	edge->last[type] = edge->out.count;
	sink_u8(sink, (uint8_t)type);
	sink_u64(sink, used);
	sink_u64(sink, edge->seq);
	return sink;
}

struct sink *
edge_record(struct edge *edge, enum edge_record type)
{
	return record_of(edge, type, used_now(edge));
}

void
edge_put_ordinal(struct edge *edge, struct sink *sink, const struct domain *domain)
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
			!edge_key_open(edge, key, false) &&
			(key->grant == GRANT_NONE || edge_grant_is_in(edge, key->grant))))
		return 0;
	if (sink) {
		sink_u32(sink, place);
		sink_u32(sink, slot);
		edge_put_key(edge, sink, key);
	}
	return 1;
}

/* A node's, a factory's: those that an object holds. */
static uint32_t
put_object_keys(struct edge *edge, struct sink *sink, const struct image_out *out)
{
	uint32_t count = 0, keys_count;

	for (uint32_t i = 0; i < out->objects_count; i++) {
		const struct key *keys = edge_object_keys(edge, out->objects[i], &keys_count);

		for (uint32_t k = 0; k < keys_count; k++)
			count += put_outward(edge, sink, i, EDGE_SLOT_OBJECT + k, &keys[k]);
	}
	return count;
}

static uint32_t
put_outward_keys(struct edge *edge, struct sink *sink, const struct image_out *out)
{
	uint32_t place = 0, count = put_object_keys(edge, sink, out);

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
		edge_put_ordinal(edge, sink, at->runner);
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
			edge_put_ordinal(edge, sink, caller);
		}
	}
	return count;
}

/* What this cannot say yet. NULL: nothing. */
static const char *
unsaid(struct edge *edge)
{
	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top)) {
		if (at->entering || at->callee || at->serving || at->served || at->dry || at->held)
			return "it began with a call in flight";
	}
	return NULL;
}

/* What its image has no name for. */
static void
put_beside(struct edge *edge, const struct image_out *out)
{
	struct sink *sink = &edge->out.sink;

	edge_put_inner_grants(edge, sink, out);
	sink_u32(sink, put_outward_keys(edge, NULL, out));
	(void)put_outward_keys(edge, sink, out);
	sink_u32(sink, put_runners(edge, NULL));
	(void)put_runners(edge, sink);
	sink_u32(sink, put_callers(edge, NULL));
	(void)put_callers(edge, sink);
	edge_put_purses(edge, sink, out);
}

/* Who reads an image pays for what its keys open; here others had paid. So these are
 * among the keys beside it: taken out, and put back. */
static void
take_opened(struct edge *edge, struct edge_bytes *taken, struct key *keys, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (key_is_void(&keys[i]) || !edge_key_open(edge, &keys[i], false))
			continue;
		sink_put(&taken->sink, &(struct key *){&keys[i]}, sizeof(struct key *));
		sink_put(&taken->sink, &keys[i], sizeof keys[i]);
		if (!taken->sink.failed)
			keys[i] = (struct key){0};
	}
}

static void
put_back(const struct edge_bytes *taken)
{
	struct key *to;

	for (uint64_t at = 0; at + sizeof to + sizeof *to <= taken->count; at += sizeof to + sizeof *to) {
		memcpy(&to, taken->at + at, sizeof to);
		memcpy(to, taken->at + at + sizeof to, sizeof *to);
	}
}

static int
write_image(struct edge *edge, const struct image_out *out, struct sink *sink)
{
	struct edge_bytes taken;
	uint32_t count;
	struct key *keys;
	int error;

	edge_bytes_init(&taken, edge->heap);
	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top))
		take_opened(edge, &taken, at->slots, at->slots_count);
	for (uint32_t i = 0; i < out->objects_count; i++) {
		keys = edge_object_keys(edge, out->objects[i], &count);
		take_opened(edge, &taken, keys, count);
	}
	error = taken.sink.failed ? -ENOMEM : image_write(edge->world, edge->top, sink, false);
	put_back(&taken);
	edge_bytes_free(&taken);
	return error;
}

static void
begin(struct edge *edge)
{
	struct image_out out = {.world = edge->world, .top = edge->top};
	struct sink *sink = &edge->out.sink;
	struct edge_bytes image;
	int error;

	if (unsaid(edge)) {
		edge_crossed(edge, unsaid(edge));
		return;
	}
	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top))
		at->mark = out.domains_count++;
	if (image_collect(&out)) {
		edge_crossed(edge, "there was no memory to look at it");
		return;
	}
	edge_bytes_init(&image, edge->heap);
	error = write_image(edge, &out, &image.sink);
	if (error) {
		edge_crossed(edge, "it is in the middle of something of the device's");
	} else {
		sink_put(sink, edge_magic, sizeof edge_magic);
		sink_u32(sink, EDGE_VERSION);
		sink_u32(sink, 0);
		sink_u64(sink, image.count);
		sink_u64(sink, 0);
		sink_put(sink, image.at, image.count);
		edge->began = edge->clock_at = edge->world->clock.now;
		put_beside(edge, &out);
	}
	image_collected_free(&out);
	edge_bytes_free(&image);
	if (!edge->over)
		edge_watch_banks(edge);
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
	if (!edge->inside)
		return before;
	if (!edge->again)
		edge_sync(edge);
	edge->stepping = true;
	if (edge_records(edge))
		edge->step = (struct edge_moment){edge->out.count,
			line_used(&domain->world->clock, &edge->top->meter.line), domain->world->clock.now};
	edge->seq++;
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
	const uint32_t outers = edge->outers_count, known = edge->known_count;
	const struct edge_asked questions = edge->asked;
	struct sink *sink;
	enum order_end end;

	edge_sync(edge);
	sink = edge_record(edge, EDGE_ORDER);
	edge_put_ordinal(edge, sink, inv->domain);
	sink_u32(sink, inv->domain->calls);
	sink_u64(sink, inv->domain->progress);
	sink_u8(sink, (uint8_t)((unsigned)inv->form | (unsigned)inv->domain->counted << 7));
	sink_u32(sink, inv->order);
	edge_put_key(edge, sink, &inv->key);
	edge_put_message(edge, sink, &inv->in);
	edge->inside = edge->crossing = true;
	end = serve(inv);
	edge->inside = edge->crossing = false;
	if (edge->over)
		return end;
	if (has_end(end) || !inv->admitted) { /* nothing changed; perhaps it comes again */
		edge->out.count = before;
		edge->outers_count = outers;
		edge->known_count = known;
		edge->asked = questions;
	} else if (end == ORDER_DONE) {
		uint8_t hash[32];

		edge_hash_message(edge, &inv->rc, 1, &inv->out, hash);
		sink_put(edge_record(edge, EDGE_LEFT), hash, sizeof hash);
	}
	return end;
}

static enum order_end
to_outside(struct edge *edge, struct invocation *inv, enum order_end (*serve)(struct invocation *))
{
	struct domain *domain = inv->domain;
	const uint32_t numbers[] = {inv->form, inv->order, inv->key.kind, inv->key.rights};
	const uint64_t before = edge->out.count, used = used_now(edge);
	const struct key key = inv->key;
	uint8_t hash[32], moved = 0;
	enum order_end end;
	struct sink *sink;

	edge_hash_message(edge, numbers, 4, &inv->in, hash);
	edge->inside = false;
	edge->crossing = true;
	edge->touched = NULL;
	edge->touched_at = 0;
	end = serve(inv);
	edge->crossing = false;
	edge->inside = true;
	if (edge->over)
		return end;
	if (end == ORDER_GONE || end == ORDER_WAIT || edge->out.count != before) {
		edge_crossed(edge, "an order of its own on something outside came back into it");
		return end;
	}
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		if (inv->in.keys[i].kind == KEY_RESUME && inv->send_slots[i] >= 0)
			moved |= key_is_void(&domain->slots[inv->send_slots[i]]) ? 1u << i : 0;
	sink = record_of(edge, EDGE_OUT, used); /* before what it cost */
	edge_put_key(edge, sink, &key);
	sink_put(sink, hash, sizeof hash);
	sink_u8(sink, (uint8_t)end);
	sink_u8(sink, (uint8_t)domain->state);
	sink_u8(sink, domain->wait);
	sink_u8(sink, (uint8_t)(moved | domain->counted << 7));
	sink_u64(sink, domain->charged);
	sink_u64(sink, domain->stop.need);
	sink_u64(sink, domain->progress);
	edge_put_touched(edge, sink);
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

	if (!edge_records(edge) || side == SIDE_NONE || (side == SIDE_IN) == inside)
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

	if (!edge_records(edge))
		return;
	if (edge_is_in(edge, caller) && !edge->inside) {
		sink = edge_record(edge, EDGE_ANSWER);
		sink_u32(sink, edge_domain_place(edge, caller));
		sink_u32(sink, rc);
		edge_put_message(edge, sink, message);
	} else if (caller->runs && !edge_is_in(edge, caller->runs)) {
		return; /* of outside, to the outside */
	} else if (edge->inside && !edge_is_in(edge, caller)) {
		edge_hash_message(edge, &rc, 1, message, hash);
		sink_put(edge_record(edge, EDGE_LEFT), hash, sizeof hash);
	} else if (!edge->inside && caller->runs && edge_is_in(edge, caller->runs)) {
		sink_u32(edge_record(edge, EDGE_RETURN), edge_domain_place(edge, caller->runs));
	} else if (!edge->inside && !edge_is_in(edge, caller) && !edge->crossing) {
		edge_lets_go(edge, caller);
	}
}

void
edge_ready_recorded(struct edge *edge, struct domain *domain)
{
	if (!edge_records(edge) || edge->inside || !edge_is_in(edge, domain))
		return;
	sink_u32(edge_record(edge, EDGE_WAKE), edge_domain_place(edge, domain));
}

void
edge_completes(struct domain *owner, const struct device_completion *completion)
{
	struct edge *edge = owner->world->edge;
	struct sink *sink;

	if (!edge_records(edge) || !edge_is_in(edge, owner))
		return;
	sink = edge_record(edge, EDGE_COMPLETION);
	sink_u32(sink, edge_domain_place(edge, owner));
	journal_put_completion(sink, completion);
}

void
edge_submits_recorded(struct edge *edge, struct domain *domain,
	const struct device_request *request, int error)
{
	struct sink *sink;
	uint8_t hash[32];

	if (!edge_records(edge) || !edge_is_in(edge, domain))
		return;
	edge_hash_request(request, hash);
	sink = edge_record(edge, EDGE_REQUEST);
	sink_put(sink, hash, sizeof hash);
	sink_u8(sink, error != 0);
	if (domain->completed)
		edge_crossed(edge, "the device had no room for a request of it");
}

/* --- what no record can hold, and the end ------------------------------------------------------ */

static void
end(struct edge *edge)
{
	struct sink *sink;
	uint8_t hash[32] = {0};
	int error;

	edge_sync(edge);
	error = edge_image_hash(edge, hash);
	sink = edge_record(edge, EDGE_END);
	sink_u8(sink, error == 0);
	sink_put(sink, hash, sizeof hash);
	edge->over = true;
	edge_unwatch_banks(edge);
}

static bool
is_below(const struct domain *domain, const struct domain *above)
{
	while (domain && domain != above)
		domain = domain->parent;
	return domain;
}

/* Of a subtree that goes there is no more to be had. */
void
edge_ends(struct domain *domain)
{
	struct edge *edge = domain->world->edge;

	if (edge_records(edge) && is_below(edge->top, domain))
		end(edge);
}

void
edge_ordered(struct edge *edge)
{
	if (edge_records(edge))
		edge_crossed(edge, "the run was told through its control to do something");
}

bool
edge_ends_one(struct domain *domain)
{
	struct edge *edge = domain->world->edge;
	const bool before = edge->inside;

	edge_ends(domain);
	if (!edge_records(edge) || edge->inside)
		return before;
	if (!edge_is_in(edge, domain)) {
		edge_lets_go(edge, domain);
		return before;
	}
	sink_u32(edge_record(edge, EDGE_ENDED), edge_domain_place(edge, domain));
	edge->inside = true;
	return before;
}

int
edge_finish(struct edge *edge, struct report *report)
{
	uint8_t hash[32];

	if (edge_records(edge))
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
