/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/prices.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/test_caps.h"
#include "tests/support/wat.h"

static struct fake_host host;
static struct fake_device device;
static struct test_user user;
static struct world *world;
static struct report report;

static void
open_world(void)
{
	struct world_config config = {.host = &host.host, .device = &device.device,
		.caps = &test_caps, .poked = test_poked, .user = &user};

	fake_host_init(&host);
	fake_device_init(&device, 1);
	user.in = fake_stream(&device, "input", 5);
	user.out = fake_stream(&device, NULL, 0);
	report_clear(&report);
	config.executor = executor_present(EXECUTOR_FAST) ? EXECUTOR_FAST : EXECUTOR_SWITCH;
	world = world_open(&config);
}

/* Everything is given back: to the heap's host and to the device. */
static void
close_world(void)
{
	world_check(world);
	world_close(world);
	cr_assert_eq(host.reserved, 0, "%llu bytes are still reserved",
		(unsigned long long)host.reserved);
	cr_assert_eq(device.in_flight, 0);
	fake_device_done(&device);
	fake_host_done(&host);
}

TestSuite(world, .init = open_world, .fini = close_world);

static struct module *
load(const char *text)
{
	const struct wat wat = wat_bytes(text);
	struct module *module = NULL;
	const int error = world_module(world, wat.bytes, wat.count, &report, &module);

	cr_assert_eq(error, 0, "%s", report.text);
	return module;
}

/* A domain whose entry is the export "run". */
static struct domain *
make(const char *text, uint64_t gas, uint64_t bank_bytes)
{
	struct domain_config config = {.name = "main", .module = load(text), .gas = gas,
		.bank_bytes = bank_bytes};
	struct domain *domain = NULL;
	const struct export *run = module_export(config.module, "run", 3);
	const int error = domain_new(world, &config, &report, &domain);

	cr_assert_eq(error, 0, "%s", report.text);
	if (run)
		cr_assert_eq(domain_entry(domain, run->index, NULL, 0), 0);
	return domain;
}

static enum stop_reason
go(struct domain *domain)
{
	domain_start(domain);
	world_check(world);
	cr_assert_eq(world_run(world, domain, true), DOMAIN_STOPPED);
	world_check(world);
	return domain->stop.reason;
}

static void
assert_written(const char *text)
{
	uint64_t bytes;
	const uint8_t *at = fake_written(&device, user.out, &bytes);

	cr_assert_eq(bytes, strlen(text), "%.*s", (int)bytes, (const char *)at);
	cr_assert(!bytes || memcmp(at, text, bytes) == 0, "%.*s", (int)bytes, (const char *)at);
}

#define IMPORTS \
	"(import \"test\" \"print\" (func $print (param i32 i32)))" \
	"(import \"test\" \"read\" (func $read (param i32 i32) (result i32)))" \
	"(import \"test\" \"fill\" (func $fill (param i32 i32 i32)))" \
	"(import \"test\" \"take\" (func $take (param i64) (result i32)))" \
	"(import \"test\" \"yield\" (func $yield (param i64) (result i64)))" \
	"(import \"test\" \"exit\" (func $exit (param i32)))" \
	"(import \"test\" \"trap\" (func $trap))" \
	"(import \"test\" \"sleep\" (func $sleep (param i64)))" \
	"(import \"test\" \"count\" (func $count (result i64)))"

#define LOOP "(module (func (export \"run\") (local i32)" \
	"(loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))" \
	" (i32.const 100000))))))"

