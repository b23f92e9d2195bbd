/* SPDX-License-Identifier: Apache-2.0 */
/* kind_module.c - orders on a module key: a checked program. */
#include "caps/program.h"

static struct module *
module_named(struct invocation *inv)
{
	const struct program *program = object_body(inv->world, &inv->key);

	return program ? program->module : NULL;
}

enum order_end
order_module_hash(struct invocation *inv)
{
	struct module *module = module_named(inv);

	return module ? answer_text(inv, module_hash(module), 32) : gate_rc(inv, RC_VOID);
}

enum order_end
order_module_find(struct invocation *inv)
{
	const struct module *module = module_named(inv);
	const struct export *export = module
		? module_export(module, (const char *)inv->in.text, inv->in.text_bytes)
		: NULL;

	if (!module)
		return gate_rc(inv, RC_VOID);
	if (!export || export->kind != EXTERN_FUNC)
		return gate_rc(inv, RC_BAD_WORD);
	return answer_word(inv, export->index);
}

enum order_end
order_module_end(struct invocation *inv)
{
	return end_object(inv);
}
