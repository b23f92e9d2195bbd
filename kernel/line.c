/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/line.h"

#include <stddef.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"

void
line_init(struct line *line, struct line *superior)
{
	*line = (struct line){.superior = superior, .rate = 1};
	if (!superior)
		return;
	line->next = superior->first;
	if (line->next)
		line->next->prev = line;
	superior->first = line;
}

void
line_done(struct line *line)
{
	must(LINE4, !line->active && !line->first);
	if (line->next)
		line->next->prev = line->prev;
	if (line->prev)
		line->prev->next = line->next;
	else if (line->superior)
		line->superior->first = line->next;
	*line = (struct line){0};
}

void
line_move(struct line *line, struct line *superior)
{
	must(LINE4, !line->active);
	if (line->next)
		line->next->prev = line->prev;
	if (line->prev)
		line->prev->next = line->next;
	else
		line->superior->first = line->next;
	line->superior = superior;
	line->prev = NULL;
	line->next = superior->first;
	if (line->next)
		line->next->prev = line;
	superior->first = line;
}

/* What an active line lost since t0. Never more than is left: LINE3. */
static uint64_t
drained(const struct clock_gas *clock, const struct line *line)
{
	return line->active ? mul_saturating(line->rate, clock->now - line->t0) : 0;
}

static void
settle(const struct clock_gas *clock, struct line *line)
{
	const uint64_t lost = drained(clock, line);

	if (!line->unlimited) {
		must(LINE3, lost <= line->left);
		line->left -= lost;
	}
	line->used = add_saturating(line->used, lost);
	line->t0 = clock->now;
}

/* L2. The line is settled, and its superior's deadlines are right. */
static void
set_due(struct line *line)
{
	const uint64_t above = line->superior ? line->superior->due_below : GAS_NO_LIMIT;
	const uint64_t spare = line->left > line->reserve ? line->left - line->reserve : 0;

	line->due_self = line->due_below = above;
	if (line->unlimited)
		return;
	line->due_self = min_u64(above, add_saturating(line->t0, line->left / line->rate));
	line->due_below = min_u64(above, add_saturating(line->t0, spare / line->rate));
}

void
line_switch(struct clock_gas *clock, struct line *to)
{
	struct line *common = to, *below = NULL, *line;

	for (; common && !common->active; common = common->superior) {
		common->active_below = below;
		below = common;
	}
	for (line = clock->running; line != common; line = line->superior) {
		settle(clock, line);
		line->active = false;
		line->active_below = NULL;
	}
	if (common)
		common->active_below = below;
	for (line = below; line; line = line->active_below) {
		line->active = true;
		line->level = line->superior ? line->superior->level + 1 : 0;
		line->t0 = clock->now;
		set_due(line);
	}
	clock->running = to;
}

uint64_t
line_room(const struct clock_gas *clock)
{
	const struct line *line = clock->running;

	if (!line || line->due_self == GAS_NO_LIMIT)
		return GAS_NO_LIMIT;
	return line->due_self > clock->now ? line->due_self - clock->now : 0;
}

struct line *
line_dry(const struct clock_gas *clock, uint64_t need)
{
	struct line *dry = clock->running, *line;
	uint64_t due;

	if (need <= line_room(clock))
		return NULL;
	due = add_saturating(clock->now, need);
	for (line = dry->superior; line && line->due_below < due; line = line->superior)
		dry = line;
	return dry;
}

void
line_spend(struct clock_gas *clock, uint64_t gas)
{
	must(LINE3, gas <= line_room(clock));
	must(LINE3, add_fits(&clock->now, clock->now, gas));
}

/* From a settled line down to the running one. */
static void
due_from(struct line *line)
{
	for (; line; line = line->active_below)
		set_due(line);
}

static void
settle_active(const struct clock_gas *clock, struct line *line)
{
	if (line->active)
		settle(clock, line);
}

/* Lines below the changed one keep their t0: only their superior's deadline is
 * new, and their own is the same from any t0 of an unbroken drain. */
static void
changed(struct line *line)
{
	if (line->active)
		due_from(line);
}

void
line_feed(struct clock_gas *clock, struct line *line, uint64_t gas)
{
	settle_active(clock, line);
	if (!line->unlimited)
		line->left = add_saturating(line->left, gas);
	changed(line);
}

void
line_limit(struct clock_gas *clock, struct line *line, uint64_t left)
{
	settle_active(clock, line);
	line->unlimited = left == GAS_NO_LIMIT;
	line->left = line->unlimited ? 0 : left;
	changed(line);
}

void
line_reserve(struct clock_gas *clock, struct line *line, uint64_t reserve)
{
	settle_active(clock, line);
	line->reserve = reserve;
	changed(line);
}

void
line_rate(struct clock_gas *clock, struct line *line, uint64_t rate)
{
	must(LINE5, rate >= 1);
	settle_active(clock, line);
	line->rate = rate;
	changed(line);
}

uint64_t
line_used(const struct clock_gas *clock, const struct line *line)
{
	return add_saturating(line->used, drained(clock, line));
}

uint64_t
line_left(const struct clock_gas *clock, const struct line *line)
{
	return line->unlimited ? GAS_NO_LIMIT : line->left - drained(clock, line);
}

/* Active lines are one path: there the deeper one is below. */
bool
line_is_below(const struct line *line, const struct line *above)
{
	while (line && line != above && !line->active)
		line = line->superior;
	if (!line || line == above)
		return line;
	return above->active && line->level >= above->level;
}

/* The line after this one in a walk of the tree, without recursion. */
static const struct line *
walk_next(const struct line *line, const struct line *root)
{
	if (line->first)
		return line->first;
	while (line != root && !line->next)
		line = line->superior;
	return line == root ? NULL : line->next;
}

static void
check_active(const struct clock_gas *clock, const struct line *line)
{
	must(LINE2, line->t0 <= clock->now);
	must(LINE1, line->due_below <= line->due_self);
	if (line->superior) {
		must(LINE4, line->superior->active && line->superior->active_below == line);
		must(LINE1, line->due_below <= line->superior->due_below);
	}
	must(LINE4, line->active_below ? line->active_below->active : line == clock->running);
	must(LINE3, line->unlimited || drained(clock, line) <= line->left);
}

void
line_check(const struct clock_gas *clock, const struct line *root)
{
	for (const struct line *line = root; line; line = walk_next(line, root)) {
		must(LINE5, line->rate >= 1);
		must(LINE4, !line->first || (line->first->superior == line && !line->first->prev));
		must(LINE4, !line->next || (line->next->prev == line &&
						   line->next->superior == line->superior));
		if (line->active)
			check_active(clock, line);
		else
			must(LINE4, !line->active_below && line != clock->running);
	}
}
