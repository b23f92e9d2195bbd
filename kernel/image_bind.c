/* SPDX-License-Identifier: Apache-2.0 */
/* image_bind.c - reading what ties an image together. Domains are made by now,
 * each below the top's line and bank; here objects are made, lines and banks go
 * where they belong, keys are bound and queues filled. Everything a place may
 * say is checked against what was made; what is outside stays void. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/image.h"
#include "kernel/tree.h"

/* --- names ------------------------------------------------------------------------- */

/* IMAGE_NOWHERE is NULL; false: no such domain. */
static bool
get_domain(struct image *image, struct bytes_in *in, struct domain **ret_domain)
{
	const uint32_t place = bytes_u32(in);

	*ret_domain = place < image->made ? image->at[place].domain : NULL;
	return place == IMAGE_NOWHERE || *ret_domain;
}

static struct object *
object_made(struct image *image, uint32_t place)
{
	return place < image->objects_made ? object_at(image->world, image->objects_at[place]) : NULL;
}

/* An object that stands by itself, of this kind; NULL: none. */
static void *
standing(struct image *image, uint32_t place, uint8_t kind)
{
	const struct object *object = object_made(image, place);

	return object && object->kind == kind && !object->borrowed ? object->body : NULL;
}

static bool
get_bank(struct image *image, struct bytes_in *in, struct bank **ret_bank)
{
	const uint8_t where = bytes_u8(in);
	const uint32_t place = bytes_u32(in);

	*ret_bank = NULL;
	if (where == IMAGE_OF_DOMAIN && place < image->made)
		*ret_bank = &image->at[place].domain->bank;
	else if (where == IMAGE_OF_OBJECT)
		*ret_bank = standing(image, place, KEY_BANK);
	return *ret_bank || (where == IMAGE_OUTSIDE && place == IMAGE_NOWHERE);
}

static bool
get_meter(struct image *image, struct bytes_in *in, struct meter **ret_meter)
{
	const uint8_t where = bytes_u8(in);
	const uint32_t place = bytes_u32(in);

	*ret_meter = NULL;
	if (where == IMAGE_OF_DOMAIN && place < image->made)
		*ret_meter = &image->at[place].domain->meter;
	else if (where == IMAGE_OF_OBJECT)
		*ret_meter = standing(image, place, KEY_METER);
	return *ret_meter || (where == IMAGE_OUTSIDE && place == IMAGE_NOWHERE);
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

static const struct kind *
get_kind(struct image *image, uint8_t *ret_number)
{
	uint32_t bytes;
	const uint8_t *name = bytes_text(&image->in, &bytes);

	*ret_number = KEY_VOID;
	return name ? kind_by_name(image->world, name, bytes, ret_number) : NULL;
}

/* --- grants ------------------------------------------------------------------------------ */

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
	struct grant_limits limits = {.uses = bytes_u64(in), .bytes = bytes_u64(in),
		.gas = bytes_u64(in), .rate = bytes_u64(in)};
	const uint64_t tokens = bytes_u64(in);
	struct key key = {.grant = GRANT_NONE};

	if (in->bad || object >= image->objects || alive > 1 || !grant_limits_fit(&limits) ||
		tokens > limits.rate)
		return image_bad_at(image, start, "a grant that cannot be");
	if (parent != IMAGE_NOWHERE && parent >= image->grants_made)
		return image_bad_at(image, start, "a grant before the one above it");
	if (parent != IMAGE_NOWHERE)
		above = image->grants_at[parent];
	else if (name_bytes && caps->grant_find)
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
	image->grants_of[image->grants_made++] = object;
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

static int
get_meter_body(struct image *image, struct meter *meter, uint32_t index)
{
	struct bytes_in *in = &image->in;
	const uint8_t *start = in->at;
	struct clock_gas *clock = &image->world->clock;
	struct meter *above;
	uint64_t left, used, reserve, rent;
	uint8_t flags;

	meter_init(meter, image->above->line ? image->above->line : &image->world->meter.line);
	meter->object = index;
	if (!get_meter(image, in, &above))
		return image_bad_at(image, start, "a line below one that is not there");
	flags = bytes_u8(in);
	left = bytes_u64(in);
	used = bytes_u64(in);
	reserve = bytes_u64(in);
	rent = bytes_u64(in);
	if (in->bad || flags > 3 || (flags & 1 && left) || left == GAS_NO_LIMIT || rent > METER_RENT_MAX)
		return image_bad_at(image, start, "a line that cannot be");
	if (above)
		line_move(&meter->line, &above->line);
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
	const uint8_t *start = in->at;
	const uint32_t above = bytes_u32(in);
	struct purse *superior = standing(image, above, KEY_PURSE);

	(void)bytes_u64(in);
	purse_init(purse, &image->world->mint, superior);
	purse->object = index;
	return above == IMAGE_NOWHERE || superior ? 0
					       : image_bad_at(image, start, "a purse below none");
}

static int
get_grant_body(struct image *image, uint32_t *grant, uint32_t place)
{
	*grant = GRANT_NONE;
	for (uint32_t i = 0; i < image->grants_made; i++)
		if (image->grants_of[i] == place) {
			*grant = image->grants_at[i];
			image->grants_of[i] = IMAGE_NOWHERE;
			return 0;
		}
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
		return get_grant_body(image, object->body, image->objects_made);
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
		return bytes == sizeof(uint32_t);
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

	(void)get_kind(image, &kind);
	borrowed = bytes_u8(&image->in);
	if (kind == KEY_VOID || borrowed > 1 || !get_bank(image, &image->in, &payer) || !payer)
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
		struct bank *bank = standing(image, i, KEY_BANK);

		if (bank)
			objects_turn(image->world, bank);
	}
	return error;
}

