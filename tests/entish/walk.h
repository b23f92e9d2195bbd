/* SPDX-License-Identifier: Apache-2.0 */
/* walk.h - a plain evaluator of Entish trees, for tests only: values that know what
 * they are, and one function that looks at a node and does what it says. It has
 * nothing of the compiler but tokens and tree. Of the language it has words, truths,
 * texts, lists, functions and control flow: what random programs (dice.c) use. */
#pragma once

#include <stdio.h>

#include "tools/entish/tree.h"

/* Runs the unit's statements, writes what they print; false: it met what it does not
 * have, or took too many steps. */
bool walk(struct arena *arena, const struct unit *unit, FILE *out);
