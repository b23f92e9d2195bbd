/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the module that has something of everything to standard output. */
#include <stdio.h>

#include "tests/support/wasm_bytes.h"

int
main(void)
{
	struct wasm_bytes w;
	size_t missing;

	wasm_rich(&w);
	missing = w.count - fwrite(w.at, 1, w.count, stdout);
	wasm_free(&w);
	return !missing && fflush(stdout) == 0 ? 0 : 1;
}
