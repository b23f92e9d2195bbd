/* SPDX-License-Identifier: Apache-2.0 */
/* kind_factory.c - orders on a factory: a program and the keys it starts with,
 * made into products for whoever pays.
 *
 * Its author puts keys in and seals it; then it is handed to customers (without
 * the right to write). A customer asks for the holes: the keys through which a
 * product could tell somebody something. A product is closed: nobody reads its
 * bytes or keys, the customer neither. So neither has to trust the other.
 *
 * A key is no hole if it is discreet and using it leaves no trace that others
 * see, or if it is a sealed factory without holes.
 *
 * Source   KeyKOS factory.h. */
#include "caps/bodies.h"
#include "caps/ends.h"
#include "caps/program.h"
#include "caps/sense.h"
#include "kernel/prices.h"
#include "kernel/tree.h"

static struct factory *
factory_named(struct invocation *inv)
{
	return object_body(inv->world, &inv->key);
}

/* Who may count the uses of a key hears of each. */
static bool
is_counted(struct world *world, const struct key *key)
{
	const struct grants *grants = world_grants(world);

	return key->grant != GRANT_NONE &&
		(key->grant >= grants->count || grants->at[key->grant].limited);
}

static bool
is_hole(struct world *world, const struct key *key)
{
	const struct factory *factory;

	if (is_counted(world, key))
		return true;
	if (key->kind != KIND_factory)
		return !key_is_discreet(key);
	factory = object_body(world, key);
	return factory && (!factory->sealed || factory->holes_count ||
		key->rights & ~(uint32_t)(RIGHT_make | RIGHT_read));
}

/* The place of the key for that slot of a product; FACTORY_KEYS_MAX: no more. */
static uint32_t
place_for(struct factory *factory, uint32_t slot)
{
	uint32_t i = 0;

	while (i < factory->keys_count && factory->slots[i] != slot)
		i++;
	if (i < FACTORY_KEYS_MAX && i == factory->keys_count) {
		factory->slots[i] = slot;
		factory->keys_count++;
	}
	return i;
}

enum order_end
order_factory_put(struct invocation *inv)
{
	struct factory *factory = factory_named(inv);
	const struct key *key = &inv->in.keys[0];
	uint32_t i;

	if (!factory)
		return gate_rc(inv, RC_VOID);
	if (factory->sealed)
		return gate_rc(inv, RC_NO_RIGHT);
	if (inv->in.words[0] >= SLOTS_MAX || !key_is_copied(key))
		return gate_rc(inv, RC_BAD_WORD);
	i = place_for(factory, (uint32_t)inv->in.words[0]);
	if (i == FACTORY_KEYS_MAX)
		return gate_rc(inv, RC_NO_SPACE);
	factory->holes_count -= factory->holes[i];
	factory->keys[i] = *key;
	factory->holes[i] = is_hole(inv->world, key);
	factory->holes_count += factory->holes[i];
	return gate_rc(inv, RC_OK);
}

enum order_end
order_factory_seal(struct invocation *inv)
{
	struct factory *factory = factory_named(inv);

	if (!factory)
		return gate_rc(inv, RC_VOID);
	factory->sealed = true;
	return gate_rc(inv, RC_OK);
}

static bool
slots_set(struct domain *domain, const struct factory *factory)
{
	for (uint32_t i = 0; i < factory->keys_count; i++) {
		if (domain_slots_room(domain, factory->slots[i] + 1))
			return false;
		slot_put(domain, factory->slots[i], &factory->keys[i]);
	}
	return true;
}

enum order_end
order_factory_make(struct invocation *inv)
{
	struct factory *factory = factory_named(inv);
	struct domain *domain;
	enum order_end end;

	if (!factory)
		return gate_rc(inv, RC_VOID);
	if (!factory->sealed)
		return gate_rc(inv, RC_NO_RIGHT);
	end = creator_make(inv, factory->module, &domain);
	if (!domain)
		return end;
	if (!slots_set(domain, factory)) {
		domain_end(domain);
		inv->out.keys[0] = (struct key){0};
		line_switch(world_clock(inv->world), &inv->domain->meter.line);
		return gate_rc(inv, RC_NO_SPACE);
	}
	domain->closed = true;
	return end;
}

enum order_end
order_factory_holes(struct invocation *inv)
{
	const struct factory *factory = factory_named(inv);
	uint64_t index = inv->in.words[0];

	if (!factory)
		return gate_rc(inv, RC_VOID);
	inv->out.words[0] = factory->holes_count;
	if (index >= factory->holes_count)
		return gate_rc(inv, index ? RC_BAD_WORD : RC_OK);
	for (uint32_t i = 0; i < factory->keys_count; i++) {
		if (!factory->holes[i] || index--)
			continue;
		inv->out.words[1] = factory->slots[i];
		inv->out.words[2] = factory->keys[i].kind;
		break;
	}
	return gate_rc(inv, RC_OK);
}

enum order_end
order_factory_end(struct invocation *inv)
{
	return end_object(inv);
}

void
factory_end(struct world *world, void *body)
{
	const struct factory *factory = body;

	if (!factory->module)
		return;
	world_module_drop(world, factory->module);
	world_modules_sweep(world);
}
