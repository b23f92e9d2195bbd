/* SPDX-License-Identifier: Apache-2.0 */
/* One key, derived and derived again: task.count managers of MANAGED leaves each,
 * and every leaf derives KEYS keys from the one it is handed, each from another
 * before it, so they are up to seven levels deep. The first yields when they are
 * all there; run again it cuts the one grant above them, and yields what the next
 * use of a key below answers. Then it all begins again. */
#include "tests/guests/house.h"

enum { FIRST, MANAGER, LEAF, MANAGED = 100, KEYS = 100 };
enum { AT_BASE = AT_FREE, AT_KEY, AT_CUTTER, AT_KEYS = 16, AT_KIDS = 200 };

static kh_u32
derive(kh_i32 from, kh_i32 to, kh_i32 cutter)
{
	struct kh_message m = kh_message();

	m.word[0] = (kh_u64)from;
	m.word[1] = ~0ull;
	m.word[2] = KH_REVOCABLE;
	m.receive[0] = to;
	m.receive[1] = cutter;
	return kh_call(KH_SLOTS, KH_SLOTS_DERIVE, &m);
}

static void
leaf(void)
{
	OK(order(KH_SLOTS, KH_SLOTS_COPY, AT_KEY, AT_KEYS));
	for (int i = 1; i <= KEYS; i++)
		OK(derive(AT_KEYS + i / 2, AT_KEYS + i, KH_NONE));
	kh_yield(0);
}

/* Makes a child anew, hands it the key, runs it until it has done its part. */
static void
child(kh_i32 at, kh_u64 role)
{
	const struct house_task is = {.role = role};
	struct kh_message m;

	if (role == LEAF || !task.word) {
		(void)order(at, KH_DOMAIN_END, 0, 0);
		OK(house_make(at, ~0ull, KH_NONE, KH_NONE));
		house_tell(at, &is);
		if (role == MANAGER)
			house_kit(at);
	}
	OK(house_give(at, AT_KEY, AT_KEY));
	if (house_run(at, 1ull << 44, 0, 0, &m) != KH_STOP_YIELDED)
		house_fail(m.word[0] << 8 | m.word[1]);
}

static void
manage(void)
{
	for (;;) {
		for (int i = 0; i < MANAGED; i++)
			child(AT_KIDS + i, LEAF);
		kh_yield(0);
	}
}

static void
first(void)
{
	house_load();
	for (;; task.word = 1) {
		OK(derive(KH_METER, AT_KEY, AT_CUTTER));
		for (kh_u64 i = 0; i < task.count; i++)
			child(AT_KIDS + (kh_i32)i, MANAGER);
		kh_yield(0);
		OK(order(AT_CUTTER, KH_GRANT_CUT, 0, 0));
		kh_yield(order(AT_KEY, KH_METER_STATUS, 0, 0));
	}
}

HOUSE_EXPORT(_start) void
begin(void)
{
	if (task.role == LEAF)
		leaf();
	else if (task.role == MANAGER)
		manage();
	else
		first();
}
