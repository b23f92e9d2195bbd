/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/units.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>

enum of { GAS, BYTES, DURATION, COUNT };

struct example {
	char text[32];
	enum of of;
	int result;
	uint64_t value;
};

static int
parse(const struct example *e, struct report *report, uint64_t *ret)
{
	switch (e->of) {
	case GAS:
		return units_gas(e->text, report, ret);
	case BYTES:
		return units_bytes(e->text, report, ret);
	case DURATION:
		return units_duration(e->text, report, ret);
	case COUNT:
		break;
	}
	return units_count(e->text, report, ret);
}

ParameterizedTestParameters(units, amounts)
{
	static struct example rows[] = {
		{"0", GAS, 0, 0},
		{"5000", GAS, 0, 5000},
		{"5k", GAS, 0, 5000},
		{"5K", GAS, 0, 5000},
		{"5M", GAS, 0, 5000000},
		{"2G", GAS, 0, 2000000000},
		{"1T", GAS, 0, 1000000000000},
		{"18446744073709551615", GAS, 0, UINT64_MAX},
		{"18446744073709551616", GAS, -EINVAL, 0},
		{"18446744T", GAS, 0, 18446744000000000000u},
		{"18446745T", GAS, -EINVAL, 0},
		{"", GAS, -EINVAL, 0},
		{"M", GAS, -EINVAL, 0},
		{"-1", GAS, -EINVAL, 0},
		{"+1", GAS, -EINVAL, 0},
		{" 1", GAS, -EINVAL, 0},
		{"1 ", GAS, -EINVAL, 0},
		{"1.5M", GAS, -EINVAL, 0},
		{"0x10", GAS, -EINVAL, 0},
		{"5m", GAS, -EINVAL, 0},
		{"5MM", GAS, -EINVAL, 0},
		{"64K", BYTES, 0, 65536},
		{"64k", BYTES, 0, 65536},
		{"10M", BYTES, 0, 10485760},
		{"4G", BYTES, 0, 4294967296},
		{"17179869183G", BYTES, 0, 17179869183u * (1ull << 30)},
		{"17179869184G", BYTES, -EINVAL, 0},
		{"1T", BYTES, -EINVAL, 0},
		{"1MiB", BYTES, -EINVAL, 0},
		{"250ms", DURATION, 0, 250000000},
		{"2s", DURATION, 0, 2000000000},
		{"5m", DURATION, 0, 300000000000},
		{"1h", DURATION, 0, 3600000000000},
		{"2", DURATION, -EINVAL, 0},
		{"2sec", DURATION, -EINVAL, 0},
		{"5124096h", DURATION, -EINVAL, 0},
		{"7", COUNT, 0, 7},
		{"7k", COUNT, -EINVAL, 0},
	};

	return cr_make_param_array(struct example, rows, sizeof(rows) / sizeof(*rows));
}

ParameterizedTest(struct example *e, units, amounts)
{
	struct report report = {.offset = UINT64_MAX};
	uint64_t value = 12345;

	cr_assert_eq(parse(e, &report, &value), e->result, "\"%s\"", e->text);
	cr_assert_eq(value, e->result ? 12345 : e->value, "\"%s\" gave %llu", e->text,
		(unsigned long long)value);
	cr_assert_eq(!report.text[0], !e->result, "words exactly when it fails: \"%s\"", report.text);
}

Test(units, amounts_are_said_in_the_largest_unit_that_is_exact)
{
	char text[UNITS_TEXT_MAX];

	cr_assert_str_eq(units_group(0, text), "0");
	cr_assert_str_eq(units_group(999, text), "999");
	cr_assert_str_eq(units_group(1000, text), "1,000");
	cr_assert_str_eq(units_group(UINT64_MAX, text), "18,446,744,073,709,551,615");
	cr_assert_str_eq(units_say_bytes(0, text), "0");
	cr_assert_str_eq(units_say_bytes(4096, text), "4K");
	cr_assert_str_eq(units_say_bytes(4097, text), "4097");
	cr_assert_str_eq(units_say_bytes(4ull << 30, text), "4G");
	cr_assert_str_eq(units_say_duration(90000000000, text), "90s");
	cr_assert_str_eq(units_say_duration(0, text), "0ms");
	cr_assert_str_eq(units_say_duration(1500000, text), "1500us");
}
