/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker refused and cut, by key. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tools/keyhold/ledger.h"

static struct ledger ledger;

static void
refused(uint32_t grant, const char *path, const char *why)
{
	ledger_refused(&ledger, grant, DEVICE_CONNECT, path, strlen(path), DEVICE_ECAPABILITY, why);
}

Test(ledger, refusals_are_counted_and_forgotten)
{
	const struct refusal *at = ledger.refusals;
	char path[32];

	for (int i = 0; i < 3; i++)
		ledger_refused(&ledger, 1, DEVICE_OPEN, "../x", 4, DEVICE_ECAPABILITY, NULL);
	cr_assert_eq(ledger.refusals_count, 1);
	cr_assert_eq(at[0].count, 3);
	cr_assert_str_eq(at[0].path, "../x");
	cr_assert_str_eq(at[0].key, "", "nobody said which key it is");
	for (int i = 0; i < 100; i++) {
		const int bytes = snprintf(path, sizeof path, "p%d\033[2J", i);

		ledger_refused(&ledger, 1, DEVICE_OPEN, path, (size_t)bytes, DEVICE_ENOENT, NULL);
	}
	cr_assert_eq(ledger.refusals_count, LEDGER_REFUSALS_MAX);
	cr_assert_null(strchr(at[15].path, '\033'), "nothing orders a terminal about");
	cr_assert_eq(strncmp(at[15].path, "p99", 3), 0, "the newest is there");
	cr_assert_eq(strncmp(at[0].path, "p84", 3), 0, "and the fifteen before it");
	cr_assert(at[0].missing);
	cr_assert_null(ledger_newest(&ledger), "why these were refused, the worker knows too");
	ledger_done(&ledger);
}

Test(ledger, the_same_again_is_the_newest)
{
	ledger_key(&ledger, "api", 7, true);
	refused(7, "a:1", "it resolves to\n127.0.0.1");
	refused(7, "b:1", "no");
	refused(7, "a:1", "it resolves to\n127.0.0.1");
	cr_assert_eq(ledger.refusals_count, 2);
	cr_assert_str_eq(ledger_newest(&ledger)->path, "a:1");
	cr_assert_str_eq(ledger_newest(&ledger)->why, "it resolves to?127.0.0.1");
	cr_assert_str_eq(ledger_newest(&ledger)->key, "api");
	cr_assert_eq(ledger_newest(&ledger)->count, 2);
	cr_assert_eq(ledger.refusals[0].count, 1);
	refused(7, "a:1", "another cause");
	cr_assert_eq(ledger.refusals_count, 3, "other words are another refusal");
	ledger_done(&ledger);
	cr_assert_eq(ledger.refusals_count, 0);
}

Test(ledger, a_name_is_of_the_grant_given_last)
{
	ledger_key(&ledger, "clock", 0, false);
	cr_assert_eq(ledger.keys_count, 0, "nothing of the broker's is behind it");
	ledger_key(&ledger, "a", 7, true);
	ledger_key(&ledger, "b", 8, false);
	cr_assert_null(ledger_expired(&ledger, 9));
	cr_assert_not_null(ledger_expired(&ledger, 7));
	cr_assert(ledger_named(&ledger, "a", 1)->is_expired);
	cr_assert_not(ledger_named(&ledger, "b", 1)->is_expired);
	cr_assert_null(ledger_named(&ledger, "ab", 2));
	ledger_key(&ledger, "a", 17, true);
	cr_assert_eq(ledger.keys_count, 2);
	cr_assert_not(ledger_named(&ledger, "a", 1)->is_expired, "that was the one before");
	cr_assert_null(ledger_expired(&ledger, 7));
	ledger_done(&ledger);
}
