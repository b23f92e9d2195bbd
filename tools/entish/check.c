/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/check.h"

#include <string.h>

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
