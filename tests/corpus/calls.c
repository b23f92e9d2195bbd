/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - number 8: calls that are more than a row of numbers. */
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/corpus/hostile.h"

enum { I386_EXECVE = 11, I386_GETPID = 20, X32_BIT = 0x40000000 };

static long
int80(long number)
{
#ifdef __x86_64__
	long result = number;

	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(0), "c"(0), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
#else
	(void)number;
	return 0;
#endif
}

void
calls_int80_getpid(struct hostile *h)
{
	hostile_wrong(h, "it came back: %ld", int80(I386_GETPID));
}

void
calls_int80_execve(struct hostile *h)
{
	hostile_wrong(h, "it came back: %ld", int80(I386_EXECVE));
}

void
calls_x32_getpid(struct hostile *h)
{
	hostile_wrong(h, "it came back: %ld", syscall(X32_BIT | SYS_getpid));
}

void
calls_run_data(struct hostile *h)
{
	static uint8_t code[16] = {0xc3}; /* ret */
	void (*volatile run)(void) = (void (*)(void))(uintptr_t)code;

	run();
	hostile_wrong(h, "data ran");
}

void
calls_write_code(struct hostile *h)
{
	*(volatile uint8_t *)(uintptr_t)calls_write_code = 0xc3;
	hostile_wrong(h, "code was written");
}
