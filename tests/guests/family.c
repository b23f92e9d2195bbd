/* SPDX-License-Identifier: Apache-2.0 */
/* Five domains with calls between them and requests to the device: the first, a
 * server that writes what it is sent to a stream, two clients that call it and
 * sleep, and one that reads a stream. What they come to does not depend on the
 * order in which the device answers. */
#include "tests/guests/house.h"

enum { FIRST, SERVER, CLIENT, READER, CLIENTS = 2 };
enum { AT_IN = AT_FREE, AT_OUT, AT_CLOCK, AT_SERVER, AT_FIRST, AT_KIDS };
enum { ORDER_SAY = 20, ORDER_ADD, ORDER_SUM, ORDER_DONE, LINE = 4, PIECE = 8 };

static void
serve(void)
{
	static char line[LINE];
	struct kh_message m = kh_message(), out;
	kh_i32 answer = KH_NONE;
	kh_u64 sum = 0;

	m.room_at = line;
	m.room = LINE;
	m.receive[3] = AT_GIFT;
	for (;; answer = AT_GIFT) {
		const kh_u32 what = kh_reply_wait(answer, &m);

		sum += what == ORDER_SUM ? 0 : m.word[0];
		m.word[0] = what == ORDER_SUM ? sum : 2 * m.word[0];
		m.rc = KH_OK;
		if (what != ORDER_SAY)
			continue;
		out = kh_message();
		out.text = line;
		out.text_bytes = LINE;
		OK(kh_call(AT_OUT, KH_STREAM_WRITE, &out));
	}
}

static void
be_client(void)
{
	char line[LINE] = {(char)('a' + task.word), '0', '0', '\n'};
	kh_u64 sum = 0;

	for (kh_u64 i = 0; i < task.count; i++) {
		struct kh_message m = kh_message();

		line[1] = (char)('0' + i / 10);
		line[2] = (char)('0' + i % 10);
		m.word[0] = i * 3 + task.word;
		m.text = line;
		m.text_bytes = LINE;
		OK(kh_call(AT_SERVER, ORDER_SAY, &m));
		sum += m.word[0];
		if (i % 3 == task.word)
			OK(order(AT_CLOCK, KH_CLOCK_SLEEP, 1000 * i, 0));
	}
	OK(order(AT_FIRST, ORDER_DONE, sum, 0));
}

static void
be_reader(void)
{
	unsigned char piece[PIECE];
	kh_u64 all = 0;

	for (kh_u64 i = 0; i < task.count; i++) {
		struct kh_message m = kh_message();

		m.word[0] = PIECE;
		m.room_at = piece;
		m.room = PIECE;
		OK(kh_call(AT_IN, KH_STREAM_READ, &m));
		m = kh_message();
		for (kh_u32 k = 0; k < PIECE; k++)
			m.word[0] += piece[k];
		all += m.word[0];
		OK(kh_send(AT_SERVER, ORDER_ADD, &m));
	}
	OK(order(AT_FIRST, ORDER_DONE, all, 0));
}

static void
start(kh_i32 at, kh_u64 role, kh_u64 word)
{
	const struct house_task is = {.role = role, .count = task.count, .word = word};
	struct kh_message m;

	OK(house_make(at, 1 << 20, KH_NONE, KH_NONE));
	house_tell(at, &is);
	OK(house_give(at, AT_IN, AT_IN));
	OK(house_give(at, AT_OUT, AT_OUT));
	OK(house_give(at, AT_CLOCK, AT_CLOCK));
	OK(house_give(at, AT_FIRST, AT_FIRST));
	if (role == SERVER)
		OK(order_key(at, KH_DOMAIN_START, 1, AT_SERVER));
	else
		OK(house_give(at, AT_SERVER, AT_SERVER));
	house_run(at, 1ull << 40, 0, KH_RUN_DETACH, &m);
}

static void
lead(void)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;
	kh_u64 sum = 0;

	house_load();
	OK(order_key(KH_SELF, KH_DOMAIN_START, 2, AT_FIRST));
	start(AT_KIDS, SERVER, 0);
	for (int i = 0; i < CLIENTS; i++)
		start(AT_KIDS + 1 + i, CLIENT, (kh_u64)i);
	start(AT_KIDS + 1 + CLIENTS, READER, 0);
	m.receive[3] = AT_GIFT;
	for (int done = 0; done <= CLIENTS; done++) {
		(void)kh_reply_wait(answer, &m);
		sum += m.word[0];
		m.rc = KH_OK;
		answer = AT_GIFT;
		if (done == CLIENTS)
			OK(kh_send(AT_GIFT, KH_OK, &m));
	}
	m = kh_message();
	OK(kh_call(AT_SERVER, ORDER_SUM, &m));
	kh_yield(sum << 32 | m.word[0]);
}

HOUSE_EXPORT(_start) void
begin(void)
{
	if (task.role == SERVER)
		serve();
	else if (task.role == CLIENT)
		be_client();
	else if (task.role == READER)
		be_reader();
	else
		lead();
}
