/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - what worker and broker say to each other.
 *
 * One shared memfd, laid out by the broker and never resized (sealed):
 *
 *   0            struct wire_start    written before the worker is made
 *   requests_at  struct wire_request [WIRE_REQUESTS]   worker -> broker
 *   replies_at   struct wire_reply   [WIRE_REPLIES]    broker -> worker
 *   grants_at    struct wire_grant   [WIRE_GRANTS]     root grants at the start
 *   trail_at     WIRE_TRAIL_BYTES     last words; read when the worker is dead
 *   record_at    WIRE_RECORD_BYTES    the result record, told by WIRE_END
 *   order_at     WIRE_ORDER_BYTES     one order of the tools, told by WIRE_ORDER
 *   obeyed_at    WIRE_OBEYED_BYTES    the worker's answer to it, told by WIRE_OBEYED
 *   words_at     what the tools say to their worker (program, options)
 *   staging_at   pieces of reads and writes
 *
 * Both sides are one program (the worker is this executable again), so
 * messages are C structs of fixed size; `version` only catches a mix-up.
 *
 * The worker is hostile. The broker keeps its own copy of every offset and of
 * both rings' positions, copies a message out of here before it looks at it,
 * and checks every index and length in the copy. What it cannot accept from an
 * honest worker (a position out of range, more requests than replies were
 * taken for) ends the worker.
 *
 * Orders. What the tools want of a running worker (drivers/broker/order.c) lies
 * in memory that only the broker writes; one at a time, with a serial number.
 * The answer lies where only the worker writes; the broker takes it for the
 * serial that is out, copies it, and hands it on as bytes nobody believes.
 *
 * Wake-ups. Slots 0 and 1 of the ring's file table are eventfds. The worker
 * wakes the broker by a ring WRITE to slot 0, and learns of replies by a
 * multishot POLL_ADD on slot 1: so its one system call is io_uring_enter.
 * Without io_uring (`ringless`) the one descriptor of the worker is the broker's
 * eventfd, which it writes, and it waits by futex on `at.turns`, which the broker
 * advances whenever it has taken messages or given replies.
 *
 * Some asks wait at the broker for what they ask for, all of reading, writing,
 * polling and sleeping where there is no ring. At most WIRE_ASKS are unanswered
 * at once; WIRE_CANCEL ends one early. Pokes and cuts leave room for as many
 * answers.
 *
 * A handle is a slot number of the ring; directories, and files that the broker
 * reads and writes itself, have a number and an empty slot. After a broker cut
 * the number stays taken until the worker closes it, so a stale handle never
 * means a new file. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "kernel/device.h"

#define WIRE_MAGIC UINT64_C(0x3157444c4f48594b) /* "KYHOLDW1", little-endian */

enum {
	WIRE_VERSION = 1,

	/* Descriptors of the worker when it begins; broker_pass() adds more. */
	WIRE_FD_RING = 3, /* ringless: the broker's eventfd */
	WIRE_FD_SHARED = 4,
	WIRE_FD_STORE = 5,
	WIRE_FD_BROKER = 6, /* a pidfd: readable when the broker is gone */
	WIRE_FD_PASSED = 7,
	WIRE_PASSED_MAX = 16,

	WIRE_SLOT_BROKER = 0, /* eventfd: wakes the broker */
	WIRE_SLOT_WORKER = 1, /* eventfd: wakes the worker */
	WIRE_SLOT_FIRST = 2,  /* the first handle */

	WIRE_REQUESTS = 64,   /* powers of two */
	WIRE_ASKS = 512,      /* not yet answered */
	WIRE_REPLIES = 1024,  /* twice WIRE_ASKS: answers, and pokes and cuts */
	WIRE_DIALS = 192,     /* of them, that wait for the network */
	WIRE_WORDS_BYTES = 192, /* in a reply: an address, or why it was refused */
	WIRE_GRANTS = 256,
	WIRE_TEXT_BYTES = 2 * DEVICE_PATH_MAX,
	WIRE_TRAIL_BYTES = 16 << 10,
	WIRE_RECORD_BYTES = 1 << 20,
	WIRE_ORDER_BYTES = 32 << 10,
	WIRE_OBEYED_BYTES = 512 << 10,

	WIRE_SMALL_BYTES = 4 << 10, /* two sizes of pieces */
	WIRE_SMALLS = 256,
	WIRE_LARGE_BYTES = DEVICE_PIECE_BYTES,
	WIRE_LARGES = 32,
};

