/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/device.h"

#include <errno.h>
#include <stddef.h>

#include "kernel/base/must.h"
#include "kernel/requests.h"

enum { REQUESTS_FIRST = 16, PLACE_BITS = 20, REQUESTS_MAX = 1 << PLACE_BITS };

void
requests_init(struct requests *requests, struct heap *heap, struct device *device)
{
	*requests = (struct requests){
		.heap = heap,
		.device = device,
		.free = REQUESTS_NONE,
		.kept_first = REQUESTS_NONE,
		.kept_last = REQUESTS_NONE,
	};
}

void
requests_done(struct requests *requests)
{
	for (uint32_t i = 0; i < requests->count; i++)
		heap_give(requests->heap, requests->at[i].kept, sizeof *requests->at[i].kept);
	heap_give(requests->heap, requests->at, (uint64_t)requests->room * sizeof *requests->at);
	requests_init(requests, requests->heap, requests->device);
}

static bool
make_room(struct requests *requests)
{
	const uint32_t room = requests->room ? requests->room * 2 : REQUESTS_FIRST;
	struct request *at;

	if (room > REQUESTS_MAX)
		return false;
	at = heap_resize(requests->heap, requests->at, (uint64_t)requests->room * sizeof *at,
		(uint64_t)room * sizeof *at);
	if (!at)
		return false;
	requests->at = at;
	requests->room = room;
	return true;
}

/* A free entry, still listed as free: entry_take() takes it off. */
static struct request *
entry_ready(struct requests *requests)
{
	if (requests->free == REQUESTS_NONE) {
		if (requests->count == requests->room && !make_room(requests))
			return NULL;
		requests->at[requests->count].next = REQUESTS_NONE;
		requests->free = requests->count++;
	}
	return &requests->at[requests->free];
}

static uint32_t
entry_take(struct requests *requests)
{
	const uint32_t index = requests->free;

	requests->free = requests->at[index].next;
	return index;
}

static void
entry_free(struct requests *requests, struct request *entry)
{
	*entry = (struct request){.next = requests->free};
	requests->free = (uint32_t)(entry - requests->at);
}

/* The count makes an id unique, the place in its low bits finds its entry; the
 * count begins at 1, so 0 is no id. */
static uint64_t
id_of(struct requests *requests, uint32_t index)
{
	return (requests->sequence + 1) << PLACE_BITS | index;
}

static struct request *
entry_of(const struct requests *requests, uint64_t id)
{
	const uint32_t index = (uint32_t)(id & (REQUESTS_MAX - 1));

	if (index >= requests->count || requests->at[index].id != id)
		return NULL;
	return &requests->at[index];
}

static int
device_submit(struct requests *requests, struct request *entry, struct device_request *request)
{
	const uint64_t id = id_of(requests, (uint32_t)(entry - requests->at));
	int error;

	request->id = id;
	error = requests->device->submit(requests->device, request);
	if (error)
		return -EAGAIN;
	requests->sequence++;
	entry->id = id;
	entry->op = request->op;
	entry->state = REQUEST_IN_FLIGHT;
	requests->in_flight++;
	return 0;
}

int
requests_submit(struct requests *requests, struct domain *owner, struct device_request *request)
{
	struct request *entry = entry_ready(requests);

	if (!entry)
		return -ENOMEM;
	if (requests->kept || device_submit(requests, entry, request))
		return -EAGAIN; /* those kept come first */
	(void)entry_take(requests);
	entry->owner = owner;
	return 0;
}

static void
keep(struct requests *requests, const struct device_request *request)
{
	struct device_request *kept = heap_take(requests->heap, sizeof *kept);
	uint32_t index;

	if (!kept) {
		requests->lost++;
		return;
	}
	*kept = *request;
	index = entry_take(requests);
	requests->at[index] = (struct request){
		.state = REQUEST_KEPT,
		.op = request->op,
		.next = REQUESTS_NONE,
		.kept = kept,
	};
	if (requests->kept_last == REQUESTS_NONE)
		requests->kept_first = index;
	else
		requests->at[requests->kept_last].next = index;
	requests->kept_last = index;
	requests->kept++;
}

