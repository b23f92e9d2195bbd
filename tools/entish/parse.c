/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/parse.h"

#include <string.h>

static struct node *parse_block(struct parser *p);

struct node *
parse_node(struct parser *p, enum node_kind kind, place at)
{
	struct node *node = arena_take(p->sources->arena, sizeof *node);

	node->kind = (uint8_t)kind;
	node->at = at;
	node->id = (*p->ids)++;
	return node;
}

bool
parse_take(struct parser *p, enum token_kind kind)
{
	if (p->at->kind != kind)
		return false;
	p->at++;
	return true;
}

void
parse_wrong(struct parser *p, const char *hint, const char *what)
{
	const bool here = p->at->kind == T_NAME || p->at->kind == T_INT || p->at->kind == T_TEXT;

	if (p->lost)
		return;
	p->lost = true;
	if (!what)
		source_complain(p->sources, p->at->at, hint, "this is nested too deep");
	else if (here)
		source_complain(p->sources, p->at->at, hint, "%s should stand here, not `%.*s`", what,
			p->at->bytes < 60 ? (int)p->at->bytes : 60,
			source_of(p->sources, p->at->at)->text +
				(p->at->at - source_of(p->sources, p->at->at)->base));
	else
		source_complain(p->sources, p->at->at, hint, "%s should stand here, not %s", what,
			token_names[p->at->kind]);
}

void
parse_want(struct parser *p, enum token_kind kind, const char *hint)
{
	if (p->at->kind == kind && !p->lost)
		p->at++;
	else
		parse_wrong(p, hint, token_names[kind]);
}

bool
parse_deeper(struct parser *p)
{
	if (p->depth == PARSE_DEPTH_MAX) {
		parse_wrong(p, "give a part of it a name, or a function", NULL);
		return false;
	}
	p->depth++;
	return true;
}

/* To the line behind the one that could not be read, over a block below it. */
static void
find_line(struct parser *p)
{
	uint32_t depth = 0;

	while (p->at->kind != T_NEWLINE && p->at->kind != T_END)
		p->at++;
	if (p->at->kind == T_NEWLINE)
		p->at++;
	if (p->at->kind == T_INDENT)
		do {
			depth += p->at->kind == T_INDENT;
			depth -= p->at->kind == T_DEDENT;
			p->at++;
		} while (depth && p->at->kind != T_END);
	p->lost = false;
}

static void
end_line(struct parser *p)
{
	parse_want(p, T_NEWLINE, NULL);
	if (p->lost)
		find_line(p);
}

/* list<int>, map<text, list<u>>, names of records; `>>` closes two. */
struct node *
parse_type(struct parser *p)
{
	struct node *node = parse_node(p, N_TYPE, p->at->at), **last = &node->list;

	node->name = p->at->text ? p->at->text : "u";
	parse_want(p, T_NAME, "types: u, int, float, bool, text, bytes, list<t>, map<k, v>, a record");
	if (p->lost || p->at->kind != T_ANGLE || !parse_deeper(p))
		return node;
	p->at++;
	do {
		*last = parse_type(p);
		last = &(*last)->next;
	} while (!p->lost && parse_take(p, T_COMMA));
	p->depth--;
	parse_want(p, T_GT, "list<list<u> > has a space between");
	return node;
}

/* --- statements ------------------------------------------------------------------ */

static struct node *
parse_if(struct parser *p)
{
	struct node *node = parse_node(p, N_IF, p->at->at);

	p->at++;
	node->a = parse_expr(p);
	node->list = parse_block(p);
	if (p->at->kind == T_elif) {
		if (!parse_deeper(p)) {
			find_line(p);
			return node;
		}
		node->other = parse_if(p);
		p->depth--;
	} else if (parse_take(p, T_else)) {
		node->other = parse_block(p);
		if (!node->other)
			node->other = parse_node(p, N_PASS, node->at);
	}
	return node;
}

