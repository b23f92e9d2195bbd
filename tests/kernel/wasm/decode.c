/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/wasm/ops.h"
#include "tests/kernel/wasm/load.h"

static struct loading l;

static void
open_loading(void)
{
	loading_open(&l);
}

static void
close_loading(void)
{
	loading_close(&l);
}

TestSuite(decode, .init = open_loading, .fini = close_loading);

/* --- what a module is -------------------------------------------------------------- */

Test(decode, the_empty_module_is_one)
{
	cr_assert_eq(loading_load(&l, (const uint8_t *)"\0asm\1\0\0\0", 8), 0);
	cr_assert_eq(l.module->funcs_count, 0);
	cr_assert_gt(l.module->cost_bytes, 0);
	cr_assert_null(module_export(l.module, "", 0));
}

Test(decode, a_rich_module_is_data)
{
	struct wasm_bytes w;
	const struct module *m;
	struct name name;

	wasm_rich(&w);
	loading_accepted(&l, &w);
	m = l.module;
	cr_assert_eq(m->types_count, 4);
	cr_assert_eq(m->func_imports, 1);
	cr_assert_eq(m->funcs_count, 3);
	cr_assert_eq(module_functype(m, 2)->params, 2);
	cr_assert_eq(m->tables_count, 3);
	cr_assert_eq(m->tables[0].limits.max, 20);
	cr_assert_eq(m->tables[2].ref, VAL_EXTERNREF);
	cr_assert_eq(m->memories[0].max, 3);
	cr_assert_eq(m->globals_count, 6);
	cr_assert_eq(m->global_defs[0].init.kind, INIT_GLOBAL);
	cr_assert_eq(m->global_defs[1].init.value, UINT64_MAX);
	cr_assert_eq(m->global_defs[2].init.value, 0x3ff0000000000000);
	cr_assert_eq(m->elems_count, 8);
	cr_assert_eq(m->elems[0].count, 2);
	cr_assert_eq(m->elems[0].inits[1].value, 2);
	cr_assert_eq(m->elems[2].mode, SEGMENT_ACTIVE);
	cr_assert_eq(m->elems[2].table, 1);
	cr_assert_eq(m->elems[3].mode, SEGMENT_DECLARED);
	cr_assert_eq(m->elems[6].ref, VAL_EXTERNREF);
	cr_assert_eq(m->datas_count, 3);
	cr_assert_eq(m->datas[0].offset.value, 4);
	cr_assert_arr_eq(m->datas[1].bytes, "de", 2);
	cr_assert(m->has_start);
	cr_assert_eq(module_export(m, "run", 3)->index, 1);
	cr_assert_eq(module_export(m, "", 0)->kind, EXTERN_GLOBAL);
	cr_assert_null(module_export(m, "ru", 2));
	cr_assert_eq(m->name.bytes, 4);
	cr_assert_arr_eq(m->name.text, "rich", 4);
	name = module_func_name(m, 2);
	cr_assert_eq(name.bytes, 7);
	cr_assert_arr_eq(name.text, "control", 7);
	name = module_func_name(m, 1); /* by its export */
	cr_assert_arr_eq(name.text, "run", 3);
	cr_assert_eq(module_func_name(m, 3).bytes, 0);
	wasm_free(&w);
}

Test(decode, equal_types_of_two_modules_have_equal_ids)
{
	struct wasm_bytes w, v;
	struct module *other;

	wasm_rich(&w);
	wasm_begin(&v);
	wasm_one_type(&v, "I", "II");
	loading_accepted(&l, &w);
	cr_assert_eq(module_load(&l.heap, &l.book, v.at, v.count, &l.report, &other), 0);
	cr_assert_eq(other->types[0].id, l.module->types[2].id);
	module_free(other);
	wasm_free(&w);
	wasm_free(&v);
}

