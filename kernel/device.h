/* SPDX-License-Identifier: Apache-2.0 */
/* device.h - the only door between what keys mean and the outside.
 *
 * Requests go out, completions come in and *carry their data*: nothing outside
 * ever writes guest memory. The kernel copies at commit, after it has checked
 * the grant again. Recording, replay, the simulator and the fuzzers are other
 * implementations of struct device.
 *
 * Callers  caps/ builds requests and commits completions; drivers/ implements
 *          struct device; kernel/device.c keeps the table of requests in
 *          flight and the journal.
 * Handles  a number the device gave: one open result with its mode (a file,
 *          stream or socket in a ring slot; a directory the broker holds). Many
 *          keys may share it. Rights, uses, bytes and expiry are the kernel's.
 * Errors   result >= 0, or a negative errno of enum device_error (WASI's and
 *          Linux's numbers differ, so neither is used here).
 * Units    bytes, nanoseconds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEVICE_PIECE_BYTES = 128 << 10, DEVICE_PATH_MAX = 4096, DEVICE_POLLS_MAX = 16384 };
enum { DEVICE_ADDRESS_BYTES = 128 }; /* of the text of one address at most */

enum device_op {
	/* On handles in ring slots. */
	DEVICE_READ = 1, /* handle, offset (DEVICE_STREAM: at its own position), bytes -> data */
	DEVICE_WRITE,    /* handle, offset (DEVICE_STREAM, DEVICE_APPEND), data -> result bytes */
	DEVICE_SYNC,     /* handle, flags DEVICE_DATA_ONLY */
	DEVICE_TRUNCATE, /* handle, offset = new size */
	DEVICE_ALLOCATE, /* handle, offset, length: posix_fallocate */
	DEVICE_POLL,     /* data: struct device_poll each; timeout_ns; -> data the same, with ready */
	DEVICE_SLEEP,    /* timeout_ns: a wait of real time */
	DEVICE_SHUTDOWN, /* handle, flags DEVICE_SHUT_READ | DEVICE_SHUT_WRITE */

	/* By the broker. path is relative, never absolute; `handle` is a directory. */
	DEVICE_OPEN,     /* handle, path, flags -> result handle; stat of what was opened */
	DEVICE_CLOSE,    /* handle */
	DEVICE_STAT,     /* handle -> stat */
	DEVICE_STAT_AT,  /* handle, path, flags DEVICE_FOLLOW -> stat */
	DEVICE_TIMES,    /* handle: access_ns, modify_ns, flags */
	DEVICE_TIMES_AT, /* handle, path, DEVICE_FOLLOW */
	DEVICE_MKDIR,    /* handle, path */
	DEVICE_UNLINK,   /* handle, path */
	DEVICE_RMDIR,    /* handle, path */
	DEVICE_RENAME,   /* handle, path -> handle2, path2 */
	DEVICE_LINK,     /* handle, path -> handle2, path2; DEVICE_FOLLOW */
	DEVICE_SYMLINK,  /* handle, path = the new name, path2 = what it says */
	DEVICE_READLINK, /* handle, path -> data */
	DEVICE_LIST,     /* handle, offset = first entry -> data: struct device_entry records, as many as
	                    fit in `bytes`, sorted by name, "." and ".." included; result = entries; 0 at the end */
	DEVICE_CLOCK,    /* flags = DEVICE_CLOCK_*: -> now_ns */
	DEVICE_ENTROPY,  /* bytes -> data */

	/* Networks, by the broker. An address rule, a listener and a resolver are
	 * handles it holds; what CONNECT and ACCEPT give is a stream in a slot: read,
	 * written, polled and shut down like any other. Addresses are texts,
	 * "192.0.2.1:80", "[2001:db8::1]:80", "unix:/path"; words are theirs only at
	 * the broker, which checks the rule on the *resolved* address. */
	DEVICE_CONNECT, /* handle = a rule, path = "HOST:PORT" that it allows; empty: the only one it
	                   names -> result handle; data: the peer's address */
	DEVICE_ACCEPT,  /* handle = a listener -> result handle; data: the peer's address. Ends with
	                   DEVICE_EAGAIN under DEVICE_NONBLOCK, else waits */
	DEVICE_RESOLVE, /* handle = a resolver or rule, path = a name it allows -> data: addresses
	                   without ports, each ended by a line feed; result = how many */
	DEVICE_ADDRESS, /* handle = a connection or listener, flags DEVICE_PEER -> data: its address */
	DEVICE_NARROW,  /* handle = a rule, path = the narrower pattern -> result handle: a rule that
	                   allows less; -DEVICE_ECAPABILITY when it would allow more */
	DEVICE_OP_COUNT
};

enum device_flag {
	DEVICE_FOLLOW = 1 << 0,      /* the last name may be a symbolic link to follow */
	DEVICE_DATA_ONLY = 1 << 1,   /* fdatasync */
	DEVICE_CREATE = 1 << 2,
	DEVICE_EXCLUSIVE = 1 << 3,
	DEVICE_TRUNC = 1 << 4,
	DEVICE_DIRECTORY = 1 << 5,   /* must be a directory */
	DEVICE_FOR_READ = 1 << 6,
	DEVICE_FOR_WRITE = 1 << 7,
	DEVICE_APPENDING = 1 << 8,
	DEVICE_SHUT_READ = 1 << 9,
	DEVICE_SHUT_WRITE = 1 << 10,
	DEVICE_SET_ACCESS = 1 << 11, /* access_ns is to be set */
	DEVICE_SET_MODIFY = 1 << 12,
	DEVICE_ACCESS_NOW = 1 << 13,
	DEVICE_MODIFY_NOW = 1 << 14,
	DEVICE_CLOCK_REAL = 1 << 15, /* else monotonic */
	DEVICE_NONBLOCK = 1 << 16,   /* a read, write or accept that would wait ends with DEVICE_EAGAIN */
	DEVICE_PEER = 1 << 17,       /* DEVICE_ADDRESS: the other end's */
};

