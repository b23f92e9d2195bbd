/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
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

TestSuite(validate, .init = open_loading, .fini = close_loading);

/* Types 0: the function's; 1: [i32 i64] -> [f32]; 2: [] -> []. Function 1 is an import. */
static void
begin_module(struct wasm_bytes *w, const char *params, const char *results)
{
	wasm_begin(w);
	wasm_section(w, 1);
	wasm_u32(w, 3);
	wasm_type(w, params, results);
	wasm_type(w, "iI", "f");
	wasm_type(w, "", "");
	wasm_end(w);
	wasm_section(w, 2);
	wasm_u32(w, 1);
	wasm_name(w, "");
	wasm_name(w, "");
	wasm_bytes(w, (const uint8_t[]){EXTERN_FUNC, 1}, 2);
	wasm_end(w);
	wasm_one_func(w);
	wasm_section(w, 4);
	wasm_bytes(w, (const uint8_t[]){2, VAL_FUNCREF, 0, 1, VAL_EXTERNREF, 0, 1}, 7);
	wasm_end(w);
	wasm_section(w, 5);
	wasm_bytes(w, (const uint8_t[]){1, 0, 1}, 3);
	wasm_end(w);
	wasm_section(w, 6);
	wasm_u32(w, 2);
	wasm_bytes(w, (const uint8_t[]){VAL_I32, 0, OP_i32_const, 0, OP_end}, 5);
	wasm_bytes(w, (const uint8_t[]){VAL_I64, 1, OP_i64_const, 0, OP_end}, 5);
	wasm_end(w);
	wasm_section(w, 9);
	wasm_bytes(w, (const uint8_t[]){2, 3, 0, 1, 0, 5, VAL_EXTERNREF, 0}, 8);
	wasm_end(w);
	wasm_section(w, 12);
	wasm_u32(w, 1);
	wasm_end(w);
	wasm_section(w, 10);
	wasm_u32(w, 1);
	wasm_body(w);
}

static void
end_module(struct wasm_bytes *w)
{
	wasm_end(w);
	wasm_end(w);
	wasm_section(w, 11);
	wasm_bytes(w, (const uint8_t[]){1, 1, 0}, 3);
	wasm_end(w);
}

static void
begin_body(struct wasm_bytes *w, const char *params, const char *results)
{
	begin_module(w, params, results);
	wasm_u32(w, 0);
}

static void
constant(struct wasm_bytes *w, char letter)
{
	static const uint8_t zeros[8] = {0};

	switch (letter) {
	case 'i':
		wasm_bytes(w, (const uint8_t[]){OP_i32_const, 0}, 2);
		break;
	case 'I':
		wasm_bytes(w, (const uint8_t[]){OP_i64_const, 0}, 2);
		break;
	case 'f':
		wasm_byte(w, OP_f32_const);
		wasm_bytes(w, zeros, 4);
		break;
	case 'F':
		wasm_byte(w, OP_f64_const);
		wasm_bytes(w, zeros, 8);
		break;
	default:
		wasm_bytes(w, (const uint8_t[]){OP_ref_null, wasm_val(letter)}, 2);
	}
}

/* Zeros that are good immediates of this instruction. */
static void
immediates(struct wasm_bytes *w, const struct op_info *info)
{
	unsigned zeros = 0;

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
	case IMM_F32:
		zeros = 4;
		break;
	case IMM_F64:
		zeros = 8;
		break;
	case IMM_NONE:
		break;
	default:
		zeros = 1;
	}
	while (zeros--)
		wasm_byte(w, 0);
}

/* Each instruction with fixed types: right operands, each operand wrong in each
 * way, one operand missing, and operands of any type in unreachable code. */
