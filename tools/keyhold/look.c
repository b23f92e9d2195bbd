/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/gate.h"
#include "kernel/image.h"
#include "tools/keyhold/look_in.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/worker.h"

/* Less than a record can hold, so that the rest of it fits too. */
enum { LOOK_BYTES = 700 << 10, LIST_MAX = 4000, MODULES_SHOWN = 64, TYPE_TEXT = 400 };

static uint8_t bytes_out[LOOK_BYTES];
static const struct module *modules_put[MODULES_SHOWN];
static uint32_t modules_put_count;

struct look_sink {
	struct sink sink; /* first */
	uint32_t at;
};

static int
look_put(struct sink *sink, const void *data, size_t bytes)
{
	struct look_sink *to = (struct look_sink *)(void *)sink;

	if (bytes > LOOK_BYTES - to->at)
		return -E2BIG;
	memcpy(bytes_out + to->at, data, bytes);
	to->at += (uint32_t)bytes;
	return 0;
}

static void
put_text(struct sink *sink, const char *text)
{
	sink_text(sink, text, (uint32_t)strlen(text));
}

static size_t
types_text(char *to, size_t room, const uint8_t *vals, uint32_t count)
{
	size_t at = (size_t)snprintf(to, room, "(");
	uint32_t i;

	for (i = 0; i < count && at + 20 < room; i++)
		at += (size_t)snprintf(to + at, room - at, "%s%s", i ? ", " : "", invoke_type_text(vals[i]));
	return at + (size_t)snprintf(to + at, room - at, i < count ? ", ..)" : ")");
}

static void
func_text(char text[static TYPE_TEXT], const struct functype *type)
{
	size_t at = types_text(text, TYPE_TEXT / 2, type->vals, type->params);

	at += (size_t)snprintf(text + at, TYPE_TEXT - at, " -> ");
	(void)types_text(text + at, TYPE_TEXT - at, type->vals + type->params, type->results);
}

static void
limits_text(char text[static TYPE_TEXT], const char *what, const struct limits *limits)
{
	if (limits->has_max)
		snprintf(text, TYPE_TEXT, "%s %u..%u", what, limits->min, limits->max);
	else
		snprintf(text, TYPE_TEXT, "%s %u..", what, limits->min);
}

static void
global_text(char text[static TYPE_TEXT], const struct globaltype *type)
{
	snprintf(text, TYPE_TEXT, "%s%s", type->mut ? "mut " : "", invoke_type_text(type->val));
}

static bool
is_served_by(const struct import_def *def, const struct import *import)
{
	for (; def->name; def++)
		if (strlen(def->module) == import->module.bytes && strlen(def->name) == import->field.bytes &&
			!memcmp(def->module, import->module.text, import->module.bytes) &&
			!memcmp(def->name, import->field.text, import->field.bytes))
			return true;
	return false;
}

/* By the gate, the engine itself, or some table of the kinds? */
static bool
served(const struct import *import)
{
	static const struct import_def engine[] = {
		{"keyhold", "try", NULL, NULL}, {"keyhold", "throw", NULL, NULL}, {0}};

	if (is_served_by(gate_imports, import) || is_served_by(engine, import))
		return true;
	for (const struct import_def *const *table = caps_all.import_tables; *table; table++)
		if (is_served_by(*table, import))
			return true;
	return false;
}

static void
put_import(struct sink *sink, const struct module *module, const struct import *import)
{
	char text[TYPE_TEXT] = "";

	switch (import->kind) {
	case EXTERN_FUNC:
		func_text(text, &module->types[import->type]);
		break;
	case EXTERN_TABLE:
		limits_text(text, invoke_type_text(import->table.ref), &import->table.limits);
		break;
	case EXTERN_MEMORY:
		limits_text(text, "pages", &import->memory);
		break;
	case EXTERN_GLOBAL:
		global_text(text, &import->global);
		break;
	}
	sink_u8(sink, LOOK_IMPORT);
	sink_text(sink, import->module.text, import->module.bytes);
	sink_text(sink, import->field.text, import->field.bytes);
	sink_u8(sink, (uint8_t)import->kind);
	put_text(sink, text);
	sink_u8(sink, import->kind == EXTERN_FUNC && served(import));
}

