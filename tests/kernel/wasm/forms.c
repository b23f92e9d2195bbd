/* SPDX-License-Identifier: Apache-2.0 */
/* forms.c - code.def's promises about accumulators, row by row, on both executors.
 *
 * One instruction runs in a machine made by hand, behind two that fill the
 * accumulators with the value of slot P. A form that takes an operand from an
 * accumulator must do what the plain one does with slot P, though the slot it
 * names holds something else. */
#include <criterion/criterion.h>
#include <string.h>

#include "kernel/wasm/lower_state.h"
#include "kernel/wasm/store.h"

enum { P = 2, Q, R, GARBAGE, H0, MARK, ONE, TWO, SLOTS };
enum { MEMORY = 256, AT_P = 8, AT_INT = 32, AT_DOUBLE = 40, CODES = 16 };

static const uint64_t values[] = {0, 1, 31, 40, 200, 0x7fffffff, 0x80000000, 0xffffffff,
	0x3f800000, 0xc0490fdb, 0x7fc00001, 0x3ff0000000000000, 0xc00921fb54442d18,
	0x7ff0000000000000, 0x7ff8000000000001, 0x8000000000000000, UINT64_MAX};
static const uint64_t imms[] = {0, 9, 0x80000000, UINT64_MAX, 0x4004000000000000};

#define EACH(i, array) (size_t i = 0; i < sizeof(array) / sizeof *(array); i++)

struct row {
	const char *name;
	enum code code;
};

struct taking {
	struct row plain, form;
	int operand;
};

enum { A, B, BOTH, D, LO };

static const struct taking takings[] = {
#define CODE(name)
#define TAKES(name, operand, kind, to) {{#name, CODE_##name}, {#to, CODE_##to}, operand},
#include "kernel/wasm/code.def"
};
static const struct {
	struct row row;
	enum code reader; /* stores the accumulator at AT_INT */
} makings[] = {
#define READ_INT CODE_i64_store_kd
#define READ_DOUBLE CODE_f64_store_kd
#define CODE(name)
#define MAKES(name, kind) {{#name, CODE_##name}, READ_##kind},
#include "kernel/wasm/code.def"
};
static const struct row keepings[] = {
#define CODE(name)
#define KEEPS(name) {#name, CODE_##name},
#include "kernel/wasm/code.def"
};
static const struct row puttings[] = {
#define CODE(name)
#define PUTS(name) {#name, CODE_##name},
#include "kernel/wasm/code.def"
};

struct state {
	uint64_t slots[SLOTS];
	uint8_t memory[MEMORY];
	struct global global;
	enum exec_end end;
	enum trap trap;
};

/* The instruction at 2; behind it `after`, and then a mark where it went. */
static void
run(enum executor executor, struct insn insn, const struct insn *after, struct state *s)
{
	struct global *globals[] = {&s->global};
	struct table table = {.count = 3}, *tables[] = {&table};
	struct insn code[CODES] = {
		{.op = CODE_i64_or_si, .d = P, .a = P},
		{.op = CODE_f64_load_k, .d = P, .imm = AT_P},
		insn, after[0], after[1],
		{.op = CODE_gas},
		{.op = CODE_mov, .d = MARK, .a = ONE},
		{.op = CODE_exit},
		{.op = CODE_gas},
		{.op = CODE_mov, .d = MARK, .a = TWO},
		{.op = CODE_exit},
	};
	struct machine m = {.mem_ends = {MEMORY, MEMORY - 1, MEMORY - 3, MEMORY - 7},
		.mem_bytes = MEMORY, .code = code, .globals = globals, .tables = tables,
		.ip = code, .fp = s->slots, .mem = s->memory, .gas = 1000};

	(executor == EXECUTOR_FAST ? exec_fast : exec_switch)(&m);
	s->end = m.end;
	s->trap = m.trap;
}

static const struct insn nothing[2] = {
	{.op = CODE_mov, .d = ONE, .a = ONE}, {.op = CODE_mov, .d = TWO, .a = TWO}};

