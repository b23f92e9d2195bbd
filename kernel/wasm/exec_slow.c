/* SPDX-License-Identifier: Apache-2.0 */
/* exec_slow.c - what both executors share: calls that cannot be made at once,
 * links between instances, try and throw, stopping, and work in pieces.
 *
 * Each function is entered with ip, fp and gas saved in the machine, and either
 * goes on (true) from what it left there or has stopped (false). Check, then
 * commit: a stop leaves the frame as it was, and the same instruction runs
 * again. */
#include <errno.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/wasm/store.h"

/* --- stopping --------------------------------------------------------------- */

static bool
stop(struct machine *m, enum exec_end end, enum phase phase, uint64_t need)
{
	m->end = end;
	m->phase = phase;
	m->need = need;
	return false;
}

bool
slow_trap(struct machine *m)
{
	return stop(m, EXEC_TRAP, PHASE_TRAP, 0);
}

static bool
trap(struct machine *m, enum trap why)
{
	m->trap = why;
	return slow_trap(m);
}

bool
machine_step(struct machine *m, enum phase phase)
{
	struct store *store = m->store;

	if (!m->stepping)
		return false;
	store->step_count++;
	if (--store->step_left)
		return false;
	(void)stop(m, EXEC_STEPPED, phase, 0);
	return true;
}

bool
machine_pay(struct machine *m, uint64_t gas, enum phase phase)
{
	int64_t *purse = m->stepping ? &m->gas_parked : &m->gas;

	if ((uint64_t)*purse < gas)
		return stop(m, EXEC_OUT_OF_GAS, phase, gas);
	*purse -= (int64_t)gas;
	return true;
}

bool
slow_gas(struct machine *m, const struct insn *block)
{
	m->gas += (int64_t)block->lo;
	m->ip = block;
	if (machine_step(m, PHASE_HEAD) || !machine_pay(m, block->lo, PHASE_HEAD))
		return false;
	m->ip = block + 1;
	return true;
}

static bool
enter_block(struct machine *m, const struct insn *block)
{
	m->gas -= (int64_t)block->lo;
	if (m->gas < 0)
		return slow_gas(m, block);
	m->ip = block + 1;
	return true;
}

/* --- calls --------------------------------------------------------------------- */

void
machine_view(struct machine *m, struct instance *instance)
{
	m->instance = instance;
	m->module = instance->module;
	m->entries = instance->module->entries;
	m->code = instance->module->code;
	m->globals = instance->globals;
	m->tables = instance->tables;
	m->mem = instance->memory ? instance->memory->base : NULL;
	m->mem_bytes = m->mem ? instance->memory->bytes : 0; /* a cold one has no bytes at hand */
	for (uint32_t i = 0; i < 4; i++) /* a memory is empty or has whole pages */
		m->mem_ends[i] = m->mem_bytes ? m->mem_bytes + 1 - (1u << i) : 0;
}

struct target
target_of(struct store *store, struct instance *instance, uint32_t func)
{
	struct target t = {.type = module_functype(instance->module, func)};

	if (func < instance->module->func_imports) {
		const struct binding *b = &instance->funcs[func];

		t.kind = b->kind;
		t.host = b->index;
		t.import = func;
		t.func = b->index;
		t.instance = b->kind == BIND_FUNC ? store->instances.at[b->instance] : instance;
	} else {
		t.kind = BIND_FUNC;
		t.instance = instance;
		t.func = func;
	}
	return t;
}

/* The callee is lowered and the stack has room for it at fp + at + extra: true.
 * Moves the stack, so pointers into it are stale. */
static bool
call_ready(struct machine *m, const struct target *t, uint64_t at, uint64_t extra)
{
	struct store *store = m->store;
	struct module *module = t->instance->module;
	const uint32_t defined = t->func - module->func_imports;
	const uint64_t fp = (uint64_t)(m->fp - store->stack);
	int failed;

	if (lower_func(module, defined))
		return stop(m, EXEC_STORAGE, PHASE_CALL, 0);
	failed = stack_reserve(store,
		fp + at + extra + module->entries[defined]->lo / sizeof *store->stack);
	m->fp = store->stack + fp;
	m->stack_end = store->stack + store->stack_room;
	if (failed == -EAGAIN)
		return trap(m, TRAP_STACK);
	if (failed)
		return stop(m, EXEC_STORAGE, PHASE_CALL,
			module->entries[defined]->lo);
	return true;
}