/* --- who waits for whom ------------------------------------------------------------------------ */

static bool
line_may_move(const struct domain *domain, const struct line *above)
{
	return !line_is_below(above, &domain->meter.line);
}

static bool
bank_may_move(const struct domain *domain, const struct bank *above)
{
	for (; above; above = above->superior)
		if (above == &domain->bank)
			return false;
	return true;
}

static int
get_place(struct image *image, struct bytes_in *in, struct domain *domain)
{
	struct meter *meter;
	struct bank *bank;
	const bool top = domain == image->at[0].domain;

	if (!get_meter(image, in, &meter) || !get_bank(image, in, &bank) || (top && (meter || bank)))
		return image_bad(image, "a line or bank below one that is not there");
	if (meter && !line_may_move(domain, &meter->line))
		return image_bad(image, "a line below itself");
	if (meter)
		line_move(&domain->meter.line, &meter->line);
	if (bank && !bank_may_move(domain, bank))
		return image_bad(image, "a bank below itself");
	if (bank && !bank_move(&domain->bank, bank)) {
		report_say(image->report, bytes_offset(&image->in),
			"image: a bank has no room for a domain that it paid for");
		return -ENOSPC;
	}
	return 0;
}

static int
get_gate(struct image *image, struct image_owner *owner)
{
	struct domain *domain = owner->domain;
	struct bytes_in *in = &owner->gate;
	struct domain *callee, *entering, *serving, *runner, *holder;
	uint32_t purse, grant;
	int error;

	domain->wait = bytes_u8(in);
	domain->calls = bytes_u32(in);
	if (!get_domain(image, in, &callee) || !get_domain(image, in, &entering) ||
		!get_domain(image, in, &serving) || !get_domain(image, in, &runner) ||
		!get_domain(image, in, &holder) || domain->wait >= WAIT_COUNT)
		return image_bad(image, "a domain that waits for none of this image");
	domain->word_in = bytes_u64(in);
	domain->meter.rent = bytes_u64(in);
	error = get_place(image, in, domain);
	if (error)
		return error;
	if (!get_meter(image, in, &domain->dry) || !get_meter(image, in, &domain->asks))
		return image_bad(image, "a domain that found a line dry that is not there");
	purse = bytes_u32(in);
	grant = bytes_u32(in);
	if (in->bad || (purse != IMAGE_NOWHERE && !standing(image, purse, KEY_PURSE)) ||
		(grant != IMAGE_NOWHERE && grant >= image->grants_made) ||
		domain->meter.rent > METER_RENT_MAX)
		return image_bad(image, "a domain with parts that are not there");
	if (purse != IMAGE_NOWHERE)
		domain_pay_with(domain, standing(image, purse, KEY_PURSE));
	domain->state = (enum domain_state)owner->state;
	domain->poll = owner->flags & IMAGE_POLL;
	domain->counted = owner->flags & IMAGE_COUNTED;
	domain->interrupted = owner->flags & IMAGE_INTERRUPTED;
	domain->meter.told = owner->flags & IMAGE_TOLD;
	domain->closed = owner->flags & IMAGE_CLOSED;
	if (runner) {
		if (runner->runs || runner == domain)
			return image_bad(image, "a domain that runs two, or itself");
		domain->runner = runner;
		runner->runs = domain;
	}
	if ((owner->flags & IMAGE_HELD) != (holder ? IMAGE_HELD : 0u))
		return image_bad(image, "a strand that is held by nobody");
	if (holder)
		tree_hold(holder, domain);
	if (serving) {
		if (serving->served)
			return image_bad(image, "a domain that is served twice");
		domain->serving = serving;
		serving->served = domain;
	}
	if (entering)
		domain->entering = entering;
	domain->callee = callee;
	if (domain->dry) {
		if (domain->dry->asked_by)
			return image_bad(image, "a line that two were told of");
		domain->dry->asked_by = domain;
	}
	if (domain->asks) {
		if (domain->asks->asker)
			return image_bad(image, "a line that two ask for");
		domain->asks->asker = domain;
	}
	if (grant != IMAGE_NOWHERE) {
		const uint32_t index = image->grants_at[grant];
		const struct key key = {.grant = index,
			.grant_generation = image->world->grants.at[index].generation};

		gate_wait_under(domain, &key);
	}
	return 0;
}

