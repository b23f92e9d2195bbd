/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/staging.h"

#include "kernel/base/must.h"

/* Large pieces first, so that each begins on its own size. */
static const uint32_t smalls_at = WIRE_LARGES * WIRE_LARGE_BYTES;

void
staging_init(struct staging *staging)
{
	staging->smalls = WIRE_SMALLS;
	staging->larges = WIRE_LARGES;
	for (uint32_t i = 0; i < WIRE_SMALLS; i++)
		staging->small[i] = (uint16_t)(WIRE_SMALLS - 1 - i);
	for (uint32_t i = 0; i < WIRE_LARGES; i++)
		staging->large[i] = (uint16_t)(WIRE_LARGES - 1 - i);
}

bool
staging_take(struct staging *staging, uint32_t bytes, uint32_t *ret_piece)
{
	if (bytes <= WIRE_SMALL_BYTES && staging->smalls) {
		*ret_piece =
			smalls_at + staging->small[--staging->smalls] * (uint32_t)WIRE_SMALL_BYTES;
		return true;
	}
	if (bytes > WIRE_LARGE_BYTES || !staging->larges)
		return false;
	*ret_piece = staging->large[--staging->larges] * (uint32_t)WIRE_LARGE_BYTES;
	return true;
}

void
staging_give(struct staging *staging, uint32_t piece)
{
	if (piece >= smalls_at) {
		must(STAGING1, staging->smalls < WIRE_SMALLS);
		staging->small[staging->smalls++] =
			(uint16_t)((piece - smalls_at) / WIRE_SMALL_BYTES);
		return;
	}
	must(STAGING1, staging->larges < WIRE_LARGES);
	staging->large[staging->larges++] = (uint16_t)(piece / WIRE_LARGE_BYTES);
}
