/* SPDX-License-Identifier: Apache-2.0 */
/* A type is a path in a tree: its parameters, an arrow, its results. Each node
 * has its first child, its next sibling and a symbol; a node has at most seven
 * children, so finding a type takes a time linear in its length whatever the
 * others are. Node 0 is the root. */
#include <errno.h>
#include <string.h>

#include "kernel/base/must.h"
#include "kernel/wasm/module.h"

enum { ARROW = 1, ROOT = 0 };

struct booked {
	struct functype type; /* its vals are these: */
	uint8_t *vals;        /* length() bytes, never none */
	uint32_t held;        /* 0: unused, and `next` links it */
	uint32_t next;
};

struct booknode {
	uint32_t child, sibling; /* 0: none */
	uint32_t paths;          /* types that pass through it */
	uint32_t id;             /* the type that ends here + 1; 0: none */
	uint8_t symbol;
};

static uint8_t
symbol_at(const struct functype *type, uint32_t i)
{
	if (i < type->params)
		return type->vals[i];
	return i == type->params ? ARROW : type->vals[i - 1];
}

static uint32_t
length(const struct functype *type)
{
	return (uint32_t)type->params + 1 + type->results;
}

void
typebook_init(struct typebook *book, struct heap *heap)
{
	*book = (struct typebook){.heap = heap};
}

void
typebook_done(struct typebook *book)
{
	for (uint32_t i = 0; i < book->count; i++) {
		if (book->types[i].held)
			heap_give(book->heap, book->types[i].vals, length(&book->types[i].type));
	}
	heap_give(book->heap, book->types, book->room * sizeof *book->types);
	heap_give(book->heap, book->nodes, book->nodes_room * sizeof *book->nodes);
	typebook_init(book, book->heap);
}

static uint32_t
child_of(const struct typebook *book, uint32_t node, uint8_t symbol)
{
	uint32_t at = book->nodes[node].child;

	while (at && book->nodes[at].symbol != symbol)
		at = book->nodes[at].sibling;
	return at;
}

/* Room for one more type of this length: unused entries and unused nodes. */
static int
make_room(struct typebook *book, uint32_t nodes)
{
	if (!book->unused && book->count == book->room) {
		const uint32_t room = book->room ? book->room * 2 : 64;
		struct booked *types = heap_resize(book->heap, book->types,
			book->room * sizeof *types, room * sizeof *types);

		if (!types)
			return -ENOMEM;
		book->types = types;
		book->room = room;
	}
	if (book->nodes_room - book->nodes_count < nodes + 1) {
		const uint32_t room = (book->nodes_count + nodes) * 2 + 64;
		struct booknode *at = heap_resize(book->heap, book->nodes,
			book->nodes_room * sizeof *at, room * sizeof *at);

		if (!at)
			return -ENOMEM;
		book->nodes = at;
		book->nodes_room = room;
	}
	if (!book->nodes_count)
		book->nodes[book->nodes_count++] = (struct booknode){.symbol = ARROW};
	return 0;
}

static uint32_t
node_add(struct typebook *book, uint32_t parent, uint8_t symbol)
{
	uint32_t at = book->nodes_unused;

	if (at)
		book->nodes_unused = book->nodes[at].sibling;
	else
		at = book->nodes_count++;
	book->nodes[at] = (struct booknode){.symbol = symbol, .sibling = book->nodes[parent].child};
	book->nodes[parent].child = at;
	return at;
}

int
typebook_hold(struct typebook *book, const uint8_t *vals, uint16_t params, uint16_t results,
	uint32_t *ret_id)
{
	const struct functype type = {.vals = vals, .params = params, .results = results};
	const uint32_t symbols = length(&type);
	uint32_t node = ROOT, id;
	uint8_t *copy;
	int r;

	r = make_room(book, symbols);
	if (r < 0)
		return r;
	copy = heap_take(book->heap, symbols);
	if (!copy)
		return -ENOMEM;
	for (uint32_t i = 0; i < symbols; i++) {
		const uint8_t symbol = symbol_at(&type, i);
		const uint32_t child = child_of(book, node, symbol);

		node = child ? child : node_add(book, node, symbol);
		book->nodes[node].paths++;
	}
	if (book->nodes[node].id) { /* there already: its path is counted as often as it is held */
		heap_give(book->heap, copy, symbols);
		id = book->nodes[node].id - 1;
		book->types[id].held++;
	} else {
		id = book->unused ? book->unused - 1 : book->count++;
		if (book->unused)
			book->unused = book->types[id].next;
		if (symbols > 1)
			memcpy(copy, vals, symbols - 1);
		book->types[id] = (struct booked){.type = type, .vals = copy, .held = 1};
		book->types[id].type.vals = copy;
		book->types[id].type.id = id;
		book->nodes[node].id = id + 1;
	}
	*ret_id = id;
	return 0;
}

const struct functype *
typebook_find(const struct typebook *book, const struct functype *type)
{
	uint32_t node = ROOT;

	if (!book->nodes_count)
		return NULL;
	for (uint32_t i = 0; i < length(type); i++) {
		node = child_of(book, node, symbol_at(type, i));
		if (!node)
			return NULL;
	}
	return book->nodes[node].id ? &book->types[book->nodes[node].id - 1].type : NULL;
}

static void
node_remove(struct typebook *book, uint32_t parent, uint32_t node)
{
	uint32_t *link = &book->nodes[parent].child;

	while (*link != node)
		link = &book->nodes[*link].sibling;
	*link = book->nodes[node].sibling;
	book->nodes[node].sibling = book->nodes_unused;
	book->nodes_unused = node;
}

void
typebook_drop(struct typebook *book, uint32_t id)
{
	struct booked *booked = &book->types[id];
	const uint32_t symbols = length(&booked->type);
	uint32_t node = ROOT;

	must(BOOK1, id < book->count && booked->held);
	for (uint32_t i = 0; i < symbols; i++) {
		const uint32_t parent = node;

		node = child_of(book, parent, symbol_at(&booked->type, i));
		must(BOOK2, node && book->nodes[node].paths);
		/* A removed node keeps its child, so the walk goes on below it. */
		if (!--book->nodes[node].paths)
			node_remove(book, parent, node);
	}
	if (--booked->held)
		return;
	book->nodes[node].id = 0; /* the node may stay, as part of longer types */
	heap_give(book->heap, booked->vals, symbols);
	*booked = (struct booked){.next = book->unused};
	book->unused = id + 1;
}
