/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/code.h"

#include <string.h>

static const struct raw {
	const char *name, *code;
	uint32_t bytes;
} raws[] = {
#define RAW(name, takes, gives, code) {#name, code, sizeof code - 1},
#define MADE(name, takes, gives) {#name, NULL, 0},
#include "tools/entish/intrinsics.def"
#undef RAW
#undef MADE
};

/* --- calls ------------------------------------------------------------------------------------ */

/* What a frame takes is counted by the caller: parameters, variables and two words. */
static void
frames(struct coder *c, const struct instance *callee, bool behind)
{
	const int64_t words = (int64_t)callee->variables_count + 2;
	uint32_t temp, fine;

	if (callee->def->unit->library || c->in->def->unit->library)
		return;
	if (behind) {
		op_u(c, 0x23, 1);
		op_i64(c, words);
		op(c, 0x7c);
		op_u(c, 0x24, 1);
		return;
	}
	temp = code_temp(c, WASM_I64);
	fine = op_block(c, 0x02);
	op_u(c, 0x23, 1);
	op_i64(c, words);
	op(c, 0x7d);
	op_u(c, 0x22, temp);
	op_u(c, 0x24, 1);
	op_u(c, 0x20, temp);
	op_i64(c, 0);
	op(c, 0x59);
	op_br(c, 0x0d, fine);
	op_help(c, HELP_words_full);
	op_end(c);
	code_temp_free(c, temp, WASM_I64);
}

/* Into a cell what is in a local. */
static void
cell(struct coder *c, uint32_t at, uint32_t local, struct type *type)
{
	op_i32(c, at);
	op_u(c, 0x20, local);
	op_store(c, type, 0);
}

static void
cell_number(struct coder *c, uint32_t at, int64_t value)
{
	op_i32(c, at);
	op_i64(c, value);
	op_store(c, &type_int, 0);
}

void
code_sandbox(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const struct instance *callee = fact->instance;
	uint32_t locals[ARGUMENTS_MAX + 2 + KEYS_MAX], count = 0, keys = 0, refs = 0, n = 0;
	struct type *types[ARGUMENTS_MAX + 2 + KEYS_MAX];

	for (struct node *e = node->list; e; e = e->next, count++) {
		code_arg(c, e);
		types[count] = callee->params[count];
		refs |= code_refs(types[count]) << count;
		locals[count] = code_temp(c, type_wasm(types[count]));
		op_u(c, 0x21, locals[count]);
	}
	for (struct node *e = node->b; e; e = e == node->b ? node->c : NULL) {
		code_expr(c, e);
		types[count + n] = &type_int;
		locals[count + n] = code_temp(c, WASM_I64);
		op_u(c, 0x21, locals[count + n++]);
	}
	for (struct node *k = node->keys; k && keys < KEYS_MAX; k = k->next, keys++) {
		if (code_fact(c, k)->use == USE_CALL) {
			op_i32(c, code_static(c, k->name, strlen(k->name)));
			op_call(c, code_fact(c, k)->instance);
		} else {
			code_expr(c, k);
		}
		types[count + n] = &type_addr;
		locals[count + n] = code_temp(c, WASM_I32);
		op_u(c, 0x21, locals[count + n++]);
		op_i32(c, CELL_KEY_AT + 8 * keys + 4);
		op_i32(c, code_static(c, k->name ? k->name : "?", k->name ? strlen(k->name) : 1));
		op_store(c, &type_addr, 0);
	}
	for (uint32_t i = 0; i < count; i++)
		cell(c, CELL_ARGS + 8 * i, locals[i], types[i]);
	cell(c, CELL_GAS, locals[count], &type_int);
	cell(c, CELL_WORDS, locals[count + 1], &type_int);
	for (uint32_t i = 0; i < keys; i++)
		cell(c, CELL_KEY_AT + 8 * i, locals[count + 2 + i], &type_addr);
	cell_number(c, CELL_ROLE, callee->entry);
	cell_number(c, CELL_REFS, refs);
	cell_number(c, CELL_COUNT, count);
	cell_number(c, CELL_KEYS, keys);
	cell_number(c, CELL_RESULT, 0);
	for (uint32_t i = 0; i < count + n; i++)
		code_temp_free(c, locals[i], type_wasm(types[i]));
	op_i32(c, code_static(c, callee->def->name, strlen(callee->def->name)));
	op_i32(c, 0);
	op_call(c, fact->second);
}

/* NAME.f(x): the arguments into cells, as above; prelude_domains.et sends them. */
static void
crossing(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const struct instance *callee = fact->instance;
	uint32_t locals[ARGUMENTS_MAX], count = 0, refs = 0;
	const char *name;

	for (struct node *e = node->list; e; e = e->next, count++) {
		code_arg(c, e);
		refs |= code_refs(callee->params[count]) << count;
		locals[count] = code_temp(c, type_wasm(callee->params[count]));
		op_u(c, 0x21, locals[count]);
	}
	for (uint32_t i = 0; i < count; i++) {
		cell_number(c, CELL_ARGS + 8 * i, 0);
		cell(c, CELL_ARGS + 8 * i, locals[i], callee->params[i]);
		code_temp_free(c, locals[i], type_wasm(callee->params[i]));
	}
	cell_number(c, CELL_ROLE, callee->served);
	cell_number(c, CELL_REFS, refs);
	cell_number(c, CELL_COUNT, count);
	cell_number(c, CELL_KEYS, 0);
	name = arena_format(c->arena, "%.60s.%.60s", callee->def->domain, callee->def->name);
	op_i32(c, code_static(c, name, strlen(name)));
	op_i64(c, callee->def->block->number);
	op_i32(c, 0);
	op_call(c, fact->second);
}

