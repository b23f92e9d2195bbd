/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/twin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/pages.h"
#include "kernel/wasm/engine.h"
#include "tests/support/fake_host.h"

enum {
	STORAGE_BYTES = 16 << 20,
	COST_MAX = 32 << 20, /* modules that would reserve more are only loaded */
	CALLS_MAX = 6,
	HOST_CALLS_MAX = 200,
	STACK_SLOTS = 20000,
};

struct purse {
	struct storage storage;
	uint64_t left;
};

struct buffer {
	struct sink sink;
	uint8_t *bytes;
	size_t count, room;
};

struct side {
	struct store *store;
	struct purse purse;
	enum executor executor;
	uint32_t host_calls;
	uint64_t used; /* by the present call */
	struct exec_result result;
	struct buffer image;
};

struct twin {
	struct store_reader reader; /* first */
	struct fake_host host;
	struct heap heap;
	struct typebook book;
	struct pages pages;
	struct module *module;
	struct binding *bindings;
	struct twin_config config;
	struct side straight, stopped;
};

static _Noreturn void
differ(const char *what, unsigned long long a, unsigned long long b)
{
	fprintf(stderr, "twins differ: %s: %llu, %llu\n", what, a, b);
	abort();
}

static void
same(const char *what, uint64_t a, uint64_t b)
{
	if (a != b)
		differ(what, a, b);
}

static bool
purse_take(struct storage *storage, uint64_t bytes)
{
	struct purse *purse = (struct purse *)storage;

	if (bytes > purse->left)
		return false;
	purse->left -= bytes;
	return true;
}

static void
purse_give(struct storage *storage, uint64_t bytes)
{
	struct purse *purse = (struct purse *)storage;

	purse->left += bytes;
	if (purse->left > STORAGE_BYTES)
		differ("more storage came back than was taken", purse->left, STORAGE_BYTES);
}

static int
buffer_put(struct sink *sink, const void *data, size_t bytes)
{
	struct buffer *buffer = (struct buffer *)sink;

	if (buffer->room - buffer->count < bytes) {
		buffer->room = (buffer->room + bytes) * 2;
		buffer->bytes = realloc(buffer->bytes, buffer->room);
		if (!buffer->bytes)
			abort();
	}
	memcpy(buffer->bytes + buffer->count, data, bytes);
	buffer->count += bytes;
	return 0;
}

static void
image_write(struct side *side)
{
	side->image.count = 0;
	side->image.sink = (struct sink){.put = buffer_put};
	store_write(side->store, &side->image.sink);
}

/* --- stores ------------------------------------------------------------------------- */

static struct store_config
side_config(struct twin *twin, struct side *side, enum executor executor)
{
	return (struct store_config){.heap = &twin->heap, .book = &twin->book,
		.storage = &side->purse.storage, .pages = &twin->pages, .executor = executor,
		.stack_slots_max = STACK_SLOTS};
}

static bool
side_open(struct twin *twin, struct side *side, enum executor executor)
{
	const struct store_config config = side_config(twin, side, executor);

	side->purse = (struct purse){{purse_take, purse_give}, STORAGE_BYTES};
	side->executor = executor;
	return store_new(&config, &side->store) == 0;
}

static struct module *
module_of(struct store_reader *reader, const uint8_t hash[32])
{
	struct twin *twin = (struct twin *)reader;

	return memcmp(hash, module_hash(twin->module), 32) == 0 ? twin->module : NULL;
}

static bool
host_of(struct store_reader *reader, const struct import *import, const struct functype *type,
	uint32_t *ret_host)
{
	struct twin *twin = (struct twin *)reader;

	(void)type;
	*ret_host = (uint32_t)(import - twin->module->imports);
	return true;
}

static enum executor
other(enum executor executor)
{
	return executor == EXECUTOR_SWITCH && executor_present(EXECUTOR_FAST) ? EXECUTOR_FAST
									      : EXECUTOR_SWITCH;
}

/* Writes the side, and reads it into a store of its own in the other executor. */
static void
side_move(struct twin *twin, struct side *side)
{
	struct store *old = side->store;
	struct report report = {.offset = 0};
	struct bytes_in in;
	int why;

	image_write(side);
	store_free(old);
	if (side->purse.left != STORAGE_BYTES)
		differ("storage kept by a freed store", side->purse.left, STORAGE_BYTES);
	if (!side_open(twin, side, other(side->executor)))
		abort();
	in = bytes_in(side->image.bytes, side->image.count);
	why = store_read(side->store, &in, &twin->reader, &report);
	if (why) {
		fprintf(stderr, "an image of ours is refused: %d %s at %llu\n", why, report.text,
			(unsigned long long)report.offset);
		abort();
	}
	store_check(side->store);
}

