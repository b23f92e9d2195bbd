/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/bank.h"

#include <stddef.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"

static bool
storage_take(struct storage *storage, uint64_t bytes)
{
	return bank_take((struct bank *)storage, bytes);
}

static void
storage_give(struct storage *storage, uint64_t bytes)
{
	bank_give((struct bank *)storage, bytes);
}

_Static_assert(offsetof(struct bank, storage) == 0, "a bank is its storage");

static void
unlink_bank(struct bank *bank)
{
	if (bank->next)
		bank->next->prev = bank->prev;
	if (bank->prev)
		bank->prev->next = bank->next;
	else if (bank->superior)
		bank->superior->first = bank->next;
}

static void
link_bank(struct bank *bank, struct bank *superior)
{
	bank->superior = superior;
	bank->prev = NULL;
	bank->next = superior->first;
	if (bank->next)
		bank->next->prev = bank;
	superior->first = bank;
}

void
bank_init(struct bank *bank, struct bank *superior, uint64_t limit_bytes)
{
	*bank = (struct bank){
		.storage = {.take = storage_take, .give = storage_give},
		.superior = superior,
		.limit = limit_bytes,
		.root = superior ? superior->root : bank,
		.above = UINT64_MAX,
		.object = OBJECT_NONE,
		.objects = OBJECT_NONE,
	};
	if (superior) {
		link_bank(bank, superior);
		return;
	}
	bank->finger = bank;
	bank->on = true;
}

/* --- the finger ----------------------------------------------------------------- */

static uint64_t
own_room(const struct bank *bank)
{
	return bank->limit > bank->used ? bank->limit - bank->used : 0;
}

/* The least room of all above one on the path: what it has not told counts. */
static uint64_t
above_room(const struct bank *bank)
{
	return bank->superior ? bank->above - bank->most + bank->drop : UINT64_MAX;
}

/* So much was used more at most, and then less again: nobody above knows yet. */
static void
not_told(struct bank *bank, uint64_t most, uint64_t drop)
{
	if (most > bank->drop) {
		bank->most += most - bank->drop;
		bank->drop = drop;
	} else {
		bank->drop = bank->drop - most + drop;
	}
}

static void
step_up(struct bank *root)
{
	struct bank *bank = root->finger, *superior = bank->superior;

	superior->peak = max_u64(superior->peak, superior->used + bank->most);
	superior->used += bank->most - bank->drop;
	if (superior != root)
		not_told(superior, bank->most, bank->drop);
	bank->on = false;
	bank->most = bank->drop = 0;
	root->finger = superior;
}

static void
step_down(struct bank *root, struct bank *bank)
{
	bank->above = min_u64(above_room(root->finger), own_room(root->finger));
	bank->heard_by = bank->watch ? bank->watch : root->finger->heard_by;
	bank->on = true;
	root->finger = bank;
}

static void
point_at(struct bank *bank)
{
	struct bank *root = bank->root, *common = bank, *way = NULL;

	if (root->finger == bank)
		return;
	for (; !common->on; common = common->superior) {
		common->way = way;
		way = common;
	}
	while (root->finger != common)
		step_up(root);
	for (; way; way = way->way)
		step_down(root, way);
}

/* Bytes more, or less, at the finger. */
static void
use_more(struct bank *bank, uint64_t bytes)
{
	bank->used += bytes;
	bank->peak = max_u64(bank->peak, bank->used);
	if (bank->superior)
		not_told(bank, bytes, 0);
}

static void
use_less(struct bank *bank, uint64_t bytes)
{
	must(BANK1, bytes <= bank->used);
	bank->used -= bytes;
	if (bank->superior)
		bank->drop += bytes;
}

/* --- taking and giving ----------------------------------------------------------- */

void
bank_done(struct bank *bank)
{
	must(BANK3, !bank->first && bank->objects == OBJECT_NONE);
	bank_watch(bank, NULL);
	bank_give(bank, bank->own);
	if (bank->superior)
		point_at(bank->superior);
	unlink_bank(bank);
	*bank = (struct bank){0};
}

void
bank_watch(struct bank *bank, struct bank_watch *watch)
{
	if (bank->watch == watch)
		return;
	point_at(bank->root); /* those below are told when they are stepped on */
	bank->watch = watch;
	if (bank == bank->root)
		bank->heard_by = watch;
}

static uint64_t
room_of(struct bank *bank)
{
	point_at(bank);
	return min_u64(own_room(bank), above_room(bank));
}

