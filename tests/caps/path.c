/* SPDX-License-Identifier: Apache-2.0 */
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

TestSuite(path, .init = open_bench, .fini = close_bench);

enum { DATA = 3, ROOT = 4, P1 = 0x4000, P2 = 0x6000, OUT = 0x100 };

/* A call of one path: (fd, path, bytes, ...). */
static uint32_t
one(const char *name, uint32_t fd, const char *path)
{
	return bench_call(&b, name, fd, P1, bench_text(&b, P1, path));
}

static uint32_t
symlink_to(const char *says, uint32_t fd, const char *path)
{
	const uint32_t bytes = bench_text(&b, P2, says);

	return bench_call(&b, "path_symlink", P2, bytes, fd, P1, bench_text(&b, P1, path));
}

static uint32_t
rename_to(uint32_t fd, const char *path, uint32_t fd2, const char *path2)
{
	const uint32_t bytes = bench_text(&b, P2, path2);

	return bench_call(&b, "path_rename", fd, P1, bench_text(&b, P1, path), fd2, P2, bytes);
}

static uint32_t
link_to(uint32_t flags, uint32_t fd, const char *path, uint32_t fd2, const char *path2)
{
	const uint32_t bytes = bench_text(&b, P2, path2);

	return bench_call(&b, "path_link", fd, flags, P1, bench_text(&b, P1, path), fd2, P2, bytes);
}

static uint32_t
stat_of(uint32_t fd, uint32_t flags, const char *path)
{
	return bench_call(&b, "path_filestat_get", fd, flags, P1, bench_text(&b, P1, path), OUT);
}

static uint64_t
inode_of(const char *path)
{
	cr_assert_eq(stat_of(DATA, 0, path), 0, "%s", path);
	return bench_word(&b, OUT + 8, 8);
}

static void
make(const char *path)
{
	const int fd = bench_open_path(&b, DATA, path, OFLAG_CREAT, RW, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bench_call(&b, "fd_close", (uint64_t)fd), 0);
}

Test(path, open_answers)
{
	const struct {
		const char *path;
		uint32_t oflags;
		uint64_t rights;
		int result;
	} rows[] = {
		{"missing", 0, RW, -WASI_ENOENT},
		{"", 0, RW, -WASI_ENOENT},
		{"/etc/passwd", 0, RW, -WASI_ENOTCAPABLE},
		{"..", 0, R_ONLY, -WASI_ENOTCAPABLE},
		{"dir/../../x", 0, RW, -WASI_ENOTCAPABLE},
		{"dir/./..//dir/.././file", 0, RW, 5},
		{"file", OFLAG_CREAT | OFLAG_EXCL, RW, -WASI_EEXIST},
		{"file", OFLAG_DIRECTORY, R_ONLY, -WASI_ENOTDIR},
		{"file/", 0, R_ONLY, -WASI_ENOTDIR},
		{"file/x", 0, R_ONLY, -WASI_ENOTDIR},
		{"dir", 0, R_ONLY, 5},
		{"dir/", 0, R_ONLY, 5},
		{".", OFLAG_DIRECTORY, RIGHT_BIT(R_FD_READ), 5},
		{".", OFLAG_DIRECTORY, RIGHT_BIT(R_FD_READ) | RIGHT_BIT(R_FD_WRITE), -WASI_EISDIR},
		{"new", OFLAG_CREAT | OFLAG_DIRECTORY, RW, -WASI_EINVAL},
		{"new", 16, RW, -WASI_EINVAL},
		{"link", 0, R_ONLY, -WASI_ELOOP},
	};

	make("file");
	cr_assert_eq(one("path_create_directory", DATA, "dir"), 0);
	cr_assert_eq(symlink_to("file", DATA, "link"), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const int fd =
			bench_open_path(&b, DATA, rows[i].path, rows[i].oflags, rows[i].rights, 0);

		cr_assert_eq(fd, rows[i].result, "\"%s\": %d", rows[i].path, fd);
		if (fd >= 0)
			cr_assert_eq(bench_call(&b, "fd_close", (uint64_t)fd), 0);
	}
	cr_assert_eq(bench_call(&b, "path_open", DATA, 2, P1, 1, 0, 0, 0, 0, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "path_open", DATA, 0, P1, 1, 0, 0, 0, 32, OUT), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "path_open", DATA, 0, BENCH_MEMORY, 1, 0, 0, 0, 0, OUT), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "path_open", DATA, 0, P1, 1, 0, 0, 0, 0, BENCH_MEMORY), WASI_EFAULT);
	cr_assert_eq(bench_call(&b, "path_open", 1, 0, P1, 1, 0, 0, 0, 0, OUT), WASI_ENOTDIR);
	memcpy(b.memory + P1, "a\0b", 3);
	cr_assert_eq(bench_call(&b, "path_open", DATA, 0, P1, 3, 0, 0, 0, 0, OUT), WASI_EINVAL);
}

