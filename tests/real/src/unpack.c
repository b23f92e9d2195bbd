/* SPDX-License-Identifier: Apache-2.0 */
/* unpack.c - zlib as a library that is a domain of its own: it has one key, in slot
 * 64, for reading what is packed, and yields where the rest of this story is.
 * FAULT plants what goes wrong round real libraries: 1 it reads the same piece for
 * ever, 2 it asks for all the memory there can be. What writes past a buffer is a
 * fault of zlib itself (zlib_past.h). */
#include <stdint.h>
#include <stdlib.h>

#include "caps/guest.h"
#include "zlib.h"

#ifndef FAULT
#define FAULT 0
#endif

enum { PACKED_SLOT = 64, PIECE = 16 << 10, ROOM = 64 << 10, NOTES = 64 };

static struct {
	uint64_t at, bytes, crc, failed;
} answer;

static unsigned char piece[PIECE];

static uint32_t
more(uint64_t at)
{
	struct kh_message m = kh_message();

	m.word[0] = at;
	m.word[1] = PIECE;
	m.room_at = piece;
	m.room = PIECE;
	return kh_call(PACKED_SLOT, KH_FILE_READ, &m) == KH_OK ? m.got : 0;
}

static int
unpack(void)
{
	z_stream z = {0};
	gz_header head = {.extra_max = NOTES};
	uint64_t read = 0, room = ROOM;
	unsigned char *out = malloc(room);
	int r = inflateInit2(&z, 15 + 32);

	head.extra = malloc(NOTES); /* what a file says of itself; more is not kept */
	if (r == Z_OK)
		r = head.extra ? inflateGetHeader(&z, &head) : Z_MEM_ERROR;
	if (FAULT == 2) { /* a length of the file that nobody looked at */
		if (__builtin_wasm_memory_grow(0, 65536 - __builtin_wasm_memory_size(0)) == (size_t)-1)
			return Z_MEM_ERROR;
	}
	while (r == Z_OK && out) {
		if (FAULT == 1 && read != 0) {
			read = 0;
			(void)inflateReset(&z);
		}
		z.next_in = piece;
		z.avail_in = more(read);
		read += z.avail_in;
		r = z.avail_in ? Z_OK : Z_BUF_ERROR;
		while (r == Z_OK && z.avail_in != 0 && out) {
			if (z.total_out == room)
				out = realloc(out, room *= 2);
			z.next_out = out + z.total_out;
			z.avail_out = (uInt)(room - z.total_out);
			if (out)
				r = inflate(&z, Z_NO_FLUSH);
		}
	}
	answer.at = (uintptr_t)out;
	answer.bytes = z.total_out;
	answer.crc = crc32(0, out, (uInt)z.total_out);
	return r == Z_STREAM_END ? 0 : r;
}

void _start(void);

void
_start(void)
{
	answer.failed = (uint64_t)(int64_t)unpack();
	(void)kh_yield((uintptr_t)&answer);
}
