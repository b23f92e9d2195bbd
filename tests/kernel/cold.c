/* SPDX-License-Identifier: Apache-2.0 */
/* Domains whose memories are put away: what runs them, images of them, copies
 * of their stores. The memories alone: tests/kernel/wasm/cold.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kernel/image.h"
#include "kernel/world_state.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/seeds.h"
#include "tests/support/test_caps.h"
#include "tests/support/wat.h"

static struct fake_host host;
static struct fake_device device;
static struct test_user user;
static struct world *world;
static struct report report;
static struct buffer image;

static void
open_world(uint64_t store_pages)
{
	struct world_config config = {.host = &host.host, .device = &device.device,
		.caps = &test_caps, .poked = test_poked, .user = &user};

	fake_host_init(&host);
	host.store_pages_max = store_pages;
	fake_device_init(&device, 1);
	user.in = fake_stream(&device, "input", 5);
	user.out = fake_stream(&device, NULL, 0);
	report_clear(&report);
	config.executor = executor_present(EXECUTOR_FAST) ? EXECUTOR_FAST : EXECUTOR_SWITCH;
	world = world_open(&config);
}

static void
close_world(void)
{
	world_check(world);
	world_close(world);
	cr_assert_eq(host.reserved, 0);
	cr_assert_eq(device.in_flight, 0);
	fake_device_done(&device);
	fake_host_done(&host);
}

static void
begin(void)
{
	open_world(0);
	buffer_init(&image);
}

static void
finish(void)
{
	close_world();
	buffer_done(&image);
}

TestSuite(cold_domains, .init = begin, .fini = finish, .timeout = 60);

/* Fills 16 KiB, prints what it read, yields 3 calls deep, and adds up what it filled. */
static const char *const program =
	"(module (import \"test\" \"print\" (func $print (param i32 i32)))"
	"(import \"test\" \"read\" (func $read (param i32 i32) (result i32)))"
	"(import \"test\" \"yield\" (func $yield (param i64) (result i64)))"
	"(memory 2 5) (table 3 funcref) (elem (i32.const 1) $deep)"
	"(global (mut i64) (i64.const 9)) (data (i32.const 100000) \"hello\") (data \"more\")"
	"(func $deep (param i32) (result i32)"
	" (if (result i32) (i32.eqz (local.get 0))"
	"  (then (i32.wrap_i64 (call $yield (i64.const 5))))"
	"  (else (i32.add (local.get 0) (call_indirect (param i32) (result i32)"
	"   (i32.sub (local.get 0) (i32.const 1)) (i32.const 1))))))"
	"(func (export \"run\") (result i32) (local $at i32) (local $sum i32)"
	" (memory.fill (i32.const 4096) (i32.const 3) (i32.const 16384))"
	" (drop (call $read (i32.const 0) (i32.const 5)))"
	" (call $print (i32.const 0) (i32.const 5))"
	" (global.set 0 (i64.extend_i32_u (call $deep (i32.const 2))))"
	" (loop (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))"
	"  (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1)))"
	"   (i32.const 131072))))"
	" (i32.add (local.get $sum) (i32.wrap_i64 (global.get 0)))))";

static struct domain *
make(void)
{
	struct domain_config config = {.name = "main", .gas = 100000000, .bank_bytes = 8 << 20};
	const struct wat wat = wat_bytes(program);
	struct domain *domain = NULL;

	cr_assert_eq(world_module(world, wat.bytes, wat.count, &report, &config.module), 0);
	cr_assert_eq(domain_new(world, &config, &report, &domain), 0, "%s", report.text);
	cr_assert_eq(domain_entry(domain, module_export(config.module, "run", 3)->index, NULL, 0), 0);
	return domain;
}

static enum stop_reason
go(struct domain *domain)
{
	domain_start(domain);
	cr_assert_eq(world_run(world, domain, true), DOMAIN_STOPPED);
	world_check(world);
	return domain->stop.reason;
}

/* To its end; what it answers. */
static uint64_t
answer(struct domain *domain)
{
	cr_assert_eq(go(domain), STOP_RETURNED);
	return domain->pending.slots[0];
}

