/* SPDX-License-Identifier: Apache-2.0 */
/* Truncated and bit-flipped modules: an error with words and a place, or a
 * module; and nothing is kept, whatever happened. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/grow.h"
#include "tests/kernel/wasm/load.h"

static struct loading l;

static void
open_loading(void)
{
	loading_open(&l);
}

static void
close_loading(void)
{
	loading_close(&l);
}

TestSuite(mutate, .init = open_loading, .fini = close_loading);

static bool
starts_well(const char *text)
{
	static const char *const starts[] = {"malformed: ", "invalid: ", "limit: ", "unsupported: "};

	for (unsigned i = 0; i < 4; i++) {
		if (strncmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* The bytes lie at the end of a block of their size, so that a sanitizer sees a read past them. */
static bool
try_load(const uint8_t *bytes, size_t count)
{
	uint8_t *exact = malloc(count ? count : 1);
	bool loaded;

	memcpy(exact, bytes, count);
	loaded = loading_load(&l, exact, count) == 0;
	if (!loaded) {
		cr_assert(l.why == -EINVAL || l.why == -E2BIG, "%d", l.why);
		cr_assert(starts_well(l.report.text), "%s", l.report.text);
		cr_assert_leq(l.report.offset, count, "%s at %llu of %zu", l.report.text,
			(unsigned long long)l.report.offset, count);
	}
	module_free(l.module);
	l.module = NULL;
	free(exact);
	return loaded;
}

Test(mutate, truncation_at_every_byte_is_refused)
{
	struct wasm_bytes w;
	unsigned loaded = 0;

	wasm_rich(&w);
	for (size_t count = 0; count < w.count; count++)
		loaded += try_load(w.at, count);
	/* The header, then up to each section of which a module may end: a custom
	 * section, types, imports, data. */
	cr_assert_eq(loaded, 5, "%u", loaded);
	cr_assert(try_load(w.at, w.count));
	wasm_free(&w);
}

/* A program grown from so many bytes that follow from the seed. */
static void
grown(struct wasm_bytes *w, uint64_t seed, unsigned count)
{
	uint8_t dice[64];

	for (unsigned i = 0; i < count; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		dice[i] = (uint8_t)(seed >> 56);
	}
	grow_module(w, dice, count);
}

Test(mutate, programs_are_cut_and_flipped_too)
{
	for (unsigned seed = 1; seed <= 6; seed++) {
		struct wasm_bytes w;

		grown(&w, seed, 10 * seed);
		cr_assert(try_load(w.at, w.count), "%s", l.report.text);
		for (size_t count = 0; count < w.count; count++) {
			(void)try_load(w.at, count);
			for (unsigned bit = 0; bit < 8; bit++) {
				w.at[count] ^= (uint8_t)(1u << bit);
				(void)try_load(w.at, w.count);
				w.at[count] ^= (uint8_t)(1u << bit);
			}
		}
		wasm_free(&w);
	}
}

Test(mutate, every_bit_flips_without_harm)
{
	struct wasm_bytes w;
	unsigned refused = 0;

	wasm_rich(&w);
	for (size_t at = 0; at < w.count; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			w.at[at] ^= (uint8_t)(1u << bit);
			refused += !try_load(w.at, w.count);
			w.at[at] ^= (uint8_t)(1u << bit);
		}
	}
	cr_assert_gt(refused, 1000);
	wasm_free(&w);
}

Test(mutate, every_byte_takes_the_values_at_edges)
{
	static const uint8_t edges[] = {0, 1, 0x3f, 0x40, 0x6f, 0x70, 0x7f, 0x80, 0xfc, 0xff};
	struct wasm_bytes w;

	wasm_rich(&w);
	for (size_t at = 8; at < w.count; at++) {
		const uint8_t was = w.at[at];

		for (unsigned i = 0; i < sizeof edges; i++) {
			w.at[at] = edges[i];
			(void)try_load(w.at, w.count);
		}
		w.at[at] = was;
	}
	wasm_free(&w);
}
