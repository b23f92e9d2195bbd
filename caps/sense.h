/* SPDX-License-Identifier: Apache-2.0 */
/* sense.h - a key as it is seen through a sense key: read-only, all the way down.
 *
 * Source   KeyKOS jsensec.c: data passes; a segment becomes read-only; a node
 *          becomes a sense key; of the rest only what can neither carry anything
 *          out nor change anything passes; all else becomes void. */
#pragma once

#include "caps/caps.h"

enum { KEY_SENSE = 1 << 0 }; /* key.flags of a node: what is fetched is sensed */

struct key key_sensed(const struct key *key);
/* Cannot carry information out of whoever holds it. */
bool key_is_discreet(const struct key *key);
