/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/must.h"

#include <stdlib.h>

void (*must_say)(const char *id, const char *what, const char *file, int line);

_Noreturn void
must_failed(const char *id, const char *what, const char *file, int line)
{
	if (must_say)
		must_say(id, what, file, line);
	abort();
}
