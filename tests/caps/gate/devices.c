/* SPDX-License-Identifier: Apache-2.0 */
/* devices.c - every order on keys to the outside: once right, and refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "caps/wasi.h"
#include "kernel/world_state.h"
#include "tests/caps/gate/theatre.h"
#include "tests/support/buffer.h"

static struct theatre t;
static struct domain *a;

enum { BANK = CAPS_KIT_BANK, K1 = 20, K2, K3, K4, OPEN_READ = 1, OPEN_WRITE = 2, OPEN_CREATE = 4,
	ALL = RIGHT_read | RIGHT_write | RIGHT_append | RIGHT_sleep };

static struct key
root(const char *name, enum kind_id kind, uint32_t handle, uint32_t rights, uint32_t flags)
{
	const struct caps_root config = {.name = name,
		.kind = kind,
		.rights = rights,
		.flags = flags,
		.handle = handle,
		.seed = 7};
	struct report report;
	struct key key;

	report_clear(&report);
	cr_assert_eq(caps_root_add(t.world, &config, &report, &key), 0);
	return key;
}

static void
give_root(int slot, const char *name, enum kind_id kind, uint32_t handle, uint32_t flags)
{
	const struct key key = root(name, kind, handle, ALL, flags);

	give_key(a, (uint32_t)slot, &key);
}

static void
open_a(void)
{
	theatre_open(&t);
	a = theatre_actor(&t, "a");
}

static void
heard_text(const char *text)
{
	cr_assert_eq(t.heard.got, strlen(text));
	cr_assert_arr_eq(t.heard.text, text, strlen(text));
}

Test(directory, open_list_stat_change)
{
	uint32_t top;

	open_a();
	top = fake_dir(&t.device, 0, NULL);
	fake_file(&t.device, top, "f", "hello", 5);
	fake_dir(&t.device, top, "d");
	give_root(K1, "data", KIND_directory, fake_grant(&t.device, top, DEVICE_DIRECTORY), 0);
	cr_assert_eq(ask(&t, a, K1, DO_directory_list), SAYS_OK);
	cr_assert_eq(t.heard.got, 4);
	cr_assert_arr_eq(t.heard.text, "d\0f\0", 4);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat, TEXT("f")), SAYS_OK);
	cr_assert_eq(t.heard.word[0], DEVICE_TYPE_FILE);
	cr_assert_eq(t.heard.word[1], 5);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat, TEXT("g")), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_ENOENT);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat, TEXT("../x")), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_ECAPABILITY);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat, TEXT("/f")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat, TEXT("f\0g")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_directory_mkdir, TEXT("d/e")), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_directory_mkdir, TEXT("d/e")), SAYS_OUTSIDE);
	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {0}, TEXT("f")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {1 << 8 | 1}, TEXT("f")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {OPEN_READ}, TEXT("d"), .receive = {K2}),
		SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_directory_list), SAYS_OK);
	cr_assert_arr_eq(t.heard.text, "e\0", 2);
	cr_assert_eq(ask(&t, a, K2, DO_directory_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_directory_list), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K1, DO_directory_end), SAYS_NO_RIGHT, "it is the host's");
	cr_assert_eq(ask(&t, a, K1, DO_directory_unlink, TEXT("f")), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_directory_unlink, TEXT("f")), SAYS_OUTSIDE);
	weaken(a, K1, RIGHT_write);
	cr_assert_eq(ask(&t, a, K1, DO_directory_unlink, TEXT("d")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_directory_mkdir, TEXT("x")), SAYS_NO_RIGHT);
	weaken(a, K1, RIGHT_read);
	cr_assert_eq(ask(&t, a, K1, DO_directory_list), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_directory_stat, TEXT("d")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {OPEN_READ}, TEXT("d")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

Test(file, read_write_size_end)
{
	uint32_t top;

	open_a();
	top = fake_dir(&t.device, 0, NULL);
	give_root(K1, "data", KIND_directory, fake_grant(&t.device, top, DEVICE_DIRECTORY), 0);
	t.device.short_max = 3;
	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {OPEN_READ | OPEN_WRITE | OPEN_CREATE},
			     TEXT("new"), .receive = {K2}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_file_write, .word = {2}, TEXT("abcdefgh")), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 8, "however the outside cuts it");
	cr_assert_eq(ask(&t, a, K2, DO_file_write, .word = {UINT64_MAX}, TEXT("end")), SAYS_OK);
	t.device.short_max = 0;
	cr_assert_eq(ask(&t, a, K2, DO_file_size), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 13);
	cr_assert_eq(ask(&t, a, K2, DO_file_read, .word = {2, 100}), SAYS_OK);
	heard_text("abcdefghend");
	cr_assert_eq(ask(&t, a, K2, DO_file_read, .word = {13, 100}), SAYS_OK);
	cr_assert_eq(t.heard.got, 0);
	cr_assert_eq(ask(&t, a, K2, DO_file_read, .word = {0, 65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_file_read, .word = {UINT64_MAX, 1}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_file_write, .word = {INT64_MAX}, TEXT("x")), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_file_resize, .word = {UINT64_MAX}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_file_resize, .word = {4}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_file_size), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 4);
	fake_fail(&t.device, DEVICE_WRITE, 1, DEVICE_ENOSPC);
	cr_assert_eq(ask(&t, a, K2, DO_file_write, TEXT("x")), SAYS_OUTSIDE);
	cr_assert_eq(t.heard.word[0], DEVICE_ENOSPC);
	a->slots[K3] = a->slots[K2];
	weaken(a, K3, RIGHT_write | RIGHT_end);
	cr_assert_eq(ask(&t, a, K3, DO_file_write, .word = {0}, TEXT("x")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K3, DO_file_write, .word = {UINT64_MAX}, TEXT("x")), SAYS_OK,
		"it may append");
	cr_assert_eq(ask(&t, a, K3, DO_file_resize), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K3, DO_file_end), SAYS_NO_RIGHT);
	weaken(a, K3, RIGHT_read);
	cr_assert_eq(ask(&t, a, K3, DO_file_read, .word = {0, 1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K3, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	cr_assert_eq(ask(&t, a, K2, DO_file_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_file_size), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_file_read, .word = {0, 1}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_file_write), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_file_resize), SAYS_VOID);
	cr_assert_eq(ask(&t, a, K2, DO_file_end), SAYS_VOID);
	theatre_close(&t);
}

Test(stream, read_and_write)
{
	uint64_t bytes;
	uint32_t out;

	open_a();
	out = fake_stream(&t.device, NULL, 0);
	give_root(K1, "in", KIND_stream, fake_stream(&t.device, "input", 5), 0);
	give_root(K2, "out", KIND_stream, out, 0);
	cr_assert_eq(ask(&t, a, K1, DO_stream_read, .word = {3}), SAYS_OK);
	heard_text("inp");
	cr_assert_eq(ask(&t, a, K1, DO_stream_read, .word = {65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("output")), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 6);
	cr_assert_arr_eq(fake_written(&t.device, out, &bytes), "output", 6);
	weaken(a, K1, RIGHT_read);
	weaken(a, K2, RIGHT_write);
	cr_assert_eq(ask(&t, a, K1, DO_stream_read, .word = {1}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("x")), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

/* A read that waits is woken by the cut, with nothing read. */
Test(stream, a_cut_wakes_who_waits)
{
	struct domain *b;

	open_a();
	b = theatre_actor(&t, "b");
	give_root(K1, "in", KIND_stream, fake_stream(&t.device, NULL, 0), 0);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K1, UINT32_MAX, 1},
			     .receive = {K2, K3}), SAYS_OK);
	give_key(b, K1, &a->slots[K2]);
	cr_assert_eq(ask(&t, b, K1, DO_stream_read, .word = {10}), PENDING);
	cr_assert_eq(ask(&t, a, K3, DO_grant_cut), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1);
	cr_assert_eq(listen(&t, b), SAYS_REVOKED);
	cr_assert_eq(ask(&t, b, K1, DO_stream_read, .word = {10}), SAYS_REVOKED);
	theatre_close(&t);
}

