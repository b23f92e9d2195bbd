/* SPDX-License-Identifier: Apache-2.0 */
#include "caps/orders.h"

#include "kernel/prices.h"

static enum order_end
perform(struct invocation *inv, uint32_t rights, uint64_t gas,
	enum order_end (*run)(struct invocation *inv))
{
	if ((inv->key.rights & rights) != rights)
		return gate_rc(inv, RC_NO_RIGHT);
	if (gas && !gate_charge(inv, gas))
		return ORDER_DRY_GAS;
	inv->rc = RC_OK;
	return run(inv);
}

#define CASE(kind, order) ((uint64_t)(kind) << 32 | (order))

enum order_end
orders_invoke(struct invocation *inv)
{
	/* The one kind whose orders need nothing of its object but that it is there. */
	if (inv->key.kind == KIND_creator && !object_of(inv->world, &inv->key))
		return gate_rc(inv, RC_VOID);
	switch (CASE(inv->key.kind, inv->order)) {
#define ORDER(kind, name, number, rights, gas, in, out, what)                                  \
	case CASE(KIND_##kind, number):                                                        \
		return perform(inv, rights, gas, order_##kind##_##name);
#include "caps/orders.def"
#undef ORDER
	default:
		return gate_rc(inv, RC_WRONG_KIND);
	}
}

uint32_t
kind_rights(enum kind_id kind)
{
	uint32_t all = 0;

#define ORDER(of, name, number, rights, gas, in, out, what) all |= KIND_##of == kind ? (rights) : 0;
#include "caps/orders.def"
#undef ORDER
	return all;
}

/* --- what comes with the message --------------------------------------------------------- */

enum rc
sent_key(struct invocation *inv, unsigned index, enum kind_id kind, struct key *ret_key)
{
	const struct key *key = &inv->in.keys[index];
	enum gate_rc rc;

	if (key_is_void(key))
		return RC_VOID;
	if (key->kind != kind)
		return RC_WRONG_KIND;
	rc = key_alive(world_grants(inv->world), key) ? GATE_OK : GATE_REVOKED;
	*ret_key = *key;
	return (enum rc)rc;
}

struct domain *
key_domain(struct invocation *inv)
{
	return domain_of(inv->world, &inv->key);
}

enum rc
sent_bank(struct invocation *inv, unsigned index, struct bank **ret_bank)
{
	struct key key;
	enum rc rc;

	*ret_bank = &inv->domain->bank;
	if (key_is_void(&inv->in.keys[index]))
		return RC_OK;
	rc = sent_key(inv, index, KIND_bank, &key);
	if (rc != RC_OK)
		return rc;
	if (!(key.rights & RIGHT_make))
		return RC_NO_RIGHT;
	*ret_bank = object_body(inv->world, &key);
	return *ret_bank ? RC_OK : RC_VOID;
}

/* --- answers ----------------------------------------------------------------------------- */

enum order_end
answer_key(struct invocation *inv, struct key key)
{
	inv->out.keys[0] = key;
	return gate_rc(inv, RC_OK);
}

enum order_end
answer_word(struct invocation *inv, uint64_t word)
{
	inv->out.words[0] = word;
	return gate_rc(inv, RC_OK);
}

enum order_end
answer_text(struct invocation *inv, const void *text, uint64_t bytes)
{
	inv->out.text = text;
	inv->out.text_bytes = (uint32_t)bytes;
	return gate_rc(inv, RC_OK);
}

enum order_end
answer_object(struct invocation *inv, struct bank *payer, enum kind_id kind, uint64_t bytes,
	void **ret_body, struct key *ret_key)
{
	const uint32_t index = object_new(inv->world, (uint8_t)kind, payer, bytes);

	*ret_body = NULL;
	if (index == OBJECT_NONE)
		return gate_rc(inv, RC_NO_SPACE);
	*ret_body = object_at(inv->world, index)->body;
	*ret_key = object_key(inv->world, index, kind_rights(kind));
	return answer_key(inv, *ret_key);
}

uint8_t *
text_kept(struct world *world)
{
	return caps_state(world)->piece;
}

enum order_end
end_object(struct invocation *inv)
{
	if (!object_of(inv->world, &inv->key))
		return gate_rc(inv, RC_VOID);
	object_end(inv->world, inv->key.object);
	return gate_rc(inv, RC_OK);
}

bool
key_is_copied(const struct key *key)
{
	return key->kind != KIND_resume;
}
