/* SPDX-License-Identifier: Apache-2.0 */
/* ops.h - the rows of ops.def as an enum and a table.
 *
 * Owns     op_infos: 512 rows, indexed by op_index(); a code that is no
 *          instruction has a row without text.
 * Callers  validate.c, lower.c, and whoever prints an instruction. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum op {
#define OP(code, name, text, imm, sig, gas) OP_##name = (code),
#include "kernel/wasm/ops.def"
#undef OP
};

enum imm {
	IMM_NONE,
	IMM_BLOCK,         /* block type: 0x40, a value type, or a type index (s33) */
	IMM_LABEL,         /* label index */
	IMM_LABELS,        /* vector of labels, then the default label */
	IMM_FUNC,          /* function index */
	IMM_TYPE_TABLE,    /* type index, table index */
	IMM_LOCAL,         /* local index */
	IMM_GLOBAL,        /* global index */
	IMM_TABLE,         /* table index */
	IMM_MEMARG0,       /* alignment (log2), offset; the digit is log2 of the bytes moved */
	IMM_MEMARG1,
	IMM_MEMARG2,
	IMM_MEMARG3,
	IMM_MEMORY,        /* one zero byte */
	IMM_I32,           /* s32 */
	IMM_I64,           /* s64 */
	IMM_F32,           /* 4 bytes */
	IMM_F64,           /* 8 bytes */
	IMM_VALS,          /* vector of value types (select t) */
	IMM_REFTYPE,       /* reference type */
	IMM_DATA_MEMORY,   /* data index, one zero byte */
	IMM_DATA,          /* data index */
	IMM_ELEM_TABLE,    /* element segment index, table index */
	IMM_ELEM,          /* element segment index */
	IMM_TABLE_TABLE,   /* table index (destination), table index (source) */
	IMM_MEMORY_MEMORY, /* two zero bytes */
};

/* Every block costs this besides its instructions, so no loop is free. */
enum { GAS_BLOCK = 2 };

struct op_info {
	const char *text; /* NULL: no such instruction */
	const char *sig;  /* see ops.def */
	uint16_t code;
	uint16_t gas;
	uint8_t imm; /* enum imm */
};

enum { OP_INFOS = 512 };
extern const struct op_info op_infos[OP_INFOS];

/* Codes are 0..0xff and 0xfc00..0xfcff. */
static inline uint32_t
op_index(uint32_t code)
{
	return (code & 0xff) | (code & 0x8000) >> 7;
}

/* The row, or NULL when there is no such instruction. */
static inline const struct op_info *
op_info(uint32_t code)
{
	const struct op_info *info = &op_infos[op_index(code)];

	return (code <= 0xff || (code >= 0xfc00 && code <= 0xfcff)) && info->text ? info : NULL;
}