static uint64_t
expected(void)
{
	uint64_t sum = 16384 * 3 + (2 + 1 + 6);

	for (const char *c = "hello"; *c; c++)
		sum += (uint8_t)*c;
	for (const char *c = "input"; *c; c++)
		sum += (uint8_t)*c;
	return sum;
}

Test(cold_domains, run_on_where_they_stood)
{
	struct domain *domain = make();

	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert_eq(store_cool(domain->store), 0);
	world_check(world);
	cr_assert_eq(world->pages.used, 6, "what was read, 4 that were filled, a segment");
	cr_assert_eq(answer(domain), expected());
}

Test(cold_domains, without_room_to_warm_stop_before_anything_happened)
{
	struct domain *domain = make();
	uint64_t used;

	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert_eq(store_cool(domain->store), 0);
	used = line_used(&world->clock, &domain->meter.line);
	for (int i = 0; i < 3; i++) {
		host.fail_after = 1;
		cr_assert_eq(go(domain), STOP_OUT_OF_STORAGE);
		cr_assert_gt(domain->stop.need, 0);
		cr_assert(store_is_cold(domain->store));
		cr_assert_eq(line_used(&world->clock, &domain->meter.line), used);
	}
	cr_assert_eq(answer(domain), expected());
}

/* Space for two memories, and twenty domains that take turns. */
Test(cold_domains, give_up_their_space_to_whoever_runs)
{
	enum { MANY = 20 };
	struct domain *all[MANY];

	for (int i = 0; i < MANY; i++) {
		all[i] = make();
		if (i == 1)
			host.reserved_max = host.reserved;
		cr_assert_eq(store_cool(all[i]->store), 0);
	}
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(go(all[i]), STOP_YIELDED, "%d", i);
		fake_stream_feed(&device, user.in, "input", 5);
	}
	cr_assert_leq(host.reserved, host.reserved_max);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(answer(all[(7 * i) % MANY]), expected(), "%d", i);
	/* Who is about to run itself keeps what it has. */
	host.reserved_max = 0;
	all[0] = make();
	all[1] = make();
	domain_start(all[1]);
	cr_assert_eq(store_cool(all[0]->store), 0);
	for (int i = 2; i < MANY; i++)
		domain_end(all[i]);
	host.reserved_max = host.reserved;
	domain_start(all[0]);
	world_step(world, all[0]);
	cr_assert_eq(all[0]->stop.reason, STOP_OUT_OF_STORAGE);
	cr_assert_not(store_is_cold(all[1]->store));
}

Test(cold_domains, wait_and_are_answered)
{
	struct domain *domain = make();

	device.latency = 2;
	domain_start(domain);
	cr_assert_eq(world_run(world, domain, false), DOMAIN_WAITING);
	cr_assert_eq(store_cool(domain->store), 0);
	world_check(world);
	host.fail_after = 1; /* its answer is kept until there is room to take it */
	cr_assert_eq(world_run(world, domain, true), DOMAIN_STOPPED);
	cr_assert_eq(domain->stop.reason, STOP_OUT_OF_STORAGE);
	cr_assert(domain->completed);
	cr_assert_eq(image_write(world, domain, &image.sink, false), -EBUSY);
	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert_eq(answer(domain), expected());
}

Test(cold_domains, are_frozen_while_they_wait)
{
	struct domain *domain = make(), *again;

	device.latency = 2;
	domain_start(domain);
	cr_assert_eq(world_run(world, domain, false), DOMAIN_WAITING);
	cr_assert_eq(store_cool(domain->store), 0);
	domain_quiesce(domain);
	world_check(world);
	cr_assert_eq(image_write(world, domain, &image.sink, false), 0);
	domain_end(domain);
	cr_assert_eq(image_read(world, image.bytes, image.count, &report, &again), 0);
	cr_assert(store_is_cold(again->store));
	cr_assert_eq(go(again), STOP_YIELDED);
	cr_assert_eq(answer(again), expected());
}

