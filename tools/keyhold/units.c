/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/fits.h"

struct unit {
	const char *suffix;
	uint64_t scale;
};

/* Largest first, so that saying an amount finds the largest unit. */
static const struct unit gas_units[] = {
	{"T", 1000000000000}, {"G", 1000000000}, {"M", 1000000}, {"k", 1000}, {"K", 1000}, {"", 1}, {0}};
static const struct unit byte_units[] = {
	{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"k", 1 << 10}, {"", 1}, {0}};
static const struct unit duration_units[] = {
	{"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000}, {"ms", 1000000}, {0}};
static const struct unit count_units[] = {{"", 1}, {0}};

static int
refuse(struct report *report, const char *text, const char *why, const char *expected)
{
	report_say(report, UINT64_MAX, "\"%s\" %s; write %s", text, why, expected);
	return -EINVAL;
}

static int
amount(const char *text, const struct unit *units, const char *expected, struct report *report,
	uint64_t *ret_amount)
{
	const char *at = text;
	uint64_t value = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		if (!mul_fits(&value, value, 10) || !add_fits(&value, value, (uint64_t)(*at - '0')))
			return refuse(report, text, "is too large", expected);
	if (at == text)
		return refuse(report, text, "is not an amount", expected);
	for (; units->suffix; units++)
		if (!strcmp(at, units->suffix)) {
			if (!mul_fits(&value, value, units->scale))
				return refuse(report, text, "is too large", expected);
			*ret_amount = value;
			return 0;
		}
	return refuse(report, text, *at ? "has no unit that is known here" : "needs a unit", expected);
}

int
units_gas(const char *text, struct report *report, uint64_t *ret_gas)
{
	return amount(text, gas_units, "gas as 5000, 10k, 5M, 2G or 1T", report, ret_gas);
}

int
units_bytes(const char *text, struct report *report, uint64_t *ret_bytes)
{
	return amount(text, byte_units, "bytes as 4096, 64K, 64M or 4G", report, ret_bytes);
}

int
units_duration(const char *text, struct report *report, uint64_t *ret_ns)
{
	return amount(text, duration_units, "a time as 250ms, 2s, 5m or 1h", report, ret_ns);
}

int
units_count(const char *text, struct report *report, uint64_t *ret_count)
{
	return amount(text, count_units, "a whole number", report, ret_count);
}

const char *
units_group(uint64_t count, char text[static UNITS_TEXT_MAX])
{
	char digits[UNITS_TEXT_MAX];
	const int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *to = text;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return text;
}

static const char *
say(uint64_t value, const struct unit *units, char text[static UNITS_TEXT_MAX])
{
	while (value % units->scale || (!value && units[1].suffix))
		units++;
	snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 "%s", value / units->scale, units->suffix);
	return text;
}

const char *
units_say_bytes(uint64_t bytes, char text[static UNITS_TEXT_MAX])
{
	return say(bytes, byte_units, text);
}

const char *
units_say_duration(uint64_t ns, char text[static UNITS_TEXT_MAX])
{
	if (ns % 1000000) { /* never parsed; only measured times are finer */
		snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 "us", ns / 1000);
		return text;
	}
	return say(ns, duration_units, text);
}
