/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/caps/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "caps/state.h"
#include "kernel/base/fits.h"
#include "kernel/prices.h"

/* --- what caps ask of the kernel ------------------------------------------------- */

uint8_t *
call_mem(struct call *call, uint64_t at, uint64_t bytes)
{
	return span_fits(at, bytes, BENCH_MEMORY) ? call->world->bench->memory + at : NULL;
}

bool
call_charge(struct call *call, uint64_t gas_total)
{
	struct bench *b = call->world->bench;
	const uint64_t more = gas_total > call->domain->charged ? gas_total - call->domain->charged : 0;

	if (b->gas_limit && b->gas + more > b->gas_limit)
		return false;
	b->gas += more;
	call->domain->charged += more;
	return true;
}

bool
call_take(struct call *call, uint64_t bytes)
{
	return bank_take(&call->domain->bank, bytes);
}

uint64_t
call_used(struct call *call)
{
	return call->world->bench->gas;
}

enum call_end
call_submit(struct call *call, struct device_request *request)
{
	struct bench *b = call->world->bench;

	cr_assert(!b->domain.request && !b->completed, "two requests at once");
	request->id = ++b->request_id;
	b->requests++;
	if (!b->device.device.submit(&b->device.device, request))
		b->domain.request = request->id;
	return CALL_WAIT;
}

void
call_consume(struct call *call)
{
	struct bench *b = call->world->bench;

	cr_assert(b->completed, "consumed nothing");
	b->device.device.done(&b->device.device, b->domain.completion.id);
	b->completed = false;
	call->completion = NULL;
}

void
world_submit_detached(struct world *world, struct device_request *request)
{
	struct device *device = &world->bench->device.device;
	struct device_completion completion;

	cr_assert(!request->data_bytes && !request->path_bytes);
	request->id = ++world->bench->request_id;
	cr_assert_eq(device->submit(device, request), 0);
	/* Nothing else is in flight but what the call waits for, which came before. */
	while (device->reap(device, true, &completion) && completion.id != request->id) {
		cr_assert_eq(completion.id, world->bench->domain.request);
		world->bench->domain.completion = completion;
		world->bench->domain.request = 0;
		world->bench->completed = true;
	}
	device->done(device, request->id);
}

void **
world_caps(struct world *world)
{
	return &world->caps;
}

struct heap *
world_heap(struct world *world)
{
	return &world->heap;
}

struct grants *
world_grants(struct world *world)
{
	return &world->grants;
}

struct clock_gas *
world_clock(struct world *world)
{
	static struct clock_gas clock;

	clock.now = world->bench->gas;
	return &clock;
}

uint32_t
world_cut(struct world *world, uint32_t grant)
{
	grant_cut(&world->grants, grant);
	return 0;
}

int
domain_slot(struct domain *domain, const struct key *key)
{
	for (uint32_t i = 0; i < SLOTS_MAX; i++) {
		if (!key_is_void(&domain->slots[i]))
			continue;
		domain->slots[i] = *key;
		if (i >= domain->slots_count)
			domain->slots_count = i + 1;
		return (int)i;
	}
	return -ENOSPC;
}

/* --- worlds ---------------------------------------------------------------------- */

static void
world_begin(struct bench *b)
{
	b->world = (struct world){.bench = b};
	heap_init(&b->world.heap, &b->host.host);
	grants_init(&b->world.grants, &b->world.heap);
	b->domain = (struct domain){.world = &b->world};
	bank_init(&b->domain.bank, NULL, BANK_NO_LIMIT);
	b->domain.slots = calloc(SLOTS_MAX, sizeof *b->domain.slots);
}

static void
world_finish(struct bench *b)
{
	if (b->domain.personality)
		wasi_personality.end(&b->domain);
	cr_assert_eq(b->domain.bank.own, 0, "the bank was not given everything back");
	caps_world_end(&b->world);
	grants_done(&b->world.grants);
	cr_assert_eq(b->world.heap.bytes_used, 0, "the heap was not given everything back");
	heap_done(&b->world.heap);
	free(b->domain.slots);
}

void
bench_open(struct bench *b)
{
	memset(b, 0, sizeof *b);
	fake_host_init(&b->host);
	b->host.reserved_max = 1 << 30; /* what a hostile image asks for may be more */
	fake_device_init(&b->device, 1);
	b->memory = calloc(1, BENCH_MEMORY);
	world_begin(b);
	cr_assert(wasi_personality.make(&b->domain));
}

void
bench_close(struct bench *b)
{
	world_finish(b);
	cr_assert_eq(b->host.reserved, 0);
	fake_device_done(&b->device);
	fake_host_done(&b->host);
	free(b->memory);
}

struct key
bench_root(struct bench *b, struct caps_root root)
{
	struct report report = {0};
	struct key key;

	b->roots[b->roots_count++] = root;
	cr_assert_eq(caps_root_add(&b->world, &root, &report, &key), 0, "%s", report.text);
	return key;
}

