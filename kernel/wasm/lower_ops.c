/* SPDX-License-Identifier: Apache-2.0 */
/* lower_ops.c - instructions that are not control. See lower.c. */
#include "kernel/wasm/lower_state.h"

#include <string.h>

#include "kernel/base/must.h"

/* --- everything else ------------------------------------------------------------- */

static void
lower_local_set(struct lower *l, uint32_t local, bool tee)
{
	struct insn *last = lower_last_producer(l);
	struct val v = lower_pop(l);
	const uint32_t operand = l->height;

	if (v.kind == IS_LOCAL && v.a == local) {
		if (tee)
			lower_push_local(l, local);
		return;
	}
	if (l->local_refs[local]) { /* the old value is still wanted on the stack */
		lower_flush(l, l->height);
		last = NULL;
	}
	if (v.kind == AT_HOME && last && last->d == lower_home(l, operand))
		last->d = (uint16_t)local;
	else
		lower_emit_value(l, &v, lower_home(l, operand), (uint16_t)local);
	l->producer = 0;
	if (tee)
		lower_push_local(l, local);
}

static void
lower_select(struct lower *l)
{
	const uint8_t type = l->vals[l->height - 2].type;
	struct val c = lower_pop(l);
	const uint16_t cond = lower_slot_of(l, &c, l->height);
	struct val y = lower_pop(l);
	const uint16_t second = lower_slot_of(l, &y, l->height);
	struct val x = lower_pop(l);
	const uint16_t first = lower_slot_of(l, &x, l->height);

	lower_emit(l, CODE_select, lower_home(l, l->height), first, second)->lo = cond;
	lower_push_made(l, type);
}

enum form { FORM_NONE, FORM_BIN, FORM_CMP, FORM_FBIN, FORM_FCMP, FORM_UN, FORM_LOAD, FORM_STORE };

struct rule {
	uint8_t form, result;
	bool commutes, is_64;
	uint16_t code, swapped; /* swapped: the same with its operands exchanged */
};

