/* SPDX-License-Identifier: Apache-2.0 */
/* image_bind.c - reading keys: bound to what was made, or to what the world holds
 * under the same name; what is outside stays void. Everything a place may say is
 * checked against what is there. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/image.h"
#include "kernel/tree.h"

/* --- keys ---------------------------------------------------------------------------------------- */

/* Said by its kind, and bound to what the world holds under that name: by the host,
 * who gave it. A guest that thaws can write any name into the bytes, so nothing
 * outside comes of them; it puts in what it holds. */
static int
get_said(struct image *image, struct domain *domain, const struct kind *kind, struct key *ret_key)
{
	uint32_t bytes;
	const uint8_t *said = bytes_text(&image->in, &bytes);
	struct bytes_in in;

	if (!said)
		return image_bad(image, "it ends too early");
	in = bytes_in(said, bytes);
	if (image->copied) {
		*ret_key = (struct key){0};
	} else if (kind->image_bind && kind->image_bind(image->world, domain, &in, ret_key)) {
		if (in.bad || bytes_left(&in))
			return image_bad_at(image, said, "a key that says more or less than its kind does");
	} else if (in.bad) {
		return image_bad_at(image, said, "a key that says less than its kind does");
	} else {
		*ret_key = (struct key){0};
	}
	return 0;
}

static bool
is_of_domain(uint8_t kind)
{
	return kind == KEY_START || kind == KEY_RESUME || kind == KEY_DOMAIN || kind == KEY_VIEW;
}

/* A resume key answers one caller: a second one, or one of another call, is void. */
static struct key
key_of_domain(uint8_t kind, struct domain *domain, uint64_t badge)
{
	if (kind != KEY_RESUME)
		return domain_key(domain, kind);
	if (domain->state != DOMAIN_CALLING || domain->calls != badge || domain->answered ||
		domain->wait == WAIT_RUN || domain->wait == WAIT_INVOKE)
		return (struct key){0};
	domain->answered = true;
	return domain_key(domain, kind);
}

static int
get_placed(struct image *image, uint8_t kind, enum image_key by, struct key *ret_key)
{
	const uint8_t *start = image->in.at;
	const uint32_t place = bytes_u32(&image->in), rights = bytes_u32(&image->in);
	const struct object *object;

	if (by == IMAGE_KEY_DOMAIN ? !is_of_domain(kind) : is_of_domain(kind))
		return image_bad_at(image, start, "a key named as its kind is not");
	if (place == IMAGE_NOWHERE) {
		*ret_key = (struct key){0};
		if (kind == KEY_NUMBER)
			*ret_key = (struct key){.kind = kind, .grant = GRANT_NONE};
		return 0;
	}
	if (by == IMAGE_KEY_DOMAIN) {
		if (place >= image->made)
			return image_bad_at(image, start, "a key to a domain that is not there");
		*ret_key = (struct key){.kind = kind, .object = place};
	} else {
		object = image_object(image, place);
		if (!object || object->kind != kind)
			return image_bad_at(image, start, "a key to an object that is not there");
		*ret_key = object_key(image->world, image->objects_at[place], 0);
	}
	ret_key->rights = rights;
	return 0;
}

/* To the same as the original's: only a fork says so, which nobody wrote but us. */
static int
get_shared(struct image *image, uint8_t kind, struct key *ret_key)
{
	if (!image->fork)
		return image_bad(image, "a key that is shared with a world that is not this one");
	ret_key->kind = kind;
	ret_key->object = bytes_u32(&image->in);
	ret_key->generation = bytes_u32(&image->in);
	ret_key->rights = bytes_u32(&image->in);
	ret_key->grant = GRANT_NONE;
	return 0;
}

static int
get_attenuations(struct image *image, enum image_key by, struct key *ret_key)
{
	struct key key = *ret_key;
	const uint8_t flags = by == IMAGE_KEY_SAID ? 0 : bytes_u8(&image->in);
	const uint64_t badge = by == IMAGE_KEY_SAID ? 0 : bytes_u64(&image->in);
	const uint32_t grant = bytes_u32(&image->in);

	if (image->in.bad || !image_grant_fits(image, grant))
		return image_bad(image, "a key under a grant that is not there");
	if (key_is_void(&key))
		return 0;
	if (by == IMAGE_KEY_DOMAIN) {
		const uint32_t rights = key.rights;

		key = key_of_domain(key.kind, image->at[key.object].domain, badge);
		key.rights = rights;
	}
	if (by != IMAGE_KEY_SAID) {
		key.flags = flags;
		key.badge = badge;
	}
	if (grant != IMAGE_NOWHERE && !key_is_void(&key)) {
		key.grant = image_grant_at(image, grant);
		key.grant_generation = image->world->grants.at[key.grant].generation;
	}
	*ret_key = key_is_void(&key) ? (struct key){0} : key;
	return 0;
}

