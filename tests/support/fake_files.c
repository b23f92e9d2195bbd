/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_files.h"

#include <stdlib.h>
#include <string.h>

enum { LINKS_FOLLOWED_MAX = 40, STEPS_MAX = 4096 };

static void *
grow(void *block, size_t bytes)
{
	void *moved = realloc(block, bytes ? bytes : 1);

	if (!moved)
		abort();
	return moved;
}

void
files_init(struct fake_files *files)
{
	*files = (struct fake_files){.count = 1, .now_ns = 1000};
}

void
files_done(struct fake_files *files)
{
	for (uint32_t i = 1; i < files->count; i++) {
		struct fake_node *node = &files->nodes[i];

		for (uint32_t j = 0; j < node->entries_count; j++)
			free(node->entries[j].name);
		free(node->entries);
		free(node->data);
	}
	free(files->nodes);
	files_init(files);
}

struct fake_node *
files_at(struct fake_files *files, uint32_t node)
{
	return node && node < files->count ? &files->nodes[node] : NULL;
}

uint32_t
files_node(struct fake_files *files, uint8_t type, uint32_t parent, const char *name)
{
	const uint32_t number = files->count;

	if (files->count >= files->room) {
		files->room = files->room ? files->room * 2 : 16;
		files->nodes = grow(files->nodes, files->room * sizeof *files->nodes);
	}
	files->count++;
	files->nodes[number] = (struct fake_node){
		.type = type,
		.parent = parent ? parent : number,
		.access_ns = files->now_ns,
		.modify_ns = files->now_ns,
		.change_ns = files->now_ns,
	};
	if (parent)
		(void)files_link(files, parent, name, number);
	return number;
}

int
files_stat(struct fake_files *files, uint32_t number, struct device_stat *ret_stat)
{
	const struct fake_node *node = files_at(files, number);

	if (!node)
		return -DEVICE_EBADF;
	*ret_stat = (struct device_stat){
		.inode = number,
		.links = node->links,
		.bytes = node->bytes,
		.access_ns = node->access_ns,
		.modify_ns = node->modify_ns,
		.change_ns = node->change_ns,
		.type = node->type,
	};
	return 0;
}

int64_t
files_read(struct fake_files *files, uint32_t number, uint64_t at, uint8_t *to, uint32_t bytes)
{
	struct fake_node *node = files_at(files, number);

	if (node->type == DEVICE_TYPE_DIRECTORY)
		return -DEVICE_EISDIR;
	if (at >= node->bytes)
		return 0;
	if (bytes > node->bytes - at)
		bytes = (uint32_t)(node->bytes - at);
	memcpy(to, node->data + at, bytes);
	return bytes;
}

int
files_resize(struct fake_files *files, uint32_t number, uint64_t bytes)
{
	struct fake_node *node = files_at(files, number);

	if (node->type == DEVICE_TYPE_DIRECTORY)
		return -DEVICE_EISDIR;
	if (bytes > (uint64_t)1 << 40)
		return -DEVICE_EFBIG;
	if (bytes > node->bytes && files->bytes_max &&
		files->bytes + (bytes - node->bytes) > files->bytes_max)
		return -DEVICE_ENOSPC;
	if (bytes > node->room) {
		node->room = bytes + bytes / 2;
		node->data = grow(node->data, (size_t)node->room);
	}
	if (bytes > node->bytes)
		memset(node->data + node->bytes, 0, (size_t)(bytes - node->bytes));
	files->bytes += bytes - node->bytes;
	node->bytes = bytes;
	node->modify_ns = files->now_ns;
	return 0;
}

int64_t
files_write(struct fake_files *files, uint32_t number, uint64_t at, const uint8_t *from,
	uint32_t bytes)
{
	struct fake_node *node = files_at(files, number);
	int end;

	if (at > UINT64_MAX - bytes)
		return -DEVICE_EFBIG;
	if (at + bytes > node->bytes && (end = files_resize(files, number, at + bytes)) < 0)
		return end;
	if (bytes)
		memcpy(node->data + at, from, bytes);
	node->modify_ns = files->now_ns;
	return bytes;
}

static struct fake_entry *
entry_find(struct fake_node *directory, const char *name)
{
	for (uint32_t i = 0; i < directory->entries_count; i++)
		if (!strcmp(directory->entries[i].name, name))
			return &directory->entries[i];
	return NULL;
}

int
files_link(struct fake_files *files, uint32_t number, const char *name, uint32_t node)
{
	struct fake_node *directory = files_at(files, number);
	uint32_t at = 0;

	if (entry_find(directory, name))
		return -DEVICE_EEXIST;
	if (directory->entries_count == directory->entries_room) {
		directory->entries_room = directory->entries_room ? directory->entries_room * 2 : 8;
		directory->entries = grow(directory->entries,
			directory->entries_room * sizeof *directory->entries);
	}
	while (at < directory->entries_count && strcmp(directory->entries[at].name, name) < 0)
		at++;
	memmove(&directory->entries[at + 1], &directory->entries[at],
		(directory->entries_count - at) * sizeof *directory->entries);
	directory->entries[at] = (struct fake_entry){.name = strdup(name), .node = node};
	directory->entries_count++;
	directory->modify_ns = files->now_ns;
	files->nodes[node].links++;
	if (files->nodes[node].type == DEVICE_TYPE_DIRECTORY)
		files->nodes[node].parent = number;
	return 0;
}

int
files_unlink(struct fake_files *files, uint32_t number, const char *name)
{
	struct fake_node *directory = files_at(files, number);
	struct fake_entry *entry = entry_find(directory, name);

	if (!entry)
		return -DEVICE_ENOENT;
	files->nodes[entry->node].links--;
	free(entry->name);
	memmove(entry, entry + 1,
		(size_t)(&directory->entries[directory->entries_count] - (entry + 1)) * sizeof *entry);
	directory->entries_count--;
	directory->modify_ns = files->now_ns;
	return 0;
}

