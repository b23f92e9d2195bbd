/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - behind the walls: a world, its keys, one domain, and what came of it.
 *
 *   keys -> module or image -> steps -> image, if one is to be kept -> record
 *
 * No system call is made here: the device is the ring, memory is the arena. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "caps/caps.h"
#include "drivers/broker/broker.h"
#include "kernel/image.h"
#include "tools/keyhold/obey.h"
#include "tools/keyhold/pen.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/tape.h"
#include "tools/keyhold/until.h"

enum { TEXT_MAX = 512, MOUNTS_MAX = RECORD_KEYS_MAX };

/* --- keys ------------------------------------------------------------------- */

static struct wasi_mount mounts[MOUNTS_MAX];
static struct wasi_named names[MOUNTS_MAX];

/* Makes the root keys, in the order given; fills the places they go to. */
static void
add_roots(struct worker *worker, struct wasi_config *config)
{
	for (uint32_t i = 0; i < worker->start.roots_count; i++) {
		const struct start_root *root = &worker->start.roots[i];
		struct key key;

		if (caps_root_add(worker->world, &root->root, &worker->report, &key))
			worker_refuse(worker, EXIT_NO_KEY, "key %s: %s", root->root.name,
				worker->report.text[0] ? worker->report.text : "no memory");
		switch (root->role) {
		case ROLE_STDIN:
		case ROLE_STDOUT:
		case ROLE_STDERR:
			config->streams[root->role - ROLE_STDIN] = key;
			break;
		case ROLE_MOUNT:
			mounts[config->mounts_count].key = key;
			mounts[config->mounts_count++].path = root->path;
			break;
		case ROLE_NET:
			names[config->keys_count].key = key;
			names[config->keys_count++].name = root->path;
			break;
		case ROLE_CLOCK:
			config->clock = key;
			break;
		case ROLE_ENTROPY:
			config->entropy = key;
			break;
		case ROLE_COUNT:
			break;
		}
	}
}

void
guest_roots(struct worker *worker)
{
	static struct wasi_config nobody;

	nobody.mounts = mounts;
	nobody.keys = names;
	nobody.mounts_count = nobody.keys_count = 0;
	add_roots(worker, &nobody);
}

/* --- a new run ---------------------------------------------------------------- */

static const struct export *
exported_func(const struct module *module, const char *name)
{
	const struct export *export = module_export(module, name, strlen(name));

	return export && export->kind == EXTERN_FUNC ? export : NULL;
}

/* "fib, add, sub": what could be called, for a message. */
static const char *
exports_text(const struct module *module, char text[static TEXT_MAX])
{
	size_t at = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < module->exports_count && at + 40 < TEXT_MAX / 2; i++) {
		const struct export *export = &module->exports[i];

		if (export->kind == EXTERN_FUNC)
			at += (size_t)snprintf(text + at, TEXT_MAX - at, "%s%.*s", at ? ", " : "",
				export->name.bytes < 40 ? (int)export->name.bytes : 40, export->name.text);
	}
	return at ? text : "none";
}

/* What --invoke names, with its arguments; else _start; else nothing, if the
 * module's own initialisation is the program. False: nothing is called. */
static bool
choose_entry(struct worker *worker, const struct module *module, uint32_t *ret_func,
	uint64_t slots[static PARAMS_MAX], uint32_t *ret_count)
{
	const struct start *start = &worker->start;
	const char *name = start->invoke ? start->invoke : "_start";
	const struct export *export = exported_func(module, name);
	char text[TEXT_MAX];
	const struct functype *type;

	if (!export && !start->invoke && (module->has_start || exported_func(module, "_initialize")))
		return false;
	if (!export)
		worker_refuse(worker, EXIT_USAGE, "%s exports no function %s; it exports: %s%s", start->program,
			name, exports_text(module, text),
			start->invoke ? "" : " (call one: --invoke NAME)");
	type = module_functype(module, export->index);
	if (!start->invoke && type->params)
		worker_refuse(worker, EXIT_DATA, "%s: _start takes no parameters", start->program);
	if (start->invoke && invoke_args(type, name, start->args + 1, start->args_count - 1,
		&worker->report, slots)) {
		worker->report.offset = UINT64_MAX;
		worker_refuse(worker, EXIT_USAGE, "%s", worker->report.text);
	}
	*ret_func = export->index;
	*ret_count = type->params;
	return true;
}