Test(world, runs_an_entry_and_keeps_its_results)
{
	struct domain *domain = make("(module (func (export \"run\") (result i32 i64)"
				     " (i32.const 41) (i64.const -2)))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert(domain->entered);
	cr_assert_eq(domain->pending.slots[0], 41);
	cr_assert_eq(domain->pending.slots[1], (uint64_t)-2);
	cr_assert_gt(domain->gas_guest, 0);
	cr_assert_eq(domain->gas_host, 0);
}

Test(world, reads_and_writes_through_the_device)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (call $print (i32.const 8) (call $read (i32.const 8)"
				     " (i32.const 3)))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_RETURNED, "%s", trap_text(domain->stop.trap));
	assert_written("inp");
	cr_assert_eq(domain->gas_host,
		2 * (PRICE_HOST_CALL + PRICE_REQUEST + price_copy(3)));
}

Test(world, the_start_function_runs_before_the_entry)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (data (i32.const 0) \"ab\")"
				     " (func $s (call $print (i32.const 0) (i32.const 1))) (start $s)"
				     " (func (export \"run\") (call $print (i32.const 1) (i32.const 1))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_RETURNED);
	assert_written("ab");
}

Test(world, stops_at_the_exact_gas_and_goes_on)
{
	struct domain *straight = make(LOOP, GAS_NO_LIMIT, BANK_NO_LIMIT);
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);
	int stops = 0;

	cr_assert_eq(go(straight), STOP_RETURNED);
	while (go(domain) == STOP_OUT_OF_GAS) {
		cr_assert_lt(line_left(world_clock(world), &domain->meter.line), domain->stop.need);
		domain_feed(domain, 12345);
		stops++;
	}
	cr_assert_eq(domain->stop.reason, STOP_RETURNED);
	cr_assert_eq(domain->gas_guest, straight->gas_guest);
	cr_assert_gt(stops, 10);
	cr_assert_eq(line_used(world_clock(world), &domain->meter.line), domain->gas_guest);
	cr_assert_eq(line_left(world_clock(world), &domain->meter.line) + domain->gas_guest,
		(uint64_t)stops * 12345);
}

Test(world, need_is_just_enough)
{
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);

	for (int i = 0; i < 50; i++) {
		uint64_t short_by;

		cr_assert_eq(go(domain), STOP_OUT_OF_GAS);
		short_by = domain->stop.need - line_left(world_clock(world), &domain->meter.line);

		domain_feed(domain, short_by - 1);
		cr_assert_eq(go(domain), STOP_OUT_OF_GAS, "one unit less is too little");
		domain_feed(domain, 1);
	}
}

Test(world, a_slice_too_small_for_a_step_is_not_dryness)
{
	struct world_config config = *world_config(world);
	struct domain *domain;

	world_close(world);
	config.slice = 1;
	world = world_open(&config);
	domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
		      " (call $fill (i32.const 0) (i32.const 65536) (i32.const 1))"
		      " (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);
	cr_assert_eq(go(domain), STOP_RETURNED);
}

Test(world, a_long_call_goes_on_where_it_stopped_and_pays_once)
{
	const char *text = "(module " IMPORTS "(memory 1) (func (export \"run\")"
			   " (call $fill (i32.const 0) (i32.const 60000) (i32.const 7))))";
	struct domain *straight = make(text, GAS_NO_LIMIT, BANK_NO_LIMIT);
	struct domain *domain = make(text, 0, BANK_NO_LIMIT);
	int stops = 0;

	cr_assert_eq(go(straight), STOP_RETURNED);
	while (go(domain) == STOP_OUT_OF_GAS) {
		domain_feed(domain, 100);
		stops++;
	}
	cr_assert_eq(domain->stop.reason, STOP_RETURNED);
	cr_assert_gt(stops, 30);
	cr_assert_eq(domain->gas_host, straight->gas_host);
	cr_assert_eq(*store_mem_at(domain->store, 0, 59999, 1), 7);
}

Test(world, a_dry_line_stops_before_the_request)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (call $print (i32.const 0) (i32.const 10))))",
		PRICE_HOST_CALL + PRICE_REQUEST, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_OUT_OF_GAS);
	cr_assert_eq(device.ops[DEVICE_WRITE], 0);
	domain_feed(domain, 1000000);
	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(device.ops[DEVICE_WRITE], 1);
}

