/* SPDX-License-Identifier: Apache-2.0 */
/* image_read.c - bytes to a tree of domains, or an error that says where.
 *
 * The hash is checked first, so a damaged file is told as such. It keeps
 * nobody out who wants in: everything behind it is read as if it were hostile.
 * A count is bounded by the bytes left before anything is made of it; what two
 * places say must agree; what has one spelling is refused in another. */
#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/image.h"
#include "kernel/prices.h"

static struct image *
image_of(struct store_reader *reader)
{
	return (struct image *)(void *)((uint8_t *)reader - offsetof(struct image, reader));
}

/* --- saying what is wrong ---------------------------------------------------------- */

int
image_bad_at(struct image *image, const uint8_t *at, const char *what)
{
	report_say(image->report, (uint64_t)(at - image->in.base), "image: %s", what);
	return -EINVAL;
}

int
image_bad(struct image *image, const char *what)
{
	return image_bad_at(image, image->in.at, image->in.bad ? "it ends too early" : what);
}

/* A count of things that take at least `least` bytes each. */
static bool
count_fits(struct image *image, uint64_t count, uint64_t least)
{
	return !image->in.bad && count <= bytes_left(&image->in) / least;
}

/* --- header ------------------------------------------------------------------------- */

static int
read_versions(struct image *image)
{
	struct bytes_in *in = &image->in;
	const uint32_t version = bytes_u32(in), flags = bytes_u32(in), prices = bytes_u32(in),
		       engine = bytes_u32(in);
	const uint64_t slots = bytes_u64(in);
	const uint32_t entries = bytes_u32(in);

	if (version != IMAGE_VERSION) {
		report_say(image->report, 8, "image: version %u; this program reads version %d",
			version, IMAGE_VERSION);
		return -EINVAL;
	}
	if (flags & ~(uint32_t)IMAGE_THIN)
		return image_bad_at(image, in->base + 12, "unknown flags");
	if (prices != PRICES_VERSION || engine != IMAGE_ENGINE_VERSION) {
		report_say(image->report, 16,
			"image: price list %u.%u; this program has %d.%d, so gas would differ", prices,
			engine, PRICES_VERSION, IMAGE_ENGINE_VERSION);
		return -EINVAL;
	}
	if (slots != STACK_SLOTS_MAX || entries != TABLE_ENTRIES_MAX)
		return image_bad_at(image, in->base + 24, "made under other limits");
	image->thin = flags & IMAGE_THIN;
	return 0;
}

static int
read_counts(struct image *image)
{
	const uint8_t *bytes = image->in.base;
	int error;

	(void)bytes_take(&image->in, sizeof image_magic);
	error = read_versions(image);
	if (error)
		return error;
	image->modules = bytes_u32(&image->in);
	image->domains = bytes_u32(&image->in);
	image->ready = bytes_u32(&image->in);
	image->objects = bytes_u32(&image->in);
	image->grants = bytes_u32(&image->in);
	if (bytes_u64(&image->in))
		return image_bad_at(image, bytes + 56, "a reserved field is not zero");
	if (!count_fits(image, image->objects, IMAGE_OBJECT_MIN) ||
		!count_fits(image, image->grants, IMAGE_GRANT_MIN))
		return image_bad_at(image, bytes + 48, "more objects or grants than it has bytes for");
	if (!image->domains || !count_fits(image, image->domains, IMAGE_DOMAIN_MIN))
		return image_bad_at(image, bytes + 40, "more domains than it has bytes for, or none");
	if (!count_fits(image, image->modules, IMAGE_MODULE_MIN) || image->ready > image->domains)
		return image_bad_at(image, bytes + 36, "counts that cannot be");
	return 0;
}

static int
read_header(struct image *image, const uint8_t *bytes, size_t count)
{
	uint8_t hash[IMAGE_HASH_BYTES];

	if (count < sizeof image_magic || memcmp(bytes, image_magic, sizeof image_magic))
		return image_bad_at(image, bytes, "not an image: it does not begin with one's header");
	if (count < IMAGE_HEADER_BYTES + IMAGE_HASH_BYTES)
		return image_bad_at(image, bytes + count, "it ends too early");
	blake2b_256(bytes, count - IMAGE_HASH_BYTES, hash);
	if (memcmp(hash, bytes + count - IMAGE_HASH_BYTES, IMAGE_HASH_BYTES))
		return image_bad_at(image, bytes + count - IMAGE_HASH_BYTES,
			"damaged or cut short: the hash at its end is not that of the rest");
	image->in = bytes_in(bytes, count - IMAGE_HASH_BYTES);
	return read_counts(image);
}

