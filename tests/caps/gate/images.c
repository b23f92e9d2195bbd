/* SPDX-License-Identifier: Apache-2.0 */
/* images.c - a tree with everything in it, as bytes: back again the same; any bytes
 * at all an error with words or a world in order. */
#include <criterion/criterion.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/image.h"
#include "tests/caps/gate/theatre.h"
#include "tests/support/buffer.h"

static struct theatre t, other;
static struct domain *a, *b, *c, *d;
static struct buffer image, again;

enum { METER = CAPS_KIT_METER, BANK = CAPS_KIT_BANK, CREATOR = CAPS_KIT_CREATOR,
	NODE = 20, SEGMENT, NUMBER, LINE, BELOW, VAULT, BOX, SEALER, UNSEALER, PURSE, MODULE,
	FACTORY, FORWARDER, WEAK, CUTTER, TWICE, SECOND, FROZEN, TO_B, RESUME };

#define MADE(domain, slot, what, ...) \
	cr_assert_eq(ask(&t, domain, slot, what, __VA_ARGS__), SAYS_OK, #what)

/* Objects of every kind, keys in keys, a grant below a grant, one of them cut. */
static void
furnish(void)
{
	uint32_t at;

	MADE(a, BANK, DO_bank_node, .receive = {NODE});
	MADE(a, BANK, DO_bank_segment, .word = {100000}, .receive = {SEGMENT});
	MADE(a, SEGMENT, DO_segment_write, .word = {70000}, .text = "far in", .text_bytes = 6);
	MADE(a, BANK, DO_bank_number, .word = {77}, .receive = {NUMBER});
	MADE(a, NODE, DO_node_put, .word = {3}, .send = {NUMBER});
	MADE(a, NODE, DO_node_put, .word = {4}, .send = {SEGMENT});
	MADE(a, METER, DO_meter_make, .word = {5000}, .receive = {LINE});
	MADE(a, LINE, DO_meter_reserve, .word = {50});
	MADE(a, LINE, DO_meter_make, .word = {UINT64_MAX}, .receive = {BELOW});
	MADE(a, BANK, DO_bank_make, .word = {1 << 20}, .receive = {VAULT});
	MADE(a, VAULT, DO_bank_node, .receive = {TWICE});
	MADE(a, TWICE, DO_node_put, .word = {0}, .send = {NODE});
	MADE(a, BANK, DO_bank_seal, .receive = {SEALER, UNSEALER});
	MADE(a, SEALER, DO_sealer_seal, .send = {NUMBER}, .receive = {BOX});
	at = obey(&t, a, COMMAND_GROW, 0, 2, &(const struct order){0}) * 65536;
	memcpy(domain_mem(a, at, 2 << 16), puppet_bytes, puppet_bytes_count);
	MADE(a, CREATOR, DO_creator_load, .word = {at, puppet_bytes_count}, .receive = {MODULE});
	MADE(a, BANK, DO_bank_factory, .send = {MODULE}, .receive = {FACTORY});
	MADE(a, FACTORY, DO_factory_put, .word = {9}, .send = {NUMBER});
	MADE(a, BANK, DO_bank_forwarder, .send = {NUMBER}, .receive = {FORWARDER});
	MADE(a, -1, DO_slots_derive, .word = {NODE, UINT64_MAX, 1}, .receive = {WEAK, CUTTER});
	MADE(a, -1, DO_slots_derive, .word = {WEAK, UINT64_MAX, 1}, .receive = {SECOND, FROZEN});
	MADE(a, FROZEN, DO_grant_cut, .room = 0);
	cr_assert_eq(ask(&t, a, SECOND, DO_node_get), SAYS_REVOKED);
}

/* b serves c, which waits for its answer; d waits to be let in. */
static void
people(void)
{
	struct key key;

	b = theatre_child(&t, a, UINT64_MAX, 4 << 20);
	c = theatre_child(&t, a, UINT64_MAX, 4 << 20);
	d = theatre_child(&t, b, UINT64_MAX, 2 << 20);
	key = domain_key(b, KIND_start);
	key.badge = 5;
	give_key(c, TO_B, &key);
	give_key(d, TO_B, &key);
	b->keeper = domain_key(c, KIND_start);
	cr_assert_eq(obey(&t, b, COMMAND_REPLY, -1, 0, &(const struct order){.receive = {0, 0, 0, RESUME}}),
		PENDING);
	cr_assert_eq(ask(&t, c, TO_B, 11, .word = {1, 2, 3, 4}), PENDING);
	cr_assert_eq(ask(&t, d, TO_B, 12, .word = {9}), PENDING);
}

static void
set_up(void)
{
	theatre_open(&t);
	a = theatre_actor(&t, "a");
	furnish();
	people();
	buffer_init(&image);
	buffer_init(&again);
	/* Keys that are said by their kind do not come through a thaw. */
	for (struct domain *at = a; at; at = domain_walk(at, a))
		at->slots[CAPS_KIT_LOG] = (struct key){0};
	domain_quiesce(a);
	cr_assert_eq(image_write(t.world, a, &image.sink, false), 0);
	theatre_open(&other);
}

static void
tear_down(void)
{
	buffer_done(&image);
	buffer_done(&again);
	theatre_close(&other);
	theatre_close(&t);
}

static void
rehash(void)
{
	blake2b_256(image.bytes, image.count - IMAGE_HASH_BYTES,
		image.bytes + image.count - IMAGE_HASH_BYTES);
}

static int
read_into_other(struct report *report, struct domain **ret_domain)
{
	static const struct domain_above nothing;

	report_clear(report);
	return image_thaw(other.world, &nothing, image.bytes, image.count, report, ret_domain);
}

static void
write_again(struct domain *domain)
{
	again.count = 0;
	cr_assert_eq(image_write(other.world, domain, &again.sink, false), 0);
}

Test(images, a_tree_comes_back_the_same)
{
	struct report report;
	struct domain *copy = NULL;

	set_up();
	cr_assert_eq(read_into_other(&report, &copy), 0, "%s at %llu", report.text,
		(unsigned long long)report.offset);
	world_check(other.world);
	write_again(copy);
	cr_assert_eq(again.count, image.count);
	cr_assert_arr_eq(again.bytes, image.bytes, image.count);
	/* What waited goes on: b answers c, and lets d in. */
	cr_assert_eq(obey(&other, copy->first, COMMAND_REPLY, RESUME, 0,
			     &(const struct order){.word = {42}, .receive = {0, 0, 0, RESUME}}),
		12, "d is let in");
	cr_assert_eq(listen(&other, copy->last), SAYS_OK);
	cr_assert_eq(other.heard.word[0], 42);
	/* And keys lead where they led. */
	cr_assert_eq(ask(&other, copy, SECOND, DO_node_get), SAYS_REVOKED);
	cr_assert_eq(ask(&other, copy, WEAK, DO_node_get, .word = {3}, .receive = {60}), SAYS_OK);
	cr_assert_eq(ask(&other, copy, 60, DO_number_get), SAYS_OK);
	cr_assert_eq(other.heard.word[0], 77);
	cr_assert_eq(ask(&other, copy, UNSEALER, DO_unsealer_open, .send = {BOX}, .receive = {61}),
		SAYS_OK);
	cr_assert_eq(ask(&other, copy, CUTTER, DO_grant_cut), SAYS_OK);
	cr_assert_eq(ask(&other, copy, WEAK, DO_node_get, .word = {3}), SAYS_REVOKED);
	domain_end(copy);
	tear_down();
}

/* A key under a grant of somebody outside: while that is whole the copy has it, once
 * it was cut no copy has it again. */
Test(images, a_cut_outside_is_not_undone)
{
	struct report report;
	struct domain *copy = NULL, *below;
	struct key key;

	set_up();
	below = theatre_child(&t, c, UINT64_MAX, 1 << 20);
	key = domain_key(below, KIND_start);
	give_key(a, 60, &key);
	MADE(a, -1, DO_slots_derive, .word = {60, UINT64_MAX, 1}, .receive = {61, 62});
	key = a->slots[61];
	give_key(c, 63, &key);
	for (int cut = 0; cut < 2; cut++) {
		image.count = 0;
		cr_assert_eq(image_write(t.world, c, &image.sink, false), 0);
		cr_assert_eq(read_into_other(&report, &copy), 0, "%s", report.text);
		cr_assert_eq(copy->slots[63].kind, cut ? KIND_void : KIND_start, "cut %d: kind %u", cut,
			copy->slots[63].kind);
		domain_end(copy);
		MADE(a, 62, DO_grant_cut, .room = 0);
	}
	tear_down();
}

/* The brand of a copy is its own: it opens no box of the original. */
Test(images, brands_are_minted_anew)
{
	struct report report;
	struct domain *first = NULL, *second = NULL;
	struct key key;

	set_up();
	cr_assert_eq(read_into_other(&report, &first), 0);
	cr_assert_eq(read_into_other(&report, &second), 0);
	key = first->slots[BOX];
	give_key(second, 60, &key);
	cr_assert_eq(ask(&other, second, UNSEALER, DO_unsealer_open, .send = {60}), SAYS_NO_RIGHT);
	cr_assert_eq(ask(&other, first, UNSEALER, DO_unsealer_open, .send = {BOX}), SAYS_OK);
	domain_end(first);
	domain_end(second);
	tear_down();
}

/* An image of a part: whoever it calls is outside, and hears nothing of a copy. */
Test(images, a_caller_of_somebody_outside_hears_forked)
{
	struct report report;
	struct domain *copy = NULL;

	set_up();
	image.count = 0;
	cr_assert_eq(image_write(t.world, c, &image.sink, false), 0);
	cr_assert_eq(read_into_other(&report, &copy), 0, "%s", report.text);
	cr_assert_eq(listen(&other, copy), SAYS_FORKED);
	cr_assert_eq(c->state, DOMAIN_CALLING, "the original waits on");
	domain_end(copy);
	tear_down();
}

/* Money stays with the original: an image says what was there and gives none of it,
 * however often it is thawed or the tree forked; nothing is lost by ending. */
Test(images, money_is_not_made_by_copies)
{
	const struct mint *mint;
	struct domain *copies[4] = {0};
	struct domain_above above = {0};
	struct report report;
	struct key key;

	theatre_open(&t);
	mint = world_mint(t.world);
	a = theatre_actor(&t, "a");
	b = theatre_child(&t, a, UINT64_MAX, 4 << 20);
	cr_assert_eq(caps_mint(t.world, 10000000, &key), 0);
	give_key(a, PURSE, &key);
	give_domain(a, TO_B, b, UINT32_MAX);
	MADE(a, PURSE, DO_purse_split, .word = {4000000}, .receive = {SECOND});
	MADE(a, TO_B, DO_domain_pay_with, .send = {SECOND});
	buffer_init(&image);
	cr_assert_eq(image_write(t.world, a, &image.sink, false), 0);
	for (unsigned i = 0; i < 2; i++) {
		report_clear(&report);
		cr_assert_eq(image_thaw(t.world, &above, image.bytes, image.count, &report, &copies[i]), 0,
			"%s", report.text);
		cr_assert_eq(domain_fork(a, &above, &report, &copies[2 + i]), 0, "%s", report.text);
	}
	world_check(t.world);
	cr_assert_eq(mint->minted, 10000000);
	for (unsigned i = 0; i < 4; i++) {
		struct domain *paid = copies[i]->first;

		cr_assert_eq(ask(&t, copies[i], SECOND, DO_purse_balance), SAYS_OK);
		cr_assert_eq(t.heard.word[0], 0, "copy %u", i);
		cr_assert(paid->purse, "and who was paid for still is");
		cr_assert_eq(ask(&t, paid, BANK, DO_bank_status), STOPPED);
		cr_assert_eq(t.heard.stop.reason, STOP_OUT_OF_GAS);
		domain_end(copies[i]);
	}
	MADE(a, PURSE, DO_purse_balance, .room = 0);
	cr_assert_eq(t.heard.word[0], 6000000);
	/* The one that is paid ends in the middle: what it had left goes up. */
	cr_assert_eq(ask(&t, b, BANK, DO_bank_status), SAYS_OK);
	domain_end(b);
	MADE(a, SECOND, DO_purse_end, .room = 0);
	MADE(a, PURSE, DO_purse_balance, .room = 0);
	cr_assert_eq(t.heard.word[0] + mint->burnt, mint->minted);
	cr_assert_gt(mint->burnt, 0);
	buffer_done(&image);
	theatre_close(&t);
}

Test(images, cut_anywhere_is_refused)
{
	struct report report;
	struct domain *copy = NULL;
	const size_t count = (set_up(), image.count);

	for (size_t at = 0; at < count; at += at > 4096 && count - at > 8192 ? 97 : 7) {
		image.count = at;
		if (at >= IMAGE_HEADER_BYTES + IMAGE_HASH_BYTES)
			rehash();
		cr_assert_eq(read_into_other(&report, &copy), -EINVAL, "%zu", at);
		cr_assert_neq(report.text[0], '\0');
		world_check(other.world);
		image.count = 0;
		cr_assert_eq(image_write(t.world, a, &image.sink, false), 0);
	}
	tear_down();
}

/* With the hash put right, a flipped bit behind the modules gives words, or a
 * world in order that can be written again and ended. */
Test(images, a_flipped_bit_is_refused_or_sound, .timeout = 120)
{
	struct report report;
	struct domain *kept = NULL;
	size_t sound = 0, refused = 0, from;

	set_up();
	cr_assert_eq(read_into_other(&report, &kept), 0); /* its module stays at hand */
	from = IMAGE_HEADER_BYTES + 40 + puppet_bytes_count;
	for (size_t bit = from * 8; bit < (image.count - IMAGE_HASH_BYTES) * 8; bit += 241) {
		struct domain *copy = NULL;

		image.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		rehash();
		if (read_into_other(&report, &copy)) {
			refused++;
			cr_assert_neq(report.text[0], '\0', "bit %zu: an error without words", bit);
		} else {
			sound++;
			world_check(other.world);
			write_again(copy);
			domain_end(copy);
		}
		world_check(other.world);
		image.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	domain_end(kept);
	cr_assert_gt(sound, 100);
	cr_assert_gt(refused, 100);
	tear_down();
}
