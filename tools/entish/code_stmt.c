/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/code.h"

#include <string.h>

static bool block(struct coder *c, struct node *first);

/* --- assignments -------------------------------------------------------------------------- */

struct element { /* locals: a list, a place in it */
	uint32_t list, at;
};

static struct element
element_of(struct coder *c, struct node *target)
{
	struct element e;

	e.list = code_temp(c, WASM_I32);
	e.at = code_temp(c, WASM_I64);
	code_arg(c, target->a);
	op_u(c, 0x21, e.list);
	code_expr(c, target->b);
	op_u(c, 0x21, e.at);
	return e;
}

static void
element_done(struct coder *c, struct element e)
{
	code_temp_free(c, e.list, WASM_I32);
	code_temp_free(c, e.at, WASM_I64);
}

/* Into a target what is in a local. */
static void
store(struct coder *c, struct node *target, uint32_t value)
{
	const struct fact *fact = code_fact(c, target);
	struct element element;
	uint32_t fresh;

	if (target->kind == N_NAME) {
		op_u(c, 0x20, value);
		code_set_name(c, target);
		return;
	}
	if (target->kind == N_FIELD) {
		code_arg(c, target->a);
		op_call(c, fact->second);
		fresh = code_temp(c, WASM_I32);
		op_u(c, 0x21, fresh);
		op_u(c, 0x20, fresh);
		code_root(c);
		op_u(c, 0x20, value);
		op_store(c, fact->type, BLOCK_HEAD + 8 * fact->index);
		store(c, target->a, fresh);
		code_temp_free(c, fresh, WASM_I32);
		return;
	}
	if (fact->second) { /* a map */
		code_arg(c, target->a);
		code_arg(c, target->b);
		op_u(c, 0x20, value);
		op_call(c, fact->second);
		return;
	}
	element = element_of(c, target);
	code_place(c, element.list, element.at);
	op_u(c, 0x20, value);
	op_store(c, fact->type, BLOCK_HEAD);
	element_done(c, element);
}

/* l[i] = e, the usual case: nothing of it need wait in a local but list and place. */
static void
store_element(struct coder *c, struct node *target, struct node *value)
{
	struct fact *fact = code_fact(c, target->a);
	const bool named = target->a->kind == N_NAME && fact->use == USE_VARIABLE && !fact->coerce;
	const uint32_t list = named ? fact->index : code_temp(c, WASM_I32);
	const uint32_t at = code_temp(c, WASM_I64), temp = code_temp(c, type_wasm(code_fact(c, target)->type));

	code_arg(c, value);
	op_u(c, 0x21, temp);
	if (!named) {
		code_arg(c, target->a);
		op_u(c, 0x21, list);
	}
	code_expr(c, target->b);
	op_u(c, 0x21, at);
	code_place(c, list, at);
	op_u(c, 0x20, temp);
	op_store(c, code_fact(c, target)->type, BLOCK_HEAD);
	if (!named)
		code_temp_free(c, list, WASM_I32);
	code_temp_free(c, at, WASM_I64);
	code_temp_free(c, temp, type_wasm(code_fact(c, target)->type));
}

static void
assign(struct coder *c, struct node *node)
{
	struct node *target = node->list;
	struct type *type = type_of(code_fact(c, node->a)->type);
	uint32_t value, tuple, i = 0;

	if (!target->next && target->kind == N_NAME) {
		code_expr(c, node->a);
		code_set_name(c, target);
		return;
	}
	if (!target->next && target->kind == N_INDEX && !code_fact(c, target)->second) {
		store_element(c, target, node->a);
		return;
	}
	code_arg(c, node->a);
	if (!target->next) {
		value = code_temp(c, type_wasm(code_fact(c, target)->type));
		op_u(c, 0x21, value);
		store(c, target, value);
		code_temp_free(c, value, type_wasm(code_fact(c, target)->type));
		return;
	}
	if (type->kind == TYPE_OUTCOME)
		type = type_of(type->args[0]);
	tuple = code_temp(c, WASM_I32);
	op_u(c, 0x21, tuple);
	for (; target; target = target->next, i++) {
		value = code_temp(c, type_wasm(type->args[i]));
		op_u(c, 0x20, tuple);
		op_load(c, type->args[i], BLOCK_HEAD + 8 * i);
		op_u(c, 0x21, value);
		store(c, target, value);
		code_temp_free(c, value, type_wasm(type->args[i]));
	}
	code_temp_free(c, tuple, WASM_I32);
}

static void
operate(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);

	if (fact->instance) {
		code_root(c);
		code_arg(c, node->b);
		op_call(c, fact->instance);
		return;
	}
	code_expr(c, node->b);
	code_operation(c, node->op, fact->type, fact->unsigned_op);
}

