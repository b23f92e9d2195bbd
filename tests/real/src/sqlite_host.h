/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_host.h - the POSIX that SQLite names and wasi-libc has not: file
 * locks (the VFS "unix-none" uses none), owners, modes and commands.
 * Included before every file of SQLite. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6

int getpagesize(void);

static inline int
no_such_call(void)
{
	errno = ENOSYS;
	return -1;
}

static inline int
fchmod(int fd, mode_t mode)
{
	(void)fd, (void)mode;
	return 0;
}

static inline int
fchown(int fd, uid_t uid, gid_t gid)
{
	(void)fd, (void)uid, (void)gid;
	return 0;
}

static inline uid_t
geteuid(void)
{
	return 0;
}

static inline uid_t
getuid(void)
{
	return 0;
}

static inline int
chmod(const char *path, mode_t mode)
{
	(void)path, (void)mode;
	return no_such_call();
}

static inline FILE *
popen(const char *command, const char *mode)
{
	(void)command, (void)mode;
	(void)no_such_call();
	return NULL;
}

static inline int
pclose(FILE *file)
{
	(void)file;
	return no_such_call();
}
