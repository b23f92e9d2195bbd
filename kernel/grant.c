/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/grant.h"

#include <stddef.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/key.h"

enum { GRANTS_FIRST = 16, GRANTS_MAX = 1 << 28 };

void
grants_init(struct grants *grants, struct heap *heap)
{
	*grants = (struct grants){.heap = heap, .free = GRANT_NONE};
}

void
grants_done(struct grants *grants)
{
	heap_give(grants->heap, grants->at, (uint64_t)grants->room * sizeof *grants->at);
	grants_init(grants, grants->heap);
}

static bool
make_room(struct grants *grants)
{
	const uint64_t room = grants->room ? (uint64_t)grants->room * 2 : GRANTS_FIRST;
	struct grant *at;

	if (room > GRANTS_MAX)
		return false;
	at = heap_resize(grants->heap, grants->at, (uint64_t)grants->room * sizeof *at,
		room * sizeof *at);
	if (!at)
		return false;
	grants->at = at;
	grants->room = (uint32_t)room;
	return true;
}

/* An unused index, its generation kept from the last use; GRANT_NONE: no room. */
static uint32_t
take_index(struct grants *grants)
{
	const uint32_t index = grants->free;

	if (index != GRANT_NONE) {
		grants->free = grants->at[index].parent;
		return index;
	}
	if (grants->count == grants->room && !make_room(grants))
		return GRANT_NONE;
	return grants->count++;
}

uint32_t
grant_new(struct grants *grants, uint32_t parent)
{
	const uint32_t index = take_index(grants);
	struct grant *grant;

	if (index == GRANT_NONE)
		return GRANT_NONE;
	grant = &grants->at[index];
	*grant = (struct grant){
		.parent = parent,
		.root = index,
		.generation = grant->generation,
		.epoch = 1,
		.expires = UINT64_MAX,
		.rate = UINT64_MAX,
		.uses_left = UINT64_MAX,
		.bytes_left = UINT64_MAX,
		.used = true,
	};
	if (parent != GRANT_NONE) {
		struct grant *above = &grants->at[parent];

		must(GRANT3, above->used);
		grant->root = above->root;
		grant->depth = above->depth + 1;
		grant->limited = above->limited;
		above->below++;
	}
	return index;
}

bool
grant_limits_fit(const struct grant_limits *limits)
{
	return limits->rate && (limits->rate == UINT64_MAX || limits->rate <= GRANT_SECOND);
}

void
grant_limit(struct grants *grants, uint32_t index, const struct grant_limits *limits, uint64_t now)
{
	struct grant *grant = &grants->at[index];

	grant->uses_left = limits->uses;
	grant->bytes_left = limits->bytes;
	grant->expires = add_saturating(now, limits->gas);
	grant->rate = grant->tokens = limits->rate;
	grant->tokens_at = now;
	grant->limited |= limits->uses != UINT64_MAX || limits->bytes != UINT64_MAX ||
		limits->gas != UINT64_MAX || limits->rate != UINT64_MAX;
	grants->timed |= limits->gas != UINT64_MAX || limits->rate != UINT64_MAX;
}

void
grant_drop(struct grants *grants, uint32_t index)
{
	must(GRANT3, grants->at[index].used);
	grants->at[index].dropped = true;
	while (index != GRANT_NONE && grants->at[index].dropped && !grants->at[index].below) {
		struct grant *grant = &grants->at[index];
		const uint32_t parent = grant->parent;

		*grant = (struct grant){.parent = grants->free, .generation = grant->generation + 1};
		grants->free = index;
		if (parent != GRANT_NONE)
			grants->at[parent].below--;
		index = parent;
	}
}

/* Up to the first ancestor whose answer is known: a dead one, or one found
 * alive in this epoch, or past the root. */
static bool
walk_alive(const struct grants *grants, uint32_t index, uint64_t epoch)
{
	for (; index != GRANT_NONE; index = grants->at[index].parent) {
		if (grants->at[index].dead)
			return false;
		if (grants->at[index].alive_at == epoch)
			return true;
	}
	return true;
}

/* Everything on the way gets the answer too, so the next walk ends here. */
bool
grant_alive(struct grants *grants, uint32_t index, uint32_t generation)
{
	struct grant *grant;
	uint64_t epoch;
	bool alive;

	if (index >= grants->count)
		return false;
	grant = &grants->at[index];
	if (!grant->used || grant->generation != generation)
		return false;
	epoch = grants->at[grant->root].epoch;
	if (grant->alive_at == epoch)
		return true;
	alive = walk_alive(grants, index, epoch);
	for (; index != GRANT_NONE; index = grant->parent) {
		grant = &grants->at[index];
		if (grant->dead || grant->alive_at == epoch)
			break;
		if (alive)
			grant->alive_at = epoch;
		else
			grant->dead = true;
	}
	return alive;
}

