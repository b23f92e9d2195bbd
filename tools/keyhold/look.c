/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/image.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/worker.h"

/* Less than a record can hold, so that the rest of it fits too. */
enum { LOOK_BYTES = 700 << 10, LIST_MAX = 4000, TYPE_TEXT = 400 };

static uint8_t bytes_out[LOOK_BYTES];

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

/* Does some table of the kinds serve it? */
static bool
served(const struct import *import)
{
	for (const struct import_def *const *table = caps_all.import_tables; *table; table++)
		for (const struct import_def *def = *table; def->name; def++)
			if (strlen(def->module) == import->module.bytes &&
				strlen(def->name) == import->field.bytes &&
				!memcmp(def->module, import->module.text, import->module.bytes) &&
				!memcmp(def->name, import->field.text, import->field.bytes))
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
	for (i = 0; i < module->imports_count && i < LIST_MAX && to->at < LOOK_BYTES / 3; i++)
		put_import(sink, module, &module->imports[i]);
	if (i < module->imports_count)
		put_more(sink, LOOK_IMPORT, module->imports_count - i);
	for (i = 0; i < module->exports_count && i < LIST_MAX && to->at < LOOK_BYTES / 2; i++)
		put_export(sink, module, &module->exports[i]);
	if (i < module->exports_count)
		put_more(sink, LOOK_EXPORT, module->exports_count - i);
}

static const char *
stop_text(const struct domain *domain)
{
	switch (domain->stop.reason) {
	case STOP_NONE:
		return "stopped";
	case STOP_RETURNED:
		return "returned";
	case STOP_YIELDED:
		return "yielded";
	case STOP_OUT_OF_GAS:
		return "out of gas";
	case STOP_OUT_OF_STORAGE:
		return "out of storage";
	case STOP_TRAP:
		return trap_text(domain->stop.trap);
	case STOP_CALLED:
		return "called";
	case STOP_WAITING:
		return "waiting";
	case STOP_REVOKED:
		return "revoked";
	case STOP_ENDED:
		return "ended";
	case STOP_STEPPED:
		return "stepped";
	case STOP_COUNT:
		break;
	}
	return "stopped";
}

static void
put_frames(struct sink *sink, struct domain *domain)
{
	struct frame_view view;
	uint32_t put = 0;

	for (uint32_t depth = 0; put < 32 && store_frame(domain->store, depth, &view); depth++) {
		struct name name;

		if (view.kind != FRAME_WASM)
			continue;
		name = module_func_name(store_instance(domain->store, view.instance)->module, view.func);
		sink_u8(sink, LOOK_FRAME);
		sink_text(sink, name.text, name.bytes);
		sink_u32(sink, view.func);
		sink_u32(sink, view.offset);
		put++;
	}
}

/* Nothing was handed over, so every key of the image is a hole and is listed. */
static void
put_domain(struct worker *worker, struct look_sink *to, struct domain *domain, uint32_t depth)
{
	struct sink *sink = &to->sink;
	struct caps_root_view view;
	struct caps_hole hole;

	sink_u8(sink, LOOK_DOMAIN);
	sink_u32(sink, depth);
	put_text(sink, domain->name);
	put_text(sink, stop_text(domain));
	sink_u64(sink, domain->gas_guest);
	sink_u64(sink, domain->gas_host);
	sink_u64(sink, domain->meter.line.unlimited ? GAS_NO_LIMIT
	                                      : line_left(world_clock(worker->world), &domain->meter.line));
	sink_u64(sink, domain->bank.used);
	sink_u64(sink, domain->bank.limit);
	put_frames(sink, domain);
	for (uint32_t i = 0; i < LIST_MAX && caps_hole_at(domain, i, &hole); i++) {
		sink_u8(sink, LOOK_KEY);
		put_text(sink, hole.name);
		put_text(sink, hole.spec);
		sink_u32(sink, hole.kind);
	}
	/* A virtual clock and a seeded generator come with the image. */
	for (uint32_t i = 0; !depth && caps_root_at(worker->world, i, &view); i++) {
		if (view.kind != KIND_clock && view.kind != KIND_entropy)
			continue;
		sink_u8(sink, LOOK_KEY);
		put_text(sink, view.name);
		put_text(sink, view.spec);
		sink_u32(sink, view.kind);
	}
	for (uint32_t i = 0; i < store_instances(domain->store); i++)
		put_module(to, store_instance(domain->store, i)->module);
}

/* The tree without recursion: down first, then across, then up. */
static void
put_tree(struct worker *worker, struct look_sink *to, struct domain *top)
{
	struct domain *at = top;
	uint32_t depth = 0;

	while (at) {
		put_domain(worker, to, at, depth);
		if (at->first) {
			at = at->first;
			depth++;
			continue;
		}
		while (at != top && !at->next) {
			at = at->parent;
			depth--;
		}
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
		if (!r)
			put_tree(worker, &to, worker->domain);
	}
	if (r)
		worker_refuse(worker, r == -EINVAL || r == -E2BIG ? EXIT_DATA : EXIT_FAULT, "%s: %s",
			worker->start.program, worker->report.text[0] ? worker->report.text : "no memory to read it");
	worker->record.end = RECORD_LOOKED;
	worker->record.text = (struct record_text){(const char *)bytes_out, to.at};
}
