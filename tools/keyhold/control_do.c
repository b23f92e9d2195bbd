/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/keyhold/carry.h"
#include "tools/keyhold/control.h"
#include "tools/keyhold/units.h"

/* One request while it is looked at. */
struct request {
	struct control *control;
	struct client *client;
	const json_t *json;
	json_t *id;
	const char *verb;
	int fd; /* that came with it; -1: none, or taken */
};

enum field {
	WORLD = 1 << 0, DOMAIN = 1 << 1, KEY = 1 << 2, SPEC = 1 << 3, AS = 1 << 4, FOR = 1 << 5,
	USES = 1 << 6, GAS = 1 << 7, MEM = 1 << 8, FD = 1 << 9, NAME = 1 << 10,
};

static const struct {
	const char *name;
	enum field field;
} fields[] = {
	{"world", WORLD}, {"domain", DOMAIN}, {"key", KEY}, {"spec", SPEC}, {"as", AS}, {"for", FOR},
	{"uses", USES}, {"gas", GAS}, {"mem", MEM}, {"fd", FD}, {"name", NAME},
};

/* --- refusals ----------------------------------------------------------------------- */

static bool
refuse(struct request *request, const char *code, const char *key, const char *why,
	const char *allow)
{
	char what[128];

	(void)snprintf(what, sizeof(what), "%s", request->verb);
	control_refuse(request->client, request->id,
		&(struct control_error){code, what, key, why, NULL, allow});
	return false;
}

static const char *
text_of(const struct request *request, const char *field)
{
	return json_string_value(json_object_get(request->json, field));
}

/* --- work for the worker ------------------------------------------------------------- */

void
work_free(struct work *work)
{
	for (unsigned i = 0; i < sizeof(work->texts) / sizeof(*work->texts); i++)
		free(work->texts[i]);
	json_decref(work->id);
	free(work);
}

void
work_push(struct control *control, struct work *work)
{
	if (control->last)
		control->last->next = work;
	else
		control->first = work;
	control->last = work;
}

struct work *
work_pop(struct control *control)
{
	struct work *work = control->first;

	if (!work)
		return NULL;
	control->first = work->next;
	if (!control->first)
		control->last = NULL;
	return work;
}

static struct work *
work_new(struct request *request, enum order_do what, const char *domain, const char *name,
	const char *spec, const char *path)
{
	const char *const from[] = {domain, name, spec, path};
	struct work *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	work->client = request->client;
	work->id = json_incref(request->id);
	for (unsigned i = 0; i < 4; i++)
		if (from[i] && !(work->texts[i] = strdup(from[i]))) {
			work_free(work);
			return NULL;
		}
	work->order = (struct order){.what = what, .domain = work->texts[0], .name = work->texts[1],
		.spec = work->texts[2], .path = work->texts[3], .uses = UINT64_MAX, .bytes = UINT64_MAX,
		.rate = UINT64_MAX};
	return work;
}

static bool
work_add(struct request *request, struct work *work)
{
	if (!work)
		return refuse(request, "fault", NULL, "no memory", NULL);
	work_push(request->control, work);
	control_next(request->control);
	return true;
}

int
control_give(struct broker *broker, const struct order *order)
{
	struct carry_memory to;
	int r;

	carry_memory_begin(&to);
	order_write(order, &to.sink);
	r = carry_memory_end(&to);
	if (!r)
		r = broker_order(broker, to.bytes, to.count);
	free(to.bytes);
	return r;
}

/* An order that cannot be given is answered as if the worker had no memory for it;
 * a worker that takes no replies now will have answered soon. */
void
control_next(struct control *control)
{
	while (control->first && !broker_order_is_out(control->launch->broker)) {
		struct work *work = control->first;
		const int r = control_give(control->launch->broker, &work->order);

		if (!r)
			return;
		(void)work_pop(control);
		control_tell(control, work, NULL, 0);
		work_free(work);
	}
}

void
control_gone(struct control *control, struct client *client)
{
	for (struct work *work = control->first; work; work = work->next)
		if (work->client == client)
			work->client = NULL;
}

/* --- what is asked ------------------------------------------------------------------------ */

static bool
do_hello(struct request *request)
{
	control_answer(request->client, request->id, json_pack("{s:s, s:i, s:s, s:i}", "world",
		request->control->world, "version", CONTROL_VERSION, "program",
		request->control->launch->program, "pid", (int)getpid()));
	return false;
}

static bool
do_look(struct request *request)
{
	return work_add(request, work_new(request, DO_LOOK, NULL, NULL, NULL, NULL));
}