/* --- modules ------------------------------------------------------------------------- */

static int
load_module(struct image *image, const uint8_t *hash, const uint8_t *bytes, uint64_t count)
{
	struct module *module;
	int error;

	if (world_module_by_hash(image->world, hash))
		return 0;
	if (!bytes) {
		report_say(image->report, (uint64_t)(hash - image->in.base),
			"image: it is thin, and the module %02x%02x%02x%02x... is not at hand", hash[0],
			hash[1], hash[2], hash[3]);
		return -ENOENT;
	}
	error = image->copied
		? world_module_copy(image->world, bytes, count, image->report, &module)
		: world_module(image->world, bytes, (size_t)count, image->report, &module);
	if (error)
		return error;
	if (image->copied) /* by its domains, when they are made */
		world_module_drop(image->world, module);
	return memcmp(module_hash(module), hash, 32)
		? image_bad_at(image, hash, "a module that has another hash than it says")
		: 0;
}

static int
read_modules(struct image *image)
{
	const uint8_t *before = NULL;

	for (uint32_t i = 0; i < image->modules; i++) {
		const uint8_t *hash = bytes_take(&image->in, 32), *bytes = NULL;
		const uint64_t count = bytes_u64(&image->in);
		int error;

		if (!image->thin)
			bytes = bytes_take(&image->in, count);
		if (image->in.bad)
			return image_bad(image, "it ends too early");
		if (before && memcmp(before, hash, 32) >= 0)
			return image_bad_at(image, hash, "modules out of order");
		before = hash;
		error = load_module(image, hash, bytes, count);
		if (error)
			return error;
	}
	return 0;
}

/* --- one domain ------------------------------------------------------------------------- */

struct record { /* the fixed part */
	const uint8_t *start;
	uint32_t parent;
	char name[DOMAIN_NAME_BYTES];
	uint16_t flags;
	uint8_t state;
	struct stop stop;
	uint64_t left, used, reserve, rate;
	uint64_t limit, own, peak;
	uint64_t gas_guest, gas_host, slice_left, progress, charged;
	uint32_t instance, inits_begun, entry_func, entry_args_count;
};

static void
take_record(struct bytes_in *in, struct record *record)
{
	const uint8_t *name;

	record->start = in->at;
	record->parent = bytes_u32(in);
	name = bytes_take(in, sizeof record->name);
	if (name)
		memcpy(record->name, name, sizeof record->name);
	record->flags = bytes_u16(in);
	record->state = bytes_u8(in);
	record->stop.reason = (enum stop_reason)bytes_u8(in);
	record->stop.trap = (enum trap)bytes_u8(in);
	record->stop.code = bytes_u32(in);
	record->stop.word = bytes_u64(in);
	record->stop.need = bytes_u64(in);
	record->left = bytes_u64(in);
	record->used = bytes_u64(in);
	record->reserve = bytes_u64(in);
	record->rate = bytes_u64(in);
	record->limit = bytes_u64(in);
	record->own = bytes_u64(in);
	record->peak = bytes_u64(in);
	record->gas_guest = bytes_u64(in);
	record->gas_host = bytes_u64(in);
	record->slice_left = bytes_u64(in);
	record->progress = bytes_u64(in);
	record->charged = bytes_u64(in);
	record->instance = bytes_u32(in);
	record->inits_begun = bytes_u32(in);
	record->entry_func = bytes_u32(in);
	record->entry_args_count = bytes_u32(in);
}

static bool
name_is_one(const char name[DOMAIN_NAME_BYTES])
{
	const size_t bytes = strnlen(name, DOMAIN_NAME_BYTES);

	for (size_t i = bytes; i < DOMAIN_NAME_BYTES; i++)
		if (name[i])
			return false;
	return bytes < DOMAIN_NAME_BYTES;
}

