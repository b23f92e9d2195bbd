/* SPDX-License-Identifier: Apache-2.0 */
/* host_facts.h - what this host allows, and what to do about what it does not.
 *
 * Does     tries: makes a ring, raises all walls in a child for each tier. Only
 *          what to do is read from the host's settings.
 * Callers  `keyhold doctor`, and messages when a run cannot be had.
 * Never    prints; nothing of the caller is changed.
 *
 * Errors   none: what cannot be found out is told as missing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/report.h"
#include "sandbox/walls.h"

struct host_facts {
	char kernel[65], machine[65]; /* as uname tells */
	bool root;
	int32_t uring_error;	/* of io_uring_setup: 0, or errno */
	int32_t uring_disabled; /* kernel.io_uring_disabled; -1: no such setting */
	int32_t uring_lacks;	/* an operation of uring_ops.def it does not know; -1: none */
	int32_t landlock_abi;	/* 0: none */
	bool seccomp;		/* filters that kill the process */
	uint64_t memlock_bytes, descriptors_max; /* soft limits; UINT64_MAX: none */
	bool any;				 /* a tier is to be had */
	enum walls_tier tier;			 /* the best of them */
	struct walls_state walls;		 /* which of its walls stood */
	struct report why_not[WALLS_T2 + 1];	 /* by tier: why it is not; empty when it is */
};

/* Some 20 ms. */
void host_facts_find(struct host_facts *ret_facts);

struct host_advice {
	const char *what;   /* what is in the way */
	const char *remedy; /* a line to type, or what to change */
};

/* At most HOST_ADVICE_MAX; returns how many. Only about what is missing. */
enum { HOST_ADVICE_MAX = 8 };
size_t host_facts_advise(
	const struct host_facts *facts, struct host_advice ret_advice[HOST_ADVICE_MAX]);
