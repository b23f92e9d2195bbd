/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/worker.h"

const char *
invoke_type_text(uint8_t type)
{
	switch ((enum valtype)type) {
	case VAL_I32:
		return "i32";
	case VAL_I64:
		return "i64";
	case VAL_F32:
		return "f32";
	case VAL_F64:
		return "f64";
	case VAL_FUNCREF:
		return "funcref";
	case VAL_EXTERNREF:
		return "externref";
	}
	return "?";
}

/* Whole numbers: -2^(n-1) .. 2^n - 1, decimal or 0x.. */
static bool
whole(const char *word, unsigned bits, uint64_t *ret_value)
{
	const bool negative = word[0] == '-';
	const uint64_t most = negative ? UINT64_C(1) << (bits - 1)
	                               : bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	const char *digits = word + negative;
	const bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	unsigned long long value;
	char *end;

	digits += hex ? 2 : 0;
	if (!strchr(hex ? "0123456789abcdefABCDEF" : "0123456789", digits[0]) || !digits[0])
		return false;
	errno = 0;
	value = strtoull(digits, &end, hex ? 16 : 10);
	if (*end || errno || value > most)
		return false;
	*ret_value = negative ? -value : value;
	if (bits == 32)
		*ret_value = (uint32_t)*ret_value;
	return true;
}

static bool
real(const char *word, unsigned bits, uint64_t *ret_value)
{
	float single;
	double value;
	uint32_t single_bits;
	char *end;

	if (!word[0] || strchr(" \t\n\v\f\r", word[0]))
		return false;
	if (bits == 32) {
		single = strtof(word, &end);
		memcpy(&single_bits, &single, sizeof(single));
		*ret_value = single_bits;
	} else {
		value = strtod(word, &end);
		memcpy(ret_value, &value, sizeof(value));
	}
	return !*end;
}

static bool
value_of(uint8_t type, const char *word, uint64_t *ret_value)
{
	switch ((enum valtype)type) {
	case VAL_I32:
		return whole(word, 32, ret_value);
	case VAL_I64:
		return whole(word, 64, ret_value);
	case VAL_F32:
		return real(word, 32, ret_value);
	case VAL_F64:
		return real(word, 64, ret_value);
	case VAL_FUNCREF:
	case VAL_EXTERNREF:
		*ret_value = 0;
		return !strcmp(word, "null");
	}
	return false;
}

int
invoke_args(const struct functype *type, const char *name, const char *const *words, uint32_t count,
	struct report *report, uint64_t *ret_slots)
{
	char types[120] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < type->params && at + 12 < sizeof(types); i++)
		at += (size_t)snprintf(types + at, sizeof(types) - at, "%s%s", i ? " " : "",
			invoke_type_text(type->vals[i]));
	if (count != type->params) {
		report_say(report, UINT64_MAX, "--invoke %s takes %u argument%s (%s), %u given", name,
			type->params, type->params == 1 ? "" : "s", types, count);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < count; i++)
		if (!value_of(type->vals[i], words[i], &ret_slots[i])) {
			report_say(report, UINT64_MAX, "--invoke %s: argument %u is \"%s\", which is no %s",
				name, i + 1, words[i], invoke_type_text(type->vals[i]));
			return -EINVAL;
		}
	return 0;
}

static const char *
real_text(double value, bool single, char text[static INVOKE_TEXT_MAX])
{
	if (isnan(value))
		return signbit(value) ? "-nan" : "nan";
	if (isinf(value))
		return value < 0 ? "-inf" : "inf";
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, INVOKE_TEXT_MAX, "%.*g", digits, value);
		if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			break;
	}
	return text;
}

const char *
invoke_text(uint8_t type, uint64_t bits, char text[static INVOKE_TEXT_MAX])
{
	const uint32_t low = (uint32_t)bits;
	double value;
	float single;

	switch ((enum valtype)type) {
	case VAL_I32:
		snprintf(text, INVOKE_TEXT_MAX, "%" PRId32, (int32_t)low);
		return text;
	case VAL_I64:
		snprintf(text, INVOKE_TEXT_MAX, "%" PRId64, (int64_t)bits);
		return text;
	case VAL_F32:
		memcpy(&single, &low, sizeof(single));
		return real_text((double)single, true, text);
	case VAL_F64:
		memcpy(&value, &bits, sizeof(value));
		return real_text(value, false, text);
	case VAL_FUNCREF:
	case VAL_EXTERNREF:
		if (!bits)
			return "null";
		snprintf(text, INVOKE_TEXT_MAX, "%s %" PRIu64, invoke_type_text(type),
			(bits & UINT32_MAX) - (type == VAL_EXTERNREF));
		return text;
	}
	return "?";
}