static struct state
begin(uint64_t p, uint64_t q)
{
	struct state s = {.slots = {[P] = p, [Q] = q, [R] = 77, [GARBAGE] = 0x5a5a5a5a0badf00d,
		[H0] = 7 * sizeof(struct insn), [ONE] = 1, [TWO] = 2}, .global = {.value = 99}};

	for (unsigned i = 0; i < MEMORY; i++)
		s.memory[i] = (uint8_t)(i * 37 + 200);
	memcpy(s.memory + AT_P, &p, sizeof p);
	return s;
}

/* An instruction of this row with a = Q, b = Q, d = R and numbers that suit it. */
static struct insn
made(const struct row *row, uint64_t imm)
{
	struct insn insn = {.op = (uint16_t)row->code, .d = R, .a = Q, .b = Q, .imm = imm};
	const char *name = row->name;
	const bool access = strstr(name, "_load") || strstr(name, "_store");

	if (access && strstr(name, "_k")) {
		insn.imm = AT_P + 8;
	} else if (access) {
		insn.lo = 4;
		insn.hi = 3;
	} else if (!strncmp(name, "br_table", 8)) {
		insn.lo = 1; /* the two behind: each its own target */
	} else if (strstr(name, "br_") || strstr(name, "_bn_")) {
		insn.lo = branch_bytes(2, 8);
		insn.hi = (uint32_t)imm;
	} else if (!strncmp(name, "return_1", 8)) {
		insn.d = H0;
	} else if (!strncmp(name, "select", 6)) {
		insn.lo = Q;
		insn.b = R;
	} else if (!strncmp(name, "global", 6) || !strncmp(name, "table", 5)) {
		insn.lo = 0;
	}
	return insn;
}

static void
aim(struct insn *insn, int operand, uint16_t slot)
{
	if (operand == A || operand == BOTH)
		insn->a = slot;
	if (operand == B || operand == BOTH)
		insn->b = slot;
	if (operand == D)
		insn->d = slot;
	if (operand == LO)
		insn->lo = slot;
}

static bool
same(const struct state *x, const struct state *y)
{
	return x->end == y->end && x->trap == y->trap && x->global.value == y->global.value &&
		!memcmp(x->slots, y->slots, sizeof x->slots) &&
		!memcmp(x->memory, y->memory, sizeof x->memory);
}

static void
compare(enum executor executor, const struct taking *t, uint64_t p, uint64_t q, uint64_t imm)
{
	struct state plain = begin(p, q), form = begin(p, q);
	struct insn insn = made(&t->plain, imm);

	aim(&insn, t->operand, P);
	run(executor, insn, nothing, &plain);
	insn = made(&t->form, imm);
	aim(&insn, t->operand, GARBAGE);
	run(executor, insn, nothing, &form);
	cr_assert(same(&plain, &form), "%s is not %s of 0x%llx, 0x%llx, 0x%llx (executor %d)",
		t->form.name, t->plain.name, (unsigned long long)p, (unsigned long long)q,
		(unsigned long long)imm, (int)executor);
}

#define EXECUTORS                                                                              \
	(enum executor executor = EXECUTOR_SWITCH; executor <= EXECUTOR_FAST; executor++)

_Static_assert(EXECUTOR_SWITCH < EXECUTOR_FAST && EXECUTOR_FAST - EXECUTOR_SWITCH == 1, "a loop");

Test(forms, an_accumulator_is_as_good_as_the_slot)
{
	cr_assert_gt(sizeof takings / sizeof *takings, 400);
	for EXECUTORS
		for EACH(i, takings)
			for EACH(p, values)
				for EACH(q, values)
					for EACH(k, imms)
						compare(executor, &takings[i], values[p],
							values[q], imms[k]);
}

