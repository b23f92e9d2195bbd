/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "drivers/wire.h"
#include "kernel/base/fits.h"
#include "tools/keyhold/carry.h"
#include "tools/keyhold/commands.h"
#include "tools/keyhold/control.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"

extern char **environ;

/* How long a worker that was asked to stop may take to tell how far it came. */
static const uint64_t grace_ns = 500000000;

/* --- options ------------------------------------------------------------------ */

static int
wrong(const char *option, const struct report *report)
{
	say_error("--%s %s", option, report->text);
	return EXIT_USAGE;
}

/* Longer than any step there is; bulk operations are steps of a slice each. What
 * is run has to be read and checked first, in one. */
static const uint64_t stuck_default_ns = UINT64_C(10000000000);
enum { STUCK_NS_PER_BYTE = 10 };

static void
default_stuck(struct launch *launch)
{
	const int fds[] = {launch->program_fd, launch->other_fd};
	struct stat stat;

	if (options_has(launch->options, OPTION_STUCK_AFTER))
		return;
	launch->stuck_ns = stuck_default_ns;
	for (unsigned i = 0; i < 2; i++)
		if (fds[i] >= 0 && !fstat(fds[i], &stat) && stat.st_size > 0)
			launch->stuck_ns += mul_saturating((uint64_t)stat.st_size, STUCK_NS_PER_BYTE);
}

static int
read_times(struct launch *launch)
{
	const char *timeout = options_value(launch->options, OPTION_TIMEOUT);
	const char *stuck = options_value(launch->options, OPTION_STUCK_AFTER);
	struct report report = {.offset = UINT64_MAX};

	if (timeout && units_duration(timeout, &report, &launch->timeout_ns))
		return wrong("timeout", &report);
	if (stuck && units_duration(stuck, &report, &launch->stuck_ns))
		return wrong("stuck-after", &report);
	return 0;
}

static int
read_amounts(struct launch *launch)
{
	const struct options *options = launch->options;
	const bool exec = launch->start.flags & START_EXEC;
	const bool resume = launch->start.flags & START_RESUME && !exec;
	const char *gas = options_value(options, resume ? OPTION_GAS_MORE : OPTION_GAS);
	const char *mem = options_value(options, OPTION_MEM);
	const char *after = options_value(options, OPTION_STOP_AFTER);
	struct report report = {.offset = UINT64_MAX};
	struct start *start = &launch->start;

	if (start->flags & START_REPLAY)
		return 0;
	start->gas = resume ? 0 : GAS_NO_LIMIT;
	if (gas && resume && gas[0] != '+') {
		say_error("--gas %s: an image keeps its limit; say how much more: --gas +%s", gas, gas);
		return EXIT_USAGE;
	}
	if (gas && units_gas(gas + resume, &report, &start->gas))
		return wrong("gas", &report);
	start->mem_bytes = UINT64_C(4) << 30;
	if (mem && units_bytes(mem, &report, &start->mem_bytes))
		return wrong("mem", &report);
	if (mem)
		start->flags |= START_MEM_GIVEN;
	if (after && units_count(after, &report, &start->stop_after))
		return wrong("stop-after", &report);
	return 0;
}

static const struct {
	enum option option;
	enum start_flag flag;
} flag_options[] = {
	{OPTION_STRICT, START_STRICT},
	{OPTION_NO_ROOT, START_NO_ROOT},
	{OPTION_STOP_ON_DENIED, START_STOP_ON_DENIED},
	{OPTION_STOP_ON_STORAGE, START_STOP_ON_STORAGE},
	{OPTION_SPIN, START_SPIN},
};

static int
read_flags(struct launch *launch)
{
	const char *executor = options_value(launch->options, OPTION_EXECUTOR);

	for (unsigned i = 0; i < sizeof(flag_options) / sizeof(*flag_options); i++)
		if (options_has(launch->options, flag_options[i].option))
			launch->start.flags |= flag_options[i].flag;
	if (executor && !strcmp(executor, "switch"))
		launch->start.flags |= START_SWITCH;
	else if (executor && (strcmp(executor, "fast") || !executor_present(EXECUTOR_FAST))) {
		say_error("--executor %s: %s", executor,
			strcmp(executor, "fast") ? "fast or switch" : "this build has only switch");
		return EXIT_USAGE;
	}
	if (options_has(launch->options, OPTION_QUIET))
		say_level(SAY_ERRORS);
	return 0;
}

