/* SPDX-License-Identifier: Apache-2.0 */
/* Whole worlds on a device that is slow, small, shuffled and fails; random
 * orders on domains: fed, limited, stopped, frozen, copied, moved, ended. After
 * each order everything stored twice agrees; at the end nothing is left. A
 * domain that nothing outside could touch comes to the same end, results and
 * gas, whatever was done to it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/world.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/seeds.h"
#include "tests/support/test_caps.h"
#include "tests/support/wat.h"

enum { SEEDS = 100, ORDERS = 200, LIVE_MAX = 8, PROGRAMS = 3, IMAGES_MAX = 64 };

#define IMPORTS \
	"(import \"test\" \"print\" (func $print (param i32 i32)))" \
	"(import \"test\" \"fill\" (func $fill (param i32 i32 i32)))" \
	"(import \"test\" \"sleep\" (func $sleep (param i64)))" \
	"(import \"test\" \"yield\" (func $yield (param i64) (result i64)))" \
	"(import \"test\" \"take\" (func $take (param i64) (result i32)))"

static const char *const texts[PROGRAMS] = {
	/* Alone: what it comes to depends on nothing outside. */
	"(module " IMPORTS "(memory 1 20) (func $f (param i32) (result i64)"
	" (if (result i64) (local.get 0) (then (i64.mul (i64.const 7) (i64.add (i64.const 1)"
	"  (call $f (i32.sub (local.get 0) (i32.const 1)))))) (else (i64.const 3))))"
	"(func (export \"run\") (result i64) (local i32 i64)"
	" (loop $l (call $fill (local.get 0) (i32.const 3000) (local.get 0))"
	"  (local.set 1 (i64.add (local.get 1) (call $f (i32.rem_u (local.get 0) (i32.const 90)))))"
	"  (local.set 1 (i64.add (local.get 1) (call $yield (i64.load (local.get 0)))))"
	"  (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 13))) (i32.const 600))))"
	" (local.get 1)))",
	/* Talks to the device; a failed write is a trap. */
	"(module " IMPORTS "(memory 2) (func (export \"run\") (local i32)"
	" (loop $l (call $print (local.get 0) (i32.const 90)) (call $sleep (i64.const 500))"
	"  (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 30))))))",
	/* Wants storage without end. */
	"(module " IMPORTS "(memory 1) (func (export \"run\")"
	" (loop $l (drop (memory.grow (i32.const 1))) (drop (call $take (i64.const 5000)))"
	"  (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000)) (br $l))))",
};

static struct wat wats[PROGRAMS];
static uint64_t alone_guest, alone_host, alone_result;

struct trial {
	struct seed seed;
	struct fake_host host;
	struct fake_device device;
	struct test_user user;
	struct world *world;
	struct module *modules[PROGRAMS];
	struct domain *live[LIVE_MAX];
	int program[LIVE_MAX];
	struct buffer images[IMAGES_MAX]; /* restored modules might lie in them */
	int images_count;
	uint64_t ends;
};

static void
make(struct trial *t)
{
	const int program = (int)seed_below(&t->seed, PROGRAMS);
	struct domain_config config = {.name = "d", .module = t->modules[program],
		.gas = seed_below(&t->seed, 20000),
		.bank_bytes = (400 << 10) + seed_below(&t->seed, 2 << 20),
		.stop_when_dry = seed_below(&t->seed, 2)};
	struct report report;

	report_clear(&report);
	for (int i = 0; i < LIVE_MAX; i++) {
		if (t->live[i])
			continue;
		cr_assert_eq(domain_new(t->world, &config, &report, &t->live[i]), 0, "%s", report.text);
		cr_assert_eq(domain_entry(t->live[i],
				     module_export(config.module, "run", 3)->index, NULL, 0), 0);
		t->program[i] = program;
		return;
	}
}

static void
end(struct trial *t, int i)
{
	domain_end(t->live[i]);
	t->live[i] = NULL;
}

/* In place of the original, or beside it. */
static void
copy(struct trial *t, int i, bool move)
{
	struct buffer *image = &t->images[t->images_count];
	struct domain *copied = NULL;
	struct report report;
	int to = i;

	if (t->images_count == IMAGES_MAX)
		return;
	domain_quiesce(t->live[i]);
	world_check(t->world);
	t->images_count++;
	cr_assert_eq(image_write(t->world, t->live[i], &image->sink, seed_below(&t->seed, 2)), 0);
	if (move)
		end(t, i);
	else
		for (to = 0; to < LIVE_MAX && t->live[to];)
			to++;
	if (to == LIVE_MAX)
		return;
	report_clear(&report);
	cr_assert_eq(image_read(t->world, image->bytes, image->count, &report, &copied), 0, "%s",
		report.text);
	t->live[to] = copied;
	t->program[to] = t->program[i];
}

static void
look(struct trial *t, int i)
{
	const struct domain *domain = t->live[i];

	if (domain->state != DOMAIN_STOPPED || t->program[i] != 0)
		return;
	cr_assert_neq(domain->stop.reason, STOP_TRAP, "%s", trap_text(domain->stop.trap));
	if (domain->stop.reason != STOP_RETURNED)
		return;
	t->ends++;
	cr_assert_eq(domain->gas_guest, alone_guest);
	cr_assert_eq(domain->gas_host, alone_host);
	if (domain->pending.slots)
		cr_assert_eq(domain->pending.slots[0], alone_result);
}

