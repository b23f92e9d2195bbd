/* SPDX-License-Identifier: Apache-2.0 */
/* Specs accepted and refused are in tests/golden/keyspecs.txt: a spec (or, after
 * "--dir ", the short form) on one line, below it "= canonical  name" or
 * "! words". KH_GOLDEN=write writes the second lines anew. */
#include "tools/keyhold/keyspec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
parse(const char *line, struct report *report, struct keyspec *spec)
{
	return strncmp(line, "--dir ", 6) ? keyspec_parse(line, report, spec)
	                                  : keyspec_from_dir(line + 6, report, spec);
}

static void
answer(const char *line, char *to, size_t to_bytes)
{
	struct report report = {.offset = UINT64_MAX};
	struct keyspec spec, again;
	char *text, *text_again;

	if (parse(line, &report, &spec)) {
		cr_assert(report.text[0], "refused without words: %s", line);
		snprintf(to, to_bytes, "! %s", report.text);
		return;
	}
	cr_assert_not(report.text[0]);
	text = keyspec_text(&spec);
	snprintf(to, to_bytes, "= %s  %s", text, keyspec_name(&spec));
	cr_assert_eq(keyspec_parse(text, &report, &again), 0, "the canonical form is refused: %s", text);
	text_again = keyspec_text(&again);
	cr_assert_str_eq(text, text_again);
	cr_assert(spec.kind == again.kind && spec.rights == again.rights && spec.uses == again.uses &&
		spec.bytes == again.bytes && spec.for_ns == again.for_ns && spec.real == again.real &&
		spec.seed == again.seed && !strcmp(spec.value, again.value));
	free(text);
	free(text_again);
	keyspec_done(&spec);
	keyspec_done(&again);
}

Test(keyspec, golden_specs_are_accepted_and_refused)
{
	const char *golden = getenv("KH_GOLDEN");
	const bool write = golden && !strcmp(golden, "write");
	char path[4096], line[1024], want[1024], got[1024], *anew = NULL;
	size_t anew_bytes;
	unsigned specs = 0, wrong = 0;
	FILE *in, *out = open_memstream(&anew, &anew_bytes);

	snprintf(path, sizeof(path), "%s/tests/golden/keyspecs.txt", getenv("KH_SOURCE"));
	in = fopen(path, "r");
	cr_assert_not_null(in, "%s", path);
	while (fgets(line, sizeof(line), in)) {
		if (line[0] == '\n' || line[0] == '#') {
			fputs(line, out);
			continue;
		}
		line[strcspn(line, "\n")] = 0;
		if (write && (line[0] == '!' || !strncmp(line, "= ", 2)))
			continue;
		answer(line, got, sizeof(got));
		fprintf(out, "%s\n%s\n", line, got);
		specs++;
		if (write)
			continue;
		if (!fgets(want, sizeof(want), in))
			want[0] = 0;
		want[strcspn(want, "\n")] = 0;
		if (strcmp(want, got)) {
			wrong++;
			cr_log_error("%s\nwanted %s\ngot    %s", line, want, got);
		}
	}
	fclose(in);
	fclose(out);
	if (write) {
		in = fopen(path, "w");
		cr_assert_not_null(in);
		fwrite(anew, 1, anew_bytes, in);
		fclose(in);
	}
	free(anew);
	cr_assert_eq(wrong, 0, "%u of %u specs differ", wrong, specs);
	cr_assert_geq(specs, 60);
}
