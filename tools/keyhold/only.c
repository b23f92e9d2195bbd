/* SPDX-License-Identifier: Apache-2.0 */
/* only.c - replay --only: one domain and all below it, alone.
 *
 *   recording -> the whole again, watched -> image + what crossed its edge
 *             -> a world with nothing else in it -> the same, or where it is not
 *
 *             `-> --edge FILE: the setup of the whole and that, as a recording of its
 *                 own -> the second world alone, another time
 *
 * The whole shows nothing of what it writes to descriptors 1 and 2; the subtree
 * alone does. */
#include <errno.h>
#include <string.h>

#include "caps/caps.h"
#include "kernel/base/blake2b.h"
#include "kernel/edge.h"
#include "tools/keyhold/pen.h"
#include "tools/keyhold/recording.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/tape.h"

static struct only {
	struct heap heap;
	struct edge watched, alone;
	enum start_until until;
	uint64_t until_count;
	int error;
	struct report report;
} only;

void
only_watch(struct worker *worker)
{
	only.until = worker->start.until;
	only.until_count = worker->start.until_count;
	worker->start.until = UNTIL_NONE; /* counts in the subtree */
	report_clear(&only.report);
	heap_init(&only.heap, worker->host);
	edge_watch(&only.watched, worker->world, &only.heap, worker->start.only);
}

void
only_seen(struct worker *worker)
{
	(void)worker;
	only.error = edge_finish(&only.watched, &only.report);
}

static void
told(struct record *record, enum record_only end, const struct report *report)
{
	record->only = end;
	record->only_text = (struct record_text){report->text, (uint32_t)strlen(report->text)};
}

static enum edge_end
alone(struct worker *worker)
{
	struct edge *edge = &only.alone;
	enum edge_end end = EDGE_GOES_ON;

	while (end == EDGE_GOES_ON) {
		worker->pokes |= client_poked(worker->client);
		if (worker->pokes)
			return EDGE_UNTIL;
		if (only.until == UNTIL_STEP && edge->seq >= only.until_count)
			return EDGE_UNTIL;
		end = edge_next(edge);
	}
	return end;
}

static int
open_alone(struct worker *worker, const uint8_t *journal, uint64_t bytes, enum executor executor)
{
	struct world_config config = {.host = worker->host, .caps = &caps_all, .executor = executor};
	int r;

	config.device = again_alone(edge_device(&only.alone));
	r = edge_open(&only.alone, &only.heap, journal, bytes, &only.report);
	if (r)
		return r;
	worker->world = world_open(&config);
	if (!worker->world)
		worker_refuse(worker, EXIT_FAULT, "no memory for a world of its own");
	guest_roots(worker);
	r = edge_begin(&only.alone, worker->world,
		only.until == UNTIL_GAS ? only.until_count : GAS_NO_LIMIT, &only.report);
	worker->domain = only.alone.top;
	return r;
}

/* What it came to; an image of it, if it was to stand somewhere. */
static enum edge_end
go_alone(struct worker *worker)
{
	struct record *record = &worker->record;
	const enum edge_end end = alone(worker);

	record->only_gas = line_used(world_clock(worker->world), &worker->domain->meter.line);
	record->only_steps = only.alone.seq;
	if (again_flush())
		record->tape_error = again_flush();
	told(record, end == EDGE_SAME ? ONLY_SAME : end == EDGE_UNTIL ? ONLY_UNTIL : ONLY_DIVERGED,
		&only.alone.diverged);
	if (end != EDGE_UNTIL)
		return end;
	edge_freeze(&only.alone);
	domain_quiesce(worker->domain);
	guest_keep_image(worker, WHEN_UNTIL);
	return end;
}

struct hashing_pen {
	struct sink sink; /* first */
	struct pen *pen;
	struct blake2b hash;
};

static int
hashing_put(struct sink *sink, const void *data, size_t bytes)
{
	struct hashing_pen *to = (struct hashing_pen *)(void *)sink;

	blake2b_add(&to->hash, data, bytes);
	sink_put(&to->pen->sink, data, bytes);
	return to->pen->sink.failed;
}

/* --edge: a recording whose program is the journal, with the keys of the whole. */
static void
keep(struct worker *worker)
{
	static uint8_t buffer[PEN_PIECE];
	const struct recording *whole = again_recording();
	const struct edge_bytes *journal = &only.watched.out;
	struct record *record = &worker->record;
	struct recording_head head = {.flags = RECORDING_EDGE, .mem_bytes = whole->head.mem_bytes,
		.setup_bytes = whole->head.setup_bytes, .program_bytes = journal->count};
	struct hashing_pen to = {.sink = {.put = hashing_put}};
	struct pen pen;
	uint8_t hash[32];

	if (worker->start.record_to == START_NO_STREAM)
		return;
	pen_init(&pen, worker, worker->start.record_to, buffer, sizeof(buffer));
	to.pen = &pen;
	blake2b_init(&to.hash);
	blake2b_256(journal->at, journal->count, head.program_hash);
	recording_put_head(&head, &to.sink);
	sink_put(&to.sink, whole->setup, whole->head.setup_bytes);
	sink_put(&to.sink, journal->at, journal->count);
	blake2b_end(&to.hash, hash);
	sink_put(&pen.sink, hash, sizeof(hash));
	recording_put_tail(hash, (const uint8_t *)worker->start.only, strlen(worker->start.only), 0, 0,
		&pen.sink);
	record->tape = pen_flush(&pen) ? TAPE_FAILED : TAPE_WRITTEN;
	record->tape_bytes = pen.sink.bytes;
	record->tape_error = pen.error;
}

void
only_from_file(struct worker *worker)
{
	const bool slow = worker->start.flags & START_SWITCH || !executor_present(EXECUTOR_FAST);

	(void)again_open(worker);
	only.until = worker->start.until;
	only.until_count = worker->start.until_count;
	report_clear(&only.report);
	heap_init(&only.heap, worker->host);
	if (open_alone(worker, worker->program, worker->program_bytes,
		slow ? EXECUTOR_SWITCH : EXECUTOR_FAST))
		worker_refuse(worker, EXIT_DATA, "%s: %s", worker->recording, only.report.text);
	(void)go_alone(worker);
	worker->record.end = worker->pokes ? RECORD_ASKED : RECORD_UNTIL;
}

void
only_again(struct worker *worker)
{
	struct record *record = &worker->record;
	const enum executor executor = world_config(worker->world)->executor;

	if (record->end == RECORD_DIVERGED || worker->pokes)
		return;
	if (only.error) {
		told(record, only.error == -ENOENT ? ONLY_NOBODY : ONLY_CROSSED, &only.report);
		return;
	}
	if (open_alone(worker, only.watched.out.at, only.watched.out.count, executor))
		told(record, ONLY_DIVERGED, &only.report);
	else if (go_alone(worker) != EDGE_DIVERGED && !worker->pokes)
		keep(worker);
}