/* What a stop of this reason says, and nothing else. */
static bool
stop_is_one(const struct record *record)
{
	const struct stop *stop = &record->stop;
	const bool needs = stop->reason == STOP_OUT_OF_GAS || stop->reason == STOP_OUT_OF_STORAGE;

	if (record->state == DOMAIN_READY)
		return stop->reason == STOP_NONE && !stop->trap && !stop->code && !stop->word &&
			!stop->need;
	if (record->state != DOMAIN_STOPPED) /* what it asked a keeper about */
		return record->state < DOMAIN_STATE_COUNT && stop->reason < STOP_COUNT &&
			stop->trap < TRAP_COUNT;
	return stop->reason < STOP_COUNT && stop->trap < TRAP_COUNT &&
		(stop->trap != TRAP_NONE) == (stop->reason == STOP_TRAP) &&
		(!stop->code || stop->reason == STOP_RETURNED) &&
		(!stop->word || stop->reason == STOP_YIELDED) && (!stop->need || needs);
}

static const char *
accounts_fault(const struct record *record)
{
	uint64_t used;

	if (!record->rate || record->rate > UINT32_MAX)
		return "a line with a rate that cannot be";
	if (record->flags & IMAGE_UNLIMITED && record->left)
		return "a line without a limit that has something left of it";
	if (!add_fits(&used, record->gas_guest, record->gas_host) || used > record->used)
		return "a domain that used more than its line lost";
	if (record->charged > record->gas_host)
		return "a call that was charged more than its domain";
	if (record->own > record->peak || record->own > record->limit)
		return "a bank that holds more than its limit or its peak";
	return NULL;
}

static const char *
record_fault(const struct image *image, const struct record *record)
{
	if (record->flags & ~IMAGE_DOMAIN_FLAGS)
		return "unknown flags of a domain";
	if (!name_is_one(record->name))
		return "a name that does not end";
	if (!stop_is_one(record))
		return "a state that no domain can be in";
	if (image->made ? record->parent >= image->made : record->parent != IMAGE_NOWHERE)
		return "a domain that is not below one before it";
	if (!(record->flags & IMAGE_HAS_ENTRY) && (record->entry_func || record->entry_args_count))
		return "an entry that is not there";
	if (record->entry_args_count > PARAMS_MAX)
		return "an entry with too many arguments";
	return accounts_fault(record);
}

/* Canonical order is a walk: the parent is the domain before, or above it. */
static bool
is_in_order(const struct image *image, const struct record *record)
{
	const struct domain *at;

	if (!image->made)
		return true;
	at = image->at[image->made - 1].domain;
	while (at && at != image->at[record->parent].domain)
		at = at == image->at[0].domain ? NULL : at->parent;
	return at != NULL;
}

static int
read_entry(struct image *image, struct domain *domain, const struct record *record)
{
	uint64_t args[PARAMS_MAX];
	int error;

	for (uint32_t i = 0; i < record->entry_args_count; i++)
		args[i] = bytes_u64(&image->in);
	if (image->in.bad)
		return image_bad(image, "it ends too early");
	if (!(record->flags & IMAGE_HAS_ENTRY))
		return 0;
	error = domain_set_entry(domain, record->entry_func, args, record->entry_args_count);
	if (error)
		report_say(image->report, bytes_offset(&image->in), "image: %s for an entry",
			error == -ENOSPC ? "the bank has no room" : "no memory");
	return error;
}

/* In a fork the store itself, to be copied; else its bytes. */
static int
read_store(struct image *image, struct domain *domain)
{
	const struct store_config config = domain_store_config(domain);
	struct store *from, *copy;
	int error;

	if (!image->fork)
		return store_read(domain->store, &image->in, &image->reader, image->report);
	from = (struct store *)(uintptr_t)bytes_u64(&image->in);
	error = store_clone(from, &config, &copy);
	if (error) {
		report_say(image->report, UINT64_MAX, "fork: %s for a copy",
			error == -ENOSPC ? "the bank has no room" : "no memory");
		return error;
	}
	domain->store = copy;
	return 0;
}

