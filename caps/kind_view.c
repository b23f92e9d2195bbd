/* SPDX-License-Identifier: Apache-2.0 */
/* kind_view.c - orders on a view: the memory of a domain that stands in an import
 * which its keeper serves, while that call lasts. What the keeper of an import
 * is told are numbers; what they point at lies here. */
#include "caps/orders.h"

#include <string.h>

static enum order_end
copy(struct invocation *inv, uint64_t bytes, bool write)
{
	struct domain *caller = view_caller(inv->world, &inv->key);
	uint8_t *at;

	if (!caller)
		return gate_rc(inv, RC_VOID);
	if (caller->closed)
		return gate_rc(inv, RC_OPAQUE);
	at = bytes <= MESSAGE_TEXT_MAX ? view_mem(caller, inv->in.words[0], bytes) : NULL;
	if (!at)
		return gate_rc(inv, RC_BAD_WORD);
	if (!write)
		return answer_text(inv, at, bytes);
	if (bytes)
		memmove(at, inv->in.text, bytes);
	return gate_rc(inv, RC_OK);
}

enum order_end
order_view_read(struct invocation *inv)
{
	return copy(inv, inv->in.words[1], false);
}

enum order_end
order_view_write(struct invocation *inv)
{
	return copy(inv, inv->in.text_bytes, true);
}

enum order_end
order_view_size(struct invocation *inv)
{
	struct domain *caller = view_caller(inv->world, &inv->key);

	return caller ? answer_word(inv, view_bytes(caller)) : gate_rc(inv, RC_VOID);
}
