/* SPDX-License-Identifier: Apache-2.0 */
/* Orders and answers as bytes: what a worker that fell answers is any bytes at all. */
#include "tools/keyhold/order.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/buffer.h"
#include "tests/support/seeds.h"
#include "tools/keyhold/control.h"

static const struct order whole = {.what = DO_GRANT, .flags = 7, .domain = "main/plug", .name = "data",
	.spec = "dir:/srv,ro", .path = "/data", .kind = 1, .rights = 2, .key_flags = 3, .handle = 4,
	.number = 5, .seed = 6, .uses = 7, .bytes = 8, .gas = 9, .mem = 10, .stream_bytes = 11,
	.rate = 12};

Test(order, comes_back_as_it_was)
{
	struct buffer bytes;
	struct bytes_in in;
	struct order order;

	buffer_init(&bytes);
	order_write(&whole, &bytes.sink);
	sink_put(&bytes.sink, "image", 5);
	in = bytes_in(bytes.bytes, bytes.count);
	cr_assert_eq(order_read(&in, &order), 0);
	cr_assert_eq(bytes_left(&in), 5, "what is behind it stays there");
	cr_assert_str_eq(order.domain, whole.domain);
	cr_assert_str_eq(order.name, whole.name);
	cr_assert_str_eq(order.spec, whole.spec);
	cr_assert_str_eq(order.path, whole.path);
	cr_assert_eq(order.kind, 1);
	cr_assert_eq(order.rights, 2);
	cr_assert_eq(order.key_flags, 3);
	cr_assert_eq(order.handle, 4);
	cr_assert_eq(order.number, 5);
	cr_assert_eq(order.seed, 6);
	cr_assert_eq(order.uses, 7);
	cr_assert_eq(order.bytes, 8);
	cr_assert_eq(order.gas, 9);
	cr_assert_eq(order.mem, 10);
	cr_assert_eq(order.stream_bytes, 11);
	cr_assert_eq(order.rate, 12);
	buffer_done(&bytes);
}

Test(order, cut_short_or_changed_is_refused_or_well_formed)
{
	struct seed seed = {.state = 1};
	struct buffer bytes;
	struct order order;
	uint8_t copy[512];
	uint32_t refused = 0;

	buffer_init(&bytes);
	order_write(&whole, &bytes.sink);
	cr_assert_lt(bytes.count, sizeof copy);
	for (size_t i = 0; i < bytes.count; i++) {
		struct bytes_in in = bytes_in(bytes.bytes, i);

		if (i == bytes.count - sizeof order.rate) { /* as journals of before have it */
			cr_assert_eq(order_read(&in, &order), 0);
			cr_assert_eq(order.rate, UINT64_MAX);
			continue;
		}
		cr_assert_neq(order_read(&in, &order), 0, "%zu bytes", i);
	}
	for (int i = 0; i < 20000; i++) {
		struct bytes_in in = bytes_in(copy, bytes.count);

		memcpy(copy, bytes.bytes, bytes.count);
		copy[seed_next(&seed) % bytes.count] = (uint8_t)seed_next(&seed);
		if (order_read(&in, &order)) {
			refused++;
			continue;
		}
		cr_assert_lt(order.what, DO_COUNT);
		cr_assert(!order.path || strlen(order.path) <= ORDER_TEXT_MAX);
	}
	cr_assert_gt(refused, 1000);
	buffer_done(&bytes);
}

Test(order, what_changes_the_world_is_recorded)
{
	for (unsigned i = 0; i < DO_COUNT; i++)
		cr_assert_eq(order_changes(i), i != DO_LOOK && i != DO_KEYS && i != DO_WHY, "%u", i);
}

/* --- answers ------------------------------------------------------------------------- */

static void
tell(enum order_do what, const uint8_t *bytes, size_t count)
{
	static struct launch launch;
	static struct control control = {.launch = &launch};
	struct work work = {.order = {.what = what, .domain = "main", .name = "data", .spec = "dir:."}};

	control_tell(&control, &work, count ? bytes : NULL, count);
}

static void
put_rows(struct sink *sink, enum order_do what, uint32_t rows)
{
	const struct answer_text text = {"main", 4};

	answer_put_head(sink, &(struct answer_head){OBEYED, false, rows, 9});
	for (uint32_t i = 0; i < rows; i++) {
		if (what == DO_LOOK)
			answer_put_domain(sink, &(struct answer_domain){.path = text,
				.state = i, .stop = i});
		else if (what == DO_KEYS)
			answer_put_key(sink, &(struct answer_key){.name = text, .kind = i});
		else
			answer_put_why(sink, &(struct answer_why){.domain = text, .what = text, .key = text,
				.why = text, .saw = text, .allow = text});
	}
}

/* Whole, cut short at every byte, changed, and rubbish: an answer, never a fault. */
Test(order, any_bytes_are_an_answer)
{
	static const enum order_do looks[] = {DO_LOOK, DO_KEYS, DO_WHY, DO_CUT, DO_SNAPSHOT, DO_LIMIT};
	struct seed seed = {.state = 2};
	uint8_t rubbish[256];

	for (unsigned look = 0; look < sizeof looks / sizeof *looks; look++) {
		struct buffer bytes;

		buffer_init(&bytes);
		put_rows(&bytes.sink, looks[look], 20);
		for (size_t i = 0; i <= bytes.count; i++)
			tell(looks[look], bytes.bytes, i);
		for (int i = 0; i < 3000; i++) {
			bytes.bytes[seed_next(&seed) % bytes.count] = (uint8_t)seed_next(&seed);
			tell(looks[look], bytes.bytes, bytes.count);
		}
		for (int i = 0; i < 3000; i++) {
			for (size_t j = 0; j < sizeof rubbish; j++)
				rubbish[j] = (uint8_t)seed_next(&seed);
			rubbish[0] = (uint8_t)(rubbish[0] % (OBEYED_COUNT + 1));
			tell(looks[look], rubbish, seed_next(&seed) % sizeof rubbish);
		}
		buffer_done(&bytes);
	}
}
