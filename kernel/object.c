/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/object.h"

#include "kernel/base/must.h"
#include "kernel/world_state.h"

enum { OBJECTS_FIRST = 64, OBJECTS_MAX = 1 << 28 };

void
objects_init(struct objects *objects)
{
	*objects = (struct objects){.free = OBJECT_NONE};
}

void
objects_done(struct objects *objects, struct heap *heap)
{
	heap_give(heap, objects->at, (uint64_t)objects->room * sizeof *objects->at);
	objects_init(objects);
}

static bool
make_room(struct objects *objects, struct heap *heap)
{
	const uint64_t room = objects->room ? (uint64_t)objects->room * 2 : OBJECTS_FIRST;
	struct object *at;

	if (room > OBJECTS_MAX)
		return false;
	at = heap_resize(heap, objects->at, (uint64_t)objects->room * sizeof *at, room * sizeof *at);
	if (!at)
		return false;
	objects->at = at;
	objects->room = (uint32_t)room;
	return true;
}

/* Unused, its generation kept from the last use; OBJECT_NONE: no room. */
static uint32_t
take_place(struct world *world)
{
	struct objects *objects = &world->objects;
	const uint32_t index = objects->free;

	if (index != OBJECT_NONE) {
		objects->free = objects->at[index].next;
		return index;
	}
	if (objects->count == objects->room && !make_room(objects, &world->heap))
		return OBJECT_NONE;
	return objects->count++;
}

static void
give_place(struct objects *objects, uint32_t index)
{
	struct object *object = &objects->at[index];

	*object = (struct object){.generation = object->generation + 1, .next = objects->free};
	objects->free = index;
}

static void
list_add(struct objects *objects, uint32_t index, struct bank *payer)
{
	struct object *object = &objects->at[index];

	object->payer = payer;
	object->prev = OBJECT_NONE;
	object->next = payer->objects;
	if (object->next != OBJECT_NONE)
		objects->at[object->next].prev = index;
	payer->objects = index;
}

static void
list_drop(struct objects *objects, uint32_t index)
{
	const struct object *object = &objects->at[index];

	if (object->next != OBJECT_NONE)
		objects->at[object->next].prev = object->prev;
	if (object->prev != OBJECT_NONE)
		objects->at[object->prev].next = object->next;
	else
		object->payer->objects = object->next;
}

static uint64_t
cost_of(uint64_t bytes)
{
	return heap_cost(sizeof(struct object)) + (bytes ? heap_cost(bytes) : 0);
}

static uint32_t
place(struct world *world, uint8_t kind, struct bank *payer, uint64_t bytes)
{
	uint32_t index;

	if (!bank_take(payer, cost_of(bytes)))
		return OBJECT_NONE;
	index = take_place(world);
	if (index == OBJECT_NONE) {
		bank_give(payer, cost_of(bytes));
		return OBJECT_NONE;
	}
	world->objects.at[index].kind = kind;
	world->objects.at[index].bytes = bytes;
	list_add(&world->objects, index, payer);
	return index;
}

uint32_t
object_new(struct world *world, uint8_t kind, struct bank *payer, uint64_t bytes)
{
	const uint32_t index = place(world, kind, payer, bytes);
	void *body;

	if (index == OBJECT_NONE)
		return OBJECT_NONE;
	body = heap_take(&world->heap, bytes);
	if (!body) {
		list_drop(&world->objects, index);
		give_place(&world->objects, index);
		bank_give(payer, cost_of(bytes));
		return OBJECT_NONE;
	}
	world->objects.at[index].body = body;
	return index;
}

uint32_t
object_borrow(struct world *world, uint8_t kind, struct bank *payer, void *body)
{
	const uint32_t index = place(world, kind, payer, 0);

	if (index != OBJECT_NONE) {
		world->objects.at[index].body = body;
		world->objects.at[index].borrowed = true;
	}
	return index;
}

struct object *
object_at(struct world *world, uint32_t index)
{
	return index < world->objects.count ? &world->objects.at[index] : NULL;
}

struct object *
object_of(struct world *world, const struct key *key)
{
	struct object *object = object_at(world, key->object);

	if (!object || object->kind != key->kind || key->kind == KEY_VOID ||
		object->generation != key->generation)
		return NULL;
	return object;
}

void *
object_body(struct world *world, const struct key *key)
{
	const struct object *object = object_of(world, key);

	return object ? object->body : NULL;
}

void
object_end(struct world *world, uint32_t index)
{
	const struct caps *caps = world->config.caps;
	struct object *object = &world->objects.at[index];
	struct bank *payer = object->payer;
	const uint64_t bytes = object->bytes;
	const uint8_t kind = object->kind;
	void *body = object->borrowed ? NULL : object->body;

	must(OBJECT1, kind != KEY_VOID);
	/* Void first: what its end does may lead back to a key to it. */
	list_drop(&world->objects, index);
	object->kind = KEY_VOID;
	if (body && caps && caps->end)
		caps->end(world, kind, body);
	give_place(&world->objects, index);
	heap_give(&world->heap, body, bytes);
	bank_give(payer, cost_of(bytes));
}

void
objects_end(struct world *world, struct bank *payer)
{
	while (payer->objects != OBJECT_NONE)
		object_end(world, payer->objects);
}

void
objects_turn(struct world *world, struct bank *payer)
{
	uint32_t at = payer->objects, turned = OBJECT_NONE;

	while (at != OBJECT_NONE) {
		struct object *object = &world->objects.at[at];
		const uint32_t next = object->next;

		object->next = turned;
		object->prev = next;
		turned = at;
		at = next;
	}
	payer->objects = turned;
}

struct key
object_key(struct world *world, uint32_t index, uint32_t rights)
{
	const struct object *object = &world->objects.at[index];

	return (struct key){
		.kind = object->kind,
		.rights = rights,
		.object = index,
		.generation = object->generation,
		.grant = GRANT_NONE,
	};
}

void
objects_check(struct world *world)
{
	const struct objects *objects = &world->objects;

	for (uint32_t i = 0; i < objects->count; i++) {
		const struct object *object = &objects->at[i];

		if (object->kind == KEY_VOID)
			continue;
		must(OBJECT1, object->payer && object->body);
		must(OBJECT1, object->prev == OBJECT_NONE ? object->payer->objects == i
							  : objects->at[object->prev].next == i);
		must(OBJECT1, object->next == OBJECT_NONE || (objects->at[object->next].prev == i &&
			objects->at[object->next].payer == object->payer));
	}
}
