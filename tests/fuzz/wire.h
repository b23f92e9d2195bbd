/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - an input of fuzz_wire: messages one after the other, each
 *
 *   u8 kind    below 224: WIRE_DEVICE; else kind % 8. kind % 32 == 31: the length of
 *              the path is a number at the end instead
 *   u8 what    the operation, and WIRE_HAS_*
 *   u32 flags
 *   number     handle
 *   ..         WIRE_HAS_MORE: number handle2, u8 tag, number timeout, number times
 *   ..         WIRE_HAS_DATA: numbers offset, length, piece, bytes
 *   text, text
 *
 * A number is a byte below 200; or 200 and a u64; or an edge. A text is 64 and
 * above: an enum wire_text; below: so many bytes (of 16) that follow.
 *
 * The target reads it, wire_seeds.c writes it. */
#pragma once

#include "drivers/wire.h"

enum { WIRE_OP = 63, WIRE_HAS_MORE = 64, WIRE_HAS_DATA = 128 };
enum { WIRE_KIND_OTHER = 224, WIRE_NUMBER_LONG = 200, WIRE_NUMBER_EDGE = 230, WIRE_TEXT = 64 };

enum wire_text {
	TEXT_NONE, TEXT_FILE, TEXT_DIR, TEXT_IN_DIR, TEXT_UP, TEXT_SECRET, TEXT_ETC, TEXT_LINK_OUT,
	TEXT_UP_TWICE, TEXT_SELF, TEXT_NEW, TEXT_ROUND,
	/* With the port of the run's listener. */
	TEXT_HERE, TEXT_LOOPBACK, TEXT_NAME, TEXT_MAPPED, TEXT_METADATA, TEXT_NAME_ALONE,
	TEXTS
};

/* What is granted, in this order: the first handles there are. */
enum wire_grant_place { GRANT_DIR, GRANT_LISTENER, GRANT_RANGE, GRANT_NAME, GRANT_RESOLVER, GRANTS };
