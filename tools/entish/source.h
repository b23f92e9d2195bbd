/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - the texts of a program, places in them, and what is wrong there.
 *
 * A place is one number for all files of a program: a file's base plus the offset
 * of the byte. Complaints are kept in the order in which they were found and
 * printed by file and line; after SOURCE_COMPLAINTS the rest is only counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/entish/arena.h"

enum { SOURCE_BYTES_MAX = 1 << 20, SOURCE_FILES_MAX = 64, SOURCE_COMPLAINTS = 20 };

typedef uint32_t place;

struct source_file {
	const char *name; /* as it is called in messages */
	const char *text; /* ends with a zero byte that is not counted */
	uint32_t bytes;
	place base;
};

struct complaint {
	place at;
	const char *what, *hint; /* hint may be NULL */
};

struct sources {
	struct arena *arena;
	struct source_file files[SOURCE_FILES_MAX];
	uint32_t files_count;
	place base_next;
	struct complaint complaints[SOURCE_COMPLAINTS];
	uint32_t complaints_count; /* may be more than are kept */
};

/* NULL: too many files or bytes. */
struct source_file *source_add(struct sources *sources, const char *name, const char *text,
	size_t bytes);
const struct source_file *source_of(const struct sources *sources, place at);
/* Line and column begin with 1; a tab is four columns. */
void source_line(const struct source_file *file, place at, uint32_t *ret_line,
	uint32_t *ret_column);
void source_complain(struct sources *sources, place at, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* All complaints as text, in the arena. */
char *source_words(struct sources *sources);
