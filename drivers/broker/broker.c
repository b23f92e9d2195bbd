/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/staging.h"
#include "kernel/base/fits.h"

enum { HANDLES_DEFAULT = 1024, HANDLES_SPARE = 64, WORDS_MAX = 64 << 20 };

/* --- made and unmade ------------------------------------------------------------ */

static void
fd_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

/* Every handle is a descriptor of ours, so the soft limit goes up to the hard
 * one; what is left then bounds the table. */
static uint32_t
handles_bound(uint32_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur < limit.rlim_max) {
		const rlim_t soft = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = soft;
	}
	if (limit.rlim_cur <= HANDLES_SPARE * 2)
		return HANDLES_SPARE;
	return (uint32_t)min_u64(wanted, limit.rlim_cur - HANDLES_SPARE);
}

static int
events_make(struct broker *broker)
{
	int error;

	/* Non-blocking for our sake: the worker may have filled either counter. */
	broker->broker_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	broker->worker_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (broker->broker_event < 0 || broker->worker_event < 0)
		return -errno;
	error = slot_set(broker, WIRE_SLOT_BROKER, broker->broker_event);
	return error ? error : slot_set(broker, WIRE_SLOT_WORKER, broker->worker_event);
}

int
broker_new(const struct broker_config *config, struct report *report, struct broker **ret_broker)
{
	const uint32_t wanted = config->handles_max ? config->handles_max : HANDLES_DEFAULT;
	struct broker *broker = calloc(1, sizeof *broker);
	int error;

	if (!broker)
		return -ENOMEM;
	broker->ring_fd = broker->shared_fd = broker->store_fd = broker->pid_fd = -1;
	broker->broker_event = broker->worker_event = -1;
	broker->store_bytes = round_up(config->store_bytes, 4096);
	broker->handles_count = handles_bound(wanted + WIRE_SLOT_FIRST);
	broker->handles = calloc(broker->handles_count, sizeof *broker->handles);
	error = broker->handles ? 0 : -ENOMEM;
	for (uint32_t i = broker->handles_count; !error && i-- > WIRE_SLOT_FIRST;) {
		broker->handles[i].fd = -1;
		broker->handles[i].next = broker->handle_free;
		broker->handle_free = i;
	}
	if (!error)
		error = fence_make(broker, broker->handles_count, report);
	if (!error) {
		error = events_make(broker);
		if (error)
			report_say(report, UINT64_MAX, "making eventfds: %s", strerror(-error));
	}
	if (error) {
		broker_free(broker);
		return error;
	}
	*ret_broker = broker;
	return 0;
}

