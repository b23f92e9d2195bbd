/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - names and types.
 *
 * A function without written types is a pattern: it is checked and compiled once
 * for each list of types it is called with, an *instance*. What is found out about
 * a node in one instance is a *fact*. Types that a call does not settle (an empty
 * list) stay variables and are bound by what the function does with them.
 *
 * check()    -> all instances that run, in `instances`
 *               check_expr.c   expressions
 *               check_call.c   calls, instances, intrinsics
 *               check_stmt.c   variables, assignments, statements
 *               check.c        definitions, files
 *               check_domain.c blocks that are domains, calls between them
 *
 * Never  writes into the tree. Hostile sources: at most CHECK_INSTANCES_MAX, nested
 *        CHECK_DEPTH_MAX deep. */
#pragma once

#include "tools/entish/types.h"

enum {
	CHECK_INSTANCES_MAX = 3000,
	CHECK_DEPTH_MAX = 60,    /* of functions whose types depend on one another */
	CHECK_NESTED_MAX = 1200, /* nodes below one another */
	VARIABLES_MAX = 1000,
	ARGUMENTS_MAX = 32,
	KEYS_MAX = 8, /* of a sandbox */
	DOMAINS_MAX = 14, /* prelude_domains.et has slots for so many */
	DOMAIN_VARIABLES_MAX = 100,
};

enum coerce {
	COERCE_NONE,
	COERCE_UNWRAP, /* an outcome used as its value: a stop there is a trap */
	COERCE_WRAP,   /* a value where an outcome is wanted */
	COERCE_REAL,   /* a literal 1 where a float is wanted */
	COERCE_LOW,    /* ... an address */
	COERCE_VECTOR, /* a literal text where `vector` is wanted */
};

enum use { /* what a name or a call turned out to be; 0: what the node says */
	USE_PLAIN,
	USE_VARIABLE, /* index */
	USE_CONSTANT, /* value: the node of its literal */
	USE_FUNCTION, /* a value of type FN */
	USE_CALL,     /* instance */
	USE_METHOD,   /* instance; the first argument is before the dot */
	USE_RAW,      /* index: row of intrinsics.def */
	USE_PRINT,    /* each argument by `instance` of show(), then a line's end */
	USE_FIELD,    /* index */
	USE_KNOWN,    /* a condition known now: index 0 or 1 */
	USE_RANGE,    /* for x in range(...) */
	USE_DOMAIN,   /* a call of another domain's function: instance */
	USE_GLOBAL,   /* a variable of the domain: index */
};

struct fact {
	struct type *type; /* before the coercion */
	uint8_t coerce, use, kind; /* kind: of the node */
	bool unsigned_op;
	uint32_t index;
	struct instance *instance, *second, *shown; /* shown: how print says it */
	struct instance **fold; /* one for each field */
	struct node *value;
};

struct variable {
	const char *name;
	struct type *type;
	bool param, assigned; /* assigned: after its first value, too */
	uint32_t at;          /* of a domain's variable: its address (code_module.c) */
};

struct edge {
	struct instance *to;
	struct edge *next;
};

struct instance {
	struct def *def;
	struct type **params;
	struct type *result;
	struct fact *facts; /* by node id - def->id_first */
	struct variable *variables;
	uint32_t variables_count, variables_room, number; /* number: among all instances */
	bool returns, outcome;           /* a value; one that may be a stop */
	place bare;                      /* 1 + of a `return` of nothing; 0: there is none */
	bool open;                       /* being checked */
	bool later;                      /* its body waits to be */
	uint32_t entry; /* 1 + its place among the entries of sandboxes; 0: is none */
	uint32_t served; /* the same, for calls from other domains */
	struct edge *edges; /* what it calls here, in this domain */
	uint32_t crossings; /* the domains it calls, a bit each */
	bool skip;      /* never called, and of unknown types: not compiled */
	struct instance *next, *of_def;
};

