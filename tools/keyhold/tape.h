/* SPDX-License-Identifier: Apache-2.0 */
/* tape.h - the worker's side of a recording: the journal as it runs, and the run
 * had again.
 *
 *   tape.c    --record: a recorder over the client's device, a pen below it
 *   again.c   replay: a replayer instead of any device; what the guest writes to
 *             its descriptors 1 and 2 is shown through two streams of our own
 *
 * Callers  guest.c.
 * Never    during a replay: a request of the guest's to anything but the journal.
 * Errors   a tape's write error is in the record; a replay that differs is told
 *          there too. */
#pragma once

#include "kernel/journal.h"
#include "tools/keyhold/worker.h"

/* The device that the world is to see, the journal begun. */
struct device *tape_open(struct worker *worker);
void tape_stop(struct worker *worker); /* it is asked to stop here, between two steps */
/* It is told to do this here, between two steps. */
void tape_order(struct worker *worker, const uint8_t *bytes, uint32_t count);
void tape_close(struct worker *worker);

/* Behind the walls: reads the recording, which takes the place of `start` and
 * `program`. Refuses what is none. */
void again_read(struct worker *worker);
const struct recording *again_recording(void);
struct device *again_open(struct worker *worker);
bool again_poked(struct worker *worker);  /* between steps: stop now? */
/* Between steps: was it told to do something here? The same until it is taken. */
bool again_order(struct worker *worker, const uint8_t **ret_bytes, uint32_t *ret_count);
void again_order_take(struct worker *worker);
/* All are paused, and nothing in the journal sends one on. */
void again_stuck(struct worker *worker);
/* Between runs: as many steps or as much gas as --until leaves. */
void again_begin(struct worker *worker);
void again_stopped(struct worker *worker); /* it stopped by itself */
/* It was stopped by again_poked(): before it is quiesced. True: the recorded run
 * was stopped here too. */
bool again_freeze(struct worker *worker);
/* The device of a subtree that is had again alone: what it writes is shown, what
 * the whole wrote was not. The pens' error, if there was one. */
struct device *again_alone(struct device *below);
int again_flush(void);

/* --only: after the world is opened, after it ran, after all is told. */
void only_watch(struct worker *worker);
void only_seen(struct worker *worker);
void only_again(struct worker *worker);
/* In place of all that, when what was read is of a subtree alone. */
void only_from_file(struct worker *worker);

void again_close(struct worker *worker);   /* the record says how the replay went */
