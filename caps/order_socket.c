/* SPDX-License-Identifier: Apache-2.0 */
/* order_socket.c - orders on networks through the gate. kind_socket.c checks and
 * makes the requests; bytes go the way of all streams (order_device.c). */
#include "caps/order_device.h"

enum { ACCEPT_NOW = 1, ADDRESS_PEER = 1, SHUT_READ = 1, SHUT_WRITE = 2, POLL_BOTH = 3 };

/* The message's text: an address, pattern or name. */
static bool
text_sent(struct invocation *inv, struct path *ret, enum order_end *ret_end)
{
	*ret = (struct path){(const char *)inv->in.text, inv->in.text_bytes};
	if (ret->bytes > DEVICE_PATH_MAX || (ret->bytes && memchr(ret->text, 0, ret->bytes))) {
		*ret_end = gate_rc(inv, RC_BAD_WORD);
		return false;
	}
	return device_ready_for(inv, ret->bytes, ret_end);
}

static enum order_end
answer_made(struct invocation *inv, struct key key)
{
	return key_is_void(&key) ? gate_rc(inv, RC_NO_SPACE) : answer_key(inv, key);
}

/* The connection, and its peer's address as text. */
static enum order_end
answer_connection(struct invocation *inv)
{
	const struct device_completion *completion = inv->call->completion;
	const enum order_end end = answer_made(inv,
		connection_key(device_state(inv), &inv->key, completion, inv->domain));

	return inv->rc == RC_OK ? answer_text(inv, completion->data, completion->data_bytes) : end;
}

enum order_end
order_socket_connect(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	struct path to;

	if (!text_sent(inv, &to, &end))
		return end;
	if (!device_came(inv, socket_connect(device_state(inv), &inv->key, to, &request), &request, &end))
		return end;
	return answer_connection(inv);
}

enum order_end
order_socket_narrow(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	struct path pattern;

	if (!inv->in.text_bytes)
		return gate_rc(inv, RC_BAD_WORD);
	if (!text_sent(inv, &pattern, &end))
		return end;
	if (!device_came(inv, socket_narrow(device_state(inv), &inv->key, pattern, &request), &request, &end))
		return end;
	return answer_made(inv,
		narrowed_key(device_state(inv), &inv->key, inv->call->completion, pattern, inv->domain));
}

static enum order_end
resolve(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	struct path name;

	if (!inv->in.text_bytes)
		return gate_rc(inv, RC_BAD_WORD);
	if (!text_sent(inv, &name, &end))
		return end;
	if (!device_came(inv, network_resolve(device_state(inv), &inv->key, name, &request), &request, &end))
		return end;
	inv->out.words[0] = (uint64_t)inv->call->completion->result;
	return answer_text(inv, inv->call->completion->data, inv->call->completion->data_bytes);
}

enum order_end
order_socket_resolve(struct invocation *inv)
{
	return resolve(inv);
}

enum order_end
order_resolver_resolve(struct invocation *inv)
{
	return resolve(inv);
}

enum order_end
order_listener_accept(struct invocation *inv)
{
	struct device_request request;
	enum order_end end;
	enum rc rc;

	if (inv->in.words[0] & ~(uint64_t)ACCEPT_NOW)
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	rc = listener_accept(device_state(inv), &inv->key,
		inv->in.words[0] & ACCEPT_NOW ? DEVICE_NONBLOCK : 0, &request);
	return device_came(inv, rc, &request, &end) ? answer_connection(inv) : end;
}

static enum order_end
address(struct invocation *inv, uint32_t flags)
{
	struct device_request request;
	enum order_end end;

	if (!device_ready(inv, &end))
		return end;
	if (!device_came(inv, network_address(device_state(inv), &inv->key, flags, &request), &request, &end))
		return end;
	return answer_text(inv, inv->call->completion->data, inv->call->completion->data_bytes);
}

enum order_end
order_socket_address(struct invocation *inv)
{
	if (inv->in.words[0] & ~(uint64_t)ADDRESS_PEER)
		return gate_rc(inv, RC_BAD_WORD);
	return address(inv, inv->in.words[0] & ADDRESS_PEER ? DEVICE_PEER : 0);
}

enum order_end
order_listener_address(struct invocation *inv)
{
	return address(inv, 0);
}

enum order_end
order_socket_shutdown(struct invocation *inv)
{
	const uint64_t ways = inv->in.words[0];
	struct device_request request;
	enum order_end end;
	enum rc rc;

	if (!ways || ways & ~(uint64_t)(SHUT_READ | SHUT_WRITE))
		return gate_rc(inv, RC_BAD_WORD);
	if (!device_ready(inv, &end))
		return end;
	rc = socket_shutdown(device_state(inv), &inv->key,
		(ways & SHUT_READ ? DEVICE_SHUT_READ : 0) |
			(ways & SHUT_WRITE ? DEVICE_SHUT_WRITE : 0),
		&request);
	return device_done(inv, rc, &request);
}

/* Waits until it is ready, or for so long: what it is ready for. */
static enum order_end
await(struct invocation *inv, uint8_t want, uint64_t ns)
{
	struct device_poll poll = {.want = want};
	struct device_request request = {.op = DEVICE_POLL,
		.data = (const uint8_t *)&poll,
		.data_bytes = sizeof poll,
		.timeout_ns = ns};
	enum order_end end;
	enum rc rc;

	if (!device_ready(inv, &end))
		return end;
	rc = network_poll(device_state(inv), &inv->key, want, &poll.handle);
	if (!device_came(inv, rc, &request, &end))
		return end;
	if (inv->call->completion->data_bytes == sizeof poll)
		memcpy(&poll, inv->call->completion->data, sizeof poll);
	return answer_word(inv, poll.ready);
}

enum order_end
order_socket_poll(struct invocation *inv)
{
	const uint64_t want = inv->in.words[0];

	if (!want || want > POLL_BOTH)
		return gate_rc(inv, RC_BAD_WORD);
	return await(inv, (uint8_t)want, inv->in.words[1]);
}

enum order_end
order_listener_poll(struct invocation *inv)
{
	return await(inv, 1, inv->in.words[0]);
}

enum order_end
order_socket_end(struct invocation *inv)
{
	return device_close(inv);
}