static struct node *
parse_while(struct parser *p)
{
	struct node *node = parse_node(p, N_WHILE, p->at->at);

	p->at++;
	if (p->at->kind != T_COLON)
		node->a = parse_expr(p);
	node->list = parse_block(p);
	return node;
}

static struct node *
parse_for(struct parser *p)
{
	struct node *node = parse_node(p, N_FOR, p->at->at);

	p->at++;
	node->b = parse_node(p, N_NAME, p->at->at);
	node->b->name = p->at->text;
	parse_want(p, T_NAME, "for x in e:");
	if (parse_take(p, T_COMMA)) {
		node->c = parse_node(p, N_NAME, p->at->at);
		node->c->name = p->at->text;
		parse_want(p, T_NAME, "for key, value in map:");
	}
	parse_want(p, T_in, "for x in e:");
	node->a = parse_expr(p);
	node->list = parse_block(p);
	return node;
}

static uint8_t
operation_of(uint8_t kind)
{
	switch (kind) {
	case T_ADD_SET: return T_ADD;
	case T_SUB_SET: return T_SUB;
	case T_MUL_SET: return T_MUL;
	case T_DIV_SET: return T_DIV;
	case T_MOD_SET: return T_MOD;
	case T_AND_SET: return T_AND;
	case T_OR_SET: return T_OR;
	case T_XOR_SET: return T_XOR;
	case T_SHL_SET: return T_SHL;
	case T_SHR_SET: return T_SHR;
	default: return 0;
	}
}

/* x = e; a, b = e; u x = e; x += e; e */
static struct node *
parse_simple(struct parser *p)
{
	struct node *type = NULL, *first, **last, *node;
	const place at = p->at->at;

	if (p->at->kind == T_NAME && (p->at[1].kind == T_NAME || p->at[1].kind == T_ANGLE)) {
		const struct token *t = p->at;
		uint32_t depth = 0;

		/* a type in front of a name: `u x`, `list<u> x` */
		for (t++; t->kind == T_ANGLE || depth; t++) {
			if (t->kind == T_NEWLINE || t->kind == T_END || t->kind == T_OPEN)
				break;
			depth += t->kind == T_ANGLE;
			depth -= t->kind == T_GT;
		}
		if (t->kind == T_NAME && !depth)
			type = parse_type(p);
	}
	first = parse_expr(p);
	last = &first->next;
	while (!p->lost && parse_take(p, T_COMMA)) {
		*last = parse_expr(p);
		last = &(*last)->next;
	}
	if (operation_of(p->at->kind)) {
		node = parse_node(p, N_SET_OP, p->at->at);
		node->op = operation_of(p->at->kind);
		p->at++;
		node->a = first;
		node->b = parse_expr(p);
		if (first->next)
			parse_wrong(p, NULL, "one target");
		return node;
	}
	if (p->at->kind != T_SET && !first->next && !type) {
		node = parse_node(p, N_EXPR, at);
		node->a = first;
		return node;
	}
	node = parse_node(p, N_ASSIGN, p->at->at);
	parse_want(p, T_SET, "a name gets a value by =");
	node->list = first;
	node->type = type;
	node->a = parse_expr(p);
	return node;
}

static struct node *
parse_leaving(struct parser *p, enum node_kind kind)
{
	struct node *node = parse_node(p, kind, p->at->at);

	p->at++;
	if ((kind == N_RETURN || kind == N_YIELD) && p->at->kind != T_NEWLINE)
		node->a = parse_expr(p);
	return node;
}

