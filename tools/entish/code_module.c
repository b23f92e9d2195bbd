/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/code.h"

#include <string.h>

struct static_text {
	struct static_text *next;
	const char *text;
	uint64_t bytes;
	uint32_t at;
};

struct fact *
code_fact(struct coder *c, const struct node *node)
{
	return &c->in->facts[node->id - c->in->def->id_first];
}

/* --- parts ------------------------------------------------------------------------ */

/* The number of a type of functions; each once. */
uint32_t
code_type(struct coder *c, const char *params, const char *results)
{
	struct out one = {.arena = c->arena};
	uint32_t number = 0;

	out_byte(&one, 0x60);
	out_text(&one, params);
	out_text(&one, results);
	for (size_t i = 0; i < c->types.used; number++) {
		const size_t takes = c->types.at[i + 1], gives = c->types.at[i + 2 + takes];
		const size_t bytes = 3 + takes + gives;

		if (bytes == one.used && !memcmp(c->types.at + i, one.at, bytes))
			return number;
		i += bytes;
	}
	out_bytes(&c->types, one.at, one.used);
	c->types_count++;
	return number;
}

uint32_t
code_index(const struct coder *c, const struct instance *instance)
{
	(void)c;
	return CODE_FIRST + instance->number;
}

static uint32_t
signature(struct coder *c, const struct instance *in)
{
	char params[ARGUMENTS_MAX + 1] = "", results[2] = "";

	for (uint32_t i = 0; i < in->def->params_count; i++)
		params[i] = (char)type_wasm(in->params[i]);
	if (in->outcome)
		results[0] = (char)WASM_I32;
	else if (type_of(in->result)->kind != TYPE_NONE)
		results[0] = (char)type_wasm(in->result);
	return code_type(c, params, results);
}

/* A text is a block as the heap has them: words, description, link, bytes. */
uint32_t
code_static(struct coder *c, const char *text, uint64_t bytes)
{
	struct static_text *s;
	uint32_t hash = (uint32_t)bytes, head[4] = {0};

	for (uint64_t i = 0; i < bytes; i++)
		hash = hash * 31 + (unsigned char)text[i];
	for (s = c->texts[hash % 256]; s; s = s->next)
		if (s->bytes == bytes && !memcmp(s->text, text, bytes))
			return s->at;
	s = arena_take(c->arena, sizeof *s);
	*s = (struct static_text){.next = c->texts[hash % 256], .text = text, .bytes = bytes,
		.at = STATIC_AT + (uint32_t)c->statics.used};
	c->texts[hash % 256] = s;
	head[0] = (uint32_t)(2 + (bytes + 7) / 8) << 3;
	head[3] = (uint32_t)bytes;
	out_bytes(&c->statics, head, sizeof head);
	out_bytes(&c->statics, text, bytes);
	while (c->statics.used % 8)
		out_byte(&c->statics, 0);
	return s->at;
}

/* --- functions that no text has ------------------------------------------------------- */

static void
body_of(struct coder *c, struct out *body)
{
	struct out all = {.arena = c->arena};

	out_u(&all, 0); /* no locals */
	out_bytes(&all, body->at, body->used);
	out_byte(&all, 0x0b);
	out_part(&c->bodies, &all);
}

/* What the command line starts, or, in a sandbox, the parent. */
static void
body_start(struct coder *c)
{
	struct out body = {.arena = c->arena};
	const struct instance *main = c->check->main;
	uint32_t inner;

	c->body = &body;
	c->depth = 0;
	inner = op_block(c, 0x02);
	op_i32(c, CELL_ROLE);
	op(c, 0x28);
	out_bytes(&body, "\x02", 2);
	op(c, 0x45);
	op_br(c, 0x0d, inner);
	op_i32(c, CELL_ROLE);
	op(c, 0x28);
	out_bytes(&body, "\x02", 2);
	op_i32(c, 1);
	op(c, 0x6b);
	op_u(c, 0x11, code_type(c, "", ""));
	op(c, 0x00);
	op(c, 0x0f);
	op_end(c);
	op_help(c, HELP_start);
	if (main->def->block && main->def->block->beginning)
		op_call(c, main->def->block->beginning);
	op_call(c, main);
	if (main->returns)
		op(c, 0x1a);
	op_help(c, HELP_finish);
	body_of(c, &body);
}

/* The arguments lie in cells, and there the result goes. An outcome's value is looked
 * at for a domain's caller only: none comes out of a sandbox (check_sandbox). */
static void
call_from_cells(struct coder *c, const struct instance *in)
{
	op_i32(c, CELL_RESULT);
	for (uint32_t i = 0; i < in->def->params_count; i++) {
		op_i32(c, CELL_ARGS + 8 * i);
		op_load(c, in->params[i], 0);
	}
	op_call(c, in);
	if (in->outcome) {
		op_help(c, HELP_serve_outcome);
		op_load(c, in->result, 0);
	}
	if (in->returns)
		op_store(c, in->result, 0);
	else
		op(c, 0x1a);
}

