/* SPDX-License-Identifier: Apache-2.0 */
/* image.h - what image.c (writing) and image_read.c agree on; docs/image-format.md
 * has the byte offsets. For kernel/ only.
 *
 *   +--------+---------+---------+--------+---------+--------+--------+--------+
 *   | header | modules | domains | grants | objects | links  | queues | hash   |
 *   | 64     | by hash | a walk  | parent | by bank | keys   |        | 32     |
 *   +--------+---------+---------+--------+---------+--------+--------+--------+
 *
 * Domains and objects are named by their place in this image; what is outside of
 * it has no name. First everything is made, then keys tie it together. A domain's
 * store is bytes, or, in a fork, which never leaves the process, the store itself.
 *
 * IMAGE1   write(read(write(x))) == write(x).
 * IMAGE2   what a restored domain holds of its bank is what the image says, to the
 *          byte. What was opened with keys said by their kind is in neither: it is
 *          opened again, for each holder at its own cost, or is a hole. */
#pragma once

#include "kernel/gate.h"
#include "kernel/world_state.h"

enum {
	IMAGE_VERSION = 1,
	IMAGE_ENGINE_VERSION = 1, /* limits and weights of kernel/wasm */
	IMAGE_HEADER_BYTES = 64,
	IMAGE_HASH_BYTES = 32,
	IMAGE_MODULE_MIN = 40,  /* the least bytes one of each can have: a count is */
	IMAGE_DOMAIN_MIN = 200, /* bounded by what is left before anything is made of it */
	IMAGE_SLOT_MIN = 12,
	IMAGE_OBJECT_MIN = 15,
	IMAGE_GRANT_MIN = 49,
};

enum image_flag { IMAGE_THIN = 1 << 0 };

enum image_domain_flag {
	IMAGE_STOP_WHEN_DRY = 1 << 0,
	IMAGE_HAS_ENTRY = 1 << 1,
	IMAGE_ENTERED = 1 << 2,
	IMAGE_UNLIMITED = 1 << 3,
	IMAGE_PERSONALITY = 1 << 4,
	IMAGE_POLL = 1 << 5,
	IMAGE_HELD = 1 << 6,
	IMAGE_COUNTED = 1 << 7,
	IMAGE_INTERRUPTED = 1 << 8,
	IMAGE_TOLD = 1 << 9,
	IMAGE_CLOSED = 1 << 10,
	IMAGE_DOMAIN_FLAGS = (1 << 11) - 1,
};

enum { IMAGE_NOWHERE = UINT32_MAX };
#define IMAGE_PURSE_OUTSIDE (UINT32_MAX - 1)
/* In a fork, with the index of a grant outside of it: the copy is cut with the
 * original. Image bytes have no name for it. */
#define IMAGE_GRANT_OUTSIDE (UINT32_C(1) << 31)

/* Where a line, bank or meter is: of a domain of this image, an object of it, or
 * outside. */
enum image_where { IMAGE_OUTSIDE, IMAGE_OF_DOMAIN, IMAGE_OF_OBJECT };

/* How a key is named. GONE: it was the host's and is cut by somebody outside; nothing
 * is said of it but that what was opened with it is not here. */
enum image_key { IMAGE_KEY_SAID, IMAGE_KEY_DOMAIN, IMAGE_KEY_OBJECT, IMAGE_KEY_GONE,
	/* In a fork alone: to something outside of it that the copy shares; as it is. */
	IMAGE_KEY_SHARED };

static const uint8_t image_magic[8] = {'K', 'E', 'Y', 'H', 'I', 'M', 'G', '\n'};

/* --- writing (image.c, image_tie.c) ------------------------------------------ */

struct image_out {
	struct world *world;
	struct domain *top;
	struct sink *sink;
	bool thin, fork;
	struct domain **domains; /* in order; domain->mark is the place */
	uint32_t *objects;       /* indices in the world's table; object->mark is the place */
	uint32_t *grants;        /* places in `objects`, parents first */
	uint32_t domains_count, objects_count, grants_count;
	uint64_t domains_room, objects_room;
};

