/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/caps/gate/theatre.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/world_state.h"

#define CHECK(condition) ((condition) ? (void)0 : abort())

static uint32_t
stage_of(const struct domain *domain)
{
	return (uint32_t)domain->stop.word;
}

void
theatre_open(struct theatre *t)
{
	struct report report;

	*t = (struct theatre){0};
	fake_host_init(&t->host);
	fake_device_init(&t->device, 1);
	t->world = world_open(&(struct world_config){
		.host = &t->host.host, .device = &t->device.device, .caps = &caps_all});
	CHECK(t->world);
	report_clear(&report);
	CHECK(!world_module(t->world, puppet_bytes, puppet_bytes_count, &report, &t->puppet));
}

void
theatre_close(struct theatre *t)
{
	world_check(t->world);
	world_close(t->world);
	CHECK(t->host.reservations == 0);
	fake_device_done(&t->device);
	fake_host_done(&t->host);
}

static struct domain *
make(struct theatre *t, const struct domain_config *config)
{
	struct report report;
	struct domain *domain;

	report_clear(&report);
	CHECK(!domain_new(t->world, config, &report, &domain));
	CHECK(!caps_kit(domain, &report));
	caps_default_entry(domain);
	domain_start(domain);
	(void)world_run(t->world, domain, true);
	world_check(t->world);
	return domain;
}

struct domain *
theatre_actor(struct theatre *t, const char *name)
{
	return make(t, &(struct domain_config){.name = name,
			       .module = t->puppet,
			       .gas = GAS_NO_LIMIT,
			       .bank_bytes = BANK_NO_LIMIT});
}

struct domain *
theatre_child(struct theatre *t, struct domain *parent, uint64_t gas, uint64_t bytes)
{
	return make(t, &(struct domain_config){.name = "child",
			       .above = {.parent = parent,
				       .line = &parent->meter.line,
				       .bank = &parent->bank},
			       .module = t->puppet,
			       .gas = gas,
			       .bank_bytes = bytes});
}

/* --- commands ---------------------------------------------------------------------- */

static uint32_t
slot_of(int slot)
{
	return slot ? (uint32_t)slot : UINT32_MAX;
}

static void
put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

void
tell(struct domain *domain, enum command_form form, int slot, uint32_t order,
	const struct order *message)
{
	const uint32_t stage = stage_of(domain), text = stage + COMMAND_BYTES;
	uint8_t *at = domain_mem(domain, stage, COMMAND_BYTES + 2 * COMMAND_TEXT);
	uint8_t *to;

	CHECK(at);
	to = at + COMMAND_MESSAGE;
	put(at, form, 4);
	put(at + 4, (uint32_t)slot, 4);
	put(at + 8, order, 4);
	put(at + 12, 0, 4);
	put(at + 16, (uint32_t)message->word[0], 4);
	for (unsigned i = 0; i < 4; i++) {
		put(to + 8 * i, message->word[i], 8);
		put(to + 64 + 4 * i, slot_of(message->send[i]), 4);
		put(to + 80 + 4 * i, slot_of(message->receive[i]), 4);
	}
	put(to + 32, 0, 8);
	put(to + 40, text, 4);
	put(to + 44, message->text_bytes, 4);
	put(to + 48, text + COMMAND_TEXT, 4);
	put(to + 52, message->room == 1 ? 0 : message->room ? message->room : COMMAND_TEXT, 4);
	put(to + 56, 0, 4);
	put(to + 60, message->rc, 4);
	if (message->text && message->text_bytes <= COMMAND_TEXT)
		memcpy(at + COMMAND_BYTES, message->text, message->text_bytes);
}

static void
hear(struct theatre *t, struct domain *domain)
{
	const uint8_t *at =
		domain_mem(domain, stage_of(domain), COMMAND_BYTES + 2 * COMMAND_TEXT);
	const uint8_t *from = at + COMMAND_MESSAGE;

	t->heard.rc = (uint32_t)get(at + 12, 4);
	for (unsigned i = 0; i < 4; i++)
		t->heard.word[i] = get(from + 8 * i, 8);
	t->heard.badge = get(from + 32, 8);
	t->heard.got = (uint32_t)get(from + 56, 4);
	t->heard.text = at + COMMAND_BYTES + COMMAND_TEXT;
}

/* Each second time all sleep: those that stand in the gate forget, as if read from
 * an image, which call they stand in. */
static void
lull(struct theatre *t)
{
	if (t->lulls++ % 2)
		return;
	for (uint32_t id = 0; id < world_domains(t->world); id++) {
		struct domain *domain = world_domain(t->world, id);

		if (!domain)
			continue;
		CHECK(!store_cool(domain->store));
		if (domain->state == DOMAIN_CALLING || domain->state == DOMAIN_AVAILABLE)
			domain->pending = (struct exec_result){0};
	}
}

bool
theatre_step(struct theatre *t)
{
	struct world *world = t->world;

	while (world_take_completion(world, false))
		;
	if (world->ready.head)
		world_step(world, world->ready.head);
	else if (world->closing)
		world_step_closing(world);
	else if (!world->requests.in_flight && tree_quiesce(world))
		gate_settle(world);
	else if (!world_take_completion(world, true))
		return false;
	if (!t->quiet) {
		lull(t);
		world_check(world);
	}
	return true;
}

uint32_t
listen(struct theatre *t, struct domain *domain)
{
	const uint32_t id = domain->id, generation = domain->generation;

	/* In steps: the domain may go. */
	for (unsigned i = 0; i < 1 << 20; i++) {
		struct domain *now = world_domain(t->world, id);

		if (now != domain || now->generation != generation)
			return GONE;
		if (domain->state == DOMAIN_STOPPED || domain->interrupted)
			break;
		if (!theatre_step(t))
			return PENDING;
	}
	t->heard = (struct heard){.stop = domain->stop};
	if (domain->stop.reason != STOP_YIELDED || domain->interrupted)
		return STOPPED;
	hear(t, domain);
	return t->heard.rc;
}

uint32_t
obey(struct theatre *t, struct domain *domain, enum command_form form, int slot, uint32_t order,
	const struct order *message)
{
	tell(domain, form, slot, order, message);
	domain_start(domain);
	return listen(t, domain);
}

/* --- keys -------------------------------------------------------------------------- */

void
give_key(struct domain *to, uint32_t slot, const struct key *key)
{
	CHECK(!domain_slots_room(to, slot + 1));
	slot_put(to, slot, key);
}

void
give_domain(struct domain *to, uint32_t slot, const struct domain *of, uint32_t rights)
{
	struct key key = domain_key(of, KIND_domain);

	key.rights = rights;
	give_key(to, slot, &key);
}

void
weaken(struct domain *domain, uint32_t slot, uint32_t rights)
{
	domain->slots[slot].rights &= ~rights;
}
