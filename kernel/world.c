/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/world.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/gate.h"
#include "kernel/journal.h"
#include "kernel/world_state.h"

enum { PLACES_FIRST = 16, PLACES_NONE = UINT32_MAX, PLACES_MAX = 1 << 24 };

/* --- queues ----------------------------------------------------------------- */

void
queue_add(struct queue *queue, struct domain *domain)
{
	must(WORLD2, !domain->queue);
	domain->queue = queue;
	domain->queue_next = NULL;
	domain->queue_prev = queue->tail;
	if (queue->tail)
		queue->tail->queue_next = domain;
	else
		queue->head = domain;
	queue->tail = domain;
}

void
queue_ready(struct domain *domain)
{
	struct world *world = domain->world;

	queue_add(domain->paused ? &world->paused : &world->ready, domain);
}

void
queue_drop(struct domain *domain)
{
	struct queue *queue = domain->queue;

	if (!queue)
		return;
	if (domain->queue_prev)
		domain->queue_prev->queue_next = domain->queue_next;
	else
		queue->head = domain->queue_next;
	if (domain->queue_next)
		domain->queue_next->queue_prev = domain->queue_prev;
	else
		queue->tail = domain->queue_prev;
	domain->queue = NULL;
	domain->queue_next = domain->queue_prev = NULL;
}

/* --- places ------------------------------------------------------------------ */

static bool
places_grow(struct world *world)
{
	const uint32_t room = world->places_room ? world->places_room * 2 : PLACES_FIRST;
	struct domain_place *places;

	if (room > PLACES_MAX)
		return false;
	places = heap_resize(&world->heap, world->places,
		(uint64_t)world->places_room * sizeof *places, (uint64_t)room * sizeof *places);
	if (!places)
		return false;
	world->places = places;
	world->places_room = room;
	return true;
}

bool
world_place(struct world *world, struct domain *domain)
{
	uint32_t id = world->places_free;

	if (id != PLACES_NONE) {
		world->places_free = world->places[id].next_free;
	} else {
		if (world->places_count == world->places_room && !places_grow(world))
			return false;
		id = world->places_count++;
	}
	world->places[id].domain = domain;
	domain->id = id;
	domain->generation = world->places[id].generation;
	return true;
}

void
world_unplace(struct domain *domain)
{
	struct world *world = domain->world;
	struct domain_place *place = &world->places[domain->id];

	must(WORLD5, place->domain == domain && place->generation == domain->generation);
	*place = (struct domain_place){
		.generation = place->generation + 1,
		.next_free = world->places_free,
	};
	world->places_free = domain->id;
}

struct domain *
world_domain(struct world *world, uint32_t id)
{
	return id < world->places_count ? world->places[id].domain : NULL;
}

uint32_t
world_domains(const struct world *world)
{
	return world->places_count;
}

/* --- imports ------------------------------------------------------------------- */

/* Those of a table go behind those before it; NULL `to` only counts. */
static uint32_t
imports_add(const struct import_def *table, const struct import_def **to, uint32_t count)
{
	for (; table->name; table++, count++)
		if (to)
			to[count] = table;
	return count;
}

/* The gate's, then those of caps. */
static uint32_t
imports_of(const struct caps *caps, const struct import_def **to)
{
	uint32_t count = imports_add(gate_imports, to, 0);

	for (const struct import_def *const *table = caps ? caps->import_tables : NULL;
		table && *table; table++)
		count = imports_add(*table, to, count);
	return count;
}

static bool
imports_list(struct world *world)
{
	const struct caps *caps = world->config.caps;

	world->imports_count = imports_of(caps, NULL);
	world->imports = heap_take(&world->heap, world->imports_count * sizeof *world->imports);
	if (!world->imports)
		return false;
	(void)imports_of(caps, world->imports);
	return true;
}

static char
letter_of(uint8_t val)
{
	switch ((enum valtype)val) {
	case VAL_I32:
		return 'i';
	case VAL_I64:
		return 'I';
	case VAL_F32:
		return 'f';
	case VAL_F64:
		return 'F';
	case VAL_FUNCREF:
	case VAL_EXTERNREF:
		break;
	}
	return '?';
}

static bool
sig_equal(const char *sig, const struct functype *type)
{
	for (uint32_t i = 0; i < type->params; i++)
		if (*sig++ != letter_of(type->vals[i]))
			return false;
	if (*sig++ != ':')
		return false;
	for (uint32_t i = 0; i < type->results; i++)
		if (*sig++ != letter_of(type->vals[type->params + i]))
			return false;
	return *sig == '\0';
}

