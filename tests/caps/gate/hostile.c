/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.c - what guests do that mean no good, or know no better: each time an
 * ordinary answer, and a world in order. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kernel/image.h"
#include "tests/caps/gate/theatre.h"
#include "tests/support/buffer.h"

static struct theatre t;
static struct domain *a, *b, *c;

enum { BANK = CAPS_KIT_BANK, SELF = CAPS_KIT_SELF, K1 = 20, K2, K3, TO_B, RESUME };

static void
open_three(void)
{
	struct key key;

	theatre_open(&t);
	a = theatre_actor(&t, "a");
	b = theatre_actor(&t, "b");
	c = theatre_actor(&t, "c");
	key = domain_key(b, KIND_start);
	give_key(a, TO_B, &key);
	give_key(c, TO_B, &key);
}

Test(hostile, slots_that_are_none)
{
	static const int slots[] = {-2, INT32_MIN, INT32_MAX, 32767, 32768, 8, 31, 32, 1000};

	open_three();
	for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++) {
		cr_expect_eq(ask(&t, a, slots[i], 1), SAYS_VOID, "%d", slots[i]);
		if (slots[i] >= 0 && slots[i] < 32768)
			continue;
		cr_expect_eq(ask(&t, a, BANK, DO_bank_number, .send = {slots[i]}), SAYS_BAD_WORD);
		cr_expect_eq(ask(&t, a, BANK, DO_bank_number, .receive = {slots[i]}), SAYS_BAD_WORD);
	}
	cr_expect_eq(ask(&t, a, BANK, DO_bank_number, .receive = {32767}), SAYS_OK);
	cr_expect_eq(ask(&t, a, 32767, DO_number_get), SAYS_OK);
	theatre_close(&t);
}

/* Every kind of key there can be, with numbers that name nothing. */
Test(hostile, stale_and_impossible_objects)
{
	open_three();
	for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
		for (uint32_t order = 0; order < 24; order++) {
			struct key key = {.kind = (uint8_t)kind, .rights = kind == KIND_start ? 0 : UINT32_MAX,
				.object = order % 2 ? UINT32_MAX - order : order,
				.generation = 77 + order, .grant = GRANT_NONE};

			if (kind == KIND_slots || kind == KIND_number || kind == KIND_log)
				continue; /* they name no object */
			give_key(a, K1, &key);
			cr_assert_neq(ask(&t, a, K1, order, .word = {0, 1}), SAYS_OK, "%u %u", kind, order);
			cr_assert_lt(t.heard.rc, 13);
		}
	theatre_close(&t);
}

static uint32_t
call_at(uint64_t at)
{
	return obey(&t, a, COMMAND_CALL_AT, BANK, DO_bank_number, &(const struct order){.word = {at}});
}

Test(hostile, messages_at_the_edge_of_memory)
{
	uint64_t end;

	open_three();
	end = store_pages(a->store) * 65536;
	memset(domain_mem(a, end - 32, 32), 0xff, 32); /* no keys */
	cr_assert_eq(call_at(end - 96), SAYS_OK);
	cr_assert_eq(call_at(end - 95), SAYS_BAD_WORD);
	cr_assert_eq(call_at(end), SAYS_BAD_WORD);
	cr_assert_eq(call_at(UINT32_MAX), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .text_bytes = 65537), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .text_bytes = UINT32_MAX), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .room = UINT32_MAX), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_number, .room = 1), SAYS_OK);
	theatre_close(&t);
}

/* b serves a; RESUME in b answers a. */
static void
served(void)
{
	open_three();
	cr_assert_eq(reply(&t, b, -1, .receive = {0, 0, 0, RESUME}), PENDING);
	cr_assert_eq(ask(&t, a, TO_B, 5), PENDING);
	cr_assert_eq(listen(&t, b), 5);
}

/* c, which has a key to the domain, writes over its letter while it stands in its
 * call: no slots that are there, and no room in memory. */