int
image_get_key(struct image *image, struct domain *domain, struct key *ret_key)
{
	const uint8_t *start = image->in.at;
	uint8_t number;
	const struct kind *kind = image_get_kind(image, &number);
	const uint8_t by = bytes_u8(&image->in);
	int error;

	*ret_key = (struct key){0};
	if (kind && by == IMAGE_KEY_GONE && kind->image_write && !image->in.bad)
		return 0;
	if (!kind || number == KEY_VOID || image->in.bad)
		return image_bad_at(image, start, "a key of a kind that is not known here");
	if (by == IMAGE_KEY_SAID && kind->image_write)
		error = get_said(image, domain, kind, ret_key);
	else if ((by == IMAGE_KEY_DOMAIN || by == IMAGE_KEY_OBJECT) && !kind->image_write)
		error = get_placed(image, number, (enum image_key)by, ret_key);
	else if (by == IMAGE_KEY_SHARED && !kind->image_write)
		error = get_shared(image, number, ret_key);
	else
		error = image_bad_at(image, start, "a key named as its kind is not");
	if (!error)
		error = get_attenuations(image, (enum image_key)by, ret_key);
	if (!error && kind->image_under && !key_is_void(ret_key))
		kind->image_under(image->world, ret_key);
	return error;
}

/* Keys of a table with `room` places. */
static int
get_keys(struct image *image, struct domain *domain, struct key *keys, uint32_t room, uint32_t held)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < held; i++) {
		const uint32_t slot = bytes_u32(&image->in);
		int error;

		if (image->in.bad || slot >= room || slot < next)
			return image_bad(image, "slots out of order");
		next = slot + 1;
		error = image_get_key(image, domain, &keys[slot]);
		if (error)
			return error;
	}
	return 0;
}

static int
get_table(struct image *image, uint32_t *ret_room, uint32_t *ret_held)
{
	const uint8_t *start = image->in.at;

	*ret_room = bytes_u32(&image->in);
	*ret_held = bytes_u32(&image->in);
	if (image->in.bad || *ret_room > SLOTS_MAX || *ret_held > *ret_room ||
		*ret_held > bytes_left(&image->in) / IMAGE_SLOT_MIN)
		return image_bad_at(image, start, "more slots than a domain can have");
	return 0;
}

static int
get_slots(struct image *image, struct domain *domain)
{
	const uint8_t *start = image->in.at;
	uint32_t room, held;
	int error = get_table(image, &room, &held);

	if (error)
		return error;
	error = domain_slots_room(domain, room);
	if (error) {
		report_say(image->report, bytes_offset(&image->in), "image: %s for a domain's slots",
			error == -ENOSPC ? "the bank has no room" : "no memory");
		return error;
	}
	if (domain->slots_count != room)
		return image_bad_at(image, start, "a number of slots that no domain has");
	return get_keys(image, domain, domain->slots, room, held);
}

/* A table of exactly so many. */
static int
get_fixed(struct image *image, struct domain *domain, struct key *keys, uint32_t count)
{
	const uint8_t *start = image->in.at;
	uint32_t room, held;
	const int error = get_table(image, &room, &held);

	if (error)
		return error;
	if (room != count)
		return image_bad_at(image, start, "an object with more or fewer keys than its kind has");
	return get_keys(image, domain, keys, room, held);
}

static int
get_personality(struct image *image, struct image_owner *owner)
{
	const struct personality *personality = image->world->config.caps->personality;
	const uint8_t *start = image->in.at, *bytes;
	struct bytes_in in;
	uint64_t count;
	int error;

	if ((owner->flags & IMAGE_PERSONALITY) != (owner->domain->personality ? IMAGE_PERSONALITY : 0u))
		return image_bad(image, "descriptors where none can be, or none where they must");
	if (!owner->domain->personality)
		return 0;
	count = bytes_u64(&image->in);
	bytes = bytes_take(&image->in, count);
	if (!bytes)
		return image_bad(image, "it ends too early");
	/* Offsets in words are of the image: the reader sees its beginning, too. */
	in = (struct bytes_in){.base = image->in.base, .at = bytes, .end = bytes + count};
	error = personality->image_read(owner->domain, &in, image->report);
	if (error)
		return error;
	if (in.bad || bytes_left(&in))
		return image_bad_at(image, start, "descriptors that say more or less than they should");
	return 0;
}

static int
get_object_keys(struct image *image, uint32_t place)
{
	const struct caps *caps = image->world->config.caps;
	const struct object *object = image_object(image, place);
	struct domain *top = image->at[0].domain;
	uint32_t count = 0;
	struct key *keys = NULL;

	if (object->borrowed)
		return 0;
	if (object->kind == KEY_METER)
		return get_fixed(image, top, &((struct meter *)object->body)->keeper, 1);
	if (caps->object_keys)
		keys = caps->object_keys(object->kind, object->body, &count);
	return get_fixed(image, top, keys, count);
}

int
image_get_links(struct image *image)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < image->made; i++) {
		struct domain *domain = image->at[i].domain;

		error = get_slots(image, domain);
		if (!error)
			error = get_fixed(image, domain, &domain->keeper, 1);
		if (!error)
			error = get_fixed(image, domain, &domain->meter.keeper, 1);
		if (!error)
			error = get_personality(image, &image->at[i]);
	}
	for (uint32_t i = 0; !error && i < image->objects_made; i++)
		error = get_object_keys(image, i);
	return error;
}
