/* SPDX-License-Identifier: Apache-2.0 */
/* The two models of resources of the seed, as programs. task.role of the first:
 *
 *   CREDIT    three below one another may use task.count, task.word, task.depth:
 *             they drain together. The first runs the top one; each time that is
 *             dry it yields the count of times, and feeds it; those below do
 *             not notice. Then it yields what the lowest came to.
 *   TRANSFER  a purse of which so much is split off, and of that again; what is
 *             left comes back. Yields what the first holds after each step. */
#include "tests/guests/house.h"

enum { CREDIT, TRANSFER, LEVEL, WORKER, ROUNDS = 3000, FEED = 20000 };
enum { AT_PURSE = AT_FREE, AT_SECOND, AT_THIRD };

static kh_u64
work(void)
{
	volatile kh_u64 x = 1;

	for (int i = 0; i < ROUNDS; i++)
		x = x * 6364136223846793005ull + 1442695040888963407ull;
	return x;
}

/* One more below, with its gas in task.count, task.word, task.depth. */
static void
make_level(const struct house_task *is)
{
	OK(house_make(AT_CHILD, ~0ull, KH_NONE, KH_NONE));
	house_tell(AT_CHILD, is);
	house_kit(AT_CHILD);
}

/* It runs the next with its own wish and must never see it dry: who is above does. */
static void
be_level(void)
{
	struct house_task below = {.role = task.word ? LEVEL : WORKER, .count = task.word, .word = task.depth};
	struct kh_message m;

	if (!task.count)
		return;
	make_level(&below);
	if (house_run(AT_CHILD, task.count, 0, 0, &m) != KH_STOP_YIELDED)
		house_fail(m.word[0] << 8 | m.word[1]);
	kh_yield(m.word[1]);
}

static void
credit(void)
{
	struct house_task below = {.role = LEVEL, .count = task.word, .word = task.depth};
	struct kh_message m;
	kh_u64 dry = 0, gas = task.count;

	make_level(&below);
	for (;; gas = FEED) {
		house_run(AT_CHILD, gas, 0, 0, &m);
		if (m.word[0] != KH_STOP_OUT_OF_GAS)
			break;
		kh_yield(++dry);
	}
	kh_yield(m.word[0] == KH_STOP_YIELDED ? m.word[1] : ~m.word[0]);
}

static kh_u64
balance(kh_i32 purse)
{
	struct kh_message m = kh_message();

	OK(kh_call(purse, KH_PURSE_BALANCE, &m));
	return m.word[0];
}

static kh_u64
all_three(void)
{
	return balance(AT_PURSE) << 32 | balance(AT_SECOND) << 16 | balance(AT_THIRD);
}

static void
transfer(void)
{
	OK(order_key(AT_PURSE, KH_PURSE_SPLIT, 30, AT_SECOND));
	OK(order_key(AT_SECOND, KH_PURSE_SPLIT, 10, AT_THIRD));
	kh_yield(all_three());
	must_be(order_key(AT_THIRD, KH_PURSE_SPLIT, 11, AT_SCRATCH), KH_BAD_WORD, __LINE__);
	OK(order(AT_THIRD, KH_PURSE_END, 0, 0));
	kh_yield(balance(AT_PURSE) << 32 | balance(AT_SECOND) << 16);
	OK(order(AT_SECOND, KH_PURSE_END, 0, 0));
	kh_yield(balance(AT_PURSE));
}

HOUSE_EXPORT(_start) void
begin(void)
{
	house_load();
	if (task.role == CREDIT)
		credit();
	else if (task.role == TRANSFER)
		transfer();
	else if (task.role == LEVEL)
		be_level();
	else
		kh_yield(work());
}
