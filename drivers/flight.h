/* SPDX-License-Identifier: Apache-2.0 */
/* flight.h - one request between submit and done; what client*.c share.
 *
 *            submit                 last completion        reap       done
 *   FREE ------------> RING ------------------------> FINISHED --> TAKEN --> FREE
 *     |                  ^ (client_io.c)                  ^   \
 *     |                  |                                |    `--> FREE (no data)
 *     +---> HELD --------|--> BROKER ---------------------+
 *     |     (a close waits for what is in flight on its handle; an accept that
 *     |      found somebody, in RING, for room at the broker; it may come back
 *     |      to RING when somebody else was quicker)
 *     `------------------- refused at once ---------------'
 *
 * FLIGHT1  a flight leaves RING only when `outstanding` is 0: the ring holds no
 *          entry that names it or its piece.
 * FLIGHT2  a handle's `busy` counts the flights in RING that name it, and its
 *          watches that are armed. A poll is in RING and names none: it waits for
 *          watches, which outlive it.
 * Without a ring all but closes go to BROKER, which may keep them until they can
 * be answered, and a cancel is a message (WIRE_CANCEL).
 *
 * FLIGHT3  a piece belongs to exactly one flight, or is free. */
#pragma once

#include <linux/time_types.h>

#include "drivers/client.h"
#include "drivers/ring.h"
#include "drivers/staging.h"

enum { FLIGHTS = 512, FLIGHT_NONE = UINT32_MAX };

_Static_assert((int)FLIGHTS <= (int)WIRE_ASKS, "all may be at the broker");

enum flight_state {
	FLIGHT_FREE, FLIGHT_RING, FLIGHT_HELD, FLIGHT_BROKER, FLIGHT_FINISHED, FLIGHT_TAKEN
};

enum flight_phase {
	PHASE_IO,    /* the operation itself */
	PHASE_NOW,   /* the same, or -EAGAIN: sockets under DEVICE_NONBLOCK */
	PHASE_PROBE, /* is it ready now? (DEVICE_NONBLOCK) */
	PHASE_WAIT,  /* the file says EAGAIN: wait until it is ready, then again */
};

struct flight {
	uint64_t id;
	struct flight *next;   /* of the free ones, or of the finished ones */
	struct flight *bucket; /* same hash of id */
	enum flight_state state;
	enum flight_phase phase;
	bool cancelled;        /* the kernel asked for the end */
	bool stopping;         /* entries still in the ring have been cancelled */
	bool cancel_due;       /* in BROKER: it has not been told yet */
	uint32_t generation;
	uint32_t outstanding;
	enum device_op op;
	uint32_t flags, handle, bytes;
	uint64_t offset, length, timeout_ns;
	uint32_t piece;        /* FLIGHT_NONE: none */
	uint32_t polls;        /* DEVICE_POLL: entries in the piece */
	struct flight *next_poll, *previous_poll; /* of those in RING */
	bool told;             /* DEVICE_POLL: something is ready, or its time is over */
	struct __kernel_timespec timeout;
	struct device_completion answer;
	char words[WIRE_WORDS_BYTES]; /* the data, where there is no piece */
};

/* One direction of a handle that is polled: client_poll.c. */
enum watch_way { WATCH_READ, WATCH_WRITE, WATCHES };

struct handle {
	uint16_t mode; /* enum wire_mode; 0: not open */
	bool cut;
	uint8_t armed;     /* bit per enum watch_way: an entry is in the ring */
	uint8_t fired;     /* bits as device_poll's `ready`, of this drain */
	uint8_t fired_of;  /* bit per enum watch_way: which of them fired in this drain */
	uint32_t next_fired; /* 0: the last; slot 0 is never polled */
	uint32_t busy;
	struct flight *closing;
};

struct client {
	struct device device; /* first */
	struct ring ring;
	bool ringless;       /* the broker performs all: no ring, WIRE_FD_RING is its eventfd */
	int door_fd;
	uint32_t turns_seen; /* ringless: of the broker, before we last looked for replies */
	uint8_t *shared;
	uint64_t shared_bytes;
	struct wire_start *start;
	struct wire_request *requests;
	struct wire_reply *replies;
	uint8_t *staging_base;
	struct staging staging;
	struct flight *flights, *free, *first, *last; /* first..last: finished */
	uint32_t fresh;      /* flights from here on were never used, nor touched */
	struct flight *held; /* closes that wait, linked by next */
	struct flight *polls, *polls_last; /* in RING, linked by next_poll */
	uint32_t fired;       /* the first handle that fired in this drain; 0: none */
	bool polls_due;       /* a poll may be over: poll_settle() looks */
	struct flight *buckets[FLIGHTS];
	struct handle *handles;
	uint32_t handles_count;
	uint32_t brokered; /* flights in BROKER: no more than FLIGHTS, so than WIRE_ASKS */
	uint32_t cancels_due; /* of those, which the broker is to be told of */
	uint32_t dialing;  /* of them, those that wait for the network */
	uint32_t requests_put, replies_got;
	uint32_t trail_used;
	uint32_t beats;    /* told to the broker's watchdog */
	uint32_t pokes;    /* bits not yet told by client_poked() */
	bool poke_new;     /* reap() has not yet returned false for them */
	uint32_t order, order_bytes; /* the last one's serial and length ... */
	bool order_out;    /* ... which is not obeyed yet */
	bool wake_due;     /* the broker has not been woken for the last message */
	bool enabled;      /* the ring takes entries */
	bool listening;    /* the poll on our eventfd is armed */
	uint32_t watch_misses, watch_pass; /* client_wait.c */
};

