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
#include "kernel/world_state.h"

struct image {
	struct world *world;
	struct bytes_in in;
	struct report *report;
	bool thin;
	uint32_t modules, domains, ready;
	struct domain **at;   /* domains in the order of the image */
	uint32_t made;
	uint32_t holes;       /* keys that nobody here could bind */
	struct store_reader reader; /* see image_of() */
};

static struct image *
image_of(struct store_reader *reader)
{
	return (struct image *)(void *)((uint8_t *)reader - offsetof(struct image, reader));
}

/* --- saying what is wrong ---------------------------------------------------------- */

static int
bad_at(struct image *image, const uint8_t *at, const char *what)
{
	report_say(image->report, (uint64_t)(at - image->in.base), "image: %s", what);
	return -EINVAL;
}

static int
bad(struct image *image, const char *what)
{
	return bad_at(image, image->in.at, image->in.bad ? "it ends too early" : what);
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
		return bad_at(image, in->base + 12, "unknown flags");
	if (prices != PRICES_VERSION || engine != IMAGE_ENGINE_VERSION) {
		report_say(image->report, 16,
			"image: price list %u.%u; this program has %d.%d, so gas would differ", prices,
			engine, PRICES_VERSION, IMAGE_ENGINE_VERSION);
		return -EINVAL;
	}
	if (slots != STACK_SLOTS_MAX || entries != TABLE_ENTRIES_MAX)
		return bad_at(image, in->base + 24, "made under other limits");
	image->thin = flags & IMAGE_THIN;
	return 0;
}

static int
read_header(struct image *image, const uint8_t *bytes, size_t count)
{
	uint8_t hash[IMAGE_HASH_BYTES];

	if (count < sizeof image_magic || memcmp(bytes, image_magic, sizeof image_magic))
		return bad_at(image, bytes, "not an image: it does not begin with one's header");
	if (count < IMAGE_HEADER_BYTES + IMAGE_HASH_BYTES)
		return bad_at(image, bytes + count, "it ends too early");
	blake2b_256(bytes, count - IMAGE_HASH_BYTES, hash);
	if (memcmp(hash, bytes + count - IMAGE_HASH_BYTES, IMAGE_HASH_BYTES))
		return bad_at(image, bytes + count - IMAGE_HASH_BYTES,
			"damaged or cut short: the hash at its end is not that of the rest");
	image->in = bytes_in(bytes, count - IMAGE_HASH_BYTES);
	(void)bytes_take(&image->in, sizeof image_magic);

	const int error = read_versions(image);

	if (error)
		return error;
	image->modules = bytes_u32(&image->in);
	image->domains = bytes_u32(&image->in);
	image->ready = bytes_u32(&image->in);
	if (bytes_u64(&image->in) || bytes_u64(&image->in))
		return bad_at(image, bytes + 48, "a reserved field is not zero");
	if (!image->domains || !count_fits(image, image->domains, IMAGE_DOMAIN_MIN))
		return bad_at(image, bytes + 40, "more domains than it has bytes for, or none");
	if (!count_fits(image, image->modules, IMAGE_MODULE_MIN) || image->ready > image->domains)
		return bad_at(image, bytes + 36, "counts that cannot be");
	return 0;
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
	error = world_module(image->world, bytes, (size_t)count, image->report, &module);
	if (error)
		return error;
	return memcmp(module_hash(module), hash, 32)
		? bad_at(image, hash, "a module that has another hash than it says")
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
			return bad(image, "it ends too early");
		if (before && memcmp(before, hash, 32) >= 0)
			return bad_at(image, hash, "modules out of order");
		before = hash;
		error = load_module(image, hash, bytes, count);
		if (error)
			return error;
	}
	return 0;
}

/* --- keys ----------------------------------------------------------------------------- */

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

