/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_thaw: any bytes as the image of a whole tree, with every kind of object
 * there is, as a guest may thaw them. Refused with words, or a world in order
 * that can be written and ended. The hash is put right, as in image.c. */
#include <stdlib.h>
#include <string.h>

#include "kernel/base/blake2b.h"
#include "kernel/image.h"
#include "tests/caps/gate/theatre.h"
#include "tests/support/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
use(struct theatre *t, struct domain *domain)
{
	struct buffer again;

	world_check(t->world);
	buffer_init(&again);
	check(image_write(t->world, domain, &again.sink, false) == 0);
	buffer_done(&again);
	line_limit(world_clock(t->world), &domain->meter.line, 20000);
	domain_start(domain);
	for (int i = 0; i < 100 && theatre_step(t); i++)
		;
	world_check(t->world);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const struct domain_above nothing;
	struct domain *domain = NULL;
	struct report report;
	struct buffer image;
	struct theatre t;

	if (count <= IMAGE_HASH_BYTES)
		return -1;
	theatre_open(&t);
	t.host.reserved_max = (uint64_t)1 << 36;
	buffer_init(&image);
	(void)buffer_put(&image.sink, bytes, count);
	blake2b_256(image.bytes, count - IMAGE_HASH_BYTES, image.bytes + count - IMAGE_HASH_BYTES);
	report_clear(&report);
	if (image_thaw(t.world, &nothing, image.bytes, image.count, &report, &domain))
		check(report.text[0] != '\0');
	else
		use(&t, domain);
	theatre_close(&t);
	buffer_done(&image);
	return 0;
}
