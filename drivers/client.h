/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - the worker's side: a struct device over its ring and the broker.
 *
 * Owns     the mapped ring and shared memory, the staging pieces, the table of
 *          requests in flight.
 * Does     reads, writes, polls and sleeps on the ring; sends the rest to the
 *          broker. What is submitted leaves in one io_uring_enter, together with
 *          the wait.
 * Callers  tools/ (the worker's main), kernel/ through struct device.
 * Never    after client_enable() makes any system call but io_uring_enter, or
 *          allocates.
 *
 * What the worker's main does, in this order:
 *
 *   client_open()        maps the ring and the shared memory; tables allocated
 *   client_words(), client_passed()   read and map the module bytes
 *   host_linux_open()    reserves the arena, maps the page store (host_linux.h)
 *   the walls            namespaces ... RLIMIT_NOFILE=0; keep WIRE_FD_RING open
 *   client_enable()      the ring takes submissions from here on
 *   seccomp              the walls' last; io_uring_enter on WIRE_FD_RING only
 *   client_ready()       tells the broker
 *   world                over client_device()
 *   client_end()         result record; then _exit()
 *
 * Errors   0 or -errno, words in the report; to the kernel device_errors. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/wire.h"
#include "kernel/base/report.h"
#include "kernel/device.h"

struct client;

/* Ignores SIGPIPE and SIGXFSZ: both are answers here. The normal worker passes
 * WIRE_FD_RING, WIRE_FD_SHARED; tests whatever they have. Borrows both; the
 * shared one may be closed afterwards, the ring's must stay. */
int client_open(int ring_fd, int shared_fd, struct report *report, struct client **ret_client);
void client_free(struct client *client);

const uint8_t *client_words(const struct client *client, size_t *ret_bytes);
const struct wire_grant *client_grants(const struct client *client, uint32_t *ret_count);
int client_passed(const struct client *client, uint32_t index); /* a descriptor; -EBADF */
uint64_t client_store_bytes(const struct client *client);       /* for host_linux_open() */

int client_enable(struct client *client, struct report *report);
void client_ready(struct client *client);
struct device *client_device(struct client *client);

/* Words for people, through the broker; cut at 8 KiB. May wait for room. Before
 * client_enable() they, and a record, are heard when the worker ends; what has
 * no room is then lost. */
void client_log(struct client *client, uint32_t level, const char *text, size_t bytes);
/* Last words: kept in shared memory, no system call; for must_say. */
void client_trail(struct client *client, const char *text, size_t bytes);
/* The result record; waits until the broker has it. -E2BIG over 1 MiB. */
int client_end(struct client *client, const void *record, size_t bytes);

/* The order that is to be obeyed, where it lies; NULL: none. The same one until
 * client_obeyed(), which answers it; answers longer than WIRE_OBEYED_BYTES do not
 * exist. May wait for room. */
const uint8_t *client_order(struct client *client, uint32_t *ret_bytes);
void client_obeyed(struct client *client, const void *answer, uint32_t bytes);

/* The poke bits since the last call; 0 when there were none. */
uint32_t client_poked(struct client *client);
