/* SPDX-License-Identifier: Apache-2.0 */
/* paths.c - numbers 1 to 7, 20 and 21: files and time, asked for as no client of
 * ours would. corpus.py has laid out what lies beneath and beside the grants:
 *
 *   WORK/secret        "SECRET": never to be read
 *   WORK/box           granted read-write: f ("text"), d/g ("inner"), out, abs, up,
 *                      loop (links), fifo, socket, null (a device, where root made one)
 *   WORK/ro            granted read-only: f, d/ */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "drivers/errors.h"
#include "tests/corpus/hostile.h"

static void
wait_for(struct hostile *h, const char *name)
{
	const struct timespec begin = hostile_now();

	while (hostile_now().tv_sec - begin.tv_sec < 10) {
		const int64_t got = hostile_open(h, hostile_dir(h, 0), name, DEVICE_FOR_READ);

		if (got >= 0) {
			(void)hostile_close(h, (uint32_t)got);
			return;
		}
	}
	hostile_wrong(h, "\"%s\" never came", name);
}

/* 0: any refusal. */
static void
expect(struct hostile *h, const char *what, int64_t got, int error)
{
	if (got >= 0)
		hostile_wrong(h, "%s went through: %lld", what, (long long)got);
	else if (error && got != -error)
		hostile_wrong(h, "%s: error %lld, not %d", what, (long long)-got, error);
}

static void
expect_open(struct hostile *h, uint32_t dir, const char *path, uint32_t flags, int error)
{
	char what[160];
	const int64_t got = hostile_open(h, dir, path, flags);

	(void)snprintf(what, sizeof what, "opening %.60s with 0x%x", path, flags);
	if (got >= 0)
		(void)hostile_close(h, (uint32_t)got);
	expect(h, what, got, error);
}

/* --- 1 ---------------------------------------------------------------------------------- */

static const char *
repeat(char *out, const char *part, size_t count, const char *end)
{
	const size_t bytes = strlen(part);

	for (size_t i = 0; i < count; i++)
		memcpy(out + i * bytes, part, bytes);
	(void)strcpy(out + count * bytes, end);
	return out;
}