Test(path, the_longest_path)
{
	memset(b.memory + P1, '/', 5000);
	memcpy(b.memory + P1, ".", 1);
	memcpy(b.memory + P1 + 4096 - 1, "x", 1);
	cr_assert_eq(bench_call(&b, "path_filestat_get", DATA, 0, P1, 4096, OUT), WASI_ENOENT);
	cr_assert_eq(bench_call(&b, "path_filestat_get", DATA, 0, P1, 4097, OUT), WASI_ENAMETOOLONG);
}

Test(path, descriptors_are_bounded)
{
	int fd, count = 0;

	make("f");
	while ((fd = bench_open_path(&b, DATA, "f", 0, R_ONLY, 0)) >= 0)
		count++;
	cr_assert_eq(fd, -WASI_EMFILE);
	cr_assert_eq(count, 16384 - 5);
	cr_assert_eq(bench_call(&b, "fd_close", 77), 0);
	cr_assert_eq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), 77, "the lowest free number");
}

Test(path, following_is_asked_for)
{
	uint32_t bytes;

	make("file");
	cr_assert_eq(symlink_to("file", DATA, "link"), 0);
	cr_assert_eq(symlink_to("nowhere", DATA, "dangling"), 0);
	bytes = bench_text(&b, P1, "link");
	cr_assert_eq(bench_call(&b, "path_open", DATA, LOOKUP_FOLLOW, P1, bytes, 0, R_ONLY, 0, 0, OUT), 0);
	cr_assert_eq(stat_of(DATA, 0, "link"), 0);
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_SYMLINK);
	cr_assert_eq(stat_of(DATA, LOOKUP_FOLLOW, "link"), 0);
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_REGULAR);
	cr_assert_eq(stat_of(DATA, 2, "link"), WASI_EINVAL);
	bytes = bench_text(&b, P1, "dangling");
	cr_assert_eq(bench_call(&b, "path_open", DATA, LOOKUP_FOLLOW, P1, bytes, OFLAG_CREAT, RW, 0, 0,
			     OUT),
		0, "what a link says is made");
	cr_assert_eq(stat_of(DATA, 0, "nowhere"), 0);
}

