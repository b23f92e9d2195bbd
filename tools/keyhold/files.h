/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - files as they are named on the command line.
 *
 * "-" is standard input or output, "fd:N" an open descriptor, anything else a
 * path. All descriptors are close-on-exec. Errors: -errno, words in the report. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/report.h"

/* "-" or "fd:N". */
bool file_is_stream(const char *name);
/* A descriptor of the caller's. flags as of open(2); mode 0666. */
int file_open(const char *name, int flags, struct report *report, int *ret_fd);

/* A file that appears under its name only when it is complete: written beside
 * it, then renamed. Streams, devices and pipes are written directly. */
struct new_file {
	int fd;      /* -1: none */
	char *name;  /* as given */
	char *beside; /* NULL: written directly */
};
int new_file_open(struct new_file *file, const char *name, struct report *report);
int new_file_keep(struct new_file *file, struct report *report); /* it now has its name */
void new_file_done(struct new_file *file); /* what was not kept is gone */

int write_all(int fd, const void *data, size_t bytes); /* 0 or -errno; EINTR is nobody's business */
