/* SPDX-License-Identifier: Apache-2.0 */
/* root_image.c - keys with an opening in images: names and attenuations, never
 * authority; and back, bound to what this world holds under the name. */
#include "caps/state.h"

#include <stdio.h>
#include <string.h>

/* A key as its root's name and what was narrowed since; and the place below
 * the root, so that it can be opened again. */
void
root_image_write(struct world *world, const struct key *key, struct sink *sink)
{
	struct caps_state *state = caps_state(world);
	const struct opening *o = state ? opening_kept(state, key) : NULL;
	const struct root *root = o ? &state->roots[o->root] : NULL;

	sink_text(sink, root ? root->name : "", root ? (uint32_t)strlen(root->name) : 0);
	sink_text(sink, root ? root->spec : "", root ? (uint32_t)strlen(root->spec) : 0);
	sink_u32(sink, key->rights);
	sink_u32(sink, root ? root->flags : 0);
	sink_u64(sink, root ? root->seed : 0);
	sink_u8(sink, key->kind);
	sink_u8(sink, root ? (uint8_t)root->kind : 0);
	sink_u8(sink, o ? o->type : 0);
	sink_u32(sink, o ? o->mode : 0);
	sink_u64(sink, o && o->path_bytes ? o->inode : 0); /* a root's is looked at again */
	sink_text(sink, o ? o->path : "", o ? o->path_bytes : 0);
}

/* Whether the image's key may stand for what this world holds under the name. */
static bool
bind_fits(const struct root *root, enum kind_id root_kind, enum kind_id kind, uint32_t path_bytes)
{
	if (root->kind != root_kind || path_bytes > DEVICE_PATH_MAX)
		return false;
	if (!path_bytes)
		return kind == root_kind;
	if (root_kind == KIND_socket || root_kind == KIND_listener)
		return kind == KIND_socket;
	return root_kind == KIND_directory && (kind == KIND_directory || kind == KIND_file);
}

/* What an image says of a key. Texts lie in the image. */
struct imaged {
	const char *name, *spec;
	uint32_t name_bytes, spec_bytes, rights, flags;
	uint64_t seed;
	enum kind_id root_kind;
	struct opening like;
};

static void
imaged_read(struct bytes_in *in, struct imaged *ret)
{
	ret->name = (const char *)bytes_text(in, &ret->name_bytes);
	ret->spec = (const char *)bytes_text(in, &ret->spec_bytes);
	ret->rights = bytes_u32(in);
	ret->flags = bytes_u32(in);
	ret->seed = bytes_u64(in);
	ret->like.kind = bytes_u8(in);
	ret->root_kind = bytes_u8(in);
	ret->like.type = bytes_u8(in);
	ret->like.mode = bytes_u32(in);
	ret->like.inode = bytes_u64(in);
	ret->like.path = (char *)(uintptr_t)bytes_text(in, &ret->like.path_bytes);
}

/* Remembered so that the user can be told what the image would have wanted. */
static void
hole_add(struct caps_state *state, struct domain *domain, const struct imaged *imaged)
{
	void *holes = state->holes;
	struct hole *hole;

	if (imaged->name_bytes > CAPS_NAME_MAX || imaged->spec_bytes > CAPS_SPEC_MAX ||
		memchr(imaged->name, 0, imaged->name_bytes))
		return;
	for (uint32_t i = 0; i < state->holes_count; i++)
		if (state->holes[i].domain == domain &&
			strlen(state->holes[i].name) == imaged->name_bytes &&
			!memcmp(state->holes[i].name, imaged->name, imaged->name_bytes))
			return;
	if (state->holes_count == CAPS_ROOTS_MAX ||
		!array_room(state->heap, &holes, state->holes_count, &state->holes_room, sizeof *hole))
		return;
	state->holes = holes;
	hole = &state->holes[state->holes_count];
	*hole = (struct hole){.domain = domain,
		.spec = heap_take(state->heap, imaged->spec_bytes + 1),
		.kind = imaged->root_kind,
		.rights = imaged->rights,
		.flags = imaged->flags,
		.seed = imaged->seed};
	if (!hole->spec)
		return;
	memcpy(hole->name, imaged->name, imaged->name_bytes);
	for (uint32_t i = 0; i < imaged->spec_bytes; i++) /* no 0 inside: its length is its own */
		hole->spec[i] = imaged->spec[i] ? imaged->spec[i] : '?';
	state->holes_count++;
}

