/* SPDX-License-Identifier: Apache-2.0 */
/* trees.c - orders on domains, creators, meters, purses and factories; keepers and
 * the views they are given. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/caps/gate/theatre.h"

static struct theatre t;
static struct domain *a, *b;

enum { CREATOR = CAPS_KIT_CREATOR, METER = CAPS_KIT_METER, BANK = CAPS_KIT_BANK,
	SELF = CAPS_KIT_SELF, MODULE = 20, CHILD, K1, K2, K3, K4, RESUME, ALL = -1 };

/* Two actors; `a` has a domain key to `b`, with all rights, in CHILD. */
static void
open_two(void)
{
	theatre_open(&t);
	a = theatre_actor(&t, "a");
	b = theatre_actor(&t, "b");
	give_domain(a, CHILD, b, (uint32_t)ALL);
}

static void
open_maker(void)
{
	uint32_t at;

	theatre_open(&t);
	a = theatre_actor(&t, "a");
	at = obey(&t, a, COMMAND_GROW, 0, 2, &(const struct order){0}) * 65536;
	memcpy(domain_mem(a, at, 2 << 16), puppet_bytes, puppet_bytes_count);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_load, .word = {at, puppet_bytes_count},
			     .receive = {MODULE}), SAYS_OK);
}

static struct domain *
child_in(int slot)
{
	return domain_of(t.world, &a->slots[slot]);
}

/* What each order on a domain asks for, and what it answers when that is gone. */
Test(domain, rights_and_gone)
{
	static const struct { uint32_t order, lost; } orders[] = {
		{DO_domain_run, RIGHT_write}, {DO_domain_invoke, RIGHT_write},
		{DO_domain_refuel, RIGHT_write}, {DO_domain_status, RIGHT_read},
		{DO_domain_peek, RIGHT_read}, {DO_domain_poke, RIGHT_write},
		{DO_domain_key_get, RIGHT_read}, {DO_domain_key_put, RIGHT_write},
		{DO_domain_set_keeper, RIGHT_write}, {DO_domain_set_args, RIGHT_write},
		{DO_domain_result, RIGHT_write}, {DO_domain_end, RIGHT_end},
		{DO_domain_start, RIGHT_make}, {DO_domain_entry, RIGHT_make},
		{DO_domain_meter, RIGHT_make}, {DO_domain_bank, RIGHT_make},
		{DO_domain_pay_with, RIGHT_write}, {DO_domain_close, RIGHT_write},
	};

	open_two();
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++) {
		give_domain(a, K1, b, (uint32_t)ALL & ~orders[i].lost);
		cr_expect_eq(ask(&t, a, K1, orders[i].order), SAYS_NO_RIGHT, "%u", orders[i].order);
	}
	cr_expect_eq(ask(&t, a, CHILD, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	domain_end(b);
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++)
		cr_expect_eq(ask(&t, a, CHILD, orders[i].order), SAYS_VOID, "%u", orders[i].order);
	theatre_close(&t);
}

Test(domain, bytes_and_keys)
{
	uint32_t at;

	open_two();
	at = (uint32_t)b->stop.word + COMMAND_BYTES;
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_poke, .word = {at}, TEXT("poked")), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_peek, .word = {at, 5}), SAYS_OK);
	cr_assert_arr_eq(t.heard.text, "poked", 5);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_peek, .word = {at, 65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_peek, .word = {UINT64_MAX, 1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_poke, .word = {UINT32_MAX}, TEXT("x")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .word = {5}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_put, .word = {77}, .send = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, b, 77, DO_number_get), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_get, .word = {77}, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_number_get), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_put, .word = {32768}, .send = {K1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_get, .word = {32768}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_close), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_peek, .word = {at, 5}), SAYS_OPAQUE);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_poke, .word = {at}, TEXT("x")), SAYS_OPAQUE);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_get, .word = {77}), SAYS_OPAQUE);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_put, .word = {77}), SAYS_OK);
	theatre_close(&t);
}