static bool
begins_with(const struct worker *worker, const char *bytes, size_t count)
{
	return worker->program_bytes >= count && !memcmp(worker->program, bytes, count);
}

static bool
is_image(const struct worker *worker)
{
	return begins_with(worker, (const char *)image_magic, sizeof(image_magic));
}

static void
make_domain(struct worker *worker, const struct wasi_config *wasi)
{
	const struct start *start = &worker->start;
	struct domain_config config = {.name = "main", .gas = start->gas,
		.bank_bytes = start->mem_bytes, .stop_when_dry = start->flags & START_STOP_ON_STORAGE,
		.strict = start->flags & START_STRICT};
	int r;

	if (is_image(worker))
		worker_refuse(worker, EXIT_DATA, "%s is an image; to go on from it: keyhold resume %s",
			start->program, start->file);
	if (!worker->program_bytes)
		worker_refuse(worker, EXIT_DATA, "%s is empty: there is no module in it", start->program);
	r = world_module(worker->world, worker->program, worker->program_bytes, &worker->report,
		&config.module);
	if (r)
		worker_refuse(worker, r == -ENOMEM ? EXIT_FAULT : EXIT_DATA, "%s: %s", start->program,
			r == -ENOMEM ? "no memory to load it" : worker->report.text);
	r = domain_new(worker->world, &config, &worker->report, &worker->domain);
	if (!r)
		r = caps_wants_kit(config.module) ? caps_kit(worker->domain, &worker->report) : 0;
	if (!r)
		r = caps_wasi_setup(worker->domain, wasi, &worker->report);
	if (r == -ENOSPC)
		worker_refuse(worker, EXIT_KILLED, "%s: --mem has no room for what it begins with: %s",
			start->program, worker->report.text[0] ? worker->report.text : "give it more");
	if (r)
		worker_refuse(worker, r == -ENOMEM ? EXIT_FAULT : EXIT_DATA, "%s: %s", start->program,
			worker->report.text[0] ? worker->report.text : "no memory");
}

/* --- going on from an image ----------------------------------------------------- */

/* `exec`: one of many that go on from one image, with its own arguments, gas and
 * random numbers. */
static void
make_own(struct worker *worker)
{
	const struct start *start = &worker->start;
	int r = 0;

	if (start->args_count > 1 && !start->invoke)
		r = caps_wasi_args(worker->domain, start->args + 1, start->args_count - 1, &worker->report);
	if (r) {
		worker->report.offset = UINT64_MAX;
		worker_refuse(worker, r == -EBUSY ? EXIT_USAGE : r == -ENOSPC ? EXIT_KILLED : EXIT_FAULT,
			"%s: %s%s", start->program, worker->report.text[0] ? worker->report.text : "no memory",
			r == -EBUSY ? "; take the template earlier: --until call:N" : "");
	}
	if (start->gas != GAS_NO_LIMIT)
		line_limit(world_clock(worker->world), &worker->domain->meter.line, start->gas);
	for (uint32_t i = 0; i < start->roots_count; i++)
		if (start->roots[i].role == ROLE_ENTROPY && !(start->roots[i].root.flags & CAPS_REAL))
			caps_reseed(worker->world, start->roots_count, start->roots[i].root.seed);
}

static void
read_image(struct worker *worker)
{
	const struct start *start = &worker->start;
	struct domain *domain;
	int r;

	if (begins_with(worker, "\0asm", 4))
		worker_refuse(worker, EXIT_DATA, "%s is a module, not an image; to run it: keyhold run %s",
			start->program, start->file);
	if (!worker->program_bytes)
		worker_refuse(worker, EXIT_DATA, "%s is empty: nothing was stopped, so there is no image",
			start->program);
	r = image_read(worker->world, worker->program, worker->program_bytes, &worker->report, &domain);
	if (r)
		worker_refuse(worker, r == -ENOMEM ? EXIT_FAULT : r == -ENOSPC ? EXIT_KILLED : EXIT_DATA,
			"%s: %s", start->program,
			worker->report.text[0] ? worker->report.text : "no memory for the image");
	worker->domain = domain;
	if (start->flags & START_MEM_GIVEN) {
		if (!bank_limit(&domain->bank, start->mem_bytes))
			worker_refuse(worker, EXIT_USAGE, "%s: --mem %llu is less than the %llu bytes it holds",
				start->program, (unsigned long long)start->mem_bytes,
				(unsigned long long)bank_used(&domain->bank));
	}
	if (start->flags & START_EXEC)
		make_own(worker);
	else if (start->gas && start->gas != GAS_NO_LIMIT)
		domain_feed(domain, start->gas);
}

