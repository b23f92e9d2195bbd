/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/check.h"

#include <string.h>

/* --- variables ------------------------------------------------------------------------- */

struct variable *
check_variable(struct checker *c, const char *name, uint32_t *ret_index)
{
	struct instance *in = c->in;

	for (uint32_t i = 0; i < in->variables_count; i++)
		if (in->variables[i].name && !strcmp(in->variables[i].name, name)) {
			*ret_index = i;
			return &in->variables[i];
		}
	return NULL;
}

static uint32_t
add_variable(struct checker *c, const char *name, struct type *type)
{
	struct instance *in = c->in;
	const uint32_t n = in->variables_count;

	if (n == in->variables_room) {
		struct variable *more = arena_take(c->arena, (2 * (size_t)n + 4) * sizeof *more);

		memcpy(more, in->variables, n * sizeof *more);
		in->variables = more;
		in->variables_room = 2 * n + 4;
	}
	in->variables[n] = (struct variable){.name = name, .type = type};
	in->variables_count++;
	return n;
}

/* A name gets a value of this type; its place among the variables. */
static uint32_t
give(struct checker *c, const struct node *node, struct type *type)
{
	struct variable *variable;
	uint32_t index;

	variable = check_variable(c, node->name, &index);
	if (!variable) {
		if (c->in->variables_count == VARIABLES_MAX) {
			source_complain(c->sources, node->at, "divide it", "a function has at most %d variables",
				VARIABLES_MAX);
			return 0;
		}
		index = add_variable(c, node->name, type_plain(type));
	} else {
		variable->assigned = true;
	}
	c->sure[index] = 1;
	return index;
}

/* The first value of a variable of a domain. */
static void
give_domain(struct checker *c, const struct node *node, struct type *type)
{
	struct domain_block *block = c->in->def->block;

	if (!block->variables)
		block->variables = arena_take(c->arena, DOMAIN_VARIABLES_MAX * sizeof *block->variables);
	if (block->variables_count == DOMAIN_VARIABLES_MAX) {
		source_complain(c->sources, node->at, "put some of them into a record",
			"a domain has at most %d variables", DOMAIN_VARIABLES_MAX);
		return;
	}
	block->variables[block->variables_count] = (struct variable){.name = node->name, .type = type};
	*check_fact(c, node) = (struct fact){.use = USE_GLOBAL, .index = block->variables_count++,
		.type = type};
}

/* --- assignments --------------------------------------------------------------------------- */

static void assign_field(struct checker *c, struct node *target);

/* What a target holds; for a new name, NULL. */
static struct type *
target_type(struct checker *c, struct node *target)
{
	struct variable *variable;
	struct type *of;
	uint32_t index = 0;

	switch (target->kind) {
	case N_NAME:
		variable = check_variable(c, target->name, &index);
		if (!variable) {
			variable = check_global(c, target->name, &index);
			if (variable) {
				*check_fact(c, target) = (struct fact){.use = USE_GLOBAL, .index = index,
					.type = variable->type};
				return variable->type;
			}
		}
		*check_fact(c, target) = (struct fact){.use = USE_VARIABLE, .index = index};
		check_fact(c, target)->type = variable ? variable->type : &type_int;
		return variable ? variable->type : NULL;
	case N_INDEX:
		of = check_expr(c, target);
		check_fact(c, target)->type = of;
		of = type_of(check_fact(c, target->a)->type);
		if (of->kind == TYPE_MAP) {
			struct type *types[3] = {of, of->args[0], of->args[1]};

			check_fact(c, target)->second = check_prelude(c, "map_set", types, 3, target->at);
		} else if (of->kind != TYPE_LIST && of->kind != TYPE_VAR) {
			source_complain(c->sources, target->at, "make a new one", "%s cannot be changed",
				type_words(c->arena, of));
		}
		return check_fact(c, target)->type;
	case N_FIELD:
		(void)check_expr(c, target);
		assign_field(c, target);
		return check_fact(c, target)->type;
	default:
		source_complain(c->sources, target->at, "x = e, x[i] = e, x.field = e",
			"nothing can be put here");
		return &type_int;
	}
}

