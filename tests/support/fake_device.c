/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_device.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/base/fits.h"
#include "tests/support/fake_net.h"

static const uint64_t real_ns = 1600000000000000000;

static void *
copy(const void *from, uint32_t bytes)
{
	void *to = calloc(1, (size_t)bytes + 1);

	if (!to)
		abort();
	if (bytes)
		memcpy(to, from, bytes);
	return to;
}

static struct fake_handle *
handle_at(struct fake_device *fake, uint32_t handle)
{
	return handle < FAKE_HANDLES_MAX && fake->handles[handle].open ? &fake->handles[handle] : NULL;
}

static bool
has_deadline(const struct device_request *request)
{
	return request->op == DEVICE_SLEEP || request->op == DEVICE_POLL;
}

/* --- submit, cancel --------------------------------------------------------- */

static int
fake_submit(struct device *device, const struct device_request *request)
{
	struct fake_device *fake = (struct fake_device *)device;
	struct fake_flight *flight = fake->flight;

	if (fake->in_flight >= fake->pieces_max)
		return -DEVICE_EAGAIN;
	while (flight->taken)
		flight++;
	*flight = (struct fake_flight){
		.request = *request,
		.taken = true,
		.order = fake->order++,
		.ready_at = fake->reaps + fake->latency,
		.deadline_ns = has_deadline(request)
			? add_saturating(fake->now_ns, request->timeout_ns)
			: DEVICE_FOREVER,
	};
	if (request->bytes > DEVICE_PIECE_BYTES || request->data_bytes > DEVICE_PIECE_BYTES)
		abort(); /* the caller owes pieces */
	flight->request.data = copy(request->data, request->data_bytes);
	flight->request.path = copy(request->path, request->path_bytes);
	flight->request.path2 = copy(request->path2, request->path2_bytes);
	fake->in_flight++;
	return 0;
}

static void
fake_cancel(struct device *device, uint64_t id)
{
	struct fake_device *fake = (struct fake_device *)device;

	for (int i = 0; i < FAKE_FLIGHT_MAX; i++)
		if (fake->flight[i].taken && !fake->flight[i].reaped &&
			fake->flight[i].request.id == id)
			fake->flight[i].canceled = true;
}

/* --- what each operation does ------------------------------------------------ */

struct answer {
	int64_t result;
	uint8_t *data;
	uint32_t data_bytes;
	struct device_stat stat;
	uint64_t now_ns;
};

static uint32_t
limit_bytes(const struct fake_device *fake, uint32_t bytes)
{
	return fake->short_max && bytes > fake->short_max ? fake->short_max : bytes;
}

static int64_t
op_read(struct fake_device *fake, const struct device_request *request, struct fake_handle *handle,
	struct answer *answer)
{
	const bool own = request->offset == DEVICE_STREAM;

	if (!(handle->flags & DEVICE_FOR_READ))
		return -DEVICE_EBADF;
	if (!own && handle->stream)
		return -DEVICE_ESPIPE;
	answer->data = copy(NULL, 0);
	answer->data = realloc(answer->data, (size_t)request->bytes + 1);

	const int64_t got = files_read(&fake->files, handle->node,
		own ? handle->position : request->offset, answer->data,
		limit_bytes(fake, request->bytes));

	if (got > 0 && own)
		handle->position += (uint64_t)got;
	answer->data_bytes = got > 0 ? (uint32_t)got : 0;
	if (got == 0 && handle->stream && !handle->closed_in && request->bytes)
		return -DEVICE_EAGAIN; /* only with DEVICE_NONBLOCK: else it still waits */
	return got;
}

static int64_t
op_write(struct fake_device *fake, const struct device_request *request, struct fake_handle *handle)
{
	const uint32_t node = handle->stream ? handle->node_out : handle->node;
	const bool own = request->offset == DEVICE_STREAM;
	uint64_t at = own ? handle->position : request->offset;
	int64_t put;

	if (!(handle->flags & DEVICE_FOR_WRITE))
		return -DEVICE_EBADF;
	if (handle->broken)
		return -DEVICE_EPIPE;
	if (!own && handle->stream)
		return -DEVICE_ESPIPE;
	if (handle->stream || (handle->flags | request->flags) & DEVICE_APPENDING)
		at = files_at(&fake->files, node)->bytes;
	put = files_write(&fake->files, node, at, request->data, limit_bytes(fake, request->data_bytes));
	if (put > 0 && own && !handle->stream)
		handle->position = at + (uint64_t)put;
	return put;
}

