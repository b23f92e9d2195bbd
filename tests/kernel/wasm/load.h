/* SPDX-License-Identifier: Apache-2.0 */
/* load.h - what tests of the loader share: a heap, a book, one module. */
#pragma once

#include "kernel/wasm/module.h"
#include "tests/support/fake_host.h"
#include "tests/support/wasm_bytes.h"

struct loading {
	struct fake_host host;
	struct heap heap;
	struct typebook book;
	struct report report;
	struct module *module; /* NULL: refused */
	int why;
};

void loading_open(struct loading *l);
void loading_close(struct loading *l); /* asserts that nothing is kept */
/* Loads; what was loaded before is freed first. */
int loading_load(struct loading *l, const uint8_t *bytes, size_t count);
/* Loads and asserts: refused with this error, and these words at the beginning. */
void loading_refused(struct loading *l, const struct wasm_bytes *w, int why, const char *words);
void loading_accepted(struct loading *l, const struct wasm_bytes *w);
