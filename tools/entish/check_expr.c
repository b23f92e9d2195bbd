/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/check.h"

#include <string.h>

struct fact *
check_fact(struct checker *c, const struct node *node)
{
	return &c->in->facts[node->id - c->in->def->id_first];
}

static const char *
said(struct checker *c, struct type *type)
{
	return type_words(c->arena, type);
}

/* A number that takes the type of what it stands beside. */
static bool
is_literal(const struct node *node)
{
	while (node->kind == N_UNARY)
		node = node->a;
	if (node->kind == N_BINARY && (node->op == T_ADD || node->op == T_SUB || node->op == T_MUL))
		return is_literal(node->a) && is_literal(node->b);
	return node->kind == N_INT;
}

void
check_fit(struct checker *c, struct node *node, struct type *want, const char *what)
{
	struct fact *fact = check_fact(c, node);
	struct type *have = type_of(fact->type);
	const char *hint = NULL;

	want = type_of(want);
	if (have->kind == TYPE_OUTCOME && want->kind != TYPE_OUTCOME && want->kind != TYPE_VAR) {
		fact->coerce = COERCE_UNWRAP;
		have = type_of(have->args[0]);
	} else if (want->kind == TYPE_OUTCOME && have->kind != TYPE_OUTCOME && have->kind != TYPE_VAR) {
		fact->coerce = COERCE_WRAP;
		want = type_of(want->args[0]);
	} else if (is_literal(node) && want->kind == TYPE_FLOAT) {
		fact->coerce = COERCE_REAL;
		return;
	} else if (is_literal(node) && want->kind == TYPE_ADDR) {
		fact->coerce = COERCE_LOW;
		return;
	} else if (node->kind == N_TEXT && want->kind == TYPE_RECORD &&
		   !strcmp(want->record->name, "vector")) {
		struct type *text = &type_text;

		fact->coerce = COERCE_VECTOR;
		c->vector = check_prelude(c, "vector_of", &text, 1, node->at);
		return;
	}
	if (type_unify(have, want))
		return;
	if (have->kind == TYPE_NONE)
		hint = "a function gives something by `return`";
	else if (want->kind == TYPE_TEXT)
		hint = "text(x) is x as text";
	else if (want->kind == TYPE_FLOAT && type_is_word(have))
		hint = "float(x) is x as a float";
	else if (type_is_word(want) && have->kind == TYPE_FLOAT)
		hint = "int(x) is x without what is behind its point";
	else if (want->kind == TYPE_BOOL)
		hint = "a condition is a comparison, such as x != 0";
	else if (type_is_word(want) && have->kind == TYPE_TEXT)
		hint = "number(x) reads a number from a text";
	source_complain(c->sources, node->at, hint, "%s should be %s, but this is %s", what,
		said(c, want), said(c, have));
}

void
check_want(struct checker *c, struct node *node, struct type *want, const char *what)
{
	(void)check_expr(c, node);
	check_fit(c, node, want, what);
}

struct type *
check_data(struct checker *c, struct node *node)
{
	struct type *type = type_of(check_expr(c, node));

	if (type->kind == TYPE_OUTCOME) {
		check_fact(c, node)->coerce = COERCE_UNWRAP;
		type = type_of(type->args[0]);
	}
	return type;
}

/* --- names ------------------------------------------------------------------------- */

static struct node *
constant(const struct checker *c, const char *name)
{
	struct node *found = NULL;

	for (struct node *s = c->in->def->unit->top->body; s; s = s->next) {
		if (s->kind == N_SET_OP && s->a->kind == N_NAME && !strcmp(s->a->name, name))
			return NULL;
		if (s->kind != N_ASSIGN || s->list->kind != N_NAME || strcmp(s->list->name, name))
			continue;
		if (found || s->list->next || s->type)
			return NULL;
		found = s->a;
	}
	if (!found)
		return NULL;
	switch (found->kind) {
	case N_INT: case N_FLOAT: case N_TEXT: case N_BYTES: case N_TRUE: case N_FALSE: return found;
	case N_UNARY: return found->a->kind == N_INT || found->a->kind == N_FLOAT ? found : NULL;
	default: return NULL;
	}
}

static struct type *
literal_type(const struct node *node)
{
	switch (node->kind) {
	case N_UNARY: return literal_type(node->a);
	case N_FLOAT: return &type_float;
	case N_TEXT: return &type_text;
	case N_BYTES: return &type_bytes;
	case N_TRUE: case N_FALSE: return &type_bool;
	default: return &type_int;
	}
}