Test(validate, every_instruction_has_the_types_of_its_row)
{
	static const char letters[] = "iIfFrx";
	unsigned rows = 0;

	for (uint32_t row = 0; row < OP_INFOS; row++) {
		const struct op_info *info = &op_infos[row];
		const char *sig = info->text ? info->sig : "";
		const unsigned pops = (unsigned)strcspn(sig, ":");
		const char *results = *sig ? sig + pops + 1 : "";

		if (!*sig)
			continue;
		rows++;
		for (unsigned wrong = 0; wrong <= pops; wrong++) { /* pops: none is */
			for (const char *letter = letters; *letter; letter++) {
				struct wasm_bytes w;

				if (wrong < pops && sig[wrong] == *letter)
					continue;
				begin_body(&w, "", results);
				for (unsigned i = 0; i < pops; i++)
					constant(&w, i == wrong ? *letter : sig[i]);
				wasm_code(&w, info->code);
				immediates(&w, info);
				wasm_byte(&w, OP_end);
				end_module(&w);
				if (wrong < pops)
					loading_refused(&l, &w, -EINVAL, "invalid: type mismatch: ");
				else
					loading_accepted(&l, &w);
				(void)loading_load(&l, NULL, 0);
				wasm_free(&w);
			}
		}
		for (unsigned given = 0; given < pops; given++) {
			for (unsigned dead = 0; dead < 2; dead++) {
				struct wasm_bytes w;

				begin_body(&w, "", results);
				if (dead)
					wasm_byte(&w, OP_unreachable);
				for (unsigned i = pops - given; i < pops; i++)
					constant(&w, sig[i]);
				wasm_code(&w, info->code);
				immediates(&w, info);
				wasm_byte(&w, OP_end);
				end_module(&w);
				if (dead)
					loading_accepted(&l, &w);
				else
					loading_refused(&l, &w, -EINVAL, "invalid: type mismatch: ");
				(void)loading_load(&l, NULL, 0);
				wasm_free(&w);
			}
		}
	}
	cr_assert_gt(rows, 160, "%u", rows);
}

/* Each code that is no row is refused, each prefixed one too. */
Test(validate, what_is_no_instruction_is_illegal)
{
	for (uint32_t code = 0; code < 0x200; code++) {
		const uint32_t op = code < 0x100 ? code : 0xfc00 | (code & 0xff);
		struct wasm_bytes w;

		if (op_info(op) || op == 0xfc)
			continue;
		begin_body(&w, "", "");
		wasm_code(&w, op);
		wasm_byte(&w, OP_end);
		end_module(&w);
		loading_refused(&l, &w, -EINVAL,
			op == 0xfd ? "unsupported: SIMD" : "malformed: illegal opcode");
		wasm_free(&w);
	}
}

struct body_case {
	const char *params, *results;
	const char *bytes; /* after the locals */
	unsigned count;
	const char *words; /* NULL: valid */
};

