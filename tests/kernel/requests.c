/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/requests.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"

static struct fake_host host;
static struct fake_device device;
static struct heap heap;
static struct requests requests;

/* Owners are only ever compared. */
static struct domain *
owner(uintptr_t n)
{
	return (struct domain *)(n * 16);
}

static void
open_requests(void)
{
	fake_host_init(&host);
	fake_device_init(&device, 1);
	heap_init(&heap, &host.host);
	requests_init(&requests, &heap, &device.device);
}

static void
close_requests(void)
{
	requests_check(&requests);
	requests_done(&requests);
	cr_assert_eq(heap.bytes_used, 0);
	heap_done(&heap);
	fake_device_done(&device);
}

TestSuite(requests, .init = open_requests, .fini = close_requests);

static uint64_t
submit(uintptr_t n)
{
	struct device_request request = {.op = DEVICE_CLOCK};

	cr_assert_eq(requests_submit(&requests, owner(n), &request), 0);
	requests_check(&requests);
	return request.id;
}

static struct domain *
reap(void)
{
	struct device_completion completion;
	struct domain *from = NULL;

	cr_assert(requests_reap(&requests, true, &from, &completion));
	if (from)
		requests_release(&requests, completion.id);
	requests_check(&requests);
	return from;
}

Test(requests, ids_are_never_given_twice)
{
	uint64_t last = 0;

	for (int i = 0; i < 1000; i++) {
		const uint64_t id = submit(1);

		cr_assert_gt(id, last);
		last = id;
		cr_assert_eq(reap(), owner(1));
	}
}

Test(requests, completions_find_their_owners)
{
	device.shuffle = true;
	for (uintptr_t n = 1; n <= 100; n++)
		submit(n);
	cr_assert_eq(requests.in_flight, 100);
	uint64_t seen = 0;

	for (int i = 0; i < 100; i++)
		seen += (uint64_t)(uintptr_t)reap() / 16;
	cr_assert_eq(seen, 5050);
	cr_assert_eq(requests.in_flight, 0);
}

Test(requests, a_full_device_takes_no_more)
{
	struct device_request request = {.op = DEVICE_CLOCK};

	device.pieces_max = 1;
	submit(1);
	cr_assert_eq(requests_submit(&requests, owner(2), &request), -EAGAIN);
	cr_assert_eq(reap(), owner(1));
	cr_assert(requests.roomier);
	submit(2);
	reap();
}

Test(requests, those_without_a_caller_are_kept_and_go_first)
{
	const uint32_t dir = fake_dir(&device, 0, NULL);
	struct device_request close = {.op = DEVICE_CLOSE}, request = {.op = DEVICE_CLOCK};

	device.pieces_max = 1;
	submit(1);
	for (int i = 0; i < 3; i++) {
		close.handle = fake_grant(&device, dir, DEVICE_DIRECTORY);
		requests_send(&requests, &close);
		requests_check(&requests);
	}
	cr_assert_eq(requests.kept, 3);
	cr_assert_eq(requests_submit(&requests, owner(2), &request), -EAGAIN);
	cr_assert_eq(reap(), owner(1));
	requests_retry(&requests);
	cr_assert_eq(requests.kept, 2);
	cr_assert_eq(requests_submit(&requests, owner(2), &request), -EAGAIN,
		"room there is, but the kept ones come first");
	while (requests.in_flight) {
		cr_assert_null(reap());
		requests_retry(&requests);
	}
	cr_assert_eq(device.ops[DEVICE_CLOSE], 3);
}

Test(requests, an_orphans_answer_is_dropped_and_what_it_opened_closed)
{
	const uint32_t dir = fake_dir(&device, 0, NULL);
	struct device_request open = {.op = DEVICE_OPEN, .path = "new", .path_bytes = 3,
		.flags = DEVICE_CREATE | DEVICE_FOR_WRITE};

	open.handle = fake_grant(&device, dir, DEVICE_DIRECTORY);
	cr_assert_eq(requests_submit(&requests, owner(1), &open), 0);
	requests_orphan(&requests, open.id);
	cr_assert_null(requests_owner(&requests, open.id));
	cr_assert_null(reap());
	cr_assert_eq(requests.in_flight, 1, "the close of what was opened");
	cr_assert_null(reap());
	cr_assert_eq(device.ops[DEVICE_CLOSE], 1);
	cr_assert_not(device.handles[open.handle + 1].open);
}

Test(requests, a_cancelled_one_ends_so)
{
	struct device_request sleep = {.op = DEVICE_SLEEP, .timeout_ns = DEVICE_FOREVER};
	struct device_completion completion;
	struct domain *from;

	cr_assert_eq(requests_submit(&requests, owner(1), &sleep), 0);
	cr_assert_not(requests_reap(&requests, true, &from, &completion));
	requests_cancel(&requests, sleep.id);
	requests_cancel(&requests, 12345); /* of nothing: nothing */
	cr_assert(requests_reap(&requests, true, &from, &completion));
	cr_assert_eq(completion.result, -DEVICE_ECANCELED);
	requests_release(&requests, completion.id);
}

Test(requests, no_memory_is_an_answer)
{
	struct device_request request = {.op = DEVICE_CLOCK};

	heap.fail_after = 1;
	cr_assert_eq(requests_submit(&requests, owner(1), &request), -ENOMEM);
	cr_assert_eq(device.in_flight, 0);
}

Test(requests, one_without_a_caller_has_no_data, .signal = SIGABRT)
{
	struct device_request request = {.op = DEVICE_WRITE, .data = (const uint8_t *)"x",
		.data_bytes = 1};

	requests_send(&requests, &request);
}

Test(requests, data_given_back_twice_is_our_fault, .signal = SIGABRT)
{
	requests_release(&requests, submit(1));
}

static bool
answers_nothing_asked(struct device *below, bool wait, struct device_completion *ret_completion)
{
	(void)below;
	(void)wait;
	*ret_completion = (struct device_completion){.id = 77};
	return true;
}

Test(requests, a_completion_of_nothing_is_the_devices_fault, .signal = SIGABRT)
{
	submit(1);
	device.device.reap = answers_nothing_asked;
	reap();
}