static void
write_image(struct domain *domain)
{
	buffer_done(&image);
	cr_assert_eq(image_write(world, domain, &image.sink, false), 0);
}

Test(cold_domains, are_read_by_the_hundred_without_being_warm)
{
	enum { COPIES = 300 };
	struct domain *domain = make(), *copies[COPIES];
	struct buffer again;
	uint64_t reserved;

	cr_assert_eq(go(domain), STOP_YIELDED);
	write_image(domain);
	domain_end(domain);
	reserved = host.reserved;
	for (int i = 0; i < COPIES; i++)
		cr_assert_eq(image_read(world, image.bytes, image.count, &report, &copies[i]), 0);
	world_check(world);
	cr_assert_eq(world->pages.used, 6 * COPIES);
	cr_assert_lt(host.reserved - reserved, COPIES * 16384, "no memory is reserved");
	buffer_init(&again);
	cr_assert_eq(image_write(world, copies[COPIES / 2], &again.sink, false), 0);
	cr_assert_eq(again.count, image.count);
	cr_assert_eq(memcmp(again.bytes, image.bytes, image.count), 0);
	cr_assert(store_is_cold(copies[COPIES / 2]->store), "written as it lay");
	buffer_done(&again);
	cr_assert_eq(answer(copies[7]), expected());
	cr_assert_eq(world->pages.used, 6 * (COPIES - 1));
	for (int i = 0; i < COPIES; i++)
		domain_end(copies[i]);
	cr_assert_eq(world->pages.used, 0);
}

/* However few pages the host has: cold, warmed in the middle, or hot at once. */
Test(cold_domains, are_read_whatever_the_page_store_holds)
{
	struct domain *domain = make();

	cr_assert_eq(go(domain), STOP_YIELDED);
	write_image(domain);
	for (uint64_t pages = 1; pages < 10; pages++) {
		close_world();
		open_world(pages);
		cr_assert_eq(image_read(world, image.bytes, image.count, &report, &domain), 0, "%s",
			report.text);
		world_check(world);
		cr_assert_eq(store_is_cold(domain->store), pages > 6);
		cr_assert_eq(world->pages.used, pages > 6 ? 6 : 0);
		cr_assert_eq(answer(domain), expected());
	}
}

Test(cold_domains, images_are_read_or_refused_whatever_fails)
{
	struct domain *domain = make(), *again;
	int error, failed = 0;

	cr_assert_eq(go(domain), STOP_YIELDED);
	write_image(domain);
	for (uint64_t after = 1;; after++) {
		world->heap.fail_after = after;
		world->pages.fail_after = after % 9;
		report_clear(&report);
		error = image_read(world, image.bytes, image.count, &report, &again);
		world->pages.fail_after = 0;
		if (!error && world->heap.fail_after)
			break;
		world->heap.fail_after = 0;
		if (error) {
			cr_assert(error == -ENOMEM || error == -ENOSPC, "%d", error);
			cr_assert_neq(report.text[0], '\0');
			failed++;
		} else {
			domain_end(again);
		}
		world_check(world);
		cr_assert_eq(world->pages.used, 0);
	}
	world->heap.fail_after = 0;
	cr_assert_gt(failed, 10);
	cr_assert_eq(answer(again), expected());
}

Test(cold_domains, a_copy_is_whole_or_not_at_all)
{
	struct domain *domain = make();
	struct store_config config = {.heap = &world->heap, .book = &world->book,
		.storage = &domain->bank.storage, .pages = &world->pages};
	struct store *copy = NULL, *old;
	uint64_t own, used;
	int failed = 0;

	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert_eq(store_cool(domain->store), 0);
	own = domain->bank.own;
	used = world->heap.bytes_used;
	for (uint64_t after = 1; !copy; after++, failed++) {
		world->heap.fail_after = after;
		if (store_clone(domain->store, &config, &copy) == 0)
			break;
		world->heap.fail_after = 0;
		cr_assert_eq(domain->bank.own, own);
		cr_assert_eq(world->heap.bytes_used, used);
		cr_assert_eq(world->pages.used, 6);
		world_check(world);
	}
	world->heap.fail_after = 0;
	cr_assert_gt(failed, 15);
	store_check(copy);
	old = domain->store;
	domain->store = copy;
	cr_assert_eq(answer(domain), expected());
	domain->store = old;
	store_free(copy);
	cr_assert_eq(domain->bank.own, own);
}

