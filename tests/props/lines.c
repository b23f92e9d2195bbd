/* SPDX-License-Identifier: Apache-2.0 */
/* Random trees and orders; after each order every line must say what a model
 * says that walks every ancestor at every step and knows no deadlines. */
#include "kernel/line.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/seeds.h"

enum { NODES_MAX = 24, SEEDS = 4000, ORDERS = 150 };

/* Large enough never to be reached, small enough that the model cannot wrap. */
static const uint64_t room_max = (uint64_t)1 << 40;

struct node {
	bool used_slot;
	int parent;
	uint64_t left, reserve, rate, used;
	bool unlimited;
};

struct trial {
	struct seed seed;
	struct clock_gas clock;
	struct line lines[NODES_MAX];
	struct node nodes[NODES_MAX];
	int running;
};

static uint64_t
node_room(const struct trial *t, int i, uint64_t reserve)
{
	const struct node *node = &t->nodes[i];

	if (node->unlimited)
		return room_max;
	if (node->left <= reserve)
		return 0;
	return (node->left - reserve) / node->rate;
}

static uint64_t
model_room(const struct trial *t)
{
	uint64_t room = node_room(t, t->running, 0);

	for (int i = t->nodes[t->running].parent; i >= 0; i = t->nodes[i].parent) {
		const uint64_t above = node_room(t, i, t->nodes[i].reserve);

		room = above < room ? above : room;
	}
	return room < room_max ? room : room_max;
}

static int
model_dry(const struct trial *t, uint64_t need)
{
	int dry = node_room(t, t->running, 0) < need ? t->running : -1;

	for (int i = t->nodes[t->running].parent; i >= 0; i = t->nodes[i].parent)
		if (node_room(t, i, t->nodes[i].reserve) < need)
			dry = i;
	return dry;
}

static void
model_spend(struct trial *t, uint64_t gas)
{
	for (int i = t->running; i >= 0; i = t->nodes[i].parent) {
		t->nodes[i].used += gas * t->nodes[i].rate;
		if (!t->nodes[i].unlimited)
			t->nodes[i].left -= gas * t->nodes[i].rate;
	}
}

static uint64_t
amount(struct seed *seed)
{
	switch (seed_below(seed, 8)) {
	case 0:
		return 0;
	case 1:
		return seed_below(seed, 8);
	case 2:
		return seed_below(seed, 100000);
	case 3:
		return room_max * 64 + seed_below(seed, 1000);
	default:
		return seed_below(seed, 1000);
	}
}

static int
pick(struct trial *t)
{
	int i;

	do
		i = (int)seed_below(&t->seed, NODES_MAX);
	while (!t->nodes[i].used_slot);
	return i;
}

static void
make(struct trial *t)
{
	const int parent = pick(t);

	for (int i = 0; i < NODES_MAX; i++) {
		if (t->nodes[i].used_slot)
			continue;
		line_init(&t->lines[i], &t->lines[parent]);
		t->nodes[i] = (struct node){.used_slot = true, .parent = parent, .rate = 1};
		return;
	}
}

static void
end(struct trial *t)
{
	const int i = pick(t);

	if (i == 0 || t->lines[i].active || t->lines[i].first)
		return;
	line_done(&t->lines[i]);
	t->nodes[i].used_slot = false;
}

static void
spend(struct trial *t)
{
	const uint64_t room = model_room(t);
	const uint64_t most = room < 5000 ? room : 5000;

	if (t->running < 0)
		return;
	const uint64_t gas = seed_below(&t->seed, 3) ? seed_below(&t->seed, most + 1) : most;

	line_spend(&t->clock, gas);
	model_spend(t, gas);
}

static void
order(struct trial *t)
{
	const int i = pick(t);
	struct node *node = &t->nodes[i];
	struct line *line = &t->lines[i];
	const uint64_t gas = amount(&t->seed);

	switch (seed_below(&t->seed, 12)) {
	case 0:
		make(t);
		break;
	case 1:
		end(t);
		break;
	case 2:
		line_switch(&t->clock, NULL);
		t->running = -1;
		break;
	case 3:
	case 4:
		line_switch(&t->clock, line);
		t->running = i;
		break;
	case 5:
		line_feed(&t->clock, line, gas);
		node->left += node->unlimited ? 0 : gas;
		break;
	case 6:
		line_limit(&t->clock, line, gas % 5 ? gas : GAS_NO_LIMIT);
		node->unlimited = gas % 5 == 0;
		node->left = node->unlimited ? 0 : gas;
		break;
	case 7:
		line_reserve(&t->clock, line, gas);
		node->reserve = gas;
		break;
	case 8:
		node->rate = 1 + seed_below(&t->seed, 4) * seed_below(&t->seed, 9);
		line_rate(&t->clock, line, node->rate);
		break;
	default:
		if (t->running >= 0)
			spend(t);
	}
}

static void
compare(struct trial *t, uint64_t seed, int step)
{
	for (int i = 0; i < NODES_MAX; i++) {
		const struct node *node = &t->nodes[i];

		if (!node->used_slot)
			continue;
		cr_assert_eq(line_used(&t->clock, &t->lines[i]), node->used, "seed %llu step %d line %d",
			(unsigned long long)seed, step, i);
		cr_assert_eq(line_left(&t->clock, &t->lines[i]),
			node->unlimited ? GAS_NO_LIMIT : node->left, "seed %llu step %d line %d",
			(unsigned long long)seed, step, i);
	}
	line_check(&t->clock, &t->lines[0]);
	if (t->running < 0)
		return;

	const uint64_t room = line_room(&t->clock), need = amount(&t->seed) % room_max;
	const int dry = model_dry(t, need);

	cr_assert_eq(room < room_max ? room : room_max, model_room(t), "seed %llu step %d",
		(unsigned long long)seed, step);
	cr_assert_eq(line_dry(&t->clock, need), dry < 0 ? NULL : &t->lines[dry], "seed %llu step %d",
		(unsigned long long)seed, step);
}

static void
trial(uint64_t seed)
{
	struct trial t = {.seed = {seed}, .running = -1};

	line_init(&t.lines[0], NULL);
	t.nodes[0] = (struct node){.used_slot = true, .parent = -1, .rate = 1};
	if (seed % 2) {
		line_limit(&t.clock, &t.lines[0], GAS_NO_LIMIT);
		t.nodes[0].unlimited = true;
	}
	for (int step = 0; step < ORDERS; step++) {
		order(&t);
		compare(&t, seed, step);
	}
}

/* KH_SEED=n runs that one alone. */
Test(lines, equal_a_model_that_walks_every_ancestor)
{
	const char *one = getenv("KH_SEED");

	if (one)
		trial(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= SEEDS; seed++)
		trial(seed);
}
