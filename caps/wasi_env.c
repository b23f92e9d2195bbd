/* SPDX-License-Identifier: Apache-2.0 */
/* wasi_env.c - arguments, environment, ends and signals; and sockets, which no
 * descriptor is yet: docs/caveats.md. */
#include "caps/wasi.h"

/* --- arguments and environment -------------------------------------------------- */

static enum call_end
strings_sizes(struct call *call, const struct strings *strings)
{
	uint8_t *count = call_mem(call, arg(call, 0), 4), *bytes = call_mem(call, arg(call, 1), 4);

	if (!count || !bytes)
		return answer(call, WASI_EFAULT);
	store_word(count, strings->count, 4);
	store_word(bytes, strings->used, 4);
	return answer(call, WASI_ESUCCESS);
}

static enum call_end
strings_get(struct call *call, const struct strings *strings)
{
	const uint32_t bytes_at = arg(call, 1);
	uint8_t *pointers = call_mem(call, arg(call, 0), (uint64_t)strings->count * 4);
	uint8_t *bytes = call_mem(call, bytes_at, strings->used);
	uint32_t at = 0;

	if (!pointers || !bytes)
		return answer(call, WASI_EFAULT);
	if (!charge(call, price_copy((uint64_t)strings->count * 4 + strings->used)))
		return CALL_DRY;
	for (uint32_t i = 0; i < strings->count; i++) {
		store_word(pointers + 4 * (uint64_t)i, bytes_at + at, 4);
		at += (uint32_t)strlen(strings->bytes + at) + 1;
	}
	if (strings->used)
		memcpy(bytes, strings->bytes, strings->used);
	return answer(call, WASI_ESUCCESS);
}

enum call_end
wasi_args_get(struct call *call, struct wasi *wasi)
{
	wasi->args_seen = true;
	return strings_get(call, &wasi->args);
}

enum call_end
wasi_args_sizes_get(struct call *call, struct wasi *wasi)
{
	wasi->args_seen = true;
	return strings_sizes(call, &wasi->args);
}

enum call_end
wasi_environ_get(struct call *call, struct wasi *wasi)
{
	return strings_get(call, &wasi->env);
}

enum call_end
wasi_environ_sizes_get(struct call *call, struct wasi *wasi)
{
	return strings_sizes(call, &wasi->env);
}

/* --- ends ------------------------------------------------------------------------------- */

enum call_end
wasi_proc_exit(struct call *call, struct wasi *wasi)
{
	(void)wasi;
	call->code = arg(call, 0);
	return CALL_EXIT;
}

/* A signal that would end a process ends the domain with the code a shell shows
 * for it; one that would be ignored is; a stop is not to be had. */
enum call_end
wasi_proc_raise(struct call *call, struct wasi *wasi)
{
	enum { SIGNALS = 31, IGNORED = 1 << 0 | 1 << 16 | 1 << 17 | 1 << 22 | 1 << 27,
		STOPS = 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 };
	const uint32_t signal = arg(call, 0);

	(void)wasi;
	if (signal >= SIGNALS)
		return answer(call, WASI_EINVAL);
	if (1u << signal & IGNORED)
		return answer(call, WASI_ESUCCESS);
	if (1u << signal & STOPS)
		return answer(call, WASI_ENOTSUP);
	call->code = 128 + signal;
	return CALL_EXIT;
}

enum call_end
wasi_sched_yield(struct call *call, struct wasi *wasi)
{
	(void)wasi;
	return answer(call, WASI_ESUCCESS); /* slices end where the line says, not where it asks */
}
