/* SPDX-License-Identifier: Apache-2.0 */
/* stop.c - stop everywhere: a plain program over kernel/ alone.
 *
 * usage: stop [--stride N] PROGRAM.wasm[,PRELOAD.wasm]..      TAP on stdout
 *        stop --write DIR [--stride N] PROGRAM..              images into DIR
 *        stop --pass FROM TO | --read DIR                     images from DIR
 *
 * For each program: at every safepoint (or every N-th) stop, write the image,
 * read it into a fresh world in the other executor, go on to the end: output,
 * results, gas and the final image are those of the straight run. At some of the
 * stops its memories are put away, and the same image is written; at some, what
 * was read is copied, and the copy or the original runs on. Then one run
 * that moves to another world at every safepoint; then one that is frozen
 * whenever it waits for the device.
 *
 * With --write and --read the two halves are two processes, of two machines if
 * one likes; --pass reads, goes on for some safepoints and writes again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/world_state.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/test_caps.h"
#include "tests/support/wat.h"

enum { STOPS_MIN = 1000, STOPS_MAX = 12000, RESULTS_KEPT = 8, PASS_SAFEPOINTS = 40,
	SLICE = 3000 };

struct program {
	char name[64];
	struct wat main, preload;
	char preload_name[64];
};

struct place {
	struct fake_host host;
	struct fake_device device;
	struct test_user user;
	struct world *world;
	struct domain *domain;
	struct report report;
};

/* What a run came to; equal however it was cut up. */
struct outcome {
	struct stop stop;
	uint64_t gas_guest, gas_host, used;
	uint64_t results[RESULTS_KEPT];
	uint8_t image[BLAKE2B_BYTES];
	struct buffer output;
};

static uint64_t total_stops;

static void
fail(const char *program, const char *what, uint64_t n)
{
	printf("Bail out! %s: %s, at stop %llu\n", program, what, (unsigned long long)n);
	exit(1);
}

/* --- worlds ------------------------------------------------------------------------- */

static void
place_open(struct place *place, enum executor executor)
{
	struct world_config config = {.host = &place->host.host, .device = &place->device.device,
		.caps = &test_caps, .user = &place->user, .slice = SLICE,
		.executor = executor_present(executor) ? executor : EXECUTOR_SWITCH};

	fake_host_init(&place->host);
	fake_device_init(&place->device, 1);
	place->user = (struct test_user){0};
	place->user.in = fake_stream(&place->device, NULL, 0);
	place->user.out = fake_stream(&place->device, NULL, 0);
	place->domain = NULL;
	report_clear(&place->report);
	place->world = world_open(&config);
	if (!place->world)
		fail("world", "no memory", 0);
}

static void
place_close(struct place *place)
{
	world_check(place->world);
	world_close(place->world);
	if (place->host.reserved || place->device.in_flight)
		fail("world", "something was not given back", 0);
	fake_device_done(&place->device);
	fake_host_done(&place->host);
}

static struct module *
place_module(struct place *place, const struct wat *wat, const char *name)
{
	struct module *module = NULL;

	if (world_module(place->world, wat->bytes, wat->count, &place->report, &module))
		fail(name, place->report.text, 0);
	return module;
}

static void
place_program(struct place *place, const struct program *program)
{
	struct preload preload = {.name = program->preload_name};
	struct domain_config config = {.name = "main", .gas = 1000000000, .bank_bytes = 64 << 20};
	const struct export *run;

	if (program->preload.bytes) {
		preload.module = place_module(place, &program->preload, program->name);
		config.preloads = &preload;
		config.preloads_count = 1;
	}
	config.module = place_module(place, &program->main, program->name);
	if (domain_new(place->world, &config, &place->report, &place->domain))
		fail(program->name, place->report.text, 0);
	run = module_export(config.module, "run", 3);
	if (!run || domain_entry(place->domain, run->index, NULL, 0))
		fail(program->name, "no export \"run\" without parameters", 0);
}

static void
place_write(struct place *place, struct buffer *image, const char *name, uint64_t n)
{
	buffer_done(image);
	if (image_write(place->world, place->domain, &image->sink, false))
		fail(name, "the image is not written", n);
}

