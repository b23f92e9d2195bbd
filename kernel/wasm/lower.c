/* SPDX-License-Identifier: Apache-2.0 */
/* lower.c - a validated body becomes slot code, in one linear pass.
 *
 * The operand stack is simulated. What is on it is either at home (its own slot
 * of the frame) or only known: a local, a constant, or a sum of two of those.
 * So `local.get`, `const` and address sums cost nothing until somebody needs
 * them in a slot; the one who needs them takes them as his operands. Three
 * fusions follow from looking at the instruction just emitted: a constant
 * operand, a comparison under a branch, a sum under a load or store; and
 * `local.set` redirects the producer's destination.
 *
 * At every safepoint all operands are at home: before anything that heads or
 * ends a block, and before calls, flush() moves them there. Moving several to a
 * label's slots needs no parallel copy: sources lie at or above destinations,
 * and are taken in ascending order.
 *
 * Gas is summed here and nowhere else, from the weights of ops.def, block by
 * block: a `gas` instruction heads each block and holds its cost.
 *
 * The map of safepoints is not kept: lower_map() lowers a function again and
 * writes it down, when somebody asks. Same input, same code, same indices. */
#include "kernel/wasm/code.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/host.h"
#include "kernel/wasm/engine.h"
#include "kernel/wasm/leb.h"
#include "kernel/wasm/ops.h"

enum val_kind { AT_HOME, IS_LOCAL, IS_CONST, IS_SUM };

struct val {
	uint8_t kind, type;
	bool sum_imm;  /* IS_SUM: a + (uint32_t)k, else a + b */
	uint16_t a, b; /* IS_LOCAL: a; IS_SUM: slots: locals, or this operand's own home as a */
	uint64_t k;    /* IS_CONST, IS_SUM with an immediate */
};

enum ctl_kind { CTL_FUNC, CTL_BLOCK, CTL_LOOP, CTL_IF, CTL_ELSE };

struct ctl {
	enum ctl_kind kind;
	uint32_t height; /* operands below its parameters */
	const uint8_t *params, *results;
	uint32_t params_count, results_count;
	uint32_t head;     /* CTL_LOOP: its `gas` */
	uint32_t patches;  /* forward branches to its end: 1 + the last one; linked through lo */
	uint32_t to_else;  /* CTL_IF: 1 + the branch to its else */
};

struct lower {
	struct module *module;
	const struct func *func;
	uint32_t index;         /* of the function, imports counted */
	const uint8_t *at, *end;
	struct insn *out;       /* the function's code */
	uint32_t n, max;
	uint32_t producer;      /* 1 + the instruction that just made the top operand; 0: none */
	struct val *vals;
	uint32_t height;
	uint32_t known;         /* operands at or above this index may not be at home */
	uint32_t *local_refs;   /* how many known operands name each local */
	uint8_t *local_types;
	uint32_t params, locals; /* locals counts params too */
	uint16_t header, base;   /* slots: H0, and operand 0 */
	struct ctl *ctls;
	uint32_t depth, ctl_room;
	bool dead;
	uint32_t dead_depth;
	uint32_t block;         /* the open block's `gas` */
	uint64_t cost;
	struct code_map *map;   /* NULL: not recorded */
	uint32_t start;         /* index of out[0] in the module's code */
	bool no_memory;
};

/* --- reading a validated body ------------------------------------------------ */

static uint32_t
read_u32(struct lower *l)
{
	return leb_u32_checked(&l->at);
}

static int64_t
read_signed(struct lower *l)
{
	return leb_signed_checked(&l->at);
}

static uint32_t
offset_now(const struct lower *l)
{
	return (uint32_t)(l->at - l->module->bytes);
}

/* --- emitting ------------------------------------------------------------------ */

static struct insn *
emit(struct lower *l, enum code op, uint32_t d, uint32_t a, uint32_t b)
{
	struct insn *insn;

	must(LOWER1, l->n < l->max);
	insn = &l->out[l->n];
	if (l->map)
		l->map->offsets[l->n] = offset_now(l);
	l->n++;
	*insn = (struct insn){.op = (uint16_t)op, .d = (uint16_t)d};
	insn->a = (uint16_t)a;
	insn->b = (uint16_t)b;
	return insn;
}

static uint16_t
home(const struct lower *l, uint32_t operand)
{
	return (uint16_t)(l->base + operand);
}

static void
unref(struct lower *l, const struct val *v)
{
	if (v->kind == IS_LOCAL) {
		l->local_refs[v->a]--;
	} else if (v->kind == IS_SUM) {
		if (v->a < l->locals)
			l->local_refs[v->a]--;
		if (!v->sum_imm && v->b < l->locals)
			l->local_refs[v->b]--;
	}
}

/* Puts the value of v into slot d. */
static void
emit_value(struct lower *l, const struct val *v, uint16_t own, uint16_t d)
{
	switch ((enum val_kind)v->kind) {
	case AT_HOME:
		if (own != d)
			(void)emit(l, CODE_mov, d, own, 0);
		break;
	case IS_LOCAL:
		if (v->a != d)
			(void)emit(l, CODE_mov, d, v->a, 0);
		break;
	case IS_CONST:
		emit(l, CODE_const, d, 0, 0)->imm = v->k;
		break;
	case IS_SUM:
		if (v->sum_imm)
			emit(l, CODE_i32_add_si, d, v->a, 0)->imm = (uint32_t)v->k;
		else
			(void)emit(l, CODE_i32_add_ss, d, v->a, v->b);
		break;
	}
}

