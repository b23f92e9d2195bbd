/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/check.h"

#include <string.h>

/* --- instances -------------------------------------------------------------------- */

static struct type *
written_or(struct checker *c, struct def *def, struct node *param, struct type *have)
{
	if (param->type)
		return check_written(c, def->unit, param->type);
	return def->unit == c->prelude ? have : type_plain(have); /* print() sees what is written u */
}

/* One that is there for these types; or, of those that are being checked, one whose
 * types can be these (a function that calls itself with an empty list). */
static struct instance *
find(struct def *def, struct type **params)
{
	for (struct instance *i = def->instances; i; i = i->of_def) {
		uint32_t same = 0;

		while (same < def->params_count && type_same(i->params[same], params[same]))
			same++;
		if (same == def->params_count)
			return i;
	}
	for (struct instance *i = def->instances; i; i = i->of_def) {
		uint32_t same = 0;

		if (!i->open)
			continue;
		while (same < def->params_count && type_of(i->params[same])->kind == type_of(params[same])->kind)
			same++;
		for (same = same == def->params_count ? 0 : UINT32_MAX - 1; same < def->params_count; same++)
			if (!type_unify(i->params[same], params[same]))
				break;
		if (same == def->params_count)
			return i;
	}
	return NULL;
}

static struct instance *
make(struct checker *c, struct def *def, struct type **params)
{
	struct instance *i = arena_take(c->arena, sizeof *i);

	i->def = def;
	i->params = params;
	i->number = c->instances_count++;
	i->result = type_var(c->arena);
	i->facts = arena_take(c->arena, (def->ids + 1) * sizeof *i->facts);
	i->variables = arena_take(c->arena, (size_t)(def->params_count + 1) * sizeof *i->variables);
	i->variables_room = def->params_count + 1;
	i->of_def = def->instances;
	def->instances = i;
	*c->instances_last = i;
	c->instances_last = &i->next;
	return i;
}

static void
blame_call(struct checker *c, struct def *def, struct type **params, place at, uint32_t complaints)
{
	char text[160] = "";
	const char *name = def->name;

	for (uint32_t i = 0; i < def->params_count; i++) {
		const char *one = type_words(c->arena, params[i]);

		if (strlen(text) + strlen(one) + 3 > sizeof text)
			break;
		strcat(text, i ? ", " : "");
		strcat(text, one);
	}
	for (const char *s = name; *s; s++) /* list_append is known as append */
		if (*s == '_' && (!strncmp(name, "list", 4) || !strncmp(name, "text", 4) ||
					 !strncmp(name, "map", 3) || !strncmp(name, "bytes", 5)) && name == def->name)
			name = s + 1;
	c->sources->complaints_count = complaints;
	source_complain(c->sources, at, NULL, "`%s` does not go with %s", name, text);
}

/* For the question which domains call which (check_domain.c). */
static void
note_call(struct checker *c, struct instance *to)
{
	struct edge *edge;

	if (!c->in || !c->program->domains || (to->def->unit->library && !to->def->params_count) ||
		(c->in->edges && c->in->edges->to == to))
		return;
	edge = arena_take(c->arena, sizeof *edge);
	*edge = (struct edge){to, c->in->edges};
	c->in->edges = edge;
}

/* All is known of it that a caller asks. */
static bool
is_written(const struct def *def)
{
	for (const struct node *p = def->params; p; p = p->next)
		if (!p->type)
			return false;
	return def->typed;
}

