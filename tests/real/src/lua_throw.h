/* SPDX-License-Identifier: Apache-2.0 */
/* lua_throw.h - Lua's non-local exit by the intrinsics of module `keyhold`.
 *
 * Included before Lua's ldo.c. try() calls a function by its table index with
 * two words and answers 1 when throw() ended it. The kernel touches no guest
 * global, so the C stack pointer is put back here, in guest code. */
#pragma once

__attribute__((import_module("keyhold"), import_name("try"))) int keyhold_try(
	void (*fn)(void *, void *), void *a, void *b);
__attribute__((import_module("keyhold"), import_name("throw"))) _Noreturn void keyhold_throw(void);

__asm__(".globaltype __stack_pointer, i32\n");

static inline int
lua_try(void (*fn)(void *, void *), void *a, void *b)
{
	void *sp;
	int thrown;

	__asm__ volatile("global.get __stack_pointer\n\tlocal.set %0" : "=r"(sp));
	thrown = keyhold_try(fn, a, b);
	__asm__ volatile("local.get %0\n\tglobal.set __stack_pointer" : : "r"(sp));
	return thrown;
}

#define luai_jmpbuf     int /* nothing to keep: the TRY frame has it all */
#define LUAI_THROW(L, c) keyhold_throw()
/* `a` is the call of f(L, ud), the two arguments of luaD_rawrunprotected. */
#define LUAI_TRY(L, c, a) \
	if (lua_try((void (*)(void *, void *))f, L, ud) && (c)->status == 0) \
		(c)->status = -1;