static void
place_read(struct place *place, const struct buffer *image, const char *name, uint64_t n)
{
	if (image_read(place->world, image->bytes, image->count, &place->report, &place->domain))
		fail(name, place->report.text, n);
}

static void
take_output(struct place *place, struct buffer *output)
{
	uint64_t bytes;
	const uint8_t *at = fake_written(&place->device, place->user.out, &bytes);

	(void)buffer_put(&output->sink, at, bytes);
}

/* Goes on until it is at its end, or has passed so many safepoints (0: no
 * stepping). false: it was stopped by stepping. */
static bool
go_on(struct place *place, uint64_t safepoints)
{
	struct domain *domain = place->domain;

	store_step_after(domain->store, safepoints);
	do {
		domain_start(domain);
		(void)world_run(place->world, domain, true);
	} while (domain->state == DOMAIN_STOPPED && domain->stop.reason == STOP_YIELDED);
	if (domain->state != DOMAIN_STOPPED)
		fail(domain->name, "it waits for ever", 0);
	return domain->stop.reason != STOP_STEPPED;
}

/* To the next safepoint. Stopped at one it is met again, but after a return. */
static bool
step(struct place *place)
{
	const struct domain *domain = place->domain;
	struct frame_view top;

	if (domain->stop.reason != STOP_STEPPED || !store_frame(domain->store, 0, &top))
		return go_on(place, 1);
	return go_on(place, top.phase == PHASE_RETURN ? 1 : 2);
}

static void
take_outcome(struct place *place, const char *name, struct outcome *ret_outcome)
{
	const struct domain *domain = place->domain;
	struct outcome outcome = {.stop = domain->stop, .gas_guest = domain->gas_guest,
		.gas_host = domain->gas_host,
		.used = line_used(world_clock(place->world), &domain->meter.line)};
	struct buffer image;

	buffer_init(&image);
	buffer_init(&outcome.output);
	place_write(place, &image, name, 0);
	blake2b_256(image.bytes, image.count, outcome.image);
	buffer_done(&image);
	if (domain->stop.reason == STOP_RETURNED && domain->entered && domain->pending.slots) {
		const struct module *module =
			store_instance(domain->store, domain->instance)->module;
		const struct functype *type =
			module_functype(module, module_export(module, "run", 3)->index);

		for (uint32_t i = 0; i < type->results && i < RESULTS_KEPT; i++)
			outcome.results[i] = domain->pending.slots[i];
	}
	*ret_outcome = outcome;
}

static void
compare(const char *name, uint64_t n, const struct outcome *a, const struct outcome *b,
	const struct buffer *output)
{
	if (a->stop.reason != b->stop.reason || a->stop.code != b->stop.code ||
		a->stop.trap != b->stop.trap)
		fail(name, "another end", n);
	if (a->gas_guest != b->gas_guest || a->gas_host != b->gas_host || a->used != b->used)
		fail(name, "another use of gas", n);
	if (memcmp(a->results, b->results, sizeof a->results))
		fail(name, "other results", n);
	if (a->output.count != output->count ||
		(output->count && memcmp(a->output.bytes, output->bytes, output->count)))
		fail(name, "another output", n);
	if (memcmp(a->image, b->image, sizeof a->image))
		fail(name, "another final image", n);
}

/* --- the three ways of being stopped ---------------------------------------------------- */

static void
straight(const struct program *program, enum executor executor, struct outcome *ret_outcome)
{
	struct place place;

	place_open(&place, executor);
	place_program(&place, program);
	(void)go_on(&place, 0);
	take_outcome(&place, program->name, ret_outcome);
	take_output(&place, &ret_outcome->output);
	place_close(&place);
}

static void
write_store(struct store *store, struct buffer *bytes)
{
	buffer_done(bytes);
	store_write(store, &bytes->sink);
}

static bool
buffers_equal(const struct buffer *a, const struct buffer *b)
{
	return a->count == b->count && !memcmp(a->bytes, b->bytes, a->count);
}

