/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - the objects of one domain and the life of its computation. */
#include "kernel/wasm/store.h"

#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/host.h"

enum { STACK_FIRST_SLOTS = 256 };

/* --- storage ------------------------------------------------------------------ */

static bool
storage_take(struct store *store, uint64_t bytes)
{
	if (store->storage && !store->storage->take(store->storage, bytes))
		return false;
	store->taken += bytes;
	return true;
}

static void
storage_give(struct store *store, uint64_t bytes)
{
	must(STORE12, bytes <= store->taken);
	store->taken -= bytes;
	if (store->storage)
		store->storage->give(store->storage, bytes);
}

/* A zeroed block that storage pays for: NULL and *ret_why otherwise. */
static void *
take(struct store *store, uint64_t bytes, int *ret_why)
{
	void *block;

	if (!storage_take(store, heap_cost(bytes))) {
		*ret_why = -ENOSPC;
		return NULL;
	}
	block = heap_take(store->heap, bytes);
	if (!block) {
		storage_give(store, heap_cost(bytes));
		*ret_why = -ENOMEM;
	}
	return block;
}

static void
give(struct store *store, void *block, uint64_t bytes)
{
	if (!block)
		return;
	heap_give(store->heap, block, bytes);
	storage_give(store, heap_cost(bytes));
}

static int
objects_add(struct store *store, struct objects *objects, void *object)
{
	if (objects->count == objects->room) {
		const uint32_t room = objects->room * 2 + 4;
		const uint64_t was = objects->room * sizeof(void *), is = room * sizeof(void *);
		void *at;
		int why;

		at = take(store, is, &why);
		if (!at)
			return why;
		if (objects->at)
			memcpy(at, objects->at, was);
		give(store, objects->at, was);
		objects->at = at;
		objects->room = room;
	}
	objects->at[objects->count++] = object;
	return 0;
}

int
store_new(const struct store_config *config, struct store **ret_store)
{
	struct store *store;

	if (config->storage && !config->storage->take(config->storage, heap_cost(sizeof *store)))
		return -ENOSPC;
	store = heap_take(config->heap, sizeof *store);
	if (!store) {
		if (config->storage)
			config->storage->give(config->storage, heap_cost(sizeof *store));
		return -ENOMEM;
	}
	store->heap = config->heap;
	store->book = config->book;
	store->storage = config->storage;
	store->pages = config->pages;
	store->taken = heap_cost(sizeof *store);
	store->stop_when_dry = config->stop_when_dry;
	store->slots_max = config->stack_slots_max ? config->stack_slots_max : STACK_SLOTS_MAX;
	store_executor(store, config->executor);
	*ret_store = store;
	return 0;
}

static uint64_t
stack_bytes(uint64_t slots)
{
	return slots * sizeof(uint64_t);
}

uint64_t
memory_bytes(uint32_t pages)
{
	return (uint64_t)pages << 16;
}

uint64_t
memory_price(uint32_t pages)
{
	const uint64_t bytes = memory_bytes(pages);
	const uint64_t list = sizeof(struct pagelist) + bytes / HOST_PAGE_BYTES * sizeof(uint32_t);

	return pages ? bytes + heap_cost(list) : 0;
}

static void
memory_free(struct store *store, struct memory *memory)
{
	struct host *host = store->heap->host;

	if (!memory)
		return;
	if (memory->base)
		host->release(host, memory->base, memory->reserved);
	pagelist_drop(store, memory->list);
	storage_give(store, memory_price(memory->pages));
	give(store, memory, sizeof *memory);
}

static void
instance_free(struct store *store, struct instance *instance)
{
	const struct module *module;

	if (!instance)
		return;
	module = instance->module;
	give(store, instance->tables, module->tables_count * sizeof *instance->tables);
	give(store, instance->globals, module->globals_count * sizeof *instance->globals);
	give(store, instance->funcs, module->func_imports * sizeof *instance->funcs);
	give(store, instance->table_index, module->tables_count * sizeof *instance->table_index);
	give(store, instance->global_index, module->globals_count * sizeof *instance->global_index);
	give(store, instance->elem_dropped, module->elems_count);
	give(store, instance->data_dropped, module->datas_count);
	give(store, instance, sizeof *instance);
}

