/* SPDX-License-Identifier: Apache-2.0 */
/* kind_node.c - orders on a node: sixteen slots as an object that can be shared. */
#include "caps/bodies.h"
#include "caps/orders.h"
#include "caps/sense.h"

/* The slot that word 0 names; RC_OK, or why there is none. */
static enum rc
slot_named(struct invocation *inv, struct key **ret_slot)
{
	struct node *node = object_body(inv->world, &inv->key);

	if (!node)
		return RC_VOID;
	if (inv->in.words[0] >= NODE_SLOTS)
		return RC_BAD_WORD;
	*ret_slot = &node->slots[inv->in.words[0]];
	return RC_OK;
}

enum order_end
order_node_get(struct invocation *inv)
{
	struct key *slot;
	const enum rc rc = slot_named(inv, &slot);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	return answer_key(inv, inv->key.flags & KEY_SENSE ? key_sensed(slot) : *slot);
}

static enum order_end
put(struct invocation *inv, bool swap)
{
	struct key *slot, old;
	enum rc rc = slot_named(inv, &slot);

	if (rc == RC_OK && !key_is_copied(&inv->in.keys[0]))
		rc = RC_BAD_WORD;
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	old = *slot;
	*slot = inv->in.keys[0];
	return swap ? answer_key(inv, old) : gate_rc(inv, RC_OK);
}

enum order_end
order_node_put(struct invocation *inv)
{
	return put(inv, false);
}

enum order_end
order_node_swap(struct invocation *inv)
{
	return put(inv, true);
}

enum order_end
order_node_end(struct invocation *inv)
{
	return end_object(inv);
}
