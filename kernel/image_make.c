/* SPDX-License-Identifier: Apache-2.0 */
/* image_make.c - reading grants and objects: everything that keys of the image
 * name is made here, and what is of the kernel's own kinds is put where it
 * belongs; bodies of other kinds are read by caps. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/image.h"
#include "kernel/tree.h"

/* --- names ------------------------------------------------------------------------- */

/* IMAGE_NOWHERE is NULL; false: no such domain. */
bool
image_get_domain(struct image *image, struct bytes_in *in, struct domain **ret_domain)
{
	const uint32_t place = bytes_u32(in);

	*ret_domain = place < image->made ? image->at[place].domain : NULL;
	return place == IMAGE_NOWHERE || *ret_domain;
}

struct object *
image_object(struct image *image, uint32_t place)
{
	return place < image->objects_made ? object_at(image->world, image->objects_at[place]) : NULL;
}

/* An object that stands by itself, of this kind; NULL: none. */
void *
image_standing(struct image *image, uint32_t place, uint8_t kind)
{
	const struct object *object = image_object(image, place);

	return object && object->kind == kind && !object->borrowed ? object->body : NULL;
}

bool
image_get_bank(struct image *image, struct bytes_in *in, struct bank **ret_bank)
{
	const uint8_t where = bytes_u8(in);
	const uint32_t place = bytes_u32(in);

	*ret_bank = NULL;
	if (where == IMAGE_OF_DOMAIN && place < image->made)
		*ret_bank = &image->at[place].domain->bank;
	else if (where == IMAGE_OF_OBJECT)
		*ret_bank = image_standing(image, place, KEY_BANK);
	return *ret_bank || (where == IMAGE_OUTSIDE && place == IMAGE_NOWHERE);
}

bool
image_meter_at(struct image *image, struct image_place at, struct meter **ret_meter)
{
	*ret_meter = NULL;
	if (at.where == IMAGE_OF_DOMAIN && at.place < image->made)
		*ret_meter = &image->at[at.place].domain->meter;
	else if (at.where == IMAGE_OF_OBJECT)
		*ret_meter = image_standing(image, at.place, KEY_METER);
	return *ret_meter || (at.where == IMAGE_OUTSIDE && at.place == IMAGE_NOWHERE);
}

bool
image_get_meter(struct image *image, struct bytes_in *in, struct meter **ret_meter)
{
	const uint8_t where = bytes_u8(in);

	return image_meter_at(image, (struct image_place){where, bytes_u32(in)}, ret_meter);
}

/* --- kinds by name --------------------------------------------------------------------- */

static const struct kind *
kind_by_name(const struct world *world, const uint8_t *name, uint32_t bytes, uint8_t *ret_number)
{
	const struct caps *caps = world->config.caps;

	for (uint32_t i = 0; caps && i < caps->kinds_count; i++) {
		const char *text = caps->kinds[i].name;

		if (strlen(text) != bytes || memcmp(text, name, bytes))
			continue;
		*ret_number = (uint8_t)i;
		return &caps->kinds[i];
	}
	return NULL;
}

const struct kind *
image_get_kind(struct image *image, uint8_t *ret_number)
{
	uint32_t bytes;
	const uint8_t *name = bytes_text(&image->in, &bytes);

	*ret_number = KEY_VOID;
	return name ? kind_by_name(image->world, name, bytes, ret_number) : NULL;
}

/* --- grants ------------------------------------------------------------------------------ */

bool
image_grant_fits(const struct image *image, uint32_t place)
{
	return place == IMAGE_NOWHERE || place < image->grants_made ||
		(image->fork && place & IMAGE_GRANT_OUTSIDE);
}

uint32_t
image_grant_at(const struct image *image, uint32_t place)
{
	return place < image->grants_made ? image->grants_at[place] : place & ~IMAGE_GRANT_OUTSIDE;
}

static int
get_grant(struct image *image)
{
	const struct caps *caps = image->world->config.caps;
	struct bytes_in *in = &image->in;
	const uint8_t *start = in->at;
	const uint32_t object = bytes_u32(in), parent = bytes_u32(in);
	uint32_t name_bytes, above = GRANT_NONE, index;
	const uint8_t *name = bytes_text(in, &name_bytes);
	const uint8_t alive = bytes_u8(in);
	struct key key = {.grant = GRANT_NONE};
	struct grant_limits limits;
	uint64_t tokens;

	limits.uses = bytes_u64(in);
	limits.bytes = bytes_u64(in);
	limits.gas = bytes_u64(in);
	limits.rate = bytes_u64(in);
	tokens = bytes_u64(in);
	if (in->bad || object >= image->objects || image->above_at[object].where || alive > 1 ||
		!grant_limits_fit(&limits) || tokens > limits.rate)
		return image_bad_at(image, start, "a grant that cannot be");
	if (!image_grant_fits(image, parent))
		return image_bad_at(image, start, "a grant before the one above it");
	if (parent != IMAGE_NOWHERE)
		above = image_grant_at(image, parent);
	else if (name_bytes && caps->grant_find && !image->copied)
		above = caps->grant_find(image->world, (const char *)name, name_bytes);
	key.grant = above;
	index = world_grant(image->world, &key, &limits);
	if (index == GRANT_NONE) {
		report_say(image->report, bytes_offset(in), "image: no memory for a grant");
		return -ENOMEM;
	}
	image->world->grants.at[index].tokens = tokens;
	if (!alive)
		grant_cut(&image->world->grants, index);
	image->grants_at[image->grants_made] = index;
	image->grants_of[image->grants_made] = object;
	image->above_at[object] = (struct image_place){IMAGE_OF_OBJECT, image->grants_made++};
	return 0;
}

