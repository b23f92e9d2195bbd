/* SPDX-License-Identifier: Apache-2.0 */
/* out.h - bytes of a module as they are put together, in an arena. */
#pragma once

#include <stdint.h>

#include "tools/entish/arena.h"

struct out {
	struct arena *arena;
	uint8_t *at;
	size_t used, room;
};

void out_bytes(struct out *out, const void *bytes, size_t count);
void out_byte(struct out *out, unsigned byte);
void out_u(struct out *out, uint64_t value); /* LEB128 */
void out_s(struct out *out, int64_t value);
void out_text(struct out *out, const char *text); /* its length first */
/* A part with its length before it. */
void out_part(struct out *out, const struct out *part);
void out_section(struct out *out, unsigned id, const struct out *part);
