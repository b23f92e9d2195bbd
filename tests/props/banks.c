/* SPDX-License-Identifier: Apache-2.0 */
/* Random trees of banks and orders against a model that keeps nothing but what
 * each bank took itself, and adds up for every question. */
#include "kernel/bank.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/support/seeds.h"

enum { NODES_MAX = 20, SEEDS = 3000, ORDERS = 120 };

struct node {
	bool live;
	int parent;
	uint64_t own, limit, peak;
};

struct trial {
	struct seed seed;
	struct bank banks[NODES_MAX];
	struct node nodes[NODES_MAX];
};

static bool
is_below(const struct trial *t, int i, int above)
{
	while (i >= 0 && i != above)
		i = t->nodes[i].parent;
	return i == above;
}

static uint64_t
model_used(const struct trial *t, int above)
{
	uint64_t sum = 0;

	for (int i = 0; i < NODES_MAX; i++)
		if (t->nodes[i].live && is_below(t, i, above))
			sum += t->nodes[i].own;
	return sum;
}

static uint64_t
model_room(const struct trial *t, int i)
{
	uint64_t room = UINT64_MAX;

	for (; i >= 0; i = t->nodes[i].parent) {
		const uint64_t here = t->nodes[i].limit - model_used(t, i);

		room = here < room ? here : room;
	}
	return room;
}

static void
model_peaks(struct trial *t)
{
	for (int i = 0; i < NODES_MAX; i++) {
		const uint64_t used = t->nodes[i].live ? model_used(t, i) : 0;

		if (used > t->nodes[i].peak)
			t->nodes[i].peak = used;
	}
}

static int
pick(struct trial *t)
{
	int i;

	do
		i = (int)seed_below(&t->seed, NODES_MAX);
	while (!t->nodes[i].live);
	return i;
}

static uint64_t
limit(struct seed *seed)
{
	return seed_below(seed, 4) ? seed_below(seed, 5000) : BANK_NO_LIMIT;
}

static void
make(struct trial *t)
{
	const int parent = pick(t);
	const uint64_t most = limit(&t->seed);

	for (int i = 0; i < NODES_MAX; i++) {
		if (t->nodes[i].live)
			continue;
		bank_init(&t->banks[i], &t->banks[parent], most);
		t->nodes[i] = (struct node){.live = true, .parent = parent, .limit = most};
		return;
	}
}

/* As if it were not there, and then there is room for it, or not. */
static void
move(struct trial *t, int i, int to)
{
	const uint64_t bytes = model_used(t, i);
	const int was = t->nodes[i].parent;
	bool fits;

	if (i == 0 || is_below(t, to, i))
		return;
	t->nodes[i].parent = -1;
	fits = bytes <= model_room(t, to);
	t->nodes[i].parent = fits ? to : was;
	cr_assert_eq(bank_move(&t->banks[i], &t->banks[to]), fits);
}

static void
order(struct trial *t)
{
	const int i = pick(t);
	struct node *node = &t->nodes[i];
	const uint64_t bytes = seed_below(&t->seed, 8) ? seed_below(&t->seed, 900) : UINT64_MAX;
	bool fits;

	switch (seed_below(&t->seed, 10)) {
	case 0:
	case 1:
		make(t);
		break;
	case 2:
		if (i == 0 || t->banks[i].first)
			break;
		bank_done(&t->banks[i]);
		node->live = false;
		break;
	case 3:
		fits = bytes >= model_used(t, i);
		cr_assert_eq(bank_limit(&t->banks[i], bytes), fits);
		node->limit = fits ? bytes : node->limit;
		break;
	case 4:
		if (bytes > node->own)
			break;
		bank_give(&t->banks[i], bytes);
		node->own -= bytes;
		break;
	case 5:
		move(t, i, pick(t));
		break;
	default:
		fits = bytes <= model_room(t, i);
		cr_assert_eq(bank_take(&t->banks[i], bytes), fits);
		node->own += fits ? bytes : 0;
	}
}

static void
compare(struct trial *t, int i, uint64_t seed, int step)
{
	cr_assert_eq(bank_used(&t->banks[i]), model_used(t, i), "seed %llu step %d bank %d",
		(unsigned long long)seed, step, i);
	cr_assert_eq(bank_peak(&t->banks[i]), t->nodes[i].peak, "seed %llu step %d bank %d",
		(unsigned long long)seed, step, i);
	cr_assert_eq(bank_room(&t->banks[i]), model_room(t, i), "seed %llu step %d bank %d",
		(unsigned long long)seed, step, i);
}

/* Who asks moves the finger: mostly one is asked, or none. */
static void
trial(uint64_t seed)
{
	struct trial t = {.seed = {seed}};
	const uint64_t most = limit(&t.seed);

	bank_init(&t.banks[0], NULL, most);
	t.nodes[0] = (struct node){.live = true, .parent = -1, .limit = most};
	for (int step = 0; step < ORDERS; step++) {
		order(&t);
		model_peaks(&t);
		if (seed_below(&t.seed, 2))
			compare(&t, pick(&t), seed, step);
		if (step % 16 && step != ORDERS - 1)
			continue;
		bank_check(&t.banks[0]);
		for (int i = 0; i < NODES_MAX; i++)
			if (t.nodes[i].live)
				compare(&t, i, seed, step);
	}
}

/* KH_SEED=n runs that one alone. */
Test(banks, equal_a_model_that_adds_up_every_time)
{
	const char *one = getenv("KH_SEED");

	if (one)
		trial(strtoull(one, NULL, 0));
	for (uint64_t seed = 1; !one && seed <= SEEDS; seed++)
		trial(seed);
}
