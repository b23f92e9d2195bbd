/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/host_facts.h"
#include "sandbox/walls.h"

static struct walls_plan
plan_of(const char *tier)
{
	struct walls_plan plan;

	cr_assert_eq(walls_plan_init(&plan, tier, NULL), 0);
	return plan;
}

Test(plan, takes_the_best_unless_told)
{
	struct walls_plan plan = plan_of(NULL);

	cr_expect_eq(plan.tier, WALLS_T0);
	cr_expect_eq(plan.tier_least, WALLS_T1);
	plan = plan_of("T1");
	cr_expect_eq(plan.tier, WALLS_T1);
	cr_expect_eq(plan.tier_least, WALLS_T1);
	plan = plan_of("T0");
	cr_expect_eq(plan.tier_least, WALLS_T0);
}

Test(plan, refuses_what_is_no_tier)
{
	struct walls_plan plan;
	struct report report;

	report_clear(&report);
	cr_expect_eq(walls_plan_init(&plan, "t0", &report), -EINVAL);
	cr_expect(strstr(report.text, "\"t0\" is no tier"));
	plan = plan_of(NULL);
	cr_expect_not(walls_plan_accept(&plan, "T3"));
	cr_expect_not(walls_plan_accept(&plan, ""));
}

Test(plan, goes_without_a_ring_only_where_that_is_accepted)
{
	struct walls_plan plan = plan_of(NULL);

	cr_expect_not(walls_plan_ringless(&plan), "T1 is the least by itself");
	cr_expect(walls_plan_accept(&plan, "T2"));
	cr_expect_eq(plan.tier, WALLS_T0, "the best all the same");
	cr_expect(walls_plan_ringless(&plan));
	cr_expect_eq(plan.tier, WALLS_T2);
	plan = plan_of(NULL);
	cr_expect(walls_plan_accept(&plan, "T0"));
	cr_expect_not(walls_plan_lower(&plan, -EPERM), "T0 or nothing");
	cr_expect_not(walls_plan_ringless(&plan));
	plan = plan_of("T1");
	cr_expect(walls_plan_accept(&plan, "T2"));
	cr_expect_not(walls_plan_ringless(&plan), "T1 is forced");
}

Test(plan, is_told_to_the_worker_in_a_word)
{
	static const char *const words[] = {"T0", "T1", "T2"};

	for (size_t i = 0; i < 3; i++) {
		struct walls_plan plan = plan_of(words[i]), told = plan_of(NULL);

		for (int lowered = 0; lowered < 2; lowered++) {
			walls_plan_told(&told, walls_plan_word(&plan));
			cr_expect_eq(told.tier, plan.tier);
			cr_expect_eq(told.own_namespaces, plan.own_namespaces);
			if (!walls_plan_lower(&plan, -EPERM))
				break;
		}
	}
}

Test(plan, keeps_the_ring_and_no_more_than_it_can)
{
	struct walls_plan plan = plan_of(NULL);

	cr_expect_eq(plan.keep_count, 1);
	cr_expect_eq(plan.keep[0], WALLS_RING_FD);
	cr_expect_eq(walls_plan_keep(&plan, WALLS_RING_FD), 0);
	cr_expect_eq(plan.keep_count, 1, "the same descriptor twice is once");
	for (int fd = 10; fd < 10 + WALLS_KEEP_MAX - 1; fd++)
		cr_expect_eq(walls_plan_keep(&plan, fd), 0);
	cr_expect_eq(walls_plan_keep(&plan, 99), -E2BIG);
}

Test(plan, is_lowered_only_where_namespaces_were_refused)
{
	static const int refusals[] = {-EPERM, -EACCES, -ENOSPC, -EUSERS, -EINVAL};
	struct walls_plan plan;

	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		plan = plan_of(NULL);
		cr_expect(walls_plan_lower(&plan, refusals[i]));
		cr_expect_eq(plan.tier, WALLS_T1);
		cr_expect_not(walls_plan_lower(&plan, refusals[i]), "there is nothing below");
		plan = plan_of("T0");
		cr_expect_not(walls_plan_lower(&plan, refusals[i]), "it was demanded");
	}
	plan = plan_of(NULL);
	cr_expect_not(walls_plan_lower(&plan, -ENOMEM));
	cr_expect_not(walls_plan_lower(&plan, -ENOENT));
	cr_expect_eq(plan.tier, WALLS_T0);
}

Test(plan, names_the_namespaces_of_birth)
{
	struct walls_plan plan = plan_of("T0");

	plan.root = false;
	cr_expect_eq(walls_clone_flags(&plan), CLONE_NEWUSER | CLONE_NEWPID);
	plan.root = true;
	cr_expect_eq(walls_clone_flags(&plan), CLONE_NEWPID);
	plan = plan_of("T1");
	cr_expect_eq(walls_clone_flags(&plan), 0);
}