/* What the record says of the store, against the store. */
static const char *
store_fault(struct domain *domain, const struct record *record)
{
	struct store *store = domain->store;
	const uint32_t instances = store_instances(store);
	const struct module *module;
	enum trap trap = TRAP_NONE;

	if (record->instance >= instances || record->inits_begun > instances)
		return "a domain whose program is not there";
	module = store_instance(store, record->instance)->module;
	if (record->flags & IMAGE_HAS_ENTRY &&
		(record->entry_func >= module->func_imports + module->funcs_count ||
			module_functype(module, record->entry_func)->params !=
				record->entry_args_count))
		return "an entry that its program has not";
	if (!store_trapped(store, &trap))
		trap = TRAP_NONE;
	if (record->state == DOMAIN_STOPPED && trap != record->stop.trap)
		return "a trap in the domain and none in its store, or the other way";
	if (record->state == DOMAIN_STOPPED && record->stop.reason == STOP_RETURNED &&
		!store_idle(store))
		return "a domain that returned and has not";
	if (record->inits_begun == 0 && !store_idle(store))
		return "a domain that runs before it began";
	return NULL;
}

static int
pay_modules(struct image *image, struct domain *domain)
{
	for (uint32_t i = 0; i < store_instances(domain->store); i++) {
		const struct module *module = store_instance(domain->store, i)->module;

		if (bank_take(&domain->bank, domain_module_cost(module)))
			continue;
		report_say(image->report, bytes_offset(&image->in),
			"image: the bank has no room for the modules of a domain");
		return -ENOSPC;
	}
	return 0;
}

static int
set_accounts(struct image *image, struct domain *domain, const struct record *record)
{
	struct clock_gas *clock = &image->world->clock;

	line_limit(clock, &domain->meter.line,
		record->flags & IMAGE_UNLIMITED ? GAS_NO_LIMIT : record->left);
	if (!(record->flags & IMAGE_UNLIMITED) && record->left == GAS_NO_LIMIT)
		return image_bad_at(image, record->start, "a line with more left than any limit");
	line_reserve(clock, &domain->meter.line, record->reserve);
	line_rate(clock, &domain->meter.line, record->rate);
	domain->meter.line.used = record->used;
	domain->gas_guest = record->gas_guest;
	domain->gas_host = record->gas_host;
	domain->slice_left = record->slice_left;
	domain->progress = record->progress;
	domain->charged = record->charged;
	return 0;
}

/* The part of the record that is read when all are made. */
enum { GATE_BYTES = 1 + 4 + 5 * 4 + 8 + 8 + 4 * 5 + 4 + 4 };

static int
read_domain(struct image *image)
{
	struct domain_above above = *image->above;
	struct record record = {0};
	struct image_owner *owner = &image->at[image->made];
	const uint8_t *gate;
	const char *fault;
	int error;

	take_record(&image->in, &record);
	gate = bytes_take(&image->in, GATE_BYTES);
	if (image->in.bad)
		return image_bad(image, "it ends too early");
	fault = record_fault(image, &record);
	if (!fault && !is_in_order(image, &record))
		fault = "a domain out of order";
	if (fault)
		return image_bad_at(image, record.start, fault);
	if (image->made)
		above.parent = image->at[record.parent].domain;
	above.storeless = image->fork;
	error = domain_make(image->world, &above, record.name, record.limit,
		record.flags & IMAGE_STOP_WHEN_DRY, image->report, &owner->domain);
	if (error)
		return error;
	image->made++;
	owner->gate = bytes_in(gate, GATE_BYTES);
	owner->own = record.own;
	owner->peak = record.peak;
	owner->flags = record.flags;
	owner->state = record.state;
	error = read_entry(image, owner->domain, &record);
	if (!error)
		error = read_store(image, owner->domain);
	fault = error ? NULL : store_fault(owner->domain, &record);
	if (fault)
		error = image_bad_at(image, record.start, fault);
	if (!error) {
		domain_hold_modules(owner->domain);
		error = pay_modules(image, owner->domain);
	}
	if (error)
		return error;
	owner->domain->instance = record.instance;
	owner->domain->inits_begun = record.inits_begun;
	owner->domain->entered = record.flags & IMAGE_ENTERED;
	owner->domain->stop = record.stop;
	return set_accounts(image, owner->domain, &record);
}

/* --- the whole ----------------------------------------------------------------------------- */

