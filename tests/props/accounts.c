/* SPDX-License-Identifier: Apache-2.0 */
/* accounts.c - accounts close: random operations on a world of domains against a
 * small model. A plain program.
 *
 * usage: accounts LEDGER.wasm [OPERATIONS [SEED]]            TAP on stdout
 *
 * Spawn, grow, call, trap, cut, end, freeze, thaw, fork, refuel, and money moved.
 * The model knows of each domain what its line was fed, of each purse what is in
 * it, and the gas that everything took together. After each operation:
 *
 *   left + used = fed               of the domain that it was done to
 *   the gas clock = all gas used    and the root line's `used`
 *   minted = balances + burnt
 *
 * and every LOOK-th: the same of all of them, every bank, world_check(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/gate.h"
#include "kernel/world_state.h"
#include "tests/support/buffer.h"
#include "tests/support/house.h"

enum { LIVE = 48, SERVERS = 4, PURSES = 6, IMAGES = 4, LOOK = 1000, BANK = 8 << 20, KINDS_OF_OPS = 12 };

enum { NOT_PAID = -1, PAID_BY_NOBODY = -2 };

struct account {
	struct domain *domain; /* NULL: free */
	uint64_t fed, gas;     /* gas: guest's and host's, when last looked */
	int purse;             /* whose balance pays, or: */
};

static struct house house;
static struct account accounts[LIVE];
static struct key purses[PURSES];
static uint64_t balances[PURSES], burnt, minted, spent;
static struct buffer images[IMAGES];
static struct account frozen[IMAGES];
static struct module *module;
static uint64_t task_at, done[KINDS_OF_OPS];
static uint64_t operation;
static struct seed seed;

static void
hold(bool well, const char *what)
{
	if (well)
		return;
	printf("not ok 1 - operation %llu: %s\n", (unsigned long long)operation, what);
	exit(1);
}

static struct purse *
purse(int index)
{
	return object_body(house.world, &purses[index]);
}

/* --- the model --------------------------------------------------------------------- */

/* What all of them used since they were last looked at. */
static void
settle(void)
{
	for (int i = 0; i < LIVE; i++) {
		struct account *a = &accounts[i];
		uint64_t more;

		if (!a->domain)
			continue;
		more = a->domain->gas_guest + a->domain->gas_host - a->gas;
		a->gas += more;
		spent += more;
		hold(a->purse != PAID_BY_NOBODY || !more, "an empty purse paid");
		if (a->purse >= 0) {
			hold(balances[a->purse] >= more, "more was paid than there was");
			balances[a->purse] -= more;
			burnt += more;
		}
	}
}

static void
look_at(const struct account *a)
{
	const struct line *line = &a->domain->meter.line;
	const struct clock_gas *clock = world_clock(house.world);

	hold(line_left(clock, line) + line_used(clock, line) == a->fed, "left + used is not what was fed");
}

static void
look_at_all(void)
{
	const struct clock_gas *clock = world_clock(house.world);
	uint64_t held = 0;

	for (int i = 0; i < LIVE; i++)
		if (accounts[i].domain)
			look_at(&accounts[i]);
	hold(clock->now == spent, "the gas clock is not the gas that was used");
	hold(line_used(clock, &house.world->meter.line) == spent, "the root line's use is not the sum");
	for (int i = 0; i < PURSES; i++) {
		hold(purse(i)->balance == balances[i], "a purse drifted");
		held += balances[i];
	}
	hold(minted == held + burnt, "minted is not balances + burnt");
	mint_check(world_mint(house.world));
	world_check(house.world);
}

/* --- operations --------------------------------------------------------------------- */

static int
free_account(void)
{
	for (int i = SERVERS; i < LIVE; i++)
		if (!accounts[i].domain)
			return i;
	return -1;
}

static void
open_account(int i, struct domain *domain, uint64_t fed, int pays)
{
	accounts[i] = (struct account){.domain = domain, .fed = fed, .purse = pays,
		.gas = domain->gas_guest + domain->gas_host};
}

/* Of one that was paid for: by nobody now, until a payer is given. */
static void
open_copy(int i, struct domain *domain, const struct account *of)
{
	open_account(i, domain, of->fed, of->purse == NOT_PAID ? NOT_PAID : PAID_BY_NOBODY);
	hold(of->purse == NOT_PAID ? !domain->purse : domain->purse && !domain->purse->balance,
		"a copy holds money");
}