struct key
bench_dir(struct bench *b, uint32_t node, const char *name, uint32_t rights)
{
	return bench_root(b,
		(struct caps_root){.name = name,
			.spec = "dir:/srv/data",
			.kind = KIND_directory,
			.rights = rights,
			.number = 40 + b->roots_count,
			.handle = fake_grant(&b->device, node, DEVICE_DIRECTORY)});
}

struct key
bench_stream(struct bench *b, uint32_t handle, const char *name, uint32_t rights, uint32_t flags)
{
	return bench_root(b,
		(struct caps_root){.name = name,
			.spec = "fd:0",
			.kind = KIND_stream,
			.rights = rights,
			.flags = flags,
			.handle = handle});
}

void
bench_setup(struct bench *b, const struct wasi_config *config)
{
	struct report report = {0};

	cr_assert_eq(caps_wasi_setup(&b->domain, config, &report), 0, "%s", report.text);
}

struct bench_usual
bench_usual(struct bench *b)
{
	static const char *const args[] = {"program", "one", ""};
	static const char *const env[] = {"A=1", "B="};
	const struct bench_usual usual = {.in = fake_stream(&b->device, "input", 5),
		.out = fake_stream(&b->device, NULL, 0),
		.err = fake_stream(&b->device, NULL, 0),
		.top = fake_dir(&b->device, 0, NULL)};
	const struct wasi_mount mount = {
		.key = bench_dir(b, usual.top, "data", RIGHT_read | RIGHT_write), .path = "/data"};
	const struct wasi_config config = {.args = args,
		.args_count = 3,
		.env = env,
		.env_count = 2,
		.mounts = &mount,
		.mounts_count = 1,
		.streams = {bench_stream(b, usual.in, "stdin", RIGHT_read, 0),
			bench_stream(b, usual.out, "stdout", RIGHT_write, 0),
			bench_stream(b, usual.err, "stderr", RIGHT_write, 0)},
		.clock = bench_root(b,
			(struct caps_root){.name = "clock", .kind = KIND_clock,
				.rights = RIGHT_read | RIGHT_sleep}),
		.entropy = bench_root(b,
			(struct caps_root){.name = "random", .kind = KIND_entropy, .rights = RIGHT_read,
				.seed = 1})};

	fake_stream_close(&b->device, usual.in);
	bench_setup(b, &config);
	return usual;
}

/* --- images ------------------------------------------------------------------------ */

struct buffer {
	struct sink sink; /* first */
	uint8_t *to;
	uint64_t room;
};

static int
buffer_put(struct sink *sink, const void *data, size_t bytes)
{
	struct buffer *buffer = (struct buffer *)sink;

	cr_assert(sink->bytes + bytes <= buffer->room);
	memcpy(buffer->to + sink->bytes, data, bytes);
	return 0;
}

uint64_t
bench_image(struct bench *b, uint8_t *to, uint64_t room)
{
	struct buffer buffer = {.sink = {.put = buffer_put}, .to = to, .room = room};

	sink_u32(&buffer.sink, b->domain.slots_count);
	for (uint32_t i = 0; i < b->domain.slots_count; i++) {
		const struct key *key = &b->domain.slots[i];

		sink_u8(&buffer.sink, key->kind);
		root_image_write(&b->world, key, &buffer.sink);
	}
	wasi_personality.image_write(&b->domain, &buffer.sink);
	return buffer.sink.bytes;
}

void
bench_freeze_thaw(struct bench *b)
{
	const uint64_t room = 1 << 20;
	uint8_t *image = malloc(room), *again = malloc(room);
	const uint64_t bytes = bench_image(b, image, room), progress = b->domain.progress,
		       charged = b->domain.charged, own = b->domain.bank.own;
	struct bytes_in in = bytes_in(image, bytes);
	struct report report = {0};
	struct key key;

	world_finish(b);
	world_begin(b);
	b->domain.progress = progress;
	b->domain.charged = charged;
	for (uint32_t i = 0; i < b->roots_count; i++)
		cr_assert_eq(caps_root_add(&b->world, &b->roots[i], &report, &key), 0);
	b->domain.slots_count = bytes_u32(&in);
	for (uint32_t i = 0; i < b->domain.slots_count; i++) {
		const uint8_t kind = bytes_u8(&in);

		if (kind)
			cr_assert(root_image_bind(&b->world, &b->domain, &in,
				&b->domain.slots[i]));
	}
	cr_assert_eq(wasi_personality.image_read(&b->domain, &in, &report), 0, "%s", report.text);
	cr_assert_eq(bytes_left(&in), 0);
	cr_assert_eq(b->domain.bank.own, own, "it holds what it held");
	cr_assert_eq(bench_image(b, again, room), bytes, "an image is written as it was read");
	cr_assert_eq(memcmp(image, again, bytes), 0);
	free(image);
	free(again);
	b->stops++;
}

/* --- calls ---------------------------------------------------------------------------- */