static void
bring_home(struct lower *l, uint32_t operand)
{
	struct val *v = &l->vals[operand];

	if (v->kind == AT_HOME)
		return;
	emit_value(l, v, home(l, operand), home(l, operand));
	unref(l, v);
	v->kind = AT_HOME;
	l->producer = 0;
}

/* All operands below `height` at home. */
static void
flush(struct lower *l, uint32_t height)
{
	for (uint32_t i = l->known; i < height; i++)
		bring_home(l, i);
	if (height > l->known)
		l->known = height;
}

/* --- the simulated stack --------------------------------------------------------- */

static struct val *
push(struct lower *l, uint8_t type)
{
	struct val *v = &l->vals[l->height++];

	must(LOWER2, l->height <= l->func->height_max);
	*v = (struct val){.kind = AT_HOME, .type = type};
	return v;
}

/* Pops; the caller uses the value at once, before anything is pushed. */
static struct val
pop(struct lower *l)
{
	struct val v = l->vals[--l->height];

	unref(l, &v);
	if (l->known > l->height)
		l->known = l->height;
	return v;
}

/* The slot a just popped value (operand number `operand`) can be read from. */
static uint16_t
slot_of(struct lower *l, const struct val *v, uint32_t operand)
{
	if (v->kind == IS_LOCAL)
		return v->a;
	if (v->kind != AT_HOME)
		emit_value(l, v, home(l, operand), home(l, operand));
	return home(l, operand);
}

/* The top operand's producer, if it was the instruction just emitted. */
static struct insn *
last_producer(struct lower *l)
{
	struct insn *last;

	if (!l->producer || l->producer != l->n)
		return NULL;
	last = &l->out[l->n - 1];
	return last->d == home(l, l->height - 1) ? last : NULL;
}

static void
push_made(struct lower *l, uint8_t type)
{
	(void)push(l, type);
	l->producer = l->n;
}

static void
push_local(struct lower *l, uint32_t local)
{
	struct val *v = push(l, l->local_types[local]);

	v->kind = IS_LOCAL;
	v->a = (uint16_t)local;
	l->local_refs[local]++;
}

/* --- blocks, gas, safepoints ------------------------------------------------------ */

static bool
map_types(struct lower *l, uint32_t height, uint32_t *ret_at)
{
	struct code_map *map = l->map;

	if (map->types_room - map->types_count < height) {
		const uint32_t room = (map->types_room + height) * 2 + 64;
		uint8_t *types =
			heap_resize(l->module->heap, map->types, map->types_room, room);

		if (!types)
			return false;
		map->types = types;
		map->types_room = room;
	}
	*ret_at = map->types_count;
	for (uint32_t i = 0; i < height; i++)
		map->types[map->types_count++] = l->vals[i].type;
	return true;
}

static void
record(struct lower *l, enum phase phase, uint32_t offset, uint32_t insn, uint32_t height,
	uint32_t calltype)
{
	struct code_map *map = l->map;
	struct safepoint *point;
	uint32_t types = 0;

	if (!map || l->no_memory)
		return;
	if (map->count == map->room) {
		const uint32_t room = map->room * 2 + 16;
		struct safepoint *points = heap_resize(l->module->heap, map->points,
			map->room * sizeof *points, room * sizeof *points);

		if (!points) {
			l->no_memory = true;
			return;
		}
		map->points = points;
		map->room = room;
	}
	if (!map_types(l, height, &types)) {
		l->no_memory = true;
		return;
	}
	point = &map->points[map->count++];
	*point = (struct safepoint){.offset = offset, .code = l->start + insn, .types = types,
		.height = (uint16_t)height, .phase = (uint8_t)phase, .calltype = calltype};
}

static void
close_block(struct lower *l)
{
	l->out[l->block].lo = (uint32_t)min_u64(l->cost, INT32_MAX);
}

/* Everything is at home: a block begins here, at this wasm offset. */
static void
open_block(struct lower *l, uint32_t offset)
{
	struct insn *insn = emit(l, CODE_gas, 0, 0, 0);

	insn->ab = l->index;
	insn->hi = offset;
	l->block = l->n - 1;
	l->cost = GAS_BLOCK;
	l->producer = 0;
	record(l, PHASE_HEAD, offset, l->block, l->height, 0);
}

static void
patch_all(struct lower *l, uint32_t list, uint32_t target)
{
	while (list) {
		struct insn *insn = &l->out[list - 1];
		const uint32_t next = insn->lo;

		insn->lo = target - (list - 1);
		list = next;
	}
}

static struct ctl *
label(struct lower *l, uint32_t depth)
{
	return &l->ctls[l->depth - 1 - depth];
}

static uint32_t
label_arity(const struct ctl *c)
{
	return c->kind == CTL_LOOP ? c->params_count : c->results_count;
}

