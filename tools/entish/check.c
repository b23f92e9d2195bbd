/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/check.h"

#include <string.h>

static bool check_block(struct checker *c, struct node *first);

/* --- finding -------------------------------------------------------------------- */

static struct def *
def_in(const struct unit *unit, const char *domain, const char *name)
{
	for (struct def *d = unit->defs; d; d = d->next)
		if (!strcmp(d->name, name) &&
			(!d->domain ? !domain : domain && !strcmp(d->domain, domain)))
			return d;
	return NULL;
}

/* In its own file first, then in what that imports, then in the prelude. A
 * program's function hides a library's for the library, too, where that leaves
 * it open. */
struct def *
check_find_def(struct checker *c, const struct unit *from, const char *domain, const char *name)
{
	struct def *def = domain ? def_in(from, domain, name) : NULL;

	if (!def)
		def = def_in(from, NULL, name);
	for (struct import *i = from->imports; i && !def; i = i->next)
		if (i->unit)
			def = def_in(i->unit, NULL, name);
	return def ? def : def_in(c->prelude, NULL, name);
}

struct record *
check_find_record(struct checker *c, const struct unit *from, const char *name)
{
	for (struct record *r = from->records; r; r = r->next)
		if (!strcmp(r->name, name))
			return r;
	for (struct import *i = from->imports; i; i = i->next)
		for (struct record *r = i->unit ? i->unit->records : NULL; r; r = r->next)
			if (!strcmp(r->name, name))
				return r;
	for (struct record *r = c->prelude->records; r; r = r->next)
		if (!strcmp(r->name, name))
			return r;
	return NULL;
}

struct type *
check_written(struct checker *c, const struct unit *unit, struct node *node)
{
	static const struct {
		const char *name;
		struct type *type;
	} names[] = {{"u", &type_u}, {"int", &type_int}, {"float", &type_float}, {"bool", &type_bool},
		{"text", &type_text}, {"bytes", &type_bytes}, {"key", &type_key}};
	struct record *record;
	struct type *type;
	uint32_t count = 0;

	for (struct node *n = node->list; n; n = n->next)
		count++;
	for (size_t i = 0; i < sizeof names / sizeof *names && !count; i++)
		if (!strcmp(names[i].name, node->name))
			return names[i].type;
	if (unit->library && !strcmp(node->name, "address"))
		return &type_addr;
	if ((!strcmp(node->name, "list") && count == 1) || (!strcmp(node->name, "map") && count == 2)) {
		type = type_new(c->arena, count == 1 ? TYPE_LIST : TYPE_MAP, count);
		count = 0;
		for (struct node *n = node->list; n; n = n->next)
			type->args[count++] = check_written(c, unit, n);
		return type;
	}
	record = check_find_record(c, unit, node->name);
	if (record && record->type && !count)
		return record->type;
	source_complain(c->sources, node->at,
		"types: u, int, float, bool, text, bytes, list<t>, map<k, v>, a record",
		"there is no type `%.60s`", node->name);
	return type_var(c->arena);
}

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

static bool
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

/* --- functions ------------------------------------------------------------------------------------ */

static struct type *
written_result(struct checker *c, struct def *def)
{
	struct type *type;
	uint32_t count = 0;

	if (!def->results)
		return &type_none;
	if (!def->results->next)
		return check_written(c, def->unit, def->results);
	type = check_tuple_of(c, def->results, def->at);
	for (struct node *r = def->results; r && type->kind == TYPE_TUPLE; r = r->next)
		type->args[count++] = check_written(c, def->unit, r);
	return type;
}

void
check_body(struct checker *c, struct instance *instance)
{
	const struct checker saved = *c;
	struct def *def = instance->def;
	uint32_t n = 0;

	instance->open = true;
	c->in = instance;
	c->sure = arena_take(c->arena, VARIABLES_MAX);
	c->loops = 0;
	c->depth++;
	for (struct node *p = def->params; p; p = p->next, n++) {
		instance->variables[n] = (struct variable){.name = p->name, .type = instance->params[n],
			.param = true};
		for (uint32_t i = 0; i < n; i++)
			if (!strcmp(instance->variables[i].name, p->name))
				source_complain(c->sources, p->at, NULL, "two parameters are called %s", p->name);
		c->sure[n] = 1;
	}
	instance->variables_count = n;
	if (def->typed)
		instance->result = written_result(c, def);
	(void)check_block(c, def->body);
	if (!def->typed && !instance->returns && type_of(instance->result)->kind == TYPE_VAR)
		(void)type_unify(instance->result, &type_none); /* calls of itself hear of it, too */
	instance->returns = type_of(instance->result)->kind != TYPE_NONE;
	if (instance->returns && instance->bare) /* whichever comes first */
		source_complain(c->sources, instance->bare - 1, NULL, "something is to be returned here");
	instance->open = false;
	c->in = saved.in;
	c->sure = saved.sure;
	c->loops = saved.loops;
	c->depth--;
}

