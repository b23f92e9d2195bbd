/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/tape.h"

#include "kernel/base/blake2b.h"
#include "tools/keyhold/pen.h"
#include "tools/keyhold/say.h"

static struct tape {
	struct recorder recorder;
	struct pen pen;
	bool open, stopped;
} tape;

/* Asked only once there is a world. */
static struct journal_where
where(void *user)
{
	return world_where(((struct worker *)user)->world);
}

struct device *
tape_open(struct worker *worker)
{
	const struct journal_clock clock = {where, worker};
	uint8_t *buffer = worker->host->reserve(worker->host, PEN_JOURNAL_BYTES);
	uint8_t from[32];

	if (!buffer)
		worker_refuse(worker, EXIT_FAULT, "no memory for --record");
	blake2b_256(worker->program, worker->program_bytes, from);
	pen_init(&tape.pen, worker, worker->start.record_to, buffer, PEN_JOURNAL_BYTES);
	recorder_begin(&tape.recorder, pen_device(worker), &tape.pen.sink, &clock, from);
	(void)pen_flush(&tape.pen); /* a worker that is killed leaves a journal, if a short one */
	tape.open = true;
	return &tape.recorder.device;
}

void
tape_stop(struct worker *worker)
{
	(void)worker;
	if (!tape.open || tape.stopped)
		return;
	tape.stopped = true;
	recorder_stop(&tape.recorder);
}

void
tape_order(struct worker *worker, const uint8_t *bytes, uint32_t count)
{
	(void)worker;
	if (tape.open && !tape.stopped)
		recorder_order(&tape.recorder, bytes, count);
}

void
tape_close(struct worker *worker)
{
	struct record *record = &worker->record;

	if (!tape.open)
		return;
	tape.open = false;
	recorder_end(&tape.recorder);
	record->tape = pen_flush(&tape.pen) ? TAPE_FAILED : TAPE_WRITTEN;
	record->tape_bytes = tape.pen.sink.bytes;
	record->tape_error = tape.pen.error;
}
