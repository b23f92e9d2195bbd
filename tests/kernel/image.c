/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/image.h"
#include "kernel/world.h"
#include "tests/support/buffer.h"
#include "tests/support/fake_device.h"
#include "tests/support/fake_host.h"
#include "tests/support/seeds.h"
#include "tests/support/test_caps.h"
#include "tests/support/wat.h"

/* A world of its own, so that an image is read where nothing of it is known. */
struct place {
	struct fake_host host;
	struct fake_device device;
	struct test_user user;
	struct world *world;
	struct report report;
};

static struct place from, to;
static struct buffer image;

static void
place_open(struct place *place, enum executor executor)
{
	struct world_config config = {.host = &place->host.host, .device = &place->device.device,
		.caps = &test_caps, .poked = test_poked, .user = &place->user,
		.executor = executor_present(executor) ? executor : EXECUTOR_SWITCH};

	fake_host_init(&place->host);
	fake_device_init(&place->device, 1);
	place->user = (struct test_user){0};
	place->user.in = fake_stream(&place->device, "input", 5);
	place->user.out = fake_stream(&place->device, NULL, 0);
	report_clear(&place->report);
	place->world = world_open(&config);
}

static void
place_close(struct place *place)
{
	world_check(place->world);
	world_close(place->world);
	cr_assert_eq(place->host.reserved, 0);
	cr_assert_eq(place->device.in_flight, 0);
	fake_device_done(&place->device);
	fake_host_done(&place->host);
}

static void
open_all(void)
{
	place_open(&from, EXECUTOR_FAST);
	place_open(&to, EXECUTOR_SWITCH);
	buffer_init(&image);
}

static void
close_all(void)
{
	place_close(&from);
	place_close(&to);
	buffer_done(&image);
}

TestSuite(image, .init = open_all, .fini = close_all);

static const char *const program =
	"(module (import \"test\" \"fill\" (func $fill (param i32 i32 i32)))"
	"(import \"test\" \"print\" (func $print (param i32 i32)))"
	"(import \"test\" \"count\" (func $count (result i64)))"
	"(import \"nobody\" \"serves\" (func $nobody (param f64)))"
	"(memory 1 3) (table 4 funcref) (elem (i32.const 1) $fib)"
	"(global (mut i64) (i64.const 9)) (data (i32.const 5) \"hello\")"
	"(func $fib (param i32) (result i32)"
	" (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))"
	" (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))"
	"  (call_indirect (param i32) (result i32) (i32.sub (local.get 0) (i32.const 2)) (i32.const 1))))))"
	"(func (export \"run\") (param i32) (result i32)"
	" (global.set 0 (i64.add (global.get 0) (call $count)))"
	" (call $fill (i32.const 100) (i32.const 5000) (i32.const 7))"
	" (call $print (i32.const 5) (i32.const 5))"
	" (call $fib (local.get 0))))";

static struct domain *
make(struct place *place, uint64_t gas)
{
	struct domain_config config = {.name = "main", .gas = gas, .bank_bytes = 8 << 20};
	const struct wat wat = wat_bytes(program);
	const struct key key = {.kind = TEST_KIND_NUMBER, .rights = 3, .badge = 77,
		.grant = GRANT_NONE};
	const uint64_t arg = 12;
	struct domain *domain = NULL;

	cr_assert_eq(world_module(place->world, wat.bytes, wat.count, &place->report, &config.module), 0);
	cr_assert_eq(domain_new(place->world, &config, &place->report, &domain), 0, "%s",
		place->report.text);
	cr_assert_eq(domain_entry(domain, module_export(config.module, "run", 3)->index, &arg, 1), 0);
	cr_assert_eq(domain_slot(domain, &key), 0);
	domain->keeper = key;
	return domain;
}

static void
write_image(struct place *place, struct domain *domain, struct buffer *buffer)
{
	buffer_done(buffer);
	cr_assert_eq(image_write(place->world, domain, &buffer->sink, false), 0);
}