static void
spawn(int i, struct domain *parent, bool server)
{
	struct domain_config config = {.name = "d", .module = module, .bank_bytes = BANK,
		.above = {.parent = parent, .line = parent ? &parent->meter.line : NULL}};
	const uint64_t role = server;
	struct domain *domain;
	struct report report;

	report_clear(&report);
	if (domain_new(house.world, &config, &report, &domain))
		house_fail("ledger", report.text);
	(void)caps_default_entry(domain);
	memcpy(domain_mem(domain, task_at, sizeof role), &role, sizeof role);
	if (domain_slots_room(domain, 8))
		house_fail("ledger", "no slots");
	open_account(i, domain, 0, NOT_PAID);
}

static void
feed(struct account *a, uint64_t gas)
{
	domain_feed(a->domain, gas);
	a->fed += gas;
}

static void
run(struct account *a, uint64_t word)
{
	struct domain *domain = a->domain;

	domain->word_in = word;
	domain_start(domain);
	(void)world_run(house.world, domain, false);
}

/* Those that went with one that ended. */
static void
forget_ended(const struct domain *ended)
{
	for (int i = 0; i < LIVE; i++) {
		struct domain *at = accounts[i].domain;

		while (at && at != ended)
			at = at->parent;
		if (at)
			accounts[i].domain = NULL;
	}
}

static void
end(struct account *a)
{
	struct domain *domain = a->domain;

	forget_ended(domain);
	domain_end(domain);
}

/* A start key of one of the servers, under a grant that is cut at once, now and then. */
static void
lend_key(struct account *a, bool cut)
{
	const struct grant_limits limits = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	const struct key old = slot_key(a->domain, 4);
	struct key key = domain_key(accounts[seed_below(&seed, SERVERS)].domain, KIND_start);

	if (cut) {
		(void)world_grant(house.world, &key, &limits);
		world_cut(house.world, key.grant);
	}
	slot_put(a->domain, 4, &key);
	if (old.grant != GRANT_NONE && old.kind)
		grant_drop(world_grants(house.world), old.grant);
}

static bool
stands_alone(const struct account *a)
{
	return !a->domain->first && a->domain->state == DOMAIN_STOPPED;
}

static void
freeze(struct account *a, int into)
{
	if (!stands_alone(a) || (slot_key(a->domain, 4).kind && slot_key(a->domain, 4).grant != GRANT_NONE))
		return;
	domain_quiesce(a->domain);
	settle();
	buffer_done(&images[into]);
	hold(image_write(house.world, a->domain, &images[into].sink, true) == 0, "an image is not written");
	frozen[into] = *a;
}

static void
thaw(int from, int to)
{
	struct domain *domain;
	struct report report;

	report_clear(&report);
	if (to < 0 || !images[from].count)
		return;
	if (image_read(house.world, images[from].bytes, images[from].count, &report, &domain))
		house_fail("image", report.text);
	open_copy(to, domain, &frozen[from]);
}

static void
fork_one(struct account *a, int to)
{
	const struct domain_above above = {0};
	struct domain *copy;
	struct report report;

	report_clear(&report);
	if (to < 0 || !stands_alone(a) ||
		(slot_key(a->domain, 4).kind && slot_key(a->domain, 4).grant != GRANT_NONE))
		return;
	if (domain_fork(a->domain, &above, &report, &copy))
		house_fail("fork", report.text);
	settle();
	open_copy(to, copy, a);
}

static void
move_money(void)
{
	const int from = (int)seed_below(&seed, PURSES), to = (int)seed_below(&seed, PURSES);
	const uint64_t gas = seed_below(&seed, 20000);

	if (balances[from] < 1000 || seed_below(&seed, 64) == 0) {
		hold(purse_mint(purse(from), gas * 100), "no mint");
		minted += gas * 100;
		balances[from] += gas * 100;
	}
	if (purse_move(purse(from), purse(to), gas)) {
		balances[from] -= gas;
		balances[to] += gas;
	} else {
		hold(gas > balances[from], "money that is there did not move");
	}
}

