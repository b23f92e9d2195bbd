/* SPDX-License-Identifier: Apache-2.0 */
/* pen.h - the worker's own writing: an image, a journal, a replay's output.
 *
 * Owns     bytes not yet written; completions of others that came meanwhile.
 * Does     collects, and writes to a stream of the broker's in large pieces, each
 *          waited for.
 * Callers  guest.c (images), tape.c (the journal), again.c (output), obey.c.
 *
 *   world -> recorder -> pens' device -> the client's device
 *                 |           ^  stash: what came while a piece was written
 *                 `-> pen ----'
 *
 * PEN1     a piece that the device has no room for now stays in the pen. What
 *          goes into a journal before the guest lets go of the device's pieces is
 *          bounded by those pieces, and so the pen's room is enough.
 *
 * Errors   the first one stays in `error` (enum device_error); put() then fails. */
#pragma once

#include <stdint.h>

#include "kernel/base/bytes.h"
#include "tools/keyhold/worker.h"

struct pen {
	struct sink sink; /* first */
	struct worker *worker;
	uint8_t *buffer;
	uint64_t bytes, room;
	uint32_t handle;
	int error;
};

enum { PEN_PIECE = DEVICE_PIECE_BYTES, PEN_JOURNAL_BYTES = 16 << 20 };

/* `buffer` has `room` bytes, at least PEN_PIECE. */
void pen_init(struct pen *pen, struct worker *worker, uint32_t handle, uint8_t *buffer, uint64_t room);
int pen_flush(struct pen *pen); /* all of it: 0 or -EIO */
/* Reads exactly so much from a stream of the broker's: 0; -EIO, also at its end. */
int pen_read(struct worker *worker, uint32_t handle, uint8_t *to, uint64_t bytes);
/* Gives such a stream back, past the world, which never knew of it. */
void pen_close(struct worker *worker, uint32_t handle);

/* The client's device, but completions that came while a pen wrote are kept and
 * given first. One a worker. */
struct device *pen_device(struct worker *worker);
