/* SPDX-License-Identifier: Apache-2.0 */
#include "caps/program.h"

#include <errno.h>

#include "caps/ends.h"

int
program_load(struct world *world, struct program *program, struct bank *payer,
	const uint8_t *bytes, uint64_t count, struct report *report)
{
	struct module *module;
	const int error = world_module_copy(world, bytes, count, report, &module);

	if (error)
		return error;
	program->charged = domain_module_cost(module);
	if (!bank_take(payer, program->charged)) {
		world_module_drop(world, module);
		world_modules_sweep(world);
		report_say(report, UINT64_MAX, "storage: the module needs %llu bytes",
			(unsigned long long)program->charged);
		return -ENOSPC;
	}
	program->module = module;
	program->payer = payer;
	return 0;
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