static void
operate(void)
{
	const uint64_t kind = seed_below(&seed, 1000), much = seed_below(&seed, 1 << 20);
	const int i = SERVERS + (int)seed_below(&seed, LIVE - SERVERS);
	struct account *a = &accounts[i];
	struct account *parent = &accounts[SERVERS + much % (LIVE - SERVERS)];

	if (!a->domain) {
		done[0]++;
		spawn(i, parent->domain && seed_below(&seed, 2) ? parent->domain : NULL, false);
		feed(a, 1 + seed_below(&seed, 100000));
		return;
	}
	if (kind < 3) {
		end(a);
		done[1]++;
	} else if (kind < 6) {
		freeze(a, (int)(much % IMAGES));
		done[2]++;
	} else if (kind < 9) {
		thaw((int)(much % IMAGES), free_account());
		done[3]++;
	} else if (kind < 13) {
		fork_one(a, free_account());
		done[4]++;
	} else if (kind < 15) {
		run(a, 2);
		done[5]++;
	} else if (kind < 30) {
		run(a, 1 | much << 3);
		done[6]++;
	} else if (kind < 80) {
		lend_key(a, seed_below(&seed, 4) == 0);
		done[7]++;
	} else if (kind < 130) {
		move_money();
		done[8]++;
	} else if (kind < 160) {
		a->purse = seed_below(&seed, 2) ? (int)(much % PURSES) : NOT_PAID;
		domain_pay_with(a->domain, a->purse == NOT_PAID ? NULL : purse(a->purse));
		done[9]++;
	} else if (kind < 400) {
		feed(a, much % 40000);
		if (kind < 180)
			feed(&accounts[much % SERVERS], 100000);
		done[10]++;
	} else {
		run(a, kind < 650 ? 3 | much << 3 : kind < 800 ? 4 | much << 3 : much << 3);
		done[11]++;
	}
	settle();
	if (a->domain)
		look_at(a);
}

int
main(int argc, char **argv)
{
	static const char *const names[KINDS_OF_OPS] = {"spawn", "end", "freeze", "thaw", "fork", "trap",
		"grow", "lend or cut", "money", "payer", "refuel", "call, write or spin"};
	const uint64_t operations = argc > 2 ? strtoull(argv[2], NULL, 0) : 200000;

	if (argc < 2)
		house_fail("usage", "accounts LEDGER.wasm [OPERATIONS [SEED]]");
	seed = (struct seed){argc > 3 ? strtoull(argv[3], NULL, 0) : 1};
	house_open(&house, EXECUTOR_FAST, NULL);
	house_root(&house, argv[1], GAS_NO_LIMIT);
	task_at = house_ask(&house, "task_at");
	module = store_instance(house.root->store, house.root->instance)->module;
	spent = world_clock(house.world)->now;
	for (int i = 0; i < PURSES; i++) {
		purses[i] = object_key(house.world,
			object_new(house.world, KIND_purse, world_bank(house.world), sizeof(struct purse)),
			UINT32_MAX);
		purse_init(purse(i), world_mint(house.world), NULL);
		purse(i)->object = purses[i].object;
	}
	for (int i = 0; i < IMAGES; i++)
		buffer_init(&images[i]);
	for (int i = 0; i < SERVERS; i++) {
		spawn(i, NULL, true);
		feed(&accounts[i], UINT64_C(1) << 40);
		run(&accounts[i], 0);
	}
	settle();
	printf("1..1\n");
	for (operation = 1; operation <= operations; operation++) {
		operate();
		if (operation % LOOK == 0)
			look_at_all();
	}
	look_at_all();
	for (int i = LIVE - 1; i >= 0; i--)
		if (accounts[i].domain)
			end(&accounts[i]);
	domain_end(house.root);
	for (int i = 0; i < PURSES; i++)
		object_end(house.world, purses[i].object);
	hold(bank_used(world_bank(house.world)) == 0, "the root bank is not empty at the end");
	for (int i = 0; i < KINDS_OF_OPS; i++)
		printf("# %-20s %llu\n", names[i], (unsigned long long)done[i]);
	printf("# gas %llu, minted %llu, burnt %llu\n", (unsigned long long)spent,
		(unsigned long long)minted, (unsigned long long)burnt);
	printf("ok 1 - %llu operations, no drift\n", (unsigned long long)operations);
	house_close(&house);
	return 0;
}
