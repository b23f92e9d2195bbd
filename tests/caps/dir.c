/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
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

TestSuite(dir, .init = open_bench, .fini = close_bench);

enum { DATA = 3, ROOT = 4, BUF = 0x4000, OUT = 0x100 };

/* The names from this cookie on, through a buffer of so many bytes: "a,b,c". */
static const char *
names(uint32_t fd, uint64_t cookie, uint32_t room)
{
	static char text[1 << 16];
	size_t at = 0;
	uint64_t used;

	text[0] = 0;
	do {
		uint32_t entry = 0;

		cr_assert_eq(bench_call(&b, "fd_readdir", fd, BUF, room, cookie, OUT), 0);
		used = bench_word(&b, OUT, 4);
		cr_assert_leq(used, room);
		while (entry + 24 <= used) {
			const uint32_t bytes = (uint32_t)bench_word(&b, BUF + entry + 16, 4);

			if (entry + 24 + bytes > used)
				break;
			cookie = bench_word(&b, BUF + entry, 8);
			at += (size_t)sprintf(text + at, "%s%.*s", at ? "," : "", (int)bytes,
				(const char *)b.memory + BUF + entry + 24);
			entry += 24 + bytes;
		}
		cr_assert(used < room || entry, "room for one entry");
	} while (used == room);
	return text;
}

Test(dir, names_come_sorted_by_their_bytes)
{
	fake_file(&b.device, usual.top, "b", "", 0);
	fake_file(&b.device, usual.top, "a", "", 0);
	fake_file(&b.device, usual.top, "B", "", 0);
	fake_dir(&b.device, usual.top, "!");
	cr_assert_str_eq(names(DATA, 0, 1000), "!,.,..,B,a,b");
	cr_assert_str_eq(names(DATA, 0, 30), "!,.,..,B,a,b", "an entry at a time");
	cr_assert_str_eq(names(DATA, 4, 1000), "a,b");
	cr_assert_str_eq(names(DATA, 99, 1000), "");
	fake_file(&b.device, usual.top, "c", "", 0);
	cr_assert_str_eq(names(DATA, 4, 1000), "a,b", "what was read stays read");
	cr_assert_str_eq(names(DATA, 0, 1000), "!,.,..,B,a,b,c", "until the start is read again");
}

Test(dir, entries_say_what_a_stat_says)
{
	uint64_t inode;

	fake_file(&b.device, usual.top, "f", "", 0);
	cr_assert_eq(bench_call(&b, "path_filestat_get", DATA, 0, BUF, bench_text(&b, BUF, "f"), OUT), 0);
	inode = bench_word(&b, OUT + 8, 8);
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, BUF, 24 * 3 + 1 + 2 + 1, 0, OUT), 0);
	cr_assert_eq(b.memory[BUF + 20], FILETYPE_DIRECTORY);
	cr_assert_eq(bench_word(&b, BUF + 24 + 1 + 8, 8), 0, "of the one above nothing is told");
	cr_assert_eq(bench_word(&b, BUF + 2 * 24 + 3 + 8, 8), inode);
	cr_assert_eq(b.memory[BUF + 2 * 24 + 3 + 20], FILETYPE_REGULAR);
	inode = bench_word(&b, BUF + 8, 8);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", DATA, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 8, 8), inode);
}

Test(dir, many_names_come_in_pieces)
{
	char name[32];

	for (int i = 0; i < 9000; i++) {
		snprintf(name, sizeof name, "file-%06d-abcdefgh", 8999 - i);
		fake_file(&b.device, usual.top, name, "", 0);
	}
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, BUF, 64, 0, OUT), 0);
	cr_assert_geq(b.device.ops[DEVICE_LIST], 3);
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, BUF, 48, 9001, OUT), 0);
	cr_assert_eq(memcmp(b.memory + BUF + 24, "file-008999", 11), 0);
}

Test(dir, the_synthetic_root_lists_its_names)
{
	struct report report = {0};
	struct key key = bench_root(&b, (struct caps_root){.name = "api", .kind = KIND_stream});

	cr_assert_str_eq(names(ROOT, 0, 1000), ".,..,data");
	cr_assert_eq(caps_wasi_name(&b.domain, &key, "net/api", &report), 0);
	cr_assert_eq(caps_wasi_name(&b.domain, &key, "/net/zoo", &report), 0);
	cr_assert_lt(caps_wasi_name(&b.domain, &key, "net//api", &report), 0);
	cr_assert_lt(caps_wasi_name(&b.domain, &key, "../x", &report), 0);
	cr_assert_lt(caps_wasi_name(&b.domain, &key, "/", &report), 0);
	cr_assert_str_eq(names(ROOT, 0, 1000), ".,..,data,net", "a key granted later appears");
	cr_assert_eq(bench_open_path(&b, ROOT, "net", OFLAG_DIRECTORY,
			     ALL_RIGHTS & ~RIGHT_BIT(R_FD_WRITE), 0),
		5);
	cr_assert_str_eq(names(5, 0, 1000), ".,..,api,zoo");
	cr_assert_eq(b.requests, 0);
}

Test(dir, wrong_arguments)
{
	const int fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);

	cr_assert_eq(bench_call(&b, "fd_readdir", (uint64_t)fd, BUF, 100, 0, OUT), WASI_ENOTDIR);
	cr_assert_eq(bench_call(&b, "fd_readdir", 1, BUF, 100, 0, OUT), WASI_ENOTDIR);
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, BENCH_MEMORY - 9, 10, 0, OUT), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, BUF, 10, 0, BENCH_MEMORY), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_rights", DATA, 0, 0), 0);
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, BUF, 100, 0, OUT), WASI_ENOTCAPABLE);
}

/* A key mounted at "." is what programs take for their current directory: the
 * synthetic root, whose name they shorten to the same, must lead there. */
Test(dir, a_key_at_dot_is_behind_the_root)
{
	struct wasi_mount mounts[2];
	uint32_t top;

	close_bench();
	bench_open(&b);
	top = fake_dir(&b.device, 0, NULL);
	fake_file(&b.device, top, "here", "abc", 3);
	mounts[0] = (struct wasi_mount){.key = bench_dir(&b, top, "cwd", RIGHT_read), .path = "."};
	mounts[1] = (struct wasi_mount){
		.key = bench_dir(&b, fake_dir(&b.device, 0, NULL), "d", RIGHT_read), .path = "/data/x"};
	bench_setup(&b, &(struct wasi_config){.mounts = mounts, .mounts_count = 2});
	cr_assert_eq(bench_open_path(&b, 5, "here", 0, R_ONLY, 0), 0);
	cr_assert_eq(bench_open_path(&b, 5, "data/../here", 0, R_ONLY, 0), 1);
	cr_assert_eq(bench_open_path(&b, 5, ".", OFLAG_DIRECTORY, ALL_RIGHTS & ~RIGHT_BIT(R_FD_WRITE), 0),
		2);
	cr_assert_str_eq(names(2, 0, 1000), ".,..,here");
	cr_assert_str_eq(names(5, 0, 1000), ".,..,data");
	cr_assert_eq(bench_open_path(&b, 5, "data", 0, R_ONLY, 0), 6);
	cr_assert_eq(bench_open_path(&b, 5, "gone", 0, R_ONLY, 0), -WASI_ENOENT);
}
