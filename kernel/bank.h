/* SPDX-License-Identifier: Apache-2.0 */
/* bank.h - banks: the tree of storage.
 *
 * Owns     struct bank: bytes charged at it and below it, against limits.
 * Does     takes and gives bytes: all banks up to the root, or none.
 * Callers  whoever stores for a guest, before it stores; kernel/domain.c puts
 *          bank->storage under the engine.
 * Never    allocates or frees the objects it pays for; domain_end() does.
 *
 * BANK1    used = own + the sum of used of the banks below; used <= limit.
 * BANK2    peak >= used.
 * BANK3    a bank gives back no more than it took itself, and ends when no
 *          bank is below it.
 * BANK4    the banks with `on` are those from the root down to root->finger; each
 *          of them knows who hears of it.
 *
 * What a bank takes all above it have used, too; nobody walks there. The path
 * from the root to the bank that took last, its *finger*, is on:
 *
 *      root ----- a ----- b ----- c ----- finger
 *               |<- what b has ->|
 *                  not told
 *
 * Each bank on the path keeps, when the next below it is stepped on, the least
 * room of all above (`above`), and what it has taken since without telling those
 * above: as they are all told the same later, that is two numbers. `most` is how
 * far their use was at most above what they know of, `drop` how far it has come
 * down since. A take and a give at the finger are a few sums. Going up a step tells
 * the superior its use and its peak to the byte, and the superior has the rest to
 * tell; going down a step is one minimum. So what costs is the way between two
 * banks that take by turns, as it does between two lines (line.h), and a domain
 * that makes another is one step from it, however deep both are.
 *
 * `used` and `peak` of a bank on the path but the finger are behind: ask
 * bank_used() and bank_peak(). Where the finger is changes no answer.
 *
 * Who hears of a take (`heard_by`, the watch of the nearest one that has any) is
 * known to each on the path in the same way. Only when the take is refused, or when
 * somebody asks how much room there is, those above are walked, to tell what the
 * banks above the watched one alone have.
 *
 * Source   design.md section 5 (Bank); KeyKOS sb.h: limits are limits, not
 *          deposits; over-commit is allowed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/object.h"
#include "kernel/wasm/engine.h"

struct domain;

/* Who hears how much room the banks above a watched one have for so many bytes, and
 * may say otherwise (kernel/edge.h). `room` is exact when it is less than `bytes`; else
 * it may be what the whole path has, the watched one and those below it too. */
struct bank_watch {
	uint64_t (*above)(struct bank_watch *watch, uint64_t room, uint64_t bytes);
};

#define BANK_NO_LIMIT UINT64_MAX

struct bank {
	struct storage storage; /* first: the engine's view of this bank */
	struct bank *superior;
	struct bank *first, *next, *prev; /* those below it, and its place among them */
	struct bank *root, *finger;       /* finger: the root's */
	struct bank *way;                 /* the next below, while the finger comes down */
	bool on;
	uint64_t above, most, drop;       /* while on: see above */
	struct bank_watch *heard_by;      /* the same */
	uint64_t limit, own, used, peak;  /* bytes */
	struct domain *owner; /* whose private bank it is; NULL: it stands alone */
	struct bank_watch *watch; /* NULL: those above are believed */
	uint32_t object;      /* keys to it name this; OBJECT_NONE: none */
	uint32_t objects;     /* the first of what it paid for; OBJECT_NONE: nothing */
};

void bank_init(struct bank *bank, struct bank *superior, uint64_t limit_bytes);
void bank_done(struct bank *bank); /* gives what it still holds back to those above */
bool bank_take(struct bank *bank, uint64_t bytes); /* all banks up, or none */
void bank_give(struct bank *bank, uint64_t bytes);
uint64_t bank_room(struct bank *bank); /* what take() could take now */
uint64_t bank_used(struct bank *bank);
uint64_t bank_peak(struct bank *bank);
/* Is asked from now on what the banks above have for it and those below; NULL: nobody. */
void bank_watch(struct bank *bank, struct bank_watch *watch);
/* A new limit; false (nothing changed) below what is used now. */
bool bank_limit(struct bank *bank, uint64_t limit_bytes);
/* The next standing bank of a walk below `root` that stays out of domains' own. */
const struct bank *bank_walk_own(const struct bank *bank, const struct bank *root);
/* Below another one from now on: false, and as before, if that has no room. */
bool bank_move(struct bank *bank, struct bank *superior);
/* A domain whose bank is below this one; NULL: none. */
struct domain *bank_tenant(const struct bank *root);
void bank_check(struct bank *root); /* must() */
