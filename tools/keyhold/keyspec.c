/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/keyspec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/broker/rule.h"
#include "tools/keyhold/units.h"

enum attribute { RIGHTS, APPEND, AS, USES, BYTES, FOR, RATE, CONNS, ATTRIBUTE_COUNT };

#define A(name) (1u << (name))
#define LIMITS (A(USES) | A(BYTES) | A(FOR) | A(RATE))
#define NETWORK (A(AS) | LIMITS | A(CONNS))

static const struct kind_row {
	const char *text, *value;
	uint32_t attributes;
} kinds[] = {
#define KEYSPEC(NAME, text, value, attributes, summary) {text, value, attributes},
#define KEYSPEC_LATER(text, when)
#define ATTRIBUTE(NAME, text, value, summary)
#include "tools/keyhold/keyspecs.def"
#undef KEYSPEC
#undef KEYSPEC_LATER
};

static const struct later_row {
	const char *text, *when;
} laters[] = {
#define KEYSPEC(NAME, text, value, attributes, summary)
#define KEYSPEC_LATER(text, when) {text, when},
#include "tools/keyhold/keyspecs.def"
#undef KEYSPEC
#undef KEYSPEC_LATER
#undef ATTRIBUTE
};

static const struct attribute_row {
	enum attribute attribute;
	const char *text, *value;
} attributes[] = {
#define KEYSPEC(NAME, text, value, attributes, summary)
#define KEYSPEC_LATER(text, when)
#define ATTRIBUTE(NAME, text, value, summary) {NAME, text, value},
#include "tools/keyhold/keyspecs.def"
#undef KEYSPEC
#undef KEYSPEC_LATER
#undef ATTRIBUTE
};

static const char served[] = ""
#define KEYSPEC(NAME, text, value, attributes, summary) ", " text
#define KEYSPEC_LATER(text, when)
#define ATTRIBUTE(NAME, text, value, summary)
#include "tools/keyhold/keyspecs.def"
	;

const char *
keyspec_kinds(void)
{
	return served + 2;
}

static int
refuse(struct report *report, const char *text, const char *why, const char *about)
{
	report_say(report, UINT64_MAX, "key \"%s\": %s%s", text, why, about);
	return -EINVAL;
}

/* The next field up to an unescaped comma, without its escapes; NULL: a bad
 * escape or no memory (errno tells). */
static char *
field(const char **at)
{
	char *out = malloc(strlen(*at) + 1), *to = out;

	for (; out && **at && **at != ','; (*at)++) {
		if (**at == '\\' && *++*at != ',' && **at != '\\') {
			free(out);
			errno = EINVAL;
			return NULL;
		}
		*to++ = **at;
	}
	if (out)
		*to = 0;
	return out;
}

static bool
name_fits(const char *name, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		const char c = name[i];
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (!i || !((c >= '0' && c <= '9') || c == '-' || c == '.')))
			return false;
	}
	return bytes > 0;
}

/* NAME= stands before the colon that ends the kind. */
static int
parse_name(const char *text, const char **at, struct report *report, struct keyspec *spec)
{
	const size_t word = strcspn(text, ":=");

	*at = text;
	if (text[word] != '=')
		return 0;
	if (!name_fits(text, word))
		return refuse(report, text, "a name is letters, digits, '_', '-', '.', and begins with a letter", "");
	spec->name = strndup(text, word);
	*at = text + word + 1;
	return spec->name ? 0 : -ENOMEM;
}

