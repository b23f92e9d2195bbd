/* SPDX-License-Identifier: Apache-2.0 */
/* image_tie.c - writing what ties an image together: objects, grants, keys, queues. */
#include <errno.h>
#include <string.h>

#include "kernel/image.h"

/* A sink that only counts, for what needs its length before it. */
static int
count_put(struct sink *sink, const void *data, size_t bytes)
{
	(void)sink;
	(void)data;
	(void)bytes;
	return 0;
}

/* --- what belongs to it --------------------------------------------------------- */

static void
list(struct image_out *out, const struct bank *bank)
{
	for (uint32_t i = bank->objects; i != OBJECT_NONE; i = object_at(out->world, i)->next) {
		object_at(out->world, i)->mark = out->objects_count;
		out->objects[out->objects_count++] = i;
	}
}

static bool
is_standing_bank(const struct object *object)
{
	return object->kind == KEY_BANK && !object->borrowed;
}

/* All that banks in it paid for: what its own banks did, and standing ones below. */
static uint64_t
count_below(const struct image_out *out)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < out->domains_count; i++) {
		const struct bank *root = &out->domains[i]->bank;

		for (const struct bank *bank = root; bank; bank = bank_walk_own(bank, root))
			for (uint32_t at = bank->objects; at != OBJECT_NONE;
				at = object_at(out->world, at)->next)
				count++;
	}
	return count;
}

/* The grant of an object; GRANT_NONE for one that is no grant key's. */
static uint32_t
grant_of(const struct image_out *out, uint32_t place)
{
	const struct object *object = object_at(out->world, out->objects[place]);

	return object->kind == KEY_GRANT ? ((const struct grant_body *)object->body)->grant
					 : GRANT_NONE;
}

static bool
is_placed(const struct image_out *out, uint32_t grant)
{
	const uint32_t mark = out->world->grants.at[grant].mark;

	return mark < out->grants_count && grant_of(out, out->grants[mark]) == grant;
}

/* By depth, so that a parent comes before those below it: counted, then placed. */
static int
list_grants(struct image_out *out)
{
	struct grants *grants = &out->world->grants;
	uint32_t deepest = 0, grant, *from;
	uint64_t room;

	for (uint32_t i = 0; i < out->objects_count; i++)
		if ((grant = grant_of(out, i)) != GRANT_NONE && grants->at[grant].depth > deepest)
			deepest = grants->at[grant].depth;
	room = (deepest + 2) * sizeof *from;
	from = heap_take(&out->world->heap, room);
	if (!from)
		return -ENOMEM;
	for (uint32_t i = 0; i < out->objects_count; i++)
		if ((grant = grant_of(out, i)) != GRANT_NONE)
			from[grants->at[grant].depth + 1]++;
	for (uint32_t depth = 1; depth <= deepest + 1; depth++)
		from[depth] += from[depth - 1];
	for (uint32_t i = 0; i < out->objects_count; i++) {
		if ((grant = grant_of(out, i)) == GRANT_NONE)
			continue;
		grants->at[grant].mark = from[grants->at[grant].depth]++;
		out->grants[grants->at[grant].mark] = i;
		out->grants_count++;
	}
	heap_give(&out->world->heap, from, room);
	return 0;
}

int
image_collect(struct image_out *out)
{
	struct heap *heap = &out->world->heap;
	uint64_t count;

	out->domains_room = out->domains_count * sizeof *out->domains;
	out->domains = heap_take(heap, out->domains_room);
	if (!out->domains)
		return -ENOMEM;
	for (struct domain *at = out->top; at; at = domain_walk(at, out->top))
		out->domains[at->mark] = at;
	count = count_below(out);
	out->objects_room = (count ? count : 1) * 2 * sizeof *out->objects;
	out->objects = heap_take(heap, out->objects_room);
	if (!out->objects) {
		image_collected_free(out);
		return -ENOMEM;
	}
	out->grants = out->objects + count;
	for (uint32_t i = 0; i < out->domains_count; i++)
		list(out, &out->domains[i]->bank);
	for (uint32_t i = 0; i < out->objects_count; i++)
		if (is_standing_bank(object_at(out->world, out->objects[i])))
			list(out, object_at(out->world, out->objects[i])->body);
	if (!list_grants(out))
		return 0;
	image_collected_free(out);
	return -ENOMEM;
}

void
image_collected_free(struct image_out *out)
{
	heap_give(&out->world->heap, out->domains, out->domains_room);
	heap_give(&out->world->heap, out->objects, out->objects_room);
}

/* --- names ------------------------------------------------------------------------- */