/* The walk's own state: what is still to be walked, and how deep below `from`. */
struct walk {
	char rest[2 * DEVICE_PATH_MAX + 2];
	uint32_t at, depth;
	int links;
};

/* Puts a link's target before what is still to be walked. */
static int
splice(struct walk *walk, const struct fake_node *link, const char *after)
{
	char joined[sizeof walk->rest];
	const size_t after_bytes = strlen(after);

	if (++walk->links > LINKS_FOLLOWED_MAX)
		return -DEVICE_ELOOP;
	if (link->bytes && link->data[0] == '/')
		return -DEVICE_ECAPABILITY;
	if (link->bytes + after_bytes + 1 > sizeof joined)
		return -DEVICE_ENAMETOOLONG;
	memcpy(joined, link->data, link->bytes);
	memcpy(joined + link->bytes, after, after_bytes + 1); /* begins with the slash, if any */
	memcpy(walk->rest, joined, link->bytes + after_bytes + 1);
	return 0;
}

/* Takes the next name off the rest; false at the end. */
static bool
next_name(struct walk *walk, char name[256], bool *ret_last, int *ret_error)
{
	char *at = walk->rest + strspn(walk->rest, "/");
	const size_t bytes = strcspn(at, "/");

	*ret_error = bytes > 255 ? -DEVICE_ENAMETOOLONG : 0;
	if (!bytes || *ret_error)
		return false;
	memcpy(name, at, bytes);
	name[bytes] = '\0';
	*ret_last = at[bytes + strspn(at + bytes, "/")] == '\0';
	memmove(walk->rest, at + bytes, strlen(at + bytes) + 1);
	return true;
}

int
files_walk(struct fake_files *files, uint32_t from, const char *path, uint32_t path_bytes,
	bool follow, struct fake_place *ret_place)
{
	struct walk walk = {.at = from};
	struct fake_place place = {.directory = from, .node = from, .name = "."};
	bool last = false;
	int error;

	if (!path_bytes)
		return -DEVICE_ENOENT;
	if (path_bytes > DEVICE_PATH_MAX || memchr(path, 0, path_bytes))
		return path_bytes > DEVICE_PATH_MAX ? -DEVICE_ENAMETOOLONG : -DEVICE_EINVAL;
	if (path[0] == '/')
		return -DEVICE_ECAPABILITY;
	memcpy(walk.rest, path, path_bytes);
	while (next_name(&walk, place.name, &last, &error)) {
		struct fake_node *here = files_at(files, walk.at);
		const struct fake_entry *entry;

		if (here->type != DEVICE_TYPE_DIRECTORY)
			return -DEVICE_ENOTDIR;
		place.directory = walk.at;
		place.wants_directory = last && walk.rest[0] == '/';
		if (!strcmp(place.name, "..")) {
			if (!walk.depth)
				return -DEVICE_ECAPABILITY;
			walk.depth--;
			place.node = walk.at = here->parent;
			continue;
		}
		if (!strcmp(place.name, ".")) {
			place.node = walk.at;
			continue;
		}
		entry = entry_find(here, place.name);
		place.node = entry ? entry->node : 0;
		if (!entry && last)
			break;
		if (!entry)
			return -DEVICE_ENOENT;
		if (files->nodes[place.node].type == DEVICE_TYPE_SYMLINK &&
			(follow || !last || place.wants_directory)) {
			error = splice(&walk, &files->nodes[place.node], walk.rest);
			if (error)
				return error;
			continue;
		}
		walk.at = place.node;
		walk.depth++;
	}
	if (error)
		return error;
	if (place.node && place.wants_directory &&
		files->nodes[place.node].type != DEVICE_TYPE_DIRECTORY)
		return -DEVICE_ENOTDIR;
	*ret_place = place;
	return 0;
}

static void
put_int(uint8_t *to, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

int64_t
files_list(struct fake_files *files, uint32_t number, uint64_t first, uint8_t *to, uint32_t bytes,
	uint32_t *ret_bytes)
{
	const struct fake_node *directory = files_at(files, number);
	uint32_t at = 0, listed = 0;

	if (directory->type != DEVICE_TYPE_DIRECTORY)
		return -DEVICE_ENOTDIR;
	/* "." and ".." sort before most names, but not before all ('!', '-' ...). */
	struct fake_entry *all = grow(NULL, (directory->entries_count + 2) * sizeof *all);
	uint32_t count = 0, dots = 0;
	static char dot[] = ".", dotdot[] = "..";
	struct fake_entry own[2] = {{dot, number}, {dotdot, directory->parent}};

	for (uint32_t i = 0; i < directory->entries_count; i++) {
		while (dots < 2 && strcmp(own[dots].name, directory->entries[i].name) < 0)
			all[count++] = own[dots++];
		all[count++] = directory->entries[i];
	}
	while (dots < 2)
		all[count++] = own[dots++];
	for (uint64_t i = first; i < count; i++) {
		const uint32_t name_bytes = (uint32_t)strlen(all[i].name);

		if (bytes - at < DEVICE_ENTRY_BYTES + name_bytes)
			break;
		put_int(to + at, all[i].node, 8);
		put_int(to + at + 8, name_bytes, 4);
		to[at + 12] = files->nodes[all[i].node].type;
		memcpy(to + at + DEVICE_ENTRY_BYTES, all[i].name, name_bytes);
		at += DEVICE_ENTRY_BYTES + name_bytes;
		listed++;
	}
	free(all);
	*ret_bytes = at;
	return listed;
}
