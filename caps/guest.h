/* SPDX-License-Identifier: Apache-2.0 */
/* guest.h - Keyhold as a guest in C sees it, beside WASI. Freestanding: it needs
 * no C library and includes nothing. For clang's wasm32 targets.
 *
 *     #include "caps/guest.h"
 *
 *     static void risky(uint32_t a, uint32_t b) { ... kh_throw(); ... }
 *
 *     if (kh_try(risky, 1, 2))
 *         ... risky, or something it called, threw
 *
 * kh_try() calls fn(a, b) and answers 0 when it returned, 1 when kh_throw() was
 * called below it: all frames in between are gone, the nearest kh_try() of the
 * domain goes on. A throw without a try is a trap. A throw is charged for each
 * frame it takes away. Frames, tries too, are the domain's data: a program can
 * be stopped inside a try and go on elsewhere.
 *
 * This is what setjmp and longjmp are used for; a value that is thrown is put in
 * a variable before. Kept in mind as with them: locals of the function that
 * calls kh_try() which `fn` changes must be volatile or in memory.
 *
 * The kernel touches no global of the guest: the C stack pointer, which the
 * frames that are gone had lowered, is put back here.
 *
 * kh_yield() stops the domain: who drives it sees "yielded" and the word; it
 * goes on with the word it is handed back (0 when nobody hands one).
 *
 * These are the imports `try`, `throw` and `yield` of module `keyhold`. */
#pragma once

typedef __UINT32_TYPE__ kh_u32;
typedef __UINT64_TYPE__ kh_u64;
typedef void (*kh_function)(kh_u32 a, kh_u32 b);

#define KH_IMPORT(name) __attribute__((import_module("keyhold"), import_name(name)))

KH_IMPORT("try") kh_u32 kh_import_try(kh_function fn, kh_u32 a, kh_u32 b);
KH_IMPORT("throw") _Noreturn void kh_throw(void);
KH_IMPORT("yield") kh_u64 kh_yield(kh_u64 word);

__asm__(".globaltype __stack_pointer, i32\n");

static inline kh_u32
kh_try(kh_function fn, kh_u32 a, kh_u32 b)
{
	kh_u32 stack_pointer, thrown;

	__asm__ volatile("global.get __stack_pointer\n\tlocal.set %0" : "=r"(stack_pointer));
	thrown = kh_import_try(fn, a, b);
	__asm__ volatile("local.get %0\n\tglobal.set __stack_pointer" : : "r"(stack_pointer) : "memory");
	return thrown;
}
