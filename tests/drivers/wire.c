/* SPDX-License-Identifier: Apache-2.0 */
/* The broker against a worker that says anything at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/staging.h"
#include "tests/drivers/messages.h"
#include "tests/drivers/side.h"
#include "tests/support/fds.h"
#include "tests/support/seeds.h"

static struct side side;

static void
begin(void)
{
	side_open(&side);
	side_file(&side, "f", "text");
}

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(wire, .init = begin, .fini = finish, .timeout = 60);

static struct wire_positions *
at(void)
{
	return &side.client->start->at;
}

/* Puts one raw message into the ring and lets the broker take it: the rule that
 * it found broken, or NULL. */
static const char *
say(const struct wire_request *message)
{
	const uint32_t put = atomic_load(&at()->requests_put);
	const char *broken;

	side.client->requests[put & (WIRE_REQUESTS - 1)] = *message;
	atomic_store(&at()->requests_put, put + 1);
	requests_take(side.broker);
	broken = side.broker->broken;
	side.broker->broken = NULL;
	return broken;
}

/* The broker's last answer. */
static const struct wire_reply *
answer(void)
{
	const uint32_t put = atomic_load(&at()->replies_put);

	atomic_store(&at()->replies_got, put);
	return &side.client->replies[(put - 1) & (WIRE_REPLIES - 1)];
}

Test(wire, messages_that_no_honest_worker_sends)
{
	const struct wire_request cases[] = {
		{.kind = 0},
		{.kind = WIRE_OBEYED},
		{.kind = WIRE_CANCEL + 1},
		{.kind = UINT32_MAX},
		{.kind = WIRE_DEVICE, .op = 0},
		{.kind = WIRE_DEVICE, .op = DEVICE_SLEEP},
		{.kind = WIRE_DEVICE, .op = DEVICE_SHUTDOWN},
		{.kind = WIRE_DEVICE, .op = DEVICE_POLL},
		{.kind = WIRE_DEVICE, .op = DEVICE_OP_COUNT},
		{.kind = WIRE_DEVICE, .op = UINT32_MAX},
		{.kind = WIRE_DEVICE, .op = DEVICE_OPEN, .path_bytes = DEVICE_PATH_MAX + 1},
		{.kind = WIRE_DEVICE, .op = DEVICE_OPEN, .path2_bytes = DEVICE_PATH_MAX + 1},
		{.kind = WIRE_DEVICE, .op = DEVICE_OPEN, .path_bytes = UINT32_MAX},
		{.kind = WIRE_DEVICE, .op = DEVICE_OPEN, .path_bytes = 2, .path2_bytes = UINT32_MAX},
		{.kind = WIRE_LOG, .path_bytes = WIRE_TEXT_BYTES + 1},
		{.kind = WIRE_LOG, .path_bytes = 8, .path2_bytes = UINT32_MAX - 7},
		{.kind = WIRE_END, .length = WIRE_RECORD_BYTES + 1},
		{.kind = WIRE_END, .length = UINT64_MAX},
		{.kind = WIRE_DEVICE, .op = DEVICE_ENTROPY, .bytes = WIRE_LARGE_BYTES + 1},
		{.kind = WIRE_DEVICE, .op = DEVICE_ENTROPY, .piece = STAGING_BYTES, .bytes = 1},
		{.kind = WIRE_DEVICE, .op = DEVICE_ENTROPY, .piece = UINT32_MAX, .bytes = 2},
		{.kind = WIRE_DEVICE, .op = DEVICE_LIST, .piece = STAGING_BYTES - 1, .bytes = 2},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const uint32_t op = cases[i].op;

		/* Without a ring these are the broker's. */
		if (side_is_ringless() &&
			(op == DEVICE_SLEEP || op == DEVICE_SHUTDOWN || op == DEVICE_POLL))
			continue;
		cr_assert_not_null(say(&cases[i]), "case %zu", i);
	}
}

static void
needs_no_ring(void)
{
	if (!side_is_ringless())
		cr_skip_test("by design: with a ring the worker polls and sleeps itself");
}

/* The list lies in shared memory: its length is the worker's word. */
Test(wire, polls_that_no_honest_worker_asks)
{
	struct wire_request message = {.kind = WIRE_DEVICE, .op = DEVICE_POLL};
	const struct {
		uint32_t bytes;
		int64_t result;
	} cases[] = {{0, 0}, {3, -DEVICE_EINVAL}, {8, 1}, {9, -DEVICE_EINVAL}, {15, -DEVICE_EINVAL},
		{DEVICE_POLLS_MAX * 8, DEVICE_POLLS_MAX}};

	needs_no_ring();
	memset(side.client->staging_base, 0xff, DEVICE_POLLS_MAX * 8 + 8); /* handles that are none */
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		message.bytes = cases[i].bytes;
		cr_assert_null(say(&message));
		cr_assert_eq(answer()->result, cases[i].result, "case %zu: %lld", i,
			(long long)answer()->result);
	}
}

