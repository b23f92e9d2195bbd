/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_program: bytes grow into a valid program (grow.h), which is run twice
 * and compared (twin.h). */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/grow.h"
#include "tests/fuzz/twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const char *keep = getenv("KEYHOLD_FUZZ_KEEP"); /* where the module is to be written */
	const struct twin_config config = {.gas = count && bytes[0] & 1 ? 3000 : 20000,
		.period = count ? 1 + bytes[count - 1] % 5u : 1, .stops = 16};
	struct wasm_bytes w;

	grow_module(&w, bytes, count);
	if (keep) {
		FILE *file = fopen(keep, "wb");

		if (file) {
			(void)fwrite(w.at, 1, w.count, file);
			(void)fclose(file);
		}
	}
	(void)twin_run(w.at, w.count, config, true);
	wasm_free(&w);
	return 0;
}
