/* SPDX-License-Identifier: Apache-2.0 */
/* key.h - what a key is. What it means is in caps/kind_*.c.
 *
 *   bytes 0      1       2..3     4..7     8..11    12..15       16..19  20..23      24..31
 *       +------+-------+--------+--------+--------+------------+-------+-----------+-------+
 *       | kind | flags | (zero) | rights | object | generation | grant | grant gen | badge |
 *       +------+-------+--------+--------+--------+------------+-------+-----------+-------+
 *
 * object + generation name one object for ever: a key whose generation is not
 * the object's is a key to the void. grant + its generation is the node under
 * which the key was derived (kernel/grant.h): when that node or one above it
 * is cut, the key delivers nothing more. A guest sees an index of a slot, never
 * these numbers. Source: design.md section 4; KeyKOS prepkeyc.c (allocation
 * count), CapROS Key.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct key {
	uint8_t kind;  /* enum kind_id of caps/kinds.def; KEY_VOID = 0 */
	uint8_t flags;
	uint16_t zero;
	uint32_t rights;
	uint32_t object, generation;
	uint32_t grant, grant_generation;
	uint64_t badge;
};

_Static_assert(sizeof(struct key) == 32, "a slot is half a cache line");

/* Kinds that the kernel makes keys of itself; caps/kinds.def has the same numbers. */
enum {
	KEY_VOID = 0,
	KEY_VIEW = 4,   /* object: a domain; badge: its count of calls. Dies with that call */
	KEY_NUMBER = 1, /* badge: the number */
	KEY_START = 6,  /* object: a domain; badge: its maker's; rights: 0, or 1 + the function
	                   that an order calls (no mask) */
	KEY_RESUME = 7, /* object: a domain; badge: its count of calls. Moved, never copied */
	KEY_DOMAIN = 8, /* object: a domain */
	KEY_METER = 9,  /* body: struct meter */
	KEY_PURSE = 10, /* body: struct purse */
	KEY_BANK = 11,  /* body: struct bank */
	KEY_GRANT = 29, /* body: struct grant_body */
	KEY_SLOTS = 30, /* the invoker's own slots; in no slot itself */
};

static inline bool
key_is_void(const struct key *key)
{
	return key->kind == KEY_VOID;
}
