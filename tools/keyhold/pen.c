/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/pen.h"

#include <errno.h>
#include <string.h>

enum { STASH_MAX = 1024 }; /* more than the client has in flight */

static struct pens {
	struct device device; /* first */
	struct worker *worker;
	uint64_t id;          /* of our own requests; the kernel's are below 2^63 */
	struct device_completion stash[STASH_MAX];
	uint32_t stash_first, stash_count;
} pens = {.id = UINT64_C(1) << 63};

static bool
stash_is_full(void)
{
	return pens.stash_count == STASH_MAX;
}

/* Waits for our own request; its data goes to `to`, if it is one that reads. */
static int64_t
await(struct worker *worker, uint64_t id, uint8_t *to)
{
	struct device *device = client_device(worker->client);
	struct device_completion completion;

	for (;;) {
		if (!device->reap(device, true, &completion)) {
			worker->pokes |= client_poked(worker->client);
			continue;
		}
		if (completion.id == id) {
			if (to && completion.data_bytes)
				memcpy(to, completion.data, completion.data_bytes);
			device->done(device, id);
			return completion.result;
		}
		if (pens.worker && !stash_is_full())
			pens.stash[(pens.stash_first + pens.stash_count++) % STASH_MAX] = completion;
		else /* the domain has been quiesced: it is nobody's */
			device->done(device, completion.id);
	}
}

/* 1: written; 0: the device is full; -EIO. */
static int
write_piece(struct pen *pen, const uint8_t *data, uint64_t bytes, uint64_t *ret_written)
{
	struct device *device = client_device(pen->worker->client);
	const struct device_request request = {.id = ++pens.id, .op = DEVICE_WRITE,
		.handle = pen->handle, .offset = DEVICE_STREAM, .data = data,
		.data_bytes = bytes < PEN_PIECE ? (uint32_t)bytes : PEN_PIECE};
	int64_t n;

	if (device->submit(device, &request))
		return 0;
	n = await(pen->worker, request.id, NULL);
	if (n <= 0) {
		pen->error = n ? (int)-n : DEVICE_EIO;
		return -EIO;
	}
	*ret_written = (uint64_t)n;
	return 1;
}

/* Writes until no more than `leave` bytes are left, or the device is full. */
static int
drain(struct pen *pen, uint64_t leave)
{
	uint64_t at = 0, n = 0;
	int r = 1;

	while (r > 0 && pen->bytes - at > leave) {
		r = write_piece(pen, pen->buffer + at, pen->bytes - at, &n);
		if (r > 0)
			at += n;
	}
	pen->bytes -= at;
	if (pen->bytes)
		memmove(pen->buffer, pen->buffer + at, pen->bytes);
	return r < 0 ? -EIO : 0;
}

static int
pen_put(struct sink *sink, const void *data, size_t bytes)
{
	struct pen *pen = (struct pen *)(void *)sink;
	const uint8_t *from = data;

	while (bytes) {
		const uint64_t room = pen->room - pen->bytes, piece = bytes < room ? bytes : room;

		memcpy(pen->buffer + pen->bytes, from, piece);
		pen->bytes += piece;
		from += piece;
		bytes -= piece;
		if (pen->bytes >= PEN_PIECE && drain(pen, PEN_PIECE - 1))
			return -EIO;
		if (pen->bytes == pen->room) { /* see PEN1 */
			pen->error = DEVICE_ENOMEM;
			return -EIO;
		}
	}
	return 0;
}

void
pen_init(struct pen *pen, struct worker *worker, uint32_t handle, uint8_t *buffer, uint64_t room)
{
	*pen = (struct pen){.sink = {.put = pen_put}, .worker = worker, .buffer = buffer, .room = room,
		.handle = handle};
}

int
pen_flush(struct pen *pen)
{
	if (pen->error || drain(pen, 0))
		return -EIO;
	if (pen->bytes) { /* nothing will make room any more */
		pen->error = DEVICE_EAGAIN;
		return -EIO;
	}
	return 0;
}

int
pen_read(struct worker *worker, uint32_t handle, uint8_t *to, uint64_t bytes)
{
	struct device *device = client_device(worker->client);

	while (bytes) {
		const struct device_request request = {.id = ++pens.id, .op = DEVICE_READ,
			.handle = handle, .offset = DEVICE_STREAM,
			.bytes = bytes < PEN_PIECE ? (uint32_t)bytes : PEN_PIECE};
		const int64_t n = device->submit(device, &request) ? 0 : await(worker, request.id, to);

		if (n <= 0 || (uint64_t)n > bytes)
			return -EIO;
		to += n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

void
pen_close(struct worker *worker, uint32_t handle)
{
	struct device *device = client_device(worker->client);
	const struct device_request request = {
		.id = ++pens.id, .op = DEVICE_CLOSE, .handle = handle};

	if (!device->submit(device, &request))
		(void)await(worker, request.id, NULL);
}

/* --- the device the world sees while a pen may write ------------------------------- */

static int
pens_submit(struct device *device, const struct device_request *request)
{
	struct device *below = client_device(((struct pens *)device)->worker->client);

	return below->submit(below, request);
}

static void
pens_cancel(struct device *device, uint64_t id)
{
	struct device *below = client_device(((struct pens *)device)->worker->client);

	below->cancel(below, id);
}

static bool
pens_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct device *below = client_device(((struct pens *)device)->worker->client);

	if (!pens.stash_count)
		return below->reap(below, wait, ret_completion);
	*ret_completion = pens.stash[pens.stash_first];
	pens.stash_first = (pens.stash_first + 1) % STASH_MAX;
	pens.stash_count--;
	return true;
}

static void
pens_done(struct device *device, uint64_t id)
{
	struct device *below = client_device(((struct pens *)device)->worker->client);

	below->done(below, id);
}

struct device *
pen_device(struct worker *worker)
{
	pens.device = (struct device){pens_submit, pens_cancel, pens_reap, pens_done};
	pens.worker = worker;
	return &pens.device;
}
