/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/code.h"

uint32_t
code_refs(struct type *type)
{
	return type_is_ref(type);
}

struct type *
code_field(struct type *of, uint32_t i)
{
	return of->kind == TYPE_RECORD ? of->record->types[i] : of->args[i];
}

uint32_t
code_fields(const struct type *of)
{
	return of->kind == TYPE_RECORD ? of->record->fields_count : of->count;
}

/* As prelude.et reads it: 2 and a bit for each word that is a reference. */
uint32_t
code_description(struct type *type)
{
	uint32_t bits = 0;

	type = type_of(type);
	for (uint32_t i = 0; i < code_fields(type); i++)
		bits |= (uint32_t)type_is_ref(code_field(type, i)) << i;
	return bits ? 2 | bits << 3 : 0;
}

/* Whether an expression may take memory, and so reclaim what has no root. */
static bool
allocates(struct coder *c, const struct node *node)
{
	if (code_fact(c, node)->coerce == COERCE_WRAP)
		return true;
	switch (node->kind) {
	case N_INT: case N_FLOAT: case N_TRUE: case N_FALSE: case N_TEXT: case N_BYTES: case N_NAME:
		return code_fact(c, node)->coerce == COERCE_VECTOR;
	case N_UNARY: case N_FIELD:
		return code_fact(c, node)->instance || allocates(c, node->a);
	case N_BINARY: case N_COMPARE: case N_INDEX:
		return code_fact(c, node)->instance || allocates(c, node->a) || allocates(c, node->b);
	default:
		return true;
	}
}

static bool
is_new(struct coder *c, const struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	struct type *type = fact->type;

	if (fact->coerce == COERCE_UNWRAP)
		type = type_of(type)->args[0];
	if (fact->coerce == COERCE_WRAP || fact->coerce == COERCE_VECTOR)
		return true;
	/* A domain's variable may get another value while this one is still used. */
	return type_is_ref(type) && (fact->coerce || fact->use == USE_GLOBAL ||
		(node->kind != N_NAME && node->kind != N_TEXT && node->kind != N_BYTES));
}

void
code_root(struct coder *c)
{
	const uint32_t temp = code_temp(c, WASM_I32), slot = c->root_next++;

	if (c->root_next > c->roots_max)
		c->roots_max = c->root_next;
	op_u(c, 0x21, temp);
	op_u(c, 0x20, c->frame);
	op_u(c, 0x20, temp);
	op(c, 0x36);
	out_u(c->body, 2);
	out_u(c->body, 4 * (uint64_t)slot);
	op_u(c, 0x20, temp);
	code_temp_free(c, temp, WASM_I32);
}

void
code_arg(struct coder *c, struct node *node)
{
	code_expr(c, node);
	if (is_new(c, node))
		code_root(c);
}

/* An operand that waits while `later` is found out. */
static void
operand(struct coder *c, struct node *node, struct node *later)
{
	code_expr(c, node);
	if (later && is_new(c, node) && allocates(c, later))
		code_root(c);
}

/* --- operations ------------------------------------------------------------------ */

struct operation {
	uint8_t sign, i64_s, i64_u, i32, f64;
};

static const struct operation operations[] = {
	{T_ADD, 0x7c, 0x7c, 0x6a, 0xa0}, {T_SUB, 0x7d, 0x7d, 0x6b, 0xa1}, {T_MUL, 0x7e, 0x7e, 0x6c, 0xa2},
	{T_DIV, 0x7f, 0x80, 0x6e, 0xa3}, {T_MOD, 0x81, 0x82, 0x70, 0}, {T_AND, 0x83, 0x83, 0x71, 0},
	{T_OR, 0x84, 0x84, 0x72, 0}, {T_XOR, 0x85, 0x85, 0x73, 0}, {T_SHL, 0x86, 0x86, 0x74, 0},
	{T_SHR, 0x87, 0x88, 0x76, 0}, {T_EQ, 0x51, 0x51, 0x46, 0x61}, {T_NE, 0x52, 0x52, 0x47, 0x62},
	{T_LT, 0x53, 0x54, 0x49, 0x63}, {T_GT, 0x55, 0x56, 0x4b, 0x64}, {T_LE, 0x57, 0x58, 0x4d, 0x65},
	{T_GE, 0x59, 0x5a, 0x4f, 0x66},
};

