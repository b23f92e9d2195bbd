/* SPDX-License-Identifier: Apache-2.0 */
/* obey.h - the worker's side of control: what was ordered, done between two steps.
 *
 *   obey.c       takes an order, records it, does it, answers
 *   obey_look.c  the orders that only look
 *
 * Callers  guest.c, between two steps; again.c gives the orders of a recorded run.
 * Never    makes a system call, or does anything while a step runs: so a recorded
 *          run with orders in it is had again to the bit.
 * Errors   are answers; a replay has nobody to answer, and goes the same way. */
#pragma once

#include "tools/keyhold/order.h"
#include "tools/keyhold/worker.h"

/* Is there one to be done here? */
bool obey_due(struct worker *worker);
/* Does it, if there is one. */
void obey(struct worker *worker);
/* Nothing happens any more until a paused domain goes on: waits for an order, or a
 * poke. */
void obey_wait(struct worker *worker);

/* obey_look.c */
struct domain *obey_find(struct worker *worker, const char *path); /* NULL: none */
/* "main/kid#2": cut in front when it is longer. */
const char *obey_path(const struct domain *domain, char *text, uint32_t bytes);
/* Of an order that changes nothing: rows, as many as have room. */
void obey_look(struct worker *worker, const struct order *order, struct sink *sink,
	struct answer_head *head, uint64_t room);
