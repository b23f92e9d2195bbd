/* SPDX-License-Identifier: Apache-2.0 */
/* lower_acc.c - operands out of accumulators: the last pass over a function's code.
 *
 * An instruction leaves its result in an accumulator as well as in its slot
 * (code.def says which ones do). Where the next one that reads the slot comes
 * before the accumulator is made anew, it is given the form that takes its
 * operand from there: a processor hands a register on at once, a slot just
 * stored only cycles later.
 *
 * Nothing else changes: not how many instructions there are, not which slots
 * are written. So all is still at home at every safepoint, and a computation
 * that goes on from one needs no accumulator: what heads a block, what a call
 * returns to and what can be begun again all leave none. */
#include "kernel/wasm/lower_state.h"

enum operand { OPERAND_BOTH, OPERAND_A, OPERAND_B, OPERAND_D, OPERAND_LO, OPERAND_COUNT };

static const struct effect {
	uint8_t makes; /* enum acc */
	bool keeps, puts;
	struct {
		uint16_t to; /* 0, which is `exit`: there is no such form */
		uint8_t from;
	} takes[OPERAND_COUNT];
} effects[CODE_COUNT] = {
#define CODE(name)
#define MAKES(name, kind) [CODE_##name].makes = ACC_##kind,
#define KEEPS(name)       [CODE_##name].keeps = true,
#define PUTS(name)        [CODE_##name].puts = true,
#define TAKES(name, operand, kind, form)                                                       \
	[CODE_##name].takes[OPERAND_##operand] = {CODE_##form, ACC_##kind},
#include "kernel/wasm/code.def"
};

static bool
reads(const struct insn *insn, enum operand operand, uint32_t slot)
{
	switch (operand) {
	case OPERAND_BOTH:
		return insn->a == slot && insn->b == slot;
	case OPERAND_A:
		return insn->a == slot;
	case OPERAND_B:
		return insn->b == slot;
	case OPERAND_D:
		return insn->d == slot;
	case OPERAND_LO:
		return insn->lo == slot;
	case OPERAND_COUNT:
		break;
	}
	return false;
}

void
lower_accumulate(struct insn *code, uint32_t count)
{
	enum { NOWHERE = UINT32_MAX };
	uint32_t held[ACC_COUNT] = {NOWHERE, NOWHERE, NOWHERE}; /* the slot each one is equal to */

	for (struct insn *insn = code; insn < code + count; insn++) {
		const struct effect *effect = &effects[insn->op];

		for (enum operand i = 0; i < OPERAND_COUNT; i++) {
			if (effect->takes[i].to && reads(insn, i, held[effect->takes[i].from])) {
				insn->op = effect->takes[i].to;
				break;
			}
		}
		if (effect->keeps)
			continue;
		for (unsigned i = 0; i < ACC_COUNT; i++)
			if (!(effect->makes || effect->puts) || held[i] == insn->d)
				held[i] = NOWHERE;
		if (effect->makes)
			held[effect->makes] = insn->d;
	}
}
