/* SPDX-License-Identifier: Apache-2.0 */
/* Trees that guests make by themselves, through the gate alone. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "kernel/gate.h"
#include "kernel/world_state.h"
#include "tests/support/buffer.h"
#include "tests/support/house.h"

static struct house house;

static const char *
guest(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/%s.wasm", GUESTS, name);
	return path;
}

static void
open_house(const char *name, struct house_task task)
{
	house_open(&house, EXECUTOR_FAST, NULL);
	house_root(&house, guest(name), UINT64_C(1) << 60);
	house_task(&house, task);
}

static void
close_house(void)
{
	world_check(house.world);
	house_close(&house);
	cr_assert_eq(house.fake.reserved, 0);
}

TestSuite(trees, .fini = close_house);

static struct domain *
deepest(void)
{
	struct domain *at = house.root;

	while (at->first)
		at = at->first;
	return at;
}

/* --- depth ----------------------------------------------------------------------------- */

/* house.h's first free slot, which what a guest is lent lies in. */
enum { AT_FREE = CAPS_KIT_SLOTS + 4 };
enum { STEPS = 5000, RESUMES = 20 };

struct seen {
	uint64_t word, gas_guest, gas_host, used, bytes;
};

static struct seen
nested(uint64_t depth)
{
	struct domain *leaf;
	struct seen seen;

	open_house("nest", (struct house_task){.depth = depth, .word = 1});
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_eq(house_go(&house, STEPS), STOP_YIELDED);
	leaf = deepest();
	seen = (struct seen){.word = house.root->stop.word, .gas_guest = leaf->gas_guest,
		.gas_host = leaf->gas_host, .used = line_used(world_clock(house.world), &leaf->meter.line),
		.bytes = leaf->bank.own};
	cr_assert_eq(house_go(&house, (uint64_t)RESUMES << 48), STOP_YIELDED);
	seen.gas_guest += leaf->gas_guest;
	return seen;
}

Test(trees, a_domain_cannot_tell_how_deep_it_is)
{
	static const uint64_t depths[] = {2, 100, 1000};
	const struct seen first = nested(1);

	for (unsigned i = 0; i < 3; i++) {
		struct seen seen;

		close_house();
		seen = nested(depths[i]);
		cr_assert_eq(memcmp(&seen, &first, sizeof seen), 0, "at depth %u", (unsigned)depths[i]);
	}
}

/* At no depth at all it is the host's own child: its work is the same, to the unit. */
Test(trees, work_costs_the_same_at_depth_0_1_and_100)
{
	static const uint64_t depths[] = {0, 1, 100};
	uint64_t gas[3], words[3];

	for (int i = 0; i < 3; i++) {
		const struct domain *leaf;

		open_house("nest", (struct house_task){.depth = depths[i], .word = 1});
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		leaf = deepest();
		gas[i] = leaf->gas_guest + leaf->gas_host;
		cr_assert_eq(house_go(&house, STEPS), STOP_YIELDED);
		gas[i] = leaf->gas_guest + leaf->gas_host - gas[i];
		words[i] = house.root->stop.word;
		cr_assert_eq(gas[i], gas[0]);
		cr_assert_eq(words[i], words[0]);
		if (i < 2)
			close_house();
	}
}

Test(trees, what_the_owner_refuels_at_the_top_goes_on_at_the_bottom)
{
	struct seen straight = nested(100);

	close_house();
	open_house("nest", (struct house_task){.depth = 100, .word = 1});
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	line_limit(world_clock(house.world), &house.root->meter.line, 300000);
	for (int stops = 0; house_go(&house, STEPS) == STOP_OUT_OF_GAS; stops++) {
		cr_assert_lt(stops, 100);
		world_check(house.world);
		domain_feed(house.root, 20000);
	}
	cr_assert_eq(house.root->stop.reason, STOP_YIELDED);
	cr_assert_eq(house.root->stop.word, straight.word);
}

