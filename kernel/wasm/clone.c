/* SPDX-License-Identifier: Apache-2.0 */
/* clone.c - a copy of a store that goes on as the original will.
 *
 * The copy has the same blocks as the original, so it is charged the same and
 * its image is the same; a memory is one reference to the list of its pages,
 * however large it is. Pointers between a store's parts are found again by the
 * indices that are kept beside them. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/wasm/store.h"

static void *
copy_of(const struct store *store, const void *block, uint64_t bytes)
{
	void *copy = heap_take(store->heap, bytes);

	if (copy)
		memcpy(copy, block, bytes);
	return copy;
}

/* The objects' places, none of them filled yet. */
static bool
clone_room(const struct store *store, struct objects *objects)
{
	objects->count = 0;
	objects->at = NULL;
	if (objects->room)
		objects->at = heap_take(store->heap, objects->room * sizeof *objects->at);
	return !objects->room || objects->at;
}

static bool
clone_memories(const struct store *from, struct store *to)
{
	for (uint32_t i = 0; i < from->memories.count; i++) {
		struct memory *memory =
			copy_of(to, from->memories.at[i], sizeof *memory);

		if (!memory)
			return false;
		must(STORE14, !memory->base);
		if (memory->list)
			memory->list->holders++;
		to->memories.at[to->memories.count++] = memory;
	}
	return true;
}

static bool
clone_tables(const struct store *from, struct store *to)
{
	for (uint32_t i = 0; i < from->tables.count; i++) {
		struct table *table = copy_of(to, from->tables.at[i], sizeof *table);
		const uint64_t *refs;

		if (!table)
			return false;
		to->tables.at[to->tables.count++] = table;
		refs = table->refs;
		if (refs)
			table->refs = copy_of(to, refs, table->room * sizeof *refs);
		if (refs && !table->refs)
			return false;
	}
	return true;
}

static bool
clone_globals(const struct store *from, struct store *to)
{
	for (uint32_t i = 0; i < from->globals.count; i++) {
		struct global *global = copy_of(to, from->globals.at[i], sizeof *global);

		if (!global)
			return false;
		to->globals.at[to->globals.count++] = global;
	}
	return true;
}

/* After its objects: it points to them. */
static struct instance *
clone_instance(const struct instance *from, struct store *to)
{
	const struct module *module = from->module;
	struct instance *instance = heap_take(to->heap, sizeof *instance);

	if (!instance)
		return NULL;
	to->instances.at[to->instances.count++] = instance;
	instance->module = from->module;
	instance->index = from->index;
	instance->memory_index = from->memory_index;
	if (from->memory)
		instance->memory = to->memories.at[from->memory_index];
#define COPY(field, count)                                                                   \
	if ((count) && !(instance->field = copy_of(to, from->field, (count) * sizeof *from->field))) \
		return NULL
	COPY(tables, module->tables_count);
	COPY(globals, module->globals_count);
	COPY(funcs, module->func_imports);
	COPY(table_index, module->tables_count);
	COPY(global_index, module->globals_count);
	COPY(elem_dropped, module->elems_count);
	COPY(data_dropped, module->datas_count);
#undef COPY
	for (uint32_t i = 0; i < module->tables_count; i++)
		instance->tables[i] = to->tables.at[from->table_index[i]];
	for (uint32_t i = 0; i < module->globals_count; i++)
		instance->globals[i] = to->globals.at[from->global_index[i]];
	return instance;
}

/* How much of the stack means anything: up to the top frame's end. Where there is
 * no frame, arguments or results lie at its bottom. */
static uint64_t
slots_used(const struct store *store)
{
	uint64_t used = PARAMS_MAX > RESULTS_MAX ? PARAMS_MAX : RESULTS_MAX;

	if (store->running && !store->host_entry && !store->returned) {
		const struct instance *instance = store->instances.at[store->instance];
		const uint32_t defined = lower_owner(instance->module, store->ip);

		used = store->fp + instance->module->entries[defined]->lo / sizeof *store->stack;
	}
	return min_u64(used, store->stack_room);
}

static bool
clone_stack(const struct store *from, struct store *to)
{
	if (!from->stack)
		return true;
	to->stack = heap_take(to->heap, from->stack_room * sizeof *to->stack);
	if (!to->stack)
		return false;
	memcpy(to->stack, from->stack, slots_used(from) * sizeof *to->stack);
	return true;
}

static bool
clone_parts(const struct store *from, struct store *to)
{
	if (!clone_memories(from, to) || !clone_tables(from, to) || !clone_globals(from, to))
		return false;
	for (uint32_t i = 0; i < from->instances.count; i++)
		if (!clone_instance(from->instances.at[i], to))
			return false;
	return clone_stack(from, to);
}

static bool
clone_rooms(struct store *to)
{
	/* All four first: what is freed by half has no count where it has no place. */
	const bool memories = clone_room(to, &to->memories), tables = clone_room(to, &to->tables);
	const bool globals = clone_room(to, &to->globals);

	return clone_room(to, &to->instances) && memories && tables && globals;
}

int
store_clone(struct store *from, const struct store_config *config, struct store **ret_store)
{
	const uint64_t taken = from->taken;
	struct storage *storage = config->storage;
	struct store *to;
	int why;

	must(STORE14, config->heap == from->heap && config->book == from->book &&
			      config->pages == from->pages);
	why = store_cool(from);
	if (why)
		return why;
	if (storage && !storage->take(storage, taken))
		return -ENOSPC;
	to = copy_of(from, from, sizeof *to);
	if (to) {
		to->storage = NULL; /* asked already; a half-built one gives nothing back by parts */
		to->stack = NULL;
		if (clone_rooms(to) && clone_parts(from, to)) {
			to->storage = storage;
			to->stop_when_dry = config->stop_when_dry;
			to->slots_max = config->stack_slots_max ? config->stack_slots_max
								: STACK_SLOTS_MAX;
			store_executor(to, config->executor);
			*ret_store = to;
			return 0;
		}
		store_free(to);
	}
	if (storage)
		storage->give(storage, taken);
	return -ENOMEM;
}