Test(clock, virtual_and_real)
{
	uint64_t now;

	open_a();
	give_root(K1, "clock", KIND_clock, 0, 0);
	give_root(K2, "real", KIND_clock, 0, CAPS_REAL);
	cr_assert_eq(ask(&t, a, K1, DO_clock_now), SAYS_OK);
	now = t.heard.word[0];
	cr_assert_eq(ask(&t, a, K1, DO_clock_sleep, .word = {1000000000}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K1, DO_clock_now), SAYS_OK);
	cr_assert_geq(t.heard.word[0], now + 1000000000);
	cr_assert_lt(t.heard.word[0], now + 1001000000);
	cr_assert_eq(ask(&t, a, K2, DO_clock_now), SAYS_OK);
	now = t.heard.word[0];
	cr_assert_eq(ask(&t, a, K2, DO_clock_sleep, .word = {5000}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_clock_now), SAYS_OK);
	cr_assert_geq(t.heard.word[0], now + 5000);
	cr_assert_eq(ask(&t, a, K1, DO_clock_sleep, .word = {UINT64_MAX}), SAYS_BAD_WORD);
	weaken(a, K1, RIGHT_sleep);
	weaken(a, K2, RIGHT_read);
	cr_assert_eq(ask(&t, a, K1, DO_clock_sleep), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, DO_clock_now), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&t, a, K2, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

Test(entropy, seeded_and_real)
{
	uint8_t first[8];

	open_a();
	give_root(K1, "seeded", KIND_entropy, 0, 0);
	give_root(K2, "real", KIND_entropy, 0, CAPS_REAL);
	cr_assert_eq(ask(&t, a, K1, DO_entropy_draw, .word = {8}), SAYS_OK);
	cr_assert_eq(t.heard.got, 8);
	memcpy(first, t.heard.text, 8);
	cr_assert_eq(ask(&t, a, K1, DO_entropy_draw, .word = {8}), SAYS_OK);
	cr_assert_arr_neq(t.heard.text, first, 8, "it goes on");
	cr_assert_eq(ask(&t, a, K2, DO_entropy_draw, .word = {16}), SAYS_OK);
	cr_assert_eq(t.heard.got, 16);
	cr_assert_eq(ask(&t, a, K1, DO_entropy_draw, .word = {65537}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	weaken(a, K1, RIGHT_read);
	cr_assert_eq(ask(&t, a, K1, DO_entropy_draw), SAYS_NO_RIGHT);
	theatre_close(&t);
}

/* b holds a key that a can take back; so does whatever is copied from b. */
static void
open_lender(struct domain **ret_b)
{
	const uint32_t top = (open_a(), fake_dir(&t.device, 0, NULL));

	give_root(K1, "data", KIND_directory, fake_grant(&t.device, top, DEVICE_DIRECTORY), 0);
	cr_assert_eq(ask(&t, a, -1, DO_slots_derive, .word = {K1, UINT64_MAX, 1}, .receive = {K2, K3}),
		SAYS_OK);
	*ret_b = theatre_child(&t, a, GAS_NO_LIMIT, 4 << 20);
	give_key(*ret_b, K1, &a->slots[K2]);
	give_domain(a, K4, *ret_b, UINT32_MAX);
}

Test(copies, a_cut_reaches_a_fork)
{
	struct domain *b, *copy;

	open_lender(&b);
	cr_assert_eq(ask(&t, a, K4, DO_domain_fork, .receive = {K4 + 1}), SAYS_OK);
	copy = domain_of(t.world, &a->slots[K4 + 1]);
	cr_assert_eq(ask(&t, copy, K1, DO_directory_list), SAYS_OK);
	cr_assert_eq(ask(&t, a, K3, DO_grant_cut), SAYS_OK);
	cr_assert_eq(ask(&t, b, K1, DO_directory_list), SAYS_REVOKED);
	cr_assert_eq(ask(&t, copy, K1, DO_directory_list), SAYS_REVOKED);
	theatre_close(&t);
}

Test(copies, a_fork_brings_no_key_back_whose_grant_ended)
{
	struct domain *b, *copy;

	open_lender(&b);
	cr_assert_eq(ask(&t, a, K3, DO_grant_end), SAYS_OK);
	cr_assert_neq(ask(&t, b, K1, DO_directory_list), SAYS_OK);
	cr_assert_eq(ask(&t, a, K4, DO_domain_fork, .receive = {K4 + 1}), SAYS_OK);
	copy = domain_of(t.world, &a->slots[K4 + 1]);
	cr_assert_neq(ask(&t, copy, K1, DO_directory_list), SAYS_OK);
	theatre_close(&t);
}

/* The `fork` column: what lies outside is shared, or is not there. */
Test(copies, a_fork_shares_what_lies_outside)
{
	enum { NODE = 40, OWN, START, OUTSIDE, PURSE, NUMBER, COPY };
	struct domain *b, *copy;
	struct key key;

	open_lender(&b);
	cr_assert_eq(ask(&t, a, BANK, DO_bank_node, .receive = {NODE}), SAYS_OK);
	give_key(b, NODE, &a->slots[NODE]);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_node, .receive = {OWN}), SAYS_OK);
	cr_assert_eq(ask(&t, b, BANK, DO_bank_number, .word = {77}, .receive = {NUMBER}), SAYS_OK);
	key = domain_key(a, KIND_start);
	key.badge = 5;
	give_key(b, START, &key);
	give_domain(b, OUTSIDE, a, UINT32_MAX);
	cr_assert_eq(caps_mint(t.world, 1000, &key), 0);
	give_key(b, PURSE, &key);
	cr_assert_eq(ask(&t, a, K4, DO_domain_fork, .receive = {COPY}), SAYS_OK);
	copy = domain_of(t.world, &a->slots[COPY]);
	cr_assert_eq(copy->slots[START].badge, 5);
	cr_assert_eq(ask(&t, copy, NODE, DO_node_put, .word = {3}, .send = {NUMBER}), SAYS_OK);
	cr_assert_eq(ask(&t, a, NODE, DO_node_get, .word = {3}, .receive = {60}), SAYS_OK);
	cr_assert_eq(ask(&t, a, 60, DO_number_get), SAYS_OK, "they have one node");
	cr_assert_eq(t.heard.word[0], 77);
	cr_assert_eq(ask(&t, copy, OWN, DO_node_put, .word = {3}, .send = {NUMBER}), SAYS_OK);
	cr_assert_eq(ask(&t, b, OWN, DO_node_get, .word = {3}, .receive = {60}), SAYS_OK);
	cr_assert_eq(ask(&t, b, 60, DO_number_get), SAYS_VOID, "each its own");
	cr_assert_eq(reply(&t, a, -1, .receive = {0, 0, 0, K2}), PENDING);
	cr_assert_eq(ask(&t, copy, START, 9), PENDING);
	cr_assert_eq(listen(&t, a), 9);
	cr_assert_eq(t.heard.badge, 5);
	cr_assert_eq(post(&t, a, K2, 0), SAYS_OK);
	cr_assert_eq(listen(&t, copy), 0);
	cr_assert(key_is_void(&copy->slots[OUTSIDE]) && key_is_void(&copy->slots[PURSE]));
	theatre_close(&t);
}

/* --- what a cut closes --------------------------------------------------------------- */

static uint32_t
handles_open(void)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < FAKE_HANDLES_MAX; i++)
		count += t.device.handles[i].open;
	return count;
}