/* Each is found once when they end: ten thousand in no time. */
Test(trees, end_in_time_that_grows_with_their_number, .timeout = 20)
{
	open_house("nest", (struct house_task){.depth = 10000, .word = 1});
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	domain_end(house.root->first);
	cr_assert_null(house.root->first);
}

/* --- cuts ---------------------------------------------------------------------------------- */

static uint64_t
living(void)
{
	uint64_t count = 0;

	for (struct domain *at = house.root; at; at = domain_walk(at, house.root))
		for (uint32_t i = 0; i < at->slots_count; i++)
			count += at->slots[i].kind == KIND_meter && at->slots[i].grant != GRANT_NONE &&
				key_alive(world_grants(house.world), &at->slots[i]);
	return count;
}

Test(trees, one_cut_kills_every_key_derived_below)
{
	open_house("cut", (struct house_task){.count = 2});
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, 0, "%llx", (unsigned long long)house.root->stop.word);
		cr_assert_geq(living(), 20000);
		world_check(house.world);
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, GATE_REVOKED);
		cr_assert_eq(living(), 0);
	}
}

Test(trees, a_call_between_domains_carries_words_text_and_a_key)
{
	open_house("rally", (struct house_task){.count = 1000});
	cr_assert_eq(house_go(&house, 0), STOP_RETURNED);
}

/* --- crowds -------------------------------------------------------------------------------- */

enum { MANAGERS = 3, KIDS = 20, COPIES = 5 };

static void
answers(uint64_t word, uint64_t kid, uint64_t times)
{
	cr_assert_eq(house_go(&house, word | times << 32), STOP_YIELDED);
	cr_assert_eq(house.root->stop.word, (kid + times) % 256);
}

static void
put_away(void)
{
	for (struct domain *at = house.root; at; at = domain_walk(at, house.root))
		cr_assert_eq(store_cool(at->store), 0);
}

Test(trees, kids_three_calls_deep_answer_when_woken_hot_or_cold)
{
	open_house("crowd", (struct house_task){.count = MANAGERS, .word = KIDS});
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	for (uint64_t i = 0; i < 3ull * MANAGERS * KIDS; i++) {
		if (i % 7 == 0)
			put_away();
		answers(UINT64_C(1) << 56 | i % (MANAGERS * KIDS), i % KIDS, i);
	}
}

Test(trees, forked_by_a_guest_each_copy_answers_alone)
{
	open_house("crowd", (struct house_task){.count = 1, .word = KIDS});
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	for (uint64_t i = 0; i < COPIES; i++) {
		cr_assert_eq(house_go(&house, UINT64_C(2) << 56 | i), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, 0);
		world_check(house.world);
	}
	cr_assert_eq(world_domains(house.world), 1 + (1 + COPIES) * (1 + KIDS));
	for (uint64_t i = 0; i < 2ull * COPIES * KIDS; i++)
		answers(UINT64_C(3) << 56 | i % KIDS << 16 | i % COPIES, i % KIDS, i);
	for (uint64_t kid = 0; kid < KIDS; kid++)
		answers(UINT64_C(1) << 56 | kid, kid, 5);
}

/* --- the seed's two models ------------------------------------------------------------- */

/* Wishes of the three, one below the other; what the lowest comes to, and how often
 * the first was asked for more. */
static uint64_t
credit(uint64_t top, uint64_t middle, uint64_t lowest, uint64_t *ret_dry)
{
	uint64_t last = 0;

	open_house("seed", (struct house_task){.role = 0, .count = top, .word = middle, .depth = lowest});
	for (*ret_dry = 0; house_go(&house, 0) == STOP_YIELDED; (*ret_dry)++) {
		world_check(house.world);
		last = house.root->stop.word;
		if (last > 10000)
			break;
		cr_assert_eq(last, *ret_dry + 1);
	}
	return last;
}