Test(world, an_unknown_import_traps_when_it_is_called)
{
	const char *text = "(module (import \"env\" \"nope\" (func $f (param i32)))"
			   "(func (export \"run\") (call $f (i32.const 1))))";
	struct domain *domain = make(text, GAS_NO_LIMIT, BANK_NO_LIMIT);
	struct domain_config strict = {.name = "main", .gas = 0, .bank_bytes = BANK_NO_LIMIT,
		.strict = true};

	cr_assert_eq(go(domain), STOP_TRAP);
	cr_assert_eq(domain->stop.trap, TRAP_IMPORT);
	strict.module = load(text);
	cr_assert_eq(domain_new(world, &strict, &report, &domain), -ENOENT);
	cr_assert_str_eq(report.text, "unknown import: \"env\" \"nope\": nobody serves it");
}

Test(world, a_known_import_of_another_type_is_another)
{
	const char *text = "(module (import \"test\" \"exit\" (func $f (param i64)))"
			   "(func (export \"run\") (call $f (i64.const 1))))";
	struct domain *domain = make(text, GAS_NO_LIMIT, BANK_NO_LIMIT);
	struct domain_config strict = {.name = "main", .bank_bytes = BANK_NO_LIMIT, .strict = true};

	cr_assert_eq(go(domain), STOP_TRAP);
	strict.module = load(text);
	cr_assert_eq(domain_new(world, &strict, &report, &domain), -ENOENT);
	cr_assert_str_eq(report.text,
		"unknown import: \"test\" \"exit\": served with another type only");
}

Test(world, a_memory_import_needs_a_preload)
{
	struct domain_config config = {.name = "main", .gas = GAS_NO_LIMIT,
		.bank_bytes = BANK_NO_LIMIT};
	struct preload preload = {.name = "env"};
	struct domain *domain;

	config.module = load("(module (import \"env\" \"memory\" (memory 1))"
			     "(import \"env\" \"seven\" (func $seven (result i32)))"
			     "(func (export \"run\") (result i32) (i32.add (call $seven)"
			     " (i32.load8_u (i32.const 3)))))");
	cr_assert_eq(domain_new(world, &config, &report, &domain), -ENOENT);
	cr_assert(strstr(report.text, "\"env\" \"memory\""), "%s", report.text);
	preload.module = load("(module (memory (export \"memory\") 1) (data (i32.const 3) \"\\05\")"
			      "(func (export \"seven\") (result i32) (i32.const 7)))");
	config.preloads = &preload;
	config.preloads_count = 1;
	cr_assert_eq(domain_new(world, &config, &report, &domain), 0, "%s", report.text);
	cr_assert_eq(domain_entry(domain, module_export(config.module, "run", 3)->index, NULL, 0), 0);
	cr_assert_eq(go(domain), STOP_RETURNED, "%d %s", domain->stop.reason,
		trap_text(domain->stop.trap));
	cr_assert_eq(domain->pending.slots[0], 12);
}

Test(world, exit_returns_its_code)
{
	struct domain *domain = make("(module " IMPORTS "(func (export \"run\")"
				     " (call $exit (i32.const 42)) unreachable))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(domain->stop.code, 42);
	cr_assert(store_idle(domain->store));
	domain_start(domain);
	cr_assert_eq(domain->state, DOMAIN_STOPPED, "there is nothing more to run");
}

Test(world, exit_in_a_start_function_ends_all)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1)"
				     "(func $s (call $exit (i32.const 3))) (start $s)"
				     "(func (export \"run\") (call $print (i32.const 0) (i32.const 1))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(domain->stop.code, 3);
	assert_written("");
}