/* clang-format off */
static const struct body_case body_cases[] = {
	{"", "", "\x0b", 1, NULL},
	{"", "i", "\x0b", 1, "invalid: type mismatch: end needs i32, found nothing"},
	{"", "", "\x41\x00\x0b", 3, "invalid: type mismatch: 1 values remain on the stack"},
	{"", "", "\x02\x40\x0b", 3, "malformed: END opcode expected"},
	{"", "", "\x0b\x0b", 2, "malformed: section size mismatch: 1 bytes after the end"},
	{"", "", "\x05\x0b", 2, "malformed: END opcode expected, found an else"},
	{"", "", "\x20\x00\x1a\x0b", 4, "invalid: unknown local 0 (local.get)"},
	{"", "", "\x0c\x01\x0b", 3, "invalid: unknown label 1 (br)"},
	{"", "", "\x10\x02\x0b", 3, "invalid: unknown function 2 (call)"},
	{"", "", "\x23\x02\x1a\x0b", 4, "invalid: unknown global 2 (global.get)"},
	{"", "", "\x41\x00\x24\x00\x0b", 5, "invalid: global is immutable (global.set)"},
	{"", "", "\x41\x00\x28\x03\x00\x1a\x0b", 7,
		"invalid: alignment must not be larger than natural (i32.load)"},
	{"", "", "\x41\x00\x28\x02", 4, "malformed: unexpected end"},
	{"", "", "\x3f\x01\x1a\x0b", 4, "malformed: zero byte expected"},
	{"", "", "\x02\x03\x0b\x0b", 4, "invalid: unknown type 3 (block)"},
	{"", "", "\x02\x41\x0b\x0b", 4, "malformed: invalid value type 0x41"},
	{"", "", "\xd2\x01\x1a\x0b", 4, "invalid: undeclared function reference (ref.func)"},
	{"", "", "\xd2\x00\x1a\x0b", 4, NULL}, /* declared by a segment */
	{"", "", "\xd0\x7f\x1a\x0b", 4, "malformed: malformed reference type 0x7f"},
	{"", "", "\x41\x00\xd1\x1a\x0b", 5, "invalid: type mismatch: ref.is_null needs a reference, found i32"},
	{"", "i", "\x41\x00\x41\x00\x04\x7f\x41\x01\x0b\x1a\x0b", 11,
		"invalid: type mismatch: an if without an else"},
	{"", "", "\x41\x00\x04\x40\x0b\x0b", 6, NULL},
	{"", "", "\x41\x00\x04\x40\x05\x05\x0b\x0b", 8, "malformed: END opcode expected, found an else"},
	{"", "", "\xd0\x70\xd0\x70\x41\x00\x1b\x1a\x0b", 9, "invalid: type mismatch: select without a type"},
	{"", "", "\x41\x00\x42\x00\x41\x00\x1b\x1a\x0b", 9,
		"invalid: type mismatch: select needs i32, found i64"},
	{"", "", "\xd0\x70\xd0\x70\x41\x00\x1c\x01\x70\x1a\x0b", 11, NULL},
	{"", "", "\xd0\x70\xd0\x70\x41\x00\x1c\x02\x70\x70\x1a\x0b", 12,
		"invalid: invalid result arity (select)"},
	{"", "", "\x41\x00\x11\x02\x00\x0b", 6, NULL},
	{"", "", "\x41\x00\x11\x02\x01\x0b", 6, "invalid: type mismatch: a table of externref"},
	{"", "", "\x41\x00\x11\x02\x02\x0b", 6, "invalid: unknown table 2 (call_indirect)"},
	{"", "", "\x41\x00\x11\x03\x00\x0b", 6, "invalid: unknown type 3 (call_indirect)"},
	{"", "", "\x41\x00\x25\x02\x1a\x0b", 6, "invalid: unknown table 2 (table.get)"},
	{"", "", "\x41\x00\xd0\x6f\x26\x00\x0b", 7,
		"invalid: type mismatch: table.set needs funcref, found externref"},
	{"", "", "\xd0\x70\x41\x00\xfc\x0f\x01\x1a\x0b", 9,
		"invalid: type mismatch: table.grow needs externref, found funcref"},
	{"", "", "\x41\x00\x41\x00\x41\x00\xfc\x08\x01\x00\x0b", 11,
		"invalid: unknown data segment 1 (memory.init)"},
	{"", "", "\x41\x00\x41\x00\x41\x00\xfc\x0c\x02\x00\x0b", 11,
		"invalid: unknown elem segment 2 (table.init)"},
	{"", "", "\x41\x00\x41\x00\x41\x00\xfc\x0c\x01\x00\x0b", 11,
		"invalid: type mismatch: table.init from externref to funcref"},
	{"", "", "\x41\x00\x41\x00\x41\x00\xfc\x0e\x00\x01\x0b", 11,
		"invalid: type mismatch: table.copy from externref to funcref"},
	{"", "", "\xfc\x09\x01\x0b", 4, "invalid: unknown data segment 1 (data.drop)"},
	{"", "", "\xfc\x80\x80\x80\x80\x80\x00\x0b", 8, "malformed: integer representation too long"},
	{"", "", "\xfc\x09\x00\x0b", 4, NULL},
	{"", "", "\x41\x00\x0e\x01\x00\x00\x0b", 7, NULL},
	{"", "", "\x41\x00\x0e\x7f\x00\x00\x0b", 7, "malformed: length out of bounds"},
	{"", "", "\x02\x7f\x41\x00\x41\x00\x0e\x01\x00\x01\x0b\x1a\x0b", 13,
		"invalid: type mismatch: labels take different numbers"},
	{"", "i",
		"\x02\x7e\x00\x1b\x0e\x01\x00\x01\x0b\x1a\x41\x00\x0b", 13, NULL}, /* i64 and i32, of any value */
	{"", "i", "\x02\x7e\x00\x41\x00\x41\x00\x0e\x01\x00\x01\x0b\x1a\x41\x00\x0b", 16,
		"invalid: type mismatch: br_table needs i64, found i32"},
	{"", "i", "\x02\x7f\x00\x0b\x0b", 5, NULL},
	{"", "i", "\x00\x41\x00\x41\x00\x0b", 6, "invalid: type mismatch: 1 values remain"},
	{"", "i", "\x41\x00\x0f\x00\x0b", 5, NULL},
	{"", "i", "\x42\x00\x0f\x0b", 4, "invalid: type mismatch: return needs i32, found i64"},
	{"i", "i", "\x03\x40\x20\x00\x0d\x00\x0b\x20\x00\x0b", 10, NULL},
	{"i", "i", "\x20\x00\x42\x00\x10\x00\xa8\x0b", 8, NULL}, /* call, i32.trunc_f32_s */
	{"i", "i", "\x42\x00\x20\x00\x10\x00\xa8\x0b", 8, "invalid: type mismatch: call needs i64, found i32"},
	{"iI", "f", "\x20\x00\x20\x01\x02\x01\x10\x00\x0b\x0b", 10, NULL}, /* a block that takes */
	{"iI", "f", "\x20\x01\x20\x00\x02\x01\x10\x00\x0b\x0b", 10,
		"invalid: type mismatch: block needs i64, found i32"},
	{"iI", "i", "\x20\x00\x20\x01\x03\x01\x0c\x00\x0b\xa8\x0b", 11, NULL}, /* back to a loop that takes */
	{"iI", "f", "\x20\x00\x20\x01\x41\x00\x04\x01\x10\x00\x05\x10\x00\x0b\x0b", 15, NULL},
};
/* clang-format on */

