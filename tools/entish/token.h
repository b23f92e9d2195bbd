/* SPDX-License-Identifier: Apache-2.0 */
/* token.h - a text as tokens. Lines inside brackets are joined, blocks are told
 * by INDENT and DEDENT, comments are left out (format.c reads them itself). */
#pragma once

#include "tools/entish/source.h"

enum token_kind {
#define KIND(name, text) T_##name,
#define WORD(name, text) T_##name,
#define SIGN(name, text) T_##name,
#include "tools/entish/tokens.def"
#undef KIND
#undef WORD
#undef SIGN
	T_COUNT
};

struct token {
	uint8_t kind;
	bool spaced; /* there is white space before it */
	place at;
	uint32_t bytes;      /* as written */
	uint32_t text_bytes; /* of a text, its escapes read */
	const char *text;    /* names: as written; texts: what they say */
	union {
		uint64_t number;
		double real;
	};
};

struct tokens {
	struct token *at;
	uint32_t count;
};

extern const char *const token_names[T_COUNT];

/* Complains and goes on: what is returned always ends with T_END. */
struct tokens tokens_read(struct sources *sources, const struct source_file *file);
