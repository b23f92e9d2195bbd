/* SPDX-License-Identifier: Apache-2.0 */
/* The binary format (spec chapter 5), in two steps: find the sections and check
 * their order and lengths; then read them in order, absent ones as empty. So
 * every index space is whole before anything refers to it. */
#include "kernel/wasm/decode.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "kernel/wasm/leb.h"

/* --- the reader ---------------------------------------------------------------------- */

void
decode_fail(struct decoder *d, const uint8_t *at, int error, const char *format, ...)
{
	/* Not in the file: an absent section was missed, at the end of the file. */
	uint64_t offset = (uintptr_t)at - (uintptr_t)d->module->bytes;
	va_list args;

	if (d->error)
		return;
	d->error = error;
	va_start(args, format);
	report_vsay(d->report, min_u64(offset, d->module->bytes_count), format, args);
	va_end(args);
}

uint8_t
decode_byte(struct decoder *d, const char *what)
{
	if (d->error)
		return 0;
	if (d->at == d->end) {
		decode_fail(d, d->at, -EINVAL,
			"malformed: unexpected end of section or function (%s: %s)", d->part, what);
		return 0;
	}
	return *d->at++;
}

static void
leb_failed(struct decoder *d, enum leb leb, const char *what)
{
	if (leb != LEB_OK)
		decode_fail(d, d->at, -EINVAL, "malformed: %s (%s: %s)", leb_text(leb), d->part, what);
}

uint32_t
decode_u32_long(struct decoder *d, const char *what)
{
	uint32_t value = 0;

	if (d->error)
		return 0;
	leb_failed(d, leb_u32(&d->at, d->end, &value), what);
	return value;
}

int64_t
decode_signed_long(struct decoder *d, unsigned bits, const char *what)
{
	int64_t value = 0;

	if (d->error)
		return 0;
	leb_failed(d, leb_signed(&d->at, d->end, bits, &value), what);
	return value;
}

uint32_t
decode_count(struct decoder *d, const char *what, uint32_t bytes_each, uint32_t max)
{
	const uint8_t *start = d->at;
	const uint32_t count = decode_u32(d, what);

	if (d->error)
		return 0;
	if (count > (size_t)(d->end - d->at) / bytes_each) {
		decode_fail(d, start, -EINVAL,
			"malformed: length out of bounds: unexpected end (%s: %u %s in %zu bytes)",
			d->part, count, what, (size_t)(d->end - d->at));
		return 0;
	}
	if (count > max) {
		decode_fail(d, start, -E2BIG, "limit: %u %s, at most %u are allowed", count, what, max);
		return 0;
	}
	return count;
}

struct name
decode_name(struct decoder *d, const char *what)
{
	struct name name = {.text = "", .bytes = 0};
	const uint32_t bytes = decode_count(d, what, 1, UINT32_MAX);

	if (!decode_ok(d))
		return name;
	if (!utf8_valid(d->at, bytes))
		decode_fail(d, d->at, -EINVAL, "malformed: malformed UTF-8 encoding (%s: %s)", d->part,
			what);
	name = (struct name){.text = (const char *)d->at, .bytes = bytes};
	d->at += bytes;
	return name;
}

const char *
valtype_text(uint8_t val)
{
	switch (val) {
	case VAL_I32:
		return "i32";
	case VAL_I64:
		return "i64";
	case VAL_F32:
		return "f32";
	case VAL_F64:
		return "f64";
	case VAL_FUNCREF:
		return "funcref";
	case VAL_EXTERNREF:
		return "externref";
	}
	return "anything";
}

static bool
is_reftype(uint8_t val)
{
	return val == VAL_FUNCREF || val == VAL_EXTERNREF;
}

uint8_t
decode_valtype(struct decoder *d)
{
	const uint8_t *start = d->at;
	const uint8_t val = decode_byte(d, "value type");

	if (decode_ok(d) && val == 0x7b)
		decode_fail(d, start, -EINVAL, "unsupported: value type v128 (SIMD)");
	if (decode_ok(d) && !(val >= VAL_F64 && val <= VAL_I32) && !is_reftype(val))
		decode_fail(d, start, -EINVAL, "malformed: invalid value type 0x%02x", val);
	return val;
}

