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
 * ends a block, and before calls, lower_flush() moves them there. Moving several to a
 * label's slots needs no parallel copy: sources lie at or above destinations,
 * and are taken in ascending order.
 *
 * At the end lower_acc.c lets instructions take operands out of accumulators.
 *
 * Gas is summed here and nowhere else, from the weights of ops.def, block by
 * block: a `gas` instruction heads each block and holds its cost.
 *
 * The map of safepoints is not kept: lower_map() lowers a function again and
 * writes it down, when somebody asks. Same input, same code, same indices. */
#include "kernel/wasm/lower_state.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"

static uint32_t
read_op(struct lower *l)
{
	const uint8_t byte = *l->at++;

	return byte == 0xfc ? 0xfc00 + lower_read_u32(l) : byte;
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
		(void)lower_read_signed(l); /* a block type is a signed LEB of 33 bits */
		l->dead_depth++;
		return;
	case OP_br_table:
		for (count = lower_read_u32(l) + 1; count; count--)
			(void)lower_read_u32(l);
		return;
	case OP_select_t:
		for (count = lower_read_u32(l); count; count--)
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
		(void)lower_read_signed(l);
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
		(void)lower_read_u32(l);
		(void)lower_read_u32(l);
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
		(void)lower_read_u32(l);
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
		const uint32_t offset = lower_offset_now(l);
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
			lower_flush(l, l->height);
			lower_close_block(l);
			lower_open_block(l, offset);
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
	for (groups = lower_read_u32(l); groups; groups--) {
		const uint32_t count = lower_read_u32(l);

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
	ok = lower_locals(l, type) && (c = lower_ctl_push(l, CTL_FUNC)) != NULL;
	if (ok) {
		c->results = type->params ? type->vals + type->params : type->vals;
		c->results_count = type->results;
		enter = lower_emit(l, CODE_enter, l->header, l->func->locals, 0);
		enter->lo = ((uint32_t)max_u64(l->base + l->func->height_max, type->results) + 1) *
			(uint32_t)sizeof(uint64_t);
		enter->hi = type->id;
		lower_open_block(l, l->func->code);
		l->cost += (uint64_t)l->func->locals * LOCAL_GAS;
		lower_body(l);
		ok = !l->no_memory;
		if (ok)
			lower_accumulate(out, l->n);
	}
	heap_give(heap, l->local_types, l->locals + 1u);
	heap_give(heap, l->local_refs, (l->locals + 1u) * sizeof *l->local_refs);
	heap_give(heap, l->vals, (l->func->height_max + 1u) * sizeof *l->vals);
	heap_give(heap, l->ctls, l->ctl_room * sizeof *l->ctls);
	return ok;
}

static uint32_t
func_bound(const struct func *func)
{
	return (uint32_t)insns_bound(func->insns_max, 1);
}

int
lower_func(struct module *module, uint32_t defined)
{
	struct code_unit *unit = &module->units[defined];
	const uint32_t max = func_bound(&module->funcs[defined]);
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
	const uint32_t max = func_bound(&module->funcs[defined]);
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
		insns += func_bound(&module->funcs[i]);
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
