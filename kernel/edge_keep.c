/* SPDX-License-Identifier: Apache-2.0 */
/* edge_keep.c - what the kernel itself does across the edge of a subtree: keepers are
 * asked, strands are held, waits are called off, domains end with what paid for
 * them; and bytes that an order moves between memory and what is on the other side. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/edge_in.h"
#include "kernel/gate_inside.h"
#include "kernel/tree.h"

enum { KEEPER_REFUSED, KEEPER_ASKED, KEEPER_BUSY };

/* --- keepers ------------------------------------------------------------------------ */

static void
hash_ask(struct edge *edge, const struct domain *domain, uint32_t order,
	const struct message *message, uint8_t ret_hash[32])
{
	const uint32_t numbers[] = {order, domain->wait};

	edge_hash_message(edge, numbers, 2, message, ret_hash);
}

static bool
asks_outside(struct edge *edge, struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message, edge_keeper_call *call)
{
	uint8_t hash[32];
	struct sink *sink;
	bool asked;

	hash_ask(edge, domain, order, message, hash);
	asked = call(domain, key, order, message);
	if (edge->over)
		return asked;
	sink = edge_record(edge, EDGE_KEEPER);
	sink_put(sink, hash, sizeof hash);
	sink_u8(sink, !asked				   ? KEEPER_REFUSED
			: domain->state == DOMAIN_QUEUED ? KEEPER_BUSY
							 : KEEPER_ASKED);
	edge_put_ordinal(edge, sink, domain_of(edge->world, key) ? domain_of(edge->world, key)
								 : domain);
	return asked;
}

static bool
asked_from_outside(struct edge *edge, struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message, edge_keeper_call *call)
{
	const uint64_t before = edge->out.count;
	const uint32_t outers = edge->outers_count, known = edge->known_count;
	const struct edge_asked questions = edge->asked;
	struct sink *sink;
	bool asked;

	edge_sync(edge);
	sink = edge_record(edge, EDGE_ASK);
	edge_put_ordinal(edge, sink, domain);
	sink_u32(sink, domain->calls);
	sink_u8(sink, domain->wait);
	sink_u32(sink, order);
	edge_put_key(edge, sink, key);
	edge_put_message(edge, sink, message);
	edge->inside = true;
	asked = call(domain, key, order, message);
	edge->inside = false;
	if (!asked && !edge->over) { /* nothing changed */
		edge->out.count = before;
		edge->outers_count = outers;
		edge->known_count = known;
		edge->asked = questions;
	}
	return asked;
}

static bool
asks_again(struct edge *edge, struct domain *domain, uint32_t order, const struct message *message)
{
	static const struct key through = {.grant = GRANT_NONE};
	struct edge_entry entry;
	struct domain *keeper;
	const uint8_t *then;
	uint8_t hash[32], end;

	hash_ask(edge, domain, order, message, hash);
	if (!edge_expect(edge, EDGE_KEEPER, "it asks a keeper outside, which it did not then", &entry))
		return false;
	then = bytes_take(&entry.in, 32);
	end = bytes_u8(&entry.in);
	if (!then || memcmp(then, hash, sizeof hash)) {
		edge_diverge(edge, "it asks a keeper outside for something else");
		return false;
	}
	keeper = edge_get_stand_in(edge, &entry.in);
	if (!keeper || end > KEEPER_BUSY) {
		edge_diverge(edge, "what a keeper outside did does not fit it");
		return false;
	}
	edge->in = entry.in;
	if (end == KEEPER_ASKED)
		(void)gate_wait_reply(domain, domain->wait, &through);
	if (end != KEEPER_BUSY)
		return end == KEEPER_ASKED;
	queue_drop(domain);
	domain->state = DOMAIN_QUEUED;
	domain->callee = keeper;
	queue_add(&keeper->callers, domain);
	return true;
}

