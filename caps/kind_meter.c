/* SPDX-License-Identifier: Apache-2.0 */
/* kind_meter.c - orders on a meter key: one line, and lines below it. */
#include "caps/ends.h"
#include "caps/orders.h"
#include "kernel/tree.h"

static struct meter *
meter_named(struct invocation *inv)
{
	return object_body(inv->world, &inv->key);
}

enum order_end
order_meter_make(struct invocation *inv)
{
	struct meter *above = meter_named(inv), *meter;
	struct bank *payer;
	struct key key;
	enum order_end end;
	const enum rc rc = sent_bank(inv, 0, &payer);

	if (!above || rc != RC_OK)
		return gate_rc(inv, above ? rc : RC_VOID);
	end = answer_object(inv, payer, KIND_meter, sizeof *meter, (void **)&meter, &key);
	if (!meter)
		return end;
	meter_init(meter, &above->line);
	meter->object = key.object;
	line_limit(world_clock(inv->world), &meter->line, inv->in.words[0]);
	return end;
}

enum order_end
order_meter_feed(struct invocation *inv)
{
	struct meter *meter = meter_named(inv);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	line_feed(world_clock(inv->world), &meter->line, inv->in.words[0]);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_meter_limit(struct invocation *inv)
{
	struct meter *meter = meter_named(inv);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	line_limit(world_clock(inv->world), &meter->line, inv->in.words[0]);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_meter_reserve(struct invocation *inv)
{
	struct meter *meter = meter_named(inv);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	line_reserve(world_clock(inv->world), &meter->line, inv->in.words[0]);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_meter_rent(struct invocation *inv)
{
	struct meter *meter = meter_named(inv);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	if (inv->in.words[0] > METER_RENT_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	meter->rent = inv->in.words[0];
	meter_rate(world_clock(inv->world), meter);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_meter_status(struct invocation *inv)
{
	const struct meter *meter = meter_named(inv);
	const struct clock_gas *clock = world_clock(inv->world);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	inv->out.words[0] = line_left(clock, &meter->line);
	inv->out.words[1] = line_used(clock, &meter->line);
	inv->out.words[2] = meter->line.reserve;
	inv->out.words[3] = meter->rent;
	return gate_rc(inv, RC_OK);
}

enum order_end
order_meter_set_keeper(struct invocation *inv)
{
	struct meter *meter = meter_named(inv);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	if (!key_is_void(&inv->in.keys[0]) && inv->in.keys[0].kind != KIND_start)
		return gate_rc(inv, RC_WRONG_KIND);
	meter->keeper = inv->in.keys[0];
	return gate_rc(inv, RC_OK);
}

enum order_end
order_meter_end(struct invocation *inv)
{
	const struct meter *meter = meter_named(inv);

	if (!meter)
		return gate_rc(inv, RC_VOID);
	if (meter->owner) /* it goes with its domain */
		return gate_rc(inv, RC_BUSY);
	object_end(inv->world, inv->key.object);
	return gate_rc(inv, RC_OK);
}

void
meter_object_end(struct world *world, void *body)
{
	struct meter *meter = body;

	meter_end(meter);
	world_line_bury(world, &meter->line);
}
