/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, and the name section (spec 7.4.1). It is for people: what is wrong in
 * it is no error, it is only not there. */
#include <string.h>

#include "kernel/wasm/decode.h"
#include "kernel/wasm/leb.h"

enum { SUBSECTION_MODULE = 0, SUBSECTION_FUNCS = 1 };

/* Length of the UTF-8 character at `at`, 0 if there is none (Unicode 15, table 3-7). */
static unsigned
character(const uint8_t *at, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	unsigned bytes;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	bytes = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (left < bytes)
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (at[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f; /* past U+10FFFF */
	if (at[1] < low || at[1] > high)
		return 0;
	for (unsigned i = 2; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return bytes;
}

bool
utf8_valid(const uint8_t *at, size_t bytes)
{
	while (bytes) {
		const unsigned step = character(at, bytes);

		if (!step)
			return false;
		at += step;
		bytes -= step;
	}
	return true;
}

static bool
read_name(const uint8_t **at, const uint8_t *end, struct name *ret_name)
{
	uint32_t bytes;

	if (leb_u32(at, end, &bytes) != LEB_OK || bytes > (size_t)(end - *at) ||
		!utf8_valid(*at, bytes))
		return false;
	*ret_name = (struct name){.text = (const char *)*at, .bytes = bytes};
	*at += bytes;
	return true;
}

/* Names of existing functions, in ascending order, and nothing after them. */
static bool
func_names_fit(const struct module *module, const uint8_t *at, const uint8_t *end)
{
	uint32_t count, index, least = 0;
	struct name name;

	if (leb_u32(&at, end, &count) != LEB_OK)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (leb_u32(&at, end, &index) != LEB_OK || index < least ||
			index >= module->func_imports + module->funcs_count ||
			!read_name(&at, end, &name))
			return false;
		least = index + 1;
	}
	return at == end;
}

void
names_read(struct module *module, const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		const uint8_t id = *at++;
		struct name name;
		uint32_t bytes;

		if (leb_u32(&at, end, &bytes) != LEB_OK || bytes > (size_t)(end - at))
			return;
		if (id == SUBSECTION_MODULE) {
			const uint8_t *p = at;

			if (read_name(&p, at + bytes, &name) && p == at + bytes)
				module->name = name;
		} else if (id == SUBSECTION_FUNCS && func_names_fit(module, at, at + bytes)) {
			module->names_at = (uint32_t)(at - module->bytes);
			module->names_bytes = bytes;
		}
		at += bytes;
	}
}
