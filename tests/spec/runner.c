/* SPDX-License-Identifier: Apache-2.0 */
/* runner.c - runs the core scripts that wast2json made into JSON and modules.
 *
 * usage: spec_runner [--executor switch|fast|both] [--stops N] [--text COMMAND] FILE.json..
 *
 * Each script is one store: its modules are linked with each other and with
 * `spectest`. Every failure is named; commands are counted by kind. With --stops
 * each run is stopped N times, after 1 to 4 safepoints (by the script's line):
 * the whole store is written, read into a fresh one in the other executor, and
 * goes on there. Modules in text form that must be malformed are no matter of
 * ours: with --text they are handed to COMMAND (wat2wasm), which must refuse
 * them, and counted apart. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/wasm/engine.h"
#include "tests/spec/host.h"
#include "tests/spec/values.h"
#include "tests/support/fake_host.h"

extern char **environ;

#define GAS (1ull << 50) /* more than any command needs */

enum kind {
	KIND_MODULE, KIND_ACTION, KIND_REGISTER, KIND_ASSERT_RETURN, KIND_ASSERT_TRAP,
	KIND_ASSERT_EXHAUSTION, KIND_ASSERT_MALFORMED, KIND_ASSERT_INVALID, KIND_ASSERT_UNLINKABLE,
	KIND_ASSERT_UNINSTANTIABLE, KIND_TEXT, KINDS
};

static const char *const kind_names[KINDS] = {"module", "action", "register", "assert_return",
	"assert_trap", "assert_exhaustion", "assert_malformed", "assert_invalid",
	"assert_unlinkable", "assert_uninstantiable", "assert_malformed, text (wat2wasm)"};

struct totals {
	unsigned long run[KINDS], failed[KINDS], skipped, stopped;
	unsigned long worded; /* refused in other words */
};

enum { NAMES_MAX = 256, LOADED_MAX = 1024, SLOTS_MAX = 1024 };

struct named {
	const char *name; /* in the JSON */
	uint32_t instance;
	bool there;
};

struct loaded {
	struct module *module;
	uint8_t *bytes;
};

struct image {
	struct sink sink;
	uint8_t *bytes;
	size_t count, room;
};

struct options {
	const char *text_command;
	unsigned stops;
};

struct script {
	struct store_reader reader; /* first */
	const char *path;
	json_t *json;
	struct options options;
	struct totals *totals;
	struct fake_host host;
	struct heap heap;
	struct typebook book;
	struct store *store;
	enum executor executor;
	struct image image;
	struct spectest spectest;
	struct loaded loaded[LOADED_MAX];
	unsigned loaded_count;
	struct named names[NAMES_MAX], registered[NAMES_MAX];
	unsigned names_count, registered_count;
	struct named current; /* the last module */
	enum kind kind;       /* of the command that runs */
	int line;
};

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static void __attribute__((format(printf, 2, 3)))
failed(struct script *s, const char *format, ...)
{
	va_list args;

	s->totals->failed[s->kind]++;
	printf("FAILED %s:%d %s: ", text_of(s->json, "source_filename"), s->line,
		kind_names[s->kind]);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static uint8_t *
file_read(const char *path, size_t *ret_bytes)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = NULL;
	long size;

	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
		rewind(file);
		bytes = malloc((size_t)size + 1);
		if (bytes && fread(bytes, 1, (size_t)size, file) != (size_t)size) {
			free(bytes);
			bytes = NULL;
		}
		*ret_bytes = (size_t)size;
	}
	(void)fclose(file);
	return bytes;
}

/* The command's file, beside the script. */
static void
file_path(const struct script *s, const json_t *command, char *ret_path, size_t bytes)
{
	const char *slash = strrchr(s->path, '/');

	(void)snprintf(ret_path, bytes, "%.*s%s", slash ? (int)(slash + 1 - s->path) : 0, s->path,
		text_of(command, "filename"));
}

/* --- modules ------------------------------------------------------------------------ */

