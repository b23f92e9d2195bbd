/* SPDX-License-Identifier: Apache-2.0 */
/* verdict.c - how it ended, in words, and as an exit status.
 *
 * A message says what happened, where, why, what the guest saw, what was kept
 * and how to allow more. Texts of the record are the worker's: made safe first. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/recording.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"
#include "tools/keyhold/worker.h"

enum { LINE_MAX_BYTES = 400 };

/* --- the status ----------------------------------------------------------------- */

static int
asked_status(const struct launch *launch)
{
	if (launch->timed_out)
		return EXIT_TIMEOUT;
	return launch->signal ? 128 + launch->signal : EXIT_KILLED;
}

/* The worker told nothing: it was ended, or it fell. */
static int
silent_status(const struct launch *launch)
{
	const struct broker_outcome *outcome = &launch->outcome;

	if (outcome->end == BROKER_CUT)
		return EXIT_KILLED;
	if (outcome->end == BROKER_KILLED && outcome->signal == SIGKILL)
		return asked_status(launch);
	return EXIT_FAULT;
}

/* Only eight bits reach the parent; a failure must not become a success. */
static int
guest_status(uint32_t code)
{
	return code && !(code & 255) ? 1 : (int)(code & 255);
}

int
verdict_status(const struct launch *launch)
{
	const struct record *record = launch->record;

	if (!record)
		return silent_status(launch);
	switch (record->end) {
	case RECORD_REFUSED:
		return record->status;
	case RECORD_EXIT:
		return guest_status(record->code);
	case RECORD_TRAP:
		return EXIT_TRAP;
	case RECORD_GAS:
		return EXIT_GAS;
	case RECORD_STORAGE:
	case RECORD_REVOKED:
	case RECORD_WAITING:
		return EXIT_KILLED;
	case RECORD_ASKED:
		return asked_status(launch);
	case RECORD_DENIED:
		return EXIT_NO_KEY;
	case RECORD_LOOKED:
	case RECORD_UNTIL:
		return 0;
	case RECORD_DIVERGED:
		return EXIT_DATA;
	case RECORD_END_COUNT:
		break;
	}
	return EXIT_FAULT;
}

const char *
verdict_end(const struct launch *launch)
{
	if (!launch->record)
		return launch->timed_out                     ? "time"
		       : launch->outcome.end == BROKER_CUT   ? "revoked"
		                                             : "killed";
	switch (launch->record->end) {
	case RECORD_REFUSED:
		return "refused";
	case RECORD_EXIT:
		return "exit";
	case RECORD_TRAP:
		return "trap";
	case RECORD_GAS:
		return "gas";
	case RECORD_STORAGE:
		return "storage";
	case RECORD_ASKED:
		return launch->timed_out || launch->then_flags & RECORDING_TIME ? "time" : "killed";
	case RECORD_REVOKED:
		return "revoked";
	case RECORD_DENIED:
		return "denied";
	case RECORD_UNTIL:
		return "until";
	case RECORD_DIVERGED:
		return "diverged";
	case RECORD_WAITING:
		return "waiting";
	case RECORD_LOOKED:
	case RECORD_END_COUNT:
		break;
	}
	return "killed";
}

/* --- words ------------------------------------------------------------------------ */

void
verdict_where(const struct record *record)
{
	char line[LINE_MAX_BYTES] = "", name[120];
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < record->frames_count && i < 6; i++) {
		const struct record_frame *frame = &record->frames[i];

		if (frame->func.bytes)
			say_safe(frame->func.text, frame->func.bytes, name, sizeof(name));
		else
			snprintf(name, sizeof(name), "func[%u]", frame->index);
		if (at + strlen(name) + 32 > sizeof(line))
			break;
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s @0x%x", i ? " <- " : "", name,
			frame->offset);
	}
	if (i)
		say_more("at     %s%s", line, i < record->depth ? " <- .." : "");
}

