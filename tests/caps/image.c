/* SPDX-License-Identifier: Apache-2.0 */
/* image.c - a run stopped at each of its requests goes on in another world as if
 * nothing had been: same answers, same gas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps/wasi.h"
#include "tests/caps/bench.h"

enum { DATA = 3, ROOT = 4, P1 = 0x4000, P2 = 0x6000, OUT = 0x100, VEC = 0x200, BIG = 0x20000 };

struct transcript {
	uint64_t hash, gas, stops;
};

static uint64_t
mixed(uint64_t hash, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Every call that asks for something, and what each said. */
static uint64_t
script(struct bench *b)
{
	uint64_t hash = 1;
	uint32_t answers[64], n = 0, again, directory, below;
	const int fd = bench_open_path(b, DATA, "f", OFLAG_CREAT, RW, FDFLAG_APPEND | FDFLAG_SYNC);

	answers[n++] = (uint32_t)fd;
	answers[n++] = (uint32_t)bench_open_path(b, DATA, "../out", 0, R_ONLY, 0);
	for (uint32_t i = 0; i < 200000; i++)
		b->memory[BIG + i] = (uint8_t)(i % 251);
	bench_vector(b, VEC, 0, BIG, 200000);
	answers[n++] = bench_call(b, "fd_write", (uint64_t)fd, VEC, 1, OUT);
	answers[n++] = (uint32_t)bench_word(b, OUT, 4);
	answers[n++] = bench_write(b, (uint32_t)fd, "the end");
	answers[n++] = bench_call(b, "path_create_directory", DATA, P1, bench_text(b, P1, "d"));
	answers[n++] = bench_call(b, "path_symlink", P1, 1, DATA, P2, bench_text(b, P2, "l"));
	memcpy(b->memory + P1, "f", 1);
	memcpy(b->memory + P2, "g", 1);
	answers[n++] = bench_call(b, "path_link", DATA, 0, P1, 1, DATA, P2, 1);
	answers[n++] = bench_call(b, "path_rename", DATA, P2, 1, DATA, P2, bench_text(b, P2, "d/g"));
	memcpy(b->memory + P1, "f", 1);
	answers[n++] = bench_call(b, "path_rename", DATA, P1, 1, DATA, P2, bench_text(b, P2, "d/h"));
	answers[n++] = bench_call(b, "path_filestat_get", DATA, 0, P1, bench_text(b, P1, "d/h"), OUT);
	hash = mixed(hash, b->memory + OUT, 64);
	answers[n++] = bench_call(b, "fd_readdir", DATA, BIG, 1000, 0, OUT);
	hash = mixed(hash, b->memory + BIG, bench_word(b, OUT, 4));
	answers[n++] = bench_call(b, "path_readlink", DATA, P1, bench_text(b, P1, "l"), BIG, 100, OUT);
	again = answers[n++] = (uint32_t)bench_open_path(b, DATA, "d/h", 0, RW, 0);
	answers[n++] = bench_call(b, "fd_pread", again, VEC, 1, 7, OUT);
	answers[n++] = (uint32_t)bench_word(b, OUT, 4);
	hash = mixed(hash, b->memory + BIG, 200000);
	answers[n++] = bench_call(b, "path_unlink_file", DATA, P1, bench_text(b, P1, "d/g"));
	answers[n++] = bench_call(b, "fd_seek", again, 0, WHENCE_END, OUT);
	answers[n++] = (uint32_t)bench_word(b, OUT, 4);
	answers[n++] = bench_call(b, "fd_filestat_set_size", again, 3);
	answers[n++] = bench_call(b, "fd_filestat_set_times", again, 5, 6, 5);
	answers[n++] = bench_call(b, "path_filestat_set_times", DATA, 0, P1, 1, 5, 6, 5);
	answers[n++] = bench_call(b, "fd_filestat_get", DATA, OUT);
	hash = mixed(hash, b->memory + OUT, 64);
	answers[n++] = bench_call(b, "random_get", BIG, 77);
	hash = mixed(hash, b->memory + BIG, 77);
	answers[n++] = bench_call(b, "fd_readdir", DATA, BIG, 1000, 2, OUT);
	hash = mixed(hash, b->memory + BIG, bench_word(b, OUT, 4));
	directory = answers[n++] = (uint32_t)bench_open_path(b, ROOT, "data/d", OFLAG_DIRECTORY,
		ALL_RIGHTS & ~RIGHT_BIT(R_FD_WRITE), 0);
	below = answers[n++] = (uint32_t)bench_open_path(b, directory, "h", 0, R_ONLY, 0);
	bench_vector(b, VEC, 0, BIG, 100);
	answers[n++] = bench_call(b, "fd_read", below, VEC, 1, OUT);
	answers[n++] = (uint32_t)bench_word(b, OUT, 4);
	answers[n++] = bench_call(b, "clock_time_get", 0, 0, OUT);
	hash = mixed(hash, b->memory + OUT, 8);
	return mixed(hash, answers, n * sizeof answers[0]);
}

