/* SPDX-License-Identifier: Apache-2.0 */
/* edge.c - who is inside, how what crosses is named, and what leaves as a hash. */
#include "kernel/edge.h"

#include <errno.h>

#include "kernel/base/blake2b.h"
#include "kernel/base/fits.h"
#include "kernel/edge_in.h"
#include "kernel/image.h"

enum { BYTES_FIRST = 4096, OUTERS_FIRST = 16, OUTERS_MAX = 1 << 20 };

/* --- bytes that grow ---------------------------------------------------------------- */

static int
bytes_put(struct sink *sink, const void *data, size_t count)
{
	struct edge_bytes *bytes = (struct edge_bytes *)(void *)sink;

	if (count > bytes->room - bytes->count) {
		const uint64_t room =
			max_u64(max_u64(2 * bytes->room, BYTES_FIRST), bytes->count + count);
		uint8_t *more = heap_resize(bytes->heap, bytes->at, bytes->room, room);

		if (!more)
			return -ENOMEM;
		bytes->at = more;
		bytes->room = room;
	}
	memcpy(bytes->at + bytes->count, data, count);
	bytes->count += count;
	return 0;
}

void
edge_bytes_init(struct edge_bytes *bytes, struct heap *heap)
{
	*bytes = (struct edge_bytes){.sink = {.put = bytes_put}, .heap = heap};
}

void
edge_bytes_free(struct edge_bytes *bytes)
{
	if (bytes->heap)
		heap_give(bytes->heap, bytes->at, bytes->room);
	bytes->at = NULL;
	bytes->count = bytes->room = 0;
}

void
edge_done(struct edge *edge)
{
	if (!edge->heap)
		return;
	if (!edge->again && edge->top && !edge->over)
		edge_unwatch_banks(edge);
	edge_bytes_free(&edge->out);
	heap_give(edge->heap, edge->outers, edge->outers_room * sizeof *edge->outers);
	heap_give(edge->heap, edge->scratch, edge->scratch_room);
	heap_give(edge->heap, edge->known, edge->known_room * sizeof *edge->known);
	heap_give(edge->heap, edge->flight, edge->flight_room * sizeof *edge->flight);
	if (edge->world && !edge->again)
		edge->world->edge = NULL;
	*edge = (struct edge){0};
}

/* --- sides ---------------------------------------------------------------------------- */

bool
edge_is_in(const struct edge *edge, const struct domain *domain)
{
	while (domain && domain != edge->top)
		domain = domain->parent;
	return domain && edge->top;
}

bool
edge_kind_has_domain(uint8_t kind)
{
	return kind == KEY_START || kind == KEY_RESUME || kind == KEY_DOMAIN || kind == KEY_VIEW;
}

bool
edge_is_fixed(uint8_t kind)
{
	return kind == EDGE_KEY_MODULE || kind == EDGE_KEY_CREATOR || kind == EDGE_KEY_IMAGE;
}

struct domain *
edge_owner(const struct object *object)
{
	const struct bank *bank = object->payer;

	while (bank && !bank->owner)
		bank = bank->superior;
	return bank ? bank->owner : NULL;
}

enum edge_side
edge_side(struct edge *edge, const struct key *key)
{
	struct world *world = edge->world;
	const struct domain *domain;
	const struct object *object;

	if (key->kind == KEY_VOID || key->kind == KEY_SLOTS || key->kind == KEY_NUMBER)
		return SIDE_NONE;
	if (edge_kind_has_domain(key->kind)) {
		domain = domain_of(world, key);
		return !domain ? SIDE_NONE : edge_is_in(edge, domain) ? SIDE_IN : SIDE_OUT;
	}
	if (world->config.caps->kinds[key->kind].image_write || edge_is_fixed(key->kind))
		return SIDE_NONE; /* the host's, or the same for ever */
	if (edge->again && key->object >= EDGE_STUBS)
		return SIDE_OUT;
	object = object_of(world, key);
	return !object ? SIDE_NONE : edge_is_in(edge, edge_owner(object)) ? SIDE_IN : SIDE_OUT;
}

/* --- places inside ------------------------------------------------------------------------ */

uint32_t
edge_domain_place(struct edge *edge, const struct domain *domain)
{
	uint32_t place = 0;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top), place++)
		if (at == domain)
			return place;
	return EDGE_NOWHERE;
}

struct domain *
edge_domain_at(struct edge *edge, uint32_t place)
{
	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top))
		if (!place--)
			return at;
	return NULL;
}

