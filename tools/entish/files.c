/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_MAX = (1 << 20) + 1 };

struct entish_text
entish_read(const char *file)
{
	FILE *from = fopen(file, "rbe");
	char *text = from ? malloc(READ_MAX) : NULL;
	size_t bytes;

	if (!text) {
		if (from)
			(void)fclose(from);
		return (struct entish_text){0};
	}
	bytes = fread(text, 1, READ_MAX, from);
	if (ferror(from)) {
		const int error = errno;

		(void)fclose(from);
		free(text);
		errno = error ? error : EIO;
		return (struct entish_text){0};
	}
	(void)fclose(from);
	return (struct entish_text){text, bytes};
}

/* An import is a name, so it cannot lead out of the folder. */
struct entish_text
entish_beside(void *context, const char *name)
{
	const char *program = context, *end = strrchr(program, '/');
	char path[4096];

	if ((size_t)snprintf(path, sizeof path, "%.*s%s.et", end ? (int)(end - program + 1) : 0, program,
		    name) >= sizeof path)
		return (struct entish_text){0};
	return entish_read(path);
}
