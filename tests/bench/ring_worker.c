/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/ring_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/client.h"

static struct broker *broker;
static struct client *client;

struct device *
ring_worker_open(int file_fd, uint32_t *ret_handle, unsigned *ret_setup_flags)
{
	const struct broker_config config = {.handles_max = 64};
	struct broker_grant granted;
	struct report report;

	report_clear(&report);
	if (broker_new(&config, &report, &broker) ||
		broker_grant_file(broker, dup(file_fd), BROKER_READ, &report, &granted) ||
		shared_make(broker, &report) ||
		client_open(broker->ring_fd, broker->shared_fd, &report, &client) ||
		client_enable(client, &report)) {
		fprintf(stderr, "ring_worker: %s\n", report.text);
		exit(1);
	}
	*ret_handle = granted.handle;
	*ret_setup_flags = broker->ring.flags;
	return client_device(client);
}

void
ring_worker_close(void)
{
	client_free(client);
	broker_free(broker);
}
