/* SPDX-License-Identifier: Apache-2.0 */
/* What can come to one wing of a family from outside of it: task.word says which (enum
 * brink). main makes `kid`, does to it what there is to do, and yields what came of it
 * all; `warden`, beside the kid, keeps what it is made keeper of.
 * In slots: AT_VOICE a stream that nothing comes from, AT_MONEY a purse, both main's. */
#include "tests/guests/house.h"

enum { AT_VOICE = AT_FREE, AT_MONEY, AT_KID, AT_WARDEN, AT_WARDEN_START, AT_CUTTER, AT_THING,
	AT_KID_START, AT_RESUME, AT_LOUT, AT_MINE };
enum { MAIN, KID, GRANDKID, WARDEN, MID, LOUT };
enum brink { USED, TIMED, WOKEN, POLLED, ENDED, KEPT, KEEPS, NODE, PAID, SHARED, METERED };
enum { DO_ADD = 1, SPIN = 30000, AREA = 150000 };

__attribute__((import_module("env"), import_name("mystery"))) kh_u64 mystery(kh_u64 x);

static unsigned char area[AREA];

static kh_u64
spin(kh_u64 sum, kh_u32 count)
{
	for (volatile kh_u32 i = 0; i < count; i++)
		sum = sum * 6364136223846793005ull + i;
	return sum;
}

static void
make(const char *name, kh_u32 bytes, kh_i32 at, kh_u64 role, kh_i32 meter, kh_i32 bank)
{
	const struct house_task is = {.role = role, .word = task.word, .count = task.count};
	struct kh_message m = kh_message();

	m.word[0] = 4 << 20;
	m.send[0] = AT_MODULE;
	m.send[1] = meter;
	m.send[2] = bank;
	m.text = name;
	m.text_bytes = bytes;
	m.receive[0] = at;
	OK(kh_call(KH_CREATOR, KH_CREATOR_MAKE, &m));
	house_tell(at, &is);
	house_kit(at);
}

/* As a sum: what it stopped for, and what it said. */
static kh_u64
go(kh_i32 at, kh_u64 flags)
{
	struct kh_message m;

	(void)house_run(at, 1000000, 0, flags, &m);
	return m.word[0] * 1000003 + m.word[1];
}

static void
derive(kh_i32 from, kh_i32 to, const kh_u64 limits[4])
{
	struct kh_message m = kh_message();

	m.word[0] = (kh_u64)from;
	m.word[1] = ~0ull;
	m.word[2] = KH_REVOCABLE;
	m.text = limits;
	m.text_bytes = limits ? 32 : 0;
	m.receive[0] = to;
	m.receive[1] = AT_CUTTER;
	OK(kh_call(KH_SLOTS, KH_SLOTS_DERIVE, &m));
}

static void
serve(kh_u32 warden)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;
	kh_u64 result, sum = 0;

	for (;; answer = AT_RESUME) {
		m.receive[0] = AT_SCRATCH;
		m.receive[3] = AT_RESUME;
		const kh_u32 what = kh_reply_wait(answer, &m);

		result = m.word[0] * 3 + warden;
		m.rc = KH_OK;
		m.text_bytes = 0;
		if (what == (kh_u32)KH_ORDER_IMPORT) {
			m.text = &result;
			m.text_bytes = sizeof result;
		} else if (what == (kh_u32)KH_ORDER_DRY) {
			(void)order(AT_SCRATCH, KH_METER_FEED, 40000, 0);
		} else if (what == DO_ADD) {
			sum = spin(sum + m.word[0], 100);
			m.word[0] = sum;
		}
	}
}

static kh_u64
read_voice(void)
{
	struct kh_message m = kh_message();

	m.word[0] = 8;
	m.room_at = area;
	m.room = 8;
	return kh_call(AT_GIFT, KH_STREAM_READ, &m);
}

static kh_u64
move(kh_u32 what, kh_u64 at, kh_u64 bytes)
{
	struct kh_message m = kh_message();

	m.word[0] = at;
	m.word[1] = bytes;
	m.word[2] = (kh_u32)area;
	return kh_call(AT_GIFT, what, &m);
}

