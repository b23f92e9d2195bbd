/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/base/pages.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "kernel/base/heap.h"
#include "tests/support/fake_host.h"
#include "tests/support/seeds.h"

static struct fake_host host;
static struct heap heap;
static struct pages pages;
static uint8_t page[HOST_PAGE_BYTES];

static void
open_store(uint64_t pages_max)
{
	fake_host_init(&host);
	host.store_pages_max = pages_max;
	heap_init(&heap, &host.host);
	pages_init(&pages, &heap);
}

static void
finish(void)
{
	pages_done(&pages);
	cr_assert_eq(heap.bytes_used, 0);
	heap_done(&heap);
	cr_assert_eq(host.reservations, 0);
	fake_host_done(&host);
}

TestSuite(pages, .timeout = 60);

static uint32_t
take(uint64_t word)
{
	memcpy(page, &word, sizeof word);
	memcpy(page + HOST_PAGE_BYTES - sizeof word, &word, sizeof word);
	return pages_take(&pages, page);
}

static bool
has(uint32_t index, uint64_t word)
{
	memcpy(page, &word, sizeof word);
	memcpy(page + HOST_PAGE_BYTES - sizeof word, &word, sizeof word);
	return memcmp(pages_at(&pages, index), page, HOST_PAGE_BYTES) == 0;
}

/* Whatever the host has, all but page 0 can be had; then none, until one is dropped. */
Test(pages, all_that_the_host_has_can_be_held)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 256, 1000, 1024, 1025, 2500};
	static uint32_t held[2500];

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const uint64_t size = sizes[i];
		uint32_t more;

		open_store(size);
		for (uint64_t k = 1; k < size; k++) {
			held[k] = take(k);
			cr_assert_neq(held[k], 0, "page %llu of %llu", (unsigned long long)k,
				(unsigned long long)size);
		}
		cr_assert_eq(take(1), 0);
		cr_assert_eq(pages.used, size - 1);
		for (uint64_t k = 1; k < size; k++)
			cr_assert(has(held[k], k));
		if (size > 1) {
			pages_drop(&pages, held[size / 2]);
			more = take(99);
			cr_assert_eq(more, held[size / 2]);
			cr_assert(has(more, 99));
			cr_assert_eq(take(1), 0);
		}
		pages_check(&pages);
		for (uint64_t k = 1; k < size; k++)
			pages_drop(&pages, held[k]);
		pages_check(&pages);
		finish();
	}
}

Test(pages, are_held_as_often_as_they_were_shared)
{
	enum { PLACES = 3000, ROUNDS = 60000 };
	static uint32_t at[PLACES];
	static uint64_t word[PLACES];
	struct seed seed = {7};
	uint32_t distinct = 0;

	open_store(0);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		const uint64_t i = seed_below(&seed, PLACES), k = seed_below(&seed, PLACES);

		if (at[i]) {
			cr_assert(has(at[i], word[i]));
			pages_drop(&pages, at[i]);
			at[i] = 0;
		} else if (at[k] && seed_below(&seed, 2)) {
			pages_share(&pages, at[k]);
			at[i] = at[k];
			word[i] = word[k];
		} else {
			at[i] = take(round);
			word[i] = round;
		}
	}
	pages_check(&pages);
	for (uint32_t i = 0; i < PLACES; i++) {
		uint32_t holders = 0;

		for (uint32_t k = 0; at[i] && k < PLACES; k++)
			holders += at[k] == at[i];
		cr_assert(!at[i] || pages_holders(&pages, at[i]) == holders);
	}
	for (uint32_t i = 0; i < PLACES; i++) {
		if (!at[i])
			continue;
		cr_assert(has(at[i], word[i]));
		distinct += pages_holders(&pages, at[i]) == 1;
		pages_drop(&pages, at[i]);
	}
	cr_assert_gt(distinct, 0);
	cr_assert_eq(pages.used, 0);
	finish();
}

/* A chunk that nobody holds a page of; not again and again for a page or two. */
Test(pages, that_nobody_holds_are_the_hosts_again)
{
	static uint32_t held[3 * PAGES_CHUNK];

	open_store(0);
	for (uint32_t i = 1; i < 3 * PAGES_CHUNK; i++)
		held[i] = take(i);
	for (uint32_t i = PAGES_CHUNK; i < 2 * PAGES_CHUNK - 1; i++)
		pages_drop(&pages, held[i]);
	cr_assert_eq(host.store_discarded, 0, "one is left");
	pages_drop(&pages, held[2 * PAGES_CHUNK - 1]);
	cr_assert_eq(host.store_discarded, PAGES_CHUNK * HOST_PAGE_BYTES);
	for (uint32_t i = 0; i < PAGES_KEPT - 1; i++)
		pages_drop(&pages, take(i));
	cr_assert_eq(host.store_discarded, PAGES_CHUNK * HOST_PAGE_BYTES);
	pages_drop(&pages, take(1));
	cr_assert_eq(host.store_discarded, 2 * PAGES_CHUNK * HOST_PAGE_BYTES);
	pages_check(&pages);
	for (uint32_t i = 1; i < 3 * PAGES_CHUNK; i++) {
		if (i >= PAGES_CHUNK && i < 2 * PAGES_CHUNK)
			continue;
		cr_assert(has(held[i], i), "its neighbours are as they were");
		pages_drop(&pages, held[i]);
	}
	finish();
}

Test(pages, without_memory_for_their_counts_there_are_none)
{
	open_store(0);
	for (uint64_t after = 1; after <= 2; after++) {
		heap.fail_after = after;
		cr_assert_eq(take(1), 0);
		heap.fail_after = 0;
	}
	pages_drop(&pages, take(1));
	pages_check(&pages);
	finish();
}

Test(pages, dropping_one_that_nobody_holds_is_our_fault, .signal = SIGABRT)
{
	uint32_t index;

	open_store(0);
	index = take(1);
	pages_drop(&pages, index);
	pages_drop(&pages, index);
}

Test(pages, ending_while_one_is_held_is_our_fault, .signal = SIGABRT)
{
	open_store(0);
	(void)take(1);
	pages_done(&pages);
}

Test(pages, reading_the_page_of_zeros_is_our_fault, .signal = SIGABRT)
{
	open_store(0);
	(void)pages_at(&pages, 0);
}