/* A run's end that is missing inside is outside: nobody runs it, or it runs
 * nobody. What its state says must be so. */
static const char *
gate_fault(const struct image_owner *owner)
{
	const struct domain *domain = owner->domain;
	const bool runs = domain->wait == WAIT_RUN || domain->wait == WAIT_INVOKE;
	const bool waits = domain->wait != WAIT_NOTHING;

	if (domain->state == DOMAIN_WAITING)
		return "a domain that waits for a device";
	if (domain->state == DOMAIN_CALLING && !waits)
		return "a domain that calls nobody";
	if (domain->runs && (domain->state != DOMAIN_CALLING || !runs))
		return "a domain that runs another and does not wait for it";
	if (domain->served && (domain->state != DOMAIN_CALLING || runs))
		return "a domain that is served and does not wait for it";
	if (waits && domain->state != DOMAIN_CALLING && domain->state != DOMAIN_QUEUED &&
		domain->state != DOMAIN_READY)
		return "a domain that waits and does not";
	if (domain->asks && domain->wait != WAIT_DRY)
		return "a domain that asks for a line and does not wait";
	if (domain->wait_grant != GRANT_NONE && domain->state != DOMAIN_CALLING)
		return "a domain that waits under a grant and does not wait";
	if (domain->entering && (domain->state != DOMAIN_AVAILABLE ||
					domain->entering->callee != domain ||
					domain->entering->state != DOMAIN_READY))
		return "a domain that lets in one that does not enter";
	if (domain->callee && domain->state != DOMAIN_QUEUED && domain->callee->entering != domain)
		return "a domain that wants in and does not wait";
	return NULL;
}

int
image_get_gates(struct image *image)
{
	const char *fault;

	for (uint32_t i = 0; i < image->made; i++) {
		const int error = get_gate(image, &image->at[i]);

		if (error)
			return error;
	}
	for (uint32_t i = 0; i < image->made; i++) {
		fault = gate_fault(&image->at[i]);
		if (fault)
			return image_bad(image, fault);
	}
	return 0;
}

/* --- keys ---------------------------------------------------------------------------------------- */

/* Said by its kind, and bound to what the world holds under that name. */
static int
get_said(struct image *image, struct domain *domain, const struct kind *kind, struct key *ret_key)
{
	uint32_t bytes;
	const uint8_t *said = bytes_text(&image->in, &bytes);
	struct bytes_in in;

	if (!said)
		return image_bad(image, "it ends too early");
	in = bytes_in(said, bytes);
	if (kind->image_bind && kind->image_bind(image->world, domain, &in, ret_key)) {
		if (in.bad || bytes_left(&in))
			return image_bad_at(image, said, "a key that says more or less than its kind does");
	} else if (in.bad) {
		return image_bad_at(image, said, "a key that says less than its kind does");
	} else {
		*ret_key = (struct key){0};
		image->holes++;
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
		object = object_made(image, place);
		if (!object || object->kind != kind)
			return image_bad_at(image, start, "a key to an object that is not there");
		*ret_key = object_key(image->world, image->objects_at[place], 0);
	}
	ret_key->rights = rights;
	return 0;
}