Test(validate, bodies_are_judged)
{
	for (size_t i = 0; i < sizeof body_cases / sizeof body_cases[0]; i++) {
		const struct body_case *c = &body_cases[i];
		struct wasm_bytes w;

		begin_body(&w, c->params, c->results);
		wasm_bytes(&w, c->bytes, c->count);
		end_module(&w);
		if (c->words)
			loading_refused(&l, &w, -EINVAL, c->words);
		else
			loading_accepted(&l, &w);
		(void)loading_load(&l, NULL, 0);
		wasm_free(&w);
	}
}

Test(validate, a_body_that_names_data_needs_the_data_count)
{
	struct wasm_bytes w;

	wasm_begin(&w);
	wasm_one_type(&w, "", "");
	wasm_one_func(&w);
	wasm_section(&w, 10);
	wasm_bytes(&w, (const uint8_t[]){1, 5, 0, 0xfc, 9, 0, OP_end}, 7);
	wasm_end(&w);
	wasm_section(&w, 11);
	wasm_bytes(&w, (const uint8_t[]){1, 1, 0}, 3);
	wasm_end(&w);
	loading_refused(&l, &w, -EINVAL, "malformed: data count section required (data.drop)");
	wasm_free(&w);
}

Test(validate, memory_instructions_need_a_memory)
{
	struct wasm_bytes w;

	wasm_begin(&w);
	wasm_one_type(&w, "", "");
	wasm_one_func(&w);
	wasm_section(&w, 10);
	wasm_bytes(&w, (const uint8_t[]){1, 5, 0, OP_memory_size, 0, OP_drop, OP_end}, 7);
	wasm_end(&w);
	loading_refused(&l, &w, -EINVAL, "invalid: unknown memory 0 (memory.size)");
	wasm_free(&w);
}

