/* SPDX-License-Identifier: Apache-2.0 */
/* Counts words in a hash table with chains, sorts them through a function
 * pointer, and prints the most frequent. */
__attribute__((import_module("test"), import_name("print"))) void print(const char *at, int bytes);

struct word {
	struct word *next;
	const char *text;
	int bytes, count;
};

static struct word words[64], *buckets[16];
static int words_count;

static const char poem[] = "so much depends upon a red wheel barrow glazed with rain water beside "
			   "the white chickens so so much much depends the rain the the water upon a a";

static int
same(const char *a, const char *b, int bytes)
{
	while (bytes && *a == *b)
		a++, b++, bytes--;
	return bytes == 0;
}

static void
count(const char *text, int bytes)
{
	unsigned hash = 5381;
	struct word *word;

	for (int i = 0; i < bytes; i++)
		hash = hash * 33 ^ (unsigned char)text[i];
	for (word = buckets[hash % 16]; word; word = word->next)
		if (word->bytes == bytes && same(word->text, text, bytes))
			break;
	if (!word) {
		word = &words[words_count++];
		*word = (struct word){buckets[hash % 16], text, bytes, 0};
		buckets[hash % 16] = word;
	}
	word->count++;
}

static int
by_count(const struct word *a, const struct word *b)
{
	return b->count - a->count;
}

static int
by_text(const struct word *a, const struct word *b)
{
	for (int i = 0; i < a->bytes && i < b->bytes; i++)
		if (a->text[i] != b->text[i])
			return a->text[i] - b->text[i];
	return a->bytes - b->bytes;
}

static void
sort(struct word *order[], int n, int (*compare)(const struct word *, const struct word *))
{
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && compare(order[j - 1], order[j]) > 0; j--) {
			struct word *const swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
}

__attribute__((export_name("run"))) int
run(void)
{
	struct word *order[64];
	const char *start = poem;

	for (const char *at = poem;; at++) {
		if (*at != ' ' && *at)
			continue;
		if (at > start)
			count(start, (int)(at - start));
		if (!*at)
			break;
		start = at + 1;
	}
	for (int i = 0; i < words_count; i++)
		order[i] = &words[i];
	sort(order, words_count, by_text);
	sort(order, words_count, by_count);
	for (int i = 0; i < 6; i++) {
		print(order[i]->text, order[i]->bytes);
		print("\n", 1);
	}
	return words_count;
}
