/* SPDX-License-Identifier: Apache-2.0 */
/* order.c - what the tools want of a running worker, one at a time.
 *
 *   broker_order() -> order_at, WIRE_ORDER(serial) -> between two steps
 *   hook obeyed    <- a copy    <- WIRE_OBEYED(serial), obeyed_at
 *
 * The worker may answer late or never: whoever gives orders has other things to
 * do meanwhile. An answer to nothing, or to another serial, ends it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/broker/impl.h"

int
broker_order(struct broker *broker, const void *bytes, size_t count)
{
	const struct wire_reply reply = {
		.kind = WIRE_ORDER, .tag = broker->order + 1, .data_bytes = (uint32_t)count};
	int error;

	if (!broker->start || broker->exited)
		return -ESRCH;
	if (broker->order_out)
		return -EBUSY;
	if (count > WIRE_ORDER_BYTES)
		return -E2BIG;
	if (count)
		memcpy(broker->shared + broker->layout.order_at, bytes, count);
	error = reply_send(broker, &reply);
	if (error)
		return error;
	broker->order++;
	broker->order_out = true;
	worker_wake(broker);
	return 0;
}

bool
broker_order_is_out(const struct broker *broker)
{
	return broker->order_out;
}

void
obeyed_take(struct broker *broker, const struct wire_request *message)
{
	const struct broker_hooks *hooks = broker->hooks;
	const uint64_t count = message->length;
	uint8_t *bytes;

	if (!broker->order_out || message->tag != broker->order) {
		broker->broken = "an answer to an order that is not out";
		return;
	}
	if (count > WIRE_OBEYED_BYTES) {
		broker->broken = "an answer that is too long";
		return;
	}
	broker->order_out = false;
	if (!hooks || !hooks->obeyed)
		return;
	bytes = malloc(count ? (size_t)count : 1);
	if (bytes)
		memcpy(bytes, broker->shared + broker->layout.obeyed_at, (size_t)count);
	/* Without memory it is an answer without bytes, which says nothing. */
	hooks->obeyed(hooks->user, bytes, bytes ? (size_t)count : 0);
	free(bytes);
}