static int64_t
op_open(struct fake_device *fake, const struct device_request *request, struct fake_handle *handle,
	struct answer *answer)
{
	struct fake_place place;
	const int error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
		request->flags & DEVICE_FOLLOW, &place);
	struct fake_node *node;

	if (error)
		return error;
	if (!place.node) {
		if (!(request->flags & DEVICE_CREATE))
			return -DEVICE_ENOENT;
		if (place.wants_directory || request->flags & DEVICE_DIRECTORY)
			return -DEVICE_EINVAL;
		place.node = files_node(&fake->files, DEVICE_TYPE_FILE, place.directory, place.name);
	} else if (request->flags & DEVICE_CREATE && request->flags & DEVICE_EXCLUSIVE) {
		return -DEVICE_EEXIST;
	}
	node = files_at(&fake->files, place.node);
	if (node->type == DEVICE_TYPE_SYMLINK)
		return -DEVICE_ELOOP;
	if (node->type != DEVICE_TYPE_DIRECTORY && request->flags & DEVICE_DIRECTORY)
		return -DEVICE_ENOTDIR;
	if (node->type == DEVICE_TYPE_DIRECTORY && request->flags & DEVICE_FOR_WRITE)
		return -DEVICE_EISDIR;
	if (request->flags & DEVICE_TRUNC && node->type == DEVICE_TYPE_FILE)
		(void)files_resize(&fake->files, place.node, 0);
	(void)files_stat(&fake->files, place.node, &answer->stat);
	return fake_grant(fake, place.node, request->flags);
}

static int64_t
op_stat_at(struct fake_device *fake, const struct device_request *request,
	struct fake_handle *handle, struct answer *answer)
{
	struct fake_place place;
	const int error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
		request->flags & DEVICE_FOLLOW, &place);

	if (error)
		return error;
	return place.node ? files_stat(&fake->files, place.node, &answer->stat) : -DEVICE_ENOENT;
}

static int64_t
set_times(struct fake_device *fake, const struct device_request *request, uint32_t number)
{
	struct fake_node *node = files_at(&fake->files, number);
	const uint64_t now_ns = fake->now_ns + real_ns;

	if (!node)
		return -DEVICE_ENOENT;
	if (request->flags & DEVICE_SET_ACCESS)
		node->access_ns = request->access_ns;
	if (request->flags & DEVICE_SET_MODIFY)
		node->modify_ns = request->modify_ns;
	if (request->flags & DEVICE_ACCESS_NOW)
		node->access_ns = now_ns;
	if (request->flags & DEVICE_MODIFY_NOW)
		node->modify_ns = now_ns;
	return 0;
}

static int64_t
op_make(struct fake_device *fake, const struct device_request *request, struct fake_handle *handle)
{
	const bool link = request->op == DEVICE_SYMLINK;
	struct fake_place place;
	const int error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
		false, &place);
	uint32_t number;

	if (error)
		return error;
	if (place.node)
		return -DEVICE_EEXIST;
	if (link && place.wants_directory)
		return -DEVICE_ENOENT;
	number = files_node(&fake->files, link ? DEVICE_TYPE_SYMLINK : DEVICE_TYPE_DIRECTORY,
		place.directory, place.name);
	if (link)
		(void)files_write(&fake->files, number, 0, (const uint8_t *)request->path2,
			request->path2_bytes);
	return 0;
}

static int64_t
op_remove(struct fake_device *fake, const struct device_request *request,
	struct fake_handle *handle)
{
	struct fake_place place;
	const int error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
		false, &place);
	const struct fake_node *node;

	if (error)
		return error;
	node = files_at(&fake->files, place.node);
	if (!node)
		return -DEVICE_ENOENT;
	if (!strcmp(place.name, ".") || !strcmp(place.name, ".."))
		return -DEVICE_EINVAL;
	if (request->op == DEVICE_UNLINK)
		return node->type == DEVICE_TYPE_DIRECTORY
			? -DEVICE_EISDIR
			: files_unlink(&fake->files, place.directory, place.name);
	if (node->type != DEVICE_TYPE_DIRECTORY)
		return -DEVICE_ENOTDIR;
	if (node->entries_count)
		return -DEVICE_ENOTEMPTY;
	return files_unlink(&fake->files, place.directory, place.name);
}