Test(trees, credit_drains_together_and_nobody_below_notices_a_refuel)
{
	const uint64_t plenty = UINT64_C(1) << 40;
	uint64_t dry, straight = credit(plenty, plenty, plenty, &dry);
	const uint64_t used = deepest()->gas_guest;

	cr_assert_eq(dry, 0);
	close_house();
	/* The middle may wish for more than is above it, and the lowest for more than that. */
	cr_assert_eq(credit(100000, plenty, 2 * plenty, &dry), straight);
	cr_assert_geq(dry, 2);
	cr_assert_eq(deepest()->gas_guest, used, "not a unit more below");
}

Test(trees, money_is_conserved)
{
	static const uint64_t held[] = {UINT64_C(70) << 32 | 20 << 16 | 10, UINT64_C(70) << 32 | 30 << 16, 100};
	struct purse *purse;
	struct key key;

	open_house("seed", (struct house_task){.role = 1});
	key = object_key(house.world, object_new(house.world, KIND_purse, world_bank(house.world),
		sizeof *purse), UINT32_MAX);
	purse = object_body(house.world, &key);
	purse_init(purse, world_mint(house.world), NULL);
	purse->object = key.object;
	cr_assert(purse_mint(purse, 100));
	cr_assert_eq(domain_slots_room(house.root, AT_FREE + 1), 0);
	slot_put(house.root, AT_FREE, &key);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, held[i], "%llx", (unsigned long long)house.root->stop.word);
		mint_check(world_mint(house.world));
	}
	domain_end(house.root);
	object_end(house.world, key.object);
}

/* --- sandboxes in sandboxes --------------------------------------------------------------- */

enum { AT_VOICE = AT_FREE, LEVELS = 6, ROUNDS = 1000 };

static uint32_t
give_stream(uint32_t rights)
{
	const uint32_t handle = fake_stream(&house.device, NULL, 0);
	const struct caps_root root = {.name = "voice", .spec = "voice", .kind = KIND_stream,
		.rights = rights, .flags = CAPS_LIVE, .handle = handle};
	struct report report;
	struct key key;

	report_clear(&report);
	cr_assert_eq(caps_root_add(house.world, &root, &report, &key), 0, "%s", report.text);
	cr_assert_eq(domain_slots_room(house.root, AT_VOICE + 1), 0);
	slot_put(house.root, AT_VOICE, &key);
	return handle;
}

static uint64_t
keys_of(const struct domain *domain)
{
	uint64_t keys = 0;

	for (uint32_t i = 0; i < domain->slots_count; i++)
		keys += !key_is_void(&domain->slots[i]);
	return keys;
}

Test(trees, six_levels_down_each_has_less_and_a_cut_at_the_first_silences_the_last)
{
	uint64_t bytes, before, level = 0;
	uint32_t voice;

	house.bank_bytes = 64 << 20;
	open_house("down", (struct house_task){.depth = LEVELS});
	voice = give_stream(RIGHT_write);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, GATE_OK, "%llx", (unsigned long long)house.root->stop.word);
	}
	(void)fake_written(&house.device, voice, &bytes);
	cr_assert_eq(bytes, 15);
	for (const struct domain *at = house.root; at->first; at = at->first, level++) {
		cr_assert_leq(at->first->bank.limit, at->bank.limit / 2);
		cr_assert_leq(line_left(world_clock(house.world), &at->first->meter.line),
			line_left(world_clock(house.world), &at->meter.line));
		if (at->parent) /* the last hosts nobody, the first was given by the test */
			cr_assert_lt(keys_of(at->first), keys_of(at));
	}
	cr_assert_eq(level, LEVELS);
	cr_assert_eq(house_go(&house, 1), STOP_YIELDED);
	cr_assert_eq(house.root->stop.word, GATE_REVOKED);
	before = bytes;
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, GATE_REVOKED);
	}
	(void)fake_written(&house.device, voice, &bytes);
	cr_assert_eq(bytes, before, "not a byte after the cut");
}

