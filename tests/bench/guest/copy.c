/* SPDX-License-Identifier: Apache-2.0 */
/* copy FROM TO: as dd bs=128k does it. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char buffer[128 << 10];

int
main(int argc, char **argv)
{
	ssize_t got = 0;
	int from, to;

	if (argc != 3)
		return 64;
	from = open(argv[1], O_RDONLY);
	to = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (from < 0 || to < 0) {
		perror(from < 0 ? argv[1] : argv[2]);
		return 1;
	}
	while ((got = read(from, buffer, sizeof buffer)) > 0)
		for (ssize_t done = 0, put; done < got; done += put)
			if ((put = write(to, buffer + done, (size_t)(got - done))) < 0) {
				perror(argv[2]);
				return 1;
			}
	if (got < 0)
		perror(argv[1]);
	return got < 0;
}
