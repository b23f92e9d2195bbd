/* SPDX-License-Identifier: Apache-2.0 */
/* look_tree.c - the tree of an image as entries of look.h: domains with their
 * lines, banks, keys and stacks; the objects that keys name. Worker's side.
 *
 * What is special about a kind of object is its row in the table `shows`: a
 * function that puts fields, each with a name that stays. A kind without one
 * shows who paid for it and how large it is. */
#include <stdio.h>
#include <string.h>

#include "caps/bodies.h"
#include "caps/program.h"
#include "caps/sense.h"
#include "kernel/gate.h"
#include "tools/keyhold/look.h"
#include "tools/keyhold/look_in.h"

enum { FRAMES_SHOWN = 32 };

static struct worker *worker;
static struct sink *to;
static uint64_t bytes_most;

/* --- fields ----------------------------------------------------------------------- */

static void
put_text(const char *text)
{
	sink_text(to, text, (uint32_t)strlen(text));
}

static void
field(enum look_field type, const char *name)
{
	sink_u8(to, (uint8_t)type);
	put_text(name);
}

static void
field_count(const char *name, uint64_t value)
{
	field(FIELD_COUNT, name);
	sink_u64(to, value);
}

static void
field_truth(const char *name, bool value)
{
	field(FIELD_TRUTH, name);
	sink_u8(to, value);
}

static void
field_text(const char *name, const char *text)
{
	field(FIELD_TEXT, name);
	put_text(text);
}

/* A domain's place in the walk; none: null. */
static void
field_domain(const char *name, const struct domain *domain)
{
	field(FIELD_DOMAIN, name);
	sink_u32(to, domain ? domain->mark : UINT32_MAX);
}

static void
field_object(const char *name, uint32_t object)
{
	field(FIELD_OBJECT, name);
	sink_u32(to, object);
}

static void
fields_end(void)
{
	sink_u8(to, FIELD_END);
}

/* --- words ------------------------------------------------------------------------ */

static const char *const kind_names[KIND_COUNT] = {
#define KIND(name, fork, image, what) [KIND_##name] = #name,
#include "caps/kinds.def"
#undef KIND
};

static const char *
kind_name(uint8_t kind)
{
	return kind < KIND_COUNT ? kind_names[kind] : "?";
}

/* "read write"; start keys have no mask there. */
static void
field_rights(const struct key *key)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} rights[] = {
#define RIGHT(name, bit, what) {1u << (bit), #name},
#include "caps/rights.def"
#undef RIGHT
	};
	char text[128] = "";
	size_t at = 0;

	for (unsigned i = 0; key->kind != KEY_START && i < sizeof(rights) / sizeof(*rights); i++)
		if (key->rights & rights[i].bit)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? " " : "",
				rights[i].name);
	field_text("rights", text);
}

static const char *
state_text(enum domain_state state)
{
	static const char *const texts[DOMAIN_STATE_COUNT] = { /* ORDER STATES */
		"ready", "waiting", "stopped", "calling", "available", "queued", "parked"};

	return state < DOMAIN_STATE_COUNT ? texts[state] : "?";
}

static const char *
wait_text(uint8_t wait)
{
	static const char *const texts[WAIT_COUNT] = { /* ORDER WAITS */
		"", "reply", "run", "invoke", "import", "dry", "storage", "fault"};

	return wait < WAIT_COUNT ? texts[wait] : "?";
}

const char *
look_stop_text(const struct stop *stop)
{
	switch (stop->reason) {
	case STOP_RETURNED:
		return "returned";
	case STOP_YIELDED:
		return "yielded";
	case STOP_OUT_OF_GAS:
		return "out of gas";
	case STOP_OUT_OF_STORAGE:
		return "out of storage";
	case STOP_TRAP:
		return trap_text(stop->trap);
	case STOP_CALLED:
		return "called";
	case STOP_WAITING:
		return "waiting";
	case STOP_REVOKED:
		return "revoked";
	case STOP_ENDED:
		return "ended";
	case STOP_STEPPED:
		return "stepped";
	case STOP_NONE:
	case STOP_COUNT:
		break;
	}
	return "";
}

/* --- lines, banks, grants ------------------------------------------------------------ */

/* Whose line: a domain's, or one that stands alone. */
static void
fields_line_above(const struct line *line)
{
	const struct meter *above = line->superior ? meter_of(line->superior) : NULL;

	field_domain("line_above", above ? above->owner : NULL);
	field_object("line_above_object", above && !above->owner ? above->object : UINT32_MAX);
}

static void
fields_line(const struct meter *meter)
{
	const struct clock_gas *clock = world_clock(worker->world);

	field_count("gas_left", line_left(clock, &meter->line));
	field_count("gas_used", line_used(clock, &meter->line));
	field_count("gas_reserve", meter->line.reserve);
	field_count("gas_rent", meter->rent);
	fields_line_above(&meter->line);
}

static void
fields_bank(struct bank *bank)
{
	field_count("storage", bank_used(bank));
	field_count("storage_own", bank->own);
	field_count("storage_peak", bank_peak(bank));
	field_count("storage_limit", bank->limit);
	field_domain("bank_above", bank->superior ? bank->superior->owner : NULL);
	field_object("bank_above_object", bank->superior && !bank->superior->owner ? bank->superior->object
										    : UINT32_MAX);
}

