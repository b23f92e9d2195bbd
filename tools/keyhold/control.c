/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/control.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/keyhold/json.h"
#include "tools/keyhold/say.h"

struct client {
	struct control *control;
	int fd;
	bool busy;     /* a request of it waits: the next line is not looked at before */
	bool ends;     /* closed as soon as all is said */
	uint64_t seen; /* the turn in which it last did something */
	char *in;      /* CONTROL_LINE_MAX */
	size_t in_bytes;
	char *out;
	size_t out_bytes, out_at;
	int fds[CONTROL_FDS_MAX];
	uint32_t fds_count;
};

/* --- clients ----------------------------------------------------------------------- */

static void
client_free(struct client *client)
{
	struct control *control = client->control;

	control_gone(control, client);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i] == client)
			control->clients[i] = NULL;
	for (uint32_t i = 0; i < client->fds_count; i++)
		(void)close(client->fds[i]);
	(void)close(client->fd);
	free(client->in);
	free(client->out);
	free(client);
}

/* What it still has to hear, and whether more of it is listened to. */
static void
listen_to(const struct client *client)
{
	struct epoll_event event = {.data.ptr = (void *)(uintptr_t)client};

	if (client->out_bytes)
		event.events = EPOLLOUT;
	else if (!client->busy)
		event.events = EPOLLIN;
	(void)epoll_ctl(client->control->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

/* As much as goes at once. False: it is gone. */
static bool
client_say(struct client *client)
{
	while (client->out_at < client->out_bytes) {
		const ssize_t n = send(client->fd, client->out + client->out_at,
			client->out_bytes - client->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n < 0)
			return false;
		client->out_at += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_bytes = client->out_at = 0;
	return !client->ends;
}

/* Its bytes; takes the object. NULL: no memory. */
static char *
line_of(json_t *json, size_t *ret_bytes)
{
	char *line = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	*ret_bytes = line ? strlen(line) + 1 : 0;
	if (line)
		line[*ret_bytes - 1] = '\n'; /* in place of its end */
	return line;
}

/* One at a time, and none is asked for before the last was said: so `out` is empty.
 * Without memory for it the connection ends: nobody waits for what never comes. */
static void
client_put(struct client *client, json_t *answer)
{
	client->out = line_of(answer, &client->out_bytes);
	client->ends = client->ends || !client->out;
	client->busy = false;
}

void
control_answer(struct client *client, json_t *id, json_t *ok)
{
	if (!client) {
		json_decref(ok);
		return;
	}
	client_put(client, json_pack("{s:i, s:O*, s:o}", "v", CONTROL_VERSION, "id", id, "ok", ok));
}

static void
set_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_text(text, strlen(text)));
}

static json_t *
error_json(const struct control_error *error)
{
	json_t *json = json_object();

	set_text(json, "code", error->code);
	set_text(json, "what", error->what);
	set_text(json, "key", error->key);
	set_text(json, "why", error->why);
	set_text(json, "saw", error->saw);
	set_text(json, "allow", error->allow);
	return json;
}

void
control_refuse(struct client *client, json_t *id, const struct control_error *error)
{
	if (client)
		client_put(client, json_pack("{s:i, s:O*, s:o}", "v", CONTROL_VERSION, "id", id, "error",
			error_json(error)));
}

int
control_fd(struct client *client)
{
	int fd;

	if (!client->fds_count)
		return -1;
	fd = client->fds[0];
	client->fds_count--;
	memmove(client->fds, client->fds + 1, client->fds_count * sizeof(*client->fds));
	return fd;
}

/* --- lines in -------------------------------------------------------------------------- */

static void
take_fds(struct client *client, struct msghdr *message)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		const size_t count = at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS
			? (at->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(at) + i * sizeof(fd), sizeof(fd));
			if (client->fds_count == CONTROL_FDS_MAX)
				(void)close(fd); /* the request that wants it says that it has none */
			else
				client->fds[client->fds_count++] = fd;
		}
	}
}

/* False: it is gone. */
static bool
client_hear(struct client *client)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
	} control;
	struct iovec to = {client->in + client->in_bytes, CONTROL_LINE_MAX - client->in_bytes};
	struct msghdr message = {.msg_iov = &to, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	if (!to.iov_len)
		return true;
	do
		n = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK;
	if (!n)
		return false;
	take_fds(client, &message);
	client->in_bytes += (size_t)n;
	client->seen = client->control->turns;
	return true;
}

