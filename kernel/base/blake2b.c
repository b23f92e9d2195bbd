/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/blake2b.h"

#include <string.h>

#include "kernel/base/fits.h"

static const uint64_t start_words[8] = {
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* RFC 7693, 2.7: round r uses row r mod 10. */
static const uint8_t sigma[10][16] = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t
rotate(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

static inline uint64_t
word_at(const uint8_t *at)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8; i++)
		word |= (uint64_t)at[i] << (8 * i);
	return word;
}

static inline void
mix(uint64_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x, uint64_t y)
{
	v[a] += v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 32);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 24);
	v[a] += v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = rotate(v[b] ^ v[c], 63);
}

static void
compress(struct blake2b *state, const uint8_t *block, uint64_t last)
{
	uint64_t v[16], m[16];

	for (unsigned i = 0; i < 16; i++)
		m[i] = word_at(block + 8 * i);
	for (unsigned i = 0; i < 8; i++) {
		v[i] = state->h[i];
		v[i + 8] = start_words[i];
	}
	v[12] ^= state->counted;
	v[14] ^= last;
	for (unsigned r = 0; r < 12; r++) {
		const uint8_t *s = sigma[r % 10];

		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (unsigned i = 0; i < 8; i++)
		state->h[i] ^= v[i] ^ v[i + 8];
}

void
blake2b_init(struct blake2b *state)
{
	*state = (struct blake2b){.counted = 0};
	memcpy(state->h, start_words, sizeof state->h);
	state->h[0] ^= 0x01010000 ^ BLAKE2B_BYTES; /* no key, fan-out 1, depth 1 */
}

void
blake2b_add(struct blake2b *state, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes) {
		size_t part;

		if (state->filled == BLAKE2B_BLOCK_BYTES) {
			state->counted += BLAKE2B_BLOCK_BYTES;
			compress(state, state->block, 0);
			state->filled = 0;
		}
		part = (size_t)min_u64(bytes, BLAKE2B_BLOCK_BYTES - state->filled);
		memcpy(state->block + state->filled, at, part);
		state->filled += part;
		at += part;
		bytes -= part;
	}
}

void
blake2b_end(struct blake2b *state, uint8_t ret_digest[BLAKE2B_BYTES])
{
	state->counted += state->filled;
	memset(state->block + state->filled, 0, BLAKE2B_BLOCK_BYTES - state->filled);
	compress(state, state->block, UINT64_MAX);
	for (unsigned i = 0; i < BLAKE2B_BYTES; i++)
		ret_digest[i] = (uint8_t)(state->h[i / 8] >> (8 * (i % 8)));
}

void
blake2b_256(const void *data, size_t bytes, uint8_t ret_digest[BLAKE2B_BYTES])
{
	struct blake2b state;

	blake2b_init(&state);
	blake2b_add(&state, data, bytes);
	blake2b_end(&state, ret_digest);
}
