/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - number 13: what a fallen worker says to its broker. */
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "tests/corpus/hostile.h"
#include "tests/drivers/messages.h"
#include "tests/support/seeds.h"

/* Until the broker has ended us, or for ten seconds. */
static void
await_the_end(struct hostile *h)
{
	const struct timespec begin = hostile_now();

	while (hostile_now().tv_sec - begin.tv_sec < 10) {
		h->client->wake_due = true;
		hostile_knock(h);
	}
	hostile_wrong(h, "the broker lets it be");
}

static void
say(struct hostile *h, struct wire_request message)
{
	hostile_put(h, &message);
	await_the_end(h);
}

void
words_bad_length(struct hostile *h)
{
	say(h, (struct wire_request){.kind = WIRE_DEVICE, .op = DEVICE_OPEN, .path_bytes = 8,
		       .path2_bytes = UINT32_MAX - 7});
}

void
words_bad_piece(struct hostile *h)
{
	say(h, (struct wire_request){
		       .kind = WIRE_DEVICE, .op = DEVICE_ENTROPY, .piece = STAGING_BYTES - 1, .bytes = 2});
}

void
words_bad_kind(struct hostile *h)
{
	say(h, (struct wire_request){.kind = 0x1000});
}

void
words_bad_op(struct hostile *h)
{
	say(h, (struct wire_request){.kind = WIRE_DEVICE, .op = DEVICE_OP_COUNT});
}

void
words_bad_position(struct hostile *h)
{
	atomic_store(&h->client->start->at.requests_put, h->client->requests_put + WIRE_REQUESTS + 1);
	await_the_end(h);
}

void
words_bad_taken(struct hostile *h)
{
	atomic_store(&h->client->start->at.replies_got, h->client->replies_got + 1000);
	say(h, (struct wire_request){.kind = WIRE_DEVICE, .op = DEVICE_CLOCK});
}

void
words_bad_record(struct hostile *h)
{
	say(h, (struct wire_request){.kind = WIRE_END, .length = WIRE_RECORD_BYTES + 1});
}

void
words_no_record(struct hostile *h)
{
	const struct wire_request end = {.kind = WIRE_END, .length = 4096};
	uint8_t *record = h->client->shared + h->client->start->record_at;
	struct seed seed = {.state = 9};

	for (unsigned i = 0; i < 4096; i++)
		record[i] = (uint8_t)seed_next(&seed);
	hostile_put(h, &end);
	hostile_broker_lives(h);
	_exit(0);
}

void
words_handles(struct hostile *h)
{
	const uint32_t dir = hostile_dir(h, 0), count = h->client->handles_count;
	const uint32_t gone = (uint32_t)hostile_open(h, dir, "f", DEVICE_FOR_READ);
	const uint32_t others[] = {0, 1, gone, count, count + 1, 1u << 20, INT32_MAX, UINT32_MAX};
	struct wire_request message = hostile_request(DEVICE_OPEN, 0, "f", DEVICE_FOR_READ);

	(void)hostile_close(h, gone);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		for (uint32_t op = DEVICE_READ; op < DEVICE_CLOCK; op++) {
			int64_t got;

			if (op == DEVICE_POLL || op == DEVICE_SLEEP ||
				(op == DEVICE_SHUTDOWN && !h->client->ringless))
				continue;
			message.op = op;
			message.handle = others[i];
			got = hostile_ask(h, &message).result;
			if (got != -DEVICE_EBADF)
				hostile_wrong(h, "operation %u at handle %u: %lld", op, others[i],
					(long long)got);
			if (op != DEVICE_RENAME && op != DEVICE_LINK)
				continue;
			message.handle = dir;
			message.handle2 = others[i];
			got = hostile_ask(h, &message).result;
			if (got != -DEVICE_EBADF)
				hostile_wrong(h, "to handle %u: %lld", others[i], (long long)got);
		}
	/* A directory is no file, a file no directory. */
	if (hostile_open(h, dir, "f", DEVICE_FOR_READ) != (int64_t)gone)
		hostile_wrong(h, "the number of what was closed is not free again");
	message = hostile_request(DEVICE_OPEN, gone, "f", DEVICE_FOR_READ);
	for (uint32_t op = DEVICE_MKDIR; op < DEVICE_CLOCK; op++) {
		message.op = op;
		if (hostile_ask(h, &message).result >= 0)
			hostile_wrong(h, "operation %u on a file as a directory", op);
	}
}