/* Objects in the order of image_collect(): of each domain's bank, then of the
 * standing banks below. */
static uint32_t
object_search(struct edge *edge, uint32_t object, uint32_t place)
{
	struct image_out out = {.world = edge->world, .top = edge->top};
	uint32_t found = EDGE_NOWHERE;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top))
		at->mark = out.domains_count++;
	if (image_collect(&out))
		return EDGE_NOWHERE;
	for (uint32_t i = 0; i < out.objects_count; i++)
		if (object != OBJECT_NONE ? out.objects[i] == object : i == place)
			found = object != OBJECT_NONE ? i : out.objects[i];
	image_collected_free(&out);
	return found;
}

uint32_t
edge_object_place(struct edge *edge, uint32_t object)
{
	return object == OBJECT_NONE ? EDGE_NOWHERE : object_search(edge, object, 0);
}

uint32_t
edge_object_at(struct edge *edge, uint32_t place)
{
	return object_search(edge, OBJECT_NONE, place);
}

/* --- outside -------------------------------------------------------------------------------- */

static bool
outers_grow(struct edge *edge)
{
	const uint32_t room = edge->outers_room ? edge->outers_room * 2 : OUTERS_FIRST;
	struct edge_outer *outers;

	if (room > OUTERS_MAX)
		return false;
	outers = heap_resize(edge->heap, edge->outers, edge->outers_room * sizeof *outers,
		room * sizeof *outers);
	if (!outers)
		return false;
	edge->outers = outers;
	edge->outers_room = room;
	return true;
}

uint32_t
edge_outer(struct edge *edge, const struct edge_outer *outer)
{
	for (uint32_t i = 0; !edge->again && i < edge->outers_count; i++) {
		const struct edge_outer *at = &edge->outers[i];

		if (at->id == outer->id && at->generation == outer->generation && at->kind == outer->kind)
			return i;
	}
	if (edge->outers_count == edge->outers_room && !outers_grow(edge))
		return EDGE_NOWHERE;
	edge->outers[edge->outers_count] = *outer;
	return edge->outers_count++;
}

/* --- keys -------------------------------------------------------------------------------------- */

static int
count_put(struct sink *sink, const void *data, size_t bytes)
{
	(void)sink;
	(void)data;
	(void)bytes;
	return 0;
}

static void
put_said(struct edge *edge, struct sink *sink, const struct key *key)
{
	const struct kind *kind = &edge->world->config.caps->kinds[key->kind];
	struct sink counted = {.put = count_put};

	kind->image_write(edge->world, key, &counted);
	sink_u32(sink, (uint32_t)counted.bytes);
	kind->image_write(edge->world, key, sink);
	sink_u8(sink, edge_key_open(edge, key, false));
}

bool
edge_key_open(struct edge *edge, const struct key *key, bool make)
{
	const struct caps *caps = edge->world->config.caps;

	return caps->key_open && caps->kinds[key->kind].image_write &&
		caps->key_open(edge->world, key, make);
}

/* What never changes travels itself, the first time it is met. */
static void
put_replica(struct edge *edge, struct sink *sink, const struct object *object)
{
	const struct caps *caps = edge->world->config.caps;
	struct module *module =
		caps->object_module ? caps->object_module(object->kind, object->body) : NULL;
	struct sink counted = {.put = count_put};

	caps->object_write(edge->world, object->kind, object->body, &counted);
	sink_u64(sink, object->bytes);
	sink_u64(sink, counted.bytes);
	caps->object_write(edge->world, object->kind, object->body, sink);
	sink_u64(sink, module ? module->bytes_count : 0);
	if (module)
		sink_put(sink, module->bytes, module->bytes_count);
}

static void
put_fixed(struct edge *edge, struct sink *sink, const struct key *key)
{
	const struct edge_outer outer = {
		.id = key->object, .generation = key->generation, .kind = key->kind, .replica = true};
	const uint32_t known = edge->outers_count, ordinal = edge_outer(edge, &outer);

	sink_u8(sink, REF_REPLICA);
	sink_u8(sink, key->kind);
	sink_u32(sink, ordinal);
	sink_u8(sink, ordinal == known);
	if (ordinal == known)
		put_replica(edge, sink, object_of(edge->world, key));
}

static void
put_outer(struct edge *edge, struct sink *sink, const struct key *key)
{
	const bool domain = edge_kind_has_domain(key->kind);
	const struct edge_outer outer = {.id = key->object, .generation = key->generation,
		.kind = domain ? KEY_DOMAIN : key->kind};

	sink_u8(sink, REF_OUTER);
	sink_u8(sink, key->kind);
	sink_u32(sink, edge_outer(edge, &outer));
}

