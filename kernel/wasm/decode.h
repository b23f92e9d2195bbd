/* SPDX-License-Identifier: Apache-2.0 */
/* decode.h - the inside of the loader: a reader over one module's bytes.
 *
 * Owns     struct decoder: where we read, and the first thing that was wrong.
 * Does     reads numbers, names and types; after the first error every read
 *          gives zero and moves nothing, so a section is read straight through
 *          and loops ask decode_ok().
 * Callers  decode.c (sections), segments.c (constants, segments), validate.c.
 * Errors   decoder.error is 0 or the -errno of module_load(). */
#pragma once

#include "kernel/wasm/module.h"

struct decoder {
	struct module *module;
	const uint8_t *at, *end; /* of the section (or body) being read */
	const char *part;        /* its name, for messages */
	struct report *report;
	int error;
	uint8_t *refs; /* a bit per function: declared outside of bodies (spec 3.4.10, C.refs) */
};

static inline bool
decode_ok(const struct decoder *d)
{
	return !d->error;
}

/* The first failure stays; `at` says where. */
void decode_fail(struct decoder *d, const uint8_t *at, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

uint8_t decode_byte(struct decoder *d, const char *what);
uint32_t decode_u32_long(struct decoder *d, const char *what);

static inline uint32_t
decode_u32(struct decoder *d, const char *what)
{
	if (!d->error && d->at < d->end && *d->at < 0x80)
		return *d->at++;
	return decode_u32_long(d, what);
}

int64_t decode_signed_long(struct decoder *d, unsigned bits, const char *what);

static inline int64_t
decode_signed(struct decoder *d, unsigned bits, const char *what)
{
	if (!d->error && d->at < d->end && *d->at < 0x80) /* seven bits, the last is the sign */
		return (int64_t)(*d->at++ ^ 0x40) - 0x40;
	return decode_signed_long(d, bits, what);
}

/* A vector's count: each element takes at least bytes_each, so what it makes us
 * store is bounded by the file; then our own limit. */
uint32_t decode_count(struct decoder *d, const char *what, uint32_t bytes_each, uint32_t max);
struct name decode_name(struct decoder *d, const char *what);
uint8_t decode_valtype(struct decoder *d);
uint8_t decode_reftype(struct decoder *d);
/* An index below `count`, else "unknown WHAT n". */
uint32_t decode_index(struct decoder *d, const char *what, uint32_t count);
/* Storage of the module's, zeroed; NULL (and failed) when there is none. */
void *decode_take(struct decoder *d, uint64_t count, size_t bytes_each);

/* segments.c */
struct init decode_init(struct decoder *d, uint8_t val); /* spec 3.3.8 */
void decode_elems(struct decoder *d);
void decode_datas(struct decoder *d);
void decode_ref_func(struct decoder *d, uint32_t func); /* marks it declared */

/* names.c: never an error; a bad name section is no name section. */
void names_read(struct module *module, const uint8_t *at, const uint8_t *end);
bool utf8_valid(const uint8_t *at, size_t bytes);

/* module.c */
void *module_take(struct module *module, uint64_t bytes);
void module_sort_exports(struct module *module);
int names_compare(struct name a, struct name b);

/* validate.c: all bodies. */
void validate_funcs(struct decoder *d);

const char *valtype_text(uint8_t val);