void
paths_hostile(struct hostile *h)
{
	static char text[DEVICE_PATH_MAX + 1];
	static const struct { const char *path; uint32_t flags; int error; } paths[] = {
		{"..", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"../", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"../secret", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"../../../../../../etc/passwd", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"d/../../secret", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"./../secret", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"d/.././../secret", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"/", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"/etc/passwd", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"//etc/passwd", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"/proc/self/mem", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"", DEVICE_FOR_READ, DEVICE_ENOENT},
		{"f/", DEVICE_FOR_READ, DEVICE_ENOTDIR},
		{"f/..", DEVICE_FOR_READ, DEVICE_ENOTDIR},
		{"f/../f", DEVICE_FOR_READ, DEVICE_ENOTDIR},
		{"out", DEVICE_FOR_READ, DEVICE_ELOOP},
		{"out", DEVICE_FOR_READ | DEVICE_FOLLOW, DEVICE_ECAPABILITY},
		{"abs", DEVICE_FOR_READ | DEVICE_FOLLOW, DEVICE_ECAPABILITY},
		{"up/secret", DEVICE_FOR_READ | DEVICE_FOLLOW, DEVICE_ECAPABILITY},
		{"up/secret", DEVICE_FOR_READ, DEVICE_ECAPABILITY},
		{"loop", DEVICE_FOR_READ | DEVICE_FOLLOW, DEVICE_ELOOP},
		{"loop/x", DEVICE_FOR_READ, DEVICE_ELOOP},
		{"\xff\xfe\x80", DEVICE_FOR_READ, DEVICE_ENOENT},
		{"..\\secret", DEVICE_FOR_READ, DEVICE_ENOENT},
		{"%2e%2e/secret", DEVICE_FOR_READ, DEVICE_ENOENT},
		{"../made", DEVICE_FOR_WRITE | DEVICE_CREATE, DEVICE_ECAPABILITY},
		{"/tmp/made", DEVICE_FOR_WRITE | DEVICE_CREATE, DEVICE_ECAPABILITY},
		{"out", DEVICE_FOR_WRITE | DEVICE_TRUNC | DEVICE_FOLLOW, DEVICE_ECAPABILITY},
	};
	static const char *const good[] = {"f", "./f", "d/../f", "d//g", "././d/./g"};
	const uint32_t dir = hostile_dir(h, 0);
	struct wire_request nul = hostile_request(DEVICE_OPEN, dir, "f\0/../../secret", DEVICE_FOR_READ);
	struct wire_request two = hostile_request(DEVICE_RENAME, dir, "f", 0);

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		expect_open(h, dir, paths[i].path, paths[i].flags, paths[i].error);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (hostile_open(h, dir, good[i], DEVICE_FOR_READ) < 0)
			hostile_wrong(h, "%s does not open", good[i]);
	memcpy(nul.text, "f\0/../../secret", 15);
	nul.path_bytes = 15;
	expect(h, "a NUL in a path", hostile_ask(h, &nul).result, DEVICE_EINVAL);
	expect_open(h, dir, repeat(text, "a", DEVICE_PATH_MAX, ""), DEVICE_FOR_READ, DEVICE_ENAMETOOLONG);
	expect_open(h, dir, repeat(text, "a", 256, ""), DEVICE_FOR_READ, DEVICE_ENAMETOOLONG);
	expect_open(h, dir, repeat(text, "../", 300, "etc/passwd"), DEVICE_FOR_READ, DEVICE_ECAPABILITY);
	expect_open(h, dir, repeat(text, "d/../", 300, "../secret"), DEVICE_FOR_READ, DEVICE_ECAPABILITY);
	if (hostile_open(h, dir, repeat(text, "d/../", 300, "f"), DEVICE_FOR_READ) < 0)
		hostile_wrong(h, "300 parts that stay within do not open");

	/* The same through everything else that takes a name. */
	for (uint32_t op = DEVICE_STAT_AT; op <= DEVICE_READLINK; op++) {
		static const char *const out[] = {"../secret", "/etc/passwd", "up/secret", "d/../../new"};

		for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
			struct wire_request request = hostile_request(op, dir, out[i], DEVICE_FOLLOW);

			if (op == DEVICE_RENAME || op == DEVICE_LINK || op == DEVICE_SYMLINK) {
				memcpy(request.text + request.path_bytes, "new", 3);
				request.path2_bytes = 3;
			}
			if (op == DEVICE_TIMES)
				continue;
			request.flags |= DEVICE_SET_ACCESS | DEVICE_SET_MODIFY;
			request.bytes = 100;
			expect(h, out[i], hostile_ask(h, &request).result, 0);
		}
	}
	for (uint32_t op = DEVICE_RENAME; op <= DEVICE_LINK; op++) {
		two.op = op;
		memcpy(two.text + 1, "../stolen", 9);
		two.path2_bytes = 9;
		expect(h, "a new name outside", hostile_ask(h, &two).result, DEVICE_ECAPABILITY);
	}
}

/* --- 2 ---------------------------------------------------------------------------------- */

/* renamer.c exchanges a directory and a link that leads out, and moves what is
 * beneath, all the while. */
void
paths_race(struct hostile *h)
{
	static const char *const paths[] = {"race/a/secret", "race/a/../secret", "race/a/b/../../secret",
		"race/b/../../secret", "race/a/b/c/../../../../secret", "race/l/secret", "race/a/b/../c/secret"};
	const uint32_t dir = hostile_dir(h, 0);
	const time_t seconds = h->arg[0] ? (h->arg[1] ? 10 : h->arg[0] - '0') : 1;
	const struct timespec begin = hostile_now();
	uint32_t tries = 0, opened = 0, busy = 0;

	while (hostile_now().tv_sec - begin.tv_sec < seconds)
		for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
			const int64_t got = hostile_open(h, dir, paths[i], DEVICE_FOR_READ | DEVICE_FOLLOW);

			tries++;
			busy += got == -DEVICE_EBUSY;
			if (got < 0)
				continue;
			opened++;
			if (hostile_read(h, (uint32_t)got, 0, 6) == 6 &&
				memcmp(hostile_piece(h), "SECRET", 6) == 0)
				hostile_wrong(h, "it escaped by %s", paths[i]);
			(void)hostile_close(h, (uint32_t)got);
		}
	if (!opened || tries < 1000)
		hostile_wrong(h, "%u of %u opened: nothing was raced for", opened, tries);
	if (busy > tries / 20)
		hostile_wrong(h, "%u of %u were busy", busy, tries);
	hostile_say(h, "RACE tries %u opened %u busy %u", tries, opened, busy);
}

