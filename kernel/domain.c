/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/edge.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

enum { SLOTS_FIRST = 8 };

/* --- the tree -------------------------------------------------------------------- */

static void
tree_add(struct domain *domain, struct domain *parent)
{
	domain->parent = parent;
	if (!parent)
		return;
	domain->prev = parent->last;
	if (domain->prev)
		domain->prev->next = domain;
	else
		parent->first = domain;
	parent->last = domain;
}

static void
tree_drop(struct domain *domain)
{
	struct domain *parent = domain->parent;

	if (domain->next)
		domain->next->prev = domain->prev;
	else if (parent)
		parent->last = domain->prev;
	if (domain->prev)
		domain->prev->next = domain->next;
	else if (parent)
		parent->first = domain->next;
}

struct domain *
domain_walk(struct domain *at, struct domain *root)
{
	if (at->first)
		return at->first;
	while (at != root && !at->next)
		at = at->parent;
	return at == root ? NULL : at->next;
}

/* --- making ------------------------------------------------------------------------ */

uint64_t
domain_module_cost(const struct module *module)
{
	return add_saturating(module->bytes_count, module->cost_bytes);
}

static bool
pay(struct domain *domain, uint64_t bytes, const char *what, struct report *report)
{
	if (bank_take(&domain->bank, bytes))
		return true;
	report_say(report, UINT64_MAX, "storage: %s needs %llu bytes and %llu are left of %llu", what,
		(unsigned long long)bytes, (unsigned long long)bank_room(&domain->bank),
		(unsigned long long)domain->bank.limit);
	return false;
}

struct store_config
domain_store_config(struct domain *domain)
{
	struct world *world = domain->world;

	return (struct store_config){
		.heap = &world->heap,
		.book = &world->book,
		.storage = &domain->bank.storage,
		.pages = &world->pages,
		.executor = world->config.executor,
		.stop_when_dry = domain->stop_when_dry,
	};
}

static int
make_store(struct domain *domain, struct report *report)
{
	const struct store_config config = domain_store_config(domain);
	const int error = store_new(&config, &domain->store);

	if (error == -ENOSPC)
		report_say(report, UINT64_MAX, "storage: no room for a domain's store");
	else if (error)
		report_say(report, UINT64_MAX, "no memory for a domain");
	return error;
}

static int
make_personality(struct domain *domain, struct report *report)
{
	const struct caps *caps = domain->world->config.caps;

	if (!caps || !caps->personality || caps->personality->make(domain))
		return 0;
	report_say(report, UINT64_MAX, "storage: no room for a domain's descriptors");
	return -ENOSPC;
}

int
domain_make(struct world *world, const struct domain_above *above, const char *name,
	uint64_t bank_bytes, bool stop_when_dry, struct report *report, struct domain **ret_domain)
{
	struct domain *domain = heap_take(&world->heap, sizeof *domain);
	int error;

	if (!domain || !world_place(world, domain)) {
		heap_give(&world->heap, domain, sizeof *domain);
		report_say(report, UINT64_MAX, "no memory for a domain");
		return -ENOMEM;
	}
	domain->world = world;
	domain->state = DOMAIN_STOPPED;
	domain->stop_when_dry = stop_when_dry;
	domain->paused = above->parent && above->parent->paused;
	memcpy(domain->name, name, strnlen(name, DOMAIN_NAME_BYTES - 1));
	domain->wait_grant = GRANT_NONE;
	tree_add(domain, above->parent);
	meter_init(&domain->meter, above->line ? above->line : &world->meter.line);
	domain->meter.owner = domain;
	bank_init(&domain->bank, above->bank ? above->bank : &world->bank, bank_bytes);
	domain->bank.owner = domain;
	domain_pay_with(domain, above->purse);
	if (world->edge)
		edge_makes(domain);
	error = pay(domain, heap_cost(sizeof *domain) + DOMAIN_STAGING_BYTES, "a domain", report)
		? above->storeless ? 0 : make_store(domain, report)
		: -ENOSPC;
	if (!error)
		error = make_personality(domain, report);
	if (error) {
		domain_end(domain);
		return error;
	}
	*ret_domain = domain;
	return 0;
}

/* Instantiates the preloads and then the program; runs nothing. */
static int
add_instances(struct domain *domain, const struct domain_config *config, struct report *report)
{
	struct heap *heap = &domain->world->heap;
	uint32_t instances[DOMAIN_PRELOADS_MAX + 1];

	for (uint32_t i = 0; i <= config->preloads_count; i++) {
		struct module *module = i < config->preloads_count ? config->preloads[i].module
								   : config->module;
		struct binding *bindings;
		int error;

		if (!pay(domain, domain_module_cost(module), "a module", report))
			return -ENOSPC;
		error = link_imports(domain, config, module, i, instances, report, &bindings);
		if (error)
			return error;
		error = store_instantiate(domain->store, module, bindings, report, &instances[i]);
		heap_give(heap, bindings, module->imports_count * sizeof *bindings);
		if (error == -ENOSPC)
			report_say(report, UINT64_MAX,
				"storage: an instance does not fit into the %llu bytes left of %llu",
				(unsigned long long)bank_room(&domain->bank),
				(unsigned long long)domain->bank.limit);
		if (error) {
			report_say(report, UINT64_MAX, "no memory for an instance");
			return error;
		}
	}
	domain_hold_modules(domain);
	domain->instance = instances[config->preloads_count];
	return 0;
}

