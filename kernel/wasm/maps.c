/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/wasm/maps.h"

void
maps_done(struct maps *maps)
{
	for (uint32_t i = 0; i < maps->room; i++) {
		if (maps->at[i].used)
			map_free(maps->at[i].module, &maps->at[i].map);
	}
	heap_give(maps->heap, maps->at, maps->room * sizeof *maps->at);
}

static struct map_entry *
maps_slot(struct maps *maps, const struct module *module, uint32_t defined)
{
	uint32_t i = (defined * 2654435761u) & (maps->room - 1);

	while (maps->at[i].used && (maps->at[i].module != module || maps->at[i].defined != defined))
		i = (i + 1) & (maps->room - 1);
	return &maps->at[i];
}

static bool
maps_grow(struct maps *maps)
{
	struct maps old = *maps;

	maps->room = old.room ? old.room * 2 : 16;
	maps->at = heap_take(maps->heap, maps->room * sizeof *maps->at);
	if (!maps->at) {
		*maps = old;
		return false;
	}
	for (uint32_t i = 0; i < old.room; i++) {
		if (old.at[i].used)
			*maps_slot(maps, old.at[i].module, old.at[i].defined) = old.at[i];
	}
	heap_give(maps->heap, old.at, old.room * sizeof *old.at);
	return true;
}

const struct code_map *
map_of(struct maps *maps, struct module *module, uint32_t defined)
{
	struct map_entry *entry;

	if (maps->count * 2 >= maps->room && !maps_grow(maps))
		return NULL;
	entry = maps_slot(maps, module, defined);
	if (!entry->used) {
		if (lower_func(module, defined) || lower_map(module, defined, &entry->map))
			return NULL;
		entry->module = module;
		entry->defined = defined;
		entry->used = true;
		maps->count++;
	}
	return &entry->map;
}

const struct safepoint *
point_at_code(const struct code_map *map, uint32_t code, enum phase phase)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (map->points[i].code == code && map->points[i].phase == phase)
			return &map->points[i];
	}
	return NULL;
}

const struct safepoint *
point_at_offset(const struct code_map *map, uint32_t offset, enum phase phase)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (map->points[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < map->count && map->points[low].offset == offset; low++) {
		if (map->points[low].phase == phase)
			return &map->points[low];
	}
	return NULL;
}
