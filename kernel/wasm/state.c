/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - a store as bytes, and back.
 *
 * Written are instances (by module hash), memories page by page, tables,
 * globals, and the frames bottom up in terms of Wasm: function, offset, phase,
 * locals, operands. Nothing of slot code, of the host or of the executor is in
 * it, so the bytes are equal wherever they are written (docs/image-format.md).
 *
 * Reading is total: every count is bounded by the bytes that are left, every
 * frame is typed against the map of its function, and each pair of frames
 * against its call site. What comes out is a store that could have run there.
 *
 * STATE1   write(read(write(s))) == write(s). */
#include "kernel/wasm/maps.h"
#include "kernel/wasm/state.h"
#include "kernel/wasm/store.h"

#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/host.h"

/* --- walking --------------------------------------------------------------------- */

struct frame {
	enum frame_kind kind;
	uint32_t instance, func; /* FRAME_WASM */
	uint32_t offset;         /* where it goes on; top: of its safepoint */
	uint64_t fp;
};

/* The frame below `f`: false when f is the bottom. */
static bool
frame_below(const struct store *store, struct frame *f)
{
	const struct instance *instance = store->instances.at[f->instance];
	const uint64_t *header = store->stack + f->fp;
	uint32_t func;

	if (f->kind == FRAME_WASM)
		header += header_slot(instance->module, f->func);
	else if (f->kind == FRAME_LINK)
		f->instance = (uint32_t)store->stack[f->fp + 2];
	func = (uint32_t)(header[1] >> 32);
	if (func == FUNC_ENTRY)
		return false;
	f->offset = (uint32_t)header[1];
	f->fp -= h0_slots(header[0]);
	f->kind = func == FUNC_LINK ? FRAME_LINK : func == FUNC_TRY ? FRAME_TRY : FRAME_WASM;
	f->func = func;
	return true;
}

static struct frame
frame_top(const struct store *store)
{
	const struct instance *instance = store->instances.at[store->instance];
	const struct module *module = instance->module;

	return (struct frame){.kind = FRAME_WASM, .instance = store->instance, .fp = store->fp,
		.func = module->func_imports + lower_owner(module, store->ip)};
}

static uint32_t
trap_offset(const struct module *module, const struct code_map *map, uint32_t defined, uint32_t ip)
{
	return map->offsets[ip - module->units[defined].start];
}

static uint32_t
top_offset(const struct store *store, const struct frame *f, const struct code_map *map)
{
	const struct instance *instance = store->instances.at[f->instance];
	const struct module *module = instance->module;
	const struct safepoint *point;

	if (store->phase == PHASE_TRAP)
		return trap_offset(module, map, f->func - module->func_imports, store->ip);
	point = point_at_code(map, store->ip, store->phase);
	must(STATE2, point);
	return point->offset;
}

/* The top frame's place, by its function's map. */
static void
walk_top(const struct store *store, struct frame *f)
{
	struct module *module = ((struct instance *)store->instances.at[store->instance])->module;
	struct code_map map;

	*f = frame_top(store);
	if (lower_map(module, f->func - module->func_imports, &map))
		return; /* no memory: its offset stays 0 */
	f->offset = top_offset(store, f, &map);
	map_free(module, &map);
}

bool
store_walk(const struct store *store, struct frame_walk *walk, struct frame_view *ret_frame)
{
	struct frame f = {.kind = walk->kind, .instance = walk->instance, .func = walk->func,
		.offset = walk->offset, .fp = walk->fp};

	if (walk->done)
		return false;
	if (!walk->frames && (!store->running || store->host_entry || store->returned))
		walk->below = true;
	else if (!walk->frames)
		walk_top(store, &f);
	else if (!walk->below && !frame_below(store, &f))
		walk->below = true;
	if (walk->below) {
		walk->done = true;
		if (!store->initialising)
			return false;
		*ret_frame = (struct frame_view){.kind = FRAME_INIT,
			.instance = store->init_instance, .phase = store->phase};
		return true;
	}
	*ret_frame = (struct frame_view){.kind = f.kind,
		.phase = walk->frames ? PHASE_RETURN : store->phase, .instance = f.instance,
		.func = f.kind == FRAME_WASM ? f.func : 0, .offset = f.offset,
		.slots = (uint32_t)f.fp};
	walk->kind = f.kind;
	walk->instance = f.instance;
	walk->func = f.func;
	walk->offset = f.offset;
	walk->fp = f.fp;
	walk->frames++;
	return true;
}