static struct domain *
read_image(struct place *place, const struct buffer *buffer)
{
	struct domain *domain = NULL;

	report_clear(&place->report);
	cr_assert_eq(image_read(place->world, buffer->bytes, buffer->count, &place->report, &domain),
		0, "%s at %llu", place->report.text, (unsigned long long)place->report.offset);
	world_check(place->world);
	return domain;
}

static int
refuse(const uint8_t *bytes, size_t count)
{
	struct domain *domain = NULL;
	int error;

	report_clear(&to.report);
	error = image_read(to.world, bytes, count, &to.report, &domain);
	if (error)
		cr_assert_neq(to.report.text[0], '\0', "an error without words");
	else
		domain_end(domain);
	world_check(to.world);
	return error;
}

static void
rehash(struct buffer *buffer)
{
	blake2b_256(buffer->bytes, buffer->count - IMAGE_HASH_BYTES,
		buffer->bytes + buffer->count - IMAGE_HASH_BYTES);
}

/* The image of a domain stopped in the middle of fib. */
static struct domain *
half_way(void)
{
	struct domain *domain = make(&from, 20000);

	domain_start(domain);
	cr_assert_eq(world_run(from.world, domain, true), DOMAIN_STOPPED);
	cr_assert_eq(domain->stop.reason, STOP_OUT_OF_GAS);
	return domain;
}

Test(image, read_and_written_again_is_equal)
{
	struct buffer again, early;
	struct domain *domain;

	buffer_init(&again);
	buffer_init(&early);
	write_image(&from, make(&from, 20000), &early); /* before it began */
	write_image(&to, read_image(&to, &early), &again);
	cr_assert_eq(early.count, again.count);
	cr_assert_eq(memcmp(early.bytes, again.bytes, early.count), 0);
	write_image(&from, half_way(), &image);
	domain = read_image(&to, &image);
	write_image(&to, domain, &again);
	cr_assert_eq(image.count, again.count);
	cr_assert_eq(memcmp(image.bytes, again.bytes, image.count), 0);
	cr_assert_eq(domain->slots[0].badge, 77);
	cr_assert_eq(domain->keeper.rights, 3);
	cr_assert_str_eq(domain->name, "main");
	place_close(&to); /* its modules lie in the first image */
	place_open(&to, EXECUTOR_SWITCH);
	buffer_done(&again);
	buffer_done(&early);
}

Test(image, goes_on_as_the_original_does)
{
	struct domain *original = half_way(), *copy;
	struct buffer a, b;

	buffer_init(&a);
	buffer_init(&b);
	write_image(&from, original, &image);
	copy = read_image(&to, &image);
	domain_feed(original, 100000000);
	domain_feed(copy, 100000000);
	domain_start(original);
	domain_start(copy);
	cr_assert_eq(world_run(from.world, original, true), DOMAIN_STOPPED);
	cr_assert_eq(world_run(to.world, copy, true), DOMAIN_STOPPED);
	cr_assert_eq(original->stop.reason, STOP_RETURNED, "%d", original->stop.reason);
	cr_assert_eq((uint32_t)copy->pending.slots[0], 144);
	cr_assert_eq(copy->gas_guest, original->gas_guest);
	cr_assert_eq(copy->gas_host, original->gas_host);
	write_image(&from, original, &a);
	write_image(&to, copy, &b);
	cr_assert_eq(a.count, b.count);
	cr_assert_eq(memcmp(a.bytes, b.bytes, a.count), 0);
	buffer_done(&a);
	buffer_done(&b);
}

Test(image, a_waiting_domain_is_quiesced_first)
{
	struct domain *domain = make(&from, GAS_NO_LIMIT);

	domain_start(domain);
	from.device.latency = 2;
	cr_assert_eq(world_run(from.world, domain, false), DOMAIN_WAITING);
	cr_assert_eq(image_write(from.world, domain, &image.sink, false), -EBUSY);
	domain_quiesce(domain);
	write_image(&from, domain, &image);
	domain = read_image(&to, &image);
	cr_assert_eq(domain->state, DOMAIN_READY);
	cr_assert_eq(world_run(to.world, domain, true), DOMAIN_STOPPED);
	cr_assert_eq((uint32_t)domain->pending.slots[0], 144);
}

