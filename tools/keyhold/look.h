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
 *   DOMAIN  u32 depth, text name, text stop, u64 gas guest, host, left,
 *           u64 storage used, limit, u32 frames
 *   KEY     text name, text spec, u32 kind
 *   FRAME   text function, u32 index, u32 offset */
#pragma once

enum look_tag { LOOK_MODULE = 1, LOOK_IMPORT, LOOK_EXPORT, LOOK_MEMORY, LOOK_MORE, LOOK_DOMAIN,
	LOOK_KEY, LOOK_FRAME };