void
grant_cut(struct grants *grants, uint32_t index)
{
	struct grant *grant = &grants->at[index];

	must(GRANT3, index < grants->count && grant->used);
	grant->dead = true;
	grant->alive_at = 0;
	grants->at[grant->root].epoch++;
}

bool
key_alive(struct grants *grants, const struct key *key)
{
	return key->grant == GRANT_NONE || grant_alive(grants, key->grant, key->grant_generation);
}

/* Tokens since it was last looked at; a second's worth is the most kept. */
static void
refill(struct grant *grant, uint64_t now)
{
	const uint64_t since = now - grant->tokens_at;
	const uint64_t more = since / (GRANT_SECOND / grant->rate);

	if (!more)
		return;
	grant->tokens = min_u64(grant->rate, add_saturating(grant->tokens, more));
	grant->tokens_at = now;
}

static bool
has_room(struct grant *grant, uint64_t bytes, uint64_t now)
{
	if (grant->rate != UINT64_MAX)
		refill(grant, now);
	return now < grant->expires && grant->uses_left && grant->bytes_left >= bytes &&
		(grant->rate == UINT64_MAX || grant->tokens);
}

bool
grant_use(struct grants *grants, uint32_t index, uint64_t bytes, uint64_t now)
{
	if (!grants->at[index].limited)
		return true;
	for (uint32_t i = index; i != GRANT_NONE; i = grants->at[i].parent)
		if (!has_room(&grants->at[i], bytes, now))
			return false;
	for (uint32_t i = index; i != GRANT_NONE; i = grants->at[i].parent) {
		struct grant *grant = &grants->at[i];

		grant->uses_left -= grant->uses_left != UINT64_MAX;
		grant->bytes_left -= grant->bytes_left != UINT64_MAX ? bytes : 0;
		grant->tokens -= grant->rate != UINT64_MAX;
	}
	return true;
}

static bool
is_limited(const struct grants *grants, uint32_t index)
{
	return index != GRANT_NONE && grants->at[index].limited;
}

static enum grant_fault
fault_of(const struct grant *grant, uint64_t now)
{
	if (now >= grant->expires)
		return GRANT_EXPIRED;
	if (!grant->uses_left)
		return GRANT_NO_USES;
	if (!grant->bytes_left)
		return GRANT_NO_BYTES;
	return grant->rate != UINT64_MAX && !grant->tokens ? GRANT_TOO_OFTEN : GRANT_OPEN;
}

enum grant_fault
grant_fault(struct grants *grants, const struct key *key, uint64_t now)
{
	enum grant_fault fault = GRANT_OPEN;

	if (!key_alive(grants, key))
		return GRANT_CUT;
	for (uint32_t i = key->grant; is_limited(grants, i) && fault == GRANT_OPEN;
		i = grants->at[i].parent)
		fault = fault_of(&grants->at[i], now);
	return fault;
}

uint64_t
grant_bytes_left(const struct grants *grants, uint32_t index)
{
	uint64_t left = UINT64_MAX;

	for (; is_limited(grants, index); index = grants->at[index].parent)
		left = min_u64(left, grants->at[index].bytes_left);
	return left;
}

void
grant_count_bytes(struct grants *grants, uint32_t index, uint64_t bytes)
{
	for (; is_limited(grants, index); index = grants->at[index].parent) {
		struct grant *grant = &grants->at[index];

		if (grant->bytes_left != UINT64_MAX)
			grant->bytes_left -= min_u64(grant->bytes_left, bytes);
	}
}

void
grants_check(const struct grants *grants)
{
	for (uint32_t i = 0; i < grants->count; i++) {
		const struct grant *grant = &grants->at[i];
		const uint32_t parent = grant->parent;

		if (!grant->used)
			continue;
		must(GRANT3, parent == GRANT_NONE || grants->at[parent].used);
		must(GRANT3, grants->at[grant->root].used);
		must(GRANT3, parent == GRANT_NONE || grants->at[parent].below > 0);
		if (grant->alive_at == grants->at[grant->root].epoch)
			must(GRANT2, !grant->dead && walk_alive(grants, i, UINT64_MAX));
	}
}
