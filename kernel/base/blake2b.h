/* SPDX-License-Identifier: Apache-2.0 */
/* blake2b.h - BLAKE2b-256, unkeyed: the names of modules and images.
 *
 * Source   RFC 7693. The digest is 32 bytes, so the parameter block differs
 *          from BLAKE2b-512's; the digests are not prefixes of each other. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { BLAKE2B_BYTES = 32, BLAKE2B_BLOCK_BYTES = 128 };

struct blake2b {
	uint64_t h[8];
	uint64_t counted; /* bytes compressed: 2^64 of them are more than anybody has */
	uint8_t block[BLAKE2B_BLOCK_BYTES];
	size_t filled; /* the last block waits, as it is compressed differently */
};

void blake2b_init(struct blake2b *state);
void blake2b_add(struct blake2b *state, const void *data, size_t bytes);
void blake2b_end(struct blake2b *state, uint8_t ret_digest[BLAKE2B_BYTES]);
/* All at once. */
void blake2b_256(const void *data, size_t bytes, uint8_t ret_digest[BLAKE2B_BYTES]);