struct instance *
check_instance(struct checker *c, struct def *def, struct type **types, uint32_t count, place at)
{
	const uint32_t complaints = c->sources->complaints_count;
	struct type **params = arena_take(c->arena, (count + 1) * sizeof *params);
	struct instance *i;
	const bool apart = c->apart;
	bool deep, later;
	uint32_t n = 0;

	c->apart = false;
	if (count != def->params_count) {
		source_complain(c->sources, at, NULL, "%s takes %u argument%s, and here %s %u", def->name,
			def->params_count, def->params_count == 1 ? "" : "s", count == 1 ? "is" : "are", count);
		return NULL;
	}
	for (struct node *p = def->params; p; p = p->next, n++)
		params[n] = written_or(c, def, p, types[n]);
	if (c->beginning && def->domain && !def->begins) {
		source_complain(c->sources, at, NULL,
			"a domain's variables have their first values before its functions run");
		return NULL;
	}
	i = find(def, params);
	if (i) {
		if (!apart)
			note_call(c, i);
		return i;
	}
	if (c->instances_count >= CHECK_INSTANCES_MAX) {
		source_complain(c->sources, at, NULL, "a program has at most %d functions, each as often as "
			"there are types that it is called with", CHECK_INSTANCES_MAX);
		return NULL;
	}
	deep = c->depth > CHECK_DEPTH_MAX / 2 || c->nested > CHECK_NESTED_MAX / 2;
	later = deep && is_written(def) && !c->beginning;
	if (c->depth >= CHECK_DEPTH_MAX && !later) {
		source_complain(c->sources, at, "write its types: def f(list<int> l) -> (int):",
			"the types of %s are not found: too many depend on one another", def->name);
		return NULL;
	}
	i = make(c, def, params);
	if (!apart)
		note_call(c, i);
	if (later)
		check_later(c, i);
	else
		check_body(c, i);
	if (def->unit == c->prelude && c->in && c->in->def->unit != c->prelude &&
		c->sources->complaints_count > complaints)
		blame_call(c, def, params, at, complaints);
	return i;
}

struct instance *
check_prelude(struct checker *c, const char *name, struct type **types, uint32_t count, place at)
{
	for (struct def *d = c->prelude->defs; d; d = d->next)
		if (!strcmp(d->name, name))
			return check_instance(c, d, types, count, at);
	source_complain(c->sources, at, NULL, "the prelude has no %s", name);
	return NULL;
}

/* --- calls --------------------------------------------------------------------------- */

static struct type *
result_of(struct checker *c, const struct instance *i)
{
	if (!i)
		return type_var(c->arena);
	return i->outcome ? type_outcome(c->arena, i->result) : i->result;
}

/* The types of the arguments; one that is written is asked for. */
static uint32_t
arguments(struct checker *c, struct node *list, const struct def *def, struct type **types,
	uint32_t count)
{
	struct node *param = def ? def->params : NULL;

	for (uint32_t skip = 0; param && skip < count; skip++)
		param = param->next;
	for (struct node *e = list; e; e = e->next, param = param ? param->next : NULL) {
		struct type *type = check_expr(c, e);

		if (count == ARGUMENTS_MAX) {
			source_complain(c->sources, e->at, NULL, "a call has at most %d arguments",
				ARGUMENTS_MAX);
			break;
		}
		if (param && param->type) {
			struct type *want = check_written(c, def->unit, param->type);

			check_fit(c, e, want, "this argument");
			type = want;
		} else if (type_of(type)->kind == TYPE_NONE) {
			check_fit(c, e, &type_int, "an argument");
		}
		types[count++] = type;
	}
	return count;
}

static bool
is_import(const struct checker *c, const char *name, const struct unit **ret_unit)
{
	for (struct import *i = c->in->def->unit->imports; i; i = i->next)
		if (!strcmp(i->name, name) && i->unit) {
			*ret_unit = i->unit;
			return true;
		}
	return false;
}

static bool
is_domain(const struct unit *unit, const char *name)
{
	for (struct def *d = unit->defs; d; d = d->next)
		if (d->domain && !strcmp(d->domain, name))
			return true;
	return false;
}

