/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - tries what must fail, behind walls of its own.
 *
 * Each attempt runs in a throw-away child that has raised all walls, because the
 * right answer to most is death. Nothing of the caller is changed.
 *
 * Callers  host_facts.c (is a tier to be had?), `keyhold doctor`, tests/sandbox.
 * Errors   0 or -errno, words in the report. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/report.h"
#include "sandbox/probe_ring.h"
#include "sandbox/walls.h"

struct walls_attempt {
	const char *name; /* "open a file" */
	bool held;	  /* the attempt ended as it must */
	int ended;	  /* 0: it went through; errno; -signal */
	int must_end;	  /* errno, or -SIGSYS */
};

/* Runs fn(ring, arg) in a child behind the plan's walls: ret_ended as in struct
 * walls_attempt (fn returns 0 or errno). Non-zero when the walls could not be
 * raised: then ret_state tells how far it came. ret_state may be NULL. */
int walls_probe_run(const struct walls_plan *plan, int (*fn)(struct probe_ring *ring, void *arg),
	void *arg, struct walls_state *ret_state, int *ret_ended, struct report *report);

size_t walls_attempts_count(void);
/* The index-th row of attempts.def. */
int walls_probe(const struct walls_plan *plan, size_t index, struct walls_attempt *ret_attempt,
	struct report *report);