/* b has so many files open by the key that a can take back, from slot K4 on. */
static struct domain *
open_many(uint32_t count)
{
	struct domain *b;

	open_lender(&b);
	fake_file(&t.device, 1, "f", "hello", 5);
	for (uint32_t i = 0; i < count; i++)
		cr_assert_eq(ask(&t, b, K1, DO_directory_open, .word = {OPEN_READ}, TEXT("f"),
				     .receive = {K4 + (int)i}), SAYS_OK);
	return b;
}

static void
let_go_on(void)
{
	while (theatre_step(&t))
		;
}

Test(cut, closes_what_was_opened_in_pieces)
{
	enum { MANY = 3 * CAPS_CLOSE_PIECE };
	struct domain *b = open_many(MANY);
	const uint32_t before = handles_open();
	uint64_t used;

	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {OPEN_READ}, TEXT("f"),
			     .receive = {K1 + 1}), SAYS_OK);
	used = bank_used(&b->bank);
	tell(a, COMMAND_CALL, K3, DO_grant_cut, &(const struct order){0});
	domain_start(a);
	while (a->state == DOMAIN_READY)
		cr_assert(theatre_step(&t));
	cr_assert(t.world->closing);
	cr_assert_geq(handles_open() + t.world->requests.in_flight, before - CAPS_CLOSE_PIECE, "a piece");
	for (unsigned i = 0; t.world->closing; i++) {
		cr_assert_lt(i, 5, "as many steps as pieces");
		cr_assert(theatre_step(&t));
	}
	let_go_on();
	cr_assert_eq(handles_open(), before + 1 - MANY, "the host's, and what another key opened");
	cr_assert_eq(bank_used(&b->bank), used, "what it holds is not told");
	cr_assert_eq(ask(&t, b, K4, DO_file_read, .word = {0, 5}), SAYS_REVOKED);
	cr_assert_eq(ask(&t, a, K1 + 1, DO_file_read, .word = {0, 5}), SAYS_OK);
	heard_text("hello");
	theatre_close(&t);
}

