/* SPDX-License-Identifier: Apache-2.0 */
/* program.h - a module as an object: what a module key names.
 *
 * Owns     its own copy of the bytes; the world's module made of them.
 * Does     finds the module that is loaded already under the same hash, so that
 *          a program is decoded once however many make it; each maker pays its
 *          bytes and its code in full all the same (nobody can tell who else
 *          has it).
 * Source   design.md section 5 (Bank). */
#pragma once

#include "caps/orders.h"

struct program {
	struct module *module;
	struct bank *payer;
	uint64_t charged;
};

enum { CREATOR_STOP_WHEN_DRY = 1 << 0 };

/* Of a module that is here, held and paid for: false, the bank has no room. */
bool program_of(struct program *program, struct bank *payer, struct module *module);
/* 0; -EINVAL (words in the report); -ENOSPC, -ENOMEM. */
int program_load(struct world *world, struct program *program, struct bank *payer,
	const uint8_t *bytes, uint64_t count, struct report *report);

/* What a message says of a new domain's place: the keys to a meter and a bank from
 * the first on; void: the invoker's own. */
enum rc creator_above(struct invocation *inv, unsigned first, struct domain_above *ret_above);
/* What is wrong, kept until the answer is delivered. */
const char *caps_words(struct world *world, const struct report *report);
/* A domain of this module as the message says; answers with its key. */
enum order_end creator_make(struct invocation *inv, struct module *module,
	struct domain **ret_domain);