Test(decode, a_bad_name_section_is_no_name_section)
{
	static const char *const bad[] = {
		"\x01\x05\x02\x01\x01" "a\x00", /* not ascending */
		"\x01\x04\x01\x63\x01" "a",     /* no such function */
		"\x01\x04\x01\x00\x01\xff",     /* not UTF-8 */
		"\x01\x7f\x01\x00\x01" "a",     /* too long */
		"\x01\x05\x01\x00\x01" "ab",    /* bytes left over */
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct wasm_bytes w;

		wasm_begin(&w);
		wasm_one_type(&w, "", "");
		wasm_one_func(&w);
		wasm_section(&w, 10);
		wasm_bytes(&w, (const uint8_t[]){1, 2, 0, OP_end}, 4);
		wasm_end(&w);
		wasm_section(&w, 0);
		wasm_name(&w, "name");
		wasm_bytes(&w, bad[i], 2 + (bad[i][1] == 0x7f ? 4 : (size_t)bad[i][1]));
		wasm_end(&w);
		loading_accepted(&l, &w);
		cr_assert_eq(module_func_name(l.module, 0).bytes, 0, "case %zu", i);
		loading_load(&l, (const uint8_t *)"", 0);
		wasm_free(&w);
	}
}

/* --- what is no module ----------------------------------------------------------------- */

struct refusal {
	const char *bytes;
	unsigned count; /* after the header */
	const char *words;
	unsigned offset;
};

/* clang-format off */
static const struct refusal refusals[] = {
	{"\x0e\x00", 2, "malformed: malformed section id 14", 8},
	{"\x01", 1, "malformed: unexpected end", 9},
	{"\x01\x05\x00", 3, "malformed: length out of bounds", 9},
	{"\x01\x00", 2, "malformed: unexpected end", 10},
	{"\x01\x02\x00\x00", 4, "malformed: section size mismatch", 11},
	{"\x01\x01\x00\x01\x01\x00", 6, "malformed: unexpected content after last section: type", 11},
	{"\x03\x01\x00\x01\x01\x00", 6, "malformed: unexpected content after last section: type", 11},
	{"\x01\x04\x01\x61\x00\x00", 6, "malformed: integer representation too long", 11},
	{"\x01\x05\x01\x60\x01\x01\x00", 7, "malformed: invalid value type 0x01", 13},
	{"\x01\x05\x01\x60\x01\x7b\x00", 7, "unsupported: value type v128", 13},
	{"\x01\x02\xff\x00", 4, "malformed: length out of bounds", 10},
	{"\x01\x06\xff\xff\xff\xff\x7f\x00", 8, "malformed: integer too large", 10},
	{"\x01\x06\xff\xff\xff\xff\xff\x00", 8, "malformed: integer representation too long", 10},
	{"\x02\x05\x01\x00\x00\x04\x00", 7, "malformed: malformed import kind", 13},
	{"\x02\x05\x01\x00\x00\x00\x00", 7, "invalid: unknown type 0", 14},
	{"\x02\x06\x01\x00\x00\x03\x7f\x02", 8, "malformed: malformed mutability 0x02", 15},
	{"\x02\x06\x01\x01\xff\x03\x7f\x00", 8, "malformed: malformed UTF-8 encoding", 12},
	{"\x03\x02\x01\x00", 4, "invalid: unknown type 0", 11},
	{"\x04\x04\x01\x71\x00\x00", 6, "malformed: malformed reference type 0x71", 11},
	{"\x05\x03\x01\x03\x00", 5, "unsupported: shared or 64-bit memories", 11},
	{"\x05\x03\x01\x81\x00", 5, "malformed: integer representation too long", 11},
	{"\x05\x05\x02\x00\x00\x00\x00", 7, "invalid: multiple memories (2)", 10},
	{"\x05\x04\x01\x01\x02\x01", 6, "invalid: size minimum must not be greater than maximum", 11},
	{"\x05\x05\x01\x00\x81\x80\x04", 7, "invalid: memory size must be at most 65536 pages", 11},
	{"\x06\x06\x01\x7f\x00\x23\x00\x0b", 8, "invalid: unknown global 0", 14},
	{"\x06\x06\x01\x7f\x00\x42\x00\x0b", 8, "invalid: type mismatch: constant expression of type i64", 13},
	{"\x06\x04\x01\x7f\x00\x0b", 6, "invalid: type mismatch: a constant expression gives one value", 13},
	{"\x06\x05\x01\x7f\x00\x01\x0b", 7, "invalid: constant expression required", 13},
	{"\x06\x05\x01\x7f\x00\xf0\x0b", 7, "malformed: illegal opcode f0", 13},
	{"\x06\x05\x01\x7f\x00\x41\x00", 7, "malformed: unexpected end of section", 15},
	{"\x06\x06\x01\x70\x00\xd2\x00\x0b", 8, "invalid: unknown function 0", 14},
	{"\x07\x04\x01\x00\x00\x00", 6, "invalid: unknown function 0", 13},
	{"\x07\x04\x01\x00\x04\x00", 6, "malformed: malformed export kind 0x04", 12},
	{"\x08\x01\x00", 3, "invalid: unknown function 0", 10},
	{"\x09\x02\x01\x08", 4, "malformed: length out of bounds", 10},
	{"\x09\x03\x01\x08\x00", 5, "malformed: element segment flags 8", 11},
	{"\x09\x06\x01\x00\x41\x00\x0b\x00", 8, "invalid: unknown table 0", 12},
	{"\x0c\x01\x01", 3, "malformed: data count and data section have inconsistent lengths", 11},
	{"\x0a\x02\x01\x00", 4, "malformed: function and code section have inconsistent lengths", 10},
	{"\x0b\x06\x01\x00\x41\x00\x0b\x00", 8, "invalid: unknown memory 0", 12},
	{"\x0b\x03\x01\x03\x00", 5, "malformed: data segment flags 3", 11},
	{"\x00\x00", 2, "malformed: unexpected end of section", 10},
	{"\x00\x02\x05z", 4, "malformed: length out of bounds", 10},
};
/* clang-format on */

