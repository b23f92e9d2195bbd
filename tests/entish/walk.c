/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/entish/walk.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum kind { NOTHING, WORD, TRUTH, TEXT, LIST, REAL, MAP, RECORD };
enum flow { GO_ON, BREAK, CONTINUE, RETURN };
enum { NAMES = 64, STEPS = 2000000, DEPTH = 400 };

struct value {
	enum kind kind;
	bool written_u; /* a word that is counted without a sign */
	int64_t n;
	double real;
	const char *text;
	struct list *list;   /* of a map: its keys; of a record: its fields */
	struct list *values; /* of a map */
	const struct record *record;
};

struct list {
	uint32_t count, room;
	struct value *at;
};

struct frame {
	const char *names[NAMES];
	struct value values[NAMES];
	struct value result;
};

struct walker {
	struct arena *arena;
	const struct unit *unit;
	FILE *out;
	uint32_t steps, depth;
	bool lost;
	struct frame *frame;
};

static struct value eval(struct walker *w, const struct node *node);
static enum flow run(struct walker *w, const struct node *first);

static struct value
word(int64_t n)
{
	return (struct value){.kind = WORD, .n = n};
}

static struct value
truth(bool b)
{
	return (struct value){.kind = TRUTH, .n = b};
}

static struct value
real(double x)
{
	return (struct value){.kind = REAL, .real = x};
}

static struct value
lost(struct walker *w)
{
	w->lost = true;
	return word(0);
}

static struct value *
variable(struct walker *w, const char *name)
{
	for (int i = 0; i < NAMES; i++) {
		if (!w->frame->names[i])
			w->frame->names[i] = name;
		if (!strcmp(w->frame->names[i], name))
			return &w->frame->values[i];
	}
	w->lost = true;
	return &w->frame->values[0];
}

static const char *
joined(struct walker *w, const char *a, const char *b, const char *c)
{
	char *text = arena_take(w->arena, strlen(a) + strlen(b) + strlen(c) + 1);

	return strcat(strcat(strcpy(text, a), b), c);
}

static const char *
shown(struct walker *w, struct value v, bool inside)
{
	const char *text = "[";

	switch (v.kind) {
	case WORD:
		return v.written_u ? arena_format(w->arena, "%" PRIu64, (uint64_t)v.n)
				   : arena_format(w->arena, "%" PRId64, v.n);
	case TRUTH: return v.n ? "True" : "False";
	case TEXT: return inside ? joined(w, "\"", v.text, "\"") : v.text;
	case LIST:
		for (uint32_t i = 0; i < v.list->count; i++)
			text = joined(w, text, i ? ", " : "", shown(w, v.list->at[i], true));
		return joined(w, text, "]", "");
	case MAP:
		text = "{";
		for (uint32_t i = 0; i < v.list->count; i++)
			text = joined(w, joined(w, text, i ? ", " : "", shown(w, v.list->at[i], true)), ": ",
				shown(w, v.values->at[i], true));
		return joined(w, text, "}", "");
	case RECORD:
		text = joined(w, v.record->name, "{", "");
		for (uint32_t i = 0; i < v.list->count; i++)
			text = joined(w, text, i ? ", " : "", shown(w, v.list->at[i], true));
		return joined(w, text, "}", "");
	default: return "";
	}
}

static void
append(struct walker *w, struct list *list, struct value v)
{
	if (list->count == list->room) {
		struct value *more = arena_take(w->arena, (2 * (size_t)list->room + 4) * sizeof *more);

		if (list->count)
			memcpy(more, list->at, list->count * sizeof *more);
		list->at = more;
		list->room = 2 * list->room + 4;
	}
	v.written_u = false;
	list->at[list->count++] = v;
}

static struct list *
no_list(struct walker *w)
{
	return arena_take(w->arena, sizeof(struct list));
}

/* A map's place for a word; its count: not there. */
static uint32_t
place_of(const struct value *map, int64_t key)
{
	uint32_t i = 0;

	while (i < map->list->count && map->list->at[i].n != key)
		i++;
	return i;
}

static void
put(struct walker *w, const struct value *map, struct value key, struct value v)
{
	const uint32_t at = place_of(map, key.n);

	if (at == map->list->count) {
		append(w, map->list, key);
		append(w, map->values, v);
		return;
	}
	v.written_u = false;
	map->values->at[at] = v;
}