uint8_t
decode_reftype(struct decoder *d)
{
	const uint8_t *start = d->at;
	const uint8_t val = decode_byte(d, "reference type");

	if (decode_ok(d) && !is_reftype(val))
		decode_fail(d, start, -EINVAL, "malformed: malformed reference type 0x%02x", val);
	return val;
}

uint32_t
decode_index(struct decoder *d, const char *what, uint32_t count)
{
	const uint8_t *start = d->at;
	const uint32_t index = decode_u32(d, what);

	if (decode_ok(d) && index >= count)
		decode_fail(d, start, -EINVAL, "invalid: unknown %s %u (there are %u)", what, index,
			count);
	return index;
}

void *
decode_take(struct decoder *d, uint64_t count, size_t bytes_each)
{
	void *piece;

	if (!decode_ok(d) || !count)
		return NULL;
	piece = module_take(d->module, count * bytes_each);
	if (!piece)
		decode_fail(d, d->at, -ENOMEM, "no memory for the module's tables (%s)", d->part);
	return piece;
}

/* --- types, imports and what both use ---------------------------------------------------- */

static void
read_functype(struct decoder *d, struct functype *type)
{
	const uint8_t *start = d->at, *params_at;
	uint32_t params, results;
	uint8_t *vals;

	if (decode_byte(d, "function type") != 0x60)
		decode_fail(d, start, -EINVAL, "malformed: integer representation too long: a type "
					       "that is no function type");
	params = decode_count(d, "parameters", 1, PARAMS_MAX);
	params_at = d->at;
	for (uint32_t i = 0; decode_ok(d) && i < params; i++)
		(void)decode_valtype(d);
	results = decode_count(d, "results", 1, RESULTS_MAX);
	vals = decode_take(d, params + results, 1);
	if (vals && params)
		memcpy(vals, params_at, params);
	for (uint32_t i = 0; decode_ok(d) && i < results; i++)
		vals[params + i] = decode_valtype(d);
	*type = (struct functype){.vals = vals ? vals : (const uint8_t *)"",
		.params = (uint16_t)params, .results = (uint16_t)results};
}

static void
decode_types(struct decoder *d)
{
	struct module *m = d->module;

	m->types_count = decode_count(d, "types", 3, TYPES_MAX);
	m->types = decode_take(d, m->types_count, sizeof *m->types);
	for (uint32_t i = 0; decode_ok(d) && i < m->types_count; i++)
		read_functype(d, &m->types[i]);
}

static struct limits
read_limits(struct decoder *d, uint32_t max, const char *too_big)
{
	const uint8_t *start = d->at;
	const uint8_t flags = decode_byte(d, "limits flags");
	struct limits limits = {.max = UINT32_MAX};

	if (flags > 1)
		decode_fail(d, start, -EINVAL, "%s (limits flags %u)",
			flags < 8 ? "unsupported: shared or 64-bit memories" :
				    "malformed: integer representation too long",
			(unsigned)flags);
	limits.min = decode_u32(d, "minimum");
	limits.has_max = flags & 1;
	if (limits.has_max)
		limits.max = decode_u32(d, "maximum");
	if (limits.min > max || (limits.has_max && limits.max > max))
		decode_fail(d, start, -EINVAL, "invalid: %s", too_big);
	if (limits.min > limits.max)
		decode_fail(d, start, -EINVAL,
			"invalid: size minimum must not be greater than maximum (%u > %u)", limits.min,
			limits.max);
	return limits;
}

static struct limits
read_memory(struct decoder *d)
{
	return read_limits(
		d, MEMORY_PAGES_MAX, "memory size must be at most 65536 pages (4GiB)");
}

static struct tabletype
read_table(struct decoder *d)
{
	struct tabletype type = {.ref = decode_reftype(d)};

	type.limits = read_limits(d, UINT32_MAX, "");
	return type;
}

static struct globaltype
read_global(struct decoder *d)
{
	struct globaltype type = {.val = decode_valtype(d)};
	const uint8_t *start = d->at;
	const uint8_t mut = decode_byte(d, "mutability");

	if (mut > 1)
		decode_fail(d, start, -EINVAL, "malformed: malformed mutability 0x%02x", mut);
	type.mut = mut == 1;
	return type;
}

