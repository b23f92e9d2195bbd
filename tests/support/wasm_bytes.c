/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/wasm_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/wasm/module.h"
#include "kernel/wasm/ops.h"

void
wasm_byte(struct wasm_bytes *w, unsigned byte)
{
	if (w->count == w->room) {
		w->room = w->room * 2 + 64;
		w->at = realloc(w->at, w->room);
		if (!w->at)
			abort();
	}
	w->at[w->count++] = (uint8_t)byte;
}

void
wasm_bytes(struct wasm_bytes *w, const void *bytes, size_t count)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < count; i++)
		wasm_byte(w, at[i]);
}

void
wasm_begin(struct wasm_bytes *w)
{
	*w = (struct wasm_bytes){.at = NULL};
	wasm_bytes(w, "\0asm\1\0\0\0", 8);
}

void
wasm_free(struct wasm_bytes *w)
{
	free(w->at);
	*w = (struct wasm_bytes){.at = NULL};
}

void
wasm_u32(struct wasm_bytes *w, uint32_t value)
{
	for (; value >= 0x80; value >>= 7)
		wasm_byte(w, (value & 0x7f) | 0x80);
	wasm_byte(w, value);
}

void
wasm_signed(struct wasm_bytes *w, int64_t value)
{
	while (value < -0x40 || value >= 0x40) {
		wasm_byte(w, (unsigned)(value & 0x7f) | 0x80);
		value >>= 7;
	}
	wasm_byte(w, (unsigned)(value & 0x7f));
}

void
wasm_name(struct wasm_bytes *w, const char *name)
{
	wasm_u32(w, (uint32_t)strlen(name));
	wasm_bytes(w, name, strlen(name));
}

void
wasm_body(struct wasm_bytes *w)
{
	w->open[w->depth++] = w->count;
	wasm_bytes(w, "\x80\x80\x80\x80\x00", 5);
}

void
wasm_section(struct wasm_bytes *w, unsigned id)
{
	wasm_byte(w, id);
	wasm_body(w);
}

