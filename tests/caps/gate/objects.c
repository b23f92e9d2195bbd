/* SPDX-License-Identifier: Apache-2.0 */
/* objects.c - every order on numbers, nodes, segments, modules, banks, forwarders,
 * sealers and boxes: once right, and refused for each reason there is. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/caps/gate/theatre.h"

static struct theatre t;
static struct domain *a;

enum { BANK = CAPS_KIT_BANK, METER = CAPS_KIT_METER, CREATOR = CAPS_KIT_CREATOR,
	SELF = CAPS_KIT_SELF, K1 = 20, K2, K3, K4, K5 };

static void
open_a(void)
{
	theatre_open(&t);
	a = theatre_actor(&t, "a");
}

static uint64_t
used(const struct domain *domain)
{
	return line_used(world_clock(t.world), &domain->meter.line);
}

/* What each object answers to an order it has not, and when it is gone. */
static void
strange_and_gone(int slot, uint32_t order)
{
	cr_expect_eq(ask(&t, a, slot, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	a->slots[slot].generation++;
	cr_expect_eq(ask(&t, a, slot, order), SAYS_VOID);
}

Test(number, says_its_number)
{
	open_a();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .word = {77}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_number_get), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 77);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	strange_and_gone(BANK, DO_bank_number);
	theatre_close(&t);
}

static void
make_node(int slot)
{
	cr_assert_eq(ask(&t, a, BANK, DO_bank_node, .receive = {slot}), SAYS_OK);
}

static void
make_number(int slot, uint64_t number)
{
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .word = {number}, .receive = {slot}), SAYS_OK);
}

static uint64_t
number_in(int slot)
{
	cr_assert_eq(ask(&t, a, slot, DO_number_get), SAYS_OK);
	return t.heard.word[0];
}

Test(node, holds_sixteen_keys)
{
	open_a();
	make_node(K1);
	for (uint64_t i = 0; i < 16; i++) {
		make_number(K2, 100 + i);
		cr_assert_eq(ask(&t, a, K1, DO_node_put, .word = {i}, .send = {K2}), SAYS_OK);
	}
	for (uint64_t i = 0; i < 16; i++) {
		cr_assert_eq(ask(&t, a, K1, DO_node_get, .word = {i}, .receive = {K3}), SAYS_OK);
		cr_assert_eq(number_in(K3), 100 + i);
	}
	cr_assert_eq(ask(&t, a, K1, DO_node_get, .word = {16}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_node_put, .word = {UINT64_MAX}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_node_swap, .word = {3}, .send = {K2}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(number_in(K3), 103);
	cr_assert_eq(ask(&t, a, K1, DO_node_swap, .word = {3}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(number_in(K3), 115);
	cr_assert_eq(ask(&t, a, K1, DO_node_get, .word = {3}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_number_get), SAYS_VOID, "an empty place is a void key");
	theatre_close(&t);
}

Test(node, rights_and_end)
{
	open_a();
	make_node(K1);
	a->slots[K2] = a->slots[K3] = a->slots[K1];
	weaken(a, K2, RIGHT_write);
	weaken(a, K3, RIGHT_read);
	cr_expect_eq(ask(&t, a, K2, DO_node_get), SAYS_OK);
	cr_expect_eq(ask(&t, a, K2, DO_node_put), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K2, DO_node_swap), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K2, DO_node_end), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K3, DO_node_get), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_expect_eq(ask(&t, a, K3, DO_node_end), SAYS_OK);
	cr_expect_eq(ask(&t, a, K1, DO_node_get), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_node_put), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_node_end), SAYS_VOID);
	theatre_close(&t);
}

/* All the way down: a node in a node, a segment in that, and what must not pass. */
Test(node, seen_through_a_sense_key)
{
	open_a();
	make_node(K1);
	make_node(K2);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_segment, .word = {10}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_node_put, .word = {0}, .send = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_node_put, .word = {1}, .send = {METER}), SAYS_OK);
	cr_assert_eq(ask(&t, a, SELF, DO_domain_start, .receive = {K4}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_node_put, .word = {2}, .send = {K4}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_node_put, .word = {5}, .send = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_sense, .word = {K1}, .receive = {K5}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K5, DO_node_get, .word = {5}, .receive = {K4}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K4, DO_node_put), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K4, DO_node_get, .word = {0}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_segment_size), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_segment_write, .text = "x", .text_bytes = 1), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K4, DO_node_get, .word = {1}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_meter_status), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K4, DO_node_get, .word = {2}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, 1), SAYS_VOID, "start keys do not pass");
	theatre_close(&t);
}

/* --- segments ---------------------------------------------------------------------- */

