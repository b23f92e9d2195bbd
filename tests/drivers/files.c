/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/drivers/side.h"

static struct side side;

/* A tree with something to find inside and something to reach outside:
 *   f = "inside"   d/f = "deep"   up -> ..   out -> /etc/passwd   in -> f
 *   loop -> loop   fifo   far -> d/f   d/back -> ../f   dlink -> d */
static void
begin(void)
{
	side_open(&side);
	side_file(&side, "f", "inside");
	cr_assert_eq(mkdirat(side.path_fd, "d", 0777), 0);
	side_file(&side, "d/f", "deep");
	cr_assert_eq(symlinkat("..", side.path_fd, "up"), 0);
	cr_assert_eq(symlinkat("/etc/passwd", side.path_fd, "out"), 0);
	cr_assert_eq(symlinkat("f", side.path_fd, "in"), 0);
	cr_assert_eq(symlinkat("loop", side.path_fd, "loop"), 0);
	cr_assert_eq(symlinkat("d/f", side.path_fd, "far"), 0);
	cr_assert_eq(symlinkat("../f", side.path_fd, "d/back"), 0);
	cr_assert_eq(symlinkat("d", side.path_fd, "dlink"), 0);
	cr_assert_eq(mkfifoat(side.path_fd, "fifo", 0666), 0);
}

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(files, .init = begin, .fini = finish, .timeout = 60);

enum {
	R = DEVICE_FOR_READ,
	W = DEVICE_FOR_WRITE,
	C = DEVICE_CREATE,
	X = DEVICE_EXCLUSIVE,
	T = DEVICE_TRUNC,
	D = DEVICE_DIRECTORY,
	F = DEVICE_FOLLOW
};

struct open_case {
	const char *path;
	uint32_t flags;
	int64_t result; /* 0: a handle */
};

static void
try_opens(const struct open_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const int64_t result = side_try(&side, cases[i].path, cases[i].flags);

		if (cases[i].result == 0) {
			cr_assert_gt(result, 0, "%s %x: %lld", cases[i].path, cases[i].flags,
				(long long)result);
			cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_CLOSE,
							    .handle = (uint32_t)result})
					     .result,
				0);
		} else {
			cr_assert_eq(result, cases[i].result, "%s %x: %lld", cases[i].path,
				cases[i].flags, (long long)result);
		}
	}
}

#define TRY_OPENS(cases) try_opens(cases, sizeof(cases) / sizeof((cases)[0]))

Test(files, opens_what_is_inside_and_nothing_else)
{
	const struct open_case cases[] = {
		{"f", R, 0},
		{"./f", R, 0},
		{"d/../f", R, 0},
		{"d/f", R | W, 0},
		{"d", R, 0},
		{"d", R | D, 0},
		{"d/", R, 0},
		{".", R, 0},
		{"in", R | F, 0},
		{"far", R | F, 0},
		{"d/back", R | F, 0},
		{"dlink/f", R, 0},
		{"in", R, -DEVICE_ELOOP},
		{"f", R | D, -DEVICE_ENOTDIR},
		{"f/", R, -DEVICE_ENOTDIR},
		{"f/x", R, -DEVICE_ENOTDIR},
		{"d", R | W, -DEVICE_EISDIR},
		{"none", R, -DEVICE_ENOENT},
		{"none/x", R, -DEVICE_ENOENT},
		{"", R, -DEVICE_ENOENT},
		{"loop", R | F, -DEVICE_ELOOP},
		{"..", R, -DEVICE_ECAPABILITY},
		{"../x", R, -DEVICE_ECAPABILITY},
		{"d/../../x", R, -DEVICE_ECAPABILITY},
		{"/etc/passwd", R, -DEVICE_ECAPABILITY},
		{"/", R, -DEVICE_ECAPABILITY},
		{"out", R | F, -DEVICE_ECAPABILITY},
		{"up", R | F, -DEVICE_ECAPABILITY},
		{"up/x", R, -DEVICE_ECAPABILITY},
		{"../../../../../../etc/passwd", R, -DEVICE_ECAPABILITY},
	};

	TRY_OPENS(cases);
}

