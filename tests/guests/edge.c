/* SPDX-License-Identifier: Apache-2.0 */
/* One wing of a family had again alone, from what crossed its edge. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/edge_in.h"
#include "kernel/world_state.h"
#include "tests/support/house.h"

static struct house house;
static struct fake_host other_host;
static struct heap heap;
static struct edge recorded, again;
static struct report report;
static uint32_t voice_handle;

static void
open_house(struct house_task task, const char *name)
{
	report_clear(&report);
	house_open(&house, EXECUTOR_FAST, NULL);
	house_root(&house, GUESTS "/wing.wasm", UINT64_C(1) << 60);
	house_task(&house, task);
	fake_host_init(&other_host);
	heap_init(&heap, &other_host.host);
	edge_watch(&recorded, house.world, &heap, name);
}

static void
close_house(void)
{
	edge_done(&again);
	edge_done(&recorded);
	house_close(&house);
	heap_done(&heap);
}

TestSuite(edge, .fini = close_house);

/* A stream that the host gives; nothing comes from it. */
static void
give_voice(struct world *world, struct key *ret_key)
{
	const struct caps_root root = {.name = "voice", .spec = "voice", .kind = KIND_stream,
		.rights = RIGHT_read, .flags = CAPS_LIVE, .handle = voice_handle};

	report_clear(&report);
	cr_assert_eq(caps_root_add(world, &root, &report, ret_key), 0, "%s", report.text);
}

/* Bytes had again in a world with nothing else in it. */
static enum edge_end
have_again(const uint8_t *bytes, size_t count, uint64_t until)
{
	struct fake_host host;
	struct world_config config = {.host = &host.host, .caps = &caps_all,
		.executor = EXECUTOR_SWITCH, .device = edge_device(&again)};
	enum edge_end end = EDGE_GOES_ON;
	struct world *world;
	struct key voice;

	if (edge_open(&again, &heap, bytes, count, &report))
		return EDGE_DIVERGED;
	fake_host_init(&host);
	world = world_open(&config);
	cr_assert(world);
	give_voice(world, &voice);
	if (edge_begin(&again, world, until, &report))
		end = EDGE_DIVERGED;
	while (end == EDGE_GOES_ON)
		end = edge_next(&again);
	if (again.diverged.text[0])
		report = again.diverged;
	world_check(world);
	world_close(world);
	edge_done(&again);
	cr_assert_eq(host.reserved, 0);
	return end;
}

static enum edge_end
all_again(void)
{
	return have_again(recorded.out.at, recorded.out.count, GAS_NO_LIMIT);
}

static void
record_family(const char *name)
{
	open_house((struct house_task){.count = 3}, name);
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_neq(house.root->stop.word >> 48, 0xffff, "house_fail() in the guest");
	cr_assert_eq(edge_finish(&recorded, &report), 0, "%s", report.text);
}

Test(edge, a_subtree_alone_is_what_it_was)
{
	record_family("main/kid");
	cr_assert_gt(recorded.seq, 10);
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
}

Test(edge, so_is_one_below_it)
{
	record_family("main/kid/grandkid#1");
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
}

Test(edge, and_the_whole)
{
	record_family("main");
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
}

Test(edge, a_name_that_nobody_has_is_said)
{
	open_house((struct house_task){.count = 3}, "main/kid#2");
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_eq(edge_finish(&recorded, &report), -ENOENT);
	cr_assert(strstr(report.text, "main/kid#2"));
}

Test(edge, it_stands_at_any_gas)
{
	record_family("main/kid");
	for (uint64_t until = 0; until < 40000; until += 4999)
		cr_assert_eq(have_again(recorded.out.at, recorded.out.count, until), EDGE_UNTIL, "%s",
			report.text);
}

/* With so little gas or storage above it that it meets the end of it. */
static void
record_poor(uint64_t gas, uint64_t bank_bytes)
{
	report_clear(&report);
	house.bank_bytes = bank_bytes;
	house_open(&house, EXECUTOR_FAST, NULL);
	house_root(&house, GUESTS "/wing.wasm", gas);
	house_task(&house, (struct house_task){.count = 3});
	fake_host_init(&other_host);
	heap_init(&heap, &other_host.host);
	edge_watch(&recorded, house.world, &heap, "main/kid");
	(void)house_go(&house, 0);
}