/* The branch just emitted goes to this label. */
static void
aim(struct lower *l, struct ctl *c)
{
	struct insn *insn = &l->out[l->n - 1];

	if (c->kind == CTL_LOOP) {
		insn->lo = c->head - (l->n - 1);
	} else {
		insn->lo = c->patches;
		c->patches = l->n;
	}
}

/* The top operands to the label's slots; they stay on the simulated stack. */
static void
move_to(struct lower *l, const struct ctl *c)
{
	const uint32_t arity = label_arity(c), from = l->height - arity;

	for (uint32_t i = 0; i < arity; i++)
		emit_value(l, &l->vals[from + i], home(l, from + i), home(l, c->height + i));
}

static bool
moves_needed(const struct lower *l, const struct ctl *c)
{
	const uint32_t arity = label_arity(c);

	return arity && l->height - arity != c->height;
}

static void
set_dead(struct lower *l)
{
	l->dead = true;
	l->dead_depth = 0;
	l->producer = 0;
}

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
	const struct functype *type = &l->module->types[read_signed(l)];

	c->params = type->vals;
	c->params_count = type->params;
	c->results = type->params ? type->vals + type->params : type->vals;
	c->results_count = type->results;
}

static struct ctl *
ctl_push(struct lower *l, enum ctl_kind kind)
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
		(void)pop(l);
	must(LOWER3, l->height == height);
	for (uint32_t i = 0; i < count; i++)
		(void)push(l, types[i]);
	l->known = l->height;
}

static void
lower_return(struct lower *l)
{
	const uint32_t results = l->ctls[0].results_count;

	if (results == 0) {
		(void)emit(l, CODE_return_0, l->header, 0, 0);
	} else if (results == 1) {
		struct val v = pop(l);
		const uint16_t slot = slot_of(l, &v, l->height);

		(void)emit(l, CODE_return_1, l->header, slot, 0);
	} else {
		flush(l, l->height);
		(void)emit(l, CODE_return_n, l->header, home(l, l->height - results), results);
	}
}

static void
lower_br(struct lower *l, uint32_t depth)
{
	struct ctl *c = label(l, depth);

	if (c->kind == CTL_FUNC) {
		lower_return(l);
	} else {
		move_to(l, c);
		(void)emit(l, CODE_br, 0, 0, 0);
		aim(l, c);
	}
	close_block(l);
	set_dead(l);
}

/* Comparisons whose negation is a comparison: integers only. */
static bool
negated(enum code op, enum code *ret)
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

static bool
is_int_compare(unsigned op)
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
	if (is_int_compare(op)) {
		const bool is_imm = (op - CODE_i32_eq_ss) & 1;
		const bool is_64 = op >= CODE_i64_eq_ss;
		enum code positive = op;

		if (is_imm && is_64 && (int64_t)last->imm != (int32_t)last->imm)
			return CODE_COUNT;
		if (!want && !negated(op, &positive))
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
	const struct insn *last = last_producer(l);
	struct val v = pop(l);
	const uint32_t operand = l->height;
	struct insn fused;
	const enum code op =
		v.kind == AT_HOME ? fuse_condition(l, want, last, &fused) : CODE_COUNT;
	uint16_t slot;

	if (op == CODE_COUNT) {
		slot = slot_of(l, &v, operand);
		flush(l, l->height);
		(void)emit(l, want ? CODE_br_if : CODE_br_unless, 0, slot, 0);
		return;
	}
	flush(l, l->height);
	emit(l, op, 0, fused.a, fused.b)->hi = fused.hi;
}

static void
lower_br_if(struct lower *l, uint32_t depth)
{
	struct ctl *c = label(l, depth);

	l->height--; /* the condition, for the question alone */
	const bool moves = moves_needed(l, c);

	l->height++;
	if (!moves) {
		emit_condition(l, true);
		aim(l, c);
	} else {
		struct val v = pop(l);
		const uint16_t slot = slot_of(l, &v, l->height);
		uint32_t skip;

		flush(l, l->height);
		(void)emit(l, CODE_skip_unless, 0, slot, 0);
		skip = l->n;
		move_to(l, c);
		(void)emit(l, CODE_br, 0, 0, 0);
		aim(l, c);
		l->out[skip - 1].lo = l->n - (skip - 1);
	}
	close_block(l);
	open_block(l, offset_now(l));
}

static void
lower_br_table(struct lower *l)
{
	const uint32_t count = read_u32(l);
	struct val v = pop(l);
	const uint16_t slot = slot_of(l, &v, l->height);
	const uint8_t *targets = l->at;
	bool moves = false;
	uint32_t at;

	flush(l, l->height);
	for (uint32_t i = 0; i <= count; i++)
		moves |= moves_needed(l, label(l, read_u32(l)));
	emit(l, moves ? CODE_br_table_moves : CODE_br_table, 0, slot, 0)->lo = count;
	at = l->n;
	for (uint32_t i = 0; i <= count; i++)
		(void)emit(l, CODE_br, 0, 0, 0);
	l->at = targets;
	for (uint32_t i = 0; i <= count; i++) {
		struct ctl *c = label(l, read_u32(l));

		if (moves_needed(l, c)) {
			l->out[at + i].lo = l->n - (at + i);
			move_to(l, c);
			(void)emit(l, CODE_br, 0, 0, 0);
			aim(l, c);
		} else if (c->kind == CTL_LOOP) {
			l->out[at + i].lo = c->head - (at + i);
		} else {
			l->out[at + i].lo = c->patches;
			c->patches = at + i + 1;
		}
	}
	close_block(l);
	set_dead(l);
}