/* A root's own grant says nothing; one below it may be cut or counted down. */
static void
fields_grant(uint32_t index, uint32_t generation)
{
	const struct grants *grants = world_grants(worker->world);
	const struct grant *grant = index < grants->count ? &grants->at[index] : NULL;

	if (!grant || grant->generation != generation)
		return;
	field_count("grant", index);
	field_count("grant_depth", grant->depth);
	field_truth("cut", grant->dead);
	field_count("uses_left", grant->uses_left);
	field_count("bytes_left", grant->bytes_left);
	field_count("expires", grant->expires);
}

/* --- objects: the fields of a kind ------------------------------------------------------------ */

static void
show_meter(void *body)
{
	const struct meter *meter = body;

	fields_line(meter);
	field_domain("owner", meter->owner);
	field_text("keeper", key_is_void(&meter->keeper) ? "" : kind_name(meter->keeper.kind));
}

static void
show_bank(void *body)
{
	struct bank *bank = body;

	fields_bank(bank);
	field_domain("owner", bank->owner);
}

static void
show_purse(void *body)
{
	const struct purse *purse = body;

	field_count("balance", purse->balance);
	field_object("above_object", purse->superior ? purse->superior->object : UINT32_MAX);
}

static void
show_module(void *body)
{
	const struct program *program = body;
	char hash[65];

	for (unsigned i = 0; i < 32; i++)
		snprintf(hash + 2 * i, 3, "%02x", module_hash(program->module)[i]);
	field_text("module", hash);
}

static void
show_grant(void *body)
{
	uint32_t index;
	const struct grants *grants = world_grants(worker->world);

	memcpy(&index, body, sizeof(index));
	if (index < grants->count)
		fields_grant(index, grants->at[index].generation);
}

static void
show_segment(void *body)
{
	field_count("segment_bytes", ((const struct segment *)body)->bytes);
}

static void
show_image(void *body)
{
	const struct image_body *image = body;

	field_count("image_bytes", image->count);
	field_count("image_domains", image->domains);
}

static void
show_factory(void *body)
{
	const struct factory *factory = body;

	field_truth("sealed", factory->sealed);
	field_count("holes", factory->holes_count);
}

/* The first word of a brand and of a box. */
static void
show_brand(void *body)
{
	field_count("brand", ((const struct brand *)body)->number);
}

/* --- domains ---------------------------------------------------------------------------- */

static struct domain *
named_domain(const struct key *key)
{
	const bool names_one = key->kind == KEY_DOMAIN || key->kind == KEY_START ||
		key->kind == KEY_RESUME || key->kind == KEY_VIEW;

	return names_one ? domain_of(worker->world, key) : NULL;
}

/* What it names: a domain, an object, something of the host's, or nothing more. */
static void
fields_target(const struct key *key)
{
	const struct object *object;
	struct caps_key_view view;

	field_domain("domain", named_domain(key));
	object = object_of(worker->world, key);
	field_object("object", object ? key->object : UINT32_MAX);
	if (!caps_key_view(worker->world, key, &view)) {
		field_text("name", "");
		field_text("spec", "");
		field_text("path", "");
		field_truth("hole", false);
		return;
	}
	field_text("name", view.name);
	field_text("spec", view.spec);
	field(FIELD_TEXT, "path");
	sink_text(to, view.path_bytes ? view.path : "", view.path_bytes);
	field_truth("hole", view.hole);
}

static void
put_key(uint32_t slot, const struct key *key)
{
	sink_u8(to, LOOK_KEY);
	field_count("slot", slot);
	field_text("kind", kind_name(key->kind));
	field_rights(key);
	field_count("badge", key->badge);
	field_truth("sense", key->flags & KEY_SENSE);
	fields_target(key);
	fields_grant(key->grant, key->grant_generation);
	fields_end();
}

/* --- an object, and the keys in it ---------------------------------------------------- */

static void
keys_of_node(const void *body)
{
	const struct node *node = body;

	for (uint32_t i = 0; i < NODE_SLOTS; i++)
		if (!key_is_void(&node->slots[i]))
			put_key(i, &node->slots[i]);
}

static void
keys_of_factory(const void *body)
{
	const struct factory *factory = body;

	for (uint32_t i = 0; i < factory->keys_count; i++)
		put_key(factory->slots[i], &factory->keys[i]);
}

static void
keys_of_forwarder(const void *body)
{
	put_key(0, &((const struct forwarder *)body)->target);
}

static void
keys_of_box(const void *body)
{
	put_key(0, &((const struct box *)body)->key);
}