static void
spoil(struct domain *domain, uint32_t stage)
{
	static const uint8_t room[8] = {0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0};
	static const uint8_t slots[16] = {0xff, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0xfe, 0xff, 0xff,
		0xff, 0, 0, 1, 0};
	const uint32_t letter = stage + COMMAND_MESSAGE;

	give_domain(c, K1, domain, UINT32_MAX);
	cr_assert_eq(ask(&t, c, K1, DO_domain_poke, .word = {letter + 48}, .text = room,
			     .text_bytes = sizeof room), SAYS_OK);
	cr_assert_eq(ask(&t, c, K1, DO_domain_poke, .word = {letter + 80}, .text = slots,
			     .text_bytes = sizeof slots), SAYS_OK);
}

Test(hostile, a_letter_that_changes_before_the_answer)
{
	uint32_t stage;

	open_three();
	stage = (uint32_t)a->stop.word;
	cr_assert_eq(reply(&t, b, -1, .receive = {0, 0, 0, RESUME}), PENDING);
	cr_assert_eq(ask(&t, a, TO_B, 5, .receive = {K1, K2, K3}), PENDING);
	cr_assert_eq(listen(&t, b), 5);
	spoil(a, stage);
	cr_assert_eq(post(&t, b, RESUME, 9, .send = {BANK, SELF, BANK}, .text = "words",
			     .text_bytes = 5), SAYS_OK);
	cr_assert_eq(listen(&t, a), 9, "it hears that it was answered");
	for (uint32_t i = K1; i <= K3; i++)
		cr_assert(key_is_void(&a->slots[i]));
	theatre_close(&t);
}

Test(hostile, a_letter_that_changes_before_a_message_comes)
{
	uint32_t stage;

	open_three();
	stage = (uint32_t)b->stop.word;
	cr_assert_eq(reply(&t, b, -1, .receive = {K1, K2, K3, RESUME}), PENDING);
	spoil(b, stage);
	cr_assert_eq(ask(&t, a, TO_B, 5, .send = {BANK, BANK}, .text = "words", .text_bytes = 5),
		SAYS_GONE, "the resume key had no place");
	cr_assert_eq(listen(&t, b), 5);
	theatre_close(&t);
}

/* An image that says so of a domain that stands elsewhere. */
static void
lie(struct domain *domain, enum domain_state state, enum domain_wait wait, struct stop stop)
{
	static const struct domain_above nothing;
	const enum domain_state was = domain->state;
	const struct stop stopped = domain->stop;
	struct domain *copy = NULL;
	struct buffer image;
	struct report report;

	buffer_init(&image);
	report_clear(&report);
	domain->state = state;
	domain->wait = (uint8_t)wait;
	domain->stop = stop;
	cr_assert_eq(image_write(t.world, domain, &image.sink, false), 0);
	domain->state = was;
	domain->wait = WAIT_NOTHING;
	domain->stop = stopped;
	cr_expect_eq(image_thaw(t.world, &nothing, image.bytes, image.count, &report, &copy), -EINVAL);
	cr_expect(strstr(report.text, "stand"), "%s", report.text);
	buffer_done(&image);
	world_check(t.world);
}

Test(hostile, an_image_that_lies_about_its_call)
{
	const struct stop none = {0}, called = {.reason = STOP_CALLED};

	open_three();
	for (enum domain_wait wait = WAIT_REPLY; wait < WAIT_IMPORT; wait++)
		lie(a, DOMAIN_CALLING, wait, none); /* it yields */
	lie(a, DOMAIN_AVAILABLE, WAIT_NOTHING, none);
	cr_assert_eq(reply(&t, b, -1), PENDING);
	lie(b, DOMAIN_CALLING, WAIT_REPLY, none); /* it is available */
	cr_assert_eq(obey(&t, a, COMMAND_SPIN, 0, 1, &(const struct order){0}), SAYS_OK);
	tell(c, COMMAND_SPIN, 0, 1u << 30, &(const struct order){0});
	domain_start(c);
	for (int i = 0; i < 3; i++)
		world_step(t.world, c);
	lie(c, DOMAIN_CALLING, WAIT_REPLY, none); /* it counts */
	lie(c, DOMAIN_CALLING, WAIT_IMPORT, none);
	lie(c, DOMAIN_STOPPED, WAIT_NOTHING, called);
	theatre_close(&t);
}