static bool
always(struct storage *storage, uint64_t bytes)
{
	(void)storage;
	(void)bytes;
	return true;
}

static void
never_mind(struct storage *storage, uint64_t bytes)
{
	(void)storage;
	(void)bytes;
}

static struct store *
copy_store(struct place *place, struct storage *storage, const char *name, uint64_t n)
{
	const struct domain *domain = place->domain;
	const struct store_config config = {.heap = &place->world->heap,
		.book = &place->world->book, .storage = storage, .pages = &place->world->pages,
		.executor = place->world->config.executor,
		.stop_when_dry = domain->stop_when_dry};
	struct store *copy;

	if (store_clone(domain->store, &config, &copy))
		fail(name, "no copy", n);
	store_check(copy);
	return copy;
}

/* By turns: the copy goes on and the original is no more; the original goes on
 * and the copy stays as it was. */
static void
go_on_copied(struct place *place, const char *name, uint64_t n)
{
	struct storage gift = {always, never_mind};
	struct domain *domain = place->domain;
	struct buffer before, after;
	struct store *copy;

	buffer_init(&before);
	buffer_init(&after);
	write_store(domain->store, &before);
	if (n % 2) {
		const uint64_t own = domain->bank.own, peak = domain->bank.peak;

		copy = copy_store(place, &domain->bank.storage, name, n);
		store_free(domain->store);
		domain->store = copy;
		if (domain->bank.own != own)
			fail(name, "a copy that is charged otherwise", n);
		domain->bank.peak = peak; /* for a moment there were two */
		write_store(copy, &after);
		if (!buffers_equal(&before, &after))
			fail(name, "a copy that is written otherwise", n);
		(void)go_on(place, 0);
	} else {
		copy = copy_store(place, &gift, name, n);
		(void)go_on(place, 0);
		write_store(copy, &after);
		if (!buffers_equal(&before, &after))
			fail(name, "a copy that changed when the original ran", n);
		world_check(place->world);
		store_free(copy);
	}
	buffer_done(&before);
	buffer_done(&after);
}

/* Put away, it is written as it was. */
static void
cool_here(struct place *place, const struct buffer *image, const char *name, uint64_t n)
{
	const uint64_t own = place->domain->bank.own;
	struct buffer again;

	buffer_init(&again);
	if (store_cool(place->domain->store))
		fail(name, "its memories are not put away", n);
	world_check(place->world);
	place_write(place, &again, name, n);
	if (!buffers_equal(image, &again) || place->domain->bank.own != own)
		fail(name, "another image or account when cold", n);
	buffer_done(&again);
}

/* From this image to the end, elsewhere. */
static void
finish_elsewhere(const struct program *program, const struct buffer *image,
	const struct buffer *so_far, const struct outcome *expected, enum executor executor,
	uint64_t n)
{
	struct buffer output;
	struct outcome outcome;
	struct place place;

	buffer_init(&output);
	if (so_far->count)
		(void)buffer_put(&output.sink, so_far->bytes, so_far->count);
	place_open(&place, executor);
	place_read(&place, image, program->name, n);
	if (n % 3)
		(void)go_on(&place, 0);
	else
		go_on_copied(&place, program->name, n);
	take_outcome(&place, program->name, &outcome);
	take_output(&place, &output);
	compare(program->name, n, expected, &outcome, &output);
	place_close(&place);
	buffer_done(&output);
}

static uint64_t
stop_everywhere(const struct program *program, const struct outcome *expected, uint64_t stride,
	enum executor first, enum executor second)
{
	struct buffer image, output;
	struct outcome outcome;
	struct place place;
	uint64_t n = 0, stops = 0;

	buffer_init(&image);
	buffer_init(&output);
	place_open(&place, first);
	place_program(&place, program);
	while (!step(&place)) {
		if (n++ % stride)
			continue;
		stops++;
		place_write(&place, &image, program->name, n);
		output.count = 0;
		take_output(&place, &output);
		finish_elsewhere(program, &image, &output, expected, second, n);
		if (stops % 3 == 0)
			cool_here(&place, &image, program->name, n);
	}
	take_outcome(&place, program->name, &outcome);
	output.count = 0;
	take_output(&place, &output);
	compare(program->name, n, expected, &outcome, &output);
	place_close(&place);
	buffer_done(&image);
	buffer_done(&output);
	total_stops += stops;
	return n;
}