Test(decode, what_breaks_a_rule_is_refused_with_the_rule_and_the_place)
{
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const struct refusal *r = &refusals[i];
		struct wasm_bytes w;

		wasm_begin(&w);
		wasm_bytes(&w, r->bytes, r->count);
		loading_refused(&l, &w, -EINVAL, r->words);
		cr_assert_eq(l.report.offset, r->offset, "\"%s\" at %llu, not %u", l.report.text,
			(unsigned long long)l.report.offset, r->offset);
		wasm_free(&w);
	}
}

Test(decode, headers_are_told_apart)
{
	(void)loading_load(&l, (const uint8_t *)"", 0);
	cr_assert_eq(strncmp(l.report.text, "malformed: unexpected end", 25), 0);
	(void)loading_load(&l, (const uint8_t *)"#!/bin/sh", 9);
	cr_assert_eq(strncmp(l.report.text, "malformed: magic header not detected", 36), 0);
	(void)loading_load(&l, (const uint8_t *)"\0asm\2\0\0\0", 8);
	cr_assert_eq(strncmp(l.report.text, "malformed: unknown binary version 2", 35), 0);
	(void)loading_load(&l, (const uint8_t *)"\0asm\x0d\0\1\0", 8);
	cr_assert_eq(strncmp(l.report.text, "unsupported: unknown binary version: a component", 48), 0);
}

