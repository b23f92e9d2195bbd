/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in a megabyte, strided stores. */
#include "work.h"

enum { LIMIT = 1 << 20 };

static uint8_t marks[LIMIT];

uint64_t
run(uint32_t count)
{
	uint64_t primes = 0;

	for (uint32_t round = 0; round < count; round++) {
		for (uint32_t i = 0; i < LIMIT; i++)
			marks[i] = (uint8_t)(i >= 2);
		for (uint32_t i = 2; i * i < LIMIT; i++)
			if (marks[i])
				for (uint32_t j = i * i; j < LIMIT; j += i)
					marks[j] = 0;
		for (uint32_t i = 0; i < LIMIT; i++)
			primes += marks[i];
	}
	return primes;
}