/* --- 3 ---------------------------------------------------------------------------------- */

void
paths_moved(struct hostile *h)
{
	const uint32_t dir = hostile_dir(h, 0);
	const uint32_t sub = (uint32_t)hostile_open(h, dir, "away/sub", DEVICE_DIRECTORY | DEVICE_FOR_READ);

	if (hostile_open(h, sub, "x", DEVICE_FOR_READ) < 0)
		hostile_wrong(h, "nothing to move");
	hostile_say(h, "MOVE"); /* WORK/box/away/sub becomes WORK/sub */
	wait_for(h, "go");
	expect_open(h, sub, "..", DEVICE_FOR_READ, 0);
	expect_open(h, sub, "../secret", DEVICE_FOR_READ, 0);
	expect_open(h, sub, "y/../../secret", DEVICE_FOR_READ, 0);
	expect_open(h, dir, "away/sub/x", DEVICE_FOR_READ, DEVICE_ENOENT);
	expect_open(h, dir, "away/sub/../../../secret", DEVICE_FOR_READ, 0);
}

/* --- 4 ---------------------------------------------------------------------------------- */

void
paths_proc(struct hostile *h)
{
	static const char *const paths[] = {"proc/self/mem", "proc/self/root", "proc/self/root/etc/passwd",
		"proc/self/fd/0", "proc/self/exe", "proc/self/cwd", "proc/thread-self/mem", "proc/1/root",
		"proc/kcore", "proc", "sys/kernel", "dev/mem", "dev/null"};
	const uint32_t dir = hostile_dir(h, 0);

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		expect_open(h, dir, paths[i], DEVICE_FOR_READ | DEVICE_FOLLOW, 0);
		expect_open(h, dir, paths[i], DEVICE_FOR_READ, 0);
	}
	expect_open(h, dir, "proc/self/mem", DEVICE_FOR_READ | DEVICE_FOR_WRITE, 0);
}

void
paths_magic(struct hostile *h)
{
	static const char *const links[] = {"self-mem", "self-root", "self-fd", "self-exe"};
	static const char *const says[] = {
		"/proc/self/mem", "/proc/self/root", "/proc/self/fd/3", "../../../../proc/self/exe"};
	const uint32_t dir = hostile_dir(h, 0);

	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		struct wire_request link = hostile_request(DEVICE_SYMLINK, dir, links[i], 0);
		char inside[64];

		link.path2_bytes = (uint32_t)strlen(says[i]);
		memcpy(link.text + link.path_bytes, says[i], link.path2_bytes);
		(void)hostile_ask(h, &link);
		(void)snprintf(inside, sizeof inside, "host-%s", links[i]); /* made by the host */
		for (int follow = 0; follow < 2; follow++) {
			const uint32_t flags = DEVICE_FOR_READ | (follow ? DEVICE_FOLLOW : 0);

			expect_open(h, dir, links[i], flags, 0);
			expect_open(h, dir, inside, flags, 0);
		}
	}
}

/* --- 5 ---------------------------------------------------------------------------------- */

