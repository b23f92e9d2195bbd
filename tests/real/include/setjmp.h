/* SPDX-License-Identifier: Apache-2.0 */
/* setjmp.h - wasi-libc has none, and clang would find the host's. Lua includes
 * it and, with lua_throw.h, uses nothing of it. */
#pragma once
typedef int jmp_buf;