void
code_call(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const struct instance *callee = fact->instance;

	if (fact->use == USE_DOMAIN) {
		crossing(c, node);
		return;
	}
	if (fact->use == USE_PRINT) {
		for (struct node *e = node->list; e; e = e->next) {
			if (e != node->list) {
				op_i32(c, code_static(c, " ", 1));
				op_call(c, c->check->space);
			}
			code_arg(c, e);
			op_call(c, code_fact(c, e)->shown);
		}
		op_call(c, fact->instance);
		return;
	}
	if (fact->use == USE_METHOD)
		code_arg(c, node->a->a);
	for (struct node *e = node->list; e; e = e->next)
		code_arg(c, e);
	frames(c, callee, false);
	op_call(c, callee);
	frames(c, callee, true);
	if (callee->outcome && type_of(fact->type)->kind != TYPE_OUTCOME) { /* asked before it was known */
		op_help(c, HELP_unwrap);
		op_load(c, fact->type, 0);
	}
}

/* --- intrinsics ---------------------------------------------------------------------------------- */

static void
fold(struct coder *c, struct node *node, bool two)
{
	const struct fact *fact = code_fact(c, node);
	struct node *acc = node->list->next, *a = acc->next, *b = two ? a->next : NULL;
	struct type *of = type_of(code_fact(c, a)->type);
	uint32_t x, y = 0, sum = code_temp(c, type_wasm(code_fact(c, acc)->type));

	code_arg(c, acc);
	op_u(c, 0x21, sum);
	code_arg(c, a);
	x = code_temp(c, WASM_I32);
	op_u(c, 0x21, x);
	if (b) {
		code_arg(c, b);
		y = code_temp(c, WASM_I32);
		op_u(c, 0x21, y);
	}
	for (uint32_t i = 0; i < code_fields(of); i++) {
		const char *name = "";
		uint32_t k = 0;

		if (of->kind == TYPE_RECORD)
			for (struct node *f = of->record->fields; f; f = f->next)
				if (k++ == i)
					name = f->name;
		op_u(c, 0x20, sum);
		if (b) {
			op_u(c, 0x20, x);
			op_load(c, code_field(of, i), BLOCK_HEAD + 8 * i);
			op_u(c, 0x20, y);
		} else {
			op_i32(c, code_static(c, name, strlen(name)));
			op_u(c, 0x20, x);
		}
		op_load(c, code_field(of, i), BLOCK_HEAD + 8 * i);
		op_call(c, fact->fold[i]);
		if (type_is_ref(code_fact(c, acc)->type))
			code_root(c);
		op_u(c, 0x21, sum);
	}
	op_u(c, 0x20, sum);
	code_temp_free(c, sum, type_wasm(code_fact(c, acc)->type));
	code_temp_free(c, x, WASM_I32);
	if (b)
		code_temp_free(c, y, WASM_I32);
}

static void
made(struct coder *c, struct node *node, const char *name)
{
	struct node *first = node->list, *second = first ? first->next : NULL;
	struct type *of = first ? type_of(code_fact(c, first)->type) : NULL;

	if (!strcmp(name, "domains")) {
		op_i32(c, code_static(c, c->domains, strlen(c->domains)));
		return;
	}
	if (!strcmp(name, "addr")) {
		code_expr(c, first);
	} else if (!strcmp(name, "as") || !strcmp(name, "outcome")) {
		code_expr(c, second);
	} else if (!strcmp(name, "entry")) {
		op_i32(c, code_fact(c, node)->instance->entry);
	} else if (!strcmp(name, "refs")) {
		op_i32(c, code_refs(of->args[of->count - 1]));
	} else if (!strcmp(name, "ovalue")) {
		op_i32(c, code_refs(of->args[0]));
	} else if (!strcmp(name, "inner")) {
		code_expr(c, first);
		op_load(c, of->args[0], BLOCK_HEAD + 8);
	} else if (!strcmp(name, "mkeys") || !strcmp(name, "mvalues")) {
		code_expr(c, first);
		op_load(c, &type_addr, BLOCK_HEAD + (name[1] == 'v' ? 8 : 0));
	} else if (!strcmp(name, "typename")) {
		const char *text = of->kind == TYPE_RECORD ? of->record->name : "";

		op_i32(c, code_static(c, text, strlen(text)));
	} else if (!strcmp(name, "fold") || !strcmp(name, "fold2")) {
		fold(c, node, name[4] == '2');
	} else { /* get, put */
		code_expr(c, first);
		op_load(c, &type_addr, LIST_DATA);
		code_expr(c, second);
		op_i32(c, 3);
		op(c, 0x74);
		op(c, 0x6a);
		if (!strcmp(name, "put")) {
			code_expr(c, second->next);
			op_store(c, of->args[of->count - 1], BLOCK_HEAD);
		} else {
			op_load(c, of->args[of->count - 1], BLOCK_HEAD);
		}
	}
}

void
code_dollar(struct coder *c, struct node *node)
{
	const struct fact *fact = code_fact(c, node);
	const struct raw *raw;

	switch (fact->use) {
	case USE_KNOWN:
		op_i32(c, fact->index);
		return;
	case USE_FUNCTION:
		op_i32(c, 0);
		return;
	case USE_RAW:
		raw = &raws[fact->index];
		if (!raw->code) {
			made(c, node, raw->name);
			return;
		}
		for (struct node *e = node->list; e; e = e->next)
			code_expr(c, e);
		out_bytes(c->body, raw->code, raw->bytes); /* of ours: nobody counts it */
		return;
	default:
		for (struct node *e = node->list; e; e = e->next)
			code_arg(c, e);
		op_call(c, fact->instance);
	}
}
