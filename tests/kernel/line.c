/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/line.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

/* The seed's example: 100 -> 50 -> [80] drain together. */
Test(line, three_limits_drain_together)
{
	struct clock_gas clock = {0};
	struct line a, b, c;

	line_init(&a, NULL);
	line_init(&b, &a);
	line_init(&c, &b);
	line_limit(&clock, &a, 100);
	line_limit(&clock, &b, 50);
	line_limit(&clock, &c, 80);
	line_switch(&clock, &c);
	cr_assert_eq(line_room(&clock), 50);
	line_spend(&clock, 50);
	cr_assert_eq(line_dry(&clock, 1), &b);
	cr_assert_eq(line_left(&clock, &a), 50);
	cr_assert_eq(line_left(&clock, &c), 30);
	line_feed(&clock, &b, 10);
	cr_assert_eq(line_room(&clock), 10);
	line_switch(&clock, &a);
	cr_assert_eq(b.left, 10);
	cr_assert_eq(b.used, 50);
	line_check(&clock, &a);
}

Test(line, the_topmost_dry_line_is_found)
{
	struct clock_gas clock = {0};
	struct line a, b, c;

	line_init(&a, NULL);
	line_init(&b, &a);
	line_init(&c, &b);
	line_limit(&clock, &a, 10);
	line_limit(&clock, &b, 5);
	line_limit(&clock, &c, 7);
	line_switch(&clock, &c);
	cr_assert_null(line_dry(&clock, 5));
	cr_assert_eq(line_dry(&clock, 6), &b);
	cr_assert_eq(line_dry(&clock, 11), &a);
}

Test(line, below_is_below_whichever_of_them_are_active)
{
	struct clock_gas clock = {0};
	struct line a, b, c, d, *const lines[] = {&a, &b, &c, &d};
	static const bool below[4][4] = {{1, 0, 0, 0}, {1, 1, 0, 0}, {1, 1, 1, 0}, {1, 0, 0, 1}};

	line_init(&a, NULL);
	line_init(&b, &a);
	line_init(&c, &b);
	line_init(&d, &a);
	for (int running = -1; running < 4; running++) {
		line_switch(&clock, running < 0 ? NULL : lines[running]);
		for (int i = 0; i < 4; i++)
			for (int j = 0; j < 4; j++)
				cr_assert_eq(line_is_below(lines[i], lines[j]), below[i][j]);
	}
}

Test(line, a_reserve_is_kept_from_those_below_only)
{
	struct clock_gas clock = {0};
	struct line a, b;

	line_init(&a, NULL);
	line_init(&b, &a);
	line_limit(&clock, &a, 100);
	line_reserve(&clock, &a, 40);
	line_limit(&clock, &b, GAS_NO_LIMIT);
	line_switch(&clock, &b);
	cr_assert_eq(line_room(&clock), 60);
	line_switch(&clock, &a);
	cr_assert_eq(line_room(&clock), 100);
	line_spend(&clock, 80);
	line_switch(&clock, &b);
	cr_assert_eq(line_room(&clock), 0);
	cr_assert_eq(line_dry(&clock, 1), &a);
}

Test(line, rent_drains_its_own_line_alone)
{
	struct clock_gas clock = {0};
	struct line a, b;

	line_init(&a, NULL);
	line_init(&b, &a);
	line_limit(&clock, &a, 1000);
	line_limit(&clock, &b, 1000);
	line_rate(&clock, &b, 3);
	line_switch(&clock, &b);
	cr_assert_eq(line_room(&clock), 333);
	line_spend(&clock, 100);
	cr_assert_eq(line_left(&clock, &b), 700);
	cr_assert_eq(line_left(&clock, &a), 900);
}

Test(line, a_line_without_limits_has_room_for_all)
{
	struct clock_gas clock = {0};
	struct line a;

	line_init(&a, NULL);
	line_limit(&clock, &a, GAS_NO_LIMIT);
	line_switch(&clock, &a);
	cr_assert_eq(line_room(&clock), GAS_NO_LIMIT);
	cr_assert_null(line_dry(&clock, GAS_NO_LIMIT));
	line_spend(&clock, 12);
	cr_assert_eq(line_used(&clock, &a), 12);
}

Test(line, feeding_saturates)
{
	struct clock_gas clock = {0};
	struct line a;

	line_init(&a, NULL);
	line_limit(&clock, &a, GAS_NO_LIMIT - 1);
	line_feed(&clock, &a, GAS_NO_LIMIT - 1);
	cr_assert_eq(a.left, UINT64_MAX);
	line_switch(&clock, &a);
	line_spend(&clock, 5);
	cr_assert_eq(line_left(&clock, &a), UINT64_MAX - 5);
}

/* Depth is free: what a step costs is one compare, and a switch between
 * neighbours touches only them, however long the path above. */
Test(line, deep_paths_are_walked_without_recursion)
{
	enum { DEPTH = 200000 };
	struct clock_gas clock = {0};
	struct line *lines = calloc(DEPTH, sizeof *lines);

	line_init(&lines[0], NULL);
	for (int i = 1; i < DEPTH; i++)
		line_init(&lines[i], &lines[i - 1]);
	for (int i = 0; i < DEPTH; i++)
		line_limit(&clock, &lines[i], GAS_NO_LIMIT);
	line_switch(&clock, &lines[DEPTH - 1]);
	line_spend(&clock, 9);
	line_check(&clock, &lines[0]);
	cr_assert_eq(line_used(&clock, &lines[0]), 9);
	line_switch(&clock, NULL);
	cr_assert_eq(lines[0].used, 9);
	free(lines);
}

Test(line, spending_past_the_room_is_our_fault, .signal = SIGABRT)
{
	struct clock_gas clock = {0};
	struct line a;

	line_init(&a, NULL);
	line_limit(&clock, &a, 5);
	line_switch(&clock, &a);
	line_spend(&clock, 6);
}

Test(line, an_active_line_cannot_be_ended, .signal = SIGABRT)
{
	struct clock_gas clock = {0};
	struct line a;

	line_init(&a, NULL);
	line_switch(&clock, &a);
	line_done(&a);
}

Test(line, check_finds_a_deadline_past_its_superiors, .signal = SIGABRT)
{
	struct clock_gas clock = {0};
	struct line a, b;

	line_init(&a, NULL);
	line_init(&b, &a);
	line_limit(&clock, &a, 5);
	line_limit(&clock, &b, 5);
	line_switch(&clock, &b);
	b.due_below = 6;
	line_check(&clock, &a);
}

Test(line, a_rate_of_zero_is_our_fault, .signal = SIGABRT)
{
	struct clock_gas clock = {0};
	struct line a;

	line_init(&a, NULL);
	line_rate(&clock, &a, 0);
}