/* Against a copy: hot, cold, shared, and where pages run out. */
Test(cold_domains, are_written_to_as_when_they_are_hot)
{
	enum { BYTES = 2 << 16, ROUNDS = 4000 };
	static uint8_t plain[BYTES], is[BYTES], from[3 * HOST_PAGE_BYTES];
	struct domain *domain = make();
	struct storage *storage = &domain->bank.storage;
	struct store_config config = {.heap = &world->heap, .book = &world->book,
		.storage = storage, .pages = &world->pages};
	struct store *store = domain->store, *copy = NULL;
	struct seed seed = {11};
	int refused = 0;

	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert(store_mem_read(store, 0, 0, plain, BYTES));
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t at = seed_below(&seed, BYTES), most = BYTES - at;
		uint64_t bytes = seed_below(&seed, sizeof from);
		int error;

		bytes = bytes < most ? bytes : most;
		memset(from, (int)seed_below(&seed, 3), bytes);
		if (seed_below(&seed, 10) == 0)
			cr_assert_eq(store_cool(store), 0);
		if (seed_below(&seed, 40) == 0)
			cr_assert_eq(store_warm(store), 0);
		if (seed_below(&seed, 20) == 0) {
			store_free(copy);
			cr_assert_eq(store_clone(store, &config, &copy), 0);
		}
		if (seed_below(&seed, 5) == 0)
			world->pages.fail_after = 1 + seed_below(&seed, 3);
		error = store_mem_write(store, 0, at, from, bytes);
		world->pages.fail_after = 0;
		if (error) {
			cr_assert_eq(error, -ENOMEM);
			refused++;
		} else {
			memcpy(plain + at, from, bytes);
		}
		cr_assert(store_mem_read(store, 0, 0, is, BYTES));
		cr_assert_eq(memcmp(plain, is, BYTES), 0);
		store_check(store);
	}
	cr_assert_gt(refused, 50);
	cr_assert_eq(store_mem_write(store, 0, BYTES - 1, from, 2), -EFAULT);
	cr_assert_eq(store_mem_write(store, 0, UINT64_MAX, from, 2), -EFAULT);
	cr_assert_eq(store_mem_write(store, 0, BYTES, from, 0), 0);
	cr_assert_eq(store_mem_write(store, 1, 0, from, 1), -EFAULT, "no such instance");
	store_free(copy);
	world_check(world);
}

Test(cold_domains, are_read_from_as_when_they_are_hot)
{
	enum { BYTES = 2 << 16 };
	static uint8_t hot[BYTES], cold[BYTES];
	struct domain *domain = make();
	struct store *store = domain->store;

	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert(store_mem_read(store, 0, 0, hot, BYTES));
	cr_assert_eq(memcmp(hot, store_mem_at(store, 0, 0, BYTES), BYTES), 0);
	cr_assert_eq(store_cool(store), 0);
	cr_assert(store_mem_read(store, 0, 0, cold, BYTES));
	cr_assert_eq(memcmp(hot, cold, BYTES), 0);
	for (uint64_t at = 3; at < BYTES; at += 1021) {
		const uint64_t bytes = BYTES - at < 5000 ? BYTES - at : 5000;

		memset(cold, 9, 5000);
		cr_assert(store_mem_read(store, 0, at, cold, bytes));
		cr_assert_eq(memcmp(hot + at, cold, bytes), 0);
	}
	cr_assert_not(store_mem_read(store, 0, 1, cold, BYTES));
	cr_assert_not(store_mem_read(store, 0, UINT64_MAX, cold, 2));
	cr_assert_not(store_mem_read(store, 1, 0, cold, 1), "no such instance");
	cr_assert(store_is_cold(store));
	(void)answer(domain);
}
