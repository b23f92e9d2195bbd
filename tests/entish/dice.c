/* SPDX-License-Identifier: Apache-2.0 */
/* dice.c - dice FOLDER SEED COUNT: random programs N.et, each with N.out, what the
 * evaluator of walk.c says it prints. random.sh runs them compiled. A program that
 * the evaluator gives up (too many steps) is thrown again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/entish/walk.h"

enum { FUNCTIONS = 4, WORDS = 5, REALS = 3 };

struct dice {
	uint64_t state;
	FILE *out;
	int level, functions; /* functions: that may be called here */
	int loop;             /* inside a loop */
	bool in_function;
};

static uint32_t
throw_of(struct dice *d, uint32_t sides)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (uint32_t)(d->state >> 20) % sides;
}

__attribute__((format(printf, 2, 3))) static void
say(struct dice *d, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vfprintf(d->out, format, list);
	va_end(list);
}

static void number(struct dice *d, int depth);
static void real(struct dice *d, int depth);
static void truth(struct dice *d, int depth);

/* As say(), and then N is a random number, R a real, T a truth, so deep already. */
__attribute__((format(printf, 3, 4))) static void
form(struct dice *d, int depth, const char *format, ...)
{
	char text[100];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof text, format, list);
	va_end(list);
	for (const char *c = text; *c; c++)
		switch (*c) {
		case 'N': number(d, depth); break;
		case 'R': real(d, depth); break;
		case 'T': truth(d, depth); break;
		default: (void)fputc(*c, d->out); break;
		}
}

static void
number(struct dice *d, int depth)
{
	static const char *const signs[] = {"+", "-", "*", "&", "|", "^", "+", "-"};
	static const char *const numbers[] = {"0", "1", "2", "7", "100", "0xffffffff", "1 << 63",
		"9223372036854775807", "-1", "1 << 40"};

	switch (depth > 3 ? throw_of(d, 2) : throw_of(d, 17)) {
	case 0: say(d, "(%s)", numbers[throw_of(d, 10)]); return;
	case 1: case 2: case 3: say(d, "v%u", throw_of(d, WORDS)); return;
	case 4: case 5: case 6: form(d, depth + 1, "(N %s N)", signs[throw_of(d, 8)]); return;
	case 7: form(d, depth + 1, "(N %c (N & 15 | 1))", "/%"[throw_of(d, 2)]); return;
	case 8: form(d, depth + 1, "(N %s N)", throw_of(d, 2) ? "<<" : ">>"); return;
	case 9: say(d, throw_of(d, 2) ? "l[%u]" : "l[v0 & %u]", throw_of(d, 4)); return;
	case 10: say(d, throw_of(d, 2) ? "l.len()" : "t.len()"); return;
	case 11: form(d, depth + 1, "(N if T else N)"); return;
	case 12: form(d, depth + 1, "int(R)"); return;
	case 13: say(d, throw_of(d, 2) ? "m.len()" : "r.a"); return;
	case 14: form(d, depth + 1, "m.get(v%u & 7, N)", throw_of(d, WORDS)); return;
	case 15: say(d, "m.get(%u, v0)", throw_of(d, 8)); return;
	default:
		if (d->functions)
			form(d, depth + 2, "f%u(N, N)", throw_of(d, (uint32_t)d->functions));
		else
			say(d, "-v0");
		return;
	}
}

static void
real(struct dice *d, int depth)
{
	static const char *const numbers[] = {"0.0", "0.5", "(-1.25)", "3.0", "1e18", "0.1", "1e300"};

	switch (depth > 3 ? throw_of(d, 3) : throw_of(d, 7)) {
	case 0: say(d, "%s", numbers[throw_of(d, 7)]); return;
	case 1: case 2: say(d, "x%u", throw_of(d, REALS)); return;
	case 3: case 4: form(d, depth + 1, "(R %c R)", "+-*/"[throw_of(d, 4)]); return;
	case 5: form(d, depth + 1, "float(N)"); return;
	default: form(d, depth + 1, "sqrt(R)"); return;
	}
}

static void
truth(struct dice *d, int depth)
{
	static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};

	switch (depth > 3 ? 0 : throw_of(d, 9)) {
	case 0: case 1: case 2: form(d, depth + 1, "N %s N", signs[throw_of(d, 6)]); return;
	case 3: form(d, depth + 1, "(T %s T)", throw_of(d, 2) ? "and" : "or"); return;
	case 4: form(d, depth + 1, "not (T)"); return;
	case 5: form(d, depth + 1, "R %s R", signs[throw_of(d, 6)]); return;
	case 6: say(d, "r %s q", signs[throw_of(d, 2)]); return;
	case 7: say(d, "v%u & 7 in m", throw_of(d, WORDS)); return;
	default: say(d, "t %s \"abc\"", signs[throw_of(d, 6)]); return;
	}
}

static void
begin(struct dice *d)
{
	for (int i = 0; i < d->level; i++)
		say(d, "    ");
}

static void block(struct dice *d);

