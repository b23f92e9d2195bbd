/* SPDX-License-Identifier: Apache-2.0 */
/* kind_segment.c - orders on a segment: bytes as an object, as many as a bank has.
 *
 * Up to 64 KiB travel as a text; more by `take` and `give`, piece by piece
 * between the segment and the invoker's own memory. Each piece is paid before it
 * is copied, and domain->progress says how many bytes are done: between pieces
 * others may run, and see some of the bytes moved. */
#include "caps/bodies.h"

#include <string.h>

#include "caps/ends.h"
#include "caps/orders.h"
#include "kernel/base/fits.h"
#include "kernel/prices.h"

static uint64_t
pieces_of(uint64_t bytes)
{
	return bytes / SEGMENT_PIECE + (bytes % SEGMENT_PIECE != 0);
}

/* The last piece is as long as it has to be. */
static uint64_t
piece_bytes(uint64_t bytes, uint64_t index)
{
	return min_u64(SEGMENT_PIECE, bytes - index * SEGMENT_PIECE);
}

static uint64_t
cost_of(uint64_t bytes)
{
	const uint64_t whole = bytes / SEGMENT_PIECE, rest = bytes % SEGMENT_PIECE;

	return whole * heap_cost(SEGMENT_PIECE) + (rest ? heap_cost(rest) : 0);
}

bool
segment_pay(struct segment *segment, struct bank *payer, uint64_t bytes)
{
	const uint64_t cost = cost_of(bytes);

	if (!bank_take(payer, cost))
		return false;
	segment->payer = payer;
	segment->bytes = bytes;
	segment->charged = cost;
	return true;
}

enum order_end
segment_new(struct invocation *inv, struct bank *payer, uint64_t bytes)
{
	const uint64_t cost = cost_of(bytes);
	struct segment *segment;
	struct key key;
	enum order_end end;

	if (bank_room(payer) < cost)
		return gate_rc(inv, RC_NO_SPACE);
	end = answer_object(inv, payer, KIND_segment,
		sizeof *segment + pieces_of(bytes) * sizeof *segment->pieces, (void **)&segment, &key);
	if (!segment)
		return end;
	if (segment_pay(segment, payer, bytes))
		return end;
	object_end(inv->world, key.object);
	inv->out.keys[0] = (struct key){0};
	return gate_rc(inv, RC_NO_SPACE);
}

void
segment_end(struct world *world, void *body)
{
	struct segment *segment = body;

	for (uint64_t i = 0; i < pieces_of(segment->bytes); i++)
		heap_give(world_heap(world), segment->pieces[i], piece_bytes(segment->bytes, i));
	if (segment->payer)
		bank_give(segment->payer, segment->charged);
}

/* --- bytes --------------------------------------------------------------------------- */

void
segment_get(const struct segment *segment, uint64_t at, uint8_t *data, uint64_t bytes)
{
	while (bytes) {
		const uint8_t *piece = segment->pieces[at / SEGMENT_PIECE];
		const uint64_t from = at % SEGMENT_PIECE;
		const uint64_t here = min_u64(bytes, SEGMENT_PIECE - from);

		if (piece)
			memcpy(data, piece + from, here);
		else
			memset(data, 0, here);
		data += here;
		at += here;
		bytes -= here;
	}
}

static bool
pieces_made(struct world *world, struct segment *segment, uint64_t at, uint64_t bytes)
{
	for (uint64_t i = at / SEGMENT_PIECE; bytes && i <= (at + bytes - 1) / SEGMENT_PIECE; i++) {
		if (segment->pieces[i])
			continue;
		segment->pieces[i] = heap_take(world_heap(world), piece_bytes(segment->bytes, i));
		if (!segment->pieces[i])
			return false;
	}
	return true;
}

bool
segment_put(struct world *world, struct segment *segment, uint64_t at, const uint8_t *data,
	uint64_t bytes)
{
	if (!pieces_made(world, segment, at, bytes))
		return false;
	while (bytes) {
		const uint64_t to = at % SEGMENT_PIECE;
		const uint64_t here = min_u64(bytes, SEGMENT_PIECE - to);

		memcpy(segment->pieces[at / SEGMENT_PIECE] + to, data, here);
		data += here;
		at += here;
		bytes -= here;
	}
	return true;
}

/* --- orders -------------------------------------------------------------------------- */

/* The segment, if [word 0, + bytes) is inside it. */
static enum rc
part_named(struct invocation *inv, uint64_t bytes, struct segment **ret_segment)
{
	*ret_segment = object_body(inv->world, &inv->key);
	if (!*ret_segment)
		return RC_VOID;
	return span_fits(inv->in.words[0], bytes, (*ret_segment)->bytes) ? RC_OK : RC_BAD_WORD;
}

enum order_end
order_segment_read(struct invocation *inv)
{
	const uint64_t bytes = inv->in.words[1];
	struct segment *segment;
	uint8_t *text = text_kept(inv->world);
	const enum rc rc = part_named(inv, bytes, &segment);

	if (rc != RC_OK || bytes > MESSAGE_TEXT_MAX)
		return gate_rc(inv, rc != RC_OK ? rc : RC_BAD_WORD);
	if (!gate_charge(inv, price_copy(bytes)))
		return ORDER_DRY_GAS;
	segment_get(segment, inv->in.words[0], text, bytes);
	return answer_text(inv, text, bytes);
}

enum order_end
order_segment_write(struct invocation *inv)
{
	struct segment *segment;
	const enum rc rc = part_named(inv, inv->in.text_bytes, &segment);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	return gate_rc(inv, segment_put(inv->world, segment, inv->in.words[0], inv->in.text,
				    inv->in.text_bytes)
			? RC_OK
			: RC_NO_SPACE);
}

enum order_end
order_segment_size(struct invocation *inv)
{
	const struct segment *segment = object_body(inv->world, &inv->key);

	return segment ? answer_word(inv, segment->bytes) : gate_rc(inv, RC_VOID);
}

/* One piece each time it runs. */
static enum order_end
transfer(struct invocation *inv, bool take)
{
	const uint64_t at = inv->in.words[0], bytes = inv->in.words[1];
	uint64_t *done = &inv->domain->progress, piece, end;
	struct segment *segment;
	const enum rc rc = part_named(inv, bytes, &segment);
	uint8_t *memory;

	if (rc != RC_OK || !add_fits(&end, inv->in.words[2], bytes) || !gate_mem(inv, end, 0) ||
		*done > bytes)
		return gate_rc(inv, rc != RC_OK ? rc : RC_BAD_WORD);
	piece = min_u64(SEGMENT_PIECE, bytes - *done);
	if (!gate_charge(inv, price_copy(*done + piece)))
		return ORDER_DRY_GAS;
	memory = gate_mem(inv, inv->in.words[2] + *done, piece);
	if (!memory)
		return gate_rc(inv, RC_BAD_WORD);
	if (take)
		segment_get(segment, at + *done, memory, piece);
	else if (!segment_put(inv->world, segment, at + *done, memory, piece))
		return gate_rc(inv, RC_NO_SPACE);
	*done += piece;
	return *done == bytes ? gate_rc(inv, RC_OK) : ORDER_AGAIN;
}

enum order_end
order_segment_take(struct invocation *inv)
{
	return transfer(inv, true);
}

enum order_end
order_segment_give(struct invocation *inv)
{
	return transfer(inv, false);
}

enum order_end
order_segment_end(struct invocation *inv)
{
	return end_object(inv);
}
