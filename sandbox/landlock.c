/* SPDX-License-Identifier: Apache-2.0 */
/* landlock.c - deny everything that Landlock can deny, by a ruleset without a rule.
 *
 * What it does not stop, and what does: stat and chmod by path (the empty
 * root), UDP and pathname sockets (the network namespace, the empty root),
 * TCP by MSG_FASTOPEN (SEND is not an operation of the ring; the filter).
 * Files that are open already keep their rights: that is what handles are. */
#include "sandbox/walls_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct landlock_ruleset_attr: fs since ABI 1, net since 4,
 * scoped since 6. Debian's header ends at 2. */
struct ruleset {
	uint64_t fs, net, scoped;
};

enum { RULESET_VERSION = 1 }; /* LANDLOCK_CREATE_RULESET_VERSION */

int
walls_landlock_abi(void)
{
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static size_t
ruleset_for(int abi, struct ruleset *ret_rules)
{
	*ret_rules = (struct ruleset){
		.fs = (1u << 13) - 1, /* execute, write, read, list, remove and make of each type */
	};
	if (abi >= 2)
		ret_rules->fs |= 1u << 13; /* link or rename across directories */
	if (abi >= 3)
		ret_rules->fs |= 1u << 14; /* truncate */
	if (abi >= 5)
		ret_rules->fs |= 1u << 15; /* ioctl on devices */
	if (abi >= 4)
		ret_rules->net = 3; /* bind and connect TCP */
	if (abi >= 6)
		ret_rules->scoped = 3; /* abstract sockets and signals outside */
	return abi >= 6 ? sizeof *ret_rules : abi >= 4 ? 16 : 8;
}

static int
try_tcp(void)
{
	const struct sockaddr_in loopback = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return EACCES; /* no TCP at all */
	error = connect(fd, (const struct sockaddr *)&loopback, sizeof loopback) < 0 ? errno : 0;
	(void)close(fd);
	return error;
}

static int
try_landlock(int abi, struct report *report)
{
	const int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const pid_t parent = getppid();
	int error;

	if (fd >= 0)
		(void)close(fd);
	if (fd >= 0 || errno != EACCES)
		return walls_leaks(report, WALL_landlock, "opening /", fd >= 0 ? 0 : errno);
	error = abi >= 4 ? try_tcp() : EACCES;
	if (error != EACCES)
		return walls_leaks(report, WALL_landlock, "connecting to loopback", error);
	/* In a pid namespace there is no parent to name. */
	if (abi >= 6 && parent > 0 && (kill(parent, 0) == 0 || errno != EPERM))
		return walls_leaks(report, WALL_landlock, "signalling the broker", errno);
	return 0;
}

int
walls_landlock(struct walls_state *state, struct report *report)
{
	struct ruleset rules;
	size_t bytes;
	int fd, rc;

	state->landlock_abi = walls_landlock_abi();
	if (state->landlock_abi == 0)
		return 0; /* an old or other kernel: the flag stays down, and is reported */

	bytes = ruleset_for(state->landlock_abi, &rules);
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
	if (fd < 0)
		return walls_failed(report, WALL_landlock, "making the ruleset");
	rc = syscall(SYS_landlock_restrict_self, fd, 0) < 0
		     ? walls_failed(report, WALL_landlock, "restricting itself")
		     : 0;
	(void)close(fd);
	if (rc == 0)
		rc = try_landlock(state->landlock_abi, report);
	if (rc == 0)
		state->up[WALL_landlock] = true;
	return rc;
}