uint32_t
image_domain(const struct image_out *out, const struct domain *domain)
{
	return domain && domain->mark < out->domains_count && out->domains[domain->mark] == domain
		? domain->mark
		: IMAGE_NOWHERE;
}

static uint32_t
object_place(const struct image_out *out, uint32_t index)
{
	const struct object *object = object_at(out->world, index);

	return object && object->kind != KEY_VOID && object->mark < out->objects_count &&
			out->objects[object->mark] == index
		? object->mark
		: IMAGE_NOWHERE;
}

bool
image_has_meter(const struct image_out *out, const struct meter *meter)
{
	return (meter->owner ? image_domain(out, meter->owner)
			     : object_place(out, meter->object)) != IMAGE_NOWHERE;
}

static void
put_where(struct image_out *out, const struct domain *owner, uint32_t object)
{
	const uint32_t place = owner ? image_domain(out, owner) : object_place(out, object);

	sink_u8(out->sink, place == IMAGE_NOWHERE ? IMAGE_OUTSIDE
			   : owner             ? IMAGE_OF_DOMAIN
					       : IMAGE_OF_OBJECT);
	sink_u32(out->sink, place);
}

void
image_put_bank(struct image_out *out, const struct bank *bank)
{
	put_where(out, bank ? bank->owner : NULL, bank ? bank->object : OBJECT_NONE);
}

void
image_put_meter(struct image_out *out, const struct meter *meter)
{
	put_where(out, meter ? meter->owner : NULL, meter ? meter->object : OBJECT_NONE);
}

void
image_put_purse(struct image_out *out, const struct purse *purse)
{
	const uint32_t place = purse ? object_place(out, purse->object) : IMAGE_NOWHERE;

	sink_u32(out->sink, purse && place == IMAGE_NOWHERE ? IMAGE_PURSE_OUTSIDE : place);
}

/* The place of a grant in the image's list; none for a root's own, or an outside one. */
void
image_put_grant(struct image_out *out, uint32_t grant)
{
	if (grant == GRANT_NONE)
		sink_u32(out->sink, IMAGE_NOWHERE);
	else if (is_placed(out, grant))
		sink_u32(out->sink, out->world->grants.at[grant].mark);
	else
		sink_u32(out->sink, out->fork ? IMAGE_GRANT_OUTSIDE | grant : IMAGE_NOWHERE);
}

/* --- grants ---------------------------------------------------------------------------- */

static uint64_t
gas_left(const struct world *world, const struct grant *grant)
{
	if (grant->expires == UINT64_MAX)
		return UINT64_MAX;
	return grant->expires > world->clock.now ? grant->expires - world->clock.now : 0;
}

/* Above the topmost of the image there is a root grant, or nothing of it. */
static void
put_root(struct image_out *out, uint32_t grant)
{
	const struct caps *caps = out->world->config.caps;
	const char *name = grant != GRANT_NONE && caps->grant_name
		? caps->grant_name(out->world, out->world->grants.at[grant].root)
		: NULL;

	sink_text(out->sink, name ? name : "", name ? (uint32_t)strlen(name) : 0);
}

void
image_put_grants(struct image_out *out)
{
	for (uint32_t i = 0; i < out->grants_count; i++) {
		const uint32_t index = grant_of(out, out->grants[i]);
		const struct grant *grant = &out->world->grants.at[index];
		const bool alive = grant_alive(&out->world->grants, index, grant->generation);

		sink_u32(out->sink, out->grants[i]);
		image_put_grant(out, grant->parent);
		put_root(out, grant->parent);
		sink_u8(out->sink, alive);
		sink_u64(out->sink, grant->uses_left);
		sink_u64(out->sink, grant->bytes_left);
		sink_u64(out->sink, gas_left(out->world, grant));
		sink_u64(out->sink, grant->rate);
		sink_u64(out->sink, grant->tokens);
	}
}

/* --- objects ------------------------------------------------------------------------------ */

static void
put_meter_body(struct image_out *out, const struct meter *meter)
{
	const struct clock_gas *clock = &out->world->clock;

	image_put_meter(out, meter_of(meter->line.superior));
	sink_u8(out->sink, (uint8_t)(meter->line.unlimited | meter->told << 1));
	sink_u64(out->sink, meter->line.unlimited ? 0 : line_left(clock, &meter->line));
	sink_u64(out->sink, line_used(clock, &meter->line));
	sink_u64(out->sink, meter->line.reserve);
	sink_u64(out->sink, meter->rent);
}

