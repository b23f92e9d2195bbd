/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/bank.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(bank, takes_from_all_above_or_from_none)
{
	struct bank a, b, c;

	bank_init(&a, NULL, 100);
	bank_init(&b, &a, 60);
	bank_init(&c, &b, BANK_NO_LIMIT);
	cr_assert(bank_take(&a, 50));
	cr_assert(bank_take(&c, 50));
	cr_assert_not(bank_take(&c, 1));
	cr_assert_eq(bank_used(&a), 100);
	cr_assert_eq(bank_used(&b), 50);
	bank_give(&a, 50);
	cr_assert_eq(bank_room(&c), 10);
	cr_assert_not(bank_take(&c, 11));
	cr_assert(bank_take(&c, 10));
	bank_check(&a);
}

Test(bank, tells_those_above_later_and_to_the_byte)
{
	struct bank a, b, c, d;

	bank_init(&a, NULL, 1000);
	bank_init(&b, &a, 100);
	bank_init(&c, &b, BANK_NO_LIMIT);
	bank_init(&d, &a, BANK_NO_LIMIT);
	cr_assert(bank_take(&c, 70));
	bank_give(&c, 50);
	cr_assert(bank_take(&c, 10));
	cr_assert_eq(a.used, 0, "it has not heard yet");
	cr_assert(bank_take(&d, 5)); /* the finger goes over a */
	bank_give(&d, 5);
	cr_assert_eq(bank_peak(&b), 70);
	cr_assert_eq(bank_peak(&a), 70, "30 and 5 is less");
	cr_assert_eq(bank_used(&a), 30);
	cr_assert_eq(bank_room(&c), 70);
	bank_check(&a);
}

struct watcher {
	struct bank_watch watch; /* first */
	uint64_t says, room, asked;
	uint32_t refused;
};

static uint64_t
above(struct bank_watch *watch, uint64_t room, uint64_t bytes)
{
	struct watcher *watcher = (struct watcher *)(void *)watch;

	watcher->room = room;
	watcher->asked = bytes;
	watcher->refused += room < bytes;
	return watcher->says < room ? watcher->says : room;
}

Test(bank, a_watched_one_hears_of_refusals_above_it_alone)
{
	struct watcher watcher = {.watch = {above}, .says = UINT64_MAX};
	struct bank a, b, c;

	bank_init(&a, NULL, 100);
	bank_init(&b, &a, 80);
	bank_init(&c, &b, 50);
	bank_watch(&b, &watcher.watch);
	cr_assert(bank_take(&a, 60));
	cr_assert_not(bank_take(&c, 60));
	cr_assert_eq(watcher.refused, 0, "it is its own limit");
	cr_assert_not(bank_take(&c, 45));
	cr_assert_eq(watcher.refused, 1, "a has 40");
	cr_assert_eq(watcher.room, 40);
	cr_assert_eq(watcher.asked, 45);
	cr_assert_eq(bank_room(&c), 40);
	cr_assert_eq(watcher.asked, 50, "all that it has itself");
	watcher.says = 7;
	cr_assert_eq(bank_room(&c), 7);
	cr_assert_not(bank_take(&c, 8), "less is said than there is");
	cr_assert(bank_take(&c, 7));
	watcher.refused = 0;
	bank_watch(&b, NULL);
	cr_assert_not(bank_take(&c, 45));
	cr_assert_eq(watcher.refused, 0);
	bank_check(&a);
}

Test(bank, a_take_is_heard_of_without_a_walk)
{
	struct watcher watcher = {.watch = {above}, .says = UINT64_MAX};
	struct bank a, b, c;

	bank_init(&a, NULL, 100);
	bank_init(&b, &a, BANK_NO_LIMIT);
	bank_init(&c, &b, BANK_NO_LIMIT);
	cr_assert(bank_take(&c, 1));
	bank_watch(&b, &watcher.watch); /* which is on */
	cr_assert(bank_take(&c, 20));
	cr_assert_eq(watcher.asked, 20);
	cr_assert(bank_take(&c, 30));
	cr_assert_eq(watcher.asked, 30);
	cr_assert_eq(a.used, 1, "a walk would have told it the 20");
	watcher.says = 8;
	cr_assert_not(bank_take(&c, 9), "refused from elsewhere");
	cr_assert_eq(a.used, 1);
	bank_check(&a);
	watcher.asked = 0;
	cr_assert(bank_take(&a, 3));
	cr_assert_eq(watcher.asked, 0, "it is below nobody that is watched");
	bank_watch(&b, NULL);
	cr_assert(bank_take(&c, 9));
	cr_assert_eq(watcher.asked, 0);
	bank_check(&a);
}

Test(bank, done_gives_back_all_it_took)
{
	struct bank a, b;

	bank_init(&a, NULL, 100);
	bank_init(&b, &a, 100);
	cr_assert(bank_take(&b, 70));
	bank_done(&b);
	cr_assert_eq(a.used, 0);
	cr_assert_eq(a.peak, 70);
	bank_check(&a);
}

Test(bank, a_limit_below_use_is_refused)
{
	struct bank a;

	bank_init(&a, NULL, 100);
	cr_assert(bank_take(&a, 40));
	cr_assert_not(bank_limit(&a, 39));
	cr_assert(bank_limit(&a, 40));
	cr_assert_eq(bank_room(&a), 0);
}

Test(bank, the_engine_pays_through_it)
{
	struct bank a;

	bank_init(&a, NULL, 10);
	cr_assert(a.storage.take(&a.storage, 10));
	cr_assert_not(a.storage.take(&a.storage, 1));
	a.storage.give(&a.storage, 4);
	cr_assert_eq(a.used, 6);
}

Test(bank, giving_more_than_was_taken_is_our_fault, .signal = SIGABRT)
{
	struct bank a;

	bank_init(&a, NULL, 10);
	cr_assert(bank_take(&a, 5));
	bank_give(&a, 6);
}

Test(bank, ends_only_when_none_is_below, .signal = SIGABRT)
{
	struct bank a, b;

	bank_init(&a, NULL, 10);
	bank_init(&b, &a, 10);
	bank_done(&a);
}

Test(bank, check_finds_a_sum_that_is_off, .signal = SIGABRT)
{
	struct bank a, b;

	bank_init(&a, NULL, 10);
	bank_init(&b, &a, 10);
	cr_assert(bank_take(&b, 5));
	b.used = 6;
	bank_check(&a);
}

Test(bank, check_finds_use_past_the_peak, .signal = SIGABRT)
{
	struct bank a;

	bank_init(&a, NULL, 10);
	cr_assert(bank_take(&a, 5));
	a.peak = 4;
	bank_check(&a);
}
