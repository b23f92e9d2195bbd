/* SPDX-License-Identifier: Apache-2.0 */
/* exec_fast.c - the fast executor: each instruction a function, each ends in a
 * guaranteed tail call of the next, so the machine's registers stay in the
 * processor's. Nothing is on the C stack between two instructions.
 *
 * All handlers have one signature: six integers, which is what x86-64 passes in
 * registers, and a double. What is cold is in exec_slow.c. See docs/engine.md for
 * what was measured. */
#include "kernel/wasm/num.h"
#include "kernel/wasm/store.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MUSTTAIL    __attribute__((musttail))
#define PARAMS                                                                                 \
	const struct insn *ip, uint64_t *fp, uint8_t *mem, uint64_t acc, struct machine *m,    \
		int64_t gas, double dacc
#define ARGS ip, fp, mem, acc, m, gas, dacc

static const struct handler {
	void (*run)(PARAMS);
} handlers[CODE_COUNT];

#define OP(name) static void run_##name(PARAMS)
#define GO(t)                                                                                  \
	do {                                                                                   \
		ip = (t);                                                                      \
		MUSTTAIL return handlers[ip->op].run(ARGS);                                    \
	} while (0)
#define NEXT GO(ip + 1)
#ifdef EXEC_UNMETERED /* tests/bench alone: what metering costs */
#define ENTER_BLOCK(t) GO((t) + 1)
#else
#define ENTER_BLOCK(t)                                                                         \
	do {                                                                                   \
		ip = (t);                                                                      \
		gas -= (int64_t)ip->lo;                                                        \
		if (UNLIKELY(gas < 0))                                                         \
			MUSTTAIL return block_failed(ARGS);                                    \
		GO(ip + 1);                                                                    \
	} while (0)
#endif
/* Cold paths are functions of their own: a handler that called one itself would
 * save registers on its hot path too. */
#define SLOW(function) MUSTTAIL return cold_##function(ARGS)
#define PLAIN_LOOP     _Pragma("clang loop vectorize(disable) unroll(disable)")
#define TRAPS(t)                                                                               \
	do {                                                                                   \
		m->trap = (t);                                                                 \
		MUSTTAIL return trapped(ARGS);                                                 \
	} while (0)

static void __attribute__((noinline))
reload(PARAMS)
{
	ip = m->ip;
	fp = m->fp;
	mem = m->mem;
	gas = m->gas;
	GO(ip);
}

#define COLD(name, call)                                                                       \
	static void __attribute__((noinline, cold)) name(PARAMS)                               \
	{                                                                                      \
		m->ip = ip;                                                                    \
		m->fp = fp;                                                                    \
		m->gas = gas;                                                                  \
		if (!(call))                                                                   \
			return;                                                                \
		MUSTTAIL return reload(ARGS);                                                  \
	}
#define SLOW_PATH(name) COLD(cold_##name, name(m))

COLD(block_failed, slow_gas(m, ip))
COLD(trapped, slow_trap(m))
#include "kernel/wasm/slow.def"

#include "kernel/wasm/exec_ops.h"

static const struct handler handlers[CODE_COUNT] = {
#define CODE(name) [CODE_##name] = {run_##name},
#include "kernel/wasm/code.def"
};

void
exec_fast(struct machine *m)
{
	reload(m->ip, m->fp, m->mem, 0, m, m->gas, 0);
}

bool
executor_present(enum executor executor)
{
	return executor == EXECUTOR_SWITCH || executor == EXECUTOR_FAST;
}
