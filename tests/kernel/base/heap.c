/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/heap.h"

#include <criterion/criterion.h>

#include "kernel/host.h"

/* The classes as heap.h tells them: 16, 24, 32, 48, 64 ... 64 KiB. */
static uint64_t
class_above(uint64_t bytes)
{
	for (uint64_t class = 16;; class *= 2) {
		if (class >= bytes)
			return class;
		if (class / 2 * 3 >= bytes)
			return class / 2 * 3;
	}
}

Test(heap, a_block_costs_its_class)
{
	for (uint64_t bytes = 0; bytes <= HEAP_BLOCK_MAX; bytes++)
		cr_assert_eq(heap_cost(bytes), class_above(bytes), "%llu",
			(unsigned long long)bytes);
	for (uint64_t bytes = HEAP_BLOCK_MAX + 1; bytes < 3 * HEAP_BLOCK_MAX; bytes += 97)
		cr_assert_eq(heap_cost(bytes), (bytes + 4095) / 4096 * 4096);
}
