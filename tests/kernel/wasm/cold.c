/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/wasm/store.h"
#include "tests/support/fake_host.h"
#include "tests/support/seeds.h"

enum { WASM_PAGE = 65536, PAGES_IN = WASM_PAGE / HOST_PAGE_BYTES };

struct purse {
	struct storage storage;
	uint64_t taken, limit;
};

static struct fake_host host;
static struct heap heap;
static struct typebook book;
static struct pages pages;
static struct purse purse;

static bool
purse_take(struct storage *storage, uint64_t bytes)
{
	struct purse *p = (struct purse *)storage;

	if (bytes > p->limit - p->taken)
		return false;
	p->taken += bytes;
	return true;
}

static void
purse_give(struct storage *storage, uint64_t bytes)
{
	struct purse *p = (struct purse *)storage;

	cr_assert_leq(bytes, p->taken);
	p->taken -= bytes;
}

static void
begin(void)
{
	fake_host_init(&host);
	heap_init(&heap, &host.host);
	typebook_init(&book, &heap);
	pages_init(&pages, &heap);
	purse = (struct purse){{purse_take, purse_give}, 0, UINT64_MAX};
}

static void
finish(void)
{
	cr_assert_eq(purse.taken, 0);
	cr_assert_eq(pages.used, 0, "%u pages are held by nobody", pages.used);
	pages_done(&pages);
	typebook_done(&book);
	cr_assert_eq(heap.bytes_used, 0);
	heap_done(&heap);
	cr_assert_eq(host.reservations, 0);
	fake_host_done(&host);
}

TestSuite(cold, .init = begin, .fini = finish, .timeout = 120);

static struct store_config
config(void)
{
	return (struct store_config){.heap = &heap, .book = &book, .storage = &purse.storage,
		.pages = &pages};
}

static struct store *
make(uint32_t wasm_pages)
{
	const struct store_config c = config();
	struct store *store;
	uint32_t index;

	cr_assert_eq(store_new(&c, &store), 0);
	if (wasm_pages)
		cr_assert_eq(store_add_memory(store, (struct limits){wasm_pages, 16, true}, &index), 0);
	return store;
}

static struct store *
copy(struct store *store)
{
	const struct store_config c = config();
	struct store *ret;

	cr_assert_eq(store_clone(store, &c, &ret), 0);
	store_check(ret);
	return ret;
}

static uint8_t *
base(struct store *store)
{
	return store_memory(store, 0)->base;
}

Test(cold, only_pages_that_are_not_zero_are_stored)
{
	struct store *store = make(3);

	base(store)[5] = 1;
	base(store)[2 * WASM_PAGE - 1] = 2;
	base(store)[WASM_PAGE] = 3;
	base(store)[WASM_PAGE] = 0; /* touched, and zero */
	cr_assert_eq(store_cool(store), 0);
	cr_assert(store_is_cold(store));
	cr_assert_eq(pages.used, 2);
	cr_assert_eq(host.reservations, 1, "the heap's: the memory's is given back");
	store_check(store);
	cr_assert_eq(store_cool(store), 0, "again");
	cr_assert_eq(store_warm(store), 0);
	cr_assert_not(store_is_cold(store));
	cr_assert_eq(pages.used, 0, "not stored twice");
	cr_assert_eq(base(store)[5], 1);
	cr_assert_eq(base(store)[2 * WASM_PAGE - 1], 2);
	cr_assert_eq(store_warm(store), 0, "again");
	store_free(store);
}

Test(cold, an_account_is_the_same_hot_or_cold)
{
	struct store *store = make(5);
	const uint64_t taken = purse.taken;

	memset(base(store), 1, 5 * WASM_PAGE);
	cr_assert_eq(store_cool(store), 0);
	cr_assert_eq(purse.taken, taken);
	cr_assert_geq(taken, 5 * WASM_PAGE + heap_cost(5 * PAGES_IN * sizeof(uint32_t)),
		"the longest list is paid for");
	cr_assert_eq(store_warm(store), 0);
	cr_assert_eq(purse.taken, taken);
	store_free(store);
	store = make(0);
	cr_assert_eq(store_cool(store), 0);
	cr_assert_not(store_is_cold(store), "no memory");
	store_free(store);
}