/* One that comes while another's closing has begun is not forgotten, and cutting at
 * every step keeps none from its end. */
Test(cut, again_while_one_is_closed)
{
	enum { MANY = 3 * CAPS_CLOSE_PIECE };
	struct domain *b = open_many(MANY), *c = theatre_child(&t, a, GAS_NO_LIMIT, 1 << 20);
	const uint32_t before = handles_open();

	cr_assert_eq(ask(&t, a, -1, DO_slots_derive, .word = {K1, UINT64_MAX, 1},
			     .receive = {K4 + 1, K4 + 2}), SAYS_OK);
	give_key(c, K1, &a->slots[K4 + 1]);
	opening_end(caps_state(t.world), (uint32_t)b->slots[K4].object); /* the first place is free */
	b->slots[K4] = (struct key){0};
	cr_assert_eq(ask(&t, c, K1, DO_directory_open, .word = {OPEN_READ}, TEXT("f"), .receive = {K2}),
		SAYS_OK);
	let_go_on();
	cr_assert_eq(handles_open(), before);
	cr_assert_eq(ask(&t, a, K3, DO_grant_cut), SAYS_OK);
	cr_assert(t.world->closing && t.world->close_at > c->slots[K2].object, "it is behind c's");
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(ask(&t, a, K4 + 2, DO_grant_cut), SAYS_OK);
	let_go_on();
	cr_assert_eq(handles_open(), before - MANY);
	theatre_close(&t);
}

