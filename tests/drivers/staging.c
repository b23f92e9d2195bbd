/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/staging.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct staging staging;
static uint8_t taken[STAGING_BYTES / WIRE_SMALL_BYTES];

static bool
take(uint32_t bytes, uint32_t *ret_piece)
{
	const uint32_t room = bytes > WIRE_SMALL_BYTES ? WIRE_LARGE_BYTES : WIRE_SMALL_BYTES;

	if (!staging_take(&staging, bytes, ret_piece))
		return false;
	cr_assert_eq(*ret_piece % WIRE_SMALL_BYTES, 0);
	cr_assert_leq(*ret_piece + room, (uint32_t)STAGING_BYTES);
	for (uint32_t i = 0; i < room / WIRE_SMALL_BYTES; i++)
		cr_assert_eq(taken[*ret_piece / WIRE_SMALL_BYTES + i]++, 0, "given twice");
	return true;
}

Test(staging, pieces_do_not_overlap_and_run_out)
{
	uint32_t piece, count = 0;

	staging_init(&staging);
	while (take(WIRE_LARGE_BYTES, &piece))
		count++;
	cr_assert_eq(count, WIRE_LARGES);
	while (take(WIRE_SMALL_BYTES, &piece))
		count++;
	cr_assert_eq(count, WIRE_LARGES + WIRE_SMALLS);
	cr_assert_not(staging_take(&staging, 1, &piece));
	staging_give(&staging, piece);
	cr_assert(staging_take(&staging, 1, &piece));
}

Test(staging, a_small_request_takes_a_large_piece_rather_than_none)
{
	uint32_t piece, count = 0;

	staging_init(&staging);
	while (staging_take(&staging, 1, &piece))
		count++;
	cr_assert_eq(count, WIRE_LARGES + WIRE_SMALLS);
	cr_assert_not(staging_take(&staging, WIRE_LARGE_BYTES, &piece));
}

Test(staging, nothing_is_larger_than_a_piece)
{
	uint32_t piece;

	staging_init(&staging);
	cr_assert_not(staging_take(&staging, WIRE_LARGE_BYTES + 1, &piece));
}

Test(staging, the_last_one_given_back_is_the_next)
{
	uint32_t first, second, again;

	staging_init(&staging);
	cr_assert(staging_take(&staging, 8192, &first) && staging_take(&staging, 8192, &second));
	staging_give(&staging, first);
	cr_assert(staging_take(&staging, 8192, &again));
	cr_assert_eq(again, first);
}

Test(staging, giving_back_too_much_is_our_fault, .signal = SIGABRT)
{
	staging_init(&staging);
	staging_give(&staging, 0);
}
