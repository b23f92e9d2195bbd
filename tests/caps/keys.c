/* SPDX-License-Identifier: Apache-2.0 */
/* keys.c - what each right of a key lets its holder do, and what is refused. */
#include <errno.h>
#include <string.h>

#include "tests/caps/bench.h"

static struct bench b;

enum { DATA = 3, P1 = 0x4000, P2 = 0x6000, OUT = 0x100, VEC = 0x200 };

/* /data with these rights; a file "f", a directory "d", a link "l" in it. */
static uint32_t
open_with(uint32_t rights)
{
	static struct wasi_mount mount;
	uint32_t top;

	bench_open(&b);
	top = fake_dir(&b.device, 0, NULL);
	fake_file(&b.device, top, "f", "abc", 3);
	fake_dir(&b.device, top, "d");
	fake_symlink(&b.device, top, "l", "f");
	mount = (struct wasi_mount){.key = bench_dir(&b, top, "data", rights), .path = "/data"};
	bench_setup(&b, &(struct wasi_config){.mounts = &mount, .mounts_count = 1});
	return top;
}

/* Every change a directory's key can be asked for; all answer this. */
static void
changes_answer(uint32_t error)
{
	const uint32_t f = 1, at = P1;

	memcpy(b.memory + P1, "f", 1);
	memcpy(b.memory + P2, "g", 1);
	cr_expect_eq(bench_call(&b, "path_create_directory", DATA, P2, f), error);
	cr_expect_eq(bench_call(&b, "path_symlink", P1, f, DATA, P2, f), error);
	cr_expect_eq(bench_call(&b, "path_link", DATA, 0, at, f, DATA, P2, f), error);
	cr_expect_eq(bench_call(&b, "path_rename", DATA, at, f, DATA, P2, f), error);
	cr_expect_eq(bench_call(&b, "path_unlink_file", DATA, at, f), error);
	cr_expect_eq(bench_call(&b, "path_remove_directory", DATA, at, f), error);
	cr_expect_eq(bench_call(&b, "path_filestat_set_times", DATA, 0, at, f, 1, 1, FSTFLAG_MTIM), error);
	cr_expect_eq(bench_call(&b, "fd_filestat_set_times", DATA, 1, 1, FSTFLAG_MTIM), error);
	cr_expect_eq(bench_open_path(&b, DATA, "new", OFLAG_CREAT, R_ONLY, 0), -(int)error);
	cr_expect_eq(bench_open_path(&b, DATA, "f", OFLAG_TRUNC, R_ONLY, 0), -(int)error);
	cr_expect_eq(bench_open_path(&b, DATA, "f", 0, RW, 0), -(int)error);
}

Test(keys, read_only)
{
	int fd;

	open_with(RIGHT_read);
	changes_answer(WASI_ENOTCAPABLE);
	fd = bench_open_path(&b, DATA, "f", OFLAG_CREAT, R_ONLY, 0);
	cr_assert_geq(fd, 0, "what exists is opened; only making it would be refused");
	cr_assert_str_eq(bench_read(&b, (uint32_t)fd), "abc");
	cr_assert_eq(bench_write(&b, (uint32_t)fd, "x"), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_size", (uint64_t)fd, 0), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_times", (uint64_t)fd, 1, 1, FSTFLAG_MTIM),
		WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key is not for writing");
	bench_close(&b);
}

Test(keys, nothing_at_all)
{
	open_with(0);
	changes_answer(WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "path_filestat_get", DATA, 0, P1, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "path_readlink", DATA, P1, 1, P2, 9, OUT), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_readdir", DATA, P2, 100, 0, OUT), WASI_ENOTCAPABLE);
	bench_close(&b);
}

Test(keys, times_are_told_to_who_may)
{
	const uint32_t top = open_with(RIGHT_read | RIGHT_times);

	files_at(&b.device.files, fake_file(&b.device, top, "t", "", 0))->modify_ns = 777;
	cr_assert_eq(bench_call(&b, "path_filestat_get", DATA, 0, P1, bench_text(&b, P1, "t"), OUT), 0);
	cr_assert_eq(bench_word(&b, OUT + 48, 8), 777);
	bench_close(&b);
}

