/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/drivers/side.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/fds.h"

bool
side_is_ringless(void)
{
	const char *tier = getenv("KEYHOLD_TIER");

	return tier && strcmp(tier, "T2") == 0;
}

void
side_needs_ring(void)
{
	if (side_is_ringless())
		cr_skip_test("by design: T2 has no ring");
}

void
side_begin(struct side *side)
{
	side_begin_with(side, 64);
}

void
side_begin_with(struct side *side, uint32_t handles)
{
	const struct broker_config config = {.handles_max = handles, .ringless = side_is_ringless()};
	int error;

	memset(side, 0, sizeof *side);
	report_clear(&side->report);
	side->fds_before = fds_open();
	error = broker_new(&config, &side->report, &side->broker);
	if (error == -ENOSYS || error == -EPERM)
		cr_skip_test("%s", side->report.text);
	cr_assert_eq(error, 0, "%s", side->report.text);
	(void)strcpy(side->path, "/tmp/keyhold-side-XXXXXX");
	cr_assert_not_null(mkdtemp(side->path));
	side->path_fd = open(side->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void
side_grant_dir(struct side *side, uint32_t rights)
{
	struct broker_grant grant;

	cr_assert_eq(broker_grant_dir(side->broker, dup(side->path_fd), rights, &side->report, &grant),
		0, "%s", side->report.text);
	side->dir = grant.handle;
}

uint32_t
side_grant(struct side *side, int fd, uint32_t rights)
{
	struct broker_grant grant;

	cr_assert_eq(broker_grant_stream(side->broker, fd, rights, &side->report, &grant), 0, "%s",
		side->report.text);
	return grant.handle;
}

void
side_ready(struct side *side)
{
	int error = shared_make(side->broker, &side->report);

	if (!error)
		error = client_open(side->broker->ringless ? side->broker->broker_event
							   : side->broker->ring_fd,
			side->broker->shared_fd, &side->report,
			&side->client);
	if (!error)
		error = client_enable(side->client, &side->report);
	cr_assert_eq(error, 0, "%s", side->report.text);
	side->device = client_device(side->client);
}

void
side_open(struct side *side)
{
	side_begin(side);
	side_grant_dir(side, BROKER_READ | BROKER_WRITE);
	side_ready(side);
}

void
side_close(struct side *side)
{
	char command[128];

	client_free(side->client);
	broker_free(side->broker);
	(void)close(side->path_fd);
	(void)snprintf(command, sizeof command, "rm -rf %s", side->path);
	cr_assert_eq(system(command), 0);
	/* The ring is taken down by a worker of the kernel; its descriptor is ours. */
	cr_assert_eq(fds_open(), side->fds_before, "a descriptor leaked");
}

void
side_file(struct side *side, const char *name, const char *text)
{
	const int fd = openat(side->path_fd, name, O_CREAT | O_TRUNC | O_WRONLY, 0666);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

uint64_t
side_submit(struct side *side, struct device_request request)
{
	request.id = ++side->id;
	cr_assert_eq(side->device->submit(side->device, &request), 0);
	return request.id;
}

void
side_move(struct side *side)
{
	(void)broker_turn(side->broker, 0);
}

struct device_completion
side_wait(struct side *side, uint64_t id)
{
	const time_t until = time(NULL) + 10;
	struct device_completion done = {0};

	while (time(NULL) <= until) {
		if (side->device->reap(side->device, false, &done)) {
			cr_assert_eq(done.id, id, "%llu came, not %llu", (unsigned long long)done.id,
				(unsigned long long)id);
			if (done.data_bytes) {
				memcpy(side->data, done.data, done.data_bytes);
				done.data = side->data;
				side->device->done(side->device, id);
			}
			return done;
		}
		(void)broker_turn(side->broker, 1);
	}
	cr_assert_fail("request %llu did not complete", (unsigned long long)id);
	return done;
}

struct device_completion
side_go(struct side *side, struct device_request request)
{
	return side_wait(side, side_submit(side, request));
}

struct device_completion
side_at(struct side *side, enum device_op op, uint32_t flags, const char *path, const char *path2)
{
	return side_go(side, (struct device_request){.op = op,
				     .flags = flags,
				     .handle = side->dir,
				     .handle2 = side->dir,
				     .bytes = 4096,
				     .path = path,
				     .path_bytes = (uint32_t)strlen(path),
				     .path2 = path2,
				     .path2_bytes = path2 ? (uint32_t)strlen(path2) : 0});
}

int64_t
side_try(struct side *side, const char *path, uint32_t flags)
{
	return side_at(side, DEVICE_OPEN, flags, path, NULL).result;
}

int64_t
side_read(struct side *side, uint32_t handle, uint64_t offset, uint32_t bytes)
{
	return side_go(side, (struct device_request){.op = DEVICE_READ,
				     .handle = handle,
				     .offset = offset,
				     .bytes = bytes})
		.result;
}

int64_t
side_write(struct side *side, uint32_t handle, uint64_t offset, const char *text)
{
	return side_go(side, (struct device_request){.op = DEVICE_WRITE,
				     .handle = handle,
				     .offset = offset,
				     .data = (const uint8_t *)text,
				     .data_bytes = (uint32_t)strlen(text)})
		.result;
}
