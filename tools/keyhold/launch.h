/* SPDX-License-Identifier: Apache-2.0 */
/* launch.h - one worker, from the command line to its end. The broker's side.
 *
 *   keys.c      options -> specs -> open host objects -> grants and root keys
 *   hostkey.c   one of them
 *   program.c   FILE -> a descriptor that can be read twice
 *   launch.c    the order of all this; signals and time while it runs
 *   enclose.c   the broker's own walls
 *   taping.c    --record and replay: what is round a journal
 *   verdict.c   the outcome in words, and the exit status
 *   account.c   the outcome as JSON (--report)
 *   ledger.c    what the broker refused and cut of itself, by key
 *   control.c   --control: what is told to it while it runs
 *
 * Callers  run.c, inspect.c.
 * Errors   an exit status; the words have been said. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "drivers/broker/broker.h"
#include "sandbox/broker_walls.h"
#include "tools/keyhold/files.h"
#include "tools/keyhold/hostkey.h"
#include "tools/keyhold/ledger.h"
#include "tools/keyhold/options.h"
#include "tools/keyhold/start.h"

struct control;

enum { KEYS_MAX = 128 };

struct launch {
	const struct options *options;
	const char *file;      /* module or image, as given */
	const char *program;   /* its last part */
	int program_fd;
	struct start start;
	struct launch_key keys[KEYS_MAX];
	uint32_t keys_count;
	bool clock_real;
	struct start_root roots[KEYS_MAX];
	struct new_file images[WHEN_COUNT]; /* fd -1: not asked for */
	struct new_file report_file;
	struct new_file tape;    /* --record; fd -1: not asked for */
	uint8_t tape_hash[32];   /* of what stands before its journal */
	const char *other;       /* replay: the program of a recording without one */
	int other_fd;
	uint64_t timeout_ns; /* 0: none */
	uint64_t stuck_ns;   /* of the worker's processor time without a safepoint; 0: never */
	uint64_t gas_limit;  /* run: as given */
	uint64_t run_ns;     /* how long its worker lived */
	struct broker *broker;
	int signals_fd;
	struct control *control; /* NULL: nobody may */
	struct broker_walls_config enclosure; /* what may be granted later */

	/* What happened. */
	struct ledger ledger;
	struct broker_walls_state enclosed;
	struct broker_outcome outcome;
	char *guest_name;      /* replay: as it was recorded; `program` is this then */
	struct record *record; /* NULL: it told nothing that could be read */
	int signal;            /* that we were sent; 0: none */
	bool timed_out;
	bool ended;            /* through control */
	struct record *then;     /* replay: what the recorded run came to; NULL: not known */
	uint8_t *then_bytes;
	const char *then_alone;  /* it is a recording of one subtree, of this name; NULL: of a run */
	uint32_t then_flags;     /* enum recording_tail_flag */
	int then_status;
	struct report report;  /* why the launch failed, if it did */
};

/* `flags` are enum start_flag of the caller's choice; rest[0] is the file. */
int launch(const struct options *options, uint32_t flags);

/* It is to stop and to tell how far it came, as if by a signal. */
void launch_end(struct launch *launch);

/* template.c: what came of making one; the exit status. */
int template_verdict(const struct launch *launch, int status);

/* keys.c. 0 or an exit status, words said. */
int keys_read(struct launch *launch);   /* options -> keys */
int keys_open(struct launch *launch);   /* the host's side of each */
int keys_grant(struct launch *launch);  /* to the broker; fills start.roots */
void keys_done(struct launch *launch);
/* May an image go there? Then the guest's own output goes to standard error. */
bool keys_image_on_stdout(const struct launch *launch);

/* program.c. A .wat is turned into a module; what is no regular file is copied.
 * 0 or an exit status, words said. */
int program_open(const char *file, int *ret_fd);
/* A source in Entish (program_entish.c): the same. */
int program_entish(const char *file, int *ret_fd);

/* verdict.c: says what there is to say; the exit status. */
int verdict(struct launch *launch);
/* "trap", "gas", ...: the report's word for how it ended. */
const char *verdict_end(const struct launch *launch);
/* The exit status alone. */
int verdict_status(const struct launch *launch);

/* "at inner @0x12 <- outer @0x34" */
void verdict_where(const struct record *record);

/* taping.c: 0 or an exit status, words said. */
int taping_begin(struct launch *launch);           /* what stands before the journal */
int taping_end(struct launch *launch, int status); /* and behind it; the file has its name */
int taping_open(struct launch *launch);            /* replay: sizes, and the recorded end */
int taping_verdict(struct launch *launch, int status); /* replay: was it the same? */

/* The tier that tests force: --tier, or $KEYHOLD_TIER; NULL: none. */
const char *launch_tier_forced(const struct options *options);

/* enclose.c: the broker's own walls, once the worker is made; 0 or an exit status. */
int enclose(struct launch *launch);

/* inspect.c: what the worker saw, in text or JSON; the exit status. */
int inspect_print(const struct launch *launch);

/* account.c: writes the report; 0 or an exit status, words said. */
int account_write(struct launch *launch, int status);
