/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - opens, stats and times beneath a handle; which operation is whose.
 *
 * Every path is resolved by openat2 with RESOLVE_BENEATH, NO_MAGICLINKS and
 * NO_XDEV. A try that loses against a rename (EAGAIN) is made again, at most 8
 * times. What leaves the grant is DEVICE_ECAPABILITY, what a read-only grant
 * forbids is DEVICE_EROFS: programs know a read-only file system. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "drivers/broker/ask.h"
#include "drivers/broker/net.h"

enum { OPEN_TRIES = 8 };

/* A descriptor or -device_error. */
int
path_open(int dir, const char *path, uint64_t flags, uint64_t mode)
{
	const struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd = -1;

	if (!path[0])
		return -DEVICE_ENOENT;
	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	if (errno == EXDEV)
		return -DEVICE_ECAPABILITY;
	return -(int)device_error_of(errno == EAGAIN ? EBUSY : errno);
}

/* --- stat ---------------------------------------------------------------------------- */

static uint64_t
ns_of(const struct timespec *time)
{
	if (time->tv_sec < 0)
		return 0;
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

static uint8_t
type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return DEVICE_TYPE_FILE;
	case S_IFDIR:
		return DEVICE_TYPE_DIRECTORY;
	case S_IFLNK:
		return DEVICE_TYPE_SYMLINK;
	case S_IFCHR:
		return DEVICE_TYPE_CHARACTER;
	case S_IFBLK:
		return DEVICE_TYPE_BLOCK;
	case S_IFSOCK:
		return DEVICE_TYPE_SOCKET;
	case S_IFIFO:
		return DEVICE_TYPE_FIFO;
	default:
		return DEVICE_TYPE_UNKNOWN;
	}
}

static void
stat_copy(struct device_stat *ret_stat, const struct stat *from)
{
	*ret_stat = (struct device_stat){
		.inode = from->st_ino,
		.links = from->st_nlink,
		.bytes = from->st_size > 0 ? (uint64_t)from->st_size : 0,
		.access_ns = ns_of(&from->st_atim),
		.modify_ns = ns_of(&from->st_mtim),
		.change_ns = ns_of(&from->st_ctim),
		.type = type_of(from->st_mode),
	};
}

static int64_t
stat_of(struct wire_reply *reply, int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return ask_answer(-1);
	stat_copy(&reply->stat, &stat);
	return 0;
}

static int64_t
serve_stat(struct ask *ask)
{
	if (ask->handle->fd < 0) { /* a rule, or a connection without a descriptor here */
		ask->reply->stat.type = DEVICE_TYPE_SOCKET;
		return 0;
	}
	return stat_of(ask->reply, ask->handle->fd);
}

/* O_PATH opens what the name says and runs nothing of it, so even a FIFO or a
 * device can be asked. */
static int
look(struct ask *ask)
{
	const uint64_t follow = ask->request->flags & DEVICE_FOLLOW ? 0 : O_NOFOLLOW;

	return path_open(ask->handle->fd, ask->path, O_PATH | follow, 0);
}

static int64_t
serve_stat_at(struct ask *ask)
{
	const int fd = look(ask);
	int64_t result;

	if (fd < 0)
		return fd;
	result = stat_of(ask->reply, fd);
	(void)close(fd);
	return result;
}

/* --- open ---------------------------------------------------------------------------- */

/* The access mode of an open, or -device_error when the rights forbid it. */
static int64_t
access_of(uint32_t flags, uint32_t rights)
{
	if (flags & DEVICE_FOR_READ && !(rights & BROKER_READ))
		return -DEVICE_ECAPABILITY;
	if (flags & (DEVICE_FOR_WRITE | DEVICE_TRUNC) && !(rights & BROKER_WRITE))
		return -DEVICE_EROFS;
	if (flags & DEVICE_FOR_WRITE)
		return flags & DEVICE_FOR_READ ? O_RDWR : O_WRONLY;
	/* Neither: to be looked at, synced or truncated only. */
	if (rights & BROKER_READ)
		return flags & DEVICE_TRUNC ? O_RDWR : O_RDONLY;
	return O_WRONLY;
}