enum wire_request_kind {
	WIRE_DEVICE = 1, /* an operation of device.h that the broker does */
	WIRE_LOG,        /* words for people: text, path_bytes of it; flags = level */
	WIRE_END,        /* `length` bytes of result record are at record_at */
	WIRE_READY,      /* the walls are up */
	WIRE_OBEYED,     /* the order `tag` is done: `length` bytes of answer are at obeyed_at */
	WIRE_CANCEL,     /* the WIRE_DEVICE with this tag is to end soon */
};

enum wire_reply_kind {
	WIRE_ANSWER = 1, /* to the WIRE_DEVICE with the same tag */
	WIRE_POKE,       /* tag = enum client_poke: look up from what you are doing */
	WIRE_CUT,        /* tag = a handle that was emptied */
	WIRE_GRANTED,    /* tag = a handle that was granted while it runs, with its mode */
	WIRE_ORDER,      /* data_bytes of order `tag` are at order_at */
};

struct wire_request {
	uint32_t kind;
	uint32_t tag;     /* the worker's own; comes back */
	uint32_t op, flags, handle, handle2;
	uint64_t offset, length;
	uint64_t access_ns, modify_ns, timeout_ns;
	uint32_t piece;   /* offset in staging of where data goes or lies */
	uint32_t bytes;   /* of it */
	uint32_t path_bytes, path2_bytes; /* in text, one after the other */
	char text[WIRE_TEXT_BYTES];
};

struct wire_reply {
	uint32_t kind, tag;
	int64_t result;
	uint64_t now_ns;
	struct device_stat stat;
	uint32_t data_bytes; /* in the request's piece; of an order */
	uint32_t mode;       /* DEVICE_OPEN, GRANTED: enum wire_mode of the new handle */
	uint32_t words_bytes; /* instead of a piece */
	char words[WIRE_WORDS_BYTES];
};

enum wire_mode {
	WIRE_MODE_READ = 1 << 0,
	WIRE_MODE_WRITE = 1 << 1,
	WIRE_MODE_DIRECTORY = 1 << 2,
	WIRE_MODE_REGULAR = 1 << 3, /* never waits: no poll before a read */
	WIRE_MODE_SLOW = 1 << 4,    /* on FUSE: reads hold up whoever submits them */
	WIRE_MODE_BROKERED = 1 << 5, /* no slot: the broker reads and writes it; all, ringless */
	WIRE_MODE_SOCKET = 1 << 6,   /* how the broker does that */
	WIRE_MODE_RULE = 1 << 7,     /* no slot: an address rule or a resolver */
	WIRE_MODE_LISTENER = 1 << 8, /* in its slot only to be polled */
};

struct wire_grant {
	uint32_t id;     /* also the device number guests see */
	uint32_t handle;
	uint32_t rights; /* enum broker_right */
	uint32_t mode;   /* enum wire_mode */
	uint32_t type;   /* enum device_file_type */
};

/* Positions count up and wrap; the index is position % WIRE_REQUESTS. Each is
 * written by one side only, on a cache line of its own. */
struct wire_positions {
	_Alignas(64) _Atomic uint32_t requests_put; /* worker */
	_Alignas(64) _Atomic uint32_t requests_got; /* broker */
	_Alignas(64) _Atomic uint32_t replies_put;  /* broker */
	_Atomic uint32_t turns;			    /* broker: a futex */
	_Alignas(64) _Atomic uint32_t replies_got;  /* worker */
	_Atomic uint32_t beats;	  /* worker: it goes on, once a slice and a request */
	_Atomic uint32_t waiting; /* worker: 1 while it does nothing but wait */
};

struct wire_ring { /* what of struct io_uring_params the worker needs to map it */
	uint32_t sq_entries, cq_entries, features;
	uint32_t sq_head, sq_tail, sq_mask, sq_flags, sq_array;
	uint32_t cq_head, cq_tail, cq_mask, cq_cqes;
};

struct wire_start {
	uint64_t magic;
	uint32_t version;
	uint32_t handles_count; /* slots in the table */
	uint64_t bytes;         /* of the whole */
	uint64_t requests_at, replies_at, grants_at, trail_at, record_at, order_at, obeyed_at,
		words_at, staging_at;
	uint64_t words_bytes;
	uint64_t store_bytes;   /* size of the page store's memfd */
	uint64_t ops;           /* bit n: operation n may be submitted */
	uint32_t grants_count;
	uint32_t passed_count;
	uint32_t ringless;      /* 1: the broker performs all */
	struct wire_ring ring;
	struct wire_positions at;
};
