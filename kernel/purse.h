/* SPDX-License-Identifier: Apache-2.0 */
/* purse.h - gas as money: what is given is gone from the giver.
 *
 * Owns     struct purse: a balance, and the purse it was filled from.
 * Does     mints, moves, spends; what an ended purse still holds goes to the
 *          nearest living purse above it.
 * Callers  run.c and call.c (spend), domain.c (end), caps/kind_purse.c (orders).
 * Units    gas.
 *
 * PURSE1   minted = all balances + burnt.
 * Source   design.md section 5 (Purse); Miller's mint. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct domain;

struct mint { /* of a world */
	uint64_t minted, burnt;
	struct purse *first; /* purses without one above */
};

struct purse {
	struct mint *mint;
	struct purse *superior;            /* NULL: minted */
	struct purse *first, *next, *prev; /* those filled from it, and its place among them */
	uint64_t balance;
	uint32_t object;                   /* keys to it name this */
	struct domain *payers;             /* those it pays for */
};

void purse_init(struct purse *purse, struct mint *mint, struct purse *superior);
/* false: the sum of all money would not fit 64 bits. Only on one without superior. */
bool purse_mint(struct purse *purse, uint64_t gas);
bool purse_move(struct purse *from, struct purse *to, uint64_t gas); /* false: not so much there */
void purse_spend(struct purse *purse, uint64_t gas);                 /* it has it */
/* Below another from now on; false: that is below it. */
bool purse_below(struct purse *purse, struct purse *superior);
/* The rest goes up; of one without superior it is burnt. Those below go up too. */
void purse_done(struct purse *purse);
void mint_check(const struct mint *mint); /* must() */