Test(files, what_is_neither_file_nor_directory_is_refused_without_a_wait)
{
	const struct open_case cases[] = {
		{"fifo", R, -DEVICE_EUNSUITABLE},
		{"fifo", W, -DEVICE_EUNSUITABLE},
		{"fifo", R | W, -DEVICE_EUNSUITABLE},
		{"sock", R, -DEVICE_EUNSUITABLE},
		{"null", R, -DEVICE_EUNSUITABLE},
	};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t count = sizeof cases / sizeof cases[0];

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", side.path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	if (mknodat(side.path_fd, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		count--; /* only root can make one */
	try_opens(cases, count);
	(void)close(fd);
}

Test(files, creates_as_asked)
{
	const struct open_case cases[] = {
		{"new", R | W | C | X, 0},
		{"new", R | W | C | X, -DEVICE_EEXIST},
		{"new", R | W | C, 0},
		{"d/new", W | C, 0},
		{"none/new", W | C, -DEVICE_ENOENT},
		{"../new", W | C, -DEVICE_ECAPABILITY},
		{"/tmp/new", W | C, -DEVICE_ECAPABILITY},
		{"out", W | C | F, -DEVICE_ECAPABILITY},
		{"up/new", W | C | F, -DEVICE_ECAPABILITY},
		{"in", W | C | X | F, -DEVICE_EEXIST},
		{"x", R | W | C | D, -DEVICE_EINVAL},
	};
	struct stat stat;

	TRY_OPENS(cases);
	cr_assert_eq(fstatat(side.path_fd, "d/new", &stat, 0), 0);
	cr_assert_gt(side_try(&side, "f", W | T), 0);
	cr_assert_eq(fstatat(side.path_fd, "f", &stat, 0), 0);
	cr_assert_eq(stat.st_size, 0);
}

Test(files, long_paths_and_nul_bytes_are_answers)
{
	static char path[8192];
	struct device_request request = {.op = DEVICE_OPEN, .handle = side.dir, .flags = R};

	memset(path, 'a', sizeof path);
	request.path = path;
	request.path_bytes = 255;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ENOENT);
	request.path_bytes = 256;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ENAMETOOLONG);
	request.path_bytes = DEVICE_PATH_MAX;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ENAMETOOLONG);
	request.path_bytes = DEVICE_PATH_MAX + 1;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ENAMETOOLONG);
	for (int i = 0; i < 600; i += 2) /* 300 components */
		path[i] = '.', path[i + 1] = '/';
	path[600] = 'f';
	request.path_bytes = 601;
	cr_assert_gt(side_go(&side, request).result, 0);
	memcpy(path, "f\0f", 3);
	request.path_bytes = 3;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_EINVAL);
}

Test(files, an_open_tells_what_was_opened)
{
	const struct device_completion done = side_at(&side, DEVICE_OPEN, R, "d/f", NULL);

	cr_assert_gt(done.result, 0);
	cr_assert_eq(done.stat.bytes, 4);
	cr_assert_eq(done.stat.type, DEVICE_TYPE_FILE);
	cr_assert_eq(done.stat.links, 1);
}

Test(files, handles_run_out_with_an_answer_and_nothing_created)
{
	struct stat stat;
	int64_t handle, last = 0;
	int count = 0;

	while ((handle = side_try(&side, "f", R)) > 0)
		last = handle, count++;
	cr_assert_eq(handle, -DEVICE_EMFILE);
	cr_assert_eq(count, 64 - 1, "the directory has one");
	cr_assert_eq(side_try(&side, "new", W | C), -DEVICE_EMFILE);
	cr_assert_eq(fstatat(side.path_fd, "new", &stat, 0), -1);
	(void)side_go(&side,
		(struct device_request){.op = DEVICE_CLOSE, .handle = (uint32_t)last});
	cr_assert_eq(side_try(&side, "f", R), last);
}

Test(files, a_directory_opened_is_a_root_of_its_own)
{
	const uint32_t root = side.dir;
	const int64_t dir = side_try(&side, "d", R);

	cr_assert_gt(dir, 0);
	side.dir = (uint32_t)dir;
	cr_assert_gt(side_try(&side, "f", R), 0);
	cr_assert_eq(side_try(&side, "../f", R), -DEVICE_ECAPABILITY);
	cr_assert_eq(side_try(&side, "back", R | F), -DEVICE_ECAPABILITY);
	side.dir = root;
}