static bool
do_keys(struct request *request)
{
	return work_add(request, work_new(request, DO_KEYS, NULL, NULL, NULL, NULL));
}

static bool
do_why(struct request *request)
{
	return work_add(request, work_new(request, DO_WHY, text_of(request, "domain"), NULL, NULL, NULL));
}

static bool
on_domain(struct request *request, enum order_do what)
{
	return work_add(request, work_new(request, what, text_of(request, "domain"), NULL, NULL, NULL));
}

static bool
do_freeze(struct request *request)
{
	return on_domain(request, DO_PAUSE);
}

static bool
do_thaw(struct request *request)
{
	return on_domain(request, DO_RESUME);
}

/* The whole ends as by a signal: it tells how far it came. */
static bool
do_end(struct request *request)
{
	if (strcmp(text_of(request, "domain"), "main"))
		return on_domain(request, DO_END);
	control_answer(request->client, request->id, json_pack("{s:s}", "ends", "main"));
	launch_end(request->control->launch);
	return false;
}

/* "+5M": so much more; "5M": so much from now on. */
static bool
amount(struct request *request, const char *field,
	int (*read)(const char *, struct report *, uint64_t *), bool *ret_more, uint64_t *ret_amount)
{
	const char *text = text_of(request, field);
	struct report report = {.offset = UINT64_MAX};
	char why[320];

	*ret_more = ret_more && text[0] == '+';
	if (!read(text + *ret_more, &report, ret_amount))
		return true;
	(void)snprintf(why, sizeof(why), "%s %s", field, report.text);
	return refuse(request, "bad-field", NULL, why, NULL);
}