static void
table_free(struct store *store, struct table *table)
{
	if (!table)
		return;
	give(store, table->refs, table->room * sizeof *table->refs);
	give(store, table, sizeof *table);
}

void
store_free(struct store *store)
{
	struct storage *storage;
	struct heap *heap;

	if (!store)
		return;
	for (uint32_t i = 0; i < store->instances.count; i++)
		instance_free(store, store->instances.at[i]);
	for (uint32_t i = 0; i < store->memories.count; i++)
		memory_free(store, store->memories.at[i]);
	for (uint32_t i = 0; i < store->tables.count; i++)
		table_free(store, store->tables.at[i]);
	for (uint32_t i = 0; i < store->globals.count; i++)
		give(store, store->globals.at[i], sizeof(struct global));
	give(store, store->instances.at, store->instances.room * sizeof(void *));
	give(store, store->memories.at, store->memories.room * sizeof(void *));
	give(store, store->tables.at, store->tables.room * sizeof(void *));
	give(store, store->globals.at, store->globals.room * sizeof(void *));
	give(store, store->stack, stack_bytes(store->stack_room));
	heap = store->heap;
	storage = store->storage;
	heap_give(heap, store, sizeof *store);
	if (storage)
		storage->give(storage, heap_cost(sizeof *store));
}

void
store_executor(struct store *store, enum executor executor)
{
	store->executor = executor_present(executor) ? executor : EXECUTOR_SWITCH;
}

/* --- objects -------------------------------------------------------------------- */

static int
memory_reserve(struct store *store, struct memory *memory, uint64_t bytes)
{
	struct host *host = store->heap->host;
	uint8_t *base;

	if (bytes <= memory->reserved)
		return 0;
	base = host->reserve(host, bytes);
	if (!base)
		return -ENOMEM;
	if (memory->base) {
		memcpy(base, memory->base, memory->bytes);
		host->release(host, memory->base, memory->reserved);
	}
	memory->base = base;
	memory->reserved = bytes;
	return 0;
}

int
store_add_memory(struct store *store, struct limits limits, uint32_t *ret_index)
{
	return memory_add(store, limits, MEMORY_HOT, ret_index);
}

int
memory_add(struct store *store, struct limits limits, enum memory_form form, uint32_t *ret_index)
{
	struct memory *memory;
	int why;

	if (!storage_take(store, memory_price(limits.min)))
		return -ENOSPC;
	memory = take(store, sizeof *memory, &why);
	if (!memory) {
		storage_give(store, memory_price(limits.min));
		return why;
	}
	memory->pages = limits.min;
	memory->pages_max = (uint32_t)min_u64(limits.max, MEMORY_PAGES_MAX);
	memory->bounded = limits.has_max;
	memory->bytes = memory_bytes(limits.min);
	why = form == MEMORY_COLD
		? 0
		: memory_reserve(store, memory, max_u64(memory->bytes, MEMORY_RESERVED_MIN));
	if (!why)
		why = objects_add(store, &store->memories, memory);
	if (why) {
		memory_free(store, memory);
		return why;
	}
	*ret_index = store->memories.count - 1;
	return 0;
}

int
memory_grow(struct store *store, struct memory *memory, uint32_t delta)
{
	const uint64_t bytes = memory->bytes + memory_bytes(delta);
	const uint64_t price = memory_price(memory->pages + delta) - memory_price(memory->pages);

	if (!storage_take(store, price))
		return -1;
	/* twice as much address space each time, so growing costs linear time */
	if (bytes > memory->reserved &&
		memory_reserve(store, memory,
			min_u64(max_u64(bytes, memory->reserved * 2),
				max_u64(bytes, memory_bytes(memory->pages_max)))) &&
		memory_reserve(store, memory, bytes)) {
		storage_give(store, price);
		return -1;
	}
	memory->pages += delta;
	memory->bytes = bytes;
	return 1;
}

