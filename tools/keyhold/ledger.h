/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h - what the broker did of itself, by the names of keys: which it refused
 * and why, which it cut because their time was over, how many connections it made.
 *
 *   hooks.refused --ledger_refused--> refusals[] ---> why of --control
 *   hooks.expired --ledger_expired--> keys[]     `--> --report, the last words
 *
 * Owns     copies of names and words; they are safe to show.
 * Callers  launch.c (fills it), control_*.c, account.c, verdict.c.
 * Never    asks the worker: what it says of its keys is in its record.
 *
 * LEDGER1  a name is there once: the grant that it was given last. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/broker/broker.h"

enum { LEDGER_REFUSALS_MAX = 16 };

struct refusal {
	char key[128], what[16], path[128], why[256];
	bool missing; /* no such name, not a refusal */
	bool worded;  /* by the broker itself: nobody else knows why */
	uint64_t count;
};

struct ledger_key {
	char *name;
	uint32_t grant;   /* the broker's id */
	bool is_network;
	bool is_expired;  /* its time was over, and it was cut */
	bool is_told;     /* ... and the worker is to know, or knows */
};

struct ledger {
	struct ledger_key *keys;
	uint32_t keys_count;
	struct refusal refusals[LEDGER_REFUSALS_MAX]; /* the oldest first */
	uint32_t refusals_count;
};

/* Of one more key, or of one that is given anew. Without memory its refusals are nameless. */
void ledger_key(struct ledger *ledger, const char *name, uint32_t grant, bool is_network);
void ledger_refused(struct ledger *ledger, uint32_t grant, enum device_op op, const char *path,
	size_t path_bytes, enum device_error error, const char *why);
/* NULL: no key of that grant. */
struct ledger_key *ledger_expired(struct ledger *ledger, uint32_t grant);
/* NULL: it has none. */
const struct ledger_key *ledger_named(const struct ledger *ledger, const char *name, size_t bytes);
/* The newest that only the broker knows the cause of; NULL. */
const struct refusal *ledger_newest(const struct ledger *ledger);
/* refused[]: the newest first. */
json_t *ledger_json(const struct ledger *ledger);
/* Connections under the key: null of one to no network. */
json_t *ledger_conns_json(const struct ledger_key *key, const struct broker *broker);
void ledger_done(struct ledger *ledger);
