/* SPDX-License-Identifier: Apache-2.0 */
/* units.h - amounts as people write them.
 *
 * Does     "5M" gas, "64M" bytes, "250ms" -> a number; and back, for messages.
 * Callers  run.c, keyspec.c, verdict.c.
 * Errors   -EINVAL, words in the report: what was written and what is expected.
 * Source   design.md section 10: k M G T are powers of 1000 for gas, K M G
 *          powers of 1024 for bytes; ms s m h. Upper and lower case k are one. */
#pragma once

#include <stdint.h>

#include "kernel/base/report.h"

int units_gas(const char *text, struct report *report, uint64_t *ret_gas);
int units_bytes(const char *text, struct report *report, uint64_t *ret_bytes);
/* The unit is required: 2 could be seconds or milliseconds. */
int units_duration(const char *text, struct report *report, uint64_t *ret_ns);
int units_count(const char *text, struct report *report, uint64_t *ret_count);

enum { UNITS_TEXT_MAX = 32 };

/* "5,000,000". */
const char *units_group(uint64_t count, char text[static UNITS_TEXT_MAX]);
/* The largest unit that says it exactly: "10M", "4G", "1000". */
const char *units_say_bytes(uint64_t bytes, char text[static UNITS_TEXT_MAX]);
const char *units_say_duration(uint64_t ns, char text[static UNITS_TEXT_MAX]);