static void
take_out(struct list *list, uint32_t at)
{
	memmove(list->at + at, list->at + at + 1, (--list->count - at) * sizeof *list->at);
}

/* What a map is asked. */
static struct value
map_call(struct walker *w, struct value map, const struct node *node)
{
	const char *name = node->a->name;
	struct value key = {0}, other;
	uint32_t at;

	if (!strcmp(name, "len"))
		return word(map.list->count);
	key = eval(w, node->list);
	if (!strcmp(name, "get")) {
		other = eval(w, node->list->next);
		at = place_of(&map, key.n);
		if (at < map.list->count)
			other = map.values->at[at];
		other.written_u = false;
		return other;
	}
	if (strcmp(name, "remove"))
		return lost(w);
	at = place_of(&map, key.n);
	if (at < map.list->count) {
		take_out(map.list, at);
		take_out(map.values, at);
	}
	return (struct value){0};
}

static uint32_t
field(const struct value *of, const char *name)
{
	uint32_t i = 0;

	for (const struct node *f = of->record->fields; f && strcmp(f->name, name); f = f->next)
		i++;
	return i;
}

/* As an instruction does it that never traps. */
static int64_t
whole(double x)
{
	if (x != x)
		return 0;
	return x >= 9223372036854775808.0 ? INT64_MAX : x < -9223372036854775808.0 ? INT64_MIN : (int64_t)x;
}

static struct value
call(struct walker *w, const struct def *def, const struct node *args)
{
	struct frame *frame = arena_take(w->arena, sizeof *frame), *outer = w->frame;
	int i = 0;

	for (const struct node *p = def->params; p && args; p = p->next, args = args->next, i++) {
		struct value v = eval(w, args);

		v.written_u = p->type && !strcmp(p->type->name, "u");
		frame->names[i] = p->name;
		frame->values[i] = v;
	}
	if (w->depth == DEPTH)
		return lost(w);
	w->depth++;
	frame->result = word(0);
	w->frame = frame;
	(void)run(w, def->body);
	w->frame = outer;
	w->depth--;
	frame->result.written_u = def->results && !strcmp(def->results->name, "u");
	return frame->result;
}

static struct value
named_call(struct walker *w, const struct node *node)
{
	struct value v;

	if (node->a->kind == N_FIELD) {
		v = eval(w, node->a->a);
		if (v.kind == MAP)
			return map_call(w, v, node);
		if (!strcmp(node->a->name, "len"))
			return word(v.kind == TEXT ? (int64_t)strlen(v.text) : v.kind == LIST ? v.list->count : 0);
		if (strcmp(node->a->name, "append") || v.kind != LIST)
			return lost(w);
		append(w, v.list, eval(w, node->list));
		return (struct value){0};
	}
	if (!strcmp(node->a->name, "print")) {
		for (const struct node *e = node->list; e; e = e->next)
			fprintf(w->out, "%s%s", shown(w, eval(w, e), false), e->next ? " " : "\n");
		return (struct value){0};
	}
	if (!strcmp(node->a->name, "float")) {
		v = eval(w, node->list);
		return real(v.written_u ? (double)(uint64_t)v.n : (double)v.n);
	}
	if (!strcmp(node->a->name, "int"))
		return word(whole(eval(w, node->list).real));
	if (!strcmp(node->a->name, "sqrt"))
		return real(sqrt(eval(w, node->list).real));
	if (!strcmp(node->a->name, "text"))
		return (struct value){.kind = TEXT, .text = shown(w, eval(w, node->list), false)};
	for (const struct def *d = w->unit->defs; d; d = d->next)
		if (!strcmp(d->name, node->a->name))
			return call(w, d, node->list);
	return lost(w);
}

