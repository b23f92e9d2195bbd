/* SPDX-License-Identifier: Apache-2.0 */
/* tree_bench.c - what a tree of domains costs: over kernel/ and caps/ alone, with
 * guests that make their own children through the gate.
 *
 * usage: tree_bench GUESTS call [COUNT]
 *        tree_bench GUESTS depth DEPTH STEPS [own]
 *        tree_bench GUESTS depths [PAIRS] | refuel [DEPTH] | cut [TREES]
 *        tree_bench GUESTS density [THOUSANDS [LUA.wasm]] | fork [FORKS [LUA.wasm]]
 *
 * GUESTS is the folder of the .wasm of tests/guests. Each figure has the guest's
 * module, its bytes and its depth beside it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "drivers/host_linux.h"
#include "kernel/gate.h"
#include "kernel/world_state.h"
#include "tests/support/house.h"
#include "tests/support/seeds.h"

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

/* The worker's own host: one arena, one memfd of pages. */
static struct host *
linux_host(uint64_t bank_bytes, uint64_t store_bytes)
{
	const int fd = memfd_create("pages", 0);
	const struct host_linux_config config = {.bank_bytes = bank_bytes, .store_fd = fd,
		.store_bytes = store_bytes};
	struct report report;
	struct host *host;
	uint64_t arena;

	report_clear(&report);
	if (fd < 0 || ftruncate(fd, (off_t)store_bytes) ||
		host_linux_open(&config, &report, &host, &arena))
		house_fail("host", report.text);
	(void)close(fd);
	return host;
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
	house_open(house, EXECUTOR_FAST, linux_host(UINT64_C(4) << 30, 64 << 20));
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

/* Looks before each step whether the deepest is about to make it. */
struct watch {
	struct domain *leaf;
	uint64_t start, in_leaf, first, last;
};

static bool
watch(void *user)
{
	struct watch *w = user;
	const uint64_t now = now_ns();

	if (w->start)
		w->in_leaf += now - w->start;
	w->start = 0;
	if (w->leaf && w->leaf->world->ready.head == w->leaf) {
		w->start = w->last = now;
		if (!w->first)
			w->first = now;
	}
	return false;
}

enum { DEPTHS = 3, RESUMES = 1000, LEAF_STEPS = 300000 };

static int
bench_depths(uint64_t pairs)
{
	static const uint64_t depths[DEPTHS] = {1, 1000, 100000};
	static struct house houses[DEPTHS];
	static struct watch watches[DEPTHS];
	uint64_t *work[DEPTHS], *resume[DEPTHS], gas[DEPTHS][2], words[DEPTHS];

	for (int d = 0; d < DEPTHS; d++) {
		houses[d] = (struct house){.poked = watch, .user = &watches[d]};
		nest(&houses[d], depths[d], false);
		watches[d].leaf = deepest(&houses[d]);
		work[d] = calloc(pairs, sizeof **work);
		resume[d] = calloc(pairs, sizeof **resume);
		if (!work[d] || !resume[d])
			house_fail("depths", "no memory");
	}
	for (uint64_t i = 0; i < pairs; i++) /* by turns */
		for (int d = 0; d < DEPTHS; d++) {
			struct watch *w = &watches[d];
			const uint64_t before = w->leaf->gas_guest + w->leaf->gas_host;

			*w = (struct watch){.leaf = w->leaf};
			(void)timed(&houses[d], LEAF_STEPS);
			work[d][i] = w->in_leaf;
			words[d] = houses[d].root->stop.word;
			gas[d][0] = w->leaf->gas_guest + w->leaf->gas_host - before;
			*w = (struct watch){.leaf = w->leaf};
			(void)timed(&houses[d], (uint64_t)RESUMES << 48);
			resume[d][i] = (w->last - w->first) / RESUMES;
			gas[d][1] = w->leaf->gas_guest + w->leaf->gas_host - before - gas[d][0];
		}
	for (int d = 0; d < DEPTHS; d++) {
		const char *of = house_words(&houses[d]);

		say("the deepest works 300,000 steps: gas", gas[d][0], "units", of, depths[d]);
		say("... and comes to", words[d], "", of, depths[d]);
		say("... wall time, median", rank(work[d], pairs, 50), "ns", of, depths[d]);
		say("stopped and resumed 1,000 times: gas", gas[d][1], "units", of, depths[d]);
		say("... wall time of one, median", rank(resume[d], pairs, 50), "ns", of, depths[d]);
		if (gas[d][0] != gas[0][0] || gas[d][1] != gas[0][1] || words[d] != words[0])
			house_fail("depths", "not the same at each depth");
	}
	printf("pairs: %" PRIu64 "\n", pairs);
	return 0;
}

enum { REFUEL_STEPS = 20000000 };

/* The first one's line is dry while the deepest runs; its owner refuels it. */
static int
bench_refuel(uint64_t depth)
{
	struct watch w = {0};
	struct house house = {.poked = watch, .user = &w};
	uint64_t start, dry, again, down;

	nest(&house, depth, false);
	w.leaf = deepest(&house);
	down = line_used(world_clock(house.world), &house.root->meter.line);
	(void)timed(&house, 0);
	down = line_used(world_clock(house.world), &house.root->meter.line) - down;
	line_limit(world_clock(house.world), &house.root->meter.line, down + 10000000);
	w.last = 0;
	(void)house_go(&house, REFUEL_STEPS);
	if (!w.last || !house.root->interrupted || house.root->stop.reason != STOP_OUT_OF_GAS)
		house_fail("refuel", "it was not dry");
	dry = now_ns() - w.last;
	start = now_ns();
	domain_feed(house.root, UINT64_C(1) << 50);
	domain_start(house.root);
	again = now_ns() - start;
	(void)world_run(house.world, house.root, true);
	say("dry at the top: its last slice, and its owner hears", dry, "ns", house_words(&house), depth);
	say("refuelled at the top and ready again", again, "ns", house_words(&house), depth);
	printf("then it comes to %016" PRIx64 "\n", house.root->stop.word);
	return house.root->stop.reason != STOP_YIELDED;
}

/* --- cuts ------------------------------------------------------------------------------ */

enum { MANAGERS = 100, CUT_REVOKED = 4 };

/* All the keys below the first, by whether they are alive now. */
static uint64_t
keys_below(struct house *house, bool alive)
{
	struct grants *grants = world_grants(house->world);
	struct domain *at = house->root;
	uint64_t count = 0;

	while ((at = domain_walk(at, house->root)))
		for (uint32_t i = 0; i < at->slots_count; i++)
			count += at->slots[i].kind == KIND_meter && at->slots[i].grant != GRANT_NONE &&
				key_alive(grants, &at->slots[i]) == alive;
	return count;
}

/* The order alone, without what its invoker does around it. */
static uint64_t cut_took;

static enum order_end
invoke_timed(struct invocation *inv)
{
	const uint64_t start = now_ns();
	const enum order_end end = caps_all.invoke(inv);

	if (inv->key.kind == KIND_grant)
		cut_took = now_ns() - start;
	return end;
}

static int
bench_cut(uint64_t trees)
{
	struct caps caps = caps_all;
	struct house house = {.caps = &caps};
	uint64_t *took = calloc(trees, sizeof *took), *cut = calloc(trees, sizeof *cut), keys = 0;

	caps.invoke = invoke_timed;
	if (!took || !cut)
		house_fail("cut", "no memory");
	house_open(&house, EXECUTOR_FAST, linux_host(UINT64_C(4) << 30, 64 << 20));
	house_root(&house, guest("cut"), GAS_NO_LIMIT);
	house_task(&house, (struct house_task){.count = MANAGERS});
	for (uint64_t i = 0; i < trees; i++) {
		if (house_go(&house, 0) != STOP_YIELDED || house.root->stop.word)
			house_fail("cut", "no tree");
		keys = keys_below(&house, true);
		took[i] = now_ns();
		if (house_go(&house, 0) != STOP_YIELDED || house.root->stop.word != CUT_REVOKED)
			house_fail("cut", "what was cut is not revoked");
		took[i] = now_ns() - took[i];
		cut[i] = cut_took;
		if (keys_below(&house, true))
			house_fail("cut", "a key below lives");
	}
	say("keys below one grant", keys, "keys", house_words(&house), 3);
	say("domains that hold them", MANAGERS * 100, "domains", house_words(&house), 3);
	say("one cut: median", rank(cut, trees, 50), "ns", house_words(&house), 0);
	say("... 99 of 100 within", rank(cut, trees, 99), "ns", house_words(&house), 0);
	say("resumed, cut, tried once, stopped: median", rank(took, trees, 50), "ns", house_words(&house), 0);
	say("... 99 of 100 within", rank(took, trees, 99), "ns", house_words(&house), 0);
	printf("cuts: %" PRIu64 "\n", trees);
	return 0;
}

/* --- crowds -------------------------------------------------------------------------- */

enum { LUA_EVERY = 30, LUA_ANSWER = 42, KIDS = 1000, WAKES = 2000, FAMILY = 100 };

static uint64_t
resident_bytes(void)
{
	unsigned long long total, resident;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%llu %llu", &total, &resident) != 2)
		house_fail("resident", "no /proc/self/statm");
	(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
crowd(struct house *house, uint64_t managers, uint64_t kids, const char *lua)
{
	house_open(house, EXECUTOR_FAST, linux_host(UINT64_C(16) << 30, UINT64_C(12) << 30));
	house_root(house, guest("crowd"), GAS_NO_LIMIT);
	if (lua)
		house_module(house, "lua_at", "lua_bytes_at", lua);
	house_task(house, (struct house_task){
		.count = managers, .word = kids, .depth = lua ? LUA_EVERY : 0});
	if (house_go(house, 0) != STOP_YIELDED || house->root->stop.word) {
		fprintf(stderr, "%016" PRIx64 "\n", ~house->root->stop.word);
		house_fail("crowd", "was not made");
	}
}

static void
must_answer(struct house *house, uint64_t word, uint64_t kid, uint64_t times, bool lua)
{
	const uint64_t want = lua && kid % LUA_EVERY == 0 ? LUA_ANSWER : (kid + times) % 256;

	if (house_go(house, word | times << 32) != STOP_YIELDED || house->root->stop.word != want) {
		fprintf(stderr, "kid %" PRIu64 ": %016" PRIx64 "\n", kid, house->root->stop.word);
		house_fail("crowd", "a wrong answer");
	}
}

static void
put_away(struct house *house)
{
	for (struct domain *at = house->root; at; at = domain_walk(at, house->root))
		if (store_cool(at->store))
			house_fail("crowd", "the page store is full");
}

static int
bench_density(uint64_t managers, const char *lua)
{
	struct house house = {0};
	uint64_t times[2][WAKES], before = resident_bytes(), start = now_ns(), bytes;
	struct seed seed = {11};
	static const char *const how[] = {"as it ran", "put away"};

	crowd(&house, managers, KIDS, lua);
	say("crowd made: each", (now_ns() - start) / (managers * KIDS), "ns", house_words(&house), 2);
	for (int cold = 0; cold < 2; cold++) {
		if (cold)
			put_away(&house);
		bytes = resident_bytes() - before;
		printf("%s:\n", how[cold]);
		say("resident", bytes >> 20, "MiB", house_words(&house), 2);
		say("... each of them", bytes / (managers * KIDS), "bytes", house_words(&house), 2);
		for (int i = 0; i < WAKES; i++) {
			const uint64_t kid = seed_below(&seed, managers * KIDS);

			start = now_ns();
			must_answer(&house, UINT64_C(1) << 56 | kid, kid % KIDS,
				seed_below(&seed, 65536), lua);
			times[cold][i] = now_ns() - start;
		}
		say("a random one woken answers: median", rank(times[cold], WAKES, 50), "ns",
			house_words(&house), 2);
		say("... 99 of 100 within", rank(times[cold], WAKES, 99), "ns", house_words(&house), 2);
	}
	say("domains", world_domains(house.world), "domains", house_words(&house), 2);
	return 0;
}

static uint64_t fork_took;

static enum order_end
invoke_fork_timed(struct invocation *inv)
{
	const uint64_t start = now_ns();
	const enum order_end end = caps_all.invoke(inv);

	if (inv->key.kind == KIND_domain && inv->order == 13)
		fork_took = now_ns() - start;
	return end;
}

static int
bench_fork(uint64_t forks, const char *lua)
{
	struct caps caps = caps_all;
	struct house house = {.caps = &caps};
	uint64_t *took = calloc(forks, sizeof *took), before, forked;

	caps.invoke = invoke_fork_timed;
	if (!took)
		house_fail("fork", "no memory");
	crowd(&house, 1, FAMILY - 1, lua);
	before = resident_bytes();
	say("resident before", before >> 10, "KiB", house_words(&house), 2);
	for (uint64_t i = 0; i < forks; i++) {
		if (house_go(&house, UINT64_C(2) << 56 | i) != STOP_YIELDED || house.root->stop.word)
			house_fail("fork", "no copy");
		took[i] = fork_took;
	}
	forked = resident_bytes();
	say("a tree of 100 forked: median", rank(took, forks, 50), "ns", house_words(&house), 2);
	say("... 99 of 100 within", rank(took, forks, 99), "ns", house_words(&house), 2);
	say("... resident for each copy", (forked - before) / forks, "bytes", house_words(&house), 2);
	for (uint64_t i = 0; i < forks; i++)
		for (uint64_t kid = 0; kid < FAMILY - 1; kid++)
			must_answer(&house, UINT64_C(3) << 56 | kid << 16 | i, kid, (i + 1) & 0xffff, lua);
	say("... and once all of each has run", (resident_bytes() - before) / forks, "bytes",
		house_words(&house), 2);
	put_away(&house);
	say("... and was put away", (resident_bytes() - before) / forks, "bytes", house_words(&house), 2);
	world_check(house.world);
	free(took);
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
	if (!strcmp(argv[2], "depths"))
		return bench_depths(number(argc, argv, 3, 31));
	if (!strcmp(argv[2], "refuel"))
		return bench_refuel(number(argc, argv, 3, 100000));
	if (!strcmp(argv[2], "cut"))
		return bench_cut(number(argc, argv, 3, 100));
	if (!strcmp(argv[2], "density"))
		return bench_density(number(argc, argv, 3, 100), argc > 4 ? argv[4] : NULL);
	if (!strcmp(argv[2], "fork"))
		return bench_fork(number(argc, argv, 3, 1000), argc > 4 ? argv[4] : NULL);
	house_fail(argv[2], "no such bench");
}
