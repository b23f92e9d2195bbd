/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_vectors.c - the buffers a guest points at, and what moving bytes costs. */
#include "caps/wasi_vectors.h"

static const uint8_t *
vector_at(const struct vectors *vectors, uint32_t index, uint32_t *ret_at)
{
	const uint8_t *entry =
		call_mem(vectors->call, vectors->at + (uint64_t)index * IOVEC_BYTES, IOVEC_BYTES);

	*ret_at = (uint32_t)load_word(entry, 4);
	return entry + 4;
}

static uint8_t *
vector(const struct vectors *vectors, uint32_t index, uint64_t *ret_bytes)
{
	uint32_t at;

	*ret_bytes = load_word(vector_at(vectors, index, &at), 4);
	return *ret_bytes ? call_mem(vectors->call, at, *ret_bytes) : NULL;
}

 enum wasi_errno
vectors_check(struct call *call, uint32_t at, uint32_t count, uint32_t result_at,
	struct vectors *ret)
{
	*ret = (struct vectors){.call = call, .at = at, .count = count};
	if (count > WASI_IOVS_MAX)
		return WASI_EINVAL;
	if (!call_mem(call, at, (uint64_t)count * IOVEC_BYTES) || !call_mem(call, result_at, 4))
		return WASI_EFAULT;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t bytes;
		const uint8_t *to = vector(ret, i, &bytes);

		if (bytes && !to)
			return WASI_EFAULT;
		ret->bytes += bytes;
	}
	return ret->bytes > UINT32_MAX ? WASI_EINVAL : WASI_ESUCCESS;
}

void
vectors_copy(const struct vectors *vectors, enum copy_way way, uint64_t from, uint8_t *data,
	uint64_t bytes)
{
	for (uint32_t i = 0; i < vectors->count && bytes; i++) {
		uint64_t here;
		uint8_t *guest = vector(vectors, i, &here);

		if (from >= here) {
			from -= here;
			continue;
		}
		here = min_u64(here - from, bytes);
		if (way == COPY_TO_GUEST)
			memcpy(guest + from, data, (size_t)here);
		else
			memcpy(data, guest + from, (size_t)here);
		data += here;
		bytes -= here;
		from = 0;
	}
}

const uint8_t *
vectors_gather(const struct vectors *vectors, struct wasi *wasi, uint64_t from, uint32_t bytes)
{
	uint64_t skipped = 0;

	for (uint32_t i = 0; i < vectors->count; i++) {
		uint64_t here;
		const uint8_t *guest = vector(vectors, i, &here);

		if (from - skipped < here) {
			if (here - (from - skipped) >= bytes)
				return guest + (from - skipped);
			break;
		}
		skipped += here;
	}
	vectors_copy(vectors, COPY_FROM_GUEST, from, wasi->state->piece, bytes);
	return wasi->state->piece;
}

bool
charge_transfer(struct call *call, const struct vectors *vectors, uint64_t done)
{
	const uint64_t pieces = done / DEVICE_PIECE_BYTES + 1;
	const uint64_t begun = min_u64(vectors->bytes, pieces * DEVICE_PIECE_BYTES);

	return charge(call,
		price_copy((uint64_t)vectors->count * IOVEC_BYTES) + price_copy(begun) +
			pieces * PRICE_REQUEST);
}

uint32_t
piece_bytes(const struct vectors *vectors, uint64_t done)
{
	return (uint32_t)min_u64(vectors->bytes - done, DEVICE_PIECE_BYTES);
}

uint64_t
bytes_left_of(const struct wasi *wasi, const struct key *key)
{
	return grant_bytes_left(world_grants(wasi->state->world), key->grant);
}

void
bytes_passed(const struct wasi *wasi, const struct key *key, uint64_t bytes)
{
	grant_count_bytes(world_grants(wasi->state->world), key->grant, bytes);
}
