/* SPDX-License-Identifier: Apache-2.0 */
/* code.h - slot code: what both executors run.
 *
 *   bytes 0    2    4    6    8           12          16
 *       +----+----+----+----+-----------+-----------+
 *       | op | d  | a  | b  |    lo     |    hi     |   d, a, b: slots of the frame
 *       |    |    |   ab    |          imm          |   lo, hi or imm: numbers
 *       +----+----+---------+-----------------------+
 *
 *   gas           ab = function, lo = cost of the block it heads, hi = wasm offset
 *   enter         d = header slot, a = locals to zero (the slots before d),
 *                 lo = bytes the frame needs, hi = type id; then the entry block's gas
 *   br            lo = how far, in bytes, to a `gas`; so in all branches
 *   skip_unless   a = condition: if zero to lo (a `gas`), else the next one, uncharged
 *   br_table      a = index, lo = count; then count + 1 `br`, the last the default
 *   return_*      d = header slot; a = first result (its home); b = count
 *   call          d = first argument's slot, ab = defined function, imm = H1;
 *                 then data: imm = H0
 *   call_import   d, ab = function index of the import, imm = H1
 *   call_indirect d, a = index slot, imm = H1; then data: lo = type id, hi = table
 *   select        d := lo ? a : b
 *
 * A frame, upward, slots of 8 bytes; fp is its first:
 *
 *   [params][locals][H0][H1][operand 0][operand 1]...
 *
 *   H1 = function << 32 | wasm offset: where the caller goes on. Always true.
 *   H0 = how far below the caller's frame is << 32 | where in its code, both in
 *        bytes: a cache of H1, so that a return looks nothing up; rebuilt after
 *        a thaw.
 *
 * A special frame (link, try) is [H0][H1][word], and what it called follows;
 * H1's function is then FUNC_LINK or FUNC_TRY. The bottom frame's is FUNC_ENTRY. */
#pragma once

#include <stdint.h>

#include "kernel/wasm/module.h"

struct insn {
	uint16_t op, d;
	union {
		struct {
			uint16_t a, b;
		};
		uint32_t ab;
	};
	union {
		uint64_t imm;
		struct {
			uint32_t lo, hi;
		};
	};
};

_Static_assert(sizeof(struct insn) == 16, "an instruction is 16 bytes");

enum code {
#define CODE(name) CODE_##name,
#include "kernel/wasm/code.def"
	CODE_COUNT
};

/* What an instruction leaves its result in, besides its slot; floats of 32 bits
 * are bits in ACC_INT. See lower_acc.c. */
enum acc { ACC_NONE, ACC_INT, ACC_DOUBLE, ACC_COUNT };

/* The first instructions of every module's code: where special frames return. */
enum { STUB_EXIT, STUB_LINK, STUB_TRY, STUB_COUNT };

static inline uint64_t
h0_make(uint64_t slots, uint64_t index)
{
	return slots * sizeof(uint64_t) << 32 | index * sizeof(struct insn);
}

static inline uint64_t
h0_slots(uint64_t h0)
{
	return (h0 >> 32) / sizeof(uint64_t);
}

static inline uint32_t
h0_index(uint64_t h0)
{
	return (uint32_t)h0 / sizeof(struct insn);
}

/* What a branch at `from` to `to` holds. */
static inline uint32_t
branch_bytes(uint32_t from, uint32_t to)
{
	return (to - from) * (uint32_t)sizeof(struct insn);
}

enum {
	HEADER_SLOTS = 2,
	SPECIAL_SLOTS = 3,
	BLOCK_GAS_SPLIT = 8000, /* a longer block is split, so that a step is bounded */
	LOCAL_GAS = 1,         /* zeroing one local */
};

#define FUNC_ENTRY 0xffffffffu
#define FUNC_LINK  0xfffffffeu
#define FUNC_TRY   0xfffffffdu
#define FUNC_SPECIAL(func) ((func) >= FUNC_TRY)

/* A place where a frame can stand still. Sorted by code. */
struct safepoint {
	uint32_t offset; /* of the wasm instruction; PHASE_RETURN: of the one after the call */
	uint32_t code;   /* index in the module's code */
	uint32_t types;  /* where the operands' types begin in map->types */
	uint16_t height; /* operands in their home slots; PHASE_RETURN: below the results */
	uint8_t phase;   /* enum phase */
	uint32_t calltype; /* PHASE_RETURN, PHASE_CALL of a call: the callee's type index */
};

/* Made when somebody asks (an image, a trap), thrown away after. */
struct code_map {
	struct safepoint *points;
	uint32_t count, room;
	uint8_t *types; /* valtypes */
	uint32_t types_count, types_room;
	uint32_t *offsets; /* of each instruction, for traps; from unit->start */
	uint32_t insns;
};

struct code_unit {
	uint32_t start, count; /* in module->code; count 0: not lowered yet */
};

/* lower.c */
/* Reserves the module's code and fills the stubs, once: 0 or -ENOMEM. */
int lower_open(struct module *module);
void lower_close(struct module *module);
/* The function's slot code, appended to module->code at its first call: 0, -ENOMEM. */
int lower_func(struct module *module, uint32_t defined);
/* The map of a lowered function: lowers it once more beside. Free with map_free(). */
int lower_map(struct module *module, uint32_t defined, struct code_map *ret_map);
void map_free(struct module *module, struct code_map *map);
/* Which defined function this index of module->code belongs to. */
uint32_t lower_owner(const struct module *module, uint32_t code);
