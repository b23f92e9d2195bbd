/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/blake2b.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void
expect(const uint8_t digest[BLAKE2B_BYTES], const char *hex)
{
	char text[2 * BLAKE2B_BYTES + 1];

	for (unsigned i = 0; i < BLAKE2B_BYTES; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	cr_assert_str_eq(text, hex);
}

Test(blake2b, gives_the_published_digests)
{
	uint8_t digest[BLAKE2B_BYTES];

	blake2b_256("", 0, digest);
	expect(digest, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
	blake2b_256("abc", 3, digest);
	expect(digest, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

/* The digest of the digests of 400 texts of 0 to 399 bytes, as another
 * implementation (Python's hashlib) has it: all paddings, and block borders. */
Test(blake2b, agrees_at_every_length)
{
	struct blake2b all;
	uint8_t text[400], digest[BLAKE2B_BYTES];

	blake2b_init(&all);
	for (unsigned n = 0; n < 400; n++) {
		for (unsigned i = 0; i < n; i++)
			text[i] = (uint8_t)(i * 7 + n);
		blake2b_256(text, n, digest);
		blake2b_add(&all, digest, sizeof digest);
	}
	blake2b_end(&all, digest);
	expect(digest, "572bd539561f06dca618135ff160af2837166b8e45fa64e327a46d3c0d76c3ad");
}

Test(blake2b, does_not_care_how_the_bytes_come)
{
	uint8_t text[1000], whole[BLAKE2B_BYTES], parts[BLAKE2B_BYTES];

	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * i);
	blake2b_256(text, sizeof text, whole);
	for (size_t step = 1; step < 300; step++) {
		struct blake2b state;

		blake2b_init(&state);
		for (size_t at = 0; at < sizeof text; at += step)
			blake2b_add(&state, text + at,
				at + step <= sizeof text ? step : sizeof text - at);
		blake2b_end(&state, parts);
		cr_assert_arr_eq(whole, parts, sizeof whole, "in steps of %zu", step);
	}
}