static struct transcript
transcript(bool stop_everywhere, uint64_t phase)
{
	static struct bench b;
	struct transcript t;
	struct bench_usual usual;

	bench_open(&b);
	usual = bench_usual(&b);
	b.device.short_max = 60000;
	b.stop_everywhere = stop_everywhere;
	b.quiet = phase;
	/* What was there before: so that opens need no making. */
	fake_file(&b.device, usual.top, "old", "old", 3);
	t.hash = script(&b);
	t.gas = b.gas;
	t.stops = b.stops;
	bench_close(&b);
	return t;
}

Test(image, a_run_stopped_at_each_request_is_the_same_run)
{
	const struct transcript straight = transcript(false, 0);
	uint64_t stops = 0;

	cr_assert_eq(straight.stops, 0);
	for (uint64_t phase = 0; phase < 40; phase++) {
		const struct transcript stopped = transcript(true, phase);

		cr_assert_eq(stopped.gas, straight.gas, "phase %d", (int)phase);
		cr_assert_eq(stopped.hash, straight.hash, "phase %d", (int)phase);
		stops += stopped.stops;
	}
	cr_assert_gt(stops, 200);
}

Test(image, a_file_that_vanished_is_told_at_its_next_use)
{
	static struct bench b;
	struct bench_usual usual;
	int fd;

	bench_open(&b);
	usual = bench_usual(&b);
	fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "abc"), 0);
	(void)files_unlink(&b.device.files, usual.top, "f");
	bench_freeze_thaw(&b);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "abc"), WASI_ENOENT);
	cr_assert_str_eq(caps_why(&b.domain, 0)->saw, "ENOENT (44)");
	cr_assert_eq(bench_call(&b, "fd_close", (uint64_t)fd), 0);
	bench_close(&b);
}