static void
lower_begin(struct lower *l, enum ctl_kind kind)
{
	struct ctl *c = ctl_push(l, kind);

	if (!c)
		return;
	block_type(l, c);
	if (kind == CTL_IF) {
		emit_condition(l, false);
		c->to_else = l->n;
		c->height = l->height - c->params_count;
		close_block(l);
		open_block(l, offset_now(l));
		return;
	}
	flush(l, l->height);
	c->height = l->height - c->params_count;
	if (kind == CTL_LOOP) {
		close_block(l);
		open_block(l, offset_now(l));
		c->head = l->block;
	}
	l->producer = 0;
}

static void
lower_else(struct lower *l)
{
	struct ctl *c = label(l, 0);

	if (!l->dead) {
		flush(l, l->height);
		(void)emit(l, CODE_br, 0, 0, 0);
		aim(l, c);
		close_block(l);
	}
	l->dead = false;
	stack_at(l, c->height, c->params, c->params_count);
	l->out[c->to_else - 1].lo = l->n - (c->to_else - 1);
	c->to_else = 0;
	c->kind = CTL_ELSE;
	open_block(l, offset_now(l));
}

static void
lower_end(struct lower *l)
{
	struct ctl *c = label(l, 0);
	bool joined;

	if (c->to_else) { /* an if without an else: its false way ends here */
		l->out[c->to_else - 1].lo = c->patches;
		c->patches = c->to_else;
	}
	joined = c->patches != 0;
	if (joined) {
		if (!l->dead) {
			flush(l, l->height);
			close_block(l);
		}
		l->dead = false;
		stack_at(l, c->height, c->results, c->results_count);
		patch_all(l, c->patches, l->n);
		open_block(l, offset_now(l));
	}
	if (c->kind == CTL_FUNC && !l->dead) {
		lower_return(l);
		close_block(l);
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
	record(l, PHASE_RETURN, offset_now(l), l->n, height, type_index);
	for (uint32_t i = 0; i < type->results; i++)
		(void)push(l, type->vals[type->params + i]);
	l->known = l->height;
	l->producer = 0;
}

static uint64_t
call_mark(const struct lower *l)
{
	return (uint64_t)l->index << 32 | offset_now(l);
}

static void
lower_call(struct lower *l, uint32_t offset)
{
	const uint32_t func = read_u32(l);
	const uint32_t type_index = l->module->func_types[func];
	const struct functype *type = &l->module->types[type_index];
	const bool is_import = func < l->module->func_imports;
	struct insn *insn;

	flush(l, l->height);
	record(l, PHASE_CALL, offset, l->n, l->height, type_index);
	insn = emit(l, is_import ? CODE_call_import : CODE_call, home(l, l->height - type->params),
		0, 0);
	insn->ab = is_import ? func : func - l->module->func_imports;
	insn->imm = call_mark(l);
	l->cost += type->params;
	call_done(l, type, type_index);
}

static void
lower_call_indirect(struct lower *l, uint32_t offset)
{
	const uint32_t type_index = read_u32(l), table = read_u32(l);
	const struct functype *type = &l->module->types[type_index];
	struct insn *insn;

	flush(l, l->height);
	record(l, PHASE_CALL, offset, l->n, l->height, type_index);
	(void)pop(l);
	insn = emit(l, CODE_call_indirect, home(l, l->height - type->params), home(l, l->height), 0);
	insn->imm = call_mark(l);
	insn = emit(l, CODE_data, 0, 0, 0);
	insn->lo = type->id;
	insn->hi = table;
	l->cost += type->params;
	call_done(l, type, type_index);
}

/* --- everything else ------------------------------------------------------------- */

static void
lower_local_set(struct lower *l, uint32_t local, bool tee)
{
	struct insn *last = last_producer(l);
	struct val v = pop(l);
	const uint32_t operand = l->height;

	if (v.kind == IS_LOCAL && v.a == local) {
		if (tee)
			push_local(l, local);
		return;
	}
	if (l->local_refs[local]) { /* the old value is still wanted on the stack */
		flush(l, l->height);
		last = NULL;
	}
	if (v.kind == AT_HOME && last && last->d == home(l, operand))
		last->d = (uint16_t)local;
	else
		emit_value(l, &v, home(l, operand), (uint16_t)local);
	l->producer = 0;
	if (tee)
		push_local(l, local);
}

static void
lower_select(struct lower *l)
{
	const uint8_t type = l->vals[l->height - 2].type;
	struct val c = pop(l);
	const uint16_t cond = slot_of(l, &c, l->height);
	struct val y = pop(l);
	const uint16_t second = slot_of(l, &y, l->height);
	struct val x = pop(l);
	const uint16_t first = slot_of(l, &x, l->height);

	emit(l, CODE_select, home(l, l->height), first, second)->lo = cond;
	push_made(l, type);
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
	LD(f64_load, D, i64_load), LD(i32_load8_s, I, i32_load8_s), LD(i32_load8_u, I, i32_load8_u),
	LD(i32_load16_s, I, i32_load16_s), LD(i32_load16_u, I, i32_load16_u),
	LD(i64_load8_s, L, i64_load8_s), LD(i64_load8_u, L, i64_load8_u),
	LD(i64_load16_s, L, i64_load16_s), LD(i64_load16_u, L, i64_load16_u),
	LD(i64_load32_s, L, i64_load32_s), LD(i64_load32_u, L, i64_load32_u),
	ST(i32_store, i32_store), ST(i64_store, i64_store), ST(f32_store, i32_store),
	ST(f64_store, i64_store), ST(i32_store8, i32_store8), ST(i32_store16, i32_store16),
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
		sum.a = x->kind == IS_LOCAL ? x->a : home(l, l->height - 2);
		sum.sum_imm = true;
		sum.k = op == OP_i32_add ? (uint32_t)y->k : 0u - (uint32_t)y->k;
	} else if (y->kind == IS_LOCAL && op == OP_i32_add) {
		sum.a = x->kind == IS_LOCAL ? x->a : home(l, l->height - 2);
		sum.b = y->a;
	} else {
		return false;
	}
	(void)pop(l);
	(void)pop(l);
	*push(l, VAL_I32) = sum;
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
	y = pop(l);
	x = pop(l);
	at_y = l->height + 1;
	if (x.kind == IS_CONST && y.kind != IS_CONST && rule->commutes) {
		struct val swap = x;

		/* y lies one above: its home is read where it is */
		x = y;
		y = swap;
		code = rule->swapped;
		const uint16_t a = slot_of(l, &x, at_y);

		emit(l, code + 1, home(l, l->height), a, 0)->imm = y.k;
	} else if (y.kind == IS_CONST && has_imm) {
		const uint16_t a = slot_of(l, &x, l->height);

		emit(l, code + 1, home(l, l->height), a, 0)->imm = y.k;
	} else {
		const uint16_t a = slot_of(l, &x, l->height), b = slot_of(l, &y, at_y);

		(void)emit(l, code, home(l, l->height), a, b);
	}
	push_made(l, rule->result);
}