/* WHEN=FILE. */
static int
read_image_option(struct launch *launch, const char *value)
{
	const size_t word = strcspn(value, "=");

	for (unsigned i = 0; i < WHEN_UNTIL; i++) {
		const char *text = start_when_text(i);

		if (strlen(text) != word || strncmp(text, value, word) || !value[word] || !value[word + 1])
			continue;
		if (launch->images[i].name) {
			say_error("--snapshot-on %s is given twice", text);
			return EXIT_USAGE;
		}
		launch->images[i].name = strdup(value + word + 1);
		return launch->images[i].name ? 0 : EXIT_FAULT;
	}
	say_error("--snapshot-on %s: write WHEN=FILE; WHEN is gas, storage, trap or signal", value);
	return EXIT_USAGE;
}

static int
read_environment(struct launch *launch)
{
	const struct options *options = launch->options;
	struct start *start = &launch->start;

	start->env = calloc(options->count + 1u, sizeof(*start->env));
	if (!start->env)
		return EXIT_FAULT;
	for (uint32_t i = 0; i < options->count; i++) {
		const char *value = options->found[i].value;
		const size_t name = strcspn(value, "=");
		const char *pair = value;

		if (options->found[i].option != OPTION_ENV)
			continue;
		if (!name) {
			say_error("--env %s: a variable has a name: K=V, or K for a copy of yours", value);
			return EXIT_USAGE;
		}
		if (!value[name]) {
			pair = NULL;
			for (char **at = environ; *at && !pair; at++)
				if (!strncmp(*at, value, name) && (*at)[name] == '=')
					pair = *at;
		}
		if (pair) /* one of ours that is not set is not set there either */
			start->env[start->env_count++] = pair;
	}
	return 0;
}

static int
read_arguments(struct launch *launch)
{
	const struct options *options = launch->options;
	struct start *start = &launch->start;
	const char *slash;

	if (!options->rest_count) {
		say_error("%s what? keyhold %s %s", command_rows[options->command].text,
			command_rows[options->command].text, command_rows[options->command].usage);
		return EXIT_USAGE;
	}
	if (start->flags & START_REPLAY && options->rest_count > 2) {
		say_error("replay takes a recording and at most its program; \"%s\" is one too many",
			options->rest[2]);
		return EXIT_USAGE;
	}
	if (start->flags & START_REPLAY)
		launch->other = options->rest[1];
	if (start->flags & (START_RESUME | START_LOOK) && !(start->flags & START_EXEC) &&
		options->rest_count > 1) {
		say_error("%s takes one file; \"%s\" is one too many%s", command_rows[options->command].text,
			options->rest[1],
			start->flags & START_RESUME ? " (the guest's arguments are in its image)" : "");
		return EXIT_USAGE;
	}
	launch->file = options->rest[0];
	slash = strrchr(launch->file, '/');
	launch->program = slash && slash[1] ? slash + 1 : launch->file;
	start->program = launch->program;
	start->file = launch->file;
	start->invoke = options_value(options, OPTION_INVOKE);
	start->args = calloc((size_t)options->rest_count + 1, sizeof(*start->args));
	if (!start->args)
		return EXIT_FAULT;
	for (int i = 0; i < options->rest_count; i++)
		start->args[start->args_count++] = i ? options->rest[i] : launch->program;
	for (int i = 1; i < options->rest_count; i++) {
		const struct option_row *row = option_like(options->command, options->rest[i]);

		if (row) {
			say("%s stands after %s, so it goes to the guest; ours stand before it", options->rest[i],
				launch->file);
			break;
		}
	}
	return 0;
}

/* gas:N, step:N; N alone is gas. */
static int
read_until(struct launch *launch)
{
	const char *until = options_value(launch->options, OPTION_UNTIL);
	const char *snapshot = options_value(launch->options, OPTION_SNAPSHOT);
	const bool step = until && !strncmp(until, "step:", 5);
	struct report report = {.offset = UINT64_MAX};
	struct start *start = &launch->start;

	if (snapshot && !until) {
		say_error("--snapshot %s: of where? say --until gas:N or step:N", snapshot);
		return EXIT_USAGE;
	}
	start->only = options_value(launch->options, OPTION_ONLY);
	if (options_has(launch->options, OPTION_EDGE) && !start->only) {
		say_error("--edge %s: of whom? say --only DOMAIN",
			options_value(launch->options, OPTION_EDGE));
		return EXIT_USAGE;
	}
	if (!until)
		return 0;
	start->until = step ? UNTIL_STEP : UNTIL_GAS;
	until += step ? 5 : !strncmp(until, "gas:", 4) ? 4 : 0;
	if (step ? units_count(until, &report, &start->until_count)
	         : units_gas(until, &report, &start->until_count))
		return wrong("until", &report);
	if (snapshot && !(launch->images[WHEN_UNTIL].name = strdup(snapshot)))
		return EXIT_FAULT;
	return 0;
}