Test(cold, a_copy_that_ran_shares_what_it_left_alone)
{
	struct store *first = make(4), *second, *third;

	for (uint32_t i = 0; i < 4 * PAGES_IN; i++)
		base(first)[i * HOST_PAGE_BYTES] = (uint8_t)(i + 1);
	second = copy(first);
	third = copy(second);
	cr_assert_eq(pages.used, 64);
	cr_assert_eq(store_warm(second), 0);
	base(second)[7 * HOST_PAGE_BYTES] = 99;
	memset(base(second) + 9 * HOST_PAGE_BYTES, 0, HOST_PAGE_BYTES);
	cr_assert_eq(store_cool(second), 0);
	cr_assert_eq(pages.used, 65, "one page differs, one is zero");
	cr_assert_eq(store_warm(third), 0);
	cr_assert_eq(store_cool(third), 0);
	cr_assert_eq(pages.used, 65);
	store_free(first);
	store_free(third);
	cr_assert_eq(pages.used, 63, "what the second holds");
	cr_assert_eq(store_warm(second), 0);
	cr_assert_eq(pages.used, 0);
	cr_assert_eq(base(second)[7 * HOST_PAGE_BYTES], 99);
	cr_assert_eq(base(second)[9 * HOST_PAGE_BYTES], 0);
	cr_assert_eq(base(second)[63 * HOST_PAGE_BYTES], 64);
	store_free(second);
}

Test(cold, a_full_page_store_leaves_a_memory_hot)
{
	struct store *small, *large;
	uint32_t ignored;

	host.store_pages_max = 20;
	small = make(1);
	large = make(4);
	cr_assert_eq(store_add_memory(large, (struct limits){1, 1, true}, &ignored), 0);
	memset(base(small), 1, 10 * HOST_PAGE_BYTES);
	memset(base(large), 2, 9 * HOST_PAGE_BYTES);
	memset(store_memory(large, 1)->base, 3, HOST_PAGE_BYTES);
	cr_assert_eq(store_cool(small), 0);
	cr_assert_eq(store_cool(large), -ENOMEM, "19 pages can be had");
	store_check(large);
	cr_assert_eq(pages.used, 19, "the first of its memories went");
	cr_assert(store_is_cold(large));
	cr_assert_eq(store_warm(large), 0);
	cr_assert_eq(pages.used, 10);
	base(large)[9 * HOST_PAGE_BYTES] = 1;
	cr_assert_eq(store_cool(large), -ENOMEM);
	cr_assert_eq(base(large)[9 * HOST_PAGE_BYTES], 1);
	cr_assert_eq(base(large)[0], 2);
	cr_assert_eq(store_memory(large, 1)->base[0], 3);
	cr_assert_eq(pages.used, 10);
	pages_check(&pages);
	store_free(small);
	cr_assert_eq(store_cool(large), 0, "now there is room");
	cr_assert_eq(pages.used, 11);
	store_free(large);
}

Test(cold, without_address_space_it_stays_cold)
{
	struct store *store = make(2);

	base(store)[77] = 7;
	cr_assert_eq(store_cool(store), 0);
	host.fail_after = 1;
	cr_assert_eq(store_warm(store), -ENOMEM);
	cr_assert(store_is_cold(store));
	cr_assert_eq(pages.used, 1);
	cr_assert_eq(store_warm(store), 0);
	cr_assert_eq(base(store)[77], 7);
	store_free(store);
}

