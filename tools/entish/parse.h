/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - what the two halves of the parser share: parse.c has files, definitions
 * and statements, parse_expr.c expressions. */
#pragma once

#include "tools/entish/tree.h"

enum { PARSE_DEPTH_MAX = 200 };

struct parser {
	struct sources *sources;
	struct unit *unit;
	const struct token *at; /* never past T_END */
	uint32_t *ids;
	uint32_t depth;
	bool lost; /* complained on this line: skip to the next */
};

struct node *parse_node(struct parser *p, enum node_kind kind, place at);
bool parse_take(struct parser *p, enum token_kind kind);
void parse_want(struct parser *p, enum token_kind kind, const char *hint);
/* Once a line. */
void parse_wrong(struct parser *p, const char *hint, const char *what);
bool parse_deeper(struct parser *p);
struct node *parse_expr(struct parser *p);
struct node *parse_exprs(struct parser *p, enum token_kind end, uint32_t *ret_count);
struct node *parse_type(struct parser *p);
