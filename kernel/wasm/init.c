/* SPDX-License-Identifier: Apache-2.0 */
/* init.c - initialisation as execution: active segments, then the start
 * function, in steps that are charged, can stop and can be written (spec 4.5.4).
 *
 * The init frame lies below all others. Its state is (init_step, init_done):
 * how many segments are done, and how much of the present one. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/wasm/store.h"

enum { INIT_ENTRIES = BULK_PIECE_BYTES / 8 };

uint64_t
init_value(const struct instance *instance, const struct init *init)
{
	const uint32_t func = (uint32_t)init->value;

	switch (init->kind) {
	case INIT_CONST:
		return init->value;
	case INIT_GLOBAL:
		return instance->globals[init->value]->value;
	case INIT_REF_NULL:
		return 0;
	case INIT_REF_FUNC:
		if (func < instance->module->func_imports &&
			instance->funcs[func].kind == BIND_FUNC)
			return ref_func(instance->funcs[func].instance, instance->funcs[func].index);
		return ref_func(instance->index, func);
	}
	return 0;
}

static bool
failed(struct machine *m, enum trap why)
{
	m->trap = why;
	return slow_trap(m);
}

static void
segment_done(struct store *store, uint8_t *dropped)
{
	*dropped = 1;
	store->init_step++;
	store->init_done = 0;
}

static bool
init_elem(struct machine *m, const struct elem *elem, uint8_t *dropped)
{
	struct store *store = m->store;
	const uint64_t at = (uint32_t)init_value(m->instance, &elem->offset);
	struct table *table = m->instance->tables[elem->table];
	uint64_t now;

	if (!span_fits(at, elem->count, table->count))
		return failed(m, TRAP_TABLE);
	now = min_u64(elem->count - store->init_done, INIT_ENTRIES);
	if (!machine_pay(m, INIT_STEP_GAS + now / BULK_ENTRIES_PER_GAS, PHASE_BULK))
		return false;
	for (uint64_t i = 0; i < now; i++)
		table->refs[at + store->init_done + i] =
			init_value(m->instance, &elem->inits[store->init_done + i]);
	store->init_done += now;
	if (store->init_done == elem->count)
		segment_done(store, dropped);
	return true;
}

static bool
init_data(struct machine *m, const struct data *data, uint8_t *dropped)
{
	struct store *store = m->store;
	const uint64_t at = (uint32_t)init_value(m->instance, &data->offset);
	const struct memory *memory = m->instance->memory;
	uint64_t now;

	if (!span_fits(at, data->count, memory->bytes))
		return failed(m, TRAP_MEMORY);
	now = min_u64(data->count - store->init_done, BULK_PIECE_BYTES);
	if (!machine_pay(m, INIT_STEP_GAS + now / BULK_BYTES_PER_GAS, PHASE_BULK))
		return false;
	if (now)
		memcpy(memory->base + at + store->init_done, data->bytes + store->init_done, now);
	store->init_done += now;
	if (store->init_done == data->count)
		segment_done(store, dropped);
	return true;
}

/* The start function as a frame: it runs next, and counts as the last step. */
static bool
init_start(struct machine *m)
{
	struct store *store = m->store;
	const struct target t = target_of(store, m->instance, m->module->start);
	int pushed;

	if (t.kind != BIND_FUNC) { /* a host function as start: called at once */
		store->running = true;
		store->host_entry = true;
		return true;
	}
	pushed = store_push_entry(store, t.instance, t.func);
	if (pushed == -EAGAIN)
		return failed(m, TRAP_STACK);
	if (pushed) {
		m->end = EXEC_STORAGE;
		m->phase = PHASE_BULK;
		m->need = sizeof *store->stack;
		return false;
	}
	return true;
}

bool
init_run(struct machine *m)
{
	struct store *store = m->store;
	const struct module *module = m->instance->module;

	while (store->init_step < module->elems_count + module->datas_count) {
		const uint32_t step = store->init_step;
		const bool is_elem = step < module->elems_count;
		const uint32_t data = step - module->elems_count;
		uint8_t *dropped = is_elem ? &m->instance->elem_dropped[step]
		                           : &m->instance->data_dropped[data];
		const enum segment_mode mode =
			is_elem ? module->elems[step].mode : module->datas[data].mode;

		if (mode == SEGMENT_PASSIVE) {
			store->init_step++;
			continue;
		}
		if (mode == SEGMENT_DECLARED) {
			segment_done(store, dropped);
			continue;
		}
		if (machine_step(m, PHASE_BULK))
			return false;
		if (!(is_elem ? init_elem(m, &module->elems[step], dropped)
			      : init_data(m, &module->datas[data], dropped)))
			return false;
	}
	if (module->has_start && store->init_step == module->elems_count + module->datas_count) {
		if (!init_start(m))
			return false;
		store->init_step++;
		return true;
	}
	store->initialising = false;
	return true;
}
