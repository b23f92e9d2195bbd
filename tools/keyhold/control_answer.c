/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "drivers/errors.h"
#include "tools/keyhold/control.h"
#include "tools/keyhold/json.h"
#include "tools/keyhold/say.h"

static const char *const state_texts[] = { /* ORDER STATES */
	"ready", "waiting", "stopped", "calling", "available", "queued", "parked",
};
_Static_assert(sizeof(state_texts) / sizeof(*state_texts) == DOMAIN_STATE_COUNT, "one for each");

static const char *const stop_texts[] = { /* ORDER STOPS */
	"", "returned", "yielded", "out of gas", "out of storage", "trap", "called", "waiting", "revoked",
	"ended", "stepped",
};
_Static_assert(sizeof(stop_texts) / sizeof(*stop_texts) == STOP_COUNT, "one for each");

static const char *const kind_texts[] = {
#define KIND(name, fork, image, what) #name,
#include "caps/kinds.def"
#undef KIND
};

/* A worker that fell may say anything: control bytes never reach a terminal. */
static json_t *
safe_json(struct answer_text text)
{
	char safe[2048];

	say_safe(text.text, text.bytes, safe, sizeof(safe));
	return json_text(safe, strlen(safe));
}

static json_t *
domain_json(const struct answer_domain *row)
{
	json_t *json = json_object();
	const bool stopped = row->state == DOMAIN_STOPPED;

	json_object_set_new(json, "path", safe_json(row->path));
	json_object_set_new(json, "depth", json_count(row->depth));
	json_object_set_new(json, "state", json_string(row->paused ? "frozen"
		: row->state < DOMAIN_STATE_COUNT ? state_texts[row->state] : "?"));
	json_object_set_new(json, "stop", stopped && row->stop && row->stop < STOP_COUNT
		? json_string(stop_texts[row->stop]) : json_null());
	json_object_set_new(json, "frozen", json_boolean(row->paused));
	json_object_set_new(json, "device", json_boolean(row->waits));
	json_object_set_new(json, "gas", json_pack("{s:o, s:o}", "used", json_count(row->used), "left",
		json_limit(row->left)));
	json_object_set_new(json, "storage", json_pack("{s:o, s:o, s:o}", "used", json_count(row->storage),
		"peak", json_count(row->storage_peak), "limit", json_limit(row->storage_limit)));
	json_object_set_new(json, "slots", json_count(row->slots));
	return json;
}

static json_t *
domains_json(struct bytes_in *in, const struct answer_head *head)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < head->rows && !in->bad; i++) {
		struct answer_domain row;

		answer_get_domain(in, &row);
		if (!in->bad)
			json_array_append_new(rows, domain_json(&row));
	}
	return json_pack("{s:o, s:b}", "domains", rows, "more", head->more);
}

/* What the worker counts, and what the broker knows: by name. */
static json_t *
key_json(const struct live_key *key, uint64_t now)
{
	json_t *json = json_object();
	char text[ORDER_TEXT_MAX + 128];

	(void)snprintf(text, sizeof(text), "%s:%s", key->domain, key->name);
	json_object_set_new(json, "key", json_text(text, strlen(text)));
	json_object_set_new(json, "domain", json_text(key->domain, strlen(key->domain)));
	json_object_set_new(json, "name", json_text(key->name, strlen(key->name)));
	json_object_set_new(json, "spec", json_text(key->spec, strlen(key->spec)));
	json_object_set_new(json, "state", json_string(key->state == LIVE ? "live"
		: key->state == LIVE_REVOKED ? "revoked" : "expired"));
	json_object_set_new(json, "ends_in_ms", key->ends_ns
		? json_count(key->ends_ns > now ? (key->ends_ns - now) / 1000000 : 0) : json_null());
	return json;
}

static void
key_count(json_t *json, const struct answer_key *row)
{
	json_object_set_new(json, "kind", json_string(row->kind < KIND_COUNT ? kind_texts[row->kind] : "?"));
	json_object_set_new(json, "read", json_count(row->read));
	json_object_set_new(json, "written", json_count(row->written));
	json_object_set_new(json, "denied", json_count(row->denied));
	json_object_set_new(json, "missing", json_count(row->missing));
	json_object_set_new(json, "uses_left", json_limit(row->uses_left));
	json_object_set_new(json, "bytes_left", json_limit(row->bytes_left));
}

static bool
is_text(struct answer_text text, const char *other)
{
	return strlen(other) == text.bytes && !memcmp(text.text, other, text.bytes);
}

static json_t *
keys_json(struct control *control, struct bytes_in *in, const struct answer_head *head)
{
	const struct bytes_in rows = *in;
	const uint64_t now = monotonic_ns();
	json_t *keys = json_array();

	for (const struct live_key *key = control->keys; key; key = key->next) {
		json_t *json = key_json(key, now);

		*in = rows;
		for (uint32_t i = 0; i < head->rows && !in->bad; i++) {
			struct answer_key row;

			answer_get_key(in, &row);
			if (!in->bad && is_text(row.name, key->name))
				key_count(json, &row);
		}
		json_array_append_new(keys, json);
	}
	return json_pack("{s:o, s:b}", "keys", keys, "more", head->more);
}

