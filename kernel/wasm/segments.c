/* SPDX-License-Identifier: Apache-2.0 */
/* Constant expressions, and the element and data sections. */
#include <errno.h>
#include <string.h>

#include "kernel/wasm/decode.h"
#include "kernel/wasm/ops.h"

void
decode_ref_func(struct decoder *d, uint32_t func)
{
	if (decode_ok(d))
		d->refs[func / 8] |= (uint8_t)(1u << (func % 8));
}

static uint32_t
func_index(struct decoder *d)
{
	const uint32_t func =
		decode_index(d, "function", d->module->func_imports + d->module->funcs_count);

	decode_ref_func(d, func);
	return func;
}

static uint64_t
little_endian(struct decoder *d, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)decode_byte(d, "float constant") << (8 * i);
	return value;
}

static struct init
global_get(struct decoder *d, const uint8_t *start)
{
	const struct module *m = d->module;
	/* spec 3.4.10: only imported globals are there yet */
	const uint32_t index = decode_index(d, "global", m->global_imports);

	if (!decode_ok(d))
		return (struct init){.kind = INIT_CONST};
	if (m->globals[index].mut)
		decode_fail(d, start, -EINVAL,
			"invalid: constant expression required, but global %u may change", index);
	return (struct init){.kind = INIT_GLOBAL, .val = m->globals[index].val, .value = index};
}

/* One instruction of a constant expression. */
static struct init
constant(struct decoder *d, uint8_t code, const uint8_t *start)
{
	struct init init = {.kind = INIT_CONST};

	switch (code) {
	case OP_i32_const:
		init.val = VAL_I32;
		init.value = (uint32_t)decode_signed(d, 32, "i32.const");
		break;
	case OP_i64_const:
		init.val = VAL_I64;
		init.value = (uint64_t)decode_signed(d, 64, "i64.const");
		break;
	case OP_f32_const:
		init.val = VAL_F32;
		init.value = little_endian(d, 4);
		break;
	case OP_f64_const:
		init.val = VAL_F64;
		init.value = little_endian(d, 8);
		break;
	case OP_global_get:
		return global_get(d, start);
	case OP_ref_null:
		init.kind = INIT_REF_NULL;
		init.val = decode_reftype(d);
		break;
	case OP_ref_func:
		init.kind = INIT_REF_FUNC;
		init.val = VAL_FUNCREF;
		init.value = func_index(d);
		break;
	default:
		if (code == 0xfc || op_info(code))
			decode_fail(d, start, -EINVAL,
				"invalid: constant expression required, found instruction 0x%02x", code);
		else
			decode_fail(d, start, -EINVAL, "malformed: illegal opcode %02x", code);
	}
	return init;
}

struct init
decode_init(struct decoder *d, uint8_t val)
{
	struct init init = {.kind = INIT_CONST, .val = val};
	const uint8_t *start = d->at;
	unsigned values = 0;

	while (decode_ok(d)) {
		const uint8_t *at = d->at;
		const uint8_t code = decode_byte(d, "constant expression");

		if (!decode_ok(d) || code == OP_end)
			break;
		init = constant(d, code, at);
		values++;
	}
	if (decode_ok(d) && values != 1)
		decode_fail(d, start, -EINVAL,
			"invalid: type mismatch: a constant expression gives one value, this gives %u",
			values);
	if (decode_ok(d) && init.val != val)
		decode_fail(d, start, -EINVAL,
			"invalid: type mismatch: constant expression of type %s where %s is needed",
			valtype_text(init.val), valtype_text(val));
	return init;
}

/* --- elements (spec 5.5.12) --------------------------------------------------------- */

enum { ELEM_NOT_ACTIVE = 1, ELEM_EXPLICIT = 2, ELEM_EXPRESSIONS = 4 };