static struct type *
unknown_name(struct checker *c, const struct node *node)
{
	const char *hint = NULL;

	for (struct node *s = c->in->def->unit->top->body; s && !c->in->def->top; s = s->next)
		if (s->kind == N_ASSIGN && s->list->kind == N_NAME && !strcmp(s->list->name, node->name))
			hint = "a function sees what it is handed, and constants; add a parameter";
	if (!strcmp(node->name, "None") || !strcmp(node->name, "null"))
		hint = "there is no None; give error(\"why\")";
	if (!strcmp(node->name, "true") || !strcmp(node->name, "false"))
		hint = "they are written True and False";
	source_complain(c->sources, node->at, hint ? hint : "give it a value first",
		"there is no `%.60s` here", node->name);
	return type_var(c->arena);
}

static struct type *
check_name(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct variable *variable = check_variable(c, node->name, &fact->index);
	struct def *def;

	if (variable) {
		if (!c->sure[fact->index])
			source_complain(c->sources, node->at, "give it a value before, on every way to here",
				"`%.60s` may have no value here", node->name);
		fact->use = USE_VARIABLE;
		return variable->type;
	}
	variable = check_global(c, node->name, &fact->index);
	if (variable) {
		fact->use = USE_GLOBAL;
		return variable->type;
	}
	fact->value = constant(c, node->name);
	if (fact->value && !c->in->def->top) {
		fact->use = USE_CONSTANT;
		return literal_type(fact->value);
	}
	def = check_find_def(c, c->in->def->unit, c->in->def->domain, node->name);
	if (!def)
		return unknown_name(c, node);
	fact->use = USE_FUNCTION;
	return type_fn(c->arena, def);
}

/* --- operations -------------------------------------------------------------------------- */

static struct type *
wrong_pair(struct checker *c, const struct node *node, struct type *a, struct type *b)
{
	const char *hint = NULL;

	if (a->kind == TYPE_FLOAT || b->kind == TYPE_FLOAT)
		hint = "float(x) makes a float of a number, int(x) a number of a float";
	else if (a->kind == TYPE_TEXT || b->kind == TYPE_TEXT)
		hint = "text(x) is x as text";
	source_complain(c->sources, node->at, hint, "%s does not go with %s and %s",
		token_names[node->op], said(c, a), said(c, b));
	return type_var(c->arena);
}

/* Both sides become one type; NULL after a complaint. */
static struct type *
meet(struct checker *c, struct node *node)
{
	struct type *a = check_data(c, node->a), *b = check_data(c, node->b);
	struct fact *left = check_fact(c, node->a), *right = check_fact(c, node->b);

	if (is_literal(node->a) && (b->kind == TYPE_FLOAT || b->kind == TYPE_ADDR)) {
		left->coerce = b->kind == TYPE_FLOAT ? COERCE_REAL : COERCE_LOW;
		return b;
	}
	if (is_literal(node->b) && (a->kind == TYPE_FLOAT || a->kind == TYPE_ADDR)) {
		right->coerce = a->kind == TYPE_FLOAT ? COERCE_REAL : COERCE_LOW;
		return a;
	}
	if (!type_unify(a, b)) {
		(void)wrong_pair(c, node, a, b);
		return NULL;
	}
	a = type_of(a);
	if (a->kind == TYPE_VAR)
		type_settle(a);
	a = type_of(a);
	return type_of(b)->kind == TYPE_U ? type_of(b) : a;
}

static struct type *
by_prelude(struct checker *c, struct node *node, const char *name, struct type *a, struct type *b)
{
	struct type *types[2] = {a, b};
	struct fact *fact = check_fact(c, node);

	fact->use = USE_CALL;
	fact->instance = check_prelude(c, name, types, 2, node->at);
	return fact->instance ? fact->instance->result : type_var(c->arena);
}

