/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/recording.h"

#include <errno.h>

#include "kernel/base/blake2b.h"
#include "kernel/image.h"
#include "kernel/prices.h"

static const uint8_t head_magic[8] = {'K', 'E', 'Y', 'H', 'R', 'E', 'C', '\n'};
static const uint8_t tail_magic[8] = {'K', 'E', 'Y', 'H', 'E', 'N', 'D', '\n'};

void
recording_put_head(const struct recording_head *head, struct sink *sink)
{
	sink_put(sink, head_magic, sizeof(head_magic));
	sink_u32(sink, RECORDING_VERSION);
	sink_u32(sink, head->flags);
	sink_u32(sink, PRICES_VERSION);
	sink_u32(sink, IMAGE_ENGINE_VERSION);
	sink_u64(sink, head->mem_bytes);
	sink_u64(sink, head->setup_bytes);
	sink_u64(sink, head->program_bytes);
	sink_put(sink, head->program_hash, sizeof(head->program_hash));
}

int
recording_get_head(struct bytes_in *in, struct report *report, struct recording_head *ret_head)
{
	const uint8_t *mark = bytes_take(in, sizeof(head_magic));
	const uint32_t version = bytes_u32(in);
	struct recording_head head = {.flags = bytes_u32(in)};
	const uint32_t prices = bytes_u32(in), engine = bytes_u32(in);
	const uint8_t *hash;

	head.mem_bytes = bytes_u64(in);
	head.setup_bytes = bytes_u64(in);
	head.program_bytes = bytes_u64(in);
	hash = bytes_take(in, sizeof(head.program_hash));
	if (!mark || memcmp(mark, head_magic, sizeof(head_magic))) {
		report_say(report, 0, "it is no recording: it does not begin with one's header");
		return -EINVAL;
	}
	if (!hash) {
		report_say(report, bytes_offset(in), "the recording was cut off in its header");
		return -EINVAL;
	}
	if (version != RECORDING_VERSION) {
		report_say(report, 8, "a recording of version %u; this program replays version %d", version,
			RECORDING_VERSION);
		return -EINVAL;
	}
	if (prices != PRICES_VERSION || engine != IMAGE_ENGINE_VERSION) {
		report_say(report, 16, "it was recorded with prices %u and engine %u; here they are %d and "
			"%d, so gas would differ", prices, engine, PRICES_VERSION, IMAGE_ENGINE_VERSION);
		return -EINVAL;
	}
	if (head.flags & ~(uint32_t)(RECORDING_THIN | RECORDING_IMAGE | RECORDING_EDGE)) {
		report_say(report, 12, "the recording has flags that mean nothing here: 0x%x", head.flags);
		return -EINVAL;
	}
	memcpy(head.program_hash, hash, sizeof(head.program_hash));
	*ret_head = head;
	return 0;
}

struct hashing_sink {
	struct sink sink; /* first */
	struct sink *to;
	struct blake2b hash;
};

static int
hashing_put(struct sink *sink, const void *data, size_t bytes)
{
	struct hashing_sink *hashing = (struct hashing_sink *)(void *)sink;

	blake2b_add(&hashing->hash, data, bytes);
	sink_put(hashing->to, data, bytes);
	return hashing->to->failed;
}

void
recording_put_tail(const uint8_t head_hash[32], const uint8_t *outcome, uint64_t bytes,
	uint32_t flags, uint32_t status, struct sink *sink)
{
	struct hashing_sink hashing = {.sink = {.put = hashing_put}, .to = sink};
	uint8_t hash[32];

	blake2b_init(&hashing.hash);
	blake2b_add(&hashing.hash, head_hash, 32);
	sink_put(&hashing.sink, outcome, bytes);
	sink_u64(&hashing.sink, bytes);
	sink_u32(&hashing.sink, flags);
	sink_u32(&hashing.sink, status);
	blake2b_end(&hashing.hash, hash);
	sink_put(sink, hash, sizeof(hash));
	sink_put(sink, tail_magic, sizeof(tail_magic));
}

/* The end, found from the end. */
static int
get_tail(struct bytes_in in, const uint8_t *head_hash, struct report *report, struct recording *recording)
{
	const uint64_t after = bytes_left(&in);
	struct bytes_in tail;
	struct blake2b state;
	const uint8_t *then;
	uint8_t now[32];
	uint32_t flags, status;

	if (after < RECORDING_TAIL_BYTES || memcmp(in.end - sizeof(tail_magic), tail_magic, sizeof(tail_magic))) {
		report_say(report, bytes_offset(&in) + after,
			"the recording was cut off: its end is not there");
		return -EINVAL;
	}
	tail = bytes_in(in.end - RECORDING_TAIL_BYTES, RECORDING_TAIL_BYTES);
	recording->outcome_bytes = bytes_u64(&tail);
	flags = bytes_u32(&tail);
	status = bytes_u32(&tail);
	then = bytes_take(&tail, sizeof(now));
	if (recording->outcome_bytes > after - RECORDING_TAIL_BYTES ||
		recording->outcome_bytes > RECORDING_OUTCOME_MAX || status > 255 ||
		flags & ~(uint32_t)(RECORDING_CUT | RECORDING_TIME)) {
		report_say(report, bytes_offset(&in) + after - RECORDING_TAIL_BYTES,
			"the recording is damaged: its last bytes do not agree");
		return -EINVAL;
	}
	recording->outcome = in.end - RECORDING_TAIL_BYTES - recording->outcome_bytes;
	recording->journal = in.at;
	recording->journal_bytes = (uint64_t)(recording->outcome - in.at);
	recording->cut = flags & RECORDING_CUT;
	blake2b_init(&state);
	blake2b_add(&state, head_hash, 32);
	blake2b_add(&state, recording->outcome, recording->outcome_bytes + 16);
	blake2b_end(&state, now);
	if (memcmp(now, then, sizeof(now))) {
		report_say(report, bytes_offset(&in) + recording->journal_bytes,
			"the recording is damaged: what it says of its end was changed");
		return -EINVAL;
	}
	return 0;
}

int
recording_read(const uint8_t *bytes, size_t count, struct report *report,
	struct recording *ret_recording)
{
	struct bytes_in in = bytes_in(bytes, count);
	struct recording recording = {0};
	const uint8_t *then;
	uint8_t now[32];
	uint64_t head_bytes;
	int r = recording_get_head(&in, report, &recording.head);

	if (r)
		return r;
	recording.setup = bytes_take(&in, recording.head.setup_bytes);
	if (!(recording.head.flags & RECORDING_THIN))
		recording.program = bytes_take(&in, recording.head.program_bytes);
	head_bytes = bytes_offset(&in);
	then = bytes_take(&in, sizeof(now));
	if (!then) {
		report_say(report, count, "the recording was cut off before its journal");
		return -EINVAL;
	}
	blake2b_256(bytes, head_bytes, now);
	if (memcmp(now, then, sizeof(now))) {
		report_say(report, head_bytes, "the recording is damaged: what stands before its journal was changed");
		return -EINVAL;
	}
	r = get_tail(in, then, report, &recording);
	if (r)
		return r;
	*ret_recording = recording;
	return 0;
}
