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
 *   transfer.c reads and writes of what gets no slot
 *   waits.c    asks whose answer must wait for something
 *   net*.c     networks: see net.h; keep.c: sockets without a descriptor of ours
 *   revoke.c   the cut that leaks nothing
 *   watchdog.c a worker that spins is ended
 *   order.c    orders of the tools, and their answers
 *
 * HANDLE1  a slot is filled only for a handle in state OPEN with a file that
 *          was checked to be regular, or was granted by the user himself.
 * HANDLE2  a handle in state OPEN has one of: a descriptor, a kept file
 *          (keep.c), a rule; one in another state none. A CUT number is not
 *          given out again until the worker closes it.
 * HANDLE3  a handle's rights are never more than its root grant's.
 * WAIT1    an ask that waits has had no answer; it gets exactly one.
 * WAIT2    no ask waits for a handle that is not open: who closes or cuts one
 *          ends them first (waits_end). */
#pragma once

#include <linux/io_uring.h>
#include <poll.h>

#include "drivers/broker/broker.h"
#include "drivers/wire.h"

enum handle_state { HANDLE_FREE, HANDLE_OPEN, HANDLE_CUT };

struct listing;
struct rule;
struct net;
struct keep;

struct broker_handle {
	int fd;
	uint8_t state; /* enum handle_state */
	uint16_t mode; /* enum wire_mode */
	bool slotted;  /* the ring's slot holds the file */
	uint32_t polled; /* this turn: 1 + its place among the files looked at; 0: none */
	bool kept;     /* the file is in the keep ring, and fd is -1 */
	bool conn;     /* a connection: counted at its grant */
	uint32_t rights;
	uint32_t grant; /* index */
	uint32_t next;  /* of the free ones; 0 ends */
	struct listing *listing;
	struct rule *rule; /* WIRE_MODE_RULE, WIRE_MODE_LISTENER: owned */
};

struct grant {
	struct wire_grant wire;
	uint8_t slow; /* WIRE_MODE_SLOW or 0: of its file system, which openat2 never leaves */
	struct broker_counts counts;
	bool cut;
	bool allow_private;   /* addresses that are not public may be reached by any name */
	uint32_t conns_max;   /* connections at once, those that are being made included; 0: no limit */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC: cut then; 0: never */
};