static void
put_export(struct sink *sink, const struct module *module, const struct export *export)
{
	char text[TYPE_TEXT] = "";

	switch (export->kind) {
	case EXTERN_FUNC:
		func_text(text, module_functype(module, export->index));
		break;
	case EXTERN_TABLE:
		limits_text(text, invoke_type_text(module->tables[export->index].ref),
			&module->tables[export->index].limits);
		break;
	case EXTERN_MEMORY:
		limits_text(text, "pages", &module->memories[export->index]);
		break;
	case EXTERN_GLOBAL:
		global_text(text, &module->globals[export->index]);
		break;
	}
	sink_u8(sink, LOOK_EXPORT);
	sink_text(sink, export->name.text, export->name.bytes);
	sink_u8(sink, (uint8_t)export->kind);
	put_text(sink, text);
}

static void
put_more(struct sink *sink, enum look_tag what, uint32_t count)
{
	sink_u8(sink, LOOK_MORE);
	sink_u8(sink, (uint8_t)what);
	sink_u32(sink, count);
}

static void
put_module(struct look_sink *to, struct module *module)
{
	struct sink *sink = &to->sink;
	const uint32_t room = LOOK_BYTES - to->at, imports_end = to->at + room / 3,
		       exports_end = to->at + room / 2;
	uint32_t i;

	sink_u8(sink, LOOK_MODULE);
	sink_u64(sink, module->bytes_count);
	sink_put(sink, module_hash(module), 32);
	sink_text(sink, module->name.text, module->name.bytes);
	sink_u32(sink, module->funcs_count);
	sink_u32(sink, module->code_bytes);
	sink_u8(sink, module->has_start);
	for (i = 0; i < module->memories_count; i++) {
		sink_u8(sink, LOOK_MEMORY);
		sink_u8(sink, i < module->memory_imports);
		sink_u32(sink, module->memories[i].min);
		sink_u32(sink, module->memories[i].has_max ? module->memories[i].max : UINT32_MAX);
	}
	for (i = 0; i < module->imports_count && i < LIST_MAX && to->at < imports_end; i++)
		put_import(sink, module, &module->imports[i]);
	if (i < module->imports_count)
		put_more(sink, LOOK_IMPORT, module->imports_count - i);
	for (i = 0; i < module->exports_count && i < LIST_MAX && to->at < exports_end; i++)
		put_export(sink, module, &module->exports[i]);
	if (i < module->exports_count)
		put_more(sink, LOOK_EXPORT, module->exports_count - i);
}

/* Each module of the tree once: the world has it once. */
static void
put_modules(struct look_sink *to, struct domain *top)
{
	struct domain *at = top;

	while (at) {
		for (uint32_t i = 0; i < store_instances(at->store); i++) {
			struct module *module = store_instance(at->store, i)->module;
			bool put = false;

			for (uint32_t j = 0; j < modules_put_count && !put; j++)
				put = modules_put[j] == module;
			if (put || modules_put_count == MODULES_SHOWN || to->at > LOOK_BYTES / 5 * 4)
				continue;
			modules_put[modules_put_count++] = module;
			put_module(to, module);
		}
		if (at->first) {
			at = at->first;
			continue;
		}
		while (at != top && !at->next)
			at = at->parent;
		at = at == top ? NULL : at->next;
	}
}

void
look(struct worker *worker)
{
	static struct look_sink to = {.sink = {.put = look_put}};
	struct world_config config = {.host = worker->host, .device = client_device(worker->client),
		.caps = &caps_all, .executor = EXECUTOR_SWITCH};
	struct module *module;
	int r;

	worker->world = world_open(&config);
	if (!worker->world)
		worker_refuse(worker, EXIT_FAULT, "no memory to begin with");
	if (worker->program_bytes >= 4 && !memcmp(worker->program, "\0asm", 4)) {
		r = world_module(worker->world, worker->program, worker->program_bytes, &worker->report,
			&module);
		if (!r)
			put_module(&to, module);
	} else if (worker->program_bytes < sizeof(image_magic) ||
		memcmp(worker->program, image_magic, sizeof(image_magic))) {
		worker_refuse(worker, EXIT_DATA, "%s is neither a module nor an image",
			worker->start.program);
	} else {
		r = image_read(worker->world, worker->program, worker->program_bytes, &worker->report,
			&worker->domain);
		if (!r) {
			look_tree(worker, &to.sink, LOOK_BYTES / 2);
			put_modules(&to, worker->domain);
		}
	}
	if (r)
		worker_refuse(worker, r == -EINVAL || r == -E2BIG ? EXIT_DATA : EXIT_FAULT, "%s: %s",
			worker->start.program, worker->report.text[0] ? worker->report.text : "no memory to read it");
	worker->record.end = RECORD_LOOKED;
	worker->record.text = (struct record_text){(const char *)bytes_out, to.at};
}