/* A file of its own in the synthetic root. */
static void
open_file(uint32_t rights)
{
	static struct wasi_mount mount;
	uint32_t top, node;

	bench_open(&b);
	top = fake_dir(&b.device, 0, NULL);
	node = fake_file(&b.device, top, "f", "abc", 3);
	mount = (struct wasi_mount){
		.path = "/in/notes",
		.key = bench_root(&b,
			(struct caps_root){.name = "notes", .spec = "file:notes", .kind = KIND_file,
				.rights = rights,
				.handle = fake_grant(&b.device, node,
					DEVICE_FOR_READ | DEVICE_FOR_WRITE)}),
	};
	bench_setup(&b, &(struct wasi_config){.mounts = &mount, .mounts_count = 1});
}

enum { ROOT = 3 };

Test(keys, a_file_key_for_reading)
{
	open_file(RIGHT_read);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes", 0, RW, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes", OFLAG_TRUNC, R_ONLY, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes", OFLAG_DIRECTORY, R_ONLY, 0), -WASI_ENOTDIR);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes/x", 0, R_ONLY, 0), -WASI_ENOTDIR);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes", 0, R_ONLY, 0), 0, "the lowest free one");
	cr_assert_str_eq(bench_read(&b, 0), "abc");
	cr_assert_eq(bench_open_path(&b, ROOT, "in", 0, ALL_RIGHTS & ~RIGHT_BIT(R_FD_WRITE), 0), 1);
	cr_assert_eq(bench_open_path(&b, 1, "notes", 0, R_ONLY, 0), 2);
	cr_assert_str_eq(bench_read(&b, 2), "abc", "each descriptor stands where it stands");
	bench_close(&b);
}

Test(keys, a_file_key_that_appends)
{
	open_file(RIGHT_read | RIGHT_append);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes", OFLAG_TRUNC, RW, 0), -WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, ROOT, "in/notes", 0, RW, FDFLAG_APPEND), 0);
	cr_assert_eq(bench_write(&b, 0, "def"), 0);
	bench_vector(&b, VEC, 0, P1, 1);
	cr_assert_eq(bench_call(&b, "fd_pwrite", 0, VEC, 1, 0, OUT), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_filestat_set_size", 0, 0), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_allocate", 0, 0, 100), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "fd_fdstat_set_flags", 0, 0), 0);
	cr_assert_eq(bench_write(&b, 0, "x"), WASI_ENOTCAPABLE, "the key says so, not the flag");
	cr_assert_eq(bench_call(&b, "fd_seek", 0, 0, WHENCE_SET, OUT), 0);
	cr_assert_str_eq(bench_read(&b, 0), "abcdef");
	bench_close(&b);
}