static void
lower_unary(struct lower *l, uint32_t op, const struct rule *rule)
{
	struct insn *last = last_producer(l);
	struct val v;
	enum code flipped;

	if (op == OP_i32_eqz && l->vals[l->height - 1].kind == AT_HOME && last &&
		is_int_compare(last->op) && negated(last->op, &flipped)) {
		last->op = (uint16_t)flipped; /* eqz of a comparison is the opposite one */
		return;
	}
	v = pop(l);
	const uint16_t a = slot_of(l, &v, l->height);

	(void)emit(l, rule->code, home(l, l->height), a, 0);
	push_made(l, rule->result);
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
	to->a = slot_of(l, v, operand);
	return 0;
}

static void
lower_load(struct lower *l, const struct rule *rule)
{
	struct insn *last = last_producer(l);
	struct insn shape = {0};
	struct val v = pop(l);
	unsigned form;

	(void)read_u32(l);
	shape.lo = read_u32(l);
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
	struct insn *insn = emit(l, rule->code + form, home(l, l->height), shape.a, shape.b);

	insn->lo = shape.lo;
	insn->hi = shape.hi;
	push_made(l, rule->result);
}

static void
lower_store(struct lower *l, const struct rule *rule)
{
	struct insn shape = {0};
	struct val y = pop(l), x = pop(l);
	const uint16_t value = slot_of(l, &y, l->height + 1);
	unsigned form;

	(void)read_u32(l);
	shape.lo = read_u32(l);
	form = lower_address(l, &x, l->height, &shape);
	struct insn *insn = emit(l, rule->code + form, value, shape.a, shape.b);

	insn->lo = shape.lo;
	insn->hi = shape.hi;
}

/* The same bits under another type: costs nothing. */
static void
retype(struct lower *l, uint8_t type)
{
	if (l->vals[l->height - 1].kind == IS_SUM)
		bring_home(l, l->height - 1);
	l->vals[l->height - 1].type = type;
}

static void
push_const(struct lower *l, uint8_t type, uint64_t value)
{
	struct val *v = push(l, type);

	v->kind = IS_CONST;
	v->k = value;
}

/* Bulk work and growth: operands at home, advanced in place, a safepoint. */
static struct insn *
lower_slow(struct lower *l, enum code code, enum phase phase, uint32_t offset, uint32_t operands)
{
	struct insn *insn;

	flush(l, l->height);
	record(l, phase, offset, l->n, l->height, 0);
	insn = emit(l, code, home(l, l->height - operands), home(l, l->height - operands), 0);
	l->height -= operands;
	l->known = l->height;
	l->producer = 0;
	return insn;
}