Test(segment, bytes_as_texts)
{
	static uint8_t text[70000];

	open_a();
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7 + i / 251);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_segment, .word = {200000}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_segment_size), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 200000);
	/* Across the border of two pieces. */
	cr_assert_eq(ask(&t, a, K1, DO_segment_write, .word = {65000}, .text = text,
			     .text_bytes = 65536), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_segment_read, .word = {64999, 65536}), SAYS_OK);
	cr_assert_eq(t.heard.got, 65536);
	cr_assert_eq(t.heard.text[0], 0);
	cr_assert_arr_eq(t.heard.text + 1, text, 65535);
	cr_assert_eq(ask(&t, a, K1, DO_segment_read, .word = {190000, 10000}), SAYS_OK);
	cr_assert_eq(t.heard.text[9999], 0);
	cr_assert_eq(ask(&t, a, K1, DO_segment_read, .word = {0, 65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_segment_read, .word = {199999, 2}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_segment_read, .word = {UINT64_MAX, 2}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_segment_read, .word = {200000, 0}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_segment_write, .word = {199999}, .text = text, .text_bytes = 2),
		SAYS_BAD_WORD);
	theatre_close(&t);
}

Test(segment, rights_and_end)
{
	open_a();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_segment, .word = {1}, .receive = {K1}), SAYS_OK);
	a->slots[K2] = a->slots[K3] = a->slots[K1];
	weaken(a, K2, RIGHT_write);
	weaken(a, K3, RIGHT_read);
	cr_expect_eq(ask(&t, a, K2, DO_segment_read, .word = {0, 1}), SAYS_OK);
	cr_expect_eq(ask(&t, a, K2, DO_segment_write), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K2, DO_segment_give), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K2, DO_segment_end), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K3, DO_segment_read), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K3, DO_segment_take), SAYS_NO_RIGHT);
	cr_expect_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_expect_eq(ask(&t, a, K1, DO_segment_end), SAYS_OK);
	cr_expect_eq(ask(&t, a, K1, DO_segment_read), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_segment_write), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_segment_size), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_segment_take), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_segment_give), SAYS_VOID);
	cr_expect_eq(ask(&t, a, K1, DO_segment_end), SAYS_VOID);
	theatre_close(&t);
}

/* Memory that `a` has beside its stage. */
static uint32_t
grown(struct domain *domain, uint32_t pages)
{
	const uint32_t before = obey(&t, domain, COMMAND_GROW, 0, pages, &(const struct order){0});

	cr_assert_neq(before, UINT32_MAX);
	return before * 65536;
}

Test(segment, more_than_a_text_in_pieces)
{
	const uint64_t bytes = 300000;
	uint32_t at;
	uint8_t *memory;

	open_a();
	at = grown(a, 16);
	memory = domain_mem(a, at, 16 << 16);
	for (uint64_t i = 0; i < bytes; i++)
		memory[i] = (uint8_t)(i * 13 + i / 257);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_segment, .word = {bytes + 5}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_segment_give, .word = {5, bytes, at}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_segment_take, .word = {5, bytes, at + bytes}), SAYS_OK);
	memory = domain_mem(a, at, 16 << 16);
	cr_assert_arr_eq(memory, memory + bytes, bytes);
	cr_assert_eq(ask(&t, a, K1, DO_segment_take, .word = {6, bytes, at}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_segment_take, .word = {0, 100, at + (16 << 16) - 99}),
		SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_segment_give, .word = {0, 100, UINT64_MAX - 5}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_segment_take, .word = {0, 0, 0}), SAYS_OK);
	theatre_close(&t);
}

/* Each piece is paid before it is moved: a line that ends in the middle stops it
 * between two, and after a refuel it goes on there, at the price of one run. */
Test(segment, dry_in_the_middle_goes_on_there)
{
	const uint64_t bytes = 400000;
	struct order order;
	uint64_t whole, before;
	struct domain *b;
	uint32_t at, dry = 0;

	open_a();
	b = theatre_child(&t, a, GAS_NO_LIMIT, BANK_NO_LIMIT);
	at = grown(b, 16);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_segment, .word = {bytes}, .receive = {K1}), SAYS_OK);
	order = (struct order){.word = {0, bytes, at}};
	before = used(b);
	cr_assert_eq(obey(&t, b, COMMAND_CALL, K1, DO_segment_give, &order), SAYS_OK);
	whole = used(b) - before;
	line_limit(world_clock(t.world), &b->meter.line, 5000);
	before = used(b);
	tell(b, COMMAND_CALL, K1, DO_segment_give, &order);
	domain_start(b);
	while (listen(&t, b) == STOPPED && b->stop.reason == STOP_OUT_OF_GAS && dry++ < 100) {
		domain_feed(b, 5000);
		domain_start(b);
	}
	cr_assert_eq(t.heard.rc, SAYS_OK);
	cr_assert_gt(dry, 3);
	cr_assert_eq(used(b) - before, whole);
	theatre_close(&t);
}