static struct value
binary(struct walker *w, unsigned op, struct value a, struct value b)
{
	const uint64_t x = (uint64_t)a.n, y = (uint64_t)b.n;
	struct value v = word(0);

	if (w->lost)
		return v;
	if (op == T_ADD && a.kind == TEXT)
		return (struct value){.kind = TEXT, .text = joined(w, a.text, b.text, "")};
	if (a.kind == REAL)
		return real(op == T_ADD ? a.real + b.real : op == T_SUB ? a.real - b.real
			: op == T_MUL ? a.real * b.real : a.real / b.real);
	v.written_u = a.written_u || b.written_u;
	switch (op) {
	case T_ADD: v.n = (int64_t)(x + y); break;
	case T_SUB: v.n = (int64_t)(x - y); break;
	case T_MUL: v.n = (int64_t)(x * y); break;
	case T_AND: v.n = (int64_t)(x & y); break;
	case T_OR: v.n = (int64_t)(x | y); break;
	case T_XOR: v.n = (int64_t)(x ^ y); break;
	case T_SHL: v.n = (int64_t)(x << (y & 63)); break;
	case T_SHR:
		v.n = v.written_u ? (int64_t)(x >> (y & 63)) : a.n >> (y & 63);
		break;
	case T_DIV:
	case T_MOD:
		if (!y || (!v.written_u && a.n == INT64_MIN && b.n == -1))
			return lost(w);
		if (op == T_DIV)
			v.n = v.written_u ? (int64_t)(x / y) : a.n / b.n;
		else
			v.n = v.written_u ? (int64_t)(x % y) : a.n % b.n;
		break;
	default: return lost(w);
	}
	return v;
}

static bool
equal(struct value a, struct value b)
{
	if (a.kind == TEXT)
		return !strcmp(a.text, b.text);
	if (a.kind == REAL)
		return a.real == b.real;
	if (a.kind != LIST && a.kind != RECORD)
		return a.n == b.n;
	if (a.list->count != b.list->count)
		return false;
	for (uint32_t i = 0; i < a.list->count; i++)
		if (!equal(a.list->at[i], b.list->at[i]))
			return false;
	return true;
}

static bool
compare(unsigned op, struct value a, struct value b)
{
	const bool u = a.written_u || b.written_u;
	const int order = a.kind == TEXT ? strcmp(a.text, b.text)
		: a.kind == REAL ? (a.real > b.real) - (a.real < b.real)
		: u ? ((uint64_t)a.n > (uint64_t)b.n) - ((uint64_t)a.n < (uint64_t)b.n)
		: (a.n > b.n) - (a.n < b.n);

	if (a.kind == REAL && (a.real != a.real || b.real != b.real))
		return op == T_NE;
	switch (op) {
	case T_EQ: return equal(a, b);
	case T_NE: return !equal(a, b);
	case T_LT: return order < 0;
	case T_LE: return order <= 0;
	case T_GT: return order > 0;
	default: return order >= 0;
	}
}

static struct value *
element(struct walker *w, const struct node *node)
{
	static struct value none;
	const struct value list = eval(w, node->a), at = eval(w, node->b);

	if (list.kind == LIST && at.n >= 0 && at.n < list.list->count)
		return &list.list->at[at.n];
	w->lost = true;
	return &none;
}

static struct value
eval(struct walker *w, const struct node *node)
{
	struct value v;

	if (w->lost || w->steps++ == STEPS)
		return lost(w);
	switch ((enum node_kind)node->kind) {
	case N_INT: return word((int64_t)node->number);
	case N_FLOAT: return real(node->real);
	case N_TRUE: return truth(true);
	case N_FALSE: return truth(false);
	case N_TEXT: return (struct value){.kind = TEXT, .text = node->name};
	case N_NAME: return *variable(w, node->name);
	case N_CALL: return named_call(w, node);
	case N_INDEX: return *element(w, node);
	case N_LIST:
		v = (struct value){.kind = LIST, .list = arena_take(w->arena, sizeof *v.list)};
		for (const struct node *e = node->list; e; e = e->next)
			append(w, v.list, eval(w, e));
		return v;
	case N_MAP:
		v = (struct value){.kind = MAP, .list = no_list(w), .values = no_list(w)};
		for (const struct node *e = node->list; e; e = e->next->next) {
			const struct value key = eval(w, e);

			put(w, &v, key, eval(w, e->next));
		}
		return v;
	case N_RECORD:
		v = (struct value){.kind = RECORD, .list = no_list(w), .record = w->unit->records};
		for (const struct node *e = node->list; e; e = e->next)
			append(w, v.list, eval(w, e));
		return v;
	case N_FIELD:
		v = eval(w, node->a);
		return v.kind == RECORD ? v.list->at[field(&v, node->name)] : lost(w);
	case N_IN: {
		const struct value map = eval(w, node->b);

		return truth(place_of(&map, eval(w, node->a).n) < map.list->count);
	}
	case N_UNARY:
		v = eval(w, node->a);
		if (v.kind == REAL)
			return real(-v.real);
		if (node->op != T_ADD)
			v.n = node->op == T_SUB ? (int64_t)(0 - (uint64_t)v.n) : ~v.n;
		return v;
	case N_BINARY:
		v = eval(w, node->a);
		return binary(w, node->op, v, eval(w, node->b));
	case N_COMPARE:
		v = eval(w, node->a);
		return truth(compare(node->op, v, eval(w, node->b)));
	case N_AND: return truth(eval(w, node->a).n && eval(w, node->b).n);
	case N_OR: return truth(eval(w, node->a).n || eval(w, node->b).n);
	case N_NOT: return truth(!eval(w, node->a).n);
	case N_CHOICE: /* counted with a sign, whatever its sides are */
		v = eval(w, node->b).n ? eval(w, node->a) : eval(w, node->c);
		v.written_u = false;
		return v;
	default: return lost(w);
	}
}

