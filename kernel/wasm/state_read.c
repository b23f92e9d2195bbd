/* SPDX-License-Identifier: Apache-2.0 */
/* state_read.c - bytes become a store; see state.c for what they are. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/host.h"
#include "kernel/wasm/leb.h"
#include "kernel/wasm/maps.h"
#include "kernel/wasm/state.h"
#include "kernel/wasm/store.h"

struct read {
	struct store *store;
	struct bytes_in *in;
	struct store_reader *reader;
	struct report *report;
	struct maps maps;
};

static int
bad(struct read *r, const char *what)
{
	report_say(r->report, bytes_offset(r->in), "malformed image: %s", what);
	return -EINVAL;
}

static int
cut_short(struct read *r)
{
	return bad(r, "it ends in the middle of a domain's state");
}

/* Answers for a failed allocation. */
static int
no_room(struct read *r, int why)
{
	report_say(r->report, bytes_offset(r->in),
		why == -ENOSPC ? "the storage limit is too small for this image"
			       : "not enough memory for this image");
	return why;
}

/* --- objects ---------------------------------------------------------------------- */

/* One more than the last page that comes, while they come in order. */
static uint32_t
pages_ahead(const struct read *r, uint64_t guest_pages)
{
	struct bytes_in peek = *r->in;
	uint32_t count = 0, page;

	for (;;) {
		page = bytes_u32(&peek);
		if (page < count || page >= guest_pages || !bytes_take(&peek, HOST_PAGE_BYTES))
			return count;
		count = page + 1;
	}
}

/* A cold memory takes it into the page store; without room there it warms. */
static int
put_page(struct read *r, struct memory *memory, uint32_t index, const uint8_t *data)
{
	int why = 0;

	if (!memory->base) {
		const uint32_t page = page_is_zero(data) ? 0 : pages_take(r->store->pages, data);

		memory->list->page[index] = page;
		if (page || page_is_zero(data))
			return 0;
		why = memory_warm(r->store, memory);
	}
	if (!why)
		memcpy(memory->base + (uint64_t)index * HOST_PAGE_BYTES, data, HOST_PAGE_BYTES);
	return why;
}

static int
read_memory(struct read *r)
{
	const uint32_t pages = bytes_u32(r->in), max = bytes_u32(r->in);
	const uint8_t bounded = bytes_u8(r->in);
	const uint64_t guest_pages = memory_bytes(pages) / HOST_PAGE_BYTES;
	uint64_t last = 0;
	struct memory *memory;
	uint32_t index, listed;
	int why;

	if (r->in->bad)
		return cut_short(r);
	if (pages > max || max > MEMORY_PAGES_MAX || bounded > 1)
		return bad(r, "a memory larger than its maximum");
	why = memory_add(r->store, (struct limits){pages, max, bounded != 0},
		r->store->pages ? MEMORY_COLD : MEMORY_HOT, &index);
	if (why)
		return no_room(r, why);
	memory = store_memory(r->store, index);
	memory->bounded = bounded != 0;
	if (!memory->base && (listed = pages_ahead(r, guest_pages))) {
		memory->list = pagelist_new(r->store, listed);
		if (!memory->list)
			return no_room(r, -ENOMEM);
	}
	for (;;) {
		const uint32_t page = bytes_u32(r->in);
		const uint8_t *data;

		if (r->in->bad)
			return cut_short(r);
		if (page == UINT32_MAX)
			return 0;
		if (page >= guest_pages || page + 1ull <= last)
			return bad(r, "a memory page that is out of place");
		data = bytes_take(r->in, HOST_PAGE_BYTES);
		if (!data)
			return cut_short(r);
		why = put_page(r, memory, page, data);
		if (why)
			return no_room(r, why);
		last = page + 1ull;
	}
}

