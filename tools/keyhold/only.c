/* SPDX-License-Identifier: Apache-2.0 */
/* only.c - replay --only: one domain and all below it, alone.
 *
 *   recording -> the whole again, watched -> image + what crossed its edge
 *             -> a world with nothing else in it -> the same, or where it is not
 *
 * The whole shows nothing of what it writes to descriptors 1 and 2; the subtree
 * alone does. */
#include <errno.h>
#include <string.h>

#include "caps/caps.h"
#include "kernel/edge.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/tape.h"

static struct only {
	struct heap heap;
	struct edge watched, alone;
	struct edge_bytes journal;
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
open_alone(struct worker *worker)
{
	struct world_config config = {.host = worker->host, .caps = &caps_all,
		.executor = world_config(worker->world)->executor};
	const struct edge_bytes *journal = &only.watched.out;
	int r;

	config.device = again_alone(edge_device(&only.alone));
	r = edge_open(&only.alone, &only.heap, journal->at, journal->count, &only.report);
	if (r)
		return r;
	worker->world = world_open(&config);
	if (!worker->world)
		worker_refuse(worker, EXIT_FAULT, "no memory for a second world");
	guest_roots(worker);
	r = edge_begin(&only.alone, worker->world,
		only.until == UNTIL_GAS ? only.until_count : GAS_NO_LIMIT, &only.report);
	worker->domain = only.alone.top;
	return r;
}

void
only_again(struct worker *worker)
{
	struct record *record = &worker->record;
	enum edge_end end;

	if (record->end == RECORD_DIVERGED || worker->pokes)
		return;
	if (only.error) {
		told(record, only.error == -ENOENT ? ONLY_NOBODY : ONLY_CROSSED, &only.report);
		return;
	}
	if (open_alone(worker)) {
		told(record, ONLY_DIVERGED, &only.report);
		return;
	}
	end = alone(worker);
	record->only_gas = line_used(world_clock(worker->world), &worker->domain->meter.line);
	record->only_steps = only.alone.seq;
	if (again_flush())
		record->tape_error = again_flush();
	told(record, end == EDGE_SAME ? ONLY_SAME : end == EDGE_UNTIL ? ONLY_UNTIL : ONLY_DIVERGED,
		&only.alone.diverged);
	if (end != EDGE_UNTIL)
		return;
	edge_freeze(&only.alone);
	domain_quiesce(worker->domain);
	guest_keep_image(worker, WHEN_UNTIL);
}
