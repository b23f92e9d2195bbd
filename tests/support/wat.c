/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/wat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wat
file_bytes(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct wat wat = {0};
	size_t room = 1 << 16, got;

	if (!file)
		return wat;
	wat.bytes = malloc(room);
	while (wat.bytes && (got = fread(wat.bytes + wat.count, 1, room - wat.count, file)) > 0) {
		wat.count += got;
		if (wat.count == room) {
			room *= 2;
			wat.bytes = realloc(wat.bytes, room);
		}
	}
	(void)fclose(file);
	return wat;
}

static void
must_do(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "wat: %s\n", what);
	abort();
}

/* A test's modules live as long as its process: found from here, no leak. */
static struct kept {
	struct kept *next;
	struct wat wat;
} *kept;

static void
keep(struct wat wat)
{
	struct kept *entry = malloc(sizeof *entry);

	must_do(entry != NULL, "no memory");
	*entry = (struct kept){.next = kept, .wat = wat};
	kept = entry;
}

struct wat
wat_bytes(const char *text)
{
	char from[] = "/tmp/kh-wat-XXXXXX", to[sizeof from + 5], command[128];
	const int fd = mkstemp(from);
	struct wat wat;

	must_do(fd >= 0, "no temporary file");
	must_do(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "temporary file is full");
	(void)close(fd);
	(void)snprintf(to, sizeof to, "%s.wasm", from);
	(void)snprintf(command, sizeof command, "wat2wasm --no-check -o %s %s", to, from);
	must_do(system(command) == 0, "wat2wasm failed");
	wat = file_bytes(to);
	must_do(wat.bytes != NULL, "wat2wasm wrote nothing");
	(void)unlink(from);
	(void)unlink(to);
	keep(wat);
	return wat;
}
