/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/inspect_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/keyhold/json.h"
#include "tools/keyhold/say.h"
#include "tools/keyhold/units.h"

enum { TEXT_MAX = 512, PATH_MAX_BYTES = 400 };

/* --- entries -> JSON ----------------------------------------------------------------- */

int
tree_init(struct tree *tree)
{
	*tree = (struct tree){.domains = json_array(), .objects = json_array()};
	return tree->domains && tree->objects ? 0 : -ENOMEM;
}

void
tree_done(struct tree *tree)
{
	json_decref(tree->domains);
	json_decref(tree->objects);
	free(tree->references);
	*tree = (struct tree){0};
}

static const char *
get_text(struct bytes_in *in, char text[static TEXT_MAX])
{
	uint32_t bytes;
	const uint8_t *at = bytes_text(in, &bytes);

	return say_safe(at ? (const char *)at : "", bytes, text, TEXT_MAX);
}

/* Bytes that are no UTF-8 become '?'. */
static json_t *
text_json(char *text)
{
	json_t *json = json_string(text);

	if (json)
		return json;
	for (char *at = text; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	return json_string(text);
}

static json_t *
count_json(uint64_t count)
{
	if (count == UINT64_MAX)
		return json_null();
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

static void
refer(struct tree *tree, json_t *in, const char *name, uint32_t place)
{
	struct tree_reference *reference;

	json_object_set_new(in, name, json_null());
	if (place == UINT32_MAX)
		return;
	if (tree->references_count == tree->references_room) {
		const uint32_t room = tree->references_room ? 2 * tree->references_room : 64;
		void *more = realloc(tree->references, room * sizeof(*tree->references));

		if (!more)
			return;
		tree->references = more;
		tree->references_room = room;
	}
	reference = &tree->references[tree->references_count++];
	*reference = (struct tree_reference){.in = in, .place = place};
	snprintf(reference->name, sizeof(reference->name), "%.31s", name);
}

static bool
get_fields(struct tree *tree, struct bytes_in *in, json_t *json)
{
	char name[TEXT_MAX], text[TEXT_MAX];
	uint8_t type;

	while ((type = bytes_u8(in)) != FIELD_END && !in->bad) {
		get_text(in, name);
		name[sizeof(((struct tree_reference *)NULL)->name) - 1] = 0;
		switch ((enum look_field)type) {
		case FIELD_COUNT:
			json_object_set_new(json, name, count_json(bytes_u64(in)));
			break;
		case FIELD_TEXT:
			get_text(in, text);
			json_object_set_new(json, name, text_json(text));
			break;
		case FIELD_TRUTH:
			json_object_set_new(json, name, json_boolean(bytes_u8(in)));
			break;
		case FIELD_DOMAIN:
			refer(tree, json, name, bytes_u32(in));
			break;
		case FIELD_OBJECT: {
			const uint32_t number = bytes_u32(in);

			json_object_set_new(json, name, number == UINT32_MAX ? json_null() : json_integer(number));
			break;
		}
		case FIELD_END:
		default:
			return false;
		}
	}
	return !in->bad;
}

static bool
get_domain(struct tree *tree, struct bytes_in *in)
{
	tree->domain = tree->holder = json_object();
	json_array_append_new(tree->domains, tree->domain);
	json_object_set_new(tree->domain, "path", json_null());
	json_object_set_new(tree->domain, "stack", json_array());
	json_object_set_new(tree->domain, "keys", json_array());
	json_object_set_new(tree->domain, "modules", json_array());
	return get_fields(tree, in, tree->domain);
}

static bool
get_below(struct tree *tree, struct bytes_in *in, json_t *above, const char *list)
{
	json_t *json = json_object();

	if (!above) {
		json_decref(json);
		return false;
	}
	json_array_append_new(json_object_get(above, list), json);
	return get_fields(tree, in, json);
}

static bool
get_instance(struct tree *tree, struct bytes_in *in)
{
	const uint8_t *raw = bytes_take(in, 32);
	char hash[65];

	if (!tree->domain || !raw)
		return false;
	for (unsigned i = 0; i < 32; i++)
		snprintf(hash + 2 * i, 3, "%02x", raw[i]);
	json_array_append_new(json_object_get(tree->domain, "modules"), json_string(hash));
	return true;
}

static bool
get_object(struct tree *tree, struct bytes_in *in)
{
	const uint32_t number = bytes_u32(in);
	json_t *json = json_object();
	char kind[TEXT_MAX];

	tree->holder = json;
	json_array_append_new(tree->objects, json);
	json_object_set_new(json, "keys", json_array());
	json_object_set_new(json, "number", json_integer(number));
	get_text(in, kind);
	json_object_set_new(json, "kind", text_json(kind));
	return get_fields(tree, in, json);
}

bool
tree_entry(struct tree *tree, enum look_tag tag, struct bytes_in *in)
{
	switch (tag) {
	case LOOK_DOMAIN:
		return get_domain(tree, in);
	case LOOK_KEY:
		return get_below(tree, in, tree->holder, "keys");
	case LOOK_FRAME:
		return get_below(tree, in, tree->domain, "stack");
	case LOOK_INSTANCE:
		return get_instance(tree, in);
	case LOOK_OBJECT:
		return get_object(tree, in);
	case LOOK_MODULE:
	case LOOK_IMPORT:
	case LOOK_EXPORT:
	case LOOK_MEMORY:
	case LOOK_MORE:
		break;
	}
	return false;
}

static uint64_t
count_of(const json_t *json, const char *name)
{
	const json_t *value = json_object_get(json, name);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : UINT64_MAX;
}

/* "main/a/b"; the middle of one that is too long is left out. */
static void
set_path(json_t *domain, const char *above)
{
	const char *name = json_text_of(domain, "name");
	char path[PATH_MAX_BYTES + 80];

	if (!above[0])
		snprintf(path, sizeof(path), "%.399s", name);
	else if (strlen(above) + strlen(name) < PATH_MAX_BYTES)
		snprintf(path, sizeof(path), "%.399s/%.63s", above, name);
	else
		snprintf(path, sizeof(path), "../%.60s", name);
	json_object_set_new(domain, "path", json_string(path));
}

/* A parent comes before its children, so its path is there; what says otherwise
 * is no tree of a worker that stands. */
void
tree_tie(struct tree *tree)
{
	const uint32_t count = (uint32_t)json_array_size(tree->domains);

	if (count)
		set_path(json_array_get(tree->domains, 0), "");
	for (uint32_t i = 0; i < tree->references_count; i++) {
		const struct tree_reference *reference = &tree->references[i];

		if (!strcmp(reference->name, "parent") && reference->place < count)
			set_path(reference->in, json_text_of(json_array_get(tree->domains, reference->place), "path"));
	}
	for (uint32_t i = 0; i < count; i++) {
		json_t *domain = json_array_get(tree->domains, i);

		if (json_is_null(json_object_get(domain, "path")))
			set_path(domain, "");
	}
	for (uint32_t i = 0; i < tree->references_count; i++) {
		const struct tree_reference *reference = &tree->references[i];

		if (reference->place < count)
			json_object_set_new(reference->in, reference->name,
				json_string(json_text_of(json_array_get(tree->domains, reference->place), "path")));
	}
}

/* --- text ---------------------------------------------------------------------------- */

static const char *
amount(const json_t *json, const char *name, const char *none, char text[static UNITS_TEXT_MAX])
{
	const uint64_t count = count_of(json, name);

	return count == UINT64_MAX ? none : units_group(count, text);
}

/* Why it stopped, or what it does. */
static const char *
how(const json_t *domain)
{
	const char *stop = json_text_of(domain, "stop");

	return !strcmp(json_text_of(domain, "state"), "stopped") && stop[0] ? stop : json_text_of(domain, "state");
}

static bool
is_true(const json_t *json, const char *name)
{
	return json_is_true(json_object_get(json, name));
}

static const json_t *
object_of(const struct tree *tree, uint64_t number)
{
	const json_t *at;
	size_t i;

	json_array_foreach(tree->objects, i, at)
		if (count_of(at, "number") == number)
			return at;
	return NULL;
}

static void
print_key(const struct tree *tree, const json_t *key, int indent)
{
	const char *domain = json_text_of(key, "domain"), *name = json_text_of(key, "name");
	const uint64_t number = count_of(key, "object"), badge = count_of(key, "badge");
	const json_t *object = number == UINT64_MAX ? NULL : object_of(tree, number);

	printf("%*s  key     %-3llu %-9s", indent, "", (unsigned long long)count_of(key, "slot"),
		json_text_of(key, "kind"));
	if (name[0])
		printf(" %s  %s", name, json_text_of(key, "spec"));
	if (json_text_of(key, "path")[0])
		printf(" at %s", json_text_of(key, "path"));
	if (domain[0])
		printf(" -> %s", domain);
	if (object && is_true(object, "part")) /* a domain's own line or bank */
		printf(" of %s", json_text_of(object, "owner"));
	else if (number != UINT64_MAX)
		printf(" -> %llu", (unsigned long long)number);
	if (json_text_of(key, "rights")[0])
		printf("  [%s]", json_text_of(key, "rights"));
	if (badge && badge != UINT64_MAX)
		printf("  badge %llu", (unsigned long long)badge);
	if (count_of(key, "uses_left") != UINT64_MAX)
		printf("  %llu uses left", (unsigned long long)count_of(key, "uses_left"));
	if (count_of(key, "bytes_left") != UINT64_MAX)
		printf("  %llu bytes left", (unsigned long long)count_of(key, "bytes_left"));
	printf("%s%s%s\n", is_true(key, "sense") ? "  sense" : "", is_true(key, "cut") ? "  cut" : "",
		is_true(key, "hole") ? "  (a hole: hand it over)" : "");
}

static void
print_domain(const struct tree *tree, const json_t *domain)
{
	const int indent = 2 * (int)(count_of(domain, "depth") & 63);
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];
	const uint64_t storage_limit = count_of(domain, "storage_limit");
	const char *wait = json_text_of(domain, "wait");
	const json_t *at;
	size_t i;

	printf("%*s%s: %s%s%s; gas %s used, %s left;", indent, "", json_text_of(domain, "path"), how(domain),
		wait[0] ? " for " : "", wait, amount(domain, "gas_used", "?", a),
		amount(domain, "gas_left", "no limit", b));
	printf(" storage %s of %s\n", amount(domain, "storage", "?", a),
		storage_limit == UINT64_MAX ? "no limit" : units_say_bytes(storage_limit, limit));
	json_array_foreach(json_object_get(domain, "stack"), i, at)
		printf("%*s  at      func[%llu] %s @0x%llx\n", indent, "",
			(unsigned long long)count_of(at, "index"), json_text_of(at, "func"),
			(unsigned long long)count_of(at, "offset"));
	if (count_of(domain, "gas_reserve") || count_of(domain, "gas_rent"))
		printf("%*s  line    reserve %s, rent %s\n", indent, "", amount(domain, "gas_reserve", "?", a),
			amount(domain, "gas_rent", "?", b));
	printf("%*s  bank    %s of its own, %s at most so far\n", indent, "",
		amount(domain, "storage_own", "?", a), amount(domain, "storage_peak", "?", b));
	if (json_text_of(domain, "runs")[0])
		printf("%*s  runs    %s\n", indent, "", json_text_of(domain, "runs"));
	if (json_text_of(domain, "callee")[0])
		printf("%*s  awaits  %s\n", indent, "", json_text_of(domain, "callee"));
	if (json_text_of(domain, "keeper")[0])
		printf("%*s  keeper  %s %s\n", indent, "", json_text_of(domain, "keeper"),
			json_text_of(domain, "keeper_domain"));
	json_array_foreach(json_object_get(domain, "keys"), i, at)
		print_key(tree, at, indent);
}

/* Whatever fields its kind has, by their names. */
static void
print_object(const struct tree *tree, const json_t *object)
{
	const char *name;
	json_t *value;
	size_t i;

	printf("  object  %llu %s", (unsigned long long)count_of(object, "number"), json_text_of(object, "kind"));
	json_object_foreach((json_t *)(uintptr_t)object, name, value) {
		if (!strcmp(name, "number") || !strcmp(name, "kind") || !strcmp(name, "part"))
			continue;
		if (json_is_integer(value))
			printf("; %s %lld", name, (long long)json_integer_value(value));
		else if (json_is_true(value))
			printf("; %s", name);
		else if (json_is_string(value) && json_string_value(value)[0])
			printf("; %s %s", name, json_string_value(value));
	}
	printf("\n");
	json_array_foreach(json_object_get(object, "keys"), i, value)
		print_key(tree, value, 2);
}

void
tree_print(const struct tree *tree)
{
	const json_t *at;
	size_t i;

	json_array_foreach(tree->domains, i, at)
		print_domain(tree, at);
	json_array_foreach(tree->objects, i, at)
		if (!is_true(at, "part")) /* a domain's own line and bank stand with it */
			print_object(tree, at);
	if (tree->keys_more)
		printf("  ..      and %u more keys\n", tree->keys_more);
	if (tree->domains_more)
		printf("  ..      and %u more domains\n", tree->domains_more);
	if (tree->objects_more)
		printf("  ..      and %u more objects\n", tree->objects_more);
}

/* --- Graphviz ------------------------------------------------------------------------- */

/* Inside "..": '"' and '\' are escaped. */
static void
put_dot(const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

static void
dot_domain(const json_t *domain, size_t place)
{
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];
	const json_t *top = json_array_get(json_object_get(domain, "stack"), 0);
	const uint64_t limit = count_of(domain, "storage_limit");

	printf("\td%zu [shape=box style=\"rounded,filled\" fillcolor=\"%s\" label=\"", place,
		!strcmp(json_text_of(domain, "state"), "stopped") ? "#eeeeee" : "#e2f0d9");
	put_dot(json_text_of(domain, "name"));
	printf("\\n%s", how(domain));
	if (top)
		printf(" in ");
	put_dot(top ? json_text_of(top, "func") : "");
	printf("\\ngas %s used, %s left", amount(domain, "gas_used", "?", a),
		amount(domain, "gas_left", "no limit", b));
	printf("\\nstorage %s of %s\"];\n", amount(domain, "storage", "?", a),
		limit == UINT64_MAX ? "no limit" : units_say_bytes(limit, b));
}

static size_t
place_of(const struct tree *tree, const char *path)
{
	const json_t *at;
	size_t i;

	json_array_foreach(tree->domains, i, at)
		if (!strcmp(json_text_of(at, "path"), path))
			return i;
	return SIZE_MAX;
}

/* A key is an edge: to a domain, to an object that stands alone, or to a note for
 * what is the host's. Keys to one's own parts would only be in the way. */
static void
dot_key(const struct tree *tree, const json_t *key, char holder, uint64_t from, size_t index)
{
	const char *domain = json_text_of(key, "domain"), *name = json_text_of(key, "name");
	const uint64_t number = count_of(key, "object");
	const json_t *object = number == UINT64_MAX ? NULL : object_of(tree, number);
	const char *owner = object ? json_text_of(object, "owner") : "";
	size_t to = domain[0] ? place_of(tree, domain) : SIZE_MAX;

	if (object && is_true(object, "part"))
		to = place_of(tree, owner);
	if ((to == from && holder == 'd') || (to == SIZE_MAX && !object && !name[0]))
		return;
	printf("\t%c%llu -> ", holder, (unsigned long long)from);
	if (to != SIZE_MAX)
		printf("d%zu", to);
	else if (object)
		printf("o%llu", (unsigned long long)number);
	else
		printf("\"r%c%llu.%zu\"", holder, (unsigned long long)from, index);
	printf(" [style=dashed constraint=%s color=\"%s\" label=\"%llu %s\"];\n", name[0] ? "true" : "false",
		is_true(key, "cut") || is_true(key, "hole") ? "#c00000" : "#2f5597",
		(unsigned long long)count_of(key, "slot"), json_text_of(key, "kind"));
	if (!name[0])
		return;
	printf("\t\"r%c%llu.%zu\" [shape=note fontsize=9 label=\"", holder, (unsigned long long)from, index);
	put_dot(name);
	printf("\\n");
	put_dot(json_text_of(key, "spec"));
	printf("%s\"];\n", is_true(key, "hole") ? "\\n(a hole)" : "");
}

void
tree_dot(const struct tree *tree, const char *file)
{
	const json_t *at, *key;
	size_t i, j;

	printf("// made by: keyhold inspect --dot ");
	for (const char *c = file; *c; c++)
		putchar((unsigned char)*c < ' ' ? '?' : *c);
	printf("\ndigraph image {\n\tgraph [rankdir=TB fontname=\"sans-serif\"];\n"
	       "\tnode [fontname=\"sans-serif\" fontsize=10];\n"
	       "\tedge [fontname=\"sans-serif\" fontsize=9];\n");
	json_array_foreach(tree->domains, i, at)
		dot_domain(at, i);
	json_array_foreach(tree->objects, i, at)
		if (!is_true(at, "part"))
			printf("\to%llu [shape=ellipse fontsize=9 label=\"%s %llu\"];\n",
				(unsigned long long)count_of(at, "number"), json_text_of(at, "kind"),
				(unsigned long long)count_of(at, "number"));
	json_array_foreach(tree->domains, i, at) {
		const char *above = json_text_of(at, "parent");
		const size_t parent = above[0] ? place_of(tree, above) : SIZE_MAX;

		if (parent != SIZE_MAX)
			printf("\td%zu -> d%zu [arrowhead=none penwidth=2];\n", parent, i);
		json_array_foreach(json_object_get(at, "keys"), j, key)
			dot_key(tree, key, 'd', i, j);
	}
	json_array_foreach(tree->objects, i, at)
		json_array_foreach(json_object_get(at, "keys"), j, key)
			dot_key(tree, key, 'o', count_of(at, "number"), j);
	printf("}\n");
}
