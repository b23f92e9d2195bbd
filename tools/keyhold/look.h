/* SPDX-License-Identifier: Apache-2.0 */
/* look.h - a module or image described: what the worker writes for `inspect`.
 *
 * A list of entries, each a tag and its fields; the worker may have fallen, so
 * the reader (inspect.c) is total. Both sides are one program: no versions.
 *
 *   MODULE  u64 bytes, 32 hash, text name, u32 functions, u32 code bytes, u8 starts
 *   IMPORT  text module, text field, u8 kind, text type, u8 served
 *   EXPORT  text name, u8 kind, text type
 *   MEMORY  u8 imported, u32 min, u32 max (UINT32_MAX: none), in 64 KiB pages
 *   MORE    u8 tag of what was left out, u32 how many
 *   DOMAIN  fields; in the order of a walk: its place is how many came before
 *   KEY     fields; in the domain or the object before
 *   FRAME   fields; of the domain before, the innermost first
 *   INSTANCE  32 hash of its module; the same
 *   OBJECT  u32 number, text kind, fields
 *
 * Fields say their own names, so that a new one needs no new reader: u8 type,
 * text name, value; FIELD_END ends them. The names are those of `inspect --json`. */
#pragma once

enum look_tag { LOOK_MODULE = 1, LOOK_IMPORT, LOOK_EXPORT, LOOK_MEMORY, LOOK_MORE, LOOK_DOMAIN,
	LOOK_KEY, LOOK_FRAME, LOOK_INSTANCE, LOOK_OBJECT };

enum look_field {
	FIELD_END,
	FIELD_COUNT,  /* u64; all ones: no limit, null */
	FIELD_TEXT,   /* text */
	FIELD_TRUTH,  /* u8 */
	FIELD_DOMAIN, /* u32 place; all ones: null */
	FIELD_OBJECT, /* u32 number; all ones: null */
};
