/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_entish: any text. Refused with words, or compiled to a module that our loader
 * accepts; what is formatted stays as it is when it is formatted again, and still
 * compiles. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/wasm/module.h"
#include "tests/support/fake_host.h"
#include "tools/entish/entish.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void
must_load(const uint8_t *bytes, size_t count)
{
	struct fake_host host;
	struct heap heap;
	struct typebook book;
	struct report report = {.offset = UINT64_MAX};
	struct module *module = NULL;

	fake_host_init(&host);
	heap_init(&heap, &host.host);
	typebook_init(&book, &heap);
	if (module_load(&heap, &book, bytes, count, &report, &module) &&
		strncmp(report.text, "limit", 5)) {
		fprintf(stderr, "the compiled module is %s at %llu\n", report.text,
			(unsigned long long)report.offset);
		abort();
	}
	module_free(module);
	typebook_done(&book);
	heap_done(&heap);
	fake_host_done(&host);
}

static bool
compiles(const char *text, size_t count)
{
	const struct entish_input input = {.name = "x.et", .source = {text, count}};
	struct entish *e = entish_new();
	const bool fine = entish_compile(e, &input);
	size_t module_bytes;
	const uint8_t *module = entish_module(e, &module_bytes);

	if (fine)
		must_load(module, module_bytes);
	else if (!entish_words(e)[0])
		abort();
	entish_free(e);
	return fine;
}

static void
formats(const char *text, size_t count, bool fine)
{
	const struct entish_input input = {.name = "x.et", .source = {text, count}};
	struct entish *once = entish_new(), *twice = entish_new();
	struct entish_input again = {.name = "x.et"};
	size_t first, second;

	if (entish_format(once, &input)) {
		again.source.text = (const char *)entish_module(once, &first);
		again.source.bytes = first;
		if (first && first < (1 << 20)) {
			if (!entish_format(twice, &again) ||
				memcmp(again.source.text, entish_module(twice, &second), first) || first != second ||
				(fine && !compiles(again.source.text, first))) {
				fprintf(stderr, "formatted:\n%.*s\n", (int)first, again.source.text);
				abort();
			}
		}
	}
	entish_free(once);
	entish_free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char *text = malloc(count + 1);

	memcpy(text, bytes, count);
	text[count] = 0;
	formats(text, count, compiles(text, count));
	free(text);
	return 0;
}
