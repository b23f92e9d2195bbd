/* SPDX-License-Identifier: Apache-2.0 */
/* task.word readers of one file (task.depth pages of 4 KiB), each of task.count
 * pages at random: the first makes them and yields; then they read, and it yields
 * the sum of the first bytes. */
#include "tests/guests/house.h"

enum { FIRST, READER, AT_FILE = AT_FREE, AT_FIRST, AT_KIDS = 16, PAGE = 4096 };

static unsigned char page[PAGE];

static void
be_reader(void)
{
	kh_u64 x = 88172645463325252ull * (task.word + 1), sum = 0;

	for (kh_u64 i = 0; i < task.count; i++) {
		struct kh_message m = kh_message();

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		m.word[0] = x % task.depth * PAGE;
		m.word[1] = PAGE;
		m.room_at = page;
		m.room = PAGE;
		OK(kh_call(AT_FILE, KH_FILE_READ, &m));
		must_be(m.got, PAGE, __LINE__);
		sum += page[0];
	}
	OK(order(AT_FIRST, 1, sum, 0));
}

HOUSE_EXPORT(_start) void
begin(void)
{
	struct house_task is = task;
	struct kh_message m;
	kh_u64 sum = 0;
	kh_i32 answer = KH_NONE;

	if (task.role == READER) {
		be_reader();
		return;
	}
	house_load();
	OK(order_key(KH_SELF, KH_DOMAIN_START, 1, AT_FIRST));
	is.role = READER;
	for (kh_u64 i = 0; i < task.word; i++) {
		is.word = i;
		OK(house_make(AT_KIDS + (kh_i32)i, ~0ull, KH_NONE, KH_NONE));
		house_tell(AT_KIDS + (kh_i32)i, &is);
		OK(house_give(AT_KIDS + (kh_i32)i, AT_FILE, AT_FILE));
		OK(house_give(AT_KIDS + (kh_i32)i, AT_FIRST, AT_FIRST));
	}
	kh_yield(0);
	for (kh_u64 i = 0; i < task.word; i++)
		house_run(AT_KIDS + (kh_i32)i, 1ull << 50, 0, KH_RUN_DETACH, &m);
	m = kh_message();
	m.receive[3] = AT_GIFT;
	for (kh_u64 done = 0; done < task.word; done++, answer = AT_GIFT) {
		(void)kh_reply_wait(answer, &m);
		sum += m.word[0];
		m.rc = KH_OK;
	}
	kh_yield(sum);
}
