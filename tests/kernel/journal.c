/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/journal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kernel/world.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/test_caps.h"
#include "tests/support/wat.h"

enum { DOMAINS = 4 };

/* Reads to the end of its input, adding up; says so; sleeps in between. */
static const char *const program =
	"(module (import \"test\" \"print\" (func $print (param i32 i32)))"
	"(import \"test\" \"read\" (func $read (param i32 i32) (result i32)))"
	"(import \"test\" \"sleep\" (func $sleep (param i64)))"
	"(memory 1) (global $sum (mut i64) (i64.const 0))"
	"(func (export \"run\") (result i64) (local $got i32)"
	" (loop $next"
	"  (local.set $got (call $read (i32.const 64) (i32.const 7)))"
	"  (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31))"
	"   (i64.load (i32.const 64))))"
	"  (call $print (i32.const 64) (local.get $got))"
	"  (call $sleep (i64.const 1000))"
	"  (br_if $next (local.get $got)))"
	" (global.get $sum)))";

struct run {
	struct fake_host host;
	struct fake_device device; /* only when recording */
	struct test_user user;
	struct world *world;
	struct domain *domains[DOMAINS];
	struct buffer images[DOMAINS];
};

static struct wat wat;
static struct buffer journal;
static const uint8_t from[32] = {1, 2, 3};

/* Of a run that is had again: it stops where something was ordered. */
static struct replayer *orders;

static bool
poked(void *user)
{
	const uint8_t *bytes;
	uint32_t count;

	return orders ? replayer_order(orders, &bytes, &count) : test_poked(user);
}

static void
make_world(struct run *run, struct device *device)
{
	const struct world_config config = {.host = &run->host.host, .device = device,
		.caps = &test_caps, .user = &run->user, .poked = poked, .slice = 700};
	struct domain_config domain = {.name = "main", .gas = GAS_NO_LIMIT,
		.bank_bytes = BANK_NO_LIMIT};
	struct report report;

	report_clear(&report);
	run->world = world_open(&config);
	cr_assert_eq(world_module(run->world, wat.bytes, wat.count, &report, &domain.module), 0);
	for (int i = 0; i < DOMAINS; i++) {
		cr_assert_eq(domain_new(run->world, &domain, &report, &run->domains[i]), 0);
		cr_assert_eq(domain_entry(run->domains[i], module_export(domain.module, "run", 3)->index,
				     NULL, 0), 0);
		domain_start(run->domains[i]);
	}
}

/* false: some domain did not come to its end. */
static bool
run_world(struct run *run)
{
	bool all = true;

	for (int i = 0; i < DOMAINS; i++) {
		all = world_run(run->world, run->domains[i], true) == DOMAIN_STOPPED && all;
		world_check(run->world);
	}
	for (int i = 0; i < DOMAINS && all; i++) {
		buffer_init(&run->images[i]);
		cr_assert_eq(image_write(run->world, run->domains[i], &run->images[i].sink, false), 0);
	}
	return all;
}

static void
end_world(struct run *run)
{
	world_close(run->world);
	for (int i = 0; i < DOMAINS; i++)
		buffer_done(&run->images[i]);
	cr_assert_eq(run->host.reserved, 0);
}

/* The recorder needs the world's clock and the world the recorder: the clock
 * is asked only once there is a world. */
static struct journal_where
where(void *user)
{
	return world_where(((struct run *)user)->world);
}

/* Before what is recorded: a device as the seed has it, and an empty journal. */
static void
open_outside(struct run *run, uint64_t seed, const char *text)
{
	fake_host_init(&run->host);
	fake_device_init(&run->device, seed);
	run->user = (struct test_user){0};
	run->user.in = fake_stream(&run->device, text, (uint32_t)strlen(text));
	fake_stream_close(&run->device, run->user.in);
	run->user.out = fake_stream(&run->device, NULL, 0);
	run->device.latency = seed % 5;
	run->device.shuffle = seed % 2;
	run->device.pieces_max = 3;
	buffer_done(&journal);
}