/* One run, in another world and the other executor after each safepoint. */
static void
move_everywhere(const struct program *program, const struct outcome *expected)
{
	struct buffer images[2], output; /* a world's modules lie in the image it was read from */
	struct outcome outcome;
	struct place places[2];
	struct place *here = &places[0];
	uint64_t n = 0;

	buffer_init(&images[0]);
	buffer_init(&images[1]);
	buffer_init(&output);
	place_open(here, EXECUTOR_FAST);
	place_program(here, program);
	while (!step(here)) {
		struct place *there = here == &places[0] ? &places[1] : &places[0];

		n++;
		place_write(here, &images[n % 2], program->name, n);
		take_output(here, &output);
		place_close(here);
		place_open(there, n % 2 ? EXECUTOR_SWITCH : EXECUTOR_FAST);
		place_read(there, &images[n % 2], program->name, n);
		here = there;
	}
	take_outcome(here, program->name, &outcome);
	take_output(here, &output);
	compare(program->name, n, expected, &outcome, &output);
	place_close(here);
	buffer_done(&images[0]);
	buffer_done(&images[1]);
	buffer_done(&output);
	total_stops += n;
}

/* Frozen whenever it waits: the request is as if never made, or carried out. */
static uint64_t
freeze_waiting(const struct program *program, const struct outcome *expected)
{
	struct buffer image, output;
	struct outcome outcome;
	struct place place;
	uint64_t n = 0;

	buffer_init(&image);
	buffer_init(&output);
	place_open(&place, EXECUTOR_FAST);
	place_program(&place, program);
	place.device.latency = 2;
	do {
		domain_start(place.domain);
		if (world_run(place.world, place.domain, false) == DOMAIN_WAITING) {
			n++;
			domain_quiesce(place.domain);
			place_write(&place, &image, program->name, n);
			output.count = 0;
			take_output(&place, &output);
			finish_elsewhere(program, &image, &output, expected, EXECUTOR_SWITCH, n);
			place.device.latency = 0;
			(void)go_on(&place, 2); /* past the call, which is met again */
			place.device.latency = 2;
			store_step_after(place.domain->store, 0);
		}
	} while (place.domain->state != DOMAIN_STOPPED ||
		place.domain->stop.reason == STOP_YIELDED ||
		place.domain->stop.reason == STOP_STEPPED);
	take_outcome(&place, program->name, &outcome);
	output.count = 0;
	take_output(&place, &output);
	compare(program->name, n, expected, &outcome, &output);
	place_close(&place);
	buffer_done(&image);
	buffer_done(&output);
	total_stops += n;
	return n;
}

static void
run_program(int number, const struct program *program, uint64_t stride)
{
	struct outcome expected, other;
	uint64_t safepoints, back, waits;

	straight(program, EXECUTOR_SWITCH, &expected);
	straight(program, EXECUTOR_FAST, &other);
	compare(program->name, 0, &expected, &other, &other.output);
	safepoints = stop_everywhere(program, &expected, stride, EXECUTOR_FAST, EXECUTOR_SWITCH);
	back = stop_everywhere(program, &expected, stride * 7, EXECUTOR_SWITCH, EXECUTOR_FAST);
	if (back != safepoints)
		fail(program->name, "another number of safepoints in the other executor", back);
	move_everywhere(program, &expected);
	waits = freeze_waiting(program, &expected);
	if (safepoints < STOPS_MIN || safepoints > STOPS_MAX)
		printf("not ");
	printf("ok %d - %s: %llu safepoints, %llu waits, gas %llu + %llu, ends with %d\n", number,
		program->name, (unsigned long long)safepoints, (unsigned long long)waits,
		(unsigned long long)expected.gas_guest, (unsigned long long)expected.gas_host,
		(int)expected.stop.reason);
	(void)fflush(stdout);
	buffer_done(&expected.output);
	buffer_done(&other.output);
}

