/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - what the imports of a program are bound to.
 *
 * In order: an export of a module preloaded under that name; what the engine
 * serves itself; an import of caps' tables with that name and type; else, for
 * functions, a number that traps when it is called (or an error, when strict). */
#include <errno.h>
#include <string.h>

#include "kernel/world_state.h"

struct link {
	struct domain *domain;
	const struct domain_config *config;
	const struct module *module;
	uint32_t preloads_done;
	const uint32_t *instances;
	struct report *report;
};

/* The last preload of that name, before this module; NULL: none. */
static const struct instance *
preload_of(const struct link *link, const struct import *import)
{
	for (uint32_t i = link->preloads_done; i-- > 0;) {
		const char *name = link->config->preloads[i].name;

		if (strlen(name) == import->module.bytes &&
			!memcmp(name, import->module.text, import->module.bytes))
			return store_instance(link->domain->store, link->instances[i]);
	}
	return NULL;
}

static int
unknown(const struct link *link, const struct import *import, const char *why)
{
	report_say(link->report, UINT64_MAX, "unknown import: \"%.*s\" \"%.*s\": %s",
		(int)(import->module.bytes < 60 ? import->module.bytes : 60), import->module.text,
		(int)(import->field.bytes < 60 ? import->field.bytes : 60), import->field.text, why);
	return -ENOENT;
}

static int
bind_export(const struct link *link, const struct instance *from, const struct import *import,
	struct binding *ret_binding)
{
	const struct export *export =
		module_export(from->module, import->field.text, import->field.bytes);

	if (!export)
		return unknown(link, import, "the module of that name has no such export");
	if (export->kind != import->kind) {
		report_say(link->report, UINT64_MAX,
			"incompatible import type: \"%.*s\" \"%.*s\" is something else there",
			(int)(import->module.bytes < 60 ? import->module.bytes : 60),
			import->module.text, (int)(import->field.bytes < 60 ? import->field.bytes : 60),
			import->field.text);
		return -EINVAL;
	}
	switch (import->kind) {
	case EXTERN_FUNC:
		*ret_binding = (struct binding){BIND_FUNC, export->index, from->index};
		break;
	case EXTERN_TABLE:
		*ret_binding = (struct binding){BIND_TABLE, from->table_index[export->index], 0};
		break;
	case EXTERN_MEMORY:
		*ret_binding = (struct binding){BIND_MEMORY, from->memory_index, 0};
		break;
	case EXTERN_GLOBAL:
		*ret_binding = (struct binding){BIND_GLOBAL, from->global_index[export->index], 0};
		break;
	}
	return 0;
}

static int
bind_host(const struct link *link, const struct import *import, struct binding *ret_binding)
{
	const struct functype *type = &link->module->types[import->type];
	bool other = false;
	uint32_t number = 0;

	if (!store_intrinsic(import, type)) {
		number = world_import(link->domain->world, import, type, &other);
		if (number == IMPORT_UNSERVED && link->config->strict)
			return unknown(link, import,
				other ? "served with another type only" : "nobody serves it");
	}
	*ret_binding = (struct binding){BIND_HOST, number, 0};
	return 0;
}

static int
bind(const struct link *link, const struct import *import, struct binding *ret_binding)
{
	const struct instance *from = preload_of(link, import);

	if (from)
		return bind_export(link, from, import, ret_binding);
	if (import->kind == EXTERN_FUNC)
		return bind_host(link, import, ret_binding);
	return unknown(link, import,
		"a table, memory or global can only come from a preloaded module");
}

int
link_imports(struct domain *domain, const struct domain_config *config,
	const struct module *module, uint32_t preloads_done, const uint32_t *preload_instances,
	struct report *report, struct binding **ret_bindings)
{
	const struct link link = {domain, config, module, preloads_done, preload_instances, report};
	const uint64_t bytes = module->imports_count * sizeof(struct binding);
	struct binding *bindings = heap_take(&domain->world->heap, bytes);
	int error = 0;

	if (!bindings) {
		report_say(report, UINT64_MAX, "no memory for %u imports", module->imports_count);
		return -ENOMEM;
	}

	for (uint32_t i = 0; !error && i < module->imports_count; i++)
		error = bind(&link, &module->imports[i], &bindings[i]);
	if (error) {
		heap_give(&domain->world->heap, bindings, bytes);
		return error;
	}
	*ret_bindings = bindings;
	return 0;
}
