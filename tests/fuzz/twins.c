/* SPDX-License-Identifier: Apache-2.0 */
/* twins - a few hundred grown programs, each run straight in one executor and
 * stopped, written, read and gone on with in the other; as a TAP test.
 * usage: test-fuzz-twins [SEED [COUNT]] */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/grow.h"
#include "tests/fuzz/twin.h"

enum { DICE = 512 };

int
main(int argc, char **argv)
{
	uint64_t state = argc > 1 ? strtoull(argv[1], NULL, 0) : 2026;
	const unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 300;

	printf("1..%u\n", count);
	for (unsigned i = 0; i < count; i++) {
		const struct twin_config config = {.gas = i & 1 ? 3000 : 20000,
			.period = 1 + i % 5, .stops = 12};
		const size_t used = (i * 37) % DICE;
		uint8_t dice[DICE];
		struct wasm_bytes w;

		for (size_t k = 0; k < used; k++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			dice[k] = (uint8_t)(state >> 56);
		}
		grow_module(&w, dice, used);
		(void)twin_run(w.at, w.count, config, true); /* aborts on a difference */
		printf("ok %u - %zu bytes of program\n", i + 1, w.count);
		(void)fflush(stdout);
		wasm_free(&w);
	}
	return 0;
}
