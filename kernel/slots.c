/* SPDX-License-Identifier: Apache-2.0 */
/* slots.c - keys in slots: a resume key that is overwritten is lost to its caller. */
#include "kernel/gate.h"

#include "kernel/gate_inside.h"
#include "kernel/world_state.h"

/* --- slots and keys ----------------------------------------------------------------- */

struct key
slot_key(const struct domain *domain, uint32_t slot)
{
	return slot < domain->slots_count ? domain->slots[slot] : (struct key){0};
}

void
slot_put(struct domain *domain, uint32_t slot, const struct key *key)
{
	const struct key old = domain->slots[slot];

	domain->slots[slot] = *key;
	if (old.kind == KEY_RESUME)
		gate_lost(domain->world, &old);
}

struct key
domain_key(const struct domain *domain, uint8_t kind)
{
	return (struct key){
		.kind = kind,
		.object = domain->id,
		.generation = domain->generation,
		.grant = GRANT_NONE,
	};
}

struct domain *
domain_of(struct world *world, const struct key *key)
{
	struct domain *domain = world_domain(world, key->object);

	return domain && domain->generation == key->generation ? domain : NULL;
}

enum gate_rc
key_usable(struct world *world, const struct key *key, uint64_t bytes)
{
	if (key->kind == KEY_VOID)
		return GATE_VOID;
	if (key->grant == GRANT_NONE)
		return GATE_OK;
	if (!grant_alive(&world->grants, key->grant, key->grant_generation))
		return GATE_REVOKED;
	return grant_use(&world->grants, key->grant, bytes, world->clock.now) ? GATE_OK
									      : GATE_REVOKED;
}