/* x += e. What a target is made of is found once. */
static void
set_op(struct coder *c, struct node *node)
{
	struct node *target = node->a;
	const struct fact *fact = code_fact(c, target);
	const enum wasm_type wasm = type_wasm(fact->type);
	struct element element;
	uint32_t value;

	if (target->kind == N_NAME) {
		code_get_name(c, target);
		operate(c, node);
		code_set_name(c, target);
		return;
	}
	value = code_temp(c, wasm);
	if (target->kind != N_INDEX || fact->second) { /* fields, maps: written out */
		code_expr(c, target);
		operate(c, node);
		if (type_is_ref(fact->type))
			code_root(c);
		op_u(c, 0x21, value);
		store(c, target, value);
		code_temp_free(c, value, wasm);
		return;
	}
	element = element_of(c, target);
	code_place(c, element.list, element.at);
	op_load(c, fact->type, BLOCK_HEAD);
	operate(c, node);
	op_u(c, 0x21, value);
	code_place(c, element.list, element.at); /* once more: e may have changed the list */
	op_u(c, 0x20, value);
	op_store(c, fact->type, BLOCK_HEAD);
	element_done(c, element);
	code_temp_free(c, value, wasm);
}

/* --- loops ------------------------------------------------------------------------------------- */

static bool
has_continue(const struct node *first)
{
	for (const struct node *s = first; s; s = s->next)
		if (s->kind == N_CONTINUE || (s->kind == N_IF && (has_continue(s->list) || has_continue(s->other))))
			return true;
	return false;
}

/* The body, with a place to continue at behind it. */
static void
body(struct coder *c, struct node *node)
{
	const uint32_t saved = c->continue_depth;
	const bool inner = has_continue(node->list);

	if (inner)
		c->continue_depth = op_block(c, 0x02);
	(void)block(c, node->list);
	if (inner)
		op_end(c);
	c->continue_depth = saved;
}

/* The condition once before the loop and once at its end: one branch each time. */
static bool
loop_while(struct coder *c, struct node *node)
{
	const uint32_t saved = c->break_depth;
	uint32_t top;

	c->break_depth = op_block(c, 0x02);
	if (node->a && node->a->kind != N_TRUE)
		code_jump(c, node->a, false, c->break_depth);
	top = op_block(c, 0x03);
	body(c, node);
	if (node->a && node->a->kind != N_TRUE)
		code_jump(c, node->a, true, top);
	else
		op_br(c, 0x0c, top);
	op_end(c);
	op_end(c);
	c->break_depth = saved;
	return (!node->a || node->a->kind == N_TRUE) && !check_has_break(node->list);
}

static void
loop_range(struct coder *c, struct node *node)
{
	struct node *from = node->a->list, *to = from->next, *step = to ? to->next : NULL;
	const uint32_t i = code_temp(c, WASM_I64), end = code_temp(c, WASM_I64), saved = c->break_depth;
	const bool literal = !step || step->kind == N_INT ||
		(step->kind == N_UNARY && step->a->kind == N_INT && step->op == T_SUB);
	const bool down = step && step->kind == N_UNARY;
	uint32_t top = 0, by = 0;

	if (to)
		code_expr(c, from);
	else
		op_i64(c, 0);
	op_u(c, 0x21, i);
	code_expr(c, to ? to : from);
	op_u(c, 0x21, end);
	if (!literal) {
		by = code_temp(c, WASM_I64);
		code_expr(c, step);
		op_u(c, 0x21, by);
	}
	c->break_depth = op_block(c, 0x02);
	for (int twice = 0; twice < 2; twice++) {
		if (twice) {
			op_u(c, 0x20, i);
			if (literal && step)
				code_expr(c, step);
			else if (literal)
				op_i64(c, 1);
			else
				op_u(c, 0x20, by);
			op(c, 0x7c);
			op_u(c, 0x21, i);
		}
		if (!literal) { /* (by < 0 ? end < i : i < end) */
			op_u(c, 0x20, by);
			op_i64(c, 0);
			op(c, 0x53);
			op(c, 0x04);
			out_byte(c->body, WASM_I32);
			op_u(c, 0x20, i);
			op_u(c, 0x20, end);
			op(c, 0x55);
			op(c, 0x05);
			op_u(c, 0x20, i);
			op_u(c, 0x20, end);
			op(c, 0x53);
			op(c, 0x0b);
			if (!twice)
				op(c, 0x45);
		} else {
			op_u(c, 0x20, i);
			op_u(c, 0x20, end);
			op(c, twice ? (down ? 0x55 : 0x53) : (down ? 0x57 : 0x59));
		}
		if (twice)
			break;
		op_br(c, 0x0d, c->break_depth);
		top = op_block(c, 0x03);
		op_u(c, 0x20, i);
		code_set_name(c, node->b);
		body(c, node);
	}
	op_br(c, 0x0d, top);
	op_end(c);
	op_end(c);
	c->break_depth = saved;
	code_temp_free(c, i, WASM_I64);
	code_temp_free(c, end, WASM_I64);
	if (!literal)
		code_temp_free(c, by, WASM_I64);
}

