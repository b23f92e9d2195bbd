/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the inside of a store, and of the machine that runs it.
 *
 * Owns     struct store (see engine.h) and struct machine: the copy of it that
 *          the executors keep in registers and one cache line or two.
 * Callers  kernel/wasm only.
 *
 * STORE1   while a store is not running, its top frame stands at (ip, phase)
 *          and everything it needs is in its slots.
 * STORE2   fp never lies below stack or above stack_end.
 * STORE12  `taken` is what storage was asked for and not given back. */
#pragma once

#include "kernel/base/pages.h"
#include "kernel/wasm/code.h"
#include "kernel/wasm/engine.h"

/* The pages of a memory, from its first on: those past `count` are zero, as is
 * number 0. Never changed while more than one memory holds it. */
struct pagelist {
	uint32_t holders, count;
	uint32_t page[];
};

/* A vector of pointers in a store: the objects keep their places. */
struct objects {
	void **at;
	uint32_t count, room;
};

struct store {
	struct heap *heap;
	struct typebook *book;
	struct storage *storage;
	struct pages *pages;
	uint64_t taken;
	enum executor executor;
	bool stop_when_dry;
	bool grow_alone; /* store_grow_alone() */
	uint64_t slots_max;
	struct objects instances, memories, tables, globals;

	/* The computation: an init frame below, calls above; idle when neither. */
	uint64_t *stack;
	uint64_t stack_room;       /* slots allocated */
	bool running;              /* there are frames */
	bool host_entry;           /* ... but only a host function that was called at once */
	bool returned;             /* ... which is done: the next run says so */
	uint64_t fp;               /* slot index of the top frame */
	uint32_t instance;         /* of the top frame */
	uint32_t ip;               /* index in its module's code */
	enum phase phase;
	enum trap trap;            /* PHASE_TRAP */
	uint32_t entry_instance, entry_func; /* what the bottom frame is a call of */
	bool initialising;         /* an init frame: below everything */
	uint32_t init_instance;
	uint32_t init_step;        /* done: elems, then datas, then start */
	uint64_t init_done;        /* entries or bytes of the present one */
	uint64_t step_left, step_count;
	bool stepping;
};

struct machine {
	/* Read by fast paths. An access of n bytes at ea is inside iff ea is below
	 * mem_ends[log2 n]: one addition less than adding n to ea each time. */
	uint64_t mem_ends[4];
	uint64_t mem_bytes;
	const struct insn *const *entries;
	const struct insn *code;
	uint64_t *stack_end;
	struct global **globals;
	struct table **tables;
	/* Saved and loaded around slow paths. */
	const struct insn *ip;
	uint64_t *fp;
	uint8_t *mem;
	int64_t gas;
	/* The rest. */
	struct store *store;
	struct instance *instance;
	struct module *module;
	int64_t gas_parked;  /* while stepping, gas is -1 and this is the gas */
	bool stepping;
	enum exec_end end;
	enum phase phase;
	enum trap trap;
	uint64_t need;
	/* EXEC_HOST */
	uint32_t host;
	uint32_t host_import;
	const struct functype *host_type;
	uint64_t *host_slots;
};

/* exec_switch.c, exec_fast.c: run from m->ip until a slow path says stop. */
void exec_switch(struct machine *m);
void exec_fast(struct machine *m);

/* exec_slow.c: what is rare or long, shared by both executors. Each takes the
 * machine with ip, fp and gas saved, and answers whether to go on from there. */
bool slow_gas(struct machine *m, const struct insn *block); /* the block's charge failed */
bool slow_trap(struct machine *m);                          /* m->trap is set */
#define SLOW_PATH(name) bool name(struct machine *m);
#include "kernel/wasm/slow.def"
#undef SLOW_PATH
/* Charges work that is not a block: false, and stopped in this phase, without it. */
bool machine_pay(struct machine *m, uint64_t gas, enum phase phase);
/* A safepoint was reached: true when stepping ends here. */
bool machine_step(struct machine *m, enum phase phase);

/* The machine's view of the store's current instance; after a link or a grow. */
void machine_view(struct machine *m, struct instance *instance);

/* Gas for one piece of bulk work. */
enum { BULK_PIECE_BYTES = 64 << 10, BULK_PIECE_GAS = 50, BULK_BYTES_PER_GAS = 8,
	BULK_ENTRIES_PER_GAS = 1, PAGE_GAS = 2000, THROW_FRAME_GAS = 30, INIT_STEP_GAS = 100 };

/* store.c */
/* An instance with room for its module's parts, not yet in the store; then in
 * it, or freed. 0, -ENOMEM, -ENOSPC. */
int instance_alloc(struct store *store, struct module *module, struct instance **ret_instance);
int instance_add(struct store *store, struct instance *instance);
/* BIND_TRY or BIND_THROW, if the engine serves this import. */
bool store_intrinsic_kind(const struct import *import, const struct functype *type,
	enum binding_kind *ret_kind);
uint64_t memory_bytes(uint32_t pages);
/* What storage is asked for: the bytes, and the longest list there could be of
 * them, so that being hot or cold changes no account. */
uint64_t memory_price(uint32_t pages);
enum { MEMORY_RESERVED_MIN = 65536 };
enum memory_form { MEMORY_HOT, MEMORY_COLD };
/* As store_add_memory(), hot or empty and cold. */
int memory_add(struct store *store, struct limits limits, enum memory_form form, uint32_t *ret_index);
/* Grown by delta pages if max and storage allow: 1; 0: no (memory.grow's -1);
 * -1: storage refused. */
int memory_grow(struct store *store, struct memory *memory, uint32_t delta);
int table_grow(struct store *store, struct table *table, uint32_t delta, uint64_t init);
/* The stack has at least `slots` from its bottom: 0; -ENOSPC: storage refused,
 * or no memory; -EAGAIN: past the fixed limit. Moves it. */
int stack_reserve(struct store *store, uint64_t slots);
/* Of a store without a stack: exactly this room. What a stack was grown to is
 * paid for and so part of the state. 0, -ENOSPC, -EAGAIN. */
int stack_restore(struct store *store, uint64_t room);
uint64_t init_value(const struct instance *instance, const struct init *init);

/* cold.c */
struct pagelist *pagelist_new(struct store *store, uint32_t count); /* NULL: no memory */
void pagelist_drop(struct store *store, struct pagelist *list); /* NULL is fine */
int memory_warm(struct store *store, struct memory *memory); /* 0, -ENOMEM */
/* The page of that number, hot or cold; NULL if it is zero. */
const uint8_t *memory_page(const struct store *store, const struct memory *memory, uint64_t page);
bool page_is_zero(const uint8_t *page);

/* init.c: runs the init frame until it is done (true, with running set if a
 * start function is to run first) or stops (false, m->end says why). */
bool init_run(struct machine *m);

/* Puts a call as the bottom frame: 0, -ENOSPC (storage), -ENOMEM, -EAGAIN (limit). */
int store_push_entry(struct store *store, struct instance *instance, uint32_t func);

/* The function a reference or an index means, imports followed. */
struct target {
	enum binding_kind kind; /* BIND_FUNC or BIND_HOST (and the intrinsics below) */
	struct instance *instance;
	uint32_t func;          /* BIND_FUNC: index, not an import's */
	uint32_t host;
	uint32_t import;        /* BIND_HOST: the import's index in its module */
	const struct functype *type;
};
enum { BIND_TRY = 100, BIND_THROW = 101 };
struct target target_of(struct store *store, struct instance *instance, uint32_t func);
/* store_at_host() of a frame that stands at a call. */
bool slow_at_host(struct store *store, uint32_t *ret_host);
