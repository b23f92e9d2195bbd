/* SPDX-License-Identifier: Apache-2.0 */
/* gate_inside.h - what the gate's files share; for kernel/ only.
 *
 *   gate.c ---- letter_read() ---> order on a key ---> letter_deliver()
 *                                    |  start key: gate_enter.c
 *                                    `- resume key: gate_answer.c */
#pragma once

#include "kernel/gate.h"

struct letter { /* a message as the guest wrote it */
	struct message message;
	uint32_t text, room_at, room, rc;
	int32_t keys[MESSAGE_KEYS], slots[MESSAGE_KEYS];
};

/* The letter at that place of the caller's memory; false: not all of it is memory. */
bool letter_read(struct call *call, uint32_t at, struct letter *ret);
/* Whatever comes later can be put down: GATE_OK, or why not. */
enum gate_rc letter_ready(struct call *call, const struct letter *letter);
/* Into the domain that stands in its call with its letter at `at`. */
void letter_deliver(struct domain *domain, uint32_t at, const struct message *message);
int32_t letter_i32(const uint8_t *from);
/* It waits for nobody any more; resume keys of this call are void. */
void gate_wait_over(struct domain *caller);
/* The call it stands in is over, with this in its result. */
void gate_call_over(struct domain *domain, uint64_t result);
/* The host cannot even hold what it has paid for: it ends where it stands. */
void gate_no_memory(struct domain *domain);
/* As gate_answer(), from inside: what crosses an edge was written down already. */
void gate_say(struct domain *caller, uint32_t rc, const struct message *message);
/* Out of the list of those that are to be told. */
void gate_lost_drop(struct domain *domain);
/* The next one that waits outside runs its call again. */
void gate_admit_next(struct domain *callee);
