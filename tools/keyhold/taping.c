/* SPDX-License-Identifier: Apache-2.0 */
/* taping.c - the broker's side of --record and of replay: what stands round the
 * journal in a recording, and whether a replay came to the same end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/blake2b.h"
#include "kernel/edge.h"
#include "kernel/image.h"
#include "tools/keyhold/carry.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/recording.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"

struct fd_sink {
	struct sink sink; /* first */
	int fd, error;
	struct blake2b hash;
};

static int
fd_put(struct sink *sink, const void *data, size_t bytes)
{
	struct fd_sink *to = (struct fd_sink *)(void *)sink;

	blake2b_add(&to->hash, data, bytes);
	if (!to->error)
		to->error = -write_all(to->fd, data, bytes);
	return -to->error;
}

static int
not_written(struct launch *launch, const char *why)
{
	say_error("the recording could not be written to %s: %s", launch->tape.name, why);
	return EXIT_IO;
}

/* --- before -------------------------------------------------------------------- */

static int
put_head(struct launch *launch, const uint8_t *program, size_t bytes, const char *setup, size_t setup_bytes)
{
	const bool thin = options_has(launch->options, OPTION_RECORD_THIN);
	const bool image = bytes >= sizeof(image_magic) && !memcmp(program, image_magic, sizeof(image_magic));
	struct recording_head head = {.flags = (thin ? RECORDING_THIN : 0) | (image ? RECORDING_IMAGE : 0),
		.mem_bytes = launch->start.mem_bytes, .setup_bytes = setup_bytes, .program_bytes = bytes};
	struct fd_sink to = {.sink = {.put = fd_put}, .fd = launch->tape.fd};

	blake2b_256(program, bytes, head.program_hash);
	blake2b_init(&to.hash);
	recording_put_head(&head, &to.sink);
	sink_put(&to.sink, setup, setup_bytes);
	if (!thin)
		sink_put(&to.sink, program, bytes);
	blake2b_end(&to.hash, launch->tape_hash);
	if (!to.error)
		to.error = -write_all(launch->tape.fd, launch->tape_hash, sizeof(launch->tape_hash));
	return to.error ? not_written(launch, strerror(to.error)) : 0;
}

int
taping_begin(struct launch *launch)
{
	struct carry_memory setup;
	struct start run = launch->start;
	void *program = NULL;
	struct stat stat;
	int r;

	if (launch->tape.fd < 0 || launch->start.flags & START_REPLAY)
		return 0; /* --edge is the worker's */
	if (fstat(launch->program_fd, &stat))
		return not_written(launch, strerror(errno));
	if (stat.st_size)
		program = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, launch->program_fd, 0);
	if (program == MAP_FAILED)
		return not_written(launch, strerror(errno));
	run.flags &= START_OF_RUN;
	carry_memory_begin(&setup);
	start_put_run(&run, &setup.sink);
	if (carry_memory_end(&setup))
		r = not_written(launch, "no memory");
	else
		r = put_head(launch, program ? program : "", (size_t)stat.st_size, setup.bytes, setup.count);
	free(setup.bytes);
	if (program)
		(void)munmap(program, (size_t)stat.st_size);
	return r;
}

/* --- after ---------------------------------------------------------------------- */

static const char *
tape_error(int error)
{
	return error == DEVICE_ENOSPC    ? "no space left on its device"
	       : error == DEVICE_EPIPE   ? "nobody reads there any more"
	       : error == DEVICE_EFBIG   ? "it would be larger than a file may be"
	       : error == DEVICE_ENOMEM  ? "no memory"
	                                 : "an error of its device";
}

/* A run that never began has nothing to replay: no file. */
int
taping_end(struct launch *launch, int status)
{
	struct carry_memory outcome;
	struct fd_sink to = {.sink = {.put = fd_put}, .fd = launch->tape.fd};
	const struct record *record = launch->record;
	struct report report = {.offset = UINT64_MAX};

	if (launch->tape.fd < 0 || (record && record->end == RECORD_REFUSED))
		return 0;
	if (record && record->tape == TAPE_FAILED)
		return not_written(launch, tape_error(record->tape_error));
	if (launch->start.flags & START_REPLAY) {
		if (!record || record->tape != TAPE_WRITTEN)
			return 0;
		return new_file_keep(&launch->tape, &report) ? not_written(launch, report.text) : 0;
	}
	carry_memory_begin(&outcome);
	if (record)
		record_write_outcome(record, &outcome.sink);
	if (carry_memory_end(&outcome)) {
		free(outcome.bytes);
		return not_written(launch, "no memory");
	}
	(void)lseek(launch->tape.fd, 0, SEEK_END); /* a pipe has no other place */
	recording_put_tail(launch->tape_hash, (const uint8_t *)outcome.bytes, outcome.count,
		(record && record->tape == TAPE_WRITTEN ? 0 : RECORDING_CUT) |
			(launch->timed_out ? RECORDING_TIME : 0),
		(uint32_t)status, &to.sink);
	free(outcome.bytes);
	if (to.error)
		return not_written(launch, strerror(to.error));
	return new_file_keep(&launch->tape, &report) ? not_written(launch, report.text) : 0;
}