int
image_get_grants(struct image *image)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < image->grants; i++)
		error = get_grant(image);
	return error;
}

/* Those that no object of the image took over. */
void
image_drop_grants(struct image *image)
{
	for (uint32_t i = 0; i < image->grants_made; i++)
		if (image->grants_of[i] != IMAGE_NOWHERE)
			grant_drop(&image->world->grants, image->grants_at[i]);
}

/* --- objects ------------------------------------------------------------------------------- */

/* What it is below may come later: it is put there when all are made. */
static struct image_place
get_above(struct bytes_in *in)
{
	const uint8_t where = bytes_u8(in);

	return (struct image_place){where, bytes_u32(in)};
}

static int
get_meter_body(struct image *image, struct meter *meter, uint32_t index)
{
	struct bytes_in *in = &image->in;
	const uint8_t *start = in->at;
	struct clock_gas *clock = &image->world->clock;
	uint64_t left, used, reserve, rent;
	uint8_t flags;

	meter_init(meter, image->above->line ? image->above->line : &image->world->meter.line);
	meter->object = index;
	image->above_at[image->objects_made] = get_above(in);
	flags = bytes_u8(in);
	left = bytes_u64(in);
	used = bytes_u64(in);
	reserve = bytes_u64(in);
	rent = bytes_u64(in);
	if (in->bad || flags > 3 || (flags & 1 && left) || left == GAS_NO_LIMIT || rent > METER_RENT_MAX)
		return image_bad_at(image, start, "a line that cannot be");
	line_limit(clock, &meter->line, flags & 1 ? GAS_NO_LIMIT : left);
	line_reserve(clock, &meter->line, reserve);
	meter->line.used = used;
	meter->rent = rent;
	meter->told = flags & 2;
	return 0;
}

static int
get_bank_body(struct image *image, struct bank *bank, struct bank *payer, uint32_t index)
{
	struct bytes_in *in = &image->in;
	const uint8_t *start = in->at;
	const uint64_t limit = bytes_u64(in), own = bytes_u64(in), peak = bytes_u64(in);

	bank_init(bank, payer, limit);
	bank->object = index;
	bank->peak = peak;
	return in->bad || own > peak || own > limit
		? image_bad_at(image, start, "a bank that holds more than its limit or its peak")
		: 0;
}

/* It says what was in it; the money stayed with the original. */
static int
get_purse_body(struct image *image, struct purse *purse, uint32_t index)
{
	struct bytes_in *in = &image->in;
	const uint32_t above = bytes_u32(in);

	(void)bytes_u64(in);
	image->above_at[image->objects_made] =
		(struct image_place){
			above >= IMAGE_PURSE_OUTSIDE ? IMAGE_OUTSIDE : IMAGE_OF_OBJECT, above};
	purse_init(purse, &image->world->mint, NULL);
	purse->object = index;
	return in->bad ? image_bad(image, "it ends too early") : 0;
}

static int
get_grant_body(struct image *image, struct grant_body *body, struct bank *payer)
{
	const struct image_place grant = image->above_at[image->objects_made];

	if (!world_grant_pay(body, payer)) {
		report_say(image->report, bytes_offset(&image->in),
			"image: the bank has no room for a grant");
		return -ENOSPC;
	}
	if (grant.where != IMAGE_OF_OBJECT) /* none was said to be its own */
		return 0;
	body->grant = image->grants_at[grant.place];
	image->grants_of[grant.place] = IMAGE_NOWHERE;
	return 0;
}

