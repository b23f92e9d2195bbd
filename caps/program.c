/* SPDX-License-Identifier: Apache-2.0 */
#include "caps/program.h"

#include <errno.h>

#include "caps/ends.h"

bool
program_of(struct program *program, struct bank *payer, struct module *module)
{
	const uint64_t cost = domain_module_cost(module);

	if (!bank_take(payer, cost))
		return false;
	world_module_hold(module);
	*program = (struct program){.module = module, .payer = payer, .charged = cost};
	return true;
}

int
program_load(struct world *world, struct program *program, struct bank *payer,
	const uint8_t *bytes, uint64_t count, struct report *report)
{
	struct module *module;
	int error = world_module_copy(world, bytes, count, report, &module);

	if (error)
		return error;
	if (!program_of(program, payer, module)) {
		report_say(report, UINT64_MAX, "storage: the module needs %llu bytes",
			(unsigned long long)domain_module_cost(module));
		error = -ENOSPC;
	}
	world_module_drop(world, module);
	world_modules_sweep(world);
	return error;
}

void
program_end(struct world *world, void *body)
{
	struct program *program = body;

	if (!program->module)
		return;
	bank_give(program->payer, program->charged);
	world_module_drop(world, program->module);
	world_modules_sweep(world);
}