Test(path, links_are_read)
{
	cr_assert_eq(symlink_to("some/where", DATA, "link"), 0);
	memset(b.memory + P2, 'z', 20);
	cr_assert_eq(bench_call(&b, "path_readlink", DATA, P1, bench_text(&b, P1, "link"), P2, 4, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 4);
	cr_assert_eq(memcmp(b.memory + P2, "somez", 5), 0);
	cr_assert_eq(bench_call(&b, "path_readlink", DATA, P1, 4, P2, 20, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 10);
	cr_assert_eq(b.memory[P2 + 10], 'z');
	cr_assert_eq(bench_call(&b, "path_readlink", DATA, P1, 4, BENCH_MEMORY, 20, OUT), WASI_EFAULT);
	make("file");
	cr_assert_eq(bench_call(&b, "path_readlink", DATA, P1, bench_text(&b, P1, "file"), P2, 4, OUT),
		WASI_EINVAL);
	cr_assert_eq(symlink_to("/abs", DATA, "bad"), WASI_ENOTCAPABLE);
	cr_assert_eq(symlink_to("", DATA, "bad"), WASI_ENOENT);
	cr_assert_eq(symlink_to("x", DATA, "file"), WASI_EEXIST);
	cr_assert_eq(symlink_to("x", DATA, "new/"), WASI_ENOENT);
}

Test(path, names_are_made_moved_and_removed)
{
	cr_assert_eq(one("path_create_directory", DATA, "d"), 0);
	cr_assert_eq(one("path_create_directory", DATA, "d"), WASI_EEXIST);
	cr_assert_eq(one("path_create_directory", DATA, "no/d"), WASI_ENOENT);
	make("d/f");
	cr_assert_eq(one("path_remove_directory", DATA, "d"), WASI_ENOTEMPTY);
	cr_assert_eq(one("path_unlink_file", DATA, "d"), WASI_EISDIR);
	cr_assert_eq(one("path_remove_directory", DATA, "d/f"), WASI_ENOTDIR);
	cr_assert_eq(rename_to(DATA, "d/f", DATA, "g"), 0);
	cr_assert_eq(rename_to(DATA, "d/f", DATA, "g"), WASI_ENOENT);
	cr_assert_eq(rename_to(DATA, "g", DATA, "d"), WASI_EISDIR);
	cr_assert_eq(link_to(0, DATA, "g", DATA, "h"), 0);
	cr_assert_eq(link_to(0, DATA, "g", DATA, "h"), WASI_EEXIST);
	cr_assert_eq(link_to(0, DATA, "d", DATA, "i"), WASI_EPERM);
	cr_assert_eq(link_to(LOOKUP_FOLLOW, DATA, "g", DATA, "i"), WASI_EINVAL);
	cr_assert_eq(one("path_unlink_file", DATA, "g"), 0);
	cr_assert_eq(one("path_unlink_file", DATA, "g"), WASI_ENOENT);
	cr_assert_eq(one("path_remove_directory", DATA, "d/"), 0);
	cr_assert_eq(one("path_remove_directory", DATA, "d"), WASI_ENOENT);
}

/* Numbers: given at first sight, told of one file only. */
Test(path, inodes_are_numbers_of_first_sight)
{
	uint64_t f, g;

	make("f"); /* the first sight: its own times are kept under its number */
	make("g");
	f = inode_of("f");
	g = inode_of("g");
	cr_assert_eq(f, 2, "1 is the directory it was made in");
	cr_assert_eq(g, 3);
	cr_assert_eq(link_to(0, DATA, "f", DATA, "f2"), 0);
	cr_assert_eq(inode_of("f2"), f, "two names of one file");
	cr_assert_eq(one("path_unlink_file", DATA, "f"), 0);
	cr_assert_eq(inode_of("f2"), f, "it has a name yet");
	cr_assert_eq(rename_to(DATA, "g", DATA, "f2"), 0);
	cr_assert_eq(inode_of("f2"), g);
	cr_assert_eq(rename_to(DATA, "f2", DATA, "./f2"), 0);
	cr_assert_eq(inode_of("f2"), g, "a move onto itself takes nothing");
}

/* A file system that uses the number of a removed file again must not show. */
Test(path, a_number_goes_with_the_last_name)
{
	struct fake_node *node;
	uint64_t f;

	make("f");
	f = inode_of("f");
	cr_assert_eq(one("path_unlink_file", DATA, "f"), 0);
	/* The fake gives new numbers; put the old node back under a new name. */
	node = files_at(&b.device.files, usual.top + 1);
	cr_assert_eq(node->links, 0);
	cr_assert_eq(files_link(&b.device.files, usual.top, "h", usual.top + 1), 0);
	cr_assert_neq(inode_of("h"), f);
}

Test(path, a_number_stays_while_a_descriptor_is_open)
{
	const uint64_t fd = (uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	const uint64_t f = inode_of("f");

	cr_assert_eq(one("path_unlink_file", DATA, "f"), 0);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 8, 8), f);
	cr_assert_eq(bench_call(&b, "fd_close", fd), 0);
	cr_assert_eq(files_link(&b.device.files, usual.top, "h", usual.top + 1), 0);
	cr_assert_neq(inode_of("h"), f);
}

Test(path, what_a_stat_tells)
{
	cr_assert_eq(one("path_create_directory", DATA, "d"), 0);
	files_at(&b.device.files, usual.top + 1)->links = 7;
	files_at(&b.device.files, usual.top + 1)->modify_ns = 12345;
	cr_assert_eq(stat_of(DATA, 0, "d"), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), 40, "the root key's number");
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_DIRECTORY);
	cr_assert_eq(bench_word(&b, OUT + 24, 8), 1, "links of a directory");
	cr_assert_eq(bench_word(&b, OUT + 32, 8), 0, "its size");
	cr_assert_lt(bench_word(&b, OUT + 48, 8), 12345, "the domain's own clock");
	cr_assert_gt(bench_word(&b, OUT + 48, 8), 0);
	fake_file(&b.device, usual.top, "old", "abc", 3);
	cr_assert_eq(stat_of(DATA, 0, "old"), 0);
	cr_assert_eq(bench_word(&b, OUT + 32, 8), 3);
	for (uint32_t at = 40; at < 64; at += 8)
		cr_assert_eq(bench_word(&b, OUT + at, 8), 0, "times of others' files");
}

