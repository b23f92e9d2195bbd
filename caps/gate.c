/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c - imports of module `keyhold` that are calls of the host. `try` and
 * `throw` are not among them: they are the engine's (caps/guest.h). */
#include "caps/gate.h"

/* progress: it has stopped; this is the run that goes on. */
static enum call_end
yield(struct call *call)
{
	if (!call->domain->progress) {
		call->domain->progress = 1;
		call->word = call->slots[0];
		return CALL_YIELD;
	}
	call->slots[0] = call->word; /* what the next `run` hands back; 0 from the host */
	return CALL_DONE;
}

const struct import_def gate_imports[] = {
	{"keyhold", "yield", "I:I", yield},
	{0},
};
