/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - the result record as bytes. Its reader believes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/start.h"

static void
put_text(struct sink *sink, const struct record_text *text)
{
	sink_text(sink, text->text, text->bytes);
}

static struct record_text
get_text(struct bytes_in *in)
{
	struct record_text text;

	text.text = (const char *)bytes_text(in, &text.bytes);
	if (!text.text)
		text = (struct record_text){"", 0};
	return text;
}

static uint32_t
get_at_most(struct bytes_in *in, uint32_t most)
{
	const uint32_t value = bytes_u32(in);

	if (value > most)
		in->bad = true;
	return in->bad ? 0 : value;
}

static void
put_walls(struct sink *sink, const struct walls_state *walls)
{
	sink_u32(sink, walls->tier);
	for (unsigned i = 0; i < WALL_COUNT; i++)
		sink_u8(sink, walls->up[i]);
	sink_u32(sink, (uint32_t)walls->landlock_abi);
	sink_u64(sink, walls->memory_bytes);
	sink_u32(sink, walls->filter_instructions);
}

static void
get_walls(struct bytes_in *in, struct walls_state *walls)
{
	walls->tier = get_at_most(in, WALLS_T2);
	for (unsigned i = 0; i < WALL_COUNT; i++)
		walls->up[i] = bytes_u8(in) == 1;
	walls->landlock_abi = (int32_t)bytes_u32(in);
	walls->memory_bytes = bytes_u64(in);
	walls->filter_instructions = bytes_u32(in);
}

static void
put_lists(struct sink *sink, const struct record *record)
{
	sink_u32(sink, record->frames_count);
	for (uint32_t i = 0; i < record->frames_count; i++) {
		put_text(sink, &record->frames[i].func);
		sink_u32(sink, record->frames[i].index);
		sink_u32(sink, record->frames[i].offset);
	}
	sink_u32(sink, record->keys_count);
	for (uint32_t i = 0; i < record->keys_count; i++) {
		const struct record_key *key = &record->keys[i];

		put_text(sink, &key->name);
		put_text(sink, &key->spec);
		sink_u32(sink, key->kind);
		sink_u32(sink, key->flags);
		sink_u64(sink, key->seed);
		sink_u64(sink, key->counts.read);
		sink_u64(sink, key->counts.written);
		sink_u64(sink, key->counts.denied);
		sink_u64(sink, key->counts.missing);
	}
	sink_u32(sink, record->whys_count);
	for (uint32_t i = 0; i < record->whys_count; i++) {
		const struct record_why *why = &record->whys[i];

		sink_u64(sink, why->count);
		sink_u8(sink, why->missing);
		put_text(sink, &why->what);
		put_text(sink, &why->key);
		put_text(sink, &why->why);
		put_text(sink, &why->saw);
		put_text(sink, &why->allow);
	}
	sink_u32(sink, record->holes_count);
	for (uint32_t i = 0; i < record->holes_count; i++) {
		put_text(sink, &record->holes[i].name);
		put_text(sink, &record->holes[i].spec);
	}
	sink_u32(sink, record->values_count);
	for (uint32_t i = 0; i < record->values_count; i++) {
		sink_u8(sink, record->values[i].type);
		sink_u64(sink, record->values[i].bits);
	}
}

static void
get_lists(struct bytes_in *in, struct record *record)
{
	record->frames_count = get_at_most(in, RECORD_FRAMES_MAX);
	for (uint32_t i = 0; i < record->frames_count; i++) {
		record->frames[i].func = get_text(in);
		record->frames[i].index = bytes_u32(in);
		record->frames[i].offset = bytes_u32(in);
	}
	record->keys_count = get_at_most(in, RECORD_KEYS_MAX);
	for (uint32_t i = 0; i < record->keys_count; i++) {
		struct record_key *key = &record->keys[i];

		key->name = get_text(in);
		key->spec = get_text(in);
		key->kind = bytes_u32(in);
		key->flags = bytes_u32(in);
		key->seed = bytes_u64(in);
		key->counts.read = bytes_u64(in);
		key->counts.written = bytes_u64(in);
		key->counts.denied = bytes_u64(in);
		key->counts.missing = bytes_u64(in);
	}
	record->whys_count = get_at_most(in, WASI_WHY_MAX);
	for (uint32_t i = 0; i < record->whys_count; i++) {
		struct record_why *why = &record->whys[i];

		why->count = bytes_u64(in);
		why->missing = bytes_u8(in) == 1;
		why->what = get_text(in);
		why->key = get_text(in);
		why->why = get_text(in);
		why->saw = get_text(in);
		why->allow = get_text(in);
	}
	record->holes_count = get_at_most(in, RECORD_KEYS_MAX);
	for (uint32_t i = 0; i < record->holes_count; i++) {
		record->holes[i].name = get_text(in);
		record->holes[i].spec = get_text(in);
	}
	record->values_count = get_at_most(in, RECORD_VALUES_MAX);
	for (uint32_t i = 0; i < record->values_count; i++) {
		record->values[i].type = bytes_u8(in);
		record->values[i].bits = bytes_u64(in);
	}
}