/* module_load() of the command's file; what was loaded lives as long as the script. */
static int
load(struct script *s, const json_t *command, struct report *report, struct module **ret_module)
{
	char path[4096];
	struct loaded *loaded = &s->loaded[s->loaded_count];
	size_t bytes;
	int why;

	if (s->loaded_count == LOADED_MAX)
		return -ENOSPC;
	file_path(s, command, path, sizeof path);
	loaded->bytes = file_read(path, &bytes);
	if (!loaded->bytes)
		return -ENOENT;
	why = module_load(&s->heap, &s->book, loaded->bytes, bytes, report, &loaded->module);
	if (why) {
		free(loaded->bytes);
		return why;
	}
	s->loaded_count++;
	*ret_module = loaded->module;
	return 0;
}

static const struct named *
find(const struct named *names, unsigned count, const char *name, size_t bytes)
{
	for (unsigned i = count; i-- > 0;) { /* the latest first */
		if (strlen(names[i].name) == bytes && memcmp(names[i].name, name, bytes) == 0)
			return &names[i];
	}
	return NULL;
}

static int
bind_export(const struct script *s, const struct import *import, uint32_t from,
	struct binding *ret_binding)
{
	const struct instance *instance = store_instance(s->store, from);
	const struct export *export =
		module_export(instance->module, import->field.text, import->field.bytes);

	if (!export)
		return -ENOENT;
	switch (export->kind) {
	case EXTERN_FUNC:
		*ret_binding = (struct binding){
			.kind = BIND_FUNC, .index = export->index, .instance = from};
		break;
	case EXTERN_TABLE:
		*ret_binding = (struct binding){
			.kind = BIND_TABLE, .index = instance->table_index[export->index]};
		break;
	case EXTERN_MEMORY:
		*ret_binding =
			(struct binding){.kind = BIND_MEMORY, .index = instance->memory_index};
		break;
	case EXTERN_GLOBAL:
		*ret_binding = (struct binding){
			.kind = BIND_GLOBAL, .index = instance->global_index[export->index]};
		break;
	}
	return 0;
}

static int
bind(const struct script *s, const struct module *module, const struct import *import,
	struct binding *ret_binding)
{
	const struct functype *type =
		import->kind == EXTERN_FUNC ? &module->types[import->type] : NULL;
	const struct named *from;

	from = find(s->registered, s->registered_count, import->module.text, import->module.bytes);
	if (from)
		return bind_export(s, import, from->instance, ret_binding);
	if (import->module.bytes == 8 && memcmp(import->module.text, "spectest", 8) == 0)
		return spectest_bind(&s->spectest, import, type, ret_binding);
	return -ENOENT;
}

/* --- stops ---------------------------------------------------------------------- */

static int
image_put(struct sink *sink, const void *data, size_t bytes)
{
	struct image *image = (struct image *)sink;

	if (image->room - image->count < bytes) {
		image->room = (image->room + bytes) * 2;
		image->bytes = realloc(image->bytes, image->room);
		if (!image->bytes)
			return -ENOMEM;
	}
	memcpy(image->bytes + image->count, data, bytes);
	image->count += bytes;
	return 0;
}

static struct module *
module_of(struct store_reader *reader, const uint8_t hash[32])
{
	struct script *s = (struct script *)reader;

	for (unsigned i = 0; i < s->loaded_count; i++) {
		if (memcmp(module_hash(s->loaded[i].module), hash, 32) == 0)
			return s->loaded[i].module;
	}
	return NULL;
}

static bool
host_of(struct store_reader *reader, const struct import *import, const struct functype *type,
	uint32_t *ret_host)
{
	struct script *s = (struct script *)reader;
	struct binding binding;

	if (spectest_bind(&s->spectest, import, type, &binding))
		return false;
	*ret_host = binding.index;
	return true;
}

/* The whole store through its bytes into a fresh one, in the other executor. */
static bool
move(struct script *s)
{
	const enum executor to = s->executor == EXECUTOR_SWITCH && executor_present(EXECUTOR_FAST) ?
			EXECUTOR_FAST :
			EXECUTOR_SWITCH;
	const struct store_config config = {.heap = &s->heap, .book = &s->book, .executor = to};
	struct report report = {.offset = 0};
	struct store *fresh;
	struct bytes_in in;
	int why;

	s->image.count = 0;
	s->image.sink = (struct sink){.put = image_put};
	store_write(s->store, &s->image.sink);
	if (store_new(&config, &fresh))
		return false;
	in = bytes_in(s->image.bytes, s->image.count);
	s->reader = (struct store_reader){module_of, host_of};
	why = store_read(fresh, &in, &s->reader, &report);
	if (why) {
		failed(s, "its image is refused: %d %s at %llu", why, report.text,
			(unsigned long long)report.offset);
		store_free(fresh);
		return false;
	}
	store_free(s->store);
	s->store = fresh;
	s->executor = to;
	s->totals->stopped++;
	store_check(fresh);
	return true;
}