/* The canary comes before the cut, or after it: it is never seen. */
Test(trees, a_read_that_waits_wakes_revoked_and_no_byte_comes_after)
{
	struct seed seed = {5};
	uint32_t voice;

	open_house("down", (struct house_task){.role = 1});
	voice = give_stream(RIGHT_read);
	for (int i = 0; i < ROUNDS; i++) {
		const bool early = seed_below(&seed, 2);

		house.device.latency = seed_below(&seed, 4);
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, 1, "it waits: %llx", (unsigned long long)~house.root->stop.word);
		if (early)
			fake_stream_feed(&house.device, voice, "canary", 6);
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		if (!early) {
			cr_assert_eq(house.root->stop.word, 2, "one was woken");
			fake_stream_feed(&house.device, voice, "canary", 6);
		}
		cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
		cr_assert_eq(house.root->stop.word, GATE_REVOKED, "round %d: %llx", i,
			(unsigned long long)house.root->stop.word);
		house.device.handles[voice].position = 6ull * ((unsigned)i + 1);
		if (i % 100 == 0)
			world_check(house.world);
	}
}

/* --- factories ------------------------------------------------------------------------------ */

enum { OPAQUE = 10, HOLE_SLOT = 7 };

struct other { /* all that another domain is: its gas, and its state to the byte */
	uint64_t gas_guest, gas_host, used;
	uint64_t bytes_held;
	struct buffer store;
};

/* The author, and somebody who works all the while and talks with the author. */
struct others {
	struct other author, bystander;
};

static struct other
seen_of(const struct domain *domain)
{
	struct other seen = {.gas_guest = domain->gas_guest, .gas_host = domain->gas_host,
		.used = line_used(world_clock(house.world), &domain->meter.line),
		.bytes_held = domain->bank.own};

	buffer_init(&seen.store);
	store_write(domain->store, &seen.store.sink);
	return seen;
}

static struct others
after_secret(uint64_t secret, bool hole)
{
	struct others seen;

	open_house("vault", (struct house_task){.count = secret, .word = hole});
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_eq(house.root->stop.word,
		hole ? UINT64_C(1) << 32 | HOLE_SLOT << 8 | KIND_start : 0, "exactly the holes: %llx",
		(unsigned long long)house.root->stop.word);
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_eq(house.root->stop.word, OPAQUE << 8 | OPAQUE, "neither read nor frozen: %llx",
		(unsigned long long)house.root->stop.word);
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_eq(house.root->stop.word, 2 * secret, "%llx", (unsigned long long)~house.root->stop.word);
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_eq(house.root->stop.word, secret % 2 ? STOP_TRAP : STOP_RETURNED);
	seen = (struct others){
		.author = seen_of(house.root->first), .bystander = seen_of(house.root->first->next)};
	cr_assert_gt(seen.bystander.gas_guest, 1000000, "it worked");
	close_house();
	return seen;
}

static void
others_done(struct others *others)
{
	buffer_done(&others->author.store);
	buffer_done(&others->bystander.store);
}

static bool
is_same(const struct other *a, const struct other *b)
{
	return a->gas_guest == b->gas_guest && a->gas_host == b->gas_host && a->used == b->used &&
		a->bytes_held == b->bytes_held && a->store.count == b->store.count &&
		!memcmp(a->store.bytes, b->store.bytes, a->store.count);
}

Test(factory, without_holes_two_secrets_leave_everybody_else_the_same)
{
	static const uint64_t secrets[] = {2, 3, 777, 123456789};
	struct others first = after_secret(1, false);

	for (unsigned i = 0; i < 4; i++) {
		struct others then = after_secret(secrets[i], false);

		cr_assert(is_same(&first.author, &then.author), "secret %u", i);
		cr_assert(is_same(&first.bystander, &then.bystander), "secret %u", i);
		others_done(&then);
	}
	others_done(&first);
}

Test(factory, through_a_hole_that_it_tells_of_it_leaks)
{
	struct others one = after_secret(1, true), then = after_secret(3, true);

	cr_assert_not(is_same(&one.author, &then.author));
	others_done(&one);
	others_done(&then);
}
