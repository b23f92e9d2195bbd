/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - the one gate: call, send, reply_wait.
 *
 * Owns     the message while it passes; who waits for whom.
 * Does     reads a message out of the invoker, has the key's kind answer it,
 *          puts the answer into the invoker or the message into the callee.
 * Callers  the imports of module `keyhold` (gate.c); caps/ in orders.
 * Never    stores a message: callers of a busy domain wait at their own call, in
 *          a queue linked through the domains, and pay for being there.
 *
 *   call        READY --> [QUEUED] --> CALLING ------- answer -------> READY
 *   send        READY --> [QUEUED] --> READY
 *   reply_wait  READY ---- reply ----> AVAILABLE ---- let in ---------> READY
 *                          (whoever it replies to becomes READY)
 *
 *   A message in the guest, 96 bytes, little-endian (caps/guest.h):
 *     0 words 4 x u64     32 badge u64 (out)     40 text u32   44 text_bytes u32
 *    48 room_at u32       52 room u32            56 got u32 (out: the whole length)
 *    60 rc u32 (what reply_wait answers with)
 *    64 keys 4 x i32 (slots to send; -1: none)   80 slots 4 x i32 (to receive; -1: drop)
 *
 * GATE1    who is CALLING is waited for by one resume key of its present count,
 *          or by a run, or by its keeper.
 * GATE2    a resume key lies in one slot; when it goes, its caller wakes RC_GONE.
 * GATE3    who is QUEUED is in the queue of one domain that is busy.
 * Source   design.md section 4; KeyKOS gate jumps (CALL, FORK, RETURN). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/world.h"

enum { GATE_SLOTS = -1, /* as a slot: the invoker's own slots, kind `slots` */
	MESSAGE_BYTES = 96, MESSAGE_WORDS = 4, MESSAGE_KEYS = 4, MESSAGE_TEXT_MAX = 64 << 10 };

/* Orders that the kernel sends to keepers and start keys. */
enum gate_order {
	ORDER_IMPORT = 0xffff0001,  /* word 0: the import's index; text: the arguments; key 0: a view */
	ORDER_DRY = 0xffff0002,     /* word 0: what is needed; key 0: the meter */
	ORDER_STORAGE = 0xffff0003, /* word 0: bytes needed; key 0: the domain */
	ORDER_FAULT = 0xffff0004,   /* word 0: enum stop_reason, 1: enum trap, 2: offset; key 0: the domain */
};

/* What a key answered: caps/rc.def has the same numbers and more. */
enum gate_rc {
	GATE_OK, GATE_VOID, GATE_WRONG_KIND, GATE_NO_RIGHT, GATE_REVOKED, GATE_BAD_WORD,
	GATE_NO_SPACE, GATE_BUSY, GATE_GONE,
	GATE_FORKED = 11,
};

struct message {
	uint64_t words[MESSAGE_WORDS];
	uint64_t badge;
	const uint8_t *text; /* borrowed until it is delivered */
	uint32_t text_bytes;
	struct key keys[MESSAGE_KEYS]; /* void: none */
};

enum gate_form { GATE_CALL, GATE_SEND, GATE_REPLY };

struct invocation {
	struct call *call;     /* of the invoker; charges go to it */
	struct world *world;
	struct domain *domain; /* the invoker */
	enum gate_form form;
	uint32_t order;
	int32_t slot;          /* where the key lies */
	struct key key;
	struct message in;     /* keys[i]: copies of what lies in send_slots[i] */
	int32_t send_slots[MESSAGE_KEYS];
	bool admitted;         /* its key may be used */
	uint32_t rc;
	struct message out;
};

enum { GATE_IMPORT_CALL, GATE_IMPORT_SEND, GATE_IMPORT_REPLY_WAIT, GATE_IMPORT_YIELD };
extern const struct import_def gate_imports[]; /* those; ends with a NULL name */

/* kernel's part of kind->invoke: an order on a start key, and on a resume key. */
enum order_end gate_enter(struct invocation *inv);
enum order_end gate_reply(struct invocation *inv);

/* The invoker's memory, checked: what orders on memory areas use. */
uint8_t *gate_mem(struct invocation *inv, uint64_t at, uint64_t bytes);
/* Answers with this rc. */
enum order_end gate_rc(struct invocation *inv, uint32_t rc);
/* gas in all for this order, as call_charge(). */
bool gate_charge(struct invocation *inv, uint64_t gas);

/* Puts a key (void too) into a slot that exists; what lay there is gone. */
void slot_put(struct domain *domain, uint32_t slot, const struct key *key);
/* The key in a slot; void beyond the last. */
struct key slot_key(const struct domain *domain, uint32_t slot);
/* Checks grant and limits, counts a use; GATE_OK or why not. */
enum gate_rc key_usable(struct world *world, const struct key *key, uint64_t bytes);

/* The domain that stands in the import which this view came with, and its memory
 * there; NULL when that call is over, or beyond the end. */
struct domain *view_caller(struct world *world, const struct key *key);
uint8_t *view_mem(struct domain *caller, uint64_t at, uint64_t bytes);
uint64_t view_bytes(struct domain *caller);
/* The caller that this resume key would answer; NULL when it is void. */
struct domain *resume_caller(struct world *world, const struct key *key);
/* The two halves of a call: it waits, and the key to answer it is made; it does not. */
struct key gate_wait_reply(struct domain *caller, uint8_t wait, const struct key *through);
void gate_over(struct domain *caller);
/* Wakes a domain that is CALLING, with this answer. */
void gate_answer(struct domain *caller, uint32_t rc, const struct message *message);
/* A resume key was thrown away. */
void gate_lost(struct world *world, const struct key *key);
/* Callers whose resume key was thrown away hear of it; at the end of each step. */
void gate_settle(struct world *world);
/* While it waits for a device or an answer: a cut of this key's grant wakes it. */
void gate_wait_under(struct domain *domain, const struct key *key);
void gate_wait_end(struct domain *domain);
/* The kernel itself calls, for the domain: keepers. False: the keeper cannot be
 * called (void, gone, itself): nothing happened. */
bool gate_call_keeper(struct domain *domain, const struct key *keeper, uint32_t order,
	const struct message *message);
/* It will not answer any more, nor let anybody in: callers and those that wait wake. */
void gate_abandon(struct domain *domain);
/* It ends: out of every queue of the gate. */
void gate_forget(struct domain *domain);
/* Wakes all that wait under this grant or below with GATE_REVOKED; how many. */
uint32_t gate_cut(struct world *world, uint32_t grant);

/* The domain, or the bank with all that was bought from it, ends; perhaps the
 * invoker with it. */
enum order_end domain_end_by(struct invocation *inv, struct domain *domain);
enum order_end bank_end_by(struct invocation *inv, struct bank *bank);
/* The end of a bank that stands alone. */
void world_bank_done(struct world *world, struct bank *bank);

struct key domain_key(const struct domain *domain, uint8_t kind);
struct domain *domain_of(struct world *world, const struct key *key); /* NULL: gone */
