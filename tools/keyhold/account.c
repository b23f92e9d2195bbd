/* SPDX-License-Identifier: Apache-2.0 */
/* account.c - the report: how it ended and what it used, as JSON.
 *
 * Names are stable; a new one may be added, none changes its meaning while
 * "v" is 1. docs/report.md has each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/json.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"

static json_t *
record_text_json(const struct record_text *text)
{
	return json_text(text->text, text->bytes);
}

static json_t *
keys_json(const struct launch *launch)
{
	json_t *keys = json_array();

	for (uint32_t i = 0; launch->record && i < launch->record->keys_count; i++) {
		const struct record_key *key = &launch->record->keys[i];
		const struct ledger_key *of_broker =
			ledger_named(&launch->ledger, key->name.text, key->name.bytes);
		json_t *json = json_object();

		json_object_set_new(json, "name", record_text_json(&key->name));
		json_object_set_new(json, "spec", record_text_json(&key->spec));
		json_object_set_new(json, "read", json_count(key->counts.read));
		json_object_set_new(json, "written", json_count(key->counts.written));
		json_object_set_new(json, "denied", json_count(key->counts.denied));
		json_object_set_new(json, "missing", json_count(key->counts.missing));
		json_object_set_new(json, "expired", json_boolean(of_broker && of_broker->is_expired));
		json_object_set_new(json, "conns", ledger_conns_json(of_broker, launch->broker));
		json_array_append_new(keys, json);
	}
	return keys;
}

static json_t *
walls_json(const struct launch *launch)
{
	json_t *walls = json_object();

	if (!launch->record) /* it never told; this is what was tried */
		json_object_set_new(walls, "tier", json_string(walls_tier_name(launch->start.plan.tier)));
	if (!launch->record)
		return walls;
	json_object_set_new(walls, "tier", json_string(walls_tier_name(launch->record->walls.tier)));
	for (unsigned i = 0; i < WALL_COUNT; i++)
		json_object_set_new(walls, walls_wall_name(i), json_boolean(launch->record->walls.up[i]));
	json_object_set_new(walls, "landlock_abi", json_integer(launch->record->walls.landlock_abi));
	return walls;
}

/* The broker's own. */
static json_t *
broker_json(const struct launch *launch)
{
	const struct broker_walls_state *walls = &launch->enclosed;
	json_t *json = json_object();

	for (unsigned i = 0; i < BROKER_WALL_COUNT; i++)
		json_object_set_new(json, broker_wall_name(i), json_boolean(walls->up[i]));
	json_object_set_new(json, "directories_live", json_boolean(walls->live));
	return json;
}

static json_t *
where_json(const struct launch *launch)
{
	const struct record *record = launch->record;
	json_t *where, *stack = json_array();

	for (uint32_t i = 0; record && i < record->frames_count; i++) {
		json_t *frame = json_object();

		json_object_set_new(frame, "func", record_text_json(&record->frames[i].func));
		json_object_set_new(frame, "index", json_integer(record->frames[i].index));
		json_object_set_new(frame, "offset", json_integer(record->frames[i].offset));
		json_array_append_new(stack, frame);
	}
	if (!record || !record->frames_count) {
		json_decref(stack);
		return json_null();
	}
	where = json_object();
	json_object_set_new(where, "module", json_text(launch->program, strlen(launch->program)));
	json_object_set_new(where, "func", record_text_json(&record->frames[0].func));
	json_object_set_new(where, "offset", json_integer(record->frames[0].offset));
	json_object_set_new(where, "depth", json_integer(record->depth));
	json_object_set_new(where, "stack", stack);
	return where;
}

static json_t *
whys_json(const struct record *record)
{
	json_t *whys = json_array();

	for (uint32_t i = 0; record && i < record->whys_count; i++) {
		const struct record_why *why = &record->whys[i];
		json_t *json = json_object();

		json_object_set_new(json, "what", record_text_json(&why->what));
		json_object_set_new(json, "key", record_text_json(&why->key));
		json_object_set_new(json, "why", record_text_json(&why->why));
		json_object_set_new(json, "saw", record_text_json(&why->saw));
		json_object_set_new(json, "allow", record_text_json(&why->allow));
		json_object_set_new(json, "count", json_count(why->count));
		json_object_set_new(json, "missing", json_boolean(why->missing));
		json_array_append_new(whys, json);
	}
	return whys;
}

