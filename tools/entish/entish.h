/* SPDX-License-Identifier: Apache-2.0 */
/* entish.h - Entish source to a Wasm module. docs/entish.md is the language.
 *
 *     struct entish *e = entish_new();
 *     if (entish_compile(e, &input))  ... e's module, until entish_free(e)
 *     else                            ... e's words: what is wrong, and where
 *
 * Source is hostile: what it may take is limited (ENTISH_BYTES_MAX), and nothing
 * recurses deeper than the limits of tree and types. Touches no file: imports are
 * asked for by a function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENTISH_BYTES_MAX = 256 << 20 };

struct entish_text {
	const char *text; /* NULL: there is none */
	size_t bytes;
};

struct entish_input {
	const char *name; /* as messages call it */
	struct entish_text source;
	/* `x.et` beside the program; may be NULL. The text is malloc()ed: entish_free() frees it. */
	struct entish_text (*import)(void *context, const char *name);
	void *context;
};

struct entish *entish_new(void); /* NULL: no memory */
void entish_free(struct entish *entish);
bool entish_compile(struct entish *entish, const struct entish_input *input);
/* The same; the words are then the source with the gas of each line (cost.h). */
bool entish_cost(struct entish *entish, const struct entish_input *input);
/* The same text, with our spaces; false: it cannot be read. */
bool entish_format(struct entish *entish, const struct entish_input *input);

const uint8_t *entish_module(const struct entish *entish, size_t *ret_bytes);
const char *entish_words(const struct entish *entish);