static int
read_table(struct read *r)
{
	const uint8_t ref = bytes_u8(r->in);
	const uint32_t count = bytes_u32(r->in), max = bytes_u32(r->in);
	const uint8_t bounded = bytes_u8(r->in);
	uint64_t last = 0;
	struct table *table;
	uint32_t index;
	int why;

	if (r->in->bad)
		return cut_short(r);
	if ((ref != VAL_FUNCREF && ref != VAL_EXTERNREF) || count > max || count > TABLE_ENTRIES_MAX ||
		bounded > 1)
		return bad(r, "a table of no valid type or size");
	why = store_add_table(r->store, (struct tabletype){ref, {count, max, bounded != 0}}, &index);
	if (why)
		return no_room(r, why);
	table = store_table(r->store, index);
	table->bounded = bounded != 0;
	for (;;) {
		const uint32_t i = bytes_u32(r->in);

		if (r->in->bad)
			return cut_short(r);
		if (i == UINT32_MAX)
			return 0;
		if (i >= count || i + 1ull <= last)
			return bad(r, "a table entry that is out of place");
		table->refs[i] = bytes_u64(r->in);
		last = i + 1ull;
	}
}

static bool
val_known(uint8_t val)
{
	return (val >= VAL_F64 && val <= VAL_I32) || val == VAL_FUNCREF || val == VAL_EXTERNREF;
}

static int
read_global(struct read *r)
{
	const uint8_t val = bytes_u8(r->in), mut = bytes_u8(r->in);
	const uint64_t value = bytes_u64(r->in);
	uint32_t index;
	int why;

	if (r->in->bad)
		return cut_short(r);
	if (!val_known(val) || mut > 1)
		return bad(r, "a global of no valid type");
	why = store_add_global(r->store, (struct globaltype){val, mut != 0}, value, &index);
	return why ? no_room(r, why) : 0;
}

/* --- instances --------------------------------------------------------------------- */

static int
read_func_binding(struct read *r, struct instance *instance, uint32_t func,
	const struct import *import)
{
	const struct functype *type = &instance->module->types[import->type];
	struct binding *b = &instance->funcs[func];
	const uint8_t is_func = bytes_u8(r->in);

	if (r->in->bad)
		return cut_short(r);
	if (is_func > 1)
		return bad(r, "an import bound to neither a function nor the host");
	if (is_func) { /* checked once all instances are there */
		b->kind = BIND_FUNC;
		b->instance = bytes_u32(r->in);
		b->index = bytes_u32(r->in);
		return r->in->bad ? cut_short(r) : 0;
	}
	b->kind = BIND_HOST;
	if (store_intrinsic_kind(import, type, &b->kind))
		return 0;
	if (!r->reader->host_of(r->reader, import, type, &b->index))
		return bad(r, "an import that nobody serves here");
	return 0;
}

static int
read_indices(struct read *r, struct instance *instance)
{
	const struct module *module = instance->module;

	if (module->memories_count) {
		instance->memory_index = bytes_u32(r->in);
		instance->memory = store_memory(r->store, instance->memory_index);
		if (r->in->bad || !instance->memory)
			return bad(r, "an instance without its memory");
		if (instance->memory->pages < module->memories[0].min)
			return bad(r, "a memory smaller than its module says");
	}
	for (uint32_t i = 0; i < module->tables_count; i++) {
		instance->table_index[i] = bytes_u32(r->in);
		instance->tables[i] = store_table(r->store, instance->table_index[i]);
		if (r->in->bad || !instance->tables[i] ||
			instance->tables[i]->ref != module->tables[i].ref ||
			instance->tables[i]->count < module->tables[i].limits.min)
			return bad(r, "an instance without its table");
	}
	for (uint32_t i = 0; i < module->globals_count; i++) {
		instance->global_index[i] = bytes_u32(r->in);
		instance->globals[i] = store_global(r->store, instance->global_index[i]);
		if (r->in->bad || !instance->globals[i] ||
			instance->globals[i]->val != module->globals[i].val ||
			instance->globals[i]->mut != module->globals[i].mut)
			return bad(r, "an instance without its global");
	}
	return 0;
}

static int
read_dropped(struct read *r, uint8_t *dropped, uint32_t count)
{
	const uint8_t *from = bytes_take(r->in, count);

	if (!from)
		return cut_short(r);
	for (uint32_t i = 0; i < count; i++) {
		if (from[i] > 1)
			return bad(r, "a segment that is neither there nor dropped");
		dropped[i] = from[i];
	}
	return 0;
}