Test(files, a_grant_moved_away_is_still_only_itself)
{
	char elsewhere[96], command[256];

	cr_assert_gt(side_try(&side, "d/f", R), 0);
	(void)snprintf(elsewhere, sizeof elsewhere, "%s-moved", side.path);
	cr_assert_eq(rename(side.path, elsewhere), 0);
	cr_assert_gt(side_try(&side, "d/f", R), 0);
	cr_assert_eq(side_try(&side, "../x", R), -DEVICE_ECAPABILITY);
	(void)snprintf(command, sizeof command, "rm -rf %s", elsewhere);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(side_try(&side, "d/f", R), -DEVICE_ENOENT);
	cr_assert_eq(mkdir(side.path, 0777), 0);
}

Test(files, stat_follows_only_when_asked)
{
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "in", NULL).stat.type, DEVICE_TYPE_SYMLINK);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, F, "in", NULL).stat.type, DEVICE_TYPE_FILE);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, F, "in", NULL).stat.bytes, 6);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "fifo", NULL).stat.type, DEVICE_TYPE_FIFO);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "d", NULL).stat.type, DEVICE_TYPE_DIRECTORY);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "out", NULL).result, 0, "the link itself");
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, F, "out", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "..", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "up/", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_STAT_AT, 0, "none", NULL).result, -DEVICE_ENOENT);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_STAT, .handle = side.dir})
			     .stat.type,
		DEVICE_TYPE_DIRECTORY);
}

Test(files, times_are_set_as_asked)
{
	struct device_request request = {.op = DEVICE_TIMES_AT, .handle = side.dir,
		.flags = DEVICE_SET_ACCESS | DEVICE_SET_MODIFY, .access_ns = 1000000001,
		.modify_ns = 2000000002, .path = "f", .path_bytes = 1};
	struct device_completion done;

	cr_assert_eq(side_go(&side, request).result, 0);
	done = side_at(&side, DEVICE_STAT_AT, 0, "f", NULL);
	cr_assert_eq(done.stat.access_ns, 1000000001);
	cr_assert_eq(done.stat.modify_ns, 2000000002);
	request.flags = DEVICE_MODIFY_NOW;
	cr_assert_eq(side_go(&side, request).result, 0);
	done = side_at(&side, DEVICE_STAT_AT, 0, "f", NULL);
	cr_assert_eq(done.stat.access_ns, 1000000001, "left alone");
	cr_assert_gt(done.stat.modify_ns, UINT64_C(1600000000) * 1000000000);
	request = (struct device_request){.op = DEVICE_TIMES, .handle = side.dir,
		.flags = DEVICE_SET_MODIFY, .modify_ns = 5000000000};
	cr_assert_eq(side_go(&side, request).result, 0, "a directory's own");
	request = (struct device_request){.op = DEVICE_TIMES_AT, .handle = side.dir,
		.flags = DEVICE_SET_MODIFY | F, .path = "out", .path_bytes = 3};
	cr_assert_eq(side_go(&side, request).result, -DEVICE_ECAPABILITY);
}

Test(files, directories_are_changed_by_last_names)
{
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "n", NULL).result, 0);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "n/m/", NULL).result, 0);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "n", NULL).result, -DEVICE_EEXIST);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "../n", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "n/..", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "up/n", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "/tmp/n", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "/", NULL).result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "", NULL).result, -DEVICE_ENOENT);
	cr_assert_eq(side_at(&side, DEVICE_RMDIR, 0, "n/.", NULL).result, -DEVICE_EINVAL);
	cr_assert_eq(side_at(&side, DEVICE_RMDIR, 0, "n", NULL).result, -DEVICE_ENOTEMPTY);
	cr_assert_eq(side_at(&side, DEVICE_RMDIR, 0, "n/m", NULL).result, 0);
	cr_assert_eq(side_at(&side, DEVICE_RMDIR, 0, "f", NULL).result, -DEVICE_ENOTDIR);
	cr_assert_eq(side_at(&side, DEVICE_RMDIR, 0, "dlink/", NULL).result, -DEVICE_ENOTDIR);
	cr_assert_eq(side_at(&side, DEVICE_UNLINK, 0, "d", NULL).result, -DEVICE_EISDIR);
	cr_assert_eq(side_at(&side, DEVICE_UNLINK, 0, "in", NULL).result, 0, "the link itself");
	cr_assert_eq(side_at(&side, DEVICE_UNLINK, 0, "f", NULL).result, 0);
	cr_assert_eq(side_at(&side, DEVICE_UNLINK, 0, "f", NULL).result, -DEVICE_ENOENT);
	cr_assert_eq(side_at(&side, DEVICE_UNLINK, 0, "d/f/", NULL).result, -DEVICE_ENOTDIR);
}

