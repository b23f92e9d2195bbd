/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/entish/token.h"

#include <stdlib.h>
#include <string.h>

enum { INDENTS_MAX = 100, BRACKETS_MAX = 250 };

const char *const token_names[T_COUNT] = {
#define KIND(name, text) text,
#define WORD(name, text) "`" text "`",
#define SIGN(name, text) "`" text "`",
#include "tools/entish/tokens.def"
#undef KIND
#undef WORD
#undef SIGN
};

static const struct spelling {
	uint8_t kind, bytes;
	const char *text;
} words[] = {
#define KIND(name, text)
#define WORD(name, text) {T_##name, sizeof text - 1, text},
#define SIGN(name, text)
#include "tools/entish/tokens.def"
#undef WORD
#undef SIGN
}, signs[] = {
#define WORD(name, text)
#define SIGN(name, text) {T_##name, sizeof text - 1, text},
#include "tools/entish/tokens.def"
#undef KIND
#undef WORD
#undef SIGN
};

struct lexer {
	struct sources *sources;
	const struct source_file *file;
	const char *at, *end;
	struct tokens out;
	uint32_t room, brackets, indents_count;
	uint32_t indents[INDENTS_MAX];
};

static place
place_of(const struct lexer *l, const char *at)
{
	return l->file->base + (place)(at - l->file->text);
}

