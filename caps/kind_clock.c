/* SPDX-License-Identifier: Apache-2.0 */
/* kind_clock.c - orders on a key to a clock.
 *
 * A virtual clock asks nobody: it is the line's `used` (caps/wasi_clock.c). A
 * real one is the device's, and what it says is an input that a journal keeps.
 * Rights  read: tell the time; sleep: wait for it. */
#include "caps/state.h"

enum rc
clock_check(struct caps_state *state, const struct key *key, uint32_t right, bool *ret_real)
{
	struct opening *o;
	const enum rc rc = key_use(state, key, KIND_clock, right, &o);

	if (rc == RC_OK)
		*ret_real = root_at(state, o->root)->flags & CAPS_REAL;
	return rc;
}

enum rc
clock_ask(struct caps_state *state, const struct key *key, uint32_t flags,
	struct device_request *ret_request)
{
	bool real;
	const enum rc rc = clock_check(state, key, RIGHT_read, &real);

	if (rc == RC_OK)
		*ret_request = (struct device_request){
			.op = DEVICE_CLOCK, .flags = flags & DEVICE_CLOCK_REAL};
	return rc;
}

enum rc
clock_sleep(struct caps_state *state, const struct key *key, uint64_t ns,
	struct device_request *ret_request)
{
	bool real;
	const enum rc rc = clock_check(state, key, RIGHT_sleep, &real);

	if (rc == RC_OK)
		*ret_request = (struct device_request){.op = DEVICE_SLEEP, .timeout_ns = ns};
	return rc;
}
