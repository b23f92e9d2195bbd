/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/wasm/leb.h"

const char *
leb_text(enum leb leb)
{
	switch (leb) {
	case LEB_OK:
		break;
	case LEB_END:
		return "unexpected end of section or function";
	case LEB_LONG:
		return "integer representation too long";
	case LEB_WIDE:
		return "integer too large";
	}
	return "";
}

enum leb
leb_unsigned(const uint8_t **at, const uint8_t *end, unsigned bits, uint64_t *ret_value)
{
	const uint8_t *p = *at;
	uint64_t value = 0;

	for (unsigned shift = 0; shift < bits; shift += 7) {
		const unsigned left = bits - shift;

		if (p == end)
			return LEB_END;
		value |= (uint64_t)(*p & 0x7f) << shift;
		if (left < 7 && (*p & 0x7f) >> left && !(*p & 0x80))
			return LEB_WIDE;
		if (!(*p++ & 0x80)) {
			*at = p;
			*ret_value = value;
			return LEB_OK;
		}
	}
	return LEB_LONG;
}

enum leb
leb_signed(const uint8_t **at, const uint8_t *end, unsigned bits, int64_t *ret_value)
{
	const uint8_t *p = *at;
	uint64_t value = 0;

	for (unsigned shift = 0; shift < bits; shift += 7) {
		const unsigned left = bits - shift;
		uint8_t byte;

		if (p == end)
			return LEB_END;
		byte = *p++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (left < 7) { /* the sign bit and all above it must agree */
			const unsigned top = (byte & 0x7f) >> (left - 1);

			if (top != 0 && top != (0x7fu >> (left - 1)))
				return LEB_WIDE;
		}
		if (shift + 7 < 64 && byte & 0x40)
			value |= UINT64_MAX << (shift + 7);
		*at = p;
		*ret_value = (int64_t)value;
		return LEB_OK;
	}
	return LEB_LONG;
}
