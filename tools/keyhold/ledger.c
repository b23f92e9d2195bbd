/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/json.h"
#include "tools/keyhold/say.h"

/* --- keys --------------------------------------------------------------------------- */

void
ledger_key(struct ledger *ledger, const char *name, uint32_t grant, bool is_network)
{
	struct ledger_key *keys, *key;

	if (!grant)
		return; /* nothing of the broker's is behind it */
	for (uint32_t i = 0; i < ledger->keys_count; i++)
		if (!strcmp(ledger->keys[i].name, name)) {
			ledger->keys[i] = (struct ledger_key){.name = ledger->keys[i].name, .grant = grant,
				.is_network = is_network};
			return;
		}
	keys = realloc(ledger->keys, (ledger->keys_count + 1u) * sizeof(*keys));
	if (!keys)
		return;
	ledger->keys = keys;
	key = &keys[ledger->keys_count];
	*key = (struct ledger_key){.name = strdup(name), .grant = grant, .is_network = is_network};
	ledger->keys_count += key->name != NULL;
}

static struct ledger_key *
of_grant(const struct ledger *ledger, uint32_t grant)
{
	for (uint32_t i = 0; i < ledger->keys_count; i++)
		if (ledger->keys[i].grant == grant)
			return &ledger->keys[i];
	return NULL;
}

struct ledger_key *
ledger_expired(struct ledger *ledger, uint32_t grant)
{
	struct ledger_key *key = of_grant(ledger, grant);

	if (key)
		key->is_expired = true;
	return key;
}

const struct ledger_key *
ledger_named(const struct ledger *ledger, const char *name, size_t bytes)
{
	for (uint32_t i = 0; i < ledger->keys_count; i++)
		if (strlen(ledger->keys[i].name) == bytes && !memcmp(ledger->keys[i].name, name, bytes))
			return &ledger->keys[i];
	return NULL;
}

json_t *
ledger_conns_json(const struct ledger_key *key, const struct broker *broker)
{
	struct broker_counts counts;

	if (!key || !key->is_network || !broker_counts(broker, key->grant, &counts))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "made", json_count(counts.conns_made), "now",
		json_count(counts.conns), "most", json_count(counts.conns_most), "refused",
		json_count(counts.conns_refused));
}

/* --- refusals ------------------------------------------------------------------------- */

static bool
same(const struct refusal *a, const struct refusal *b)
{
	return !strcmp(a->key, b->key) && !strcmp(a->what, b->what) && !strcmp(a->path, b->path) &&
		!strcmp(a->why, b->why);
}

/* Where the error says it all. */
static const char *
why_of(enum device_error error)
{
	switch (error) {
	case DEVICE_ENOENT:
		return "there is no such name";
	case DEVICE_ECAPABILITY:
		return "it lies outside what was granted";
	case DEVICE_EROFS:
	case DEVICE_EACCES:
	case DEVICE_EPERM:
		return "it is not granted for that, or this machine forbids it";
	case DEVICE_EUNSUITABLE:
		return "it is neither a regular file nor a directory";
	case DEVICE_EREVOKED:
		return "the key was revoked";
	default:
		return "it failed";
	}
}

static const char *
what_of(enum device_op op)
{
	switch (op) {
	case DEVICE_OPEN:
		return "open";
	case DEVICE_CONNECT:
		return "connect";
	case DEVICE_ACCEPT:
		return "accept";
	case DEVICE_RESOLVE:
		return "resolve";
	case DEVICE_NARROW:
		return "narrow";
	case DEVICE_STAT_AT:
		return "look at";
	default:
		return "use";
	}
}

/* The place of the one that is the same, or of the oldest, now the last. */
static struct refusal *
place_for(struct ledger *ledger, const struct refusal *refusal)
{
	struct refusal *at = ledger->refusals, before;
	uint32_t i = 0;

	while (i < ledger->refusals_count && !same(&at[i], refusal))
		i++;
	if (i == ledger->refusals_count && i < LEDGER_REFUSALS_MAX)
		return &at[ledger->refusals_count++];
	before = i < ledger->refusals_count ? at[i] : (struct refusal){0};
	if (i == ledger->refusals_count)
		i = 0;
	memmove(at + i, at + i + 1, (ledger->refusals_count - 1 - i) * sizeof(*at));
	at[ledger->refusals_count - 1] = before;
	return &at[ledger->refusals_count - 1];
}

void
ledger_refused(struct ledger *ledger, uint32_t grant, enum device_op op, const char *path,
	size_t path_bytes, enum device_error error, const char *why)
{
	const struct ledger_key *key = of_grant(ledger, grant);
	struct refusal refusal = {.missing = broker_is_missing(error), .worded = why != NULL};
	const char *words = why ? why : why_of(error);
	struct refusal *place;

	if (key)
		say_safe(key->name, strlen(key->name), refusal.key, sizeof(refusal.key));
	(void)snprintf(refusal.what, sizeof(refusal.what), "%s", what_of(op));
	say_safe(path, path_bytes, refusal.path, sizeof(refusal.path));
	say_safe(words, strlen(words), refusal.why, sizeof(refusal.why));
	place = place_for(ledger, &refusal);
	refusal.count = place->count + 1;
	*place = refusal;
}

const struct refusal *
ledger_newest(const struct ledger *ledger)
{
	for (uint32_t i = ledger->refusals_count; i-- > 0;)
		if (ledger->refusals[i].worded && !ledger->refusals[i].missing)
			return &ledger->refusals[i];
	return NULL;
}

json_t *
ledger_json(const struct ledger *ledger)
{
	json_t *list = json_array();

	for (uint32_t i = ledger->refusals_count; i-- > 0;) {
		const struct refusal *refusal = &ledger->refusals[i];

		json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o, s:b, s:o}",
			"key", json_text(refusal->key, strlen(refusal->key)), "what", refusal->what,
			"path", json_text(refusal->path, strlen(refusal->path)),
			"why", json_text(refusal->why, strlen(refusal->why)), "missing", refusal->missing,
			"count", json_count(refusal->count)));
	}
	return list;
}

void
ledger_done(struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->keys_count; i++)
		free(ledger->keys[i].name);
	free(ledger->keys);
	*ledger = (struct ledger){0};
}
