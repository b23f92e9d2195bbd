/* SPDX-License-Identifier: Apache-2.0 */
/* types.h - what values are. Types are trees in the arena; a variable of types is
 * bound by making it a link, and type_of() looks behind links. */
#pragma once

#include "tools/entish/tree.h"

/* TYPE(name, text, in Wasm) */
#define TYPES(TYPE)                                                                                \
	TYPE(VAR, "an unknown type", I64)                                                                  \
	TYPE(NONE, "nothing", I64)                                                                 \
	TYPE(INT, "int", I64)                                                                      \
	TYPE(U, "u", I64)                                                                          \
	TYPE(FLOAT, "float", F64)                                                                  \
	TYPE(BOOL, "bool", I32)                                                                    \
	TYPE(ADDR, "address", I32) /* of the prelude: a place in memory, 32 bits */                \
	TYPE(TEXT, "text", I32)                                                                    \
	TYPE(BYTES, "bytes", I32)                                                                  \
	TYPE(LIST, "list", I32)                                                                    \
	TYPE(MAP, "map", I32)                                                                      \
	TYPE(TUPLE, "tuple", I32)                                                                  \
	TYPE(RECORD, "record", I32)                                                                \
	TYPE(OUTCOME, "outcome", I32) /* of a sandbox call: a value or a stop */                   \
	TYPE(FN, "function", I32)     /* one function, known to the compiler */                    \
	TYPE(KEY, "key", I32)

enum type_kind {
#define TYPE(name, text, wasm) TYPE_##name,
	TYPES(TYPE)
#undef TYPE
};

enum wasm_type { WASM_I32 = 0x7f, WASM_I64 = 0x7e, WASM_F64 = 0x7c };

enum { TYPE_DEPTH_MAX = 40, FIELDS_MAX = 28, TYPE_PARTS_MAX = 500, RECORDS_MAX = 64 };

struct type {
	uint8_t kind;
	uint32_t count;     /* of args */
	struct type **args; /* LIST: 1, MAP: 2, TUPLE: n, OUTCOME: 1 */
	struct type *link;  /* of a VAR that is bound */
	struct record *record;
	struct def *def;
};

extern const char type_names_unknown[];
extern struct type type_none, type_int, type_u, type_float, type_bool, type_addr, type_text,
	type_bytes, type_key;

struct type *type_new(struct arena *arena, enum type_kind kind, uint32_t count);
struct type *type_var(struct arena *arena);
struct type *type_list(struct arena *arena, struct type *of);
struct type *type_outcome(struct arena *arena, struct type *of);
struct type *type_fn(struct arena *arena, struct def *def);
/* Behind links. */
struct type *type_of(struct type *type);
/* Makes them one; false where they cannot be. u and int are one kind of word. */
bool type_unify(struct type *a, struct type *b);
/* The same, without binding anything. */
bool type_same(struct type *a, struct type *b);
/* A name without a written type holds signed words. */
struct type *type_plain(struct type *type);
/* More parts than TYPE_PARTS_MAX; types share parts, so one of a few lines can be huge. */
bool type_is_huge(struct type *type);
/* What is not known by now is a number. */
void type_settle(struct type *type);
bool type_is_word(const struct type *type);
/* On the heap, and so of interest to whoever reclaims it. */
bool type_is_ref(struct type *type);
enum wasm_type type_wasm(struct type *type);
const char *type_words(struct arena *arena, struct type *type);
