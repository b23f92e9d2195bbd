/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 << 10 };

struct arena_block {
	struct arena_block *next;
	size_t used, room;
	_Alignas(16) char bytes[];
};

void
arena_init(struct arena *arena, size_t limit)
{
	arena->blocks = NULL;
	arena->used = 0;
	arena->limit = limit;
}

void
arena_done(struct arena *arena)
{
	while (arena->blocks) {
		struct arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}

void *
arena_take(struct arena *arena, size_t bytes)
{
	struct arena_block *block = arena->blocks;
	char *at;

	bytes = (bytes + 15) & ~(size_t)15;
	if (!block || block->room - block->used < bytes) {
		const size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		if (room > arena->limit - arena->used || !(block = malloc(sizeof *block + room)))
			longjmp(arena->full, 1);
		*block = (struct arena_block){.next = arena->blocks, .room = room};
		arena->blocks = block;
		arena->used += room;
	}
	at = block->bytes + block->used;
	block->used += bytes;
	return memset(at, 0, bytes);
}

char *
arena_text(struct arena *arena, const char *text, size_t bytes)
{
	char *copy = arena_take(arena, bytes + 1);

	if (bytes)
		memcpy(copy, text, bytes);
	return copy;
}

char *
arena_format(struct arena *arena, const char *format, ...)
{
	char text[512];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	return arena_text(arena, text, n < 0 ? 0 : strlen(text));
}
