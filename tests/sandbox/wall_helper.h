/* SPDX-License-Identifier: Apache-2.0 */
/* wall_helper.h - a program that tries the walls and says TAP.
 *
 * Not Criterion: its tests report over a descriptor, which is what the walls
 * take away. Each attempt runs in a child of its own and is judged by how it ended. */
#pragma once

#include <stdbool.h>

#include "sandbox/walls.h"

struct helper {
	struct walls_plan plan;	  /* of the tier under test, forced */
	struct walls_state state; /* what that tier reached here */
	unsigned int count;
	bool sanitized;
};

/* One TAP line. `format` names the test; the lines of why follow it when not ok. */
void helper_ok(struct helper *h, bool ok, const char *why, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void helper_skip(struct helper *h, const char *why, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "SIGSYS", "EACCES", "went through". */
const char *helper_ended(int ended);

void policy_run(struct helper *h, const char *path); /* every row of policy.tests */
void ring_run(struct helper *h);		     /* every operation, from behind the walls */
void alone_run(struct helper *h);		     /* each wall with the others down */
void closed_run(struct helper *h);		     /* walls that cannot be raised are an error */