static void
statement(struct dice *d)
{
	const int outer = d->loop;

	begin(d);
	switch (d->level > 4 ? throw_of(d, 5) : throw_of(d, 17)) {
	case 0: case 1: form(d, 0, "v%u = N", throw_of(d, WORDS)); break;
	case 2: form(d, 1, "v%u %s= N", throw_of(d, WORDS), throw_of(d, 2) ? "+" : "^"); break;
	case 3: form(d, 1, "l[%u] = N", throw_of(d, 4)); break;
	case 4: form(d, 2, "t = text(N) + \"%c\"", 'a' + (int)throw_of(d, 3)); break;
	case 5: form(d, 0, "print(N, t, T, l, m, r, q)"); break;
	case 12: form(d, 0, "x%u = R", throw_of(d, REALS)); break;
	case 13: form(d, 1, "m[v%u & 7] = N", throw_of(d, WORDS)); break;
	case 14: say(d, "m.remove(v%u & 7)", throw_of(d, WORDS)); break;
	case 15: form(d, 1, "r.a %s N", throw_of(d, 2) ? "=" : "+="); break;
	case 16: say(d, "%s", throw_of(d, 2) ? "q = r" : "r.b = t"); break;
	case 6: form(d, 1, "l.append(N)"); break;
	case 7: case 8:
		form(d, 0, "if T:\n");
		block(d);
		if (throw_of(d, 2)) {
			begin(d);
			say(d, "else:\n");
			block(d);
		}
		return;
	case 9: case 10:
		d->loop = 1;
		say(d, "for v%u in range(%u):\n", throw_of(d, WORDS), throw_of(d, 6));
		block(d);
		d->loop = outer;
		return;
	default:
		if (d->loop) {
			say(d, "if v%u > 3:\n", throw_of(d, WORDS));
			d->level++;
			begin(d);
			d->level--;
			say(d, throw_of(d, 2) ? "break\n" : "continue\n");
			return;
		}
		form(d, 1, d->in_function ? "l = [v0, v1, 2, 3, N]" : "yield [N]");
		break;
	}
	say(d, "\n");
}

static void
block(struct dice *d)
{
	d->level++;
	for (uint32_t i = 1 + throw_of(d, 4); i; i--)
		statement(d);
	d->level--;
}

static void
variables(struct dice *d, int from)
{
	for (int i = from; i < WORDS; i++) {
		begin(d);
		say(d, "v%d = %u\n", i, throw_of(d, 100));
	}
	begin(d);
	say(d, "l = [1, 2, 3, 4]\n");
	begin(d);
	say(d, "t = \"t\"\n");
	for (int i = 0; i < REALS; i++) {
		begin(d);
		say(d, "x%d = %u.5\n", i, throw_of(d, 100));
	}
	begin(d);
	say(d, "m = {3: 4}\n");
	begin(d);
	say(d, "r = pair{1, \"b\"}\n");
	begin(d);
	say(d, "q = r\n");
}

static void
program(struct dice *d)
{
	say(d, "typ pair {int a, text b}\n\n");
	for (d->functions = 0; d->functions < FUNCTIONS; d->functions++) {
		const bool u = throw_of(d, 3) == 0;

		d->in_function = true;
		say(d, "def f%d(%sv0, v1)%s:\n", d->functions, u ? "u " : "",
			u && throw_of(d, 2) ? " -> (u)" : "");
		d->level = 1;
		variables(d, 2);
		d->level = 0;
		block(d);
		form(d, 1, "    return N\n\n");
	}
	d->in_function = false;
	variables(d, 0);
	for (int i = 0; i < 12; i++)
		statement(d);
	say(d, "print(v0, v1, v2, v3, v4, l, t, m, r, q, int(x0), x1 < x2)\n");
}

static bool
make_one(struct dice *d, const char *folder, unsigned number_of)
{
	struct arena arena;
	struct sources sources = {.arena = &arena};
	char path[4096], *text = NULL;
	volatile bool fine = false;
	size_t bytes = 0;
	uint32_t ids = 0;
	FILE *out;

	d->out = open_memstream(&text, &bytes);
	program(d);
	(void)fclose(d->out);
	snprintf(path, sizeof path, "%s/%u.out", folder, number_of);
	out = fopen(path, "w");
	arena_init(&arena, (size_t)1 << 30);
	if (out && !setjmp(arena.full))
		fine = walk(&arena, parse(&sources, source_add(&sources, "dice", text, bytes), &ids), out) &&
			!sources.complaints_count;
	if (sources.complaints_count)
		fputs(source_words(&sources), stderr);
	arena_done(&arena);
	if (out)
		(void)fclose(out);
	snprintf(path, sizeof path, "%s/%u.et", folder, number_of);
	out = fine ? fopen(path, "w") : NULL;
	if (out) {
		fputs(text, out);
		(void)fclose(out);
	}
	free(text);
	return fine;
}

int
main(int argc, char **argv)
{
	struct dice d = {.state = argc > 3 ? strtoull(argv[2], NULL, 10) * 2 + 88172645463325253u : 0};
	const unsigned count = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	unsigned thrown = 0;

	for (unsigned i = 0; i < count; thrown++)
		i += make_one(&d, argv[1], i);
	fprintf(stderr, "%u programs of %u\n", count, thrown);
	return count ? 0 : 64;
}