/* The function a callee means; NULL after a complaint, or where it is a method. */
static struct def *
callee(struct checker *c, struct node *node, bool *ret_method, bool *ret_domain)
{
	const struct unit *unit = c->in->def->unit;
	struct def *def = NULL;
	uint32_t index;

	*ret_method = *ret_domain = false;
	if (node->kind == N_FIELD && node->a->kind == N_NAME && !check_variable(c, node->a->name, &index)) {
		if (is_import(c, node->a->name, &unit)) {
			for (def = unit->defs; def && strcmp(def->name, node->name); def = def->next)
				continue;
			if (!def)
				source_complain(c->sources, node->at, NULL, "%s has no function `%.60s`",
					node->a->name, node->name);
			return def;
		}
		if (is_domain(unit, node->a->name)) {
			for (def = unit->defs; def; def = def->next)
				if (def->domain && !strcmp(def->domain, node->a->name) &&
					!strcmp(def->name, node->name))
					break;
			if (!def)
				source_complain(c->sources, node->at, NULL, "domain %s has no function `%.60s`",
					node->a->name, node->name);
			*ret_domain = !c->in->def->domain || strcmp(c->in->def->domain, node->a->name);
			return def;
		}
	}
	if (node->kind == N_FIELD) {
		*ret_method = true;
		return NULL;
	}
	if (node->kind != N_NAME) {
		source_complain(c->sources, node->at, NULL, "a function is called by its name");
		return NULL;
	}
	if (check_variable(c, node->name, &index)) {
		struct type *type = type_of(check_expr(c, node));

		if (type->kind == TYPE_FN)
			return type->def;
		source_complain(c->sources, node->at, NULL, "`%.60s` is %s, no function", node->name,
			type_words(c->arena, type));
		return NULL;
	}
	def = check_find_def(c, unit, c->in->def->domain, node->name);
	if (!def && check_find_record(c, unit, node->name))
		source_complain(c->sources, node->at, "a record is made with braces: name{a, b}",
			"`%.60s` is a type", node->name);
	else if (!def)
		source_complain(c->sources, node->at, !strcmp(node->name, "range") ? "for i in range(n):" :
			!strcmp(node->name, "println") || !strcmp(node->name, "printi") ? "import stdio" : NULL,
			"there is no function `%.60s`", node->name);
	return def;
}

static struct type *
check_method(struct checker *c, struct node *node)
{
	struct type *of = check_data(c, node->a->a), *types[ARGUMENTS_MAX + 1] = {of};
	struct fact *fact = check_fact(c, node);
	const char *name;
	uint32_t count = 1;
	struct def *def;

	name = arena_format(c->arena, "%s_%.60s", of->kind == TYPE_LIST ? "list" : of->kind == TYPE_MAP ? "map"
		: of->kind == TYPE_TEXT ? "text" : of->kind == TYPE_BYTES ? "bytes" : "no", node->a->name);
	for (def = c->prelude->defs; def && strcmp(def->name, name); def = def->next)
		continue;
	count = arguments(c, node->list, def, types, 1);
	if (!def) {
		source_complain(c->sources, node->a->at, of->kind == TYPE_LIST ? "lists have append, pop, "
			"insert, remove, index, sort, reverse, copy, join, clear" : of->kind == TYPE_TEXT ?
			"texts have split, join, find, replace, strip, upper, lower, starts, ends" :
			of->kind == TYPE_MAP ? "maps have get, keys, values, remove" : NULL,
			"%s has no function `%.60s`", type_words(c->arena, of), node->a->name);
		return type_var(c->arena);
	}
	for (uint32_t i = 0; i < of->count; i++) { /* 1 in a list of floats */
		struct node *e = node->list;

		if (type_of(of->args[i])->kind == TYPE_FLOAT)
			for (uint32_t n = 1; e && n < count; e = e->next, n++)
				if ((e->kind == N_INT || (e->kind == N_UNARY && e->a->kind == N_INT)) &&
					(n == count - 1)) {
					check_fit(c, e, &type_float, "an element");
					types[n] = &type_float;
				}
	}
	fact->use = USE_METHOD;
	fact->instance = check_instance(c, def, types, count, node->a->at);
	return result_of(c, fact->instance);
}

