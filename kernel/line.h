/* SPDX-License-Identifier: Apache-2.0 */
/* line.h - lines: the tree of gas.
 *
 * Owns     struct line, and the links between a line and those below it.
 * Does     activates and settles lines as the gas clock runs; finds the dry one.
 * Callers  world.c (switch), domain.c (run), caps/kind_meter.c (orders), image.c.
 * Never    allocates, sleeps, looks at keys.
 * Units    gas. `used` is what the line lost: left + used changes only by an
 *          order on it, whatever its rate.
 *
 *      root ----- a ----- b ----- c      active: from the root to the running
 *       |         |                      line, each with t0 and its deadlines
 *       d         e                      idle: left and used are up to date
 *
 * A deadline is the value of the clock G at which a line has nothing left, if
 * it drains without a break from t0. Deadlines only shrink on the way down, so
 * the running line's is the only one that a step is compared with, and the
 * topmost dry line is found by going up from it to the first that has room.
 *
 * LINE1    an active line's due_below never exceeds its superior's due_below.
 * LINE2    left and used change only when a line is settled; the clock G only
 *          while a domain runs; so nothing is done per instruction or per level.
 * LINE3    a step is spent only if the running line has room for it; so left
 *          never falls below zero, here or above.
 * LINE4    exactly the lines from the running one up to its root are active.
 *
 * Source   design.md section 5, L1 to L10. KeyKOS Base/meterc.c lends chunks and
 *          scavenges them later; deadlines need neither. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GAS_NO_LIMIT UINT64_MAX

struct line {
	struct line *superior;            /* NULL for the root line */
	struct line *first, *next, *prev; /* those below it, and its place among them */
	struct line *active_below;        /* while active: the next one towards the running line */
	uint64_t left;                    /* of its limit; 0 when unlimited */
	uint64_t reserve;                 /* kept back from those below */
	uint64_t rate;                    /* L8: 1 + rent x pages */
	uint64_t used;
	uint64_t t0, due_self, due_below; /* while active; on the gas clock */
	uint32_t level;                   /* while active: how far below its root */
	bool unlimited, active;
};

struct clock_gas { /* G and the running line */
	uint64_t now;
	struct line *running; /* NULL: none */
};

void line_init(struct line *line, struct line *superior); /* left 0, rate 1, not active */
void line_done(struct line *line); /* unlinks it; it is idle and has nothing below */

/* Below another one from now on; it is idle. */
void line_move(struct line *line, struct line *superior);

/* L3: settles and deactivates from the running line up to the common ancestor,
 * activates down to `to` (NULL: none). */
void line_switch(struct clock_gas *clock, struct line *to);

/* L5: how much one step of the running line may cost; GAS_NO_LIMIT if nothing limits it. */
uint64_t line_room(const struct clock_gas *clock);
/* The topmost line without room for `need`; NULL if there is room. */
struct line *line_dry(const struct clock_gas *clock, uint64_t need);
/* The running domain used so much. */
void line_spend(struct clock_gas *clock, uint64_t gas);

/* L4: each settles, changes, recomputes what is due below. Feeding saturates
 * and leaves an unlimited line as it is. */
void line_feed(struct clock_gas *clock, struct line *line, uint64_t gas);
void line_limit(struct clock_gas *clock, struct line *line, uint64_t left); /* GAS_NO_LIMIT: none */
void line_reserve(struct clock_gas *clock, struct line *line, uint64_t reserve);
void line_rate(struct clock_gas *clock, struct line *line, uint64_t rate); /* at least 1 */

/* Is it at or below that one? While both are active it takes one compare. */
bool line_is_below(const struct line *line, const struct line *above);

/* As of now, active or not. left is GAS_NO_LIMIT for an unlimited line. */
uint64_t line_used(const struct clock_gas *clock, const struct line *line);
uint64_t line_left(const struct clock_gas *clock, const struct line *line);

void line_check(const struct clock_gas *clock, const struct line *root); /* must() */