void
record_write(const struct record *record, struct sink *sink)
{
	sink_u32(sink, record->end);
	sink_u32(sink, (uint32_t)record->status);
	put_text(sink, &record->text);
	sink_u64(sink, record->text_offset);
	sink_u32(sink, record->code);
	put_text(sink, &record->trap);
	sink_u64(sink, record->need);
	sink_u64(sink, record->gas_guest);
	sink_u64(sink, record->gas_host);
	sink_u64(sink, record->gas_run);
	sink_u64(sink, record->gas_left);
	sink_u64(sink, record->storage_peak);
	sink_u64(sink, record->storage_limit);
	sink_u64(sink, record->safepoints);
	sink_u64(sink, record->steps);
	put_text(sink, &record->program);
	put_text(sink, &record->diverged);
	put_text(sink, &record->recorded);
	put_text(sink, &record->asked);
	sink_u32(sink, record->image);
	sink_u32(sink, record->image_when);
	sink_u64(sink, record->image_bytes);
	sink_u32(sink, (uint32_t)record->image_error);
	sink_u32(sink, record->tape);
	sink_u64(sink, record->tape_bytes);
	sink_u32(sink, (uint32_t)record->tape_error);
	sink_u32(sink, record->only);
	put_text(sink, &record->only_text);
	sink_u64(sink, record->only_gas);
	sink_u64(sink, record->only_steps);
	put_walls(sink, &record->walls);
	sink_u32(sink, record->depth);
	put_lists(sink, record);
}

void
record_write_outcome(const struct record *record, struct sink *sink)
{
	static struct record plain; /* large: not on the stack */

	plain = *record;
	plain.image = IMAGE_NONE;
	plain.image_when = WHEN_GAS;
	plain.image_bytes = 0;
	plain.image_error = 0;
	plain.tape = TAPE_NONE;
	plain.tape_bytes = 0;
	plain.tape_error = 0;
	plain.only = ONLY_NONE;
	plain.only_text = (struct record_text){0};
	plain.only_gas = plain.only_steps = 0;
	memset(&plain.walls, 0, sizeof(plain.walls));
	record_write(&plain, sink);
}

static void
read_all(struct bytes_in *in, struct record *record)
{
	record->end = get_at_most(in, RECORD_END_COUNT - 1);
	record->status = (int32_t)get_at_most(in, 255);
	record->text = get_text(in);
	record->text_offset = bytes_u64(in);
	record->code = bytes_u32(in);
	record->trap = get_text(in);
	record->need = bytes_u64(in);
	record->gas_guest = bytes_u64(in);
	record->gas_host = bytes_u64(in);
	record->gas_run = bytes_u64(in);
	record->gas_left = bytes_u64(in);
	record->storage_peak = bytes_u64(in);
	record->storage_limit = bytes_u64(in);
	record->safepoints = bytes_u64(in);
	record->steps = bytes_u64(in);
	record->program = get_text(in);
	record->diverged = get_text(in);
	record->recorded = get_text(in);
	record->asked = get_text(in);
	record->image = get_at_most(in, IMAGE_FAILED);
	record->image_when = get_at_most(in, WHEN_COUNT - 1);
	record->image_bytes = bytes_u64(in);
	record->image_error = (int32_t)get_at_most(in, DEVICE_ERROR_COUNT - 1);
	record->tape = get_at_most(in, TAPE_FAILED);
	record->tape_bytes = bytes_u64(in);
	record->tape_error = (int32_t)get_at_most(in, DEVICE_ERROR_COUNT - 1);
	record->only = get_at_most(in, ONLY_NOBODY);
	record->only_text = get_text(in);
	record->only_gas = bytes_u64(in);
	record->only_steps = bytes_u64(in);
	get_walls(in, &record->walls);
	record->depth = bytes_u32(in);
	get_lists(in, record);
}

int
record_read(const uint8_t *bytes, size_t count, struct record **ret_record)
{
	struct bytes_in in = bytes_in(bytes, count);
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return -ENOMEM;
	read_all(&in, record);
	if (in.bad || bytes_left(&in)) {
		free(record);
		return -EINVAL;
	}
	*ret_record = record;
	return 0;
}