static int
read_instance(struct read *r)
{
	const uint8_t *hash = bytes_take(r->in, 32);
	struct instance *instance;
	struct module *module;
	uint32_t func = 0;
	int why;

	if (!hash)
		return cut_short(r);
	module = r->reader->module_of(r->reader, hash);
	if (!module)
		return bad(r, "a module that is not in it");
	why = instance_alloc(r->store, module, &instance);
	if (!why)
		why = instance_add(r->store, instance);
	if (why)
		return no_room(r, why);
	for (uint32_t i = 0; i < module->imports_count && !why; i++) {
		if (module->imports[i].kind == EXTERN_FUNC)
			why = read_func_binding(r, instance, func++, &module->imports[i]);
	}
	if (!why)
		why = read_indices(r, instance);
	if (!why)
		why = read_dropped(r, instance->elem_dropped, module->elems_count);
	if (!why)
		why = read_dropped(r, instance->data_dropped, module->datas_count);
	return why;
}

/* --- values -------------------------------------------------------------------------- */

static bool
value_fits(const struct read *r, uint8_t val, uint64_t value)
{
	const struct instance *instance;

	switch ((enum valtype)val) {
	case VAL_I32:
	case VAL_F32:
		return value <= UINT32_MAX;
	case VAL_I64:
	case VAL_F64:
	case VAL_EXTERNREF:
		return true;
	case VAL_FUNCREF:
		if (!value)
			return true;
		if (!(value >> 32))
			return false;
		instance = store_instance(r->store, (uint32_t)(value >> 32) - 1);
		return instance &&
			(uint32_t)value < instance->module->func_imports + instance->module->funcs_count;
	}
	return false;
}

/* What could name an instance is checked when all are there. */
static int
check_references(struct read *r)
{
	struct store *store = r->store;

	for (uint32_t i = 0; i < store->globals.count; i++) {
		const struct global *global = store->globals.at[i];

		if (!value_fits(r, global->val, global->value))
			return bad(r, "a global whose value is not of its type");
	}
	for (uint32_t i = 0; i < store->tables.count; i++) {
		const struct table *table = store->tables.at[i];

		for (uint32_t k = 0; k < table->count; k++) {
			if (!value_fits(r, table->ref, table->refs[k]))
				return bad(r, "a table entry that names no function");
		}
	}
	for (uint32_t i = 0; i < store->instances.count; i++) {
		const struct instance *instance = store->instances.at[i];

		for (uint32_t k = 0; k < instance->module->func_imports; k++) {
			const struct binding *b = &instance->funcs[k];
			const struct instance *to;

			if (b->kind != BIND_FUNC)
				continue;
			to = store_instance(store, b->instance);
			if (!to || b->index < to->module->func_imports ||
				b->index - to->module->func_imports >= to->module->funcs_count ||
				module_functype(to->module, b->index)->id !=
					module_functype(instance->module, k)->id)
				return bad(r, "an import bound to no function of its type");
		}
	}
	return 0;
}

/* --- frames --------------------------------------------------------------------------- */

/* Where the next frame up begins, and what it has to be. */
struct seat {
	uint64_t at;           /* slot */
	uint32_t instance;
	const struct functype *type; /* of what is called there; NULL: the bottom, anything */
	uint64_t h0, h1;
	bool closed;           /* the frame below is a top frame: nothing may follow */
	bool special;          /* the frame below is a link or a try: a function must follow */
};

static int
room_for(struct read *r, uint64_t slots)
{
	const int why = stack_reserve(r->store, slots);

	if (why == -EAGAIN)
		return bad(r, "a stack past the fixed limit");
	return why ? no_room(r, why) : 0;
}

static int
read_slots(struct read *r, uint64_t at, const uint8_t *types, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint64_t value = bytes_u64(r->in);

		if (r->in->bad)
			return cut_short(r);
		if (!value_fits(r, types[i], value))
			return bad(r, "a value in a frame that is not of its type");
		r->store->stack[at + i] = value;
	}
	return 0;
}

/* The declared locals, group by group, from the module's own bytes. */
static int
read_locals(struct read *r, const struct module *module, uint32_t func, uint64_t at)
{
	const struct functype *type = module_functype(module, func);
	const uint8_t *body = module->bytes + module->funcs[func - module->func_imports].body;
	uint64_t groups, count;
	int why = read_slots(r, at, type->vals, type->params);

	at += type->params;
	for (groups = leb_u32_checked(&body); groups && !why; groups--) {
		count = leb_u32_checked(&body);
		for (; count && !why; count--)
			why = read_slots(r, at++, body, 1);
		body++;
	}
	return why;
}

