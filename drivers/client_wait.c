/* SPDX-License-Identifier: Apache-2.0 */
/* client_wait.c - looking before sleeping.
 *
 * What the ring cannot do at once (a buffered write, nearly everywhere; a read
 * of tmpfs) a thread of its own does, on another processor. Then to sleep and
 * be woken costs more than the transfer: for 128 KiB some 30 us on a virtual
 * machine, whose idle processors belong to the host. So we look for a while
 * first, at memory shared with the kernel and the broker.
 *
 * How long one look takes differs, and there is no clock here that is sure not
 * to be a system call. So it is counted, and corrected by success: a watch in
 * vain is followed by 1, 3, 7 .. 255 waits without one, the first
 * that helps makes the next begin at once. Who waits for a person, or has one
 * processor for all, loses at most a watch in 256 waits. */
#include "drivers/flight.h"

enum { WATCH_LOOKS = 4000, WATCH_MISSES_MAX = 8 };

static void
breathe(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool
stirs(const struct client *client)
{
	return (!client->ringless && ring_stirs(&client->ring)) ||
	       atomic_load_explicit(&client->start->at.replies_put, memory_order_relaxed) !=
		       client->replies_got;
}

bool
client_due(const struct client *client)
{
	return client->wake_due || (!client->ringless && ring_due(&client->ring));
}

/* Did something come while we looked? */
static bool
watch(struct client *client)
{
	if (client->watch_pass) {
		client->watch_pass--;
		return false;
	}
	client_flush(client, RING_GO_ON);
	for (uint32_t i = 0; i < WATCH_LOOKS; i++) {
		if (stirs(client)) {
			client->watch_misses = 0;
			return true;
		}
		breathe();
	}
	if (client->watch_misses < WATCH_MISSES_MAX)
		client->watch_misses++;
	client->watch_pass = (1u << client->watch_misses) - 1;
	return false;
}

void
client_wait(struct client *client)
{
	if (!watch(client))
		client_flush(client, RING_WAIT_ONE);
	else if (client_due(client))
		client_flush(client, RING_GO_ON);
}