static void
put_bank_body(struct image_out *out, struct bank *bank)
{
	sink_u64(out->sink, bank->limit);
	sink_u64(out->sink, bank->own);
	sink_u64(out->sink, bank_peak(bank));
}

static void
put_purse_body(struct image_out *out, const struct purse *purse)
{
	image_put_purse(out, purse->superior);
	sink_u64(out->sink, purse->balance);
}

/* What is made first: plain data, and what of the kernel's own is named. */
static void
put_body(struct image_out *out, const struct object *object)
{
	const struct caps *caps = out->world->config.caps;
	struct sink counted = {.put = count_put};

	if (object->borrowed)
		return;
	if (object->kind == KEY_METER)
		put_meter_body(out, object->body);
	else if (object->kind == KEY_BANK)
		put_bank_body(out, object->body);
	else if (object->kind == KEY_PURSE)
		put_purse_body(out, object->body);
	else if (object->kind != KEY_GRANT && caps->object_write) {
		caps->object_write(out->world, object->kind, object->body, &counted);
		sink_u64(out->sink, counted.bytes);
		caps->object_write(out->world, object->kind, object->body, out->sink);
	}
}

void
image_put_objects(struct image_out *out)
{
	for (uint32_t i = 0; i < out->objects_count; i++) {
		const struct object *object = object_at(out->world, out->objects[i]);
		const char *name = out->world->config.caps->kinds[object->kind].name;

		sink_text(out->sink, name, (uint32_t)strlen(name));
		sink_u8(out->sink, object->borrowed);
		image_put_bank(out, object->payer);
		sink_u64(out->sink, object->bytes);
		put_body(out, object);
	}
}

/* --- keys ------------------------------------------------------------------------------------ */

static enum image_key
named_by(const struct world *world, const struct key *key)
{
	switch (key->kind) {
	case KEY_START:
	case KEY_RESUME:
	case KEY_DOMAIN:
	case KEY_VIEW:
		return IMAGE_KEY_DOMAIN;
	default:
		return world->config.caps->kinds[key->kind].image_write ? IMAGE_KEY_SAID
									: IMAGE_KEY_OBJECT;
	}
}

static uint32_t
place_of(struct image_out *out, const struct key *key, enum image_key by)
{
	const struct domain *domain;

	if (by == IMAGE_KEY_OBJECT)
		return object_of(out->world, key) ? object_place(out, key->object) : IMAGE_NOWHERE;
	domain = domain_of(out->world, key);
	if (key->kind == KEY_RESUME && !resume_caller(out->world, key))
		domain = NULL;
	return image_domain(out, domain);
}

/* Does a copy share what the key names with the original? What lies inside is copied;
 * what is no more stays so. */
static bool
is_shared(struct image_out *out, const struct key *key, enum image_key by)
{
	const struct kind *kind = &out->world->config.caps->kinds[key->kind];

	return out->fork && kind->fork == FORK_SHARE && by != IMAGE_KEY_SAID &&
		place_of(out, key, by) == IMAGE_NOWHERE;
}

/* Kind by name, how it is named, that, and what was narrowed since. */
static void
put_key(struct image_out *out, const struct key *key, bool gone)
{
	const struct kind *kind = &out->world->config.caps->kinds[key->kind];
	const enum image_key named = named_by(out->world, key);
	const enum image_key by = is_shared(out, key, named) ? IMAGE_KEY_SHARED : named;
	struct sink counted = {.put = count_put};

	sink_text(out->sink, kind->name, (uint32_t)strlen(kind->name));
	sink_u8(out->sink, (uint8_t)(gone ? IMAGE_KEY_GONE : by));
	if (gone)
		return;
	if (by == IMAGE_KEY_SAID) {
		kind->image_write(out->world, key, &counted);
		sink_u32(out->sink, (uint32_t)counted.bytes);
		kind->image_write(out->world, key, out->sink);
	} else {
		sink_u32(out->sink, by == IMAGE_KEY_SHARED ? key->object : place_of(out, key, by));
		if (by == IMAGE_KEY_SHARED)
			sink_u32(out->sink, key->generation);
		sink_u32(out->sink, key->rights);
		sink_u8(out->sink, key->flags);
		sink_u64(out->sink, key->badge);
	}
	image_put_grant(out, key->grant);
}

static bool
is_the_hosts(const struct image_out *out, uint32_t grant)
{
	const struct caps *caps = out->world->config.caps;

	return out->world->grants.at[grant].parent == GRANT_NONE && caps->grant_name &&
		caps->grant_name(out->world, grant);
}

/* Under a grant that ended (its index may be another's by now), or one outside of
 * the image that was cut: without it the key would live again. Of what the host
 * gave whoever restores decides. */
