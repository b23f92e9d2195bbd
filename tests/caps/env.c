/* SPDX-License-Identifier: Apache-2.0 */
/* env.c - words, clocks, random bytes, ends, polls, sockets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "caps/wasi.h"
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

TestSuite(env, .init = open_bench, .fini = close_bench);

enum { P1 = 0x4000, P2 = 0x6000, OUT = 0x100, SUBS = 0x8000, EVENTS = 0xc000 };

Test(env, arguments_and_environment)
{
	cr_assert_eq(bench_call(&b, "args_sizes_get", OUT, OUT + 4), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 3);
	cr_assert_eq(bench_word(&b, OUT + 4, 4), 13);
	cr_assert_eq(bench_call(&b, "args_get", P1, P2), 0);
	cr_assert_eq(memcmp(b.memory + P2, "program\0one\0", 13), 0);
	cr_assert_eq(bench_word(&b, P1, 4), P2);
	cr_assert_eq(bench_word(&b, P1 + 4, 4), P2 + 8);
	cr_assert_eq(bench_word(&b, P1 + 8, 4), P2 + 12);
	cr_assert_eq(bench_call(&b, "environ_sizes_get", OUT, OUT + 4), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 2);
	cr_assert_eq(bench_call(&b, "environ_get", P1, P2), 0);
	cr_assert_eq(memcmp(b.memory + P2, "A=1\0B=", 7), 0);
	cr_assert_eq(bench_call(&b, "args_get", BENCH_MEMORY - 8, P2), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "args_get", P1, BENCH_MEMORY - 8), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "args_sizes_get", OUT, BENCH_MEMORY), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "environ_sizes_get", UINT32_MAX, OUT), WASI_EFAULT);
}

static uint64_t
now(uint32_t id)
{
	cr_assert_eq(bench_call(&b, "clock_time_get", id, 0, OUT), 0);
	return bench_word(&b, OUT, 8);
}

/* A copy of an image may get arguments of its own, until the program has asked. */
Test(env, arguments_are_exchanged_until_they_are_asked_for)
{
	const char *const more[] = {"two words", "", "3"};
	struct report report;

	report_clear(&report);
	cr_assert_eq(caps_wasi_args(&b.domain, more, 3, &report), 0);
	cr_assert_eq(bench_call(&b, "args_sizes_get", OUT, OUT + 4), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 4);
	cr_assert_eq(bench_word(&b, OUT + 4, 4), 8 + 10 + 1 + 2);
	cr_assert_eq(bench_call(&b, "args_get", P1, P2), 0);
	cr_assert_eq(memcmp(b.memory + P2, "program\0two words\0\0003\0", 21), 0);
	cr_assert_eq(caps_wasi_args(&b.domain, more, 1, &report), -EBUSY);
	cr_assert(strstr(report.text, "asked for its arguments already"), "%s", report.text);
	cr_assert_eq(bench_call(&b, "args_sizes_get", OUT, OUT + 4), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 4, "and it keeps those it has");
}

Test(env, new_arguments_are_paid_for)
{
	static char large[70000];
	const char *const more[] = {large};
	const uint64_t used = b.domain.bank.used, limit = b.domain.bank.limit;
	struct report report;

	memset(large, 'x', sizeof large - 1);
	report_clear(&report);
	b.domain.bank.limit = used + 1000;
	cr_assert_eq(caps_wasi_args(&b.domain, more, 1, &report), -ENOSPC);
	cr_assert_eq(b.domain.bank.used, used);
	b.domain.bank.limit = limit;
	cr_assert_eq(bench_call(&b, "args_sizes_get", OUT, OUT + 4), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 3, "it has the old ones");
}

static struct caps_root_view
generator(void)
{
	struct caps_root_view view = {0};

	for (uint32_t i = 0; caps_root_at(&b.world, i, &view); i++)
		if (view.kind == KIND_entropy)
			return view;
	cr_assert_fail("no generator");
	return view;
}

