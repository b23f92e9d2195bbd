/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/out.h"

#include <string.h>

void
out_bytes(struct out *out, const void *bytes, size_t count)
{
	if (out->room - out->used < count) {
		const size_t room = 2 * out->room + count + 64;
		uint8_t *more = arena_take(out->arena, room);

		if (out->used)
			memcpy(more, out->at, out->used);
		out->at = more;
		out->room = room;
	}
	if (count)
		memcpy(out->at + out->used, bytes, count);
	out->used += count;
}

void
out_byte(struct out *out, unsigned byte)
{
	const uint8_t one = (uint8_t)byte;

	out_bytes(out, &one, 1);
}

void
out_u(struct out *out, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		out_byte(out, 0x80 | (value & 0x7f));
	out_byte(out, (unsigned)value);
}

void
out_s(struct out *out, int64_t value)
{
	for (; value < -64 || value > 63; value >>= 7)
		out_byte(out, 0x80 | (value & 0x7f));
	out_byte(out, value & 0x7f);
}

void
out_text(struct out *out, const char *text)
{
	out_u(out, strlen(text));
	out_bytes(out, text, strlen(text));
}

void
out_part(struct out *out, const struct out *part)
{
	out_u(out, part->used);
	out_bytes(out, part->at, part->used);
}

void
out_section(struct out *out, unsigned id, const struct out *part)
{
	out_byte(out, id);
	out_part(out, part);
}
