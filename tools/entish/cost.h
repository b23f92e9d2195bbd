/* SPDX-License-Identifier: Apache-2.0 */
/* cost.h - what each line costs each time it is gone through, in gas: the weights of
 * the instructions it became, by the price list of kernel/wasm/ops.def. What functions
 * it calls cost is on their lines; those of the runtime are counted as calls. */
#pragma once

#include "tools/entish/tree.h"

struct cost_line {
	uint32_t gas, runtime; /* runtime: calls of functions that are ours */
	bool counted;          /* code came of it */
};

struct costs { /* of the program's own file, by line, from 1 */
	const struct source_file *file;
	struct cost_line *lines;
	uint32_t lines_count;
};

void costs_init(struct costs *costs, struct arena *arena, const struct source_file *file);
/* An instruction that came of what stands at this place. */
void costs_add(struct costs *costs, place at, unsigned code);
void costs_runtime(struct costs *costs, place at);
/* The file's lines with their gas before them. */
char *costs_text(const struct costs *costs, struct arena *arena);
