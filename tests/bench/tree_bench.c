/* SPDX-License-Identifier: Apache-2.0 */
/* tree_bench.c - what a tree of domains costs: over kernel/ and caps/ alone, with
 * guests that make their own children through the gate.
 *
 * usage: tree_bench GUESTS call [COUNT]
 *        tree_bench GUESTS depth DEPTH STEPS [own]
 *        tree_bench GUESTS depths [PAIRS]
 *
 * GUESTS is the folder of the .wasm of tests/guests. Each figure has the guest's
 * module, its bytes and its depth beside it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/world_state.h"
#include "tests/support/house.h"

static const char *folder;

static const char *
guest(const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/%s.wasm", folder, name);
	return path;
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Cycles of the time stamp counter; elsewhere nanoseconds. */
static uint64_t
cycles(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return now_ns();
#endif
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
rank(uint64_t *values, uint64_t count, unsigned percent)
{
	qsort(values, count, sizeof *values, compare);
	return values[count * percent / 100];
}

static void
say(const char *what, uint64_t value, const char *unit, const char *words, uint64_t depth)
{
	printf("%-52s %12" PRIu64 " %-7s | %s, call depth %" PRIu64 "\n", what, value, unit, words, depth);
	(void)fflush(stdout);
}

static uint64_t
number(int argc, char **argv, int index, uint64_t otherwise)
{
	return argc > index ? strtoull(argv[index], NULL, 0) : otherwise;
}

/* --- a call and back --------------------------------------------------------------- */

struct stamps {
	uint64_t *at, count, most;
};

/* Asked before each step: a round is two of them. */
static bool
stamp(void *user)
{
	struct stamps *stamps = user;

	if (stamps->count < stamps->most)
		stamps->at[stamps->count++] = cycles();
	return false;
}

static int
bench_call(uint64_t count)
{
	struct stamps stamps = {.most = 2 * count + 64};
	struct house house = {.poked = stamp, .user = &stamps};
	uint64_t rounds = 0;

	stamps.at = malloc(stamps.most * sizeof *stamps.at);
	if (!stamps.at)
		house_fail("call", "no memory");
	house_open(&house, EXECUTOR_FAST, NULL);
	house_root(&house, guest("rally"), GAS_NO_LIMIT);
	house_task(&house, (struct house_task){.count = count});
	stamps.count = 0;
	if (house_go(&house, 0) != STOP_RETURNED)
		house_fail("rally", "did not come to its end");
	if (stamps.count < 2 * count || stamps.count == stamps.most)
		house_fail("rally", "was not two steps a call");
	for (uint64_t i = 20; i + 2 < stamps.count; i += 2)
		stamps.at[rounds++] = stamps.at[i + 2] - stamps.at[i];
	say("a call and back: 4 words, 64 bytes, 1 key; median", rank(stamps.at, rounds, 50), "cycles",
		house_words(&house), 1);
	say("... 99 of 100 within", rank(stamps.at, rounds, 99), "cycles", house_words(&house), 1);
	say("... of so many", rounds, "calls", house_words(&house), 1);
	house_close(&house);
	free(stamps.at);
	return 0;
}

/* --- depth -------------------------------------------------------------------------- */

enum { FIRST_GAS_BITS = 60 };
#define NEST_ZERO UINT64_C(88172645463325252) /* what no steps come to */

static void
nest(struct house *house, uint64_t depth, bool own)
{
	house_open(house, EXECUTOR_FAST, NULL);
	house_root(house, guest("nest"), UINT64_C(1) << FIRST_GAS_BITS);
	house_task(house, (struct house_task){.depth = depth, .word = !own});
	if (house_go(house, 0) != STOP_YIELDED || house->root->stop.word != NEST_ZERO) {
		fprintf(stderr, "%016" PRIx64 "\n", ~house->root->stop.word);
		house_fail("nest", "did not nest");
	}
}

static struct domain *
deepest(struct house *house)
{
	struct domain *at = house->root;

	while (at->first)
		at = at->first;
	return at;
}

__attribute__((noinline)) static enum stop_reason
measured(struct house *house, uint64_t word) /* callgrind's --toggle-collect=measured */
{
	return house_go(house, word);
}

static uint64_t
timed(struct house *house, uint64_t word)
{
	const uint64_t start = now_ns();

	if (measured(house, word) != STOP_YIELDED)
		house_fail("nest", "did not go on");
	return now_ns() - start;
}

static int
bench_depth(uint64_t depth, uint64_t steps, bool own)
{
	struct house house = {0};
	uint64_t start = now_ns(), gas, took;
	struct domain *leaf;

	nest(&house, depth, own);
	say("levels made, each", (now_ns() - start) / (depth ? depth : 1), "ns", house_words(&house), depth);
	leaf = deepest(&house);
	gas = leaf->gas_guest + leaf->gas_host;
	took = timed(&house, steps);
	printf("depth %" PRIu64 ", %" PRIu64 " steps: leaf's gas %" PRIu64 ", word %016" PRIx64 ", %" PRIu64
	       " ns\n", depth, steps, leaf->gas_guest + leaf->gas_host - gas, house.root->stop.word, took);
	start = now_ns();
	line_feed(world_clock(house.world), &house.root->meter.line, 1000);
	say("refuel at the top, nothing running below", now_ns() - start, "ns", house_words(&house), depth);
	line_switch(world_clock(house.world), &leaf->meter.line);
	start = now_ns();
	line_feed(world_clock(house.world), &house.root->meter.line, 1000);
	say("refuel at the top while the deepest runs", now_ns() - start, "ns", house_words(&house), depth);
	start = now_ns();
	house_close(&house);
	say("ended, each", (now_ns() - start) / (depth ? depth : 1), "ns", "nest.wasm", depth);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		house_fail("usage", "tree_bench GUESTS call|depth|depths ..");
	folder = argv[1];
	if (!strcmp(argv[2], "call"))
		return bench_call(number(argc, argv, 3, 1000000));
	if (!strcmp(argv[2], "depth"))
		return bench_depth(number(argc, argv, 3, 1000), number(argc, argv, 4, 1000000),
			argc > 5 && !strcmp(argv[5], "own"));
	house_fail(argv[2], "no such bench");
}
