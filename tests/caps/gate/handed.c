/* SPDX-License-Identifier: Apache-2.0 */
/* handed.c - images of domains that hold what another of them opened: it is opened
 * again for each, and what else they hold is what the image says, to the byte. */
#include <criterion/criterion.h>
#include <string.h>

#include "caps/wasi.h"
#include "kernel/base/blake2b.h"
#include "kernel/image.h"
#include "tests/caps/gate/theatre.h"
#include "tests/support/buffer.h"

static struct theatre t;
static struct domain *a, *b;
static struct buffer image, again;

enum { K1 = 20, K2, K3, K4, OPEN_READ = 1, RECORD_NAME = 4, RECORD_OWN = 101 };

static uint64_t
cost(void)
{
	return heap_cost(sizeof(struct opening)) + heap_cost(1);
}

static void
open_f(void)
{
	cr_assert_eq(ask(&t, a, K1, DO_directory_open, .word = {OPEN_READ}, TEXT("f"),
			     .receive = {K2}), SAYS_OK);
}

/* a opens a file twice, holds the first twice and the second once, and lends the first
 * to b. */
static void
set_up(void)
{
	struct caps_root config = {.name = "data", .kind = KIND_directory, .rights = RIGHT_read};
	struct report report;
	struct key key;
	uint32_t top;

	theatre_open(&t);
	a = theatre_actor(&t, "a");
	b = theatre_child(&t, a, GAS_NO_LIMIT, 4 << 20);
	top = fake_dir(&t.device, 0, NULL);
	fake_file(&t.device, top, "f", "hello", 5);
	config.handle = fake_grant(&t.device, top, DEVICE_DIRECTORY);
	report_clear(&report);
	cr_assert_eq(caps_root_add(t.world, &config, &report, &key), 0);
	give_key(a, K1, &key);
	open_f();
	a->slots[K3] = a->slots[K4] = a->slots[K2];
	give_key(b, K2, &a->slots[K2]);
	open_f();
	/* Both once held more than they will. */
	for (struct domain *at = a; at; at = domain_walk(at, a)) {
		cr_assert(bank_take(&at->bank, 4 * cost()));
		bank_give(&at->bank, 4 * cost());
	}
	domain_quiesce(a);
	buffer_init(&image);
	buffer_init(&again);
	cr_assert_eq(image_write(t.world, a, &image.sink, false), 0);
}

static void
tear_down(void)
{
	buffer_done(&image);
	buffer_done(&again);
	theatre_close(&t);
}

static void
reads_hello(struct domain *domain, int slot)
{
	cr_assert_eq(ask(&t, domain, slot, DO_file_read, .word = {0, 9}), SAYS_OK);
	cr_assert_eq(t.heard.got, 5);
	cr_assert_arr_eq(t.heard.text, "hello", 5);
}

Test(handed, goes_on_and_is_written_as_it_was)
{
	const uint64_t own_a = (set_up(), a->bank.own), own_b = b->bank.own;
	struct report report;
	struct domain *copy;

	report_clear(&report);
	cr_assert_eq(image_read(t.world, image.bytes, image.count, &report, &copy), 0, "%s",
		report.text);
	world_check(t.world);
	cr_assert_eq(copy->bank.own, own_a + cost(), "three keys, of two that it opened");
	cr_assert_eq(copy->first->bank.own, own_b + cost(), "it opened none, and holds one");
	cr_assert_eq(image_write(t.world, copy, &again.sink, false), 0);
	cr_assert_eq(again.count, image.count);
	cr_assert_arr_eq(again.bytes, image.bytes, image.count);
	reads_hello(copy, K2);
	reads_hello(copy, K3);
	reads_hello(copy->first, K2);
	domain_end(copy);
	tear_down();
}

/* What no key names any more is paid for until the domain ends, and not opened again. */
Test(handed, what_was_dropped_is_not_opened_again)
{
	struct report report;
	struct domain *copy;

	set_up();
	a->slots[K2] = a->slots[K3] = a->slots[K4] = b->slots[K2] = (struct key){0};
	image.count = 0;
	cr_assert_eq(image_write(t.world, a, &image.sink, false), 0);
	report_clear(&report);
	cr_assert_eq(image_read(t.world, image.bytes, image.count, &report, &copy), 0, "%s",
		report.text);
	cr_assert_eq(copy->bank.own + 2 * cost(), a->bank.own);
	domain_end(copy);
	tear_down();
}

/* Where a domain's record says what it holds; NULL: there is none. */
static uint8_t *
said_own(const struct domain *domain)
{
	for (size_t at = IMAGE_HEADER_BYTES; at + IMAGE_DOMAIN_MIN < image.count; at++)
		if (!memcmp(image.bytes + at + RECORD_NAME, domain->name, DOMAIN_NAME_BYTES) &&
			load_word(image.bytes + at + RECORD_OWN, 8) == image_own(domain))
			return image.bytes + at + RECORD_OWN;
	return NULL;
}

static void
is_refused(const struct domain *domain, int64_t lie)
{
	uint8_t *at = said_own(domain);
	const uint64_t own = image_own(domain);
	struct report report;
	struct domain *copy;

	cr_assert(at);
	store_word(at, own + (uint64_t)lie, 8);
	blake2b_256(image.bytes, image.count - IMAGE_HASH_BYTES,
		image.bytes + image.count - IMAGE_HASH_BYTES);
	report_clear(&report);
	cr_assert_eq(image_read(t.world, image.bytes, image.count, &report, &copy), -EINVAL,
		"%s lies by %lld", domain->name, (long long)lie);
	cr_assert(strstr(report.text, "a domain that says it holds"), "%s", report.text);
	world_check(t.world);
	store_word(at, own, 8);
}

Test(handed, a_lie_of_one_byte_is_refused)
{
	const int64_t opened = (set_up(), (int64_t)cost());
	const int64_t lies[] = {1, -1, opened, -opened, 2 * opened, -2 * opened};

	for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
		is_refused(a, lies[i]);
		is_refused(b, lies[i]);
	}
	tear_down();
}

/* Nor does a hole hide one: here every key that was said by its kind is one. */
Test(handed, a_lie_beside_holes_is_refused)
{
	set_up();
	(void)caps_root_cut(t.world, "data");
	a->slots[K1] = (struct key){0};
	image.count = 0;
	cr_assert_eq(image_write(t.world, a, &image.sink, false), 0);
	is_refused(a, -1);
	is_refused(b, 1);
	tear_down();
}