/* --- in two processes ---------------------------------------------------------------------- */

static void
path_of(char path[512], const char *dir, const char *name, uint64_t n, const char *what)
{
	(void)snprintf(path, 512, "%s/%s.%llu.%s", dir, name, (unsigned long long)n, what);
}

static void
save(const char *dir, const char *name, uint64_t n, const char *what, const void *bytes,
	size_t count)
{
	char path[512];
	FILE *file;

	path_of(path, dir, name, n, what);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, count, file) != count || fclose(file))
		fail(path, "cannot be written", n);
}

static void
load(const char *dir, const char *name, uint64_t n, const char *what, struct buffer *ret_buffer)
{
	char path[512];
	struct wat file;

	path_of(path, dir, name, n, what);
	file = file_bytes(path);
	if (!file.bytes)
		fail(path, "cannot be read", n);
	buffer_done(ret_buffer);
	if (file.count)
		(void)buffer_put(&ret_buffer->sink, file.bytes, file.count);
	free(file.bytes);
}

/* The part of an outcome that fits into a file as it is; the output beside it. */
struct end {
	uint8_t bytes[4 * 8 + RESULTS_KEPT * 8 + BLAKE2B_BYTES];
};

static struct end
end_of(const struct outcome *outcome)
{
	struct end end;
	uint64_t words[4 + RESULTS_KEPT] = {outcome->gas_guest, outcome->gas_host, outcome->used,
		(uint64_t)outcome->stop.reason | (uint64_t)outcome->stop.trap << 8 |
			(uint64_t)outcome->stop.code << 32};

	memcpy(words + 4, outcome->results, sizeof outcome->results);
	for (size_t i = 0; i < sizeof words; i++)
		end.bytes[i] = (uint8_t)(words[i / 8] >> (8 * (i % 8)));
	memcpy(end.bytes + sizeof words, outcome->image, BLAKE2B_BYTES);
	return end;
}

static void
list_add(const char *dir, const char *name, uint64_t n)
{
	char path[512];
	FILE *list;

	(void)snprintf(path, sizeof path, "%s/list", dir);
	list = fopen(path, "a");
	if (!list || fprintf(list, "%s %llu\n", name, (unsigned long long)n) < 0 || fclose(list))
		fail(path, "cannot be written", n);
}

static void
write_program(const struct program *program, const char *dir, uint64_t stride)
{
	struct outcome expected;
	struct buffer image, output;
	struct place place;
	struct end end;
	uint64_t n = 0;

	buffer_init(&image);
	buffer_init(&output);
	straight(program, EXECUTOR_FAST, &expected);
	end = end_of(&expected);
	place_open(&place, EXECUTOR_FAST);
	place_program(&place, program);
	while (!step(&place)) {
		if (n++ % stride)
			continue;
		place_write(&place, &image, program->name, n);
		output.count = 0;
		take_output(&place, &output);
		save(dir, program->name, n, "image", image.bytes, image.count);
		save(dir, program->name, n, "output", output.bytes, output.count);
		save(dir, program->name, n, "end", end.bytes, sizeof end.bytes);
		save(dir, program->name, n, "all", expected.output.bytes, expected.output.count);
		list_add(dir, program->name, n);
		total_stops++;
	}
	place_close(&place);
	buffer_done(&image);
	buffer_done(&output);
	buffer_done(&expected.output);
}