/* Back by one: what has been said is said again. */
void
words_replay(struct hostile *h)
{
	(void)hostile_open(h, hostile_dir(h, 0), "f", DEVICE_FOR_READ);
	atomic_store(&h->client->start->at.requests_put, h->client->requests_put - 1);
	await_the_end(h);
}

void
words_flood(struct hostile *h)
{
	const struct wire_request clock = {.kind = WIRE_DEVICE, .op = DEVICE_CLOCK};

	for (uint32_t i = 0; i < 2 * WIRE_REPLIES; i++) {
		const struct timespec begin = hostile_now();

		while (!message_room(h->client) && hostile_now().tv_sec - begin.tv_sec < 10) {
			h->client->wake_due = true;
			hostile_knock(h);
		}
		h->client->requests[h->client->requests_put % WIRE_REQUESTS] = clock;
		message_send(h->client);
	}
	await_the_end(h);
}

void
words_lines(struct hostile *h)
{
	struct wire_request line = {.kind = WIRE_LOG, .path_bytes = WIRE_TEXT_BYTES};

	for (int i = 0; i < 2000; i++) {
		memset(line.text, i & 1 ? '\033' : 'l', sizeof line.text);
		line.flags = (uint32_t)i;
		hostile_put(h, &line);
	}
	hostile_broker_lives(h);
}

void
words_half(struct hostile *h)
{
	const struct wire_request open =
		hostile_request(DEVICE_OPEN, hostile_dir(h, 0), "made", DEVICE_CREATE | DEVICE_FOR_WRITE);

	(void)hostile_open(h, hostile_dir(h, 0), "f", DEVICE_FOR_READ);
	memcpy(&h->client->requests[h->client->requests_put % WIRE_REQUESTS], &open, 40);
	_exit(0);
}

void
words_whole(struct hostile *h)
{
	for (int i = 0; i < WIRE_REQUESTS / 2; i++) {
		const struct wire_request open =
			hostile_request(DEVICE_OPEN, hostile_dir(h, 0), "f", DEVICE_FOR_READ);

		h->client->requests[h->client->requests_put % WIRE_REQUESTS] = open;
		message_send(h->client);
	}
	hostile_knock(h);
	_exit(0);
}

/* The path, its length and the handle change while the broker reads them. */
void
words_changed(struct hostile *h)
{
	const uint32_t dir = hostile_dir(h, 0);
	const struct wire_request good = hostile_request(DEVICE_OPEN, dir, "d/g", DEVICE_FOR_READ),
				  bad = hostile_request(DEVICE_OPEN, dir, "../secret", DEVICE_FOR_READ);
	uint32_t opened = 0, refused = 0;

	for (int i = 0; i < 4000; i++) {
		volatile struct wire_request *shared =
			&h->client->requests[h->client->requests_put % WIRE_REQUESTS];
		struct wire_request message = good;
		struct wire_reply reply;

		message.tag = ++h->tag;
		hostile_put(h, &message);
		hostile_knock(h);
		for (bool answered = false; !answered;) {
			for (int turns = 0; turns < 50; turns++) {
				const struct wire_request *from = turns & 1 ? &bad : &good;

				shared->path_bytes = from->path_bytes;
				for (uint32_t j = 0; j < 9; j++)
					shared->text[j] = from->text[j];
			}
			while (hostile_answer(h, &reply))
				answered |= reply.tag == message.tag;
		}
		if (reply.result < 0) {
			refused++;
			continue;
		}
		opened++;
		/* A mixture may be a name too, "d//": of something within. */
		if (hostile_read(h, (uint32_t)reply.result, 0, 8) > 0 &&
			memcmp(hostile_piece(h), "inner", 5) != 0)
			hostile_wrong(h, "another file was opened: %.8s", (char *)hostile_piece(h));
		(void)hostile_close(h, (uint32_t)reply.result);
	}
	if (!opened)
		hostile_wrong(h, "none was opened");
	hostile_say(h, "CHANGED opened %u refused %u", opened, refused);
}

