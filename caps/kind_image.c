/* SPDX-License-Identifier: Apache-2.0 */
/* kind_image.c - stopped trees of domains: frozen, forked, thawed.
 *
 * An image key names bytes that lie in the kernel, paid for by a bank. They can be
 * copied into the holder's own memory, written anywhere, and read back from
 * there; what they hold of authority is names only (docs/image-format.md). */
#include <errno.h>
#include <string.h>

#include "caps/bodies.h"
#include "caps/ends.h"
#include "caps/program.h"
#include "kernel/base/fits.h"
#include "kernel/prices.h"

/* --- sinks ------------------------------------------------------------------- */

static int
count_put(struct sink *sink, const void *data, size_t bytes)
{
	(void)sink;
	(void)data;
	(void)bytes;
	return 0;
}

struct body_sink {
	struct sink sink; /* first */
	struct image_body *body;
	uint64_t at;
};

static int
body_put(struct sink *sink, const void *data, size_t bytes)
{
	struct body_sink *to = (struct body_sink *)(void *)sink;

	if (bytes > to->body->count - to->at)
		return -EOVERFLOW;
	if (bytes)
		memcpy(to->body->bytes + to->at, data, bytes);
	to->at += bytes;
	return 0;
}

/* --- bodies ------------------------------------------------------------------- */

bool
image_body_take(struct world *world, struct image_body *body, struct bank *payer, uint64_t count)
{
	if (!bank_take(payer, heap_cost(count)))
		return false;
	body->bytes = heap_take(world_heap(world), count);
	if (!body->bytes) {
		bank_give(payer, heap_cost(count));
		return false;
	}
	body->count = count;
	body->payer = payer;
	return true;
}

void
image_object_end(struct world *world, void *data)
{
	struct image_body *body = data;

	if (!body->bytes)
		return;
	heap_give(world_heap(world), body->bytes, body->count);
	bank_give(body->payer, heap_cost(body->count));
}

static enum order_end
answer_body(struct invocation *inv, struct bank *payer, uint64_t count,
	struct image_body **ret_body, struct key *ret_key)
{
	enum order_end end = answer_object(
		inv, payer, KIND_image, sizeof **ret_body, (void **)ret_body, ret_key);

	if (!*ret_body || image_body_take(inv->world, *ret_body, payer, count))
		return end;
	object_end(inv->world, ret_key->object);
	*ret_body = NULL;
	inv->out.keys[0] = (struct key){0};
	return gate_rc(inv, RC_NO_SPACE);
}

static uint32_t
domains_in(struct domain *domain)
{
	uint32_t count = 0;

	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		count++;
	return count;
}

/* --- freezing ---------------------------------------------------------------------- */

static bool
is_within(const struct domain *domain, const struct domain *top)
{
	while (domain && domain != top)
		domain = domain->parent;
	return domain != NULL;
}

/* Bytes are given only if every domain in it is open to the asker. */
static bool
has_closed(struct domain *domain)
{
	for (struct domain *at = domain; at; at = domain_walk(at, domain))
		if (at->closed)
			return true;
	return false;
}

/* The tree comes to rest; the invoker's line is the running one again. */
static enum rc
rest(struct invocation *inv, struct domain *child)
{
	if (!child)
		return RC_VOID;
	if (is_within(inv->domain, child))
		return RC_BUSY;
	domain_quiesce(child);
	line_switch(world_clock(inv->world), &inv->domain->meter.line);
	return RC_OK;
}

enum order_end
order_domain_freeze(struct invocation *inv)
{
	struct domain *child = key_domain(inv);
	struct sink counted = {.put = count_put};
	struct body_sink to = {.sink = {.put = body_put}};
	struct bank *payer;
	struct key key;
	enum order_end end;
	enum rc rc = sent_bank(inv, 0, &payer);

	if (rc == RC_OK)
		rc = rest(inv, child);
	if (rc == RC_OK && has_closed(child))
		rc = RC_OPAQUE;
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (image_write(inv->world, child, &counted, false))
		return gate_rc(inv, RC_NO_SPACE);
	if (!gate_charge(inv, price_copy(counted.bytes) + price_copy(counted.bytes)))
		return ORDER_DRY_GAS;
	end = answer_body(inv, payer, counted.bytes, &to.body, &key);
	if (!to.body)
		return end;
	to.body->domains = domains_in(child);
	if (image_write(inv->world, child, &to.sink, false)) {
		object_end(inv->world, key.object);
		inv->out.keys[0] = (struct key){0};
		return gate_rc(inv, RC_NO_SPACE);
	}
	inv->out.words[0] = counted.bytes;
	return end;
}

