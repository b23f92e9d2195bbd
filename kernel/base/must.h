/* SPDX-License-Identifier: Apache-2.0 */
/* must.h - the one way to stop when we broke a rule of our own.
 *
 * must(ID, cond) stays in every build. ID is a word of docs/invariants.md, so a
 * dead kernel names its broken belief and the name greps to one place. It is
 * for our faults only: what a guest, a file or the host does wrong is an
 * answer, never a must(). */
#pragma once

#include <stdbool.h>

_Noreturn void must_failed(const char *id, const char *what, const char *file, int line);

/* Where must_failed() says its line before it stops; the tools set it. The
 * default says nothing and stops: the kernel has no place to write. */
extern void (*must_say)(const char *id, const char *what, const char *file, int line);

#define must(id, cond) \
	(__builtin_expect(!!(cond), 1) ? (void)0 : must_failed(#id, #cond, __FILE__, __LINE__))