static bool
name_equal(const struct name *name, const char *text)
{
	return strlen(text) == name->bytes && !memcmp(text, name->text, name->bytes);
}

uint32_t
world_import(const struct world *world, const struct import *import, const struct functype *type,
	bool *ret_other)
{
	*ret_other = false;
	for (uint32_t i = 0; i < world->imports_count; i++) {
		const struct import_def *def = world->imports[i];

		if (!name_equal(&import->field, def->name) || !name_equal(&import->module, def->module))
			continue;
		if (sig_equal(def->sig, type))
			return i;
		*ret_other = true;
	}
	return IMPORT_UNSERVED;
}

/* --- modules ------------------------------------------------------------------- */

int
world_module(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct module **ret_module)
{
	struct world_module *entry = heap_take(&world->heap, sizeof *entry);
	int error;

	if (!entry) {
		report_say(report, UINT64_MAX, "no memory for a module");
		return -ENOMEM;
	}
	error = module_load(&world->heap, &world->book, bytes, count, report, &entry->module);
	if (error) {
		heap_give(&world->heap, entry, sizeof *entry);
		return error;
	}
	entry->module->owner = entry;
	entry->next = world->modules;
	if (entry->next)
		entry->next->prev = entry;
	world->modules = entry;
	*ret_module = entry->module;
	return 0;
}

static void
module_entry_free(struct world *world, struct world_module *entry)
{
	const uint64_t bytes = entry->module->bytes_count;

	if (entry->next)
		entry->next->prev = entry->prev;
	if (entry->prev)
		entry->prev->next = entry->next;
	else
		world->modules = entry->next;
	module_free(entry->module);
	heap_give(&world->heap, entry->copy, bytes);
	heap_give(&world->heap, entry, sizeof *entry);
}

static struct world_module *
module_entry(struct world *world, const uint8_t hash[32])
{
	for (struct world_module *entry = world->modules; entry; entry = entry->next)
		if (!memcmp(module_hash(entry->module), hash, 32))
			return entry;
	return NULL;
}

int
world_module_copy(struct world *world, const uint8_t *bytes, uint64_t count,
	struct report *report, struct module **ret_module)
{
	struct world_module *entry;
	uint8_t hash[32], *copy;
	int error;

	blake2b_256(bytes, count, hash);
	entry = module_entry(world, hash);
	if (entry) {
		entry->holders++;
		*ret_module = entry->module;
		return 0;
	}
	copy = heap_take(&world->heap, count);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, count);
	error = world_module(world, copy, count, report, ret_module);
	if (error) {
		heap_give(&world->heap, copy, count);
		return error;
	}
	world->modules->copy = copy;
	world->modules->holders = 1;
	return 0;
}

void
world_module_hold(struct module *module)
{
	((struct world_module *)module->owner)->holders++;
}

/* The host's own stay while the world does. */
void
world_module_drop(struct world *world, struct module *module)
{
	struct world_module *entry = module->owner;

	must(WORLD7, entry->holders);
	entry->holders--;
	if (entry->holders || !entry->copy || entry->dropped)
		return;
	entry->dropped = true;
	entry->dropped_next = world->dropped;
	world->dropped = entry;
}

void
world_modules_sweep(struct world *world)
{
	while (world->dropped) {
		struct world_module *entry = world->dropped;

		world->dropped = entry->dropped_next;
		entry->dropped = false;
		if (!entry->holders)
			module_entry_free(world, entry);
	}
}

struct module *
world_module_by_hash(struct world *world, const uint8_t hash[32])
{
	const struct world_module *entry = module_entry(world, hash);

	return entry ? entry->module : NULL;
}

/* --- open and close -------------------------------------------------------------- */

/* The world itself lies in its own heap, which is moved into it. */
struct world *
world_open(const struct world_config *config)
{
	struct heap heap;
	struct world *world;

	heap_init(&heap, config->host);
	world = heap_take(&heap, sizeof *world);
	if (!world) {
		heap_done(&heap);
		return NULL;
	}
	*world = (struct world){.config = *config, .heap = heap, .places_free = PLACES_NONE};
	if (!world->config.slice)
		world->config.slice = SLICE_GAS;
	pages_init(&world->pages, &world->heap);
	typebook_init(&world->book, &world->heap);
	grants_init(&world->grants, &world->heap);
	requests_init(&world->requests, &world->heap, config->device);
	meter_init(&world->meter, NULL);
	line_limit(&world->clock, &world->meter.line, GAS_NO_LIMIT);
	meter_init(&world->void_meter, &world->meter.line);
	objects_init(&world->objects);
	purse_init(&world->void_purse, &world->mint, NULL);
	world->void_purse.object = OBJECT_NONE;
	bank_init(&world->bank, NULL, BANK_NO_LIMIT);
	if (!imports_list(world)) {
		world_close(world);
		return NULL;
	}
	return world;
}

