/* SPDX-License-Identifier: Apache-2.0 */
/* inspect_tree.h - the tree of an image, from a worker's entries to JSON, and from
 * that to text or a Graphviz graph.
 *
 * Callers  inspect.c. Never believes the entries: the worker may have fallen. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "kernel/base/bytes.h"
#include "tools/keyhold/look.h"

struct tree_reference { /* a field that names a domain; its path is known at the end */
	json_t *in; /* borrowed */
	char name[32];
	uint32_t place;
};

struct tree {
	json_t *domains, *objects; /* arrays */
	json_t *domain;            /* the last one; borrowed */
	json_t *holder;            /* of keys: the last domain or object; borrowed */
	struct tree_reference *references;
	uint32_t references_count, references_room;
	uint32_t domains_more, objects_more, keys_more; /* left out */
};

int tree_init(struct tree *tree); /* 0, -ENOMEM */
void tree_done(struct tree *tree);
/* An entry of the tree, its tag read already: false: not well-formed. */
bool tree_entry(struct tree *tree, enum look_tag tag, struct bytes_in *in);
void tree_tie(struct tree *tree); /* all has been read: paths for places */

void tree_print(const struct tree *tree);
void tree_dot(const struct tree *tree, const char *file);
