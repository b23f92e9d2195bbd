/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/grant.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "kernel/key.h"
#include "tests/support/fake_host.h"
#include "tests/support/seeds.h"

static struct fake_host host;
static struct heap heap;
static struct grants grants;

static void
open_grants(void)
{
	fake_host_init(&host);
	heap_init(&heap, &host.host);
	grants_init(&grants, &heap);
}

static void
close_grants(void)
{
	grants_check(&grants);
	grants_done(&grants);
	cr_assert_eq(heap.bytes_used, 0);
	heap_done(&heap);
	cr_assert_eq(host.reserved, 0);
}

TestSuite(grant, .init = open_grants, .fini = close_grants);

static bool
alive(uint32_t grant)
{
	return grant_alive(&grants, grant, grants.at[grant].generation);
}

Test(grant, one_cut_kills_all_below_and_nothing_else)
{
	const uint32_t root = grant_new(&grants, GRANT_NONE), left = grant_new(&grants, root),
		       right = grant_new(&grants, root);
	uint32_t deep = left;

	for (int i = 0; i < 1000; i++)
		deep = grant_new(&grants, deep);
	cr_assert(alive(deep));
	grant_cut(&grants, left);
	cr_assert_not(alive(deep));
	cr_assert_not(alive(left));
	cr_assert(alive(right));
	cr_assert(alive(root));
	grant_cut(&grants, root);
	cr_assert_not(alive(right));
}

Test(grant, the_usual_check_is_one_compare)
{
	uint32_t deep = grant_new(&grants, GRANT_NONE);
	const uint32_t root = deep;

	for (int i = 0; i < 100; i++)
		deep = grant_new(&grants, deep);
	cr_assert(alive(deep));
	cr_assert_eq(grants.at[deep].alive_at, grants.at[root].epoch);
	cr_assert_eq(grants.at[root].alive_at, grants.at[root].epoch, "the whole way learns it");
}

Test(grant, one_made_below_a_dead_one_is_dead)
{
	const uint32_t root = grant_new(&grants, GRANT_NONE);

	grant_cut(&grants, root);
	cr_assert_not(alive(grant_new(&grants, root)));
}

Test(grant, roots_have_epochs_of_their_own)
{
	const uint32_t a = grant_new(&grants, GRANT_NONE), b = grant_new(&grants, GRANT_NONE);

	cr_assert(alive(b));
	grant_cut(&grants, a);
	cr_assert_eq(grants.at[b].alive_at, grants.at[b].epoch, "b is not walked again");
	cr_assert(alive(b));
}

Test(grant, a_reused_index_has_another_generation)
{
	const uint32_t a = grant_new(&grants, GRANT_NONE);
	const uint32_t generation = grants.at[a].generation;
	struct key key = {.kind = 1, .grant = a, .grant_generation = generation};

	cr_assert(key_alive(&grants, &key));
	grant_drop(&grants, a);
	cr_assert_not(key_alive(&grants, &key));
	cr_assert_eq(grant_new(&grants, GRANT_NONE), a);
	cr_assert_not(key_alive(&grants, &key));
	key.grant = GRANT_NONE;
	cr_assert(key_alive(&grants, &key), "the kernel's own");
	key.grant = 12345;
	cr_assert_not(key_alive(&grants, &key), "past the last");
}

Test(grant, a_dropped_parent_is_kept_for_those_below)
{
	const uint32_t a = grant_new(&grants, GRANT_NONE), b = grant_new(&grants, a);

	grant_drop(&grants, a);
	cr_assert(grants.at[a].used);
	cr_assert(alive(b));
	grant_drop(&grants, b);
	cr_assert_not(grants.at[a].used);
	cr_assert_not(grants.at[b].used);
}

Test(grant, no_room_is_an_answer)
{
	grant_new(&grants, GRANT_NONE);
	while (grants.count < grants.room)
		grant_new(&grants, GRANT_NONE);
	heap.fail_after = 1;
	cr_assert_eq(grant_new(&grants, GRANT_NONE), GRANT_NONE);
	cr_assert_neq(grant_new(&grants, GRANT_NONE), GRANT_NONE);
}

/* Against a model that walks to the root every time. */
Test(grant, random_trees_equal_a_model_without_epochs)
{
	enum { MOST = 60 };
	for (uint64_t n = 1; n <= 500; n++) {
		struct seed seed = {n};
		uint32_t index[MOST];
		int parent[MOST], count = 0;
		bool cut[MOST] = {false};

		for (int step = 0; step < 150; step++) {
			const int i = count ? (int)seed_below(&seed, (uint64_t)count) : -1;

			if (count < MOST && (i < 0 || seed_below(&seed, 3) == 0)) {
				parent[count] = seed_below(&seed, 10) ? i : -1;
				index[count] = grant_new(&grants,
					parent[count] < 0 ? GRANT_NONE : index[parent[count]]);
				count++;
			} else if (seed_below(&seed, 12) == 0) {
				grant_cut(&grants, index[i]);
				cut[i] = true;
			} else {
				bool expect = true;

				for (int j = i; j >= 0; j = parent[j])
					expect = expect && !cut[j];
				cr_assert_eq(alive(index[i]), expect, "seed %llu step %d",
					(unsigned long long)n, step);
			}
		}
		grants_check(&grants);
		for (int i = 0; i < count; i++)
			grant_drop(&grants, index[i]);
	}
	cr_assert_leq(grants.count, MOST, "indices are reused");
}

Test(grant, check_finds_a_dead_one_held_for_alive, .signal = SIGABRT)
{
	const uint32_t a = grant_new(&grants, GRANT_NONE), b = grant_new(&grants, a);

	cr_assert(alive(b));
	grants.at[a].dead = true;
	grants_check(&grants);
}
