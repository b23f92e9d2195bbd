/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - what this machine allows, and what to do about the rest. It is
 * tried, not guessed: sandbox/host_facts.c raises every wall in a child. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/broker_walls.h"
#include "sandbox/host_facts.h"
#include "tools/keyhold/commands.h"
#include "tools/keyhold/say.h"

/* Both tiers' names with why one is not to be had. */
static void
print_tiers(const struct host_facts *facts)
{
	for (unsigned tier = WALLS_T0; tier <= WALLS_T2; tier++) {
		const char *why = facts->why_not[tier].text;

		printf("tier    %s: %s%s\n", walls_tier_name(tier), why[0] ? "not here: " : "to be had", why);
	}
	if (facts->any && facts->tier == WALLS_T2)
		printf("run     refuses, but with --accept-tier T2: slower, for the broker reads and writes\n");
	else if (facts->any)
		printf("run     takes %s\n", walls_tier_name(facts->tier));
	else
		printf("run     refuses: no tier is to be had\n");
}

static void
find_broker(struct broker_walls_state *walls, struct report *why)
{
	report_clear(why);
	*walls = (struct broker_walls_state){0};
	(void)broker_walls_probe(walls, why);
}

static void
print_broker(void)
{
	struct broker_walls_state walls;
	struct report why;

	find_broker(&walls, &why);
	for (unsigned i = 0; i < BROKER_WALL_COUNT; i++)
		printf("broker  %s %-13s %s\n", walls.up[i] ? "up  " : "DOWN", broker_wall_name(i),
			broker_wall_stops(i));
	if (why.text[0])
		printf("        %s\n", why.text);
}

static json_t *
broker_json(void)
{
	struct broker_walls_state walls;
	json_t *json = json_object();
	struct report why;

	find_broker(&walls, &why);
	for (unsigned i = 0; i < BROKER_WALL_COUNT; i++)
		json_object_set_new(json, broker_wall_name(i), json_boolean(walls.up[i]));
	return json;
}

static void
print_text(const struct host_facts *facts, const struct host_advice *advice, size_t count)
{
	print_tiers(facts);
	printf("kernel  Linux %s %s\n", facts->kernel, facts->machine);
	printf("user    %s\n", facts->root ? "root; the worker becomes nobody" : "not root");
	if (facts->landlock_abi)
		printf("kernel  Landlock %d\n", facts->landlock_abi);
	for (unsigned i = 0; facts->any && i < WALL_COUNT; i++)
		if (walls_wall_in(i, facts->tier) || facts->walls.up[i])
			printf("%-7s %-13s %s\n", facts->walls.up[i] ? "up" : "DOWN", walls_wall_name(i),
				walls_wall_stops(i));
	print_broker();
	for (size_t i = 0; i < count; i++)
		printf("advice  %s\n        %s\n", advice[i].what, advice[i].remedy);
}

static void
print_json(const struct host_facts *facts, const struct host_advice *advice, size_t count)
{
	json_t *json = json_object(), *walls = json_object(), *list = json_array();

	for (unsigned i = 0; i < WALL_COUNT; i++)
		json_object_set_new(walls, walls_wall_name(i), json_boolean(facts->walls.up[i]));
	for (size_t i = 0; i < count; i++) {
		json_t *one = json_object();

		json_object_set_new(one, "what", json_string(advice[i].what));
		json_object_set_new(one, "remedy", json_string(advice[i].remedy));
		json_array_append_new(list, one);
	}
	json_object_set_new(json, "v", json_integer(1));
	json_object_set_new(json, "tier",
		facts->any ? json_string(walls_tier_name(facts->tier)) : json_null());
	json_object_set_new(json, "kernel", json_string(facts->kernel));
	json_object_set_new(json, "machine", json_string(facts->machine));
	json_object_set_new(json, "root", json_boolean(facts->root));
	json_object_set_new(json, "io_uring", json_boolean(!facts->uring_error));
	json_object_set_new(json, "seccomp", json_boolean(facts->seccomp));
	json_object_set_new(json, "landlock_abi", json_integer(facts->landlock_abi));
	json_object_set_new(json, "walls", walls);
	json_object_set_new(json, "broker", broker_json());
	json_object_set_new(json, "advice", list);
	json_dumpf(json, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
	json_decref(json);
}

int
command_doctor(int argc, char **argv)
{
	struct host_advice advice[HOST_ADVICE_MAX];
	struct host_facts facts;
	struct options options;
	const int status = command_begin(COMMAND_DOCTOR, argc, argv, &options);
	size_t count;

	if (status >= 0)
		return status;
	host_facts_find(&facts);
	count = host_facts_advise(&facts, advice);
	if (options_has(&options, OPTION_JSON))
		print_json(&facts, advice, count);
	else
		print_text(&facts, advice, count);
	options_done(&options);
	return command_end(facts.any ? 0 : 1);
}
