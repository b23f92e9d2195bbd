/* SPDX-License-Identifier: Apache-2.0 */
/* lower_stack.c - the simulated operand stack, emitting, blocks and labels. See
 * lower.c. */
#include "kernel/wasm/lower_state.h"

#include <string.h>

#include "kernel/base/must.h"
#include "kernel/base/fits.h"

/* --- emitting ------------------------------------------------------------------ */

struct insn *
lower_emit(struct lower *l, enum code op, uint32_t d, uint32_t a, uint32_t b)
{
	struct insn *insn;

	must(LOWER1, l->n < l->max);
	insn = &l->out[l->n];
	if (l->map)
		l->map->offsets[l->n] = lower_offset_now(l);
	l->n++;
	*insn = (struct insn){.op = (uint16_t)op, .d = (uint16_t)d};
	insn->a = (uint16_t)a;
	insn->b = (uint16_t)b;
	return insn;
}

uint16_t
lower_home(const struct lower *l, uint32_t operand)
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
void
lower_emit_value(struct lower *l, const struct val *v, uint16_t own, uint16_t d)
{
	switch ((enum val_kind)v->kind) {
	case AT_HOME:
		if (own != d)
			(void)lower_emit(l, CODE_mov, d, own, 0);
		break;
	case IS_LOCAL:
		if (v->a != d)
			(void)lower_emit(l, CODE_mov, d, v->a, 0);
		break;
	case IS_CONST:
		lower_emit(l, CODE_const, d, 0, 0)->imm = v->k;
		break;
	case IS_SUM:
		if (v->sum_imm)
			lower_emit(l, CODE_i32_add_si, d, v->a, 0)->imm = (uint32_t)v->k;
		else
			(void)lower_emit(l, CODE_i32_add_ss, d, v->a, v->b);
		break;
	}
}

void
lower_bring_home(struct lower *l, uint32_t operand)
{
	struct val *v = &l->vals[operand];

	if (v->kind == AT_HOME)
		return;
	lower_emit_value(l, v, lower_home(l, operand), lower_home(l, operand));
	unref(l, v);
	v->kind = AT_HOME;
	l->producer = 0;
}

/* All operands below `height` at home. */
void
lower_flush(struct lower *l, uint32_t height)
{
	for (uint32_t i = l->known; i < height; i++)
		lower_bring_home(l, i);
	if (height > l->known)
		l->known = height;
}

/* --- the simulated stack --------------------------------------------------------- */

struct val *
lower_push(struct lower *l, uint8_t type)
{
	struct val *v = &l->vals[l->height++];

	must(LOWER2, l->height <= l->func->height_max);
	*v = (struct val){.kind = AT_HOME, .type = type};
	return v;
}

/* Pops; the caller uses the value at once, before anything is pushed. */
struct val
lower_pop(struct lower *l)
{
	struct val v = l->vals[--l->height];

	unref(l, &v);
	if (l->known > l->height)
		l->known = l->height;
	return v;
}

/* The slot a just popped value (operand number `operand`) can be read from. */
uint16_t
lower_slot_of(struct lower *l, const struct val *v, uint32_t operand)
{
	if (v->kind == IS_LOCAL)
		return v->a;
	if (v->kind != AT_HOME)
		lower_emit_value(l, v, lower_home(l, operand), lower_home(l, operand));
	return lower_home(l, operand);
}

/* The top operand's producer, if it was the instruction just emitted. */
struct insn *
lower_last_producer(struct lower *l)
{
	struct insn *last;

	if (!l->producer || l->producer != l->n)
		return NULL;
	last = &l->out[l->n - 1];
	return last->d == lower_home(l, l->height - 1) ? last : NULL;
}

void
lower_push_made(struct lower *l, uint8_t type)
{
	(void)lower_push(l, type);
	l->producer = l->n;
}

void
lower_push_local(struct lower *l, uint32_t local)
{
	struct val *v = lower_push(l, l->local_types[local]);

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

void
lower_record(struct lower *l, enum phase phase, uint32_t offset, uint32_t insn, uint32_t height,
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

void
lower_close_block(struct lower *l)
{
	l->out[l->block].lo = (uint32_t)min_u64(l->cost, INT32_MAX);
}

/* Everything is at home: a block begins here, at this wasm offset. */
void
lower_open_block(struct lower *l, uint32_t offset)
{
	struct insn *insn = lower_emit(l, CODE_gas, 0, 0, 0);

	insn->ab = l->index;
	insn->hi = offset;
	l->block = l->n - 1;
	l->cost = GAS_BLOCK;
	l->producer = 0;
	lower_record(l, PHASE_HEAD, offset, l->block, l->height, 0);
}

void
lower_patch_all(struct lower *l, uint32_t list, uint32_t target)
{
	while (list) {
		struct insn *insn = &l->out[list - 1];
		const uint32_t next = insn->lo;

		insn->lo = branch_bytes(list - 1, target);
		list = next;
	}
}

struct ctl *
lower_label(struct lower *l, uint32_t depth)
{
	return &l->ctls[l->depth - 1 - depth];
}

uint32_t
lower_label_arity(const struct ctl *c)
{
	return c->kind == CTL_LOOP ? c->params_count : c->results_count;
}

/* The branch just emitted goes to this label. */
void
lower_aim(struct lower *l, struct ctl *c)
{
	struct insn *insn = &l->out[l->n - 1];

	if (c->kind == CTL_LOOP) {
		insn->lo = branch_bytes(l->n - 1, c->head);
	} else {
		insn->lo = c->patches;
		c->patches = l->n;
	}
}

/* The top operands to the label's slots; they stay on the simulated stack. */
void
lower_move_to(struct lower *l, const struct ctl *c)
{
	const uint32_t arity = lower_label_arity(c), from = l->height - arity;

	for (uint32_t i = 0; i < arity; i++)
		lower_emit_value(l, &l->vals[from + i], lower_home(l, from + i), lower_home(l, c->height + i));
}

bool
lower_moves_needed(const struct lower *l, const struct ctl *c)
{
	const uint32_t arity = lower_label_arity(c);

	return arity && l->height - arity != c->height;
}

void
lower_set_dead(struct lower *l)
{
	l->dead = true;
	l->dead_depth = 0;
	l->producer = 0;
}
