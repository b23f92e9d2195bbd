/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/flight.h"

#include <stddef.h>

#include "kernel/base/must.h"

uint64_t
flight_user(const struct client *client, const struct flight *flight, uint32_t part)
{
	return (uint64_t)part << 48 | (uint64_t)flight->generation << 16 |
	       (uint64_t)(flight - client->flights);
}

uint8_t *
flight_data(const struct client *client, const struct flight *flight)
{
	if (flight->piece == FLIGHT_NONE)
		return (uint8_t *)(uintptr_t)flight->words;
	return client->staging_base + flight->piece;
}

struct device_poll *
flight_polls(const struct client *client, const struct flight *flight)
{
	return (struct device_poll *)(void *)flight_data(client, flight);
}

static struct flight **
bucket_of(struct client *client, uint64_t id)
{
	return &client->buckets[id % FLIGHTS];
}

struct flight *
flight_find(struct client *client, uint64_t id)
{
	struct flight *flight = *bucket_of(client, id);

	while (flight && flight->id != id)
		flight = flight->bucket;
	return flight;
}

bool
flight_left(const struct client *client)
{
	return client->free || client->fresh < FLIGHTS;
}

struct flight *
flight_take(struct client *client, const struct device_request *request)
{
	struct flight *flight =
		client->free ? client->free : &client->flights[client->fresh++];
	const uint32_t generation = flight->generation + 1;
	struct flight **bucket = bucket_of(client, request->id);

	if (client->free)
		client->free = flight->next;
	*flight = (struct flight){
		.id = request->id,
		.bucket = *bucket,
		.generation = generation,
		.op = request->op,
		.flags = request->flags,
		.handle = request->handle,
		.offset = request->offset,
		.length = request->length,
		.timeout_ns = request->timeout_ns,
		.piece = FLIGHT_NONE,
		.timeout = {.tv_sec = (long long)(request->timeout_ns / 1000000000),
			.tv_nsec = (long long)(request->timeout_ns % 1000000000)},
		.answer.id = request->id,
	};
	*bucket = flight;
	return flight;
}

void
flight_free(struct client *client, struct flight *flight)
{
	struct flight **at = bucket_of(client, flight->id);

	while (*at != flight)
		at = &(*at)->bucket;
	*at = flight->bucket;
	if (flight->piece != FLIGHT_NONE)
		staging_give(&client->staging, flight->piece);
	flight->piece = FLIGHT_NONE;
	flight->state = FLIGHT_FREE;
	flight->next = client->free;
	client->free = flight;
}

void
flight_finish(struct client *client, struct flight *flight, int64_t result)
{
	must(FLIGHT1, flight->outstanding == 0);
	flight->answer.result = result;
	if (flight->op == DEVICE_READ && result > 0)
		flight->answer.data_bytes = (uint32_t)result;
	flight->state = FLIGHT_FINISHED;
	flight->next = NULL;
	if (client->last)
		client->last->next = flight;
	else
		client->first = flight;
	client->last = flight;
}

void
cancel_user(struct client *client, uint64_t user)
{
	struct io_uring_sqe *entry =
		ring_entry(&client->ring, RING_ASYNC_CANCEL, 0, (uint64_t)PART_IGNORE << 48);

	entry->addr = user;
	entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void
cancel_part(struct client *client, const struct flight *flight, uint32_t part)
{
	cancel_user(client, flight_user(client, flight, part));
}

void
flight_stop(struct client *client, struct flight *flight)
{
	flight->stopping = true;
	if (flight->op == DEVICE_POLL)
		poll_cancel(client, flight);
	else
		cancel_part(client, flight, PART_IO);
}

struct handle *
client_handle(struct client *client, uint32_t number)
{
	if (number >= client->handles_count || !client->handles[number].mode)
		return NULL;
	return &client->handles[number];
}

void
client_unuse(struct client *client, uint32_t number)
{
	struct handle *handle = &client->handles[number];

	must(FLIGHT2, handle->busy > 0);
	handle->busy--;
}

bool
flight_names(const struct flight *flight, uint32_t number)
{
	return flight->state == FLIGHT_RING && flight->op != DEVICE_SLEEP &&
	       flight->op != DEVICE_POLL && flight->handle == number;
}