/* So much less gas than all of it uses. */
static uint64_t
less_gas(uint64_t less)
{
	uint64_t used;

	record_family("main/kid");
	used = line_used(world_clock(house.world), &house.root->meter.line);
	close_house();
	return used - less;
}

Test(edge, a_meter_above_that_is_dry_stops_it_there)
{
	record_poor(less_gas(40000), 0);
	cr_assert_eq(edge_finish(&recorded, &report), 0, "%s", report.text);
	cr_assert_eq(recorded.records[EDGE_DRY], 1);
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
}

Test(edge, and_it_goes_on_when_that_is_refuelled)
{
	record_poor(less_gas(150000), 0);
	for (unsigned i = 0; i < 200 && house.root->stop.reason == STOP_OUT_OF_GAS; i++) {
		domain_feed(house.root, 7000);
		(void)house_go(&house, 0);
	}
	cr_assert_eq(house.root->stop.reason, STOP_YIELDED);
	cr_assert_geq(recorded.records[EDGE_DRY], 3);
	cr_assert_eq(edge_finish(&recorded, &report), 0, "%s", report.text);
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
}

Test(edge, a_bank_above_that_refuses_refuses_again)
{
	record_poor(GAS_NO_LIMIT, 420000);
	cr_assert_gt(recorded.records[EDGE_REFUSED], 0);
	cr_assert_eq(edge_finish(&recorded, &report), 0, "%s", report.text);
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
}

/* A change that its hash does not tell, since whoever made it made a hash of it. */
static void
seal(uint8_t *bytes, size_t count)
{
	blake2b_256(bytes, count - 32, bytes + count - 32);
}

Test(edge, a_hostile_journal_is_told_or_is_another_run)
{
	uint8_t *bytes;
	size_t count;
	unsigned told = 0;

	record_family("main/kid");
	count = recorded.out.count;
	bytes = recorded.out.at;
	for (size_t i = 0; i < count; i += i < 40 || i + 3000 > count ? 1 : 211) {
		bytes[i] ^= (uint8_t)(1u << i % 8);
		report_clear(&report);
		cr_assert_eq(all_again(), EDGE_DIVERGED, "byte %zu", i);
		cr_assert(report.text[0], "byte %zu", i);
		if (i + 32 < count) {
			seal(bytes, count);
			report_clear(&report);
			if (all_again() == EDGE_DIVERGED)
				cr_assert(++told && report.text[0], "byte %zu", i);
		}
		bytes[i] ^= (uint8_t)(1u << i % 8);
		seal(bytes, count);
	}
	cr_assert_gt(told, 1000, "%u", told);
	cr_assert_eq(all_again(), EDGE_SAME);
}

Test(edge, one_that_was_cut_off_is_told)
{
	record_family("main/kid");
	for (size_t count = 0; count < recorded.out.count; count += count < 64 ? 1 : 97) {
		report_clear(&report);
		cr_assert_eq(have_again(recorded.out.at, count, GAS_NO_LIMIT), EDGE_DIVERGED);
		cr_assert(report.text[0], "%zu bytes", count);
	}
}

/* --- all that can come across ----------------------------------------------------------- */

enum brink { USED, TIMED, WOKEN, POLLED, ENDED, KEPT, KEEPS, NODE, PAID, SHARED, METERED };
enum { AT_VOICE = 9, AT_MONEY, MONEY = 2000000 }; /* as tests/guests/brink.c has them */

