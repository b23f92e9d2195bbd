/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/keyhold/commands.h"
#include "tools/keyhold/files.h"
#include "tools/keyhold/hostkey.h"
#include "tools/keyhold/json.h"
#include "tools/keyhold/say.h"

/* --- the connection -------------------------------------------------------------------- */

static int
no_program(const char *path, int error)
{
	say_error("--control %s: %s", path, error == ECONNREFUSED
		? "no program listens there any more" : strerror(error));
	say_more("start one that does: keyhold run --control %s FILE", path);
	return EXIT_NO_FILE;
}

static int
reach(struct remote *remote, const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	remote->path = path;
	if (strlen(path) >= sizeof(name.sun_path))
		return no_program(path, ENAMETOOLONG);
	memcpy(name.sun_path, path, strlen(path));
	remote->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (remote->fd < 0 || connect(remote->fd, (const struct sockaddr *)&name, sizeof(name)))
		return no_program(path, errno);
	remote->in = fdopen(remote->fd, "r");
	return remote->in ? 0 : no_program(path, errno);
}

/* The descriptor goes with the first byte. */
static int
send_line(int to, const char *line, size_t bytes, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec from = {(void *)(uintptr_t)line, bytes};
	struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
	struct cmsghdr *rights;
	size_t at = 0;

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	while (at < bytes) {
		const ssize_t n = sendmsg(to, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
		from = (struct iovec){(char *)(uintptr_t)line + at, bytes - at};
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return 0;
}

static int
status_of(const char *code)
{
	static const struct {
		const char *begins;
		int status;
	} rows[] = {
		{"bad", EXIT_USAGE}, {"no-such", EXIT_USAGE}, {"version", EXIT_USAGE}, {"too-long", EXIT_USAGE},
		{"no-d", EXIT_NO_FILE}, {"no-key", EXIT_NO_FILE}, {"no-world", EXIT_NO_FILE},
		{"gone", EXIT_NO_FILE}, {"ended", EXIT_NO_FILE}, {"not-yours", EXIT_NO_KEY},
		{"taken", EXIT_NO_KEY}, {"no-room", EXIT_KILLED}, {"fault", EXIT_FAULT},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strncmp(code, rows[i].begins, strlen(rows[i].begins)))
			return rows[i].status;
	return EXIT_IO;
}

static int
say_refusal(const json_t *error)
{
	const char *key = json_text_of(error, "key"), *allow = json_text_of(error, "allow");
	char why[1024];

	say_safe(json_text_of(error, "why"), strlen(json_text_of(error, "why")), why, sizeof(why));
	say_error("%s%s%s: %s", json_text_of(error, "what"), *key ? " " : "", key, why);
	if (*json_text_of(error, "saw"))
		say_more("saw    %s", json_text_of(error, "saw"));
	if (*allow)
		say_more("allow  %s", allow);
	return status_of(json_text_of(error, "code"));
}

static json_t *
hear(struct remote *remote, int *ret_status)
{
	char *line = NULL;
	size_t room = 0;
	const ssize_t bytes = getline(&line, &room, remote->in);
	json_t *json = bytes > 0 ? json_loadb(line, (size_t)bytes, 0, NULL) : NULL;
	json_t *ok = json_object_get(json, "ok");

	free(line);
	if (json_object_get(json, "error")) {
		*ret_status = say_refusal(json_object_get(json, "error"));
	} else if (!ok) {
		*ret_status = EXIT_NO_FILE;
		say_error("--control %s: the program ended before it answered", remote->path);
	}
	json_incref(ok);
	json_decref(json);
	return ok;
}

json_t *
remote_ask(struct remote *remote, json_t *request, int fd, int *ret_status)
{
	char *line = json_dumps(request, JSON_COMPACT);
	const size_t bytes = line ? strlen(line) : 0;
	int r = line ? 0 : -ENOMEM;

	json_decref(request);
	if (!r) {
		line[bytes] = '\n';
		r = send_line(remote->fd, line, bytes + 1, fd);
	}
	free(line);
	/* A server that turned us away said why before it hung up. */
	if (r && r != -EPIPE && r != -ECONNRESET) {
		*ret_status = no_program(remote->path, -r);
		return NULL;
	}
	return hear(remote, ret_status);
}

/* --- requests --------------------------------------------------------------------------- */

static json_t *
request_new(const char *verb)
{
	return json_pack("{s:i, s:i, s:s}", "v", 1, "id", 1, "do", verb);
}

static void
set(json_t *request, const char *name, const char *value)
{
	if (value)
		json_object_set_new(request, name, json_string(value));
}

static int
usage(enum command command, bool too_many)
{
	if (too_many)
		say_error("%s is given too much: keyhold %s %s", command_rows[command].text,
			command_rows[command].text, command_rows[command].usage);
	else
		say_error("%s what? keyhold %s %s", command_rows[command].text, command_rows[command].text,
		command_rows[command].usage);
	return EXIT_USAGE;
}

/* What is to be granted is opened here, as whoever asks. */
static int
fill_grant(const struct options *options, json_t *request, int *ret_fd)
{
	const char *uses = options_value(options, OPTION_USES);
	struct report report = {.offset = UINT64_MAX};
	struct launch_key key;
	struct keyspec spec;
	char *end = NULL;
	int r;

	if (keyspec_parse(options->rest[1], &report, &spec)) {
		say_error("%s", report.text[0] ? report.text : "no memory");
		return EXIT_USAGE;
	}
	set(request, "domain", options->rest[0]);
	set(request, "spec", options->rest[1]);
	set(request, "as", options_value(options, OPTION_AS));
	set(request, "for", options_value(options, OPTION_FOR));
	if (uses) {
		json_object_set_new(request, "uses", json_integer(strtoll(uses, &end, 10)));
		if (*end || !*uses) {
			say_error("--uses %s: a number is meant", uses);
			keyspec_done(&spec);
			return EXIT_USAGE;
		}
	}
	r = hostkey_init(&key, &spec) ? -ENOMEM : 0;
	if (!r)
		r = hostkey_send(&key, &report);
	if (r)
		say_error("%.*s", (int)strcspn(report.text, "\n"), report.text);
	*ret_fd = key.fd;
	key.fd = -1;
	hostkey_done(&key);
	return r ? EXIT_NO_FILE : 0;
}

/* gas=+5M, mem=64M, in any order. */
static int
fill_limit(const struct options *options, json_t *request)
{
	set(request, "domain", options->rest[0]);
	for (int i = 1; i < options->rest_count; i++) {
		const char *word = options->rest[i];

		if (strncmp(word, "gas=", 4) && strncmp(word, "mem=", 4)) {
			say_error("limit %s: gas=N, gas=+N or mem=N", word);
			return EXIT_USAGE;
		}
		if (json_object_get(request, word[0] == 'g' ? "gas" : "mem")) {
			say_error("limit %s: it is given twice", word);
			return EXIT_USAGE;
		}
		set(request, word[0] == 'g' ? "gas" : "mem", word + 4);
	}
	return 0;
}

static int
fill_snapshot(const struct options *options, json_t *request, struct new_file *file, int *ret_fd)
{
	struct report report = {.offset = UINT64_MAX};

	set(request, "domain", options->rest[0]);
	if (new_file_open(file, options->rest[1], &report)) {
		say_error("snapshot %s", report.text);
		return EXIT_NO_FILE;
	}
	if (!strcmp(options->rest[1], "-") && isatty(file->fd)) {
		say_error("standard output is a terminal; an image is no text: name a file");
		return EXIT_USAGE;
	}
	*ret_fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 3);
	return *ret_fd < 0 ? EXIT_FAULT : 0;
}

static int
fill_restore(const struct options *options, json_t *request, int *ret_fd)
{
	struct report report = {.offset = UINT64_MAX};

	set(request, "domain", options_value(options, OPTION_UNDER));
	set(request, "name", options_value(options, OPTION_AS));
	if (!file_open(options->rest[0], O_RDONLY, &report, ret_fd))
		return 0;
	say_error("restore %s", report.text);
	return EXIT_NO_FILE;
}

static int
fill(const struct options *options, json_t *request, struct new_file *file, int *ret_fd)
{
	switch (options->command) {
	case COMMAND_GRANT:
		return fill_grant(options, request, ret_fd);
	case COMMAND_LIMIT:
		return fill_limit(options, request);
	case COMMAND_SNAPSHOT:
		return fill_snapshot(options, request, file, ret_fd);
	case COMMAND_RESTORE:
		return fill_restore(options, request, ret_fd);
	case COMMAND_REVOKE:
		set(request, "key", options->rest[0]);
		return 0;
	default:
		if (options->rest_count)
			set(request, "domain", options->rest[0]);
		return 0;
	}
}

/* How many operands it takes. */
static const struct arity {
	enum command command;
	int least, most;
	const char *verb;
} arities[] = {
	{COMMAND_PS, 0, 0, "ps"}, {COMMAND_TREE, 0, 0, "ps"}, {COMMAND_TOP, 0, 0, "ps"},
	{COMMAND_KEYS, 0, 0, "keys"}, {COMMAND_WHY, 0, 1, "why"}, {COMMAND_GRANT, 2, 2, "grant"},
	{COMMAND_REVOKE, 1, 1, "revoke"}, {COMMAND_LIMIT, 2, 3, "limit"},
	{COMMAND_FREEZE, 1, 1, "freeze"}, {COMMAND_THAW, 1, 1, "thaw"},
	{COMMAND_SNAPSHOT, 2, 2, "snapshot"}, {COMMAND_RESTORE, 1, 1, "restore"},
	{COMMAND_END, 1, 1, "end"},
};

static int
ask_and_say(const struct options *options, struct remote *remote, const struct arity *arity)
{
	struct new_file file = {.fd = -1};
	struct report report = {.offset = UINT64_MAX};
	json_t *request = request_new(arity->verb), *ok = NULL;
	int fd = -1, status = fill(options, request, &file, &fd);

	if (!status) {
		if (fd >= 0)
			json_object_set_new(request, "fd", json_true());
		ok = remote_ask(remote, json_incref(request), fd, &status);
	}
	if (ok && file.fd >= 0 && new_file_keep(&file, &report)) {
		say_error("snapshot %s", report.text);
		status = EXIT_IO;
	}
	if (ok && options_has(options, OPTION_JSON)) {
		json_object_set_new(ok, "v", json_integer(1));
		json_dumpf(ok, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
		fputc('\n', stdout);
	} else if (ok && !status) {
		remote_say(options->command, ok);
	}
	json_decref(ok);
	json_decref(request);
	new_file_done(&file);
	if (fd >= 0)
		(void)close(fd);
	return status ? status : command_end(0);
}

int
command_remote(enum command command, int argc, char **argv)
{
	const struct arity *arity = arities;
	struct remote remote = {.fd = -1};
	struct options options;
	int status = command_begin(command, argc, argv, &options);

	if (status >= 0)
		return status;
	while (arity->command != command)
		arity++;
	if (options.rest_count < arity->least || options.rest_count > arity->most) {
		status = usage(command, options.rest_count > arity->most);
	} else if (!options_has(&options, OPTION_CONTROL)) {
		say_error("%s of which program? --control PATH, the same as was given to: keyhold run",
			arity->command == COMMAND_TREE ? "tree" : command_rows[command].text);
		status = EXIT_USAGE;
	} else {
		status = reach(&remote, options_value(&options, OPTION_CONTROL));
		if (!status && command == COMMAND_TOP && !options_has(&options, OPTION_JSON))
			status = remote_top(&remote);
		else if (!status)
			status = ask_and_say(&options, &remote, arity);
	}
	if (remote.in)
		(void)fclose(remote.in);
	else if (remote.fd >= 0)
		(void)close(remote.fd);
	options_done(&options);
	return status;
}
