/* SPDX-License-Identifier: Apache-2.0 */
/* say.c - a broken invariant is said on stderr in every test that links this. */
#include <stdio.h>

#include "kernel/base/must.h"

static void
say(const char *id, const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s does not hold: %s\n", file, line, id, what);
}

__attribute__((constructor)) static void
listen(void)
{
	must_say = say;
}
