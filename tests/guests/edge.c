/* SPDX-License-Identifier: Apache-2.0 */
/* One wing of a family had again alone, from what crossed its edge. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/edge.h"
#include "kernel/world_state.h"
#include "tests/support/house.h"

static struct house house;
static struct fake_host other_host;
static struct heap heap;
static struct edge recorded, again;
static struct report report;

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

/* Bytes had again in a world with nothing else in it. */
static enum edge_end
have_again(const uint8_t *bytes, size_t count, uint64_t until)
{
	struct fake_host host;
	struct world_config config = {.host = &host.host, .caps = &caps_all,
		.executor = EXECUTOR_SWITCH, .device = edge_device(&again)};
	enum edge_end end = EDGE_GOES_ON;
	struct world *world;

	if (edge_open(&again, &heap, bytes, count, &report))
		return EDGE_DIVERGED;
	fake_host_init(&host);
	world = world_open(&config);
	cr_assert(world);
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

static const char *
crossed(uint64_t gas, uint64_t bank_bytes)
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
	cr_assert_eq(edge_finish(&recorded, &report), -EINVAL);
	return report.text;
}

Test(edge, a_meter_above_that_is_dry_is_said)
{
	cr_assert(strstr(crossed(360000, 0), "a meter above it"), "%s", report.text);
}

Test(edge, a_bank_above_that_refuses_is_said)
{
	cr_assert(strstr(crossed(GAS_NO_LIMIT, 420000), "a bank above it"), "%s", report.text);
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