static bool
do_limit(struct request *request)
{
	struct order limits = {0};
	struct work *work;
	bool more, no_more = false;

	if (!text_of(request, "gas") && !text_of(request, "mem"))
		return refuse(request, "bad-field", NULL, "neither gas nor mem is named",
			"gas=+5M, gas=5M or mem=64M");
	if (text_of(request, "gas")) {
		if (!amount(request, "gas", units_gas, &more, &limits.gas))
			return false;
		limits.flags |= more ? DO_GAS_MORE : DO_GAS;
	}
	if (text_of(request, "mem")) {
		if (!amount(request, "mem", units_bytes, &no_more, &limits.mem))
			return false;
		limits.flags |= DO_MEM;
	}
	work = work_new(request, DO_LIMIT, text_of(request, "domain"), NULL, NULL, NULL);
	if (work) {
		work->order.flags = limits.flags;
		work->order.gas = limits.gas;
		work->order.mem = limits.mem;
	}
	return work_add(request, work);
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool
do_revoke(struct request *request)
{
	const char *text = text_of(request, "key");
	struct live_key *key = key_find(request->control, text);
	struct work *work;

	if (!key)
		return refuse(request, "no-key", text, "no key of the host's is called that",
			"as the command keys prints them: main:/data");
	if (key->state != LIVE)
		return refuse(request, "gone", text,
			key->state == LIVE_REVOKED ? "it was revoked already" : "its time was over already", NULL);
	work = work_new(request, DO_CUT, NULL, key->name, NULL, NULL);
	if (!work)
		return refuse(request, "fault", text, "no memory", NULL);
	key_cut(request->control, key, LIVE_REVOKED); /* at once: the world hears of it in its turn */
	return work_add(request, work);
}

/* What the request weakens besides its spec. */
static bool
weaken(struct request *request, struct keyspec *spec)
{
	const char *as = text_of(request, "as");
	const json_t *uses = json_object_get(request->json, "uses");
	bool no_more = false;

	if (text_of(request, "for") &&
		!amount(request, "for", units_duration, &no_more, &spec->for_ns))
		return false;
	if (uses && (!json_is_integer(uses) || json_integer_value(uses) < 1))
		return refuse(request, "bad-field", NULL, "uses is a number, at least 1", NULL);
	if (uses)
		spec->uses = (uint64_t)json_integer_value(uses);
	if (as) {
		free(spec->as);
		spec->as = strdup(as);
	}
	return true;
}

/* The spec as a key, with the descriptor that came for it. */
static bool
key_of(struct request *request, struct launch_key *key, struct report *report)
{
	const char *text = text_of(request, "spec");
	struct keyspec spec;
	bool good;

	if (keyspec_parse(text, report, &spec))
		return refuse(request, "bad-spec", NULL, report->text[0] ? report->text : "no memory", NULL);
	good = weaken(request, &spec);
	if (hostkey_init(key, &spec))
		return good && refuse(request, "fault", NULL, "no memory", NULL);
	if (!good)
		return false;
	if (key->role != ROLE_MOUNT && key->role != ROLE_NET)
		return refuse(request, "bad-spec", key->text, "it has no name in the guest: it is given at the "
			"start", "keyhold run --key SPEC");
	if (key->role == ROLE_NET && spec.kind != KEYSPEC_LISTEN && request->fd >= 0)
		return refuse(request, "bad-spec", key->text, "no descriptor is taken for it: each connection "
			"is made when the program asks", NULL);
	if (key->role == ROLE_NET && request->fd < 0)
		return true;
	if (request->fd < 0)
		return refuse(request, "no-descriptor", key->text, "whoever asks opens it, and sends the "
			"descriptor with the request", "keyhold grant does");
	if (hostkey_adopt(key, request->fd, report))
		good = refuse(request, "bad-spec", key->text, report->text, NULL);
	request->fd = -1;
	return good;
}

static bool
grant_key(struct request *request, struct launch_key *key, struct report *report)
{
	struct control *control = request->control;
	const struct live_key *before = key_named(control, key->name);
	const uint32_t how = (control->launch->clock_real ? HOSTKEY_TIMES : 0) |
		(options_has(control->launch->options, OPTION_ALLOW_PRIVATE) ? HOSTKEY_PRIVATE : 0);
	struct start_root root;
	struct work *work;

	if (before && before->state == LIVE)
		return refuse(request, "taken", key->name, "another key has this name, and is not revoked",
			"give it a name of its own: NAME=SPEC");
	work = work_new(request, DO_GRANT, text_of(request, "domain"), key->name, key->text,
		keyspec_guest_path(&key->spec));
	if (!work)
		return refuse(request, "fault", key->name, "no memory", NULL);
	if (hostkey_grant(control->launch->broker, key, how, report, &root)) {
		work_free(work);
		return refuse(request, "cannot", key->name, report->text, NULL);
	}
	work->grant = root.root.number;
	work->is_network = keyspec_is_network(&key->spec);
	work->for_ns = key->spec.for_ns == KEYSPEC_NO_LIMIT ? 0 : key->spec.for_ns;
	work->order.kind = root.root.kind;
	work->order.rights = root.root.rights;
	work->order.key_flags = root.root.flags;
	work->order.handle = root.root.handle;
	work->order.number = root.root.number;
	work->order.seed = root.root.seed;
	work->order.uses = key->spec.uses;
	work->order.bytes = key->spec.bytes;
	work->order.rate = key->spec.rate;
	return work_add(request, work);
}

static bool
do_grant(struct request *request)
{
	struct report report = {.offset = UINT64_MAX};
	struct launch_key key = {.fd = -1};
	const bool later = key_of(request, &key, &report) && grant_key(request, &key, &report);

	hostkey_done(&key);
	return later;
}

/* --- images ----------------------------------------------------------------------------------- */

static bool
stream(struct request *request, uint32_t rights, struct broker_grant *ret_grant)
{
	struct report report = {.offset = UINT64_MAX};
	const int fd = request->fd;

	if (fd < 0)
		return refuse(request, "no-descriptor", NULL, "whoever asks opens the file, and sends the "
			"descriptor with the request", "keyhold snapshot and restore do");
	request->fd = -1;
	if (broker_grant_stream(request->control->launch->broker, fd, rights, &report, ret_grant))
		return refuse(request, "cannot", NULL, report.text, NULL);
	return true;
}

static bool
do_snapshot(struct request *request)
{
	struct broker_grant grant;
	struct work *work;

	if (!stream(request, BROKER_WRITE, &grant))
		return false;
	work = work_new(request, DO_SNAPSHOT, text_of(request, "domain"), NULL, NULL, NULL);
	if (work) {
		work->grant = grant.id;
		work->order.handle = grant.handle;
	}
	return work_add(request, work);
}

static bool
do_restore(struct request *request)
{
	const char *domain = text_of(request, "domain"), *name = text_of(request, "name");
	struct broker_grant grant;
	struct stat stat_now;
	struct work *work;

	if (request->fd >= 0 && (fstat(request->fd, &stat_now) || !S_ISREG(stat_now.st_mode)))
		return refuse(request, "cannot", NULL, "an image is read from a regular file", NULL);
	if (name && (!*name || strlen(name) >= DOMAIN_NAME_BYTES || strpbrk(name, "/#:")))
		return refuse(request, "bad-field", NULL, "a domain's name has 1 to 31 bytes, none of them / # :",
			NULL);
	if (!stream(request, BROKER_READ, &grant))
		return false;
	work = work_new(request, DO_RESTORE, domain, name, NULL, NULL);
	if (work) {
		work->grant = grant.id;
		work->order.handle = grant.handle;
		work->order.stream_bytes = (uint64_t)stat_now.st_size;
	}
	return work_add(request, work);
}

/* --- requests ------------------------------------------------------------------------------------ */

static const struct verb {
	const char *name;
	uint32_t needs, takes; /* enum field */
	bool (*go)(struct request *request); /* true: it is answered later */
} verbs[] = {
	{"hello", 0, 0, do_hello},
	{"ps", 0, 0, do_look},
	{"keys", 0, 0, do_keys},
	{"why", 0, DOMAIN, do_why},
	{"grant", DOMAIN | SPEC, AS | FOR | USES | FD, do_grant},
	{"revoke", KEY, 0, do_revoke},
	{"limit", DOMAIN, GAS | MEM, do_limit},
	{"freeze", DOMAIN, 0, do_freeze},
	{"thaw", DOMAIN, 0, do_thaw},
	{"snapshot", DOMAIN, FD, do_snapshot},
	{"restore", 0, DOMAIN | NAME | FD, do_restore},
	{"end", DOMAIN, 0, do_end},
};

static enum field
field_of(const char *name)
{
	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!strcmp(fields[i].name, name))
			return fields[i].field;
	return 0;
}