/* stdin, export:F, call:N. */
static int
read_until_template(struct launch *launch)
{
	const char *until = options_value(launch->options, OPTION_UNTIL_TEMPLATE);
	struct report report = {.offset = UINT64_MAX};
	struct start *start = &launch->start;

	if (!strcmp(until, "stdin")) {
		start->until = UNTIL_STDIN;
	} else if (!strncmp(until, "export:", 7) && until[7]) {
		start->until = UNTIL_EXPORT;
		start->until_name = until + 7;
	} else if (!strncmp(until, "call:", 5)) {
		start->until = UNTIL_CALL;
		if (units_count(until + 5, &report, &start->until_count))
			return wrong("until", &report);
	} else {
		say_error("--until %s: stdin, export:F or call:N", until);
		return EXIT_USAGE;
	}
	if (start->until == UNTIL_CALL && !start->until_count) {
		say_error("--until call:0: the first call is call:1");
		return EXIT_USAGE;
	}
	launch->images[WHEN_UNTIL].name = strdup(launch->options->keep);
	return launch->images[WHEN_UNTIL].name ? 0 : EXIT_FAULT;
}

static int
read_options(struct launch *launch)
{
	int r = read_flags(launch);

	if (!r)
		r = read_arguments(launch);
	if (!r)
		r = read_times(launch);
	if (!r)
		r = read_amounts(launch);
	if (!r)
		r = read_environment(launch);
	for (uint32_t i = 0; !r && i < launch->options->count; i++)
		if (launch->options->found[i].option == OPTION_SNAPSHOT_ON)
			r = read_image_option(launch, launch->options->found[i].value);
	if (!r && options_has(launch->options, OPTION_UNTIL_TEMPLATE))
		r = read_until_template(launch);
	if (!r && launch->start.flags & START_REPLAY)
		r = read_until(launch);
	else if (!r && !(launch->start.flags & START_LOOK))
		r = keys_read(launch);
	return r;
}

/* --- files -------------------------------------------------------------------- */

/* The file of an image or a recording, whose name the option left there. */
static int
open_image(struct new_file *file, const char *option, const char *what)
{
	struct report report = {.offset = UINT64_MAX};
	char *name = file->name;
	int r = 0;

	if (new_file_open(file, name, &report)) {
		say_error("%s %s", option, report.text);
		r = EXIT_NO_FILE;
	} else if (!strcmp(name, "-") && isatty(file->fd)) {
		say_error("standard output is a terminal; %s is no text: name a file", what);
		r = EXIT_USAGE;
	}
	free(name);
	return r;
}

static int
open_files(struct launch *launch)
{
	const char *report_name = options_value(launch->options, OPTION_REPORT);
	const char *tape = options_value(launch->options, OPTION_RECORD);
	int r = program_open(launch->file, &launch->program_fd);

	for (unsigned i = 0; !r && i < WHEN_COUNT; i++)
		if (launch->images[i].name)
			r = open_image(&launch->images[i],
				i == WHEN_UNTIL ? "--snapshot" : "--snapshot-on", "an image");
	if (!r && tape) {
		launch->tape.name = strdup(tape);
		r = launch->tape.name ? open_image(&launch->tape, "--record", "a recording") : EXIT_FAULT;
	}
	if (!r && options_has(launch->options, OPTION_EDGE)) {
		launch->tape.name = strdup(options_value(launch->options, OPTION_EDGE));
		r = launch->tape.name ? open_image(&launch->tape, "--edge", "a recording") : EXIT_FAULT;
	}
	if (!r && launch->other)
		r = program_open(launch->other, &launch->other_fd);
	if (!r && launch->start.flags & START_REPLAY)
		r = taping_open(launch);
	if (!r && report_name && !strcmp(report_name, "-") && keys_image_on_stdout(launch)) {
		say_error("an image and a report cannot both go to standard output: --report FILE or fd:N");
		return EXIT_USAGE;
	}
	if (!r && report_name) {
		struct report report = {.offset = UINT64_MAX};

		if (new_file_open(&launch->report_file, report_name, &report)) {
			say_error("--report %s", report.text);
			r = EXIT_NO_FILE;
		}
	}
	if (!r)
		r = keys_open(launch);
	if (!r && options_has(launch->options, OPTION_CONTROL)) {
		launch->start.flags |= START_CONTROL;
		r = control_open(launch, options_value(launch->options, OPTION_CONTROL));
	}
	return r;
}

