/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/parse.h"

#include <string.h>

static struct node *parse_sum(struct parser *p);

/* What an expression that could not be read is taken for. */
static struct node *
nothing(struct parser *p)
{
	return parse_node(p, N_INT, p->at->at);
}

struct node *
parse_exprs(struct parser *p, enum token_kind end, uint32_t *ret_count)
{
	struct node *first = NULL, **last = &first;
	uint32_t count = 0;

	while (p->at->kind != end && p->at->kind != T_END && !p->lost) {
		*last = parse_expr(p);
		last = &(*last)->next;
		count++;
		if (!parse_take(p, T_COMMA))
			break;
	}
	parse_want(p, end, NULL);
	if (ret_count)
		*ret_count = count;
	return first;
}

/* {a, b} is a tuple, {k: v} a map, {} an empty map. */
static struct node *
parse_brace(struct parser *p)
{
	struct node *node = parse_node(p, N_TUPLE, p->at[-1].at), **last = &node->list;

	if (parse_take(p, T_BRACED)) {
		node->kind = N_MAP;
		return node;
	}
	while (!p->lost) {
		*last = parse_expr(p);
		last = &(*last)->next;
		if (last == &node->list->next && p->at->kind == T_COLON)
			node->kind = N_MAP;
		if (node->kind == N_MAP) {
			parse_want(p, T_COLON, "a map has a value for each key: {key: value}");
			*last = parse_expr(p);
			last = &(*last)->next;
		}
		if (!parse_take(p, T_COMMA) || p->at->kind == T_BRACED)
			break;
	}
	parse_want(p, T_BRACED, NULL);
	return node;
}

static struct node *
parse_atom(struct parser *p)
{
	const struct token *t = p->at;
	struct node *node;

	switch (t->kind) {
	case T_INT:
		p->at++;
		node = parse_node(p, N_INT, t->at);
		node->number = t->number;
		return node;
	case T_FLOAT:
		p->at++;
		node = parse_node(p, N_FLOAT, t->at);
		node->real = t->real;
		return node;
	case T_TEXT:
	case T_BYTES:
		p->at++;
		node = parse_node(p, t->kind == T_TEXT ? N_TEXT : N_BYTES, t->at);
		node->name = t->text;
		node->number = t->text_bytes;
		return node;
	case T_true:
	case T_false:
		p->at++;
		return parse_node(p, t->kind == T_true ? N_TRUE : N_FALSE, t->at);
	case T_NAME:
		p->at++;
		node = parse_node(p, N_NAME, t->at);
		node->name = t->text;
		if (p->at->kind == T_BRACE && !p->at->spaced) {
			p->at++;
			node->kind = N_RECORD;
			node->list = parse_exprs(p, T_BRACED, NULL);
		}
		return node;
	case T_DOLLAR:
		p->at++;
		node = parse_node(p, N_DOLLAR, t->at);
		node->name = t->text;
		if (parse_take(p, T_OPEN))
			node->list = parse_exprs(p, T_CLOSE, NULL);
		return node;
	case T_OPEN:
		p->at++;
		node = parse_expr(p);
		parse_want(p, T_CLOSE, "brackets come in pairs");
		return node;
	case T_LIST:
		p->at++;
		node = parse_node(p, N_LIST, t->at);
		node->list = parse_exprs(p, T_LISTED, NULL);
		return node;
	case T_BRACE:
		p->at++;
		return parse_brace(p);
	default:
		parse_wrong(p, NULL, "an expression");
		return nothing(p);
	}
}

/* Behind f: <gas, words, keys...>(arguments). The limits are sums: no `>` in them. */
static struct node *
parse_sandbox(struct parser *p, struct node *callee)
{
	static const char hint[] = "a call in a sandbox is f<gas, words>(x); a comparison has "
				   "spaces: a < b";
	struct node *node = parse_node(p, N_SANDBOX, callee->at), **last = &node->keys;

	node->a = callee;
	node->b = parse_sum(p);
	parse_want(p, T_COMMA, hint);
	node->c = parse_sum(p);
	while (!p->lost && parse_take(p, T_COMMA)) {
		*last = parse_sum(p);
		last = &(*last)->next;
	}
	parse_want(p, T_GT, hint);
	parse_want(p, T_OPEN, hint);
	node->list = parse_exprs(p, T_CLOSE, NULL);
	return node;
}

static struct node *
parse_index(struct parser *p, struct node *of)
{
	struct node *node = parse_node(p, N_INDEX, p->at[-1].at);

	node->a = of;
	if (p->at->kind != T_COLON)
		node->b = parse_expr(p);
	if (parse_take(p, T_COLON)) {
		node->kind = N_SLICE;
		if (p->at->kind != T_LISTED)
			node->c = parse_expr(p);
	}
	parse_want(p, T_LISTED, NULL);
	return node;
}