/* Nobody raises its own limits: not with its kit, and not with parts asked of it. */
Test(domain, a_key_to_oneself_raises_nothing)
{
	open_two();
	cr_assert_eq(ask(&t, a, SELF, DO_domain_refuel, .word = {1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, METER, DO_meter_feed, .word = {1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, METER, DO_meter_limit, .word = {UINT64_MAX}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, SELF, DO_domain_meter, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_feed, .word = {1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, SELF, DO_domain_bank, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_bank_limit, .word = {UINT64_MAX}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_bank_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_meter, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_feed, .word = {1}), SAYS_OK, "its parent may");
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_bank, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_bank_limit, .word = {UINT64_MAX}), SAYS_OK);
	theatre_close(&t);
}

Test(domain, invoke_and_entry)
{
	open_maker();
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {1 << 20}, TEXT("c"), .send = {MODULE},
			     .receive = {CHILD}), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_run, .word = {1000000}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], STOP_YIELDED);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_invoke, .word = {2, 3}, TEXT("add")), SAYS_BUSY);
	tell(child_in(CHILD), COMMAND_RETURN, 0, 0, &(const struct order){0});
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_run), SAYS_OK);
	cr_assert_eq(t.heard.word[0], STOP_RETURNED);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_invoke, .word = {2, 3}, TEXT("add")), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 5);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_invoke, TEXT("sub")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_entry, .word = {9}, TEXT("add"), .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, 0, .word = {4, 5}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 9);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_entry, TEXT("memory")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_invoke, TEXT("stuck")), SAYS_GONE, "it trapped");
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_status), SAYS_OK);
	cr_assert_eq(t.heard.word[0], STOP_TRAP);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_end), SAYS_OK);
	theatre_close(&t);
}

Test(creator, refusals)
{
	open_maker();
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_load, .word = {0, 100}), SAYS_BAD_WORD);
	cr_assert_gt(t.heard.got, 0, "it says what is wrong");
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_load, .word = {UINT32_MAX, 100}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_load, .word = {0, 8}, .send = {METER}),
		SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {1 << 20}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {1 << 20}, .send = {METER}),
		SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {1 << 20, 2}, .send = {MODULE}),
		SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {32768}, .send = {MODULE}),
		SAYS_NO_SPACE);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {1 << 20}, TEXT("a\0b"),
			     .send = {MODULE}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, CREATOR, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	weaken(a, CREATOR, RIGHT_make);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .send = {MODULE}), SAYS_NO_RIGHT);
	theatre_close(&t);
}

