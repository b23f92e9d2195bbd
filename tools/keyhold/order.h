/* SPDX-License-Identifier: Apache-2.0 */
/* order.h - what the broker's side orders of a running worker, and its answers.
 *
 *   control.c --order--> obey.c     between two steps; recorded, if it changes anything
 *             <--answer--
 *
 * Owns     nothing: texts of what was read lie in the bytes.
 * Does     writes and reads both as little-endian bytes. An order's bytes are also
 *          what a journal has of it, so their meaning never changes: ORDER lists
 *          are append only.
 * Never    believes an answer: the worker may have fallen. Its reader is total;
 *          its texts are any bytes, made safe before they are shown.
 * Errors   -EINVAL: not well-formed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/bytes.h"

enum order_do { /* ORDER DOS: stored in journals */
	DO_LOOK,     /* every domain */
	DO_KEYS,     /* every root key */
	DO_WHY,      /* the last refusals of a domain, or of all */
	DO_GRANT,
	DO_CUT,
	DO_LIMIT,
	DO_PAUSE,
	DO_RESUME,
	DO_SNAPSHOT, /* recorded: that it was brought to rest */
	DO_RESTORE,  /* recorded: with the image behind it */
	DO_END,
	DO_COUNT
};

enum order_flag {
	DO_GAS = 1 << 0,      /* limit: `gas` is what is left from now on ... */
	DO_GAS_MORE = 1 << 1, /* ... or so much more */
	DO_MEM = 1 << 2,
};

enum { ORDER_TEXT_MAX = 4096 };

struct order {
	enum order_do what;
	uint32_t flags;             /* enum order_flag */
	const char *domain;         /* "main/plug"; NULL: none was named */
	const char *name;           /* of the root key; of what is restored */
	const char *spec, *path;    /* grant: as caps_root and start_root have them */
	uint32_t kind, rights, key_flags, handle, number;
	uint64_t seed, uses, bytes; /* UINT64_MAX: no limit */
	uint64_t gas, mem;
	uint64_t stream_bytes;      /* restore: of the image, from `handle` */
	uint64_t rate;              /* grant; UINT64_MAX: no limit */
};

void order_write(const struct order *order, struct sink *sink);
/* What is behind it stays in `in`. */
int order_read(struct bytes_in *in, struct order *ret_order);
/* Read-only ones are not in a journal. */
bool order_changes(enum order_do what);

/* --- answers --------------------------------------------------------------------- */

enum obeyed { /* what came of it */
	OBEYED,
	OBEYED_NO_DOMAIN, OBEYED_NO_KEY, OBEYED_TAKEN, OBEYED_NO_ROOM, OBEYED_BAD, OBEYED_TOP,
	OBEYED_OUTSIDE, OBEYED_FAULT,
	OBEYED_COUNT
};

/* Then: OBEYED: rows, `more` if not all had room, or numbers; else words. */
struct answer_head {
	enum obeyed code;
	bool more;
	uint32_t rows;
	uint64_t number; /* cut: who waited; snapshot: bytes; grant: its slot, plus 1 */
};

struct answer_text { /* any bytes, not terminated */
	const char *text;
	uint32_t bytes;
};

struct answer_domain {
	struct answer_text path;
	uint32_t state, stop; /* enum domain_state, stop_reason */
	bool paused, waits;   /* held from outside; for the device */
	uint64_t used, left, storage, storage_limit, storage_peak;
	uint32_t slots, depth;
};

struct answer_key {
	struct answer_text name;
	uint32_t kind;
	uint64_t read, written, denied, missing, uses_left, bytes_left;
};

struct answer_why {
	struct answer_text domain, what, key, why, saw, allow;
	uint64_t count;
	bool missing;
};

void answer_put_head(struct sink *sink, const struct answer_head *head);
void answer_put_domain(struct sink *sink, const struct answer_domain *row);
void answer_put_key(struct sink *sink, const struct answer_key *row);
void answer_put_why(struct sink *sink, const struct answer_why *row);
void answer_put_text(struct sink *sink, const char *text);

/* Each: `in` goes bad where it is not one. */
void answer_get_head(struct bytes_in *in, struct answer_head *ret_head);
void answer_get_domain(struct bytes_in *in, struct answer_domain *ret_row);
void answer_get_key(struct bytes_in *in, struct answer_key *ret_row);
void answer_get_why(struct bytes_in *in, struct answer_why *ret_row);
struct answer_text answer_get_text(struct bytes_in *in);
