/* SPDX-License-Identifier: Apache-2.0 */
/* format.c - the same program with our spaces: four for a block, one round a sign,
 * none inside brackets. Lines stay lines, comments stay where they are; more than
 * two empty lines become two. Works on tokens, so a formatted text says the same. */
#include "tools/entish/format.h"

#include <string.h>

enum { LEVELS = 101 };

struct printer {
	const struct source_file *file;
	struct out *out;
	uint32_t level, columns[LEVELS]; /* where the open blocks began in the source */
	uint32_t brackets, angles;
	bool line_begun;
};

static uint32_t
column_at(const struct printer *p, uint32_t at)
{
	uint32_t from = at, column = 0;

	while (from && p->file->text[from - 1] != '\n')
		from--;
	for (; from < at; from++)
		column += p->file->text[from] == '\t' ? 4 - column % 4 : 1;
	return column;
}

static void
begin_line(struct printer *p, uint32_t level)
{
	for (uint32_t i = 0; i < level; i++)
		out_bytes(p->out, "    ", 4);
	p->line_begun = true;
}

static void
end_line(struct printer *p)
{
	out_byte(p->out, '\n');
	p->line_begun = false;
}

static void
comment(struct printer *p, uint32_t from, uint32_t to, uint32_t level)
{
	while (to > from && strchr(" \t\r", p->file->text[to - 1]))
		to--;
	if (p->line_begun)
		out_bytes(p->out, "  ", 2);
	else
		begin_line(p, level);
	out_byte(p->out, '#');
	if (to > from + 1 && !strchr(" #!", p->file->text[from + 1]))
		out_byte(p->out, ' ');
	out_bytes(p->out, p->file->text + from + 1, to - from - 1);
}

/* What lies between two tokens: comments, empty lines, ends of lines. */
static void
gap(struct printer *p, uint32_t from, uint32_t to, uint32_t next_level, bool inside)
{
	uint32_t empty = 0;

	while (from < to) {
		const char c = p->file->text[from];
		uint32_t end = from;

		if (c == '#') {
			const uint32_t column = column_at(p, from);

			while (end < to && p->file->text[end] != '\n')
				end++;
			comment(p, from, end, inside ? p->level + 1 : column > p->columns[next_level] &&
				p->level > next_level ? p->level : next_level);
			from = end;
			empty = 0;
			continue;
		}
		if (c == '\n') {
			if (p->line_begun)
				end_line(p);
			else if (++empty <= 2 && p->out->used && to != p->file->bytes)
				out_byte(p->out, '\n');
		}
		from++;
	}
}

static bool
is_word(uint8_t kind)
{
	return kind >= T_and && kind <= T_yield && kind != T_true && kind != T_false;
}

static bool
ends_value(const struct token *t)
{
	return t->kind == T_NAME || t->kind == T_INT || t->kind == T_FLOAT || t->kind == T_TEXT ||
	       t->kind == T_BYTES || t->kind == T_DOLLAR || t->kind == T_CLOSE || t->kind == T_LISTED ||
	       t->kind == T_BRACED || t->kind == T_true || t->kind == T_false;
}

/* Whether a space stands between two tokens of a line. */
static bool
spaced(const struct printer *p, const struct token *before, const struct token *a,
	const struct token *b)
{
	const bool sign = a->kind == T_SUB || a->kind == T_ADD || a->kind == T_TILDE;

	if (b->kind == T_COMMA || b->kind == T_CLOSE || b->kind == T_LISTED || b->kind == T_BRACED)
		return false;
	if (a->kind == T_OPEN || a->kind == T_LIST || a->kind == T_BRACE || a->kind == T_DOT ||
		b->kind == T_DOT || a->kind == T_ANGLE || b->kind == T_ANGLE)
		return false;
	if (b->kind == T_COLON)
		return false;
	if (a->kind == T_COLON)
		return p->brackets == 0 || b->spaced;
	if (b->kind == T_GT && p->angles)
		return b->spaced && a->kind == T_GT; /* list<list<u> > */
	if (a->kind == T_GT && b->kind == T_OPEN && !b->spaced)
		return false;
	if (sign && (!before || !ends_value(before)))
		return false;
	if (b->kind == T_OPEN || b->kind == T_LIST)
		return b->spaced || is_word(a->kind) || !ends_value(a);
	if (b->kind == T_BRACE)
		return b->spaced;
	return true;
}

void
format_tokens(const struct tokens *tokens, const struct source_file *file, struct out *out)
{
	struct printer p = {.file = file, .out = out};
	const struct token *a = NULL, *before = NULL;
	uint32_t from = 0;

	p.columns[0] = column_at(&p, tokens->at[0].at - file->base);
	for (uint32_t i = 0; i < tokens->count; i++) {
		const struct token *t = &tokens->at[i];
		const uint32_t at = t->at - file->base;
		uint32_t level = p.level, k = i;

		if (t->kind == T_NEWLINE) {
			a = before = NULL;
			continue;
		}
		if (t->kind == T_INDENT || t->kind == T_DEDENT || (t->kind == T_END && !a)) {
			for (; k < tokens->count; k++) { /* all that change the level here */
				const uint8_t kind = tokens->at[k].kind;

				if (kind != T_INDENT && kind != T_DEDENT)
					break;
				level += kind == T_INDENT;
				level -= kind == T_DEDENT;
				if (kind == T_INDENT && level < LEVELS)
					p.columns[level] = column_at(&p, tokens->at[k].at - file->base);
			}
			gap(&p, from, tokens->at[k].at - file->base, level, false);
			from = tokens->at[k].at - file->base;
			p.level = level;
			i = k - (k > i);
			if (t->kind == T_END)
				break;
			continue;
		}
		if (!a) {
			gap(&p, from, at, p.level, false);
			if (!p.line_begun)
				begin_line(&p, p.level);
		} else {
			gap(&p, from, at, p.level, true);
			if (!p.line_begun)
				begin_line(&p, p.level + (t->kind != T_CLOSE && t->kind != T_LISTED &&
								t->kind != T_BRACED));
			else if (spaced(&p, before, a, t))
				out_byte(out, ' ');
		}
		out_bytes(out, file->text + at, t->bytes);
		p.brackets += t->kind == T_OPEN || t->kind == T_LIST || t->kind == T_BRACE;
		p.brackets -= p.brackets && (t->kind == T_CLOSE || t->kind == T_LISTED || t->kind == T_BRACED);
		p.angles += t->kind == T_ANGLE;
		p.angles -= p.angles && t->kind == T_GT;
		from = at + t->bytes;
		before = a;
		a = t;
	}
	if (p.line_begun)
		end_line(&p);
}