Test(path, times_that_the_domain_set_are_read)
{
	const uint64_t fd = (uint64_t)bench_open_path(&b, DATA, "f", OFLAG_CREAT, RW, 0);
	const uint32_t bytes = bench_text(&b, P1, "f");

	cr_assert_eq(bench_call(&b, "path_filestat_set_times", DATA, 0, P1, bytes, 11, 22,
			     FSTFLAG_ATIM | FSTFLAG_MTIM),
		0);
	cr_assert_eq(files_at(&b.device.files, usual.top + 1)->modify_ns, 22, "outside too");
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 40, 8), 11);
	cr_assert_eq(bench_word(&b, OUT + 48, 8), 22);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_times", fd, 33, 0, FSTFLAG_ATIM), 0);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 40, 8), 33);
	cr_assert_eq(bench_word(&b, OUT + 48, 8), 22);
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "x"), 0);
	cr_assert_eq(bench_call(&b, "fd_filestat_get", fd, OUT), 0);
	cr_assert_gt(bench_word(&b, OUT + 48, 8), 22, "a write is a change");
	cr_assert_eq(bench_call(&b, "fd_filestat_set_times", fd, 0, 0,
			     FSTFLAG_ATIM | FSTFLAG_ATIM_NOW),
		WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_times", fd, 0, 0, 12), WASI_EINVAL);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_times", fd, 0, 0, 16), WASI_EINVAL);
}

/* Programs that keep a directory's names look at its time to know if they hold. */
Test(path, a_directory_that_the_domain_changed_has_a_new_time)
{
	uint64_t last = 0;

	cr_assert_eq(stat_of(DATA, 0, "."), 0);
	cr_assert_eq(bench_word(&b, OUT + 48, 8), 0);
	for (int i = 0; i < 8; i++) {
		switch (i) {
		case 0:
			cr_assert_eq(one("path_create_directory", DATA, "d"), 0);
			break;
		case 1:
			make("f");
			break;
		case 2:
			cr_assert_eq(symlink_to("f", DATA, "s"), 0);
			break;
		case 3:
			cr_assert_eq(link_to(0, DATA, "f", DATA, "h"), 0);
			break;
		case 4:
			cr_assert_eq(rename_to(DATA, "h", DATA, "r"), 0);
			break;
		case 5:
			cr_assert_eq(rename_to(DATA, "r", DATA, "d/r"), 0);
			break;
		case 6:
			cr_assert_eq(one("path_unlink_file", DATA, "s"), 0);
			break;
		case 7:
			cr_assert_eq(one("path_unlink_file", DATA, "d/r"), 0);
			cr_assert_eq(stat_of(DATA, 0, "d"), 0);
			cr_assert_gt(bench_word(&b, OUT + 48, 8), last);
			cr_assert_eq(one("path_remove_directory", DATA, "d"), 0);
			break;
		}
		cr_assert_eq(stat_of(DATA, 0, "."), 0);
		cr_assert_gt(bench_word(&b, OUT + 48, 8), last, "change %d", i);
		last = bench_word(&b, OUT + 48, 8);
	}
}

