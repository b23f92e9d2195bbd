/* SPDX-License-Identifier: Apache-2.0 */
/* buffer.h - a sink that keeps what it gets, in memory that grows. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/bytes.h"

struct buffer {
	struct sink sink; /* first */
	uint8_t *bytes;
	size_t count, room;
	size_t most; /* fails past it; 0: no limit */
};

static inline int
buffer_put(struct sink *sink, const void *data, size_t bytes)
{
	struct buffer *buffer = (struct buffer *)sink;

	if (!bytes)
		return 0;
	if (buffer->most && buffer->count + bytes > buffer->most)
		return -ENOSPC;
	if (buffer->count + bytes > buffer->room) {
		buffer->room = (buffer->count + bytes) * 2;
		buffer->bytes = realloc(buffer->bytes, buffer->room);
		if (!buffer->bytes)
			abort();
	}
	memcpy(buffer->bytes + buffer->count, data, bytes);
	buffer->count += bytes;
	return 0;
}

static inline void
buffer_init(struct buffer *buffer)
{
	*buffer = (struct buffer){.sink = {.put = buffer_put}};
}

static inline void
buffer_done(struct buffer *buffer)
{
	free(buffer->bytes);
	buffer_init(buffer);
}