static const struct import_def *
import_named(const char *name)
{
	for (const struct import_def *const *table = wasi_import_tables; *table; table++)
		for (const struct import_def *def = *table; def->name; def++)
			if (!strncmp(def->name, name, strcspn(name, " ")) &&
				!def->name[strcspn(name, " ")] &&
				(!strchr(name, ' ') || !strcmp(strchr(name, ' ') + 1, def->sig)))
				return def;
	cr_assert(false, "no import %s", name);
	return NULL;
}

static uint32_t
run(struct bench *b, const struct import_def *def, const uint64_t *args)
{
	uint64_t slots[16] = {0};
	struct call call = {.world = &b->world, .domain = &b->domain, .slots = slots};

	call.completion = b->completed ? &b->domain.completion : NULL;
	memcpy(slots, args, (size_t)(strchr(def->sig, ':') - def->sig) * sizeof *slots);
	if (!call_charge(&call, PRICE_HOST_CALL))
		b->end = CALL_DRY;
	else
		b->end = def->run(&call);
	b->code = call.code;
	if (b->end == CALL_DONE || b->end == CALL_EXIT) {
		if (b->completed)
			call_consume(&call);
		b->domain.progress = b->domain.charged = 0;
		b->domain.counted = false;
	}
	return (uint32_t)slots[0];
}

void
bench_run_once(struct bench *b, const char *name, const uint64_t *args)
{
	(void)run(b, import_named(name), args);
}

bool
bench_complete(struct bench *b)
{
	struct device *device = &b->device.device;

	if (b->completed)
		return true;
	if (!b->domain.request || !device->reap(device, true, &b->domain.completion))
		return false;
	cr_assert_eq(b->domain.completion.id, b->domain.request);
	b->domain.request = 0;
	return b->completed = true;
}

/* The request is taken back; the call goes on in another world. */
static void
stop(struct bench *b)
{
	struct device *device = &b->device.device;

	device->cancel(device, b->domain.request);
	cr_assert(bench_complete(b));
	device->done(device, b->domain.completion.id);
	b->completed = false;
	bench_freeze_thaw(b);
}

uint32_t
bench_call_with(struct bench *b, const char *name, const uint64_t *args)
{
	const struct import_def *def = import_named(name);
	uint32_t result = run(b, def, args);

	while (b->end == CALL_WAIT) {
		/* A stop makes it ask again, and open again what it uses (two keys at
		 * most): if each of these were stopped too it would never go on. */
		if (b->stop_everywhere && !b->quiet--) {
			b->quiet = 2 + b->stops % 3;
			stop(b);
			result = run(b, def, args);
			if (b->end != CALL_WAIT)
				break;
		}
		cr_assert(bench_complete(b), "%s waits for nothing", name);
		result = run(b, def, args);
	}
	return b->end == CALL_DONE ? result : UINT32_MAX;
}

/* --- guest memory -------------------------------------------------------------------------- */

uint32_t
bench_text(struct bench *b, uint32_t at, const char *text)
{
	const size_t bytes = strlen(text);

	memcpy(b->memory + at, text, bytes);
	return (uint32_t)bytes;
}

uint64_t
bench_word(struct bench *b, uint32_t at, unsigned width)
{
	uint64_t value = 0;

	memcpy(&value, b->memory + at, width);
	return value;
}

void
bench_put(struct bench *b, uint32_t at, uint64_t value, unsigned width)
{
	memcpy(b->memory + at, &value, width);
}

void
bench_vector(struct bench *b, uint32_t at, uint32_t index, uint32_t to, uint32_t bytes)
{
	bench_put(b, at + 8 * index, to, 4);
	bench_put(b, at + 8 * index + 4, bytes, 4);
}

enum { PATH_AT = 0x8000, RESULT_AT = 0x9000, VECTOR_AT = 0x9100, DATA_AT = 0x10000 };

int
bench_open_path(struct bench *b, uint32_t fd, const char *path, uint32_t oflags, uint64_t rights,
	uint32_t fdflags)
{
	const uint32_t bytes = bench_text(b, PATH_AT, path);
	const uint32_t error = bench_call(b, "path_open", fd, 0, PATH_AT, bytes, oflags, rights, rights,
		fdflags, RESULT_AT);

	return error ? -(int)error : (int)bench_word(b, RESULT_AT, 4);
}

const char *
bench_read(struct bench *b, uint32_t fd)
{
	uint64_t got;

	bench_vector(b, VECTOR_AT, 0, DATA_AT, 0x10000);
	cr_assert_eq(bench_call(b, "fd_read", fd, VECTOR_AT, 1, RESULT_AT), 0);
	got = bench_word(b, RESULT_AT, 4);
	b->memory[DATA_AT + got] = 0;
	return (const char *)b->memory + DATA_AT;
}

uint32_t
bench_write(struct bench *b, uint32_t fd, const char *text)
{
	bench_vector(b, VECTOR_AT, 0, DATA_AT, bench_text(b, DATA_AT, text));
	return bench_call(b, "fd_write", fd, VECTOR_AT, 1, RESULT_AT);
}