void
code_operation(struct coder *c, unsigned sign, struct type *type, bool unsigned_op)
{
	type = type_of(type);
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		const struct operation *o = &operations[i];

		if (o->sign != sign)
			continue;
		op(c, type->kind == TYPE_FLOAT ? o->f64 : type->kind == TYPE_ADDR || type->kind == TYPE_BOOL
			? o->i32 : unsigned_op || type->kind == TYPE_U ? o->i64_u : o->i64_s);
	}
}

static unsigned
opposite(unsigned sign)
{
	switch (sign) {
	case T_EQ: return T_NE;
	case T_NE: return T_EQ;
	case T_LT: return T_GE;
	case T_GE: return T_LT;
	case T_GT: return T_LE;
	default: return T_GT;
	}
}

static struct type *
data_type(struct coder *c, const struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	struct type *type = type_of(fact->type);

	if (fact->coerce == COERCE_UNWRAP)
		return type_of(type->args[0]);
	return fact->coerce == COERCE_REAL ? &type_float : fact->coerce == COERCE_LOW ? &type_addr : type;
}

/* `not` by turning the sign round is true of numbers only: of floats NaN is neither. */
static void
comparison(struct coder *c, struct node *node, bool sense)
{
	const struct fact *fact = code_fact(c, node);
	struct type *type = data_type(c, node->a);
	unsigned sign = node->op;

	if (fact->instance) {
		code_arg(c, node->a);
		code_arg(c, node->b);
		op_call(c, fact->instance);
		if (sign == T_EQ || sign == T_NE) {
			if ((sign == T_NE) == sense)
				op(c, 0x45);
			return;
		}
		op_i64(c, 0); /* order() is below, at or above zero */
		code_operation(c, sense ? sign : opposite(sign), &type_int, false);
		return;
	}
	operand(c, node->a, node->b);
	code_expr(c, node->b);
	if (!sense && type->kind != TYPE_FLOAT)
		sign = opposite(sign);
	code_operation(c, sign, type, fact->unsigned_op);
	if (!sense && type->kind == TYPE_FLOAT)
		op(c, 0x45);
}

void
code_jump(struct coder *c, struct node *node, bool sense, uint32_t to)
{
	uint32_t past;

	switch (node->kind) {
	case N_TRUE:
	case N_FALSE:
		if ((node->kind == N_TRUE) == sense)
			op_br(c, 0x0c, to);
		return;
	case N_NOT:
		code_jump(c, node->a, !sense, to);
		return;
	case N_AND:
	case N_OR:
		if ((node->kind == N_OR) == sense) { /* either is enough */
			code_jump(c, node->a, sense, to);
			code_jump(c, node->b, sense, to);
			return;
		}
		past = op_block(c, 0x02);
		code_jump(c, node->a, !sense, past);
		code_jump(c, node->b, sense, to);
		op_end(c);
		return;
	case N_COMPARE:
		comparison(c, node, sense);
		op_br(c, 0x0d, to);
		return;
	default:
		code_expr(c, node);
		if (!sense)
			op(c, 0x45);
		op_br(c, 0x0d, to);
		return;
	}
}

/* --- made of several ---------------------------------------------------------------- */

/* What is on the stack, into a local and a root. */
static uint32_t
hold(struct coder *c)
{
	const uint32_t temp = code_temp(c, WASM_I32);

	code_root(c);
	op_u(c, 0x21, temp);
	return temp;
}

static void
list(struct coder *c, struct node *node)
{
	struct type *of = type_of(type_of(code_fact(c, node)->type)->args[0]);
	uint32_t count = 0, temp;

	for (struct node *e = node->list; e; e = e->next)
		count++;
	op_i32(c, count);
	op_i32(c, code_refs(of));
	op_help(c, HELP_list_make);
	if (!count)
		return;
	temp = hold(c);
	count = 0;
	for (struct node *e = node->list; e; e = e->next) {
		op_u(c, 0x20, temp);
		op_load(c, &type_addr, LIST_DATA);
		code_expr(c, e);
		op_store(c, of, BLOCK_HEAD + 8 * count++);
	}
	op_u(c, 0x20, temp);
	code_temp_free(c, temp, WASM_I32);
}