/* Lines while none of them waits. False: it is gone. */
static bool
client_lines(struct client *client)
{
	while (!client->busy && !client->out_bytes && !client->ends) {
		char *end = memchr(client->in, '\n', client->in_bytes);
		size_t bytes;

		if (!end && client->in_bytes == CONTROL_LINE_MAX) {
			control_refuse(client, NULL, &(struct control_error){"too-long", "a line that is too long",
				NULL, "a request is one line of at most 64 KiB", NULL, NULL});
			client->ends = true;
			break;
		}
		if (!end)
			return true;
		bytes = (size_t)(end - client->in);
		client->busy = true; /* until it is answered, which may be now */
		(void)control_do(client->control, client, client->in, bytes);
		client->in_bytes -= bytes + 1;
		memmove(client->in, end + 1, client->in_bytes);
		if (!client_say(client))
			return false;
	}
	return client_say(client);
}

static void
on_client(struct client *client, uint32_t events)
{
	bool lives = true;

	if (events & EPOLLOUT)
		lives = client_say(client);
	if (lives && events & EPOLLIN)
		lives = client_hear(client);
	else if (lives && events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLOUT))
		lives = false;
	if (lives)
		lives = client_lines(client);
	if (lives)
		listen_to(client);
	else
		client_free(client);
}

/* --- who may speak ----------------------------------------------------------------------- */

static bool
is_allowed(int fd, struct ucred *ret_peer)
{
	socklen_t bytes = sizeof(*ret_peer);

	*ret_peer = (struct ucred){.uid = (uid_t)-1};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &bytes))
		return false;
	return ret_peer->uid == 0 || ret_peer->uid == geteuid();
}

/* A line to somebody who gets no place; it goes at once or not at all. */
static void
turn_away(int fd, const struct control_error *error)
{
	size_t bytes;
	char *line = line_of(json_pack("{s:i, s:o}", "v", CONTROL_VERSION, "error", error_json(error)),
		&bytes);

	if (line)
		(void)!send(fd, line, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(line);
	(void)close(fd);
}

/* A free place, or that of the one who has been silent longest; -1: all wait for an
 * answer. */
static int
place_for(struct control *control)
{
	struct client *silent = NULL;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = control->clients[i];

		if (!client)
			return i;
		if (!client->busy && (!silent || client->seen < silent->seen))
			silent = client;
	}
	if (!silent)
		return -1;
	client_free(silent);
	return place_for(control);
}

static void
on_connect(struct control *control)
{
	const int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN};
	struct client *client;
	struct ucred peer;
	char why[96];
	int place;

	if (fd < 0)
		return;
	if (!is_allowed(fd, &peer)) {
		(void)snprintf(why, sizeof(why), "user %u runs it, and you are user %u", (unsigned)geteuid(),
			(unsigned)peer.uid);
		turn_away(fd, &(struct control_error){"not-yours", "control of a program", NULL, why, NULL,
			"ask as the user who runs it, or as root"});
		return;
	}
	place = place_for(control);
	client = place < 0 ? NULL : calloc(1, sizeof(*client));
	if (client)
		client->in = malloc(CONTROL_LINE_MAX);
	if (!client || !client->in) {
		free(client);
		turn_away(fd, &(struct control_error){"too-many", "one more client", NULL,
			"as many as there may be wait for an answer", NULL, "try again"});
		return;
	}
	client->control = control;
	client->fd = fd;
	client->seen = control->turns;
	event.data.ptr = client;
	control->clients[place] = client;
	if (epoll_ctl(control->epoll, EPOLL_CTL_ADD, fd, &event))
		client_free(client);
}

/* --- the loop ------------------------------------------------------------------------------ */

static void
on_events(void *arg)
{
	struct control *control = arg;
	struct epoll_event events[8];
	const int count = epoll_wait(control->epoll, events, 8, 0);

	control->turns++;
	for (int i = 0; i < count; i++) {
		void *of = events[i].data.ptr;
		uint64_t ticks;
		bool there = false;

		if (of == &control->listener) {
			on_connect(control);
			return; /* who was silent may be gone: the others in the next turn */
		}
		if (of == &control->timer) {
			(void)!read(control->timer, &ticks, sizeof(ticks));
			keys_expire(control);
			continue;
		}
		for (unsigned j = 0; j < CONTROL_CLIENTS_MAX; j++)
			there = there || control->clients[j] == of;
		if (there)
			on_client(of, events[i].events);
	}
}

