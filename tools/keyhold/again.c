/* SPDX-License-Identifier: Apache-2.0 */
/* again.c - a recorded run had again: the same start, the journal as its device.
 *
 *   world -> shower -> replayer -> the journal's bytes
 *               |
 *               `-> two pens: what went to descriptors 1 and 2
 *
 * The journal has only hashes of what was written; the run itself says the
 * bytes again, and the recorded completion says how many of them went out. */
#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/edge.h"
#include "tools/keyhold/pen.h"
#include "tools/keyhold/recording.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/tape.h"

struct written { /* a write to 1 or 2 in flight */
	struct written *next;
	uint64_t id;
	uint32_t which, bytes;
	uint8_t data[];
};

static struct again {
	struct device device; /* first: what the world sees */
	struct worker *worker;
	struct heap heap;
	struct recording recording;
	struct replayer replayer;
	struct device *below; /* the replayer; or what a subtree alone has instead */
	struct written *written;
	struct pen shows[2];
	uint8_t buffers[2][PEN_PIECE];
	uint32_t handles[2];  /* the recorded run's, of its descriptors 1 and 2 */
	uint64_t gas_left;    /* of the line, while --until gas limits it */
	bool limited, until, stopped, alone;
} again;

/* --- the recording -------------------------------------------------------------- */

static void
choose_program(struct worker *worker)
{
	const struct recording *recording = &again.recording;
	uint8_t hash[32];

	if (recording->program && worker->other)
		worker_refuse(worker, EXIT_USAGE, "%s has its program inside: replay it without naming one",
			worker->start.program);
	if (!recording->program && !worker->other)
		worker_refuse(worker, EXIT_USAGE, "%s was recorded without its program: keyhold replay %s "
			"PROGRAM", worker->start.program, worker->start.file);
	worker->program = recording->program ? recording->program : worker->other;
	worker->program_bytes = recording->program ? recording->head.program_bytes : worker->other_bytes;
	blake2b_256(worker->program, worker->program_bytes, hash);
	if (memcmp(hash, recording->head.program_hash, sizeof(hash)))
		worker_refuse(worker, EXIT_DATA, "%s: %s is another program than was recorded",
			worker->start.program, worker->other ? "what was given" : "what it has inside");
}

/* What the recorded run began with takes the place of the command line's. */
static void
choose_start(struct worker *worker)
{
	const struct recording *recording = &again.recording;
	struct bytes_in in = bytes_in(recording->setup, recording->head.setup_bytes);
	struct start *start = &worker->start;
	const uint32_t ours = start->flags & (START_REPLAY | START_SWITCH);
	struct start then = *start;

	if (start_get_run(&in, &again.heap, &then) || bytes_left(&in) ||
		then.flags & ~(uint32_t)START_OF_RUN || !then.program || !then.file)
		worker_refuse(worker, EXIT_DATA, "%s: the recording's beginning is not well-formed",
			start->program);
	then.flags |= ours;
	worker->recording = start->program;
	*start = then;
	for (uint32_t i = 0; i < start->roots_count; i++)
		for (unsigned which = 0; which < 2; which++)
			if (start->roots[i].role == ROLE_STDOUT + which)
				again.handles[which] = start->roots[i].root.handle;
}

static struct journal_where
where(void *user)
{
	return world_where(((struct worker *)user)->world);
}

/* One of a subtree has no journal of a run. */
static void
read_alone(struct worker *worker)
{
	const struct recording *recording = &again.recording;

	if (worker->start.only)
		worker_refuse(worker, EXIT_USAGE, "%s is of one domain and all below it already: replay it "
			"without --only", worker->start.program);
	if (recording->journal_bytes || !recording->outcome_bytes ||
		recording->outcome_bytes > EDGE_NAME_MAX || recording->cut)
		worker_refuse(worker, EXIT_DATA, "%s: it is said to be of one subtree, and has the parts of a "
			"whole run", worker->start.program);
	choose_start(worker);
	worker->alone = true;
}

const struct recording *
again_recording(void)
{
	return &again.recording;
}

void
again_read(struct worker *worker)
{
	const struct journal_clock clock = {where, worker};
	struct replayer *replayer = &again.replayer;
	const char *name = worker->start.program;

	again.worker = worker;
	again.handles[0] = again.handles[1] = START_NO_STREAM;
	heap_init(&again.heap, worker->host);
	if (recording_read(worker->program, worker->program_bytes, &worker->report, &again.recording))
		worker_refuse(worker, EXIT_DATA, "%s: %s", name, worker->report.text);
	choose_program(worker);
	if (again.recording.head.flags & RECORDING_EDGE) {
		read_alone(worker);
		return;
	}
	if (replayer_begin(replayer, &again.heap, again.recording.journal, again.recording.journal_bytes,
		&clock, &worker->report))
		worker_refuse(worker, EXIT_DATA, "%s: %s", name, worker->report.text);
	if (!replayer->complete && !again.recording.cut)
		worker_refuse(worker, EXIT_DATA, "%s: its journal is damaged: it has not the hash it had", name);
	if (memcmp(replayer->from, again.recording.head.program_hash, sizeof(replayer->from)))
		worker_refuse(worker, EXIT_DATA, "%s: its journal is of another program", name);
	choose_start(worker);
}

/* --- the device ------------------------------------------------------------------- */

static int
shower_submit(struct device *device, const struct device_request *request)
{
	const int r = again.below->submit(again.below, request);
	struct written *written;

	(void)device;
	for (unsigned which = 0; !r && which < 2; which++) {
		if (request->op != DEVICE_WRITE || request->handle != again.handles[which])
			continue;
		written = heap_take(&again.heap, sizeof(*written) + request->data_bytes);
		if (!written)
			continue; /* not shown; the run is the same */
		*written = (struct written){again.written, request->id, which, request->data_bytes};
		if (request->data_bytes)
			memcpy(written->data, request->data, request->data_bytes);
		again.written = written;
		break;
	}
	return r;
}

