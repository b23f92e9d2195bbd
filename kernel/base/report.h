/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - words for people about one failure; the first one wins.
 *
 * A function that fails on outside bytes returns -errno to its caller and puts
 * the words here: what was wrong, where (an offset), why (the rule). Never
 * printed by the rooms below tools/. Source: toywasm lib/report.h. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_BYTES_MAX = 240 };

struct report {
	char text[REPORT_BYTES_MAX]; /* empty while nothing failed */
	uint64_t offset;             /* byte of the input; UINT64_MAX when none */
};

/* Empties the report. */
void report_clear(struct report *report);

/* Puts the words in if none are there yet; report may be NULL. Formats %s %u
 * %llu %x %d %c only (no floats), so it needs nothing of the host. */
void report_say(struct report *report, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void report_vsay(struct report *report, uint64_t offset, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