/* The frame itself, in the machine's present instance. */
static bool
push_frame(struct machine *m, uint32_t defined, uint64_t *callee, uint64_t h0, uint64_t h1)
{
	const struct insn *e = m->entries[defined];

	callee[e->d] = h0;
	callee[e->d + 1] = h1;
	for (uint32_t i = e->a; i; i--)
		callee[e->d - i] = 0;
	m->fp = callee;
	return enter_block(m, e + 1);
}

/* After call_ready(): a frame of the target over the arguments at fp + at; if it
 * is another instance's, over a link frame. */
static bool
push_target(struct machine *m, const struct target *t, uint64_t at, uint64_t h0, uint64_t h1)
{
	uint64_t *args = m->fp + at;

	if (t->instance != m->instance) {
		for (uint32_t i = t->type->params; i; i--)
			args[i - 1 + SPECIAL_SLOTS] = args[i - 1];
		args[0] = h0;
		args[1] = h1;
		args[2] = (uint64_t)t->type->results << 32 | m->instance->index;
		args += SPECIAL_SLOTS;
		h0 = h0_make(SPECIAL_SLOTS, STUB_LINK);
		h1 = (uint64_t)FUNC_LINK << 32;
		machine_view(m, t->instance);
	}
	return push_frame(m, t->func - t->instance->module->func_imports, args, h0, h1);
}

static bool
do_try(struct machine *m, uint64_t at, uint64_t h0, uint64_t h1)
{
	const struct instance *instance = m->instance;
	const struct table *table;
	uint64_t *frame = m->fp + at;
	const uint32_t index = (uint32_t)frame[0];
	struct target t;
	uint64_t ref;

	if (!instance->module->tables_count)
		return trap(m, TRAP_UNDEFINED);
	table = instance->tables[0];
	if (index >= table->count || table->ref != VAL_FUNCREF)
		return trap(m, TRAP_UNDEFINED);
	ref = table->refs[index];
	if (!ref)
		return trap(m, TRAP_UNINITIALIZED);
	t = target_of(m->store, m->store->instances.at[(ref >> 32) - 1], (uint32_t)ref);
	if (t.kind != BIND_FUNC || t.type->params != 2 || t.type->results != 0 ||
		t.type->vals[0] != VAL_I32 || t.type->vals[1] != VAL_I32)
		return trap(m, TRAP_INDIRECT_TYPE);
	if (!call_ready(m, &t, at, 2 * SPECIAL_SLOTS))
		return false;
	frame = m->fp + at;
	frame[SPECIAL_SLOTS + 1] = frame[2];
	frame[SPECIAL_SLOTS] = frame[1];
	frame[0] = h0;
	frame[1] = h1;
	frame[2] = 0;
	m->fp = frame;
	return push_target(m, &t, SPECIAL_SLOTS, h0_make(SPECIAL_SLOTS, STUB_TRY),
		(uint64_t)FUNC_TRY << 32);
}

static uint32_t
header_of(const struct module *module, uint32_t func)
{
	return module_functype(module, func)->params +
		module->funcs[func - module->func_imports].locals;
}

static bool
do_throw(struct machine *m)
{
	struct store *store = m->store;
	struct instance *instance = m->instance;
	uint64_t *fp = m->fp;
	const uint32_t top = instance->module->func_imports +
		lower_owner(instance->module, (uint32_t)(m->ip - m->code));
	uint64_t *header = fp + header_of(instance->module, top);
	uint64_t frames = 1;

	for (;; frames++) {
		const uint32_t func = (uint32_t)(header[1] >> 32);

		if (func == FUNC_ENTRY)
			return trap(m, TRAP_UNCAUGHT);
		fp -= h0_slots(header[0]);
		if (func == FUNC_TRY)
			break;
		if (func == FUNC_LINK) {
			instance = store->instances.at[(uint32_t)fp[2]];
			header = fp;
		} else {
			header = fp + header_of(instance->module, func);
		}
	}
	if (!machine_pay(m, frames * THROW_FRAME_GAS, PHASE_CALL))
		return false;
	const uint64_t h0 = fp[0];

	fp[0] = 1;
	machine_view(m, instance);
	m->ip = m->code + h0_index(h0);
	m->fp = fp - h0_slots(h0);
	return true;
}

/* A call whose arguments are at fp + at, from the call instruction m->ip. */
static bool
call_target(struct machine *m, const struct target *t, uint64_t at, uint32_t insns)
{
	const uint64_t h0 = h0_make(at, (uint64_t)(m->ip + insns - m->code)), h1 = m->ip->imm;

	if (machine_step(m, PHASE_CALL))
		return false;
	switch ((int)t->kind) {
	case BIND_FUNC:
		if (!call_ready(m, t, at, t->instance == m->instance ? 0 : SPECIAL_SLOTS))
			return false;
		return push_target(m, t, at, h0, h1);
	case BIND_HOST:
		m->host = t->host;
		m->host_import = t->import;
		m->host_type = t->type;
		m->host_slots = m->fp + at;
		return stop(m, EXEC_HOST, PHASE_CALL, 0);
	case BIND_TRY:
		return do_try(m, at, h0, h1);
	case BIND_THROW:
		return do_throw(m);
	}
	must(CALL1, false);
	return false;
}