#define DEVICE_STREAM UINT64_MAX       /* offset: the stream's own position */
#define DEVICE_FOREVER UINT64_MAX      /* timeout_ns */

/* What went wrong outside. WASI's errno and the report map from these. ORDER
 * DEVICE_ERRORS: stored in journals, append only. */
enum device_error {
	DEVICE_OK,
	DEVICE_EPERM, DEVICE_ENOENT, DEVICE_EIO, DEVICE_EBADF, DEVICE_EAGAIN, DEVICE_ENOMEM,
	DEVICE_EACCES, DEVICE_EBUSY, DEVICE_EEXIST, DEVICE_EXDEV, DEVICE_ENOTDIR, DEVICE_EISDIR,
	DEVICE_EINVAL, DEVICE_ENFILE, DEVICE_EMFILE, DEVICE_EFBIG, DEVICE_ENOSPC, DEVICE_ESPIPE,
	DEVICE_EROFS, DEVICE_EMLINK, DEVICE_EPIPE, DEVICE_ENAMETOOLONG, DEVICE_ENOTEMPTY,
	DEVICE_ELOOP, DEVICE_EOVERFLOW, DEVICE_ENOTSUP, DEVICE_ECANCELED, DEVICE_ETIMEDOUT,
	DEVICE_ECONNRESET, DEVICE_ENOTCONN, DEVICE_EDQUOT, DEVICE_ETXTBSY,
	DEVICE_EREVOKED,     /* the handle was emptied by a broker cut */
	DEVICE_ECAPABILITY,  /* the broker refused: outside the grant (`..`, a link out, a mount) */
	DEVICE_EUNSUITABLE,  /* neither a regular file nor a directory: refused (FIFO, device, socket) */
	DEVICE_ECONNREFUSED, DEVICE_ECONNABORTED, DEVICE_EHOSTUNREACH, DEVICE_ENETUNREACH,
	DEVICE_EADDRINUSE, DEVICE_EADDRNOTAVAIL,
	DEVICE_ENONAME,      /* the name has no address */
	DEVICE_ERROR_COUNT
};

enum device_file_type {
	DEVICE_TYPE_UNKNOWN, DEVICE_TYPE_FILE, DEVICE_TYPE_DIRECTORY, DEVICE_TYPE_SYMLINK,
	DEVICE_TYPE_CHARACTER, DEVICE_TYPE_BLOCK, DEVICE_TYPE_SOCKET, DEVICE_TYPE_FIFO,
};

struct device_stat {
	uint64_t inode, links, bytes;
	uint64_t access_ns, modify_ns, change_ns;
	uint8_t type; /* enum device_file_type */
};

struct device_poll {
	uint32_t handle;
	uint8_t want, ready; /* bit 0 read, bit 1 write; ready also bit 2 error, bit 3 hang-up */
	uint16_t readable;   /* bytes that can be read at once, if known; at most so many */
};
_Static_assert(DEVICE_POLLS_MAX * sizeof(struct device_poll) <= DEVICE_PIECE_BYTES, "in one piece");

/* One entry of DEVICE_LIST's data, packed: this, then `name_bytes` of name. */
struct device_entry {
	uint64_t inode;
	uint32_t name_bytes;
	uint8_t type;
};
enum { DEVICE_ENTRY_BYTES = 13 }; /* 8 + 4 + 1, little-endian, then the name */

struct device_request {
	uint64_t id;          /* given by the kernel, never used again in one world */
	enum device_op op;
	uint32_t flags;
	uint32_t handle, handle2;
	uint64_t offset, length;
	uint32_t bytes;       /* how many to read at most */
	const uint8_t *data;  /* what to write, the poll list; the device copies it at submit */
	uint32_t data_bytes;
	const char *path, *path2; /* not terminated; copied at submit */
	uint32_t path_bytes, path2_bytes;
	uint64_t access_ns, modify_ns, timeout_ns;
};

struct device_completion {
	uint64_t id;
	int64_t result;        /* >= 0, or -(enum device_error) */
	const uint8_t *data;   /* the device's until device_done(id) */
	uint32_t data_bytes;
	struct device_stat stat;
	uint64_t now_ns;
};

struct device {
	/* Takes the request: 0; -DEVICE_EAGAIN when no staging piece is free now
	 * (nothing was taken; submit again after the next completion). The kernel
	 * has charged the bank for the piece. */
	int (*submit)(struct device *device, const struct device_request *request);
	/* Asks that it end soon; its completion still comes (DEVICE_ECANCELED, or
	 * what it came to before). */
	void (*cancel)(struct device *device, uint64_t id);
	/* The next completion, if there is one. With `wait`, blocks until there is
	 * one or the world is poked (control, signal): then false. */
	bool (*reap)(struct device *device, bool wait, struct device_completion *ret_completion);
	/* The completion's data is no longer needed. */
	void (*done)(struct device *device, uint64_t id);
};