/* Runs what was begun to its end; host functions do nothing. */
static void
run(struct script *s, struct exec_result *ret_result)
{
	unsigned stops = 0;

	for (;;) {
		store_step_after(s->store, stops < s->options.stops ? 1 + (unsigned)s->line % 4 : 0);
		store_run(s->store, GAS, ret_result);
		if (ret_result->end == EXEC_HOST) {
			store_host_done(s->store);
		} else if (ret_result->end == EXEC_STEPPED) {
			stops++;
			if (!move(s))
				stops = UINT_MAX;
		} else {
			break;
		}
	}
	store_step_after(s->store, 0);
}

/* Says how the instance failed to be made, or *ret_trap is set, or all is well. */
static int
instantiate(struct script *s, struct module *module, struct report *report, uint32_t *ret_instance,
	enum trap *ret_trap)
{
	struct binding *bindings = calloc(module->imports_count + 1, sizeof *bindings);
	struct exec_result result;
	int why = bindings ? 0 : -ENOMEM;

	*ret_trap = TRAP_NONE;
	for (uint32_t i = 0; !why && i < module->imports_count; i++) {
		why = bind(s, module, &module->imports[i], &bindings[i]);
		if (why == -ENOENT)
			report_say(report, 0, "unknown import");
		else if (why == -EINVAL)
			report_say(report, 0, "incompatible import type");
	}
	if (!why)
		why = store_instantiate(s->store, module, bindings, report, ret_instance);
	free(bindings);
	if (why)
		return why;
	store_begin_init(s->store, *ret_instance);
	run(s, &result);
	if (result.end == EXEC_TRAP)
		*ret_trap = result.trap;
	else if (result.end != EXEC_RETURNED)
		why = -ENOSPC;
	store_unwind(s->store);
	return why;
}

static void
do_module(struct script *s, const json_t *command)
{
	struct report report = {.offset = 0};
	const char *name = text_of(command, "name");
	struct module *module;
	uint32_t instance;
	enum trap trap;
	int why;

	s->current.there = false;
	why = load(s, command, &report, &module);
	if (why) {
		failed(s, "%s was refused: %d %s at %llu", text_of(command, "filename"), why,
			report.text, (unsigned long long)report.offset);
		return;
	}
	why = instantiate(s, module, &report, &instance, &trap);
	if (why || trap) {
		failed(s, "%s was not instantiated: %d %s%s", text_of(command, "filename"), why,
			report.text, trap ? trap_text(trap) : "");
		return;
	}
	s->current = (struct named){.name = "", .instance = instance, .there = true};
	if (*name && s->names_count < NAMES_MAX)
		s->names[s->names_count++] =
			(struct named){.name = name, .instance = instance, .there = true};
}

/* The instance a command names, or the last one. */
static bool
instance_of(struct script *s, const char *name, uint32_t *ret_instance)
{
	const struct named *named = &s->current;

	if (*name)
		named = find(s->names, s->names_count, name, strlen(name));
	if (!named || !named->there) {
		failed(s, "there is no instance \"%s\"", name);
		return false;
	}
	*ret_instance = named->instance;
	return true;
}

static void
do_register(struct script *s, const json_t *command)
{
	uint32_t instance;

	if (!instance_of(s, text_of(command, "name"), &instance))
		return;
	if (s->registered_count == NAMES_MAX) {
		failed(s, "more than %d names", NAMES_MAX);
		return;
	}
	s->registered[s->registered_count++] =
		(struct named){.name = text_of(command, "as"), .instance = instance, .there = true};
}

static bool
same_words(const char *said, const char *want)
{
	return strstr(said, want) != NULL;
}

