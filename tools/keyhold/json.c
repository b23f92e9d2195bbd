/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/json.h"

#include <stdlib.h>

json_t *
json_text(const char *text, size_t bytes)
{
	json_t *json = json_stringn(text, bytes);
	char *safe;

	if (json)
		return json;
	safe = malloc(bytes + 1);
	for (size_t i = 0; safe && i < bytes; i++)
		safe[i] = (unsigned char)text[i] >= 0x80 ? '?' : text[i];
	json = safe ? json_stringn(safe, bytes) : NULL;
	free(safe);
	return json;
}

const char *
json_text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

json_t *
json_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *
json_limit(uint64_t limit)
{
	return limit == UINT64_MAX ? json_null() : json_count(limit);
}
