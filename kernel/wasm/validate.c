/* SPDX-License-Identifier: Apache-2.0 */
/* validate.c - the types of every instruction of a body (spec 3.3 and appendix
 * A.3), in one pass.
 *
 * The operand stack is an array of value types, one byte each; 0 is a value of
 * any type, which only unreachable code makes. The control stack is an array of
 * frames. Both are ours, on the heap: a body nests as deep as it likes and
 * nothing here recurses.
 *
 * Most instructions have fixed types: they are checked as one masked compare of
 * the top four bytes against a word made from ops.def. What that compare does
 * not settle goes the slow way, value by value, and finds the words.
 *
 * Bounds on time: a body's locals are looked up in an array up to LOCALS_FAST
 * and by bisection of its declarations beyond (50,000 locals cost 4 bytes of
 * file); vectors of types are compared without branches, so a br_table of k
 * labels with n values each is k short runs over n bytes.
 *
 * insns_max bounds what lower.c emits. A value that is pushed without an
 * instruction (a constant, a local) may have to be put in its slot later, once:
 * it counts as one. A branch moves its values and heads a block; the rest is
 * insns_of(). */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/wasm/decode.h"
#include "kernel/wasm/leb.h"
#include "kernel/wasm/ops.h"

enum {
	ANY = 0,           /* a value of any type */
	PAD = 4,           /* bytes below the stack, for the compare of four */
	LOCALS_FAST = 512,
	FRAME_HEADER = 2,  /* slots between locals and operands */
	STACK_BYTES = PAD + FRAME_SLOTS_MAX + PARAMS_MAX + RESULTS_MAX,
	FUNC_INSNS = 4,    /* entry and return */
};

_Static_assert(PARAMS_MAX + LOCALS_MAX + FRAME_HEADER <= FRAME_SLOTS_MAX, "locals fit a frame");

enum control_kind { CONTROL_BODY, CONTROL_BLOCK, CONTROL_LOOP, CONTROL_IF, CONTROL_ELSE };

struct control {
	const uint8_t *params, *results;
	uint32_t height;
	uint16_t params_count, results_count;
	uint8_t kind;
	bool unreachable;
};

/* An instruction with fixed types. */
struct simple {
	uint32_t want, mask; /* of the four bytes below the top, as they lie in memory */
	uint8_t pops, result; /* result 0: none */
	uint8_t imm, insns;
	uint8_t fixed; /* 0: by hand or no instruction */
	uint8_t natural; /* MEMARG: log2 of the bytes */
};

struct run {
	uint32_t last; /* the first declared local after it */
	uint8_t val;
};

struct validator {
	struct decoder d;
	struct module *m;
	const uint8_t *start; /* of the instruction, for messages */
	const struct functype *type;

	uint8_t *stack; /* operands; PAD bytes lie below */
	uint8_t *top, *floor, *highest, *limit;
	struct control *controls, *control; /* control: the innermost */
	uint32_t depth, depth_room;

	uint32_t locals; /* parameters counted */
	uint8_t fast[LOCALS_FAST]; /* of the declared ones */
	struct run *runs;
	uint32_t runs_count, runs_room;

	uint64_t insns;
	struct simple simple[OP_INFOS];
};

/* --- the table --------------------------------------------------------------------- */

static uint8_t
val_of(char sig)
{
	switch (sig) {
	case 'i':
		return VAL_I32;
	case 'I':
		return VAL_I64;
	case 'f':
		return VAL_F32;
	case 'F':
		return VAL_F64;
	}
	return VAL_FUNCREF;
}

/* Slot code per instruction, at most, without its values' moves. */
static uint8_t
insns_of(const struct op_info *info)
{
	switch (info->code) {
	case OP_nop:
	case OP_drop:
	case OP_block:
		return 0;
	case OP_if:
	case OP_else:
	case OP_end:
	case OP_br_if:
	case OP_call_indirect:
	case OP_select:
	case OP_select_t:
		return 3;
	case OP_br:
	case OP_return:
	case OP_loop:
	case OP_call:
	case OP_local_tee:
	case OP_global_set:
	case OP_memory_grow:
		return 2;
	}
	return info->code >= 0xfc08 || (info->code >= OP_table_get && info->code <= OP_table_set) ? 2 : 1;
}

