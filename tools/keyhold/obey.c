/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/obey.h"

#include <errno.h>
#include <string.h>

#include "caps/caps.h"
#include "drivers/wire.h"
#include "kernel/tree.h"
#include "tools/keyhold/carry.h"
#include "tools/keyhold/pen.h"
#include "tools/keyhold/tape.h"

/* One at a time, and answered before the next: there is one of each. */
static struct obeying {
	uint8_t answer[WIRE_OBEYED_BYTES];
	uint8_t piece[PEN_PIECE];
	struct report report;
} obeying;

static bool
is_replay(const struct worker *worker)
{
	return worker->start.flags & START_REPLAY;
}

/* --- what changes the world --------------------------------------------------------- */

static enum obeyed
failed(int error)
{
	switch (error) {
	case 0:
		return OBEYED;
	case -EEXIST:
		return OBEYED_TAKEN;
	case -ENOSPC:
		return OBEYED_NO_ROOM;
	case -ENOMEM:
		return OBEYED_FAULT;
	default:
		return OBEYED_BAD;
	}
}

/* The handle of a key that was not taken is given back, in a replay too. */
static void
give_back(struct worker *worker, uint32_t handle)
{
	struct device_request request = {.op = DEVICE_CLOSE, .handle = handle};

	if (handle)
		world_submit_detached(worker->world, &request);
}

/* Where its program looks for keys: a name, or, where it is none of WASI's, a slot. */
static int
place_key(struct domain *domain, const struct key *key, const char *path, struct answer_head *head)
{
	int slot;

	if (caps_wasi_is_set(domain))
		return caps_wasi_name(domain, key, path, &obeying.report);
	slot = domain_slot(domain, key);
	if (slot == -ENOSPC)
		report_say(&obeying.report, UINT64_MAX, "it has no room for one more slot");
	head->number = slot < 0 ? 0 : (uint64_t)slot + 1;
	return slot < 0 ? slot : 0;
}

static enum obeyed
do_grant(struct worker *worker, const struct order *order, struct domain *domain,
	struct answer_head *head)
{
	const struct caps_root root = {.name = order->name, .spec = order->spec, .kind = order->kind,
		.rights = order->rights, .flags = order->key_flags, .handle = order->handle,
		.number = order->number, .seed = order->seed};
	const struct grant_limits limits = {
		.uses = order->uses, .bytes = order->bytes, .gas = UINT64_MAX, .rate = order->rate};
	struct report *report = &obeying.report;
	struct key key;
	int r = !order->name || !order->path ? -EINVAL : 0;

	if (!r && caps_wasi_is_set(domain))
		r = caps_wasi_finds(domain, order->path, report);
	if (!r)
		r = caps_root_add(worker->world, &root, report, &key);
	if (r) {
		give_back(worker, order->handle);
		return failed(r);
	}
	caps_root_limit(worker->world, order->name, &limits);
	r = place_key(domain, &key, order->path, head);
	if (r) /* its bank has no room for the name: a key that nobody finds */
		(void)caps_root_cut(worker->world, order->name);
	return failed(r);
}

static enum obeyed
do_limit(struct worker *worker, const struct order *order, struct domain *domain)
{
	struct clock_gas *clock = world_clock(worker->world);
	struct meter *meter = &domain->meter;

	if (order->flags & DO_MEM && !bank_limit(&domain->bank, order->mem)) {
		report_say(&obeying.report, UINT64_MAX, "it holds %llu bytes, which is more than %llu",
			(unsigned long long)domain->bank.used, (unsigned long long)order->mem);
		return OBEYED_BAD;
	}
	if (order->flags & DO_GAS)
		line_limit(clock, &meter->line, order->gas);
	else if (order->flags & DO_GAS_MORE)
		line_feed(clock, &meter->line, order->gas);
	/* Whoever was told that it is dry sends it on; else nobody would. */
	if (order->flags & (DO_GAS | DO_GAS_MORE) && meter->told && !meter->asker && !meter->asked_by)
		tree_unpark(meter);
	return OBEYED;
}