/* What is in flight is cancelled and waited for; a device that gives nothing
 * more (it was poked to death) keeps what it has. */
static void
requests_finish(struct world *world)
{
	struct requests *requests = &world->requests;
	struct device_completion completion;
	struct domain *owner;

	for (uint32_t i = 0; i < requests->count; i++)
		if (requests->at[i].state == REQUEST_IN_FLIGHT)
			requests_cancel(requests, requests->at[i].id);
	requests_retry(requests);
	while (requests_reap(requests, true, &owner, &completion))
		requests_retry(requests);
}

static void
modules_free(struct world *world)
{
	world_modules_sweep(world);
	while (world->modules)
		module_entry_free(world, world->modules);
}

void
world_close(struct world *world)
{
	struct heap heap;

	if (!world)
		return;
	line_switch(&world->clock, NULL);
	for (uint32_t id = 0; id < world->places_count; id++)
		domain_end(world->places[id].domain);
	bank_clear(world, &world->bank);
	requests_finish(world);
	if (world->config.caps && world->config.caps->world_end)
		world->config.caps->world_end(world);
	modules_free(world);
	objects_done(&world->objects, &world->heap);
	heap_give(&world->heap, world->scratch, world->scratch_room);
	requests_done(&world->requests);
	grants_done(&world->grants);
	typebook_done(&world->book);
	bank_done(&world->bank);
	heap_give(&world->heap, world->imports, world->imports_count * sizeof *world->imports);
	heap_give(&world->heap, world->places,
		(uint64_t)world->places_room * sizeof *world->places);
	pages_done(&world->pages);
	heap = world->heap;
	heap_give(&heap, world, sizeof *world);
	heap_done(&heap);
}

/* --- what others ask ---------------------------------------------------------------- */

const struct world_config *
world_config(const struct world *world)
{
	return &world->config;
}

struct clock_gas *
world_clock(struct world *world)
{
	return &world->clock;
}

struct bank *
world_bank(struct world *world)
{
	return &world->bank;
}

struct journal_where
world_where(void *user)
{
	const struct world *world = user;

	return (struct journal_where){line_used(&world->clock, &world->meter.line), world->steps};
}

void **
world_caps(struct world *world)
{
	return &world->caps_state;
}

struct mint *
world_mint(struct world *world)
{
	return &world->mint;
}

struct purse *
world_void_purse(struct world *world)
{
	return &world->void_purse;
}

struct heap *
world_heap(struct world *world)
{
	return &world->heap;
}

struct grants *
world_grants(struct world *world)
{
	return &world->grants;
}

void
world_submit_detached(struct world *world, struct device_request *request)
{
	requests_send(&world->requests, request);
}

bool
world_grant_pay(struct grant_body *body, struct bank *payer)
{
	body->grant = GRANT_NONE;
	if (!bank_take(payer, heap_cost(sizeof(struct grant))))
		return false;
	body->payer = payer;
	return true;
}

void
world_grant_unpay(const struct grant_body *body)
{
	bank_give(body->payer, heap_cost(sizeof(struct grant)));
}

uint32_t
world_grant(struct world *world, struct key *key, const struct grant_limits *limits)
{
	struct grants *grants = &world->grants;
	const uint32_t index = grant_new(grants, key->grant);

	if (index == GRANT_NONE)
		return GRANT_NONE;
	grant_limit(grants, index, limits, world->clock.now);
	key->grant = index;
	key->grant_generation = grants->at[index].generation;
	return index;
}

uint32_t
world_cut(struct world *world, uint32_t grant)
{
	grant_cut(&world->grants, grant);
	if (world->closing)
		world->close_again = true;
	world->closing = true;
	return gate_cut(world, grant);
}

/* One walk over all that is open serves every cut made before it began; one that
 * comes while it is under way makes another, so whoever cuts at every step cannot
 * keep it at its beginning. */
void
world_close_piece(struct world *world)
{
	const struct caps *caps = world->config.caps;

	if (caps && caps->close_cut && caps->close_cut(world, &world->close_at))
		return;
	world->close_at = 0;
	world->closing = world->close_again;
	world->close_again = false;
}
