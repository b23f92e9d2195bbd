/* SPDX-License-Identifier: Apache-2.0 */
/* kind_forwarder.c - orders on a forwarder, and what it does with all others: they
 * reach the key it holds as if that had been invoked itself. Its two own orders
 * have numbers that no kind uses. */
#include "caps/bodies.h"
#include "caps/orders.h"
#include "kernel/base/fits.h"
#include "kernel/prices.h"

static struct forwarder *
forwarder_named(struct invocation *inv)
{
	return object_body(inv->world, &inv->key);
}

enum order_end
order_forwarder_set(struct invocation *inv)
{
	struct forwarder *forwarder = forwarder_named(inv);

	if (!forwarder || !key_is_copied(&inv->in.keys[0]))
		return gate_rc(inv, forwarder ? RC_BAD_WORD : RC_VOID);
	forwarder->target = inv->in.keys[0];
	return gate_rc(inv, RC_OK);
}

enum order_end
order_forwarder_end(struct invocation *inv)
{
	return end_object(inv);
}

/* Orders of this range are a forwarder's own, whatever it holds. */
static bool
is_own(uint32_t order)
{
	return order >> 16 == 0xfffe;
}

/* The key that a chain of forwarders ends at; RC_OK and how many there were. */
static enum rc
follow(struct invocation *inv, struct key *ret_key, uint64_t *ret_hops)
{
	struct key key = inv->key;

	for (*ret_hops = 0; key.kind == KIND_forwarder; ++*ret_hops) {
		const struct forwarder *forwarder = object_body(inv->world, &key);

		if (!forwarder)
			return RC_VOID;
		if (*ret_hops == FORWARD_MAX)
			return RC_BUSY;
		key = forwarder->target;
		if (key_is_void(&key))
			return RC_VOID;
		if (!key_alive(world_grants(inv->world), &key))
			return RC_REVOKED;
	}
	*ret_key = key;
	return RC_OK;
}

/* The uses of all keys on the way but the first, which the gate has counted. */
static enum rc
count_uses(struct invocation *inv)
{
	struct key key = inv->key;

	while (key.kind == KIND_forwarder) {
		const struct forwarder *forwarder = object_body(inv->world, &key);
		enum gate_rc rc;

		key = forwarder->target;
		rc = key_usable(inv->world, &key, inv->in.text_bytes);
		if (rc != GATE_OK)
			return (enum rc)rc;
	}
	return RC_OK;
}

/* true: inv->key is now what the order is for. Each forwarder costs as much as
 * the gate. Charged and counted at once, so what is charged already is counted. */
bool
forwarded(struct invocation *inv, enum order_end *ret_end)
{
	struct key key;
	uint64_t hops, price;
	bool again;
	enum rc rc;

	if (inv->key.kind != KIND_forwarder || is_own(inv->order))
		return true;
	rc = follow(inv, &key, &hops);
	if (rc != RC_OK) {
		*ret_end = gate_rc(inv, rc);
		return false;
	}
	price = hops * PRICE_GATE;
	again = inv->domain->charged >= add_saturating(price, inv->call->charged_before);
	if (!gate_charge(inv, price)) {
		*ret_end = ORDER_DRY_GAS;
		return false;
	}
	inv->call->charged_before += price;
	rc = again ? RC_OK : count_uses(inv);
	if (rc != RC_OK) {
		*ret_end = gate_rc(inv, rc);
		return false;
	}
	/* Where the key at the end has no grant, the one that was invoked is what a cut
	 * wakes the caller by. */
	if (key.grant == GRANT_NONE) {
		key.grant = inv->key.grant;
		key.grant_generation = inv->key.grant_generation;
	}
	inv->key = key;
	return true;
}