Test(world, traps_are_told_and_stay)
{
	struct domain *domain = make("(module " IMPORTS "(func (export \"run\") (call $trap)))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);
	enum trap trap = TRAP_NONE;

	cr_assert_eq(go(domain), STOP_TRAP);
	cr_assert_eq(domain->stop.trap, TRAP_ARGUMENT);
	cr_assert(store_trapped(domain->store, &trap));
	domain_start(domain);
	cr_assert_eq(domain->state, DOMAIN_STOPPED);
}

Test(world, a_yield_goes_on_with_the_next_start)
{
	struct domain *domain = make("(module " IMPORTS "(func (export \"run\") (result i64)"
				     " (call $yield (i64.const 5))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_YIELDED);
	cr_assert_eq(domain->stop.word, 5);
	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(domain->pending.slots[0], 6);
}

Test(world, growth_past_the_bank_is_minus_one)
{
	struct domain *domain = make("(module (memory 1) (func (export \"run\") (result i32)"
				     " (memory.grow (i32.const 100))))",
		GAS_NO_LIMIT, 1 << 20);

	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq((uint32_t)domain->pending.slots[0], UINT32_MAX);
	cr_assert_leq(bank_peak(&domain->bank), 1 << 20);
}

Test(world, stop_when_dry_stops_before_growth_and_goes_on_after)
{
	struct domain_config config = {.name = "main", .gas = GAS_NO_LIMIT, .bank_bytes = 1 << 20,
		.stop_when_dry = true};
	struct domain *domain;

	config.module = load("(module " IMPORTS "(memory 1) (func (export \"run\") (result i32 i32)"
			     " (memory.grow (i32.const 100)) (call $take (i64.const 9000000))))");
	cr_assert_eq(domain_new(world, &config, &report, &domain), 0);
	cr_assert_eq(domain_entry(domain, module_export(config.module, "run", 3)->index, NULL, 0), 0);
	cr_assert_eq(go(domain), STOP_OUT_OF_STORAGE);
	cr_assert_geq(domain->stop.need, 100 << 16);
	cr_assert_eq(go(domain), STOP_OUT_OF_STORAGE, "nothing has changed");
	cr_assert(bank_limit(&domain->bank, 12 << 20));
	cr_assert_eq(go(domain), STOP_OUT_OF_STORAGE, "now in the call");
	cr_assert_eq(domain->stop.need, 9000000);
	cr_assert(bank_limit(&domain->bank, 32 << 20));
	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(domain->pending.slots[0], 1);
	cr_assert_eq(domain->pending.slots[1], 1);
}

Test(world, a_stack_the_bank_cannot_hold_is_a_stop)
{
	struct domain *domain = make("(module (func $f (export \"run\") (call $f)))", GAS_NO_LIMIT,
		200 << 10);

	cr_assert_eq(go(domain), STOP_OUT_OF_STORAGE);
	cr_assert(bank_limit(&domain->bank, 64 << 20));
	cr_assert_eq(go(domain), STOP_TRAP);
	cr_assert_eq(domain->stop.trap, TRAP_STACK);
}

Test(world, a_domain_that_its_bank_cannot_hold_is_refused)
{
	struct domain_config config = {.name = "main"};
	struct domain *domain;
	uint64_t least = 0, used;

	config.module = load(LOOP);
	for (;; least += 16) {
		config.bank_bytes = least;
		report_clear(&report);
		if (domain_new(world, &config, &report, &domain) == 0)
			break;
		cr_assert(strstr(report.text, "storage"), "%s", report.text);
		cr_assert_eq(bank_used(world_bank(world)), 0);
		world_check(world);
	}
	used = bank_used(world_bank(world));
	cr_assert_leq(used, least);
	cr_assert_gt(used + 16, least, "what it is charged is what it needs");
}

Test(world, reads_are_cut_down_to_what_the_bank_can_stage)
{
	struct domain *domain = make("(module " IMPORTS "(memory 2) (func (export \"run\")"
				     " (call $print (i32.const 0) (i32.const 100000))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);
	uint64_t bytes;

	cr_assert(bank_limit(&domain->bank, bank_used(&domain->bank) + 4096));
	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_geq(device.ops[DEVICE_WRITE], 100000 / (DOMAIN_STAGING_BYTES + 4096));
	cr_assert_leq(device.ops[DEVICE_WRITE], 100000 / DOMAIN_STAGING_BYTES + 1);
	(void)fake_written(&device, user.out, &bytes);
	cr_assert_eq(bytes, 100000);
}

Test(world, a_full_device_is_waited_for)
{
	const char *text = "(module " IMPORTS "(memory 1) (data (i32.const 0) \"x\")"
			   " (func (export \"run\") (call $print (i32.const 0) (i32.const 1))"
			   " (call $print (i32.const 0) (i32.const 1))))";
	struct domain *domains[5];

	device.pieces_max = 2;
	device.latency = 3;
	for (int i = 0; i < 5; i++) {
		domains[i] = make(text, GAS_NO_LIMIT, BANK_NO_LIMIT);
		domain_start(domains[i]);
	}
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(world_run(world, domains[i], true), DOMAIN_STOPPED);
		cr_assert_eq(domains[i]->stop.reason, STOP_RETURNED);
		world_check(world);
	}
	assert_written("xxxxxxxxxx");
}

Test(world, a_device_that_takes_nothing_is_an_error_not_a_hang)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (call $print (i32.const 0) (i32.const 1))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	device.pieces_max = 0;
	cr_assert_eq(go(domain), STOP_TRAP);
}

Test(world, waits_only_when_told)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (drop (call $read (i32.const 0) (i32.const 9)))"
				     " (drop (call $read (i32.const 0) (i32.const 9)))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	domain_start(domain);
	while (device.ops[DEVICE_READ] == 0)
		cr_assert_eq(world_run(world, domain, false), DOMAIN_WAITING);
	cr_assert_eq(world_run(world, domain, true), DOMAIN_WAITING, "nothing more comes");
	world_check(world);
	fake_stream_feed(&device, user.in, "more", 4);
	cr_assert_eq(world_run(world, domain, true), DOMAIN_STOPPED);
	cr_assert_eq(domain->stop.reason, STOP_RETURNED);
}