Test(decode, two_exports_of_one_name_are_refused)
{
	struct wasm_bytes w;

	wasm_begin(&w);
	wasm_section(&w, 5);
	wasm_bytes(&w, (const uint8_t[]){1, 0, 1}, 3);
	wasm_end(&w);
	wasm_section(&w, 7);
	wasm_u32(&w, 300);
	for (unsigned i = 0; i < 300; i++) {
		char name[8];

		(void)snprintf(name, sizeof name, "%u", (i * 7) % 299);
		wasm_name(&w, name);
		wasm_bytes(&w, (const uint8_t[]){EXTERN_MEMORY, 0}, 2);
	}
	wasm_end(&w);
	loading_refused(&l, &w, -EINVAL, "invalid: duplicate export name \"0\"");
	wasm_free(&w);
}

/* --- limits ------------------------------------------------------------------------ */

enum { AT = 0, PAST = 1 };

/* A section of `count` equal pieces. */
static void
repeat(struct wasm_bytes *w, unsigned id, uint32_t count, const void *piece, size_t bytes)
{
	wasm_section(w, id);
	wasm_u32(w, count);
	for (uint32_t i = 0; i < count; i++)
		wasm_bytes(w, piece, bytes);
	wasm_end(w);
}

struct limit_case {
	unsigned id;
	uint32_t max;
	const char *piece;
	unsigned bytes;
	const char *words;
};

static const struct limit_case limit_cases[] = {
	{1, TYPES_MAX, "\x60\x00\x00", 3, "limit: 1000001 types"},
	{2, IMPORTS_MAX, "\x00\x00\x03\x7f\x00", 5, "limit: 100001 imports"},
	{3, FUNCS_MAX, "\x00", 1, "limit: 1000001 functions"},
	{4, TABLES_MAX, "\x70\x00\x00", 3, "limit: 100001 tables"},
	{6, GLOBALS_MAX, "\x7f\x00\x41\x00\x0b", 5, "limit: 1000001 globals"},
	{7, EXPORTS_MAX, "\x00\x02\x00", 3, "limit: 1000001 exports"},
	{9, SEGMENTS_MAX, "\x01\x00\x00", 3, "limit: 100001 element segments"},
	{11, SEGMENTS_MAX, "\x01\x00", 2, "limit: 100001 data segments"},
};

Test(decode, counts_past_a_limit_name_it)
{
	for (size_t i = 0; i < sizeof limit_cases / sizeof limit_cases[0]; i++) {
		const struct limit_case *c = &limit_cases[i];
		struct wasm_bytes w;

		wasm_begin(&w);
		repeat(&w, c->id, c->max + PAST, c->piece, c->bytes);
		loading_refused(&l, &w, -E2BIG, c->words);
		wasm_free(&w);
	}
}

Test(decode, counts_at_a_limit_are_accepted)
{
	for (size_t i = 0; i < sizeof limit_cases / sizeof limit_cases[0]; i++) {
		const struct limit_case *c = &limit_cases[i];
		struct wasm_bytes w;

		if (c->id == 3 || c->id == 7)
			continue; /* need a code section, and other names: below */
		wasm_begin(&w);
		repeat(&w, c->id, c->max + AT, c->piece, c->bytes);
		loading_accepted(&l, &w);
		(void)loading_load(&l, NULL, 0);
		wasm_free(&w);
	}
}

Test(decode, a_million_functions_with_a_million_exports_are_accepted)
{
	struct wasm_bytes w;

	wasm_begin(&w);
	wasm_one_type(&w, "", "");
	repeat(&w, 3, FUNCS_MAX, "\x00", 1);
	wasm_section(&w, 7);
	wasm_u32(&w, EXPORTS_MAX);
	for (uint32_t i = 0; i < EXPORTS_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "%u", i);
		wasm_name(&w, name);
		wasm_byte(&w, EXTERN_FUNC);
		wasm_u32(&w, i);
	}
	wasm_end(&w);
	repeat(&w, 10, FUNCS_MAX, "\x02\x00\x0b", 3);
	loading_accepted(&l, &w);
	cr_assert_eq(module_export(l.module, "765432", 6)->index, 765432);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
}