/* What is not given is a hole, with the name it would have. */
Test(image, a_key_that_is_not_given_is_a_hole)
{
	static struct bench b;
	struct caps_hole hole;
	uint32_t count = 0;
	bool data = false;

	bench_open(&b);
	(void)bench_usual(&b);
	b.roots_count = 0;
	b.end = CALL_DONE;
	/* bench_freeze_thaw() wants every key bound; here none is given. */
	{
		uint8_t *image = malloc(1 << 20);
		struct bytes_in in = bytes_in(image, bench_image(&b, image, 1 << 20));
		static struct bench other;
		struct report report = {0};

		bench_open(&other);
		wasi_personality.end(&other.domain);
		other.domain.slots_count = bytes_u32(&in);
		for (uint32_t i = 0; i < other.domain.slots_count; i++) {
			const uint8_t kind = bytes_u8(&in);

			if (kind)
				(void)root_image_bind(&other.world, &other.domain, &in,
					&other.domain.slots[i]);
		}
		cr_assert_eq(wasi_personality.image_read(&other.domain, &in, &report), 0, "%s",
			report.text);
		while (caps_hole_at(&other.domain, count, &hole)) {
			count++;
			data |= !strcmp(hole.name, "data") && hole.kind == KIND_directory &&
				!strcmp(hole.spec, "dir:/srv/data");
		}
		cr_assert_eq(count, 4, "data and three streams; clock and generator come along");
		cr_assert(data);
		cr_assert_eq(bench_open_path(&other, DATA, "f", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
		cr_assert_eq(bench_write(&other, 1, "x"), WASI_ENOTCAPABLE);
		cr_assert_eq(bench_call(&other, "clock_time_get", 0, 0, OUT), 0);
		cr_assert_eq(bench_call(&other, "random_get", OUT, 8), 0);
		free(image);
		bench_close(&other);
	}
	bench_close(&b);
}

/* Another world reads the image and has nothing to give. */
static void
thaw_without_keys(struct bench *other, const uint8_t *image, uint64_t bytes)
{
	struct bytes_in in = bytes_in(image, bytes);
	struct report report = {0};

	bench_open(other);
	wasi_personality.end(&other->domain);
	other->domain.slots_count = bytes_u32(&in);
	for (uint32_t i = 0; i < other->domain.slots_count; i++) {
		const uint8_t kind = bytes_u8(&in);

		if (kind)
			cr_assert(root_image_bind(&other->world, &other->domain, &in,
				&other->domain.slots[i]));
	}
	cr_assert_eq(wasi_personality.image_read(&other->domain, &in, &report), 0, "%s",
		report.text);
}

Test(image, a_hole_survives_the_next_image)
{
	enum { ROOM = 1 << 20 };
	static struct bench b, other;
	uint8_t *image = malloc(ROOM), *again = malloc(ROOM);
	struct caps_root_view view;
	uint64_t bytes, held;
	int fd;

	bench_open(&b);
	(void)bench_usual(&b);
	fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "abc"), 0);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", (uint64_t)fd, OUT), 0);
	bytes = bench_image(&b, image, ROOM);
	held = b.domain.bank.own;
	thaw_without_keys(&other, image, bytes);
	cr_assert_eq(other.domain.bank.own, held, "it holds what it held");
	cr_assert_eq(bench_write(&other, (uint32_t)fd, "x"), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_write(&other, 1, "x"), WASI_ENOTCAPABLE);
	for (uint32_t i = 0; caps_root_at(&other.world, i, &view); i++)
		cr_assert(view.kind == KIND_clock || view.kind == KIND_entropy, "%s", view.name);
	bench_close(&other);

	thaw_without_keys(&other, image, bytes);
	cr_assert_eq(bench_image(&other, again, ROOM), bytes, "the next image is the first");
	cr_assert_eq(memcmp(image, again, bytes), 0);
	cr_assert_eq(bench_call(&other, "fd_close", (uint64_t)fd), 0);
	cr_assert_lt(other.domain.bank.own, held, "a hole is paid for until it is dropped");
	bench_close(&other);
	bench_close(&b);
	free(image);
	free(again);
}

/* Any bytes give an error or a personality whose calls are safe. */
static void
try_image(const uint8_t *image, uint64_t bytes)
{
	static struct bench b;
	struct bytes_in in = bytes_in(image, bytes);
	struct report report = {0};
	uint64_t any[16];

	bench_open(&b);
	wasi_personality.end(&b.domain);
	b.domain.slots_count = bytes_u32(&in) % 64;
	for (uint32_t i = 0; i < b.domain.slots_count && !in.bad; i++) {
		const uint8_t kind = bytes_u8(&in);

		if (kind && kind < KIND_COUNT)
			(void)root_image_bind(&b.world, &b.domain, &in, &b.domain.slots[i]);
	}
	if (!wasi_personality.image_read(&b.domain, &in, &report))
		for (const struct import_def *def = wasi_import_tables[0]; def->name; def++) {
			for (int i = 0; i < 16; i++)
				any[i] = (uint64_t)i % 3;
			b.gas_limit = b.gas + 5000000;
			b.domain.progress = bytes;
			if (strcmp(def->name, "proc_exit"))
				(void)bench_call_with(&b, def->name, any);
			if (b.end == CALL_DRY)
				b.domain.progress = b.domain.charged = 0;
		}
	else
		cr_assert_str_not_empty(report.text);
	if (!b.domain.personality)
		cr_assert(wasi_personality.make(&b.domain));
	bench_close(&b);
}

Test(image, hostile_bytes)
{
	static struct bench b;
	uint8_t *image = malloc(1 << 20), *changed = malloc(1 << 20);
	uint64_t bytes;
	struct seed seed = {7};

	bench_open(&b);
	(void)bench_usual(&b);
	(void)script(&b);
	bytes = bench_image(&b, image, 1 << 20);
	bench_close(&b);
	for (uint64_t cut = 0; cut < bytes; cut += 1 + cut / 16)
		try_image(image, cut);
	for (int i = 0; i < 400; i++) {
		memcpy(changed, image, bytes);
		for (int flips = 0; flips < 1 + i % 4; flips++)
			changed[seed_below(&seed, bytes)] ^= (uint8_t)(1 << seed_below(&seed, 8));
		try_image(changed, bytes);
	}
	free(image);
	free(changed);
}
