/* SPDX-License-Identifier: Apache-2.0 */
/* grant.c - root grants: what the host gives, made to fit what it is given for. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drivers/broker/impl.h"

static enum device_file_type
type_of(mode_t mode)
{
	if (S_ISREG(mode))
		return DEVICE_TYPE_FILE;
	if (S_ISDIR(mode))
		return DEVICE_TYPE_DIRECTORY;
	if (S_ISCHR(mode))
		return DEVICE_TYPE_CHARACTER;
	if (S_ISBLK(mode))
		return DEVICE_TYPE_BLOCK;
	if (S_ISSOCK(mode))
		return DEVICE_TYPE_SOCKET;
	return S_ISFIFO(mode) ? DEVICE_TYPE_FIFO : DEVICE_TYPE_UNKNOWN;
}

/* The access mode that the rights ask for. */
static int
access_of(uint32_t rights)
{
	if (!(rights & (BROKER_WRITE | BROKER_APPEND)))
		return O_RDONLY;
	return rights & BROKER_READ ? O_RDWR : O_WRONLY;
}

/* Can it be opened again and be the same? Not a socket or a pipe; of the
 * character devices terminals (but each open of /dev/ptmx is a new one) and
 * the likes of /dev/null. */
static bool
opens_again(int fd, const struct stat *stat)
{
	if (S_ISCHR(stat->st_mode))
		return major(stat->st_rdev) == 1 || (stat->st_rdev != makedev(5, 2) && isatty(fd));
	return S_ISREG(stat->st_mode);
}

/* A slot lets the worker do what the open file allows, whatever the rights say.
 * So a descriptor that allows more is opened again with less. Takes *fd and
 * gives another; left as it is where that cannot be (a socket). */
static int
narrow(const struct broker *broker, int *fd, uint32_t rights, const struct stat *stat, int flags)
{
	/* A broker that writes to a terminal itself must not wait there. */
	const bool unwaiting = broker->ringless && isatty(*fd);
	char self[32];
	int less;

	if (((flags & O_ACCMODE) == access_of(rights) && !unwaiting) || !opens_again(*fd, stat))
		return 0;
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", *fd);
	less = open(self, access_of(rights) | (flags & O_APPEND) | O_NOCTTY | O_CLOEXEC |
				  (unwaiting ? O_NONBLOCK : 0));
	if (less < 0)
		return S_ISREG(stat->st_mode) ? -errno : 0;
	if (S_ISREG(stat->st_mode))
		(void)lseek(less, lseek(*fd, 0, SEEK_CUR), SEEK_SET);
	(void)close(*fd);
	*fd = less;
	return 0;
}

/* Makes the descriptor fit the rights: what it cannot do is refused now, not
 * found out by the guest later; what it can do besides is taken away. */
static int
fd_fit(const struct broker *broker, int *fd, uint32_t rights, const struct stat *stat, struct report *report)
{
	const int flags = fcntl(*fd, F_GETFL);
	const int access = flags & O_ACCMODE;
	int error;

	if (flags < 0)
		return -errno;
	if (rights & BROKER_READ && access == O_WRONLY) {
		report_say(
			report, UINT64_MAX, "reading is granted on what was opened only to write");
		return -EACCES;
	}
	if (rights & (BROKER_WRITE | BROKER_APPEND) && access == O_RDONLY) {
		report_say(
			report, UINT64_MAX, "writing is granted on what was opened only to read");
		return -EACCES;
	}
	error = narrow(broker, fd, rights, stat, flags);
	if (error) {
		report_say(report, UINT64_MAX,
			"opened for more than is granted, and opening it with less: %s",
			strerror(-error));
		return error;
	}
	if (rights & BROKER_APPEND && !(rights & BROKER_WRITE) && !(flags & O_APPEND) &&
		fcntl(*fd, F_SETFL, flags | O_APPEND) < 0)
		return -errno;
	return 0;
}

/* Appending only: see transfer.c. */
static uint8_t
brokered_of(uint32_t rights)
{
	return rights & BROKER_APPEND && !(rights & BROKER_WRITE) ? WIRE_MODE_BROKERED : 0;
}

/* A file system in user space says that it can read without waiting, and then
 * waits, in the middle of io_uring_enter and with the ring locked (Linux 6.18).
 * Its reads are handed to the ring's own threads at once. */
static uint8_t
slow_of(int fd)
{
	struct statfs system;

	/* Only such a system does not answer at all. */
	return fstatfs(fd, &system) < 0 || system.f_type == FUSE_SUPER_MAGIC ? WIRE_MODE_SLOW : 0;
}

/* A place of its own while there is one, then that of one that was cut. WIRE_GRANTS:
 * all are in use. */
static uint32_t
place_take(const struct broker *broker)
{
	if (broker->grants_count < WIRE_GRANTS)
		return broker->grants_count;
	for (uint32_t i = 0; i < WIRE_GRANTS; i++)
		if (broker->grants[i].cut)
			return i;
	return WIRE_GRANTS;
}

struct grant *
grant_named(struct broker *broker, uint32_t id)
{
	struct grant *grant = &broker->grants[(id - 1) % WIRE_GRANTS];

	return id && grant->wire.id == id ? grant : NULL;
}

/* A worker that runs already has to know what it may do with the handle. */
static int
tell(struct broker *broker, uint32_t handle, uint32_t mode)
{
	const struct wire_reply reply = {.kind = WIRE_GRANTED, .tag = handle, .mode = mode};
	const int error = broker->start ? reply_send(broker, &reply) : 0;

	if (!error && broker->start)
		worker_wake(broker);
	return error;
}

int
grant_begin(struct broker *broker, const struct grant *as, struct report *report,
	struct grant *ret_before)
{
	const uint32_t index = place_take(broker);
	struct grant *grant = &broker->grants[index % WIRE_GRANTS];