bool
slow_call(struct machine *m)
{
	const struct target t = target_of(m->store, m->instance, m->ip->ab + m->module->func_imports);

	return call_target(m, &t, m->ip->d, 2);
}

bool
slow_call_import(struct machine *m)
{
	const struct target t = target_of(m->store, m->instance, m->ip->ab);

	return call_target(m, &t, m->ip->d, 1);
}

bool
slow_call_indirect(struct machine *m)
{
	const struct insn *data = m->ip + 1;
	const struct table *table = m->tables[data->hi];
	const uint64_t ref = table->refs[(uint32_t)m->fp[m->ip->a]]; /* in range: checked there */
	struct target t;

	if (!ref)
		return trap(m, TRAP_UNINITIALIZED);
	t = target_of(m->store, m->store->instances.at[(ref >> 32) - 1], (uint32_t)ref);
	if (t.type->id != data->lo)
		return trap(m, TRAP_INDIRECT_TYPE);
	return call_target(m, &t, m->ip->d, 2);
}

/* What a call through a table would call; false: it would trap. */
static bool
indirect_target(struct store *store, const struct instance *instance, const struct insn *ip,
	struct target *ret)
{
	const struct insn *data = ip + 1;
	const struct table *table = instance->tables[data->hi];
	const uint32_t at = (uint32_t)store->stack[store->fp + ip->a];
	const uint64_t ref = at < table->count ? table->refs[at] : 0;

	if (!ref)
		return false;
	*ret = target_of(store, store->instances.at[(ref >> 32) - 1], (uint32_t)ref);
	return ret->type->id == data->lo;
}

bool
slow_at_host(struct store *store, uint32_t *ret_host)
{
	struct instance *instance = store->instances.at[store->instance];
	const struct insn *ip = &instance->module->code[store->ip];
	struct target t;

	if (ip->op == CODE_call_import)
		t = target_of(store, instance, ip->ab);
	else if (ip->op != CODE_call_indirect || !indirect_target(store, instance, ip, &t))
		return false;
	*ret_host = t.host;
	return t.kind == BIND_HOST;
}

/* --- returns -------------------------------------------------------------------- */

bool
slow_return_step(struct machine *m)
{
	const struct insn *ip = m->ip;
	uint64_t *fp = m->fp;
	const uint64_t h0 = fp[ip->d];

	if (ip->op == CODE_return_1 || ip->op == CODE_return_1_a) {
		fp[0] = fp[ip->a];
	} else if (ip->op == CODE_return_n) {
		for (uint32_t i = 0; i < ip->b; i++)
			fp[i] = fp[ip->a + i];
	}
	m->ip = m->code + h0_index(h0);
	m->fp = fp - h0_slots(h0);
	return h0_index(h0) < STUB_COUNT || !machine_step(m, PHASE_RETURN);
}

bool
slow_exit(struct machine *m)
{
	return stop(m, EXEC_RETURNED, PHASE_HEAD, 0);
}

bool
slow_link_return(struct machine *m)
{
	uint64_t *link = m->fp;
	const uint64_t h0 = link[0], word = link[2];

	for (uint32_t i = 0; i < word >> 32; i++)
		link[i] = link[i + SPECIAL_SLOTS];
	machine_view(m, m->store->instances.at[(uint32_t)word]);
	m->ip = m->code + h0_index(h0);
	m->fp = link - h0_slots(h0);
	return true;
}

bool
slow_try_return(struct machine *m)
{
	const uint64_t h0 = m->fp[0];

	m->fp[0] = 0;
	m->ip = m->code + h0_index(h0);
	m->fp -= h0_slots(h0);
	return true;
}

/* --- growth ---------------------------------------------------------------------- */

/* store_grow_alone(): does this run have more, or less, than the pages' price? */
static bool
grows_in_company(const struct machine *m, const struct memory *memory, uint32_t delta)
{
	const int64_t left = m->stepping ? m->gas_parked : m->gas;

	return m->store->grow_alone && delta && delta <= memory->pages_max - memory->pages &&
		(uint64_t)left != (uint64_t)delta * PAGE_GAS;
}

