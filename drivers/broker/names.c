/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - what directories hold: names made, moved, linked and removed.
 *
 * The parent of the last name is opened beneath the handle, and the call acts
 * on that name, which must be a plain one and is never followed.
 *
 * Names that reach over two root grants are DEVICE_EXDEV, as over two file
 * systems, so that a file never outlives a cut through a link. A symbolic link
 * may say anything relative, for following it is our own resolver's business;
 * an absolute one is refused, for it would mislead other programs of the host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/broker/ask.h"

struct place { /* a name in an open directory */
	int dir;
	bool owned; /* dir is ours to close */
	const char *name;
};

/* Opens the parent of the last name of `path`, which is cut in two at the
 * slash. Trailing slashes stay with the name: the kernel judges them, and the
 * calls used here never follow the last name. */
static int
place_find(int dir, char *path, struct place *ret_place)
{
	size_t end = strlen(path), cut, name;
	int parent = dir;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (name = end; name > 0 && path[name - 1] != '/'; name--)
		;
	if (path[0] == '/')
		return -DEVICE_ECAPABILITY;
	if (end == 0)
		return -DEVICE_ENOENT;
	if (end - name == 2 && path[name] == '.' && path[name + 1] == '.')
		return -DEVICE_ECAPABILITY;
	if (end - name == 1 && path[name] == '.')
		return -DEVICE_EINVAL;
	cut = name;
	if (cut > 0) {
		path[cut - 1] = '\0';
		parent = path_open(dir, path, O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return parent;
	}
	*ret_place = (struct place){.dir = parent, .owned = cut > 0, .name = path + name};
	return 0;
}

static void
place_done(const struct place *place)
{
	if (place->owned)
		(void)close(place->dir);
}

enum change { CHANGE_MKDIR, CHANGE_UNLINK, CHANGE_RMDIR };

static int64_t
change_one(struct ask *ask, enum change change)
{
	char path[DEVICE_PATH_MAX + 1];
	struct place place;
	int64_t result = 0;
	int error;

	(void)strcpy(path, ask->path); /* both are DEVICE_PATH_MAX + 1 */
	error = place_find(ask->handle->fd, path, &place);
	if (error)
		return error;
	switch (change) {
	case CHANGE_MKDIR:
		result = ask_answer(mkdirat(place.dir, place.name, 0777));
		break;
	case CHANGE_UNLINK:
		result = ask_answer(unlinkat(place.dir, place.name, 0));
		break;
	case CHANGE_RMDIR:
		result = ask_answer(unlinkat(place.dir, place.name, AT_REMOVEDIR));
		break;
	}
	place_done(&place);
	return result;
}

int64_t
names_mkdir(struct ask *ask)
{
	return change_one(ask, CHANGE_MKDIR);
}

int64_t
names_unlink(struct ask *ask)
{
	return change_one(ask, CHANGE_UNLINK);
}

int64_t
names_rmdir(struct ask *ask)
{
	return change_one(ask, CHANGE_RMDIR);
}

int64_t
names_symlink(struct ask *ask)
{
	char path[DEVICE_PATH_MAX + 1];
	struct place place;
	int64_t result;
	int error;

	if (ask->path2[0] == '/')
		return -DEVICE_ECAPABILITY;
	(void)strcpy(path, ask->path);
	error = place_find(ask->handle->fd, path, &place);
	if (error)
		return error;
	result = ask_answer(symlinkat(ask->path2, place.dir, place.name));
	place_done(&place);
	return result;
}

/* The link's source is the file itself, opened, when links are to be followed;
 * else a name that is not followed. */
static int64_t
link_followed(const struct ask *ask, const struct place *to)
{
	const int fd = path_open(ask->handle->fd, ask->path, O_PATH, 0);
	char self[32];
	int result;

	if (fd < 0)
		return fd;
	/* Needs a capability that we may lack; /proc then does the same. */
	result = linkat(fd, "", to->dir, to->name, AT_EMPTY_PATH);
	if (result < 0 && (errno == ENOENT || errno == EPERM)) {
		(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
		result = linkat(AT_FDCWD, self, to->dir, to->name, AT_SYMLINK_FOLLOW);
	}
	(void)close(fd);
	return ask_answer(result);
}

enum pair { PAIR_RENAME, PAIR_LINK };

static int64_t
change_pair(struct ask *ask, enum pair pair)
{
	char path[DEVICE_PATH_MAX + 1], path2[DEVICE_PATH_MAX + 1];
	const size_t bytes = strlen(ask->path);
	struct place from, to;
	int64_t result;
	int error;

	if (ask->handle->grant != ask->handle2->grant)
		return -DEVICE_EXDEV;
	/* The one call that follows a last name with a slash behind it. */
	if (pair == PAIR_LINK && bytes && ask->path[bytes - 1] == '/')
		return -DEVICE_ENOTDIR;
	(void)strcpy(path, ask->path);
	(void)strcpy(path2, ask->path2);
	error = place_find(ask->handle->fd, path, &from);
	if (error)
		return error;
	error = place_find(ask->handle2->fd, path2, &to);
	if (error)
		result = error;
	else if (pair == PAIR_RENAME)
		result = ask_answer(renameat(from.dir, from.name, to.dir, to.name));
	else if (ask->request->flags & DEVICE_FOLLOW)
		result = link_followed(ask, &to);
	else
		result = ask_answer(linkat(from.dir, from.name, to.dir, to.name, 0));
	if (!error)
		place_done(&to);
	place_done(&from);
	return result;
}

int64_t
names_rename(struct ask *ask)
{
	return change_pair(ask, PAIR_RENAME);
}

int64_t
names_link(struct ask *ask)
{
	return change_pair(ask, PAIR_LINK);
}

int64_t
names_readlink(struct ask *ask)
{
	const int fd = path_open(ask->handle->fd, ask->path, O_PATH | O_NOFOLLOW, 0);
	ssize_t bytes;

	if (fd < 0)
		return fd;
	bytes = readlinkat(fd, "", (char *)ask_piece(ask), ask->request->bytes);
	if (bytes < 0 && errno == ENOENT)
		errno = EINVAL; /* what the call says of an O_PATH that is no link */
	(void)close(fd);
	if (bytes >= 0)
		ask->reply->data_bytes = (uint32_t)bytes;
	return ask_answer((int)bytes);
}