Test(meter, orders_rights_and_gone)
{
	static const struct { uint32_t order, lost; } orders[] = {
		{DO_meter_make, RIGHT_make}, {DO_meter_feed, RIGHT_write}, {DO_meter_limit, RIGHT_write},
		{DO_meter_reserve, RIGHT_write}, {DO_meter_rent, RIGHT_write},
		{DO_meter_status, RIGHT_read}, {DO_meter_set_keeper, RIGHT_write},
		{DO_meter_end, RIGHT_end},
	};

	open_two();
	cr_assert_eq(ask(&t, a, METER, DO_meter_make, .word = {1000}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_feed, .word = {50}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_reserve, .word = {7}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_rent, .word = {3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_rent, .word = {65536}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_meter_status), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1050);
	cr_assert_eq(t.heard.word[1], 0);
	cr_assert_eq(t.heard.word[2], 7);
	cr_assert_eq(t.heard.word[3], 3);
	cr_assert_eq(ask(&t, a, K1, DO_meter_limit, .word = {5}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_meter_set_keeper, .send = {METER}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_meter_set_keeper), SAYS_OK);
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++) {
		a->slots[K2] = a->slots[K1];
		weaken(a, K2, orders[i].lost);
		cr_expect_eq(ask(&t, a, K2, orders[i].order), SAYS_NO_RIGHT);
	}
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_meter, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_meter_end), SAYS_BUSY, "it goes with its domain");
	cr_assert_eq(ask(&t, a, K1, DO_meter_end), SAYS_OK);
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++)
		cr_expect_eq(ask(&t, a, K1, orders[i].order), SAYS_VOID);
	cr_assert_eq(ask(&t, a, METER, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

/* --- money ------------------------------------------------------------------------------ */

static uint64_t
balance(int slot)
{
	cr_assert_eq(ask(&t, a, slot, DO_purse_balance), SAYS_OK);
	return t.heard.word[0];
}

Test(purse, what_is_given_is_gone_from_the_giver)
{
	struct key key;

	open_two();
	cr_assert_eq(caps_mint(t.world, 100, &key), 0);
	give_key(a, K1, &key);
	cr_assert_neq(caps_mint(t.world, UINT64_MAX, &key), 0);
	cr_assert_eq(ask(&t, a, K1, DO_purse_split, .word = {30}, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_purse_split, .word = {10}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(balance(K1), 70);
	cr_assert_eq(balance(K2), 20);
	cr_assert_eq(balance(K3), 10);
	cr_assert_eq(ask(&t, a, K1, DO_purse_split, .word = {71}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_purse_give, .word = {71}, .send = {K3}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_purse_give, .word = {5}, .send = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_purse_give, .word = {5}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_purse_give, .word = {5}, .send = {METER}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K2, DO_purse_end), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 20);
	cr_assert_eq(balance(K1), 85);
	cr_assert_eq(ask(&t, a, K2, DO_purse_balance), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_purse_split), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_purse_give, .send = {K3}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_purse_end), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K3, DO_purse_end), SAYS_OK);
	cr_assert_eq(balance(K1), 100, "its purse is gone: the next above has it");
	a->slots[K2] = a->slots[K1];
	weaken(a, K2, RIGHT_write | RIGHT_read | RIGHT_end);
	cr_assert_eq(ask(&t, a, K2, DO_purse_split), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_purse_give, .send = {K1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_purse_balance), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_purse_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

/* Ending the purse in the middle of a run frees nobody from paying. */
Test(purse, who_pays_stops_when_it_is_empty)
{
	struct key key;

	open_two();
	cr_assert_eq(caps_mint(t.world, 1000000, &key), 0);
	give_key(a, K1, &key);
	cr_assert_eq(ask(&t, a, K1, DO_purse_split, .word = {5000}, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_pay_with, .send = {METER}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_pay_with, .send = {K2}), SAYS_OK);
	cr_assert_eq(obey(&t, b, COMMAND_SPIN, 0, 1000000, &(const struct order){0}), STOPPED);
	cr_assert_eq(b->stop.reason, STOP_OUT_OF_GAS);
	cr_assert_lt(balance(K2), 100);
	cr_assert_eq(ask(&t, a, K2, DO_purse_end), SAYS_OK);
	domain_start(b);
	cr_assert_eq(listen(&t, b), STOPPED);
	cr_assert_eq(b->stop.reason, STOP_OUT_OF_GAS);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_pay_with), SAYS_OK, "a has none: nobody pays");
	domain_start(b);
	cr_assert_eq(listen(&t, b), 0);
	theatre_close(&t);
}

Test(purse, children_pay_by_it_too)
{
	struct key key;

	open_maker();
	cr_assert_eq(caps_mint(t.world, UINT64_C(1) << 40, &key), 0);
	domain_pay_with(a, object_body(t.world, &key));
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {1 << 20}, .send = {MODULE},
			     .receive = {CHILD}), SAYS_OK);
	cr_assert_eq(child_in(CHILD)->purse, a->purse);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_pay_with), SAYS_OK);
	cr_assert_eq(child_in(CHILD)->purse, a->purse, "not got rid of");
	theatre_close(&t);
}

/* --- factories ------------------------------------------------------------------------------ */

Test(factory, holes_and_closed_products)
{
	open_maker();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_factory, .send = {MODULE}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .word = {5}, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_make, .word = {1 << 20}), SAYS_NO_RIGHT, "not sealed");
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {10}, .send = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 0);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {11}, .send = {METER}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {32768}, .send = {K2}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_factory_seal), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {12}, .send = {K2}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1);
	cr_assert_eq(t.heard.word[1], 11);
	cr_assert_eq(t.heard.word[2], KIND_meter);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes, .word = {1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_factory_make, .word = {1 << 20}, .receive = {CHILD}), SAYS_OK);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_peek, .word = {0, 1}), SAYS_OPAQUE);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_key_get, .word = {10}), SAYS_OPAQUE);
	cr_assert_eq(ask(&t, a, CHILD, DO_domain_run, .word = {1000000}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], STOP_YIELDED);
	cr_assert_eq(child_in(CHILD)->slots[10].kind, KIND_number);
	cr_assert_eq(ask(&t, a, K1, DO_factory_make, .word = {32768}), SAYS_NO_SPACE);
	theatre_close(&t);
}

/* A factory in a factory is no hole once it is sealed without holes; a key whose
 * uses somebody counts is one, whatever it is. */