static void
simple_fill(struct simple *s, const struct op_info *info)
{
	const char *sig = info->sig;
	uint8_t want[PAD] = {0}, mask[PAD] = {0};
	uint32_t pops = 0;

	s->imm = info->imm;
	s->insns = insns_of(info);
	if (info->imm >= IMM_MEMARG0 && info->imm <= IMM_MEMARG3)
		s->natural = (uint8_t)(info->imm - IMM_MEMARG0);
	if (!*sig)
		return;
	while (sig[pops] != ':')
		pops++;
	for (uint32_t i = 0; i < pops; i++) {
		want[PAD - pops + i] = val_of(sig[i]);
		mask[PAD - pops + i] = 0xff;
	}
	memcpy(&s->want, want, sizeof s->want);
	memcpy(&s->mask, mask, sizeof s->mask);
	s->pops = (uint8_t)pops;
	s->result = sig[pops + 1] ? val_of(sig[pops + 1]) : 0;
	s->fixed = 1;
}

/* --- failing ------------------------------------------------------------------------ */

static const char *
instruction_text(const struct validator *v)
{
	const uint8_t *at = v->start;
	const struct op_info *info;
	uint32_t code;

	if (at >= v->d.end)
		return "end of body";
	code = *at++;
	if (code == 0xfc) {
		if (leb_u32(&at, v->d.end, &code) != LEB_OK || code > 0xff)
			return "instruction";
		code |= 0xfc00;
	}
	info = op_info(code);
	return info ? info->text : "instruction";
}

static void
invalid(struct validator *v, const char *what)
{
	decode_fail(&v->d, v->start, -EINVAL, "invalid: %s (%s)", what, instruction_text(v));
}

static void
unknown(struct validator *v, const char *what, uint32_t index)
{
	decode_fail(
		&v->d, v->start, -EINVAL, "invalid: unknown %s %u (%s)", what, index, instruction_text(v));
}

/* --- the operand stack ------------------------------------------------------------------ */

static void
mismatch(struct validator *v, uint8_t want, const uint8_t *found)
{
	decode_fail(&v->d, v->start, -EINVAL, "invalid: type mismatch: %s needs %s, found %s",
		instruction_text(v), want == ANY ? "a value" : valtype_text(want),
		found ? valtype_text(*found) : "nothing");
}

static void
too_high(struct validator *v)
{
	decode_fail(&v->d, v->start, -E2BIG,
		"limit: frame of more than %u slots (%u parameters and locals, and operands)",
		FRAME_SLOTS_MAX, v->locals);
}

static inline void
push(struct validator *v, uint8_t val)
{
	*v->top++ = val;
	if (v->top > v->highest) {
		v->highest = v->top;
		if (v->top > v->limit) {
			too_high(v);
			v->top--;
		}
	}
}

static void
push_all(struct validator *v, const uint8_t *vals, uint32_t count)
{
	if (!count)
		return;
	if ((size_t)(v->limit - v->top) < count) {
		too_high(v);
		return;
	}
	memcpy(v->top, vals, count);
	v->top += count;
	if (v->top > v->highest)
		v->highest = v->top;
}

/* Pops one value and gives its type; ANY in unreachable code. */
static inline uint8_t
pop_any(struct validator *v)
{
	if (v->top > v->floor)
		return *--v->top;
	if (!v->control->unreachable)
		mismatch(v, ANY, NULL);
	return ANY;
}

static inline void
pop(struct validator *v, uint8_t want)
{
	if (v->top > v->floor) {
		const uint8_t found = *--v->top;

		if (found != want && found != ANY)
			mismatch(v, want, &found);
	} else if (!v->control->unreachable) {
		mismatch(v, want, NULL);
	}
}