static int
table_room(struct store *store, struct table *table, uint64_t room)
{
	uint64_t *refs;
	int why;

	if (room <= table->room)
		return 0;
	refs = take(store, room * sizeof *refs, &why);
	if (!refs)
		return why;
	if (table->count)
		memcpy(refs, table->refs, table->count * sizeof *refs);
	give(store, table->refs, table->room * sizeof *refs);
	table->refs = refs;
	table->room = room;
	return 0;
}

int
table_grow(struct store *store, struct table *table, uint32_t delta, uint64_t init)
{
	const uint64_t count = (uint64_t)table->count + delta;

	if (count > TABLE_ENTRIES_MAX)
		return 0;
	if (table_room(store, table, count))
		return -1;
	for (uint64_t i = table->count; i < count; i++)
		table->refs[i] = init;
	table->count = (uint32_t)count;
	return 1;
}

int
store_add_table(struct store *store, struct tabletype type, uint32_t *ret_index)
{
	struct table *table;
	int why;

	if (type.limits.min > TABLE_ENTRIES_MAX)
		return -ENOSPC;
	table = take(store, sizeof *table, &why);
	if (!table)
		return why;
	table->ref = type.ref;
	table->max = type.limits.max;
	table->bounded = type.limits.has_max;
	why = table_room(store, table, type.limits.min);
	if (!why)
		why = objects_add(store, &store->tables, table);
	if (why) {
		table_free(store, table);
		return why;
	}
	table->count = type.limits.min;
	*ret_index = store->tables.count - 1;
	return 0;
}

int
store_add_global(struct store *store, struct globaltype type, uint64_t value, uint32_t *ret_index)
{
	int why;
	struct global *global = take(store, sizeof *global, &why);

	if (!global)
		return why;
	*global = (struct global){.value = value, .val = type.val, .mut = type.mut};
	why = objects_add(store, &store->globals, global);
	if (why) {
		give(store, global, sizeof *global);
		return why;
	}
	*ret_index = store->globals.count - 1;
	return 0;
}

struct instance *
store_instance(struct store *store, uint32_t index)
{
	return index < store->instances.count ? store->instances.at[index] : NULL;
}

uint32_t
store_instances(const struct store *store)
{
	return store->instances.count;
}

struct memory *
store_memory(struct store *store, uint32_t index)
{
	return index < store->memories.count ? store->memories.at[index] : NULL;
}

uint64_t
store_pages(const struct store *store)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < store->memories.count; i++)
		pages += ((const struct memory *)store->memories.at[i])->pages;
	return pages;
}

struct table *
store_table(struct store *store, uint32_t index)
{
	return index < store->tables.count ? store->tables.at[index] : NULL;
}

struct global *
store_global(struct store *store, uint32_t index)
{
	return index < store->globals.count ? store->globals.at[index] : NULL;
}

uint8_t *
store_mem_at(struct store *store, uint32_t index, uint64_t at, uint64_t bytes)
{
	const struct instance *instance = store_instance(store, index);

	if (!instance || !instance->memory || !span_fits(at, bytes, instance->memory->bytes))
		return NULL;
	must(STORE11, instance->memory->base);
	return instance->memory->base + at;
}

/* --- instances -------------------------------------------------------------------- */

int
instance_alloc(struct store *store, struct module *module, struct instance **ret_instance)
{
	struct instance *instance;
	int why = lower_open(module);

	if (why)
		return why;
	instance = take(store, sizeof *instance, &why);
	if (!instance)
		return why;
	instance->module = module;
	instance->index = store->instances.count;
#define ROOM(field, count)                                                                     \
	if ((count) && !(instance->field = take(store, (count) * sizeof *instance->field, &why))) \
		goto fail
	ROOM(tables, module->tables_count);
	ROOM(globals, module->globals_count);
	ROOM(funcs, module->func_imports);
	ROOM(table_index, module->tables_count);
	ROOM(global_index, module->globals_count);
	ROOM(elem_dropped, module->elems_count);
	ROOM(data_dropped, module->datas_count);
#undef ROOM
	*ret_instance = instance;
	return 0;
fail:
	instance_free(store, instance);
	return why;
}