static void
type_of(struct wasm_bytes *w, uint32_t params, uint32_t results)
{
	wasm_begin(w);
	wasm_section(w, 1);
	wasm_u32(w, 1);
	wasm_byte(w, 0x60);
	wasm_u32(w, params);
	for (uint32_t i = 0; i < params; i++)
		wasm_byte(w, VAL_I32);
	wasm_u32(w, results);
	for (uint32_t i = 0; i < results; i++)
		wasm_byte(w, VAL_I64);
	wasm_end(w);
}

Test(decode, types_have_a_longest)
{
	struct wasm_bytes w;

	type_of(&w, PARAMS_MAX, RESULTS_MAX);
	loading_accepted(&l, &w);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
	type_of(&w, PARAMS_MAX + 1, 0);
	loading_refused(&l, &w, -E2BIG, "limit: 1001 parameters");
	wasm_free(&w);
	type_of(&w, 0, RESULTS_MAX + 1);
	loading_refused(&l, &w, -E2BIG, "limit: 1001 results");
	wasm_free(&w);
}

static void
table_of(struct wasm_bytes *w, uint32_t entries)
{
	wasm_begin(w);
	wasm_section(w, 4);
	wasm_bytes(w, (const uint8_t[]){1, VAL_FUNCREF, 0}, 3);
	wasm_u32(w, entries);
	wasm_end(w);
}

Test(decode, tables_have_a_longest)
{
	struct wasm_bytes w;

	table_of(&w, TABLE_ENTRIES_MAX);
	loading_accepted(&l, &w);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
	table_of(&w, TABLE_ENTRIES_MAX + 1);
	loading_refused(&l, &w, -E2BIG, "limit: table of 10000001 entries");
	wasm_free(&w);
}

static void
elem_of(struct wasm_bytes *w, uint32_t entries)
{
	wasm_begin(w);
	wasm_one_type(w, "", "");
	wasm_one_func(w);
	wasm_section(w, 9);
	wasm_bytes(w, (const uint8_t[]){1, 1, 0}, 3);
	wasm_u32(w, entries);
	for (uint32_t i = 0; i < entries; i++)
		wasm_byte(w, 0);
	wasm_end(w);
	wasm_section(w, 10);
	wasm_bytes(w, (const uint8_t[]){1, 2, 0, OP_end}, 4);
	wasm_end(w);
}

Test(decode, element_segments_have_a_longest)
{
	struct wasm_bytes w;

	elem_of(&w, TABLE_ENTRIES_MAX + 1);
	loading_refused(&l, &w, -E2BIG, "limit: 10000001 elements");
	wasm_free(&w);
}

/* --- memory ------------------------------------------------------------------------ */

Test(decode, every_allocation_may_fail)
{
	struct wasm_bytes w;
	unsigned n;

	wasm_rich(&w);
	for (n = 1;; n++) {
		l.heap.fail_after = n;
		if (loading_load(&l, w.at, w.count) == 0)
			break;
		cr_assert_eq(l.why, -ENOMEM, "%s", l.report.text);
		cr_assert_neq(l.report.text[0], '\0');
		cr_assert_lt(n, 1000);
	}
	cr_assert_gt(n, 10);
	l.heap.fail_after = 0;
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
}

Test(decode, the_price_does_not_depend_on_what_is_loaded)
{
	struct wasm_bytes w;
	struct module *again;
	uint64_t used, cost;

	wasm_rich(&w);
	used = l.heap.bytes_used;
	loading_accepted(&l, &w);
	cost = l.module->cost_bytes;
	cr_assert_geq(cost, l.heap.bytes_used - used, "%llu < %llu", (unsigned long long)cost,
		(unsigned long long)(l.heap.bytes_used - used));
	cr_assert_eq(module_load(&l.heap, &l.book, w.at, w.count, &l.report, &again), 0);
	cr_assert_eq(again->cost_bytes, cost);
	cr_assert_arr_eq(module_hash(again), module_hash(l.module), 32);
	module_free(again);
	wasm_free(&w);
}