/* A key nobody here can bind is a hole: the slot stays void. */
static int
read_key(struct image *image, struct domain *domain, struct key *ret_key)
{
	const uint8_t *start = image->in.at;
	uint32_t name_bytes, said_bytes;
	const uint8_t *name = bytes_text(&image->in, &name_bytes);
	const uint8_t *said = bytes_text(&image->in, &said_bytes);
	const struct kind *kind;
	struct bytes_in in;
	struct key key = {0};
	uint8_t number = KEY_VOID;

	if (!name || !said)
		return bad(image, "it ends too early");
	kind = kind_by_name(image->world, name, name_bytes, &number);
	if (!kind || number == KEY_VOID)
		return bad_at(image, start, "a key of a kind that is not known here");
	in = bytes_in(said, said_bytes);
	if (kind->image_bind && kind->image_bind(image->world, domain, &in, &key)) {
		if (in.bad || bytes_left(&in))
			return bad_at(image, said, "a key that says more or less than its kind does");
		*ret_key = key;
	} else if (in.bad) {
		return bad_at(image, said, "a key that says less than its kind does");
	} else {
		image->holes++;
	}
	return 0;
}

static int
slots_error(struct image *image, int error)
{
	report_say(image->report, bytes_offset(&image->in), "image: %s for a domain's slots",
		error == -ENOSPC ? "the bank has no room" : "no memory");
	return error;
}

static int
read_slots(struct image *image, struct domain *domain)
{
	const uint8_t *start = image->in.at;
	const uint32_t room = bytes_u32(&image->in), held = bytes_u32(&image->in);
	uint32_t next = 0;
	int error;

	if (room > SLOTS_MAX || held > room || !count_fits(image, held, IMAGE_SLOT_MIN))
		return bad_at(image, start, "more slots than a domain can have");
	error = domain_slots_room(domain, room);
	if (error)
		return slots_error(image, error);
	if (domain->slots_count != room)
		return bad_at(image, start, "a number of slots that no domain has");
	for (uint32_t i = 0; i < held; i++) {
		const uint32_t slot = bytes_u32(&image->in);

		if (image->in.bad || slot >= room || slot < next)
			return bad(image, "slots out of order");
		next = slot + 1;
		error = read_key(image, domain, &domain->slots[slot]);
		if (error)
			return error;
	}
	return 0;
}

static int
read_personality(struct image *image, struct domain *domain)
{
	const struct personality *personality = image->world->config.caps->personality;
	const uint8_t *start = image->in.at;
	const uint64_t count = bytes_u64(&image->in);
	const uint8_t *bytes = bytes_take(&image->in, count);
	struct bytes_in in;
	int error;

	if (!bytes)
		return bad(image, "it ends too early");
	/* Offsets in words are of the image: the reader sees its beginning, too. */
	in = (struct bytes_in){.base = image->in.base, .at = bytes, .end = bytes + count};
	error = personality->image_read(domain, &in, image->report);
	if (error)
		return error;
	if (in.bad || bytes_left(&in))
		return bad_at(image, start, "descriptors that say more or less than they should");
	return 0;
}

/* --- one domain ------------------------------------------------------------------------- */

struct record { /* the fixed part */
	const uint8_t *start;
	uint32_t parent;
	char name[DOMAIN_NAME_BYTES];
	uint8_t flags, state;
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
	record->flags = bytes_u8(in);
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
	return record->state == DOMAIN_STOPPED && stop->reason < STOP_COUNT &&
		(stop->trap != TRAP_NONE) == (stop->reason == STOP_TRAP) && stop->trap < TRAP_COUNT &&
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
	if (image->made ? record->parent >= image->made : record->parent != IMAGE_NO_PARENT)
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
	at = image->at[image->made - 1];
	while (at && at != image->at[record->parent])
		at = at == image->at[0] ? NULL : at->parent;
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
		return bad(image, "it ends too early");
	if (!(record->flags & IMAGE_HAS_ENTRY))
		return 0;
	error = domain_set_entry(domain, record->entry_func, args, record->entry_args_count);
	if (error)
		report_say(image->report, bytes_offset(&image->in), "image: %s for an entry",
			error == -ENOSPC ? "the bank has no room" : "no memory");
	return error;
}

