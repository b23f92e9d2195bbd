/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of every end, also of those that no command line brings about by
 * itself, held against tests/tools/schema.py. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/keyhold/launch.h"

struct ending {
	enum record_end end;
	char word[16];
	int status;
	int signal;
	bool timed_out;
};

static struct record_text
words(const char *text)
{
	return (struct record_text){text, (uint32_t)strlen(text)};
}

static void
fill(struct record *record, enum record_end end)
{
	record->end = end;
	record->gas_guest = 100;
	record->gas_host = UINT64_MAX; /* larger than JSON's numbers */
	record->gas_left = UINT64_MAX;
	record->gas_run = 10;
	record->need = 7;
	record->trap = words("unreachable");
	record->text = words("no such thing");
	record->walls.tier = WALLS_T0;
	memset(record->walls.up, 1, sizeof(record->walls.up));
	record->keys_count = 1;
	record->keys[0] = (struct record_key){words("da\xff\"ta"), words("dir:da\xffta,ro"),
		KIND_directory, 0, 0, {1, 2, 3, 4}};
	record->frames_count = record->depth = 1;
	record->frames[0] = (struct record_frame){words("f"), 3, 0x44};
	record->whys_count = record->holes_count = 1;
	record->whys[0] = (struct record_why){3, false, words("path_open"), words("data"),
		words("it leaves"), words("ENOTCAPABLE (76)"), words("")};
	record->holes[0] = (struct record_hole){words("x"), words("clock:real")};
}

static char path[] = "/tmp/keyhold-report-XXXXXX";

static struct launch *
launch_of(struct record *record)
{
	struct launch *launch = calloc(1, sizeof(*launch));

	close(mkstemp(path));
	launch->program = "p.wasm";
	launch->record = record;
	launch->outcome.end = BROKER_EXITED;
	cr_assert_eq(new_file_open(&launch->report_file, path, NULL), 0);
	return launch;
}

static void
hold_against_schema(struct launch *launch, const char *word)
{
	char command[4096];

	cr_assert_str_eq(verdict_end(launch), word);
	cr_assert_eq(account_write(launch, verdict_status(launch)), 0);
	snprintf(command, sizeof(command), "python3 '%s/tests/tools/schema.py' %s %s >&2",
		getenv("KH_SOURCE"), word, path);
	cr_assert_eq(system(command), 0);
	unlink(path);
	new_file_done(&launch->report_file);
	free(launch);
}

ParameterizedTestParameters(account, reports)
{
	static struct ending rows[] = {
		{RECORD_EXIT, "exit", 0, 0, false},
		{RECORD_TRAP, "trap", 134, 0, false},
		{RECORD_GAS, "gas", 152, 0, false},
		{RECORD_STORAGE, "storage", 137, 0, false},
		{RECORD_ASKED, "time", 124, 0, true},
		{RECORD_ASKED, "killed", 143, SIGTERM, false},
		{RECORD_ASKED, "killed", 130, SIGINT, false},
		{RECORD_ASKED, "killed", 137, 0, false},
		{RECORD_REVOKED, "revoked", 137, 0, false},
		{RECORD_DENIED, "denied", 77, 0, false},
		{RECORD_WAITING, "waiting", 137, 0, false},
		{RECORD_REFUSED, "refused", 0, 0, false},
	};

	return cr_make_param_array(struct ending, rows, sizeof(rows) / sizeof(*rows));
}

ParameterizedTest(struct ending *ending, account, reports)
{
	static struct record record;
	struct launch *launch = launch_of(&record);

	fill(&record, ending->end);
	launch->signal = ending->signal;
	launch->timed_out = ending->timed_out;
	cr_assert_eq(verdict_status(launch), ending->status);
	hold_against_schema(launch, ending->word);
}

static int
silent(enum broker_end end, int signal, const char **ret_word)
{
	struct launch launch = {.outcome = {.end = end, .signal = signal}};

	*ret_word = verdict_end(&launch);
	return verdict_status(&launch);
}

Test(account, a_worker_that_told_nothing_is_our_fault_unless_it_was_ended)
{
	const char *word;

	cr_assert_eq(silent(BROKER_EXITED, 0, &word), 70);
	cr_assert_str_eq(word, "killed");
	cr_assert_eq(silent(BROKER_KILLED, SIGSYS, &word), 70);
	cr_assert_eq(silent(BROKER_KILLED, SIGSEGV, &word), 70);
	cr_assert_eq(silent(BROKER_KILLED, SIGKILL, &word), 137);
	cr_assert_eq(silent(BROKER_PROTOCOL, 0, &word), 70);
	cr_assert_eq(silent(BROKER_DEAF, 0, &word), 70);
	cr_assert_eq(silent(BROKER_CUT, 0, &word), 137);
	cr_assert_str_eq(word, "revoked");
}

struct bytes_sink {
	struct sink sink; /* first */
	uint8_t bytes[1 << 14];
	size_t count;
};

static int
bytes_put(struct sink *sink, const void *data, size_t bytes)
{
	struct bytes_sink *to = (struct bytes_sink *)(void *)sink;

	cr_assert_leq(bytes, sizeof(to->bytes) - to->count);
	memcpy(to->bytes + to->count, data, bytes);
	to->count += bytes;
	return 0;
}

/* The worker may have fallen: whatever it wrote is read to an end. */
Test(account, a_record_cut_or_changed_anywhere_is_refused_or_read)
{
	static struct bytes_sink to = {.sink = {.put = bytes_put}};
	static struct record record;
	struct record *got;

	fill(&record, RECORD_TRAP);
	record_write(&record, &to.sink);
	cr_assert_eq(record_read(to.bytes, to.count, &got), 0);
	cr_assert_eq(got->gas_host, UINT64_MAX);
	cr_assert_eq(got->keys[0].counts.missing, 4);
	cr_assert_eq(got->frames[0].offset, 0x44);
	free(got);
	for (size_t i = 0; i < to.count; i++)
		cr_assert_eq(record_read(to.bytes, i, &got), -EINVAL, "cut at %zu", i);
	for (size_t i = 0; i < 8 * to.count; i++) {
		to.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		if (!record_read(to.bytes, to.count, &got))
			free(got);
		to.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}
