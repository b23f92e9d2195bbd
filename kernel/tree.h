/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - who runs whom, and who hears of a stop.
 *
 *            run                    run
 *   main --------------> a -----------------> b       a strand: b runs, the others
 *     wait RUN            wait RUN                     are CALLING
 *
 *   b stops: a's run answers with the reason.
 *   b finds a's line dry: b is parked on that meter, and main's run of a answers
 *   "out of gas"; a and b stand where they stood. main runs a again: b goes on.
 *
 * Who hears of a dry meter (L9): its keeper, unless that keeper's own line is at
 * or below it; else the innermost run whose runner is not at or below it; else
 * the world's owner. Who hears of anything else: the domain's keeper for what it
 * can mend (an import, storage) or mourn (a trap); else its runner; else nobody:
 * it stays stopped until somebody asks.
 *
 * RUN1     a->runs == b iff b->runner == a; then a is CALLING with WAIT_RUN.
 * RUN2     a meter is told until what was parked on it goes on.
 * Source   design.md sections 5 (L9) and 6. */
#pragma once

#include "kernel/gate.h"

enum run_flag {
	RUN_POLL = 1 << 0,   /* return `waiting` when the strand waits for a device */
	RUN_DETACH = 1 << 1, /* do not wait: it is a strand of its own */
};

/* The order `run` on a domain key: the answer is a stop, in words 0 reason
 * (enum stop_reason), 1 what (code, word, trap), 2 need or offset. */
enum order_end tree_run(struct invocation *inv, struct domain *child, uint64_t word, uint32_t flags);
/* A stop as an answer. */
void stop_message(const struct domain *domain, struct stop stop, struct message *ret_message);

/* The run that drives it answers; it stands as it stands. */
void tree_answer_run(struct domain *child, struct stop stop);
/* The domain just stopped: whoever is to hear of it hears. */
void tree_stopped(struct domain *domain);
/* The running domain needs `need` gas and a line has no room, or its purse has not so much. */
void tree_dry(struct domain *domain, uint64_t need);
/* It wants bytes and stops when dry: a keeper is asked, or it stops. */
void tree_full(struct domain *domain, uint64_t need);
/* It trapped: a keeper is told, and it is stopped for good. */
void tree_trapped(struct domain *domain, enum trap trap);
/* It waits for a device: a run that polls returns. */
void tree_waits(struct domain *domain);
/* The strand below it goes on from where it was left, or it itself. */
void tree_go_on(struct domain *child);
/* It goes on when the other is run again. */
void tree_hold(struct domain *domain, struct domain *leaf);
void tree_unhold(struct domain *leaf);
/* What it waited for has come: READY, unless its strand is held. */
void tree_wake(struct domain *domain);
/* All that were parked on it go on. */
void tree_unpark(struct meter *meter);
/* The meter's keeper answered; the call of a keeper that was busy is made again. */
void tree_keeper_said(struct domain *domain, bool refuelled);
void tree_ask_again(struct domain *domain);
/* A meter ends: nobody waits on it any more. Its line is moved by the caller. */
void meter_end(struct meter *meter);
/* An import that nobody serves: its keeper, else the run that drives it, else a trap. */
enum call_end tree_import(struct call *call, uint32_t index, const uint8_t *args, uint32_t bytes);
/* Calls an export of an idle domain; the answer's words are its results. */
enum order_end tree_invoke(struct invocation *inv, struct domain *child, uint32_t func);
/* Nothing is ready and nothing can come: the outermost runs return `waiting`.
 * False: nobody could be told. */
bool tree_quiesce(struct world *world);
/* It ends: out of every run. */
void tree_forget(struct domain *domain);
