/* SPDX-License-Identifier: Apache-2.0 */
/* code.h - checked functions to Wasm.
 *
 * A variable is a local. One that refers to the heap has, besides, a slot in the
 * function's part of the *shadow stack*, so that whoever reclaims memory sees it:
 * the local is read, both are written. What is referred to only by an operand while
 * something else may allocate gets such a slot too. A parameter needs none, for the
 * caller holds it, unless it is assigned.
 *
 * code_module.c  sections, static texts, entries
 * code_stmt.c    functions and statements
 * code_expr.c    expressions
 * code_call.c    calls: plain, into sandboxes and domains, intrinsics
 * code_op.c      single instructions, locals
 *
 * CODE1  at each call the slots hold all references that are needed behind it.
 * CODE2  blocks do not move, so a reference in a local stays true. */
#pragma once

#include "tools/entish/check.h"
#include "tools/entish/cost.h"
#include "tools/entish/out.h"

enum { /* the memory of a program; prelude.et has the same numbers      ORDER CELLS */
	CELL_ROLE = 128,
	CELL_GAS = 136,
	CELL_WORDS = 144,
	CELL_REFS = 152,  /* which arguments are references, a bit each */
	CELL_COUNT = 160, /* of arguments */
	CELL_RESULT = 168,
	CELL_KEYS = 184,  /* how many; then slots and names */
	CELL_ARGS = 256,  /* 32 words */
	CELL_KEY_AT = 512, /* KEYS_MAX times slot and name */
	STACK_AT = 2048,
	STACK_END = STACK_AT + (40 << 10),
	STATIC_AT = STACK_END,
	BLOCK_HEAD = 16, /* bytes before what a block holds */
	LIST_LENGTH = 16,
	LIST_DATA = 24,
};

enum { CODE_IMPORTS = 7, CODE_START = CODE_IMPORTS, CODE_FIRST };

struct coder { /* of one module */
	struct arena *arena;
	struct checker *check;
	struct out types, statics, bodies, functions;
	uint32_t types_count, statics_count;
	struct static_text *texts[256];

	/* of one function */
	struct instance *in;
	struct out *body;
	struct out local_types;
	uint32_t locals, depth;
	uint32_t frame;                /* the local with its part of the shadow stack */
	uint32_t *roots;               /* of a variable: 1 + slot; 0: none */
	uint32_t root_next, roots_max; /* slots */
	bool rooted;
	uint32_t spare[3][64], spare_count[3]; /* locals that are free: i32, i64, f64 */
	uint32_t break_depth, continue_depth;
	place at; /* of the node whose code this is */
	struct costs *costs; /* NULL: nobody asks */
	bool counts;
	uint32_t stack; /* where the shadow stack is empty: above the domains' variables */
	const char *domains; /* what $domains() is */
};

/* The module, `core`; and with a copy of itself inside, for those that make
 * children: `whole`. */
void code_module(struct checker *check, struct costs *costs, struct out *ret_module);

/* --- shared --------------------------------------------------------------------------- */

struct fact *code_fact(struct coder *c, const struct node *node);
uint32_t code_type(struct coder *c, const char *params, const char *results);
uint32_t code_index(const struct coder *c, const struct instance *instance);
uint32_t code_static(struct coder *c, const char *text, uint64_t bytes); /* its address */
void code_function(struct coder *c, struct instance *instance);

/* What is on the stack, into a variable; of the function, or of its domain. */
void code_set_name(struct coder *c, const struct node *node);
void code_get_name(struct coder *c, const struct node *node);
uint32_t code_temp(struct coder *c, enum wasm_type type);
void code_temp_free(struct coder *c, uint32_t local, enum wasm_type type);
void op(struct coder *c, unsigned code);
void op_u(struct coder *c, unsigned code, uint64_t value);
void op_i32(struct coder *c, int64_t value);
void op_i64(struct coder *c, int64_t value);
void op_call(struct coder *c, const struct instance *instance);
void op_help(struct coder *c, enum helper helper);
void op_load(struct coder *c, struct type *type, uint32_t offset);
void op_store(struct coder *c, struct type *type, uint32_t offset);
uint32_t op_block(struct coder *c, unsigned code); /* without a result; its depth */
void op_end(struct coder *c);
void op_br(struct coder *c, unsigned code, uint32_t to);

void code_expr(struct coder *c, struct node *node);
void code_call(struct coder *c, struct node *node);
void code_sandbox(struct coder *c, struct node *node);
void code_dollar(struct coder *c, struct node *node); /* intrinsics */
/* A branch to `to` if the condition is as said. */
void code_jump(struct coder *c, struct node *node, bool sense, uint32_t to);
/* A call's argument: what is new is given a root. */
void code_arg(struct coder *c, struct node *node);
/* What is on the stack is given a root that ends with the statement. */
void code_root(struct coder *c);
/* What is on the stack, of this type, becomes the value of an outcome. */
void code_wrap(struct coder *c, struct type *type);
void code_zero(struct coder *c, struct type *type, uint32_t depth);
void code_operation(struct coder *c, unsigned op, struct type *type, bool unsigned_op);
uint32_t code_refs(struct type *type); /* 1: on the heap */
uint32_t code_description(struct type *type);
/* Of a record or tuple. */
uint32_t code_fields(const struct type *of);
struct type *code_field(struct type *of, uint32_t i);
/* The list in a local and a place in another: the address of the element - 16. */
void code_place(struct coder *c, uint32_t list, uint32_t at);