/* x.field = e makes a new record of x, and puts that where x was. */
static void
assign_field(struct checker *c, struct node *target)
{
	struct type *types[1] = {&type_addr};

	if (check_fact(c, target)->use != USE_FIELD || check_fact(c, target->a)->coerce)
		source_complain(c->sources, target->at, NULL, "this cannot be changed");
	check_fact(c, target)->second = check_prelude(c, "copy_block", types, 1, target->at);
	(void)target_type(c, target->a);
	if (target->a->kind == N_NAME && check_fact(c, target->a)->use == USE_VARIABLE)
		c->in->variables[check_fact(c, target->a)->index].assigned = true;
}

static void
check_assign_one(struct checker *c, struct node *target, struct node *value, struct type *type,
	struct type *written)
{
	struct type *want = target_type(c, target);

	if (written) {
		if (target->kind != N_NAME || want)
			source_complain(c->sources, target->at, NULL, "a type is written with a new name only");
		want = NULL;
		type = written;
	}
	if (want && value)
		check_fit(c, value, want, "the value");
	else if (want && !type_unify(want, type))
		source_complain(c->sources, target->at, NULL, "this holds %s, and gets %s",
			type_words(c->arena, want), type_words(c->arena, type));
	if (target->kind == N_NAME && check_fact(c, target)->use != USE_GLOBAL) {
		uint32_t index;

		if (c->in->def->begins) {
			give_domain(c, target, written ? written : type_plain(type));
			return;
		}
		index = give(c, target, type);
		if (written)
			c->in->variables[index].type = written;
		check_fact(c, target)->index = index;
		check_fact(c, target)->use = USE_VARIABLE;
		check_fact(c, target)->type = c->in->variables[index].type;
	}
}

static void
check_assign(struct checker *c, struct node *node)
{
	struct type *written = node->type ? check_written(c, c->in->def->unit, node->type) : NULL;
	struct type *type = type_of(check_expr(c, node->a));
	struct node *target = node->list;
	uint32_t count = 0;

	if (written)
		check_fit(c, node->a, written, "the value");
	if (type->kind == TYPE_NONE) {
		check_fit(c, node->a, &type_int, "the value");
		type = &type_int;
	}
	if (!target->next) {
		check_assign_one(c, target, node->a, type, written);
		return;
	}
	if (type->kind == TYPE_OUTCOME) {
		check_fact(c, node->a)->coerce = COERCE_UNWRAP;
		type = type_of(type->args[0]);
	}
	for (; target; target = target->next)
		count++;
	if (type->kind != TYPE_TUPLE || type->count != count) {
		source_complain(c->sources, node->at, "a, b = {x, y}", "%u names get %s", count,
			type_words(c->arena, type));
		type = NULL;
	}
	count = 0;
	for (target = node->list; target; target = target->next)
		check_assign_one(c, target, NULL, type ? type->args[count++] : type_var(c->arena), NULL);
}

static void
check_set_op(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct type *want, *type, *types[2];
	const char *name;

	*fact = (struct fact){0};
	type = check_expr(c, node->a); /* it must have a value already */
	want = target_type(c, node->a);
	if (!want) { /* a function, a constant; an unknown name was told of */
		source_complain(c->sources, node->a->at, NULL, "this cannot be changed");
		return;
	}
	if (node->a->kind == N_NAME && check_fact(c, node->a)->use == USE_VARIABLE)
		c->in->variables[check_fact(c, node->a)->index].assigned = true;
	type = type_of(want);
	check_want(c, node->b, type, "the other side");
	type = type_of(type);
	if (type->kind == TYPE_VAR)
		type_settle(type);
	type = type_of(type);
	fact->type = type;
	fact->unsigned_op = type->kind == TYPE_U || type_of(check_fact(c, node->b)->type)->kind == TYPE_U;
	if (type_is_word(type) || type->kind == TYPE_ADDR || (type->kind == TYPE_FLOAT && node->op != T_MOD &&
		node->op != T_AND && node->op != T_OR && node->op != T_XOR && node->op != T_SHL && node->op != T_SHR))
		return;
	name = type->kind == TYPE_TEXT ? "text_add" : type->kind == TYPE_BYTES ? "bytes_add"
		: type->kind == TYPE_LIST ? "list_extend" : NULL;
	if (node->op != T_ADD || !name) {
		source_complain(c->sources, node->at, NULL, "%.*s=` does not go with %s",
			(int)strlen(token_names[node->op]) - 1, token_names[node->op],
			type_words(c->arena, type));
		return;
	}
	types[0] = types[1] = type;
	fact->instance = check_prelude(c, name, types, 2, node->at);
}