static kh_u64
sum_area(kh_u64 sum)
{
	for (kh_u32 i = 0; i < AREA; i += 101)
		sum = sum * 31 + area[i];
	return sum;
}

/* --- the kid --------------------------------------------------------------------------- */

static kh_u64
add(kh_i32 start, kh_u64 word)
{
	struct kh_message m = kh_message();
	const kh_u64 rc = (m.word[0] = word, kh_call(start, DO_ADD, &m));

	return rc * 7 + m.word[0];
}

static void
kid_shares(void)
{
	kh_u64 sum = 1;

	for (kh_u64 i = 0;; i++) {
		sum = sum * 33 + move(KH_SEGMENT_TAKE, 0, AREA);
		sum = sum_area(sum);
		area[i * 101 % AREA]++;
		sum = sum * 33 + move(KH_SEGMENT_GIVE, 0, AREA / 2);
		if (!i) {
			OK(order_key(KH_BANK, KH_BANK_SEGMENT, AREA, AT_MINE));
		} else {
			struct kh_message m = kh_message();

			m.word[0] = 5;
			m.word[1] = 2000;
			m.room_at = area;
			m.room = 2000;
			OK(kh_call(AT_MINE, KH_SEGMENT_READ, &m));
			sum = sum_area(sum);
		}
		kh_yield(sum);
	}
}

static void
kid_ended(void)
{
	kh_u64 sum = 0;
	struct kh_message m;

	make("grandkid", 8, AT_KID, GRANDKID, KH_NONE, AT_GIFT);
	OK(order_key(AT_KID, KH_DOMAIN_START, 7, AT_KID_START));
	(void)house_run(AT_KID, 10000000, 0, KH_RUN_DETACH, &m);
	for (kh_u64 i = 0;; i++) {
		sum = sum * 33 + add(AT_KID_START, i);
		kh_yield(sum);
	}
}

static void
kid_kept(void)
{
	kh_u64 sum = mystery(5);
	struct kh_message m;

	make("grandkid", 8, AT_KID, GRANDKID, KH_NONE, KH_NONE);
	m = kh_message();
	m.send[0] = AT_GIFT;
	OK(kh_call(AT_KID, KH_DOMAIN_SET_KEEPER, &m));
	sum = sum * 33 + go(AT_KID, 0);
	sum = sum * 33 + mystery(sum);
	kh_yield(sum);
	__builtin_trap();
}

static void
be_kid(void)
{
	kh_u64 sum = 0;

	switch (task.word) {
	case SHARED:
		kid_shares();
		return;
	case ENDED:
		kid_ended();
		return;
	case KEPT:
		kid_kept();
		return;
	case KEEPS:
		serve(5);
		return;
	case PAID:
	case METERED:
		for (;;)
			kh_yield(sum = spin(sum, SPIN));
	case WOKEN:
	case POLLED:
		for (;;)
			kh_yield(sum = sum * 33 + read_voice());
	case NODE:
		sum = order_key(AT_GIFT, KH_NODE_GET, 3, AT_THING);
		for (;;) {
			struct kh_message m = kh_message();

			sum = sum * 33 + kh_call(AT_THING, KH_BANK_STATUS, &m);
			kh_yield(sum = sum * 33 + m.word[1]);
		}
	default:
		for (;;) {
			sum = sum * 33 + order(AT_GIFT, KH_METER_STATUS, 0, 0);
			kh_yield(sum = spin(sum, 10));
		}
	}
}

/* --- what is done to it ------------------------------------------------------------------------ */