/* Opens as asked; under a read-only grant, creating finds what is there. */
static int
open_flagged(struct ask *ask, uint64_t flags)
{
	const uint32_t asked = ask->request->flags;
	const bool create = asked & DEVICE_CREATE;
	const bool may = ask->handle->rights & BROKER_WRITE;
	int fd;

	if (create && may)
		flags |= O_CREAT | (asked & DEVICE_EXCLUSIVE ? O_EXCL : 0);
	fd = path_open(ask->handle->fd, ask->path, flags, create && may ? 0666 : 0);
	if (!create || may)
		return fd;
	if (fd >= 0 && asked & DEVICE_EXCLUSIVE) {
		(void)close(fd);
		return -DEVICE_EEXIST;
	}
	return fd == -DEVICE_ENOENT ? -DEVICE_EROFS : fd;
}

/* Regular files and directories only. A regular file loses O_NONBLOCK, which
 * would make the ring answer EAGAIN on file systems that cannot say "not now". */
static int
opened_check(int fd, const struct stat *stat, uint32_t asked)
{
	if (S_ISDIR(stat->st_mode))
		return asked & DEVICE_FOR_WRITE ? DEVICE_EISDIR : 0;
	if (!S_ISREG(stat->st_mode))
		return DEVICE_EUNSUITABLE;
	return fcntl(fd, F_SETFL, 0) < 0 ? (int)device_error_of(errno) : 0;
}

static int64_t
open_finish(struct ask *ask, int fd)
{
	const uint32_t asked = ask->request->flags;
	struct stat stat;
	uint16_t mode;
	int error, number;

	if (fstat(fd, &stat) < 0)
		error = (int)device_error_of(errno);
	else
		error = opened_check(fd, &stat, asked);
	if (error) {
		(void)close(fd);
		return -error;
	}
	stat_copy(&ask->reply->stat, &stat);
	if (S_ISDIR(stat.st_mode))
		mode = (uint16_t)(WIRE_MODE_DIRECTORY |
				 (ask->handle->rights & BROKER_READ ? WIRE_MODE_READ : 0) |
				 (ask->handle->rights & BROKER_WRITE ? WIRE_MODE_WRITE : 0));
	else
		mode = (uint16_t)(WIRE_MODE_REGULAR | ask->broker->grants[ask->handle->grant].slow |
				 (asked & DEVICE_FOR_READ ? WIRE_MODE_READ : 0) |
				 (asked & DEVICE_FOR_WRITE ? WIRE_MODE_WRITE : 0));
	mode |= handle_mode(ask->broker, mode);
	number = handle_open(ask->broker, fd, mode, ask->handle->rights, ask->handle->grant);
	if (number < 0)
		return -(int64_t)device_error_of(-number);
	ask->reply->mode = mode;
	ask->broker->grants[ask->handle->grant].counts.opens++;
	return number;
}

static int64_t
serve_open(struct ask *ask)
{
	const uint32_t asked = ask->request->flags;
	const int64_t access = access_of(asked, ask->handle->rights);
	uint64_t flags = O_NONBLOCK | O_NOCTTY;
	int fd;

	if (access < 0)
		return access;
	flags |= (uint64_t)access;
	flags |= asked & DEVICE_FOLLOW ? 0 : O_NOFOLLOW;
	flags |= asked & DEVICE_TRUNC ? O_TRUNC : 0;
	flags |= asked & DEVICE_DIRECTORY ? O_DIRECTORY : 0;
	if (asked & DEVICE_DIRECTORY && asked & DEVICE_CREATE)
		return -DEVICE_EINVAL;
	if (!handle_left(ask->broker))
		return -DEVICE_EMFILE; /* before anything is created or truncated */
	fd = open_flagged(ask, flags);
	return fd < 0 ? fd : open_finish(ask, fd);
}

static int64_t
serve_close(struct ask *ask)
{
	handle_close(ask->broker, ask->request->handle);
	return 0;
}

static int64_t
serve_transfer(struct ask *ask)
{
	return waits_transfer(ask->broker, ask->handle, ask->request, &ask->reply->data_bytes);
}

static int64_t
serve_poll(struct ask *ask)
{
	return waits_poll(ask->broker, ask->request, &ask->reply->data_bytes);
}

static int64_t
serve_sleep(struct ask *ask)
{
	return waits_sleep(ask->broker, ask->request);
}

/* Before Linux 6.9 the ring cannot. */
static int64_t
serve_truncate(struct ask *ask)
{
	if (ask->handle->mode & WIRE_MODE_BROKERED)
		return serve_transfer(ask);
	if (!(ask->handle->mode & WIRE_MODE_REGULAR) || ask->request->offset > INT64_MAX)
		return -DEVICE_EINVAL;
	return ask_answer(ftruncate(ask->handle->fd, (off_t)ask->request->offset));
}