void
paths_special(struct hostile *h)
{
	static const uint32_t flags[] = {DEVICE_FOR_READ, DEVICE_FOR_WRITE,
		DEVICE_FOR_READ | DEVICE_FOR_WRITE, 0, DEVICE_FOR_WRITE | DEVICE_TRUNC,
		DEVICE_FOR_WRITE | DEVICE_CREATE, DEVICE_FOR_WRITE | DEVICE_APPENDING};
	static const char *const names[] = {"fifo", "socket", "null"};
	const uint32_t dir = hostile_dir(h, 0);
	const struct timespec begin = hostile_now();

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (size_t j = 0; j < sizeof flags / sizeof *flags; j++) {
			if (i == 2 && (flags[j] & DEVICE_CREATE))
				continue; /* where there is no device, it would be made a file */
			expect_open(h, dir, names[i], flags[j], 0);
		}
	expect_open(h, dir, "fifo", DEVICE_FOR_READ, DEVICE_EUNSUITABLE);
	expect_open(h, dir, "d", DEVICE_FOR_WRITE, DEVICE_EISDIR);
	expect_open(h, dir, "d", DEVICE_FOR_WRITE | DEVICE_TRUNC, DEVICE_EISDIR);
	expect_open(h, dir, "f", DEVICE_DIRECTORY | DEVICE_FOR_READ, DEVICE_ENOTDIR);
	expect_open(h, dir, "fifo", DEVICE_DIRECTORY | DEVICE_FOR_READ, DEVICE_ENOTDIR);
	if (hostile_now().tv_sec - begin.tv_sec > 5)
		hostile_wrong(h, "it hung");
}

/* --- 6 ---------------------------------------------------------------------------------- */

/* By the ring where there is one, past the broker; else by the broker. */
static int64_t
on_file(struct hostile *h, enum device_op op, uint32_t handle, uint64_t offset, uint64_t length)
{
	struct wire_request request = hostile_request(op, handle, NULL, 0);
	struct io_uring_sqe entry = {.flags = IOSQE_FIXED_FILE, .fd = (int32_t)handle, .off = offset};
	int got;

	request.offset = offset;
	request.length = length;
	if (h->client->ringless)
		return hostile_ask(h, &request).result;
	if (op == DEVICE_ALLOCATE) {
		entry.opcode = RING_FALLOCATE;
		entry.addr = length;
	} else {
		entry.opcode = RING_FTRUNCATE;
	}
	got = hostile_entry(h, &entry);
	return got < 0 ? -(int64_t)device_error_of(-got) : got;
}

void
paths_read_only(struct hostile *h)
{
	static const struct { enum device_op op; const char *path, *path2; } changes[] = {
		{DEVICE_MKDIR, "new", NULL}, {DEVICE_UNLINK, "f", NULL}, {DEVICE_RMDIR, "d", NULL},
		{DEVICE_RENAME, "f", "g"}, {DEVICE_RENAME, "d", "e"}, {DEVICE_LINK, "f", "g"},
		{DEVICE_SYMLINK, "l", "f"}, {DEVICE_TIMES_AT, "f", NULL}};
	static const uint32_t flags[] = {DEVICE_FOR_WRITE, DEVICE_FOR_READ | DEVICE_FOR_WRITE,
		DEVICE_TRUNC, DEVICE_FOR_READ | DEVICE_TRUNC, DEVICE_FOR_WRITE | DEVICE_APPENDING,
		DEVICE_FOR_WRITE | DEVICE_CREATE, UINT32_MAX,
		UINT32_MAX & ~(uint32_t)(DEVICE_CREATE | DEVICE_DIRECTORY)};
	const uint32_t dir = hostile_dir(h, 1), box = hostile_dir(h, 0);
	const int64_t file = hostile_open(h, dir, "f", DEVICE_FOR_READ);
	struct wire_request times = hostile_request(
		DEVICE_TIMES, (uint32_t)file, NULL, DEVICE_SET_MODIFY | DEVICE_SET_ACCESS);

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		expect_open(h, dir, "f", flags[i], 0);
		expect_open(h, dir, "d/../f", flags[i], 0);
	}
	expect_open(h, dir, "new", DEVICE_FOR_READ | DEVICE_CREATE, DEVICE_EROFS);
	expect_open(h, dir, "d/new", DEVICE_FOR_WRITE | DEVICE_CREATE | DEVICE_EXCLUSIVE, DEVICE_EROFS);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
		for (int out = 0; out < 3; out++) { /* within; into another grant; out of it */
			struct wire_request request = hostile_request(
				changes[i].op, out == 2 ? box : dir, changes[i].path,
				DEVICE_SET_MODIFY | DEVICE_SET_ACCESS);

			if (out && changes[i].op != DEVICE_RENAME && changes[i].op != DEVICE_LINK)
				continue;
			request.handle2 = out == 1 ? box : dir;
			if (changes[i].path2) {
				request.path2_bytes = (uint32_t)strlen(changes[i].path2);
				memcpy(request.text + request.path_bytes, changes[i].path2, request.path2_bytes);
			}
			expect(h, changes[i].path, hostile_ask(h, &request).result, 0);
		}
	if (file < 0 || hostile_read(h, (uint32_t)file, 0, 4) != 4)
		hostile_wrong(h, "it cannot be read");
	expect(h, "a write", hostile_write(h, (uint32_t)file, 0, "no"), 0);
	expect(h, "an append", hostile_write(h, (uint32_t)file, UINT64_MAX, "no"), 0);
	expect(h, "a truncation", on_file(h, DEVICE_TRUNCATE, (uint32_t)file, 0, 0), 0);
	expect(h, "an allocation", on_file(h, DEVICE_ALLOCATE, (uint32_t)file, 0, 1 << 20), 0);
	expect(h, "its times", hostile_ask(h, &times).result, 0);
	expect(h, "a truncation by the broker",
		hostile_ask(h, &(struct wire_request){.kind = WIRE_DEVICE, .op = DEVICE_TRUNCATE,
					 .handle = (uint32_t)file}).result, 0);
}

