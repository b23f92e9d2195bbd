/* SPDX-License-Identifier: Apache-2.0 */
/* kind_slots.c - orders on one's own slots, as slot -1: copies, moves, weaker
 * copies. They go by the key's shape and ask nobody, so they say the same of a
 * kernel's key as of one that a guest serves. */
#include "caps/orders.h"
#include "caps/sense.h"
#include "caps/wasi.h"
#include "kernel/prices.h"

enum { SLOTS_REVOCABLE = 1 << 0, SLOTS_BADGED = 1 << 1 };

enum key_class { CLASS_VOID, CLASS_DATA, CLASS_RESUME, CLASS_MEMORY, CLASS_METER, CLASS_OTHER };

/* A slot that words[i] names, with a key that can be copied. */
static enum rc
copied(struct invocation *inv, unsigned word, struct key *ret_key)
{
	if (inv->in.words[word] >= SLOTS_MAX)
		return RC_BAD_WORD;
	*ret_key = slot_key(inv->domain, (uint32_t)inv->in.words[word]);
	if (ret_key->kind == KIND_resume)
		return RC_NO_RIGHT;
	return key_is_void(ret_key) ? RC_VOID : RC_OK;
}

static enum rc
room_for(struct invocation *inv, unsigned word)
{
	if (inv->in.words[word] >= SLOTS_MAX)
		return RC_BAD_WORD;
	return domain_slots_room(inv->domain, (uint32_t)inv->in.words[word] + 1) ? RC_NO_SPACE
										     : RC_OK;
}

enum order_end
order_slots_copy(struct invocation *inv)
{
	struct key key;
	enum rc rc = copied(inv, 0, &key);

	if (rc == RC_OK)
		rc = room_for(inv, 1);
	if (rc == RC_OK)
		slot_put(inv->domain, (uint32_t)inv->in.words[1], &key);
	return gate_rc(inv, rc);
}