/* --- replay ---------------------------------------------------------------------- */

static bool
read_at(int fd, void *to, size_t bytes, off_t at)
{
	return pread(fd, to, bytes, at) == (ssize_t)bytes;
}

/* Sizes and the end only: what is between, the worker reads behind the walls. */
int
taping_open(struct launch *launch)
{
	const int fd = launch->program_fd;
	struct report report = {.offset = UINT64_MAX};
	uint8_t head_bytes[RECORDING_HEAD_BYTES], tail[RECORDING_TAIL_BYTES];
	struct recording_head head;
	struct bytes_in in;
	struct stat stat;
	uint64_t bytes;

	if (fstat(fd, &stat) || stat.st_size < (off_t)sizeof(head_bytes) ||
		!read_at(fd, head_bytes, sizeof(head_bytes), 0))
		in = bytes_in("", 0);
	else
		in = bytes_in(head_bytes, sizeof(head_bytes));
	if (recording_get_head(&in, &report, &head)) {
		say_error("%s: %s", launch->program, report.text);
		return EXIT_DATA;
	}
	launch->start.mem_bytes = head.mem_bytes;
	if (stat.st_size < (off_t)(sizeof(head_bytes) + sizeof(tail)) ||
		!read_at(fd, tail, sizeof(tail), stat.st_size - (off_t)sizeof(tail)))
		return 0; /* the worker says what is wrong with it */
	in = bytes_in(tail, sizeof(tail));
	bytes = bytes_u64(&in);
	launch->then_flags = bytes_u32(&in);
	launch->then_status = (int)(bytes_u32(&in) & 255);
	if (bytes > RECORDING_OUTCOME_MAX || bytes > (uint64_t)stat.st_size - sizeof(tail) || !bytes)
		return 0;
	launch->then_bytes = malloc(bytes + 1);
	if (!launch->then_bytes) {
		say_error("no memory");
		return EXIT_FAULT;
	}
	if (!read_at(fd, launch->then_bytes, bytes, stat.st_size - (off_t)(sizeof(tail) + bytes)))
		return 0;
	if (head.flags & RECORDING_EDGE) {
		launch->then_bytes[bytes] = 0;
		launch->then_alone = (const char *)launch->then_bytes;
	} else {
		(void)record_read(launch->then_bytes, bytes, &launch->then);
	}
	return 0;
}

static bool
same_text(const struct record_text *a, const struct record_text *b)
{
	return a->bytes == b->bytes && !memcmp(a->text, b->text, a->bytes);
}

static void
say_number(const char *what, uint64_t then, uint64_t now)
{
	if (then != now)
		say_more("%-6s recorded %llu, replayed %llu", what, (unsigned long long)then,
			(unsigned long long)now);
}

/* Field by field, for a person: that something differs is known already. */
static void
say_differences(const struct record *then, const struct record *now)
{
	say_number("end", then->end, now->end);
	say_number("code", then->code, now->code);
	if (!same_text(&then->trap, &now->trap))
		say_more("trap   another one");
	say_number("gas", then->gas_guest + then->gas_host, now->gas_guest + now->gas_host);
	say_number("guest", then->gas_guest, now->gas_guest);
	say_number("host", then->gas_host, now->gas_host);
	say_number("left", then->gas_left, now->gas_left);
	say_number("need", then->need, now->need);
	say_number("peak", then->storage_peak, now->storage_peak);
	say_number("steps", then->steps, now->steps);
	say_number("depth", then->depth, now->depth);
}

static bool
same_outcome(const struct record *then, const struct record *now)
{
	const struct record *records[2] = {then, now};
	struct carry_memory to[2];
	bool same = true;

	for (unsigned i = 0; i < 2; i++) {
		carry_memory_begin(&to[i]);
		record_write_outcome(records[i], &to[i].sink);
		same = !carry_memory_end(&to[i]) && same;
	}
	same = same && to[0].count == to[1].count && !memcmp(to[0].bytes, to[1].bytes, to[0].count);
	free(to[0].bytes);
	free(to[1].bytes);
	return same;
}