Test(world, is_poked_between_slices)
{
	struct domain *domain = make("(module (func (export \"run\") (loop (br 0))))", GAS_NO_LIMIT,
		BANK_NO_LIMIT);

	user.poke_after = 3;
	domain_start(domain);
	cr_assert_eq(world_run(world, domain, true), DOMAIN_READY);
	cr_assert_eq(domain->gas_guest / SLICE_GAS, 1);
	user.poke_after = 2;
	cr_assert_eq(world_run(world, domain, true), DOMAIN_READY);
	cr_assert_eq(domain->gas_guest / SLICE_GAS, 2);
}

Test(world, ready_domains_take_turns)
{
	struct domain *a = make(LOOP, GAS_NO_LIMIT, BANK_NO_LIMIT),
		      *b = make("(module (func (export \"run\") (loop (br 0))))", GAS_NO_LIMIT,
			      BANK_NO_LIMIT);

	domain_start(b);
	domain_start(a);
	cr_assert_eq(world_run(world, a, true), DOMAIN_STOPPED, "b does not keep it from running");
	cr_assert_eq(b->state, DOMAIN_READY);
	cr_assert_leq(b->gas_guest, 2 * SLICE_GAS);
}

Test(world, quiesce_rewinds_what_did_not_happen)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (call $sleep (i64.const 1000000000))"
				     " (call $print (i32.const 0) (i32.const 1))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);
	uint64_t host_gas;

	domain_start(domain);
	cr_assert_eq(world_run(world, domain, false), DOMAIN_WAITING);
	domain_quiesce(domain);
	cr_assert_eq(domain->state, DOMAIN_READY);
	cr_assert_eq(device.in_flight, 0);
	world_check(world);
	host_gas = domain->gas_host;
	cr_assert_eq(world_run(world, domain, true), DOMAIN_STOPPED);
	cr_assert_eq(domain->stop.reason, STOP_RETURNED);
	cr_assert_eq(domain->gas_host - host_gas, PRICE_HOST_CALL + PRICE_REQUEST + price_copy(1),
		"the sleep was paid before");
}

Test(world, quiesce_carries_out_what_was_answered)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (call $print (i32.const 0) (i32.const 1))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	device.latency = 2;
	user.poke_after = 3; /* after the completion was waited for, before the next step */
	domain_start(domain);
	cr_assert_eq(world_run(world, domain, true), DOMAIN_READY);
	cr_assert(domain->completed);
	domain_quiesce(domain);
	cr_assert_not(domain->completed);
	cr_assert_eq(domain->state, DOMAIN_READY);
	world_check(world);
	user.poke_after = 0;
	cr_assert_eq(world_run(world, domain, true), DOMAIN_STOPPED);
	cr_assert_eq(domain->stop.reason, STOP_RETURNED);
}

