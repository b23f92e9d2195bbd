/* SPDX-License-Identifier: Apache-2.0 */
/* ring_bench.c - 32 domains that read 4 KiB of page cache at random, through the
 * worker's own drivers, against a raw ring with the same set-up flags and as many
 * reads in flight. By turns; medians.
 *
 * usage: ring_bench READERS.wasm [READS_EACH [ROUNDS]] */
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "drivers/host_linux.h"
#include "kernel/gate.h"
#include "tests/bench/median.h"
#include "tests/bench/ring_worker.h"
#include "tests/support/house.h"

/* AT_FILE: house.h's AT_FREE, four slots behind the kit. */
enum { READERS = 32, PAGE = 4096, PAGES = 64 << 8, AT_FILE = CAPS_KIT_SLOTS + 4, ROUNDS_MAX = 101 };

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* 64 MiB, all of it in the page cache. */
static int
make_file(char *path)
{
	static uint8_t piece[1 << 20];
	const int fd = mkstemp(path);

	for (int i = 0; i < PAGES * PAGE / (int)sizeof piece; i++) {
		memset(piece, i, sizeof piece);
		if (write(fd, piece, sizeof piece) != (ssize_t)sizeof piece)
			house_fail(path, "cannot be written");
	}
	(void)close(fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* --- the raw ring ----------------------------------------------------------------- */

static uint64_t
next_page(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x % PAGES;
}

static double
raw(int fd, unsigned flags, uint64_t reads)
{
	struct io_uring_params params = {.flags = flags, .cq_entries = 2048};
	static uint8_t pages[READERS][PAGE];
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	uint64_t x = 88172645463325252u, sent = 0, come = 0, start;

	if (io_uring_queue_init_params(256, &ring, &params) ||
		io_uring_register_files(&ring, &fd, 1) || io_uring_enable_rings(&ring))
		house_fail("raw ring", "cannot be made");
	start = now_ns();
	while (come < reads) {
		struct io_uring_sqe *sqe;
		unsigned head, seen = 0;

		if (!sent)
			for (uint64_t i = 0; i < READERS; i++, sent++) {
				sqe = io_uring_get_sqe(&ring);
				io_uring_prep_read(sqe, 0, pages[i], PAGE, next_page(&x) * PAGE);
				sqe->flags |= IOSQE_FIXED_FILE;
				sqe->user_data = i;
			}
		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe) {
			seen++;
			if (cqe->res != PAGE)
				house_fail("raw ring", "a read that failed");
			if (sent++ >= reads)
				continue;
			sqe = io_uring_get_sqe(&ring);
			io_uring_prep_read(sqe, 0, pages[cqe->user_data], PAGE, next_page(&x) * PAGE);
			sqe->flags |= IOSQE_FIXED_FILE;
			sqe->user_data = cqe->user_data;
		}
		io_uring_cq_advance(&ring, seen);
		come += seen;
	}
	start = now_ns() - start;
	io_uring_queue_exit(&ring);
	return (double)reads * 1e9 / (double)start;
}

/* --- domains ----------------------------------------------------------------------- */

static double
ours(const char *guest, int fd, uint64_t each, unsigned *ret_flags)
{
	const int store = memfd_create("pages", 0);
	const struct host_linux_config host_config = {
		.bank_bytes = UINT64_C(1) << 30, .store_fd = store, .store_bytes = 64 << 20};
	struct house house = {.bank_bytes = 0};
	struct report report;
	struct host *host;
	struct caps_root root = {.name = "file", .spec = "file", .kind = KIND_file, .rights = RIGHT_read};
	struct key key;
	uint64_t arena, start;

	report_clear(&report);
	if (ftruncate(store, 64 << 20) || host_linux_open(&host_config, &report, &host, &arena))
		house_fail("worker", report.text);
	house.outside = ring_worker_open(fd, &root.handle, ret_flags);
	house_open(&house, EXECUTOR_FAST, host);
	house_root(&house, guest, GAS_NO_LIMIT);
	house_task(&house, (struct house_task){.count = each, .word = READERS, .depth = PAGES});
	if (caps_root_add(house.world, &root, &report, &key) ||
		domain_slots_room(house.root, AT_FILE + 1))
		house_fail("file", report.text);
	slot_put(house.root, AT_FILE, &key);
	if (house_go(&house, 0) != STOP_YIELDED || house.root->stop.word)
		house_fail("readers", "were not made");
	start = now_ns();
	if (house_go(&house, 0) != STOP_YIELDED || house.root->stop.word >> 62)
		house_fail("readers", "did not read");
	start = now_ns() - start;
	house_close(&house);
	ring_worker_close();
	host_linux_close(host);
	(void)close(store);
	return (double)(each * READERS) * 1e9 / (double)start;
}

int
main(int argc, char **argv)
{
	const uint64_t each = argc > 2 ? strtoull(argv[2], NULL, 0) : 4000;
	const int rounds = argc > 3 ? atoi(argv[3]) : 11;
	char path[] = "/tmp/keyhold-ring.XXXXXX";
	double raws[ROUNDS_MAX], domains[ROUNDS_MAX], ratios[ROUNDS_MAX];
	unsigned flags;
	int fd;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX)
		house_fail("usage", "ring_bench READERS.wasm [READS_EACH [ROUNDS]]");
	fd = make_file(path);
	for (int i = 0; i < rounds; i++) {
		domains[i] = ours(argv[1], fd, each, &flags);
		raws[i] = raw(fd, flags, each * READERS);
		ratios[i] = domains[i] / raws[i];
	}
	(void)unlink(path);
	printf("raw ring, 32 reads in flight: median %.0f reads/s\n", median(raws, rounds));
	printf("32 domains: median %.0f reads/s | readers.wasm, call depth 1\n", median(domains, rounds));
	printf("ratio: median %.3f of %d rounds\n", median(ratios, rounds), rounds);
	return 0;
}