/* --- 7 ---------------------------------------------------------------------------------- */

void
paths_sparse(struct hostile *h)
{
	const uint64_t far = UINT64_C(1) << 62;
	const uint32_t file = (uint32_t)hostile_open(
		h, hostile_dir(h, 0), "sparse", DEVICE_FOR_READ | DEVICE_FOR_WRITE | DEVICE_CREATE);

	if (hostile_write(h, file, 0, "kept") != 4)
		hostile_wrong(h, "no file to begin with");
	for (int i = 0; i < 2; i++) {
		const uint64_t at = i ? far : (uint64_t)INT64_MAX - 2;
		const int64_t got = hostile_write(h, file, at, "far away");

		/* A file system may have such files: then it is there. */
		if (got > 0 && (hostile_read(h, file, at, 8) != got ||
				       memcmp(hostile_piece(h), "far away", (size_t)got) != 0))
			hostile_wrong(h, "what was written at 2^62 is not there");
		(void)on_file(h, DEVICE_TRUNCATE, file, 4, 0);
	}
	expect(h, "room for 2^62 bytes", on_file(h, DEVICE_ALLOCATE, file, 0, far), 0);
	expect(h, "room beyond all numbers",
		on_file(h, DEVICE_ALLOCATE, file, INT64_MAX - 1, INT64_MAX - 1), 0);
	expect(h, "a negative size", on_file(h, DEVICE_TRUNCATE, file, UINT64_MAX - 9, 0), 0);
	expect(h, "a negative place", hostile_write(h, file, UINT64_MAX - 9, "no"), 0);
	if (hostile_read(h, file, 0, 100) != 4 || memcmp(hostile_piece(h), "kept", 4) != 0)
		hostile_wrong(h, "what was there has changed");
}

void
paths_full(struct hostile *h)
{
	const uint32_t file = (uint32_t)hostile_open(
		h, hostile_dir(h, 1), "big", DEVICE_FOR_READ | DEVICE_FOR_WRITE | DEVICE_CREATE);
	static char block[4097];
	uint64_t told = 0;
	int64_t got = 0;

	memset(block, 'b', 4096);
	for (int i = 0; i < 4096; i++) {
		got = hostile_write(h, file, told, block);
		if (got <= 0)
			break;
		told += (uint64_t)got;
	}
	expect(h, "more than the disk has", got, DEVICE_ENOSPC);
	for (uint64_t at = 0; at < told;) {
		got = hostile_read(h, file, at, 4096);
		for (int64_t i = 0; i < got; i++)
			if (hostile_piece(h)[i] != 'b')
				hostile_wrong(h, "at %llu is something else", (unsigned long long)at);
		if (got <= 0) {
			hostile_wrong(h, "%llu bytes were told, %llu are there",
				(unsigned long long)told, (unsigned long long)at);
			return;
		}
		at += (uint64_t)got;
	}
	expect(h, "a directory on a full disk", hostile_open(h, hostile_dir(h, 1), "n/", DEVICE_CREATE), 0);
	hostile_broker_lives(h);
}

