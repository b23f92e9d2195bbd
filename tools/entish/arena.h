/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that is all given back at once: the tree, the types, the names.
 *
 * A compiler reads hostile text: what it may hold is limited. Past the limit, or
 * without memory, arena_take() ends the pass by a jump to the place that opened
 * the arena (arena.full), so no caller looks for NULL. */
#pragma once

#include <setjmp.h>
#include <stddef.h>

struct arena {
	struct arena_block *blocks;
	size_t used, limit; /* bytes, of all blocks */
	jmp_buf full;
};

void arena_init(struct arena *arena, size_t limit);
void arena_done(struct arena *arena);
/* Zeroed. */
void *arena_take(struct arena *arena, size_t bytes);
char *arena_text(struct arena *arena, const char *text, size_t bytes);
char *arena_format(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
