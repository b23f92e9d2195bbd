/* SPDX-License-Identifier: Apache-2.0 */
/* renamer DIRECTORY - exchanges and moves what lies in it, as fast as it can, until
 * it is killed: a (a directory with b/c and a file `secret` of its own) and l (a
 * link out) change names; b moves in and out. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

int
main(int argc, char **argv)
{
	const int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (dir < 0) {
		(void)fprintf(stderr, "usage: renamer DIRECTORY\n");
		return 64;
	}
	for (;;) {
		(void)syscall(SYS_renameat2, dir, "a", dir, "l", RENAME_EXCHANGE);
		(void)renameat(dir, "a/b", dir, "b");
		(void)renameat(dir, "b", dir, "a/b");
		(void)renameat(dir, "l/b", dir, "b");
		(void)renameat(dir, "b", dir, "l/b");
	}
}