Test(wire, more_asks_than_may_wait_end_the_worker)
{
	struct wire_request message = {
		.kind = WIRE_DEVICE, .op = DEVICE_SLEEP, .timeout_ns = DEVICE_FOREVER};

	needs_no_ring();
	for (message.tag = 0; message.tag < WIRE_ASKS; message.tag++)
		cr_assert_null(say(&message));
	cr_assert_null(say(&(struct wire_request){.kind = WIRE_CANCEL, .tag = WIRE_ASKS}));
	cr_assert_null(say(&(struct wire_request){.kind = WIRE_CANCEL, .tag = 7}));
	cr_assert_eq(answer()->result, -DEVICE_ECANCELED);
	cr_assert_eq(answer()->tag, 7);
	cr_assert_null(say(&message), "room again");
	cr_assert_not_null(say(&message));
}

Test(wire, handles_that_are_not_its_own)
{
	const uint32_t numbers[] = {0, 1, 3, 63, 65, 66, 1000000, INT32_MAX, UINT32_MAX};
	struct wire_request message = {.kind = WIRE_DEVICE, .path_bytes = 1, .text = "f"};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		for (uint32_t op = DEVICE_OPEN; op < DEVICE_CLOCK; op++) {
			message.op = op;
			message.handle = numbers[i];
			cr_assert_null(say(&message));
			cr_assert_eq(answer()->result, -DEVICE_EBADF, "op %u on %u", op, numbers[i]);
		}
		message.op = DEVICE_RENAME;
		message.handle = side.dir;
		message.handle2 = numbers[i];
		cr_assert_null(say(&message));
		cr_assert_eq(answer()->result, -DEVICE_EBADF);
	}
	cr_assert_eq(side.broker->handles[side.dir].state, HANDLE_OPEN);
}

Test(wire, a_root_given_up_is_gone_and_nothing_else)
{
	struct wire_request message = {
		.kind = WIRE_DEVICE, .op = DEVICE_CLOSE, .handle = side.dir};

	cr_assert_null(say(&message));
	cr_assert_eq(answer()->result, 0);
	cr_assert_null(say(&message));
	cr_assert_eq(answer()->result, -DEVICE_EBADF);
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
}

Test(wire, positions_out_of_range)
{
	const uint32_t wrong[] = {WIRE_REQUESTS + 1, 1000, INT32_MAX, UINT32_MAX};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		atomic_store(&at()->requests_put, wrong[i]);
		requests_take(side.broker);
		cr_assert_not_null(side.broker->broken, "%u", wrong[i]);
		side.broker->broken = NULL;
	}
	atomic_store(&at()->requests_put, 0);
	atomic_store(&at()->replies_got, 1000);
	cr_assert_eq(broker_poke(side.broker, 1), -EPROTO);
	side.broker->broken = NULL;
	atomic_store(&at()->replies_got, 0);
	for (int i = 0; i < WIRE_REPLIES - WIRE_ASKS; i++) /* the rest is for answers */
		cr_assert_eq(broker_poke(side.broker, 1), 0);
	cr_assert_eq(broker_poke(side.broker, 1), -EAGAIN, "it takes none");
}

/* The worker writes all it can reach: what the broker believes is its own copy. */
Test(wire, the_start_block_is_not_believed)
{
	struct wire_request message = {.kind = WIRE_DEVICE, .op = DEVICE_CLOCK, .tag = 9};
	struct wire_start *start = side.client->start;

	start->requests_at = start->replies_at = start->staging_at = start->record_at = UINT64_MAX;
	start->handles_count = UINT32_MAX;
	start->bytes = 1;
	cr_assert_null(say(&message));
	cr_assert_eq(answer()->result, 0);
	cr_assert_eq(answer()->tag, 9);
	message = (struct wire_request){
		.kind = WIRE_DEVICE, .op = DEVICE_STAT, .handle = 1000, .tag = 10};
	cr_assert_null(say(&message));
	cr_assert_eq(answer()->result, -DEVICE_EBADF);
}