/* assert_malformed, assert_invalid: a refusal, with an offset and of that sort. */
static void
do_refused(struct script *s, const json_t *command)
{
	const char *sort = s->kind == KIND_ASSERT_INVALID ? "invalid: " : "malformed: ";
	struct report report = {.offset = UINT64_MAX};
	struct module *module;
	const int why = load(s, command, &report, &module);

	if (!why)
		failed(s, "%s was accepted, should be: %s", text_of(command, "filename"),
			text_of(command, "text"));
	else if (why != -EINVAL && why != -E2BIG)
		failed(s, "%s: error %d", text_of(command, "filename"), why);
	else if (report.offset == UINT64_MAX || !report.text[0])
		failed(s, "%s was refused without words", text_of(command, "filename"));
	else if (strncmp(report.text, sort, strlen(sort)) != 0 ||
		!same_words(report.text, text_of(command, "text")))
		s->totals->worded++;
}

static void
do_unlinkable(struct script *s, const json_t *command)
{
	struct report report = {.offset = 0};
	struct module *module;
	uint32_t instance;
	enum trap trap;
	int why = load(s, command, &report, &module);

	if (why) {
		failed(s, "%s was refused: %s", text_of(command, "filename"), report.text);
		return;
	}
	why = instantiate(s, module, &report, &instance, &trap);
	if (why != -ENOENT && why != -EINVAL)
		failed(s, "%s was linked (%d)", text_of(command, "filename"), why);
	else if (!same_words(report.text, text_of(command, "text")))
		failed(s, "%s: \"%s\" instead of \"%s\"", text_of(command, "filename"), report.text,
			text_of(command, "text"));
}

static bool
trap_fits(enum trap trap, const char *want)
{
	const char *text = trap ? trap_text(trap) : "no trap";

	return strncmp(want, text, strlen(text)) == 0;
}

static void
do_uninstantiable(struct script *s, const json_t *command)
{
	struct report report = {.offset = 0};
	struct module *module;
	uint32_t instance;
	enum trap trap;
	int why = load(s, command, &report, &module);

	if (!why)
		why = instantiate(s, module, &report, &instance, &trap);
	if (why)
		failed(s, "%s: %d %s", text_of(command, "filename"), why, report.text);
	else if (!trap_fits(trap, text_of(command, "text")))
		failed(s, "%s: %s instead of %s", text_of(command, "filename"),
			trap ? trap_text(trap) : "no trap", text_of(command, "text"));
}

/* A module in text form that must be malformed. */
static void
do_text(struct script *s, const json_t *command)
{
	char path[4096];
	char option[] = "-o", null[] = "/dev/null";
	char *args[] = {NULL, path, option, null, NULL};
	posix_spawn_file_actions_t actions;
	int status = 0, why;
	pid_t pid;

	if (!s->options.text_command) {
		s->totals->skipped++;
		s->totals->run[s->kind]--;
		return;
	}
	args[0] = strdup(s->options.text_command);
	file_path(s, command, path, sizeof path);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1 /* O_WRONLY */, 0);
	why = posix_spawnp(&pid, args[0], &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(args[0]);
	if (why || waitpid(pid, &status, 0) != pid)
		failed(s, "%s did not run", s->options.text_command);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
		failed(s, "%s was accepted by %s", text_of(command, "filename"), s->options.text_command);
}

/* --- actions ------------------------------------------------------------------------ */

struct outcome {
	struct exec_result result;
	const uint8_t *vals;
	uint32_t count;
	uint64_t slots[SLOTS_MAX];
};

static bool
invoke(struct script *s, const json_t *action, uint32_t instance, uint32_t func,
	struct outcome *outcome)
{
	const struct module *module = store_instance(s->store, instance)->module;
	const struct functype *type = module_functype(module, func);
	const json_t *args = json_object_get(action, "args");
	uint64_t slots[SLOTS_MAX] = {0};
	int why;

	if (json_array_size(args) != type->params) {
		failed(s, "%zu arguments for %u", json_array_size(args), type->params);
		return false;
	}
	for (uint32_t i = 0; i < type->params; i++) {
		if (!value_read(json_array_get(args, i), &slots[i])) {
			failed(s, "argument %u is none", i);
			return false;
		}
	}
	why = store_begin_call(s->store, instance, func, slots);
	if (why) {
		failed(s, "the call did not begin: %d", why);
		return false;
	}
	run(s, &outcome->result);
	outcome->vals = type->vals + type->params;
	outcome->count = type->results;
	if (outcome->result.end == EXEC_RETURNED && type->results)
		memcpy(outcome->slots, outcome->result.slots, type->results * sizeof(uint64_t));
	store_unwind(s->store);
	return true;
}

