/* SPDX-License-Identifier: Apache-2.0 */
/* entries.c - numbers 10, 11, 12 and the ring's part of 21: what is put into the
 * ring by hand, from behind the walls. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/corpus/hostile.h"
#include "tests/support/seeds.h"

enum {
	OPS = 256,
	FLAGS = 256,
	ALLOWED = IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS,
	OP_SEND_ZC = 47, OP_SENDMSG_ZC = 48, OP_FIXED_FD_INSTALL = 54, OP_BIND = 56, OP_LISTEN = 57,
	OP_PIPE = 62, OP_MSG_RING = 40, OP_SOCKET = 45, OP_URING_CMD = 46,
};

static const unsigned int listed[] = {
#define URING_OP(name, number, reason) number,
#include "drivers/uring_ops.def"
#undef URING_OP
};

static bool
is_listed(unsigned int op)
{
	for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
		if (listed[i] == op)
			return true;
	return false;
}

/* Refused by the fence, or no operation, flag or combination of this kernel. */
static bool
is_refused(int got)
{
	return got == -EACCES || got == -EINVAL || got == -EOPNOTSUPP;
}

static void
refused(struct hostile *h, const char *what, struct io_uring_sqe entry)
{
	static const uint8_t flags[] = {0, IOSQE_FIXED_FILE, IOSQE_FIXED_FILE | IOSQE_IO_LINK,
		IOSQE_ASYNC, IOSQE_FIXED_FILE | IOSQE_ASYNC};

	for (size_t i = 0; i < sizeof flags; i++) {
		int got;

		entry.flags = flags[i];
		got = hostile_entry(h, &entry);
		if (got != -EACCES && got != -EINVAL)
			hostile_wrong(h, "%s with flags %u: %d (%s)", what, flags[i], got,
				got < 0 ? strerror(-got) : "it ran");
	}
}

/* --- 10 ------------------------------------------------------------------------------ */

void
entries_every(struct hostile *h)
{
	static char path[] = "/etc/passwd";
	const int32_t plain[] = {WALLS_RING_FD, AT_FDCWD, AF_INET};
	const int32_t slot = (int32_t)hostile_stream(h, 1);
	uint32_t tried = 0;

	for (unsigned int op = 0; op < OPS; op++)
		for (unsigned int flags = 0; flags < FLAGS; flags++)
			for (unsigned int variant = 0; variant < 3; variant++) {
				const bool fixed = flags & IOSQE_FIXED_FILE;
				const struct io_uring_sqe entry = {
					.opcode = (uint8_t)op,
					.flags = (uint8_t)flags,
					.fd = fixed && variant < 2 ? slot : plain[variant],
					.addr = (uint64_t)(uintptr_t)path,
					.off = variant == 2 ? SOCK_STREAM : 0,
					.len = variant,
					.file_index = variant == 1 ? 4 : 0,
					.personality = variant == 2,
				};
				int got;

				if (is_listed(op) && fixed && !(flags & ~(unsigned)ALLOWED) &&
					!entry.personality)
					continue; /* these run: entries_listed() */
				got = hostile_entry(h, &entry);
				tried++;
				if (!is_refused(got))
					hostile_wrong(h, "operation %u with flags 0x%x, variant %u: %d (%s)",
						op, flags, variant, got,
						got < 0 ? strerror(-got) : "it ran");
			}
	if (tried < 180000)
		hostile_wrong(h, "only %u were tried", tried);
	hostile_wait_to_be_seen(h, "SEEN");
}

static bool
has_file(unsigned int op)
{
	return op == RING_READ || op == RING_WRITE || op == RING_FSYNC || op == RING_POLL_ADD ||
	       op == RING_FALLOCATE || op == RING_SHUTDOWN || op == RING_FTRUNCATE;
}