/* --- the worker ---------------------------------------------------------------- */

static int
fault(const char *what, const struct report *report)
{
	say_error("%s%s", what, report->text);
	return EXIT_FAULT;
}

/* A stream of ours that the worker writes to. */
static int
grant_output(struct launch *launch, int from, const char *what, uint32_t *ret_handle)
{
	struct broker_grant granted;
	int fd;

	if (from < 0)
		return 0;
	fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || broker_grant_stream(launch->broker, fd, BROKER_WRITE, &launch->report, &granted))
		return fault(what, &launch->report);
	*ret_handle = granted.handle;
	return 0;
}

static int
grant_outputs(struct launch *launch)
{
	struct start *start = &launch->start;
	int r = 0;

	for (unsigned i = 0; i < WHEN_COUNT; i++)
		start->images[i] = START_NO_IMAGE;
	start->record_to = start->shows[0] = start->shows[1] = START_NO_STREAM;
	for (unsigned i = 0; !r && i < WHEN_COUNT; i++)
		r = grant_output(launch, launch->images[i].fd, "an image's file could not be handed over: ",
			&start->images[i]);
	if (!r)
		r = grant_output(launch, launch->tape.fd, "the recording's file could not be handed over: ",
			&start->record_to);
	for (int i = 0; !r && i < 2 && start->flags & START_REPLAY; i++)
		r = grant_output(launch, i || keys_image_on_stdout(launch) ? STDERR_FILENO : STDOUT_FILENO,
			"the output could not be handed over: ", &start->shows[i]);
	return r;
}

static int
tell_worker(struct launch *launch)
{
	struct carry_memory to;
	int r;

	carry_memory_begin(&to);
	start_write(&launch->start, &to.sink);
	r = carry_memory_end(&to);
	if (!r)
		r = broker_words(launch->broker, to.bytes, to.count);
	free(to.bytes);
	return r;
}

