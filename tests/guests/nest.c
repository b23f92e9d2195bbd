/* SPDX-License-Identifier: Apache-2.0 */
/* Nests itself: each level makes the next from its own module and runs it; the
 * deepest yields at once. Each word that the first is handed then goes down to the
 * deepest, which works so many steps and yields what it came to, all the way up;
 * with a number in its upper 16 bits it is stopped and resumed so often instead.
 * task.word: 1, all is stored at the first one's bank; 0, each below the last. */
#include "tests/guests/house.h"

static kh_u64
work(kh_u64 count)
{
	kh_u64 x = 88172645463325252ull;

	for (kh_u64 i = 0; i < count; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

static kh_u64
drive(kh_u64 word)
{
	const kh_u64 rounds = task.depth == 1 ? word >> 48 : 0;
	struct kh_message m;
	kh_u64 what = 0;

	for (kh_u64 i = 0; i <= rounds; i++) {
		if (house_run(AT_CHILD, 1ull << 50, rounds ? 0 : word, 0, &m) != KH_STOP_YIELDED)
			house_fail(m.word[0] << 8 | m.word[1]);
		what = m.word[1];
	}
	return what;
}

HOUSE_EXPORT(_start) void
begin(void)
{
	struct house_task below = task;
	kh_u64 word = 0;

	if (!task.depth)
		for (;;)
			word = kh_yield(work(word));
	house_load();
	below.depth--;
	OK(house_make(AT_CHILD, ~0ull, KH_NONE, task.word ? KH_BANK : KH_NONE));
	house_tell(AT_CHILD, &below);
	OK(house_give(AT_CHILD, KH_CREATOR, KH_CREATOR));
	OK(house_give(AT_CHILD, AT_MODULE, AT_MODULE));
	if (task.word)
		OK(house_give(AT_CHILD, KH_BANK, KH_BANK));
	for (;;)
		word = kh_yield(drive(word));
}