void
check_later(struct checker *c, struct instance *instance)
{
	instance->later = true;
	instance->result = written_result(c, instance->def);
}

/* What they call may wait, too: it is behind them. */
static void
check_waiting(struct checker *c)
{
	for (struct instance *i = c->instances; i; i = i->next)
		if (i->later) {
			i->later = false;
			check_body(c, i);
		}
}

/* Each with what is written, so that its faults are told even if nobody calls it. */
static void
check_def(struct checker *c, struct def *def)
{
	struct type **types = arena_take(c->arena, (def->params_count + 1) * sizeof *types);
	bool written = true;
	uint32_t n = 0;

	for (struct def *other = def->unit->defs; other != def; other = other->next)
		if (!strcmp(other->name, def->name) && (!other->domain == !def->domain) &&
			(!def->domain || !strcmp(def->domain, other->domain)))
			source_complain(c->sources, def->at, NULL, "there are two functions %s", def->name);
	for (struct node *p = def->params; p; p = p->next, n++) {
		written &= p->type != NULL;
		types[n] = p->type ? check_written(c, def->unit, p->type) : type_var(c->arena);
	}
	if (def->params_count > ARGUMENTS_MAX)
		source_complain(c->sources, def->at, NULL, "a function has at most %d parameters",
			ARGUMENTS_MAX);
	else if (written)
		(void)check_instance(c, def, types, n, def->at);
}

static void
check_records(struct checker *c, struct unit *unit)
{
	for (struct record *r = unit->records; r; r = r->next) {
		r->type = type_new(c->arena, TYPE_RECORD, 0);
		r->type->record = r;
		r->types = arena_take(c->arena, (r->fields_count + 1) * sizeof *r->types);
		if (r->fields_count > FIELDS_MAX)
			source_complain(c->sources, r->at, "put some of them into a record of their own",
				"a record has at most %d fields", FIELDS_MAX);
		for (uint32_t i = 0; i < r->fields_count; i++)
			r->types[i] = &type_int;
	}
}

/* More than RECORDS_MAX: too many, or itself, and so without an end. What is known of
 * one is not found out again, so the time is in proportion to what is written. */
static uint32_t
nesting(struct record *record, uint32_t depth)
{
	uint32_t most = 0;

	if (record->nesting || depth > RECORDS_MAX)
		return record->nesting ? record->nesting : depth;
	for (uint32_t i = 0; i < record->fields_count; i++) {
		const struct type *type = type_of(record->types[i]);
		const uint32_t inner = type->kind == TYPE_RECORD ? nesting(type->record, depth + 1) : 0;

		if (inner >= RECORDS_MAX)
			return RECORDS_MAX + 1;
		most = inner > most ? inner : most;
	}
	return record->nesting = most + 1;
}

/* Lists of records that hold lists of them: until nothing changes. */
static void
find_keys(struct unit *unit)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (struct record *r = unit->records; r; r = r->next)
			for (uint32_t i = 0; i < r->fields_count && !r->keys; i++)
				if (!check_is_data(r->types[i], 0))
					changed = r->keys = true;
	}
}

static void
check_fields(struct checker *c, struct unit *unit)
{
	for (struct record *r = unit->records; r; r = r->next) {
		uint32_t i = 0;

		for (struct node *f = r->fields; f; f = f->next, i++)
			r->types[i] = check_written(c, unit, f->type);
	}
	for (struct record *r = unit->records; r; r = r->next)
		if (nesting(r, 1) > RECORDS_MAX) {
			source_complain(c->sources, r->at, "hold a list of them",
				"%s holds itself, or more than %d records in one another", r->name, RECORDS_MAX);
			for (uint32_t i = 0; i < r->fields_count; i++)
				r->types[i] = &type_int;
		}
	find_keys(unit);
}

/* Complaints from `from` on that only say that a type is not known. */
static bool
drop_unknown(struct sources *sources, uint32_t from)
{
	uint32_t to = from;

	if (sources->complaints_count > SOURCE_COMPLAINTS)
		return false;
	for (uint32_t i = from; i < sources->complaints_count; i++)
		if (!strstr(sources->complaints[i].what, type_names_unknown))
			sources->complaints[to++] = sources->complaints[i];
	from = sources->complaints_count;
	sources->complaints_count = to;
	return from != to;
}

