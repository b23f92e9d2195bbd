/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/host_linux.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/seeds.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

enum { PAGE = HOST_PAGE_BYTES };

static struct host *host;
static struct report report;
static uint64_t arena_bytes;

static void
open_arena(uint64_t bytes)
{
	const struct host_linux_config config = {.arena_bytes = bytes, .store_fd = -1};

	report_clear(&report);
	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), 0, "%s", report.text);
	cr_assert_eq(arena_bytes, bytes);
}

static void
finish(void)
{
	host_linux_close(host);
}

TestSuite(host_linux, .fini = finish, .timeout = 60);

static uint64_t
largest_free(void)
{
	struct host_linux_counts counts;

	host_linux_counts(host, &counts);
	return counts.largest_free_bytes;
}

Test(host_linux, all_of_it_can_be_reserved_and_given_back)
{
	void *base;

	open_arena(64 * PAGE);
	base = host->reserve(host, 64 * PAGE);
	cr_assert_not_null(base);
	cr_assert_null(host->reserve(host, PAGE));
	host->release(host, base, 64 * PAGE);
	cr_assert_eq(largest_free(), 64 * PAGE);
	cr_assert_null(host->reserve(host, 65 * PAGE));
	cr_assert_null(host->reserve(host, 0));
	cr_assert_null(host->reserve(host, UINT64_MAX & ~UINT64_C(4095)));
	host->release(host, NULL, 0);
}

/* Whatever the sizes, if one free extent is large enough it is found. */
Test(host_linux, equals_a_model_that_walks_every_page)
{
	enum { PAGES = 600, LIVE = 64 };
	static uint8_t owner[PAGES];
	struct { uint8_t *base; uint32_t pages; } live[LIVE] = {{0}};
	uint8_t *zero = NULL;
	struct seed seed;

	open_arena((uint64_t)PAGES * PAGE);
	zero = host->reserve(host, PAGE);
	host->release(host, zero, PAGE); /* the first: the arena's base */
	seed.state = 7;
	for (int step = 0; step < 20000; step++) {
		const uint32_t i = (uint32_t)(seed_next(&seed) % LIVE);
		uint32_t run = 0, best = 0;

		if (live[i].base) {
			host->release(host, live[i].base, (uint64_t)live[i].pages * PAGE);
			memset(owner + (live[i].base - zero) / PAGE, 0, live[i].pages);
			live[i].base = NULL;
		}
		live[i].pages = 1 + (uint32_t)(seed_next(&seed) % (seed_next(&seed) % 4 ? 12 : 100));
		live[i].base = host->reserve(host, (uint64_t)live[i].pages * PAGE);
		for (uint32_t page = 0; page < PAGES; page++) {
			run = owner[page] ? 0 : run + 1;
			best = run > best ? run : best;
		}
		cr_assert_eq(live[i].base != NULL, live[i].pages <= best, "step %d", step);
		for (uint32_t page = 0; live[i].base && page < live[i].pages; page++) {
			uint8_t *at = live[i].base + page * PAGE;

			cr_assert_eq(owner[(at - zero) / PAGE]++, 0, "given twice");
			if (step % 8 == 0) {
				cr_assert_eq(at[page % PAGE], 0, "reads as zero");
				at[page % PAGE] = 1;
			}
		}
	}
	for (int i = 0; i < LIVE; i++)
		if (live[i].base)
			host->release(host, live[i].base, (uint64_t)live[i].pages * PAGE);
	cr_assert_eq(largest_free(), (uint64_t)PAGES * PAGE, "all of it has grown together");
}

Test(host_linux, what_is_discarded_or_released_reads_as_zero_and_is_not_resident)
{
	unsigned char resident[16];
	uint8_t *base, *again;

	open_arena(1 << 20);
	base = host->reserve(host, 16 * PAGE);
	memset(base, 0xff, 16 * PAGE);
	host->discard(host, base + 4 * PAGE, 8 * PAGE);
	cr_assert_eq(mincore(base, 16 * PAGE, resident), 0);
	for (int i = 0; i < 16; i++)
		cr_assert_eq(resident[i] & 1, i < 4 || i >= 12, "page %d", i);
	cr_assert_eq(base[4 * PAGE], 0);
	cr_assert_eq(base[4 * PAGE - 1], 0xff);
	host->release(host, base, 16 * PAGE);
	again = host->reserve(host, 16 * PAGE);
	for (uint32_t i = 0; i < 16 * PAGE; i++)
		cr_assert_eq(again[i], 0);
}

