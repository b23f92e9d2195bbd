/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c - a module or image described. Its bytes are looked at by a worker,
 * behind the walls; here its entries become text or JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/look.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"

enum { TEXT_MAX = 512 };

static const struct want {
	const char *module, *prefix, *key, *option, *what;
} wants[] = {
#define WANT(module, prefix, key, option, what) {module, prefix, key, option, what},
#include "tools/keyhold/wants.def"
#undef WANT
};

enum { WANTS = sizeof(wants) / sizeof(*wants) };

static const char *const kind_texts[] = {"func", "table", "memory", "global"};

struct look {
	const char *file;
	struct bytes_in in;
	json_t *json;          /* NULL: text */
	json_t *modules, *domains; /* of json; borrowed */
	json_t *module, *domain; /* the one being read; borrowed */
	bool wanted[WANTS];
	bool has_start, is_image;
	char invoke[80];       /* the first exported function */
	uint32_t unserved;
};

/* A text, safe to show. */
static const char *
get_text(struct bytes_in *in, char text[static TEXT_MAX])
{
	uint32_t bytes;
	const uint8_t *at = bytes_text(in, &bytes);

	return say_safe(at ? (const char *)at : "", bytes, text, TEXT_MAX);
}

/* Bytes that are no UTF-8 become '?'. */
static json_t *
text_json(const char *text)
{
	json_t *json = json_string(text);
	char safe[TEXT_MAX];

	if (json)
		return json;
	for (size_t i = 0; i < sizeof(safe); i++) {
		safe[i] = (unsigned char)text[i] >= 0x80 ? '?' : text[i];
		if (!safe[i])
			break;
	}
	safe[sizeof(safe) - 1] = 0;
	return json_string(safe);
}

