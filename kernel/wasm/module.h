/* SPDX-License-Identifier: Apache-2.0 */
/* module.h - a decoded and validated module as data.
 *
 * Owns     struct module: immutable once module_load() returned 0, but for the
 *          slot code, which lower.c appends per function at its first call.
 *          Nothing of an instance is in it, so all instances share one.
 * Callers  decode.c and validate.c fill it; lower.c, link.c, state.c read it.
 * Source   WebAssembly core 2.0, chapters 2 (structure) and 5 (binary format),
 *          without SIMD. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/heap.h"
#include "kernel/base/report.h"

/* spec 5.3: the byte is the type. */
enum valtype {
	VAL_I32 = 0x7f,
	VAL_I64 = 0x7e,
	VAL_F32 = 0x7d,
	VAL_F64 = 0x7c,
	VAL_FUNCREF = 0x70,
	VAL_EXTERNREF = 0x6f,
};

enum extern_kind { EXTERN_FUNC, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_GLOBAL };

/* The fixed limits of the deterministic profile: part of the price list. What
 * breaks one is a malformed module to us, and the message names the limit. */
enum {
	TYPES_MAX = 1000000,
	FUNCS_MAX = 1000000,
	IMPORTS_MAX = 100000,
	EXPORTS_MAX = 1000000,
	GLOBALS_MAX = 1000000,
	SEGMENTS_MAX = 100000,
	TABLES_MAX = 100000,
	TABLE_ENTRIES_MAX = 10000000,
	PARAMS_MAX = 1000,
	RESULTS_MAX = 1000,
	LOCALS_MAX = 50000,
	FRAME_SLOTS_MAX = 60000, /* params + locals + header + operands: slot numbers are 16 bits */
	NESTING_MAX = 60000,     /* blocks open at once in one function */
	MEMORY_PAGES_MAX = 65536,
	CODE_INSNS_MAX = 1 << 27, /* sum of insns_max: 2 GiB of slot code */
};

struct functype {
	const uint8_t *vals; /* params, then results */
	uint16_t params, results;
	uint32_t id; /* equal types have equal ids within one struct typebook */
};

struct limits {
	uint32_t min, max; /* max is UINT32_MAX when the module gives none */
	bool has_max;
};

struct tabletype {
	uint8_t ref; /* VAL_FUNCREF or VAL_EXTERNREF */
	struct limits limits;
};

struct globaltype {
	uint8_t val;
	bool mut;
};

struct name { /* lies in the module's bytes; UTF-8, checked; not terminated */
	const char *text;
	uint32_t bytes;
};

struct import {
	struct name module, field;
	enum extern_kind kind;
	union {
		uint32_t type; /* EXTERN_FUNC: index into types */
		struct tabletype table;
		struct limits memory;
		struct globaltype global;
	};
};

struct export {
	struct name name;
	enum extern_kind kind;
	uint32_t index;
};

/* A constant expression (spec 3.3.8). */
enum init_kind { INIT_CONST, INIT_GLOBAL, INIT_REF_FUNC, INIT_REF_NULL };

struct init {
	enum init_kind kind;
	uint8_t val;    /* its type */
	uint64_t value; /* the bits, the global's index or the function's index */
};

struct global_def {
	struct globaltype type;
	struct init init;
};

enum segment_mode { SEGMENT_ACTIVE, SEGMENT_PASSIVE, SEGMENT_DECLARED };

struct elem {
	enum segment_mode mode;
	uint8_t ref;
	uint32_t table;
	struct init offset; /* SEGMENT_ACTIVE */
	uint32_t count;
	const struct init *inits; /* count of them: INIT_REF_FUNC, INIT_REF_NULL or INIT_GLOBAL */
};

struct data {
	enum segment_mode mode;
	uint32_t memory;
	struct init offset;
	const uint8_t *bytes;
	uint32_t count;
};

struct func {
	uint32_t type;       /* index into types */
	uint32_t body;       /* offset in the module's bytes of the local declarations */
	uint32_t code;       /* ... of the first instruction */
	uint32_t end;        /* ... just past the final `end` */
	uint32_t locals;     /* declared locals, without the parameters */
	uint32_t height_max; /* most operands at once; set by validate.c */
	uint32_t insns_max;  /* upper bound of its slot code, in instructions; set by validate.c */
};

/* Room for the slot code of `funcs` functions whose insns_max add up to `insns`:
 * validate.c's bound, a `gas` for each split of a long block, and what every
 * function has besides. The rest of each division only makes it larger. */