/* Replaces the side's store by a copy of it, in the other executor: charged the
 * same, as if the purse were a new one. */
static void
side_copy(struct twin *twin, struct side *side)
{
	const uint64_t left = side->purse.left;
	const struct store_config config = side_config(twin, side, other(side->executor));
	struct store *copy;

	side->purse.left = STORAGE_BYTES;
	if (store_clone(side->store, &config, &copy))
		abort();
	same("what a copy is charged", side->purse.left, left);
	store_free(side->store);
	same("what the original gives back", side->purse.left, STORAGE_BYTES);
	side->purse.left = left;
	side->store = copy;
	side->executor = other(side->executor);
	store_check(copy);
}

/* What an import of the module is given. */
static int
bind(struct side *side, const struct import *import, uint32_t i, struct binding *ret_binding)
{
	int why = 0;

	switch (import->kind) {
	case EXTERN_FUNC:
		*ret_binding = (struct binding){.kind = BIND_HOST, .index = i};
		break;
	case EXTERN_TABLE:
		ret_binding->kind = BIND_TABLE;
		why = store_add_table(side->store, import->table, &ret_binding->index);
		break;
	case EXTERN_MEMORY:
		ret_binding->kind = BIND_MEMORY;
		why = store_add_memory(side->store, import->memory, &ret_binding->index);
		break;
	case EXTERN_GLOBAL:
		ret_binding->kind = BIND_GLOBAL;
		why = store_add_global(side->store, import->global, 0, &ret_binding->index);
		break;
	}
	return why;
}

static int
side_instantiate(struct twin *twin, struct side *side)
{
	struct report report = {.offset = 0};
	uint32_t instance;
	int why = 0;

	for (uint32_t i = 0; !why && i < twin->module->imports_count; i++)
		why = bind(side, &twin->module->imports[i], i, &twin->bindings[i]);
	if (!why)
		why = store_instantiate(side->store, twin->module, twin->bindings, &report, &instance);
	return why;
}

/* --- runs --------------------------------------------------------------------------- */

/* A value of the type, always the same for the same n. */
static uint64_t
value_for(uint8_t val, uint32_t n)
{
	static const uint64_t some[] = {0, 1, 0xffffffffffffffff, 7, 0x8000000000000000, 0x80000000,
		0x7fc00001, 0x3ff8000000000000, 65535, 0x7ff4000000000000, 0x4f000000, 100};
	const uint64_t value = some[n % (sizeof some / sizeof some[0])];

	switch (val) {
	case VAL_I32:
	case VAL_F32:
		return (uint32_t)value;
	case VAL_FUNCREF:
		return 0;
	case VAL_EXTERNREF:
		return n % 3;
	}
	return value;
}

/* Answers the pending host call; false when there were enough of them. */
static bool
answer(struct side *side)
{
	const struct functype *type = side->result.type;

	if (++side->host_calls > HOST_CALLS_MAX)
		return false;
	for (uint32_t i = 0; i < type->results; i++)
		side->result.slots[i] = value_for(type->vals[type->params + i], side->host_calls + i);
	store_host_done(side->store);
	return true;
}

/* Runs to an end other than a host call or a step. */
static void
side_run(struct twin *twin, struct side *side, bool stops)
{
	uint32_t stopped = 0;

	side->used = 0;
	for (;;) {
		store_step_after(side->store,
			stops && stopped < twin->config.stops ? twin->config.period : 0);
		if (store_warm(side->store))
			abort();
		store_run(side->store, twin->config.gas - side->used, &side->result);
		side->used += side->result.used;
		if (side->result.end == EXEC_STEPPED) {
			if (stopped++ % 2)
				side_copy(twin, side);
			else
				side_move(twin, side);
		} else if (side->result.end != EXEC_HOST || !answer(side)) {
			break;
		}
	}
	store_step_after(side->store, 0);
}