int
instance_add(struct store *store, struct instance *instance)
{
	const int why = objects_add(store, &store->instances, instance);

	if (why)
		instance_free(store, instance);
	return why;
}

static bool
limits_match(uint64_t has_min, uint64_t has_max, bool has_bound, const struct limits *want)
{
	if (has_min < want->min)
		return false;
	return !want->has_max || (has_bound && has_max <= want->max);
}

bool
store_intrinsic_kind(const struct import *import, const struct functype *type, enum binding_kind *ret_kind)
{
	static const uint8_t i32s[] = {VAL_I32, VAL_I32, VAL_I32, VAL_I32};

	if (import->module.bytes != 7 || memcmp(import->module.text, "keyhold", 7))
		return false;
	if (import->field.bytes == 3 && !memcmp(import->field.text, "try", 3) && type->params == 3 &&
		type->results == 1 && !memcmp(type->vals, i32s, 4)) {
		*ret_kind = (enum binding_kind)BIND_TRY;
		return true;
	}
	if (import->field.bytes == 5 && !memcmp(import->field.text, "throw", 5) &&
		type->params == 0 && type->results == 0) {
		*ret_kind = (enum binding_kind)BIND_THROW;
		return true;
	}
	return false;
}

bool
store_intrinsic(const struct import *import, const struct functype *type)
{
	enum binding_kind kind;

	return store_intrinsic_kind(import, type, &kind);
}

static int
misfit(const struct import *import, struct report *report)
{
	report_say(report, UINT64_MAX, "incompatible import type: %.*s.%.*s",
		(int)min_u64(import->module.bytes, 80), import->module.text,
		(int)min_u64(import->field.bytes, 80), import->field.text);
	return -EINVAL;
}

static int
bind_func(struct store *store, struct instance *instance, uint32_t func,
	const struct import *import, const struct binding *binding, struct report *report)
{
	const struct functype *type = &instance->module->types[import->type];
	struct binding *to = &instance->funcs[func];
	const struct instance *from;

	if (store_intrinsic_kind(import, type, &to->kind))
		return 0;
	*to = *binding;
	if (binding->kind == BIND_HOST)
		return 0;
	from = store_instance(store, binding->instance);
	if (binding->kind != BIND_FUNC || !from)
		return misfit(import, report);
	if (module_functype(from->module, binding->index)->id != type->id)
		return misfit(import, report);
	if (binding->index < from->module->func_imports) /* the one it is bound to, then */
		*to = from->funcs[binding->index];
	return 0;
}

static int
bind_one(struct store *store, struct instance *instance, const struct import *import,
	const struct binding *binding, uint32_t at[4], struct report *report)
{
	const uint32_t i = at[import->kind]++;
	const struct memory *memory;
	const struct table *table;
	const struct global *global;

	switch (import->kind) {
	case EXTERN_FUNC:
		return bind_func(store, instance, i, import, binding, report);
	case EXTERN_MEMORY:
		memory = store_memory(store, binding->index);
		if (binding->kind != BIND_MEMORY || !memory ||
			!limits_match(memory->pages, memory->pages_max, memory->bounded,
				&import->memory))
			return misfit(import, report);
		instance->memory_index = binding->index;
		instance->memory = store_memory(store, binding->index);
		return 0;
	case EXTERN_TABLE:
		table = store_table(store, binding->index);
		if (binding->kind != BIND_TABLE || !table || table->ref != import->table.ref ||
			!limits_match(table->count, table->max, table->bounded,
				&import->table.limits))
			return misfit(import, report);
		instance->table_index[i] = binding->index;
		instance->tables[i] = store_table(store, binding->index);
		return 0;
	case EXTERN_GLOBAL:
		global = store_global(store, binding->index);
		if (binding->kind != BIND_GLOBAL || !global || global->val != import->global.val ||
			global->mut != import->global.mut)
			return misfit(import, report);
		instance->global_index[i] = binding->index;
		instance->globals[i] = store_global(store, binding->index);
		return 0;
	}
	return -EINVAL;
}

