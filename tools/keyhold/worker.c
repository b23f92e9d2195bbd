/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/host_linux.h"
#include "kernel/base/fits.h"
#include "kernel/base/must.h"
#include "tools/keyhold/carry.h"
#include "tools/keyhold/commands.h"
#include "tools/keyhold/say.h"

_Static_assert((int)WALLS_RING_FD == (int)WIRE_FD_RING, "the filter lets the ring through");

enum { ARENA_LEAST_BYTES = 64 << 20 };
static const uint64_t store_most_bytes = UINT64_C(1) << 40;

static struct worker the_worker; /* one a process */
static uint8_t record_bytes[WIRE_RECORD_BYTES];

/* Tells how it ended. Nothing is taken down: the host takes everything back. */
static _Noreturn void
finish(struct worker *worker)
{
	struct carry_fixed to = carry_fixed(record_bytes, sizeof(record_bytes));

	record_write(&worker->record, &to.sink);
	if (to.sink.failed || client_end(worker->client, record_bytes, to.sink.bytes))
		_exit(EXIT_FAULT);
	_exit(0);
}

_Noreturn void
worker_refuse(struct worker *worker, int status, const char *format, ...)
{
	static char text[1024];
	struct record *record = &worker->record;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	record->end = RECORD_REFUSED;
	record->status = status;
	record->text = (struct record_text){text, (uint32_t)strlen(text)};
	record->text_offset = worker->report.text[0] ? worker->report.offset : UINT64_MAX;
	finish(worker);
}

static void
say_must(const char *id, const char *what, const char *file, int line)
{
	char text[256];
	const int n = snprintf(text, sizeof(text), "%s broken: %s (%s:%d)", id, what, file, line);

	if (n > 0)
		client_trail(the_worker.client, text, strnlen(text, sizeof(text)));
}

/* abort(), ours behind a broken must() or libc's. The first process of a pid
 * namespace has no default action for it and would go on into a trap, which
 * looks like a memory fault: so it ends here, and in every tier the same way. */
static void
on_abort(int signal)
{
	(void)signal;
	_exit(WORKER_ABORTED);
}

/* Before READY there is no ring to tell anything through: last words only. */
static _Noreturn void
give_up(struct worker *worker, const char *what)
{
	if (worker->client) {
		client_trail(worker->client, what, strlen(what));
		client_trail(worker->client, worker->report.text, strlen(worker->report.text));
	}
	_exit(EXIT_FAULT);
}

/* The program's bytes, into memory of our own: the file may be one that the
 * guest itself can write. */
static int
read_passed(int fd, const uint8_t **ret_bytes, size_t *ret_count)
{
	struct stat stat;
	uint8_t *bytes;
	size_t got = 0;

	*ret_bytes = (const uint8_t *)""; /* even nothing lies somewhere */
	*ret_count = 0;
	if (fstat(fd, &stat))
		return -errno;
	if (!stat.st_size)
		return 0;
	bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	while (got < (size_t)stat.st_size) {
		const ssize_t n = pread(fd, bytes + got, (size_t)stat.st_size - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break; /* it became shorter: what there is must do */
		got += (size_t)n;
	}
	*ret_bytes = bytes;
	*ret_count = got;
	return 0;
}

static int
enable(void *arg)
{
	struct worker *worker = arg;

	return client_enable(worker->client, &worker->report);
}

static void
prepare(struct worker *worker)
{
	struct host_linux_config host = {.store_fd = -1};
	const uint8_t *words;
	uint64_t arena_bytes;
	size_t bytes;
	int other;

	if (client_open(WIRE_FD_RING, WIRE_FD_SHARED, &worker->report, &worker->client))
		give_up(worker, "the worker found no ring: ");
	must_say = say_must;
	(void)signal(SIGABRT, on_abort);
	words = client_words(worker->client, &bytes);
	if (start_read(words, bytes, &worker->start))
		give_up(worker, "the worker's start block is not well-formed");
	if (read_passed(client_passed(worker->client, 0), &worker->program, &worker->program_bytes))
		give_up(worker, "the program could not be read: no memory, or an error of its file");
	other = client_passed(worker->client, 1);
	if (other >= 0 && read_passed(other, &worker->other, &worker->other_bytes))
		give_up(worker, "the program could not be read: no memory, or an error of its file");
	/* The world's own tables lie there too, however little the guest may store. */
	host.bank_bytes = max_u64(worker->start.mem_bytes, ARENA_LEAST_BYTES);
	host.store_bytes = client_store_bytes(worker->client);
	if (host.store_bytes)
		host.store_fd = WIRE_FD_STORE;
	else /* a cold page is one of some memory, which a bank paid for */
		host.store_bytes = min_u64(host.bank_bytes, store_most_bytes);
	if (host_linux_open(&host, &worker->report, &worker->host, &arena_bytes))
		give_up(worker, "no address space for the guest: ");
}

int
worker_main(const char *tier)
{
	struct worker *worker = &the_worker;

	report_clear(&worker->report);
	prepare(worker);
	walls_plan_told(&worker->start.plan, tier);
	if (walls_enter_early(&worker->start.plan, &worker->record.walls, &worker->report) ||
		walls_enter_late(&worker->start.plan, enable, worker, &worker->record.walls,
			&worker->report))
		give_up(worker, "a wall could not be raised: ");
	client_ready(worker->client);
	if (worker->start.flags & START_SPIN) /* tests of the watchdog */
		for (volatile uint32_t turns = 0;; turns++) {
		}
	if (worker->start.flags & START_LOOK)
		look(worker);
	else
		guest_run(worker);
	finish(worker);
}
