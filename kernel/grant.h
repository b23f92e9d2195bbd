/* SPDX-License-Identifier: Apache-2.0 */
/* grant.h - derivations that may be taken back.
 *
 * Owns     struct grant: {parent, generation, dead, alive_at}. A root grant is
 *          a key the host gave; it owns an epoch.
 * Does     one cut kills everything derived below it in O(1): mark dead, bump
 *          the root's epoch. A grant found alive in this epoch is not walked
 *          again, so the usual check is one compare.
 *
 * GRANT1   a grant is alive iff neither it nor any ancestor is dead.
 * GRANT2   alive_at == its root's epoch implies alive.
 * GRANT3   a parent's index is not reused while a grant is below it.
 *
 * Source   design.md section 4 (derivation, world cut). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/heap.h"

struct key;
struct domain;
struct bank;

struct grant {
	uint32_t parent;     /* index; GRANT_NONE for a root grant */
	uint32_t root;       /* index of its root grant */
	uint32_t generation; /* of this index; a reused index has another */
	uint32_t depth;      /* a grant's price and a check's bound grow with it */
	uint32_t below;      /* grants whose parent this is */
	uint32_t mark;       /* its place while an image is written */
	uint64_t alive_at;   /* the root's epoch when last found alive */
	uint64_t epoch;      /* root grants: bumped by each cut below; never 0 */
	uint64_t expires, uses_left, bytes_left; /* gas clock, ...; UINT64_MAX: no limit */
	struct domain *waiters; /* root grants: who wait under it or below */
	uint64_t rate, tokens, tokens_at; /* uses per GRANT_SECOND of gas; UINT64_MAX: no limit */
	bool limited;        /* it or one above it has a limit to be counted down */
	bool dead, used;
	bool dropped;        /* no key names it any more; kept for those below */
};

enum { GRANT_NONE = UINT32_MAX };

/* What a grant key names: a grant, and who pays for its place. */
struct grant_body {
	uint32_t grant; /* GRANT_NONE: none */
	struct bank *payer;
};
#define GRANT_SECOND UINT64_C(10000000000) /* gas in a second of the virtual clock */

struct grants {
	struct heap *heap;
	struct grant *at;
	uint32_t count, room;
	bool timed;    /* some have, or had, limits that the clock tells */
	uint32_t free; /* first unused one, linked through parent; GRANT_NONE: none */
};

/* What a derivation may be used for; UINT64_MAX: no limit. rate: uses per
 * GRANT_SECOND, at least 1. */
struct grant_limits {
	uint64_t uses, bytes, gas, rate;
};
bool grant_limits_fit(const struct grant_limits *limits);

void grants_init(struct grants *grants, struct heap *heap);
void grants_done(struct grants *grants);
/* Index of a new grant below `parent` (GRANT_NONE: a root); GRANT_NONE when
 * there is no room. Below a dead one it is dead. */
uint32_t grant_new(struct grants *grants, uint32_t parent);
/* Limits for one that has none of its own, from this time of the gas clock on. */
void grant_limit(struct grants *grants, uint32_t grant, const struct grant_limits *limits,
	uint64_t now);
/* No key names it any more: its index is reused once none is below it. */
void grant_drop(struct grants *grants, uint32_t grant);
/* Iterative; O(1) when found alive in this epoch before. False for a stale generation. */
bool grant_alive(struct grants *grants, uint32_t grant, uint32_t generation);
/* The world cut. Nothing derived under it is alive afterwards. */
void grant_cut(struct grants *grants, uint32_t grant);
/* One use of a key under it, of so many bytes, at this time of the gas clock:
 * counted at it and at all above it that have limits. False: a limit is used up. */
bool grant_use(struct grants *grants, uint32_t grant, uint64_t bytes, uint64_t now);
/* Why a use of a key under it is refused now: what stands in the way first, from
 * below; GRANT_OPEN: nothing that is known here. */
enum grant_fault { GRANT_OPEN, GRANT_CUT, GRANT_EXPIRED, GRANT_NO_USES, GRANT_NO_BYTES,
	GRANT_TOO_OFTEN };
enum grant_fault grant_fault(struct grants *grants, const struct key *key, uint64_t now);
/* How many bytes the limits of it and of all above it leave; UINT64_MAX: no limit.
 * And: so many of them have passed, without a further use. */
uint64_t grant_bytes_left(const struct grants *grants, uint32_t grant);
void grant_count_bytes(struct grants *grants, uint32_t grant, uint64_t bytes);
/* A key without a grant (GRANT_NONE) is the kernel's own and always alive. */
bool key_alive(struct grants *grants, const struct key *key);
void grants_check(const struct grants *grants); /* must() */
