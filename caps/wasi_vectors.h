/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_vectors.h - what reads and writes of descriptors share: a guest's list of
 * buffers, the price of a transfer, the byte limits of a key.
 *
 * Callers  wasi_file.c, wasi_sock.c. */
#pragma once

#include "caps/wasi.h"

struct vectors {
	struct call *call;
	uint32_t at, count;
	uint64_t bytes; /* in all */
};

/* Everything the guest points at is looked at before anything happens. */
enum wasi_errno vectors_check(struct call *call, uint32_t at, uint32_t count, uint32_t result_at,
	struct vectors *ret);
/* Copies between `data` and the vectors' bytes [from, from + bytes). */
enum copy_way { COPY_TO_GUEST, COPY_FROM_GUEST };
void vectors_copy(const struct vectors *vectors, enum copy_way way, uint64_t from, uint8_t *data,
	uint64_t bytes);
/* The bytes [from, from + bytes) where they lie, or gathered in the scratch piece. */
const uint8_t *vectors_gather(const struct vectors *vectors, struct wasi *wasi, uint64_t from,
	uint32_t bytes);
/* The price of a transfer when `done` bytes are done and one more piece begins. */
bool charge_transfer(struct call *call, const struct vectors *vectors, uint64_t done);
uint32_t piece_bytes(const struct vectors *vectors, uint64_t done);
/* How many bytes the limits of the key's grants leave. */
uint64_t bytes_left_of(const struct wasi *wasi, const struct key *key);
void bytes_passed(const struct wasi *wasi, const struct key *key, uint64_t bytes);