void
requests_send(struct requests *requests, struct device_request *request)
{
	struct request *entry = entry_ready(requests);

	must(REQUEST2, !request->data_bytes && !request->path_bytes && !request->path2_bytes);
	if (!entry)
		requests->lost++;
	else if (requests->kept || device_submit(requests, entry, request))
		keep(requests, request);
	else
		(void)entry_take(requests);
}

void
requests_retry(struct requests *requests)
{
	while (requests->kept) {
		struct request *entry = &requests->at[requests->kept_first];
		const uint32_t next = entry->next;

		if (device_submit(requests, entry, entry->kept))
			return;
		heap_give(requests->heap, entry->kept, sizeof *entry->kept);
		entry->kept = NULL;
		entry->next = REQUESTS_NONE;
		requests->kept_first = next;
		if (next == REQUESTS_NONE)
			requests->kept_last = REQUESTS_NONE;
		requests->kept--;
	}
}

void
requests_release(struct requests *requests, uint64_t id)
{
	must(REQUEST3, requests->undone);
	requests->device->done(requests->device, id);
	requests->undone--;
	requests->roomier = true;
}

static bool
gives_handle(enum device_op op)
{
	return op == DEVICE_OPEN || op == DEVICE_CONNECT || op == DEVICE_ACCEPT || op == DEVICE_NARROW;
}

/* Nobody waits: what it opened is closed, its data dropped. */
static void
drop(struct requests *requests, enum device_op op, const struct device_completion *completion)
{
	struct device_request close = {.op = DEVICE_CLOSE};

	requests_release(requests, completion->id);
	if (!gives_handle(op) || completion->result < 0)
		return;
	close.handle = (uint32_t)completion->result;
	requests_send(requests, &close);
}

bool
requests_reap(struct requests *requests, bool wait, struct domain **ret_owner,
	struct device_completion *ret_completion)
{
	struct device *device = requests->device;
	struct request *entry;
	enum device_op op;

	if (!requests->in_flight || !device->reap(device, wait, ret_completion))
		return false;
	entry = entry_of(requests, ret_completion->id);
	must(REQUEST3, entry && entry->state == REQUEST_IN_FLIGHT);
	*ret_owner = entry->owner;
	op = entry->op;
	entry_free(requests, entry);
	requests->in_flight--;
	requests->undone++;
	if (!*ret_owner)
		drop(requests, op, ret_completion);
	return true;
}

void
requests_cancel(struct requests *requests, uint64_t id)
{
	if (entry_of(requests, id))
		requests->device->cancel(requests->device, id);
}

void
requests_orphan(struct requests *requests, uint64_t id)
{
	struct request *entry = entry_of(requests, id);

	if (entry)
		entry->owner = NULL;
}

struct domain *
requests_owner(const struct requests *requests, uint64_t id)
{
	const struct request *entry = entry_of(requests, id);

	return entry ? entry->owner : NULL;
}

void
requests_check(const struct requests *requests)
{
	uint32_t in_flight = 0, kept = 0;

	for (uint32_t i = 0; i < requests->count; i++) {
		const struct request *entry = &requests->at[i];

		in_flight += entry->state == REQUEST_IN_FLIGHT;
		kept += entry->state == REQUEST_KEPT;
		must(REQUEST1, (entry->state == REQUEST_KEPT) == (entry->kept != NULL));
		must(REQUEST1, (entry->state == REQUEST_IN_FLIGHT) == (entry->id != 0));
		must(REQUEST1, !entry->owner || entry->state == REQUEST_IN_FLIGHT);
	}
	must(REQUEST1, in_flight == requests->in_flight && kept == requests->kept);
}