static void
read_import(struct decoder *d, struct import *import)
{
	struct module *m = d->module;
	const uint8_t *start;

	import->module = decode_name(d, "import's module name");
	import->field = decode_name(d, "import's name");
	start = d->at;
	switch (decode_byte(d, "import kind")) {
	case EXTERN_FUNC:
		import->kind = EXTERN_FUNC;
		import->type = decode_index(d, "type", m->types_count);
		m->func_imports++;
		break;
	case EXTERN_TABLE:
		import->kind = EXTERN_TABLE;
		import->table = read_table(d);
		m->table_imports++;
		break;
	case EXTERN_MEMORY:
		import->kind = EXTERN_MEMORY;
		import->memory = read_memory(d);
		m->memory_imports++;
		break;
	case EXTERN_GLOBAL:
		import->kind = EXTERN_GLOBAL;
		import->global = read_global(d);
		m->global_imports++;
		break;
	default:
		decode_fail(d, start, -EINVAL, "malformed: malformed import kind");
	}
}

static void
decode_imports(struct decoder *d)
{
	struct module *m = d->module;

	m->imports_count = decode_count(d, "imports", 4, IMPORTS_MAX);
	m->imports = decode_take(d, m->imports_count, sizeof *m->imports);
	for (uint32_t i = 0; decode_ok(d) && i < m->imports_count; i++)
		read_import(d, &m->imports[i]);
}

/* --- index spaces: imported first, then defined ------------------------------------------ */

static void
decode_funcs(struct decoder *d)
{
	struct module *m = d->module;
	uint32_t n = 0;

	m->funcs_count = decode_count(d, "functions", 1, FUNCS_MAX);
	m->funcs = decode_take(d, m->funcs_count, sizeof *m->funcs);
	m->func_types = decode_take(d, (uint64_t)m->func_imports + m->funcs_count,
		sizeof *m->func_types);
	d->refs = decode_take(d, ((uint64_t)m->func_imports + m->funcs_count + 7) / 8, 1);
	for (uint32_t i = 0; decode_ok(d) && i < m->imports_count; i++) {
		if (m->imports[i].kind == EXTERN_FUNC)
			m->func_types[n++] = m->imports[i].type;
	}
	for (uint32_t i = 0; decode_ok(d) && i < m->funcs_count; i++) {
		m->funcs[i].type = decode_index(d, "type", m->types_count);
		m->func_types[n++] = m->funcs[i].type;
	}
}

static void
decode_tables(struct decoder *d)
{
	struct module *m = d->module;
	const uint32_t defined = decode_count(d, "tables", 3, TABLES_MAX);
	uint32_t n = 0;

	m->tables_count = m->table_imports + defined;
	m->tables = decode_take(d, m->tables_count, sizeof *m->tables);
	for (uint32_t i = 0; decode_ok(d) && i < m->imports_count; i++) {
		if (m->imports[i].kind == EXTERN_TABLE)
			m->tables[n++] = m->imports[i].table;
	}
	while (decode_ok(d) && n < m->tables_count) {
		const uint8_t *start = d->at;

		m->tables[n] = read_table(d);
		if (m->tables[n].limits.min > TABLE_ENTRIES_MAX)
			decode_fail(d, start, -E2BIG, "limit: table of %u entries, at most %u are allowed",
				m->tables[n].limits.min, TABLE_ENTRIES_MAX);
		n++;
	}
}

static void
decode_memories(struct decoder *d)
{
	struct module *m = d->module;
	const uint8_t *start = d->at;
	const uint32_t defined = decode_count(d, "memories", 2, UINT32_MAX);
	uint32_t n = 0;

	m->memories_count = m->memory_imports + defined;
	m->memories = decode_take(d, m->memories_count, sizeof *m->memories);
	for (uint32_t i = 0; decode_ok(d) && i < m->imports_count; i++) {
		if (m->imports[i].kind == EXTERN_MEMORY)
			m->memories[n++] = m->imports[i].memory;
	}
	while (decode_ok(d) && n < m->memories_count)
		m->memories[n++] = read_memory(d);
	if (m->memories_count > 1)
		decode_fail(d, start, -EINVAL, "invalid: multiple memories (%u)", m->memories_count);
}

