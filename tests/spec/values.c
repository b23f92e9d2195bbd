/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/spec/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/wasm/module.h"

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static uint8_t
val_named(const char *type)
{
	static const struct {
		const char *name;
		uint8_t val;
	} vals[] = {{"i32", VAL_I32}, {"i64", VAL_I64}, {"f32", VAL_F32}, {"f64", VAL_F64},
		{"funcref", VAL_FUNCREF}, {"externref", VAL_EXTERNREF}};

	for (size_t i = 0; i < sizeof vals / sizeof vals[0]; i++) {
		if (strcmp(vals[i].name, type) == 0)
			return vals[i].val;
	}
	return 0;
}

bool
value_read(const json_t *json, uint64_t *ret_slot)
{
	const uint8_t val = val_named(text_of(json, "type"));
	const char *text = text_of(json, "value");
	char *end;
	uint64_t value;

	if (!val)
		return false;
	if (strcmp(text, "null") == 0) {
		*ret_slot = 0;
		return val == VAL_FUNCREF || val == VAL_EXTERNREF;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || *end || errno || val == VAL_FUNCREF)
		return false;
	*ret_slot = val == VAL_EXTERNREF ? value + 1 : value; /* engine.h: its number + 1 */
	return true;
}

/* A quiet NaN: canonical if nothing but the quiet bit is set, else arithmetic. */
static bool
nan_fits(const char *pattern, uint8_t val, uint64_t slot)
{
	const uint64_t quiet = val == VAL_F32 ? 0x7fc00000 : 0x7ff8000000000000;
	const uint64_t sign = val == VAL_F32 ? 0x80000000 : 0x8000000000000000;

	if (val == VAL_F32 && slot > UINT32_MAX)
		return false;
	if (strcmp(pattern, "nan:canonical") == 0)
		return (slot & ~sign) == quiet;
	return strcmp(pattern, "nan:arithmetic") == 0 && (slot & quiet) == quiet;
}

bool
value_fits(const json_t *want, uint8_t val, uint64_t slot)
{
	const char *text = text_of(want, "value");
	uint64_t value;

	if (val_named(text_of(want, "type")) != val)
		return false;
	if ((val == VAL_F32 || val == VAL_F64) && strncmp(text, "nan:", 4) == 0)
		return nan_fits(text, val, slot);
	if (val == VAL_FUNCREF && !*text)
		return slot != 0; /* any function */
	return value_read(want, &value) && value == slot;
}