Test(world, ends_with_requests_in_flight)
{
	struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
				     " (call $sleep (i64.const 1000000000))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	domain_start(domain);
	cr_assert_eq(world_run(world, domain, false), DOMAIN_WAITING);
	domain_end(domain);
	world_check(world);
	cr_assert_eq(bank_used(world_bank(world)), 0);
}

Test(world, ids_are_reused_with_another_generation)
{
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);
	const uint32_t id = domain->id, generation = domain->generation;

	cr_assert_eq(world_domain(world, id), domain);
	domain_end(domain);
	cr_assert_null(world_domain(world, id));
	domain = make(LOOP, 0, BANK_NO_LIMIT);
	cr_assert_eq(domain->id, id);
	cr_assert_eq(domain->generation, generation + 1);
	cr_assert_eq(world_domains(world), 1);
}

Test(world, slots_fill_up)
{
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);
	const struct key key = {.kind = TEST_KIND_NUMBER, .grant = GRANT_NONE};

	for (int i = 0; i < SLOTS_MAX; i++)
		cr_assert_eq(domain_slot(domain, &key), i);
	cr_assert_eq(domain_slot(domain, &key), -ENOSPC);
	domain->slots[77] = (struct key){0};
	cr_assert_eq(domain_slot(domain, &key), 77);
}

Test(world, slots_are_paid_for)
{
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);
	const struct key key = {.kind = TEST_KIND_NUMBER, .grant = GRANT_NONE};

	cr_assert(bank_limit(&domain->bank, bank_used(&domain->bank) + 1000));
	for (int i = 0; i < 16; i++)
		cr_assert_eq(domain_slot(domain, &key), i);
	cr_assert_eq(domain_slot(domain, &key), -ENOSPC);
}

Test(world, entries_are_checked)
{
	struct domain *domain = make("(module (func (export \"two\") (param i32 i32)))", 0,
		BANK_NO_LIMIT);
	const uint64_t args[3] = {0};

	cr_assert_eq(domain_entry(domain, 1, args, 2), -EINVAL);
	cr_assert_eq(domain_entry(domain, 0, args, 3), -EINVAL);
	cr_assert_eq(domain_entry(domain, 0, args, 2), 0);
	cr_assert_eq(domain_entry(domain, 0, args, 2), -EBUSY);
}

Test(world, one_that_returned_takes_another_entry)
{
	struct domain *domain = make("(module (global (mut i32) (i32.const 0))"
				     " (func (export \"run\") (result i32) (global.set 0 (i32.add"
				     " (global.get 0) (i32.const 1))) (global.get 0)))",
		GAS_NO_LIMIT, BANK_NO_LIMIT);

	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(domain_entry(domain, 0, NULL, 0), 0);
	cr_assert_eq(go(domain), STOP_RETURNED);
	cr_assert_eq(domain->pending.slots[0], 2);
}

/* What world_check() is for: each fault of ours is found by name. */
Test(world, check_finds_a_ready_domain_in_no_queue, .signal = SIGABRT)
{
	make(LOOP, 0, BANK_NO_LIMIT)->state = DOMAIN_READY;
	world_check(world);
}

Test(world, check_finds_gas_that_no_line_lost, .signal = SIGABRT)
{
	make(LOOP, 0, BANK_NO_LIMIT)->gas_guest = 1;
	world_check(world);
}

Test(world, check_finds_a_request_that_is_not_its_own, .signal = SIGABRT)
{
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);

	domain->state = DOMAIN_WAITING;
	domain->request = 99;
	world_check(world);
}

Test(world, check_finds_a_line_of_another_tree, .signal = SIGABRT)
{
	struct domain *domain = make(LOOP, 0, BANK_NO_LIMIT);
	struct line other;

	line_init(&other, NULL);
	domain->meter.line.superior = &other;
	world_check(world);
}