int
domain_new(struct world *world, const struct domain_config *config, struct report *report,
	struct domain **ret_domain)
{
	struct domain *domain;
	int error;

	if (config->preloads_count > DOMAIN_PRELOADS_MAX) {
		report_say(report, UINT64_MAX, "%u modules to preload: %d are the most",
			config->preloads_count, DOMAIN_PRELOADS_MAX);
		return -EINVAL;
	}
	error = domain_make(world, &config->above, config->name, config->bank_bytes,
		config->stop_when_dry, report, &domain);
	if (error)
		return error;
	line_limit(&world->clock, &domain->meter.line, config->gas);
	error = add_instances(domain, config, report);
	if (error) {
		domain_end(domain);
		return error;
	}
	*ret_domain = domain;
	return 0;
}

/* --- ending ------------------------------------------------------------------------ */

static void
end_call(struct domain *domain)
{
	struct requests *requests = &domain->world->requests;

	if (domain->request) {
		requests_orphan(requests, domain->request);
		requests_cancel(requests, domain->request);
	}
	domain->request = 0;
	call_rewind(domain);
}

void
domain_hold_modules(struct domain *domain)
{
	for (; domain->modules_held < store_instances(domain->store); domain->modules_held++)
		world_module_hold(store_instance(domain->store, domain->modules_held)->module);
}

static void
store_end(struct domain *domain)
{
	if (!domain->store)
		return;
	for (uint32_t i = 0; i < domain->modules_held; i++)
		world_module_drop(domain->world, store_instance(domain->store, i)->module);
	store_free(domain->store);
	world_modules_sweep(domain->world);
}

/* Half-built ones too. It has nothing below it. */
static void
end_one(struct domain *domain)
{
	struct world *world = domain->world;
	const struct caps *caps = world->config.caps;

	const bool before = world->edge && edge_ends_one(domain);

	end_call(domain);
	gate_forget(domain);
	tree_forget(domain);
	queue_drop(domain);
	if (domain->personality)
		caps->personality->end(domain);
	store_end(domain);
	domain_forget_entry(domain);
	heap_give(&world->heap, domain->slots, domain->slots_count * sizeof *domain->slots);
	domain_pay_with(domain, NULL);
	bank_clear(world, &domain->bank);
	meter_end(&domain->meter);
	world_line_bury(world, &domain->meter.line);
	bank_done(&domain->bank);
	tree_drop(domain);
	world_unplace(domain);
	heap_give(&world->heap, domain, sizeof *domain);
	if (world->edge)
		edge_leave(world, before);
}

/* Lines below one that goes have a superior that is dry for ever. */
void
world_line_bury(struct world *world, struct line *line)
{
	if (line->active)
		line_switch(&world->clock, NULL);
	while (line->first)
		line_move(line->first, &world->void_meter.line);
	line_done(line);
}

void
domain_pay_with(struct domain *domain, struct purse *purse)
{
	if (domain->purse) {
		if (domain->purse_next)
			domain->purse_next->purse_prev = domain->purse_prev;
		if (domain->purse_prev)
			domain->purse_prev->purse_next = domain->purse_next;
		else
			domain->purse->payers = domain->purse_next;
	}
	domain->purse = purse;
	domain->purse_prev = domain->purse_next = NULL;
	if (!purse)
		return;
	domain->purse_next = purse->payers;
	if (purse->payers)
		purse->payers->purse_prev = domain;
	purse->payers = domain;
}

/* Standing banks end from the lowest up, so nothing here is as deep as they are. */
void
bank_clear(struct world *world, struct bank *bank)
{
	while (bank->first) {
		struct bank *lowest = bank->first;

		while (lowest->first)
			lowest = lowest->first;
		if (lowest->owner)
			domain_end(lowest->owner);
		else
			object_end(world, lowest->object);
	}
	objects_end(world, bank);
}

/* What has to go before this domain can: one below it in the tree, or one that
 * lives on what its bank bought. NULL: nothing. */
static struct domain *
goes_before(struct domain *domain)
{
	if (domain->first)
		return domain->first;
	return bank_tenant(&domain->bank);
}

/* Down to one that can go now, and from there back the way it came: each is
 * found once, however deep they are. */
void
domain_end(struct domain *domain)
{
	struct domain *at = domain, *before;
	struct world *world;

	if (!domain)
		return;
	world = domain->world;
	if (world->edge)
		edge_ends(domain);
	world->busy++;
	domain->ends_for = NULL;
	while (at) {
		before = goes_before(at);
		if (before) {
			before->ends_for = at;
			at = before;
			continue;
		}
		before = at->ends_for;
		end_one(at);
		at = before;
	}
	world->busy--;
	if (!world->busy)
		gate_settle(world);
}