static kh_u64
used(void)
{
	const kh_u64 uses[4] = {3, ~0ull, ~0ull, ~0ull}, timed[4] = {~0ull, ~0ull, 400000, 2};
	kh_u64 sum = 0;

	OK(order_key(AT_KID, KH_DOMAIN_METER, 0, AT_THING));
	derive(AT_THING, AT_THING, task.word == TIMED ? timed : uses);
	OK(house_give(AT_KID, AT_GIFT, AT_THING));
	for (int i = 0; i < 5; i++)
		sum = sum * 33 + go(AT_KID, 0) + spin(0, task.word == TIMED ? 4000 : 1);
	derive(AT_THING, AT_THING, 0);
	derive(KH_METER, AT_THING, 0);
	OK(house_give(AT_KID, AT_GIFT, AT_THING));
	sum = sum * 33 + go(AT_KID, 0);
	OK(order(AT_CUTTER, KH_GRANT_CUT, 0, 0));
	sum = sum * 33 + go(AT_KID, 0);
	OK(order_key(AT_KID, KH_DOMAIN_METER, 0, AT_THING));
	derive(AT_THING, AT_THING, 0);
	OK(house_give(AT_KID, AT_GIFT, AT_THING));
	sum = sum * 33 + go(AT_KID, 0);
	OK(order(AT_CUTTER, KH_GRANT_CUT, 0, 0));
	return sum * 33 + go(AT_KID, 0);
}

static kh_u64
woken(kh_i32 run)
{
	kh_u64 sum = 0;

	for (int i = 0; i < 3; i++) {
		sum = sum * 33 + go(run, KH_RUN_POLL);
		OK(order(AT_CUTTER, KH_GRANT_CUT, 0, 0));
		sum = sum * 33 + go(run, KH_RUN_POLL);
		if (i < 2) {
			derive(AT_VOICE, AT_THING, 0);
			OK(house_give(AT_KID, AT_GIFT, AT_THING));
		}
	}
	return sum;
}

static kh_u64
ended(void)
{
	kh_u64 sum;

	OK(order_key(KH_BANK, KH_BANK_MAKE, ~0ull, AT_THING));
	OK(house_give(AT_KID, AT_GIFT, AT_THING));
	sum = go(AT_KID, 0);
	sum = sum * 33 + go(AT_KID, 0);
	OK(order(AT_THING, KH_BANK_END, 0, 0));
	sum = sum * 33 + go(AT_KID, 0);
	return sum * 33 + go(AT_KID, 0);
}

static void
keeper_of(kh_i32 at, kh_i32 start)
{
	struct kh_message m = kh_message();

	m.send[0] = start;
	OK(kh_call(at, KH_DOMAIN_SET_KEEPER, &m));
}

static kh_u64
keeps(void)
{
	kh_u64 sum = 0;

	OK(order_key(AT_KID, KH_DOMAIN_START, 9, AT_KID_START));
	(void)go(AT_KID, KH_RUN_DETACH);
	make("lout", 4, AT_LOUT, LOUT, KH_NONE, KH_NONE);
	keeper_of(AT_LOUT, AT_KID_START);
	for (int i = 0; i < 3; i++)
		sum = sum * 33 + go(AT_LOUT, 0);
	return sum + add(AT_KID_START, 4);
}

static kh_u64
node(void)
{
	struct kh_message m = kh_message();
	kh_u64 sum;

	OK(order_key(AT_KID, KH_DOMAIN_BANK, 0, AT_SCRATCH));
	m.receive[0] = AT_THING;
	OK(kh_call(AT_SCRATCH, KH_BANK_NODE, &m));
	m = kh_message();
	m.word[0] = 3;
	m.send[0] = KH_BANK;
	OK(kh_call(AT_THING, KH_NODE_PUT, &m));
	OK(house_give(AT_KID, AT_GIFT, AT_THING));
	sum = go(AT_KID, 0);
	make("lout", 4, AT_LOUT, LOUT, KH_NONE, KH_NONE);
	return sum * 33 + go(AT_KID, 0);
}

static kh_u64
paid(void)
{
	struct kh_message m = kh_message();
	kh_u64 sum = 0;

	OK(order_key(AT_MONEY, KH_PURSE_SPLIT, 70000, AT_THING));
	m.send[0] = AT_THING;
	OK(kh_call(AT_KID, KH_DOMAIN_PAY_WITH, &m));
	for (int i = 0; i < 12; i++) {
		sum = sum * 33 + go(AT_KID, 0);
		m = kh_message();
		m.word[0] = 55555;
		m.send[0] = AT_THING;
		OK(kh_call(AT_MONEY, KH_PURSE_GIVE, &m));
	}
	return sum;
}