/* What was kept, or how to keep it. */
static void
say_kept(const struct launch *launch, enum start_when when, const char *option)
{
	const struct record *record = launch->record;
	const char *name = launch->images[when].name;
	char amount[UNITS_TEXT_MAX];

	if (launch->start.flags & START_REPLAY || options_has(launch->options, OPTION_UNTIL_TEMPLATE))
		return; /* what was kept then, was then */
	if (record->image == IMAGE_WRITTEN && !strcmp(name, "-"))
		say_more("kept   %s bytes on standard output, for: keyhold resume%s -",
			units_group(record->image_bytes, amount), option);
	else if (record->image == IMAGE_WRITTEN)
		say_more("kept   %s, nothing lost: keyhold resume%s %s", name, option, name);
	else if (!name && launch->start.flags & START_RESUME)
		say_more("kept   the image is as it was: keyhold resume%s %s", option, launch->file);
	else if (!name && when != WHEN_TRAP)
		say_more("keep   nothing was kept; next time: --snapshot-on %s=FILE", start_when_text(when));
}

static void
say_gas(const struct launch *launch)
{
	const struct record *record = launch->record;
	char used[UNITS_TEXT_MAX], guest[UNITS_TEXT_MAX], host[UNITS_TEXT_MAX], need[UNITS_TEXT_MAX];

	if (launch->start.stop_after)
		say("%s stopped after %s safepoints", launch->program,
			units_group(launch->start.stop_after, used));
	else
		say("%s is out of gas: %s used (%s guest, %s host); its next step needs %s", launch->program,
			units_group(record->gas_guest + record->gas_host, used),
			units_group(record->gas_guest, guest), units_group(record->gas_host, host),
			units_group(record->need, need));
	verdict_where(record);
	say_kept(launch, WHEN_GAS, launch->start.stop_after ? "" : " --gas +N");
}