static int
get_attenuations(struct image *image, enum image_key by, struct key *ret_key)
{
	struct key key = *ret_key;
	const uint8_t flags = by == IMAGE_KEY_SAID ? 0 : bytes_u8(&image->in);
	const uint64_t badge = by == IMAGE_KEY_SAID ? 0 : bytes_u64(&image->in);
	const uint32_t grant = bytes_u32(&image->in);

	if (image->in.bad || (grant != IMAGE_NOWHERE && grant >= image->grants_made))
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
		key.grant = image->grants_at[grant];
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
	const struct kind *kind = get_kind(image, &number);
	const uint8_t by = bytes_u8(&image->in);
	int error;

	*ret_key = (struct key){0};
	if (!kind || number == KEY_VOID || image->in.bad)
		return image_bad_at(image, start, "a key of a kind that is not known here");
	if (by == IMAGE_KEY_SAID && kind->image_write)
		error = get_said(image, domain, kind, ret_key);
	else if ((by == IMAGE_KEY_DOMAIN || by == IMAGE_KEY_OBJECT) && !kind->image_write)
		error = get_placed(image, number, (enum image_key)by, ret_key);
	else
		error = image_bad_at(image, start, "a key named as its kind is not");
	return error ? error : get_attenuations(image, (enum image_key)by, ret_key);
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
	const struct object *object = object_made(image, place);
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

/* --- queues ------------------------------------------------------------------------------------------ */

static bool
may_queue(const struct domain *domain, const struct domain *callee)
{
	return callee ? domain->state == DOMAIN_QUEUED && domain->callee == callee
		      : domain->state == DOMAIN_PARKED;
}

static int
get_queue(struct image *image, struct queue *queue, const struct domain *callee)
{
	const uint32_t count = bytes_u32(&image->in);

	if (image->in.bad)
		return image_bad(image, "it ends too early");
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t place = bytes_u32(&image->in);
		struct domain *domain = place < image->made ? image->at[place].domain : NULL;

		if (image->in.bad || !domain || domain->queue || !may_queue(domain, callee))
			return image_bad(image, "a queue with a domain that is not in it");
		queue_add(queue, domain);
	}
	return 0;
}

static int
get_ready(struct image *image)
{
	const uint32_t count = bytes_u32(&image->in);

	if (image->in.bad || count != image->ready)
		return image_bad(image, "a ready queue that is not the ready domains");
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t place = bytes_u32(&image->in);
		struct domain *domain = place < image->made ? image->at[place].domain : NULL;

		if (image->in.bad || !domain || domain->queue || domain->state != DOMAIN_READY)
			return image_bad(image, "a ready queue that is not the ready domains");
		queue_add(&image->world->ready, domain);
	}
	return 0;
}

static int
check_queues(struct image *image)
{
	for (uint32_t i = 0; i < image->made; i++) {
		const struct domain *domain = image->at[i].domain;

		if (!domain->queue && (domain->state == DOMAIN_READY ||
					      domain->state == DOMAIN_PARKED ||
					      domain->state == DOMAIN_QUEUED))
			return image_bad(image, "a queue without a domain that is in it");
	}
	return 0;
}

int
image_get_queues(struct image *image)
{
	int error = get_ready(image);

	for (uint32_t i = 0; !error && i < image->made; i++) {
		struct domain *domain = image->at[i].domain;

		error = get_queue(image, &domain->callers, domain);
		if (!error)
			error = get_queue(image, &domain->meter.parked, NULL);
	}
	for (uint32_t i = 0; !error && i < image->objects_made; i++) {
		struct meter *meter = standing(image, i, KEY_METER);

		if (meter)
			error = get_queue(image, &meter->parked, NULL);
	}
	if (!error)
		error = check_queues(image);
	if (!error && bytes_left(&image->in))
		return image_bad(image, "bytes after the last queue");
	return error;
}

/* --- what is outside -------------------------------------------------------------------------------------- */

/* The original waits on for whoever is outside; the copy hears of it. */
void
image_settle(struct image *image)
{
	static const struct message nothing;

	for (uint32_t i = 0; i < image->made; i++) {
		struct domain *domain = image->at[i].domain;
		const bool answered = domain->answered || domain->runs;

		domain->answered = false;
		if (domain->state == DOMAIN_CALLING && !answered && !domain->interrupted)
			gate_answer(domain, GATE_FORKED, &nothing);
	}
	gate_settle(image->world);
}