bool
edge_asks_keeper(struct domain *domain, const struct key *key, uint32_t order,
	const struct message *message, edge_keeper_call *call)
{
	struct edge *edge = domain->world->edge;
	const bool in = edge->top && edge_is_in(edge, domain);
	const bool crosses = edge->top && key->kind == KEY_START &&
		edge_side(edge, key) == (in ? SIDE_OUT : SIDE_IN);

	if (crosses && in && edge->again && !edge->frozen)
		return asks_again(edge, domain, order, message);
	if (!crosses || !edge_records(edge) || edge->dry_at)
		return call(domain, key, order, message);
	return in ? asks_outside(edge, domain, key, order, message, call)
		  : asked_from_outside(edge, domain, key, order, message, call);
}

/* The stand-in asks as whoever it stands for did. */
bool
edge_ask_again(struct edge *edge, struct edge_entry *entry)
{
	struct bytes_in *in = &entry->in;
	struct domain *stand_in = edge_get_stand_in(edge, in);
	const uint32_t calls = bytes_u32(in);
	const uint8_t wait = bytes_u8(in);
	const uint32_t order = bytes_u32(in);
	struct message message;
	struct key key;

	if (!stand_in || wait < WAIT_IMPORT || wait >= WAIT_COUNT || !edge_get_key(edge, in, &key) ||
		!edge_get_message(edge, in, &message))
		return false;
	if (key.kind != KEY_START || edge_side(edge, &key) != SIDE_IN ||
		stand_in->state == DOMAIN_CALLING || stand_in->state == DOMAIN_AVAILABLE)
		return false;
	edge->in = *in;
	stand_in->calls = calls;
	stand_in->wait = wait;
	return gate_call_keeper(stand_in, &key, order, &message);
}

/* --- strands that are held -------------------------------------------------------------- */

void
edge_holds(struct domain *domain, const struct domain *leaf)
{
	struct edge *edge = domain->world->edge;
	struct sink *sink;

	if (!edge_records(edge) || !edge_is_in(edge, leaf) || edge_is_in(edge, domain))
		return;
	sink = edge_record(edge, EDGE_HOLD);
	edge_put_ordinal(edge, sink, domain);
	sink_u32(sink, edge_domain_place(edge, leaf));
}

void
edge_unholds(const struct domain *domain, const struct domain *leaf)
{
	struct edge *edge = leaf->world->edge;

	if (edge_records(edge) && !edge->inside && edge_is_in(edge, leaf) && !edge_is_in(edge, domain))
		sink_u32(edge_record(edge, EDGE_UNHOLD), edge_domain_place(edge, leaf));
}

/* In the step in which it begins to wait, when its run from outside polls. */
bool
edge_hold_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *holder = edge_get_stand_in(edge, &entry->in);
	struct domain *leaf = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !holder || !leaf || leaf->held)
		return false;
	edge->in = entry->in;
	tree_hold(holder, leaf);
	return true;
}

bool
edge_unhold_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *leaf = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !leaf || !leaf->held || edge_is_in(edge, leaf->leaf_of))
		return false;
	edge->in = entry->in;
	tree_unhold(leaf);
	return true;
}

/* --- waits that are called off, and ends ------------------------------------------------- */

bool
edge_revokes(struct domain *domain)
{
	struct edge *edge = domain->world->edge;
	const bool before = edge->inside;

	if (edge_records(edge) && !edge->inside && edge_is_in(edge, domain)) {
		sink_u32(edge_record(edge, EDGE_REVOKED), edge_domain_place(edge, domain));
		edge->inside = true;
	}
	return before;
}

bool
edge_revoked_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *domain = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !domain || domain->state != DOMAIN_WAITING || !domain->request)
		return false;
	edge->in = entry->in;
	request_revoked(domain);
	return true;
}

/* It is answered, or ends, and inside is waited for no more. */
void
edge_lets_go(struct edge *edge, const struct domain *caller)
{
	for (uint32_t i = 0; i < edge->outers_count; i++)
		if (edge->outers[i].kind == KEY_DOMAIN && edge->outers[i].id == caller->id &&
			edge->outers[i].generation == caller->generation)
			sink_u32(edge_record(edge, EDGE_LET_GO), i);
}

