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

static struct module *
module_of_object(const struct image_out *out, uint32_t place)
{
	const struct caps *caps = out->world->config.caps;
	const struct object *object = object_at(out->world, out->objects[place]);

	return caps->object_module ? caps->object_module(object->kind, object->body) : NULL;
}

static int
collect(const struct image_out *out, struct modules *ret_modules)
{
	struct domain *top = out->top;
	struct modules modules = {
		.room = (count_instances(top) + out->objects_count) * sizeof *modules.at};

	modules.at = heap_take(&out->world->heap, modules.room);
	if (!modules.at)
		return -ENOMEM;
	for (struct domain *at = top; at; at = domain_walk(at, top))
		for (uint32_t i = 0; i < store_instances(at->store); i++)
			add(&modules, store_instance(at->store, i)->module);
	for (uint32_t i = 0; i < out->objects_count; i++) {
		struct module *module = module_of_object(out, i);

		if (module)
			add(&modules, module);
	}
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

/* --- domains ------------------------------------------------------------------------- */

static void
write_stop(const struct domain *domain, enum domain_state state, struct sink *sink)
{
	static const struct stop none;
	const struct stop *stop = state != DOMAIN_READY ? &domain->stop : &none;

	sink_u8(sink, (uint8_t)stop->reason);
	sink_u8(sink, (uint8_t)stop->trap);
	sink_u32(sink, stop->code);
	sink_u64(sink, stop->word);
	sink_u64(sink, stop->need);
}

static uint16_t
flags_of(const struct image_out *out, const struct domain *domain)
{
	return (uint16_t)((domain->stop_when_dry ? IMAGE_STOP_WHEN_DRY : 0) |
		(domain->has_entry ? IMAGE_HAS_ENTRY : 0) |
		(domain->entered ? IMAGE_ENTERED : 0) |
		(domain->meter.line.unlimited ? IMAGE_UNLIMITED : 0) |
		(domain->personality ? IMAGE_PERSONALITY : 0) |
		(domain->poll ? IMAGE_POLL : 0) |
		(image_domain(out, domain->leaf_of) != IMAGE_NOWHERE ? IMAGE_HELD : 0) |
		(domain->counted ? IMAGE_COUNTED : 0) |
		(domain->interrupted ? IMAGE_INTERRUPTED : 0) |
		(domain->meter.told ? IMAGE_TOLD : 0) | (domain->closed ? IMAGE_CLOSED : 0));
}

uint64_t
image_own(const struct domain *domain)
{
	const struct personality *personality = domain->personality
		? domain->world->config.caps->personality
		: NULL;

	return domain->bank.own -
		(personality && personality->opened ? personality->opened(domain) : 0);
}

static void
write_accounts(struct domain *domain, struct sink *sink)
{
	const struct clock_gas *clock = &domain->world->clock;
	const struct line *line = &domain->meter.line;

	sink_u64(sink, line->unlimited ? 0 : line_left(clock, line));
	sink_u64(sink, line_used(clock, line));
	sink_u64(sink, line->reserve);
	sink_u64(sink, line->rate);
	sink_u64(sink, domain->bank.limit);
	sink_u64(sink, image_own(domain));
	sink_u64(sink, bank_peak(&domain->bank));
	sink_u64(sink, domain->gas_guest);
	sink_u64(sink, domain->gas_host);
	sink_u64(sink, domain->slice_left);
	sink_u64(sink, domain->progress);
	sink_u64(sink, domain->charged);
}

/* Who waits for whom. */
static void
write_gate(struct image_out *out, const struct domain *domain)
{
	struct sink *sink = out->sink;

	sink_u8(sink, domain->wait);
	sink_u32(sink, domain->calls);
	sink_u32(sink, image_domain(out, domain->callee));
	sink_u32(sink, image_domain(out, domain->entering));
	sink_u32(sink, image_domain(out, domain->serving));
	sink_u32(sink, image_domain(out, domain->runner));
	sink_u32(sink, image_domain(out, domain->leaf_of));
	sink_u64(sink, domain->word_in);
	sink_u64(sink, domain->meter.rent);
	image_put_meter(out, domain == out->top ? NULL : meter_of(domain->meter.line.superior));
	image_put_bank(out, domain == out->top ? NULL : domain->bank.superior);
	image_put_meter(out, domain->dry);
	image_put_meter(out, domain->asks);
	image_put_purse(out, domain->purse);
	image_put_grant(out, domain->wait_grant);
}

static void
write_store(struct image_out *out, struct domain *domain)
{
	if (out->fork)
		sink_u64(out->sink, (uint64_t)(uintptr_t)domain->store);
	else
		store_write(domain->store, out->sink);
}

/* Who waits in a queue outside tries again in the copy. */
enum domain_state
image_state(const struct image_out *out, const struct domain *domain)
{
	if (domain->state == DOMAIN_QUEUED && image_domain(out, domain->callee) == IMAGE_NOWHERE)
		return DOMAIN_READY;
	if (domain->state == DOMAIN_PARKED && !image_has_meter(out, meter_with_parked(domain->queue)))
		return DOMAIN_READY;
	return domain->state;
}

static void
write_domain(struct image_out *out, struct domain *domain)
{
	struct sink *sink = out->sink;

	sink_u32(sink, domain == out->top ? IMAGE_NOWHERE : domain->parent->mark);
	sink_put(sink, domain->name, sizeof domain->name);
	sink_u16(sink, flags_of(out, domain));
	sink_u8(sink, (uint8_t)image_state(out, domain));
	write_stop(domain, image_state(out, domain), sink);
	write_accounts(domain, sink);
	sink_u32(sink, domain->instance);
	sink_u32(sink, domain->inits_begun);
	sink_u32(sink, domain->entry_func);
	sink_u32(sink, domain->entry_args_count);
	write_gate(out, domain);
	for (uint32_t i = 0; i < domain->entry_args_count; i++)
		sink_u64(sink, domain->entry_args[i]);
	write_store(out, domain);
}

/* --- the whole ----------------------------------------------------------------------- */

static void
write_header(const struct image_out *out, const struct modules *modules, uint32_t ready)
{
	struct sink *sink = out->sink;

	sink_put(sink, image_magic, sizeof image_magic);
	sink_u32(sink, IMAGE_VERSION);
	sink_u32(sink, out->thin ? IMAGE_THIN : 0);
	sink_u32(sink, PRICES_VERSION);
	sink_u32(sink, IMAGE_ENGINE_VERSION);
	sink_u64(sink, STACK_SLOTS_MAX);
	sink_u32(sink, TABLE_ENTRIES_MAX);
	sink_u32(sink, modules->count);
	sink_u32(sink, out->domains_count);
	sink_u32(sink, ready);
	sink_u32(sink, out->objects_count);
	sink_u32(sink, out->grants_count);
	sink_u64(sink, 0);
}

static int
count_domains(struct image_out *out)
{
	for (struct domain *at = out->top; at; at = domain_walk(at, out->top)) {
		if (at->state == DOMAIN_WAITING || at->completed)
			return -EBUSY;
		at->mark = out->domains_count++;
	}
	return 0;
}

static int
write_all(struct image_out *out)
{
	const struct caps *caps = out->world->config.caps;
	struct modules modules = {0};
	const int error = out->fork ? 0 : collect(out, &modules);
	uint32_t ready = 0;

	if (error)
		return error;
	if (caps && caps->image_begin)
		caps->image_begin(out->world);
	for (uint32_t i = 0; i < out->domains_count; i++)
		ready += image_state(out, out->domains[i]) == DOMAIN_READY;
	write_header(out, &modules, ready);
	write_modules(&modules, out->sink, out->thin);
	for (uint32_t i = 0; i < out->domains_count; i++)
		write_domain(out, out->domains[i]);
	image_put_grants(out);
	image_put_objects(out);
	image_put_links(out);
	image_put_queues(out);
	if (!out->fork)
		heap_give(&out->world->heap, modules.at, modules.room);
	return 0;
}

int
image_write(struct world *world, struct domain *domain, struct sink *to, bool thin)
{
	struct hash_sink hashed = {.sink = {.put = hash_put}, .to = to};
	struct image_out out = {
		.world = world, .top = domain, .sink = &hashed.sink, .thin = thin};
	uint8_t hash[IMAGE_HASH_BYTES];
	int error = count_domains(&out);

	if (!error)
		error = image_collect(&out);
	if (error)
		return error;
	blake2b_init(&hashed.hash);
	error = write_all(&out);
	image_collected_free(&out);
	if (error)
		return error;
	blake2b_end(&hashed.hash, hash);
	sink_put(&hashed.sink, hash, sizeof hash);
	return hashed.sink.failed;
}

/* What a fork is made from: nothing of it may leave the process. */
int
image_write_fork(struct world *world, struct domain *domain, struct sink *to)
{
	struct image_out out = {.world = world, .top = domain, .sink = to, .fork = true};
	int error = count_domains(&out);

	if (!error)
		error = image_collect(&out);
	if (error)
		return error;
	error = write_all(&out);
	image_collected_free(&out);
	return error ? error : to->failed;
}