/* A cut between two calls, and between a request and its completion. */
Test(keys, after_a_cut_nothing_comes)
{
	uint64_t fd;

	open_with(RIGHT_read);
	fd = (uint64_t)bench_open_path(&b, DATA, "f", 0, R_ONLY, 0);
	bench_vector(&b, VEC, 0, P2, 3);
	bench_run_once(&b, "fd_read", (const uint64_t[]){fd, VEC, 1, OUT});
	cr_assert_eq(b.end, CALL_WAIT);
	caps_root_cut(&b.world, "data");
	cr_assert(bench_complete(&b));
	bench_run_once(&b, "fd_read", (const uint64_t[]){fd, VEC, 1, OUT});
	cr_assert_eq(b.end, CALL_DONE);
	cr_assert_neq(memcmp(b.memory + P2, "abc", 3), 0, "its bytes are dropped");
	cr_assert_eq(bench_call(&b, "fd_read", fd, VEC, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key was revoked");
	bench_close(&b);
}

Test(keys, a_world_without_keys)
{
	static const char *const calls[] = {"clock_res_get", "clock_time_get", "random_get"};

	bench_open(&b);
	bench_setup(&b, &(struct wasi_config){.no_root = true});
	cr_assert_eq(bench_call(&b, "clock_res_get", 0, OUT), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "clock_time_get", 0, 0, OUT), WASI_ENOTCAPABLE);
	cr_assert_eq(bench_call(&b, "random_get", OUT, 8), WASI_ENOTCAPABLE);
	for (uint64_t fd = 0; fd < 8; fd++)
		cr_assert_eq(bench_call(&b, "fd_fdstat_get", fd, OUT), WASI_EBADF);
	for (int i = 0; i < 3; i++)
		cr_assert_str_eq(caps_why(&b.domain, (uint32_t)i)->what, calls[2 - i]);
	bench_close(&b);
}

Test(keys, stop_on_denied_ends_the_domain)
{
	static struct wasi_mount mount;
	uint32_t top;

	bench_open(&b);
	top = fake_dir(&b.device, 0, NULL);
	mount = (struct wasi_mount){.key = bench_dir(&b, top, "data", RIGHT_read), .path = "/data"};
	bench_setup(&b, &(struct wasi_config){.mounts = &mount, .mounts_count = 1,
				.stop_on_denied = true});
	cr_assert_eq(bench_open_path(&b, DATA, "missing", 0, R_ONLY, 0), -WASI_ENOENT);
	cr_assert(!caps_denied_end(&b.domain));
	(void)bench_open_path(&b, DATA, "../x", 0, R_ONLY, 0);
	cr_assert_eq(b.end, CALL_EXIT);
	cr_assert_eq(b.code, 77);
	cr_assert(caps_denied_end(&b.domain));
	bench_close(&b);
}

Test(keys, root_keys_have_one_name_each)
{
	struct report report = {0};
	struct key key;

	bench_open(&b);
	bench_root(&b, (struct caps_root){.name = "c", .kind = KIND_clock});
	cr_assert_lt(caps_root_add(&b.world, &(struct caps_root){.name = "c", .kind = KIND_clock},
			     &report, &key),
		0);
	cr_assert_str_not_empty(report.text);
	cr_assert_lt(caps_root_add(&b.world, &(struct caps_root){.name = "", .kind = KIND_clock}, NULL,
			     &key),
		0);
	cr_assert_lt(caps_root_add(&b.world, &(struct caps_root){.name = "x", .kind = KIND_purse}, NULL,
			     &key),
		0);
	bench_close(&b);
}

Test(keys, two_keys_cannot_have_one_path)
{
	struct report report = {0};
	struct wasi_mount mounts[2];
	uint32_t top;

	bench_open(&b);
	top = fake_dir(&b.device, 0, NULL);
	mounts[0] = (struct wasi_mount){.key = bench_dir(&b, top, "a", RIGHT_read), .path = "/data/./x"};
	mounts[1] = (struct wasi_mount){.key = bench_dir(&b, top, "b", RIGHT_read), .path = "data//x/"};
	cr_assert_lt(caps_wasi_setup(&b.domain,
			     &(struct wasi_config){.mounts = mounts, .mounts_count = 2}, &report),
		0);
	cr_assert_str_not_empty(report.text);
	bench_close(&b);
}

/* /data under a derivation with these limits; "f" in it has eight bytes. */
static int
open_limited(uint64_t uses, uint64_t bytes)
{
	static struct wasi_mount mount;
	struct grants *grants;
	uint32_t top;

	bench_open(&b);
	grants = &b.world.grants;
	top = fake_dir(&b.device, 0, NULL);
	fake_file(&b.device, top, "f", "abcdefgh", 8);
	mount = (struct wasi_mount){
		.key = bench_dir(&b, top, "data", RIGHT_read | RIGHT_write), .path = "/data"};
	mount.key.grant = grant_new(grants, mount.key.grant);
	mount.key.grant_generation = grants->at[mount.key.grant].generation;
	grants->at[mount.key.grant].uses_left = uses;
	grants->at[mount.key.grant].bytes_left = bytes;
	grants->at[mount.key.grant].limited = true;
	bench_setup(&b, &(struct wasi_config){.mounts = &mount, .mounts_count = 1});
	bench_vector(&b, VEC, 0, P2, 8);
	return bench_open_path(&b, DATA, "f", 0, RW, 0);
}

/* Beside the gate, too: a call is one use, however many requests it makes. */
Test(keys, uses_of_a_derivation_are_counted)
{
	const int fd = open_limited(3, UINT64_MAX);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 8);
	cr_assert_eq(bench_call(&b, "fd_write", (uint64_t)fd, VEC, 1, OUT), 0);
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key's uses are used up");
	bench_close(&b);
}