/* The top values have these types (fewer, in unreachable code); nothing is popped. */
static void
expect_all(struct validator *v, const uint8_t *vals, uint32_t count)
{
	const uint32_t there = (uint32_t)(v->top - v->floor);
	uint32_t checked = count, differ = 0;
	const uint8_t *at;

	if (!count)
		return;
	if (there < count) {
		if (!v->control->unreachable) {
			mismatch(v, vals[count - 1 - there], NULL);
			return;
		}
		checked = there;
	}
	vals += count - checked;
	at = v->top - checked;
	for (uint32_t i = 0; i < checked; i++)
		differ |= at[i] == ANY ? 0 : (uint32_t)(at[i] ^ vals[i]);
	if (!differ)
		return;
	for (uint32_t i = checked; i-- > 0;) {
		if (at[i] != ANY && at[i] != vals[i]) {
			mismatch(v, vals[i], &at[i]);
			return;
		}
	}
}

static void
pop_all(struct validator *v, const uint8_t *vals, uint32_t count)
{
	const uint32_t there = (uint32_t)(v->top - v->floor);

	expect_all(v, vals, count);
	v->top -= count < there ? count : there;
}

static void
unreachable(struct validator *v)
{
	v->top = v->floor;
	v->control->unreachable = true;
}

/* --- blocks ------------------------------------------------------------------------- */

struct blocktype {
	const uint8_t *params, *results;
	uint16_t params_count, results_count;
};

static bool
enter(struct validator *v, enum control_kind kind, struct blocktype type)
{
	struct control *controls = v->controls;

	if (v->depth == v->depth_room) {
		const uint32_t room = v->depth_room * 2;

		controls = heap_resize(v->m->heap, v->controls, v->depth_room * sizeof *controls,
			room * sizeof *controls);
		if (!controls) {
			decode_fail(&v->d, v->start, -ENOMEM, "no memory for nested blocks");
			return false;
		}
		v->controls = controls;
		v->depth_room = room;
	}
	if (v->depth > NESTING_MAX) {
		decode_fail(&v->d, v->start, -E2BIG, "limit: blocks nested deeper than %u", NESTING_MAX);
		v->control = &controls[v->depth - 1];
		return false;
	}
	v->control = &controls[v->depth++];
	*v->control = (struct control){.params = type.params, .results = type.results,
		.params_count = type.params_count, .results_count = type.results_count,
		.kind = (uint8_t)kind, .height = (uint32_t)(v->top - v->stack)};
	v->floor = v->top;
	push_all(v, type.params, type.params_count);
	return true;
}

/* The block's results are there, and nothing else. */
static void
expect_results(struct validator *v)
{
	const struct control *c = v->control;

	pop_all(v, c->results, c->results_count);
	if (decode_ok(&v->d) && v->top != v->floor)
		decode_fail(&v->d, v->start, -EINVAL,
			"invalid: type mismatch: %u values remain on the stack at the end of a block (%s)",
			(uint32_t)(v->top - v->floor), instruction_text(v));
}

static struct blocktype
read_blocktype(struct validator *v)
{
	const uint8_t *at = v->d.at;
	struct blocktype type = {.params = NULL};
	const struct functype *func;
	int64_t index;

	if (at < v->d.end && *at == 0x40) {
		v->d.at++;
		return type;
	}
	if (at < v->d.end && *at > 0x40 && *at < 0x80) {
		(void)decode_valtype(&v->d);
		type.results = at; /* one byte, where it lies */
		type.results_count = 1;
		return type;
	}
	index = decode_signed(&v->d, 33, "block type");
	if (!decode_ok(&v->d))
		return type;
	if (index < 0) {
		decode_fail(&v->d, at, -EINVAL, "malformed: invalid block type");
		return type;
	}
	if (index >= v->m->types_count) {
		unknown(v, "type", (uint32_t)index);
		return type;
	}
	func = &v->m->types[index];
	return (struct blocktype){.params = func->vals, .results = func->vals + func->params,
		.params_count = func->params, .results_count = func->results};
}

static void
begin(struct validator *v, enum control_kind kind)
{
	const struct blocktype type = read_blocktype(v);

	if (kind == CONTROL_IF)
		pop(v, VAL_I32);
	pop_all(v, type.params, type.params_count);
	if (decode_ok(&v->d))
		(void)enter(v, kind, type);
}