static json_t *
count_json(uint64_t count)
{
	if (count == UINT64_MAX)
		return json_null();
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

static const char *
kind_text(uint8_t kind)
{
	return kind < 4 ? kind_texts[kind] : "?";
}

static void
begin_module(struct look *look)
{
	char name[TEXT_MAX], hash[65], amount[UNITS_TEXT_MAX];
	const uint64_t bytes = bytes_u64(&look->in);
	const uint8_t *raw = bytes_take(&look->in, 32);
	uint32_t funcs, code;
	bool starts;

	for (unsigned i = 0; i < 32; i++)
		snprintf(hash + 2 * i, 3, "%02x", raw ? raw[i] : 0);
	get_text(&look->in, name);
	funcs = bytes_u32(&look->in);
	code = bytes_u32(&look->in);
	starts = bytes_u8(&look->in);
	look->has_start |= starts;
	if (look->json) {
		look->module = json_object();
		json_array_append_new(look->modules, look->module);
		json_object_set_new(look->module, "name", text_json(name));
		json_object_set_new(look->module, "bytes", count_json(bytes));
		json_object_set_new(look->module, "hash", json_string(hash));
		json_object_set_new(look->module, "functions", json_integer(funcs));
		json_object_set_new(look->module, "code_bytes", json_integer(code));
		json_object_set_new(look->module, "start", json_boolean(starts));
		json_object_set_new(look->module, "memories", json_array());
		json_object_set_new(look->module, "imports", json_array());
		json_object_set_new(look->module, "exports", json_array());
		return;
	}
	printf("%smodule  %s%s%s bytes; functions %u, their code %u bytes%s\n",
		look->is_image ? "  " : "", name, name[0] ? ": " : "", units_group(bytes, amount), funcs,
		code, starts ? ", a start function" : "");
	printf("  blake2b %s\n", hash);
}

static void
look_memory(struct look *look)
{
	const bool imported = bytes_u8(&look->in);
	const uint32_t min = bytes_u32(&look->in), max = bytes_u32(&look->in);
	char least[UNITS_TEXT_MAX], most[UNITS_TEXT_MAX];
	json_t *json;

	if (look->json) {
		json = json_object();
		json_object_set_new(json, "imported", json_boolean(imported));
		json_object_set_new(json, "min_bytes", count_json((uint64_t)min << 16));
		json_object_set_new(json, "max_bytes",
			max == UINT32_MAX ? json_null() : count_json((uint64_t)max << 16));
		json_array_append_new(json_object_get(look->module, "memories"), json);
		return;
	}
	printf("  memory  %s at first, %s%s\n", units_say_bytes((uint64_t)min << 16, least),
		max == UINT32_MAX ? "no limit of its own"
		                  : units_say_bytes((uint64_t)max << 16, most),
		max == UINT32_MAX ? "" : " at most");
}

static void
note_want(struct look *look, const char *module, const char *field)
{
	for (unsigned i = 0; i < WANTS; i++)
		if (!strcmp(wants[i].module, module) &&
			!strncmp(wants[i].prefix, field, strlen(wants[i].prefix))) {
			look->wanted[i] = true;
			return;
		}
}

static void
look_import(struct look *look)
{
	char module[TEXT_MAX], field[TEXT_MAX], type[TEXT_MAX];
	uint8_t kind;
	bool served;
	json_t *json;

	get_text(&look->in, module);
	get_text(&look->in, field);
	kind = bytes_u8(&look->in);
	get_text(&look->in, type);
	served = bytes_u8(&look->in);
	note_want(look, module, field);
	look->unserved += !served;
	if (look->json) {
		json = json_object();
		json_object_set_new(json, "module", text_json(module));
		json_object_set_new(json, "name", text_json(field));
		json_object_set_new(json, "kind", json_string(kind_text(kind)));
		json_object_set_new(json, "type", text_json(type));
		json_object_set_new(json, "served", json_boolean(served));
		json_array_append_new(json_object_get(look->module, "imports"), json);
		return;
	}
	printf("  import  %s %s.%s %s%s\n", kind_text(kind), module, field, type,
		served ? "" : "  (nobody serves it: calling it traps)");
}

static void
look_export(struct look *look)
{
	char name[TEXT_MAX], type[TEXT_MAX];
	uint8_t kind;
	json_t *json;

	get_text(&look->in, name);
	kind = bytes_u8(&look->in);
	get_text(&look->in, type);
	if (kind == 0 && (!strcmp(name, "_start") || !strcmp(name, "_initialize")))
		look->has_start = true;
	else if (kind == 0 && !look->invoke[0] && strlen(name) < sizeof(look->invoke))
		memcpy(look->invoke, name, strlen(name) + 1);
	if (look->json) {
		json = json_object();
		json_object_set_new(json, "name", text_json(name));
		json_object_set_new(json, "kind", json_string(kind_text(kind)));
		json_object_set_new(json, "type", text_json(type));
		json_array_append_new(json_object_get(look->module, "exports"), json);
		return;
	}
	printf("  export  %s %s %s\n", kind_text(kind), name, type);
}

static void
look_more(struct look *look)
{
	const bool imports = bytes_u8(&look->in) == LOOK_IMPORT;
	const uint32_t count = bytes_u32(&look->in);

	if (look->json)
		json_object_set_new(look->module, imports ? "imports_left_out" : "exports_left_out",
			json_integer(count));
	else
		printf("  ..      and %u more %s\n", count, imports ? "imports" : "exports");
}

static void
look_domain(struct look *look)
{
	const uint32_t depth = bytes_u32(&look->in);
	char name[TEXT_MAX], stop[TEXT_MAX], used[UNITS_TEXT_MAX], left[UNITS_TEXT_MAX],
		held[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];
	uint64_t guest, host, gas_left, storage, storage_limit;

	get_text(&look->in, name);
	get_text(&look->in, stop);
	guest = bytes_u64(&look->in);
	host = bytes_u64(&look->in);
	gas_left = bytes_u64(&look->in);
	storage = bytes_u64(&look->in);
	storage_limit = bytes_u64(&look->in);
	look->is_image = true;
	if (look->json) {
		look->domain = json_object();
		json_array_append_new(look->domains, look->domain);
		json_object_set_new(look->domain, "name", text_json(name));
		json_object_set_new(look->domain, "depth", json_integer(depth));
		json_object_set_new(look->domain, "stop", text_json(stop));
		json_object_set_new(look->domain, "gas_guest", count_json(guest));
		json_object_set_new(look->domain, "gas_host", count_json(host));
		json_object_set_new(look->domain, "gas_left", count_json(gas_left));
		json_object_set_new(look->domain, "storage", count_json(storage));
		json_object_set_new(look->domain, "storage_limit", count_json(storage_limit));
		json_object_set_new(look->domain, "stack", json_array());
		json_object_set_new(look->domain, "keys", json_array());
		look->modules = json_array();
		json_object_set_new(look->domain, "modules", look->modules);
		return;
	}
	printf("%*s%s: %s; gas %s used, %s left; storage %s of %s\n", (int)(2 * depth), "", name, stop,
		units_group(guest + host, used),
		gas_left == UINT64_MAX ? "no limit" : units_group(gas_left, left), units_group(storage, held),
		storage_limit == UINT64_MAX ? "no limit" : units_say_bytes(storage_limit, limit));
}

static void
look_key(struct look *look)
{
	char name[TEXT_MAX], spec[TEXT_MAX];
	json_t *json;

	get_text(&look->in, name);
	get_text(&look->in, spec);
	(void)bytes_u32(&look->in);
	if (look->json) {
		json = json_object();
		json_object_set_new(json, "name", text_json(name));
		json_object_set_new(json, "spec", text_json(spec));
		json_array_append_new(json_object_get(look->domain, "keys"), json);
		return;
	}
	printf("  key     %s  %s\n", name, spec);
}

static void
look_frame(struct look *look)
{
	char name[TEXT_MAX];
	uint32_t index, offset;
	json_t *json;

	get_text(&look->in, name);
	index = bytes_u32(&look->in);
	offset = bytes_u32(&look->in);
	if (look->json) {
		json = json_object();
		json_object_set_new(json, "func", text_json(name));
		json_object_set_new(json, "index", json_integer(index));
		json_object_set_new(json, "offset", json_integer(offset));
		json_array_append_new(json_object_get(look->domain, "stack"), json);
		return;
	}
	printf("  at      func[%u] %s @0x%x\n", index, name, offset);
}

static bool
look_entry(struct look *look)
{
	const uint8_t tag = bytes_u8(&look->in);

	if (look->json && ((tag >= LOOK_IMPORT && tag <= LOOK_MORE && !look->module) ||
		(tag >= LOOK_KEY && !look->domain)))
		return false;
	switch ((enum look_tag)tag) {
	case LOOK_MODULE:
		begin_module(look);
		return true;
	case LOOK_IMPORT:
		look_import(look);
		return true;
	case LOOK_EXPORT:
		look_export(look);
		return true;
	case LOOK_MEMORY:
		look_memory(look);
		return true;
	case LOOK_MORE:
		look_more(look);
		return true;
	case LOOK_DOMAIN:
		look_domain(look);
		return true;
	case LOOK_KEY:
		look_key(look);
		return true;
	case LOOK_FRAME:
		look_frame(look);
		return true;
	}
	return false;
}

/* The smallest command that would run it. */
static void
command_text(const struct look *look, char text[static TEXT_MAX])
{
	size_t at = (size_t)snprintf(text, TEXT_MAX, "keyhold %s", look->is_image ? "resume" : "run");
	const char *last = "";

	for (unsigned i = 0; i < WANTS && !look->is_image; i++)
		if (look->wanted[i] && wants[i].option[0] && strcmp(last, wants[i].option) && at < 400)
			at += (size_t)snprintf(text + at, TEXT_MAX - at, " %s", last = wants[i].option);
	if (!look->is_image && !look->has_start && look->invoke[0])
		at += (size_t)snprintf(text + at, TEXT_MAX - at, " --invoke %s", look->invoke);
	(void)snprintf(text + at, TEXT_MAX - at, " %.200s", look->file);
}

static void
print_wants(const struct look *look)
{
	char command[TEXT_MAX];
	const char *last = "";

	for (unsigned i = 0; i < WANTS && !look->is_image; i++) {
		if (!look->wanted[i] || !strcmp(last, wants[i].what))
			continue;
		printf("  wants   %-8s %s%s%s\n", wants[i].key, last = wants[i].what,
			wants[i].option[0] ? ": " : "", wants[i].option);
	}
	command_text(look, command);
	printf("  run     %s\n", command);
}

static void
json_wants(const struct look *look)
{
	json_t *list = json_array();
	char command[TEXT_MAX];

	for (unsigned i = 0; i < WANTS && !look->is_image; i++)
		if (look->wanted[i]) {
			json_t *json = json_object();

			json_object_set_new(json, "key", json_string(wants[i].key));
			json_object_set_new(json, "option",
				wants[i].option[0] ? json_string(wants[i].option) : json_null());
			json_object_set_new(json, "what", json_string(wants[i].what));
			json_array_append_new(list, json);
		}
	command_text(look, command);
	json_object_set_new(look->json, "wants", list);
	json_object_set_new(look->json, "command", text_json(command));
}

int
inspect_print(const struct launch *launch)
{
	const struct record_text *text = &launch->record->text;
	struct look look = {.file = launch->file, .in = bytes_in(text->text, text->bytes)};
	bool whole = true;

	if (options_has(launch->options, OPTION_JSON)) {
		look.json = json_object();
		look.modules = json_array();
		look.domains = json_array();
		json_object_set_new(look.json, "v", json_integer(1));
		json_object_set_new(look.json, "file", text_json(look.file));
		json_object_set_new(look.json, "modules", look.modules);
		json_object_set_new(look.json, "domains", look.domains);
	} else {
		printf("%s\n", launch->file);
	}
	while (whole && bytes_left(&look.in))
		whole = look_entry(&look) && !look.in.bad;
	if (look.json) {
		json_wants(&look);
		json_dumpf(look.json, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
		json_decref(look.json);
	} else {
		print_wants(&look);
	}
	if (!whole) {
		say_error("the worker's description is not well-formed");
		return EXIT_FAULT;
	}
	return command_end(0);
}

int
command_inspect(int argc, char **argv)
{
	struct options options;
	int status = command_begin(COMMAND_INSPECT, argc, argv, &options);

	if (status >= 0)
		return status;
	status = launch(&options, START_LOOK);
	options_done(&options);
	return status;
}
