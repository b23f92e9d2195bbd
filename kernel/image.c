/* SPDX-License-Identifier: Apache-2.0 */
/* image.c - a tree of domains as bytes. Nothing of this machine is in them: no
 * pointer, no id, no slot code, no handle of the device; keys are names and
 * attenuations, which their kinds write. */
#include "kernel/image.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/prices.h"
#include "kernel/world_state.h"

struct hash_sink { /* hashes what goes on to `to` */
	struct sink sink; /* first */
	struct sink *to;
	struct blake2b hash;
};

static int
hash_put(struct sink *sink, const void *data, size_t bytes)
{
	struct hash_sink *hashed = (struct hash_sink *)sink;

	blake2b_add(&hashed->hash, data, bytes);
	sink_put(hashed->to, data, bytes);
	return hashed->to->failed;
}

/* A sink that only counts, for what needs its length before it. */
static int
count_put(struct sink *sink, const void *data, size_t bytes)
{
	(void)sink;
	(void)data;
	(void)bytes;
	return 0;
}

/* --- modules --------------------------------------------------------------------- */

struct modules {
	struct module **at;
	uint32_t count;
	uint64_t room;
};

static uint64_t
count_instances(struct domain *domain)
{
	uint64_t count = 0;

	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		count += store_instances(at->store);
	return count;
}

/* The place of this hash, or where it would have to be. */
static uint32_t
find(const struct modules *modules, const uint8_t hash[32], bool *ret_there)
{
	uint32_t low = 0, high = modules->count;

	*ret_there = false;
	while (low < high && !*ret_there) {
		const uint32_t middle = low + (high - low) / 2;
		const int order = memcmp(module_hash(modules->at[middle]), hash, 32);

		if (order < 0)
			low = middle + 1;
		else
			high = middle;
		*ret_there = order == 0;
	}
	return high < low ? low : high;
}

static void
add(struct modules *modules, struct module *module)
{
	bool there;
	const uint32_t place = find(modules, module_hash(module), &there);

	if (there)
		return;
	memmove(&modules->at[place + 1], &modules->at[place],
		(modules->count - place) * sizeof *modules->at);
	modules->at[place] = module;
	modules->count++;
}

static int
collect(struct world *world, struct domain *domain, struct modules *ret_modules)
{
	struct modules modules = {.room = count_instances(domain) * sizeof *modules.at};

	modules.at = heap_take(&world->heap, modules.room);
	if (!modules.at)
		return -ENOMEM;
	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		for (uint32_t i = 0; i < store_instances(at->store); i++)
			add(&modules, store_instance(at->store, i)->module);
	*ret_modules = modules;
	return 0;
}

static void
write_modules(const struct modules *modules, struct sink *sink, bool thin)
{
	for (uint32_t i = 0; i < modules->count; i++) {
		struct module *module = modules->at[i];

		sink_put(sink, module_hash(module), 32);
		sink_u64(sink, module->bytes_count);
		if (!thin)
			sink_put(sink, module->bytes, module->bytes_count);
	}
}

/* --- keys --------------------------------------------------------------------------- */

static const struct kind *
kind_of(const struct world *world, const struct key *key)
{
	const struct caps *caps = world->config.caps;

	return caps && key->kind < caps->kinds_count ? &caps->kinds[key->kind] : NULL;
}

/* Kind by name, then what the kind says of it, its length first. */
static void
write_key(struct world *world, const struct key *key, struct sink *sink)
{
	const struct kind *kind = kind_of(world, key);
	struct sink counted = {.put = count_put};

	sink_text(sink, kind ? kind->name : "", kind ? (uint32_t)strlen(kind->name) : 0);
	if (kind && kind->image_write)
		kind->image_write(world, key, &counted);
	sink_u32(sink, (uint32_t)counted.bytes);
	if (kind && kind->image_write)
		kind->image_write(world, key, sink);
}

static void
write_slots(struct domain *domain, struct sink *sink)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < domain->slots_count; i++)
		held += !key_is_void(&domain->slots[i]);
	sink_u32(sink, domain->slots_count);
	sink_u32(sink, held);
	for (uint32_t i = 0; i < domain->slots_count; i++) {
		if (key_is_void(&domain->slots[i]))
			continue;
		sink_u32(sink, i);
		write_key(domain->world, &domain->slots[i], sink);
	}
}

/* --- domains ------------------------------------------------------------------------- */

static void
write_personality(struct domain *domain, struct sink *sink)
{
	const struct personality *personality = domain->world->config.caps->personality;
	struct sink counted = {.put = count_put};

	personality->image_write(domain, &counted);
	sink_u64(sink, counted.bytes);
	personality->image_write(domain, sink);
}

