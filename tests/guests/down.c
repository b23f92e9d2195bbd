/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes all the way down: task.depth levels, each the host of the next, which
 * gets half of the gas and of the storage that its maker has left, one key fewer,
 * and the voice (a stream) as a weaker copy that can be taken back. The deepest
 * says a line and yields what that was answered with, again and again. Words that
 * the first is handed: 1, it takes back what it gave. With task.role LISTEN the
 * first has one child that reads instead, and takes the key back while it waits. */
#include "tests/guests/house.h"

enum { HOST, LISTEN, READER, AT_VOICE = AT_FREE, AT_LENT, AT_CUTTER, AT_TRINKETS, ROOM = 16 };

static kh_u64
asked(kh_i32 slot, kh_u32 what, unsigned word)
{
	struct kh_message m = kh_message();

	OK(kh_call(slot, what, &m));
	return m.word[word];
}

static void
lend(void)
{
	struct kh_message m = kh_message();

	m.word[0] = AT_VOICE;
	m.word[1] = ~0ull;
	m.word[2] = KH_REVOCABLE;
	m.receive[0] = AT_LENT;
	m.receive[1] = AT_CUTTER;
	OK(kh_call(KH_SLOTS, KH_SLOTS_DERIVE, &m));
}

static kh_u64
say(void)
{
	static const char line[] = "here\n";
	struct kh_message m = kh_message();

	m.text = line;
	m.text_bytes = sizeof line - 1;
	return kh_call(AT_VOICE, KH_STREAM_WRITE, &m);
}

static void
host(void)
{
	struct house_task below = task;
	const kh_u64 gas = asked(KH_METER, KH_METER_STATUS, 0) / 2;
	const kh_u64 bytes = asked(KH_BANK, KH_BANK_STATUS, 3) / 2;
	struct kh_message m;
	kh_u64 fed = gas, word;

	below.depth--;
	OK(house_make(AT_CHILD, bytes, KH_NONE, KH_NONE));
	house_tell(AT_CHILD, &below);
	house_kit(AT_CHILD);
	lend();
	OK(house_give(AT_CHILD, AT_VOICE, AT_LENT));
	for (kh_u64 i = 0; i < task.depth; i++)
		OK(house_give(AT_CHILD, AT_TRINKETS + (kh_i32)i, KH_SELF));
	for (;; fed = 0) {
		if (house_run(AT_CHILD, fed, 0, 0, &m) != KH_STOP_YIELDED)
			house_fail(m.word[0] << 8 | m.word[1]);
		word = kh_yield(m.word[1]);
		if (word)
			OK(order(AT_CUTTER, KH_GRANT_CUT, 0, 0));
	}
}

/* --- a read that waits --------------------------------------------------------------- */

static void
reader(void)
{
	static unsigned char room[ROOM];
	struct kh_message m;

	for (;;) {
		kh_u64 rc, seen = 0;

		m = kh_message();
		m.word[0] = ROOM;
		m.room_at = room;
		m.room = ROOM;
		rc = kh_call(AT_VOICE, KH_STREAM_READ, &m);
		for (int i = 0; i < ROOM; i++)
			seen |= room[i];
		kh_yield(rc | seen << 8 | (kh_u64)m.got << 16);
	}
}

static void
listen(void)
{
	const struct house_task is = {.role = READER};
	struct kh_message m;

	OK(house_make(AT_CHILD, 1 << 20, KH_NONE, KH_NONE));
	house_tell(AT_CHILD, &is);
	for (;;) {
		lend();
		OK(house_give(AT_CHILD, AT_VOICE, AT_LENT));
		house_run(AT_CHILD, 1ull << 30, 0, KH_RUN_POLL, &m);
		must_be((kh_u32)m.word[0], KH_STOP_WAITING, __LINE__);
		kh_yield(1);
		m = kh_message();
		OK(kh_call(AT_CUTTER, KH_GRANT_CUT, &m));
		kh_yield(1 + m.word[0]);
		house_run(AT_CHILD, 0, 0, 0, &m);
		kh_yield(m.word[1]);
	}
}

HOUSE_EXPORT(_start) void
begin(void)
{
	if (task.role == READER)
		reader();
	house_load();
	if (task.role == LISTEN)
		listen();
	if (task.depth)
		host();
	for (;;)
		kh_yield(say());
}