/* However far the closing is, an image is the same; in it the keys are revoked. */
Test(cut, an_image_between_cut_and_close)
{
	struct buffer between, after;
	struct domain *b = open_many(CAPS_CLOSE_PIECE + 1), *copy;
	uint64_t opens;

	give_domain(a, K4, b, UINT32_MAX);
	cr_assert_eq(ask(&t, a, K3, DO_grant_cut), SAYS_OK);
	cr_assert(t.world->closing);
	buffer_init(&between);
	buffer_init(&after);
	cr_assert_eq(image_write(t.world, b, &between.sink, false), 0);
	cr_assert_eq(ask(&t, a, K4, DO_domain_fork, .receive = {K4 + 1}), SAYS_OK);
	let_go_on();
	cr_assert_eq(image_write(t.world, b, &after.sink, false), 0);
	cr_assert_eq(between.count, after.count);
	cr_assert_arr_eq(between.bytes, after.bytes, after.count);
	opens = t.device.ops[DEVICE_OPEN];
	copy = domain_of(t.world, &a->slots[K4 + 1]);
	cr_assert_neq(ask(&t, copy, K4, DO_file_read, .word = {0, 5}), SAYS_OK);
	cr_assert_neq(ask(&t, copy, K1, DO_directory_list), SAYS_OK);
	cr_assert_eq(t.device.ops[DEVICE_OPEN], opens, "nothing is opened again");
	buffer_done(&between);
	buffer_done(&after);
	theatre_close(&t);
}

