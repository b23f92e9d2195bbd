/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - what state.c (writing) and state_read.c agree on. */
#pragma once

#include "kernel/wasm/module.h"

enum {
	STATE_VERSION = 1,
	FLAG_RUNNING = 1,
	FLAG_HOST_ENTRY = 2,
	FLAG_RETURNED = 4,
	FLAG_INITIALISING = 8,
	FLAG_TRAPPED = 16,
};

/* Where a function's H0 is: after its parameters and locals. */
static inline uint32_t
header_slot(const struct module *module, uint32_t func)
{
	return module_functype(module, func)->params +
		module->funcs[func - module->func_imports].locals;
}
