/* SPDX-License-Identifier: Apache-2.0 */
#include "caps/state.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"

struct caps_state *
caps_state(struct world *world)
{
	void **at = world_caps(world);
	struct heap *heap = world_heap(world);
	struct caps_state *state;

	if (*at)
		return *at;
	state = heap_take(heap, sizeof *state);
	if (!state)
		return NULL;
	*state = (struct caps_state){.world = world, .heap = heap, .openings_free = UINT32_MAX};
	state->piece = heap_take(heap, DEVICE_PIECE_BYTES);
	if (!state->piece) {
		heap_give(heap, state, sizeof *state);
		return NULL;
	}
	*at = state;
	return state;
}

void
caps_world_end(struct world *world)
{
	struct caps_state *state = *world_caps(world);

	if (!state)
		return;
	for (uint32_t i = 0; i < state->roots_count; i++)
		heap_give(state->heap, state->roots[i].spec, strlen(state->roots[i].spec) + 1);
	for (uint32_t i = 0; i < state->openings_count; i++)
		heap_give(state->heap, state->openings[i].path, state->openings[i].path_bytes);
	for (uint32_t i = 0; i < state->holes_count; i++)
		heap_give(state->heap, state->holes[i].spec, strlen(state->holes[i].spec) + 1);
	heap_give(state->heap, state->holes, state->holes_room * sizeof *state->holes);
	heap_give(state->heap, state->roots, state->roots_room * sizeof *state->roots);
	heap_give(state->heap, state->openings, state->openings_room * sizeof *state->openings);
	heap_give(state->heap, state->imaged_brands,
		state->imaged_brands_room * sizeof *state->imaged_brands);
	heap_give(state->heap, state->piece, DEVICE_PIECE_BYTES);
	heap_give(state->heap, state->log, sizeof *state->log);
	heap_give(state->heap, state, sizeof *state);
	*world_caps(world) = NULL;
}

bool
array_room(struct heap *heap, void **array, uint32_t count, uint32_t *room, uint64_t bytes)
{
	const uint32_t more = *room ? 2 * *room : 8;
	void *moved;

	if (count < *room)
		return true;
	moved = heap_resize(heap, *array, *room * bytes, more * bytes);
	if (!moved)
		return false;
	*array = moved;
	*room = more;
	return true;
}

/* --- roots ----------------------------------------------------------------- */

struct root *
root_at(struct caps_state *state, uint32_t index)
{
	must(CAPS3, index < state->roots_count);
	return &state->roots[index];
}

static int32_t
find(struct caps_state *state, const char *name, uint32_t name_bytes, bool missing)
{
	for (uint32_t i = 0; i < state->roots_count; i++) {
		const struct root *root = &state->roots[i];

		if (!root->synthetic && root->missing == missing &&
			strlen(root->name) == name_bytes && !memcmp(root->name, name, name_bytes))
			return (int32_t)i;
	}
	return -1;
}

int32_t
root_find(struct caps_state *state, const char *name, uint32_t name_bytes)
{
	return find(state, name, name_bytes, false);
}

int32_t
root_find_missing(struct caps_state *state, const char *name, uint32_t name_bytes)
{
	return find(state, name, name_bytes, true);
}

/* Another spec for a root that was cut; false: no memory. */
static bool
spec_replace(struct caps_state *state, struct root *root, const char *spec)
{
	const uint64_t spec_bytes = strlen(spec) + 1;
	char *copy = heap_take(state->heap, spec_bytes);

	if (!copy)
		return false;
	memcpy(copy, spec, (size_t)spec_bytes);
	heap_give(state->heap, root->spec, strlen(root->spec) + 1);
	root->spec = copy;
	return true;
}

static struct root *
root_take(struct caps_state *state, const char *name, const char *spec)
{
	const uint64_t spec_bytes = strlen(spec) + 1;
	void *roots = state->roots;
	struct root *root;

	if (state->roots_count == CAPS_ROOTS_MAX ||
		!array_room(state->heap, &roots, state->roots_count, &state->roots_room,
			sizeof *state->roots))
		return NULL;
	state->roots = roots;
	root = &state->roots[state->roots_count];
	*root = (struct root){.spec = heap_take(state->heap, spec_bytes)};
	if (!root->spec)
		return NULL;
	memcpy(root->spec, spec, (size_t)spec_bytes);
	memcpy(root->name, name, strlen(name) + 1);
	state->roots_count++;
	return root;
}

