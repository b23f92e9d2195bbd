/* SPDX-License-Identifier: Apache-2.0 */
/* cold_bench.c - what it costs to put a store away, to wake it, to copy it, and
 * to keep it.
 *
 * usage: cold_bench [STORES]        10,000 unless told
 *        cold_bench --fill          mapping pages copy-on-write against copying
 *
 * On the worker's own host: one arena, one memfd. A store here has one instance
 * (2 pages of memory, 3 globals, a table, 6 imports), has written 16 KiB and
 * stands in a host call three calls deep. Times are medians of single ones, in
 * nanoseconds; resident memory is the process's, shared pages once; held is what
 * the heap and the page store handed out. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "drivers/host_linux.h"
#include "kernel/base/pages.h"
#include "kernel/wasm/engine.h"
#include "tests/support/wat.h"

enum { STORES = 10000, WAKES = 4000, HOT_BATCH = 64, LARGE_COPIES = 2000, WRITTEN = 16384 };

static const char *const small_text =
	"(module (import \"h\" \"a\" (func $a (param i32))) (import \"h\" \"b\" (func (param i32)))"
	"(import \"h\" \"c\" (func (param i32))) (import \"h\" \"d\" (func (param i32)))"
	"(import \"h\" \"e\" (func (param i32))) (import \"h\" \"f\" (func (param i32)))"
	"(memory 2 2) (table 8 funcref) (elem (i32.const 1) $deep)"
	"(global (mut i32) (i32.const 1)) (global (mut i32) (i32.const 2)) (global (mut i64) (i64.const 3))"
	"(func $deep (param i32 i32) (result i32)"
	" (if (i32.eqz (local.get 0)) (then (call $a (local.get 1)) (return (local.get 1))))"
	" (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))"
	"(func (export \"run\") (param i32) (result i32)"
	" (memory.fill (i32.const 65536) (local.get 0) (i32.const 16384))"
	" (call $deep (i32.const 2) (local.get 0))))";

/* As a Lua with a script: 4 MiB, of which 1 MiB is written. */
static const char *const large_text =
	"(module (import \"h\" \"a\" (func $a (param i32))) (memory 64 64)"
	"(func (export \"run\") (param i32) (result i32)"
	" (memory.fill (i32.const 0) (local.get 0) (i32.const 1048576))"
	" (call $a (local.get 0)) (local.get 0)))";