static void
decode_globals(struct decoder *d)
{
	struct module *m = d->module;
	const uint32_t defined = decode_count(d, "globals", 3, GLOBALS_MAX);
	uint32_t n = 0;

	m->globals_count = m->global_imports + defined;
	m->globals = decode_take(d, m->globals_count, sizeof *m->globals);
	m->global_defs = decode_take(d, defined, sizeof *m->global_defs);
	for (uint32_t i = 0; decode_ok(d) && i < m->imports_count; i++) {
		if (m->imports[i].kind == EXTERN_GLOBAL)
			m->globals[n++] = m->imports[i].global;
	}
	for (uint32_t i = 0; decode_ok(d) && i < defined; i++) {
		m->global_defs[i].type = read_global(d);
		m->global_defs[i].init = decode_init(d, m->global_defs[i].type.val);
		m->globals[n++] = m->global_defs[i].type;
	}
}

/* --- exports, start --------------------------------------------------------------- */

static void
read_export(struct decoder *d, struct export *export)
{
	static const char *const whats[] = {"function", "table", "memory", "global"};
	const struct module *m = d->module;
	const uint32_t counts[] = {m->func_imports + m->funcs_count, m->tables_count,
		m->memories_count, m->globals_count};
	const uint8_t *start;
	uint8_t kind;

	export->name = decode_name(d, "export's name");
	start = d->at;
	kind = decode_byte(d, "export kind");
	if (kind > EXTERN_GLOBAL) {
		decode_fail(d, start, -EINVAL, "malformed: malformed export kind 0x%02x", kind);
		return;
	}
	export->kind = kind;
	export->index = decode_index(d, whats[kind], counts[kind]);
	if (kind == EXTERN_FUNC)
		decode_ref_func(d, export->index);
}

static void
decode_exports(struct decoder *d)
{
	struct module *m = d->module;

	m->exports_count = decode_count(d, "exports", 3, EXPORTS_MAX);
	m->exports = decode_take(d, m->exports_count, sizeof *m->exports);
	m->exports_sorted = decode_take(d, m->exports_count, sizeof *m->exports_sorted);
	for (uint32_t i = 0; decode_ok(d) && i < m->exports_count; i++)
		read_export(d, &m->exports[i]);
	if (!decode_ok(d))
		return;
	module_sort_exports(m);
	for (uint32_t i = 1; i < m->exports_count; i++) {
		const struct name a = m->exports[m->exports_sorted[i - 1]].name;
		const struct name b = m->exports[m->exports_sorted[i]].name;

		if (names_compare(a, b) == 0) {
			decode_fail(d, (const uint8_t *)b.text, -EINVAL,
				"invalid: duplicate export name \"%.*s\"", (int)min_u64(b.bytes, 100),
				b.text);
			return;
		}
	}
}

static void
decode_start(struct decoder *d)
{
	struct module *m = d->module;
	const uint8_t *start = d->at;
	const struct functype *type;

	if (d->at == d->end)
		return; /* no start section: it is never empty (see find_sections) */
	m->start = decode_index(d, "function", m->func_imports + m->funcs_count);
	m->has_start = decode_ok(d);
	if (!m->has_start)
		return;
	type = module_functype(m, m->start);
	if (type->params || type->results)
		decode_fail(d, start, -EINVAL,
			"invalid: start function must have no parameters and no results");
}

static void
decode_data_count(struct decoder *d)
{
	if (d->at == d->end)
		return;
	d->module->has_data_count = true;
	d->module->data_count = decode_u32(d, "data count");
}

/* --- code ------------------------------------------------------------------------ */

static void
read_body(struct decoder *d, struct func *func)
{
	const uint8_t *start = d->at, *section_end = d->end;
	const uint32_t bytes = decode_count(d, "bytes of a function body", 1, UINT32_MAX);
	uint64_t locals = 0;
	uint32_t runs;

	if (!decode_ok(d))
		return;
	func->body = (uint32_t)(d->at - d->module->bytes);
	d->end = d->at + bytes;
	runs = decode_count(d, "local declarations", 2, UINT32_MAX);
	for (uint32_t i = 0; decode_ok(d) && i < runs; i++) {
		const uint8_t *at = d->at;

		locals += decode_u32(d, "count of locals");
		(void)decode_valtype(d);
		if (locals > UINT32_MAX)
			decode_fail(d, at, -EINVAL, "malformed: too many locals (more than 2^32)");
	}
	if (locals > LOCALS_MAX)
		decode_fail(d, start, -E2BIG, "limit: too many locals: %u, at most %u are allowed",
			(uint32_t)locals, LOCALS_MAX);
	func->locals = (uint32_t)locals;
	func->code = (uint32_t)(d->at - d->module->bytes);
	func->end = func->body + bytes;
	d->at = d->end;
	d->end = section_end;
}

