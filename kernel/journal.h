/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - what came in, so that a run can be had again.
 *
 * Owns     struct recorder: a struct device over another that writes down every
 *          request and completion; struct replayer: a struct device that
 *          answers from what was written, with nothing attached.
 * Does     replays bit for bit: each completion comes at the step at which it
 *          came, keyed by (gas the recorded line used, steps the world made).
 * Callers  tools (run --record, replay), tests.
 * Never    trusts a journal: what does not fit the run is told, not believed.
 *
 *   world --submit--> recorder --submit--> the real device
 *         <--reap----     |    <--reap----
 *                         `--> sink: header, records, end
 *
 *   world --submit--> replayer: is it the request that was written?
 *         <--reap----     ^
 *                         `--- bytes
 *
 * Errors   a recorder's sink keeps its own; a replayer that diverged or came to
 *          the end of the bytes gives no more completions and says why.
 * Source   design.md section 6; the format is in docs/journal-format.md. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/blake2b.h"
#include "kernel/base/bytes.h"
#include "kernel/base/heap.h"
#include "kernel/base/report.h"
#include "kernel/device.h"

enum { JOURNAL_VERSION = 2, JOURNAL_HEADER_BYTES = 48 };

/* Where the recorded world stands: asked at every record. */
struct journal_where {
	uint64_t used, steps;
};

struct journal_clock {
	struct journal_where (*now)(void *user); /* world_where(), the user being the world */
	void *user;
};

struct journal_where world_where(void *world);

struct recorder {
	struct device device; /* first: what the kernel sees */
	struct device *below;
	struct sink *to;
	struct sink sink; /* hashes what goes to `to` */
	struct blake2b hash;
	struct journal_clock clock;
};

/* `from` is the hash of the image the run goes on from, or of its module. */
void recorder_begin(struct recorder *recorder, struct device *below, struct sink *to,
	const struct journal_clock *clock, const uint8_t from[32]);
/* The run is asked to stop here, between two steps. */
void recorder_stop(struct recorder *recorder);
/* Something that changes the world was done between two steps: its bytes mean
 * what the tools say. Recorded before it is done. */
void recorder_order(struct recorder *recorder, const uint8_t *bytes, uint32_t count);
void recorder_end(struct recorder *recorder); /* the last record, with a hash of all before */

struct replayer {
	struct device device; /* first: what the kernel sees */
	struct heap *heap;
	struct bytes_in in;
	struct journal_clock clock;
	uint8_t from[32];
	uint64_t *flight; /* ids taken and not completed */
	uint32_t flight_count, flight_room;
	uint64_t completions;
	bool complete; /* the journal has its end, and the hash is right */
	bool ended;    /* nothing is left in it */
	bool frozen;   /* nothing more is answered; what is in flight was cancelled */
	struct report diverged; /* empty while the run is the recorded one */
	struct report recorded, asked; /* then: what came next, and what came instead */
};

/* 0; -EINVAL: not a journal, or a damaged one. The bytes stay borrowed. */
int replayer_begin(struct replayer *replayer, struct heap *heap, const uint8_t *bytes,
	size_t count, const struct journal_clock *clock, struct report *report);
void replayer_done(struct replayer *replayer);
/* Asked between steps: was the recorded run asked to stop exactly here? */
bool replayer_stop(struct replayer *replayer);
/* Asked between steps: was something ordered exactly here? The same one until it
 * is taken. */
bool replayer_order(const struct replayer *replayer, const uint8_t **ret_bytes, uint32_t *ret_count);
void replayer_order_take(struct replayer *replayer);
/* Asked between steps: is there nothing left to replay by? It diverged, went on
 * past the recorded end, or the journal was cut off here. */
bool replayer_past(struct replayer *replayer);
/* The run ended: true if the recorded one did so here too (or was cut off). */
bool replayer_end(struct replayer *replayer);
/* From now on each request ends as cancelled, so that an image may be made of
 * where the run stands. */
void replayer_freeze(struct replayer *replayer);

/* A completion as a record has it, and back: false for what is none. */
void journal_put_completion(struct sink *sink, const struct device_completion *completion);
bool journal_get_completion(struct bytes_in *in, uint64_t id,
	struct device_completion *ret_completion);
