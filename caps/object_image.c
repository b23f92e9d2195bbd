/* SPDX-License-Identifier: Apache-2.0 */
/* object_image.c - objects in images: what each kind says of its body, and back.
 * Keys in bodies are tables that the kernel writes and binds itself. */
#include "caps/object_image.h"

#include <string.h>

#include "caps/bodies.h"
#include "caps/program.h"
#include "kernel/base/fits.h"

/* --- brands ---------------------------------------------------------------------- */

/* A brand is a number that no other pair has, so an image cannot say which: it
 * says the first, the second of its own, and each read mints new ones. */
void
object_image_begin(struct world *world)
{
	struct caps_state *state = caps_state(world);

	if (state)
		state->imaged_brands_count = 0;
}

static bool
brand_add(struct caps_state *state, uint64_t number)
{
	void *brands = state->imaged_brands;
	const bool room = array_room(state->heap, &brands, state->imaged_brands_count,
		&state->imaged_brands_room, sizeof number);

	state->imaged_brands = brands;
	if (room)
		state->imaged_brands[state->imaged_brands_count++] = number;
	return room;
}

static void
brand_write(struct world *world, uint64_t number, struct sink *sink)
{
	struct caps_state *state = caps_state(world);
	uint32_t i = 0;

	while (i < state->imaged_brands_count && state->imaged_brands[i] != number)
		i++;
	if (i == state->imaged_brands_count && !brand_add(state, number))
		i = UINT32_MAX; /* a brand without a number opens nothing */
	sink_u32(sink, i);
}

static bool
brand_read(struct world *world, struct bytes_in *in, uint64_t *ret_number)
{
	struct caps_state *state = caps_state(world);
	const uint32_t i = bytes_u32(in);

	if (i > state->imaged_brands_count ||
		(i == state->imaged_brands_count && !brand_add(state, ++state->brands)))
		return false;
	*ret_number = state->imaged_brands[i];
	return true;
}

/* --- kinds ------------------------------------------------------------------------- */

static void
program_write(struct world *world, const void *body, struct sink *sink)
{
	const struct program *program = body;

	(void)world;
	sink_put(sink, module_hash(program->module), 32);
}

static bool
program_read(struct world *world, struct bank *payer, void *body, uint64_t bytes,
	struct bytes_in *in)
{
	struct program *program = body;
	const uint8_t *hash = bytes_take(in, 32);
	struct module *module = hash ? world_module_by_hash(world, hash) : NULL;

	(void)bytes;
	return module && program_of(program, payer, module);
}

static void
segment_write(struct world *world, const void *body, struct sink *sink)
{
	const struct segment *segment = body;
	uint8_t part[256];

	(void)world;
	sink_u64(sink, segment->bytes);
	for (uint64_t at = 0; at < segment->bytes; at += sizeof part) {
		const uint64_t bytes = min_u64(sizeof part, segment->bytes - at);

		segment_get(segment, at, part, bytes);
		sink_put(sink, part, bytes);
	}
}

static bool
segment_read(struct world *world, struct bank *payer, void *body, uint64_t room,
	struct bytes_in *in)
{
	struct segment *segment = body;
	const uint64_t bytes = bytes_u64(in);
	const uint64_t pieces = bytes / SEGMENT_PIECE + (bytes % SEGMENT_PIECE != 0);
	const uint8_t *data;

	if (bytes > SEGMENT_BYTES_MAX || room != sizeof *segment + pieces * sizeof *segment->pieces)
		return false;
	data = bytes_take(in, bytes);
	if (!data || !segment_pay(segment, payer, bytes))
		return false;
	for (uint64_t at = 0; at < bytes; at += SEGMENT_PIECE) {
		const uint64_t here = min_u64(SEGMENT_PIECE, bytes - at);

		/* A piece of zeroes is made when it is written to. */
		if (data[at] || memcmp(data + at, data + at + 1, here - 1))
			if (!segment_put(world, segment, at, data + at, here))
				return false;
	}
	return true;
}

static void
factory_write(struct world *world, const void *body, struct sink *sink)
{
	const struct factory *factory = body;

	(void)world;
	sink_put(sink, module_hash(factory->module), 32);
	sink_u8(sink, factory->sealed);
	sink_u32(sink, factory->keys_count);
	for (uint32_t i = 0; i < factory->keys_count; i++) {
		sink_u32(sink, factory->slots[i]);
		sink_u8(sink, factory->holes[i]);
	}
}

static bool
factory_read(struct world *world, struct bank *payer, void *body, uint64_t bytes,
	struct bytes_in *in)
{
	struct factory *factory = body;
	const uint8_t *hash = bytes_take(in, 32);
	struct module *module = hash ? world_module_by_hash(world, hash) : NULL;
	const uint8_t sealed = bytes_u8(in);
	const uint32_t count = bytes_u32(in);

	(void)payer;
	(void)bytes;
	if (!module || sealed > 1 || count > FACTORY_KEYS_MAX)
		return false;
	world_module_hold(module);
	factory->module = module;
	factory->sealed = sealed;
	factory->keys_count = count;
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t slot = bytes_u32(in);
		const uint8_t hole = bytes_u8(in);