Test(env, copies_are_seeded_anew)
{
	uint8_t drawn[2][16];

	for (uint64_t seed = 0; seed < 2; seed++) {
		caps_reseed(&b.world, 0, 7 + seed);
		entropy_draw(b.world.caps, &b.domain.slots[wasi_of(&b.domain)->entropy_slot], 0,
			drawn[seed], 16);
	}
	cr_assert_neq(memcmp(drawn[0], drawn[1], 16), 0);
	cr_assert_str_eq(generator().spec, "random:seed=8");
	caps_reseed(&b.world, 100, 9); /* none from there on */
	cr_assert_str_eq(generator().spec, "random:seed=8");
}

Test(env, the_virtual_clock_is_the_line)
{
	const uint64_t first = now(CLOCKID_MONOTONIC);

	cr_assert_eq(first, b.gas / 10);
	b.gas += 1000;
	cr_assert_eq(now(CLOCKID_REALTIME), first + 100 + 50, "100 for the work, 50 for the call");
	cr_assert_eq(b.requests, 0);
	cr_assert_eq(bench_call(&b, "clock_res_get", CLOCKID_THREAD, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), 1);
	cr_assert_eq(bench_call(&b, "clock_res_get", 4, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "clock_time_get", 4, 0, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "clock_time_get", 0, 0, BENCH_MEMORY), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "clock_res_get", 0, BENCH_MEMORY), WASI_EFAULT);
}

/* Block 0 of ChaCha20 with this key was computed apart from this program. */
Test(env, random_bytes_are_a_stream)
{
	uint8_t whole[200];

	cr_assert_eq(bench_call(&b, "random_get", P1, 100), 0);
	cr_assert_eq(bench_call(&b, "random_get", P1 + 100, 0), 0);
	cr_assert_eq(bench_call(&b, "random_get", P1 + 100, 27), 0);
	cr_assert_eq(bench_call(&b, "random_get", P1 + 127, 73), 0);
	memcpy(whole, b.memory + P1, 200);
	close_bench();
	open_bench();
	cr_assert_eq(bench_call(&b, "random_get", P1, 200), 0);
	cr_assert_eq(memcmp(whole, b.memory + P1, 200), 0);
	cr_assert_neq(memcmp(whole, whole + 64, 64), 0);
	cr_assert_eq(bench_call(&b, "random_get", BENCH_MEMORY - 1, 2), WASI_EFAULT);
}

Test(env, ends)
{
	(void)bench_call(&b, "proc_exit", 300);
	cr_assert_eq(b.end, CALL_EXIT);
	cr_assert_eq(b.code, 300, "the tools cut it as a shell would");
	(void)bench_call(&b, "proc_raise", 6);
	cr_assert_eq(b.end, CALL_EXIT);
	cr_assert_eq(b.code, 134);
	cr_assert_eq(bench_call(&b, "proc_raise", 0), 0);
	cr_assert_eq(bench_call(&b, "proc_raise", 16), 0);
	cr_assert_eq(bench_call(&b, "proc_raise", 18), WASI_ENOTSUP);
	cr_assert_eq(bench_call(&b, "proc_raise", 31), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "sched_yield", 0), 0);
}

Test(env, nothing_is_a_socket)
{
	static const char *const calls[] = {"sock_accept", "sock_recv", "sock_send", "sock_shutdown"};

	for (int i = 0; i < 4; i++) {
		cr_assert_eq(bench_call(&b, calls[i], 1, 0, 0, 0, 0, 0), WASI_ENOTSOCK);
		cr_assert_eq(bench_call(&b, calls[i], 3, 0, 0, 0, 0, 0), WASI_EBADF);
	}
}

/* --- polls --------------------------------------------------------------------------- */

static void
sub_clock(uint32_t index, uint64_t userdata, uint32_t id, uint64_t timeout, uint16_t flags)
{
	const uint32_t at = SUBS + 48 * index;

	memset(b.memory + at, 0, 48);
	bench_put(&b, at, userdata, 8);
	bench_put(&b, at + 16, id, 4);
	bench_put(&b, at + 24, timeout, 8);
	bench_put(&b, at + 40, flags, 2);
}