/* user_data: part << 48 | generation << 16 (32 bits) | index. The part tells
 * the entries of one flight apart. */
enum {
	PART_IO = 0,          /* or the index of a poll entry */
	PART_MARK = 0xfffb,   /* behind it everything that was ready has come */
	PART_WATCH = 0xfffc,  /* enum watch_way << 32 | handle: no flight's */
	PART_TIMER = 0xfffd,
	PART_IGNORE = 0xfffe, /* cancels and wake-ups: nobody waits for these */
	PART_WAKE = 0xffff,   /* our eventfd */
};

/* It goes on: for the broker's watchdog. */
static inline void
client_beat(struct client *client)
{
	atomic_store_explicit(&client->start->at.beats, ++client->beats, memory_order_relaxed);
}

/* flight.c */
bool flight_left(const struct client *client);
struct flight *flight_take(struct client *client, const struct device_request *request);
void flight_free(struct client *client, struct flight *flight);
struct flight *flight_find(struct client *client, uint64_t id);
uint64_t flight_user(const struct client *client, const struct flight *flight, uint32_t part);
void flight_finish(struct client *client, struct flight *flight, int64_t result);
/* Cancels the entry with this user data; tells nothing. */
void cancel_user(struct client *client, uint64_t user);
/* Cancels what of it is in the ring. Its completions still come. */
void flight_stop(struct client *client, struct flight *flight);
uint8_t *flight_data(const struct client *client, const struct flight *flight);
struct device_poll *flight_polls(const struct client *client, const struct flight *flight);
/* Is it in the ring and names this handle? */
bool flight_names(const struct flight *flight, uint32_t number);
struct handle *client_handle(struct client *client, uint32_t number); /* open, or NULL */
void client_unuse(struct client *client, uint32_t number); /* one flight less on it */

/* client_broker.c */
bool message_room(const struct client *client);
/* The same; ringless, where all goes that way, it is worth a short wait: the
 * broker takes messages at once, but who is told EAGAIN waits for an answer. */
bool message_room_soon(struct client *client);
struct wire_request *message_begin(struct client *client, enum wire_request_kind kind);
void message_send(struct client *client);
void brokered_start(
	struct client *client, struct flight *flight, const struct device_request *request);
/* Ends what is in flight on the handle; brokered_move() then sends the close. */
void brokered_close(struct client *client, struct flight *flight);
void brokered_move(struct client *client); /* sends closes and cancels that are due */
bool dials(enum device_op op); /* may it wait for the network at the broker? */
void replies_take(struct client *client);
void client_flush(struct client *client, enum ring_wait wait);
void client_drain(struct client *client); /* takes completions and replies */

/* client_wait.c */
bool client_due(const struct client *client); /* is there something to enter the kernel for? */
void client_wait(struct client *client); /* until something may have come */

/* client_io.c: operations on slots. Results as flight_finish() takes them. */
bool io_op(enum device_op op);
void io_start(struct client *client, struct flight *flight);
void io_done(struct client *client, struct flight *flight, uint32_t part, int32_t result);
/* client_accept.c */
void accept_start(struct client *client, struct flight *flight);
void accept_done(struct client *client, struct flight *flight, int32_t result);
/* The broker has nobody for it: waits again, or ends. */
void accept_again(struct client *client, struct flight *flight);
/* client_poll.c */
void poll_start(struct client *client, struct flight *flight);
/* Its limit has come, or its mark. */
void poll_time(struct client *client, struct flight *flight);
void poll_cancel(struct client *client, struct flight *flight);
void watch_fired(struct client *client, uint64_t user, int32_t result);
/* Nothing of the handle is watched any more; the completions still come. */
void watches_end(struct client *client, uint32_t number);
/* After a drain: ends the polls that have something to tell. */
void poll_settle(struct client *client);