void
words_layout(struct hostile *h)
{
	struct wire_start *start = h->client->start, kept = *start;
	const uint32_t dir = hostile_dir(h, 0);

	memset(start, 0xff, offsetof(struct wire_start, at));
	memset(h->client->shared + kept.grants_at, 0xff, WIRE_GRANTS * sizeof(struct wire_grant));
	if (hostile_open(h, dir, "f", DEVICE_FOR_READ) < 0)
		hostile_wrong(h, "what it wrote over is believed");
	if (hostile_open(h, kept.handles_count + 7, "f", DEVICE_FOR_READ) != -DEVICE_EBADF)
		hostile_wrong(h, "a handle beyond the table is one");
	hostile_broker_lives(h);
	memcpy(start, &kept, offsetof(struct wire_start, at));
}

void
words_counters(struct hostile *h)
{
	static const uint64_t most = UINT64_MAX - 1;

	for (uint32_t slot = WIRE_SLOT_BROKER; slot <= WIRE_SLOT_WORKER; slot++)
		for (int i = 0; i < 3; i++) {
			/* Some wait for room that never comes: nobody waits for them. */
			struct io_uring_sqe *entry = ring_entry(
				&h->client->ring, RING_WRITE, slot, (uint64_t)PART_IGNORE << 48);

			entry->addr = (uint64_t)(uintptr_t)&most;
			entry->len = sizeof most;
			hostile_knock(h);
		}
	hostile_broker_lives(h);
}

/* Anything, of which much is nearly right. */
static void
random_message(struct hostile *h, struct seed *seed, struct wire_request *message)
{
	static const char *const paths[] = {"f", "..", "d", "d/g", "/etc", "d/../..", "out", ".", "",
		"../secret", "new", "d/new"};
	const uint64_t dice = seed_next(seed);

	memset(message, 0, sizeof *message);
	message->kind = dice % 64 ? WIRE_DEVICE : (uint32_t)(seed_next(seed) % 8);
	message->tag = (uint32_t)seed_next(seed);
	do
		message->op = (uint32_t)(seed_next(seed) % DEVICE_OP_COUNT);
	while (!h->client->ringless && (dice >> 8) % 512 &&
		(message->op == DEVICE_POLL || message->op == DEVICE_SLEEP ||
			message->op == DEVICE_SHUTDOWN || message->op == 0));
	message_numbers(seed, message, 24);
	message->timeout_ns = seed_next(seed) % 2 ? seed_next(seed) % 1000000 : seed_next(seed);
	message->piece = (uint32_t)(seed_next(seed) % (STAGING_BYTES - 5000));
	message->bytes = (uint32_t)(seed_next(seed) % 5000);
	message_paths(seed, message, paths, sizeof paths / sizeof paths[0]);
	if ((dice >> 20) % 4096 == 0)
		message->path_bytes = (uint32_t)seed_next(seed);
	if ((dice >> 32) % 4096 == 0)
		message->bytes = (uint32_t)seed_next(seed);
}

/* By seed, until the broker has had enough or so many were said; then dies as it
 * stands: what is still to be answered must be nobody's trouble. */
void
words_random(struct hostile *h)
{
	struct seed seed = {.state = 0};
	struct wire_request message;
	struct wire_reply reply;
	uint32_t done = 0;

	for (const char *c = h->arg; *c; c++)
		seed.state = 10 * seed.state + (uint64_t)(*c - '0');
	for (uint32_t i = 0; i < 6000; i++) {
		random_message(h, &seed, &message);
		hostile_put(h, &message);
		if (seed_next(&seed) % 4 == 0)
			hostile_knock(h);
		while (hostile_answer(h, &reply))
			done += reply.result >= 0;
		if ((i & 127) == 0) /* it is the broker's turn */
			for (int turns = 0; turns < 200; turns++)
				while (hostile_answer(h, &reply))
					done += reply.result >= 0;
	}
	hostile_say(h, "RANDOM %u done", done);
	hostile_knock(h);
	_exit(0);
}
