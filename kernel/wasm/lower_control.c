/* SPDX-License-Identifier: Apache-2.0 */
/* lower_control.c - blocks, branches, returns and calls. See lower.c. */
#include "kernel/wasm/lower_state.h"

#include <string.h>

#include "kernel/base/must.h"

/* --- control ------------------------------------------------------------------- */

static void
block_type(struct lower *l, struct ctl *c)
{
	static const uint8_t single[] = {
		VAL_I32, VAL_I64, VAL_F32, VAL_F64, VAL_FUNCREF, VAL_EXTERNREF};
	const uint8_t byte = *l->at;

	if (byte == 0x40) {
		l->at++;
		return;
	}
	for (unsigned i = 0; i < sizeof single; i++) {
		if (byte == single[i]) {
			l->at++;
			c->results = &single[i];
			c->results_count = 1;
			return;
		}
	}
	const struct functype *type = &l->module->types[lower_read_signed(l)];

	c->params = type->vals;
	c->params_count = type->params;
	c->results = type->params ? type->vals + type->params : type->vals;
	c->results_count = type->results;
}

struct ctl *
lower_ctl_push(struct lower *l, enum ctl_kind kind)
{
	if (l->depth == l->ctl_room) {
		const uint32_t room = l->ctl_room * 2 + 16;
		struct ctl *ctls = heap_resize(l->module->heap, l->ctls,
			l->ctl_room * sizeof *ctls, room * sizeof *ctls);

		if (!ctls) {
			l->no_memory = true;
			l->depth = 0;
			return NULL;
		}
		l->ctls = ctls;
		l->ctl_room = room;
	}
	l->ctls[l->depth] = (struct ctl){.kind = kind};
	return &l->ctls[l->depth++];
}

/* The stack as a label has it: `count` operands at home above `height`. */
static void
stack_at(struct lower *l, uint32_t height, const uint8_t *types, uint32_t count)
{
	while (l->height > height)
		(void)lower_pop(l);
	must(LOWER3, l->height == height);
	for (uint32_t i = 0; i < count; i++)
		(void)lower_push(l, types[i]);
	l->known = l->height;
}

void
lower_return(struct lower *l)
{
	const uint32_t results = l->ctls[0].results_count;

	if (results == 0) {
		(void)lower_emit(l, CODE_return_0, l->header, 0, 0);
	} else if (results == 1) {
		struct val v = lower_pop(l);
		const uint16_t slot = lower_slot_of(l, &v, l->height);

		(void)lower_emit(l, CODE_return_1, l->header, slot, 0);
	} else {
		lower_flush(l, l->height);
		(void)lower_emit(l, CODE_return_n, l->header, lower_home(l, l->height - results), results);
	}
}

void
lower_br(struct lower *l, uint32_t depth)
{
	struct ctl *c = lower_label(l, depth);

	if (c->kind == CTL_FUNC) {
		lower_return(l);
	} else {
		lower_move_to(l, c);
		(void)lower_emit(l, CODE_br, 0, 0, 0);
		lower_aim(l, c);
	}
	lower_close_block(l);
	lower_set_dead(l);
}

/* Comparisons whose negation is a comparison: integers only. */
bool
lower_negated(enum code op, enum code *ret)
{
#define PAIR(t, x, y)                                                                          \
	case CODE_##t##_##x##_ss: *ret = CODE_##t##_##y##_ss; return true;                     \
	case CODE_##t##_##x##_si: *ret = CODE_##t##_##y##_si; return true;
	switch ((unsigned)op) {
		PAIR(i32, eq, ne) PAIR(i32, ne, eq) PAIR(i32, lt_s, ge_s) PAIR(i32, ge_s, lt_s)
		PAIR(i32, lt_u, ge_u) PAIR(i32, ge_u, lt_u) PAIR(i32, gt_s, le_s)
		PAIR(i32, le_s, gt_s) PAIR(i32, gt_u, le_u) PAIR(i32, le_u, gt_u)
		PAIR(i64, eq, ne) PAIR(i64, ne, eq) PAIR(i64, lt_s, ge_s) PAIR(i64, ge_s, lt_s)
		PAIR(i64, lt_u, ge_u) PAIR(i64, ge_u, lt_u) PAIR(i64, gt_s, le_s)
		PAIR(i64, le_s, gt_s) PAIR(i64, gt_u, le_u) PAIR(i64, le_u, gt_u)
	}
#undef PAIR
	return false;
}

bool
lower_is_compare(unsigned op)
{
	return op >= CODE_i32_eq_ss && op <= CODE_i64_ge_u_br_si;
}

