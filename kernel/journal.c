/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/journal.h"

#include <errno.h>

#include "kernel/base/must.h"

static const uint8_t magic[8] = {'K', 'E', 'Y', 'H', 'J', 'R', 'N', 'L'};

enum record { /* ORDER RECORDS: stored, append only */
	RECORD_SUBMIT = 1, /* a request that the device took */
	RECORD_REFUSED,    /* a request that it did not */
	RECORD_COMPLETION,
	RECORD_POKE, /* a wait that ended with nothing */
	RECORD_END,
};

/* --- what a request was, in 32 bytes ------------------------------------------------ */

struct hash_sink {
	struct sink sink; /* first */
	struct blake2b hash;
};

static int
hash_put(struct sink *sink, const void *data, size_t bytes)
{
	blake2b_add(&((struct hash_sink *)sink)->hash, data, bytes);
	return 0;
}

static void
digest(const struct device_request *request, uint8_t ret_digest[32])
{
	struct hash_sink to = {.sink = {.put = hash_put}};

	blake2b_init(&to.hash);
	sink_u32(&to.sink, (uint32_t)request->op);
	sink_u32(&to.sink, request->flags);
	sink_u32(&to.sink, request->handle);
	sink_u32(&to.sink, request->handle2);
	sink_u64(&to.sink, request->offset);
	sink_u64(&to.sink, request->length);
	sink_u32(&to.sink, request->bytes);
	sink_text(&to.sink, request->data, request->data_bytes);
	sink_text(&to.sink, request->path, request->path_bytes);
	sink_text(&to.sink, request->path2, request->path2_bytes);
	sink_u64(&to.sink, request->access_ns);
	sink_u64(&to.sink, request->modify_ns);
	sink_u64(&to.sink, request->timeout_ns);
	blake2b_end(&to.hash, ret_digest);
}

/* --- recording ------------------------------------------------------------------------ */

static int
recorder_put(struct sink *sink, const void *data, size_t bytes)
{
	struct recorder *recorder =
		(struct recorder *)(void *)((uint8_t *)sink - offsetof(struct recorder, sink));

	blake2b_add(&recorder->hash, data, bytes);
	sink_put(recorder->to, data, bytes);
	return recorder->to->failed;
}

static void
record(struct recorder *recorder, enum record type, uint64_t id)
{
	const struct journal_where where = recorder->clock.now(recorder->clock.user);

	sink_u8(&recorder->sink, (uint8_t)type);
	sink_u64(&recorder->sink, where.used);
	sink_u64(&recorder->sink, where.steps);
	sink_u64(&recorder->sink, id);
}

static int
record_submit(struct device *device, const struct device_request *request)
{
	struct recorder *recorder = (struct recorder *)device;
	const int refused = recorder->below->submit(recorder->below, request);
	uint8_t what[32];

	digest(request, what);
	record(recorder, refused ? RECORD_REFUSED : RECORD_SUBMIT, request->id);
	sink_u32(&recorder->sink, (uint32_t)request->op);
	sink_put(&recorder->sink, what, sizeof what);
	return refused;
}

static void
record_cancel(struct device *device, uint64_t id)
{
	struct recorder *recorder = (struct recorder *)device;

	recorder->below->cancel(recorder->below, id);
}

static void
put_completion(struct sink *sink, const struct device_completion *completion)
{
	const struct device_stat *stat = &completion->stat;

	sink_u64(sink, (uint64_t)completion->result);
	sink_u64(sink, completion->now_ns);
	sink_u64(sink, stat->inode);
	sink_u64(sink, stat->links);
	sink_u64(sink, stat->bytes);
	sink_u64(sink, stat->access_ns);
	sink_u64(sink, stat->modify_ns);
	sink_u64(sink, stat->change_ns);
	sink_u8(sink, stat->type);
	sink_text(sink, completion->data, completion->data_bytes);
}

static bool
record_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct recorder *recorder = (struct recorder *)device;

	if (recorder->below->reap(recorder->below, wait, ret_completion)) {
		record(recorder, RECORD_COMPLETION, ret_completion->id);
		put_completion(&recorder->sink, ret_completion);
		return true;
	}
	if (wait)
		record(recorder, RECORD_POKE, 0);
	return false;
}

