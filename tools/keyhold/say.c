/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum say_level level_now;
static bool muted; /* the last message was not said, so neither are its lines */

void
say_level(enum say_level level)
{
	level_now = level;
}

/* One write a line, so that two processes' lines do not mix. A closed standard
 * error is nobody to talk to. */
static void __attribute__((format(printf, 2, 0)))
line(const char *before, const char *format, va_list args)
{
	char text[4096];
	size_t bytes = strlen(before);
	int n;

	memcpy(text, before, bytes);
	n = vsnprintf(text + bytes, sizeof(text) - bytes - 1, format, args);
	if (n < 0)
		return;
	bytes += (size_t)n < sizeof(text) - bytes - 1 ? (size_t)n : sizeof(text) - bytes - 2;
	for (size_t i = 0; i < bytes; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	text[bytes++] = '\n';
	(void)!write(STDERR_FILENO, text, bytes);
}

static void __attribute__((format(printf, 2, 3)))
line_of(const char *before, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(before, format, args);
	va_end(args);
}

void
say_log(const char *text)
{
	if (level_now != SAY_ERRORS)
		line_of("log: ", "%s", text);
}

void
say(const char *format, ...)
{
	va_list args;

	muted = level_now == SAY_ERRORS;
	if (muted)
		return;
	va_start(args, format);
	line("keyhold: ", format, args);
	va_end(args);
}

void
say_error(const char *format, ...)
{
	va_list args;

	muted = false;
	va_start(args, format);
	line("keyhold: ", format, args);
	va_end(args);
}

void
say_more(const char *format, ...)
{
	va_list args;

	if (muted)
		return;
	va_start(args, format);
	line("  ", format, args);
	va_end(args);
}

const char *
say_safe(const char *text, size_t bytes, char *to, size_t to_bytes)
{
	size_t i;

	for (i = 0; i < bytes && i + 1 < to_bytes; i++)
		to[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	to[i] = 0;
	return to;
}