static void
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
		struct val v = pop(l);
		const uint16_t a = slot_of(l, &v, l->height);

		(void)emit(l, sat[op - 0xfc00].code, home(l, l->height), a, 0);
		push_made(l, sat[op - 0xfc00].result);
		return;
	}
	switch (op) {
	case OP_memory_init:
		first = read_u32(l);
		(void)read_u32(l);
		lower_slow(l, CODE_memory_init, PHASE_BULK, offset, 3)->lo = first;
		break;
	case OP_memory_copy:
		(void)read_u32(l);
		(void)read_u32(l);
		(void)lower_slow(l, CODE_memory_copy, PHASE_BULK, offset, 3);
		break;
	case OP_memory_fill:
		(void)read_u32(l);
		(void)lower_slow(l, CODE_memory_fill, PHASE_BULK, offset, 3);
		break;
	case OP_table_init:
		first = read_u32(l);
		second = read_u32(l);
		insn = lower_slow(l, CODE_table_init, PHASE_BULK, offset, 3);
		insn->lo = second;
		insn->hi = first;
		break;
	case OP_table_copy:
		first = read_u32(l);
		second = read_u32(l);
		insn = lower_slow(l, CODE_table_copy, PHASE_BULK, offset, 3);
		insn->lo = first;
		insn->hi = second;
		break;
	case OP_table_fill:
		first = read_u32(l);
		lower_slow(l, CODE_table_fill, PHASE_BULK, offset, 3)->lo = first;
		break;
	case OP_table_grow:
		first = read_u32(l);
		lower_slow(l, CODE_table_grow, PHASE_CALL, offset, 2)->lo = first;
		(void)push(l, VAL_I32);
		l->known = l->height;
		break;
	case OP_table_size:
		emit(l, CODE_table_size, home(l, l->height), 0, 0)->lo = read_u32(l);
		push_made(l, VAL_I32);
		break;
	case OP_data_drop:
		emit(l, CODE_data_drop, 0, 0, 0)->lo = read_u32(l);
		break;
	case OP_elem_drop:
		emit(l, CODE_elem_drop, 0, 0, 0)->lo = read_u32(l);
		break;
	default:
		must(LOWER4, false);
	}
}

static void
lower_table_get(struct lower *l)
{
	const uint32_t table = read_u32(l);
	struct val v = pop(l);
	const uint16_t a = slot_of(l, &v, l->height);

	emit(l, CODE_table_get, home(l, l->height), a, 0)->lo = table;
	push_made(l, l->module->tables[table].ref);
}

static void
lower_table_set(struct lower *l)
{
	const uint32_t table = read_u32(l);
	struct val y = pop(l), x = pop(l);
	const uint16_t b = slot_of(l, &y, l->height + 1), a = slot_of(l, &x, l->height);

	emit(l, CODE_table_set, 0, a, b)->lo = table;
}

static uint64_t
read_fixed(struct lower *l, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)*l->at++ << (8 * i);
	return value;
}

