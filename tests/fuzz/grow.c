/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/grow.h"

#include <string.h>

#include "kernel/wasm/module.h"
#include "kernel/wasm/ops.h"

enum {
	IMPORTS = 4, /* two of the host's, try, throw */
	FUNCS_MOST = 4,
	LABELS_MOST = 12,
	DEPTH_MOST = 7,
	BODY_MOST = 3000,
	TABLE_ENTRIES = 8,
	FUNC_TABLE = 0, EXTERN_TABLE_INDEX = 1,
};

/* The types; functions and blocks choose among them. */
static const struct {
	const char *params, *results;
} types[] = {
	{"", ""}, {"ii", "i"}, {"I", "II"}, {"Ff", "F"}, {"ii", ""}, {"iIfF", "if"}, {"iii", "i"},
};

enum { TYPE_NONE, TYPE_HOST, TYPE_PAIR, TYPE_FLOAT, TYPE_TRIED, TYPE_MANY, TYPE_TRY, TYPES };

static const char letters[] = "iIfF";

struct grow {
	struct wasm_bytes *w;
	const uint8_t *at, *end;
	size_t limit; /* of bytes of the body */
	unsigned funcs;
	uint8_t func_types[FUNCS_MOST];
	const char *results;         /* of the function */
	unsigned params;
	char labels[LABELS_MOST];    /* what a branch there carries: a letter, or 0: nothing */
	unsigned labels_count, depth;
};

/* --- decisions ------------------------------------------------------------------------ */

static unsigned
roll(struct grow *g, unsigned sides)
{
	return g->at < g->end ? *g->at++ % sides : 0;
}

static bool
tired(const struct grow *g)
{
	return g->at >= g->end || g->depth > DEPTH_MOST || g->w->count > g->limit;
}

static void
op(struct grow *g, uint32_t code)
{
	wasm_code(g->w, code);
}

static void
op_with(struct grow *g, uint32_t code, uint32_t index)
{
	wasm_code(g->w, code);
	wasm_u32(g->w, index);
}

/* Two locals of each letter, and two counters, follow the parameters. */
static uint32_t
local_of(const struct grow *g, char letter, unsigned n)
{
	return g->params + (uint32_t)(strchr(letters, letter) - letters) * 2 + (n & 1);
}

enum { COUNTER = 8 }; /* after params + 8 typed locals: one counter a loop depth */

/* --- values --------------------------------------------------------------------------- */

static void expr(struct grow *g, char letter);
static void stmt(struct grow *g);

static void
constant(struct grow *g, char letter)
{
	static const int64_t ints[] = {0, 1, -1, 2, 7, 31, 32, 63, 64, 255, 65535, INT32_MAX, INT32_MIN,
		0x8000, INT64_MAX, INT64_MIN};
	static const uint32_t floats[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
		0x7fc00000, 0x7f800001, 0x4f000000, 0xcf000001, 0x5f000000, 0x3effffff, 0x00000001};
	static const uint64_t doubles[] = {0, 0x8000000000000000, 0x3ff0000000000000,
		0xbff8000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000,
		0x7ff0000000000001, 0x41e0000000000000, 0xc1e0000000200000, 0x43e0000000000000, 1};
	uint32_t f;
	uint64_t d;

	switch (letter) {
	case 'i':
		op(g, OP_i32_const);
		wasm_signed(g->w, (int32_t)ints[roll(g, sizeof ints / sizeof ints[0])]);
		break;
	case 'I':
		op(g, OP_i64_const);
		wasm_signed(g->w, ints[roll(g, sizeof ints / sizeof ints[0])]);
		break;
	case 'f':
		op(g, OP_f32_const);
		f = floats[roll(g, sizeof floats / sizeof floats[0])];
		for (unsigned i = 0; i < 4; i++)
			wasm_byte(g->w, f >> (8 * i) & 0xff);
		break;
	case 'F':
		op(g, OP_f64_const);
		d = doubles[roll(g, sizeof doubles / sizeof doubles[0])];
		for (unsigned i = 0; i < 8; i++)
			wasm_byte(g->w, (unsigned)(d >> (8 * i)) & 0xff);
		break;
	default:
		op(g, OP_ref_null);
		wasm_byte(g->w, wasm_val(letter));
	}
}

