/* SPDX-License-Identifier: Apache-2.0 */
/* bank.h - banks: the tree of storage.
 *
 * Owns     struct bank: bytes charged at it and below it, against limits.
 * Does     takes and gives bytes: all banks up to the root, or none.
 * Callers  whoever stores for a guest, before it stores; kernel/domain.c puts
 *          bank_storage() under the engine.
 * Never    allocates or frees the objects it pays for; domain_end() does.
 *
 * BANK1    used = own + the sum of used of the banks below; used <= limit.
 * BANK2    peak >= used.
 * BANK3    a bank gives back no more than it took itself, and ends when no
 *          bank is below it.
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
 * may say otherwise (kernel/edge.h). */
struct bank_watch {
	uint64_t (*above)(struct bank_watch *watch, uint64_t room, uint64_t bytes);
};

#define BANK_NO_LIMIT UINT64_MAX

struct bank {
	struct storage storage; /* first: the engine's view of this bank */
	struct bank *superior;
	struct bank *first, *next, *prev; /* those below it, and its place among them */
	uint64_t limit, own, used, peak;  /* bytes */
	struct domain *owner; /* whose private bank it is; NULL: it stands alone */
	uint32_t object;      /* keys to it name this; OBJECT_NONE: none */
	struct bank_watch *watch; /* NULL: those above are believed */
	uint32_t objects;     /* the first of what it paid for; OBJECT_NONE: nothing */
};

void bank_init(struct bank *bank, struct bank *superior, uint64_t limit_bytes);
void bank_done(struct bank *bank); /* gives what it still holds back to those above */
bool bank_take(struct bank *bank, uint64_t bytes); /* all banks up, or none */
void bank_give(struct bank *bank, uint64_t bytes);
uint64_t bank_room(const struct bank *bank); /* what take() could take now */
/* A new limit; false (nothing changed) below what is used now. */
bool bank_limit(struct bank *bank, uint64_t limit_bytes);
/* The next standing bank of a walk below `root` that stays out of domains' own. */
const struct bank *bank_walk_own(const struct bank *bank, const struct bank *root);
/* Below another one from now on: false, and as before, if that has no room. */
bool bank_move(struct bank *bank, struct bank *superior);
/* A domain whose bank is below this one; NULL: none. */
struct domain *bank_tenant(const struct bank *root);
void bank_check(const struct bank *root); /* must() */
