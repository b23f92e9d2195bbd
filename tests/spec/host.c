/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/spec/host.h"

#include <errno.h>
#include <string.h>

static const struct print {
	const char *name;
	uint16_t params;
	uint8_t vals[2];
} prints[] = {
	{"print", 0, {0}},
	{"print_i32", 1, {VAL_I32}},
	{"print_i64", 1, {VAL_I64}},
	{"print_f32", 1, {VAL_F32}},
	{"print_f64", 1, {VAL_F64}},
	{"print_i32_f32", 2, {VAL_I32, VAL_F32}},
	{"print_f64_f64", 2, {VAL_F64, VAL_F64}},
};

/* 666, and 666.6 as bits. */
static const struct constant {
	const char *name;
	uint8_t val;
	uint64_t value;
} constants[] = {
	{"global_i32", VAL_I32, 666},
	{"global_i64", VAL_I64, 666},
	{"global_f32", VAL_F32, 0x4426a666},
	{"global_f64", VAL_F64, 0x4084d4cccccccccd},
};

enum {
	PRINTS = sizeof prints / sizeof prints[0],
	CONSTANTS = sizeof constants / sizeof constants[0],
};

bool
spectest_open(struct spectest *host, struct store *store)
{
	const struct limits memory = {.min = 1, .max = 2, .has_max = true};
	const struct tabletype table = {.ref = VAL_FUNCREF,
		.limits = {.min = 10, .max = 20, .has_max = true}};

	for (unsigned i = 0; i < CONSTANTS; i++) {
		const struct globaltype type = {.val = constants[i].val};

		if (store_add_global(store, type, constants[i].value, &host->globals[i]))
			return false;
	}
	return !store_add_memory(store, memory, &host->memory) &&
		!store_add_table(store, table, &host->table);
}

static bool
is_named(const struct import *import, const char *name)
{
	return import->field.bytes == strlen(name) &&
		memcmp(import->field.text, name, import->field.bytes) == 0;
}

int
spectest_bind(const struct spectest *host, const struct import *import,
	const struct functype *type, struct binding *ret_binding)
{
	for (unsigned i = 0; i < PRINTS; i++) {
		if (!is_named(import, prints[i].name))
			continue;
		if (import->kind != EXTERN_FUNC || type->params != prints[i].params ||
			type->results || memcmp(type->vals, prints[i].vals, type->params) != 0)
			return -EINVAL;
		*ret_binding = (struct binding){.kind = BIND_HOST, .index = i};
		return 0;
	}
	for (unsigned i = 0; i < CONSTANTS; i++) {
		if (!is_named(import, constants[i].name))
			continue;
		*ret_binding = (struct binding){.kind = BIND_GLOBAL, .index = host->globals[i]};
		return 0;
	}
	if (is_named(import, "memory"))
		*ret_binding = (struct binding){.kind = BIND_MEMORY, .index = host->memory};
	else if (is_named(import, "table"))
		*ret_binding = (struct binding){.kind = BIND_TABLE, .index = host->table};
	else
		return -ENOENT;
	return 0;
}