Test(host_linux, a_large_arena_costs_nothing_until_it_is_touched)
{
	struct rusage before, after;
	void *base;

	(void)getrusage(RUSAGE_SELF, &before);
	open_arena(UINT64_C(1) << 40);
	base = host->reserve(host, UINT64_C(1) << 39);
	cr_assert_not_null(base);
	host->release(host, base, UINT64_C(1) << 39);
	(void)getrusage(RUSAGE_SELF, &after);
	cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 1024, "KiB");
}

Test(host_linux, where_the_system_allows_less_it_takes_less_and_says_so)
{
	const struct rlimit limit = {UINT64_C(2) << 30, RLIM_INFINITY};
	struct host_linux_config config = {.bank_bytes = UINT64_C(256) << 20, .store_fd = -1};
	struct rlimit old;

#ifdef SANITIZED
	cr_skip_test("the sanitizer needs the address space itself");
#endif
	(void)getrlimit(RLIMIT_AS, &old);
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), 0, "%s", report.text);
	cr_assert_geq(arena_bytes, config.bank_bytes);
	cr_assert_lt(arena_bytes, config.bank_bytes * 16);
	host_linux_close(host);
	host = NULL;
	config.bank_bytes = UINT64_C(4) << 30;
	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), -ENOMEM);
	cr_assert_neq(report.text[0], '\0');
	cr_assert_eq(setrlimit(RLIMIT_AS, &old), 0);
}

Test(host_linux, an_unlimited_bank_is_capped)
{
	const struct host_linux_config config = {.bank_bytes = UINT64_MAX, .store_fd = -1};

	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), 0, "%s", report.text);
	cr_assert_leq(arena_bytes, UINT64_C(4) << 40);
	cr_assert_not_null(host->reserve(host, UINT64_C(4) << 30));
}

Test(host_linux, pages_fill_hot_memory_by_copy)
{
	const int fd = memfd_create("pages", 0);
	const struct host_linux_config config = {
		.arena_bytes = 1 << 20, .store_fd = fd, .store_bytes = 8 * PAGE};
	const uint32_t list[] = {3, 4, 0, 1, 1, 7};
	uint8_t *store, *base;

	cr_assert_eq(ftruncate(fd, 8 * PAGE), 0);
	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), 0);
	(void)close(fd);
	store = host->pages(host, 8);
	cr_assert_not_null(store);
	cr_assert_null(host->pages(host, 9));
	for (int i = 0; i < 8; i++)
		memset(store + i * PAGE, i + 10, PAGE);
	base = host->reserve(host, 6 * PAGE);
	host->fill(host, base, list, 6);
	for (int i = 0; i < 6 * PAGE; i++)
		cr_assert_eq(base[i], list[i / PAGE] ? list[i / PAGE] + 10 : 0);
	base[0] = 99;
	cr_assert_eq(store[3 * PAGE], 13, "a copy");
}

/* Pages of an anonymous store are given back; one that is refused is none. */
Test(host_linux, a_store_without_a_file_gives_its_pages_back)
{
	const struct host_linux_config config = {
		.arena_bytes = 1 << 20, .store_fd = -1, .store_bytes = 64 * PAGE};
	uint8_t *store;

	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), 0);
	store = host->pages(host, 64);
	cr_assert_not_null(store);
	memset(store, 7, 64 * PAGE);
	host->discard(host, store + 8 * PAGE, 8 * PAGE);
	cr_assert_eq(store[8 * PAGE - 1], 7);
	cr_assert_eq(store[8 * PAGE], 0);
	cr_assert_eq(store[16 * PAGE], 7);
}

Test(host_linux, a_store_that_is_refused_is_none)
{
	const struct host_linux_config config = {
		.arena_bytes = 1 << 20, .store_fd = -1, .store_bytes = UINT64_C(1) << 50};

	cr_assert_eq(host_linux_open(&config, &report, &host, &arena_bytes), 0, "%s", report.text);
	cr_assert_null(host->pages(host, 1));
	cr_assert_not_null(host->reserve(host, PAGE));
}

Test(host_linux, releasing_what_is_no_reservation_is_our_fault, .signal = SIGABRT)
{
	uint8_t *base;

	open_arena(64 * PAGE);
	base = host->reserve(host, 4 * PAGE);
	host->release(host, base, 3 * PAGE);
}