bool
store_frame(const struct store *store, uint32_t depth, struct frame_view *ret_frame)
{
	struct frame_walk walk = {0};

	for (; depth; depth--) {
		if (!store_walk(store, &walk, ret_frame))
			return false;
	}
	return store_walk(store, &walk, ret_frame);
}

/* --- writing ---------------------------------------------------------------------- */

static void
write_binding(struct sink *sink, const struct binding *b)
{
	sink_u8(sink, b->kind == BIND_FUNC);
	if (b->kind == BIND_FUNC) {
		sink_u32(sink, b->instance);
		sink_u32(sink, b->index);
	}
}

static void
write_instance(struct sink *sink, const struct instance *instance)
{
	struct module *module = instance->module;

	sink_put(sink, module_hash(module), 32);
	for (uint32_t i = 0; i < module->func_imports; i++)
		write_binding(sink, &instance->funcs[i]);
	if (module->memories_count)
		sink_u32(sink, instance->memory_index);
	for (uint32_t i = 0; i < module->tables_count; i++)
		sink_u32(sink, instance->table_index[i]);
	for (uint32_t i = 0; i < module->globals_count; i++)
		sink_u32(sink, instance->global_index[i]);
	sink_put(sink, instance->elem_dropped, module->elems_count);
	sink_put(sink, instance->data_dropped, module->datas_count);
}

static void
write_memory(const struct store *store, struct sink *sink, const struct memory *memory)
{
	const uint64_t pages = memory->bytes / HOST_PAGE_BYTES;

	sink_u32(sink, memory->pages);
	sink_u32(sink, memory->pages_max);
	sink_u8(sink, memory->bounded);
	for (uint64_t i = 0; i < pages; i++) {
		const uint8_t *page = memory_page(store, memory, i);

		if (!page)
			continue;
		sink_u32(sink, (uint32_t)i);
		sink_put(sink, page, HOST_PAGE_BYTES);
	}
	sink_u32(sink, UINT32_MAX);
}

static void
write_table(struct sink *sink, const struct table *table)
{
	sink_u8(sink, table->ref);
	sink_u32(sink, table->count);
	sink_u32(sink, table->max);
	sink_u8(sink, table->bounded);
	for (uint32_t i = 0; i < table->count; i++) {
		if (!table->refs[i])
			continue;
		sink_u32(sink, i);
		sink_u64(sink, table->refs[i]);
	}
	sink_u32(sink, UINT32_MAX);
}

static void
write_slots(const struct store *store, struct sink *sink, uint64_t from, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		sink_u64(sink, store->stack[from + i]);
}

static int
write_frame(const struct store *store, struct sink *sink, const struct frame *f, bool top,
	struct maps *maps)
{
	const struct instance *instance = store->instances.at[f->instance];
	struct module *module = instance->module;
	const enum phase phase = top ? store->phase : PHASE_RETURN;
	const struct safepoint *point;
	const struct code_map *map;
	uint64_t operands = 0;

	sink_u8(sink, (uint8_t)f->kind);
	if (f->kind != FRAME_WASM)
		return 0;
	map = map_of(maps, module, f->func - module->func_imports);
	if (!map)
		return -ENOMEM;
	const uint32_t offset = top ? top_offset(store, f, map) : f->offset;
	const uint32_t header = header_slot(module, f->func);

	sink_u32(sink, f->instance);
	sink_u32(sink, f->func);
	sink_u32(sink, offset);
	sink_u8(sink, (uint8_t)phase);
	if (phase != PHASE_TRAP) {
		point = point_at_offset(map, offset, phase);
		must(STATE3, point);
		operands = point->height;
		if (top && phase == PHASE_RETURN)
			operands += module->types[point->calltype].results;
	}
	write_slots(store, sink, f->fp, header);
	write_slots(store, sink, f->fp + header + HEADER_SLOTS, operands);
	return 0;
}

/* Bottom up: the way a reader can build them. */
static int
write_frames(const struct store *store, struct sink *sink)
{
	struct maps maps = {.heap = store->heap};
	struct frame f = frame_top(store), *frames;
	uint64_t count = 1, room;
	int why = 0;

	while (frame_below(store, &f))
		count++;
	room = count * sizeof *frames;
	frames = heap_take(store->heap, room);
	if (!frames)
		return -ENOMEM;
	f = frame_top(store);
	for (uint64_t i = count; i; i--) {
		frames[i - 1] = f;
		(void)frame_below(store, &f);
	}
	sink_u64(sink, count);
	for (uint64_t i = 0; i < count && !why; i++)
		why = write_frame(store, sink, &frames[i], i + 1 == count, &maps);
	heap_give(store->heap, frames, room);
	maps_done(&maps);
	return why;
}

