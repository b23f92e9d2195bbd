/* SPDX-License-Identifier: Apache-2.0 */
/* Calls and little else. */
#include "work.h"

static uint32_t __attribute__((noinline))
fib(uint32_t n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t
run(uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += fib(24 + (i & 1));
	return sum;
}