bool
edge_let_go_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *stand_in = edge_get_stand_in(edge, &entry->in);
	struct domain *callee;

	if (!stand_in)
		return false;
	edge->in = entry->in;
	callee = stand_in->callee;
	if (stand_in->runs)
		stand_in->runs->poll = false;
	edge_answered(stand_in);
	stand_in->callee = NULL;
	if (callee && callee->entering == stand_in) {
		callee->entering = NULL;
		gate_admit_next(callee);
	}
	return true;
}

bool
edge_ended_again(struct edge *edge, struct edge_entry *entry)
{
	struct domain *domain = edge_domain_at(edge, bytes_u32(&entry->in));

	if (entry->in.bad || !domain || domain == edge->top)
		return false;
	edge->in = entry->in;
	edge->world->busy++;
	domain_end(domain);
	edge->world->busy--;
	edge_unsettled(edge);
	return true;
}

/* --- bytes -------------------------------------------------------------------------------- */

/* An order across the edge reaches into its caller's memory. One of inside may write
 * there what lies outside: its bytes are kept behind it. One from outside may put them
 * into what is inside: they are kept before it. */
uint8_t *
edge_touches(struct invocation *inv, uint64_t at, uint64_t bytes, uint8_t *memory)
{
	struct edge *edge = inv->world->edge;
	struct sink *sink;

	if (!edge_records(edge) || !edge->crossing)
		return memory;
	if (!edge->inside) { /* to_outside(): there is one such part in an order */
		edge->touched = memory;
		edge->touched_at = at;
		edge->touched_bytes = bytes;
		return memory;
	}
	sink = edge_record(edge, EDGE_BYTES);
	sink_u64(sink, at);
	sink_u64(sink, bytes);
	sink_u8(sink, memory != NULL);
	if (memory)
		sink_put(sink, memory, bytes);
	return memory;
}

void
edge_put_touched(struct edge *edge, struct sink *sink)
{
	const uint64_t bytes = edge->touched ? edge->touched_bytes : 0;

	sink_u64(sink, edge->touched_at);
	sink_u64(sink, bytes);
	if (bytes)
		sink_put(sink, edge->touched, bytes);
	edge->touched = NULL;
	edge->touched_at = 0;
}

bool
edge_get_touched(struct edge *edge, struct invocation *inv, struct bytes_in *in)
{
	const uint64_t at = bytes_u64(in), bytes = bytes_u64(in);
	const uint8_t *data = bytes_take(in, bytes);
	uint8_t *memory;

	(void)edge;
	if (!data || !bytes)
		return data;
	memory = call_mem(inv->call, at, bytes);
	if (memory)
		memcpy(memory, data, bytes);
	return memory;
}

/* Of a stand-in: what was there then; what is put there goes nowhere. */
uint8_t *
edge_memory(struct invocation *inv, uint64_t at, uint64_t bytes)
{
	struct edge *edge = inv->world->edge;
	struct edge_entry entry;
	const uint8_t *data;
	uint64_t then_at, then_bytes;

	if (!edge_expect(edge, EDGE_BYTES, "an order from outside moves bytes that it did not then",
		    &entry))
		return NULL;
	then_at = bytes_u64(&entry.in);
	then_bytes = bytes_u64(&entry.in);
	if (then_at != at || then_bytes != bytes || bytes_u8(&entry.in) > 1) {
		edge_diverge(edge, "an order from outside moves other bytes");
		return NULL;
	}
	if (!entry.in.at[-1]) {
		edge->in = entry.in;
		return NULL;
	}
	data = bytes_take(&entry.in, bytes);
	if (!data) {
		edge_diverge(edge, "an order from outside moves more bytes than were kept");
		return NULL;
	}
	edge->in = entry.in;
	heap_give(edge->heap, edge->scratch, edge->scratch_room);
	edge->scratch_room = max_u64(bytes, 1);
	edge->scratch = heap_take(edge->heap, edge->scratch_room);
	if (edge->scratch)
		memcpy(edge->scratch, data, bytes);
	else
		edge->scratch_room = 0;
	return edge->scratch;
}