void
entries_listed(struct hostile *h)
{
	const int32_t none[] = {-1, AT_FDCWD, WALLS_RING_FD, 5, 1000, 1000000, INT32_MAX, INT32_MIN,
		(int32_t)h->client->handles_count};
	static uint8_t bytes[16];

	for (size_t i = 0; i < sizeof listed / sizeof *listed; i++)
		for (size_t j = 0; j < sizeof none / sizeof *none; j++)
			for (unsigned int flags = 0; flags < FLAGS; flags++) {
				const struct io_uring_sqe entry = {.opcode = (uint8_t)listed[i],
					.flags = (uint8_t)flags,
					.fd = none[j],
					.addr = (uint64_t)(uintptr_t)bytes,
					.len = listed[i] == RING_POLL_ADD ? 0 : sizeof bytes};
				int got;

				if (!has_file(listed[i]) || (flags & ~(unsigned)ALLOWED) ||
					!(flags & IOSQE_FIXED_FILE))
					continue;
				if (none[j] >= 0 && none[j] < (int32_t)h->client->handles_count &&
					client_handle(h->client, (uint32_t)none[j]))
					continue; /* it was given that one */
				got = hostile_entry(h, &entry);
				if (got != -EBADF && got != -EINVAL)
					hostile_wrong(h, "operation %u at %d: %d", listed[i], none[j], got);
			}
	hostile_broker_lives(h);
}

void
entries_descriptors(struct hostile *h)
{
	static struct { uint64_t how[3]; int fds[2]; struct msghdr message; char path[16]; } mine = {
		.path = "/etc/passwd"};
	const uint64_t at = (uint64_t)(uintptr_t)&mine, path = (uint64_t)(uintptr_t)mine.path;
	const int32_t slot = (int32_t)hostile_stream(h, 0);
	const uint32_t indexes[] = {0, 4, 64, IORING_FILE_INDEX_ALLOC};

	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
#define TRY(what, ...) refused(h, what, (struct io_uring_sqe){.file_index = indexes[i], __VA_ARGS__})
		TRY("openat", .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = path);
		TRY("openat of a slot", .opcode = IORING_OP_OPENAT, .fd = slot, .addr = path);
		TRY("openat2", .opcode = IORING_OP_OPENAT2, .fd = AT_FDCWD, .addr = path, .off = at,
			.len = 24);
		TRY("socket", .opcode = OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM);
		TRY("pipe", .opcode = OP_PIPE, .addr = (uint64_t)(uintptr_t)mine.fds);
		TRY("accept", .opcode = IORING_OP_ACCEPT, .fd = slot);
		TRY("recvmsg", .opcode = IORING_OP_RECVMSG, .fd = slot,
			.addr = (uint64_t)(uintptr_t)&mine.message);
		TRY("message to a ring", .opcode = OP_MSG_RING, .fd = WALLS_RING_FD, .addr = 1, .len = 4);
		TRY("files update", .opcode = IORING_OP_FILES_UPDATE, .addr = at, .len = 1);
		TRY("close", .opcode = IORING_OP_CLOSE, .fd = slot);
		TRY("command", .opcode = OP_URING_CMD, .fd = slot);
		TRY("epoll", .opcode = IORING_OP_EPOLL_CTL, .fd = WALLS_RING_FD, .off = 1, .len = 1,
			.addr = at);
#undef TRY
	}
	hostile_wait_to_be_seen(h, "SEEN");
}

/* --- 11 ------------------------------------------------------------------------------ */