static void
begin_else(struct validator *v)
{
	struct control *c = v->control;

	if (c->kind != CONTROL_IF) {
		decode_fail(&v->d, v->start, -EINVAL,
			"malformed: END opcode expected, found an else without an if");
		return;
	}
	expect_results(v);
	c->kind = CONTROL_ELSE;
	c->unreachable = false;
	push_all(v, c->params, c->params_count);
}

static void
end_block(struct validator *v)
{
	const struct control *c = v->control;
	const uint8_t *results = c->results;
	const uint32_t count = c->results_count;

	expect_results(v);
	if (decode_ok(&v->d) && c->kind == CONTROL_IF &&
		(c->params_count != c->results_count ||
			(count && memcmp(c->params, results, count) != 0)))
		invalid(v, "type mismatch: an if without an else must give what it takes");
	if (!decode_ok(&v->d))
		return;
	v->depth--;
	if (!v->depth)
		return;
	v->control = &v->controls[v->depth - 1];
	v->floor = v->stack + v->control->height;
	push_all(v, results, count);
}

/* --- branches ----------------------------------------------------------------------- */

struct label {
	const uint8_t *vals;
	uint32_t count;
};

static struct label
read_label(struct validator *v)
{
	const uint32_t index = decode_u32(&v->d, "label");
	const struct control *c;

	if (index >= v->depth) {
		unknown(v, "label", index);
		return (struct label){NULL, 0};
	}
	c = &v->controls[v->depth - 1 - index];
	if (c->kind == CONTROL_LOOP)
		return (struct label){c->params, c->params_count};
	return (struct label){c->results, c->results_count};
}

static void
branch_if(struct validator *v)
{
	const struct label label = read_label(v);

	pop(v, VAL_I32);
	pop_all(v, label.vals, label.count);
	if (decode_ok(&v->d))
		push_all(v, label.vals, label.count);
	v->insns += label.count;
}

static void
branch_table(struct validator *v)
{
	const uint32_t count = decode_count(&v->d, "labels", 1, UINT32_MAX);
	const uint8_t *last = NULL;
	uint32_t arity = 0;

	pop(v, VAL_I32);
	for (uint32_t i = 0; decode_ok(&v->d) && i <= count; i++) {
		const struct label label = read_label(v);

		if (!decode_ok(&v->d))
			return;
		if (i && label.count != arity) {
			invalid(v, "type mismatch: labels take different numbers of values");
			return;
		}
		if (!i || label.vals != last)
			expect_all(v, label.vals, label.count);
		arity = label.count;
		last = label.vals;
		v->insns += arity + 3;
	}
	unreachable(v);
}

static void
branch(struct validator *v)
{
	const struct label label = read_label(v);

	pop_all(v, label.vals, label.count);
	v->insns += label.count;
	unreachable(v);
}

static void
branch_return(struct validator *v)
{
	const struct control *c = &v->controls[0];

	pop_all(v, c->results, c->results_count);
	v->insns += c->results_count;
	unreachable(v);
}

static void
call_type(struct validator *v, const struct functype *type)
{
	pop_all(v, type->vals, type->params);
	if (decode_ok(&v->d))
		push_all(v, type->vals + type->params, type->results);
	v->insns += type->params;
}

static uint32_t
read_func(struct validator *v)
{
	const uint32_t func = decode_u32(&v->d, "function");

	if (decode_ok(&v->d) && func >= v->m->func_imports + v->m->funcs_count)
		unknown(v, "function", func);
	return func;
}

static uint32_t
read_table(struct validator *v)
{
	const uint32_t table = decode_u32(&v->d, "table");

	if (decode_ok(&v->d) && table >= v->m->tables_count)
		unknown(v, "table", table);
	return table;
}

static void
call(struct validator *v)
{
	const uint32_t func = read_func(v);

	if (decode_ok(&v->d))
		call_type(v, module_functype(v->m, func));
}

static void
call_indirect(struct validator *v)
{
	const uint32_t type = decode_u32(&v->d, "type");
	const uint32_t table = read_table(v);

	if (!decode_ok(&v->d))
		return;
	if (v->m->tables[table].ref != VAL_FUNCREF) {
		invalid(v, "type mismatch: a table of externref has no functions");
		return;
	}
	if (type >= v->m->types_count) {
		unknown(v, "type", type);
		return;
	}
	pop(v, VAL_I32);
	call_type(v, &v->m->types[type]);
}

