/* SPDX-License-Identifier: Apache-2.0 */
/* say.h - words for people, on standard error; and the exit statuses.
 *
 * Standard output carries data only. A message says what was tried, which key,
 * why it failed, what the guest saw, how to allow it: one fact a line, the
 * first line with "keyhold: " before it. */
#pragma once

#include <stddef.h>

enum exit_status { /* design.md section 10; sysexits.h where it has one */
	EXIT_GUEST = 0, /* the guest's own, when it ended by itself */
	EXIT_USAGE = 64,
	EXIT_DATA = 65,      /* invalid module or image */
	EXIT_NO_FILE = 66,   /* no such file, or not to be opened */
	EXIT_FAULT = 70,     /* our own */
	EXIT_IO = 74,        /* a report, image or answer could not be written */
	EXIT_NO_KEY = 77,    /* a key cannot be bound, or --stop-on-denied */
	EXIT_MANIFEST = 78,
	EXIT_TIMEOUT = 124,
	EXIT_TRAP = 134,
	EXIT_KILLED = 137,   /* out of storage too */
	EXIT_GAS = 152,
};

enum say_level { SAY_ALL, SAY_ERRORS };
/* --quiet: say() is silent from here on; say_error() never is. */
void say_level(enum say_level level);

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line that a guest wrote with its log key, "log: " before it. */
void say_log(const char *text);
/* The next line of the same message. */
void say_more(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text from a guest, a file name, an argument: control bytes become '?', so
 * that a terminal is never ordered about. Cut to fit. Returns `to`. */
const char *say_safe(const char *text, size_t bytes, char *to, size_t to_bytes);
