/* SPDX-License-Identifier: Apache-2.0 */
/* Orders to a running worker and their answers; keys granted while it runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/drivers/side.h"

static struct side side;
static char answer[64];
static size_t answer_bytes;
static int answers;

static void
begin(void)
{
	side_open(&side);
}

static void
finish(void)
{
	if (side.broker)
		side_close(&side);
}

TestSuite(order, .init = begin, .fini = finish, .timeout = 60);

static void
obeyed(void *user, const uint8_t *bytes, size_t count)
{
	(void)user;
	cr_assert_lt(count, sizeof answer);
	if (count)
		memcpy(answer, bytes, count);
	answer_bytes = count;
	answers++;
}

static const struct broker_hooks hooks = {.obeyed = obeyed};

static void
take(void)
{
	side.broker->hooks = &hooks;
	requests_take(side.broker);
	side.broker->hooks = NULL;
}

Test(order, comes_whole_and_is_answered_once)
{
	struct device_completion done;
	uint32_t bytes;
	const uint8_t *order;

	cr_assert_null(client_order(side.client, &bytes));
	cr_assert_eq(broker_order(side.broker, "do this", 7), 0);
	cr_assert(broker_order_is_out(side.broker));
	cr_assert_eq(broker_order(side.broker, "and that", 8), -EBUSY);
	cr_assert_not(side.device->reap(side.device, true, &done), "a wait ends for an order");
	order = client_order(side.client, &bytes);
	cr_assert_not_null(order);
	cr_assert_eq(bytes, 7);
	cr_assert_eq(memcmp(order, "do this", 7), 0);
	cr_assert_eq(client_order(side.client, &bytes), order, "until it is obeyed");
	client_obeyed(side.client, "done", 4);
	cr_assert_null(client_order(side.client, &bytes));
	take();
	cr_assert_eq(answers, 1);
	cr_assert_eq(answer_bytes, 4);
	cr_assert_eq(memcmp(answer, "done", 4), 0);
	cr_assert_null(side.broker->broken);
	cr_assert_not(broker_order_is_out(side.broker));
	cr_assert_eq(broker_order(side.broker, NULL, 0), 0, "now there is room for another");
}

Test(order, longer_than_its_room_is_refused)
{
	static char much[WIRE_ORDER_BYTES + 1];
	uint32_t bytes;

	cr_assert_eq(broker_order(side.broker, much, sizeof much), -E2BIG);
	cr_assert_eq(broker_order(side.broker, much, sizeof much - 1), 0);
	cr_assert_not_null(client_order(side.client, &bytes));
	cr_assert_eq(bytes, WIRE_ORDER_BYTES);
}

/* As a worker that fell would answer. */
static const char *
forge(uint32_t tag, uint64_t length)
{
	struct wire_request *message =
		&side.client->requests[side.client->requests_put++ & (WIRE_REQUESTS - 1)];
	const char *broken;

	memset(message, 0, sizeof *message);
	message->kind = WIRE_OBEYED;
	message->tag = tag;
	message->length = length;
	atomic_store(&side.client->start->at.requests_put, side.client->requests_put);
	take();
	broken = side.broker->broken;
	side.broker->broken = NULL;
	return broken;
}

Test(order, answers_that_nobody_asked_for_break_the_protocol)
{
	cr_assert_not_null(forge(0, 0), "no order was given");
	cr_assert_eq(broker_order(side.broker, "x", 1), 0);
	cr_assert_not_null(forge(0, 0), "another serial");
	cr_assert_not_null(forge(2, 0));
	cr_assert_not_null(forge(1, WIRE_OBEYED_BYTES + 1), "too long");
	cr_assert_not_null(forge(1, UINT64_MAX));
	cr_assert_eq(answers, 0);
	cr_assert_null(forge(1, WIRE_OBEYED_BYTES - (WIRE_OBEYED_BYTES - 8)));
	cr_assert_eq(answers, 1);
	cr_assert_not_null(forge(1, 0), "a second time");
}

Test(order, a_file_is_granted_to_a_worker_that_runs)
{
	struct broker_grant grant;
	int fd;

	side_file(&side, "late", "granted late");
	fd = openat(side.path_fd, "late", O_RDONLY);
	cr_assert_eq(broker_grant_file(side.broker, fd, BROKER_READ, &side.report, &grant), 0);
	(void)client_poked(side.client); /* as between two steps */
	cr_assert_eq(side_read(&side, grant.handle, 0, 64), 12);
	cr_assert_eq(memcmp(side.data, "granted late", 12), 0);
	cr_assert_eq(side_write(&side, grant.handle, 0, "x"), -DEVICE_EBADF);
	cr_assert_eq(broker_revoke(side.broker, grant.id), 0);
	(void)client_poked(side.client);
	cr_assert_eq(side_read(&side, grant.handle, 0, 64), -DEVICE_EREVOKED);
}

/* A grant that was cut gives its place and its handle back, and an id is not
 * used twice. */
Test(order, a_thousand_grants_come_and_go)
{
	struct broker_counts counts;
	uint32_t last = 0;

	side_file(&side, "f", "text");
	for (int i = 0; i < 1500; i++) {
		struct broker_grant grant;
		const int fd = openat(side.path_fd, "f", O_RDONLY);

		cr_assert_eq(broker_grant_file(side.broker, fd, BROKER_READ, &side.report, &grant), 0,
			"%d: %s", i, side.report.text);
		cr_assert_neq(grant.id, last);
		last = grant.id;
		(void)client_poked(side.client); /* as between two steps */
		cr_assert_eq(side_read(&side, grant.handle, 0, 4), 4);
		cr_assert_eq(broker_revoke(side.broker, grant.id), 0);
		cr_assert_eq(broker_revoke(side.broker, grant.id), -ENOENT);
		(void)client_poked(side.client);
		cr_assert_eq(side_read(&side, grant.handle, 0, 4), -DEVICE_EREVOKED);
		cr_assert_eq(side_go(&side, (struct device_request){
						    .op = DEVICE_CLOSE, .handle = grant.handle}).result, 0);
	}
	cr_assert(broker_counts(side.broker, last, &counts));
	cr_assert_eq(counts.handles, 0);
	cr_assert_not(broker_counts(side.broker, last + 1, &counts));
	cr_assert_eq(broker_revoke(side.broker, 0), -ENOENT);
	cr_assert_eq(side_try(&side, "f", DEVICE_FOR_READ) > 0, true, "the first is as it was");
}
