/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h - what the engine gives the kernel: stores, instances, steps.
 *
 * Owns     struct store: the instances, memories, tables and globals of one
 *          domain, and its guest stack of frames. All guest state is in it.
 * Does     links, initialises, runs until something stops it, walks frames,
 *          writes itself as bytes and reads itself back.
 * Callers  kernel/domain.c, kernel/image.c, tests/spec.
 * Never    knows keys, banks, lines: it asks `struct storage` before it stores
 *          anything, and it runs at most `gas` units.
 * Errors   enum exec_end for what the guest did; -errno + report for linking
 *          and for bytes from outside.
 * Source   design.md section 3. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/bytes.h"
#include "kernel/wasm/module.h"

enum trap {
	TRAP_NONE,
#define TRAP(name, text) TRAP_##name,
#include "kernel/wasm/traps.def"
#undef TRAP
	TRAP_COUNT
};

const char *trap_text(enum trap trap);

/* Whoever pays. take() answers whether `bytes` more may be stored, and counts
 * them; give() returns them. domain.c puts the domain's bank here. */
struct storage {
	bool (*take)(struct storage *storage, uint64_t bytes);
	void (*give)(struct storage *storage, uint64_t bytes);
};

/* Hot or cold: see docs/engine.md. */
struct memory {
	uint8_t *base;       /* hot: one reservation of `reserved` bytes; cold: NULL */
	struct pagelist *list; /* cold: what is in it; hot: pages it may still share; NULL: none */
	uint64_t bytes;      /* pages * 64 KiB */
	uint64_t reserved;
	uint32_t pages, pages_max;
	bool bounded;        /* its type has a maximum */
};

struct table {
	uint64_t *refs; /* see struct ref below */
	uint32_t count, max;
	uint64_t room; /* entries allocated */
	uint8_t ref;
	bool bounded;   /* its type has a maximum */
};

struct global {
	uint64_t value; /* i32 and f32 zero-extended */
	uint8_t val;
	bool mut;
};

/* A reference is 64 bits: 0 is null; a function is (instance index + 1) << 32
 * | function index; an external reference is its number + 1. */
static inline uint64_t
ref_func(uint32_t instance, uint32_t func)
{
	return ((uint64_t)instance + 1) << 32 | func;
}

/* What an import is bound to when an instance is made. */
enum binding_kind { BIND_HOST, BIND_FUNC, BIND_TABLE, BIND_MEMORY, BIND_GLOBAL };

struct binding {
	enum binding_kind kind;
	uint32_t index;    /* BIND_HOST: the host's number for it; else the store's index of the
	                      table, memory or global; BIND_FUNC: the function's index in ... */
	uint32_t instance; /* ... this instance */
};

struct instance {
	struct module *module;
	uint32_t index;           /* in the store */
	struct memory *memory;    /* NULL if it has none */
	struct table **tables;
	struct global **globals;
	struct binding *funcs;    /* of the function imports */
	uint32_t memory_index;    /* store indices, for images */
	uint32_t *table_index, *global_index;
	uint8_t *elem_dropped, *data_dropped; /* a byte per segment */
};

/* What the host answers to: who the import is, by the number the binding gave. */
enum exec_end {
	EXEC_RETURNED,     /* the entry function returned; results are in slots */
	EXEC_OUT_OF_GAS,   /* `need` more units would let the next block or piece run */
	EXEC_HOST,         /* a call of a host import: `host`, `args` */
	EXEC_STORAGE,      /* storage refused `need` bytes for the stack, or (with STORE_STOP_WHEN_DRY)
	                      for memory.grow or table.grow: nothing happened, run again */
	EXEC_TRAP,         /* `trap` */
	EXEC_GROW,         /* memory.grow is next and costs `need`: only after store_grow_alone() */
	EXEC_STEPPED,      /* store_step_after() safepoints were passed: stop-everywhere tests */
};

/* Which executor runs a machine. EXECUTOR_FAST is there when the compiler has
 * musttail; executor_present() tells. Results, gas and images are equal. */
enum executor { EXECUTOR_SWITCH, EXECUTOR_FAST };
bool executor_present(enum executor executor);

