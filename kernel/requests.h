/* SPDX-License-Identifier: Apache-2.0 */
/* requests.h - the table of requests in flight.
 *
 * Owns     an entry per request that the device took and has not completed, and
 *          those without a caller that it could not take yet.
 * Does     gives ids (never the same twice: the entry's place and a count),
 *          finds the entry of a completion, cancels.
 * Callers  call.c (submit), run.c (completions), domain.c (end, quiesce).
 *
 *   free -> in flight -> free            a call's, or without a caller
 *   free -> kept -> in flight -> free    without a caller, the device was full
 *
 * An entry whose domain ended stays without an owner until its completion
 * comes; a handle that such a completion opened is closed.
 *
 * REQUEST1  in flight + kept = entries in use; only one in flight has an id.
 * REQUEST2  without a caller: neither data nor paths.
 * REQUEST3  a completion is of a request in flight.
 * Source    design.md sections 6 and 8. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/heap.h"
#include "kernel/device.h"

struct domain;

enum request_state { REQUEST_FREE, REQUEST_IN_FLIGHT, REQUEST_KEPT };

struct request {
	uint64_t id;
	struct domain *owner; /* NULL: nobody waits */
	enum request_state state;
	enum device_op op;
	uint32_t next;                 /* free or kept list */
	struct device_request *kept;   /* while REQUEST_KEPT */
};

struct requests {
	struct heap *heap;
	struct device *device;
	struct request *at;
	uint32_t count, room;
	uint32_t in_flight, kept;
	uint32_t free, kept_first, kept_last; /* REQUESTS_NONE: none */
	uint64_t sequence;
	uint32_t undone; /* completions whose data is still held */
	bool roomier;    /* a piece was freed since somebody looked */
	uint64_t lost;   /* without a caller, and no memory to keep them */
};

enum { REQUESTS_NONE = UINT32_MAX };

void requests_init(struct requests *requests, struct heap *heap, struct device *device);
void requests_done(struct requests *requests);

/* 0: in flight, the id is in the request. -EAGAIN: the device is full. -ENOMEM. */
int requests_submit(struct requests *requests, struct domain *owner,
	struct device_request *request);
/* Now if the device can, else when it has room again. */
void requests_send(struct requests *requests, struct device_request *request);
/* The device has room again. */
void requests_retry(struct requests *requests);

/* The next completion, its entry freed. Owner NULL: nobody waited for it, and it
 * is done with. false: none, or with `wait` a poke. */
bool requests_reap(struct requests *requests, bool wait, struct domain **ret_owner,
	struct device_completion *ret_completion);
/* The data of a completion that was reaped is no longer needed. */
void requests_release(struct requests *requests, uint64_t id);
void requests_cancel(struct requests *requests, uint64_t id);
/* Nobody waits for it any more. */
void requests_orphan(struct requests *requests, uint64_t id);
struct domain *requests_owner(const struct requests *requests, uint64_t id);
void requests_check(const struct requests *requests); /* must() */
