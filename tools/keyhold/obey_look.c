/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/obey.h"

#include <stdlib.h>
#include <string.h>

#include "caps/caps.h"
#include "kernel/device.h"

enum { ROW_MAX = 16 << 10 }; /* more than any row has: texts are cut */

/* --- names of domains ------------------------------------------------------------- */

/* Which of those before it have its name, itself counted. */
static uint32_t
ordinal(const struct domain *domain)
{
	uint32_t count = 1;

	for (const struct domain *at = domain->prev; at; at = at->prev)
		count += !strcmp(at->name, domain->name);
	return count;
}

const char *
obey_path(const struct domain *domain, char *text, uint32_t bytes)
{
	char *at = text + bytes - 1;
	char part[DOMAIN_NAME_BYTES + 16];

	*at = 0;
	for (; domain; domain = domain->parent) {
		const uint32_t which = domain->parent ? ordinal(domain) : 1;
		uint32_t n = (uint32_t)strlen(domain->name);

		memcpy(part, domain->name, n);
		if (which > 1) {
			char digits[12];
			uint32_t d = sizeof digits;

			for (uint32_t left = which; left; left /= 10)
				digits[--d] = (char)('0' + left % 10);
			part[n++] = '#';
			memcpy(part + n, digits + d, sizeof digits - d);
			n += (uint32_t)sizeof digits - d;
		}
		if ((size_t)(at - text) < (size_t)n + 1 + 4) { /* "..." stands for the rest */
			at -= 3;
			memcpy(at, "...", 3);
			return at;
		}
		at -= n;
		memcpy(at, part, n);
		if (domain->parent)
			*--at = '/';
	}
	return at;
}

/* One part of a path: its text, and which of those of that name. */
static uint32_t
part_of(const char *path, uint32_t *ret_which)
{
	const uint32_t whole = (uint32_t)strcspn(path, "/");
	const char *mark = memchr(path, '#', whole);

	*ret_which = mark ? (uint32_t)strtoul(mark + 1, NULL, 10) : 1;
	return mark ? (uint32_t)(mark - path) : whole;
}

static bool
is_named(const struct domain *domain, const char *text, uint32_t bytes)
{
	return strlen(domain->name) == bytes && !memcmp(domain->name, text, bytes);
}

struct domain *
obey_find(struct worker *worker, const char *path)
{
	struct domain *at = worker->domain;
	uint32_t which, bytes;

	if (!path)
		return at;
	bytes = part_of(path, &which);
	if (!is_named(at, path, bytes) || which != 1)
		return NULL;
	for (path += strcspn(path, "/"); at && *path; path += strcspn(path, "/")) {
		struct domain *below = at->first;

		path++;
		bytes = part_of(path, &which);
		for (; below; below = below->next)
			if (is_named(below, path, bytes) && !--which)
				break;
		at = below;
	}
	return at;
}

/* --- rows ------------------------------------------------------------------------- */

static struct answer_text
text_of(const char *text)
{
	return (struct answer_text){text, (uint32_t)strlen(text)};
}

static void
domains(struct worker *worker, struct sink *sink, struct answer_head *head, uint64_t room)
{
	struct clock_gas *clock = world_clock(worker->world);
	char text[1024];

	for (struct domain *at = worker->domain; at; at = domain_walk(at, worker->domain)) {
		struct line *line = &at->meter.line;
		uint32_t depth = 0;

		if (sink->bytes + ROW_MAX > room) {
			head->more = true;
			return;
		}
		for (const struct domain *above = at->parent; above; above = above->parent)
			depth++;
		answer_put_domain(sink, &(struct answer_domain){
			.path = text_of(obey_path(at, text, sizeof text)),
			.state = at->state, .stop = at->stop.reason, .paused = at->paused,
			.waits = at->request != 0, .used = line_used(clock, line),
			.left = line->unlimited ? GAS_NO_LIMIT : line_left(clock, line),
			.storage = at->bank.used, .storage_limit = at->bank.limit,
			.storage_peak = at->bank.peak, .slots = at->slots_count, .depth = depth});
		head->rows++;
	}
}

static void
keys(struct worker *worker, struct sink *sink, struct answer_head *head, uint64_t room)
{
	struct caps_root_view view;

	for (uint32_t i = 0; caps_root_at(worker->world, i, &view); i++) {
		if (sink->bytes + ROW_MAX > room) {
			head->more = true;
			return;
		}
		answer_put_key(sink, &(struct answer_key){.name = text_of(view.name),
			.kind = view.kind, .read = view.counts.read, .written = view.counts.written,
			.denied = view.counts.denied, .missing = view.counts.missing,
			.uses_left = view.uses_left, .bytes_left = view.bytes_left});
		head->rows++;
	}
}

static void
whys_of(const struct domain *domain, struct sink *sink, struct answer_head *head, uint64_t room)
{
	const struct caps_why *why;
	char text[1024];

	for (uint32_t i = 0; i < WASI_WHY_MAX && (why = caps_why(domain, i)); i++) {
		if (sink->bytes + ROW_MAX > room) {
			head->more = true;
			return;
		}
		answer_put_why(sink, &(struct answer_why){
			.domain = text_of(obey_path(domain, text, sizeof text)), .what = text_of(why->what),
			.key = text_of(why->key), .why = text_of(why->why), .saw = text_of(why->saw),
			.allow = text_of(why->allow), .count = why->count, .missing = why->missing});
		head->rows++;
	}
}

/* Of one domain, or of all. */
static void
whys(struct worker *worker, const struct order *order, struct sink *sink, struct answer_head *head,
	uint64_t room)
{
	struct domain *one = order->domain ? obey_find(worker, order->domain) : NULL;

	if (order->domain && !one) {
		head->code = OBEYED_NO_DOMAIN;
		return;
	}
	if (one) {
		whys_of(one, sink, head, room);
		return;
	}
	for (struct domain *at = worker->domain; at; at = domain_walk(at, worker->domain))
		whys_of(at, sink, head, room);
}

void
obey_look(struct worker *worker, const struct order *order, struct sink *sink,
	struct answer_head *head, uint64_t room)
{
	if (order->what == DO_LOOK)
		domains(worker, sink, head, room);
	else if (order->what == DO_KEYS)
		keys(worker, sink, head, room);
	else
		whys(worker, order, sink, head, room);
}
