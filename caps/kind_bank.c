/* SPDX-License-Identifier: Apache-2.0 */
/* kind_bank.c - orders on a bank: storage, and what is bought with it. */
#include "caps/bodies.h"
#include "caps/ends.h"
#include "caps/program.h"
#include "kernel/prices.h"
#include "kernel/tree.h"

static struct bank *
bank_named(struct invocation *inv)
{
	return object_body(inv->world, &inv->key);
}

enum order_end
order_bank_make(struct invocation *inv)
{
	struct bank *above = bank_named(inv), *bank;
	struct key key;
	enum order_end end;

	if (!above)
		return gate_rc(inv, RC_VOID);
	end = answer_object(inv, above, KIND_bank, sizeof *bank, (void **)&bank, &key);
	if (!bank)
		return end;
	bank_init(bank, above, inv->in.words[0]);
	bank->object = key.object;
	return end;
}

void
bank_object_end(struct world *world, void *body)
{
	world_bank_done(world, body);
}

enum order_end
order_bank_limit(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);

	if (!bank)
		return gate_rc(inv, RC_VOID);
	return gate_rc(inv, bank_limit(bank, inv->in.words[0]) ? RC_OK : RC_BAD_WORD);
}

enum order_end
order_bank_status(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);

	if (!bank)
		return gate_rc(inv, RC_VOID);
	inv->out.words[0] = bank->limit;
	inv->out.words[1] = bank_used(bank);
	inv->out.words[2] = bank_peak(bank);
	inv->out.words[3] = bank_room(bank);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_bank_end(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);

	return bank ? bank_end_by(inv, bank) : gate_rc(inv, RC_VOID);
}

/* --- what it sells --------------------------------------------------------------------- */

enum order_end
order_bank_number(struct invocation *inv)
{
	if (!bank_named(inv))
		return gate_rc(inv, RC_VOID);
	return answer_key(inv, (struct key){.kind = KIND_number,
				       .grant = GRANT_NONE,
				       .badge = inv->in.words[0]});
}

enum order_end
order_bank_node(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);
	struct node *node;
	struct key key;

	if (!bank)
		return gate_rc(inv, RC_VOID);
	return answer_object(inv, bank, KIND_node, sizeof *node, (void **)&node, &key);
}

enum order_end
order_bank_segment(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);
	const uint64_t bytes = inv->in.words[0];

	if (!bank)
		return gate_rc(inv, RC_VOID);
	if (!bytes || bytes > SEGMENT_BYTES_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (!gate_charge(inv, mul_saturating((bytes + 4095) / 4096, PRICE_PAGE)))
		return ORDER_DRY_GAS;
	return segment_new(inv, bank, bytes);
}

enum order_end
order_bank_forwarder(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);
	struct forwarder *forwarder;
	struct key key;
	enum order_end end;

	if (!bank || !key_is_copied(&inv->in.keys[0]))
		return gate_rc(inv, bank ? RC_BAD_WORD : RC_VOID);
	end = answer_object(inv, bank, KIND_forwarder, sizeof *forwarder, (void **)&forwarder, &key);
	if (forwarder)
		forwarder->target = inv->in.keys[0];
	return end;
}

/* Two objects, so that the one can be given without the other. */
enum order_end
order_bank_seal(struct invocation *inv)
{
	struct caps_state *state = caps_state(inv->world);
	struct bank *bank = bank_named(inv);
	struct brand *sealer, *unsealer;
	struct key key, second;
	enum order_end end;

	if (!bank)
		return gate_rc(inv, RC_VOID);
	end = answer_object(inv, bank, KIND_unsealer, sizeof *unsealer, (void **)&unsealer, &second);
	if (!unsealer)
		return end;
	end = answer_object(inv, bank, KIND_sealer, sizeof *sealer, (void **)&sealer, &key);
	if (!sealer) {
		object_end(inv->world, second.object);
		inv->out.keys[0] = (struct key){0};
		return end;
	}
	sealer->number = unsealer->number = ++state->brands;
	inv->out.keys[1] = second;
	return end;
}

enum order_end
order_bank_factory(struct invocation *inv)
{
	struct bank *bank = bank_named(inv);
	const struct program *program;
	struct factory *factory;
	struct key key;
	enum order_end end;
	const enum rc rc = sent_key(inv, 0, KIND_module, &key);

	if (!bank || rc != RC_OK)
		return gate_rc(inv, bank ? rc : RC_VOID);
	program = object_body(inv->world, &key);
	if (!program)
		return gate_rc(inv, RC_VOID);
	end = answer_object(inv, bank, KIND_factory, sizeof *factory, (void **)&factory, &key);
	if (factory) {
		factory->module = program->module;
		world_module_hold(factory->module);
	}
	return end;
}
