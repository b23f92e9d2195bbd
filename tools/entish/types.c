/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/types.h"

#include <string.h>

struct type type_none = {.kind = TYPE_NONE}, type_int = {.kind = TYPE_INT},
	    type_u = {.kind = TYPE_U}, type_float = {.kind = TYPE_FLOAT},
	    type_bool = {.kind = TYPE_BOOL}, type_addr = {.kind = TYPE_ADDR},
	    type_text = {.kind = TYPE_TEXT}, type_bytes = {.kind = TYPE_BYTES},
	    type_key = {.kind = TYPE_KEY};

const char type_names_unknown[] = "an unknown type";

static const char *const names[] = {
#define TYPE(name, text, wasm) text,
	TYPES(TYPE)
#undef TYPE
};

static const uint8_t wasm_types[] = {
#define TYPE(name, text, wasm) WASM_##wasm,
	TYPES(TYPE)
#undef TYPE
};

struct type *
type_new(struct arena *arena, enum type_kind kind, uint32_t count)
{
	struct type *type = arena_take(arena, sizeof *type);

	type->kind = (uint8_t)kind;
	type->count = count;
	type->args = arena_take(arena, count * sizeof *type->args);
	return type;
}

struct type *
type_var(struct arena *arena)
{
	return type_new(arena, TYPE_VAR, 0);
}

struct type *
type_list(struct arena *arena, struct type *of)
{
	struct type *type = type_new(arena, TYPE_LIST, 1);

	type->args[0] = of;
	return type;
}

struct type *
type_outcome(struct arena *arena, struct type *of)
{
	struct type *type = type_new(arena, TYPE_OUTCOME, 1);

	type->args[0] = of;
	return type;
}

struct type *
type_fn(struct arena *arena, struct def *def)
{
	struct type *type = type_new(arena, TYPE_FN, 0);

	type->def = def;
	return type;
}

struct type *
type_of(struct type *type)
{
	while (type->kind == TYPE_VAR && type->link)
		type = type->link;
	return type;
}

bool
type_is_word(const struct type *type)
{
	return type->kind == TYPE_INT || type->kind == TYPE_U;
}

/* Also of types that are too deep to look through: then it occurs. */
static bool
occurs(struct type *var, struct type *in, uint32_t depth)
{
	in = type_of(in);
	if (in == var || depth > TYPE_DEPTH_MAX)
		return true;
	for (uint32_t i = 0; i < in->count; i++)
		if (occurs(var, in->args[i], depth + 1))
			return true;
	return false;
}

static uint32_t
parts(struct type *type, uint32_t depth, uint32_t count)
{
	type = type_of(type);
	if (depth > TYPE_DEPTH_MAX)
		return TYPE_PARTS_MAX + 1;
	for (uint32_t i = 0; i < type->count && count <= TYPE_PARTS_MAX; i++)
		count = parts(type->args[i], depth + 1, count + 1);
	return count;
}

bool
type_is_huge(struct type *type)
{
	return parts(type, 0, 0) > TYPE_PARTS_MAX;
}

bool
type_unify(struct type *a, struct type *b)
{
	a = type_of(a);
	b = type_of(b);
	if (a == b || (type_is_word(a) && type_is_word(b)))
		return true;
	if (a->kind == TYPE_VAR || b->kind == TYPE_VAR) {
		struct type *var = a->kind == TYPE_VAR ? a : b, *other = var == a ? b : a;

		if (occurs(var, other, 0))
			return false;
		var->link = other;
		return true;
	}
	if (a->kind != b->kind || a->count != b->count || a->record != b->record || a->def != b->def)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!type_unify(a->args[i], b->args[i]))
			return false;
	return true;
}

bool
type_same(struct type *a, struct type *b)
{
	a = type_of(a);
	b = type_of(b);
	if (a == b)
		return true;
	if (a->kind != b->kind || a->kind == TYPE_VAR || a->count != b->count ||
		a->record != b->record || a->def != b->def)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!type_same(a->args[i], b->args[i]))
			return false;
	return true;
}

struct type *
type_plain(struct type *type)
{
	type = type_of(type);
	return type->kind == TYPE_U ? &type_int : type;
}

void
type_settle(struct type *type)
{
	type = type_of(type);
	if (type->kind == TYPE_VAR)
		type->link = &type_int;
	for (uint32_t i = 0; i < type->count; i++)
		type_settle(type->args[i]);
}

bool
type_is_ref(struct type *type)
{
	const uint8_t kind = type_of(type)->kind;

	return kind >= TYPE_TEXT && kind <= TYPE_OUTCOME;
}

enum wasm_type
type_wasm(struct type *type)
{
	return wasm_types[type_of(type)->kind];
}

static const char *
words(struct arena *arena, struct type *type, uint32_t depth)
{
	char text[200];

	type = type_of(type);
	if (type->kind == TYPE_RECORD)
		return type->record->name;
	if (type->kind == TYPE_FN)
		return arena_format(arena, "function %.40s", type->def->name);
	if (!type->count)
		return names[type->kind];
	strcpy(text, names[type->kind]);
	for (uint32_t i = 0; i < type->count; i++) {
		const char *arg = depth > 3 ? "..." : words(arena, type->args[i], depth + 1);

		strcat(text, i ? ", " : "<");
		if (strlen(text) + strlen(arg) + 8 > sizeof text) {
			strcat(text, "..");
			break;
		}
		strcat(text, arg);
	}
	strcat(text, ">");
	return arena_text(arena, text, strlen(text));
}

const char *
type_words(struct arena *arena, struct type *type)
{
	return words(arena, type, 0);
}