Test(image, a_thin_one_needs_its_modules)
{
	struct domain *domain = half_way();
	struct buffer full;

	buffer_init(&full);
	write_image(&from, domain, &full);
	cr_assert_eq(image_write(from.world, domain, &image.sink, true), 0);
	cr_assert_lt(image.count, full.count);
	cr_assert_eq(refuse(image.bytes, image.count), -ENOENT);
	cr_assert(strstr(to.report.text, "thin"), "%s", to.report.text);
	domain_end(read_image(&to, &full));
	(void)read_image(&to, &image);
	place_close(&to);
	place_open(&to, EXECUTOR_SWITCH);
	buffer_done(&full);
}

Test(image, cut_anywhere_is_refused)
{
	write_image(&from, half_way(), &image);
	for (size_t count = 0; count < image.count; count++)
		cr_assert_eq(refuse(image.bytes, count), -EINVAL);
}

/* The same with the hash of what is left, so that the reader itself is asked. */
Test(image, cut_anywhere_and_signed_is_refused)
{
	struct buffer cut;

	buffer_init(&cut);
	write_image(&from, half_way(), &image);
	domain_end(read_image(&to, &image)); /* the module is known from bytes that stay */
	for (size_t count = IMAGE_HASH_BYTES; count < image.count; count += count < 2000 ? 1 : 7) {
		cut.count = 0;
		(void)buffer_put(&cut.sink, image.bytes, count);
		rehash(&cut);
		cr_assert_eq(refuse(cut.bytes, cut.count), -EINVAL, "%zu of %zu", count, image.count);
	}
	buffer_done(&cut);
}

Test(image, a_flipped_bit_is_told_by_the_hash)
{
	write_image(&from, half_way(), &image);
	for (size_t i = 0; i < image.count; i++) {
		image.bytes[i] ^= (uint8_t)(1u << (i % 8));
		cr_assert_eq(refuse(image.bytes, image.count), -EINVAL);
		image.bytes[i] ^= (uint8_t)(1u << (i % 8));
	}
}

/* Where the first module's bytes begin, and how many there are. */
static size_t
module_at(size_t *ret_count)
{
	struct bytes_in in = bytes_in(image.bytes, image.count);

	(void)bytes_take(&in, IMAGE_HEADER_BYTES + 32);
	*ret_count = (size_t)bytes_u64(&in);
	return bytes_offset(&in);
}

static void
flip(size_t bit)
{
	image.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	rehash(&image);
}

/* With the hash put right, a flipped bit gives an error with words or a
 * well-formed domain, whose image is those bytes, and which can run. */
Test(image, a_flipped_bit_and_signed_is_refused_or_sound)
{
	size_t sound = 0, module_bytes, module;
	struct buffer again, clean;

	buffer_init(&again);
	buffer_init(&clean);
	write_image(&from, half_way(), &image);
	(void)buffer_put(&clean.sink, image.bytes, image.count);
	domain_end(read_image(&to, &clean)); /* the module is known from bytes that stay */
	module = module_at(&module_bytes) * 8;
	for (size_t bit = 0; bit < image.count * 8; bit += image.count > 3000 && bit > 20000 ? 13 : 1) {
		struct domain *domain = NULL;

		if (bit == module)
			bit += module_bytes * 8;
		flip(bit);
		report_clear(&to.report);
		if (image_read(to.world, image.bytes, image.count, &to.report, &domain) == 0) {
			sound++;
			world_check(to.world);
			write_image(&to, domain, &again);
			cr_expect(again.count == image.count &&
					  !memcmp(again.bytes, image.bytes, image.count),
				"bit %zu is read and not written again; domain at %zu", bit,
				module / 8 + module_bytes);
			line_limit(world_clock(to.world), &domain->meter.line, 100000);
			domain_start(domain);
			(void)world_run(to.world, domain, true);
			world_check(to.world);
			domain_end(domain);
		} else {
			cr_assert_neq(to.report.text[0], '\0', "bit %zu: an error without words", bit);
		}
		flip(bit);
	}
	cr_assert_gt(sound, 100, "memory, globals and accounts are any bytes");
	place_close(&to);
	place_open(&to, EXECUTOR_SWITCH);
	buffer_done(&again);
	buffer_done(&clean);
}