static struct type *
check_binary(struct checker *c, struct node *node)
{
	struct type *type;

	if (node->op == T_MUL) { /* "ab" * 3, [0] * n */
		type = check_data(c, node->a);
		if (type->kind == TYPE_TEXT || type->kind == TYPE_LIST) {
			check_want(c, node->b, &type_int, "how many times");
			return by_prelude(c, node, type->kind == TYPE_TEXT ? "text_times" : "list_times",
				type, &type_int);
		}
	}
	type = meet(c, node);
	if (!type)
		return type_var(c->arena);
	if (type_is_word(type))
		return type;
	if (type->kind == TYPE_FLOAT && (node->op == T_ADD || node->op == T_SUB || node->op == T_MUL ||
						node->op == T_DIV))
		return type;
	if (type->kind == TYPE_ADDR)
		return type;
	if (node->op == T_ADD && type->kind == TYPE_TEXT)
		return by_prelude(c, node, "text_add", type, type);
	if (node->op == T_ADD && type->kind == TYPE_BYTES)
		return by_prelude(c, node, "bytes_add", type, type);
	if (node->op == T_ADD && type->kind == TYPE_LIST)
		return by_prelude(c, node, "list_add", type, type);
	if (type->kind == TYPE_BOOL && (node->op == T_AND || node->op == T_OR || node->op == T_XOR))
		return type;
	return wrong_pair(c, node, type, type);
}

static struct type *
check_compare(struct checker *c, struct node *node)
{
	struct type *type = meet(c, node);
	const bool order = node->op != T_EQ && node->op != T_NE;

	if (!type)
		return &type_bool;
	check_fact(c, node)->unsigned_op = type->kind == TYPE_U;
	if (type_is_word(type) || type->kind == TYPE_FLOAT || type->kind == TYPE_ADDR)
		return &type_bool;
	if (type->kind == TYPE_BOOL && !order)
		return &type_bool;
	if (order && type->kind != TYPE_TEXT && type->kind != TYPE_BYTES)
		(void)wrong_pair(c, node, type, type);
	else if (type->kind == TYPE_FN || type->kind == TYPE_NONE || type->kind == TYPE_KEY)
		(void)wrong_pair(c, node, type, type);
	else
		(void)by_prelude(c, node, order ? "order" : "equal", type, type);
	return &type_bool;
}

static struct type *
check_unary(struct checker *c, struct node *node)
{
	struct type *type = check_data(c, node->a);

	if (type->kind == TYPE_VAR && type_unify(type, &type_int))
		type = &type_int;
	if (type_is_word(type) || (type->kind == TYPE_FLOAT && node->op != T_TILDE))
		return type;
	source_complain(c->sources, node->at, NULL, "%s does not go with %s", token_names[node->op],
		said(c, type));
	return type_var(c->arena);
}

static struct type *
check_in(struct checker *c, struct node *node)
{
	struct type *what = check_data(c, node->a), *in = check_data(c, node->b), *of = NULL;
	const char *name = "list_has";

	if (in->kind == TYPE_LIST) {
		of = in->args[0];
	} else if (in->kind == TYPE_MAP) {
		of = in->args[0];
		name = "map_has";
	} else if (in->kind == TYPE_TEXT) {
		of = in;
		name = "text_has";
	}
	if (!of) {
		source_complain(c->sources, node->at, NULL, "one can look into lists, maps and texts, "
			"and this is %s", said(c, in));
		return &type_bool;
	}
	check_fit(c, node->a, of, "what is looked for");
	(void)what;
	(void)by_prelude(c, node, name, in, of);
	return &type_bool;
}

/* --- made of several ------------------------------------------------------------------------ */

static struct type *
check_list(struct checker *c, struct node *node)
{
	struct type *type = type_list(c->arena, type_var(c->arena));

	for (struct node *e = node->list; e; e = e->next) {
		if (type_of(type->args[0])->kind == TYPE_VAR) {
			type->args[0] = type_plain(check_expr(c, e));
			if (type_of(type->args[0])->kind == TYPE_NONE)
				check_fit(c, e, &type_int, "an element");
		} else {
			check_want(c, e, type->args[0], "an element of this list");
		}
	}
	return type;
}

static bool
is_key_type(struct type *type)
{
	return type_is_word(type) || type->kind == TYPE_TEXT || type->kind == TYPE_BYTES ||
	       type->kind == TYPE_BOOL || type->kind == TYPE_VAR || type->kind == TYPE_TUPLE;
}

