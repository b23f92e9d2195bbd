/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.h - a worker that has fallen: native code behind the walls.
 *
 * hostile.def   every payload by name: its number in the corpus, how it must end
 * hostile.c     runs the one that is named where a guest would run; raw requests
 * calls.c       system calls that are more than a row
 * entries.c     the ring: operations, flags, rubbish
 * words.c       the protocol
 * paths.c       files and directories, asked for without the client's checks
 *
 * The program is keyhold itself, linked from the same objects, but that guest_run()
 * is ours (--wrap). It is built for tests and never installed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "drivers/flight.h"
#include "tools/keyhold/worker.h"

struct hostile {
	struct worker *worker;
	struct client *client;
	const struct wire_grant *grants;
	uint32_t grants_count;
	uint32_t tag;
	const char *arg; /* the first after the payload's name, or "" */
	char said[512];  /* why it failed: the first that did */
};

/* A payload says what went wrong and goes on; it is asked at its end. */
void hostile_wrong(struct hostile *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hostile_say(struct hostile *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says `word` and waits until the other side asked for the end (SIGTERM): it looks
 * at us meanwhile. */
void hostile_wait_to_be_seen(struct hostile *h, const char *word);

/* One message as it is, and the broker's answer to it; the client's tables know
 * nothing of it. */
struct wire_reply hostile_ask(struct hostile *h, const struct wire_request *request);
/* The same without waiting. */
void hostile_put(struct hostile *h, const struct wire_request *request);
void hostile_knock(struct hostile *h);
/* The oldest answer that is there; false: none. */
bool hostile_answer(struct hostile *h, struct wire_reply *ret_reply);
struct timespec hostile_now(void);
/* Does the broker answer at all? */
void hostile_broker_lives(struct hostile *h);
struct wire_request hostile_request(enum device_op op, uint32_t handle, const char *path, uint32_t flags);
/* An open of that name beneath a handle: a handle, or -device_error. */
int64_t hostile_open(struct hostile *h, uint32_t handle, const char *path, uint32_t flags);
int64_t hostile_close(struct hostile *h, uint32_t handle);
/* Reads and writes as the tier can: by the ring, or by the broker. Up to 4 KiB,
 * through the first piece of the staging arena. */
int64_t hostile_read(struct hostile *h, uint32_t handle, uint64_t offset, uint32_t bytes);
int64_t hostile_write(struct hostile *h, uint32_t handle, uint64_t offset, const char *text);
uint8_t *hostile_piece(struct hostile *h);
/* The n-th grant that is a directory, or a stream of that role's place (0 to 2). */
uint32_t hostile_dir(struct hostile *h, uint32_t n);
uint32_t hostile_stream(struct hostile *h, uint32_t n);

/* One entry into the ring by hand: its result, -ETIME when none came. */
int hostile_entry(struct hostile *h, const struct io_uring_sqe *entry);
/* Submits so many of those filled (tail moved by us); what io_uring_enter says. */
long hostile_enter(uint32_t submit, uint32_t wait);

#define CALL(number, name, end, ...)
#define DO(number, name, end, function, needs) void function(struct hostile *h);
#include "tests/corpus/hostile.def"
#undef CALL
#undef DO