Test(factory, what_is_a_hole)
{
	const uint64_t limits[4] = {9, UINT64_MAX, UINT64_MAX, UINT64_MAX};

	open_maker();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_factory, .send = {MODULE}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_factory, .send = {MODULE}, .receive = {K2}), SAYS_OK);
	a->slots[K3] = a->slots[K2];
	weaken(a, K3, RIGHT_write);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {10}, .send = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1, "not sealed");
	cr_assert_eq(ask(&t, a, K2, DO_factory_seal), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {10}, .send = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 0);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K3, 0, 1}, .text = limits,
			     .text_bytes = 32, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {10}, .send = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1, "its uses are counted");
	for (uint64_t i = 11; i < 42; i++)
		cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {i}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put, .word = {42}), SAYS_NO_SPACE, "32 keys");
	weaken(a, K1, RIGHT_make);
	cr_assert_eq(ask(&t, a, K1, DO_factory_make), SAYS_NO_RIGHT);
	a->slots[K2] = a->slots[K1];
	weaken(a, K2, RIGHT_write);
	cr_assert_eq(ask(&t, a, K2, DO_factory_put), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_factory_seal), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_factory_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_factory_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_factory_put), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_factory_seal), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_factory_holes), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_factory_end), SAYS_VOID);
	theatre_close(&t);
}

/* --- keepers and views ------------------------------------------------------------------------ */

/* `a` keeps `b`: it is in reply_wait, and `b` calls an import nobody serves. */
static void
open_kept(void)
{
	struct key start;

	open_two();
	start = domain_key(a, KIND_start);
	start.badge = 42;
	b->keeper = start;
	cr_assert_eq(reply(&t, a, -1, .receive = {K1, 0, 0, RESUME}), PENDING);
	tell(b, COMMAND_IMPORT, 0, 7, &(const struct order){TEXT("letters")});
	domain_start(b);
	cr_assert_eq(listen(&t, b), PENDING);
	cr_assert_eq(listen(&t, a), ORDER_IMPORT);
	cr_assert_eq(t.heard.badge, 42);
	cr_assert_eq(t.heard.got, 16);
}

Test(view, the_callers_memory_while_its_call_lasts)
{
	uint32_t at;

	open_kept();
	at = (uint32_t)t.heard.text[0] | (uint32_t)t.heard.text[1] << 8 | (uint32_t)t.heard.text[2] << 16;
	cr_assert_eq(ask(&t, a, K1, DO_view_read, .word = {at, 7}), SAYS_OK);
	cr_assert_arr_eq(t.heard.text, "letters", 7);
	cr_assert_eq(ask(&t, a, K1, DO_view_write, .word = {at}, TEXT("changed")), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_view_read, .word = {at, 7}), SAYS_OK);
	cr_assert_arr_eq(t.heard.text, "changed", 7);
	cr_assert_eq(ask(&t, a, K1, DO_view_size), SAYS_OK);
	cr_assert_eq(t.heard.word[0] % 65536, 0);
	at = (uint32_t)t.heard.word[0];
	cr_assert_eq(ask(&t, a, K1, DO_view_read, .word = {at, 1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_view_read, .word = {0, 65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_view_write, .word = {at - 1}, TEXT("xx")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	b->closed = true;
	cr_assert_eq(ask(&t, a, K1, DO_view_read, .word = {0, 1}), SAYS_OPAQUE);
	cr_assert_eq(post(&t, a, RESUME, 0, TEXT("\5\0\0\0\0\0\0\0")), SAYS_OK);
	cr_assert_eq(listen(&t, b), 5, "the import answered");
	cr_assert_eq(ask(&t, a, K1, DO_view_read, .word = {0, 1}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_view_write), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_view_size), SAYS_VOID);
	theatre_close(&t);
}

Test(view, results_of_the_wrong_size_are_a_trap)
{
	open_kept();
	cr_assert_eq(post(&t, a, RESUME, 0, TEXT("1234")), SAYS_OK);
	cr_assert_eq(listen(&t, b), PENDING, "its keeper is to hear of it");
	cr_assert_eq(reply(&t, a, -1, .receive = {K1, 0, 0, RESUME}), ORDER_FAULT);
	cr_assert_eq(t.heard.word[0], STOP_TRAP);
	cr_assert_eq(post(&t, a, RESUME, 0), SAYS_OK);
	cr_assert_eq(listen(&t, b), STOPPED);
	cr_assert_eq(b->stop.reason, STOP_TRAP);
	theatre_close(&t);
}