static void
record(struct run *run, uint64_t seed)
{
	const struct journal_clock clock = {where, run};
	static struct recorder recorder;

	open_outside(run, seed, "what comes in through one stream for all of them");
	recorder_begin(&recorder, &run->device.device, &journal.sink, &clock, from);
	make_world(run, &recorder.device);
	cr_assert(run_world(run));
	recorder_end(&recorder);
}

static void
ended_alike(const struct run *run, const struct run *again, uint64_t seed)
{
	for (int i = 0; i < DOMAINS; i++) {
		cr_assert_eq(run->images[i].count, again->images[i].count);
		cr_assert_eq(memcmp(run->images[i].bytes, again->images[i].bytes,
				     run->images[i].count), 0,
			"seed %llu domain %d", (unsigned long long)seed, i);
	}
}

static bool
replay(struct run *run, struct replayer *replayer, struct heap *heap)
{
	const struct journal_clock clock = {where, run};
	struct report report;
	bool all;

	fake_host_init(&run->host);
	heap_init(heap, &run->host.host);
	report_clear(&report);
	cr_assert_eq(replayer_begin(replayer, heap, journal.bytes, journal.count, &clock, &report), 0,
		"%s", report.text);
	run->user = (struct test_user){.in = 0, .out = 1};
	make_world(run, &replayer->device);
	all = run_world(run);
	return all;
}

static void
end_replay(struct run *run, struct replayer *replayer, struct heap *heap)
{
	world_close(run->world);
	for (int i = 0; i < DOMAINS; i++)
		buffer_done(&run->images[i]);
	replayer_done(replayer);
	heap_done(heap);
	cr_assert_eq(run->host.reserved, 0);
}

static void
open_all(void)
{
	wat = wat_bytes(program);
	buffer_init(&journal);
}

TestSuite(journal, .init = open_all);

Test(journal, replays_bit_for_bit_with_nothing_attached)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		static struct run run, again;
		struct replayer replayer;
		struct heap heap;

		record(&run, seed);
		cr_assert(replay(&again, &replayer, &heap), "seed %llu: %s", (unsigned long long)seed,
			replayer.diverged.text);
		cr_assert(replayer.complete);
		cr_assert_eq(memcmp(replayer.from, from, 32), 0);
		cr_assert_str_eq(replayer.diverged.text, "");
		cr_assert_not(replayer_past(&replayer));
		cr_assert(replayer_end(&replayer));
		ended_alike(&run, &again, seed);
		end_replay(&again, &replayer, &heap);
		end_world(&run);
		fake_device_done(&run.device);
	}
}

Test(journal, a_run_that_differs_is_told)
{
	static struct run run, again;
	struct replayer replayer;
	struct heap heap;

	record(&run, 3);
	end_world(&run);
	fake_device_done(&run.device);
	wat = wat_bytes("(module (import \"test\" \"print\" (func $print (param i32 i32)))"
			"(memory 1) (func (export \"run\") (call $print (i32.const 0) (i32.const 2))))");
	cr_assert_not(replay(&again, &replayer, &heap));
	cr_assert(strstr(replayer.diverged.text, "replay: "), "%s", replayer.diverged.text);
	cr_assert(strstr(replayer.recorded.text, "read handle 0"), "%s", replayer.recorded.text);
	cr_assert(strstr(replayer.asked.text, "write handle 1"), "%s", replayer.asked.text);
	cr_assert(strstr(replayer.asked.text, "data 2 bytes"), "%s", replayer.asked.text);
	cr_assert(replayer_past(&replayer));
	cr_assert_not(replayer_end(&replayer));
	end_replay(&again, &replayer, &heap);
}