static void
record_done(struct device *device, uint64_t id)
{
	struct recorder *recorder = (struct recorder *)device;

	recorder->below->done(recorder->below, id);
}

void
recorder_begin(struct recorder *recorder, struct device *below, struct sink *to,
	const struct journal_clock *clock, const uint8_t from[32])
{
	*recorder = (struct recorder){
		.device = {record_submit, record_cancel, record_reap, record_done},
		.below = below,
		.to = to,
		.sink = {.put = recorder_put},
		.clock = *clock,
	};
	blake2b_init(&recorder->hash);
	sink_put(&recorder->sink, magic, sizeof magic);
	sink_u32(&recorder->sink, JOURNAL_VERSION);
	sink_u32(&recorder->sink, 0);
	sink_put(&recorder->sink, from, 32);
}

void
recorder_end(struct recorder *recorder)
{
	uint8_t hash[32];

	record(recorder, RECORD_END, 0);
	blake2b_end(&recorder->hash, hash);
	sink_put(recorder->to, hash, sizeof hash);
}

/* --- replaying -------------------------------------------------------------------------- */

struct entry {
	enum record type;
	struct journal_where where;
	uint64_t id;
};

/* Looks at the next record's beginning; false at the end, or where a journal
 * that was cut off breaks. */
static bool
peek(struct replayer *replayer, struct bytes_in *ret_in, struct entry *ret_entry)
{
	struct bytes_in in = replayer->in;

	ret_entry->type = (enum record)bytes_u8(&in);
	ret_entry->where.used = bytes_u64(&in);
	ret_entry->where.steps = bytes_u64(&in);
	ret_entry->id = bytes_u64(&in);
	*ret_in = in;
	if (in.bad || ret_entry->type == RECORD_END)
		replayer->ended = true;
	return !replayer->ended && !replayer->diverged.text[0];
}

static void
diverge(struct replayer *replayer, const struct bytes_in *at, const char *what,
	const struct entry *entry)
{
	const struct journal_where now = replayer->clock.now(replayer->clock.user);

	report_say(&replayer->diverged, bytes_offset(at),
		"replay: %s: at gas %llu, step %llu; recorded gas %llu, step %llu, request %llu", what,
		(unsigned long long)now.used, (unsigned long long)now.steps,
		(unsigned long long)entry->where.used, (unsigned long long)entry->where.steps,
		(unsigned long long)entry->id);
}

static bool
is_now(struct replayer *replayer, const struct entry *entry)
{
	const struct journal_where now = replayer->clock.now(replayer->clock.user);

	return now.used == entry->where.used && now.steps == entry->where.steps;
}

static bool
flight_add(struct replayer *replayer, uint64_t id)
{
	if (replayer->flight_count == replayer->flight_room) {
		const uint32_t room = replayer->flight_room ? replayer->flight_room * 2 : 16;
		uint64_t *flight = heap_resize(replayer->heap, replayer->flight,
			replayer->flight_room * sizeof *flight, room * sizeof *flight);

		if (!flight)
			return false;
		replayer->flight = flight;
		replayer->flight_room = room;
	}
	replayer->flight[replayer->flight_count++] = id;
	return true;
}

static bool
flight_drop(struct replayer *replayer, uint64_t id)
{
	for (uint32_t i = 0; i < replayer->flight_count; i++) {
		if (replayer->flight[i] != id)
			continue;
		replayer->flight[i] = replayer->flight[--replayer->flight_count];
		return true;
	}
	return false;
}

/* After it diverged everything is refused: the world then waits for ever. */
static int
replay_submit(struct device *device, const struct device_request *request)
{
	struct replayer *replayer = (struct replayer *)device;
	struct bytes_in in;
	struct entry entry;
	const uint8_t *then;
	uint8_t now[32];

	if (!peek(replayer, &in, &entry))
		return flight_add(replayer, request->id) ? 0 : -DEVICE_EAGAIN;
	if ((entry.type != RECORD_SUBMIT && entry.type != RECORD_REFUSED) ||
		entry.id != request->id || !is_now(replayer, &entry)) {
		diverge(replayer, &replayer->in, "a request that was not made then", &entry);
		return flight_add(replayer, request->id) ? 0 : -DEVICE_EAGAIN;
	}
	(void)bytes_u32(&in);
	then = bytes_take(&in, sizeof now);
	digest(request, now);
	if (!then || memcmp(then, now, sizeof now)) {
		diverge(replayer, &replayer->in, "another request than was made then", &entry);
		return flight_add(replayer, request->id) ? 0 : -DEVICE_EAGAIN;
	}
	replayer->in = in;
	if (entry.type == RECORD_REFUSED || !flight_add(replayer, request->id))
		return -DEVICE_EAGAIN;
	return 0;
}