static int
spawn(struct launch *launch)
{
	struct walls_plan *plan = &launch->start.plan;

	if (tell_worker(launch))
		return fault("no memory for the worker's words", &launch->report);
	for (;;) {
		/* The words are written once; the tier may be lowered after. */
		const char *const argv[] = {"keyhold", WORKER_WORD, walls_plan_word(plan), NULL};
		const struct broker_spawn config = {.argv = argv,
			.clone_flags = walls_clone_flags(plan), .before_exec = walls_before_exec,
			.arg = plan, .keep_stderr = plan->keep_stderr};
		const int r = broker_spawn(launch->broker, &config, &launch->report);

		if (!r)
			return 0;
		if (!walls_plan_lower(plan, r))
			return fault("the worker could not be started: ", &launch->report);
		report_clear(&launch->report);
	}
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Asks the worker to stop and tell; ends it when it does not within the grace.
 * An image or a journal may take longer than that to write: it is waited for. */
static void
ask(struct launch *launch, uint32_t poke)
{
	if (broker_poke(launch->broker, poke))
		broker_kill(launch->broker);
	else
		broker_deadline(launch->broker, poke & POKE_KEEP || launch->tape.fd >= 0 ? 0 : now_ns() + grace_ns);
}

static void
on_signal(void *arg)
{
	struct launch *launch = arg;
	struct signalfd_siginfo info;

	if (read(launch->signals_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (launch->signal) { /* the second time we do not ask */
		broker_kill(launch->broker);
		return;
	}
	launch->signal = (int)info.ssi_signo;
	ask(launch, POKE_END | (launch->images[WHEN_SIGNAL].fd >= 0 ? POKE_KEEP : 0));
}

void
launch_end(struct launch *launch)
{
	launch->ended = true;
	ask(launch, POKE_END | (launch->images[WHEN_SIGNAL].fd >= 0 ? POKE_KEEP : 0));
}

/* The world's cut of a key that the broker has cut: recorded, so that a replay has it
 * at the same step. One order at a time; without it the broker's cut holds all the same. */
static void
tell_expired(struct launch *launch)
{
	struct ledger *ledger = &launch->ledger;

	for (uint32_t i = 0; i < ledger->keys_count && !broker_order_is_out(launch->broker); i++) {
		struct ledger_key *key = &ledger->keys[i];
		const struct order order = {.what = DO_CUT, .name = key->name};

		if (key->is_expired && !key->is_told)
			key->is_told = control_give(launch->broker, &order) != -EAGAIN;
	}
}

static void
on_expired(void *user, uint32_t grant)
{
	struct launch *launch = user;

	(void)ledger_expired(&launch->ledger, grant);
	if (launch->control)
		keys_expired(launch->control, grant);
	else
		tell_expired(launch);
}

static void
on_obeyed(void *user, const uint8_t *bytes, size_t count)
{
	struct launch *launch = user;

	if (launch->control)
		control_obeyed(launch->control, bytes, count);
	else
		tell_expired(launch);
}

static void
on_refused(void *user, uint32_t grant, enum device_op op, const char *path, size_t path_bytes,
	enum device_error error, const char *why)
{
	ledger_refused(&((struct launch *)user)->ledger, grant, op, path, path_bytes, error, why);
}

static void
on_log(void *user, enum broker_log_level level, const char *text, size_t bytes)
{
	char safe[1024];

	(void)user;
	say_safe(text, bytes, safe, sizeof(safe));
	if (level == BROKER_LOG_GUEST)
		say_log(safe);
	else if (level == BROKER_LOG_ERROR)
		say_error("%s", safe);
	else
		say("%s", safe);
}

/* Signals come as reads from here on; the worker is born with them blocked, so
 * a terminal's ^C reaches us and not it. */
static int
watch_signals(struct launch *launch)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	launch->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (launch->signals_fd < 0)
		return -errno;
	return broker_watch(launch->broker, launch->signals_fd, on_signal, launch);
}

static int
serve(struct launch *launch)
{
	const struct broker_hooks hooks = {.user = launch, .log = on_log, .obeyed = on_obeyed,
		.refused = on_refused, .expired = on_expired};

	for (;;) {
		const int r = broker_serve(launch->broker, &hooks, &launch->outcome);

		if (r) {
			say_error("the broker's loop failed: %s", strerror(-r));
			return EXIT_FAULT;
		}
		if (launch->outcome.end != BROKER_TIMED_OUT)
			return 0;
		broker_deadline(launch->broker, 0);
		if (launch->timed_out || launch->signal || launch->ended) {
			broker_kill(launch->broker); /* it had its grace */
		} else {
			launch->timed_out = true;
			ask(launch, POKE_END);
		}
	}
}

const char *
launch_tier_forced(const struct options *options)
{
	const char *tier = options_value(options, OPTION_TIER);

	return tier ? tier : getenv("KEYHOLD_TIER");
}

static int
make_plan(struct launch *launch)
{
	const char *accepted = options_value(launch->options, OPTION_ACCEPT_TIER);
	struct walls_plan *plan = &launch->start.plan;

	if (walls_plan_init(plan, launch_tier_forced(launch->options), &launch->report))
		return fault("", &launch->report);
	plan->broker_fd = WIRE_FD_BROKER;
	if (accepted && !walls_plan_accept(plan, accepted)) {
		say_error("--accept-tier \"%s\": the tiers are T0, T1 and T2", accepted);
		return EXIT_USAGE;
	}
	return 0;
}

enum { CROWD = 16384 }; /* handles */

/* May it have many connections? Only then is there room for many handles, which
 * takes time to make. */
static bool
may_crowd(const struct launch *launch)
{
	bool may = launch->control != NULL;

	for (uint32_t i = 0; i < launch->keys_count; i++)
		may |= !launch->keys[i].is_stream && keyspec_is_network(&launch->keys[i].spec);
	return may;
}

/* Where there is no io_uring, T2 if that is accepted: then the broker performs. */
static int
make_broker(struct launch *launch)
{
	struct walls_plan *plan = &launch->start.plan;
	struct broker_config config = {.ringless = plan->tier == WALLS_T2,
		.handles_max = may_crowd(launch) ? CROWD : 0};
	int r = broker_new(&config, &launch->report, &launch->broker);

	if (!r)
		return 0;
	if ((r != -ENOSYS && r != -EPERM && r != -EACCES) || config.ringless)
		return fault("", &launch->report);
	if (!walls_plan_ringless(plan)) {
		say_error("%s; to run without it, slower: --accept-tier T2", launch->report.text);
		return EXIT_FAULT;
	}
	report_clear(&launch->report);
	config.ringless = true;
	return broker_new(&config, &launch->report, &launch->broker) ? fault("", &launch->report) : 0;
}

static int
begin(struct launch *launch)
{
	int r = make_plan(launch);

	if (!r)
		r = make_broker(launch);
	if (r)
		return r;
	r = keys_grant(launch);
	if (!r && launch->control && broker_networks(launch->broker, &launch->report))
		return fault("", &launch->report);
	if (!r)
		r = taping_begin(launch);
	if (!r)
		r = grant_outputs(launch);
	if (r)
		return r;
	default_stuck(launch);
	if (broker_pass(launch->broker, launch->program_fd) < 0)
		return fault("the program could not be handed over", &launch->report);
	launch->program_fd = -1;
	if (launch->other_fd >= 0 && broker_pass(launch->broker, launch->other_fd) < 0)
		return fault("the program could not be handed over", &launch->report);
	launch->other_fd = -1;
	if (watch_signals(launch))
		return fault("signals cannot be watched", &launch->report);
	if (launch->control && control_begin(launch->control))
		return fault("no memory for --control", &launch->report);
	r = spawn(launch);
	return r ? r : enclose(launch);
}

static void
launch_done(struct launch *launch)
{
	control_close(launch->control);
	keys_done(launch);
	ledger_done(&launch->ledger);
	for (unsigned i = 0; i < WHEN_COUNT; i++)
		new_file_done(&launch->images[i]);
	new_file_done(&launch->report_file);
	new_file_done(&launch->tape);
	if (launch->other_fd >= 0)
		(void)close(launch->other_fd);
	free(launch->guest_name);
	free(launch->then);
	free(launch->then_bytes);
	if (launch->program_fd >= 0)
		(void)close(launch->program_fd);
	free(launch->start.args);
	free(launch->start.env);
	free(launch->record);
	broker_free(launch->broker);
	if (launch->signals_fd >= 0)
		(void)close(launch->signals_fd);
	free(launch);
}

/* Words about a replayed run name its program as they did then. */
static void
name_guest(struct launch *launch)
{
	const struct record_text *name = &launch->record->program;

	launch->guest_name = malloc((size_t)name->bytes + 1);
	if (launch->guest_name && name->bytes)
		launch->program = say_safe(name->text, name->bytes, launch->guest_name,
			(size_t)name->bytes + 1);
}

static int
run(struct launch *launch)
{
	uint64_t begun_ns;
	int r = read_options(launch);

	if (!r)
		r = open_files(launch);
	if (!r)
		r = begin(launch);
	if (r)
		return r;
	if (launch->timeout_ns)
		broker_deadline(launch->broker, now_ns() + launch->timeout_ns);
	broker_watchdog(launch->broker, launch->stuck_ns);
	begun_ns = now_ns();
	r = serve(launch);
	control_close(launch->control);
	launch->control = NULL;
	if (r)
		return r;
	launch->run_ns = now_ns() - begun_ns;
	if (launch->outcome.recorded)
		(void)record_read(launch->outcome.record, launch->outcome.record_bytes, &launch->record);
	if (launch->start.flags & START_REPLAY && launch->record)
		name_guest(launch);
	return verdict(launch);
}

int
launch(const struct options *options, uint32_t flags)
{
	struct launch *launch = calloc(1, sizeof(*launch));
	int status;

	if (!launch) {
		say_error("no memory");
		return EXIT_FAULT;
	}
	launch->options = options;
	launch->start.flags = flags;
	launch->program_fd = launch->report_file.fd = launch->signals_fd = -1;
	launch->tape.fd = launch->other_fd = -1;
	for (unsigned i = 0; i < WHEN_COUNT; i++)
		launch->images[i].fd = -1;
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that went away is an answer here, */
	(void)signal(SIGXFSZ, SIG_IGN); /* and so is a file that may grow no further */
	status = run(launch);
	launch_done(launch);
	return status;
}