static void
fields(struct coder *c, struct node *node)
{
	struct type *of = type_of(code_fact(c, node)->type);
	uint32_t i = 0, temp;

	op_i32(c, 2 + (int64_t)code_fields(of));
	op_i32(c, code_description(of));
	op_help(c, HELP_block_make);
	temp = hold(c);
	for (struct node *e = node->list; e; e = e->next, i++) {
		op_u(c, 0x20, temp);
		code_expr(c, e);
		op_store(c, code_field(of, i), BLOCK_HEAD + 8 * i);
	}
	op_u(c, 0x20, temp);
	code_temp_free(c, temp, WASM_I32);
}

static void
map(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	struct type *of = type_of(fact->type);
	uint32_t temp;

	op_i32(c, code_refs(of->args[0]));
	op_i32(c, code_refs(of->args[1]));
	op_help(c, HELP_map_make);
	if (!node->list)
		return;
	temp = hold(c);
	for (struct node *k = node->list; k && k->next; k = k->next->next) {
		op_u(c, 0x20, temp);
		code_arg(c, k);
		code_arg(c, k->next);
		op_call(c, fact->instance);
	}
	op_u(c, 0x20, temp);
	code_temp_free(c, temp, WASM_I32);
}

void
code_zero(struct coder *c, struct type *type, uint32_t depth)
{
	uint32_t temp;

	type = type_of(type);
	switch (type->kind) {
	case TYPE_NONE: return;
	case TYPE_FLOAT:
		op(c, 0x44);
		out_bytes(c->body, (uint8_t[8]){0}, 8);
		return;
	case TYPE_BOOL: case TYPE_ADDR: case TYPE_FN: case TYPE_KEY:
		op_i32(c, 0);
		return;
	case TYPE_TEXT: case TYPE_BYTES:
		op_i32(c, code_static(c, "", 0));
		return;
	case TYPE_LIST:
		op_i32(c, 0);
		op_i32(c, code_refs(type->args[0]));
		op_help(c, HELP_list_make);
		return;
	case TYPE_MAP:
		op_i32(c, code_refs(type->args[0]));
		op_i32(c, code_refs(type->args[1]));
		op_help(c, HELP_map_make);
		return;
	case TYPE_RECORD: case TYPE_TUPLE:
		op_i32(c, 2 + (int64_t)code_fields(type));
		op_i32(c, code_description(type));
		op_help(c, HELP_block_make);
		temp = hold(c);
		for (uint32_t i = 0; i < code_fields(type) && depth < TYPE_DEPTH_MAX; i++) {
			if (!type_is_ref(code_field(type, i)))
				continue;
			op_u(c, 0x20, temp);
			code_zero(c, code_field(type, i), depth + 1);
			op_store(c, code_field(type, i), BLOCK_HEAD + 8 * i);
		}
		op_u(c, 0x20, temp);
		code_temp_free(c, temp, WASM_I32);
		return;
	case TYPE_OUTCOME:
		op_i32(c, code_refs(type->args[0]));
		op_help(c, HELP_wrap_new);
		return;
	default:
		op_i64(c, 0);
		return;
	}
}

/* --- places in lists ----------------------------------------------------------------------- */

void
code_place(struct coder *c, uint32_t list_local, uint32_t at)
{
	uint32_t fine;

	fine = op_block(c, 0x02);
	op_u(c, 0x20, at);
	op_u(c, 0x20, list_local);
	op(c, 0x35); /* i64.load32_u */
	out_u(c->body, 2);
	out_u(c->body, LIST_LENGTH);
	op(c, 0x54); /* lt_u */
	op_br(c, 0x0d, fine);
	op_u(c, 0x20, list_local);
	op_u(c, 0x20, at);
	op_help(c, HELP_index_bad);
	op_end(c);
	op_u(c, 0x20, list_local);
	op_load(c, &type_addr, LIST_DATA);
	op_u(c, 0x20, at);
	op(c, 0xa7);
	op_i32(c, 3);
	op(c, 0x74);
	op(c, 0x6a);
}

static bool
variable_local(struct coder *c, const struct node *node, uint32_t *ret_local)
{
	const struct fact *fact = code_fact(c, node);

	if (node->kind != N_NAME || fact->use != USE_VARIABLE || fact->coerce)
		return false;
	*ret_local = fact->index;
	return true;
}