/* --- statements ------------------------------------------------------------------------------- */

static uint8_t *
sure_copy(struct checker *c)
{
	uint8_t *copy = arena_take(c->arena, VARIABLES_MAX);

	memcpy(copy, c->sure, c->in->variables_count);
	return copy;
}

static bool
check_if(struct checker *c, struct node *node)
{
	uint8_t *before, *after;
	bool ends;

	check_want(c, node->a, &type_bool, "a condition");
	if (check_fact(c, node->a)->use == USE_KNOWN)
		return check_block(c, check_fact(c, node->a)->index ? node->list : node->other);
	before = sure_copy(c);
	ends = check_block(c, node->list);
	after = sure_copy(c);
	memset(c->sure, 0, VARIABLES_MAX);
	memcpy(c->sure, before, VARIABLES_MAX);
	if (check_block(c, node->other)) {
		memcpy(c->sure, after, VARIABLES_MAX);
		return ends;
	}
	for (uint32_t i = 0; i < c->in->variables_count && !ends; i++)
		c->sure[i] &= after[i];
	return false;
}

bool
check_has_break(const struct node *first)
{
	for (const struct node *s = first; s; s = s->next) {
		if (s->kind == N_BREAK)
			return true;
		if (s->kind == N_IF && (check_has_break(s->list) || check_has_break(s->other)))
			return true;
	}
	return false;
}

static bool
check_while(struct checker *c, struct node *node)
{
	uint8_t *before;
	const bool forever = !node->a || node->a->kind == N_TRUE;

	if (node->a)
		check_want(c, node->a, &type_bool, "a condition");
	before = sure_copy(c);
	c->loops++;
	(void)check_block(c, node->list);
	c->loops--;
	if (!forever || check_has_break(node->list))
		memcpy(c->sure, before, VARIABLES_MAX);
	return forever && !check_has_break(node->list);
}

static bool
is_range(struct checker *c, const struct node *node)
{
	return node->kind == N_CALL && node->a->kind == N_NAME && !strcmp(node->a->name, "range") &&
	       !check_find_def(c, c->in->def->unit, NULL, "range");
}

static void
check_for(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct type *of, *element = &type_int;
	const char *name = NULL;
	uint8_t *before;
	uint32_t count = 0;

	*fact = (struct fact){.type = &type_none};
	if (is_range(c, node->a)) {
		fact->use = USE_RANGE;
		*check_fact(c, node->a) = (struct fact){.type = &type_none};
		for (struct node *e = node->a->list; e; e = e->next, count++)
			check_want(c, e, &type_int, "a bound of range");
		if (!count || count > 3)
			source_complain(c->sources, node->a->at, "range(n), range(from, to), range(from, to, step)",
				"range has one to three numbers");
	} else {
		of = check_data(c, node->a);
		if (of->kind == TYPE_LIST)
			element = of->args[0];
		else if (of->kind == TYPE_TEXT || of->kind == TYPE_MAP)
			name = of->kind == TYPE_TEXT ? "text_letters" : "map_keys";
		else if (of->kind == TYPE_BYTES)
			name = "bytes_list";
		else
			source_complain(c->sources, node->a->at, "for i in range(n):",
				"one can go through lists, maps, texts and bytes, and this is %s",
				type_words(c->arena, of));
		if (name) {
			fact->instance = check_prelude(c, name, &of, 1, node->at);
			element = of->kind == TYPE_TEXT ? of : of->kind == TYPE_MAP ? of->args[0] : element;
		}
		if (node->c && of->kind == TYPE_MAP)
			fact->second = check_prelude(c, "map_values", &of, 1, node->at);
		else if (node->c)
			source_complain(c->sources, node->c->at, NULL, "two names are for maps: key, value");
	}
	before = sure_copy(c);
	check_assign_one(c, node->b, NULL, element, NULL);
	if (node->c)
		check_assign_one(c, node->c, NULL, fact->second ? type_of(fact->second->result)->args[0]
								: &type_int, NULL);
	c->loops++;
	(void)check_block(c, node->list);
	c->loops--;
	memcpy(c->sure, before, VARIABLES_MAX);
}