Test(segment, paid_in_full_when_bought)
{
	struct domain *b;
	uint64_t used;

	open_a();
	b = theatre_child(&t, a, GAS_NO_LIMIT, 16 << 20);
	used = bank_used(&b->bank);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_segment, .word = {0}, .receive = {K1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_segment, .word = {(UINT64_C(1) << 32) + 1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_segment, .word = {UINT64_C(1) << 32}), SAYS_NO_SPACE);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_segment, .word = {16 << 20}), SAYS_NO_SPACE);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_segment, .word = {8 << 20}, .receive = {K1}), SAYS_OK);
	cr_assert_geq(bank_used(&b->bank), used + (8 << 20));
	cr_assert_eq(ask(&t, b, K1, DO_segment_end), SAYS_OK);
	cr_assert_leq(bank_used(&b->bank), used + 4096, "all but the slots");
	theatre_close(&t);
}

/* --- modules ------------------------------------------------------------------------- */

static void
load_module(struct domain *domain, int slot)
{
	const uint32_t at = grown(domain, 2);

	memcpy(domain_mem(domain, at, 2 << 16), puppet_bytes, puppet_bytes_count);
	cr_assert_eq(ask(&t, domain, CREATOR, DO_creator_load, .word = {at, puppet_bytes_count},
			     .receive = {slot}), SAYS_OK);
}

Test(module, hash_find_end)
{
	open_a();
	load_module(a, K1);
	cr_assert_eq(ask(&t, a, K1, DO_module_hash), SAYS_OK);
	cr_assert_eq(t.heard.got, 32);
	cr_assert_arr_eq(t.heard.text, module_hash(t.puppet), 32);
	cr_assert_eq(ask(&t, a, K1, DO_module_find, .text = "add", .text_bytes = 3), SAYS_OK);
	cr_assert_eq(t.heard.word[0], module_export(t.puppet, "add", 3)->index);
	cr_assert_eq(ask(&t, a, K1, DO_module_find, .text = "ad", .text_bytes = 2), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_module_find, .text = "memory", .text_bytes = 6), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_module_find), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	a->slots[K2] = a->slots[K1];
	weaken(a, K2, RIGHT_write);
	cr_assert_eq(ask(&t, a, K2, DO_module_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, CREATOR, DO_creator_make, .word = {BANK_NO_LIMIT}, .send = {K1},
			     .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_module_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_module_hash), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_module_find), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_module_end), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K3, DO_domain_run, .word = {1000000}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], STOP_YIELDED, "what was made of it goes on");
	theatre_close(&t);
}

/* --- banks ----------------------------------------------------------------------------- */

Test(bank, trees_of_limits)
{
	uint64_t held;

	open_a();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_make, .word = {100000}, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_bank_make, .word = {BANK_NO_LIMIT}, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_bank_segment, .word = {60000}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_bank_segment, .word = {60000}), SAYS_NO_SPACE);
	cr_assert_eq(ask(&t, a, K1, DO_bank_status), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 100000);
	held = t.heard.word[1];
	cr_assert_geq(held, 60000);
	cr_assert_geq(t.heard.word[2], held);
	cr_assert_eq(t.heard.word[3], 100000 - held);
	cr_assert_eq(ask(&t, a, K1, DO_bank_limit, .word = {held - 1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_bank_limit, .word = {held}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_bank_node, .receive = {K4}), SAYS_NO_SPACE);
	cr_assert_eq(ask(&t, a, K1, DO_bank_limit, .word = {held + 10000}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_bank_node, .receive = {K4}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_bank_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_segment_size), SAYS_VOID, "all that was bought goes with it");
	cr_assert_eq(ask(&t, a, K4, DO_node_get), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_bank_status), SAYS_VOID);
	theatre_close(&t);
}