Test(journal, one_that_was_cut_off_replays_so_far)
{
	static struct run run;
	size_t whole; /* its end record and hash are the last 57 bytes */

	record(&run, 5);
	end_world(&run);
	fake_device_done(&run.device);
	whole = journal.count;
	for (size_t count = JOURNAL_HEADER_BYTES; count < whole - 57; count += 397) {
		static struct run again;
		struct replayer replayer;
		struct heap heap;

		journal.count = count;
		cr_assert_not(replay(&again, &replayer, &heap));
		cr_assert_not(replayer.complete);
		end_replay(&again, &replayer, &heap);
	}
}

/* What is in flight ends as cancelled, so that an image can be made anywhere. */
Test(journal, a_frozen_replay_can_be_written_as_an_image)
{
	static struct run run;
	uint32_t stopped = 0;

	record(&run, 4);
	end_world(&run);
	fake_device_done(&run.device);
	for (uint64_t steps = 1; steps < 40; steps++) {
		static struct run again;
		const struct journal_clock its = {where, &again};
		struct replayer replayer;
		struct report report;
		struct heap heap;

		fake_host_init(&again.host);
		heap_init(&heap, &again.host.host);
		report_clear(&report);
		cr_assert_eq(replayer_begin(&replayer, &heap, journal.bytes, journal.count, &its, &report), 0);
		again.user = (struct test_user){.in = 0, .out = 1};
		again.user.poke_after = steps;
		make_world(&again, &replayer.device);
		(void)world_run(again.world, again.domains[0], true);
		stopped += again.domains[0]->state != DOMAIN_STOPPED;
		replayer_freeze(&replayer);
		for (int i = 0; i < DOMAINS; i++) {
			domain_quiesce(again.domains[i]);
			buffer_init(&again.images[i]);
			cr_assert_eq(image_write(again.world, again.domains[i], &again.images[i].sink, false), 0);
		}
		world_check(again.world);
		end_replay(&again, &replayer, &heap);
	}
	cr_assert_gt(stopped, 20);
}

