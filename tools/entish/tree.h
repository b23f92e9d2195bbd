/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - a program as a tree. All nodes are of one shape; the table of kinds says
 * what a, b, c and list are. Nodes of one function have ids in a row, so that what
 * is found out about them can be kept beside the tree, once for each set of types
 * the function is used with. */
#pragma once

#include "tools/entish/token.h"

/* NODE(name, what is where) */
#define NODES(NODE)                                                                                \
	/* expressions */                                                                          \
	NODE(INT, "number")                                                                        \
	NODE(FLOAT, "real")                                                                        \
	NODE(TRUE, "")                                                                             \
	NODE(FALSE, "")                                                                            \
	NODE(TEXT, "name, number: its bytes")                                                      \
	NODE(BYTES, "name, number: its bytes")                                                     \
	NODE(NAME, "name")                                                                         \
	NODE(LIST, "list: elements")                                                               \
	NODE(MAP, "list: key, value, key, value")                                                  \
	NODE(TUPLE, "list: elements")                                                              \
	NODE(RECORD, "name of the type, list: fields")                                             \
	NODE(CALL, "a: what is called, list: arguments")                                           \
	NODE(SANDBOX, "a: what is called, b: gas, c: words, keys, list: arguments")                \
	NODE(FIELD, "a: of what, name")                                                            \
	NODE(INDEX, "a: of what, b: where")                                                        \
	NODE(SLICE, "a: of what, b: from or NULL, c: to or NULL")                                  \
	NODE(DOLLAR, "name, list: arguments")                                                      \
	NODE(UNARY, "op, a")                                                                       \
	NODE(BINARY, "op, a, b")                                                                   \
	NODE(COMPARE, "op, a, b")                                                                  \
	NODE(IN, "a in b; op T_not: not in")                                                       \
	NODE(AND, "a, b")                                                                          \
	NODE(OR, "a, b")                                                                           \
	NODE(NOT, "a")                                                                             \
	NODE(CHOICE, "b: condition, a: if it holds, c: else")                                      \
	/* statements */                                                                           \
	NODE(EXPR, "a")                                                                            \
	NODE(ASSIGN, "list: targets, a: value, type: of the target or NULL")                       \
	NODE(SET_OP, "op, a: target, b: value")                                                    \
	NODE(IF, "a: condition, list: then, other: else")                                          \
	NODE(WHILE, "a: condition or NULL, list: body")                                            \
	NODE(FOR, "name, a: over what, list: body")                                                \
	NODE(BREAK, "")                                                                            \
	NODE(CONTINUE, "")                                                                         \
	NODE(PASS, "")                                                                             \
	NODE(RETURN, "a or NULL")                                                                  \
	NODE(YIELD, "a or NULL")                                                                   \
	/* types as written, parameters */                                                         \
	NODE(TYPE, "name, list: of what")                                                          \
	NODE(PARAM, "name, type or NULL")

enum node_kind {
#define NODE(name, what) N_##name,
	NODES(NODE)
#undef NODE
};

struct node {
	uint8_t kind, op; /* op: enum token_kind */
	uint32_t id;
	place at;
	const char *name;
	union {
		uint64_t number;
		double real;
	};
	struct node *a, *b, *c, *list, *other, *keys, *type, *next;
};

struct def { /* a function, or the statements of a program outside all functions */
	const char *name;
	place at;
	struct unit *unit;
	struct node *params, *results, *body;
	bool typed;             /* its results are written */
	bool top;               /* the statements outside */
	uint32_t params_count;
	uint32_t id_first, ids; /* of its nodes */
	const char *domain;     /* the block it stands in, or NULL */
	struct domain_block *block; /* likewise */
	bool begins;            /* no function: what that block's variables begin with */
	struct def *next;
	struct instance *instances; /* check.h */
	bool counted; /* cost.h: one instance speaks for all */
};

struct record { /* typ NAME {u start, u length} */
	const char *name;
	place at;
	struct node *fields; /* N_PARAM */
	uint32_t fields_count;
	struct type *type, **types; /* check.h */
	uint32_t nesting;           /* how many lie in one another in it, with it; 0: not known yet */
	bool keys;                  /* holds some, or what is no data either */
	struct record *next;
};

struct domain_block { /* domain NAME: functions, and variables that they share */
	const char *name;
	place at;
	struct def *begins;         /* the assignments of the block itself */
	uint32_t number;            /* among those of the program */
	struct variable *variables; /* check.h */
	uint32_t variables_count;
	struct instance *beginning; /* NULL: it has no variables */
	uint32_t calls, below;      /* others by number, a bit each: it calls; they do in turn */
	struct domain_block *next;
};

struct import {
	const char *name;
	place at;
	struct unit *unit; /* what was found */
	struct import *next;
};

struct unit { /* one file */
	const char *name;
	const struct source_file *file;
	struct def *defs, *top;
	struct record *records;
	struct import *imports;
	bool library;     /* ours */
	struct domain_block *domains;
	uint32_t domains_count;
	struct unit *next;
};

/* Complains; the tree is there in any case. `ids` counts over all units. */
struct unit *parse(struct sources *sources, const struct source_file *file, uint32_t *ids);
