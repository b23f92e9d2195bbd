/* SPDX-License-Identifier: Apache-2.0 */
/* prices.h - what the host's own work for a guest costs, in gas.
 *
 * Work that instructions do is priced in kernel/wasm/ops.def and store.h; this
 * is the rest of the price list. A unit is about 0.1 ns. Numbers here change
 * only together with PRICES_VERSION, which is in images. */
#pragma once

#include <stdint.h>

#include "kernel/base/fits.h"

enum {
	PRICES_VERSION = 1,
	PRICE_HOST_CALL = 500,  /* every call of an import: charged before it runs */
	PRICE_GATE = 300,       /* call, send, reply_wait, beside PRICE_HOST_CALL */
	PRICE_REQUEST = 2000,   /* a request to the device */
	PRICE_NAME_BYTE = 2,    /* a byte of a path or name looked at */
	PRICE_COPY_BYTES = 64,  /* for each so many bytes copied, begun ones in full, ... */
	PRICE_COPY_GAS = 4,     /* ... so much */
	PRICE_PAGE = 1000,      /* a page of 4 KiB made */
	PRICE_GRANT_DEPTH = 20, /* a check of a key, per level of its grant */
	PRICE_CUT = 5000,       /* a world cut */
	PRICE_DERIVE = 1000,    /* a weaker copy of a key, with its grant */
	PRICE_FORK_DOMAIN = 20000, /* a domain copied by a fork */
	PRICE_DOMAIN = 50000,   /* a domain made, beside its pages */
	PRICE_LOAD_BYTE = 40,   /* a byte of a module decoded, validated and lowered */
};

static inline uint64_t
price_copy(uint64_t bytes)
{
	const uint64_t pieces = bytes / PRICE_COPY_BYTES + (bytes % PRICE_COPY_BYTES != 0);

	return mul_saturating(pieces, PRICE_COPY_GAS);
}

static inline uint64_t
price_load(uint64_t bytes)
{
	return mul_saturating(bytes, PRICE_LOAD_BYTE);
}
