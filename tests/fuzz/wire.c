/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_wire: any messages, as a fallen worker would leave them in the shared memory.
 * The broker refuses, serves or ends the worker; it leaks no descriptor, and nothing
 * beside the grant changes.
 *
 * Beside the directory it has networks that end in themselves: a listener, rules to
 * its port by address and by name, a resolver. All names are pinned, so no question
 * leaves, and no rule has another port, so nobody else is reached.
 *
 * Input: messages one after the other (tests/fuzz/wire.h): small numbers and
 * edges rather than bytes of the struct. Ringless, so that reads, writes
 * and waits are the broker's too. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/broker/impl.h"
#include "drivers/broker/net.h"
#include "drivers/staging.h"
#include "kernel/base/bytes.h"
#include "tests/fuzz/wire.h"
#include "tests/support/fds.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { MESSAGES_MAX = 48, CLEAN_EVERY = 256, FILE_BYTES = 16 << 20 };

static char place[] = "/tmp/keyhold-fuzz-wire-XXXXXX";
static int above = -1;
static struct stat canary;

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
clean(void)
{
	char command[sizeof place + 32];

	(void)snprintf(command, sizeof command, "rm -rf %s/cage", place);
	check(system(command) == 0);
}

static void
put_file(const char *name, const char *text)
{
	const int fd = openat(above, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static void
make_place(void)
{
	const struct rlimit most = {FILE_BYTES, FILE_BYTES};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &most); /* what it allocates lies on our disk */
	check(mkdtemp(place));
	above = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file("secret", "SECRET");
	check(fstatat(above, "secret", &canary, 0) == 0);
}

static int
make_cage(void)
{
	static unsigned int turns;
	int cage;

	if (turns++ % CLEAN_EVERY == 0)
		clean();
	if (mkdirat(above, "cage", 0755) == 0) {
		put_file("cage/f", "text");
		(void)mkdirat(above, "cage/d", 0755);
		(void)symlinkat("../secret", above, "cage/out");
	}
	cage = openat(above, "cage", O_PATH | O_DIRECTORY | O_CLOEXEC);
	check(cage >= 0);
	return cage;
}

static void
look_beside(void)
{
	struct stat now;
	int entries = 0;
	DIR *dir = fdopendir(openat(above, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	while (readdir(dir))
		entries++;
	(void)closedir(dir);
	check(entries == 4 && fstatat(above, "secret", &now, 0) == 0);
	check(now.st_ino == canary.st_ino && now.st_size == canary.st_size && now.st_nlink == 1 &&
		memcmp(&now.st_ctim, &canary.st_ctim, sizeof now.st_ctim) == 0);
}

static uint64_t
number(struct bytes_in *in)
{
	static const uint64_t edges[] = {UINT64_MAX, UINT64_MAX - 1, INT64_MAX, UINT32_MAX, UINT64_C(1) << 31,
		STAGING_BYTES - 1, STAGING_BYTES, WIRE_LARGE_BYTES, 4096, 0, 1};
	const uint8_t kind = bytes_u8(in);

	if (kind < WIRE_NUMBER_LONG)
		return kind;
	return kind < WIRE_NUMBER_EDGE ? bytes_u64(in) : edges[kind % (sizeof edges / sizeof *edges)];
}

static char hosts[6][64]; /* with the port of this run's listener */

static uint32_t
text(struct bytes_in *in, char *out)
{
	static const char *const names[TEXTS] = {[TEXT_NONE] = "", [TEXT_FILE] = "f", [TEXT_DIR] = "d",
		[TEXT_IN_DIR] = "d/new", [TEXT_UP] = "..", [TEXT_SECRET] = "../secret",
		[TEXT_ETC] = "/etc", [TEXT_LINK_OUT] = "out", [TEXT_UP_TWICE] = "d/../..",
		[TEXT_SELF] = ".", [TEXT_NEW] = "new", [TEXT_ROUND] = "d/../f",
		[TEXT_HERE] = hosts[0], [TEXT_LOOPBACK] = hosts[1], [TEXT_NAME] = hosts[2],
		[TEXT_MAPPED] = hosts[3], [TEXT_METADATA] = hosts[4], [TEXT_NAME_ALONE] = hosts[5]};
	const uint8_t which = bytes_u8(in);
	uint32_t count = which & 15;

	if (which >= WIRE_TEXT) {
		const char *name = names[which % TEXTS];

		count = (uint32_t)strlen(name);
		memcpy(out, name, count);
		return count;
	}
	for (uint32_t i = 0; i < count; i++)
		out[i] = (char)bytes_u8(in);
	return count;
}

/* The ids of what was granted. */
static void
grant_all(struct broker *broker, int cage, struct report *report, uint32_t ret_ids[GRANTS])
{
	const struct broker_address listener = {.kind = BROKER_LISTEN, .pattern = "127.0.0.1:0", .conns_max = 4};
	char address[DEVICE_ADDRESS_BYTES];
	struct broker_grant grant;
	const char *port;

	check(broker_grant_dir(broker, cage, BROKER_READ | BROKER_WRITE, report, &grant) == 0);
	ret_ids[GRANT_DIR] = grant.id;
	check(broker_name_servers(broker, "127.0.0.1:9", report) == 0);
	check(broker_pin(broker, "a.example.com=127.0.0.1", report) == 0);
	check(broker_pin(broker, "a.example.com=10.0.0.1", report) == 0);
	check(broker_grant_listener(broker, &listener, report, &grant, address) == 0);
	ret_ids[GRANT_LISTENER] = grant.id;
	port = strrchr(address, ':');
	(void)snprintf(hosts[0], sizeof hosts[0], "127.0.0.1%s", port);
	(void)snprintf(hosts[1], sizeof hosts[1], "127.0.0.0/8%s", port);
	(void)snprintf(hosts[2], sizeof hosts[2], "a.example.com%s", port);
	(void)snprintf(hosts[3], sizeof hosts[3], "[::ffff:127.0.0.1]%s", port);
	(void)snprintf(hosts[4], sizeof hosts[4], "169.254.169.254%s", port);
	(void)snprintf(hosts[5], sizeof hosts[5], "a.example.com");
	for (uint32_t i = GRANT_RANGE; i < GRANTS; i++) {
		const bool resolver = i == GRANT_RESOLVER;
		const struct broker_address rule = {.kind = resolver ? BROKER_RESOLVE : BROKER_TCP,
			.pattern = resolver ? hosts[5] : i == GRANT_RANGE ? hosts[1] : hosts[2],
			.conns_max = i == GRANT_RANGE ? 3 : 0};

		check(broker_grant_address(broker, &rule, report, &grant) == 0);
		ret_ids[i] = grant.id;
	}
}

/* The next message of the input; false at its end. */
static bool
message_get(struct bytes_in *in, struct wire_request *message)
{
	const uint8_t kind = bytes_u8(in), what = bytes_u8(in);

	memset(message, 0, sizeof *message);
	message->kind = kind < WIRE_KIND_OTHER ? WIRE_DEVICE : kind % 8u;
	message->op = what & WIRE_OP;
	message->flags = bytes_u32(in);
	message->handle = (uint32_t)number(in);
	if (what & WIRE_HAS_MORE) {
		message->handle2 = (uint32_t)number(in);
		message->tag = bytes_u8(in);
		message->timeout_ns = number(in);
		message->access_ns = message->modify_ns = number(in);
	}
	if (what & WIRE_HAS_DATA) {
		message->offset = number(in);
		message->length = number(in);
		message->piece = (uint32_t)number(in);
		message->bytes = (uint32_t)number(in);
	}
	message->path_bytes = text(in, message->text);
	message->path2_bytes = text(in, message->text + message->path_bytes);
	if (kind % 32 == 31)
		message->path_bytes = (uint32_t)number(in);
	return !in->bad;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const struct broker_config config = {.handles_max = 32, .ringless = true};
	static struct wire_request message;
	struct report report;
	struct broker *broker;
	uint32_t ids[GRANTS];
	int fds, cage;
	struct bytes_in in = bytes_in(bytes, count);

	if (above < 0)
		make_place();
	report_clear(&report);
	fds = fds_open();
	cage = make_cage();
	check(broker_new(&config, &report, &broker) == 0);
	grant_all(broker, cage, &report, ids);
	check(shared_make(broker, &report) == 0);
	for (int i = 0; i < MESSAGES_MAX && !broker->broken; i++) {
		const uint32_t put = atomic_load(&broker->start->at.requests_put);

		if (!message_get(&in, &message))
			break;
		memcpy(broker->shared + broker->layout.requests_at + (put % WIRE_REQUESTS) * sizeof message,
			&message, sizeof message);
		atomic_store(&broker->start->at.requests_put, put + 1);
		requests_take(broker);
		(void)broker_turn(broker, 0);
		if (put % 2)
			atomic_store(&broker->start->at.replies_got,
				atomic_load(&broker->start->at.replies_put));
	}
	for (uint32_t i = 0; i < GRANTS; i++) {
		(void)broker_revoke(broker, ids[i]);
		check(broker->grants[i].counts.conns == 0);
	}
	check(broker->net->dials_used == 0);
	for (uint32_t i = WIRE_SLOT_FIRST; i < broker->handle_fresh; i++)
		check(broker->handles[i].state != HANDLE_OPEN);
	broker_free(broker);
	check(fds_open() == fds);
	look_beside();
	return 0;
}
