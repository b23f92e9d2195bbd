/* SPDX-License-Identifier: Apache-2.0 */
/* edge_grant.c - grants of the outside that keys inside stand under, and the clock
 * that limits of grants read. Recording and having it again, side by side.
 *
 * A grant of the outside is named by an ordinal, with all above it, up to the root
 * that the host gave; alone it is a grant of its own in that world. Before anything
 * inside may look at one (a step, an order from outside) what changed since is a
 * record, with all that it now says: who used it up or cut it is not to be known.
 * The gas that the outside used between is one, too, from when the first limit of
 * time was made: the clock then runs as it did. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/edge_in.h"

enum { KNOWN_FIRST = 16, KNOWN_MAX = 1 << 20, CHAIN_MAX = 4096 };

static bool
known_add(struct edge *edge, const struct edge_grant *known)
{
	const uint32_t room = edge->known_room ? 2 * edge->known_room : KNOWN_FIRST;

	if (edge->known_count == edge->known_room) {
		struct edge_grant *more = room > KNOWN_MAX ? NULL
			: heap_resize(edge->heap, edge->known, edge->known_room * sizeof *more,
				room * sizeof *more);

		if (!more)
			return false;
		edge->known = more;
		edge->known_room = room;
	}
	edge->known[edge->known_count++] = *known;
	return true;
}

static uint32_t
known_at(const struct edge *edge, uint32_t index)
{
	for (uint32_t i = 0; i < edge->known_count; i++)
		if (edge->known[i].index == index &&
			edge->known[i].generation == edge->world->grants.at[index].generation)
			return i;
	return EDGE_NOWHERE;
}

/* --- what one says --------------------------------------------------------------------- */

/* Times are told from where the journal begins. */
static struct edge_limits
limits_of(const struct edge *edge, const struct grant *grant)
{
	return (struct edge_limits){
		.dead = grant->dead,
		.limited = grant->limited,
		.uses_left = grant->uses_left,
		.bytes_left = grant->bytes_left,
		.rate = grant->rate,
		.tokens = grant->tokens,
		.expires = grant->expires == UINT64_MAX ? UINT64_MAX : grant->expires - edge->began,
		.tokens_at = grant->rate == UINT64_MAX ? 0 : grant->tokens_at - edge->began,
	};
}

static void
put_limits(struct sink *sink, const struct edge_limits *limits)
{
	sink_u8(sink, (uint8_t)(limits->dead | limits->limited << 1));
	sink_u64(sink, limits->uses_left);
	sink_u64(sink, limits->bytes_left);
	sink_u64(sink, limits->rate);
	sink_u64(sink, limits->tokens);
	sink_u64(sink, limits->expires);
	sink_u64(sink, limits->tokens_at);
}

static bool
get_limits(struct edge *edge, struct bytes_in *in, uint32_t index)
{
	struct grants *grants = &edge->world->grants;
	struct grant *grant = &grants->at[index];
	const uint8_t flags = bytes_u8(in);

	grant->uses_left = bytes_u64(in);
	grant->bytes_left = bytes_u64(in);
	grant->rate = bytes_u64(in);
	grant->tokens = bytes_u64(in);
	grant->expires = bytes_u64(in);
	grant->tokens_at = bytes_u64(in) + edge->began;
	if (grant->expires != UINT64_MAX)
		grant->expires += edge->began;
	grant->limited = flags & 2;
	if (flags & 1 && !grant->dead)
		grant_cut(grants, index);
	return !in->bad && flags < 4 && grant->rate &&
		(grant->rate == UINT64_MAX || grant->rate <= GRANT_SECOND);
}

/* --- names ------------------------------------------------------------------------------- */

/* From this one up to the first that is known, then the root's name. */
static void
put_chain(struct edge *edge, struct sink *sink, uint32_t grant)
{
	const struct caps *caps = edge->world->config.caps;
	const struct grants *grants = &edge->world->grants;
	uint32_t count = 0, at = grant;
	const char *name;

	while (at != GRANT_NONE && known_at(edge, at) == EDGE_NOWHERE) {
		at = grants->at[at].parent;
		count++;
	}
	sink_u32(sink, at == GRANT_NONE ? EDGE_NOWHERE : known_at(edge, at));
	sink_u32(sink, count);
	name = caps->grant_name ? caps->grant_name(edge->world, grants->at[grant].root) : NULL;
	sink_text(sink, name ? name : "", name ? (uint32_t)strlen(name) : 0);
	for (at = grant; count; count--, at = grants->at[at].parent) {
		const struct edge_grant known = {.index = at, .generation = grants->at[at].generation,
			.then = limits_of(edge, &grants->at[at])};

		put_limits(sink, &known.then);
		if (!known_add(edge, &known))
			edge_crossed(edge, "there is no memory for the grants above it");
	}
}

