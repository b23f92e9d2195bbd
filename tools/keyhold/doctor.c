/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - what this machine allows. Nothing is guessed: a worker is made as
 * `run` makes it, and tells which walls stood; the host's settings only say
 * what to do about one that did not. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/launch.h"
#include "tools/keyhold/say.h"

/* A setting of the host, where a value keeps a wall down. */
static const struct setting {
	const char *file, *bad, *what, *remedy;
} settings[] = {
	{"/proc/sys/kernel/io_uring_disabled", "2", "io_uring is switched off for everybody",
		"sysctl kernel.io_uring_disabled=0"},
	{"/proc/sys/kernel/io_uring_disabled", "1", "io_uring is switched off for the unprivileged",
		"sysctl kernel.io_uring_disabled=0, or run as a member of kernel.io_uring_group"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "user namespaces are for root only",
		"sysctl kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/user/max_user_namespaces", "0", "no user namespace may be made",
		"sysctl user.max_user_namespaces=10000"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor keeps user namespaces from the unprivileged",
		"an AppArmor profile for keyhold with `userns`, or the sysctl set to 0"},
};

enum { SETTINGS = sizeof(settings) / sizeof(*settings) };

static bool
setting_is_bad(const struct setting *setting)
{
	char value[16] = "";
	const int fd = open(setting->file, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof(value) - 1);

	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return false;
	value[strcspn(value, "\n")] = 0;
	return !strcmp(value, setting->bad);
}

static void
print_text(const struct launch *launch, const struct utsname *host)
{
	const struct walls_state *walls = &launch->record->walls;

	printf("tier    %s: %s\n", walls_tier_name(walls->tier),
		walls->tier == WALLS_T0 ? "every wall stands"
		                        : "no namespaces; the other walls stand");
	printf("kernel  %s %s %s\n", host->sysname, host->release, host->machine);
	printf("user    %s\n", geteuid() ? "unprivileged" : "root; the worker is nobody");
	for (unsigned i = 0; i < WALL_COUNT; i++)
		printf("%-7s %-13s %s\n", walls->up[i] ? "up" : "DOWN", walls_wall_name(i),
			walls_wall_stops(i));
	if (!walls->landlock_abi)
		printf("advice  this kernel has no Landlock; 5.13 and later have\n");
}

static void
print_json(const struct launch *launch, const struct utsname *host)
{
	const struct walls_state *walls = &launch->record->walls;
	json_t *json = json_object(), *up = json_object(), *advice = json_array();

	for (unsigned i = 0; i < WALL_COUNT; i++)
		json_object_set_new(up, walls_wall_name(i), json_boolean(walls->up[i]));
	for (unsigned i = 0; i < SETTINGS; i++)
		if (setting_is_bad(&settings[i]))
			json_array_append_new(advice, json_string(settings[i].remedy));
	json_object_set_new(json, "v", json_integer(1));
	json_object_set_new(json, "tier", json_string(walls_tier_name(walls->tier)));
	json_object_set_new(json, "kernel", json_string(host->release));
	json_object_set_new(json, "machine", json_string(host->machine));
	json_object_set_new(json, "root", json_boolean(!geteuid()));
	json_object_set_new(json, "landlock_abi", json_integer(walls->landlock_abi));
	json_object_set_new(json, "walls", up);
	json_object_set_new(json, "advice", advice);
	json_dumpf(json, stdout, JSON_INDENT(2));
	fputc('\n', stdout);
	json_decref(json);
}

int
doctor_print(const struct launch *launch)
{
	struct utsname host;

	(void)uname(&host);
	if (options_has(launch->options, OPTION_JSON))
		print_json(launch, &host);
	else
		print_text(launch, &host);
	return command_end(0);
}

int
command_doctor(int argc, char **argv)
{
	struct options options;
	int status = command_begin(COMMAND_DOCTOR, argc, argv, &options);

	if (status >= 0)
		return status;
	status = launch(&options, START_LOOK | START_DOCTOR);
	if (!options_has(&options, OPTION_JSON) || status)
		for (unsigned i = 0; i < SETTINGS; i++)
			if (setting_is_bad(&settings[i]))
				fprintf(status ? stderr : stdout, "advice  %s: %s\n", settings[i].what,
					settings[i].remedy);
	options_done(&options);
	return status ? status : command_end(0);
}
