/* SPDX-License-Identifier: Apache-2.0 */
/* look.c - tells everything a program can learn of its streams and of /data. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
tell(const char *name, int error, const struct stat *stat)
{
	if (error) {
		printf("%s: %s\n", name, strerror(errno));
		return;
	}
	printf("%s: dev %llu ino %llu mode %o links %llu size %lld times %lld %lld %lld\n", name,
		(unsigned long long)stat->st_dev, (unsigned long long)stat->st_ino,
		(unsigned)stat->st_mode, (unsigned long long)stat->st_nlink, (long long)stat->st_size,
		(long long)stat->st_atim.tv_sec, (long long)stat->st_mtim.tv_sec,
		(long long)stat->st_ctim.tv_sec);
}

static void
tell_path(const char *path)
{
	struct stat stat;

	tell(path, lstat(path, &stat), &stat);
}

static void
list(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir) {
		printf("%s: %s\n", path, strerror(errno));
		return;
	}
	while ((entry = readdir(dir)))
		printf("%s/%s ino %llu type %d\n", path, entry->d_name,
			(unsigned long long)entry->d_ino, entry->d_type);
	closedir(dir);
}

static void
make(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		printf("%s: %s\n", path, strerror(errno));
}

/* Files come and go: file systems differ in when they use a number again. */
static void
churn(void)
{
	char path[64];

	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "/data/tmp-%d", i % 3);
		make(path, "x");
		tell_path(path);
		if (i % 2)
			unlink(path);
		else
			rename(path, "/data/kept");
		tell_path("/data/kept");
	}
}

int
main(void)
{
	struct stat stat;
	char bytes[1000];
	size_t got;

	for (int fd = 0; fd < 3; fd++) {
		char name[8] = {(char)('0' + fd)};

		tell(name, fstat(fd, &stat), &stat);
		printf("%d: terminal %d seek %d\n", fd, isatty(fd), (int)lseek(fd, 0, SEEK_CUR));
	}
	for (unsigned long sum = 0; (got = fread(bytes, 1, 777, stdin)); printf("%zu %lu\n", got, sum))
		for (size_t i = 0; i < got; i++)
			sum = sum * 31 + (unsigned char)bytes[i];
	list("/");
	list("/data");
	list("/data/sub");
	tell_path("/data");
	tell_path("/data/sub/old");
	tell_path("/data/link");
	churn();
	list("/data");
	printf("now %lld\n", (long long)time(NULL));
	return 0;
}
