/* SPDX-License-Identifier: Apache-2.0 */
/* kind_sealer.c - sealers, unsealers and boxes: a key that only the holder of the
 * other half can take out, and so a proof of who put it in. */
#include "caps/bodies.h"
#include "caps/orders.h"

enum order_end
order_sealer_seal(struct invocation *inv)
{
	const struct brand *brand = object_body(inv->world, &inv->key);
	const struct key *sealed = &inv->in.keys[0];
	struct box *box;
	struct key key;
	enum order_end end;

	if (!brand || key_is_void(sealed))
		return gate_rc(inv, RC_VOID);
	if (!key_is_copied(sealed))
		return gate_rc(inv, RC_BAD_WORD);
	end = answer_object(
		inv, &inv->domain->bank, KIND_box, sizeof *box, (void **)&box, &key);
	if (box)
		*box = (struct box){brand->number, *sealed};
	return end;
}

enum order_end
order_unsealer_open(struct invocation *inv)
{
	const struct brand *brand = object_body(inv->world, &inv->key);
	const struct box *box;
	struct key key;
	const enum rc rc = sent_key(inv, 0, KIND_box, &key);

	if (!brand || rc != RC_OK)
		return gate_rc(inv, brand ? rc : RC_VOID);
	box = object_body(inv->world, &key);
	if (!box)
		return gate_rc(inv, RC_VOID);
	return box->number == brand->number ? answer_key(inv, box->key) : gate_rc(inv, RC_NO_RIGHT);
}

enum order_end
order_box_end(struct invocation *inv)
{
	return end_object(inv);
}
