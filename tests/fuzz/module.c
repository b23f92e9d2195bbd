/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_module: any bytes. Refused with words and a place, or run twice and
 * compared (twin.h). */
#include "tests/fuzz/twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const struct twin_config config = {.gas = 20000,
		.period = count ? 1 + bytes[count - 1] % 7u : 1, .stops = 12};

	(void)twin_run(bytes, count, config, false);
	return 0;
}
