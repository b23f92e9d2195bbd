/* SPDX-License-Identifier: Apache-2.0 */
/* wasm_bytes.h - modules written byte by byte, for tests of the engine.
 *
 * Owns     a growing buffer. Sections and bodies are begun and ended; their
 *          lengths are five bytes, put in at the end (spec 5.2.2 allows it). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct wasm_bytes {
	uint8_t *at;
	size_t count, room;
	size_t open[8]; /* where the lengths of what is open are */
	unsigned depth;
};

void wasm_begin(struct wasm_bytes *w); /* empty, with a header */
void wasm_free(struct wasm_bytes *w);
void wasm_byte(struct wasm_bytes *w, unsigned byte);
void wasm_bytes(struct wasm_bytes *w, const void *bytes, size_t count);
void wasm_u32(struct wasm_bytes *w, uint32_t value);
void wasm_signed(struct wasm_bytes *w, int64_t value);
void wasm_name(struct wasm_bytes *w, const char *name);
void wasm_section(struct wasm_bytes *w, unsigned id);
void wasm_body(struct wasm_bytes *w); /* a length, as for a section */
void wasm_end(struct wasm_bytes *w);  /* of the section or body opened last */
void wasm_code(struct wasm_bytes *w, uint32_t op); /* with its prefix */

/* A function type; each letter of the strings is a value: i I f F r x. */
void wasm_type(struct wasm_bytes *w, const char *params, const char *results);
/* Sections with just one thing in it: a type, a function of type 0 with this body. */
void wasm_one_type(struct wasm_bytes *w, const char *params, const char *results);
void wasm_one_func(struct wasm_bytes *w);
uint8_t wasm_val(char letter);

/* A module with something of everything, which validates. */
void wasm_rich(struct wasm_bytes *w);