/* Mostly small, so that memory and table accesses often succeed. */
static void
small(struct grow *g, unsigned most)
{
	if (roll(g, 4) == 3) {
		expr(g, 'i');
		if (roll(g, 8)) {
			op(g, OP_i32_const);
			wasm_signed(g->w, (int64_t)most);
			op(g, OP_i32_and);
		}
	} else {
		op(g, OP_i32_const);
		wasm_signed(g->w, roll(g, most + 1));
	}
}

static void
memarg(struct grow *g, const struct op_info *info)
{
	wasm_u32(g->w, roll(g, info->imm - IMM_MEMARG0 + 1u));
	wasm_u32(g->w, roll(g, 8) == 7 ? UINT32_MAX - roll(g, 16) : roll(g, 40));
}

static bool
is_memarg(const struct op_info *info)
{
	return info->imm >= IMM_MEMARG0 && info->imm <= IMM_MEMARG3;
}

/* Some instruction with fixed types whose result is the letter (0: none). */
static void
simple(struct grow *g, char letter)
{
	unsigned row = roll(g, 256) + (roll(g, 8) == 7 ? 256 : 0);

	for (unsigned i = 0; i < OP_INFOS; i++, row = (row + 1) % OP_INFOS) {
		const struct op_info *info = &op_infos[row];
		const char *sig = info->text ? info->sig : "";
		const size_t pops = strcspn(sig, ":");

		if (!*sig || sig[pops + 1] != letter || (info->imm != IMM_NONE && !is_memarg(info)) ||
			!pops)
			continue;
		for (size_t k = 0; k < pops; k++) {
			if (!k && is_memarg(info))
				small(g, 65535);
			else
				expr(g, sig[k]);
		}
		op(g, info->code);
		if (is_memarg(info))
			memarg(g, info);
		return;
	}
}

static void
label_push(struct grow *g, char letter)
{
	memmove(g->labels + 1, g->labels, LABELS_MOST - 1);
	g->labels[0] = letter;
	g->labels_count++;
}

static void
label_pop(struct grow *g)
{
	memmove(g->labels, g->labels + 1, LABELS_MOST - 1);
	g->labels_count--;
}

static void
begin(struct grow *g, unsigned code, char letter)
{
	op(g, code);
	wasm_byte(g->w, letter ? wasm_val(letter) : 0x40);
	label_push(g, code == OP_loop ? 0 : letter);
}

static void
end(struct grow *g)
{
	op(g, OP_end);
	label_pop(g);
}

/* A label, from `from` on, that carries this; its depth, or -1. */
static int
label_like(const struct grow *g, char letter, unsigned from)
{
	for (unsigned i = 0; i < g->labels_count; i++) {
		const unsigned k = (from + i) % g->labels_count;

		if (g->labels[k] == letter)
			return (int)k;
	}
	return -1;
}

static void
block_expr(struct grow *g, char letter)
{
	switch (roll(g, 4)) {
	case 0:
		expr(g, 'i');
		begin(g, OP_if, letter);
		stmt(g);
		expr(g, letter);
		op(g, OP_else);
		expr(g, letter);
		end(g);
		break;
	case 1:
		begin(g, OP_loop, letter);
		stmt(g);
		expr(g, letter);
		end(g);
		break;
	default:
		begin(g, OP_block, letter);
		stmt(g);
		expr(g, letter);
		if (roll(g, 2)) { /* goes on with what the branch would carry */
			const int to = label_like(g, letter, roll(g, g->labels_count));

			expr(g, 'i');
			op_with(g, OP_br_if, (uint32_t)to);
		}
		end(g);
	}
}

/* The results, the last on top, into locals; but the first, if it is wanted. */
static void
sink_results(struct grow *g, const char *results, bool keep_first)
{
	for (size_t i = strlen(results); i-- > (keep_first ? 1 : 0);)
		op_with(g, OP_local_set, local_of(g, results[i], (unsigned)i));
}

static void
call(struct grow *g, unsigned type, unsigned how)
{
	for (const char *p = types[type].params; *p; p++)
		expr(g, *p);
	if (how == 0 && type <= TYPE_PAIR && type != TYPE_NONE) {
		op_with(g, OP_call, type - TYPE_HOST); /* imports 0 and 1 */
		return;
	}
	for (unsigned i = 0; how == 1 && i < g->funcs; i++) {
		if (g->func_types[i] == type) {
			op_with(g, OP_call, IMPORTS + i);
			return;
		}
	}
	small(g, TABLE_ENTRIES - 1);
	op_with(g, OP_call_indirect, type);
	wasm_u32(g->w, FUNC_TABLE);
}

