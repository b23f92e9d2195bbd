/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernel/wasm/load.h"

#include <criterion/criterion.h>
#include <string.h>

void
loading_open(struct loading *l)
{
	*l = (struct loading){.module = NULL};
	fake_host_init(&l->host);
	heap_init(&l->heap, &l->host.host);
	typebook_init(&l->book, &l->heap);
}

static void
unload(struct loading *l)
{
	module_free(l->module);
	l->module = NULL;
}

void
loading_close(struct loading *l)
{
	unload(l);
	typebook_done(&l->book);
	cr_assert_eq(l->heap.bytes_used, 0, "%llu bytes are kept",
		(unsigned long long)l->heap.bytes_used);
	heap_done(&l->heap);
	cr_assert_eq(l->host.reservations, 0);
	fake_host_done(&l->host);
}

int
loading_load(struct loading *l, const uint8_t *bytes, size_t count)
{
	unload(l);
	report_clear(&l->report);
	l->why = module_load(&l->heap, &l->book, bytes, count, &l->report, &l->module);
	return l->why;
}

void
loading_refused(struct loading *l, const struct wasm_bytes *w, int why, const char *words)
{
	(void)loading_load(l, w->at, w->count);
	cr_assert_eq(l->why, why, "%d (%s), not %d (%s)", l->why, l->report.text, why, words);
	cr_assert_null(l->module);
	cr_assert_eq(strncmp(l->report.text, words, strlen(words)), 0, "\"%s\" instead of \"%s\"",
		l->report.text, words);
	cr_assert_leq(l->report.offset, w->count);
}

void
loading_accepted(struct loading *l, const struct wasm_bytes *w)
{
	(void)loading_load(l, w->at, w->count);
	cr_assert_eq(l->why, 0, "%d %s at %llu", l->why, l->report.text,
		(unsigned long long)l->report.offset);
}
