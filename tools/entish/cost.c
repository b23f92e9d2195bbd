/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/cost.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK_GAS = 2 }; /* GAS_BLOCK of kernel/wasm/ops.h */

/* Those behind a prefix are used by the runtime alone. */
static unsigned
weight_of(unsigned byte)
{
	switch (byte) {
#define OP(code, name, text, imm, sig, gas) case code: return gas;
#include "kernel/wasm/ops.def"
#undef OP
	default: return 0;
	}
}

void
costs_init(struct costs *costs, struct arena *arena, const struct source_file *file)
{
	costs->file = file;
	costs->lines_count = 2;
	for (uint32_t i = 0; i < file->bytes; i++)
		costs->lines_count += file->text[i] == '\n';
	costs->lines = arena_take(arena, costs->lines_count * sizeof *costs->lines);
}

static struct cost_line *
line_of(struct costs *costs, place at)
{
	uint32_t line = 1;

	if (!costs->lines || at < costs->file->base || at > costs->file->base + costs->file->bytes)
		return NULL;
	for (uint32_t i = 0; i < at - costs->file->base; i++)
		line += costs->file->text[i] == '\n';
	return &costs->lines[line];
}

void
costs_add(struct costs *costs, place at, unsigned code)
{
	struct cost_line *line = line_of(costs, at);

	if (!line)
		return;
	line->counted = true;
	line->gas += weight_of(code);
	if (code == 0x03 || code == 0x0d || code == 0x04 || code == 0x05) /* another block begins */
		line->gas += BLOCK_GAS;
}

void
costs_runtime(struct costs *costs, place at)
{
	struct cost_line *line = line_of(costs, at);

	if (line)
		line->runtime++;
}

char *
costs_text(const struct costs *costs, struct arena *arena)
{
	const size_t room = (size_t)costs->lines_count * 24 + 2 * (size_t)costs->file->bytes + 200;
	const char *at = costs->file->text;
	char *text = arena_take(arena, room);
	size_t used = (size_t)snprintf(text, room, "    gas  calls\n");

	for (uint32_t line = 1; *at && used < room - 40; line++) {
		const size_t bytes = strcspn(at, "\n");
		const struct cost_line *cost = &costs->lines[line];
		char gas[12] = "", runtime[12] = "";

		if (cost->counted)
			snprintf(gas, sizeof gas, "%u", cost->gas);
		if (cost->runtime)
			snprintf(runtime, sizeof runtime, "%u", cost->runtime);
		used += (size_t)snprintf(text + used, room - used, "%7s %6s |%s%.*s\n", gas, runtime,
			bytes ? " " : "", bytes < 4000 ? (int)bytes : 4000, at);
		at += bytes + (at[bytes] == '\n');
	}
	return text;
}