/* Where a frame stands: see docs/engine.md. */
enum phase {
	PHASE_HEAD,   /* before a block that is not yet charged */
	PHASE_CALL,   /* charged; the call, host call or grow has not begun */
	PHASE_BULK,   /* charged to here; operands advanced past what is done */
	PHASE_RETURN, /* after a call: its results are in place */
	PHASE_TRAP,   /* stopped for good at this instruction */
};

enum frame_kind { FRAME_WASM, FRAME_LINK, FRAME_TRY, FRAME_INIT };

struct store; /* kernel/wasm/store.h */

struct store_config {
	struct heap *heap;
	struct typebook *book;
	struct storage *storage;
	struct pages *pages; /* where cold memories lie; NULL: they never are */
	enum executor executor;
	uint64_t stack_slots_max; /* 0: the default, STACK_SLOTS_MAX */
	bool stop_when_dry;       /* growth refused is EXEC_STORAGE, not -1 */
};

enum { STACK_SLOTS_MAX = 1 << 20 }; /* 8 MiB of frames; past it, TRAP_STACK */

int store_new(const struct store_config *config, struct store **ret_store); /* 0, -ENOMEM, -ENOSPC */
void store_free(struct store *store);
void store_executor(struct store *store, enum executor executor); /* only between steps */

/* Puts all memories into the page store and gives their reservations back: the
 * store cannot run until it is warm again, and all else can be done with it. 0,
 * or -ENOMEM: there are no more pages; some memories may be cold then, the others
 * are as they were, and nothing is lost. */
int store_cool(struct store *store);
int store_warm(struct store *store); /* 0, or -ENOMEM: what is still cold stays so */
bool store_is_cold(const struct store *store); /* one memory at least */
/* A copy that goes on as this one will: it shares modules, and pages, for this
 * one is cooled. Of the config, heap, book and pages must be the same; `storage`
 * is asked once, for all that the copy holds. 0, -ENOMEM, -ENOSPC. */
int store_clone(struct store *store, const struct store_config *config, struct store **ret_store);

/* Allocates and checks an instance: 0; -ENOENT or -EINVAL (an import is missing
 * or does not fit: report, "unknown import" or "incompatible import type");
 * -ENOMEM; -ENOSPC (storage refused). Runs nothing: its segments and start
 * function are done by store_begin_init(), as steps. `bindings` has one entry
 * per import of the module. */
int store_instantiate(struct store *store, struct module *module, const struct binding *bindings,
	struct report *report, uint32_t *ret_instance);

/* Whether the engine serves this import itself (module keyhold: try, throw):
 * its binding is then ignored. */
bool store_intrinsic(const struct import *import, const struct functype *type);

/* Objects without a module, for embedders and tests (the spec's host module). */
int store_add_memory(struct store *store, struct limits limits, uint32_t *ret_index);
int store_add_table(struct store *store, struct tabletype type, uint32_t *ret_index);
int store_add_global(struct store *store, struct globaltype type, uint64_t value, uint32_t *ret_index);

struct instance *store_instance(struct store *store, uint32_t index); /* NULL past the last */
uint32_t store_instances(const struct store *store);
struct memory *store_memory(struct store *store, uint32_t index);
struct table *store_table(struct store *store, uint32_t index);
/* Pages of 64 KiB of all its memories together. */
uint64_t store_pages(const struct store *store);
struct global *store_global(struct store *store, uint32_t index);

/* Puts the instance's initialisation on the (empty) stack: active segments in
 * order, then the start function. store_run() does it. */
void store_begin_init(struct store *store, uint32_t instance);
/* Puts a call on the (empty) stack; args are 64-bit slots, one per parameter. */
int store_begin_call(struct store *store, uint32_t instance, uint32_t func, const uint64_t *args);