static int
get_body(struct image *image, struct object *object, struct bank *payer, uint32_t index)
{
	const struct caps *caps = image->world->config.caps;
	const uint8_t *said;
	uint64_t bytes;
	struct bytes_in in;

	switch (object->kind) {
	case KEY_METER:
		return get_meter_body(image, object->body, index);
	case KEY_BANK:
		return get_bank_body(image, object->body, payer, index);
	case KEY_PURSE:
		return get_purse_body(image, object->body, index);
	case KEY_GRANT:
		return get_grant_body(image, object->body, payer);
	default:
		break;
	}
	if (!caps->object_read)
		return 0;
	bytes = bytes_u64(&image->in);
	said = bytes_take(&image->in, bytes);
	if (!said)
		return image_bad(image, "it ends too early");
	in = bytes_in(said, bytes);
	if (!caps->object_read(image->world, object->kind, payer, object->body, object->bytes,
		    &in) || in.bad ||
		bytes_left(&in))
		return image_bad_at(image, said, "an object that says what its kind cannot");
	return 0;
}

/* The part of a domain that has a place of its own. */
static int
get_borrowed(struct image *image, uint8_t kind, struct bank *payer)
{
	struct domain *owner = payer->owner;
	uint32_t *place = owner && kind == KEY_METER ? &owner->meter.object
		: owner && kind == KEY_BANK	     ? &owner->bank.object
						     : NULL;

	if (!place || *place != OBJECT_NONE)
		return image_bad(image, "a part of a domain that is none");
	*place = object_borrow(image->world, kind, payer,
		kind == KEY_METER ? (void *)&owner->meter : (void *)&owner->bank);
	if (*place == OBJECT_NONE) {
		report_say(image->report, bytes_offset(&image->in),
			"image: the bank has no room for an object");
		return -ENOSPC;
	}
	image->objects_at[image->objects_made++] = *place;
	return 0;
}

static bool
size_fits(const struct image *image, uint8_t kind, uint64_t bytes)
{
	const struct caps *caps = image->world->config.caps;

	switch (kind) {
	case KEY_METER:
		return bytes == sizeof(struct meter);
	case KEY_BANK:
		return bytes == sizeof(struct bank);
	case KEY_PURSE:
		return bytes == sizeof(struct purse);
	case KEY_GRANT:
		return bytes == sizeof(struct grant_body);
	default:
		return caps->object_fits && caps->object_fits(kind, bytes);
	}
}

static int
get_object(struct image *image)
{
	const uint8_t *start = image->in.at;
	struct bank *payer;
	struct object *object;
	uint8_t kind, borrowed;
	uint64_t bytes;
	uint32_t index;

	(void)image_get_kind(image, &kind);
	borrowed = bytes_u8(&image->in);
	if (kind == KEY_VOID || borrowed > 1 || !image_get_bank(image, &image->in, &payer) || !payer)
		return image_bad_at(image, start, "an object of no kind, or that nobody paid for");
	bytes = bytes_u64(&image->in);
	if (borrowed)
		return bytes ? image_bad_at(image, start, "a part of a domain with a body")
			     : get_borrowed(image, kind, payer);
	if (!bytes || !size_fits(image, kind, bytes))
		return image_bad_at(image, start, "an object as large as none of its kind is");
	index = object_new(image->world, kind, payer, bytes);
	if (index == OBJECT_NONE) {
		report_say(image->report, bytes_offset(&image->in),
			"image: the bank has no room for an object");
		return -ENOSPC;
	}
	object = object_at(image->world, index);
	image->objects_at[image->objects_made] = index;
	const int error = get_body(image, object, payer, index);

	image->objects_made++;
	return error;
}

static int
tie_meter(struct image *image, struct meter *meter, struct image_place place)
{
	struct meter *above;

	if (!image_meter_at(image, place, &above))
		return image_bad(image, "a line below one that is not there");
	if (above && line_is_below(&above->line, &meter->line))
		return image_bad(image, "a line below itself");
	if (above)
		line_move(&meter->line, &above->line);
	return 0;
}

static int
tie_purse(struct image *image, struct purse *purse, struct image_place place)
{
	struct purse *above = image_standing(image, place.place, KEY_PURSE);

	if (place.where == IMAGE_OUTSIDE)
		return 0;
	return above && purse_below(purse, above) ? 0 : image_bad(image, "a purse below none, or itself");
}

static int
tie_objects(struct image *image)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < image->objects_made; i++) {
		struct meter *meter = image_standing(image, i, KEY_METER);
		struct purse *purse = image_standing(image, i, KEY_PURSE);

		if (meter)
			error = tie_meter(image, meter, image->above_at[i]);
		else if (purse)
			error = tie_purse(image, purse, image->above_at[i]);
	}
	return error;
}

/* A bank's list has its newest first; objects are made in the order of the image,
 * so each list is turned round at the end. */
int
image_get_objects(struct image *image)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < image->objects; i++)
		error = get_object(image);
	for (uint32_t i = 0; i < image->made; i++)
		objects_turn(image->world, &image->at[i].domain->bank);
	for (uint32_t i = 0; i < image->objects_made; i++) {
		struct bank *bank = image_standing(image, i, KEY_BANK);

		if (bank)
			objects_turn(image->world, bank);
	}
	return error ? error : tie_objects(image);
}
