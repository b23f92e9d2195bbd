/* SPDX-License-Identifier: Apache-2.0 */
/* list.c - listings: a directory read once, sorted by bytes, kept with the
 * handle, served in pieces.
 *
 * So two runs over the same names see the same order, whatever the file system
 * says, and an entry's index stays good while files come and go. Asking for
 * entry 0 reads the directory anew. In a root ".." is the root itself. All that
 * are kept share one limit: a guest must not fill the broker's memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/errors.h"

enum { READ_BYTES = 64 << 10 };

struct listing {
	uint32_t count;
	uint32_t *at;	/* offsets in bytes, in order */
	uint8_t *bytes; /* records as DEVICE_LIST gives them */
	size_t used, room;
	uint32_t at_room;
	bool kept; /* counted in the broker's listing_bytes */
};

struct linux_dirent64 { /* the kernel's; in no header of libc */
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

static uint8_t
type_of(uint8_t type)
{
	switch (type) {
	case DT_REG:
		return DEVICE_TYPE_FILE;
	case DT_DIR:
		return DEVICE_TYPE_DIRECTORY;
	case DT_LNK:
		return DEVICE_TYPE_SYMLINK;
	case DT_CHR:
		return DEVICE_TYPE_CHARACTER;
	case DT_BLK:
		return DEVICE_TYPE_BLOCK;
	case DT_SOCK:
		return DEVICE_TYPE_SOCKET;
	case DT_FIFO:
		return DEVICE_TYPE_FIFO;
	default:
		return DEVICE_TYPE_UNKNOWN;
	}
}

static uint32_t
name_bytes_at(const uint8_t *record)
{
	return (uint32_t)record[8] | (uint32_t)record[9] << 8 | (uint32_t)record[10] << 16 |
	       (uint32_t)record[11] << 24;
}

static uint64_t
held(const struct listing *listing)
{
	return listing->room + listing->at_room * sizeof *listing->at;
}

void
broker_listing_free(struct broker *broker, struct listing *listing)
{
	if (!listing)
		return;
	if (listing->kept)
		broker->listing_bytes -= held(listing);
	free(listing->at);
	free(listing->bytes);
	free(listing);
}

/* Grows one of the two arrays if the limit allows. NULL: it does not. */
static void *
grow(struct broker *broker, struct listing *listing, void *old, uint64_t from, uint64_t to)
{
	if (broker->listing_bytes + held(listing) + (to - from) > broker->listing_bytes_max)
		return NULL;
	return realloc(old, to);
}

static int
room_make(struct broker *broker, struct listing *listing, size_t bytes)
{
	if (listing->room - listing->used < bytes) {
		const size_t room = (listing->room + bytes) * 2;
		uint8_t *more = grow(broker, listing, listing->bytes, listing->room, room);

		if (!more)
			return -ENOMEM;
		listing->bytes = more;
		listing->room = room;
	}
	if (listing->count == listing->at_room) {
		const uint32_t room = listing->at_room ? listing->at_room * 2 : 64;
		uint32_t *more = grow(broker, listing, listing->at, listing->at_room * sizeof *more,
			room * sizeof *more);

		if (!more)
			return -ENOMEM;
		listing->at = more;
		listing->at_room = room;
	}
	return 0;
}

static int
entry_add(struct broker *broker, struct listing *listing, uint64_t inode, uint8_t type,
	const char *name)
{
	const size_t name_bytes = strlen(name);
	const int error = room_make(broker, listing, DEVICE_ENTRY_BYTES + name_bytes);
	uint8_t *at;

	if (error)
		return error;
	at = listing->bytes + listing->used;
	for (unsigned i = 0; i < 8; i++)
		at[i] = (uint8_t)(inode >> (8 * i));
	for (unsigned i = 0; i < 4; i++)
		at[8 + i] = (uint8_t)(name_bytes >> (8 * i));
	at[12] = type;
	memcpy(at + DEVICE_ENTRY_BYTES, name, name_bytes);
	listing->at[listing->count++] = (uint32_t)listing->used;
	listing->used += DEVICE_ENTRY_BYTES + name_bytes;
	return 0;
}

static int
names_compare(const void *left, const void *right, void *arg)
{
	const uint8_t *bytes = arg;
	const uint8_t *a = bytes + *(const uint32_t *)left;
	const uint8_t *b = bytes + *(const uint32_t *)right;
	const uint32_t a_bytes = name_bytes_at(a), b_bytes = name_bytes_at(b);
	const int order = memcmp(a + DEVICE_ENTRY_BYTES, b + DEVICE_ENTRY_BYTES,
		a_bytes < b_bytes ? a_bytes : b_bytes);

	if (order)
		return order;
	return a_bytes < b_bytes ? -1 : a_bytes > b_bytes;
}

/* `here` is the inode that ".." shall show, 0: its own. */
static int
broker_listing_read(struct broker *broker, struct listing *listing, int fd, uint64_t here)
{
	uint8_t *buffer = malloc(READ_BYTES);
	int error = buffer ? 0 : -ENOMEM;

	while (!error) {
		const long got = syscall(SYS_getdents64, fd, buffer, READ_BYTES);

		if (got <= 0) {
			error = got < 0 ? -errno : 0;
			break;
		}
		for (long at = 0; at < got && !error;) {
			const struct linux_dirent64 *entry =
				(const struct linux_dirent64 *)(const void *)(buffer + at);
			const bool up = here && strcmp(entry->d_name, "..") == 0;

			error = entry_add(broker, listing, up ? here : entry->d_ino,
				type_of(entry->d_type), entry->d_name);
			at += entry->d_reclen;
		}
	}
	free(buffer);
	if (!error)
		qsort_r(listing->at, listing->count, sizeof *listing->at, names_compare,
			listing->bytes);
	return error;
}

/* Reads the directory anew; the old listing stays when that fails. */
static int
broker_listing_renew(struct broker *broker, struct broker_handle *handle)
{
	const struct wire_grant *root = &broker->grants[handle->grant].wire;
	const bool is_root = handle == &broker->handles[root->handle];
	struct listing *listing = calloc(1, sizeof *listing);
	struct stat stat = {0};
	int fd, error;

	if (!listing)
		return -ENOMEM;
	/* A descriptor of its own: a position of its own, and the handle's may be O_PATH. */
	fd = openat(handle->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = fd < 0 ? -errno : 0;
	if (!error && is_root && fstat(fd, &stat) < 0)
		error = -errno;
	if (!error)
		error = broker_listing_read(broker, listing, fd, stat.st_ino);
	if (fd >= 0)
		(void)close(fd);
	if (error) {
		broker_listing_free(broker, listing);
		return error;
	}
	broker_listing_free(broker, handle->listing);
	listing->kept = true;
	broker->listing_bytes += held(listing);
	handle->listing = listing;
	return 0;
}

int64_t
list_serve(struct broker *broker, struct broker_handle *handle, const struct wire_request *request,
	uint32_t *ret_bytes)
{
	uint8_t *out = broker->shared + broker->layout.staging_at + request->piece;
	const struct listing *listing;
	uint32_t used = 0;
	int64_t count = 0;

	if (!(handle->rights & BROKER_READ))
		return -DEVICE_ECAPABILITY;
	if (request->offset == 0 || !handle->listing) {
		const int error = broker_listing_renew(broker, handle);

		if (error)
			return -(int64_t)device_error_of(-error);
	}
	listing = handle->listing;
	for (uint64_t i = request->offset; i < listing->count; i++) {
		const uint8_t *record = listing->bytes + listing->at[i];
		const uint32_t bytes = DEVICE_ENTRY_BYTES + name_bytes_at(record);

		if (bytes > request->bytes - used)
			break;
		memcpy(out + used, record, bytes);
		used += bytes;
		count++;
	}
	/* Not one fits: the caller's buffer is too small, which is not the end. */
	if (count == 0 && request->offset < listing->count)
		return -DEVICE_EINVAL;
	*ret_bytes = used;
	return count;
}
