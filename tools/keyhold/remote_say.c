/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tools/keyhold/json.h"
#include "tools/keyhold/remote.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"

static uint64_t
count_of(const json_t *json, const char *name)
{
	const json_int_t count = json_integer_value(json_object_get(json, name));

	return count < 0 ? 0 : (uint64_t)count;
}

/* "-" for what has no limit. */
static const char *
limit_of(const json_t *json, const char *name, char text[static UNITS_TEXT_MAX])
{
	return json_is_null(json_object_get(json, name)) ? "-" : units_group(count_of(json, name), text);
}

static const char *
state_of(const json_t *domain)
{
	const char *state = json_text_of(domain, "state"), *stop = json_text_of(domain, "stop");

	return !strcmp(state, "stopped") && *stop ? stop : state;
}

static void
more(FILE *out, const json_t *ok)
{
	if (json_is_true(json_object_get(ok, "more")))
		fputs("(and more, which had no room in one answer)\n", out);
}

/* The same domain, as it was. */
static const json_t *
before_of(const json_t *before, const char *path)
{
	const json_t *domains = json_object_get(before, "domains");
	size_t i;
	json_t *domain;

	json_array_foreach((json_t *)(uintptr_t)domains, i, domain)
		if (!strcmp(json_text_of(domain, "path"), path))
			return domain;
	return NULL;
}

void
remote_domains(FILE *out, const json_t *ok, const json_t *before, double seconds)
{
	const json_t *domains = json_object_get(ok, "domains");
	size_t i;
	json_t *domain;

	fprintf(out, "%-32s %-14s %18s %18s %14s %14s\n", "DOMAIN", "STATE", before ? "GAS/S" : "GAS",
		"GAS LEFT", "STORAGE", "LIMIT");
	json_array_foreach((json_t *)(uintptr_t)domains, i, domain) {
		const json_t *gas = json_object_get(domain, "gas");
		const json_t *storage = json_object_get(domain, "storage");
		const json_t *then = before_of(before, json_text_of(domain, "path"));
		uint64_t used = count_of(gas, "used");
		char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], c[UNITS_TEXT_MAX], d[UNITS_TEXT_MAX];

		if (before) {
			const uint64_t was = then ? count_of(json_object_get(then, "gas"), "used") : 0;

			used = used > was && seconds > 0 ? (uint64_t)((double)(used - was) / seconds) : 0;
		}
		fprintf(out, "%-32s %-14s %18s %18s %14s %14s\n", json_text_of(domain, "path"), state_of(domain),
			units_group(used, a), limit_of(gas, "left", b), units_group(count_of(storage, "used"), c),
			limit_of(storage, "limit", d));
	}
	more(out, ok);
}

static void
say_tree(const json_t *ok)
{
	const json_t *domains = json_object_get(ok, "domains");
	size_t i;
	json_t *domain;

	json_array_foreach((json_t *)(uintptr_t)domains, i, domain) {
		const char *path = json_text_of(domain, "path"), *name = strrchr(path, '/');
		const uint64_t depth = count_of(domain, "depth");

		printf("%*s%s  %s%s\n", depth > 40 ? 80 : (int)depth * 2, "", name ? name + 1 : path,
			state_of(domain), json_is_true(json_object_get(domain, "device")) ? ", for a device" : "");
	}
	more(stdout, ok);
}

static void
say_keys(const json_t *ok)
{
	const json_t *keys = json_object_get(ok, "keys");
	size_t i;
	json_t *key;

	printf("%-28s %-8s %12s %12s %7s  %s\n", "KEY", "STATE", "READ", "WRITTEN", "DENIED", "SPEC");
	json_array_foreach((json_t *)(uintptr_t)keys, i, key) {
		const json_t *ends = json_object_get(key, "ends_in_ms");
		char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], c[UNITS_TEXT_MAX];

		printf("%-28s %-8s %12s %12s %7s  %s", json_text_of(key, "key"), json_text_of(key, "state"),
			units_group(count_of(key, "read"), a), units_group(count_of(key, "written"), b),
			units_group(count_of(key, "denied"), c), json_text_of(key, "spec"));
		if (json_is_integer(ends))
			printf("  (%llu s left)", (unsigned long long)json_integer_value(ends) / 1000);
		if (json_is_integer(json_object_get(key, "uses_left")))
			printf("  (%s uses left)", units_group(count_of(key, "uses_left"), a));
		fputc('\n', stdout);
	}
	more(stdout, ok);
}

static void
say_line(const char *what, const char *text)
{
	if (*text)
		printf("  %-6s %s\n", what, text);
}

static void
say_whys(const json_t *ok)
{
	const json_t *whys = json_object_get(ok, "why"), *broker = json_object_get(ok, "broker");
	char count[UNITS_TEXT_MAX];
	size_t i;
	json_t *why;

	if (!json_array_size(whys) && !json_array_size(broker))
		puts("nothing was refused");
	json_array_foreach((json_t *)(uintptr_t)whys, i, why) {
		printf("%s: %s%s, %s time%s\n", json_text_of(why, "domain"), json_text_of(why, "what"),
			json_is_true(json_object_get(why, "missing")) ? " (missing)" : "",
			units_group(count_of(why, "count"), count), count_of(why, "count") == 1 ? "" : "s");
		say_line("key", json_text_of(why, "key"));
		say_line("why", json_text_of(why, "why"));
		say_line("saw", json_text_of(why, "saw"));
		say_line("allow", json_text_of(why, "allow"));
	}
	json_array_foreach((json_t *)(uintptr_t)broker, i, why) {
		printf("broker: %s \"%s\", %s time%s\n", json_text_of(why, "what"), json_text_of(why, "path"),
			units_group(count_of(why, "count"), count), count_of(why, "count") == 1 ? "" : "s");
		say_line("key", json_text_of(why, "key"));
		say_line("why", json_text_of(why, "why"));
	}
	more(stdout, ok);
}

void
remote_say(enum command command, const json_t *ok)
{
	char text[UNITS_TEXT_MAX];

	switch (command) {
	case COMMAND_PS:
	case COMMAND_TOP:
		remote_domains(stdout, ok, NULL, 0);
		return;
	case COMMAND_TREE:
		say_tree(ok);
		return;
	case COMMAND_KEYS:
		say_keys(ok);
		return;
	case COMMAND_WHY:
		say_whys(ok);
		return;
	case COMMAND_GRANT:
		say("granted %s (%s)", json_text_of(ok, "key"), json_text_of(ok, "spec"));
		if (json_is_integer(json_object_get(ok, "slot")))
			say_more("slot   %llu: its program is none of WASI's, and calls keys by their slots",
				(unsigned long long)count_of(ok, "slot"));
		return;
	case COMMAND_REVOKE:
		say("revoked %s; %s waited under it", json_text_of(ok, "revoked"),
			units_group(count_of(ok, "woken"), text));
		return;
	case COMMAND_SNAPSHOT:
		say("kept %s: %s bytes", json_text_of(ok, "domain"), units_group(count_of(ok, "bytes"), text));
		return;
	default:
		return;
	}
}