static void
decode_code(struct decoder *d)
{
	struct module *m = d->module;
	const uint8_t *start = d->at;
	const uint32_t count = decode_count(d, "function bodies", 1, UINT32_MAX);

	if (count != m->funcs_count)
		decode_fail(d, start, -EINVAL,
			"malformed: function and code section have inconsistent lengths (%u and %u)",
			m->funcs_count, count);
	m->code_bytes = (uint32_t)(d->end - start);
	for (uint32_t i = 0; decode_ok(d) && i < count; i++)
		read_body(d, &m->funcs[i]);
}

static void
decode_data_section(struct decoder *d)
{
	struct module *m = d->module;
	const uint8_t *start = d->at;

	decode_datas(d);
	if (m->has_data_count && m->data_count != m->datas_count)
		decode_fail(d, start, -EINVAL,
			"malformed: data count and data section have inconsistent lengths (%u and %u)",
			m->data_count, m->datas_count);
}

/* --- sections --------------------------------------------------------------------- */

enum { SECTION_CUSTOM = 0, SECTION_START = 8, SECTION_DATA_COUNT = 12, SECTIONS = 13 };

struct section {
	const char *part;
	void (*read)(struct decoder *d);
	bool empty_fits; /* absent is not the same as a vector of none */
	uint8_t id;
};

/* In the order they must have (spec 5.5.2): by id, but for the data count. */
static const struct section sections[] = {
	{"type section", decode_types, false, 1},
	{"import section", decode_imports, false, 2},
	{"function section", decode_funcs, false, 3},
	{"table section", decode_tables, false, 4},
	{"memory section", decode_memories, false, 5},
	{"global section", decode_globals, false, 6},
	{"export section", decode_exports, false, 7},
	{"start section", decode_start, true, SECTION_START},
	{"element section", decode_elems, false, 9},
	{"data count section", decode_data_count, true, SECTION_DATA_COUNT},
	{"code section", decode_code, false, 10},
	{"data section", decode_data_section, false, 11},
};

enum { SECTIONS_ORDERED = sizeof sections / sizeof sections[0] };

struct span {
	const uint8_t *at, *end; /* NULL: absent */
};

static int
place_of(uint8_t id)
{
	for (int i = 0; i < SECTIONS_ORDERED; i++) {
		if (sections[i].id == id)
			return i;
	}
	return -1;
}

static void
read_custom(struct decoder *d, struct span *ret_names)
{
	const struct name name = decode_name(d, "custom section's name");

	if (decode_ok(d) && !ret_names->at && name.bytes == 4 && memcmp(name.text, "name", 4) == 0)
		*ret_names = (struct span){d->at, d->end};
}

static void
find_sections(struct decoder *d, struct span *ret_spans, struct span *ret_names)
{
	const uint8_t *file_end = d->end;
	int next = 0;

	while (decode_ok(d) && d->at < file_end) {
		const uint8_t *start = d->at;
		const uint8_t id = decode_byte(d, "section id");
		uint32_t bytes;
		int place;

		d->part = "section header";
		bytes = decode_count(d, "bytes of a section", 1, UINT32_MAX);
		place = place_of(id);
		if (id != SECTION_CUSTOM && place < 0)
			decode_fail(d, start, -EINVAL, "malformed: malformed section id %u", id);
		if (!decode_ok(d))
			return;
		d->end = d->at + bytes;
		if (id == SECTION_CUSTOM) {
			d->part = "custom section";
			read_custom(d, ret_names);
		} else if (place < next) {
			decode_fail(d, start, -EINVAL,
				"malformed: unexpected content after last section: %s twice or out of order",
				sections[place].part);
		} else if (!bytes) {
			decode_fail(d, d->at, -EINVAL,
				"malformed: unexpected end of section or function (empty %s)",
				sections[place].part);
		} else {
			ret_spans[place] = (struct span){d->at, d->end};
			next = place + 1;
		}
		d->at = d->end;
		d->end = file_end;
	}
}

