/* SPDX-License-Identifier: Apache-2.0 */
/* why.c - the last refusals of a domain, in words: a list of fixed length, oldest
 * first, paid by its bank. The same thing again only counts. When it is full, the
 * oldest that was merely missing goes before any that was refused: programs look
 * for many files that need not be there. */
#include "caps/wasi.h"

#include <string.h>

struct text {
	char *at, *end; /* end: the last byte, kept for the terminator */
};

static struct text
text_in(char *buffer, size_t bytes)
{
	*buffer = 0;
	return (struct text){buffer, buffer + bytes - 1};
}

static void
put(struct text *text, const char *from, size_t bytes)
{
	for (size_t i = 0; i < bytes && text->at < text->end; i++) {
		const char c = from[i];

		*text->at++ = c >= ' ' && c != 0x7f ? c : '?';
	}
	*text->at = 0;
}

static void
put_text(struct text *text, const char *from)
{
	put(text, from, strlen(from));
}

static void
put_number(struct text *text, unsigned number)
{
	char digits[12];
	unsigned at = sizeof digits;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	put(text, digits + at, sizeof digits - at);
}

static const char *
errno_name(enum wasi_errno error)
{
	static const char *const names[WASI_ERRNO_COUNT] = {
#define ERRNO(name, number) [number] = #name,
#include "caps/wasi_errno.def"
#undef ERRNO
	};

	return names[error];
}

static bool
same(const struct caps_why *a, const struct caps_why *b)
{
	return !strcmp(a->what, b->what) && !strcmp(a->key, b->key) && !strcmp(a->why, b->why) &&
		!strcmp(a->saw, b->saw);
}

bool
why_room(struct wasi *wasi)
{
	if (!wasi->whys)
		wasi->whys = wasi_take(wasi, WASI_WHY_MAX * sizeof *wasi->whys);
	return wasi->whys != NULL;
}

static void
keep(struct wasi *wasi, const struct caps_why *new)
{
	uint32_t goes = WASI_WHY_MAX;

	if (!why_room(wasi)) /* the refusal is counted, and not explained */
		return;
	for (uint32_t i = 0; i < wasi->whys_count; i++)
		if (same(&wasi->whys[i], new)) {
			wasi->whys[i].count++;
			return;
		}
	if (wasi->whys_count == WASI_WHY_MAX) {
		for (uint32_t i = WASI_WHY_MAX; i-- > 0;)
			if (wasi->whys[i].missing)
				goes = i;
		if (goes == WASI_WHY_MAX && new->missing)
			return;
		goes %= WASI_WHY_MAX; /* all were refused: the oldest */
		wasi->whys_count--;
		memmove(&wasi->whys[goes], &wasi->whys[goes + 1],
			(wasi->whys_count - goes) * sizeof *wasi->whys);
	}
	wasi->whys[wasi->whys_count++] = *new;
}

const char *
why_revoked(struct wasi *wasi, const struct key *key)
{
	struct world *world = wasi->state->world;
	struct grants *grants = world_grants(world);
	enum grant_fault fault = grant_fault(grants, key, world_clock(world)->now);

	/* The use of this call was counted, perhaps as the last: only bytes can be missing. */
	if (fault != GRANT_CUT && wasi->domain->counted && !grant_bytes_left(grants, key->grant))
		fault = GRANT_NO_BYTES;
	switch (fault) {
	case GRANT_EXPIRED:
		return "the key's time is over";
	case GRANT_NO_USES:
		return "the key's uses are used up";
	case GRANT_NO_BYTES:
		return "the key's bytes are used up";
	case GRANT_TOO_OFTEN:
		return "the key was used more often than its rate allows";
	case GRANT_OPEN:
	case GRANT_CUT:
		break;
	}
	return "the key was revoked";
}

void
why_say(struct wasi *wasi, enum wasi_errno saw, const struct key *key, struct path path,
	const char *why, const char *allow_before, struct path allow)
{
	const struct opening *o = opening_of(wasi->state, key);
	struct caps_why new = {.count = 1, .missing = saw == WASI_ENOENT};
	struct text text = text_in(new.what, sizeof new.what);

	put_text(&text, wasi_name(wasi->call_number));
	if (path.bytes) {
		put_text(&text, " \"");
		put(&text, path.text, path.bytes);
		put_text(&text, "\"");
	}
	text = text_in(new.key, sizeof new.key);
	put_text(&text, o ? root_at(wasi->state, o->root)->name : "");
	text = text_in(new.why, sizeof new.why);
	put_text(&text, why);
	text = text_in(new.saw, sizeof new.saw);
	put_text(&text, errno_name(saw));
	put_text(&text, " (");
	put_number(&text, saw);
	put_text(&text, ")");
	text = text_in(new.allow, sizeof new.allow);
	put_text(&text, allow_before);
	put(&text, allow.text, allow.bytes);
	keep(wasi, &new);
}

const struct caps_why *
caps_why(const struct domain *domain, uint32_t index)
{
	const struct wasi *wasi = wasi_of(domain);

	if (!wasi || index >= wasi->whys_count)
		return NULL;
	return &wasi->whys[wasi->whys_count - 1 - index];
}
