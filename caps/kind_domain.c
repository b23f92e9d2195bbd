/* SPDX-License-Identifier: Apache-2.0 */
/* kind_domain.c - orders on a domain key: whoever has one is the domain's parent
 * in all but name. */
#include <errno.h>
#include <string.h>

#include "caps/orders.h"
#include "kernel/tree.h"

/* --- running ---------------------------------------------------------------- */

enum order_end
order_domain_run(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	const uint64_t gas = inv->in.words[0], bytes = inv->in.words[3];

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (child == inv->domain || child->runner)
		return gate_rc(inv, RC_BUSY);
	if (inv->in.words[2] & ~(uint64_t)(RUN_POLL | RUN_DETACH))
		return gate_rc(inv, RC_BAD_WORD);
	if (bytes && !bank_limit(&child->bank, bytes))
		return gate_rc(inv, RC_BAD_WORD);
	domain_feed(child, gas);
	return tree_run(inv, child, inv->in.words[1], (uint32_t)inv->in.words[2]);
}

/* A function of its program, by name. */
static bool
export_of(struct invocation *inv, const struct domain *child, uint32_t *ret_func)
{
	const struct module *module = store_instance(child->store, child->instance)->module;
	const struct export *export =
		module_export(module, (const char *)inv->in.text, inv->in.text_bytes);

	if (!export || export->kind != EXTERN_FUNC)
		return false;
	*ret_func = export->index;
	return true;
}

enum order_end
order_domain_invoke(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	uint32_t func;

	if (!child || child == inv->domain)
		return gate_rc(inv, child ? RC_BUSY : RC_VOID);
	return export_of(inv, child, &func) ? tree_invoke(inv, child, func)
					    : gate_rc(inv, RC_BAD_WORD);
}