bool
caps_hole_at(struct domain *domain, uint32_t index, struct caps_hole *ret_hole)
{
	struct caps_state *state = caps_state(domain->world);

	for (uint32_t i = 0; state && i < state->holes_count; i++) {
		const struct hole *hole = &state->holes[i];

		if (hole->domain != domain || index--)
			continue;
		*ret_hole = (struct caps_hole){.name = hole->name,
			.spec = hole->spec,
			.kind = hole->kind,
			.rights = hole->rights,
			.flags = hole->flags,
			.seed = hole->seed};
		return true;
	}
	return false;
}

/* What is said of its root, as somebody who gives one says it. */
static bool
imaged_root(const struct imaged *imaged, char name[static CAPS_NAME_MAX + 1],
	char spec[static CAPS_SPEC_MAX + 1], struct caps_root *ret_root)
{
	if (imaged->name_bytes > CAPS_NAME_MAX || imaged->spec_bytes > CAPS_SPEC_MAX ||
		memchr(imaged->name, 0, imaged->name_bytes) ||
		memchr(imaged->spec, 0, imaged->spec_bytes))
		return false;
	memcpy(name, imaged->name, imaged->name_bytes);
	memcpy(spec, imaged->spec, imaged->spec_bytes);
	name[imaged->name_bytes] = spec[imaged->spec_bytes] = '\0';
	*ret_root = (struct caps_root){.name = name,
		.spec = spec,
		.kind = imaged->root_kind,
		.rights = imaged->rights,
		.flags = imaged->flags,
		.seed = imaged->seed};
	return true;
}

/* A virtual clock and a seeded generator reach nothing outside: an image brings
 * its own, and goes on as it would have without being asked for them. The index
 * of the root made for it; -1: it is no such key, or there is no room. */
static int32_t
root_adopt(struct caps_state *state, const struct imaged *imaged)
{
	const enum kind_id kind = imaged->root_kind;
	char name[CAPS_NAME_MAX + 1], spec[CAPS_SPEC_MAX + 1];
	struct caps_root root;
	struct key key;

	if ((kind != KIND_clock && kind != KIND_entropy) || imaged->flags & CAPS_REAL ||
		!imaged_root(imaged, name, spec, &root))
		return -1;
	root.rights &= RIGHT_read | RIGHT_sleep;
	root.flags = 0;
	return caps_root_add(state->world, &root, NULL, &key)
		? -1 : root_find(state, imaged->name, imaged->name_bytes);
}

/* A key to what its root, given or missing, has at the image's place. */
static bool
bind_to(struct caps_state *state, struct domain *domain, uint32_t found, struct imaged *imaged,
	uint8_t state_first, struct key *ret_key)
{
	const struct root *root = &state->roots[found];
	const uint32_t rights = root->missing ? imaged->rights : imaged->rights & root->rights;
	struct opening *like = &imaged->like;
	struct key under = key_to(state, root->opening, rights);
	uint32_t opening;

	if (!like->path_bytes) {
		*ret_key = under;
		return true;
	}
	like->root = found;
	if (root->kind == KIND_listener) /* nothing else comes of one */
		like->type = DEVICE_TYPE_SOCKET;
	like->payer = domain;
	opening = opening_new(state, like, &under);
	if (opening == UINT32_MAX)
		return false;
	state->openings[opening].state = state_first;
	if (like->type == DEVICE_TYPE_SOCKET && like->kind == KIND_socket) {
		/* Its peer has long given it up. */
		state->openings[opening].state = OPENING_GONE;
		state->openings[opening].error = DEVICE_ECONNRESET;
	}
	/* Who opened it may close it, whatever the root lets do. */
	*ret_key = key_to(state, opening, rights | (imaged->rights & RIGHT_end));
	return true;
}

