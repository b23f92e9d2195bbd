/* SPDX-License-Identifier: Apache-2.0 */
/* exec_switch.c - the reference executor: exec_ops.h as one switch, in ISO C. */
#include "kernel/wasm/num.h"
#include "kernel/wasm/store.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define OP(name)    case CODE_##name:
#define NEXT        goto next
#define GO(t)                                                                                  \
	do {                                                                                   \
		ip = (t);                                                                      \
		goto again;                                                                    \
	} while (0)
#define ENTER_BLOCK(t)                                                                         \
	do {                                                                                   \
		block = (t);                                                                   \
		goto enter_block;                                                              \
	} while (0)
#define PLAIN_LOOP
#define SLOW(function)                                                                           \
	do {                                                                                   \
		m->ip = ip;                                                                    \
		m->fp = fp;                                                                    \
		m->gas = gas;                                                                  \
		if (!function(m))                                                                 \
			return;                                                                \
		goto reload;                                                                   \
	} while (0)
#define TRAPS(t)                                                                               \
	do {                                                                                   \
		m->trap = (t);                                                                 \
		SLOW(slow_trap);                                                            \
	} while (0)

void
exec_switch(struct machine *m)
{
	const struct insn *ip, *block;
	uint64_t *fp;
	uint8_t *mem;
	int64_t gas;
	uint64_t acc = 0;
	double dacc = 0;

reload:
	ip = m->ip;
	fp = m->fp;
	mem = m->mem;
	gas = m->gas;
	goto again;
enter_block:
	gas -= (int64_t)block->lo;
	if (UNLIKELY(gas < 0))
		goto failed;
	ip = block;
next:
	ip++;
again:
	switch ((enum code)ip->op) {
#include "kernel/wasm/exec_ops.h"
	case CODE_COUNT:
		break;
	}
	__builtin_unreachable();
failed:
	m->ip = block;
	m->fp = fp;
	m->gas = gas;
	if (slow_gas(m, block))
		goto reload;
}