static void
say_text(const char *what, const struct record_text *text)
{
	char safe[REPORT_BYTES_MAX * 2];

	if (text->bytes)
		say_more("%s%s", what, say_safe(text->text, text->bytes, safe, sizeof(safe)));
}

static int
say_diverged(const struct launch *launch)
{
	const struct record *record = launch->record;
	char safe[REPORT_BYTES_MAX * 2];

	say_error("%s: %s", launch->file,
		say_safe(record->diverged.text, record->diverged.bytes, safe, sizeof(safe)));
	if (options_has(launch->options, OPTION_DIFF)) {
		say_text("then   ", &record->recorded);
		say_text("now    ", &record->asked);
	} else {
		say_more("see    what was recorded and what was asked instead: --diff");
	}
	return EXIT_DATA;
}

/* One subtree alone: the whole was the same. */
static int
say_only(const struct launch *launch)
{
	const struct record *record = launch->record;
	char gas[UNITS_TEXT_MAX], steps[UNITS_TEXT_MAX], safe[REPORT_BYTES_MAX * 2];
	char name[EDGE_NAME_MAX * 4 + 1];
	const char *only = launch->start.only ? launch->start.only : launch->then_alone;

	only = only ? say_safe(only, strnlen(only, EDGE_NAME_MAX), name, sizeof(name)) : "one";
	units_group(record->only_gas, gas);
	units_group(record->only_steps, steps);
	(void)say_safe(record->only_text.text, record->only_text.bytes, safe, sizeof(safe));
	switch (record->only) {
	case ONLY_SAME:
		say("%s: %s alone: the same end, gas %s, steps %s%s%s", launch->file, only, gas, steps,
			launch->start.until ? ", before --until was reached" : "",
			launch->images[WHEN_UNTIL].name ? ": no image was kept" : "");
		return 0;
	case ONLY_UNTIL:
		say("%s: %s alone stands at gas %s, step %s", launch->file, only, gas, steps);
		return 0;
	case ONLY_DIVERGED:
		say_error("%s: %s alone: %s", launch->file, only, safe);
		return EXIT_DATA;
	case ONLY_NOBODY:
		say_error("%s: --only: %s", launch->file, safe);
		say_more("see    who there was: keyhold replay --until N --snapshot FILE, keyhold inspect FILE");
		return EXIT_USAGE;
	case ONLY_CROSSED:
		say_error("%s: --only: %s", launch->file, safe);
		return EXIT_DATA;
	case ONLY_NONE:
		break;
	}
	return EXIT_FAULT;
}

/* What the run was, its words have been said. */
int
taping_verdict(struct launch *launch, int status)
{
	const struct record *record = launch->record;
	char gas[UNITS_TEXT_MAX], steps[UNITS_TEXT_MAX];

	if (launch->signal || launch->timed_out || record->end == RECORD_REFUSED)
		return status;
	if (record->end == RECORD_DIVERGED)
		return say_diverged(launch);
	units_group(record->gas_guest + record->gas_host, gas);
	units_group(record->steps, steps);
	if (record->only != ONLY_NONE && record->end == RECORD_UNTIL)
		return say_only(launch);
	if (record->end == RECORD_UNTIL) {
		say("%s stands at gas %s, step %s%s", launch->file, gas, steps,
			record->diverged.bytes ? ": the recording ends here, for its worker was ended" : "");
		verdict_where(record);
		return 0;
	}
	if (!launch->then && launch->then_flags & RECORDING_CUT) {
		say("%s came to an end that was not recorded, for its worker was ended", launch->file);
		return EXIT_DATA;
	}
	if (!launch->then || !same_outcome(launch->then, record)) {
		say_error("%s: replay: it came to another end than was recorded, at gas %s, step %s",
			launch->file, gas, steps);
		if (launch->then)
			say_differences(launch->then, record);
		return EXIT_DATA;
	}
	if (record->only != ONLY_NONE)
		return say_only(launch);
	say("%s replayed: the same end, gas %s, steps %s%s%s", launch->file, gas, steps,
		launch->start.until ? ", before --until was reached" : "",
		launch->images[WHEN_UNTIL].name ? ": no image was kept" : "");
	return launch->then_status;
}