static int
read_phase(struct read *r, uint8_t byte, bool top, enum phase *ret_phase)
{
	if (byte > PHASE_TRAP || (!top && byte != PHASE_RETURN))
		return bad(r, "a frame that stands nowhere");
	*ret_phase = byte;
	return 0;
}

static int
read_top(struct read *r, struct module *module, const struct safepoint *point, uint32_t header,
	uint64_t at)
{
	const struct functype *type = &module->types[point->calltype];

	if (point->phase == PHASE_RETURN) {
		const int why = read_slots(r, at + header + HEADER_SLOTS + point->height,
			type->vals + type->params, type->results);

		if (why)
			return why;
	}
	r->store->fp = at;
	r->store->ip = point->code;
	r->store->phase = point->phase;
	return 0;
}

static int
read_trapped(struct read *r, const struct module *module, const struct code_map *map,
	uint32_t defined, uint32_t offset, uint64_t at)
{
	const struct code_unit *unit = &module->units[defined];

	for (uint32_t i = 0; i < unit->count; i++) {
		if (map->offsets[i] == offset) {
			r->store->fp = at;
			r->store->ip = unit->start + i;
			r->store->phase = PHASE_TRAP;
			return 0;
		}
	}
	return bad(r, "a trap at no instruction");
}

static int
read_wasm_frame(struct read *r, bool top, struct seat *seat)
{
	const uint32_t instance_index = bytes_u32(r->in), func = bytes_u32(r->in);
	const uint32_t offset = bytes_u32(r->in);
	const uint8_t phase_byte = bytes_u8(r->in);
	const struct instance *instance = store_instance(r->store, instance_index);
	const struct safepoint *point;
	const struct code_map *map;
	struct module *module;
	enum phase phase;
	uint32_t defined, header;
	int why;

	if (r->in->bad)
		return cut_short(r);
	if (!instance || (seat->type && instance_index != seat->instance))
		return bad(r, "a frame in the wrong instance");
	module = instance->module;
	defined = func - module->func_imports;
	if (func < module->func_imports || defined >= module->funcs_count)
		return bad(r, "a frame of no function");
	if (seat->type && module_functype(module, func)->id != seat->type->id)
		return bad(r, "a frame whose function does not fit the call below it");
	why = read_phase(r, phase_byte, top, &phase);
	if (why)
		return why;
	map = map_of(&r->maps, module, defined);
	if (!map)
		return no_room(r, -ENOMEM);
	why = room_for(r, seat->at + module->entries[defined]->lo / sizeof(uint64_t));
	if (why)
		return why;
	header = header_slot(module, func);
	why = read_locals(r, module, func, seat->at);
	if (why)
		return why;
	r->store->stack[seat->at + header] = seat->h0;
	r->store->stack[seat->at + header + 1] = seat->h1;
	r->store->instance = instance_index;
	if (phase == PHASE_TRAP)
		return read_trapped(r, module, map, defined, offset, seat->at);
	point = point_at_offset(map, offset, phase);
	if (!point)
		return bad(r, "a frame at an offset where none can stand");
	if (point->height) /* else there may be no types at all */
		why = read_slots(r, seat->at + header + HEADER_SLOTS, map->types + point->types,
			point->height);
	if (why)
		return why;
	if (top)
		return read_top(r, module, point, header, seat->at);
	*seat = (struct seat){
		.at = seat->at + header + HEADER_SLOTS + point->height,
		.instance = instance_index,
		.type = &module->types[point->calltype],
		.h0 = h0_make(header + HEADER_SLOTS + point->height, point->code),
		.h1 = (uint64_t)func << 32 | offset,
	};
	return 0;
}

