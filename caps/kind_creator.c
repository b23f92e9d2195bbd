/* SPDX-License-Identifier: Apache-2.0 */
/* kind_creator.c - domains from modules. */
#include <errno.h>
#include <string.h>

#include "caps/program.h"
#include "kernel/prices.h"
#include "kernel/tree.h"

const char *
caps_words(struct world *world, const struct report *report)
{
	struct caps_state *state = caps_state(world);

	return memcpy(state->words, report->text, sizeof state->words);
}

/* A module lies where its maker's bytes were: they are copied, and paid for in
 * full by its maker, whoever else has the same. */
enum order_end
order_creator_load(struct invocation *inv)
{
	const uint64_t bytes = inv->in.words[1];
	const uint8_t *from = gate_mem(inv, inv->in.words[0], bytes);
	struct report report;
	struct program *program;
	struct bank *payer;
	struct key key;
	enum order_end end;
	enum rc rc = sent_bank(inv, 0, &payer);
	int error;

	if (rc != RC_OK || !from)
		return gate_rc(inv, rc != RC_OK ? rc : RC_BAD_WORD);
	if (!gate_charge(inv, price_load(bytes)))
		return ORDER_DRY_GAS;
	end = answer_object(inv, payer, KIND_module, sizeof *program, (void **)&program, &key);
	if (!program)
		return end;
	report_clear(&report);
	error = program_load(inv->world, program, payer, from, bytes, &report);
	if (!error)
		return end;
	object_end(inv->world, key.object);
	inv->out.keys[0] = (struct key){0};
	(void)answer_text(inv, caps_words(inv->world, &report), strlen(report.text));
	return gate_rc(inv, error == -ENOSPC || error == -ENOMEM ? RC_NO_SPACE : RC_BAD_WORD);
}

/* The line below which the new domain's private line comes: of the meter key, or
 * the invoker's own. */
static enum rc
sent_line(struct invocation *inv, unsigned index, struct line **ret_line)
{
	struct meter *meter;
	struct key key;
	enum rc rc;

	*ret_line = &inv->domain->meter.line;
	if (key_is_void(&inv->in.keys[index]))
		return RC_OK;
	rc = sent_key(inv, index, KIND_meter, &key);
	if (rc != RC_OK)
		return rc;
	if (!(key.rights & RIGHT_make))
		return RC_NO_RIGHT;
	meter = object_body(inv->world, &key);
	if (!meter)
		return RC_VOID;
	*ret_line = &meter->line;
	return RC_OK;
}

enum rc
creator_above(struct invocation *inv, unsigned first, struct domain_above *ret_above)
{
	enum rc rc;

	*ret_above = (struct domain_above){.parent = inv->domain, .purse = inv->domain->purse};
	rc = sent_line(inv, first, &ret_above->line);
	return rc == RC_OK ? sent_bank(inv, first + 1, &ret_above->bank) : rc;
}

enum order_end
creator_make(struct invocation *inv, struct module *module, struct domain **ret_domain)
{
	struct domain_config config = {
		.module = module,
		.gas = 0,
		.bank_bytes = inv->in.words[0],
		.stop_when_dry = inv->in.words[1] & CREATOR_STOP_WHEN_DRY,
	};
	char name[DOMAIN_NAME_BYTES] = "";
	struct report report;
	enum rc rc = creator_above(inv, 1, &config.above);
	int error;

	*ret_domain = NULL;
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (inv->in.text_bytes >= sizeof name || inv->in.words[1] & ~(uint64_t)CREATOR_STOP_WHEN_DRY ||
		(inv->in.text_bytes && memchr(inv->in.text, 0, inv->in.text_bytes)))
		return gate_rc(inv, RC_BAD_WORD);
	if (!gate_charge(inv, PRICE_DOMAIN + price_copy(module->bytes_count)))
		return ORDER_DRY_GAS;
	if (inv->in.text_bytes)
		memcpy(name, inv->in.text, inv->in.text_bytes);
	config.name = name;
	report_clear(&report);
	error = domain_new(inv->world, &config, &report, ret_domain);
	if (!error) {
		struct key key = domain_key(*ret_domain, KIND_domain);

		key.rights = kind_rights(KIND_domain);
		caps_default_entry(*ret_domain);
		return answer_key(inv, key);
	}
	(void)answer_text(inv, caps_words(inv->world, &report), strlen(report.text));
	return gate_rc(inv, error == -ENOSPC || error == -ENOMEM ? RC_NO_SPACE : RC_BAD_WORD);
}

enum order_end
order_creator_make(struct invocation *inv)
{
	struct program *program;
	struct domain *domain;
	struct key key;
	const enum rc rc = sent_key(inv, 0, KIND_module, &key);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	program = object_body(inv->world, &key);
	if (!program)
		return gate_rc(inv, RC_VOID);
	return creator_make(inv, program->module, &domain);
}
