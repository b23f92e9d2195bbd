/* SPDX-License-Identifier: Apache-2.0 */
/* fork.c - a copy of a tree: an image that never leaves the process, in which a
 * store is not written but shared. What is not store is small, so the time is
 * that of the number of domains, and the memory that of what differs later. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/image.h"

enum { SCRATCH_FIRST = 16 << 10 };

struct scratch { /* kept from fork to fork */
	struct sink sink; /* first */
	struct world *world;
	uint64_t used;
};

static int
scratch_put(struct sink *sink, const void *data, size_t bytes)
{
	struct scratch *scratch = (struct scratch *)(void *)sink;
	struct world *world = scratch->world;

	if (bytes > world->scratch_room - scratch->used) {
		const uint64_t room =
			max_u64(max_u64(2 * world->scratch_room, SCRATCH_FIRST), scratch->used + bytes);
		uint8_t *more = heap_resize(
			&world->heap, world->scratch, world->scratch_room, room);

		if (!more)
			return -ENOMEM;
		world->scratch = more;
		world->scratch_room = room;
	}
	if (bytes)
		memcpy(world->scratch + scratch->used, data, bytes);
	scratch->used += bytes;
	return 0;
}

int
domain_fork(struct domain *domain, const struct domain_above *above, struct report *report,
	struct domain **ret_domain)
{
	struct world *world = domain->world;
	struct scratch scratch = {.sink = {.put = scratch_put}, .world = world};
	int error;

	domain_quiesce(domain);
	error = image_write_fork(world, domain, &scratch.sink);
	return error ? error
		     : image_read_fork(world, above, world->scratch, scratch.used, report, ret_domain);
}