/* --- what lower.c relies on ------------------------------------------------------------ */

Test(validate, the_highest_stack_is_known)
{
	struct wasm_bytes w;

	begin_body(&w, "", "");
	for (unsigned i = 0; i < 7; i++)
		constant(&w, 'i');
	for (unsigned i = 0; i < 7; i++)
		wasm_byte(&w, OP_drop);
	wasm_byte(&w, OP_end);
	end_module(&w);
	loading_accepted(&l, &w);
	cr_assert_eq(l.module->funcs[0].height_max, 7);
	cr_assert_geq(l.module->funcs[0].insns_max, 7);
	cr_assert_eq(l.module->insns_max, l.module->funcs[0].insns_max);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
}

/* Locals by runs: in the fast array, past it, empty runs, and the last one. */
Test(validate, locals_far_out_have_their_types)
{
	static const struct {
		uint32_t local;
		unsigned op; /* that takes its type */
	} uses[] = {{0, OP_i32_eqz}, {1, OP_i64_eqz}, {511, OP_i64_eqz}, {512, OP_i64_eqz},
		{1001, OP_i64_eqz}, {1002, OP_i32_eqz}, {40001, OP_i32_eqz}, {40002, OP_i64_eqz}};

	for (unsigned i = 0; i < sizeof uses / sizeof uses[0]; i++) {
		for (unsigned wrong = 0; wrong < 2; wrong++) {
			struct wasm_bytes w;

			begin_module(&w, "iI", "");
			wasm_u32(&w, 5);
			wasm_u32(&w, 0);
			wasm_byte(&w, VAL_F64);
			wasm_u32(&w, 1000); /* 2..1001 */
			wasm_byte(&w, VAL_I64);
			wasm_u32(&w, 39000); /* 1002..40001 */
			wasm_byte(&w, VAL_I32);
			wasm_u32(&w, 0);
			wasm_byte(&w, VAL_F32);
			wasm_u32(&w, 1);
			wasm_byte(&w, VAL_I64);
			wasm_byte(&w, OP_local_get);
			wasm_u32(&w, uses[i].local);
			wasm_byte(&w, wrong ? OP_i32_eqz + OP_i64_eqz - uses[i].op : uses[i].op);
			wasm_byte(&w, OP_drop);
			wasm_byte(&w, OP_end);
			end_module(&w);
			if (wrong)
				loading_refused(&l, &w, -EINVAL, "invalid: type mismatch");
			else
				loading_accepted(&l, &w);
			(void)loading_load(&l, NULL, 0);
			wasm_free(&w);
		}
	}
}

/* --- limits ------------------------------------------------------------------------ */

static void
body_with_locals(struct wasm_bytes *w, uint32_t locals)
{
	begin_module(w, "", "");
	wasm_u32(w, 1);
	wasm_u32(w, locals);
	wasm_byte(w, VAL_I32);
	wasm_byte(w, OP_end);
	end_module(w);
}

Test(validate, locals_are_limited)
{
	struct wasm_bytes w;

	body_with_locals(&w, LOCALS_MAX);
	loading_accepted(&l, &w);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
	body_with_locals(&w, LOCALS_MAX + 1);
	loading_refused(&l, &w, -E2BIG, "limit: too many locals: 50001");
	wasm_free(&w);
}

static void
body_nested(struct wasm_bytes *w, uint32_t depth)
{
	begin_body(w, "", "");
	for (uint32_t i = 0; i < depth; i++)
		wasm_bytes(w, (const uint8_t[]){OP_block, 0x40}, 2);
	for (uint32_t i = 0; i <= depth; i++)
		wasm_byte(w, OP_end);
	end_module(w);
}

Test(validate, nesting_is_limited)
{
	struct wasm_bytes w;

	body_nested(&w, NESTING_MAX);
	loading_accepted(&l, &w);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
	body_nested(&w, NESTING_MAX + 1);
	loading_refused(&l, &w, -E2BIG, "limit: blocks nested deeper than 60000");
	wasm_free(&w);
}

