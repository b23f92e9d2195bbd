/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/journal.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/base/must.h"

static const uint8_t magic[8] = {'K', 'E', 'Y', 'H', 'J', 'R', 'N', 'L'};

enum record { /* ORDER RECORDS: stored, append only */
	RECORD_SUBMIT = 1, /* a request that the device took */
	RECORD_REFUSED,    /* a request that it did not */
	RECORD_COMPLETION,
	RECORD_POKE, /* a wait that ended with nothing */
	RECORD_END,
	RECORD_STOP, /* asked to stop between two steps */
	RECORD_ORDER, /* done between two steps by somebody outside */
};

/* --- requests in a journal: all that was asked, what was to be written as a hash ---- */

struct asked {
	uint32_t op, flags, handle, handle2;
	uint64_t offset, length;
	uint32_t bytes, data_bytes;
	const uint8_t *data_hash; /* NULL without data */
	const uint8_t *path, *path2;
	uint32_t path_bytes, path2_bytes;
	uint64_t access_ns, modify_ns, timeout_ns;
};

static void
put_request(struct sink *sink, const struct device_request *request)
{
	uint8_t hash[32];

	sink_u32(sink, (uint32_t)request->op);
	sink_u32(sink, request->flags);
	sink_u32(sink, request->handle);
	sink_u32(sink, request->handle2);
	sink_u64(sink, request->offset);
	sink_u64(sink, request->length);
	sink_u32(sink, request->bytes);
	sink_u32(sink, request->data_bytes);
	if (request->data_bytes) {
		blake2b_256(request->data, request->data_bytes, hash);
		sink_put(sink, hash, sizeof hash);
	}
	sink_text(sink, request->path, request->path_bytes);
	sink_text(sink, request->path2, request->path2_bytes);
	sink_u64(sink, request->access_ns);
	sink_u64(sink, request->modify_ns);
	sink_u64(sink, request->timeout_ns);
}

static bool
get_request(struct bytes_in *in, struct asked *ret_asked)
{
	struct asked asked = {0};

	asked.op = bytes_u32(in);
	asked.flags = bytes_u32(in);
	asked.handle = bytes_u32(in);
	asked.handle2 = bytes_u32(in);
	asked.offset = bytes_u64(in);
	asked.length = bytes_u64(in);
	asked.bytes = bytes_u32(in);
	asked.data_bytes = bytes_u32(in);
	if (asked.data_bytes)
		asked.data_hash = bytes_take(in, 32);
	asked.path = bytes_text(in, &asked.path_bytes);
	asked.path2 = bytes_text(in, &asked.path2_bytes);
	asked.access_ns = bytes_u64(in);
	asked.modify_ns = bytes_u64(in);
	asked.timeout_ns = bytes_u64(in);
	*ret_asked = asked;
	return !in->bad;
}

static bool
text_equal(const uint8_t *a, uint32_t a_bytes, const char *b, uint32_t b_bytes)
{
	return a_bytes == b_bytes && (!a_bytes || !memcmp(a, b, a_bytes));
}

static bool
same_data(const struct asked *then, const struct device_request *now)
{
	uint8_t hash[32];

	if (then->data_bytes != now->data_bytes)
		return false;
	if (!now->data_bytes)
		return true;
	blake2b_256(now->data, now->data_bytes, hash);
	return !memcmp(hash, then->data_hash, sizeof hash);
}

static bool
same_request(const struct asked *then, const struct device_request *now)
{
	return then->op == (uint32_t)now->op && then->flags == now->flags &&
		then->handle == now->handle && then->handle2 == now->handle2 &&
		then->offset == now->offset && then->length == now->length &&
		then->bytes == now->bytes &&
		text_equal(then->path, then->path_bytes, now->path, now->path_bytes) &&
		text_equal(then->path2, then->path2_bytes, now->path2, now->path2_bytes) &&
		then->access_ns == now->access_ns && then->modify_ns == now->modify_ns &&
		then->timeout_ns == now->timeout_ns && same_data(then, now);
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

	record(recorder, refused ? RECORD_REFUSED : RECORD_SUBMIT, request->id);
	put_request(&recorder->sink, request);
	return refused;
}

