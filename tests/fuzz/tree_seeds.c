/* SPDX-License-Identifier: Apache-2.0 */
/* tree_seeds.c - the first inputs of fuzz_thaw: trees that random orders made.
 * usage: tree_seeds FOLDER */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/gate.h"
#include "tests/support/buffer.h"
#include "tests/support/seeds.h"

enum { TREES = 40, BYTES = 1500 };

int
main(int argc, char **argv)
{
	static uint8_t bytes[BYTES];
	char path[4096];

	for (uint64_t i = 1; argc == 2 && i <= TREES; i++) {
		struct seed seed = {i};
		struct buffer image;
		FILE *file;

		for (unsigned j = 0; j < BYTES; j++)
			bytes[j] = (uint8_t)(seed_next(&seed) >> 24);
		buffer_init(&image);
		gate_image(bytes, BYTES, &image.sink);
		(void)snprintf(path, sizeof path, "%s/tree-%llu", argv[1], (unsigned long long)i);
		file = image.count && image.count <= 65536 ? fopen(path, "wb") : NULL;
		if (file && (fwrite(image.bytes, 1, image.count, file) != image.count || fclose(file)))
			return EXIT_FAILURE;
		buffer_done(&image);
	}
	return argc == 2 ? 0 : EXIT_FAILURE;
}
