/* SPDX-License-Identifier: Apache-2.0 */
/* space.c - a bank that is dry: an errno, or a stop before anything has happened. */
#include <stdio.h>
#include <string.h>

#include "tests/caps/bench.h"

static struct bench b;
static struct bench_usual usual;

static void
open_bench(void)
{
	bench_open(&b);
	usual = bench_usual(&b);
}

static void
close_bench(void)
{
	bench_close(&b);
}

TestSuite(space, .init = open_bench, .fini = close_bench);

enum { DATA = 3, BUF = 0x4000, OUT = 0x100 };

static void
many_files(int count)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "file-%04d", i);
		fake_file(&b.device, usual.top, name, "", 0);
	}
}

static void
dry(void)
{
	b.domain.bank.limit = b.domain.bank.used;
}

static void
stops_and_goes_on(const char *name, const uint64_t *args)
{
	const uint64_t room = 4096;
	uint64_t limit = b.domain.bank.limit, used;

	b.domain.stop_when_dry = true;
	cr_assert_eq(bench_call_with(&b, name, args), UINT32_MAX);
	cr_assert_eq(b.end, CALL_FULL);
	cr_assert_gt(b.domain.stop.need, 0);
	used = b.domain.bank.used;
	b.domain.stop_when_dry = false;
	cr_assert_eq(bench_call_with(&b, name, args), WASI_ENOMEM);
	cr_assert_eq(b.domain.bank.used, used, "nothing was kept");
	b.domain.stop_when_dry = true;
	cr_assert_eq(bench_call_with(&b, name, args), UINT32_MAX);
	for (int i = 0; b.end == CALL_FULL; i++) {
		b.domain.bank.limit = limit += room;
		cr_assert_lt(i, 1000);
		if (!bench_call_with(&b, name, args))
			cr_assert_eq(b.end, CALL_DONE);
	}
	cr_assert_eq(b.end, CALL_DONE);
}

Test(space, a_stat_of_one_file_more)
{
	char name[32];

	many_files(24);
	for (int i = 0; i < 24; i++) {
		const int bytes = snprintf(name, sizeof name, "file-%04d", i);

		memcpy(b.memory + BUF, name, (size_t)bytes);
		cr_assert_eq(bench_call(&b, "path_filestat_get", DATA, 0, BUF, (uint64_t)bytes, OUT), 0);
	}
	fake_file(&b.device, usual.top, "more", "", 0);
	dry();
	stops_and_goes_on("path_filestat_get",
		(const uint64_t[]){DATA, 0, BUF, bench_text(&b, BUF, "more"), OUT});
	cr_assert_eq(bench_word(&b, OUT + 8, 8), 25);
}

Test(space, a_listing)
{
	many_files(100);
	dry();
	stops_and_goes_on("fd_readdir", (const uint64_t[]){DATA, BUF, 0x4000, 0, OUT});
	cr_assert_gt(bench_word(&b, OUT, 4), 100 * 33);
}

/* What is opened is paid for before it is made. */
Test(space, an_open_that_makes_a_file)
{
	const uint32_t bytes = bench_text(&b, BUF, "new");

	dry();
	stops_and_goes_on("path_open",
		(const uint64_t[]){DATA, 0, BUF, bytes, OFLAG_CREAT | OFLAG_EXCL, RW, 0, 0, OUT});
	cr_assert_eq(bench_call(&b, "fd_close", bench_word(&b, OUT, 4)), 0);
}

/* Every allocation of the heap fails once. */
Test(space, memory_that_runs_out)
{
	uint32_t error = WASI_ENOMEM;

	many_files(50);
	for (uint64_t n = 1; error && n < 100; n++) {
		b.world.heap.fail_after = n;
		error = bench_call(&b, "fd_readdir", DATA, BUF, 0x4000, 0, OUT);
		cr_assert(!error || error == WASI_ENOMEM);
		b.world.heap.fail_after = 0;
	}
	cr_assert_eq(error, 0);
	error = WASI_ENOMEM;
	for (uint64_t n = 1; error && n < 100; n++) {
		b.world.heap.fail_after = n;
		error = bench_call(&b, "path_open", DATA, 0, BUF, bench_text(&b, BUF, "file-0001"), 0, RW, 0,
			0, OUT);
		cr_assert(!error || error == WASI_ENOMEM);
		b.world.heap.fail_after = 0;
	}
	cr_assert_eq(error, 0);
}