/* Those who were answered from elsewhere hear it. */
static void
say_all(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = control->clients[i];

		if (client && (client->out_bytes || client->ends))
			on_client(client, 0);
	}
}

void
control_obeyed(struct control *control, const uint8_t *bytes, size_t count)
{
	struct work *work = work_pop(control);

	if (!work)
		return;
	control_tell(control, work, bytes, count);
	work_free(work);
	control_next(control);
	say_all(control);
}

/* --- the socket ----------------------------------------------------------------------------- */

static int
no_socket(const char *path, const char *why)
{
	say_error("--control %s: %s", path, why);
	return EXIT_NO_FILE;
}

/* Whoever may write its folder may put another socket in its place. */
static const char *
folder_wrong(const char *path)
{
	char *copy = strdup(path);
	struct stat stat_now;
	const char *wrong = NULL;

	if (!copy || stat(dirname(copy), &stat_now))
		wrong = copy ? strerror(errno) : "no memory";
	else if (stat_now.st_uid != 0 && stat_now.st_uid != geteuid())
		wrong = "its folder belongs to somebody else: name one of yours";
	else if (stat_now.st_mode & 022 && !(stat_now.st_mode & S_ISVTX))
		wrong = "others may write its folder, and put another socket there: chmod go-w it";
	free(copy);
	return wrong;
}

/* A socket that nobody listens at was left behind by one that was killed. */
static const char *
clear_stale(const struct sockaddr_un *name)
{
	struct stat stat_now;
	const char *wrong = NULL;
	int fd;

	if (lstat(name->sun_path, &stat_now))
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(stat_now.st_mode))
		return "a file is there that is no socket: it is left alone";
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return strerror(errno);
	if (!connect(fd, (const struct sockaddr *)name, sizeof(*name)) || errno != ECONNREFUSED)
		wrong = "a program listens there already: end it, or name another";
	else if (unlink(name->sun_path))
		wrong = strerror(errno);
	(void)close(fd);
	return wrong;
}

static int
bind_at(struct control *control, const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	const mode_t before = umask(0177);
	const char *wrong = NULL;
	struct stat stat_now;

	if (strlen(path) >= sizeof(name.sun_path))
		wrong = "the name of a socket has at most 107 bytes";
	else
		memcpy(name.sun_path, path, strlen(path));
	if (!wrong)
		wrong = folder_wrong(path);
	if (!wrong)
		wrong = clear_stale(&name);
	if (!wrong) {
		control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (control->listener < 0 ||
			bind(control->listener, (const struct sockaddr *)&name, sizeof(name)) ||
			listen(control->listener, 8) || lstat(path, &stat_now))
			wrong = strerror(errno);
	}
	(void)umask(before);
	if (wrong)
		return no_socket(path, wrong);
	control->device = stat_now.st_dev;
	control->inode = stat_now.st_ino;
	control->path = strdup(path);
	return control->path ? 0 : no_socket(path, "no memory");
}

static int
watch(struct control *control, int fd, void *as)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = as};

	return fd < 0 || epoll_ctl(control->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int
control_open(struct launch *launch, const char *path)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return no_socket(path, "no memory");
	launch->control = control;
	control->launch = launch;
	control->world = "run";
	control->listener = control->timer = -1;
	control->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = control->epoll < 0 ? no_socket(path, strerror(errno)) : bind_at(control, path);
	if (r)
		return r;
	control->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch(control, control->listener, &control->listener) ||
		watch(control, control->timer, &control->timer))
		return no_socket(path, strerror(errno));
	return 0;
}

int
control_begin(struct control *control)
{
	const int r = keys_begin(control);

	return r ? r : broker_watch(control->launch->broker, control->epoll, on_events, control);
}

void
control_close(struct control *control)
{
	struct work *work;
	struct stat stat_now;

	if (!control)
		return;
	while ((work = work_pop(control))) {
		control_refuse(work->client, work->id, &(struct control_error){"ended", "an order to a program",
			NULL, "the program ended before it could be done", NULL, NULL});
		if (work->client)
			(void)client_say(work->client);
		work_free(work);
	}
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i])
			client_free(control->clients[i]);
	if (control->path && !lstat(control->path, &stat_now) && stat_now.st_dev == control->device &&
		stat_now.st_ino == control->inode)
		(void)unlink(control->path);
	keys_end(control);
	if (control->listener >= 0)
		(void)close(control->listener);
	if (control->timer >= 0)
		(void)close(control->timer);
	if (control->epoll >= 0)
		(void)close(control->epoll);
	free(control->path);
	free(control);
}
