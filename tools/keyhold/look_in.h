/* SPDX-License-Identifier: Apache-2.0 */
/* look_in.h - what look.c and look_tree.c share, behind the walls. */
#pragma once

#include "tools/keyhold/worker.h"

/* The worker's domain and all below it, then the objects; no more than about so
 * many bytes: what is left out is counted. */
void look_tree(struct worker *worker, struct sink *sink, uint64_t bytes_max);
/* "out of gas", a trap's text; empty: it did not stop by itself. */
const char *look_stop_text(const struct stop *stop);
