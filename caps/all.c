/* SPDX-License-Identifier: Apache-2.0 */
/* all.c - everything caps hand to the kernel: kinds, imports, the personality. */
#include "caps/ends.h"
#include "caps/object_image.h"
#include "caps/orders.h"
#include "caps/wasi.h"

/* Keys that name a domain or an object are the kernel's to write. */
#define none_image_write NULL
#define none_image_bind  NULL
#define none_image_under NULL
#define log_image_under  NULL

static enum order_end
enter(struct invocation *inv)
{
	return gate_enter(inv);
}

static enum order_end
reply(struct invocation *inv)
{
	return gate_reply(inv);
}

/* Who answers an order on a key of the kind: most are in orders.def. */
static enum order_end (*const invokes[KIND_COUNT])(struct invocation *inv) = {
	[KIND_start] = enter,
	[KIND_resume] = reply,
};

static enum order_end
invoke(struct invocation *inv)
{
	enum order_end end;

	if (!forwarded(inv, &end))
		return end;
	return invokes[inv->key.kind] ? invokes[inv->key.kind](inv) : orders_invoke(inv);
}

static void (*const ends[KIND_COUNT])(struct world *world, void *body) = {
	[KIND_module] = program_end,
	[KIND_meter] = meter_object_end,
	[KIND_grant] = grant_object_end,
	[KIND_segment] = segment_end,
	[KIND_bank] = bank_object_end,
	[KIND_purse] = purse_object_end,
	[KIND_factory] = factory_end,
	[KIND_image] = image_object_end,
};

static void
end(struct world *world, uint8_t kind, void *body)
{
	if (ends[kind])
		ends[kind](world, body);
}

static const struct kind kinds[] = {
#define KIND(name, fork, image, what)                                                          \
	{#name, FORK_##fork, image##_image_write, image##_image_bind, image##_image_under},
#include "caps/kinds.def"
#undef KIND
};

_Static_assert(sizeof kinds / sizeof kinds[0] == KIND_COUNT, "a row per kind");
_Static_assert((int)KIND_number == KEY_NUMBER && (int)KIND_view == KEY_VIEW &&
		(int)KIND_start == KEY_START && (int)KIND_resume == KEY_RESUME &&
		(int)KIND_domain == KEY_DOMAIN && (int)KIND_meter == KEY_METER &&
		(int)KIND_purse == KEY_PURSE && (int)KIND_bank == KEY_BANK &&
		(int)KIND_grant == KEY_GRANT && (int)KIND_slots == KEY_SLOTS,
	"kinds that the kernel knows");
_Static_assert((int)RC_OK == GATE_OK && (int)RC_VOID == GATE_VOID &&
		(int)RC_WRONG_KIND == GATE_WRONG_KIND && (int)RC_NO_RIGHT == GATE_NO_RIGHT &&
		(int)RC_REVOKED == GATE_REVOKED && (int)RC_BAD_WORD == GATE_BAD_WORD &&
		(int)RC_NO_SPACE == GATE_NO_SPACE && (int)RC_BUSY == GATE_BUSY &&
		(int)RC_GONE == GATE_GONE && (int)RC_FORKED == GATE_FORKED,
	"what the kernel answers itself");

const struct caps caps_all = {
	.kinds = kinds,
	.kinds_count = KIND_COUNT,
	.invoke = invoke,
	.end = end,
	.object_fits = object_image_fits,
	.object_write = object_image_write,
	.object_read = object_image_read,
	.object_keys = object_image_keys,
	.object_module = object_image_module,
	.image_begin = object_image_begin,
	.key_open = root_key_open,
	.grant_name = root_grant_name,
	.grant_find = root_grant_find,
	.close_cut = openings_close_cut,
	.import_tables = wasi_import_tables,
	.personality = &wasi_personality,
	.world_end = caps_world_end,
};