/* IMAGE2. */
static int
check_banks(struct image *image)
{
	for (uint32_t i = 0; i < image->made; i++) {
		const struct image_owner *owner = &image->at[i];
		const uint64_t own = image_own(owner->domain);
		struct bank *bank = &owner->domain->bank;

		if (own != owner->own) {
			report_say(image->report, UINT64_MAX,
				"image: a domain that says it holds %llu bytes and holds %llu",
				(unsigned long long)owner->own, (unsigned long long)own);
			return -EINVAL;
		}
		bank->peak = max_u64(owner->peak, bank_used(bank));
	}
	return 0;
}

static struct module *
module_of(struct store_reader *reader, const uint8_t hash[32])
{
	return world_module_by_hash(image_of(reader)->world, hash);
}

static bool
host_of(struct store_reader *reader, const struct import *import, const struct functype *type,
	uint32_t *ret_host)
{
	bool other;

	*ret_host = store_intrinsic(import, type)
		? 0
		: world_import(image_of(reader)->world, import, type, &other);
	return true;
}

static int
read_all(struct image *image)
{
	int error = image->fork ? 0 : read_modules(image);

	for (uint32_t i = 0; !error && i < image->domains; i++)
		error = read_domain(image);
	if (!error)
		error = image_get_grants(image);
	if (!error)
		error = image_get_objects(image);
	if (!error)
		error = image_get_gates(image);
	if (!error)
		error = image_get_links(image);
	if (!error)
		error = image_get_queues(image);
	return error ? error : check_banks(image);
}

static int
take_tables(struct image *image, uint8_t **ret_tables, uint64_t *ret_room)
{
	const uint64_t owners = image->domains * sizeof *image->at;
	const uint64_t words = 3 * (uint64_t)image->objects + 2 * (uint64_t)image->grants;
	uint8_t *tables;

	*ret_room = owners + words * sizeof(uint32_t);
	tables = heap_take(&image->world->heap, *ret_room);
	if (!tables) {
		report_say(image->report, 40, "image: no memory for %u domains", image->domains);
		return -ENOMEM;
	}
	*ret_tables = tables;
	image->at = (struct image_owner *)(void *)tables;
	image->above_at = (struct image_place *)(void *)(tables + owners);
	image->objects_at = (uint32_t *)(void *)(image->above_at + image->objects);
	image->grants_at = image->objects_at + image->objects;
	image->grants_of = image->grants_at + image->grants;
	return 0;
}

static int
read_image(struct image *image, struct domain **ret_domain)
{
	uint8_t *tables;
	uint64_t room;
	const struct caps *caps = image->world->config.caps;
	int error = take_tables(image, &tables, &room);

	if (error)
		return error;
	if (caps && caps->image_begin)
		caps->image_begin(image->world);
	error = read_all(image);
	if (error && image->made)
		domain_end(image->at[0].domain);
	image_drop_grants(image);
	if (!error) {
		image_settle(image);
		*ret_domain = image->at[0].domain;
	}
	heap_give(&image->world->heap, tables, room);
	return error;
}

/* Bytes with a header and a hash, as the host or a guest has them. */
static int
read_bytes(struct image image, const uint8_t *bytes, size_t count, struct domain **ret_domain)
{
	int error;

	image.in = bytes_in(bytes, count);
	image.reader = (struct store_reader){.module_of = module_of, .host_of = host_of};
	error = read_header(&image, bytes, count);
	return error ? error : read_image(&image, ret_domain);
}

int
image_read(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct domain **ret_domain)
{
	static const struct domain_above nothing;

	return image_read_below(world, &nothing, bytes, count, report, ret_domain);
}

int
image_read_below(struct world *world, const struct domain_above *above, const uint8_t *bytes,
	size_t count, struct report *report, struct domain **ret_domain)
{
	return read_bytes((struct image){.world = world, .above = above, .report = report}, bytes,
		count, ret_domain);
}

int
image_thaw(struct world *world, const struct domain_above *above, const uint8_t *bytes,
	size_t count, struct report *report, struct domain **ret_domain)
{
	return read_bytes((struct image){.world = world, .above = above, .report = report,
				  .copied = true}, bytes, count, ret_domain);
}

int
image_read_fork(struct world *world, const struct domain_above *above, const uint8_t *bytes,
	size_t count, struct report *report, struct domain **ret_domain)
{
	struct image image = {
		.world = world,
		.above = above,
		.in = bytes_in(bytes, count),
		.report = report,
		.fork = true,
	};
	const int error = read_counts(&image);

	return error ? error : read_image(&image, ret_domain);
}