/* What compiled code calls by itself. A address, I int. */
#define HELPERS(HELPER)                                                                            \
	HELPER(start, "")          /* before the program */                                        \
	HELPER(finish, "")         /* behind it */                                                 \
	HELPER(prepare, "")        /* before a function in a sandbox */                            \
	HELPER(pack_result, "")    /* behind it, asked for by the caller */                        \
	HELPER(serve_begin, "")    /* a domain that others call: before its variables */           \
	HELPER(serve, "")          /* and behind them, for ever */                                 \
	HELPER(serve_outcome, "A") /* where the value is of an outcome that is to be answered */   \
	HELPER(frames_full, "")    /* no room for references of one more frame */                  \
	HELPER(words_full, "")     /* more words used than allowed */                              \
	HELPER(unwrap, "A")        /* where the value of an outcome is; a stop: a trap */          \
	HELPER(wrap_new, "A")      /* an outcome without a value; 1: of a reference */             \
	HELPER(list_make, "AA")    /* a list of so many, zero; 1: of references */                 \
	HELPER(block_make, "AA")   /* words and description of a record or tuple */                \
	HELPER(map_make, "AA")     /* 1: keys, values are references */                            \
	HELPER(index_bad, "AI")    /* a list, and what is no place in it */

enum helper {
#define HELPER(name, takes) HELP_##name,
	HELPERS(HELPER)
#undef HELPER
	HELP_COUNT
};

struct checker {
	struct arena *arena;
	struct sources *sources;
	struct unit *program, *prelude, *units; /* units: all, linked by next */
	struct instance *instances, **instances_last;
	uint32_t instances_count, entries_count;
	struct instance *entries[256];
	bool entries_served[256]; /* for calls from other domains */
	struct instance *main, *helpers[HELP_COUNT];
	struct instance *space, *vector; /* print_part of a text; a text as `vector` */

	/* of the function that is being checked */
	struct instance *in;
	uint8_t *sure; /* which variables have a value here */
	uint32_t nested, depth, loops;
	bool beginning; /* a domain's variables are given their first values */
	bool apart;     /* what is called next runs in another domain */
};

/* Checks everything; complaints are in the sources. False: something is wrong. */
bool check(struct checker *c);
/* Outside its functions there is nothing but names for literals. */
bool check_only_names(const struct unit *unit);

/* --- shared by these files ----------------------------------------------------- */

struct fact *check_fact(struct checker *c, const struct node *node);
struct type *check_expr(struct checker *c, struct node *node);
/* Its type as data: an outcome is used as its value. */
struct type *check_data(struct checker *c, struct node *node);
/* Must become `want`; `what` says for what, in words. */
void check_want(struct checker *c, struct node *node, struct type *want, const char *what);
/* After check_expr() of it. */
void check_fit(struct checker *c, struct node *node, struct type *want, const char *what);
/* A tuple of so many, whose types are still to be told; no tuple after a complaint. */
struct type *check_tuple_of(struct checker *c, const struct node *values, place at);
struct type *check_call(struct checker *c, struct node *node);
struct type *check_sandbox(struct checker *c, struct node *node);
uint32_t check_entry(struct checker *c, struct instance *i, bool served, place at);
struct type *check_dollar(struct checker *c, struct node *node);
/* An instance for these types; complains at `at`. */
struct instance *check_instance(struct checker *c, struct def *def, struct type **types,
	uint32_t count, place at);
/* A function of the prelude, which must be there. */
struct instance *check_prelude(struct checker *c, const char *name, struct type **types,
	uint32_t count, place at);
void check_body(struct checker *c, struct instance *instance);
/* Its types are written: its body waits until what is open now is checked. */
void check_later(struct checker *c, struct instance *instance);
struct type *check_written(struct checker *c, const struct unit *unit, struct node *type);
/* True: nothing behind it is reached. */
bool check_block(struct checker *c, struct node *first);
bool check_has_break(const struct node *first);
struct type *check_crossing(struct checker *c, struct node *node, struct def *def, struct type **types,
	uint32_t count);
/* What is copied between domains: data, no keys. */
bool check_is_data(struct type *type, uint32_t depth);
struct def *check_find_def(struct checker *c, const struct unit *from, const char *domain,
	const char *name);
struct record *check_find_record(struct checker *c, const struct unit *from, const char *name);
/* Of the domain of the function that is being checked. */
struct variable *check_global(struct checker *c, const char *name, uint32_t *ret_index);
void check_domains(struct checker *c);
/* After all else: who calls whom; a circle is a complaint. */
void check_circles(struct checker *c);
struct variable *check_variable(struct checker *c, const char *name, uint32_t *ret_index);
