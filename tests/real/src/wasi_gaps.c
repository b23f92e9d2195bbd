/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_gaps.c - what C programs ask of a host that wasi-libc has not: no
 * commands to run, no temporary names (each answers that it cannot), and pages
 * of Wasm's size. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int system(const char *command);
int getpagesize(void);

int
getpagesize(void)
{
	return 65536;
}

int
system(const char *command)
{
	if (!command)
		return 0; /* no shell */
	errno = ENOSYS;
	return -1;
}

FILE *
tmpfile(void)
{
	errno = ENOSYS;
	return NULL;
}

char *
tmpnam(char *name)
{
	(void)name;
	errno = ENOSYS;
	return NULL;
}
