/* SPDX-License-Identifier: Apache-2.0 */
/* lower_state.h - one function being lowered, and who does which part of it.
 *
 * Owns     struct lower: lives for one call of lower_func() or lower_map().
 * Callers  lower.c drives; lower_stack.c simulates the operand stack, emits and
 *          keeps blocks and labels; lower_control.c has branches and calls,
 *          lower_ops.c everything else.
 * Never    fails but for memory (no_memory): the body was validated. */
#pragma once

#include "kernel/wasm/code.h"
#include "kernel/wasm/engine.h"
#include "kernel/wasm/leb.h"
#include "kernel/wasm/ops.h"

enum val_kind { AT_HOME, IS_LOCAL, IS_CONST, IS_SUM };

struct val {
	uint8_t kind, type;
	bool sum_imm;  /* IS_SUM: a + (uint32_t)k, else a + b */
	uint16_t a, b; /* IS_LOCAL: a; IS_SUM: slots: locals, or this operand's own home as a */
	uint64_t k;    /* IS_CONST, IS_SUM with an immediate */
};

enum ctl_kind { CTL_FUNC, CTL_BLOCK, CTL_LOOP, CTL_IF, CTL_ELSE };

struct ctl {
	enum ctl_kind kind;
	uint32_t height; /* operands below its parameters */
	const uint8_t *params, *results;
	uint32_t params_count, results_count;
	uint32_t head;     /* CTL_LOOP: its `gas` */
	uint32_t patches;  /* forward branches to its end: 1 + the last one; linked through lo */
	uint32_t to_else;  /* CTL_IF: 1 + the branch to its else */
};

struct lower {
	struct module *module;
	const struct func *func;
	uint32_t index;         /* of the function, imports counted */
	const uint8_t *at, *end;
	struct insn *out;       /* the function's code */
	uint32_t n, max;
	uint32_t producer;      /* 1 + the instruction that just made the top operand; 0: none */
	struct val *vals;
	uint32_t height;
	uint32_t known;         /* operands at or above this index may not be at home */
	uint32_t *local_refs;   /* how many known operands name each local */
	uint8_t *local_types;
	uint32_t params, locals; /* locals counts params too */
	uint16_t header, base;   /* slots: H0, and operand 0 */
	struct ctl *ctls;
	uint32_t depth, ctl_room;
	bool dead;
	uint32_t dead_depth;
	uint32_t block;         /* the open block's `gas` */
	uint64_t cost;
	struct code_map *map;   /* NULL: not recorded */
	uint32_t start;         /* index of out[0] in the module's code */
	bool no_memory;
};

/* --- reading a validated body ------------------------------------------------ */

static inline uint32_t
lower_read_u32(struct lower *l)
{
	return leb_u32_checked(&l->at);
}

static inline int64_t
lower_read_signed(struct lower *l)
{
	return leb_signed_checked(&l->at);
}

static inline uint32_t
lower_offset_now(const struct lower *l)
{
	return (uint32_t)(l->at - l->module->bytes);
}

/* --- lower_stack.c */
struct insn *lower_emit(struct lower *l, enum code op, uint32_t d, uint32_t a, uint32_t b);
uint16_t lower_home(const struct lower *l, uint32_t operand);
void lower_emit_value(struct lower *l, const struct val *v, uint16_t own, uint16_t d);
void lower_bring_home(struct lower *l, uint32_t operand);
void lower_flush(struct lower *l, uint32_t height);
struct val *lower_push(struct lower *l, uint8_t type);
struct val lower_pop(struct lower *l);
uint16_t lower_slot_of(struct lower *l, const struct val *v, uint32_t operand);
struct insn *lower_last_producer(struct lower *l);
void lower_push_made(struct lower *l, uint8_t type);
void lower_push_local(struct lower *l, uint32_t local);
void lower_record(struct lower *l, enum phase phase, uint32_t offset, uint32_t insn,
	uint32_t height, uint32_t calltype);
void lower_close_block(struct lower *l);
void lower_open_block(struct lower *l, uint32_t offset);
void lower_patch_all(struct lower *l, uint32_t list, uint32_t target);
struct ctl *lower_label(struct lower *l, uint32_t depth);
uint32_t lower_label_arity(const struct ctl *c);
void lower_aim(struct lower *l, struct ctl *c);
void lower_move_to(struct lower *l, const struct ctl *c);
bool lower_moves_needed(const struct lower *l, const struct ctl *c);
void lower_set_dead(struct lower *l);

/* --- lower_control.c */
struct ctl *lower_ctl_push(struct lower *l, enum ctl_kind kind);
void lower_return(struct lower *l);
void lower_br(struct lower *l, uint32_t depth);
void lower_br_if(struct lower *l, uint32_t depth);
void lower_br_table(struct lower *l);
void lower_begin(struct lower *l, enum ctl_kind kind);
void lower_else(struct lower *l);
void lower_end(struct lower *l);
void lower_call(struct lower *l, uint32_t offset);
void lower_call_indirect(struct lower *l, uint32_t offset);
/* The opposite comparison, if that is one: integers only. */
bool lower_negated(enum code op, enum code *ret);
bool lower_is_compare(unsigned op); /* of integers, as a value */

/* --- lower_acc.c: the last pass, over finished code */
void lower_accumulate(struct insn *code, uint32_t count);

/* --- lower_ops.c: an instruction without and with a prefix byte */
void lower_plain(struct lower *l, uint32_t op, uint32_t offset);
void lower_prefixed(struct lower *l, uint32_t op, uint32_t offset);
