/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - little-endian bytes, in and out, bounded.
 *
 * A reader (struct bytes_in) never passes its end: a read past it returns zero
 * and sets `bad`, which stays set; so a format is read straight through and
 * asked once. A writer (struct sink) hands pieces to whoever keeps them; the
 * first failure stays. No struct is ever cast from or dumped to bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes_in {
	const uint8_t *base, *at, *end;
	bool bad;
};

static inline struct bytes_in
bytes_in(const void *base, size_t bytes)
{
	const uint8_t *b = base;

	return (struct bytes_in){.base = b, .at = b, .end = b + bytes, .bad = false};
}

static inline size_t
bytes_left(const struct bytes_in *in)
{
	return (size_t)(in->end - in->at);
}

static inline uint64_t
bytes_offset(const struct bytes_in *in)
{
	return (uint64_t)(in->at - in->base);
}

/* The next `bytes` bytes where they lie, or NULL (and bad). */
static inline const uint8_t *
bytes_take(struct bytes_in *in, uint64_t bytes)
{
	const uint8_t *at = in->at;

	if (in->bad || bytes > bytes_left(in)) {
		in->bad = true;
		return NULL;
	}
	in->at += bytes;
	return at;
}

static inline uint64_t
bytes_get(struct bytes_in *in, unsigned width)
{
	const uint8_t *at = bytes_take(in, width);
	uint64_t value = 0;

	for (unsigned i = 0; at && i < width; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static inline uint8_t
bytes_u8(struct bytes_in *in)
{
	return (uint8_t)bytes_get(in, 1);
}

static inline uint16_t
bytes_u16(struct bytes_in *in)
{
	return (uint16_t)bytes_get(in, 2);
}

static inline uint32_t
bytes_u32(struct bytes_in *in)
{
	return (uint32_t)bytes_get(in, 4);
}

static inline uint64_t
bytes_u64(struct bytes_in *in)
{
	return bytes_get(in, 8);
}

/* Where bytes go. put() returns 0 or -errno; after a failure the sink swallows. */
struct sink {
	int (*put)(struct sink *sink, const void *data, size_t bytes);
	uint64_t bytes; /* written so far */
	int failed;     /* 0 or the first -errno */
};

static inline void
sink_put(struct sink *sink, const void *data, size_t bytes)
{
	if (!sink->failed && bytes)
		sink->failed = sink->put(sink, data, bytes);
	sink->bytes += bytes;
}

static inline void
sink_int(struct sink *sink, uint64_t value, unsigned width)
{
	uint8_t out[8];

	for (unsigned i = 0; i < width; i++)
		out[i] = (uint8_t)(value >> (8 * i));
	sink_put(sink, out, width);
}

static inline void
sink_u8(struct sink *sink, uint8_t value)
{
	sink_put(sink, &value, 1);
}

static inline void
sink_u16(struct sink *sink, uint16_t value)
{
	sink_int(sink, value, 2);
}

static inline void
sink_u32(struct sink *sink, uint32_t value)
{
	sink_int(sink, value, 4);
}

static inline void
sink_u64(struct sink *sink, uint64_t value)
{
	sink_int(sink, value, 8);
}

/* A name or text: u32 count, then the bytes. */
static inline void
sink_text(struct sink *sink, const void *text, uint32_t bytes)
{
	sink_u32(sink, bytes);
	sink_put(sink, text, bytes);
}

static inline const uint8_t *
bytes_text(struct bytes_in *in, uint32_t *ret_bytes)
{
	const uint32_t bytes = bytes_u32(in);
	const uint8_t *at = bytes_take(in, bytes);

	*ret_bytes = at ? bytes : 0;
	return at;
}
