/* SPDX-License-Identifier: Apache-2.0 */
/* messages.h - what messages to the broker have by seed, whoever sends them: numbers
 * of which much is nearly right, and two paths of a list. */
#pragma once

#include <string.h>

#include "drivers/wire.h"
#include "tests/support/seeds.h"

/* Handles below `handles`, mostly; where the data lies is the caller's. */
static inline void
message_numbers(struct seed *seed, struct wire_request *message, uint32_t handles)
{
	message->flags = (uint32_t)seed_next(seed);
	message->handle = (uint32_t)(seed_next(seed) % 8 ? seed_next(seed) % handles : seed_next(seed));
	message->handle2 = (uint32_t)(seed_next(seed) % handles);
	message->offset = seed_next(seed) % 3 ? seed_next(seed) % 100 : seed_next(seed);
	message->length = seed_next(seed) % 3 ? seed_next(seed) % 100 : seed_next(seed);
	message->access_ns = seed_next(seed);
	message->modify_ns = seed_next(seed);
}

static inline void
message_paths(
	struct seed *seed, struct wire_request *message, const char *const *paths, size_t count)
{
	for (int i = 0; i < 2; i++) {
		const char *path = paths[seed_next(seed) % count];
		const uint32_t bytes = (uint32_t)strlen(path);

		memcpy(message->text + message->path_bytes, path, bytes);
		if (i == 0)
			message->path_bytes = bytes;
		else
			message->path2_bytes = bytes;
	}
}