/* One that stopped for want of something, and that nobody runs: nobody else would. */
static void
send_on(struct worker *worker, struct domain *domain)
{
	const enum stop_reason why = domain->stop.reason;

	if (domain != worker->domain && domain->state == DOMAIN_STOPPED && !domain->runner &&
		(why == STOP_OUT_OF_GAS || why == STOP_OUT_OF_STORAGE || why == STOP_YIELDED))
		domain_start(domain);
}

/* Brought to rest in a replay too; written only where it was asked for. */
static enum obeyed
do_snapshot(struct worker *worker, const struct order *order, struct domain *domain,
	struct answer_head *head)
{
	struct pen pen;
	int r;

	domain_quiesce(domain);
	if (is_replay(worker))
		return OBEYED;
	pen_init(&pen, worker, order->handle, obeying.piece, sizeof(obeying.piece));
	r = image_write(worker->world, domain, &pen.sink, false);
	if (!r)
		r = pen_flush(&pen);
	pen_close(worker, order->handle);
	head->number = pen.sink.bytes;
	if (r && pen.error)
		report_say(&obeying.report, UINT64_MAX, "the image could not be written (error %d)", pen.error);
	else if (r)
		report_say(&obeying.report, UINT64_MAX, "%s", r == -EBUSY
			? "one of its domains is in the middle of something that cannot be stopped; try again"
			: "there is no memory to make it");
	return r ? OBEYED_OUTSIDE : OBEYED;
}

static enum obeyed
do_restore(struct worker *worker, const struct order *order, struct domain *domain,
	const uint8_t *image, size_t bytes)
{
	const struct domain_above above = {.parent = domain, .line = &domain->meter.line,
		.bank = &domain->bank, .purse = domain->purse};
	struct domain *made;
	const int r = image_thaw(worker->world, &above, image, bytes, &obeying.report, &made);

	if (r)
		return failed(r);
	if (order->name) {
		memset(made->name, 0, sizeof(made->name));
		memcpy(made->name, order->name, strnlen(order->name, sizeof(made->name) - 1));
	}
	if (made->state == DOMAIN_STOPPED && made->stop.reason != STOP_RETURNED &&
		made->stop.reason != STOP_TRAP && made->stop.reason != STOP_ENDED)
		domain_start(made);
	return OBEYED;
}

static enum obeyed
change(struct worker *worker, const struct order *order, struct bytes_in *in,
	struct answer_head *head)
{
	struct domain *domain = obey_find(worker, order->domain);

	if (order->what == DO_CUT) {
		head->number = order->name ? caps_root_cut(worker->world, order->name) : 0;
		return OBEYED;
	}
	if (!domain) {
		if (order->what == DO_GRANT)
			give_back(worker, order->handle);
		else if (order->what == DO_SNAPSHOT && !is_replay(worker))
			pen_close(worker, order->handle);
		return OBEYED_NO_DOMAIN;
	}
	switch (order->what) {
	case DO_GRANT:
		return do_grant(worker, order, domain, head);
	case DO_LIMIT:
		return do_limit(worker, order, domain);
	case DO_PAUSE:
		domain_pause(domain);
		return OBEYED;
	case DO_RESUME:
		domain_resume(domain);
		send_on(worker, domain);
		return OBEYED;
	case DO_SNAPSHOT:
		return do_snapshot(worker, order, domain, head);
	case DO_RESTORE:
		return do_restore(worker, order, domain, in->at, bytes_left(in));
	case DO_END:
		if (domain == worker->domain)
			return OBEYED_TOP;
		domain_end(domain);
		return OBEYED;
	case DO_LOOK:
	case DO_KEYS:
	case DO_WHY:
	case DO_CUT:
	case DO_COUNT:
		break;
	}
	return OBEYED_BAD;
}

/* --- taken, recorded, done, answered --------------------------------------------------- */

bool
obey_due(struct worker *worker)
{
	uint32_t bytes;
	const uint8_t *at;

	if (is_replay(worker))
		return again_order(worker, &at, &bytes);
	return worker->start.flags & START_CONTROL && client_order(worker->client, &bytes);
}

