/* SPDX-License-Identifier: Apache-2.0 */
/* What goes from one of our processes to the other. */
#include "tools/keyhold/carry.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

Test(carry, a_text_has_one_end)
{
	static const char *const wrong[] = {"\3\0\0\0abc", "\4\0\0\0a\0b\0", "\4\0\0\0abc"};
	static const size_t bytes[] = {7, 8, 7}; /* no end; two; cut short */
	struct carry_memory to;
	struct bytes_in in;

	carry_memory_begin(&to);
	carry_text(&to.sink, "abc");
	carry_text(&to.sink, "");
	carry_text(&to.sink, NULL);
	cr_assert_eq(carry_memory_end(&to), 0);
	in = bytes_in(to.bytes, to.count);
	cr_assert_str_eq(carry_text_read(&in), "abc");
	cr_assert_str_eq(carry_text_read(&in), "");
	cr_assert_null(carry_text_read(&in));
	cr_assert(!in.bad && !bytes_left(&in), "no text is none, and no fault");
	free(to.bytes);
	for (unsigned i = 0; i < 3; i++) {
		in = bytes_in(wrong[i], bytes[i]);
		cr_assert_null(carry_text_read(&in));
		cr_assert(in.bad, "%u", i);
	}
}

Test(carry, what_has_no_room_is_not_there_in_part)
{
	uint8_t bytes[6] = {0};
	struct carry_fixed to = carry_fixed(bytes, 5);

	sink_put(&to.sink, "abc", 3);
	sink_put(&to.sink, "def", 3);
	cr_assert_eq(to.sink.failed, -E2BIG);
	cr_assert_eq(to.at - bytes, 3);
	cr_assert_eq(bytes[3], 0);
	to = carry_fixed(bytes, 5);
	sink_put(&to.sink, "abcde", 5);
	cr_assert(!to.sink.failed && to.at == to.end && !bytes[5], "all of it is used");
}