/* Resume keys too. */
enum order_end
order_slots_move(struct invocation *inv)
{
	struct domain *domain = inv->domain;
	const uint64_t from = inv->in.words[0], to = inv->in.words[1];
	enum rc rc = from < SLOTS_MAX ? room_for(inv, 1) : RC_BAD_WORD;
	struct key key;

	if (rc != RC_OK || from == to)
		return gate_rc(inv, rc);
	key = slot_key(domain, (uint32_t)from);
	if (key_is_void(&key))
		return gate_rc(inv, RC_VOID);
	domain->slots[from] = (struct key){0};
	slot_put(domain, (uint32_t)to, &key);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_slots_drop(struct invocation *inv)
{
	static const struct key nothing;

	if (inv->in.words[0] >= SLOTS_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	if (inv->in.words[0] < inv->domain->slots_count)
		slot_put(inv->domain, (uint32_t)inv->in.words[0], &nothing);
	return gate_rc(inv, RC_OK);
}

static enum key_class
class_of(const struct key *key)
{
	switch ((enum kind_id)key->kind) {
	case KIND_void:
		return CLASS_VOID;
	case KIND_number:
		return CLASS_DATA;
	case KIND_resume:
		return CLASS_RESUME;
	case KIND_segment:
	case KIND_node:
	case KIND_view:
		return CLASS_MEMORY;
	case KIND_meter:
		return CLASS_METER;
	default:
		return CLASS_OTHER;
	}
}

enum order_end
order_slots_look(struct invocation *inv)
{
	struct key key;

	if (inv->in.words[0] >= SLOTS_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	key = slot_key(inv->domain, (uint32_t)inv->in.words[0]);
	inv->out.words[0] = class_of(&key);
	inv->out.words[1] = key_is_discreet(&key);
	inv->out.words[2] = key_alive(world_grants(inv->world), &key);
	return gate_rc(inv, RC_OK);
}

static bool
same(const struct key *a, const struct key *b)
{
	return a->kind == b->kind && a->flags == b->flags && a->rights == b->rights &&
		a->object == b->object && a->generation == b->generation &&
		a->grant == b->grant && a->grant_generation == b->grant_generation &&
		a->badge == b->badge;
}

enum order_end
order_slots_same(struct invocation *inv)
{
	const struct key a = slot_key(inv->domain, (uint32_t)inv->in.words[0]);
	const struct key b = slot_key(inv->domain, (uint32_t)inv->in.words[1]);

	if (inv->in.words[0] >= SLOTS_MAX || inv->in.words[1] >= SLOTS_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	return answer_word(inv, same(&a, &b));
}

/* --- weaker copies ------------------------------------------------------------------ */

/* Four words: uses, bytes, gas to its end, uses a second. All ones: no limit. */
static bool
limits_read(struct invocation *inv, struct grant_limits *ret)
{
	struct bytes_in in = bytes_in(inv->in.text, inv->in.text_bytes);

	*ret = (struct grant_limits){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	if (!inv->in.text_bytes)
		return true;
	ret->uses = bytes_u64(&in);
	ret->bytes = bytes_u64(&in);
	ret->gas = bytes_u64(&in);
	ret->rate = bytes_u64(&in);
	return !in.bad && !bytes_left(&in) && grant_limits_fit(ret);
}

/* A grant of its own, an object of the invoker's bank, which ends with it. */
static enum order_end
derive_grant(struct invocation *inv, struct key *key, const struct grant_limits *limits)
{
	struct bank *payer = &inv->domain->bank;
	struct grant_body *body;
	struct key cutter;
	enum order_end end;

	/* Its grant may have ended, and its place be another's by now. */
	if (!key_alive(world_grants(inv->world), key))
		return gate_rc(inv, RC_REVOKED);
	end = answer_object(inv, payer, KIND_grant, sizeof *body, (void **)&body, &cutter);
	if (!body)
		return end;
	if (!world_grant_pay(body, payer) ||
		(body->grant = world_grant(inv->world, key, limits)) == GRANT_NONE) {
		object_end(inv->world, cutter.object);
		inv->out.keys[0] = (struct key){0};
		return gate_rc(inv, RC_NO_SPACE);
	}
	inv->out.keys[1] = cutter;
	return answer_key(inv, *key);
}

enum order_end
order_slots_derive(struct invocation *inv)
{
	struct grant_limits limits;
	struct key key;
	const uint64_t flags = inv->in.words[2];
	const enum rc rc = copied(inv, 0, &key);

	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (flags & ~(uint64_t)(SLOTS_REVOCABLE | SLOTS_BADGED) || !limits_read(inv, &limits))
		return gate_rc(inv, RC_BAD_WORD);
	if (flags & SLOTS_BADGED) {
		/* A badge says who its maker gave it to: it cannot be changed again. */
		if (key.kind != KIND_start || key.badge)
			return gate_rc(inv, RC_NO_RIGHT);
		key.badge = inv->in.words[3];
	}
	if (key.kind != KIND_start)
		key.rights &= (uint32_t)inv->in.words[1];
	if (flags & SLOTS_REVOCABLE || inv->in.text_bytes)
		return derive_grant(inv, &key, &limits);
	return answer_key(inv, key);
}

enum order_end
order_slots_sense(struct invocation *inv)
{
	struct key key;
	const enum rc rc = copied(inv, 0, &key);

	return rc == RC_OK ? answer_key(inv, key_sensed(&key)) : gate_rc(inv, rc);
}

enum order_end
order_slots_find(struct invocation *inv)
{
	const struct wasi *wasi = wasi_of(inv->domain);
	int32_t slot;

	if (!gate_charge(inv, (uint64_t)PRICE_NAME_BYTE * (inv->in.text_bytes + wasi_names(wasi))))
		return ORDER_DRY_GAS;
	if (!inv->in.text_bytes || inv->in.text_bytes >= WASI_PATH_MAX)
		return gate_rc(inv, RC_BAD_WORD);
	slot = wasi_find(wasi, (const char *)inv->in.text, inv->in.text_bytes);
	return slot < 0 ? gate_rc(inv, RC_VOID) : answer_word(inv, (uint64_t)slot);
}