/* --- variables, references, tables ------------------------------------------------------ */

static uint8_t
local_slow(const struct validator *v, uint32_t declared)
{
	uint32_t low = 0, high = v->runs_count;

	while (low < high) { /* the first run that ends after it */
		const uint32_t middle = low + (high - low) / 2;

		if (v->runs[middle].last > declared)
			high = middle;
		else
			low = middle + 1;
	}
	must(VALID1, low < v->runs_count);
	return v->runs[low].val;
}

/* The local's type; ANY, and failed, when there is none. */
static inline uint8_t
read_local(struct validator *v)
{
	const uint32_t local = decode_u32(&v->d, "local");
	const uint32_t params = v->type->params;

	if (local >= v->locals) {
		unknown(v, "local", local);
		return ANY;
	}
	if (local < params)
		return v->type->vals[local];
	return local - params < LOCALS_FAST ? v->fast[local - params] : local_slow(v, local - params);
}

static struct globaltype
read_global(struct validator *v)
{
	const uint32_t global = decode_u32(&v->d, "global");

	if (global >= v->m->globals_count) {
		unknown(v, "global", global);
		return (struct globaltype){.val = ANY, .mut = true};
	}
	return v->m->globals[global];
}

static void
global_set(struct validator *v)
{
	const struct globaltype type = read_global(v);

	if (!type.mut)
		invalid(v, "global is immutable");
	pop(v, type.val);
}

static bool
is_ref(uint8_t val)
{
	return val == VAL_FUNCREF || val == VAL_EXTERNREF;
}

static void
select_any(struct validator *v)
{
	uint8_t a, b;

	pop(v, VAL_I32);
	b = pop_any(v);
	a = pop_any(v);
	if (is_ref(a) || is_ref(b))
		invalid(v, "type mismatch: select without a type is for numbers");
	else if (a != b && a != ANY && b != ANY)
		mismatch(v, a, &b);
	push(v, a == ANY ? b : a);
}

static void
select_typed(struct validator *v)
{
	const uint32_t count = decode_u32(&v->d, "count of types");
	uint8_t val;

	if (decode_ok(&v->d) && count != 1)
		invalid(v, "invalid result arity");
	val = decode_valtype(&v->d);
	pop(v, VAL_I32);
	pop(v, val);
	pop(v, val);
	push(v, val);
}

static void
ref_is_null(struct validator *v)
{
	const uint8_t found = pop_any(v);

	if (found != ANY && !is_ref(found))
		decode_fail(&v->d, v->start, -EINVAL,
			"invalid: type mismatch: ref.is_null needs a reference, found %s",
			valtype_text(found));
	push(v, VAL_I32);
}

static void
ref_func(struct validator *v)
{
	const uint32_t func = read_func(v);

	if (decode_ok(&v->d) && !(v->d.refs[func / 8] >> (func % 8) & 1))
		invalid(v, "undeclared function reference");
	push(v, VAL_FUNCREF);
}

static uint8_t
table_ref(struct validator *v)
{
	const uint32_t table = read_table(v);

	return decode_ok(&v->d) ? v->m->tables[table].ref : ANY;
}

static void
table_op(struct validator *v, uint32_t code)
{
	const uint8_t ref = table_ref(v);

	switch (code) {
	case OP_table_get:
		pop(v, VAL_I32);
		push(v, ref);
		break;
	case OP_table_set:
		pop(v, ref);
		pop(v, VAL_I32);
		break;
	case OP_table_grow:
		pop(v, VAL_I32);
		pop(v, ref);
		push(v, VAL_I32);
		break;
	case OP_table_fill:
		pop(v, VAL_I32);
		pop(v, ref);
		pop(v, VAL_I32);
		break;
	}
}

/* --- immediates of instructions with fixed types ---------------------------------------------- */

static void
need_memory(struct validator *v)
{
	if (decode_ok(&v->d) && !v->m->memories_count)
		unknown(v, "memory", 0);
}