static struct type *
check_map(struct checker *c, struct node *node)
{
	struct type *type = type_new(c->arena, TYPE_MAP, 2);

	type->args[0] = type_var(c->arena);
	type->args[1] = type_var(c->arena);
	for (struct node *k = node->list; k && k->next; k = k->next->next) {
		if (k == node->list) {
			type->args[0] = type_plain(check_data(c, k));
			type->args[1] = type_plain(check_expr(c, k->next));
			if (!is_key_type(type->args[0]))
				source_complain(c->sources, k->at, NULL,
					"%s cannot be a key of a map", said(c, type->args[0]));
		} else {
			check_want(c, k, type->args[0], "a key of this map");
			check_want(c, k->next, type->args[1], "a value of this map");
		}
	}
	check_fact(c, node)->instance = NULL;
	if (node->list && is_key_type(type_of(type->args[0]))) {
		struct type *types[3] = {type, type->args[0], type->args[1]};

		check_fact(c, node)->instance = check_prelude(c, "map_set", types, 3, node->at);
	}
	return type;
}

struct type *
check_tuple_of(struct checker *c, const struct node *values, place at)
{
	uint32_t count = 0;

	for (const struct node *v = values; v; v = v->next)
		count++;
	if (count <= FIELDS_MAX)
		return type_new(c->arena, TYPE_TUPLE, count);
	source_complain(c->sources, at, NULL, "a tuple has at most %d values", FIELDS_MAX);
	return type_var(c->arena);
}

static struct type *
check_tuple(struct checker *c, struct node *node)
{
	struct type *type = check_tuple_of(c, node->list, node->at);
	uint32_t count = 0;

	if (type->kind != TYPE_TUPLE)
		return type;
	for (struct node *e = node->list; e; e = e->next) {
		type->args[count++] = type_of(check_expr(c, e));
		if (type_of(check_fact(c, e)->type)->kind == TYPE_NONE)
			check_fit(c, e, &type_int, "a value of a tuple");
	}
	return type;
}

static struct type *
check_record(struct checker *c, struct node *node)
{
	struct record *record = check_find_record(c, c->in->def->unit, node->name);
	uint32_t i = 0;

	if (!record) {
		source_complain(c->sources, node->at, "typ name {u field} makes a type of record",
			"there is no type `%.60s`", node->name);
		return type_var(c->arena);
	}
	for (struct node *e = node->list; e; e = e->next, i++) {
		if (i < record->fields_count)
			check_want(c, e, record->types[i], "this field");
		else
			(void)check_expr(c, e);
	}
	if (i != record->fields_count)
		source_complain(c->sources, node->at, NULL, "%s has %u fields, and here are %u",
			record->name, record->fields_count, i);
	return record->type;
}

static struct type *
check_field(struct checker *c, struct node *node)
{
	struct type *type = type_of(check_expr(c, node->a));
	struct fact *fact = check_fact(c, node);
	struct node *field;

	fact->use = USE_FIELD;
	if (type->kind == TYPE_OUTCOME) {
		struct type *types[1] = {type};
		const char *name = !strcmp(node->name, "why") ? "stop_why"
			: !strcmp(node->name, "where") ? "stop_where"
			: !strcmp(node->name, "gas") ? "stop_gas"
			: !strcmp(node->name, "value") ? "stop_value" : NULL;

		if (name) {
			fact->use = USE_CALL;
			fact->instance = check_prelude(c, name, types, 1, node->at);
			return fact->instance ? fact->instance->result : type_var(c->arena);
		}
		check_fact(c, node->a)->coerce = COERCE_UNWRAP;
		type = type_of(type->args[0]);
	}
	if (type->kind != TYPE_RECORD) {
		source_complain(c->sources, node->at, NULL, "%s has no field `%.60s`", said(c, type),
			node->name);
		return type_var(c->arena);
	}
	fact->index = 0;
	for (field = type->record->fields; field; field = field->next, fact->index++)
		if (!strcmp(field->name, node->name))
			return type->record->types[fact->index];
	source_complain(c->sources, node->at, NULL, "%s has no field `%.60s`", type->record->name,
		node->name);
	fact->index = 0;
	return type_var(c->arena);
}