static struct host *host;
static struct heap heap;
static struct typebook book;
static struct pages pages;
static uint64_t charged;

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "cold_bench: %s\n", what);
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
resident_bytes(void)
{
	unsigned long long total, resident;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%llu %llu", &total, &resident) != 2)
		fail("no /proc/self/statm");
	(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
held_bytes(void)
{
	return heap.bytes_used + (uint64_t)pages.used * HOST_PAGE_BYTES;
}

static bool
count_take(struct storage *storage, uint64_t bytes)
{
	(void)storage;
	charged += bytes;
	return true;
}

static void
count_give(struct storage *storage, uint64_t bytes)
{
	(void)storage;
	charged -= bytes;
}

static struct storage storage = {count_take, count_give};

static struct store_config
config(void)
{
	return (struct store_config){.heap = &heap, .book = &book, .storage = &storage,
		.pages = &pages, .executor = EXECUTOR_FAST};
}

static struct module *
load(const char *text)
{
	const struct wat wat = wat_bytes(text);
	struct report report = {.offset = 0};
	struct module *module;

	if (module_load(&heap, &book, wat.bytes, wat.count, &report, &module))
		fail(report.text);
	return module;
}

static void
run(struct store *store, enum exec_end end)
{
	struct exec_result result;

	store_run(store, UINT64_C(1) << 40, &result);
	if (result.end != end)
		fail("a run that ended otherwise");
}

/* Stands in its host call, hot. */
static struct store *
make(struct module *module, uint64_t word)
{
	struct binding bindings[6] = {{.kind = BIND_HOST}};
	const struct store_config c = config();
	struct report report = {.offset = 0};
	struct store *store;
	uint32_t instance;

	for (uint32_t i = 0; i < 6; i++)
		bindings[i] = (struct binding){.kind = BIND_HOST, .index = i};
	if (store_new(&c, &store) ||
		store_instantiate(store, module, bindings, &report, &instance))
		fail("no store");
	store_begin_init(store, instance);
	run(store, EXEC_RETURNED);
	if (store_begin_call(store, instance, module_export(module, "run", 3)->index, &word))
		fail("no call");
	run(store, EXEC_HOST);
	return store;
}

static struct store *
copy(struct store *store)
{
	const struct store_config c = config();
	struct store *ret;

	if (store_clone(store, &c, &ret))
		fail("no copy");
	return ret;
}

static int
compare_times(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
median(uint64_t *times, uint64_t count)
{
	qsort(times, count, sizeof *times, compare_times);
	return times[count / 2];
}

static void
say(const char *what, uint64_t value, const char *unit)
{
	printf("%-58s %10" PRIu64 " %s\n", what, value, unit);
	(void)fflush(stdout);
}

static uint64_t
cool_timed(struct store *store)
{
	const uint64_t start = now_ns();

	if (store_cool(store))
		fail("the page store is full");
	return now_ns() - start;
}

static uint64_t
warm_timed(struct store *store)
{
	const uint64_t start = now_ns();

	if (store_warm(store))
		fail("no address space");
	return now_ns() - start;
}

static void
made_apart(struct module *module, uint32_t count, uint64_t *times)
{
	struct store **stores = calloc(count, sizeof *stores);
	uint64_t resident, before, held;

	if (!stores)
		fail("no memory");
	store_free(make(module, 1)); /* lowers */
	memset(times, 1, count * sizeof *times);
	before = charged;
	held = held_bytes();
	resident = resident_bytes();
	for (uint32_t i = 0; i < count; i++) {
		stores[i] = make(module, i | 1);
		times[i] = cool_timed(stores[i]);
	}
	say("each made apart: charged", (charged - before) / count, "bytes");
	say("each made apart: held, cold", (held_bytes() - held) / count, "bytes");
	say("each made apart: resident, cold", (resident_bytes() - resident) / count, "bytes");
	say("cool, 16 KiB written", median(times, count), "ns");
	for (uint32_t i = 0; i < WAKES; i++) {
		struct store *store = stores[(uint64_t)i * 2654435761u % count];
		const uint64_t start = now_ns();

		(void)warm_timed(store);
		store_host_done(store);
		run(store, EXEC_RETURNED);
		times[i] = now_ns() - start;
		store_free(store);
		stores[(uint64_t)i * 2654435761u % count] = copy(stores[count - 1]);
	}
	say("warm a random one and run it to its end", median(times, WAKES), "ns");
	for (uint32_t i = 0; i < WAKES; i++) {
		times[i] = warm_timed(stores[i]);
		(void)cool_timed(stores[i]);
	}
	say("warm, 16 KiB", median(times, WAKES), "ns");
	for (uint32_t i = 0; i < count; i++)
		store_free(stores[i]);
	free(stores);
}

static void
copied(struct module *module, uint32_t count, uint64_t *times, const char *which)
{
	struct store **stores = calloc(count, sizeof *stores), *first = make(module, 7);
	uint64_t held, start;
	char text[80];

	if (!stores || store_cool(first))
		fail("no memory");
	held = held_bytes();
	for (uint32_t i = 0; i < count; i++) {
		start = now_ns();
		stores[i] = copy(first);
		times[i] = now_ns() - start;
	}
	(void)snprintf(text, sizeof text, "copy, %s: held, each", which);
	say(text, (held_bytes() - held) / count, "bytes");
	(void)snprintf(text, sizeof text, "copy, %s", which);
	say(text, median(times, count), "ns");
	for (uint32_t i = 0; i < count; i++) {
		times[i] = warm_timed(stores[i]);
		(void)cool_timed(stores[i]);
	}
	(void)snprintf(text, sizeof text, "warm a copy, %s", which);
	say(text, median(times, count), "ns");
	for (uint32_t i = 0; i < count; i++) {
		(void)warm_timed(stores[i]);
		store_memory(stores[i], 0)->base[100] = 99;
		times[i] = cool_timed(stores[i]);
	}
	(void)snprintf(text, sizeof text, "cool a copy that wrote one page, %s", which);
	say(text, median(times, count), "ns");
	(void)snprintf(text, sizeof text, "... held then, each, %s", which);
	say(text, (held_bytes() - held) / count, "bytes");
	for (uint32_t i = 0; i < count; i++)
		store_free(stores[i]);
	store_free(first);
	free(stores);
}

/* --- copy-on-write mappings ---------------------------------------------------------- */

/* Wakes `runs` runs of so many pages, writes a quarter of them, reads a quarter,
 * lets go: by mapping, by copying. */
static void
fill_either_way(int fd, uint8_t *store, uint32_t pages_each)
{
	enum { TIMES = 201 };
	const uint64_t bytes = (uint64_t)pages_each * HOST_PAGE_BYTES;
	uint64_t mapped[TIMES], copied_ns[TIMES];
	uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	volatile uint8_t sum = 0;

	for (uint32_t i = 0; i < 2 * TIMES; i++) {
		const uint64_t start = now_ns();

		if (i % 2) {
			if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) != at)
				fail("no mapping");
		} else {
			memcpy(at, store, bytes);
		}
		for (uint32_t page = 0; page < pages_each; page += 4) {
			at[(uint64_t)page * HOST_PAGE_BYTES]++;
			sum = (uint8_t)(sum + at[(uint64_t)(page + 1) * HOST_PAGE_BYTES]);
		}
		if (i % 2) {
			if (mmap(at, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
				    0) != at)
				fail("no mapping");
			mapped[i / 2] = now_ns() - start;
		} else {
			(void)madvise(at, bytes, MADV_DONTNEED);
			copied_ns[i / 2] = now_ns() - start;
		}
	}
	printf("%6u pages: mapped %9" PRIu64 " ns, copied %9" PRIu64 " ns\n", pages_each,
		median(mapped, TIMES), median(copied_ns, TIMES));
	(void)munmap(at, bytes);
}

int
main(int argc, char **argv)
{
	const bool fill = argc > 1 && !strcmp(argv[1], "--fill");
	const uint32_t count = argc > 1 && !fill ? (uint32_t)strtoul(argv[1], NULL, 10) : STORES;
	const uint64_t store_bytes = ((uint64_t)count * 40 << 10) + (256 << 20);
	const int fd = memfd_create("pages", 0);
	const struct host_linux_config where = {.bank_bytes = UINT64_C(4) << 30, .store_fd = fd,
		.store_bytes = store_bytes};
	uint64_t *times = calloc(count > WAKES ? count : WAKES, sizeof *times), ignored;
	struct report report = {.offset = 0};

	if (!times || count < WAKES || fd < 0 || ftruncate(fd, (off_t)store_bytes) ||
		host_linux_open(&where, &report, &host, &ignored))
		fail("no memory, or fewer than 4,000 stores");
	heap_init(&heap, host);
	typebook_init(&book, &heap);
	pages_init(&pages, &heap);
	if (fill) {
		uint8_t *store = host->pages(host, 4096);

		memset(store, 1, 4096 * HOST_PAGE_BYTES);
		for (uint32_t each = 4; each <= 4096; each *= 4)
			fill_either_way(fd, store, each);
	} else {
		struct module *small = load(small_text), *large = load(large_text);

		made_apart(small, count, times);
		copied(small, count, times, "2 pages of 64 KiB");
		copied(large, LARGE_COPIES, times, "4 MiB, 1 MiB written");
		module_free(small);
		module_free(large);
	}
	pages_done(&pages);
	typebook_done(&book);
	heap_done(&heap);
	host_linux_close(host);
	free(times);
	return charged != 0;
}
