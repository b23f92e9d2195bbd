/* SPDX-License-Identifier: Apache-2.0 */
/* bodies.h - what the objects of kernel/object.h hold, by kind.
 *
 * Bodies are plain data: no pointer but to what their bank paid for beside them,
 * so that an image can hold them. Keys in them are copies like those in slots;
 * no resume key is ever in one (it lies in one slot, and can only move).
 *
 *   node       sixteen keys
 *   segment    pieces of 64 KiB, each made when it is first written to; all of
 *              them are paid for when the segment is bought
 *   factory    the module, and the keys each product starts with
 *   image      its bytes
 *   forwarder  the key that it passes orders on to
 *   sealer, unsealer   a number that no other pair has
 *   box        that number, and a key
 *
 * Source     design.md section 4; KeyKOS factory and forwarder; Miller's sealers. */
#pragma once

#include "caps/orders.h"

enum {
	NODE_SLOTS = 16,
	SEGMENT_PIECE = 64 << 10,
	FACTORY_KEYS_MAX = 32,
	FORWARD_MAX = 16, /* forwarders that one order goes through */
};
#define SEGMENT_BYTES_MAX (UINT64_C(1) << 32)

struct node {
	struct key slots[NODE_SLOTS];
};

struct segment {
	struct bank *payer;
	uint64_t bytes, charged;
	uint8_t *pieces[]; /* NULL: zeroes */
};

struct factory {
	struct module *module; /* held */
	bool sealed;
	uint32_t keys_count, holes_count;
	struct key keys[FACTORY_KEYS_MAX];
	uint32_t slots[FACTORY_KEYS_MAX]; /* of the product, for each */
	bool holes[FACTORY_KEYS_MAX];
};

struct image_body {
	uint8_t *bytes;
	uint64_t count;
	struct bank *payer;
	uint32_t domains;
};

struct forwarder {
	struct key target;
};

struct brand {
	uint64_t number;
};

struct box {
	uint64_t number;
	struct key key;
};

/* Bytes [at, at + bytes) of it, to or from `data`; they are inside. */
void segment_get(const struct segment *segment, uint64_t at, uint8_t *data, uint64_t bytes);
/* false: no memory, nothing was written. */
bool segment_put(struct world *world, struct segment *segment, uint64_t at, const uint8_t *data,
	uint64_t bytes);
/* Room for so many bytes of an image, paid for. */
bool image_body_take(struct world *world, struct image_body *body, struct bank *payer,
	uint64_t count);
/* The same for a segment that has its size; false: the bank has no room. */
bool segment_pay(struct segment *segment, struct bank *payer, uint64_t bytes);
/* A new one; RC_NO_SPACE; the caller has charged the price. */
enum order_end segment_new(struct invocation *inv, struct bank *payer, uint64_t bytes);