static struct type *
check_print(struct checker *c, struct node *node)
{
	struct type *text = &type_text;

	check_fact(c, node)->use = USE_PRINT;
	c->space = check_prelude(c, "print_part", &text, 1, node->at);
	for (struct node *e = node->list; e; e = e->next) {
		struct type *type = check_expr(c, e);

		if (type_of(type)->kind == TYPE_NONE)
			check_fit(c, e, &type_text, "what is printed");
		else
			check_fact(c, e)->shown = check_prelude(c, "print_part", &type, 1, e->at);
	}
	check_fact(c, node)->instance = check_prelude(c, "print_end", NULL, 0, node->at);
	return &type_none;
}

struct type *
check_call(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct type *types[ARGUMENTS_MAX];
	bool method, domain;
	struct def *def = callee(c, node->a, &method, &domain);
	uint32_t count;

	if (method)
		return check_method(c, node);
	if (def && def->unit == c->prelude && !strcmp(def->name, "print"))
		return check_print(c, node);
	count = arguments(c, node->list, def, types, 0);
	if (!def)
		return type_var(c->arena);
	if (domain)
		return check_crossing(c, node, def, types, count);
	fact->use = USE_CALL;
	fact->instance = check_instance(c, def, types, count, node->at);
	if (def->unit == c->prelude && !strcmp(def->name, "error"))
		return type_outcome(c->arena, type_var(c->arena));
	return result_of(c, fact->instance);
}

/* --- sandboxes ------------------------------------------------------------------------ */

/* A function of a domain stays there: its variables do. */
bool
check_is_data(struct type *type, uint32_t depth)
{
	type = type_of(type);
	if (type->kind == TYPE_KEY || (type->kind == TYPE_FN && type->def->domain) ||
		(type->kind == TYPE_RECORD && type->record->keys))
		return false;
	for (uint32_t i = 0; i < type->count && depth < TYPE_DEPTH_MAX; i++)
		if (!check_is_data(type->args[i], depth + 1))
			return false;
	return type->kind != TYPE_OUTCOME;
}

uint32_t
check_entry(struct checker *c, struct instance *i, bool served, place at)
{
	uint32_t *number = served ? &i->served : &i->entry;

	if (*number)
		return *number;
	if (c->entries_count == sizeof c->entries / sizeof *c->entries) {
		source_complain(c->sources, at, NULL, "too many functions are called in sandboxes and domains");
		return 0;
	}
	c->entries_served[c->entries_count] = served;
	c->entries[c->entries_count++] = i;
	return *number = c->entries_count;
}

struct type *
check_sandbox(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct type *types[ARGUMENTS_MAX], *result;
	bool method, domain;
	struct def *def;
	uint32_t count, keys = 0;

	check_want(c, node->b, &type_int, "the gas of a sandbox");
	check_want(c, node->c, &type_int, "the words of a sandbox");
	for (struct node *k = node->keys; k; k = k->next, keys++) {
		if (keys == KEYS_MAX)
			source_complain(c->sources, k->at, NULL, "a sandbox is given at most %d keys", KEYS_MAX);
		if (k->kind == N_NAME && !check_variable(c, k->name, &count)) {
			struct type *text = &type_text;

			*check_fact(c, k) = (struct fact){.type = &type_key, .use = USE_CALL}; /* by its name */
			check_fact(c, k)->instance = check_prelude(c, "key", &text, 1, k->at);
			continue;
		}
		check_want(c, k, &type_key, "a key");
		if (k->kind != N_NAME)
			source_complain(c->sources, k->at, "k = key(\"/data\"), then f<g, w, k>(x)",
				"a key is given by its name");
	}
	def = callee(c, node->a, &method, &domain);
	if (method || domain)
		source_complain(c->sources, node->at, NULL, "a function of the program can be called in a "
			"sandbox, and this is none");
	count = arguments(c, node->list, def, types, 0);
	if (!def || method || domain)
		return type_var(c->arena);
	fact->use = USE_CALL;
	c->apart = true;
	fact->instance = check_instance(c, def, types, count, node->at);
	if (!fact->instance)
		return type_var(c->arena);
	(void)check_entry(c, fact->instance, false, node->at);
	result = fact->instance->result;
	if (type_of(result)->kind == TYPE_NONE) /* what falls off the end gives zeros */
		result = &type_int;
	for (uint32_t i = 0; i < count; i++)
		if (!check_is_data(types[i], 0))
			source_complain(c->sources, node->at, "keys are given behind the words: f<g, w, key>(x)",
				"data goes into a sandbox, and %s is none", type_words(c->arena, types[i]));
	if (!check_is_data(result, 0) || fact->instance->outcome)
		source_complain(c->sources, node->at, NULL, "data comes out of a sandbox, and %s is none",
			type_words(c->arena, result_of(c, fact->instance)));
	{
		struct type *of = type_outcome(c->arena, result);
		struct type *args[2] = {&type_text, of};

		fact->second = check_prelude(c, "sandbox_call", args, 2, node->at);
		return of;
	}
}

