/* SPDX-License-Identifier: Apache-2.0 */
/* orders.h - orders on keys: from the gate to the function of a row.
 *
 * Does     finds the row of (kind, order) in orders.def, checks its rights,
 *          charges its price, calls it.
 * Callers  the kernel, through struct kind's `invoke`.
 * Errors   enum rc in inv->rc; ORDER_DRY_GAS and ORDER_FULL before any change.
 * Source   design.md section 4. */
#pragma once

#include "caps/state.h"
#include "kernel/gate.h"

enum order_end orders_invoke(struct invocation *inv);

#define ORDER(kind, name, number, rights, gas, in, out, what)                                  \
	enum order_end order_##kind##_##name(struct invocation *inv);
#include "caps/orders.def"
#undef ORDER

/* A key that came with the message, if it is usable and of this kind: RC_OK. */
enum rc sent_key(struct invocation *inv, unsigned index, enum kind_id kind, struct key *ret_key);
/* The domain of the invoked key or of one sent; NULL when it is gone. */
struct domain *key_domain(struct invocation *inv);
/* The bank that pays: of the key sent in that place, or the invoker's own. */
enum rc sent_bank(struct invocation *inv, unsigned index, struct bank **ret_bank);
/* Answers with one key in place 0. */
enum order_end answer_key(struct invocation *inv, struct key key);
enum order_end answer_word(struct invocation *inv, uint64_t word);
/* Answers with bytes that stay where they are until the order is over. */
enum order_end answer_text(struct invocation *inv, const void *text, uint64_t bytes);
/* A new object and the key to it with these rights; RC_NO_SPACE (or ORDER_FULL). */
enum order_end answer_object(struct invocation *inv, struct bank *payer, enum kind_id kind,
	uint64_t bytes, void **ret_body, struct key *ret_key);

/* A place for an answer's text; MESSAGE_TEXT_MAX bytes, until it is delivered. */
uint8_t *text_kept(struct world *world);
/* The object of the invoked key ends. */
enum order_end end_object(struct invocation *inv);
/* Whether it can lie in an object: a resume key cannot, it only moves. */
bool key_is_copied(const struct key *key);
/* kind_forwarder.c: inv->key is what the order is for; false: *ret_end is its end. */
bool forwarded(struct invocation *inv, enum order_end *ret_end);

/* All rights that a kind's orders ask for. */
uint32_t kind_rights(enum kind_id kind);
