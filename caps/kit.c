/* SPDX-License-Identifier: Apache-2.0 */
/* kit.c - what a domain needs to have domains of its own, and what it begins with.
 *
 * With its keys it can make things below itself and look; it cannot raise its own
 * limits, which are whoever gave it them to raise. */
#include <errno.h>
#include <string.h>

#include "caps/orders.h"
#include "caps/wasi.h"

static bool
put_part(struct domain *domain, uint32_t slot, enum kind_id kind, uint32_t *object, void *body)
{
	struct key key;

	if (*object == OBJECT_NONE)
		*object = object_borrow(domain->world, (uint8_t)kind, &domain->bank, body);
	if (*object == OBJECT_NONE)
		return false;
	key = object_key(domain->world, *object, RIGHT_make | RIGHT_read);
	slot_put(domain, slot, &key);
	return true;
}

int
caps_kit(struct domain *domain, struct report *report)
{
	struct key self = domain_key(domain, KIND_domain);
	const uint32_t creator =
		domain_slots_room(domain, CAPS_KIT_SLOTS)
			? OBJECT_NONE
			: object_new(domain->world, KIND_creator, &domain->bank, 1);
	struct key key;

	if (creator == OBJECT_NONE ||
		!put_part(domain, CAPS_KIT_METER, KIND_meter, &domain->meter.object, &domain->meter) ||
		!put_part(domain, CAPS_KIT_BANK, KIND_bank, &domain->bank.object, &domain->bank)) {
		report_say(report, UINT64_MAX, "storage: no room for the keys to make domains with");
		return -ENOSPC;
	}
	key = object_key(domain->world, creator, kind_rights(KIND_creator));
	slot_put(domain, CAPS_KIT_CREATOR, &key);
	self.rights = RIGHT_make | RIGHT_read | RIGHT_end;
	slot_put(domain, CAPS_KIT_SELF, &self);
	key = caps_log_key();
	slot_put(domain, CAPS_KIT_LOG, &key);
	return 0;
}

static bool
is_named(const struct name *name, const char *text)
{
	return name->bytes == strlen(text) && !memcmp(name->text, text, name->bytes);
}

bool
caps_wants_kit(const struct module *module)
{
	static const char *const names[] = {"call", "send", "reply_wait"};

	for (uint32_t i = 0; i < module->imports_count; i++)
		for (unsigned j = 0; j < sizeof names / sizeof *names; j++)
			if (is_named(&module->imports[i].module, "keyhold") &&
				is_named(&module->imports[i].field, names[j]))
				return true;
	return false;
}

int
caps_default_entry(struct domain *domain)
{
	const struct module *module = store_instance(domain->store, domain->instance)->module;
	const struct export *export = module_export(module, "_start", 6);

	if (!export || export->kind != EXTERN_FUNC ||
		module_functype(module, export->index)->params)
		return 0;
	return domain_entry(domain, export->index, NULL, 0);
}

int
caps_set_args(struct domain *domain, const char *text, uint32_t bytes)
{
	struct wasi *wasi = wasi_of(domain);
	char *copy;
	uint32_t count = 0;

	if (!wasi || (bytes && text[bytes - 1]))
		return -EINVAL;
	copy = bytes ? wasi_take(wasi, bytes) : NULL;
	if (bytes && !copy)
		return -ENOSPC;
	for (uint32_t i = 0; i < bytes; i++) {
		copy[i] = text[i];
		count += !text[i];
	}
	wasi_give(wasi, wasi->args.bytes, wasi->args.used);
	wasi->args = (struct strings){.bytes = copy, .used = bytes, .count = count};
	return 0;
}
