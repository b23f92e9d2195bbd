/* SPDX-License-Identifier: Apache-2.0 */
/* lua_throw.h - Lua's non-local exit by try and throw of caps/guest.h.
 * Included before Lua's own files; only ldo.c uses it. */
#pragma once

#include "caps/guest.h"

#define luai_jmpbuf      int /* nothing to keep: the frame of try has it all */
#define LUAI_THROW(L, c) kh_throw()
/* `a` is the call of f(L, ud), the two arguments of luaD_rawrunprotected. Wasm
 * does not care that they are pointers: 32 bits, as kh_function has them. */
#define LUAI_TRY(L, c, a) \
	if (kh_try((kh_function)f, (kh_u32)(L), (kh_u32)ud) && (c)->status == 0) \
		(c)->status = -1;
