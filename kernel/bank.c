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
		.object = OBJECT_NONE,
		.objects = OBJECT_NONE,
	};
	if (!superior)
		return;
	link_bank(bank, superior);
}

void
bank_done(struct bank *bank)
{
	must(BANK3, !bank->first && bank->objects == OBJECT_NONE);
	bank_give(bank, bank->own);
	unlink_bank(bank);
	*bank = (struct bank){0};
}

static uint64_t
own_room(const struct bank *bank)
{
	return bank->limit > bank->used ? bank->limit - bank->used : 0;
}

/* How much of so many bytes it and all above it have; perhaps more than that. */
static uint64_t
room_for(const struct bank *bank, uint64_t bytes)
{
	uint64_t room = own_room(bank), above = UINT64_MAX;

	for (; !bank->watch && bank->superior; bank = bank->superior)
		room = min_u64(room, own_room(bank->superior));
	if (!bank->watch || (bytes < UINT64_MAX && bytes > room))
		return room;
	for (const struct bank *at = bank->superior; at; at = at->superior)
		above = min_u64(above, own_room(at));
	return min_u64(room, bank->watch->above(bank->watch, above, min_u64(bytes, room)));
}

uint64_t
bank_room(const struct bank *bank)
{
	return room_for(bank, UINT64_MAX);
}

bool
bank_take(struct bank *bank, uint64_t bytes)
{
	if (bytes > room_for(bank, bytes))
		return false;
	bank->own += bytes;
	for (; bank; bank = bank->superior) {
		bank->used += bytes;
		bank->peak = max_u64(bank->peak, bank->used);
	}
	return true;
}

void
bank_give(struct bank *bank, uint64_t bytes)
{
	must(BANK3, bytes <= bank->own);
	bank->own -= bytes;
	for (; bank; bank = bank->superior) {
		must(BANK1, bytes <= bank->used);
		bank->used -= bytes;
	}
}

bool
bank_limit(struct bank *bank, uint64_t limit_bytes)
{
	if (limit_bytes < bank->used)
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

bool
bank_move(struct bank *bank, struct bank *superior)
{
	struct bank *was = bank->superior;

	for (struct bank *at = was; at; at = at->superior)
		at->used -= bank->used;
	if (bank_room(superior) < bank->used) {
		for (struct bank *at = was; at; at = at->superior)
			at->used += bank->used;
		return false;
	}
	unlink_bank(bank);
	link_bank(bank, superior);
	for (struct bank *at = superior; at; at = at->superior) {
		at->used += bank->used;
		at->peak = max_u64(at->peak, at->used);
	}
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
bank_check(const struct bank *root)
{
	for (const struct bank *bank = root; bank; bank = walk_next(bank, root)) {
		uint64_t sum = bank->own;

		for (const struct bank *below = bank->first; below; below = below->next) {
			must(BANK1, below->superior == bank);
			must(BANK1, add_fits(&sum, sum, below->used));
		}
		must(BANK1, sum == bank->used);
		must(BANK1, bank->used <= bank->limit);
		must(BANK2, bank->used <= bank->peak);
	}
}