/* --- $ -------------------------------------------------------------------------------------- */

static const struct intrinsic {
	const char *name, *takes, *gives;
	bool made;
} intrinsics[] = {
#define RAW(name, takes, gives, code) {#name, takes, gives, false},
#define MADE(name, takes, gives) {#name, takes, gives, true},
#include "tools/entish/intrinsics.def"
#undef RAW
#undef MADE
};

/* What everybody may write, as functions of the prelude. */
static const char *const dollars[][2] = {{"arg", "program_arg"}, {"area", "area_new"},
	{"alloc", "area_alloc"}, {"dealloc", "area_dealloc"}, {"read", "area_read"},
	{"write", "area_write"}, {"arealen", "area_len"}, {"memorylen", "area_count"}};

static struct type *
letter_type(struct checker *c, char letter)
{
	switch (letter) {
	case 'I': return &type_int;
	case 'A': return &type_addr;
	case 'F': return &type_float;
	case 'B': return &type_bool;
	case 'T': return &type_text;
	case '?': return type_var(c->arena);
	default: return &type_none;
	}
}

static struct type *
element(struct checker *c, struct type *of, struct node *node)
{
	if (of->count)
		return of->args[of->count - 1];
	source_complain(c->sources, node->at, NULL, "%s has no elements", type_words(c->arena, of));
	return type_var(c->arena);
}

/* acc = fn(acc, name, field) for each field, known now. */
static struct type *
check_fold(struct checker *c, struct node *node, bool two)
{
	struct node *fn = node->list, *acc = fn->next, *a = acc->next, *b = two ? a->next : NULL;
	struct fact *fact = check_fact(c, node);
	struct type *of = type_of(check_fact(c, a)->type), *types[4];
	struct type *f = type_of(check_fact(c, fn)->type);
	const uint32_t count = of->kind == TYPE_RECORD ? of->record->fields_count : of->count;

	fact->fold = arena_take(c->arena, (count + 1) * sizeof *fact->fold);
	for (uint32_t i = 0; i < count && f->kind == TYPE_FN; i++) {
		struct type *field = of->kind == TYPE_RECORD ? of->record->types[i] : of->args[i];

		types[0] = check_fact(c, acc)->type;
		types[1] = b ? field : &type_text;
		types[2] = field;
		fact->fold[i] = check_instance(c, f->def, types, 3, node->at);
	}
	return check_fact(c, acc)->type;
}