static int
read_parts(struct image *image, struct domain *domain, const struct record *record)
{
	int error = read_entry(image, domain, record);

	if (!error)
		error = read_slots(image, domain);
	if (!error && record->flags & IMAGE_KEEPER)
		error = read_key(image, domain, &domain->keeper);
	if (!error && (record->flags & IMAGE_PERSONALITY) != (domain->personality ? IMAGE_PERSONALITY : 0))
		error = bad(image, "descriptors where none can be, or none where they must");
	if (!error && domain->personality)
		error = read_personality(image, domain);
	if (!error)
		error = store_read(domain->store, &image->in, &image->reader, image->report);
	return error;
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
	if (trap != record->stop.trap)
		return "a trap in the domain and none in its store, or the other way";
	if (record->stop.reason == STOP_RETURNED && !store_idle(store))
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
		return bad_at(image, record->start, "a line with more left than any limit");
	line_reserve(clock, &domain->meter.line, record->reserve);
	line_rate(clock, &domain->meter.line, record->rate);
	domain->meter.line.used = record->used;
	domain->gas_guest = record->gas_guest;
	domain->gas_host = record->gas_host;
	domain->slice_left = record->slice_left;
	domain->progress = record->progress;
	domain->charged = record->charged;
	/* What was opened under a key that is a hole here is not held here. */
	if (domain->bank.own > record->own || (domain->bank.own < record->own && !image->holes)) {
		report_say(image->report, (uint64_t)(record->start - image->in.base),
			"image: a domain that says it holds %llu bytes and holds %llu",
			(unsigned long long)record->own, (unsigned long long)domain->bank.own);
		return -EINVAL;
	}
	domain->bank.peak = max_u64(record->peak, domain->bank.used);
	return 0;
}

static int
read_domain(struct image *image)
{
	struct record record = {0};
	struct domain_above above = {0};
	struct domain *domain;
	const char *fault;
	int error;

	take_record(&image->in, &record);
	if (image->in.bad)
		return bad(image, "it ends too early");
	fault = record_fault(image, &record);
	if (!fault && !is_in_order(image, &record))
		fault = "a domain out of order";
	if (fault)
		return bad_at(image, record.start, fault);
	if (image->made) {
		above.parent = image->at[record.parent];
		above.line = &above.parent->meter.line;
		above.bank = &above.parent->bank;
	}
	error = domain_make(image->world, &above, record.name, record.limit,
		record.flags & IMAGE_STOP_WHEN_DRY, image->report, &domain);
	if (error)
		return error;
	image->at[image->made++] = domain;
	error = read_parts(image, domain, &record);
	fault = error ? NULL : store_fault(domain, &record);
	if (fault)
		error = bad_at(image, record.start, fault);
	if (!error)
		error = pay_modules(image, domain);
	if (error)
		return error;
	domain->instance = record.instance;
	domain->inits_begun = record.inits_begun;
	domain->entered = record.flags & IMAGE_ENTERED;
	domain->stop = record.stop;
	domain->mark = record.state == DOMAIN_READY;
	return set_accounts(image, domain, &record);
}

/* --- the whole ----------------------------------------------------------------------------- */

/* Every READY domain once; `mark` says who still has to come. */
static int
read_ready(struct image *image)
{
	uint32_t expected = 0;

	for (uint32_t i = 0; i < image->domains; i++)
		expected += image->at[i]->mark;
	if (expected != image->ready)
		return bad(image, "a ready queue that is not the ready domains");
	for (uint32_t i = 0; i < image->ready; i++) {
		const uint32_t index = bytes_u32(&image->in);

		if (image->in.bad || index >= image->domains || !image->at[index]->mark)
			return bad(image, "a ready queue that is not the ready domains");
		image->at[index]->mark = 0;
		domain_ready(image->at[index]);
	}
	if (bytes_left(&image->in))
		return bad(image, "bytes after the last domain");
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
	int error = read_modules(image);

	for (uint32_t i = 0; !error && i < image->domains; i++)
		error = read_domain(image);
	return error ? error : read_ready(image);
}

int
image_read(struct world *world, const uint8_t *bytes, size_t count, struct report *report,
	struct domain **ret_domain)
{
	struct image image = {
		.world = world,
		.in = bytes_in(bytes, count),
		.report = report,
		.reader = {.module_of = module_of, .host_of = host_of},
	};
	int error = read_header(&image, bytes, count);
	uint64_t room;

	if (error)
		return error;
	room = image.domains * sizeof *image.at;
	image.at = heap_take(&world->heap, room);
	if (!image.at) {
		report_say(report, 40, "image: no memory for %u domains", image.domains);
		return -ENOMEM;
	}
	error = read_all(&image);
	if (error && image.made)
		domain_end(image.at[0]);
	else if (!error)
		*ret_domain = image.at[0];
	heap_give(&world->heap, image.at, room);
	return error;
}
