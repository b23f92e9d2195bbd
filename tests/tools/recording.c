/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/keyhold/recording.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "tests/support/buffer.h"

static const char setup[] = "setup", program[] = "program", journal[] = "KEYHJRNL and so on",
	outcome[] = "outcome";

static struct buffer whole;

static void
write_one(uint32_t flags, uint32_t tail_flags)
{
	struct recording_head head = {.flags = flags, .mem_bytes = 77, .setup_bytes = sizeof(setup),
		.program_bytes = sizeof(program)};
	uint8_t hash[32];

	buffer_done(&whole);
	buffer_init(&whole);
	blake2b_256(program, sizeof(program), head.program_hash);
	recording_put_head(&head, &whole.sink);
	cr_assert_eq(whole.count, RECORDING_HEAD_BYTES);
	sink_put(&whole.sink, setup, sizeof(setup));
	if (!(flags & RECORDING_THIN))
		sink_put(&whole.sink, program, sizeof(program));
	blake2b_256(whole.bytes, whole.count, hash);
	sink_put(&whole.sink, hash, sizeof(hash));
	sink_put(&whole.sink, journal, sizeof(journal));
	recording_put_tail(hash, (const uint8_t *)outcome, sizeof(outcome), tail_flags, 134, &whole.sink);
}

static int
read_one(size_t count, struct report *report, struct recording *ret_recording)
{
	report_clear(report);
	return recording_read(whole.bytes, count, report, ret_recording);
}

Test(recording, comes_back_as_it_was)
{
	struct recording r;
	struct report report;

	write_one(RECORDING_IMAGE, RECORDING_CUT);
	cr_assert_eq(read_one(whole.count, &report, &r), 0, "%s", report.text);
	cr_assert(r.head.flags == RECORDING_IMAGE && r.head.mem_bytes == 77 && r.cut);
	cr_assert_eq(r.head.setup_bytes, sizeof(setup));
	cr_assert_eq(memcmp(r.setup, setup, sizeof(setup)), 0);
	cr_assert_eq(memcmp(r.program, program, sizeof(program)), 0);
	cr_assert_eq(r.journal_bytes, sizeof(journal));
	cr_assert_eq(memcmp(r.journal, journal, sizeof(journal)), 0);
	cr_assert_eq(r.outcome_bytes, sizeof(outcome));
	cr_assert_eq(memcmp(r.outcome, outcome, sizeof(outcome)), 0);
	write_one(RECORDING_THIN, 0);
	cr_assert_eq(read_one(whole.count, &report, &r), 0, "%s", report.text);
	cr_assert(!r.program && !r.cut && r.head.program_bytes == sizeof(program));
}

Test(recording, cut_off_anywhere_is_told)
{
	struct recording r;
	struct report report;

	write_one(0, 0);
	for (size_t count = 0; count < whole.count; count++) {
		cr_assert_eq(read_one(count, &report, &r), -EINVAL, "%zu", count);
		cr_assert_neq(report.text[0], '\0');
	}
}

/* The journal has a hash of its own, which its reader looks at. */
Test(recording, a_flipped_bit_is_told_outside_the_journal)
{
	struct recording r;
	struct report report;
	size_t from, to;

	write_one(0, 0);
	cr_assert_eq(read_one(whole.count, &report, &r), 0);
	from = (size_t)(r.journal - whole.bytes);
	to = from + r.journal_bytes;
	for (size_t bit = 0; bit < whole.count * 8; bit++) {
		if (bit / 8 >= from && bit / 8 < to)
			continue;
		whole.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		cr_assert_eq(read_one(whole.count, &report, &r), -EINVAL, "bit %zu", bit);
		cr_assert_neq(report.text[0], '\0');
		whole.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

Test(recording, sizes_that_wrap_are_told)
{
	static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 80, INT64_MAX, 1u << 31};
	struct recording r;
	struct report report;

	for (unsigned at = 32; at <= 40; at += 8) /* setup's, program's */
		for (unsigned i = 0; i < 4; i++) {
			write_one(0, 0);
			for (unsigned j = 0; j < 8; j++)
				whole.bytes[at + j] = (uint8_t)(sizes[i] >> (8 * j));
			cr_assert_eq(read_one(whole.count, &report, &r), -EINVAL);
		}
	for (unsigned i = 0; i < 4; i++) { /* the outcome's */
		write_one(0, 0);
		for (unsigned j = 0; j < 8; j++)
			whole.bytes[whole.count - RECORDING_TAIL_BYTES + j] = (uint8_t)(sizes[i] >> (8 * j));
		cr_assert_eq(read_one(whole.count, &report, &r), -EINVAL);
	}
}

Test(recording, of_other_prices_is_refused)
{
	struct recording r;
	struct report report;

	write_one(0, 0);
	whole.bytes[16]++;
	cr_assert_eq(read_one(whole.count, &report, &r), -EINVAL);
	cr_assert(strstr(report.text, "gas would differ"), "%s", report.text);
	write_one(0, 0);
	whole.bytes[8]++;
	cr_assert_eq(read_one(whole.count, &report, &r), -EINVAL);
	cr_assert(strstr(report.text, "version 2"), "%s", report.text);
}
