/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/walls.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/walls_internal.h"

const char *const walls_namespace_names[WALLS_NAMESPACES] = {
	"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"};

static const struct {
	const char *name, *stops;
	enum walls_tier tier;
} walls[WALL_COUNT] = {
#define WALL(name, tier, stops) [WALL_##name] = {#name, stops, WALLS_##tier},
#include "sandbox/walls.def"
#undef WALL
};

const char *
walls_tier_name(enum walls_tier tier)
{
	switch (tier) {
	case WALLS_T0:
		return "T0";
	case WALLS_T1:
		return "T1";
	case WALLS_T2:
		return "T2";
	}
	return "?";
}

const char *
walls_wall_name(enum wall wall)
{
	return walls[wall].name;
}

const char *
walls_wall_stops(enum wall wall)
{
	return walls[wall].stops;
}

bool
walls_wall_in(enum wall wall, enum walls_tier tier)
{
	return walls[wall].tier >= tier;
}

bool
walls_tier_find(const char *word, enum walls_tier *ret_tier)
{
	for (unsigned int tier = WALLS_T0; tier <= WALLS_T2; tier++)
		if (strcmp(word, walls_tier_name((enum walls_tier)tier)) == 0) {
			*ret_tier = (enum walls_tier)tier;
			return true;
		}
	return false;
}

static int
tier_parse(const char *word, struct walls_plan *plan, struct report *report)
{
	plan->tier = WALLS_T0;
	plan->tier_least = WALLS_T1;
	plan->own_namespaces = true;
	if (!word || !word[0])
		return 0;
	if (walls_tier_find(word, &plan->tier)) {
		plan->tier_least = plan->tier;
		plan->own_namespaces = plan->tier != WALLS_T1;
		return 0;
	}
	report_say(report, UINT64_MAX, "walls: \"%s\" is no tier; the tiers are T0, T1 and T2", word);
	return -EINVAL;
}

/* Namespaces are known by their numbers; 0 where the kernel has no such kind,
 * or /proc is not there: then T0 cannot be proved, and is not claimed. */
uint64_t
walls_namespace_number(unsigned int which)
{
	char path[40];
	struct stat st;

	(void)snprintf(path, sizeof path, "/proc/self/ns/%s", walls_namespace_names[which]);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Does `id` exist in our user namespace? A line is INSIDE OUTSIDE COUNT. */
static bool
id_is_mapped(const char *path, uint32_t id)
{
	unsigned int first, outside, count;
	bool found = false;
	FILE *map = fopen(path, "re");

	while (map && !found && fscanf(map, "%u %u %u", &first, &outside, &count) == 3)
		found = id >= first && id - first < count;
	if (map)
		(void)fclose(map);
	return found;
}

static bool
groups_may_be_set(void)
{
	char word[8] = "";
	FILE *file = fopen("/proc/self/setgroups", "re");
	const bool denied = file && fgets(word, sizeof word, file) && strncmp(word, "deny", 4) == 0;

	if (file)
		(void)fclose(file);
	return !denied;
}

/* Root in name only (a container without capabilities, a user namespace with
 * one id) goes the ordinary user's way; its wall `nobody` stays down. */
static void
find_user(struct walls_plan *plan)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2] = {0};
	const uint32_t needed = 1u << CAP_SETUID | 1u << CAP_SETGID;

	if (geteuid() != 0)
		return;
	plan->root = syscall(SYS_capget, &head, caps) == 0 &&
		     (caps[0].effective & needed) == needed && groups_may_be_set() &&
		     id_is_mapped("/proc/self/uid_map", WALLS_NOBODY) &&
		     id_is_mapped("/proc/self/gid_map", WALLS_NOBODY);
}