/* Each is there that must be, none that may not, and texts are texts. */
static bool
check_fields(struct request *request, const struct verb *verb)
{
	uint32_t seen = 0;
	const char *name;
	json_t *value;
	char why[160];

	json_object_foreach((json_t *)(uintptr_t)request->json, name, value) {
		const enum field field = field_of(name);

		if (!strcmp(name, "v") || !strcmp(name, "id") || !strcmp(name, "do"))
			continue;
		if (!field || !((verb->needs | verb->takes | WORLD) & field)) {
			(void)snprintf(why, sizeof(why), "it has a field \"%.64s\", which it does not take", name);
			return refuse(request, "bad-field", NULL, why, NULL);
		}
		if (field == FD ? !json_is_boolean(value) : field != USES && !json_is_string(value)) {
			(void)snprintf(why, sizeof(why), "its field \"%s\" is no %s", name,
				field == FD ? "truth value" : "text");
			return refuse(request, "bad-field", NULL, why, NULL);
		}
		if (json_is_string(value) && (json_string_length(value) > ORDER_TEXT_MAX ||
			strlen(json_string_value(value)) != json_string_length(value))) {
			(void)snprintf(why, sizeof(why), "its field \"%s\" is longer than %d bytes, or has a zero byte",
				name, ORDER_TEXT_MAX);
			return refuse(request, "bad-field", NULL, why, NULL);
		}
		seen |= field;
	}
	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (verb->needs & fields[i].field & ~seen) {
			(void)snprintf(why, sizeof(why), "it has no field \"%s\"", fields[i].name);
			return refuse(request, "bad-field", NULL, why, NULL);
		}
	return true;
}

static bool
go(struct request *request)
{
	const char *world = text_of(request, "world");
	const json_t *version = json_object_get(request->json, "v");

	if (version && json_integer_value(version) != CONTROL_VERSION)
		return refuse(request, "version", NULL, "this program speaks version 1", NULL);
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(verbs[i].name, request->verb))
			continue;
		if (!check_fields(request, &verbs[i]))
			return false;
		if (world && strcmp(world, request->control->world))
			return refuse(request, "no-world", NULL, "no world of that name is run here",
				request->control->world);
		if (json_is_true(json_object_get(request->json, "fd"))) {
			request->fd = control_fd(request->client);
			if (request->fd < 0)
				return refuse(request, "no-descriptor", NULL, "it says that a descriptor comes with "
					"it, and none did", NULL);
		}
		return verbs[i].go(request);
	}
	return refuse(request, "no-such", NULL, "nothing is called that", "hello ps keys why grant revoke "
		"limit freeze thaw snapshot restore end");
}

bool
control_do(struct control *control, struct client *client, const char *line, size_t bytes)
{
	json_error_t error;
	json_t *json = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
	struct request request = {.control = control, .client = client, .json = json, .fd = -1,
		.verb = "request"};
	bool later;

	if (!json_is_object(json)) {
		char why[sizeof(error.text) + 40];

		(void)snprintf(why, sizeof(why), json ? "it is no object" : "%s (column %d)", error.text,
			error.column);
		later = refuse(&request, "bad-json", NULL, why, NULL);
	} else {
		request.id = json_object_get(json, "id");
		if (json_is_string(json_object_get(json, "do")))
			request.verb = text_of(&request, "do");
		later = go(&request);
	}
	if (request.fd >= 0)
		(void)close(request.fd);
	json_decref(json);
	return later;
}