/* --- what it does next ----------------------------------------------------------------- */

int
domain_set_entry(struct domain *domain, uint32_t func, const uint64_t *args, uint32_t count)
{
	const uint64_t bytes = count * sizeof *args;

	if (count) {
		if (!bank_take(&domain->bank, heap_cost(bytes)))
			return -ENOSPC;
		domain->entry_args = heap_take(&domain->world->heap, bytes);
		if (!domain->entry_args) {
			bank_give(&domain->bank, heap_cost(bytes));
			return -ENOMEM;
		}
		memcpy(domain->entry_args, args, bytes);
	}
	domain->entry_func = func;
	domain->entry_args_count = count;
	domain->has_entry = true;
	return 0;
}

void
domain_forget_entry(struct domain *domain)
{
	const uint64_t bytes = domain->entry_args_count * sizeof *domain->entry_args;

	if (bytes) {
		heap_give(&domain->world->heap, domain->entry_args, bytes);
		bank_give(&domain->bank, heap_cost(bytes));
	}
	domain->entry_args = NULL;
	domain->entry_func = domain->entry_args_count = 0;
	domain->has_entry = false;
}

static bool
is_begun(const struct domain *domain)
{
	return domain->inits_begun == store_instances(domain->store);
}

int
domain_entry(struct domain *domain, uint32_t func, const uint64_t *args, uint32_t args_count)
{
	const struct module *module = store_instance(domain->store, domain->instance)->module;

	if (domain->has_entry || (is_begun(domain) && !store_idle(domain->store)))
		return -EBUSY;
	if (func >= module->func_imports + module->funcs_count ||
		module_functype(module, func)->params != args_count)
		return -EINVAL;
	return domain_set_entry(domain, func, args, args_count);
}

void
domain_start(struct domain *domain)
{
	if (domain->interrupted) {
		domain->stop = (struct stop){0};
		tree_go_on(domain);
		return;
	}
	switch (domain->stop.reason) {
	case STOP_TRAP:
	case STOP_ENDED:
		return;
	case STOP_RETURNED:
		if (!domain->has_entry)
			return;
		break;
	case STOP_NONE:
	case STOP_YIELDED:
	case STOP_OUT_OF_GAS:
	case STOP_OUT_OF_STORAGE:
	case STOP_CALLED:
	case STOP_WAITING:
	case STOP_REVOKED:
	case STOP_STEPPED:
	case STOP_COUNT:
		break;
	}
	if (domain->state != DOMAIN_STOPPED)
		return;
	domain->stop = (struct stop){0};
	domain_ready(domain);
}

void
domain_feed(struct domain *domain, uint64_t gas)
{
	line_feed(&domain->world->clock, &domain->meter.line, gas);
}

/* --- slots --------------------------------------------------------------------------------- */

int
domain_slots_room(struct domain *domain, uint32_t count)
{
	const uint64_t from = domain->slots_count * sizeof *domain->slots;
	uint32_t room = domain->slots_count ? domain->slots_count : SLOTS_FIRST;
	struct key *slots;
	uint64_t to;

	if (count <= domain->slots_count)
		return 0;
	if (count > SLOTS_MAX)
		return -ENOSPC;
	while (room < count)
		room *= 2;
	to = room * sizeof *slots;
	if (!bank_take(&domain->bank, heap_cost(to)))
		return -ENOSPC;
	slots = heap_resize(&domain->world->heap, domain->slots, from, to);
	bank_give(&domain->bank, slots ? (from ? heap_cost(from) : 0) : heap_cost(to));
	if (!slots)
		return -ENOMEM;
	domain->slots = slots;
	domain->slots_count = room;
	return 0;
}

int
domain_slot(struct domain *domain, const struct key *key)
{
	uint32_t slot = 0;
	int error;

	while (slot < domain->slots_count && !key_is_void(&domain->slots[slot]))
		slot++;
	error = domain_slots_room(domain, slot + 1);
	if (error)
		return error;
	domain->slots[slot] = *key;
	return (int)slot;
}

/* --- for orders on domain keys ------------------------------------------------------------- */

uint8_t *
domain_mem(struct domain *domain, uint64_t at, uint64_t bytes)
{
	if (store_is_cold(domain->store) && store_warm(domain->store))
		return NULL;
	return store_mem_at(domain->store, domain->instance, at, bytes);
}

int
domain_result(struct domain *domain, const uint8_t *bytes, uint32_t count)
{
	struct bytes_in in = bytes_in(bytes, count);

	if (domain->state != DOMAIN_STOPPED || domain->stop.reason != STOP_CALLED)
		return -EINVAL;
	if (!domain_pending(domain) || !results_fit(domain->pending.type, bytes, count))
		return -EINVAL;
	for (uint32_t i = 0; i < domain->pending.type->results; i++)
		domain->pending.slots[i] = bytes_u64(&in);
	domain->charged = domain->progress = 0;
	store_host_done(domain->store);
	domain->stop = (struct stop){.reason = STOP_NONE};
	return 0;
}
