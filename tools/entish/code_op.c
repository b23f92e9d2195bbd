/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/code.h"

/* --- single instructions --------------------------------------------------------- */

void
op(struct coder *c, unsigned code)
{
	out_byte(c->body, code);
	if (c->counts)
		costs_add(c->costs, c->at, code);
}

void
op_u(struct coder *c, unsigned code, uint64_t value)
{
	op(c, code);
	out_u(c->body, value);
}

void
op_i32(struct coder *c, int64_t value)
{
	out_byte(c->body, 0x41);
	out_s(c->body, (int32_t)value);
}

void
op_i64(struct coder *c, int64_t value)
{
	out_byte(c->body, 0x42);
	out_s(c->body, value);
}

void
op_call(struct coder *c, const struct instance *instance)
{
	if (c->counts && instance->def->unit->library)
		costs_runtime(c->costs, c->at);
	op_u(c, 0x10, code_index(c, instance));
}

void
op_help(struct coder *c, enum helper helper)
{
	op_call(c, c->check->helpers[helper]);
}

void
op_load(struct coder *c, struct type *type, uint32_t offset)
{
	const enum wasm_type wasm = type_wasm(type);

	if (type_of(type)->kind == TYPE_NONE)
		return;
	op(c, wasm == WASM_I64 ? 0x29 : wasm == WASM_F64 ? 0x2b : 0x28);
	out_u(c->body, wasm == WASM_I32 ? 2 : 3);
	out_u(c->body, offset);
}

void
op_store(struct coder *c, struct type *type, uint32_t offset)
{
	const enum wasm_type wasm = type_wasm(type);

	op(c, wasm == WASM_I64 ? 0x37 : wasm == WASM_F64 ? 0x39 : 0x36);
	out_u(c->body, wasm == WASM_I32 ? 2 : 3);
	out_u(c->body, offset);
}

uint32_t
op_block(struct coder *c, unsigned code)
{
	op(c, code);
	out_byte(c->body, 0x40);
	return ++c->depth;
}

void
op_end(struct coder *c)
{
	op(c, 0x0b);
	c->depth--;
}

void
op_br(struct coder *c, unsigned code, uint32_t to)
{
	op_u(c, code, c->depth - to);
}

/* --- locals ---------------------------------------------------------------------------- */

static unsigned
spare_of(enum wasm_type type)
{
	return type == WASM_I32 ? 0 : type == WASM_I64 ? 1 : 2;
}

uint32_t
code_temp(struct coder *c, enum wasm_type type)
{
	const unsigned kind = spare_of(type);

	if (c->spare_count[kind])
		return c->spare[kind][--c->spare_count[kind]];
	out_byte(&c->local_types, (unsigned)type);
	return c->locals++;
}

void
code_temp_free(struct coder *c, uint32_t local, enum wasm_type type)
{
	const unsigned kind = spare_of(type);

	if (c->spare_count[kind] < 64)
		c->spare[kind][c->spare_count[kind]++] = local;
}

/* What is on the stack, into a variable. */
static void
set_variable(struct coder *c, uint32_t index)
{
	const uint32_t root = c->roots[index];

	op_u(c, 0x21, index);
	if (!root)
		return;
	op_u(c, 0x20, c->frame);
	op_u(c, 0x20, index);
	op(c, 0x36);
	out_u(c->body, 2);
	out_u(c->body, 4 * (uint64_t)(root - 1));
}

static const struct variable *
domain_variable(struct coder *c, const struct node *node)
{
	return &c->in->def->block->variables[code_fact(c, node)->index];
}

void
code_set_name(struct coder *c, const struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const struct variable *variable;
	uint32_t temp;

	if (fact->use != USE_GLOBAL) {
		set_variable(c, fact->index);
		return;
	}
	variable = domain_variable(c, node);
	temp = code_temp(c, type_wasm(variable->type));
	op_u(c, 0x21, temp);
	op_i32(c, variable->at);
	op_u(c, 0x20, temp);
	op_store(c, variable->type, 0);
	code_temp_free(c, temp, type_wasm(variable->type));
}

void
code_get_name(struct coder *c, const struct node *node)
{
	const struct fact *fact = code_fact(c, node);

	if (fact->use != USE_GLOBAL) {
		op_u(c, 0x20, fact->index);
		return;
	}
	op_i32(c, domain_variable(c, node)->at);
	op_load(c, domain_variable(c, node)->type, 0);
}