static bool
act(struct script *s, const json_t *command, struct outcome *outcome)
{
	const json_t *action = json_object_get(command, "action");
	const json_t *field = json_object_get(action, "field");
	const struct instance *instance;
	const struct export *export;
	uint32_t index;

	if (!instance_of(s, text_of(action, "module"), &index))
		return false;
	instance = store_instance(s->store, index);
	export = module_export(instance->module, json_string_value(field), json_string_length(field));
	if (!export) {
		failed(s, "no export \"%s\"", json_string_value(field));
		return false;
	}
	if (strcmp(text_of(action, "type"), "invoke") == 0 && export->kind == EXTERN_FUNC)
		return invoke(s, action, index, export->index, outcome);
	if (strcmp(text_of(action, "type"), "get") == 0 && export->kind == EXTERN_GLOBAL) {
		const struct global *global = instance->globals[export->index];

		outcome->result = (struct exec_result){.end = EXEC_RETURNED};
		outcome->vals = &global->val;
		outcome->count = 1;
		outcome->slots[0] = global->value;
		return true;
	}
	failed(s, "an action of no kind");
	return false;
}

static void
say_end(struct script *s, const char *field, const struct exec_result *result)
{
	failed(s, "%s: %s %s", field, result->end == EXEC_TRAP ? "trapped:" : "ended otherwise:",
		result->end == EXEC_TRAP ? trap_text(result->trap) : result->end == EXEC_RETURNED ?
					   "returned" :
					   "stopped");
}

static void
do_returns(struct script *s, const json_t *command)
{
	static struct outcome outcome;
	const json_t *want = json_object_get(command, "expected");
	const char *field = text_of(json_object_get(command, "action"), "field");

	if (!act(s, command, &outcome))
		return;
	if (outcome.result.end != EXEC_RETURNED) {
		say_end(s, field, &outcome.result);
		return;
	}
	if (s->kind == KIND_ACTION)
		return;
	if (json_array_size(want) != outcome.count) {
		failed(s, "%s: %u results instead of %zu", field, outcome.count,
			json_array_size(want));
		return;
	}
	for (uint32_t i = 0; i < outcome.count; i++) {
		const json_t *value = json_array_get(want, i);

		if (!value_fits(value, outcome.vals[i], outcome.slots[i])) {
			failed(s, "%s: result %u is %llu (0x%llx), not %s %s", field, i,
				(unsigned long long)outcome.slots[i],
				(unsigned long long)outcome.slots[i], text_of(value, "type"),
				text_of(value, "value"));
			return;
		}
	}
}

static void
do_traps(struct script *s, const json_t *command)
{
	static struct outcome outcome;
	const char *field = text_of(json_object_get(command, "action"), "field");

	if (!act(s, command, &outcome))
		return;
	if (outcome.result.end != EXEC_TRAP)
		say_end(s, field, &outcome.result);
	else if (!trap_fits(outcome.result.trap, text_of(command, "text")))
		failed(s, "%s: trap \"%s\" instead of \"%s\"", field,
			trap_text(outcome.result.trap), text_of(command, "text"));
}

/* --- scripts ----------------------------------------------------------------------- */

static void (*const doers[KINDS])(struct script *s, const json_t *command) = {
	[KIND_MODULE] = do_module,
	[KIND_ACTION] = do_returns,
	[KIND_REGISTER] = do_register,
	[KIND_ASSERT_RETURN] = do_returns,
	[KIND_ASSERT_TRAP] = do_traps,
	[KIND_ASSERT_EXHAUSTION] = do_traps,
	[KIND_ASSERT_MALFORMED] = do_refused,
	[KIND_ASSERT_INVALID] = do_refused,
	[KIND_ASSERT_UNLINKABLE] = do_unlinkable,
	[KIND_ASSERT_UNINSTANTIABLE] = do_uninstantiable,
	[KIND_TEXT] = do_text,
};