static void
zero_byte(struct validator *v)
{
	const uint8_t byte = decode_byte(&v->d, "memory index");

	if (byte)
		decode_fail(&v->d, v->start, -EINVAL, "malformed: zero byte expected, found 0x%02x (%s)",
			byte, instruction_text(v));
}

static void
memarg(struct validator *v, const struct simple *s)
{
	const uint32_t align = decode_u32(&v->d, "alignment");

	(void)decode_u32(&v->d, "offset");
	need_memory(v);
	if (align > s->natural)
		invalid(v, "alignment must not be larger than natural");
}

static void
data_index(struct validator *v)
{
	const uint32_t data = decode_u32(&v->d, "data segment");

	if (!decode_ok(&v->d))
		return;
	if (!v->m->has_data_count)
		decode_fail(&v->d, v->start, -EINVAL, "malformed: data count section required (%s)",
			instruction_text(v));
	else if (data >= v->m->data_count)
		unknown(v, "data segment", data);
}

static uint8_t
elem_index(struct validator *v)
{
	const uint32_t elem = decode_u32(&v->d, "element segment");

	if (decode_ok(&v->d) && elem >= v->m->elems_count)
		unknown(v, "elem segment", elem);
	return decode_ok(&v->d) ? v->m->elems[elem].ref : ANY;
}

static void
same_refs(struct validator *v, uint8_t to, uint8_t from)
{
	if (to != from)
		decode_fail(&v->d, v->start, -EINVAL, "invalid: type mismatch: %s from %s to %s",
			instruction_text(v), valtype_text(from), valtype_text(to));
}

static void
immediate(struct validator *v, const struct simple *s)
{
	uint8_t ref;

	switch ((enum imm)s->imm) {
	case IMM_MEMARG0:
	case IMM_MEMARG1:
	case IMM_MEMARG2:
	case IMM_MEMARG3:
		memarg(v, s);
		break;
	case IMM_MEMORY:
		zero_byte(v);
		need_memory(v);
		break;
	case IMM_MEMORY_MEMORY:
		zero_byte(v);
		zero_byte(v);
		need_memory(v);
		break;
	case IMM_DATA_MEMORY:
		data_index(v);
		zero_byte(v);
		need_memory(v);
		break;
	case IMM_DATA:
		data_index(v);
		break;
	case IMM_ELEM_TABLE: /* the segment comes first */
		ref = elem_index(v);
		same_refs(v, table_ref(v), ref);
		break;
	case IMM_ELEM:
		(void)elem_index(v);
		break;
	case IMM_TABLE:
		(void)read_table(v);
		break;
	case IMM_TABLE_TABLE:
		ref = table_ref(v);
		same_refs(v, ref, table_ref(v));
		break;
	case IMM_I32:
		(void)decode_signed(&v->d, 32, "i32.const");
		break;
	case IMM_I64:
		(void)decode_signed(&v->d, 64, "i64.const");
		break;
	case IMM_F32:
	case IMM_F64: {
		const unsigned bytes = s->imm == IMM_F32 ? 4 : 8;

		if ((size_t)(v->d.end - v->d.at) < bytes)
			decode_fail(&v->d, v->d.end, -EINVAL,
				"malformed: unexpected end of section or function (float constant)");
		else
			v->d.at += bytes;
		break;
	}
	case IMM_NONE:
	case IMM_BLOCK:
	case IMM_LABEL:
	case IMM_LABELS:
	case IMM_FUNC:
	case IMM_TYPE_TABLE:
	case IMM_LOCAL:
	case IMM_GLOBAL:
	case IMM_VALS:
	case IMM_REFTYPE:
		break;
	}
}

/* --- instructions -------------------------------------------------------------------- */

/* With fixed types. */
static inline void
step_simple(struct validator *v, const struct simple *s)
{
	uint32_t word;

	if (s->imm != IMM_NONE)
		immediate(v, s);
	memcpy(&word, v->top - PAD, sizeof word);
	if (v->top - v->floor >= s->pops && !((word ^ s->want) & s->mask)) {
		v->top -= s->pops;
	} else {
		uint8_t want[PAD];

		memcpy(want, &s->want, sizeof want);
		for (unsigned i = 0; i < s->pops; i++)
			pop(v, want[PAD - 1 - i]);
	}
	if (s->result)
		push(v, s->result);
}