/* The place of a root of that name that was cut, all of it gone but its counts;
 * or a new one. */
static struct root *
root_place(struct caps_state *state, const char *name, const char *spec)
{
	const int32_t found = root_find(state, name, (uint32_t)strlen(name));
	struct root *root = found < 0 ? NULL : &state->roots[found];

	if (!root)
		return root_take(state, name, spec);
	if (!spec_replace(state, root, spec))
		return NULL;
	opening_end(state, root->opening); /* its handle is given back */
	grant_drop(world_grants(state->world), root->grant);
	return root;
}

int32_t
root_synthetic(struct caps_state *state)
{
	struct root *root;

	for (uint32_t i = 0; i < state->roots_count; i++)
		if (state->roots[i].synthetic)
			return (int32_t)i;
	root = root_take(state, "/", "the names of its keys");
	if (!root)
		return -1;
	root->kind = KIND_directory;
	root->rights = RIGHT_read;
	root->synthetic = true;
	return (int32_t)(root - state->roots);
}

static bool
kind_has_handle(enum kind_id kind)
{
	return kind == KIND_directory || kind == KIND_file || kind == KIND_stream ||
		kind == KIND_socket || kind == KIND_listener || kind == KIND_resolver;
}

static bool
kind_has_root(enum kind_id kind)
{
	return kind_has_handle(kind) || kind == KIND_clock || kind == KIND_entropy;
}

static bool
is_cut(struct caps_state *state, const struct root *root)
{
	return root->grant != GRANT_NONE &&
		!grant_alive(world_grants(state->world), root->grant, root->grant_generation);
}

static bool
taken(struct caps_state *state, const char *name, uint32_t name_bytes)
{
	const int32_t found = root_find(state, name, name_bytes);

	return found >= 0 && !is_cut(state, &state->roots[found]);
}

static int
root_check(struct caps_state *state, const struct caps_root *config, struct report *report)
{
	const uint64_t name_bytes = config->name ? strlen(config->name) : 0;

	if (!name_bytes || name_bytes > CAPS_NAME_MAX) {
		report_say(report, UINT64_MAX, "a key's name has 1 to %d bytes, not %llu", CAPS_NAME_MAX,
			(unsigned long long)name_bytes);
		return -EINVAL;
	}
	if (!kind_has_root(config->kind)) {
		report_say(report, UINT64_MAX, "key %s: no root key of this kind can be made",
			config->name);
		return -EINVAL;
	}
	if (config->spec && strlen(config->spec) > CAPS_SPEC_MAX) {
		report_say(report, UINT64_MAX, "key %s: its specification is longer than %d bytes",
			config->name, CAPS_SPEC_MAX);
		return -EINVAL;
	}
	if (config->limits && !grant_limits_fit(config->limits)) {
		report_say(report, UINT64_MAX, "key %s: no such rate", config->name);
		return -EINVAL;
	}
	if (taken(state, config->name, (uint32_t)name_bytes)) {
		report_say(report, UINT64_MAX, "two keys are named %s; give one another name (NAME=SPEC)",
			config->name);
		return -EEXIST;
	}
	return 0;
}

static uint8_t
type_of_kind(enum kind_id kind)
{
	if (kind == KIND_directory)
		return DEVICE_TYPE_DIRECTORY;
	return kind == KIND_file ? DEVICE_TYPE_FILE : DEVICE_TYPE_UNKNOWN;
}

struct key
key_to(struct caps_state *state, uint32_t opening, uint32_t rights)
{
	const struct opening *o = &state->openings[opening];
	const struct root *root = &state->roots[o->root];

	return (struct key){.kind = o->kind,
		.rights = rights,
		.object = opening,
		.generation = o->generation,
		.grant = root->grant,
		.grant_generation = root->grant_generation};
}

