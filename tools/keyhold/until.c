/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/until.h"

#include <string.h>

#include "kernel/gate.h"
#include "tools/keyhold/say.h"

enum { KEPT_MAX = 64, SERVED_MAX = 256, SERVED_TABLES_MAX = 16 };

static struct until {
	struct device device; /* first */
	struct device *below;
	struct worker *worker;
	uint32_t stdin_handle;
	uint64_t kept[KEPT_MAX]; /* requests that wait for their end: cancelled */
	uint32_t kept_count;

	struct caps caps;
	const struct import_def *originals[SERVED_MAX]; /* by the world's number, less `gates` */
	uint32_t gates;       /* the gate's own imports, which come before */
	struct import_def wrapped[SERVED_MAX];
	const struct import_def *tables[SERVED_TABLES_MAX];
	bool in_call;         /* the call that runs was counted */
	uint64_t calls;

	uint32_t func;
	bool reached;
} until;

bool
until_reached(const struct worker *worker)
{
	return worker->start.until >= UNTIL_STDIN && until.reached;
}

/* --- stdin ------------------------------------------------------------------------ */

static bool
asks_stdin(const struct device_request *request)
{
	struct device_poll poll;

	if (request->op == DEVICE_READ)
		return request->handle == until.stdin_handle;
	if (request->op != DEVICE_POLL)
		return false;
	for (uint32_t at = 0; at + sizeof(poll) <= request->data_bytes; at += (uint32_t)sizeof(poll)) {
		memcpy(&poll, request->data + at, sizeof(poll));
		if (poll.handle == until.stdin_handle && poll.want & 1)
			return true;
	}
	return false;
}

static int
stdin_submit(struct device *device, const struct device_request *request)
{
	(void)device;
	if (!asks_stdin(request))
		return until.below->submit(until.below, request);
	if (until.kept_count == KEPT_MAX)
		return -DEVICE_EAGAIN;
	until.reached = true;
	until.kept[until.kept_count++] = request->id;
	return 0;
}

static void
stdin_cancel(struct device *device, uint64_t id)
{
	(void)device;
	for (uint32_t i = 0; i < until.kept_count; i++)
		if (until.kept[i] == id)
			return; /* reap ends it */
	until.below->cancel(until.below, id);
}

/* What is kept ends when somebody waits: the run has stopped by then. */
static bool
stdin_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	(void)device;
	if (!wait || !until.kept_count)
		return until.below->reap(until.below, wait, ret_completion);
	*ret_completion = (struct device_completion){.id = until.kept[--until.kept_count],
		.result = -DEVICE_ECANCELED};
	return true;
}

static void
stdin_done(struct device *device, uint64_t id)
{
	(void)device;
	until.below->done(until.below, id);
}

struct device *
until_device(struct worker *worker, struct device *below)
{
	if (worker->start.until != UNTIL_STDIN)
		return below;
	until.device = (struct device){stdin_submit, stdin_cancel, stdin_reap, stdin_done};
	until.below = below;
	until.stdin_handle = UINT32_MAX;
	for (uint32_t i = 0; i < worker->start.roots_count; i++)
		if (worker->start.roots[i].role == ROLE_STDIN)
			until.stdin_handle = worker->start.roots[i].root.handle;
	return &until.device;
}

/* --- calls ------------------------------------------------------------------------ */

static const struct import_def *
original(const struct call *call)
{
	return until.originals[call->domain->pending.host - until.gates];
}

static bool
goes_on_later(enum call_end end)
{
	return end == CALL_WAIT || end == CALL_DRY || end == CALL_FULL || end == CALL_YIELD ||
		end == CALL_STALLED;
}

static enum call_end
counted(struct call *call)
{
	enum call_end end;

	if (call->domain != until.worker->domain || until.reached)
		return original(call)->run(call);
	if (!until.in_call && ++until.calls == until.worker->start.until_count) {
		until.reached = true;
		return CALL_YIELD;
	}
	end = original(call)->run(call);
	until.in_call = goes_on_later(end);
	return end;
}

const struct caps *
until_caps(struct worker *worker, const struct caps *caps)
{
	uint32_t at = 0, count = 0;

	until.worker = worker;
	if (worker->start.until != UNTIL_CALL)
		return caps;
	until.caps = *caps;
	for (uint32_t table = 0; caps->import_tables[table]; table++) {
		const struct import_def *def = caps->import_tables[table];

		if (table + 1 >= SERVED_TABLES_MAX)
			worker_refuse(worker, EXIT_FAULT, "more tables of imports than --until call:N knows");
		until.tables[table] = &until.wrapped[at];
		for (; def->name; def++) {
			if (at + 2 >= SERVED_MAX)
				worker_refuse(worker, EXIT_FAULT, "more imports than --until call:N knows");
			until.originals[count++] = def;
			until.wrapped[at] = *def;
			until.wrapped[at++].run = counted;
		}
		at++; /* the end of this table */
	}
	for (const struct import_def *def = gate_imports; def->name; def++)
		until.gates++;
	until.caps.import_tables = until.tables;
	return &until.caps;
}

/* --- exports ---------------------------------------------------------------------- */

void
until_begin(struct worker *worker)
{
	const char *name = worker->start.until_name;
	const struct instance *instance =
		store_instance(worker->domain->store, worker->domain->instance);
	const struct export *export;

	if (worker->start.until != UNTIL_EXPORT)
		return;
	export = module_export(instance->module, name, strlen(name));
	if (!export || export->kind != EXTERN_FUNC)
		worker_refuse(worker, EXIT_USAGE, "--until export:%s: %s exports no function of that name; "
			"see: keyhold inspect %s", name, worker->start.program, worker->start.file);
	until.func = export->index;
	store_step_after(worker->domain->store, 1);
}

/* Stopped at a safepoint it is met again, but after a return. */
bool
until_step(struct worker *worker)
{
	struct store *store = worker->domain->store;
	struct frame_view view;
	const bool frame = store_frame(store, 0, &view);

	until.reached = frame && view.kind == FRAME_WASM && view.func == until.func &&
		view.instance == worker->domain->instance;
	store_step_after(store, until.reached ? 0 : frame && view.phase != PHASE_RETURN ? 2 : 1);
	return until.reached;
}