void
wasm_end(struct wasm_bytes *w)
{
	const size_t at = w->open[--w->depth];
	const size_t bytes = w->count - at - 5;

	for (unsigned i = 0; i < 5; i++)
		w->at[at + i] = (uint8_t)((bytes >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
}

void
wasm_code(struct wasm_bytes *w, uint32_t op)
{
	if (op > 0xff) {
		wasm_byte(w, op >> 8);
		wasm_u32(w, op & 0xff);
	} else {
		wasm_byte(w, op);
	}
}

uint8_t
wasm_val(char letter)
{
	switch (letter) {
	case 'i':
		return VAL_I32;
	case 'I':
		return VAL_I64;
	case 'f':
		return VAL_F32;
	case 'F':
		return VAL_F64;
	case 'x':
		return VAL_EXTERNREF;
	}
	return VAL_FUNCREF;
}

static void
vals(struct wasm_bytes *w, const char *letters)
{
	wasm_u32(w, (uint32_t)strlen(letters));
	for (; *letters; letters++)
		wasm_byte(w, wasm_val(*letters));
}

void
wasm_type(struct wasm_bytes *w, const char *params, const char *results)
{
	wasm_byte(w, 0x60);
	vals(w, params);
	vals(w, results);
}

void
wasm_one_type(struct wasm_bytes *w, const char *params, const char *results)
{
	wasm_section(w, 1);
	wasm_u32(w, 1);
	wasm_type(w, params, results);
	wasm_end(w);
}

void
wasm_one_func(struct wasm_bytes *w)
{
	wasm_section(w, 3);
	wasm_u32(w, 1);
	wasm_u32(w, 0);
	wasm_end(w);
}

/* --- something of everything ------------------------------------------------------- */

static void
rich_imports(struct wasm_bytes *w)
{
	wasm_section(w, 2);
	wasm_u32(w, 3);
	wasm_name(w, "env");
	wasm_name(w, "add");
	wasm_byte(w, EXTERN_FUNC);
	wasm_u32(w, 1);
	wasm_name(w, "env");
	wasm_name(w, "base");
	wasm_byte(w, EXTERN_GLOBAL);
	wasm_bytes(w, (const uint8_t[]){VAL_I32, 0}, 2);
	wasm_name(w, "env");
	wasm_name(w, "\xe2\x82\xac"); /* a euro sign */
	wasm_byte(w, EXTERN_TABLE);
	wasm_bytes(w, (const uint8_t[]){VAL_FUNCREF, 1, 2, 20}, 4);
	wasm_end(w);
}

static void
rich_definitions(struct wasm_bytes *w)
{
	wasm_section(w, 3);
	wasm_u32(w, 3);
	wasm_bytes(w, (const uint8_t[]){0, 1, 2}, 3);
	wasm_end(w);
	wasm_section(w, 4);
	wasm_u32(w, 2);
	wasm_bytes(w, (const uint8_t[]){VAL_FUNCREF, 0, 10, VAL_EXTERNREF, 1, 3, 5}, 7);
	wasm_end(w);
	wasm_section(w, 5);
	wasm_bytes(w, (const uint8_t[]){1, 1, 1, 3}, 4);
	wasm_end(w);
	wasm_section(w, 6);
	wasm_u32(w, 5);
	wasm_bytes(w, (const uint8_t[]){VAL_I32, 1, OP_global_get, 0, OP_end}, 5);
	wasm_bytes(w, (const uint8_t[]){VAL_I64, 0, OP_i64_const, 0x7f, OP_end}, 5);
	wasm_bytes(w, (const uint8_t[]){VAL_F64, 1, OP_f64_const, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, OP_end},
		12);
	wasm_bytes(w, (const uint8_t[]){VAL_FUNCREF, 1, OP_ref_func, 2, OP_end}, 5);
	wasm_bytes(w, (const uint8_t[]){VAL_EXTERNREF, 0, OP_ref_null, VAL_EXTERNREF, OP_end}, 5);
	wasm_end(w);
	wasm_section(w, 7);
	wasm_u32(w, 4);
	wasm_name(w, "run");
	wasm_bytes(w, (const uint8_t[]){EXTERN_FUNC, 1}, 2);
	wasm_name(w, "memory");
	wasm_bytes(w, (const uint8_t[]){EXTERN_MEMORY, 0}, 2);
	wasm_name(w, "");
	wasm_bytes(w, (const uint8_t[]){EXTERN_GLOBAL, 1}, 2);
	wasm_name(w, "t");
	wasm_bytes(w, (const uint8_t[]){EXTERN_TABLE, 1}, 2);
	wasm_end(w);
	wasm_section(w, 8);
	wasm_u32(w, 1);
	wasm_end(w);
}

static void
rich_elems(struct wasm_bytes *w)
{
	static const uint8_t elems[] = {
		0, OP_i32_const, 1, OP_end, 2, 1, 2,                                        /* active */
		1, 0, 1, 3,                                                                 /* passive */
		2, 1, OP_global_get, 0, OP_end, 0, 1, 2,                                    /* table 1 */
		3, 0, 1, 2,                                                                 /* declared */
		4, OP_i32_const, 0, OP_end, 1, OP_ref_func, 1, OP_end,                      /* expressions */
		5, VAL_EXTERNREF, 1, OP_ref_null, VAL_EXTERNREF, OP_end,                    /* passive */
		6, 2, OP_i32_const, 0, OP_end, VAL_EXTERNREF, 1, OP_ref_null, VAL_EXTERNREF, OP_end,
		7, VAL_FUNCREF, 1, OP_ref_null, VAL_FUNCREF, OP_end,                        /* declared */
	};

	wasm_section(w, 9);
	wasm_u32(w, 8);
	wasm_bytes(w, elems, sizeof elems);
	wasm_end(w);
	wasm_section(w, 12);
	wasm_u32(w, 3);
	wasm_end(w);
}

static void
constant(struct wasm_bytes *w, char letter)
{
	switch (letter) {
	case 'i':
		wasm_bytes(w, (const uint8_t[]){OP_i32_const, 1}, 2);
		break;
	case 'I':
		wasm_bytes(w, (const uint8_t[]){OP_i64_const, 1}, 2);
		break;
	case 'f':
		wasm_bytes(w, (const uint8_t[]){OP_f32_const, 0, 0, 0x80, 0x3f}, 5);
		break;
	case 'F':
		wasm_bytes(w, (const uint8_t[]){OP_f64_const, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, 9);
		break;
	}
}

/* Each instruction with fixed types, its operands before it, its result dropped. */
static void
rich_simple(struct wasm_bytes *w)
{
	for (uint32_t i = 0; i < OP_INFOS; i++) {
		const struct op_info *info = &op_infos[i];
		const char *sig = info->text ? info->sig : "";
		unsigned zeros = 0;

		if (!*sig || (info->code >= OP_i32_const && info->code <= OP_f64_const))
			continue;
		for (; *sig != ':'; sig++)
			constant(w, *sig);
		wasm_code(w, info->code);
		switch ((enum imm)info->imm) {
		case IMM_MEMARG0:
		case IMM_MEMARG1:
		case IMM_MEMARG2:
		case IMM_MEMARG3:
		case IMM_DATA_MEMORY:
		case IMM_ELEM_TABLE:
		case IMM_TABLE_TABLE:
		case IMM_MEMORY_MEMORY:
			zeros = 2;
			break;
		case IMM_MEMORY:
		case IMM_TABLE:
		case IMM_DATA:
		case IMM_ELEM:
			zeros = 1;
			break;
		case IMM_FUNC:
			wasm_byte(w, 1);
			break;
		default:
			break;
		}
		while (zeros--)
			wasm_byte(w, 0);
		if (sig[1])
			wasm_byte(w, OP_drop);
	}
}

static void
rich_code(struct wasm_bytes *w)
{
	static const uint8_t control[] = {
		2, 3, VAL_I32, 1, VAL_F64, /* locals */
		OP_block, 0x40, OP_local_get, 0, OP_br_if, 0, OP_local_get, 1, OP_local_set, 0, OP_end,
		OP_local_get, 0, OP_local_get, 1, OP_loop, 1, /* type 1: takes two, gives one */
		OP_i32_add, OP_local_tee, 2, OP_local_get, 2, OP_local_get, 0, OP_br_if, 0, OP_i32_sub, OP_end,
		OP_if, VAL_I32, OP_i32_const, 5, OP_else, OP_call, 1, OP_i32_const, 6, OP_end,
		OP_block, 0x40, OP_block, 0x40, OP_local_get, 0, OP_br_table, 2, 0, 1, 0, OP_end, OP_end,
		OP_i32_const, 0, OP_i32_const, 0, OP_call_indirect, 1, 1, OP_drop,
		OP_f64_const, 0, 0, 0, 0, 0, 0, 0, 0, OP_local_set, 5,
		OP_local_get, 0, OP_local_get, 1, OP_local_get, 2, OP_select,
		OP_ref_null, VAL_FUNCREF, OP_ref_func, 1, OP_i32_const, 1, OP_select_t, 1, VAL_FUNCREF,
		OP_ref_is_null, OP_drop, OP_global_get, 0, OP_global_set, 1,
		OP_i32_const, 0, OP_table_get, 1, OP_i32_const, 1, 0xfc, 15, 1, OP_drop,
		OP_i32_const, 0, OP_i32_const, 0, OP_table_get, 2, OP_table_set, 2,
		OP_i32_const, 0, OP_ref_null, VAL_EXTERNREF, OP_i32_const, 1, 0xfc, 17, 2,
		OP_return, OP_unreachable, OP_nop, OP_end,
	};
	static const uint8_t pair[] = {0, OP_local_get, 0, OP_local_get, 0, OP_end};

	wasm_section(w, 10);
	wasm_u32(w, 3);
	wasm_body(w);
	wasm_u32(w, 0);
	rich_simple(w);
	wasm_byte(w, OP_end);
	wasm_end(w);
	wasm_body(w);
	wasm_bytes(w, control, sizeof control);
	wasm_end(w);
	wasm_body(w);
	wasm_bytes(w, pair, sizeof pair);
	wasm_end(w);
	wasm_end(w);
}

static void
rich_rest(struct wasm_bytes *w)
{
	static const uint8_t datas[] = {
		0, OP_i32_const, 4, OP_end, 3, 'a', 'b', 'c', 1, 2, 'd', 'e',
		2, 0, OP_global_get, 0, OP_end, 0};

	wasm_section(w, 11);
	wasm_u32(w, 3);
	wasm_bytes(w, datas, sizeof datas);
	wasm_end(w);
	wasm_section(w, 0);
	wasm_name(w, "name");
	wasm_section(w, 0);
	wasm_name(w, "rich");
	wasm_end(w);
	wasm_section(w, 1);
	wasm_u32(w, 2);
	wasm_u32(w, 0);
	wasm_name(w, "import");
	wasm_u32(w, 2);
	wasm_name(w, "control");
	wasm_end(w);
	wasm_end(w);
}

void
wasm_rich(struct wasm_bytes *w)
{
	wasm_begin(w);
	wasm_section(w, 0);
	wasm_name(w, "note");
	wasm_bytes(w, "anything", 8);
	wasm_end(w);
	wasm_section(w, 1);
	wasm_u32(w, 4);
	wasm_type(w, "", "");
	wasm_type(w, "ii", "i");
	wasm_type(w, "I", "II");
	wasm_type(w, "rx", "F");
	wasm_end(w);
	rich_imports(w);
	rich_definitions(w);
	rich_elems(w);
	rich_code(w);
	rich_rest(w);
}