static void
lower_plain(struct lower *l, uint32_t op, uint32_t offset)
{
	const struct rule *rule = &rules[op & 0xff];
	struct val v;
	uint32_t index;

	switch (op) {
	case OP_unreachable:
		(void)emit(l, CODE_unreachable, 0, 0, 0);
		close_block(l);
		set_dead(l);
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
		lower_br(l, read_u32(l));
		return;
	case OP_br_if:
		lower_br_if(l, read_u32(l));
		return;
	case OP_br_table:
		lower_br_table(l);
		return;
	case OP_return:
		lower_return(l);
		close_block(l);
		set_dead(l);
		return;
	case OP_call:
		lower_call(l, offset);
		return;
	case OP_call_indirect:
		lower_call_indirect(l, offset);
		return;
	case OP_drop:
		(void)pop(l);
		return;
	case OP_select_t:
		for (index = read_u32(l); index; index--)
			l->at++;
		lower_select(l);
		return;
	case OP_select:
		lower_select(l);
		return;
	case OP_local_get:
		push_local(l, read_u32(l));
		return;
	case OP_local_set:
	case OP_local_tee:
		lower_local_set(l, read_u32(l), op == OP_local_tee);
		return;
	case OP_global_get:
		index = read_u32(l);
		emit(l, CODE_global_get, home(l, l->height), 0, 0)->lo = index;
		push_made(l, l->module->globals[index].val);
		return;
	case OP_global_set:
		index = read_u32(l);
		v = pop(l);
		const uint16_t slot = slot_of(l, &v, l->height);

		emit(l, CODE_global_set, 0, slot, 0)->lo = index;
		return;
	case OP_table_get:
		lower_table_get(l);
		return;
	case OP_table_set:
		lower_table_set(l);
		return;
	case OP_memory_size:
		l->at++;
		(void)emit(l, CODE_memory_size, home(l, l->height), 0, 0);
		push_made(l, VAL_I32);
		return;
	case OP_memory_grow:
		l->at++;
		(void)lower_slow(l, CODE_memory_grow, PHASE_CALL, offset, 1);
		(void)push(l, VAL_I32);
		l->known = l->height;
		return;
	case OP_i32_const:
		push_const(l, VAL_I32, (uint32_t)read_signed(l));
		return;
	case OP_i64_const:
		push_const(l, VAL_I64, (uint64_t)read_signed(l));
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
		v = pop(l);
		const uint16_t ref = slot_of(l, &v, l->height);

		(void)emit(l, CODE_i64_eqz, home(l, l->height), ref, 0);
		push_made(l, VAL_I32);
		return;
	case OP_ref_func:
		emit(l, CODE_ref_func, home(l, l->height), 0, 0)->lo = read_u32(l);
		push_made(l, VAL_FUNCREF);
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

static uint32_t
read_op(struct lower *l)
{
	const uint8_t byte = *l->at++;

	return byte == 0xfc ? 0xfc00 + read_u32(l) : byte;
}

/* Past one instruction of code nobody reaches. */
static void
skip_dead(struct lower *l, uint32_t op)
{
	uint32_t count;

	switch (op) {
	case OP_block:
	case OP_loop:
	case OP_if:
		(void)read_signed(l); /* a block type is a signed LEB of 33 bits */
		l->dead_depth++;
		return;
	case OP_br_table:
		for (count = read_u32(l) + 1; count; count--)
			(void)read_u32(l);
		return;
	case OP_select_t:
		for (count = read_u32(l); count; count--)
			l->at++;
		return;
	case OP_f32_const:
		l->at += 4;
		return;
	case OP_f64_const:
		l->at += 8;
		return;
	case OP_i32_const:
	case OP_i64_const:
		(void)read_signed(l);
		return;
	}
	switch ((enum imm)op_infos[op_index(op)].imm) {
	case IMM_TYPE_TABLE:
	case IMM_MEMARG0:
	case IMM_MEMARG1:
	case IMM_MEMARG2:
	case IMM_MEMARG3:
	case IMM_DATA_MEMORY:
	case IMM_ELEM_TABLE:
	case IMM_TABLE_TABLE:
	case IMM_MEMORY_MEMORY:
		(void)read_u32(l);
		(void)read_u32(l);
		return;
	case IMM_LABEL:
	case IMM_FUNC:
	case IMM_LOCAL:
	case IMM_GLOBAL:
	case IMM_TABLE:
	case IMM_MEMORY:
	case IMM_REFTYPE:
	case IMM_DATA:
	case IMM_ELEM:
		(void)read_u32(l);
		return;
	case IMM_NONE:
	case IMM_BLOCK:
	case IMM_LABELS:
	case IMM_I32:
	case IMM_I64:
	case IMM_F32:
	case IMM_F64:
	case IMM_VALS:
		return;
	}
}

static void
lower_body(struct lower *l)
{
	while (l->depth && !l->no_memory) {
		const uint32_t offset = offset_now(l);
		const uint32_t op = read_op(l);

		if (op == OP_end) {
			if (l->dead && l->dead_depth)
				l->dead_depth--;
			else
				lower_end(l);
			continue;
		}
		if (op == OP_else) {
			if (!l->dead || !l->dead_depth)
				lower_else(l);
			continue;
		}
		if (l->dead) {
			skip_dead(l, op);
			continue;
		}
		if (l->cost > BLOCK_GAS_SPLIT) {
			flush(l, l->height);
			close_block(l);
			open_block(l, offset);
		}
		l->cost += op_infos[op_index(op)].gas;
		if (op >= 0xfc00)
			lower_prefixed(l, op, offset);
		else
			lower_plain(l, op, offset);
	}
}

/* --- one function ----------------------------------------------------------------- */

static bool
lower_locals(struct lower *l, const struct functype *type)
{
	const uint8_t *at;
	uint32_t groups, local = type->params;

	l->params = type->params;
	l->locals = type->params + l->func->locals;
	l->local_types = heap_take(l->module->heap, l->locals + 1u);
	l->local_refs = heap_take(l->module->heap, (l->locals + 1u) * sizeof *l->local_refs);
	l->vals = heap_take(l->module->heap, (l->func->height_max + 1u) * sizeof *l->vals);
	if (!l->local_types || !l->local_refs || !l->vals)
		return false;
	if (type->params)
		memcpy(l->local_types, type->vals, type->params);
	l->at = l->module->bytes + l->func->body;
	for (groups = read_u32(l); groups; groups--) {
		const uint32_t count = read_u32(l);

		memset(l->local_types + local, *l->at++, count);
		local += count;
	}
	must(LOWER6, local == l->locals);
	at = l->module->bytes + l->func->code;
	must(LOWER6, l->at == at);
	l->header = (uint16_t)l->locals;
	l->base = (uint16_t)(l->locals + HEADER_SLOTS);
	return true;
}

static bool
lower_run(struct lower *l, struct module *module, uint32_t defined, struct insn *out, uint32_t max)
{
	const uint32_t index = module->func_imports + defined;
	const struct functype *type = module_functype(module, index);
	struct heap *heap = module->heap;
	struct insn *enter;
	struct ctl *c;
	bool ok;

	l->module = module;
	l->func = &module->funcs[defined];
	l->index = index;
	l->out = out;
	l->max = max;
	ok = lower_locals(l, type) && (c = ctl_push(l, CTL_FUNC)) != NULL;
	if (ok) {
		c->results = type->params ? type->vals + type->params : type->vals;
		c->results_count = type->results;
		enter = emit(l, CODE_enter, l->header, l->func->locals, 0);
		enter->lo = (uint32_t)max_u64(l->base + l->func->height_max, type->results) + 1;
		enter->hi = type->id;
		open_block(l, l->func->code);
		l->cost += (uint64_t)l->func->locals * LOCAL_GAS;
		lower_body(l);
		ok = !l->no_memory;
	}
	heap_give(heap, l->local_types, l->locals + 1u);
	heap_give(heap, l->local_refs, (l->locals + 1u) * sizeof *l->local_refs);
	heap_give(heap, l->vals, (l->func->height_max + 1u) * sizeof *l->vals);
	heap_give(heap, l->ctls, l->ctl_room * sizeof *l->ctls);
	return ok;
}

/* validate.c's bound, and a `gas` for each split of a long block. */
static uint32_t
insns_bound(const struct func *func)
{
	return func->insns_max + func->insns_max / 16 + 8;
}

int
lower_func(struct module *module, uint32_t defined)
{
	struct code_unit *unit = &module->units[defined];
	const uint32_t max = insns_bound(&module->funcs[defined]);
	struct lower l = {.start = (uint32_t)module->code_insns};

	if (unit->count)
		return 0;
	must(LOWER7, module->code_insns + max <= module->code_insns_max);
	if (!lower_run(&l, module, defined, module->code + module->code_insns, max))
		return -ENOMEM;
	unit->start = l.start;
	unit->count = l.n;
	module->code_insns += l.n;
	module->entries[defined] = &module->code[unit->start];
	module->lowered[module->lowered_count++] = defined;
	return 0;
}

void
map_free(struct module *module, struct code_map *map)
{
	heap_give(module->heap, map->points, map->room * sizeof *map->points);
	heap_give(module->heap, map->types, map->types_room);
	heap_give(module->heap, map->offsets, map->insns * sizeof *map->offsets);
	*map = (struct code_map){0};
}

int
lower_map(struct module *module, uint32_t defined, struct code_map *ret_map)
{
	const struct code_unit *unit = &module->units[defined];
	const uint32_t max = insns_bound(&module->funcs[defined]);
	struct code_map map = {.insns = max};
	struct lower l = {.start = unit->start, .map = &map};
	struct insn *scratch;
	bool ok;

	must(LOWER8, unit->count);
	scratch = heap_take(module->heap, max * sizeof *scratch);
	map.offsets = heap_take(module->heap, max * sizeof *map.offsets);
	ok = scratch && map.offsets && lower_run(&l, module, defined, scratch, max);
	heap_give(module->heap, scratch, max * sizeof *scratch);
	if (!ok) {
		map_free(module, &map);
		return -ENOMEM;
	}
	must(LOWER9, l.n == unit->count);
	*ret_map = map;
	return 0;
}

uint32_t
lower_owner(const struct module *module, uint32_t code)
{
	uint32_t low = 0, high = module->lowered_count;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (module->units[module->lowered[middle]].start <= code)
			low = middle;
		else
			high = middle;
	}
	must(LOWER10, low < high);
	return module->lowered[low];
}

/* --- a module's code ---------------------------------------------------------------- */

static const struct insn lazy = {.op = CODE_enter, .lo = UINT32_MAX};

int
lower_open(struct module *module)
{
	static const uint16_t stubs[STUB_COUNT] = {CODE_exit, CODE_link_return, CODE_try_return};
	struct heap *heap = module->heap;
	uint64_t insns = STUB_COUNT;
	const uint64_t funcs = module->funcs_count + 1ull;

	if (module->code)
		return 0;
	for (uint32_t i = 0; i < module->funcs_count; i++)
		insns += insns_bound(&module->funcs[i]);
	if (insns > UINT32_MAX / sizeof(struct insn)) /* H0 counts bytes in 32 bits */
		return -ENOMEM;
	module->code_insns_max = insns;
	module->units = heap_take(heap, funcs * sizeof *module->units);
	module->entries = heap_take(heap, funcs * sizeof *module->entries);
	module->lowered = heap_take(heap, funcs * sizeof *module->lowered);
	module->code = heap_take(heap, insns * sizeof *module->code);
	if (!module->units || !module->entries || !module->lowered || !module->code) {
		lower_close(module);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < STUB_COUNT; i++)
		module->code[i] = (struct insn){.op = stubs[i]};
	module->code_insns = STUB_COUNT;
	for (uint32_t i = 0; i < module->funcs_count; i++)
		module->entries[i] = &lazy;
	return 0;
}

void
lower_close(struct module *module)
{
	const uint64_t funcs = module->funcs_count + 1ull;

	heap_give(module->heap, module->units, funcs * sizeof *module->units);
	heap_give(module->heap, module->entries, funcs * sizeof *module->entries);
	heap_give(module->heap, module->lowered, funcs * sizeof *module->lowered);
	heap_give(module->heap, module->code, module->code_insns_max * sizeof *module->code);
	module->units = NULL;
	module->entries = NULL;
	module->lowered = NULL;
	module->code = NULL;
}
