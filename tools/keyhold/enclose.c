/* SPDX-License-Identifier: Apache-2.0 */
/* enclose.c - the broker's own walls, with what this run needs in reach: the
 * directories that were granted, and those in which a report, an image or a
 * recording gets its name when it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"

static int
reach_roots(struct launch *launch, struct broker_walls *walls)
{
	uint32_t rights;

	for (uint32_t i = 0;; i++) {
		const int fd = broker_root(launch->broker, i, &rights);
		uint32_t reach = 0;
		int r;

		if (fd == -ENOENT)
			return 0;
		if (fd < 0)
			continue;
		reach |= rights & BROKER_READ ? BROKER_REACH_READ : 0;
		reach |= rights & BROKER_WRITE ? BROKER_REACH_WRITE : 0;
		r = broker_walls_root(walls, fd, reach, &launch->report);
		if (r)
			return r;
	}
}

static int
reach_names(struct launch *launch, struct broker_walls *walls, const struct new_file *file)
{
	char *name;
	int fd, r;

	if (!file->beside)
		return 0;
	name = strdup(file->beside);
	fd = name ? open(dirname(name), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	r = fd < 0 ? -errno : broker_walls_root(walls, fd, BROKER_REACH_NAMES, &launch->report);
	if (fd >= 0)
		(void)close(fd);
	free(name);
	return r;
}

/* c-ares reads these when a name is asked for. A link is followed now; a file that
 * is exchanged later is not read, and the resolver of this machine is asked. */
static int
reach_resolver(struct launch *launch, struct broker_walls *walls)
{
	static const char *const names[] = {
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/services"};
	int r = 0;

	for (unsigned i = 0; !r && i < sizeof(names) / sizeof(*names); i++) {
		const int fd = open(names[i], O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		r = broker_walls_root(walls, fd, BROKER_REACH_FILE, &launch->report);
		(void)close(fd);
	}
	return r;
}

static int
reach_all(struct launch *launch, struct broker_walls *walls)
{
	int r = reach_roots(launch, walls);

	if (!r && launch->enclosure.networks)
		r = reach_resolver(launch, walls);
	for (unsigned i = 0; !r && i < WHEN_COUNT; i++)
		r = reach_names(launch, walls, &launch->images[i]);
	if (!r)
		r = reach_names(launch, walls, &launch->report_file);
	return r ? r : reach_names(launch, walls, &launch->tape);
}

int
enclose(struct launch *launch)
{
	struct broker_walls_config *config = &launch->enclosure;
	struct broker_walls walls;
	int r;

	config->live = launch->control;
	config->networks = broker_has_networks(launch->broker);
	config->keep_fd = broker_keep_fd(launch->broker);
	r = broker_walls_begin(&walls, config, &launch->report);
	if (!r) {
		r = reach_all(launch, &walls);
		if (r)
			broker_walls_done(&walls);
		else
			r = broker_walls_enter(&walls, config, broker_worker(launch->broker),
				&launch->enclosed, &launch->report);
	}
	if (!r)
		return 0;
	say_error("%s", launch->report.text[0] ? launch->report.text : strerror(-r));
	return EXIT_FAULT;
}
