/* SPDX-License-Identifier: Apache-2.0 */
/* leb.h - LEB128 numbers of the binary format (spec 5.2.2).
 *
 * leb_u32() and friends read at *at, never past `end`, advance *at and return
 * LEB_OK; or leave *at where it was and say why not. The common case of one
 * byte is inline; the rest is decode.c's. leb_*_checked() are for bytes that
 * validate.c has already passed: no check at all. */
#pragma once

#include <stdint.h>

enum leb {
	LEB_OK,
	LEB_END,  /* the bytes end inside the number */
	LEB_LONG, /* more bytes than the width allows */
	LEB_WIDE, /* unused bits of the last byte are not zero (or not the sign) */
};

enum leb leb_unsigned(const uint8_t **at, const uint8_t *end, unsigned bits, uint64_t *ret_value);
enum leb leb_signed(const uint8_t **at, const uint8_t *end, unsigned bits, int64_t *ret_value);
const char *leb_text(enum leb leb); /* the spec test's words */

static inline enum leb
leb_u32(const uint8_t **at, const uint8_t *end, uint32_t *ret_value)
{
	uint64_t value;
	enum leb leb;

	if (*at < end && **at < 0x80) {
		*ret_value = *(*at)++;
		return LEB_OK;
	}
	leb = leb_unsigned(at, end, 32, &value);
	if (leb == LEB_OK)
		*ret_value = (uint32_t)value;
	return leb;
}

/* An unsigned number in bytes that were validated. */
static inline uint32_t
leb_u32_checked(const uint8_t **at)
{
	const uint8_t *p = *at;
	uint32_t value = *p & 0x7f;

	for (unsigned shift = 7; *p++ & 0x80; shift += 7)
		value |= (uint32_t)(*p & 0x7f) << (shift & 31);
	*at = p;
	return value;
}

/* A signed number (s32, s33, s64) in bytes that were validated. */
static inline int64_t
leb_signed_checked(const uint8_t **at)
{
	const uint8_t *p = *at;
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = *p++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && byte & 0x40)
		value |= UINT64_MAX << shift;
	*at = p;
	return (int64_t)value;
}