static bool
is_gone(struct image_out *out, const struct key *key)
{
	struct grants *grants = &out->world->grants;

	if (key_is_void(key))
		return true;
	if (key->grant == GRANT_NONE)
		return false;
	if (grants->at[key->grant].generation != key->grant_generation)
		return true;
	return !is_placed(out, key->grant) && !is_the_hosts(out, key->grant) &&
		!grant_alive(grants, key->grant, key->grant_generation);
}

/* Is there anything to say? Of one of the host's that is gone: that it was there. */
static bool
is_put(struct image_out *out, const struct key *key)
{
	return !key_is_void(key) &&
		(named_by(out->world, key) == IMAGE_KEY_SAID || !is_gone(out, key));
}

static void
put_slots(struct image_out *out, const struct key *keys, uint32_t count)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < count; i++)
		held += is_put(out, &keys[i]);
	sink_u32(out->sink, count);
	sink_u32(out->sink, held);
	for (uint32_t i = 0; i < count; i++) {
		if (!is_put(out, &keys[i]))
			continue;
		sink_u32(out->sink, i);
		put_key(out, &keys[i], is_gone(out, &keys[i]));
	}
}

static void
put_personality(struct image_out *out, struct domain *domain)
{
	const struct personality *personality = out->world->config.caps->personality;
	struct sink counted = {.put = count_put};

	personality->image_write(domain, &counted);
	sink_u64(out->sink, counted.bytes);
	personality->image_write(domain, out->sink);
}

/* The keys in an object's body. */
static void
put_object_keys(struct image_out *out, const struct object *object)
{
	const struct caps *caps = out->world->config.caps;
	uint32_t count = 0;
	const struct key *keys = NULL;

	if (object->borrowed)
		return;
	if (object->kind == KEY_METER) {
		keys = &((const struct meter *)object->body)->keeper;
		count = 1;
	} else if (caps->object_keys) {
		keys = caps->object_keys(object->kind, object->body, &count);
	}
	put_slots(out, keys, count);
}

void
image_put_links(struct image_out *out)
{
	for (uint32_t i = 0; i < out->domains_count; i++) {
		struct domain *domain = out->domains[i];

		put_slots(out, domain->slots, domain->slots_count);
		put_slots(out, &domain->keeper, 1);
		put_slots(out, &domain->meter.keeper, 1);
		if (domain->personality)
			put_personality(out, domain);
	}
	for (uint32_t i = 0; i < out->objects_count; i++)
		put_object_keys(out, object_at(out->world, out->objects[i]));
}

/* --- queues ------------------------------------------------------------------------------------ */

/* Those of the image in it, in order; their number first. */
static void
put_queue(struct image_out *out, const struct queue *queue)
{
	uint32_t count = 0;

	for (const struct domain *at = queue->head; at; at = at->queue_next)
		count += image_domain(out, at) != IMAGE_NOWHERE;
	sink_u32(out->sink, count);
	for (const struct domain *at = queue->head; at; at = at->queue_next)
		if (image_domain(out, at) != IMAGE_NOWHERE)
			sink_u32(out->sink, at->mark);
}

/* The ready ones in the order of the world, then those that wait outside. */
static void
put_ready(struct image_out *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < out->domains_count; i++)
		count += image_state(out, out->domains[i]) == DOMAIN_READY;
	sink_u32(out->sink, count);
	for (const struct domain *at = out->world->ready.head; at; at = at->queue_next)
		if (image_domain(out, at) != IMAGE_NOWHERE)
			sink_u32(out->sink, at->mark);
	for (const struct domain *at = out->world->paused.head; at; at = at->queue_next)
		if (image_domain(out, at) != IMAGE_NOWHERE)
			sink_u32(out->sink, at->mark);
	for (uint32_t i = 0; i < out->domains_count; i++)
		if (out->domains[i]->state != DOMAIN_READY &&
			image_state(out, out->domains[i]) == DOMAIN_READY)
			sink_u32(out->sink, i);
}

void
image_put_queues(struct image_out *out)
{
	put_ready(out);
	for (uint32_t i = 0; i < out->domains_count; i++) {
		put_queue(out, &out->domains[i]->callers);
		put_queue(out, &out->domains[i]->meter.parked);
	}
	for (uint32_t i = 0; i < out->objects_count; i++) {
		const struct object *object = object_at(out->world, out->objects[i]);

		if (object->kind == KEY_METER && !object->borrowed)
			put_queue(out, &((const struct meter *)object->body)->parked);
	}
}