Test(cold, without_a_page_store_nothing_cools)
{
	struct store_config c = config();
	struct store *store, *ret;
	uint32_t index;

	c.pages = NULL;
	cr_assert_eq(store_new(&c, &store), 0);
	cr_assert_eq(store_cool(store), 0, "nothing to put away");
	cr_assert_eq(store_add_memory(store, (struct limits){1, 1, true}, &index), 0);
	cr_assert_eq(store_cool(store), -ENOMEM);
	cr_assert_eq(store_clone(store, &c, &ret), -ENOMEM);
	cr_assert_not(store_is_cold(store));
	store_free(store);
}

Test(cold, the_bytes_of_a_cold_memory_are_not_at_hand, .signal = SIGABRT)
{
	struct instance instance = {.module = NULL};
	struct store *store = make(1);

	instance.memory = store_memory(store, 0);
	store->instances.at = (void *[]){&instance};
	store->instances.count = 1;
	cr_assert_not_null(store_mem_at(store, 0, 0, 1));
	cr_assert_eq(store_cool(store), 0);
	(void)store_mem_at(store, 0, 0, 1);
}

Test(cold, copying_into_another_page_store_is_our_fault, .signal = SIGABRT)
{
	struct store_config c = config();
	struct pages other = pages;
	struct store *ret;

	c.pages = &other;
	(void)store_clone(make(1), &c, &ret);
}

Test(cold, a_copy_needs_all_that_the_original_holds)
{
	const struct store_config c = config();
	struct store *store = make(2), *ret;

	purse.limit = purse.taken * 2 - 1;
	cr_assert_eq(store_clone(store, &c, &ret), -ENOSPC);
	purse.limit++;
	cr_assert_eq(store_clone(store, &c, &ret), 0);
	cr_assert_eq(purse.taken, purse.limit);
	store_free(ret);
	store_free(store);
}

/* --- against plain copies ------------------------------------------------------------- */

enum { STORES = 12, MEMORIES = 3, ROUNDS = 40000 };

struct plain {
	struct store *store; /* NULL: none */
	uint32_t memories;
	uint8_t *bytes[MEMORIES];
};

static struct plain plains[STORES];

static void
plain_end(struct plain *p)
{
	store_free(p->store);
	for (uint32_t i = 0; i < p->memories; i++)
		free(p->bytes[i]);
	*p = (struct plain){.store = NULL};
}

static void
plain_make(struct plain *p, struct seed *seed)
{
	const uint32_t memories = (uint32_t)seed_below(seed, MEMORIES + 1);

	p->store = make(0);
	for (uint32_t i = 0; i < memories; i++) {
		const uint32_t size = (uint32_t)seed_below(seed, 3);
		uint32_t index;

		/* Address space may be made to fail. */
		if (store_add_memory(p->store, (struct limits){size, 5, true}, &index))
			break;
		p->bytes[i] = calloc(5, WASM_PAGE);
		p->memories++;
	}
}

static void
plain_copy(struct plain *from, struct plain *to)
{
	const struct store_config c = config();

	if (to->store)
		plain_end(to);
	if (store_clone(from->store, &c, &to->store)) {
		to->store = NULL;
		return;
	}
	to->memories = from->memories;
	for (uint32_t i = 0; i < from->memories; i++) {
		to->bytes[i] = malloc(5 * WASM_PAGE);
		memcpy(to->bytes[i], from->bytes[i], 5 * WASM_PAGE);
	}
}

static void
plain_write(struct plain *p, struct seed *seed)
{
	for (uint32_t i = 0; i < p->memories; i++) {
		struct memory *memory = store_memory(p->store, i);
		const uint8_t value = (uint8_t)seed_below(seed, 3);

		if (!memory->base || !memory->bytes)
			continue;
		for (int k = 0; k < 4; k++) {
			const uint64_t at = seed_below(seed, memory->bytes / 512) * 512;
			const uint64_t bytes = min_u64(seed_below(seed, 6000), memory->bytes - at);

			memset(memory->base + at, value, bytes);
			memset(p->bytes[i] + at, value, bytes);
		}
	}
}