void
edge_put_outer_grant(struct edge *edge, struct sink *sink, uint32_t grant)
{
	uint32_t known;

	if (grant == GRANT_NONE || grant >= edge->world->grants.count) {
		sink_u32(sink, EDGE_NOWHERE);
		return;
	}
	known = known_at(edge, grant);
	sink_u32(sink, known == EDGE_NOWHERE ? edge->known_count : known);
	if (known == EDGE_NOWHERE)
		put_chain(edge, sink, grant);
}

/* The chain, from its end: a parent is made before what is below it. Its members
 * have ordinals in the order they were told. */
static bool
get_chain(struct edge *edge, struct bytes_in *in)
{
	static const struct grant_limits none = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	const struct caps *caps = edge->world->config.caps;
	const uint32_t above = bytes_u32(in), count = bytes_u32(in), first = edge->known_count;
	uint32_t name_bytes;
	const uint8_t *name = bytes_text(in, &name_bytes);
	struct key key = {.grant = GRANT_NONE};
	static const struct edge_grant unknown = {.index = GRANT_NONE};

	if (in->bad || !count || count > CHAIN_MAX || (above != EDGE_NOWHERE && above >= first))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!known_add(edge, &unknown))
			return false;
	if (above != EDGE_NOWHERE)
		key.grant = edge->known[above].index;
	for (uint32_t i = first + count; i-- > first;) {
		uint32_t root = GRANT_NONE;

		if (key.grant == GRANT_NONE && name_bytes && caps->grant_find)
			root = caps->grant_find(edge->world, (const char *)name, name_bytes);
		if (root != GRANT_NONE)
			key.grant = root;
		else if (world_grant(edge->world, &key, &none) == GRANT_NONE)
			return false;
		edge->known[i].index = key.grant;
		edge->known[i].generation = edge->world->grants.at[key.grant].generation;
	}
	for (uint32_t i = first; i < first + count; i++)
		if (!get_limits(edge, in, edge->known[i].index))
			return false;
	return true;
}

bool
edge_get_outer_grant(struct edge *edge, struct bytes_in *in, uint32_t *ret_grant)
{
	const uint32_t ordinal = bytes_u32(in);

	*ret_grant = GRANT_NONE;
	if (in->bad || ordinal == EDGE_NOWHERE)
		return !in->bad;
	if (ordinal > edge->known_count || (ordinal == edge->known_count && !get_chain(edge, in)))
		return false;
	*ret_grant = edge->known[ordinal].index;
	return *ret_grant != GRANT_NONE;
}

/* --- grants inside, as they are at the beginning --------------------------------------------- */

static uint32_t
grant_in(const struct edge *edge, uint32_t object)
{
	return ((const struct grant_body *)object_at(edge->world, object)->body)->grant;
}

/* An image has not what those of it are below, nor when their tokens came. */
void
edge_put_inner_grants(struct edge *edge, struct sink *sink, const struct image_out *out)
{
	sink_u32(sink, out->grants_count);
	for (uint32_t i = 0; i < out->grants_count; i++) {
		const struct grant *grant =
			&edge->world->grants.at[grant_in(edge, out->objects[out->grants[i]])];
		const uint32_t parent = grant->parent;
		const bool inside = parent != GRANT_NONE &&
			edge->world->grants.at[parent].mark < out->grants_count &&
			grant_in(edge, out->objects[out->grants[edge->world->grants.at[parent].mark]]) == parent;
		const struct edge_limits limits = limits_of(edge, grant);

		sink_u32(sink, out->grants[i]);
		sink_u8(sink, inside);
		put_limits(sink, &limits);
		if (!inside)
			edge_put_outer_grant(edge, sink, parent);
	}
}

