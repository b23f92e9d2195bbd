/* SPDX-License-Identifier: Apache-2.0 */
/* watchdog.c - a worker that spins is ended.
 *
 * A worker beats between two slices and at every request (drivers/flight.h), in
 * shared memory. One that has used so much processor time without a beat is in a
 * loop that no gas counts: a fault of ours, or somebody else's code in it. It is
 * the worker's own time that counts, not the clock's: a machine that is busy or
 * asleep, and a worker that was stopped or waits, are no loops. What the kernel's
 * threads do for a waiting worker is its time too, so waiting is marked.
 *
 * A fallen worker can beat while it spins; --timeout is for that. */
#include <time.h>

#include "drivers/broker/impl.h"
#include "kernel/base/fits.h"

enum { LOOKS_PER_LIMIT = 4, LOOK_MS_LEAST = 10 };

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		return 0; /* it has ended */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
period_ns(const struct watchdog *dog)
{
	return max_u64(dog->limit_ns / LOOKS_PER_LIMIT, LOOK_MS_LEAST * UINT64_C(1000000));
}

void
broker_watchdog(struct broker *broker, uint64_t processor_ns)
{
	broker->dog = (struct watchdog){.limit_ns = processor_ns};
}

uint64_t
watchdog_next_ns(const struct broker *broker)
{
	const struct watchdog *dog = &broker->dog;

	return dog->limit_ns && broker->worker && !broker->exited ? dog->next_ns : UINT64_MAX;
}

void
watchdog_turn(struct broker *broker)
{
	struct watchdog *dog = &broker->dog;
	const uint64_t now = watchdog_next_ns(broker) == UINT64_MAX ? 0 : broker_now_ns();
	const bool first = dog->next_ns == 0;
	clockid_t clock;
	uint64_t used;
	uint32_t beats;

	if (now < dog->next_ns || !now || clock_getcpuclockid(broker->worker, &clock))
		return;
	dog->next_ns = now + period_ns(dog);
	used = clock_ns(clock);
	beats = atomic_load_explicit(&broker->start->at.beats, memory_order_relaxed);
	if (first || beats != dog->beats ||
		atomic_load_explicit(&broker->start->at.waiting, memory_order_relaxed)) {
		dog->beats = beats;
		dog->used_ns = used;
	} else if (used > dog->used_ns && used - dog->used_ns >= dog->limit_ns) {
		broker->stuck = true;
	}
}