Test(hostile, a_resume_key_is_used_once)
{
	served();
	cr_assert_eq(ask(&t, b, GATE_SLOTS, DO_slots_copy, .word = {RESUME, K1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_node, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, b, K1, DO_node_put, .send = {RESUME}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_forwarder, .send = {RESUME}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, b, TO_B, 1, .send = {RESUME, RESUME}), SAYS_BAD_WORD);
	cr_assert_eq(post(&t, b, RESUME, 9, .word = {1, 2, 3, 4}), SAYS_OK);
	cr_assert_eq(post(&t, b, RESUME, 9), SAYS_VOID);
	cr_assert_eq(listen(&t, a), 9);
	cr_assert_eq(t.heard.word[3], 4);
	theatre_close(&t);
}

Test(hostile, a_resume_key_is_dropped)
{
	served();
	cr_assert_eq(ask(&t, b, GATE_SLOTS, DO_slots_drop, .word = {RESUME}), SAYS_OK);
	cr_assert_eq(listen(&t, a), SAYS_GONE);
	theatre_close(&t);
}

Test(hostile, a_resume_key_is_overwritten)
{
	served();
	cr_assert_eq(ask(&t, b, BANK, DO_bank_number, .receive = {RESUME}), SAYS_OK);
	cr_assert_eq(listen(&t, a), SAYS_GONE);
	theatre_close(&t);
}

Test(hostile, a_resume_key_goes_with_who_holds_it)
{
	served();
	cr_assert_eq(ask(&t, c, TO_B, 6), PENDING);
	domain_end(b);
	gate_settle(t.world);
	cr_assert_eq(listen(&t, a), SAYS_GONE, "it was being served");
	cr_assert_eq(listen(&t, c), SAYS_VOID, "it waited outside");
	theatre_close(&t);
}

Test(hostile, a_trap_with_callers_waiting)
{
	served();
	cr_assert_eq(ask(&t, c, TO_B, 6), PENDING);
	cr_assert_eq(obey(&t, b, COMMAND_TRAP, 0, 0, &(const struct order){0}), STOPPED);
	cr_assert_eq(listen(&t, a), SAYS_GONE);
	cr_assert_eq(listen(&t, c), SAYS_GONE);
	theatre_close(&t);
}

Test(hostile, self_calls_and_cycles)
{
	struct key key;

	open_three();
	cr_assert_eq(ask(&t, a, SELF, DO_domain_start, .receive = {K1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, 5), SAYS_BUSY);
	cr_assert_eq(post(&t, a, K1, 5), SAYS_BUSY);
	give_domain(a, K1, a, UINT32_MAX);
	cr_assert_eq(ask(&t, a, K1, DO_domain_run, .word = {1}), SAYS_BUSY);
	cr_assert_eq(ask(&t, a, K1, DO_domain_invoke, .text = "add", .text_bytes = 3), SAYS_BUSY);
	/* a calls b, which is not available; b calls a: both wait, nobody is lost. */
	key = domain_key(a, KIND_start);
	give_key(b, K1, &key);
	cr_assert_eq(ask(&t, a, TO_B, 5), PENDING);
	cr_assert_eq(ask(&t, b, K1, 5), PENDING);
	/* two that run each other */
	domain_end(b);
	cr_assert_eq(listen(&t, a), SAYS_VOID);
	theatre_close(&t);
}

Test(hostile, two_that_run_each_other)
{
	open_three();
	give_domain(a, K1, b, UINT32_MAX);
	give_domain(b, K1, a, UINT32_MAX);
	tell(b, COMMAND_CALL, K1, DO_domain_run, &(const struct order){0});
	cr_assert_eq(ask(&t, a, K1, DO_domain_run, .word = {1000000}), SAYS_OK);
	cr_assert_eq(t.heard.word[0], STOP_YIELDED);
	theatre_close(&t);
}

Test(hostile, ending_oneself)
{
	open_three();
	cr_assert_eq(ask(&t, a, SELF, DO_domain_end), STOPPED);
	cr_assert_eq(a->stop.reason, STOP_ENDED);
	theatre_close(&t);
}

Test(hostile, ending_ones_own_bank)
{
	struct domain *child;
	struct key key;

	open_three();
	child = theatre_child(&t, a, GAS_NO_LIMIT, BANK_NO_LIMIT);
	cr_assert_eq(ask(&t, child, SELF, DO_domain_bank, .receive = {K1}), SAYS_OK);
	child->slots[K1].rights = UINT32_MAX;
	cr_assert_eq(ask(&t, child, K1, DO_bank_end), GONE);
	cr_assert_null(a->first);
	/* a bank above it */
	child = theatre_child(&t, a, GAS_NO_LIMIT, BANK_NO_LIMIT);
	cr_assert_eq(ask(&t, a, SELF, DO_domain_bank, .receive = {K1}), SAYS_OK);
	key = a->slots[K1];
	key.rights = UINT32_MAX;
	give_key(child, K1, &key);
	cr_assert_eq(ask(&t, child, K1, DO_bank_end), GONE);
	cr_assert_eq(a->stop.reason, STOP_ENDED);
	theatre_close(&t);
}

/* Deeper than anything recursive would live through. */
Test(hostile, a_deep_tree_of_banks_ends)
{
	open_three();
	cr_assert_eq(ask(&t, a, BANK, DO_bank_make, .word = {BANK_NO_LIMIT}, .receive = {K1}), SAYS_OK);
	a->slots[K2] = a->slots[K1];
	t.quiet = true;
	for (int i = 0; i < 20000; i++)
		cr_assert_eq(ask(&t, a, K2, DO_bank_make, .word = {BANK_NO_LIMIT}, .receive = {K2}),
			SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_bank_end), SAYS_OK);
	theatre_close(&t);
}

/* A key taken back while its call is served: the caller wakes, the server's
 * resume key is void. */
Test(hostile, cut_while_served)
{
	open_three();
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {TO_B, UINT32_MAX, 1},
			     .receive = {K1, K2}), SAYS_OK);
	give_key(c, K1, &a->slots[K1]);
	cr_assert_eq(reply(&t, b, -1, .receive = {0, 0, 0, RESUME}), PENDING);
	cr_assert_eq(ask(&t, c, K1, 5), PENDING);
	cr_assert_eq(listen(&t, b), 5);
	cr_assert_eq(ask(&t, a, K2, DO_grant_cut), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1);
	cr_assert_eq(listen(&t, c), SAYS_REVOKED);
	cr_assert_eq(post(&t, b, RESUME, 0), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_grant_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_grant_status), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_grant_cut), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_grant_end), SAYS_VOID);
	cr_assert_eq(ask(&t, c, K1, 5), SAYS_REVOKED);
	theatre_close(&t);
}