/* Below another from now on; what is below it is told later, and looks up. */
static void
put_below(struct grants *grants, uint32_t index, uint32_t parent)
{
	struct grant *grant = &grants->at[index];

	if (grant->parent != parent && grant->parent != GRANT_NONE)
		grants->at[grant->parent].below--;
	if (grant->parent != parent && parent != GRANT_NONE)
		grants->at[parent].below++;
	grant->parent = parent;
	grant->root = parent == GRANT_NONE ? index : grants->at[parent].root;
	grant->depth = parent == GRANT_NONE ? 0 : grants->at[parent].depth + 1;
	grant->alive_at = 0;
}

bool
edge_get_inner_grants(struct edge *edge)
{
	struct grants *grants = &edge->world->grants;
	struct bytes_in *in = &edge->in;

	for (uint32_t left = bytes_u32(in); left && !in->bad; left--) {
		const uint32_t place = edge_object_at(edge, bytes_u32(in));
		const struct object *object = place == EDGE_NOWHERE ? NULL : object_at(edge->world, place);
		const bool inside = bytes_u8(in);
		uint32_t index, parent;

		if (in->bad || !object || object->kind != KEY_GRANT)
			return false;
		index = grant_in(edge, place);
		if (index == GRANT_NONE || !get_limits(edge, in, index))
			return false;
		parent = grants->at[index].parent;
		if (!inside && !edge_get_outer_grant(edge, in, &parent))
			return false;
		for (uint32_t at = parent; at != GRANT_NONE; at = grants->at[at].parent)
			if (at == index)
				return false;
		put_below(grants, index, parent);
	}
	return !in->bad;
}

/* --- what changed ----------------------------------------------------------------------------- */

static bool
is_timed(const struct grants *grants)
{
	return grants->timed;
}

void
edge_sync(struct edge *edge)
{
	const struct grants *grants = &edge->world->grants;
	const uint64_t now = edge->world->clock.now;

	if (!edge_records(edge))
		return;
	if (is_timed(grants) && now != edge->clock_at) {
		sink_u64(edge_record(edge, EDGE_CLOCK), now - edge->clock_at);
		edge->clock_at = now;
	}
	for (uint32_t i = 0; i < edge->known_count; i++) {
		struct edge_grant *known = &edge->known[i];
		const struct grant *grant = &grants->at[known->index];
		struct edge_limits limits;
		struct sink *sink;

		if (known->then.dead)
			continue;
		limits = limits_of(edge, grant);
		if (grant->generation != known->generation)
			limits = (struct edge_limits){.dead = true, .limited = known->then.limited,
				.uses_left = UINT64_MAX, .bytes_left = UINT64_MAX, .rate = UINT64_MAX,
				.tokens = UINT64_MAX, .expires = UINT64_MAX};
		if (!memcmp(&limits, &known->then, sizeof limits))
			continue;
		known->then = limits;
		sink = edge_record(edge, EDGE_GRANT);
		sink_u32(sink, i);
		put_limits(sink, &limits);
	}
}

/* What inside did to them is done again there. */
void
edge_synced(struct edge *edge, uint64_t spent)
{
	if (!edge_records(edge))
		return;
	edge->clock_at += spent;
	for (uint32_t i = 0; i < edge->known_count; i++) {
		struct edge_grant *known = &edge->known[i];
		const struct grant *grant = &edge->world->grants.at[known->index];

		if (grant->generation == known->generation && !known->then.dead)
			known->then = limits_of(edge, grant);
	}
}

bool
edge_clock_again(struct edge *edge, struct edge_entry *entry)
{
	struct clock_gas *clock = &edge->world->clock;
	const uint64_t gas = bytes_u64(&entry->in);

	line_switch(clock, NULL);
	if (entry->in.bad || !add_fits(&clock->now, clock->now, gas))
		return false;
	edge->in = entry->in;
	return true;
}

bool
edge_grant_again(struct edge *edge, struct edge_entry *entry)
{
	const uint32_t ordinal = bytes_u32(&entry->in);

	if (entry->in.bad || ordinal >= edge->known_count ||
		!get_limits(edge, &entry->in, edge->known[ordinal].index))
		return false;
	edge->in = entry->in;
	return true;
}