static struct node *
parse_postfix(struct parser *p)
{
	struct node *node = parse_atom(p), *of;
	uint32_t steps = 0;

	while (!p->lost) {
		of = node;
		if (++steps > PARSE_DEPTH_MAX) { /* a chain is as deep a tree as brackets are */
			parse_wrong(p, "give the first part a name", NULL);
			break;
		}
		if (parse_take(p, T_OPEN)) {
			node = parse_node(p, N_CALL, of->at);
			node->a = of;
			node->list = parse_exprs(p, T_CLOSE, NULL);
		} else if (parse_take(p, T_ANGLE)) {
			node = parse_sandbox(p, of);
		} else if (parse_take(p, T_LIST)) {
			node = parse_index(p, of);
		} else if (parse_take(p, T_DOT)) {
			node = parse_node(p, N_FIELD, p->at->at);
			node->a = of;
			node->name = p->at->text;
			parse_want(p, T_NAME, "behind a dot stands the name of a field or of a function");
		} else {
			break;
		}
	}
	return node;
}

static struct node *
parse_unary(struct parser *p)
{
	const struct token *t = p->at;
	struct node *node;

	if (t->kind != T_SUB && t->kind != T_ADD && t->kind != T_TILDE)
		return parse_postfix(p);
	if (!parse_deeper(p))
		return nothing(p);
	p->at++;
	node = parse_node(p, N_UNARY, t->at);
	node->op = t->kind;
	node->a = parse_unary(p);
	p->depth--;
	return node;
}

/* How tightly a sign binds; 0: it is none. */
static unsigned
binding(uint8_t kind)
{
	switch (kind) {
	case T_OR: return 1;
	case T_XOR: return 2;
	case T_AND: return 3;
	case T_SHL: case T_SHR: return 4;
	case T_ADD: case T_SUB: return 5;
	case T_MUL: case T_DIV: case T_MOD: return 6;
	default: return 0;
	}
}

static struct node *
parse_binary(struct parser *p, unsigned least)
{
	struct node *node = parse_unary(p);
	uint32_t steps = 0;

	while (!p->lost) {
		const struct token *t = p->at;
		const unsigned tight = binding(t->kind);
		struct node *both;

		if (!tight || tight < least)
			break;
		if (++steps > PARSE_DEPTH_MAX || !parse_deeper(p)) {
			parse_wrong(p, "give a part of it a name", NULL);
			break;
		}
		p->at++;
		both = parse_node(p, N_BINARY, t->at);
		both->op = t->kind;
		both->a = node;
		both->b = parse_binary(p, tight + 1);
		node = both;
		p->depth--;
	}
	return node;
}

static struct node *
parse_sum(struct parser *p)
{
	return parse_binary(p, 1);
}

static struct node *
parse_comparison(struct parser *p)
{
	struct node *left = parse_sum(p), *node;
	const struct token *t = p->at;

	switch (t->kind) {
	case T_EQ: case T_NE: case T_LT: case T_LE: case T_GT: case T_GE:
		p->at++;
		node = parse_node(p, N_COMPARE, t->at);
		node->op = t->kind;
		break;
	case T_in:
		p->at++;
		node = parse_node(p, N_IN, t->at);
		break;
	case T_not:
		if (t[1].kind != T_in)
			return left;
		p->at += 2;
		node = parse_node(p, N_IN, t->at);
		node->op = T_not;
		break;
	default:
		return left;
	}
	node->a = left;
	node->b = parse_sum(p);
	t = p->at;
	if (t->kind == T_LT || t->kind == T_LE || t->kind == T_GT || t->kind == T_GE || t->kind == T_EQ)
		parse_wrong(p, "write a < b and b < c", "one comparison");
	return node;
}

static struct node *
parse_not(struct parser *p)
{
	struct node *node;

	if (p->at->kind != T_not)
		return parse_comparison(p);
	if (!parse_deeper(p))
		return nothing(p);
	node = parse_node(p, N_NOT, p->at->at);
	p->at++;
	node->a = parse_not(p);
	p->depth--;
	return node;
}

static struct node *
parse_logic(struct parser *p, enum token_kind sign)
{
	struct node *node = sign == T_or ? parse_logic(p, T_and) : parse_not(p);
	uint32_t steps = 0;

	while (p->at->kind == sign && !p->lost) {
		struct node *both = parse_node(p, sign == T_or ? N_OR : N_AND, p->at->at);

		if (++steps > PARSE_DEPTH_MAX) {
			parse_wrong(p, "give a part of it a name", NULL);
			break;
		}
		p->at++;
		both->a = node;
		both->b = sign == T_or ? parse_logic(p, T_and) : parse_not(p);
		node = both;
	}
	return node;
}

struct node *
parse_expr(struct parser *p)
{
	struct node *node, *choice;

	if (!parse_deeper(p))
		return nothing(p);
	node = parse_logic(p, T_or);
	if (p->at->kind == T_if && !p->lost) {
		choice = parse_node(p, N_CHOICE, p->at->at);
		p->at++;
		choice->a = node;
		choice->b = parse_logic(p, T_or);
		parse_want(p, T_else, "a choice has both: x if c else y");
		choice->c = parse_expr(p);
		node = choice;
	}
	p->depth--;
	return node;
}