int
caps_root_add(struct world *world, const struct caps_root *config, struct report *report,
	struct key *ret_key)
{
	struct caps_state *state = caps_state(world);
	struct grants *grants = world_grants(world);
	const int error = state ? root_check(state, config, report) : -ENOMEM;
	const int32_t before = error ? -1 : root_find(state, config->name, (uint32_t)strlen(config->name));
	struct root *root;
	uint32_t grant, opening;

	if (error)
		return error;
	grant = grant_new(grants, GRANT_NONE);
	if (grant == GRANT_NONE)
		return -ENOMEM;
	opening = opening_new(state,
		&(struct opening){.root = before < 0 ? state->roots_count : (uint32_t)before,
			.kind = (uint8_t)config->kind,
			.type = type_of_kind(config->kind),
			.handle = config->handle},
		NULL);
	root = opening == UINT32_MAX ? NULL
				     : root_place(state, config->name, config->spec ? config->spec : "");
	if (!root) {
		grant_cut(grants, grant);
		return -ENOMEM;
	}
	if (config->limits)
		grant_limit(grants, grant, config->limits, world_clock(world)->now);
	root->kind = config->kind;
	root->rights = config->rights;
	root->flags = config->flags & CAPS_TTY ? config->flags | CAPS_LIVE : config->flags;
	root->number = config->number;
	root->seed = config->seed;
	root->opening = opening;
	root->grant = grant;
	root->grant_generation = grants->at[grant].generation;
	*ret_key = key_to(state, opening, config->rights);
	return 0;
}

int32_t
root_missing(struct caps_state *state, const struct caps_root *config)
{
	const uint32_t name_bytes = (uint32_t)strlen(config->name);
	const int32_t found = root_find_missing(state, config->name, name_bytes);
	struct root *root;
	uint32_t opening;

	if (found >= 0)
		return found;
	if (!kind_has_root(config->kind))
		return -1;
	opening = opening_new(state,
		&(struct opening){.root = state->roots_count,
			.kind = (uint8_t)config->kind,
			.type = type_of_kind(config->kind)},
		NULL);
	if (opening == UINT32_MAX)
		return -1;
	state->openings[opening].state = OPENING_GONE;
	root = root_take(state, config->name, config->spec);
	if (!root) {
		opening_end(state, opening);
		return -1;
	}
	root->missing = true;
	root->kind = config->kind;
	root->rights = config->rights;
	root->flags = config->flags;
	root->seed = config->seed;
	root->opening = opening;
	root->grant = GRANT_NONE;
	return (int32_t)(root - state->roots);
}

bool
caps_root_at(struct world *world, uint32_t index, struct caps_root_view *ret_view)
{
	struct caps_state *state = caps_state(world);
	const struct root *root = state ? state->roots : NULL;
	const struct root *end = state ? root + state->roots_count : NULL;

	while (root < end && (root->missing || index--))
		root++;
	if (root == end)
		return false;
	*ret_view = (struct caps_root_view){
		.name = root->name,
		.spec = root->spec,
		.kind = root->kind,
		.rights = root->rights,
		.flags = root->flags,
		.handle = root->synthetic ? 0 : state->openings[root->opening].handle,
		.number = root->number,
		.counts = root->counts,
		.uses_left = UINT64_MAX,
		.bytes_left = UINT64_MAX,
	};
	if (root->synthetic || root->grant == GRANT_NONE)
		return true;
	ret_view->cut = is_cut(state, root);
	if (!ret_view->cut) {
		ret_view->uses_left = world_grants(world)->at[root->grant].uses_left;
		ret_view->bytes_left = world_grants(world)->at[root->grant].bytes_left;
	}
	return true;
}

static struct root *
root_named(struct caps_state *state, const char *name)
{
	const int32_t index = state ? root_find(state, name, (uint32_t)strlen(name)) : -1;

	return index < 0 || is_cut(state, &state->roots[index]) ? NULL : &state->roots[index];
}

uint32_t
caps_root_cut(struct world *world, const char *name)
{
	const struct root *root = root_named(caps_state(world), name);

	return root ? world_cut(world, root->grant) : 0;
}