static void
index_of(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	struct type *of = data_type(c, node->a);
	uint32_t list_local, at;
	bool mine, mine_at;

	if (of->kind == TYPE_TUPLE) {
		code_expr(c, node->a);
		op_load(c, of->args[node->b->number], (uint32_t)(BLOCK_HEAD + 8 * node->b->number));
		return;
	}
	if (fact->instance) {
		code_arg(c, node->a);
		code_arg(c, node->b);
		op_call(c, fact->instance);
		return;
	}
	mine = !variable_local(c, node->a, &list_local);
	if (mine) {
		operand(c, node->a, node->b);
		list_local = code_temp(c, WASM_I32);
		op_u(c, 0x21, list_local);
	}
	mine_at = !variable_local(c, node->b, &at);
	if (mine_at) {
		at = code_temp(c, WASM_I64);
		if (node->b->kind == N_UNARY && node->b->op == T_SUB && node->b->a->kind == N_INT) {
			op_u(c, 0x20, list_local); /* l[-1] */
			op(c, 0x35);
			out_u(c->body, 2);
			out_u(c->body, LIST_LENGTH);
			op_i64(c, (int64_t)node->b->a->number);
			op(c, 0x7d);
		} else {
			code_expr(c, node->b);
		}
		op_u(c, 0x21, at);
	}
	code_place(c, list_local, at);
	op_load(c, type_of(of)->args[0], BLOCK_HEAD);
	if (mine)
		code_temp_free(c, list_local, WASM_I32);
	if (mine_at)
		code_temp_free(c, at, WASM_I64);
}

/* --- all ------------------------------------------------------------------------------------------ */

/* The number of a literal, with its signs. */
static int64_t
literal(const struct node *node)
{
	if (node->kind == N_INT)
		return (int64_t)node->number;
	if (node->kind == N_BINARY) {
		const uint64_t a = (uint64_t)literal(node->a), b = (uint64_t)literal(node->b);

		return (int64_t)(node->op == T_ADD ? a + b : node->op == T_SUB ? a - b : a * b);
	}
	switch (node->op) {
	case T_SUB: return (int64_t)(0 - (uint64_t)literal(node->a));
	case T_TILDE: return ~literal(node->a);
	default: return literal(node->a);
	}
}

static void
real(struct coder *c, double value)
{
	op(c, 0x44);
	out_bytes(c->body, &value, 8); /* a host that is little-endian, as all of ours */
}

static void
name_or_constant(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	struct node *value = fact->value;
	double sign = 1;

	if (fact->use == USE_VARIABLE || fact->use == USE_GLOBAL) {
		code_get_name(c, node);
		return;
	}
	if (fact->use == USE_FUNCTION) {
		op_i32(c, 0);
		return;
	}
	switch (value->kind) {
	case N_TEXT:
	case N_BYTES:
		op_i32(c, code_static(c, value->name, value->number));
		return;
	case N_TRUE:
	case N_FALSE:
		op_i32(c, value->kind == N_TRUE);
		return;
	case N_UNARY:
		if (value->a->kind == N_FLOAT)
			sign = value->op == T_SUB ? -1 : 1;
		if (value->a->kind == N_FLOAT)
			value = value->a;
		break;
	default:
		break;
	}
	if (value->kind == N_FLOAT)
		real(c, sign * value->real);
	else
		op_i64(c, literal(value));
}

static void
unary(struct coder *c, struct node *node)
{
	const bool is_float = data_type(c, node->a)->kind == TYPE_FLOAT;

	if (node->op == T_ADD) {
		code_expr(c, node->a);
	} else if (is_float) {
		code_expr(c, node->a);
		op(c, 0x9a);
	} else if (node->op == T_SUB) {
		op_i64(c, 0);
		code_expr(c, node->a);
		op(c, 0x7d);
	} else {
		code_expr(c, node->a);
		op_i64(c, -1);
		op(c, 0x85);
	}
}