static void
write_computation(struct store *store, struct sink *sink)
{
	const struct instance *entry = store_instance(store, store->entry_instance);
	const struct functype *type;
	int why;

	sink_u8(sink, (uint8_t)((store->running ? FLAG_RUNNING : 0) |
		(store->host_entry ? FLAG_HOST_ENTRY : 0) | (store->returned ? FLAG_RETURNED : 0) |
		(store->initialising ? FLAG_INITIALISING : 0) |
		(store->phase == PHASE_TRAP && !store_idle(store) ? FLAG_TRAPPED : 0)));
	sink_u32(sink, store->entry_instance);
	sink_u32(sink, store->entry_func);
	sink_u64(sink, store->stack_room);
	if (store->phase == PHASE_TRAP && !store_idle(store))
		sink_u8(sink, (uint8_t)store->trap);
	if (store->initialising) {
		sink_u32(sink, store->init_instance);
		sink_u32(sink, store->init_step);
		sink_u64(sink, store->init_done);
	}
	if (!store->running)
		return;
	if (store->host_entry || store->returned) {
		type = store->initialising || !entry ? NULL
			: module_functype(entry->module, store->entry_func);
		if (type)
			write_slots(store, sink, 0, store->returned ? type->results : type->params);
		return;
	}
	why = write_frames(store, sink);
	if (why && !sink->failed)
		sink->failed = why;
}

void
store_write(struct store *store, struct sink *sink)
{
	sink_u32(sink, STATE_VERSION);
	sink_u32(sink, store->memories.count);
	sink_u32(sink, store->tables.count);
	sink_u32(sink, store->globals.count);
	sink_u32(sink, store->instances.count);
	for (uint32_t i = 0; i < store->memories.count; i++)
		write_memory(store, sink, store->memories.at[i]);
	for (uint32_t i = 0; i < store->tables.count; i++)
		write_table(sink, store->tables.at[i]);
	for (uint32_t i = 0; i < store->globals.count; i++) {
		const struct global *global = store->globals.at[i];

		sink_u8(sink, global->val);
		sink_u8(sink, global->mut);
		sink_u64(sink, global->value);
	}
	for (uint32_t i = 0; i < store->instances.count; i++)
		write_instance(sink, store->instances.at[i]);
	write_computation(store, sink);
}

/* --- checking ------------------------------------------------------------------------ */

static void
check_pages(const struct store *store, const struct memory *memory)
{
	const struct pagelist *list = memory->list;

	must(STORE13, memory->base || !memory->reserved);
	if (!list)
		return;
	must(STORE13, list->holders && (uint64_t)list->count * HOST_PAGE_BYTES <= memory->bytes);
	for (uint32_t i = 0; i < list->count; i++)
		must(STORE13, !list->page[i] || pages_holders(store->pages, list->page[i]));
}

void
store_check(struct store *store)
{
	struct frame f;

	must(STORE2, store->fp <= store->stack_room);
	for (uint32_t i = 0; i < store->memories.count; i++) {
		const struct memory *memory = store->memories.at[i];

		must(STORE7, memory->bytes == memory_bytes(memory->pages));
		must(STORE7, memory->pages <= memory->pages_max);
		must(STORE7, !memory->base || memory->bytes <= memory->reserved);
		check_pages(store, memory);
	}
	for (uint32_t i = 0; i < store->tables.count; i++) {
		const struct table *table = store->tables.at[i];

		must(STORE8, table->count <= table->room && table->count <= table->max);
	}
	for (uint32_t i = 0; i < store->instances.count; i++) {
		const struct instance *instance = store->instances.at[i];

		must(STORE9, instance->index == i);
		for (uint32_t k = 0; k < instance->module->globals_count; k++)
			must(STORE9, instance->globals[k] ==
				store->globals.at[instance->global_index[k]]);
	}
	if (!store->running || store->host_entry || store->returned)
		return;
	for (f = frame_top(store);;) {
		const uint64_t fp = f.fp;

		must(STORE10, f.instance < store->instances.count);
		if (!frame_below(store, &f))
			break;
		must(STORE10, f.fp < fp);
	}
	must(STORE10, f.fp == 0);
}