static void
read_one(const char *dir, const char *name, uint64_t n, const char *to)
{
	struct buffer image, passed, output, end, all;
	struct outcome outcome;
	struct place place;
	struct end reached;

	buffer_init(&image);
	buffer_init(&passed);
	buffer_init(&output);
	buffer_init(&end);
	buffer_init(&all);
	load(dir, name, n, "image", &image);
	load(dir, name, n, "output", &output);
	load(dir, name, n, "end", &end);
	load(dir, name, n, "all", &all);
	place_open(&place, n % 2 ? EXECUTOR_SWITCH : EXECUTOR_FAST);
	place_read(&place, &image, name, n);
	total_stops++;
	if (to) {
		(void)go_on(&place, PASS_SAFEPOINTS);
		place_write(&place, &passed, name, n);
		take_output(&place, &output);
		save(to, name, n, "image", passed.bytes, passed.count);
		save(to, name, n, "output", output.bytes, output.count);
		save(to, name, n, "end", end.bytes, end.count);
		save(to, name, n, "all", all.bytes, all.count);
		list_add(to, name, n);
	}
	(void)go_on(&place, 0);
	if (!to)
		take_output(&place, &output);
	take_outcome(&place, name, &outcome);
	reached = end_of(&outcome);
	if (end.count != sizeof reached.bytes)
		fail(name, "no end to compare with", n);
	/* An image that was passed on at its end has no results left to tell. */
	if (memcmp(reached.bytes, end.bytes, 32) ||
		memcmp(reached.bytes + 32 + RESULTS_KEPT * 8, end.bytes + 32 + RESULTS_KEPT * 8,
			BLAKE2B_BYTES))
		fail(name, "another end", n);
	if (!to && (output.count != all.count || (all.count && memcmp(output.bytes, all.bytes, all.count))))
		fail(name, "another output", n);
	place_close(&place);
	buffer_done(&image);
	buffer_done(&passed);
	buffer_done(&output);
	buffer_done(&end);
	buffer_done(&all);
}

static int
read_all(const char *dir, const char *to)
{
	char path[512], name[64];
	unsigned long long n;
	FILE *list;

	(void)snprintf(path, sizeof path, "%s/list", dir);
	list = fopen(path, "r");
	if (!list)
		fail(path, "cannot be read", 0);
	while (fscanf(list, "%63s %llu", name, &n) == 2)
		read_one(dir, name, n, to);
	(void)fclose(list);
	printf("# %llu images of %s read and gone on with\n", (unsigned long long)total_stops, dir);
	return total_stops ? 0 : 1;
}

/* --- main -------------------------------------------------------------------------------------- */

static void
name_of(char to[64], const char *path, size_t bytes)
{
	const char *end = path + bytes, *at = end;

	while (at > path && at[-1] != '/')
		at--;
	if (end - at > 5 && !memcmp(end - 5, ".wasm", 5))
		end -= 5;
	(void)snprintf(to, 64, "%.*s", (int)(end - at), at);
}

static struct program
open_program(const char *argument)
{
	const char *comma = strchr(argument, ',');
	const size_t bytes = comma ? (size_t)(comma - argument) : strlen(argument);
	struct program program = {0};
	char path[512];

	(void)snprintf(path, sizeof path, "%.*s", (int)bytes, argument);
	name_of(program.name, argument, bytes);
	program.main = file_bytes(path);
	if (comma) {
		name_of(program.preload_name, comma + 1, strlen(comma + 1));
		program.preload = file_bytes(comma + 1);
	}
	if (!program.main.bytes || (comma && !program.preload.bytes))
		fail(argument, "cannot be read", 0);
	return program;
}

int
main(int argc, char **argv)
{
	const char *write_to = NULL;
	uint64_t stride = 1;
	int i = 1;

	if (argc == 3 && !strcmp(argv[1], "--read"))
		return read_all(argv[2], NULL);
	if (argc == 4 && !strcmp(argv[1], "--pass"))
		return read_all(argv[2], argv[3]);
	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (!strcmp(argv[i], "--write"))
			write_to = argv[i + 1];
		else if (!strcmp(argv[i], "--stride"))
			stride = strtoull(argv[i + 1], NULL, 10);
	}
	if (i >= argc || !stride) {
		fprintf(stderr, "usage: stop [--write DIR] [--stride N] PROGRAM.wasm[,PRELOAD.wasm]..\n");
		return 64;
	}
	if (!write_to)
		printf("1..%d\n", argc - i);
	for (int number = 1; i < argc; i++, number++) {
		struct program program = open_program(argv[i]);

		if (write_to)
			write_program(&program, write_to, stride);
		else
			run_program(number, &program, stride);
		free(program.main.bytes);
		free(program.preload.bytes);
	}
	printf("# %llu stops\n", (unsigned long long)total_stops);
	return 0;
}