static void
illegal(struct validator *v, uint32_t code)
{
	if (code == 0xfd)
		decode_fail(&v->d, v->start, -EINVAL, "unsupported: SIMD instruction (0xfd)");
	else if (code > 0xff)
		decode_fail(&v->d, v->start, -EINVAL, "malformed: illegal opcode fc %02x", code & 0xff);
	else
		decode_fail(&v->d, v->start, -EINVAL, "malformed: illegal opcode %02x", code);
}

static void
step_prefixed(struct validator *v)
{
	const uint32_t n = decode_u32(&v->d, "instruction");
	const struct simple *s;

	if (!decode_ok(&v->d))
		return;
	if (n > 0xff || !op_info(0xfc00 + n)) {
		illegal(v, 0xfc00 | (n & 0xff));
		return;
	}
	s = &v->simple[op_index(0xfc00 + n)];
	v->insns += s->insns;
	if (s->fixed)
		step_simple(v, s);
	else
		table_op(v, 0xfc00 + n);
}

/* The other ones, of one byte. */
static void
step_special(struct validator *v, uint8_t code)
{
	const struct op_info *info = &op_infos[code];
	uint8_t val;

	switch (code) {
	case OP_unreachable:
		unreachable(v);
		break;
	case OP_block:
		begin(v, CONTROL_BLOCK);
		break;
	case OP_loop:
		begin(v, CONTROL_LOOP);
		break;
	case OP_if:
		begin(v, CONTROL_IF);
		break;
	case OP_else:
		begin_else(v);
		break;
	case OP_br:
		branch(v);
		break;
	case OP_br_if:
		branch_if(v);
		break;
	case OP_br_table:
		branch_table(v);
		break;
	case OP_return:
		branch_return(v);
		break;
	case OP_call:
		call(v);
		break;
	case OP_call_indirect:
		call_indirect(v);
		break;
	case OP_select:
		select_any(v);
		break;
	case OP_select_t:
		select_typed(v);
		break;
	case OP_global_set:
		global_set(v);
		break;
	case OP_table_get:
	case OP_table_set:
		table_op(v, code);
		break;
	case OP_ref_null:
		val = decode_reftype(&v->d);
		push(v, val);
		break;
	case OP_ref_is_null:
		ref_is_null(v);
		break;
	default:
		must(VALID2, !info->text); /* an instruction without a case */
		illegal(v, code);
	}
}

/* One instruction. */
static inline void
step(struct validator *v)
{
	const uint8_t code = *v->d.at++;
	const struct simple *s = &v->simple[code];
	uint8_t val;

	v->insns += s->insns;
	switch (code) {
	case OP_local_get:
		push(v, read_local(v));
		break;
	case OP_local_set:
		pop(v, read_local(v));
		break;
	case OP_local_tee:
		val = read_local(v);
		pop(v, val);
		push(v, val);
		break;
	case OP_global_get:
		push(v, read_global(v).val);
		break;
	case OP_drop:
		(void)pop_any(v);
		break;
	case OP_end:
		end_block(v);
		break;
	case OP_ref_func:
		ref_func(v);
		break;
	case 0xfc:
		step_prefixed(v);
		break;
	default:
		if (s->fixed)
			step_simple(v, s);
		else
			step_special(v, code);
	}
}

/* --- bodies ------------------------------------------------------------------------ */

