/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c - a module or image described. Its bytes are looked at by a worker,
 * behind the walls; here its entries become text or JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/inspect_tree.h"
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
	json_t *modules;       /* of json; borrowed */
	json_t *module;        /* the one being read; borrowed */
	struct tree tree;
	bool dot, tree_shown;
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

static bool
look_more(struct look *look)
{
	const uint8_t what = bytes_u8(&look->in);
	const uint32_t count = bytes_u32(&look->in);
	const bool imports = what == LOOK_IMPORT;

	if (what == LOOK_DOMAIN)
		look->tree.domains_more = count;
	else if (what == LOOK_OBJECT)
		look->tree.objects_more = count;
	else if (what == LOOK_KEY)
		look->tree.keys_more += count;
	else if (look->json && look->module)
		json_object_set_new(look->module, imports ? "imports_left_out" : "exports_left_out",
			json_integer(count));
	else if (look->json)
		return false;
	else
		printf("  ..      and %u more %s\n", count, imports ? "imports" : "exports");
	return true;
}

/* All of it has come: what follows are modules. */
static void
show_tree(struct look *look)
{
	if (look->tree_shown)
		return;
	look->tree_shown = true;
	tree_tie(&look->tree);
	if (look->dot)
		tree_dot(&look->tree, look->file);
	else if (!look->json)
		tree_print(&look->tree);
}

static bool
look_entry(struct look *look)
{
	const uint8_t tag = bytes_u8(&look->in);

	if (look->json && tag >= LOOK_IMPORT && tag <= LOOK_MEMORY && !look->module)
		return false;
	if (tag == LOOK_MODULE && look->is_image)
		show_tree(look);
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
		return look_more(look);
	case LOOK_DOMAIN:
	case LOOK_KEY:
	case LOOK_FRAME:
	case LOOK_INSTANCE:
	case LOOK_OBJECT:
		look->is_image = true;
		return tree_entry(&look->tree, (enum look_tag)tag, &look->in);
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

static void
begin(struct look *look)
{
	if (!look->json)
		return;
	look->modules = json_array();
	json_object_set_new(look->json, "v", json_integer(1));
	json_object_set_new(look->json, "file", text_json(look->file));
	json_object_set_new(look->json, "modules", look->modules);
	json_object_set(look->json, "domains", look->tree.domains);
	json_object_set(look->json, "objects", look->tree.objects);
}

static void
end(struct look *look, bool json)
{
	if (look->is_image)
		show_tree(look);
	if (json) {
		json_object_set_new(look->json, "domains_left_out", json_integer(look->tree.domains_more));
		json_object_set_new(look->json, "objects_left_out", json_integer(look->tree.objects_more));
		json_object_set_new(look->json, "keys_left_out", json_integer(look->tree.keys_more));
		json_wants(look);
		json_dumpf(look->json, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
	} else if (!look->dot) {
		print_wants(look);
	}
}

int
inspect_print(const struct launch *launch)
{
	const struct record_text *text = &launch->record->text;
	const bool json = options_has(launch->options, OPTION_JSON);
	struct look look = {.file = launch->file, .in = bytes_in(text->text, text->bytes),
		.dot = options_has(launch->options, OPTION_DOT)};
	bool whole = true;

	if (tree_init(&look.tree)) {
		say_error("no memory");
		return EXIT_FAULT;
	}
	if (json || look.dot) /* a graph shows the tree alone: modules go to a JSON nobody prints */
		look.json = json_object();
	else
		printf("%s\n", launch->file);
	begin(&look);
	while (whole && bytes_left(&look.in))
		whole = look_entry(&look) && !look.in.bad;
	if (look.dot && !look.is_image) {
		say_error("%s is a module: --dot draws the tree of an image", launch->file);
		whole = true;
	} else {
		end(&look, json);
	}
	json_decref(look.json);
	tree_done(&look.tree);
	if (!whole) {
		say_error("the worker's description is not well-formed");
		return EXIT_FAULT;
	}
	if (look.dot && !look.is_image)
		return EXIT_USAGE;
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
