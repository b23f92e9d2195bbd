/* SPDX-License-Identifier: Apache-2.0 */
/* staging.h - pieces of shared memory that reads and writes go through.
 *
 * Owns     which pieces are free; the bytes are the shared memory's.
 * Does     hands out the smaller of two sizes that holds the request.
 * Callers  client.c. The kernel has charged the bank for the piece.
 * Never    waits: false means try again after the next completion. The piece
 *          used last is given first, for it is still in the cache. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/wire.h"

enum { STAGING_BYTES = WIRE_SMALLS * WIRE_SMALL_BYTES + WIRE_LARGES * WIRE_LARGE_BYTES };

struct staging {
	uint16_t small[WIRE_SMALLS], large[WIRE_LARGES]; /* free ones, as stacks */
	uint32_t smalls, larges;
};

void staging_init(struct staging *staging);
/* A piece of at least so many bytes (<= DEVICE_PIECE_BYTES): its offset. */
bool staging_take(struct staging *staging, uint32_t bytes, uint32_t *ret_piece);
void staging_give(struct staging *staging, uint32_t piece);