static void
take_element(struct coder *c, uint32_t list, uint32_t i, struct type *type, struct node *name)
{
	op_u(c, 0x20, list);
	op_load(c, &type_addr, LIST_DATA);
	op_u(c, 0x20, i);
	op(c, 0xa7);
	op_i32(c, 3);
	op(c, 0x74);
	op(c, 0x6a);
	op_load(c, type, BLOCK_HEAD);
	code_set_name(c, name);
}

/* A list is read as it is at each step: it may grow meanwhile. */
static void
loop_list(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const uint32_t list = code_temp(c, WASM_I32), i = code_temp(c, WASM_I64), saved = c->break_depth;
	const uint32_t root = c->root_next;
	uint32_t values = 0, top;

	code_arg(c, node->a);
	if (fact->instance)
		op_call(c, fact->instance);
	code_root(c);
	op_u(c, 0x21, list);
	if (fact->second) {
		code_arg(c, node->a);
		op_call(c, fact->second);
		code_root(c);
		values = code_temp(c, WASM_I32);
		op_u(c, 0x21, values);
	}
	op_i64(c, 0);
	op_u(c, 0x21, i);
	c->break_depth = op_block(c, 0x02);
	top = op_block(c, 0x03);
	op_u(c, 0x20, i);
	op_u(c, 0x20, list);
	op(c, 0x35);
	out_u(c->body, 2);
	out_u(c->body, LIST_LENGTH);
	op(c, 0x5a);
	op_br(c, 0x0d, c->break_depth);
	take_element(c, list, i, code_fact(c, node->b)->type, node->b);
	if (fact->second)
		take_element(c, values, i, code_fact(c, node->c)->type, node->c);
	op_u(c, 0x20, i);
	op_i64(c, 1);
	op(c, 0x7c);
	op_u(c, 0x21, i);
	body(c, node);
	op_br(c, 0x0c, top);
	op_end(c);
	op_end(c);
	c->break_depth = saved;
	c->root_next = root;
	code_temp_free(c, list, WASM_I32);
	code_temp_free(c, i, WASM_I64);
	if (fact->second)
		code_temp_free(c, values, WASM_I32);
}

/* --- statements ------------------------------------------------------------------------------------ */

static void
unroot(struct coder *c)
{
	if (!c->rooted)
		return;
	op_u(c, 0x20, c->frame);
	op_u(c, 0x24, 0);
}

static bool
choose(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node->a);
	uint32_t past = 0, other;
	bool ends, both;

	if (fact->use == USE_KNOWN)
		return block(c, fact->index ? node->list : node->other);
	if (node->other)
		past = op_block(c, 0x02);
	other = op_block(c, 0x02);
	code_jump(c, node->a, false, other);
	ends = block(c, node->list);
	if (node->other && !ends)
		op_br(c, 0x0c, past);
	op_end(c);
	if (!node->other)
		return false;
	both = block(c, node->other);
	op_end(c);
	return ends && both;
}

static void
leave(struct coder *c, struct node *node)
{
	struct type *type;

	if (!node->a) {
		unroot(c);
		op(c, 0x0f);
		return;
	}
	type = code_fact(c, node->a)->type;
	code_expr(c, node->a);
	if (c->in->outcome && type_of(type)->kind != TYPE_OUTCOME)
		code_wrap(c, c->in->result);
	unroot(c);
}

/* True: what is behind it is not reached. The last `return` of a function needs no
 * instruction (body_end), and its value stays on the stack. */
static bool
statement(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);

	c->at = node->at;
	switch ((enum node_kind)node->kind) {
	case N_EXPR:
		code_expr(c, node->a);
		if (type_of(code_fact(c, node->a)->type)->kind != TYPE_NONE)
			op(c, 0x1a);
		return false;
	case N_ASSIGN: assign(c, node); return false;
	case N_SET_OP: set_op(c, node); return false;
	case N_IF: return choose(c, node);
	case N_WHILE: return loop_while(c, node);
	case N_FOR:
		if (fact->use == USE_RANGE)
			loop_range(c, node);
		else
			loop_list(c, node);
		return false;
	case N_BREAK: op_br(c, 0x0c, c->break_depth); return true;
	case N_CONTINUE: op_br(c, 0x0c, c->continue_depth); return true;
	case N_RETURN:
		leave(c, node);
		if (node->a)
			op(c, 0x0f);
		return true;
	case N_YIELD:
		if (node->a)
			code_arg(c, node->a);
		op_call(c, fact->instance);
		return false;
	default: return false;
	}
}