/* A function nobody calls is checked as well as can be done without its types. */
static void
check_rest(struct checker *c)
{
	for (struct def *d = c->program->defs; d; d = d->next) {
		struct type **types = arena_take(c->arena, (d->params_count + 1) * sizeof *types);
		struct instance *instance;
		uint32_t n = 0, kept;

		if (d->instances || d->params_count > ARGUMENTS_MAX)
			continue;
		for (struct node *p = d->params; p; p = p->next)
			types[n++] = p->type ? check_written(c, d->unit, p->type) : type_var(c->arena);
		kept = c->sources->complaints_count;
		instance = check_instance(c, d, types, n, d->at);
		for (uint32_t i = 0; instance && i < n; i++)
			type_settle(instance->params[i]);
		if (drop_unknown(c->sources, kept) && instance)
			instance->skip = true;
	}
}

static void
check_helpers(struct checker *c, place at)
{
	static const struct {
		const char *name, *takes;
	} helpers[] = {
#define HELPER(name, takes) {#name, takes},
		HELPERS(HELPER)
#undef HELPER
	};
	struct type *types[4];

	for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
		uint32_t count = 0;

		if (!strncmp(helpers[i].name, "serve", 5) && !c->program->domains)
			continue;
		for (const char *t = helpers[i].takes; *t; t++)
			types[count++] = *t == 'A' ? &type_addr : &type_int;
		c->helpers[i] = check_prelude(c, helpers[i].name, types, count, at);
	}
}

static bool
is_constant(const struct node *s)
{
	const struct node *value = s->kind == N_ASSIGN ? s->a : NULL;

	if (!value || s->list->kind != N_NAME || s->list->next)
		return false;
	if (value->kind == N_UNARY)
		value = value->a;
	return value->kind == N_INT || value->kind == N_FLOAT || value->kind == N_TEXT ||
	       value->kind == N_BYTES || value->kind == N_TRUE || value->kind == N_FALSE;
}

bool
check_only_names(const struct unit *unit)
{
	for (const struct node *s = unit->top->body; s; s = s->next)
		if (!is_constant(s))
			return false;
	return true;
}

/* Beside domains the program has constants only. */
static void
check_top_of_domains(struct checker *c)
{
	for (const struct node *s = c->program->top->body; s; s = s->next)
		if (!is_constant(s))
			source_complain(c->sources, s->at, "put it into that main",
				"this never runs: `main` of domain main does");
}

bool
check(struct checker *c)
{
	struct def *main = NULL;

	c->instances_last = &c->instances;
	for (struct unit *u = c->units; u; u = u->next)
		check_records(c, u);
	for (struct unit *u = c->units; u; u = u->next)
		check_fields(c, u);
	check_domains(c);
	for (struct unit *u = c->units; u; u = u->next)
		for (struct def *d = u->defs; d && !u->library; d = d->next)
			check_def(c, d);
	main = def_in(c->program, "main", "main");
	if (main) {
		check_top_of_domains(c);
	} else {
		main = def_in(c->program, NULL, "main");
		if (c->program->top->body && !(main && check_only_names(c->program)))
			main = c->program->top;
		if (!main)
			source_complain(c->sources, c->program->file->base, "write statements, or def main():",
				"there is nothing to run");
	}
	if (main && main->params_count)
		source_complain(c->sources, main->at, "$arg(n) has what the command line gave",
			"main takes no arguments");
	if (main)
		c->main = check_instance(c, main, NULL, 0, main->at);
	check_helpers(c, main ? main->at : 0);
	check_rest(c);
	check_waiting(c);
	check_circles(c);
	for (struct domain_block *b = c->program->domains; b; b = b->next)
		for (uint32_t k = 0; k < b->variables_count; k++)
			type_settle(b->variables[k].type);
	for (struct instance *i = c->instances; i; i = i->next) {
		for (uint32_t k = 0; k < i->variables_count; k++)
			type_settle(i->variables[k].type);
		for (uint32_t k = 0; k < i->def->params_count; k++)
			type_settle(i->params[k]);
		type_settle(i->result);
		for (uint32_t k = 0; k < i->def->ids; k++)
			if (i->facts[k].type)
				type_settle(i->facts[k].type);
	}
	return !c->sources->complaints_count;
}