/* A block that takes values: of type TYPE_PAIR or TYPE_MANY. */
static void
taking_block(struct grow *g, char letter)
{
	const unsigned type = letter == 'I' ? TYPE_PAIR : TYPE_HOST;

	for (const char *p = types[type].params; *p; p++)
		expr(g, *p);
	op_with(g, roll(g, 2) ? OP_loop : OP_block, type);
	label_push(g, '?'); /* nothing branches there */
	stmt(g);
	if (type == TYPE_PAIR) {
		expr(g, 'I');
	} else {
		simple(g, 0); /* under it lie operands of another block */
		op(g, OP_i32_sub);
	}
	end(g);
	sink_results(g, types[type].results, true);
}

static void
int_expr(struct grow *g)
{
	switch (roll(g, 7)) {
	case 0:
		op_with(g, OP_memory_size, 0);
		break;
	case 1:
		small(g, 2);
		op_with(g, OP_memory_grow, 0);
		break;
	case 2:
		op_with(g, OP_table_size, roll(g, 2));
		break;
	case 3:
		op(g, OP_ref_null);
		wasm_byte(g->w, VAL_EXTERNREF);
		small(g, 3);
		op_with(g, OP_table_grow, EXTERN_TABLE_INDEX);
		break;
	case 4:
		small(g, TABLE_ENTRIES - 1);
		op_with(g, OP_table_get, roll(g, 2));
		op(g, OP_ref_is_null);
		break;
	case 5: /* try */
		small(g, TABLE_ENTRIES - 1);
		expr(g, 'i');
		expr(g, 'i');
		op_with(g, OP_call, 2);
		break;
	default:
		call(g, TYPE_HOST, roll(g, 3));
	}
}

static void
expr(struct grow *g, char letter)
{
	if (tired(g) || !strchr(letters, letter)) {
		constant(g, letter);
		return;
	}
	g->depth++;
	switch (roll(g, 12)) {
	case 0:
		constant(g, letter);
		break;
	case 1:
	case 2:
		op_with(g, OP_local_get, local_of(g, letter, roll(g, 2)));
		break;
	case 3:
		expr(g, letter);
		op_with(g, OP_local_tee, local_of(g, letter, roll(g, 2)));
		break;
	case 4:
		op_with(g, OP_global_get, (uint32_t)(strchr(letters, letter) - letters));
		break;
	case 5:
		block_expr(g, letter);
		break;
	case 6:
		expr(g, letter);
		expr(g, letter);
		expr(g, 'i');
		op(g, OP_select);
		break;
	case 7:
		if (letter == 'i')
			int_expr(g);
		else if (letter == 'I')
			call(g, TYPE_PAIR, roll(g, 3)), sink_results(g, "II", true);
		else if (letter == 'F')
			call(g, TYPE_FLOAT, roll(g, 3));
		else
			call(g, TYPE_MANY, roll(g, 3)), op_with(g, OP_local_set, local_of(g, 'f', 0)),
				op(g, OP_f32_convert_i32_s);
		break;
	case 8:
		if (letter == 'i' || letter == 'I')
			taking_block(g, letter);
		else
			simple(g, letter);
		break;
	default:
		simple(g, letter);
	}
	g->depth--;
}

/* --- statements ----------------------------------------------------------------------- */

static void
counted_loop(struct grow *g)
{
	const uint32_t counter = g->params + COUNTER + (g->depth & 7);

	op(g, OP_i32_const);
	wasm_signed(g->w, 1 + roll(g, 20));
	op_with(g, OP_local_set, counter);
	begin(g, OP_loop, 0);
	stmt(g);
	stmt(g);
	op_with(g, OP_local_get, counter);
	op(g, OP_i32_const);
	wasm_signed(g->w, 1);
	op(g, OP_i32_sub);
	op_with(g, OP_local_tee, counter);
	op_with(g, OP_br_if, 0);
	end(g);
}