Test(files, names_move_and_files_are_linked_inside_the_grant)
{
	struct stat stat;

	cr_assert_eq(side_at(&side, DEVICE_RENAME, 0, "f", "d/g").result, 0);
	cr_assert_eq(fstatat(side.path_fd, "d/g", &stat, 0), 0);
	cr_assert_eq(side_at(&side, DEVICE_RENAME, 0, "d/g", "../g").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_RENAME, 0, "up/x", "x").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_RENAME, 0, "d", "d/e").result, -DEVICE_EINVAL);
	cr_assert_eq(side_at(&side, DEVICE_LINK, 0, "d/g", "h").result, 0);
	cr_assert_eq(fstatat(side.path_fd, "h", &stat, 0), 0);
	cr_assert_eq(stat.st_nlink, 2);
	cr_assert_eq(side_at(&side, DEVICE_LINK, 0, "out", "o").result, 0, "of the link");
	cr_assert_eq(fstatat(side.path_fd, "o", &stat, AT_SYMLINK_NOFOLLOW), 0);
	cr_assert(S_ISLNK(stat.st_mode));
	cr_assert_eq(side_at(&side, DEVICE_LINK, F, "out", "p").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_LINK, F, "far", "p").result, 0);
	cr_assert_eq(fstatat(side.path_fd, "p", &stat, AT_SYMLINK_NOFOLLOW), 0);
	cr_assert(S_ISREG(stat.st_mode));
	cr_assert_eq(side_at(&side, DEVICE_LINK, 0, "up/", "q").result, -DEVICE_ENOTDIR);
	cr_assert_eq(side_at(&side, DEVICE_LINK, 0, "d", "q").result, -DEVICE_EPERM);
}

Test(files, links_say_anything_but_an_absolute_path)
{
	cr_assert_eq(side_at(&side, DEVICE_SYMLINK, 0, "l", "d/f").result, 0);
	cr_assert_eq(side_at(&side, DEVICE_READLINK, 0, "l", NULL).result, 3);
	cr_assert_eq(memcmp(side.data, "d/f", 3), 0);
	cr_assert_gt(side_try(&side, "l", R | F), 0);
	cr_assert_eq(side_at(&side, DEVICE_SYMLINK, 0, "m", "../../x").result, 0);
	cr_assert_eq(side_try(&side, "m", R | F), -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_SYMLINK, 0, "n", "/etc/passwd").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_SYMLINK, 0, "n", "").result, -DEVICE_ENOENT);
	cr_assert_eq(side_at(&side, DEVICE_SYMLINK, 0, "../n", "x").result, -DEVICE_ECAPABILITY);
	cr_assert_eq(side_at(&side, DEVICE_READLINK, 0, "f", NULL).result, -DEVICE_EINVAL);
	cr_assert_eq(side_at(&side, DEVICE_READLINK, 0, "d", NULL).result, -DEVICE_EINVAL);
}

/* Entries as one text: "name " for each, from entry `first` in `bytes`. */
static int64_t
list(uint64_t first, uint32_t bytes, char *out)
{
	const struct device_completion done = side_go(&side, (struct device_request){
		.op = DEVICE_LIST, .handle = side.dir, .offset = first, .bytes = bytes});
	const uint8_t *at = done.data;

	out[0] = '\0';
	for (int64_t i = 0; i < done.result; i++) {
		const uint32_t name = (uint32_t)at[8] | (uint32_t)at[9] << 8;

		(void)strncat(out, (const char *)at + DEVICE_ENTRY_BYTES, name);
		(void)strcat(out, " ");
		at += DEVICE_ENTRY_BYTES + name;
	}
	if (done.result > 0)
		cr_assert_eq(at - done.data, done.data_bytes);
	return done.result;
}