static int64_t
rename_over(struct fake_device *fake, const struct fake_place *from, const struct fake_place *to)
{
	const struct fake_node *moved = files_at(&fake->files, from->node),
			       *there = files_at(&fake->files, to->node);
	const bool directory = moved->type == DEVICE_TYPE_DIRECTORY;
	int error;

	if (from->node == to->node)
		return 0;
	if (!directory && to->wants_directory)
		return -DEVICE_ENOTDIR;
	for (uint32_t up = to->directory; directory; up = fake->files.nodes[up].parent) {
		if (up == from->node)
			return -DEVICE_EINVAL;
		if (up == fake->files.nodes[up].parent)
			break;
	}
	if (there && (there->type == DEVICE_TYPE_DIRECTORY) != directory)
		return directory ? -DEVICE_ENOTDIR : -DEVICE_EISDIR;
	if (there && there->entries_count)
		return -DEVICE_ENOTEMPTY;
	if (there)
		(void)files_unlink(&fake->files, to->directory, to->name);
	error = files_link(&fake->files, to->directory, to->name, from->node);
	return error ? error : files_unlink(&fake->files, from->directory, from->name);
}

static int64_t
op_two_names(struct fake_device *fake, const struct device_request *request,
	struct fake_handle *handle)
{
	const struct fake_handle *other = handle_at(fake, request->handle2);
	struct fake_place from, to;
	int error;

	if (!other)
		return -DEVICE_EBADF;
	error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
		request->op == DEVICE_LINK && request->flags & DEVICE_FOLLOW, &from);
	if (!error && !from.node)
		error = -DEVICE_ENOENT;
	if (!error)
		error = files_walk(&fake->files, other->node, request->path2, request->path2_bytes, false,
			&to);
	if (error)
		return error;
	if (request->op == DEVICE_RENAME)
		return rename_over(fake, &from, &to);
	if (to.node)
		return -DEVICE_EEXIST;
	if (to.wants_directory)
		return -DEVICE_ENOENT;
	if (files_at(&fake->files, from.node)->type == DEVICE_TYPE_DIRECTORY)
		return -DEVICE_EPERM;
	return files_link(&fake->files, to.directory, to.name, from.node);
}

static int64_t
op_readlink(struct fake_device *fake, const struct device_request *request,
	struct fake_handle *handle, struct answer *answer)
{
	struct fake_place place;
	const int error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
		false, &place);
	const struct fake_node *node;

	if (error)
		return error;
	node = files_at(&fake->files, place.node);
	if (!node)
		return -DEVICE_ENOENT;
	if (node->type != DEVICE_TYPE_SYMLINK)
		return -DEVICE_EINVAL;
	answer->data = copy(node->data, (uint32_t)node->bytes);
	answer->data_bytes = (uint32_t)node->bytes;
	return (int64_t)node->bytes;
}

static uint8_t
poll_ready(struct fake_device *fake, struct device_poll *poll)
{
	const struct fake_handle *handle = handle_at(fake, poll->handle);
	const struct fake_node *node;

	poll->ready = 0;
	poll->readable = 0;
	if (!handle)
		return poll->ready = 4;
	if (handle->net == FAKE_LISTENER)
		return poll->ready = handle->callers ? 1 : 0;
	node = files_at(&fake->files, handle->node);
	if (node->bytes > handle->position)
		poll->readable = (uint16_t)min_u64(node->bytes - handle->position, UINT16_MAX);
	if (poll->want & 1 && (!handle->stream || poll->readable || handle->closed_in))
		poll->ready |= 1;
	if (handle->stream && handle->closed_in && !poll->readable)
		poll->ready |= poll->want & 1 ? 8 : 0;
	if (poll->want & 2)
		poll->ready |= handle->broken ? 4 : 2;
	return poll->ready;
}

static int64_t
op_poll(struct fake_device *fake, const struct device_request *request, struct answer *answer)
{
	const uint32_t count = request->data_bytes / (uint32_t)sizeof(struct device_poll);
	int64_t ready = 0;

	if (count > DEVICE_POLLS_MAX || request->data_bytes % sizeof(struct device_poll))
		return -DEVICE_EINVAL;
	answer->data = copy(request->data, request->data_bytes);
	answer->data_bytes = request->data_bytes;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = answer->data + i * sizeof(struct device_poll);
		struct device_poll poll;

		memcpy(&poll, at, sizeof poll);
		ready += poll_ready(fake, &poll) != 0;
		memcpy(at, &poll, sizeof poll);
	}
	return ready;
}