/* A copy opens again what it has when it uses it; then a cut closes that, too. */
Test(cut, closes_what_a_copy_opened_again)
{
	struct domain *b = open_many(1), *copy;
	uint32_t before;

	(void)b;
	give_domain(a, K4, b, UINT32_MAX);
	cr_assert_eq(ask(&t, a, K4, DO_domain_fork, .receive = {K4 + 1}), SAYS_OK);
	copy = domain_of(t.world, &a->slots[K4 + 1]);
	before = handles_open();
	cr_assert_eq(ask(&t, copy, K4, DO_file_read, .word = {0, 5}), SAYS_OK);
	cr_assert_eq(handles_open(), before + 1);
	cr_assert_eq(ask(&t, a, K3, DO_grant_cut), SAYS_OK);
	let_go_on();
	cr_assert_eq(handles_open(), before - 1, "the copy's and the original's");
	theatre_close(&t);
}

/* Of two keys to what is about to be opened again the cut one spoils nothing. */
Test(cut, of_a_weaker_key_leaves_the_opening)
{
	struct domain *b = open_many(1), *copy;

	give_domain(a, K4, b, UINT32_MAX);
	cr_assert_eq(ask(&t, a, K4, DO_domain_fork, .receive = {K4 + 1}), SAYS_OK);
	copy = domain_of(t.world, &a->slots[K4 + 1]);
	give_key(a, K4 + 2, &copy->slots[K4]);
	cr_assert_eq(ask(&t, a, -1, DO_slots_derive, .word = {K4 + 2, UINT64_MAX, 1},
			     .receive = {K4 + 3, K4 + 4}), SAYS_OK);
	give_key(copy, K2, &a->slots[K4 + 3]);
	t.device.latency = 1000;
	tell(copy, COMMAND_CALL, K2, DO_file_read, &(const struct order){.word = {0, 5}});
	domain_start(copy);
	while (copy->state == DOMAIN_READY)
		cr_assert(theatre_step(&t));
	cr_assert_eq(copy->state, DOMAIN_WAITING, "it opens it");
	cr_assert_eq(ask(&t, a, K4 + 4, DO_grant_cut), SAYS_OK);
	t.device.latency = 0;
	cr_assert_eq(listen(&t, copy), SAYS_REVOKED);
	cr_assert_eq(ask(&t, copy, K4, DO_file_read, .word = {0, 5}), SAYS_OK);
	heard_text("hello");
	theatre_close(&t);
}

/* The place of a grant that ended is another's soon: nothing comes to life by that. */
Test(cut, nothing_is_derived_of_an_ended_grant)
{
	struct domain *b;

	open_lender(&b);
	cr_assert_eq(ask(&t, a, K3, DO_grant_end), SAYS_OK);
	cr_assert_eq(ask(&t, a, -1, DO_slots_derive, .word = {K1, UINT64_MAX, 1},
			     .receive = {K3, K4}), SAYS_OK);
	cr_assert_eq(a->slots[K3].grant, b->slots[K1].grant, "the same place");
	cr_assert_eq(ask(&t, b, -1, DO_slots_derive, .word = {K1, UINT64_MAX, 1},
			     .receive = {K2, K3}), SAYS_REVOKED);
	cr_assert_neq(ask(&t, b, K2, DO_directory_list), SAYS_OK);
	theatre_close(&t);
}