static struct type *
check_made(struct checker *c, struct node *node, const char *name)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} tests[] = {{"isu", TYPE_U}, {"isfloat", TYPE_FLOAT}, {"isbool", TYPE_BOOL}, {"istext", TYPE_TEXT},
		{"isbytes", TYPE_BYTES}, {"islist", TYPE_LIST}, {"ismap", TYPE_MAP}, {"istuple", TYPE_TUPLE},
		{"isrecord", TYPE_RECORD}, {"isoutcome", TYPE_OUTCOME}, {"isfn", TYPE_FN}, {"iskey", TYPE_KEY}};
	struct type *first = node->list ? type_of(check_fact(c, node->list)->type) : NULL;
	struct node *second = node->list ? node->list->next : NULL;

	if (!strcmp(name, "domains"))
		return &type_text;
	if (!strcmp(name, "as") || !strcmp(name, "outcome"))
		return first;
	if (!strcmp(name, "get"))
		return element(c, first, node);
	if (!strcmp(name, "put")) {
		check_fit(c, second->next, element(c, first, node), "an element");
		return &type_none;
	}
	if (!strcmp(name, "mkeys") || !strcmp(name, "mvalues"))
		return type_list(c->arena, first->count == 2 ? first->args[name[1] == 'v'] : &type_int);
	if (!strcmp(name, "inner"))
		return element(c, first, node);
	if (!strcmp(name, "fold") || !strcmp(name, "fold2"))
		return check_fold(c, node, name[4] == '2');
	if (!strcmp(name, "entry")) {
		struct type *word = &type_u;
		struct fact *fact = check_fact(c, node);

		if (first->kind == TYPE_FN)
			fact->instance = check_instance(c, first->def, &word, 1, node->at);
		else
			source_complain(c->sources, node->at, "$funcname(f)", "this is no function");
		if (fact->instance)
			(void)check_entry(c, fact->instance, false, node->at);
		return &type_addr;
	}
	if (!strcmp(name, "addr") || !strcmp(name, "refs") || !strcmp(name, "ovalue"))
		return &type_addr;
	if (!strcmp(name, "typename"))
		return &type_text;
	check_fact(c, node)->use = USE_KNOWN;
	if (!strcmp(name, "isint"))
		check_fact(c, node)->index = type_is_word(first) || first->kind == TYPE_VAR;
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		if (!strcmp(name, tests[i].name))
			check_fact(c, node)->index = first->kind == tests[i].kind;
	return &type_bool;
}

static struct type *
check_intrinsic(struct checker *c, struct node *node, uint32_t row)
{
	const struct intrinsic *in = &intrinsics[row];
	uint32_t count = 0;

	for (struct node *e = node->list; e; e = e->next, count++) {
		if (count < strlen(in->takes) && in->takes[count] != '?')
			check_want(c, e, letter_type(c, in->takes[count]), "this argument");
		else
			(void)check_expr(c, e);
	}
	if (count != strlen(in->takes)) {
		source_complain(c->sources, node->at, NULL, "$%s takes %zu arguments", in->name,
			strlen(in->takes));
		return type_var(c->arena);
	}
	check_fact(c, node)->use = USE_RAW;
	check_fact(c, node)->index = row;
	return in->made ? check_made(c, node, in->name) : letter_type(c, *in->gives);
}

struct type *
check_dollar(struct checker *c, struct node *node)
{
	struct fact *fact = check_fact(c, node);
	struct type *types[ARGUMENTS_MAX];
	uint32_t count;

	for (uint32_t i = 0; c->in->def->unit->library && i < sizeof intrinsics / sizeof *intrinsics; i++)
		if (!strcmp(intrinsics[i].name, node->name))
			return check_intrinsic(c, node, i);
	if (!strcmp(node->name, "funcname") && node->list && node->list->kind == N_NAME) {
		struct def *def = check_find_def(c, c->in->def->unit, NULL, node->list->name);

		fact->use = USE_FUNCTION;
		if (def)
			return type_fn(c->arena, def);
	}
	count = arguments(c, node->list, NULL, types, 0);
	for (size_t i = 0; i < sizeof dollars / sizeof *dollars; i++)
		if (!strcmp(dollars[i][0], node->name)) {
			for (struct node *e = node->list; e; e = e->next)
				check_fit(c, e, &type_int, "this argument");
			for (uint32_t k = 0; k < count; k++)
				types[k] = &type_int;
			fact->use = USE_CALL;
			fact->instance = check_prelude(c, dollars[i][1], types, count, node->at);
			return result_of(c, fact->instance);
		}
	source_complain(c->sources, node->at, !strcmp(node->name, "keyget") || !strcmp(node->name, "run") ?
		"it is for code of the original machine: import sandbox has box_function(f, arg, gas, mem)" :
		"there are $arg $area $alloc $dealloc $read $write $arealen $memorylen $funcname",
		"there is no $%.60s", node->name);
	return type_var(c->arena);
}
