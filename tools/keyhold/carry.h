/* SPDX-License-Identifier: Apache-2.0 */
/* carry.h - what start.h and order.h are written to and read from.
 *
 * Callers  start.c, order.c (texts); launch.c, taping.c, control_do.c (memory);
 *          worker.c, obey.c (fixed: behind the walls nothing is allocated).
 * Errors   -ENOMEM, -E2BIG, in the sink. */
#pragma once

#include <stdio.h>

#include "kernel/base/bytes.h"

/* A text with its end, so that the reader need not copy it. NULL is no text. */
void carry_text(struct sink *sink, const char *text);
/* Where it lies; NULL: none. `in` goes bad unless its end is its only zero byte. */
const char *carry_text_read(struct bytes_in *in);

struct carry_memory {
	struct sink sink; /* first */
	FILE *out;
	char *bytes;      /* the caller's to free, once it is ended */
	size_t count;
};

/* Without memory for it nothing is kept, and the end says so. */
void carry_memory_begin(struct carry_memory *to);
/* 0: all of it is there. */
int carry_memory_end(struct carry_memory *to);

struct carry_fixed {
	struct sink sink; /* first */
	uint8_t *at, *end;
};

struct carry_fixed carry_fixed(uint8_t *at, size_t bytes);
