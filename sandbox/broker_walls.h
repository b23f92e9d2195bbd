/* SPDX-License-Identifier: Apache-2.0 */
/* broker_walls.h - the walls round the broker itself, wider than the worker's.
 *
 * Owns     a Landlock ruleset while it is gathered.
 * Does     says which directories stay in reach; then, in the broker, raises each
 *          wall of broker_walls.def and tries it at once.
 * Callers  tools/: after all files are opened and the worker was made (it must not
 *          inherit these), before anything the worker says is looked at.
 * Never    knows guests or keys, prints, exits; a wall once up stays up.
 *
 *   broker_walls_begin()   the ruleset: nothing is allowed
 *   broker_walls_root()    for each granted directory, and for those that files of
 *                          ours (a report, an image) get their name in at the end
 *   broker_walls_enter()   up they go
 *
 * Errors   0 or -errno; the report names the wall. After a failure the caller
 *          must end the run. A wall this kernel has not is down and no error. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/report.h"

enum broker_wall {
#define BROKER_WALL(name, stops) BROKER_WALL_##name,
#include "sandbox/broker_walls.def"
#undef BROKER_WALL
	BROKER_WALL_COUNT
};

enum broker_reach {
	BROKER_REACH_READ = 1 << 0,
	BROKER_REACH_WRITE = 1 << 1, /* and change the directory */
	BROKER_REACH_NAMES = 1 << 2, /* give, change and take names of files only */
	BROKER_REACH_FILE = 1 << 3,  /* fd is one file, to be read */
};

struct broker_walls {
	int ruleset;   /* -1: no Landlock here */
	int abi;
	uint64_t fs;   /* what the ruleset handles */
	bool all;      /* a root is the file system's own */
};

/* What was reached. Plain data. */
struct broker_walls_state {
	bool up[BROKER_WALL_COUNT];
	bool live; /* Landlock stops only what no grant needs: directories may be granted later */
	int32_t landlock_abi;
	uint32_t filter_instructions;
};

struct broker_walls_config {
	bool live;     /* keys may be granted while it runs (--control) */
	bool networks; /* an address is granted: ports stay in reach */
	int keep_fd;   /* a ring that can install files only, to be entered; 0: none */
};

int broker_walls_begin(struct broker_walls *walls, const struct broker_walls_config *config,
	struct report *report);
/* Borrows fd, which may be O_PATH. enum broker_reach. */
int broker_walls_root(
	struct broker_walls *walls, int fd, uint32_t reach, struct report *report);
/* `worker` may be signalled, nobody else. Closes the ruleset, also on failure. */
int broker_walls_enter(struct broker_walls *walls, const struct broker_walls_config *config,
	pid_t worker, struct broker_walls_state *ret_state, struct report *report);
void broker_walls_done(struct broker_walls *walls); /* when they are not raised after all */

/* All of it in a throw-away child with no directory in reach: what this host has,
 * and the attempts that must fail. 0, or -errno with words. */
int broker_walls_probe(struct broker_walls_state *ret_state, struct report *report);

const char *broker_wall_name(enum broker_wall wall);
const char *broker_wall_stops(enum broker_wall wall);