/* The module's own memory, tables and globals. */
static int
define_objects(struct store *store, struct instance *instance)
{
	const struct module *module = instance->module;
	int why = 0;

	for (uint32_t i = module->memory_imports; i < module->memories_count && !why; i++) {
		why = store_add_memory(store, module->memories[i], &instance->memory_index);
		if (!why)
			instance->memory = store_memory(store, instance->memory_index);
	}
	for (uint32_t i = module->table_imports; i < module->tables_count && !why; i++) {
		why = store_add_table(store, module->tables[i], &instance->table_index[i]);
		if (!why)
			instance->tables[i] = store_table(store, instance->table_index[i]);
	}
	for (uint32_t i = module->global_imports; i < module->globals_count && !why; i++) {
		const struct global_def *def = &module->global_defs[i - module->global_imports];

		why = store_add_global(store, def->type, init_value(instance, &def->init),
			&instance->global_index[i]);
		if (!why)
			instance->globals[i] = store_global(store, instance->global_index[i]);
	}
	return why;
}

int
store_instantiate(struct store *store, struct module *module, const struct binding *bindings,
	struct report *report, uint32_t *ret_instance)
{
	uint32_t at[4] = {0};
	struct instance *instance;
	int why = instance_alloc(store, module, &instance);

	if (why)
		return why;
	for (uint32_t i = 0; i < module->imports_count && !why; i++)
		why = bind_one(store, instance, &module->imports[i], &bindings[i], at, report);
	if (!why)
		why = define_objects(store, instance);
	if (why) {
		instance_free(store, instance);
		return why;
	}
	why = instance_add(store, instance);
	if (!why)
		*ret_instance = instance->index;
	return why;
}

/* --- the computation ------------------------------------------------------------- */

/* Another room for the stack: storage pays for the difference alone. */
static int
stack_move(struct store *store, uint64_t room)
{
	const uint64_t was = store->stack ? heap_cost(stack_bytes(store->stack_room)) : 0;
	const uint64_t more = heap_cost(stack_bytes(room)) - was;
	uint64_t *stack;

	if (!storage_take(store, more))
		return -ENOSPC;
	stack = heap_take(store->heap, stack_bytes(room));
	if (!stack) {
		storage_give(store, more);
		return -ENOSPC;
	}
	if (store->stack)
		memcpy(stack, store->stack, stack_bytes(store->stack_room));
	heap_give(store->heap, store->stack, stack_bytes(store->stack_room));
	store->stack = stack;
	store->stack_room = room;
	return 0;
}

/* Twice the room, or as much of that as storage has; but never less than a
 * sixteenth more, or a nearly dry bank would have each call copy the stack. */
int
stack_reserve(struct store *store, uint64_t slots)
{
	const uint64_t was = store->stack_room;
	uint64_t more = max_u64(was, STACK_FIRST_SLOTS);

	if (slots <= was)
		return 0;
	if (slots > store->slots_max)
		return -EAGAIN;
	for (; more && more >= was / 16; more /= 2) {
		const uint64_t room = min_u64(max_u64(slots, was + more), store->slots_max);

		if (!stack_move(store, room))
			return 0;
	}
	return -ENOSPC;
}

int
stack_restore(struct store *store, uint64_t room)
{
	if (room > store->slots_max)
		return -EAGAIN;
	return room ? stack_move(store, room) : 0;
}