static void
compare(struct twin *twin, const struct functype *type)
{
	struct side *a = &twin->straight, *b = &twin->stopped;

	same("how it ended", a->result.end, b->result.end);
	same("gas", a->used, b->used);
	same("host calls", a->host_calls, b->host_calls);
	if (a->result.end == EXEC_TRAP)
		same("trap", a->result.trap, b->result.trap);
	if (a->result.end == EXEC_OUT_OF_GAS || a->result.end == EXEC_STORAGE)
		same("need", a->result.need, b->result.need);
	for (uint32_t i = 0; type && a->result.end == EXEC_RETURNED && i < type->results; i++)
		same("result", a->result.slots[i], b->result.slots[i]);
	store_check(a->store);
	store_check(b->store);
	image_write(a);
	image_write(b);
	same("bytes of state", a->image.count, b->image.count);
	for (size_t i = 0; i < a->image.count; i++) {
		if (a->image.bytes[i] != b->image.bytes[i])
			differ("state at", i, a->image.bytes[i]);
	}
}

static void
both_run(struct twin *twin, const struct functype *type)
{
	side_run(twin, &twin->straight, false);
	side_run(twin, &twin->stopped, true);
	compare(twin, type);
	store_unwind(twin->straight.store);
	store_unwind(twin->stopped.store);
}

static void
call(struct twin *twin, uint32_t func, uint32_t n)
{
	const struct functype *type = module_functype(twin->module, func);
	uint64_t args[PARAMS_MAX] = {0};
	int a, b;

	for (uint32_t i = 0; i < type->params; i++)
		args[i] = value_for(type->vals[i], n + i);
	a = store_begin_call(twin->straight.store, 0, func, args);
	b = store_begin_call(twin->stopped.store, 0, func, args);
	same("whether a call begins", (uint64_t)-a, (uint64_t)-b);
	if (!a)
		both_run(twin, type);
}

static void
run(struct twin *twin)
{
	const struct module *m = twin->module;
	uint32_t calls = 0;
	int a, b;

	if (!side_open(twin, &twin->straight, EXECUTOR_SWITCH) ||
		!side_open(twin, &twin->stopped, other(EXECUTOR_SWITCH)))
		return;
	a = side_instantiate(twin, &twin->straight);
	b = side_instantiate(twin, &twin->stopped);
	same("whether it is made", (uint64_t)-a, (uint64_t)-b);
	if (a)
		return;
	store_begin_init(twin->straight.store, 0);
	store_begin_init(twin->stopped.store, 0);
	both_run(twin, NULL);
	if (twin->straight.result.end != EXEC_RETURNED)
		return;
	for (uint32_t i = 0; i < m->exports_count && calls < CALLS_MAX; i++) {
		if (m->exports[i].kind == EXTERN_FUNC)
			call(twin, m->exports[i].index, calls++);
	}
}

bool
twin_run(const uint8_t *bytes, size_t count, struct twin_config config, bool must_load)
{
	struct twin *twin = calloc(1, sizeof *twin);
	struct report report = {.offset = UINT64_MAX};
	bool loaded;

	twin->reader = (struct store_reader){module_of, host_of};
	twin->config = config;
	fake_host_init(&twin->host);
	heap_init(&twin->heap, &twin->host.host);
	typebook_init(&twin->book, &twin->heap);
	pages_init(&twin->pages, &twin->heap);
	loaded = module_load(&twin->heap, &twin->book, bytes, count, &report, &twin->module) == 0;
	if (!loaded && (must_load || !report.text[0] || report.offset > count)) {
		fprintf(stderr, "refused: %s at %llu\n", report.text,
			(unsigned long long)report.offset);
		abort();
	}
	if (loaded) {
		twin->bindings = calloc(twin->module->imports_count + 1, sizeof *twin->bindings);
		if (twin->module->cost_bytes <= COST_MAX)
			run(twin);
		free(twin->bindings);
	}
	store_free(twin->straight.store);
	store_free(twin->stopped.store);
	free(twin->straight.image.bytes);
	free(twin->stopped.image.bytes);
	module_free(twin->module);
	typebook_done(&twin->book);
	same("pages kept", twin->pages.used, 0);
	pages_done(&twin->pages);
	same("bytes kept", twin->heap.bytes_used, 0);
	heap_done(&twin->heap);
	same("reservations kept", twin->host.reservations, 0);
	fake_host_done(&twin->host);
	free(twin);
	return loaded;
}