static void
put_inner(struct edge *edge, struct sink *sink, const struct key *key)
{
	const bool domain = edge_kind_has_domain(key->kind);

	sink_u8(sink, domain ? REF_DOMAIN : REF_OBJECT);
	sink_u8(sink, key->kind);
	sink_u32(sink, domain ? edge_domain_place(edge, domain_of(edge->world, key))
			      : edge_object_place(edge, key->object));
}

/* A grant inside is an object there. */
static uint32_t
grant_place(struct edge *edge, uint32_t grant)
{
	struct image_out out = {.world = edge->world, .top = edge->top};
	uint32_t place = EDGE_NOWHERE;

	for (struct domain *at = edge->top; at; at = domain_walk(at, edge->top))
		at->mark = out.domains_count++;
	if (grant != GRANT_NONE && !image_collect(&out)) {
		for (uint32_t i = 0; i < out.grants_count; i++)
			if (*(const uint32_t *)object_at(edge->world, out.objects[out.grants[i]])->body == grant)
				place = out.grants[i];
		image_collected_free(&out);
	}
	return place;
}

bool
edge_grant_is_in(struct edge *edge, uint32_t grant)
{
	return grant_place(edge, grant) != EDGE_NOWHERE;
}

struct key *
edge_object_keys(struct edge *edge, uint32_t index, uint32_t *ret_count)
{
	const struct caps *caps = edge->world->config.caps;
	const struct object *object = object_at(edge->world, index);

	*ret_count = 0;
	if (object->borrowed)
		return NULL;
	if (object->kind == KEY_METER) {
		*ret_count = 1;
		return &((struct meter *)object->body)->keeper;
	}
	return caps->object_keys ? caps->object_keys(object->kind, object->body, ret_count) : NULL;
}

static void
put_grant(struct edge *edge, struct sink *sink, uint32_t grant)
{
	const uint32_t place = grant_place(edge, grant);

	sink_u32(sink, place);
	if (place == EDGE_NOWHERE)
		edge_put_outer_grant(edge, sink, grant);
}

void
edge_put_key(struct edge *edge, struct sink *sink, const struct key *key)
{
	const struct caps *caps = edge->world->config.caps;
	const enum edge_side side = edge_side(edge, key);
	const bool fixed = edge_is_fixed(key->kind) && object_of(edge->world, key);

	if (side == SIDE_IN || (fixed && edge_is_in(edge, edge_owner(object_of(edge->world, key)))))
		put_inner(edge, sink, key);
	else if (fixed)
		put_fixed(edge, sink, key);
	else if (side == SIDE_OUT)
		put_outer(edge, sink, key);
	else if (key->kind != KEY_VOID && caps->kinds[key->kind].image_write) {
		sink_u8(sink, REF_SAID);
		sink_u8(sink, key->kind);
		put_said(edge, sink, key);
	} else if (key->kind == KEY_NUMBER) {
		sink_u8(sink, REF_PLAIN);
		sink_u8(sink, key->kind);
	} else {
		sink_u8(sink, REF_VOID);
		return;
	}
	sink_u8(sink, key->flags);
	sink_u32(sink, key->rights);
	sink_u64(sink, key->badge);
	put_grant(edge, sink, key->grant);
}

void
edge_put_message(struct edge *edge, struct sink *sink, const struct message *message)
{
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		sink_u64(sink, message->words[i]);
	sink_u64(sink, message->badge);
	sink_text(sink, message->text, message->text_bytes);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++)
		edge_put_key(edge, sink, &message->keys[i]);
}

/* --- what leaves ----------------------------------------------------------------------------------- */

struct hashing {
	struct sink sink; /* first */
	struct blake2b hash;
};

static int
hashing_put(struct sink *sink, const void *data, size_t bytes)
{
	blake2b_add(&((struct hashing *)(void *)sink)->hash, data, bytes);
	return 0;
}

static void
hashing_begin(struct hashing *hashing)
{
	*hashing = (struct hashing){.sink = {.put = hashing_put}};
	blake2b_init(&hashing->hash);
}