static void
say_storage(const struct launch *launch)
{
	const struct record *record = launch->record;
	char need[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

	say("%s is out of storage: its next step needs %s bytes more than --mem %s has", launch->program,
		units_group(record->need, need), units_say_bytes(record->storage_limit, limit));
	verdict_where(record);
	say_kept(launch, WHEN_STORAGE, " --mem N");
}

static void
say_trap(const struct launch *launch)
{
	const struct record *record = launch->record;
	char text[120];

	say("%s trapped: %s", launch->program,
		say_safe(record->trap.text, record->trap.bytes, text, sizeof(text)));
	verdict_where(record);
	if (record->image == IMAGE_WRITTEN)
		say_more("kept   %s, to look into: keyhold inspect %s", launch->images[WHEN_TRAP].name,
			launch->images[WHEN_TRAP].name);
}

static void
say_asked(const struct launch *launch)
{
	char text[UNITS_TEXT_MAX];

	if (launch->timed_out)
		say("%s was stopped: --timeout %s passed", launch->program,
			units_say_duration(launch->timeout_ns, text));
	else if (launch->record->image == IMAGE_WRITTEN)
		say("%s was stopped by %s", launch->program,
			launch->signal ? strsignal(launch->signal) : "its control");
	else if (launch->ended)
		say("%s was ended through its control", launch->program);
	else
		return; /* who sent the signal knows */
	verdict_where(launch->record);
	if (launch->record->image == IMAGE_WRITTEN)
		say_kept(launch, WHEN_SIGNAL, "");
}

/* The newest refusal, and how many there were. */
static const struct record_why *
newest_denied(const struct record *record)
{
	for (uint32_t i = 0; i < record->whys_count; i++)
		if (!record->whys[i].missing)
			return &record->whys[i];
	return NULL;
}

static void
say_denied(const struct launch *launch, int status)
{
	const struct record *record = launch->record;
	const struct record_why *why = newest_denied(record);
	char what[200], key[80], because[160], saw[40], allow[200], count[UNITS_TEXT_MAX];
	uint64_t denied = 0;

	for (uint32_t i = 0; i < record->keys_count; i++)
		denied += record->keys[i].counts.denied;
	if (!why)
		return;
	say_safe(why->what.text, why->what.bytes, what, sizeof(what));
	say_safe(why->key.text, why->key.bytes, key, sizeof(key));
	say_safe(why->why.text, why->why.bytes, because, sizeof(because));
	say_safe(why->saw.text, why->saw.bytes, saw, sizeof(saw));
	say_safe(why->allow.text, why->allow.bytes, allow, sizeof(allow));
	if (!status) {
		say("%s refused; the last: %s: %s%s%s", units_group(denied ? denied : 1, count), what, because,
			allow[0] ? "; allow: " : "", allow);
		return;
	}
	say("denied: %s tried %s", launch->program, what);
	if (key[0])
		say_more("key    %s", key);
	say_more("why    %s", because);
	say_more("guest  got %s", saw);
	if (allow[0])
		say_more("allow  %s", allow);
	if (denied > 1)
		say_more("all    %s were refused; --report FILE lists the last %d", units_group(denied, count),
			WASI_WHY_MAX);
}

/* What only the broker knows: where a name led, and whose time was over. */
static void
say_broker(const struct launch *launch, int status)
{
	const struct ledger *ledger = &launch->ledger;
	const struct refusal *refusal = ledger_newest(ledger);
	char name[128], count[UNITS_TEXT_MAX];

	if (refusal)
		say("key %s: %s%s%s was refused%s%s%s: %s", refusal->key, refusal->what,
			refusal->path[0] ? " " : "", refusal->path, refusal->count > 1 ? " " : "",
			refusal->count > 1 ? units_group(refusal->count, count) : "",
			refusal->count > 1 ? " times" : "", refusal->why);
	for (uint32_t i = 0; status && i < ledger->keys_count; i++)
		if (ledger->keys[i].is_expired)
			say("key %s was cut while it ran: its time, for=, was over",
				say_safe(ledger->keys[i].name, strlen(ledger->keys[i].name), name, sizeof(name)));
}

/* One line for each that waits. */
static void
say_waiting(const struct launch *launch)
{
	const struct record_text *text = &launch->record->text;
	uint64_t at = 0;

	say("%s was stopped: it waits for what cannot come", launch->program);
	while (at < text->bytes) {
		const char *line = text->text + at;
		const char *end = memchr(line, '\n', text->bytes - at);
		const uint64_t bytes = end ? (uint64_t)(end - line) : text->bytes - at;
		char safe[120];

		say_safe(line, (uint32_t)bytes, safe, sizeof(safe));
		say_more("%s", safe);
		at += bytes + 1;
	}
}

static void
say_refused(const struct launch *launch)
{
	const struct record *record = launch->record;
	char text[REPORT_BYTES_MAX + 200];

	say_safe(record->text.text, record->text.bytes, text, sizeof(text));
	if (record->text_offset != UINT64_MAX)
		say_error("%s, at byte %llu (0x%llx)", text, (unsigned long long)record->text_offset,
			(unsigned long long)record->text_offset);
	else
		say_error("%s", text);
}

/* A worker that told nothing. */
static void
say_silent(const struct launch *launch)
{
	const struct broker_outcome *outcome = &launch->outcome;
	const char *trail = outcome->trail;
	char stuck[UNITS_TEXT_MAX];

	if (outcome->end == BROKER_KILLED && outcome->signal == SIGKILL) {
		if (launch->timed_out)
			say("%s was ended: --timeout passed, and it did not stop when asked", launch->program);
		else if (!launch->signal)
			say_error("the worker was killed from outside (no memory on this machine?)");
		return;
	}
	switch (outcome->end) {
	case BROKER_EXITED:
		if (outcome->code == WORKER_ABORTED) {
			say_error("the worker stopped itself: %s",
				trail[0] ? trail : "abort(), and not by a check of ours");
			break;
		}
		say_error("the worker ended %s%s%s", outcome->ready ? "without a word" : "before its walls were up",
			trail[0] ? ": " : "", trail);
		break;
	case BROKER_KILLED:
		say_error("the worker fell (%s)%s%s", strsignal(outcome->signal), trail[0] ? ": " : "", trail);
		if (outcome->signal == SIGSYS)
			say_more("it made a system call that the walls forbid, and was ended by them");
		break;
	case BROKER_PROTOCOL:
		say_error("the worker broke the protocol and was ended: %s",
			outcome->why ? outcome->why : "unknown message");
		break;
	case BROKER_DEAF:
		say_error("the worker was ended: the broker may no longer have as many open files as it waits for");
		say_more("somebody lowered its limit while it ran (prlimit --nofile); raise it, and run again");
		return;
	case BROKER_STUCK:
		say_error("the worker was ended: it computed for %s without coming to a safepoint",
			units_say_duration(launch->stuck_ns, stuck));
		say_more("no gas counts such a loop, so it is a fault of ours, or a step that needs longer here: "
			 "--stuck-after TIME");
		return;
	case BROKER_CUT:
		say_error("the worker was ended: a revoked key was still in use");
		return;
	case BROKER_TIMED_OUT:
		break;
	}
	say_more("this is a fault of keyhold, not of the guest: please report it, with: keyhold doctor");
}

static void
say_holes(const struct launch *launch)
{
	char name[80], spec[200];

	for (uint32_t i = 0; i < launch->record->holes_count; i++) {
		const struct record_hole *hole = &launch->record->holes[i];

		say("key %s (%s) was in the image and is not handed over now: the guest has a hole there",
			say_safe(hole->name.text, hole->name.bytes, name, sizeof(name)),
			say_safe(hole->spec.text, hole->spec.bytes, spec, sizeof(spec)));
		say_more("allow  --key '%s=%s'", name, spec);
	}
}

/* --- what is kept ------------------------------------------------------------------- */

static int
keep_image(struct launch *launch)
{
	struct record *record = launch->record;
	struct new_file *file = &launch->images[record->image_when];
	struct report report = {.offset = UINT64_MAX};

	if (record->image == IMAGE_NONE || !file->name)
		return 0;
	if (record->image == IMAGE_WRITTEN && !new_file_keep(file, &report))
		return 0;
	record->image = IMAGE_FAILED;
	say_error("the image could not be written to %s: %s", file->name,
		report.text[0]                                ? report.text
		: record->image_error == DEVICE_ENOSPC        ? "no space left on its device"
		: record->image_error == DEVICE_EPIPE         ? "nobody reads there any more"
		: record->image_error == DEVICE_EFBIG         ? "it would be larger than a file may be"
		: record->image_error == DEVICE_ENOMEM        ? "no memory"
		                                              : "an error of its device");
	return EXIT_IO;
}

static int
print_values(const struct launch *launch)
{
	const struct record *record = launch->record;
	FILE *out = keys_image_on_stdout(launch) ? stderr : stdout; /* where the guest's output goes */
	char text[INVOKE_TEXT_MAX];

	for (uint32_t i = 0; i < record->values_count; i++)
		fprintf(out, "%s\n", invoke_text(record->values[i].type, record->values[i].bits, text));
	return command_end(0);
}

static void
say_ended(const struct launch *launch, int status)
{
	switch (launch->record->end) {
	case RECORD_REFUSED:
		say_refused(launch);
		return;
	case RECORD_TRAP:
		say_trap(launch);
		break;
	case RECORD_GAS:
		say_gas(launch);
		break;
	case RECORD_STORAGE:
		say_storage(launch);
		break;
	case RECORD_ASKED:
		say_asked(launch);
		break;
	case RECORD_WAITING:
		say_waiting(launch);
		break;
	case RECORD_REVOKED:
		say("%s was stopped: a key that it waited on was revoked", launch->program);
		break;
	case RECORD_EXIT:
	case RECORD_DENIED:
	case RECORD_LOOKED:
	case RECORD_UNTIL:
	case RECORD_DIVERGED:
	case RECORD_END_COUNT:
		break;
	}
	say_denied(launch, status);
}

/* Below the first tier a run says so; which tier was asked for needs no words. */
static void
say_tier(const struct launch *launch)
{
	const enum walls_tier tier = launch->record->walls.tier;

	if (launch_tier_forced(launch->options))
		return;
	if (tier == WALLS_T1)
		say("the walls stood at tier T1 only: no namespaces here; keyhold doctor tells why");
	if (tier == WALLS_T2)
		say("the walls stood at tier T2 only: no io_uring here, so the broker reads and "
		    "writes for the program, slower; keyhold doctor tells why");
}

int
verdict(struct launch *launch)
{
	int status = verdict_status(launch), kept = 0, r;

	if (launch->record && launch->record->end == RECORD_LOOKED) {
		status = inspect_print(launch);
	} else if (launch->record) {
		say_tier(launch);
		kept = keep_image(launch);
		if (launch->start.flags & START_RESUME)
			say_holes(launch);
		r = print_values(launch);
		say_ended(launch, status);
		say_broker(launch, status);
		if (launch->start.flags & START_REPLAY)
			status = taping_verdict(launch, status);
		if (!status)
			status = r;
	} else {
		say_silent(launch);
		say_broker(launch, status);
	}
	if (kept)
		status = kept;
	else if (options_has(launch->options, OPTION_UNTIL_TEMPLATE))
		status = template_verdict(launch, status);
	r = taping_end(launch, status);
	if (r)
		status = r;
	r = account_write(launch, status);
	return r ? r : status;
}