static bool
command_run(struct script *s, const json_t *command)
{
	const char *type = text_of(command, "type");

	for (s->kind = 0; s->kind < KIND_TEXT; s->kind++) {
		if (strcmp(type, kind_names[s->kind]) == 0)
			break;
	}
	s->line = (int)json_integer_value(json_object_get(command, "line"));
	if (s->kind == KIND_TEXT) {
		printf("FAILED %s:%d: unknown command \"%s\"\n", s->path, s->line, type);
		return false;
	}
	if (strcmp(text_of(command, "module_type"), "text") == 0)
		s->kind = KIND_TEXT;
	s->totals->run[s->kind]++;
	doers[s->kind](s, command);
	return true;
}

static bool
script_open(struct script *s, enum executor executor)
{
	struct store_config config = {.heap = &s->heap, .book = &s->book, .executor = executor};

	s->executor = executor;
	fake_host_init(&s->host);
	heap_init(&s->heap, &s->host.host);
	typebook_init(&s->book, &s->heap);
	return !store_new(&config, &s->store) && spectest_open(&s->spectest, s->store);
}

/* false: something was kept that nobody holds. */
static bool
script_close(struct script *s)
{
	bool clean;

	store_free(s->store);
	for (unsigned i = 0; i < s->loaded_count; i++) {
		module_free(s->loaded[i].module);
		free(s->loaded[i].bytes);
	}
	typebook_done(&s->book);
	clean = s->heap.bytes_used == 0;
	heap_done(&s->heap);
	clean = clean && s->host.reservations == 0;
	fake_host_done(&s->host);
	return clean;
}

static bool
script_run(const char *path, enum executor executor, struct options options, struct totals *totals)
{
	struct script *s = calloc(1, sizeof *s);
	json_error_t error;
	const json_t *command;
	bool good;
	size_t i;

	s->path = path;
	s->totals = totals;
	s->options = options;
	s->json = json_load_file(path, JSON_ALLOW_NUL, &error);
	good = s->json && script_open(s, executor);
	if (!good)
		printf("FAILED %s: %s\n", path, s->json ? "no store" : error.text);
	json_array_foreach (json_object_get(s->json, "commands"), i, command)
		good = good && command_run(s, command);
	if (!script_close(s)) {
		printf("FAILED %s: the heap is not empty at the end\n", path);
		good = false;
	}
	json_decref(s->json);
	free(s->image.bytes);
	free(s);
	return good;
}

/* Prints and answers how many failed. */
static unsigned long
totals_print(const struct totals *totals, const char *executor, int scripts)
{
	unsigned long run = 0, failures = 0, as_wabt = 0;

	for (int i = 0; i < KINDS; i++) {
		printf("%8lu run, %lu failed: %s\n", totals->run[i], totals->failed[i], kind_names[i]);
		run += totals->run[i];
		failures += totals->failed[i];
		if (i != KIND_REGISTER)
			as_wabt += totals->run[i];
	}
	printf("%s executor, %d scripts: %lu commands run (%lu as wabt counts, without register), "
	       "%lu failed, %lu in text form left out\n",
		executor, scripts, run, as_wabt, failures, totals->skipped);
	if (totals->stopped)
		printf("%lu stops: written, read into a fresh store, gone on with in the other "
		       "executor\n", totals->stopped);
	printf("%lu modules were refused in other words than the script's\n", totals->worded);
	return failures;
}

int
main(int argc, char **argv)
{
	static const char *const names[] = {"switch", "fast"};
	const char *wanted = "both";
	struct options options = {.stops = 0};
	bool good = true, ran = false;
	int first = 1;

	for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2) {
		if (strcmp(argv[first], "--executor") == 0)
			wanted = argv[first + 1];
		else if (strcmp(argv[first], "--text") == 0)
			options.text_command = argv[first + 1];
		else if (strcmp(argv[first], "--stops") == 0)
			options.stops = (unsigned)strtoul(argv[first + 1], NULL, 10);
	}
	for (enum executor e = EXECUTOR_SWITCH; e <= EXECUTOR_FAST; e++) {
		struct totals totals = {.skipped = 0};

		if (!executor_present(e) ||
			(strcmp(wanted, "both") != 0 && strcmp(wanted, names[e]) != 0))
			continue;
		for (int i = first; i < argc; i++)
			good = script_run(argv[i], e, options, &totals) && good;
		good = totals_print(&totals, names[e], argc - first) == 0 && good;
		options.text_command = NULL; /* once is enough */
		ran = true;
	}
	return good && ran && first < argc ? 0 : 1;
}