static void
check_header(struct decoder *d)
{
	static const uint8_t magic[4] = "\0asm", version[4] = {1, 0, 0, 0};
	const size_t left = (size_t)(d->end - d->at);

	if (left && memcmp(d->at, magic, min_u64(left, 4)) != 0) {
		decode_fail(d, d->at, -EINVAL,
			"malformed: magic header not detected: no WebAssembly module in binary form");
	} else if (left < 8) {
		decode_fail(d, d->end, -EINVAL, "malformed: unexpected end (%zu bytes of header)", left);
	} else if (memcmp(d->at + 4, version, 4) != 0) {
		if (memcmp(d->at + 6, "\1\0", 2) == 0)
			decode_fail(d, d->at + 4, -EINVAL, "unsupported: unknown binary version: "
							   "a component, not a core module");
		else
			decode_fail(d, d->at + 4, -EINVAL, "malformed: unknown binary version %u",
				(unsigned)d->at[4] | (unsigned)d->at[5] << 8);
	} else {
		d->at += 8;
	}
}

static void
read_sections(struct decoder *d, const struct span *spans)
{
	static const uint8_t none[1] = {0}; /* a vector of none */

	for (int i = 0; decode_ok(d) && i < SECTIONS_ORDERED; i++) {
		d->part = sections[i].part;
		if (spans[i].at) {
			d->at = spans[i].at;
			d->end = spans[i].end;
		} else {
			d->at = none;
			d->end = sections[i].empty_fits ? none : none + 1;
		}
		sections[i].read(d);
		if (decode_ok(d) && d->at != d->end)
			decode_fail(d, d->at, -EINVAL,
				"malformed: section size mismatch (%s: %zu bytes too many)", d->part,
				(size_t)(d->end - d->at));
	}
}

/* Last, so that a module that is refused leaves nothing in the book. */
static void
book_types(struct decoder *d)
{
	struct module *m = d->module;

	while (decode_ok(d) && m->types_booked < m->types_count) {
		struct functype *type = &m->types[m->types_booked];
		const int r = typebook_hold(m->book, type->vals, type->params, type->results,
			&type->id);

		if (r < 0)
			decode_fail(d, d->at, r, "no memory for the module's types");
		else
			m->types_booked++;
	}
}

/* What the module makes us store, whatever else is loaded: its tables, its
 * types in the book, and what lower.c reserves, its stubs as one more function. */
static uint64_t
cost_of(const struct module *m)
{
	enum { BOOK_TYPE = 64, BOOK_VAL = 24, UNIT = 64, INSN = 16 };
	const uint64_t insns = insns_bound(m->insns_max, (uint64_t)m->funcs_count + 1);
	uint64_t cost = heap_cost(sizeof *m) + m->pool_bytes;

	for (uint32_t i = 0; i < m->types_count; i++)
		cost += BOOK_TYPE + BOOK_VAL * ((uint64_t)m->types[i].params + m->types[i].results);
	return cost + UNIT * (uint64_t)m->funcs_count + INSN * insns;
}

static void
decode_all(struct decoder *d)
{
	struct span spans[SECTIONS_ORDERED] = {{NULL, NULL}}, names = {NULL, NULL};

	d->part = "header";
	check_header(d);
	if (decode_ok(d))
		find_sections(d, spans, &names);
	read_sections(d, spans);
	if (!decode_ok(d))
		return;
	d->part = "code section";
	validate_funcs(d);
	if (decode_ok(d) && names.at)
		names_read(d->module, names.at, names.end);
	book_types(d);
	d->module->cost_bytes = cost_of(d->module);
}

int
module_load(struct heap *heap, struct typebook *book, const uint8_t *bytes, size_t bytes_count,
	struct report *report, struct module **ret_module)
{
	static const uint8_t nothing[1];
	struct decoder d = {.report = report};

	if (!bytes) /* as of an empty file */
		bytes = nothing, bytes_count = 0;
	if (bytes_count > UINT32_MAX) {
		report_say(report, 0, "limit: the module is larger than 4 GiB");
		return -E2BIG;
	}
	d.module = heap_take(heap, sizeof *d.module);
	if (!d.module) {
		report_say(report, 0, "no memory for the module");
		return -ENOMEM;
	}
	d.module->heap = heap;
	d.module->book = book;
	d.module->bytes = bytes;
	d.module->bytes_count = (uint32_t)bytes_count;
	d.at = bytes;
	d.end = bytes + bytes_count;
	decode_all(&d);
	if (d.error) {
		module_free(d.module);
		return d.error;
	}
	*ret_module = d.module;
	return 0;
}