static json_t *
holes_json(const struct record *record)
{
	json_t *holes = json_array();

	for (uint32_t i = 0; i < record->holes_count; i++) {
		json_t *json = json_object();

		json_object_set_new(json, "name", record_text_json(&record->holes[i].name));
		json_object_set_new(json, "spec", record_text_json(&record->holes[i].spec));
		json_array_append_new(holes, json);
	}
	return holes;
}

static json_t *
image_json(const struct launch *launch)
{
	const struct record *record = launch->record;
	json_t *json;

	if (!record || record->image == IMAGE_NONE)
		return json_null();
	json = json_object();
	json_object_set_new(json, "when", json_string(start_when_text(record->image_when)));
	json_object_set_new(json, "file", json_text(launch->images[record->image_when].name,
		strlen(launch->images[record->image_when].name)));
	json_object_set_new(json, "bytes", json_count(record->image_bytes));
	json_object_set_new(json, "written", json_boolean(record->image == IMAGE_WRITTEN));
	return json;
}

/* How the clock and the generator were: the spec of the key of that kind. */
static json_t *
mode_json(const struct record *record, enum kind_id kind)
{
	for (uint32_t i = 0; i < record->keys_count; i++) {
		const struct record_text *spec = &record->keys[i].spec;
		const char *value = memchr(spec->text, ':', spec->bytes);

		if (record->keys[i].kind == (uint32_t)kind && value)
			return json_text(value + 1, (size_t)(spec->text + spec->bytes - value - 1));
	}
	return json_null();
}

static json_t *
report_json(const struct launch *launch, int status)
{
	static const struct record nothing = {.gas_left = UINT64_MAX};
	const struct record *record = launch->record ? launch->record : &nothing;
	json_t *report = json_object(), *gas = json_object(), *run = json_object();

	json_object_set_new(report, "v", json_integer(1));
	json_object_set_new(report, "end", json_string(verdict_end(launch)));
	json_object_set_new(report, "code",
		json_integer(launch->record && record->end == RECORD_EXIT ? (json_int_t)record->code
									  : (json_int_t)status));
	json_object_set_new(gas, "guest", json_count(record->gas_guest));
	json_object_set_new(gas, "host", json_count(record->gas_host));
	json_object_set_new(gas, "left", json_limit(record->gas_left));
	json_object_set_new(gas, "need", json_count(record->end == RECORD_GAS ? record->need : 0));
	json_object_set_new(report, "gas", gas);
	json_object_set_new(run, "gas", json_count(record->gas_run));
	json_object_set_new(report, "run", run);
	json_object_set_new(report, "storage_peak", json_count(record->storage_peak));
	json_object_set_new(report, "storage_limit", json_limit(record->storage_limit));
	json_object_set_new(report, "keys", keys_json(launch));
	json_object_set_new(report, "walls", walls_json(launch));
	json_object_set_new(report, "broker", broker_json(launch));
	json_object_set_new(report, "where", where_json(launch));
	json_object_set_new(report, "clock", mode_json(record, KIND_clock));
	json_object_set_new(report, "random", mode_json(record, KIND_entropy));
	json_object_set_new(report, "image", image_json(launch));
	json_object_set_new(report, "holes", holes_json(record));
	json_object_set_new(report, "why", whys_json(launch->record));
	json_object_set_new(report, "refused", ledger_json(&launch->ledger));
	if (record->end == RECORD_TRAP)
		json_object_set_new(report, "trap", record_text_json(&record->trap));
	if (launch->record && record->end == RECORD_REFUSED)
		json_object_set_new(report, "error", record_text_json(&record->text));
	if (launch->signal)
		json_object_set_new(report, "signal", json_integer(launch->signal));
	return report;
}

int
account_write(struct launch *launch, int status)
{
	struct new_file *file = &launch->report_file;
	struct report why = {.offset = UINT64_MAX};
	json_t *json;
	char *text;
	int r;

	if (file->fd < 0)
		return 0;
	json = report_json(launch, status);
	text = json_dumps(json, JSON_COMPACT);
	r = text ? write_all(file->fd, text, strlen(text)) : -ENOMEM;
	if (!r)
		r = write_all(file->fd, "\n", 1);
	if (!r)
		r = new_file_keep(file, &why);
	free(text);
	json_decref(json);
	if (!r)
		return 0;
	say_error("the report could not be written to %s: %s", file->name,
		why.text[0] ? why.text : strerror(-r));
	return EXIT_IO;
}