static struct sockaddr_in
address_of(const char *port)
{
	uint16_t number = 0;

	for (; *port; port++)
		number = (uint16_t)(10 * number + (*port - '0'));
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(number),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* By every operation that takes an address along, at the address `h->arg`. */
static void
send_everywhere(struct hostile *h, int32_t slot, uint32_t message_flags)
{
	static struct sockaddr_in to;
	static char text[] = "escaped";
	static struct iovec vector = {text, sizeof text};
	static struct msghdr message;
	const uint64_t data = (uint64_t)(uintptr_t)text, address = (uint64_t)(uintptr_t)&to;

	to = address_of(h->arg);
	message = (struct msghdr){
		.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &vector, .msg_iovlen = 1};
	refused(h, "send with an address", (struct io_uring_sqe){.opcode = IORING_OP_SEND, .fd = slot,
		.addr = data, .len = sizeof text, .msg_flags = message_flags, .addr2 = address,
		.addr_len = sizeof to});
	refused(h, "send without copies", (struct io_uring_sqe){.opcode = OP_SEND_ZC, .fd = slot,
		.addr = data, .len = sizeof text, .msg_flags = message_flags, .addr2 = address,
		.addr_len = sizeof to});
	for (unsigned i = 0; i < 2; i++)
		refused(h, "sendmsg", (struct io_uring_sqe){
			.opcode = i ? OP_SENDMSG_ZC : IORING_OP_SENDMSG, .fd = slot,
			.addr = (uint64_t)(uintptr_t)&message, .len = 1, .msg_flags = message_flags});
	refused(h, "connect", (struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = slot,
		.addr = address, .off = sizeof to});
	refused(h, "bind", (struct io_uring_sqe){.opcode = OP_BIND, .fd = slot, .addr = address,
		.addr2 = sizeof to});
	refused(h, "listen", (struct io_uring_sqe){.opcode = OP_LISTEN, .fd = slot, .len = 1});
}

void
entries_fastopen(struct hostile *h)
{
	const int32_t slot = (int32_t)hostile_stream(h, 0);
	const struct io_uring_sqe shut = {.opcode = RING_SHUTDOWN,
		.flags = IOSQE_FIXED_FILE, .fd = slot, .len = SHUT_RDWR};
	int got;

	send_everywhere(h, slot, MSG_FASTOPEN);
	got = hostile_entry(h, &shut); /* allowed: it is its own */
	if (got)
		hostile_wrong(h, "shutdown of its listener: %d", got);
	send_everywhere(h, slot, MSG_FASTOPEN);
	got = (int)hostile_write(h, (uint32_t)slot, UINT64_MAX, "escaped");
	if (got >= 0)
		hostile_wrong(h, "a shut listener was written");
}

void
entries_datagrams(struct hostile *h)
{
	const uint32_t slot = hostile_stream(h, 0);

	send_everywhere(h, (int32_t)slot, 0);
	if (hostile_write(h, slot, UINT64_MAX, "mine") != 4)
		hostile_wrong(h, "its own peer cannot be written to");
}

void
entries_splice(struct hostile *h)
{
	const int32_t slot = (int32_t)hostile_stream(h, 1);

	for (int32_t in = 0; in < 8; in++)
		for (unsigned int tee = 0; tee < 2; tee++)
			for (uint32_t flags = 0; flags < 2; flags++)
				refused(h, "splice", (struct io_uring_sqe){
					.opcode = tee ? IORING_OP_TEE : IORING_OP_SPLICE, .fd = slot,
					.splice_fd_in = in, .splice_flags = flags ? 1u << 31 : 0,
					.len = 16, .off = UINT64_MAX,
					.splice_off_in = UINT64_MAX});
}

void
entries_install(struct hostile *h)
{
	for (int32_t slot = 0; slot < (int32_t)h->client->handles_count; slot++)
		refused(h, "install", (struct io_uring_sqe){.opcode = OP_FIXED_FD_INSTALL, .fd = slot});
	hostile_wait_to_be_seen(h, "SEEN");
}

void
entries_scm(struct hostile *h)
{
	static char text[64];
	static union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	static struct iovec vector = {text, sizeof text};
	static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control};
	const int32_t slot = (int32_t)hostile_stream(h, 0);
	const int fd = WALLS_RING_FD;

	refused(h, "recvmsg", (struct io_uring_sqe){.opcode = IORING_OP_RECVMSG, .fd = slot,
		.addr = (uint64_t)(uintptr_t)&message, .len = 1});
	control.head = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	refused(h, "sendmsg of a descriptor", (struct io_uring_sqe){.opcode = IORING_OP_SENDMSG,
		.fd = slot, .addr = (uint64_t)(uintptr_t)&message, .len = 1});
	/* What was sent to it arrives as bytes only. */
	if (hostile_read(h, (uint32_t)slot, UINT64_MAX, 64) != 4)
		hostile_wrong(h, "the bytes beside a descriptor did not come");
	if (hostile_write(h, (uint32_t)slot, UINT64_MAX, "back") != 4)
		hostile_wrong(h, "its own peer cannot be written to");
	hostile_wait_to_be_seen(h, "SEEN");
}

