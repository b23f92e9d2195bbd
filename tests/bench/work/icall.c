/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a table: a small stack machine. */
#include "work.h"

typedef uint32_t step_fn(uint32_t a, uint32_t b);

#define STEP(name, expr)                                                                       \
	static uint32_t name(uint32_t a, uint32_t b) { return (expr); }
STEP(step_add, a + b)
STEP(step_sub, a - b)
STEP(step_xor, a ^ b)
STEP(step_mul, a * (b | 1))
STEP(step_turn, a << 5 | a >> 27)
STEP(step_min, a < b ? a : b)
STEP(step_half, (a >> 1) + b)
STEP(step_not, ~a + (b << 2))

static step_fn *const steps[8] = {
	step_add, step_sub, step_xor, step_mul, step_turn, step_min, step_half, step_not};
static uint8_t program[256];

uint64_t
run(uint32_t count)
{
	uint32_t a = 1, b = 0x9e3779b9;

	for (uint32_t i = 0; i < 256; i++)
		program[i] = (uint8_t)(i * 37 >> 3 & 7);
	for (uint32_t round = 0; round < count; round++)
		for (uint32_t i = 0; i < 256; i++) {
			const uint32_t c = steps[program[i]](a, b);

			a = b + 0x1234567;
			b = c;
		}
	return (uint64_t)a << 32 | b;
}