/* Any name can be written into bytes: what a guest thaws has nothing by its name. */
Test(copies, a_thaw_gives_nothing_by_name)
{
	struct domain *b, *copy;

	open_lender(&b);
	cr_assert_eq(ask(&t, a, K4, DO_domain_freeze, .receive = {K4 + 1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, CAPS_KIT_CREATOR, DO_creator_thaw, .word = {4 << 20},
			     .send = {K4 + 1}, .receive = {K4 + 2}), SAYS_OK);
	copy = domain_of(t.world, &a->slots[K4 + 2]);
	cr_assert_eq(ask(&t, copy, K1, DO_directory_list), SAYS_VOID);
	cr_assert_eq(ask(&t, b, K1, DO_directory_list), SAYS_OK);
	theatre_close(&t);
}

Test(log, lines_and_what_was_overwritten)
{
	const struct key key = caps_log_key();
	struct caps_line line;
	static char text[256];

	open_a();
	give_key(a, K1, &key);
	cr_assert_not(caps_log_take(t.world, &line));
	cr_assert_eq(ask(&t, a, K1, DO_log_write, TEXT("one\n\033[2J")), SAYS_OK);
	cr_assert(caps_log_take(t.world, &line));
	cr_assert_str_eq(line.text, "one??[2J");
	cr_assert_str_eq(line.who, "a");
	cr_assert_eq(line.lost, 0);
	memset(text, 'x', sizeof text);
	cr_assert_eq(ask(&t, a, K1, DO_log_write, .text = text, .text_bytes = 256), SAYS_BAD_WORD);
	for (unsigned i = 0; i < CAPS_LOG_LINES + 2; i++)
		cr_assert_eq(ask(&t, a, K1, DO_log_write, .text = text, .text_bytes = 255), SAYS_OK);
	cr_assert(caps_log_take(t.world, &line));
	cr_assert_eq(line.lost, 2);
	for (unsigned i = 1; i < CAPS_LOG_LINES; i++)
		cr_assert(caps_log_take(t.world, &line));
	cr_assert_not(caps_log_take(t.world, &line));
	cr_assert_eq(ask(&t, a, K1, NO_SUCH_ORDER), SAYS_WRONG_KIND);
	theatre_close(&t);
}

Test(slots, find_by_name)
{
	struct wasi_mount mount = {.path = "/data"};
	struct wasi_config config = {.mounts = &mount, .mounts_count = 1};
	struct report report;
	uint32_t top;

	open_a();
	top = fake_dir(&t.device, 0, NULL);
	mount.key = root("data", KIND_directory, fake_grant(&t.device, top, DEVICE_DIRECTORY), ALL, 0);
	config.streams[1] = root("out", KIND_stream, fake_stream(&t.device, NULL, 0), ALL, 0);
	config.clock = root("clock", KIND_clock, 0, ALL, 0);
	report_clear(&report);
	cr_assert_eq(caps_wasi_setup(a, &config, &report), 0);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("data")), SAYS_OK);
	cr_assert_eq(a->slots[t.heard.word[0]].kind, KIND_directory);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("/data/")), SAYS_OK);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("stdout")), SAYS_OK);
	cr_assert_eq(ask(&t, a, (int)t.heard.word[0], DO_stream_write, TEXT("x")), SAYS_OK);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("stdin")), SAYS_VOID);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("clock")), SAYS_OK);
	cr_assert_eq(ask(&t, a, (int)t.heard.word[0], DO_clock_now), SAYS_OK);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("entropy")), SAYS_VOID);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("../data")), SAYS_VOID);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find, TEXT("da\0ta")), SAYS_VOID);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_find), SAYS_BAD_WORD);
	theatre_close(&t);
}

