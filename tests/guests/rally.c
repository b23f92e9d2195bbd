/* SPDX-License-Identifier: Apache-2.0 */
/* A domain and one that it makes and calls: 4 words, 64 bytes and a key, and
 * the same back, task.count times. */
#include "tests/guests/house.h"

enum { CALLER, SERVER, AT_SERVER = AT_FREE, AT_HERS, TEXT = 64 };

static char text[TEXT], room[TEXT];

static void
serve(void)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;

	m.room_at = room;
	m.text = room;
	m.room = m.text_bytes = TEXT;
	m.receive[0] = m.send[0] = AT_HERS;
	m.receive[3] = AT_GIFT;
	for (;; answer = AT_GIFT) {
		(void)kh_reply_wait(answer, &m);
		m.rc = KH_OK;
		m.word[0]++;
	}
}

static void
rally(void)
{
	const struct house_task server = {.role = SERVER};
	struct kh_message m;

	house_load();
	OK(house_make(AT_CHILD, 1 << 20, KH_NONE, KH_NONE));
	house_tell(AT_CHILD, &server);
	house_run(AT_CHILD, 1ull << 40, 0, KH_RUN_DETACH, &m);
	OK(order_key(AT_CHILD, KH_DOMAIN_START, 7, AT_SERVER));
	m = kh_message();
	m.text = text;
	m.text_bytes = m.room = TEXT;
	m.room_at = room;
	m.send[0] = AT_MODULE;
	m.receive[0] = AT_HERS;
	text[TEXT - 1] = 77;
	for (kh_u64 i = 0; i < task.count; i++) {
		m.word[0] = i;
		OK(kh_call(AT_SERVER, 5, &m));
		if (m.word[0] != i + 1 || m.got != TEXT || room[TEXT - 1] != 77)
			house_fail(1);
	}
}

HOUSE_EXPORT(_start) void
begin(void)
{
	if (task.role == SERVER)
		serve();
	else
		rally();
}