/* --- 12 ------------------------------------------------------------------------------ */

/* Our view of the ring is the kernel's again, whatever was written over it. */
static void
agree(struct hostile *h)
{
	struct ring *ring = &h->client->ring;

	for (int i = 0; i < 8; i++) {
		ring->sq_array[0] = 0;
		atomic_store(ring->sq_tail, atomic_load(ring->sq_head));
		(void)hostile_enter(1, 0);
		atomic_store(ring->cq_head, atomic_load(ring->cq_tail));
	}
	for (uint32_t i = 0; i < ring->sq_entries; i++) {
		ring->sq_array[i] = i;
		memset(&ring->sqes[i], 0, sizeof ring->sqes[i]);
	}
	ring->tail = atomic_load(ring->sq_head);
	atomic_store(ring->sq_tail, ring->tail);
	ring->queued = 0;
	h->client->listening = false;
}

void
entries_rubbish(struct hostile *h)
{
	struct ring *ring = &h->client->ring;
	struct seed seed = {.state = 12};
	long most = 0;

	for (int round = 0; round < 3000; round++) {
		for (uint32_t i = 0; i < ring->sq_entries; i++) {
			uint64_t *words = (uint64_t *)(void *)&ring->sqes[i];

			for (unsigned j = 0; j < sizeof ring->sqes[i] / sizeof *words; j++)
				words[j] = seed_next(&seed) % 4 ? seed_next(&seed) : seed_next(&seed) % 8;
			if (seed_next(&seed) % 2) {
				ring->sqes[i].opcode =
					(uint8_t)listed[seed_next(&seed) % (sizeof listed / sizeof *listed)];
				ring->sqes[i].flags = IOSQE_FIXED_FILE;
			}
			/* Not a read that waits for the broker's words, or a stop of its own. */
			ring->sqes[i].user_data = (uint64_t)PART_IGNORE << 48;
			ring->sq_array[i] = (uint32_t)(seed_next(&seed) % 3 ? seed_next(&seed)
									    : seed_next(&seed) % 64);
		}
		atomic_store(ring->sq_tail, (uint32_t)(seed_next(&seed) % 2 ? seed_next(&seed)
			: atomic_load(ring->sq_head) + seed_next(&seed) % 64));
		{
			const long got = hostile_enter((uint32_t)seed_next(&seed), 0);

			most = got > most ? got : most;
		}
		if (round % 16 == 0)
			atomic_store(ring->cq_head, atomic_load(ring->cq_tail));
	}
	if (most == 0)
		hostile_wrong(h, "nothing of it was taken at all");
	agree(h);
	hostile_broker_lives(h);
}

void
entries_positions(struct hostile *h)
{
	struct ring *ring = &h->client->ring;
	struct seed seed = {.state = 13};

	for (int round = 0; round < 20000; round++) {
		_Atomic uint32_t *const words[] = {ring->sq_head, ring->sq_tail, ring->cq_head, ring->cq_tail,
			ring->sq_flags};

		atomic_store(words[seed_next(&seed) % 5], (uint32_t)seed_next(&seed));
		(void)hostile_enter((uint32_t)(seed_next(&seed) % 70), 0);
	}
	agree(h);
	hostile_broker_lives(h);
}