Test(path, the_synthetic_root_has_the_keys)
{
	int fd;

	make("f");
	cr_assert_eq(bench_open_path(&b, ROOT, "data/f", 0, R_ONLY, 0), 5);
	cr_assert_eq(bench_open_path(&b, ROOT, "data/../data//./f", 0, R_ONLY, 0), 6);
	cr_assert_eq(bench_open_path(&b, ROOT, "etc/passwd", 0, R_ONLY, 0), -WASI_ENOENT);
	cr_assert_eq(bench_open_path(&b, ROOT, "../etc/passwd", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, ROOT, "data/../../x", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, ROOT, "new", OFLAG_CREAT, RW, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(one("path_create_directory", ROOT, "new"), WASI_ENOTCAPABLE);
	cr_assert_eq(one("path_create_directory", ROOT, "no/new"), WASI_ENOENT);
	cr_assert_eq(one("path_remove_directory", ROOT, "new"), WASI_ENOENT);
	cr_assert_eq(stat_of(ROOT, 0, "."), 0);
	cr_assert_eq(b.memory[OUT + 16], FILETYPE_DIRECTORY);
	cr_assert_eq(stat_of(ROOT, 0, "data"), 0);
	cr_assert_eq(bench_word(&b, OUT, 8), 40);
	fd = bench_open_path(&b, ROOT, ".", OFLAG_DIRECTORY, R_ONLY | RIGHT_BIT(R_PATH_OPEN), 0);
	cr_assert_eq(fd, 7);
	cr_assert_eq(bench_open_path(&b, 7, "data/f", 0, R_ONLY, 0), 8);
	cr_assert_eq(bench_open_path(&b, ROOT, ".", 0, RW, 0), -WASI_EISDIR);
}

/* Random paths through the root: never out of it, and by their letters what a
 * walk over the names gives. */
Test(path, random_paths_through_the_synthetic_root)
{
	static const char *const parts[] = {"data", "..", ".", "", "d", "f", "none"};
	struct seed seed = {3};

	cr_assert_eq(one("path_create_directory", DATA, "d"), 0);
	make("d/f");
	make("f");
	for (int round = 0; round < 3000; round++) {
		const char *stack[16];
		char path[128] = "";
		int depth = 0, fd;
		bool out = false, exists = true;

		for (uint64_t n = 1 + seed_below(&seed, 8); n; n--) {
			const char *part = parts[seed_below(&seed, 7)];

			strcat(path, part);
			if (n > 1)
				strcat(path, "/");
			if (out || !*part || !strcmp(part, "."))
				continue;
			if (strcmp(part, "..")) {
				stack[depth++] = part;
				/* What is not there has nothing above it either, beneath a key. */
				if (depth == 1)
					continue;
				exists = exists && !strcmp(stack[0], "data") &&
					((depth == 2 && strcmp(part, "none") && strcmp(part, "data")) ||
						(depth == 3 && !strcmp(stack[1], "d") && !strcmp(part, "f")));
			} else if (!depth--) {
				out = true;
			}
		}
		if (!path[0] || path[0] == '/')
			continue;
		fd = bench_open_path(&b, ROOT, path, 0, R_ONLY, 0);
		if (out)
			cr_assert_eq(fd, -WASI_ENOTCAPABLE, "%s: %d", path, fd);
		else if (depth == 0)
			cr_assert_geq(fd, exists ? 0 : -WASI_ENOTDIR, "%s: %d", path, fd);
		else if (strcmp(stack[0], "data"))
			cr_assert_eq(fd, -WASI_ENOENT, "%s: %d", path, fd);
		else if (!exists)
			cr_assert(fd == -WASI_ENOENT || fd == -WASI_ENOTDIR || fd >= 0, "%s: %d", path, fd);
		if (fd >= 0)
			cr_assert_eq(bench_call(&b, "fd_close", (uint64_t)fd), 0);
	}
}

static uint64_t
counted(const char *name, bool denied)
{
	struct caps_root_view view;

	for (uint32_t i = 0; caps_root_at(&b.world, i, &view); i++)
		if (!strcmp(view.name, name))
			return denied ? view.counts.denied : view.counts.missing;
	return UINT64_MAX;
}

Test(path, refusals_are_counted_and_explained)
{
	const struct caps_why *why;

	(void)bench_open_path(&b, ROOT, "etc/passwd", 0, R_ONLY, 0);
	(void)bench_open_path(&b, ROOT, "etc/passwd", 0, R_ONLY, 0);
	cr_assert_eq(counted("/", false), 2);
	cr_assert_eq(counted("/", true), 0);
	why = caps_why(&b.domain, 0);
	cr_assert_str_eq(why->what, "path_open \"etc/passwd\"");
	cr_assert_str_eq(why->saw, "ENOENT (44)");
	cr_assert_str_eq(why->allow, "--dir HOST::/etc/passwd");
	cr_assert_eq(why->count, 2);
	cr_assert(why->missing);
	(void)bench_open_path(&b, DATA, "../x", 0, R_ONLY, 0);
	cr_assert_eq(counted("data", true), 1);
	cr_assert_eq(counted("data", false), 0);
	why = caps_why(&b.domain, 0);
	cr_assert_str_eq(why->key, "data");
	cr_assert_str_eq(why->saw, "ENOTCAPABLE (76)");
	cr_assert_not_null(caps_why(&b.domain, 1));
	cr_assert_null(caps_why(&b.domain, 2));
	for (int i = 0; i < 40; i++) {
		char path[] = "../a0";

		path[4] = (char)('0' + i);
		(void)bench_open_path(&b, DATA, path, 0, R_ONLY, 0);
	}
	cr_assert_not_null(caps_why(&b.domain, WASI_WHY_MAX - 1));
	cr_assert_null(caps_why(&b.domain, WASI_WHY_MAX));
	(void)bench_open_path(&b, ROOT, "other", 0, R_ONLY, 0);
	cr_assert(!caps_why(&b.domain, 0)->missing, "a refusal is worth more than a missing name");
	(void)bench_open_path(&b, DATA, "missing", 0, R_ONLY, 0);
	cr_assert_eq(counted("data", false), 1);
}