Test(forms, what_is_made_is_in_the_slot_and_in_the_accumulator)
{
	for EXECUTORS {
		for EACH(i, makings) {
			unsigned done = 0;

			for EACH(p, values) {
				const struct insn after[2] = {
					{.op = (uint16_t)makings[i].reader, .d = GARBAGE, .imm = AT_INT},
					{.op = CODE_mov, .d = ONE, .a = ONE}};
				struct state s = begin(values[p], 3);

				run(executor, made(&makings[i].row, 9), after, &s);
				if (s.end == EXEC_TRAP)
					continue;
				cr_assert_eq(memcmp(s.memory + AT_INT, &s.slots[R], 8), 0, "%s",
					makings[i].row.name);
				done += s.slots[R] != 77;
			}
			cr_assert(done, "%s never made anything", makings[i].row.name);
		}
	}
}

static void
keep(enum executor executor, const struct row *row, bool puts)
{
	const struct insn after[2] = {
		{.op = CODE_i64_store_kd, .d = GARBAGE, .imm = AT_INT},
		{.op = CODE_f64_store_kd, .d = GARBAGE, .imm = AT_DOUBLE}};

	for EACH(p, values) {
		struct state s = begin(values[p], 3);

		run(executor, made(row, 9), after, &s);
		if (s.end == EXEC_TRAP)
			continue;
		cr_assert_eq(memcmp(s.memory + AT_INT, &values[p], 8), 0, "%s: INT", row->name);
		cr_assert_eq(memcmp(s.memory + AT_DOUBLE, &values[p], 8), 0, "%s: DOUBLE", row->name);
		cr_assert_eq(s.slots[R] != 77, puts, "%s", row->name);
		cr_assert_eq(s.slots[Q], 3);
	}
}

Test(forms, what_keeps_leaves_the_accumulators_alone)
{
	for EXECUTORS {
		for EACH(i, keepings)
			keep(executor, &keepings[i], false);
		for EACH(i, puttings)
			keep(executor, &puttings[i], true);
	}
}

/* --- which form is chosen ------------------------------------------------------------ */

static void
chosen(struct insn before, struct insn between, struct insn insn, enum code want)
{
	struct insn code[] = {before, between, insn};

	lower_accumulate(code, 3);
	cr_assert_eq(code[2].op, want, "%d instead of %d", code[2].op, (int)want);
}

Test(forms, one_is_chosen_while_the_accumulator_is_the_slot)
{
	const struct insn add = {.op = CODE_i32_add_ss, .d = 5, .a = 1, .b = 2};
	const struct insn sum = {.op = CODE_f64_add_ss, .d = 5, .a = 1, .b = 2};
	const struct insn other = {.op = CODE_mov, .d = 6, .a = 1};
	const struct insn over = {.op = CODE_mov, .d = 5, .a = 1};
	const struct insn head = {.op = CODE_gas}, slow = {.op = CODE_table_get, .d = 9};
	const struct insn store = {.op = CODE_i32_store_i, .d = 5, .a = 5};
	const struct insn stored = {.op = CODE_i32_store_i, .d = 5, .a = 6};
	const struct insn xor_a = {.op = CODE_i32_xor_ss, .d = 7, .a = 5, .b = 6};
	const struct insn xor_b = {.op = CODE_i32_xor_ss, .d = 7, .a = 6, .b = 5};
	const struct insn square = {.op = CODE_f64_mul_ss, .d = 7, .a = 5, .b = 5};

	chosen(add, other, xor_a, CODE_i32_xor_as);
	chosen(add, other, xor_b, CODE_i32_xor_sa);
	chosen(add, store, xor_a, CODE_i32_xor_as);   /* reads slot d, does not write it */
	chosen(add, over, xor_a, CODE_i32_xor_ss);    /* the slot is another's */
	chosen(add, head, xor_a, CODE_i32_xor_ss);    /* control may come in here */
	chosen(add, slow, xor_a, CODE_i32_xor_ss);    /* nothing is kept across C */
	chosen(other, add, xor_a, CODE_i32_xor_as);
	chosen(sum, other, square, CODE_f64_mul_aa);
	chosen(sum, other, xor_a, CODE_i32_xor_ss);   /* it is in the other accumulator */
	chosen(add, sum, xor_a, CODE_i32_xor_ss);     /* one was, the other is slot 5 now */
	chosen(add, sum, square, CODE_f64_mul_aa);
	chosen(add, other, stored, CODE_i32_store_id);
}