Test(files, listings_are_sorted_by_bytes_and_kept)
{
	char names[4096];

	side_file(&side, "!", "");
	side_file(&side, "Z", "");
	side_file(&side, "fa", "");
	cr_assert_eq(list(0, 4096, names), 14);
	cr_assert_str_eq(names, "! . .. Z d dlink f fa far fifo in loop out up ");
	cr_assert_eq(list(3, 2 * DEVICE_ENTRY_BYTES + 2, names), 2);
	cr_assert_str_eq(names, "Z d ");
	side_file(&side, "A", "");
	cr_assert_eq(list(3, 4096, names), 11, "kept");
	cr_assert_eq(list(14, 4096, names), 0, "the end");
	cr_assert_eq(list(UINT64_MAX, 4096, names), 0);
	cr_assert_eq(list(0, 4096, names), 15, "read anew");
	cr_assert_eq(list(3, DEVICE_ENTRY_BYTES, names), -DEVICE_EINVAL, "no room for one");
}

Test(files, a_large_directory_is_listed_whole)
{
	char names[16384], name[16];
	uint64_t at = 0;
	int64_t count;

	for (int i = 0; i < 2000; i++) {
		(void)snprintf(name, sizeof name, "x%d", i);
		side_file(&side, name, "");
	}
	while ((count = list(at, 4096, names)) > 0)
		at += (uint64_t)count;
	cr_assert_eq(count, 0);
	cr_assert_eq(at, 2000 + 11);
}

Test(files, listings_are_kept_within_a_limit)
{
	char names[16384];
	int64_t second;

	for (int i = 0; i < 100; i++) {
		(void)snprintf(names, sizeof names, "d/a-rather-long-name-%d", i);
		side_file(&side, names, "");
	}
	cr_assert_gt(list(0, 4096, names), 0);
	side.broker->listing_bytes_max = side.broker->listing_bytes + 2000;
	second = side_try(&side, "d", R);
	cr_assert_eq(side_go(&side, (struct device_request){.op = DEVICE_LIST,
					    .handle = (uint32_t)second, .bytes = 4096})
			     .result,
		-DEVICE_ENOMEM);
	cr_assert_gt(list(2, 4096, names), 0, "what is kept stays");
	(void)side_go(&side, (struct device_request){.op = DEVICE_CLOSE, .handle = side.dir});
	cr_assert_eq(side.broker->listing_bytes, 0);
}

/* Another process exchanges a directory and a link that leads out, as fast as it
 * can: no open ever lands outside. */
Test(files, a_race_of_renames_never_leads_out)
{
	static const char *const paths[] = {
		"sw/f", "sw/../f", "sw/d2/f", "sw/../../outside/f", "d/../sw/f"};
	char outside[96], text[8];
	int inside = 0, refused = 0, status;
	pid_t attacker;

	(void)snprintf(outside, sizeof outside, "%s-outside", side.path);
	cr_assert_eq(mkdir(outside, 0777), 0);
	cr_assert_eq(mkdirat(side.path_fd, "sw", 0777), 0);
	cr_assert_eq(mkdirat(side.path_fd, "sw/d2", 0777), 0);
	side_file(&side, "sw/f", "in");
	side_file(&side, "sw/d2/f", "in");
	cr_assert_eq(symlinkat(outside, side.path_fd, "trap"), 0);
	{
		const int fd = open(outside, O_RDONLY | O_DIRECTORY);
		const int file = openat(fd, "f", O_CREAT | O_WRONLY, 0666);

		cr_assert_eq(write(file, "OUT", 3), 3);
		(void)close(file);
		(void)close(fd);
	}
	attacker = fork();
	if (attacker == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			(void)renameat2(side.path_fd, "sw", side.path_fd, "trap", RENAME_EXCHANGE);
			(void)renameat(side.path_fd, "sw/d2", side.path_fd, "moved");
			(void)renameat(side.path_fd, "moved", side.path_fd, "sw/d2");
		}
	}
	for (int i = 0; i < 4000; i++) {
		const int64_t handle =
			side_try(&side, paths[i % (int)(sizeof paths / sizeof paths[0])], R | F);

		if (handle <= 0) {
			refused++;
			continue;
		}
		inside++;
		cr_assert_gt(side_read(&side, (uint32_t)handle, 0, sizeof text), 0);
		cr_assert_neq(side.data[0], 'O', "an open landed outside");
		(void)side_go(&side,
			(struct device_request){.op = DEVICE_CLOSE, .handle = (uint32_t)handle});
	}
	(void)kill(attacker, SIGKILL);
	cr_assert_eq(waitpid(attacker, &status, 0), attacker);
	cr_assert(inside > 0 && refused > 0, "%d inside, %d refused: no race", inside, refused);
	(void)strcat(outside, "/f");
	cr_assert_eq(unlink(outside), 0);
	outside[strlen(outside) - 2] = '\0';
	cr_assert_eq(rmdir(outside), 0);
}

