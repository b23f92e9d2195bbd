/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_abi.h - the numbers of WASI preview 1. Source: its witx files. */
#pragma once

#include <stdint.h>

enum wasi_errno {
#define ERRNO(name, number) WASI_##name = (number),
#include "caps/wasi_errno.def"
#undef ERRNO
	WASI_ERRNO_COUNT
};

enum wasi_filetype {
	FILETYPE_UNKNOWN, FILETYPE_BLOCK, FILETYPE_CHARACTER, FILETYPE_DIRECTORY, FILETYPE_REGULAR,
	FILETYPE_SOCKET_DGRAM, FILETYPE_SOCKET_STREAM, FILETYPE_SYMLINK,
};

enum wasi_right { /* bit numbers */
	R_FD_DATASYNC, R_FD_READ, R_FD_SEEK, R_FD_FDSTAT_SET_FLAGS, R_FD_SYNC, R_FD_TELL, R_FD_WRITE,
	R_FD_ADVISE, R_FD_ALLOCATE, R_PATH_CREATE_DIRECTORY, R_PATH_CREATE_FILE,
	R_PATH_LINK_SOURCE, R_PATH_LINK_TARGET, R_PATH_OPEN, R_FD_READDIR, R_PATH_READLINK,
	R_PATH_RENAME_SOURCE, R_PATH_RENAME_TARGET, R_PATH_FILESTAT_GET, R_PATH_FILESTAT_SET_SIZE,
	R_PATH_FILESTAT_SET_TIMES, R_FD_FILESTAT_GET, R_FD_FILESTAT_SET_SIZE,
	R_FD_FILESTAT_SET_TIMES, R_PATH_SYMLINK, R_PATH_REMOVE_DIRECTORY, R_PATH_UNLINK_FILE,
	R_POLL_FD_READWRITE, R_SOCK_SHUTDOWN, R_SOCK_ACCEPT, R_COUNT
};

#define RIGHT_BIT(right) (UINT64_C(1) << (right))

enum wasi_fdflag { FDFLAG_APPEND = 1, FDFLAG_DSYNC = 2, FDFLAG_NONBLOCK = 4, FDFLAG_RSYNC = 8,
	FDFLAG_SYNC = 16, FDFLAG_ALL = 31 };
enum wasi_oflag { OFLAG_CREAT = 1, OFLAG_DIRECTORY = 2, OFLAG_EXCL = 4, OFLAG_TRUNC = 8,
	OFLAG_ALL = 15 };
enum wasi_fstflag { FSTFLAG_ATIM = 1, FSTFLAG_ATIM_NOW = 2, FSTFLAG_MTIM = 4, FSTFLAG_MTIM_NOW = 8,
	FSTFLAG_ALL = 15 };
enum wasi_lookup { LOOKUP_FOLLOW = 1 };
enum wasi_whence { WHENCE_SET, WHENCE_CUR, WHENCE_END };
enum wasi_clockid { CLOCKID_REALTIME, CLOCKID_MONOTONIC, CLOCKID_PROCESS, CLOCKID_THREAD };
enum wasi_eventtype { EVENT_CLOCK, EVENT_READ, EVENT_WRITE };

enum { /* sizes and offsets of records in guest memory */
	DIRENT_BYTES = 24,      /* next u64, ino u64, namlen u32, type u8 */
	FDSTAT_BYTES = 24,      /* filetype u8, flags u16 at 2, base u64 at 8, inheriting u64 at 16 */
	FILESTAT_BYTES = 64,    /* dev, ino u64; filetype u8 at 16; nlink, size, atim, mtim, ctim u64 */
	PRESTAT_BYTES = 8,      /* tag u8, name length u32 at 4 */
	IOVEC_BYTES = 8,        /* at u32, bytes u32 */
	SUBSCRIPTION_BYTES = 48,
	EVENT_BYTES = 32,
};
