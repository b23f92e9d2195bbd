/* SPDX-License-Identifier: Apache-2.0 */
/* A customer with a secret (task.count), an author, and the author's product made
 * by the author's factory. The product does its best to tell: it takes time and
 * storage by the secret, calls every slot it could have, and throws itself away.
 * task.word: 1, the factory has a hole, a key that calls the author. A bystander
 * works all the while, asks the author now and then, and listens to whoever calls.
 *
 * The customer yields the number of holes, then what freezing and reading the
 * product answered, then what the product came to. */
#include "tests/guests/house.h"

enum { CUSTOMER, AUTHOR, BYSTANDER };
enum { AT_FACTORY = AT_FREE, AT_AUTHOR, AT_PRODUCT, AT_BYSTANDER, HOLE = 7, CALLS = 12 };
enum { ORDER_FACTORY = 30, ORDER_TELL, ORDER_ASK = 40, ORDER_JOIN };

static kh_u64 heard;

static void
author(void)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;

	m.send[0] = AT_MODULE;
	m.receive[0] = AT_FACTORY;
	OK(kh_call(KH_BANK, KH_BANK_FACTORY, &m));
	if (task.word) {
		OK(order_key(KH_SELF, KH_DOMAIN_START, 1, AT_AUTHOR));
		m = kh_message();
		m.word[0] = HOLE;
		m.send[0] = AT_AUTHOR;
		OK(kh_call(AT_FACTORY, KH_FACTORY_PUT, &m));
	}
	OK(order(AT_FACTORY, KH_FACTORY_SEAL, 0, 0));
	m = kh_message();
	m.receive[3] = AT_GIFT;
	for (;; answer = AT_GIFT) {
		const kh_u32 what = kh_reply_wait(answer, &m);

		if (what != ORDER_FACTORY)
			heard = heard * 31 + m.word[0];
		m.send[0] = what == ORDER_FACTORY ? AT_FACTORY : KH_NONE;
		m.rc = KH_OK;
	}
}

/* Its last answer comes when its work is done. */
static void
bystander(void)
{
	struct kh_message m = kh_message();
	kh_i32 answer = KH_NONE;

	for (kh_u64 turn = 0; turn < 3000; turn++) {
		for (volatile kh_u64 i = 0; i < 200; i++)
			heard = heard * 31 + i;
		OK(order(AT_AUTHOR, ORDER_ASK, turn, 0));
	}
	m.receive[3] = AT_GIFT;
	for (;; answer = AT_GIFT) {
		heard = heard * 31 + kh_reply_wait(answer, &m);
		m.rc = KH_OK;
	}
}

/* It has no key to itself, by which it knows that it is one. */
static void
product(void)
{
	const kh_u64 secret = kh_yield(0);
	kh_u64 sum = 0;

	for (volatile kh_u64 i = 0; i < secret % 1000 * 1000; i++)
		sum += secret ^ i;
	sum += __builtin_wasm_memory_grow(0, secret % 7);
	for (kh_i32 slot = 0; slot < CALLS; slot++)
		sum += order(slot, (kh_u32)(ORDER_TELL + secret % 5), secret, secret);
	heard = sum;
	kh_yield(secret * 2);
	if (secret % 2)
		__builtin_trap();
}

static void
customer(void)
{
	const struct house_task is = {.role = AUTHOR, .word = task.word};
	struct kh_message m;
	kh_u64 holes;

	OK(house_make(AT_CHILD, ~0ull, KH_NONE, KH_NONE));
	house_tell(AT_CHILD, &is);
	house_kit(AT_CHILD);
	house_run(AT_CHILD, 1ull << 40, 0, KH_RUN_DETACH, &m);
	OK(order_key(AT_CHILD, KH_DOMAIN_START, 2, AT_AUTHOR));
	OK(order_key(AT_AUTHOR, ORDER_FACTORY, 0, AT_FACTORY));
	OK(house_make(AT_CHILD, ~0ull, KH_NONE, KH_NONE));
	house_tell(AT_CHILD, &(struct house_task){.role = BYSTANDER});
	OK(house_give(AT_CHILD, KH_SELF, AT_CHILD));
	OK(house_give(AT_CHILD, AT_AUTHOR, AT_AUTHOR));
	OK(order_key(AT_CHILD, KH_DOMAIN_START, 0, AT_BYSTANDER));
	house_run(AT_CHILD, 1ull << 40, 0, KH_RUN_DETACH, &m);
	m = kh_message();
	OK(kh_call(AT_FACTORY, KH_FACTORY_HOLES, &m));
	holes = m.word[0];
	kh_yield(holes << 32 | (holes ? m.word[1] << 8 | m.word[2] : 0));
	m = kh_message();
	m.word[0] = 4 << 20;
	m.receive[0] = AT_PRODUCT;
	OK(kh_call(AT_FACTORY, KH_FACTORY_MAKE, &m));
	house_run(AT_PRODUCT, 1ull << 30, 0, 0, &m);
	m = kh_message();
	m.word[1] = 8;
	kh_yield((kh_u64)kh_call(AT_PRODUCT, KH_DOMAIN_PEEK, &m) << 8 |
		order_key(AT_PRODUCT, KH_DOMAIN_FREEZE, 0, AT_SCRATCH));
	house_run(AT_PRODUCT, 0, task.count, 0, &m);
	kh_yield(m.word[1]);
	house_run(AT_PRODUCT, 0, 0, 0, &m);
	OK(order(AT_BYSTANDER, ORDER_JOIN, 0, 0));
	kh_yield(m.word[0]);
}

HOUSE_EXPORT(_start) void
begin(void)
{
	struct kh_message m = kh_message();

	m.word[0] = KH_SELF;
	OK(kh_call(KH_SLOTS, KH_SLOTS_LOOK, &m));
	if (!m.word[0]) {
		product();
		return;
	}
	house_load();
	if (task.role == AUTHOR)
		author();
	else if (task.role == BYSTANDER)
		bystander();
	else
		customer();
}