void
entries_overwritten(struct hostile *h)
{
	static struct __kernel_timespec hour = {.tv_sec = 3600};
	struct ring *ring = &h->client->ring;
	uint64_t user;
	int32_t result;
	uint32_t flags;
	int ended = 0;

	for (uint32_t i = 0; i < 16; i++) {
		struct io_uring_sqe *entry =
			ring_entry(ring, i % 2 ? RING_TIMEOUT : RING_POLL_ADD, WIRE_SLOT_WORKER, 0);

		entry->user_data = (uint64_t)PART_IGNORE << 48 | 77;
		if (i % 2) {
			entry->fd = 0;
			entry->addr = (uint64_t)(uintptr_t)&hour;
			entry->len = 1;
		} else {
			entry->poll32_events = POLLPRI;
		}
	}
	if (ring_enter(ring, RING_GO_ON))
		hostile_wrong(h, "they were not taken");
	for (uint32_t i = 0; i < ring->sq_entries; i++)
		ring->sqes[i] = (struct io_uring_sqe){.opcode = OP_SOCKET, .fd = AF_INET,
			.off = SOCK_STREAM, .user_data = (uint64_t)PART_IGNORE << 48 | 78};
	(void)hostile_enter(0, 0);
	{
		struct io_uring_sqe *cancel = ring_entry(ring, RING_ASYNC_CANCEL, 0, 0);

		cancel->user_data = (uint64_t)PART_IGNORE << 48 | 79;
		cancel->addr = (uint64_t)PART_IGNORE << 48 | 77;
		cancel->cancel_flags = IORING_ASYNC_CANCEL_ALL;
	}
	for (int tries = 0; tries < 100 && ended < 17; tries++) {
		(void)ring_enter(ring, RING_GO_ON);
		while (ring_take(ring, &user, &result, &flags)) {
			ended += user == ((uint64_t)PART_IGNORE << 48 | 77) ||
				 user == ((uint64_t)PART_IGNORE << 48 | 79);
			if (user == ((uint64_t)PART_IGNORE << 48 | 78))
				hostile_wrong(h, "what was written over an entry ran: %d", result);
		}
	}
	if (ended != 17)
		hostile_wrong(h, "%d of 17 ended", ended);
	hostile_wait_to_be_seen(h, "SEEN");
}

void
entries_unreaped(struct hostile *h)
{
	struct ring *ring = &h->client->ring;
	long taken = 0;

	for (int round = 0; round < 4000; round++) {
		for (uint32_t i = 0; i < ring->sq_entries; i++) {
			ring->sqes[i] = (struct io_uring_sqe){.opcode = RING_NOP,
				.flags = IOSQE_FIXED_FILE, .user_data = (uint64_t)PART_IGNORE << 48};
			ring->sq_array[i] = i;
		}
		atomic_store(ring->sq_tail, atomic_load(ring->sq_head) + ring->sq_entries);
		{
			const long got = hostile_enter(ring->sq_entries, 0);

			taken += got > 0 ? got : 0;
		}
	}
	if (taken < (long)ring->cq_mask)
		hostile_wrong(h, "only %ld were taken", taken);
	for (uint32_t left = 0; left < 100000; left++) /* what overflowed comes piece by piece */
		if (atomic_load(ring->cq_head) != atomic_load(ring->cq_tail) || ring_due(ring)) {
			atomic_store(ring->cq_head, atomic_load(ring->cq_tail));
			(void)hostile_enter(0, 0);
		} else {
			break;
		}
	agree(h);
	hostile_broker_lives(h);
}

void
entries_nops(struct hostile *h)
{
	struct ring *ring = &h->client->ring;
	uint64_t user;
	int32_t result;
	uint32_t flags, ended = 0;

	for (uint32_t i = 0; i < 1000000; i++) {
		(void)ring_entry(ring, RING_NOP, 0, (uint64_t)PART_IGNORE << 48 | 5);
		while (ring_take(ring, &user, &result, &flags))
			ended += user == ((uint64_t)PART_IGNORE << 48 | 5) && result == 0;
	}
	for (int i = 0; i < 100; i++) {
		(void)ring_enter(ring, RING_GO_ON);
		while (ring_take(ring, &user, &result, &flags))
			ended += user == ((uint64_t)PART_IGNORE << 48 | 5) && result == 0;
	}
	if (ended != 1000000)
		hostile_wrong(h, "%u of a million ended", ended);
	h->client->listening = false;
	hostile_broker_lives(h);
}