static bool
read_locals(struct validator *v, const struct func *func)
{
	uint32_t runs, room, declared = 0;

	v->runs_count = 0;
	v->d.at = v->m->bytes + func->body;
	runs = leb_u32_checked(&v->d.at);
	room = (uint32_t)min_u64(runs, func->locals); /* empty runs take none */
	if (v->runs_room < room) {
		heap_give(v->m->heap, v->runs, v->runs_room * sizeof *v->runs);
		v->runs = heap_take(v->m->heap, room * sizeof *v->runs);
		v->runs_room = v->runs ? room : 0;
		if (!v->runs) {
			decode_fail(&v->d, v->d.at, -ENOMEM, "no memory for local declarations");
			return false;
		}
	}
	for (; runs; runs--) {
		const uint32_t count = leb_u32_checked(&v->d.at);
		const uint8_t val = *v->d.at++;

		if (count && declared < LOCALS_FAST)
			memset(v->fast + declared, val, min_u64(count, LOCALS_FAST - declared));
		declared += count;
		if (count && declared > LOCALS_FAST)
			v->runs[v->runs_count++] = (struct run){.last = declared, .val = val};
	}
	v->locals = v->type->params + declared;
	return true;
}

static void
body(struct validator *v, struct func *func)
{
	struct blocktype type;

	v->type = &v->m->types[func->type];
	v->d.end = v->m->bytes + func->end;
	v->start = v->d.end;
	if (!read_locals(v, func))
		return;
	type = (struct blocktype){.results = v->type->vals + v->type->params,
		.results_count = v->type->results};
	v->top = v->highest = v->stack;
	v->limit = v->stack + FRAME_SLOTS_MAX - FRAME_HEADER - v->locals;
	v->insns = FUNC_INSNS;
	v->depth = 0;
	(void)enter(v, CONTROL_BODY, type);
	while (v->depth && decode_ok(&v->d)) {
		v->start = v->d.at;
		if (v->d.at == v->d.end) {
			decode_fail(&v->d, v->start, -EINVAL,
				"malformed: END opcode expected: the body ends inside %u blocks", v->depth);
			return;
		}
		step(v);
	}
	if (!decode_ok(&v->d))
		return;
	if (v->d.at != v->d.end)
		decode_fail(&v->d, v->d.at, -EINVAL,
			"malformed: section size mismatch: %zu bytes after the end of a body",
			(size_t)(v->d.end - v->d.at));
	func->height_max = (uint32_t)(v->highest - v->stack);
	if (v->insns > CODE_INSNS_MAX - v->m->insns_max) {
		decode_fail(&v->d, v->m->bytes + func->body, -E2BIG,
			"limit: slot code of more than %u instructions", CODE_INSNS_MAX);
		return;
	}
	func->insns_max = (uint32_t)v->insns;
	v->m->insns_max += v->insns;
}

static struct validator *
validator_new(struct decoder *d)
{
	enum { DEPTH_ROOM = 64 };
	struct heap *heap = d->module->heap;
	struct validator *v = heap_take(heap, sizeof *v);
	uint8_t *stack = heap_take(heap, STACK_BYTES);
	struct control *controls = heap_take(heap, DEPTH_ROOM * sizeof *controls);

	if (!v || !stack || !controls) {
		heap_give(heap, v, sizeof *v);
		heap_give(heap, stack, STACK_BYTES);
		heap_give(heap, controls, DEPTH_ROOM * sizeof *controls);
		decode_fail(d, d->at, -ENOMEM, "no memory for validating");
		return NULL;
	}
	v->d = *d;
	v->m = d->module;
	v->stack = stack + PAD;
	v->controls = controls;
	v->depth_room = DEPTH_ROOM;
	for (uint32_t i = 0; i < OP_INFOS; i++) {
		if (op_infos[i].text)
			simple_fill(&v->simple[i], &op_infos[i]);
	}
	return v;
}

static void
validator_free(struct validator *v)
{
	struct heap *heap = v->m->heap;

	heap_give(heap, v->stack - PAD, STACK_BYTES);
	heap_give(heap, v->controls, v->depth_room * sizeof *v->controls);
	heap_give(heap, v->runs, v->runs_room * sizeof *v->runs);
	heap_give(heap, v, sizeof *v);
}

void
validate_funcs(struct decoder *d)
{
	struct validator *v;

	if (!d->module->funcs_count)
		return;
	v = validator_new(d);
	if (!v)
		return;
	for (uint32_t i = 0; decode_ok(&v->d) && i < d->module->funcs_count; i++)
		body(v, &d->module->funcs[i]);
	d->error = v->d.error;
	validator_free(v);
}
