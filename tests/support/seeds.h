/* SPDX-License-Identifier: Apache-2.0 */
/* seeds.h - seeded numbers for tests: the same on every machine, never for secrets.
 *
 * Source   SplitMix64 (Steele, Lea, Flood 2014). */
#pragma once

#include <stdint.h>

struct seed {
	uint64_t state;
};

static inline uint64_t
seed_next(struct seed *seed)
{
	uint64_t z = seed->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* In [0, below). */
static inline uint64_t
seed_below(struct seed *seed, uint64_t below)
{
	return seed_next(seed) % below;
}