static enum call_end
submits_twice(struct call *call)
{
	struct device_request request = {.op = DEVICE_CLOCK};

	(void)call_submit(call, &request);
	return call_submit(call, &request);
}

Test(world, a_second_request_in_one_call_is_our_fault, .signal = SIGABRT)
{
	static const struct import_def imports[] = {{"test", "exit", "i:", submits_twice}, {0}};
	static const struct import_def *const tables[] = {imports, NULL};
	struct world_config config = *world_config(world);
	struct caps caps = test_caps;

	caps.import_tables = tables;
	config.caps = &caps;
	world = world_open(&config);
	(void)go(make("(module (import \"test\" \"exit\" (func $f (param i32)))"
		      "(func (export \"run\") (call $f (i32.const 1))))",
		GAS_NO_LIMIT, BANK_NO_LIMIT));
}

/* Every allocation on the way fails once; nothing is kept, and the words say why. */
Test(world, every_allocation_of_a_domain_may_fail)
{
	struct domain_config config = {.name = "main", .gas = 1, .bank_bytes = BANK_NO_LIMIT};
	const uint64_t before = world_heap(world)->bytes_used;
	struct domain *domain;
	uint64_t n = 0, used;

	config.module = load("(module (memory 1) (table 3 funcref) (global i32 (i32.const 1))"
			     "(func (export \"run\")))");
	used = world_heap(world)->bytes_used;
	cr_assert_gt(used, before);
	for (;;) {
		world_heap(world)->fail_after = ++n;
		report_clear(&report);
		if (domain_new(world, &config, &report, &domain) == 0)
			break;
		cr_assert_neq(report.text[0], '\0', "the %llu-th failed in silence",
			(unsigned long long)n);
		cr_assert_eq(bank_used(world_bank(world)), 0);
		world_check(world);
	}
	world_heap(world)->fail_after = 0;
	cr_assert_gt(n, 5);
}

/* --- L8: rent ----------------------------------------------------------------------- */

static const char *const rented_text =
	"(module (memory 1 40) (func $work (param i32) (loop $l (br_if $l (local.tee 0"
	"  (i32.sub (local.get 0) (i32.const 1))))))"
	" (func (export \"run\") (local i32)"
	"  (call $work (i32.const 10))"
	"  (local.set 0 (memory.grow (i32.const 3)))"
	"  (call $work (i32.const 20))"
	"  (local.set 0 (i32.add (memory.grow (i32.const 0)) (memory.grow (i32.const 1000))))"
	"  (call $work (i32.const 7))"
	"  (local.set 0 (i32.add (memory.grow (i32.const 1)) (memory.grow (i32.const 2))))"
	"  (call $work (i32.const 30))))";

enum how { STRAIGHT, STEPPED, FED };

/* What its line used to the end, with this rent; and what L8 says it would be with
 * `other`: block by block, at the pages there were when the block was charged. */
static uint64_t
rented(uint64_t rent, enum how how, uint64_t other, uint64_t *ret_formula)
{
	struct domain *domain = make(rented_text, how == FED ? 0 : GAS_NO_LIMIT, BANK_NO_LIMIT);
	uint64_t used = 0, formula = 0, before = 0, pages = 1;

	domain->meter.rent = rent;
	meter_rate(world_clock(world), &domain->meter);
	do {
		if (how == STEPPED)
			store_step_after(domain->store, 1 + (domain->stop.reason == STOP_STEPPED));
		if (how == FED)
			domain_feed(domain, 1 + used % 700);
		(void)go(domain);
		used = line_used(world_clock(world), &domain->meter.line);
		formula += (used - before) * (1 + other * pages);
		before = used;
		pages = store_pages(domain->store);
	} while (domain->stop.reason != STOP_RETURNED);
	cr_assert_eq(store_pages(domain->store), 7);
	*ret_formula = formula;
	domain_end(domain);
	return used;
}