/* --- the limits of a derivation, each reached ----------------------------------------- */

static const uint64_t NONE = UINT64_MAX;

static uint32_t
derive(uint64_t uses, uint64_t bytes, uint64_t gas, uint64_t rate)
{
	const uint64_t limits[4] = {uses, bytes, gas, rate};

	return ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K1, UINT32_MAX, 1}, .text = limits,
		.text_bytes = sizeof limits, .receive = {K2, K3});
}

static void
open_limited(void)
{
	open_a();
	give_root(K1, "in", KIND_stream, fake_stream(&t.device, "0123456789", 10), 0);
}

Test(limits, uses)
{
	open_limited();
	cr_assert_eq(derive(2, NONE, NONE, NONE), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {1}), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {1}), SAYS_REVOKED);
	cr_assert_eq(ask(&t, a, K3, DO_grant_status), SAYS_OK);
	cr_assert_eq(t.heard.word[0], 1);
	cr_assert_eq(t.heard.word[1], 0);
	cr_assert_eq(ask(&t, a, K1, DO_stream_read, .word = {1}), SAYS_OK, "the key above is as it was");
	theatre_close(&t);
}

Test(limits, bytes)
{
	open_limited();
	cr_assert_eq(derive(NONE, 5, NONE, NONE), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {3}), SAYS_OK);
	cr_assert_eq(t.heard.got, 3);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {9}), SAYS_OK);
	cr_assert_eq(t.heard.got, 2);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {9}), SAYS_REVOKED);
	cr_assert_eq(derive(NONE, 5, NONE, NONE), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("123456")), SAYS_REVOKED);
	cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("12345")), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("6")), SAYS_REVOKED);
	theatre_close(&t);
}

Test(limits, expiry)
{
	open_limited();
	cr_assert_eq(derive(NONE, NONE, 10000000, NONE), SAYS_OK);
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {1}), SAYS_OK);
	(void)obey(&t, a, COMMAND_SPIN, 0, 10000000, &(const struct order){0});
	cr_assert_eq(ask(&t, a, K2, DO_stream_read, .word = {1}), SAYS_REVOKED);
	cr_assert_eq(ask(&t, a, K3, DO_grant_status), SAYS_OK);
	cr_assert_eq(t.heard.word[3], 0);
	theatre_close(&t);
}

Test(limits, rate)
{
	open_limited();
	cr_assert_eq(derive(NONE, NONE, NONE, 1000), SAYS_OK); /* one in 10,000,000 gas */
	for (unsigned i = 0; i < 1000; i++)
		cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("x")), SAYS_OK);
	while (ask(&t, a, K2, DO_stream_write, TEXT("x")) == SAYS_OK)
		;
	cr_assert_eq(t.heard.rc, SAYS_REVOKED);
	(void)obey(&t, a, COMMAND_SPIN, 0, 10000000, &(const struct order){0});
	cr_assert_eq(ask(&t, a, K2, DO_stream_write, TEXT("x")), SAYS_OK, "it comes back with time");
	theatre_close(&t);
}

Test(limits, that_make_no_sense)
{
	static const uint64_t three[3];

	open_limited();
	cr_assert_eq(derive(NONE, NONE, NONE, 0), SAYS_BAD_WORD);
	cr_assert_eq(derive(NONE, NONE, NONE, GRANT_SECOND + 1), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K1, 1, 1}, .text = three,
			     .text_bytes = 24), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {K1, 1, 4}), SAYS_BAD_WORD);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {99, 1, 1}), SAYS_VOID);
	cr_assert_eq(ask(&t, a, GATE_SLOTS, DO_slots_derive, .word = {32768, 1, 1}), SAYS_BAD_WORD);
	theatre_close(&t);
}