static struct token *
push(struct lexer *l, enum token_kind kind, const char *from, const char *to)
{
	struct token *t;

	if (l->out.count == l->room) {
		struct token *more = arena_take(l->sources->arena, 2 * (size_t)l->room * sizeof *more);

		memcpy(more, l->out.at, l->room * sizeof *more);
		l->out.at = more;
		l->room *= 2;
	}
	t = &l->out.at[l->out.count++];
	*t = (struct token){.kind = (uint8_t)kind, .at = place_of(l, from), .bytes = (uint32_t)(to - from)};
	t->spaced = from == l->file->text || from[-1] == ' ' || from[-1] == '\t' || from[-1] == '\n';
	return t;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- words and numbers --------------------------------------------------------- */

static void
read_name(struct lexer *l, enum token_kind kind, const char *from)
{
	const char *name = l->at;
	struct token *t;
	uint32_t bytes;

	while (is_letter(*l->at) || is_digit(*l->at))
		l->at++;
	bytes = (uint32_t)(l->at - name);
	for (size_t i = 0; kind == T_NAME && i < sizeof words / sizeof *words; i++)
		if (words[i].bytes == bytes && !memcmp(words[i].text, name, bytes))
			kind = words[i].kind;
	t = push(l, kind, from, l->at);
	t->text = arena_text(l->sources->arena, name, bytes);
}

static int
digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static void
read_float(struct lexer *l, const char *from)
{
	struct token *t;
	char *end;

	while (is_digit(*l->at) || *l->at == '.')
		l->at++;
	if ((*l->at | 0x20) == 'e') {
		l->at++;
		l->at += *l->at == '-' || *l->at == '+';
		while (is_digit(*l->at))
			l->at++;
	}
	t = push(l, T_FLOAT, from, l->at);
	t->real = strtod(from, &end);
	if (end != l->at)
		source_complain(l->sources, t->at, NULL, "this is not a number");
}

static void
read_number(struct lexer *l)
{
	const char *from = l->at, *digits = from;
	uint64_t value = 0;
	int base = 10;
	bool fits = true, any = false;

	if (*from == '0' && strchr("xXbBoO", from[1]) && from[1]) {
		base = (from[1] | 0x20) == 'x' ? 16 : (from[1] | 0x20) == 'b' ? 2 : 8;
		digits += 2;
	}
	for (l->at = digits; digit_of(*l->at) < base || (any && *l->at == '_'); l->at++) {
		if (*l->at == '_')
			continue;
		any = true;
		fits &= !__builtin_mul_overflow(value, (uint64_t)base, &value);
		fits &= !__builtin_add_overflow(value, (uint64_t)digit_of(*l->at), &value);
	}
	if (base == 10 && ((*l->at == '.' && is_digit(l->at[1])) || (*l->at | 0x20) == 'e')) {
		l->at = from;
		read_float(l, from);
		return;
	}
	push(l, T_INT, from, l->at)->number = value;
	if (!fits)
		source_complain(l->sources, place_of(l, from), "a word has 64 bits: at most "
			"18446744073709551615", "this number does not fit into a word");
	if (!any || is_letter(*l->at) || is_digit(*l->at)) {
		source_complain(l->sources, place_of(l, from), NULL, "this is not a number");
		while (is_letter(*l->at) || is_digit(*l->at))
			l->at++;
	}
}

/* --- texts ------------------------------------------------------------------------- */

static size_t
utf8(uint32_t c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

static const char escapes[] = "n\nt\tr\r0\0\\\\\"\"''e\033";

/* Behind a backslash; `to` gets at most 4 bytes. */
static size_t
read_escape(struct lexer *l, bool bytes, char *to)
{
	const char c = *l->at;
	const int hex = c == 'x' ? 2 : c == 'u' && !bytes ? 4 : 0;
	uint32_t value = 0;

	for (size_t i = 0; i < sizeof escapes - 1; i += 2)
		if (escapes[i] == c) {
			*to = escapes[i + 1];
			l->at++;
			return 1;
		}
	if (!hex) {
		source_complain(l->sources, place_of(l, l->at - 1),
			"there are \\n \\t \\r \\0 \\e \\\\ \\\" \\' \\x41 \\u00e9",
			"there is no escape of this name");
		return 0;
	}
	l->at++;
	for (int i = 0; i < hex; i++, l->at++) {
		if (digit_of(*l->at) > 15) {
			source_complain(l->sources, place_of(l, l->at), NULL,
				"%d hexadecimal digits should stand here", hex);
			return 0;
		}
		value = value * 16 + (uint32_t)digit_of(*l->at);
	}
	if (bytes) {
		*to = (char)value;
		return 1;
	}
	if (value >= 0xd800 && value < 0xe000)
		source_complain(l->sources, place_of(l, l->at - 1), NULL, "this is no character");
	return utf8(value, to);
}

static void
read_text(struct lexer *l, const char *from, enum token_kind kind)
{
	const char quote = *l->at++;
	char *text;
	const char *to = l->at;
	size_t used = 0;
	struct token *t;

	while (to < l->end && *to != quote && *to != '\n') /* no escape is shorter than it says */
		to += *to == '\\' && to + 1 < l->end ? 2 : 1;
	text = arena_take(l->sources->arena, (size_t)(to - l->at) + 4);
	while (l->at < l->end && *l->at != quote && *l->at != '\n') {
		if (*l->at == '\\') {
			l->at++;
			used += read_escape(l, kind == T_BYTES, text + used);
		} else {
			text[used++] = *l->at++;
		}
	}
	if (l->at < l->end && *l->at == quote)
		l->at++;
	else
		source_complain(l->sources, place_of(l, from), "a text ends on the line where it begins",
			"this text has no end");
	t = push(l, kind, from, l->at);
	t->text = arena_text(l->sources->arena, text, used);
	t->text_bytes = (uint32_t)used;
}

/* --- lines -------------------------------------------------------------------------- */

static void
read_indent(struct lexer *l)
{
	uint32_t columns = 0;

	for (; *l->at == ' ' || *l->at == '\t'; l->at++)
		columns += *l->at == '\t' ? 4 - columns % 4 : 1;
	if (l->at == l->end || *l->at == '\n' || *l->at == '#' || (*l->at == '\r' && l->at[1] == '\n'))
		return; /* an empty line says nothing */
	if (!l->out.count) { /* a whole program may stand further to the right */
		l->indents[0] = columns;
		return;
	}
	if (columns > l->indents[l->indents_count - 1]) {
		if (l->indents_count == INDENTS_MAX) {
			source_complain(l->sources, place_of(l, l->at), "put the inner part into a function",
				"blocks are nested more than %d deep", INDENTS_MAX - 1);
			return;
		}
		l->indents[l->indents_count++] = columns;
		push(l, T_INDENT, l->at, l->at);
		return;
	}
	while (columns < l->indents[l->indents_count - 1] && l->indents_count > 1) {
		l->indents_count--;
		push(l, T_DEDENT, l->at, l->at);
	}
	if (columns != l->indents[l->indents_count - 1])
		source_complain(l->sources, place_of(l, l->at),
			"begin it at the column of a line above", "this line belongs to no block");
}

static void
read_sign(struct lexer *l)
{
	const char *from = l->at;

	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
		enum token_kind kind = signs[i].kind;

		if (strncmp(from, signs[i].text, signs[i].bytes))
			continue;
		l->at += signs[i].bytes;
		if (kind == T_LT && from > l->file->text && (is_letter(from[-1]) || is_digit(from[-1])))
			kind = T_ANGLE;
		if (kind == T_OPEN || kind == T_LIST || kind == T_BRACE)
			l->brackets++;
		if ((kind == T_CLOSE || kind == T_LISTED || kind == T_BRACED) && l->brackets)
			l->brackets--;
		if (l->brackets == BRACKETS_MAX + 1)
			source_complain(l->sources, place_of(l, from), NULL, "brackets are nested too deep");
		push(l, kind, from, l->at);
		return;
	}
	source_complain(l->sources, place_of(l, from), NULL,
		*from == '!' ? "`!` means nothing here; it is written `not`"
			     : "this character means nothing here");
	do
		l->at++;
	while ((*l->at & 0xc0) == 0x80);
}

static void
read_token(struct lexer *l)
{
	const char c = *l->at;

	if (is_letter(c) && !(c == 'b' && (l->at[1] == '"' || l->at[1] == '\''))) {
		read_name(l, T_NAME, l->at);
	} else if (c == 'b') {
		l->at++;
		read_text(l, l->at - 1, T_BYTES);
	} else if (c == '$' && is_letter(l->at[1])) {
		l->at++;
		read_name(l, T_DOLLAR, l->at - 1);
	} else if (is_digit(c)) {
		read_number(l);
	} else if (c == '"' || c == '\'') {
		read_text(l, l->at, T_TEXT);
	} else {
		read_sign(l);
	}
}

static bool
in_line(const struct lexer *l)
{
	const uint32_t n = l->out.count;

	return n && l->out.at[n - 1].kind != T_NEWLINE && l->out.at[n - 1].kind != T_DEDENT &&
	       l->out.at[n - 1].kind != T_INDENT;
}

struct tokens
tokens_read(struct sources *sources, const struct source_file *file)
{
	struct lexer l = {.sources = sources, .file = file, .at = file->text, .room = 256,
		.end = file->text + file->bytes, .indents_count = 1};

	l.out.at = arena_take(sources->arena, l.room * sizeof *l.out.at);
	if (file->bytes >= 3 && !memcmp(l.at, "\xef\xbb\xbf", 3))
		l.at += 3;
	read_indent(&l);
	while (l.at < l.end) {
		if (*l.at == '#') {
			while (l.at < l.end && *l.at != '\n')
				l.at++;
		} else if (*l.at == '\n') {
			if (!l.brackets && in_line(&l))
				push(&l, T_NEWLINE, l.at, l.at + 1);
			l.at++;
			if (!l.brackets)
				read_indent(&l);
		} else if (*l.at == ' ' || *l.at == '\t' || *l.at == '\r' || *l.at == '\f') {
			l.at++;
		} else if (*l.at == '\\' && (l.at[1] == '\n' || (l.at[1] == '\r' && l.at[2] == '\n'))) {
			l.at += l.at[1] == '\n' ? 2 : 3;
		} else {
			read_token(&l);
		}
	}
	if (in_line(&l))
		push(&l, T_NEWLINE, l.end, l.end);
	while (--l.indents_count)
		push(&l, T_DEDENT, l.end, l.end);
	push(&l, T_END, l.end, l.end);
	return l.out;
}
