/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/wasm/leb.h"

#include <criterion/criterion.h>
#include <string.h>


struct leb_case {
	const char *bytes;
	unsigned count, bits;
	enum leb leb;
	int64_t value;
};

static const struct leb_case unsigned_cases[] = {
	{"\x00", 1, 32, LEB_OK, 0},
	{"\x7f", 1, 32, LEB_OK, 127},
	{"\x80\x01", 2, 32, LEB_OK, 128},
	{"\x80\x00", 2, 32, LEB_OK, 0},
	{"\xff\xff\xff\xff\x0f", 5, 32, LEB_OK, 0xffffffff},
	{"\x80\x80\x80\x80\x00", 5, 32, LEB_OK, 0},
	{"\xff\xff\xff\xff\x1f", 5, 32, LEB_WIDE, 0},
	{"\x80\x80\x80\x80\x70", 5, 32, LEB_WIDE, 0},
	{"\x80\x80\x80\x80\x80\x00", 6, 32, LEB_LONG, 0},
	{"\xff\xff\xff\xff\x8f\x00", 6, 32, LEB_LONG, 0},
	{"", 0, 32, LEB_END, 0},
	{"\x80\x80", 2, 32, LEB_END, 0},
};

static const struct leb_case signed_cases[] = {
	{"\x7f", 1, 32, LEB_OK, -1},
	{"\x3f", 1, 32, LEB_OK, 63},
	{"\x40", 1, 32, LEB_OK, -64},
	{"\xff\x7f", 2, 32, LEB_OK, -1},
	{"\x80\x80\x80\x80\x78", 5, 32, LEB_OK, INT32_MIN},
	{"\xff\xff\xff\xff\x07", 5, 32, LEB_OK, INT32_MAX},
	{"\xff\xff\xff\xff\x0f", 5, 32, LEB_WIDE, 0},
	{"\x80\x80\x80\x80\x70", 5, 32, LEB_WIDE, 0},
	{"\xff\xff\xff\xff\x7f", 5, 32, LEB_OK, -1},
	{"\xff\xff\xff\xff\xff\x7f", 6, 32, LEB_LONG, 0},
	{"\x80\x80\x80\x80\x70", 5, 33, LEB_OK, -4294967296},
	{"\xff\xff\xff\xff\x0f", 5, 33, LEB_OK, 4294967295},
	{"\xff\xff\xff\xff\x1f", 5, 33, LEB_WIDE, 0},
	{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10, 64, LEB_OK, INT64_MIN},
	{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10, 64, LEB_OK, INT64_MAX},
	{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7e", 10, 64, LEB_WIDE, 0},
	{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 10, 64, LEB_WIDE, 0},
	{"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, 64, LEB_LONG, 0},
	{"\x80", 1, 64, LEB_END, 0},
};

Test(leb, unsigned_numbers_are_read_or_refused)
{
	for (size_t i = 0; i < sizeof unsigned_cases / sizeof unsigned_cases[0]; i++) {
		const struct leb_case *c = &unsigned_cases[i];
		const uint8_t *start = (const uint8_t *)c->bytes, *at = start;
		uint32_t value = 0;

		cr_assert_eq(leb_u32(&at, start + c->count, &value), c->leb, "case %zu", i);
		cr_assert_eq(at, start + (c->leb == LEB_OK ? c->count : 0), "case %zu", i);
		cr_assert_eq(value, (uint32_t)c->value, "case %zu", i);
	}
}

Test(leb, signed_numbers_are_read_or_refused)
{
	for (size_t i = 0; i < sizeof signed_cases / sizeof signed_cases[0]; i++) {
		const struct leb_case *c = &signed_cases[i];
		const uint8_t *start = (const uint8_t *)c->bytes, *at = start;
		int64_t value = 0;

		cr_assert_eq(leb_signed(&at, start + c->count, c->bits, &value), c->leb, "case %zu", i);
		cr_assert_eq(at, start + (c->leb == LEB_OK ? c->count : 0), "case %zu", i);
		cr_assert_eq(value, c->value, "case %zu", i);
	}
}

/* What reads without checks gives the same as what checks. */
Test(leb, checked_and_unchecked_agree)
{
	uint64_t state = 1;

	for (unsigned round = 0; round < 200000; round++) {
		uint8_t bytes[12];
		const uint8_t *a = bytes, *b = bytes;
		uint32_t small;
		int64_t wide;

		for (unsigned i = 0; i < sizeof bytes; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = (uint8_t)(state >> 56);
		}
		if (leb_u32(&a, bytes + sizeof bytes, &small) == LEB_OK) {
			cr_assert_eq(leb_u32_checked(&b), small);
			cr_assert_eq(a, b);
		}
		a = b = bytes;
		if (leb_signed(&a, bytes + sizeof bytes, 64, &wide) == LEB_OK) {
			cr_assert_eq(leb_signed_checked(&b), wide);
			cr_assert_eq(a, b);
		}
	}
}
