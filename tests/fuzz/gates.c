/* SPDX-License-Identifier: Apache-2.0 */
/* gates.c - the target gate on fixed dice, as a TAP test.
 * usage: test-fuzz-gates [FIRST [COUNT]] */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/gate.h"
#include "tests/support/seeds.h"

enum { CASES = 2000, BYTES = 1500 };

int
main(int argc, char **argv)
{
	const uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	const uint64_t cases = argc > 2 ? strtoull(argv[2], NULL, 10) : CASES;
	static uint8_t bytes[BYTES];

	puts("1..1");
	for (uint64_t i = first; i < first + cases; i++) {
		struct seed seed = {i};

		printf("# seed %llu\n", (unsigned long long)i);
		if (argc > 1)
			fflush(stdout);
		for (unsigned j = 0; j < BYTES; j++)
			bytes[j] = (uint8_t)(seed_next(&seed) >> 24);
		gate_run(bytes, BYTES);
	}
	puts("ok 1 - random orders leave the world in order");
	return 0;
}