static void
body_high(struct wasm_bytes *w, uint32_t operands)
{
	begin_body(w, "i", "");
	for (uint32_t i = 0; i < operands; i++)
		wasm_bytes(w, (const uint8_t[]){OP_local_get, 0}, 2);
	for (uint32_t i = 0; i < operands; i++)
		wasm_byte(w, OP_drop);
	wasm_byte(w, OP_end);
	end_module(w);
}

Test(validate, frames_are_limited)
{
	enum { HEADER = 2, PARAMS = 1 };
	struct wasm_bytes w;

	body_high(&w, FRAME_SLOTS_MAX - HEADER - PARAMS);
	loading_accepted(&l, &w);
	cr_assert_eq(l.module->funcs[0].height_max, FRAME_SLOTS_MAX - HEADER - PARAMS);
	(void)loading_load(&l, NULL, 0);
	wasm_free(&w);
	body_high(&w, FRAME_SLOTS_MAX - HEADER - PARAMS + 1);
	loading_refused(&l, &w, -E2BIG, "limit: frame of more than 60000 slots");
	wasm_free(&w);
}

/* Calls that give a thousand values push past the limit at once, not one by one. */
Test(validate, frames_are_limited_for_many_results_too)
{
	struct wasm_bytes w;

	wasm_begin(&w);
	wasm_section(&w, 1);
	wasm_u32(&w, 2);
	wasm_type(&w, "", "");
	wasm_byte(&w, 0x60);
	wasm_u32(&w, 0);
	wasm_u32(&w, RESULTS_MAX);
	for (unsigned i = 0; i < RESULTS_MAX; i++)
		wasm_byte(&w, VAL_I32);
	wasm_end(&w);
	wasm_section(&w, 3);
	wasm_bytes(&w, (const uint8_t[]){2, 0, 1}, 3);
	wasm_end(&w);
	wasm_section(&w, 10);
	wasm_u32(&w, 2);
	wasm_body(&w);
	wasm_u32(&w, 0);
	for (unsigned i = 0; i < FRAME_SLOTS_MAX / RESULTS_MAX; i++)
		wasm_bytes(&w, (const uint8_t[]){OP_call, 1}, 2);
	wasm_bytes(&w, (const uint8_t[]){OP_unreachable, OP_end}, 2);
	wasm_end(&w);
	wasm_body(&w);
	wasm_bytes(&w, (const uint8_t[]){0, OP_unreachable, OP_end}, 3);
	wasm_end(&w);
	wasm_end(&w);
	loading_refused(&l, &w, -E2BIG, "limit: frame of more than 60000 slots");
	wasm_free(&w);
}

/* A br_table of k labels with n values each is k * n moves from k bytes. */
Test(validate, slot_code_is_limited)
{
	enum { VALUES = 1000 };
	struct wasm_bytes w;

	wasm_begin(&w);
	wasm_section(&w, 1);
	wasm_u32(&w, 1);
	wasm_byte(&w, 0x60);
	wasm_u32(&w, 0);
	wasm_u32(&w, VALUES);
	for (unsigned i = 0; i < VALUES; i++)
		wasm_byte(&w, VAL_I32);
	wasm_end(&w);
	wasm_one_func(&w);
	wasm_section(&w, 10);
	wasm_u32(&w, 1);
	wasm_body(&w);
	wasm_u32(&w, 0);
	wasm_bytes(&w, (const uint8_t[]){OP_unreachable, OP_br_table}, 2);
	wasm_u32(&w, CODE_INSNS_MAX / VALUES);
	for (unsigned i = 0; i <= CODE_INSNS_MAX / VALUES; i++)
		wasm_byte(&w, 0);
	wasm_byte(&w, OP_end);
	wasm_end(&w);
	wasm_end(&w);
	loading_refused(&l, &w, -E2BIG, "limit: slot code of more than");
	wasm_free(&w);
}
