/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "kernel/wasm/module.h"
#include "tests/support/fake_host.h"

static struct fake_host host;
static struct heap heap;
static struct typebook book;

static void
open_book(void)
{
	fake_host_init(&host);
	heap_init(&heap, &host.host);
	typebook_init(&book, &heap);
}

static void
close_book(void)
{
	typebook_done(&book);
	cr_assert_eq(heap.bytes_used, 0);
	heap_done(&heap);
	cr_assert_eq(host.reservations, 0);
}

TestSuite(typebook, .init = open_book, .fini = close_book);

static uint32_t
hold(const char *vals, unsigned params, unsigned results)
{
	uint32_t id = UINT32_MAX;

	cr_assert_eq(typebook_hold(&book, (const uint8_t *)vals, (uint16_t)params,
			     (uint16_t)results, &id),
		0);
	return id;
}

Test(typebook, types_are_equal_iff_their_ids_are)
{
	const uint32_t empty = hold("", 0, 0), taker = hold("\x7f", 1, 0), giver = hold("\x7f", 0, 1);

	cr_assert_neq(empty, taker);
	cr_assert_neq(empty, giver);
	cr_assert_neq(taker, giver);
	cr_assert_eq(hold("", 0, 0), empty);
	cr_assert_eq(hold("\x7f", 1, 0), taker);
	cr_assert_neq(hold("\x7f\x7f", 1, 1), hold("\x7f\x7f", 2, 0));
	cr_assert_neq(hold("\x7f\x7e", 1, 1), hold("\x7e\x7f", 1, 1));
}

Test(typebook, a_type_is_found_while_it_is_held)
{
	const struct functype want = {.vals = (const uint8_t *)"\x7f\x7e", .params = 1, .results = 1};
	const struct functype *found;
	const uint32_t id = hold("\x7f\x7e", 1, 1);

	(void)hold("\x7f\x7e\x7e", 1, 2); /* goes on where the other ends */
	found = typebook_find(&book, &want);
	cr_assert_not_null(found);
	cr_assert_eq(found->id, id);
	cr_assert_eq(found->params, 1);
	(void)hold("\x7f\x7e", 1, 1);
	typebook_drop(&book, id);
	cr_assert_not_null(typebook_find(&book, &want));
	typebook_drop(&book, id);
	cr_assert_null(typebook_find(&book, &want));
	cr_assert_eq(hold("\x7c", 1, 0), id); /* the id is free again */
}

/* Against a list that is searched: random holds and drops of types that share prefixes. */
Test(typebook, agrees_with_a_list)
{
	struct {
		char vals[4];
		unsigned params, results, held;
		uint32_t id;
	} list[400];
	uint64_t state = 42;
	unsigned count = 0;

	for (unsigned params = 0; params < 3; params++) {
		for (unsigned results = 0; results < 3; results++) {
			for (unsigned bits = 0; bits < 1u << (params + results); bits++) {
				for (unsigned i = 0; i < 4; i++)
					list[count].vals[i] = bits >> i & 1 ? '\x7f' : '\x7c';
				list[count].params = params;
				list[count].results = results;
				list[count].held = 0;
				count++;
			}
		}
	}
	for (unsigned round = 0; round < 20000; round++) {
		unsigned k;

		state = state * 6364136223846793005u + 1442695040888963407u;
		k = (unsigned)(state >> 33) % count;
		if (state >> 63 || !list[k].held) {
			const uint32_t id = hold(list[k].vals, list[k].params, list[k].results);

			cr_assert(!list[k].held || list[k].id == id);
			list[k].id = id;
			list[k].held++;
			for (unsigned i = 0; i < count; i++)
				cr_assert(i == k || !list[i].held || list[i].id != id);
		} else {
			typebook_drop(&book, list[k].id);
			list[k].held--;
		}
	}
	cr_assert_leq(book.count, count);
}

Test(typebook, no_memory_changes_nothing)
{
	uint32_t id = 7;
	int why;

	for (unsigned n = 1;; n++) {
		heap.fail_after = n;
		why = typebook_hold(&book, (const uint8_t *)"\x7f\x7e", 2, 0, &id);
		if (!why)
			break;
		cr_assert_eq(why, -ENOMEM);
		cr_assert_eq(id, 7);
		cr_assert_lt(n, 10);
	}
	heap.fail_after = 0;
	cr_assert_eq(hold("\x7f\x7e", 2, 0), id);
}

Test(typebook, dropping_what_nobody_holds_is_our_fault, .signal = SIGABRT)
{
	const uint32_t id = hold("", 0, 0);

	typebook_drop(&book, id);
	typebook_drop(&book, id); /* BOOK1 */
}