static int64_t
op_entropy(struct fake_device *fake, const struct device_request *request, struct answer *answer)
{
	answer->data = copy(NULL, 0);
	answer->data = realloc(answer->data, (size_t)request->bytes + 1);
	for (uint32_t i = 0; i < request->bytes; i++)
		answer->data[i] = (uint8_t)seed_next(&fake->seed);
	answer->data_bytes = request->bytes;
	return request->bytes;
}

static int64_t
op_list(struct fake_device *fake, const struct device_request *request, struct fake_handle *handle,
	struct answer *answer)
{
	answer->data = calloc(1, (size_t)request->bytes + 1);
	return files_list(&fake->files, handle->node, request->offset, answer->data, request->bytes,
		&answer->data_bytes);
}

/* Operations that need no handle. false: it needs one. */
static bool
carry_out_bare(struct fake_device *fake, const struct device_request *request,
	struct answer *answer)
{
	switch (request->op) {
	case DEVICE_POLL:
		answer->result = op_poll(fake, request, answer);
		return true;
	case DEVICE_SLEEP:
		answer->result = 0;
		return true;
	case DEVICE_CLOCK:
		answer->now_ns = fake->now_ns + (request->flags & DEVICE_CLOCK_REAL ? real_ns : 0);
		answer->result = 0;
		return true;
	case DEVICE_ENTROPY:
		answer->result = op_entropy(fake, request, answer);
		return true;
	default:
		return false;
	}
}

static int64_t
carry_out_path(struct fake_device *fake, const struct device_request *request,
	struct fake_handle *handle, struct answer *answer)
{
	struct fake_place place;
	int error;

	if (files_at(&fake->files, handle->node)->type != DEVICE_TYPE_DIRECTORY)
		return -DEVICE_ENOTDIR;
	switch (request->op) {
	case DEVICE_OPEN:
		return op_open(fake, request, handle, answer);
	case DEVICE_STAT_AT:
		return op_stat_at(fake, request, handle, answer);
	case DEVICE_TIMES_AT:
		error = files_walk(&fake->files, handle->node, request->path, request->path_bytes,
			request->flags & DEVICE_FOLLOW, &place);
		return error ? error : set_times(fake, request, place.node);
	case DEVICE_MKDIR:
	case DEVICE_SYMLINK:
		return op_make(fake, request, handle);
	case DEVICE_UNLINK:
	case DEVICE_RMDIR:
		return op_remove(fake, request, handle);
	case DEVICE_RENAME:
	case DEVICE_LINK:
		return op_two_names(fake, request, handle);
	case DEVICE_READLINK:
		return op_readlink(fake, request, handle, answer);
	case DEVICE_LIST:
		return op_list(fake, request, handle, answer);
	default:
		return -DEVICE_ENOTSUP;
	}
}

static int64_t
carry_out(struct fake_device *fake, const struct device_request *request, struct answer *answer)
{
	struct fake_handle *handle = handle_at(fake, request->handle);

	if (!handle)
		return -DEVICE_EBADF;
	if (handle->revoked && request->op != DEVICE_CLOSE)
		return -DEVICE_EREVOKED;
	switch (request->op) {
	case DEVICE_READ:
		return op_read(fake, request, handle, answer);
	case DEVICE_WRITE:
		return op_write(fake, request, handle);
	case DEVICE_SYNC:
		return handle->stream ? -DEVICE_EINVAL : 0;
	case DEVICE_TRUNCATE:
		return handle->flags & DEVICE_FOR_WRITE && !handle->stream
			? files_resize(&fake->files, handle->node, request->offset)
			: -DEVICE_EINVAL;
	case DEVICE_ALLOCATE:
		if (!(handle->flags & DEVICE_FOR_WRITE) || handle->stream)
			return -DEVICE_EBADF;
		return request->offset + request->length > files_at(&fake->files, handle->node)->bytes
			? files_resize(&fake->files, handle->node, request->offset + request->length)
			: 0;
	case DEVICE_SHUTDOWN:
	case DEVICE_CONNECT:
	case DEVICE_ACCEPT:
	case DEVICE_RESOLVE:
	case DEVICE_ADDRESS:
	case DEVICE_NARROW:
		return fake_net(fake, request, handle, &answer->data, &answer->data_bytes);
	case DEVICE_CLOSE:
		handle->open = false;
		return 0;
	case DEVICE_STAT:
		if (files_stat(&fake->files, handle->node, &answer->stat) < 0)
			return -DEVICE_EBADF;
		answer->stat.type = handle->stream ? DEVICE_TYPE_FIFO : answer->stat.type;
		return 0;
	case DEVICE_TIMES:
		return set_times(fake, request, handle->node);
	default:
		return carry_out_path(fake, request, handle, answer);
	}
}