/* Finds the objects of all banks in it: 0, -ENOMEM. Then out's arrays are there. */
int image_collect(struct image_out *out);
void image_collected_free(struct image_out *out);
uint32_t image_domain(const struct image_out *out, const struct domain *domain);
enum domain_state image_state(const struct image_out *out, const struct domain *domain);
/* What it holds of its bank itself, without what it opened. */
uint64_t image_own(const struct domain *domain);
bool image_has_meter(const struct image_out *out, const struct meter *meter);
void image_put_bank(struct image_out *out, const struct bank *bank);
void image_put_meter(struct image_out *out, const struct meter *meter);
void image_put_grant(struct image_out *out, uint32_t grant);
void image_put_purse(struct image_out *out, const struct purse *purse);
void image_put_grants(struct image_out *out);
void image_put_objects(struct image_out *out);
void image_put_links(struct image_out *out);
void image_put_queues(struct image_out *out);

int image_write_fork(struct world *world, struct domain *domain, struct sink *to);
int image_read_fork(struct world *world, const struct domain_above *above, const uint8_t *bytes,
	size_t count, struct report *report, struct domain **ret_domain);

/* --- reading (image_read.c, image_make.c, image_wait.c, image_bind.c) ----------------------------------------- */

struct image_place {
	uint32_t where, place; /* enum image_where */
};

struct image_owner { /* a domain's record, for what is tied later */
	struct domain *domain;
	struct bytes_in gate;  /* that part of it */
	uint64_t own, peak;    /* image_own(), and of its bank, as it says */
	uint32_t flags;
	uint8_t state;
};

struct image {
	struct world *world;
	const struct domain_above *above; /* what the restorer gives */
	struct bytes_in in;
	struct report *report;
	bool thin, fork, copied; /* copied: a guest gave the bytes, and they go */
	uint32_t modules, domains, ready, objects, grants;
	struct image_owner *at; /* domains in the order of the image */
	uint32_t made;
	uint32_t *objects_at;   /* indices in the world's table, ... */
	struct image_place *above_at; /* ... and what each is below, for meters and purses */
	uint32_t objects_made;
	uint32_t *grants_at;    /* indices of grants, ... */
	uint32_t *grants_of;    /* ... and the object that each is of; IMAGE_NOWHERE: it has it */
	uint32_t grants_made;
	struct store_reader reader;
};

int image_bad(struct image *image, const char *what);
int image_bad_at(struct image *image, const uint8_t *at, const char *what);
/* What a place names: NULL and true for one outside, false for none that is there. */
bool image_get_domain(struct image *image, struct bytes_in *in, struct domain **ret_domain);
bool image_get_bank(struct image *image, struct bytes_in *in, struct bank **ret_bank);
bool image_meter_at(struct image *image, struct image_place at, struct meter **ret_meter);
bool image_get_meter(struct image *image, struct bytes_in *in, struct meter **ret_meter);
/* What a grant is named by, and its index in the world's table. */
bool image_grant_fits(const struct image *image, uint32_t place);
uint32_t image_grant_at(const struct image *image, uint32_t place);
struct object *image_object(struct image *image, uint32_t place); /* NULL: none */
/* The body of one of this kind that stands by itself; NULL: none. */
void *image_standing(struct image *image, uint32_t place, uint8_t kind);
/* A kind by its name; NULL: not known here. */
const struct kind *image_get_kind(struct image *image, uint8_t *ret_number);
int image_get_grants(struct image *image);
void image_drop_grants(struct image *image); /* those that no object took over */
int image_get_objects(struct image *image);
int image_get_gates(struct image *image); /* what the domains' records said of each other */
int image_get_links(struct image *image);
int image_get_queues(struct image *image);
/* A key nobody here can bind is a hole: void. */
int image_get_key(struct image *image, struct domain *domain, struct key *ret_key);
/* Callers that nobody in the image can answer: they hear GATE_FORKED. */
void image_settle(struct image *image);
