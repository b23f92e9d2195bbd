/* SPDX-License-Identifier: Apache-2.0 */
/* image_wait.c - reading who waits for whom: lines and banks go below those they
 * were below, runs and calls are tied, queues are filled. Whoever waits for what
 * is outside of the image hears of it at the end. */
#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/image.h"
#include "kernel/tree.h"

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

	if (!image_get_meter(image, in, &meter) || !image_get_bank(image, in, &bank) || (top && (meter || bank)))
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

static bool
purse_is_there(struct image *image, uint32_t place)
{
	return place == IMAGE_NOWHERE || place == IMAGE_PURSE_OUTSIDE ||
		image_standing(image, place, KEY_PURSE);
}

/* Who was paid for goes on being paid for: by its own purse, which is empty, by
 * the restorer's, or by none that has anything. */
static void
pay_with(struct image *image, struct domain *domain, uint32_t place)
{
	if (place == IMAGE_PURSE_OUTSIDE && !domain->purse)
		domain_pay_with(domain, &image->world->void_purse);
	else if (place != IMAGE_NOWHERE && place != IMAGE_PURSE_OUTSIDE)
		domain_pay_with(domain, image_standing(image, place, KEY_PURSE));
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
	if (!image_get_domain(image, in, &callee) || !image_get_domain(image, in, &entering) ||
		!image_get_domain(image, in, &serving) || !image_get_domain(image, in, &runner) ||
		!image_get_domain(image, in, &holder) || domain->wait >= WAIT_COUNT)
		return image_bad(image, "a domain that waits for none of this image");
	domain->word_in = bytes_u64(in);
	domain->meter.rent = bytes_u64(in);
	error = get_place(image, in, domain);
	if (error)
		return error;
	if (!image_get_meter(image, in, &domain->dry) || !image_get_meter(image, in, &domain->asks))
		return image_bad(image, "a domain that found a line dry that is not there");
	purse = bytes_u32(in);
	grant = bytes_u32(in);
	if (in->bad || !purse_is_there(image, purse) ||
		(grant != IMAGE_NOWHERE && grant >= image->grants_made) ||
		domain->meter.rent > METER_RENT_MAX)
		return image_bad(image, "a domain with parts that are not there");
	pay_with(image, domain, purse);
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

/* Whoever is going to be answered stands at the call that the answer is for. */
static const char *
call_fault(const struct domain *domain)
{
	const struct world *world = domain->world;
	const bool called = domain->state == DOMAIN_STOPPED && domain->stop.reason == STOP_CALLED;
	const bool calls = domain->state == DOMAIN_CALLING && domain->wait <= WAIT_IMPORT;
	const struct import_def *import = NULL;
	uint32_t host;

	if (!called && !calls && domain->state != DOMAIN_AVAILABLE)
		return NULL;
	if (!store_at_host(domain->store, &host))
		return "a domain that waits for an answer and stands at no call";
	if (host < world->imports_count)
		import = world->imports[host];
	if (domain->state == DOMAIN_AVAILABLE && import != &gate_imports[GATE_IMPORT_REPLY_WAIT])
		return "a domain that is available and does not stand there";
	if (calls && domain->wait != WAIT_IMPORT && import != &gate_imports[GATE_IMPORT_CALL])
		return "a domain that waits for an answer and stands at another call";
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
		if (!fault && !image->fork)
			fault = call_fault(image->at[i].domain);
		if (fault)
			return image_bad(image, fault);
	}
	return 0;
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
		queue_ready(domain);
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
		struct meter *meter = image_standing(image, i, KEY_METER);

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