#define I  VAL_I32
#define L  VAL_I64
#define F  VAL_F32
#define D  VAL_F64
#define B32(n, c) [OP_i32_##n] = {FORM_BIN, I, c, false, CODE_i32_##n##_ss, CODE_i32_##n##_ss}
#define B64(n, c) [OP_i64_##n] = {FORM_BIN, L, c, true, CODE_i64_##n##_ss, CODE_i64_##n##_ss}
#define BINS(n, c) B32(n, c), B64(n, c)
#define C32(n, s) [OP_i32_##n] = {FORM_CMP, I, true, false, CODE_i32_##n##_ss, CODE_i32_##s##_ss}
#define C64(n, s) [OP_i64_##n] = {FORM_CMP, I, true, true, CODE_i64_##n##_ss, CODE_i64_##s##_ss}
#define CMPS(n, s) C32(n, s), C64(n, s)
#define FB(n, c) \
	[OP_f32_##n] = {FORM_FBIN, F, c, false, CODE_f32_##n##_ss, CODE_f32_##n##_ss}, \
	[OP_f64_##n] = {FORM_FBIN, D, c, true, CODE_f64_##n##_ss, CODE_f64_##n##_ss}
#define FC(n) \
	[OP_f32_##n] = {FORM_FCMP, I, false, false, CODE_f32_##n##_ss, 0}, \
	[OP_f64_##n] = {FORM_FCMP, I, false, true, CODE_f64_##n##_ss, 0}
#define U(n, r) [OP_##n] = {FORM_UN, r, false, false, CODE_##n, 0}
#define LD(n, r, c) [OP_##n] = {FORM_LOAD, r, false, false, CODE_##c##_i, 0}
#define ST(n, c) [OP_##n] = {FORM_STORE, 0, false, false, CODE_##c##_i, 0}

static const struct rule rules[256] = {
	BINS(add, true), BINS(sub, false), BINS(mul, true), BINS(and, true), BINS(or, true),
	BINS(xor, true), BINS(shl, false), BINS(shr_s, false), BINS(shr_u, false),
	BINS(rotl, false), BINS(rotr, false), BINS(div_s, false), BINS(div_u, false),
	BINS(rem_s, false), BINS(rem_u, false),
	CMPS(eq, eq), CMPS(ne, ne), CMPS(lt_s, gt_s), CMPS(lt_u, gt_u), CMPS(gt_s, lt_s),
	CMPS(gt_u, lt_u), CMPS(le_s, ge_s), CMPS(le_u, ge_u), CMPS(ge_s, le_s), CMPS(ge_u, le_u),
	FB(add, true), FB(sub, false), FB(mul, true), FB(div, false), FB(min, false),
	FB(max, false), FB(copysign, false),
	FC(eq), FC(ne), FC(lt), FC(gt), FC(le), FC(ge),
	U(i32_eqz, I), U(i64_eqz, I), U(i32_clz, I), U(i32_ctz, I), U(i32_popcnt, I),
	U(i64_clz, L), U(i64_ctz, L), U(i64_popcnt, L),
	U(i32_extend8_s, I), U(i32_extend16_s, I), U(i64_extend8_s, L), U(i64_extend16_s, L),
	U(i64_extend32_s, L), U(i32_wrap_i64, I), U(i64_extend_i32_s, L),
	U(f32_abs, F), U(f32_neg, F), U(f32_ceil, F), U(f32_floor, F), U(f32_trunc, F),
	U(f32_nearest, F), U(f32_sqrt, F),
	U(f64_abs, D), U(f64_neg, D), U(f64_ceil, D), U(f64_floor, D), U(f64_trunc, D),
	U(f64_nearest, D), U(f64_sqrt, D),
	U(i32_trunc_f32_s, I), U(i32_trunc_f32_u, I), U(i32_trunc_f64_s, I), U(i32_trunc_f64_u, I),
	U(i64_trunc_f32_s, L), U(i64_trunc_f32_u, L), U(i64_trunc_f64_s, L), U(i64_trunc_f64_u, L),
	U(f32_convert_i32_s, F), U(f32_convert_i32_u, F), U(f32_convert_i64_s, F),
	U(f32_convert_i64_u, F), U(f64_convert_i32_s, D), U(f64_convert_i32_u, D),
	U(f64_convert_i64_s, D), U(f64_convert_i64_u, D), U(f32_demote_f64, F),
	U(f64_promote_f32, D),
	LD(i32_load, I, i32_load), LD(i64_load, L, i64_load), LD(f32_load, F, i32_load),
	LD(f64_load, D, f64_load), LD(i32_load8_s, I, i32_load8_s), LD(i32_load8_u, I, i32_load8_u),
	LD(i32_load16_s, I, i32_load16_s), LD(i32_load16_u, I, i32_load16_u),
	LD(i64_load8_s, L, i64_load8_s), LD(i64_load8_u, L, i64_load8_u),
	LD(i64_load16_s, L, i64_load16_s), LD(i64_load16_u, L, i64_load16_u),
	LD(i64_load32_s, L, i64_load32_s), LD(i64_load32_u, L, i64_load32_u),
	ST(i32_store, i32_store), ST(i64_store, i64_store), ST(f32_store, i32_store),
	ST(f64_store, f64_store), ST(i32_store8, i32_store8), ST(i32_store16, i32_store16),
	ST(i64_store8, i32_store8), ST(i64_store16, i32_store16), ST(i64_store32, i32_store),
};

/* A sum that may wait: i32.add of two locals, or of a local or the operand's own
 * home and a constant or a local. */
static bool
lower_sum(struct lower *l, uint32_t op)
{
	struct val *x = &l->vals[l->height - 2], *y = &l->vals[l->height - 1];
	struct val sum = {.kind = IS_SUM, .type = VAL_I32};

	if (op == OP_i32_add && x->kind == IS_CONST && y->kind == IS_LOCAL) {
		sum.a = y->a;
		sum.sum_imm = true;
		sum.k = (uint32_t)x->k;
	} else if (x->kind != AT_HOME && x->kind != IS_LOCAL) {
		return false;
	} else if (y->kind == IS_CONST) {
		sum.a = x->kind == IS_LOCAL ? x->a : lower_home(l, l->height - 2);
		sum.sum_imm = true;
		sum.k = op == OP_i32_add ? (uint32_t)y->k : 0u - (uint32_t)y->k;
	} else if (y->kind == IS_LOCAL && op == OP_i32_add) {
		sum.a = x->kind == IS_LOCAL ? x->a : lower_home(l, l->height - 2);
		sum.b = y->a;
	} else {
		return false;
	}
	(void)lower_pop(l);
	(void)lower_pop(l);
	*lower_push(l, VAL_I32) = sum;
	if (sum.a < l->locals)
		l->local_refs[sum.a]++;
	if (!sum.sum_imm)
		l->local_refs[sum.b]++;
	return true;
}

static void
lower_binary(struct lower *l, uint32_t op, const struct rule *rule)
{
	const bool has_imm = rule->form != FORM_FCMP &&
		!(rule->form == FORM_FBIN && (op == OP_f32_min || op == OP_f32_max ||
			op == OP_f64_min || op == OP_f64_max || op == OP_f32_copysign ||
			op == OP_f64_copysign));
	enum code code = rule->code;
	struct val x, y;
	uint32_t at_y;

	if ((op == OP_i32_add || op == OP_i32_sub) && lower_sum(l, op))
		return;
	y = lower_pop(l);
	x = lower_pop(l);
	at_y = l->height + 1;
	if (x.kind == IS_CONST && y.kind != IS_CONST && rule->commutes) {
		struct val swap = x;

		/* y lies one above: its home is read where it is */
		x = y;
		y = swap;
		code = rule->swapped;
		const uint16_t a = lower_slot_of(l, &x, at_y);

		lower_emit(l, code + 1, lower_home(l, l->height), a, 0)->imm = y.k;
	} else if (y.kind == IS_CONST && has_imm) {
		const uint16_t a = lower_slot_of(l, &x, l->height);

		lower_emit(l, code + 1, lower_home(l, l->height), a, 0)->imm = y.k;
	} else {
		const uint16_t a = lower_slot_of(l, &x, l->height), b = lower_slot_of(l, &y, at_y);

		(void)lower_emit(l, code, lower_home(l, l->height), a, b);
	}
	lower_push_made(l, rule->result);
}

static void
lower_unary(struct lower *l, uint32_t op, const struct rule *rule)
{
	struct insn *last = lower_last_producer(l);
	struct val v;
	enum code flipped;

	if (op == OP_i32_eqz && l->vals[l->height - 1].kind == AT_HOME && last &&
		lower_is_compare(last->op) && lower_negated(last->op, &flipped)) {
		last->op = (uint16_t)flipped; /* eqz of a comparison is the opposite one */
		return;
	}
	v = lower_pop(l);
	const uint16_t a = lower_slot_of(l, &v, l->height);

	(void)lower_emit(l, rule->code, lower_home(l, l->height), a, 0);
	lower_push_made(l, rule->result);
}

/* The address operand, popped, into a, b and hi; returns the form to add. */
static unsigned
lower_address(struct lower *l, const struct val *v, uint32_t operand, struct insn *to)
{
	to->b = 0;
	to->hi = 0;
	if (v->kind == IS_SUM) {
		to->a = v->a;
		if (v->sum_imm)
			to->hi = (uint32_t)v->k;
		else
			to->b = v->b;
		return !v->sum_imm;
	}
	if (v->kind == IS_CONST) { /* the whole address is known: 33 bits */
		to->imm = (uint64_t)(uint32_t)v->k + to->lo;
		return 2;
	}
	to->a = lower_slot_of(l, v, operand);
	return 0;
}

static void
lower_load(struct lower *l, const struct rule *rule)
{
	struct insn *last = lower_last_producer(l);
	struct insn shape = {0};
	struct val v = lower_pop(l);
	unsigned form;

	(void)lower_read_u32(l);
	shape.lo = lower_read_u32(l);
	if (v.kind == AT_HOME && last && last->op == CODE_i32_add_ss) {
		shape.a = last->a;
		shape.b = last->b;
		form = 1;
		l->n--;
	} else if (v.kind == AT_HOME && last && last->op == CODE_i32_add_si) {
		shape.a = last->a;
		shape.hi = (uint32_t)last->imm;
		form = 0;
		l->n--;
	} else {
		form = lower_address(l, &v, l->height, &shape);
	}
	struct insn *insn = lower_emit(l, rule->code + form, lower_home(l, l->height), shape.a, shape.b);

	insn->lo = shape.lo;
	insn->hi = shape.hi;
	lower_push_made(l, rule->result);
}

static void
lower_store(struct lower *l, const struct rule *rule)
{
	struct insn shape = {0};
	struct val y = lower_pop(l), x = lower_pop(l);
	const uint16_t value = lower_slot_of(l, &y, l->height + 1);
	unsigned form;

	(void)lower_read_u32(l);
	shape.lo = lower_read_u32(l);
	form = lower_address(l, &x, l->height, &shape);
	struct insn *insn = lower_emit(l, rule->code + form, value, shape.a, shape.b);

	insn->lo = shape.lo;
	insn->hi = shape.hi;
}

/* The same bits under another type: costs nothing. */
static void
retype(struct lower *l, uint8_t type)
{
	if (l->vals[l->height - 1].kind == IS_SUM)
		lower_bring_home(l, l->height - 1);
	l->vals[l->height - 1].type = type;
}

static void
push_const(struct lower *l, uint8_t type, uint64_t value)
{
	struct val *v = lower_push(l, type);

	v->kind = IS_CONST;
	v->k = value;
}

/* Bulk work and growth: operands at home, advanced in place, a safepoint. */
static struct insn *
lower_slow(struct lower *l, enum code code, enum phase phase, uint32_t offset, uint32_t operands)
{
	struct insn *insn;

	lower_flush(l, l->height);
	lower_record(l, phase, offset, l->n, l->height, 0);
	insn = lower_emit(l, code, lower_home(l, l->height - operands), lower_home(l, l->height - operands), 0);
	l->height -= operands;
	l->known = l->height;
	l->producer = 0;
	return insn;
}

void
lower_prefixed(struct lower *l, uint32_t op, uint32_t offset)
{
	static const struct {
		uint16_t code;
		uint8_t result;
	} sat[8] = {{CODE_i32_trunc_sat_f32_s, I}, {CODE_i32_trunc_sat_f32_u, I},
		{CODE_i32_trunc_sat_f64_s, I}, {CODE_i32_trunc_sat_f64_u, I},
		{CODE_i64_trunc_sat_f32_s, L}, {CODE_i64_trunc_sat_f32_u, L},
		{CODE_i64_trunc_sat_f64_s, L}, {CODE_i64_trunc_sat_f64_u, L}};
	struct insn *insn;
	uint32_t first, second;

	if (op < 0xfc08) {
		struct val v = lower_pop(l);
		const uint16_t a = lower_slot_of(l, &v, l->height);

		(void)lower_emit(l, sat[op - 0xfc00].code, lower_home(l, l->height), a, 0);
		lower_push_made(l, sat[op - 0xfc00].result);
		return;
	}
	switch (op) {
	case OP_memory_init:
		first = lower_read_u32(l);
		(void)lower_read_u32(l);
		lower_slow(l, CODE_memory_init, PHASE_BULK, offset, 3)->lo = first;
		break;
	case OP_memory_copy:
		(void)lower_read_u32(l);
		(void)lower_read_u32(l);
		(void)lower_slow(l, CODE_memory_copy, PHASE_BULK, offset, 3);
		break;
	case OP_memory_fill:
		(void)lower_read_u32(l);
		(void)lower_slow(l, CODE_memory_fill, PHASE_BULK, offset, 3);
		break;
	case OP_table_init:
		first = lower_read_u32(l);
		second = lower_read_u32(l);
		insn = lower_slow(l, CODE_table_init, PHASE_BULK, offset, 3);
		insn->lo = second;
		insn->hi = first;
		break;
	case OP_table_copy:
		first = lower_read_u32(l);
		second = lower_read_u32(l);
		insn = lower_slow(l, CODE_table_copy, PHASE_BULK, offset, 3);
		insn->lo = first;
		insn->hi = second;
		break;
	case OP_table_fill:
		first = lower_read_u32(l);
		lower_slow(l, CODE_table_fill, PHASE_BULK, offset, 3)->lo = first;
		break;
	case OP_table_grow:
		first = lower_read_u32(l);
		lower_slow(l, CODE_table_grow, PHASE_CALL, offset, 2)->lo = first;
		(void)lower_push(l, VAL_I32);
		l->known = l->height;
		break;
	case OP_table_size:
		lower_emit(l, CODE_table_size, lower_home(l, l->height), 0, 0)->lo = lower_read_u32(l);
		lower_push_made(l, VAL_I32);
		break;
	case OP_data_drop:
		lower_emit(l, CODE_data_drop, 0, 0, 0)->lo = lower_read_u32(l);
		break;
	case OP_elem_drop:
		lower_emit(l, CODE_elem_drop, 0, 0, 0)->lo = lower_read_u32(l);
		break;
	default:
		must(LOWER4, false);
	}
}

static void
lower_table_get(struct lower *l)
{
	const uint32_t table = lower_read_u32(l);
	struct val v = lower_pop(l);
	const uint16_t a = lower_slot_of(l, &v, l->height);

	lower_emit(l, CODE_table_get, lower_home(l, l->height), a, 0)->lo = table;
	lower_push_made(l, l->module->tables[table].ref);
}

static void
lower_table_set(struct lower *l)
{
	const uint32_t table = lower_read_u32(l);
	struct val y = lower_pop(l), x = lower_pop(l);
	const uint16_t b = lower_slot_of(l, &y, l->height + 1), a = lower_slot_of(l, &x, l->height);

	lower_emit(l, CODE_table_set, 0, a, b)->lo = table;
}

static uint64_t
read_fixed(struct lower *l, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)*l->at++ << (8 * i);
	return value;
}

void
lower_plain(struct lower *l, uint32_t op, uint32_t offset)
{
	const struct rule *rule = &rules[op & 0xff];
	struct val v;
	uint32_t index;

	switch (op) {
	case OP_unreachable:
		(void)lower_emit(l, CODE_unreachable, 0, 0, 0);
		lower_close_block(l);
		lower_set_dead(l);
		return;
	case OP_nop:
		return;
	case OP_block:
		lower_begin(l, CTL_BLOCK);
		return;
	case OP_loop:
		lower_begin(l, CTL_LOOP);
		return;
	case OP_if:
		lower_begin(l, CTL_IF);
		return;
	case OP_br:
		lower_br(l, lower_read_u32(l));
		return;
	case OP_br_if:
		lower_br_if(l, lower_read_u32(l));
		return;
	case OP_br_table:
		lower_br_table(l);
		return;
	case OP_return:
		lower_return(l);
		lower_close_block(l);
		lower_set_dead(l);
		return;
	case OP_call:
		lower_call(l, offset);
		return;
	case OP_call_indirect:
		lower_call_indirect(l, offset);
		return;
	case OP_drop:
		(void)lower_pop(l);
		return;
	case OP_select_t:
		for (index = lower_read_u32(l); index; index--)
			l->at++;
		lower_select(l);
		return;
	case OP_select:
		lower_select(l);
		return;
	case OP_local_get:
		lower_push_local(l, lower_read_u32(l));
		return;
	case OP_local_set:
	case OP_local_tee:
		lower_local_set(l, lower_read_u32(l), op == OP_local_tee);
		return;
	case OP_global_get:
		index = lower_read_u32(l);
		lower_emit(l, CODE_global_get, lower_home(l, l->height), 0, 0)->lo = index;
		lower_push_made(l, l->module->globals[index].val);
		return;
	case OP_global_set:
		index = lower_read_u32(l);
		v = lower_pop(l);
		const uint16_t slot = lower_slot_of(l, &v, l->height);

		lower_emit(l, CODE_global_set, 0, slot, 0)->lo = index;
		return;
	case OP_table_get:
		lower_table_get(l);
		return;
	case OP_table_set:
		lower_table_set(l);
		return;
	case OP_memory_size:
		l->at++;
		(void)lower_emit(l, CODE_memory_size, lower_home(l, l->height), 0, 0);
		lower_push_made(l, VAL_I32);
		return;
	case OP_memory_grow:
		l->at++;
		(void)lower_slow(l, CODE_memory_grow, PHASE_CALL, offset, 1);
		(void)lower_push(l, VAL_I32);
		l->known = l->height;
		return;
	case OP_i32_const:
		push_const(l, VAL_I32, (uint32_t)lower_read_signed(l));
		return;
	case OP_i64_const:
		push_const(l, VAL_I64, (uint64_t)lower_read_signed(l));
		return;
	case OP_f32_const:
		push_const(l, VAL_F32, read_fixed(l, 4));
		return;
	case OP_f64_const:
		push_const(l, VAL_F64, read_fixed(l, 8));
		return;
	case OP_i64_extend_i32_u:
	case OP_i64_reinterpret_f64:
		retype(l, VAL_I64);
		return;
	case OP_i32_reinterpret_f32:
		retype(l, VAL_I32);
		return;
	case OP_f32_reinterpret_i32:
		retype(l, VAL_F32);
		return;
	case OP_f64_reinterpret_i64:
		retype(l, VAL_F64);
		return;
	case OP_ref_null:
		push_const(l, *l->at++, 0);
		return;
	case OP_ref_is_null:
		v = lower_pop(l);
		const uint16_t ref = lower_slot_of(l, &v, l->height);

		(void)lower_emit(l, CODE_i64_eqz, lower_home(l, l->height), ref, 0);
		lower_push_made(l, VAL_I32);
		return;
	case OP_ref_func:
		lower_emit(l, CODE_ref_func, lower_home(l, l->height), 0, 0)->lo = lower_read_u32(l);
		lower_push_made(l, VAL_FUNCREF);
		return;
	}
	switch ((enum form)rule->form) {
	case FORM_BIN:
	case FORM_CMP:
	case FORM_FBIN:
	case FORM_FCMP:
		lower_binary(l, op, rule);
		return;
	case FORM_UN:
		lower_unary(l, op, rule);
		return;
	case FORM_LOAD:
		lower_load(l, rule);
		return;
	case FORM_STORE:
		lower_store(l, rule);
		return;
	case FORM_NONE:
		break;
	}
	must(LOWER5, false);
}

#undef I
#undef L
#undef F
#undef D
