/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/house.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void
house_fail(const char *what, const char *why)
{
	fprintf(stderr, "house: %s: %s\n", what, why);
	exit(1);
}

uint8_t *
house_file(const char *path, size_t *ret_bytes)
{
	FILE *file = fopen(path, "rb");
	long size = -1;
	uint8_t *bytes;

	if (file && !fseek(file, 0, SEEK_END))
		size = ftell(file);
	bytes = size > 0 ? malloc((size_t)size) : NULL;
	if (!bytes || fseek(file, 0, SEEK_SET) || fread(bytes, 1, (size_t)size, file) != (size_t)size)
		house_fail(path, "cannot be read");
	(void)fclose(file);
	*ret_bytes = (size_t)size;
	return bytes;
}

void
house_open(struct house *house, enum executor executor, struct host *host)
{
	const struct world_config config = {
		.host = host ? host : &house->fake.host,
		.device = house->outside ? house->outside : &house->device.device,
		.caps = house->caps ? house->caps : &caps_all,
		.executor = executor_present(executor) ? executor : EXECUTOR_SWITCH,
		.poked = house->poked,
		.user = house->user,
		.slice = house->slice,
	};

	fake_host_init(&house->fake);
	fake_device_init(&house->device, 1);
	house->root = NULL;
	house->world = world_open(&config);
	if (!house->world)
		house_fail("world", "no memory");
}

uint64_t
house_ask(struct house *house, const char *name)
{
	struct domain *root = house->root;
	const struct module *module = store_instance(root->store, root->instance)->module;
	const struct export *export = module_export(module, name, strlen(name));

	if (!export || domain_entry(root, export->index, NULL, 0))
		house_fail(name, "cannot be called");
	domain_start(root);
	(void)world_run(house->world, root, false);
	if (root->stop.reason != STOP_RETURNED)
		house_fail(name, "did not return");
	return root->pending.slots[0];
}

static void
poke(struct house *house, uint64_t at, const void *bytes, size_t count)
{
	uint8_t *to = domain_mem(house->root, at, count);

	if (!to)
		house_fail(house->name, "has no room for what it is told");
	memcpy(to, bytes, count);
}

static void
put_bytes(struct house *house, const char *at, const char *bytes_at, const uint8_t *bytes,
	size_t count)
{
	const uint32_t size = (uint32_t)count;

	poke(house, house_ask(house, at), bytes, count);
	poke(house, house_ask(house, bytes_at), &size, sizeof size);
}

void
house_root(struct house *house, const char *path, uint64_t gas)
{
	struct domain_config config = {.name = "main", .gas = gas, .bank_bytes = BANK_NO_LIMIT};
	struct report report;
	const char *slash = strrchr(path, '/');

	(void)snprintf(house->name, sizeof house->name, "%s", slash ? slash + 1 : path);
	if (house->bank_bytes)
		config.bank_bytes = house->bank_bytes;
	house->bytes = house_file(path, &house->bytes_count);
	report_clear(&report);
	if (world_module(house->world, house->bytes, house->bytes_count, &report, &config.module) ||
		domain_new(house->world, &config, &report, &house->root) ||
		caps_kit(house->root, &report))
		house_fail(path, report.text);
	put_bytes(house, "kid_at", "kid_bytes_at", house->bytes, house->bytes_count);
}

void
house_module(struct house *house, const char *at, const char *bytes_at, const char *path)
{
	size_t count;
	uint8_t *bytes = house_file(path, &count);

	put_bytes(house, at, bytes_at, bytes, count);
	free(bytes);
}

void
house_task(struct house *house, struct house_task task)
{
	poke(house, house_ask(house, "task_at"), &task, sizeof task);
	if (caps_default_entry(house->root))
		house_fail(house->name, "has no _start");
}

enum stop_reason
house_go(struct house *house, uint64_t word)
{
	house->root->word_in = word;
	domain_start(house->root);
	(void)world_run(house->world, house->root, true);
	return house->root->stop.reason;
}

const char *
house_words(const struct house *house)
{
	static char words[128];

	(void)snprintf(words, sizeof words, "%s, %zu bytes", house->name, house->bytes_count);
	return words;
}

void
house_close(struct house *house)
{
	world_close(house->world);
	fake_device_done(&house->device);
	fake_host_done(&house->fake);
	free(house->bytes);
	house->bytes = NULL;
	house->root = NULL;
}