Test(plan, prints_what_it_is)
{
	struct walls_plan plan = plan_of("T1");
	char text[200];

	plan.root = false;
	cr_assert_eq(walls_plan_keep(&plan, 5), 0);
	cr_expect_gt(walls_plan_print(&plan, text, sizeof text), 0);
	cr_expect(strstr(text, "tier T1 (at least T1), keeps descriptors 3,5, as the user"), "%s",
		text);
}

Test(walls, are_in_the_tiers_they_say)
{
	unsigned int in[WALLS_T2 + 1] = {0};

	for (unsigned int i = 0; i < WALL_COUNT; i++) {
		cr_expect(walls_wall_in((enum wall)i, WALLS_T0));
		in[WALLS_T0] += walls_wall_in((enum wall)i, WALLS_T0);
		in[WALLS_T1] += walls_wall_in((enum wall)i, WALLS_T1);
		in[WALLS_T2] += walls_wall_in((enum wall)i, WALLS_T2);
		cr_expect_gt(strlen(walls_wall_name((enum wall)i)), 0);
		cr_expect_gt(strlen(walls_wall_stops((enum wall)i)), 0);
	}
	cr_expect_eq(in[WALLS_T0], WALL_COUNT);
	cr_expect_lt(in[WALLS_T1], in[WALLS_T0]);
	cr_expect_eq(in[WALLS_T2] + 1, in[WALLS_T1], "the ring's");
	cr_expect_not(walls_wall_in(WALL_ring_fenced, WALLS_T2));
	cr_expect_not(walls_wall_in(WALL_root_empty, WALLS_T1));
	cr_expect(walls_wall_in(WALL_seccomp, WALLS_T1));
}

Test(walls, are_all_in_security_md)
{
	static char text[64 << 10];
	FILE *file = fopen(SECURITY_MD, "r");
	char word[40];

	cr_assert(file, SECURITY_MD);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	(void)fclose(file);
	for (unsigned int i = 0; i < WALL_COUNT; i++) {
		(void)snprintf(word, sizeof word, "`%s`", walls_wall_name((enum wall)i));
		cr_expect(strstr(text, word), "docs/security.md does not tell of %s", word);
	}
}

static bool
advises(const struct host_facts *facts, const char *word)
{
	struct host_advice advice[HOST_ADVICE_MAX];
	const size_t count = host_facts_advise(facts, advice);

	for (size_t i = 0; i < count; i++)
		if (strstr(advice[i].what, word))
			return true;
	return false;
}

Test(host_facts, are_found_by_trying)
{
	struct host_facts facts;

	host_facts_find(&facts);
	cr_expect_gt(strlen(facts.kernel), 0);
	cr_expect_eq(facts.root, geteuid() == 0);
	if (facts.any)
		cr_expect(facts.walls.up[WALL_seccomp]);
	else
		cr_expect_neq(facts.why_not[WALLS_T1].text[0], '\0',
			"a tier that is not to be had says why");
	cr_expect_eq(facts.any && facts.tier == WALLS_T0, !facts.why_not[WALLS_T0].text[0]);
}

Test(host_facts, advise_about_what_is_missing_only)
{
	struct host_facts facts = {.uring_lacks = -1,
		.uring_disabled = 0,
		.landlock_abi = 7,
		.seccomp = true,
		.any = true};
	struct host_advice advice[HOST_ADVICE_MAX];

	facts.walls.up[WALL_userns] = true;
	for (unsigned int i = 0; i <= WALLS_T2; i++)
		report_clear(&facts.why_not[i]);
	cr_expect_eq(host_facts_advise(&facts, advice), 0);

	facts.uring_error = EPERM;
	facts.uring_disabled = 2;
	cr_expect(advises(&facts, "io_uring is switched off"));
	facts.uring_disabled = 0;
	cr_expect(advises(&facts, "io_uring is refused"));
	facts.uring_error = ENOSYS;
	cr_expect(advises(&facts, "no io_uring"));
	facts.uring_error = 0;
	facts.uring_lacks = 22;
	cr_expect(advises(&facts, "lacks operations"));
	facts.uring_lacks = 55;
	cr_expect_not(advises(&facts, "lacks operations"), "the broker truncates instead");
	facts.landlock_abi = 0;
	cr_expect(advises(&facts, "no Landlock"));
	facts.seccomp = false;
	cr_expect(advises(&facts, "filter"));
	report_say(&facts.why_not[WALLS_T0], 0, "refused");
	cr_expect(advises(&facts, "T0 needs"));
}