bool
slow_memory_grow(struct machine *m)
{
	struct memory *memory = m->instance->memory;
	uint64_t *slot = &m->fp[m->ip->d];
	const uint32_t delta = (uint32_t)*slot, pages = memory->pages;
	int grown = 0;

	if (grows_in_company(m, memory, delta))
		return stop(m, EXEC_GROW, PHASE_CALL, (uint64_t)delta * PAGE_GAS);
	if (machine_step(m, PHASE_CALL))
		return false;
	if (delta <= memory->pages_max - pages) {
		const uint64_t price = (uint64_t)delta * PAGE_GAS;
		int64_t *purse = m->stepping ? &m->gas_parked : &m->gas;

		if (!machine_pay(m, price, PHASE_CALL))
			return false;
		grown = memory_grow(m->store, memory, delta);
		if (grown <= 0)
			*purse += (int64_t)price; /* nothing was made */
	}
	if (grown < 0 && m->store->stop_when_dry)
		return stop(m, EXEC_STORAGE, PHASE_CALL,
			memory_price(pages + delta) - memory_price(pages));
	*slot = grown > 0 ? pages : UINT32_MAX;
	machine_view(m, m->instance);
	m->ip++;
	return true;
}

bool
slow_table_grow(struct machine *m)
{
	struct table *table = m->tables[m->ip->lo];
	uint64_t *slots = &m->fp[m->ip->d];
	const uint32_t delta = (uint32_t)slots[1], count = table->count;
	const uint64_t price = delta / BULK_ENTRIES_PER_GAS;
	int64_t *purse = m->stepping ? &m->gas_parked : &m->gas;
	int grown = 0;

	if (machine_step(m, PHASE_CALL))
		return false;
	if (delta <= table->max - count) {
		if (!machine_pay(m, price, PHASE_CALL))
			return false;
		grown = table_grow(m->store, table, delta, slots[0]);
		if (grown <= 0)
			*purse += (int64_t)price;
	}
	if (grown < 0 && m->store->stop_when_dry)
		return stop(m, EXEC_STORAGE, PHASE_CALL, (uint64_t)delta * sizeof *table->refs);
	slots[0] = grown > 0 ? count : UINT32_MAX;
	m->ip++;
	return true;
}

/* --- bulk work: the operands to, from, n are advanced in place ----------------------- */

struct bulk {
	uint64_t *op; /* three slots */
	uint64_t to, from, n;
};

static struct bulk
bulk_of(struct machine *m)
{
	uint64_t *op = &m->fp[m->ip->a];

	return (struct bulk){op, (uint32_t)op[0], (uint32_t)op[1], (uint32_t)op[2]};
}

/* How many of n to do now, paid for; false: stopped. `weight` units are one gas. */
static bool
bulk_piece(struct machine *m, uint64_t n, uint64_t most, uint64_t weight, uint64_t *ret_now)
{
	const uint64_t now = min_u64(n, most);

	if (machine_step(m, PHASE_BULK))
		return false;
	if (!machine_pay(m, BULK_PIECE_GAS + now / weight, PHASE_BULK))
		return false;
	*ret_now = now;
	return true;
}

/* Done so much of it: on to the next piece, or past the instruction. */
static bool
bulk_done(struct machine *m, const struct bulk *b, uint64_t now, bool to, bool from)
{
	if (to)
		b->op[0] = b->to + now;
	if (from)
		b->op[1] = b->from + now;
	b->op[2] = b->n - now;
	if (b->n == now)
		m->ip++;
	return true;
}

bool
slow_memory_fill(struct machine *m)
{
	const struct bulk b = bulk_of(m);
	uint64_t now;

	if (!span_fits(b.to, b.n, m->mem_bytes))
		return trap(m, TRAP_MEMORY);
	if (!bulk_piece(m, b.n, BULK_PIECE_BYTES, BULK_BYTES_PER_GAS, &now))
		return false;
	if (now)
		memset(m->mem + b.to, (int)(uint8_t)b.from, now);
	return bulk_done(m, &b, now, true, false);
}

bool
slow_memory_copy(struct machine *m)
{
	const struct bulk b = bulk_of(m);
	uint64_t now;

	if (!span_fits(b.to, b.n, m->mem_bytes) || !span_fits(b.from, b.n, m->mem_bytes))
		return trap(m, TRAP_MEMORY);
	if (!bulk_piece(m, b.n, BULK_PIECE_BYTES, BULK_BYTES_PER_GAS, &now))
		return false;
	if (b.to <= b.from) { /* forward: what is left lies above */
		if (now)
			memmove(m->mem + b.to, m->mem + b.from, now);
		return bulk_done(m, &b, now, true, true);
	}
	if (now) /* backward: what is left lies below */
		memmove(m->mem + b.to + b.n - now, m->mem + b.from + b.n - now, now);
	return bulk_done(m, &b, now, false, false);
}

