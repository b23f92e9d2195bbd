/* SPDX-License-Identifier: Apache-2.0 */
/* engine_bench.c - workloads natively and through the engine, by turns, in one
 * process: samples for tests/bench/run, which reckons.
 *
 * usage: engine_bench [--rounds N] [--scale F] [--executor fast|switch] FOLDER [NAME..]
 *        engine_bench [--executor fast|switch] --wasm COUNT FILE..
 *        engine_bench --load FILE
 *
 * A line a sample: name, count, nanoseconds native, nanoseconds by the engine,
 * gas. Processor time of this thread. Both answers must be equal, and the
 * native one is by gcc -O2. --wasm runs the export `run` of any module, with no
 * native side: file, nanoseconds (the least of three), gas. --load times
 * decoding, validating and pricing. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/wasm/engine.h"
#include "tests/support/fake_host.h"

#define WORKLOAD(name, count) uint64_t run_##name(uint32_t count_of_runs);
#include "tests/bench/workloads.def"
#undef WORKLOAD

static const struct workload {
	const char *name;
	uint64_t (*run)(uint32_t count);
	uint32_t count;
} workloads[] = {
#define WORKLOAD(name, count) {#name, run_##name, count},
#include "tests/bench/workloads.def"
#undef WORKLOAD
};

struct bench {
	struct fake_host host;
	struct heap heap;
	struct typebook book;
	struct storage storage;
	enum executor executor;
	unsigned rounds;
	double scale;
	const char *folder;
};

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool
always(struct storage *storage, uint64_t bytes)
{
	(void)storage, (void)bytes;
	return true;
}

static void
never_mind(struct storage *storage, uint64_t bytes)
{
	(void)storage, (void)bytes;
}

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("engine_bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	exit(1);
}

static uint8_t *
file_read(const char *path, size_t *ret_bytes)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
		die("%s: %s", path, strerror(errno));
	bytes = malloc((size_t)size + 1);
	if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
		die("%s: cannot read it", path);
	fclose(file);
	*ret_bytes = (size_t)size;
	return bytes;
}

static struct module *
loaded(struct bench *bench, const char *path)
{
	struct report report = {0};
	struct module *module;
	size_t bytes_count;
	uint8_t *bytes = file_read(path, &bytes_count); /* the module's for good */

	if (module_load(&bench->heap, &bench->book, bytes, bytes_count, &report, &module) < 0)
		die("%s: %s", path, report.text);
	return module;
}

static void
step(struct store *store, struct exec_result *result, const char *what)
{
	store_run(store, UINT64_C(1) << 60, result);
	if (result->end != EXEC_RETURNED)
		die("%s: ended by %d, trap %d", what, (int)result->end, (int)result->trap);
}

static void
sample(struct bench *bench, const struct workload *work, struct store *store, uint32_t instance,
	uint32_t func)
{
	const uint32_t scaled = (uint32_t)(work->count * bench->scale);
	const uint32_t count = scaled ? scaled : 1;
	const uint64_t arg = count;
	struct exec_result result;
	uint64_t begin = now_ns(), native, answer;

	answer = work->run(count);
	native = now_ns() - begin;
	begin = now_ns();
	if (store_begin_call(store, instance, func, &arg) < 0)
		die("%s: cannot begin", work->name);
	step(store, &result, work->name);
	printf("%s %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", work->name, count, native,
		now_ns() - begin, result.used);
	fflush(stdout);
	if (result.slots[0] != answer)
		die("%s: %" PRIu64 " by the engine, %" PRIu64 " natively", work->name,
			result.slots[0], answer);
}

/* A store with the module at `path`, initialised; its export `run`. */
static struct store *
stored(struct bench *bench, const char *path, uint32_t *ret_instance, uint32_t *ret_func)
{
	const struct store_config config = {.heap = &bench->heap, .book = &bench->book,
		.storage = &bench->storage, .executor = bench->executor};
	struct report report = {0};
	struct module *module = loaded(bench, path);
	const struct export *export = module_export(module, "run", 3);
	struct exec_result result;
	struct store *store;

	if (!export)
		die("%s: exports no run", path);
	if (store_new(&config, &store) < 0 ||
		store_instantiate(store, module, NULL, &report, ret_instance) < 0)
		die("%s: %s", path, report.text);
	store_begin_init(store, *ret_instance);
	step(store, &result, "initialisation");
	*ret_func = export->index;
	return store;
}

static void
measure(struct bench *bench, const struct workload *work)
{
	struct store *store;
	uint32_t instance, func;
	char path[4096];

	snprintf(path, sizeof path, "%s/%s.wasm", bench->folder, work->name);
	store = stored(bench, path, &instance, &func);
	for (unsigned i = 0; i < bench->rounds; i++)
		sample(bench, work, store, instance, func);
	store_free(store);
}

static void
measure_wasm(struct bench *bench, const char *path, uint64_t count)
{
	struct exec_result result;
	uint64_t least = UINT64_MAX;
	uint32_t instance, func;
	struct store *store = stored(bench, path, &instance, &func);

	for (int i = 0; i < 3; i++) {
		const uint64_t begin = now_ns();
		uint64_t took;

		if (store_begin_call(store, instance, func, &count) < 0)
			die("%s: cannot begin", path);
		step(store, &result, path);
		took = now_ns() - begin;
		least = took < least ? took : least;
	}
	printf("%s %" PRIu64 " %" PRIu64 "\n", path, least, result.used);
	store_free(store);
}

static void
measure_load(struct bench *bench, const char *path)
{
	size_t bytes_count;
	uint8_t *bytes = file_read(path, &bytes_count);

	for (int i = 0; i < 5; i++) {
		struct report report = {0};
		struct module *module;
		const uint64_t begin = now_ns();

		if (module_load(&bench->heap, &bench->book, bytes, bytes_count, &report, &module) < 0)
			die("%s: %s", path, report.text);
		printf("load %zu %" PRIu64 "\n", bytes_count, now_ns() - begin);
		module_free(module);
	}
	free(bytes);
}

static bool
wanted(const struct workload *work, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, work->name))
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	static struct bench bench = {.rounds = 5, .scale = 1, .executor = EXECUTOR_FAST,
		.storage = {always, never_mind}};
	int at = 1;

	fake_host_init(&bench.host);
	heap_init(&bench.heap, &bench.host.host);
	typebook_init(&bench.book, &bench.heap);
	for (; at + 1 < argc && !strncmp(argv[at], "--", 2); at += 2) {
		if (!strcmp(argv[at], "--load"))
			return measure_load(&bench, argv[at + 1]), 0;
		else if (!strcmp(argv[at], "--wasm")) {
			for (int i = at + 2; i < argc; i++)
				measure_wasm(&bench, argv[i], strtoull(argv[at + 1], NULL, 10));
			return 0;
		} else if (!strcmp(argv[at], "--rounds"))
			bench.rounds = (unsigned)atoi(argv[at + 1]);
		else if (!strcmp(argv[at], "--scale"))
			bench.scale = atof(argv[at + 1]);
		else if (!strcmp(argv[at], "--executor"))
			bench.executor = strcmp(argv[at + 1], "switch") ? EXECUTOR_FAST : EXECUTOR_SWITCH;
		else
			die("no option %s", argv[at]);
	}
	if (at >= argc)
		die("usage: engine_bench [--rounds N] [--scale F] [--executor E] FOLDER [NAME..]");
	if (!executor_present(bench.executor))
		die("this build has no fast executor");
	bench.folder = argv[at++];
	for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
		if (wanted(&workloads[i], argv + at))
			measure(&bench, &workloads[i]);
	return 0;
}