/* --- the image that is kept ------------------------------------------------------ */

static void
keep_image(struct worker *worker, enum start_when when)
{
	static uint8_t buffer[PEN_PIECE];
	struct record *record = &worker->record;
	struct pen pen;
	int r;

	if (worker->start.images[when] == START_NO_IMAGE)
		return;
	pen_init(&pen, worker, worker->start.images[when], buffer, sizeof(buffer));
	record->image_when = when;
	r = image_write(worker->world, worker->domain, &pen.sink, false);
	if (!r)
		r = pen_flush(&pen);
	record->image = r ? IMAGE_FAILED : IMAGE_WRITTEN;
	record->image_bytes = pen.sink.bytes;
	record->image_error = r && !pen.error ? DEVICE_ENOMEM : pen.error;
}

void
guest_keep_image(struct worker *worker, enum start_when when)
{
	keep_image(worker, when);
}

/* --- the record --------------------------------------------------------------------- */

static struct record_text
text_of(const char *text)
{
	return (struct record_text){text, text ? (uint32_t)strlen(text) : 0};
}

static void
tell_frames(struct worker *worker)
{
	struct record *record = &worker->record;
	struct store *store = worker->domain->store;
	struct frame_walk walk = {0};
	struct frame_view view;

	while (store_walk(store, &walk, &view)) {
		struct record_frame *frame = &record->frames[record->frames_count];
		struct instance *instance;
		struct name name;

		if (view.kind != FRAME_WASM || record->frames_count == RECORD_FRAMES_MAX)
			continue;
		instance = store_instance(store, view.instance);
		name = module_func_name(instance->module, view.func);
		*frame = (struct record_frame){{name.text, name.bytes}, view.func, view.offset};
		record->frames_count++;
	}
	record->depth = walk.frames;
}

static void
tell_keys(struct worker *worker)
{
	struct record *record = &worker->record;
	const struct caps_why *why;
	struct caps_root_view view;
	struct caps_hole hole;

	for (uint32_t i = 0; i < RECORD_KEYS_MAX && caps_root_at(worker->world, i, &view); i++)
		record->keys[record->keys_count++] = (struct record_key){text_of(view.name),
			text_of(view.spec), view.kind, view.flags, 0, view.counts};
	for (uint32_t i = 0; i < RECORD_KEYS_MAX && caps_hole_at(worker->domain, i, &hole); i++)
		record->holes[record->holes_count++] =
			(struct record_hole){text_of(hole.name), text_of(hole.spec)};
	for (uint32_t i = 0; i < WASI_WHY_MAX && (why = caps_why(worker->domain, i)); i++)
		record->whys[record->whys_count++] = (struct record_why){why->count, why->missing,
			text_of(why->what), text_of(why->key), text_of(why->why), text_of(why->saw),
			text_of(why->allow)};
}

/* The entry's results, if it returned instead of calling proc_exit. */
static void
tell_values(struct worker *worker)
{
	struct record *record = &worker->record;
	struct domain *domain = worker->domain;
	const struct functype *type = domain->pending.type;

	if (!domain->entered || domain->pending.end != EXEC_RETURNED || !type)
		return;
	for (uint32_t i = 0; i < type->results && i < RECORD_VALUES_MAX; i++)
		record->values[record->values_count++] = (struct record_value){
			type->vals[type->params + i], domain->pending.slots[i]};
}

static void
tell(struct worker *worker)
{
	struct record *record = &worker->record;
	struct domain *domain = worker->domain;

	record->gas_guest = domain->gas_guest;
	record->gas_host = domain->gas_host;
	record->gas_run = domain->gas_guest + domain->gas_host - worker->gas_before;
	record->gas_left = domain->meter.line.unlimited ? GAS_NO_LIMIT
	                                          : line_left(world_clock(worker->world), &domain->meter.line);
	record->program = text_of(worker->start.program);
	record->steps = world_where(worker->world).steps;
	record->storage_peak = bank_peak(&domain->bank);
	record->storage_limit = domain->bank.limit;
	if (worker->start.stop_after)
		record->safepoints = store_safepoints(domain->store);
	if (record->end != RECORD_EXIT)
		tell_frames(worker);
	tell_keys(worker);
}

