/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/check.h"

#include <string.h>

struct variable *
check_global(struct checker *c, const char *name, uint32_t *ret_index)
{
	struct domain_block *block = c->in->def->block;

	for (uint32_t i = 0; block && i < block->variables_count; i++)
		if (!strcmp(block->variables[i].name, name)) {
			*ret_index = i;
			return &block->variables[i];
		}
	return NULL;
}

/* Their variables come first: functions see them with their types. */
void
check_domains(struct checker *c)
{
	for (struct unit *u = c->units; u; u = u->next)
		if (u != c->program && u->domains)
			source_complain(c->sources, u->domains->at, NULL,
				"domains are written in the program, not in what it imports");
	for (struct domain_block *b = c->program->domains; b; b = b->next) {
		for (struct domain_block *other = c->program->domains; other != b; other = other->next)
			if (!strcmp(other->name, b->name))
				source_complain(c->sources, b->at, NULL, "there are two domains %s", b->name);
		if (b->number >= DOMAINS_MAX) {
			source_complain(c->sources, b->at, NULL, "a program has at most %d domains", DOMAINS_MAX);
			return;
		}
		if (!b->begins->body)
			continue;
		c->beginning = true;
		b->beginning = check_instance(c, b->begins, NULL, 0, b->at);
		c->beginning = false;
	}
}

/* NAME.f(x) from elsewhere: an outcome. */
struct type *
check_crossing(struct checker *c, struct node *node, struct def *def, struct type **types, uint32_t count)
{
	struct fact *fact = check_fact(c, node);
	struct type *text = &type_text, *word = &type_int, *result, *args[3];

	if (!strcmp(def->domain, "main")) {
		source_complain(c->sources, node->at, "put it into a domain of its own",
			"domain main runs the program, and nobody calls it");
		return type_var(c->arena);
	}
	c->apart = true;
	fact->use = USE_DOMAIN;
	fact->instance = check_instance(c, def, types, count, node->at);
	c->apart = false;
	if (!fact->instance)
		return type_var(c->arena);
	(void)check_entry(c, fact->instance, true, node->at);
	c->in->crossings |= UINT32_C(1) << def->block->number % 32;
	result = fact->instance->result;
	if (type_of(result)->kind == TYPE_NONE) /* what falls off the end gives zeros */
		result = &type_int;
	for (uint32_t i = 0; i < count; i++)
		if (!check_is_data(types[i], 0))
			source_complain(c->sources, node->at, NULL, "data goes into a domain, and %s is none",
				type_words(c->arena, types[i]));
	if (!check_is_data(result, 0))
		source_complain(c->sources, node->at, NULL, "data comes out of a domain, and %s is none",
			type_words(c->arena, result));
	result = type_outcome(c->arena, result);
	args[0] = text;
	args[1] = word;
	args[2] = result;
	fact->second = check_prelude(c, "domain_call", args, 3, node->at);
	return result;
}

/* --- who calls whom --------------------------------------------------------------------- */

/* All domains that are called while this one runs `first`. `seen`, `work`: of all instances. */
static uint32_t
reached(struct instance *first, uint8_t *seen, struct instance **work)
{
	uint32_t crossings = 0, count = 0;

	if (!first || seen[first->number])
		return 0;
	seen[first->number] = 1;
	work[count++] = first;
	while (count) {
		const struct instance *i = work[--count];

		crossings |= i->crossings;
		for (struct edge *e = i->edges; e; e = e->next)
			if (!seen[e->to->number]) {
				seen[e->to->number] = 1;
				work[count++] = e->to;
			}
	}
	return crossings;
}

/* A domain waits for the answer of one it calls, so it cannot be called meanwhile. */
void
check_circles(struct checker *c)
{
	struct instance **work = arena_take(c->arena, (c->instances_count + 1) * sizeof *work);
	struct domain_block *blocks = c->program->domains;

	if (!blocks || c->sources->complaints_count)
		return;
	for (struct domain_block *b = blocks; b; b = b->next) {
		uint8_t *seen = arena_take(c->arena, c->instances_count + 1);

		b->calls = reached(b->beginning, seen, work);
		for (uint32_t i = 0; i < c->entries_count; i++)
			if (c->entries_served[i] && c->entries[i]->def->block == b)
				b->calls |= reached(c->entries[i], seen, work);
		b->below = b->calls;
	}
	for (uint32_t round = 0; round < DOMAINS_MAX; round++)
		for (struct domain_block *b = blocks; b; b = b->next)
			for (struct domain_block *to = blocks; to; to = to->next)
				if (b->below >> to->number & 1)
					b->below |= to->below;
	for (struct domain_block *b = blocks; b; b = b->next)
		if (b->below >> b->number & 1)
			source_complain(c->sources, b->at, "let one of them return what the other asks for",
				"domain %s waits for an answer, and is called meanwhile", b->name);
}
