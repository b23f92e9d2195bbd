/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/purse.h"

#include <stddef.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"

static struct purse **
list_of(struct purse *purse)
{
	return purse->superior ? &purse->superior->first : &purse->mint->first;
}

static void
list_add(struct purse *purse)
{
	struct purse **list = list_of(purse);

	purse->prev = NULL;
	purse->next = *list;
	if (purse->next)
		purse->next->prev = purse;
	*list = purse;
}

static void
list_drop(struct purse *purse)
{
	if (purse->next)
		purse->next->prev = purse->prev;
	if (purse->prev)
		purse->prev->next = purse->next;
	else
		*list_of(purse) = purse->next;
}

void
purse_init(struct purse *purse, struct mint *mint, struct purse *superior)
{
	*purse = (struct purse){.mint = mint, .superior = superior};
	list_add(purse);
}

bool
purse_below(struct purse *purse, struct purse *superior)
{
	for (const struct purse *at = superior; at; at = at->superior)
		if (at == purse)
			return false;
	list_drop(purse);
	purse->superior = superior;
	list_add(purse);
	return true;
}

bool
purse_mint(struct purse *purse, uint64_t gas)
{
	must(PURSE1, !purse->superior);
	if (!add_fits(&purse->mint->minted, purse->mint->minted, gas))
		return false;
	purse->balance += gas; /* no more than minted */
	return true;
}

bool
purse_move(struct purse *from, struct purse *to, uint64_t gas)
{
	if (gas > from->balance)
		return false;
	from->balance -= gas;
	to->balance += gas;
	return true;
}

void
purse_spend(struct purse *purse, uint64_t gas)
{
	must(PURSE1, gas <= purse->balance);
	purse->balance -= gas;
	purse->mint->burnt += gas;
}

void
purse_done(struct purse *purse)
{
	must(PURSE1, !purse->payers);
	if (purse->superior)
		(void)purse_move(purse, purse->superior, purse->balance);
	else
		purse_spend(purse, purse->balance);
	while (purse->first) {
		struct purse *below = purse->first;

		list_drop(below);
		below->superior = purse->superior;
		list_add(below);
	}
	list_drop(purse);
}

static const struct purse *
walk_next(const struct purse *purse)
{
	if (purse->first)
		return purse->first;
	while (purse && !purse->next)
		purse = purse->superior;
	return purse ? purse->next : NULL;
}

void
mint_check(const struct mint *mint)
{
	uint64_t sum = mint->burnt;

	for (const struct purse *purse = mint->first; purse; purse = walk_next(purse)) {
		must(PURSE1, purse->mint == mint);
		must(PURSE1, add_fits(&sum, sum, purse->balance));
	}
	must(PURSE1, sum == mint->minted);
}