/* --- lines that guests write ------------------------------------------------------------- */

/* As they come: between two steps, and when all is over. A replay writes them to
 * nobody; they were read when it was recorded. */
static void
tell_log(struct worker *worker)
{
	char text[CAPS_LINE_MAX + DOMAIN_NAME_BYTES + 64];
	struct caps_line line;

	while (caps_log_take(worker->world, &line)) {
		if (worker->start.flags & START_REPLAY)
			continue;
		if (line.lost) {
			(void)snprintf(text, sizeof(text), "(%llu lines before this one were overwritten)",
				(unsigned long long)line.lost);
			client_log(worker->client, BROKER_LOG_GUEST, text, strlen(text));
		}
		(void)snprintf(text, sizeof(text), "%s: %s", line.who, line.text);
		client_log(worker->client, BROKER_LOG_GUEST, text, strlen(text));
	}
}

/* --- steps --------------------------------------------------------------------------- */

static bool
told_to_stop(struct worker *worker)
{
	tell_log(worker);
	worker->pokes |= client_poked(worker->client);
	if (worker->start.flags & START_REPLAY)
		return again_poked(worker) || worker->pokes;
	if (worker->pokes)
		tape_stop(worker);
	return worker->pokes != 0 || until_reached(worker);
}

static bool
poked(void *user)
{
	struct worker *worker = user;

	return obey_due(worker) || told_to_stop(worker);
}

/* Until it stops by itself (true) or we are asked to stop it. */
static bool
run(struct worker *worker)
{
	if (worker->start.flags & START_REPLAY)
		again_begin(worker);
	domain_start(worker->domain);
	for (;;) {
		if (world_run(worker->world, worker->domain, true) == DOMAIN_STOPPED) {
			if (until_reached(worker) || (worker->start.until == UNTIL_EXPORT &&
				worker->domain->stop.reason == STOP_STEPPED && until_step(worker)))
				return false;
			if (worker->domain->stop.reason != STOP_YIELDED &&
				!(worker->start.until == UNTIL_EXPORT &&
					worker->domain->stop.reason == STOP_STEPPED))
				return true;
			domain_start(worker->domain); /* nobody drives it but us: go on */
		}
		obey(worker);
		if (told_to_stop(worker))
			return false;
		if (world_is_paused(worker->world))
			obey_wait(worker);
	}
}

static char waits_text[1024];

static void
stopped(struct worker *worker)
{
	const struct stop *stop = &worker->domain->stop;
	struct record *record = &worker->record;

	record->need = stop->need;
	switch (stop->reason) {
	case STOP_RETURNED:
		record->end = caps_denied_end(worker->domain) ? RECORD_DENIED : RECORD_EXIT;
		record->code = stop->code;
		tell_values(worker);
		return;
	case STOP_TRAP:
		record->end = RECORD_TRAP;
		record->trap = text_of(trap_text(stop->trap));
		keep_image(worker, WHEN_TRAP);
		return;
	case STOP_OUT_OF_GAS:
	case STOP_STEPPED:
		record->end = RECORD_GAS;
		keep_image(worker, WHEN_GAS);
		return;
	case STOP_OUT_OF_STORAGE:
		record->end = RECORD_STORAGE;
		keep_image(worker, WHEN_STORAGE);
		return;
	case STOP_REVOKED:
		record->end = RECORD_REVOKED;
		return;
	case STOP_WAITING:
		record->end = RECORD_WAITING;
		record->text.bytes = domain_waits(worker->domain, waits_text, sizeof waits_text);
		record->text.text = waits_text;
		return;
	case STOP_NONE:
	case STOP_YIELDED:
	case STOP_CALLED:
	case STOP_ENDED:
	case STOP_COUNT:
		record->end = RECORD_ASKED;
		return;
	}
}

static struct device *
device_below(struct worker *worker)
{
	if (worker->start.flags & START_REPLAY)
		return again_open(worker);
	if (worker->start.record_to != START_NO_STREAM)
		return tape_open(worker);
	/* Images are written while the world has requests in flight. */
	return worker->start.flags & START_CONTROL ? pen_device(worker) : client_device(worker->client);
}

static struct device *
device_of(struct worker *worker)
{
	return until_device(worker, device_below(worker));
}

