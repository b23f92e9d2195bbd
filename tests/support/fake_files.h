/* SPDX-License-Identifier: Apache-2.0 */
/* fake_files.h - a tree of files in memory, for fake_device.c.
 *
 * A node is a file, directory or symbolic link; its number is its inode. Paths
 * are walked as the broker walks them: relative, beneath the directory they
 * start at, links followed but never out (DEVICE_ECAPABILITY).
 * Errors   0 or more is an answer; -(enum device_error) is a refusal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/device.h"

struct fake_entry {
	char *name;
	uint32_t node;
};

struct fake_node {
	uint8_t type; /* enum device_file_type */
	uint32_t links;
	uint8_t *data; /* a file's bytes; a link's target, terminated */
	uint64_t bytes, room;
	struct fake_entry *entries; /* a directory's */
	uint32_t entries_count, entries_room;
	uint32_t parent; /* a directory's; its own number at the top */
	uint64_t access_ns, modify_ns, change_ns;
};

struct fake_files {
	struct fake_node *nodes; /* number 0 is not used */
	uint32_t count, room;
	uint64_t bytes_max; /* of all files: past it DEVICE_ENOSPC; 0: no limit */
	uint64_t bytes;
	uint64_t now_ns;
};

void files_init(struct fake_files *files);
void files_done(struct fake_files *files);

/* A node without a name yet; with one where `parent` is not 0. */
uint32_t files_node(struct fake_files *files, uint8_t type, uint32_t parent, const char *name);
struct fake_node *files_at(struct fake_files *files, uint32_t node);
int files_stat(struct fake_files *files, uint32_t node, struct device_stat *ret_stat);

int64_t files_read(struct fake_files *files, uint32_t node, uint64_t at, uint8_t *to, uint32_t bytes);
int64_t files_write(struct fake_files *files, uint32_t node, uint64_t at, const uint8_t *from,
	uint32_t bytes);
int files_resize(struct fake_files *files, uint32_t node, uint64_t bytes);

/* Where a path leads. The node, 0 when only the last name is missing; in both
 * cases the directory and the last name (in `ret_name`, 256 bytes) are told. */
struct fake_place {
	uint32_t directory, node;
	char name[256];
	bool wants_directory; /* the path ended in a slash */
};
int files_walk(struct fake_files *files, uint32_t from, const char *path, uint32_t path_bytes,
	bool follow, struct fake_place *ret_place);

int files_link(struct fake_files *files, uint32_t directory, const char *name, uint32_t node);
int files_unlink(struct fake_files *files, uint32_t directory, const char *name);
/* Sorted by name; "." and ".." included; records of DEVICE_LIST from the n-th on. */
int64_t files_list(struct fake_files *files, uint32_t directory, uint64_t first, uint8_t *to,
	uint32_t bytes, uint32_t *ret_bytes);
