/* SPDX-License-Identifier: Apache-2.0 */
/* kind_purse.c - orders on a purse: gas as money. Who pays into a purse needs no
 * right to it; who takes out of it does. */
#include <errno.h>

#include "caps/ends.h"
#include "caps/orders.h"

static struct purse *
purse_named(struct invocation *inv)
{
	return object_body(inv->world, &inv->key);
}

enum order_end
order_purse_split(struct invocation *inv)
{
	struct purse *from = purse_named(inv), *purse;
	const uint64_t gas = inv->in.words[0];
	struct bank *payer;
	struct key key;
	enum order_end end;
	const enum rc rc = sent_bank(inv, 0, &payer);

	if (!from || rc != RC_OK)
		return gate_rc(inv, from ? rc : RC_VOID);
	if (gas > from->balance)
		return gate_rc(inv, RC_BAD_WORD);
	end = answer_object(inv, payer, KIND_purse, sizeof *purse, (void **)&purse, &key);
	if (!purse)
		return end;
	purse_init(purse, from->mint, from);
	purse->object = key.object;
	(void)purse_move(from, purse, gas);
	return end;
}

enum order_end
order_purse_give(struct invocation *inv)
{
	struct purse *from = purse_named(inv), *to;
	struct key key;
	const enum rc rc = sent_key(inv, 0, KIND_purse, &key);

	if (!from || rc != RC_OK)
		return gate_rc(inv, from ? rc : RC_VOID);
	to = object_body(inv->world, &key);
	if (!to)
		return gate_rc(inv, RC_VOID);
	return gate_rc(inv, purse_move(from, to, inv->in.words[0]) ? RC_OK : RC_BAD_WORD);
}

enum order_end
order_purse_balance(struct invocation *inv)
{
	const struct purse *purse = purse_named(inv);

	return purse ? answer_word(inv, purse->balance) : gate_rc(inv, RC_VOID);
}

enum order_end
order_purse_end(struct invocation *inv)
{
	const struct purse *purse = purse_named(inv);

	if (!purse)
		return gate_rc(inv, RC_VOID);
	inv->out.words[0] = purse->balance;
	object_end(inv->world, inv->key.object);
	return gate_rc(inv, RC_OK);
}

/* Those it paid for have nothing to pay with now: they are not free of paying. */
void
purse_object_end(struct world *world, void *body)
{
	struct purse *purse = body;

	while (purse->payers)
		domain_pay_with(purse->payers, world_void_purse(world));
	purse_done(purse);
}

int
caps_mint(struct world *world, uint64_t gas, struct key *ret_key)
{
	struct purse *purse;
	const uint32_t object =
		object_new(world, KIND_purse, world_bank(world), sizeof *purse);

	if (object == OBJECT_NONE)
		return -ENOMEM;
	purse = object_at(world, object)->body;
	purse_init(purse, world_mint(world), NULL);
	purse->object = object;
	if (!purse_mint(purse, gas)) {
		object_end(world, object);
		return -EOVERFLOW;
	}
	*ret_key = object_key(world, object, kind_rights(KIND_purse));
	return 0;
}
