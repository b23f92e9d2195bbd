/* SPDX-License-Identifier: Apache-2.0 */
/* object.h - what keys name, apart from domains: nodes, segments, meters, banks ...
 *
 * Owns     the table of objects; each was bought from one bank and is in that
 *          bank's list, so that destroying the bank ends it.
 * Does     gives places and generations; finds what a key means; ends.
 * Callers  caps/kind_*.c make and look; kernel/domain.c ends a bank's.
 * Never    looks into a body: the kind's `end` column does, before it is freed.
 * Lives    until it is ended or its bank is destroyed; keys to it are not
 *          counted (KeyKOS: a deleted object is a key to the void).
 *
 * OBJECT1  an object in use is in its payer's list, once; a borrowed one (the
 *          meter or bank inside a domain) in its domain's bank's.
 * OBJECT2  a generation is never used twice for one place.
 * Source   design.md section 4; KeyKOS allocation counts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/heap.h"
#include "kernel/key.h"

struct world;
struct bank;

enum { OBJECT_NONE = UINT32_MAX };

struct object {
	uint32_t generation;
	uint8_t kind;        /* KEY_VOID: free */
	bool borrowed;       /* the body is part of something else */
	uint32_t mark;       /* its index while an image is written */
	uint32_t next, prev; /* among what its payer paid for; next: of the free ones */
	struct bank *payer;
	uint64_t bytes;      /* of the body */
	void *body;
};

struct objects {
	struct object *at;
	uint32_t count, room, free;
};

void objects_init(struct objects *objects);
void objects_done(struct objects *objects, struct heap *heap);

/* A place, and a zeroed body of so many bytes, both charged to the payer:
 * OBJECT_NONE when it or the heap has no room. */
uint32_t object_new(struct world *world, uint8_t kind, struct bank *payer, uint64_t bytes);
/* A place for a body that lies elsewhere. */
uint32_t object_borrow(struct world *world, uint8_t kind, struct bank *payer, void *body);
struct object *object_at(struct world *world, uint32_t index);
/* What the key names; NULL when that is gone, or is no object of the key's kind. */
struct object *object_of(struct world *world, const struct key *key);
/* Its body, likewise. */
void *object_body(struct world *world, const struct key *key);
/* Keys to it are void from now on. */
void object_end(struct world *world, uint32_t index);
/* All that this bank itself paid for (not what banks below it did). */
void objects_end(struct world *world, struct bank *payer);
/* Its list the other way round. */
void objects_turn(struct world *world, struct bank *payer);
/* A key without a grant. */
struct key object_key(struct world *world, uint32_t index, uint32_t rights);
void objects_check(struct world *world); /* must() */