static void
record_brink(enum brink brink)
{
	struct key key;

	report_clear(&report);
	house_open(&house, EXECUTOR_FAST, NULL);
	voice_handle = fake_stream(&house.device, NULL, 0);
	house_root(&house, GUESTS "/brink.wasm", UINT64_C(1) << 60);
	house_task(&house, (struct house_task){.word = brink});
	cr_assert_eq(domain_slots_room(house.root, AT_MONEY + 1), 0);
	give_voice(house.world, &key);
	slot_put(house.root, AT_VOICE, &key);
	cr_assert_eq(caps_mint(house.world, MONEY, &key), 0);
	slot_put(house.root, AT_MONEY, &key);
	fake_host_init(&other_host);
	heap_init(&heap, &other_host.host);
	edge_watch(&recorded, house.world, &heap, "main/kid");
	cr_assert_eq(house_go(&house, 0), STOP_YIELDED);
	cr_assert_lt(house.root->stop.word, UINT64_C(1) << 48, "house_fail() in the guest: %llx",
		(unsigned long long)~house.root->stop.word);
	cr_assert_eq(edge_finish(&recorded, &report), 0, "%s", report.text);
}

/* The same, with at least so many records of this type; and none of the journal's
 * last bytes can be another without being told. */
static void
is_same(enum brink brink, enum edge_record type, uint32_t count)
{
	size_t bytes, told = 0, first;

	record_brink(brink);
	cr_assert_geq(recorded.records[type], count, "%u", recorded.records[type]);
	cr_assert_eq(all_again(), EDGE_SAME, "%s", report.text);
	bytes = recorded.out.count;
	first = recorded.last[type];
	for (size_t i = first; i < first + 25; i++) {
		recorded.out.at[i] ^= 1;
		seal(recorded.out.at, bytes);
		report_clear(&report);
		if (all_again() == EDGE_DIVERGED)
			cr_assert(++told && report.text[0], "byte %zu", i);
		recorded.out.at[i] ^= 1;
	}
	cr_assert_geq(told, 17, "%zu told", told);
}

Test(edge, a_grant_above_that_is_used_up_or_cut_refuses_again) { is_same(USED, EDGE_GRANT, 2); }
Test(edge, so_does_one_whose_time_is_over) { is_same(TIMED, EDGE_CLOCK, 3); }
Test(edge, a_cut_from_outside_wakes_it_again) { is_same(WOKEN, EDGE_REVOKED, 3); }
Test(edge, a_run_outside_that_polls_leaves_it_again) { is_same(POLLED, EDGE_HOLD, 3); }
Test(edge, what_pays_for_a_part_of_it_ends_again) { is_same(ENDED, EDGE_ENDED, 1); }
Test(edge, its_keeper_outside_answers_again) { is_same(KEPT, EDGE_KEEPER, 4); }
Test(edge, it_keeps_one_outside_again) { is_same(KEEPS, EDGE_ASK, 3); }
Test(edge, a_node_of_it_has_a_key_to_the_outside_again) { is_same(NODE, EDGE_OUT, 2); }
Test(edge, its_purse_is_empty_again) { is_same(PAID, EDGE_ABOVE, 5); }
Test(edge, it_reads_and_writes_a_segment_outside_again) { is_same(SHARED, EDGE_BYTES, 4); }
Test(edge, its_meters_keeper_outside_refuels_it_again) { is_same(METERED, EDGE_DRY, 2); }

/* Whatever such a journal says, the world that has it stays sound. */
Test(edge, hostile_ones_of_all_that_are_told_or_are_another_run)
{
	for (enum brink brink = USED; brink <= METERED; brink++) {
		unsigned told = 0;
		uint64_t from;

		record_brink(brink);
		from = recorded.out.count - recorded.out.count / 4; /* behind the image */
		for (uint64_t i = from; i + 32 < recorded.out.count; i += 1 + (recorded.out.count - from) / 180) {
			recorded.out.at[i] ^= (uint8_t)(1u << i % 8);
			seal(recorded.out.at, recorded.out.count);
			report_clear(&report);
			if (all_again() == EDGE_DIVERGED)
				cr_assert(++told && report.text[0], "brink %d, byte %llu", (int)brink,
					(unsigned long long)i);
			recorded.out.at[i] ^= (uint8_t)(1u << i % 8);
		}
		cr_assert_gt(told, 90, "brink %d: %u", (int)brink, told);
		if (brink != METERED)
			close_house();
	}
}