void
paths_error(struct hostile *h)
{
	const uint32_t out = hostile_stream(h, 1);

	int64_t got = 0;

	/* A terminal may be busy for a moment, or its write be told to begin again. */
	for (int tries = 0; tries < 100 && got != 1; tries++)
		got = hostile_write(h, out, UINT64_MAX, "x");
	if (got != 1)
		hostile_wrong(h, "no terminal to begin with: %lld", (long long)got);
	hostile_say(h, "HANGUP");
	wait_for(h, "go");
	expect(h, "a write to what was hung up", hostile_write(h, out, UINT64_MAX, "x"), DEVICE_EIO);
	hostile_broker_lives(h);
}

void
paths_short(struct hostile *h)
{
	const uint32_t file = (uint32_t)hostile_open(h, hostile_dir(h, 0), "f", DEVICE_FOR_READ);

	if (hostile_read(h, hostile_stream(h, 0), UINT64_MAX, 4096) != 3)
		hostile_wrong(h, "a pipe gave other than its three bytes");
	if (hostile_read(h, file, 0, 4096) != 4 || hostile_read(h, file, 3, 4096) != 1 ||
		hostile_read(h, file, 4, 4096) != 0 || hostile_read(h, file, 1 << 20, 4096) != 0)
		hostile_wrong(h, "a short file was read otherwise");
}

void
paths_limit(struct hostile *h)
{
	const uint64_t limit = 256 << 20; /* as corpus.py set it */
	const uint32_t file = (uint32_t)hostile_open(
		h, hostile_dir(h, 0), "limited", DEVICE_FOR_READ | DEVICE_FOR_WRITE | DEVICE_CREATE);

	if (hostile_write(h, file, limit - 4, "12345678") != 4)
		hostile_wrong(h, "a write over the limit was not cut short at it");
	expect(h, "a write at the limit", hostile_write(h, file, limit, "no"), DEVICE_EFBIG);
	expect(h, "a size over the limit", on_file(h, DEVICE_TRUNCATE, file, limit + 1, 0), DEVICE_EFBIG);
	(void)on_file(h, DEVICE_TRUNCATE, file, 0, 0);
	hostile_broker_lives(h);
}

/* --- 20 --------------------------------------------------------------------------------- */

/* Opens until it is refused; how many there were. They are closed again. */
static uint32_t
open_all(struct hostile *h)
{
	static uint32_t opened[1 << 16];
	const uint32_t dir = hostile_dir(h, 0);
	uint32_t count = 0;
	int64_t got = 0;

	while (count < sizeof opened / sizeof *opened) {
		got = hostile_open(h, dir, "f", DEVICE_FOR_READ);
		if (got < 0)
			break;
		opened[count++] = (uint32_t)got;
	}
	expect(h, "one more handle", got, DEVICE_EMFILE);
	for (uint32_t i = 0; i < count; i++)
		if (hostile_read(h, opened[i], 0, 4) != 4)
			hostile_wrong(h, "handle %u of %u does not read", i, count);
	/* Refused before anything is created. */
	expect_open(h, dir, "never", DEVICE_FOR_WRITE | DEVICE_CREATE, DEVICE_EMFILE);
	for (uint32_t i = 0; i < count; i++)
		if (hostile_close(h, opened[i]))
			hostile_wrong(h, "a handle does not close");
	return count;
}

void
paths_table_full(struct hostile *h)
{
	const uint32_t first = open_all(h);

	for (int i = 0; i < 3; i++)
		if (open_all(h) != first || first < 10)
			hostile_wrong(h, "not as many as the first time (%u)", first);
	expect_open(h, hostile_dir(h, 0), "never", DEVICE_FOR_READ, DEVICE_ENOENT);
}