int
walls_plan_init(struct walls_plan *plan, const char *tier, struct report *report)
{
	int rc;

	memset(plan, 0, sizeof *plan);
	rc = tier_parse(tier, plan, report);
	if (rc < 0)
		return rc;

	find_user(plan);
	plan->uid = geteuid();
	plan->gid = getegid();
	plan->broker = getpid();
	plan->broker_fd = -1;
	plan->fsize_bytes = UINT64_MAX;
	plan->memory_free = WALLS_SANITIZED;
	plan->keep[plan->keep_count++] = WALLS_RING_FD;
	for (unsigned int i = 0; i < WALLS_NAMESPACES; i++)
		plan->namespaces[i] = walls_namespace_number(i);
	return 0;
}

int
walls_plan_keep(struct walls_plan *plan, int fd)
{
	for (uint32_t i = 0; i < plan->keep_count; i++)
		if (plan->keep[i] == fd)
			return 0;
	if (plan->keep_count == WALLS_KEEP_MAX)
		return -E2BIG;
	plan->keep[plan->keep_count++] = fd;
	return 0;
}

bool
walls_plan_lower(struct walls_plan *plan, int error)
{
	/* What clone and the id maps answer where namespaces are switched off,
	 * used up, or kept for the privileged. */
	const bool namespaces_refused = error == -EPERM || error == -EACCES || error == -ENOSPC ||
					error == -EUSERS || error == -EINVAL;

	if (!namespaces_refused || !plan->own_namespaces ||
		(plan->tier == WALLS_T0 && plan->tier_least == WALLS_T0))
		return false;
	plan->own_namespaces = false;
	if (plan->tier == WALLS_T0)
		plan->tier = WALLS_T1;
	return true;
}

bool
walls_plan_accept(struct walls_plan *plan, const char *tier)
{
	enum walls_tier least;

	if (!walls_tier_find(tier, &least))
		return false;
	if (plan->tier == WALLS_T0 && plan->tier_least == WALLS_T1) /* none is forced */
		plan->tier_least = least;
	return true;
}

bool
walls_plan_ringless(struct walls_plan *plan)
{
	if (plan->tier_least != WALLS_T2)
		return false;
	plan->tier = WALLS_T2;
	return true;
}

/* T2 is the one tier with two ways to be born. */
static const char bare_word[] = "T2-bare";

const char *
walls_plan_word(const struct walls_plan *plan)
{
	if (plan->tier == WALLS_T2 && !plan->own_namespaces)
		return bare_word;
	return walls_tier_name(plan->tier);
}

void
walls_plan_told(struct walls_plan *plan, const char *word)
{
	plan->tier = WALLS_T2;
	if (!word || (strcmp(word, bare_word) != 0 && !walls_tier_find(word, &plan->tier)))
		plan->tier = WALLS_T1;
	plan->own_namespaces = word && (plan->tier == WALLS_T0 || strcmp(word, "T2") == 0);
}

int
walls_plan_print(const struct walls_plan *plan, char *text, size_t bytes)
{
	char keep[WALLS_KEEP_MAX * 12] = "";
	size_t at = 0;

	for (uint32_t i = 0; i < plan->keep_count && at < sizeof keep; i++)
		at += (size_t)snprintf(
			keep + at, sizeof keep - at, "%s%d", i ? "," : "", (int)plan->keep[i]);
	return snprintf(text, bytes,
		"tier %s (at least %s), keeps descriptors %s%s, as %s, %llu bytes still to "
		"reserve%s",
		walls_tier_name(plan->tier), walls_tier_name(plan->tier_least), keep,
		plan->keep_stderr ? " and 2" : "", plan->root ? "root, then nobody" : "the user",
		(unsigned long long)plan->later_bytes,
		plan->memory_free ? ", address space without limit" : "");
}

unsigned long
walls_clone_flags(const struct walls_plan *plan)
{
	if (!plan->own_namespaces)
		return 0;
	/* A pid namespace must be entered by birth: after unshare() the kernel's
	 * own io_uring workers could not be made. Root makes it without a user
	 * namespace and enters one later as nobody (namespaces.c). */
	return plan->root ? CLONE_NEWPID : CLONE_NEWUSER | CLONE_NEWPID;
}
