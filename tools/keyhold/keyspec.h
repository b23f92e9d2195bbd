/* SPDX-License-Identifier: Apache-2.0 */
/* keyspec.h - the one way to write a key down.
 *
 *   [NAME=]KIND:VALUE[,ATTRIBUTE[=VALUE]]..
 *
 * A comma or backslash in a value is written with a backslash before it. NAME
 * is letters, digits, '_', '-' and '.', not starting with a digit or '.'; it is
 * what an image calls the key by, and how `resume` finds it again.
 *
 * Owns     the texts of a parsed spec: keyspec_done().
 * Does     parses, refuses, and writes back in one canonical form.
 * Callers  run.c, resume.c; later grant, manifests.
 *          Network patterns are drivers/broker/rule.h's, who also matches them.
 * Never    looks at the file system: what a name means now is the opener's.
 * Errors   -EINVAL, words in the report.
 * Source   design.md section 10; the kinds are in keyspecs.def. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/report.h"

enum keyspec_kind {
#define KEYSPEC(NAME, text, value, attributes, summary) KEYSPEC_##NAME,
#define KEYSPEC_LATER(text, when)
#define ATTRIBUTE(NAME, text, value, summary)
#include "tools/keyhold/keyspecs.def"
#undef KEYSPEC
#undef KEYSPEC_LATER
#undef ATTRIBUTE
	KEYSPEC_COUNT
};

enum keyspec_right {
	KEYSPEC_READ = 1 << 0,
	KEYSPEC_WRITE = 1 << 1,
	KEYSPEC_APPEND = 1 << 2, /* writes only at the end */
};

#define KEYSPEC_NO_LIMIT UINT64_MAX
#define KEYSPEC_RATE_MAX UINT64_C(1000000000)

struct keyspec {
	enum keyspec_kind kind;
	char *name;                      /* NULL: none was given */
	char *value;                     /* without escapes */
	char *as;                        /* where the guest finds it; NULL: as the value says */
	uint32_t rights;                 /* enum keyspec_right */
	uint64_t uses, bytes, for_ns, rate; /* KEYSPEC_NO_LIMIT; rate: uses a second */
	uint32_t conns;                  /* connections at once; 0: no limit */
	char *label;                     /* networks: "tcp:api.example.com:443", their name */
	bool real;                       /* clock:real, random:real */
	uint64_t seed;                   /* random:seed=N */
};

int keyspec_parse(const char *text, struct report *report, struct keyspec *ret_spec);
/* --dir HOST[::GUEST][:ro|rw] is a dir: spec without commas. */
int keyspec_from_dir(const char *text, struct report *report, struct keyspec *ret_spec);
void keyspec_done(struct keyspec *spec);

/* Canonical: parses back to the same. Without the name. Caller frees. */
char *keyspec_text(const struct keyspec *spec);

/* Where the guest finds it: `as`, else the value of a dir or file as it was
 * written, or a network's kind and value. */
const char *keyspec_guest_path(const struct keyspec *spec);
bool keyspec_is_network(const struct keyspec *spec);
/* What images and messages call it: its name, else where the guest finds it,
 * else its kind; so the same spec is found again without naming it. */
const char *keyspec_name(const struct keyspec *spec);

/* "dir, file, clock, ..": what this build serves, for messages. */
const char *keyspec_kinds(void);