/* What those above the watched one have matters: not enough, or to be told. */
static uint64_t
room_watched(struct bank *bank, uint64_t bytes)
{
	uint64_t room = UINT64_MAX, above = UINT64_MAX;
	const struct bank *at = bank;

	point_at(bank->root); /* now all know what they have used */
	for (; !at->watch; at = at->superior)
		room = min_u64(room, own_room(at));
	room = min_u64(room, own_room(at));
	if (bytes < UINT64_MAX && bytes > room)
		return room;
	for (const struct bank *up = at->superior; up; up = up->superior)
		above = min_u64(above, own_room(up));
	return min_u64(room, at->watch->above(at->watch, above, min_u64(bytes, room)));
}

/* How much of so many bytes it and all above it have; perhaps more than that. */
static uint64_t
room_for(struct bank *bank, uint64_t bytes)
{
	const uint64_t room = room_of(bank);

	if (!bank->heard_by)
		return room;
	if (bytes > room)
		return room_watched(bank, bytes);
	return min_u64(room, bank->heard_by->above(bank->heard_by, room, bytes));
}

uint64_t
bank_room(struct bank *bank)
{
	return room_for(bank, UINT64_MAX);
}

uint64_t
bank_used(struct bank *bank)
{
	if (bank->on)
		point_at(bank);
	return bank->used;
}

uint64_t
bank_peak(struct bank *bank)
{
	if (bank->on)
		point_at(bank);
	return bank->peak;
}

bool
bank_take(struct bank *bank, uint64_t bytes)
{
	if (bytes > room_for(bank, bytes))
		return false;
	point_at(bank);
	bank->own += bytes;
	use_more(bank, bytes);
	return true;
}

void
bank_give(struct bank *bank, uint64_t bytes)
{
	must(BANK3, bytes <= bank->own);
	if (!bytes)
		return;
	point_at(bank);
	bank->own -= bytes;
	use_less(bank, bytes);
}

bool
bank_limit(struct bank *bank, uint64_t limit_bytes)
{
	if (limit_bytes < bank_used(bank))
		return false;
	bank->limit = limit_bytes;
	return true;
}

static const struct bank *
walk_next(const struct bank *bank, const struct bank *root)
{
	if (bank->first)
		return bank->first;
	while (bank != root && !bank->next)
		bank = bank->superior;
	return bank == root ? NULL : bank->next;
}

const struct bank *
bank_walk_own(const struct bank *bank, const struct bank *root)
{
	const struct bank *next = bank == root || !bank->owner ? bank->first : NULL;

	for (;;) {
		while (!next) {
			if (bank == root)
				return NULL;
			next = bank->next;
			bank = bank->superior;
		}
		if (!next->owner)
			return next;
		bank = next;
		next = NULL;
	}
}

/* Those above both have a moment of less, and then as much as before. */
bool
bank_move(struct bank *bank, struct bank *superior)
{
	struct bank *was = bank->superior;
	const uint64_t bytes = bank_used(bank);

	point_at(was); /* what moves is not on the path */
	use_less(was, bytes);
	if (bank_room(superior) < bytes) {
		point_at(was);
		use_more(was, bytes);
		return false;
	}
	point_at(superior);
	unlink_bank(bank);
	link_bank(bank, superior);
	use_more(superior, bytes);
	return true;
}

struct domain *
bank_tenant(const struct bank *root)
{
	for (const struct bank *bank = root->first; bank; bank = walk_next(bank, root))
		if (bank->owner)
			return bank->owner;
	return NULL;
}

void
bank_check(struct bank *root)
{
	uint64_t on = 1, way = 1;

	for (const struct bank *at = root->finger; at != root; at = at->superior) {
		must(BANK4, at->on);
		must(BANK4, at->heard_by == (at->watch ? at->watch : at->superior->heard_by));
		way++;
	}
	for (const struct bank *at = walk_next(root, root); at; at = walk_next(at, root))
		on += at->on;
	must(BANK4, on == way && root->on && root->root == root && root->heard_by == root->watch);
	point_at(root);
	for (const struct bank *bank = root; bank; bank = walk_next(bank, root)) {
		uint64_t sum = bank->own;

		must(BANK4, bank == root || (!bank->on && !bank->most && !bank->drop));
		for (const struct bank *below = bank->first; below; below = below->next) {
			must(BANK1, below->superior == bank && below->root == root);
			must(BANK1, add_fits(&sum, sum, below->used));
		}
		must(BANK1, sum == bank->used);
		must(BANK1, bank->used <= bank->limit);
		must(BANK2, bank->used <= bank->peak);
	}
}