void
caps_root_limit(struct world *world, const char *name, const struct grant_limits *limits)
{
	const struct root *root = root_named(caps_state(world), name);
	struct grant *grant = root ? &world_grants(world)->at[root->grant] : NULL;

	if (!grant)
		return;
	grant->uses_left = limits->uses;
	grant->bytes_left = limits->bytes;
	grant->rate = grant->tokens = limits->rate;
	grant->tokens_at = world_clock(world)->now;
	grant->limited = limits->uses != UINT64_MAX || limits->bytes != UINT64_MAX ||
		limits->rate != UINT64_MAX;
}

/* --- openings ---------------------------------------------------------------- */

static void
list_add(struct caps_state *state, uint32_t index)
{
	struct opening *o = &state->openings[index];
	uint32_t *first = opening_list(o->payer);

	o->prev = OPENING_NOT;
	o->next = *first;
	if (o->next != OPENING_NOT)
		state->openings[o->next].prev = index;
	*first = index;
}

static void
list_drop(struct caps_state *state, const struct opening *o)
{
	if (o->next != OPENING_NOT)
		state->openings[o->next].prev = o->prev;
	if (o->prev != OPENING_NOT)
		state->openings[o->prev].next = o->next;
	else
		*opening_list(o->payer) = o->next;
}

/* What its payer's bank holds of it. */
static uint64_t
cost_of(const struct opening *o)
{
	return o->payer ? heap_cost(sizeof *o) + heap_cost(o->path_bytes) : 0;
}

uint64_t
openings_cost(const struct caps_state *state, uint32_t first)
{
	uint64_t bytes = 0;

	for (uint32_t at = first; at != OPENING_NOT; at = state->openings[at].next)
		bytes += cost_of(&state->openings[at]);
	return bytes;
}

uint32_t
opening_new(struct caps_state *state, const struct opening *like, const struct key *under)
{
	const uint64_t cost = cost_of(like);
	const bool reuse = state->openings_free != UINT32_MAX;
	const uint32_t index = reuse ? state->openings_free : state->openings_count;
	void *openings = state->openings;
	char *path = NULL;
	struct opening *o;

	if (cost && (!opening_list(like->payer) || !bank_take(&like->payer->bank, cost)))
		return UINT32_MAX;
	if (like->path_bytes)
		path = heap_take(state->heap, like->path_bytes);
	if ((like->path_bytes && !path) ||
		(!reuse && !array_room(state->heap, &openings, index, &state->openings_room, sizeof *o))) {
		heap_give(state->heap, path, like->path_bytes);
		if (cost)
			bank_give(&like->payer->bank, cost);
		return UINT32_MAX;
	}
	state->openings = openings;
	o = &state->openings[index];
	if (reuse)
		state->openings_free = o->root;
	else
		state->openings_count++;

	const uint32_t generation = reuse ? o->generation : 1;

	*o = *like;
	o->generation = generation;
	o->state = OPENING_LIVE;
	o->grant = under ? under->grant : GRANT_NONE;
	o->grant_generation = under ? under->grant_generation : 0;
	o->path = path;
	if (path)
		memcpy(path, like->path, like->path_bytes);
	if (o->payer)
		list_add(state, index);
	return index;
}

static void
handle_close(struct caps_state *state, const struct opening *o)
{
	struct device_request request = {.op = DEVICE_CLOSE, .handle = o->handle};

	if (o->state == OPENING_LIVE && kind_has_handle(o->kind))
		world_submit_detached(state->world, &request);
}

void
opening_end(struct caps_state *state, uint32_t index)
{
	struct opening *o = &state->openings[index];
	const uint32_t generation = o->generation + 1;

	must(CAPS1, o->state != OPENING_FREE);
	handle_close(state, o);
	if (o->payer) {
		list_drop(state, o);
		bank_give(&o->payer->bank, cost_of(o));
	}
	heap_give(state->heap, o->path, o->path_bytes);
	*o = (struct opening){.generation = generation, .root = state->openings_free};
	state->openings_free = index;
}

struct opening *
opening_kept(struct caps_state *state, const struct key *key)
{
	struct opening *o;

	if (key_is_void(key) || key->object >= state->openings_count)
		return NULL;
	o = &state->openings[key->object];
	if (o->state == OPENING_FREE || o->generation != key->generation || o->kind != key->kind)
		return NULL;
	return o;
}