static void
branch_table(struct grow *g)
{
	const char letter = g->labels[roll(g, g->labels_count)];
	const unsigned count = roll(g, 5);

	if (letter == '?')
		return;
	begin(g, OP_block, 0);
	if (letter)
		expr(g, letter);
	small(g, 7);
	op_with(g, OP_br_table, count);
	for (unsigned i = 0; i <= count; i++)
		wasm_u32(g->w, (uint32_t)label_like(g, letter, roll(g, g->labels_count)));
	if (roll(g, 2)) { /* unreachable, but it must have types */
		op(g, OP_i32_add);
		op(g, OP_drop);
	}
	end(g);
}

static void
branch(struct grow *g)
{
	const unsigned to = roll(g, g->labels_count);
	const char letter = g->labels[to];
	const bool always = roll(g, 4) == 0;

	if (letter == '?')
		return;
	if (always)
		begin(g, OP_block, 0);
	if (letter)
		expr(g, letter);
	if (!always)
		expr(g, 'i');
	op_with(g, always ? OP_br : OP_br_if, to + always);
	if (always)
		end(g);
	else if (letter)
		op(g, OP_drop);
}

static void
bulk(struct grow *g)
{
	static const uint32_t codes[] = {OP_memory_fill, OP_memory_copy, OP_memory_init, OP_table_fill,
		OP_table_copy, OP_table_init, OP_data_drop, OP_elem_drop, OP_table_set};
	const uint32_t code = codes[roll(g, sizeof codes / sizeof codes[0])];
	const bool memory = code == OP_memory_fill || code == OP_memory_copy || code == OP_memory_init;

	if (code == OP_data_drop || code == OP_elem_drop) {
		op_with(g, code, code == OP_elem_drop ? roll(g, 2) : 0);
		return;
	}
	small(g, memory ? 200 : 7);
	if (code == OP_table_fill || code == OP_table_set)
		op_with(g, OP_ref_func, IMPORTS + roll(g, g->funcs));
	else
		small(g, memory ? 200 : 3);
	if (code != OP_table_set)
		small(g, memory && roll(g, 4) == 3 ? 65535 : 5);
	op_with(g, code, code == OP_table_init ? 1 : 0);
	if (code != OP_table_set && code != OP_table_fill && code != OP_memory_fill)
		wasm_u32(g->w, 0);
}

static void
rare(struct grow *g)
{
	switch (roll(g, 8)) {
	case 0:
		begin(g, OP_block, 0);
		for (const char *p = g->results; *p; p++)
			expr(g, *p);
		op(g, OP_return);
		end(g);
		break;
	case 1:
		op_with(g, OP_call, 3); /* throw */
		break;
	case 2:
		op(g, OP_unreachable);
		break;
	case 3:
		op(g, OP_nop);
		break;
	default:
		call(g, TYPE_TRIED, roll(g, 3));
	}
}

static void
stmt(struct grow *g)
{
	const char letter = letters[roll(g, 4)];

	if (tired(g) || g->labels_count >= LABELS_MOST - 2)
		return;
	g->depth++;
	switch (roll(g, 12)) {
	case 0:
		expr(g, letter);
		op(g, OP_drop);
		break;
	case 1:
		expr(g, letter);
		op_with(g, OP_global_set, (uint32_t)(strchr(letters, letter) - letters));
		break;
	case 2:
		simple(g, 0); /* a store */
		break;
	case 3:
		expr(g, 'i');
		begin(g, OP_if, 0);
		stmt(g);
		if (roll(g, 2)) {
			op(g, OP_else);
			stmt(g);
		}
		end(g);
		break;
	case 4:
		counted_loop(g);
		break;
	case 5:
		branch_table(g);
		break;
	case 6:
		branch(g);
		break;
	case 7:
		bulk(g);
		break;
	case 8:
		rare(g);
		break;
	case 9:
		stmt(g);
		stmt(g);
		break;
	default:
		expr(g, letter);
		op_with(g, OP_local_set, local_of(g, letter, roll(g, 2)));
	}
	g->depth--;
}

/* --- the module ----------------------------------------------------------------------- */

static void
import(struct grow *g, const char *module, const char *name, unsigned type)
{
	wasm_name(g->w, module);
	wasm_name(g->w, name);
	wasm_byte(g->w, EXTERN_FUNC);
	wasm_u32(g->w, type);
}