/* The bottom frame over arguments that are in stack[0..params). */
int
store_push_entry(struct store *store, struct instance *instance, uint32_t func)
{
	struct module *module = instance->module;
	const uint32_t defined = func - module->func_imports;
	const struct insn *e;
	int why = lower_func(module, defined);

	if (why)
		return why;
	e = module->entries[defined];
	why = stack_reserve(store, e->lo / sizeof *store->stack);
	if (why)
		return why;
	for (uint32_t i = e->a; i; i--)
		store->stack[e->d - i] = 0;
	store->stack[e->d] = h0_make(0, STUB_EXIT);
	store->stack[e->d + 1] = (uint64_t)FUNC_ENTRY << 32;
	store->fp = 0;
	store->instance = instance->index;
	store->ip = (uint32_t)(e + 1 - module->code);
	store->phase = PHASE_HEAD;
	store->running = true;
	store->host_entry = false;
	return 0;
}

void
store_begin_init(struct store *store, uint32_t instance)
{
	must(STORE3, store_idle(store));
	store->initialising = true;
	store->init_instance = instance;
	store->init_step = 0;
	store->init_done = 0;
}

int
store_begin_call(struct store *store, uint32_t index, uint32_t func, const uint64_t *args)
{
	struct instance *instance = store_instance(store, index);
	const struct functype *type = module_functype(instance->module, func);
	const struct target t = target_of(store, instance, func);
	int why;

	must(STORE3, store_idle(store));
	why = stack_reserve(store, max_u64(type->params, type->results) + 1);
	if (why)
		return why;
	for (uint32_t i = 0; i < type->params; i++)
		store->stack[i] = args[i];
	store->entry_instance = index;
	store->entry_func = func;
	if (t.kind == BIND_FUNC)
		return store_push_entry(store, t.instance, t.func);
	store->running = true;
	store->host_entry = true;
	store->phase = PHASE_CALL;
	return 0;
}

bool
store_idle(const struct store *store)
{
	return !store->running && !store->initialising;
}

bool
store_trapped(const struct store *store, enum trap *ret_trap)
{
	if (store->phase != PHASE_TRAP || store_idle(store))
		return false;
	*ret_trap = store->trap;
	return true;
}

void
store_unwind(struct store *store)
{
	store->running = false;
	store->initialising = false;
	store->host_entry = false;
	store->returned = false;
	store->phase = PHASE_HEAD;
	store->trap = TRAP_NONE;
	store->fp = 0;
}

/* What the host entry is a call of: the entry's, or the start function. */
static struct target
host_entry_target(struct store *store)
{
	struct instance *instance = store->instances.at[store->initialising
		? store->init_instance : store->entry_instance];

	return target_of(store, instance,
		store->initialising ? instance->module->start : store->entry_func);
}

bool
store_at_host(struct store *store, uint32_t *ret_host)
{
	if (!store->running || store->returned || store->phase != PHASE_CALL)
		return false;
	if (!store->host_entry)
		return slow_at_host(store, ret_host);
	*ret_host = host_entry_target(store).host;
	return host_entry_target(store).kind == BIND_HOST;
}

static void
run_frames(struct machine *m)
{
	struct store *store = m->store;

	if (store->returned) {
		store->returned = false;
		store->running = false;
		m->end = EXEC_RETURNED;
		return;
	}
	if (store->host_entry) {
		const struct target t = host_entry_target(store);

		if (stack_reserve(store, max_u64(t.type->params, t.type->results) + 1)) {
			m->end = EXEC_STORAGE;
			return;
		}
		m->end = t.kind == BIND_HOST ? EXEC_HOST : EXEC_TRAP;
		m->trap = TRAP_UNCAUGHT;
		m->phase = t.kind == BIND_HOST ? PHASE_CALL : PHASE_TRAP;
		m->host = t.host;
		m->host_import = t.import;
		m->host_type = t.type;
		m->host_slots = store->stack;
		store->phase = m->phase;
		return;
	}
	machine_view(m, store->instances.at[store->instance]);
	m->fp = store->stack + store->fp;
	m->stack_end = store->stack + store->stack_room;
	m->ip = m->code + store->ip;
	if (store->executor == EXECUTOR_FAST)
		exec_fast(m);
	else
		exec_switch(m);
	store->fp = (uint64_t)(m->fp - store->stack);
	store->instance = m->instance->index;
	store->ip = (uint32_t)(m->ip - m->code);
	store->phase = m->phase;
	if (m->end == EXEC_RETURNED)
		store->running = false;
}

