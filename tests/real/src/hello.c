/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments, environment, a file read and one written: plain C on a preopened
 * directory. usage: hello FILE-TO-READ FILE-TO-WRITE */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
	char line[256];
	FILE *in, *out;
	long lines = 0, bytes = 0;

	printf("hello from %d arguments, GREETING=%s\n", argc - 1,
		getenv("GREETING") ? getenv("GREETING") : "(none)");
	if (argc < 3)
		return 0;
	in = fopen(argv[1], "r");
	if (!in) {
		fprintf(stderr, "hello: cannot read %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	out = fopen(argv[2], "w");
	if (!out) {
		fprintf(stderr, "hello: cannot write %s: %s\n", argv[2], strerror(errno));
		return 2;
	}
	while (fgets(line, sizeof line, in)) {
		lines++;
		bytes += (long)strlen(line);
		fprintf(out, "%ld %s", lines, line);
	}
	printf("read %ld lines, %ld bytes\n", lines, bytes);
	return fclose(out) == 0 && !ferror(in) ? 0 : 3;
}
