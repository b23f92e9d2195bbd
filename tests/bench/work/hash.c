/* SPDX-License-Identifier: Apache-2.0 */
/* A chained hash table larger than the caches, and walks along its chains. */
#include "work.h"

enum { NODES = 1 << 19, BUCKETS = 1 << 17 };

struct node {
	uint32_t key, value;
	uint32_t next; /* index + 1 */
	uint32_t jump; /* a node to go to, at random */
};

static struct node nodes[NODES];
static uint32_t buckets[BUCKETS];

static uint32_t
mixed(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

static void
fill(void)
{
	for (uint32_t i = 0; i < BUCKETS; i++)
		buckets[i] = 0;
	for (uint32_t i = 0; i < NODES; i++) {
		const uint32_t key = mixed(i), at = mixed(key) % BUCKETS;

		nodes[i] = (struct node){key, i, buckets[at], mixed(i + 77) % NODES};
		buckets[at] = i + 1;
	}
}

static uint32_t __attribute__((noinline))
find(uint32_t key)
{
	for (uint32_t i = buckets[mixed(key) % BUCKETS]; i; i = nodes[i - 1].next)
		if (nodes[i - 1].key == key)
			return nodes[i - 1].value;
	return UINT32_MAX;
}

uint64_t
run(uint32_t count)
{
	uint64_t sum = 0;
	uint32_t at = 1;

	fill();
	for (uint32_t i = 0; i < count; i++) {
		sum += find(mixed(mixed(i) % (NODES + NODES / 4)));
		for (int step = 0; step < 4; step++) {
			at = nodes[at].jump;
			sum += nodes[at].value;
		}
	}
	return sum;
}