static bool
is_float_compare(unsigned op)
{
	return op >= CODE_f32_eq_ss && op <= CODE_f64_ge_bn_ss;
}

/* The popped condition's producer turned into a branch, or CODE_COUNT. `fused`
 * is the instruction taken back. */
static enum code
fuse_condition(struct lower *l, bool want, const struct insn *last, struct insn *ret_fused)
{
	enum code op;

	if (!last)
		return CODE_COUNT;
	op = last->op;
	*ret_fused = *last;
	if (op == CODE_i32_eqz || op == CODE_i64_eqz) {
		const bool is_32 = op == CODE_i32_eqz;

		ret_fused->hi = 0;
		l->n--;
		if (is_32)
			return want ? CODE_br_unless : CODE_br_if;
		return want ? CODE_i64_eq_br_si : CODE_i64_ne_br_si;
	}
	if (lower_is_compare(op)) {
		const bool is_imm = (op - CODE_i32_eq_ss) & 1;
		const bool is_64 = op >= CODE_i64_eq_ss;
		enum code positive = op;

		if (is_imm && is_64 && (int64_t)last->imm != (int32_t)last->imm)
			return CODE_COUNT;
		if (!want && !lower_negated(op, &positive))
			return CODE_COUNT;
		ret_fused->hi = (uint32_t)last->imm; /* unused by the _ss form */
		l->n--;
		return positive + 2;
	}
	if (is_float_compare(op)) {
		l->n--;
		return op + (want ? 1 : 2);
	}
	return CODE_COUNT;
}

/* Pops the condition, brings the rest home, and emits the branch taken when the
 * condition is `want` (1: non-zero, 0: zero). */
static void
emit_condition(struct lower *l, bool want)
{
	const struct insn *last = lower_last_producer(l);
	struct val v = lower_pop(l);
	const uint32_t operand = l->height;
	struct insn fused;
	const enum code op =
		v.kind == AT_HOME ? fuse_condition(l, want, last, &fused) : CODE_COUNT;
	uint16_t slot;

	if (op == CODE_COUNT) {
		slot = lower_slot_of(l, &v, operand);
		lower_flush(l, l->height);
		(void)lower_emit(l, want ? CODE_br_if : CODE_br_unless, 0, slot, 0);
		return;
	}
	lower_flush(l, l->height);
	lower_emit(l, op, 0, fused.a, fused.b)->hi = fused.hi;
}

void
lower_br_if(struct lower *l, uint32_t depth)
{
	struct ctl *c = lower_label(l, depth);

	l->height--; /* the condition, for the question alone */
	const bool moves = lower_moves_needed(l, c);

	l->height++;
	if (!moves) {
		emit_condition(l, true);
		lower_aim(l, c);
	} else {
		struct val v = lower_pop(l);
		const uint16_t slot = lower_slot_of(l, &v, l->height);
		uint32_t skip;

		lower_flush(l, l->height);
		(void)lower_emit(l, CODE_skip_unless, 0, slot, 0);
		skip = l->n;
		lower_move_to(l, c);
		(void)lower_emit(l, CODE_br, 0, 0, 0);
		lower_aim(l, c);
		l->out[skip - 1].lo = branch_bytes(skip - 1, l->n);
	}
	lower_close_block(l);
	lower_open_block(l, lower_offset_now(l));
}

void
lower_br_table(struct lower *l)
{
	const uint32_t count = lower_read_u32(l);
	struct val v = lower_pop(l);
	const uint16_t slot = lower_slot_of(l, &v, l->height);
	const uint8_t *targets = l->at;
	bool moves = false;
	uint32_t at;

	lower_flush(l, l->height);
	for (uint32_t i = 0; i <= count; i++)
		moves |= lower_moves_needed(l, lower_label(l, lower_read_u32(l)));
	lower_emit(l, moves ? CODE_br_table_moves : CODE_br_table, 0, slot, 0)->lo = count;
	at = l->n;
	for (uint32_t i = 0; i <= count; i++)
		(void)lower_emit(l, CODE_br, 0, 0, 0);
	l->at = targets;
	for (uint32_t i = 0; i <= count; i++) {
		struct ctl *c = lower_label(l, lower_read_u32(l));

		if (lower_moves_needed(l, c)) {
			l->out[at + i].lo = branch_bytes(at + i, l->n);
			lower_move_to(l, c);
			(void)lower_emit(l, CODE_br, 0, 0, 0);
			lower_aim(l, c);
		} else if (c->kind == CTL_LOOP) {
			l->out[at + i].lo = branch_bytes(at + i, c->head);
		} else {
			l->out[at + i].lo = c->patches;
			c->patches = at + i + 1;
		}
	}
	lower_close_block(l);
	lower_set_dead(l);
}