Test(bank, rights_and_gone)
{
	static const struct { uint32_t order, lost; } orders[] = {
		{DO_bank_make, RIGHT_make}, {DO_bank_node, RIGHT_make}, {DO_bank_segment, RIGHT_make},
		{DO_bank_limit, RIGHT_write}, {DO_bank_status, RIGHT_read}, {DO_bank_end, RIGHT_end},
		{DO_bank_forwarder, RIGHT_make}, {DO_bank_seal, RIGHT_make}, {DO_bank_factory, RIGHT_make},
	};

	open_a();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_limit, .word = {UINT64_MAX}), SAYS_NO_RIGHT,
		"nobody raises its own limit");
	cr_assert_eq(ask(&t, a, BANK, DO_bank_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_make, .word = {UINT64_MAX}, .receive = {K1}), SAYS_OK);
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++) {
		a->slots[K2] = a->slots[K1];
		weaken(a, K2, orders[i].lost);
		cr_expect_eq(ask(&t, a, K2, orders[i].order, .word = {10}), SAYS_NO_RIGHT, "%u",
			orders[i].order);
	}
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_bank_factory, .send = {METER}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, DO_bank_factory), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_bank_end), SAYS_OK);
	for (unsigned i = 0; i < sizeof orders / sizeof *orders; i++)
		cr_expect_eq(ask(&t, a, K1, orders[i].order, .word = {10}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_bank_number), SAYS_VOID);
	theatre_close(&t);
}

/* --- forwarders --------------------------------------------------------------------------- */

Test(forwarder, passes_orders_on_until_it_ends)
{
	open_a();
	make_number(K1, 5);
	make_number(K2, 6);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_forwarder, .send = {K1}, .receive = {K3}), SAYS_OK);
	cr_assert_eq(number_in(K3), 5);
	cr_assert_eq(ask(&t, a, K3, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K3, DO_forwarder_set, .send = {K2}), SAYS_OK);
	cr_assert_eq(number_in(K3), 6);
	a->slots[K4] = a->slots[K3];
	weaken(a, K4, RIGHT_write);
	cr_assert_eq(number_in(K4), 6);
	cr_assert_eq(ask(&t, a, K4, DO_forwarder_set, .send = {K1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K4, DO_forwarder_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K4, 0xfffe0003), SAYS_WRONG_KIND, "its own range is not passed on");
	cr_assert_eq(ask(&t, a, K3, DO_forwarder_set), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_number_get), SAYS_VOID, "it holds nothing");
	cr_assert_eq(ask(&t, a, K3, DO_forwarder_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K4, DO_number_get), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K3, DO_forwarder_set), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K3, DO_forwarder_end), SAYS_VOID);
	theatre_close(&t);
}

/* Sixteen are gone through, each paid; a seventeenth, and a ring, are not. */
Test(forwarder, chains_have_an_end)
{
	uint64_t before, one;

	open_a();
	make_number(K1, 5);
	before = used(a);
	(void)number_in(K1);
	one = used(a) - before;
	a->slots[K2] = a->slots[K1];
	for (int i = 0; i < 16; i++) {
		cr_assert_eq(ask(&t, a, BANK, DO_bank_forwarder, .send = {K2}, .receive = {K2}), SAYS_OK);
		before = used(a);
		cr_assert_eq(number_in(K2), 5);
		cr_assert_eq(used(a) - before, one + 300 * (uint64_t)(i + 1));
	}
	cr_assert_eq(ask(&t, a, BANK, DO_bank_forwarder, .send = {K2}, .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_number_get), SAYS_BUSY);
	cr_assert_eq(ask(&t, a, K2, DO_forwarder_set, .send = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_number_get), SAYS_BUSY);
	theatre_close(&t);
}

/* --- sealers --------------------------------------------------------------------------------- */

Test(sealer, only_its_own_unsealer_opens)
{
	open_a();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_seal, .receive = {K1, K2}), SAYS_OK);
	make_number(K3, 9);
	cr_assert_eq(ask(&t, a, K1, DO_sealer_seal, .send = {K3}, .receive = {K4}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_sealer_seal), SAYS_VOID);
	cr_assert_neq(t.heard.rc, SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_unsealer_open, .send = {K4}, .receive = {K5}), SAYS_OK);
	cr_assert_eq(number_in(K5), 9);
	cr_assert_eq(ask(&t, a, K2, DO_unsealer_open), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_unsealer_open, .send = {K3}), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K2, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	a->slots[K5] = a->slots[K2];
	cr_assert_eq(ask(&t, a, BANK, DO_bank_seal, .receive = {K1, K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_unsealer_open, .send = {K4}), SAYS_NO_RIGHT, "another brand");
	a->slots[K3] = a->slots[K4];
	weaken(a, K3, RIGHT_end);
	cr_assert_eq(ask(&t, a, K3, DO_box_end), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K4, DO_box_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K4, DO_box_end), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K5, DO_unsealer_open, .send = {K4}), SAYS_VOID);
	strange_and_gone(K1, DO_sealer_seal);
	strange_and_gone(K2, DO_unsealer_open);
	theatre_close(&t);
}
