/* SPDX-License-Identifier: Apache-2.0 */
/* exec_one.c - in place of exec_fast.c where the compiler has no guaranteed tail
 * calls: the switch executor is then the only one. */
#include "kernel/wasm/store.h"

void
exec_fast(struct machine *m)
{
	exec_switch(m);
}

bool
executor_present(enum executor executor)
{
	return executor == EXECUTOR_SWITCH;
}