Test(files, what_is_above_a_root_is_not_told)
{
	struct stat stat;
	struct device_completion done;
	uint64_t inode = 0;

	done = side_go(&side,
		(struct device_request){.op = DEVICE_LIST, .handle = side.dir, .bytes = 60});
	cr_assert_geq(done.result, 2);
	memcpy(&inode, done.data + DEVICE_ENTRY_BYTES + 1, 8);
	cr_assert_eq(fstat(side.path_fd, &stat), 0);
	cr_assert_eq(inode, stat.st_ino);
}

Test(files, refusals_are_counted_and_told)
{
	struct broker_counts counts;

	(void)side_try(&side, "none", R);
	(void)side_try(&side, "../x", R);
	(void)side_try(&side, "fifo", R);
	(void)side_try(&side, "f", R);
	cr_assert(broker_counts(side.broker, 1, &counts));
	cr_assert_eq(counts.missing, 1);
	cr_assert_eq(counts.denied, 2);
	cr_assert_eq(counts.opens, 1);
	cr_assert_eq(counts.handles, 2);
	cr_assert_not(broker_counts(side.broker, 2, &counts));
	cr_assert_not(broker_counts(side.broker, 0, &counts));
}

/* --- grants with less ------------------------------------------------------------------- */

static void
begin_read_only(void)
{
	side_begin(&side);
	side_grant_dir(&side, BROKER_READ);
	side_ready(&side);
	side_file(&side, "f", "inside");
	cr_assert_eq(mkdirat(side.path_fd, "d", 0777), 0);
}

TestSuite(read_only, .init = begin_read_only, .fini = finish, .timeout = 60);

Test(read_only, a_read_only_grant_is_a_read_only_file_system)
{
	const struct open_case cases[] = {
		{"f", R, 0},
		{"f", 0, 0},
		{"d", R | D, 0},
		{"f", R | C, 0},
		{"f", R | W, -DEVICE_EROFS},
		{"f", W, -DEVICE_EROFS},
		{"f", R | T, -DEVICE_EROFS},
		{"f", R | C | X, -DEVICE_EEXIST},
		{"new", R | C, -DEVICE_EROFS},
		{"new", W | C, -DEVICE_EROFS},
		{"../new", R | C, -DEVICE_ECAPABILITY},
	};
	struct device_request times = {.op = DEVICE_TIMES, .flags = DEVICE_MODIFY_NOW};
	struct stat before, after;

	cr_assert_eq(fstatat(side.path_fd, "f", &before, 0), 0);
	TRY_OPENS(cases);
	cr_assert_eq(side_at(&side, DEVICE_MKDIR, 0, "n", NULL).result, -DEVICE_EROFS);
	cr_assert_eq(side_at(&side, DEVICE_UNLINK, 0, "f", NULL).result, -DEVICE_EROFS);
	cr_assert_eq(side_at(&side, DEVICE_RMDIR, 0, "d", NULL).result, -DEVICE_EROFS);
	cr_assert_eq(side_at(&side, DEVICE_RENAME, 0, "f", "g").result, -DEVICE_EROFS);
	cr_assert_eq(side_at(&side, DEVICE_LINK, 0, "f", "g").result, -DEVICE_EROFS);
	cr_assert_eq(side_at(&side, DEVICE_SYMLINK, 0, "g", "f").result, -DEVICE_EROFS);
	cr_assert_eq(side_at(&side, DEVICE_TIMES_AT, DEVICE_MODIFY_NOW, "f", NULL).result,
		-DEVICE_EROFS);
	times.handle = (uint32_t)side_try(&side, "f", R);
	cr_assert_eq(side_go(&side, times).result, -DEVICE_EROFS);
	times = (struct device_request){.op = DEVICE_TRUNCATE, .handle = times.handle};
	cr_assert_lt(side_go(&side, times).result, 0);
	side.dir = (uint32_t)side_try(&side, "d", R);
	cr_assert_eq(side_try(&side, "new", W | C), -DEVICE_EROFS, "below as well");
	cr_assert_eq(fstatat(side.path_fd, "f", &after, 0), 0);
	cr_assert_eq(memcmp(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim), 0);
	cr_assert_eq(before.st_size, after.st_size);
}

static void
begin_two(void)
{
	side_begin(&side);
}

