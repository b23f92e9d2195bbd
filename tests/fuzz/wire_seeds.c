/* SPDX-License-Identifier: Apache-2.0 */
/* wire_seeds.c - the first inputs of fuzz_wire: what an honest worker says, from the
 * first open to the last close, so that the target begins where things are open.
 * usage: wire_seeds FOLDER */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/wire.h"
#include "tests/support/buffer.h"

enum { STEPS_MAX = 16 };
/* Handles: those of the grants, then as they are made. */
enum { DIR = WIRE_SLOT_FIRST + GRANT_DIR, LISTENER = WIRE_SLOT_FIRST + GRANT_LISTENER,
	RANGE = WIRE_SLOT_FIRST + GRANT_RANGE, NAME = WIRE_SLOT_FIRST + GRANT_NAME,
	RESOLVER = WIRE_SLOT_FIRST + GRANT_RESOLVER, MADE = WIRE_SLOT_FIRST + GRANTS, MADE2 };

static const struct story {
	const char *name;
	struct step {
		enum device_op op;             /* 0: WIRE_CANCEL of `tag` */
		uint32_t handle, handle2, flags, bytes;
		enum wire_text path, path2;
		uint64_t offset, length, timeout_ns;
		uint8_t tag;
	} steps[STEPS_MAX];
} stories[] = {
	{"file", {
		{.op = DEVICE_OPEN, .handle = DIR, .path = TEXT_NEW,
			.flags = DEVICE_CREATE | DEVICE_FOR_READ | DEVICE_FOR_WRITE},
		{.op = DEVICE_WRITE, .handle = MADE, .bytes = 100},
		{.op = DEVICE_WRITE, .handle = MADE, .bytes = 9, .flags = DEVICE_APPENDING},
		{.op = DEVICE_READ, .handle = MADE, .offset = 1, .bytes = 50},
		{.op = DEVICE_ALLOCATE, .handle = MADE, .offset = 10, .length = 150},
		{.op = DEVICE_TRUNCATE, .handle = MADE, .offset = 7},
		{.op = DEVICE_SYNC, .handle = MADE, .flags = DEVICE_DATA_ONLY},
		{.op = DEVICE_TIMES, .handle = MADE, .flags = DEVICE_MODIFY_NOW},
		{.op = DEVICE_STAT, .handle = MADE},
		{.op = DEVICE_CLOSE, .handle = MADE},
		{.op = DEVICE_UNLINK, .handle = DIR, .path = TEXT_NEW}}},
	{"names", {
		{.op = DEVICE_LIST, .handle = DIR, .bytes = 190},
		{.op = DEVICE_MKDIR, .handle = DIR, .path = TEXT_NEW},
		{.op = DEVICE_RMDIR, .handle = DIR, .path = TEXT_NEW},
		{.op = DEVICE_LINK, .handle = DIR, .handle2 = DIR, .path = TEXT_FILE, .path2 = TEXT_NEW},
		{.op = DEVICE_RENAME, .handle = DIR, .handle2 = DIR, .path = TEXT_NEW, .path2 = TEXT_IN_DIR},
		{.op = DEVICE_UNLINK, .handle = DIR, .path = TEXT_IN_DIR},
		{.op = DEVICE_SYMLINK, .handle = DIR, .path = TEXT_NEW, .path2 = TEXT_SECRET},
		{.op = DEVICE_READLINK, .handle = DIR, .path = TEXT_NEW, .bytes = 64},
		{.op = DEVICE_STAT_AT, .handle = DIR, .path = TEXT_NEW},
		{.op = DEVICE_OPEN, .handle = DIR, .path = TEXT_NEW, .flags = DEVICE_FOR_READ | DEVICE_FOLLOW},
		{.op = DEVICE_UNLINK, .handle = DIR, .path = TEXT_NEW},
		{.op = DEVICE_OPEN, .handle = DIR, .path = TEXT_DIR, .flags = DEVICE_DIRECTORY | DEVICE_FOR_READ},
		{.op = DEVICE_LIST, .handle = MADE, .bytes = 190},
		{.op = DEVICE_CLOSE, .handle = MADE}}},
	{"connection", {
		{.op = DEVICE_CONNECT, .handle = RANGE, .path = TEXT_HERE},
		{.op = DEVICE_ACCEPT, .handle = LISTENER, .flags = DEVICE_NONBLOCK},
		{.op = DEVICE_ADDRESS, .handle = MADE, .flags = DEVICE_PEER},
		{.op = DEVICE_WRITE, .handle = MADE, .offset = DEVICE_STREAM, .bytes = 100},
		{.op = DEVICE_READ, .handle = MADE2, .offset = DEVICE_STREAM, .bytes = 60},
		{.op = DEVICE_READ, .handle = MADE2, .offset = DEVICE_STREAM, .bytes = 60},
		{.op = DEVICE_READ, .handle = MADE2, .offset = DEVICE_STREAM, .bytes = 60, .tag = 1},
		{.op = DEVICE_SHUTDOWN, .handle = MADE, .flags = DEVICE_SHUT_WRITE},
		{.op = DEVICE_CLOSE, .handle = MADE},
		{.op = DEVICE_CLOSE, .handle = MADE2}}},
	{"crowd", {
		{.op = DEVICE_ACCEPT, .handle = LISTENER, .tag = 1},
		{.op = DEVICE_CONNECT, .handle = RANGE, .path = TEXT_HERE},
		{.op = DEVICE_CONNECT, .handle = NAME, .path = TEXT_NAME},
		{.op = DEVICE_CONNECT, .handle = RANGE, .path = TEXT_MAPPED},
		{.op = DEVICE_CONNECT, .handle = RANGE, .path = TEXT_HERE},
		{.op = DEVICE_CONNECT, .handle = RANGE, .path = TEXT_HERE},
		{.op = DEVICE_ACCEPT, .handle = LISTENER, .flags = DEVICE_NONBLOCK},
		{.op = DEVICE_CONNECT, .handle = RANGE, .path = TEXT_METADATA}}},
	{"resolve", {
		{.op = DEVICE_RESOLVE, .handle = RESOLVER, .path = TEXT_NAME_ALONE, .bytes = 190},
		{.op = DEVICE_NARROW, .handle = RANGE, .path = TEXT_HERE},
		{.op = DEVICE_CONNECT, .handle = MADE},
		{.op = DEVICE_NARROW, .handle = MADE, .path = TEXT_LOOPBACK},
		{.op = DEVICE_CLOSE, .handle = MADE},
		{.op = DEVICE_CONNECT, .handle = NAME}}},
	{"waits", {
		{.op = DEVICE_ACCEPT, .handle = LISTENER, .tag = 1},
		{.op = DEVICE_SLEEP, .timeout_ns = DEVICE_FOREVER, .tag = 2},
		{.op = DEVICE_SLEEP, .timeout_ns = 1, .tag = 3},
		{.op = DEVICE_POLL, .bytes = 16, .timeout_ns = DEVICE_FOREVER, .tag = 4},
		{.tag = 2},
		{.op = DEVICE_CLOCK},
		{.op = DEVICE_ENTROPY, .bytes = 32},
		{.op = DEVICE_CLOSE, .handle = LISTENER}}},
};