void
lower_begin(struct lower *l, enum ctl_kind kind)
{
	struct ctl *c = lower_ctl_push(l, kind);

	if (!c)
		return;
	block_type(l, c);
	if (kind == CTL_IF) {
		emit_condition(l, false);
		c->to_else = l->n;
		c->height = l->height - c->params_count;
		lower_close_block(l);
		lower_open_block(l, lower_offset_now(l));
		return;
	}
	lower_flush(l, l->height);
	c->height = l->height - c->params_count;
	if (kind == CTL_LOOP) {
		lower_close_block(l);
		lower_open_block(l, lower_offset_now(l));
		c->head = l->block;
	}
	l->producer = 0;
}

void
lower_else(struct lower *l)
{
	struct ctl *c = lower_label(l, 0);

	if (!l->dead) {
		lower_flush(l, l->height);
		(void)lower_emit(l, CODE_br, 0, 0, 0);
		lower_aim(l, c);
		lower_close_block(l);
	}
	l->dead = false;
	stack_at(l, c->height, c->params, c->params_count);
	l->out[c->to_else - 1].lo = branch_bytes(c->to_else - 1, l->n);
	c->to_else = 0;
	c->kind = CTL_ELSE;
	lower_open_block(l, lower_offset_now(l));
}

void
lower_end(struct lower *l)
{
	struct ctl *c = lower_label(l, 0);
	bool joined;

	if (c->to_else) { /* an if without an else: its false way ends here */
		l->out[c->to_else - 1].lo = c->patches;
		c->patches = c->to_else;
	}
	joined = c->patches != 0;
	if (joined) {
		if (!l->dead) {
			lower_flush(l, l->height);
			lower_close_block(l);
		}
		l->dead = false;
		stack_at(l, c->height, c->results, c->results_count);
		lower_patch_all(l, c->patches, l->n);
		lower_open_block(l, lower_offset_now(l));
	}
	if (c->kind == CTL_FUNC && !l->dead) {
		lower_return(l);
		lower_close_block(l);
	}
	l->depth--;
	if (l->dead)
		l->dead_depth = 0;
}

/* --- calls -------------------------------------------------------------------- */

static void
call_done(struct lower *l, const struct functype *type, uint32_t type_index)
{
	uint32_t height = l->height - type->params;

	l->height = height; /* all at home: nothing to unref */
	l->known = height;
	lower_record(l, PHASE_RETURN, lower_offset_now(l), l->n, height, type_index);
	for (uint32_t i = 0; i < type->results; i++)
		(void)lower_push(l, type->vals[type->params + i]);
	l->known = l->height;
	l->producer = 0;
}

static uint64_t
call_mark(const struct lower *l)
{
	return (uint64_t)l->index << 32 | lower_offset_now(l);
}

void
lower_call(struct lower *l, uint32_t offset)
{
	const uint32_t func = lower_read_u32(l);
	const uint32_t type_index = l->module->func_types[func];
	const struct functype *type = &l->module->types[type_index];
	const bool is_import = func < l->module->func_imports;
	struct insn *insn;

	lower_flush(l, l->height);
	lower_record(l, PHASE_CALL, offset, l->n, l->height, type_index);
	insn = lower_emit(l, is_import ? CODE_call_import : CODE_call, lower_home(l, l->height - type->params),
		0, 0);
	insn->ab = is_import ? func : func - l->module->func_imports;
	insn->imm = call_mark(l);
	if (!is_import) {
		insn = lower_emit(l, CODE_data, 0, 0, 0);
		insn->imm = h0_make(lower_home(l, l->height - type->params), l->start + l->n);
	}
	l->cost += type->params;
	call_done(l, type, type_index);
}

void
lower_call_indirect(struct lower *l, uint32_t offset)
{
	const uint32_t type_index = lower_read_u32(l), table = lower_read_u32(l);
	const struct functype *type = &l->module->types[type_index];
	struct insn *insn;

	lower_flush(l, l->height);
	lower_record(l, PHASE_CALL, offset, l->n, l->height, type_index);
	(void)lower_pop(l);
	insn = lower_emit(l, CODE_call_indirect, lower_home(l, l->height - type->params), lower_home(l, l->height), 0);
	insn->imm = call_mark(l);
	insn = lower_emit(l, CODE_data, 0, 0, 0);
	insn->lo = type->id;
	insn->hi = table;
	l->cost += type->params;
	call_done(l, type, type_index);
}