TestSuite(grants, .init = begin_two, .fini = finish, .timeout = 60);

Test(grants, names_do_not_cross_from_one_to_the_other)
{
	struct device_request request = {.flags = 0, .path = "f", .path2 = "g", .path_bytes = 1,
		.path2_bytes = 1};

	side_grant_dir(&side, BROKER_READ | BROKER_WRITE);
	request.handle = side.dir;
	side_grant_dir(&side, BROKER_READ | BROKER_WRITE);
	request.handle2 = side.dir;
	side_ready(&side);
	side_file(&side, "f", "inside");
	request.op = DEVICE_RENAME;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_EXDEV);
	request.op = DEVICE_LINK;
	cr_assert_eq(side_go(&side, request).result, -DEVICE_EXDEV);
}

Test(grants, write_only_neither_lists_nor_reads)
{
	char names[4096];

	side_grant_dir(&side, BROKER_WRITE);
	side_ready(&side);
	side_file(&side, "f", "inside");
	cr_assert_eq(side_try(&side, "f", R), -DEVICE_ECAPABILITY);
	cr_assert_gt(side_try(&side, "f", W), 0);
	cr_assert_eq(list(0, 4096, names), -DEVICE_ECAPABILITY);
}

Test(grants, what_the_descriptor_cannot_do_is_refused_at_once)
{
	struct broker_grant grant;
	struct report *report = &side.report;

	side_file(&side, "f", "inside");
	cr_assert_eq(broker_grant_file(side.broker, openat(side.path_fd, "f", O_RDONLY),
			     BROKER_READ | BROKER_WRITE, report, &grant),
		-EACCES);
	cr_assert_neq(report->text[0], '\0');
	cr_assert_eq(broker_grant_file(side.broker, openat(side.path_fd, "f", O_WRONLY), BROKER_READ,
			     report, &grant),
		-EACCES);
	cr_assert_eq(broker_grant_file(side.broker, open("/dev/null", O_RDWR), BROKER_READ, report,
			     &grant),
		-EINVAL);
	cr_assert_eq(broker_grant_dir(side.broker, openat(side.path_fd, "f", O_RDONLY), BROKER_READ,
			     report, &grant),
		-ENOTDIR);
	cr_assert_eq(broker_grant_stream(side.broker, dup(side.path_fd), BROKER_READ, report, &grant),
		-EISDIR);
	cr_assert_eq(broker_grant_stream(side.broker, -1, BROKER_READ, report, &grant), -EBADF);
	side_ready(&side);
}

Test(grants, run_out_with_an_answer)
{
	struct broker_grant grant;
	int count = 0;

	while (broker_grant_dir(
		       side.broker, dup(side.path_fd), BROKER_READ, &side.report, &grant) == 0)
		count++;
	cr_assert_eq(count, 64);
	cr_assert_neq(side.report.text[0], '\0');
	side_ready(&side);
}

/* Only what lies on the directory's own file system is beneath it. */
Test(grants, another_file_system_is_outside)
{
	struct broker_grant grant;

	cr_assert_eq(broker_grant_dir(side.broker, open("/", O_PATH | O_DIRECTORY), BROKER_READ,
			     &side.report, &grant),
		0);
	side_ready(&side);
	side.dir = grant.handle;
	cr_assert_eq(side_try(&side, "proc/self/mem", R), -DEVICE_ECAPABILITY);
	cr_assert_eq(side_try(&side, "proc/self/root", R | F), -DEVICE_ECAPABILITY);
	cr_assert_eq(side_try(&side, "proc/self/fd/0", R | F), -DEVICE_ECAPABILITY);
	cr_assert_eq(side_try(&side, "proc/self/exe", R | F), -DEVICE_ECAPABILITY);
}

Test(grants, magic_links_are_not_followed)
{
	struct broker_grant grant;

	cr_assert_eq(broker_grant_dir(side.broker, open("/proc", O_PATH | O_DIRECTORY), BROKER_READ,
			     &side.report, &grant),
		0);
	side_ready(&side);
	side.dir = grant.handle;
	cr_assert_eq(side_try(&side, "self/root/etc/passwd", R | F), -DEVICE_ELOOP);
	cr_assert_eq(side_try(&side, "self/fd/0", R | F), -DEVICE_ELOOP);
	cr_assert_eq(side_try(&side, "self/exe", R | F), -DEVICE_ELOOP);
}
