/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/entish.h"

#include <stdlib.h>
#include <string.h>

#include "tools/entish/code.h"
#include "tools/entish/format.h"
#include "tools/entish/library.h"

struct imported { /* a text that import() gave */
	struct imported *next;
	const char *text;
};

struct entish {
	struct arena arena;
	struct sources sources;
	struct imported *imported; /* nodes in the arena */
	struct out module;
	const char *words;
};

struct entish *
entish_new(void)
{
	struct entish *e = calloc(1, sizeof *e);

	if (e) {
		arena_init(&e->arena, ENTISH_BYTES_MAX);
		e->sources.arena = &e->arena;
		e->words = "";
	}
	return e;
}

void
entish_free(struct entish *e)
{
	if (!e)
		return;
	for (const struct imported *i = e->imported; i; i = i->next)
		free((char *)(uintptr_t)i->text);
	arena_done(&e->arena);
	free(e);
}

const uint8_t *
entish_module(const struct entish *e, size_t *ret_bytes)
{
	*ret_bytes = e->module.used;
	return e->module.at;
}

bool
entish_format(struct entish *e, const struct entish_input *input)
{
	const struct source_file *file;
	struct tokens tokens;
	uint32_t ids = 0;

	if (setjmp(e->arena.full)) {
		e->words = "this program is too large\n";
		return false;
	}
	file = source_add(&e->sources, input->name, input->source.text, input->source.bytes);
	if (!file) {
		e->words = "a source has at most 1 MiB\n";
		return false;
	}
	tokens = tokens_read(&e->sources, file);
	if (!e->sources.complaints_count)
		(void)parse(&e->sources, file, &ids);
	if (e->sources.complaints_count) {
		e->words = source_words(&e->sources);
		return false;
	}
	e->module.arena = &e->arena;
	format_tokens(&tokens, file, &e->module);
	return true;
}

const char *
entish_words(const struct entish *e)
{
	return e->words;
}

static struct entish_text
library(const char *name)
{
	for (const struct library_file *f = library_files; f->name; f++)
		if (!strcmp(f->name, name))
			return f->text;
	return (struct entish_text){0};
}

/* --- files ------------------------------------------------------------------------- */

struct reader {
	struct entish *e;
	const struct entish_input *input;
	struct checker *c;
	struct unit **last;
	uint32_t ids;
};

static struct unit *
read_unit(struct reader *r, const char *name, struct entish_text text, bool ours)
{
	const struct source_file *file;
	struct unit *unit;
	const char *shown = ours || r->c->program ? arena_format(&r->e->arena, "%.100s.et", name) : name;

	file = source_add(&r->e->sources, shown, text.text, text.bytes);
	if (!file)
		return NULL;
	unit = parse(&r->e->sources, file, &r->ids);
	unit->name = arena_text(&r->e->arena, name, strlen(name));
	unit->library = ours;
	*r->last = unit;
	r->last = &unit->next;
	return unit;
}

static void
read_import(struct reader *r, struct import *import)
{
	struct entish_text text = {0};
	bool ours = false;

	for (struct unit *u = r->c->units; u && !import->unit; u = u->next)
		if (u != r->c->prelude && u != r->c->program && !strcmp(u->name, import->name))
			import->unit = u;
	if (import->unit)
		return;
	if (r->input->import) {
		struct imported *imported = arena_take(&r->e->arena, sizeof *imported);

		text = r->input->import(r->input->context, import->name);
		*imported = (struct imported){r->e->imported, text.text};
		r->e->imported = imported;
	}
	if (!text.text && strcmp(import->name, "prelude")) {
		text = library(import->name);
		ours = text.text;
	}
	if (text.text)
		import->unit = read_unit(r, import->name, text, ours);
	if (!text.text)
		source_complain(&r->e->sources, import->at,
			"it is looked for beside the program, then among: stdio, sandbox, modules, lists, text, json",
			"there is no %s.et", import->name);
	else if (!import->unit)
		source_complain(&r->e->sources, import->at, NULL,
			"too many files are imported, or %s.et is too long", import->name);
	else if (!check_only_names(import->unit))
		source_complain(&r->e->sources, import->unit->top->body->at, "put it into a function",
			"a file that is imported has no statements of its own, but for constants");
}

/* All that is imported, by what is imported too. */
static bool
read_all(struct reader *r)
{
	r->c->program = read_unit(r, r->input->name, r->input->source, false);
	if (!r->c->program)
		return false;
	if (r->e->sources.complaints_count) /* names are looked for in what could be read */
		return true;
	r->c->prelude = read_unit(r, "prelude", library("prelude"), true);
	for (struct unit *u = r->c->units; u; u = u->next)
		for (struct import *i = u->imports; i; i = i->next)
			read_import(r, i);
	return true;
}

/* `ret_costs`: NULL, or where what lines cost is written down. */
static bool
compile(struct entish *e, const struct entish_input *input, struct costs *ret_costs)
{
	struct reader r = {.e = e, .input = input};

	if (setjmp(e->arena.full)) {
		e->words = "this program is too large to compile\n";
		return false;
	}
	r.c = arena_take(&e->arena, sizeof *r.c);
	r.c->arena = &e->arena;
	r.c->sources = &e->sources;
	r.last = &r.c->units;
	if (!read_all(&r)) {
		e->words = "a source has at most 1 MiB\n";
		return false;
	}
	if (e->sources.complaints_count || !check(r.c)) {
		e->words = source_words(&e->sources);
		return false;
	}
	if (ret_costs)
		costs_init(ret_costs, &e->arena, r.c->program->file);
	code_module(r.c, ret_costs, &e->module);
	if (ret_costs)
		e->words = costs_text(ret_costs, &e->arena);
	return true;
}

bool
entish_compile(struct entish *e, const struct entish_input *input)
{
	return compile(e, input, NULL);
}

bool
entish_cost(struct entish *e, const struct entish_input *input)
{
	struct costs costs = {0};

	return compile(e, input, &costs);
}