/* A row a kind: its fields, and the keys it holds. */
static const struct show {
	enum kind_id kind;
	void (*fields)(void *body); /* NULL: none of its own */
	void (*keys)(const void *body);   /* NULL: it holds none */
} shows[] = {
	{KIND_meter, show_meter, NULL},
	{KIND_bank, show_bank, NULL},
	{KIND_purse, show_purse, NULL},
	{KIND_module, show_module, NULL},
	{KIND_grant, show_grant, NULL},
	{KIND_segment, show_segment, NULL},
	{KIND_image, show_image, NULL},
	{KIND_node, NULL, keys_of_node},
	{KIND_factory, show_factory, keys_of_factory},
	{KIND_forwarder, NULL, keys_of_forwarder},
	{KIND_box, show_brand, keys_of_box},
	{KIND_sealer, show_brand, NULL},
	{KIND_unsealer, show_brand, NULL},
};

static const struct show *
show_of(const struct object *object)
{
	for (unsigned i = 0; i < sizeof(shows) / sizeof(*shows) && object->body; i++)
		if ((uint8_t)shows[i].kind == object->kind)
			return &shows[i];
	return NULL;
}

static void
put_object(uint32_t index, const struct object *object)
{
	const struct show *show = show_of(object);

	sink_u8(to, LOOK_OBJECT);
	sink_u32(to, index);
	put_text(kind_name(object->kind));
	field_truth("part", object->borrowed);
	field_domain("payer", object->payer ? object->payer->owner : NULL);
	field_count("bytes", object->bytes);
	if (show && show->fields)
		show->fields(object->body);
	fields_end();
	if (show && show->keys)
		show->keys(object->body);
}

static void
put_frames(struct domain *domain)
{
	struct frame_walk walk = {0};
	struct frame_view view;

	for (uint32_t put = 0; put < FRAMES_SHOWN && store_walk(domain->store, &walk, &view);) {
		struct name name;

		if (view.kind != FRAME_WASM)
			continue;
		name = module_func_name(store_instance(domain->store, view.instance)->module, view.func);
		sink_u8(to, LOOK_FRAME);
		field(FIELD_TEXT, "func");
		sink_text(to, name.text, name.bytes);
		field_count("index", view.func);
		field_count("offset", view.offset);
		fields_end();
		put++;
	}
}

static void
put_more(enum look_tag what, uint32_t count)
{
	if (!count)
		return;
	sink_u8(to, LOOK_MORE);
	sink_u8(to, (uint8_t)what);
	sink_u32(to, count);
}

static void
put_domain(struct domain *domain, uint32_t depth)
{
	uint32_t left_out = 0;

	sink_u8(to, LOOK_DOMAIN);
	field_text("name", domain->name);
	field_count("depth", depth);
	field_domain("parent", depth ? domain->parent : NULL);
	field_text("state", state_text(domain->state));
	field_text("wait", domain->state == DOMAIN_CALLING || domain->state == DOMAIN_QUEUED
		? wait_text(domain->wait) : "");
	field_text("stop", look_stop_text(&domain->stop));
	field_count("code", domain->stop.code);
	field_count("need", domain->stop.need);
	field_count("gas_guest", domain->gas_guest);
	field_count("gas_host", domain->gas_host);
	fields_line(&domain->meter);
	fields_bank(&domain->bank);
	field_domain("runs", domain->runs);
	field_domain("runner", domain->runner);
	field_domain("callee", domain->callee);
	field_text("keeper", key_is_void(&domain->keeper) ? "" : kind_name(domain->keeper.kind));
	field_domain("keeper_domain", named_domain(&domain->keeper));
	field_truth("held", domain->held);
	fields_end();
	put_frames(domain);
	for (uint32_t slot = 0; slot < domain->slots_count; slot++) {
		if (key_is_void(&domain->slots[slot]))
			continue;
		if (to->bytes < bytes_most)
			put_key(slot, &domain->slots[slot]);
		else
			left_out++;
	}
	put_more(LOOK_KEY, left_out);
	for (uint32_t i = 0; i < store_instances(domain->store); i++) {
		sink_u8(to, LOOK_INSTANCE);
		sink_put(to, module_hash(store_instance(domain->store, i)->module), 32);
	}
}

/* Down first, then across, then up: no recursion over what a guest made deep. */
static struct domain *
next_of(struct domain *at, const struct domain *top, uint32_t *depth)
{
	if (at->first) {
		++*depth;
		return at->first;
	}
	while (at != top && !at->next) {
		at = at->parent;
		--*depth;
	}
	return at == top ? NULL : at->next;
}

void
look_tree(struct worker *its, struct sink *sink, uint64_t bytes_max)
{
	struct domain *top = its->domain;
	uint32_t depth = 0, count = 0, index = 0, left_out = 0;
	const struct object *object;

	worker = its;
	to = sink;
	bytes_most = bytes_max;
	for (struct domain *at = top; at; at = next_of(at, top, &depth))
		at->mark = count++;
	depth = 0;
	for (struct domain *at = top; at; at = next_of(at, top, &depth)) {
		if (to->bytes < bytes_max / 4 * 3)
			put_domain(at, depth);
		else
			left_out++;
	}
	put_more(LOOK_DOMAIN, left_out);
	left_out = 0;
	for (; (object = object_at(worker->world, index)); index++) {
		if (object->kind == KEY_VOID)
			continue;
		if (to->bytes < bytes_max)
			put_object(index, object);
		else
			left_out++;
	}
	put_more(LOOK_OBJECT, left_out);
}