/* --- reap -------------------------------------------------------------------- */

static bool
read_waits(struct fake_device *fake, const struct device_request *request)
{
	const struct fake_handle *handle = handle_at(fake, request->handle);

	if (!handle || !handle->stream || handle->closed_in || handle->revoked)
		return false;
	return !(request->flags & DEVICE_NONBLOCK) && request->bytes &&
		handle->position >= files_at(&fake->files, handle->node)->bytes;
}

/* Would it have to wait still? */
static bool
must_wait(struct fake_device *fake, const struct fake_flight *flight)
{
	struct answer answer = {0};
	int64_t ready;

	if (flight->canceled || flight->deadline_ns <= fake->now_ns)
		return false;
	if (flight->request.op == DEVICE_READ)
		return read_waits(fake, &flight->request);
	if (flight->request.op == DEVICE_ACCEPT) {
		const struct fake_handle *handle = handle_at(fake, flight->request.handle);

		return handle && !handle->revoked && !handle->callers &&
			!(flight->request.flags & DEVICE_NONBLOCK);
	}
	if (flight->request.op == DEVICE_SLEEP)
		return true;
	if (flight->request.op != DEVICE_POLL)
		return false;
	ready = op_poll(fake, &flight->request, &answer);
	free(answer.data);
	return ready == 0;
}

static enum device_error
fault_of(struct fake_device *fake, enum device_op op)
{
	enum device_error error = DEVICE_OK;

	for (size_t i = 0; i < sizeof fake->faults / sizeof *fake->faults; i++)
		if (fake->faults[i].op == op && fake->faults[i].nth && --fake->faults[i].nth == 0)
			error = fake->faults[i].error;
	return error;
}

static void
answer_flight(struct fake_device *fake, struct fake_flight *flight,
	struct device_completion *ret_completion)
{
	const struct device_request *request = &flight->request;
	struct answer answer = {0};
	enum device_error fault = DEVICE_OK;

	if (flight->canceled)
		fault = DEVICE_ECANCELED;
	else
		fault = fault_of(fake, request->op);
	fake->ops[request->op]++;
	if (fault != DEVICE_OK)
		answer.result = -(int64_t)fault;
	else if (!carry_out_bare(fake, request, &answer))
		answer.result = carry_out(fake, request, &answer);
	flight->reply = answer.data;
	flight->reaped = true;
	fake->undone++;
	*ret_completion = (struct device_completion){
		.id = request->id,
		.result = answer.result,
		.data = answer.data,
		.data_bytes = answer.data_bytes,
		.stat = answer.stat,
		.now_ns = answer.now_ns,
	};
}

static struct fake_flight *
choose(struct fake_device *fake, bool wait)
{
	struct fake_flight *chosen = NULL;
	uint64_t ready = 0;

	for (int i = 0; i < FAKE_FLIGHT_MAX; i++) {
		struct fake_flight *flight = &fake->flight[i];

		if (!flight->taken || flight->reaped || must_wait(fake, flight))
			continue;
		if (!wait && flight->ready_at > fake->reaps)
			continue;
		ready++;
		if (!chosen || (fake->shuffle ? seed_below(&fake->seed, ready) == 0
					      : flight->order < chosen->order))
			chosen = flight;
	}
	return chosen;
}

/* Everything waits: time goes on to the next deadline. false: there is none. */
static bool
jump(struct fake_device *fake)
{
	uint64_t next_ns = UINT64_MAX;

	for (int i = 0; i < FAKE_FLIGHT_MAX; i++) {
		const struct fake_flight *flight = &fake->flight[i];

		if (flight->taken && !flight->reaped && flight->deadline_ns > fake->now_ns &&
			flight->deadline_ns < next_ns)
			next_ns = flight->deadline_ns;
	}
	if (next_ns == UINT64_MAX)
		return false;
	fake->now_ns = next_ns;
	fake->files.now_ns = next_ns;
	return true;
}

static bool
fake_reap(struct device *device, bool wait, struct device_completion *ret_completion)
{
	struct fake_device *fake = (struct fake_device *)device;
	struct fake_flight *chosen;

	fake->reaps++;
	if (wait && fake->poked) {
		fake->poked = false;
		return false;
	}
	chosen = choose(fake, wait);
	if (!chosen && wait && jump(fake))
		chosen = choose(fake, wait);
	if (!chosen)
		return false; /* with wait: nothing can ever come, which reads as a poke */
	answer_flight(fake, chosen, ret_completion);
	return true;
}