static void
open_world(struct worker *worker)
{
	struct world_config config = {.host = worker->host, .device = device_of(worker),
		.caps = until_caps(worker, &caps_all), .executor = EXECUTOR_FAST, .poked = poked, .user = worker};

	if (worker->start.flags & START_SWITCH || !executor_present(EXECUTOR_FAST))
		config.executor = EXECUTOR_SWITCH;
	worker->world = world_open(&config);
	if (!worker->world)
		worker_refuse(worker, EXIT_FAULT, "no memory to begin with");
}

/* A reactor's _initialize comes before what --invoke names. */
static void
run_new(struct worker *worker, bool *ret_stopped)
{
	static uint64_t slots[PARAMS_MAX];
	const struct module *module =
		store_instance(worker->domain->store, worker->domain->instance)->module;
	const struct export *before = worker->start.flags & START_RESUME
		? NULL : exported_func(module, "_initialize"); /* an image has it behind it */
	uint32_t func = 0, count = 0;
	const bool has_entry = choose_entry(worker, module, &func, slots, &count);

	if (before && (!has_entry || before->index != func)) {
		if (domain_entry(worker->domain, before->index, NULL, 0))
			worker_refuse(worker, EXIT_DATA, "%s: _initialize takes no parameters", worker->start.program);
		*ret_stopped = run(worker);
		if (!*ret_stopped || worker->domain->stop.reason != STOP_RETURNED || !has_entry)
			return;
	}
	if (has_entry && domain_entry(worker->domain, func, slots, count))
		worker_refuse(worker, EXIT_KILLED, "%s: --mem has no room for the arguments",
			worker->start.program);
	*ret_stopped = run(worker);
}

/* A library whose initialisation is over: whoever goes on from it calls an export. */
static bool
is_idle_reactor(const struct worker *worker)
{
	const struct module *module =
		store_instance(worker->domain->store, worker->domain->instance)->module;

	return !exported_func(module, "_start") && !worker->start.invoke &&
		worker->domain->stop.reason == STOP_RETURNED;
}

/* Somebody asked: it comes to a point where an image can be made of it. */
static void
asked(struct worker *worker)
{
	const bool replay = worker->start.flags & START_REPLAY;

	if (replay)
		(void)again_freeze(worker);
	domain_quiesce(worker->domain);
	worker->record.end = until_reached(worker) && !worker->pokes ? RECORD_UNTIL : RECORD_ASKED;
	if (replay)
		return;
	if (worker->pokes & POKE_KEEP)
		keep_image(worker, WHEN_SIGNAL);
}

void
guest_run(struct worker *worker)
{
	const struct start *start = &worker->start;
	const bool replay = start->flags & START_REPLAY;
	struct wasi_config wasi = {.mounts = mounts, .keys = names};
	bool by_itself;

	if (replay)
		again_read(worker);
	if (worker->alone) {
		only_from_file(worker);
		tell_log(worker);
		tell(worker);
		return;
	}
	wasi.args = start->args;
	wasi.args_count = start->args_count;
	wasi.env = start->env;
	wasi.env_count = start->env_count;
	wasi.no_root = start->flags & START_NO_ROOT;
	wasi.stop_on_denied = start->flags & START_STOP_ON_DENIED;
	open_world(worker);
	if (start->only)
		only_watch(worker);
	add_roots(worker, &wasi);
	if (start->flags & START_RESUME)
		read_image(worker);
	else
		make_domain(worker, &wasi);
	worker->gas_before = worker->domain->gas_guest + worker->domain->gas_host;
	if (start->stop_after)
		store_step_after(worker->domain->store, start->stop_after);
	until_begin(worker);
	if (start->flags & START_RESUME && !start->invoke)
		by_itself = run(worker);
	else
		run_new(worker, &by_itself);
	if (start->only)
		only_seen(worker);
	if (by_itself && start->until == UNTIL_EXPORT && is_idle_reactor(worker))
		worker->record.end = RECORD_UNTIL;
	if (by_itself && replay)
		again_stopped(worker);
	if (by_itself && worker->record.end != RECORD_UNTIL)
		stopped(worker);
	else if (!by_itself)
		asked(worker);
	if (replay)
		again_close(worker);
	else
		tape_close(worker);
	if (worker->record.end == RECORD_UNTIL && !start->only)
		keep_image(worker, WHEN_UNTIL);
	tell_log(worker);
	tell(worker);
	if (start->only)
		only_again(worker);
}
