/* SPDX-License-Identifier: Apache-2.0 */
/* Freed blocks are kept from reuse in 8 MB, not 256: each run frees megabytes of
 * address space, and time is better spent on runs. */
const char *__asan_default_options(void);

__attribute__((visibility("default"))) const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=8";
}