static bool
block(struct coder *c, struct node *first)
{
	const uint32_t root = c->root_next;
	bool ends = false;

	for (struct node *s = first; s && !ends; s = s->next) {
		ends = statement(c, s);
		c->root_next = root;
	}
	return ends;
}

/* --- functions ----------------------------------------------------------------------------------------- */

static void
prologue(struct coder *c)
{
	const uint32_t bytes = (4 * c->roots_max + 7) & ~7u;
	uint32_t fine;

	if (!c->rooted)
		return;
	op_u(c, 0x23, 0);
	op_u(c, 0x22, c->frame);
	op_i32(c, bytes);
	op(c, 0x6a);
	op_u(c, 0x24, 0);
	fine = op_block(c, 0x02);
	op_u(c, 0x20, c->frame);
	op_i32(c, STACK_END - (int64_t)bytes);
	op(c, 0x4d);
	op_br(c, 0x0d, fine);
	op_help(c, HELP_frames_full);
	op_end(c);
	if (bytes > 128) {
		op_u(c, 0x20, c->frame);
		op_i32(c, 0);
		op_i32(c, bytes);
		out_bytes(c->body, "\xfc\x0b", 3);
		return;
	}
	for (uint32_t i = 0; i < bytes; i += 8) {
		op_u(c, 0x20, c->frame);
		op_i64(c, 0);
		op_store(c, &type_int, i);
	}
}

/* Inner code, as if it had a part of the shadow stack or not: whether it wants one. */
static bool
inner_code(struct coder *c, struct instance *in, bool rooted, struct out *inner)
{
	bool ends = false;

	c->local_types = (struct out){.arena = c->arena};
	c->locals = in->def->params_count;
	c->depth = 0;
	memset(c->spare_count, 0, sizeof c->spare_count);
	memset(c->roots, 0, in->variables_count * sizeof *c->roots);
	c->root_next = 0;
	c->rooted = rooted;
	for (uint32_t i = in->def->params_count; i < in->variables_count; i++)
		(void)code_temp(c, type_wasm(in->variables[i].type));
	c->frame = rooted ? code_temp(c, WASM_I32) : 0;
	for (uint32_t i = 0; i < in->variables_count; i++)
		if (type_is_ref(in->variables[i].type) && (!in->variables[i].param || in->variables[i].assigned))
			c->roots[i] = ++c->root_next;
	c->roots_max = c->root_next;
	c->body = inner;
	for (struct node *s = in->def->body; s && !ends; s = s->next) {
		const uint32_t root = c->root_next;

		if (s->kind == N_RETURN && s->a) {
			c->at = s->at;
			leave(c, s);
			ends = true;
		} else {
			ends = statement(c, s);
			if (ends)
				op(c, 0x00);
		}
		c->root_next = root;
	}
	if (!ends && in->outcome) { /* falling off the end returns zeros */
		op_i32(c, code_refs(in->result));
		op_help(c, HELP_wrap_new);
		unroot(c);
	} else if (!ends) {
		code_zero(c, in->result, 0);
		unroot(c);
	}
	op(c, 0x0b);
	return c->roots_max;
}

void
code_function(struct coder *c, struct instance *in)
{
	struct out inner = {.arena = c->arena}, before = {.arena = c->arena}, all = {.arena = c->arena};
	bool rooted;

	c->in = in;
	c->at = in->def->at;
	c->counts = false;
	c->roots = arena_take(c->arena, (in->variables_count + 1) * sizeof *c->roots);
	rooted = inner_code(c, in, false, &inner);
	if (rooted || c->costs) { /* once more: with roots, or to be counted */
		inner.used = 0;
		c->counts = c->costs && !in->def->counted;
		c->at = in->def->at;
		if (c->counts && !in->def->top)
			costs_add(c->costs, c->at, 0x03); /* a function begins a block */
		(void)inner_code(c, in, rooted, &inner);
	}
	c->body = &before;
	c->depth = 0;
	c->at = in->def->at;
	prologue(c);
	c->counts = false;
	in->def->counted = true;
	out_u(&all, c->local_types.used); /* one by one, in the order of their numbers */
	for (size_t i = 0; i < c->local_types.used; i++) {
		out_u(&all, 1);
		out_byte(&all, c->local_types.at[i]);
	}
	out_bytes(&all, before.at, before.used);
	out_bytes(&all, inner.at, inner.used);
	out_part(&c->bodies, &all);
}
