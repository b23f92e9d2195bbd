/* SPDX-License-Identifier: Apache-2.0 */
/* family.c - writes the image of a small tree, for the tests and pictures of
 * `keyhold inspect`.
 *
 * usage: test-tools-family MODULE > IMAGE   (the module exports _start and spins)
 *
 *   main          holds a domain key to each of its two, a clock, a directory, and the
 *    |            grant under which render calls the parser
 *    |- parser    ran out of its gas; holds the directory, read-only
 *    `- render    ready; holds a start key of the parser with badge 7 and three uses
 *       |          left, and a key to the parser's line that may only look
 *       `- font   holds nothing; has not begun */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps/caps.h"
#include "kernel/gate.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"

static struct fake_host host;
static struct fake_device device;
static struct report report;
static struct world *world;

static void
check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "family: %s: %s\n", what, report.text);
	exit(1);
}

static struct domain *
make(const char *name, struct module *module, struct domain *parent, uint64_t gas, uint64_t bank_bytes)
{
	const struct domain_config config = {.name = name, .module = module, .gas = gas,
		.bank_bytes = bank_bytes,
		.above = {.parent = parent, .line = parent ? &parent->meter.line : NULL,
			.bank = parent ? &parent->bank : NULL}};
	struct domain *domain;
	const struct wasi_config wasi = {.no_root = true};

	check(!domain_new(world, &config, &report, &domain), name);
	check(!caps_wasi_setup(domain, &wasi, &report), "setup");
	check(!domain_entry(domain, module_export(module, "_start", 6)->index, NULL, 0), "entry");
	return domain;
}

static void
hand(struct domain *to, struct key key)
{
	check(domain_slot(to, &key) >= 0, "a slot");
}

/* Weaker, with so many uses left; the cutter can take it back. */
static struct key
derived(struct key key, uint32_t rights, uint64_t uses, struct domain *cutter)
{
	struct grants *grants = world_grants(world);
	const uint32_t grant = grant_new(grants, key.grant);
	struct grant_body *body;
	uint32_t object;

	check(grant != GRANT_NONE, "a grant");
	grants->at[grant].uses_left = uses;
	grants->at[grant].limited = true;
	object = object_new(world, KIND_grant, &cutter->bank, sizeof *body);
	check(object != OBJECT_NONE, "an object");
	body = object_at(world, object)->body;
	check(world_grant_pay(body, &cutter->bank), "a grant's place");
	body->grant = grant;
	hand(cutter, object_key(world, object, RIGHT_write));
	key.rights &= rights;
	key.grant = grant;
	key.grant_generation = grants->at[grant].generation;
	return key;
}

static struct key
root(enum kind_id kind, const char *name, const char *spec, uint32_t rights)
{
	const struct caps_root config = {.name = name, .spec = spec, .kind = kind, .rights = rights,
		.handle = 9};
	struct key key;

	check(!caps_root_add(world, &config, &report, &key), name);
	return key;
}

static struct key
to_domain(struct domain *domain, uint8_t kind, uint32_t rights, uint64_t badge)
{
	struct key key = domain_key(domain, kind);

	key.rights = rights;
	key.badge = badge;
	return key;
}

static struct key
to_line(struct domain *domain, uint32_t rights)
{
	const uint32_t object = object_borrow(world, KIND_meter, &domain->bank, &domain->meter);

	check(object != OBJECT_NONE, "an object");
	domain->meter.object = object;
	return object_key(world, object, rights);
}

int
main(int argc, char **argv)
{
	const uint32_t all = RIGHT_read | RIGHT_write | RIGHT_make | RIGHT_end;
	struct world_config config = {.host = &host.host, .device = &device.device, .caps = &caps_all};
	static uint8_t bytes[1 << 16];
	struct buffer image;
	struct module *module = NULL;
	struct domain *top, *parser, *render, *font;
	struct key directory;
	FILE *in = argc > 1 ? fopen(argv[1], "rb") : NULL;
	size_t count = in ? fread(bytes, 1, sizeof bytes, in) : 0;

	report_clear(&report);
	fake_host_init(&host);
	fake_device_init(&device, 1);
	world = world_open(&config);
	check(world && !world_module(world, bytes, count, &report, &module), "the module");
	top = make("main", module, NULL, 5000000, 64 << 20);
	parser = make("parser", module, top, 100000, 4 << 20);
	render = make("render", module, top, GAS_NO_LIMIT, 16 << 20);
	font = make("font", module, render, 20000, 1 << 20);
	directory = root(KIND_directory, "data", "dir:/srv/data,rw,as=/data", RIGHT_read | RIGHT_write);
	hand(top, root(KIND_clock, "clock", "clock:virtual", RIGHT_read | RIGHT_sleep));
	hand(top, directory);
	hand(top, to_domain(parser, KIND_domain, all, 0));
	hand(top, to_domain(render, KIND_domain, all, 0));
	directory.rights = RIGHT_read;
	hand(parser, directory);
	hand(render, derived(to_domain(parser, KIND_start, 0, 7), 0, 3, top));
	hand(render, to_line(parser, RIGHT_read));
	hand(render, to_domain(font, KIND_domain, RIGHT_read | RIGHT_write, 0));
	line_reserve(world_clock(world), &top->meter.line, 1000);
	domain_start(parser);
	(void)world_run(world, parser, false);
	check(parser->stop.reason == STOP_OUT_OF_GAS, "the parser's end");
	domain_start(render);
	domain_quiesce(top);
	buffer_init(&image);
	check(!image_write(world, top, &image.sink, false), "the image");
	check(fwrite(image.bytes, 1, image.count, stdout) == image.count && !fflush(stdout), "writing");
	buffer_done(&image);
	world_close(world);
	return 0;
}