enum order_end
order_domain_refuel(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	if (!child)
		return gate_rc(inv, RC_VOID);
	domain_feed(child, inv->in.words[0]);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_domain_status(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	struct stop stop = {.reason = STOP_WAITING};

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (child->state == DOMAIN_STOPPED || child->interrupted)
		stop = child->stop;
	else if (child->state == DOMAIN_READY)
		stop.reason = STOP_NONE;
	stop_message(child, stop, &inv->out);
	inv->out.words[2] = line_used(world_clock(inv->world), &child->meter.line);
	inv->out.words[3] = bank_used(&child->bank);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_domain_result(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	if (!child)
		return gate_rc(inv, RC_VOID);
	return gate_rc(inv, domain_result(child, inv->in.text, inv->in.text_bytes) ? RC_BAD_WORD
										  : RC_OK);
}

enum order_end
order_domain_end(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	if (!child)
		return gate_rc(inv, RC_VOID);
	return domain_end_by(inv, child);
}

/* --- looking and changing -------------------------------------------------------- */

/* Part of its program's memory, for a copy that is paid. */
static enum rc
memory_of(struct invocation *inv, uint64_t bytes, uint8_t **ret_at)
{
	struct domain *child = key_domain(inv);

	if (!child)
		return RC_VOID;
	if (child->closed) /* who writes at will can make it tell */
		return RC_OPAQUE;
	if (bytes > MESSAGE_TEXT_MAX)
		return RC_BAD_WORD;
	*ret_at = domain_mem(child, inv->in.words[0], bytes);
	return *ret_at ? RC_OK : RC_BAD_WORD;
}

enum order_end
order_domain_peek(struct invocation *inv)
{
	uint8_t *at;
	const enum rc rc = memory_of(inv, inv->in.words[1], &at);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	return answer_text(inv, at, inv->in.words[1]);
}

enum order_end
order_domain_poke(struct invocation *inv)
{
	uint8_t *at;
	const enum rc rc = memory_of(inv, inv->in.text_bytes, &at);

	if (rc == RC_OK && inv->in.text_bytes)
		memmove(at, inv->in.text, inv->in.text_bytes);
	return gate_rc(inv, rc);
}

enum order_end
order_domain_key_get(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	struct key key;

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (child->closed)
		return gate_rc(inv, RC_OPAQUE);
	if (inv->in.words[0] >= SLOTS_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	key = slot_key(child, (uint32_t)inv->in.words[0]);
	if (key.kind == KIND_resume) /* it can only move */
		return gate_rc(inv, RC_NO_RIGHT);
	return answer_key(inv, key);
}

enum order_end
order_domain_key_put(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	const struct key *key = &inv->in.keys[0];

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (inv->in.words[0] >= SLOTS_MAX || key->kind == KIND_resume)
		return gate_rc(inv, RC_BAD_WORD);
	if (domain_slots_room(child, (uint32_t)inv->in.words[0] + 1))
		return gate_rc(inv, RC_NO_SPACE);
	slot_put(child, (uint32_t)inv->in.words[0], key);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_domain_set_keeper(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (!key_is_void(&inv->in.keys[0]) && inv->in.keys[0].kind != KIND_start)
		return gate_rc(inv, RC_WRONG_KIND);
	child->keeper = inv->in.keys[0];
	return gate_rc(inv, RC_OK);
}

/* --- keys to its parts ----------------------------------------------------------------- */

enum order_end
order_domain_start(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	struct key key;

	if (!child)
		return gate_rc(inv, RC_VOID);
	key = domain_key(child, KIND_start);
	key.badge = inv->in.words[0];
	return answer_key(inv, key);
}

enum order_end
order_domain_entry(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	struct key key;
	uint32_t func;

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (!export_of(inv, child, &func))
		return gate_rc(inv, RC_BAD_WORD);
	key = domain_key(child, KIND_start);
	key.badge = inv->in.words[0];
	key.rights = func + 1;
	return answer_key(inv, key);
}

/* The parts have a place in the table of objects from when they are first asked
 * for. Who may not change the domain may not change them: so nobody raises its
 * own limits with a key to itself. */
static enum order_end
answer_part(struct invocation *inv, struct domain *child, enum kind_id kind, uint32_t *object,
	void *body)
{
	const uint32_t lost = inv->key.rights & RIGHT_write ? 0 : RIGHT_write | RIGHT_end;

	if (*object == OBJECT_NONE)
		*object = object_borrow(inv->world, (uint8_t)kind, &child->bank, body);
	if (*object == OBJECT_NONE)
		return gate_rc(inv, RC_NO_SPACE);
	return answer_key(inv, object_key(inv->world, *object, kind_rights(kind) & ~lost));
}

enum order_end
order_domain_meter(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	return child ? answer_part(inv, child, KIND_meter, &child->meter.object, &child->meter)
		     : gate_rc(inv, RC_VOID);
}

enum order_end
order_domain_bank(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	return child ? answer_part(inv, child, KIND_bank, &child->bank.object, &child->bank)
		     : gate_rc(inv, RC_VOID);
}

enum order_end
order_domain_pay_with(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	struct key key;
	struct purse *purse = inv->domain->purse; /* nobody gets rid of paying by himself */
	enum rc rc = RC_OK;

	if (!child)
		return gate_rc(inv, RC_VOID);
	if (!key_is_void(&inv->in.keys[0])) {
		rc = sent_key(inv, 0, KIND_purse, &key);
		purse = rc == RC_OK ? object_body(inv->world, &key) : NULL;
		if (rc == RC_OK && !purse)
			rc = RC_VOID;
		if (rc == RC_OK && !(key.rights & RIGHT_write))
			rc = RC_NO_RIGHT;
	}
	if (rc == RC_OK)
		domain_pay_with(child, purse);
	return gate_rc(inv, rc);
}

enum order_end
order_domain_close(struct invocation *inv)
{
	struct domain *child = key_domain(inv);

	if (!child)
		return gate_rc(inv, RC_VOID);
	child->closed = true;
	return gate_rc(inv, RC_OK);
}

/* --- arguments ---------------------------------------------------------------------------- */

enum order_end
order_domain_set_args(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	int error;

	if (!child)
		return gate_rc(inv, RC_VOID);
	error = caps_set_args(child, (const char *)inv->in.text, inv->in.text_bytes);
	return gate_rc(inv, error == -ENOSPC ? RC_NO_SPACE : error ? RC_BAD_WORD : RC_OK);
}