	if (index == WIRE_GRANTS) {
		report_say(report, UINT64_MAX, "granting: at most %d grants", WIRE_GRANTS);
		return -EMFILE;
	}
	*ret_before = *grant;
	*grant = *as;
	grant->wire.id = ret_before->wire.id ? ret_before->wire.id + WIRE_GRANTS : index + 1;
	return (int)index;
}

int
grant_end(struct broker *broker, int index, int number, const struct grant *before,
	struct report *report, struct broker_grant *ret_grant)
{
	struct grant *grant = &broker->grants[index];
	const int error =
		number < 0 ? number : tell(broker, (uint32_t)number, broker->handles[number].mode);

	if (error) { /* as it was: a place that was cut stays one */
		if (number >= 0)
			handle_close(broker, (uint32_t)number);
		*grant = *before;
		report_say(report, UINT64_MAX, "granting: %s (at most %u handles)", strerror(-error),
			broker->handles_count - WIRE_SLOT_FIRST);
		return error;
	}
	grant->wire.handle = (uint32_t)number;
	grant->wire.mode = broker->handles[number].mode;
	broker->grants_count += (uint32_t)index == broker->grants_count;
	*ret_grant = (struct broker_grant){.id = grant->wire.id,
		.handle = grant->wire.handle,
		.rights = grant->wire.rights,
		.type = (enum device_file_type)grant->wire.type};
	return 0;
}

static int
grant_make(struct broker *broker, int fd, uint32_t rights, enum device_file_type type, uint16_t mode,
	struct report *report, struct broker_grant *ret_grant)
{
	const uint8_t slow = slow_of(fd);
	const struct grant as = {.slow = slow, .wire = {.rights = rights, .type = type}};
	struct grant before;
	const int index = grant_begin(broker, &as, report, &before);

	if (index < 0) {
		(void)close(fd);
		return index;
	}
	return grant_end(broker, index,
		handle_open(broker, fd, mode | slow, rights, (uint32_t)index), &before, report,
		ret_grant);
}

int
broker_expire(struct broker *broker, uint32_t grant_id, uint64_t deadline_ns)
{
	struct grant *grant = grant_named(broker, grant_id);

	if (!grant || grant->cut)
		return -ENOENT;
	grant->deadline_ns = deadline_ns;
	broker->deadlines |= deadline_ns != 0;
	return 0;
}

static uint8_t
mode_of(uint32_t rights)
{
	return (uint8_t)((rights & BROKER_READ ? WIRE_MODE_READ : 0) |
			 (rights & (BROKER_WRITE | BROKER_APPEND) ? WIRE_MODE_WRITE : 0));
}

int
broker_grant_dir(struct broker *broker, int fd, uint32_t rights, struct report *report,
	struct broker_grant *ret_grant)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0 || !S_ISDIR(stat.st_mode)) {
		report_say(report, UINT64_MAX, "not a directory");
		(void)close(fd);
		return -ENOTDIR;
	}
	return grant_make(broker, fd, rights, DEVICE_TYPE_DIRECTORY,
		mode_of(rights) | WIRE_MODE_DIRECTORY, report, ret_grant);
}

int
broker_grant_file(struct broker *broker, int fd, uint32_t rights, struct report *report,
	struct broker_grant *ret_grant)
{
	struct stat stat;
	int error;

	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
		report_say(report, UINT64_MAX, "not a regular file");
		(void)close(fd);
		return -EINVAL;
	}
	error = fd_fit(broker, &fd, rights, &stat, report);
	if (error) {
		(void)close(fd);
		return error;
	}
	return grant_make(broker, fd, rights, DEVICE_TYPE_FILE,
		mode_of(rights) | WIRE_MODE_REGULAR | brokered_of(rights), report, ret_grant);
}

int
broker_grant_stream(struct broker *broker, int fd, uint32_t rights, struct report *report,
	struct broker_grant *ret_grant)
{
	struct stat stat;
	int error = fstat(fd, &stat) < 0 ? -errno : 0;

	if (!error && S_ISDIR(stat.st_mode))
		error = -EISDIR;
	if (error)
		report_say(report, UINT64_MAX, "not a stream: %s", strerror(-error));
	else
		error = fd_fit(broker, &fd, rights, &stat, report);
	if (error) {
		(void)close(fd);
		return error;
	}
	return grant_make(broker, fd, rights, type_of(stat.st_mode),
		(uint16_t)(mode_of(rights) |
			  (S_ISREG(stat.st_mode) ? WIRE_MODE_REGULAR | brokered_of(rights) : 0) |
			  (S_ISSOCK(stat.st_mode) ? WIRE_MODE_SOCKET : 0)),
		report, ret_grant);
}

bool
broker_counts(const struct broker *broker, uint32_t grant_id, struct broker_counts *ret_counts)
{
	/* Cast: it is only looked at. */
	const struct grant *grant = grant_named((struct broker *)(uintptr_t)broker, grant_id);

	if (!grant)
		return false;
	*ret_counts = grant->counts;
	return true;
}

int
broker_root(const struct broker *broker, uint32_t index, uint32_t *ret_rights)
{
	const struct grant *grant = &broker->grants[index % WIRE_GRANTS];
	const struct broker_handle *handle = &broker->handles[grant->wire.handle];

	if (index >= broker->grants_count)
		return -ENOENT;
	*ret_rights = grant->wire.rights;
	return grant->wire.type == DEVICE_TYPE_DIRECTORY && handle->state == HANDLE_OPEN
		       ? handle->fd
		       : -ENOTDIR;
}

bool
broker_has_networks(const struct broker *broker)
{
	return broker->net;
}
