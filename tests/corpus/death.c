/* SPDX-License-Identifier: Apache-2.0 */
/* death - number 13: a worker that dies in the middle of a message, at any moment,
 * leaks no slot and no descriptor. TAP of its own: the worker is this program again. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/flight.h"
#include "tests/support/fds.h"
#include "tests/support/seeds.h"

enum { ROUNDS = 60 };

/* --- the worker: says as much as it can, without an end ------------------------------- */

static _Noreturn void
worker(void)
{
	struct report report;
	struct client *client;
	const struct wire_grant *grants;
	struct seed seed = {.state = (uint64_t)getpid()};
	uint32_t count;

	report_clear(&report);
	if (client_open(WIRE_FD_RING, WIRE_FD_SHARED, &report, &client) || client_enable(client, &report))
		_exit(98);
	grants = client_grants(client, &count);
	client_ready(client);
	for (;;) {
		struct wire_request *message = message_begin(client, WIRE_DEVICE);
		const uint64_t dice = seed_next(&seed) % 8;

		message->op = dice < 5 ? DEVICE_OPEN : dice == 5 ? DEVICE_LIST : DEVICE_CLOSE;
		message->handle = dice < 6 ? grants[0].handle : (uint32_t)(seed_next(&seed) % 40);
		if (message->op == DEVICE_CLOSE && message->handle == grants[0].handle)
			message->handle++;
		message->flags = DEVICE_FOR_READ;
		message->path_bytes = 1;
		message->bytes = 4096;
		message->text[0] = dice & 1 ? 'f' : '.';
		message_send(client);
		client_flush(client, RING_GO_ON);
		while (!message_room(client))
			(void)atomic_load(&client->start->at.requests_got);
		atomic_store(&client->start->at.replies_got, atomic_load(&client->start->at.replies_put));
	}
}

/* --- the broker -------------------------------------------------------------------------- */

static uint32_t
handles_open(const struct broker *broker)
{
	uint32_t open = 0;

	for (uint32_t i = WIRE_SLOT_FIRST; i < broker->handles_count; i++)
		open += broker->handles[i].state != HANDLE_FREE && i < broker->handle_fresh;
	return open;
}

static int
make_place(char *path)
{
	int dir, file;

	if (!mkdtemp(path))
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	(void)close(file);
	return dir;
}

/* One life and death: words for what leaked, or NULL. */
static const char *
round_run(bool ringless, int place, struct seed *seed, uint32_t *opened)
{
	const struct broker_config config = {.handles_max = 48, .ringless = ringless};
	const char *const argv[] = {"death", "worker", NULL};
	const struct broker_spawn how = {.argv = argv};
	const int before = fds_open();
	const char *why = NULL;
	struct broker_grant dir, pipe_grant;
	struct broker_outcome outcome;
	struct pollfd hung = {.events = POLLIN};
	struct report report;
	struct broker *broker;
	int ends[2];

	report_clear(&report);
	if (broker_new(&config, &report, &broker))
		return report.text[0] ? "no broker" : "no broker, and no words";
	if (pipe2(ends, O_CLOEXEC) || broker_grant_dir(broker, dup(place), BROKER_READ, &report, &dir) ||
		broker_grant_stream(broker, ends[1], BROKER_WRITE, &report, &pipe_grant) ||
		broker_spawn(broker, &how, &report))
		return "it did not begin";
	broker_deadline(broker, broker_now_ns() + seed_next(seed) % 12000000);
	if (broker_serve(broker, NULL, &outcome))
		return "it did not serve";
	if (outcome.end == BROKER_TIMED_OUT) {
		broker_deadline(broker, 0);
		broker_kill(broker);
		if (broker_serve(broker, NULL, &outcome) || outcome.end != BROKER_KILLED ||
			outcome.signal != SIGKILL)
			why = "its death was not told";
	} else {
		why = outcome.why ? outcome.why : "it ended by itself";
	}
	*opened += handles_open(broker);
	if (broker_revoke(broker, dir.id) || broker_revoke(broker, pipe_grant.id))
		why = "what a dead worker held cannot be cut";
	for (uint32_t i = WIRE_SLOT_FIRST; i < broker->handle_fresh; i++)
		if (broker->handles[i].state == HANDLE_OPEN || broker->handles[i].fd >= 0)
			why = "a slot is held after the cut";
	broker_free(broker);
	hung.fd = ends[0];
	if (poll(&hung, 1, 10000) != 1 || !(hung.revents & POLLHUP))
		why = "something still holds the pipe that was granted";
	(void)close(ends[0]);
	if (fds_open() != before)
		why = "a descriptor leaked";
	return why;
}

int
main(int argc, char **argv)
{
	char path[] = "/tmp/keyhold-death-XXXXXX", command[64];
	struct seed seed = {.state = 13};
	const char *why;
	int place;

	(void)argv;
	if (argc > 1)
		worker();
	place = make_place(path);
	(void)printf("1..2\n");
	for (int ringless = 0; ringless < 2; ringless++) {
		uint32_t opened = 0;
		struct report report;
		struct broker *broker;

		report_clear(&report);
		if (!ringless && broker_new(&(struct broker_config){0}, &report, &broker)) {
			(void)printf("ok 1 - corpus: 13 death in the middle of a message # SKIP needs io_uring\n");
			continue;
		}
		if (!ringless)
			broker_free(broker);
		why = NULL;
		for (int i = 0; i < ROUNDS && !why; i++)
			why = round_run(ringless, place, &seed, &opened);
		if (!why && opened < ROUNDS)
			why = "hardly anything was opened before it died";
		(void)printf("%sok %d - corpus: 13 death in the middle of a message%s\n", why ? "not " : "",
			ringless + 1, ringless ? ", without a ring" : "");
		if (why)
			(void)printf("# %s\n", why);
	}
	(void)close(place);
	(void)snprintf(command, sizeof command, "rm -rf %s", path);
	return system(command) != 0;
}