static void
record_cancel(struct device *device, uint64_t id)
{
	struct recorder *recorder = (struct recorder *)device;

	recorder->below->cancel(recorder->below, id);
}

void
journal_put_completion(struct sink *sink, const struct device_completion *completion)
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
		journal_put_completion(&recorder->sink, ret_completion);
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
recorder_stop(struct recorder *recorder)
{
	record(recorder, RECORD_STOP, 0);
}

void
recorder_order(struct recorder *recorder, const uint8_t *bytes, uint32_t count)
{
	record(recorder, RECORD_ORDER, 0);
	sink_text(&recorder->sink, bytes, count);
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

/* The next record's beginning; false at the end, or where a journal that was cut
 * off breaks. */
static bool
next_entry(const struct replayer *replayer, struct bytes_in *ret_in, struct entry *ret_entry)
{
	struct bytes_in in = replayer->in;

	ret_entry->type = (enum record)bytes_u8(&in);
	ret_entry->where.used = bytes_u64(&in);
	ret_entry->where.steps = bytes_u64(&in);
	ret_entry->id = bytes_u64(&in);
	*ret_in = in;
	return !in.bad && ret_entry->type != RECORD_END;
}

static bool
peek(struct replayer *replayer, struct bytes_in *ret_in, struct entry *ret_entry)
{
	if (!next_entry(replayer, ret_in, ret_entry))
		replayer->ended = true;
	return !replayer->ended && !replayer->diverged.text[0];
}

/* --- words for a divergence ------------------------------------------------------------- */

static const char *const op_texts[DEVICE_OP_COUNT] = { /* ORDER DEVICE_OPS */
	[DEVICE_READ] = "read", [DEVICE_WRITE] = "write", [DEVICE_SYNC] = "sync",
	[DEVICE_TRUNCATE] = "truncate", [DEVICE_ALLOCATE] = "allocate", [DEVICE_POLL] = "poll",
	[DEVICE_SLEEP] = "sleep", [DEVICE_SHUTDOWN] = "shutdown", [DEVICE_OPEN] = "open",
	[DEVICE_CLOSE] = "close", [DEVICE_STAT] = "stat", [DEVICE_STAT_AT] = "stat_at",
	[DEVICE_TIMES] = "times", [DEVICE_TIMES_AT] = "times_at", [DEVICE_MKDIR] = "mkdir",
	[DEVICE_UNLINK] = "unlink", [DEVICE_RMDIR] = "rmdir", [DEVICE_RENAME] = "rename",
	[DEVICE_LINK] = "link", [DEVICE_SYMLINK] = "symlink", [DEVICE_READLINK] = "readlink",
	[DEVICE_LIST] = "list", [DEVICE_CLOCK] = "clock", [DEVICE_ENTROPY] = "entropy",
	[DEVICE_CONNECT] = "connect", [DEVICE_ACCEPT] = "accept", [DEVICE_RESOLVE] = "resolve",
	[DEVICE_ADDRESS] = "address", [DEVICE_NARROW] = "narrow",
};

/* Which bytes were to be written tells a hash, its first bytes for a person. */
static void
say_asked(struct report *to, const struct asked *asked)
{
	const char *op = asked->op < DEVICE_OP_COUNT ? op_texts[asked->op] : NULL;
	const uint8_t *hash = asked->data_hash;
	char offset[24] = "its position", data[64] = "";

	if (asked->offset != DEVICE_STREAM)
		(void)snprintf(offset, sizeof offset, "%llu", (unsigned long long)asked->offset);
	if (hash)
		(void)snprintf(data, sizeof data, ", data %u bytes (blake2b %02x%02x%02x%02x)",
			asked->data_bytes, hash[0], hash[1], hash[2], hash[3]);
	report_say(to, UINT64_MAX,
		"%s handle %u, flags 0x%x, at %s, bytes %u%s%s%.*s%s%.*s", op ? op : "?", asked->handle,
		asked->flags, offset, asked->bytes, data, asked->path_bytes ? ", path " : "",
		(int)(asked->path_bytes < 200 ? asked->path_bytes : 200),
		asked->path_bytes ? (const char *)asked->path : "",
		asked->path2_bytes ? ", path2 " : "",
		(int)(asked->path2_bytes < 200 ? asked->path2_bytes : 200),
		asked->path2_bytes ? (const char *)asked->path2 : "");
}

static void
say_request(struct report *to, const struct device_request *request)
{
	uint8_t hash[32];
	const struct asked asked = {(uint32_t)request->op, request->flags, request->handle,
		request->handle2, request->offset, request->length, request->bytes,
		request->data_bytes, request->data_bytes ? hash : NULL,
		(const uint8_t *)request->path, (const uint8_t *)request->path2, request->path_bytes,
		request->path2_bytes, request->access_ns, request->modify_ns, request->timeout_ns};

	if (request->data_bytes)
		blake2b_256(request->data, request->data_bytes, hash);
	say_asked(to, &asked);
}

static void
say_entry(struct report *to, const struct entry *entry, struct bytes_in in)
{
	struct asked asked;

	switch (entry->type) {
	case RECORD_SUBMIT:
	case RECORD_REFUSED:
		if (get_request(&in, &asked))
			say_asked(to, &asked);
		break;
	case RECORD_COMPLETION:
		report_say(to, UINT64_MAX, "completion of request %llu, result %lld",
			(unsigned long long)entry->id, (long long)bytes_u64(&in));
		break;
	case RECORD_POKE:
		report_say(to, UINT64_MAX, "a wait that ended with nothing");
		break;
	case RECORD_END:
		report_say(to, UINT64_MAX, "the end");
		break;
	case RECORD_ORDER:
		report_say(to, UINT64_MAX, "an order of %u bytes through control", bytes_u32(&in));
		break;
	case RECORD_STOP:
		report_say(to, UINT64_MAX, "a stop that was asked for");
		break;
	}
	if (!to->text[0])
		report_say(to, UINT64_MAX, "what is no record");
}

/* `in` stands behind the entry's beginning. */
static void
diverge(struct replayer *replayer, const struct bytes_in *in, const char *what,
	const struct entry *entry)
{
	const struct journal_where now = replayer->clock.now(replayer->clock.user);

	report_say(&replayer->diverged, bytes_offset(&replayer->in),
		"replay: %s: at gas %llu, step %llu; recorded gas %llu, step %llu, request %llu", what,
		(unsigned long long)now.used, (unsigned long long)now.steps,
		(unsigned long long)entry->where.used, (unsigned long long)entry->where.steps,
		(unsigned long long)entry->id);
	say_entry(&replayer->recorded, entry, *in);
}

static bool
is_now(const struct replayer *replayer, const struct entry *entry)
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

/* After it diverged, or was frozen, requests are taken and never answered: the
 * world then waits for ever. */
static int
take_unanswered(struct replayer *replayer, const struct device_request *request)
{
	return flight_add(replayer, request->id) ? 0 : -DEVICE_EAGAIN;
}

static int
replay_submit(struct device *device, const struct device_request *request)
{
	struct replayer *replayer = (struct replayer *)device;
	const char *wrong = NULL;
	struct bytes_in in, then;
	struct entry entry;
	struct asked asked;

	if (replayer->frozen || !peek(replayer, &in, &entry))
		return take_unanswered(replayer, request);
	then = in;
	if ((entry.type != RECORD_SUBMIT && entry.type != RECORD_REFUSED) ||
		entry.id != request->id || !is_now(replayer, &entry))
		wrong = "a request that was not made then";
	else if (!get_request(&in, &asked) || !same_request(&asked, request))
		wrong = "another request than was made then";
	if (wrong) {
		diverge(replayer, &then, wrong, &entry);
		say_request(&replayer->asked, request);
		return take_unanswered(replayer, request);
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

bool
journal_get_completion(struct bytes_in *in, uint64_t id, struct device_completion *ret_completion)
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

/* Each request in flight ends as if it had been cancelled in time. */
static bool
reap_frozen(struct replayer *replayer, struct device_completion *ret_completion)
{
	if (!replayer->flight_count)
		return false;
	*ret_completion = (struct device_completion){
		.id = replayer->flight[--replayer->flight_count], .result = -DEVICE_ECANCELED};
	return true;
}

static bool
replay_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct replayer *replayer = (struct replayer *)device;
	struct bytes_in in, then;
	struct entry entry;

	if (replayer->frozen)
		return wait && reap_frozen(replayer, ret_completion);
	if (!peek(replayer, &in, &entry))
		return false;
	then = in;
	if (entry.type == RECORD_POKE && wait && is_now(replayer, &entry)) {
		replayer->in = in;
		return false;
	}
	if (entry.type != RECORD_COMPLETION || !is_now(replayer, &entry)) {
		if (wait) {
			diverge(replayer, &then, "a wait that was not made then", &entry);
			report_say(&replayer->asked, UINT64_MAX, "a wait");
		}
		return false;
	}
	if (!journal_get_completion(&in, entry.id, ret_completion)) {
		diverge(replayer, &then, "a damaged completion", &entry);
		return false;
	}
	if (!flight_drop(replayer, entry.id)) {
		diverge(replayer, &then, "a completion of nothing in flight", &entry);
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
	report_clear(&replayer->recorded);
	report_clear(&replayer->asked);
	return 0;
}

bool
replayer_stop(struct replayer *replayer)
{
	struct bytes_in in;
	struct entry entry;

	if (replayer->frozen || !peek(replayer, &in, &entry) || entry.type != RECORD_STOP ||
		!is_now(replayer, &entry))
		return false;
	replayer->in = in;
	return true;
}

/* The next record, if it is an order and of now. */
static bool
order_now(const struct replayer *replayer, struct bytes_in *ret_in)
{
	struct entry entry;

	return !replayer->frozen && !replayer->ended && !replayer->diverged.text[0] &&
		next_entry(replayer, ret_in, &entry) && entry.type == RECORD_ORDER &&
		is_now(replayer, &entry);
}

bool
replayer_order(const struct replayer *replayer, const uint8_t **ret_bytes, uint32_t *ret_count)
{
	struct bytes_in in;
	const uint8_t *bytes;
	uint32_t count;

	if (!order_now(replayer, &in))
		return false;
	bytes = bytes_text(&in, &count);
	if (in.bad)
		return false; /* a damaged one: whatever is asked next diverges at it */
	*ret_bytes = bytes;
	*ret_count = count;
	return true;
}

void
replayer_order_take(struct replayer *replayer)
{
	struct bytes_in in;
	uint32_t count;

	if (!order_now(replayer, &in))
		return;
	(void)bytes_text(&in, &count);
	if (!in.bad)
		replayer->in = in;
}

void
replayer_freeze(struct replayer *replayer)
{
	replayer->frozen = true;
}

bool
replayer_end(struct replayer *replayer)
{
	struct bytes_in in;
	struct entry entry;

	if (peek(replayer, &in, &entry) ||
		(replayer->complete && !replayer->diverged.text[0] && !is_now(replayer, &entry))) {
		diverge(replayer, &in, "the run ended, which it had not then", &entry);
		report_say(&replayer->asked, UINT64_MAX, "the end");
	}
	return !replayer->diverged.text[0];
}

bool
replayer_past(struct replayer *replayer)
{
	struct bytes_in in;
	struct entry entry;

	if (!replayer->diverged.text[0] && !peek(replayer, &in, &entry) && replayer->complete &&
		replayer->clock.now(replayer->clock.user).steps > entry.where.steps) {
		diverge(replayer, &in, "the run goes on, which it had ended then", &entry);
		report_say(&replayer->asked, UINT64_MAX, "a step more");
	}
	return replayer->diverged.text[0] || (replayer->ended && !replayer->complete);
}

void
replayer_done(struct replayer *replayer)
{
	heap_give(replayer->heap, replayer->flight,
		replayer->flight_room * sizeof *replayer->flight);
	replayer->flight = NULL;
	replayer->flight_count = replayer->flight_room = 0;
}
