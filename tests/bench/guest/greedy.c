/* SPDX-License-Identifier: Apache-2.0 */
/* Takes all it can get: memory, table, stack, descriptors, staged bytes; says
 * what it got, and how it ends does not matter: the host's memory does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned
deep(unsigned n)
{
	volatile uint64_t here[16] = {n};

	return n ? deep(n - 1) + (unsigned)here[n % 16] : 0;
}

/* No array, so nothing of it is in memory: frames alone. */
static unsigned frames(unsigned n);
static unsigned (*volatile again)(unsigned) = frames;

static unsigned
frames(unsigned n)
{
	return again(n + 1) * 3 + n;
}

static unsigned
descriptors(void)
{
	char name[64];
	unsigned count = 0;

	for (; count < 100000; count++) {
		snprintf(name, sizeof name, "/data/f%u", count % 64);
		if (open(name, O_RDWR | O_CREAT, 0644) < 0)
			break;
	}
	return count;
}

static unsigned
listings(void)
{
	unsigned count = 0;

	for (; count < 10000; count++) {
		DIR *dir = opendir("/data");

		if (!dir || !readdir(dir))
			break;
	}
	return count;
}

static uint64_t
memory(void)
{
	const size_t page = 65536;
	uint64_t pages = 0;
	size_t at = __builtin_wasm_memory_size(0);

	for (;; pages++, at++) {
		if (__builtin_wasm_memory_grow(0, 1) == SIZE_MAX)
			return pages;
		memset((void *)(at * page), 0xa5, page);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "all";
	const int all = !strcmp(what, "all");

	if (all || !strcmp(what, "descriptors"))
		printf("descriptors %u\n", descriptors());
	if (all || !strcmp(what, "listings"))
		printf("listings %u\n", listings());
	if (all || !strcmp(what, "memory"))
		printf("pages %llu\n", (unsigned long long)memory());
	fflush(stdout);
	if (!strcmp(what, "frames"))
		printf("frames %u\n", frames(0));
	if (all || !strcmp(what, "stack"))
		printf("stack %u\n", deep(1u << 30));
	return 0;
}
