/* SPDX-License-Identifier: Apache-2.0 */
/* maps.h - safepoint maps of the functions on one stack, each made once.
 *
 * Owns     the maps, until maps_done().
 * Callers  state.c, state_read.c: a stack of a hundred thousand frames names few
 *          functions. */
#pragma once

#include "kernel/wasm/code.h"
#include "kernel/wasm/engine.h"

struct maps {
	struct heap *heap;
	struct map_entry {
		struct module *module;
		uint32_t defined;
		bool used;
		struct code_map map;
	} *at;
	uint32_t count, room; /* room: a power of two, at most half full */
};

void maps_done(struct maps *maps);
/* The function's map; lowered first if it is not yet. NULL: no memory. */
const struct code_map *map_of(struct maps *maps, struct module *module, uint32_t defined);
const struct safepoint *point_at_code(const struct code_map *map, uint32_t code, enum phase phase);
const struct safepoint *point_at_offset(const struct code_map *map, uint32_t offset,
	enum phase phase);