static void
order(struct trial *t)
{
	const int i = (int)seed_below(&t->seed, LIVE_MAX);
	struct domain *domain = t->live[i];

	if (!domain) {
		make(t);
		return;
	}
	switch (seed_below(&t->seed, 12)) {
	case 0:
		copy(t, i, false);
		break;
	case 1:
		copy(t, i, true);
		break;
	case 2:
		if (seed_below(&t->seed, 4) == 0)
			end(t, i);
		break;
	case 3:
		(void)bank_limit(&domain->bank, bank_used(&domain->bank) + seed_below(&t->seed, 1 << 20));
		break;
	case 4:
		store_step_after(domain->store, 1 + seed_below(&t->seed, 300));
		break;
	case 5:
		domain_quiesce(domain);
		break;
	case 6:
		t->device.pieces_max = (uint32_t)seed_below(&t->seed, 4);
		t->device.latency = seed_below(&t->seed, 4);
		break;
	case 7:
		line_reserve(world_clock(t->world), &domain->meter.line, seed_below(&t->seed, 1000));
		break;
	default:
		for (uint64_t n = seed_below(&t->seed, 12) + 1; n; n--) {
			domain_feed(domain, seed_below(&t->seed, 30000));
			domain_start(domain);
			(void)world_run(t->world, domain, seed_below(&t->seed, 2));
		}
		look(t, i);
	}
}

static void
trial_open(struct trial *t, uint64_t seed)
{
	const struct world_config config = {.host = &t->host.host, .device = &t->device.device,
		.caps = &test_caps, .poked = test_poked, .user = &t->user, .slice = 1500,
		.executor = seed % 2 && executor_present(EXECUTOR_FAST) ? EXECUTOR_FAST
									: EXECUTOR_SWITCH};
	struct report report;

	*t = (struct trial){.seed = {seed}};
	fake_host_init(&t->host);
	fake_device_init(&t->device, seed);
	t->device.shuffle = true;
	t->device.short_max = seed % 3 ? 0 : 31;
	t->user.out = fake_stream(&t->device, NULL, 0);
	for (uint64_t nth = 5; nth < 200; nth += 17 + seed % 7)
		if (nth < 100)
			fake_fail(&t->device, DEVICE_WRITE, nth, DEVICE_EIO);
	t->world = world_open(&config);
	report_clear(&report);
	for (int i = 0; i < PROGRAMS; i++)
		cr_assert_eq(world_module(t->world, wats[i].bytes, wats[i].count, &report,
				     &t->modules[i]), 0);
	for (int i = 0; i < IMAGES_MAX; i++)
		buffer_init(&t->images[i]);
}

static void
trial_close(struct trial *t)
{
	for (int i = 0; i < LIVE_MAX; i++)
		end(t, i);
	world_check(t->world);
	cr_assert_eq(bank_used(world_bank(t->world)), 0);
	world_close(t->world);
	cr_assert_eq(t->host.reserved, 0);
	cr_assert_eq(t->device.in_flight, 0);
	fake_device_done(&t->device);
	fake_host_done(&t->host);
	for (int i = 0; i < IMAGES_MAX; i++)
		buffer_done(&t->images[i]);
}

static void
run_alone(void)
{
	static struct trial t;
	struct domain_config config = {.name = "d", .gas = GAS_NO_LIMIT, .bank_bytes = BANK_NO_LIMIT};
	struct domain *domain = NULL;
	struct report report;

	report_clear(&report);
	trial_open(&t, 0);
	config.module = t.modules[0];
	cr_assert_eq(domain_new(t.world, &config, &report, &domain), 0);
	cr_assert_eq(domain_entry(domain, module_export(config.module, "run", 3)->index, NULL, 0), 0);
	do {
		domain_start(domain);
		(void)world_run(t.world, domain, true);
	} while (domain->stop.reason == STOP_YIELDED);
	cr_assert_eq(domain->stop.reason, STOP_RETURNED);
	alone_guest = domain->gas_guest;
	alone_host = domain->gas_host;
	alone_result = domain->pending.slots[0];
	domain_end(domain);
	trial_close(&t);
}

static uint64_t
trial(uint64_t seed)
{
	static struct trial t;

	trial_open(&t, seed);
	for (int step = 0; step < ORDERS; step++) {
		order(&t);
		world_check(t.world);
	}
	trial_close(&t);
	return t.ends;
}

/* KH_SEED=n runs that one alone. */
Test(worlds, stay_sound_and_come_to_the_same_ends)
{
	const char *one = getenv("KH_SEED");
	uint64_t ends = 0;

	for (int i = 0; i < PROGRAMS; i++)
		wats[i] = wat_bytes(texts[i]);
	run_alone();
	if (one)
		(void)trial(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= SEEDS; seed++) {
		if (getenv("KH_LOUD"))
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
		ends += trial(seed);
	}
	cr_assert(one || ends > SEEDS / 2, "only %llu came to an end", (unsigned long long)ends);
}