static void
plain(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const enum wasm_type wasm = type_wasm(fact->type);

	switch ((enum node_kind)node->kind) {
	case N_INT: op_i64(c, (int64_t)node->number); return;
	case N_FLOAT: real(c, node->real); return;
	case N_TRUE:
	case N_FALSE: op_i32(c, node->kind == N_TRUE); return;
	case N_TEXT:
	case N_BYTES: op_i32(c, code_static(c, node->name, node->number)); return;
	case N_NAME: name_or_constant(c, node); return;
	case N_LIST: list(c, node); return;
	case N_MAP: map(c, node); return;
	case N_TUPLE:
	case N_RECORD: fields(c, node); return;
	case N_CALL: code_call(c, node); return;
	case N_SANDBOX: code_sandbox(c, node); return;
	case N_FIELD:
		if (fact->use == USE_CALL) {
			code_arg(c, node->a);
			op_call(c, fact->instance);
			return;
		}
		code_expr(c, node->a);
		op_load(c, fact->type, BLOCK_HEAD + 8 * fact->index);
		return;
	case N_INDEX: index_of(c, node); return;
	case N_SLICE:
		code_arg(c, node->a);
		if (node->b)
			code_expr(c, node->b);
		else
			op_i64(c, 0);
		if (node->c)
			code_expr(c, node->c);
		else
			op_i64(c, INT64_MAX);
		op_call(c, fact->instance);
		return;
	case N_DOLLAR: code_dollar(c, node); return;
	case N_UNARY: unary(c, node); return;
	case N_BINARY:
		if (fact->instance) {
			code_arg(c, node->a);
			code_arg(c, node->b);
			op_call(c, fact->instance);
			return;
		}
		operand(c, node->a, node->b);
		code_expr(c, node->b);
		code_operation(c, node->op, fact->type, false);
		return;
	case N_COMPARE: comparison(c, node, true); return;
	case N_IN:
		code_arg(c, node->b);
		code_arg(c, node->a);
		op_call(c, fact->instance);
		if (node->op == T_not)
			op(c, 0x45);
		return;
	case N_AND:
	case N_OR:
		code_expr(c, node->a);
		op(c, 0x04);
		out_byte(c->body, WASM_I32);
		c->depth++;
		if (node->kind == N_AND)
			code_expr(c, node->b);
		else
			op_i32(c, 1);
		op(c, 0x05);
		if (node->kind == N_OR)
			code_expr(c, node->b);
		else
			op_i32(c, 0);
		op_end(c);
		return;
	case N_NOT:
		if (node->a->kind == N_COMPARE) {
			comparison(c, node->a, false);
			return;
		}
		code_expr(c, node->a);
		op(c, 0x45);
		return;
	case N_CHOICE:
		code_expr(c, node->b);
		op(c, 0x04);
		out_byte(c->body, (unsigned)wasm);
		c->depth++;
		code_expr(c, node->a);
		op(c, 0x05);
		code_expr(c, node->c);
		op_end(c);
		return;
	default:
		return;
	}
}

void
code_wrap(struct coder *c, struct type *type)
{
	uint32_t temp, outcome;

	if (type_is_ref(type))
		code_root(c);
	temp = code_temp(c, type_wasm(type));
	op_u(c, 0x21, temp);
	op_i32(c, code_refs(type));
	op_help(c, HELP_wrap_new);
	outcome = code_temp(c, WASM_I32);
	op_u(c, 0x22, outcome);
	op_u(c, 0x20, temp);
	op_store(c, type, BLOCK_HEAD + 8);
	op_u(c, 0x20, outcome);
	code_temp_free(c, temp, type_wasm(type));
	code_temp_free(c, outcome, WASM_I32);
}

void
code_expr(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	struct type *type = fact->type;

	c->at = node->at;
	switch (fact->coerce) {
	case COERCE_REAL:
		real(c, (double)literal(node));
		return;
	case COERCE_LOW:
		op_i32(c, (int32_t)literal(node));
		return;
	case COERCE_UNWRAP:
		plain(c, node);
		op_help(c, HELP_unwrap);
		op_load(c, type_of(type)->args[0], 0);
		return;
	case COERCE_WRAP:
		plain(c, node);
		code_wrap(c, type);
		return;
	case COERCE_VECTOR:
		plain(c, node);
		op_call(c, c->check->vector); /* (start, length) in area 2 */
		return;
	default:
		plain(c, node);
	}
}