static void
write_stop(const struct domain *domain, struct sink *sink)
{
	static const struct stop none;
	const struct stop *stop = domain->state == DOMAIN_STOPPED ? &domain->stop : &none;

	sink_u8(sink, (uint8_t)stop->reason);
	sink_u8(sink, (uint8_t)stop->trap);
	sink_u32(sink, stop->code);
	sink_u64(sink, stop->word);
	sink_u64(sink, stop->need);
}

static uint8_t
flags_of(const struct domain *domain)
{
	return (uint8_t)((domain->stop_when_dry ? IMAGE_STOP_WHEN_DRY : 0) |
		(domain->has_entry ? IMAGE_HAS_ENTRY : 0) |
		(domain->entered ? IMAGE_ENTERED : 0) |
		(domain->meter.line.unlimited ? IMAGE_UNLIMITED : 0) |
		(!key_is_void(&domain->keeper) ? IMAGE_KEEPER : 0) |
		(domain->personality ? IMAGE_PERSONALITY : 0));
}

static void
write_accounts(const struct domain *domain, struct sink *sink)
{
	const struct clock_gas *clock = &domain->world->clock;
	const struct line *line = &domain->meter.line;

	sink_u64(sink, line->unlimited ? 0 : line_left(clock, line));
	sink_u64(sink, line_used(clock, line));
	sink_u64(sink, line->reserve);
	sink_u64(sink, line->rate);
	sink_u64(sink, domain->bank.limit);
	sink_u64(sink, domain->bank.own);
	sink_u64(sink, domain->bank.peak);
	sink_u64(sink, domain->gas_guest);
	sink_u64(sink, domain->gas_host);
	sink_u64(sink, domain->slice_left);
	sink_u64(sink, domain->progress);
	sink_u64(sink, domain->charged);
}

static void
write_domain(struct domain *domain, uint32_t parent, struct sink *sink)
{
	sink_u32(sink, parent);
	sink_put(sink, domain->name, sizeof domain->name);
	sink_u8(sink, flags_of(domain));
	sink_u8(sink, (uint8_t)domain->state);
	write_stop(domain, sink);
	write_accounts(domain, sink);
	sink_u32(sink, domain->instance);
	sink_u32(sink, domain->inits_begun);
	sink_u32(sink, domain->entry_func);
	sink_u32(sink, domain->entry_args_count);
	for (uint32_t i = 0; i < domain->entry_args_count; i++)
		sink_u64(sink, domain->entry_args[i]);
	write_slots(domain, sink);
	if (!key_is_void(&domain->keeper))
		write_key(domain->world, &domain->keeper, sink);
	if (domain->personality)
		write_personality(domain, sink);
	store_write(domain->store, sink);
}

/* --- the whole ----------------------------------------------------------------------- */

static bool
is_below(const struct domain *domain, const struct domain *top)
{
	while (domain && domain != top)
		domain = domain->parent;
	return domain != NULL;
}

/* In the order of the world's queue: who is first goes on being first. */
static void
write_ready(struct world *world, struct domain *domain, struct sink *sink)
{
	for (struct domain *at = world->ready.head; at; at = at->queue_next)
		if (is_below(at, domain))
			sink_u32(sink, at->mark);
}

static void
write_header(const struct modules *modules, uint32_t domains, uint32_t ready, struct sink *sink,
	bool thin)
{
	sink_put(sink, image_magic, sizeof image_magic);
	sink_u32(sink, IMAGE_VERSION);
	sink_u32(sink, thin ? IMAGE_THIN : 0);
	sink_u32(sink, PRICES_VERSION);
	sink_u32(sink, IMAGE_ENGINE_VERSION);
	sink_u64(sink, STACK_SLOTS_MAX);
	sink_u32(sink, TABLE_ENTRIES_MAX);
	sink_u32(sink, modules->count);
	sink_u32(sink, domains);
	sink_u32(sink, ready);
	sink_u64(sink, 0);
	sink_u64(sink, 0);
}

int
image_write(struct world *world, struct domain *domain, struct sink *to, bool thin)
{
	struct hash_sink hashed = {.sink = {.put = hash_put}, .to = to};
	struct sink *sink = &hashed.sink;
	uint8_t hash[IMAGE_HASH_BYTES];
	uint32_t domains = 0, ready = 0;
	struct modules modules;
	int error;

	for (struct domain *at = domain; at; at = domain_walk(at, domain)) {
		if (at->state == DOMAIN_WAITING || at->completed)
			return -EBUSY;
		at->mark = domains++;
		ready += at->state == DOMAIN_READY;
	}
	error = collect(world, domain, &modules);
	if (error)
		return error;
	blake2b_init(&hashed.hash);
	write_header(&modules, domains, ready, sink, thin);
	write_modules(&modules, sink, thin);
	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		write_domain(at, at == domain ? IMAGE_NO_PARENT : at->parent->mark, sink);
	write_ready(world, domain, sink);
	heap_give(&world->heap, modules.at, modules.room);
	blake2b_end(&hashed.hash, hash);
	sink_put(sink, hash, sizeof hash);
	return sink->failed;
}