static kh_u64
shared(void)
{
	struct kh_message m = kh_message();
	kh_u64 sum = 0;

	OK(order_key(KH_BANK, KH_BANK_SEGMENT, AREA, AT_GIFT));
	for (kh_u32 i = 0; i < AREA; i++)
		area[i] = (unsigned char)(i * 7);
	OK(move(KH_SEGMENT_GIVE, 0, AREA));
	OK(house_give(AT_KID, AT_GIFT, AT_GIFT));
	for (int i = 0; i < 3; i++) {
		sum = sum * 33 + go(AT_KID, 0);
		OK(move(KH_SEGMENT_TAKE, 0, AREA));
		sum = sum_area(sum);
		for (kh_u32 at = 0; at < AREA; at += 11)
			area[at] ^= (unsigned char)at;
		OK(move(KH_SEGMENT_GIVE, 7, AREA - 7));
		OK(order_key(AT_KID, KH_DOMAIN_KEY_GET, AT_MINE, AT_THING));
		m = kh_message();
		m.word[1] = AREA / 2;
		m.word[2] = (kh_u32)area;
		OK(kh_call(AT_THING, KH_SEGMENT_GIVE, &m));
		OK(kh_call(AT_THING, KH_SEGMENT_TAKE, &m));
	}
	return sum;
}

static kh_u64
metered(void)
{
	kh_u64 sum = 0;

	for (int i = 0; i < 4; i++)
		sum = sum * 33 + go(AT_KID, 0);
	return sum;
}

static void
make_kid(void)
{
	struct kh_message m = kh_message();

	make("warden", 6, AT_WARDEN, WARDEN, KH_NONE, KH_NONE);
	OK(order_key(AT_WARDEN, KH_DOMAIN_START, 7, AT_WARDEN_START));
	(void)house_run(AT_WARDEN, 10000000, 0, KH_RUN_DETACH, &m);
	if (task.word == METERED) {
		OK(order_key(KH_METER, KH_METER_MAKE, 100000, AT_THING));
		m = kh_message();
		m.send[0] = AT_WARDEN_START;
		OK(kh_call(AT_THING, KH_METER_SET_KEEPER, &m));
	}
	make("kid", 3, AT_KID, KID, task.word == METERED ? AT_THING : KH_NONE, KH_NONE);
	if (task.word == KEPT) {
		keeper_of(AT_KID, AT_WARDEN_START);
		OK(house_give(AT_KID, AT_GIFT, AT_WARDEN_START));
	}
}

static kh_u64
all(void)
{
	switch (task.word) {
	case WOKEN:
		derive(AT_VOICE, AT_THING, 0);
		OK(house_give(AT_KID, AT_GIFT, AT_THING));
		return woken(AT_KID);
	case POLLED:
		derive(AT_VOICE, AT_THING, 0);
		OK(house_give(AT_KID, AT_GIFT, AT_THING));
		make("mid", 3, AT_LOUT, MID, KH_NONE, KH_NONE);
		OK(house_give(AT_LOUT, AT_KID, AT_KID));
		return woken(AT_LOUT);
	case ENDED:
		return ended();
	case KEPT:
		return go(AT_KID, 0) * 33 + go(AT_KID, 0);
	case KEEPS:
		return keeps();
	case NODE:
		return node();
	case PAID:
		return paid();
	case SHARED:
		return shared();
	case METERED:
		return metered();
	default:
		return used();
	}
}

HOUSE_EXPORT(_start) void
begin(void)
{
	kh_u64 sum = 0;

	switch (task.role) {
	case MAIN:
		house_load();
		make_kid();
		kh_yield(all() >> 16);
		return;
	case KID:
		be_kid();
		return;
	case GRANDKID:
		if (task.word == KEPT)
			__builtin_trap();
		serve(1);
		return;
	case WARDEN:
		serve(2);
		return;
	case LOUT:
		for (;;)
			kh_yield(sum = sum * 33 + (task.word == KEEPS ? mystery(sum) : sum));
	case MID:
		for (;;)
			kh_yield(sum = sum * 33 + go(AT_KID, 0));
	}
}