Test(world, rent_is_the_formula_to_the_unit)
{
	uint64_t formula, ignored;

	for (uint64_t rent = 1; rent <= 1000; rent *= 7) {
		(void)rented(0, STEPPED, rent, &formula);
		cr_assert_eq(rented(rent, STRAIGHT, 0, &ignored), formula, "rent %llu",
			(unsigned long long)rent);
		cr_assert_eq(rented(rent, STEPPED, 0, &ignored), formula);
		cr_assert_eq(rented(rent, FED, 0, &ignored), formula);
	}
	cr_assert_eq(rented(0, STRAIGHT, 0, &ignored), ignored);
}

/* What all that are ready send goes out before the device is asked what came. */
Test(world, the_device_is_asked_once_for_each_turn)
{
	enum { READY = 8 };
	struct domain *first = NULL;

	for (int i = 0; i < READY; i++) {
		struct domain *domain = make("(module " IMPORTS "(memory 1) (func (export \"run\")"
					     " (call $print (i32.const 0) (i32.const 1))))",
			1000000, BANK_NO_LIMIT);

		domain_start(domain);
		first = first ? first : domain;
	}
	user.poke_after = READY + 1;
	(void)world_run(world, first, false);
	cr_assert_eq(device.in_flight, READY);
	user.poke_after = 0;
	(void)world_run(world, first, true);
	cr_assert_eq(first->stop.reason, STOP_RETURNED);
}

static const char *const counting =
	"(module (func (export \"run\") (loop $on (br $on))))";

Test(world, a_paused_domain_takes_no_step)
{
	struct domain *one = make(counting, GAS_NO_LIMIT, BANK_NO_LIMIT);
	struct domain *two = make(counting, GAS_NO_LIMIT, BANK_NO_LIMIT);
	uint64_t used;

	domain_start(one);
	domain_start(two);
	domain_pause(one);
	world_check(world);
	user.poke_after = 6;
	(void)world_run(world, two, false);
	cr_assert_eq(one->gas_guest, 0);
	cr_assert_gt(two->gas_guest, 0);
	cr_assert_not(world_is_paused(world));
	domain_pause(two);
	cr_assert(world_is_paused(world));
	used = two->gas_guest;
	cr_assert_neq(world_run(world, two, true), DOMAIN_STOPPED, "it comes back, and is not stopped");
	cr_assert_eq(two->gas_guest, used);
	domain_resume(one);
	domain_resume(two);
	domain_resume(two);
	world_check(world);
	user.poke_after = 6;
	(void)world_run(world, two, false);
	cr_assert_gt(one->gas_guest, 0);
}

Test(world, what_is_made_below_a_paused_domain_is_paused)
{
	struct domain *top = make(counting, GAS_NO_LIMIT, BANK_NO_LIMIT), *kid;
	struct domain_config config = {.name = "kid", .module = load(counting), .gas = GAS_NO_LIMIT,
		.bank_bytes = BANK_NO_LIMIT, .above = {.parent = top}};

	domain_pause(top);
	cr_assert_eq(domain_new(world, &config, &report, &kid), 0);
	cr_assert(kid->paused);
	domain_start(kid);
	world_check(world);
	cr_assert_eq(kid->state, DOMAIN_READY);
	cr_assert(world_is_paused(world));
	domain_resume(kid);
	cr_assert_not(world_is_paused(world), "one below may go on alone");
	world_check(world);
	domain_end(top);
}

/* Its image says nothing of it: who paused it is not in the image. */
Test(world, a_paused_domain_has_an_image_like_another)
{
	struct domain *domain = make(counting, GAS_NO_LIMIT, BANK_NO_LIMIT), *copy;
	struct buffer bytes;

	domain_start(domain);
	domain_pause(domain);
	buffer_init(&bytes);
	cr_assert_eq(image_write(world, domain, &bytes.sink, false), 0);
	cr_assert_eq(image_read(world, bytes.bytes, bytes.count, &report, &copy), 0, "%s", report.text);
	cr_assert_not(copy->paused);
	cr_assert_eq(copy->state, DOMAIN_READY);
	world_check(world);
	domain_end(copy);
	buffer_done(&bytes);
}
