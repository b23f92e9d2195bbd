/* SPDX-License-Identifier: Apache-2.0 */
/* kind_entropy.c - orders on a key to random bytes.
 *
 * Seeded: byte i is byte i of ChaCha20's key stream (D. J. Bernstein 2008; the
 * 64-bit counter form), nonce zero, the key being "keyhold entropy " and the
 * seed twice, little-endian. So what a domain drew is one number, and an image
 * keeps just that. It is fit for tests and repeatable runs, not for secrets.
 * Real: the device's, and an input that a journal keeps. */
#include "caps/state.h"

#include <string.h>

static uint32_t
rotated(uint32_t word, unsigned by)
{
	return word << by | word >> (32 - by);
}

static void
quarter(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b];
	x[d] = rotated(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotated(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotated(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotated(x[b] ^ x[c], 7);
}

static uint32_t
word_of(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void
chacha_block(uint64_t seed, uint64_t block, uint8_t out[64])
{
	static const uint8_t text[] = "expand 32-byte kkeyhold entropy ";
	uint32_t start[16], x[16];

	for (unsigned i = 0; i < 8; i++)
		start[i] = word_of(text + 4 * i);
	start[8] = start[10] = (uint32_t)seed;
	start[9] = start[11] = (uint32_t)(seed >> 32);
	start[12] = (uint32_t)block;
	start[13] = (uint32_t)(block >> 32);
	start[14] = start[15] = 0;
	memcpy(x, start, sizeof x);
	for (unsigned round = 0; round < 20; round += 2) {
		for (unsigned i = 0; i < 4; i++)
			quarter(x, i, 4 + i, 8 + i, 12 + i);
		for (unsigned i = 0; i < 4; i++)
			quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
	}
	for (unsigned i = 0; i < 64; i++)
		out[i] = (uint8_t)((x[i / 4] + start[i / 4]) >> (8 * (i % 4)));
}

enum rc
entropy_check(struct caps_state *state, const struct key *key, bool *ret_real)
{
	struct opening *o;
	const enum rc rc = key_use(state, key, KIND_entropy, RIGHT_read, &o);

	if (rc == RC_OK)
		*ret_real = root_at(state, o->root)->flags & CAPS_REAL;
	return rc;
}

enum rc
entropy_ask(struct caps_state *state, const struct key *key, uint32_t bytes,
	struct device_request *ret_request)
{
	bool real;
	const enum rc rc = entropy_check(state, key, &real);

	if (rc == RC_OK)
		*ret_request = (struct device_request){.op = DEVICE_ENTROPY, .bytes = bytes};
	return rc;
}

void
entropy_draw(struct caps_state *state, const struct key *key, uint64_t at, uint8_t *to,
	uint64_t bytes)
{
	const uint64_t seed = root_at(state, opening_of(state, key)->root)->seed;
	uint8_t block[64];

	for (uint64_t i = 0; i < bytes; i++) {
		if (!i || (at + i) % 64 == 0)
			chacha_block(seed, (at + i) / 64, block);
		to[i] = block[(at + i) % 64];
	}
}