/* Orders of a reply_wait that wait, or that somebody answers later: it is
 * available afterwards, once. */
Test(hostile, a_reply_that_is_another_order)
{
	struct caps_root root = {.name = "in", .kind = KIND_stream, .rights = RIGHT_read};
	struct report report;
	struct key key;

	open_three();
	report_clear(&report);
	root.handle = fake_stream(&t.device, "input", 5);
	cr_assert_eq(caps_root_add(t.world, &root, &report, &key), 0);
	t.device.latency = 3;
	give_key(b, K1, &key);
	cr_assert_eq(reply(&t, b, K1, .word = {5}, .rc = 1, .receive = {0, 0, 0, RESUME}), PENDING);
	cr_assert_eq(ask(&t, a, TO_B, 5), PENDING);
	cr_assert_eq(listen(&t, b), 5);
	cr_assert_eq(post(&t, b, RESUME, 9), SAYS_OK);
	cr_assert_eq(listen(&t, a), 9);
	give_domain(b, K1, c, UINT32_MAX);
	cr_assert_eq(reply(&t, b, K1, .rc = DO_domain_run, .receive = {0, 0, 0, RESUME}), PENDING);
	cr_assert_eq(ask(&t, a, TO_B, 6), PENDING);
	cr_assert_eq(listen(&t, b), 6);
	theatre_close(&t);
}