static int
parse_kind(const char *text, const char **at, struct report *report, struct keyspec *spec)
{
	const size_t word = strcspn(*at, ":,");

	if ((*at)[word] != ':')
		return refuse(report, text, "a key is KIND:VALUE, as dir:/srv/data,ro; kinds: ", keyspec_kinds());
	for (unsigned i = 0; i < KEYSPEC_COUNT; i++)
		if (strlen(kinds[i].text) == word && !strncmp(kinds[i].text, *at, word)) {
			spec->kind = i;
			*at += word + 1;
			return 0;
		}
	for (unsigned i = 0; i < sizeof(laters) / sizeof(*laters); i++)
		if (strlen(laters[i].text) == word && !strncmp(laters[i].text, *at, word)) {
			report_say(report, UINT64_MAX, "key \"%s\": %s; this build serves %s", text,
				laters[i].when, keyspec_kinds());
			return -EINVAL;
		}
	report_say(report, UINT64_MAX, "key \"%s\": no kind \"%.*s\"; kinds: %s", text, (int)word, *at,
		keyspec_kinds());
	return -EINVAL;
}

static int
parse_rights(const char *text, const char *word, uint32_t *seen, struct report *report,
	struct keyspec *spec)
{
	if (*seen & (A(RIGHTS) | A(APPEND)))
		return refuse(report, text, "ro, rw and append exclude each other", "");
	spec->rights = word[0] == 'a' ? KEYSPEC_WRITE | KEYSPEC_APPEND
	             : word[1] == 'o' ? KEYSPEC_READ
	                              : KEYSPEC_READ | KEYSPEC_WRITE;
	return 0;
}

/* A guest path may not climb: it is a name, and a name that means another one
 * would hide which key answers. */