Test(wire, counters_that_the_worker_filled_do_not_stop_the_broker)
{
	const uint64_t most = UINT64_MAX - 1;
	struct wire_request message = {.kind = WIRE_DEVICE, .op = DEVICE_CLOCK};

	(void)!write(side.broker->worker_event, &most, sizeof most);
	(void)!write(side.broker->broker_event, &most, sizeof most);
	cr_assert_null(say(&message));
	cr_assert_eq(answer()->result, 0);
	cr_assert(broker_turn(side.broker, 0));
	cr_assert(broker_turn(side.broker, 0));
}

/* The corpus found it: prlimit of a running broker made it spin, deaf to the end of
 * its worker. */
Test(wire, a_limit_lowered_beneath_the_broker_ends_it_with_words)
{
	struct rlimit limit, low;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = 4, .rlim_max = limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	(void)broker_turn(side.broker, 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert(side.broker->deaf);
	cr_assert_null(side.broker->broken, "the worker said nothing wrong");
	side.broker->deaf = false;
	cr_assert(broker_turn(side.broker, 0));
	cr_assert_not(side.broker->deaf);
}

/* Anything, of which much is nearly right. */
static void
random_message(struct seed *seed, struct wire_request *message)
{
	static const char *const paths[] = {"f", "..", "a", "d/a", "/etc", "d/../..", "l", ".", ""};

	memset(message, 0, sizeof *message);
	message->tag = (uint32_t)(seed_next(seed) % 16);
	message->kind = seed_next(seed) % 16 ? WIRE_DEVICE : (uint32_t)(seed_next(seed) % 7);
	message->op = (uint32_t)(seed_next(seed) % (DEVICE_OP_COUNT + 1));
	if (message->op == DEVICE_CLOSE && seed_next(seed) % 8)
		message->op = DEVICE_OPEN;
	message_numbers(seed, message, 12);
	message->piece = (uint32_t)(seed_next(seed) % (STAGING_BYTES + 4096));
	message->bytes = (uint32_t)(seed_next(seed) % 5 ? seed_next(seed) % 5000 : seed_next(seed));
	message_paths(seed, message, paths, sizeof paths / sizeof paths[0]);
	if (seed_next(seed) % 50 == 0)
		message->path_bytes = (uint32_t)seed_next(seed);
}

/* A grant one level down, so that what is above is ours to look at. */
static void
grant_cage(void)
{
	struct broker_grant grant;

	cr_assert_eq(broker_grant_dir(side.broker, openat(side.path_fd, "cage", O_PATH | O_DIRECTORY),
			     BROKER_READ | BROKER_WRITE, &side.report, &grant),
		0);
	side.dir = grant.handle;
}

static int
entries_above(void)
{
	DIR *dir = fdopendir(openat(side.path_fd, ".", O_RDONLY | O_DIRECTORY));
	int count = 0;

	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

Test(wire, random_messages_stay_within_the_grant)
{
	struct wire_request message;
	struct seed seed;
	struct stat before, after;
	const int fds = fds_open();
	uint32_t open = 0, answers = 0;

	seed.state = 4;
	cr_assert_eq(broker_revoke(side.broker, 1), 0);
	cr_assert_eq(mkdirat(side.path_fd, "cage", 0777), 0);
	grant_cage();
	side_file(&side, "cage/f", "text");
	cr_assert_eq(fstatat(side.path_fd, "f", &before, 0), 0);
	for (int i = 0; i < 25000; i++) {
		random_message(&seed, &message);
		(void)say(&message);
		(void)answer();
		side.broker->recorded = false;
		if (seed_next(&seed) % 50 == 0)
			(void)broker_order(side.broker, &message, (size_t)(seed_next(&seed) % 64));
		answers += side.client->replies[(atomic_load(&at()->replies_put) - 1) &
						(WIRE_REPLIES - 1)].result >= 0;
		if (seed_next(&seed) % 400 == 0 && side.broker->grants_count < 100) {
			(void)broker_revoke(side.broker, side.broker->grants_count);
			grant_cage();
		}
	}
	cr_assert_gt(answers, 2000, "only %u did anything", answers);
	for (uint32_t i = WIRE_SLOT_FIRST; i < side.broker->handles_count; i++)
		if (side.broker->handles[i].state == HANDLE_OPEN)
			open++;
	cr_assert_leq(fds_open(), fds + (int)open);
	for (uint32_t i = 1; i <= side.broker->grants_count; i++)
		(void)broker_revoke(side.broker, i);
	cr_assert_eq(entries_above(), 4, "nothing was made or removed above the grant");
	cr_assert_eq(fstatat(side.path_fd, "f", &after, 0), 0);
	cr_assert_eq(memcmp(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim), 0);
}
