/* SPDX-License-Identifier: Apache-2.0 */
/* Three of a family, to be looked at one wing at a time: main makes `kid`, that makes
 * `grandkid`, yields once, and then both serve. main calls the kid task.count times; for
 * each the kid calls the grandkid, asks main's bank how it stands, and reads of the file
 * it was given. Then main feeds it, calls it, runs it while it has nothing to do, calls
 * it once more, and yields what came of it all.
 * Where there is a directory `/dir`, main opens `data` in it for the kid, before that
 * runs and before each call.
 * The keys `/self` (this module, for whoever starts it by itself) and `/data` (a file)
 * are looked for by name. */
#include "tests/guests/house.h"

enum { AT_KID_START = AT_FREE + 24, AT_MAIN_BANK, AT_DATA, AT_RESUME, AT_KID_METER };
enum { MAIN, KID, GRANDKID };
enum { DO_ADD = 1 };

static char room[256];

static kh_i32
find(const char *name, kh_u32 bytes)
{
	struct kh_message m = kh_message();

	m.text = name;
	m.text_bytes = bytes;
	return kh_call(KH_SLOTS, KH_SLOTS_FIND, &m) == KH_OK ? (kh_i32)m.word[0] : KH_NONE;
}

static void
make(const char *name, kh_u32 bytes, kh_u64 role)
{
	struct house_task below = task;
	struct kh_message m = kh_message();

	m.word[0] = 4 << 20;
	m.send[0] = AT_MODULE;
	m.text = name;
	m.text_bytes = bytes;
	m.receive[0] = AT_CHILD;
	OK(kh_call(KH_CREATOR, KH_CREATOR_MAKE, &m));
	below.role = role;
	house_tell(AT_CHILD, &below);
	house_kit(AT_CHILD);
	OK(order_key(AT_CHILD, KH_DOMAIN_START, 7, AT_KID_START));
}

static kh_u64
ask(kh_u32 what, kh_u64 word)
{
	struct kh_message m = kh_message();

	m.word[0] = word;
	m.text = &word;
	m.text_bytes = sizeof word;
	OK(kh_call(AT_KID_START, what, &m));
	return m.word[0];
}

/* What of the world outside is mixed in. */
static kh_u64
outside(kh_u64 at)
{
	struct kh_message m = kh_message();
	kh_u64 sum;

	OK(kh_call(AT_MAIN_BANK, KH_BANK_STATUS, &m));
	sum = m.word[0] ^ m.word[1];
	m = kh_message();
	m.word[0] = at;
	m.word[1] = 16;
	m.room_at = room;
	m.room = sizeof room;
	if (kh_call(AT_DATA, KH_FILE_READ, &m) == KH_OK)
		for (kh_u32 i = 0; i < m.got; i++)
			sum = sum * 31 + (unsigned char)room[i];
	return sum;
}

static void
serve(void)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;
	kh_u64 sum = 0;

	m.receive[3] = AT_RESUME;
	for (;; answer = AT_RESUME) {
		const kh_u32 what = kh_reply_wait(answer, &m);

		if (what != DO_ADD)
			house_fail(what);
		if (task.role == KID)
			sum += ask(DO_ADD, m.word[0]) + outside(sum % 40);
		else
			for (kh_u64 i = 0; i < 1000; i++)
				sum = sum * 6364136223846793005ull + m.word[0];
		m.word[0] = sum;
		m.rc = KH_OK;
	}
}

static void
give_opened(kh_i32 dir)
{
	struct kh_message m = kh_message();

	m.word[0] = KH_OPEN_READ;
	m.text = "data";
	m.text_bytes = 4;
	m.receive[0] = AT_DATA;
	OK(kh_call(dir, KH_DIRECTORY_OPEN, &m));
	OK(house_give(AT_CHILD, AT_DATA, AT_DATA));
}

static void
begin_main(void)
{
	const kh_i32 self = find("/self", 5), data = find("/data", 5), dir = find("/dir", 4);
	struct kh_message m = kh_message();
	kh_u64 sum = 0;

	for (; self >= 0; kid_bytes += m.got) {
		m = kh_message();
		m.word[0] = kid_bytes;
		m.word[1] = 4096;
		m.room_at = kid + kid_bytes;
		m.room = 4096;
		OK(kh_call(self, KH_FILE_READ, &m));
		if (!m.got)
			break;
	}
	house_load();
	make("kid", 3, KID);
	OK(house_give(AT_CHILD, AT_MAIN_BANK, KH_BANK));
	if (data >= 0)
		OK(house_give(AT_CHILD, AT_DATA, data));
	else if (dir >= 0)
		give_opened(dir);
	if (house_run(AT_CHILD, 100000000, 0, 0, &m) != KH_STOP_YIELDED || m.word[1] != 77)
		house_fail(m.word[0] << 8 | m.word[1]);
	(void)house_run(AT_CHILD, 0, 5, KH_RUN_DETACH, &m);
	for (kh_u64 i = 0; i < (task.count ? task.count : 3); i++)
		sum = sum * 33 + ask(DO_ADD, i);
	if (dir >= 0) {
		give_opened(dir);
		sum = sum * 33 + ask(DO_ADD, 8);
	}
	OK(order(AT_CHILD, KH_DOMAIN_REFUEL, 1000000, 0));
	sum += ask(DO_ADD, 9);
	if (house_run(AT_CHILD, 0, 0, 0, &m) != KH_STOP_WAITING)
		house_fail(m.word[0] << 8 | m.word[1]);
	sum += ask(DO_ADD, 10);
	kh_yield(sum);
}

HOUSE_EXPORT(_start) void
begin(void)
{
	struct kh_message m;

	if (task.role == MAIN) {
		begin_main();
		return;
	}
	if (task.role == KID) {
		make("grandkid", 8, GRANDKID);
		(void)house_run(AT_CHILD, 10000000, 0, KH_RUN_DETACH, &m);
		task.word = kh_yield(77);
	}
	serve();
}