/* A link or a try frame: it sits on a call and something else sits on it. */
static int
read_special_frame(struct read *r, enum frame_kind kind, bool top, struct seat *seat)
{
	static const uint8_t try_vals[] = {VAL_I32, VAL_I32};
	static const struct functype try_type = {.vals = try_vals, .params = 2};
	uint64_t *frame;
	int why;

	if (top || !seat->type)
		return bad(r, "a special frame at the end of the stack");
	why = room_for(r, seat->at + 2 * SPECIAL_SLOTS);
	if (why)
		return why;
	frame = r->store->stack + seat->at;
	frame[0] = seat->h0;
	frame[1] = seat->h1;
	seat->at += SPECIAL_SLOTS;
	if (kind == FRAME_LINK) {
		frame[2] = (uint64_t)seat->type->results << 32 | seat->instance;
		seat->instance = UINT32_MAX; /* whatever the next frame says */
		seat->h0 = h0_make(SPECIAL_SLOTS, STUB_LINK);
		seat->h1 = (uint64_t)FUNC_LINK << 32;
		return 0;
	}
	if (seat->type->params != 3 || seat->type->results != 1 ||
		memcmp(seat->type->vals, (const uint8_t[]){VAL_I32, VAL_I32, VAL_I32, VAL_I32}, 4))
		return bad(r, "a try frame on a call of another type");
	frame[2] = 0;
	seat->h0 = h0_make(SPECIAL_SLOTS, STUB_TRY);
	seat->h1 = (uint64_t)FUNC_TRY << 32;
	seat->type = typebook_find(r->store->book, &try_type);
	return seat->type ? 0 : bad(r, "a try frame without a function");
}

/* Who asked for the results learns their types from the entry, so the first
 * frame must be of its type. What is wrong with the frame itself is told later. */
static int
check_entry(struct read *r)
{
	const struct store *store = r->store;
	const struct instance *entry = store_instance(r->store, store->entry_instance), *first;
	struct bytes_in peek = *r->in;
	uint32_t func;

	first = store_instance(r->store, bytes_u32(&peek));
	func = bytes_u32(&peek);
	if (peek.bad || !first || func >= first->module->func_imports + first->module->funcs_count)
		return 0;
	if (!entry || store->entry_func >= entry->module->func_imports + entry->module->funcs_count ||
		module_functype(entry->module, store->entry_func)->id !=
			module_functype(first->module, func)->id)
		return bad(r, "a first frame that is not the entry's");
	return 0;
}

static int
read_frames(struct read *r)
{
	struct seat seat = {.h0 = h0_make(0, STUB_EXIT), .h1 = (uint64_t)FUNC_ENTRY << 32};
	uint64_t count = bytes_u64(r->in);
	bool linked = false;
	int why = 0;

	if (!count || count > bytes_left(r->in))
		return bad(r, "a stack of no size that could be");
	for (; count && !why; count--) {
		const uint8_t kind = bytes_u8(r->in);
		const bool top = count == 1;

		if (r->in->bad)
			return cut_short(r);
		if (kind == FRAME_WASM) {
			why = r->store->initialising || seat.type ? 0 : check_entry(r);
			if (why)
				return why;
			if (linked) { /* the first function behind a link says where it is */
				struct bytes_in peek = *r->in;

				seat.instance = bytes_u32(&peek);
				linked = false;
			}
			why = read_wasm_frame(r, top, &seat);
		} else if (kind == FRAME_LINK || kind == FRAME_TRY) {
			if (linked && kind == FRAME_LINK)
				return bad(r, "a link on a link");
			if (linked)
				return bad(r, "a try frame on a link");
			why = read_special_frame(r, kind, top, &seat);
			linked = kind == FRAME_LINK;
		} else {
			return bad(r, "a frame of no kind");
		}
	}
	return why;
}

static int
read_entry_values(struct read *r, uint8_t flags)
{
	struct store *store = r->store;
	const struct instance *entry =
		store_instance(store, store->initialising ? store->init_instance : store->entry_instance);
	uint32_t func = store->entry_func;
	const struct functype *type;
	int why;

	if (!entry)
		return bad(r, "a call of no instance");
	if (store->initialising) {
		if (!entry->module->has_start)
			return bad(r, "a start function that is not there");
		func = entry->module->start;
	}
	if (func >= entry->module->func_imports + entry->module->funcs_count)
		return bad(r, "a call of no function");
	type = module_functype(entry->module, func);
	why = room_for(r, max_u64(type->params, type->results) + 1);
	if (why)
		return why;
	store->phase = flags & FLAG_RETURNED ? PHASE_RETURN : PHASE_CALL;
	if (store->initialising)
		return 0; /* a start function takes and gives nothing */
	if (flags & FLAG_RETURNED)
		return read_slots(r, 0, type->vals + type->params, type->results);
	return read_slots(r, 0, type->vals, type->params);
}