/* Whatever a journal says, the world stays sound. */
Test(journal, flipped_bits_are_a_divergence_or_another_input)
{
	static struct run run;
	size_t diverged = 0, ran = 0;

	record(&run, 6);
	end_world(&run);
	fake_device_done(&run.device);
	for (size_t bit = JOURNAL_HEADER_BYTES * 8; bit < journal.count * 8; bit += 331) {
		static struct run again;
		struct replayer replayer;
		struct heap heap;

		journal.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		ran += replay(&again, &replayer, &heap);
		cr_assert_not(replayer.complete);
		diverged += replayer.diverged.text[0] != '\0';
		end_replay(&again, &replayer, &heap);
		journal.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	cr_assert_gt(diverged, 50);
	cr_assert_gt(ran, 2, "a flipped byte of input is an input");
}

Test(journal, what_is_not_one_is_refused)
{
	const struct journal_clock clock = {where, NULL};
	struct replayer replayer;
	struct report report;
	uint8_t bytes[JOURNAL_HEADER_BYTES] = "KEYHJRNL";

	report_clear(&report);
	cr_assert_eq(replayer_begin(&replayer, NULL, bytes, 20, &clock, &report), -EINVAL);
	cr_assert(strstr(report.text, "not a journal"));
	report_clear(&report);
	bytes[8] = 1;
	cr_assert_eq(replayer_begin(&replayer, NULL, bytes, sizeof bytes, &clock, &report), -EINVAL);
	cr_assert(strstr(report.text, "version 1"), "%s", report.text);
}

/* --- orders ------------------------------------------------------------------- */

static void
obey(struct run *run, uint8_t order)
{
	struct domain *domain = run->domains[order % DOMAINS];

	world_order(run->world);
	if (order & 0x80)
		domain_resume(domain);
	else
		domain_pause(domain);
	world_ordered(run->world);
	world_check(run->world);
}

/* What somebody outside orders at whim; when all are paused, that one goes on. */
static uint8_t
whim(const struct run *run, uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	if (!world_is_paused(run->world))
		return (uint8_t)((*state >> 33) % DOMAINS | (*state >> 40 & 1) << 7);
	for (uint8_t i = 0; i < DOMAINS; i++)
		if (run->domains[i]->paused)
			return i | 0x80;
	return 0;
}

/* Until all have stopped; how many orders there were. UINT32_MAX: it went another way. */
static uint32_t
run_ordered(struct run *run, struct recorder *recorder, uint64_t state)
{
	uint32_t count = 0;

	for (int i = 0; i < DOMAINS; i++) {
		while (run->user.poke_after = 1 + state % 7,
			world_run(run->world, run->domains[i], true) != DOMAIN_STOPPED) {
			const uint8_t *bytes;
			uint32_t bytes_count;
			uint8_t order;

			if (recorder) {
				order = whim(run, &state);
				recorder_order(recorder, &order, 1);
			} else if (replayer_order(orders, &bytes, &bytes_count) && bytes_count == 1) {
				order = *bytes;
				replayer_order_take(orders);
			} else {
				return UINT32_MAX;
			}
			obey(run, order);
			count++;
		}
	}
	for (int i = 0; i < DOMAINS; i++) {
		buffer_init(&run->images[i]);
		cr_assert_eq(image_write(run->world, run->domains[i], &run->images[i].sink, false), 0);
	}
	return count;
}

Test(journal, orders_are_had_again_where_they_were)
{
	uint32_t all = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		static struct run run, again;
		static struct recorder recorder;
		const struct journal_clock clock = {where, &run}, clock_again = {where, &again};
		struct replayer replayer;
		struct heap heap;
		uint32_t count;

		open_outside(&run, seed, "what comes in, for all of them");
		recorder_begin(&recorder, &run.device.device, &journal.sink, &clock, from);
		make_world(&run, &recorder.device);
		count = run_ordered(&run, &recorder, seed);
		recorder_end(&recorder);
		all += count;

		fake_host_init(&again.host);
		heap_init(&heap, &again.host.host);
		again.user = (struct test_user){.in = 0, .out = 1};
		cr_assert_eq(replayer_begin(&replayer, &heap, journal.bytes, journal.count, &clock_again,
				     &(struct report){0}), 0);
		orders = &replayer;
		make_world(&again, &replayer.device);
		cr_assert_eq(run_ordered(&again, NULL, 0), count, "seed %llu: %s",
			(unsigned long long)seed, replayer.diverged.text);
		cr_assert(replayer_end(&replayer), "seed %llu: %s", (unsigned long long)seed,
			replayer.diverged.text);
		orders = NULL;
		ended_alike(&run, &again, seed);
		end_replay(&again, &replayer, &heap);
		end_world(&run);
		fake_device_done(&run.device);
	}
	cr_assert_gt(all, 1000, "only %u orders", all);
}

Test(journal, a_damaged_order_is_not_obeyed)
{
	static struct run run;
	static struct recorder recorder;
	const struct journal_clock clock = {where, &run};
	struct replayer replayer;
	struct heap heap;
	const uint8_t *bytes;
	uint32_t count;

	fake_host_init(&run.host);
	fake_device_init(&run.device, 1);
	heap_init(&heap, &run.host.host);
	recorder_begin(&recorder, &run.device.device, &journal.sink, &clock, from);
	make_world(&run, &recorder.device);
	recorder_order(&recorder, (const uint8_t *)"order", 5);
	for (size_t cut = JOURNAL_HEADER_BYTES; cut <= journal.count; cut++) {
		cr_assert_eq(replayer_begin(&replayer, &heap, journal.bytes, cut, &clock,
				     &(struct report){0}), 0);
		cr_assert_eq(replayer_order(&replayer, &bytes, &count), cut == journal.count, "%zu", cut);
		replayer_order_take(&replayer);
		cr_assert_not(replayer_order(&replayer, &bytes, &count), "taken, or none");
	}
	replayer_done(&replayer);
	heap_done(&heap);
	end_world(&run);
	fake_device_done(&run.device);
}
