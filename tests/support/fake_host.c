/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_host.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool
fails(struct fake_host *fake, uint64_t bytes)
{
	if (fake->fail_after && --fake->fail_after == 0)
		return true;
	return fake->reserved_max && bytes > fake->reserved_max - fake->reserved;
}

/* Address space, not memory: what a sanitizer would have to shadow in full. */
static const uint64_t mapped_min = 2 << 20;

/* A smaller block is aligned by hand, and its true start kept in the word before it. */
static void *
fake_reserve(struct host *host, uint64_t bytes)
{
	struct fake_host *fake = (struct fake_host *)host;
	void *block;
	uint8_t *base;

	if (bytes > SIZE_MAX - HOST_PAGE_BYTES || fails(fake, bytes))
		return NULL;
	if (bytes >= mapped_min) {
		base = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (base == MAP_FAILED)
			return NULL;
		fake->reserved += bytes;
		fake->reservations++;
		return base;
	}
	block = calloc(1, (size_t)bytes + HOST_PAGE_BYTES);
	if (!block)
		return NULL;
	base = (uint8_t *)(((uintptr_t)block / HOST_PAGE_BYTES + 1) * HOST_PAGE_BYTES);
	memcpy(base - sizeof block, &block, sizeof block);
	fake->reserved += bytes;
	fake->reservations++;
	return base;
}

static void
fake_release(struct host *host, void *base, uint64_t bytes)
{
	struct fake_host *fake = (struct fake_host *)host;
	void *block;

	if (bytes > fake->reserved || !fake->reservations)
		abort(); /* gave back what it never had */
	fake->reserved -= bytes;
	fake->reservations--;
	if (bytes >= mapped_min) {
		(void)munmap(base, (size_t)bytes);
		return;
	}
	memcpy(&block, (uint8_t *)base - sizeof block, sizeof block);
	free(block);
}

static void
fake_discard(struct host *host, void *base, uint64_t bytes)
{
	struct fake_host *fake = (struct fake_host *)host;

	memset(base, 0, (size_t)bytes);
	if ((uint8_t *)base >= fake->store && fake->store &&
		(uint8_t *)base < fake->store + fake->store_pages * HOST_PAGE_BYTES)
		fake->store_discarded += bytes;
}

static uint8_t *
fake_pages(struct host *host, uint64_t count)
{
	struct fake_host *fake = (struct fake_host *)host;
	const uint64_t pages = fake->store_pages_max ? fake->store_pages_max : FAKE_STORE_PAGES;
	void *store;

	if (count > pages)
		return NULL;
	if (!fake->store) {
		store = mmap(NULL, (size_t)pages * HOST_PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (store == MAP_FAILED)
			return NULL;
		fake->store = store;
		fake->store_pages = pages;
	}
	return fake->store;
}

static void
fake_fill(struct host *host, uint8_t *base, const uint32_t *page, uint32_t count)
{
	struct fake_host *fake = (struct fake_host *)host;

	for (uint32_t i = 0; i < count; i++)
		if (page[i])
			memcpy(base + (size_t)i * HOST_PAGE_BYTES,
				fake->store + (size_t)page[i] * HOST_PAGE_BYTES, HOST_PAGE_BYTES);
}

void
fake_host_init(struct fake_host *fake)
{
	*fake = (struct fake_host){.host = {
		.reserve = fake_reserve,
		.release = fake_release,
		.discard = fake_discard,
		.pages = fake_pages,
		.fill = fake_fill,
	}};
}

void
fake_host_done(struct fake_host *fake)
{
	if (fake->store)
		(void)munmap(fake->store, (size_t)fake->store_pages * HOST_PAGE_BYTES);
	fake->store = NULL;
	fake->store_pages = 0;
}
