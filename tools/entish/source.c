/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source_file *
source_add(struct sources *sources, const char *name, const char *text, size_t bytes)
{
	struct source_file *file = &sources->files[sources->files_count];

	if (sources->files_count == SOURCE_FILES_MAX || bytes > SOURCE_BYTES_MAX)
		return NULL;
	*file = (struct source_file){.name = arena_text(sources->arena, name, strlen(name)),
		.text = arena_text(sources->arena, text, bytes),
		.bytes = (uint32_t)bytes,
		.base = sources->base_next};
	sources->base_next += (uint32_t)bytes + 1;
	sources->files_count++;
	return file;
}

const struct source_file *
source_of(const struct sources *sources, place at)
{
	const struct source_file *file = &sources->files[0];

	for (uint32_t i = 1; i < sources->files_count; i++)
		if (at >= sources->files[i].base)
			file = &sources->files[i];
	return file;
}

void
source_line(const struct source_file *file, place at, uint32_t *ret_line, uint32_t *ret_column)
{
	uint32_t line = 1, column = 1;

	for (uint32_t i = 0; i < at - file->base && i < file->bytes; i++) {
		const char c = file->text[i];

		if (c == '\n') {
			line++;
			column = 1;
		} else if (c == '\t') {
			column += 4 - (column - 1) % 4;
		} else if ((c & 0xc0) != 0x80) { /* not the inner bytes of a letter */
			column++;
		}
	}
	*ret_line = line;
	*ret_column = column;
}

void
source_complain(struct sources *sources, place at, const char *hint, const char *format, ...)
{
	char text[400];
	va_list list;
	const uint32_t count = sources->complaints_count;

	for (uint32_t i = 0; i < count && i < SOURCE_COMPLAINTS; i++)
		if (sources->complaints[i].at == at) /* one is enough for a place */
			return;
	sources->complaints_count++;
	if (count >= SOURCE_COMPLAINTS)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	sources->complaints[count] = (struct complaint){.at = at,
		.what = arena_text(sources->arena, text, strlen(text)),
		.hint = hint ? arena_text(sources->arena, hint, strlen(hint)) : NULL};
}

struct words {
	char *at;
	size_t used, room;
};

__attribute__((format(printf, 2, 3))) static void
say(struct words *words, const char *format, ...)
{
	const size_t room = words->room - words->used;
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(words->at + words->used, room, format, list);
	va_end(list);
	if (n > 0)
		words->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* The line, with tabs as columns and nothing that orders a terminal about. */
static void
say_line(struct words *words, const struct source_file *file, place at)
{
	uint32_t from = at - file->base, column = 0, line, caret;

	source_line(file, at, &line, &caret);
	while (from && file->text[from - 1] != '\n')
		from--;
	say(words, "%5u | ", line);
	for (; column < 120 && file->text[from] && file->text[from] != '\n'; from++) {
		const unsigned char c = (unsigned char)file->text[from];

		if (c == '\t')
			do
				say(words, " ");
			while (++column % 4);
		else if (c != '\r') {
			say(words, "%c", c < ' ' || c == 127 ? '?' : c);
			column += (c & 0xc0) != 0x80;
		}
	}
	if (caret <= 121)
		say(words, "\n      | %*s^", (int)caret - 1, "");
	say(words, "\n");
}

static int
by_place(const void *a, const void *b)
{
	const place x = ((const struct complaint *)a)->at, y = ((const struct complaint *)b)->at;

	return (x > y) - (x < y);
}

char *
source_words(struct sources *sources)
{
	const uint32_t all = sources->complaints_count;
	const uint32_t kept = all < SOURCE_COMPLAINTS ? all : SOURCE_COMPLAINTS;
	struct words words = {.room = 64 << 10};

	words.at = arena_take(sources->arena, words.room);
	qsort(sources->complaints, kept, sizeof *sources->complaints, by_place);
	for (uint32_t i = 0; i < kept; i++) {
		const struct complaint *c = &sources->complaints[i];
		const struct source_file *file = source_of(sources, c->at);
		uint32_t line, column;

		source_line(file, c->at, &line, &column);
		say(&words, "%s:%u:%u: %s\n", file->name, line, column, c->what);
		say_line(&words, file, c->at);
		if (c->hint)
			say(&words, "      hint: %s\n", c->hint);
	}
	if (all > kept)
		say(&words, "and %u more\n", all - kept);
	return words.at;
}