/* The order and behind it the image that it is about: what a journal has of it. */
static uint8_t *
with_image(struct worker *worker, const struct order *order, const uint8_t *bytes, uint32_t count,
	uint64_t *ret_count)
{
	struct heap *heap = world_heap(worker->world);
	const uint64_t whole = count + order->stream_bytes;
	uint8_t *both;

	if (order->stream_bytes > UINT32_MAX - count)
		return NULL;
	both = heap_take(heap, whole);
	if (!both)
		return NULL;
	memcpy(both, bytes, count);
	if (pen_read(worker, order->handle, both + count, order->stream_bytes)) {
		heap_give(heap, both, whole);
		return NULL;
	}
	*ret_count = whole;
	return both;
}

static void
answer(struct worker *worker, const struct answer_head *head, struct carry_fixed *rows)
{
	struct carry_fixed to = carry_fixed(obeying.answer, sizeof(obeying.answer));

	if (is_replay(worker))
		return;
	answer_put_head(&to.sink, head); /* rows lie behind it already */
	if (head->code != OBEYED || !rows)
		answer_put_text(&to.sink, obeying.report.text);
	else
		to.at = rows->at;
	client_obeyed(worker->client, obeying.answer, (uint32_t)(to.at - obeying.answer));
}

enum { HEAD_BYTES = 14 };

static void
look_or_change(struct worker *worker, const struct order *order, struct bytes_in *in,
	const uint8_t *bytes, uint64_t count)
{
	struct carry_fixed rows = carry_fixed(obeying.answer + HEAD_BYTES, sizeof(obeying.answer) - HEAD_BYTES);
	struct answer_head head = {OBEYED, false, 0, 0};

	if (!order_changes(order->what)) {
		obey_look(worker, order, &rows.sink, &head, sizeof(obeying.answer) - HEAD_BYTES);
		answer(worker, &head, &rows);
		return;
	}
	if (!is_replay(worker))
		tape_order(worker, bytes, (uint32_t)count);
	world_order(worker->world);
	head.code = change(worker, order, in, &head);
	world_ordered(worker->world);
	answer(worker, &head, NULL);
}

void
obey(struct worker *worker)
{
	struct answer_head head = {OBEYED_BAD, false, 0, 0};
	const uint8_t *bytes;
	uint8_t *both = NULL;
	uint64_t both_count = 0;
	uint32_t count;
	struct bytes_in in;
	struct order order;

	if (!obey_due(worker))
		return;
	report_clear(&obeying.report);
	if (is_replay(worker)) {
		(void)again_order(worker, &bytes, &count);
		again_order_take(worker); /* what it does may ask for what comes next */
	} else {
		bytes = client_order(worker->client, &count);
	}
	in = bytes_in(bytes, count);
	if (order_read(&in, &order)) {
		report_say(&obeying.report, UINT64_MAX, "an order that is not well-formed");
		answer(worker, &head, NULL);
		return;
	}
	if (order.what == DO_RESTORE && !is_replay(worker)) {
		both = with_image(worker, &order, bytes, count, &both_count);
		pen_close(worker, order.handle);
		if (!both) {
			head.code = OBEYED_OUTSIDE;
			report_say(&obeying.report, UINT64_MAX, "the image could not be read, or has no room here");
			answer(worker, &head, NULL);
			return;
		}
		in = bytes_in(both, (size_t)both_count);
		(void)order_read(&in, &order);
	}
	look_or_change(worker, &order, &in, both ? both : bytes, both ? both_count : count);
	heap_give(world_heap(worker->world), both, both_count);
}

void
obey_wait(struct worker *worker)
{
	struct device *device = client_device(worker->client);
	struct device_completion completion;

	if (obey_due(worker))
		return;
	if (is_replay(worker))
		again_stuck(worker);
	else if (!(worker->pokes |= client_poked(worker->client)))
		(void)device->reap(device, true, &completion); /* nothing is in flight but orders */
}