static inline uint64_t
insns_bound(uint64_t insns, uint64_t funcs)
{
	return insns + insns / 16 + 8 * funcs;
}

struct code_unit; /* kernel/wasm/code.h: one function's slot code and safepoint table */

struct module {
	struct heap *heap;
	struct typebook *book; /* holds a reference to each type's id; must outlive the module */
	const uint8_t *bytes; /* borrowed: must outlive the module */
	uint32_t bytes_count;
	uint8_t hash[32]; /* BLAKE2b-256 of the bytes; filled by module_hash() when first asked */
	bool hashed;

	struct functype *types;
	void *owner; /* the embedder's */
	struct import *imports;
	struct func *funcs; /* defined ones; function index = func_imports + this index */
	struct tabletype *tables;   /* imported first, then defined */
	struct limits *memories;    /* imported first, then defined; at most one */
	struct globaltype *globals; /* imported first, then defined */
	struct global_def *global_defs; /* the defined ones */
	struct export *exports;
	uint32_t *exports_sorted; /* indices of exports, by name: shorter first, then by bytes */
	struct elem *elems;
	struct data *datas;
	uint32_t types_count, imports_count, funcs_count, tables_count, memories_count, globals_count,
		exports_count, elems_count, datas_count;
	uint32_t func_imports, table_imports, memory_imports, global_imports;
	uint32_t *func_types; /* type index of every function, imported ones first */
	bool has_start, has_data_count;
	uint32_t start;
	uint32_t data_count;
	uint32_t code_bytes;  /* of the code section */
	struct name name;     /* from the name section, if it has one */
	uint32_t names_at, names_bytes; /* the name section's function names, 0 if none */

	/* What one instance's maker is charged for the module besides its bytes:
	 * decoded tables and the upper bound of its slot code. In bytes. */
	uint64_t cost_bytes;
	uint64_t insns_max; /* sum over funcs */

	/* lower.c; all NULL until the first function runs. */
	struct code_unit *units; /* funcs_count of them */
	const struct insn **entries; /* funcs_count: where each begins; a lazy one at first */
	uint32_t *lowered; /* defined functions in the order they were lowered */
	uint32_t lowered_count;
	struct insn *code;       /* one arena for all functions; reserved in full */
	uint64_t code_insns, code_insns_max;

	/* module.c: what to give back in module_free(). */
	struct pool *pools;
	uint64_t pool_bytes;   /* in them */
	uint32_t types_booked; /* types whose id is held in the book */
};

struct booked;
struct booknode;

/* The function types of all modules that may meet in one store: two types are
 * equal iff their ids are. Owned by the world. Ids are counted and used again
 * when nobody holds them; they are never stored outside (images know types). */
struct typebook {
	struct heap *heap;
	struct booked *types;   /* by id; unused ones are linked */
	uint32_t count, room, unused;
	struct booknode *nodes; /* a tree over the types' bytes: no hash to be attacked */
	uint32_t nodes_count, nodes_room, nodes_unused;
};

void typebook_init(struct typebook *book, struct heap *heap);
void typebook_done(struct typebook *book);
/* The id of this type, held once more: 0 or -ENOMEM. vals: params, then results. */
int typebook_hold(struct typebook *book, const uint8_t *vals, uint16_t params, uint16_t results,
	uint32_t *ret_id);
void typebook_drop(struct typebook *book, uint32_t id);
/* An equal type in the book, or NULL if nobody holds one. Valid until the next hold or drop. */
const struct functype *typebook_find(const struct typebook *book, const struct functype *type);

/* Decodes and validates everything. 0, -EINVAL (malformed or invalid: the
 * report has the rule broken and the offset), -E2BIG (one of our limits),
 * -ENOMEM. The report's text starts with "malformed: ", "invalid: ", "limit: "
 * or "unsupported: ". Time is linear in bytes_count. */
int module_load(struct heap *heap, struct typebook *book, const uint8_t *bytes, size_t bytes_count,
	struct report *report, struct module **ret_module);
void module_free(struct module *module); /* NULL is fine */

const uint8_t *module_hash(struct module *module); /* 32 bytes */

/* The export of that name, or NULL. */
const struct export *module_export(const struct module *module, const char *name, size_t bytes);

/* The function's name from the name section, else its export name, else empty.
 * Looks through them in order, 3 ns a name: a report asks for 32 at most. */
struct name module_func_name(const struct module *module, uint32_t func);

static inline const struct functype *
module_functype(const struct module *module, uint32_t func)
{
	return &module->types[module->func_types[func]];
}