static void
elem_place(struct decoder *d, struct elem *elem, uint32_t flags)
{
	const uint8_t *start = d->at;

	if (flags & ELEM_NOT_ACTIVE) {
		elem->mode = flags & ELEM_EXPLICIT ? SEGMENT_DECLARED : SEGMENT_PASSIVE;
		return;
	}
	elem->mode = SEGMENT_ACTIVE;
	elem->table = flags & ELEM_EXPLICIT ? decode_u32(d, "table index") : 0;
	if (decode_ok(d) && elem->table >= d->module->tables_count)
		decode_fail(d, start, -EINVAL, "invalid: unknown table %u", elem->table);
	elem->offset = decode_init(d, VAL_I32);
}

static void
elem_type(struct decoder *d, struct elem *elem, uint32_t flags)
{
	const uint8_t *start = d->at;

	elem->ref = VAL_FUNCREF;
	if (flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) {
		if (flags & ELEM_EXPRESSIONS)
			elem->ref = decode_reftype(d);
		else if (decode_byte(d, "element kind") != 0)
			decode_fail(d, start, -EINVAL, "malformed: element kind is not 0x00");
	}
	if (decode_ok(d) && elem->mode == SEGMENT_ACTIVE &&
		d->module->tables[elem->table].ref != elem->ref)
		decode_fail(d, start, -EINVAL,
			"invalid: type mismatch: %s elements for a table of %s",
			valtype_text(elem->ref), valtype_text(d->module->tables[elem->table].ref));
}

static void
elem_read(struct decoder *d, struct elem *elem)
{
	const uint8_t *start = d->at;
	const uint32_t flags = decode_u32(d, "element segment flags");
	struct init *inits;

	if (flags > 7)
		decode_fail(d, start, -EINVAL, "malformed: element segment flags %u", flags);
	elem_place(d, elem, flags);
	elem_type(d, elem, flags);
	elem->count = decode_count(d, "elements", flags & ELEM_EXPRESSIONS ? 2 : 1, TABLE_ENTRIES_MAX);
	inits = decode_take(d, elem->count, sizeof *inits);
	for (uint32_t i = 0; decode_ok(d) && i < elem->count; i++) {
		if (flags & ELEM_EXPRESSIONS)
			inits[i] = decode_init(d, elem->ref);
		else
			inits[i] = (struct init){.kind = INIT_REF_FUNC, .val = VAL_FUNCREF,
				.value = func_index(d)};
	}
	elem->inits = inits;
}

void
decode_elems(struct decoder *d)
{
	struct module *m = d->module;

	m->elems_count = decode_count(d, "element segments", 2, SEGMENTS_MAX);
	m->elems = decode_take(d, m->elems_count, sizeof *m->elems);
	for (uint32_t i = 0; decode_ok(d) && i < m->elems_count; i++)
		elem_read(d, &m->elems[i]);
}

/* --- data (5.5.14) --------------------------------------------------------------- */

static void
data_read(struct decoder *d, struct data *data)
{
	const uint8_t *start = d->at;
	const uint32_t flags = decode_u32(d, "data segment flags");

	if (flags > 2)
		decode_fail(d, start, -EINVAL, "malformed: data segment flags %u", flags);
	data->mode = flags == 1 ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
	if (data->mode == SEGMENT_ACTIVE) {
		start = d->at;
		data->memory = flags == 2 ? decode_u32(d, "memory index") : 0;
		if (decode_ok(d) && data->memory >= d->module->memories_count)
			decode_fail(d, start, -EINVAL, "invalid: unknown memory %u", data->memory);
		data->offset = decode_init(d, VAL_I32);
	}
	data->count = decode_count(d, "bytes of a data segment", 1, UINT32_MAX);
	data->bytes = d->at;
	if (decode_ok(d))
		d->at += data->count;
}

void
decode_datas(struct decoder *d)
{
	struct module *m = d->module;

	m->datas_count = decode_count(d, "data segments", 2, SEGMENTS_MAX);
	m->datas = decode_take(d, m->datas_count, sizeof *m->datas);
	for (uint32_t i = 0; decode_ok(d) && i < m->datas_count; i++)
		data_read(d, &m->datas[i]);
}