static bool
path_climbs(const char *path)
{
	for (const char *at = path; *at; at += strcspn(at, "/"), at += *at == '/')
		if (!strncmp(at, "..", 2) && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

static int
check_path(const char *text, const char *path, struct report *report)
{
	if (!*path)
		return refuse(report, text, "the guest's path is empty", "");
	return path_climbs(path) ? refuse(report, text, "the guest's path may not hold \"..\"", "") : 0;
}

/* "10/s", or "10". */
static int
read_rate(char *value, struct report *why, uint64_t *ret_rate)
{
	const size_t bytes = strlen(value);
	int r;

	if (bytes > 2 && !strcmp(value + bytes - 2, "/s"))
		value[bytes - 2] = 0;
	r = units_count(value, why, ret_rate);
	if (r || (*ret_rate && *ret_rate <= KEYSPEC_RATE_MAX))
		return r;
	report_say(why, UINT64_MAX, "a rate is 1/s to %llu/s", (unsigned long long)KEYSPEC_RATE_MAX);
	return -EINVAL;
}

static int
read_conns(const char *value, struct report *why, uint32_t *ret_conns)
{
	uint64_t count;
	const int r = units_count(value, why, &count);

	if (r || (count && count <= UINT32_MAX)) {
		*ret_conns = r ? 0 : (uint32_t)count;
		return r;
	}
	report_say(why, UINT64_MAX, "at least one connection at once; without conns= there is no limit");
	return -EINVAL;
}

static int
take_value(const char *text, enum attribute attribute, char *value, struct report *report,
	struct keyspec *spec)
{
	struct report why = {.offset = UINT64_MAX};
	int r = 0;

	switch (attribute) {
	case AS:
		free(spec->as);
		spec->as = strdup(value);
		return spec->as ? check_path(text, value, report) : -ENOMEM;
	case USES:
		r = units_count(value, &why, &spec->uses);
		break;
	case BYTES:
		r = units_bytes(value, &why, &spec->bytes);
		break;
	case FOR:
		r = units_duration(value, &why, &spec->for_ns);
		break;
	case RATE:
		r = read_rate(value, &why, &spec->rate);
		break;
	case CONNS:
		r = read_conns(value, &why, &spec->conns);
		break;
	case RIGHTS:
	case APPEND:
	case ATTRIBUTE_COUNT:
		break;
	}
	return r ? refuse(report, text, why.text, "") : 0;
}

static int
parse_attribute(const char *text, char *word, uint32_t *seen, struct report *report,
	struct keyspec *spec)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = 0;
	for (unsigned i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		const struct attribute_row *row = &attributes[i];
		int r;

		if (strcmp(row->text, word))
			continue;
		if (!(kinds[spec->kind].attributes & A(row->attribute)))
			break;
		if (!value != !row->value) {
			report_say(report, UINT64_MAX, "key \"%s\": %s %s%s", text, word,
				row->value ? "needs a value: " : "takes no value", row->value ? row->value : "");
			return -EINVAL;
		}
		if (value && *seen & A(row->attribute))
			return refuse(report, text, "given twice: ", word);
		r = value ? take_value(text, row->attribute, value, report, spec)
		          : parse_rights(text, word, seen, report, spec);
		*seen |= A(row->attribute);
		return r;
	}
	report_say(report, UINT64_MAX, "key \"%s\": %s takes no \"%s\"", text, kinds[spec->kind].text, word);
	return -EINVAL;
}

bool
keyspec_is_network(const struct keyspec *spec)
{
	return spec->kind >= KEYSPEC_TCP && spec->kind <= KEYSPEC_RESOLVE;
}

/* Its pattern in one form, so that equal keys look equal. */
static int
check_network(const char *text, struct report *report, struct keyspec *spec)
{
	static const enum rule_kind rules[KEYSPEC_COUNT] = {[KEYSPEC_TCP] = RULE_TCP,
		[KEYSPEC_UDP] = RULE_UDP, [KEYSPEC_LISTEN] = RULE_LISTEN, [KEYSPEC_UNIX] = RULE_UNIX,
		[KEYSPEC_RESOLVE] = RULE_RESOLVE};
	struct report why = {.offset = UINT64_MAX};
	char canonical[RULE_TEXT_MAX];
	struct rule rule;

	if (rule_read(rules[spec->kind], spec->value, &why, &rule))
		return refuse(report, text, why.text, "");
	rule_say(&rule, canonical);
	free(spec->value);
	spec->value = strdup(canonical);
	if (!spec->value || asprintf(&spec->label, "%s:%s", kinds[spec->kind].text, canonical) < 0)
		return -ENOMEM;
	return 0;
}

static int
check_value(const char *text, struct report *report, struct keyspec *spec)
{
	struct report why = {.offset = UINT64_MAX};

	if (!*spec->value)
		return refuse(report, text, "the value is empty; write ", kinds[spec->kind].value);
	switch (spec->kind) {
	case KEYSPEC_DIR:
	case KEYSPEC_FILE:
		return spec->as ? 0 : check_path(text, spec->value, NULL) ? refuse(report, text,
			"the guest has no \"..\"; say where it finds this: as=/NAME", "") : 0;
	case KEYSPEC_CLOCK:
		spec->real = !strcmp(spec->value, "real");
		if (!spec->real && strcmp(spec->value, "virtual"))
			return refuse(report, text, "a clock is virtual or real", "");
		return 0;
	case KEYSPEC_RANDOM:
		spec->real = !strcmp(spec->value, "real");
		if (spec->real)
			return 0;
		if (strncmp(spec->value, "seed=", 5))
			return refuse(report, text, "random is seed=N or real", "");
		return units_count(spec->value + 5, &why, &spec->seed)
			? refuse(report, text, "seed ", why.text) : 0;
	case KEYSPEC_TCP:
	case KEYSPEC_UDP:
	case KEYSPEC_LISTEN:
	case KEYSPEC_UNIX:
	case KEYSPEC_RESOLVE:
		return check_network(text, report, spec);
	case KEYSPEC_COUNT:
		break;
	}
	return 0;
}

static int
parse(const char *text, struct report *report, struct keyspec *spec)
{
	uint32_t seen = 0;
	const char *at;
	int r = parse_name(text, &at, report, spec);

	if (!r)
		r = parse_kind(text, &at, report, spec);
	for (unsigned n = 0; !r; n++) {
		char *word = field(&at);

		if (!word)
			return errno == EINVAL ? refuse(report, text,
				"a backslash stands only before a comma or a backslash", "") : -ENOMEM;
		if (!n) {
			spec->value = word;
		} else {
			r = parse_attribute(text, word, &seen, report, spec);
			free(word);
		}
		if (!*at++)
			break;
	}
	return r ? r : check_value(text, report, spec);
}

static void
begin(struct keyspec *spec)
{
	*spec = (struct keyspec){.rights = KEYSPEC_READ | KEYSPEC_WRITE, .uses = KEYSPEC_NO_LIMIT,
		.bytes = KEYSPEC_NO_LIMIT, .for_ns = KEYSPEC_NO_LIMIT, .rate = KEYSPEC_NO_LIMIT};
}

int
keyspec_parse(const char *text, struct report *report, struct keyspec *ret_spec)
{
	struct keyspec spec;
	int r;

	begin(&spec);
	r = parse(text, report, &spec);
	if (r)
		keyspec_done(&spec);
	else
		*ret_spec = spec;
	return r;
}

int
keyspec_from_dir(const char *text, struct report *report, struct keyspec *ret_spec)
{
	struct keyspec spec;
	size_t bytes = strlen(text);
	const char *guest;
	int r;

	begin(&spec);
	spec.kind = KEYSPEC_DIR;
	if (bytes > 3 && !strcmp(text + bytes - 3, ":ro"))
		spec.rights = KEYSPEC_READ;
	if (bytes > 3 && (!strcmp(text + bytes - 3, ":ro") || !strcmp(text + bytes - 3, ":rw")))
		bytes -= 3;
	guest = memmem(text, bytes, "::", 2);
	spec.value = strndup(text, guest ? (size_t)(guest - text) : bytes);
	if (guest)
		spec.as = strndup(guest + 2, bytes - (size_t)(guest + 2 - text));
	r = !spec.value || (guest && !spec.as) ? -ENOMEM : 0;
	if (!r && guest)
		r = check_path(text, spec.as, report);
	if (!r)
		r = check_value(text, report, &spec);
	if (r)
		keyspec_done(&spec);
	else
		*ret_spec = spec;
	return r;
}

void
keyspec_done(struct keyspec *spec)
{
	free(spec->name);
	free(spec->value);
	free(spec->as);
	free(spec->label);
	*spec = (struct keyspec){0};
}

const char *
keyspec_guest_path(const struct keyspec *spec)
{
	return spec->as ? spec->as : spec->label ? spec->label : spec->value;
}

const char *
keyspec_name(const struct keyspec *spec)
{
	if (spec->name)
		return spec->name;
	return spec->kind == KEYSPEC_DIR || spec->kind == KEYSPEC_FILE || spec->label ? keyspec_guest_path(spec)
	                                                               : kinds[spec->kind].text;
}

static void
put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

char *
keyspec_text(const struct keyspec *spec)
{
	char *text = NULL, amount[UNITS_TEXT_MAX];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	fprintf(out, "%s:", kinds[spec->kind].text);
	put_escaped(out, spec->value);
	if (kinds[spec->kind].attributes & A(RIGHTS))
		fputs(spec->rights & KEYSPEC_APPEND  ? ",append"
			: spec->rights & KEYSPEC_WRITE ? ",rw" : ",ro", out);
	if (spec->as) {
		fputs(",as=", out);
		put_escaped(out, spec->as);
	}
	if (spec->uses != KEYSPEC_NO_LIMIT)
		fprintf(out, ",uses=%" PRIu64, spec->uses);
	if (spec->bytes != KEYSPEC_NO_LIMIT)
		fprintf(out, ",bytes=%s", units_say_bytes(spec->bytes, amount));
	if (spec->for_ns != KEYSPEC_NO_LIMIT)
		fprintf(out, ",for=%s", units_say_duration(spec->for_ns, amount));
	if (spec->rate != KEYSPEC_NO_LIMIT)
		fprintf(out, ",rate=%" PRIu64 "/s", spec->rate);
	if (spec->conns)
		fprintf(out, ",conns=%" PRIu32, spec->conns);
	return fclose(out) ? NULL : text;
}