static void
run_all(struct machine *m)
{
	struct store *store = m->store;

	for (;;) {
		if (store->running) {
			run_frames(m);
			if (m->end != EXEC_RETURNED || !store->initialising)
				return;
		}
		machine_view(m, store->instances.at[store->init_instance]);
		if (!init_run(m)) {
			store->phase = m->phase;
			return;
		}
		if (!store->initialising) {
			m->end = EXEC_RETURNED;
			return;
		}
	}
}

/* Asking again which call it stands at touches no memory. */
static bool
store_is_hot_enough(const struct store *store, uint64_t gas)
{
	return !store_is_cold(store) || (!gas && store->phase == PHASE_CALL);
}

void
store_run(struct store *store, uint64_t gas, struct exec_result *ret_result)
{
	const int64_t start = (int64_t)min_u64(gas, INT64_MAX / 2);
	const bool init = store->initialising;
	struct machine m = {.store = store, .gas = start, .stepping = store->stepping};

	must(STORE4, !store_idle(store));
	must(STORE11, store_is_hot_enough(store, gas));
	if (store->phase == PHASE_TRAP) {
		*ret_result = (struct exec_result){.end = EXEC_TRAP, .trap = store->trap};
		return;
	}
	if (m.stepping) {
		m.gas_parked = start;
		m.gas = -1;
	}
	run_all(&m);
	if (m.end == EXEC_TRAP) {
		store->trap = m.trap;
		store->phase = PHASE_TRAP;
	}
	if (m.end == EXEC_STEPPED)
		store->stepping = false;
	*ret_result = (struct exec_result){
		.end = m.end,
		.used = (uint64_t)(start - (m.stepping ? m.gas_parked : m.gas)),
		.need = m.need,
		.trap = m.end == EXEC_TRAP ? m.trap : TRAP_NONE,
	};
	if (m.end == EXEC_HOST) {
		ret_result->host = m.host;
		ret_result->import = m.host_import;
		ret_result->type = m.host_type;
		ret_result->slots = m.host_slots;
		ret_result->instance = store->host_entry
			? host_entry_target(store).instance->index : store->instance;
	} else if (m.end == EXEC_RETURNED) {
		ret_result->slots = store->stack;
		ret_result->type = init ? NULL : host_entry_target(store).type;
	}
}

void
store_host_done(struct store *store)
{
	const struct instance *instance;

	if (store->host_entry) {
		store->host_entry = false;
		store->returned = true;
		store->phase = PHASE_RETURN;
		return;
	}
	instance = store->instances.at[store->instance];
	must(STORE5, store->running && store->phase == PHASE_CALL);
	store->ip += instance->module->code[store->ip].op == CODE_call_import ? 1 : 2;
	store->phase = PHASE_RETURN;
}

void
store_host_trap(struct store *store, enum trap trap)
{
	must(STORE6, trap > TRAP_NONE && trap < TRAP_COUNT);
	store->trap = trap;
	store->phase = PHASE_TRAP;
}

void
store_step_after(struct store *store, uint64_t safepoints)
{
	store->stepping = safepoints != 0;
	store->step_left = safepoints;
	store->step_count = 0;
}

void
store_grow_alone(struct store *store, bool alone)
{
	store->grow_alone = alone;
}

uint64_t
store_safepoints(const struct store *store)
{
	return store->step_count;
}

const char *
trap_text(enum trap trap)
{
	static const char *const text[TRAP_COUNT] = {
		[TRAP_NONE] = "no trap",
#define TRAP(name, words) [TRAP_##name] = (words),
#include "kernel/wasm/traps.def"
#undef TRAP
	};

	return trap < TRAP_COUNT ? text[trap] : "unknown trap";
}