static struct node *
parse_statement(struct parser *p)
{
	struct node *node;

	switch (p->at->kind) {
	case T_if: return parse_if(p);
	case T_while: return parse_while(p);
	case T_for: return parse_for(p);
	case T_break: node = parse_leaving(p, N_BREAK); break;
	case T_continue: node = parse_leaving(p, N_CONTINUE); break;
	case T_pass: node = parse_leaving(p, N_PASS); break;
	case T_return: node = parse_leaving(p, N_RETURN); break;
	case T_yield: node = parse_leaving(p, N_YIELD); break;
	case T_elif:
	case T_else:
		parse_wrong(p, "else and elif stand at the column of their if", "a statement");
		node = parse_node(p, N_PASS, p->at->at);
		break;
	case T_def:
	case T_typ:
	case T_import:
	case T_domain:
		parse_wrong(p, "functions and types are defined outside all blocks", "a statement");
		node = parse_node(p, N_PASS, p->at->at);
		break;
	case T_INDENT:
		parse_wrong(p, "begin the line at the column of the one above", "a statement");
		find_line(p);
		return parse_node(p, N_PASS, p->at->at);
	default: node = parse_simple(p); break;
	}
	end_line(p);
	return node;
}

static struct node *
parse_block(struct parser *p)
{
	struct node *first = NULL, **last = &first;

	parse_want(p, T_COLON, NULL);
	if (!p->lost && p->at->kind != T_NEWLINE) { /* on the same line */
		if (p->at->kind == T_if || p->at->kind == T_while || p->at->kind == T_for)
			parse_wrong(p, "put it on a line of its own", "a simple statement");
		return parse_statement(p);
	}
	if (p->lost) {
		find_line(p);
		return parse_node(p, N_PASS, p->at->at);
	}
	p->at++;
	if (p->at->kind != T_INDENT) {
		parse_wrong(p, "a block is written deeper than the line before it; `pass` does nothing",
			"a block");
		p->lost = false;
		return parse_node(p, N_PASS, p->at->at);
	}
	p->at++;
	if (!parse_deeper(p)) {
		find_line(p);
		return NULL;
	}
	while (p->at->kind != T_DEDENT && p->at->kind != T_END) {
		*last = parse_statement(p);
		last = &(*last)->next;
	}
	parse_take(p, T_DEDENT);
	p->depth--;
	return first;
}

/* --- definitions ------------------------------------------------------------------- */

static struct node *
parse_params(struct parser *p, enum token_kind end, bool typed, uint32_t *ret_count)
{
	struct node *first = NULL, **last = &first;
	uint32_t count = 0;

	while (p->at->kind != end && !p->lost) {
		struct node *param = parse_node(p, N_PARAM, p->at->at);

		if (typed || p->at[1].kind == T_NAME || p->at[1].kind == T_ANGLE)
			param->type = parse_type(p);
		param->at = p->at->at;
		param->name = p->at->text;
		parse_want(p, T_NAME, typed ? "a field is its type and its name: {u start, u length}" : NULL);
		*last = param;
		last = &param->next;
		count++;
		if (!parse_take(p, T_COMMA))
			break;
	}
	parse_want(p, end, NULL);
	*ret_count = count;
	return first;
}

static void
parse_def(struct parser *p, struct domain_block *block)
{
	struct def *def = arena_take(p->sources->arena, sizeof *def), **last = &p->unit->defs;

	p->at++;
	def->id_first = *p->ids;
	def->unit = p->unit;
	def->at = p->at->at;
	def->block = block;
	def->domain = block ? block->name : NULL;
	def->name = p->at->text ? p->at->text : "?";
	parse_want(p, T_NAME, "def name(parameters):");
	parse_want(p, T_OPEN, "def name(parameters):");
	if (!p->lost)
		def->params = parse_params(p, T_CLOSE, false, &def->params_count);
	if (!p->lost && parse_take(p, T_ARROW)) {
		struct node **result = &def->results;

		def->typed = true;
		parse_want(p, T_OPEN, "results are written -> (u)");
		while (!p->lost && p->at->kind != T_CLOSE) {
			*result = parse_type(p);
			result = &(*result)->next;
			if (!parse_take(p, T_COMMA))
				break;
		}
		parse_want(p, T_CLOSE, "results are written -> (u)");
	}
	def->body = parse_block(p);
	def->ids = *p->ids - def->id_first;
	while (*last)
		last = &(*last)->next;
	*last = def;
}