static void
plain_grow(struct plain *p, struct seed *seed)
{
	for (uint32_t i = 0; i < p->memories; i++) {
		struct memory *memory = store_memory(p->store, i);

		if (memory->base && memory->pages < memory->pages_max && seed_below(seed, 2))
			(void)memory_grow(p->store, memory, 1);
	}
}

static void
plain_check(const struct plain *p)
{
	store_check(p->store);
	for (uint32_t i = 0; i < p->memories; i++) {
		struct memory *memory = store_memory(p->store, i);

		for (uint64_t page = 0; page < memory->bytes / HOST_PAGE_BYTES; page++) {
			const uint8_t *is = memory_page(p->store, memory, page);
			const uint8_t *want = p->bytes[i] + page * HOST_PAGE_BYTES;

			cr_assert(is ? !memcmp(is, want, HOST_PAGE_BYTES) : page_is_zero(want));
		}
	}
}

/* Each page's holders, counted: lists that hold it. */
static void
count_holders(void)
{
	static uint32_t holders[4096];
	const struct pagelist *lists[STORES * MEMORIES];
	uint32_t count = 0;

	memset(holders, 0, sizeof holders);
	for (uint32_t s = 0; s < STORES; s++) {
		for (uint32_t i = 0; i < plains[s].memories; i++) {
			const struct pagelist *list = store_memory(plains[s].store, i)->list;
			uint32_t k = 0, held = 0;

			if (!list)
				continue;
			for (uint32_t t = 0; t < STORES; t++)
				for (uint32_t j = 0; j < plains[t].memories; j++)
					held += store_memory(plains[t].store, j)->list == list;
			cr_assert_eq(list->holders, held);
			while (k < count && lists[k] != list)
				k++;
			if (k < count)
				continue;
			lists[count++] = list;
			for (k = 0; k < list->count; k++)
				if (list->page[k])
					holders[list->page[k]]++;
		}
	}
	count = 0;
	for (uint32_t page = 1; page < pages.fresh; page++) {
		if (!holders[page])
			continue;
		count++;
		cr_assert_eq(pages_holders(&pages, page), holders[page]);
	}
	cr_assert_eq(count, pages.used);
	pages_check(&pages);
}

Test(cold, equals_plain_copies_whatever_happens)
{
	struct seed seed = {3};
	uint64_t cooled = 0, refused = 0, copied = 0;

	host.store_pages_max = 700;
	for (int round = 0; round < ROUNDS; round++) {
		struct plain *p = &plains[seed_below(&seed, STORES)];
		struct plain *q = &plains[seed_below(&seed, STORES)];

		if (seed_below(&seed, 20) == 0)
			host.fail_after = 1 + seed_below(&seed, 3);
		if (seed_below(&seed, 20) == 0)
			pages.fail_after = 1 + seed_below(&seed, 30);
		if (!p->store)
			plain_make(p, &seed);
		switch (seed_below(&seed, 8)) {
		case 0:
		case 1:
			plain_write(p, &seed);
			break;
		case 2:
			plain_grow(p, &seed);
			break;
		case 3:
			if (store_cool(p->store))
				refused++;
			else
				cooled++;
			break;
		case 4:
		case 5:
			(void)store_warm(p->store);
			break;
		case 6:
			if (p != q) {
				plain_copy(p, q);
				copied += q->store != NULL;
			}
			break;
		case 7:
			if (seed_below(&seed, 4) == 0)
				plain_end(p);
			break;
		}
		if (p->store)
			plain_check(p);
		if (round % 50 == 0)
			count_holders();
	}
	host.fail_after = pages.fail_after = 0;
	for (int i = 0; i < STORES; i++)
		if (plains[i].store)
			plain_end(&plains[i]);
	cr_assert_gt(cooled, 1000);
	cr_assert_gt(refused, 100);
	cr_assert_gt(copied, 1000);
	cr_assert_eq(host.store_pages_max, 700);
}