/* The broker's limit was lowered beneath it while it ran. */
void
paths_no_descriptor(struct hostile *h)
{
	const struct timespec begin = hostile_now();
	uint32_t opened[64], count = 0;
	int64_t got = 0;

	hostile_say(h, "LOWER");
	while (hostile_now().tv_sec - begin.tv_sec < 10 && got != -DEVICE_EMFILE) {
		got = hostile_open(h, hostile_dir(h, 0), "f", DEVICE_FOR_READ);
		if (got >= 0 && count < 64)
			opened[count++] = (uint32_t)got;
		else if (got >= 0) /* not lowered yet */
			(void)hostile_close(h, (uint32_t)got);
	}
	expect(h, "an open without a descriptor", got, DEVICE_EMFILE);
	while (count)
		(void)hostile_close(h, opened[--count]);
	if (hostile_open(h, hostile_dir(h, 0), "f", DEVICE_FOR_READ) < 0)
		hostile_wrong(h, "nothing opens again");
}

void
paths_broken_pipe(struct hostile *h)
{
	for (int i = 0; i < 100; i++)
		expect(h, "a write nobody reads",
			hostile_write(h, hostile_stream(h, 1), UINT64_MAX, "x"), DEVICE_EPIPE);
	hostile_broker_lives(h);
}

void
paths_never_read(struct hostile *h)
{
	const uint32_t out = hostile_stream(h, 1);
	struct wire_request write = hostile_request(DEVICE_WRITE, out, NULL, 0);

	for (int i = 0; i < 16; i++) {
		write.offset = DEVICE_STREAM;
		write.bytes = 4096;
		write.tag = ++h->tag;
		if (h->client->ringless) {
			hostile_put(h, &write);
		} else {
			struct io_uring_sqe *entry = ring_entry(
				&h->client->ring, RING_WRITE, out, (uint64_t)PART_IGNORE << 48);

			entry->addr = (uint64_t)(uintptr_t)hostile_piece(h);
			entry->len = 4096;
			entry->off = UINT64_MAX;
		}
		hostile_knock(h);
	}
	hostile_broker_lives(h);
	hostile_wait_to_be_seen(h, "SEEN");
	_exit(0);
}

/* --- 21 --------------------------------------------------------------------------------- */

void
paths_timers(struct hostile *h)
{
	static const uint64_t times[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63,
		INT64_MAX, UINT64_C(3600) * 1000000000};
	static struct __kernel_timespec hour = {.tv_sec = 3600};
	struct wire_request sleep = {.kind = WIRE_DEVICE, .op = DEVICE_SLEEP};
	struct wire_reply reply;
	uint32_t answered = 0;

	if (!h->client->ringless) {
		for (int i = 0; i < 20000; i++) {
			struct io_uring_sqe *entry = ring_entry(
				&h->client->ring, RING_TIMEOUT, 0, (uint64_t)PART_IGNORE << 48);

			entry->addr = (uint64_t)(uintptr_t)&hour;
			entry->len = 1;
		}
		hostile_broker_lives(h);
		return;
	}
	for (uint32_t i = 0; i < WIRE_ASKS; i++) {
		sleep.tag = i;
		sleep.timeout_ns = times[i % (sizeof times / sizeof *times)];
		hostile_put(h, &sleep);
	}
	/* The asks that need no wait are over, the others are told to be. */
	for (uint32_t i = 0; i < WIRE_ASKS; i++) {
		const struct wire_request cancel = {.kind = WIRE_CANCEL, .tag = i};

		hostile_put(h, &cancel);
	}
	hostile_knock(h);
	for (const struct timespec begin = hostile_now();
		answered < WIRE_ASKS && hostile_now().tv_sec - begin.tv_sec < 10;)
		while (hostile_answer(h, &reply))
			answered++;
	if (answered != WIRE_ASKS)
		hostile_wrong(h, "%u of %u sleeps were answered", answered, (uint32_t)WIRE_ASKS);
	hostile_broker_lives(h);
}