/* A hole: it does nothing, but the next image has what this one has. */
static bool
bind_hole(struct caps_state *state, struct domain *domain, struct imaged *imaged,
	struct key *ret_key)
{
	char name[CAPS_NAME_MAX + 1], spec[CAPS_SPEC_MAX + 1];
	struct caps_root root;
	int32_t found;

	hole_add(state, domain, imaged);
	if (!imaged_root(imaged, name, spec, &root))
		return false;
	found = root_missing(state, &root);
	return found >= 0 &&
		bind_fits(&state->roots[found], imaged->root_kind, imaged->like.kind,
			imaged->like.path_bytes) &&
		bind_to(state, domain, (uint32_t)found, imaged, OPENING_GONE, ret_key);
}

bool
root_image_bind(struct world *world, struct domain *domain, struct bytes_in *in,
	struct key *ret_key)
{
	struct caps_state *state = caps_state(world);
	struct imaged imaged = {0};
	struct opening *like = &imaged.like;
	const struct root *root;
	int32_t found;

	imaged_read(in, &imaged);
	if (in->bad || !state || !imaged.name_bytes)
		return false;
	found = root_find(state, imaged.name, imaged.name_bytes);
	if (found < 0)
		found = root_adopt(state, &imaged);
	if (found < 0)
		return bind_hole(state, domain, &imaged, ret_key);
	root = &state->roots[found];
	if (!bind_fits(root, imaged.root_kind, like->kind, like->path_bytes))
		return bind_hole(state, domain, &imaged, ret_key);
	/* The mode may ask for no more than the receiver's root gives. */
	if (!(root->rights & (RIGHT_write | RIGHT_append)))
		like->mode &= ~(uint32_t)DEVICE_FOR_WRITE;
	like->mode &= DEVICE_FOR_READ | DEVICE_FOR_WRITE | DEVICE_APPENDING | DEVICE_DIRECTORY |
		DEVICE_FOLLOW;
	return bind_to(state, domain, (uint32_t)found, &imaged, OPENING_LOST, ret_key);
}

bool
root_key_open(struct world *world, const struct key *key, bool make)
{
	struct caps_state *state = caps_state(world);
	struct opening *o = state && (key->kind == KIND_directory || key->kind == KIND_file)
		? opening_of(state, key)
		: NULL;

	if (!o || !o->path_bytes)
		return false;
	if (make && o->state == OPENING_LOST) {
		o->state = OPENING_LIVE;
		o->handle = OPENING_NOT - 1;
	}
	return o->state == OPENING_LIVE;
}

void
caps_reseed(struct world *world, uint32_t first, uint64_t seed)
{
	struct caps_state *state = caps_state(world);

	for (uint32_t i = first; state && i < state->roots_count; i++) {
		struct root *root = &state->roots[i];
		char text[40];
		char *spec;
		int bytes;

		if (root->kind != KIND_entropy || root->flags & CAPS_REAL)
			continue;
		root->seed = seed;
		bytes = snprintf(text, sizeof text, "random:seed=%llu", (unsigned long long)seed);
		spec = heap_take(state->heap, (uint64_t)bytes + 1);
		if (!spec)
			continue; /* reports then name the old seed */
		memcpy(spec, text, (size_t)bytes + 1);
		heap_give(state->heap, root->spec, strlen(root->spec) + 1);
		root->spec = spec;
	}
}

bool
caps_key_view(struct world *world, const struct key *key, struct caps_key_view *ret_view)
{
	struct caps_state *state = caps_state(world);
	const struct opening *o = NULL;
	const struct root *root;

	switch ((enum kind_id)key->kind) {
	case KIND_directory:
	case KIND_file:
	case KIND_stream:
	case KIND_socket:
	case KIND_listener:
	case KIND_resolver:
	case KIND_clock:
	case KIND_entropy:
		o = state ? opening_kept(state, key) : NULL;
		break;
	default: /* whatever else there is has no root */
		break;
	}
	if (!o)
		return false;
	root = &state->roots[o->root];
	*ret_view = (struct caps_key_view){.name = root->name,
		.spec = root->spec,
		.path = o->path,
		.path_bytes = o->path_bytes,
		.root_kind = root->kind,
		.hole = key_is_hole(state, key)};
	return true;
}