bool
slow_memory_init(struct machine *m)
{
	const uint32_t segment = m->ip->lo;
	const struct data *data = &m->module->datas[segment];
	const uint64_t bytes = m->instance->data_dropped[segment] ? 0 : data->count;
	const struct bulk b = bulk_of(m);
	uint64_t now;

	if (!span_fits(b.to, b.n, m->mem_bytes) || !span_fits(b.from, b.n, bytes))
		return trap(m, TRAP_MEMORY);
	if (!bulk_piece(m, b.n, BULK_PIECE_BYTES, BULK_BYTES_PER_GAS, &now))
		return false;
	if (now)
		memcpy(m->mem + b.to, data->bytes + b.from, now);
	return bulk_done(m, &b, now, true, true);
}

bool
slow_data_drop(struct machine *m)
{
	m->instance->data_dropped[m->ip->lo] = 1;
	m->ip++;
	return true;
}

enum { BULK_PIECE_ENTRIES = BULK_PIECE_BYTES / 8 };

bool
slow_table_fill(struct machine *m)
{
	struct table *table = m->tables[m->ip->lo];
	const struct bulk b = bulk_of(m);
	uint64_t now;

	if (!span_fits(b.to, b.n, table->count))
		return trap(m, TRAP_TABLE);
	if (!bulk_piece(m, b.n, BULK_PIECE_ENTRIES, BULK_ENTRIES_PER_GAS, &now))
		return false;
	for (uint64_t i = 0; i < now; i++)
		table->refs[b.to + i] = b.op[1];
	return bulk_done(m, &b, now, true, false);
}

bool
slow_table_copy(struct machine *m)
{
	struct table *to = m->tables[m->ip->lo];
	const struct table *from = m->tables[m->ip->hi];
	const struct bulk b = bulk_of(m);
	uint64_t now;

	if (!span_fits(b.to, b.n, to->count) || !span_fits(b.from, b.n, from->count))
		return trap(m, TRAP_TABLE);
	if (!bulk_piece(m, b.n, BULK_PIECE_ENTRIES, BULK_ENTRIES_PER_GAS, &now))
		return false;
	if (b.to <= b.from) {
		if (now)
			memmove(to->refs + b.to, from->refs + b.from, now * sizeof *to->refs);
		return bulk_done(m, &b, now, true, true);
	}
	if (now)
		memmove(to->refs + b.to + b.n - now, from->refs + b.from + b.n - now,
			now * sizeof *to->refs);
	return bulk_done(m, &b, now, false, false);
}

bool
slow_table_init(struct machine *m)
{
	struct table *table = m->tables[m->ip->lo];
	const uint32_t segment = m->ip->hi;
	const struct elem *elem = &m->module->elems[segment];
	const uint64_t count = m->instance->elem_dropped[segment] ? 0 : elem->count;
	const struct bulk b = bulk_of(m);
	uint64_t now;

	if (!span_fits(b.to, b.n, table->count) || !span_fits(b.from, b.n, count))
		return trap(m, TRAP_TABLE);
	if (!bulk_piece(m, b.n, BULK_PIECE_ENTRIES, BULK_ENTRIES_PER_GAS, &now))
		return false;
	for (uint64_t i = 0; i < now; i++)
		table->refs[b.to + i] = init_value(m->instance, &elem->inits[b.from + i]);
	return bulk_done(m, &b, now, true, true);
}

bool
slow_elem_drop(struct machine *m)
{
	m->instance->elem_dropped[m->ip->lo] = 1;
	m->ip++;
	return true;
}

bool
slow_table_get(struct machine *m)
{
	const struct table *table = m->tables[m->ip->lo];
	const uint32_t i = (uint32_t)m->fp[m->ip->a];

	if (i >= table->count)
		return trap(m, TRAP_TABLE);
	m->fp[m->ip->d] = table->refs[i];
	m->ip++;
	return true;
}

bool
slow_table_set(struct machine *m)
{
	struct table *table = m->tables[m->ip->lo];
	const uint32_t i = (uint32_t)m->fp[m->ip->a];

	if (i >= table->count)
		return trap(m, TRAP_TABLE);
	table->refs[i] = m->fp[m->ip->b];
	m->ip++;
	return true;
}

bool
slow_ref_func(struct machine *m)
{
	const struct init init = {.kind = INIT_REF_FUNC, .value = m->ip->lo};

	m->fp[m->ip->d] = init_value(m->instance, &init);
	m->ip++;
	return true;
}