/* A function in a sandbox: all that surrounds it is one block, paid before the
 * first yield, so what is counted behind that is the function's alone. */
static void
body_entry(struct coder *c, const struct instance *in)
{
	struct out body = {.arena = c->arena};

	c->body = &body;
	c->depth = 0;
	op_help(c, HELP_prepare);
	if (in->def->block && in->def->block->beginning) { /* variables of its own, beside its words */
		op_call(c, in->def->block->beginning);
		op_i32(c, CELL_WORDS);
		op_load(c, &type_int, 0);
		op_u(c, 0x24, 1);
	}
	op_i64(c, 1);
	op_u(c, 0x10, 1);
	op(c, 0x1a);
	call_from_cells(c, in);
	body_of(c, &body);
}

/* A function that another domain called: serve() has put its arguments into cells. */
static void
body_served(struct coder *c, const struct instance *in)
{
	struct out body = {.arena = c->arena};

	c->body = &body;
	c->depth = 0;
	call_from_cells(c, in);
	body_of(c, &body);
}

/* A domain that others call. */
static void
body_domain(struct coder *c, const struct domain_block *block)
{
	struct out body = {.arena = c->arena};

	c->body = &body;
	c->depth = 0;
	op_help(c, HELP_serve_begin);
	if (block->beginning)
		op_call(c, block->beginning);
	op_help(c, HELP_serve);
	body_of(c, &body);
}

/* Where each variable of a domain lies, the same in all: what refers to the heap at
 * the bottom of the shadow stack, the rest among the static texts. */
static uint32_t
place_variables(struct coder *c)
{
	uint32_t references = 0;

	for (struct domain_block *b = c->check->program->domains; b; b = b->next)
		for (uint32_t i = 0; i < b->variables_count; i++) {
			struct variable *v = &b->variables[i];

			if (type_is_ref(v->type)) {
				v->at = STACK_AT + 8 * references++;
				continue;
			}
			v->at = STATIC_AT + (uint32_t)c->statics.used;
			for (int n = 0; n < 8; n++)
				out_byte(&c->statics, 0);
		}
	return STACK_AT + 8 * references;
}

/* NAME, whom it calls, whom they do, its place among the entries; prelude_domains.et reads it. */
static const char *
domains_text(struct coder *c)
{
	const char *all = "";

	for (struct domain_block *b = c->check->program->domains; b; b = b->next)
		all = arena_format(c->arena, "%s%s%.60s %u %u %u", all, *all ? "|" : "", b->name, b->calls,
			b->below, c->check->entries_count + b->number + 1);
	return all;
}

/* --- sections ----------------------------------------------------------------------------- */

static void
imports(struct coder *c, struct out *out)
{
	static const struct {
		const char *module, *name, *params, *results;
	} all[CODE_IMPORTS] = {
		{"keyhold", "call", "\x7f\x7f\x7f", "\x7f"},
		{"keyhold", "yield", "\x7e", "\x7e"},
		{"wasi_snapshot_preview1", "proc_exit", "\x7f", ""},
		{"wasi_snapshot_preview1", "args_sizes_get", "\x7f\x7f", "\x7f"},
		{"wasi_snapshot_preview1", "args_get", "\x7f\x7f", "\x7f"},
		{"keyhold", "send", "\x7f\x7f\x7f", "\x7f"},
		{"keyhold", "reply_wait", "\x7f\x7f", "\x7f"},
	};

	out_u(out, CODE_IMPORTS);
	for (uint32_t i = 0; i < CODE_IMPORTS; i++) {
		out_text(out, all[i].module);
		out_text(out, all[i].name);
		out_byte(out, 0);
		out_u(out, code_type(c, all[i].params, all[i].results));
	}
}

static void
globals(struct out *out, uint32_t stack, uint32_t heap, size_t own)
{
	out_u(out, 4);
	out_bytes(out, "\x7f\x01\x41", 3); /* where the shadow stack ends */
	out_s(out, stack);
	out_byte(out, 0x0b);
	out_bytes(out, "\x7e\x01\x42", 3); /* words that may still be used */
	out_s(out, INT64_C(1) << 60);
	out_byte(out, 0x0b);
	out_bytes(out, "\x7f\x00\x41", 3); /* where the heap begins */
	out_s(out, heap);
	out_byte(out, 0x0b);
	out_bytes(out, "\x7f\x00\x41", 3); /* the bytes of the module that is inside */
	out_s(out, (int32_t)own);
	out_byte(out, 0x0b);
}

