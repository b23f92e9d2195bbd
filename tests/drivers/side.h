/* SPDX-License-Identifier: Apache-2.0 */
/* side.h - both sides in one process: a broker, and a client over its ring.
 *
 * Use      side_open(&side); dir = side_dir(&side, BROKER_READ | BROKER_WRITE);
 *          side_file(&side, "a", "text"); done = side_go(&side, (struct device_request){...});
 *          side_close(&side);
 * Grants are made between side_begin() and side_ready(); side_open() is both
 * with one directory granted. Skips the test where there is no io_uring.
 *
 * With KEYHOLD_TIER=T2 in the environment there is no ring: the broker performs. */
#pragma once

#include <criterion/criterion.h>

#include "drivers/broker/impl.h"
#include "drivers/flight.h"

struct side {
	struct broker *broker;
	struct client *client;
	struct device *device;
	struct report report;
	char path[64];    /* of a fresh directory, removed by side_close() */
	int path_fd;
	uint32_t dir;     /* the granted handle of it */
	uint64_t id;
	int fds_before;   /* descriptors of this process when it began */
	uint8_t data[DEVICE_PIECE_BYTES]; /* of the last side_go() */
};

bool side_is_ringless(void);
void side_needs_ring(void); /* skips the test, by name, where there is none */
void side_begin(struct side *side);
void side_begin_with(struct side *side, uint32_t handles); /* instead of 64 */
void side_grant_dir(struct side *side, uint32_t rights); /* of side->path: side->dir */
uint32_t side_grant(struct side *side, int fd, uint32_t rights); /* a stream: its handle */
void side_ready(struct side *side);
void side_open(struct side *side); /* all of it, with the directory read-write */
void side_close(struct side *side);

void side_file(struct side *side, const char *name, const char *text);
uint64_t side_submit(struct side *side, struct device_request request); /* its id */
/* Turns both sides until that request completed; fails the test after 10 s. */
struct device_completion side_wait(struct side *side, uint64_t id);
struct device_completion side_go(struct side *side, struct device_request request);
/* A request with a path, or two. */
struct device_completion side_at(
	struct side *side, enum device_op op, uint32_t flags, const char *path, const char *path2);
int64_t side_try(struct side *side, const char *path, uint32_t flags); /* DEVICE_OPEN */
int64_t side_read(struct side *side, uint32_t handle, uint64_t offset, uint32_t bytes);
int64_t side_write(struct side *side, uint32_t handle, uint64_t offset, const char *text);
/* Lets both sides move without a wait: replies taken, completions not. */
void side_move(struct side *side);