static int64_t
serve_sync(struct ask *ask)
{
	int64_t result;
	int fd;

	if (!(ask->handle->mode & WIRE_MODE_DIRECTORY))
		return serve_transfer(ask);
	/* A handle on a directory may be O_PATH, which cannot be synced. */
	fd = openat(ask->handle->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ask_answer(-1);
	result = ask_answer(ask->request->flags & DEVICE_DATA_ONLY ? fdatasync(fd) : fsync(fd));
	(void)close(fd);
	return result;
}

/* --- times ----------------------------------------------------------------------------- */

static struct timespec
time_of(uint32_t flags, uint32_t set, uint32_t now, uint64_t ns)
{
	if (flags & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (flags & set)
		return (struct timespec){
			.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
	return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int64_t
times_set(const struct ask *ask, int fd)
{
	const struct wire_request *request = ask->request;
	const struct timespec times[2] = {
		time_of(request->flags, DEVICE_SET_ACCESS, DEVICE_ACCESS_NOW, request->access_ns),
		time_of(request->flags, DEVICE_SET_MODIFY, DEVICE_MODIFY_NOW, request->modify_ns)};

	/* By descriptor, also of a link or a directory that is only O_PATH. */
	return ask_answer((int)syscall(SYS_utimensat, fd, "", times, AT_EMPTY_PATH));
}

static int64_t
serve_times(struct ask *ask)
{
	return times_set(ask, ask->handle->fd);
}

static int64_t
serve_times_at(struct ask *ask)
{
	const int fd = look(ask);
	int64_t result;

	if (fd < 0)
		return fd;
	result = times_set(ask, fd);
	(void)close(fd);
	return result;
}

static int64_t
serve_list(struct ask *ask)
{
	return list_serve(ask->broker, ask->handle, ask->request, &ask->reply->data_bytes);
}

static int64_t
serve_clock(struct ask *ask)
{
	struct timespec now;

	if (clock_gettime(
		    ask->request->flags & DEVICE_CLOCK_REAL ? CLOCK_REALTIME : CLOCK_MONOTONIC,
		    &now) < 0)
		return ask_answer(-1);
	ask->reply->now_ns = ns_of(&now);
	return 0;
}

static int64_t
serve_entropy(struct ask *ask)
{
	char bytes[256];
	uint32_t done = 0;

	/* By way of our own memory: the worker must not watch the generator write. */
	while (done < ask->request->bytes) {
		const uint32_t left = ask->request->bytes - done;
		const ssize_t got = getrandom(bytes, left < sizeof bytes ? left : sizeof bytes, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ask_answer(-1);
		memcpy(ask_piece(ask) + done, bytes, (size_t)got);
		done += (uint32_t)got;
	}
	ask->reply->data_bytes = done;
	return done;
}

/* --- one request ------------------------------------------------------------------------ */

enum { ON_DIR = 1, ON_ANY = 2, ON_TWO = 4, CHANGES = 8 };

static const struct row {
	int64_t (*serve)(struct ask *ask);
	uint8_t needs;
} rows[DEVICE_OP_COUNT] = {
	[DEVICE_READ] = {serve_transfer, ON_ANY},
	[DEVICE_WRITE] = {serve_transfer, ON_ANY},
	[DEVICE_SYNC] = {serve_sync, ON_ANY},
	[DEVICE_ALLOCATE] = {serve_transfer, ON_ANY},
	[DEVICE_TRUNCATE] = {serve_truncate, ON_ANY},
	[DEVICE_SHUTDOWN] = {serve_transfer, ON_ANY},
	[DEVICE_POLL] = {serve_poll, 0},
	[DEVICE_SLEEP] = {serve_sleep, 0},
	[DEVICE_OPEN] = {serve_open, ON_DIR},
	[DEVICE_CLOSE] = {serve_close, 0}, /* also a handle that was cut */
	[DEVICE_STAT] = {serve_stat, ON_ANY},
	[DEVICE_STAT_AT] = {serve_stat_at, ON_DIR},
	[DEVICE_TIMES] = {serve_times, ON_ANY | CHANGES},
	[DEVICE_TIMES_AT] = {serve_times_at, ON_DIR | CHANGES},
	[DEVICE_MKDIR] = {names_mkdir, ON_DIR | CHANGES},
	[DEVICE_UNLINK] = {names_unlink, ON_DIR | CHANGES},
	[DEVICE_RMDIR] = {names_rmdir, ON_DIR | CHANGES},
	[DEVICE_RENAME] = {names_rename, ON_DIR | ON_TWO | CHANGES},
	[DEVICE_LINK] = {names_link, ON_DIR | ON_TWO | CHANGES},
	[DEVICE_SYMLINK] = {names_symlink, ON_DIR | CHANGES},
	[DEVICE_READLINK] = {names_readlink, ON_DIR},
	[DEVICE_LIST] = {serve_list, ON_DIR},
	[DEVICE_CLOCK] = {serve_clock, 0},
	[DEVICE_ENTROPY] = {serve_entropy, 0},
	[DEVICE_CONNECT] = {net_connect, ON_ANY},
	[DEVICE_ACCEPT] = {net_accept, ON_ANY},
	[DEVICE_RESOLVE] = {net_resolve, ON_ANY},
	[DEVICE_ADDRESS] = {net_address, ON_ANY},
	[DEVICE_NARROW] = {net_narrow, ON_ANY},
};

/* 0 or a device_error. */
static int
handle_find(struct ask *ask, uint32_t number, uint8_t needs, struct broker_handle **ret_handle)
{
	int error;

	*ret_handle = handle_get(ask->broker, number, &error);
	if (!*ret_handle)
		return error;
	if (needs & ON_DIR && !((*ret_handle)->mode & WIRE_MODE_DIRECTORY))
		return DEVICE_ENOTDIR;
	if (needs & CHANGES && !((*ret_handle)->rights & BROKER_WRITE))
		return DEVICE_EROFS;
	return 0;
}

static int64_t
ask_serve(struct ask *ask, const struct row *row)
{
	const struct wire_request *request = ask->request;
	int error = row->serve ? 0 : DEVICE_ENOTSUP;

	if (!error && row->needs)
		error = handle_find(ask, request->handle, row->needs, &ask->handle);
	if (!error && row->needs & ON_TWO)
		error = handle_find(ask, request->handle2, row->needs, &ask->handle2);
	if (!error && request->op == DEVICE_CLOSE &&
		(request->handle < WIRE_SLOT_FIRST ||
			request->handle >= ask->broker->handles_count ||
			ask->broker->handles[request->handle].state == HANDLE_FREE))
		error = DEVICE_EBADF;
	return error ? -error : row->serve(ask);
}

bool
broker_is_missing(enum device_error error)
{
	return error == DEVICE_ENOENT || error == DEVICE_ENONAME || error == DEVICE_ETIMEDOUT ||
		error == DEVICE_EAGAIN;
}

void
refusal_tell(struct broker *broker, uint32_t index, enum device_op op, const char *path,
	enum device_error error, const char *why)
{
	const struct broker_hooks *hooks = broker->hooks;
	struct grant *grant = &broker->grants[index];

	if (broker_is_missing(error))
		grant->counts.missing++;
	else
		grant->counts.denied++;
	if (hooks && hooks->refused)
		hooks->refused(hooks->user, grant->wire.id, op, path, strlen(path), error, why);
}

/* Counts, and tells, what was refused or not there. */
static void
audit(struct ask *ask, int64_t result)
{
	const enum device_error error = (enum device_error) - result;
	const char *why = ask->why[0] ? ask->why : NULL;

	if (ask->handle && why && ask->request->op == DEVICE_CONNECT && !broker_is_missing(error))
		ask->broker->grants[ask->handle->grant].counts.conns_refused++;
	if (ask->handle && (error == DEVICE_ENOENT || error == DEVICE_ECAPABILITY ||
				   error == DEVICE_EROFS || error == DEVICE_EUNSUITABLE || why))
		refusal_tell(ask->broker, ask->handle->grant, (enum device_op)ask->request->op,
			ask->path, error, why);
}

void
files_serve(struct broker *broker, const struct wire_request *request, const char *path,
	const char *path2, struct wire_reply *reply)
{
	struct ask ask = {
		.broker = broker, .request = request, .path = path, .path2 = path2, .reply = reply};

	reply->result = ask_serve(&ask, &rows[request->op]);
	if (reply->result == ASK_LATER)
		return;
	if (reply->result < 0)
		audit(&ask, reply->result);
	if (ask.why[0])
		reply_words(reply, ask.why);
}