static void
number(struct sink *out, uint64_t value)
{
	if (value < WIRE_NUMBER_LONG) {
		sink_u8(out, (uint8_t)value);
		return;
	}
	sink_u8(out, WIRE_NUMBER_LONG);
	sink_u64(out, value);
}

static void
text(struct sink *out, enum wire_text which)
{
	/* The target takes the rest by TEXTS. */
	sink_u8(out, (uint8_t)((WIRE_TEXT / TEXTS + 1) * TEXTS + which));
}

static void
put(struct sink *out, const struct step *step)
{
	sink_u8(out, step->op ? 0 : WIRE_KIND_OTHER + WIRE_CANCEL);
	sink_u8(out, (uint8_t)(step->op | WIRE_HAS_MORE | WIRE_HAS_DATA));
	sink_u32(out, step->flags);
	number(out, step->handle);
	number(out, step->handle2);
	sink_u8(out, step->tag);
	number(out, step->timeout_ns);
	number(out, 0);
	number(out, step->offset);
	number(out, step->length);
	number(out, 0);
	number(out, step->bytes);
	text(out, step->path);
	text(out, step->path2);
}

int
main(int argc, char **argv)
{
	char path[4096];

	for (size_t i = 0; argc == 2 && i < sizeof stories / sizeof *stories; i++) {
		const struct step *step = stories[i].steps;
		struct buffer input;
		FILE *file;

		buffer_init(&input);
		for (; step < stories[i].steps + STEPS_MAX && (step->op || step->tag); step++)
			put(&input.sink, step);
		(void)snprintf(path, sizeof path, "%s/%s", argv[1], stories[i].name);
		file = fopen(path, "wb");
		if (!file || fwrite(input.bytes, 1, input.count, file) != input.count || fclose(file))
			return EXIT_FAILURE;
		buffer_done(&input);
	}
	return argc == 2 ? 0 : EXIT_FAILURE;
}
