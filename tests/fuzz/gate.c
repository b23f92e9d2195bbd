/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/gate.h"

#include <string.h>

#include "kernel/image.h"
#include "tests/caps/gate/theatre.h"

enum { ACTORS = 4, STEPS_MAX = 200, SLOTS = 24, LISTEN_STEPS = 200 };

struct dice {
	const uint8_t *at, *end;
};

static uint64_t
roll(struct dice *dice, uint64_t below)
{
	uint64_t value = dice->at < dice->end ? *dice->at++ : 0;

	if (below > 256 && dice->at < dice->end)
		value = value << 8 | *dice->at++;
	return value % below;
}

/* Mostly small, sometimes at an edge. */
static uint64_t
word(struct dice *dice)
{
	static const uint64_t edges[] = {UINT64_MAX, UINT32_MAX, 65536, 65537, 4096, 4095,
		UINT64_C(1) << 63, 1 << 20, 100000, 5000000};
	const uint64_t kind = roll(dice, 4);

	if (kind == 0)
		return edges[roll(dice, sizeof edges / sizeof *edges)];
	return kind == 1 ? roll(dice, 65536) : roll(dice, SLOTS);
}

static int
slot(struct dice *dice)
{
	return roll(dice, 64) ? (int)roll(dice, SLOTS) : 5000;
}

/* Mostly one in which there is a key. */
static int
full_slot(struct domain *domain, struct dice *dice)
{
	uint32_t at = (uint32_t)roll(dice, SLOTS);
	const uint64_t kind = roll(dice, 16);

	if (kind == 0)
		return (int)at;
	if (kind < 4)
		return GATE_SLOTS;
	for (unsigned i = 0; i < SLOTS && slot_key(domain, at).kind == KEY_VOID; i++)
		at = (at + 1) % SLOTS;
	return (int)at;
}

static void
order_of(struct dice *dice, struct order *order)
{
	static const char texts[][8] = {"add", "stuck", "f", "d/f", "../x", "data", "memory", ""};
	static const uint64_t limits[4] = {3, 100, 1000000, UINT64_MAX};

	*order = (struct order){.rc = (uint32_t)roll(dice, 14)};
	for (unsigned i = 0; i < 4; i++)
		order->word[i] = word(dice);
	for (unsigned i = 0; i < 4; i++) {
		order->send[i] = roll(dice, 2) && i < 3 ? slot(dice) : 0;
		order->receive[i] = roll(dice, 3) ? slot(dice) : 0;
	}
	if (roll(dice, 8) == 0) {
		order->text = limits;
		order->text_bytes = sizeof limits;
		return;
	}
	order->text = texts[roll(dice, sizeof texts / sizeof *texts)];
	order->text_bytes = (uint32_t)strlen(order->text);
}

static uint32_t
number_of(struct dice *dice)
{
	static const uint32_t others[] = {0xfffe0001, 0xfffe0002, 0xffff0001, 0, 77};

	return roll(dice, 16) ? (uint32_t)roll(dice, roll(dice, 2) ? 11 : 21)
			      : others[roll(dice, sizeof others / sizeof *others)];
}

/* What it can start with beside its kit: keys to others and to the outside. */
static void
furnish(struct theatre *t, struct domain *actors[ACTORS])
{
	const uint32_t top = fake_dir(&t->device, 0, NULL);
	const struct caps_root roots[] = {
		{.name = "data", .kind = KIND_directory, .rights = UINT32_MAX >> 1,
			.handle = fake_grant(&t->device, top, DEVICE_DIRECTORY)},
		{.name = "in", .kind = KIND_stream, .rights = RIGHT_read | RIGHT_write,
			.handle = fake_stream(&t->device, "input", 5)},
		{.name = "clock", .kind = KIND_clock, .rights = RIGHT_read | RIGHT_sleep},
	};
	struct report report;
	struct key key;

	fake_file(&t->device, top, "f", "hello", 5);
	report_clear(&report);
	for (unsigned i = 0; i < 3; i++) {
		(void)caps_root_add(t->world, &roots[i], &report, &key);
		give_key(actors[0], 5 + i, &key);
	}
	(void)caps_mint(t->world, 1000000, &key);
	give_key(actors[0], 8, &key);
	for (unsigned i = 0; i < ACTORS; i++)
		for (unsigned j = 0; j < ACTORS; j++) {
			key = domain_key(actors[j], KIND_start);
			give_key(actors[i], 9 + j, &key);
			if (i < j)
				give_domain(actors[i], 13 + j, actors[j], UINT32_MAX);
		}
}

/* The one of this number, or what is now in its place; NULL: gone. */
static struct domain *
alive(struct theatre *t, const uint32_t *ids, const uint32_t *generations, unsigned i)
{
	struct domain *domain = world_domain(t->world, ids[i]);

	return domain && domain->generation == generations[i] ? domain : NULL;
}

static void
act(struct domain *domain, struct dice *dice)
{
	/* Rarely one that ends it. */
	const enum command_form form = roll(dice, 4) ? COMMAND_CALL
		: roll(dice, 16) ? (enum command_form)(COMMAND_SEND + roll(dice, 5))
				 : (enum command_form)(COMMAND_SEND + roll(dice, COMMAND_FORMS - COMMAND_SEND));
	struct order order;
	uint32_t number = number_of(dice);

	order_of(dice, &order);
	if (form == COMMAND_SPIN)
		number = (uint32_t)roll(dice, 65536);
	else if (form == COMMAND_GROW)
		number &= 3;
	tell(domain, form, full_slot(domain, dice), number, &order);
}

void
gate_run(const uint8_t *bytes, size_t count)
{
	gate_image(bytes, count, NULL);
}

void
gate_image(const uint8_t *bytes, size_t count, struct sink *to)
{
	struct dice dice = {bytes, bytes + count};
	struct domain *actors[ACTORS];
	uint32_t ids[ACTORS], generations[ACTORS];
	struct theatre t;

	theatre_open(&t);
	actors[0] = theatre_actor(&t, "a");
	actors[1] = theatre_actor(&t, "b");
	actors[2] = theatre_child(&t, actors[0], 3000000, 4 << 20);
	actors[3] = theatre_child(&t, actors[2], GAS_NO_LIMIT, 2 << 20);
	furnish(&t, actors);
	for (unsigned i = 0; i < ACTORS; i++) {
		ids[i] = actors[i]->id;
		generations[i] = actors[i]->generation;
	}
	for (unsigned i = 0; i < STEPS_MAX && dice.at < dice.end; i++) {
		struct domain *domain = alive(&t, ids, generations, (unsigned)roll(&dice, ACTORS));

		if (!domain)
			continue;
		if (domain->state == DOMAIN_STOPPED && domain->stop.reason == STOP_YIELDED)
			act(domain, &dice);
		if (domain->state == DOMAIN_STOPPED && !domain->runner)
			domain_start(domain);
		for (unsigned j = 0; j < LISTEN_STEPS && theatre_step(&t); j++)
			;
	}
	if (to && alive(&t, ids, generations, 0)) {
		domain_quiesce(actors[0]);
		(void)image_write(t.world, actors[0], to, false);
	}
	theatre_close(&t);
}

#ifdef FUZZ_TARGET
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	gate_run(bytes, count);
	return 0;
}
#endif
