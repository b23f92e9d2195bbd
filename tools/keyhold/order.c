/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/order.h"

#include <errno.h>
#include <string.h>

#include "tools/keyhold/carry.h"

bool
order_changes(enum order_do what)
{
	return what > DO_WHY;
}

static const char *
get_text(struct bytes_in *in)
{
	const char *text = carry_text_read(in);

	if (text && strlen(text) > ORDER_TEXT_MAX) {
		in->bad = true;
		return NULL;
	}
	return text;
}

void
order_write(const struct order *order, struct sink *sink)
{
	sink_u32(sink, order->what);
	sink_u32(sink, order->flags);
	carry_text(sink, order->domain);
	carry_text(sink, order->name);
	carry_text(sink, order->spec);
	carry_text(sink, order->path);
	sink_u32(sink, order->kind);
	sink_u32(sink, order->rights);
	sink_u32(sink, order->key_flags);
	sink_u32(sink, order->handle);
	sink_u32(sink, order->number);
	sink_u64(sink, order->seed);
	sink_u64(sink, order->uses);
	sink_u64(sink, order->bytes);
	sink_u64(sink, order->gas);
	sink_u64(sink, order->mem);
	sink_u64(sink, order->stream_bytes);
	if (order->what == DO_GRANT)
		sink_u64(sink, order->rate);
}

int
order_read(struct bytes_in *in, struct order *ret_order)
{
	struct order order = {0};

	order.what = bytes_u32(in);
	order.flags = bytes_u32(in);
	order.domain = get_text(in);
	order.name = get_text(in);
	order.spec = get_text(in);
	order.path = get_text(in);
	order.kind = bytes_u32(in);
	order.rights = bytes_u32(in);
	order.key_flags = bytes_u32(in);
	order.handle = bytes_u32(in);
	order.number = bytes_u32(in);
	order.seed = bytes_u64(in);
	order.uses = bytes_u64(in);
	order.bytes = bytes_u64(in);
	order.gas = bytes_u64(in);
	order.mem = bytes_u64(in);
	order.stream_bytes = bytes_u64(in);
	order.rate = UINT64_MAX; /* journals of before have none */
	if (order.what == DO_GRANT && bytes_left(in))
		order.rate = bytes_u64(in);
	if (in->bad || order.what >= DO_COUNT)
		return -EINVAL;
	*ret_order = order;
	return 0;
}

/* --- answers --------------------------------------------------------------------- */

static void
put_answer_text(struct sink *sink, const struct answer_text *text)
{
	sink_text(sink, text->text, text->bytes);
}

struct answer_text
answer_get_text(struct bytes_in *in)
{
	struct answer_text text;

	text.text = (const char *)bytes_text(in, &text.bytes);
	return text.text ? text : (struct answer_text){"", 0};
}

void
answer_put_text(struct sink *sink, const char *text)
{
	sink_text(sink, text, (uint32_t)strlen(text));
}

void
answer_put_head(struct sink *sink, const struct answer_head *head)
{
	sink_u8(sink, (uint8_t)head->code);
	sink_u8(sink, head->more);
	sink_u32(sink, head->rows);
	sink_u64(sink, head->number);
}

void
answer_get_head(struct bytes_in *in, struct answer_head *ret_head)
{
	ret_head->code = bytes_u8(in);
	ret_head->more = bytes_u8(in) & 1;
	ret_head->rows = bytes_u32(in);
	ret_head->number = bytes_u64(in);
	if (ret_head->code >= OBEYED_COUNT)
		in->bad = true;
}

void
answer_put_domain(struct sink *sink, const struct answer_domain *row)
{
	put_answer_text(sink, &row->path);
	sink_u8(sink, (uint8_t)row->state);
	sink_u8(sink, (uint8_t)row->stop);
	sink_u8(sink, (uint8_t)(row->paused | row->waits << 1));
	sink_u64(sink, row->used);
	sink_u64(sink, row->left);
	sink_u64(sink, row->storage);
	sink_u64(sink, row->storage_limit);
	sink_u64(sink, row->storage_peak);
	sink_u32(sink, row->slots);
	sink_u32(sink, row->depth);
}

void
answer_get_domain(struct bytes_in *in, struct answer_domain *ret_row)
{
	uint8_t flags;

	ret_row->path = answer_get_text(in);
	ret_row->state = bytes_u8(in);
	ret_row->stop = bytes_u8(in);
	flags = bytes_u8(in);
	ret_row->paused = flags & 1;
	ret_row->waits = flags & 2;
	ret_row->used = bytes_u64(in);
	ret_row->left = bytes_u64(in);
	ret_row->storage = bytes_u64(in);
	ret_row->storage_limit = bytes_u64(in);
	ret_row->storage_peak = bytes_u64(in);
	ret_row->slots = bytes_u32(in);
	ret_row->depth = bytes_u32(in);
}

void
answer_put_key(struct sink *sink, const struct answer_key *row)
{
	put_answer_text(sink, &row->name);
	sink_u32(sink, row->kind);
	sink_u64(sink, row->read);
	sink_u64(sink, row->written);
	sink_u64(sink, row->denied);
	sink_u64(sink, row->missing);
	sink_u64(sink, row->uses_left);
	sink_u64(sink, row->bytes_left);
}

void
answer_get_key(struct bytes_in *in, struct answer_key *ret_row)
{
	ret_row->name = answer_get_text(in);
	ret_row->kind = bytes_u32(in);
	ret_row->read = bytes_u64(in);
	ret_row->written = bytes_u64(in);
	ret_row->denied = bytes_u64(in);
	ret_row->missing = bytes_u64(in);
	ret_row->uses_left = bytes_u64(in);
	ret_row->bytes_left = bytes_u64(in);
}

void
answer_put_why(struct sink *sink, const struct answer_why *row)
{
	put_answer_text(sink, &row->domain);
	put_answer_text(sink, &row->what);
	put_answer_text(sink, &row->key);
	put_answer_text(sink, &row->why);
	put_answer_text(sink, &row->saw);
	put_answer_text(sink, &row->allow);
	sink_u64(sink, row->count);
	sink_u8(sink, row->missing);
}

void
answer_get_why(struct bytes_in *in, struct answer_why *ret_row)
{
	ret_row->domain = answer_get_text(in);
	ret_row->what = answer_get_text(in);
	ret_row->key = answer_get_text(in);
	ret_row->why = answer_get_text(in);
	ret_row->saw = answer_get_text(in);
	ret_row->allow = answer_get_text(in);
	ret_row->count = bytes_u64(in);
	ret_row->missing = bytes_u8(in) & 1;
}
