/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/broker/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/broker/net.h"
#include "drivers/staging.h"
#include "kernel/base/fits.h"

enum { HANDLES_DEFAULT = 32768, HANDLES_SPARE = 64, WORDS_MAX = 64 << 20, LISTINGS_MAX = 128 << 20 };

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
	if (broker->ringless)
		return 0;
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
	broker->listing_bytes_max = LISTINGS_MAX;
	/* Past a file size limit a write is short, then EFBIG; not our end. */
	(void)signal(SIGXFSZ, SIG_IGN);
	broker->store_bytes = round_up(config->store_bytes, 4096);
	broker->handles_count = handles_bound(wanted + WIRE_SLOT_FIRST);
	broker->handles = calloc(broker->handles_count, sizeof *broker->handles);
	error = broker->handles ? 0 : -ENOMEM;
	broker->handle_fresh = WIRE_SLOT_FIRST;
	broker->ringless = config->ringless;
	if (!error)
		error = waits_make(broker);
	if (!error && broker->ringless)
		(void)signal(SIGPIPE, SIG_IGN); /* we write what it writes */
	if (!error && !broker->ringless)
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
	net_end(broker);
	for (uint32_t i = WIRE_SLOT_FIRST; broker->handles && i < broker->handle_fresh; i++)
		if (broker->handles[i].state != HANDLE_FREE)
			handle_close(broker, i);
	waits_free(broker);
	keep_end(broker);
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
	PLACE(order_at, WIRE_ORDER_BYTES);
	PLACE(obeyed_at, WIRE_OBEYED_BYTES);
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
	layout->ringless = broker->ringless;
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
