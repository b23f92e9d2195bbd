/* SPDX-License-Identifier: Apache-2.0 */
/* values.h - values of a script, as wast2json writes them. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* An argument as a 64-bit slot; false if it is none. */
bool value_read(const json_t *json, uint64_t *ret_slot);
/* Is this result what the script expects? NaN patterns included. */
bool value_fits(const json_t *want, uint8_t val, uint64_t slot);
