/* SPDX-License-Identifier: Apache-2.0 */
/* no_ring WHAT COMMAND.. - runs the command as on a host without io_uring.
 *
 * WHAT is `ring`: io_uring_setup answers EPERM, as after kernel.io_uring_disabled=2;
 * `lacking`: ENOSYS, as a kernel without it; or `docker`: also namespaces, mounts and
 * clone3 are refused, as Docker's default profile does for a container without
 * privileges. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
refuse(scmp_filter_ctx filter, const char *call, int error)
{
	const int number = seccomp_syscall_resolve_name(call);

	return seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)error), number, 0);
}

static int
docker(scmp_filter_ctx filter)
{
	static const char *const calls[] = {"unshare", "setns", "mount", "umount2", "pivot_root",
		"fsopen", "fsmount", "fsconfig", "move_mount", "open_tree", "mount_setattr"};
	const scmp_datum_t spaces = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
				    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	int rc = refuse(filter, "clone3", ENOSYS);

	for (size_t i = 0; !rc && i < sizeof calls / sizeof calls[0]; i++)
		rc = refuse(filter, calls[i], EPERM);
	for (unsigned bit = 0; !rc && bit < 32; bit++)
		if (spaces >> bit & 1)
			rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit));
	return rc;
}

int
main(int argc, char **argv)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	const int error = argc > 2 && strcmp(argv[1], "lacking") == 0 ? ENOSYS : EPERM;

	if (argc < 3 || !filter || refuse(filter, "io_uring_setup", error) ||
		(strcmp(argv[1], "docker") == 0 && docker(filter)) || seccomp_load(filter)) {
		fprintf(stderr, "usage: no_ring ring|lacking|docker COMMAND..\n");
		return 99;
	}
	seccomp_release(filter);
	(void)execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 99;
}