/* What a run came to, and what it used. */
struct exec_result {
	enum exec_end end;
	uint64_t used;  /* gas, to the unit, of this run */
	uint64_t need;  /* EXEC_OUT_OF_GAS: gas; EXEC_STORAGE: bytes */
	enum trap trap;
	uint32_t host;      /* EXEC_HOST: the binding's number, ... */
	uint32_t import;    /* ... and the function import's index in its module */
	uint32_t instance;  /* EXEC_HOST: who calls */
	const struct functype *type; /* EXEC_HOST: its type; EXEC_RETURNED: the entry's, NULL
	                                after initialisation */
	uint64_t *slots;    /* EXEC_HOST: arguments, where results are to be put;
	                       EXEC_RETURNED: the results. Valid until the next run. */
};

/* Runs at most `gas` units. After EXEC_HOST the caller puts results into slots
 * and calls store_host_done(), or runs again and gets the same call again. */
void store_run(struct store *store, uint64_t gas, struct exec_result *ret_result);
void store_host_done(struct store *store);
/* Ends the computation with this trap, at the host call that is pending. */
void store_host_trap(struct store *store, enum trap trap);
/* Throws everything on the stack away: the store is idle again. */
void store_unwind(struct store *store);

/* Stop-everywhere: the next runs end with EXEC_STEPPED after n safepoints; 0 = off. */
void store_step_after(struct store *store, uint64_t safepoints);
/* A memory.grow that would make pages is carried out only in a run of exactly its
 * price, which thus ends before the next block; any other run ends before it. Not
 * in images: whoever runs says it. */
void store_grow_alone(struct store *store, bool alone);
uint64_t store_safepoints(const struct store *store); /* passed while stepping */

/* From the top frame down. false past the last. */
struct frame_view {
	enum frame_kind kind;
	enum phase phase;
	uint32_t instance, func; /* FRAME_WASM */
	uint32_t offset;         /* in the module's bytes */
	uint32_t slots;          /* its depth in the stack, in slots */
};
bool store_frame(const struct store *store, uint32_t depth_from_top, struct frame_view *ret_frame);

/* The same, one after the other, in constant time each: zero the walk first. */
struct frame_walk {
	uint64_t fp;
	uint32_t frames, instance, func, offset;
	enum frame_kind kind;
	bool below; /* the calls are done: the init frame is left */
	bool done;
};
bool store_walk(const struct store *store, struct frame_walk *walk, struct frame_view *ret_frame);
bool store_idle(const struct store *store); /* no frames */
bool store_trapped(const struct store *store, enum trap *ret_trap);
/* Does it stand at a call of the host, and which? Nothing runs, no memory is looked at. */
bool store_at_host(struct store *store, uint32_t *ret_host);

/* Guest memory of an instance, checked: NULL unless [at, at + bytes) is inside.
 * It must be hot. */
uint8_t *store_mem_at(struct store *store, uint32_t instance, uint64_t at, uint64_t bytes);

/* Copies guest memory out, hot or cold: false unless it is inside. */
bool store_mem_read(struct store *store, uint32_t instance, uint64_t at, void *to, uint64_t bytes);

/* Copies into guest memory, hot or cold, whole or not at all: 0; -EFAULT: it is
 * not inside; -ENOMEM: there are no more pages. */
int store_mem_write(struct store *store, uint32_t instance, uint64_t at, const void *from,
	uint64_t bytes);

/* The whole store as bytes: canonical, executor-independent, modules by hash
 * (image.c keeps the bytes beside). Memories are written page-sparse, hot or
 * cold: equal bytes. */
void store_write(struct store *store, struct sink *sink);

/* Reads it back into an empty store, cold if it has a page store and that has
 * room: 0; -EINVAL (report: what and where);
 * -ENOMEM; -ENOSPC. Total: any bytes give an error or a well-formed store.
 * `module_of` finds a loaded module by hash, NULL if there is none; `host_of`
 * binds a function import by name and type to the embedder's number for it, as
 * it did when the instance was made. */
struct store_reader {
	struct module *(*module_of)(struct store_reader *reader, const uint8_t hash[32]);
	bool (*host_of)(struct store_reader *reader, const struct import *import,
		const struct functype *type, uint32_t *ret_host);
};
int store_read(struct store *store, struct bytes_in *in, struct store_reader *reader,
	struct report *report);

/* Checks what is stored twice; must() on a fault. Called by world_check(). */
void store_check(struct store *store);