static int
read_init(struct read *r)
{
	struct store *store = r->store;
	const struct instance *instance;
	const struct module *module;
	uint64_t most;

	store->init_instance = bytes_u32(r->in);
	store->init_step = bytes_u32(r->in);
	store->init_done = bytes_u64(r->in);
	instance = store_instance(store, store->init_instance);
	if (r->in->bad || !instance)
		return bad(r, "an initialisation of no instance");
	module = instance->module;
	if (store->init_step > module->elems_count + module->datas_count + (module->has_start ? 1u : 0u))
		return bad(r, "an initialisation past its end");
	if (store->init_step < module->elems_count)
		most = module->elems[store->init_step].count;
	else if (store->init_step < module->elems_count + module->datas_count)
		most = module->datas[store->init_step - module->elems_count].count;
	else
		most = 0;
	return store->init_done > most ? bad(r, "a segment done past its end") : 0;
}

static int
read_computation(struct read *r)
{
	struct store *store = r->store;
	const uint8_t flags = bytes_u8(r->in);
	uint64_t room;
	uint8_t trap = 0;
	int why = 0;

	store->entry_instance = bytes_u32(r->in);
	store->entry_func = bytes_u32(r->in);
	room = bytes_u64(r->in);
	if (flags & FLAG_TRAPPED)
		trap = bytes_u8(r->in);
	if (r->in->bad)
		return cut_short(r);
	if (flags >= FLAG_TRAPPED * 2 || ((flags & FLAG_TRAPPED) && (!trap || trap >= TRAP_COUNT)))
		return bad(r, "a computation in no known state");
	store->running = flags & FLAG_RUNNING;
	store->host_entry = flags & FLAG_HOST_ENTRY;
	store->returned = flags & FLAG_RETURNED;
	store->initialising = flags & FLAG_INITIALISING;
	if ((store->host_entry || store->returned) && !store->running)
		return bad(r, "a computation in no known state");
	if ((flags & FLAG_TRAPPED) && store_idle(store))
		return bad(r, "a trap of nothing that runs");
	why = stack_restore(store, room);
	if (why)
		return why == -EAGAIN ? bad(r, "a stack past its limit") : no_room(r, why);
	if (store->initialising)
		why = read_init(r);
	if (!why && store->running)
		why = store->host_entry || store->returned ? read_entry_values(r, flags)
							   : read_frames(r);
	if (why)
		return why;
	if (store->stack_room != room)
		return bad(r, "a stack larger than its room");
	if (store->running && store->initialising && !store->host_entry && !store->returned &&
		store->init_step == 0)
		return bad(r, "a start function before the segments");
	if (!(flags & FLAG_TRAPPED) && store->phase == PHASE_TRAP)
		return bad(r, "a frame that trapped in a computation that did not");
	if (flags & FLAG_TRAPPED) {
		store->trap = trap;
		store->phase = PHASE_TRAP;
	} else if (!store->running) {
		store->phase = PHASE_HEAD;
	}
	return 0;
}

static int
read_objects(struct read *r)
{
	uint32_t memories, tables, globals, instances;
	int why = 0;

	if (bytes_u32(r->in) != STATE_VERSION)
		return bad(r, "a domain's state of another version");
	memories = bytes_u32(r->in);
	tables = bytes_u32(r->in);
	globals = bytes_u32(r->in);
	instances = bytes_u32(r->in);
	for (; memories && !why; memories--)
		why = r->in->bad ? cut_short(r) : read_memory(r);
	for (; tables && !why; tables--)
		why = r->in->bad ? cut_short(r) : read_table(r);
	for (; globals && !why; globals--)
		why = r->in->bad ? cut_short(r) : read_global(r);
	for (; instances && !why; instances--)
		why = r->in->bad ? cut_short(r) : read_instance(r);
	return why;
}

int
store_read(struct store *store, struct bytes_in *in, struct store_reader *reader,
	struct report *report)
{
	struct read r = {.store = store, .in = in, .reader = reader, .report = report,
		.maps = {.heap = store->heap}};
	int why;

	must(STATE4, !store->instances.count && store_idle(store));
	why = read_objects(&r);
	if (!why)
		why = check_references(&r);
	if (!why)
		why = read_computation(&r);
	maps_done(&r.maps);
	if (why) {
		store_unwind(store);
		return why;
	}
	store_check(store);
	return 0;
}