void
entries_addresses(struct hostile *h)
{
	const uint64_t bad[] = {0, 8, UINT64_C(0xffffffff80000000), UINT64_C(0x7fffffffffff),
		UINT64_MAX - 4, UINT64_C(0x0000800000000000), UINT64_C(0xdead00000000)};
	const uint32_t file = (uint32_t)hostile_open(
		h, hostile_dir(h, 0), "f", DEVICE_FOR_READ | DEVICE_FOR_WRITE);
	const uint8_t ops[] = {RING_READ, RING_WRITE};
	const uint64_t code = (uint64_t)(uintptr_t)entries_addresses;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		for (unsigned j = 0; j < 2; j++) {
			const struct io_uring_sqe entry = {.opcode = ops[j], .flags = IOSQE_FIXED_FILE,
				.fd = (int32_t)file, .addr = bad[i], .len = 4, .off = 0};
			const int got = hostile_entry(h, &entry);

			if (got >= 0)
				hostile_wrong(h, "operation %u at 0x%llx: %d", ops[j],
					(unsigned long long)bad[i], got);
		}
	{
		const struct io_uring_sqe entry = {.opcode = RING_READ, .flags = IOSQE_FIXED_FILE,
			.fd = (int32_t)file, .addr = code, .len = 4, .off = 0};

		if (hostile_entry(h, &entry) >= 0)
			hostile_wrong(h, "a file was read over code");
	}
	hostile_broker_lives(h);
}

/* --- 21 ------------------------------------------------------------------------------ */

void
entries_times(struct hostile *h)
{
	static const struct { int64_t seconds, ns; uint32_t flags; int least, most; } times[] = {
		{-1, 0, 0, -EINVAL, -EINVAL},
		{INT64_MIN, 0, 0, -EINVAL, -EINVAL},
		{0, -1, 0, -EINVAL, -EINVAL},
		{0, 0, 0, -ETIME, -ETIME},
		{0, 1, 0, -ETIME, -ETIME},
		{0, 0, IORING_TIMEOUT_ABS, -ETIME, -ETIME},
		{1, 0, IORING_TIMEOUT_ABS | IORING_TIMEOUT_REALTIME, -ETIME, -ETIME},
		{0, 0, UINT32_MAX, -EINVAL, -EINVAL},
	};
	static struct __kernel_timespec time;
	static struct __kernel_timespec longest[3] = {
		{INT64_MAX, 999999999}, {INT64_MAX, INT64_MAX}, {1 << 30, 0}};
	struct io_uring_sqe cancel = {.opcode = RING_ASYNC_CANCEL, .flags = IOSQE_FIXED_FILE,
		.cancel_flags = IORING_ASYNC_CANCEL_ALL, .addr = (uint64_t)PART_IGNORE << 48};

	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		const struct io_uring_sqe entry = {.opcode = RING_TIMEOUT, .flags = IOSQE_FIXED_FILE,
			.addr = (uint64_t)(uintptr_t)&time, .len = 1, .timeout_flags = times[i].flags};
		int got;

		time = (struct __kernel_timespec){times[i].seconds, times[i].ns};
		got = hostile_entry(h, &entry);
		if (got < times[i].least || got > times[i].most)
			hostile_wrong(h, "time %zu: %d", i, got);
	}
	for (unsigned i = 0; i < 3; i++) { /* these wait: nobody waits for them */
		struct io_uring_sqe *entry =
			ring_entry(&h->client->ring, RING_TIMEOUT, 0, (uint64_t)PART_IGNORE << 48);

		entry->addr = (uint64_t)(uintptr_t)&longest[i];
		entry->len = 1;
	}
	hostile_broker_lives(h);
	(void)hostile_entry(h, &cancel);
	hostile_broker_lives(h);
}
