/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - everything that is stored twice must agree. Tests, the simulator
 * and `doctor` call it between steps. Source: KeyKOS Base/checkc.c. */
#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "kernel/tree.h"
#include "kernel/world_state.h"

static void
check_queue(const struct queue *queue, enum domain_state state)
{
	const struct domain *before = NULL;

	for (const struct domain *at = queue->head; at; at = at->queue_next) {
		must(WORLD2, at->queue == queue && at->queue_prev == before && at->state == state);
		before = at;
	}
	must(WORLD2, queue->tail == before);
}

static void
check_tree(const struct domain *domain)
{
	if (domain->parent) {
		must(WORLD5, domain->prev ? domain->prev->next == domain
					  : domain->parent->first == domain);
	}
	must(WORLD5, domain->meter.owner == domain && domain->bank.owner == domain);
}

/* In the queue of a meter above it: any other queue is named by its state. */
static bool
is_parked(const struct domain *domain)
{
	return domain->queue && domain->queue != &domain->world->ready &&
		domain->queue != &domain->world->paused &&
		domain->queue != &domain->world->stalled && domain->state != DOMAIN_QUEUED;
}

static void
check_state(const struct world *world, const struct domain *domain)
{
	must(WORLD2, (domain->state == DOMAIN_READY) ==
			     (domain->queue == (domain->paused ? &world->paused : &world->ready)));
	must(WORLD2, domain->state != DOMAIN_STOPPED || !domain->queue);
	must(GATE3, (domain->state == DOMAIN_QUEUED) ==
			    (domain->callee && domain->queue == &domain->callee->callers));
	must(GATE1, domain->state != DOMAIN_CALLING || domain->wait != WAIT_NOTHING);
	must(GATE1, !domain->served || domain->served->serving == domain);
	must(RUN1, !domain->runs || (domain->runs->runner == domain &&
					    domain->state == DOMAIN_CALLING &&
					    (domain->wait == WAIT_RUN || domain->wait == WAIT_INVOKE)));
	must(RUN1, !domain->runner || domain->runner->runs == domain);
	must(METER1, (domain->state == DOMAIN_PARKED) == is_parked(domain));
	must(WORLD4, !domain->request || domain->state == DOMAIN_WAITING);
	must(WORLD4, domain->state != DOMAIN_WAITING ||
			     (domain->request != 0) != (domain->queue == &world->stalled));
	must(WORLD4, !domain->request || requests_owner(&world->requests, domain->request) == domain);
	must(WORLD4, !domain->request || !domain->completed);
	must(WORLD4, domain->request || domain->completed || !domain->staging);
}

static void
check_accounts(const struct world *world, const struct domain *domain)
{
	const uint64_t used = add_saturating(domain->gas_guest, domain->gas_host);

	must(WORLD3, used <= line_used(&world->clock, &domain->meter.line));
	must(WORLD3, domain->charged <= domain->gas_host);
	must(WORLD3, (domain->entry_args_count == 0) == (domain->entry_args == NULL));
	must(WORLD3, !domain->entry_args || domain->has_entry);
}

void
world_check(struct world *world)
{
	line_check(&world->clock, &world->meter.line);
	bank_check(&world->bank);
	grants_check(&world->grants);
	pages_check(&world->pages);
	requests_check(&world->requests);
	objects_check(world);
	mint_check(&world->mint);
	must(GATE2, !world->lost);
	check_queue(&world->ready, DOMAIN_READY);
	check_queue(&world->paused, DOMAIN_READY);
	check_queue(&world->stalled, DOMAIN_WAITING);
	for (uint32_t id = 0; id < world->places_count; id++) {
		struct domain *domain = world->places[id].domain;

		if (!domain)
			continue;
		must(WORLD5, domain->world == world && domain->id == id &&
				     domain->generation == world->places[id].generation);
		check_tree(domain);
		check_state(world, domain);
		check_accounts(world, domain);
		store_check(domain->store);
	}
}