static json_t *
whys_json(const struct control *control, struct bytes_in *in, const struct answer_head *head)
{
	json_t *whys = json_array();

	for (uint32_t i = 0; i < head->rows && !in->bad; i++) {
		struct answer_why row;

		answer_get_why(in, &row);
		if (in->bad)
			break;
		json_array_append_new(whys, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
			"domain", safe_json(row.domain), "what", safe_json(row.what), "key", safe_json(row.key),
			"why", safe_json(row.why), "saw", safe_json(row.saw), "allow", safe_json(row.allow),
			"count", json_count(row.count), "missing", row.missing));
	}
	return json_pack("{s:o, s:o, s:b}", "why", whys, "broker", ledger_json(&control->launch->ledger), "more",
		head->more);
}

/* --- refusals of the worker's -------------------------------------------------------- */

static const struct {
	const char *code, *why, *allow; /* why: NULL: the worker's words */
} codes[OBEYED_COUNT] = {
	[OBEYED_NO_DOMAIN] = {"no-domain", "no domain is called that",
		"as the command ps prints them: main/plug"},
	[OBEYED_NO_KEY] = {"no-key", "no key of the host's is called that", NULL},
	[OBEYED_TAKEN] = {"taken", NULL, "revoke the other first"},
	[OBEYED_NO_ROOM] = {"no-room", NULL, "give it more: limit DOM mem=.."},
	[OBEYED_BAD] = {"bad", NULL, NULL},
	[OBEYED_TOP] = {"bad", "it is the whole", "end main"},
	[OBEYED_OUTSIDE] = {"cannot", NULL, NULL},
	[OBEYED_FAULT] = {"fault", "there is no memory for it", NULL},
};

static const char *const do_texts[DO_COUNT] = {
	"ps", "keys", "why", "grant", "revoke", "limit", "freeze", "thaw", "snapshot", "restore", "end",
};

static void
tell_refusal(const struct work *work, const struct answer_head *head, struct answer_text words)
{
	const struct order *order = &work->order;
	char safe[1024];
	struct control_error error = {codes[head->code].code, do_texts[order->what],
		order->name && head->code != OBEYED_NO_DOMAIN ? order->name : order->domain,
		codes[head->code].why, NULL,
		codes[head->code].allow};

	say_safe(words.text, words.bytes, safe, sizeof(safe));
	if (!error.why)
		error.why = safe;
	control_refuse(work->client, work->id, &error);
}

/* --- answers ------------------------------------------------------------------------------ */

static json_t *
granted(struct control *control, const struct work *work, const struct answer_head *head)
{
	struct live_key *key = key_add(control, work->order.name, work->order.domain, work->order.spec,
		work->grant);
	json_t *json;

	if (!key)
		return NULL;
	ledger_key(&control->launch->ledger, work->order.name, work->grant, work->is_network);
	if (work->for_ns)
		key->ends_ns = monotonic_ns() + work->for_ns;
	json = key_json(key, monotonic_ns());
	json_object_set_new(json, "slot", head->number ? json_count(head->number - 1) : json_null());
	keys_expire(control); /* sets the timer */
	return json;
}

static json_t *
ok_json(struct control *control, struct work *work, struct bytes_in *in,
	const struct answer_head *head)
{
	const struct order *order = &work->order;

	switch (order->what) {
	case DO_LOOK:
		return domains_json(in, head);
	case DO_KEYS:
		return keys_json(control, in, head);
	case DO_WHY:
		return whys_json(control, in, head);
	case DO_GRANT:
		return granted(control, work, head);
	case DO_CUT:
		return json_pack("{s:s, s:o}", "revoked", order->name, "woken", json_count(head->number));
	case DO_SNAPSHOT:
		return json_pack("{s:s, s:o}", "domain", order->domain, "bytes", json_count(head->number));
	case DO_LIMIT:
	case DO_PAUSE:
	case DO_RESUME:
	case DO_RESTORE:
	case DO_END:
	case DO_COUNT:
		break;
	}
	return json_pack("{s:s}", "domain", order->domain ? order->domain : "main");
}

/* What was granted for it only, or in vain. */
static void
grant_done(struct control *control, const struct work *work, bool good)
{
	if (work->grant && !(good && work->order.what == DO_GRANT))
		(void)broker_revoke(control->launch->broker, work->grant);
}

void
control_tell(struct control *control, struct work *work, const uint8_t *bytes, size_t count)
{
	struct bytes_in in = bytes_in(count ? bytes : (const uint8_t *)"", count);
	struct answer_head head;
	json_t *ok = NULL;

	answer_get_head(&in, &head);
	if (in.bad) { /* not even that: there was no memory for it, or it fell */
		head = (struct answer_head){.code = OBEYED_FAULT};
		in = bytes_in("", 0);
	}
	if (head.code == OBEYED) {
		ok = ok_json(control, work, &in, &head);
		if (in.bad || !ok) {
			json_decref(ok);
			ok = NULL;
			head.code = OBEYED_FAULT;
		}
	}
	grant_done(control, work, ok != NULL);
	if (ok)
		control_answer(work->client, work->id, ok);
	else
		tell_refusal(work, &head, answer_get_text(&in));
}