static void
parse_typ(struct parser *p)
{
	struct record *record = arena_take(p->sources->arena, sizeof *record);

	p->at++;
	record->at = p->at->at;
	record->name = p->at->text ? p->at->text : "?";
	parse_want(p, T_NAME, "typ name {u field, u field}");
	parse_want(p, T_BRACE, "typ name {u field, u field}");
	if (!p->lost)
		record->fields = parse_params(p, T_BRACED, true, &record->fields_count);
	end_line(p);
	record->next = p->unit->records;
	p->unit->records = record;
}

static void
parse_import(struct parser *p)
{
	struct import *import = arena_take(p->sources->arena, sizeof *import), **last;

	p->at++;
	import->at = p->at->at;
	import->name = p->at->text ? p->at->text : "?";
	parse_want(p, T_NAME, "import name, for the file name.et");
	end_line(p);
	for (last = &p->unit->imports; *last; last = &(*last)->next)
		continue;
	*last = import;
}

/* A variable of the block: its assignment joins those that are done when it begins. */
static struct node **
parse_domain_variable(struct parser *p, struct node **last)
{
	struct node *node = parse_statement(p);

	if (node->kind == N_ASSIGN && node->list->kind == N_NAME && !node->list->next) {
		*last = node;
		return &node->next;
	}
	source_complain(p->sources, node->at, "a domain has functions, and variables: name = value",
		"this belongs into a function");
	return last;
}

static void
parse_domain(struct parser *p)
{
	struct domain_block *block = arena_take(p->sources->arena, sizeof *block), **last_block;
	struct def *begins = arena_take(p->sources->arena, sizeof *begins);
	struct node **last = &begins->body;

	p->at++;
	block->at = p->at->at;
	block->name = p->at->text ? p->at->text : "?";
	block->number = p->unit->domains_count++;
	block->begins = begins;
	for (last_block = &p->unit->domains; *last_block; last_block = &(*last_block)->next)
		continue;
	*last_block = block;
	*begins = (struct def){.name = block->name, .at = block->at, .unit = p->unit, .begins = true,
		.domain = block->name, .block = block, .id_first = *p->ids};
	parse_want(p, T_NAME, "domain name:");
	parse_want(p, T_COLON, "domain name:");
	parse_want(p, T_NEWLINE, NULL);
	parse_want(p, T_INDENT, "the functions of a domain are written deeper than its name");
	if (p->lost) {
		find_line(p);
		return;
	}
	while (p->at->kind != T_DEDENT && p->at->kind != T_END) {
		if (p->at->kind == T_def)
			parse_def(p, block);
		else
			last = parse_domain_variable(p, last);
	}
	parse_take(p, T_DEDENT);
	begins->ids = *p->ids - begins->id_first;
}

struct unit *
parse(struct sources *sources, const struct source_file *file, uint32_t *ids)
{
	struct parser p = {.sources = sources, .ids = ids};
	struct node **last;

	p.at = tokens_read(sources, file).at;
	p.unit = arena_take(sources->arena, sizeof *p.unit);
	p.unit->file = file;
	p.unit->top = arena_take(sources->arena, sizeof *p.unit->top);
	*p.unit->top = (struct def){.name = "the program", .at = file->base, .unit = p.unit, .top = true,
		.id_first = *ids};
	last = &p.unit->top->body;
	while (p.at->kind != T_END) {
		switch (p.at->kind) {
		case T_def: parse_def(&p, NULL); break;
		case T_typ: parse_typ(&p); break;
		case T_import: parse_import(&p); break;
		case T_domain: parse_domain(&p); break;
		case T_DEDENT: p.at++; break; /* of a block that could not be read */
		default:
			*last = parse_statement(&p);
			last = &(*last)->next;
			break;
		}
		p.lost = false;
	}
	p.unit->top->ids = *ids - p.unit->top->id_first;
	return p.unit;
}