struct watch {
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

enum { WATCHES_MAX = 8, REVOKE_LIMIT_MS = 1000, POLLED_FIXED = 3 + WATCHES_MAX };

/* An ask that waits: for a file to be ready, for a time, or for one of several
 * files (DEVICE_POLL). Tried again when that has come. */
struct wait {
	uint32_t tag, op, handle; /* op 0: it has been answered */
	uint32_t flags, piece, bytes; /* as asked; what to try again with */
	uint64_t offset;
	uint64_t until_ns;    /* CLOCK_MONOTONIC; DEVICE_FOREVER */
	int16_t events;       /* of the handle; 0: it waits for no file of its own */
	struct device_poll *polls; /* DEVICE_POLL: ours, checked */
	uint32_t polls_count;
};

struct watchdog {
	uint64_t limit_ns; /* of processor time without a beat; 0: off */
	uint64_t next_ns;  /* CLOCK_MONOTONIC: when to look again */
	uint64_t used_ns;  /* the worker's processor time at its last beat */
	uint32_t beats;
};

struct broker {
	bool ringless;
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
	uint32_t order;       /* the serial of the last order ... */
	bool order_out;       /* ... which is not answered */
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
	struct net *net;      /* NULL: no network was granted */
	struct keep *keep;    /* NULL: not yet, or this kernel cannot */
	bool keep_tried;
	struct watchdog dog;
	bool deaf;            /* what is waited for cannot be polled any more */
	bool stuck;           /* it spins, and is to be ended */
	bool deadlines;       /* some grant has one */
	struct wire_request message; /* the copy that is looked at */
	struct wait *waits;   /* WIRE_ASKS; in the order they came */
	uint32_t waits_count;
	struct wire_request again; /* of an ask that is tried again; no text */
	struct pollfd *polled; /* of one turn: POLLED_FIXED, then the files of waits */
	uint32_t *polled_handles; /* which, from POLLED_FIXED on */
};

/* fence.c */
int fence_make(struct broker *broker, uint32_t handles_count, struct report *report);

/* broker.c */
int shared_make(struct broker *broker, struct report *report);

/* handle.c */
/* Takes fd; fills a slot with it (unless it is one for the broker alone). The handle's
 * number, or -errno: -EMFILE when the table is full. */
int handle_open(
	struct broker *broker, int fd, uint16_t mode, uint32_t rights, uint32_t grant);
bool handle_left(const struct broker *broker);
uint16_t handle_mode(const struct broker *broker, uint16_t mode); /* more bits of it */
void handle_close(struct broker *broker, uint32_t number); /* FREE again */
/* A handle without a file: a rule. Takes rule. */
int handle_open_rule(struct broker *broker, struct rule *rule, uint32_t rights, uint32_t grant);
/* Gives up what an open handle has, but not its number, nor its slot. */
void handle_let_go(struct broker *broker, uint32_t number);
/* Its file as a descriptor, for a moment or for good: hand it back. -errno. */
int handle_fd(struct broker *broker, uint32_t number);
void handle_fd_back(struct broker *broker, uint32_t number, int fd);
struct broker_handle *handle_get(struct broker *broker, uint32_t number, int *ret_error);
int slot_set(struct broker *broker, uint32_t slot, int fd); /* -1 empties */

/* grant.c: the grant of that id, cut or not; NULL */
struct grant *grant_named(struct broker *broker, uint32_t id);

/* order.c */
void obeyed_take(struct broker *broker, const struct wire_request *message);

/* serve.c */
/* One turn: waits up to timeout_ms, then does what came. False: the worker ended. */
bool broker_turn(struct broker *broker, int timeout_ms);
void requests_take(struct broker *broker);
/* -EAGAIN: no room; for what is no answer, none but what answers may need. */
int reply_send(struct broker *broker, const struct wire_reply *reply);
/* A WIRE_ANSWER, for which there is room, or the worker broke the protocol. */
void answer_send(struct broker *broker, const struct wire_reply *reply);
void worker_wake(struct broker *broker);

/* grant.c: a grant is made in two steps, between which its handle is opened. The
 * place, -EMFILE; `number` is the handle, or why there is none: then the place is
 * as it was before. */
int grant_begin(struct broker *broker, const struct grant *as, struct report *report,
	struct grant *ret_before);
int grant_end(struct broker *broker, int index, int number, const struct grant *before,
	struct report *report, struct broker_grant *ret_grant);
uint64_t broker_now_ns(void);

/* keep.c: files without a descriptor of ours. */
void keep_begin(struct broker *broker); /* whether it is there: broker->keep */
void keep_end(struct broker *broker);
int keep_put(struct broker *broker, uint32_t number, int fd); /* borrows fd; -1 empties */
int keep_get(struct broker *broker, uint32_t number);         /* a descriptor; -errno */

/* files.c: the answer's result, stat, mode and words are filled in; ASK_LATER: it
 * comes by itself (waits.c, net_dial.c). */
void files_serve(struct broker *broker, const struct wire_request *request, const char *path,
	const char *path2, struct wire_reply *reply);
void stat_fill(struct device_stat *ret_stat, int fd);
int path_open(int dir, const char *path, uint64_t flags, uint64_t mode);

/* list.c */
int64_t list_serve(struct broker *broker, struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes);
void broker_listing_free(struct broker *broker, struct listing *listing);

/* transfer.c: never waits, but for a disk. -DEVICE_EAGAIN: not now. */
int64_t transfer_serve(struct broker *broker, const struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes);

/* watchdog.c: when to look next, UINT64_MAX: never; and the look. */
uint64_t watchdog_next_ns(const struct broker *broker);
void watchdog_turn(struct broker *broker);

/* waits.c */
enum { ASK_LATER = INT32_MAX }; /* a result: the ask waits, its answer comes by itself */
int64_t waits_transfer(struct broker *broker, struct broker_handle *handle,
	const struct wire_request *request, uint32_t *ret_bytes);
int64_t waits_poll(
	struct broker *broker, const struct wire_request *request, uint32_t *ret_bytes);
int64_t waits_accept(struct broker *broker, const struct wire_request *request);
int64_t waits_sleep(struct broker *broker, const struct wire_request *request);
void waits_cancel(struct broker *broker, uint32_t tag);
/* The handle is about to be closed or cut: who waits for it is told so. */
void waits_end(struct broker *broker, uint32_t number, enum device_error error);
/* One turn: the files to look at are put behind the fixed ones (returns how many
 * there are in all), and the time that may pass is lowered. After the poll, what
 * can be answered is. */
uint32_t waits_watch(struct broker *broker, uint64_t *wait_ns);
void waits_serve(struct broker *broker, uint32_t count);
int waits_make(struct broker *broker);
void waits_free(struct broker *broker);
