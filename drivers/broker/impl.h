/* SPDX-License-Identifier: Apache-2.0 */
/* impl.h - what the broker's files share.
 *
 *   broker.c   made and unmade; the shared memory
 *   grant.c    root grants
 *   fence.c    the ring and what it is restricted to
 *   handle.c   the table of handles, slots filled and emptied
 *   spawn.c    the worker begins
 *   serve.c    the loop; messages copied, checked, answered
 *   files.c    opens, stats and times beneath a handle
 *   names.c    what directories hold
 *   list.c     listings
 *   transfer.c reads and writes of files that get no slot
 *   revoke.c   the cut that leaks nothing
 *
 * HANDLE1  a slot is filled only for a handle in state OPEN with a file that
 *          was checked to be regular, or was granted by the user himself.
 * HANDLE2  fd >= 0 exactly in state OPEN. A CUT number is not given out again
 *          until the worker closes it.
 * HANDLE3  a handle's rights are never more than its root grant's. */
#pragma once

#include <linux/io_uring.h>

#include "drivers/broker/broker.h"
#include "drivers/wire.h"

enum handle_state { HANDLE_FREE, HANDLE_OPEN, HANDLE_CUT };

struct listing;

struct broker_handle {
	int fd;
	uint8_t state; /* enum handle_state */
	uint8_t mode;  /* enum wire_mode */
	bool slotted;  /* the ring's slot holds the file */
	uint32_t rights;
	uint32_t grant; /* index */
	uint32_t next;  /* of the free ones; 0 ends */
	struct listing *listing;
};

struct grant {
	struct wire_grant wire;
	uint8_t slow; /* WIRE_MODE_SLOW or 0: of its file system, which openat2 never leaves */
	struct broker_counts counts;
	bool cut;
};

struct watch {
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

enum { WATCHES_MAX = 8, REVOKE_LIMIT_MS = 1000 };

struct broker {
	int ring_fd, shared_fd, store_fd;
	int broker_event, worker_event;
	int pid_fd;
	pid_t worker;
	struct io_uring_params ring;
	uint64_t ops;         /* what the kernel has of uring_ops.def */
	uint8_t *shared;
	struct wire_start *start; /* the shared one; read only for positions */
	struct wire_start layout; /* ours: what is believed */
	uint64_t store_bytes;
	uint8_t *words;
	uint64_t words_bytes;
	struct broker_handle *handles;
	uint32_t handles_count, handle_free;
	uint32_t handle_fresh; /* from here on never used, nor touched */
	struct grant grants[WIRE_GRANTS];
	uint32_t grants_count;
	int passed[WIRE_PASSED_MAX];
	uint32_t passed_count;
	struct watch watches[WATCHES_MAX];
	uint32_t watches_count;
	uint64_t deadline_ns;
	uint32_t requests_got, replies_put; /* ours: what is believed */
	const struct broker_hooks *hooks;
	const char *broken;   /* the rule of the protocol that was broken */
	bool cut_failed, ready, recorded, exited;
	uint8_t *record;
	size_t record_bytes;
	uint64_t listing_bytes, listing_bytes_max; /* held for all handles together */
	struct wire_request message; /* the copy that is looked at */
};

/* fence.c */
int fence_make(struct broker *broker, uint32_t handles_count, struct report *report);

/* broker.c */
int shared_make(struct broker *broker, struct report *report);

/* handle.c */
/* Takes fd; fills a slot with it (unless it is one for the broker alone). The handle's
 * number, or -errno: -EMFILE when the table is full. */
int handle_open(
	struct broker *broker, int fd, uint8_t mode, uint32_t rights, uint32_t grant);
bool handle_left(const struct broker *broker);
void handle_close(struct broker *broker, uint32_t number); /* FREE again */
struct broker_handle *handle_get(struct broker *broker, uint32_t number, int *ret_error);
int slot_set(struct broker *broker, uint32_t slot, int fd); /* -1 empties */

/* serve.c */
/* One turn: waits up to timeout_ms, then does what came. False: the worker ended. */
bool broker_turn(struct broker *broker, int timeout_ms);
void requests_take(struct broker *broker);
int reply_send(struct broker *broker, const struct wire_reply *reply);
void worker_wake(struct broker *broker);

/* files.c: the answer's result, stat and mode are filled in. */
void files_serve(struct broker *broker, const struct wire_request *request, const char *path,
	const char *path2, struct wire_reply *reply);
void stat_fill(struct device_stat *ret_stat, int fd);
int path_open(int dir, const char *path, uint64_t flags, uint64_t mode);

/* list.c */
int64_t list_serve(struct broker *broker, struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes);
void broker_listing_free(struct broker *broker, struct listing *listing);

/* transfer.c */
int64_t transfer_serve(struct broker *broker, const struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes);