static void
sub_fd(uint32_t index, uint64_t userdata, uint8_t type, uint32_t fd)
{
	const uint32_t at = SUBS + 48 * index;

	memset(b.memory + at, 0, 48);
	bench_put(&b, at, userdata, 8);
	b.memory[at + 8] = type;
	bench_put(&b, at + 16, fd, 4);
}

/* How many events; their userdata in order as decimal digits. */
static uint32_t
polled(uint32_t count)
{
	uint32_t digits = 0;

	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, count, OUT), 0);
	for (uint32_t i = 0; i < bench_word(&b, OUT, 4); i++)
		digits = 10 * digits + (uint32_t)bench_word(&b, EVENTS + 32 * i, 8);
	return digits;
}

static uint32_t
event_error(uint32_t index)
{
	return (uint32_t)bench_word(&b, EVENTS + 32 * index + 8, 2);
}

Test(env, a_virtual_sleep_jumps)
{
	const uint64_t before = now(CLOCKID_MONOTONIC);

	sub_clock(0, 1, CLOCKID_MONOTONIC, 5000000000, 0);
	sub_clock(1, 2, CLOCKID_REALTIME, 3000000000, 0);
	sub_clock(2, 3, CLOCKID_MONOTONIC, before + 3000000000, 1);
	cr_assert_eq(polled(3) % 10, 3, "the absolute one is due first");
	cr_assert_eq(b.requests, 0, "at once");
	cr_assert_geq(now(CLOCKID_MONOTONIC), before + 2999999000);
	cr_assert_lt(now(CLOCKID_MONOTONIC), before + 3000100000);
	cr_assert_eq(now(CLOCKID_PROCESS), b.gas / 10, "no work was done");
}

Test(env, files_and_quiet_streams_are_always_ready)
{
	sub_clock(0, 1, CLOCKID_MONOTONIC, 1000, 0);
	sub_fd(1, 2, EVENT_READ, 0);
	sub_fd(2, 3, EVENT_WRITE, 1);
	cr_assert_eq(polled(3), 23);
	cr_assert_eq(event_error(0), 0);
	cr_assert_eq(b.requests, 0);
}

Test(env, what_cannot_be_polled_is_an_event)
{
	sub_fd(0, 1, EVENT_READ, 77);
	sub_fd(1, 2, EVENT_READ, 1);
	sub_fd(2, 3, EVENT_READ, 3);
	sub_clock(3, 4, CLOCKID_PROCESS, 0, 0);
	sub_clock(4, 5, 9, 0, 0);
	sub_clock(5, 6, CLOCKID_MONOTONIC, 0, 2);
	cr_assert_eq(polled(6), 123456);
	cr_assert_eq(event_error(0), WASI_EBADF);
	cr_assert_eq(event_error(1), WASI_ENOTCAPABLE);
	cr_assert_eq(event_error(2), WASI_EBADF);
	cr_assert_eq(event_error(3), WASI_ENOTSUP);
	cr_assert_eq(event_error(4), WASI_EINVAL);
	cr_assert_eq(event_error(5), WASI_EINVAL);
}

Test(env, polls_are_bounded)
{
	const uint32_t events = 1 << 20; /* behind them all */

	for (uint32_t i = 0; i < 16384; i++)
		sub_clock(i, 1, CLOCKID_MONOTONIC, i, 0);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, events, 16384, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 1);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, events, 16385, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 0, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "poll_oneoff", BENCH_MEMORY - 47, EVENTS, 1, OUT), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, BENCH_MEMORY - 31, 1, OUT), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 1, BENCH_MEMORY), WASI_EFAULT);
	b.memory[SUBS + 8] = 3;
	cr_assert_eq(bench_call(&b, "poll_oneoff", SUBS, EVENTS, 1, OUT), WASI_EINVAL);
}

/* --- real clocks, live streams ------------------------------------------------------- */