Test(image, a_flipped_bit_of_a_module_and_signed_is_refused)
{
	size_t module_bytes, module;

	write_image(&from, half_way(), &image);
	module = module_at(&module_bytes) * 8;
	for (size_t bit = module; bit < module + module_bytes * 8; bit += 41) {
		flip(bit);
		cr_assert_neq(refuse(image.bytes, image.count), 0, "bit %zu", bit);
		flip(bit);
		place_close(&to); /* modules stay borrowed from the bytes that change */
		place_open(&to, EXECUTOR_SWITCH);
	}
}

Test(image, of_a_tree_keeps_its_order)
{
	struct domain *top = make(&from, 20000), *child;
	struct buffer again;
	char name[2] = "a";

	buffer_init(&again);
	/* Making children is an order of a later kind; the container holds them. */
	for (int i = 0; i < 3; i++, name[0]++) {
		child = make(&from, 1000);
		memset(child->name, 0, sizeof child->name);
		child->name[0] = name[0];
		child->parent = top;
		child->prev = top->last;
		if (child->prev)
			child->prev->next = child;
		else
			top->first = child;
		top->last = child;
		line_done(&child->meter.line);
		line_init(&child->meter.line, &top->meter.line);
		bank_limit(&top->bank, BANK_NO_LIMIT);
		cr_assert(bank_move(&child->bank, &top->bank));
		top->bank.peak = bank_used(&top->bank);
	}
	world_check(from.world);
	domain_start(top->last);
	domain_start(top->first);
	write_image(&from, top, &image);
	top = read_image(&to, &image);
	cr_assert_str_eq(top->first->name, "a");
	cr_assert_str_eq(top->first->next->name, "b");
	cr_assert_str_eq(top->last->name, "c");
	cr_assert_eq(top->last->state, DOMAIN_READY);
	cr_assert_eq(top->last->queue_next, top->first);
	write_image(&to, top, &again);
	cr_assert_eq(memcmp(image.bytes, again.bytes, image.count), 0);
	buffer_done(&again);
}

Test(image, a_key_of_an_unbindable_kind_is_a_hole)
{
	struct domain *domain = make(&from, 1000);
	const struct key hole = {.kind = TEST_KIND_HOLE, .grant = GRANT_NONE};

	cr_assert_eq(domain_slot(domain, &hole), 1);
	write_image(&from, domain, &image);
	domain = read_image(&to, &image);
	cr_assert_eq(domain->slots[0].kind, TEST_KIND_NUMBER);
	cr_assert(key_is_void(&domain->slots[1]));
}

Test(image, a_full_sink_is_an_error)
{
	image.most = 300;
	cr_assert_eq(image_write(from.world, half_way(), &image.sink, false), -ENOSPC);
}

Test(image, every_allocation_of_reading_may_fail)
{
	struct domain *domain = NULL;
	uint64_t n = 0;

	write_image(&from, half_way(), &image);
	domain_end(read_image(&to, &image)); /* the module stays */
	for (;;) {
		world_heap(to.world)->fail_after = ++n;
		report_clear(&to.report);
		if (image_read(to.world, image.bytes, image.count, &to.report, &domain) == 0)
			break;
		cr_assert_neq(to.report.text[0], '\0', "the %llu-th failed in silence",
			(unsigned long long)n);
		cr_assert_eq(bank_used(world_bank(to.world)), 0);
		world_check(to.world);
	}
	world_heap(to.world)->fail_after = 0;
	cr_assert_gt(n, 8);
}

Test(image, other_versions_are_refused_by_name)
{
	write_image(&from, half_way(), &image);
	image.bytes[8] = 9;
	rehash(&image);
	cr_assert_eq(refuse(image.bytes, image.count), -EINVAL);
	cr_assert(strstr(to.report.text, "version 9"), "%s", to.report.text);
	image.bytes[8] = IMAGE_VERSION;
	image.bytes[16] = 9;
	rehash(&image);
	cr_assert_eq(refuse(image.bytes, image.count), -EINVAL);
	cr_assert(strstr(to.report.text, "price list 9"), "%s", to.report.text);
}