void
edge_hash_message(struct edge *edge, const uint32_t *numbers, unsigned count,
	const struct message *message, uint8_t ret_hash[32])
{
	struct hashing hashing;

	hashing_begin(&hashing);
	for (unsigned i = 0; i < count; i++)
		sink_u32(&hashing.sink, numbers[i]);
	for (unsigned i = 0; i < MESSAGE_WORDS; i++)
		sink_u64(&hashing.sink, message->words[i]);
	sink_text(&hashing.sink, message->text, message->text_bytes);
	for (unsigned i = 0; i < MESSAGE_KEYS; i++) {
		const struct key *key = &message->keys[i];

		sink_u8(&hashing.sink, key->kind);
		sink_u8(&hashing.sink, key->flags);
		sink_u32(&hashing.sink, key->rights);
		sink_u64(&hashing.sink, key->badge);
		if (edge_kind_has_domain(key->kind))
			sink_u32(&hashing.sink, edge_domain_place(edge, domain_of(edge->world, key)));
	}
	blake2b_end(&hashing.hash, ret_hash);
}

int
edge_image_hash(struct edge *edge, uint8_t ret_hash[32])
{
	struct hashing hashing;
	int error;

	hashing_begin(&hashing);
	error = image_write(edge->world, edge->top, &hashing.sink, true);
	if (!error)
		blake2b_end(&hashing.hash, ret_hash);
	return error;
}

/* A handle is a number of this run's; what is done with it is not. */
void
edge_hash_request(const struct device_request *request, uint8_t ret_hash[32])
{
	struct hashing hashing;
	struct sink *sink = &hashing.sink;

	hashing_begin(&hashing);
	sink_u32(sink, (uint32_t)request->op);
	sink_u32(sink, request->flags);
	sink_u64(sink, request->offset);
	sink_u64(sink, request->length);
	sink_u32(sink, request->bytes);
	sink_text(sink, request->data, request->data_bytes);
	sink_text(sink, request->path, request->path_bytes);
	sink_text(sink, request->path2, request->path2_bytes);
	sink_u64(sink, request->access_ns);
	sink_u64(sink, request->modify_ns);
	sink_u64(sink, request->timeout_ns);
	blake2b_end(&hashing.hash, ret_hash);
}

/* --- what the kernel asks ------------------------------------------------------------------- */

enum order_end
edge_perform(struct invocation *inv, enum order_end (*serve)(struct invocation *))
{
	struct edge *edge = inv->world->edge;

	return edge->again ? edge_perform_again(edge, inv, serve)
			   : edge_perform_recorded(edge, inv, serve);
}

bool
edge_answer(struct domain *caller, uint32_t rc, const struct message *message)
{
	struct edge *edge = caller->world->edge;

	if (edge->again)
		return edge_answer_again(edge, caller, rc, message);
	edge_answer_recorded(edge, caller, rc, message);
	return false;
}

bool
edge_ready(struct domain *domain)
{
	struct edge *edge = domain->world->edge;

	if (edge->again)
		return edge_ready_again(edge, domain);
	edge_ready_recorded(edge, domain);
	return false;
}

bool
edge_refuses(struct domain *domain, const struct device_request *request)
{
	struct edge *edge = domain->world->edge;

	return edge->again && edge_refuses_again(edge, domain, request);
}

void
edge_submits(struct domain *domain, const struct device_request *request, int error)
{
	struct edge *edge = domain->world->edge;

	if (!edge->again)
		edge_submits_recorded(edge, domain, request, error);
}

bool
edge_dry(struct domain *domain, struct line *line, uint64_t need, bool step)
{
	struct edge *edge = domain->world->edge;

	if (edge->again)
		return line && edge_dry_again(edge, domain, line, need, step);
	edge_dry_recorded(edge, domain, line, need, step);
	return false;
}

bool
edge_enters(struct domain *domain)
{
	struct edge *edge = domain->world->edge;
	const bool before = edge->inside;

	edge->inside = edge_is_in(edge, domain);
	return before;
}

void
edge_leave(struct world *world, bool before)
{
	struct edge *edge = world->edge;

	if (edge->stepping && edge->inside && !before) {
		edge_synced(edge, world->clock.now - edge->step.now);
		edge->stepping = false;
	}
	edge->inside = before;
}

uint8_t *
edge_gate_mem(struct invocation *inv, uint64_t at, uint64_t bytes)
{
	struct edge *edge = inv->world->edge;

	if (edge->again && !edge_is_in(edge, inv->domain))
		return edge_memory(inv, at, bytes);
	return edge_touches(inv, at, bytes, call_mem(inv->call, at, bytes));
}

void
edge_wakes(struct domain *domain)
{
	struct edge *edge = domain->world->edge;

	if (!edge->again)
		edge_ready_recorded(edge, domain);
}