static void
assign(struct walker *w, const struct node *target, struct value v)
{
	struct value *to, of;
	bool u;

	if (target->kind == N_FIELD) { /* a new record, where the old one was */
		of = eval(w, target->a);
		if (of.kind == RECORD) {
			const struct list *old = of.list;

			of.list = no_list(w);
			for (uint32_t i = 0; i < old->count; i++)
				append(w, of.list, i == field(&of, target->name) ? v : old->at[i]);
			assign(w, target->a, of);
		}
		return;
	}
	if (target->kind == N_INDEX && eval(w, target->a).kind == MAP) {
		of = eval(w, target->a);
		put(w, &of, eval(w, target->b), v);
		return;
	}
	to = target->kind == N_NAME ? variable(w, target->name) : element(w, target);
	u = to->kind == WORD && to->written_u;
	*to = v;
	to->written_u = u;
}

static enum flow
loop(struct walker *w, const struct node *node)
{
	const struct node *range = node->kind == N_FOR ? node->a->list : NULL;
	int64_t i = range && range->next ? eval(w, range).n : 0;
	const int64_t end = range ? eval(w, range->next ? range->next : range).n : 0;

	while (!w->lost) {
		enum flow flow;

		if (range && i >= end)
			break;
		if (!range && node->a && !eval(w, node->a).n)
			break;
		if (range)
			assign(w, node->b, word(i++));
		flow = run(w, node->list);
		if (flow == RETURN)
			return RETURN;
		if (flow == BREAK)
			break;
	}
	return GO_ON;
}

static enum flow
statement(struct walker *w, const struct node *node)
{
	switch ((enum node_kind)node->kind) {
	case N_EXPR: (void)eval(w, node->a); return GO_ON;
	case N_ASSIGN: assign(w, node->list, eval(w, node->a)); return GO_ON;
	case N_SET_OP:
		assign(w, node->a, binary(w, node->op, eval(w, node->a), eval(w, node->b)));
		return GO_ON;
	case N_IF: return run(w, eval(w, node->a).n ? node->list : node->other);
	case N_WHILE:
	case N_FOR: return loop(w, node);
	case N_BREAK: return BREAK;
	case N_CONTINUE: return CONTINUE;
	case N_PASS: return GO_ON;
	case N_RETURN:
		if (node->a)
			w->frame->result = eval(w, node->a);
		return RETURN;
	case N_YIELD:
		fprintf(w->out, "%s\n", shown(w, eval(w, node->a), false));
		return GO_ON;
	default: (void)lost(w); return RETURN;
	}
}

static enum flow
run(struct walker *w, const struct node *first)
{
	for (const struct node *s = first; s && !w->lost; s = s->next) {
		const enum flow flow = statement(w, s);

		if (flow != GO_ON)
			return flow;
	}
	return w->lost ? RETURN : GO_ON;
}

bool
walk(struct arena *arena, const struct unit *unit, FILE *out)
{
	struct walker w = {.arena = arena, .unit = unit, .out = out};

	w.frame = arena_take(arena, sizeof *w.frame);
	(void)run(&w, unit->top->body);
	return !w.lost;
}
