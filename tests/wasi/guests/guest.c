/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - tries, throws and yields as caps/guest.h has them. */
#include <stdint.h>
#include <stdio.h>

#include "caps/guest.h"

static int depth_reached;

/* Frames with arrays in them, so that the C stack pointer moves. */
static uint32_t
deep(uint32_t depth)
{
	volatile char room[1000];

	room[depth % sizeof room] = (char)depth;
	if (!depth)
		kh_throw();
	depth_reached++;
	return deep(depth - 1) + (uint32_t)room[depth % sizeof room];
}

static void
thrower(uint32_t depth, uint32_t unused)
{
	(void)unused;
	deep(depth);
}

static void
quiet(uint32_t a, uint32_t b)
{
	depth_reached = (int)(a + b);
}

static void
nested(uint32_t depth, uint32_t again)
{
	const uint32_t inner = kh_try(thrower, depth, 0);

	printf("inner %u\n", (unsigned)inner);
	if (again)
		kh_throw();
}

int
main(void)
{
	volatile char here[64] = "here";

	printf("returned %u", (unsigned)kh_try(quiet, 3, 4));
	printf(" %d\n", depth_reached);
	for (int i = 0; i < 1000; i++) /* 40 MB of stack, if it were not put back */
		if (!kh_try(thrower, 40, 0))
			puts("no throw");
	printf("thrown, %s\n", (const char *)here);
	printf("outer %u\n", (unsigned)kh_try(nested, 5, 0));
	printf("outer %u\n", (unsigned)kh_try(nested, 5, 1));
	printf("yielded %llu\n", (unsigned long long)kh_yield(7));
	fflush(stdout);
	kh_throw();
}