static void
head(struct grow *g)
{
	struct wasm_bytes *w = g->w;

	wasm_section(w, 1);
	wasm_u32(w, TYPES);
	for (unsigned i = 0; i < TYPES; i++)
		wasm_type(w, types[i].params, types[i].results);
	wasm_end(w);
	wasm_section(w, 2);
	wasm_u32(w, IMPORTS);
	import(g, "env", "a", TYPE_HOST);
	import(g, "env", "b", TYPE_PAIR);
	import(g, "keyhold", "try", TYPE_TRY);
	import(g, "keyhold", "throw", TYPE_NONE);
	wasm_end(w);
	wasm_section(w, 3);
	wasm_u32(w, g->funcs);
	for (unsigned i = 0; i < g->funcs; i++)
		wasm_u32(w, g->func_types[i]);
	wasm_end(w);
	wasm_section(w, 4);
	wasm_bytes(w, (const uint8_t[]){2, VAL_FUNCREF, 0, TABLE_ENTRIES, VAL_EXTERNREF, 1, 4, 12}, 8);
	wasm_end(w);
	wasm_section(w, 5);
	wasm_bytes(w, (const uint8_t[]){1, 1, 1, 4}, 4);
	wasm_end(w);
	wasm_section(w, 6);
	wasm_u32(w, 4);
	for (const char *p = letters; *p; p++) {
		wasm_byte(w, wasm_val(*p));
		wasm_byte(w, 1);
		constant(g, *p);
		wasm_byte(w, OP_end);
	}
	wasm_end(w);
	wasm_section(w, 7);
	wasm_u32(w, g->funcs);
	for (unsigned i = 0; i < g->funcs; i++) {
		const char name[] = {(char)('a' + (int)i), 0};

		wasm_name(w, name);
		wasm_byte(w, EXTERN_FUNC);
		wasm_u32(w, IMPORTS + i);
	}
	wasm_end(w);
	wasm_section(w, 9); /* the table, round and round; and a passive one */
	wasm_u32(w, 2);
	wasm_bytes(w, (const uint8_t[]){0, OP_i32_const, 0, OP_end, TABLE_ENTRIES - 1}, 5);
	for (unsigned i = 0; i < TABLE_ENTRIES - 1; i++)
		wasm_u32(w, i == 5 ? roll(g, IMPORTS) : IMPORTS + i % g->funcs);
	wasm_bytes(w, (const uint8_t[]){1, 0, 2, 0, IMPORTS}, 5);
	wasm_end(w);
	wasm_section(w, 12);
	wasm_u32(w, 1);
	wasm_end(w);
}

static void
body(struct grow *g, unsigned type)
{
	struct wasm_bytes *w = g->w;

	g->results = types[type].results;
	g->params = (unsigned)strlen(types[type].params);
	g->limit = w->count + BODY_MOST;
	/* A branch to the body itself would carry all its results; only one is grown. */
	g->labels[0] = strlen(g->results) > 1 ? '?' : *g->results;
	g->labels_count = 1;
	g->depth = 0;
	wasm_body(w);
	wasm_u32(w, 5);
	for (const char *p = letters; *p; p++) {
		wasm_u32(w, 2);
		wasm_byte(w, wasm_val(*p));
	}
	wasm_u32(w, 8);
	wasm_byte(w, VAL_I32);
	for (unsigned n = 1 + roll(g, 6); n; n--)
		stmt(g);
	for (const char *p = g->results; *p; p++)
		expr(g, *p);
	wasm_byte(w, OP_end);
	wasm_end(w);
}

void
grow_module(struct wasm_bytes *w, const uint8_t *dice, size_t count)
{
	struct grow g = {.w = w, .at = dice, .end = dice + count};

	wasm_begin(w);
	g.funcs = 1 + roll(&g, FUNCS_MOST);
	for (unsigned i = 0; i < g.funcs; i++)
		g.func_types[i] = (uint8_t)roll(&g, TYPE_TRY);
	head(&g);
	wasm_section(w, 10);
	wasm_u32(w, g.funcs);
	for (unsigned i = 0; i < g.funcs; i++)
		body(&g, g.func_types[i]);
	wasm_end(w);
	wasm_section(w, 11);
	wasm_bytes(w, (const uint8_t[]){1, 1, 5, 'b', 'y', 't', 'e', 's'}, 8);
	wasm_end(w);
}