Test(keys, bytes_of_a_derivation_are_counted)
{
	const int fd = open_limited(4, 13); /* the last use of all finds no bytes */

	cr_assert_geq(fd, 0);
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), 0);
	cr_assert_eq(bench_call(&b, "fd_write", (uint64_t)fd, VEC, 1, OUT), 0);
	cr_assert_eq(bench_word(&b, OUT, 4), 5, "so many were left");
	cr_assert_eq(bench_call(&b, "fd_write", (uint64_t)fd, VEC, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key's bytes are used up");
	bench_close(&b);
}

/* Refused is the same number either way; the words say what it was. */
Test(keys, time_and_rate_of_a_derivation_are_told)
{
	const int fd = open_limited(UINT64_MAX, UINT64_MAX);
	struct grant *grant = &b.world.grants.at[b.world.grants.count - 1];

	grant_limit(&b.world.grants, b.world.grants.count - 1,
		&(struct grant_limits){.uses = UINT64_MAX, .bytes = UINT64_MAX, .gas = UINT64_MAX,
			.rate = 1}, world_clock(&b.world)->now);
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), 0);
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key was used more often than its rate allows");
	grant->expires = world_clock(&b.world)->now;
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key's time is over");
	grant_cut(&b.world.grants, b.world.grants.count - 1);
	cr_assert_eq(bench_call(&b, "fd_read", (uint64_t)fd, VEC, 1, OUT), WASI_ENOTCAPABLE);
	cr_assert_str_eq(caps_why(&b.domain, 0)->why, "the key was revoked");
	bench_close(&b);
}

/* What was revoked gives its name to another: the same path leads there, and the
 * counts go on. */
Test(keys, a_root_that_was_cut_gives_its_name_to_another)
{
	struct report report = {0};
	struct caps_root_view view;
	struct caps_root root;
	struct key key;
	const uint32_t top = open_with(RIGHT_read);

	cr_assert_geq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), 0);
	root = b.roots[0];
	for (uint32_t i = 0; i < b.roots_count; i++)
		if (!strcmp(b.roots[i].name, "data"))
			root = b.roots[i];
	cr_assert_eq(caps_root_add(&b.world, &root, &report, &key), -EEXIST, "it is not cut");
	cr_assert_eq(caps_wasi_finds(&b.domain, "/data", &report), -EINVAL);
	(void)caps_root_cut(&b.world, "data");
	(void)caps_root_cut(&b.world, "data");
	cr_assert_eq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
	report = (struct report){0};
	cr_assert_eq(caps_wasi_finds(&b.domain, "/data", &report), 0, "%s", report.text);
	root.spec = "dir:/srv/other";
	root.handle = fake_grant(&b.device, top, DEVICE_DIRECTORY);
	cr_assert_eq(caps_root_add(&b.world, &root, &report, &key), 0, "%s", report.text);
	cr_assert_eq(caps_wasi_name(&b.domain, &key, "/data", &report), 0, "%s", report.text);
	cr_assert_geq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), 0, "the mount leads there");
	for (uint32_t i = 0; caps_root_at(&b.world, i, &view); i++) {
		if (strcmp(view.name, "data"))
			continue;
		cr_assert_str_eq(view.spec, "dir:/srv/other");
		cr_assert_not(view.cut);
		cr_assert_geq(view.counts.denied, 1);
		cr_assert_eq(view.uses_left, UINT64_MAX);
	}
	bench_close(&b);
}

Test(keys, a_root_is_used_so_often_and_no_more)
{
	const struct grant_limits limits = {
		.uses = 3, .bytes = UINT64_MAX, .gas = UINT64_MAX, .rate = UINT64_MAX};
	struct caps_root_view view;
	uint32_t opened = 0;

	open_with(RIGHT_read);
	caps_root_limit(&b.world, "data", &limits);
	caps_root_limit(&b.world, "nothing", &limits);
	while (opened < 10 && bench_open_path(&b, DATA, "f", 0, R_ONLY, 0) >= 0)
		opened++;
	cr_assert_eq(opened, 3);
	cr_assert_eq(bench_open_path(&b, DATA, "f", 0, R_ONLY, 0), -WASI_ENOTCAPABLE);
	for (uint32_t i = 0; caps_root_at(&b.world, i, &view); i++)
		cr_assert_eq(view.uses_left, strcmp(view.name, "data") ? UINT64_MAX : 0);
	bench_close(&b);
}