static void
replay_cancel(struct device *device, uint64_t id)
{
	(void)device;
	(void)id;
}

static bool
get_completion(struct bytes_in *in, uint64_t id, struct device_completion *ret_completion)
{
	struct device_completion completion = {.id = id};
	struct device_stat *stat = &completion.stat;

	completion.result = (int64_t)bytes_u64(in);
	completion.now_ns = bytes_u64(in);
	stat->inode = bytes_u64(in);
	stat->links = bytes_u64(in);
	stat->bytes = bytes_u64(in);
	stat->access_ns = bytes_u64(in);
	stat->modify_ns = bytes_u64(in);
	stat->change_ns = bytes_u64(in);
	stat->type = bytes_u8(in);
	completion.data = bytes_text(in, &completion.data_bytes);
	if (in->bad || completion.data_bytes > DEVICE_PIECE_BYTES)
		return false;
	if (completion.result <= -(int64_t)DEVICE_ERROR_COUNT)
		return false;
	*ret_completion = completion;
	return true;
}

static bool
replay_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct replayer *replayer = (struct replayer *)device;
	struct bytes_in in;
	struct entry entry;

	if (!peek(replayer, &in, &entry))
		return false;
	if (entry.type == RECORD_POKE && wait && is_now(replayer, &entry)) {
		replayer->in = in;
		return false;
	}
	if (entry.type != RECORD_COMPLETION || !is_now(replayer, &entry)) {
		if (wait)
			diverge(replayer, &replayer->in, "a wait that was not made then", &entry);
		return false;
	}
	if (!get_completion(&in, entry.id, ret_completion)) {
		diverge(replayer, &in, "a damaged completion", &entry);
		return false;
	}
	if (!flight_drop(replayer, entry.id)) {
		diverge(replayer, &replayer->in, "a completion of nothing in flight", &entry);
		return false;
	}
	replayer->in = in;
	replayer->completions++;
	return true;
}

static void
replay_done(struct device *device, uint64_t id)
{
	(void)device;
	(void)id;
}

/* The end, if it is there, tells that nothing before it was changed. */
static bool
has_end(const uint8_t *bytes, size_t count)
{
	uint8_t hash[32];

	if (count < JOURNAL_HEADER_BYTES + 25 + sizeof hash || bytes[count - 32 - 25] != RECORD_END)
		return false;
	blake2b_256(bytes, count - sizeof hash, hash);
	return !memcmp(hash, bytes + count - sizeof hash, sizeof hash);
}

int
replayer_begin(struct replayer *replayer, struct heap *heap, const uint8_t *bytes, size_t count,
	const struct journal_clock *clock, struct report *report)
{
	struct bytes_in in = bytes_in(bytes, count);
	const uint8_t *mark = bytes_take(&in, sizeof magic);
	const uint32_t version = bytes_u32(&in), zero = bytes_u32(&in);
	const uint8_t *from = bytes_take(&in, 32);

	if (!from || !mark || memcmp(mark, magic, sizeof magic) || zero) {
		report_say(report, 0, "journal: not a journal: it does not begin with one's header");
		return -EINVAL;
	}
	if (version != JOURNAL_VERSION) {
		report_say(report, 8, "journal: version %u; this program reads version %d", version,
			JOURNAL_VERSION);
		return -EINVAL;
	}
	*replayer = (struct replayer){
		.device = {replay_submit, replay_cancel, replay_reap, replay_done},
		.heap = heap,
		.in = in,
		.clock = *clock,
		.complete = has_end(bytes, count),
	};
	memcpy(replayer->from, from, sizeof replayer->from);
	report_clear(&replayer->diverged);
	return 0;
}

void
replayer_done(struct replayer *replayer)
{
	heap_give(replayer->heap, replayer->flight,
		replayer->flight_room * sizeof *replayer->flight);
	replayer->flight = NULL;
	replayer->flight_count = replayer->flight_room = 0;
}
