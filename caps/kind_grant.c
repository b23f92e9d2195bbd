/* SPDX-License-Identifier: Apache-2.0 */
/* kind_grant.c - orders on a grant key: what was derived can be taken back. */
#include "caps/ends.h"
#include "caps/orders.h"
#include "kernel/base/fits.h"

/* The grant that the key names; GRANT_NONE: the object is gone. */
static uint32_t
grant_named(struct invocation *inv)
{
	const struct grant_body *body = object_body(inv->world, &inv->key);

	return body ? body->grant : GRANT_NONE;
}

enum order_end
order_grant_cut(struct invocation *inv)
{
	const uint32_t grant = grant_named(inv);

	if (grant == GRANT_NONE)
		return gate_rc(inv, RC_VOID);
	return answer_word(inv, world_cut(inv->world, grant));
}

enum order_end
order_grant_status(struct invocation *inv)
{
	const uint32_t grant = grant_named(inv);
	const struct grants *grants = world_grants(inv->world);
	const uint64_t now = world_clock(inv->world)->now;

	if (grant == GRANT_NONE)
		return gate_rc(inv, RC_VOID);
	inv->out.words[0] =
		grant_alive(world_grants(inv->world), grant, grants->at[grant].generation);
	inv->out.words[1] = grants->at[grant].uses_left;
	inv->out.words[2] = grants->at[grant].bytes_left;
	inv->out.words[3] = grants->at[grant].expires == UINT64_MAX
		? UINT64_MAX
		: grants->at[grant].expires - min_u64(now, grants->at[grant].expires);
	return gate_rc(inv, RC_OK);
}

/* What was derived under it cannot be taken back any more, so it is now. */
void
grant_object_end(struct world *world, void *body)
{
	const struct grant_body *grant = body;

	if (!grant->payer)
		return;
	if (grant->grant != GRANT_NONE) {
		(void)world_cut(world, grant->grant);
		grant_drop(world_grants(world), grant->grant);
	}
	world_grant_unpay(grant);
}

enum order_end
order_grant_end(struct invocation *inv)
{
	return end_object(inv);
}