void
broker_free(struct broker *broker)
{
	if (!broker)
		return;
	if (broker->worker && !broker->exited) {
		broker_kill(broker);
		while (waitpid(broker->worker, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (uint32_t i = WIRE_SLOT_FIRST; broker->handles && i < broker->handles_count; i++)
		if (broker->handles[i].state != HANDLE_FREE)
			handle_close(broker, i);
	for (uint32_t i = 0; i < broker->passed_count; i++)
		fd_close(broker->passed[i]);
	if (broker->shared)
		(void)munmap(broker->shared, broker->layout.bytes);
	fd_close(broker->ring_fd);
	fd_close(broker->shared_fd);
	fd_close(broker->store_fd);
	fd_close(broker->pid_fd);
	fd_close(broker->broker_event);
	fd_close(broker->worker_event);
	free(broker->handles);
	free(broker->words);
	free(broker->record);
	free(broker);
}

/* --- the shared memory ------------------------------------------------------------ */

static void
layout_make(struct broker *broker)
{
	struct wire_start *layout = &broker->layout;
	uint64_t at = 4096;

#define PLACE(field, size) (layout->field = at, at = round_up(at + (uint64_t)(size), 4096))
	PLACE(requests_at, WIRE_REQUESTS * sizeof(struct wire_request));
	PLACE(replies_at, WIRE_REPLIES * sizeof(struct wire_reply));
	PLACE(grants_at, WIRE_GRANTS * sizeof(struct wire_grant));
	PLACE(trail_at, WIRE_TRAIL_BYTES);
	PLACE(record_at, WIRE_RECORD_BYTES);
	PLACE(words_at, broker->words_bytes);
	PLACE(staging_at, STAGING_BYTES);
#undef PLACE
	layout->bytes = at;
	layout->magic = WIRE_MAGIC;
	layout->version = WIRE_VERSION;
	layout->handles_count = broker->handles_count;
	layout->words_bytes = broker->words_bytes;
	layout->store_bytes = broker->store_bytes;
	layout->ops = broker->ops;
	layout->grants_count = broker->grants_count;
	layout->passed_count = broker->passed_count;
	layout->ring = (struct wire_ring){
		.sq_entries = broker->ring.sq_entries,
		.cq_entries = broker->ring.cq_entries,
		.features = broker->ring.features,
		.sq_head = broker->ring.sq_off.head,
		.sq_tail = broker->ring.sq_off.tail,
		.sq_mask = broker->ring.sq_off.ring_mask,
		.sq_flags = broker->ring.sq_off.flags,
		.sq_array = broker->ring.sq_off.array,
		.cq_head = broker->ring.cq_off.head,
		.cq_tail = broker->ring.cq_off.tail,
		.cq_mask = broker->ring.cq_off.ring_mask,
		.cq_cqes = broker->ring.cq_off.cqes,
	};
}

static int
memfd_make(const char *name, uint64_t bytes)
{
	const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	/* Sealed, so that nobody who has it can shrink it under our mapping. */
	if (ftruncate(fd, (off_t)bytes) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		const int error = errno;

		(void)close(fd);
		return -error;
	}
	return fd;
}

int
shared_make(struct broker *broker, struct report *report)
{
	uint8_t *shared;

	layout_make(broker);
	broker->shared_fd = memfd_make("keyhold-shared", broker->layout.bytes);
	if (broker->shared_fd >= 0 && broker->store_bytes)
		broker->store_fd = memfd_make("keyhold-pages", broker->store_bytes);
	if (broker->shared_fd < 0 || (broker->store_bytes && broker->store_fd < 0)) {
		report_say(report, UINT64_MAX, "making shared memory: %s",
			strerror(broker->shared_fd < 0 ? -broker->shared_fd : -broker->store_fd));
		return -ENOMEM;
	}
	shared = mmap(NULL, broker->layout.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		broker->shared_fd, 0);
	if (shared == MAP_FAILED) {
		report_say(report, UINT64_MAX, "mapping shared memory: %s", strerror(errno));
		return -errno;
	}
	broker->shared = shared;
	memcpy(shared, &broker->layout, sizeof broker->layout);
	for (uint32_t i = 0; i < broker->grants_count; i++)
		memcpy(shared + broker->layout.grants_at + i * sizeof(struct wire_grant),
			&broker->grants[i].wire, sizeof(struct wire_grant));
	if (broker->words_bytes)
		memcpy(shared + broker->layout.words_at, broker->words, broker->words_bytes);
	broker->start = (struct wire_start *)(void *)shared;
	return 0;
}

/* --- root grants -------------------------------------------------------------------- */

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
		return major(stat->st_rdev) == 1 ||
		       (stat->st_rdev != makedev(5, 2) && isatty(fd));
	return S_ISREG(stat->st_mode);
}

/* A slot lets the worker do what the open file allows, whatever the rights say.
 * So a descriptor that allows more is opened again with less. Takes *fd and
 * gives another; left as it is where that cannot be (a socket). */
static int
narrow(int *fd, uint32_t rights, const struct stat *stat, int flags)
{
	char self[32];
	int less;

	if ((flags & O_ACCMODE) == access_of(rights) || !opens_again(*fd, stat))
		return 0;
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", *fd);
	less = open(self, access_of(rights) | (flags & O_APPEND) | O_NOCTTY | O_CLOEXEC);
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
fd_fit(int *fd, uint32_t rights, const struct stat *stat, struct report *report)
{
	const int flags = fcntl(*fd, F_GETFL);
	const int access = flags & O_ACCMODE;
	int error;

	if (flags < 0)
		return -errno;
	if (rights & BROKER_READ && access == O_WRONLY) {
		report_say(report, UINT64_MAX, "reading is granted on what was opened only to write");
		return -EACCES;
	}
	if (rights & (BROKER_WRITE | BROKER_APPEND) && access == O_RDONLY) {
		report_say(report, UINT64_MAX, "writing is granted on what was opened only to read");
		return -EACCES;
	}
	error = narrow(fd, rights, stat, flags);
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

static int
grant_make(struct broker *broker, int fd, uint32_t rights, enum device_file_type type, uint8_t mode,
	struct report *report, struct broker_grant *ret_grant)
{
	const uint32_t index = broker->grants_count;
	struct grant *grant = &broker->grants[index % WIRE_GRANTS];
	struct wire_grant *wire = &grant->wire;
	int number = -EMFILE;

	if (index == WIRE_GRANTS) {
		(void)close(fd);
	} else {
		grant->slow = slow_of(fd);
		mode |= grant->slow;
		*wire = (struct wire_grant){
			.id = index + 1, .rights = rights, .mode = mode, .type = type};
		number = handle_open(broker, fd, mode, rights, index);
	}
	if (number < 0) {
		report_say(report, UINT64_MAX, "granting: %s (at most %d grants, %u handles)",
			strerror(-number), WIRE_GRANTS, broker->handles_count - WIRE_SLOT_FIRST);
		return number;
	}
	wire->handle = (uint32_t)number;
	broker->grants_count++;
	*ret_grant = (struct broker_grant){
		.id = wire->id, .handle = wire->handle, .rights = rights, .type = type};
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
		fd_close(fd);
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
		fd_close(fd);
		return -EINVAL;
	}
	error = fd_fit(&fd, rights, &stat, report);
	if (error) {
		fd_close(fd);
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
		error = fd_fit(&fd, rights, &stat, report);
	if (error) {
		fd_close(fd);
		return error;
	}
	return grant_make(broker, fd, rights, type_of(stat.st_mode),
		(uint8_t)(mode_of(rights) |
			  (S_ISREG(stat.st_mode) ? WIRE_MODE_REGULAR | brokered_of(rights) : 0)), report,
		ret_grant);
}

bool
broker_counts(const struct broker *broker, uint32_t grant_id, struct broker_counts *ret_counts)
{
	if (grant_id == 0 || grant_id > broker->grants_count)
		return false;
	*ret_counts = broker->grants[grant_id - 1].counts;
	return true;
}

/* --- for the worker ------------------------------------------------------------------ */

int
broker_pass(struct broker *broker, int fd)
{
	if (broker->passed_count == WIRE_PASSED_MAX) {
		fd_close(fd);
		return -EMFILE;
	}
	broker->passed[broker->passed_count] = fd;
	return (int)broker->passed_count++;
}

int
broker_words(struct broker *broker, const void *words, size_t bytes)
{
	if (broker->words || broker->shared)
		return -EEXIST;
	if (bytes > WORDS_MAX)
		return -E2BIG;
	broker->words = malloc(bytes ? bytes : 1);
	if (!broker->words)
		return -ENOMEM;
	if (bytes)
		memcpy(broker->words, words, bytes);
	broker->words_bytes = bytes;
	return 0;
}

int
broker_watch(struct broker *broker, int fd, void (*fn)(void *arg), void *arg)
{
	if (broker->watches_count == WATCHES_MAX)
		return -ENOSPC;
	broker->watches[broker->watches_count++] = (struct watch){fd, fn, arg};
	return 0;
}

void
broker_unwatch(struct broker *broker, int fd)
{
	for (uint32_t i = 0; i < broker->watches_count; i++)
		if (broker->watches[i].fd == fd) {
			broker->watches[i] = broker->watches[--broker->watches_count];
			return;
		}
}

void
broker_deadline(struct broker *broker, uint64_t monotonic_ns)
{
	broker->deadline_ns = monotonic_ns;
}

pid_t
broker_worker(const struct broker *broker)
{
	return broker->worker;
}