static void
shower_cancel(struct device *device, uint64_t id)
{
	(void)device;
	again.below->cancel(again.below, id);
}

static void
show(const struct written *written, int64_t result)
{
	const uint32_t bytes = result < (int64_t)written->bytes ? (uint32_t)result : written->bytes;
	struct pen *pen = &again.shows[written->which];

	if (again.worker->start.shows[written->which] == START_NO_STREAM || pen->error ||
		(again.worker->start.only && !again.alone))
		return;
	(void)pen_flush(&again.shows[!written->which]); /* in the order it was written */
	sink_put(&pen->sink, written->data, bytes);
}

static bool
shower_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	(void)device;
	if (!again.below->reap(again.below, wait, ret_completion))
		return false;
	for (struct written **at = &again.written; *at; at = &(*at)->next) {
		struct written *written = *at;

		if (written->id != ret_completion->id)
			continue;
		if (ret_completion->result > 0)
			show(written, ret_completion->result);
		*at = written->next;
		heap_give(&again.heap, written, sizeof(*written) + written->bytes);
		break;
	}
	return true;
}

static void
shower_done(struct device *device, uint64_t id)
{
	(void)device;
	again.below->done(again.below, id);
}

struct device *
again_open(struct worker *worker)
{
	again.below = &again.replayer.device;
	again.device = (struct device){shower_submit, shower_cancel, shower_reap, shower_done};
	for (unsigned which = 0; which < 2; which++)
		pen_init(&again.shows[which], worker, worker->start.shows[which], again.buffers[which],
			PEN_PIECE);
	return &again.device;
}

struct device *
again_alone(struct device *below)
{
	again.below = below;
	again.alone = true;
	again.written = NULL; /* nobody waits for the whole's any more */
	return &again.device;
}

int
again_flush(void)
{
	int error = 0;

	for (unsigned which = 0; which < 2; which++)
		if (again.worker->start.shows[which] != START_NO_STREAM &&
			pen_flush(&again.shows[which]))
			error = again.shows[which].error;
	return error;
}

/* --- --until ------------------------------------------------------------------------- */

/* Gas is a limit of the domain's line for a while: it then stops exactly there. */
void
again_begin(struct worker *worker)
{
	struct clock_gas *clock = world_clock(worker->world);
	struct line *line = &worker->domain->meter.line;
	const uint64_t used = line_used(clock, line), until = worker->start.until_count;
	const uint64_t more = until > used ? until - used : 0;

	if (worker->start.until != UNTIL_GAS || again.limited)
		return;
	again.gas_left = line_left(clock, line);
	if (again.gas_left <= more)
		return; /* it stops by itself before that */
	again.limited = true;
	line_limit(clock, line, more);
	again.gas_left = again.gas_left == GAS_NO_LIMIT ? GAS_NO_LIMIT : again.gas_left - more;
}

void
again_stopped(struct worker *worker)
{
	struct clock_gas *clock = world_clock(worker->world);
	struct line *line = &worker->domain->meter.line;

	if (!again.limited)
		return;
	again.limited = false;
	if (worker->domain->stop.reason == STOP_OUT_OF_GAS)
		again.until = true;
	if (again.gas_left == GAS_NO_LIMIT)
		line_limit(clock, line, GAS_NO_LIMIT);
	else
		line_feed(clock, line, again.gas_left);
}

bool
again_poked(struct worker *worker)
{
	const struct journal_where now = world_where(worker->world);

	if (worker->start.until == UNTIL_STEP && now.steps >= worker->start.until_count)
		again.until = true;
	if (!again.until && !again.stopped && !replayer_past(&again.replayer))
		again.stopped = replayer_stop(&again.replayer);
	return again.until || again.stopped || replayer_past(&again.replayer);
}

bool
again_order(struct worker *worker, const uint8_t **ret_bytes, uint32_t *ret_count)
{
	(void)worker;
	return !again.alone && replayer_order(&again.replayer, ret_bytes, ret_count);
}

void
again_order_take(struct worker *worker)
{
	(void)worker;
	replayer_order_take(&again.replayer);
}

void
again_stuck(struct worker *worker)
{
	struct device_completion completion;

	(void)worker;
	(void)again.replayer.device.reap(&again.replayer.device, true, &completion);
}

bool
again_freeze(struct worker *worker)
{
	again_stopped(worker);
	if (!again.stopped)
		replayer_freeze(&again.replayer);
	return again.stopped;
}

/* --- what came of it ------------------------------------------------------------------ */

static struct record_text
text_of(const char *text)
{
	return (struct record_text){text, (uint32_t)strlen(text)};
}

void
again_close(struct worker *worker)
{
	struct replayer *replayer = &again.replayer;
	struct record *record = &worker->record;
	const bool asked = worker->pokes != 0;

	for (unsigned which = 0; which < 2; which++)
		if (worker->start.shows[which] != START_NO_STREAM && pen_flush(&again.shows[which]))
			record->tape_error = again.shows[which].error;
	if (asked)
		return;
	if (again.until && !replayer->diverged.text[0]) {
		record->end = RECORD_UNTIL;
		return;
	}
	if (!replayer->diverged.text[0] && replayer->ended && !replayer->complete) {
		record->end = RECORD_UNTIL;
		record->diverged = text_of("the recording ends here: its worker was ended");
		return;
	}
	if (replayer_end(replayer))
		return;
	record->end = RECORD_DIVERGED;
	record->diverged = text_of(replayer->diverged.text);
	record->recorded = text_of(replayer->recorded.text);
	record->asked = text_of(replayer->asked.text);
}
