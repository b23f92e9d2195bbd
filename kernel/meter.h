/* SPDX-License-Identifier: Apache-2.0 */
/* meter.h - a line as an object: with who is asked when it is dry, and who waits.
 *
 * A domain has one of its own inside it (its private line); others are made by
 * an order on a meter key, and belong to a bank.
 *
 * METER1   who is parked on a meter found it dry and is in its queue; nobody else.
 * METER2   `told` while somebody was asked to refuel it and has not let it go on.
 * Source   design.md section 5, L1, L8, L9; KeyKOS meter keepers. */
#pragma once

#include <stddef.h>

#include "kernel/key.h"
#include "kernel/line.h"

struct domain;

struct queue { /* of domains, first in first out */
	struct domain *head, *tail;
};

struct meter {
	struct line line;     /* first */
	struct domain *owner; /* whose private line it is; NULL: it stands alone */
	uint32_t object;      /* keys to it name this; OBJECT_NONE until there is one */
	struct key keeper;    /* a start key, called when it is dry; void: none */
	struct queue parked;
	bool told;
	struct domain *asker;    /* whose call of the keeper is on its way */
	struct domain *asked_by; /* whose run ended because of it; it goes on with the next */
	uint64_t rent;        /* L8: gas per page and unit of gas, of the owner's pages */
};

/* Whose queue a domain is parked in. */
static inline struct meter *
meter_with_parked(struct queue *parked)
{
	return (struct meter *)(void *)((char *)parked - offsetof(struct meter, parked));
}

static inline struct meter *
meter_of(struct line *line)
{
	return (struct meter *)(void *)line;
}
