/* SPDX-License-Identifier: Apache-2.0 */
/* count FROM TO: how often each word of a text occurs, most frequent first.
 * What tools/dev/demo runs: an ordinary C program that knows nothing of keys. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
	char *text;
	unsigned count;
};

static struct word *words;
static size_t words_count, words_room;

static void
fail(const char *what, const char *path)
{
	fprintf(stderr, "count: cannot %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static void
take(const char *text)
{
	for (size_t i = 0; i < words_count; i++)
		if (!strcmp(words[i].text, text)) {
			words[i].count++;
			return;
		}
	if (words_count == words_room) {
		words_room = words_room ? 2 * words_room : 64;
		words = realloc(words, words_room * sizeof *words);
		if (!words)
			fail("hold the words of", "the text");
	}
	words[words_count++] = (struct word){strdup(text), 1};
}

static int
by_count(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->text, y->text);
}

int
main(int argc, char **argv)
{
	char text[64];
	size_t length = 0;
	unsigned long all = 0;
	FILE *in, *out;
	int c;

	if (argc != 3) {
		fputs("usage: count FROM TO\n", stderr);
		return 64;
	}
	in = fopen(argv[1], "r");
	if (!in)
		fail("read", argv[1]);
	out = fopen(argv[2], "w");
	if (!out)
		fail("write", argv[2]);
	do {
		c = getc(in);
		if (c != EOF && isalpha(c) && length + 1 < sizeof text) {
			text[length++] = (char)tolower(c);
		} else if (length) {
			text[length] = 0;
			length = 0;
			all++;
			take(text);
		}
	} while (c != EOF);
	qsort(words, words_count, sizeof *words, by_count);
	for (size_t i = 0; i < words_count; i++)
		fprintf(out, "%u %s\n", words[i].count, words[i].text);
	if (ferror(in) || fclose(out))
		fail("write", argv[2]);
	printf("%lu words, %zu different; most frequent: %s\n", all, words_count,
		words_count ? words[0].text : "none");
	return 0;
}