static void
open_real(void)
{
	struct wasi_config config = {.no_root = true};

	bench_open(&b);
	usual.in = fake_stream(&b.device, NULL, 0);
	usual.out = fake_stream(&b.device, NULL, 0);
	config.streams[0] = bench_stream(&b, usual.in, "stdin", RIGHT_read, CAPS_TTY);
	config.streams[1] = bench_stream(&b, usual.out, "stdout", RIGHT_write, CAPS_TTY);
	config.clock = bench_root(&b,
		(struct caps_root){.name = "clock", .kind = KIND_clock, .flags = CAPS_REAL,
			.rights = RIGHT_read | RIGHT_sleep});
	config.entropy = bench_root(&b,
		(struct caps_root){.name = "random", .kind = KIND_entropy, .flags = CAPS_REAL,
			.rights = RIGHT_read});
	bench_setup(&b, &config);
	b.device.now_ns = 1000;
}

TestSuite(real, .init = open_real, .fini = close_bench);

Test(real, clocks_are_the_devices)
{
	cr_assert_eq(now(CLOCKID_MONOTONIC), 1000);
	cr_assert_eq(now(CLOCKID_REALTIME), 1600000000000001000);
	cr_assert_eq(now(CLOCKID_PROCESS), b.gas / 10);
	cr_assert_eq(b.device.ops[DEVICE_CLOCK], 2);
}

Test(real, sleeps_are_real)
{
	sub_clock(0, 1, CLOCKID_MONOTONIC, 5000, 0);
	sub_clock(1, 2, CLOCKID_MONOTONIC, 4000, 1);
	sub_clock(2, 3, CLOCKID_REALTIME, 1600000000000003000, 1);
	cr_assert_eq(polled(3), 3);
	cr_assert_eq(b.device.now_ns, 3000);
	cr_assert_eq(b.device.ops[DEVICE_SLEEP], 1);
	cr_assert_eq(polled(2), 2);
	cr_assert_eq(b.device.now_ns, 4000);
	cr_assert_eq(polled(2), 2, "it is due already");
}

Test(real, a_live_stream_is_waited_for)
{
	sub_clock(0, 1, CLOCKID_MONOTONIC, 5000, 0);
	sub_fd(1, 2, EVENT_READ, 0);
	cr_assert_eq(polled(2), 1);
	cr_assert_eq(b.device.now_ns, 6000);
	fake_stream_feed(&b.device, usual.in, "abc", 3);
	cr_assert_eq(polled(2), 2);
	cr_assert_eq(bench_word(&b, EVENTS + 16, 8), 3);
	sub_fd(0, 3, EVENT_WRITE, 1);
	cr_assert_eq(polled(2), 32);
	cr_assert_str_eq(bench_read(&b, 0), "abc", "what is there, at once");
	fake_stream_close(&b.device, usual.in);
	sub_fd(0, 4, EVENT_READ, 0);
	cr_assert_eq(polled(1), 4);
	cr_assert_eq(bench_word(&b, EVENTS + 24, 2), 1, "hung up");
}

Test(real, a_terminal_is_told)
{
	cr_assert_eq(bench_call(&b, "fd_fdstat_get", 0, OUT), 0);
	cr_assert_eq(b.memory[OUT], FILETYPE_CHARACTER);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", 1, OUT), 0);
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_CHARACTER);
	cr_assert_eq(bench_call(&b, "fd_fdstat_get", 2, OUT), WASI_EBADF);
}

Test(real, a_read_that_must_not_wait)
{
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK), 0);
	bench_vector(&b, 0x200, 0, P1, 10);
	cr_assert_eq(bench_call(&b, "fd_read", 0, 0x200, 1, OUT), WASI_EAGAIN);
}

Test(real, entropy_is_the_devices)
{
	cr_assert_eq(bench_call(&b, "random_get", P1, 300000), 0);
	cr_assert_eq(b.device.ops[DEVICE_ENTROPY], 3);
	cr_assert_neq(memcmp(b.memory + P1, b.memory + P1 + 200000, 64), 0);
}