static enum order_end
answer_copy(struct invocation *inv, struct domain *copy)
{
	struct key key = domain_key(copy, KIND_domain);

	domain_hold(copy);
	key.rights = kind_rights(KIND_domain);
	return answer_key(inv, key);
}

enum order_end
order_domain_fork(struct invocation *inv)
{
	struct domain *child = key_domain(inv), *copy;
	struct domain_above above;
	struct report report;
	enum rc rc = creator_above(inv, 0, &above);
	int error;

	if (rc == RC_OK)
		rc = rest(inv, child);
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	if (!gate_charge(inv, mul_saturating(PRICE_FORK_DOMAIN, domains_in(child))))
		return ORDER_DRY_GAS;
	report_clear(&report);
	error = domain_fork(child, &above, &report, &copy);
	if (error)
		return gate_rc(inv, error == -EBUSY ? RC_BUSY : RC_NO_SPACE);
	return answer_copy(inv, copy);
}

/* --- image keys ------------------------------------------------------------------------ */

enum order_end
order_creator_read(struct invocation *inv)
{
	const uint64_t count = inv->in.words[1];
	const uint8_t *from = gate_mem(inv, inv->in.words[0], count);
	struct image_body *body;
	struct bank *payer;
	struct key key;
	enum order_end end;
	const enum rc rc = sent_bank(inv, 0, &payer);

	if (rc != RC_OK || !from || !count)
		return gate_rc(inv, rc != RC_OK ? rc : RC_BAD_WORD);
	if (!gate_charge(inv, price_copy(count)))
		return ORDER_DRY_GAS;
	end = answer_body(inv, payer, count, &body, &key);
	if (body)
		memcpy(body->bytes, from, count);
	return end;
}

enum order_end
order_creator_thaw(struct invocation *inv)
{
	struct image_body *body;
	struct domain_above above;
	struct domain *copy;
	struct report report;
	struct key key;
	enum rc rc = sent_key(inv, 0, KIND_image, &key);
	int error;

	if (rc == RC_OK)
		rc = creator_above(inv, 1, &above);
	if (rc != RC_OK)
		return gate_rc(inv, rc);
	body = object_body(inv->world, &key);
	if (!body)
		return gate_rc(inv, RC_VOID);
	if (!gate_charge(inv, add_saturating(price_load(body->count), price_copy(body->count))))
		return ORDER_DRY_GAS;
	report_clear(&report);
	error = image_thaw(inv->world, &above, body->bytes, body->count, &report, &copy);
	if (!error)
		return answer_copy(inv, copy);
	(void)answer_text(inv, caps_words(inv->world, &report), strlen(report.text));
	return gate_rc(inv, error == -EINVAL || error == -ENOENT ? RC_BAD_WORD : RC_NO_SPACE);
}

static struct image_body *
image_named(struct invocation *inv)
{
	return object_body(inv->world, &inv->key);
}

enum order_end
order_image_size(struct invocation *inv)
{
	const struct image_body *body = image_named(inv);

	if (!body)
		return gate_rc(inv, RC_VOID);
	inv->out.words[0] = body->count;
	inv->out.words[1] = body->domains;
	return gate_rc(inv, RC_OK);
}

/* Into the invoker's memory, as much at once as it likes. */
enum order_end
order_image_read(struct invocation *inv)
{
	const struct image_body *body = image_named(inv);
	const uint64_t at = inv->in.words[0], count = inv->in.words[1];
	uint8_t *to = gate_mem(inv, inv->in.words[2], count);

	if (!body)
		return gate_rc(inv, RC_VOID);
	if (!to || at > body->count || count > body->count - at)
		return gate_rc(inv, RC_BAD_WORD);
	if (!gate_charge(inv, price_copy(count)))
		return ORDER_DRY_GAS;
	if (count)
		memcpy(to, body->bytes + at, count);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_image_end(struct invocation *inv)
{
	if (!image_named(inv))
		return gate_rc(inv, RC_VOID);
	object_end(inv->world, inv->key.object);
	return gate_rc(inv, RC_OK);
}