static void
check_return(struct checker *c, struct node *node)
{
	struct instance *in = c->in;
	struct type *type;

	if (!node->a) {
		in->bare = node->at + 1;
		return;
	}
	if (in->def->top) {
		(void)check_expr(c, node->a);
		source_complain(c->sources, node->at, "yield e shows it", "the program returns nothing");
		return;
	}
	if (in->def->typed) {
		if (!in->def->results)
			source_complain(c->sources, node->at, NULL, "%s returns nothing: -> ()", in->def->name);
		check_want(c, node->a, in->result, "what is returned");
		return;
	}
	type = type_of(check_expr(c, node->a));
	in->returns = true;
	if (type->kind == TYPE_OUTCOME) {
		in->outcome = true;
		type = type->args[0];
		if (!type_unify(in->result, type))
			source_complain(c->sources, node->at, NULL, "here %s is returned, and before %s",
				type_words(c->arena, type), type_words(c->arena, in->result));
		return;
	}
	if (type_of(in->result)->kind == TYPE_VAR && type->kind != TYPE_NONE)
		(void)type_unify(in->result, type_plain(type));
	check_fit(c, node->a, in->result, "what is returned");
}

static void
check_yield(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct type *type;

	*fact = (struct fact){.type = &type_none};
	if (!node->a) {
		fact->instance = check_prelude(c, "yield_output", NULL, 0, node->at);
		return;
	}
	type = check_expr(c, node->a);
	if (type_of(type)->kind == TYPE_NONE)
		check_fit(c, node->a, &type_int, "what is yielded");
	else
		fact->instance = check_prelude(c, "yield_value", &type, 1, node->at);
}

/* True: nothing behind it is reached. */
static bool
check_statement(struct checker *c, struct node *node)
{
	switch ((enum node_kind)node->kind) {
	case N_EXPR:
		(void)check_expr(c, node->a);
		if (node->a->kind == N_COMPARE && node->a->op == T_EQ)
			source_complain(c->sources, node->a->at, "a value is given by one =", "this compares, "
				"and nobody learns the outcome");
		return false;
	case N_ASSIGN: check_assign(c, node); return false;
	case N_SET_OP: check_set_op(c, node); return false;
	case N_IF: return check_if(c, node);
	case N_WHILE: return check_while(c, node);
	case N_FOR: check_for(c, node); return false;
	case N_BREAK:
	case N_CONTINUE:
		if (!c->loops)
			source_complain(c->sources, node->at, NULL, "there is no loop here");
		return c->loops > 0;
	case N_RETURN: check_return(c, node); return true;
	case N_YIELD: check_yield(c, node); return false;
	default: return false;
	}
}

bool
check_block(struct checker *c, struct node *first)
{
	bool ends = false;

	if (first && c->nested == CHECK_NESTED_MAX) {
		source_complain(c->sources, first->at, "put it into a function whose types are written: "
			"def f(list<int> l) -> (int):", "this is nested too deep");
		c->in->returns = true; /* for all that is known */
		return false;
	}
	c->nested++;
	for (struct node *s = first; s && !ends; s = s->next)
		ends = check_statement(c, s);
	c->nested--;
	if (ends) /* what is never reached lacks no value */
		memset(c->sure, 1, c->in->variables_count);
	return ends;
}