static struct type *
check_index(struct checker *c, struct node *node)
{
	struct type *of = check_data(c, node->a);
	const char *name = NULL;

	switch (of->kind) {
	case TYPE_LIST:
		check_want(c, node->b, &type_int, "the place in a list");
		return of->args[0];
	case TYPE_MAP:
		check_want(c, node->b, of->args[0], "a key of this map");
		(void)by_prelude(c, node, "map_at", of, of->args[0]);
		return of->args[1];
	case TYPE_TUPLE:
		(void)check_expr(c, node->b);
		if (node->b->kind == N_INT && node->b->number < of->count)
			return of->args[node->b->number];
		source_complain(c->sources, node->b->at, NULL,
			"a value of a tuple is named by a number below %u", of->count);
		return type_var(c->arena);
	case TYPE_TEXT: name = "text_at"; break;
	case TYPE_BYTES: name = "bytes_at"; break;
	default: break;
	}
	check_want(c, node->b, &type_int, "the place");
	if (name)
		return by_prelude(c, node, name, of, &type_int);
	source_complain(c->sources, node->at,
		of->kind == TYPE_VAR ? "write its type: def f(list<int> l):" : NULL,
		"%s has no elements", said(c, of));
	return type_var(c->arena);
}

static struct type *
check_slice(struct checker *c, struct node *node)
{
	struct type *of = check_data(c, node->a), *types[3] = {of, &type_int, &type_int};
	const char *name = of->kind == TYPE_LIST ? "list_slice"
		: of->kind == TYPE_TEXT ? "text_slice"
		: of->kind == TYPE_BYTES ? "bytes_slice" : NULL;
	struct fact *fact = check_fact(c, node);

	if (node->b)
		check_want(c, node->b, &type_int, "the beginning");
	if (node->c)
		check_want(c, node->c, &type_int, "the end");
	if (!name) {
		source_complain(c->sources, node->at, NULL, "%s has no parts", said(c, of));
		return type_var(c->arena);
	}
	fact->use = USE_CALL;
	fact->instance = check_prelude(c, name, types, 3, node->at);
	return of;
}

static struct type *
check_choice(struct checker *c, struct node *node)
{
	struct type *type, *other;

	check_want(c, node->b, &type_bool, "a condition");
	type = check_expr(c, node->a);
	other = type_of(check_expr(c, node->c));
	if (is_literal(node->a) && other->kind == TYPE_FLOAT) {
		check_fit(c, node->a, other, "the first");
		return other;
	}
	check_fit(c, node->c, type, "the other choice");
	return type_plain(type); /* what is u on one side only would be either */
}

static struct type *
of_kind(struct checker *c, struct node *node)
{
	switch ((enum node_kind)node->kind) {
	case N_INT: return &type_int;
	case N_FLOAT: return &type_float;
	case N_TRUE:
	case N_FALSE: return &type_bool;
	case N_TEXT: return &type_text;
	case N_BYTES: return &type_bytes;
	case N_NAME: return check_name(c, node);
	case N_LIST: return check_list(c, node);
	case N_MAP: return check_map(c, node);
	case N_TUPLE: return check_tuple(c, node);
	case N_RECORD: return check_record(c, node);
	case N_CALL: return check_call(c, node);
	case N_SANDBOX: return check_sandbox(c, node);
	case N_FIELD: return check_field(c, node);
	case N_INDEX: return check_index(c, node);
	case N_SLICE: return check_slice(c, node);
	case N_DOLLAR: return check_dollar(c, node);
	case N_UNARY: return check_unary(c, node);
	case N_BINARY: return check_binary(c, node);
	case N_COMPARE: return check_compare(c, node);
	case N_IN: return check_in(c, node);
	case N_AND:
	case N_OR:
		check_want(c, node->a, &type_bool, "a condition");
		check_want(c, node->b, &type_bool, "a condition");
		return &type_bool;
	case N_NOT:
		check_want(c, node->a, &type_bool, "a condition");
		return &type_bool;
	case N_CHOICE: return check_choice(c, node);
	default: return &type_none;
	}
}

struct type *
check_expr(struct checker *c, struct node *node)
{
	struct type *type;

	if (c->nested == CHECK_NESTED_MAX) {
		source_complain(c->sources, node->at, "give a part of it a name", "this is nested too deep");
		check_fact(c, node)->type = &type_int;
		return &type_int;
	}
	c->nested++;
	*check_fact(c, node) = (struct fact){0};
	type = of_kind(c, node);
	if ((node->kind == N_TUPLE || node->kind == N_MAP || node->kind == N_LIST) && type_is_huge(type)) {
		source_complain(c->sources, node->at, "typ name {...} gives parts of it a name",
			"the type of this is too large");
		type = &type_int;
	}
	check_fact(c, node)->type = type;
	check_fact(c, node)->kind = node->kind;
	c->nested--;
	return type;
}
