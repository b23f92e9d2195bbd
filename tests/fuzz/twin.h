/* SPDX-License-Identifier: Apache-2.0 */
/* twin.h - one module run twice, and compared.
 *
 * Does     loads it; if it is valid, makes an instance in two stores and calls
 *          its exports in both: one straight in one executor; the other stopped
 *          at every few safepoints, and by turns written as bytes and read into
 *          a fresh store, or copied, in the other executor each time. Ends, gas, results, traps and
 *          the bytes of the whole state must be equal.
 * Errors   aborts on a difference: the fuzzer keeps the input. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct twin_config {
	uint64_t gas;    /* for each call */
	uint32_t period; /* safepoints between stops */
	uint32_t stops;  /* at most, for each call */
};

/* Whether the bytes were a module. `must_load`: aborts if they are none. */
bool twin_run(const uint8_t *bytes, size_t count, struct twin_config config, bool must_load);
