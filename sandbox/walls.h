/* SPDX-License-Identifier: Apache-2.0 */
/* walls.h - the walls round the worker, and the order they are raised in.
 *
 * Owns     nothing that lasts: it takes away, from its own process.
 * Does     says which namespaces the worker is born into; then, in the worker,
 *          raises each wall of walls.def and tries it at once.
 * Callers  tools/: the broker's side makes the plan and gives the flags to
 *          broker_spawn(); the worker's side enters. One thread: no thread may
 *          exist when walls_enter_early() is called, none can be made later.
 * Never    knows guests or keys, prints, exits; a wall once up stays up.
 *
 *   broker   walls_plan_init()       what this host allows is found out by trying
 *            broker_spawn()          walls_clone_flags(), walls_before_exec(); when
 *                                    it fails: walls_plan_lower(), and again
 *   worker   client_open(), host_linux_open()     map and reserve all that is needed
 *            walls_enter_early()     namespaces ... descriptors
 *            (the last reservations, if any)
 *            walls_enter_late()      limits, the ring enabled by `enable`, filter
 *            client_ready()
 *
 * After walls_enter_late() the calls of syscalls.def are all there is: no
 * malloc that needs new memory, no stdio, no clock that is not in the vdso.
 *
 * Errors   0 or -errno; the report names the wall. A failure means the process
 *          has some walls and not others: the caller must _exit(), nothing else.
 * Source   design.md section 9; each fact was tried: docs/security.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/report.h"

enum walls_tier {
	WALLS_T0, /* all of them */
	WALLS_T1, /* no namespaces to be had: the rest carries it */
	WALLS_T2, /* no io_uring: the broker performs reads and writes; namespaces where
	             they are to be had */
};

enum wall {
#define WALL(name, tier, stops) WALL_##name,
#include "sandbox/walls.def"
#undef WALL
	WALL_COUNT
};

/* The ring's descriptor in the worker, or in T2 the eventfd that wakes the broker:
 * the filters are made for this number when Keyhold is built. drivers/wire.h
 * agrees (tools/ assert it). */
enum { WALLS_RING_FD = 3, WALLS_KEEP_MAX = 16, WALLS_NAMESPACES = 7 };

/* What this run may touch. Plain data: the broker copies it to the worker. */
struct walls_plan {
	enum walls_tier tier;	      /* tried first */
	enum walls_tier tier_least;   /* accepted; the same when a tier is forced */
	int32_t keep[WALLS_KEEP_MAX]; /* open until walls_enter_late(); the ring stays */
	uint32_t keep_count;
	bool own_namespaces;  /* T0, and T2 where they are to be had */
	bool keep_stderr;     /* descriptor 2 stays too: debugging only */
	bool root;	      /* the broker is root, and able to make its worker nobody */
	bool memory_free;     /* no RLIMIT_AS: sanitizers reserve as they go */
	uint64_t later_bytes; /* address space that is reserved between the two stages */
	uint64_t fsize_bytes; /* RLIMIT_FSIZE: binds ring writes too; UINT64_MAX: leave it */
	uint32_t uid, gid;    /* of the broker */
	int32_t broker;	      /* its process id */
	int32_t broker_fd;    /* the worker's descriptor of a pidfd of it; -1: none */
	uint64_t namespaces[WALLS_NAMESPACES]; /* the broker's own: ours must differ */
};

/* What was reached. Plain data: the worker tells it in its result record. */
struct walls_state {
	enum walls_tier tier;
	bool up[WALL_COUNT];
	int32_t landlock_abi;  /* 0: this kernel has none */
	uint64_t memory_bytes; /* address space at the early stage; the limit later */
	uint32_t filter_instructions;
};

/* A plan for this process as broker. `tier` is "T0", "T1", "T2" or NULL for the
 * best that can be had (T1 at least). Keeps WALLS_RING_FD only. -EINVAL for
 * another word. */
int walls_plan_init(struct walls_plan *plan, const char *tier, struct report *report);
/* The lowest tier that is accepted, if none is forced; false when it is no tier. */
bool walls_plan_accept(struct walls_plan *plan, const char *tier);
/* There is no ring to be had: T2 instead. False where more was demanded. */
bool walls_plan_ringless(struct walls_plan *plan);
/* What a worker is told besides its plan, which was written before it was lowered:
 * a word, and the plan made to say the same. */
const char *walls_plan_word(const struct walls_plan *plan);
void walls_plan_told(struct walls_plan *plan, const char *word);
/* One more descriptor that stays open between the two stages. -E2BIG. */
int walls_plan_keep(struct walls_plan *plan, int fd);
/* After broker_spawn() failed with `error` (-errno): true when a lower tier may
 * be tried; the plan then is that. */
bool walls_plan_lower(struct walls_plan *plan, int error);
/* One line for people; terminated, returns its length as snprintf does. */
int walls_plan_print(const struct walls_plan *plan, char *text, size_t bytes);

/* CLONE_NEW* flags for the worker's birth: struct broker_spawn.clone_flags. */
unsigned long walls_clone_flags(const struct walls_plan *plan);
/* struct broker_spawn.before_exec; arg is the plan. Raw system calls only.
 * Writes the id maps while the child still may. */
int walls_before_exec(void *plan);

/* Both fill ret_state as far as they come, also when they fail. */
int walls_enter_early(
	const struct walls_plan *plan, struct walls_state *ret_state, struct report *report);
/* `enable` makes the ring take submissions (client_enable); it is called when
 * no new descriptor can be made any more, and must return 0. NULL: no ring. In
 * T2 there is none to be fenced. */
int walls_enter_late(const struct walls_plan *plan, int (*enable)(void *arg), void *arg,
	struct walls_state *state, struct report *report);

const char *walls_tier_name(enum walls_tier tier);	  /* "T0" */
bool walls_tier_find(const char *word, enum walls_tier *ret_tier);
const char *walls_wall_name(enum wall wall);		  /* "root_empty" */
const char *walls_wall_stops(enum wall wall);		  /* what stops at it */
bool walls_wall_in(enum wall wall, enum walls_tier tier); /* does the tier have it? */