		if (slot >= SLOTS_MAX || hole > 1)
			return false;
		factory->slots[i] = slot;
		factory->holes[i] = hole;
		factory->holes_count += hole;
	}
	return true;
}

static void
image_body_write(struct world *world, const void *data, struct sink *sink)
{
	const struct image_body *body = data;

	(void)world;
	sink_u64(sink, body->count);
	sink_u32(sink, body->domains);
	sink_put(sink, body->bytes, body->count);
}

static bool
image_body_read(struct world *world, struct bank *payer, void *data, uint64_t room,
	struct bytes_in *in)
{
	struct image_body *body = data;
	const uint64_t count = bytes_u64(in);
	const uint32_t domains = bytes_u32(in);
	const uint8_t *bytes = bytes_take(in, count);

	(void)room;
	if (!bytes || !count || !image_body_take(world, body, payer, count))
		return false;
	memcpy(body->bytes, bytes, count);
	body->domains = domains;
	return true;
}

static void
brand_body_write(struct world *world, const void *body, struct sink *sink)
{
	brand_write(world, ((const struct brand *)body)->number, sink);
}

static bool
brand_body_read(struct world *world, struct bank *payer, void *body, uint64_t bytes,
	struct bytes_in *in)
{
	(void)payer;
	(void)bytes;
	return brand_read(world, in, &((struct brand *)body)->number);
}

static void
box_write(struct world *world, const void *body, struct sink *sink)
{
	brand_write(world, ((const struct box *)body)->number, sink);
}

static bool
box_read(struct world *world, struct bank *payer, void *body, uint64_t bytes, struct bytes_in *in)
{
	(void)payer;
	(void)bytes;
	return brand_read(world, in, &((struct box *)body)->number);
}

/* --- the rows ------------------------------------------------------------------------ */

struct row {
	uint64_t bytes; /* of a body; 0: no objects of this kind */
	bool longer;    /* a body may have more */
	void (*write)(struct world *world, const void *body, struct sink *sink);
	bool (*read)(struct world *world, struct bank *payer, void *body, uint64_t bytes,
		struct bytes_in *in);
	uint64_t keys_at;
	uint32_t keys;  /* a table of so many keys at keys_at */
};

static const struct row rows[KIND_COUNT] = {
	[KIND_node] = {.bytes = sizeof(struct node), .keys = NODE_SLOTS},
	[KIND_segment] = {sizeof(struct segment), true, segment_write, segment_read, 0, 0},
	[KIND_module] = {sizeof(struct program), false, program_write, program_read, 0, 0},
	[KIND_creator] = {.bytes = 1},
	[KIND_factory] = {sizeof(struct factory), false, factory_write, factory_read,
		offsetof(struct factory, keys), FACTORY_KEYS_MAX},
	[KIND_forwarder] = {.bytes = sizeof(struct forwarder), .keys = 1},
	[KIND_sealer] = {sizeof(struct brand), false, brand_body_write, brand_body_read, 0, 0},
	[KIND_unsealer] = {sizeof(struct brand), false, brand_body_write, brand_body_read, 0, 0},
	[KIND_image] = {sizeof(struct image_body), false, image_body_write, image_body_read, 0, 0},
	[KIND_box] = {sizeof(struct box), false, box_write, box_read, offsetof(struct box, key), 1},
};

bool
object_image_fits(uint8_t kind, uint64_t bytes)
{
	const struct row *row = &rows[kind];

	return row->bytes && (row->longer ? bytes >= row->bytes : bytes == row->bytes);
}

void
object_image_write(struct world *world, uint8_t kind, const void *body, struct sink *sink)
{
	if (rows[kind].write)
		rows[kind].write(world, body, sink);
}

bool
object_image_read(struct world *world, uint8_t kind, struct bank *payer, void *body,
	uint64_t bytes, struct bytes_in *in)
{
	return !rows[kind].read || rows[kind].read(world, payer, body, bytes, in);
}

struct key *
object_image_keys(uint8_t kind, void *body, uint32_t *ret_count)
{
	*ret_count = rows[kind].keys;
	return rows[kind].keys ? (struct key *)(void *)((char *)body + rows[kind].keys_at) : NULL;
}

struct module *
object_image_module(uint8_t kind, const void *body)
{
	if (kind == KIND_module)
		return ((const struct program *)body)->module;
	return kind == KIND_factory ? ((const struct factory *)body)->module : NULL;
}

/* --- grants ---------------------------------------------------------------------------- */

const char *
root_grant_name(struct world *world, uint32_t grant)
{
	const struct caps_state *state = caps_state(world);

	for (uint32_t i = 0; state && i < state->roots_count; i++)
		if (state->roots[i].grant == grant)
			return state->roots[i].name;
	return NULL;
}

uint32_t
root_grant_find(struct world *world, const char *name, uint32_t bytes)
{
	struct caps_state *state = caps_state(world);
	const int32_t index = state ? root_find(state, name, bytes) : -1;

	return index < 0 ? GRANT_NONE : state->roots[index].grant;
}