static void
exports(struct coder *c, struct out *out)
{
	out_u(out, 3);
	out_text(out, "memory");
	out_bytes(out, "\x02", 2);
	out_text(out, "_start");
	out_byte(out, 0);
	out_u(out, CODE_START);
	out_text(out, "pack_result");
	out_byte(out, 0);
	out_u(out, code_index(c, c->check->helpers[HELP_pack_result]));
}

static void
names(struct coder *c, struct out *out)
{
	struct out part = {.arena = c->arena};
	uint32_t count = 0;

	for (struct instance *i = c->check->instances; i; i = i->next)
		count++;
	out_text(out, "name");
	out_u(&part, count);
	for (struct instance *i = c->check->instances; i; i = i->next) {
		out_u(&part, code_index(c, i));
		out_text(&part, i->def->name);
	}
	out_section(out, 1, &part);
}

/* The module with `own` inside; the functions are the same whatever that is. */
static void
assemble(struct coder *c, const struct out *own, struct out *ret)
{
	struct out s = {.arena = c->arena}, functions = {.arena = c->arena};
	const uint32_t heap = (STATIC_AT + (uint32_t)c->statics.used + 15) & ~15u;
	const uint32_t entries = c->check->entries_count + c->check->program->domains_count;
	const uint32_t count = 1 + c->check->instances_count + entries;

	*ret = (struct out){.arena = c->arena};
	out_bytes(ret, "\0asm\1\0\0", 8);
	imports(c, &functions); /* first, for the types */
	out_u(&s, c->types_count);
	out_bytes(&s, c->types.at, c->types.used);
	out_section(ret, 1, &s);
	out_section(ret, 2, &functions);
	s.used = 0;
	out_u(&s, count);
	out_bytes(&s, c->functions.at, c->functions.used);
	out_section(ret, 3, &s);
	s.used = 0;
	out_bytes(&s, "\x01\x70\x00", 3);
	out_u(&s, entries + 1);
	out_section(ret, 4, &s);
	s.used = 0;
	out_bytes(&s, "\x01\x00", 2);
	out_u(&s, (heap + (16u << 10)) / 65536 + 1);
	out_section(ret, 5, &s);
	s.used = 0;
	globals(&s, c->stack, heap, own ? own->used : 0);
	out_section(ret, 6, &s);
	s.used = 0;
	exports(c, &s);
	out_section(ret, 7, &s);
	s.used = 0;
	if (entries) {
		out_bytes(&s, "\x01\x00\x41\x00\x0b", 5);
		out_u(&s, entries);
		for (uint32_t i = 0; i < entries; i++)
			out_u(&s, CODE_FIRST + c->check->instances_count + i);
		out_section(ret, 9, &s);
		s.used = 0;
	}
	out_u(&s, 2);
	out_section(ret, 12, &s);
	s.used = 0;
	out_u(&s, count);
	out_bytes(&s, c->bodies.at, c->bodies.used);
	out_section(ret, 10, &s);
	s.used = 0;
	out_u(&s, 2);
	out_bytes(&s, "\x00\x41", 2);
	out_s(&s, STATIC_AT);
	out_byte(&s, 0x0b);
	out_part(&s, &c->statics);
	out_byte(&s, 1); /* passive: our own bytes */
	if (own)
		out_part(&s, own);
	else
		out_u(&s, 0);
	out_section(ret, 11, &s);
	s.used = 0;
	names(c, &s);
	out_section(ret, 0, &s);
}

void
code_module(struct checker *check, struct costs *costs, struct out *ret_module)
{
	struct coder *c = arena_take(check->arena, sizeof *c);
	struct out core;
	uint32_t number = 0;

	c->arena = check->arena;
	c->check = check;
	c->costs = costs;
	c->types.arena = c->statics.arena = c->bodies.arena = c->functions.arena = check->arena;
	for (struct instance *i = check->instances; i; i = i->next)
		i->number = number++;
	check->instances_count = number;
	c->stack = place_variables(c);
	c->domains = domains_text(c);
	out_u(&c->functions, code_type(c, "", "")); /* type 0: $enter is of it, too */
	body_start(c);
	for (struct instance *i = check->instances; i; i = i->next) {
		out_u(&c->functions, signature(c, i));
		if (i->skip) { /* a body that is never entered */
			struct out body = {.arena = c->arena};

			out_byte(&body, 0x00);
			body_of(c, &body);
		} else {
			code_function(c, i);
		}
	}
	for (uint32_t i = 0; i < check->entries_count; i++) {
		out_u(&c->functions, code_type(c, "", ""));
		if (check->entries_served[i])
			body_served(c, check->entries[i]);
		else
			body_entry(c, check->entries[i]);
	}
	for (struct domain_block *b = check->program->domains; b; b = b->next) {
		out_u(&c->functions, code_type(c, "", ""));
		body_domain(c, b);
	}
	if (!check->entries_count) {
		assemble(c, NULL, ret_module);
		return;
	}
	assemble(c, NULL, &core);
	assemble(c, &core, ret_module);
}