struct opening *
opening_of(struct caps_state *state, const struct key *key)
{
	struct opening *o = opening_kept(state, key);

	return o && !state->roots[o->root].missing ? o : NULL;
}

bool
key_is_hole(struct caps_state *state, const struct key *key)
{
	return opening_kept(state, key) && !opening_of(state, key);
}

/* What WASI does with a key: a cut wakes its request, and one call is one use,
 * however often it runs. (The gate does both for orders.) */
static bool
use_counted(struct caps_state *state, const struct key *key)
{
	struct call *call = state->call;
	struct grants *grants = world_grants(state->world);

	if (!call || key->grant == GRANT_NONE)
		return true;
	call->under = key;
	if (call->domain->counted || !grants->at[key->grant].limited)
		return true;
	if (!grant_use(grants, key->grant, 0, world_clock(state->world)->now))
		return false;
	call->domain->counted = true;
	return true;
}

enum rc
key_use(struct caps_state *state, const struct key *key, enum kind_id kind, uint32_t rights,
	struct opening **ret_opening)
{
	struct opening *o = opening_of(state, key);

	if (!o)
		return RC_VOID;
	if (o->kind != kind)
		return RC_WRONG_KIND;
	if (!key_alive(world_grants(state->world), key))
		return RC_REVOKED;
	if ((key->rights & rights) != rights)
		return RC_NO_RIGHT;
	if (o->state != OPENING_LIVE)
		return RC_GONE;
	if (!use_counted(state, key))
		return RC_REVOKED;
	*ret_opening = o;
	return RC_OK;
}

bool
opening_ready(struct call *call, struct caps_state *state, const struct key *key, uint32_t *asked,
	enum call_end *ret_end)
{
	const uint32_t index = key->object;
	struct opening *o = &state->openings[index];
	const struct root *root = &state->roots[o->root];
	struct device_request request = {.op = o->kind == KIND_socket ? DEVICE_NARROW : DEVICE_OPEN,
		.handle = state->openings[root->opening].handle,
		.path = o->path,
		.path_bytes = o->path_bytes,
		.flags = o->mode};

	*ret_end = CALL_DONE;
	if (o->state == OPENING_LOST && call->completion && *asked == index + 1) {
		const int64_t result = call->completion->result;

		*asked = 0;
		if (result == -DEVICE_EREVOKED) {
			/* This key was cut; whoever holds another to it may open it still. */
		} else if (result < 0) {
			o->state = OPENING_GONE;
			o->error = (uint8_t)-result;
		} else {
			o->state = OPENING_LIVE;
			o->handle = (uint32_t)result;
			o->inode = call->completion->stat.inode;
		}
		call_consume(call);
	}
	if (o->state == OPENING_LOST && key_alive(world_grants(state->world), key)) {
		*asked = index + 1;
		*ret_end = call_submit(call, &request);
		return false;
	}
	return o->state == OPENING_LIVE;
}

/* A guest sees nothing of it: its key is revoked either way, and the place stays
 * paid for until its descriptor goes. A root's own handle has no grant here: it is
 * the host's, and other grants may use it. */
static void
close_if_cut(struct caps_state *state, struct opening *o)
{
	if (o->state != OPENING_LIVE || o->grant == GRANT_NONE ||
		grant_alive(world_grants(state->world), o->grant, o->grant_generation))
		return;
	handle_close(state, o);
	o->state = OPENING_GONE;
	o->error = DEVICE_EREVOKED;
}

bool
openings_close_cut(struct world *world, uint32_t *at)
{
	struct caps_state *state = *world_caps(world);
	const uint32_t end = state ? (uint32_t)min_u64(state->openings_count, *at + CAPS_CLOSE_PIECE) : 0;

	while (*at < end)
		close_if_cut(state, &state->openings[(*at)++]);
	return state && *at < state->openings_count;
}

void
root_image_under(struct world *world, const struct key *key)
{
	struct caps_state *state = caps_state(world);
	struct opening *o = state ? opening_kept(state, key) : NULL;

	if (!o || o->grant == GRANT_NONE) /* a root's own */
		return;
	o->grant = key->grant;
	o->grant_generation = key->grant_generation;
}
