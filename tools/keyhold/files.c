/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/keyhold/units.h"

bool
file_is_stream(const char *name)
{
	return !strcmp(name, "-") || !strncmp(name, "fd:", 3);
}

static int
failed(struct report *report, const char *name, int error)
{
	report_say(report, UINT64_MAX, "%s: %s", name, strerror(error));
	return -error;
}

static int
stream_number(const char *name, int flags, struct report *report, int *ret_fd)
{
	struct report why = {.offset = UINT64_MAX};
	uint64_t number;

	if (!strcmp(name, "-")) {
		*ret_fd = (flags & O_ACCMODE) == O_RDONLY ? STDIN_FILENO : STDOUT_FILENO;
		return 0;
	}
	if (units_count(name + 3, &why, &number) || number > INT32_MAX) {
		report_say(report, UINT64_MAX, "%s: a descriptor is fd:N", name);
		return -EINVAL;
	}
	*ret_fd = (int)number;
	return 0;
}

int
file_open(const char *name, int flags, struct report *report, int *ret_fd)
{
	int fd, r;

	if (file_is_stream(name)) {
		r = stream_number(name, flags, report, &fd);
		if (r)
			return r;
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	} else {
		do
			fd = open(name, flags | O_CLOEXEC | O_NOCTTY, 0666);
		while (fd < 0 && errno == EINTR);
	}
	if (fd < 0)
		return failed(report, name, errno);
	*ret_fd = fd;
	return 0;
}

int
new_file_open(struct new_file *file, const char *name, struct report *report)
{
	struct report beside = {.offset = UINT64_MAX}; /* names what nobody asked for */
	struct stat stat_now;
	int r;

	*file = (struct new_file){.fd = -1, .name = strdup(name)};
	if (!file->name)
		return failed(report, name, ENOMEM);
	if (file_is_stream(name) || (!stat(name, &stat_now) && !S_ISREG(stat_now.st_mode)))
		return file_open(name, O_WRONLY, report, &file->fd);
	if (asprintf(&file->beside, "%s.%ld.part", name, (long)getpid()) < 0) {
		file->beside = NULL;
		return failed(report, name, ENOMEM);
	}
	r = file_open(file->beside, O_WRONLY | O_CREAT | O_EXCL, &beside, &file->fd);
	if (!r)
		return 0;
	free(file->beside);
	file->beside = NULL;
	return failed(report, name, -r);
}

/* Is what lies beside still what we wrote? A guest that was handed the directory
 * could have put a link there, for us to give its name to. */
static bool
is_ours(const struct new_file *file)
{
	struct stat ours, there;

	return !fstat(file->fd, &ours) && !lstat(file->beside, &there) &&
		ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int
new_file_keep(struct new_file *file, struct report *report)
{
	if (file->beside && !is_ours(file)) {
		report_say(report, UINT64_MAX, "%s was exchanged for something else", file->beside);
		return -ESTALE;
	}
	if (file->beside && rename(file->beside, file->name))
		return failed(report, file->name, errno);
	free(file->beside);
	file->beside = NULL;
	return 0;
}

void
new_file_done(struct new_file *file)
{
	if (file->beside)
		(void)unlink(file->beside);
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->beside);
	free(file->name);
	*file = (struct new_file){.fd = -1};
}

int
write_all(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes) {
		const ssize_t n = write(fd, at, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}