static void
fake_done(struct device *device, uint64_t id)
{
	struct fake_device *fake = (struct fake_device *)device;

	for (int i = 0; i < FAKE_FLIGHT_MAX; i++) {
		struct fake_flight *flight = &fake->flight[i];

		if (!flight->taken || flight->request.id != id)
			continue;
		if (!flight->reaped)
			abort(); /* done before it completed */
		free((void *)(uintptr_t)flight->request.data);
		free((void *)(uintptr_t)flight->request.path);
		free((void *)(uintptr_t)flight->request.path2);
		free(flight->reply);
		*flight = (struct fake_flight){0};
		fake->in_flight--;
		fake->undone--;
		return;
	}
	abort(); /* done twice */
}

/* --- setting up -------------------------------------------------------------- */

void
fake_device_init(struct fake_device *fake, uint64_t seed)
{
	*fake = (struct fake_device){
		.device = {fake_submit, fake_cancel, fake_reap, fake_done},
		.seed = {seed},
		.pieces_max = FAKE_FLIGHT_MAX,
		.handles = calloc(FAKE_HANDLES_MAX, sizeof *fake->handles),
	};
	if (!fake->handles)
		abort();
	files_init(&fake->files);
}

void
fake_device_done(struct fake_device *fake)
{
	for (int i = 0; i < FAKE_FLIGHT_MAX; i++) {
		struct fake_flight *flight = &fake->flight[i];

		if (!flight->taken)
			continue;
		flight->reaped = true;
		fake_done(&fake->device, flight->request.id);
	}
	files_done(&fake->files);
	free(fake->handles);
	fake->handles = NULL;
}

uint32_t
fake_dir(struct fake_device *fake, uint32_t parent, const char *name)
{
	return files_node(&fake->files, DEVICE_TYPE_DIRECTORY, parent, name);
}

uint32_t
fake_file(struct fake_device *fake, uint32_t parent, const char *name, const void *data,
	uint32_t bytes)
{
	const uint32_t node = files_node(&fake->files, DEVICE_TYPE_FILE, parent, name);

	(void)files_write(&fake->files, node, 0, data, bytes);
	return node;
}

uint32_t
fake_symlink(struct fake_device *fake, uint32_t parent, const char *name, const char *target)
{
	const uint32_t node = files_node(&fake->files, DEVICE_TYPE_SYMLINK, parent, name);

	(void)files_write(&fake->files, node, 0, (const uint8_t *)target, (uint32_t)strlen(target));
	return node;
}

uint32_t
fake_grant(struct fake_device *fake, uint32_t node, uint32_t flags)
{
	uint32_t handle = 0;

	while (fake->handles[handle].open)
		if (++handle == FAKE_HANDLES_MAX)
			abort();
	fake->handles[handle] = (struct fake_handle){.open = true, .node = node, .flags = flags};
	return handle;
}

uint32_t
fake_stream(struct fake_device *fake, const void *input, uint32_t bytes)
{
	const uint32_t in = fake_file(fake, 0, NULL, input, bytes),
		       out = fake_file(fake, 0, NULL, NULL, 0);
	const uint32_t handle = fake_grant(fake, in, DEVICE_FOR_READ | DEVICE_FOR_WRITE);

	fake->handles[handle].stream = true;
	fake->handles[handle].node_out = out;
	return handle;
}

void
fake_stream_feed(struct fake_device *fake, uint32_t handle, const void *data, uint32_t bytes)
{
	const uint32_t node = fake->handles[handle].node;

	(void)files_write(&fake->files, node, files_at(&fake->files, node)->bytes, data, bytes);
}

void
fake_stream_close(struct fake_device *fake, uint32_t handle)
{
	fake->handles[handle].closed_in = true;
}

const uint8_t *
fake_written(struct fake_device *fake, uint32_t handle, uint64_t *ret_bytes)
{
	const struct fake_handle *h = &fake->handles[handle];
	const struct fake_node *node = files_at(&fake->files, h->stream ? h->node_out : h->node);

	*ret_bytes = node->bytes;
	return node->data;
}

void
fake_fail(struct fake_device *fake, enum device_op op, uint64_t nth, enum device_error error)
{
	for (size_t i = 0; i < sizeof fake->faults / sizeof *fake->faults; i++) {
		if (fake->faults[i].nth)
			continue;
		fake->faults[i] = (struct fake_fault){.op = op, .nth = nth, .error = error};
		return;
	}
	abort();
}
